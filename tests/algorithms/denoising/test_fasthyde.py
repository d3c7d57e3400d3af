"""FastHyDe and FastHyIn: what they gain on real cubes, their steps beside plain NumPy, any layout, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, samson, synthetic, wdc
from dndarray.algorithms.denoising import FastHyDe, FastHyIn, metrics, noise
from parity.driver import place

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

CLEAN = synthetic(26, 24, 12, 3)
NOISY = CLEAN + 0.02 * np.random.default_rng(0).normal(size=CLEAN.shape)
DENOISERS = ["bm3d", "nlm", "wavelet"]


def with_noise(clean: np.ndarray, snr: float) -> np.ndarray:
    sigma = np.sqrt(np.mean(clean**2) / 10 ** (snr / 10))
    return clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)


def gain(clean: np.ndarray, cube: dnd.DNDarray) -> float:
    return float(metrics.psnr(dnd.array(clean, split=0), cube))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "snr", "nlm", "wavelet"),
    [
        ("samson", 20, 46.54, 46.21),
        ("samson", 30, 51.05, 51.07),
        ("samson", 40, 53.03, 53.11),
        ("wdc", 20, 48.44, None),
        ("wdc", 30, 54.40, None),
    ],
)
def test_published_figures(scene: str, snr: float, nlm: float, wavelet: float | None) -> None:
    clean = samson() if scene == "samson" else wdc(160)
    cube = dnd.array(with_noise(clean, snr), split=0)
    found = {name: gain(clean, FastHyDe(rank=10, denoiser=name)(cube)) for name in DENOISERS}
    agreed_assert(found["nlm"] > nlm and found["bm3d"] > found["nlm"] - 0.05, str(found))
    agreed_assert(wavelet is None or found["wavelet"] > wavelet, str(found))


@pytest.mark.parametrize("denoiser", DENOISERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(dtype: str, denoiser: str) -> None:
    whole = NOISY.astype(dtype)
    expected = FastHyDe(rank=3, denoiser=denoiser)(dnd.array(whole)).numpy()
    assert np.sqrt(np.mean((expected - CLEAN) ** 2)) < 0.012
    for layout in cube_layouts(whole.shape):
        found = FastHyDe(rank=3, denoiser=denoiser)(place(whole, layout))
        assert found.layout is layout and found.dtype == getattr(dnd, dtype)
        assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-9)


def test_rank_of_hysime() -> None:
    method = FastHyDe(rank="hysime", denoiser="nlm").fit(dnd.array(NOISY, split=0))
    assert method.rank_ == 3 and method.basis_.shape == (12, 3)
    np.testing.assert_allclose(np.median(method.sigma_.numpy()), 0.02, rtol=0.1)


def test_models_of_noise() -> None:
    uneven = noise.noniid(dnd.array(CLEAN, split=0), 0.005, 0.2, seed=0)
    counts = noise.poisson(dnd.array(CLEAN, split=0), 3, seed=0)
    found = {
        (name, model): gain(CLEAN, FastHyDe(rank=3, noise=model)(cube))
        for name, cube in (("noniid", uneven), ("poisson", counts))
        for model in ("additive", name)
    }
    agreed_assert(found["noniid", "noniid"] > found["noniid", "additive"] + 3, str(found))
    agreed_assert(found["poisson", "poisson"] > found["poisson", "additive"] + 2, str(found))
    agreed_assert(found["poisson", "poisson"] > gain(CLEAN, counts) + 6, str(found))


def test_without_noise_the_subspace_is_left() -> None:
    for cube in (dnd.zeros((12, 13, 5), split=0), dnd.array(CLEAN, split=0)):
        found = FastHyDe(rank=4, denoiser="nlm")(cube)
        assert_allclose(found, cube.numpy(), rtol=0, atol=1e-4)


def test_interpolated_bands() -> None:
    """A regression finds no noise in three bands and their neighbours; they still do not outweigh all others."""
    clean, dead = synthetic(40, 36, 60, 3), [10, 30, 50]
    given = clean + 0.03 * np.random.default_rng(3).normal(size=clean.shape)
    filled = given.copy()
    filled[..., dead] = (given[..., [b - 1 for b in dead]] + given[..., [b + 1 for b in dead]]) / 2
    for model in ("additive", "noniid"):
        found = [gain(clean, FastHyDe(rank=6, noise=model, denoiser="nlm")(x)) for x in (given, filled)]
        agreed_assert(found[1] > found[0] - 4.5, f"{model}: {found}")


def test_communication() -> None:
    cube = dnd.array(NOISY, split=0)
    with count_collectives() as c:
        FastHyDe(rank=3, denoiser="nlm")(cube)
    agreed_assert(c.total <= 3 + 1 + 1, str(c))  # the checks of a cube, the Gram matrix, halos


def test_errors() -> None:
    cube = dnd.array(NOISY, split=0)
    with pytest.raises(ValueError, match="no subspace of more dimensions"):
        FastHyDe(rank=13)(cube)
    for wrong in ({"rank": 0}, {"rank": "all"}, {"noise": "pink"}, {"denoiser": "median"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FastHyDe(**wrong)(cube)


# --- what was not observed --------------------------------------------------------------------------------------------


def dead_columns() -> np.ndarray:
    draw, mask = np.random.default_rng(1), np.ones(CLEAN.shape, dtype=bool)
    for band in (0, 3, 4, 9):
        mask[:, draw.choice(24, 3, replace=False), band] = False
    mask[4:6, 7, 2:] = False  # two bands are fewer than the rank
    return mask


MASKS = {"dead columns": dead_columns(), "at random": np.random.default_rng(2).random(CLEAN.shape) < 0.5}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_missing_values_in_any_layout(dtype: str, name: str) -> None:
    mask = MASKS[name] | (~MASKS[name].any(axis=2))[..., None]
    whole = np.where(mask, NOISY, 1e3).astype(dtype)
    expected = FastHyIn(rank=3, denoiser="nlm")(dnd.array(whole), mask).numpy()
    usual = mask.sum(axis=2) >= 6  # fewer bands may leave a direction of the basis nearly open
    assert np.sqrt(np.mean((expected - CLEAN)[usual] ** 2)) < 0.05
    for layout in cube_layouts(whole.shape):
        cube = place(whole, layout)
        found = FastHyIn(rank=3, denoiser="nlm")(cube, dnd.array(mask, split=1))
        assert found.layout is layout and found.dtype == getattr(dnd, dtype)
        assert_allclose(found, expected, rtol=2e-4 if dtype == "float32" else 1e-8)
    missing = np.where(mask, whole, np.nan).astype(dtype)
    assert_allclose(FastHyIn(rank=3, denoiser="nlm")(dnd.array(missing, split=0)), expected, rtol=1e-4)


def test_coefficients_are_those_of_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    images = []

    def keep(z: dnd.DNDarray, sigma: dnd.DNDarray) -> dnd.DNDarray:
        images.append(z.numpy())
        return z

    monkeypatch.setitem(FastHyIn.__mro__[1].__init__.__globals__["DENOISERS"], "nlm", keep)
    mask = MASKS["dead columns"]
    method = FastHyIn(rank=3, denoiser="nlm")
    method(dnd.array(NOISY, split=0), mask)
    basis = method.basis_.numpy()
    few = 0
    for r, c in np.ndindex(26, 24):
        seen = mask[r, c]
        few += seen.sum() < 3
        expected = np.linalg.pinv(basis[seen]) @ NOISY[r, c, seen]
        np.testing.assert_allclose(images[0][r, c], expected, rtol=1e-5, atol=1e-6)
    assert few == 2
    complete = NOISY[mask.all(axis=2)]
    signal = np.linalg.svd(complete, full_matrices=False)[2][:3].T
    np.testing.assert_allclose(np.linalg.svd(basis.T @ signal)[1], 1, atol=1e-3)


def test_constant_bands_stay_as_they_are() -> None:
    mask = MASKS["dead columns"] & (np.arange(12) != 5)
    whole = np.where(np.arange(12) == 2, 7.0, NOISY)
    whole[..., 5] = 0.0
    mask[:3, :, 5] = mask[..., 7] = True
    found = FastHyIn(rank=3, denoiser="nlm")(dnd.array(whole, split=0), mask).numpy()
    np.testing.assert_array_equal(found[..., 2], np.full((26, 24), 7.0))
    np.testing.assert_array_equal(found[..., 5], np.zeros((26, 24)))
    others = [b for b in range(12) if b not in (2, 5)]
    expected = FastHyIn(rank=3, denoiser="nlm")(dnd.array(whole[..., others], split=0), mask[..., others]).numpy()
    np.testing.assert_allclose(found[..., others], expected, atol=1e-12)


@pytest.mark.slow
def test_missing_values_of_a_real_cube() -> None:
    clean = wdc(96)
    noisy = with_noise(clean, 20)
    draw, dead = np.random.default_rng(0), np.ones(clean.shape, dtype=bool)
    for band in draw.choice(191, 60, replace=False):
        dead[:, draw.choice(96, 2, replace=False), band] = False
    found = {
        name: gain(clean, FastHyIn(rank=10)(dnd.array(noisy, split=0), mask))
        for name, mask in (("dead", dead), ("random", draw.random(clean.shape) > 0.5))
    }
    whole = gain(clean, FastHyDe(rank=10)(dnd.array(noisy, split=0)))
    agreed_assert(found["dead"] > whole - 1.5 and found["random"] > 42, f"{found}, {whole}")


def test_masks_that_observe_nothing() -> None:
    cube = dnd.array(NOISY, split=0)
    mask = np.ones(CLEAN.shape, dtype=bool)
    with pytest.raises(ValueError, match="nothing of the cube"):
        FastHyIn(rank=3)(cube, ~mask)
    mask[:, :, 5] = False
    with pytest.raises(ValueError, match="1 bands"):
        FastHyIn(rank=3)(cube, mask)
    mask[:, :, 5] = True
    mask[25, 23] = False
    with pytest.raises(ValueError, match="1 of 624 pixels"):
        FastHyIn(rank=3)(cube, mask)
    with pytest.raises(ValueError, match="a mask of shape"):
        FastHyIn(rank=3)(cube, mask[:5])
    with pytest.raises(ValueError, match="infinity"):
        FastHyIn(rank=3)(dnd.where(cube > 0.5, np.inf, cube))
