"""Filters that look at the order of the elements in a window: extrema, medians, percentiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray
from ..collectives import needs_grad
from ..elementwise import as_operand
from ..layout import normalize_axes
from ..unsigned import from_ordered, to_ordered
from .windows import BLOCK, Output, box, cast, deliver, in_blocks, neighbourhood, output_type, spread

__all__ = [
    "maximum_filter",
    "maximum_filter1d",
    "median_filter",
    "minimum_filter",
    "minimum_filter1d",
    "percentile_filter",
    "rank_filter",
]

Axes = int | Sequence[int] | None
Better = Callable[[Tensor, Tensor], Tensor]
"""torch.minimum or torch.maximum."""

WINDOWS = 2**19
"""Elements of the windows that are in memory at a time."""


# --- extrema ----------------------------------------------------------------------------------------------------------


def _extremum_of_runs(tensor: Tensor, axis: int, size: int, better: Better) -> Tensor:
    """The extremum of `size` neighbours: of two runs that overlap, whose length is a power of two."""
    length, width = tensor.shape[axis] - size + 1, 1
    while 2 * width <= size:
        rest = tensor.shape[axis] - width
        tensor = better(tensor.narrow(axis, 0, rest), tensor.narrow(axis, width, rest))
        width *= 2
    return better(tensor.narrow(axis, 0, length), tensor.narrow(axis, size - width, length))


def extremum(better: Better, mask: np.ndarray, tensor: Tensor) -> Tensor:
    """The extremum of the elements of each window that count."""
    if mask.all():
        for axis, size in enumerate(mask.shape):
            if size > 1:
                tensor = _extremum_of_runs(tensor, axis, size, better)
        return tensor
    shape = [n - w + 1 for n, w in zip(tensor.shape, mask.shape, strict=True)]
    result = None
    for place in np.argwhere(mask):
        part = tensor[tuple(slice(p, p + n) for p, n in zip(place.tolist(), shape, strict=True))]
        result = part if result is None else better(result, part)
    assert result is not None
    return result


def look(
    input: Any,
    mask: np.ndarray,
    fn: Callable[[np.ndarray, Tensor], Tensor],
    axes: Axes,
    output: Output,
    mode: Any,
    cval: Any,
    origin: Any,
    limit: int = BLOCK,
) -> DNDarray:
    """`fn` of the mask and of blocks of the array."""
    x = as_operand(input)
    if x.dtype.is_complex:
        raise TypeError(f"a filter by rank needs an order, and {x.dtype} has none")
    over = normalize_axes(axes, x.ndim, "axes")
    full = spread(mask, over, x.ndim)
    dtype = output_type(output, x.dtype)

    def block(part: Tensor) -> Tensor:
        return cast(from_ordered(fn(full, to_ordered(part)), part.dtype), dtype)

    def local(part: Tensor) -> Tensor:
        return in_blocks(block, part, [n - 1 for n in full.shape], limit)

    return deliver(neighbourhood(x, local, mask.shape, over, origin, mode, cval), output)


_DOC = """The {what} of each element's neighbours{where}.

    Parameters
    ----------
    input : array_like
        Split in any way.
{size}    output : DNDarray or dtype, optional
        Where to put the result, or its type.
    mode : {{'reflect', 'constant', 'nearest', 'mirror', 'wrap'}}, or one for each axis
        What stands beyond the ends; see `dndarray.stencil`.
    cval : scalar
        What stands there with 'constant'.
    origin : int, or one for each axis
        By how much the window is moved; positive: to lower indices.
{axes}
    Communication: one all-to-all of the halos for {each}. Differentiable.
    """
_LINE = "    size : int\n    axis : int\n"
_WINDOW = """    size : int, or one for each axis
        Extent of the window.
    footprint : array_like of bool, optional
        Which elements of a window count instead; on every process.
"""
_AXES = "    axes : int or tuple of int, optional\n        All axes by default.\n"


def _document(function: Callable, name: str, what: str, extra: str = "", line: bool = False) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        what=what,
        where=" along one axis" if line else "",
        size=_LINE if line else extra + _WINDOW,
        axes="" if line else _AXES,
        each="the axis if it is split" if line else "each split axis",
    )
    return function


def _extremum_filters(name: str, what: str, better: Better) -> tuple[Callable, Callable]:
    def along_axis(
        input: Any,
        size: int,
        axis: int = -1,
        output: Output = None,
        mode: str = "reflect",
        cval: Any = 0.0,
        origin: int = 0,
    ) -> DNDarray:
        return in_window(input, size, None, output, mode, cval, origin, axes=axis)

    def in_window(
        input: Any,
        size: int | Sequence[int] | None = None,
        footprint: Any = None,
        output: Output = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Axes = None,
    ) -> DNDarray:
        x = as_operand(input)
        mask = box(size, footprint, len(normalize_axes(axes, x.ndim, "axes")))
        return look(x, mask, partial(extremum, better), axes, output, mode, cval, origin)

    return _document(along_axis, f"{name}1d", what, line=True), _document(in_window, name, what)


minimum_filter1d, minimum_filter = _extremum_filters("minimum_filter", "smallest", torch.minimum)
maximum_filter1d, maximum_filter = _extremum_filters("maximum_filter", "largest", torch.maximum)


# --- any rank ---------------------------------------------------------------------------------------------------------


def _of_rank(rank: int, mask: np.ndarray, tensor: Tensor) -> Tensor:
    """The element of the given rank of each window."""
    shape = [n - w + 1 for n, w in zip(tensor.shape, mask.shape, strict=True)]
    if 0 in shape:
        return tensor[tuple(slice(n) for n in shape)]
    for axis, size in enumerate(mask.shape):
        tensor = tensor.unfold(axis, size, 1)
    windows = tensor.clone(memory_format=torch.contiguous_format).reshape(*shape, mask.size)
    if not mask.all():
        windows = windows[..., torch.from_numpy(mask.reshape(-1)).to(tensor.device)]
    if windows.dtype is torch.bool:
        return _partitioned(windows.view(torch.uint8), rank).view(torch.bool)
    return _partitioned(windows, rank)


def _partitioned(windows: Tensor, rank: int) -> Tensor:
    if needs_grad(windows) or windows.device.type != "cpu" or windows.dtype is torch.bfloat16:
        return windows.kthvalue(rank + 1, -1).values
    array = windows.numpy()
    array.partition(rank, axis=-1)  # several times faster than torch's
    return torch.from_numpy(array[..., rank])


def _ranked(
    choose: Callable[[int], int],
    input: Any,
    size: Any,
    footprint: Any,
    output: Output,
    mode: Any,
    cval: Any,
    origin: Any,
    axes: Axes,
) -> DNDarray:
    """The filter by the rank that `choose` gives for the number of elements in a window."""
    x = as_operand(input)
    mask = box(size, footprint, len(normalize_axes(axes, x.ndim, "axes")))
    count = int(mask.sum())
    rank = choose(count)
    if not -count <= rank < count:
        raise ValueError(f"`rank` (={rank}) must be in [{-count}, {count}) for windows of {count} elements")
    rank %= count
    if rank in (0, count - 1):
        fn = partial(extremum, torch.minimum if rank == 0 else torch.maximum)
        return look(x, mask, fn, axes, output, mode, cval, origin)
    limit = max(1, WINDOWS // mask.size)
    return look(x, mask, partial(_of_rank, rank), axes, output, mode, cval, origin, limit)


def rank_filter(
    input: Any,
    rank: int,
    size: int | Sequence[int] | None = None,
    footprint: Any = None,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    return _ranked(lambda count: rank, input, size, footprint, output, mode, cval, origin, axes)


def median_filter(
    input: Any,
    size: int | Sequence[int] | None = None,
    footprint: Any = None,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    return _ranked(lambda count: count // 2, input, size, footprint, output, mode, cval, origin, axes)


def percentile_filter(
    input: Any,
    percentile: float,
    size: int | Sequence[int] | None = None,
    footprint: Any = None,
    output: Output = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Axes = None,
) -> DNDarray:
    if not -100 <= percentile <= 100:
        raise ValueError(f"`percentile` (={percentile}) must be in [-100, 100]")
    share = (percentile + 100 if percentile < 0 else percentile) / 100
    return _ranked(
        lambda count: min(int(count * share), count - 1), input, size, footprint, output, mode, cval, origin, axes
    )


_RANK = "    rank : int\n        0 for the smallest; negative ones count from the largest, -1.\n"
_PERCENTILE = "    percentile : float\n        Negative ones count from 100.\n"
_document(rank_filter, "rank_filter", "element of a given rank", _RANK)
_document(median_filter, "median_filter", "median (of an even number the upper one)")
_document(percentile_filter, "percentile_filter", "percentile", _PERCENTILE)
