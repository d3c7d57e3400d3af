"""Determinants, inverses, and systems of linear equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..contraction import conjugated, operands
from ..diagonals import eye
from ..elementwise import FUNCTIONS
from ..layout import Layout
from ..manipulation import moveaxis, ravel, reshape
from ..types import finfo, promote_types
from .adjoints import differentiable
from .block_cyclic import cyclic
from .elimination import Elimination, eliminate
from .factorizations import cholesky
from .matrices import adjoint, as_matrices, check_finite, each, each_with, inexact, is_distributed_matrix, place
from .spectral import svd
from .triangular import equations, in_columns, solve_triangular, substitute

__all__ = ["cho_factor", "cho_solve", "det", "inv", "lstsq", "pinv", "slogdet", "solve", "tensorinv", "tensorsolve"]


class SlogdetResult(NamedTuple):
    sign: DNDarray
    logabsdet: DNDarray


# --- determinants and inverses ----------------------------------------------------------------------------------------


def _pivots(x: DNDarray) -> Elimination:
    return eliminate(cyclic(x), x.shape[1])


def _replicated(value: Tensor, x: DNDarray) -> DNDarray:
    return wrap(value, Layout((), x.layout.grid), x.comm)


def _det(x: DNDarray) -> DNDarray:
    found = _pivots(x)
    return _replicated(found.diagonal.prod() * found.sign, x)


def _det_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    return (conjugated(found[0]) * grads[0] * adjoint(inv(given[0])),)


def det(a: Any) -> DNDarray:
    """The determinants of matrices.

    Cost: as `lu_factor`, without bringing the factors back. The gradient at a singular single matrix that is split is
    an error.
    """
    x = as_matrices(a, "det", square=True)
    return differentiable(_det, _det_gradient)(x) if is_distributed_matrix(x) else each(x, torch.linalg.det, ())


def _slogdet(x: DNDarray) -> tuple[DNDarray, DNDarray]:
    found = _pivots(x)
    sign = found.diagonal.sgn().prod() * found.sign
    return _replicated(sign, x), _replicated(found.diagonal.abs().log().sum(), x)


def _slogdet_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    """Of log(det) = logabsdet + i phase; the sign is exp(i phase), and of real matrices constant."""
    g = grads[1]
    if given[0].dtype.is_complex:
        phase = (conjugated(found[0]) * grads[0]).imag
        g = g.astype(given[0].dtype) + 1j * phase
    return (g * adjoint(inv(given[0])),)


def slogdet(a: Any) -> SlogdetResult:
    """The signs of determinants and the logarithms of their absolute values. Cost: as `det`."""
    x = as_matrices(a, "slogdet", square=True)
    if is_distributed_matrix(x):
        return SlogdetResult(*differentiable(_slogdet, _slogdet_gradient)(x))
    return SlogdetResult(*each(x, torch.linalg.slogdet, (), ()))


def _inv(x: DNDarray) -> DNDarray:
    identity = eye(len(x), dtype=x.dtype, split=0, comm=x.comm, device=x.device)
    return _eliminated(x, identity, x.layout)


def _inv_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    return (-(adjoint(found[0]) @ grads[0] @ adjoint(found[0])),)


def inv(a: Any) -> DNDarray:
    """The inverses of matrices, laid out as `a`.

    Cost, for a single n x n matrix that is split among p processes: 8/3 n^3 / p flops; two all-to-alls of 2 n^2 / p and
    n^2 / p words; two broadcasts for each block of 128 columns (fewer if n < 512 p), n^2 words in all. Each process
    holds its part five times. Of stacks as `lu_factor`, and one message to agree on errors.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is singular or has elements that are infinite or NaN.
    """
    x = as_matrices(a, "inv", square=True)
    if is_distributed_matrix(x):
        return differentiable(_inv, _inv_gradient)(x)
    return each(x, lambda t: torch.linalg.inv(check_finite(t)), (-2, -1))


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


def _eliminated(a: DNDarray, b: DNDarray, target: Layout) -> DNDarray:
    """The solution of a x = b, two matrices beside each other, in layout `target`."""
    columns = cyclic(a, b)
    n = len(a)
    if eliminate(columns, n).is_singular:
        raise LinAlgError("the matrix is singular, or has elements that are infinite or NaN")
    of_a = sum(block.start < n for block in columns.blocks)
    right = columns.local[columns.own[of_a] :]
    substitute(columns, of_a, right, lower=False, transposed=False, unit=False)
    return columns.collect(target, of_a)


def _solve_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray, DNDarray]:
    of_b = solve(adjoint(given[0]), grads[0])
    return -(of_b @ adjoint(found[0])), of_b


def _solve_local(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.solve(check_finite(a), b)


def solve(a: Any, b: Any, assume_a: str = "gen") -> DNDarray:
    """The solutions x of a x = b.

    Parameters
    ----------
    a : array_like of shape (..., m, m)
        Split in any way.
    b : array_like of shape (m,) or (..., m, k)
        Split in any way; leading axes broadcast with those of `a`.
    assume_a : {"gen", "pos"}
        Any matrix, or one that is Hermitian and positive definite, of which the lower triangle is looked at: half the
        work.

    Returns
    -------
    DNDarray of shape (..., m) or (..., m, k)
        Laid out as `b`; of stacks and of a replicated `a` dealt out along a leading axis, or k, where the work is.

    Cost, for a single `a` that is split among p processes: LU with partial pivoting, (2/3 m^3 + 2 m^2 k) / p flops; two
    all-to-alls, of `a` and `b` and of the solution; two broadcasts for each block of 128 columns (fewer if m < 512 p),
    m^2 words in all. Each process holds its parts three times. Otherwise one redistribution of `a`, so that its
    matrices are whole, and one of `b`, so that its columns are, where they are not; one message to agree on errors.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is singular or not positive definite, or has elements that are infinite or NaN.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a = dnd.array([[3.0, 1.0], [1.0, 2.0]], split=0)
    >>> [round(v, 6) for v in dnd.linalg.solve(a, dnd.array([9.0, 8.0])).tolist()]
    [2.0, 3.0]
    """
    if assume_a not in ("gen", "pos"):
        raise ValueError(f"`assume_a` (={assume_a!r}) must be 'gen' or 'pos'")
    a, b = equations("solve", a, b)
    if assume_a == "pos":
        return cho_solve((cholesky(a), True), b)
    if is_distributed_matrix(a):
        return in_columns(differentiable(lambda a, b: _eliminated(a, b, b.layout), _solve_gradient), a, b)
    if b.ndim == 1:
        return each_with(a, b[:, None], _solve_local)[..., 0]
    return each_with(a, b, _solve_local)


def cho_factor(a: Any, lower: bool = False) -> tuple[DNDarray, bool]:
    """The Cholesky factor of positive definite matrices and which triangle it is, as `cho_solve` takes them.

    Cost and errors: as `cholesky`. The other triangle is 0.
    """
    return cholesky(a, upper=not lower), bool(lower)


def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> DNDarray:
    """The solutions x of a x = b from the Cholesky factor of `a` that `cho_factor` gives, laid out as `b`.

    Cost: two of `solve_triangular`.
    """
    factor, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(factor, solve_triangular(factor, b, first, lower), second, lower)


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
