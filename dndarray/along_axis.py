"""Elements along an axis taken from, and put to, where an array of indices says: one index for each of them.

Layouts: the result is split as the array is, balanced along the axis (or as the indices are, if they lie so); as the
indices are, if the array is replicated. Communication: none if the axis is not split, but for what brings the indices
beside the array; otherwise three exchanges (how many, which, the elements) among the processes along that axis. If the
indices are split, processes first agree that all are in range.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .advanced_indexing import in_range, last_of_each
from .array import DNDarray, wrap
from .assembly import resized
from .broadcasting import align_to, broadcast_shapes
from .collectives import all_to_all, use_in_split
from .communication import Communicator
from .elementwise import as_operand
from .indexing import assign
from .layout import Layout, normalize_axis
from .manipulation import beside, broadcast_to, with_axis
from .redistribution import move
from .types import kind
from .unsigned import moved

__all__ = ["put_along_axis", "take_along_axis"]


class _Route(NamedTuple):
    """The way from indices to those who hold the elements, among the processes along one grid axis."""

    along: Communicator
    order: Tensor
    """This process's indices sorted by owner."""
    sends: list[int]
    receives: list[int]
    asked: Tensor
    """What is asked of this process, by who asks."""

    def there(self, values: Tensor) -> Tensor:
        """One value for each index of this process, brought to who holds the element."""
        return all_to_all(values[self.order], self.sends, self.receives, self.along)

    def back(self, values: Tensor) -> Tensor:
        """One value for each index that was asked of this process, brought to who asked."""
        inverse = torch.empty_like(self.order)
        inverse[self.order] = torch.arange(len(self.order), device=self.order.device)
        return all_to_all(values, self.receives, self.sends, self.along)[inverse]


def _route(index: Tensor, layout: Layout, g: int, axis: int, comm: Communicator) -> _Route:
    """The way to what `index` names along an axis of an array in `layout` that grid axis `g` deals out."""
    along = comm.along(layout.grid, (g,))
    offsets = torch.tensor(layout.offsets[g], device=index.device)
    owner = torch.bucketize(index.contiguous(), offsets, right=True) - 1
    keys, owner = _keys(index - offsets[owner], axis), owner.movedim(axis, 0).reshape(-1)
    order = torch.argsort(owner, stable=True)
    sends = torch.bincount(owner, minlength=along.size).tolist()
    receives = along.alltoall_counts(sends)
    return _Route(along, order, sends, receives, along.alltoallv(keys[order], sends, receives))


def _checked(indices: DNDarray, x: DNDarray, axis: int) -> DNDarray:
    """Indices without negative ones, or an exception on every process."""
    if kind(indices.dtype) != 1:
        raise IndexError(f"`indices` must be integers, not {indices.dtype}")
    if indices.ndim != x.ndim:
        raise ValueError(f"`indices` of shape {indices.shape} must have as many axes as an array of shape {x.shape}")
    return in_range(indices, x.shape[axis])


def _fits(index: Layout, layout: Layout, axis: int) -> bool:
    """Whether indices lie as the array does, but for how many of them each process has along the axis."""
    others = [h for h, a in enumerate(layout.axes) if a != axis]
    alike = index.grid is layout.grid and index.axes == layout.axes
    return alike and all(index.counts[h] == layout.counts[h] for h in others)


def _keys(index: Tensor, axis: int) -> Tensor:
    """Flat positions, in a part with the axis in front, of the elements at these indices along it."""
    front = index.movedim(axis, 0)
    rest = math.prod(front.shape[1:])
    columns = torch.arange(rest, device=index.device).reshape(front.shape[1:])
    return (front * rest + columns).reshape(-1)


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> DNDarray:
    """The elements that `indices` names along `axis`, as `argsort` gives them: `x[i][indices[i]]` along rows, say.

    `x` and `indices` broadcast against each other along the other axes; with None, `x` is flattened and `indices` has
    one axis.

    >>> take_along_axis([[3, 1], [2, 4]], [[1], [0]], axis=1).tolist()
    [[1], [2]]
    """
    x, indices = beside([x, indices])
    x, axis = with_axis(x, axis)
    indices = _checked(indices, x, axis)
    comm, k = x.comm, indices.shape[axis]
    one = [1 if a == axis else m for a, m in enumerate(x.shape)]
    shape = list(broadcast_shapes(one, [1 if a == axis else m for a, m in enumerate(indices.shape)]))
    shape[axis] = x.shape[axis]
    x = broadcast_to(x, shape)
    shape[axis] = k
    indices = broadcast_to(indices, shape)
    g = x.layout.grid_axis(axis)
    if _fits(indices.layout, x.layout, axis) or not x.layout.is_dealt:
        result = indices.layout
    else:
        result = resized(x.layout, axis, k)
    index = move(indices.larray, indices.layout, result, comm)
    lshape = result.lshape(comm.rank)
    if g is None:
        local = move(x.larray, x.layout, resized(result.undeal(axis), axis, x.shape[axis]), comm)
        h = result.grid_axis(axis)
        if h is not None:
            local = use_in_split(local, comm.along(result.grid, (h,)))
        return wrap(moved(torch.gather, local, axis, index), result, comm)
    route = _route(index, x.layout, g, axis, comm)
    found = route.back(x.larray.movedim(axis, 0).reshape(-1)[route.asked])
    return wrap(found.reshape(lshape[axis], *lshape[:axis], *lshape[axis + 1 :]).movedim(0, axis), result, comm)


def put_along_axis(x: DNDarray, indices: Any, values: Any, axis: int | None) -> None:
    """Set the elements of `x` that `indices` names along `axis`, in place; where it names one twice the last counts.

    `indices` broadcasts to `x` along the other axes, `values` to `indices`; with None, `x` is taken as flat.
    """
    if axis is None:
        from .gathering import put

        return put(x, as_operand(indices, x.comm, x.device), values)
    axis = normalize_axis(axis, x.ndim)
    indices = _checked(as_operand(indices, x.comm, x.device), x, axis)
    comm = x.comm
    shape = [indices.shape[a] if a == axis else m for a, m in enumerate(x.shape)]
    indices = broadcast_to(indices, shape)
    values = broadcast_to(as_operand(values, comm, x.device), shape)
    result = indices.layout if _fits(indices.layout, x.layout, axis) else resized(x.layout, axis, shape[axis])
    index = move(indices.larray, indices.layout, result, comm)
    new = align_to(values.larray, values.layout, result, comm).movedim(axis, 0).reshape(-1)
    g = x.layout.grid_axis(axis)
    if g is None:
        keys = _keys(index, axis)
    else:
        route = _route(index, x.layout, g, axis, comm)
        keys, new = route.asked, route.there(new)
    last = last_of_each([keys], [1])
    front = x.larray.movedim(axis, 0)
    assign(front, torch.unravel_index(keys[last], front.shape), new[last])
    return None
