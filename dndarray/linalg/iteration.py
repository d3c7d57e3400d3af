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
from ..redistribution import move
from ..types import promote_types
from .adjoints import differentiable
from .lockstep import Request, Steps, in_lockstep
from .matrices import inexact
from .operators import LinearOperator, aslinearoperator
from .vectors import Space, partial_products

__all__ = ["Breakdown", "Solution", "System", "iterate"]

_TOGETHER = 2**18
"""Elements on a process of the vectors that meet an operator together: to put more side by side takes longer than it
saves. Vectors of which these are fewer than `_FEWEST` meet it one after another."""
_FEWEST = 8


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
    infos : list of int
        The `info` of each column of b, of which the rest tells the worst: one that did not converge, or took longest.
    """

    x: DNDarray
    info: int
    infos: list[int]
    iterations: int
    residuals: list[float]
    converged: bool
    message: str

    def __new__(
        cls, x: DNDarray, residuals: list[float], converged: bool, message: str, infos: list[int] | None = None
    ) -> Solution:
        iterations = len(residuals) - 1
        info = 0 if converged else max(iterations, 1)
        self = super().__new__(cls, (x, info))
        self.x, self.info, self.iterations = x, info, iterations
        self.residuals, self.converged, self.message = residuals, converged, message
        self.infos = [info] if infos is None else infos
        return self

    def at(self, x: DNDarray) -> Solution:
        """The same account of another array."""
        return Solution(x, self.residuals, self.converged, self.message, self.infos)

    def __reduce__(self) -> tuple:
        return Solution, (self.x, self.residuals, self.converged, self.message, self.infos)


class Breakdown(Exception):
    """The method cannot go on: a number that it has to divide by is zero, or none at all."""


class Limits(NamedTuple):
    """When an iteration ends."""

    rtol: float
    atol: float
    maxiter: int


class System:
    """A x = b with one right-hand side, for a method to work on. Its `x` is updated in place; its numbers are global.

    Vectors are local tensors of `space`. What takes more than this process is a step of the method's, for `yield from`;
    `product` and `precondition` give what must not be written into.
    """

    def __init__(
        self,
        space: Space,
        b: Tensor,
        x0: Tensor | None,
        limits: Limits,
        is_preconditioned: bool,
        callback: Callable[[Any], Any] | None,
    ) -> None:
        self.space, self.b = space, b
        self.x = space.zeros() if x0 is None else x0.clone()
        self.started_at_zero = x0 is None
        self.limits, self.maxiter = limits, limits.maxiter
        self.is_preconditioned, self.callback = is_preconditioned, callback
        self.residuals: list[float] = []
        self.converged = False
        self.message = ""

    def product(self, v: Tensor) -> Steps[Tensor]:
        """A v."""
        return (yield Request("product", v))

    def precondition(self, v: Tensor) -> Steps[Tensor]:
        """M v."""
        return (yield Request("preconditioner", v)) if self.is_preconditioned else v

    def inner(self, *pairs: tuple[Tensor, Tensor]) -> Steps[list]:
        """Inner products, checked: LinAlgError before the first iteration is done, Breakdown later on."""
        values = (yield Request("sum", partial_products(pairs))).tolist()
        if not all(math.isfinite(abs(value)) for value in values):
            if len(self.residuals) < 2:
                raise LinAlgError("A, M, b or x0 contains NaN or infinite numbers, or their product overflows")
            raise Breakdown("the iteration overflowed")
        return values

    def start(self) -> Steps[Tensor]:
        """The first residual, b - A x, in memory of its own. Sets the tolerance. One all-reduce."""
        r = self.b.clone() if self.started_at_zero else self.b - (yield from self.product(self.x))
        square_b, square_r = yield from self.inner((self.b, self.b), (r, r))
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

    def run(self, method: Method) -> Steps[None]:
        """All steps of a method, and what is to be told of its end."""
        try:
            yield from method(self)
            self.message = f"not converged in {self.iterations} iterations"
        except Breakdown as error:
            self.message = f"the method broke down: {error}"
        if self.converged:
            self.message = "converged"

    @property
    def iterations(self) -> int:
        return len(self.residuals) - 1

    @property
    def info(self) -> int:
        """0, or the number of iterations that did not converge."""
        return 0 if self.converged else max(self.iterations, 1)


Method = Callable[[System], Steps[None]]


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
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    hermitian: bool = False,
) -> Solution:
    """Solve a x = b by `method`, for all columns of b at once, with gradients.

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
            solution = _solve(method, op, m, right, limits, *start)
        if not torch.is_grad_enabled() or not (right.requires_grad or op.requires_grad):
            return solution
        # x = constant + A^-1 residual, of value zero: by b and by all that A is made of it has the derivatives of x.
        residual = right - op @ solution.x
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
    if b.ndim == 2 and not b.shape[1]:
        return Solution(b.copy(), [0.0], True, "there is nothing to solve", [])
    return solve(operator, m, b, x0, callback)


def _products(operator: LinearOperator, vectors: list[Tensor], space: Space) -> Sequence[Tensor]:
    """The products of an operator with vectors, as many at a time as it takes and as the cache holds."""
    together = _TOGETHER * space.comm.size // max(1, space.layout.shape[0]) if operator.takes_columns else 1
    step = together if together >= _FEWEST else 1
    products: list[Tensor] = []
    for some in (vectors[i : i + step] for i in range(0, len(vectors), step)):
        if len(some) == 1:
            products.append(space.local(operator.matvec(space.array(some[0]))))
        else:
            products += space.local(operator.matmat(space.array(torch.stack(some)))).contiguous().unbind()
    return products


def _solve(
    method: Method,
    a: LinearOperator,
    m: LinearOperator | None,
    b: DNDarray,
    limits: Limits,
    x0: DNDarray | None = None,
    callback: Callable[[Any], Any] | None = None,
) -> Solution:
    """The solutions for all columns, which are found at once."""
    dtype = inexact(b.dtype, "a solver")
    for other in (a, m, x0):
        dtype = dtype if other is None or other.dtype is None else promote_types(dtype, other.dtype)
    space = Space(a.range_layout(b if b.ndim == 1 else b[:, 0]), dtype, b.device, b.comm)
    sides = torch.atleast_2d(space.local(b)).contiguous()
    starts = [None] * len(sides) if x0 is None else torch.atleast_2d(space.local(x0))
    systems = [System(space, *pair, limits, m is not None, callback) for pair in zip(sides, starts, strict=True)]

    def answer(what: str, operands: list[Tensor]) -> Sequence[Tensor]:
        if what == "sum":
            return space.totals(operands)
        return _products(a if m is None or what == "product" else m, operands, space)

    in_lockstep([system.run(method) for system in systems], answer)
    x = space.array(systems[0].x if b.ndim == 1 else torch.stack([system.x for system in systems]))
    x = DNDarray(move(x.larray, x.layout, b.layout, b.comm), b.layout, b.comm)
    worst = max(systems, key=lambda s: (not s.converged, len(s.residuals)))
    return Solution(x, worst.residuals, worst.converged, worst.message, [s.info for s in systems])
