"""OTVCA: what it minimises, in any layout, and how much noise it takes away."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, samson, synthetic, wdc
from dndarray.algorithms.denoising import OTVCA, Denoiser, metrics, noise
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

CLEAN = synthetic(24, 22, 10, 3)
NOISY = CLEAN + 0.03 * np.random.default_rng(0).normal(size=CLEAN.shape)


class Untouched(Denoiser):
    """Nothing but the checks of a cube."""

    def _denoise(self, cube: dnd.DNDarray) -> dnd.DNDarray:
        return cube


def objective(cube: np.ndarray, features: np.ndarray, basis: np.ndarray, weight: float) -> float:
    scaled = (cube - cube.min()) / np.ptp(cube)
    down, right = np.zeros_like(features), np.zeros_like(features)
    down[:-1], right[:, :-1] = np.diff(features, axis=0), np.diff(features, axis=1)
    return ((scaled - features @ basis.T) ** 2).sum() / 2 + weight * np.sqrt(down**2 + right**2).sum()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(dtype: str) -> None:
    whole = NOISY.astype(dtype)
    expected = OTVCA(rank=3, iterations=4)(dnd.array(whole)).numpy()
    for layout in cube_layouts(whole.shape):
        method = OTVCA(rank=3, iterations=4)
        found = method(place(whole, layout))
        assert found.layout is layout and found.dtype == getattr(dnd, dtype)
        assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-10)
        basis = method.basis_.numpy()
        np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
        low, span = whole.min(), np.ptp(whole)
        assert_allclose(found, method.features_.numpy() @ basis.T * span + low, rtol=2e-5)


def test_the_objective_falls() -> None:
    values = []
    for iterations in (1, 2, 5, 20):
        method = OTVCA(rank=3, iterations=iterations, tv_iterations=200).fit(dnd.array(NOISY, split=0))
        values.append(objective(NOISY, method.features_.numpy(), method.basis_.numpy(), method.weight))
    agreed_assert(values == sorted(values, reverse=True), str(values))


def test_communication() -> None:
    cube = dnd.array(NOISY, split=0)
    with count_collectives() as checks:
        Untouched()(cube)
    with count_collectives() as c:
        OTVCA(rank=3, iterations=4, tv_iterations=8)(cube)
    agreed_assert(c.total <= checks.total + 3 + 4 * (1 + 2), f"{c}, {checks}")


def test_the_gradient_goes_through_the_iterations() -> None:
    whole = NOISY[:7, :6, :5]
    method = OTVCA(rank=2, iterations=2, tv_iterations=5)
    assert_slope(lambda cube: (method(cube) ** 3).sum(), whole, rtol=1e-5)


def test_special_cubes() -> None:
    flat = dnd.full((6, 5, 4), 2.5, split=0)
    assert_allclose(OTVCA(rank=2)(flat), np.full((6, 5, 4), 2.5, "float32"), rtol=1e-6)
    whole = dnd.array(np.arange(120).reshape(6, 5, 4), split=0)
    with pytest.raises(ValueError, match="4 bands"):
        OTVCA()(whole)
    with pytest.raises(ValueError, match="rank"):
        OTVCA(rank=0)(whole)
    assert OTVCA(rank=2)(whole).dtype is dnd.float32


@pytest.mark.parametrize(
    ("scene", "snr", "ratio", "angle"),
    [
        ("samson", 20, 42.85, 2.16),
        ("samson", 30, 44.50, 1.42),
        ("samson", 40, 44.64, 1.32),
        pytest.param("wdc", 20, 42.30, 1.29, marks=pytest.mark.slow),
        pytest.param("wdc", 30, 43.43, 0.956, marks=pytest.mark.slow),
    ],
)
def test_real_scenes(scene: str, snr: float, ratio: float, angle: float) -> None:
    clean = samson() if scene == "samson" else wdc(160)
    found = OTVCA()(noise.gaussian(dnd.array(clean, split=0), snr, seed=0))
    reached = metrics.psnr(clean, found).item(), metrics.sam(clean, found, degrees=True).item()
    agreed_assert(reached[0] > ratio - 0.3 and reached[1] < 1.03 * angle, str(reached))
