"""Diagonals and triangles of matrices: made, taken and cut out, each process working out its own indices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .communication import Communicator, as_comm
from .creation import make_layout, positions, zeros
from .elementwise import FUNCTIONS, as_operand
from .layout import Layout, Split
from .manipulation import concatenate, expand_dims
from .redistribution import move
from .types import as_dtype

__all__ = ["diag", "diagonal", "eye", "tri", "tril", "triu"]


def _offsets(layout: Layout, comm: Communicator, device: Any) -> Tensor:
    """Column minus row of each element of the last two axes of this process's part."""
    rows = positions(layout, comm, device, layout.ndim - 2)
    return positions(layout, comm, device, layout.ndim - 1) - rows.unsqueeze(1)


def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Any = None,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """Ones on the k-th diagonal of an n x m array, zeros elsewhere. Local."""
    result = zeros((n, n if m is None else m), dtype, split=split, device=device, comm=comm, grid=grid)
    (top, bottom), (left, right) = result.layout.box(result.comm.rank)
    first, last = max(top, left - k), min(bottom, right - k)
    rows = torch.arange(first, max(first, last), device=result.device)
    result.larray[rows - top, rows + k - left] = 1
    return result


def tri(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Any = None,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """Ones at and below the k-th diagonal of an n x m array, zeros elsewhere. Local."""
    comm = as_comm(comm)
    layout = make_layout((n, n if m is None else m), split, grid, comm)
    return DNDarray((_offsets(layout, comm, device) <= k).to(as_dtype(dtype or float)), layout, comm)


def _triangle(x: Any, k: int, lower: bool) -> DNDarray:
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"triangles need two dimensions or more, not {x.ndim}")
    offsets = _offsets(x.layout, x.comm, x.device)
    keep = offsets <= k if lower else offsets >= k
    return DNDarray(torch.where(keep, x.larray, torch.zeros_like(x.larray)), x.layout, x.comm)


def tril(x: Any, k: int = 0) -> DNDarray:
    """`x` with zeros above the k-th diagonal of its last two axes. Local."""
    return _triangle(x, k, lower=True)


def triu(x: Any, k: int = 0) -> DNDarray:
    """`x` with zeros below the k-th diagonal of its last two axes. Local."""
    return _triangle(x, k, lower=False)


def diagonal(x: Any, offset: int = 0) -> DNDarray:
    """The `offset`-th diagonal of a matrix, split as the matrix is. Local on 1-D grids, else one redistribution."""
    x = as_operand(x)
    if x.ndim != 2:
        raise ValueError(f"diagonal takes two dimensions, not {x.ndim}")
    dealt = [a for a in x.layout.axes if a is not None]
    layout = x.layout if len(dealt) < 2 else x.layout.undeal(1)
    local = move(x.larray, x.layout, layout, x.comm)

    def span(rank: int) -> tuple[int, int]:
        (top, bottom), (left, right) = layout.box(rank)
        first = max(top, left - offset)
        return first, max(first, min(bottom, right - offset))

    (top, bottom), (left, right) = layout.box(x.comm.rank)
    rows = torch.arange(*span(x.comm.rank), device=x.device)
    n = max(0, min(x.shape[0], x.shape[1] - offset) - max(0, -offset))
    counts: list[list[int] | None] = []
    for g, a in enumerate(layout.axes):
        others = [0] * layout.grid.ndim
        ranks = [layout.grid.rank([*others[:g], c, *others[g + 1 :]]) for c in range(layout.grid.shape[g])]
        counts.append(None if a is None else [span(r)[1] - span(r)[0] for r in ranks])
    axes = tuple(None if a is None else 0 for a in layout.axes)
    return wrap(local[rows - top, rows + offset - left], Layout((n,), layout.grid, axes, counts), x.comm)


def diag(v: Any, k: int = 0) -> DNDarray:
    """The k-th diagonal of a matrix, or for a vector the matrix that has it there, split by rows if the vector is."""
    v = as_operand(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag takes one or two dimensions, not {v.ndim}")
    n = len(v) + abs(k)
    if k:
        filler = zeros(abs(k), v.dtype, device=v.device, comm=v.comm)
        v = concatenate([v, filler] if k > 0 else [filler, v], 0)
    on = eye(n, n, k, torch.bool, split=v.split, device=v.device, comm=v.comm, grid=v.layout.grid)
    return FUNCTIONS["where"](on, expand_dims(v, 1), 0)
