"""One case of a replicated grid, by each method, against pandapower and lightsim2grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandapower
import pytest
from dndarray.algorithms.power import PQ, SLACK, Grid, flow
from lightsim2grid.algorithm import NR_KLU
from power_samples import SHIPPED, SMALL, case, net, reference, solved

import dndarray as dnd
from dndarray.testing import count_collectives

HARD = ["case145", "case300", "case1888rte"]
"""Where Newton's method starts far away, or ends elsewhere if it takes steps that are too bold."""


def difference(V: np.ndarray, expected: np.ndarray) -> float:
    """The largest one in magnitudes and angles."""
    return max(abs(abs(V) - abs(expected)).max(), abs(np.angle(V / expected)).max())


def computed(grid: Grid, V: np.ndarray) -> float:
    """The largest mismatch of what a solution says, computed anew from the matrix."""
    kind = grid.buses.kind.numpy()
    excess = V * (grid.admittance.local @ V).conj() - grid.injection.numpy()
    return max(abs(excess.real[kind != 3]).max(), abs(excess.imag[kind == PQ]).max(initial=0))


@pytest.mark.parametrize("name", [*SMALL, "case118", *HARD])
def test_newton_finds_what_pandapower_finds(name: str) -> None:
    grid = case(name)
    found = flow(grid)
    V = found.V.numpy()
    assert bool(found.converged)
    assert found.iterations.item() == len(found.history) - 1
    assert found.mismatch.item() == found.history[-1] <= 1e-8
    assert computed(grid, V) == pytest.approx(found.history[-1], abs=1e-11)
    assert difference(V, reference(name)) < 1e-8


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SHIPPED)
def test_newton_finds_what_pandapower_and_lightsim2grid_find_for_all_grids(name: str) -> None:
    found = flow(case(name))
    assert difference(found.V.numpy(), reference(name)) < 1e-8
    if (case(name).buses.kind == SLACK).sum().item() == 1:  # it distributes what is missing over several slack buses
        assert difference(found.V.numpy(), by_lightsim2grid(name)) < 1e-8


def by_lightsim2grid(name: str) -> np.ndarray:
    """Voltages by its Newton's method, fed pandapower's arrays and our linear start."""
    inside = solved(name)._ppc["internal"]
    start = flow(case(name), method="dc")
    V0 = abs(inside["V"]) * np.exp(1j * start.angle.numpy())
    V0[inside["pq"]] /= abs(V0[inside["pq"]])
    weights = np.zeros(len(V0))
    weights[inside["ref"]] = 1
    solver = NR_KLU()
    places = (np.asarray(inside[key], dtype=np.int32) for key in ("ref", "pv", "pq"))
    ref, pv, pq = places
    assert solver.solve(inside["Ybus"].tocsc(), V0, inside["Sbus"], ref, weights, pv, pq, 30, 1e-9)
    return solver.get_V().copy()


@pytest.mark.parametrize("name", ["case14", "case118", "case300"])
def test_lightsim2grid_finds_the_same(name: str) -> None:
    assert difference(flow(case(name)).V.numpy(), by_lightsim2grid(name)) < 1e-8


@pytest.mark.parametrize("name", ["case14", "case118"])
def test_any_start_leads_there(name: str) -> None:
    grid, expected = case(name), reference(name)
    before = flow(grid, tol=1e-10)
    for init in ("flat", "dc", before, before.V, expected, expected.tolist()):
        found = flow(grid, init=init, tol=1e-10)
        assert difference(found.V.numpy(), expected) < 1e-8
    assert flow(grid, init=before).iterations.item() == 0


def test_injections_are_in_megawatts() -> None:
    grid, theirs = case("case14"), net("case14")
    theirs.load[["p_mw", "q_mvar"]] *= 1.2
    pandapower.runpp(theirs, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    p, q = grid.buses.p.numpy() * 100, grid.buses.q.numpy() * 100
    for load in theirs.load.itertuples():
        p[load.bus] -= load.p_mw / 6
        q[load.bus] -= load.q_mvar / 6
    expected = theirs._ppc["internal"]["V"]
    assert difference(flow(grid, p, q).V.numpy(), expected) < 1e-8
    assert difference(flow(grid, p.tolist(), dnd.array(q)).V.numpy(), expected) < 1e-8


@pytest.mark.parametrize(("scheme", "algorithm"), [("XB", "fdxb"), ("BX", "fdbx")])
@pytest.mark.parametrize("name", ["case9", "case57", "case118", "case300"])
def test_the_fast_decoupled_flow_takes_the_steps_of_pandapowers(name: str, scheme: str, algorithm: str) -> None:
    found = flow(case(name), method="fast_decoupled", scheme=scheme)
    theirs = solved(name, algorithm=algorithm, max_iteration=100)
    assert bool(found.converged)
    assert abs(found.iterations.item() - theirs._ppc["iterations"]) <= 1
    assert difference(found.V.numpy(), reference(name)) < 1e-8


def test_the_fast_decoupled_flow_of_many_cases() -> None:
    grid = case("case57")
    factors = np.array([0.5, 0.9, 1.0, 1.05, 30.0])
    p, q = (dnd.array(x.numpy()[:, None] * 100 * factors, split=1) for x in (grid.buses.p, grid.buses.q))
    found = flow(grid, p, q, method="fast_decoupled")
    assert found.converged.tolist() == [True, True, True, True, False]
    V = found.V.numpy()
    for i in range(4):
        alone = flow(grid, p.numpy()[:, i], q.numpy()[:, i], method="fast_decoupled")
        assert difference(V[:, i], alone.V.numpy()) < 1e-10
        assert found.iterations[i].item() == alone.iterations.item()


@pytest.mark.parametrize("name", [*SMALL, "case118", "case300", "example_multivoltage"])
def test_the_linear_flow(name: str) -> None:
    theirs = net(name)
    pandapower.rundcpp(theirs)
    inside = theirs._ppc["internal"]["bus"]
    found = flow(case(name), method="dc")
    assert abs(np.rad2deg(found.angle.numpy()) - inside[:, 8]).max() < 1e-8
    assert (found.v == 1).all().item()
    assert bool(found.converged)


@pytest.mark.parametrize("name", ["case4gs", "case14", "case118"])
def test_reactive_limits(name: str) -> None:
    grid = case(name)
    found = flow(grid, enforce_q_limits=True, tol=1e-10)
    theirs = solved(name, enforce_q_lims=True)._ppc["internal"]
    assert difference(found.V.numpy(), theirs["V"]) < 1e-8
    kind = found.grid.buses.kind.numpy()
    assert set(np.flatnonzero(kind == PQ)) == set(theirs["pq"])
    q = found.S.imag.numpy()
    held = kind == 2
    assert (q <= grid.buses.q_max.numpy() + 1e-9)[held].all()
    assert (q >= grid.buses.q_min.numpy() - 1e-9)[held].all()
    switched = kind != grid.buses.kind.numpy()
    assert switched.any() == (name != "case14")
    with pytest.raises(ValueError, match="one case"):
        flow(grid, grid.buses.p[:, None] * 100, enforce_q_limits=True)


def test_grids_that_are_split_take_what_works_there() -> None:
    grid = case("case57").resplit(0)
    found = flow(grid)
    assert difference(found.V.numpy(), reference("case57")) < 1e-8
    with pytest.raises(ValueError, match=r"resplit\(None\)"):
        flow(grid, method="fast_decoupled")


def test_what_does_not_converge_is_said() -> None:
    grid = case("case118")
    p = grid.buses.p.numpy() * 100 * 8
    with pytest.warns(RuntimeWarning, match="'newton' has reached a mismatch of"):
        found = flow(grid, p)
    assert not bool(found.converged)
    assert np.isfinite(found.V.numpy()).all()
    assert found.history[-1] < found.history[0]
    with pytest.warns(RuntimeWarning, match="in 1 iterations"):
        assert flow(grid, max_iter=1).iterations.item() == 1
    with pytest.warns(RuntimeWarning, match="'fast_decoupled' has reached"):
        assert not bool(flow(grid, p, method="fast_decoupled").converged)


def test_a_singular_jacobian_ends_the_iteration() -> None:
    # No Q flows into a bus of voltage 0, whatever its neighbours do: its equations say nothing of its own voltage.
    grid = Grid.from_arrays([3, PQ], [0], [1], 0.0, 0.1, p=[0, -1e3])
    with pytest.warns(RuntimeWarning, match="has reached"):
        found = flow(grid, init=[1.0, 0.0])
    assert not bool(found.converged)
    assert found.iterations.item() == 0


def test_steps_are_damped_where_they_are_too_bold() -> None:
    grid = case("case11_iwamoto")  # which has a solution below all of its load, and none at all of it
    p, q = (x.numpy() * grid.base_mva for x in (grid.buses.p, grid.buses.q))
    found = flow(grid, 0.99 * p, 0.99 * q)
    assert bool(found.converged)
    assert (np.diff(found.history) < 0).all()
    with pytest.warns(RuntimeWarning, match="has reached"):
        found = flow(grid, p, q)
    assert (np.diff(found.history) < 0).all()
    assert found.history[-1] < 1e-3


def test_every_process_solves_without_messages() -> None:
    grid = case("case118")
    flow(grid)
    with count_collectives() as counted:
        flow(grid)
        flow(grid, init="flat")
    assert counted.total == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "gauss"}, "`method`"),
        ({"init": "warm"}, "`init`"),
        ({"tol": np.nan}, "`tol`"),
        ({"init": np.ones(3)}, r"shape \(3,\)"),
        ({"p": np.ones(3)}, r"`p` has shape \(3,\); it must be \(14,\) or \(14, cases\)"),
        ({"method": "fast_decoupled", "scheme": "BB"}, "`scheme`"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flow(case("case14"), **arguments)


def test_powers_are_real() -> None:
    with pytest.raises(TypeError, match="`p` is complex"):
        flow(case("case14"), case("case14").injection)
