"""Index arrays, and arrays from functions of the index. Each process works out its own part.

`mgrid` and `ogrid` take slices and so have no place for a split: they give what every process has. Use `indices`, or
`meshgrid` of split vectors, where that is too much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy import index_exp, ndindex, s_
from torch import Tensor

from .advanced_indexing import nonzero
from .array import DNDarray
from .communication import as_comm
from .creation import arange, make_layout, ones, positions
from .device import as_device
from .elementwise import FUNCTIONS, apply, as_operand
from .layout import Layout, Split
from .manipulation import reshape
from .redistribution import move
from .types import as_dtype, kind

__all__ = [
    "diag_indices",
    "diag_indices_from",
    "fromfunction",
    "index_exp",
    "indices",
    "ix_",
    "mask_indices",
    "mgrid",
    "ndenumerate",
    "ndindex",
    "ogrid",
    "ravel_multi_index",
    "s_",
    "tril_indices",
    "tril_indices_from",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
]


# --- coordinates ------------------------------------------------------------------------------------------------------


def _coordinate(layout: Layout, axis: int, dtype: Any, device: Any, comm: Any) -> Tensor:
    """The index along `axis` of the elements of this process's part, with size 1 along the other axes."""
    index = positions(layout, comm, device, axis).to(as_dtype(dtype))
    return index.reshape([-1 if a == axis else 1 for a in range(layout.ndim)])


def indices(
    dimensions: Sequence[int],
    dtype: Any = int,
    sparse: bool = False,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> Any:
    """The indices of the elements of an array of shape `dimensions`. Local.

    Parameters
    ----------
    dimensions : sequence of int
    dtype : optional
    sparse : bool
        Give a tuple of arrays, one for each axis, with size 1 along the others; by default these are written out and
        stacked along a new first axis.
    split : int, tuple or None
        Which axis of the result is dealt out; with `sparse` of each array, unless its size is 1 there.
    device, comm, grid
        As in `zeros`.

    >>> indices((2, 2), split=1)[1].tolist()
    [[0, 1], [0, 1]]
    """
    comm = as_comm(comm)
    dimensions = tuple(dimensions)
    ndim = len(dimensions)
    if sparse:
        layout = make_layout(dimensions, split, grid, comm)
        return tuple(
            DNDarray(
                _coordinate(layout, axis, dtype, device, comm),
                layout.derive([n if a == axis else 1 for a, n in enumerate(dimensions)], _only(axis, ndim)),
                comm,
            )
            for axis in range(ndim)
        )
    layout = make_layout((ndim, *dimensions), split, grid, comm)
    lshape = layout.lshape(comm.rank)
    result = positions(layout, comm, device).new_empty(lshape, dtype=as_dtype(dtype))
    for row, axis in enumerate(range(*layout.box(comm.rank)[0])):
        result[row] = _coordinate(layout, axis + 1, dtype, device, comm)[0]
    return DNDarray(result, layout, comm)


def _only(axis: int, ndim: int) -> list[int | None]:
    """The mapping under which `axis` alone stays dealt out."""
    return [a if a == axis else None for a in range(ndim)]


def fromfunction(
    function: Callable,
    shape: Sequence[int],
    *,
    dtype: Any = float,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
    **kwargs: Any,
) -> Any:
    """What `function` makes of the index arrays, one for each axis of an array of `shape`.

    The function is called once on every process, with arrays that are split as asked for, so that each process
    computes its own part of what is elementwise. Communication: the function's.

    >>> fromfunction(lambda i, j: 10 * i + j, (2, 3), dtype=int, split=1).tolist()
    [[0, 1, 2], [10, 11, 12]]
    """
    comm = as_comm(comm)
    layout = make_layout(shape, split, grid, comm)
    lshape = layout.lshape(comm.rank)
    axes = range(layout.ndim)
    arrays = [DNDarray(_coordinate(layout, a, dtype, device, comm).expand(lshape), layout, comm) for a in axes]
    return function(*arrays, **kwargs)


def ix_(*args: Any) -> tuple[DNDarray, ...]:
    """Index arrays for the cross product of sequences of indices, one along each axis; each keeps its split.

    Communication: as `nonzero` for masks, otherwise none.
    """
    result = []
    for k, arg in enumerate(args):
        index = as_operand(arg)
        if index.ndim != 1:
            raise ValueError(f"ix_ takes sequences of one dimension, not of {index.ndim}")
        if index.size == 0 and not isinstance(arg, DNDarray):
            index = index.astype(torch.int64)
        if index.dtype is torch.bool:
            (index,) = nonzero(index)
        result.append(reshape(index, [-1 if a == k else 1 for a in range(len(args))]))
    return tuple(result)


class _Mesh:
    """`mgrid[0:3, 0:1:5j]`: coordinates of a mesh given by slices; an imaginary step is a number of points."""

    def __init__(self, name: str, numpys: Any) -> None:
        self._name, self._numpys = name, numpys

    def __getitem__(self, key: Any) -> Any:
        values = self._numpys[key]
        return tuple(map(self._array, values)) if isinstance(values, tuple) else self._array(values)

    @staticmethod
    def _array(values: np.ndarray) -> DNDarray:
        # The numbers in a slice are Python's, without a width of their own.
        return as_operand(values).astype(float if values.dtype == np.float64 else values.dtype, copy=False)

    def __repr__(self) -> str:
        return f"dndarray.{self._name}"


mgrid, ogrid = _Mesh("mgrid", np.mgrid), _Mesh("ogrid", np.ogrid)


def ndenumerate(x: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Pairs of global index and value, of this process's part only, in C order. Local.

    >>> dict(ndenumerate([[5, 6]]))
    {(0, 0): 5, (0, 1): 6}
    """
    x = as_operand(x)
    starts = [start for start, _ in x.layout.box(x.comm.rank)]
    values = x.larray.detach().reshape(-1).tolist()
    for local, value in zip(np.ndindex(x.lshape), values, strict=True):
        yield tuple(s + i for s, i in zip(starts, local, strict=True)), value


# --- flat indices -----------------------------------------------------------------------------------------------------


def _strides(shape: Sequence[int], order: str) -> list[int]:
    """How far apart in flat order two neighbours along each axis lie."""
    if order not in ("C", "F"):
        raise ValueError(f"`order` (={order!r}) must be 'C' or 'F'")
    axes = range(len(shape))
    return [math.prod(shape[a + 1 :]) if order == "C" else math.prod(shape[:a]) for a in axes]


def _integers(x: Any, name: str, like: DNDarray | None = None) -> DNDarray:
    x = as_operand(x) if like is None else as_operand(x, like.comm, like.device)
    if kind(x.dtype) > 1:
        raise TypeError(f"`{name}` must be integers, not {x.dtype}")
    return x


def ravel_multi_index(multi_index: Any, dims: Sequence[int], mode: Any = "raise", order: str = "C") -> DNDarray:
    """Flat indices from one index array for each axis of an array of shape `dims`.

    Parameters
    ----------
    multi_index : sequence of array_like
        Arrays that broadcast, or one array whose first axis counts the axes.
    dims : sequence of int
    mode : {'raise', 'wrap', 'clip'}, or one of these for each axis
        What becomes of an index that is out of bounds.
    order : {'C', 'F'}

    Communication: as the elementwise family, and one all-reduce if a `mode` is 'raise' and an index is split.

    >>> ravel_multi_index(([1, 2], [3, 0]), (3, 4)).tolist()
    [7, 8]
    """
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if isinstance(multi_index, DNDarray):  # of which every process is to have all rows
        layout = multi_index.layout.whole_along(0)
        local = move(multi_index.larray, multi_index.layout, layout, multi_index.comm)
        multi_index = list(DNDarray(local, layout, multi_index.comm))
    modes = [mode] * len(dims) if isinstance(mode, str) else list(mode)
    if (
        not dims
        or len(multi_index) != len(dims)
        or len(modes) != len(dims)
        or not set(modes) <= {"raise", "wrap", "clip"}
    ):
        raise ValueError(
            f"`multi_index` ({len(multi_index)} arrays) and `mode` (={mode!r}), 'raise', 'wrap' or 'clip', must have "
            f"an entry for each axis in `dims` (={dims}), of one axis or more"
        )
    given = next((i for i in multi_index if isinstance(i, DNDarray)), None)
    arrays = [_integers(i, "multi_index", given) for i in multi_index]
    strides = _strides(dims, order)

    def combine(*index: Tensor) -> tuple[Tensor, Tensor]:
        flat = wrong = torch.zeros((), dtype=torch.int64, device=index[0].device)
        for i, n, stride, how in zip(index, dims, strides, modes, strict=True):
            if how == "raise":
                wrong = wrong | ((i < 0) | (i >= n))
            elif how == "wrap":
                i = i % max(n, 1)
            else:
                i = i.clamp(0, max(n - 1, 0))
            flat = flat + i * stride
        return flat, wrong

    flat, wrong = apply(combine, arrays, [torch.int64] * len(arrays))
    if "raise" in modes and FUNCTIONS["any"](wrong):
        raise ValueError(f"`multi_index` has entries that are out of bounds for `dims` (={dims})")
    return flat


def unravel_index(indices: Any, shape: Sequence[int], order: str = "C") -> tuple[DNDarray, ...]:
    """One index array for each axis of an array of `shape` from flat indices; split as these are.

    Communication: one all-reduce if the indices are split, for those that are out of bounds.

    >>> [int(i) for i in unravel_index(7, (3, 4))]
    [1, 3]
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    flat = _integers(indices, "indices")
    n = math.prod(shape)
    if FUNCTIONS["any"](FUNCTIONS["logical_or"](FUNCTIONS["less"](flat, 0), FUNCTIONS["greater_equal"](flat, n))):
        raise ValueError(f"`indices` has entries that are out of bounds for `shape` (={shape}) of {n} elements")
    strides = _strides(shape, order)

    def taken_apart(index: Tensor) -> tuple[Tensor, ...]:
        return tuple(index // max(stride, 1) % max(n, 1) for stride, n in zip(strides, shape, strict=True))

    return apply(taken_apart, (flat,), (torch.int64,))


# --- of diagonals and triangles ---------------------------------------------------------------------------------------


def diag_indices(
    n: int, ndim: int = 2, *, split: Split = None, device: Any = None, comm: Any = None
) -> tuple[DNDarray, ...]:
    """The indices of the main diagonal of an array of `ndim` axes of size `n`. Local."""
    return (arange(n, split=split, device=device, comm=comm),) * ndim


def _dealt(x: DNDarray) -> Split:
    """How indices of the elements of an array are split: if it is, in the order of the elements."""
    return 0 if x.layout.is_dealt else None


def diag_indices_from(x: Any) -> tuple[DNDarray, ...]:
    """The indices of the main diagonal of an array whose axes are of one size; split if it is. Local."""
    x = as_operand(x)
    if x.ndim < 2 or len(set(x.shape)) > 1:
        raise ValueError(f"diag_indices_from takes two axes or more of one size, not the shape {x.shape}")
    return diag_indices(x.shape[0], x.ndim, split=_dealt(x), device=x.device, comm=x.comm)


def _triangle(
    n: int, k: int, m: int | None, lower: bool, split: Split, device: Any, comm: Any
) -> tuple[DNDarray, DNDarray]:
    """The indices of a triangle in C order, from how many of its elements lie in each row."""
    m = n if m is None else m
    comm = as_comm(comm)
    edge = torch.arange(n) + k  # the column of the diagonal in each row
    first = torch.zeros_like(edge) if lower else edge.clamp(0, m)
    last = (edge + 1).clamp(0, m) if lower else torch.full_like(edge, m)
    ends = (last - first).cumsum(0)
    layout = make_layout(int(ends[-1]) if n else 0, split, None, comm)
    start, stop = layout.box(comm.rank)[0]
    here = ends.clamp(start, stop) - (ends - last + first).clamp(start, stop)  # how many of each row
    rows, shift = (v.repeat_interleave(here).to(as_device(device)) for v in (torch.arange(n), last - ends))
    columns = positions(layout, comm, device) + shift
    return DNDarray(rows, layout, comm), DNDarray(columns, layout, comm)


def tril_indices(
    n: int, k: int = 0, m: int | None = None, *, split: Split = None, device: Any = None, comm: Any = None
) -> tuple[DNDarray, DNDarray]:
    """The indices of the elements at and below the k-th diagonal of an n x m matrix. Local.

    >>> [i.tolist() for i in tril_indices(2, split=0)]
    [[0, 1, 1], [0, 0, 1]]
    """
    return _triangle(n, k, m, True, split, device, comm)


def triu_indices(
    n: int, k: int = 0, m: int | None = None, *, split: Split = None, device: Any = None, comm: Any = None
) -> tuple[DNDarray, DNDarray]:
    """The indices of the elements at and above the k-th diagonal of an n x m matrix. Local."""
    return _triangle(n, k, m, False, split, device, comm)


def _triangle_of(x: Any, k: int, lower: bool) -> tuple[DNDarray, DNDarray]:
    x = as_operand(x)
    if x.ndim != 2:
        raise ValueError(f"indices of a triangle are of a matrix, not of {x.ndim} dimensions")
    return _triangle(x.shape[0], k, x.shape[1], lower, _dealt(x), x.device, x.comm)


def tril_indices_from(x: Any, k: int = 0) -> tuple[DNDarray, DNDarray]:
    """The indices of the elements at and below the k-th diagonal of a matrix; split if it is. Local."""
    return _triangle_of(x, k, True)


def triu_indices_from(x: Any, k: int = 0) -> tuple[DNDarray, DNDarray]:
    """The indices of the elements at and above the k-th diagonal of a matrix; split if it is. Local."""
    return _triangle_of(x, k, False)


def mask_indices(
    n: int, mask_func: Callable, k: Any = 0, *, split: Split = None, device: Any = None, comm: Any = None
) -> tuple[DNDarray, ...]:
    """The indices of what `mask_func(x, k)`, as `tril` or `triu`, leaves of an n x n array of ones.

    Communication: as `nonzero`, and the function's.
    """
    return nonzero(mask_func(ones((n, n), int, split=split, device=device, comm=comm), k))
