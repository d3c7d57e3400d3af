"""Arrays repeated, turned, cut, and seen through windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .array import DNDarray, wrap
from .assembly import beside_axis, extend, resized
from .broadcasting import broadcast_shapes
from .collectives import halo_exchange
from .elementwise import as_operand
from .indexing import getitem
from .layout import Layout, normalize_axes, normalize_axis
from .manipulation import expand_dims, flip, moveaxis, ravel, reshape, transpose, with_axis
from .redistribution import move
from .types import can_cast
from .unsigned import moved

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "fliplr",
    "flipud",
    "repeat",
    "resize",
    "rollaxis",
    "rot90",
    "sliding_window_view",
    "tile",
    "trim_zeros",
    "unfold",
]


# --- again and again --------------------------------------------------------------------------------------------------


def tile(x: Any, reps: int | Sequence[int]) -> DNDarray:
    """`x` so many times along each axis, one after another; split as `x`, balanced along a split axis that is tiled.

    Communication: one exchange if such an axis is split, otherwise none.

    >>> tile([1, 2], 3).tolist()
    [1, 2, 1, 2, 1, 2]
    """
    x = as_operand(x)
    times = tuple(int(n) for n in np.atleast_1d(np.asarray(reps)))
    if any(n < 0 for n in times):
        raise ValueError(f"`reps` (={reps}) must not be negative")
    times = (1,) * (x.ndim - len(times)) + times
    x = expand_dims(x, tuple(range(len(times) - x.ndim)))
    across = [a for a, n in enumerate(times) if n != 1 and x.layout.grid_axis(a) is not None]
    layout = x.layout
    for a in across:
        layout = resized(layout, a, times[a] * x.shape[a])
    if across:
        x = extend(x, {a: [(0, layout.shape[a])] for a in across}, "wrap", layout)
    whole = [1 if a in across else n for a, n in enumerate(times)]
    for a, n in enumerate(whole):
        layout = layout if n == 1 else resized(layout, a, n * x.shape[a])
    return wrap(x.larray if across and set(whole) == {1} else x.larray.tile(whole), layout, x.comm)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> DNDarray:
    """Each element so many times: a number for all, or one for each index along `axis`; None flattens `x` first.

    The result lies where the elements are: it has their split, and may be unbalanced. Communication: none; if
    `repeats` is itself split and `axis` is, too, one all-gather of counts and at most one exchange.

    >>> repeat([1, 2], [1, 3]).tolist()
    [1, 2, 2, 2]
    """
    x = as_operand(x)
    times = as_operand(repeats, x.comm, x.device)
    if times.ndim > 1 or not can_cast(times.dtype, torch.int64):
        raise TypeError(f"`repeats` must be an integer or one axis of them, not {times.dtype} of shape {times.shape}")
    x, axis = with_axis(x, axis)
    n, g = x.shape[axis], x.layout.grid_axis(axis)
    if times.size != 1 and times.shape != (n,):
        raise ValueError(f"`repeats` of shape {times.shape} must be a number or have {n} entries, as axis {axis} has")
    totals, mine = _repeats(times.astype(torch.int64, copy=False), x.layout, axis)
    layout = resized(x.layout, axis, sum(totals), None if g is None else totals)
    return wrap(moved(torch.repeat_interleave, x.larray, mine, axis), layout, x.comm)


def _repeats(times: DNDarray, layout: Layout, axis: int) -> tuple[list[int], Any]:
    """How much each process along the axis will hold, and this one's repeats: a number for all or one for each."""
    comm, g, n = times.comm, layout.grid_axis(axis), layout.shape[axis]
    mine: Any
    if times.size == 1:
        mine = least = int(times.item())
        totals = [mine * count for count in ([n] if g is None else layout.counts[g])]  # type: ignore[union-attr]
    elif g is None or not times.layout.is_dealt:
        every = times.torch()
        mine = every[slice(*layout.box(comm.rank)[axis])]
        ends = torch.cat([every.new_zeros(1), every.cumsum(0)])
        totals = ends[[0, n] if g is None else list(layout.offsets[g])].diff().tolist()  # type: ignore[arg-type]
        least = int(every.amin()) if n else 0
    else:
        mine = move(times.larray, times.layout, beside_axis(layout, axis), comm)
        summary = torch.stack([mine.sum(), -mine.amin() if len(mine) else mine.sum()])
        totals, negated = comm.along(layout.grid, (g,)).allgather(summary).t().tolist()
        least = -max(negated)
    if least < 0:
        raise ValueError(f"`repeats` must not be negative, one is {least}")
    return totals, mine


def resize(x: Any, new_shape: int | Sequence[int]) -> DNDarray:
    """The elements in C order, again from the first one when they run out, in another shape.

    Split as `reshape` splits. Communication: as `ravel` and `reshape`, and one exchange between them.
    """
    x = as_operand(x)
    shape = tuple(int(n) for n in np.atleast_1d(np.asarray(new_shape)))
    if any(n < 0 for n in shape):
        raise ValueError(f"`new_shape` (={new_shape}) must not be negative")
    size = math.prod(shape)
    flat = ravel(x)
    if size <= flat.size:
        return reshape(getitem(flat, slice(0, size)), shape, copy=True)
    target = resized(flat.layout, 0, size)
    if not flat.size:
        return reshape(DNDarray(x.larray.new_zeros(target.lshape(x.comm.rank)), target, x.comm), shape)
    return reshape(extend(flat, {0: [(0, size)]}, "wrap", target), shape)


# --- turned -----------------------------------------------------------------------------------------------------------


def fliplr(x: Any) -> DNDarray:
    """The second axis in reverse order. Communication: as `flip`."""
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"fliplr needs two dimensions or more, not {x.ndim}")
    return flip(x, 1)


def flipud(x: Any) -> DNDarray:
    """The first axis in reverse order. Communication: as `flip`."""
    x = as_operand(x)
    if x.ndim < 1:
        raise ValueError("flipud needs one dimension or more, not 0")
    return flip(x, 0)


def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> DNDarray:
    """Turned by `k` right angles in the plane of two axes, from the first towards the second.

    Communication: as `flip` of one axis, or of both for half a turn.
    """
    x = as_operand(x)
    pair = normalize_axes(tuple(axes), x.ndim, "axes")
    if len(pair) != 2:
        raise ValueError(f"`axes` (={axes}) must be two axes")
    order = list(range(x.ndim))
    order[pair[0]], order[pair[1]] = pair[1], pair[0]
    match k % 4:
        case 0:
            return getitem(x, ...)
        case 1:
            return transpose(flip(x, pair[1]), order)
        case 2:
            return flip(x, pair)
    return flip(transpose(x, order), pair[1])


def rollaxis(x: Any, axis: int, start: int = 0) -> DNDarray:
    """Axis `axis` moved to before axis `start`. A view; nothing moves."""
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    if not -x.ndim <= start <= x.ndim:
        raise ValueError(f"`start` (={start}) must be in [{-x.ndim}, {x.ndim}] for an array of {x.ndim} dimensions")
    start = start + x.ndim if start < 0 else start
    return moveaxis(x, axis, start - (axis < start))


def _with_axes(arrays: Sequence[Any], added: Any) -> Any:
    """Each array with the axes that `added` says for its number of dimensions."""
    views = [expand_dims(x, added(x.ndim)) for x in map(as_operand, arrays)]
    return views[0] if len(views) == 1 else tuple(views)


def atleast_1d(*arrays: Any) -> Any:
    """The arrays with one axis at least. Views; nothing moves."""
    return _with_axes(arrays, lambda ndim: () if ndim else (0,))


def atleast_2d(*arrays: Any) -> Any:
    """The arrays with two axes at least, new ones in front. Views; nothing moves."""
    return _with_axes(arrays, lambda ndim: tuple(range(2 - ndim)))


def atleast_3d(*arrays: Any) -> Any:
    """The arrays with three axes at least, new ones around those of a vector and behind those of a matrix. Views."""
    return _with_axes(arrays, lambda ndim: {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(ndim, ()))


# --- cut and seen through windows -------------------------------------------------------------------------------------


def trim_zeros(x: Any, trim: str = "fb", axis: int | Sequence[int] | None = None) -> DNDarray:
    """Without the zeros at the front ("f") and the back ("b") of axes: the smallest box that holds the rest.

    A view that lies where its elements are. Communication: one all-reduce of 2 ndim numbers if `x` is split.
    """
    x = as_operand(x)
    if trim.lower() not in ("f", "b", "fb", "bf"):
        raise ValueError(f"`trim` (={trim!r}) must be 'f', 'b' or 'fb'")
    axes = normalize_axes(axis, x.ndim)
    if not axes:
        return x
    found = torch.nonzero(x.larray.detach() != 0)
    starts = torch.tensor([start for start, _ in x.layout.box(x.comm.rank)], device=x.device)
    never = -max(x.shape) - 1
    if len(found):
        limits = torch.stack([-(found.amin(0) + starts), found.amax(0) + starts + 1])
    else:
        limits = torch.full((2, x.ndim), never, device=x.device)
    if x.layout.is_distributed:
        limits = x.comm.allreduce(limits, "max")
    firsts, lasts = (-limits[0]).tolist(), limits[1].tolist()
    key = []
    for a in range(x.ndim):
        start, stop = (0, 0) if lasts[a] < 0 else (firsts[a], lasts[a])
        if lasts[a] >= 0:
            start, stop = start if "f" in trim.lower() else 0, stop if "b" in trim.lower() else x.shape[a]
        key.append(slice(start, stop) if a in axes else slice(None))
    return getitem(x, tuple(key))


def sliding_window_view(
    x: Any,
    window_shape: int | Sequence[int],
    axis: int | Sequence[int] | None = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> DNDarray:
    """Every window of `window_shape` along `axis`: the windows' own axes come last.

    Split as `x` is, each window lying where its first element is; where the axis is not split a view of `x`. `subok`
    and `writeable` have no meaning here.

    Communication: for each split axis one exchange with the following processes of as many indices as a window needs.

    >>> sliding_window_view([1, 2, 3], 2).tolist()
    [[1, 2], [2, 3]]
    """
    x = as_operand(x)
    lengths = tuple(int(n) for n in np.atleast_1d(np.asarray(window_shape)))
    if any(n < 0 for n in lengths):
        raise ValueError(f"`window_shape` (={window_shape}) must not be negative")
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(normalize_axis(a, x.ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(axes) != len(lengths):
        raise ValueError(f"`window_shape` (={window_shape}) must have an entry for each of the axes {axes}")
    for a, n in zip(axes, lengths, strict=True):
        x = _windows(x, a, n)
    return x


def _windows(x: DNDarray, axis: int, length: int) -> DNDarray:
    n, g = x.shape[axis], x.layout.grid_axis(axis)
    if length > n:
        raise ValueError(f"a window of {length} does not fit into axis {axis}, of {n} indices")
    local, total, counts = x.larray, n - length + 1, None
    if g is not None and length:
        ends = [min(o, total) for o in x.layout.offsets[g]]  # type: ignore[union-attr]
        counts = [v - u for u, v in zip(ends[:-1], ends[1:], strict=True)]
        if length > 1:
            group = x.comm.along(x.layout.grid, (g,))
            local = halo_exchange(local, axis, 0, length - 1, x.layout.counts[g], group)  # type: ignore[arg-type]
    layout = resized(x.layout, axis, total, counts)
    layout = layout.derive((*layout.shape, length), range(x.ndim))
    mine = layout.lshape(x.comm.rank)
    if mine[axis] and length:
        return wrap(local.narrow(axis, 0, mine[axis] + length - 1).unfold(axis, length, 1), layout, x.comm)
    return wrap(
        local.narrow(axis, 0, 0).sum(axis, keepdim=True, dtype=x.dtype).unsqueeze(-1).expand(mine), layout, x.comm
    )


def unfold(x: Any, axis: int, size: int, step: int = 1) -> DNDarray:
    """The windows of `size` indices along `axis` that begin at every `step`-th index, as torch's and Heat's `unfold`.

    The windows' own axis comes last. Communication: as `sliding_window_view`.
    """
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    if step < 1:
        raise ValueError(f"`step` (={step}) must be positive")
    return getitem(sliding_window_view(x, size, axis), (slice(None),) * axis + (slice(None, None, step),))
