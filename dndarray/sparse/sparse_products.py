"""Products of two sparse matrices.

Gustavson's algorithm, row by row: a process needs those rows of the second matrix that are columns of its part of the
first one. Which these are the pattern's plan knows; so only they travel, and the product is SciPy's.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ..collectives import needs_grad, use_in_split
from ..sample_sort import Route
from ..types import result_type
from .array import SparseArray
from .exchange_plan import Selection, spans
from .kernels import host
from .pattern import Pattern, index_type, picked
from .rearrangement import major_layout, recompressed, resplit

__all__ = ["multiply"]


def multiply(A: SparseArray, B: SparseArray) -> SparseArray:
    """The sparse product of two sparse matrices, dealt out as A is, or as B if A is not.

    A process holds beside its parts those rows of B that its columns touch (of A's columns likewise where columns are
    dealt out).

    Communication: messages between neighbours for the lengths of these rows, one all-to-all for their elements (two if
    values require grad), one all-reduce of a number; the plan of a new pattern besides. An operand that is dealt out
    along the other axis is redistributed first. Differentiable in the values of both, with memory for every
    multiplication. As in SciPy the elements of the product are sorted when that is needed, and not before.
    """
    if A.shape[1] != B.shape[0]:
        raise ValueError(
            f"sparse matrices of shapes {A.shape} and {B.shape} do not multiply: {A.shape[1]} != {B.shape[0]}"
        )
    if A.comm is not B.comm:
        raise ValueError("the two matrices live on different communicators")
    split = A.split if A.split is not None else B.split
    if split == 1:
        return _by_rows(resplit(B, 1).T, A.T, 1)
    return _by_rows(resplit(A, split) if split == 0 else _in_rows(A), B)


def _in_rows(A: SparseArray) -> SparseArray:
    """A replicated matrix as compressed rows."""
    return A if A.major == 0 else recompressed(A)


def _by_rows(A: SparseArray, B: SparseArray, major: int = 0) -> SparseArray:
    """The product of a matrix of compressed rows, dealt out or not, and any; its transpose for `major` 1."""
    B = _in_rows(B) if B.split is None else resplit(B, 0)
    common = result_type(A.dtype, B.dtype)
    a, b = A.data.to(common), B.data.to(common)
    columns: np.ndarray
    if B.split is None:
        columns, right = A.pattern.indices, B.pattern.local(host(b))
        b = use_in_split(b, B.comm) if A.split is not None else b
    else:
        columns, right, b = _touched_rows(A.pattern, B.pattern, b)
    left = csr_array((host(a), columns, A.pattern.indptr), shape=(A.pattern.lshape[0], right.shape[0]))
    right = csr_array((host(b), right.indices, right.indptr), shape=right.shape)
    structural = needs_grad(a, b)
    if structural:  # nothing may cancel
        left.data, right.data = (np.ones(len(m.data), dtype=np.float32) for m in (left, right))
    product = left @ right
    if structural:
        product.sort_indices()
    layout = major_layout((A.shape[0], B.shape[1]), A.comm, A.split is not None, A.pattern.counts)
    is_sorted = bool(product.has_sorted_indices)  # by SciPy's algorithm they hardly ever are
    pattern = Pattern.make(layout, A.comm, product.indptr, product.indices, is_sorted)
    if structural:
        values = _expanded(pattern, A.pattern, columns, right, a, b)
    else:
        values = torch.from_numpy(product.data.astype(host(a[:0]).dtype, copy=False)).to(A.device)
    return SparseArray(pattern, values, major, A.format if A.format in ("coo", "bsr") else ("csr", "csc")[major])


def _touched_rows(P: Pattern, Q: Pattern, values: Tensor) -> tuple[np.ndarray, csr_array, Tensor]:
    """The rows of `Q` that the columns of `P` touch, own rows included, in order: the columns of `P` counted in them,
    the rows (of whose values only the number is meant), and the values."""
    comm, plan = P.comm, P.plan(Q.counts)
    lengths = np.diff(Q.indptr).astype(np.int64)
    halo, requests = plan.fetch(torch.from_numpy(lengths))
    for request in requests:
        request.wait()
    entries = [spans(Q.indptr[:-1][_places(part)].astype(np.int64), lengths[_places(part)]) for _, part in plan.sends]
    sends, receives = np.zeros(comm.size, dtype=np.int64), np.zeros(comm.size, dtype=np.int64)
    for (peer, _), found in zip(plan.sends, entries, strict=True):
        sends[peer] = len(found)
    for peer, part in plan.receives:
        receives[peer] = int(halo[part].sum())
    chosen = torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int64), *entries]))
    leaving = torch.from_numpy(Q.indices.astype(np.int64))[chosen]
    route = Route(comm, torch.from_numpy(sends)[:, None], torch.from_numpy(receives)[:, None])
    if comm.size > 1:
        columns, arrived = (t[0] for t in route(leaving[None], values[chosen.to(values.device)][None]))
    else:
        columns, arrived = leaving[:0], values[:0]
    if not len(plan.halo):
        # Who gets nothing may have sent something, whose gradient comes back.
        return plan.columns, Q.local(host(values)), torch.cat([values, arrived]) if needs_grad(arrived) else values
    before = int(np.searchsorted(plan.halo, plan.start))
    cut = int(halo[:before].sum())
    widths = np.concatenate([halo[:before].numpy(), lengths, halo[before:].numpy()])
    kind = index_type(int(widths.sum()), *Q.shape)
    indices = np.concatenate(
        [part.astype(kind, copy=False) for part in (columns[:cut].numpy(), Q.indices, columns[cut:].numpy())]
    )
    starts = np.concatenate([[0], np.cumsum(widths)]).astype(kind)
    rows = csr_array((indices, indices, starts), shape=(len(widths), Q.shape[1]))
    return plan.columns, rows, torch.cat([arrived[:cut], values, arrived[cut:]])


def _places(part: Selection) -> slice | np.ndarray:
    return part if isinstance(part, slice) else part.numpy()


def _expanded(product: Pattern, P: Pattern, columns: np.ndarray, right: csr_array, a: Tensor, b: Tensor) -> Tensor:
    """The values of a product as the sum of all multiplications, for torch to differentiate."""
    lengths = np.diff(right.indptr)[columns].astype(np.int64)
    first = np.repeat(np.arange(P.lnnz), lengths)
    second = spans(right.indptr[columns].astype(np.int64), lengths)
    places = product.find(P.rows[first], right.indices[second])
    terms = picked(a, first) * picked(b, second)
    return a.new_zeros(product.lnnz).index_add(0, torch.from_numpy(places).to(a.device), terms)
