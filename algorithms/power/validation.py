"""What is wrong with a grid, by the names of buses and branches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.sparse.graph import connected_components

if TYPE_CHECKING:
    from .grid import Grid

__all__ = ["faults"]

PLURAL = {"bus": "buses", "branch": "branches"}

SHOWN = 3
"""How many buses or branches a message names."""


Test = tuple[set[str], Callable[[], DNDarray], str]
"""What may be wrong: the attributes that it depends on, of which buses or branches it is true, and a sentence."""


def faults(grid: Grid, changed: Collection[str]) -> list[str]:
    """A sentence for each kind of fault that there may be where these attributes are not known to be right.

    Communication, for a grid that is split: a reduction each for buses and branches, what finds its islands, and a
    gather of the faulty ones.
    """
    found = _of_tables(grid, changed)
    if not found:
        found = _named(grid, "bus", _wrong_buses(grid), changed)
        found += _named(grid, "branch", _wrong_branches(grid), changed)
    islands: Test = ({"kind", "start", "end"}, lambda: _unsupplied(grid), "there is no slack bus in its island")
    return found or _named(grid, "bus", [islands], changed)


def _of_tables(grid: Grid, changed: Collection[str]) -> list[str]:
    """What is wrong with shapes, layouts and names, which every process knows."""
    found = []
    if not grid.base_mva > 0:
        found.append(f"`base_mva` is {grid.base_mva}; it must be positive")
    for what, table, names in (("bus", grid.buses, grid.bus_names), ("branch", grid.branches, grid.branch_names)):
        first, *others = fields(table)
        layout = getattr(table, first.name).layout
        if layout.ndim != 1:
            found.append(f"`{first.name}` has shape {layout.shape}; its only axis must be that of {PLURAL[what]}")
        for other in others:
            array = getattr(table, other.name)
            if array.layout != layout:
                have = f"`{other.name}` has shape {array.shape} and split {array.split}"
                found.append(f"{have}, `{first.name}` {layout.shape} and {layout.split}")
        if len(names) != len(table):
            found.append(f"there are {len(names)} names for {len(table)} {PLURAL[what]}")
        if f"{what}_names" in changed and len(set(names.tolist())) < len(names):
            twice = [name for name, count in Counter(names.tolist()).items() if count > 1]
            found.append(f"{_listed(what, twice, len(twice))}: the name is given more than once")
    if not found and len(grid.buses) == 0:
        found.append("there is no bus")
    return found


def _not_finite(table: Any, names: set[str]) -> list[Test]:
    def test(name: str) -> Test:
        return {name}, lambda: ~dnd.isfinite(getattr(table, name).detach()), f"`{name}` is not finite"

    return [test(f.name) for f in fields(table) if f.name not in names]


def _wrong_buses(grid: Grid) -> list[Test]:
    b = grid.buses
    kind, v, q_min, q_max = (x.detach() for x in (b.kind, b.v, b.q_min, b.q_max))
    return [
        ({"kind"}, lambda: (kind < 1) | (kind > 3), "the kind is none of PQ (1), PV (2) and SLACK (3)"),
        *_not_finite(b, {"kind", "q_min", "q_max"}),
        ({"v"}, lambda: ~(v > 0), "the voltage is not positive"),
        ({"q_min", "q_max"}, lambda: ~(q_min <= q_max), "`q_min` is not below `q_max`"),
    ]


def _wrong_branches(grid: Grid) -> list[Test]:
    k, n = grid.branches, len(grid.buses)
    r, x, dr, dx, tap, rating = (a.detach() for a in (k.r, k.x, k.dr, k.dx, k.tap, k.rating))
    ends = {"start", "end"}
    return [
        (
            ends,
            lambda: (k.start < 0) | (k.start >= n) | (k.end < 0) | (k.end >= n),
            f"an end is no bus; buses have the numbers 0 to {n - 1}",
        ),
        (ends, lambda: k.start == k.end, "both ends are at one bus"),
        *_not_finite(k, {"start", "end", "rating"}),
        (
            {"r", "x", "dr", "dx"},
            lambda: ((r == 0) & (x == 0)) | ((r + dr == 0) & (x + dx == 0)),
            "the impedance is zero; join the buses instead",
        ),
        ({"tap"}, lambda: ~(tap > 0), "`tap` is not positive"),
        ({"rating"}, lambda: ~(rating >= 0), "`rating` is negative or NaN"),
    ]


def _unsupplied(grid: Grid) -> DNDarray:
    from .grid import SLACK

    slack = (grid.buses.kind == SLACK).astype("float64")
    Y = grid.admittance.detach()
    _, label = connected_components(Y.with_data(torch.ones_like(Y.data.real)))
    return (dnd.bincount(label, slack) == 0)[label]


def _named(grid: Grid, what: str, tests: list[Test], changed: Collection[str]) -> list[str]:
    """The sentences of tests that are true of some buses or branches, with the first of their names."""
    names = grid.bus_names if what == "bus" else grid.branch_names
    wrong = [(mask(), sentence) for involved, mask, sentence in tests if not involved.isdisjoint(changed)]
    counts = dnd.stack([mask for mask, _ in wrong]).sum(1).tolist() if wrong else []
    found = []
    for count, (mask, sentence) in zip(counts, wrong, strict=True):
        if count:
            first = dnd.flatnonzero(mask)[:SHOWN].numpy()
            found.append(f"{_listed(what, names[first], int(count))}: {sentence}")
    return found


def _listed(what: str, names: Any, count: int) -> str:
    """As "buses 3, 5, 8 and 4 others"."""
    shown = ", ".join(str(name) for name in np.asarray(names)[:SHOWN])
    rest = count - SHOWN
    return f"{PLURAL[what] if count > 1 else what} {shown}" + (
        f" and {rest} other{'s' * (rest > 1)}" if rest > 0 else ""
    )
