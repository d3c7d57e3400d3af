"""Rows of all processes, brought to rank 0 piece by piece, for files that one process has to write."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from .communication import Communicator

__all__ = ["drained", "funnel"]


def funnel(rows: Tensor, lengths: Sequence[int], step: int, comm: Communicator) -> Iterator[Tensor]:
    """The rows of all processes, in the order of ranks: on rank 0, to which the others send; there, nothing comes out.

    Has to be run to its end on every process: see `drained`. Communication: a message for each piece of `step` rows.

    Parameters
    ----------
    rows
        Those of this process.
    lengths
        How many rows are taken of each process; the same on all.
    """
    for rank, length in enumerate(lengths):
        for start in range(0, length, step):
            n = min(step, length - start)
            if comm.rank == rank:
                piece = rows[start : start + n].detach().cpu().resolve_conj().resolve_neg().contiguous()
                if rank > 0:
                    comm.send(piece, 0)
            if comm.rank == 0:
                yield piece if rank == 0 else comm.recv(rows.new_empty((n, *rows.shape[1:]), device="cpu"), rank)


@contextmanager
def drained(*streams: Iterator[Any]) -> Iterator[None]:
    """Run to their end, in order, the streams that the block has not: what fails on rank 0 leaves nobody waiting."""
    try:
        yield
    finally:
        for stream in streams:
            deque(stream, maxlen=0)
