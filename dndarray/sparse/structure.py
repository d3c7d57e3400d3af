"""Parts of a sparse matrix chosen by where they lie: diagonals, triangles, what is not zero."""

from __future__ import annotations

import numpy as np
import torch

from ..array import DNDarray, wrap
from ..layout import Layout
from .array import SparseArray
from .kernels import host
from .pattern import Pattern, picked

__all__ = [
    "count_nonzero",
    "diagonal",
    "eliminate_zeros",
    "find",
    "kept",
    "nonzero",
    "offsets",
    "trace",
    "tril",
    "triu",
]


def kept(A: SparseArray, keep: np.ndarray) -> SparseArray:
    """The matrix of those of this process's elements that `keep` names. Communication: one all-reduce of a number."""
    pattern = A.pattern
    before = np.concatenate([[0], np.cumsum(keep)])
    found = Pattern.make(pattern.layout, A.comm, before[pattern.indptr], pattern.indices[keep])
    if found.nnz == pattern.nnz:
        return A
    return SparseArray(found, A.data[torch.from_numpy(np.flatnonzero(keep)).to(A.device)], A.major, A.format)


def diagonal(A: SparseArray, k: int = 0) -> DNDarray:
    """The `k`-th diagonal as a dense array that is dealt out as the rows (columns) are. Local. Differentiable."""
    pattern = A.pattern
    k = k if A.major == 0 else -k
    m, n = pattern.shape
    low, high = max(0, -k), max(min(m, n - k), max(0, -k))

    def share(rank: int) -> tuple[int, int]:
        (start, stop), _ = pattern.layout.box(rank)
        first = min(max(start, low), high)
        return first, max(first, min(stop, high))

    counts = None
    if pattern.layout.is_dealt:
        counts = [stop - start for start, stop in map(share, range(A.comm.size))]
    rows = np.arange(*share(A.comm.rank))
    values = picked(A.data, pattern.find(rows - pattern.start, rows + k))
    return wrap(values, Layout((high - low,), pattern.layout.grid, None if counts is None else 0, [counts]), A.comm)


def trace(A: SparseArray, offset: int = 0) -> DNDarray:
    """The sum of a diagonal. Communication: one all-reduce of a number if the matrix is dealt out."""
    return diagonal(A, offset).sum()


def offsets(A: SparseArray) -> np.ndarray:
    """Column less row of each of this process's elements."""
    difference = A.pattern.indices.astype(np.int64) - A.pattern.rows - A.pattern.start
    return difference if A.major == 0 else -difference


def tril(A: SparseArray, k: int = 0) -> SparseArray:
    """The elements on and below the `k`-th diagonal. Communication: one all-reduce of a number."""
    return kept(A, offsets(A) <= k)


def triu(A: SparseArray, k: int = 0) -> SparseArray:
    """The elements on and above the `k`-th diagonal. Communication: one all-reduce of a number."""
    return kept(A, offsets(A) >= k)


def eliminate_zeros(A: SparseArray) -> None:
    """Store no element that is zero any more; in place. Communication: one all-reduce of a number."""
    found = kept(A, host(A.data) != 0)
    A._pattern, A._data = found.pattern, found.data


def count_nonzero(A: SparseArray, axis: int | None = None) -> DNDarray:
    """How many elements are not zero: in all, or for each column (`axis` 0) or row (1).

    Communication: one all-reduce of a number, or as `sum`.
    """
    from .reductions import sum

    return sum(A.with_data((A.data.detach() != 0).to(torch.int64)), axis)


def nonzero(A: SparseArray) -> tuple[DNDarray, DNDarray]:
    """Rows and columns of the elements that are not zero, split where these lie: in order of rows (of columns, if these
    are dealt out). Communication: one all-gather of counts if the matrix is dealt out."""
    keep = A.data.detach() != 0
    rows, columns = (c.to(torch.int64)[keep] for c in A.coords)
    layout = Layout((len(rows),), A.comm.grid)
    if A.split is not None:
        counts = A.comm.allgather(torch.tensor(len(rows))).tolist()
        layout = Layout((sum(counts),), A.comm.grid, 0, [counts])
    return wrap(rows, layout, A.comm), wrap(columns, layout, A.comm)


def find(A: SparseArray) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Rows, columns and values of the elements that are not zero, as `nonzero` gives them. Communication: as there."""
    rows, columns = nonzero(A)
    return rows, columns, wrap(A.data[A.data.detach() != 0], rows.layout, A.comm)
