"""Bits packed into bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .elementwise import as_operand
from .indexing import section
from .layout import Layout, balanced_counts, normalize_axis
from .manipulation import concatenate, ravel
from .redistribution import move
from .types import kind

__all__ = ["packbits", "unpackbits"]


def _by_numpy(fn: Callable, local: Tensor, axis: int, bitorder: str) -> Tensor:
    """NumPy's function, far faster than what torch's operations make, of a local part."""
    return torch.from_numpy(fn(local.cpu().numpy(), axis, bitorder=bitorder)).to(local.device)


def _check_order(bitorder: str) -> None:
    if bitorder not in ("big", "little"):
        raise ValueError(f"`bitorder` (={bitorder!r}) must be 'big' or 'little'")


def _along(x: Any, axis: int | None) -> tuple[DNDarray, int]:
    """The array with an axis along which bits lie: flattened if none is named."""
    x = as_operand(x)
    if axis is None or x.ndim == 0:
        return ravel(x), 0
    return x, normalize_axis(axis, x.ndim)


def _resized(layout: Layout, axis: int, n: int, counts: Sequence[int]) -> Layout:
    shape = [n if a == axis else m for a, m in enumerate(layout.shape)]
    return layout.derive(shape, range(layout.ndim), {axis: counts})


def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> DNDarray:
    """Eight elements along an axis, true or false, as the bits of one byte (uint8); the last is filled up with zeros.

    The split stays. Communication: one redistribution if the axis is split, so that no byte crosses a border; with
    `axis=None`, that of `ravel`, too.

    >>> packbits([1, 0, 0, 0, 0, 0, 1, 1, 1]).tolist()
    [131, 128]
    """
    x, axis = _along(a, axis)
    if kind(x.dtype) > 1:
        raise TypeError(f"packbits takes bools and integers, not {x.dtype}")
    _check_order(bitorder)
    n = x.shape[axis]
    length = -(-n // 8)
    g = x.layout.grid_axis(axis)
    counts = [] if g is None else list(balanced_counts(length, x.layout.grid.shape[g]))
    layout = x.layout
    if g is not None:
        ends = [min(8 * end, n) for end in accumulate(counts, initial=0)]
        layout = _resized(layout, axis, n, [stop - start for start, stop in pairwise(ends)])
    packed = _by_numpy(np.packbits, move(x.larray, x.layout, layout, x.comm), axis, bitorder)
    return wrap(packed, _resized(layout, axis, length, counts), x.comm)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> DNDarray:
    """The bits of bytes (uint8) along an axis, each as an element that is 0 or 1.

    `count` is how many are kept, or if negative how many are dropped at the end; what is more than there are is zero.
    The split stays. Communication: none, but that of `ravel` with `axis=None`, and of `concatenate` for zeros added.

    >>> unpackbits(as_operand([3]).astype("uint8")).tolist()
    [0, 0, 0, 0, 0, 0, 1, 1]
    """
    x, axis = _along(a, axis)
    if x.dtype is not torch.uint8:
        raise TypeError(f"unpackbits takes bytes, dtype uint8, not {x.dtype}")
    _check_order(bitorder)
    n = 8 * x.shape[axis]
    if count is not None and count < -n:
        raise ValueError(f"`count` (={count}) drops more than the {n} bits")
    bits = _by_numpy(np.unpackbits, x.larray, axis, bitorder)
    g = x.layout.grid_axis(axis)
    counts = [] if g is None else [8 * c for c in x.layout.counts[g]]  # type: ignore[union-attr]
    result = wrap(bits, _resized(x.layout, axis, n, counts), x.comm)
    if count is None:
        return result
    if count <= n:
        return section(result, axis, 0, count if count >= 0 else n + count)
    shape = [count - n if b == axis else m for b, m in enumerate(result.shape)]
    zeros = DNDarray(bits.new_zeros(()).expand(shape), Layout(shape, x.comm.grid), x.comm)
    return concatenate([result, zeros], axis)
