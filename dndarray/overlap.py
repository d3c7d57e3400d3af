"""Sections of a split axis that overlap: what filters, frames and stencils read beyond their own part."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from .collectives import all_to_all
from .communication import Communicator
from .layout import Layout

__all__ = ["offsets_along", "overlapping", "parts", "read"]


def overlapping(
    tensor: Tensor, axis: int, counts: Sequence[int], wanted: Sequence[tuple[int, int]], comm: Communicator
) -> Tensor:
    """The indices `[start, stop)` = `wanted[rank]` along `axis`, whosever they are, for each process.

    `counts` are the indices of each process. Communication: one all-to-all; none if each holds what it wants.
    Gradients: those of an index that several processes read add up.
    """
    starts = [0, *accumulate(counts)]

    def shared(owner: int, reader: int) -> tuple[int, int]:
        """Where in its own part `owner` has what `reader` wants."""
        low, high = (min(max(i, starts[owner]), starts[owner + 1]) for i in wanted[reader])
        return low - starts[owner], max(low, high) - starts[owner]

    ranks, rank = range(comm.size), comm.rank
    mine = shared(rank, rank)
    own = tensor.narrow(axis, mine[0], mine[1] - mine[0])
    if all(stop - start == (s := shared(r, r))[1] - s[0] for r, (start, stop) in enumerate(wanted)):
        return own
    rows = tensor.movedim(axis, 0)
    sent = [rows[slice(*shared(rank, r))] if r != rank else rows[:0] for r in ranks]
    lengths = [high - low if r != rank else 0 for r in ranks for low, high in [shared(r, rank)]]
    arrived = all_to_all(torch.cat(sent), [len(part) for part in sent], lengths, comm).movedim(0, axis)
    lead = sum(lengths[:rank])
    rest = arrived.shape[axis] - lead
    return torch.cat([arrived.narrow(axis, 0, lead), own, arrived.narrow(axis, lead, rest)], axis)


def offsets_along(layout: Layout, axis: int) -> tuple[int, ...]:
    """Where along `axis` each part begins, and at last the end."""
    g = layout.grid_axis(axis)
    offsets = None if g is None else layout.offsets[g]
    return (0, layout.shape[axis]) if offsets is None else offsets


def parts(layout: Layout, axis: int, rank: int) -> tuple[tuple[int, ...], int]:
    """Where along `axis` each part begins, and at last the end; and which one `rank` holds."""
    g = layout.grid_axis(axis)
    return offsets_along(layout, axis), 0 if g is None else layout.grid.coordinates(rank)[g]


def read(
    tensor: Tensor, layout: Layout, axis: int, needed: Sequence[tuple[int, int]], comm: Communicator
) -> tuple[Tensor, int, int]:
    """What part r of an array in this layout needs along `axis`, `needed[r]`, as far as there are such indices; and
    how many it lacks before the first and after the last. Communication: as `overlapping`."""
    n, g = layout.shape[axis], layout.grid_axis(axis)
    wanted = [(min(max(low, 0), n), min(max(high, 0), n)) for low, high in needed]
    if g is None:
        tensor = tensor.narrow(axis, wanted[0][0], wanted[0][1] - wanted[0][0])
    else:
        counts = layout.counts[g]
        assert counts is not None
        tensor = overlapping(tensor, axis, counts, wanted, comm.along(layout.grid, (g,)))
    (low, high), (start, stop) = (spans[parts(layout, axis, comm.rank)[1]] for spans in (needed, wanted))
    return tensor, start - low, high - stop
