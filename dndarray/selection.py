"""Selection: the k-th smallest elements put where they belong, and the largest or smallest few, without sorting.

Layouts: the axis stays split as it is. Communication: none along an axis that is whole on every process; otherwise
what `order_statistics` needs to find the elements of the wanted ranks, and one all-to-all that brings elements to where
they belong.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .along_axis import take_along_axis
from .array import DNDarray, wrap
from .assembly import resized
from .communication import ALONE, Communicator
from .elementwise import as_operand
from .layout import Layout, normalize_axis
from .manipulation import ravel
from .order_statistics import Rows
from .ordering import order, order_keys
from .sample_sort import Route
from .sorting import argsort, sort
from .unsigned import STAND_INS, from_ordered, to_ordered

__all__ = ["argpartition", "partition", "topk"]

_MANY = 32
"""Numbers of wanted ranks above which sorting is no more work."""


def _kth(kth: Any, n: int) -> list[int]:
    try:
        ranks = [operator.index(k) for k in (kth if np.ndim(kth) else [kth])]
    except TypeError:
        raise TypeError(f"`kth` (={kth!r}) must be an integer, or several") from None
    if n == 0:
        return []
    if any(not -n <= k < n for k in ranks):
        raise ValueError(f"`kth` (={kth}) must lie in [{-n}, {n}) for an axis of size {n}")
    return sorted({k % n for k in ranks})


def _rows(x: DNDarray, axis: int) -> tuple[Tensor, Communicator, Sequence[int]]:
    """The local part with `axis` last, the others as one; the processes along `axis`, and where each of them begins."""
    local = x.larray.movedim(axis, -1)
    rows = local.reshape(math.prod(local.shape[:-1]), local.shape[-1])
    g = x.layout.grid_axis(axis)
    if g is None or x.layout.grid.shape[g] == 1:
        return rows, ALONE, (0, x.shape[axis])
    return rows, x.comm.along(x.layout.grid, (g,)), x.layout.offsets[g]  # type: ignore[return-value]


def _unfolded(rows: Tensor, layout: Layout, axis: int, comm: Communicator) -> DNDarray:
    lshape = list(layout.lshape(comm.rank))
    length = lshape.pop(axis)
    return wrap(rows.reshape(*lshape, length).movedim(-1, axis), layout, comm)


def _route(sizes: Tensor, starts: Tensor, edges: Sequence[int], comm: Communicator) -> Route:
    """The way of runs of elements, `sizes` (rows, runs), to the positions of the whole row that begin at `starts`.

    Rank r holds the positions from `edges[r]` to `edges[r + 1]`.
    """
    bounds = torch.tensor(edges, device=sizes.device)[:, None, None]
    sends = (bounds - starts).clamp(min=0).minimum(sizes).sum(-1).diff(dim=0).cpu()
    return Route(comm, sends, comm.alltoallv(sends, [1] * comm.size, [1] * comm.size))


def _classes(rows: Tensor, pivots: Tensor) -> Tensor:
    """Which pivots (rows, k), in ascending order, elements lie above and at: 2 k + 1 classes, NaN in the last."""
    rows, pivots = to_ordered(rows.detach()), to_ordered(pivots)
    result = torch.zeros(rows.shape, dtype=torch.uint8, device=rows.device)
    for pivot in pivots.split(1, 1):
        result += rows > pivot
        result += rows >= pivot
    return result.masked_fill_(rows != rows, 2 * pivots.shape[1])


def _partitioned(x: DNDarray, kth: list[int], axis: int, indices: bool) -> DNDarray:
    """Elements grouped by how they compare with the k-th ones: on each process, and again on those who receive them."""
    if x.dtype in STAND_INS:
        ordered = _partitioned(DNDarray(to_ordered(x.larray), x.layout, x.comm), kth, axis, indices)
        return ordered if indices else DNDarray(from_ordered(ordered.larray, x.dtype), ordered.layout, x.comm)
    rows, comm, edges = _rows(x, axis)
    n = x.shape[axis]
    if comm.size == 1 and rows.device.type == "cpu" and rows.dtype is not torch.bfloat16:
        places = torch.from_numpy(np.argpartition(rows.detach().resolve_conj().resolve_neg().numpy(), kth, axis=1))
        return _unfolded(places if indices else rows.gather(1, places), x.layout, axis, x.comm)
    pivots = Rows(rows.detach(), n, comm).order_statistics(torch.tensor([kth]))[..., 0]
    classes = _classes(rows, pivots)
    places = order([classes])
    sizes = torch.stack([(classes == c).sum(1) for c in range(2 * len(kth) + 1)], 1)
    total = comm.allreduce(sizes)
    if not len(rows):
        return _unfolded(places if indices else rows, x.layout, axis, x.comm)
    route = _route(sizes, total.cumsum(1) - total + comm.exscan(sizes), edges, comm)
    if indices:
        values, index = route(rows.detach().gather(1, places), places + edges[comm.rank])
        result = index.gather(1, order([_classes(values, pivots)]))
    else:
        (values,) = route(rows.gather(1, places))
        result = values.gather(1, order([_classes(values, pivots)]))
    return _unfolded(result, x.layout, axis, x.comm)


def _partition(x: Any, kth: Any, axis: int | None, kind: str, order: Any, indices: bool) -> DNDarray:
    if kind != "introselect":
        raise ValueError(f"`kind` (={kind!r}) must be 'introselect'")
    if order is not None:
        raise ValueError(f"`order` (={order!r}) names fields, and arrays have none")
    x = as_operand(x)
    x, axis = (ravel(x), 0) if axis is None else (x, normalize_axis(axis, x.ndim))
    ranks = _kth(kth, x.shape[axis])
    if not ranks or x.dtype.is_complex or len(ranks) > _MANY:
        return argsort(x, axis) if indices else sort(x, axis)
    return _partitioned(x, ranks, axis, indices)


def partition(
    x: Any, kth: int | Sequence[int], axis: int | None = -1, kind: str = "introselect", order: None = None
) -> DNDarray:
    """The elements rearranged along an axis so that the `kth` is where sorting would put it, none before it is larger
    and none after it is smaller. NaN comes last; complex numbers are sorted. Differentiable.

    Parameters
    ----------
    x : array_like
        Split in any way; the result lies alike.
    kth : int or sequence of int
        Ranks, counted from 0, or from the end if negative.
    axis : int or None
        None takes the flattened array.
    kind, order
        Taken for NumPy's sake.

    Besides its result it takes about as much memory again, and an index per element. Communication: if the axis is
    split, about 10 small collectives to find the elements, 4 to find places, and one all-to-all of the elements.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.partition(dnd.array([7, 1, 5, 3, 9], split=0), 2)[2].item()
    5
    """
    return _partition(x, kth, axis, kind, order, False)


def argpartition(
    x: Any, kth: int | Sequence[int], axis: int | None = -1, kind: str = "introselect", order: None = None
) -> DNDarray:
    """The indices (int64, of the whole array) that `partition` an array. Arguments, layout and communication as there;
    indices travel with the elements."""
    return _partition(x, kth, axis, kind, order, True)


def topk(
    x: Any,
    k: int,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[DNDarray, DNDarray]:
    """The `k` largest or smallest elements along an axis, and their indices (int64, of the whole array).

    Of equal elements those with smaller indices come first; NaN counts as largest. Differentiable.

    Parameters
    ----------
    x : array_like
        Split in any way; the results are split alike, balanced along `axis`.
    k : int
        How many.
    axis : int
        The axis along which to look for them; the results have size `k` along it.
    largest : bool
        Whether to look for the largest.
    sorted : bool
        Whether to give them in order; otherwise they come in order of their indices.

    Communication: if the axis is split, about 10 small collectives to find the last of them, 3 to find places, and one
    all-to-all; then what it takes to sort `k` elements. It takes about as much memory as `x` beside it.

    Examples
    --------
    >>> import dndarray as dnd
    >>> values, indices = dnd.topk(dnd.array([7, 1, 9, 3, 9], split=0), 3)
    >>> values.tolist(), indices.tolist()
    ([9, 9, 7], [2, 4, 0])
    """
    x = as_operand(x)
    if x.dtype.is_complex:
        raise TypeError(f"topk needs an order, and {x.dtype} has none; use topk(abs(x), ...)")
    axis = normalize_axis(axis, x.ndim)
    n = x.shape[axis]
    if not 0 <= operator.index(k) <= n:
        raise ValueError(f"`k` (={k}) must lie in [0, {n}] for an axis of size {n}")
    # Unsigned integers as what torch has kernels for.
    x, dtype = DNDarray(to_ordered(x.larray), x.layout, x.comm), x.dtype
    rows, comm, before = _rows(x, axis)
    row, column = _extremes(rows, n, k, largest, comm)
    values, index = rows[row, column], column + before[comm.rank]
    layout = resized(x.layout, axis, k)
    if comm.size == 1:
        values, index = values.view(len(rows), k), index.view(len(rows), k)
        if sorted:
            by_value = order(order_keys(values, descending=largest))
            values, index = values.gather(1, by_value), index.gather(1, by_value)
    elif len(rows):
        sizes = torch.bincount(row, minlength=len(rows))[:, None]
        g = layout.grid_axis(axis)
        assert g is not None and layout.offsets[g] is not None  # for the processes along the axis are several
        route = _route(sizes, comm.exscan(sizes), layout.offsets[g], comm)  # type: ignore[arg-type]
        values, index = route(values[None], index[None])
    results = [_unfolded(part, layout, axis, x.comm) for part in (values, index)]
    if sorted and k and comm.size > 1:
        places = argsort(results[0], axis, descending=largest)
        results = [take_along_axis(part, places, axis) for part in results]
    return DNDarray(from_ordered(results[0].larray, dtype), results[0].layout, x.comm), results[1]


def _extremes(rows: Tensor, n: int, k: int, largest: bool, comm: Communicator) -> tuple[Tensor, Tensor]:
    """Row and column of this process's elements among the first k of their rows, equals by their indices."""
    rows = rows.detach()
    if k == 0 or not len(rows):
        none = torch.zeros(0, dtype=torch.int64, device=rows.device)
        return none, none
    last = torch.tensor([[n - k if largest else k - 1]])
    pivot = Rows(rows, n, comm).order_statistics(last)[:, :, 0]
    no_number = pivot.isnan()
    chosen = (rows >= pivot) | rows.isnan() if largest else (rows <= pivot) | no_number
    row, column = chosen.nonzero().unbind(1)
    values = rows[row, column]
    equal = (values == pivot[row, 0]) | (values.isnan() & no_number[row, 0])

    def per_row(of: Tensor) -> Tensor:
        return torch.bincount(row[of], minlength=len(rows))

    equals = per_row(equal)
    missing, ahead = k - comm.allreduce(per_row(~equal)), comm.exscan(equals)
    place = equal.cumsum(0) - (equals.cumsum(0) - equals - ahead)[row]
    kept = ~equal | (place <= missing[row])
    return row[kept], column[kept]
