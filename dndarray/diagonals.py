"""Diagonals and triangles of matrices: made, taken and cut out, each process working out its own indices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .communication import Communicator, as_comm
from .creation import make_layout, positions, zeros
from .elementwise import FUNCTIONS, as_operand
from .layout import Layout, Split, normalize_axis
from .manipulation import broadcast_to, concatenate, expand_dims, moveaxis, ravel
from .redistribution import move
from .types import as_dtype
from .unsigned import as_signed

__all__ = ["diag", "diagflat", "diagonal", "eye", "identity", "tri", "tril", "triu"]


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
    as_signed(result.larray)[rows - top, rows + k - left] = 1
    return result


def identity(
    n: int, dtype: Any = None, *, split: Split = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """The n x n matrix with ones on its diagonal. Local."""
    return eye(n, dtype=dtype, split=split, device=device, comm=comm, grid=grid)


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
    if x.ndim == 0:
        raise ValueError("triangles need one dimension or more, not 0")
    if x.ndim == 1:  # NumPy's: a matrix of which each row is the vector
        x = broadcast_to(x, (len(x), len(x)))
    offsets = _offsets(x.layout, x.comm, x.device)
    keep = offsets <= k if lower else offsets >= k
    return DNDarray(torch.where(keep, x.larray, torch.zeros_like(x.larray)), x.layout, x.comm)


def tril(x: Any, k: int = 0) -> DNDarray:
    """`x` with zeros above the k-th diagonal of its last two axes. Local."""
    return _triangle(x, k, lower=True)


def triu(x: Any, k: int = 0) -> DNDarray:
    """`x` with zeros below the k-th diagonal of its last two axes. Local."""
    return _triangle(x, k, lower=False)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> DNDarray:
    """The `offset`-th diagonals of the matrices in two axes, along a new last axis; a view where nothing travels.

    The diagonal is split as `axis1` or `axis2` is, where its elements are; the other axes keep their split.
    Communication: one redistribution if both are split, otherwise none.

    >>> diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    x = as_operand(x)
    axes = normalize_axis(axis1, x.ndim, "axis1"), normalize_axis(axis2, x.ndim, "axis2")
    if axes[0] == axes[1]:
        raise ValueError(f"`axis1` (={axis1}) and `axis2` (={axis2}) must differ")
    x = moveaxis(x, axes, (-2, -1))
    rows, columns = x.ndim - 2, x.ndim - 1
    layout = x.layout if x.layout.grid_axis(rows) is None else x.layout.undeal(columns)
    local = move(x.larray, x.layout, layout, x.comm)
    # Element i of the diagonal lies in row i + down and in column i + right.
    down, right = max(0, -offset), max(0, offset)
    n = max(0, min(x.shape[rows] - down, x.shape[columns] - right))
    dealt, shift = (rows, down) if layout.grid_axis(rows) is not None else (columns, right)
    g = layout.grid_axis(dealt)
    start, stop, counts = 0, n, None
    if g is not None:
        edges = [min(max(o - shift, 0), n) for o in layout.offsets[g]]
        c = layout.grid.coordinates(x.comm.rank)[g]
        start, stop = edges[c], edges[c + 1]
        counts = {dealt: [b - a for a, b in zip(edges[:-1], edges[1:], strict=True)]}
    (top, _), (left, _) = layout.box(x.comm.rank)[-2:]
    # A process without elements of the diagonal may not have the rows and columns where they would begin.
    first = (start + down - top, start + right - left) if stop > start else (0, 0)
    local = local.narrow(rows, first[0], stop - start).narrow(columns, first[1], stop - start)
    mapping = [*range(rows), *(rows if a == dealt else None for a in (rows, columns))]
    return wrap(local.diagonal(0, rows, columns), layout.derive((*x.shape[:rows], n), mapping, counts), x.comm)


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
    return FUNCTIONS["where"](on, expand_dims(v, 1), zeros((), v.dtype, device=v.device, comm=v.comm))


def diagflat(v: Any, k: int = 0) -> DNDarray:
    """The matrix that has all elements of `v`, in C order, on its k-th diagonal. Communication: as `reshape`."""
    return diag(ravel(v), k)
