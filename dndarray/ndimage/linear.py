"""Linear filters: correlation with given weights, and those whose weights have a name.

Floating types are computed in their own precision, integers in double precision, of which the result is cut off at
the point, as SciPy does: for filters that go axis by axis, after each axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from ..array import DNDarray
from ..elementwise import FUNCTIONS, as_operand
from ..layout import normalize_axes, normalize_axis
from ..stencils import per_axis
from ..types import kind, promote_types, wide_of
from .correlation import correlated
from .windows import Output, cast, deliver, in_blocks, neighbourhood, output_type, spread, weights_of

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]

Axes = int | Sequence[int] | None


def _linear(
    x: DNDarray,
    weights: np.ndarray,
    axes: Axes,
    output: Output,
    mode: Any,
    cval: Any,
    origin: Any,
    fn: Callable[[np.ndarray, torch.dtype, Tensor], Tensor] = correlated,
) -> DNDarray:
    """The stencil of a correlation with weights that have an axis for each of `axes`."""
    over = normalize_axes(axes, x.ndim, "axes")
    natural = promote_types(x.dtype, torch.complex64) if np.iscomplexobj(weights) else x.dtype
    dtype = output_type(output, natural)
    if natural.is_complex and not dtype.is_complex:
        raise TypeError(f"the result is complex, `output` of {dtype} is not")
    if kind(x.dtype) < 2 and not isinstance(cval, complex) and not float(cval).is_integer():
        x = x.astype(torch.float64)
    local = partial(fn, spread(weights, over, x.ndim), dtype)
    return neighbourhood(x, local, weights.shape, over, origin, mode, cval)


def _one_axis(x: DNDarray, weights: Any, axis: int, output: Output, mode: Any, cval: Any, origin: int = 0) -> DNDarray:
    return _linear(x, np.asarray(weights), normalize_axis(axis, x.ndim), output, mode, cval, origin)


# --- given weights ----------------------------------------------------------------------------------------------------


def _reversed(weights: np.ndarray, origin: Any, count: int) -> tuple[np.ndarray, list[int]]:
    """The weights and origins of the correlation that is a convolution with these."""
    origins = [-o - (n % 2 == 0) for o, n in zip(per_axis(origin, count, "origin"), weights.shape, strict=True)]
    return np.flip(weights), origins


def correlate(
    input: Any,
    weights: Any,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    """The sum of each element's neighbours, each times its weight.

    Parameters
    ----------
    input : array_like
        Split in any way.
    weights : array_like
        With one axis for each filtered one; on every process.
    output : DNDarray or dtype, optional
        Where to put the result, or its type; by default the type of the input, integers being cut off.
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, or one for each axis
        What stands beyond the ends; see `dndarray.stencil`.
    cval : scalar
        What stands there with 'constant'.
    origin : int, or one for each axis
        By how much the window is moved; positive: to lower indices.
    axes : int or tuple of int, optional
        All axes by default.

    Communication: one all-to-all of the halos for each split axis along which the weights are longer than 1.
    Differentiable.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.ndimage.correlate(dnd.arange(5, split=0), [1, 0, 2]).tolist()
    [2, 4, 7, 10, 11]
    """
    x = as_operand(input)
    count = len(normalize_axes(axes, x.ndim, "axes"))
    return deliver(_linear(x, weights_of(weights, count, "weights").conj(), axes, output, mode, cval, origin), output)


def convolve(
    input: Any,
    weights: Any,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    """As `correlate`, with the weights in reverse order."""
    x = as_operand(input)
    count = len(normalize_axes(axes, x.ndim, "axes"))
    flipped, origins = _reversed(weights_of(weights, count, "weights"), origin, count)
    return deliver(_linear(x, flipped, axes, output, mode, cval, origins), output)


def correlate1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> DNDarray:
    """As `correlate`, along one axis. Communication: one all-to-all of the halos if it is split."""
    x = as_operand(input)
    return deliver(_one_axis(x, weights_of(weights, 1, "weights").conj(), axis, output, mode, cval, origin), output)


def convolve1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> DNDarray:
    """As `correlate1d`, with the weights in reverse order."""
    flipped, origins = _reversed(weights_of(weights, 1, "weights"), origin, 1)
    return deliver(_one_axis(as_operand(input), flipped, axis, output, mode, cval, origins[0]), output)


# --- Gaussians --------------------------------------------------------------------------------------------------------


def _gaussian(sigma: float, order: int, radius: int | None, truncate: float) -> np.ndarray:
    """Weights of a derivative of a Gaussian: the Gaussian times a polynomial q, in the next one q' - x / sigma^2 q."""
    if order < 0:
        raise ValueError(f"`order` (={order}) must be >= 0")
    radius = int(truncate * float(sigma) + 0.5) if radius is None else radius
    if not hasattr(radius, "__index__") or radius < 0:
        raise ValueError(f"`radius` (={radius!r}) must be an integer >= 0")
    at = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 / (sigma * sigma) * at**2)
    q = Polynomial([1.0])
    for _ in range(order):
        q = q.deriv() - q * Polynomial([0, 1 / sigma**2])
    return (bell / bell.sum() * q(at))[::-1]


def gaussian_filter1d(
    input: Any,
    sigma: float,
    axis: int = -1,
    order: int = 0,
    output: Output = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> DNDarray:
    """Correlation with a Gaussian, or with its derivative of the given order, along one axis.

    Parameters are those of `gaussian_filter`. Communication: one all-to-all of the halos if the axis is split.
    """
    return correlate1d(input, _gaussian(sigma, order, radius, truncate), axis, output, mode, cval)


def _axis_by_axis(x: DNDarray, passes: Sequence[tuple], output: Output, cval: Any) -> DNDarray:
    """Correlation with (axis, weights, mode) one after another, each in the type of the result."""
    dtype = output_type(output, x.dtype)
    if not passes:
        return deliver(x.astype(dtype), output)
    for axis, weights, mode in passes:
        x = _one_axis(x, weights, axis, dtype, mode, cval)
    return deliver(x, output)


def gaussian_filter(
    input: Any,
    sigma: float | Sequence[float],
    order: int | Sequence[int] = 0,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Axes = None,
) -> DNDarray:
    """Correlation with a Gaussian, or with derivatives of it, axis by axis.

    Parameters
    ----------
    input : array_like
        Split in any way.
    sigma : float, or one for each axis
        Standard deviation; an axis of which it is 0 is left alone.
    order : int, or one for each axis
        Order of the derivative.
    truncate : float
        The window ends at this many standard deviations.
    radius : int, or one for each axis, optional
        Where it ends instead, in elements.

    The other parameters are those of `correlate`. Communication: one all-to-all of the halos for each split axis.
    Differentiable.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.ndimage.gaussian_filter(dnd.ones((3, 5), split=1), sigma=2).round(3).sum().item()
    15.0
    """
    x = as_operand(input)
    over = normalize_axes(axes, x.ndim, "axes")
    settings = [per_axis(v, len(over), n) for v, n in ((sigma, "sigma"), (order, "order"), (radius, "radius"))]
    modes = per_axis(mode, len(over), "mode")
    passes = [
        (axis, _gaussian(s, o, r, truncate), rule)
        for axis, s, o, r, rule in zip(over, *settings, modes, strict=True)
        if s > 1e-15
    ]
    return _axis_by_axis(x, passes, output, cval)


# --- means ------------------------------------------------------------------------------------------------------------


def _sum_windows(tensor: Tensor, axis: int, size: int) -> Tensor:
    """Sums of `size` neighbours: of runs whose lengths are the powers of two that make up `size`."""
    length = tensor.shape[axis] - size + 1
    total, done, run, width = None, 0, tensor, 1
    while True:
        if size & width:
            part = run.narrow(axis, done, length)
            total, done = part if total is None else total + part, done + width
        if done == size:
            assert total is not None
            return total
        run = run.narrow(axis, 0, run.shape[axis] - width) + run.narrow(axis, width, run.shape[axis] - width)
        width *= 2


def _mean_windows(weights: np.ndarray, dtype: torch.dtype, tensor: Tensor) -> Tensor:
    axis = int(np.argmax(weights.shape))
    size = weights.shape[axis]
    computed = torch.float64 if kind(tensor.dtype) < 2 else wide_of(tensor.dtype)
    return in_blocks(
        lambda part: cast(_sum_windows(part.to(computed), axis, size) / size, dtype),
        tensor,
        [w - 1 for w in weights.shape],
    )


def uniform_filter1d(
    input: Any,
    size: int,
    axis: int = -1,
    output: Output = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> DNDarray:
    """The mean of `size` neighbours along one axis.

    The other parameters are those of `correlate1d`. Communication: one all-to-all of the halos if the axis is split.
    Differentiable.
    """
    if size < 1:
        raise ValueError(f"`size` (={size}) must be >= 1")
    x = as_operand(input)
    axis = normalize_axis(axis, x.ndim)
    return deliver(_linear(x, np.ones(size), axis, output, mode, cval, origin, _mean_windows), output)


def uniform_filter(
    input: Any,
    size: int | Sequence[int] = 3,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    """The mean of a box of neighbours, axis by axis.

    Parameters are those of `correlate`. Communication: one all-to-all of the halos for each split axis. Differentiable.
    """
    x = as_operand(input)
    over = normalize_axes(axes, x.ndim, "axes")
    dtype = output_type(output, x.dtype)
    settings = [per_axis(v, len(over), n) for v, n in ((size, "size"), (mode, "mode"), (origin, "origin"))]
    result = x
    for axis, width, rule, shift in zip(over, *settings, strict=True):
        if width > 1:
            result = uniform_filter1d(result, width, axis, dtype, rule, cval, shift)
    return deliver(x.astype(dtype) if result is x else result, output)


# --- derivatives ------------------------------------------------------------------------------------------------------


def _edges(smooth: Sequence[float], name: str, norm: str) -> Callable:
    def function(input: Any, axis: int = -1, output: Output = None, mode: Any = "reflect", cval: Any = 0.0) -> DNDarray:
        x = as_operand(input)
        axis = normalize_axis(axis, x.ndim)
        modes = per_axis(mode, x.ndim, "mode")
        others = [(a, smooth, modes[a]) for a in range(x.ndim) if a != axis]
        return _axis_by_axis(x, [(axis, [-1, 0, 1], modes[axis]), *others], output, cval)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The difference of both neighbours along `axis`, smoothed along the others by {norm}.

    Parameters are those of `correlate`. Communication: one all-to-all of the halos for each split axis. Differentiable.
    """
    return function


sobel = _edges([1, 2, 1], "sobel", "[1, 2, 1]")
prewitt = _edges([1, 1, 1], "prewitt", "[1, 1, 1]")


def _total(parts: Sequence[DNDarray], x: DNDarray, output: Output) -> DNDarray:
    total = parts[0] if parts else x.astype(output_type(output, x.dtype))
    for part in parts[1:]:
        total = FUNCTIONS["add"](total, part)
    return deliver(total, output)


def laplace(
    input: Any, output: Output = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Axes = None
) -> DNDarray:
    """The sum over the axes of second differences.

    Parameters are those of `correlate`. Communication: one all-to-all of the halos for each split axis. Differentiable.
    """
    x = as_operand(input)
    over = normalize_axes(axes, x.ndim, "axes")
    dtype = output_type(output, x.dtype)
    modes = per_axis(mode, len(over), "mode")
    parts = [_one_axis(x, [1, -2, 1], axis, dtype, rule, cval) for axis, rule in zip(over, modes, strict=True)]
    return _total(parts, x, output)


def _derivatives(
    x: DNDarray, sigma: Any, order: int, output: Output, mode: Any, cval: Any, axes: Axes, options: dict
) -> list[DNDarray]:
    """For each axis the array smoothed by Gaussians and differentiated along this axis."""
    over = normalize_axes(axes, x.ndim, "axes")
    dtype = output_type(output, x.dtype)
    orders = np.eye(len(over), dtype=int) * order
    return [gaussian_filter(x, sigma, row.tolist(), dtype, mode, cval, axes=over, **options) for row in orders]


def gaussian_laplace(
    input: Any,
    sigma: float | Sequence[float],
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Axes = None,
    **options: Any,
) -> DNDarray:
    """The sum over the axes of second derivatives of the array smoothed by Gaussians.

    Parameters (`truncate` and `radius`, too) are those of `gaussian_filter`. Communication: for each axis, one
    all-to-all of the halos for each split axis. Differentiable.
    """
    x = as_operand(input)
    return _total(_derivatives(x, sigma, 2, output, mode, cval, axes, options), x, output)


def gaussian_gradient_magnitude(
    input: Any,
    sigma: float | Sequence[float],
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Axes = None,
    **options: Any,
) -> DNDarray:
    """The length of the gradient of the array smoothed by Gaussians.

    Parameters (`truncate` and `radius`, too) are those of `gaussian_filter`. Communication: for each axis, one
    all-to-all of the halos for each split axis. Differentiable where it is not 0.
    """
    x = as_operand(input)
    parts = _derivatives(x, sigma, 1, output, mode, cval, axes, options)
    squares = _total([FUNCTIONS["square"](part) for part in parts], x, None)
    length = FUNCTIONS["sqrt"](squares) if parts else squares
    return deliver(DNDarray(cast(length.larray, output_type(output, x.dtype)), x.layout, x.comm), output)
