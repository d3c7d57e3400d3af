"""Grids with their buses in another order, in which they are solved."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

import dndarray as dnd
from dndarray.array import own
from dndarray.sparse import csr_array, reverse_cuthill_mckee

from .compiled import FILL_REDUCED
from .dc import LinearGrid
from .equations import Equations
from .grid import Grid

__all__ = ["BandedGrid", "OwnGrid"]


class _Reordered:
    """Its `grid` has at i the bus `order[i]` of the user's, whose bus i is at `place[i]`."""

    grid: Grid

    @cached_property
    def equations(self) -> Equations:
        return Equations(self.grid)

    @cached_property
    def linear(self) -> LinearGrid:
        return LinearGrid(self.grid)


class OwnGrid(_Reordered):
    """A replicated grid as each process has it for itself, with buses in an order in which factors fill in little."""

    def __init__(self, grid: Grid) -> None:
        Y = grid.admittance.detach().local
        degree = np.diff(Y.indptr)
        row = np.repeat(np.arange(len(degree)), degree)
        dominant = np.where(row == Y.indices, 2.0 * degree[row], -1.0)
        how = {**FILL_REDUCED, "permc_spec": "MMD_AT_PLUS_A"}
        factors = scipy.sparse.linalg.splu(scipy.sparse.csc_array((dominant, Y.indices, Y.indptr), Y.shape), **how)
        self.place = factors.perm_c.astype(np.int64)
        self.order = np.argsort(self.place)
        self.grid = grid.with_arrays([own(x.detach().larray) for x in grid.arrays]).reordered(self.order)
        self.grid.know_admittance(csr_array(Y[self.order][:, self.order], comm=self.grid.comm))

    @cached_property
    def blocks(self) -> Tensor:
        """The matrix of each branch from voltages to currents: of shape (2, 2, m)."""
        return torch.stack([x.larray for x in self.grid.branches.admittances]).view(2, 2, -1)

    @cached_property
    def ends(self) -> Tensor:
        """Where each branch begins and ends: of shape (2, m)."""
        return torch.stack([self.grid.branches.start.larray, self.grid.branches.end.larray])


class BandedGrid(_Reordered):
    """A grid with its buses in an order in which neighbours are near each other, so that processes share few branches.

    Every process orders all of the buses (reverse Cuthill-McKee), from the pattern of the whole admittance matrix.
    """

    def __init__(self, grid: Grid) -> None:
        self.order = reverse_cuthill_mckee(grid.admittance, symmetric_mode=True)
        self.place = dnd.argsort(self.order)
        self.grid = grid.reordered(self.order.numpy())
