"""Which elements of a matrix are stored, and on which process: what matrices that differ in their values share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import _sparsetools, csr_array
from torch import Tensor

from ..communication import Communicator
from ..layout import Layout

if TYPE_CHECKING:
    from .exchange_plan import Plan

__all__ = ["Pattern", "compress", "index_type", "picked"]

_PLANS = 8
"""Plans kept for each pattern: one for every way in which vectors were dealt out."""


def index_type(*limits: int) -> np.dtype:
    """The integers that count up to all of these limits: 32 bits where they do, for they are half the memory."""
    return np.dtype(np.int32 if max(limits, default=0) <= np.iinfo(np.int32).max else np.int64)


def picked(values: Tensor, places: np.ndarray) -> Tensor:
    """The values at these places, and zero where a place is -1. Differentiable."""
    index = torch.from_numpy(np.ascontiguousarray(places, dtype=np.int64)).to(values.device)
    if not len(values) or (places < 0).any():
        values = torch.cat([values, values.new_zeros(1)])
        index = index.where(index >= 0, len(values) - 1)
    return values[index]


class Pattern:
    """Compressed rows, dealt out in blocks to the processes of a one-dimensional grid, or all on every process.

    In each row the columns ascend and none comes twice. Matrices that are dealt out by columns hold the pattern of
    their transpose.

    Parameters
    ----------
    layout
        Shape of the matrix, and how its rows (axis 0) are dealt out.
    indptr, indices
        Where each of this process's rows begins, and the (global) columns of its elements.
    nnz
        Number of elements on all processes together.
    is_sorted
        Whether the columns ascend already. (`SparseArray` sorts a pattern before it shows it to anybody.)
    """

    __slots__ = ("_plans", "_rows", "comm", "indices", "indptr", "is_sorted", "layout", "nnz", "routes")

    def __init__(
        self,
        layout: Layout,
        comm: Communicator,
        indptr: np.ndarray,
        indices: np.ndarray,
        nnz: int,
        is_sorted: bool = True,
    ) -> None:
        kind = index_type(len(indices), layout.shape[1])
        self.layout = layout
        self.comm = comm
        self.indptr = np.ascontiguousarray(indptr, dtype=kind)
        self.indices = np.ascontiguousarray(indices, dtype=kind)
        self.nnz = nnz
        self.is_sorted = is_sorted
        self._plans: dict[Any, Plan] = {}
        self.routes: dict[Any, Any] = {}
        """How operands in some layouts meet this pattern (see `products`)."""
        self._rows: np.ndarray | None = None

    @classmethod
    def make(
        cls, layout: Layout, comm: Communicator, indptr: np.ndarray, indices: np.ndarray, is_sorted: bool = True
    ) -> Pattern:
        """The pattern of these parts. Communication: one all-reduce of a number if rows are dealt out."""
        nnz = len(indices)
        if layout.is_dealt:
            nnz = int(comm.allreduce(torch.tensor(nnz)))
        return cls(layout, comm, indptr, indices, nnz, is_sorted)

    @property
    def shape(self) -> tuple[int, int]:
        return self.layout.shape[0], self.layout.shape[1]

    @property
    def lshape(self) -> tuple[int, int]:
        """Shape of this process's part."""
        return self.stop - self.start, self.shape[1]

    @property
    def lnnz(self) -> int:
        """Number of this process's elements."""
        return len(self.indices)

    @property
    def start(self) -> int:
        """This process's first row."""
        return self.layout.box(self.comm.rank)[0][0]

    @property
    def stop(self) -> int:
        """The row after this process's last one."""
        return self.layout.box(self.comm.rank)[0][1]

    @property
    def counts(self) -> tuple[int, ...] | None:
        """How many rows each process has; None where each has all."""
        return self.layout.counts[0]

    @property
    def rows(self) -> np.ndarray:
        """The (local) row of each of this process's elements."""
        if self._rows is None:
            lengths = np.diff(self.indptr)
            self._rows = np.repeat(np.arange(self.lshape[0], dtype=self.indices.dtype), lengths)
        return self._rows

    def local(self, values: np.ndarray) -> csr_array:
        """This process's rows with these values, sharing memory."""
        return csr_array((values, self.indices, self.indptr), shape=self.lshape, copy=False)

    def places(self) -> csr_array:
        """This process's rows with the number of each element, counted from one, as its value."""
        return self.local(np.arange(1, self.lnnz + 1, dtype=np.int64))

    def sort(self) -> np.ndarray:
        """Let the columns of each row ascend, in place; the number of the element that comes at each place."""
        elements = csr_array((np.arange(self.lnnz), self.indices, self.indptr), shape=self.lshape)
        elements.sort_indices()
        self.indices, self.is_sorted = elements.indices, True
        return elements.data

    def find(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Where these elements (local rows, global columns) are among this process's values; -1 for what is not."""
        found = np.zeros(len(rows), dtype=np.int64)
        kind = index_type(len(rows), *self.lshape, self.lnnz)
        if len(rows):
            _sparsetools.csr_sample_values(
                *self.lshape, self.indptr.astype(kind, copy=False), self.indices.astype(kind, copy=False),
                np.arange(1, self.lnnz + 1, dtype=np.int64), len(rows),
                np.ascontiguousarray(rows, dtype=kind), np.ascontiguousarray(columns, dtype=kind), found,
            )  # fmt: skip
        return found - 1

    def is_like(self, indptr: np.ndarray, indices: np.ndarray) -> bool:
        """Whether these are this process's part."""
        return np.array_equal(self.indptr, indptr) and np.array_equal(self.indices, indices)

    def plan(self, counts: tuple[int, ...] | None) -> Plan:
        """How vectors that have an element for each column meet this pattern: dealt out by `counts`, or whole.

        Made once. Communication at the first call: an all-to-all of counts and one of columns; none for whole vectors.
        """
        from .exchange_plan import Plan

        found = self._plans.get(counts)
        if found is None:
            while len(self._plans) >= _PLANS:
                del self._plans[next(iter(self._plans))]
            found = self._plans[counts] = Plan(self, counts)
        return found


def compress(
    rows: np.ndarray, columns: np.ndarray, shape: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Compressed rows of elements in any order: indptr, indices, the element that comes at each place, and groups.

    `groups` numbers the distinct elements, for those that come several times to be added up; None if none does.
    """
    m, n = shape
    kind = index_type(len(rows), m, n)
    rows, columns = (np.ascontiguousarray(a, dtype=kind) for a in (rows, columns))
    indptr, indices = np.empty(m + 1, dtype=kind), np.empty(len(rows), dtype=kind)
    order = np.empty(len(rows), dtype=np.int64)
    _sparsetools.coo_tocsr(m, n, len(rows), rows, columns, np.arange(len(rows)), indptr, indices, order)
    if not _sparsetools.csr_has_canonical_format(m, indptr, indices):
        if not _sparsetools.csr_has_sorted_indices(m, indptr, indices):
            _sparsetools.csr_sort_indices(m, indptr, indices, order)
        new = np.ones(len(indices), dtype=bool)
        new[1:] = indices[1:] != indices[:-1]
        new[indptr[:-1][indptr[:-1] < len(indices)]] = True  # a row may begin with the column that ended the last
        if not new.all():
            groups = np.cumsum(new) - 1
            before = np.concatenate([[0], np.cumsum(new)])
            return before[indptr].astype(kind), indices[new], order, groups
    return indptr, indices, order, None
