"""A few eigenvalues or singular values of a large matrix, by iterations that need its products with vectors only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..diagonals import eye
from ..types import finfo, real_of
from .elimination import lu_factor, lu_solve
from .krylov_bases import Basis, as_replicated, begin, space_of
from .matrices import adjoint
from .operators import Combined, LinearOperator, MatrixOperator, aslinearoperator, identity
from .symmetric_krylov import minres

__all__ = ["eigsh", "svds"]

_ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LM": lambda v: -np.abs(v),
    "SM": np.abs,
    "LA": np.negative,
    "SA": np.asarray,
}
"""By what the eigenvalues are ordered of which the first ones are wanted."""


def _wanted(values: np.ndarray, which: str, k: int) -> np.ndarray:
    """The places of the k eigenvalues that are wanted most, the first ones first; of BE from both ends in turn."""
    if which != "BE":
        return np.argsort(_ORDERS[which](values), kind="stable")[:k]
    order = np.argsort(values, kind="stable")
    return np.stack([order[::-1], order], 1).ravel()[:k] if len(order) >= k else order


def eigsh(
    A: Any,
    k: int = 6,
    *,
    M: Any = None,
    sigma: float | None = None,
    which: str = "LM",
    v0: Any = None,
    ncv: int | None = None,
    maxiter: int | None = None,
    tol: float = 0.0,
    return_eigenvectors: bool = True,
    Minv: Any = None,
    OPinv: Any = None,
) -> Any:
    """k eigenvalues of a Hermitian matrix, and their eigenvectors, by Lanczos's method with thick restarts.

    With M those of the generalised problem A x = w M x.

    Parameters
    ----------
    A : DNDarray, SparseArray or LinearOperator, of shape (n, n)
        Hermitian; not checked.
    k : int
        How many, up to n.
    M : optional
        As A; Hermitian positive definite, or semidefinite if sigma is given. The identity by default.
    sigma : float, optional
        Find those near sigma: of the inverse of A - sigma M times M, to whose eigenvalues `which` then refers.
    which : {"LM", "SM", "LA", "SA", "BE"}
        The largest or smallest in magnitude, the algebraically largest or smallest, or half from both ends. Where the
        smallest lie inside the spectrum, "SM" is slow and may pass one over; `sigma=0` is not and does not.
    v0 : array_like of shape (n,), optional
        Where to begin; random, and the same for any number of processes, by default.
    ncv : int, optional
        How many vectors to keep, more than k: the larger of 2 k + 1 and 20 by default.
    maxiter : int, optional
        The most restarts; 10 n by default.
    tol : float
        The residual's norm, relative to the eigenvalue, with which one has converged; never less than rounding errors,
        relative to the largest eigenvalue.
    Minv, OPinv : optional
        The inverse of M (used without sigma) or of A - sigma M: an operator, a matrix or a function. By default a
        sparse matrix is factorised on one process (`dnd.sparse.linalg.splu`), a dense one where it lies (`lu_factor`),
        and with others, or A sparse and M dense, each product is a solution by `minres`.

    Returns
    -------
    w : DNDarray of shape (k,)
        In ascending order, on every process.
    v : DNDarray of shape (n, k)
        Orthonormal columns (in the inner product of M), rows dealt out as those of A. Not with `return_eigenvectors`
        False.

    Memory: ncv + 1 vectors, and k + (ncv - k) / 2 more at restarts. Cost: for each restart about (ncv - k) / 2 products
    with A and 3 ncv^2 n / p multiplications and additions. Communication: that of A, and two all-reduces of up to
    ncv + 1 numbers a product. (With M each product is one with A and an inverse, or an inverse and M, and two with M.)
    Without convergence a RuntimeWarning, on every process, and the best approximations. Source: Wu and Simon (2000).

    Raises
    ------
    LinAlgError
        On every process, where A or M has NaN or infinite elements, where M is not positive definite, and where what is
        inverted is singular.

    Examples
    --------
    >>> import dndarray as dnd
    >>> w, v = dnd.linalg.eigsh(dnd.diag(dnd.arange(1.0, 31.0, split=0)), k=2, which="LA")
    >>> [round(x, 6) for x in w.tolist()], v.shape
    ([29.0, 30.0], (30, 2))
    """
    operator = aslinearoperator(A)
    n = operator.shape[0]
    if which not in (*_ORDERS, "BE"):
        raise ValueError(f"`which` (={which!r}) must be one of {[*_ORDERS, 'BE']}")
    m = None if M is None else aslinearoperator(M)
    if m is not None and m.shape != operator.shape:
        raise ValueError(f"`M` must have the shape of A, {operator.shape}, not {m.shape}")
    if sigma is not None:
        inverse = _inverse(_shifted(operator, m, sigma), OPinv, operator)
        operator = inverse if m is None else inverse @ m
    elif m is not None:
        operator = _inverse(m, Minv, operator) @ operator
    space, start = space_of(operator, v0, "eigsh")
    if not 1 <= k <= n:
        raise ValueError(f"`k` (={k}) must be from 1 to the number of rows, {n}")
    ncv = min(n, max(2 * k + 1, 20)) if ncv is None else ncv
    if not (k < ncv <= n or k == ncv == n):
        raise ValueError(f"`ncv` (={ncv}) must be more than k (={k}) and at most the number of rows, {n}")

    def product(a: LinearOperator, v: Tensor) -> Tensor:
        return space.local(a.matvec(space.array(v)))

    with torch.no_grad():
        weigh = None if m is None else partial(product, m)
        first = start if m is None or sigma is None else product(operator, start)  # without what M takes to zero
        values, vectors = _thick_restarts(operator, begin(space, first, ncv, weigh), k, which, tol, maxiter or 10 * n)
        if first is not start:  # rounding errors that M takes to zero have grown, but not in the product
            weights = torch.from_numpy(1 / values).to(space.device, space.dtype)
            vectors = space.local(operator.matmat(space.array(vectors))) * weights[:, None]
    if sigma is not None:
        values = sigma + 1 / values
    order = np.argsort(values, kind="stable")
    vectors = space.turned(vectors, start)
    w = as_replicated(torch.from_numpy(values[order]).to(real_of(space.dtype)), space)
    return (w, space.array(vectors[torch.from_numpy(order)])) if return_eigenvectors else w


def _thick_restarts(
    operator: LinearOperator, basis: Basis, k: int, which: str, tol: float, restarts: int
) -> tuple[np.ndarray, Tensor]:
    """The wanted eigenvalues, and eigenvectors in rows."""
    space, ncv = basis.space, len(basis.rows) - 1
    eps = finfo(space.dtype).eps
    projected = np.zeros((ncv, ncv), dtype=np.complex128 if space.dtype.is_complex else np.float64)
    done = 0  # of the rows of the projected matrix
    for restart in range(restarts):
        beta = 0.0
        for j in range(done, ncv):
            *column, beta = basis.extend(space.local(operator.matvec(space.array(basis.rows[j]))))
            projected[: j + 1, j] = column[: j + 1]
            projected[j, : j + 1] = np.conj(projected[: j + 1, j])
            projected[j, j] = projected[j, j].real
            if basis.complete and j + 1 < ncv:  # an invariant subspace: look for more outside
                basis.renew()
        values, y = np.linalg.eigh(projected)
        order = _wanted(values, which, ncv)
        residuals = np.abs(beta * y[-1, order])
        converged = residuals[:k] <= np.maximum(tol * np.abs(values[order[:k]]), eps * np.abs(values).max())
        if converged.all() or basis.complete or restart == restarts - 1:
            break
        # Keep some more than are wanted, all the more as these converge.
        keep = min(k + max((ncv - k) // 2, int(converged.sum()) // 2), ncv - 1)
        chosen = order[:keep]
        basis.restart(y[:, chosen])
        projected[:] = np.diag(np.pad(values[chosen], (0, ncv - keep)))
        done = keep
    if not (converged.all() or basis.complete):
        warnings.warn(
            f"{converged.sum()} of {k} eigenvalues have converged in {restarts} restarts; increase `maxiter` or `ncv`",
            RuntimeWarning,
            stacklevel=3,
        )
    first = torch.from_numpy(np.ascontiguousarray(y[:, order[:k]].T)).to(space.device, space.dtype)
    return values[order[:k]], first @ basis.rows[:ncv]


def _shifted(a: LinearOperator, m: LinearOperator | None, sigma: float) -> LinearOperator:
    """A - sigma M: a matrix if both are, dense or sparse ones."""
    if not isinstance(a, MatrixOperator) or not (m is None or isinstance(m, MatrixOperator)):
        return a - (identity(a.shape[0]) if m is None else m) * sigma
    first = a.matrix
    if m is None:
        place = {"dtype": first.dtype, "comm": first.comm, "device": first.device}
        if not isinstance(first, DNDarray):
            from ..sparse.gallery import eye_array

            return aslinearoperator(first - eye_array(a.shape[0], split=first.split, **place) * sigma)
        return aslinearoperator(
            first - sigma * eye(a.shape[0], split=first.layout.axes, grid=first.layout.grid, **place)
        )
    if isinstance(first, DNDarray) is isinstance(m.matrix, DNDarray):
        return aslinearoperator(first - sigma * m.matrix)
    return a - m * sigma


def _inverse(a: LinearOperator, given: Any, like: LinearOperator) -> LinearOperator:
    """The inverse of `a`, which may be given, on vectors that lie as those of `like`."""
    n = a.shape[0]
    layouts = like.range_layout, like.domain_layout
    if callable(given) and not hasattr(given, "shape"):
        return Combined((like,), *layouts, (n, n), given, None, None, a.dtype)
    if given is not None:
        return aslinearoperator(given)
    if isinstance(a, MatrixOperator) and not isinstance(a.matrix, DNDarray):
        from ..sparse.direct import inverse

        return inverse(a.matrix)
    if isinstance(a, MatrixOperator):
        factors = lu_factor(a.matrix)

        def substitute(x: DNDarray) -> DNDarray:
            return lu_solve(factors, x)

        return Combined((like,), *layouts, (n, n), substitute, substitute, substitute, a.dtype)

    def solve(x: DNDarray) -> DNDarray:
        solution = minres(a, x, rtol=finfo(x.dtype).eps * 10, maxiter=20 * n)
        if not solution.converged and solution.residuals[-1] > 1e-8 * solution.residuals[0]:
            raise LinAlgError("the matrix to be inverted is singular, or too nearly so for minres: give its inverse")
        return solution.x

    return Combined((like,), *layouts, (n, n), solve, solve, None, a.dtype)


def svds(
    A: Any,
    k: int = 6,
    *,
    ncv: int | None = None,
    tol: float = 0.0,
    which: str = "LM",
    v0: Any = None,
    maxiter: int | None = None,
    return_singular_vectors: bool = True,
) -> Any:
    """The k largest singular values of a matrix, or the smallest, and their vectors.

    Parameters
    ----------
    A : DNDarray, SparseArray or LinearOperator (with `rmatvec`), of shape (m, n)
    k : int
        How many, up to min(m, n).
    which : {"LM", "SM"}
        The largest or the smallest.
    ncv, tol, v0, maxiter
        As in `eigsh`, of A^H A or A A^H, whichever has fewer rows.

    Returns
    -------
    u, s, vh : DNDarray of shapes (m, k), (k,), (k, n)
        Singular values in descending order, as in `svd`; only `s` with `return_singular_vectors` False.

    The space that `eigsh` finds is multiplied by A and decomposed, so that small singular values lose no digits to the
    square. Communication: that of `eigsh` with two products a step, of k products and of `svd` of an (m, k) matrix.
    """
    from . import svd

    operator = aslinearoperator(A)
    m, n = operator.shape
    if which not in ("LM", "SM"):
        raise ValueError(f"`which` (={which!r}) must be 'LM' or 'SM'")
    if not 1 <= k <= min(m, n):
        raise ValueError(f"`k` (={k}) must be from 1 to the smaller side of the matrix, {min(m, n)}")
    if m < n:
        options = {"ncv": ncv, "tol": tol, "which": which, "v0": v0, "maxiter": maxiter}
        found = svds(operator.H, k, **options, return_singular_vectors=return_singular_vectors)
        return (adjoint(found[2]), found[1], adjoint(found[0])) if return_singular_vectors else found
    normal = operator.H @ operator
    order = {"LM": "LA", "SM": "SA"}[which]
    _, v = eigsh(normal, k, which=order, v0=v0, ncv=ncv, maxiter=maxiter, tol=tol)
    u, s, wh = svd(operator.matmat(v), full_matrices=False)
    return (u, s, wh @ adjoint(v)) if return_singular_vectors else s
