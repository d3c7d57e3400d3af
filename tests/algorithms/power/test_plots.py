"""Pictures: what is in them, that rank 0 alone draws, and what happens without coordinates."""

from __future__ import annotations

import dataclasses

import matplotlib
import numpy as np
import pytest
from dndarray.algorithms.power import Solution, flow, plots
from power_samples import case

import dndarray as dnd

RANK = dnd.get_comm().rank


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def one() -> Solution:
    return flow(case("case14"))


@pytest.fixture(scope="module")
def many() -> Solution:
    grid = case("case14")
    scale = np.linspace(0.5, 1.1, 9)
    p, q = (x.numpy()[:, None] * grid.base_mva * scale for x in (grid.buses.p, grid.buses.q))
    return flow(grid, dnd.array(p, split=1), dnd.array(q, split=1))


def test_only_rank_0_draws(one, many):
    drawn = [one.plot_voltages(), many.plot_voltages(), one.plot_map(), many.plot_map(3), one.plot_convergence()]
    drawn.append(plots.severity(["a"], [1.0], "loading"))
    assert [ax is not None for ax in drawn] == [RANK == 0] * 6
    if RANK == 0:
        assert all(isinstance(ax, matplotlib.axes.Axes) for ax in drawn)


@pytest.mark.parametrize("number", [None, 4])
def test_voltages_of_a_case(one, many, number):
    solution = one if number is None else many
    ax = solution.plot_voltages(number)
    expected = (one if number is None else many[number]).v.numpy()
    if RANK == 0:
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), expected)


def test_voltages_of_cases_of_which_none_has_converged(many):
    v = many.v.copy()
    v[:, 4] = np.nan
    mismatch = dnd.where(dnd.isfinite(v).all(0), 1.0, np.nan)
    rough = dataclasses.replace(many, v=v, mismatch=mismatch, converged=mismatch < 0)
    ax = rough.plot_voltages()
    expected = np.median(many.v.numpy()[:, np.arange(9) != 4], axis=1)
    if RANK == 0:
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
    with pytest.raises(ValueError, match="none of the 0 cases"):
        many[:0].plot_voltages()


def test_voltages_of_a_batch(many):
    ax = many.plot_voltages()
    v = many.v.numpy()
    if RANK == 0:
        np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(v, axis=1))
        outer = ax.collections[0].get_paths()[0].vertices
        np.testing.assert_allclose([outer[:, 1].min(), outer[:, 1].max()], [v.min(), v.max()])


def test_the_map_by_coordinates(one):
    xy = np.arange(28.0).reshape(14, 2)
    xy[5] = np.nan
    grid = one.grid.replace(coordinates=xy, rating=dnd.full(20, 2.0))
    solution = dataclasses.replace(one, grid=grid)
    ax = solution.plot_map()
    loading, v = solution.loading().numpy(), solution.v.numpy()
    ends = np.stack([grid.branches.start.numpy(), grid.branches.end.numpy()], 1)
    if RANK == 0:
        lines, buses = ax.collections
        known = (ends != 5).all(1)
        np.testing.assert_array_equal(lines.get_segments(), xy[ends[known]])
        np.testing.assert_allclose(lines.get_array(), loading[known])
        np.testing.assert_allclose(buses.get_array(), v)
        assert "layout" not in ax.get_title(loc="left")
        assert [other.get_ylabel() for other in ax.figure.axes[1:]] == ["|V| (p.u.)", "loading (%)"]


def test_the_map_without_coordinates(one, monkeypatch):
    grid = one.grid.replace(coordinates=None, rating=dnd.full(20, dnd.inf))
    solution = dataclasses.replace(one, grid=grid)
    ax = solution.plot_map()
    if RANK == 0:
        assert "spring layout" in ax.get_title(loc="left")
        assert len(ax.collections[0].get_segments()) == 20
        assert len(ax.figure.axes) == 2
    monkeypatch.setattr(plots, "MANY", 10)
    with pytest.raises(ValueError, match="no coordinates"):
        solution.plot_map()


def test_the_map_of_a_grid_that_is_split(one):
    split = dataclasses.replace(one, grid=one.grid.resplit(0), v=one.v.resplit(0), angle=one.angle.resplit(0))
    ax, expected = split.plot_map(), one.plot_map()
    if RANK == 0:
        for mine, theirs in zip(ax.collections, expected.collections, strict=True):
            np.testing.assert_allclose(mine.get_array(), theirs.get_array(), rtol=1e-9)


def test_a_map_is_of_one_case(many):
    with pytest.raises(ValueError, match="choose one of the 9"):
        many.plot_map()


def test_convergence_and_severity(one):
    own = matplotlib.pyplot.subplots()[1]
    ax = one.plot_convergence(own)
    assert (ax is own) == (RANK == 0)
    if RANK == 0:
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), one.history)
        assert ax.get_yscale() == "log"
    ax = plots.severity(["line 3", "trafo 1"], [120.0, 80.0], "highest loading (%)")
    if RANK == 0:
        assert [bar.get_width() for bar in ax.patches] == [80.0, 120.0]
        assert [text.get_text() for text in ax.get_yticklabels()] == ["trafo 1", "line 3"]
