"""Time series against one step at a time, and what is wrong with profiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dndarray.algorithms.power import flow
from dndarray.algorithms.power.series import series
from power_samples import case

import dndarray as dnd

DAY = 1 - 0.3 * np.cos(np.linspace(0, 2 * np.pi, 24))


@pytest.mark.parametrize("split", [None, 0, 1])
def test_each_step_is_what_it_is_alone(split: int | None) -> None:
    grid = case("case30")
    base = grid.injection.numpy()[:, None] * grid.base_mva * DAY
    found = series(grid, dnd.array(base.real, split=split), dnd.array(base.imag, split=split), tol=1e-10)
    assert found.v.split == 1
    V = found.V.numpy()
    for step in range(0, 24, 5):
        alone = flow(grid, base[:, step].real, base[:, step].imag, tol=1e-10)
        assert abs(V[:, step] - alone.V.numpy()).max() < 1e-9


def test_factors_and_profiles_of_some_buses_mean_the_same() -> None:
    grid = case("case14")
    names, own = grid.bus_names, grid.injection.numpy() * grid.base_mva
    every = series(grid, own.real[:, None] * DAY, own.imag[:, None] * DAY).V.numpy()
    np.testing.assert_allclose(series(grid, scale=DAY).V.numpy(), every, atol=1e-9)
    np.testing.assert_allclose(series(grid, scale=np.tile(DAY, (14, 1))).V.numpy(), every, atol=1e-9)
    np.testing.assert_allclose(series(grid, scale=dict.fromkeys(names.tolist(), DAY)).V.numpy(), every, atol=1e-9)
    p = {name: own.real[i] * DAY for i, name in enumerate(names)}
    q = {name: own.imag[i] * DAY for i, name in enumerate(names)}
    np.testing.assert_allclose(series(grid, p, q).V.numpy(), every, atol=1e-9)


def test_what_is_not_given_stays() -> None:
    grid = case("case14")
    found = series(grid, {grid.bus_names[3]: [-40.0, -50.0]})
    expected = grid.buses.p.numpy() * grid.base_mva
    expected[3] = -50.0
    np.testing.assert_allclose(found.V.numpy()[:, 1], flow(grid, expected).V.numpy(), atol=1e-8)


def test_a_step_that_diverges_is_marked() -> None:
    factors = DAY.copy()
    factors[5] = 50.0
    found = series(case("case14"), scale=factors)
    assert np.flatnonzero(~found.converged.numpy()).tolist() == [5]


BUS = case("case14").bus_names


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "takes a profile"),
        ({"p": np.ones((14, 3)), "q": np.ones((14, 4))}, "`q` has 4 steps, but `p` has 3"),
        ({"p": {BUS[0]: [1.0, 2.0], BUS[1]: [1.0]}}, f"`p` of bus {BUS[1]} has 1 steps, but `p` of bus {BUS[0]} has 2"),
        ({"scale": {"nowhere": [1.0]}}, "'nowhere', which is no bus"),
        ({"scale": 2.0}, "is a number"),
        ({"p": np.ones((13, 3))}, "must have a row for each bus"),
        ({"scale": np.ones((13, 3))}, r"must have a row for each bus, \(14, 3\) or \(3,\)"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        series(case("case14"), **given)


def test_a_grid_that_is_split_is_refused() -> None:
    with pytest.raises(ValueError, match="no steps to deal out"):
        series(case("case14").resplit(0), scale=DAY)
