"""Grids with their buses in another order, in which they are solved."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

import dndarray as dnd
from dndarray.array import own
from dndarray.sparse import reverse_cuthill_mckee

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
        matrix = abs(grid.admittance.detach().local)
        dominant = scipy.sparse.csc_array(matrix + matrix.T + scipy.sparse.diags_array(1 + 2 * matrix.sum(0)))
        how = {**FILL_REDUCED, "permc_spec": "MMD_AT_PLUS_A"}
        self.order = np.argsort(scipy.sparse.linalg.splu(dominant, **how).perm_c)
        self.place = np.argsort(self.order)
        self.grid = grid.with_arrays([own(x.detach().larray) for x in grid.arrays]).reordered(self.order)


class BandedGrid(_Reordered):
    """A grid with its buses in an order in which neighbours are near each other, so that processes share few branches.

    Every process orders all of the buses (reverse Cuthill-McKee), from the pattern of the whole admittance matrix.
    """

    def __init__(self, grid: Grid) -> None:
        self.order = reverse_cuthill_mckee(grid.admittance, symmetric_mode=True)
        self.place = dnd.argsort(self.order)
        self.grid = grid.reordered(self.order.numpy())
