"""Krylov methods for matrices of any kind: GMRES, stabilised biconjugate gradients, and plain iterative refinement.

All are preconditioned from the right, so that the residual that they watch is that of A x = b. What every solver takes
and gives back is told in `cg`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..types import finfo
from .iteration import Breakdown, Solution, System, iterate, ratio
from .krylov_bases import Basis
from .lockstep import Steps

__all__ = ["bicgstab", "cgs", "gmres", "ir"]


def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    restart: int | None = None,
    callback_type: str = "pr_norm",
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """Solve A x = b by generalised minimal residuals (Saad and Schultz, 1986), started anew every `restart` iterations.

    As `cg`, for any A and M, with

    restart : int
        How many vectors to keep: 20, or n, by default.
    maxiter : int, optional
        The most cycles of `restart` iterations; ten times n by default. (`iterations` and `info` count iterations.)
    callback_type : {"pr_norm", "x"}
        Whether `callback` is called after every iteration with the residual's norm over that of b, or after every
        cycle with x.

    Memory: `restart` + 1 vectors for each column of b. Cost: a product with A and one with M, and 4 j n / p fused
    multiplications and additions in the j-th iteration of a cycle. Communication: that of A and M, and two all-reduces
    an iteration, of up to j + 1 numbers: classical Gram-Schmidt orthogonalisation, twice, as stable as Householder's
    (Giraud et al., 2005).
    """
    if callback_type not in ("pr_norm", "x"):
        raise ValueError(f"`callback_type` (={callback_type!r}) must be 'pr_norm' or 'x'")
    method = partial(_gmres, restart=20 if restart is None else restart, by_norm=callback_type == "pr_norm")
    return iterate(method, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback)


def _gmres(s: System, restart: int, by_norm: bool) -> Steps[None]:
    r = yield from s.start()
    progress, s.callback = (s.callback, None) if by_norm else (None, s.callback)
    restart = max(1, min(restart, s.space.layout.shape[0]))
    s.maxiter *= restart
    basis = Basis(s.space, restart)
    while s:
        norm = s.residuals[-1]
        basis.start(r, norm)
        rotated: list[Any] = [norm]
        rotations: list[tuple[float, Any]] = []
        columns: list[list] = []
        for _ in range(min(restart, s.maxiter - len(s.residuals) + 1)):
            w = yield from s.precondition(basis.last)
            w = yield from s.product(w)
            h = yield from basis.extending(w)
            for k, (c, g) in enumerate(rotations):
                h[k], h[k + 1] = c * h[k] + g * h[k + 1], c * h[k + 1] - g.conjugate() * h[k]
            c, g, h[-2] = _rotation(h[-2], h[-1])
            rotations.append((c, g))
            columns.append(h[:-1])
            rotated[-1:] = [c * rotated[-1], -g.conjugate() * rotated[-1]]
            s.residuals.append(abs(rotated[-1]))
            if progress is not None:
                progress(s.residuals[-1] / s.norm_b)
            if s.residuals[-1] <= s.tolerance or basis.complete:
                break
        y = _triangular_solution(columns, rotated)
        s.x += yield from s.precondition(basis.combine(y))
        r = s.b - (yield from s.product(s.x))
        (square,) = yield from s.inner((r, r))
        s.residuals.pop()
        if s.done(square):
            return
        if basis.complete:
            raise Breakdown("the vectors (A M)^k b span no more dimensions, and the residual is not in them")


def _rotation(a: Any, b: float) -> tuple[float, Any, Any]:
    """c, s and r so that [[c, s], [-conj(s), c]] takes (a, b) to (r, 0)."""
    norm = math.hypot(abs(a), b)
    if abs(a) == 0:
        return 0.0, 1.0 + 0 * a, b
    phase = a / abs(a)
    return abs(a) / norm, phase * b / norm, phase * norm


def _triangular_solution(columns: list[list], right: list) -> list:
    """The solution of the triangular system with these columns; 0 where a pivot is, as least squares allow."""
    y = right[: len(columns)]
    for j in range(len(columns) - 1, -1, -1):
        y[j] = y[j] / columns[j][j] if columns[j][j] != 0 else 0.0 * y[j]
        for i in range(j):
            y[i] -= columns[j][i] * y[j]
    return y


def bicgstab(
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
    """Solve A x = b by stabilised biconjugate gradients (van der Vorst, 1992).

    As `cg`, for any A and M. Cost: two products with A and with M an iteration. Communication: that of A and M, and two
    all-reduces an iteration, one for each product: all that follows the second is of one reduction.
    """
    return iterate(_bicgstab, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback)


def _bicgstab(s: System) -> Steps[None]:
    r = yield from s.start()
    if not s:
        return
    eps = finfo(s.space.dtype).eps
    shadow, p, rho = r.clone(), r.clone(), s.residuals[0] ** 2
    while True:
        direction = yield from s.precondition(p)
        v = yield from s.product(direction)
        (across,) = yield from s.inner((shadow, v))
        alpha = ratio(rho, across, "the product of A p with the shadow residual")
        r.add_(v, alpha=-alpha)
        change = yield from s.precondition(r)
        t = yield from s.product(change)
        on_r, square_t, square, rho_r, rho_t = yield from s.inner((t, r), (t, t), (r, r), (shadow, r), (shadow, t))
        omega = on_r / square_t if square_t else 0.0
        s.x.add_(direction, alpha=alpha).add_(change, alpha=omega)
        r.add_(t, alpha=-omega)
        square = square.real - abs(omega) ** 2 * square_t.real
        if math.sqrt(max(square, 0.0)) <= max(s.tolerance, 1e-4 * s.residuals[-1]):  # a difference of large numbers
            (square,) = yield from s.inner((r, r))
        if s.done(square):
            return
        last, rho = rho, rho_r - omega * rho_t
        if omega == 0:
            raise Breakdown("the residual and its product with A are orthogonal")
        if abs(rho) < eps * s.residuals[0] * s.residuals[-1]:
            shadow.copy_(r)  # begin anew from here
            p.copy_(r)
            rho = s.residuals[-1] ** 2
        else:
            p.add_(v, alpha=-omega).mul_(rho / last * (alpha / omega)).add_(r)


def cgs(
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
    """Solve A x = b by conjugate gradients squared (Sonneveld, 1989).

    As `cg`, for any A and M; faster than `bicgstab` where it converges smoothly, which it often does not. Cost: two
    products with A and with M an iteration. Communication: that of A and M, and two all-reduces an iteration.
    """
    return iterate(_cgs, A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback)


def _cgs(s: System) -> Steps[None]:
    r = yield from s.start()
    if not s:
        return
    shadow, u, p, rho = r.clone(), r.clone(), r.clone(), s.residuals[0] ** 2
    while True:
        v = yield from s.precondition(p)
        v = yield from s.product(v)
        (across,) = yield from s.inner((shadow, v))
        alpha = ratio(rho, across, "the product of A p with the shadow residual")
        q = torch.add(u, v, alpha=-alpha)
        direction = yield from s.precondition(u.add_(q))
        s.x.add_(direction, alpha=alpha)
        change = yield from s.product(direction)
        r.add_(change, alpha=-alpha)
        last = rho
        rho, square = yield from s.inner((shadow, r), (r, r))
        if s.done(square):
            return
        beta = ratio(rho, last, "the product of the residual with its shadow")
        torch.add(r, q, alpha=beta, out=u)
        p.mul_(beta).add_(q).mul_(beta).add_(u)


def ir(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    relaxation: float = 1.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """Solve A x = b by refining: x += relaxation * M (b - A x), as Richardson did.

    As `cg`, for any A and M with all eigenvalues of 1 - relaxation * M A less than 1 in size. M may be a solver of its
    own, in single precision, say. Communication: that of A and M, and one all-reduce an iteration.
    """
    return iterate(
        partial(_ir, relaxation=relaxation), A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback
    )


def _ir(s: System, relaxation: float) -> Steps[None]:
    r = yield from s.start()
    while s:
        change = yield from s.precondition(r)
        s.x.add_(change, alpha=relaxation)
        r = s.b - (yield from s.product(s.x))
        (square,) = yield from s.inner((r, r))
        if s.done(square):
            return
