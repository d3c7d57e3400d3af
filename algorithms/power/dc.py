"""The linear ("DC") power flow: angles alone, with all magnitudes 1 and branches without losses."""

from __future__ import annotations

import math
import warnings
from functools import cached_property

import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own, wrap
from dndarray.blocks import map_blocks
from dndarray.sparse import SparseArray, csr_array
from dndarray.sparse.linalg import Factors, gmres, splu
from dndarray.sparse.products import column_values, row_values

from .compiled import FILL_REDUCED
from .equations import Equations
from .grid import SLACK, Grid, rectangular
from .solution import State

__all__ = ["EXACT", "LinearGrid", "angles", "dc"]

RESTART = 150
"""Vectors that GMRES keeps for a grid that is split: with few it comes to a standstill on many processes."""

EXACT = 1e-16
"""What GMRES is to leave of the right side by default: rounding only."""


class LinearGrid:
    """The equations B angle = P - taken, of a grid without gradients; at slack buses angle = what is held."""

    def __init__(self, grid: Grid) -> None:
        grid = grid.detach()
        k, n = grid.branches, len(grid.buses)
        weight = 1 / (k.x * k.tap)
        shifted = weight * k.shift
        bus = dnd.arange(n, dtype=k.start.dtype, split=grid.split, comm=grid.comm)
        rows, columns = (
            dnd.concatenate(x) for x in ([k.start, k.end, k.start, k.end, bus], [k.start, k.end, k.end, k.start, bus])
        )
        parts = [weight, weight, rectangular(-weight, shifted), rectangular(-weight, -shifted), 0 * grid.buses.v]
        whole = csr_array((dnd.concatenate(parts), (rows, columns)), shape=(n, n), split=grid.split)
        self.free = (grid.buses.kind != SLACK).astype(weight.dtype)
        self.held = grid.buses.angle * (1 - self.free)
        self.taken = grid.buses.g_shunt - whole.imag.sum(1) + whole.real @ self.held
        """What leaves each bus where all angles but those held are 0: by shunts, phase shifters and to slack buses."""
        pattern = whole.pattern
        free = row_values(pattern, self.free) * column_values(pattern, self.free)
        on_diagonal = torch.from_numpy(pattern.rows + pattern.start == pattern.indices)
        self.B: SparseArray = whole.with_data(whole.data.real * free + on_diagonal * (1 - free))

    @cached_property
    def factors(self) -> Factors:
        return splu(self.B, **FILL_REDUCED)

    def right_side(self, p: DNDarray) -> DNDarray:
        return self.free * (p - self.taken) + self.held


def angles(grid: Grid, p: DNDarray, rtol: float = EXACT) -> DNDarray:
    """Angles of the linear power flow for injections of shape (n,) or (n, cases).

    Of a replicated grid each process solves its own cases without communication; otherwise by GMRES to the
    root of `rtol`, and once more for what is left, for a residual that is carried along drifts from the true one.
    """
    if grid.split is None:
        here = grid.own
        linear = here.linear
        if p.ndim == 1:
            right = linear.right_side(own(p.larray[torch.from_numpy(here.order)])).larray.numpy()
            return wrap(torch.from_numpy(linear.factors.factors.solve(right)[here.place]), p.layout, p.comm)
        return map_blocks(lambda block: linear.factors.solve(linear.right_side(block[here.order].T).T)[here.place], p)
    from .newton_krylov import overlapping

    near, columns = grid.banded, p.reshape(p.shape[0], -1)
    linear = near.linear
    columns = linear.right_side(columns[near.order].T).T
    half, M = math.sqrt(rtol), overlapping(linear.B)
    found = gmres(linear.B, columns, rtol=half, M=M, restart=RESTART, maxiter=10)
    if not found.converged:
        warnings.warn(f"the linear power flow was not solved to {half} by {10 * RESTART} iterations", stacklevel=4)
    rest = gmres(linear.B, columns - linear.B @ found.x, rtol=half, M=M, restart=RESTART, maxiter=1)
    return (found.x + rest.x)[near.place].reshape(p.shape)


def dc(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:
    """The linear power flow. It has no iterations; the mismatch is that of the equations that it leaves out."""
    angle = angles(grid, S.real)
    v = dnd.ones_like(angle)
    excess = Equations(grid).mismatch(v * dnd.exp(1j * angle), S)
    mismatch = abs(excess).max((0, 1))
    return State(v, angle, dnd.zeros_like(mismatch, dtype="int64"), mismatch, [float(mismatch.max(initial=0.0))])
