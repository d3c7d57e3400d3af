"""Sparse matrices dealt out in another way: elements sent home, compressed along the other axis, gathered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_gather, use_in_split
from ..communication import Communicator
from ..layout import Layout, normalize_axis
from ..sample_sort import Route
from .array import SparseArray
from .pattern import Pattern, compress

__all__ = [
    "assembled",
    "from_local",
    "major_layout",
    "add_up",
    "aligned",
    "recompressed",
    "resplit",
    "to_dense",
    "to_scipy",
    "toarray",
]


def major_layout(shape: Sequence[int], comm: Communicator, dealt: bool, counts: Sequence[int] | None = None) -> Layout:
    """The layout of a pattern of this shape: rows dealt out or not."""
    return Layout(tuple(shape), comm.grid, 0 if dealt else None, [counts] if dealt else None)


def from_local(
    layout: Layout,
    comm: Communicator,
    rows: np.ndarray,
    columns: np.ndarray,
    values: Tensor,
    major: int,
    form: str | None,
) -> SparseArray:
    """The matrix whose pattern lies in `layout` of elements that are at home: local rows, global columns, any order.

    Elements that come several times are added up. Communication: one all-reduce of a number if it is dealt out.
    """
    lshape = layout.lshape(comm.rank)
    indptr, indices, order, groups = compress(rows, columns, (lshape[0], lshape[1]))
    data = values[torch.from_numpy(order).to(values.device)]
    if groups is not None:
        data = add_up(data, groups, len(indices))
    return SparseArray(Pattern.make(layout, comm, indptr, indices), data, major, form)


def add_up(data: Tensor, groups: np.ndarray, n: int) -> Tensor:
    """The sums of `n` groups of values. Differentiable."""
    index = torch.from_numpy(groups).to(data.device)
    if data.dtype is torch.bool:  # which add up to or
        return data.new_zeros(n, dtype=torch.uint8).index_add_(0, index, data.to(torch.uint8)) != 0
    return data.new_zeros(n).index_add(0, index, data)


def assembled(
    layout: Layout,
    comm: Communicator,
    rows: np.ndarray,
    columns: np.ndarray,
    values: Tensor,
    major: int,
    form: str | None,
) -> SparseArray:
    """The matrix whose pattern lies in `layout` (dealt out) of elements with global rows and columns, on any process.

    Elements that come several times are added up. Differentiable. Communication: one all-to-all of counts, one of the
    elements (two if values require grad), one all-reduce of a number.
    """
    if comm.size == 1:
        return from_local(layout, comm, rows, columns, values, major, form)
    offsets = np.asarray(layout.offsets[0][1:-1], dtype=np.int64)  # type: ignore[index]
    owner = np.searchsorted(offsets, rows, side="right").astype(np.int16 if comm.size < 2**15 else np.int64)
    lengths = np.bincount(owner, minlength=comm.size)
    if (np.diff(owner) < 0).any():
        order = np.argsort(owner, kind="stable")
        rows, columns, values = rows[order], columns[order], values[torch.from_numpy(order).to(values.device)]
    sends = torch.from_numpy(lengths)
    route = Route(comm, sends[:, None], torch.tensor(comm.alltoall_counts(sends.tolist()))[:, None])
    tensors = [torch.from_numpy(np.ascontiguousarray(a, dtype=np.int64))[None] for a in (rows, columns)]
    i, j, arrived = (t[0] for t in route(*tensors, values[None]))
    return from_local(layout, comm, i.numpy() - layout.box(comm.rank)[0][0], j.numpy(), arrived, major, form)


def recompressed(A: SparseArray) -> SparseArray:
    """A replicated matrix compressed along its other axis. Local."""
    pattern = A.pattern
    layout = major_layout(pattern.shape[::-1], A.comm, False)
    form = {"csr": "csc", "csc": "csr"}.get(A.format, A.format)
    return from_local(layout, A.comm, pattern.indices, pattern.rows, A.data, 1 - A.major, form)


def resplit(A: SparseArray, split: int | None = None, counts: Sequence[int] | None = None) -> SparseArray:
    """The same matrix dealt out along another axis (0 or 1), or whole on every process (None).

    `counts` says how many rows or columns each process gets; balanced otherwise, or as they are if the split stays.

    Communication: none where every process has all, or nothing changes; otherwise three all-gathers (to None), or one
    all-to-all of counts, one of elements and one all-reduce. Differentiable.
    """
    split = None if split is None else normalize_axis(split, 2, "split")
    if split == A.split and (counts is None or A.pattern.counts == tuple(counts)):
        return A
    if split is None:
        return _gathered(A)
    if A.split is None:
        return _dealt(A if A.major == split else recompressed(A), counts)
    rows, columns = A.pattern.rows.astype(np.int64) + A.pattern.start, A.pattern.indices
    m, n = A.pattern.shape
    if split != A.major:
        rows, columns, m, n = columns, rows, n, m
    form = A.format if A.format in ("coo", "bsr") else ("csr", "csc")[split]
    return assembled(major_layout((m, n), A.comm, True, counts), A.comm, rows, columns, A.data, split, form)


def _gathered(A: SparseArray) -> SparseArray:
    """All of a matrix on every process."""
    comm, pattern = A.comm, A.pattern
    layout = major_layout(pattern.shape, comm, False)
    if comm.size == 1 or pattern.counts is None:
        return SparseArray(
            Pattern(layout, comm, pattern.indptr, pattern.indices, pattern.nnz), A.data, A.major, A.format
        )
    lengths = comm.allgatherv(torch.from_numpy(np.diff(pattern.indptr).astype(np.int64)), pattern.counts).numpy()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    edges = ends[list(pattern.layout.offsets[0])]  # type: ignore[arg-type]
    sizes = np.diff(edges).tolist()
    indices = comm.allgatherv(torch.from_numpy(pattern.indices.astype(np.int64)), sizes).numpy()
    data = all_gather(A.data, sizes, comm)
    return SparseArray(Pattern(layout, comm, ends, indices, pattern.nnz), data, A.major, A.format)


def _dealt(A: SparseArray, counts: Sequence[int] | None) -> SparseArray:
    """This process's rows of a matrix of which it has all."""
    pattern = A.pattern
    layout = major_layout(pattern.shape, A.comm, True, counts)
    low, high = layout.box(A.comm.rank)[0]
    first, last = int(pattern.indptr[low]), int(pattern.indptr[high])
    indptr, indices = pattern.indptr[low : high + 1] - pattern.indptr[low], pattern.indices[first:last]
    dealt = Pattern(layout, A.comm, indptr, indices, pattern.nnz)
    form = A.format if A.format in ("coo", "bsr") else ("csr", "csc")[A.major]
    return SparseArray(dealt, use_in_split(A.data, A.comm)[first:last], A.major, form)


def aligned(A: SparseArray, layout: Layout, major: int) -> SparseArray:
    """A matrix whose pattern lies as `layout` deals out axis `major`."""
    if not layout.is_dealt:
        B = resplit(A, None)
        return B if B.major == major else recompressed(B)
    return resplit(A, major, layout.counts[0])


def to_dense(A: SparseArray) -> DNDarray:
    """The same matrix as a DNDarray, dealt out as it is. Local; needs room for all of its elements. Differentiable."""
    m, n = A.pattern.lshape
    flat = torch.from_numpy(A.pattern.rows.astype(np.int64) * n + A.pattern.indices).to(A.device)
    dense = A.data.new_zeros(m * n).index_put((flat,), A.data).reshape(m, n)
    return wrap(dense if A.major == 0 else dense.T, A.layout, A.comm)


def toarray(A: SparseArray) -> np.ndarray:
    """All of the matrix as a dense NumPy array on every process. Communication: one all-gather if it is dealt out."""
    return to_dense(A).numpy()


def to_scipy(A: SparseArray) -> Any:
    """All of the matrix on every process, as a SciPy array in its format. Communication: as `resplit` to None."""
    return resplit(A, None).local.asformat(A.format)
