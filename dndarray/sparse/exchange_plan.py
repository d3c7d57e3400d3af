"""Which elements of a dense vector travel when it meets a sparse matrix, made out once for every pattern.

A process's columns are its own, of which it holds the vector's elements, or lie in its halo. Long runs of rows that
touch no halo are multiplied where they lie while the halo travels. The other rows are cut in two: what meets the own
elements is multiplied meanwhile, too, what meets the halo afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..communication import Request

if TYPE_CHECKING:
    from .pattern import Pattern

__all__ = ["Block", "Plan", "selection", "spans"]

_RUNS = 16
"""Runs of rows without halo that are multiplied where they lie have at least one part in so many of all rows."""

Selection = slice | Tensor


def selection(places: np.ndarray) -> Selection:
    """An index of these ascending places: a slice, which copies nothing, where they follow each other."""
    if not len(places):
        return slice(0, 0)
    if places[-1] - places[0] == len(places) - 1:
        return slice(int(places[0]), int(places[-1]) + 1)
    return torch.from_numpy(np.ascontiguousarray(places, dtype=np.int64))


class Block:
    """Some of a pattern's elements in rows of their own, with columns counted in the vector that they meet."""

    def __init__(self, rows: Selection, entries: Selection, indptr: np.ndarray, columns: np.ndarray) -> None:
        self.rows = rows
        """Of the pattern, for each row of the block."""
        self.entries = entries
        """Of the pattern's values, for each element of the block."""
        self.indptr = torch.from_numpy(indptr)
        self.columns = torch.from_numpy(columns)

    def to(self, device: torch.device) -> Block:
        moved = Block.__new__(Block)
        moved.rows, moved.entries = (s.to(device) if isinstance(s, Tensor) else s for s in (self.rows, self.entries))
        moved.indptr, moved.columns = self.indptr.to(device), self.columns.to(device)
        return moved

    @cached_property
    def element_rows(self) -> Tensor:
        """The row of the block of each of its elements."""
        lengths = self.indptr.diff()
        return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)


class Plan:
    """How vectors with an element for each column of a pattern, dealt out by `counts`, meet it.

    With `counts` None every process has all of the vector, and nothing travels.
    """

    def __init__(self, pattern: Pattern, counts: tuple[int, ...] | None) -> None:
        comm = self.comm = pattern.comm
        self.pattern = pattern
        self.counts = counts
        if counts is None:
            self.start, self.width = 0, pattern.shape[1]
        else:
            self.start, self.width = sum(counts[: comm.rank]), counts[comm.rank]
        remote = np.empty(0, dtype=np.int64)
        if self.width < pattern.shape[1]:
            below = pattern.indices < self.start
            below |= pattern.indices >= self.start + self.width
            remote = np.flatnonzero(below)
        self.halo = np.unique(pattern.indices[remote]).astype(np.int64)
        """Columns of others that this process touches, in order."""
        self.receives: list[tuple[int, slice]] = []
        """From whom which part of the halo comes."""
        self.sends: list[tuple[int, Selection]] = []
        """To whom which of the own elements go."""
        if counts is not None and comm.size > 1:
            self._agree(counts)
        self._near, self._far = self._blocks(remote)
        self._moved: dict[torch.device, tuple[list[Block], list[Block]]] = {}

    def _agree(self, counts: Sequence[int]) -> None:
        """Tell the owners what is wanted. Communication: two all-to-alls."""
        edges = np.searchsorted(self.halo, [0, *accumulate(counts)])
        wanted = np.diff(edges).tolist()
        asked = self.comm.alltoall_counts(wanted)
        columns = self.comm.alltoallv(torch.from_numpy(self.halo), wanted, asked).numpy() - self.start
        starts = [0, *accumulate(asked)]
        self.receives = [(r, slice(int(edges[r]), int(edges[r + 1]))) for r, n in enumerate(wanted) if n]
        self.sends = [(r, selection(columns[starts[r] : starts[r + 1]])) for r, n in enumerate(asked) if n]

    def _blocks(self, remote: np.ndarray) -> tuple[list[Block], list[Block]]:
        pattern = self.pattern
        m, indptr = pattern.lshape[0], pattern.indptr
        kind = np.int32 if max(self.width, len(self.halo), pattern.lnnz) < 2**31 else np.int64
        mixed = np.unique(np.searchsorted(indptr, remote, side="right") - 1)  # rows that touch the halo
        edges = np.concatenate([[-1], mixed, [m]])
        long = np.flatnonzero(np.diff(edges) - 1 >= max(1, m // _RUNS))
        near, rest = [], np.ones(m, dtype=bool)
        for low, high in zip((edges[long] + 1).tolist(), edges[long + 1].tolist(), strict=True):
            first, last = int(indptr[low]), int(indptr[high])
            columns = pattern.indices[first:last]
            if self.start or columns.dtype != kind:
                columns = (columns - self.start).astype(kind)
            starts = (indptr[low : high + 1] - first).astype(kind, copy=False)
            near.append(Block(slice(low, high), slice(first, last), starts, columns))
            rest[low:high] = False
        rows = np.flatnonzero(rest)
        if not len(rows):
            return near, []
        entries = spans(indptr[:-1][rows], np.diff(indptr)[rows])
        columns = pattern.indices[entries].astype(np.int64)
        own = (columns >= self.start) & (columns < self.start + self.width)
        before = np.concatenate([[0], np.cumsum(own)])
        starts = np.concatenate([[0], np.cumsum(np.diff(indptr)[rows])])
        inner = before[starts].astype(kind)
        chosen = selection(rows)
        near.append(Block(chosen, selection(entries[own]), inner, (columns[own] - self.start).astype(kind)))
        outside = np.searchsorted(self.halo, columns[~own]).astype(kind)
        return near, [Block(chosen, selection(entries[~own]), (starts - inner).astype(kind), outside)]

    @cached_property
    def columns(self) -> np.ndarray:
        """The column of each of the pattern's elements, counted among the own columns and the halo's, in order."""
        columns = self.pattern.indices
        before = int(np.searchsorted(self.halo, self.start))
        counted = (columns - columns.dtype.type(self.start - before)).astype(columns.dtype, copy=False)
        far = np.flatnonzero((columns < self.start) | (columns >= self.start + self.width))
        place = np.searchsorted(self.halo, columns[far])
        counted[far] = np.where(place < before, place, place + self.width)
        return counted

    @property
    def words(self) -> tuple[int, int]:
        """How many elements of a vector this process sends, and in how many messages."""
        lengths = [s.stop - s.start if isinstance(s, slice) else len(s) for _, s in self.sends]
        return sum(lengths), len(lengths)

    def blocks(self, device: torch.device) -> tuple[list[Block], list[Block]]:
        """What meets the own elements, and what meets the halo."""
        if device.type == "cpu":
            return self._near, self._far
        if device not in self._moved:
            self._moved[device] = [b.to(device) for b in self._near], [b.to(device) for b in self._far]
        return self._moved[device]

    def fetch(self, own: Tensor) -> tuple[Tensor, list[Request]]:
        """Start to bring the halo here. Communication: a message to and from each neighbour."""
        halo = own.new_empty((len(self.halo), *own.shape[1:]))
        requests = [self.comm.irecv(halo[part], peer, into=True) for peer, part in self.receives]
        requests += [self.comm.isend(own[_here(part, own)], peer) for peer, part in self.sends]
        return halo, requests

    def give(self, halo: Tensor) -> tuple[list[Tensor], list[Request]]:
        """Start to bring what was computed for the halo to its owners: the way back of `fetch`."""
        lengths = [s.stop - s.start if isinstance(s, slice) else len(s) for _, s in self.sends]
        arriving = [halo.new_empty((n, *halo.shape[1:])) for n in lengths]
        pairs = zip(arriving, self.sends, strict=True)
        requests = [self.comm.irecv(place, peer, into=True) for place, (peer, _) in pairs]
        requests += [self.comm.isend(halo[part], peer) for peer, part in self.receives]
        return arriving, requests

    def add_arrived(self, arrived: Sequence[Tensor], own: Tensor) -> None:
        """Add what came from others to the own elements, in order of the processes."""
        for tensor, (_, part) in zip(arrived, self.sends, strict=True):
            if isinstance(part, slice):
                own[part] += tensor
            else:
                own.index_add_(0, _here(part, own), tensor)  # type: ignore[arg-type]


def _here(part: Selection, tensor: Tensor) -> Selection:
    return part.to(tensor.device) if isinstance(part, Tensor) else part


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of all intervals `[start, start + length)`, one after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)
