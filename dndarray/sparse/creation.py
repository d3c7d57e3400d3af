"""Sparse arrays from what there is: SciPy's and torch's, dense ones, triplets, compressed rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ..array import DNDarray
from ..collectives import use_in_split
from ..communication import Communicator, as_comm
from ..device import as_device
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Layout, normalize_axis
from ..redistribution import move
from ..types import as_dtype
from .array import SparseArray, issparse
from .kernels import DTYPES, host
from .pattern import Pattern, compress
from .rearrangement import add_up, assembled, from_local, major_layout, resplit

__all__ = ["bsr_array", "coo_array", "csc_array", "csr_array"]


class _Place:
    """What a user asks for besides elements."""

    def __init__(self, form: str, split: Any, is_split: Any, dtype: Any, device: Any, comm: Any) -> None:
        if split is not None and is_split is not None:
            raise ValueError(f"`split` (={split}) says how to deal out, `is_split` (={is_split}) that it is; give one")
        self.form = form
        self.split = None if split is None else normalize_axis(split, 2, "split")
        self.is_split = None if is_split is None else normalize_axis(is_split, 2, "is_split")
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.device = device
        self.comm: Communicator = as_comm(comm)

    @property
    def major(self) -> int:
        """The axis along which elements are to be compressed."""
        axis = self.split if self.is_split is None else self.is_split
        return axis if axis is not None else int(self.form == "csc")

    def values(self, data: Any) -> Tensor:
        """Values as a tensor of the type and in the place asked for."""
        tensor = as_operand(data, self.comm).larray
        device = as_device(self.device) if self.device is not None or not isinstance(data, Tensor) else data.device
        if self.dtype is None and tensor.dtype not in DTYPES:
            raise TypeError(f"sparse arrays cannot hold {tensor.dtype}; give `dtype`")
        return tensor.to(device=device, dtype=self.dtype or tensor.dtype)

    def finish(self, A: SparseArray) -> SparseArray:
        """The matrix under the name and in the type, place and split asked for."""
        A = A if self.dtype in (None, A.dtype) else A.astype(self.dtype)
        A = A if self.device is None else A.to(as_device(self.device))
        return A.asformat(self.form)


def csr_array(
    obj: Any,
    shape: tuple[int, int] | None = None,
    dtype: Any = None,
    *,
    split: int | None = None,
    is_split: int | None = None,
    device: Any = None,
    comm: Any = None,
) -> SparseArray:
    """A sparse matrix, by default with all of it on every process.

    Parameters
    ----------
    obj
        - a SciPy sparse matrix or array, a sparse torch tensor, or a dense array: the whole matrix, the same on every
          process, or with `is_split` this process's rows (0) or columns (1). What is split itself (a DNDarray, a
          sparse array) stays so unless `split` says otherwise.
        - `(data, (row, col))`: elements; with `is_split` those that this process happens to have, with global row and
          column numbers, whose result is dealt out in balance. Split arrays of them need no `is_split`. Elements given
          several times add up.
        - `(data, indices, indptr)`: compressed rows (columns for `csc_array`); as for a SciPy matrix.
        - `(m, n)`: no elements at all.
    shape : tuple of int, optional
        Global shape; for elements otherwise as large as the largest indices ask for.
    dtype : optional
        Type of the values; otherwise their own.
    split : 0, 1 or None
        What is dealt out: rows, columns, nothing.
    is_split : 0, 1 or None
        `obj` is a part already.
    device, comm
        As in `dnd.zeros`.

    Notes
    -----
    Communication: none for what every process has all of, but for one all-reduce of a number; with `is_split` a small
    all-gather besides, and for elements one all-to-all that sends them home. Values of torch tensors keep their
    gradients.

    Raises
    ------
    ValueError
        On every process, if parts do not fit together, or indices are out of range (the rank is named).

    Examples
    --------
    >>> A = csr_array(([1.0, 2.0, 3.0], ([0, 1, 1], [0, 0, 2])), shape=(2, 3), split=0)
    >>> A.shape, A.nnz, (A @ [1.0, 1.0, 1.0]).tolist()
    ((2, 3), 3, [1.0, 5.0])
    """
    return _make(obj, shape, _Place("csr", split, is_split, dtype, device, comm))


def _named(form: str, what: str) -> Callable[..., SparseArray]:
    def make(
        obj: Any,
        shape: tuple[int, int] | None = None,
        dtype: Any = None,
        *,
        split: int | None = None,
        is_split: int | None = None,
        device: Any = None,
        comm: Any = None,
    ) -> SparseArray:
        return _make(obj, shape, _Place(form, split, is_split, dtype, device, comm))

    make.__name__ = make.__qualname__ = f"{form}_array"
    make.__module__ = __name__
    make.__doc__ = f"A sparse matrix {what}. Arguments and communication: as `csr_array`."
    return make


csc_array = _named("csc", "by the name of compressed columns; replicated it is compressed so, too")
coo_array = _named("coo", "by the name of coordinates")
bsr_array = _named("bsr", "by the name of blocks, into which `to_scipy` gathers the elements")


def _make(obj: Any, shape: Any, place: _Place) -> SparseArray:
    if issparse(obj):
        return _from_ours(obj, shape, place)
    if isinstance(obj, DNDarray):
        return _from_dense_array(obj, shape, place)
    if isinstance(obj, tuple) and len(obj) in (2, 3):
        if len(obj) == 2 and all(isinstance(n, (int, np.integer)) for n in obj):
            empty = np.empty(0, dtype=np.int64)
            data = torch.empty(0, dtype=place.dtype or torch.get_default_dtype())
            return _from_elements(data, empty, empty, obj, place, whole=True)
        if len(obj) == 2:
            return _from_triplets(obj, shape, place)
    return _from_compressed(obj, shape, place)


def _from_ours(A: SparseArray, shape: Any, place: _Place) -> SparseArray:
    _check_shape(A.shape, shape)
    split = A.split if place.split is None else place.split
    return place.finish(resplit(A, split))


def _check_shape(found: tuple[int, ...], wanted: Any) -> None:
    if wanted is not None and tuple(wanted) != tuple(found):
        raise ValueError(f"`shape` (={tuple(wanted)}) is not that of the matrix, {tuple(found)}")


def _from_dense_array(x: DNDarray, shape: Any, place: _Place) -> SparseArray:
    if x.ndim != 2:
        raise ValueError(f"a sparse array has two axes, not shape {x.shape}")
    _check_shape(x.shape, shape)
    axis = place.split if place.split is not None else x.split if x.split in (0, 1) else None
    counts = x.layout.counts[0] if axis is not None and axis == x.split else None
    target = Layout(x.shape, x.comm.grid, axis, [counts])
    major = place.major if axis is None else axis
    part = move(x.larray, x.layout, target, x.comm)
    part = part if major == 0 else part.T
    rows, columns = (t.cpu().numpy() for t in part.detach().nonzero(as_tuple=True))
    layout = target if major == 0 else target.permute((1, 0))
    values = part[torch.from_numpy(rows).to(part.device), torch.from_numpy(columns).to(part.device)]
    return place.finish(from_local(layout, x.comm, rows, columns, values, major, place.form))


# --- triplets ---------------------------------------------------------------------------------------------------------


def _from_triplets(obj: Any, shape: Any, place: _Place) -> SparseArray:
    data, coords = obj
    dealt = False
    if isinstance(data, DNDarray):
        place.comm, dealt = data.comm, data.layout.is_dealt
        layout = Layout(data.shape, data.comm.grid, 0 if dealt else None, [data.layout.counts[0] if dealt else None])
        data, *coords = (_part(part, layout, data.comm) for part in (data, *coords))
    with agreed(place.comm):
        values = place.values(data)
        rows, columns = (_indices(axis, name) for axis, name in zip(coords, ("row", "column"), strict=True))
        if values.ndim != 1 or not values.shape == rows.shape == columns.shape:
            raise ValueError(
                f"data, row and col must be vectors of one length, not of shapes {tuple(values.shape)}, {rows.shape}, "
                f"{columns.shape}"
            )
    if shape is None:
        largest = torch.tensor([int(a.max()) + 1 if len(a) else 0 for a in (rows, columns)])
        shape = tuple(place.comm.allreduce(largest, "max").tolist())
    with agreed(place.comm):
        for axis, index in enumerate((rows, columns)):
            if len(index) and not 0 <= index.min() <= index.max() < shape[axis]:
                bad = int(index.min()) if index.min() < 0 else int(index.max())
                raise ValueError(
                    f"{('row', 'column')[axis]} number {bad} is out of range for `shape` (={tuple(shape)})"
                )
    return _from_elements(values, rows, columns, shape, place, whole=place.is_split is None and not dealt)


def _part(values: Any, layout: Layout, comm: Communicator) -> Tensor:
    """This process's part of a vector in a layout."""
    x = as_operand(values, comm)
    return move(x.larray, x.layout, layout, comm) if x.shape == layout.shape else x.larray


def _indices(index: Any, name: str) -> np.ndarray:
    array = index.detach().cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} numbers must be integers, not {array.dtype}")
    return array.astype(np.int64, copy=False)


def _from_elements(
    values: Tensor, rows: np.ndarray, columns: np.ndarray, shape: Any, place: _Place, whole: bool
) -> SparseArray:
    """From elements that every process has (`whole`), or each some of."""
    m, n = (int(k) for k in shape)
    major = place.major
    if major == 1:
        rows, columns, m, n = columns, rows, n, m
    comm = place.comm
    if whole:
        A = from_local(major_layout((m, n), comm, False), comm, rows, columns, values, major, place.form)
        return place.finish(resplit(A, place.split))
    return place.finish(assembled(major_layout((m, n), comm, True), comm, rows, columns, values, major, place.form))


# --- compressed -------------------------------------------------------------------------------------------------------


class _Parts(NamedTuple):
    """Compressed rows of a matrix, or of its transpose."""

    m: int
    n: int
    indptr: np.ndarray
    indices: np.ndarray
    values: Tensor


def _from_compressed(obj: Any, shape: Any, place: _Place) -> SparseArray:
    """From what every process has all of, or, with `is_split`, from this process's rows or columns."""
    comm, major = place.comm, place.major
    if place.is_split is None:
        parts = _parts(obj, shape, place)
        layout = major_layout((parts.m, parts.n), comm, place.split is not None)
        low, high = layout.box(comm.rank)[0]
        first, last = int(parts.indptr[low]), int(parts.indptr[high])
        indptr, indices = parts.indptr[low : high + 1] - parts.indptr[low], parts.indices[first:last]
        pattern = Pattern(layout, comm, indptr, indices, len(parts.indices))
        values = parts.values if place.split is None else use_in_split(parts.values, comm)
        return place.finish(SparseArray(pattern, values[first:last].clone(), major, place.form))
    with agreed(comm):
        parts = _parts(obj, None, place)
    everybody = comm.allgather_object((parts.m, parts.n, len(parts.indices), str(parts.values.dtype)))
    for rank, other in enumerate(everybody):
        if other[1] != everybody[0][1] or other[3] != everybody[0][3]:
            raise ValueError(
                f"parts do not fit together with is_split={place.is_split}: rank 0 has {everybody[0][1]} "
                f"{('columns', 'rows')[major]} of {everybody[0][3]}, rank {rank} has {other[1]} of {other[3]}"
            )
    counts = [m for m, *_ in everybody]
    layout = major_layout((sum(counts), parts.n), comm, True, counts)
    _check_shape(layout.shape[::-1] if major else layout.shape, shape)
    pattern = Pattern(layout, comm, parts.indptr, parts.indices, sum(k for _, _, k, _ in everybody))
    return place.finish(SparseArray(pattern, parts.values, major, place.form))


def _parts(obj: Any, shape: Any, place: _Place) -> _Parts:
    """Rows, or columns, as asked for, of any whole matrix that is not ours."""
    if isinstance(obj, tuple):
        data, indices, indptr = obj
        numbers = np.arange(1, len(np.asarray(_indices(indices, "column"))) + 1)
        given = (scipy.sparse.csr_array, scipy.sparse.csc_array)[place.form == "csc"]
        matrix = given((numbers, _indices(indices, "column"), _indices(indptr, "pointer")), shape=shape)
        matrix.check_format()
        return _numbered(matrix, place.values(data), place.major)
    if isinstance(obj, Tensor) and obj.layout is not torch.strided:
        _check_shape(tuple(obj.shape), shape)
        return _numbered(*_torch_elements(obj, place), place.major)
    if not scipy.sparse.issparse(obj):
        dense = as_operand(obj, place.comm).larray
        if dense.ndim != 2:
            raise ValueError(f"a sparse array has two axes, not shape {tuple(dense.shape)}")
        _check_shape(tuple(dense.shape), shape)
        kept = dense.detach() != 0
        numbers = scipy.sparse.coo_array(host(kept).astype(np.int64))
        numbers.data = np.arange(1, numbers.nnz + 1)
        return _numbered(numbers, place.values(dense[kept]), place.major)
    if obj.ndim != 2:
        raise ValueError(f"a sparse array has two axes, not shape {obj.shape}")
    _check_shape(obj.shape, shape)
    matrix = (obj.tocsr, obj.tocsc)[place.major]()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    m, n = matrix.shape[:: -1 if place.major else 1]
    return _Parts(m, n, matrix.indptr, matrix.indices, place.values(matrix.data))


def _numbered(matrix: Any, values: Tensor, major: int) -> _Parts:
    """The parts of a SciPy matrix whose elements are the numbers, from one, of their values."""
    matrix = matrix.tocoo()
    rows, columns = (matrix.row, matrix.col) if major == 0 else (matrix.col, matrix.row)
    m, n = matrix.shape[:: -1 if major else 1]
    indptr, indices, order, groups = compress(rows, columns, (m, n))
    data = values[torch.from_numpy(matrix.data.astype(np.int64)[order] - 1).to(values.device)]
    if groups is not None:
        data = add_up(data, groups, len(indices))
    return _Parts(m, n, indptr, indices, data)


def _torch_elements(tensor: Tensor, place: _Place) -> tuple[Any, Tensor]:
    """The elements of a sparse torch tensor; their values keep their gradients."""
    if tensor.ndim != 2:
        raise ValueError(f"a sparse array has two axes, not shape {tuple(tensor.shape)}")
    coo = tensor.to_sparse_coo().coalesce()
    rows, columns = coo.indices().cpu().numpy()
    numbers = np.arange(1, len(rows) + 1)
    return scipy.sparse.coo_array((numbers, (rows, columns)), shape=tuple(tensor.shape)), place.values(coo.values())
