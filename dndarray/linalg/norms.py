"""Norms of vectors and matrices, and what is made of singular values: condition, rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray
from ..elementwise import FUNCTIONS, as_operand
from ..layout import normalize_axes, normalize_axis
from ..manipulation import expand_dims, moveaxis, squeeze
from ..reduction import check_nonempty, join, plan, wrap_reduced
from ..types import finfo, kind, real_of
from .matrices import as_matrices, each, is_distributed_matrix
from .solvers import inv
from .spectral import svd, svdvals

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

_INFINITE = (math.inf, -math.inf)


def _floating(x: Any) -> DNDarray:
    x = as_operand(x)
    return x if kind(x.dtype) > 1 else x.astype(torch.float64)


def _local_norm(x: Tensor, order: float, axes: tuple[int, ...]) -> Tensor:
    """The norm over axes that are kept, of a part that may be empty."""
    if not axes:
        return (x != 0).to(real_of(x.dtype)) if order == 0 else x.abs()
    if any(x.shape[a] == 0 for a in axes):
        shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
        return x.abs().new_full(shape, math.inf if order < 0 else 0.0) + x.abs().sum()
    return torch.linalg.vector_norm(x, order, axes, keepdim=True)


def vector_norm(
    x: Any, /, *, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: float = 2
) -> DNDarray:
    """The norm of the elements along axes, or of all: (sum of abs(x) ** ord) ** (1 / ord).

    Parameters
    ----------
    x : array_like
        Split in any way.
    axis : int or tuple of int, optional
        The axes of the vectors, all by default. They vanish, the others keep their split.
    keepdims : bool
        Keep them, with size 1.
    ord : float
        inf and -inf stand for the largest and the smallest absolute value, 0 for how many are not 0.

    Communication: one all-reduce if one of the axes is split, otherwise none.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.linalg.vector_norm(dnd.array([3.0, 4.0], split=0)).item()
    5.0
    """
    x = _floating(x)
    if isinstance(ord, str) or ord is None:
        raise ValueError(f"`ord` (={ord!r}) of a vector norm must be a number")
    p = plan(x.layout, normalize_axes(axis, x.ndim), keepdims)
    if ord == -math.inf:
        check_nonempty(x, p.axes, "vector_norm")
    result = _local_norm(x.larray, ord, p.axes)
    if p.grid_axes and ord in _INFINITE:
        result = join(result, p, x.comm, x.layout.grid, "max" if ord > 0 else "min")
    elif p.grid_axes:
        power = 1 if ord == 0 else ord
        total = join(result**power, p, x.comm, x.layout.grid, "sum")
        zero = total == 0  # where a root has no slope
        result = torch.where(zero, math.inf if power < 0 else 0.0, torch.where(zero, 1, total) ** (1 / power))
    return wrap_reduced(result, p, x.comm)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> DNDarray:
    """The norm of matrices, in the last two axes.

    Parameters
    ----------
    x : array_like of shape (..., m, n)
        Split in any way.
    keepdims : bool
        Keep the last two axes, with size 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        The root of the sum of squares; the sum of the singular values; the largest or smallest sum of absolute values
        of a column (1, -1) or of a row (inf, -inf); the largest or smallest singular value (2, -2).

    Communication: at most two all-reduces if the matrices are split; for singular values that of `svdvals`.
    """
    x = _floating(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_norm takes matrices, in two dimensions or more, not shape {x.shape}")
    return _matrix_norm(x, ord, -2, -1, keepdims)


def _matrix_norm(x: DNDarray, order: Any, row: int, column: int, keepdims: bool) -> DNDarray:
    row, column = normalize_axis(row, x.ndim), normalize_axis(column, x.ndim)
    if row == column:
        raise ValueError(f"the axes of a matrix must be two, not {row} twice")
    if order in (None, "fro", "f"):
        return vector_norm(x, axis=(row, column), keepdims=keepdims)
    if order in (2, -2, "nuc"):
        values = svdvals(moveaxis(x, (row, column), (-2, -1)))
        if order == -2:
            check_nonempty(values, (values.ndim - 1,), "norm")
            result = FUNCTIONS["min"](values, -1)
        else:
            result = FUNCTIONS["sum"](values, -1) if order == "nuc" else FUNCTIONS["max"](values, -1, initial=0)
        return expand_dims(result, (row, column)) if keepdims else result
    if order in (1, -1):
        added, other = row, column
    elif order in _INFINITE:
        added, other = column, row
    else:
        raise ValueError(f"`ord` (={order!r}) of a matrix norm must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    sums = vector_norm(x, axis=added, keepdims=True, ord=1)
    largest = vector_norm(sums, axis=other, keepdims=True, ord=math.inf if order > 0 else -math.inf)
    return largest if keepdims else squeeze(largest, (row, column))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> DNDarray:
    """The norm of vectors (one axis) or matrices (two axes); without `ord` the root of the sum of all squares.

    Parameters
    ----------
    x : array_like
        Split in any way.
    ord : optional
        As in `vector_norm` or `matrix_norm`.
    axis : int or pair of int, optional
        The axes; all by default, which must be one or two if `ord` is given.
    keepdims : bool
        Keep them, with size 1.

    Communication: as `vector_norm` and `matrix_norm`.
    """
    x = _floating(x)
    axes = normalize_axes(axis, x.ndim)
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) == 2:
        return _matrix_norm(x, ord, *axes, keepdims)
    raise ValueError(f"norm takes vectors or matrices, one or two axes, not {len(axes)}: name them in `axis`")


# --- condition and rank -----------------------------------------------------------------------------------------------


def _inverse_or_nan(x: DNDarray) -> DNDarray:
    """The inverses of matrices, NaN of singular ones."""
    if is_distributed_matrix(x):
        try:
            return inv(x)
        except LinAlgError:
            return FUNCTIONS["multiply"](x, math.nan)

    def local(t: Tensor) -> Tensor:
        inverse, info = torch.linalg.inv_ex(t)
        return torch.where(info[..., None, None] == 0, inverse, math.nan)

    return each(x, local, (-2, -1))


def cond(x: Any, p: Any = None) -> DNDarray:
    """The condition number of matrices: norm(x, p) * norm(inv(x), p), inf for singular ones.

    By default `p` is 2, the largest over the smallest singular value. Communication: as `svdvals`; for other `p` as
    `inv` and `norm`.
    """
    x = as_matrices(x, "cond", square=p not in (None, 2, -2))
    if 0 in x.shape[-2:]:
        raise LinAlgError(f"matrices without elements, of shape {x.shape}, have no condition number")
    if p in (None, 2, -2):
        values = svdvals(x)
        given, last = values[..., 0], values[..., -1]
        ratio = last / given if p == -2 else given / last
    else:
        given = norm(x, p, (-2, -1))
        ratio = given * norm(_inverse_or_nan(x), p, (-2, -1))
    singular = FUNCTIONS["greater"](FUNCTIONS["isnan"](ratio), FUNCTIONS["isnan"](given))
    return FUNCTIONS["where"](singular, math.inf, ratio)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> DNDarray:
    """How many singular values of matrices are larger than `tol`; of vectors and numbers whether any element is not 0.

    By default `tol` is `rtol` times the largest singular value, and `rtol` the larger number of rows and columns times
    the spacing of floating numbers at 1. Communication: as `svdvals`.
    """
    if tol is not None and rtol is not None:
        raise ValueError("give `tol` or `rtol`, not both")
    x = as_operand(A)
    if x.ndim < 2:
        return FUNCTIONS["any"](FUNCTIONS["not_equal"](x, 0)).astype(torch.int64)
    x = as_matrices(x, "matrix_rank", square=hermitian)
    values = svd(x, compute_uv=False, hermitian=hermitian)
    if tol is not None:
        limit = _column(tol, x)
    else:
        relative = max(x.shape[-2:]) * finfo(x.dtype).eps if rtol is None else _column(rtol, x)
        limit = FUNCTIONS["max"](values, -1, initial=0, keepdims=True) * relative
    return FUNCTIONS["count_nonzero"](FUNCTIONS["greater"](values, limit), -1)


def _column(limit: Any, x: DNDarray) -> DNDarray:
    """A limit for each matrix, beside its singular values."""
    return as_operand(limit, x.comm, x.device)[..., None]
