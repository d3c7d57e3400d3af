"""Pictures of cubes: what is in them, that rank 0 alone draws, and that little is brought to it."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from denoising_samples import synthetic
from dndarray.algorithms.denoising import plots

import dndarray as dnd
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
RANK = COMM.rank
CUBE = synthetic(20, 24, 12, 3)
OTHER = CUBE + 0.01 * np.random.default_rng(0).normal(size=CUBE.shape)


@pytest.fixture(autouse=True)
def closed():
    matplotlib.use("agg")
    yield
    plt.close("all")


def spread(cube, split=0):
    return dnd.array(cube, split=split)


@pytest.mark.parametrize("split", [None, 0, 1, 2])
def test_false_colors(split):
    ax = plots.false_color(spread(CUBE, split))
    assert (ax is None) == (RANK > 0)
    if RANK == 0:
        bands = CUBE[:, :, [9, 5, 2]]  # of 12: nearest to 11 * 5/6, 3/6 and 1/6
        low, high = np.percentile(bands, (2, 98), axis=(0, 1))
        np.testing.assert_allclose(ax.images[0].get_array(), np.clip((bands - low) / (high - low), 0, 1), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "bands"),
    [
        ({"bands": (0, -1, 3)}, [0, 11, 3]),
        ({"wavelengths": np.r_[np.linspace(400, 450, 11), 1000]}, [11, 10, 10]),
        ({"wavelengths": np.linspace(1000, 400, 12)}, [2, 5, 9]),
    ],
)
def test_which_bands(options, bands):
    ax = plots.false_color(spread(CUBE), **options, limits=np.array([[0, 2.0]] * 3))
    if RANK == 0:
        np.testing.assert_allclose(ax.images[0].get_array(), CUBE[:, :, bands] / 2, atol=1e-12)


def test_residuals():
    own = plt.subplots()[1]
    ax = plots.residuals(spread(CUBE), spread(OTHER, 1), ax=own)
    assert (ax is own) == (RANK == 0)
    if RANK == 0:
        expected = np.sqrt(((CUBE - OTHER) ** 2).mean(axis=2))
        np.testing.assert_allclose(ax.images[0].get_array(), expected, rtol=1e-10)
        np.testing.assert_allclose(ax.images[0].get_clim(), [0, np.percentile(expected, 98)])


def test_spectra():
    pixels = [(0, 3), (19, 23)]
    wavelengths = np.linspace(400, 900, 12)
    ax = plots.spectra({"noisy": spread(OTHER), "clean": spread(CUBE, 1)}, pixels, wavelengths=wavelengths)
    if RANK == 0:
        found = [line.get_ydata() for line in ax.lines]
        expected = [*OTHER[[0, 19], [3, 23]], *CUBE[[0, 19], [3, 23]]]
        np.testing.assert_allclose(found, expected)
        assert ax.lines[0].get_xdata().tolist() == wavelengths.tolist()
        assert ax.get_legend().texts[-1].get_text() == "clean, pixel (19, 23)"


@pytest.mark.parametrize("reference", [False, True])
def test_one_figure(reference):
    figure = plots.before_after(spread(OTHER), spread(CUBE * 0.99), reference=spread(CUBE) if reference else None)
    assert (figure is None) == (RANK > 0)
    if RANK == 0:
        titles = [ax.get_title(loc="left") for ax in figure.axes if ax.images]
        assert titles == ["before", "after", *(["error before", "error after"] if reference else ["taken away"])]
        if reference:
            before, after = (ax for ax in figure.axes if ax.get_title(loc="left").startswith("error"))
            assert before.images[0].get_clim() == after.images[0].get_clim()
        assert sum(len(ax.lines) for ax in figure.axes) == 3 * (2 + reference)


def test_a_grid():
    cube = dnd.array(CUBE, split=(0, 1), grid=(COMM.size, 1))
    ax = plots.residuals(cube, cube * 0)
    if RANK == 0:
        np.testing.assert_allclose(ax.images[0].get_array(), np.sqrt((CUBE**2).mean(axis=2)))


@pytest.mark.ranks(2, 3)
def test_little_is_brought_to_rank_0(monkeypatch):
    cube = spread(np.zeros((400, 300, 20), "float32"))
    monkeypatch.setattr(plots, "PIXELS", 50)
    with count_collectives() as counted:
        ax = plots.false_color(cube)
    assert counted.bytes < 50 * 50 * 3 * 4 * 2
    if RANK == 0:
        assert ax.images[0].get_array().shape == (50, 50, 3)
        assert ax.images[0].get_extent() == [-0.5, 299.5, 399.5, -0.5]


def test_what_is_refused():
    cube = spread(CUBE)
    with pytest.raises(ValueError, match="three of the 12 bands"):
        plots.false_color(cube, (0, 1, 12))
    with pytest.raises(ValueError, match="one number for each of 12"):
        plots.false_color(cube, wavelengths=[1, 2])
    with pytest.raises(ValueError, match="pairs of a row"):
        plots.spectra({"cube": cube}, [(20, 0)])
    with pytest.raises(ValueError, match="must be alike"):
        plots.residuals(cube, cube[1:])
