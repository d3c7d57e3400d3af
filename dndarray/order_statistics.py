"""Order statistics without sorting: the k-th smallest elements of rows that are dealt out to processes.

All rows and all wanted ranks are found at once. A sample of each row says between which two pivots the wanted elements
lie, with near certainty; one pass counts what lies below the pivots, and so tells where they really lie; what lies
between is a small part of the row, on which the same is done again, until what is left is little and is sorted.
Elements equal to a pivot are only counted, so that duplicates do no harm. The result is exact.

What is not done on all processes alike, on samples and on what is left, is dealt out to them by rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray
from .collectives import needs_grad, use_in_split
from .communication import ALONE, Communicator
from .layout import balanced_counts
from .ordering import sort_rows
from .types import kind, wide_of
from .unsigned import from_ordered, to_ordered

__all__ = ["Rows", "by_rows"]

_BLOCK = 64 * 2**20
"""Bytes of a process's part that are worked on at a time."""

_TILE = 2**17
"""Elements that are compared at a time, in cache."""

_SHORT = 2**14
"""Length up to which a row is sorted at once."""

_FEW = 2**16
"""Elements of all rows together up to which they are sorted at once."""

_SAMPLE = 2**10, 2**14
"""How many elements of a row are sampled on all processes together: of many rows fewer each than of a few."""

_DEVIATIONS = 4.0
"""How far the pivots are from where the sample has the wanted rank, in standard deviations."""


def by_rows(x: DNDarray, axes: Sequence[int], function: Callable[[Rows], Tensor]) -> Tensor:
    """Compute along `axes`, flattened: `function` takes a block of rows and gives a tensor (rows, ...).

    The result has the shape of the local part without `axes`, followed by what `function` adds. Blocks have 64 MiB, or
    one row. Collective calls are made block by block.
    """
    kept = [a for a in range(x.ndim) if a not in axes]
    dealt = [g for g, a in enumerate(x.layout.axes) if a in axes]
    comm = x.comm.along(x.layout.grid, dealt) if dealt else ALONE
    n = math.prod(x.shape[a] for a in axes)
    view = x.larray.permute((*kept, *axes)).unsqueeze(0)
    *shape, width = (*view.shape[: len(kept) + 1], math.prod(view.shape[len(kept) + 1 :]))
    longest = max(range(len(shape)), key=lambda i: shape[i])
    # The same on all processes along `axes`, whose parts have different widths.
    bytes_of_one = math.prod(shape) // max(1, shape[longest]) * max(1, n // comm.size) * x.itemsize
    results = []
    for block in view.split(max(1, _BLOCK // max(1, bytes_of_one)), longest):
        lead = block.shape[: len(shape)]
        result = function(Rows(block.reshape(math.prod(lead), width), n, comm))
        results.append(result.reshape(*lead, *result.shape[1:]))
    return torch.cat(results, longest).squeeze(0)


class Rows:
    """Rows of `n` numbers, each of them dealt out to the processes of `comm`; `local` is this process's part of all."""

    def __init__(self, local: Tensor, n: int, comm: Communicator) -> None:
        self.local, self.n, self.comm = local, n, comm

    @cached_property
    def _valid(self) -> Tensor:
        """How many elements of this process's part of each row are not NaN."""
        local = self.local.detach()
        valid = torch.full((len(local),), local.shape[1], device=local.device)
        if kind(local.dtype) == 2:
            for rows, _, tile in _tiles(local.unsqueeze(1)):
                if tile.amax().isnan():  # in next to no time
                    valid[rows] -= _sizes(tile.isnan())
        return valid

    @cached_property
    def counts(self) -> Tensor:
        """How many elements of each row are not NaN. Communication: one all-reduce for floating types."""
        if kind(self.local.dtype) == 2:
            return self.comm.allreduce(self._valid)
        return torch.full((len(self.local),), self.n, device=self.local.device)

    def order_statistics(self, ranks: Tensor) -> Tensor:
        """The elements that come `ranks[..., k]`-th and next if a row is sorted, from 0, shape (rows, k, 2).

        `ranks` has shape (rows, k) or (1, k) and lies in [0, n). NaN comes last; what comes after the last element is
        the last element. Differentiable; elements that are equal share the gradient.

        Communication: for short rows an all-to-all and an all-gather, otherwise an all-to-all, an all-gather and an
        all-reduce for each round of narrowing besides.
        """
        local = self.local.detach()
        ranks = ranks.to(local.device).expand(len(local), -1)
        want = torch.stack([ranks, ranks + 1], -1).clamp(max=self.n - 1)
        counts = self.counts[:, None]
        part = _Part(local.unsqueeze(1), self._valid.new_full((len(local), 1), local.shape[1]), self._valid[:, None])
        last = (counts - 1).clamp(min=0)[..., None]
        values = _select(part, self.n, counts.expand_as(ranks), want.minimum(last), self.comm)
        values = from_ordered(values.to(to_ordered(local[:0]).dtype), local.dtype)
        if kind(local.dtype) == 2:
            values = values.masked_fill(want > counts[..., None] - 1, float("nan"))
        if needs_grad(self.local):
            values = _Attained.apply(self.local, values.flatten(1), self.comm).view_as(values)
        return values


class _Attained(torch.autograd.Function):
    """Values that are known to be elements of the rows: their gradients go to these elements."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, values: Tensor, comm: Communicator) -> Tensor:
        ctx.comm = comm
        ctx.save_for_backward(rows, values)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        rows, values = ctx.saved_tensors

        def attained(k: int) -> Tensor:
            value = values[:, k, None]
            return (rows == value) | (rows.isnan() & value.isnan())

        columns = range(values.shape[1])
        shares = ctx.comm.allreduce(torch.stack([attained(k).sum(1) for k in columns], 1))
        grad = use_in_split(grad / shares, ctx.comm)
        total = torch.zeros_like(rows)
        for k in columns:
            total = total + torch.where(attained(k), grad[:, k, None], torch.zeros_like(rows))
        return total, None, None


# --- the engine -------------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """This process's part of what is left of the rows."""

    data: Tensor
    """Shape (rows, 1, n), or (rows, k, n) once each of the k wanted ranks has elements of its own left."""
    spans: Tensor
    """How many elements there are, at the front of each row; shape (rows, 1) or (rows, k)."""
    valid: Tensor
    """How many of them are not NaN."""


def _work_type(dtype: torch.dtype) -> torch.dtype:
    """The type in which elements are compared: pivots plus and minus one must fit."""
    if dtype.is_floating_point:
        return wide_of(dtype)
    return torch.int32 if dtype.itemsize < 4 or dtype is torch.int32 else torch.int64


def _work(tensor: Tensor) -> Tensor:
    return to_ordered(tensor).to(_work_type(tensor.dtype))


def _limits(dtype: torch.dtype) -> tuple[Any, Any]:
    if dtype.is_floating_point:
        return -math.inf, math.inf
    return torch.iinfo(dtype).min, torch.iinfo(dtype).max


def _neighbour(values: Tensor, above: bool) -> Tensor:
    """The next value that the type has."""
    if values.dtype.is_floating_point:
        return values.nextafter(torch.full_like(values, math.inf if above else -math.inf))
    return values + (1 if above else -1)


def _select(part: _Part, length: int, counts: Tensor, want: Tensor, comm: Communicator) -> Tensor:
    """The elements of ranks `want` (rows, k, 2), two neighbours each time, among `counts` (rows, k) elements.

    `length` is that of the longest row.
    """
    data = part.data
    if length <= _SHORT or length * data.shape[0] * data.shape[1] <= _FEW:
        return _sorted_out(data, want, comm)
    pivots = _pivots(part, want, counts, comm)
    local = _ranks(part, pivots)
    less, upto = comm.allreduce(local)  # numbers of elements less than each pivot, and up to it: (rows, k, 2)
    known = (less.unsqueeze(2) <= want.unsqueeze(3)) & (want.unsqueeze(3) < upto.unsqueeze(2))
    values = torch.where(known[..., 0], pivots[..., :1], pivots[..., 1:])
    known = known.any(-1) | (counts == 0).unsqueeze(-1)
    if bool(known.all()):
        return values
    # Of two neighbours, neither of them a pivot, both lie below, between or above the pivots.
    zone = (want.unsqueeze(3) >= upto.unsqueeze(2)).sum(-1)
    zone = torch.where(known[..., 0], zone[..., 1], zone[..., 0]).unsqueeze(-1)
    lowest, highest = (torch.full_like(pivots[..., :1], limit) for limit in _limits(pivots.dtype))
    low = torch.cat([lowest, _neighbour(pivots, True)], -1).gather(-1, zone).squeeze(-1)
    high = torch.cat([_neighbour(pivots, False), highest], -1).gather(-1, zone).squeeze(-1)

    def bounds(less: Tensor, upto: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        starts, stops = torch.cat([torch.zeros_like(zone), upto], -1), torch.cat([less, count.unsqueeze(-1)], -1)
        start = starts.gather(-1, zone)
        return start, torch.where(known.all(-1), 0, (stops.gather(-1, zone) - start).squeeze(-1))

    start, inside = bounds(less, upto, counts)
    _, held = bounds(local[0], local[1], part.valid.expand_as(counts))
    low = torch.where(held > 0, low, highest.squeeze(-1))  # above `high`, or known elements would be taken
    high = torch.where(held > 0, high, lowest.squeeze(-1))
    rest = _Part(_between(part, low, high, held), held, held)
    want = (want - start).minimum(inside.unsqueeze(-1) - 1).clamp(min=0)
    found = _select(rest, int(inside.max()), inside, want, comm)
    return torch.where(known, values, found)


def _tiles(data: Tensor, k: int = 1) -> Iterator[tuple[slice, int, Tensor]]:
    """Parts of `data` (rows, 1 or k, n) that stay in cache while they are compared: rows, which of k, and elements."""
    m, groups, n = data.shape
    strided = m > 1 and data.stride(2) > data.stride(0)
    height = max(1, min(m, 64 if strided else _TILE // max(1, n)))
    width = max(1, _TILE // height)
    for i in range(0, m, height):
        for j in range(0, n, width):
            tile = _work(data[i : i + height, :, j : j + width]).movedim(1, 0).contiguous()
            for q in range(k):
                yield slice(i, i + height), q, tile[min(q, groups - 1)]


def _sizes(mask: Tensor) -> Tensor:
    """How many elements of each row of a mask are true; of a single one a faster way."""
    return mask.count_nonzero().view(1) if len(mask) == 1 else mask.sum(-1)


def _ranks(part: _Part, pivots: Tensor) -> Tensor:
    """For each pivot (rows, k, 2) how many elements of this process are less, and how many are less or equal."""
    result = torch.zeros((2, *pivots.shape), dtype=torch.int64, device=pivots.device)
    for rows, q, tile in _tiles(part.data, pivots.shape[1]):
        for end in (0, 1):
            pivot = pivots[rows, q, end, None]
            result[0, rows, q, end] += _sizes(tile < pivot)
            result[1, rows, q, end] += _sizes(tile <= pivot)
    return result.minimum(part.valid.unsqueeze(-1))  # what fills rows up is as large as can be


def _between(part: _Part, low: Tensor, high: Tensor, held: Tensor) -> Tensor:
    """The elements in [low, high], both (rows, k), at the front of rows that are filled up with the largest value.

    There are `held` of them in each row, and perhaps some of those that fill up.
    """
    (m, k), n = low.shape, part.data.shape[2]
    length = int(held.max()) if held.numel() else 0
    capacity = n if bool((part.spans < n).any()) else length
    result = low.new_full((m * k * capacity,), _limits(low.dtype)[1])
    next_place = torch.arange(m * k, device=low.device).view(m, k) * capacity
    for rows, q, tile in _tiles(part.data, k):
        inside = (tile >= low[rows, q, None]) & (tile <= high[rows, q, None])
        found, sizes = tile[inside], _sizes(inside)
        gaps = next_place[rows, q] + sizes - sizes.cumsum(0)
        place = torch.repeat_interleave(gaps, sizes, output_size=len(found))
        result[place + torch.arange(len(found), device=low.device)] = found
        next_place[rows, q] += sizes
    return result.view(m, k, capacity)[..., :length]


def _pivots(part: _Part, want: Tensor, counts: Tensor, comm: Communicator) -> Tensor:
    """Two elements per wanted rank, between which it lies with near certainty; shape (rows, k, 2)."""
    (m, groups, width), p = part.data.shape, comm.size
    size = -(-min(max(_SAMPLE[0], 2**20 // (m * groups)), _SAMPLE[1]) // p)
    # One element from each of as many stretches, the same for all rows.
    places = (torch.arange(size) + torch.from_numpy(np.random.default_rng(width).random(size))) / size
    at = (places.to(part.spans.device) * part.spans.unsqueeze(-1)).long().clamp(max=max(0, width - 1))
    dtype = _work_type(part.data.dtype)
    highest = _limits(dtype)[1]
    filled = part.data if width else part.data.new_full((m, groups, 1), 0)
    sample = torch.where(part.spans.unsqueeze(-1) > 0, _work(filled.gather(2, at)), highest)
    weight = part.spans.clamp(max=2**31 - 1 if dtype is torch.int32 else 2**53).unsqueeze(-1).to(dtype)

    dealt = balanced_counts(m, p)
    mine = dealt[comm.rank]
    arrived = comm.alltoallv(torch.cat([weight, sample], -1), dealt, [mine] * p).view(p, mine, groups, size + 1)
    sample, order = arrived[..., 1:].permute(1, 2, 0, 3).reshape(mine * groups, p * size).sort(-1)
    weights = arrived[..., :1].expand(-1, -1, -1, size).permute(1, 2, 0, 3).reshape(mine * groups, p * size).double()
    weights = weights.gather(1, order).masked_fill(sample != sample, 0)
    cumulative = weights.cumsum(-1)
    entries = weights.count_nonzero(-1).unsqueeze(-1)

    owned = slice(sum(dealt[: comm.rank]), sum(dealt[: comm.rank]) + mine)
    k = want.shape[1]
    fraction = ((want[owned] + 0.5) / counts[owned].clamp(min=1).unsqueeze(-1)).clamp(0, 1)
    fraction = fraction.view(mine * groups, k // groups, 2)
    some = entries.clamp(min=1).unsqueeze(-1)
    margin = _DEVIATIONS * (fraction * (1 - fraction) / some).sqrt() + 1 / some
    target = (fraction + margin * margin.new_tensor([-1, 1])).flatten(1) * cumulative[:, -1:]
    index = torch.searchsorted(cumulative, target.minimum(cumulative[:, -1:]))
    pivots = torch.where(entries > 0, sample.gather(1, index), highest).view(mine, k, 2)
    return comm.allgatherv(pivots, dealt)


def _sorted_out(data: Tensor, want: Tensor, comm: Communicator) -> Tensor:
    """The elements of ranks `want` of rows that are brought together, dealt out to the processes, and sorted."""
    m, groups, _ = data.shape
    dealt = balanced_counts(m, comm.size)
    mine = dealt[comm.rank] * groups
    data = _work(data)
    if comm.size > 1:
        sends = [rows * groups * data.shape[2] for rows in dealt]
        receives = comm.alltoall_counts(sends)
        arrived = comm.alltoallv(data.reshape(-1), sends, receives).split(receives)
        data = torch.cat([part.view(mine, len(part) // max(1, mine)) for part in arrived], 1)
    else:
        data = data.flatten(0, 1)
    start = sum(dealt[: comm.rank])
    index = want[start : start + dealt[comm.rank]].reshape(mine, math.prod(want.shape[1:]) // groups)
    found = _ordered_at(data, index).gather(1, index)
    return comm.allgatherv(found.view(dealt[comm.rank], *want.shape[1:]), dealt)


def _ordered_at(rows: Tensor, index: Tensor) -> Tensor:
    """Rows sorted, or of long ones as much of it as the elements of these ranks need."""
    ranks = index.unique()
    if rows.device.type == "cpu" and len(ranks) <= 4 and rows.shape[1] > 2**12:
        return torch.from_numpy(np.partition(rows.numpy(), ranks.tolist(), axis=1))
    return sort_rows(rows)
