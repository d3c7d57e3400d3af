"""Newton's method for the power flow equations (Tinney and Hart, 1967), of cases that fit on one process."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.elementwise import as_operand

from .compiled import Compiled
from .equations import Equations
from .grid import Grid
from .solution import State

__all__ = ["newton"]

REUSE = 0.01
"""Factors are used again where the last step has brought the mismatch below this part of what it was."""

HALVINGS = 6
"""How often a step that makes the mismatch larger is halved, before the iteration ends without a solution."""


def newton(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:  # noqa: N803
    """One case of a replicated grid, solved by every process for itself without communication, or many, dealt out.

    For a grid that is split over buses it is `newton_krylov`.
    """
    if grid.split is not None:
        from .newton_krylov import newton_krylov

        return newton_krylov(grid, v, angle, S, tol=tol, max_iter=max_iter)
    if S.ndim == 2:
        from .batch import newton_batch

        return newton_batch(grid, v, angle, S, tol=tol, max_iter=max_iter)
    here = grid.own
    begin, fed_in = (x.detach().larray.resolve_conj().numpy()[here.order] for x in (v * dnd.exp(1j * angle), S))
    V, history = solve(here.equations.compiled, begin, fed_in, tol, max_iter)  # noqa: N806
    if not history[-1] <= tol:
        warnings.warn(
            f"Newton's method has reached a mismatch of {history[-1]:.3g}, not {tol}, in {len(history) - 1} iterations",
            RuntimeWarning,
            stacklevel=3,
        )
    V = V[here.place]  # noqa: N806
    v, angle, count, last = (
        as_operand(np.asarray(x), grid.comm) for x in (abs(V), np.angle(V), len(history) - 1, history[-1])
    )
    return State(v, angle, count, last, history)


def iterate(eq: Equations, v: DNDarray, angle: DNDarray, S: DNDarray, tol: float, max_iter: int) -> tuple:  # noqa: N803
    """One case that no other process knows of: voltages, angles, and the history."""
    V = (v * dnd.exp(1j * angle)).larray.numpy()  # noqa: N806
    V, history = solve(eq.compiled, V, S.larray.resolve_conj().numpy(), tol, max_iter)  # noqa: N806
    return own(torch.from_numpy(abs(V))), own(torch.from_numpy(np.angle(V))), history


def solve(grid: Compiled, V: np.ndarray, S: np.ndarray, tol: float, max_iter: int) -> tuple[np.ndarray, list[float]]:  # noqa: N803
    """Newton's iteration: voltages, and the largest mismatch before each iteration and after the last.

    Factors of the Jacobian serve again near the solution, for a factorization costs as much as ten steps. A step that
    makes the mismatch larger is taken back, and tried with a Jacobian and pivots of its own and then in half. Where
    nothing helps, or the Jacobian is singular, it ends with what it has reached.
    """
    point = grid.at(V, S)
    history = [point.size]
    factors: Any = None
    with contextlib.suppress(np.linalg.LinAlgError):
        while point.size > tol and len(history) <= max_iter:
            if factors is None or not history[-1] < REUSE * history[-2]:
                factors = point.factors()
            after = grid.at(point.turned(factors.solve(point.excess)), S)
            if not after.size < point.size:
                step, factors = point.factors(permc_spec="COLAMD").solve(point.excess), None
                parts = (grid.at(point.turned(step / 2**k), S) for k in range(HALVINGS + 1))
                after = next((x for x in parts if x.size < point.size), point)
                if after is point:
                    break
            point = after
            history.append(point.size)
    return point.V, history
