"""Indexing on one process: where a mask holds, the rows at given places, and requests sorted by whom they go to.

Nothing communicates. On the CPU NumPy finds the true elements of a mask, and sorts small integers, several times
faster than torch does, and torch takes rows faster by one flat index than by a mask or a tuple of indices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .collectives import needs_grad
from .unsigned import as_signed, moved

__all__ = ["masked", "owners", "put_back", "rows_at", "sorted_by", "true_positions", "unraveled"]

_PIECE = 2**18
"""Rows that are looked at at a time: their places, of eight bytes each, take no memory to speak of."""

_FEW = 8
"""Processes among which to compare with each one's first index is faster than bisection."""


def true_positions(mask: Tensor) -> Tensor:
    """The flat places, in C order, at which a mask holds."""
    if mask.device.type != "cpu":
        return mask.reshape(-1).nonzero().reshape(-1)
    return torch.from_numpy(np.flatnonzero(mask.detach().numpy()))


def unraveled(flat: Tensor, shape: Sequence[int]) -> list[Tensor]:
    """One index for each axis, from flat places in C order."""
    result: list[Tensor] = []
    for n in reversed(shape[1:]):
        rest = flat // n
        result.append(flat - rest * n)
        flat = rest
    return [flat, *reversed(result)]


def rows_at(x: Tensor, indices: Sequence[Tensor]) -> Tensor:
    """`x[tuple(indices)]` for flat indices, not negative, of the leading axes."""
    m = len(indices)
    if m > 1 and not x.is_contiguous():
        return x[tuple(indices)]
    flat = indices[0]
    for index, n in zip(indices[1:], x.shape[1:], strict=False):
        flat = flat * n + index
    return moved(torch.index_select, x.flatten(0, m - 1), 0, flat)


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """`x[mask]` for a mask over one or more of the leading axes."""
    if not mask.ndim or (mask.ndim > 1 and not x.is_contiguous()):
        return x[mask]
    rows, mask = x.flatten(0, mask.ndim - 1), mask.reshape(-1)
    if needs_grad(x):
        return torch.index_select(rows, 0, true_positions(mask))
    result = rows.new_empty((int(mask.count_nonzero()), *rows.shape[1:]))
    start = 0
    for piece, hold in zip(rows.split(_PIECE), mask.split(_PIECE), strict=True):
        found = true_positions(hold)
        torch.index_select(as_signed(piece), 0, found, out=as_signed(result)[start : start + len(found)])
        start += len(found)
    return result


def owners(index: Tensor, offsets: Sequence[int]) -> Tensor:
    """The process that holds each index, where process r has those in [offsets[r], offsets[r + 1])."""
    if len(offsets) > _FEW + 1:
        return torch.bucketize(index, torch.tensor(offsets, device=index.device), right=True) - 1
    owner = torch.zeros(index.shape, dtype=torch.uint8, device=index.device)
    for start in offsets[1:-1]:
        owner += index >= start
    return owner


def sorted_by(small: Tensor, many: int) -> Tensor:
    """The stable order of integers in [0, many)."""
    if small.device.type != "cpu" or many > 2**16:
        return torch.argsort(small, stable=True)
    return torch.from_numpy(small.numpy().astype(np.uint16).argsort(kind="stable"))


def put_back(x: Tensor, order: Tensor) -> Tensor:
    """The rows that `order` had taken from their places, put back: the inverse of `rows_at(x, [order])`."""
    return moved(lambda t: torch.empty_like(t).index_copy(0, order, t), x)
