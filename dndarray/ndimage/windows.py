"""What all filters share: their arguments in SciPy's words, and windows of which few are in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray
from ..collectives import needs_grad
from ..elementwise import store
from ..layout import normalize_axes
from ..stencils import BOUNDARIES, per_axis, stencil
from ..types import as_dtype, kind

__all__ = ["Output", "box", "cast", "deliver", "in_blocks", "neighbourhood", "output_type", "spread", "weights_of"]

Output = Any
"""None for the type of the input, a dtype, or the array to write to."""

BLOCK = 2**16
"""Elements that a filter works on at a time: they stay in the processor's cache."""

_MODES = {rule: rule for rule in BOUNDARIES if rule not in ("valid", "periodization")} | {
    "grid-mirror": "reflect",
    "grid-wrap": "wrap",
    "grid-constant": "constant",
}
"""SciPy's names of what stands beyond the ends, and ours."""


def output_type(output: Output, dtype: torch.dtype) -> torch.dtype:
    if output is None:
        return dtype
    return output.dtype if isinstance(output, DNDarray) else as_dtype(output)


def deliver(result: DNDarray, output: Output) -> DNDarray:
    """The result, in the array to write to if there is one."""
    return store(result, output) if isinstance(output, DNDarray) else result


def cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """As C converts: floating numbers are cut off, and what is too large wraps around."""
    if tensor.dtype is dtype:
        return tensor
    if kind(tensor.dtype) < 2 or kind(dtype) >= 2:
        return tensor.to(dtype)
    if dtype is torch.uint64:
        tensor = torch.where(tensor < 2.0**63, tensor, tensor - 2.0**64)
    return tensor.to(torch.int64).to(dtype)


def box(size: Any, footprint: Any, count: int) -> np.ndarray:
    """Which elements of a window count, with an axis for each of `count`."""
    if footprint is not None:
        mask = weights_of(footprint, count, "footprint").astype(bool)
        if not mask.any():
            raise ValueError("`footprint` must have an element that counts")
        return mask
    if size is None:
        raise ValueError("give `size` or `footprint`")
    sizes = per_axis(size, count, "size")
    if any(not hasattr(n, "__index__") or n < 1 for n in sizes):
        raise ValueError(f"`size` (={size!r}) must be integers >= 1")
    return np.ones(sizes, dtype=bool)


def weights_of(values: Any, count: int, name: str) -> np.ndarray:
    """The elements of a window, which every process has, with one axis for each of `count`."""
    array = np.asarray(values.numpy() if isinstance(values, (DNDarray, Tensor)) else values)
    if array.ndim != count or array.size == 0:
        raise ValueError(f"`{name}` of shape {array.shape} must have elements and {count} axes, one for each filtered")
    return array


def spread(window: np.ndarray, axes: Sequence[int], ndim: int) -> np.ndarray:
    """A window that has an axis for each of `axes` as one of an array of `ndim` axes."""
    shape = [1] * ndim
    for axis, n in zip(axes, window.shape, strict=True):
        shape[axis] = n
    return window.transpose(np.argsort(axes)).reshape(shape)


def neighbourhood(
    x: DNDarray,
    fn: Callable[[Tensor], Tensor],
    sizes: Sequence[int],
    axes: Any,
    origin: Any,
    mode: Any,
    cval: Any,
) -> DNDarray:
    """`fn` of the extended parts: the stencil whose window has `sizes`, its centre moved on by `origin`."""
    over = normalize_axes(axes, x.ndim, "axes")
    origins = per_axis(origin, len(over), "origin")
    radius = []
    for size, shift in zip(sizes, origins, strict=True):
        before, after = size // 2 + shift, size - 1 - size // 2 - shift
        if before < 0 or after < 0:
            raise ValueError(f"`origin` (={origin!r}) must keep the centre within a window of `size` {size}")
        radius.append((before, after))
    modes = per_axis(mode, len(over), "mode")
    unknown = [name for name in modes if name not in _MODES]
    if unknown:
        raise ValueError(f"`mode` (={unknown[0]!r}) must be one of {', '.join(_MODES)}")
    return stencil(x, fn, radius, [_MODES[name] for name in modes], cval, over)


def in_blocks(fn: Callable[[Tensor], Tensor], tensor: Tensor, reach: Sequence[int], limit: int = BLOCK) -> Tensor:
    """`fn` of a tensor, part by part; each result is by `reach` shorter than what it is computed from.

    The parts have `limit` elements at most, or one.
    """
    shape = [n - r for n, r in zip(tensor.shape, reach, strict=True)]
    size = math.prod(shape)
    axis = next((a for a, n in enumerate(shape) if n > 1), None)
    if size <= limit or axis is None:
        return fn(tensor)
    step = max(1, shape[axis] * limit // size)
    starts = range(0, shape[axis], step)
    parts = (
        in_blocks(fn, tensor.narrow(axis, i, min(step, shape[axis] - i) + reach[axis]), reach, limit) for i in starts
    )
    if needs_grad(tensor):
        return torch.cat(list(parts), axis)
    result = None
    for i, part in zip(starts, parts, strict=True):
        result = part.new_empty(shape) if result is None else result
        result.narrow(axis, i, part.shape[axis]).copy_(part)
    assert result is not None
    return result
