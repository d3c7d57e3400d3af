"""Arrays put together from sections of arrays, in one exchange: what concatenate, block, roll, tile and pad share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from . import redistribution
from .array import DNDarray, wrap
from .collectives import use_in_split
from .indexing import getitem
from .layout import Box, Layout
from .redistribution import Job, move
from .unsigned import moved

__all__ = ["Piece", "assemble", "beside_axis", "extend", "part_layout", "resized"]


class Piece(NamedTuple):
    """An array that is to be a part of another."""

    array: DNDarray
    start: Sequence[int]
    """The index in the result of its first element."""
    flips: tuple[int, ...] = ()
    """Axes along which it is mirrored."""


def part_layout(layout: Layout, box: Box) -> Layout:
    """How the part `box` of an array in this layout lies."""
    counts = list(layout.counts)
    for g, (a, offsets) in enumerate(zip(layout.axes, layout.offsets, strict=True)):
        if a is not None and offsets is not None:
            edges = [min(max(o, box[a][0]), box[a][1]) for o in offsets]
            counts[g] = tuple(v - u for u, v in zip(edges[:-1], edges[1:], strict=True))
    return Layout([stop - start for start, stop in box], layout.grid, layout.axes, counts)


def resized(layout: Layout, axis: int, length: int, counts: Sequence[int] | None = None) -> Layout:
    """The layout with another number of indices along `axis`: balanced there, or with these counts."""
    dealt = list(layout.counts)
    g = layout.grid_axis(axis)
    if g is not None:
        dealt[g] = None if counts is None else tuple(counts)
    shape = [length if a == axis else n for a, n in enumerate(layout.shape)]
    return Layout(shape, layout.grid, layout.axes, dealt)


def beside_axis(layout: Layout, axis: int) -> Layout:
    """How an array of one number for each index along `axis` lies beside an array in this layout."""
    g = layout.grid_axis(axis)
    axes = tuple(0 if h == g else None for h in range(layout.grid.ndim))
    counts = [c if h == g else None for h, c in enumerate(layout.counts)]
    return Layout(layout.shape[axis : axis + 1], layout.grid, axes, counts)


def assemble(pieces: Sequence[Piece], layout: Layout) -> DNDarray:
    """The array in `layout` of which these, of one dtype, are the parts.

    Communication: one exchange for all of them; none if each lies where it is to lie.
    """
    comm = pieces[0].array.comm
    mine = layout.box(comm.rank)
    jobs, places = [], []
    for array, start, flips in pieces:
        box = tuple((s, s + n) for s, n in zip(start, array.shape, strict=True))
        jobs.append(Job(array.layout, part_layout(layout, box), flips))
        inside = [(min(max(s, u), v), min(max(t, u), v)) for (s, t), (u, v) in zip(box, mine, strict=True)]
        places.append(tuple(slice(s - u, t - u) for (s, t), (u, _) in zip(inside, mine, strict=True)))
    tensors = [piece.array.larray for piece in pieces]
    return wrap(redistribution.assemble(comm, jobs, places, layout.lshape(comm.rank), tensors), layout, comm)


# --- an axis without end ----------------------------------------------------------------------------------------------


def period(n: int, mode: str) -> int:
    """After how many indices an axis of `n` comes again (mirrored, if it does): "wrap", "symmetric" or "reflect"."""
    return n - 1 if mode == "reflect" else n


def _laps(n: int, start: int, stop: int, mode: str) -> Iterator[tuple[int, int, bool]]:
    """The sections (first, last + 1, mirrored) of an axis of `n` indices that its extension has in `[start, stop)`."""
    length = period(n, mode)
    while start < stop:
        lap, first = divmod(start, length)
        last = min(length, first + stop - start)
        mirrored = mode != "wrap" and lap % 2 == 1
        yield (n - last, n - first, True) if mirrored else (first, last, False)
        start += last - first


def _index(n: int, position: Tensor, mode: str) -> Tensor:
    """The indices that the extension of an axis of `n` has at these positions."""
    length = period(n, mode)
    inside = position % length
    return inside if mode == "wrap" else torch.where(position // length % 2 == 1, n - 1 - inside, inside)


def extend(x: DNDarray, spans: Mapping[int, Sequence[tuple[int, int]]], mode: str, layout: Layout) -> DNDarray:
    """`x` continued beyond its ends, without end, and of that some spans `(start, stop)` along some axes.

    `mode` says how it goes on: "wrap" begins anew, "symmetric" turns back and "reflect" does so without repeating the
    last index. Several spans of an axis are put one after another. The result has `layout`, which is split as `x` is.

    Communication: none along axes that are not split, otherwise one exchange for all axes; before it an all-gather
    along an axis of which each process needs all (a few indices repeated many times).
    """
    if layout.size == 0:
        return DNDarray(x.larray.new_empty(layout.lshape(x.comm.rank)), layout, x.comm)
    across: dict[int, list[tuple[int, int, int, bool]]] = {}
    for axis, ranges in spans.items():
        n, g = x.shape[axis], x.layout.grid_axis(axis)
        length = period(n, mode)
        laps = sum(-(-stop // length) - start // length for start, stop in ranges if start < stop)
        if g is None or laps > 2 * layout.grid.shape[g]:
            x = _extend_whole(x, axis, ranges, mode, layout)
            continue
        position, across[axis] = 0, []
        for first, last, mirrored in (lap for span in ranges for lap in _laps(n, *span, mode)):
            across[axis].append((position, first, last, mirrored))
            position += last - first
    if not across:
        return wrap(x.larray, layout, x.comm)
    pieces = []
    for choice in product(*across.values()):
        start, key, flips = [0] * x.ndim, [slice(None)] * x.ndim, []
        for axis, (position, first, last, mirrored) in zip(across, choice, strict=True):
            start[axis], key[axis] = position, slice(first, last)
            if mirrored:
                flips.append(axis)
        pieces.append(Piece(getitem(x, tuple(key)), start, tuple(flips)))
    return assemble(pieces, layout)


def _extend_whole(x: DNDarray, axis: int, ranges: Sequence[tuple[int, int]], mode: str, layout: Layout) -> DNDarray:
    """`extend` along one axis, of which every process gets all."""
    local = move(x.larray, x.layout, x.layout.undeal(axis), x.comm)
    g = x.layout.grid_axis(axis)
    if g is not None:
        local = use_in_split(local, x.comm.along(layout.grid, (g,)))
    low, high = layout.box(x.comm.rank)[axis]
    positions, end = [], 0
    for start, stop in ranges:  # what of each span is in [low, high) of the result
        first, last = max(start, start + low - end), min(stop, start + high - end)
        positions.append(torch.arange(first, max(first, last), device=x.device))
        end += stop - start
    index = _index(x.shape[axis], torch.cat(positions), mode)
    result = resized(x.layout, axis, layout.shape[axis], None if g is None else layout.counts[g])
    return wrap(moved(torch.index_select, local, axis, index), result, x.comm)
