"""Arrays put together: side by side, in blocks, and with parts put in or left out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from .array import DNDarray, same_comm, wrap
from .assembly import Piece, assemble, resized
from .creation import arange
from .elementwise import FUNCTIONS, as_operand
from .gathering import compress
from .layout import Layout
from .manipulation import beside, broadcast_to, concatenate, expand_dims, in_common_type, leading, moveaxis, with_axis
from .ranges import linspace
from .redistribution import move
from .splitting import unstack
from .tiling import atleast_1d, atleast_2d, atleast_3d
from .types import kind, result_type
from .unsigned import as_signed, moved

__all__ = [
    "append",
    "block",
    "c_",
    "column_stack",
    "delete",
    "dstack",
    "hstack",
    "insert",
    "r_",
    "row_stack",
    "vstack",
]


# --- side by side -----------------------------------------------------------------------------------------------------


def append(x: Any, values: Any, axis: int | None = None) -> DNDarray:
    """`values` behind `x` along `axis`; None flattens both. Communication: as `concatenate`."""
    return concatenate(beside([x, values]), axis)


def _each(arrays: Any, view: Callable) -> list[DNDarray]:
    """A view of each of the arrays to be joined."""
    return [view(a) for a in (unstack(arrays) if isinstance(arrays, DNDarray) else beside(list(arrays)))]


def hstack(arrays: Any, *, dtype: Any = None, casting: str = "same_kind") -> DNDarray:
    """The arrays along the second axis, vectors along their only one. Communication: as `concatenate`."""
    parts = _each(arrays, atleast_1d)
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


def vstack(arrays: Any, *, dtype: Any = None, casting: str = "same_kind") -> DNDarray:
    """The arrays along the first axis, vectors as rows. Communication: as `concatenate`."""
    return concatenate(_each(arrays, atleast_2d), 0, dtype=dtype, casting=casting)


row_stack = vstack


def dstack(arrays: Any) -> DNDarray:
    """The arrays along the third axis. Communication: as `concatenate`."""
    return concatenate(_each(arrays, atleast_3d), 2)


def column_stack(arrays: Any) -> DNDarray:
    """The arrays along the second axis, vectors as columns. Communication: as `concatenate`."""
    return concatenate(_each(arrays, lambda a: a if a.ndim > 1 else expand_dims(atleast_1d(a), 1)), 1)


# --- in blocks --------------------------------------------------------------------------------------------------------


def block(arrays: Any) -> DNDarray:
    """The array that nested lists of arrays show: the innermost lists along the last axis, and so on outwards.

    Split as the largest split block is, balanced along the axes that are put together. Communication: one exchange
    for all blocks.

    >>> block([[as_operand([1]), as_operand([2, 3])], [as_operand([4, 5, 6])]]).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    depth = _depth(arrays)
    leaves = beside(list(_leaves(arrays)))
    same_comm(leaves)
    ndim = max(depth, *(leaf.ndim for leaf in leaves))
    leaves = [expand_dims(leaf, tuple(range(ndim - leaf.ndim))) for leaf in leaves]
    pieces: list[Piece] = []
    shape = _place(arrays, iter(in_common_type(leaves, None, "same_kind")), [0] * ndim, ndim - depth, pieces)
    leader = leading([piece.array for piece in pieces])
    counts = [None if a is None or a >= ndim - depth else c for a, c in zip(leader.axes, leader.counts, strict=True)]
    return assemble(pieces, Layout(shape, leader.grid, leader.axes, counts))


def _depth(arrays: Any) -> int:
    """How deep the lists are, the same everywhere."""
    if isinstance(arrays, tuple):
        raise TypeError("block takes lists of arrays, not tuples")
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("block takes no empty lists")
    depths = {_depth(entry) for entry in arrays}
    if len(depths) > 1:
        raise ValueError(f"the lists of block must be equally deep; beside each other are depths {sorted(depths)}")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> Iterator[Any]:
    if isinstance(arrays, list):
        for entry in arrays:
            yield from _leaves(entry)
    else:
        yield arrays


def _place(
    arrays: Any, leaves: Iterator[DNDarray], start: Sequence[int], axis: int, pieces: list[Piece]
) -> tuple[int, ...]:
    """Note where each leaf goes, the first one at `start`, and give the shape of them all; lists join along `axis`."""
    if not isinstance(arrays, list):
        pieces.append(Piece(next(leaves), tuple(start)))
        return pieces[-1].array.shape
    shapes: list[tuple[int, ...]] = []
    at = list(start)
    for entry in arrays:
        shapes.append(_place(entry, leaves, at, axis + 1, pieces))
        at[axis] += shapes[-1][axis]
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"blocks of shapes {shapes} do not fit together along axis {axis}")
    return (*shapes[0][:axis], at[axis] - start[axis], *shapes[0][axis + 1 :])


# --- with parts put in or left out ------------------------------------------------------------------------------------


def _index(obj: Any, x: DNDarray) -> DNDarray:
    """A mask or integers, checked to be such."""
    obj = np.zeros(0, dtype=np.int64) if isinstance(obj, (list, tuple)) and not len(obj) else obj
    index = as_operand(obj, x.comm, x.device)
    if kind(index.dtype) > 1:
        raise IndexError(f"`obj` must be integers, bools or a slice, not {index.dtype}")
    if index.ndim > 1 or (index.ndim == 0 and index.dtype is torch.bool):
        raise ValueError(f"`obj` must be an integer or have one axis, not {index.dtype} of shape {index.shape}")
    return index


def _checked(index: np.ndarray, limit: int, n: int, axis: int) -> np.ndarray:
    """Non-negative indices, or an IndexError; `limit` is the first that is too large."""
    wrong = (index < -n) | (index >= limit)
    if wrong.any():
        raise IndexError(f"index {index[wrong][0]} is out of bounds for axis {axis} with size {n}")
    return np.where(index < 0, index + n, index)


def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> DNDarray:
    """`values` put in along `axis` before the indices that `obj` (an integer, several, a mask or a slice) names.

    The elements of `x` stay where they are, what is put in lies with the element that it precedes: split as `x`,
    perhaps unbalanced. None flattens `x` first.

    Communication: none if `values` are replicated, otherwise one redistribution of them; `obj` is brought to every
    process if it is split.

    >>> insert([1, 2, 3], 1, [7, 8]).tolist()
    [1, 7, 8, 2, 3]
    """
    x, values = beside([x, values])
    x, axis = with_axis(x, axis)
    n = x.shape[axis]
    index = np.arange(*obj.indices(n)) if isinstance(obj, slice) else _index(obj, x).numpy()
    index = _checked(np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64), n + 1, n, axis)
    if values.ndim > x.ndim:
        raise ValueError(f"values of shape {values.shape} have more axes than the array, of shape {x.shape}")
    values = expand_dims(values, tuple(range(x.ndim - values.ndim)))
    if index.ndim == 0:
        values = moveaxis(values, 0, axis)
    many = values.shape[axis] if index.size == 1 else index.size
    at = np.broadcast_to(index, many)
    order = np.argsort(at, kind="stable")
    shape = [many if a == axis else m for a, m in enumerate(x.shape)]
    values = broadcast_to(values, shape).astype(x.dtype, copy=False)
    if not np.array_equal(order, np.arange(many)):
        from .advanced_indexing import take

        values = take(values, order, axis)
    return _merged(x, values, at[order], axis)


def _merged(x: DNDarray, values: DNDarray, at: np.ndarray, axis: int) -> DNDarray:
    """`x` with the values put in before its indices `at`, which are in order."""
    n, g = x.shape[axis], x.layout.grid_axis(axis)
    low, high = x.layout.box(x.comm.rank)[axis]
    inserted = counts = None
    if g is not None:
        offsets, own = np.array(x.layout.offsets[g]), np.array(x.layout.counts[g])
        last = int(np.flatnonzero(own)[-1]) if n else 0
        owner = np.minimum(np.searchsorted(offsets, at, side="right") - 1, last)
        inserted = np.bincount(owner, minlength=len(own)).tolist()
        counts = [int(a + b) for a, b in zip(own, inserted, strict=True)]
        c = x.layout.grid.coordinates(x.comm.rank)[g]
        at = at[owner == c] - low
    beside_x = resized(x.layout, axis, values.shape[axis], inserted)
    local = move(values.larray, values.layout, beside_x, x.comm)
    layout = resized(x.layout, axis, n + values.shape[axis], counts)
    new = torch.from_numpy(at + np.arange(len(at)))
    old = torch.ones(layout.lshape(x.comm.rank)[axis], dtype=torch.bool)
    old[new] = False
    result = x.larray.new_empty(layout.lshape(x.comm.rank))
    for place, part in ((old.nonzero().reshape(-1), x.larray), (new, local)):
        as_signed(result).index_copy_(axis, place.to(x.device), as_signed(part))
    return wrap(result, layout, x.comm)


def delete(x: Any, obj: Any, axis: int | None = None) -> DNDarray:
    """`x` without the indices along `axis` that `obj` (an integer, several, a mask or a slice) names.

    What is left stays where it is: split as `x`, perhaps unbalanced. None flattens `x` first.

    Communication: none but for a mask that is `compress`; split integers in `obj` are brought to every process.

    >>> delete([1, 2, 3, 4], [0, -1]).tolist()
    [2, 3]
    """
    x = as_operand(x)
    x, axis = with_axis(x, axis)
    n, g = x.shape[axis], x.layout.grid_axis(axis)
    removed: Any
    if isinstance(obj, slice):
        removed = range(*obj.indices(n))
        removed = removed if removed.step > 0 else removed[::-1]
    else:
        index = _index(obj, x)
        if index.dtype is torch.bool:
            if index.shape != (n,):
                raise ValueError(f"a mask of shape {index.shape} does not fit axis {axis}, of {n} indices")
            return compress(FUNCTIONS["logical_not"](index), x, axis)
        removed = np.unique(_checked(index.numpy().astype(np.int64), n, n, axis))
    counts = None
    if g is not None:
        kept = [o - bisect_left(removed, o) for o in x.layout.offsets[g] or ()]
        counts = [v - u for u, v in zip(kept[:-1], kept[1:], strict=True)]
    low, high = x.layout.box(x.comm.rank)[axis]
    here = removed[bisect_left(removed, low) : bisect_left(removed, high)]
    keep = torch.ones(high - low, dtype=torch.bool)
    keep[torch.from_numpy(np.arange(here.start, here.stop, here.step) if isinstance(here, range) else here) - low] = (
        False
    )
    local = moved(torch.index_select, x.larray, axis, keep.nonzero().reshape(-1).to(x.device))
    return wrap(local, resized(x.layout, axis, n - len(removed), counts), x.comm)


# --- by index ---------------------------------------------------------------------------------------------------------


class _Concatenator:
    """`r_` and `c_`: indexing it joins what the key holds."""

    def __init__(self, name: str, axis: int, ndmin: int, trans1d: int) -> None:
        self.__doc__ = f"`{name}[a, 2:5, 0, ...]`: arrays, ranges and numbers put together; see `numpy.{name}`."
        self._defaults = (axis, ndmin, trans1d)

    def __getitem__(self, key: Any) -> DNDarray:
        entries = list(key) if isinstance(key, tuple) else [key]
        axis, ndmin, trans1d = self._defaults
        if entries and isinstance(entries[0], str):
            axis, ndmin, trans1d = self._directive(entries.pop(0))
        if any(isinstance(e, str) for e in entries):
            raise ValueError("what is joined holds text; a directive must come first")
        parts = beside([_range(e) if isinstance(e, slice) else e for e in entries])
        # Numbers have no width of their own.
        weak = (bool, int, float, complex)
        computed = result_type(*(e if type(e) in weak else p for e, p in zip(entries, parts, strict=True)))
        return concatenate([_raised(p, ndmin, trans1d) for p in parts], axis, dtype=computed, casting="unsafe")

    def _directive(self, text: str) -> tuple[int, int, int]:
        if text in ("r", "c"):
            raise ValueError(f"{text!r} makes a numpy.matrix, which we have not; use '0,2' or '1,2'")
        numbers = [int(part) for part in text.split(",")]
        if len(numbers) > 3:
            raise ValueError(f"{text!r} must be up to three integers: axis, dimensions, place of a vector's axis")
        return tuple(numbers + list(self._defaults[len(numbers) :]))  # type: ignore[return-value]

    def __len__(self) -> int:
        return 0


def _range(entry: slice) -> DNDarray:
    start, step = entry.start or 0, 1 if entry.step is None else entry.step
    if isinstance(step, complex):
        return linspace(start, entry.stop, int(abs(step)))
    return arange(start, entry.stop, step)


def _raised(part: DNDarray, ndmin: int, trans1d: int) -> DNDarray:
    """A part with `ndmin` axes: new ones in front, but its own beginning at `trans1d`."""
    missing = max(0, ndmin - part.ndim)
    lead = missing if part.ndim == 0 else trans1d + (missing + 1 if trans1d < 0 else 0)
    added = (*range(lead), *range(lead + part.ndim, missing + part.ndim))
    return expand_dims(part, added) if missing else part


r_ = _Concatenator("r_", 0, 1, -1)
c_ = _Concatenator("c_", -1, 2, 0)
