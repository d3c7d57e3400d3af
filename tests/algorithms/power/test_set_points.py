"""Set points of least losses, beside SciPy's bounded quasi-Newton method and pandapower's losses."""

from __future__ import annotations

import numpy as np
import pandapower
import pytest
import scipy.optimize
from dndarray.algorithms.power import PQ, PV, Grid, SetPoints, flow, minimize_losses, sensitivity
from power_samples import case, net

import dndarray as dnd

LOW, HIGH = 0.95, 1.06


def held(grid: Grid) -> np.ndarray:
    return np.flatnonzero((grid.buses.kind != PQ).numpy())


def by_scipy(grid: Grid) -> scipy.optimize.OptimizeResult:
    """The least losses, in MW, of flows that every process solves for itself."""

    def losses(x: np.ndarray) -> tuple[float, np.ndarray]:
        v = grid.buses.v.numpy().copy()
        v[held(grid)] = x
        s = flow(grid.replace(v=dnd.array(v)), tol=1e-11)
        slope = sensitivity(s, lambda s: s.loss.real.sum(), ["v"])["v"]
        return 100 * float(s.loss.real.sum()), 100 * slope.numpy()[held(grid)]

    start = np.clip(grid.buses.v.numpy()[held(grid)], LOW, HIGH)
    options = {"ftol": 1e-15, "gtol": 1e-7}
    return scipy.optimize.minimize(losses, start, jac=True, bounds=[(LOW, HIGH)] * len(start), options=options)


@pytest.mark.parametrize("split", [None, 0])
def test_as_scipy(split: int | None) -> None:
    grid = case("case14")
    expected = by_scipy(grid)
    found = minimize_losses(grid.resplit(split), v_min=LOW, v_max=HIGH, tol=1e-8)
    assert found.converged and found.v.split == split
    assert found.losses[-1] == pytest.approx(expected.fun, rel=1e-8)
    np.testing.assert_allclose(found.v.numpy()[held(grid)], expected.x, atol=1e-4)
    assert found.losses[-1] < found.losses[0] and not found.v.requires_grad and not found.solution.v.requires_grad


@pytest.mark.filterwarnings("ignore")  # of pandas, about pandapower's tables
def test_pandapower_has_the_same_losses() -> None:
    found = minimize_losses(case("case14"), v_min=LOW, v_max=HIGH)
    network, v = net("case14"), found.v.numpy()
    for table in (network.gen, network.ext_grid):
        table["vm_pu"] = v[table.bus.to_numpy()]
    pandapower.runpp(network, numba=False, tolerance_mva=1e-9)
    losses = network.res_line.pl_mw.sum() + network.res_trafo.pl_mw.sum()
    assert found.losses[-1] == pytest.approx(losses, abs=1e-6)


@pytest.mark.slow
def test_large() -> None:
    grid = case("case118")
    expected = by_scipy(grid)
    found = minimize_losses(grid, v_min=LOW, v_max=HIGH)
    assert found.converged and found.losses[-1] == pytest.approx(expected.fun, rel=1e-6)
    assert found.losses[-1] < 0.9 * found.losses[0]


def test_limits_of_reactive_power() -> None:
    """A penalty keeps it within limits, by a little more losses."""
    grid = case("case14")
    free = minimize_losses(grid, v_min=LOW, v_max=HIGH, tol=1e-4)
    q = free.solution.S.imag
    grid = grid.replace(q_min=q - 1.0, q_max=q - 0.02 * (grid.buses.kind == PV))
    kept = minimize_losses(grid, v_min=LOW, v_max=HIGH, tol=1e-3, penalty=20.0)

    def beyond(found: SetPoints) -> float:
        excess = (found.solution.S.imag - grid.buses.q_max) * (grid.buses.kind == PV)
        return float(dnd.clip(excess, 0, None).sum())

    assert beyond(free) > 0.07 and beyond(kept) < 0.2 * beyond(free)
    assert free.losses[-1] < kept.losses[-1]


def test_one_set_of_points_for_many_cases() -> None:
    grid = case("case14")
    factors = np.array([0.8, 1.0, 1.2])
    p, q = (dnd.array(100 * x.numpy()[:, None] * factors, split=1) for x in (grid.buses.p, grid.buses.q))
    found = minimize_losses(grid, p, q, v_min=LOW, v_max=HIGH, tol=1e-4)
    assert found.converged and found.v.shape == (14,)
    single = [minimize_losses(grid, p[:, k], q[:, k], v_min=LOW, v_max=HIGH, tol=1e-4).losses[-1] for k in range(3)]
    assert np.mean(single) <= found.losses[-1] + 1e-6 < found.losses[0]


def test_bad_limits() -> None:
    with pytest.raises(ValueError, match="v_min"):
        minimize_losses(case("case14"), v_min=1.1, v_max=1.0)
    grid = case("case14")
    with pytest.raises(ValueError, match="no power flow"):
        minimize_losses(grid, 50 * 100 * grid.buses.p.numpy(), 50 * 100 * grid.buses.q.numpy())
