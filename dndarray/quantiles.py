"""Medians, percentiles and quantiles.

Layouts: as in a reduction, the reduced axes vanish and the others keep their split; the axes of `q` come first.
Nothing is sorted across processes: the few elements that a quantile depends on are found by selection
(`order_statistics`). Gradients go to these elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .along_axis import take_along_axis
from .array import DNDarray, wrap
from .elementwise import FUNCTIONS, as_operand, store
from .layout import normalize_axes
from .logic import clip, where
from .manipulation import broadcast_to, concatenate, moveaxis, reshape
from .order_statistics import Rows, by_rows
from .reduction import Axis, plan
from .sorting import argsort
from .statistics import aligned_weights
from .types import kind, promote_types, wide_of

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]


# --- the methods ------------------------------------------------------------------------------------------------------


class _Method(NamedTuple):
    """Where a quantile lies among n sorted elements (Hyndman and Fan, 1996)."""

    place: Callable[[Any, np.ndarray], np.ndarray]
    """The place of quantile q, counted from 0: a rank, or a number between two ranks."""
    weight: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """The share of the upper neighbour, from the fraction of the index and the index; None: the index is a rank."""


def _continuous(alpha: float, beta: float) -> _Method:
    return _Method(lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1, lambda fraction, index: fraction)


def _rounded(index: np.ndarray, stays: Callable[[np.ndarray], Any]) -> np.ndarray:
    """The rank above an index, or the index where it is whole and `stays`."""
    floor = np.floor(index)
    return np.maximum(np.where((index == floor) & stays(floor), floor, floor + 1), 0)


_METHODS = {
    "inverted_cdf": _Method(lambda n, q: _rounded(n * q - 1, lambda floor: True)),
    "averaged_inverted_cdf": _Method(lambda n, q: n * q - 1, lambda fraction, _: np.where(fraction == 0, 0.5, 1.0)),
    "closest_observation": _Method(lambda n, q: _rounded(n * q - 1 - 0.5, lambda floor: floor % 2 == 1)),
    "interpolated_inverted_cdf": _continuous(0, 1),
    "hazen": _continuous(0.5, 0.5),
    "weibull": _continuous(0, 0),
    "linear": _Method(lambda n, q: (n - 1) * q, lambda fraction, _: fraction),
    "median_unbiased": _continuous(1 / 3, 1 / 3),
    "normal_unbiased": _continuous(3 / 8, 3 / 8),
    "lower": _Method(lambda n, q: np.floor((n - 1) * q)),
    "higher": _Method(lambda n, q: np.ceil((n - 1) * q)),
    "midpoint": _Method(
        lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
        lambda _, index: np.where(index % 1 == 0, 0.0, 0.5),
    ),
    "nearest": _Method(lambda n, q: np.around((n - 1) * q)),
}


def _interpolate(pairs: Tensor, weight: np.ndarray, target: torch.dtype) -> Tensor:
    """Between neighbours (rows, k, 2), from the nearer one, as NumPy does."""
    low, high = pairs.unbind(-1)
    if kind(low.dtype) == 1:
        low, high = (end.to(torch.float64 if end.dtype is torch.uint64 else torch.int64) for end in (low, high))
    step = (high - low).to(target)
    up, down = (torch.from_numpy(np.asarray(w)).to(step) for w in (weight, 1 - weight))
    return torch.where(up >= 0.5, high.to(target) - step * down, low.to(target) + step * up)


# --- the public functions ---------------------------------------------------------------------------------------------


def _reduced(
    x: DNDarray, axis: Axis, keepdims: bool, out: DNDarray | None, function: Callable, lead: tuple[int, ...] = ()
) -> DNDarray:
    """Reduce by `function`, which takes rows to (rows, k); k, in the shape `lead`, become the first axes."""
    p = plan(x.layout, normalize_axes(axis, x.ndim), keepdims)
    layout = p.final.derive((*lead, *p.final.shape), [a + len(lead) for a in range(p.final.ndim)])
    local = by_rows(x, p.axes, function).movedim(-1, 0).reshape(layout.lshape(x.comm.rank))
    array = wrap(local, layout, x.comm)
    return array if out is None else store(array, out)


def _check_real(x: DNDarray, what: str) -> None:
    if x.dtype.is_complex:
        raise TypeError(f"{what} needs an order, and {x.dtype} has none; take it of x.real and x.imag")


def _length(x: DNDarray, axis: Axis) -> int:
    return math.prod(x.shape[a] for a in normalize_axes(axis, x.ndim))


def _flattened(x: DNDarray, axis: Axis) -> DNDarray:
    """The array with the axes to reduce last, as one."""
    axes = normalize_axes(axis, x.ndim)
    front = moveaxis(x, axes, tuple(range(-len(axes), 0))) if axes else x
    return reshape(front, (*front.shape[: x.ndim - len(axes)], _length(x, axis)))


def _median(x: Any, axis: Axis, out: DNDarray | None, keepdims: bool, skip_nan: bool) -> DNDarray:
    x = as_operand(x)
    _check_real(x, "a median")
    n = _length(x, axis)
    if n == 0 or (skip_nan and x.size == 0):
        return FUNCTIONS["mean"](x, axis, out=out, keepdims=keepdims)
    target = x.dtype if kind(x.dtype) == 2 else torch.float64

    def middle(rows: Rows) -> Tensor:
        counts = rows.counts[:, None] if skip_nan else torch.full((1, 1), n)
        low, high = rows.order_statistics((counts - 1).clamp(min=0) // 2).to(wide_of(target)).unbind(-1)
        result = torch.where(counts.to(low.device) % 2 == 1, low, (low + high) / 2).to(target)
        return result if skip_nan else result.masked_fill(rows.counts[:, None] < n, math.nan)

    return _reduced(x, axis, keepdims, out, middle)


def median(
    x: Any, axis: Axis = None, out: DNDarray | None = None, overwrite_input: bool = False, keepdims: bool = False
) -> DNDarray:
    """The middle of the sorted elements, the mean of the middle two if their number is even; NaN if there is one.

    Parameters
    ----------
    x : array_like
        Split in any way.
    axis : int or tuple of int, optional
        The axes to reduce; all of them by default. They vanish, the others keep their split.
    out : DNDarray, optional
        Where to put the result.
    overwrite_input : bool
        Taken for NumPy's sake; the array is never changed.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Differentiable. Communication: none if no reduced axis is split; otherwise a few small collectives whose number
    does not depend on the number of elements (about 10 for long axes, 4 for short ones), for each 64 MiB of columns.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.median(dnd.array([[3.0, 1.0], [2.0, 5.0], [9.0, 4.0]], split=0), axis=0).tolist()
    [3.0, 4.0]
    """
    return _median(x, axis, out, keepdims, False)


def nanmedian(
    x: Any, axis: Axis = None, out: DNDarray | None = None, overwrite_input: bool = False, keepdims: bool = False
) -> DNDarray:
    """As `median`, passing over NaN; NaN if there is nothing else."""
    return _median(x, axis, out, keepdims, True)


def _checked(q: Any, scale: float, x: DNDarray) -> np.ndarray:
    """The wanted quantiles as fractions, on every process."""
    if isinstance(q, DNDarray):
        q = q.numpy()
    fractions = np.asarray(q.cpu() if isinstance(q, Tensor) else q)
    fractions = fractions / scale if scale != 1 else fractions
    if fractions.ndim > 2:
        raise ValueError(f"`q` must have two dimensions at most, not {fractions.ndim}")
    if not np.all((fractions >= 0) & (fractions <= 1)):
        raise ValueError(f"`q` (={q}) must lie in [0, {scale:g}]")
    return fractions


def _quantile(
    x: Any,
    q: Any,
    axis: Axis,
    out: DNDarray | None,
    method: str,
    keepdims: bool,
    weights: Any,
    scale: float = 1,
    skip_nan: bool = False,
) -> DNDarray:
    x = as_operand(x)
    _check_real(x, "a quantile")
    fractions = _checked(q, scale, x)
    if method not in _METHODS:
        raise ValueError(f"`method` (={method!r}) must be one of {', '.join(_METHODS)}")
    if skip_nan and x.size == 0:
        return FUNCTIONS["nanmean"](x, axis, out=out, keepdims=keepdims)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"`weights` are for method 'inverted_cdf' only, not for {method!r}")
        return _weighted(x, fractions, axis, out, keepdims, weights, skip_nan)
    n = _length(x, axis)
    if n == 0 and x.size == 0 and math.prod(plan(x.layout, normalize_axes(axis, x.ndim), False).final.shape):
        raise IndexError(f"a quantile of no elements: shape {x.shape} along `axis` (={axis})")
    row = _METHODS[method]
    exact = row.weight is None or (method == "linear" and fractions.dtype.kind in "iu")
    if not exact and x.dtype is torch.bool:
        raise TypeError(f"method {method!r} computes between elements, which bool has not; use x.astype('uint8')")
    if type(q) in (int, float):  # without a width of its own
        target = x.dtype if kind(x.dtype) == 2 else torch.float64
    else:
        target = promote_types(x.dtype, fractions.dtype if fractions.dtype.kind == "f" else torch.float64)
    flat = fractions.reshape(1, -1)

    def select(rows: Rows) -> Tensor:
        counts = rows.counts.cpu().numpy()[:, None] if skip_nan else np.array([[n]])
        index = row.place(counts, flat)
        ranks = np.clip(np.floor(index), 0, np.maximum(counts - 1, 0)).astype(np.int64)
        pairs = rows.order_statistics(torch.from_numpy(ranks))
        if exact:
            result = pairs[..., 0]
        else:
            assert row.weight is not None
            inside = (index >= 0) & (index < counts - 1)
            upper = torch.from_numpy(inside).to(pairs.device).unsqueeze(-1)
            pairs = torch.where(upper, pairs, pairs[..., :1])
            weight = row.weight(index - ranks, index)
            result = _interpolate(pairs, weight, target)
        if not skip_nan and kind(x.dtype) == 2:
            result = result.masked_fill(rows.counts[:, None] < n, math.nan)
        return result

    return _reduced(x, axis, keepdims, out, select, fractions.shape)


def quantile(
    x: Any,
    q: Any,
    axis: Axis = None,
    out: DNDarray | None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> DNDarray:
    """The elements below which the fractions `q` of all elements lie; NaN if there is one.

    Parameters
    ----------
    x : array_like
        Split in any way.
    q : float or array_like of float
        Fractions in [0, 1], of two dimensions at most. Their axes become the first of the result, not split.
    axis : int or tuple of int, optional
        The axes to reduce; all of them by default. They vanish, the others keep their split.
    out : DNDarray, optional
        Where to put the result.
    overwrite_input : bool
        Taken for NumPy's sake; the array is never changed.
    method : str
        How to go between elements, one of NumPy's thirteen.
    keepdims : bool
        Keep the reduced axes, with size 1.
    weights : array_like, optional
        How much each element counts, for method "inverted_cdf": of the shape of `x`, or of its reduced axes. The
        elements are sorted then, with the communication of `argsort`.

    Differentiable. Communication: none if no reduced axis is split; otherwise a few small collectives whose number
    does not depend on the number of elements (about 10 for long axes, 4 for short ones), for each 64 MiB of columns.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.quantile(dnd.arange(9.0, split=0), [0.25, 0.5]).tolist()
    [2.0, 4.0]
    """
    return _quantile(x, q, axis, out, method, keepdims, weights)


def percentile(
    x: Any,
    q: Any,
    axis: Axis = None,
    out: DNDarray | None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> DNDarray:
    """As `quantile`, with `q` in [0, 100].

    >>> import dndarray as dnd
    >>> dnd.percentile(dnd.arange(11, split=0), 90).item()
    9.0
    """
    return _quantile(x, q, axis, out, method, keepdims, weights, 100)


def nanquantile(
    x: Any,
    q: Any,
    axis: Axis = None,
    out: DNDarray | None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> DNDarray:
    """As `quantile`, passing over NaN; NaN if there is nothing else."""
    return _quantile(x, q, axis, out, method, keepdims, weights, skip_nan=True)


def nanpercentile(
    x: Any,
    q: Any,
    axis: Axis = None,
    out: DNDarray | None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> DNDarray:
    """As `percentile`, passing over NaN; NaN if there is nothing else."""
    return _quantile(x, q, axis, out, method, keepdims, weights, 100, skip_nan=True)


def _weighted(
    x: DNDarray, fractions: np.ndarray, axis: Axis, out: DNDarray | None, keepdims: bool, weights: Any, skip_nan: bool
) -> DNDarray:
    """By the empirical distribution of the weights: sorted, added up, and compared with the fractions."""
    weights = broadcast_to(aligned_weights(weights, x, axis), x.shape)
    if bool(FUNCTIONS["any"](FUNCTIONS["less"](weights, 0))):
        raise ValueError("`weights` must not be negative")
    values, weights = _flattened(x, axis), _flattened(weights.astype(torch.float64), axis)
    missing = FUNCTIONS["isnan"](values)
    if skip_nan:
        weights = where(missing, 0.0, weights)
    order = argsort(values)
    values, shares = take_along_axis(values, order, -1), FUNCTIONS["cumsum"](take_along_axis(weights, order, -1), -1)
    n = values.shape[-1]
    shares = FUNCTIONS["divide"](shares, shares[..., n - 1 :])
    spoilt = FUNCTIONS["any"](missing, -1)
    empty = FUNCTIONS["all"](missing, -1)
    if bool(FUNCTIONS["any"](FUNCTIONS["greater"](FUNCTIONS["isnan"](shares[..., -1]), empty))):
        raise ValueError("`weights` must be finite, and not all zero")
    if fractions.dtype.kind == "f":
        shares = shares.astype(torch.from_numpy(fractions[..., None]).dtype)
    shares = where(FUNCTIONS["equal"](shares, 0), -1, shares)  # no element without weight comes first
    lower = [FUNCTIONS["sum"](FUNCTIONS["less"](shares, q), -1, keepdims=True) for q in fractions.ravel().tolist()]
    found = moveaxis(take_along_axis(values, clip(concatenate(lower, -1), None, n - 1), -1), -1, 0)
    if not skip_nan and kind(x.dtype) == 2:
        found = where(spoilt, math.nan, found)
    shape = plan(x.layout, normalize_axes(axis, x.ndim), keepdims).final.shape
    result = reshape(found, (*fractions.shape, *shape))
    return result if out is None else store(result, out)
