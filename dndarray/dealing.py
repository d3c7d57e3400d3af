"""Work in equal pieces, dealt out to the processes: whole arrays, or overlapping windows of one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from .array import DNDarray, own, same_comm, wrap
from .assembly import part_layout
from .elementwise import as_operand
from .errors import agreed
from .layout import Box, Grid, Layout, balanced_counts
from .redistribution import Job, exchange

__all__ = ["deal", "map_windows", "windows"]

ROUND = 64 * 2**20
"""Bytes of windows that a process holds at a time."""


def deal(arrays: Sequence[DNDarray]) -> list[tuple[int, DNDarray]]:
    """Whole arrays of one axis or more, each for one process, which gets as many as the others or one more.

    Returns those of this process, each with its number in `arrays`, as arrays that no other process knows of (views
    of what lay there whole). The processes take them in order: the first gets the first ones.

    Communication: one exchange for all of them; none if each lies where it goes, or is replicated.

    >>> import dndarray as dnd
    >>> all(x.tolist() == [i, i] for i, x in deal([dnd.full(2, i, split=0) for i in range(5)]))
    True
    """
    if not arrays:
        return []
    comm = same_comm(arrays)
    takers = [rank for rank, n in enumerate(balanced_counts(len(arrays), comm.size)) for _ in range(n)]
    jobs = [Job(x.layout, _held_by(rank, x.shape, comm.size)) for x, rank in zip(arrays, takers, strict=True)]
    parts = exchange(comm, jobs, [x.larray for x in arrays])
    return [(i, own(part)) for i, (part, rank) in enumerate(zip(parts, takers, strict=True)) if rank == comm.rank]


def _held_by(rank: int, shape: Sequence[int], size: int) -> Layout:
    """The layout in which one process has all of an array."""
    return Layout(shape, Grid(size), 0, [[shape[0] if r == rank else 0 for r in range(size)]])


class Window(NamedTuple):
    read: Box
    """What the function sees."""
    kept: Box
    """What is taken of its result."""


def windows(shape: Sequence[int], window: Sequence[int], overlap: Sequence[int]) -> list[Window]:
    """The windows of an array: equal in size, the last one along an axis moved back to its end, and cut between each
    other in the middle of where they overlap."""
    axes = []
    for n, length, shared in zip(shape, window, overlap, strict=True):
        length = min(length, n)
        starts = [*range(0, n - length, max(length - shared, 1)), n - length]
        cuts = [0, *((s + e + length) // 2 for s, e in zip(starts[1:], starts, strict=False)), n]
        axes.append([((s, s + length), (u, v)) for s, u, v in zip(starts, cuts, cuts[1:], strict=False)])
    return [Window(*(tuple(box) for box in zip(*sides, strict=True))) for sides in product(*axes)]


def _takers(windows: Sequence[Window], layout: Layout) -> list[int]:
    """Which process computes which window: all equally many, and those near to what they hold."""

    def nearest(window: Window) -> int:
        centre = [(start + stop) // 2 for start, stop in window.kept]
        dealt = zip(layout.axes, layout.offsets, strict=True)
        return layout.grid.rank([0 if a is None or o is None else bisect_right(o, centre[a]) - 1 for a, o in dealt])

    order = sorted(range(len(windows)), key=lambda i: nearest(windows[i]))
    takers = [0] * len(windows)
    position = 0
    for rank, n in enumerate(balanced_counts(len(windows), layout.grid.size)):
        for i in order[position : position + n]:
            takers[i] = rank
        position += n
    return takers


def map_windows(
    func: Callable[..., Tensor], *arrays: DNDarray, window: Sequence[int], overlap: Sequence[int]
) -> DNDarray:
    """Apply a function to overlapping windows of arrays and put the middles of its results together.

    For what looks at a neighbourhood whose size is not known, or too large for halos, as networks do. The windows are
    those of the global indices, so the result does not depend on the layout or the number of processes. Not
    differentiable.

    Parameters
    ----------
    func : callable
        Takes a contiguous tensor for each array, all for the same window, and returns one of the window's shape.
    *arrays : DNDarray
        Of one shape and layout.
    window : sequence of int
        Lengths of a window along the axes; where the array is shorter, all of it.
    overlap : sequence of int
        How many indices neighbouring windows share, less than their length. The last window along an axis is moved
        back to the end of the array, so it shares more. Results are cut in the middle of what windows share.

    Returns
    -------
    DNDarray
        In the layout of the arrays and the type of the first one.

    Windows are dealt out to the processes, equally many to each. Communication: two exchanges and one small collective
    for every 64 MiB of windows that a process computes; that is also what a process holds beside its parts.

    >>> import dndarray as dnd
    >>> map_windows(lambda t: 2 * t, dnd.arange(5, split=0), window=[3], overlap=[1]).tolist()
    [0, 2, 4, 6, 8]
    """
    x, *others = [as_operand(array) for array in arrays]
    comm = same_comm([x, *others])
    if any(y.layout is not x.layout for y in others):
        raise ValueError(f"the arrays must have one layout, they have {x.layout} and {[y.layout for y in others]}")
    for name, lengths in (("window", window), ("overlap", overlap)):
        if len(lengths) != x.ndim:
            raise ValueError(f"`{name}` (={tuple(lengths)}) must have an entry for each of {x.ndim} axes")
    if any(not 0 <= shared < length for shared, length in zip(overlap, window, strict=True)):
        raise ValueError(f"`overlap` (={tuple(overlap)}) must be 0 or more and less than `window` (={tuple(window)})")
    result = torch.empty_like(x.larray.detach())
    for batch in _rounds(windows(x.shape, window, overlap), x.layout, x.dtype.itemsize * len(arrays)):
        _work_off(func, [x, *others], batch, result)
    return wrap(result, x.layout, comm)


def _rounds(windows: Sequence[Window], layout: Layout, itemsize: int) -> Iterable[list[tuple[Window, int]]]:
    """Windows with who computes them, in turns: each process has some in each, that fit into memory together."""
    if not layout.size:
        return
    queues: list[list[tuple[Window, int]]] = [[] for _ in range(layout.grid.size)]
    for window, rank in zip(windows, _takers(windows, layout), strict=True):
        queues[rank].append((window, rank))
    nbytes = itemsize
    for start, stop in windows[0].read:
        nbytes *= stop - start
    step = max(ROUND // nbytes, 1)
    for first in range(0, max(map(len, queues)), step):
        yield [entry for queue in queues for entry in queue[first : first + step]]


def _work_off(
    func: Callable[..., Tensor], arrays: Sequence[DNDarray], batch: Sequence[tuple[Window, int]], into: Tensor
) -> None:
    """Bring each window to who computes it, compute, and put what is kept where it belongs."""
    comm, layout = arrays[0].comm, arrays[0].layout
    jobs, views = [], []
    for x, (window, rank) in product(arrays, batch):
        part = part_layout(layout, window.read)
        jobs.append(Job(part, _held_by(rank, part.shape, comm.size)))
        views.append(x.larray.detach()[_within(window.read, layout.box(comm.rank))])
    arrived = exchange(comm, jobs, views)
    jobs, found = [], []
    with agreed(comm), torch.no_grad():
        for i, (window, rank) in enumerate(batch):
            part = part_layout(layout, window.kept)
            jobs.append(Job(_held_by(rank, part.shape, comm.size), part))
            if rank != comm.rank:
                found.append(into.new_empty((0, *part.shape[1:])))
                continue
            tensors = [tensor.contiguous() for tensor in arrived[i :: len(batch)]]
            result = func(*tensors)
            if result.shape != tensors[0].shape:
                raise ValueError(
                    f"`func` must return the shape of its window, {tuple(tensors[0].shape)}, not {tuple(result.shape)}"
                )
            found.append(result[_within(window.kept, window.read)].to(into))
    for (window, _), tensor in zip(batch, exchange(comm, jobs, found), strict=True):
        into[_within(window.kept, layout.box(comm.rank))] = tensor


def _within(box: Box, whole: Box) -> tuple[slice, ...]:
    """What of a box lies in another one, counted from where that begins."""
    return tuple(slice(min(max(s, u), v) - u, min(max(t, u), v) - u) for (s, t), (u, v) in zip(box, whole, strict=True))
