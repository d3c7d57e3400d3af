"""Metrics of cubes, beside NumPy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, synthetic
from dndarray.algorithms.denoising.metrics import psnr, sam, snr, ssim
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

skimage_metrics = pytest.importorskip("skimage.metrics")

CLEAN = synthetic(19, 23, 6, 3)
NOISY = CLEAN + 0.1 * np.random.default_rng(0).normal(size=CLEAN.shape)
BANDS = range(CLEAN.shape[2])


def structure(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array(
        [
            skimage_metrics.structural_similarity(
                x[..., b],
                y[..., b],
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=np.ptp(x[..., b]),
            )
            for b in BANDS
        ]
    )


def angles(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(x, axis=2) * np.linalg.norm(y, axis=2)
    return np.arccos(np.clip((x * y).sum(axis=2) / lengths, -1, 1))


def test_values_in_any_layout() -> None:
    ratio = skimage_metrics.peak_signal_noise_ratio
    whole = ratio(CLEAN, NOISY, data_range=CLEAN.max())
    bands = [ratio(CLEAN[..., b], NOISY[..., b], data_range=CLEAN[..., b].max()) for b in BANDS]
    errors = (CLEAN - NOISY) ** 2
    for layout in cube_layouts(CLEAN.shape):
        cube = place(NOISY, layout)
        for reference in (CLEAN, dnd.array(CLEAN, split=0), place(CLEAN, layout)):
            assert_allclose(psnr(reference, cube), whole, rtol=1e-12)
            assert_allclose(psnr(reference, cube, per_band=True), bands, rtol=1e-12)
            assert_allclose(snr(reference, cube), 10 * np.log10((CLEAN**2).sum() / errors.sum()), rtol=1e-12)
            expected = 10 * np.log10((CLEAN**2).sum((0, 1)) / errors.sum((0, 1)))
            assert_allclose(snr(reference, cube, per_band=True), expected, rtol=1e-12)
            assert_allclose(sam(reference, cube), angles(CLEAN, NOISY).mean(), rtol=1e-12)
            assert_allclose(sam(reference, cube, degrees=True), np.degrees(angles(CLEAN, NOISY).mean()), rtol=1e-12)
        assert_allclose(ssim(CLEAN, cube, per_band=True), structure(CLEAN, NOISY), rtol=1e-10)
        assert_allclose(ssim(place(CLEAN, layout), cube), structure(CLEAN, NOISY).mean(), rtol=1e-10)


def test_few_collectives() -> None:
    pair = dnd.array(CLEAN, split=0), dnd.array(NOISY, split=0)
    for metric, most in ((psnr, 2), (snr, 1), (sam, 1), (ssim, 4)):
        with count_collectives() as c:
            metric(*pair)
        agreed_assert(c.total <= most, f"{metric.__name__}: {c}")


def test_special_cubes() -> None:
    same = dnd.array(CLEAN, split=0)
    agreed_assert(psnr(same, same).item() == np.inf and snr(same, same).item() == np.inf, "an error in no error")
    agreed_assert(abs(ssim(same, same).item() - 1) < 1e-12 and sam(same, same).item() < 1e-7, "not alike")
    x = CLEAN.copy()
    x[3, 4] = 0
    expected = angles(np.delete(x.reshape(-1, 1, 6), 3 * 23 + 4, 0), np.delete(NOISY.reshape(-1, 1, 6), 3 * 23 + 4, 0))
    assert_allclose(sam(dnd.array(x, split=0), NOISY), expected.sum() / (19 * 23), rtol=1e-12)
    flat = CLEAN.copy()
    flat[..., 2] = 0.5
    agreed_assert(bool(dnd.isfinite(ssim(flat, dnd.array(flat + 0.1, split=0), per_band=True)).all()), "not finite")
    with pytest.raises(ValueError, match="must be alike"):
        psnr(same, same[1:])
    with pytest.raises(ValueError, match="no window"):
        ssim(same[:10], same[:10])


@pytest.mark.parametrize("metric", [psnr, snr, sam, ssim])
def test_gradients(metric) -> None:
    assert_slope(lambda cube: metric(CLEAN, cube), NOISY, 1e-5, rtol=1e-6)
