"""Factorizations of matrices: Cholesky, QR, singular values, eigenvalues.

Stacks are dealt out along their leading axes (see `matrices`). A single matrix that is split is not gathered for QR and
the singular values: a tall one is factorised part by part and the small triangular factors are factorised once more
(TSQR: Demmel, Grigori, Hoemmen and Langou, 2012), after which what is left is as small as the matrix is narrow.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_gather, use_in_split
from ..contraction import conjugated
from ..diagonals import triu
from ..elementwise import FUNCTIONS
from ..indexing import section
from ..layout import Layout
from ..manipulation import matrix_transpose, resplit
from ..redistribution import move
from .matrices import as_matrices, each, place

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]


class EigResult(NamedTuple):
    eigenvalues: DNDarray
    eigenvectors: DNDarray


class EighResult(NamedTuple):
    eigenvalues: DNDarray
    eigenvectors: DNDarray


class QRResult(NamedTuple):
    Q: DNDarray
    R: DNDarray


class SVDResult(NamedTuple):
    U: DNDarray
    S: DNDarray
    Vh: DNDarray


def adjoint(x: DNDarray) -> DNDarray:
    """The conjugate transpose of each matrix. A view; nothing moves."""
    return conjugated(matrix_transpose(x))


# --- Cholesky and QR --------------------------------------------------------------------------------------------------


def cholesky(a: Any, /, *, upper: bool = False) -> DNDarray:
    """The lower triangular L with L L^H = a (or the upper U with U^H U = a) of positive definite matrices.

    Only that triangle of `a` is looked at; the result is laid out as `a`. Communication: of stacks one redistribution
    if the matrices are split, and one to agree on errors; a single matrix that is split is brought to every process.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is not positive definite.
    """
    return each(as_matrices(a, "cholesky", square=True), lambda t: torch.linalg.cholesky(t, upper=upper), (-2, -1))


def _unique(q: Tensor | None, r: Tensor) -> tuple[Tensor, Tensor]:
    """The factors with a real diagonal of R that is not negative, which makes them unique."""
    diagonal = r.detach().diagonal(dim1=-2, dim2=-1)
    phase = torch.where(diagonal == 0, torch.ones_like(diagonal), diagonal.sgn())
    n = phase.shape[-1]
    r = torch.cat([phase.conj().unsqueeze(-1) * r[..., :n, :], r[..., n:, :]], -2)
    if q is None:
        return r, r
    return torch.cat([q[..., :n] * phase.unsqueeze(-2), q[..., n:]], -1), r


def _householder(t: Tensor) -> tuple[Tensor, Tensor]:
    vectors, factors = torch.geqrf(t)
    return vectors.mT, factors


def _tall_qr(x: DNDarray) -> tuple[DNDarray, DNDarray]:
    """QR of a single matrix that has as many rows as columns or more: Q dealt out along its rows, R on every process.

    Communication: one all-gather of the R of all processes; one redistribution before it if the columns are split.
    """
    m, n = x.shape
    layout = x.layout if 1 not in x.layout.axes else Layout(x.shape, x.comm.grid, 0)
    g = layout.grid_axis(0)
    assert g is not None
    along, counts = x.comm.along(layout.grid, (g,)), layout.counts[g]
    assert counts is not None
    heights = [min(count, n) for count in counts]
    first, triangle = torch.linalg.qr(move(x.larray, x.layout, layout, x.comm))
    second, r = torch.linalg.qr(all_gather(triangle, heights, along))
    second, r = _unique(second, r)
    start = [0, *accumulate(heights)][along.rank]
    q = first @ use_in_split(second, along).narrow(0, start, heights[along.rank])
    return wrap(q, layout, x.comm), wrap(r, Layout((n, n), layout.grid), x.comm)


def _wide_qr(x: DNDarray) -> tuple[DNDarray, DNDarray]:
    """QR of a single matrix that has more columns than rows: Q on every process, R dealt out along its columns.

    Communication: the leading square block is brought to every process; one redistribution if the rows are split.
    """
    m, _ = x.shape
    if 0 in x.layout.axes:
        x = resplit(x, 1, x.comm.grid)
    factor, _ = _unique(*torch.linalg.qr(resplit(section(x, 1, 0, m)).larray))
    q = wrap(factor, Layout((m, m), x.layout.grid), x.comm)
    return q, triu(adjoint(q) @ x)


def _is_dealt_matrix(x: DNDarray) -> bool:
    return x.ndim == 2 and x.layout.is_dealt


def qr(a: Any, mode: str = "reduced") -> Any:
    """The factors Q, with orthonormal columns, and R, upper triangular, of matrices a = Q R.

    R's diagonal is real and not negative, which makes the factors of a matrix of full rank unique: they are the same
    however it is split. (LAPACK, and with it NumPy, leaves the signs to chance.)

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.
    mode : {"reduced", "complete", "r", "raw"}
        With k = min(m, n): Q of shape (..., m, k) and R; Q of shape (..., m, m) and R; only R; LAPACK's Householder
        vectors and their factors.

    Returns
    -------
    QRResult
        A factor of the shape of `a` is laid out as `a`; otherwise Q's rows as those of `a`, R's columns as those of
        `a`.

    Communication: of stacks one redistribution if the matrices are split. Of a single tall matrix split along its rows
    one all-gather of n x n numbers from each process; of a wide one split along its columns one of m x m numbers;
    split otherwise it is redistributed first. "complete" and "raw" bring a single matrix to every process.

    Examples
    --------
    >>> import dndarray as dnd
    >>> q, r = dnd.linalg.qr(dnd.ones((6, 2), split=0))
    >>> q.split, r.split, round(r[0, 0].item() ** 2)
    (0, None, 6)
    """
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"`mode` (={mode!r}) must be 'reduced', 'complete', 'r' or 'raw'")
    x = as_matrices(a, "qr")
    m, n = x.shape[-2:]
    if mode == "raw":
        return each(x, _householder, (-1, -2), (None,))
    of_q, of_r = (-2, -1 if n <= m else None), (-2 if m <= n else None, -1)
    if mode == "r" and not _is_dealt_matrix(x):
        return each(x, lambda t: _unique(None, torch.linalg.qr(t, mode="r").R)[1], of_r)
    if mode == "complete" or not _is_dealt_matrix(x):
        return QRResult(*each(x, lambda t: _unique(*torch.linalg.qr(t, mode=mode)), of_q, of_r))
    q, r = _tall_qr(x) if m >= n else _wide_qr(x)
    r = place(r, x.layout, of_r)
    return r if mode == "r" else QRResult(place(q, x.layout, of_q), r)


# --- singular values --------------------------------------------------------------------------------------------------


def _hermitian_svd(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(matrices)
    order = values.abs().argsort(-1, descending=True)
    values = values.gather(-1, order)
    u = vectors.take_along_dim(order.unsqueeze(-2), -1)
    return u, values.abs(), (u * torch.where(values < 0, -1, 1).to(values.dtype).unsqueeze(-2)).mH


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """The singular value decomposition a = U diag(S) Vh of matrices, largest singular values first.

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.
    full_matrices : bool
        Whether U and Vh are square. Of a tall or wide matrix that is split, False is much cheaper.
    compute_uv : bool
        Whether to compute more than S.
    hermitian : bool
        Whether to take the matrices to be Hermitian, and look at the lower triangle only.

    Returns
    -------
    SVDResult
        U, S and Vh. A factor of the shape of `a` is laid out as `a`; otherwise U's rows as those of `a`, Vh's columns
        as those of `a`. S is on every process, unless the leading axes are split.

    Communication: of stacks one redistribution if the matrices are split, and one to agree on errors. Of a single
    matrix that of `qr`, unless `full_matrices` or `hermitian` bring it to every process.

    Examples
    --------
    >>> import dndarray as dnd
    >>> u, s, vh = dnd.linalg.svd(dnd.ones((6, 2), split=0), full_matrices=False)
    >>> u.split, s.split, round(s[0].item() ** 2)
    (0, None, 12)
    """
    if not compute_uv:
        return svdvals(a) if not hermitian else svd(a, False, True, True).S
    x = as_matrices(a, "svd", square=hermitian)
    m, n = x.shape[-2:]
    if _is_dealt_matrix(x) and not hermitian and (m == n or not full_matrices):
        if m < n:
            v, s, uh = svd(adjoint(x), full_matrices=False)
            return SVDResult(adjoint(uh), s, adjoint(v))
        q, r = _tall_qr(x)
        left, s, vh = each(r, torch.linalg.svd, (None, None), (None,), (None, None))
        u = place(q @ left, x.layout, (-2, -1))
        return SVDResult(u, place(s, x.layout, (None,)), place(vh, x.layout, (-2 if m == n else None, -1)))
    square = full_matrices and m != n
    of_u = (-2, -1 if n <= m and not square else None)
    of_v = (-2 if m <= n and not square else None, -1)
    if hermitian:
        return SVDResult(*each(x, _hermitian_svd, of_u, (None,), of_v))
    return SVDResult(*each(x, lambda t: torch.linalg.svd(t, full_matrices), of_u, (None,), of_v))


def svdvals(x: Any, /) -> DNDarray:
    """The singular values of matrices, largest first. Communication: as `svd` without `full_matrices`."""
    x = as_matrices(x, "svdvals")
    if _is_dealt_matrix(x):
        source = x.layout
        x = _tall_qr(x if x.shape[0] >= x.shape[1] else adjoint(x))[1]
        return place(each(x, torch.linalg.svdvals, (None,)), source, (None,))
    return each(x, torch.linalg.svdvals, (None,))


# --- eigenvalues ------------------------------------------------------------------------------------------------------


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues, smallest first, and eigenvectors (in columns) of Hermitian matrices.

    Only the lower triangle is looked at, or with `UPLO` "U" the upper one. The eigenvectors are laid out as `a`.
    Communication: as `cholesky`.
    """
    return EighResult(*_eigh(a, UPLO, "eigh", torch.linalg.eigh, (None,), (-2, -1)))


def eigvalsh(a: Any, UPLO: str = "L") -> DNDarray:
    """Eigenvalues of Hermitian matrices, smallest first. Communication: as `cholesky`."""
    return _eigh(a, UPLO, "eigvalsh", torch.linalg.eigvalsh, (None,))


def _eigh(a: Any, triangle: str, name: str, fn: Any, *origins: Any) -> Any:
    if triangle.upper() not in ("L", "U"):
        raise ValueError(f"`UPLO` (={triangle!r}) must be 'L' or 'U'")
    return each(as_matrices(a, name, square=True), lambda t: fn(t, UPLO=triangle.upper()), *origins)


def _finite(t: Tensor) -> Tensor:
    if not bool(t.isfinite().all()):
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    return t


def _real_if_so(x: DNDarray, values: DNDarray) -> bool:
    """Whether all eigenvalues of real matrices are real."""
    return not x.dtype.is_complex and bool(FUNCTIONS["all"](FUNCTIONS["equal"](values.imag, 0)))


def eig(a: Any) -> EigResult:
    """Eigenvalues, in any order, and eigenvectors (in columns, of length 1) of matrices.

    Both are complex, unless all eigenvalues of real matrices are real. The eigenvectors are laid out as `a`.
    Communication: as `cholesky`, and one all-reduce to see whether they are real.
    """
    x = as_matrices(a, "eig", square=True)
    values, vectors = each(x, lambda t: torch.linalg.eig(_finite(t)), (None,), (-2, -1))
    return EigResult(values.real, vectors.real) if _real_if_so(x, values) else EigResult(values, vectors)


def eigvals(a: Any) -> DNDarray:
    """Eigenvalues of matrices, in any order: complex, unless those of real matrices all are real.

    Communication: as `eig`.
    """
    x = as_matrices(a, "eigvals", square=True)
    values = each(x, lambda t: torch.linalg.eigvals(_finite(t)), (None,))
    return values.real if _real_if_so(x, values) else values
