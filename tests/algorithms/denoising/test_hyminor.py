"""HyMiNoR: its minimisation beside its steps with dense matrices, and how much noise it takes away."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, samson, synthetic, wdc
from dndarray.algorithms.denoising import HyMiNoR, metrics, noise
from dndarray.algorithms.denoising.hyres import HyRes
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

CLEAN = synthetic(36, 33, 12, 3)
NOISY = CLEAN + 0.03 * np.random.default_rng(0).normal(size=CLEAN.shape)


def stepwise(h: np.ndarray, weight: float, mu_1: float, mu_2: float, iterations: int) -> np.ndarray:
    """The alternating direction method of multipliers as it stands in the paper."""
    p = h.shape[-1]
    d = np.zeros((p, p))
    d[: p - 1] = np.diff(np.eye(p), axis=0)
    inverse = np.linalg.inv(mu_1 * np.eye(p) + mu_2 * d.T @ d)
    v_1, l_1, v_2, l_2 = (np.zeros_like(h) for _ in range(4))

    def soft(a: np.ndarray, t: float) -> np.ndarray:
        return np.sign(a) * np.maximum(np.abs(a) - t, 0)

    for _ in range(iterations):
        x = (mu_1 * (h + l_1 - v_1) + mu_2 * (v_2 - l_2) @ d) @ inverse
        v_1, v_2 = soft(h - x + l_1, 1 / mu_1), soft(x @ d.T + l_2, weight / mu_2)
        l_1, l_2 = l_1 + h - x - v_1, l_2 + x @ d.T - v_2
    return x


@pytest.mark.parametrize(
    ("weight", "penalties", "iterations"),
    [(0.5, (0.5, 0.5), 50), (10, (0.5, 0.5), 50), (0.3, (30, 8), 20), (0.1, (2, 60), 1), (0, (1, 1), 3)],
)
def test_the_steps_are_those_of_the_paper(weight: float, penalties: tuple[float, float], iterations: int) -> None:
    cube = dnd.array(NOISY, split=0)
    first = HyRes()(cube).numpy()
    low, span = first.min(), np.ptp(first)
    expected = stepwise((first - low) / span, weight, *penalties, iterations) * span + low
    found = HyMiNoR(weight, penalties, iterations)(cube)
    assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(dtype: str) -> None:
    whole = NOISY.astype(dtype)
    expected = HyMiNoR(iterations=5)(dnd.array(whole)).numpy()
    for layout in cube_layouts(whole.shape):
        found = HyMiNoR(iterations=5)(place(whole, layout))
        assert found.layout is layout and found.dtype == getattr(dnd, dtype)
        assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-9)


def test_nothing_is_sent_but_for_hyres_and_the_range() -> None:
    cube = dnd.array(NOISY, split=0)
    with count_collectives() as first:
        HyRes()(cube)
    with count_collectives() as c:
        HyMiNoR(iterations=5)(cube)
    agreed_assert(c.total <= first.total + 2, f"{c}, {first}")


def test_special_cubes_and_parameters() -> None:
    one_band = HyMiNoR(iterations=3)(dnd.array(NOISY[:, :, :1], split=0))
    agreed_assert(bool(dnd.isfinite(one_band).all()), "not finite")
    with pytest.raises(ValueError, match="penalties"):
        HyMiNoR(penalties=(1, 0))(dnd.array(NOISY, split=0))
    with pytest.raises(ValueError, match="weight"):
        HyMiNoR(weight=-1)(dnd.array(NOISY, split=0))
    with pytest.raises(ValueError, match="NaN"):
        HyMiNoR()(dnd.full((5, 4, 3), float("nan"), split=0))


def test_the_gradient_goes_through_the_iterations() -> None:
    whole = NOISY[:8, :7, :5]
    method = HyMiNoR(0.02, (40, 40), 4)
    assert_slope(lambda cube: (method(cube) ** 3).sum(), whole, rtol=1e-4)


@pytest.mark.parametrize(
    ("scene", "snr", "ratio", "angle"),
    [
        ("samson", 20, 45.96, 1.95),
        pytest.param("samson", 30, 48.66, 1.31, marks=pytest.mark.slow),
        pytest.param("samson", 40, 49.65, 1.08, marks=pytest.mark.slow),
        pytest.param("wdc", 20, 31.53, 4.91, marks=pytest.mark.slow),
        pytest.param("wdc", 30, 31.59, 4.78, marks=pytest.mark.slow),
    ],
)
def test_real_scenes(scene: str, snr: float, ratio: float, angle: float) -> None:
    clean = samson() if scene == "samson" else wdc(160)
    noisy = noise.gaussian(dnd.array(clean, split=0), snr, seed=0)
    found = HyMiNoR(weight=10)(noisy)
    reached = metrics.psnr(clean, found).item(), metrics.sam(clean, found, degrees=True).item()
    agreed_assert(abs(reached[0] - ratio) < 0.3 and abs(reached[1] / angle - 1) < 0.03, str(reached))
    default = metrics.psnr(clean, HyMiNoR()(noisy)).item()
    agreed_assert(default > reached[0], f"{default} is not better than {reached[0]}")


@pytest.mark.slow
def test_mixed_noise() -> None:
    clean = wdc(96)
    gaussian = noise.gaussian(dnd.array(clean, split=0), 20, seed=0)
    striped = noise.stripes(gaussian, 0.12, bands=40 / 191, seed=0)
    salted, hit = gaussian.numpy(), np.random.default_rng(1).random(clean.shape)
    salted[hit < 0.0025], salted[hit > 0.9975] = 0, clean.max()
    contaminated = (gaussian, 31.80, 41.72), (striped, 29.64, 38.51), (dnd.array(salted, split=0), 25.83, 39.27)
    for noisy, given, ratio in contaminated:
        before, after = (metrics.psnr(clean, x).item() for x in (noisy, HyMiNoR()(noisy)))
        agreed_assert(before < given + 0.3 and after > ratio - 0.3, f"from {before} to {after}")
