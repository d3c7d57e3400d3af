"""State estimation, beside SciPy's least squares over pandapower's matrices, and beside pandapower's own estimation."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandapower
import pandapower.estimation
import pytest
import scipy.optimize
from dndarray.algorithms.power import estimate
from numpy.linalg import LinAlgError
from power_samples import case, net, solved

import dndarray as dnd

Measurements = dict[str, tuple[np.ndarray, np.ndarray, float]]
NAME = "case118"


@cache
def exact() -> dict[str, np.ndarray]:
    """What pandapower finds, and its matrices say of it: in MW, MVAr, per unit and radians."""
    internal = solved(NAME)._ppc["internal"]
    V = internal["V"]
    start, end = (internal["branch"][:, k].real.astype(int) for k in (0, 1))
    powers = {
        "": V * (internal["Ybus"] @ V).conj(),
        "_start": V[start] * (internal["Yf"] @ V).conj(),
        "_end": V[end] * (internal["Yt"] @ V).conj(),
    }
    found = {"v": abs(V), "angle": np.angle(V)}
    for end_name, s in powers.items():
        found |= {f"p{end_name}": 100 * s.real, f"q{end_name}": 100 * s.imag}
    return found


def measured(noise: float = 1.0, seed: int = 0) -> Measurements:
    """Half of the magnitudes, all injections, and powers of some branches, with noise."""
    rng = np.random.default_rng(seed)
    found: Measurements = {}
    every = {"v": (2, 0.004), "p": (1, 1.0), "q": (1, 1.0), "p_start": (2, 0.8), "q_start": (2, 0.8), "p_end": (3, 0.8)}
    for name, (step, deviation) in every.items():
        where = np.arange(0, len(exact()[name]), step)
        found[name] = where, exact()[name][where] + noise * deviation * rng.standard_normal(len(where)), deviation
    return found


@cache
def by_scipy() -> np.ndarray:
    """Complex voltages of the least squares, from pandapower's matrices and SciPy's trust regions."""
    internal = solved(NAME)._ppc["internal"]
    Y = {"": internal["Ybus"], "_start": internal["Yf"], "_end": internal["Yt"]}
    ends = {"_start": internal["branch"][:, 0].real.astype(int), "_end": internal["branch"][:, 1].real.astype(int)}
    slack, angle = internal["ref"][0], np.angle(internal["V"])

    def voltages(x: np.ndarray) -> np.ndarray:
        return x[117:] * np.exp(1j * np.insert(x[:117], slack, angle[slack]))

    def residuals(x: np.ndarray) -> np.ndarray:
        V, found = voltages(x), []
        for name, (where, values, deviation) in measured().items():
            s = (V[ends[name[1:]]] if name[1:] else V) * (Y[name[1:]] @ V).conj()
            computed = abs(V) if name == "v" else 100 * (s.real if name[0] == "p" else s.imag)
            found.append((values - computed[where]) / deviation)
        return np.concatenate(found)

    start = np.concatenate([np.delete(angle, slack), abs(internal["V"])])
    found = scipy.optimize.least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-12)
    return voltages(found.x)


@pytest.mark.parametrize("split", [None, 0])
def test_as_scipy(split: int | None) -> None:
    found = estimate(case(NAME).resplit(split), measured(), tol=1e-10)
    s = found.solution
    assert bool(s.converged) and int(s.iterations) <= 8 and s.v.split == split
    np.testing.assert_allclose(s.V.numpy(), by_scipy(), rtol=0, atol=1e-7)
    # better than what was measured
    truth = solved(NAME)._ppc["internal"]["V"]
    assert np.std(abs(by_scipy()) - abs(truth)) < 0.0015
    assert found.objective == pytest.approx(sum((r**2).sum() for r in found.residuals.values()))
    assert 0.01 < found.probability < 0.99


@pytest.mark.filterwarnings("ignore")  # of pandas, about pandapower's tables
def test_as_pandapower() -> None:
    network = net(NAME)
    where, values, deviation = measured()["v"]
    bus = solved(NAME)._pd2ppc_lookups["bus"]
    number = {int(bus[b]): b for b in network.bus.index}
    for i, x in zip(where, values, strict=True):
        pandapower.create_measurement(network, "v", "bus", x, deviation, number[i])
    for name in ("p", "q"):
        for i, x in zip(*measured()[name][:2], strict=True):  # loads count as positive there
            pandapower.create_measurement(network, name, "bus", -x, 1.0, number[i])
    assert pandapower.estimation.estimate(network, init="flat", tolerance=1e-9)
    found = estimate(case(NAME), {name: measured()[name] for name in ("v", "p", "q")}, tol=1e-10).solution
    order = [number[i] for i in range(118)]
    np.testing.assert_allclose(found.v.numpy(), network.res_bus_est.vm_pu[order], rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.degrees(found.angle.numpy()), network.res_bus_est.va_degree[order], atol=1e-4)


def test_exact_measurements_give_the_state() -> None:
    found = estimate(case(NAME), measured(0.0), tol=1e-12)
    np.testing.assert_allclose(found.solution.V.numpy(), solved(NAME)._ppc["internal"]["V"], rtol=0, atol=1e-9)
    assert found.objective < 1e-10 and found.probability > 0.999


def test_wrong_measurements_are_seen() -> None:
    wrong = measured()
    where, values, deviation = wrong["p_start"]
    values = values.copy()
    values[10] += 40
    found = estimate(case(NAME), {**wrong, "p_start": (where, values, deviation)})
    assert found.probability < 1e-6
    sizes = {name: abs(r).max() for name, r in found.residuals.items()}
    assert max(sizes, key=sizes.__getitem__) == "p_start" and abs(found.residuals["p_start"]).argmax() == 10


def test_several_measurements_of_one_place_count_together() -> None:
    once = measured()
    where, values, deviation = once["v"]
    twice = {**once, "v": (np.tile(where, 2), np.concatenate([values + 0.001, values - 0.001]), deviation * 2**0.5)}
    a, b = (estimate(case(NAME), m, tol=1e-11) for m in (once, twice))
    np.testing.assert_allclose(a.solution.V.numpy(), b.solution.V.numpy(), rtol=0, atol=1e-10)


def test_angles_may_be_measured() -> None:
    both = {"v": (np.arange(118), exact()["v"], 0.001), "angle": (np.arange(118), exact()["angle"], 0.001)}
    found = estimate(case(NAME), both, tol=1e-12)
    np.testing.assert_allclose(found.solution.V.numpy(), solved(NAME)._ppc["internal"]["V"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"power": ([0], [1.0], 1.0)}, "what may be measured is p, p_start"),
        ({"v": ([118], [1.0], 1.0)}, "integers from 0 to 117"),
        ({"v": ([0.5], [1.0], 1.0)}, "integers"),
        ({"v": (np.arange(118) == 3, [1.0], 1.0)}, "integers"),
        ({"v": ([0], [np.nan], 1.0)}, "finite"),
        ({"v": ([0], [1.0], 0.0)}, "positive"),
        ({"v": ([0, 1], [1.0, 1.0, 1.0], 1.0)}, "there are 2 places"),
    ],
)
def test_bad_measurements(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(case(NAME), wrong)


def test_too_few_measurements() -> None:
    with pytest.raises(LinAlgError, match="do not determine"):
        estimate(case(NAME), {"v": (np.arange(118), np.ones(118), 0.01)})


def test_gradients_of_the_grid_do_not_matter() -> None:
    grid = case(NAME)
    grid = grid.replace(r=grid.branches.r.copy().requires_grad_())
    assert not estimate(grid, measured()).solution.v.requires_grad
    assert dnd.get_comm().size >= 1
