"""Tables, flows, loadings, files: beside pandapower's results, and the same on any number of ranks."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from dndarray.algorithms.power import Grid, Solution, flow
from power_samples import case, solved

import dndarray as dnd

COMM = dnd.get_comm()


def batch(grid: Grid, cases: int, split: int | None) -> Solution:
    """Voltages that differ by case, and of which case 2 is said not to have converged."""
    found = flow(grid, tol=1e-10)
    rng = np.random.default_rng(0)
    n = len(grid.buses)
    v = found.v.numpy()[:, None] * (1 + 0.01 * rng.normal(size=(n, cases)))
    angle = found.angle.numpy()[:, None] + 0.01 * rng.normal(size=(n, cases))
    arrays = [dnd.array(x, split=split) for x in (v, angle)]
    numbers = [np.arange(cases) != 2, np.arange(cases) + 3, np.linspace(1e-12, 1e-10, cases)]
    states = [dnd.array(x, split=0 if split == 1 else None) for x in numbers]
    return Solution(grid, *arrays, *states, [1.0, 1e-3, 1e-10], "newton")


# --- beside pandapower ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["case14", "case57", "case118"])
def test_tables_are_those_of_pandapower(name):
    net, grid = solved(name), case(name)
    solution = flow(grid, tol=1e-11)
    buses, branches = solution.buses(), solution.branches()

    theirs = net.res_bus
    np.testing.assert_array_equal(buses.index, theirs.index)
    np.testing.assert_allclose(buses.vm_pu, theirs.vm_pu, atol=1e-8)
    np.testing.assert_allclose(buses.va_degree, theirs.va_degree, atol=1e-6)
    np.testing.assert_allclose(buses.vm_kv, theirs.vm_pu * net.bus.vn_kv, rtol=1e-8)
    shunts = net.res_shunt.groupby(net.shunt.bus).sum().reindex(theirs.index, fill_value=0)
    np.testing.assert_allclose(-buses.injected_mw, theirs.p_mw - shunts.p_mw, atol=1e-5)
    np.testing.assert_allclose(-buses.injected_mvar, theirs.q_mvar - shunts.q_mvar, atol=1e-5)
    assert (buses.kind == "slack").sum() == 1

    lines = len(net.line)
    np.testing.assert_array_equal(branches.from_bus[:lines], net.line.from_bus)
    np.testing.assert_array_equal(branches.to_bus[lines:], net.trafo.lv_bus)
    for column in ("p_from_mw", "q_from_mvar", "p_to_mw", "q_to_mvar", "pl_mw", "ql_mvar"):
        of_transformer = column.replace("from", "hv").replace("to", "lv")
        expected = np.concatenate([net.res_line[column], net.res_trafo[of_transformer]])
        np.testing.assert_allclose(branches[column], expected, atol=1e-5)
    for end, side in (("from", "hv"), ("to", "lv")):
        expected = np.concatenate([net.res_line[f"i_{end}_ka"], net.res_trafo[f"i_{side}_ka"]])
        np.testing.assert_allclose(branches[f"i_{end}_ka"], expected, atol=1e-7)
    expected = np.concatenate([net.res_line.loading_percent, net.res_trafo.loading_percent])
    np.testing.assert_allclose(branches.loading_percent, expected, rtol=1e-6)

    losses = solution.losses()
    assert losses.branches.sum() == len(branches)
    total = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()
    np.testing.assert_allclose([losses.pl_mw.sum(), branches.pl_mw.sum()], total, atol=1e-5)
    assert f"losses {total:.5g} MW" in solution.summary()


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 1])
def test_what_flows_in_at_all_ends_is_what_is_fed_in(split):
    grid = case("case14")
    solution = batch(grid, 5, split)
    start, end = solution.flows
    assert start.shape == end.shape == (len(grid.branches), 5)
    assert start.split == end.split == split
    into = np.zeros((len(grid.buses), 5), complex)
    np.add.at(into, grid.branches.start.numpy(), start.numpy())
    np.add.at(into, grid.branches.end.numpy(), end.numpy())
    shunts = (grid.buses.g_shunt - 1j * grid.buses.b_shunt).numpy()[:, None] * solution.v.numpy() ** 2
    np.testing.assert_allclose(into + shunts, solution.S.numpy(), atol=1e-12)
    np.testing.assert_allclose(solution.loss.numpy(), (start + end).numpy(), atol=1e-14)


def test_choosing_branches_of_replicated_grids_sends_nothing():
    solution = batch(case("case14"), 5, 1)
    with dnd.testing.count_collectives() as sent:
        solution.flows, solution.loading(), repr(solution), solution._repr_html_()
    assert sent.total == 0


@pytest.mark.parametrize("by", ["current", "power"])
def test_loading(by):
    grid = case("case14").replace(rating=dnd.full(20, 0.5))
    solution = batch(grid, 3, 1)
    expected = solution.flows if by == "power" else solution.currents
    largest = np.maximum(*(abs(x.numpy()) for x in expected))
    np.testing.assert_allclose(solution.loading(by).numpy(), 200 * largest)
    unrated = dataclasses.replace(solution, grid=grid.replace(rating=dnd.full(20, dnd.inf)))
    assert not unrated.loading(by).any()
    assert "loading" not in unrated.summary()
    with pytest.raises(ValueError, match="`by` .='amperes'. must be"):
        solution.loading("amperes")


def test_flows_are_differentiable():
    grid = case("case14")
    solution = batch(grid, 4, 1)
    v = solution.v.detach().requires_grad_()
    tap = grid.branches.tap.detach().requires_grad_()
    dataclasses.replace(solution, v=v, grid=grid.replace(tap=tap)).loss.real.sum().backward()

    def loss(v: np.ndarray, tap: np.ndarray) -> float:
        other = dataclasses.replace(solution, v=dnd.array(v, split=1), grid=grid.replace(tap=dnd.array(tap)))
        return other.loss.real.sum().item()

    values, taps = solution.v.numpy(), grid.branches.tap.numpy()
    for place in ((0, 1), (13, 3)):
        step = np.zeros_like(values)
        step[place] = 1e-6
        slope = (loss(values + step, taps) - loss(values - step, taps)) / 2e-6
        np.testing.assert_allclose(v.grad.numpy()[place], slope, rtol=1e-5)
    for k in (0, 7):
        step = 1e-6 * (np.arange(len(taps)) == k)
        slope = (loss(values, taps + step) - loss(values, taps - step)) / 2e-6
        np.testing.assert_allclose(tap.grad.numpy()[k], slope, rtol=1e-5, atol=1e-7)


def test_a_case_of_a_batch():
    solution = batch(case("case14"), 5, 1)
    one, some = solution[3], solution[1:4]
    assert one.cases is None and some.cases == 3
    np.testing.assert_array_equal(one.v.numpy(), solution.v.numpy()[:, 3])
    assert not some.converged.numpy()[1] and one.iterations.item() == 6
    with pytest.raises(IndexError, match="one case"):
        one[0]
    with pytest.raises(IndexError):
        solution[5]


def test_branches_that_are_out():
    grid = case("case14")
    out = np.array([[3, -1, 7], [19, -1, -1]])
    solution = dataclasses.replace(batch(grid, 3, 1), outages=dnd.array(out, split=1))
    start, end = (x.numpy() for x in solution.flows)
    for number in range(3):
        kept = np.setdiff1d(np.arange(20), out[:, number])
        fields = dataclasses.fields(grid.branches)
        branches = type(grid.branches)(**{f.name: getattr(grid.branches, f.name)[kept] for f in fields})
        smaller = dataclasses.replace(grid, branches=branches, branch_names=grid.branch_names[kept])
        expected = dataclasses.replace(solution[number], grid=smaller, outages=None)
        np.testing.assert_allclose(solution.S.numpy()[:, number], expected.S.numpy(), atol=1e-12)
        np.testing.assert_allclose(start[kept, number], expected.flows[0].numpy(), atol=1e-12)
        assert not start[np.setdiff1d(np.arange(20), kept), number].any()
        np.testing.assert_allclose(solution[number].loss.numpy(), (start + end)[:, number], atol=1e-12)


# --- tables of batches, and text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 1])
def test_tables_of_a_batch(split):
    grid = case("case14")
    solution = batch(grid, 5, split)
    for name in ("buses", "branches", "losses"):
        long = getattr(solution, name)()
        assert long.index.names[0] == "case" and long.index[0][0] == 0 and long.index[-1][0] == 4
        assert long.converged.groupby("case").all().tolist() == [True, True, False, True, True]
        for number in (0, 3):
            one = getattr(solution, name)(number)
            part = long.loc[number].drop(columns="converged")
            assert one.columns.tolist() == part.columns.tolist() and one.index.equals(part.index)
            for column in one:
                kind = one[column].dtype.kind
                compare: Any = np.testing.assert_allclose if kind == "f" else np.testing.assert_array_equal
                compare(one[column], part[column])
        assert len(getattr(solution, name)([1, 3])) == 2 * len(one)


def test_a_grid_that_is_split(shared_path):
    whole = case("case14")
    one = flow(whole, tol=1e-10)
    parts = [x.resplit(0) for x in (one.v, one.angle)]
    split = dataclasses.replace(one, grid=whole.resplit(0), v=parts[0], angle=parts[1])
    assert all(x.split == 0 for x in (*split.flows, split.loss, split.loading(), split.S))
    for name in ("buses", "branches", "losses"):
        mine, theirs = getattr(split, name)(), getattr(one, name)()
        assert mine.index.equals(theirs.index)
        for column in theirs.select_dtypes("number"):
            np.testing.assert_allclose(mine[column], theirs[column], atol=1e-9)
    assert split.summary() == one.summary()
    split.save(shared_path / "split.h5")
    assert_same(Solution.load(shared_path / "split.h5"), one)


def test_text():
    grid = case("case14")
    one, many = flow(grid), batch(grid, 5, 1)
    assert repr(one).startswith("Solution(case14 of 14 buses, method=newton, converged=True, iterations=")
    assert "<td>newton</td>" in one._repr_html_()
    assert "case14: 14 buses, 20 branches" in one.summary()
    assert "converged in" in one.summary()
    assert ("cases=5, converged=4 of 5, split=1" in repr(many)) == (COMM.size == 1)
    assert ("on rank" in repr(many)) == (COMM.size > 1)
    text = many.summary()
    assert "4 converged in 3 to 7 iterations; 1 DID NOT CONVERGE: 2" in text
    v = np.delete(many.v.numpy(), 2, 1)
    bus, number = np.unravel_index(v.argmin(), v.shape)
    assert f"|V| from {v.min():.4g} p.u. (bus {grid.bus_names[bus]}, case {[0, 1, 3, 4][number]})" in text
    failed = dataclasses.replace(one, converged=dnd.array(False))
    assert "DID NOT CONVERGE" in failed.summary()
    assert "an estimate" in flow(grid, method="dc").summary()


# --- files ------------------------------------------------------------------------------------------------------------


def assert_same(x: Solution, y: Solution) -> None:
    assert x.found.keys() == y.found.keys()
    for name, mine in x.found.items():
        theirs = y.found[name]
        assert mine.dtype is theirs.dtype
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    for mine, theirs in zip(x.grid.arrays, y.grid.arrays, strict=True):
        assert mine.dtype is theirs.dtype
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    for what in ("bus_names", "branch_names"):
        assert getattr(x.grid, what).tolist() == getattr(y.grid, what).tolist()
    assert (x.history, x.method, x.grid.name, x.grid.base_mva) == (y.history, y.method, y.grid.name, y.grid.base_mva)


@pytest.mark.parametrize("suffix", ["h5", "nc"])
def test_files(shared_path, suffix):
    names = np.array(["north", *range(1, 14)], dtype=object)
    grid = case("case14").replace(coordinates=np.arange(28.0).reshape(14, 2), bus_names=names)
    several = batch(grid, 7, 1)
    outages = dataclasses.replace(several, outages=dnd.array(np.arange(14).reshape(2, 7), split=1))
    for number, solution in enumerate([flow(grid), several, outages]):
        path = shared_path / f"{number}.{suffix}"
        solution.save(path)
        for split in (None, 0) if number == 0 else (None, 1) if solution is outages else (None, 0, 1):
            loaded = Solution.load(path, split=split)
            assert loaded.v.split == split
            assert loaded.grid.split == (0 if split == 0 else None)
            assert_same(loaded, solution)
            np.testing.assert_array_equal(loaded.grid.coordinates, grid.coordinates)
            np.testing.assert_allclose(loaded.S.numpy(), solution.S.numpy(), atol=1e-12)
        assert len(loaded.branches(*[0] * bool(number))) == 20


def test_saving_gathers_nothing(shared_path):
    solution = batch(case("case14"), 7000, 1)
    with dnd.testing.count_collectives() as sent:
        solution.save(shared_path / "batch.h5")
    assert sent.bytes < solution.v.nbytes / 4


def test_files_of_other_kinds(shared_path):
    solution = flow(case("case14"))
    with pytest.raises(ValueError, match=r"must end in one of \.h5"):
        solution.save(shared_path / "solution.csv")
    dnd.io.save(dnd.zeros(3), shared_path / "zeros.h5")
    with pytest.raises(ValueError, match="holds no solution"):
        Solution.load(shared_path / "zeros.h5")
    solution.save(shared_path / "one.h5")
    with pytest.raises(ValueError, match="split"):
        Solution.load(shared_path / "one.h5", split=1)
