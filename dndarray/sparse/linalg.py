"""Linear algebra with sparse matrices: SciPy's `sparse.linalg` by name and meaning, and preconditioners.

Iterative solvers are those of `dnd.linalg`: they take sparse and dense matrices and operators alike.
"""

from __future__ import annotations

from typing import Any

from ..array import DNDarray
from ..linalg.block_eigen import lobpcg
from ..linalg.eigen_iterations import eigsh, svds
from ..linalg.krylov_bases import arnoldi, lanczos
from ..linalg.least_squares import lsmr, lsqr
from ..linalg.operators import LinearOperator, aslinearoperator
from ..linalg.symmetric_krylov import cg, fcg, minres
from ..linalg.unsymmetric_krylov import bicgstab, cgs, gmres, ir
from .array import SparseArray
from .direct import Factors, factorized, inv, spilu, splu, spsolve, spsolve_triangular
from .multigrid import amg
from .preconditioners import block_jacobi, chebyshev, ic0, ilu0, jacobi, preconditioner, schwarz, sor

__all__ = [
    "Factors",
    "LinearOperator",
    "amg",
    "arnoldi",
    "aslinearoperator",
    "bicgstab",
    "block_jacobi",
    "cg",
    "cgs",
    "chebyshev",
    "eigsh",
    "factorized",
    "fcg",
    "gmres",
    "ic0",
    "ilu0",
    "inv",
    "ir",
    "jacobi",
    "lanczos",
    "lobpcg",
    "lsmr",
    "lsqr",
    "minres",
    "norm",
    "preconditioner",
    "schwarz",
    "sor",
    "spilu",
    "splu",
    "spsolve",
    "spsolve_triangular",
    "svds",
]


def norm(x: SparseArray, ord: Any = None, axis: int | None = None) -> DNDarray:
    """A norm of a sparse matrix, or of each of its columns (axis 0) or rows (axis 1).

    Parameters
    ----------
    x : SparseArray
    ord : {None, "fro", 1, -1, 2, inf, -inf, 0} or number
        Of matrices the Frobenius norm (by default), the largest or smallest sum of absolute values of columns (1, -1)
        or rows (inf, -inf), or the largest singular value (2). Of vectors that of `numpy.linalg.norm`: 2 by default,
        0 counts, inf and -inf are extremes, p is the p-th root of the sum of p-th powers.

    Communication: one all-reduce; two for sums over what is split; of the 2-norm that of `svds`.
    """
    if not isinstance(x, SparseArray):
        raise TypeError(f"norm takes a sparse array, not {type(x).__name__}; use dnd.linalg.norm")
    size = abs(x)
    if axis is not None:
        return _vector_norms(size, 2 if ord is None else ord, axis)
    if ord in (None, "fro", "f"):
        return size.power(2).sum() ** 0.5
    if ord == 2:
        return svds(x, 1, return_singular_vectors=False)[0]
    if ord in (1, -1, float("inf"), -float("inf")):
        sums = size.sum(0 if abs(ord) == 1 else 1)
        return sums.max() if ord > 0 else sums.min()
    raise ValueError(f"`ord` (={ord!r}) must be None, 'fro', 1, -1, 2, inf or -inf for a matrix")


def _vector_norms(size: SparseArray, ord: Any, axis: int) -> DNDarray:
    if ord == float("inf"):
        return size.max(axis)
    if ord == -float("inf"):
        return size.min(axis)
    if ord == 0:
        return size.count_nonzero(axis)
    return size.power(ord).sum(axis) ** (1 / ord)
