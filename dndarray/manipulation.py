"""Rearrangement: what changes where elements are, in the array or among processes. Data moves at most once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .array import DNDarray, same_comm, wrap
from .broadcasting import align_to, broadcast_shapes, common_layout
from .creation import make_layout
from .elementwise import as_operand, store
from .layout import Layout, Split, normalize_axes, normalize_axis
from .redistribution import Job, exchange, move
from .types import as_dtype, result_type

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


def _moved(x: DNDarray, layout: Layout) -> DNDarray:
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
    return _moved(x, make_layout(x.shape, split, grid, x.comm))


def resplit_(x: DNDarray, split: Split = None, grid: Any = None) -> DNDarray:
    """As `resplit`, in place."""
    return _become(x, resplit(x, split, grid))


def balance(x: Any) -> DNDarray:
    """The same array with balanced counts. Communication: one all-to-all if it is not."""
    x = as_operand(x)
    return _moved(x, x.layout.balanced())


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
    return _moved(x, Layout(x.shape, x.layout.grid, x.layout.axes, full))


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


def _section(layout: Layout, axis: int, start: int, stop: int) -> Layout:
    """How the part `[start, stop)` along `axis` of an array in this layout lies."""
    shape = list(layout.shape)
    shape[axis] = stop - start
    counts = list(layout.counts)
    g = layout.grid_axis(axis)
    if g is not None and layout.offsets[g] is not None:
        edges = [min(max(o, start), stop) for o in layout.offsets[g]]  # type: ignore[union-attr]
        counts[g] = tuple(b - a for a, b in zip(edges[:-1], edges[1:], strict=True))
    return Layout(shape, layout.grid, layout.axes, counts)


def _join(parts: Sequence[DNDarray], axis: int, layout: Layout) -> DNDarray:
    """The parts one after another along `axis`, as an array in `layout`: one exchange for all of them."""
    comm = parts[0].comm
    jobs, start = [], 0
    for part in parts:
        jobs.append(Job(part.layout, _section(layout, axis, start, start + part.shape[axis])))
        start += part.shape[axis]
    return wrap(torch.cat(exchange(comm, jobs, [p.larray for p in parts]), axis), layout, comm)


def concatenate(
    arrays: Sequence[Any], axis: int | None = 0, out: DNDarray | None = None, dtype: Any = None
) -> DNDarray:
    """The arrays one after another along an axis that exists; with None they are flattened first.

    The result is split as the largest split array is, balanced along `axis`. Communication: one all-to-all for all
    arrays, none if they are split alike along another axis.
    """
    parts = [as_operand(a) for a in arrays]
    if not parts:
        raise ValueError("concatenate needs one array or more")
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    axis = normalize_axis(axis, parts[0].ndim)
    rests = {(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}
    if len(rests) > 1 or len({p.ndim for p in parts}) > 1:
        raise ValueError(f"shapes {[p.shape for p in parts]} must agree but for axis {axis}")
    computed = as_dtype(dtype) if dtype is not None else result_type(*parts)
    parts = [p if p.dtype is computed else p.astype(computed) for p in parts]
    leader = max(parts, key=lambda p: (p.layout.is_dealt, p.size)).layout
    shape = list(leader.shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    counts = [None if a == axis else c for a, c in zip(leader.axes, leader.counts, strict=True)]
    result = _join(parts, axis, Layout(shape, leader.grid, leader.axes, counts))
    return result if out is None else store(result, out)


def stack(arrays: Sequence[Any], axis: int = 0, out: DNDarray | None = None) -> DNDarray:
    """The arrays along a new axis, which is not split. Communication: one all-to-all if they are not split alike."""
    parts = [as_operand(a) for a in arrays]
    if len({p.shape for p in parts}) != 1:
        raise ValueError(f"stack needs arrays of one shape, got {[p.shape for p in parts]}")
    axis = normalize_axis(axis, parts[0].ndim + 1)
    return concatenate([expand_dims(p, axis) for p in parts], axis, out)


# --- order ------------------------------------------------------------------------------------------------------------


def flip(x: Any, axis: int | Sequence[int] | None = None) -> DNDarray:
    """The elements in reverse order along axes. Communication: one all-to-all if one of them is split."""
    x = as_operand(x)
    axes = normalize_axes(axis, x.ndim)
    local = x.larray.flip([a for a in axes if x.layout.grid_axis(a) is None])
    across = tuple(a for a in axes if x.layout.grid_axis(a) is not None)
    if across:
        local = exchange(x.comm, [Job(x.layout, x.layout, across)], [local])[0]
    return wrap(local, x.layout, x.comm)


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> DNDarray:
    """The elements moved on along axes, those that fall off come in again at the front.

    Communication: one all-to-all for each split axis.
    """
    x = as_operand(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    if len(shifts) != len(axes):
        raise ValueError(f"`shift` (={shift}) and `axis` (={axis}) must have as many entries")
    for s, a in zip(shifts, axes, strict=True):
        a, n = normalize_axis(a, x.ndim), x.shape[a]
        if n == 0 or s % n == 0:
            continue
        if x.layout.grid_axis(a) is None:
            x = DNDarray(x.larray.roll(s, a), x.layout, x.comm)
        else:
            from .indexing import section

            x = _join([section(x, a, n - s % n, n), section(x, a, 0, n - s % n)], a, x.layout)
    return x


# --- shape ------------------------------------------------------------------------------------------------------------


def _full_shape(shape: Any, size: int) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape) or math.prod(shape) != size:
        raise ValueError(f"an array of {size} elements does not take `shape` (={shape})")
    return shape


def _carried(layout: Layout, shape: tuple[int, ...]) -> Layout | None:
    """The layout after a reshape that leaves each split axis, and what comes before it, whole: nothing moves."""
    mapping: list[int | None] = [None] * layout.ndim
    for a in layout.axes:
        if a is None:
            continue
        before = math.prod(layout.shape[:a])
        for b, n in enumerate(shape):
            if math.prod(shape[:b]) == before and n == layout.shape[a]:
                mapping[a] = b
                break
        else:
            return None
    targets = [m for m in mapping if m is not None]
    return None if len(set(targets)) < len(targets) else layout.derive(shape, mapping)


def _leading(shape: tuple[int, ...], parts: int) -> int:
    """The first axis that, with those before it, is long enough for all processes."""
    return next((a for a in range(len(shape)) if math.prod(shape[: a + 1]) >= parts), max(len(shape) - 1, 0))


def _flat_rows(layout: Layout) -> list[Layout]:
    """A layout with one dealt axis, as the flat rows before that axis, each dealt out."""
    axis = layout.axes[0]
    assert axis is not None
    inner = math.prod(layout.shape[axis + 1 :])
    counts = [[n * inner for n in layout.counts[0]]]  # type: ignore[union-attr]
    return [Layout((layout.shape[axis] * inner,), layout.grid, 0, counts)] * math.prod(layout.shape[:axis])


def _across(x: DNDarray, target: Layout) -> DNDarray:
    """Reshape from one split to another by the elements' flat order. Few rows on both sides, so few pieces."""
    comm = x.comm
    sources, targets = _flat_rows(x.layout), _flat_rows(target)
    length, wide = sources[0].size, targets[0].size
    rows = x.larray.reshape(len(sources), -1)
    cuts = sorted({*range(0, x.size + 1, length), *range(0, x.size + 1, wide)})
    jobs, tensors, places = [], [], []
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        s, t = start // length, start // wide
        source = _section(sources[s], 0, start - s * length, stop - s * length)
        jobs.append(Job(source, _section(targets[t], 0, start - t * wide, stop - t * wide)))
        first = min(max(start - s * length - sources[s].box(comm.rank)[0][0], 0), rows.shape[1])
        tensors.append(rows[s].narrow(0, first, source.lshape(comm.rank)[0]))
        places.append(t)
    arrived = exchange(comm, jobs, tensors)
    joined = [torch.cat([a for a, t in zip(arrived, places, strict=True) if t == row]) for row in range(len(targets))]
    return wrap(torch.stack(joined).reshape(target.lshape(comm.rank)), target, comm)


def reshape(x: Any, shape: Any, *, new_split: Any = "keep") -> DNDarray:
    """The same elements in C order in another shape.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
        -1 stands for what is left.
    new_split : int, tuple or None, optional
        How to split the result. By default the split axis keeps its split if it survives with all before it;
        otherwise the first axis long enough for all processes is split.

    Communication: none if the split axis survives (or nothing is split); otherwise one all-to-all, and one more for
    a split axis other than the leading one.
    """
    x = as_operand(x)
    shape = _full_shape(shape, x.size)
    carried = _carried(x.layout, shape)
    if carried is not None:
        result = wrap(x.larray.reshape(carried.lshape(x.comm.rank)), carried, x.comm)
    else:
        source = resplit(x, _leading(x.shape, x.comm.size), x.comm.grid) if x.size else x
        target = make_layout(shape, _leading(shape, x.comm.size) if shape else None, x.comm.grid, x.comm)
        if x.size == 0 or not shape:
            whole = move(x.larray, x.layout, x.layout.replicated(), x.comm)
            result = wrap(whole.reshape(target.lshape(x.comm.rank) if x.size == 0 else ()), target, x.comm)
        else:
            result = _across(source, target)
    return result if isinstance(new_split, str) else resplit(result, new_split)


def ravel(x: Any) -> DNDarray:
    """The elements in C order along one axis. Communication: as `reshape`."""
    return reshape(x, (-1,))


def flatten(x: Any) -> DNDarray:
    """As `ravel`, always in memory of its own."""
    result = ravel(x)
    return DNDarray(result.larray.clone(), result.layout, result.comm)
