"""Sparse matrices by formula: each process makes its own rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import random
from ..array import DNDarray
from ..collectives import use_in_split
from ..communication import Communicator, as_comm
from ..creation import make_layout
from ..device import as_device
from ..elementwise import as_operand
from ..layout import Layout
from ..redistribution import move
from ..types import as_dtype, result_type
from .array import SparseArray
from .pattern import Pattern, index_type
from .rearrangement import from_local, major_layout

__all__ = ["diags_array", "eye_array", "poisson", "random_array"]

_CELL = 2**16
"""Random elements that are drawn together, on whichever processes have some of their rows."""


def _rows_layout(shape: Sequence[int], split: int | None, comm: Communicator) -> tuple[Layout, int]:
    """The layout of the pattern of a matrix of this shape and split, and its major axis."""
    m, n = make_layout(shape, split, None, comm).shape
    major = split % 2 if split is not None else 0
    return major_layout((m, n) if major == 0 else (n, m), comm, split is not None), major


def _from_grid(
    layout: Layout,
    comm: Communicator,
    columns: np.ndarray,
    valid: np.ndarray,
    values: Tensor,
    nnz: int,
    major: int,
    form: Any,
) -> SparseArray:
    """The matrix with elements in ascending `columns` (rows, width), of these those that are `valid`."""
    lengths = np.einsum("ij->i", valid.view(np.int8), dtype=np.int64)  # many times as fast as a sum of short rows
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    pattern = Pattern(layout, comm, indptr, columns[valid], nnz)
    return SparseArray(pattern, values, major).asformat(form)


def diags_array(
    diagonals: Any,
    /,
    *,
    offsets: Any = 0,
    shape: tuple[int, int] | None = None,
    format: str | None = None,
    dtype: Any = None,
    split: int | None = None,
    device: Any = None,
    comm: Any = None,
) -> SparseArray:
    """A matrix of given diagonals.

    Parameters
    ----------
    diagonals : sequence of array_like
        One vector, or number, for each offset; or a single vector with a single offset. Alike on every process, or
        split.
    offsets : int or sequence of int
        Number of each diagonal: 0 is the main one, positive ones are above it.
    shape : tuple of int, optional
        Square, as large as the diagonals ask for, otherwise.
    format, dtype, split, device, comm
        As in `csr_array`.

    Communication: none for vectors that every process has, one exchange for each that is split. Differentiable.

    >>> diags_array([[1.0, 2.0], 3.0], offsets=[0, 1], shape=(2, 2)).toarray().tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    comm = as_comm(comm)
    if np.ndim(offsets) == 0:
        offsets, diagonals = [offsets], diagonals if len(diagonals) == 1 and np.ndim(diagonals[0]) else [diagonals]
    bands = [as_operand(d, comm, as_device(device)) for d in diagonals]
    offsets = [int(k) for k in offsets]
    if len(bands) != len(offsets):
        raise ValueError(f"{len(bands)} diagonals do not fit {len(offsets)} `offsets`")
    if len(set(offsets)) != len(offsets):
        raise ValueError(f"`offsets` (={offsets}) names a diagonal twice")
    if any(d.ndim > 1 for d in bands):
        raise ValueError("each of `diagonals` must be a vector or a number")
    if shape is None:
        sides = {d.size + abs(k) for d, k in zip(bands, offsets, strict=True) if d.ndim}
        if len(sides) != 1:
            raise ValueError("give `shape`: the diagonals do not tell it")
        shape = (min(sides), min(sides))
    layout, major = _rows_layout(shape, split, comm)
    m, n = layout.shape
    sign = 1 if major == 0 else -1
    lines = sorted(((sign * k, d) for k, d in zip(offsets, bands, strict=True)), key=lambda line: line[0])
    common = as_dtype(dtype) if dtype is not None else result_type(*(d.dtype for d in bands))
    low, high = layout.box(comm.rank)[0]
    rows = np.arange(low, high)
    columns = rows[:, None] + np.array([k for k, _ in lines], dtype=np.int64)
    valid = (columns >= 0) & (columns < n)
    values = [_band(d, k, layout, comm).to(common) for k, d in lines]
    table = torch.stack(values, 1).reshape(-1) if values else torch.empty(0, dtype=common)
    table = table[torch.from_numpy(np.flatnonzero(valid)).to(table.device)]
    nnz = sum(max(0, min(m, n - k) - max(0, -k)) for k, _ in lines)
    return _from_grid(layout, comm, columns, valid, table, nnz, major, format)


def _band(d: DNDarray, k: int, layout: Layout, comm: Communicator) -> Tensor:
    """A diagonal's element in each of this process's rows, anything where it has none."""
    m, n = layout.shape
    start, stop = max(0, -k), max(min(m, n - k), max(0, -k))
    here = layout.lshape(comm.rank)[0]
    if not d.ndim or d.shape == (1,):
        one = d.reshape(()).torch()
        return (use_in_split(one, comm) if layout.is_dealt else one).expand(here)
    if d.size < stop - start:
        raise ValueError(f"a diagonal of {d.size} elements is too short for number {k} of a matrix of shape {(m, n)}")
    d = d[: stop - start]
    counts, first = None, 0
    edges = layout.offsets[0]
    if edges is not None:
        inside = [min(max(edge, start), stop) for edge in edges]
        counts = [b - a for a, b in zip(inside, inside[1:], strict=False)]
        first = inside[comm.rank] - edges[comm.rank] if counts[comm.rank] else 0
    else:
        first = start
    target = Layout(d.shape, comm.grid, None if counts is None else 0, [counts])
    part = move(d.larray, d.layout, target, comm)
    return torch.nn.functional.pad(part, (first, here - first - len(part)))


def eye_array(
    m: int,
    n: int | None = None,
    *,
    k: int = 0,
    dtype: Any = None,
    format: str | None = None,
    split: int | None = None,
    device: Any = None,
    comm: Any = None,
) -> SparseArray:
    """Ones on the `k`-th diagonal of an (m, n) matrix, of torch's default dtype. Local."""
    one = torch.ones((), dtype=as_dtype(dtype or float))
    shape = (m, m if n is None else n)
    return diags_array([one], offsets=[k], shape=shape, format=format, split=split, device=device, comm=comm)


def poisson(
    *shape: int, dtype: Any = None, split: int | None = None, device: Any = None, comm: Any = None
) -> SparseArray:
    """The matrix of Poisson's equation on a grid of `shape` with values given on its border.

    In d dimensions 2 d on the diagonal and -1 for each of the 2 d neighbours. Local.

    >>> poisson(3).toarray().tolist()
    [[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]]
    """
    comm = as_comm(comm)
    n = math.prod(shape)
    layout, major = _rows_layout((n, n), split, comm)
    rows = np.arange(*layout.box(comm.rank)[0], dtype=index_type(n))
    stride, rest = n, rows
    lower: list[tuple[int, np.ndarray]] = []
    upper: list[tuple[int, np.ndarray]] = []
    for length in shape:
        stride //= max(length, 1)
        place, rest = np.divmod(rest, stride) if stride > 1 else (rest, np.zeros_like(rest))  # which is faster
        lower.append((-stride, place > 0))
        upper.append((stride, place < length - 1))
    bands = [*lower, (0, np.ones(len(rows), dtype=bool)), *reversed(upper)]
    valid = np.stack([inside for _, inside in bands], 1)
    columns = rows[:, None] + np.array([step for step, _ in bands], dtype=rows.dtype)
    weights = np.full(len(bands), -1.0)
    weights[len(shape)] = 2 * len(shape)
    elements = torch.from_numpy(np.broadcast_to(weights, valid.shape)[valid])
    values = elements.to(dtype=as_dtype(dtype or torch.float64), device=as_device(device))
    nnz = n + 2 * sum(n - n // length for length in shape if length)
    return _from_grid(layout, comm, columns, valid, values, nnz, major, None)


def random_array(
    shape: tuple[int, int],
    *,
    density: float = 0.01,
    format: str | None = None,
    dtype: Any = None,
    rng: Any = None,
    split: int | None = None,
    device: Any = None,
    comm: Any = None,
) -> SparseArray:
    """A matrix with elements in random places, of values uniform on [0, 1).

    The same for any split and number of processes: `round(density * m * n)` elements, dealt out evenly to blocks of
    rows, and anywhere within these.

    Parameters
    ----------
    rng : int, optional
        The seed; otherwise dnd.random's generator gives one.

    Communication: one all-reduce of a number if it is dealt out; for a first seed one broadcast.
    """
    comm = as_comm(comm)
    if not 0 <= density <= 1:
        raise ValueError(f"`density` (={density}) must be from 0 to 1")
    layout, major = _rows_layout(shape, split, comm)
    m, n = _rows_layout(shape, None, comm)[0].shape
    if rng is None:
        rng = random.integers(0, 2**62, comm=comm).item()
    total = round(density * m * n)
    blocks = max(1, min(m, total // _CELL))
    edges = [m * b // blocks for b in range(blocks + 1)]
    low, high = layout.box(comm.rank)[0] if major == 0 else (0, m)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for b in range(blocks):
        if edges[b] < high and edges[b + 1] > low and n:
            width = edges[b + 1] - edges[b]
            count = total * edges[b + 1] // m - total * edges[b] // m
            stream = np.random.Generator(np.random.Philox(key=np.array([rng, b], dtype=np.uint64)))
            places = stream.choice(width * n, size=count, replace=False, shuffle=False) + edges[b] * n
            found.append((places, stream.random(count)))
    places = np.concatenate([np.empty(0, dtype=np.int64), *(p for p, _ in found)])
    values = torch.from_numpy(np.concatenate([np.empty(0), *(v for _, v in found)]))
    i, j = np.divmod(places, max(n, 1))
    i, j = (i, j) if major == 0 else (j, i)
    low, high = layout.box(comm.rank)[0]
    mine = (i >= low) & (i < high)
    chosen = values[torch.from_numpy(mine)].to(device=as_device(device), dtype=as_dtype(dtype or float))
    return from_local(layout, comm, i[mine] - low, j[mine], chosen, major, None).asformat(format)
