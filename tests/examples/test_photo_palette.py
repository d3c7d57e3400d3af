"""The example finds what k-means written with NumPy finds, on any number of ranks."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
import shipped
from PIL import Image

import dndarray as dnd

RANK = dnd.get_comm().rank


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return shipped.example("photo_palette")


@pytest.fixture
def photo(shared_path: Path) -> np.ndarray:
    """A picture of spots of colour, 17 rows of 13 pixels, in a file of each kind."""
    rng = np.random.default_rng(0)
    spots = rng.integers(30, 220, size=(6, 3))
    picture = (spots[rng.integers(6, size=(17, 13))] + rng.integers(-25, 25, size=(17, 13, 3))).astype("uint8")
    if RANK == 0:
        Image.fromarray(picture).save(shared_path / "photo.png")
        with h5py.File(shared_path / "photo.h5", "w") as file:
            file["picture"] = picture
    dnd.get_comm().barrier()
    return picture


def oracle(pixels: np.ndarray, draws: list[float]) -> np.ndarray:
    """k-means++ and k-means as a textbook has them."""

    def distances(palette: np.ndarray) -> np.ndarray:
        return ((pixels[:, None] - palette) ** 2).sum(axis=2)

    palette = pixels[[int(draws[0] * len(pixels))]]
    for draw in draws[1:]:
        nearest = distances(palette).min(axis=1)
        new = np.searchsorted(nearest.cumsum(), draw * nearest.sum(), side="right")
        palette = np.vstack([palette, pixels[min(new, len(pixels) - 1)]])
    while True:
        labels = distances(palette).argmin(axis=1)
        better = np.array([pixels[labels == i].mean(axis=0) if i in labels else old for i, old in enumerate(palette)])
        if np.array_equal(better, palette):
            return palette
        palette = better


@pytest.mark.parametrize("name", ["photo.png", "photo.h5"])
@pytest.mark.parametrize("colours", [1, 5])
def test_the_palette_is_that_of_numpy(shared_path, example, photo, capsys, name, colours):
    arguments = ["--input", shared_path / name, "--output", shared_path / "out", "--colours", colours, "--seed", 3]
    found = example.main([str(argument) for argument in arguments], standalone_mode=False)
    draws = dnd.random.Generator(3).random(colours, dtype="float64").tolist()
    pixels = photo.reshape(-1, 3).astype("float64")
    expected = oracle(pixels, draws)
    labels = ((pixels[:, None] - expected) ** 2).sum(axis=2).argmin(axis=1)
    order = np.argsort(-np.bincount(labels, minlength=colours), kind="stable")
    np.testing.assert_allclose(found, expected[order], rtol=1e-12)

    painted = expected[labels].round().reshape(photo.shape)
    dnd.testing.assert_array_equal(dnd.io.load(shared_path / "out" / "painted.h5", split=0), painted.astype("uint8"))
    dnd.get_comm().barrier()  # rank 0 wrote the picture
    with Image.open(shared_path / "out" / "painted.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), painted)

    said = capsys.readouterr().out
    assert (f"{colours} colours after" in said) == (RANK == 0)
    assert (f"on {dnd.get_comm().size} process" in said) == (RANK == 0)
    assert (example.hexadecimal(found[0]) in said) == (RANK == 0)


def test_more_colours_than_there_are(example):
    pixels = dnd.array(np.repeat(np.eye(3) * 255, 4, axis=0), split=0)
    palette = example.first_palette(pixels, 5, seed=0)
    *_, palette = [palette, *example.better_palettes(pixels, palette)]
    found = palette.numpy()
    assert {tuple(colour) for colour in found} == {(255, 0, 0), (0, 255, 0), (0, 0, 255)}
    assert np.isfinite(found).all()


def test_principal_axes(example):
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(40, 3)) * [9, 3, 1] @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + 100
    axes, variances = (t.numpy() for t in example.principal_axes(dnd.array(pixels, split=0)))
    covariance = np.cov(pixels.T, bias=True)
    np.testing.assert_allclose(axes @ np.diag(variances) @ axes.T, covariance, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert (np.diff(variances) < 0).all()
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()


def test_what_is_not_a_picture(shared_path, example):
    dnd.io.save(dnd.zeros((4, 4)), shared_path / "flat.h5")
    with pytest.raises(example.click.BadParameter, match=r"has \(4, 4\)"):
        example.main(
            ["--input", str(shared_path / "flat.h5"), "--output", str(shared_path / "out")], standalone_mode=False
        )
