"""How much a quantity of a solution changes with each parameter of its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

import dndarray as dnd
from dndarray import DNDarray

from .equations import Equations
from .gradients import implicit
from .solution import Solution, State

__all__ = ["PARAMETERS", "sensitivity"]

PARAMETERS = ("p", "q", "v", "angle", "g_shunt", "b_shunt", "r", "x", "g", "b", "tap", "shift")
"""Of buses and of branches: what a solution depends on smoothly."""


def sensitivity(
    solution: Solution, objective: Callable[[Solution], DNDarray], wrt: Sequence[str] = ("p", "q", "v")
) -> dict[str, DNDarray]:
    """The gradient of a number that is computed from a solution, by parameters of the grid.

    Parameters
    ----------
    solution : Solution
        Of one case or of many.
    objective : callable
        From a solution to a number, in dndarray's functions: `lambda s: s.loss.real.sum()`, `lambda s: s.v[17]`.
        What it needs of the grid itself it finds in `s.grid`, injections in `s.S`.
    wrt : sequence of str
        Names of what the grid's buses ("p", "q", "v", "angle", "g_shunt", "b_shunt") and branches ("r", "x", "g", "b",
        "tap", "shift") have. Injections change where they are given, voltages where they are held; elsewhere the
        gradient is 0.

    Returns
    -------
    dict of DNDarray
        For each name an array that lies as the parameter does, in per unit (radians for angles): by how much the
        objective grows when this element grows by 1, all others being as they are. By "p" and "q" of many cases it has
        a column for each case.

    Communication: that of one mismatch, of the objective and its gradient, and as told in `gradients.implicit`.
    However many parameters there are, one system of linear equations is solved for each case.
    """
    unknown = set(wrt) - set(PARAMETERS)
    if unknown:
        raise ValueError(f"`wrt` names {sorted(unknown)}; a solution depends on {', '.join(PARAMETERS)}")
    if solution.outages is not None:
        raise ValueError("branches are out that `solution.grid` has; take `contingencies(...).case(k)`")
    grid, v, angle = solution.grid.detach(), solution.v.detach(), solution.angle.detach()
    fed = Equations(grid).power(v * dnd.exp(1j * angle))
    leaves = {"p": fed.real.copy(), "q": fed.imag.copy()}
    for table in (grid.buses, grid.branches):
        leaves.update({name: getattr(table, name).copy() for name in PARAMETERS[2:] if hasattr(table, name)})
    for name in wrt:
        leaves[name].requires_grad_()
    state = State(v, angle, solution.iterations, solution.mismatch, solution.history)
    with torch.enable_grad():
        changed = grid.replace(**{name: leaves[name] for name in wrt if name not in ("p", "q")})
        v, angle = implicit(changed, leaves["p"] + 1j * leaves["q"], state)
        value = objective(replace(solution, grid=changed, v=v, angle=angle))
        if value.size != 1:
            raise ValueError(f"`objective` must give one number, not an array of shape {value.shape}")
        if value.requires_grad:
            value.sum().backward()
    grads = {name: leaves[name].grad for name in wrt}
    return {name: dnd.zeros_like(leaves[name].detach()) if grad is None else grad for name, grad in grads.items()}
