"""Sorting: values, and the order that sorts.

Layouts: the result lies exactly as the array does. Communication: none along an axis that is whole on every process.
Along a split axis every process sorts its own part of all columns; a few small collectives find which elements go where
(an all-reduce for each 8 bits of an element, for each 4 if columns are many, and one more; an exclusive scan and an
all-to-all of counts); one all-to-all brings all columns to where they belong, and every process merges what it
receives: exactly what it is to hold, whatever the values. In memory this takes the part, the result and once as much
(three times for several columns, which are put side by side); what gives indices takes two of them, and twice the
element, for each element beside its result, since both travel and are sorted together.

Only if columns are so many and so short that finding the places takes longer than moving them (some 500 rows on 2
processes, 4000 on 4), and another axis can be dealt out instead, whole columns are sorted: one all-to-all there and one
back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .broadcasting import align_to, common_layout
from .communication import Communicator
from .elementwise import as_operand
from .layout import Layout, normalize_axis
from .manipulation import ravel
from .ordering import order as sorting_order
from .ordering import order_keys, sort_rows
from .redistribution import move
from .sample_sort import argsort_across, probe_bits, sort_across
from .unsigned import from_ordered, to_ordered

__all__ = ["argsort", "lexsort", "sort", "sort_complex"]

_KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")


def _check(kind: str | None, order: Any, stable: bool | None) -> None:
    if kind not in _KINDS:
        raise ValueError(f"`kind` (={kind!r}) must be one of {_KINDS}")
    if kind is not None and stable is not None:
        raise ValueError("`kind` and `stable` cannot both be given")
    if order is not None:
        raise ValueError(f"`order` (={order!r}) names fields, and arrays have none")


def _flat(x: Any, axis: int | None) -> tuple[DNDarray, int]:
    """The array and the axis to sort along; None means of the flattened array."""
    x = as_operand(x)
    return (ravel(x), 0) if axis is None else (x, normalize_axis(axis, x.ndim))


def _along(
    arrays: Sequence[Tensor], layout: Layout, comm: Communicator, axis: int, whole: Callable, across: Callable
) -> DNDarray:
    """Compute along an axis of arrays that lie alike: `whole(rows)` if every process has all of it, otherwise
    `across(rows, counts, comm, bits)`. Both take a list of tensors (c, n) and give one."""
    g, target = layout.grid_axis(axis), layout
    along, counts, bits = None, None, 0
    if g is not None and layout.grid.shape[g] > 1 and layout.size:
        along, counts = comm.along(layout.grid, (g,)), layout.counts[g]
        sides = (layout.lshape(r) for r in range(comm.size))
        bits = probe_bits(max(math.prod(s[:axis] + s[axis + 1 :]) for s in sides), layout.shape[axis], along.size)
        target = layout.whole_along(axis)
        if bits or target.axes[g] is None:  # no other axis is there to be dealt out
            target, bits = layout, bits or 4
    moved = [move(array, layout, target, comm).movedim(axis, -1) for array in arrays]
    lead = moved[0].shape[:-1]
    rows = [array.reshape(math.prod(lead), array.shape[-1]) for array in moved]
    if along is not None and bits and len(rows[0]):  # the processes along the axis have as many columns
        result = across([row.contiguous() for row in rows], counts, along, bits)
    else:
        result = whole(rows)
    result = result.reshape(*lead, result.shape[-1]).movedim(-1, axis).contiguous()
    return wrap(move(result, target, layout, comm), layout, comm)


def sort(
    x: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    descending: bool = False,
    stable: bool | None = None,
) -> DNDarray:
    """The elements of `x` in ascending order along an axis.

    NaN comes last; complex numbers go by real, then imaginary part. Differentiable.

    Parameters
    ----------
    x : array_like
        Split in any way; the result lies alike.
    axis : int or None
        None sorts the flattened array; the result is split as `ravel` splits it.
    kind, stable
        Taken for NumPy's sake: equal elements cannot be told apart.
    order : None
        Taken for NumPy's sake.
    descending : bool
        Largest first; NaN comes first then.

    Communication: none if the axis is whole on every process. If it is split, one all-to-all of the elements, all
    columns at once, and a few small collectives, whose number does not depend on the data (7 for 32 bits, 11 for 64; 11
    and 19 if columns are many). See the head of this module.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.sort(dnd.array([3, 1, 2, 1], split=0)).tolist()
    [1, 1, 2, 3]
    """
    _check(kind, order, stable)
    x, axis = _flat(x, axis)
    result = _along(
        [to_ordered(x.larray)],
        x.layout,
        x.comm,
        axis,
        lambda rows: sort_rows(*rows, descending=descending),
        lambda rows, *where: sort_across(*rows, *where, descending=descending),
    )
    return DNDarray(from_ordered(result.larray, x.dtype), result.layout, result.comm)


def _indirect(keys: Sequence[Tensor], layout: Layout, comm: Communicator, axis: int) -> DNDarray:
    """Indices that sort along an axis by the first of several keys, equals by the next, ...; stable."""
    return _along(keys, layout, comm, axis, sorting_order, argsort_across)


def argsort(
    x: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    descending: bool = False,
    stable: bool | None = None,
) -> DNDarray:
    """The indices (int64, of the whole array) that sort `x` along an axis; always stable.

    Arguments, layout and communication as in `sort`; the indices travel with the elements.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.argsort(dnd.array([3, 1, 2, 1], split=0)).tolist()
    [1, 3, 2, 0]
    """
    _check(kind, order, stable)
    x = as_operand(x)
    x, axis = _flat(x, axis if x.ndim else None)  # a scalar counts as one element, as in NumPy
    return _indirect(order_keys(x.larray, descending=descending), x.layout, x.comm, axis)


def lexsort(keys: Any, axis: int = -1) -> DNDarray:
    """The indices that sort by the last of several keys, equals by the one before it, and so on; stable.

    Parameters
    ----------
    keys : sequence of array_like, or an array whose first axis numbers the keys
        Of one shape, each split in any way; the result is split as an elementwise operation on them would be.
    axis : int
        The axis of each key along which to sort.

    Communication: as `argsort`, with as many rounds for each key and one all-to-all for all of them; one redistribution
    before if the keys are not split alike.
    """
    if isinstance(keys, DNDarray):
        whole = keys.layout.whole_along(0)
        keys = list(DNDarray(move(keys.larray, keys.layout, whole, keys.comm), whole, keys.comm))
    beside = next((key for key in keys if isinstance(key, DNDarray)), None)
    keys = [as_operand(key) if beside is None else as_operand(key, beside.comm, beside.device) for key in keys]
    if not keys:
        raise TypeError("lexsort needs one key or more")
    comm = same_comm(keys)
    shapes = {key.shape for key in keys}
    if len(shapes) > 1:
        raise ValueError(f"`keys` must have one shape, got {sorted(shapes)}")
    layout = common_layout(*(key.layout for key in keys))
    local = [align_to(key.larray.detach(), key.layout, layout, comm) for key in reversed(keys)]
    if not layout.ndim:
        return wrap(torch.zeros((), dtype=torch.int64, device=local[0].device), layout, comm)
    return _indirect(order_keys(*local), layout, comm, normalize_axis(axis, layout.ndim))


def sort_complex(a: Any) -> DNDarray:
    """The elements sorted along the last axis by real, then imaginary part, as complex numbers. As `sort`."""
    a = sort(a)
    small = (torch.int8, torch.int16, torch.uint8, torch.uint16, torch.complex64)
    return a.astype(torch.complex64 if a.dtype in small else torch.complex128, copy=False)
