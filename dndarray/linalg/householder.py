"""QR factorization by blocks of Householder reflections, of a matrix dealt out in blocks of columns, in turn.

A process factorises its block by one LAPACK call and broadcasts the reflections; all apply them to their columns as
I - V T V^H, two products of matrices (Schreiber and Van Loan, 1989).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .block_cyclic import Columns, panels, sweep

__all__ = ["Reflections", "multiply", "orthogonal_columns", "reflect", "upper_triangle"]


class Reflections(NamedTuple):
    """What every process learns of the factors, which lie where the matrix was."""

    factors: Tensor
    """LAPACK's tau, one for each reflection."""
    diagonal: Tensor
    """The diagonal of R."""

    @property
    def phases(self) -> Tensor:
        """The signs of R's diagonal; 1 of 0."""
        return torch.where(self.diagonal == 0, torch.ones_like(self.diagonal), self.diagonal.sgn())


def _compact(panel: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """V^T and T of the product I - V T V^H of the reflections that lie below (here: right of) the diagonal.

    T^-1 is diag(1 / factors) and, above it, V^H V (Puglisi, 1992); no reflection has a factor of 0.
    """
    r = len(factors)
    vectors = panel[:r].triu(1)
    vectors.diagonal().fill_(1)
    above = (vectors.conj() @ vectors.mT).triu(1)
    identity = torch.eye(r, dtype=panel.dtype, device=panel.device)
    inner = identity + above * factors
    return vectors, torch.linalg.solve_triangular(inner, identity, upper=True, unitriangular=True) * factors[:, None]


def reflect(columns: Columns) -> Reflections:
    """Factorise the matrix in place: R, and below its diagonal the vectors of the reflections.

    Communication: one broadcast for each block, of the panel from its diagonal down and one word for each column.
    """
    local, blocks, m = columns.local, columns.blocks, columns.rows
    k = min(m, blocks[-1].stop if blocks else 0)
    found = Reflections(local.new_empty(k), local.new_empty(k))
    latest: list[Tensor] = []

    def shape(i: int) -> tuple[int, int]:
        return blocks[i].width, m - blocks[i].start + 1

    def factor(i: int) -> Tensor:
        panel = local[blocks[i].here, blocks[i].start :]
        vectors, factors = torch.geqrf(panel.mT)
        panel.copy_(vectors.mT)
        message = local.new_zeros(shape(i))
        message[:, :-1] = panel
        message[: len(factors), -1] = factors
        return message

    def note(i: int, panel: Tensor) -> None:
        start, r = blocks[i].start, min(panel.shape[0], panel.shape[1] - 1)
        found.factors[start : start + r] = panel[:r, -1]
        found.diagonal[start : start + r] = panel[:r, :r].diagonal()
        latest[:] = _compact(panel[:, :-1], panel[:r, -1])

    def apply(i: int, panel: Tensor, part: slice) -> None:
        vectors, triangle = latest
        rows = local[part, blocks[i].start :]
        rows.addmm_((rows @ vectors.mH) @ triangle.conj(), vectors, alpha=-1)

    sweep(columns, sum(block.start < k for block in blocks), factor, shape, apply, note)
    return found


def orthogonal_columns(columns: Columns, found: Reflections, n: int) -> Columns:
    """The first `n` columns of Q, dealt out as those of the matrix are. Communication: as `multiply`."""
    return multiply(columns, found, columns.identity(columns.rows, n), is_triangular=True)


def multiply(columns: Columns, found: Reflections, x: Columns, is_triangular: bool = False) -> Columns:
    """Q x, in place; of an upper triangular x, columns which have nothing yet where a reflection works are left out.

    Communication: one broadcast for each block, of the panel from its diagonal down.
    """
    blocks, m, k = columns.blocks, columns.rows, len(found.factors)
    steps = sum(block.start < k for block in blocks)

    def panel_of(i: int) -> Tensor:
        return columns.local[blocks[i].here, blocks[i].start :]

    def shape_of(i: int) -> tuple[int, int]:
        return blocks[i].width, m - blocks[i].start

    for i, panel in panels(columns, range(steps - 1, -1, -1), panel_of, shape_of):
        start, stop = blocks[i].start, min(blocks[i].stop, k)
        vectors, triangle = _compact(panel, found.factors[start:stop])
        rows = x.local[x.own[i] if is_triangular else 0 :, start:]
        rows.addmm_((rows @ vectors.mH) @ triangle.mT, vectors, alpha=-1)
    return x


def upper_triangle(columns: Columns, k: int) -> Columns:
    """R alone: the first `k` rows, with zeros below the diagonal."""
    local = columns.local[:, :k].clone()
    for i, block in enumerate(columns.blocks):
        if columns.is_mine(i):
            local[block.here, block.start : block.stop].tril_()
            local[block.here, block.stop :] = 0
    return Columns(local, columns.blocks, columns.comm)
