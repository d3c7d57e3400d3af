"""Limits of reactive power: a generator that reaches one holds it, and its voltage no more."""

from __future__ import annotations

from typing import Any

import dndarray as dnd

from .flow import flow, injection
from .grid import PQ, PV, Grid
from .solution import Solution

__all__ = ["within_limits"]


def within_limits(grid: Grid, p: Any, q: Any, init: Any, **options: Any) -> Solution:
    """The power flow of one case in which no PV bus feeds in more, or less, reactive power than it may.

    Those that would are made PQ buses with Q at the limit, all at once, and it is solved again from there, until none
    is left; none is made a PV bus again. The grid of the solution has the kinds of buses that were arrived at.
    """
    S = injection(grid, p, q)
    if S.ndim > 1:
        raise ValueError("`enforce_q_limits` takes one case, for buses are of other kinds in each")
    grid = grid.replace(p=S.real, q=S.imag)
    while True:
        found = flow(grid, init=init, **options)
        buses, fed_in = grid.buses, found.S.imag.detach()
        above = (buses.kind == PV) & (fed_in > buses.q_max)
        below = (buses.kind == PV) & (fed_in < buses.q_min)
        if not (bool(found.converged) and bool((above | below).any())):
            return found
        q = dnd.where(above, buses.q_max, dnd.where(below, buses.q_min, buses.q))
        grid = grid.replace(kind=dnd.where(above | below, PQ, buses.kind), q=q)
        init = found
