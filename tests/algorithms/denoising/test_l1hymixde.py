"""L1HyMixDe: what it gains where outliers are, in any layout."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, synthetic, wdc
from dndarray.algorithms.denoising import Denoiser, FastHyDe, L1HyMixDe, metrics
from parity.driver import place

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

CLEAN = synthetic(24, 22, 12, 3)


def with_impulses(clean: np.ndarray, snr: float, fraction: float, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    sigma = np.sqrt(np.mean(clean**2) / 10 ** (snr / 10))
    drawn = draw.random(clean.shape)
    noisy = clean + sigma * draw.standard_normal(clean.shape)
    return np.where(drawn < fraction / 2, clean.max(), np.where(drawn < fraction, 0, noisy))


def with_stripes(clean: np.ndarray, snr: float, bands: int) -> np.ndarray:
    draw, columns = np.random.default_rng(0), clean.shape[1]
    sigma = np.sqrt(np.mean(clean**2) / 10 ** (snr / 10))
    noisy = clean + sigma * draw.standard_normal(clean.shape)
    for band in draw.choice(clean.shape[2], bands, replace=False):
        hit = draw.choice(columns, round(draw.uniform(0.05, 0.15) * columns), replace=False)
        noisy[:, hit, band] += draw.uniform(-0.25, 0.25, len(hit)) * clean.max()
    return noisy


NOISY = with_impulses(CLEAN, 25, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "published"), [("gaussian", 48.06), ("stripes", 45.96), ("impulses", 48.07)])
@pytest.mark.parametrize("denoiser", ["bm3d", "nlm"])
def test_published_figures(kind: str, published: float, denoiser: str) -> None:
    """With non-local means and impulses the mean of three draws: of single ones it is 47.75 to 47.83 dB."""
    clean = wdc(96)
    if kind == "impulses":
        cubes = [with_impulses(clean, 20, 0.005, seed) for seed in range(3 if denoiser == "nlm" else 1)]
    else:
        cubes = [with_stripes(clean, 20, 40 if kind == "stripes" else 0)]

    def quality(method: Denoiser) -> float:
        return float(np.mean([float(metrics.psnr(clean, method(dnd.array(x, split=0)))) for x in cubes]))

    found = quality(L1HyMixDe(rank=8, denoiser=denoiser))
    agreed_assert(found > published - 0.3, f"{found}")
    if kind == "impulses":
        gaussian = quality(FastHyDe(rank=10, denoiser=denoiser))
        margin = {"bm3d": 3, "nlm": 2.9}[
            denoiser
        ]  # with non-local means FastHyDe, too, is better than published: 44.79
        agreed_assert(found > gaussian + margin, f"{found}, FastHyDe: {gaussian}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(dtype: str) -> None:
    whole = NOISY.astype(dtype)
    expected = L1HyMixDe(rank=3, iterations=3, denoiser="nlm", max_window=9)(dnd.array(whole)).numpy()
    assert np.sqrt(np.mean((expected - CLEAN) ** 2)) < 0.5 * np.sqrt(np.mean((NOISY - CLEAN) ** 2))
    for layout in cube_layouts(whole.shape):
        found = L1HyMixDe(rank=3, iterations=3, denoiser="nlm", max_window=9)(place(whole, layout))
        assert found.layout is layout and found.dtype == getattr(dnd, dtype)
        assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-9)


@pytest.mark.slow
def test_values_with_block_matching() -> None:
    expected = L1HyMixDe(rank=3, iterations=4)(dnd.array(NOISY)).numpy()
    for layout in cube_layouts(NOISY.shape):
        assert_allclose(L1HyMixDe(rank=3, iterations=4)(place(NOISY, layout)), expected, rtol=1e-9)


def test_it_beats_a_method_for_gaussian_noise() -> None:
    cube, reference = dnd.array(NOISY, split=0), dnd.array(CLEAN, split=0)
    found = {
        type(method).__name__: float(metrics.psnr(reference, method(cube)))
        for method in (L1HyMixDe(rank=3, denoiser="nlm"), FastHyDe(rank=3, denoiser="nlm"))
    }
    agreed_assert(found["L1HyMixDe"] > found["FastHyDe"] + 3, str(found))


def test_the_end() -> None:
    cube = dnd.array(NOISY, split=0)
    method = L1HyMixDe(rank=3, denoiser="nlm", tol=0.05).fit(cube)
    assert 1 <= method.n_iter_ < 40
    assert method.basis_.shape == (12, 3) and method.sigma_.shape == (12,)


def test_communication() -> None:
    cube = dnd.array(NOISY, split=0)
    counts = []
    for iterations in (1, 3):
        with count_collectives() as c:
            L1HyMixDe(rank=3, iterations=iterations, tol=0.0, denoiser="nlm")(cube)
        counts.append(c.total)
    agreed_assert(counts[1] - counts[0] <= 2 * 3, str(counts))


def test_errors() -> None:
    cube = dnd.array(NOISY, split=0)
    with pytest.raises(ValueError, match="no more components"):
        L1HyMixDe(rank=13)(cube)
    with pytest.raises(ValueError, match="outlier"):
        L1HyMixDe(outlier=0)(cube)
