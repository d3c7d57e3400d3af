"""Setting elements of a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray
from ..collectives import use_in_split
from ..elementwise import as_operand, check_range
from ..indexing import drop_leading
from ..manipulation import broadcast_to
from .array import SparseArray, issparse
from .creation import csr_array
from .rearrangement import assembled, from_local, resplit
from .slicing import index_of, pairs_of, two_keys

__all__ = ["setitem"]


class _Elements(NamedTuple):
    """Elements of this process's part: local rows (columns, if these are dealt out), global columns, values."""

    rows: np.ndarray
    columns: np.ndarray
    values: Tensor


def setitem(A: SparseArray, key: Any, value: Any) -> None:
    """`A[key] = value` with NumPy's meaning. A stays dealt out as it is, and what shares memory with it as it was.

    `key` is what `A[key]` takes, the same on every process; of elements that it names several times the last counts.
    `value` is a number or an array that broadcasts, dealt out or not, or for slices a sparse array of the shape of what
    is set. What is not stored yet is stored from now on; of the zeros set by slices only those that were.

    Communication: one all-reduce of a number, and one more where the pattern changes; besides for values that are dealt
    out an exchange (by slices an all-to-all of counts, one of elements and an all-reduce). Differentiable in the values
    set, and in those that stay.
    """
    rows, columns = two_keys(key)
    if isinstance(rows, slice) or isinstance(columns, slice):
        keys = (rows, columns)
        index = [
            np.asarray(index_of(k, n, axis), dtype=np.int64)
            for axis, (k, n) in enumerate(zip(keys, A.shape, strict=True))
        ]
        lengths = [None if isinstance(k, int) else len(i) for k, i in zip(keys, index, strict=True)]
        _replace(A, *_of_block(A, index, _block(A, value, lengths)))
    else:
        _replace(A, _of_pairs(A, *pairs_of(A, rows, columns), value), A.data)


def _checked(A: SparseArray, value: Any) -> Any:
    """A value that is an array already, if it goes into `A`."""
    if value.comm is not A.comm:
        raise ValueError("the sparse array and the value live on different communicators")
    if value.dtype.is_complex and not A.dtype.is_complex:
        raise TypeError(f"values of {value.dtype} do not go into a sparse array of {A.dtype}; take .real first")
    return value if value.dtype is A.dtype else value.astype(A.dtype)


def _dense(A: SparseArray, value: Any, shape: tuple[int, ...]) -> DNDarray:
    """A value as an array of this shape and of the type of `A`."""
    check_range(value, A.dtype)
    x = _checked(A, as_operand(value, A.comm, A.device))
    x = drop_leading(x, len(shape)) if x.ndim > len(shape) else x
    if any(m not in (1, n) for m, n in zip(reversed(x.shape), reversed(shape), strict=False)):
        raise ValueError(f"a value of shape {x.shape} does not broadcast to the indexed part, {shape}")
    return broadcast_to(x, shape)


def _block(A: SparseArray, value: Any, lengths: Sequence[int | None]) -> SparseArray:
    """A value as a sparse block of so many rows and columns; an axis of None is one that an integer took away."""
    m, n = (1 if k is None else k for k in lengths)
    if issparse(value):
        if value.shape != (m, n):
            raise ValueError(f"a sparse value must have the shape of what is set, {(m, n)}, not {value.shape}")
        return _checked(A, value)
    if isinstance(value, (bool, int, float, complex)) and value == 0:  # which takes no memory
        return csr_array((m, n), dtype=A.dtype, comm=A.comm, device=A.device)
    x = _dense(A, value, tuple(k for k in lengths if k is not None))
    return csr_array(x.reshape((m, n)), split=A.split if x.layout.is_dealt else None)


def _of_pairs(A: SparseArray, i: np.ndarray, j: np.ndarray, value: Any) -> _Elements:
    """What is set by numbers of rows and columns."""
    values = _dense(A, value, i.shape).resplit(None).larray.reshape(-1)
    i, j = i.ravel(), j.ravel()
    last = _last(i * A.shape[1] + j)
    i, j, values = i[last], j[last], values[torch.from_numpy(last).to(values.device)]
    return _at_home(A, i, j, values) if A.major == 0 else _at_home(A, j, i, values)


def _last(numbers: np.ndarray) -> np.ndarray:
    """Where each of the numbers comes for the last time."""
    return len(numbers) - 1 - np.unique(numbers[::-1], return_index=True)[1]


def _of_block(A: SparseArray, index: list[np.ndarray], block: SparseArray) -> tuple[_Elements, Tensor]:
    """What is set in a block of rows and columns, and the values of `A` with zeros there."""
    for axis in (0, 1):
        places = _last(index[axis])
        if len(places) < len(index[axis]):
            index[axis], block = index[axis][places], block[(slice(None),) * axis + (places,)]
    if A.split is None:
        block = resplit(block, None)
    if A.major == 1:
        index, block = index[::-1], block.T
    pattern, data = A.pattern, A.data
    chosen = [np.zeros(n, dtype=bool) for n in pattern.shape]
    for axis in (0, 1):
        chosen[axis][index[axis]] = True
    inside = chosen[0][pattern.start : pattern.stop][pattern.rows] & chosen[1][pattern.indices]
    others = data.masked_fill(torch.from_numpy(inside).to(data.device), 0)
    rows, columns = (numbers[c.cpu().numpy()] for numbers, c in zip(index, block.coords, strict=True))
    if block.split is None:
        return _at_home(A, rows, columns, block.data), others
    home = assembled(pattern.layout, A.comm, rows, columns, block.data, 0, None)
    return _Elements(home.pattern.rows, home.pattern.indices, home.data), others


def _at_home(A: SparseArray, rows: np.ndarray, columns: np.ndarray, values: Tensor) -> _Elements:
    """Of elements that every process has those of this process's part."""
    start = A.pattern.start
    mine = np.flatnonzero((rows >= start) & (rows < A.pattern.stop))
    values = use_in_split(values, A.comm) if A.split is not None else values
    return _Elements(rows[mine] - start, columns[mine], values[torch.from_numpy(mine).to(values.device)])


def _replace(A: SparseArray, new: _Elements, others: Tensor) -> None:
    """Put elements beside the others, in place of which they come where these are stored already."""
    pattern = A.pattern
    places = pattern.find(new.rows, new.columns)
    stored, added = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    index, source, rest = (torch.from_numpy(a).to(A.device) for a in (places[stored], stored, added))
    data = others.index_put((index,), new.values[source])
    total = torch.tensor(len(added))
    if int(A.comm.allreduce(total) if A.split is not None else total):
        rows, columns = np.append(pattern.rows, new.rows[added]), np.append(pattern.indices, new.columns[added])
        data = torch.cat([data, new.values[rest]])
        larger = from_local(pattern.layout, A.comm, rows, columns, data, A.major, A.format)
        A._pattern, data = larger.pattern, larger.data
    A._data = data
