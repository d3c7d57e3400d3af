"""Least squares by Krylov methods: LSQR and LSMR, which need products with a matrix and with its adjoint."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..elementwise import as_operand
from ..types import finfo, promote_types
from .matrices import inexact
from .operators import LinearOperator, aslinearoperator
from .vectors import Space

__all__ = ["lsmr", "lsqr"]


class LsqrResult(NamedTuple):
    """What `lsqr` returns, as SciPy's does: see there."""

    x: DNDarray
    istop: int
    itn: int
    r1norm: float
    r2norm: float
    anorm: float
    acond: float
    arnorm: float
    xnorm: float
    var: DNDarray | None


class LsmrResult(NamedTuple):
    """What `lsmr` returns, as SciPy's does: see there."""

    x: DNDarray
    istop: int
    itn: int
    normr: float
    normar: float
    norma: float
    conda: float
    normx: float


class _Bidiagonalization:
    """Golub and Kahan's: orthonormal u and v in turn, of which each is one all-reduce.

    A v_k = beta_{k+1} u_{k+1} + alpha_k u_k,  A^H u_{k+1} = alpha_{k+1} v_{k+1} + beta_{k+1} v_k.
    """

    def __init__(self, a: LinearOperator, b: DNDarray, x0: Any) -> None:
        m, n = a.shape
        if b.shape != (m,):
            raise ValueError(f"`b` must have shape ({m},), not {b.shape}, for a matrix of shape {a.shape}")
        start = None if x0 is None else as_operand(x0, b.comm, b.device)
        if start is not None and start.shape != (n,):
            raise ValueError(f"`x0` must have shape ({n},), not {start.shape}")
        dtype = inexact(b.dtype, "least squares")
        for other in (a, start):
            dtype = dtype if other is None or other.dtype is None else promote_types(dtype, other.dtype)
        self.a = a
        self.rows = Space(a.range_layout(b), dtype, b.device, b.comm)
        u = self.rows.local(b) if start is None else self.rows.local(b - a.matvec(start))
        first = a.rmatvec(self.rows.array(u))
        self.columns = Space(a.domain_layout(first), dtype, b.device, b.comm)
        self.x = self.columns.zeros() if start is None else self.columns.local(start).clone()
        self.norm_b = self._checked(self.rows.norm(self.rows.local(b)))
        self.beta = self.norm_b if start is None else self._checked(self.rows.norm(u))
        self.u = u / self.beta if self.beta else u.clone()
        v = self.columns.local(first)
        self.v = v / self.beta if self.beta else v.clone()
        self.alpha = self._checked(self.columns.norm(self.v))
        self.v = self.v / self.alpha if self.alpha else self.v

    def step(self, *others: Tensor) -> list[float]:
        """The next u and v; squares of the norms of other vectors of columns, which travel along."""
        product = self.rows.local(self.a.matvec(self.columns.array(self.v)))
        self.u.mul_(-self.alpha).add_(product)
        self.beta, squares = self._norms(self.rows, self.u, others)
        if self.beta:
            self.u.div_(self.beta)
        product = self.columns.local(self.a.rmatvec(self.rows.array(self.u)))
        self.v.mul_(-self.beta).add_(product)
        self.alpha = self._checked(self.columns.norm(self.v))
        if self.alpha:
            self.v.div_(self.alpha)
        return squares

    def _norms(self, space: Space, u: Tensor, others: tuple[Tensor, ...]) -> tuple[float, list[float]]:
        if self.columns.along is not space.along:  # vectors of rows and of columns are dealt out differently
            return self._checked(space.norm(u)), [self.columns.norm(v) ** 2 for v in others]
        squares = space.inner((u, u), *((v, v) for v in others))
        return self._checked(math.sqrt(squares[0].real)), [square.real for square in squares[1:]]

    @staticmethod
    def _checked(norm: float) -> float:
        if not math.isfinite(norm):
            raise LinAlgError("A, b or x0 contains NaN or infinite numbers, or their product overflows")
        return norm


def _rotation(a: float, b: float) -> tuple[float, float, float]:
    """c, s and r >= 0 so that [[c, s], [-s, c]] takes (a, b) to (r, 0)."""
    r = math.hypot(a, b)
    return (a / r, b / r, r) if r else (1.0, 0.0, 0.0)


class _Tolerances(NamedTuple):
    atol: float
    btol: float
    conlim: float
    limit: int

    def verdict(
        self, itn: int, residual: float, normal: float, bound: float, condition: float, exact: tuple[bool, bool]
    ) -> int:
        """SciPy's `istop`: 1 the system is solved, 2 least squares are, 3 the matrix is too ill conditioned, 4 to 6 the
        same to rounding, 7 out of iterations, 0 to go on.

        `residual` is relative to the norm of b, `normal` that of the normal equations to A's and the residual's.
        """
        limit = 1 / self.conlim if self.conlim > 0 else 0.0
        reasons = {
            1: residual <= bound,
            2: normal <= self.atol,
            3: 1 / condition <= limit,
            4: exact[0],
            5: exact[1],
            6: 1 + 1 / condition <= 1,
            7: itn >= self.limit,
        }
        return next((reason for reason, holds in reasons.items() if holds), 0)


def lsqr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    iter_lim: int | None = None,
    *,
    calc_var: bool = False,
    x0: Any = None,
) -> LsqrResult:
    """The x for which norm(b - A x)^2 + damp^2 norm(x)^2 is least, by LSQR (Paige and Saunders, 1982).

    Parameters
    ----------
    A : DNDarray, SparseArray or LinearOperator (with `rmatvec`), of shape (m, n)
    b : array_like of shape (m,)
    damp : float
    atol, btol : float
        The iteration ends when norm(b - A x) <= btol norm(b) + atol norm(A) norm(x), or when the residual r of a system
        without solution has norm(A^H r) <= atol norm(A) norm(r).
    conlim : float
        It also ends when the condition number of A, as estimated, exceeds this; 0 for no limit.
    iter_lim : int, optional
        The most iterations; 2 n by default.
    calc_var : bool
        Whether to estimate the diagonal of the inverse of A^H A + damp^2.
    x0 : array_like of shape (n,), optional
        Where to start.

    Returns
    -------
    x, istop, itn, r1norm, r2norm, anorm, acond, arnorm, xnorm, var
        As SciPy's. x lies as A^H b does; `istop` is 1 or 2 where x is found, 7 where `iter_lim` was too few.

    Cost: a product with A, one with A^H, and (3 m + 6 n) / p multiplications and additions an iteration. Communication:
    that of A, and two all-reduces an iteration (three where A's rows and columns are dealt out to different processes).

    Raises
    ------
    LinAlgError
        On every process, where A or b has NaN or infinite elements.
    """
    operator = aslinearoperator(A)
    b = as_operand(b, *operator.place)
    with torch.no_grad():
        g = _Bidiagonalization(operator, b, x0)
        tolerances = _Tolerances(atol, btol, conlim, 2 * operator.shape[1] if iter_lim is None else iter_lim)
        return _lsqr(g, damp, tolerances, calc_var)


def _lsqr(g: _Bidiagonalization, damp: float, tolerances: _Tolerances, calc_var: bool) -> LsqrResult:
    x, w, eps = g.x, g.v.clone(), finfo(g.columns.dtype).eps
    var = torch.zeros_like(w.real) if calc_var else None
    rho_bar, phi_bar = g.alpha, g.beta
    norm_a = condition = squares_d = squares_psi = squares_x = norm_x = z = 0.0
    c2, s2 = -1.0, 0.0
    r1 = r2 = g.beta
    normal = g.alpha * g.beta
    itn = istop = 0
    while istop == 0 and normal > 0 and itn < tolerances.limit:
        itn += 1
        alpha_before = g.alpha
        (square_w,) = g.step(w)
        norm_a = math.hypot(norm_a, alpha_before, g.beta, damp)
        # Away with the damping, then with beta below the diagonal.
        c1, s1, rho_1 = _rotation(rho_bar, damp)
        psi, phi_bar = s1 * phi_bar, c1 * phi_bar
        c, s, rho = _rotation(rho_1, g.beta)
        theta, rho_bar = s * g.alpha, -c * g.alpha
        phi, phi_bar = c * phi_bar, s * phi_bar
        x.add_(w, alpha=phi / rho)
        if var is not None:
            var.add_(w.abs().square_(), alpha=1 / rho**2)
        w.mul_(-theta / rho).add_(g.v)
        squares_d += square_w / rho**2
        # The norm of x, by rotations from the other side.
        gamma_bar, right = -c2 * rho, phi - s2 * rho * z
        norm_x = math.sqrt(squares_x + (right / gamma_bar) ** 2) if gamma_bar else norm_x
        c2, s2, gamma = _rotation(gamma_bar, theta)
        z = right / gamma if gamma else 0.0
        squares_x += z**2
        condition = norm_a * math.sqrt(squares_d)
        squares_psi += psi**2
        r2 = math.sqrt(phi_bar**2 + squares_psi)
        normal = g.alpha * abs(s * phi)
        square_1 = r2**2 - damp**2 * squares_x
        r1 = math.copysign(math.sqrt(abs(square_1)), square_1)
        size = norm_a * norm_x / g.norm_b
        residual, projected = r2 / g.norm_b, normal / (norm_a * r2 + eps)
        exact = (1 + residual / (1 + size) <= 1, 1 + projected <= 1)
        bound = tolerances.btol + tolerances.atol * size
        istop = tolerances.verdict(itn, residual, projected, bound, condition + eps, exact)
    values = g.columns.array(x), istop, itn, r1, r2, norm_a, condition, normal, norm_x
    return LsqrResult(*values, None if var is None else DNDarray(var, g.columns.layout, g.columns.comm))


def lsmr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    maxiter: int | None = None,
    *,
    x0: Any = None,
) -> LsmrResult:
    """The x for which norm(b - A x)^2 + damp^2 norm(x)^2 is least, by LSMR (Fong and Saunders, 2011).

    As `lsqr`, but norm(A^H r) falls from iteration to iteration, so that it may end sooner; `maxiter` is min(m, n) by
    default. Returns x, istop, itn, normr, normar, norma, conda, normx, as SciPy's does. Communication: as `lsqr`.
    """
    operator = aslinearoperator(A)
    b = as_operand(b, *operator.place)
    with torch.no_grad():
        g = _Bidiagonalization(operator, b, x0)
        limit = min(operator.shape) if maxiter is None else maxiter
        return _lsmr(g, damp, _Tolerances(atol, btol, conlim, limit))


def _lsmr(g: _Bidiagonalization, damp: float, tolerances: _Tolerances) -> LsmrResult:
    x, h, h_bar, eps = g.x, g.v.clone(), g.columns.zeros(), finfo(g.columns.dtype).eps
    zeta_bar, alpha_bar, rho, rho_bar, c_bar, s_bar = g.alpha * g.beta, g.alpha, 1.0, 1.0, 1.0, 0.0
    # For the norm of the residual (section 5 of the paper).
    beta_dd, beta_d, rho_d, tau, theta_tilde, zeta, rest = g.beta, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0
    square_a, largest, smallest = g.alpha**2, 0.0, math.inf
    norm_a, condition, norm_x, norm_r, normal = g.alpha, 1.0, 0.0, g.beta, abs(zeta_bar)
    itn = istop = 0
    while istop == 0 and normal > 0 and itn < tolerances.limit:
        itn += 1
        (square_x,) = g.step(x)  # of the x before, which will do for a tolerance
        c_hat, s_hat, alpha_hat = _rotation(alpha_bar, damp)
        rho_old, (c, s, rho) = rho, _rotation(alpha_hat, g.beta)
        theta_new, alpha_bar = s * g.alpha, c * g.alpha
        rho_bar_old, zeta_old, theta_bar, rho_temp = rho_bar, zeta, s_bar * rho, c_bar * rho
        c_bar, s_bar, rho_bar = _rotation(rho_temp, theta_new)
        zeta, zeta_bar = c_bar * zeta_bar, -s_bar * zeta_bar
        h_bar.mul_(-theta_bar * rho / (rho_old * rho_bar_old)).add_(h)
        x.add_(h_bar, alpha=zeta / (rho * rho_bar))
        h.mul_(-theta_new / rho).add_(g.v)
        beta_acute, beta_check = c_hat * beta_dd, -s_hat * beta_dd
        beta_hat, beta_dd = c * beta_acute, -s * beta_acute
        theta_tilde_old, (c_tilde, s_tilde, rho_tilde) = theta_tilde, _rotation(rho_d, theta_bar)
        theta_tilde, rho_d = s_tilde * rho_bar, c_tilde * rho_bar
        beta_d = -s_tilde * beta_d + c_tilde * beta_hat
        tau = (zeta_old - theta_tilde_old * tau) / rho_tilde
        tau_d = (zeta - theta_tilde * tau) / rho_d
        rest += beta_check**2
        norm_r = math.sqrt(rest + (beta_d - tau_d) ** 2 + beta_dd**2)
        square_a += g.beta**2
        norm_a = math.sqrt(square_a)
        square_a += g.alpha**2
        largest = max(largest, rho_bar_old)
        smallest = min(smallest, rho_bar_old) if itn > 1 else smallest
        condition = max(largest, rho_temp) / min(smallest, rho_temp)
        normal, norm_x = abs(zeta_bar), math.sqrt(square_x)
        size = norm_a * norm_x / g.norm_b
        residual, projected = norm_r / g.norm_b, normal / (norm_a * norm_r + eps)
        exact = (1 + residual / (1 + size) <= 1, 1 + projected <= 1)
        bound = tolerances.btol + tolerances.atol * size
        istop = tolerances.verdict(itn, residual, projected, bound, condition, exact)
    return LsmrResult(g.columns.array(x), istop, itn, norm_r, normal, norm_a, condition, g.columns.norm(x))
