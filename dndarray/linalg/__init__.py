"""Linear algebra: NumPy's `linalg` by name and meaning, which holds the Array API's extension, on split arrays.

Products and norms are array code: they work where the elements are. How matrices are factorised, and what that costs,
is told in `matrices` and `factorizations`.
"""

from __future__ import annotations

from numpy.linalg import LinAlgError

from ..contraction import matmul, vecdot
from ..manipulation import matrix_transpose
from ..products import tensordot
from .factorizations import cholesky, qr
from .forms import cross, diagonal, matrix_power, multi_dot, outer, trace
from .norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from .solvers import det, inv, lstsq, pinv, slogdet, solve, tensorinv, tensorsolve
from .spectral import eig, eigh, eigvals, eigvalsh, svd, svdvals

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]
