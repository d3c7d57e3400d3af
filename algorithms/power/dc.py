"""The linear ("DC") power flow: angles alone, with all magnitudes 1 and branches without losses."""

from __future__ import annotations

from functools import cached_property

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.elementwise import as_operand
from dndarray.functional import map_blocks
from dndarray.sparse import SparseArray, csr_array
from dndarray.sparse.linalg import Factors, gmres, splu

from .compiled import FILL_REDUCED
from .equations import Equations
from .grid import SLACK, Grid
from .solution import State

__all__ = ["LinearGrid", "angles", "dc"]


class LinearGrid:
    """The equations B angle = P - taken, of a grid without gradients; at slack buses angle = what is held."""

    def __init__(self, grid: Grid) -> None:
        grid = grid.with_arrays([x.detach() for x in grid.arrays])
        k, n, m = grid.branches, len(grid.buses), len(grid.branches)
        weight = 1 / (k.x * k.tap)
        branch = dnd.arange(m, dtype=k.start.dtype, split=grid.split, comm=grid.comm)
        ends, twice = dnd.concatenate([k.start, k.end]), dnd.concatenate([branch, branch])
        one = dnd.ones_like(weight)
        incidence = csr_array((dnd.concatenate([one, -one]), (ends, twice)), shape=(n, m), split=grid.split)
        self.taken = grid.buses.g_shunt - incidence @ (weight * k.shift)
        """What leaves each bus where all angles are equal: through shunts and phase shifters."""
        self.free = (grid.buses.kind != SLACK).astype(weight.dtype)
        self.held = grid.buses.angle * (1 - self.free)
        bus = dnd.arange(n, dtype=k.start.dtype, split=grid.split, comm=grid.comm)
        places = (dnd.concatenate([ends, ends, bus]), dnd.concatenate([ends, k.end, k.start, bus]))
        whole = dnd.concatenate([weight, weight, -weight, -weight, 0 * self.free])
        self.toward_held = csr_array((whole, places), shape=(n, n), split=grid.split) @ self.held
        free = self.free[places[0]] * self.free[places[1]]
        values = whole * free + dnd.concatenate([0 * weight] * 4 + [1 - self.free])
        self.B: SparseArray = csr_array((values, places), shape=(n, n), split=grid.split)

    @cached_property
    def factors(self) -> Factors:
        return splu(self.B, **FILL_REDUCED)

    def right_side(self, p: DNDarray) -> DNDarray:
        return self.free * (p - self.taken - self.toward_held) + self.held


def angles(grid: Grid, p: DNDarray) -> DNDarray:
    """Angles of the linear power flow for injections of shape (n,) or (n, cases).

    Of a replicated grid each process solves its own cases without communication; otherwise by GMRES.
    """
    if grid.split is None:
        here = grid.own

        def solve(block: DNDarray) -> DNDarray:
            linear = here.linear
            return linear.factors.solve(linear.right_side(block[here.order].T).T)[here.place]

        return map_blocks(solve, p) if p.ndim == 2 else as_operand(solve(own(p.larray)).larray, grid.comm)
    from .newton_krylov import overlapping

    near, columns = grid.banded, p.reshape(p.shape[0], -1)
    linear = near.linear
    right = linear.right_side(columns[near.order].T).T
    return gmres(linear.B, right, rtol=1e-12, M=overlapping(linear.B)).x[near.place].reshape(p.shape)


def dc(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:  # noqa: N803
    """The linear power flow. It has no iterations; the mismatch is that of the equations that it leaves out."""
    angle = angles(grid, S.real)
    v = dnd.ones_like(angle)
    excess = Equations(grid).mismatch(v * dnd.exp(1j * angle), S)
    mismatch = abs(excess).max((0, 1))
    return State(v, angle, dnd.zeros_like(mismatch, dtype="int64"), mismatch, [float(mismatch.max())])
