"""From any layout to any other: packed and sent in pipelined chunks, with the inverse move as its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .collectives import needs_grad
from .communication import Communicator, Request
from .layout import Box, Layout, is_local, moves
from .memory import Staging, fresh
from .unsigned import moved

__all__ = ["Job", "assemble", "exchange", "move"]

IN_FLIGHT = 16 * 2**20
"""Bytes that a process has packed and sent at a time, and as many again that it is receiving."""

ROUND = 8 * 2**20
"""Bytes of one message, on few processes: the next one is packed while it travels."""


class Job(NamedTuple):
    """One array that moves: from its layout to another, mirrored along the axes `flips`."""

    source: Layout
    target: Layout
    flips: tuple[int, ...] = ()

    def inverse(self) -> Job:
        return Job(self.target, self.source, self.flips)


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, comm: Communicator, jobs: Sequence[Job], *tensors: Tensor) -> Any:
        ctx.comm, ctx.jobs = comm, jobs
        return tuple(_run(comm, jobs, tensors))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, *exchange(ctx.comm, [job.inverse() for job in ctx.jobs], grads)


def exchange(comm: Communicator, jobs: Sequence[Job], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Move several arrays at once.

    Communication: none where every process already holds what it will hold; otherwise one exchange for all jobs.
    """
    if needs_grad(*tensors) and any(job.source is not job.target or job.flips for job in jobs):
        return list(_Exchange.apply(comm, jobs, *tensors))
    return _run(comm, jobs, tensors)


def move(tensor: Tensor, source: Layout, target: Layout, comm: Communicator) -> Tensor:
    """The local part in layout `target` of an array whose local part in layout `source` is `tensor`.

    Where nothing has to travel this is a view.
    """
    return tensor if source is target else exchange(comm, [Job(source, target)], [tensor])[0]


class _Assembly(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, comm: Communicator, jobs: Sequence[Job], places: Sequence[tuple], shape: tuple, *tensors: Tensor
    ) -> Tensor:
        ctx.comm, ctx.jobs, ctx.places = comm, jobs, places
        result = fresh(shape, tensors[0])
        _run(comm, jobs, tensors, [result[place] for place in places])
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        jobs = [job.inverse() for job in ctx.jobs]
        return None, None, None, None, *exchange(ctx.comm, jobs, [grad[place] for place in ctx.places])


def assemble(
    comm: Communicator, jobs: Sequence[Job], places: Sequence[tuple], shape: tuple[int, ...], tensors: Sequence[Tensor]
) -> Tensor:
    """A tensor of `shape` of which each job fills one place (an index of slices), all of them the whole.

    Communication: as `exchange`. What arrives is received where it is to lie.
    """
    return _Assembly.apply(comm, jobs, places, shape, *tensors)


def _local_index(box: Box, origin: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(start - o, stop - o) for (start, stop), o in zip(box, origin, strict=True))


def _starts(box: Box) -> list[int]:
    return [start for start, _ in box]


def _run(
    comm: Communicator, jobs: Sequence[Job], tensors: Sequence[Tensor], into: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """What the jobs give, each in memory of its own or as a view; `into` says where to put it instead."""
    results: list[Tensor | None] = [None] * len(jobs)
    travelling = []
    for i, (job, tensor) in enumerate(zip(jobs, tensors, strict=True)):
        if not job.flips and is_local(job.source, job.target):
            results[i] = tensor[_local_index(job.target.box(comm.rank), _starts(job.source.box(comm.rank)))]
        elif len(jobs) == 1 and (gathered := _gather(comm, job, tensor)) is not None:
            results[i] = gathered
        else:
            travelling.append(i)
    if travelling:
        landing = [None if into is None or jobs[i].flips else into[i] for i in travelling]
        arrived = _travel(comm, [jobs[i] for i in travelling], [tensors[i] for i in travelling], landing)
        for i, tensor in zip(travelling, arrived, strict=True):
            results[i] = tensor
    for place, result in zip(into or (), results, strict=False):
        if place is not result:
            place.copy_(result)  # type: ignore[arg-type]
    return results  # type: ignore[return-value]


def _gather(comm: Communicator, job: Job, tensor: Tensor) -> Tensor | None:
    """The moves that MPI knows by name, which scale better: one process's part, or all rows, to everybody."""
    source, target = job.source, job.target
    if job.flips or source.grid.ndim > 1 or target.is_distributed:
        return None
    counts, axis = source.counts[0], source.axes[0]
    assert counts is not None and axis is not None  # otherwise the move were local
    owners = [r for r, n in enumerate(counts) if n]
    if len(owners) == 1:
        return comm.broadcast(tensor if comm.rank == owners[0] else tensor.new_empty(source.shape), owners[0])
    if all(n == 1 for n in source.shape[:axis]):
        rows = tensor.reshape(tensor.shape[axis:])
        return comm.allgatherv(rows, counts).reshape(source.shape)
    return None


def _cut(box: Box, itemsize: int, limit: int) -> Iterator[Box]:
    """Parts of a box of at most `limit` bytes, in C order; the same for sender and receiver."""
    nbytes = itemsize
    for start, stop in box:
        nbytes *= stop - start
    if nbytes <= limit:
        yield box
        return
    axis = next((a for a, (start, stop) in enumerate(box) if stop - start > 1), None)
    if axis is None:
        yield box
        return
    start, stop = box[axis]
    step = max(1, limit * (stop - start) // nbytes)
    for low in range(start, stop, step):
        yield from _cut((*box[:axis], (low, min(low + step, stop)), *box[axis + 1 :]), itemsize, limit)


def _travel(
    comm: Communicator, jobs: Sequence[Job], tensors: Sequence[Tensor], into: Sequence[Tensor | None]
) -> list[Tensor]:
    rank = comm.rank
    limit = max(2**16, min(ROUND, IN_FLIGHT // comm.size))
    results, sends, receives = [], [], []
    for job, tensor, place in zip(jobs, tensors, into, strict=True):
        origin = _starts(job.source.box(rank))
        target = job.target.box(rank)
        if job.flips:
            target = tuple(
                (n - t, n - s) if a in job.flips else (s, t)
                for a, ((s, t), n) in enumerate(zip(target, job.target.shape, strict=True))
            )
        landing = _starts(target)
        result = fresh([t - s for s, t in target], tensor) if place is None else place
        outgoing, incoming = moves(job.source, job.target, rank, job.flips)
        for peer, box in outgoing:
            parts = [(peer, tensor[_local_index(part, origin)]) for part in _cut(box, tensor.element_size(), limit)]
            if peer == rank:
                for (_, part), piece in zip(parts, _cut(box, tensor.element_size(), limit), strict=True):
                    result[_local_index(piece, landing)] = part.detach()
            else:
                sends.append(parts)
        for peer, box in incoming:
            if peer != rank:
                cut = _cut(box, tensor.element_size(), limit)
                receives.append([(peer, result[_local_index(part, landing)]) for part in cut])
        results.append(result)
    if comm.size > 1:
        _pipeline(comm, sends, receives, (*jobs, *(tensor.dtype for tensor in tensors)))
    return [moved(torch.flip, r, job.flips) if job.flips else r for r, job in zip(results, jobs, strict=True)]


_staging = Staging()


def _pipeline(comm: Communicator, sends: Sequence[Sequence], receives: Sequence[Sequence], what: tuple) -> None:
    """Round by round one message to and from every peer; the next is packed and under way while the last one lands."""
    with comm.exchanging(what):
        previous: list[tuple[Request, Tensor | None]] = []
        for arriving, leaving in zip_longest(zip_longest(*receives), zip_longest(*sends), fillvalue=()):
            current = [_receive(comm, view, peer) for peer, view in filter(None, arriving)]
            current += [_send(comm, view.detach(), peer) for peer, view in filter(None, leaving)]
            _complete(previous)
            previous = current
        _complete(previous)


def _needs_staging(view: Tensor) -> bool:
    return view.device.type == "cpu" and not view.is_contiguous()


def _send(comm: Communicator, view: Tensor, peer: int) -> tuple[Request, Tensor | None]:
    if not _needs_staging(view):
        return comm.isend(view, peer), None
    packed, memory = _staging.take(view.shape, view.dtype)
    return comm.isend(packed.copy_(view), peer), memory


def _receive(comm: Communicator, view: Tensor, peer: int) -> tuple[Request, Tensor | None]:
    """Start receiving into a part of a result: where it lies in one piece directly, else by way of staging memory."""
    if not _needs_staging(view):
        return comm.irecv(view, peer, into=True), None
    landed, memory = _staging.take(view.shape, view.dtype)
    return comm.irecv(landed, peer, into=True).then(lambda: view.copy_(landed)), memory


def _complete(requests: Sequence[tuple[Request, Tensor | None]]) -> None:
    for request, memory in requests:
        request.wait()
        _staging.give_back(memory)
