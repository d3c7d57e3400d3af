"""Determinants, inverses, and systems of linear equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError

from ..array import DNDarray, same_comm, wrap
from ..broadcasting import align_to, common_layout, operand_layout
from ..collectives import use_in_split
from ..contraction import operands
from ..elementwise import FUNCTIONS
from ..manipulation import moveaxis, ravel, reshape
from ..redistribution import move
from ..types import finfo, promote_types
from .matrices import adjoint, as_matrices, each, inexact, place, solvable
from .spectral import svd

__all__ = ["det", "inv", "lstsq", "pinv", "slogdet", "solve", "tensorinv", "tensorsolve"]


class SlogdetResult(NamedTuple):
    sign: DNDarray
    logabsdet: DNDarray


# --- determinants and inverses ----------------------------------------------------------------------------------------


def det(a: Any) -> DNDarray:
    """The determinants of matrices.

    Communication: of stacks one redistribution if the matrices are split, and one to agree on errors; a single matrix
    that is split is brought to every process.
    """
    return each(as_matrices(a, "det", square=True), torch.linalg.det, ())


def slogdet(a: Any) -> SlogdetResult:
    """The signs of determinants and the logarithms of their absolute values. Communication: as `det`."""
    return SlogdetResult(*each(as_matrices(a, "slogdet", square=True), torch.linalg.slogdet, (), ()))


def inv(a: Any) -> DNDarray:
    """The inverses of matrices, laid out as `a`. Communication: as `det`.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is singular.
    """
    return each(as_matrices(a, "inv", square=True), torch.linalg.inv, (-2, -1))


_UNSET = object()


def _inverse_of_large(values: DNDarray, relative: Any) -> DNDarray:
    """One over those singular values that are larger than `relative` times the largest, 0 for the others."""
    large = FUNCTIONS["greater"](values, values[..., :1] * relative)
    one_or_more = FUNCTIONS["where"](large, values, 1)
    return FUNCTIONS["where"](large, 1 / one_or_more, 0)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSET) -> DNDarray:
    """The Moore-Penrose pseudo-inverses of matrices: of shape (..., n, m) for (..., m, n).

    Parameters
    ----------
    a : array_like
        Split in any way.
    rcond, rtol : array_like of float, optional
        Singular values up to this times the largest one count as 0: 1e-15 by default, and for `rtol` None the larger
        number of rows and columns times the spacing of floating numbers at 1.
    hermitian : bool
        Whether to take the matrices to be Hermitian.

    Communication: as `svd` without `full_matrices`; a tall matrix split along its rows gives a result split along its
    columns.
    """
    if rcond is not None and rtol is not _UNSET:
        raise ValueError("give `rcond` or `rtol`, not both")
    x = as_matrices(a, "pinv", square=hermitian)
    given = rcond if rtol is _UNSET else rtol
    if given is None:
        given = 1e-15 if rtol is _UNSET else max(x.shape[-2:]) * finfo(x.dtype).eps
    (relative,) = operands(given)
    u, s, vh = svd(x, full_matrices=False, hermitian=hermitian)
    inverse = _inverse_of_large(s, relative.astype(s.dtype)[..., None])
    return adjoint(vh) @ (inverse[..., None] * adjoint(u))


# --- equations --------------------------------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> DNDarray:
    """The solutions x of a x = b.

    Parameters
    ----------
    a : array_like of shape (..., m, m)
        Split in any way.
    b : array_like of shape (m,) or (..., m, k)
        Split in any way; leading axes broadcast with those of `a`.

    Returns
    -------
    DNDarray of shape (..., m) or (..., m, k)
        Dealt out along a leading axis, or along k, where the work is; otherwise as `b`.

    Communication: one redistribution of `a`, so that its matrices are whole, and one of `b`, so that its columns are,
    where they are not; one to agree on errors. A single matrix `a` that is split is brought to every process.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is singular.
    """
    a, b = operands(a, b)
    comm = same_comm([a, b])
    if b.ndim == 1:
        return solve(a, b[:, None])[..., 0]
    dtype = promote_types(inexact(a.dtype, "solve"), inexact(b.dtype, "solve"))
    a, b = as_matrices(a, "solve", square=True).astype(dtype, copy=False), b.astype(dtype, copy=False)
    if b.ndim == 0 or b.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve of shapes {a.shape} and {b.shape}: `b` must have as many rows as `a`")
    stack = a.layout.whole_along(a.ndim - 2, a.ndim - 1)
    stack = stack.derive((*a.shape[:-2], 1, 1), range(a.ndim))
    columns = b.layout.whole_along(b.ndim - 2)
    layout = common_layout(stack, columns)
    # The matrices are dealt out along the leading axes only, and with them, or with the columns, the work.
    leading = layout.derive(layout.shape[:-2], [*range(layout.ndim - 2), None, None])
    whole, _ = operand_layout(a.shape[:-2], leading)
    whole = whole.derive(a.shape, range(a.ndim - 2))
    shared = [g for g, axis in enumerate(layout.axes) if axis is not None and whole.axes[g] is None]
    matrices = use_in_split(move(a.larray, a.layout, whole, comm), comm.along(layout.grid, shared))
    right = align_to(b.larray, b.layout, layout, comm).expand(layout.lshape(comm.rank))
    with solvable(layout, comm):
        result = torch.linalg.solve(matrices, right)
    return place(wrap(result, layout, comm), b.layout, (-2, -1))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[DNDarray, DNDarray, int, DNDarray]:
    """The x of least norm for which the norm of b - a x is least.

    Parameters
    ----------
    a : array_like of shape (m, n)
        Split in any way.
    b : array_like of shape (m,) or (m, k)
        Split in any way.
    rcond : float, optional
        Singular values up to this times the largest one count as 0: the larger of m and n times the spacing of
        floating numbers at 1 by default.

    Returns
    -------
    x : DNDarray of shape (n,) or (n, k)
        Its rows laid out as the columns of `a`, or else its columns as those of `b`.
    residuals : DNDarray of shape (k,)
        Sums of squares of b - a x; empty if the rank is less than n, or m is not more than n.
    rank : int
    s : DNDarray
        The singular values, on every process.

    Communication: that of `svd` without `full_matrices`, two contractions and one all-reduce. A tall `a` split along
    its rows stays where it is.

    Examples
    --------
    >>> import dndarray as dnd
    >>> t = dnd.arange(6.0, split=0)
    >>> x, *_ = dnd.linalg.lstsq(dnd.stack([t, dnd.ones_like(t)], 1), 2 * t + 1)
    >>> [round(v, 3) for v in x.tolist()]
    [2.0, 1.0]
    """
    a, b = operands(a, b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise LinAlgError(f"lstsq takes (m, n) and (m,) or (m, k), not shapes {a.shape} and {b.shape}")
    dtype = promote_types(inexact(a.dtype, "lstsq"), inexact(b.dtype, "lstsq"))
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    m, n = a.shape
    right = b[:, None] if b.ndim == 1 else b
    u, s, vh = svd(a, full_matrices=False)
    eps = finfo(dtype).eps
    inverse = _inverse_of_large(s, eps * max(m, n) if rcond is None else rcond if rcond >= 0 else eps)
    x = adjoint(vh) @ (inverse[:, None] * (adjoint(u) @ right))
    rank = int(FUNCTIONS["count_nonzero"](inverse))
    x = place(x, a.layout, (-1, None)) if 1 in a.layout.axes else place(x, right.layout, (None, -1))
    residuals = FUNCTIONS["sum"](FUNCTIONS["abs"](right - a @ x) ** 2, 0)
    return x[:, 0] if b.ndim == 1 else x, residuals if rank == n < m else residuals[:0], rank, s


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> DNDarray:
    """The x with tensordot(a, x, x.ndim) = b; `axes` of `a` are first moved to its end.

    Communication: as `reshape` and `solve`.
    """
    a, b = operands(a, b)
    for axis in axes or ():
        a = moveaxis(a, axis, -1)
    shape = a.shape[b.ndim :]
    n = math.prod(shape)
    if a.size != n**2 or b.size != n:
        raise LinAlgError(
            f"tensorsolve of shapes {a.shape} and {b.shape}: `a` must have as many elements after those of `b`"
        )
    return reshape(solve(reshape(a, (n, n)), ravel(b)), shape)


def tensorinv(a: Any, ind: int = 2) -> DNDarray:
    """The inverse of tensordot(a, ., ind), whose first `ind` axes are the last ones of the result.

    Communication: as `reshape` and `inv`.
    """
    (a,) = operands(a)
    if ind <= 0:
        raise ValueError(f"`ind` (={ind}) must be positive")
    rows = math.prod(a.shape[:ind])
    columns = math.prod(a.shape[ind:])
    return reshape(inv(reshape(a, (rows, columns))), (*a.shape[ind:], *a.shape[:ind]))
