"""Cases without some branches, solved with the matrices of the grid that has them.

Without a branch, Y has another 2 x 2 block and the Jacobian another 4 x 4 block. Products are corrected at both ends,
and steps by the formula of Sherman, Morrison and Woodbury: neither matrix is copied.

Source: Alsac, Stott and Tinney, Sparsity-oriented compensation methods (1983).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from .batch import Chord
    from .compiled import Compiled
    from .ordering import OwnGrid

__all__ = ["Blocks", "Removed", "compiled_without", "removed_blocks"]


@dataclass(frozen=True)
class Blocks:
    """Dense blocks of a matrix, other ones in each case, on its diagonal at some rows.

    Attributes
    ----------
    rows : Tensor
        Of shape (blocks, r, cases).
    values : Tensor
        Of shape (blocks, r, r, cases), real or complex.
    """

    rows: Tensor
    values: Tensor

    def __getitem__(self, cases: Any) -> Blocks:
        """The same of some of the cases."""
        return Blocks(self.rows[..., cases], self.values[..., cases])

    @cached_property
    def T(self) -> Blocks:  # noqa: N802
        return Blocks(self.rows, self.values.transpose(1, 2))

    @cached_property
    def _elements(self) -> Tensor:
        """Where the rows of the cases are in an array of shape (rows, cases), read in C order."""
        k = self.rows.shape[-1]
        return (self.rows * k + torch.arange(k, device=self.rows.device)).reshape(-1)

    def subtract_product(self, x: Tensor, out: Tensor) -> None:
        """Take the product with `x` from `out`: both are in C order, with a row for each of the matrix's."""
        blocks, r, k = self.rows.shape
        at = x.view(-1)[self._elements].view(blocks, 1, r, k)
        self.subtract((self.values * at).sum(2), out)

    def subtract(self, values: Tensor, out: Tensor) -> None:
        """Take values of shape (blocks, r, cases) from the rows of `out`."""
        out.view(-1).index_add_(0, self._elements, values.reshape(-1), alpha=-1)


def removed_blocks(here: OwnGrid, outages: Tensor) -> Blocks:
    """Blocks of Y that the branches that are out make up.

    `outages` are numbers of branches, of shape (several, cases), -1 for none, whose block is zero.
    """
    branch = outages.clamp(min=0).long()
    values = here.blocks[..., branch].masked_fill(outages < 0, 0)
    return Blocks(here.ends[:, branch].movedim(0, 1), values.movedim(2, 0))


def compiled_without(here: OwnGrid, branches: np.ndarray) -> Compiled:
    """The equations without these branches, of shape (several,), -1 for none."""
    blocks = removed_blocks(here, torch.from_numpy(branches)[:, None])
    ends = blocks.rows.numpy()
    rows, columns = (x.reshape(-1) for x in np.broadcast_arrays(ends, ends.transpose(0, 2, 1)))
    grid = here.equations.compiled
    values = grid.Y.data.copy()
    np.subtract.at(values, here.grid.admittance.pattern.find(rows, columns), blocks.values.numpy().reshape(-1))
    return grid.with_admittances(values)


class Removed:
    """The branches that are out in each case of a block: `outages` has shape (b, cases), -1 for none.

    Arrays have the shape (2, n, cases), as a chord's.
    """

    def __init__(self, chord: Chord, outages: np.ndarray) -> None:
        blocks = removed_blocks(chord.here, torch.from_numpy(outages))
        re, im = blocks.values.real, blocks.values.imag
        both = torch.cat([blocks.rows, blocks.rows + len(chord.base)], 1)
        self._factors = chord.factors
        self._currents = Blocks(both, _tiled(re, -im, im, re))
        """From voltages to currents."""
        V = chord.base[blocks.rows]
        products = V[:, :, None] * (blocks.values * V[:, None]).conj()
        power = products.sum(2)
        self._powers = torch.cat([power.real, power.imag], 1)
        """What flows into the branches at the voltages of the case in which all are in."""
        own = torch.diag_embed(power.transpose(1, 2)).movedim(1, -1)
        less, more = products - own, products + own
        change = _tiled(less.imag, more.real, -less.real, more.imag)
        free = chord.unknown.T.reshape(-1)[both].to(change.dtype)
        self._steps = _woodbury(chord, both, change * free[:, :, None] * free[:, None])
        """From steps to right sides."""

    def __getitem__(self, cases: Any) -> Removed:
        """The same of some of the cases."""
        some = copy.copy(self)
        some._currents, some._steps = self._currents[cases], self._steps[cases]
        some._powers = self._powers[..., cases]
        return some

    def subtract_currents(self, current: Tensor, V: Tensor) -> None:
        """Take from `current` what flows into the branches at voltages V."""
        self._currents.subtract_product(V, current)

    def subtract_powers(self, power: Tensor) -> None:
        """Take from `power` what flows into the branches at the voltages of the case in which all are in."""
        self._currents.subtract(self._powers, power)

    def solve_(self, excess: Tensor) -> Tensor:
        """The step of each case for its own Jacobian: two solutions with the factors of the common one."""
        right = excess.view(-1, excess.shape[-1])
        self._steps.subtract_product(self._factors.solve_(right.clone()), right)
        return self._factors.solve_(right)


def _woodbury(chord: Chord, both: Tensor, change: Tensor) -> Blocks:
    """What a step at the ends takes from the right side, -(1 - M W)^-1 M, for each case.

    The Jacobian without the branches is J - P M P^T, and W = P^T J^-1 P, where P picks the ends. M has the `change` of
    each branch, of shape (b, 4, 4, cases), on its diagonal.
    """
    b, _, _, cases = change.shape
    M = change.new_zeros(cases, b, 4, b, 4)
    for i in range(b):
        M[:, i, :, i] = change[i].movedim(-1, 0)
    M = M.view(cases, 4 * b, 4 * b)
    rows = both.reshape(4 * b, cases)
    n = len(chord.base)
    interleaved = (2 * (rows % n) + rows // n).T
    pairs = torch.broadcast_tensors(interleaved[:, :, None], interleaved[:, None, :])
    W = torch.from_numpy(chord.factors.inverse_at(*(x.reshape(-1).numpy() for x in pairs))).view(M.shape)
    more = torch.linalg.solve_ex(torch.eye(4 * b, dtype=M.dtype) - M @ W, M)[0]
    return Blocks(rows[None], -more.movedim(0, -1)[None].contiguous())


def _tiled(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Blocks of these four parts."""
    return torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1)
