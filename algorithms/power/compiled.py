"""The power flow equations of one case on one process, in few operations on plain arrays."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch

from dndarray.sparse.kernels import add_product

if TYPE_CHECKING:
    from .equations import Equations

__all__ = ["FILL_REDUCED", "Compiled", "Point"]

FILL_REDUCED: dict[str, Any] = {
    "permc_spec": "NATURAL",
    "diag_pivot_thresh": 0.0,
    "relax": 2,
    "panel_size": 2,
    "options": {"SymmetricMode": True, "Equil": False},
}
"""For SuperLU: buses are in an order that fills in little already, and the diagonal is large enough to pivot on."""


class Compiled:
    """What `Equations` say, for a grid that no other process shares, and where elements of the Jacobian come from.

    The Jacobian is made column by column, as SuperLU takes it. P + iQ of a bus and the derivatives of both are sums
    over the same products V_i conj(Y_ij V_j).
    """

    def __init__(self, eq: Equations) -> None:
        self.Y = eq.Y.detach().local
        self.Y_parts = _parts(self.Y)
        pattern, source, diagonal = eq._structure
        self.rows, self.diagonal = eq.Y.pattern.rows, diagonal.numpy()
        self.free = eq.unknown.detach().larray.numpy().reshape(-1)
        """1 where an equation is given, 0 where what it would determine is held."""
        by_row = scipy.sparse.csr_array((source.numpy(), pattern.indices, pattern.indptr), shape=pattern.shape)
        self.jacobian: Any = by_row.tocsc()
        self.source = self.jacobian.data
        self.jacobian.data = self.source.astype(float)
        self._began: tuple[np.ndarray, Any] | None = None

    def with_admittances(self, values: np.ndarray) -> Compiled:
        """The same for other elements of Y, in the order in which they are stored."""
        other = copy.copy(self)
        other.Y, other._began = other.Y.copy(), None
        other.Y.data = values
        other.Y_parts = _parts(other.Y)
        other.__dict__.pop("doubled", None)
        return other

    @cached_property
    def doubled(self) -> list[torch.Tensor]:
        """Compressed rows of Y for real and imaginary parts, one after the other: [[Re, -Im], [Im, Re]]."""
        y = self.Y
        return _parts(scipy.sparse.block_array([[y.real, -y.imag], [y.imag, y.real]], format="csr"))

    def at(self, V: np.ndarray, S: np.ndarray) -> Point:
        return Point(self, V, S)

    def factors_at(self, begin: Point) -> Any:
        """Factors of the Jacobian where an iteration begins: kept, for many cases of a grid begin at one place."""
        if self._began is None or not np.array_equal(self._began[0], begin.V):
            self._began = begin.V, begin.factors()
        return self._began[1]


def _parts(matrix: Any) -> list[torch.Tensor]:
    """Compressed rows as `add_product` takes them."""
    return [torch.from_numpy(x) for x in (matrix.indptr, matrix.indices, matrix.data)]


class Point:
    """The equations at voltages V for injections S, both complex: the mismatch and its size, and the Jacobian."""

    def __init__(self, grid: Compiled, V: np.ndarray, S: np.ndarray) -> None:
        self.grid, self.V = grid, V
        current = np.zeros_like(V)
        indptr, columns, values = grid.Y_parts
        add_product(indptr, columns, values, torch.from_numpy(V), torch.from_numpy(current))
        self.flowing = V * current.conj()
        self.excess = (self.flowing - S).view(np.float64)
        self.excess *= grid.free
        self.size = float(np.abs(self.excess).max())

    def factors(self, **how: Any) -> Any:
        """SuperLU's, in the order of buses unless `how` says otherwise. LinAlgError if the Jacobian is singular."""
        g, V, s = self.grid, self.V, self.flowing
        p = V[g.rows] * (g.Y.data * V[g.Y.indices]).conj()
        values = np.empty(4 * len(p) + 1)
        blocks = values[:-1].reshape(-1, 4)
        blocks[:, 0] = blocks[:, 3] = p.imag
        blocks[:, 1] = p.real
        blocks[:, 2] = -p.real
        blocks[g.diagonal] += np.stack([-s.imag, s.real, s.real, s.imag], 1)
        values[-1] = 1
        g.jacobian.data = values[g.source]
        try:
            return scipy.sparse.linalg.splu(g.jacobian, **(how or FILL_REDUCED))
        except RuntimeError as error:
            if how:
                raise np.linalg.LinAlgError(f"the Jacobian is singular: {error}") from None
            return self.factors(permc_spec="COLAMD")

    def turned(self, step: np.ndarray) -> np.ndarray:
        """The voltages after a step of angles and logarithms of magnitudes, to first order in the latter."""
        return self.V * ((1 - step[1::2]) * np.exp(-1j * step[::2]))
