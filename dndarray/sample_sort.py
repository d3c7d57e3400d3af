"""Parallel sorting: who gets which part of what is sorted on each process, and the one exchange that brings it there.

Every process sorts its own part. Then either the elements at given ranks of the whole are found (`exact_cuts`: every
process receives exactly as many as it is to hold), or roughly even ranges of values are chosen from samples
(`range_route`: equals stay together). A `Route` carries the parts there, and answers back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .collectives import all_to_all, needs_grad
from .communication import Communicator
from .memory import fresh
from .ordering import bisect, order, order_keys, sort_rows

__all__ = ["Route", "argsort_across", "probe_bits", "range_route", "sort_across"]

_FEW = 2**13
"""Elements that are probed at a time in next to no time."""

_LONG = 2**10
"""Mean length of segments from which on each is worth a slice of its own."""

_SAMPLES = 2**20
"""Keys of samples that all processes together take at most, but for one sample each."""


class Route(NamedTuple):
    """Sorted rows cut into a segment for every process of `comm`."""

    comm: Communicator
    sends: Tensor
    """Lengths of the segments of each row that go to each process, shape (processes, rows)."""
    receives: Tensor
    """Lengths of the segments of each row that come from each process."""

    def reversed(self) -> Route:
        """The way back."""
        return Route(self.comm, self.receives, self.sends)

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Tensors (rows, n, ...) cut alike: each row of a result consists of its segments in order of the processes.

        All rows of a result must have the same length. Communication: one all-to-all for all tensors together; those
        of floating type keep their gradients.
        """
        c = self.sends.shape[1]
        packed = [_transposed(tensor.flatten(0, 1), self.sends.T) for tensor in tensors]
        sends, receives = self.sends.sum(1).tolist(), self.receives.sum(1).tolist()
        if needs_grad(*packed):
            arrived = [all_to_all(tensor, sends, receives, self.comm) for tensor in packed]
        else:
            arrived = _exchanged(self.comm, packed, sends, receives)
        length = sum(receives) // max(c, 1)
        return [_transposed(flat, self.receives).unflatten(0, (c, length)) for flat in arrived]


def _exchanged(comm: Communicator, tensors: Sequence[Tensor], sends: list[int], receives: list[int]) -> list[Tensor]:
    """Several tensors dealt out to the processes alike."""
    if comm.size == 1:
        return list(tensors)
    arrived = [fresh((sum(receives), *tensor.shape[1:]), tensor) for tensor in tensors]
    with comm.exchanging(tuple(str(tensor.dtype) for tensor in tensors)):
        requests = []
        for result in arrived:
            requests += [comm.irecv(part, r, into=True) for r, part in enumerate(result.split(receives)) if len(part)]
        for tensor in tensors:
            requests += [comm.isend(part, r) for r, part in enumerate(tensor.split(sends)) if len(part)]
        for request in requests:
            request.wait()
    return arrived


def _transposed(flat: Tensor, lengths: Tensor) -> Tensor:
    """A sequence of segments of `lengths` (a, b) in C order, put into Fortran order."""
    a, b = lengths.shape
    if a <= 1 or b <= 1:
        return flat
    if len(flat) >= a * b * _LONG:
        pieces = flat.split(lengths.reshape(-1).tolist())
        return torch.cat([pieces[i * b + j] for j in range(b) for i in range(a)])
    lengths = lengths.to(flat.device)
    starts = (lengths.reshape(-1).cumsum(0).reshape(a, b) - lengths).T.reshape(-1)
    lengths = lengths.T.reshape(-1)
    index = torch.repeat_interleave(starts - lengths.cumsum(0) + lengths, lengths, output_size=len(flat))
    return flat[index.add_(torch.arange(len(flat), device=flat.device))]


# --- exact cuts: sorting along a split axis ---------------------------------------------------------------------------


def probe_bits(columns: int, length: int, processes: int) -> int:
    """How many bits of the splitters' keys each round of probing finds: 8, or 4 of many splitters.

    0 if columns are so many and so short that probing takes longer than to move them twice.
    """
    splitters, part = columns * (processes - 1), columns * length // processes
    if splitters * 2**8 <= _FEW:
        return 8
    return 4 if splitters * 2**4 <= max(_FEW, part // 16) else 0


def _splitters(keys: Sequence[Tensor], ranks: Tensor, comm: Communicator, bits: int) -> list[Tensor]:
    """The keys (c, q) of the elements of these ranks in the whole of each row: the largest that so few are less than.

    Round by round the next bits are found of all at once, by counting what lies below each number they may be.
    """
    c, q = len(keys[0]), len(ranks)
    found: list[Tensor] = []
    for key in keys:
        low = ranks.new_full((c, q), torch.iinfo(key.dtype).min)
        for left in range(8 * key.element_size() - bits, -1, -bits):
            pivots = low[..., None] + (torch.arange(1, 2**bits, device=low.device) << left)
            known = [k[..., None].expand_as(pivots).reshape(c, -1) for k in found]
            below = comm.allreduce(bisect(keys, [*known, pivots.flatten(1)]))
            low = low + ((below.view_as(pivots) <= ranks[:, None]).sum(-1) << left)
        found.append(low)
    return found


def _exact_route(keys: Sequence[Tensor], counts: Sequence[int], comm: Communicator, bits: int) -> Route:
    """The way of rows sorted by keys (c, n) to where `counts[r]` elements of each are on process r, in order.

    Communication: an all-reduce for each round of probing, 8 for a key of 64 bits (16 of many columns); an all-reduce,
    an exclusive scan and an all-to-all of counts.
    """
    c, n = keys[0].shape
    ranks = torch.tensor(counts, device=keys[0].device)[:-1].cumsum(0)
    splitters = _splitters(keys, ranks, comm, bits)
    first = bisect(keys, splitters)
    equal = bisect(keys, splitters, right=True) - first
    # Of those equal to a splitter, the leading ones in order of the processes come before it.
    wanted = ranks - comm.allreduce(first) - comm.exscan(equal)
    cuts = first + wanted.clamp(min=0).minimum(equal)
    edges = torch.cat([cuts.new_zeros(c, 1), cuts, cuts.new_full((c, 1), n)], 1)
    sends = edges.diff(dim=1).T.cpu().contiguous()
    return Route(comm, sends, comm.alltoallv(sends, [1] * comm.size, [1] * comm.size))


def sort_across(
    rows: Tensor, counts: Sequence[int], comm: Communicator, bits: int, *, descending: bool = False
) -> Tensor:
    """Rows (c, n) of which every process of `comm` has a part, sorted; process r gets `counts[r]` elements of each.

    Differentiable. Communication: as `_exact_route`, then one all-to-all of all elements.
    """
    rows = sort_rows(rows, descending=descending)
    (rows,) = _exact_route(order_keys(rows, descending=descending), counts, comm, bits)(rows)
    return sort_rows(rows, descending=descending, runs=True)


def argsort_across(keys: Sequence[Tensor], counts: Sequence[int], comm: Communicator, bits: int) -> Tensor:
    """Global indices that sort rows of keys dealt out by `counts`, equals of the first by the next, ...; stable.

    Communication: as `_exact_route`, then one all-to-all of all keys with their indices.
    """
    places = order(keys)
    keys = [key.gather(-1, places) for key in keys]
    *keys, index = _exact_route(keys, counts, comm, bits)(*keys, places + sum(counts[: comm.rank]))
    return index.gather(-1, order(keys, runs=True))


# --- ranges of values: sets -------------------------------------------------------------------------------------------


def range_route(keys: Sequence[Tensor], comm: Communicator) -> Route:
    """The way of sorted, distinct keys (n,) to where each process has a range of values, in order, of about even size.

    From max(p, 64) evenly spaced samples of each process no range gets more than twice its share. Communication: one
    all-gather of the samples, one all-to-all of counts.
    """
    n, p = len(keys[0]), comm.size
    if p == 1:
        return Route(comm, torch.tensor([[n]]), torch.tensor([[n]]))
    device = keys[0].device
    size = max(1, min(max(p, 64), _SAMPLES // (p * (len(keys) + 1))))
    at = (2 * torch.arange(size, device=device) + 1) * n // (2 * size)
    columns = [key[at].to(torch.int64) if n else torch.zeros_like(at) for key in keys]
    every = comm.allgather(torch.stack([*columns, torch.full_like(at, n)])).permute(1, 0, 2).reshape(len(keys) + 1, -1)
    every = every[:, order(list(every[:-1]))]
    share = every[-1].cumsum(0)
    wanted = share[-1] * torch.arange(1, p, device=device) // p
    chosen = torch.searchsorted(share, wanted, right=True).clamp(max=len(share) - 1)
    cuts = bisect([key[None] for key in keys], [key[None, chosen] for key in every[:-1]])[0]
    edges = torch.cat([cuts.new_zeros(1), cuts, cuts.new_full((1,), n)])
    sends = edges.diff().cpu()
    return Route(comm, sends[:, None], torch.tensor(comm.alltoall_counts(sends.tolist()))[:, None])
