"""LOBPCG: eigenvalues by a preconditioned iteration on a block of vectors."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..elementwise import as_operand
from ..types import finfo, promote_types, real_of
from .iteration import preconditioner
from .krylov_bases import as_replicated
from .matrices import inexact
from .operators import LinearOperator, aslinearoperator
from .vectors import Space

__all__ = ["lobpcg"]


class _Block:
    """Vectors in rows, and with them their products with A and B, which all linear combinations share."""

    def __init__(self, v: Tensor, av: Tensor, bv: Tensor) -> None:
        self.v, self.av, self.bv = v, av, bv

    def __len__(self) -> int:
        return len(self.v)

    def combined(self, weights: Tensor) -> _Block:
        """The combinations whose weights are the columns."""
        w = weights.T.to(self.v.dtype)
        bv = w @ self.bv if self.bv is not self.v else None
        v = w @ self.v
        return _Block(v, w @ self.av, v if bv is None else bv)

    def with_(self, other: _Block) -> _Block:
        v = torch.cat([self.v, other.v])
        return _Block(v, torch.cat([self.av, other.av]), v if self.bv is self.v else torch.cat([self.bv, other.bv]))


class _Problem:
    """A x = lambda B x on the vectors of a space."""

    def __init__(self, space: Space, a: LinearOperator, b: LinearOperator | None, m: LinearOperator | None) -> None:
        self.space, self.a, self.b, self.m = space, a, b, m
        self.eps = finfo(space.dtype).eps

    def times(self, operator: LinearOperator | None, v: Tensor) -> Tensor:
        return v if operator is None else self.space.local(operator.matmat(self.space.array(v)))

    def orthonormal(self, v: Tensor, *against: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """An orthonormal basis, in the inner product of B, of what the rows of `v` add to (basis, B basis) pairs.

        Twice Gram-Schmidt and the singular values of what is left: three or four all-reduces.
        """
        for _ in range(2):
            for basis, b_basis in against:
                v = v - self.space.gram(b_basis, v).T @ basis
            bv = self.times(self.b, v)
            gram = self.space.gram(v, bv)
            size = gram.diagonal().real.clamp(min=0).sqrt()
            size = torch.where(size > 0, size, 1)
            values, vectors = torch.linalg.eigh(gram / size[:, None] / size)
            if not torch.isfinite(values).all():
                raise LinAlgError("A, B, M or X contains NaN or infinite numbers, or their product overflows")
            if self.b is not None and len(values) and values[0] < -1e3 * self.eps * values[-1].abs():
                raise LinAlgError("B is not positive definite")
            keep = values > len(values) * self.eps * values[-1:]
            weights = (vectors[:, keep] / values[keep].sqrt() / size[:, None]).T.to(v.dtype)
            v = weights @ v
            bv = v if self.b is None else weights @ bv
        return v, bv


def lobpcg(
    A: Any,
    X: Any,
    B: Any = None,
    M: Any = None,
    Y: Any = None,
    tol: float | None = None,
    maxiter: int | None = None,
    largest: bool = True,
) -> tuple[DNDarray, DNDarray]:
    """The largest or smallest eigenvalues of A x = lambda B x and their vectors (Knyazev, 2001).

    Parameters
    ----------
    A : DNDarray, SparseArray or LinearOperator, of shape (n, n)
        Hermitian; not checked.
    X : array_like of shape (n, k)
        Approximations to the k eigenvectors, random ones if nothing is known; k is at most n / 3.
    B : optional
        As A; Hermitian positive definite. The identity by default.
    M : optional
        The preconditioner, as in `cg`: an approximation to the inverse of A.
    Y : array_like of shape (n, l), optional
        Look for eigenvectors orthogonal to these, in the inner product of B.
    tol : float, optional
        The norm of A x - lambda B x, of unit x, with which a vector has converged: n times the square root of the
        spacing of numbers at 1 by default.
    maxiter : int, optional
        The most iterations; 20 by default.
    largest : bool
        Which end of the spectrum.

    Returns
    -------
    w : DNDarray of shape (k,)
        In descending order, if `largest`, on every process.
    v : DNDarray of shape (n, k)
        Rows dealt out as those of A.

    Each iteration is a Rayleigh-Ritz projection on the approximations, the preconditioned residuals of those that have
    not converged, and the last changes. All bases are orthonormalised, and the changes in terms of them, which is
    stable (Hetmaniuk and Lehoucq, 2006). Cost: products of k vectors with A, B and M, and some 50 k^2 n / p
    multiplications and additions an iteration. Communication: that of A, B and M, and six all-reduces of up to 9 k^2
    numbers an iteration (two more with Y). Without convergence a RuntimeWarning, on every process.

    Raises
    ------
    LinAlgError
        On every process: NaN or infinite elements, a B that is not positive definite, an X of dependent columns.
    """
    a, b = aslinearoperator(A), None if B is None else aslinearoperator(B)
    n = a.shape[0]
    x = as_operand(X, *a.place)
    if a.shape != (n, n) or (b is not None and b.shape != (n, n)):
        raise LinAlgError(f"lobpcg takes square matrices of one size, not of shapes {[o.shape for o in (a, b) if o]}")
    if x.ndim != 2 or x.shape[0] != n or not 1 <= 3 * x.shape[1] <= max(n, 3):
        raise ValueError(f"`X` must have shape ({n}, k) with k from 1 to n / 3, not {x.shape}")
    m = preconditioner(M, A, n)
    constraint = None if Y is None else as_operand(Y, x.comm, x.device)
    dtype = inexact(x.dtype, "lobpcg")
    for other in (a, b, m, constraint):
        dtype = dtype if other is None or other.dtype is None else promote_types(dtype, other.dtype)
    vector = x[:, 0]
    space = Space(a.range_layout(vector), dtype, x.device, x.comm)
    tol = n * finfo(dtype).eps ** 0.5 if tol is None else tol
    with torch.no_grad():
        problem = _Problem(space, a, b, m)
        fixed = () if constraint is None else (problem.orthonormal(space.local(constraint)),)
        start = space.local(x)
        values, vectors = _iterate(problem, start, fixed, tol, 20 if maxiter is None else maxiter, largest)
        vectors = space.turned(vectors, start.sum(0))
    return as_replicated(values.to(real_of(dtype)), space), space.array(vectors)


def _iterate(
    p: _Problem, start: Tensor, fixed: tuple[tuple[Tensor, Tensor], ...], tol: float, maxiter: int, largest: bool
) -> tuple[Tensor, Tensor]:
    v, bv = p.orthonormal(start, *fixed)
    k = len(start)
    if len(v) < k:
        raise LinAlgError(f"the {k} columns of X span {len(v)} dimensions only (beside those of Y)")
    x = _Block(v, p.times(p.a, v), bv)
    values, weights = _ritz(p, x, k, largest)
    x, changes = x.combined(weights), None
    for iteration in range(maxiter + 1):
        residuals = x.av - values[:, None].to(v.dtype) * x.bv
        for y, by in fixed:
            residuals = residuals - p.space.gram(y, residuals).T @ by
        squares = p.space.total((residuals.abs() ** 2).sum(1))
        active = squares.sqrt() > tol
        if not active.any():
            break
        if iteration == maxiter:
            warnings.warn(
                f"{int(active.sum())} of {k} residuals are above {tol:.2g} after {maxiter} iterations",
                RuntimeWarning,
                stacklevel=4,
            )
            break
        basis = x if changes is None else x.with_(changes)
        w, bw = p.orthonormal(p.times(p.m, residuals[active]), *fixed, (basis.v, basis.bv))
        basis = basis.with_(_Block(w, p.times(p.a, w), bw))
        values, weights = _ritz(p, basis, k, largest)
        # What the new vectors have outside of the old ones, orthonormal to them: the basis is orthonormal, and so it is
        # enough that the weights are.
        outside = weights.clone()
        outside[:k] = 0
        outside = outside - weights @ (weights.mH @ outside)
        q, sizes, _ = torch.linalg.svd(outside, full_matrices=False)
        q = q[:, sizes > p.eps**0.5]
        q = torch.linalg.qr(q - weights @ (weights.mH @ q))[0]
        x, changes = basis.combined(weights), basis.combined(q) if q.shape[1] else None
    return values, x.v


def _ritz(p: _Problem, block: _Block, k: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The k extreme eigenvalues of A in an orthonormal basis, the most extreme first, and the vectors' weights."""
    projected = p.space.gram(block.v, block.av)
    if not torch.isfinite(torch.view_as_real(projected) if projected.is_complex() else projected).all():
        raise LinAlgError("A contains NaN or infinite numbers, or a product overflows")
    values, vectors = torch.linalg.eigh((projected + projected.mH) / 2)
    if largest:
        values, vectors = values.flip(0), vectors.flip(1)
    return values[:k], vectors[:, :k]
