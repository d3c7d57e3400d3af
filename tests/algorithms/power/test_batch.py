"""Batches of cases against one case at a time, and against pandapower."""

from __future__ import annotations

import numpy as np
import pandapower
import pytest
from dndarray.algorithms.power import PQ, Grid, batch, flow
from power_samples import case, net, reference

import dndarray as dnd


def scenarios(grid: Grid, cases: int, spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """P and Q in MW and MVAr, each bus by a random factor of its own."""
    factor = 1 + spread * np.random.default_rng(seed).uniform(-1, 1, (len(grid.buses), cases))
    base = grid.injection.numpy()[:, None] * grid.base_mva * factor
    return base.real, base.imag


@pytest.mark.parametrize("name", ["case9", "case57", "case118"])
def test_each_case_is_what_it_is_alone(name: str) -> None:
    grid = case(name)
    p, q = scenarios(grid, 7)
    found = flow(grid, dnd.array(p, split=1), dnd.array(q, split=1), tol=1e-10)
    assert bool(found.converged.all())
    V = found.V.numpy()
    for i in range(7):
        assert abs(V[:, i] - flow(grid, p[:, i], q[:, i], tol=1e-11).V.numpy()).max() < 1e-8


@pytest.mark.parametrize("name", ["case14", "case57", "case118"])
def test_voltages_are_as_accurate_as_mismatches(name: str) -> None:
    grid = case(name)
    p, q = (dnd.array(x, split=1) for x in scenarios(grid, 40, 0.3))
    found, exact = (flow(grid, p, q, tol=tol).V for tol in (1e-8, 1e-12))
    assert abs(found - exact).max() < 1e-8


def test_pandapower_finds_the_same_voltages() -> None:
    grid, theirs = case("case118"), net("case118")
    factors = [0.8, 1.0, 1.1]
    expected, loads = [], theirs.load[["p_mw", "q_mvar"]].copy()
    base = grid.injection.numpy() * grid.base_mva
    p, q = np.repeat(base.real[:, None], 3, 1), np.repeat(base.imag[:, None], 3, 1)
    place = {bus: i for i, bus in enumerate(grid.bus_names)}
    for i, factor in enumerate(factors):
        theirs.load[["p_mw", "q_mvar"]] = factor * loads
        pandapower.runpp(theirs, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-8, numba=False)
        expected.append(theirs._ppc["internal"]["V"])
        for bus, values in zip(theirs.load["bus"], loads.to_numpy(), strict=True):
            p[place[bus], i] -= (factor - 1) * values[0]
            q[place[bus], i] -= (factor - 1) * values[1]
    found = flow(grid, p, q)
    assert abs(found.V.numpy() - np.stack(expected, 1)).max() < 1e-8


@pytest.mark.parametrize("name", ["case1354pegase"])
def test_a_large_grid(name: str) -> None:
    grid = case(name)
    base = grid.injection.numpy()[:, None] * grid.base_mva * np.array([1.0, 0.97, 1.02])
    found = flow(grid, dnd.array(base.real, split=1), dnd.array(base.imag, split=1))
    assert bool(found.converged.all())
    assert abs(found.V.numpy()[:, 0] - reference(name)).max() < 1e-8


def test_any_split_and_any_number_of_ranks_give_the_same_numbers() -> None:
    grid = case("case57")
    p, q = scenarios(grid, 30, 0.2)
    whole = flow(grid, p, q)  # all cases on every process: what one process finds
    dealt = flow(grid, dnd.array(p, split=1), dnd.array(q, split=0))
    assert dealt.v.split == 1 and whole.v.split is None
    np.testing.assert_allclose(dealt.V.numpy(), whole.V.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(dealt.iterations.numpy(), whole.iterations.numpy())
    assert dealt.history == pytest.approx(whole.history, rel=1e-6)


def test_numbers_do_not_depend_on_the_cases_in_the_same_block(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = case("case57")
    p, q = scenarios(grid, 20, 0.3)
    together = flow(grid, p, q).V.numpy()
    monkeypatch.setattr(batch, "MOST", 3)
    np.testing.assert_allclose(flow(grid, p, q).V.numpy(), together, rtol=0, atol=1e-13)


def test_what_is_given_for_p_alone_or_for_all_cases_alike() -> None:
    grid = case("case14")
    p, q = scenarios(grid, 4)
    found = flow(grid, p, q[:, 0]).V.numpy()
    np.testing.assert_allclose(found, flow(grid, p, np.repeat(q[:, :1], 4, 1)).V.numpy(), atol=1e-12)
    held = grid.buses.kind.numpy() != PQ
    assert (abs(abs(found[held]) - grid.buses.v.numpy()[held, None]) < 1e-12).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 100.0])
def test_a_case_that_diverges_is_marked_and_the_rest_is_solved(bad: float) -> None:
    grid = case("case57")
    p, q = scenarios(grid, 6)
    good = flow(grid, p, q).V.numpy()
    p[30, 2] *= bad
    found = flow(grid, dnd.array(p, split=1), q, init="flat")
    assert found.converged.numpy().tolist() == [True, True, False, True, True, True]
    rest = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(found.V.numpy()[:, rest], good[:, rest], atol=1e-9)


@pytest.mark.parametrize("method", ["newton", "auto"])
def test_a_beginning_that_is_no_number_counts_for_its_own_case_alone(method: str) -> None:
    grid = case("case14")
    p, q = scenarios(grid, 3)
    expected = flow(grid, p, q).V.numpy()
    p[5, 1] = np.nan
    rough = flow(grid, dnd.array(p, split=1), q, method="dpf", max_iter=50)
    assert np.isnan(rough.v.numpy()[:, 1]).any()
    found = flow(grid, dnd.array(p, split=1), q, method=method, init=rough)
    assert found.converged.numpy().tolist() == [True, False, True]
    np.testing.assert_allclose(found.V.numpy()[:, [0, 2]], expected[:, [0, 2]], atol=1e-9)


def test_cases_far_from_the_others_are_solved_by_newton() -> None:
    grid = case("case118")
    base = grid.injection.numpy()[:, None] * grid.base_mva * np.array([1.0, 1.0, 1.0, 1.0, 2.0])
    found = flow(grid, base.real, base.imag)
    assert bool(found.converged.all())
    alone = flow(grid, base[:, 4].real, base[:, 4].imag)
    np.testing.assert_allclose(found[4].V.numpy(), alone.V.numpy(), atol=1e-8)


@pytest.mark.parametrize("init", ["dc", "flat", "solution", "voltages"])
def test_any_beginning(init: str) -> None:
    grid = case("case30")
    p, q = scenarios(grid, 5)
    expected = flow(grid, p, q)
    begin = {"solution": expected, "voltages": flow(grid).V}.get(init, init)
    np.testing.assert_allclose(flow(grid, p, q, init=begin).V.numpy(), expected.V.numpy(), atol=1e-8)


def test_no_cases() -> None:
    for method in ("newton", "auto", "dc", "dpf", "fast_decoupled"):
        found = flow(case("case14"), dnd.zeros((14, 0), split=1), method=method)
        assert found.v.shape == (14, 0) and found.iterations.shape == (0,) and len(found.history) <= 1


def test_iterations_take_no_communication() -> None:
    grid = case("case30")
    counts = []
    for cases, spread in ((1, 0.0), (40, 0.1), (40, 0.6)):
        p, q = (dnd.array(x, split=1) for x in scenarios(grid, cases, spread))
        with dnd.testing.count_collectives() as count:
            flow(grid, p, q)
        counts.append(count.total)
    assert counts[0] == counts[1] == counts[2] <= 8


def test_as_many_iterations_as_allowed() -> None:
    grid = case("case57")
    p, q = scenarios(grid, 3, 0.4)
    found = flow(grid, p, q, max_iter=1)
    assert not found.converged.numpy().any()
    assert (found.iterations.numpy() == 1).all()


def test_newton_begins_where_the_batch_was_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no base case is found, cases are solved one by one."""
    grid = case("case30")
    p, q = scenarios(grid, 3)
    expected = flow(grid, p, q).V.numpy()
    monkeypatch.setattr(batch, "solved_base", lambda *args: None)
    monkeypatch.setattr(batch, "PATIENCE", 1)
    found = flow(grid, p, q, init="flat")
    assert bool(found.converged.all())
    np.testing.assert_allclose(found.V.numpy(), expected, atol=1e-8)
