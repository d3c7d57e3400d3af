"""Averages, covariances and higher moments.

Layouts: what is reduced vanishes, other axes keep their split; a covariance is split as the product of matrices is.
Gradients go through all of them.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray
from .contraction import matmul
from .diagonals import diagonal
from .elementwise import FUNCTIONS, as_operand
from .layout import normalize_axes
from .logic import clip, where
from .manipulation import broadcast_to, concatenate, expand_dims, reshape, squeeze, transpose
from .moments import mean
from .reduction import Axis, join, plan, wrap_reduced
from .types import kind, promote_types

__all__ = ["average", "corrcoef", "cov", "kurtosis", "nancumprod", "nancumsum", "skew"]

_add, _subtract, _multiply, _divide = (FUNCTIONS[name] for name in ("add", "subtract", "multiply", "divide"))
_sum, _any, _all = (FUNCTIONS[name] for name in ("sum", "any", "all"))


# --- weights ----------------------------------------------------------------------------------------------------------


def aligned_weights(weights: Any, x: DNDarray, axis: Axis) -> DNDarray:
    """Weights that broadcast to `x`: of its shape, or of the shape of the axes named."""
    weights = as_operand(weights, x.comm, x.device)
    if weights.shape == x.shape:
        return weights
    if axis is None:
        raise TypeError(
            f"`axis` must be given if `weights` have another shape {weights.shape} than the array {x.shape}"
        )
    axes = normalize_axes(axis, x.ndim)
    if weights.shape != tuple(x.shape[a] for a in axes):
        raise ValueError(
            f"`weights` of shape {weights.shape} must have the shape {x.shape} of the array, or that of its `axis` "
            f"(={axis}), {tuple(x.shape[a] for a in axes)}"
        )
    weights = transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
    return expand_dims(weights, [a for a in range(x.ndim) if a not in axes])


def average(x: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The mean, each element weighted.

    Parameters
    ----------
    x : array_like
        Split in any way.
    axis : int or tuple of int, optional
        The axes to reduce; all of them by default. They vanish, the others keep their split.
    weights : array_like, optional
        Of the shape of `x`, or of the axes to reduce; split in any way. ZeroDivisionError if they add up to zero.
    returned : bool
        Whether to give the sum of the weights, too.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Communication: as `mean` without weights; with them two all-reduces if a reduced axis is split, what brings the
    weights beside the array, and one all-reduce for the check of their sum.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.average(dnd.array([1.0, 2.0, 6.0], split=0), weights=[1, 1, 2]).item()
    3.75
    """
    x = as_operand(x)
    axis = axis if axis is None else normalize_axes(axis, x.ndim)
    if weights is None:
        result = mean(x, axis, keepdims=keepdims)
        total = as_operand(torch.tensor(x.size / result.size, dtype=result.dtype), x.comm, x.device)
    else:
        weights = aligned_weights(weights, x, axis)
        dtype = promote_types(x.dtype, weights.dtype)
        dtype = dtype if kind(x.dtype) >= 2 else promote_types(dtype, torch.float64)
        total = _sum(weights, axis, dtype, keepdims=keepdims)
        if bool(_any(FUNCTIONS["equal"](total, 0))):
            raise ZeroDivisionError(f"`weights` add up to zero along `axis` (={axis})")
        result = _divide(_sum(_multiply(x, weights, dtype=dtype), axis, keepdims=keepdims), total)
    return (result, broadcast_to(total, result.shape)) if returned else result


# --- covariance -------------------------------------------------------------------------------------------------------


def _matrix(x: DNDarray, rowvar: bool) -> DNDarray:
    """Variables in rows."""
    if x.ndim > 2:
        raise ValueError(f"an array of {x.ndim} dimensions has no covariance; two are the most")
    if x.ndim < 2:
        return reshape(x, (1, x.size)) if x.ndim == 0 else expand_dims(x, 0)
    return x if rowvar else transpose(x)


def _sample_weights(weights: Any, n: int, name: str, x: DNDarray, integers: bool) -> DNDarray:
    weights = as_operand(weights, x.comm, x.device).astype(torch.float64)
    if weights.ndim != 1 or weights.size != n:
        raise RuntimeError(
            f"`{name}` must be one number for each of the {n} observations, not of shape {weights.shape}"
        )
    if integers and not bool(_all(FUNCTIONS["equal"](weights, FUNCTIONS["rint"](weights)))):
        raise TypeError(f"`{name}` must be integers")
    if bool(_any(FUNCTIONS["less"](weights, 0))):
        raise ValueError(f"`{name}` must not be negative")
    return weights


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> DNDarray:
    """The covariance matrix of variables.

    Parameters
    ----------
    m, y : array_like
        Variables in rows, observations in columns (the other way unless `rowvar`); `y` holds more variables. Split in
        any way.
    bias : bool
        Whether to divide by the number of observations, not by one less.
    ddof : int, optional
        What is taken from the number of observations to divide by; overrides `bias`.
    fweights, aweights : array_like, optional
        How often each observation was made, and how much it counts.
    dtype : optional
        The type to compute in; double precision by default.

    The result is split as `matmul` splits it. Communication: one all-reduce for the means and one `matmul`, which is
    one all-reduce where the observations are split; two or three all-reduces more for each kind of weights.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.cov(dnd.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], split=1)).tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"`ddof` (={ddof}) must be an integer")
    m = as_operand(m)
    x = _matrix(m, rowvar)
    if y is not None:
        y = as_operand(y, m.comm, m.device)
        y = _matrix(y, rowvar or y.ndim == 2 and y.shape[0] == 1)
    if dtype is None:
        dtype = promote_types(promote_types(m.dtype, torch.float64), m.dtype if y is None else y.dtype)
    if x.shape[0] == 0:
        return as_operand(torch.zeros(0, 0, dtype=torch.float64), m.comm, m.device)
    x = x.astype(dtype)
    if y is not None:
        x = concatenate([x, y.astype(dtype)])
    n = x.shape[1]
    ddof = (0 if bias else 1) if ddof is None else int(ddof)
    f = None if fweights is None else _sample_weights(fweights, n, "fweights", x, True)
    a = None if aweights is None else _sample_weights(aweights, n, "aweights", x, False)
    weights = f if a is None else a if f is None else _multiply(f, a)
    x = _subtract(x, average(x, 1, weights, keepdims=True))
    if weights is None:
        freedom = float(n - ddof)
        right = x
    else:
        total = _sum(weights).item()
        excess = ddof if a is None or ddof == 0 else ddof * _sum(_multiply(weights, a)).item() / total
        freedom = total - excess
        right = _multiply(x, weights)
    if freedom <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
    factor = 1 / freedom if freedom > 0 else math.inf
    return squeeze(_multiply(matmul(x, FUNCTIONS["conj"](transpose(right))), factor))


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> DNDarray:
    """The correlation coefficients of variables. Arguments, layout and communication as `cov`.

    >>> import dndarray as dnd
    >>> dnd.corrcoef(dnd.array([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]], split=1)).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return _divide(c, c)
    deviation = FUNCTIONS["sqrt"](FUNCTIONS["real"](diagonal(c)))
    c = _divide(_divide(c, expand_dims(deviation, 1)), expand_dims(deviation, 0))
    if not c.dtype.is_complex:
        return clip(c, -1, 1)
    real, imag = (clip(FUNCTIONS[part](c), -1, 1) for part in ("real", "imag"))
    return _add(real, _multiply(imag, 1j))


# --- higher moments ---------------------------------------------------------------------------------------------------


def _standardized(x: Any, order: int, axis: Axis, keepdims: bool, nan_policy: str) -> tuple[DNDarray, int]:
    """The central moment of this order in units of the standard deviation, NaN where that is nothing but rounding;
    and the number of elements."""
    if nan_policy != "propagate":
        raise ValueError(f"`nan_policy` (={nan_policy!r}) must be 'propagate'; select what is not NaN before")
    x = as_operand(x)
    x = x if kind(x.dtype) >= 2 else x.astype(torch.float64)
    if x.dtype.is_complex:
        raise TypeError(f"skewness and kurtosis are of real numbers, not of {x.dtype}")
    p = plan(x.layout, normalize_axes(axis, x.ndim), keepdims)
    n = math.prod(x.shape[a] for a in p.axes)
    center = mean(x, p.axes, keepdims=True)
    deviation = _subtract(x, center).larray

    def total(power: int) -> Tensor:
        return (deviation**power).sum(p.axes, keepdim=True) if p.axes else deviation**power

    sums = join(torch.stack([total(power) for power in range(1, order + 1)]), p, x.comm, x.layout.grid, "sum")
    raw = [1.0, *(sums / n if n else sums * math.nan)]

    def central(power: int) -> Tensor:
        """About the mean itself, from which `center` differs by rounding."""
        return sum(math.comb(power, j) * (-raw[1]) ** (power - j) * raw[j] for j in range(power + 1))

    variance, moment = central(2), central(order)
    rounding = (torch.finfo(x.dtype).eps * center.larray) ** 2
    # A constant has no gradient, but what is divided by its variance would have: NaN.
    some = variance > rounding
    ratio = moment / torch.where(some, variance, 1.0) ** (order / 2)
    return wrap_reduced(torch.where(some, ratio, math.nan), p, x.comm), n


def skew(
    x: Any, axis: Axis = 0, bias: bool = True, nan_policy: str = "propagate", *, keepdims: bool = False
) -> DNDarray:
    """The skewness, as SciPy defines it: the third central moment in units of the standard deviation.

    Parameters
    ----------
    x : array_like
        Split in any way.
    axis : int or tuple of int, or None
        The axes to reduce, None for all. They vanish, the others keep their split.
    bias : bool
        False corrects for the bias of the moments of a sample.
    nan_policy : "propagate"
        Where there is NaN, the result is NaN.
    keepdims : bool
        Keep the reduced axes, with size 1.

    The deviations from the mean are formed first, so that nothing cancels; they take as much memory as `x` does.
    Communication: two all-reduces if a reduced axis is split.
    """
    ratio, n = _standardized(x, 3, axis, keepdims, nan_policy)
    return ratio if bias or n <= 2 else _multiply(ratio, math.sqrt((n - 1) * n) / (n - 2))


def kurtosis(
    x: Any,
    axis: Axis = 0,
    fisher: bool = True,
    bias: bool = True,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> DNDarray:
    """The kurtosis, as SciPy defines it: the fourth central moment over the variance squared.

    `fisher` subtracts 3, the kurtosis of normal numbers. Otherwise as `skew`.
    """
    ratio, n = _standardized(x, 4, axis, keepdims, nan_policy)
    if not bias and n > 3:
        ratio = _subtract(
            _multiply(ratio, (n**2 - 1) / ((n - 2) * (n - 3))), 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)) - 3
        )
    return _subtract(ratio, 3) if fisher else ratio


# --- scans ------------------------------------------------------------------------------------------------------------


def _filled(x: Any, neutral: int) -> DNDarray:
    x = as_operand(x)
    return x if kind(x.dtype) < 2 else where(FUNCTIONS["isnan"](x), neutral, x)


def nancumsum(x: Any, axis: int | None = None, dtype: Any = None, out: DNDarray | None = None) -> DNDarray:
    """As `cumsum`, with NaN as zero."""
    return FUNCTIONS["cumsum"](_filled(x, 0), axis, dtype, out)


def nancumprod(x: Any, axis: int | None = None, dtype: Any = None, out: DNDarray | None = None) -> DNDarray:
    """As `cumprod`, with NaN as one."""
    return FUNCTIONS["cumprod"](_filled(x, 1), axis, dtype, out)
