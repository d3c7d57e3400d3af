"""Many right-hand sides for one factorization: forward and backward substitution in place, all columns side by side.

SuperLU takes right-hand sides one after another through its triangles. Here each element of the factors is met once and
multiplies a whole row of right-hand sides, which vectorises and stays in the cache: of factors with little fill-in
(networks, power grids), where dense blocks are too small to pay, this was eight times as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import kernels

__all__ = ["Substitution"]

_BLOCK = 64
"""Right-hand sides at a time where there are more than one wants at once."""


class Substitution:
    """Solves with the factors that SuperLU has found of a matrix of this process.

    Parameters
    ----------
    factors : scipy.sparse.linalg.SuperLU
        As `splu(A).factors` of a matrix that no other process shares.
    places : numpy.ndarray, optional
        In which row of right-hand sides and solutions each row and column of the matrix is; by default in its own.
    """

    def __init__(self, factors: Any, places: np.ndarray | None = None) -> None:
        self._factors = factors
        self.n = factors.shape[0]
        self._places = np.arange(self.n) if places is None else places
        where = self._places[np.argsort(factors.perm_r)]
        """Row i of the triangles is kept in row `where[i]` of the right-hand sides."""
        lower, upper = factors.L.tocsr(), factors.U.tocsr()
        below, above = (np.repeat(np.arange(self.n), np.diff(x.indptr)) for x in (lower, upper))
        first, last = lower.indices < below, np.flatnonzero(upper.indices > above)[::-1]
        every, pivots = np.arange(self.n), upper.diagonal()
        rows = [below[first], every, above[last]]
        columns = [lower.indices[first], every, upper.indices[last]]
        values = [-lower.data[first], 1 / pivots - 1, -upper.data[last] / pivots[above[last]]]
        self._rows, self._columns = (where[np.concatenate(x)].astype(np.int32) for x in (rows, columns))
        self._values = np.concatenate(values)
        after = where[factors.perm_c][np.argsort(self._places)]
        self._after = None if (after == every).all() else torch.from_numpy(after)

    def solve_(self, rhs: Tensor) -> Tensor:
        """Replace `rhs`, of shape (n, k) and in C order, by the solutions."""
        if kernels.CAN_ELIMINATE:
            kernels.eliminate(self._rows, self._columns, self._values, rhs)
            return rhs if self._after is None else rhs.copy_(rhs[self._after])
        rhs[self._places] = torch.from_numpy(self._factors.solve(np.asfortranarray(rhs.numpy()[self._places])))
        return rhs

    def inverse_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Elements (rows[i], columns[i]) of the inverse; as many solutions as there are different columns."""
        wanted, which = np.unique(columns, return_inverse=True)
        order = np.argsort(which, kind="stable")
        cuts = np.searchsorted(which[order], np.arange(0, len(wanted) + _BLOCK, _BLOCK))
        found = np.empty(len(rows), self._values.dtype)
        for start, a, b in zip(range(0, len(wanted), _BLOCK), cuts, cuts[1:], strict=False):
            block, part = wanted[start : start + _BLOCK], order[a:b]
            units = torch.zeros(self.n, len(block), dtype=torch.from_numpy(self._values).dtype)
            units[torch.from_numpy(self._places[block]), torch.arange(len(block))] = 1
            found[part] = self.solve_(units).numpy()[self._places[rows[part]], which[part] - start]
        return found
