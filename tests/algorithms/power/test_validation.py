"""What is wrong with a grid is said on every process, by the names of buses and branches."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from dndarray.algorithms.power import Grid, flow, validation
from power_samples import case

import dndarray as dnd
from dndarray.testing import count_collectives


def changed(grid: Grid, name: str, places: list[int], value: float) -> dict[str, Any]:
    """The grid's array of that name with another value at some places."""
    table = grid.buses if hasattr(grid.buses, name) else grid.branches
    array = getattr(table, name).numpy().copy()
    array[places] = value
    return {name: dnd.array(array)}


def without_branches_of(grid: Grid, bus: int) -> Grid:
    """The grid in which nothing leads to a bus."""
    k = grid.branches
    kept = np.flatnonzero((k.start.numpy() != bus) & (k.end.numpy() != bus))
    branches = type(k)(**{f.name: getattr(k, f.name)[kept] for f in fields(k)})
    return grid.replace(branches=branches, branch_names=grid.branch_names[kept])


FAULTS = [
    ("kind", [3, 4], 7, "buses 3, 4: the kind is none of"),
    ("kind", list(range(118)), 1, "buses 0, 1, 2 and 115 others: there is no slack bus in its island"),
    ("p", [8], np.nan, "bus 8: `p` is not finite"),
    ("v", [1, 2, 3, 4], 0.0, "buses 1, 2, 3 and 1 other: the voltage is not positive"),
    ("q_max", [5], -1e6, "bus 5: `q_min` is not below `q_max`"),
    ("q_max", [5], np.nan, "bus 5: `q_min` is not below `q_max`"),
    ("end", [3], 400, r"branch line 3: an end is no bus; buses have the numbers 0 to 117"),
    ("r", [3, 4], np.inf, "branches line 3, line 4: `r` is not finite"),
    ("tap", [6], 0.0, "branch line 6: `tap` is not positive"),
    ("rating", [7], -1.0, "branch line 7: `rating` is negative"),
]


@pytest.mark.parametrize("split", [None, 0])
@pytest.mark.parametrize(("name", "places", "value", "message"), FAULTS)
def test_faults_are_named(split: int | None, name: str, places: list[int], value: float, message: str) -> None:
    grid = case("case118")
    faulty = grid.replace(**changed(grid, name, places, value)).resplit(split)
    with pytest.raises(ValueError, match=message):
        faulty.validate()
    with pytest.raises(ValueError, match="case118"):
        flow(faulty)


@pytest.mark.parametrize("split", [None, 0])
def test_branches_that_are_none(split: int | None) -> None:
    grid = case("case118")
    short = grid.replace(**changed(grid, "r", [5], 0.0), **changed(grid, "x", [5], 0.0))
    with pytest.raises(ValueError, match="branch line 5: the impedance is zero"):
        short.resplit(split).validate()
    loop = grid.replace(**changed(grid, "end", [9], grid.branches.start[9].item()))
    with pytest.raises(ValueError, match="branch line 9: both ends are at one bus"):
        loop.resplit(split).validate()


@pytest.mark.parametrize("split", [None, 0])
def test_islands_without_a_slack_bus(split: int | None) -> None:
    grid = without_branches_of(case("case118"), 9)
    with pytest.raises(ValueError, match="bus 9: there is no slack bus in its island"):
        grid.resplit(split).validate()
    supplied = grid.replace(**changed(grid, "kind", [9], 3))
    supplied.resplit(split).validate()
    assert bool(flow(supplied).converged)


def test_tables_that_do_not_fit() -> None:
    grid = case("case118")
    with pytest.raises(ValueError, match=r"`r` has shape \(185,\) and split None, `start` \(186,\) and None"):
        grid.replace(r=grid.branches.r[1:]).validate()
    with pytest.raises(ValueError, match="there are 3 names for 118 buses"):
        grid.replace(bus_names=[1, 2, 3]).validate()
    with pytest.raises(ValueError, match="bus 5: the name is given more than once"):
        grid.replace(bus_names=np.r_[:117, 5]).validate()
    with pytest.raises(ValueError, match=r"`base_mva` is 0.0"):
        grid.replace(base_mva=0.0).validate()


def test_several_faults_are_said_at_once() -> None:
    grid = case("case118")
    faulty = grid.replace(**changed(grid, "p", [1], np.nan), **changed(grid, "rating", [2], -1.0))
    with pytest.raises(ValueError, match=r"bus 1: `p` is not finite; branch line 2: `rating` is negative"):
        faulty.validate()


def test_a_grid_is_looked_at_once_and_without_messages() -> None:
    grid = case("case118").replace()
    with count_collectives() as counted:
        grid.validate()
        grid.validate()
    assert counted.total == 0


def test_only_what_is_replaced_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = case("case57")
    grid.validate()
    looked: list[set[str]] = []

    def named(grid: Grid, what: str, tests: list, changed: set[str]) -> list[str]:
        looked.append({name for involved, *_ in tests for name in involved & changed})
        return []

    monkeypatch.setattr(validation, "_named", named)
    grid.validate()
    assert not looked
    grid.replace(v=grid.buses.v * 1.01).validate()
    assert set().union(*looked) == {"v"}
    looked.clear()
    grid.replace(branches=grid.branches).validate()
    assert set().union(*looked) == {f.name for f in fields(grid.branches)}


def test_a_fault_among_what_is_replaced_is_found() -> None:
    grid = case("case57")
    grid.validate()
    wrong = grid.replace(**changed(grid, "x", [3], np.nan))
    for _ in range(2):
        with pytest.raises(ValueError, match="`x` is not finite"):
            wrong.validate()
    with pytest.raises(ValueError, match="`v` is not finite"):
        grid.replace(p=grid.buses.p).replace(**changed(grid, "v", [3], np.nan)).validate()
