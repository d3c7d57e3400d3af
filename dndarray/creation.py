"""Making arrays. Local but for `array` of objects, which compares shapes across processes (one small collective)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to, broadcast_shapes
from .communication import Communicator, as_comm
from .device import as_device
from .elementwise import as_operand, check_range
from .layout import Grid, Layout, Split, is_local
from .redistribution import move
from .types import as_dtype, kind, result_type

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "meshgrid",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def make_layout(shape: Any, split: Split, grid: Any, comm: Communicator) -> Layout:
    """The balanced layout that a user asks for with `shape`, `split` and `grid`."""
    shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    try:
        shape = tuple(n.__index__() for n in shape)
    except AttributeError:
        raise TypeError(f"`shape` (={shape}) must be integers") from None
    if any(n < 0 for n in shape):
        raise ValueError(f"`shape` (={shape}) must not be negative")
    if grid is None:
        ndim = len(split) if isinstance(split, (tuple, list)) else 1
        grid = Grid.squarest(comm.size, ndim) if ndim > 1 else comm.grid
    elif not isinstance(grid, Grid):
        grid = Grid(grid)
    if grid.size != comm.size:
        raise ValueError(f"`grid` (={grid.shape}) must hold the {comm.size} processes of the run, it holds {grid.size}")
    return Layout(shape, grid, tuple(split) if isinstance(split, list) else split)


def _filled(layout: Layout, fill: Any, dtype: torch.dtype, device: Any, comm: Communicator) -> DNDarray:
    """An array of one number, of unset elements (None), or of values that are broadcast."""
    lshape, place = layout.lshape(comm.rank), as_device(device)
    if fill is None:
        return DNDarray(torch.empty(lshape, dtype=dtype, device=place), layout, comm)
    if not isinstance(fill, DNDarray):
        check_range(fill, dtype)
        return DNDarray(torch.full(lshape, fill, dtype=dtype, device=place), layout, comm)
    if broadcast_shapes(fill.shape, layout.shape) != layout.shape:
        raise ValueError(f"`fill_value` of shape {fill.shape} does not broadcast to `shape` (={layout.shape})")
    local = align_to(fill.larray, fill.layout, layout, comm).to(dtype=dtype, device=place)
    return DNDarray(local.expand(lshape).clone(), layout, comm)


def _fill_value(value: Any, comm: Communicator) -> Any:
    """A number, or an array from what else there is."""
    return value if isinstance(value, (bool, int, float, complex)) else as_operand(value, comm)


def zeros(
    shape: Any, dtype: Any = None, *, split: Split = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """An array of zeros, of torch's default dtype unless `dtype` says otherwise. Local.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : optional
    split : int, tuple or None
        Which axis is dealt out: an axis on the 1-D grid, a tuple with one entry per grid axis on any grid.
    device : optional
        Where the parts lie; the default device otherwise.
    comm : Communicator, optional
        The processes; all of the run otherwise.
    grid : Grid or tuple of int, optional
        How the processes are arranged; as many axes as `split` has entries, as square as can be, otherwise.

    >>> zeros((2, 3), split=0).shape
    (2, 3)
    """
    comm = as_comm(comm)
    return _filled(make_layout(shape, split, grid, comm), 0, as_dtype(dtype or float), device, comm)


def ones(
    shape: Any, dtype: Any = None, *, split: Split = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """An array of ones, of torch's default dtype unless `dtype` says otherwise. Local."""
    comm = as_comm(comm)
    return _filled(make_layout(shape, split, grid, comm), 1, as_dtype(dtype or float), device, comm)


def empty(
    shape: Any, dtype: Any = None, *, split: Split = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """An array whose elements are not set, of torch's default dtype unless `dtype` says otherwise. Local."""
    comm = as_comm(comm)
    return _filled(make_layout(shape, split, grid, comm), None, as_dtype(dtype or float), device, comm)


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """An array of one value, of the value's type unless `dtype` says otherwise; an array of values is broadcast.

    Local for what is not split.
    """
    comm = as_comm(comm)
    fill = _fill_value(fill_value, comm)
    chosen = as_dtype(dtype or (fill.dtype if isinstance(fill, DNDarray) else type(fill)))
    return _filled(make_layout(shape, split, grid, comm), fill, chosen, device, comm)


def _like(x: Any, fill: Any, dtype: Any, split: Any, device: Any, shape: Any) -> DNDarray:
    x = as_operand(x)
    layout = x.layout
    if not isinstance(split, str):
        layout = make_layout(x.shape if shape is None else shape, split, None, x.comm)
    elif shape is not None:
        layout = make_layout(shape, None, layout.grid, x.comm)
        axes = tuple(a if a is not None and a < layout.ndim else None for a in x.layout.axes)
        layout = Layout(layout.shape, layout.grid, axes)
    chosen = x.dtype if dtype is None else as_dtype(dtype)
    return _filled(layout, fill, chosen, x.device if device is None else device, x.comm)


def zeros_like(x: Any, dtype: Any = None, *, split: Any = "like", device: Any = None, shape: Any = None) -> DNDarray:
    """Zeros in the shape, dtype, layout and place of `x`, but for what is named. Local."""
    return _like(x, 0, dtype, split, device, shape)


def ones_like(x: Any, dtype: Any = None, *, split: Any = "like", device: Any = None, shape: Any = None) -> DNDarray:
    """Ones in the shape, dtype, layout and place of `x`, but for what is named. Local."""
    return _like(x, 1, dtype, split, device, shape)


def empty_like(x: Any, dtype: Any = None, *, split: Any = "like", device: Any = None, shape: Any = None) -> DNDarray:
    """Unset elements in the shape, dtype, layout and place of `x`, but for what is named. Local."""
    return _like(x, None, dtype, split, device, shape)


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, *, split: Any = "like", device: Any = None, shape: Any = None
) -> DNDarray:
    """One value, or values that are broadcast, in the shape, dtype, layout and place of `x`, but for what is named."""
    x = as_operand(x)
    return _like(x, _fill_value(fill_value, x.comm), dtype, split, device, shape)


# --- from objects -----------------------------------------------------------------------------------------------------


def _tensor_from(obj: Any, dtype: Any, device: Any) -> Tensor:
    tensor = as_operand(obj).larray if not isinstance(obj, DNDarray) else obj.larray
    target = tensor.dtype if dtype is None else as_dtype(dtype)
    if isinstance(obj, (list, tuple)) and dtype is not None and kind(target) >= 2:
        # Python numbers have no width: take them to the type asked for without a stop on the way.
        tensor = torch.from_numpy(np.asarray(obj))
    if isinstance(obj, (int, list, tuple)) and kind(target) == kind(tensor.dtype) == 1 and tensor.numel():
        numbers = np.asarray(obj)
        for end in (numbers.min(), numbers.max()):
            check_range(int(end), target)
    place = as_device(device) if device is not None or not isinstance(obj, Tensor) else obj.device
    return tensor.to(device=place, dtype=target)


def _refuse_copy(obj: Any, tensor: Tensor) -> None:
    """A ValueError unless the tensor lies where what it was made from does."""
    home = obj.data_ptr() if isinstance(obj, Tensor) else obj.ctypes.data if isinstance(obj, np.ndarray) else None
    if home != tensor.data_ptr() and (home is None or tensor.numel()):
        raise ValueError(f"an array of {tensor.dtype} from this {type(obj).__name__} needs a copy; pass copy=None")


def array(
    obj: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    ndmin: int = 0,
    split: Split = None,
    is_split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """An array from NumPy arrays, torch tensors, numbers and nested lists, or from another array.

    Parameters
    ----------
    obj : array_like
        The whole array, the same on every process; with `is_split` this process's part.
    dtype : optional
        Its type; by default the object's own, and torch's default dtype for Python floats.
    copy : bool, optional
        Whether the result has memory of its own; None copies where it must.
    ndmin : int
        Axes are added in front up to this number.
    split : int, tuple or None
        Which axis is dealt out: each process keeps its part of `obj`.
    is_split : int, tuple or None
        `obj` is a part already: the parts of all processes, one after another along this axis (for a tuple: along
        each grid axis's), make the array. Their other axes must agree.
    device, comm, grid
        As in `zeros`.

    Raises
    ------
    ValueError
        On every process, if their shapes or dtypes do not fit together.

    Examples
    --------
    >>> array([[1.0, 2.0], [3.0, 4.0]], split=0).sum().item()
    10.0
    """
    if split is not None and is_split is not None:
        raise ValueError(f"`split` (={split}) says how to deal out, `is_split` (={is_split}) that it is; give one")
    if isinstance(obj, DNDarray):
        if obj.ndim < ndmin:
            obj = obj[(None,) * (ndmin - obj.ndim)]
        return _from_array(obj, dtype, copy, split, device, grid)
    comm = as_comm(comm)
    tensor = _tensor_from(obj, dtype, device)
    if copy is False:
        _refuse_copy(obj, tensor)
    if isinstance(obj, (np.ndarray, Tensor)) and copy:
        tensor = tensor.clone() if not isinstance(obj, Tensor) or not obj.requires_grad else tensor.detach().clone()
    while tensor.ndim < ndmin:
        tensor = tensor.unsqueeze(0)
    shapes = [tuple(tensor.shape)] if comm.size == 1 else _compare(comm, tensor, is_split)
    if is_split is not None:
        return wrap(tensor, _layout_of_parts(shapes, is_split, grid, comm), comm)
    layout = make_layout(tensor.shape, split, grid, comm)
    part = move(tensor, layout.replicated(), layout, comm)
    if layout.is_distributed and copy is not False:
        part = part.clone()
    return DNDarray(part, layout, comm)


def asarray(
    obj: Any,
    dtype: Any = None,
    *,
    copy: bool | None = None,
    split: Split = None,
    is_split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """As `array`, but without a copy where none is needed."""
    return array(obj, dtype, copy=copy, split=split, is_split=is_split, device=device, comm=comm, grid=grid)


def _from_array(obj: DNDarray, dtype: Any, copy: bool | None, split: Split, device: Any, grid: Any) -> DNDarray:
    layout = obj.layout if split is None else make_layout(obj.shape, split, grid, obj.comm)
    place, chosen = obj.device if device is None else as_device(device), as_dtype(dtype or obj.dtype)
    if copy is False and not (chosen is obj.dtype and place == obj.device and is_local(obj.layout, layout)):
        raise ValueError(f"{obj.dtype} on {obj.device} in {obj.layout} needs a copy for what is asked; pass copy=None")
    tensor = move(obj.larray, obj.layout, layout, obj.comm).to(device=place, dtype=chosen)
    if copy and tensor.data_ptr() == obj.larray.data_ptr():
        tensor = tensor.clone()
    return obj if tensor is obj.larray and layout is obj.layout else DNDarray(tensor, layout, obj.comm)


def _compare(comm: Communicator, tensor: Tensor, is_split: Split) -> list[tuple[int, ...]]:
    """The shapes on all processes, found to fit together."""
    everybody = comm.allgather_object((tuple(tensor.shape), str(tensor.dtype)))
    shapes = [shape for shape, _ in everybody]
    dealt = {None} if is_split is None else set(is_split) if isinstance(is_split, (tuple, list)) else {is_split}
    for rank, (shape, dtype) in enumerate(everybody):
        first, first_dtype = everybody[0]
        fits = len(shape) == len(first) and all(
            m == n or a in dealt or a - len(shape) in dealt for a, (m, n) in enumerate(zip(shape, first, strict=True))
        )
        if not fits or dtype != first_dtype:
            where = f"but for the axes in is_split={is_split}" if is_split is not None else "in shape and dtype"
            raise ValueError(
                f"processes pass arrays that do not fit together: rank 0 shape {first} of {first_dtype}, rank {rank} "
                f"shape {shape} of {dtype}; they must agree {where}"
            )
    return shapes


def _layout_of_parts(shapes: list[tuple[int, ...]], is_split: Split, grid: Any, comm: Communicator) -> Layout:
    if not shapes[0]:
        raise ValueError("`is_split` needs parts of one dimension or more")
    draft = make_layout([max(column) for column in zip(*shapes, strict=True)], is_split, grid, comm)
    shape = list(draft.shape)
    counts: list[list[int] | None] = []
    for g, a in enumerate(draft.axes):
        if a is None:
            counts.append(None)
            continue
        lengths = [
            {shapes[r][a] for r in range(comm.size) if draft.grid.coordinates(r)[g] == c}
            for c in range(draft.grid.shape[g])
        ]
        if any(len(found) > 1 for found in lengths):
            raise ValueError(f"parts of shapes {shapes} do not make a regular array with is_split={is_split}")
        dealt = [found.pop() for found in lengths]
        counts.append(dealt)
        shape[a] = sum(dealt)
    return Layout(shape, draft.grid, draft.axes, counts)


# --- ranges -----------------------------------------------------------------------------------------------------------


def positions(layout: Layout, comm: Communicator, device: Any, axis: int = 0) -> Tensor:
    """Global indices of this process along `axis`."""
    return torch.arange(*layout.box(comm.rank)[axis], device=as_device(device))


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: Any = None,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """start, start + step, ... up to, but without, `stop`. Local; element i is start + i * step on any process.

    >>> arange(5, split=0).tolist()
    [0, 1, 2, 3, 4]
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("`step` must not be zero")
    comm = as_comm(comm)
    layout = make_layout(max(0, math.ceil((stop - start) / step)), split, grid, comm)
    chosen = as_dtype(dtype) if dtype is not None else result_type(start, stop, step)
    index = positions(layout, comm, device)
    if all(isinstance(v, (int, np.integer)) for v in (start, step)):
        values = index * int(step) + int(start)
    else:
        values = index.to(torch.float64) * step + start
    return DNDarray(values.to(chosen), layout, comm)


def meshgrid(*arrays: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[DNDarray]:
    """Coordinate arrays from coordinate vectors; each vector's split is kept along its axis where the grid allows.

    `sparse` arrays have size 1 along all axes but their own, `copy=False` gives views. Communication: one
    redistribution for each vector that is split as another is; none if `sparse`.
    """
    from .manipulation import broadcast_arrays, reshape

    if indexing not in ("xy", "ij"):
        raise ValueError(f"`indexing` (={indexing!r}) must be 'xy' or 'ij'")
    vectors = [as_operand(a) for a in arrays]
    places = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        places[0], places[1] = 1, 0
    shaped: Iterable[DNDarray] = [
        reshape(v, [-1 if a == p else 1 for a in range(len(vectors))]) for v, p in zip(vectors, places, strict=True)
    ]
    if vectors and not sparse:
        shaped = broadcast_arrays(*shaped)
    return [DNDarray(v.larray.clone(), v.layout, v.comm) if copy else v for v in shaped]
