"""Gradients of what a power flow has found, by implicit differentiation of the equations that it has solved.

At the solution F(x, parameters) = 0 for all parameters, so that one Newton step x - J^-1 F, with x and J constant, has
the value of x and its first derivatives. The step itself is zero and is not computed; what is computed, in backward, is
its adjoint: one system with the transposed Jacobian for each case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.linalg import LinAlgError

import dndarray as dnd
from dndarray import DNDarray
from dndarray.blocks import map_blocks
from dndarray.collectives import needs_grad
from dndarray.linalg.adjoints import differentiable
from dndarray.sparse.linalg import aslinearoperator, gmres, splu

from .compiled import FILL_REDUCED
from .equations import Equations
from .grid import Grid
from .newton_krylov import overlapping
from .solution import State

__all__ = ["implicit", "solve_adjoint"]

ACCURACY = 1e-11
"""Of adjoint solutions: the residual left, as a part of the right-hand side."""

SWEEPS = 20
"""Refinements with the factors of a mean case before cases get factors of their own."""

BLOCK = 2**16
"""Buses times cases that are solved at a time, so that their arrays fit into a cache."""


def implicit(grid: Grid, S: DNDarray, state: State) -> tuple[DNDarray, DNDarray]:
    """Magnitudes and angles of a state, as functions of S and of all that the grid is made of.

    Communication: forward that of one mismatch; backward, for a replicated grid, one small collective and, of cases
    that are dealt out, one all-reduce for each array; for a grid that is split over buses the iterations of GMRES.
    """
    if not needs_grad(S.larray, *(x.larray for x in grid.arrays)):
        return state.v, state.angle
    eq = Equations(grid)
    every = (slice(None), None) if state.v.ndim == 2 else slice(None)
    free_angle, free_v = (eq.unknown[:, k][every] > 0 for k in (0, 1))
    v = dnd.where(free_v, state.v, grid.buses.v[every])
    angle = dnd.where(free_angle, state.angle, grid.buses.angle[every])
    excess = eq.mismatch(v * dnd.exp(1j * angle), S)
    V = state.v * dnd.exp(1j * state.angle)

    def adjoint(given: Sequence[DNDarray], found: Sequence[DNDarray], grads: Sequence[DNDarray]) -> list[DNDarray]:
        if torch.is_grad_enabled():
            raise NotImplementedError("a power flow has first derivatives only; call backward without create_graph")
        return [solve_adjoint(grid.detach(), V, grads[0])]

    step = differentiable(dnd.zeros_like, adjoint)(excess)
    return v * (1 - step[:, 1]), angle - step[:, 0]


def solve_adjoint(grid: Grid, V: DNDarray, right: DNDarray) -> DNDarray:
    """The solution of J^T y = right at voltages V of shape (n,) or (n, cases); right has shape (n, 2[, cases])."""
    if grid.split is not None:
        return _by_krylov(grid, V, right)
    if V.ndim == 1:
        return map_blocks(lambda *x: _of_cases(grid, *x), V[:, None], right[..., None])[..., 0]
    return map_blocks(lambda *x: _of_cases(grid, *x), V, right, size=max(1, BLOCK // len(grid.buses)))


def _of_cases(grid: Grid, V: DNDarray, right: DNDarray) -> DNDarray:
    """For cases of this process alone: refined with the factors of the mean case, or each with factors of its own."""
    here, cases = grid.own, V.shape[1]
    if not cases:
        return right
    eq, V, right = here.equations, V[here.order], right[here.order]
    factors = splu(eq.jacobian(V.mean(1)), **FILL_REDUCED)
    y, left = dnd.zeros_like(right), right
    size = abs(right).max((0, 1))
    enough = ACCURACY * size
    for _ in range(SWEEPS):
        y = y + factors.solve(left.reshape(-1, cases), "T").reshape(right.shape)
        left = right - eq.transposed_product(V, y)
        last, size = size, abs(left).max((0, 1))
        if not bool(((size > enough) & (size < last / 2)).any()):
            break
    for k in np.flatnonzero((size > enough).numpy()):
        try:
            own_factors = splu(eq.jacobian(V[:, k]), **FILL_REDUCED)
        except LinAlgError:  # of a case that has not converged
            y[..., k] = torch.nan
            continue
        y[..., k] = own_factors.solve(right[..., k].reshape(-1), "T").reshape(right.shape[:2])
    return y[here.place]


def _by_krylov(grid: Grid, V: DNDarray, right: DNDarray) -> DNDarray:
    """For a grid that is split over buses, case by case."""
    if V.ndim == 1:
        return _by_krylov(grid, V[:, None], right[..., None])[..., 0]
    near = grid.banded
    V, right = V[near.order], right[near.order]
    found = []
    for k in range(V.shape[1]):
        jacobian = near.equations.jacobian(V[:, k])
        transposed, inverse = aslinearoperator(jacobian).T, overlapping(jacobian).T
        solution = gmres(
            transposed, near.equations.interleaved(right[..., k]), rtol=ACCURACY, M=inverse, restart=60, maxiter=10
        )
        found.append(near.equations.by_bus(solution.x))
    return dnd.stack(found, 2)[near.place]
