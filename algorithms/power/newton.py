"""Newton's method for the power flow equations (Tinney and Hart, 1967), of cases that fit on one process."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from dndarray import DNDarray
from dndarray.elementwise import as_operand

from .compiled import Compiled, Point
from .grid import Grid
from .newton_krylov import newton_krylov
from .solution import State

__all__ = ["newton"]

REUSE, STEPS = 0.01, 3
"""Factors are used again where the last step has brought the mismatch below this part of what it was, or where so many
steps that are as good reach the tolerance."""

FINE = 0.01
"""What is not below this part of the tolerance is hardly within it: voltages may be less accurate than mismatches."""

HALVINGS = 6
"""How often a step that makes the mismatch larger is halved, before the iteration ends without a solution."""


def newton(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:
    """One case of a replicated grid, solved by every process for itself without communication, or many, dealt out.

    For a grid that is split over buses it is `newton_krylov`.
    """
    if grid.split is not None:
        return newton_krylov(grid, v, angle, S, tol=tol, max_iter=max_iter)
    if S.ndim == 2:
        from .batch import newton_batch

        return newton_batch(grid, v, angle, S, tol=tol, max_iter=max_iter)
    V, history = solve_own(grid, v, angle, S, tol, max_iter)
    V = V[grid.own.place]
    v, angle, count, last = (
        as_operand(np.asarray(x), grid.comm) for x in (abs(V), np.angle(V), len(history) - 1, history[-1])
    )
    return State(v, angle, count, last, history)


def solve_own(
    grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, tol: float, max_iter: int
) -> tuple[np.ndarray, list[float]]:
    """Voltages of one case in the order of `grid.own`, and the history."""
    here = grid.own
    size, turn, fed_in = (x.detach().larray.resolve_conj().numpy()[here.order] for x in (v, angle, S))
    return solve(here.equations.compiled, size * np.exp(1j * turn), fed_in, tol, max_iter)


def solve(grid: Compiled, V: np.ndarray, S: np.ndarray, tol: float, max_iter: int) -> tuple[np.ndarray, list[float]]:
    """Newton's iteration: voltages, and the largest mismatch before each iteration and after the last.

    Factors of the Jacobian serve again near the solution, for a factorization costs as much as several steps. A step
    that makes the mismatch larger is taken back, and tried with a Jacobian of this place, with other pivots, and then
    in half. Where nothing helps, or the Jacobian is singular, it ends with what it has reached. What is hardly within
    the tolerance takes another step, where that costs no factorization.
    """
    point = grid.at(V, S)
    history = [point.size]
    factors: Any = None
    with contextlib.suppress(np.linalg.LinAlgError):
        while point.size > tol and len(history) <= max_iter:
            if factors is None:
                factors = grid.factors_at(point) if len(history) == 1 else point.factors()
            after = grid.at(point.turned(factors.solve(point.excess)), S)
            if not after.size < point.size:
                after = _shorter(grid, point, S)
                if after is point:
                    break
            rate = after.size / point.size
            point = after
            history.append(point.size)
            if not (rate < REUSE or point.size * rate**STEPS <= tol):
                factors = None
    if factors is not None and FINE * tol < point.size <= tol:
        after = grid.at(point.turned(factors.solve(point.excess)), S)
        if after.size < point.size:
            point = after
            history.append(point.size)
    return point.V, history


def _shorter(grid: Compiled, point: Point, S: np.ndarray) -> Point:
    """Where the mismatch is smaller than at this point, in the direction of a step; or else the point."""
    step = point.factors(permc_spec="COLAMD").solve(point.excess)
    parts = (grid.at(point.turned(step / 2**k), S) for k in range(HALVINGS + 1))
    return next((x for x in parts if x.size < point.size), point)
