"""Morphology: erosion and dilation, of grey values and of truth values, and what is made of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray
from ..elementwise import FUNCTIONS, apply, as_operand
from ..layout import normalize_axes
from ..stencils import per_axis
from ..types import kind
from .ranks import Better, extremum, look
from .windows import Output, box, deliver, output_type, weights_of

__all__ = [
    "binary_closing",
    "binary_dilation",
    "binary_erosion",
    "binary_opening",
    "grey_closing",
    "grey_dilation",
    "grey_erosion",
    "grey_opening",
]

Axes = int | Sequence[int] | None


def _turned(origin: Any, shape: Sequence[int]) -> list[int]:
    """The origins of a window that is turned round, as in a dilation."""
    return [-o - (n % 2 == 0) for o, n in zip(per_axis(origin, len(shape), "origin"), shape, strict=True)]


# --- grey values ------------------------------------------------------------------------------------------------------


def _hilly(better: Better, heights: np.ndarray, tensor: Tensor) -> Tensor:
    """The extremum of the sums with the heights of a structure, which are infinite where it has no elements."""
    if kind(tensor.dtype) < 2:
        tensor = tensor.to(torch.float64)
    shape = [n - w + 1 for n, w in zip(tensor.shape, heights.shape, strict=True)]
    result = None
    for place in np.argwhere(np.isfinite(heights)):
        part = tensor[tuple(slice(p, p + n) for p, n in zip(place.tolist(), shape, strict=True))]
        part = part + heights[tuple(place)].item()
        result = part if result is None else better(result, part)
    assert result is not None
    return result


def _grey(
    input: Any,
    sign: int,
    size: Any,
    footprint: Any,
    structure: Any,
    output: Output,
    mode: Any,
    cval: Any,
    origin: Any,
    axes: Axes,
) -> DNDarray:
    """Dilation (`sign` 1): the largest sum with the turned structure; erosion (-1): the smallest difference."""
    x = as_operand(input)
    count = len(normalize_axes(axes, x.ndim, "axes"))
    better: Better = torch.maximum if sign > 0 else torch.minimum
    if structure is None:
        window, fn = box(size, footprint, count), partial(extremum, better)
    else:
        heights = weights_of(structure, count, "structure")
        mask = np.ones(heights.shape, bool) if footprint is None else box(None, footprint, count)
        window, fn = np.where(mask, sign * heights.astype(float), np.inf), partial(_hilly, better)
        if x.dtype is torch.uint64:  # what stands in for it has an order, but no sums
            x, output = x.astype(torch.float64), x.dtype if output is None else output
    if sign > 0:
        window, origin = np.flip(window), _turned(origin, window.shape)
    return look(x, window, fn, axes, output, mode, cval, origin)


_GREY = """{summary}

    Parameters
    ----------
    input : array_like
        Split in any way.
    size : int, or one for each axis
        Extent of a flat structure.
    footprint : array_like of bool, optional
        Which elements belong to the structure instead; on every process.
    structure : array_like, optional
        The heights of a structure that is not flat; on every process.

    The other parameters are those of `minimum_filter`. Communication: {cost} for each split axis. Differentiable.
    """


def _grey_filter(name: str, summary: str, signs: tuple[int, ...]) -> Callable:
    def function(
        input: Any,
        size: int | Sequence[int] | None = None,
        footprint: Any = None,
        structure: Any = None,
        output: Output = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Axes = None,
    ) -> DNDarray:
        for sign in signs[:-1]:
            input = _grey(input, sign, size, footprint, structure, None, mode, cval, origin, axes)
        return _grey(input, signs[-1], size, footprint, structure, output, mode, cval, origin, axes)

    function.__name__ = function.__qualname__ = name
    count = "one all-to-all" if len(signs) == 1 else "two all-to-alls"
    function.__doc__ = _GREY.format(summary=summary, cost=f"{count} of the halos")
    return function


grey_erosion = _grey_filter("grey_erosion", "The smallest difference to a structure laid about each element.", (-1,))
grey_dilation = _grey_filter("grey_dilation", "The largest sum with a structure laid about each element.", (1,))
grey_opening = _grey_filter("grey_opening", "Erosion, then dilation: removes small peaks.", (-1, 1))
grey_closing = _grey_filter("grey_closing", "Dilation, then erosion: fills small holes.", (1, -1))


# --- truth values -----------------------------------------------------------------------------------------------------


def _cross(ndim: int) -> np.ndarray:
    """An element and its direct neighbours."""
    return np.abs(np.indices((3,) * ndim) - 1).sum(0) <= 1


def _binary(
    x: DNDarray, sign: int, structure: Any, iterations: int, mask: Any, border_value: int, origin: Any, axes: Axes
) -> DNDarray:
    """Dilation (`sign` 1) or erosion (-1), repeated, of an array of bools."""
    count = len(normalize_axes(axes, x.ndim, "axes"))
    window = _cross(count) if structure is None else box(None, structure, count)
    better: Better = torch.maximum if sign > 0 else torch.minimum
    if sign > 0:
        window, origin = np.flip(window), _turned(origin, window.shape)
    rounds = 0
    while True:
        result = look(x, window, partial(extremum, better), axes, None, "constant", bool(border_value), origin)
        if mask is not None:
            chosen = as_operand(mask, x.comm, x.device)
            result = apply(
                lambda new, may, old: torch.where(may, new, old), (result, chosen, x), (None, torch.bool, None)
            )
        rounds += 1
        if rounds == iterations or (iterations < 1 and not FUNCTIONS["any"](FUNCTIONS["not_equal"](result, x))):
            return result
        x = result


_BINARY = """{summary}

    Parameters
    ----------
    input : array_like
        Split in any way; what is not zero is true.
    structure : array_like of bool, optional
        On every process; by default an element and its direct neighbours.
    iterations : int
        How often; below 1 until nothing changes any more.
    {mask}
    border_value : int
        What stands beyond the ends of the array.
    origin : int, or one for each axis
        By how much the structure is moved.
    axes : int or tuple of int, optional
        All axes by default.

    Communication: for each iteration one all-to-all of the halos for each split axis, and one all-reduce where it goes
    on until nothing changes.
    """
_MASK = """mask : array_like of bool, optional
        The elements that may change. Split in any way."""


def _binary_filter(name: str, summary: str, signs: tuple[int, ...]) -> Callable:
    def run(input: Any, structure: Any, iterations: int, mask: Any, output: Output, *where: Any) -> DNDarray:
        x = as_operand(input)
        if x.dtype.is_complex:
            raise TypeError(f"{name} takes no complex numbers, {x.dtype}; compare them first")
        result = x.astype(torch.bool)
        for sign in signs:
            result = _binary(result, sign, structure, iterations, mask, *where)
        return deliver(result.astype(output_type(output, torch.bool)), output)

    def once(  # type: ignore[no-untyped-def]
        input, structure=None, iterations=1, mask=None, output=None, border_value=0, origin=0, *, axes=None
    ):
        return run(input, structure, iterations, mask, output, border_value, origin, axes)

    def twice(  # type: ignore[no-untyped-def]
        input, structure=None, iterations=1, output=None, origin=0, mask=None, border_value=0, *, axes=None
    ):
        return run(input, structure, iterations, mask, output, border_value, origin, axes)

    function = once if len(signs) == 1 else twice  # SciPy's orders of arguments
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _BINARY.format(summary=summary, mask=_MASK)
    return function


binary_erosion = _binary_filter("binary_erosion", "Whether a structure laid about each element is all true.", (-1,))
binary_dilation = _binary_filter("binary_dilation", "Whether a structure laid about each element has a true one.", (1,))
binary_opening = _binary_filter("binary_opening", "Erosion, then dilation: removes small islands.", (-1, 1))
binary_closing = _binary_filter("binary_closing", "Dilation, then erosion: fills small holes.", (1, -1))
