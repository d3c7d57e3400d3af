"""Time series: the power flow of a grid at each step of profiles of its injections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.elementwise import as_operand

from .flow import flow
from .grid import Grid
from .solution import Solution

__all__ = ["series"]


def series(
    grid: Grid, p: Any = None, q: Any = None, *, scale: Any = None, method: str = "newton", **options: Any
) -> Solution:
    """The power flow at each step of profiles.

    Steps are dealt out over processes. The mean step is solved first; all others begin with its voltages and use its
    factorization for as long as that brings them closer.

    Parameters
    ----------
    grid : Grid
        Replicated.
    p, q : array_like or mapping, optional
        What is fed in less what is taken out, in MW and MVAr: of shape (buses, steps), or for some buses, by name, of
        shape (steps,). By default, and for other buses, what the grid says, at all steps.
    scale : array_like or mapping, optional
        Factors of p and q: of shape (steps,) for all buses alike, (buses, steps), or by the names of buses.
    method : str
    **options
        As of `flow`.

    Returns
    -------
    Solution
        With voltages of shape (buses, steps), split 1. Steps that diverge are marked, the others solved.

    Communication: that of `flow`; none between steps.

    >>> from dndarray.algorithms.power import PQ, SLACK, Grid
    >>> grid = Grid.from_arrays([SLACK, PQ], [0], [1], [0.01], [0.1], p=[0, -50], q=[0, -20])
    >>> series(grid, scale=[0.8, 1.0, 1.1]).v.shape
    (2, 3)
    """
    if grid.split is not None:
        raise ValueError("a grid that is split over buses has no steps to deal out; `grid.resplit(None)` is replicated")
    given = {"p": p, "q": q, "scale": scale}
    lengths = {what: n for name, x in given.items() if x is not None for what, n in _lengths(name, x).items()}
    if not lengths:
        raise ValueError("a series takes a profile of `p`, `q` or `scale`")
    (first, steps), *others = lengths.items()
    for what, n in others:
        if n != steps:
            raise ValueError(f"{what} has {n} steps, but {first} has {steps}")
    own = {"p": grid.buses.p * grid.base_mva, "q": grid.buses.q * grid.base_mva, "scale": dnd.ones_like(grid.buses.p)}
    p, q, scale = (_profile(grid, name, x, own[name], steps) for name, x in given.items())
    return flow(grid, p if scale is None else p * scale, q if scale is None else q * scale, method=method, **options)


def _lengths(name: str, x: Any) -> dict[str, int]:
    """For each profile of an argument what it is called, and how many steps it has."""
    if isinstance(x, Mapping):
        return {f"`{name}` of bus {bus}": np.shape(values)[-1] if np.ndim(values) else 1 for bus, values in x.items()}
    if not np.ndim(x):
        raise ValueError(f"`{name}` is a number; it must have an element for each step")
    return {f"`{name}`": np.shape(x)[-1]}


def _profile(grid: Grid, name: str, x: Any, own: DNDarray, steps: int) -> DNDarray | None:
    """What is given for each bus and step, split over steps."""
    if x is None:
        at_all = dnd.ones((1, steps), dtype=own.dtype, split=1, comm=grid.comm)
        return None if name == "scale" else own[:, None] * at_all
    if isinstance(x, Mapping):
        places = grid.places(x, f"`{name}`")
        table = np.repeat(own.detach().numpy()[:, None], steps, 1)
        table[places] = np.stack([np.asarray(values, dtype=float) for values in x.values()])
        x = dnd.array(table, split=1, comm=grid.comm)
    x, n = as_operand(x, grid.comm), len(grid.buses)
    if x.ndim == 1 and name == "scale":
        x = x[None]
    if x.ndim != 2 or x.shape[0] not in ((n, 1) if name == "scale" else (n,)):
        shapes = f"({n}, {steps})" + (f" or ({steps},)" if name == "scale" else "")
        raise ValueError(f"`{name}` has shape {x.shape}; it must have a row for each bus, {shapes}")
    return dnd.resplit(x, 1)
