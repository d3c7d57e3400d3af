"""Singular values and eigenvalues of matrices.

Stacks are dealt out along their leading axes (see `matrices`), and LAPACK factorises what each process has. A single
matrix that is dealt out stays so (see `condensed`), unless it is no larger than a panel of the algorithms is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..along_axis import take_along_axis
from ..array import DNDarray
from ..collectives import needs_grad
from ..diagonals import eye
from ..elementwise import FUNCTIONS
from .adjoints import Arrays, differentiable
from .condensed import hermitian_eigh, svd_by_qr, tall_svd
from .factorizations import is_tall, tall_qr
from .matrices import (
    adjoint,
    as_matrices,
    check_finite,
    each,
    is_distributed_matrix,
    place,
)

__all__ = ["eig", "eigh", "eigvals", "eigvalsh", "svd", "svdvals"]

SMALL = 128
"""Up to this order a matrix is brought to every process: as much as one panel of a larger one."""


class EigResult(NamedTuple):
    eigenvalues: DNDarray
    eigenvectors: DNDarray


class EighResult(NamedTuple):
    eigenvalues: DNDarray
    eigenvectors: DNDarray


class SVDResult(NamedTuple):
    U: DNDarray
    S: DNDarray
    Vh: DNDarray


# --- singular values --------------------------------------------------------------------------------------------------


def _hermitian_svd(x: DNDarray) -> SVDResult:
    values, vectors = eigh(x)
    order = FUNCTIONS["negative"](FUNCTIONS["abs"](values)).argsort(-1, stable=True)
    values = take_along_axis(values, order, -1)
    signs = FUNCTIONS["where"](FUNCTIONS["less"](values, 0), -1, 1).astype(values.dtype)
    u = take_along_axis(vectors, order[..., None, :], -1)
    return SVDResult(u, FUNCTIONS["abs"](values), adjoint(u * signs[..., None, :]))


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
        Whether to take the matrices to be Hermitian, and look at the lower triangle only (by `eigh`).

    Returns
    -------
    SVDResult
        U, S and Vh. A factor of the shape of `a` is laid out as `a`; otherwise U's rows as those of `a`, Vh's columns
        as those of `a`. S is on every process, unless the leading axes are split.

    Raises
    ------
    LinAlgError
        On every process, if an element is infinite or NaN.

    Communication: of stacks one redistribution if the matrices are split, and one to agree on errors. Of a single
    m x n matrix on p processes, m >= n, one redistribution if its rows are not what is split, and n all-reduces of
    together n^2 words for the singular values, n/64 of together 2 n^2 words for the vectors, and a few more (see
    `condensed`); Vh travels to where it is to be. Where m >= 5/3 n a QR decomposition comes before that, for n x n
    numbers then: of 2 m n words in panels, and four all-to-alls of 2 (m + n) n / p words, or where m >= 2 n p an
    all-gather of n^2 words from each process (TSQR), and nothing after it if n is at most 256. Any other matrix of up
    to 128 rows and columns is brought to every process.

    Cost: 4 m n^2 / p flops on each process for the singular values; 4 m n^2 / p, and up to 5 n^3 / p, for the vectors.
    After a QR decomposition (2 m n^2 + 2 n^3) / p for the singular values.

    Examples
    --------
    >>> import dndarray as dnd
    >>> u, s, vh = dnd.linalg.svd(dnd.ones((6, 2), split=0), full_matrices=False)
    >>> u.split, s.split, round(s[0].item() ** 2)
    (0, None, 12)
    """
    if hermitian:
        result = _hermitian_svd(as_matrices(a, "svd", square=True))
        return result if compute_uv else result.S
    if not compute_uv:
        return svdvals(a)
    x = as_matrices(a, "svd")
    m, n = x.shape[-2:]
    square = full_matrices and m != n
    of_u = (-2, -1 if n <= m and not square else None)
    of_v = (-2 if m <= n and not square else None, -1)
    if not _is_blocked(x, full_matrices):
        return SVDResult(*each(x, lambda t: torch.linalg.svd(t, full_matrices), of_u, (None,), of_v))
    s, u, v = _tall(x if m >= n else adjoint(x), square)
    if m < n:
        u, v = v, u
    return SVDResult(place(u, x.layout, of_u), place(s, x.layout, (None,)), place(adjoint(v), x.layout, of_v))


def svdvals(x: Any, /) -> DNDarray:
    """The singular values of matrices, largest first. Communication: as `svd` without `full_matrices`, or less."""
    x = as_matrices(x, "svdvals")
    if not _is_blocked(x, False):
        return each(x, torch.linalg.svdvals, (None,))
    tall = x if x.shape[0] >= x.shape[1] else adjoint(x)
    if needs_grad(x.larray):
        s = _tall(tall, False)[0]
    else:
        s = _tall_svd(tall, False, False)[0]
    return place(s, x.layout, (None,))


def _is_blocked(x: DNDarray, full: bool) -> bool:
    """Whether a matrix stays dealt out: not if it is small, unless a triangle is all that has to travel."""
    if not is_distributed_matrix(x) or 0 in x.shape:
        return False
    m, n = max(x.shape), min(x.shape)
    return m > SMALL or (not full and is_tall(m, n, x.comm.size))


def _tall(x: DNDarray, full: bool) -> tuple[DNDarray, ...]:
    """S, U and V, with gradients, of a matrix with at least as many rows as columns."""
    return differentiable(lambda x: _tall_svd(x, full, True), _svd_gradient)(x)


def _tall_svd(x: DNDarray, full: bool, vectors: bool) -> tuple[DNDarray, ...]:
    m, n = x.shape
    if full or 3 * m < 5 * n:
        return tall_svd(x, full, vectors)
    if not is_tall(m, n, x.comm.size):
        return svd_by_qr(x, vectors)
    q, r = tall_qr(x)
    if n > 2 * SMALL:
        s, *factors = tall_svd(r, False, vectors)
        return (s, q @ factors[0], factors[1]) if vectors else (s,)
    if not vectors:
        return (each(r, lambda t: torch.linalg.svdvals(check_finite(t)), (None,)),)
    u, s, vh = each(r, lambda t: torch.linalg.svd(check_finite(t)), (None, None), (None,), (None, None))
    return s, q @ u, adjoint(vh)


def _skew(x: DNDarray) -> DNDarray:
    return x - adjoint(x)


def _svd_gradient(given: Arrays, found: Arrays, grads: Arrays) -> list[DNDarray | None]:
    """What reaches the columns of U beyond those of V is not looked at: they could be others."""
    s, u, v = found
    of_s, of_u, of_v = grads
    n = len(s)
    u, of_u = u[:, :n], of_u[:, :n]
    ones = eye(n, dtype=s.dtype, comm=s.comm, device=s.device)
    gaps = (s - s[:, None]) * (s + s[:, None]) + ones
    left, right = _skew(adjoint(u) @ of_u), _skew(adjoint(v) @ of_v)
    middle = left / gaps * s + s[:, None] * (right / gaps) + ones * of_s
    if u.dtype.is_complex:
        middle = middle + ones * (left / (2 * s))
    rest = (of_u - u @ (adjoint(u) @ of_u)) / s
    result = (u @ middle + rest) @ adjoint(v)
    return [result + (u / s) @ adjoint(of_v - v @ (adjoint(v) @ of_v))]


# --- eigenvalues ------------------------------------------------------------------------------------------------------


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues, smallest first, and eigenvectors (in columns) of Hermitian matrices.

    Only the lower triangle is looked at, or with `UPLO` "U" the upper one. The eigenvectors are laid out as `a`.

    Raises
    ------
    LinAlgError
        On every process, if an element is infinite or NaN.

    Communication: of stacks one redistribution if the matrices are split, and one to agree on errors. Of a single
    matrix of order n two redistributions at most, n + n/32 all-gathers and n/128 all-reduces of together 2 n^2 words,
    and n/30 short broadcasts (see `condensed`). Up to order 128 it is brought to every process.

    Cost: 16/3 n^3 / p flops on each of p processes, 2 n^3 / p of them for the eigenvalues.

    Examples
    --------
    >>> import dndarray as dnd
    >>> w, v = dnd.linalg.eigh(dnd.ones((3, 3), split=0))
    >>> v.split, round(w[2].item(), 3)
    (0, 3.0)
    """
    x, upper = _hermitian(a, UPLO, "eigh")
    if not is_distributed_matrix(x) or len(x) <= SMALL:
        return EighResult(*each(x, lambda t: torch.linalg.eigh(_seen(t, upper), "UL"[not upper]), (None,), (-2, -1)))
    w, v = differentiable(lambda x: hermitian_eigh(x, upper, True), _eigh_gradient)(x)
    return EighResult(place(w, x.layout, (None,)), place(v, x.layout, (-2, -1)))


def eigvalsh(a: Any, UPLO: str = "L") -> DNDarray:
    """Eigenvalues of Hermitian matrices, smallest first. Communication: as `eigh`, or less."""
    x, upper = _hermitian(a, UPLO, "eigvalsh")
    if not is_distributed_matrix(x) or len(x) <= SMALL:
        return each(x, lambda t: torch.linalg.eigvalsh(_seen(t, upper), "UL"[not upper]), (None,))
    if needs_grad(x.larray):
        return eigh(x, UPLO).eigenvalues
    return place(hermitian_eigh(x, upper, False)[0], x.layout, (None,))


def _hermitian(a: Any, triangle: str, name: str) -> tuple[DNDarray, bool]:
    if triangle.upper() not in ("L", "U"):
        raise ValueError(f"`UPLO` (={triangle!r}) must be 'L' or 'U'")
    return as_matrices(a, name, square=True), triangle.upper() == "U"


def _seen(t: Tensor, upper: bool) -> Tensor:
    """The matrices, if the triangle that is looked at is finite: of others LAPACK makes numbers."""
    check_finite(t.detach().triu() if upper else t.detach().tril())
    return t


def _eigh_gradient(given: Arrays, found: Arrays, grads: Arrays) -> list[DNDarray | None]:
    w, v = found
    of_w, of_v = grads
    ones = eye(len(w), dtype=w.dtype, comm=w.comm, device=w.device)
    middle = (adjoint(v) @ of_v) * (1 - ones) / (w - w[:, None] + ones)
    return [v @ ((middle + adjoint(middle)) / 2 + ones * of_w) @ adjoint(v)]


def _real_if_so(x: DNDarray, values: DNDarray) -> bool:
    """Whether all eigenvalues of real matrices are real."""
    return not x.dtype.is_complex and bool(FUNCTIONS["all"](FUNCTIONS["equal"](values.imag, 0)))


def eig(a: Any) -> EigResult:
    """Eigenvalues, in any order, and eigenvectors (in columns, of length 1) of matrices.

    Both are complex, unless all eigenvalues of real matrices are real. The eigenvectors are laid out as `a`.

    Communication: of stacks one redistribution if the matrices are split, one to agree on errors, and one all-reduce to
    see whether they are real. A single matrix that is split is brought to every process: the QR algorithm chases one
    small bulge after another along the diagonal, and no method is known that deals that out in less than thousands of
    lines. Memory is that of a few such matrices on each process.
    """
    x = as_matrices(a, "eig", square=True)
    values, vectors = each(x, lambda t: torch.linalg.eig(check_finite(t)), (None,), (-2, -1))
    return EigResult(values.real, vectors.real) if _real_if_so(x, values) else EigResult(values, vectors)


def eigvals(a: Any) -> DNDarray:
    """Eigenvalues of matrices, in any order: complex, unless those of real matrices all are real.

    Communication: as `eig`.
    """
    x = as_matrices(a, "eigvals", square=True)
    values = each(x, lambda t: torch.linalg.eigvals(check_finite(t)), (None,))
    return values.real if _real_if_so(x, values) else values
