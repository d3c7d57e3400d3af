"""Indexing with boolean masks and arrays of integers, and their mixtures with slices.

Layouts: a mask gives a result split where the selected elements are (unbalanced); integers along a split axis give a
result split along the first axis of the index, or as the index itself is. Communication: a mask exchanges its counts
(one all-gather); integers fetch each element from its owner in one all-to-all, preceded by one that asks for them if
the index is itself split; requests and answers take about four times the index in memory. Where the indexed axes and
the index are whole everywhere, nothing is communicated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to, broadcast_shapes, common_layout
from .collectives import all_to_all, use_in_split
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .errors import agreed
from .indexing import assign, complete, drop_leading, getitem, setitem
from .layout import Layout, balanced_counts
from .local_indexing import masked, owners, put_back, rows_at, sorted_by, true_positions, unraveled
from .redistribution import move
from .types import kind

__all__ = ["advanced_get", "advanced_set", "nonzero", "take"]

Write = Callable[[Tensor, list[Tensor], Tensor], None]


def _entry(entry: Any, x: DNDarray) -> Any:
    """A key's entry in canonical form: int, (start, stop, step), None, Ellipsis, or an array."""
    if isinstance(entry, slice):
        return (entry.start, entry.stop, entry.step)
    if entry is None or entry is Ellipsis or (isinstance(entry, (int, np.integer)) and not isinstance(entry, bool)):
        return int(entry) if isinstance(entry, (int, np.integer)) else entry
    if isinstance(entry, (list, tuple)) and not len(entry):
        entry = np.zeros(0, dtype=np.int64)
    if isinstance(entry, (bool, np.bool_)):
        entry = np.asarray(entry)
    array = as_operand(entry, x.comm, x.device)
    if array.dtype.is_floating_point or array.dtype.is_complex:
        raise IndexError(f"arrays used as indices must be of integers or bools, not {array.dtype}")
    if array.ndim == 0 and array.dtype is not torch.bool:
        return array.item()
    return array if array.dtype in (torch.bool, torch.int64) else array.astype(torch.int64)


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, DNDarray) and entry.dtype is torch.bool


def nonzero(x: Any) -> tuple[DNDarray, ...]:
    """The indices of the elements that are not zero, one array of int64 for each axis, in C order.

    Split along their only axis where the elements are. Communication: one all-gather of counts; one redistribution
    before if another axis than the first is split.
    """
    x = as_operand(x)
    if x.ndim == 0:
        raise ValueError("nonzero of an array without axes; compare or use atleast_1d")
    layout = x.layout.by_rows()
    local = move(x.larray, x.layout, layout, x.comm)
    local = local if local.dtype is torch.bool else local != 0
    found = unraveled(true_positions(local), local.shape)
    (start, _), *_ = layout.box(x.comm.rank)
    found[0] += start
    result = _selection(layout, len(found[0]), x)
    return tuple(wrap(f, result, x.comm) for f in found)


def _selection(layout: Layout, count: int, x: DNDarray, rest: Sequence[int] = ()) -> Layout:
    """The layout of `count` selected rows of shape `rest` on each process; exchanges the counts."""
    if not layout.is_dealt:
        return Layout((count, *rest), x.comm.grid)
    counts = x.comm.allgather(torch.tensor([count])).reshape(-1).tolist()
    return Layout((sum(counts), *rest), x.comm.grid, 0, [counts])


# --- masks over leading axes ------------------------------------------------------------------------------------------


def _check_mask(x: DNDarray, mask: DNDarray, axis: int = 0) -> None:
    if mask.shape != x.shape[axis : axis + mask.ndim]:
        raise IndexError(
            f"a mask of shape {mask.shape} does not fit the axes {axis} to {axis + mask.ndim - 1} of an array of shape "
            f"{x.shape}"
        )


def _masked_rows(x: DNDarray, mask: DNDarray) -> tuple[Tensor, Tensor, Layout]:
    """Local parts of array and mask, laid so that selected elements are in C order over the ranks."""
    trailing_only = all(a is None or a >= mask.ndim for a in x.layout.axes)
    if trailing_only and not mask.layout.is_dealt:
        return x.larray, mask.larray, x.layout
    layout = (x.layout if x.layout.is_dealt else Layout(x.shape, x.comm.grid, 0)).by_rows()
    local = move(x.larray, x.layout, layout, x.comm)
    return local, move(mask.larray, mask.layout, _leading_layout(layout, mask), x.comm), layout


def _leading_layout(layout: Layout, mask: DNDarray) -> Layout:
    """How a mask over the leading axes of an array in this layout lies beside it."""
    axes = tuple(None if a is None or a >= mask.ndim else a for a in layout.axes)
    counts = [None if a is None else c for a, c in zip(axes, layout.counts, strict=True)]
    return Layout(mask.shape, layout.grid, axes, counts)


def _mask_get(x: DNDarray, mask: DNDarray) -> DNDarray:
    _check_mask(x, mask)
    local, lmask, layout = _masked_rows(x, mask)
    if mask.ndim == 0:
        return wrap(local[lmask], layout.derive((int(lmask), *x.shape), range(1, x.ndim + 1)), x.comm)
    selected = masked(local, lmask)
    if any(a is not None and a < mask.ndim for a in layout.axes):
        return wrap(selected, _selection(layout, len(selected), x, x.shape[mask.ndim :]), x.comm)
    mapping = [None if a < mask.ndim else a - mask.ndim + 1 for a in range(x.ndim)]
    return wrap(selected, layout.derive((len(selected), *x.shape[mask.ndim :]), mapping), x.comm)


def _mask_set(x: DNDarray, mask: DNDarray, value: DNDarray) -> None:
    _check_mask(x, mask)
    rest = x.ndim - mask.ndim
    if value.ndim <= rest or (value.ndim == rest + 1 and value.shape[0] == 1):
        value = drop_leading(value, rest) if value.ndim > rest else value
        aligned = align_to(value.larray, value.layout, x.layout, x.comm)
        assign(x.larray, move(mask.larray, mask.layout, _leading_layout(x.layout, mask), x.comm), aligned)
        return
    local, lmask, layout = _masked_rows(x, mask)
    selected = _mask_get(
        DNDarray(local.detach(), layout, x.comm), DNDarray(lmask, _leading_layout(layout, mask), x.comm)
    )
    target = selected.layout
    if value.shape[0] != target.shape[0]:
        raise ValueError(f"{target.shape[0]} elements are selected, and a value of shape {value.shape} is to fill them")
    aligned = align_to(value.larray, value.layout, target, x.comm)
    if layout is x.layout:
        assign(x.larray, lmask, aligned)
        return
    changed = local.clone()
    assign(changed, lmask, aligned)
    x.larray.copy_(move(changed, layout, x.layout, x.comm))


# --- arrays of integers -----------------------------------------------------------------------------------------------


class _Advanced(NamedTuple):
    """A key with arrays: the array with the indexed axes first, the indices, and where their axes go in the result."""

    front: DNDarray
    indices: list[DNDarray]
    position: int


def _prepare(x: DNDarray, entries: list) -> _Advanced:
    """Apply slices and new axes, then bring the indexed axes to the front."""
    from .manipulation import transpose

    basic: list[Any] = []
    arrays: list[tuple[int, DNDarray]] = []
    axis = 0  # of the array after slices and new axes
    source = 0
    for entry in entries:
        if _is_mask(entry):
            _check_mask(x, entry, source)
            if entry.ndim == 0:
                raise IndexError("a single True or False among other indices is not supported; use an array")
            for found in nonzero(entry):
                arrays.append((axis, found))
                basic.append(slice(None))
                axis, source = axis + 1, source + 1
        elif isinstance(entry, (DNDarray, int)):
            arrays.append((axis, as_operand(entry, x.comm, x.device)))
            basic.append(slice(None))
            axis, source = axis + 1, source + 1
        else:
            basic.append(entry if entry is None else slice(*entry))
            axis, source = axis + 1, source + (entry is not None)
    sliced = getitem(x, tuple(basic))
    axes = [a for a, _ in arrays]
    rest = [a for a in range(sliced.ndim) if a not in axes]
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    return _Advanced(transpose(sliced, axes + rest), [i for _, i in arrays], axes[0] if together else 0)


def _wrapped(indices: Sequence[Tensor], sizes: Sequence[int], axes: Sequence[int]) -> list[Tensor]:
    """Non-negative indices, or an IndexError."""
    result = []
    for index, n, axis in zip(indices, sizes, axes, strict=True):
        low, high = (int(end) for end in index.aminmax()) if index.numel() else (0, -1)
        if low < -n or high >= n:
            bad = index[(index < -n) | (index >= n)][0]
            raise IndexError(f"index {int(bad)} is out of bounds for axis {axis} with size {n}")
        result.append(torch.where(index < 0, index + n, index) if low < 0 else index)
    return result


class _Requests(NamedTuple):
    """Who wants which elements: this process's part of an index, in flat order, and what others want from it."""

    lead: Layout
    """Layout of the index arrays, and of the leading axes of the result."""
    front: Layout
    """Layout in which the elements are fetched: the indexed axis dealt out by one grid axis at most."""
    along: Communicator | None
    """The processes among which the elements travel; None where everything is local."""
    order: Tensor | None
    """This process's requests sorted by owner."""
    wanted: list[Tensor]
    """Local indices of the elements that others want from this process, by requester."""
    sends: list[int]
    receives: list[int]


def _plan_requests(front: DNDarray, indices: list[DNDarray]) -> _Requests:
    comm = front.comm
    m = len(indices)
    shape = broadcast_shapes(*(i.shape for i in indices))
    layout = front.layout
    dealt = [g for g, a in enumerate(layout.axes) if a is not None and a < m]
    dealt.sort(key=lambda g: -layout.grid.shape[g])
    # The longest grid axis deals out an indexed axis; any others are made whole.
    layout = layout.undeal(*(layout.axes[g] for g in dealt[1:]))  # type: ignore[arg-type]
    spread = any(i.layout.is_dealt for i in indices)
    sizes = front.shape[:m]
    if not dealt:
        index_layout = Layout(shape, layout.grid)
        if spread and not layout.is_dealt:
            index_layout = common_layout(*(i.layout for i in indices))
            layout = Layout(front.shape, index_layout.grid)
        wanted = _local_indices(indices, index_layout, comm, sizes, spread)
        return _Requests(index_layout, layout, None, None, wanted, [], [])
    g = dealt[0]
    axis = layout.axes[g]
    assert axis is not None
    deal = tuple(0 if h == g else None for h in range(layout.grid.ndim))
    index_layout = Layout(shape, layout.grid, deal)
    if spread:
        common = common_layout(*(i.layout for i in indices))
        if common.grid is layout.grid and [h for h, a in enumerate(common.axes) if a is not None] == [g]:
            index_layout = common
    along = comm.along(layout.grid, (g,))
    offsets = layout.offsets[g]
    assert offsets is not None
    mine = _local_indices(indices, index_layout, comm, sizes, spread)
    owner = owners(mine[axis], offsets)
    order = sorted_by(owner, along.size)
    receives = torch.bincount(owner, minlength=along.size).tolist()
    if spread:
        sends = along.alltoall_counts(receives)
        asked = along.alltoallv(torch.stack([rows_at(index, [order]) for index in mine], 1), receives, sends)
        wanted = list(asked.unbind(1))
    else:
        every = _local_indices(indices, Layout(shape, layout.grid), comm, sizes, False)
        owned = true_positions(owners(every[axis], offsets) == along.rank)
        wanted = [rows_at(e, [owned]) for e in every]
        row = len(every[0]) // max(shape[0], 1)
        edges = [row * n for n in accumulate(balanced_counts(shape[0], along.size), initial=0)]
        sends = torch.bincount(owners(owned, edges), minlength=along.size).tolist()
    wanted[axis] = wanted[axis] - offsets[along.rank]
    return _Requests(index_layout, layout, along, order, wanted, sends, receives)


def _local_indices(
    indices: Sequence[DNDarray], layout: Layout, comm: Any, sizes: Sequence[int], spread: bool
) -> list[Tensor]:
    """This process's part of the broadcast index arrays, flat; checked, by all processes alike."""
    lshape = layout.lshape(comm.rank)
    parts = [align_to(i.larray, i.layout, layout, comm).expand(lshape).reshape(-1) for i in indices]
    if not spread:
        return _wrapped(parts, sizes, range(len(sizes)))
    result: list[Tensor] = []
    with agreed(comm):
        result = _wrapped(parts, sizes, range(len(sizes)))
    return result


def _fetch(front: DNDarray, indices: list[DNDarray]) -> DNDarray:
    """`front[indices]`, where the indices stand for the leading axes."""
    comm, m = front.comm, len(indices)
    r = _plan_requests(front, indices)
    local = move(front.larray, front.layout, r.front, comm)
    rest = r.front.shape[m:]
    lead = len(r.lead.shape)
    axes: list[int | None] = list(r.lead.axes)
    counts = list(r.lead.counts)
    for g, a in enumerate(r.front.axes):
        if a is not None and a >= m:
            axes[g], counts[g] = a - m + lead, r.front.counts[g]
    layout = Layout((*r.lead.shape, *rest), r.front.grid, tuple(axes), counts)
    if r.along is None or r.order is None:
        if r.lead.is_distributed:
            dealt = [g for g, a in enumerate(r.lead.axes) if a is not None]
            local = use_in_split(local, comm.along(r.lead.grid, dealt))
        return wrap(rows_at(local, r.wanted).reshape(layout.lshape(comm.rank)), layout, comm)
    arrived = all_to_all(rows_at(local, r.wanted), r.sends, r.receives, r.along)
    return wrap(put_back(arrived, r.order).reshape(layout.lshape(comm.rank)), layout, comm)


def _entries(x: DNDarray, key: Any) -> list:
    raw = key if isinstance(key, tuple) else (key,)
    entries = tuple(_entry(e, x) for e in raw)
    return complete(entries, x.ndim, lambda e: e.ndim if _is_mask(e) else 1)


def _only_mask(entries: list) -> DNDarray | None:
    """The mask, if the key is one mask over the leading axes."""
    lead, *tail = entries
    return lead if _is_mask(lead) and all(e == (None, None, None) for e in map(_comparable, tail)) else None


def _comparable(entry: Any) -> Any:
    return "array" if isinstance(entry, DNDarray) else entry


def _is_basic(entries: list) -> bool:
    return not any(isinstance(e, DNDarray) for e in entries)


def _as_key(entries: list) -> tuple:
    return tuple(slice(*e) if isinstance(e, tuple) else e for e in entries)


def _is_whole_rows(x: DNDarray, entries: list) -> bool:
    """Whether rows are chosen that every process has, by an index that every process has."""
    return (
        isinstance(entries[0], DNDarray)
        and not entries[0].layout.is_dealt
        and x.layout.grid_axis(0) is None
        and all(e == (None, None, None) for e in map(_comparable, entries[1:]))
    )


def _rows(x: DNDarray, index: DNDarray) -> DNDarray:
    """`x[index]` of such. Local."""
    (rows,) = _wrapped([index.larray], x.shape[:1], [0])
    mapping = [None, *range(index.ndim, index.ndim + x.ndim - 1)]
    return wrap(x.larray[rows], x.layout.derive((*index.shape, *x.shape[1:]), mapping), x.comm)


def advanced_get(x: DNDarray, key: Any) -> DNDarray:
    """`x[key]` for a key with arrays."""
    from .manipulation import moveaxis

    entries = _entries(x, key)
    if _is_basic(entries):
        return getitem(x, _as_key(entries))
    mask = _only_mask(entries)
    if mask is not None:
        return _mask_get(x, mask)
    if _is_whole_rows(x, entries):
        return _rows(x, entries[0])
    front, indices, position = _prepare(x, entries)
    result = _fetch(front, indices)
    n = result.ndim - (front.ndim - len(indices))
    return moveaxis(result, tuple(range(n)), tuple(range(position, position + n))) if position and n else result


def may_repeat(x: DNDarray, key: Any) -> bool:
    """Whether a key may name an element twice: it has arrays of integers."""
    entries = _entries(x, key)
    return not _is_basic(entries) and _only_mask(entries) is None


def advanced_set(x: DNDarray, key: Any, value: DNDarray, write: Write | None = None) -> None:
    """`x[key] = value` for a key with arrays. Where an index occurs twice the last value counts.

    `write` does something else with the values that go to elements given by arrays of integers; it gets the local
    part with the indexed axes first, local indices of them, and a value for each, those of one element in order.
    """
    entries = _entries(x, key)
    if _is_basic(entries):
        return setitem(x, _as_key(entries), value)
    mask = _only_mask(entries)
    if mask is not None:
        return _mask_set(x, mask, value)
    front, indices, position = _prepare(x, entries)
    if front.larray.numel() and front.larray.untyped_storage().data_ptr() != x.larray.untyped_storage().data_ptr():
        raise NotImplementedError("assignment through negative steps beside arrays; index in two steps")
    _store(front, indices, position, value, write or _write_last)
    return None


def _store(front: DNDarray, indices: list[DNDarray], position: int, value: DNDarray, write: Write) -> None:
    from .manipulation import broadcast_to, moveaxis

    comm, m = front.comm, len(indices)
    lead = broadcast_shapes(*(i.shape for i in indices))
    rest = front.shape[m:]
    shape = (*rest[:position], *lead, *rest[position:])
    if value.ndim > len(shape):
        value = drop_leading(value, len(shape))
    value = broadcast_to(value, shape)
    n = len(lead)
    if position and n:
        value = moveaxis(value, tuple(range(position, position + n)), tuple(range(n)))
    r = _plan_requests(front, indices)
    # The way back of `_fetch`: values lie as its result would, and go to the owners of the elements.
    index = Layout(lead, front.layout.grid) if r.along is None else r.lead
    axes, counts = list(index.axes), list(index.counts)
    for g, a in enumerate(front.layout.axes):
        if a is not None and a >= m:
            axes[g], counts[g] = a - m + n, front.layout.counts[g]
    target = Layout((*lead, *rest), front.layout.grid, tuple(axes), counts)
    values = move(value.larray, value.layout, target, comm)
    # Where a second indexed axis is dealt out, each process keeps of the same values what falls into its own part.
    shared = [h for h, a in enumerate(front.layout.axes) if a is not None and target.axes[h] is None]
    if shared:
        values = use_in_split(values, comm.along(target.grid, shared))
    lshape = target.lshape(comm.rank)
    values = values.reshape(math.prod(lshape[:n]), *lshape[n:])
    flat = list(r.wanted)
    if r.along is not None and r.order is not None:
        values = all_to_all(rows_at(values, [r.order]), r.receives, r.sends, r.along)
    elif index is not r.lead:
        flat = _local_indices(indices, index, comm, front.shape[:m], True)
    keep = torch.ones(len(flat[0]), dtype=torch.bool, device=values.device)
    fetched, own = r.front.box(comm.rank), front.layout.box(comm.rank)
    for a in range(m):  # an axis dealt out by another grid axis, too: each process keeps what is its own
        flat[a] = flat[a] + fetched[a][0] - own[a][0]
        keep &= (flat[a] >= 0) & (flat[a] < own[a][1] - own[a][0])
    write(front.larray, [f[keep] for f in flat], values[keep])


def _write_last(local: Tensor, flat: list[Tensor], values: Tensor) -> None:
    last = last_of_each(flat, local.shape)
    assign(local, tuple(f[last] for f in flat), values[last])


def last_of_each(flat: list[Tensor], lshape: Sequence[int]) -> Tensor:
    """Positions of the last occurrence of each index."""
    key = torch.zeros_like(flat[0])
    for f, n in zip(flat, lshape, strict=False):
        key = key * n + f
    order = torch.argsort(key, stable=True)
    ordered = key[order]
    final = torch.ones_like(ordered, dtype=torch.bool)
    final[:-1] = ordered[:-1] != ordered[1:]
    return order[final]


def take(x: Any, indices: Any, axis: int | None = None, out: DNDarray | None = None, mode: str = "raise") -> DNDarray:
    """The elements of `x` at `indices` along `axis`; None means of the flattened array.

    What is beyond the ends raises an IndexError, or with `mode` "wrap" begins anew, or with "clip" is the last one.
    Communication: as indexing.
    """
    from .manipulation import with_axis

    x, axis = with_axis(as_operand(x), axis)
    index = as_operand(indices, x.comm, x.device)
    if mode != "raise":
        index = in_range(index, x.shape[axis], mode)
    result = x[(slice(None),) * axis + (index,)]
    return result if out is None else store(result, out)


def in_range(index: DNDarray, n: int, mode: str = "raise", lowest: int | None = None) -> DNDarray:
    """Integers as indices in [0, n), on every process alike.

    `mode` says what becomes of what is not in [lowest, n), by default [-n, n): "raise" an IndexError; "wrap" takes it
    modulo n, "clip" to the nearest end.
    """
    if kind(index.dtype) > 1:
        raise TypeError(f"indices must be integers, not {index.dtype}")
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"`mode` (={mode!r}) must be 'raise', 'wrap' or 'clip'")
    if not n and index.size:
        raise IndexError("no index is in range where there are no elements")
    index = index.astype(torch.int64, copy=False)
    if mode != "raise":
        return FUNCTIONS["remainder"](index, n) if mode == "wrap" else FUNCTIONS["clip"](index, 0, n - 1)
    low, local = -n if lowest is None else lowest, index.larray
    with agreed(index.comm) if index.layout.is_dealt else nullcontext():
        if local.numel() and not (low <= int(local.min()) and int(local.max()) < n):
            raise IndexError(
                f"index {int(local[(local < low) | (local >= n)][0])} is out of bounds: not in [{low}, {n})"
            )
    return DNDarray(torch.where(local < 0, local + n, local), index.layout, index.comm)
