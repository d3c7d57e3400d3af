"""Data-parallel training: every process has the model, and a part of each batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from dndarray.communication import Communicator, as_comm

__all__ = ["share_weights", "sum_gradients"]

BUCKET = 32 * 2**20
"""Bytes of gradients that travel together."""


def sum_gradients(parameters: Iterable[nn.Parameter], comm: Communicator | None = None) -> None:
    """Replace the gradients of each process by their sum over all, between `backward` and the optimizer's `step`.

    The loss of the run is the sum of what each process went backward from. For a mean over a batch that is dealt out in
    parts of any size, that is the sum over the process's own samples, divided by the size of the whole batch. A
    parameter that got no gradient counts as zeros, so that a process without samples may take part. Sparse gradients
    become dense.

    Communication: one all-reduce for every 32 MiB of gradients, all under way at once.
    """
    comm = as_comm(comm)
    if isinstance(parameters, (Tensor, nn.Module)):
        given = type(parameters).__name__
        raise TypeError(f"`parameters` must be those of a model, `model.parameters()` or a list, not a {given}")
    if comm.size == 1:
        return
    travelling = []
    for bucket in _buckets([p for p in parameters if p.requires_grad]):
        grads = [torch.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in bucket]
        travelling.append((bucket, comm.iallreduce(torch.cat([grad.reshape(-1) for grad in grads]))))
    for bucket, request in travelling:
        for parameter, part in zip(bucket, request.wait().split([p.numel() for p in bucket]), strict=True):
            parameter.grad = part.view_as(parameter)


def share_weights(model: nn.Module, comm: Communicator | None = None) -> None:
    """Rank 0's parameters and buffers for every process: what training has to begin with.

    Communication: one broadcast for every 32 MiB.
    """
    comm = as_comm(comm)
    if comm.size == 1:
        return
    with torch.no_grad():
        for bucket in _buckets([*model.parameters(), *model.buffers()]):
            flat = comm.broadcast(torch.cat([tensor.reshape(-1) for tensor in bucket]))
            for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one type on one device, in groups that are not much larger than a bucket."""
    kinds: dict[tuple, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        kinds[tensor.dtype, tensor.device].append(tensor)
    for kind in kinds.values():
        bucket: list[Tensor] = []
        for tensor in kind:
            bucket.append(tensor)
            if sum(t.nbytes for t in bucket) >= BUCKET:
                yield bucket
                bucket = []
        if bucket:
            yield bucket
