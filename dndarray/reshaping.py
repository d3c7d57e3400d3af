"""How elements move when an array is reshaped. They keep their flat order (C order)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from . import redistribution
from .array import DNDarray, wrap
from .assembly import part_layout
from .layout import Layout
from .redistribution import Job, move

__all__ = ["carried", "reshaped"]


def carried(layout: Layout, shape: tuple[int, ...]) -> Layout | None:
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


def leading(shape: Sequence[int], parts: int) -> int:
    """The first axis that, with those before it, is long enough for all processes."""
    found = (a for a in range(len(shape)) if math.prod(shape[: a + 1]) >= parts)
    return next(found, max(len(shape) - 1, 0))


def reshaped(x: DNDarray, target: Layout) -> DNDarray:
    """The elements of `x`, which is not empty, as an array in layout `target`.

    Communication: one exchange of all elements. Before and after it there is one of a few elements where parts do not
    end where parts of both shapes can; where shapes have next to nothing in common all of them travel up to three
    times.
    """
    source = _by_rows(x.layout)
    if source is x.layout and _by_rows(target) is target:
        return _across(x, target)
    shape = _refined(x.layout.shape, target.shape)
    ways = [None if shape is None else _nearest(layout, shape) for layout in (x.layout, target)]
    local, rank = x.larray, x.comm.rank
    if ways[0] is None or ways[1] is None:
        rows = DNDarray(move(local, x.layout, source, x.comm), source, x.comm)
        result = _across(rows, _by_rows(target))
        return wrap(move(result.larray, result.layout, target, x.comm), target, x.comm)
    (coarse, fine), (goal, fine_goal) = ways[0], ways[1]
    local = move(local, x.layout, coarse, x.comm).reshape(fine.lshape(rank))
    local = move(local, fine, fine_goal, x.comm).reshape(goal.lshape(rank))
    return wrap(move(local, goal, target, x.comm), target, x.comm)


# --- by way of a finer shape, of which the axes of both are made --------------------------------------------------


def _refined(shape: Sequence[int], other: Sequence[int]) -> tuple[int, ...] | None:
    """The shape of fewest axes that become those of both shapes when neighbours are merged, if there is one.

    >>> _refined((6, 20), (30, 4)), _refined((4, 3), (3, 4))
    ((6, 5, 4), None)
    """
    ends = sorted({math.prod(s[i:]) for s in (shape, other) for i in range(len(s) + 1)})
    return None if any(v % u for u, v in pairwise(ends)) else tuple(v // u for u, v in pairwise(ends))[::-1]


def _nearest(layout: Layout, shape: tuple[int, ...]) -> tuple[Layout, Layout] | None:
    """The layout nearest to this one of which the parts are parts of the finer `shape`, too: itself, and in `shape`.

    None where that were far, or there is none.
    """
    ends = [math.prod(shape[i:]) for i in range(len(shape) + 1)]
    axes: list[int | None] = []
    finer: list[list[int] | None] = []
    coarse: list[list[int] | None] = []
    for a, counts, offsets in zip(layout.axes, layout.counts, layout.offsets, strict=True):
        if a is None or counts is None or offsets is None:
            axes, finer, coarse = [*axes, None], [*finer, None], [*coarse, None]
            continue
        inner = math.prod(layout.shape[a + 1 :])
        first = ends.index(inner * layout.shape[a])
        unit = ends[first + 1] // inner if layout.shape[a] > 1 else 0
        if not unit or (unit > 1 and 4 * unit > max(counts)):
            return None
        parts = [(v + unit // 2) // unit - (u + unit // 2) // unit for u, v in pairwise(offsets)]
        axes, finer, coarse = [*axes, first], [*finer, parts], [*coarse, [unit * n for n in parts]]
    return Layout(layout.shape, layout.grid, layout.axes, coarse), Layout(shape, layout.grid, tuple(axes), finer)


# --- by flat order ------------------------------------------------------------------------------------------------


def _by_rows(layout: Layout) -> Layout:
    """The layout itself if parts are long runs of elements in flat order, otherwise one of which that holds."""
    axis = leading(layout.shape, layout.grid.size)
    if layout.grid.ndim == 1 and layout.axes[0] is not None and layout.axes[0] <= axis:
        return layout
    from .layout import Grid

    return Layout(layout.shape, Grid(layout.grid.size), axis)


def _flat_rows(layout: Layout) -> list[Layout]:
    """A layout with one dealt axis, as the flat rows before that axis, each dealt out."""
    axis = layout.axes[0]
    assert axis is not None
    inner = math.prod(layout.shape[axis + 1 :])
    counts = [[n * inner for n in layout.counts[0]]]  # type: ignore[union-attr]
    return [Layout((layout.shape[axis] * inner,), layout.grid, 0, counts)] * math.prod(layout.shape[:axis])


def _across(x: DNDarray, target: Layout) -> DNDarray:
    """From one layout by rows to another. Few rows on both sides, so few pieces."""
    comm, rank = x.comm, x.comm.rank
    sources, targets = _flat_rows(x.layout), _flat_rows(target)
    length, wide = sources[0].size, targets[0].size
    rows = x.larray.reshape(len(sources), -1)
    cuts = sorted({*range(0, x.size + 1, length), *range(0, x.size + 1, wide)})
    jobs, tensors, places = [], [], []
    for start, stop in pairwise(cuts):
        (s, first), (t, landing) = divmod(start, length), divmod(start, wide)
        job = Job(
            part_layout(sources[s], ((first, first + stop - start),)),
            part_layout(targets[t], ((landing, landing + stop - start),)),
        )
        begins = []
        for layout, at in ((sources[s], first), (targets[t], landing)):
            low, high = layout.box(rank)[0]
            begins.append(min(max(at, low), high) - low)
        jobs.append(job)
        tensors.append(rows[s].narrow(0, begins[0], job.source.lshape(rank)[0]))
        places.append((t, slice(begins[1], begins[1] + job.target.lshape(rank)[0])))
    shape = (len(targets), *targets[0].lshape(rank))
    local = redistribution.assemble(comm, jobs, places, shape, tensors)
    return wrap(local.reshape(target.lshape(rank)), target, comm)
