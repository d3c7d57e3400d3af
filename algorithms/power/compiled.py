"""The power flow equations of one case on one process, in few operations on plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

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

    P + iQ of a bus and the derivatives of both are sums over the same products V_i conj(Y_ij V_j), which are computed
    once for each point. The Jacobian is made column by column, as SuperLU takes it.
    """

    def __init__(self, eq: Equations) -> None:
        y = eq.Y.detach().local
        pattern, source, diagonal = eq._structure
        self.rows, self.columns, self.first = pattern_rows(y.indptr), y.indices, y.indptr[:-1]
        self.y, self.diagonal = y.data, diagonal.numpy()
        self.held = eq.unknown.detach().larray.numpy().reshape(-1) == 0
        by_row = scipy.sparse.csr_array((source.numpy(), pattern.indices, pattern.indptr), shape=pattern.shape)
        self.jacobian: Any = by_row.tocsc()
        self.source = self.jacobian.data
        self.jacobian.data = self.source.astype(float)

    def at(self, V: np.ndarray, S: np.ndarray) -> Point:  # noqa: N803
        return Point(self, V, S)


def pattern_rows(indptr: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(indptr) - 1, dtype=indptr.dtype), np.diff(indptr))


class Point:
    """The equations at voltages V for injections S, both complex: the mismatch and its size, and the Jacobian."""

    def __init__(self, grid: Compiled, V: np.ndarray, S: np.ndarray) -> None:  # noqa: N803
        self.grid, self.V = grid, V
        self.products = V[grid.rows] * (grid.y * V[grid.columns]).conj()
        self.flowing = np.add.reduceat(self.products, grid.first)
        self.excess = (self.flowing - S).view(np.float64)
        self.excess[grid.held] = 0
        self.size = float(abs(self.excess).max())

    def factors(self, **how: Any) -> Any:
        """SuperLU's, in the order of buses unless `how` says otherwise. LinAlgError if the Jacobian is singular."""
        g, p, s = self.grid, self.products, self.flowing
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
