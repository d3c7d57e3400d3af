"""Hermitian matrices made tridiagonal, with their rows dealt out (Dongarra, Sorensen and Hammarling, 1989)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..communication import Communicator
from .reflectors import PANEL, Turns

__all__ = ["tridiagonalise"]


def _swapped(pairs: Tensor) -> Tensor:
    """V0, W0, V1, W1, ... as W0, V0, W1, V1, ..."""
    return pairs.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def tridiagonalise(a: Tensor, turns: Turns, comm: Communicator) -> tuple[list[float], list[complex], list[float]]:
    """The diagonal, what lies below it, and the scales of the reflections whose product H has H^H a H so.

    `a` are this process's rows of a Hermitian matrix, its columns in the order of `turns`. It is overwritten with this
    process's rows of the reflections' vectors, in the columns that they reduce.

    Within a panel the matrix stays as it was: a = a' - V W^H - W V^H, where V, W are on every process. Half of the work
    is products of the rows with a vector, half is a product of matrices at the end of each panel.

    Communication: an all-gather of the elements of a vector for each column, and of PANEL columns for each panel.
    """
    n = a.shape[1]
    d: list[float] = []
    e: list[complex] = []
    scales: list[float] = []
    for start in range(0, n, PANEL):
        stop = min(start + PANEL, n)
        first, last = turns.first(start), turns.first(stop)
        counts, order = turns.gathered(start)
        rest = a[first:, start:]
        columns = comm.allgatherv(rest[:, : stop - start], counts)[order].T.contiguous()
        vw = a.new_zeros((2 * (stop - start), n - start))
        for i, column in enumerate(columns):
            known = vw[: 2 * i]
            column = column[i:] - known[:, i:].T @ _swapped(known[:, i].conj())
            d.append(column[0].real.item())
            if start + i == n - 1:
                break
            v, below, scale = reflection(column[1:])
            e.append(below)
            scales.append(scale)
            product = comm.allgatherv(rest[:, i + 1 :] @ v, counts)[order][i + 1 :]
            known = known[:, i + 1 :]
            product -= known.T @ _swapped(known.conj() @ v)
            w = scale * product
            w -= (scale / 2 * torch.vdot(v, w).real) * v
            vw[2 * i, i + 1 :] = v
            vw[2 * i + 1, i + 1 :] = w
        mine = vw[:, turns.numbers[first:] - start].T
        a[:, start:stop] = 0
        a[first:, start:stop] = mine[:, ::2]
        if stop < n:
            a[last:, stop:].addmm_(mine[last - first :], _swapped(vw[:, stop - start :]).conj(), alpha=-1)
    return d, e, scales


def reflection(x: Tensor) -> tuple[Tensor, complex, float]:
    """The vector v, beginning with 1, and the scale with (1 - scale v v^H) x = (y, 0, 0, ...); and y."""
    size, head = torch.linalg.vector_norm(x).item(), x[0].item()
    if size == 0:
        return torch.zeros_like(x), 0.0, 0.0
    y = -size * (head / abs(head) if head else 1.0)
    v = x / (head - y)
    v[0] = 1
    return v, y, (abs(head) + size) / size
