"""Grids that are made rather than read, to try methods on."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

import dndarray as dnd

from .grid import Grid

__all__ = ["replicated"]


def replicated(grid: Grid, copies: int, ties: int | None = None, *, x: float = 1.0, seed: int = 0) -> Grid:
    """A grid as large as several of this one, with lines between random buses of different copies.

    Parameters
    ----------
    grid : Grid
    copies : int
        Each with slack buses of its own.
    ties : int, optional
        Lines between copies: by default twenty for each, unless there is one copy only.
    x : float
        The reactance of these lines in per unit; they have no resistance.
    seed : int
        Of the buses that lines join.

    Returns
    -------
    Grid
        Split as the one given.

    Communication: if split, that of concatenating each array.

    Source: Oez et al., arXiv:2603.28203 (2026), who measure on such grids how methods scale.
    """
    if copies < 1:
        raise ValueError(f"`copies` (={copies}) must be 1 or more")
    ties = 20 * copies * (copies > 1) if ties is None else ties
    if ties and copies == 1:
        raise ValueError(f"`ties` (={ties}) are between copies, of which there is one; `copies` must be 2 or more")
    n, k = len(grid.buses), grid.branches
    rng = np.random.default_rng(seed)
    first = rng.integers(copies, size=ties)
    second = (first + rng.integers(1, max(copies, 2), size=ties)) % copies
    line: dict[str, np.ndarray] = {name: np.zeros(ties) for name in (f.name for f in fields(k))}
    line |= {name: n * copy + rng.integers(n, size=ties) for name, copy in (("start", first), ("end", second))}
    line |= {"x": np.full(ties, x), "tap": np.ones(ties), "rating": np.full(ties, np.inf)}

    def together(name: str) -> dnd.DNDarray:
        array = getattr(k, name)
        parts = [array + n * i if name in ("start", "end") else array for i in range(copies)]
        more = dnd.array(line[name], dtype=array.dtype, split=array.split, comm=grid.comm)
        return dnd.concatenate([*parts, more])

    buses = replace(
        grid.buses, **{f.name: dnd.concatenate([getattr(grid.buses, f.name)] * copies) for f in fields(grid.buses)}
    )
    branches = replace(k, **{f.name: together(f.name) for f in fields(k)})
    xy = None if grid.coordinates is None else np.tile(grid.coordinates, (copies, 1))
    return Grid(buses, branches, grid.base_mva, coordinates=xy, name=f"{copies} x {grid.name}" if grid.name else "")
