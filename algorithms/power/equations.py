"""The power flow equations: what is fed in at each bus must flow away, S = V conj(Y V)."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import wrap
from dndarray.layout import Layout
from dndarray.sparse import SparseArray
from dndarray.sparse.pattern import Pattern, compress
from dndarray.sparse.products import column_values, row_values, vector_layout

from .compiled import Compiled
from .grid import PQ, SLACK, Grid

__all__ = ["Equations"]


class Equations:
    """The equations of a grid, and their derivatives.

    Unknown are the angle of V where P is given, and its magnitude where Q is given, too. Each bus has two equations and
    two unknowns, angle and logarithm of the magnitude, interleaved; what is held fixed has the equation 1 x = 0.

    Voltages and injections are arrays of shape (n,), or (n, cases); split along either axis.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.Y = grid.admittance
        kind = grid.buses.kind
        dtype = grid.buses.v.dtype
        self.unknown = dnd.stack([kind != SLACK, kind == PQ], 1).astype(dtype)
        """Of shape (n, 2): 1 where the angle, and where the magnitude, is unknown, and 0 where it is held."""

    def power(self, V: DNDarray) -> DNDarray:
        """What flows away from each bus, P + iQ."""
        return V * (self.Y @ V).conj()

    def mismatch(self, V: DNDarray, S: DNDarray) -> DNDarray:
        """By how much more flows away than is fed in: of shape (n, 2) or (n, 2, cases), P and Q; 0 where not given."""
        excess = self.power(V) - S
        mask = self.unknown if V.ndim == 1 else self.unknown[..., None]
        return dnd.stack([excess.real, excess.imag], 1) * mask

    def jacobian(self, V: DNDarray) -> SparseArray:
        """Derivatives of the mismatch by angles and logarithms of magnitudes: of shape (2 n, 2 n), for one case."""
        pattern, source, diagonal = self._structure
        products = self.Y.data.conj() * row_values(self.Y.pattern, V) * column_values(self.Y.pattern, V).conj()
        blocks = torch.stack([products.imag, products.real, -products.real, products.imag], 1)
        S = self.power(V).larray
        blocks[diagonal] += torch.stack([-S.imag, S.real, S.real, S.imag], 1)
        values = torch.cat([blocks.reshape(-1), blocks.new_ones(1)])
        return SparseArray(pattern, values[source])

    def transposed_product(self, V: DNDarray, x: DNDarray) -> DNDarray:
        """The product of the transposed Jacobian of each case with x, of shape (n, 2) or (n, 2, cases)."""
        mask = self.unknown if V.ndim == 1 else self.unknown[..., None]
        free = x * mask
        slope = self.slope(V, self.Y @ V, free[:, 0] + 1j * free[:, 1])
        return dnd.stack([slope.imag, slope.real], 1) * mask + x * (1 - mask)

    def slope(self, V: DNDarray, current: DNDarray, weight: DNDarray) -> DNDarray:
        """The gradient of Re sum(conj(weight) V conj(current)), where current is Y V.

        By logarithms of magnitudes (its real part) and by angles (its imaginary part).
        """
        c = weight * V.conj()
        return c * current + (V * (self.Y.T @ c)).conj()

    @cached_property
    def compiled(self) -> Compiled:
        """The same for one case, where no other process shares the grid."""
        return Compiled(self)

    def interleaved(self, excess: DNDarray) -> DNDarray:
        """A mismatch of shape (n, 2) as a vector beside the rows of the Jacobian. Local."""
        return wrap(excess.larray.reshape(-1), vector_layout(self._structure[0], (2 * len(excess),)), excess.comm)

    def by_bus(self, step: DNDarray) -> DNDarray:
        """Back to shape (n, 2), as `interleaved` was. Local."""
        return wrap(step.larray.reshape(-1, 2), self.unknown.layout, step.comm)

    @cached_property
    def _structure(self) -> tuple[Pattern, torch.Tensor, torch.Tensor]:
        """The Jacobian's pattern, from where its elements come, and which elements of Y are on the diagonal."""
        y = self.Y.pattern
        unknown = self.unknown.detach()
        row = row_values(y, unknown).numpy()[:, [0, 0, 1, 1]] > 0
        column = np.stack([column_values(y, unknown[:, k]).numpy() for k in (0, 1)], 1)[:, [0, 1, 0, 1]] > 0
        on_diagonal = y.rows + y.start == y.indices
        place = np.arange(4 * y.lnnz).reshape(-1, 4)
        held = on_diagonal[:, None] & np.array([True, False, False, True]) & ~row
        source = np.where(held, 4 * y.lnnz, place)
        kept = (row & column) | held
        rows = (2 * y.rows[:, None] + np.array([0, 0, 1, 1]))[kept]
        columns = (2 * y.indices[:, None] + np.array([0, 1, 0, 1]))[kept]
        indptr, indices, order, _ = compress(rows, columns, (2 * y.lshape[0], 2 * y.shape[1]))
        counts = y.layout.counts[0]
        doubled = None if counts is None else [[2 * c for c in counts]]
        layout = Layout((2 * y.shape[0],) * 2, y.layout.grid, y.layout.split, doubled)
        pattern = Pattern.make(layout, y.comm, indptr, indices)
        return pattern, torch.from_numpy(source[kept][order]), torch.from_numpy(np.flatnonzero(on_diagonal))
