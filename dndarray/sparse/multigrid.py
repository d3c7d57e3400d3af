"""Smoothed-aggregation multigrid, as a preconditioner."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.linalg import LinAlgError
from scipy.sparse import csr_array, eye_array

from ..array import DNDarray, wrap
from ..linalg.operators import LinearOperator
from ..redistribution import move
from ..types import numpy_dtype
from .array import SparseArray
from .creation import csr_array as distributed_csr
from .preconditioners import _checked, beside, chebyshev, largest_eigenvalue

__all__ = ["aggregates", "amg"]


class _Level(NamedTuple):
    matrix: SparseArray
    smoother: LinearOperator
    prolongation: SparseArray
    restriction: SparseArray


def amg(
    A: Any,
    strength: float = 0.08,
    coarsest: int = 500,
    degree: int = 2,
    max_levels: int = 20,
) -> LinearOperator:
    """A V cycle of smoothed-aggregation multigrid (Vanek, Mandel, Brezina, 1996) for Hermitian positive definite A.

    Parameters
    ----------
    A : SparseArray
        Of an elliptic equation, whose slowest errors are smooth; split along rows (or brought to that).
    strength : float
        Elements of less than this times the root of both diagonals do not count as couplings; halved level by level.
    coarsest : int
        From how few unknowns on a level is solved directly.
    degree : int
        Of Chebyshev's smoother, before and after: `degree` products with A of each level, less one.

    Aggregates are formed by each process of its own unknowns, with no message, from a maximal set of unknowns more than
    two couplings apart (Bell, Dalton and Olson, 2012); the coarse matrix P^H A P is two products of sparse matrices,
    and split as A is. Where there are too few couplings to go on, the last level is smoothed only. Communication of a
    cycle: that of 2 `degree` products with the matrix of each level and of two with its prolongation, and one
    all-gather of the coarsest level's unknowns.
    """
    a = _checked(A, "amg")
    a = a if a.split == 0 else a.resplit(0)
    levels: list[_Level] = []
    while a.shape[0] > coarsest and len(levels) < max_levels - 1:
        level = _coarsened(a, strength * 0.5 ** len(levels), degree)
        if level is None:
            break
        levels.append(level)
        a = level.restriction @ (a @ level.prolongation)
    solve = _direct(a) if a.shape[0] <= max(4 * coarsest, 2000) else chebyshev(a, 2 * degree).matvec

    def cycle(depth: int, b: DNDarray) -> DNDarray:
        if depth == len(levels):
            return solve(b)
        level = levels[depth]
        x = level.smoother @ b
        x = x + level.prolongation @ cycle(depth + 1, level.restriction @ (b - level.matrix @ x))
        return x + level.smoother @ (b - level.matrix @ x)

    return beside(_checked(A, "amg"), lambda b: cycle(0, b), lambda b: cycle(0, b))


def _coarsened(a: SparseArray, strength: float, degree: int) -> _Level | None:
    """The level of a matrix; None if it has too few couplings to become much smaller."""
    labels = aggregates(_couplings(a.diagonal_block(), strength))
    n = int(labels.max(initial=-1)) + 1
    total = int(a.comm.allreduce(torch.tensor(n))) if a.split is not None else n
    if total == 0 or total > 0.8 * a.shape[0]:
        return None
    member = np.flatnonzero(labels >= 0)
    sizes = np.bincount(labels[member], minlength=n)
    values = (1 / np.sqrt(sizes[labels[member]])).astype(numpy_dtype(a.dtype))
    first = np.cumsum([0, *a.comm.allgather_object(n)])[a.comm.rank] if a.split is not None else 0
    indptr = np.append(0, np.cumsum(labels >= 0))
    tentative = distributed_csr(
        csr_array((values, labels[member] + first, indptr), shape=(len(labels), total)),
        is_split=None if a.split is None else 0,
        comm=a.comm,
        device=a.device,
    )
    diagonal = a.diagonal().real if a.dtype.is_complex else a.diagonal()
    if not bool((diagonal > 0).all()):
        raise LinAlgError("amg takes positive definite matrices, this one's diagonal is not positive")
    scale = 1 / diagonal
    upper = largest_eigenvalue(a, scale)
    prolongation = tentative - (a @ tentative).multiply((scale * (4 / 3 / upper))[:, None])
    restriction = prolongation.H.resplit(0)
    return _Level(a, chebyshev(a, degree, upper=upper), prolongation, restriction)


def _couplings(block: csr_array, strength: float) -> csr_array:
    """The strong couplings of a block, off the diagonal, in both directions."""
    elements = block.tocoo()
    size = np.sqrt(np.abs(block.diagonal()))
    strong = (elements.row != elements.col) & (
        np.abs(elements.data) > strength * size[elements.row] * size[elements.col]
    )
    row, column = elements.row[strong], elements.col[strong]
    graph = csr_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=block.shape)
    return csr_array(graph + graph.T)


def aggregates(graph: csr_array) -> np.ndarray:
    """For each unknown the number of its aggregate, -1 for those without couplings.

    Roots are a maximal set of unknowns more than two couplings apart: rounds in which those with the largest random key
    of all undecided ones within two couplings become roots, and what lies so near to a root does not.
    """
    n = graph.shape[0]
    isolated = np.diff(graph.indptr) == 0
    closed = csr_array(graph + eye_array(n, dtype=graph.dtype))  # itself included: no row is empty
    starts, neighbours = closed.indptr[:-1], closed.indices
    if n == 0:
        return np.empty(0, dtype=np.int64)

    def widened(key: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(key[neighbours], starts)

    key = np.random.default_rng(0).permutation(n) + 1  # 0: decided, and no root
    key[isolated] = 0
    root = np.zeros(n, dtype=bool)
    while (key > 0).any():
        new = (key > 0) & (widened(widened(key)) == key)
        root |= new
        key[widened(widened(new)) > 0] = 0
    label = np.zeros(n, dtype=np.int64)
    label[root] = np.arange(1, root.sum() + 1)
    near = widened(label)
    label = np.where(near > 0, near, widened(near))
    return np.where(isolated, -1, label - 1)


def _direct(a: SparseArray) -> Any:
    """Solving with the coarsest level's matrix on every process: by the pseudo-inverse, for it may be singular."""
    dense = a.to_dense().numpy()
    if not np.isfinite(dense).all():
        raise LinAlgError("the matrix contains NaN or infinite numbers")
    inverse = torch.from_numpy(np.linalg.pinv(dense, hermitian=True)).to(a.device)

    def solve(b: DNDarray) -> DNDarray:
        whole = move(b.larray, b.layout, b.layout.replicated(), b.comm)
        start, stop = b.layout.box(b.comm.rank)[0]
        return wrap(inverse[start:stop].to(whole.dtype) @ whole, b.layout, b.comm)

    return solve
