"""Linear algebra: NumPy's `linalg` by name and meaning, which holds the Array API's extension, on split arrays.

Products and norms are array code: they work where the elements are. How matrices are factorised, and what that costs,
is told in `matrices` and `factorizations`.
"""

from __future__ import annotations

from numpy.linalg import LinAlgError

from ..contraction import matmul, vecdot
from ..manipulation import matrix_transpose
from ..products import tensordot
from . import gallery as gallery
from .block_eigen import lobpcg
from .eigen_iterations import eigsh, svds
from .elimination import lu, lu_factor, lu_solve
from .factorizations import cholesky, qr
from .forms import cross, diagonal, matrix_power, multi_dot, outer, trace
from .krylov_bases import arnoldi, lanczos
from .least_squares import lsmr, lsqr
from .low_rank import hsvd, hsvd_rank, hsvd_rtol, isvd, reigh, rsvd
from .matrix_functions import expm, sqrtm
from .norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from .operators import LinearOperator, aslinearoperator
from .polar_decomposition import polar
from .solvers import cho_factor, cho_solve, det, inv, lstsq, pinv, slogdet, solve, tensorinv, tensorsolve
from .spectral import eig, eigh, eigvals, eigvalsh, svd, svdvals
from .structured import (
    block_diag,
    circulant,
    hankel,
    hilbert,
    matmul_toeplitz,
    solve_circulant,
    toeplitz,
)
from .symmetric_krylov import cg, fcg, minres
from .triangular import solve_triangular
from .unsymmetric_krylov import bicgstab, cgs, gmres, ir

__all__ = [
    "LinAlgError",
    "LinearOperator",
    "arnoldi",
    "aslinearoperator",
    "bicgstab",
    "block_diag",
    "cg",
    "cgs",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigsh",
    "eigvals",
    "eigvalsh",
    "expm",
    "fcg",
    "gmres",
    "hankel",
    "hilbert",
    "hsvd",
    "hsvd_rank",
    "hsvd_rtol",
    "inv",
    "ir",
    "isvd",
    "lanczos",
    "lobpcg",
    "lsmr",
    "lsqr",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matmul_toeplitz",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "minres",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "polar",
    "qr",
    "reigh",
    "rsvd",
    "slogdet",
    "solve",
    "solve_circulant",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svds",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "toeplitz",
    "trace",
    "vecdot",
    "vector_norm",
]
