"""Matrices made bidiagonal, with their rows dealt out (Dongarra, Sorensen and Hammarling, 1989)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..communication import Communicator
from .reflectors import PANEL, Turns
from .tridiagonal import reflection

__all__ = ["Bidiagonal", "bidiagonalise"]


class Bidiagonal(NamedTuple):
    """U^H a V, and the reflections whose products U and V are: scales, and this process's rows of V's vectors."""

    diagonal: list[complex]
    above: list[complex]
    left: list[float]
    right: list[float]
    vectors: Tensor


def bidiagonalise(a: Tensor, rows: Turns, columns: Turns, comm: Communicator) -> Bidiagonal:
    """An upper bidiagonal matrix from one with at least as many rows as columns.

    `a` are this process's rows, its columns in the order of `columns`. It is overwritten with this process's rows of
    the vectors of U's reflections, in the columns that they reduce.

    Within a panel the matrix stays as it was: a = a' - U Y^H - X V^H, where Y, V are on every process and U, X are
    dealt out as the rows. What all must know of a column is one sum: its product with the rows gives, with what the row
    of the diagonal gives, that of the reflection's vector.

    Communication: an all-reduce of twice as many numbers as columns are left, for each column.
    """
    n = a.shape[1]
    result = Bidiagonal([], [], [], [], a.new_zeros((len(columns.numbers), n)))
    for start in range(0, n, PANEL):
        stop = min(start + PANEL, n)
        first, last = rows.first(start), rows.first(stop)
        panel = _Panel(a[first:, start:], stop - start, rows.numbers[first:] - start, comm)
        for _ in range(start, stop):
            panel.step(result)
        a[:, start:stop] = 0
        a[first:, start:stop] = panel.ux[::2].T
        if stop < n:
            a[last:, stop:].addmm_(panel.ux[:, last - first :].T, panel.yv[:, stop - start :].conj(), alpha=-1)
        at = columns.first(start)
        result.vectors[at:, start:stop] = panel.yv[1::2, columns.numbers[at:] - start].T
    return result


class _Panel:
    """Some columns of a matrix of which those before are reduced."""

    def __init__(self, rest: Tensor, width: int, numbers: Tensor, comm: Communicator) -> None:
        self.rest, self.comm = rest, comm
        self.numbers = numbers.tolist()
        self.i = self.done = 0
        self.ux = rest.new_zeros((2 * width, len(rest)))
        self.yv = rest.new_zeros((2 * width, rest.shape[1]))

    def step(self, result: Bidiagonal) -> None:
        """Reduce a column, and its row."""
        i, self.i = self.i, self.i + 1
        known = slice(0, 2 * i)
        column = self.rest[:, i] - self.ux[known].T @ self.yv[known, i].conj()
        column[: self.done] = 0
        is_mine = self.done < len(self.numbers) and self.numbers[self.done] == i
        product, along, row, of_row, square, head = self._sums(i, column, is_mine)
        # The reflection of the column: v = (column - y e) / (head - y), so that its product needs no message.
        size = math.sqrt(square)
        y = -size * (head / abs(head) if head else 1.0)
        scale = (abs(head) + size) / size if size else 0.0
        result.diagonal.append(y)
        result.left.append(scale)
        later = self.yv[known, i + 1 :]
        row = row - later.conj().T @ of_row
        if size:
            y_row = (product - later.T @ along - y * row.conj()) * (scale / (head - y))
            self.yv[2 * i, i + 1 :] = y_row
            row -= y_row.conj()
            self.ux[2 * i] = column / (head - y)
            if is_mine:
                self.ux[2 * i, self.done] = 1
        self.done += is_mine
        if len(row) == 0:
            return
        v, right, scale = reflection(row.conj())
        result.above.append(right.conjugate())
        result.right.append(scale)
        known = slice(0, 2 * i + 1)
        x = self.rest[:, i + 1 :] @ v - self.ux[known].T @ (self.yv[known, i + 1 :].conj() @ v)
        self.yv[2 * i + 1, i + 1 :] = v
        self.ux[2 * i + 1] = scale * x

    def _sums(self, i: int, column: Tensor, is_mine: bool) -> tuple:
        """What is known of a column and of the row of its diagonal only where the rows are: in one all-reduce."""
        n = self.rest.shape[1] - i - 1
        message = column.new_zeros(2 * n + 4 * i + 2)
        product, along, row, of_row, numbers = message.split([n, 2 * i, n, 2 * i, 2])
        product[:] = self.rest[:, i + 1 :].mH @ column
        along[:] = self.ux[: 2 * i].conj() @ column
        numbers[0] = torch.vdot(column, column)
        if is_mine:
            row[:] = self.rest[self.done, i + 1 :]
            of_row[:] = self.ux[: 2 * i, self.done]
            numbers[1] = column[self.done]
        message = self.comm.allreduce(message)
        *vectors, numbers = message.split([n, 2 * i, n, 2 * i, 2])
        square, head = numbers.tolist()
        return *vectors, square.real, head
