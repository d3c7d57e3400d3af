"""State estimation: the voltages that agree best with measurements that are more than enough, and not exact.

Source: Schweppe and Wildes, Power system static-state estimation (1970).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.linalg import LinAlgError

import dndarray as dnd
from dndarray import DNDarray
from dndarray.sparse import SparseArray, block_array, csr_array, eye_array
from dndarray.sparse.linalg import splu

from .grid import SLACK, Grid
from .solution import Solution

__all__ = ["Estimate", "estimate"]

QUANTITIES = ("p", "p_start", "p_end", "q", "q_start", "q_end", "v", "angle")
"""What may be measured, in the order in which the equations have it."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimated state.

    Attributes
    ----------
    solution : Solution
        The voltages, with all that follows from them. Its `mismatch` is the largest change of an unknown in the last
        iteration, its `history` that of every iteration.
    residuals : dict of numpy.ndarray
        For each kind of measurement how much larger it is than what the estimated voltages give, in units of its
        standard deviation.
    objective : float
        The sum of the squares of these.
    probability : float
        That noise alone makes the objective as large as that or larger. Where it is tiny some measurement is wrong, by
        more than its standard deviation says, or the grid is another one.
    """

    solution: Solution
    residuals: dict[str, np.ndarray]
    objective: float
    probability: float


def estimate(
    grid: Grid,
    measurements: Mapping[str, tuple[Any, Any, Any]],
    *,
    init: Any = "flat",
    tol: float = 1e-8,
    max_iter: int = 30,
) -> Estimate:
    """Estimate the state of a grid by weighted least squares over its measurements.

    Unknown are all angles but those of slack buses, and all magnitudes. The grid's own injections and set points count
    only as far as they are among the measurements.

    Parameters
    ----------
    grid : Grid
        Replicated, or split over buses.
    measurements : mapping from str to (places, values, deviations)
        What was measured: numbers of buses ("p", "q", fed in less taken out, "v", "angle") or of branches ("p_start",
        "q_start", "p_end", "q_end", what flows into the branch there), then as many values, and their standard
        deviations, or one for all. In MW, MVAr, per unit and radians. The same on every process. Something may be
        measured several times.
    init : {"flat", "dc"} or Solution or array_like
        Where to begin, as in `flow`.
    tol : float
        The largest change of an angle (radians) or magnitude (as a part of it) with which to stop.
    max_iter : int

    Notes
    -----
    Gauss-Newton's method. The normal equations are factorised by `splu`, on the first process; everything else lies as
    the grid does. Raises LinAlgError where the measurements do not determine the state.

    Communication: products of split sparse matrices and one factorization in each iteration, none of a replicated grid
    but the broadcast of the step.

    >>> from dndarray.algorithms.power import Grid, estimate  # doctest: +SKIP
    >>> found = estimate(grid, {"v": ([0, 1], [1.06, 1.04], 0.004), ...})  # doctest: +SKIP
    """
    from .flow import start

    grid = grid.detach()
    model = _Model(grid)
    target, weight, places = _collected(grid, measurements)
    v, angle = start(grid, init, grid.injection)
    history: list[float] = []
    while len(history) < max_iter and not (history and history[-1] <= tol):
        computed, H = model(v, angle)
        try:
            factors = splu(H.T @ (H * weight[:, None]) + model.held, permc_spec="MMD_AT_PLUS_A")
        except LinAlgError:
            raise LinAlgError("the measurements do not determine the voltages of all buses; add some") from None
        step = factors.solve(H.T @ (weight * (target - computed))).reshape(2, -1)
        angle, v = angle + step[0], v * (1 + step[1])
        history.append(float(abs(step).max()))
    computed, _ = model(v, angle)
    found = computed.numpy()
    residuals = {name: (values - found[rows]) / deviations for name, (rows, values, deviations) in places.items()}
    objective = sum(float((r**2).sum()) for r in residuals.values())
    freedom = sum(map(len, residuals.values())) - int(2 * len(grid.buses) - model.held.trace())
    count, last = (dnd.array(np.array(x), comm=grid.comm) for x in (len(history), history[-1] if history else np.inf))
    solution = Solution(grid, v, angle, last <= tol, count, last, history, "estimate")
    return Estimate(solution, residuals, objective, float(scipy.stats.chi2.sf(objective, max(freedom, 1))))


class _Model:
    """What could be measured at all buses and branches, as a function of voltages, and its derivatives.

    Powers are T = (C V) conj(Y V): of buses, then of the starts and of the ends of branches.
    """

    def __init__(self, grid: Grid) -> None:
        k, n, m = grid.branches, len(grid.buses), len(grid.branches)
        kind, dtype = k.start.dtype, grid.buses.v.dtype
        how = {"split": grid.split, "comm": grid.comm}
        bus, start = dnd.arange(n, dtype=kind, **how), dnd.arange(n, n + m, dtype=kind, **how)
        end = start + m
        rows, columns = dnd.concatenate([bus, start, end]), dnd.concatenate([bus, k.start, k.end])
        self.C = csr_array((dnd.ones_like(rows, dtype=dtype), (rows, columns)), shape=(n + 2 * m, n), split=grid.split)
        yff, yft, ytf, ytt = k.admittances
        values = dnd.concatenate([*[yff, yft, ytf, ytt] * 2, grid.buses.g_shunt + 1j * grid.buses.b_shunt])
        rows = dnd.concatenate([k.start, k.start, k.end, k.end, start, start, end, end, bus])
        columns = dnd.concatenate([*[k.start, k.end] * 4, bus])
        self.Y = csr_array((values, (rows, columns)), shape=(n + 2 * m, n), split=grid.split)
        self.identity = eye_array(n, dtype=dtype, **how)
        self.free = dnd.concatenate([(grid.buses.kind != SLACK).astype(dtype), dnd.ones_like(grid.buses.v)])
        self.held = eye_array(2 * n, dtype=dtype, **how) * (1 - self.free)[:, None]

    def __call__(self, v: DNDarray, angle: DNDarray) -> tuple[DNDarray, SparseArray]:
        """All quantities, and their derivatives by angles (0 by slacks') and logarithms of magnitudes."""
        V = v * dnd.exp(1j * angle)
        at, current = self.C @ V, self.Y @ V
        T = at * current.conj()
        by_at = self.C * current.conj()[:, None] * V[None, :]
        by_current = self.Y.conj() * at[:, None] * V.conj()[None, :]
        by_v, by_angle = by_at + by_current, (by_at - by_current) * 1j
        H = block_array(
            [
                [by_angle.real, by_v.real],
                [by_angle.imag, by_v.imag],
                [None, self.identity * v[:, None]],
                [self.identity, None],
            ]
        )
        return dnd.concatenate([T.real, T.imag, v, angle]), H * self.free[None, :]


def _collected(grid: Grid, measurements: Mapping[str, tuple[Any, Any, Any]]) -> tuple[DNDarray, DNDarray, dict]:
    """For all quantities the mean of what was measured and its weight, in per unit; and where measurements are."""
    n, m = len(grid.buses), len(grid.branches)
    sizes = {name: m if name.endswith(("_start", "_end")) else n for name in QUANTITIES}
    first = dict(zip(QUANTITIES, np.cumsum([0, *sizes.values()]), strict=False))
    total, weight = (np.zeros(sum(sizes.values())) for _ in range(2))
    places = {}
    for name, (where, values, deviations) in measurements.items():
        if name not in sizes:
            raise ValueError(f"`measurements` has {name!r}; what may be measured is {', '.join(QUANTITIES)}")
        where = np.asarray(where)
        integers = where.dtype.kind in "iu" or where.size == 0
        if not integers or where.ndim != 1 or (where < 0).any() or (where >= sizes[name]).any():
            raise ValueError(f"places of {name!r} must be integers from 0 to {sizes[name] - 1}, in a list")
        where, unit = where.astype(np.int64), grid.base_mva if name[0] in "pq" else 1.0
        values, deviations = (np.asarray(x, float) / unit for x in (values, deviations))
        if {values.shape, deviations.shape} - {(), where.shape}:
            have = f"{values.shape} and {deviations.shape}"
            raise ValueError(f"values and deviations of {name!r} have shapes {have}; there are {len(where)} places")
        values, deviations = (np.broadcast_to(x, where.shape) for x in (values, deviations))
        if not (np.isfinite(values).all() and (deviations > 0).all()):
            raise ValueError(f"values of {name!r} must be finite, and their standard deviations positive")
        rows = where + first[name]
        np.add.at(weight, rows, deviations**-2.0)
        np.add.at(total, rows, values * deviations**-2.0)
        places[name] = rows, values, deviations
    target = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    mean, weights = (dnd.array(x, split=grid.split, comm=grid.comm) for x in (target, weight))
    return mean, weights, places
