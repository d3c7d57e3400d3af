"""The collectives of `communication`, on torch tensors, with gradients.

One convention holds everywhere: the loss is one number of the whole run. The gradient of what every process holds
alike (replicated) is the whole gradient, alike on every process; the gradient of a process's own part is that part of
it. From this each adjoint follows:

========================  ===================================================
forward                   backward
========================  ===================================================
all_reduce of summands    identity
use_in_split              all-reduce (identity forward: a replicated tensor
                          enters work that differs from process to process)
all_gather                this process's slice
reduce_scatter            all-gather
broadcast                 the root keeps the gradient, the others have none
all_to_all                the inverse all-to-all
exscan                    the exscan from the last process to the first
send / receive            receive / send
halo_exchange             the halos' gradients are added to their owners'
========================  ===================================================

Backward calls these functions again, so that it has gradients, too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from .communication import Communicator

__all__ = [
    "all_gather",
    "all_reduce",
    "all_to_all",
    "broadcast",
    "exscan",
    "halo_exchange",
    "needs_grad",
    "reduce_scatter",
    "send_receive",
    "use_in_split",
]


def needs_grad(*tensors: Tensor) -> bool:
    """Whether what is computed from these tensors is recorded for backward."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, comm: Communicator) -> Tensor:
        ctx.comm = comm
        return comm.allreduce(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return use_in_split(grad, ctx.comm), None


class _Extremum(torch.autograd.Function):
    """All-reduce by max or min; ties share the gradient evenly, as in torch.amax."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, comm: Communicator, op: str) -> Tensor:
        result = comm.allreduce(tensor, op)
        ctx.comm = comm
        ctx.save_for_backward((tensor == result) | (tensor.isnan() & result.isnan()))
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (attained,) = ctx.saved_tensors
        share = ctx.comm.allreduce(attained.to(grad.dtype))
        grad = use_in_split(grad, ctx.comm)
        return torch.where(attained, grad / share, torch.zeros_like(grad)), None, None


class _UseInSplit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, comm: Communicator) -> Tensor:
        ctx.comm = comm
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return all_reduce(grad, ctx.comm), None


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, counts: Sequence[int], comm: Communicator) -> Tensor:
        ctx.rows, ctx.comm = (sum(counts[: comm.rank]), counts[comm.rank]), comm
        return comm.allgatherv(tensor, counts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return use_in_split(grad, ctx.comm).narrow(0, *ctx.rows), None, None


class _ReduceScatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, counts: Sequence[int], comm: Communicator) -> Tensor:
        ctx.counts, ctx.comm = counts, comm
        return comm.reduce_scatter(tensor, counts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return use_in_split(all_gather(grad, ctx.counts, ctx.comm), ctx.comm), None, None


class _Broadcast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, root: int, comm: Communicator) -> Tensor:
        ctx.is_root, ctx.comm = comm.rank == root, comm
        return comm.broadcast(tensor, root)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        mine = torch.tensor(ctx.is_root, device=grad.device)
        return torch.where(mine, use_in_split(grad, ctx.comm), torch.zeros_like(grad)), None, None


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, sends: Sequence[int], receives: Sequence[int], comm: Communicator) -> Tensor:
        ctx.sends, ctx.receives, ctx.comm = sends, receives, comm
        return comm.alltoallv(tensor, sends, receives)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return all_to_all(grad, ctx.receives, ctx.sends, ctx.comm), None, None, None


class _Exscan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, comm: Communicator) -> Tensor:
        ctx.comm = comm
        return comm.exscan(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return exscan(grad, ctx.comm.reversed()), None


class _SendReceive(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, like: Tensor, to: int, from_: int, comm: Communicator) -> Tensor:
        ctx.to, ctx.from_, ctx.comm = to, from_, comm
        ctx.save_for_backward(tensor.detach())
        return _swap(tensor, like, to, from_, comm)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (sent,) = ctx.saved_tensors
        return send_receive(grad, sent, ctx.from_, ctx.to, ctx.comm), None, None, None, None


def _swap(tensor: Tensor, like: Tensor, to: int, from_: int, comm: Communicator) -> Tensor:
    if to == from_ == comm.rank:
        return tensor.detach().clone()
    requests = [comm.isend(tensor, to)] if to >= 0 else []
    result = comm.recv(like, from_) if from_ >= 0 else torch.zeros_like(like)
    for request in requests:
        request.wait()
    return result


def all_reduce(tensor: Tensor, comm: Communicator, op: str = "sum") -> Tensor:
    """Reduce over all processes by sum, max or min (with gradient), prod, any or all (without)."""
    if comm.size == 1:
        return tensor
    if not needs_grad(tensor):
        return comm.allreduce(tensor, op)
    if op == "sum":
        return _AllReduce.apply(tensor, comm)
    if op in ("max", "min"):
        return _Extremum.apply(tensor, comm, op)
    if op == "prod":  # the factors of the others are needed for the gradient
        return all_gather(tensor.unsqueeze(0), [1] * comm.size, comm).prod(0)
    return comm.allreduce(tensor, op)


def use_in_split(tensor: Tensor, comm: Communicator) -> Tensor:
    """A replicated tensor enters work that differs from process to process: their gradients add up."""
    return _UseInSplit.apply(tensor, comm) if comm.size > 1 and needs_grad(tensor) else tensor


def all_gather(tensor: Tensor, counts: Sequence[int], comm: Communicator) -> Tensor:
    """The rows of all processes, `counts[r]` from rank r, one after another."""
    return tensor if comm.size == 1 else _AllGather.apply(tensor, counts, comm)


def reduce_scatter(tensor: Tensor, counts: Sequence[int], comm: Communicator) -> Tensor:
    """Add up tensors with sum(counts) rows and leave `counts[r]` rows of the sum on rank r."""
    return tensor if comm.size == 1 else _ReduceScatter.apply(tensor, counts, comm)


def broadcast(tensor: Tensor, root: int, comm: Communicator) -> Tensor:
    """The tensor of `root` on every process."""
    return tensor if comm.size == 1 else _Broadcast.apply(tensor, root, comm)


def all_to_all(tensor: Tensor, send_counts: Sequence[int], receive_counts: Sequence[int], comm: Communicator) -> Tensor:
    """Rows dealt out to the processes by `send_counts`; what arrives is ordered by rank."""
    return tensor if comm.size == 1 else _AllToAll.apply(tensor, send_counts, receive_counts, comm)


def exscan(tensor: Tensor, comm: Communicator) -> Tensor:
    """Rank r gets the sum over ranks 0 to r - 1."""
    return torch.zeros_like(tensor) if comm.size == 1 else _Exscan.apply(tensor, comm)


def send_receive(tensor: Tensor, like: Tensor, to: int, from_: int, comm: Communicator) -> Tensor:
    """Send `tensor` to rank `to` and get from rank `from_` a tensor like `like`; a negative rank is nobody (zeros)."""
    return _SendReceive.apply(tensor, like, to, from_, comm)


def _halo(starts: Sequence[int], rank: int, before: int, after: int, periodic: bool) -> list[list[tuple[int, ...]]]:
    """The indices that `rank` needs before and after its own, as segments (owner, first, last + 1) of other parts."""
    n = starts[-1]
    if starts[rank] == starts[rank + 1]:
        return [[], []]
    ranges = [(starts[rank] - before, starts[rank]), (starts[rank + 1], starts[rank + 1] + after)]
    halos = []
    for low, high in ranges:
        segments: list[tuple[int, ...]] = []
        if not periodic:
            low, high = max(low, 0), min(high, n)
        while low < high:
            first = low % n
            owner = bisect_right(starts, first) - 1
            last = min(starts[owner + 1], first + high - low)
            segments.append((owner, first, last))
            low += last - first
        halos.append(segments)
    return halos


def halo_exchange(
    tensor: Tensor,
    axis: int,
    before: int,
    after: int,
    counts: Sequence[int],
    comm: Communicator,
    periodic: bool = False,
) -> Tensor:
    """This process's part along `axis`, preceded by `before` and followed by `after` indices of its neighbours.

    `counts` are the indices of each process along `axis`. Halos may reach past the nearest neighbour. At the outer
    ends, unless `periodic`, there is nothing to add and the result is that much shorter. One all-to-all.
    """
    starts = [0, *accumulate(counts)]
    rank = comm.rank
    rows = tensor.movedim(axis, 0)
    asked = [[s for halo in _halo(starts, r, before, after, periodic) for s in halo] for r in range(comm.size)]
    parts = [[rows[i - starts[rank] : j - starts[rank]] for o, i, j in segments if o == rank] for segments in asked]
    arrived = all_to_all(
        torch.cat([rows[:0], *(part for segments in parts for part in segments)]),
        [sum(len(part) for part in segments) for segments in parts],
        [sum(j - i for o, i, j in asked[rank] if o == r) for r in range(comm.size)],
        comm,
    )
    # What arrived is ordered by owner, within an owner as it was asked for.
    order = sorted(range(len(asked[rank])), key=lambda k: asked[rank][k][0])
    lengths = [asked[rank][k][2] - asked[rank][k][1] for k in order]
    pieces = dict(zip(order, arrived.split(lengths), strict=True)) if lengths else {}
    lead = len(_halo(starts, rank, before, after, periodic)[0])
    halo = [pieces[k] for k in range(len(pieces))]
    # Who gets nothing may have sent something, whose gradient comes back with the others'.
    return torch.cat([*halo[:lead], rows, *halo[lead:], arrived[:0]]).movedim(0, axis)
