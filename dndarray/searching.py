"""Searching in sorted arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .communication import Communicator
from .elementwise import as_operand
from .layout import Layout
from .manipulation import resplit
from .ordering import bisect, order_keys
from .types import kind, result_type

__all__ = ["bucketize", "digitize", "searchsorted"]

TABLE = 2**20
"""Elements of a sorted array up to which every process is given all of it: less than its questions would take."""

PIECE = 2**17
"""Elements that are looked up at a time, so that steps between take no memory to speak of."""

_ROUND = 2**22
"""Elements that a process looks up for others at a time."""


def _look_up(keys: list[Tensor], wanted: list[Tensor], right: bool) -> Tensor:
    return bisect([key[None] for key in keys], [key[None] for key in wanted], right=right)[0]


def places_in(keys: list[Tensor], values: Tensor, dtype: torch.dtype, right: bool = False) -> Iterator[Tensor]:
    """Where elements of `dtype` would go among sorted keys, a piece of them at a time."""
    for piece in values.split(PIECE):
        yield _look_up(keys, order_keys(piece.to(dtype)), right)


def _ask_owners(keys: list[Tensor], wanted: list[Tensor], layout: Layout, comm: Communicator, right: bool) -> Tensor:
    """Places in an array of which every process of `comm` has a part: each is looked up where it lies.

    If one process is asked much more than others, it is asked a share at a time.
    """
    g = layout.grid_axis(0)
    assert g is not None
    offsets = torch.tensor(layout.offsets[g], device=keys[0].device)
    # The first of each part; of a part without elements nobody asks.
    firsts = comm.allgather(torch.stack([key[:1].to(torch.int64).sum() for key in keys]))
    owners = offsets.diff().nonzero().reshape(-1)
    owner = owners[(_look_up(list(firsts[owners].unbind(1)), wanted, right) - 1).clamp(min=0)]
    places = torch.argsort(owner, stable=True)
    asked = int(comm.allreduce(torch.bincount(owner, minlength=comm.size)).max())
    result = torch.empty_like(places)
    rounds = max(1, -(-asked // _ROUND))
    for i in range(rounds):
        mine = places[i::rounds]
        sends = torch.bincount(owner[mine], minlength=comm.size).tolist()
        receives = comm.alltoall_counts(sends)
        arrived = comm.alltoallv(torch.stack([key[mine].to(torch.int64) for key in wanted], 1), sends, receives)
        found = _look_up(keys, list(arrived.unbind(1)), right) + offsets[comm.rank]
        result[mine] = comm.alltoallv(found, receives, sends)
    return result


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> DNDarray:
    """Where the elements of `v` would go into the sorted array `a`: before their equals, or after them.

    Parameters
    ----------
    a : array_like
        Of one dimension, in ascending order; split or not.
    v : array_like
        Of any shape, split in any way; the result (int64) lies alike.
    side : 'left' or 'right'
    sorter : array_like of int, optional
        The indices that sort `a`.

    Communication: none if `a` is not split. If it is, one all-gather of its elements if they are 2**20 or fewer.
    Otherwise, if `v` is not split, one all-reduce; if both are, an all-gather, an all-reduce, and an all-to-all of
    counts, of questions and of answers; these three again for each 4 million questions that are for one process. In
    this last case a process holds about 50 bytes beside each of its elements of `v`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.searchsorted(dnd.array([1, 2, 2, 5], split=0), [2, 6], side="right").tolist()
    [3, 4]
    """
    if side not in ("left", "right"):
        raise ValueError(f"`side` (={side!r}) must be 'left' or 'right'")
    beside = next(((x.comm, x.device) for x in (a, v) if isinstance(x, DNDarray)), (None, None))
    a, v = as_operand(a, *beside), as_operand(v, *beside)
    comm = same_comm([a, v])
    if a.ndim != 1:
        raise ValueError(f"`a` must have one dimension, it has shape {a.shape}")
    if sorter is not None:
        a = a[as_operand(sorter, comm, a.device)]
    dtype = result_type(a, v)
    if a.size <= TABLE:
        a = resplit(a)
    keys = order_keys(a.larray.to(dtype))
    g = a.layout.grid_axis(0)
    along = None if g is None else comm.along(a.layout.grid, (g,))
    right = side == "right"
    if along is None or along.size == 1 or not a.size:
        places = torch.empty(v.lshape, dtype=torch.int64, device=v.device).view(-1)
        for part, found in zip(places.split(PIECE), places_in(keys, v.larray.reshape(-1), dtype, right), strict=True):
            part.copy_(found)
        return wrap(places.view(v.lshape), v.layout, comm)
    wanted = order_keys(v.larray.to(dtype).reshape(-1))
    if v.layout.is_dealt:
        places = _ask_owners(keys, wanted, a.layout, along, right)
    else:  # what lies below in the whole lies below in the parts
        places = along.allreduce(_look_up(keys, wanted, right))
    return wrap(places.reshape(v.lshape), v.layout, comm)


def digitize(x: Any, bins: Any, right: bool = False) -> DNDarray:
    """In which bin each element of `x` falls: `bins[i - 1] <= x < bins[i]`, the equality at the other end if `right`.

    Parameters
    ----------
    x : array_like
        Real, split in any way; the result (int64) lies alike.
    bins : array_like
        Of one dimension and in ascending or descending order; split or not.

    Communication: as `searchsorted`, and, if `bins` is split, that of looking whether it is in order.
    """
    from .elementwise import FUNCTIONS
    from .manipulation import flip

    beside = next(((y.comm, y.device) for y in (x, bins) if isinstance(y, DNDarray)), (None, None))
    x, bins = as_operand(x, *beside), as_operand(bins, *beside)
    if kind(x.dtype) > 2 or kind(bins.dtype) > 2:
        raise TypeError(f"digitize needs real numbers, not {x.dtype} and {bins.dtype}")
    if bins.ndim != 1:
        raise ValueError(f"`bins` must have one dimension, it has shape {bins.shape}")
    side = "left" if right else "right"

    def ordered(relation: str) -> bool:
        return bool(FUNCTIONS["all"](FUNCTIONS[relation](bins[:-1], bins[1:])))

    if ordered("less_equal"):
        return searchsorted(bins, x, side)
    if not ordered("greater_equal"):
        raise ValueError("`bins` must be in ascending or descending order")
    return bins.size - searchsorted(flip(bins), x, side)


def bucketize(x: Any, boundaries: Any, out_int32: bool = False, right: bool = False) -> DNDarray:
    """Which interval between ascending boundaries each element of `x` falls in, as torch (and Heat) counts them.

    An element equal to `boundaries[i]` falls in interval i, or in i + 1 if `right`. Communication: as `searchsorted`.
    """
    result = searchsorted(boundaries, x, "right" if right else "left")
    return result.astype(torch.int32) if out_int32 else result
