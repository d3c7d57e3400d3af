"""Sparse matrices put together from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..collectives import use_in_split
from ..types import result_type
from .array import SparseArray, issparse
from .creation import csr_array
from .gallery import eye_array
from .rearrangement import assembled, from_local, major_layout, recompressed, resplit

__all__ = ["block_array", "block_diag", "hstack", "kron", "kronsum", "vstack"]


class _Piece(NamedTuple):
    matrix: SparseArray
    row: int
    column: int


def _sparse(value: Any) -> SparseArray:
    return value if issparse(value) else csr_array(value)


def _joined(pieces: Sequence[_Piece], shape: tuple[int, int], format: str | None, dtype: Any) -> SparseArray:
    """The matrix of which these are parts, dealt out as the first of them that is."""
    leader = next((p.matrix for p in pieces if p.matrix.split is not None), pieces[0].matrix)
    comm, major, dealt = leader.comm, leader.major, leader.split is not None
    common = result_type(*(p.matrix for p in pieces))
    layout = major_layout(shape if major == 0 else shape[::-1], comm, dealt)
    low, high = layout.box(comm.rank)[0]
    rows, columns, values = [], [], []
    for A, row, column in pieces:
        i, j = A.pattern.rows.astype(np.int64) + A.pattern.start, A.pattern.indices.astype(np.int64)
        i, j = (i, j) if A.major == 0 else (j, i)
        i, j = (i + row, j + column) if major == 0 else (j + column, i + row)
        data = A.data.to(common)
        if dealt and A.split is None:  # each process brings what it is to have
            mine = np.flatnonzero((i >= low) & (i < high))
            i, j, data = i[mine], j[mine], use_in_split(data, comm)[torch.from_numpy(mine).to(A.device)]
        rows.append(i)
        columns.append(j)
        values.append(data)
    make = assembled if dealt else from_local
    result = make(layout, comm, np.concatenate(rows), np.concatenate(columns), torch.cat(values), major, None)
    return (result if dtype is None else result.astype(dtype)).asformat(format)


def block_array(blocks: Sequence[Sequence[Any]], *, format: str | None = None, dtype: Any = None) -> SparseArray:
    """A matrix of blocks in rows and columns; None stands for zeros.

    Dealt out, in balance, as the first block that is. Communication: one all-to-all of counts, one of elements, one
    all-reduce of a number. Differentiable.
    """
    grid = [[None if b is None else _sparse(b) for b in row] for row in blocks]
    if not grid or not grid[0] or any(len(row) != len(grid[0]) for row in grid):
        raise ValueError("`blocks` must be rows of blocks, as many in each")
    heights = [_common([b.shape[0] for b in row if b is not None], f"row {i}") for i, row in enumerate(grid)]
    widths = [
        _common([b.shape[1] for b in column if b is not None], f"column {j}")
        for j, column in enumerate(zip(*grid, strict=True))
    ]
    pieces = [
        _Piece(b, sum(heights[:i]), sum(widths[:j]))
        for i, row in enumerate(grid)
        for j, b in enumerate(row)
        if b is not None
    ]
    return _joined(pieces, (sum(heights), sum(widths)), format, dtype)


def _common(sizes: Sequence[int], where: str) -> int:
    if not sizes:
        raise ValueError(f"{where} of `blocks` is all None, which has no size")
    if len(set(sizes)) > 1:
        raise ValueError(f"blocks in {where} have sizes {list(sizes)}, which must be equal")
    return sizes[0]


def hstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> SparseArray:
    """Matrices beside each other. Communication: as `block_array`."""
    return block_array([list(blocks)], format=format, dtype=dtype)


def vstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> SparseArray:
    """Matrices above each other. Communication: as `block_array`."""
    return block_array([[b] for b in blocks], format=format, dtype=dtype)


def block_diag(mats: Sequence[Any], format: str | None = None, dtype: Any = None) -> SparseArray:
    """Matrices along a diagonal. Communication: as `block_array`."""
    matrices = [_sparse(m) for m in mats]
    if not matrices:
        raise ValueError("block_diag needs a matrix")
    pieces, row, column = [], 0, 0
    for matrix in matrices:
        pieces.append(_Piece(matrix, row, column))
        row, column = row + matrix.shape[0], column + matrix.shape[1]
    return _joined(pieces, (row, column), format, dtype)


def kron(A: Any, B: Any, format: str | None = None) -> SparseArray:
    """The Kronecker product, dealt out as A is (as B, if A is not): of a block for each row of A.

    Every process gets all of B. Communication: three all-gathers if B is dealt out, one all-reduce of a number.
    Differentiable.
    """
    A, B = _sparse(A), _sparse(B)
    if A.split is None and B.split is not None:
        A = resplit(A, B.split)
    if A.major == 1:
        return kron(A.T, B.T).T.asformat(format)
    B = resplit(B, None)
    B = B if B.major == 0 else recompressed(B)
    common = result_type(A, B)
    p, q = B.shape
    rows = np.add.outer(A.pattern.rows.astype(np.int64) * p, B.pattern.rows).ravel()
    columns = np.add.outer(A.pattern.indices.astype(np.int64) * q, B.pattern.indices).ravel()
    b = use_in_split(B.data, B.comm) if A.split is not None else B.data
    values = torch.outer(A.data.to(common), b.to(common)).reshape(-1)
    counts = None if A.pattern.counts is None else [n * p for n in A.pattern.counts]
    layout = major_layout((A.shape[0] * p, A.shape[1] * q), A.comm, A.split is not None, counts)
    return from_local(layout, A.comm, rows, columns, values, 0, "csr").asformat(format)


def kronsum(A: Any, B: Any, format: str | None = None) -> SparseArray:
    """The Kronecker sum of two square matrices, kron(I, A) + kron(B, I), dealt out as B is.

    Communication: as `kron`, twice, and `resplit` of A's term where B is dealt out and A is not. Differentiable.
    """
    A, B = _sparse(A), _sparse(B)
    for M in (A, B):
        if M.shape[0] != M.shape[1]:
            raise ValueError(f"kronsum takes square matrices, not of shape {M.shape}")
    place = {"dtype": result_type(A.dtype, B.dtype), "comm": B.comm, "device": B.device}
    first = kron(eye_array(B.shape[0], split=B.split, **place), A)
    return (kron(B, eye_array(A.shape[0], **place)) + first).asformat(format)
