"""Rows, columns and elements of a sparse matrix.

A slice with a positive step, a mask, or ascending numbers leave rows and columns on the processes where they are, so
that the result may be unbalanced; a single row (column) of those that are dealt out is then on every process; numbers
in any order deal out the result anew, in balance.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_reduce
from ..indexing import checked
from ..layout import Layout
from .array import SparseArray
from .exchange_plan import selection, spans
from .pattern import Pattern, picked
from .rearrangement import assembled, major_layout, resplit

__all__ = ["getitem", "index_of", "pairs_of", "permute", "two_keys"]

Index = range | np.ndarray


def getitem(A: SparseArray, key: Any) -> Any:
    """What `A[key]` gives: a sparse matrix, or of two integers an element, of two arrays of them a dense vector.

    One integer gives a matrix of one row or column, for ours have two axes always. (Of SciPy's `csr_array` one is left,
    of its `csr_matrix` two.) Arrays of numbers and masks must be the same on every process.

    Communication: one all-reduce of a number for slices and masks (besides, to make the only row of those dealt out
    whole, three all-gathers); one all-reduce for elements; for numbers that do not ascend along what is dealt out one
    all-to-all of counts, one of elements and one all-reduce. Differentiable.
    """
    rows, columns = two_keys(key)
    if not isinstance(rows, slice) and not isinstance(columns, slice):
        return _elements(A, rows, columns)
    keys = [index_of(k, n, axis) for axis, (k, n) in enumerate(zip((rows, columns), A.shape, strict=True))]
    major, minor = keys[A.major], keys[1 - A.major]
    single = isinstance((rows, columns)[A.major], (int, np.integer)) and A.split is not None
    result = _selected(A, major, minor)
    return resplit(result, None) if single else result


def two_keys(key: Any) -> tuple[Any, Any]:
    entries = list(key) if isinstance(key, tuple) else [key]
    if any(e is None for e in entries):
        raise IndexError("sparse arrays have two axes; an index cannot add one")
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1 or len(entries) - len(dots) > 2:
        raise IndexError(f"too many indices: {len(entries)} for a sparse array of two axes")
    if dots:
        entries[dots[0] : dots[0] + 1] = [slice(None)] * (3 - len(entries))
    entries += [slice(None)] * (2 - len(entries))
    return _plain(entries[0]), _plain(entries[1])


def _plain(entry: Any) -> Any:
    """A slice, an integer, or an array of numbers or truth values."""
    if isinstance(entry, slice):
        return entry
    if isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
        return int(entry)
    array = entry.numpy() if isinstance(entry, (DNDarray, Tensor)) else np.asarray(entry)
    if array.ndim == 0 and array.dtype.kind in "iu":
        return int(array)
    if array.ndim != 1 or (array.dtype.kind not in "iub" and array.size):
        raise IndexError(
            "a sparse array is indexed by integers, slices, and vectors of integers or truth values, not by an array "
            f"of {array.dtype} of shape {array.shape}"
        )
    return array if array.dtype.kind == "b" else array.astype(np.int64)


def index_of(key: Any, n: int, axis: int) -> Index:
    """The numbers that a key names along an axis."""
    if isinstance(key, slice):
        return range(*key.indices(n))
    if isinstance(key, int):
        i = checked(key, n, axis)
        return range(i, i + 1)
    if key.dtype.kind == "b":
        if len(key) != n:
            raise IndexError(f"a mask of {len(key)} truth values does not fit axis {axis} with size {n}")
        return np.flatnonzero(key)
    bad = key[(key < -n) | (key >= n)]
    if len(bad):
        raise IndexError(f"index {bad[0]} is out of bounds for axis {axis} with size {n}")
    return np.where(key < 0, key + n, key)


def _stays(index: Index) -> bool:
    """Whether what is chosen can stay where it is."""
    return index.step > 0 if isinstance(index, range) else bool((index[1:] > index[:-1]).all())


def _below(index: Index, edge: int) -> int:
    """How many of ascending numbers are less than `edge`."""
    if isinstance(index, range):
        return min(max(0, -(-(edge - index.start) // index.step)), len(index))
    return int(np.searchsorted(index, edge))


def _selected(A: SparseArray, major: Index, minor: Index) -> SparseArray:
    pattern, comm = A.pattern, A.comm
    whole = isinstance(minor, range) and minor == range(pattern.shape[1])
    if whole and isinstance(major, range) and major == range(pattern.shape[0]):
        return A
    if not _stays(major) and A.split is not None:
        return _reordered(
            A if whole else _taken(A, slice(None), minor, _narrowed(pattern.layout, minor)),
            np.asarray(major, dtype=np.int64),
        )
    offsets = pattern.layout.offsets[0]
    if offsets is None:
        return _taken(A, _numbers(major), minor, major_layout((len(major), len(minor)), comm, False))
    cuts = [_below(major, edge) for edge in offsets]
    layout = major_layout((len(major), len(minor)), comm, True, [b - a for a, b in pairwise(cuts)])
    rows = _numbers(major[cuts[comm.rank] : cuts[comm.rank + 1]])
    if isinstance(rows, slice):
        rows = slice(rows.start - pattern.start, rows.stop - pattern.start)
    else:
        rows = rows - pattern.start
    return _taken(A, rows, minor, layout)


def _numbers(index: Index) -> slice | np.ndarray:
    """An index for SciPy: a slice, which is faster, where numbers follow each other."""
    if isinstance(index, range) and index.step == 1:
        return slice(index.start, max(index.start, index.stop))
    return np.asarray(index, dtype=np.int64)


def _narrowed(layout: Layout, minor: Index) -> Layout:
    return Layout((layout.shape[0], len(minor)), layout.grid, layout.axes, layout.counts)


def _taken(A: SparseArray, rows: slice | np.ndarray, minor: Index, layout: Layout) -> SparseArray:
    """Rows (columns) of this process's part, which stay here."""
    pattern = A.pattern
    part = pattern.places()[rows]
    if not (isinstance(minor, range) and minor == range(pattern.shape[1])):
        part = part[:, _numbers(minor)]
        part.sort_indices()
    found = Pattern.make(layout, A.comm, part.indptr, part.indices)
    in_order = isinstance(rows, slice) and _stays(minor)
    chosen = A.data[selection(part.data - 1)] if in_order else picked(A.data, part.data - 1)
    return SparseArray(found, chosen, A.major, A.format)


def _reordered(A: SparseArray, index: np.ndarray) -> SparseArray:
    """Rows (columns) that are dealt out, in any order and as often as named."""
    pattern = A.pattern
    targets = np.flatnonzero((index >= pattern.start) & (index < pattern.stop))
    mine = index[targets] - pattern.start
    lengths = np.diff(pattern.indptr)[mine].astype(np.int64)
    entries = spans(pattern.indptr[mine].astype(np.int64), lengths)
    layout = major_layout((len(index), pattern.shape[1]), A.comm, True)
    values = A.data[torch.from_numpy(entries).to(A.device)]
    columns = pattern.indices[entries]
    return assembled(layout, A.comm, np.repeat(targets, lengths), columns, values, A.major, A.format)


def pairs_of(A: SparseArray, rows: Any, columns: Any) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of rows and columns that two keys without a slice name, paired; of two integers in no dimension."""
    pair = [
        np.asarray(index_of(k, n, axis), dtype=np.int64)
        for axis, (k, n) in enumerate(zip((rows, columns), A.shape, strict=True))
    ]
    i, j = (p[0] if isinstance(k, int) else p for k, p in zip((rows, columns), pair, strict=True))
    try:
        i, j = np.broadcast_arrays(i, j)
    except ValueError:
        raise IndexError(f"{len(pair[0])} rows and {len(pair[1])} columns do not make pairs") from None
    return i, j


def _elements(A: SparseArray, rows: Any, columns: Any) -> DNDarray:
    """Elements by their numbers, on every process."""
    i, j = pairs_of(A, rows, columns)
    shape = i.shape
    i, j = i.ravel(), j.ravel()
    i, j = (i, j) if A.major == 0 else (j, i)
    pattern = A.pattern
    places = np.full(len(i), -1)
    here = (i >= pattern.start) & (i < pattern.stop)
    places[here] = pattern.find(i[here] - pattern.start, j[here])
    values = picked(A.data, places)
    if A.split is not None:
        values = all_reduce(values, A.comm)
    return wrap(values.reshape(shape), Layout(shape, A.comm.grid), A.comm)


def permute(A: SparseArray, rows: Any = None, columns: Any = "as rows") -> SparseArray:
    """The matrix with rows and columns in another order: element (i, j) is `A[rows[i], columns[j]]`.

    `columns` is `rows`, for a square matrix, unless something else is said; None leaves an axis as it is. Dealt out in
    balance along the axis it was. Communication: one all-to-all of counts, one of elements, one all-reduce of a number.
    Differentiable.
    """
    if isinstance(columns, str):
        if A.shape[0] != A.shape[1]:
            raise ValueError(f"`columns` must be given for a matrix of shape {A.shape}, which is not square")
        columns = rows
    keys: list[Any] = []
    for axis, (order, n) in enumerate(zip((rows, columns), A.shape, strict=True)):
        index = range(n) if order is None else np.asarray(index_of(_plain(order), n, axis), dtype=np.int64)
        if order is not None and (len(index) != n or not (np.bincount(index, minlength=n) == 1).all()):
            raise ValueError(f"`{('rows', 'columns')[axis]}` must hold each of the numbers 0 to {n - 1} once")
        keys.append(index)
    return _selected(A, keys[A.major], keys[1 - A.major])
