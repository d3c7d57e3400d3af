"""Constants and lines taken off signals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..array import DNDarray
from ..creation import positions
from ..elementwise import as_operand
from ..indexing import section
from ..layout import normalize_axis
from ..manipulation import concatenate
from ..types import kind

__all__ = ["detrend"]

_KINDS = {"constant": "constant", "c": "constant", "linear": "linear", "l": "linear"}


def check_kind(name: Any) -> str:
    """The full name of a kind of trend."""
    if name not in _KINDS:
        raise ValueError(f"the trend (={name!r}) must be 'constant' or 'linear'")
    return _KINDS[name]


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: int | Sequence[int] = 0) -> DNDarray:
    """Without its mean, or without the line that fits best, along an axis; split as `data` is.

    Parameters
    ----------
    data : array_like
    axis : int
    type : 'linear' or 'constant'
    bp : int or sequence of int
        Where a new line begins.

    Communication: none if `axis` is not split, otherwise one all-reduce for a constant, two for a line; and one
    exchange if there is more than one line.

    >>> import dndarray as dnd
    >>> dnd.signal.detrend(dnd.array([1.0, 2.0, 3.0], split=0), type="constant").tolist()
    [-1.0, 0.0, 1.0]
    """
    x = as_operand(data)
    x = x.astype(torch.float64 if kind(x.dtype) < 2 else x.dtype, copy=False)
    axis = normalize_axis(axis, x.ndim)
    if check_kind(type) == "constant":
        return x - x.mean(axis=axis, keepdims=True)
    n = x.shape[axis]
    edges = sorted({0, n, *([bp] if isinstance(bp, int) else bp)})
    if edges[0] < 0 or edges[-1] > n:
        raise ValueError(f"`bp` (={bp}) must lie within the {n} samples along axis {axis}")
    lines = [_without_line(section(x, axis, start, stop), axis) for start, stop in pairwise(edges)]
    return concatenate(lines, axis) if len(lines) > 1 else lines[0] if lines else x


def _without_line(x: DNDarray, axis: int) -> DNDarray:
    n = x.shape[axis]
    place = positions(x.layout, x.comm, x.device, axis) - (n - 1) / 2
    line = place.to(x.larray.real.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    ramp = DNDarray(line.expand(x.lshape), x.layout, x.comm)
    slope = (x * ramp).sum(axis=axis, keepdims=True) * (12 / max(n * (n * n - 1), 1))
    return x - x.mean(axis=axis, keepdims=True) - slope * ramp


def detrend_last(tensor: Tensor, type: str) -> Tensor:
    """`detrend` of the last axis of a local tensor."""
    level = tensor - tensor.mean(-1, keepdim=True)
    if type == "constant":
        return level
    n = tensor.shape[-1]
    ramp = torch.arange(n, device=tensor.device).to(tensor.real.dtype) - (n - 1) / 2
    return level - ramp * ((tensor * ramp).sum(-1, keepdim=True) * (12 / max(n * (n * n - 1), 1)))
