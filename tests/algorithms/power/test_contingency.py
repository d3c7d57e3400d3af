"""Outages against pandapower with elements switched off, and against grids that have never had the branches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import networkx
import numpy as np
import pandapower
import pytest
from dndarray.algorithms.power import Grid, flow
from dndarray.algorithms.power.contingency import Contingencies, contingencies, without
from dndarray.algorithms.power.equations import Equations
from dndarray.algorithms.power.islands import cut_labels, cut_off, cuts
from dndarray.algorithms.power.removal import compiled_without
from power_samples import case, net

import dndarray as dnd


def pandapower_without(name: str, branches: list[int]) -> np.ndarray:
    """Complex voltages in per unit by pandapower, with elements out of service."""
    theirs, grid = net(name), case(name)
    for branch in branches:
        element, number = str(grid.branch_names[branch]).split()
        theirs[element].loc[int(number), "in_service"] = False
    options: dict[str, Any] = {"init": "dc", "calculate_voltage_angles": True, "tolerance_mva": 1e-8, "numba": False}
    pandapower.runpp(theirs, **options)
    result = theirs.res_bus.loc[grid.bus_names]
    return result.vm_pu.to_numpy() * np.exp(1j * np.deg2rad(result.va_degree.to_numpy()))


def check_against_pandapower(name: str, found: Contingencies, cases: list[int]) -> None:
    V = found.solution.V.numpy()
    for i in cases:
        out = [int(b) for b in found.outages[:, i] if b >= 0]
        assert abs(V[:, i] - pandapower_without(name, out)).max() < 1e-8, out


def test_outages_of_118_buses() -> None:
    found = contingencies(case("case118"), tol=1e-10)
    assert len(found) == 186 and found.islanded.sum() == 9
    np.testing.assert_array_equal(found.converged.numpy(), ~found.islanded)
    check_against_pandapower("case118", found, np.flatnonzero(~found.islanded)[::20].tolist())


@pytest.mark.slow
def test_every_outage_of_118_buses() -> None:
    found = contingencies(case("case118"), tol=1e-10)
    check_against_pandapower("case118", found, np.flatnonzero(~found.islanded).tolist())


@pytest.mark.slow
def test_outages_of_1354_buses() -> None:
    found = contingencies(case("case1354pegase"), tol=1e-10, severity="voltage")
    converged = np.flatnonzero(found.converged.numpy())
    assert len(converged) + found.islanded.sum() >= len(found) - 4
    check_against_pandapower("case1354pegase", found, converged[:: len(converged) // 10].tolist())


def test_several_branches_at_once() -> None:
    grid = case("case118")
    out = [(7, 30), (3,), 12, ("line 5", "line 60", "trafo 2"), grid.branch_names[40]]
    found = contingencies(grid, out, tol=1e-10)
    assert found.outages.shape == (3, 5)
    assert found.name(3) == "line 5, line 60, trafo 2"
    check_against_pandapower("case118", found, np.flatnonzero(~found.islanded).tolist())


def test_any_split_and_any_number_of_ranks_give_the_same_numbers() -> None:
    grid = case("case57")
    found = contingencies(grid, severity="voltage")
    alone = Contingencies(**vars(found) | vars(contingencies(alone_here(grid), severity="voltage")))
    np.testing.assert_allclose(found.solution.V.numpy(), alone.solution.V.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.severity.numpy(), alone.severity.numpy(), rtol=0, atol=1e-12)
    assert found.ranking.tolist() == alone.ranking.tolist()


def test_equations_without_branches_are_those_of_the_grid_without_them() -> None:
    here, out = case("case57").own, np.array([3, -1, 20])
    found, expected = compiled_without(here, out), Equations(without(here.grid, out)).compiled
    np.testing.assert_allclose(found.Y.toarray(), expected.Y.toarray(), rtol=0, atol=1e-12)
    V, S = np.exp(1j * np.linspace(0, 1, 57)), np.zeros(57)
    factors = (x.at(V, S).factors() for x in (found, expected))
    np.testing.assert_allclose(*(x.solve(found.at(V, S).excess) for x in factors), rtol=1e-9, atol=1e-12)


def alone_here(grid: Grid) -> Grid:
    """The grid on a communicator of this process alone."""
    from dndarray.array import own

    return grid.with_arrays([own(x.larray) for x in grid.arrays])


def test_iterations_take_no_communication() -> None:
    grid, counts = case("case57"), []
    for tol in (1e-2, 1e-10):
        with dnd.testing.count_collectives() as count:
            contingencies(grid, severity="voltage", tol=tol)
        counts.append(count.total)
    assert counts[0] == counts[1] <= 12


# --- islands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["case9", "case30", "case57", "case118", "case1354pegase"])
def test_bridges(name: str) -> None:
    grid = case(name)
    ends = [tuple(sorted(pair)) for pair in zip(grid.branches.start.tolist(), grid.branches.end.tolist(), strict=True)]
    count = Counter(ends)
    bridges = {tuple(sorted(pair)) for pair in networkx.bridges(networkx.Graph(list(count)))}
    expected = [pair in bridges and count[pair] == 1 for pair in ends]
    assert cuts(cut_labels(grid), np.arange(len(ends))[None]).tolist() == expected


@pytest.mark.parametrize("branches", [2, 3, 5])
def test_cuts_of_several_branches(branches: int) -> None:
    grid = case("case57")
    rng = np.random.default_rng(branches)
    out = np.array([rng.choice(len(grid.branches), branches, replace=False) for _ in range(300)]).T
    expected = [len(cut_off(grid, out[:, i])) > 0 for i in range(300)]
    assert any(expected) and not all(expected)
    assert cuts(cut_labels(grid), out).tolist() == expected


def test_an_island_with_a_slack_bus_of_its_own_is_solved() -> None:
    grid = Grid.from_arrays([3, 1, 1, 3], [0, 1, 2], [1, 2, 3], 0.01, 0.1, p=[0, -30, -20, 0], rating=100)
    found = contingencies(grid)
    assert not found.islanded.any() and bool(found.converged.all())
    for i in range(3):
        np.testing.assert_allclose(found.case(i).V.numpy(), flow(without(grid, np.array([i]))).V.numpy(), atol=1e-8)


def test_what_is_cut_off_is_named_and_not_solved() -> None:
    grid = Grid.from_arrays(
        [3, 1, 1], [0, 0, 1], [1, 1, 2], 0.01, 0.1, p=[0, -30, -20], rating=100, bus_names=["a", "b", "c"]
    )
    found = contingencies(grid, [0, 1, 2, (0, 1)])
    assert found.islanded.tolist() == [False, False, True, True]
    assert found.cut_off(2).tolist() == ["c"] and found.cut_off(3).tolist() == ["b", "c"]
    assert np.isnan(found.solution.v.numpy()[:, 2:]).all() and np.isnan(found.severity.numpy()[2:]).all()
    assert found.ranking.tolist() == [0, 1] and not found.converged.numpy()[2:].any()


# --- ranking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", ["current", "power", "excess", "voltage"])
def test_severity(severity: str) -> None:
    grid = case("case30").replace(rating=dnd.full(41, 0.3, dtype="float64"))
    found = contingencies(grid, severity=severity)
    for i in found.ranking[:3]:
        alone = flow(without(grid, found.outages[:, i]))
        if severity == "voltage":
            expected = abs(alone.v - flow(grid).v).max()
        elif severity == "excess":
            expected = alone.loading("power").max() * 0.3 - 30  # every rating is of 30 MVA
        else:
            expected = alone.loading(severity).max()
        assert found.severity.numpy()[i] == pytest.approx(expected.item(), rel=1e-6)
    values = found.severity.numpy()[found.ranking]
    assert (np.diff(values) <= 1e-12).all()


@pytest.mark.parametrize("method", ["newton", "dc"])
def test_the_worst_are_solved_again(method: str) -> None:
    found = contingencies(case("case118"), method=method, top_k=5)
    assert len(found.refined) == 5
    assert found.difference < 1e-7 if method == "newton" else 1e-3 < found.difference < 1
    V = found.solution.V.numpy()
    for i in found.refined:
        assert abs(V[:, i] - pandapower_without("case118", [int(found.outages[0, i])])).max() < 1e-7
    assert found.table(3)["refined"].any()


def test_angles_by_distribution_factors() -> None:
    grid = case("case57")
    found = contingencies(grid, [3, (10, 20), 40], method="dc", severity="voltage")
    for i in range(3):
        expected = flow(without(grid, found.outages[:, i]), method="dc").angle.numpy()
        np.testing.assert_allclose(found.solution.angle.numpy()[:, i], expected, rtol=0, atol=1e-9)


def test_injections_of_the_users() -> None:
    grid = case("case30")
    p, q = 0.8 * grid.injection.numpy().real * grid.base_mva, 0.7 * grid.injection.numpy().imag * grid.base_mva
    for method in ("newton", "dc"):
        found = contingencies(grid, [2, 5], p, q, method=method, severity="voltage")
        for i in range(2):
            alone = flow(without(grid, found.outages[:, i]), p, q, method=method)
            np.testing.assert_allclose(found.solution.angle.numpy()[:, i], alone.angle.numpy(), rtol=0, atol=1e-8)


def test_a_case_without_solution_is_marked_and_ranked_first() -> None:
    grid = Grid.from_arrays([3, 1], [0, 0, 0], [1, 1, 1], 0.0, [0.1, 0.3, 10.0], p=[0, -300], rating=500)
    found = contingencies(grid)
    assert found.converged.tolist() == [False, True, True]
    assert found.ranking[0] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outages": "n-7"}, "must be 'n-1', 'n-2'"),
        ({"outages": [0, 500]}, "case 1 of `outages` names the branch 500"),
        ({"outages": ["nothing"]}, "'nothing'"),
        ({"outages": [(1, 1)]}, "twice"),
        ({"method": "magic"}, "`method`"),
        ({"severity": "magic"}, "`severity`"),
        ({"top_k": -1}, "`top_k`"),
        ({"tol": -1.0}, "`tol`"),
        ({"p": np.ones((57, 2))}, "the same for all outages"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contingencies(case("case57"), **given)


def test_numbers_of_branches_are_integers() -> None:
    with pytest.raises(TypeError, match="integer"):
        contingencies(case("case57"), [1.5])
    assert contingencies(case("case57"), np.array([[1, 2]]), severity="voltage").outages.tolist() == [[1], [2]]


def test_no_outages() -> None:
    found = contingencies(case("case9"), [])
    assert len(found) == 0 and found.ranking.tolist() == []


def test_every_pair() -> None:
    found = contingencies(case("case9"), "n-2", severity="voltage", voltages=False)
    assert len(found) == 36 and found.v is None
    with pytest.raises(ValueError, match="voltages=True"):
        found.case(0)
