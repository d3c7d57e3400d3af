"""Distinct elements, and arrays as sets.

Every process finds the distinct elements of its own part; ranges of values, chosen from samples so that they are about
even, are dealt out to the processes; and each finds the distinct elements of its range. So results that are dealt out
are in ascending order over the processes, split along their axis where the elements are (unbalanced), and no process
ever has all of them. What no operand deals out is computed by each process for itself, without communication.

Communication: one all-gather of samples, one all-to-all of counts, one of the distinct elements, one all-gather of the
result's counts. What answers for each element (`inverse`, `isin`) takes one more all-to-all back. Before that, what
needs C order (`index`, `inverse`) and is not split along its first axis is redistributed. In memory the distinct
elements of a part are held up to four times: found, in order, on their way, and where they are met.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import searching
from .array import DNDarray, same_comm, wrap
from .communication import ALONE, Communicator
from .elementwise import as_operand
from .layout import Layout, normalize_axis
from .local_indexing import true_positions
from .manipulation import moveaxis, ravel, reshape, resplit
from .ordering import boundaries, order, order_keys, sort_rows
from .redistribution import move
from .sample_sort import Route, range_route
from .types import kind, result_type
from .unsigned import STAND_INS, from_ordered, to_ordered

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]

_MANY = 2**10
"""Integers from which on it pays to see whether they lie close together."""

_BLOCK = 2**18
"""Elements that are sorted at a time: in cache, and so that of many equals few are left to sort together."""


class UniqueAllResult(NamedTuple):
    values: DNDarray
    indices: DNDarray
    inverse_indices: DNDarray
    counts: DNDarray


class UniqueCountsResult(NamedTuple):
    values: DNDarray
    counts: DNDarray


class UniqueInverseResult(NamedTuple):
    values: DNDarray
    inverse_indices: DNDarray


# --- groups of equals -------------------------------------------------------------------------------------------------


class _Groups(NamedTuple):
    """Elements in order, and where groups of equals begin."""

    order: Tensor
    new: Tensor
    """Whether a group begins, for each element in order."""

    @classmethod
    def of(cls, keys: Sequence[Tensor], runs: bool = False) -> _Groups:
        places = order(keys, runs=runs)
        return cls(places, boundaries([key[places] for key in keys]))

    def first(self, column: Tensor) -> Tensor:
        """The first of each group."""
        return column[self.order[self.new]]

    def labels(self) -> Tensor:
        """The number of each element's group."""
        result = torch.empty_like(self.order)
        result[self.order] = self.new.cumsum(0) - 1
        return result

    def add_up(self, column: Tensor) -> Tensor:
        """The sum of each group."""
        return column.new_zeros(int(self.new.sum())).index_add_(0, self.labels(), column)

    def sizes(self) -> Tensor:
        """The number of elements of each group."""
        return _lengths(self.new)


def _keys(values: Tensor, where: Tensor | None = None) -> list[Tensor]:
    """Keys by which values, or rows of them, are equal; with `where`, their indices, NaN is equal to nothing."""
    columns = values.flatten(1).unbind(1) if values.ndim > 1 else (values,)
    keys = order_keys(*columns) or [values.new_zeros(len(values), dtype=torch.uint8)]
    if where is not None and kind(values.dtype) > 1:
        missing = values.isnan()
        keys.append(where.where(missing.flatten(1).any(1) if values.ndim > 1 else missing, 0))
    return keys


def _counted(values: Tensor) -> tuple[int, Tensor] | None:
    """Of integers that lie close together, the smallest, and how often it and each number after it occurs."""
    if kind(values.dtype) != 1 or values.dtype in STAND_INS or len(values) < _MANY:
        return None
    low, high = (int(end) for end in values.aminmax())
    if high - low >= len(values) // 8:
        return None
    counts = torch.zeros(high - low + 1, dtype=torch.int64, device=values.device)
    for block in values.split(max(_BLOCK, 2 * len(counts))):
        counts += torch.bincount(block.to(torch.int64) - low, minlength=len(counts))
    return low, counts


def _distinct(values: Tensor, runs: bool = False) -> Tensor:
    """The distinct elements in order."""
    if (close := _counted(values)) is not None:
        low, counts = close
        return (true_positions(counts) + low).to(values.dtype)
    if not runs and len(values) > _BLOCK:
        return _distinct(torch.cat([_distinct(block) for block in values.split(_BLOCK)]), runs=True)
    values = sort_rows(values, runs=runs)
    return values[boundaries(order_keys(values))] if kind(values.dtype) > 1 else values.unique_consecutive()


def _tally(values: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct elements in order, and how often each occurs."""
    if (close := _counted(values)) is not None:
        low, counts = close
        places = true_positions(counts)
        return (places + low).to(values.dtype), counts[places]
    found = []
    for block in values.split(_BLOCK):
        block = sort_rows(block)
        new = boundaries(order_keys(block))
        found.append((block[new], _lengths(new)))
    values, sizes = (torch.cat(parts) for parts in zip(*found, strict=True))
    groups = _Groups.of(_keys(values), runs=True)
    return groups.first(values), groups.add_up(sizes)


def _lengths(new: Tensor) -> Tensor:
    """The numbers of elements of groups, from where they begin."""
    starts = true_positions(new)
    return torch.cat([starts, starts.new_full((1,), len(new))]).diff()


def _sent(route: Route, *columns: Tensor | None) -> list[Any]:
    """Columns of one number or row for each element that a route carries; None stays None."""
    arrived = iter(route(*(column[None] for column in columns if column is not None)))
    return [None if column is None else next(arrived)[0] for column in columns]


# --- operands ---------------------------------------------------------------------------------------------------------


def _sequence(x: DNDarray, in_order: bool) -> DNDarray:
    """The elements along one axis that is dealt out to all processes, or not at all; in C order if it matters."""
    layout = x.layout
    if not in_order and layout.is_dealt and None not in layout.axes:
        counts = [math.prod(layout.lshape(r)) for r in range(x.comm.size)]
        return wrap(x.larray.reshape(-1), Layout((x.size,), x.comm.grid, 0, [counts]), x.comm)
    return _rows(ravel(x))


def _rows(x: DNDarray) -> DNDarray:
    """The array with its first axis dealt out to all processes, and no other, or not dealt out at all."""
    layout = x.layout.by_rows()
    return wrap(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


def _start(x: DNDarray) -> int:
    """The index of this process's first row."""
    return x.layout.box(x.comm.rank)[0][0]


def _among(*arrays: DNDarray) -> Communicator:
    """The processes that the arrays are dealt out to: this one alone if none is."""
    return arrays[0].comm if any(x.layout.is_dealt for x in arrays) else ALONE


def _result(values: Tensor, x: DNDarray, among: Communicator) -> DNDarray:
    """The array of these rows on each process, in order of the processes; exchanges their number."""
    counts = among.allgather(torch.tensor([len(values)])).reshape(-1).tolist()
    shape = (sum(counts), *values.shape[1:])
    layout = Layout(shape, x.comm.grid, 0, [counts]) if among is x.comm else Layout(shape, x.comm.grid)
    return wrap(values, layout, x.comm)


# --- unique -----------------------------------------------------------------------------------------------------------


def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements of `x` in ascending order, or its distinct parts along an axis.

    Parameters
    ----------
    x : array_like
        Split in any way.
    return_index, return_inverse, return_counts : bool
        Give, too, where each occurs first in the flattened array (along the axis), for each element which of the
        distinct ones it is (shaped and split as `x`; along an axis, of one dimension), and how often each occurs.
    axis : int, optional
        By default the array is flattened. Parts along an axis are ordered by their first element, then the second, ...
    equal_nan : bool
        Whether all NaN are one; not along an axis, where NaN is equal to nothing.
    sorted : bool
        The result is sorted in either case.

    The result is split along `axis` if `x` is split, where its elements are (unbalanced), in order of the processes.
    Communication: two all-gathers (of samples and of counts) and two all-to-alls (of counts and of what is distinct on
    each process), one more for the inverse; before, `x` is redistributed if C order or whole parts need it.

    Examples
    --------
    >>> import dndarray as dnd
    >>> values, counts = dnd.unique(dnd.array([2, 1, 2, 5], split=0), return_counts=True)
    >>> values.tolist(), counts.tolist()
    ([1, 2, 5], [1, 2, 1])
    """
    x = as_operand(x)
    if axis is not None:
        axis = normalize_axis(axis, x.ndim)
    along = axis if x.ndim > 1 else None
    apart = kind(x.dtype) > 1 and (along is not None or not equal_nan)
    rows = _sequence(x, return_index or return_inverse) if along is None else _rows(moveaxis(x, along, 0))
    among, values = _among(rows), to_ordered(rows.larray.detach())

    where = sizes = labels = None
    if return_index or return_inverse or apart or along is not None:
        where = torch.arange(len(values), device=values.device) + _start(rows)
        groups = _Groups.of(_keys(values, where if apart else None))
        labels = groups.labels() if return_inverse else None
        sizes = groups.sizes() if return_counts else None
        values, where = groups.first(values), groups.first(where) if return_index or apart else None
    elif return_counts:
        values, sizes = _tally(values)
    else:
        values = _distinct(values)

    route = range_route(_keys(values, where if apart else None), among)
    values, where, sizes = _sent(route, values, where, sizes)
    groups = _Groups.of(_keys(values, where if apart else None), runs=True)
    found = _result(groups.first(values), rows, among)
    shown = DNDarray(from_ordered(found.larray, x.dtype), found.layout, x.comm)
    results = [shown if along is None else moveaxis(shown, 0, along)]
    if return_index:
        results.append(_column(groups.first(where), found))
    if return_inverse:
        (answers,) = _sent(route.reversed(), groups.labels() + _start(found))
        inverse = wrap(answers[labels], _column_layout(rows.layout), x.comm)
        results.append(_shaped_like(inverse, x) if along is None else inverse)
    if return_counts:
        results.append(_column(groups.add_up(sizes), found))
    return results[0] if len(results) == 1 else tuple(results)


def _column_layout(layout: Layout) -> Layout:
    """How one number for each row lies."""
    return Layout(layout.shape[:1], layout.grid, layout.axes, layout.counts)


def _column(values: Tensor, rows: DNDarray) -> DNDarray:
    return wrap(values, _column_layout(rows.layout), rows.comm)


def _shaped_like(flat: DNDarray, x: DNDarray) -> DNDarray:
    """A flat array of as many elements, in the shape and layout of `x`."""
    result = reshape(flat, x.shape)
    return wrap(move(result.larray, result.layout, x.layout, x.comm), x.layout, x.comm)


def unique_all(x: Any) -> UniqueAllResult:
    """Distinct elements, where each occurs first, for each element which of them it is, and how often each occurs.

    NaN is equal to nothing. Communication: as `unique`.
    """
    return UniqueAllResult(*unique(x, True, True, True, equal_nan=False))


def unique_counts(x: Any) -> UniqueCountsResult:
    """Distinct elements, and how often each occurs; NaN is equal to nothing. Communication: as `unique`."""
    return UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False))


def unique_inverse(x: Any) -> UniqueInverseResult:
    """Distinct elements, and for each element which of them it is; NaN is equal to nothing. Communication: as
    `unique`."""
    return UniqueInverseResult(*unique(x, return_inverse=True, equal_nan=False))


def unique_values(x: Any) -> DNDarray:
    """Distinct elements in ascending order; NaN is equal to nothing. Communication: as `unique`."""
    return unique(x, equal_nan=False)


# --- two sets ---------------------------------------------------------------------------------------------------------


def _operands(first: Any, second: Any) -> tuple[DNDarray, DNDarray]:
    beside = next(((x.comm, x.device) for x in (first, second) if isinstance(x, DNDarray)), (None, None))
    first, second = as_operand(first, *beside), as_operand(second, *beside)
    same_comm([first, second])
    return first, second


class _Met(NamedTuple):
    """The distinct elements of two arrays, of those in this process's range: in order, the first array's before the
    second's equal one."""

    values: Tensor
    second: Tensor
    """Whether the element is one of the second array."""
    where: Any
    """Where it occurs first in its array, if that was asked."""
    new: Tensor
    """Whether it is not equal to the one before it; all NaN are equal."""
    partner: Tensor
    """Whether the next one is equal to it, so that both arrays have it; NaN is equal to nothing."""


def _joined(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The elements of two ordered arrays in order, which of them are the second's, and where they were."""
    both = torch.cat([first, second])
    places = order(_keys(both), runs=True)
    return both[places], (places >= len(first)).to(torch.uint8), places


def _meet(first: DNDarray, second: DNDarray, in_order: bool) -> tuple[_Met, DNDarray, Communicator]:
    """Bring together what is equal in two arrays. Also gives an array beside which the result lies, and with whom."""
    dtype = result_type(first, second)
    x, y = (_sequence(v.astype(dtype, copy=False), in_order) for v in (first, second))
    among = _among(x, y)
    if among is x.comm:  # what every process has is dealt out
        x, y = (v if v.layout.is_dealt else resplit(v, 0, v.comm.grid) for v in (x, y))
    parts = [to_ordered(v.larray.detach()) for v in (x, y)]
    where = None
    if in_order:
        groups = [_Groups.of(_keys(part)) for part in parts]
        parts = [g.first(part) for g, part in zip(groups, parts, strict=True)]
        where = torch.cat([g.order[g.new] + _start(v) for g, v in zip(groups, (x, y), strict=True)])
    else:
        parts = [_distinct(part) for part in parts]
    values, tag, places = _joined(*parts)
    where = None if where is None else where[places]
    values, tag, where = _sent(range_route(_keys(values), among), values, tag, where)
    pairs = _Groups.of([*_keys(values), tag])
    values, tag = pairs.first(values), pairs.first(tag)
    where = None if where is None else pairs.first(where)
    new = boundaries(_keys(values))
    partner = torch.zeros_like(new)
    partner[:-1] = ~new[1:]
    if kind(values.dtype) > 1:
        partner &= ~values.isnan()
    met = _Met(from_ordered(values, dtype), tag == 1, where, new, partner)
    return met, x, among


def _members(met: _Met, wanted: Tensor, x: DNDarray, among: Communicator) -> DNDarray:
    return _result(met.values[wanted], x, among)


def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The elements that both arrays have, distinct and in ascending order.

    Parameters
    ----------
    ar1, ar2 : array_like
        Flattened; split in any way.
    assume_unique : bool
        Taken for NumPy's sake: what it promises is not needed.
    return_indices : bool
        Give, too, where each occurs first in either flattened array.

    The result is split if one of the arrays is, as that of `unique`. Communication: as `unique`, for both arrays
    together.
    """
    ar1, ar2 = _operands(ar1, ar2)
    met, x, among = _meet(ar1, ar2, return_indices)
    found = _members(met, met.partner, x, among)
    if not return_indices:
        return found
    return found, _column(met.where[met.partner], found), _column(met.where[met.partner.roll(1)], found)


def union1d(ar1: Any, ar2: Any) -> DNDarray:
    """The elements that either array has, distinct and in ascending order. Layout and communication: as
    `intersect1d`."""
    met, x, among = _meet(*_operands(ar1, ar2), False)
    return _members(met, met.new, x, among)


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> DNDarray:
    """The elements of `ar1` that `ar2` does not have, distinct and in ascending order.

    With `assume_unique` they stay in the order of `ar1`, as in NumPy. Layout and communication: as `intersect1d`.
    """
    ar1, ar2 = _operands(ar1, ar2)
    if assume_unique:
        return ravel(ar1)[isin(ravel(ar1), ar2, invert=True)]
    met, x, among = _meet(ar1, ar2, False)
    return _members(met, ~(met.second | met.partner), x, among).astype(ar1.dtype, copy=False)


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> DNDarray:
    """The elements that one of the arrays has and the other has not, distinct and in ascending order.

    Arguments, layout and communication: as `intersect1d`.
    """
    met, x, among = _meet(*_operands(ar1, ar2), False)
    follows = torch.zeros_like(met.partner)
    follows[1:] = met.partner[:-1]
    return _members(met, ~(met.partner | follows), x, among)


def _known(values: Tensor, known: Tensor) -> Tensor:
    """Whether elements are among the distinct, ordered ones that are known; NaN is not."""
    found = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    if len(known):
        keys = order_keys(known)
        pieces = (t.split(searching.PIECE) for t in (found, values))
        for own, piece, places in zip(*pieces, searching.places_in(keys, values, values.dtype), strict=True):
            own.copy_(known[places.clamp_(max=len(known) - 1)] == piece)
    return found


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: str | None = None
) -> DNDarray:
    """Whether each element of `element` is one of `test_elements`; NaN never is.

    Parameters
    ----------
    element : array_like
        Split in any way; the result lies alike.
    test_elements : array_like
        Split in any way.
    assume_unique, kind
        Taken for NumPy's sake.
    invert : bool
        Whether each is not one of them.

    Communication: none if `test_elements` is not split; otherwise one all-gather of it if it has 2**20 elements or
    fewer; otherwise one all-gather of samples, one all-to-all of counts, one of what is distinct on each process, and
    one back, for which a process holds about 50 bytes beside each of its elements.
    """
    x, test = _operands(element, test_elements)
    dtype = result_type(x, test)
    if test.size <= searching.TABLE:
        known = to_ordered(resplit(test).larray.detach().reshape(-1).to(dtype))
        found = _known(to_ordered(x.larray.detach().reshape(-1).to(dtype)), _distinct(known))
        return wrap((found ^ invert).reshape(x.lshape), x.layout, x.comm)
    among = _among(test)
    own = x
    if among is x.comm and not x.layout.is_dealt and x.ndim:  # each process asks for a part of what all have
        own = resplit(x, 0, x.comm.grid)
    values = to_ordered(own.larray.detach().to(dtype).reshape(-1))
    groups = _Groups.of(_keys(values))
    labels, asked = groups.labels(), groups.first(values)
    known = _distinct(to_ordered(_sequence(test, False).larray.detach().to(dtype)))

    both, second, places = _joined(asked, known)
    route = range_route(_keys(both), among)
    met, second = _sent(route, both, second)
    meeting = _Groups.of(_keys(met), runs=True)
    present = meeting.add_up(second.to(torch.int64)) > 0
    (answers,) = _sent(route.reversed(), present[meeting.labels()])
    found = torch.empty_like(answers)
    found[places] = answers
    result = found[labels] & (values == values) ^ invert  # NaN is not itself
    array = wrap(result.reshape(own.lshape), own.layout, x.comm)
    return wrap(move(array.larray, own.layout, x.layout, x.comm), x.layout, x.comm)
