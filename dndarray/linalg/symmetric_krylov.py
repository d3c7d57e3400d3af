"""Krylov methods for Hermitian matrices: conjugate gradients and minimal residuals.

What every solver takes and gives back is told in `cg`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .iteration import Breakdown, Solution, System, iterate, preconditioner, ratio
from .lockstep import Steps
from .operators import aslinearoperator, identity

__all__ = ["cg", "fcg", "minres"]


def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """Solve A x = b by conjugate gradients, for a Hermitian positive definite A.

    Parameters
    ----------
    A : DNDarray, SparseArray, LinearOperator or array_like, of shape (n, n)
    b : array_like of shape (n,) or (n, k)
        Columns are solved for at once, each as if it were alone. They share all-reduces, and short ones, of up to 2^15
        elements on a process, meet A and M together. Who has converged is done. Memory is that of each.
    x0 : array_like, optional
        Where to start; at zero by default.
    rtol, atol : float
        The iteration ends when the norm of the residual, b - A x, is at most max(rtol * norm(b), atol).
    maxiter : int, optional
        The most iterations; ten times n by default.
    M : optional
        The preconditioner, an approximation to the inverse of A: an operator or a matrix, a function on vectors, or
        "jacobi", "bjacobi", "ilu0", "ic0", "sor", "schwarz", "amg", "chebyshev" (see `dnd.sparse.linalg`); Hermitian
        positive definite, too.
    callback : callable, optional
        Called after every iteration (of each column) with the current x, which is not to be changed.

    Returns
    -------
    (x, info) : Solution
        x is laid out as `b`. info is 0, or the number of iterations if they did not converge: x is then the last
        approximation. The pair has attributes, too: `iterations`, `residuals`, `converged`, `message`, of several
        columns those of the worst, and `infos`, of all of them.

    Vectors are kept as the rows of A are dealt out. Differentiable with respect to `b` and to what A is made of, be it
    the elements of a dense or a sparse matrix or what a function uses: the adjoint system is solved by the same method,
    and as exactly. (That takes a product more, where it is recorded.) Cost: a product with A and one with M, and
    7 n / p multiplications and additions an iteration. Communication: that of A and M, and one all-reduce of three
    numbers an iteration, for the recurrences are those of Chronopoulos and Gear (1989), with the residual's norm.

    Raises
    ------
    LinAlgError
        On every process, where A or b has NaN or infinite elements.

    Examples
    --------
    >>> import dndarray as dnd
    >>> A = dnd.array([[4.0, 1.0], [1.0, 3.0]], split=0)
    >>> x, info = dnd.linalg.cg(A, dnd.array([6.0, 7.0], split=0), rtol=1e-12)
    >>> [round(v, 6) for v in x.tolist()], info
    ([1.0, 2.0], 0)
    """
    return iterate(_cg, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback, hermitian=True)


def _cg(s: System) -> Steps[None]:
    r = yield from s.start()
    if not s:
        return
    p, q = s.space.zeros(), s.space.zeros()  # the search direction and its product with A
    last, alpha = math.inf, 1.0
    u = yield from s.precondition(r)
    w = yield from s.product(u)
    rho, delta = (v.real for v in (yield from s.inner((r, u), (u, w))))
    while True:
        beta = rho / last
        alpha = ratio(rho, delta - beta * rho / alpha, "the curvature along the search direction")
        torch.add(u, p, alpha=beta, out=p)
        torch.add(w, q, alpha=beta, out=q)
        s.x.add_(p, alpha=alpha)
        r.add_(q, alpha=-alpha)
        last = rho
        u = yield from s.precondition(r)
        w = yield from s.product(u)
        rho, delta, square = (v.real for v in (yield from s.inner((r, u), (u, w), (r, r))))
        if s.done(square):
            return
        if last == 0:
            raise Breakdown("the product of the residual with M became zero")


def fcg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """Solve A x = b by flexible conjugate gradients (Notay, 2000), whose M may change from iteration to iteration.

    As `cg`, for a positive definite A and a preconditioner that is itself an iteration, or not quite Hermitian.
    Communication: that of A and M, and two all-reduces an iteration.
    """
    return iterate(_fcg, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback, hermitian=True)


def _fcg(s: System) -> Steps[None]:
    r = yield from s.start()
    if not s:
        return
    z = yield from s.precondition(r)
    p = z.clone()
    while True:
        q = yield from s.product(p)
        rho, curvature = yield from s.inner((p, r), (p, q))
        alpha = ratio(rho, curvature.real, "the curvature along the search direction")
        s.x.add_(p, alpha=alpha)
        r.add_(q, alpha=-alpha)
        z = yield from s.precondition(r)
        across, square = yield from s.inner((q, z), (r, r))
        if s.done(square):
            return
        p.mul_(-across / curvature.real).add_(z)  # conjugate to the direction before, whatever z is


def minres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    shift: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """Solve A x = b by minimal residuals (Paige and Saunders, 1975), for a Hermitian A that may be indefinite.

    As `cg`; the system solved is (A - shift I) x = b. M must be positive definite. Each iteration minimises the
    residual in the norm of M; when to stop is decided by the Euclidean norm, as in all solvers. Communication: that of
    A and M, and one all-reduce of five numbers an iteration.
    """
    if shift:
        operator = aslinearoperator(A)
        n = operator.shape[0]
        A, M = operator - identity(n) * shift, preconditioner(M, A, n)
    return iterate(_minres, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback, hermitian=True)


def _minres(s: System) -> Steps[None]:
    r = yield from s.start()
    if not s:
        return
    # Lanczos vectors, orthogonal in the inner product of M, are v / beta; (z, w) are (M v, A M v).
    before, v, last = s.space.zeros(), r.clone(), math.inf
    z, w, beta, alpha, square_v, across = yield from _lanczos_step(s, v, before, last, r)
    older, old = s.space.zeros(), s.space.zeros()  # the last two directions in which x was changed
    cosine, sine, delta_bar, epsilon, phi_bar, square = -1.0, 0.0, 0.0, 0.0, beta, s.residuals[0] ** 2
    while True:
        direction, scale = z, ratio(1, beta, "the product of the residual with M")
        before, v = v, (w / beta).add_(v, alpha=-alpha / beta).add_(before, alpha=-beta / last)
        last = beta
        z, w, beta, alpha_next, square_v, across = yield from _lanczos_step(s, v, before, last, r)
        # The next column of the tridiagonal matrix, rotated as those before, and a rotation more.
        delta, gamma_bar, epsilon_here = cosine * delta_bar + sine * alpha, sine * delta_bar - cosine * alpha, epsilon
        epsilon, delta_bar = sine * beta, -cosine * beta
        gamma = math.hypot(gamma_bar, beta)
        cosine, sine = ratio(gamma_bar, gamma, "the projected matrix"), beta / gamma
        older.mul_(-epsilon_here).add_(old, alpha=-delta).add_(direction, alpha=scale).div_(gamma)
        older, old = old, older
        s.x.add_(old, alpha=cosine * phi_bar)
        phi_bar *= sine
        # The residual is sine^2 times the one before and a multiple of the new Lanczos vector.
        new = -cosine * phi_bar / beta if beta else 0.0
        r.mul_(sine**2).add_(v, alpha=new)
        square = sine**4 * square + 2 * sine**2 * new * across + new**2 * square_v
        if s.done(square):
            return
        if beta == 0:
            raise Breakdown("the vectors A^k b span no more dimensions, and the residual is not in them")
        alpha = alpha_next


def _lanczos_step(
    s: System, v: Tensor, before: Tensor, last: float, r: Tensor
) -> Steps[tuple[Tensor, Tensor, float, float, float, float]]:
    """M v and A M v with the numbers that come of them: the norm of v by M, the Rayleigh quotient of M v, ...

    The quotient is that of A M v without the vector before, which is orthogonal to v only to rounding: so the next
    vector is orthogonal to v whatever that was (Paige, 1972).
    """
    z = yield from s.precondition(v)
    w = yield from s.product(z)
    numbers = yield from s.inner((v, z), (z, w), (v, v), (r, v), (before, z))
    square, curvature, square_v, across, overlap = (x.real for x in numbers)
    if square < 0:
        raise Breakdown("M is not positive definite")
    return z, w, math.sqrt(square), curvature / square - overlap / last if square else 0.0, square_v, across
