"""Noise and subspace estimates from Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, samson, synthetic, wdc
from dndarray.algorithms.denoising import estimate_noise, gram, hysime, noise
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives


def noisy(rows: int = 20, cols: int = 18, bands: int = 12, rank: int = 3, sigma: float = 0.02) -> np.ndarray:
    clean = synthetic(rows, cols, bands, rank)
    return clean + sigma * np.linspace(0.5, 2, bands) * np.random.default_rng(1).normal(size=clean.shape)


def left_out(pixels: np.ndarray) -> np.ndarray:
    """What the other bands leave of each band, by least squares."""
    residuals = np.empty_like(pixels)
    for b in range(pixels.shape[1]):
        others = np.delete(pixels, b, axis=1)
        residuals[:, b] = pixels[:, b] - others @ np.linalg.lstsq(others, pixels[:, b], rcond=None)[0]
    return residuals


def signal_subspace(pixels: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray]:
    """HySime from the residuals, step by step."""
    x = pixels - w
    signal, observed, bands = x.T @ x / len(x), pixels.T @ pixels / len(x), pixels.shape[1]
    corrected = np.diag((w**2).mean(axis=0)) + np.trace(signal) / bands * 1e-5 * np.eye(bands)
    vectors = np.linalg.eigh(signal)[1]
    cost = -np.diag(vectors.T @ observed @ vectors) + 2 * np.diag(vectors.T @ corrected @ vectors)
    k = int((cost < 0).sum())
    return k, vectors[:, np.argsort(cost)][:, :k]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gram_in_any_layout(dtype: str) -> None:
    whole = noisy().astype(dtype)
    pixels = whole.reshape(-1, whole.shape[2]).astype("float64")
    for layout in cube_layouts(whole.shape):
        with count_collectives() as c:
            found = gram(place(whole, layout))
        agreed_assert(c.total <= 1 + (2 in layout.axes), f"{layout}: {c}")
        assert found.dtype is dnd.float64 and not found.layout.is_dealt
        assert_allclose(found, pixels.T @ pixels, rtol=1e-13)


def test_residuals_are_those_of_regression_on_all_other_bands() -> None:
    whole = noisy()
    expected = left_out(whole.reshape(-1, whole.shape[2]))
    for layout in cube_layouts(whole.shape):
        with count_collectives() as c:
            found = estimate_noise(place(whole, layout))
            variances = found.variances
        agreed_assert(c.total <= 1 + (2 in layout.axes), f"{layout}: {c}")
        residuals = found.residuals
        assert residuals.layout is layout
        assert_allclose(residuals, expected.reshape(whole.shape), atol=2e-7)
        assert_allclose(variances, (expected**2).mean(axis=0), rtol=1e-6)
        assert_allclose(found.sigma, np.sqrt((expected**2).mean(axis=0)), rtol=1e-6)


def test_float32_cubes_have_the_same_noise() -> None:
    whole = noisy()
    exact = estimate_noise(dnd.array(whole, split=0))
    found = estimate_noise(dnd.array(whole.astype("float32"), split=0))
    assert_allclose(found.sigma, exact.sigma.numpy(), rtol=1e-5)
    assert found.residuals.dtype is dnd.float32
    assert_allclose(found.residuals, exact.residuals.numpy(), atol=2e-6)


def test_poisson_noise_grows_with_the_signal() -> None:
    clean = 50 * synthetic(60, 50, 40, 3) + 5
    counts = noise.poisson(clean, 25, seed=0)
    cube = dnd.array(counts.numpy(), split=0)
    with count_collectives() as c:
        found = estimate_noise(cube, "poisson")
    agreed_assert(c.total <= 2, str(c))
    true = ((counts.numpy() - clean) ** 2).mean(axis=(0, 1))
    assert_allclose(found.variances, true, rtol=0.3)
    assert_allclose(found.variances, (found.residuals.numpy() ** 2).mean(axis=(0, 1)), rtol=1e-9)
    # By hand: regression of the roots.
    pixels = counts.numpy().reshape(-1, 40)
    w = left_out(np.sqrt(pixels))
    w = 2 * (np.sqrt(pixels) - w) * w
    assert_allclose(found.variances, (w**2).mean(axis=0), rtol=1e-5)
    rank, _ = signal_subspace(pixels, w)
    agreed_assert(hysime(counts, found).rank == rank, f"{hysime(counts, found).rank} is not {rank}")


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_hysime_finds_the_rank(rank: int) -> None:
    clean = synthetic(60, 50, 40, rank)
    whole = clean + 0.002 * np.random.default_rng(0).normal(size=clean.shape)
    for layout in cube_layouts(whole.shape):
        cube = place(whole, layout)
        found = hysime(cube)
        agreed_assert(found.rank == rank, f"{found.rank} is not {rank}")
        basis = found.basis.numpy()
        np.testing.assert_allclose(basis.T @ basis, np.eye(40), atol=1e-12)
        signal = basis[:, :rank]
        left = clean - clean @ signal @ signal.T
        agreed_assert(bool((left**2).mean() < 1e-8), "the subspace lacks signal")


def test_hysime_as_its_formula_says_from_the_residuals() -> None:
    whole = noisy()
    pixels = whole.reshape(-1, whole.shape[2])
    k, expected = signal_subspace(pixels, left_out(pixels))
    cube = dnd.array(whole, split=0)
    estimate = estimate_noise(cube)
    with count_collectives() as c:
        found = hysime(cube, estimate)
    agreed_assert(c.total == 0, str(c))
    agreed_assert(found.rank == k, f"{found.rank} is not {k}")
    directions = found.basis.numpy()[:, :k]
    np.testing.assert_allclose(directions @ directions.T, expected @ expected.T, atol=1e-5)


def test_hysime_of_real_scenes() -> None:
    for crop, snr, rank in ((160, 20, 5), (160, 30, 6)):
        cube = noise.gaussian(dnd.array(wdc(crop), split=0), snr, seed=0)
        found = hysime(cube).rank
        agreed_assert(found == rank, f"{found} at {snr} dB")
    found = hysime(noise.gaussian(dnd.array(samson(), split=0), 20, seed=0)).rank
    agreed_assert(found in (5, 6), str(found))


def test_bands_without_noise() -> None:
    whole = noisy()
    whole[:, :, 3] = 0
    whole[:, :, 7] = whole[:, :, 6]
    found = estimate_noise(dnd.array(whole, split=0))
    sigma = found.sigma.numpy()
    agreed_assert(bool(np.isfinite(sigma).all()) and sigma[3] == 0, str(sigma))
    agreed_assert(max(sigma[6], sigma[7]) < 1e-4 * sigma[5], str(sigma))
    zero = estimate_noise(dnd.zeros((5, 6, 4), split=0))
    assert_allclose(zero.sigma, np.zeros(4))
    agreed_assert(hysime(dnd.zeros((5, 6, 4), split=0)).rank == 0, "a cube of zeros holds no signal")
    with pytest.raises(ValueError, match="'additive' or 'poisson'"):
        estimate_noise(dnd.zeros((5, 6, 4)), "gaussian")


def test_bands_without_noise_are_divided_by_the_usual_one() -> None:
    whole = noisy(bands=16)
    whole[:, :, 3] = 0
    whole[:, :, 7] = (whole[:, :, 6] + whole[:, :, 8]) / 2
    found = estimate_noise(dnd.array(whole, split=0))
    sigma, strengths = found.sigma.numpy(), np.sqrt((whole**2).mean(axis=(0, 1)))
    ratios = np.delete(sigma / np.where(strengths > 0, strengths, 1), [3, 6, 7, 8])
    divisors = found.divisors().numpy()
    usual = [b for b in range(16) if b not in (3, 6, 7, 8)]
    np.testing.assert_array_equal(divisors[usual], sigma[usual])
    agreed_assert(bool((divisors > 0).all()), str(divisors))
    for b in (6, 7, 8):
        agreed_assert(ratios.min() <= divisors[b] / strengths[b] <= ratios.max(), f"{b}: {divisors}")


def test_estimates_have_gradients() -> None:
    whole = noisy(6, 5, 4, 2, sigma=0.3)

    def measure(cube: dnd.DNDarray) -> dnd.DNDarray:
        found = estimate_noise(cube)
        return (found.residuals**3).sum() + found.sigma.sum()

    assert_slope(measure, whole, rtol=1e-6)
