"""A matrix dealt out in blocks of columns, in turn, for algorithms that eliminate column after column.

With contiguous parts the processes that hold the first columns would soon have nothing to do. Dealt out in turn
(block-cyclic) all of them keep an equal share of what is left. A block has all of its rows on one process, so that a
panel is factorised by one LAPACK call and sent to all by one broadcast (ScaLAPACK, Blackford et al., 1997, with a grid
of one row).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..communication import Communicator, Request
from ..indexing import section
from ..layout import Layout
from ..manipulation import matrix_transpose
from ..redistribution import Job, assemble

__all__ = ["Block", "Columns", "cyclic", "panels", "sweep"]

WIDTH = 128
"""Columns of a block, at most: wide enough for BLAS, and narrow enough to keep all processes busy until the end."""

NARROW = 16
"""Columns above which a block is made narrower so that every process gets several."""


class Block(NamedTuple):
    """Columns `[start, stop)`, which `owner` holds from its column `at` on."""

    start: int
    stop: int
    owner: int
    at: int

    @property
    def width(self) -> int:
        return self.stop - self.start

    @property
    def here(self) -> slice:
        """Its place among the owner's columns."""
        return slice(self.at, self.at + self.stop - self.start)


class Columns:
    """A matrix whose columns are dealt out in blocks.

    `local` holds this process's columns as rows, block after block: a column lies in one piece, as LAPACK wants it.
    """

    def __init__(self, local: Tensor, blocks: Sequence[Block], comm: Communicator) -> None:
        self.local, self.blocks, self.comm = local, blocks, comm
        self.own = [0, *accumulate(b.width if b.owner == comm.rank else 0 for b in blocks)]
        """How many of this process's columns come before each block; one entry more, all of them."""

    @property
    def rows(self) -> int:
        return self.local.shape[1]

    def is_mine(self, k: int) -> bool:
        """Whether this process has block `k`."""
        return self.blocks[k].owner == self.comm.rank

    def share(self, tensor: Tensor) -> Tensor:
        """What belongs to this process's columns of a replicated tensor with an entry for every column."""
        return torch.cat([tensor[:0], *(tensor[b.start : b.stop] for b in self.blocks if b.owner == self.comm.rank)])

    def identity(self, m: int, n: int) -> Columns:
        """The first `n` columns of the identity of order `m`, in blocks as wide as these."""
        width = self.blocks[0].width if self.blocks else WIDTH
        filled = [0] * self.comm.size
        blocks = _dealt(0, n, width, filled)
        result = Columns(self.local.new_zeros(filled[self.comm.rank], m), blocks, self.comm)
        numbers = result.share(torch.arange(n, device=self.local.device))
        result.local.scatter_(1, numbers.unsqueeze(1), 1)
        return result

    def collect(self, target: Layout, first: int = 0, lower: bool = False) -> DNDarray:
        """The matrix from block `first` on as an ordinary array; `lower`: of a square one the lower triangle.

        Communication: one all-to-all.
        """
        comm, blocks = self.comm, self.blocks[first:]
        origin = blocks[0].start if blocks else 0
        low, high = target.box(comm.rank)[1]
        turned = target.permute((1, 0))
        frame = wrap(self.local.new_empty(()).expand(turned.lshape(comm.rank)), turned, comm)
        jobs, tensors, places = [], [], []
        m, (top, bottom) = target.shape[0], target.box(comm.rank)[0]
        for start, stop, layout, own in _turns(blocks, comm, m, lower):
            above = m - layout.shape[1]
            start, stop = start - origin, stop - origin
            jobs.append(Job(layout, section(section(frame, 0, start, stop), 1, above, m).layout))
            tensors.append(self.local[own, above:])
            places.append((_within(start, stop, low, high), _within(above, m, top, bottom)))
        local = assemble(comm, jobs, places, tuple(frame.larray.shape), tensors) if jobs else frame.larray.contiguous()
        for columns, rows in places:
            local[columns, : rows.start] = 0
        return wrap(local.mT, target, comm)


def cyclic(*matrices: DNDarray, lower: bool = False) -> Columns:
    """Matrices beside each other, the columns of each dealt out in turn; `lower`: of a square one the lower triangle.

    Communication: one all-to-all.
    """
    comm, m = matrices[0].comm, matrices[0].shape[0]
    blocks: list[Block] = []
    jobs, tensors, places = [], [], []
    filled, columns = [0] * comm.size, 0
    for x in matrices:
        n = x.shape[1]
        width = min(WIDTH, max(NARROW, n // (4 * comm.size)))
        dealt = _dealt(columns, columns + n, width, filled)
        turned = matrix_transpose(x.detach())
        for start, stop, layout, own in _turns(dealt, comm, m, lower):
            above = m - layout.shape[1]
            part = section(section(turned, 0, start - columns, stop - columns), 1, above, m)
            jobs.append(Job(part.layout, layout))
            tensors.append(part.larray)
            places.append((own, slice(above, m)))
        blocks += dealt
        columns += n
    shape = (filled[comm.rank], m)
    local = assemble(comm, jobs, places, shape, tensors) if jobs else matrices[0].larray.new_empty(shape)
    return Columns(local, blocks, comm)


def _dealt(start: int, stop: int, width: int, filled: list[int]) -> list[Block]:
    """Columns `[start, stop)` in blocks, in turn; `filled` counts what each process has."""
    blocks = []
    for k, first in enumerate(range(start, stop, width)):
        owner = k % len(filled)
        blocks.append(Block(first, min(first + width, stop), owner, filled[owner]))
        filled[owner] += blocks[-1].width
    return blocks


def _turns(
    blocks: Sequence[Block], comm: Communicator, rows: int, lower: bool
) -> Iterator[tuple[int, int, Layout, slice]]:
    """One block of every process after another: where these start and stop, who has which, which are this process's.

    With `lower` without the rows above their diagonal blocks.
    """
    for first in range(0, len(blocks), comm.size):
        turn = blocks[first : first + comm.size]
        counts = [b.width for b in turn] + [0] * (comm.size - len(turn))
        own = next((b.here for b in turn if b.owner == comm.rank), slice(0, 0))
        start = turn[0].start
        yield start, turn[-1].stop, Layout((sum(counts), rows - start * lower), comm.grid, 0, [counts]), own


def _within(start: int, stop: int, low: int, high: int) -> slice:
    """Which indices of `[low, high)`, counted from there, lie in `[start, stop)`."""
    return slice(min(max(start, low), high) - low, max(min(stop, high), low) - low)


# --- panels under way -------------------------------------------------------------------------------------------------


def _send(columns: Columns, k: int, message: Callable[[int], Tensor], shape: Callable[[int], Sequence[int]]) -> Request:
    mine = columns.is_mine(k)
    tensor = message(k) if mine else columns.local.new_empty(()).expand(tuple(shape(k)))
    return columns.comm.ibroadcast(tensor, columns.blocks[k].owner)


def panels(
    columns: Columns, order: Sequence[int], message: Callable[[int], Tensor], shape: Callable[[int], Sequence[int]]
) -> Iterator[tuple[int, Tensor]]:
    """What the owner of each block sends to all, in the given order; the next one travels while one is used.

    Communication: one broadcast for each block.
    """
    under_way = _send(columns, order[0], message, shape) if order else None
    for i, k in enumerate(order):
        assert under_way is not None
        panel = under_way.wait()
        if i + 1 < len(order):
            under_way = _send(columns, order[i + 1], message, shape)
        yield k, panel


def sweep(
    columns: Columns,
    steps: int,
    factor: Callable[[int], Tensor],
    shape: Callable[[int], Sequence[int]],
    apply: Callable[[int, Tensor, slice], None],
    check: Callable[[int, Tensor], None],
) -> None:
    """Eliminate `steps` blocks from left to right.

    `factor(k)` factorises block k on its owner, whence it is broadcast with shape `shape(k)`; `check(k, panel)` may
    raise on all processes; `apply(k, panel, part)` brings those of this process's columns up to date. The next block
    comes first, and is factorised and sent while the others are brought up to date (look-ahead).

    Communication: one broadcast for each block.
    """
    under_way = _send(columns, 0, factor, shape) if steps else None
    for k in range(steps):
        assert under_way is not None
        panel = under_way.wait()
        check(k, panel)
        first = columns.own[k + 1]
        if k + 1 < steps:
            if columns.is_mine(k + 1):
                apply(k, panel, columns.blocks[k + 1].here)
                first = columns.own[k + 2]
            under_way = _send(columns, k + 1, factor, shape)
        for part in _parts(first, len(columns.local)):
            apply(k, panel, part)
            under_way.test()  # lets MPI go on with what travels


def _parts(start: int, stop: int) -> list[slice]:
    """Some parts of columns, none of them small."""
    n = min(4, (stop - start) // 128) or 1
    return [slice(start + (stop - start) * i // n, start + (stop - start) * (i + 1) // n) for i in range(n)]
