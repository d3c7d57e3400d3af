"""What iterative solvers of A x = b share: the system on its way to a solution, and what is told of it at the end."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..elementwise import as_operand
from ..manipulation import stack
from ..redistribution import move
from ..types import promote_types
from .adjoints import differentiable
from .matrices import inexact
from .operators import LinearOperator, aslinearoperator
from .vectors import Space

__all__ = ["Breakdown", "Solution", "System", "iterate"]


class Solution(tuple):
    """SciPy's pair (x, info), and what else is known of the iteration.

    Attributes
    ----------
    x : DNDarray
        The solution, or the last approximation to it.
    info : int
        0 if the iteration has converged, else the number of iterations done.
    iterations : int
    residuals : list of float
        The norms of the residuals, before the first iteration and after each.
    converged : bool
    message : str
        How it ended.
    """

    x: DNDarray
    info: int
    iterations: int
    residuals: list[float]
    converged: bool
    message: str

    def __new__(cls, x: DNDarray, residuals: list[float], converged: bool, message: str) -> Solution:
        iterations = len(residuals) - 1
        info = 0 if converged else max(iterations, 1)
        self = super().__new__(cls, (x, info))
        self.x, self.info, self.iterations = x, info, iterations
        self.residuals, self.converged, self.message = residuals, converged, message
        return self

    def at(self, x: DNDarray) -> Solution:
        """The same account of another array."""
        return Solution(x, self.residuals, self.converged, self.message)

    def __reduce__(self) -> tuple:
        return Solution, (self.x, self.residuals, self.converged, self.message)


class Breakdown(Exception):
    """The method cannot go on: a number that it has to divide by is zero, or none at all."""


class Limits(NamedTuple):
    """When an iteration ends."""

    rtol: float
    atol: float
    maxiter: int


class System:
    """A x = b for a method to work on. Its `x` is updated in place; what it measures is global.

    Vectors are local tensors of `space`; `product` and `precondition` return what must not be written into.
    """

    def __init__(
        self,
        a: LinearOperator,
        m: LinearOperator | None,
        b: DNDarray,
        limits: Limits,
        x0: DNDarray | None = None,
        callback: Callable[[Any], Any] | None = None,
    ) -> None:
        dtype = inexact(b.dtype, "a solver")
        for other in (a, m, x0):
            dtype = dtype if other is None or other.dtype is None else promote_types(dtype, other.dtype)
        self.space = space = Space(a.range_layout(b), dtype, b.device, b.comm)
        self.operator, self.preconditioner, self.callback = a, m, callback
        self.limits, self.maxiter = limits, limits.maxiter
        self.b = space.local(b)
        self.x = space.zeros() if x0 is None else space.local(x0).clone()
        self.started_at_zero = x0 is None
        self.residuals: list[float] = []
        self.converged = False

    def product(self, v: Tensor) -> Tensor:
        """A v."""
        return self.space.local(self.operator.matvec(self.space.array(v)))

    def precondition(self, v: Tensor) -> Tensor:
        """M v."""
        return v if self.preconditioner is None else self.space.local(self.preconditioner.matvec(self.space.array(v)))

    def inner(self, *pairs: tuple[Tensor, Tensor]) -> list:
        """Inner products, checked: LinAlgError before the first iteration is done, Breakdown later on."""
        values = self.space.inner(*pairs)
        if not all(math.isfinite(abs(value)) for value in values):
            if len(self.residuals) < 2:
                raise LinAlgError("A, M, b or x0 contains NaN or infinite numbers, or their product overflows")
            raise Breakdown("the iteration overflowed")
        return values

    def start(self) -> Tensor:
        """The first residual, b - A x, in memory of its own. Sets the tolerance. One all-reduce."""
        r = self.b.clone() if self.started_at_zero else self.b - self.product(self.x)
        square_b, square_r = self.inner((self.b, self.b), (r, r))
        self.norm_b = math.sqrt(square_b.real)
        self.tolerance = max(self.limits.rtol * self.norm_b, self.limits.atol)
        if square_b == 0:  # as in SciPy, whatever x0 is
            self.x.zero_()
            square_r = square_b
        self.residuals.append(math.sqrt(square_r.real))
        self.converged = self.residuals[0] <= self.tolerance
        return r

    def done(self, square: Any) -> bool:
        """Whether the iteration is over, after one that left a residual with this square of its norm."""
        self.residuals.append(math.sqrt(max(square.real, 0.0)))
        if self.callback is not None:
            self.callback(self.space.array(self.x))
        self.converged = self.residuals[-1] <= self.tolerance
        return self.converged or len(self.residuals) > self.maxiter

    def __bool__(self) -> bool:
        """Whether there is anything to do after `start`."""
        return not self.converged and self.maxiter > 0


Method = Callable[[System], None]


def ratio(numerator: Any, denominator: Any, what: str) -> Any:
    """A quotient, or Breakdown where it is none."""
    if denominator == 0 or not math.isfinite(abs(value := numerator / denominator)):
        raise Breakdown(f"{what} became zero")
    return value


def preconditioner(m: Any, a: Any, n: int) -> LinearOperator | None:
    """`M` as an operator: of what a user gives, be it the name of one that is made from the matrix."""
    if m is None:
        return None
    if isinstance(m, str):
        from ..sparse.preconditioners import preconditioner as named

        return named(a, m)
    if callable(m) and not hasattr(m, "shape"):
        return LinearOperator((n, n), m)
    operator = aslinearoperator(m)
    if operator.shape != (n, n):
        raise ValueError(f"`M` must have shape {(n, n)}, as A has, not {operator.shape}")
    return operator


def iterate(
    method: Method,
    a: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,  # noqa: N803 - SciPy's name
    callback: Callable[[Any], Any] | None = None,
    hermitian: bool = False,
) -> Solution:
    """Solve a x = b by `method`, column by column, with gradients.

    `hermitian` says that the method takes Hermitian matrices only, so that the adjoint system is the same one.
    """
    operator = aslinearoperator(a)
    b = as_operand(b, *operator.place)
    n = operator.shape[0]
    if operator.shape != (n, n):
        raise LinAlgError(f"the matrix must be square, not of shape {operator.shape}")
    if b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(f"`b` must have shape ({n},) or ({n}, k), not {b.shape}, for a matrix of shape ({n}, {n})")
    x0 = None if x0 is None else as_operand(x0, b.comm, b.device)
    if x0 is not None and x0.shape != b.shape:
        raise ValueError(f"`x0` must have the shape of `b`, {b.shape}, not {x0.shape}")
    if rtol < 0 or atol < 0 or (maxiter is not None and maxiter < 0):
        raise ValueError(f"`rtol` (={rtol}), `atol` (={atol}) and `maxiter` (={maxiter}) must not be negative")
    limits = Limits(rtol, atol, 10 * n if maxiter is None else maxiter)

    def solve(op: LinearOperator, m: LinearOperator | None, right: DNDarray, *start: Any) -> Solution:
        with torch.no_grad():
            solution = _run(method, System(op, m, right, limits, *start), right)
        if not torch.is_grad_enabled() or not (right.requires_grad or op.requires_grad):
            return solution
        # x = constant + A^-1 residual, of value zero: by b and by all that A is made of it has the derivatives of x.
        residual = right - op.matvec(solution.x)
        if not residual.requires_grad:
            return solution

        def adjoint(given: Sequence[DNDarray], found: Sequence[DNDarray], grads: Sequence[DNDarray]) -> list[DNDarray]:
            back = solve(op, m, grads[0]) if hermitian else solve(op.H, m and m.H, grads[0])
            if not back.converged:
                warnings.warn(
                    f"gradients are inexact: the adjoint system is {back.message}", RuntimeWarning, stacklevel=2
                )
            return [back.x]

        return solution.at(differentiable(lambda _: solution.x, adjoint)(residual))

    m = preconditioner(M, a, n)
    if b.ndim == 1:
        return solve(operator, m, b, x0, callback)
    columns = [solve(operator, m, b[:, k], None if x0 is None else x0[:, k], callback) for k in range(b.shape[1])]
    if not columns:
        return Solution(b.copy(), [0.0], True, "there is nothing to solve")
    worst = max(columns, key=lambda s: (not s.converged, s.iterations))
    return worst.at(stack([s.x for s in columns], 1))


def _run(method: Method, system: System, b: DNDarray) -> Solution:
    message = ""
    try:
        method(system)
        message = f"not converged in {len(system.residuals) - 1} iterations"
    except Breakdown as error:
        message = f"the method broke down: {error}"
    x = system.space.array(system.x)
    x = DNDarray(move(x.larray, x.layout, b.layout, b.comm), b.layout, b.comm)
    return Solution(x, system.residuals, system.converged, "converged" if system.converged else message)
