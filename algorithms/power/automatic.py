"""Newton's method, and a descent for cases that are too far from their solution for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dndarray import DNDarray

from .dpf import dpf
from .grid import Grid
from .newton import newton
from .solution import State

__all__ = ["auto"]

CASES = ("v", "angle", "iterations", "mismatch")
"""What of a state has an element for each case."""

DESCENT, STEP = 300, 1e-3
"""Iterations of a descent, and its first step. Of those tried (300 and 1000; 0.0034 and 0.001) what helps most where
Newton's method fails from a flat start: on the RTE grids of 1888, 6470 and 6495 buses, but not on that of 6515."""


def auto(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:
    """Newton's method; cases that do not converge descend to a place from which Newton's method is tried again.

    Newton's method takes no longer than some tens of iterations of a descent, and finds nearly all solutions from a
    linear start, so that it comes first.

    Communication: that of these methods; for cases that are dealt out also an all-gather of which have not converged,
    and if there are any the exchanges that deal out these anew, and bring back what is found.
    """
    first = newton(grid, v, angle, S, tol=tol, max_iter=max_iter)
    failed = np.flatnonzero((first.mismatch > tol).numpy())  # not what is NaN, which nothing helps
    if not len(failed):
        return first
    if S.ndim == 1:
        return _again(grid, [v, angle, S], tol, max_iter)
    second = _again(grid, [x if x.ndim == 1 else x[:, failed] for x in (v, angle, S)], tol, max_iter)
    changed: dict[str, Any] = {name: _with(getattr(first, name), failed, getattr(second, name)) for name in CASES}
    return replace(first, **changed)


def _again(grid: Grid, given: list[DNDarray], tol: float, max_iter: int) -> State:
    """Newton's method after a descent; the mismatches of both are the history."""
    v, angle, S = given
    near = dpf(grid, v, angle, S, tol=tol, max_iter=DESCENT, lr=STEP)
    found = newton(grid, near.v, near.angle, S, tol=tol, max_iter=max_iter)
    return replace(found, iterations=near.iterations + found.iterations, history=near.history + found.history)


def _with(x: DNDarray, cases: np.ndarray, values: DNDarray) -> DNDarray:
    """The array with other values of some cases."""
    x = x.copy()
    x[..., cases] = values
    return x
