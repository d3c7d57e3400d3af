"""Orthonormal bases of Krylov spaces: Lanczos's and Arnoldi's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..creation import zeros
from ..elementwise import as_operand
from ..layout import Layout
from ..types import finfo, promote_types, real_of
from .lockstep import Request, Steps
from .matrices import inexact
from .operators import LinearOperator, aslinearoperator
from .vectors import Space

__all__ = ["Basis", "arnoldi", "lanczos"]


class Basis:
    """An orthonormal basis that grows vector by vector: one in each row of `rows`, of which `size` are filled.

    Classical Gram-Schmidt, twice: all inner products of a pass in one all-reduce, and in the second pass the norm, too.
    That is enough for orthogonality to rounding (Giraud, Langou, Rozloznik and van den Eshof, 2005).

    With `weigh`, the product with a Hermitian positive definite matrix, in the inner product of that matrix.
    """

    def __init__(self, space: Space, capacity: int, weigh: Callable[[Tensor], Tensor] | None = None) -> None:
        self.space = space
        self.weigh = weigh or (lambda v: v)
        self.rows = space.empty(capacity + 1)
        self.size = 0
        self.complete = False

    @property
    def filled(self) -> Tensor:
        return self.rows[: self.size]

    @property
    def last(self) -> Tensor:
        return self.rows[self.size - 1]

    def start(self, v: Tensor, norm: float) -> None:
        """Begin anew with a vector of this norm."""
        torch.div(v, norm, out=self.rows[0])
        self.size, self.complete = 1, False

    def extend(self, v: Tensor) -> list:
        """Add what is new in `v`; its coefficients in the basis before, and the norm of what is new.

        Where nothing is new, to rounding, that norm is 0, the basis is `complete`, and stays as it is. Two all-reduces.
        """
        steps = self.extending(v)
        request = next(steps)
        while True:
            try:
                request = steps.send(self.space.total(request.operand))
            except StopIteration as end:
                return end.value

    def extending(self, v: Tensor) -> Steps[list]:
        """`extend`, as a part of an iteration."""
        old, new = self.filled, self.rows[self.size]
        first = yield Request("sum", old.conj() @ self.weigh(v))
        new.copy_(v).sub_(first @ old)
        # The last one is the square of its norm.
        second = yield Request("sum", self.rows[: self.size + 1].conj() @ self.weigh(new))
        new.sub_(second[:-1] @ old)
        coefficients = (first + second[:-1]).tolist()
        square, lost = second[-1].real.item(), torch.linalg.vector_norm(second[:-1]).item()
        size = math.hypot(*(abs(c) for c in coefficients), math.sqrt(max(square, 0.0)))
        if not math.isfinite(size):
            raise LinAlgError("the matrix or the vectors contain NaN or infinite numbers, or a product overflows")
        if square < -1e3 * finfo(self.space.dtype).eps * size**2:
            raise LinAlgError("the matrix of the inner product is not positive definite")
        norm = math.sqrt(max(square - lost**2, 0.0))
        self.complete = norm <= 10 * finfo(self.space.dtype).eps * size
        if self.complete:
            return [*coefficients, 0.0]
        new.div_(norm)
        self.size += 1
        return [*coefficients, norm]

    def restart(self, y: np.ndarray) -> None:
        """Keep the combinations of the vectors but the last that the columns of `y` give, and the last."""
        n, keep = y.shape
        weights = torch.from_numpy(np.ascontiguousarray(y.T)).to(self.space.device, self.space.dtype)
        self.rows[:keep] = weights @ self.rows[:n]
        self.rows[keep] = self.rows[n]
        self.size = keep + 1

    def combine(self, coefficients: Any) -> Tensor:
        """The sum of the first vectors with these coefficients."""
        weights = torch.as_tensor(coefficients, dtype=self.space.dtype, device=self.space.device)
        return weights @ self.rows[: len(weights)]

    def renew(self) -> None:
        """Add a random direction where the product of the last vector gave nothing new: a space of its own begins."""
        self.extend(self.space.random(self.size))


def space_of(operator: LinearOperator, v0: Any, name: str) -> tuple[Space, Tensor]:
    """The vectors that a square operator maps to each other, and the one to begin with: `v0`, or a random one."""
    n = operator.shape[0]
    if operator.shape != (n, n) or n == 0:
        raise LinAlgError(f"{name} takes square matrices of one row or more, not of shape {operator.shape}")
    comm, device = operator.place
    dtype = operator.dtype or torch.get_default_dtype()
    split = 0 if comm is None else None  # a matrix that is dealt out says how vectors are
    given = zeros(n, dtype, split=split, comm=comm, device=device) if v0 is None else as_operand(v0, comm, device)
    if given.shape != (n,):
        raise ValueError(f"`v0` must have shape ({n},), not {given.shape}")
    dtype = inexact(given.dtype, name)
    dtype = dtype if operator.dtype is None else promote_types(dtype, operator.dtype)
    space = Space(operator.range_layout(given), dtype, given.device, given.comm)
    return space, space.random(0) if v0 is None else space.local(given)


def begin(space: Space, v: Tensor, capacity: int, weigh: Callable[[Tensor], Tensor] | None = None) -> Basis:
    """A basis that begins with the direction of `v`."""
    basis = Basis(space, capacity, weigh)
    square = space.inner((v, basis.weigh(v)))[0].real
    if not 0 < square < math.inf:
        raise LinAlgError(
            f"a Krylov space begins with a finite vector other than zero; the square of this one's norm is {square}"
        )
    basis.start(v, math.sqrt(square))
    return basis


def _checked(m: Any, n: int) -> int:
    if not 1 <= (m := m.__index__()) <= n:
        raise ValueError(f"`m` (={m}) must be from 1 to the number of rows, {n}")
    return m


def as_replicated(t: Tensor, space: Space) -> DNDarray:
    """A tensor that all processes have alike as an array beside the vectors of `space`."""
    return DNDarray(t.to(space.device), Layout(tuple(t.shape), space.layout.grid), space.comm)


def lanczos(A: Any, m: int, v0: Any = None) -> tuple[DNDarray, DNDarray]:
    """An orthonormal basis V of the Krylov space of a Hermitian matrix, in which the matrix is tridiagonal.

    Parameters
    ----------
    A : DNDarray, SparseArray or LinearOperator, of shape (n, n)
        Hermitian; not checked.
    m : int
        How many vectors, up to n.
    v0 : array_like of shape (n,), optional
        Where to begin; random by default.

    Returns
    -------
    V : DNDarray of shape (n, m)
        Its rows dealt out as those of A. Orthogonal to rounding: every vector is orthogonalised against all, twice.
    T : DNDarray of shape (m, m)
        Real, tridiagonal, on every process: V^H A V.

    Where the Krylov space has fewer dimensions the basis goes on with a random vector, and T has a zero beside its
    diagonal. Cost: m products with A, 4 m^2 n / p multiplications and additions. Communication: that of A, and two
    all-reduces of up to m numbers a vector.
    """
    operator = aslinearoperator(A)
    space, v = space_of(operator, v0, "lanczos")
    m = _checked(m, operator.shape[0])
    columns, basis = _hessenberg(operator, begin(space, v, m), m)
    diagonal = [columns[j][j].real for j in range(m)]
    beside = [abs(columns[j][j + 1]) for j in range(m - 1)]
    t = torch.tensor(diagonal, dtype=real_of(space.dtype)).diag()
    for j, beta in enumerate(beside):
        t[j, j + 1] = t[j + 1, j] = beta
    return space.array(basis.rows[:m]), as_replicated(t, space)


def arnoldi(A: Any, m: int, v0: Any = None) -> tuple[DNDarray, DNDarray]:
    """An orthonormal basis V of the Krylov space of a matrix, in which the matrix is of Hessenberg form H.

    As `lanczos`, for any matrix: V has shape (n, m + 1), H has shape (m + 1, m) and A V[:, :m] = V H. At m = n the last
    vector and the last row are zero.
    """
    operator = aslinearoperator(A)
    space, v = space_of(operator, v0, "arnoldi")
    m = _checked(m, operator.shape[0])
    basis = begin(space, v, m)
    basis.rows[m].zero_()
    columns, basis = _hessenberg(operator, basis, m)
    h = torch.zeros(m + 1, m, dtype=space.dtype)
    for j, column in enumerate(columns):
        h[: len(column), j] = torch.tensor(column, dtype=space.dtype)
    return space.array(basis.rows), as_replicated(h, space)


def _hessenberg(operator: LinearOperator, basis: Basis, m: int) -> tuple[list[list], Basis]:
    """The coefficients of the products of m basis vectors."""
    space, columns = basis.space, []
    with torch.no_grad():
        for j in range(m):
            columns.append(basis.extend(space.local(operator.matvec(space.array(basis.rows[j])))))
            if basis.complete and basis.size < min(m + 1, operator.shape[0]):
                basis.renew()
    return columns, basis
