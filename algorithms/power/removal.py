"""Cases without some branches, solved with the matrices of the grid that has them.

Without a branch, Y has another 2 x 2 block and the Jacobian another 4 x 4 block. Currents are corrected at both ends,
and steps by the formula of Sherman, Morrison and Woodbury: neither matrix is copied.

Source: Alsac, Stott and Tinney, Sparsity-oriented compensation methods (1983).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from .batch import Chord

__all__ = ["Removed"]


class Removed:
    """The branches that are out in each case of a block: `outages` has shape (b, cases), -1 for none."""

    def __init__(self, chord: Chord, outages: np.ndarray) -> None:
        k, b = chord.here.grid.branches, len(outages)
        branch, missing = torch.from_numpy(outages), torch.from_numpy(outages < 0)
        blocks = torch.stack([x.larray[branch].masked_fill(missing, 0) for x in k.admittances], -1)
        blocks = blocks.reshape(*outages.shape, 2, 2)
        ends = torch.stack([k.start.larray[branch], k.end.larray[branch]], 1)
        self._chord = chord
        self._blocks = blocks.permute(0, 2, 3, 1).contiguous()
        """Of shape (b, 2, 2, cases): from voltages at both ends to currents."""
        self._ends = ends.reshape(2 * b, -1)
        """Of shape (2 b, cases): buses."""
        self._to_right_side, self._powers = self._woodbury(ends, blocks)

    def _woodbury(self, ends: Tensor, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """What a step at the ends adds to the right side, (1 - M W)^-1 M, for each case; and powers at the ends.

        The Jacobian without the branches is J - P M P^T, and W = P^T J^-1 P, where P picks the ends.
        """
        b, _, cases = ends.shape
        V = self._chord.base[ends].permute(0, 2, 1)  # noqa: N806 - (b, cases, 2)
        products = V[..., :, None] * blocks.conj() * V[..., None, :].conj()
        power = products.sum(-1)
        products = torch.stack([products.imag, products.real, -products.real, products.imag], -1)
        diagonal = torch.stack([-power.imag, power.real, power.real, power.imag], -1)
        products[:, :, [0, 1], [0, 1]] += diagonal
        change = products.reshape(b, cases, 2, 2, 2, 2).transpose(3, 4).reshape(b, cases, 4, 4)
        free = self._chord.unknown[ends].permute(0, 2, 1, 3).reshape(b, cases, 4).to(change.dtype)
        change = change * free[..., :, None] * free[..., None, :]
        M = torch.zeros(cases, b, 4, b, 4, dtype=change.dtype)  # noqa: N806
        for i in range(b):
            M[:, i, :, i] = change[i]
        M = M.view(cases, 4 * b, 4 * b)  # noqa: N806
        rows = (2 * self._ends.T[..., None] + torch.tensor([0, 1])).reshape(cases, 4 * b)
        pairs = torch.broadcast_tensors(rows[:, :, None], rows[:, None, :])
        found = self._chord.factors.inverse_at(*(x.reshape(-1).numpy() for x in pairs))
        W = torch.from_numpy(found).view(M.shape)  # noqa: N806
        more = torch.linalg.solve_ex(torch.eye(4 * b, dtype=M.dtype) - M @ W, M)[0]
        return more, power.transpose(1, 2).reshape(self._ends.shape)

    def __getitem__(self, chosen: Tensor) -> Removed:
        """The same of some of the cases."""
        some = object.__new__(Removed)
        some._chord, some._to_right_side = self._chord, self._to_right_side[chosen]
        some._blocks, some._ends = self._blocks[..., chosen], self._ends[:, chosen]
        some._powers = self._powers[:, chosen]
        return some

    def subtract_currents(self, current: Tensor, V: Tensor) -> None:  # noqa: N803
        """Take from `current`, of shape (2, n, cases), what flows into the branches at voltages V."""
        at = torch.complex(*self._at_ends(V)).view(self._blocks.shape[0], 1, 2, -1)
        self._subtract(current, (self._blocks * at).sum(2).view(self._ends.shape))

    def subtract_powers(self, power: Tensor) -> None:
        """Take from `power` what flows into the branches at the voltages of the case in which all are in."""
        self._subtract(power, self._powers)

    def solve_(self, excess: Tensor) -> Tensor:
        """The step of each case for its own Jacobian: two solutions with the factors of the common one."""
        k = excess.shape[-1]
        step = self._chord.factors.solve_(excess.reshape(-1, k).clone())
        at = torch.stack(self._at_ends(step.view(excess.shape)), -1).transpose(0, 1).reshape(k, -1, 1)
        more = (self._to_right_side @ at).view(k, -1, 2).transpose(0, 1)
        self._subtract(excess, torch.view_as_complex(-more.contiguous()))
        return self._chord.factors.solve_(excess.view(-1, k))

    def _at_ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cases = torch.arange(x.shape[-1])
        return x[0][self._ends, cases], x[1][self._ends, cases]

    def _subtract(self, x: Tensor, values: Tensor) -> None:
        """Take complex values at the ends from x, of shape (2, n, cases)."""
        where = self._ends, torch.arange(x.shape[-1])
        x[0].index_put_(where, -values.real, True)
        x[1].index_put_(where, -values.imag, True)
