"""Voltage set points of least losses, by projected gradients.

Source: Birgin, Martinez and Raydan, Nonmonotone spectral projected gradient methods on convex sets (2000).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch

import dndarray as dnd
from dndarray import DNDarray

from .flow import flow
from .grid import PQ, PV, Grid, exactly
from .solution import Solution

__all__ = ["SetPoints", "minimize_losses"]

MEMORY = 10
"""The losses may rise, but not above the largest of so many last ones."""

DESCENT = 1e-4
"""The part of what the gradient promises that a step has to bring."""

LONGEST = 1e3
"""Bound of the step length, in per unit of voltage for a slope of 1."""

HALVINGS = 30


@dataclass(frozen=True, eq=False)
class SetPoints:
    """Set points that were found.

    Attributes
    ----------
    v : DNDarray
        Magnitudes in per unit for every bus, in effect where they are held.
    solution : Solution
        The power flow with them; `solution.grid` is the grid that has them.
    losses : list of float
        In MW: before the first step and after each; of several cases their mean.
    converged : bool
    """

    v: DNDarray
    solution: Solution
    losses: list[float]
    converged: bool


def minimize_losses(
    grid: Grid,
    p: Any = None,
    q: Any = None,
    *,
    v_min: Any = 0.94,
    v_max: Any = 1.06,
    penalty: float = 0.0,
    tol: float = 1e-5,
    max_iter: int = 200,
    **options: Any,
) -> SetPoints:
    """Find those voltages of PV and slack buses, within limits, at which the grid loses the least.

    Parameters
    ----------
    grid : Grid
        Replicated, or split over buses. Its own set points, brought within the limits, are where the search begins.
    p, q : array_like, optional
        As in `flow`. With several cases the same set points serve all, and the mean of the losses is minimised.
    v_min, v_max : array_like
        Limits of the set points in per unit, one or one for each bus.
    penalty : float
        What is added to the losses, in per unit, for each squared per unit by which a PQ bus is beyond the limits, or
        a PV bus beyond those of its reactive power. By default these limits do not count.
    tol : float
        When to stop: the largest change of a set point that one step along the gradient (per unit of power by per unit
        of voltage), brought back within the limits, would make.
    max_iter : int
    **options
        Of `flow`.

    Notes
    -----
    Each step takes one power flow, from the last solution, and one adjoint solve for the gradient by all set points
    together. Steps have the length of Barzilai and Borwein, and are halved while they bring too little. The optimum is
    a local one. Communication: that of `flow` and of its gradient, and of split buses four all-reduces in each step.

    >>> from dndarray.algorithms.power import Grid, minimize_losses  # doctest: +SKIP
    >>> found = minimize_losses(grid, v_min=0.95, v_max=1.05)  # doctest: +SKIP
    """
    constant = grid.detach()
    held = constant.buses.kind != PQ
    low, high = (_limit(constant, x) for x in (v_min, v_max))
    if bool((low > high).any()):
        raise ValueError("`v_min` must not be above `v_max` at any bus")
    options.setdefault("tol", 1e-10)

    def inside(v: DNDarray) -> DNDarray:
        return dnd.where(held, dnd.clip(v, low, high), v)

    def evaluate(v: DNDarray, init: Any) -> tuple[float, DNDarray, Solution]:
        v = v.detach().requires_grad_()
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of trials that do not converge
            solution = flow(constant.replace(v=v), p, q, init=init, **options)
            cost = _losses(solution) + penalty * _violations(solution, low, high)
            if bool(solution.converged.all()):
                cost.backward()
        solution = replace(
            solution, grid=constant.replace(v=v.detach()), v=solution.v.detach(), angle=solution.angle.detach()
        )
        return (float("inf"), v, solution) if v.grad is None else (float(cost), v.grad * held, solution)

    v = inside(constant.buses.v)
    cost, slope, solution = evaluate(v, "dc")
    if cost == float("inf"):
        raise ValueError("there is no power flow at the grid's own set points, brought within the limits")
    costs, losses, length = [cost], [_losses(solution)], 1.0
    while not (converged := float(abs(inside(v - slope) - v).max()) <= tol) and len(costs) <= max_iter:
        step = inside(v - length * slope) - v
        promised, enough = float((slope * step).sum()), max(costs[-MEMORY:])
        for halving in range(HALVINGS):
            part = 0.5**halving
            cost, new_slope, new = evaluate(v + part * step, solution)
            if cost <= enough + DESCENT * part * promised:
                break
        else:
            break  # what is left to win is less than rounding errors
        bend = part * float((step * (new_slope - slope)).sum())
        length = min(LONGEST, part**2 * float((step**2).sum()) / bend) if bend > 0 else LONGEST
        v, slope, solution = v + part * step, new_slope, new
        costs.append(cost)
        losses.append(_losses(solution))
    return SetPoints(v, solution, [float(x) * grid.base_mva for x in losses], converged)


def _limit(grid: Grid, x: Any) -> DNDarray:
    """A limit for each bus, laid out as buses are."""
    return dnd.resplit(dnd.zeros_like(grid.buses.v) + exactly(x, grid.comm), grid.split)


def _losses(solution: Solution) -> DNDarray:
    """What is fed in at all buses together; the mean of all cases."""
    return solution.S.real.sum() / (solution.cases or 1)


def _violations(solution: Solution, low: DNDarray, high: DNDarray) -> DNDarray:
    """The sum of squares by which PQ buses are beyond limits of voltage and PV buses beyond those of reactive power."""
    buses = solution.grid.buses

    def squares(x: DNDarray, *limits: DNDarray) -> DNDarray:
        least, most, which = (y if x.ndim == 1 else y[:, None] for y in limits)
        return (dnd.where(which, x - dnd.clip(x, least, most), 0.0) ** 2).sum()

    of_v = squares(solution.v, low, high, buses.kind == PQ)
    of_q = squares(solution.S.imag, buses.q_min, buses.q_max, buses.kind == PV)
    return (of_v + of_q) / (solution.cases or 1)
