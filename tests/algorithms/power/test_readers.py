"""Grids from pandapower, PYPOWER, MATPOWER, arrays and admittance matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandapower
import pypower.api
import pytest
import scipy.sparse
from dndarray.algorithms.power import PQ, PV, SLACK, Grid, flow, series
from power_samples import SHIPPED, case, net, solved

import dndarray as dnd

LINE = {"kind": [SLACK, PQ], "start": [0], "end": [1], "r": [0.01], "x": [0.1]}

MATPOWER = """function mpc = three
%% three buses, of which one has no line
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
    10  3   0   0   0   0   1   1   0   110 1   1.1 0.9;
    20  2   50  20  0   5   1   1   0   110 1   1.1 0.9;
    35  4   9   9   0   0   1   1   0   110 1   1.1 0.9;
    30  1   30  10  1   0   1   1   0   110 1   1.1 0.9;
];
mpc.gen = [
    10  0   0   99  -99 1.02    100 1   200 0;
    20  20  0   50  -30 1.01    100 1   200 0;
    20  5   0   10  -10 1.01    100 1   200 0;
    30  7   7   10  -10 1.07    100 0   200 0;
];
mpc.branch = [
    10  20  0.01    0.1 0.02    70  0   0   0       0   1   -360    360;
    20  30  0.02    0.2 0.01    0   0   0   0.98    5   1   -360    360;
    10  30  0.01    0.1 0.01    0   0   0   0       0   0   -360    360;
    20  30  0.03    0.3 0.01    0   0   0   0       0   1   -360    360;
];
mpc.bus_name = {
    'ten'; 'twenty';
    'thirty-five'; 'thirty';
};
"""


def assert_like_pandapower(grid: Grid, theirs: pandapower.pandapowerNet) -> None:
    inside = theirs._ppc["internal"]
    Y = inside["Ybus"]
    assert abs(grid.admittance.local - Y).max() <= 1e-12 * abs(Y).max()
    V = flow(grid).V.numpy()
    assert abs(abs(V) - abs(inside["V"])).max() < 1e-8
    assert abs(np.angle(V / inside["V"])).max() < 1e-8


@pytest.mark.parametrize("name", ["case9", "case57", "case118", "example_multivoltage"])
def test_pandapower_has_the_same_admittances(name: str) -> None:
    assert_like_pandapower(case(name), solved(name))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_pandapower_has_the_same_admittances_for_all_grids() -> None:
    for name in SHIPPED:
        Y = solved(name)._ppc["internal"]["Ybus"]
        assert abs(case(name).admittance.local - Y).max() <= 1e-12 * abs(Y).max(), name


def test_buses_and_branches_have_pandapowers_names() -> None:
    grid, theirs = case("example_multivoltage"), net("example_multivoltage")
    names = list(grid.bus_names)
    assert {"xward 0", "trafo3w 0"} < set(names)
    assert any(str(name).startswith("open end") for name in names)
    assert set(theirs.bus.index[:10]) & set(names)
    assert {"trafo 0", "trafo3w 0 hv", "trafo3w 0 mv", "trafo3w 0 lv", "impedance 0", "xward 0"} < set(
        grid.branch_names
    )
    assert len(set(names)) == len(names)
    pandapower.runpp(theirs, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-8, numba=False)
    V = dict(zip(names, flow(grid).v.tolist(), strict=True))
    for bus in theirs.bus.index:
        if bus in V:
            assert V[bus] == pytest.approx(theirs.res_bus.vm_pu[bus], abs=1e-8)


def test_coordinates_come_along_where_the_net_has_them() -> None:
    grid, theirs = case("iceland"), net("iceland")
    assert grid.coordinates is not None
    place = {name: i for i, name in enumerate(grid.bus_names)}
    bus = theirs.bus.index[5]
    assert str(grid.coordinates[place[bus], 0]) in theirs.bus.geo[bus]


def test_the_net_stays_as_it_is() -> None:
    theirs = net("case9")
    tables = {name: theirs[name].copy() for name in ("bus", "load", "gen", "line", "res_bus")}
    Grid.from_pandapower(theirs)
    assert all(theirs[name].equals(table) for name, table in tables.items())


def test_elements_of_every_kind() -> None:
    theirs = net("case14")
    pandapower.create_dcline(theirs, 3, 9, 20, 1, 0.5, 1.01, 1.02)
    pandapower.create_dcline(theirs, 4, 12, -5, 1, 0.5, 1.01, 1.03)
    pandapower.create_impedance(theirs, 5, 8, 0.1, 0.2, 100, rtf_pu=0.12, xtf_pu=0.25)
    pandapower.create_ward(theirs, 7, 1, 2, 3, 4)
    pandapower.create_xward(theirs, 10, 1, 2, 3, 4, 0.1, 0.2, 1.0)
    pandapower.create_switch(theirs, theirs.line.from_bus[3], 3, "l", closed=False)
    pandapower.create_storage(theirs, 11, 3, 10)
    pandapower.create_ext_grid(theirs, 13, 1.01, 2.0)
    theirs.line.loc[7, "in_service"] = False
    theirs.load.loc[4, "const_z_p_percent"] = theirs.load.loc[4, "const_z_q_percent"] = 100.0
    grid = Grid.from_pandapower(theirs)
    pandapower.runpp(theirs, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-8, numba=False)
    V, expected = flow(grid).V.numpy(), theirs._ppc["internal"]["V"]
    assert (grid.buses.kind == SLACK).sum().item() == 2
    assert abs(V - expected).max() < 1e-8


@pytest.mark.parametrize("most", [None, np.nan, 80.0])
def test_loadings_are_those_of_pandapower(most: float | None) -> None:
    theirs = net("mv_oberrhein")
    theirs.line["parallel"], theirs.line["df"] = 2, 0.8
    theirs.line.loc[theirs.line.index[0], "max_i_ka"] = np.nan
    for table in (theirs.line, theirs.trafo):
        table.drop(columns="max_loading_percent", errors="ignore", inplace=True)
        if most is not None:
            table["max_loading_percent"] = most
    pandapower.runpp(theirs, init="dc", tolerance_mva=1e-9, numba=False)
    found = flow(Grid.from_pandapower(theirs), tol=1e-10).branches().loading_percent
    assert found[f"line {theirs.line.index[0]}"] == 0
    for element in ("line", "trafo"):
        for index, expected in theirs[f"res_{element}"].loading_percent.dropna().items():
            assert found.get(f"{element} {index}", 0.0) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_names_of_buses_that_switches_join() -> None:
    theirs = net("case9")
    for index, at in ((20, 3), (21, 20), (22, 5)):
        assert pandapower.create_bus(theirs, 345.0, index=index) == index
        pandapower.create_switch(theirs, at, index, "b", closed=index != 22)
    grid = Grid.from_pandapower(theirs)
    assert len(grid.buses) == 9 and grid.aliases == {20: 3, 21: 3}
    assert grid.places([21, 4]) == [3, 4]
    found = series(grid, scale={21: [0.5, 1.0]})
    np.testing.assert_array_equal(found.v.numpy(), series(grid, scale={3: [0.5, 1.0]}).v.numpy())
    with pytest.raises(ValueError, match="3 and 20, which are one bus"):
        series(grid, scale={3: [1.0], 20: [1.0]})


def test_elements_that_are_no_part_of_a_grid_are_refused() -> None:
    theirs = net("case9")
    theirs.load.loc[1, "const_i_p_percent"] = 10.0
    with pytest.raises(ValueError, match="load 1 takes a constant current"):
        Grid.from_pandapower(theirs)
    theirs = net("case9")
    pandapower.create_svc(theirs, 5, 1, -10, 1.0, 90)
    with pytest.raises(ValueError, match="svc 0 is controlled"):
        Grid.from_pandapower(theirs)


@pytest.mark.parametrize("name", ["case9", "case14", "case118", "case300"])
def test_pypower_cases_by_name(name: str) -> None:
    given = getattr(pypower.api, name)()
    found, ok = pypower.api.runpf(given, pypower.api.ppoption(VERBOSE=0, OUT_ALL=0, PF_TOL=1e-10))
    assert ok
    expected = found["bus"][:, 7] * np.exp(1j * np.deg2rad(found["bus"][:, 8]))
    grid = Grid.from_ppc(name)
    assert grid.name == name
    assert grid.bus_names.tolist() == given["bus"][:, 0].tolist()  # up to 9533 in case300
    assert abs(flow(grid, tol=1e-10).V.numpy() - expected).max() < 1e-8
    assert abs(flow(Grid.from_ppc(given), tol=1e-10).V.numpy() - expected).max() < 1e-8


def test_matpower_files(shared_path: Path) -> None:
    path = shared_path / "three.m"
    if dnd.get_comm().rank == 0:
        path.write_text(MATPOWER)
    dnd.get_comm().barrier()
    grid = Grid.from_matpower(path)
    assert grid.name == "three"
    assert grid.bus_names.tolist() == [10, 20, 30]
    assert grid.branch_names.tolist() == ["10-20", "20-30", "20-30 (2)"]
    assert grid.buses.kind.tolist() == [SLACK, PV, PQ]
    assert grid.injection.tolist() == pytest.approx([0, -0.25 - 0.2j, -0.3 - 0.1j])
    assert grid.buses.v.tolist() == [1.02, 1.01, 1.0]
    assert grid.buses.q_max.tolist() == pytest.approx([0.99, 0.4, -0.1])
    assert grid.buses.b_shunt.tolist() == [0, 0.05, 0]
    assert grid.branches.tap.tolist() == [1, 0.98, 1]
    assert grid.branches.rating.tolist() == [0.7, np.inf, np.inf]
    assert bool(flow(grid).converged)


def test_matpower_files_that_compute_are_refused(shared_path: Path) -> None:
    path = shared_path / "computed.m"
    if dnd.get_comm().rank == 0:
        path.write_text(MATPOWER + "mpc.branch(:, [3 4]) = mpc.branch(:, [3 4]) / 100;\n")
    dnd.get_comm().barrier()
    with pytest.raises(ValueError, match="savecase"):
        Grid.from_matpower(path)
    with pytest.raises(ValueError, match="no MATPOWER case of version 2"):
        Grid.from_matpower(__file__)
    with pytest.raises(FileNotFoundError):
        Grid.from_matpower(shared_path / "none.m")


def test_cases_without_tables_or_of_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"\['branch', 'gen'\] not found"):
        Grid.from_ppc({"baseMVA": 100, "bus": []})
    given = pypower.api.case9()
    given["gen"][1, 0] = 77
    with pytest.raises(ValueError, match="`gen` names the bus 77"):
        Grid.from_ppc(given)
    given["branch"][3, 1] = 78
    with pytest.raises(ValueError, match="`branch` names the bus 78"):
        Grid.from_ppc(given | {"gen": given["gen"][:1]})
    with pytest.raises(ValueError, match="no case 'case7'"):
        Grid.from_ppc("case7")


def test_arrays_make_the_grid_that_they_come_from() -> None:
    grid = case("case57")
    b, k = grid.buses, grid.branches
    power = {name: getattr(b, name) * 100 for name in ("p", "q", "q_min", "q_max")}
    rest = {name: getattr(b, name) for name in ("v", "angle", "g_shunt", "b_shunt")}
    lines = {name: getattr(k, name).numpy() for name in ("b", "g", "tap", "shift", "dr", "dx", "dg", "db")}
    made = Grid.from_arrays(b.kind, k.start, k.end, k.r, k.x, rating=k.rating * 100, **power, **rest, **lines)
    for name in ("p", "q", "q_min", "v"):
        assert abs(getattr(made.buses, name) - getattr(b, name)).max().item() < 1e-12
    assert abs(made.admittance.local - grid.admittance.local).max() == 0
    assert abs(flow(made).V - flow(grid).V).max().item() < 1e-9


@pytest.mark.parametrize("split", [None, 0])
def test_arrays_keep_their_split_and_their_gradients(split: int | None) -> None:
    x = dnd.array([0.1, 0.2], split=split).requires_grad_()
    kind = dnd.array([SLACK, PQ, PQ], split=split)
    start, end = (dnd.array(ends, split=split) for ends in ([0, 1], [1, 2]))
    p = dnd.array([0.0, -50, -20], split=split)
    grid = Grid.from_arrays(kind, start, end, 0.01, x, p=p, name="line")
    assert grid.split == split
    assert repr(grid) == f"Grid(line: 3 buses, 2 branches, split={split})"
    assert grid.buses.p.tolist() == [0, -0.5, -0.2]
    assert grid.branches.r.tolist() == [0.01, 0.01]
    assert grid.requires_grad


def test_arrays_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"`p` has shape \(3,\); it must be a number or of shape \(2,\)"):
        Grid.from_arrays(**LINE, p=[1, 2, 3])
    with pytest.raises(TypeError, match=r"\['taps'\] must be among"):
        Grid.from_arrays(**LINE, taps=1)


@pytest.mark.parametrize("name", ["case9", "case57", "case118", "example_multivoltage", "case89pegase"])
def test_admittance_matrices(name: str) -> None:
    inside = solved(name)._ppc["internal"]
    Y, V = inside["Ybus"], inside["V"]
    grid = Grid.from_admittance(Y, inside["Sbus"], inside["ref"], inside["pv"], inside["pq"], V)
    assert abs(grid.admittance.local - Y).max() <= 1e-12 * abs(Y).max()
    assert (grid.branches.x >= 0).all().item()
    assert abs(flow(grid, tol=1e-10).V.numpy() - V).max() < 1e-8


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_admittance_matrices_of_all_grids() -> None:
    for name in SHIPPED:
        inside = solved(name)._ppc["internal"]
        Y = inside["Ybus"]
        grid = Grid.from_admittance(Y, inside["Sbus"], inside["ref"], inside["pv"], inside["pq"], inside["V"])
        assert abs(grid.admittance.local - Y).max() <= 1e-12 * abs(Y).max(), name


def test_an_admittance_matrix_joins_both_ends() -> None:
    Y = scipy.sparse.csr_array([[1.0, -1j, 0], [0, 1.0, 0], [0, 0, 1.0]])
    with pytest.raises(ValueError, match=r"an element \(j, i\) wherever it has \(i, j\)"):
        Grid.from_admittance(Y, np.zeros(3), [0], [], [1, 2], np.ones(3))
