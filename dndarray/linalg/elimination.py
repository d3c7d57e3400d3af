"""LU factorization with partial pivoting, and what it is good for.

The matrix is dealt out in blocks of columns, in turn (`block_cyclic`). The process that has a block factorises it, rows
exchanged so that the largest number of a column becomes its pivot, and broadcasts it; all bring their columns to its
right up to date by one product of matrices (right-looking LU: Golub and Van Loan, 2013, section 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..along_axis import take_along_axis
from ..array import DNDarray, wrap
from ..broadcasting import broadcast_shapes
from ..creation import arange
from ..diagonals import tril, triu
from ..elementwise import FUNCTIONS, as_operand
from ..indexing import section
from ..layout import Layout
from ..manipulation import broadcast_to, concatenate
from ..redistribution import move
from ..types import real_of
from .adjoints import differentiable
from .block_cyclic import Columns, cyclic, sweep
from .matrices import adjoint, as_matrices, each, identity_like, is_distributed_matrix, place
from .triangular import equations, solve_triangular

__all__ = ["lu", "lu_factor", "lu_solve"]


class LUResult(NamedTuple):
    P: DNDarray
    L: DNDarray
    U: DNDarray


class LUFactor(NamedTuple):
    lu: DNDarray
    piv: DNDarray


# --- on columns that are dealt out ------------------------------------------------------------------------------------


class Elimination(NamedTuple):
    """What every process learns of the factors, which lie where the matrix was."""

    pivots: list[int]
    """The row that each row was exchanged with, in turn."""
    diagonal: Tensor
    """The pivots: the diagonal of U."""
    swaps: list[tuple[Tensor, Tensor]]
    """For each block the rows that changed, and which they were before."""

    @property
    def is_singular(self) -> bool:
        """Whether a pivot is 0, infinite or NaN."""
        return not bool(((self.diagonal != 0) & self.diagonal.isfinite()).all())

    @property
    def sign(self) -> int:
        """The determinant of the permutation."""
        return -1 if sum(i != pivot for i, pivot in enumerate(self.pivots)) % 2 else 1


def _swap(start: int, pivots: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    now: dict[int, int] = {}
    for i, j in enumerate(pivots, start):
        if i != j:
            now[i], now[j] = now.get(j, j), now.get(i, i)
    return tuple(torch.tensor(list(rows), dtype=torch.int64, device=like.device) for rows in (now, now.values()))  # type: ignore[return-value]


def eliminate(columns: Columns, width: int) -> Elimination:
    """Factorise the matrix in the first `width` columns in place: U, and below its diagonal L, except for the exchanges
    of rows after a block was done, which `exchange_below` makes.

    Further columns become L^-1 P times what they were. Communication: one broadcast for each block, of the panel from
    its diagonal block down and one word for each column.
    """
    local, blocks, m = columns.local, columns.blocks, columns.rows
    found = Elimination([], local.new_empty(min(m, width)), [])

    def shape(k: int) -> tuple[int, int]:
        return blocks[k].width, m - blocks[k].start + 1

    def factor(k: int) -> Tensor:
        panel = local[blocks[k].here, blocks[k].start :]
        factors, rows, _ = torch.linalg.lu_factor_ex(panel.mT)
        panel.copy_(factors.mT)
        message = local.new_zeros(shape(k))
        message[:, :-1] = panel
        message[: len(rows), -1] = rows  # beside the panel, in its type
        return message

    def note(k: int, panel: Tensor) -> None:
        start, r = blocks[k].start, min(panel.shape[0], panel.shape[1] - 1)
        pivots = [start - 1 + int(row) for row in panel[:r, -1].real.tolist()]
        found.pivots.extend(pivots)
        found.diagonal[start : start + r] = panel[:r, :r].diagonal()
        found.swaps.append(_swap(start, pivots, local))

    def apply(k: int, panel: Tensor, part: slice) -> None:
        start, r, rows = blocks[k].start, min(panel.shape[0], panel.shape[1] - 1), local[part]
        changed, before = found.swaps[k]
        rows.scatter_(1, changed.expand(len(rows), -1), rows.gather(1, before.expand(len(rows), -1)))
        upper = rows[:, start : start + r]
        corner, below = panel[:r, :r], panel[:r, r:-1]
        upper.copy_(torch.linalg.solve_triangular(corner, upper, upper=True, left=False, unitriangular=True))
        rows[:, start + r :].addmm_(upper, below, alpha=-1)

    steps = sum(block.start < min(m, width) for block in blocks)
    sweep(columns, steps, factor, shape, apply, note)
    return found


def exchange_below(columns: Columns, found: Elimination) -> Tensor:
    """Make the exchanges of rows that came after each block; which row of the matrix each row was in the end."""
    order = torch.arange(columns.rows, device=columns.local.device)
    for k in range(len(found.swaps) - 1, -1, -1):
        if columns.is_mine(k):
            part = columns.local[columns.blocks[k].here]
            part.copy_(part.gather(1, order.expand(len(part), -1)))
        changed, before = found.swaps[k]
        step = torch.arange(columns.rows, device=order.device)
        step[changed] = before
        order = step[order]
    return order


# --- factors ----------------------------------------------------------------------------------------------------------


def _factorise(x: DNDarray) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Both factors in the place of a single matrix, the exchanges, and which row each row was."""
    columns = cyclic(x)
    found = eliminate(columns, x.shape[1])
    order = exchange_below(columns, found)
    pivots = torch.tensor(found.pivots, dtype=torch.int32, device=order.device)
    replicated = [wrap(t, Layout(tuple(t.shape), x.layout.grid), x.comm) for t in (pivots, order)]
    return columns.collect(x.layout), *replicated  # type: ignore[return-value]


def _times_inverse_adjoint(x: DNDarray, u: DNDarray) -> DNDarray:
    """x u^-H."""
    return adjoint(solve_triangular(u, adjoint(x)))


def _gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    packed, g = found[0], grads[0]
    m, n = packed.shape
    k = min(m, n)
    corner, of_corner = (section(section(x, 0, 0, k), 1, 0, k) for x in (packed, g))
    of_l, of_u = tril(of_corner, -1), triu(of_corner)
    rest = []
    if m > n:
        below, of_below = (section(x, 0, n, m) for x in (packed, g))
        rest = [_times_inverse_adjoint(of_below, corner)]
        of_u = of_u - triu(adjoint(below) @ rest[0])
    elif n > m:
        beside, of_beside = (section(x, 1, m, n) for x in (packed, g))
        rest = [_lower(corner, of_beside, 2)]
        of_l = of_l - tril(rest[0] @ adjoint(beside), -1)
    lower = tril(corner, -1) + identity_like(corner)
    middle = tril(adjoint(lower) @ of_l, -1) + triu(of_u @ adjoint(triu(corner)))
    of_rows = concatenate([_times_inverse_adjoint(_lower(corner, middle, 2), corner), *rest], 0 if m > n else 1)
    back = torch.argsort(found[2].larray)
    return (of_rows[wrap(back, found[2].layout, found[2].comm)],)


def _lower(packed: DNDarray, b: DNDarray, trans: int = 0) -> DNDarray:
    return solve_triangular(packed, b, trans, lower=True, unit_diagonal=True)


def _order(pivots: Tensor, m: int) -> Tensor:
    """Which row each of `m` rows was, after the exchanges."""
    orders = []
    for row in pivots.flatten(0, -2).tolist() if pivots.ndim > 1 else [pivots.tolist()]:
        order = list(range(m))
        for i, j in enumerate(row):
            order[i], order[j] = order[j], order[i]
        orders.append(order)
    return torch.tensor(orders, device=pivots.device, dtype=torch.int64).reshape(*pivots.shape[:-1], m)


def lu_factor(a: Any) -> LUFactor:
    """The factors of P a = L U in one array, U on and above its diagonal, as `lu_solve` takes them.

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.

    Returns
    -------
    LUFactor
        `lu`, laid out as `a`; and `piv` of shape (..., min(m, n)): the row with which each row was exchanged, in turn,
        on every process, unless the leading axes are split.

    Cost, for a single n x n matrix that is split among p processes: 2/3 n^3 / p flops; two all-to-alls of n^2 / p words
    to deal it out in turn and back; a broadcast for each block of 128 columns (fewer if n < 512 p), n^2 / 2 words in
    all. Each process holds its part three times. Of stacks one redistribution if the matrices are split.

    Examples
    --------
    >>> import dndarray as dnd
    >>> factors = dnd.linalg.lu_factor(dnd.array([[1.0, 2.0], [2.0, 2.0]], split=0))
    >>> factors.lu.tolist(), factors.piv.tolist()
    ([[2.0, 2.0], [0.5, 1.0]], [1, 1])
    """
    x = as_matrices(a, "lu_factor")
    if is_distributed_matrix(x):
        return LUFactor(*differentiable(_factorise, _gradient)(x)[:2])

    def local(t: Tensor) -> tuple[Tensor, Tensor]:
        factors, pivots, _ = torch.linalg.lu_factor_ex(t)
        return factors, pivots - 1

    return LUFactor(*each(x, local, (-2, -1), (None,)))


def lu(a: Any, permute_l: bool = False, p_indices: bool = False) -> Any:
    """The factors a = P L U: a permutation, a lower triangular matrix with ones on its diagonal, an upper one.

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.
    permute_l : bool
        Whether to return P L and U.
    p_indices : bool
        Whether to return the permutation as the indices p with a = (L U)[p].

    Returns
    -------
    LUResult
        P of shape (..., m, m), or (..., m), L of shape (..., m, k) and U of shape (..., k, n), with k = min(m, n).
        A factor of the shape of `a` is laid out as `a`; otherwise L's rows as those of `a`, U's columns as those of
        `a`. Indices are on every process, unless the leading axes are split.

    Cost: as `lu_factor`; P L needs one more redistribution.

    Examples
    --------
    >>> import dndarray as dnd
    >>> p, l, u = dnd.linalg.lu(dnd.array([[1.0, 2.0], [2.0, 2.0]], split=0))
    >>> p.tolist(), l.tolist(), u.tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.5, 1.0]], [[2.0, 2.0], [0.0, 1.0]])
    """
    x = as_matrices(a, "lu")
    m, n = x.shape[-2:]
    k = min(m, n)
    packed, pivots = lu_factor(x)
    lower = tril(packed[..., :k], -1)
    lower = place(lower + identity_like(lower), x.layout, (-2, -1 if n <= m else None))
    upper = place(triu(packed[..., :k, :]), x.layout, (-2 if m <= n else None, -1))
    order = pivots.layout.derive((*pivots.shape[:-1], m), range(pivots.ndim))
    p = wrap(torch.argsort(_order(pivots.larray, m)), order, x.comm)
    if permute_l:
        return _rows(lower, p), upper
    if not p_indices:
        columns = place(arange(m, comm=x.comm, device=x.device), x.layout, (-1,))
        p = FUNCTIONS["equal"](place(p, x.layout, (-2,))[..., None], columns).astype(real_of(x.dtype))
    return LUResult(p, lower, upper)


def _rows(x: DNDarray, indices: DNDarray) -> DNDarray:
    """The rows of matrices in another order."""
    return x[..., indices, :] if indices.ndim == 1 else take_along_axis(x, indices[..., None], -2)


def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0) -> DNDarray:
    """The solutions x of a x = b from the factors of `a` that `lu_factor` gives.

    Parameters
    ----------
    lu_and_piv : LUFactor
        Split in any way.
    b : array_like of shape (n,) or (..., n, k)
        Split in any way.
    trans : {0, 1, 2}
        Solve a x = b, a^T x = b or a^H x = b.

    Returns
    -------
    DNDarray of the shape of `b`
        Laid out as `b`.

    Cost: two of `solve_triangular`, and one all-to-all to bring the rows of `b` into the order of the pivots.

    Raises
    ------
    LinAlgError
        On every process, if a pivot is 0 or NaN.
    """
    if trans not in (0, 1, 2):
        raise ValueError(f"`trans` (={trans!r}) must be 0, 1 or 2")
    factors, b = equations("lu_solve", lu_and_piv[0], b)
    pivots = as_operand(lu_and_piv[1], factors.comm, factors.device)
    if pivots.shape != factors.shape[:-1]:
        raise ValueError(f"lu_solve of shapes {factors.shape} and {pivots.shape}: there must be a pivot for every row")
    if b.ndim == 1:
        return lu_solve((factors, pivots), b[:, None], trans)[..., 0]
    if factors.ndim > 2:
        b = broadcast_to(b, (*broadcast_shapes(factors.shape[:-2], b.shape[:-2]), *b.shape[-2:]))
    whole = pivots.layout.whole_along(pivots.ndim - 1)
    order = _order(move(pivots.larray, pivots.layout, whole, pivots.comm), factors.shape[-1])
    if trans:
        y = solve_triangular(factors, solve_triangular(factors, b, trans), trans, lower=True, unit_diagonal=True)
        return _rows(y, wrap(torch.argsort(order), whole, pivots.comm))
    y = _rows(b, wrap(order, whole, pivots.comm))
    return solve_triangular(factors, _lower(factors, y))
