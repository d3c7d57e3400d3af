"""Products of Householder reflections, of vectors whose elements are dealt out among the processes.

Reductions to condensed form work on ever fewer rows. So that all processes have work to the end, the rows are *taken in
turns*: counted anew, such that each process has its share of every stretch of the new numbers. Nothing moves for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..communication import Communicator

__all__ = ["PANEL", "Turns", "reflect"]

PANEL = 32
"""Columns that are reduced before the rest of the matrix is updated, with products of matrices."""

BLOCK = 128
"""Reflections that are applied together."""


class Turns:
    """Rows dealt out by `counts`, taken in turns.

    Attributes
    ----------
    numbers : Tensor
        The new numbers of this process's rows, ascending.
    origin : Tensor
        For each new number the place that the row has in the matrix.
    """

    def __init__(self, counts: Sequence[int], rank: int) -> None:
        keys = torch.cat([(torch.arange(n) + 0.5) / max(n, 1) for n in counts])
        self.origin = keys.argsort(stable=True)
        numbers = torch.empty_like(self.origin)
        numbers[self.origin] = torch.arange(len(keys))
        self._parts = numbers.split(list(counts))
        self.numbers = self._parts[rank]

    def first(self, number: int) -> int:
        """How many of this process's rows come before the row `number`."""
        return int(torch.searchsorted(self.numbers, number))

    def gathered(self, number: int) -> tuple[list[int], Tensor]:
        """Of the rows from `number` on: how many each process has, and how to bring them, gathered, into order."""
        rest = [part[int(torch.searchsorted(part, number)) :] for part in self._parts]
        return [len(part) for part in rest], torch.cat(rest).argsort()


def reflect(vectors: Tensor, scales: Sequence[float], x: Tensor, turns: Turns, comm: Communicator) -> Tensor:
    """The product of the reflections 1 - scale v v^H, of the columns `vectors`, first times second times ..., with `x`.

    In place, in x. Of vectors and x this process has its rows; vector i is zero before row i. A scale 0 stands for no
    reflection; that vector is zero. Many are applied together (Schreiber and Van Loan, 1989).

    Communication: for every BLOCK of vectors an all-reduce of their products with each other and with x.
    """
    n = len(scales)
    for start in reversed(range(0, n, BLOCK)):
        stop = min(start + BLOCK, n)
        first = turns.first(start)
        v, part = vectors[first:, start:stop], x[first:]
        products = comm.allreduce(torch.cat([v.mH @ v, v.mH @ part.to(v.dtype)], 1))
        inverse = products[:, : stop - start].triu(1)
        inverse.diagonal()[:] = torch.tensor([1 / s if s else 1.0 for s in scales[start:stop]], dtype=torch.float64)
        weights = torch.linalg.solve_triangular(inverse, products[:, stop - start :], upper=True)
        part -= v @ weights
    return x
