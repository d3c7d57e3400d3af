"""A user's function of samples, applied block by block to those that lie here: mapped, or summed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch

from .array import DNDarray, own, same_comm, wrap
from .collectives import all_reduce, use_in_split
from .communication import get_comm
from .elementwise import as_operand
from .errors import agreed
from .layout import Layout
from .manipulation import beside
from .redistribution import move
from .types import result_type

__all__ = ["map_blocks", "sum_blocks"]


def map_blocks(func: Callable[..., Any], *arrays: Any, shared: Sequence[Any] = (), size: int | None = None) -> Any:
    """Apply a function to blocks along the last axis, each process to those of its own part.

    For what is independent along that axis: nothing is sent, and a block that fits into a processor's cache is computed
    several times faster than all of an array step by step.

    Parameters
    ----------
    func : callable
        `func(*shared, *blocks)` takes arrays that no other process knows of, and returns one, or a tuple of them, whose
        last axis is as long as the blocks'; the other axes and the type are the same for all blocks. It is called at
        least once, if need be with empty blocks.
    *arrays : array_like
        Of one length along the last axis. The first that is dealt out along it says how, or else the first that is
        dealt out, balanced; those that are not dealt out so are redistributed.
    shared : sequence of array_like
        What every block needs all of.
    size : int, optional
        How long a block is at most; by default all of the process's part.

    Returns
    -------
    DNDarray or tuple of them
        Dealt out along the last axis as the arrays are.

    Communication: one small collective, to agree on errors, and one redistribution of each array that does not lie as
    the blocks do. Differentiable; the gradient of what is shared takes one all-reduce each.

    >>> import dndarray as dnd
    >>> map_blocks(lambda x: x - x.mean(axis=0), dnd.array([[0.0, 1, 2], [3, 4, 5]], split=1), size=2).tolist()
    [[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]]
    """
    given = beside([*arrays, *shared])
    operands, whole = given[: len(arrays)], given[len(arrays) :]
    if not operands or len({x.shape[-1:] for x in operands}) != 1 or not operands[0].ndim:
        raise ValueError(f"arrays of shapes {[x.shape for x in operands]} have no last axis of one length")
    if size is not None and size < 1:
        raise ValueError(f"`size` (={size}) must be 1 or more, or None")
    comm, leader = same_comm(given), max(operands, key=lambda x: (x.ndim - 1 in x.layout.axes, x.layout.is_dealt))
    dealt = leader.layout.whole_along(*range(leader.ndim - 1))

    def along_last(shape: tuple[int, ...]) -> Layout:
        axes = [len(shape) - 1 if a == dealt.ndim - 1 else None for a in dealt.axes]
        return Layout(shape, dealt.grid, tuple(axes), dealt.counts)

    parts = [move(x.larray, x.layout, along_last(x.shape), comm) for x in operands]
    g = dealt.grid_axis(dealt.ndim - 1)
    rest: list[DNDarray] = []
    for x in whole:
        tensor = move(x.larray, x.layout, x.layout.replicated(), comm)
        rest.append(own(tensor if g is None else use_in_split(tensor, comm.along(dealt.grid, (g,)))))
    n = parts[0].shape[-1]
    found: list[tuple[DNDarray, ...]] = []
    with agreed(comm):
        for start in range(0, max(n, 1), size or max(n, 1)):
            blocks = [own(t[..., start : start + (size or n)]) for t in parts]
            result = func(*rest, *blocks)
            found.append(result if isinstance(result, tuple) else (result,))
        if any(not x.ndim for row in found for x in row):
            raise ValueError("the function must give arrays whose last axis is the block's, not numbers")
        tensors = [torch.cat([x.larray for x in column], -1) for column in zip(*found, strict=True)]
        if any(t.shape[-1] != n for t in tensors):
            raise ValueError(f"the function must give arrays whose last axis is the block's, of {n} in all")
    results = tuple(wrap(t, along_last((*t.shape[:-1], operands[0].shape[-1])), comm) for t in tensors)
    return results if isinstance(result, tuple) else results[0]


_CACHED = 2**21
"""Bytes of a block, in float64, that stay in a processor's cache while something is computed of them."""


def sum_blocks(func: Callable[..., Any], *arrays: Any, shared: Sequence[Any] = (), size: int | None = None) -> Any:
    """Add up what a function makes of blocks of samples, over all blocks of all processes.

    For statistics of many samples in bounded memory: moments, Gram matrices, histograms, curves of risks. A block can
    be converted to a wider type, or compared with many thresholds, where all of the array could not.

    Parameters
    ----------
    func : callable
        `func(*shared, *blocks)` takes arrays that no other process knows of, of shape (samples, features) each, and
        returns one, or a tuple of them, of a shape and type that do not depend on the number of samples. It is called
        at least once, if need be with no samples, and must not raise on one process alone.
    *arrays : array_like, tuple of DNDarrays, or list of these
        Of shape (..., features), alike but for the last axis: a sample for each index of the axes before it. They
        are redistributed where they are not dealt out as the first that is dealt out. Tuples, of one length, are the
        pieces of one set of samples. Lists, of one length, are several sets. All of them are dealt out over the same
        axes of a grid.
    shared : sequence of array_like, or of lists of DNDarrays
        What every block needs all of; a list has one for each set.
    size : int, optional
        How many samples a block has at most; by default what stays in a processor's cache.

    Returns
    -------
    DNDarray or tuple of them, or a list of these, one for each set
        The sums, on every process.

    Communication: one all-reduce of all results of all sets, in their common type (float64 for integers beside
    float32), if an axis is split; one redistribution of an array that is split along the last axis. Differentiable; the
    gradient of what is shared takes one all-reduce each.

    >>> import dndarray as dnd
    >>> x = dnd.array([[1.0, 2], [3, 4], [5, 6]], split=0)
    >>> sum_blocks(lambda block: block.T @ block, x).tolist()
    [[35.0, 44.0], [44.0, 56.0]]
    """
    if size is not None and size < 1:
        raise ValueError(f"`size` (={size}) must be 1 or more, or None")
    lengths = {len(x) for x in (*arrays, *shared) if _holds_arrays(x, list)}
    if len(lengths) > 1:
        raise ValueError(f"lists of sets must be of one length, not {sorted(lengths)}")
    known = [x for given in (*arrays, *shared) for x in _leaves(given) if isinstance(x, DNDarray)]
    comm, device = (same_comm(known), known[0].device) if known else (get_comm(), None)
    sets = []
    for i in range(max(lengths, default=1)):
        of_set = [x[i] if _holds_arrays(x, list) else x for x in arrays]
        sets.append([_Piece.of([as_operand(x, comm, device) for x in piece]) for piece in _pieces(of_set)])
    layouts = {piece.layout for pieces in sets for piece in pieces}
    spread = {(x.grid, tuple(g for g, a in enumerate(x.axes) if a is not None)) for x in layouts}
    if len(spread) > 1:
        raise ValueError(
            "all sets, and their pieces, must be dealt out over the same axes of one grid, not as "
            f"{', '.join(sorted(map(str, layouts)))}"
        )
    ((grid, axes),) = spread
    along = comm.along(grid, axes)

    def needed(x: Any) -> Any:
        if _holds_arrays(x, list):
            return [needed(of_set) for of_set in x]
        x = as_operand(x, comm, device)
        return own(use_in_split(move(x.larray, x.layout, x.layout.replicated(), comm), along))

    whole = [needed(x) for x in shared]
    partial: list[tuple[bool, list[DNDarray]]] = []
    for i, pieces in enumerate(sets):
        rest = [x[i] if isinstance(x, list) else x for x in whole]
        total: list[DNDarray] = []
        for blocks in chain.from_iterable(piece.blocks(size) for piece in pieces):
            result = func(*rest, *blocks)
            found = list(result) if isinstance(result, tuple) else [result]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        partial.append((isinstance(result, tuple), total))
    dtype = result_type(*(x for _, total in partial for x in total))
    joined = all_reduce(torch.cat([x.larray.reshape(-1).to(dtype) for _, total in partial for x in total]), along)
    sums, start = [], 0
    for is_tuple, total in partial:
        row = []
        for x in total:
            tensor = joined[start : start + x.size].reshape(x.shape).to(x.dtype)
            row.append(wrap(tensor, Layout(x.shape, grid), comm))
            start += x.size
        sums.append(tuple(row) if is_tuple else row[0])
    return sums if lengths else sums[0]


def _holds_arrays(x: Any, kind: Any) -> bool:
    """Whether it is a list, or a tuple, of arrays, or of tuples of them, rather than the elements of one."""
    return isinstance(x, kind) and bool(x) and all(isinstance(i, DNDarray) or _holds_arrays(i, tuple) for i in x)


def _leaves(x: Any) -> list[Any]:
    return [leaf for i in x for leaf in _leaves(i)] if _holds_arrays(x, (list, tuple)) else [x]


def _pieces(arrays: Sequence[Any]) -> list[Sequence[Any]]:
    """The arrays of each of the pieces in which a set of samples lies."""
    lengths = {len(x) if _holds_arrays(x, tuple) else 0 for x in arrays}
    if len(lengths) > 1:
        raise ValueError(f"arrays in pieces must be in as many, not {sorted(lengths)}")
    return list(zip(*arrays, strict=True)) if any(lengths) else [arrays]


class _Piece(NamedTuple):
    """Arrays of samples, and how they are dealt out: alike, and whole along the last axis."""

    arrays: Sequence[DNDarray]
    layout: Layout

    @classmethod
    def of(cls, arrays: Sequence[DNDarray]) -> _Piece:
        if not arrays or not arrays[0].ndim or len({x.shape[:-1] for x in arrays}) != 1:
            raise ValueError(f"arrays of shapes {[x.shape for x in arrays]} must be alike in all axes but the last")
        leader = next((x for x in arrays if x.layout.is_dealt), arrays[0])
        return cls(arrays, leader.layout.whole_along(leader.ndim - 1))

    def blocks(self, size: int | None) -> Iterator[list[DNDarray]]:
        """This process's samples, so many at a time; at least once."""
        parts, grid = [], self.layout.grid
        for x in self.arrays:
            target = Layout(x.shape, grid, self.layout.axes, self.layout.counts)
            part = move(x.larray, x.layout, target, x.comm)
            parts.append(part.reshape(math.prod(part.shape[:-1]), x.shape[-1]))
        step = size or max(_CACHED // 8 // max(sum(x.shape[-1] for x in self.arrays), 1), 1)
        for start in range(0, max(len(parts[0]), 1), step):
            yield [own(part[start : start + step]) for part in parts]
