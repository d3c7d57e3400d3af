"""Sums, means and extrema over one axis or both."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_reduce
from ..elementwise import FUNCTIONS
from ..layout import Layout, normalize_axis
from ..types import as_dtype, kind
from .array import SparseArray
from .products import matmul, vector_layout
from .rearrangement import recompressed, resplit

__all__ = ["max", "mean", "min", "sum"]


def _whole(value: Tensor, A: SparseArray, op: str) -> DNDarray:
    """One number of all processes."""
    if A.split is not None:
        value = all_reduce(value, A.comm, op)
    return wrap(value, Layout((), A.comm.grid), A.comm)


def sum(A: SparseArray, axis: int | None = None, dtype: Any = None) -> DNDarray:
    """The sum of all elements, of each column (`axis` 0) or of each row (1).

    Sums of rows and of columns are dealt out if the matrix is. Communication: none for sums along rows that are dealt
    out (and columns likewise), messages between neighbours for those across processes, one all-reduce of a number for
    that of all. Differentiable.
    """
    target = as_dtype(dtype) if dtype is not None else A.dtype if kind(A.dtype) > 1 else torch.int64
    A = A if A.dtype is target else A.astype(target)
    if axis is None:
        return _whole(A.data.sum(), A, "sum")
    axis = normalize_axis(axis, 2)
    B = A if axis == 1 else A.T
    n = B.shape[1]
    layout = vector_layout(B.pattern, (n,)) if B.major == 1 else Layout((n,), A.comm.grid)
    ones = torch.ones(layout.lshape(A.comm.rank), dtype=target, device=A.device)
    return matmul(B, wrap(ones, layout, A.comm))


def mean(A: SparseArray, axis: int | None = None, dtype: Any = None) -> DNDarray:
    """The mean of all elements, zeros included, of each column (`axis` 0) or row (1). Communication: as `sum`."""
    target = as_dtype(dtype) if dtype is not None else A.dtype if kind(A.dtype) > 1 else torch.float64
    total = sum(A, axis, target)
    n = A.shape[0] * A.shape[1] if axis is None else A.shape[normalize_axis(axis, 2)]
    return FUNCTIONS["divide"](total, n)


def _extremum(A: SparseArray, axis: int | None, op: str) -> DNDarray:
    if A.dtype.is_complex:
        raise TypeError(f"{op} needs an order, and {A.dtype} has none")
    if not (A.shape[0] * A.shape[1] if axis is None else A.shape[normalize_axis(axis, 2)]):
        raise ValueError(f"{op} of no elements: the matrix has shape {A.shape}")
    if axis is None:
        # Who has no element, or has zeros that are not stored, brings a zero, if there is one at all.
        values, (m, n) = A.data, A.lshape
        if A.nnz < A.shape[0] * A.shape[1] and (A.lnnz < m * n or not A.lnnz):
            values = torch.cat([values, values.new_zeros(1)])
        if not len(values):
            info = torch.finfo(A.dtype) if A.dtype.is_floating_point else None
            bound = {"max": -np.inf, "min": np.inf}[op] if info else _integer_bound(A.dtype, op)
            values = torch.full((1,), bound, dtype=A.dtype, device=A.device)
        return _whole(values.max() if op == "max" else values.min(), A, op)
    axis = normalize_axis(axis, 2)
    B = A if axis == 1 else A.T
    if B.major == 1:
        B = resplit(B, 0) if B.split is not None else recompressed(B)
    pattern = B.pattern
    lengths = torch.from_numpy(np.diff(pattern.indptr)).to(A.device)
    rows = torch.from_numpy(pattern.rows).long().to(A.device)
    start = torch.zeros(pattern.lshape[0], dtype=torch.uint8 if A.dtype is torch.bool else A.dtype, device=A.device)
    values = B.data.to(start.dtype)
    result = start.scatter_reduce(0, rows, values, f"a{op}", include_self=False)
    zero = torch.zeros((), dtype=start.dtype, device=A.device)
    extended = torch.maximum(result, zero) if op == "max" else torch.minimum(result, zero)
    result = torch.where(lengths < pattern.shape[1], extended, result).to(A.dtype)
    return wrap(result, vector_layout(pattern, (B.shape[0],)), A.comm)


def _integer_bound(dtype: torch.dtype, op: str) -> int:
    if dtype is torch.bool:
        return int(op == "min")
    info = torch.iinfo(dtype)
    return info.min if op == "max" else info.max


def max(A: SparseArray, axis: int | None = None) -> DNDarray:
    """The largest of all elements, of each column (`axis` 0) or of each row (1).

    Communication: one all-reduce of a number for that of all; none along rows that are dealt out; across processes the
    matrix is dealt out along its other axis first. Differentiable.
    """
    return _extremum(A, axis, "max")


def min(A: SparseArray, axis: int | None = None) -> DNDarray:
    """The smallest of all elements, of each column (`axis` 0) or of each row (1). Communication: as `max`."""
    return _extremum(A, axis, "min")
