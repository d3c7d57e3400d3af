"""Rearrangement: what changes where elements are, in the array or among processes. Data moves at most once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from .array import DNDarray, same_comm, wrap
from .assembly import Piece, assemble, extend, resized
from .broadcasting import align_to, broadcast_shapes, common_layout
from .creation import make_layout
from .elementwise import as_operand, store
from .errors import agreed
from .layout import Layout, Split, normalize_axes, normalize_axis
from .redistribution import Job, exchange, move
from .reshaping import carried, reshaped
from .reshaping import leading as leading_axis
from .types import as_dtype, can_cast, result_type
from .unsigned import moved

__all__ = [
    "balance",
    "balance_",
    "broadcast_arrays",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flatten",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "ravel",
    "redistribute",
    "redistribute_",
    "reshape",
    "resplit",
    "resplit_",
    "roll",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


# --- among processes --------------------------------------------------------------------------------------------------


def in_layout(x: DNDarray, layout: Layout) -> DNDarray:
    """`x` in another layout, in memory of its own."""
    if layout is x.layout:
        return x
    tensor = move(x.larray, x.layout, layout, x.comm)
    if tensor.untyped_storage().data_ptr() == x.larray.untyped_storage().data_ptr():
        tensor = tensor.clone()
    return DNDarray(tensor, layout, x.comm)


def _become(x: DNDarray, y: DNDarray) -> DNDarray:
    if x.requires_grad and x.larray.is_leaf and y is not x:
        raise ValueError("an array that gathers gradients cannot move in place; use the form without underscore")
    x.larray, x.layout = y.larray, y.layout
    return x


def resplit(x: Any, split: Split = None, grid: Any = None) -> DNDarray:
    """The same array dealt out along another axis (None: all of it on every process), balanced.

    Parameters
    ----------
    x : array_like
    split : int, tuple or None
        One entry per axis of the grid.
    grid : Grid or tuple of int, optional
        Another arrangement of the processes; `x`'s own if it fits `split`.

    Communication: one all-to-all in pipelined chunks (an all-gather for None); none where each process already holds
    what it is to hold.
    """
    x = as_operand(x)
    if grid is None:
        ndim = len(split) if isinstance(split, (tuple, list)) else 1
        fits = ndim == x.layout.grid.ndim or split is None
        grid = x.layout.grid if fits else None
    return in_layout(x, make_layout(x.shape, split, grid, x.comm))


def resplit_(x: DNDarray, split: Split = None, grid: Any = None) -> DNDarray:
    """As `resplit`, in place."""
    return _become(x, resplit(x, split, grid))


def balance(x: Any) -> DNDarray:
    """The same array with balanced counts. Communication: one all-to-all if it is not."""
    x = as_operand(x)
    return in_layout(x, x.layout.balanced())


def balance_(x: DNDarray) -> DNDarray:
    """As `balance`, in place."""
    return _become(x, balance(x))


def redistribute(x: Any, counts: Sequence) -> DNDarray:
    """The same array with as many indices of its split axis on each process as `counts` says.

    Parameters
    ----------
    x : DNDarray
    counts : sequence of int
        For each process its share of the split axis; on an n-dimensional grid one such sequence (or None) per grid
        axis; or, as in Heat, the shapes of all parts (an `lshape_map`).

    Communication: one all-to-all.
    """
    x = as_operand(x)
    if hasattr(counts, "shape") and len(counts.shape) == 2 and x.layout.grid.ndim == 1 and x.layout.axes[0] is not None:
        counts = [int(row[x.layout.axes[0]]) for row in counts]
    if x.layout.grid.ndim == 1:
        counts = [counts]
    full = [None if c is None else [int(n) for n in c] for c in counts]
    return in_layout(x, Layout(x.shape, x.layout.grid, x.layout.axes, full))


def redistribute_(x: DNDarray, counts: Sequence) -> DNDarray:
    """As `redistribute`, in place."""
    return _become(x, redistribute(x, counts))


# --- axes: nothing moves ----------------------------------------------------------------------------------------------


def transpose(x: Any, axes: Sequence[int] | None = None) -> DNDarray:
    """The axes in another order, by default reversed; each keeps its split. A view; nothing moves."""
    x = as_operand(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else normalize_axes(tuple(axes), x.ndim, "axes")
    if len(order) != x.ndim:
        raise ValueError(f"`axes` (={axes}) must name each of the {x.ndim} axes once")
    return DNDarray(x.larray.permute(order), x.layout.permute(order), x.comm)


def permute_dims(x: Any, axes: Sequence[int]) -> DNDarray:
    """The axes in the given order; each keeps its split. A view; nothing moves."""
    return transpose(x, axes)


def matrix_transpose(x: Any) -> DNDarray:
    """The last two axes exchanged. A view; nothing moves."""
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose needs two dimensions or more, not {x.ndim}")
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> DNDarray:
    """Two axes exchanged. A view; nothing moves."""
    x = as_operand(x)
    a, b = normalize_axis(axis1, x.ndim, "axis1"), normalize_axis(axis2, x.ndim, "axis2")
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return transpose(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> DNDarray:
    """Axes moved to other places, the rest in their order. A view; nothing moves."""
    x = as_operand(x)
    sources, targets = normalize_axes(source, x.ndim, "source"), normalize_axes(destination, x.ndim, "destination")
    if len(sources) != len(targets):
        raise ValueError(f"`source` (={source}) and `destination` (={destination}) must have as many entries")
    order = [a for a in range(x.ndim) if a not in sources]
    for target, a in sorted(zip(targets, sources, strict=True)):
        order.insert(target, a)
    return transpose(x, order)


def expand_dims(x: Any, axis: int | Sequence[int]) -> DNDarray:
    """New axes of size 1. A view; nothing moves."""
    x = as_operand(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    added = normalize_axes(axis, ndim)
    kept = [a for a in range(ndim) if a not in added]
    shape, index = [1] * ndim, []
    for old, new in enumerate(kept):
        shape[new] = x.shape[old]
    index = [None if a in added else slice(None) for a in range(ndim)]
    return DNDarray(x.larray[tuple(index)], x.layout.derive(shape, kept), x.comm)


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> DNDarray:
    """Without axes of size 1. Communication: one broadcast if such an axis is split."""
    x = as_operand(x)
    axes = tuple(a for a, n in enumerate(x.shape) if n == 1) if axis is None else normalize_axes(axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"`axis` (={axis}) must name axes of size 1 of an array of shape {x.shape}")
    layout = x.layout.undeal(*axes)
    local = move(x.larray, x.layout, layout, x.comm)
    kept = [a for a in range(x.ndim) if a not in axes]
    mapping = [None if a in axes else kept.index(a) for a in range(x.ndim)]
    final = layout.derive([x.shape[a] for a in kept], mapping)
    return wrap(local.reshape(final.lshape(x.comm.rank)), final, x.comm)


def broadcast_to(x: Any, shape: Sequence[int]) -> DNDarray:
    """`x` stretched to `shape`, keeping its split; a view. Communication: a broadcast if a split axis is stretched."""
    x = as_operand(x)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)  # type: ignore[call-overload]
    if broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"an array of shape {x.shape} does not broadcast to `shape` (={shape})")
    layout = common_layout(x.layout, Layout(shape, x.layout.grid))
    local = align_to(x.larray, x.layout, layout, x.comm)
    return DNDarray(local.expand(layout.lshape(x.comm.rank)), layout, x.comm)


def broadcast_arrays(*arrays: Any) -> tuple[DNDarray, ...]:
    """The arrays stretched to one shape and brought to one layout."""
    operands = [as_operand(a) for a in arrays]
    comm = same_comm(operands)
    layout = common_layout(*(a.layout for a in operands))
    lshape = layout.lshape(comm.rank)
    return tuple(DNDarray(align_to(a.larray, a.layout, layout, comm).expand(lshape), layout, comm) for a in operands)


# --- joining ----------------------------------------------------------------------------------------------------------


def beside(values: Sequence[Any]) -> list[DNDarray]:
    """Arrays from what users pass together, on the communicator and device of the first array among them."""
    comm, device = next(((v.comm, v.device) for v in values if isinstance(v, DNDarray)), (None, None))
    return [as_operand(v, comm, device) for v in values]


def with_axis(x: DNDarray, axis: int | None) -> tuple[DNDarray, int]:
    """An array and one of its axes; with None, the flattened array and its only one."""
    if axis is None or not x.ndim:
        x, axis = ravel(x), axis or 0
    return x, normalize_axis(axis, x.ndim)


def _sequence(arrays: Any) -> list[DNDarray]:
    """The arrays to be joined; of one array those along its first axis."""
    from .splitting import unstack

    return list(unstack(arrays)) if isinstance(arrays, DNDarray) else beside(list(arrays))


def in_common_type(parts: Sequence[DNDarray], dtype: Any, casting: str) -> list[DNDarray]:
    """The arrays in `dtype`, or in the type to which all promote."""
    computed = as_dtype(dtype) if dtype is not None else result_type(*parts)
    for part in parts:
        if not can_cast(part.dtype, computed, casting):
            raise TypeError(f"{part.dtype} does not become {computed} by casting={casting!r}; use another `casting`")
    return [p if p.dtype is computed else p.astype(computed) for p in parts]


def leading(parts: Sequence[DNDarray]) -> Layout:
    """The layout that the result of a rearrangement of several arrays follows: the largest split one's."""
    return max(parts, key=lambda p: (p.layout.is_dealt, p.size)).layout


def concatenate(
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: DNDarray | None = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> DNDarray:
    """The arrays one after another along an axis that exists; with None they are flattened first.

    The result is split as the largest split array is, balanced along `axis`. Communication: one all-to-all for all
    arrays, none if they are split alike along another axis.

    >>> concatenate([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    parts = _sequence(arrays)
    if not parts:
        raise ValueError("concatenate needs one array or more")
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    axis = normalize_axis(axis, parts[0].ndim)
    rests = {(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}
    if len(rests) > 1 or len({p.ndim for p in parts}) > 1:
        raise ValueError(f"shapes {[p.shape for p in parts]} must agree but for axis {axis}")
    if dtype is not None and out is not None:
        raise TypeError("concatenate takes `out` or `dtype`, not both")
    same_comm(parts)
    parts = in_common_type(parts, dtype, casting if out is None else "unsafe")
    ends = list(accumulate((p.shape[axis] for p in parts), initial=0))
    pieces = [Piece(p, [s if a == axis else 0 for a in range(p.ndim)]) for p, s in zip(parts, ends, strict=False)]
    result = assemble(pieces, resized(leading(parts), axis, ends[-1]))
    return result if out is None else store(result, out)


def stack(
    arrays: Sequence[Any],
    axis: int = 0,
    out: DNDarray | None = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> DNDarray:
    """The arrays along a new axis, which is not split. Communication: one all-to-all if they are not split alike."""
    parts = _sequence(arrays)
    if len({p.shape for p in parts}) != 1:
        raise ValueError(f"stack needs arrays of one shape, got {[p.shape for p in parts]}")
    axis = normalize_axis(axis, parts[0].ndim + 1)
    return concatenate([expand_dims(p, axis) for p in parts], axis, out, dtype, casting)


# --- order ------------------------------------------------------------------------------------------------------------


def flip(x: Any, axis: int | Sequence[int] | None = None) -> DNDarray:
    """The elements in reverse order along axes.

    Communication: one all-to-all if one of them is split, which takes one more array like `x` in memory.
    """
    x = as_operand(x)
    axes = normalize_axes(axis, x.ndim)
    across = tuple(a for a in axes if x.layout.grid_axis(a) is not None)
    whole = [a for a in axes if a not in across]
    local = moved(torch.flip, x.larray, whole) if whole or not across else x.larray
    if across:
        local = exchange(x.comm, [Job(x.layout, x.layout, across)], [local])[0]
    return wrap(local, x.layout, x.comm)


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> DNDarray:
    """The elements moved on along axes, those that fall off come in again at the front.

    Communication: one exchange if one of the axes is split; with `axis=None` as much as `ravel` and its inverse, too.
    """
    x = as_operand(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,)
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ValueError(f"`shift` (={shift}) and `axis` (={axis}) must have as many entries")
    many = max(len(shifts), len(axes))
    total = [0] * x.ndim
    for s, a in zip(shifts * (many // len(shifts)), axes * (many // len(axes)), strict=True):
        total[normalize_axis(a, x.ndim)] += s
    steps = {a: s % n for a, (s, n) in enumerate(zip(total, x.shape, strict=True)) if n and s % n}
    across = {a: [(-s, x.shape[a] - s)] for a, s in steps.items() if x.layout.grid_axis(a) is not None}
    whole = [a for a in steps if a not in across]
    if whole:
        x = DNDarray(moved(torch.roll, x.larray, [steps[a] for a in whole], whole), x.layout, x.comm)
    if across:
        return extend(x, across, "wrap", x.layout)
    return x if whole else DNDarray(x.larray.clone(), x.layout, x.comm)


# --- shape ------------------------------------------------------------------------------------------------------------


def _full_shape(shape: Any, size: int) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape) or math.prod(shape) != size:
        raise ValueError(f"an array of {size} elements does not take `shape` (={shape})")
    return shape


def _in_c_order(order: str) -> bool:
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"`order` (={order!r}) must be 'C' or 'F'; 'A' and 'K' mean 'C' here")
    return order != "F"


def reshape(x: Any, shape: Any, order: str = "C", *, copy: bool | None = None, new_split: Any = "keep") -> DNDarray:
    """The same elements in C order in another shape.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
        -1 stands for what is left.
    order : {"C", "F"}
        Whether the last index runs fastest, or the first one.
    copy : bool, optional
        Whether the result has memory of its own; False raises ValueError where it must, which for a split array is
        wherever its split axis does not survive, on any number of processes.
    new_split : int, tuple or None, optional
        How to split the result. By default the split axis keeps its split if it survives with all before it;
        otherwise the first axis long enough for all processes is split.

    Communication: none if the split axis survives (or nothing is split); otherwise one all-to-all of all elements, and
    two of a few where parts of the one shape do not end where parts of the other do. Only between shapes without
    common edges inside, and a split axis other than the leading one, do all elements travel twice, or three times.
    """
    x = as_operand(x)
    shape = _full_shape(shape, x.size)
    plain = _in_c_order(order)
    source, target = (x, shape) if plain else (transpose(x), shape[::-1])
    if copy is False and x.size:
        result = _view(source, target)
    else:
        result = _reshape(source, target, new_split if plain else "keep")
    result = result if plain else transpose(result)
    if not isinstance(new_split, str):
        if copy is False and result.layout is not make_layout(shape, new_split, None, x.comm):
            raise ValueError(f"no view of {x.layout} has split={new_split}: elements would move; allow a copy")
        result = resplit(result, new_split)
    shared = result.larray.untyped_storage().data_ptr() == x.larray.untyped_storage().data_ptr()
    return DNDarray(result.larray.clone(), result.layout, x.comm) if copy and shared else result


def _view(x: DNDarray, shape: tuple[int, ...]) -> DNDarray:
    """`x`, which is not empty, in another shape in the same memory, or a ValueError on every process."""
    layout = carried(x.layout, shape)
    if layout is None:
        raise ValueError(f"no view of {x.layout} has `shape` (={shape}): elements would move; allow a copy")
    local = x.larray
    with agreed(x.comm):  # how a part lies in memory only its process knows
        try:
            local = local.view(layout.lshape(x.comm.rank))
        except RuntimeError:
            raise ValueError(f"no view of a part with strides {local.stride()} has `shape` (={shape}); copy") from None
    return wrap(local, layout, x.comm)


def _reshape(x: DNDarray, shape: tuple[int, ...], new_split: Any) -> DNDarray:
    lies = carried(x.layout, shape)
    if lies is not None:
        result = wrap(x.larray.reshape(lies.lshape(x.comm.rank)), lies, x.comm)
    elif x.size == 0 or not shape:
        target = make_layout(shape, leading_axis(shape, x.comm.size) if shape else None, x.comm.grid, x.comm)
        whole = move(x.larray, x.layout, x.layout.replicated(), x.comm)
        result = wrap(whole.reshape(target.lshape(x.comm.rank) if x.size == 0 else ()), target, x.comm)
    elif isinstance(new_split, str):
        return reshaped(x, make_layout(shape, leading_axis(shape, x.comm.size), x.comm.grid, x.comm))
    else:
        return reshaped(x, make_layout(shape, new_split, None, x.comm))
    return result if isinstance(new_split, str) else resplit(result, new_split)


def ravel(x: Any, order: str = "C") -> DNDarray:
    """The elements in C order (or "F", the first index fastest) along one axis. Communication: as `reshape`."""
    return reshape(x, (-1,), order)


def flatten(x: Any, order: str = "C") -> DNDarray:
    """As `ravel`, always in memory of its own."""
    return reshape(x, (-1,), order, copy=True)
