"""HyRes, WSRRR and FORPDN: quality on real cubes, the mathematics beside plain NumPy, layouts and communication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from denoising_samples import samson, synthetic, wdc
from dndarray.algorithms.denoising import FORPDN, WSRRR, Denoiser, HyRes, L1HyMixDe
from dndarray.algorithms.denoising.forpdn import RoughnessPenalty
from dndarray.algorithms.denoising.wavelet_images import to_wavelets
from slopes import assert_slope

import dndarray as dnd
from dndarray.layout import Grid
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
several = pytest.mark.skipif(COMM.size == 1, reason="one process sends nothing")


def noisy(clean: np.ndarray, snr: float) -> np.ndarray:
    sigma = np.sqrt((clean**2).mean() / 10 ** (snr / 10))
    return clean + sigma * np.random.default_rng(0).normal(size=clean.shape)


def psnr(clean: np.ndarray, cube: np.ndarray) -> float:
    return float(20 * np.log10(clean.max() / np.sqrt(((clean - cube) ** 2).mean())))


# --- quality ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cube", "method", "quality"),
    [
        (samson, HyRes(), {20: 47.13, 30: 52.24, 40: 55.27}),
        (samson, WSRRR(rank=10), {20: 47.95, 30: 52.07, 40: 53.28}),
        (samson, FORPDN(), {20: 44.63, 30: 50.85, 40: 55.02}),
        (lambda: wdc(160), HyRes(), {20: 49.39, 30: 58.35}),
        (lambda: wdc(160), WSRRR(rank=6), {20: 49.46, 30: 57.10}),
        (lambda: wdc(160), FORPDN(), {20: 42.58, 30: 49.89}),
    ],
)
def test_quality(cube: Callable[[], np.ndarray], method: Denoiser, quality: dict[int, float]) -> None:
    clean = cube()
    for snr, expected in quality.items():
        result = method(dnd.array(noisy(clean, snr).astype(np.float32), split=0))
        assert psnr(clean, result.numpy().astype(np.float64)) > expected - 0.3


def test_a_synthetic_cube_is_cleaned() -> None:
    clean = synthetic(48, 40, 30, 3)
    given = noisy(clean, 20)
    for method, gain in ((HyRes(levels=3), 10), (WSRRR(rank=3), 10), (FORPDN(), 5)):
        result = method(dnd.array(given, split=0)).numpy()
        assert psnr(clean, result) > psnr(clean, given) + gain, method


# --- beside plain NumPy -----------------------------------------------------------------------------------------------


def padded(cube: np.ndarray, levels: int) -> np.ndarray:
    return np.pad(cube, [(0, -n % 2**levels) for n in cube.shape[:2]] + [(0, 0)], mode="symmetric")


def wavelets_of(image: np.ndarray, wavelet: str, levels: int) -> list[np.ndarray]:
    """All coefficients of the images, in groups: (coefficients, images)."""
    approximation, *details = pywt.wavedec2(image, wavelet, "periodization", levels, axes=(0, 1))
    groups = [[approximation], *details]
    return [np.concatenate([c.reshape(-1, image.shape[2]) for c in group]) for group in groups]


def sure(x: np.ndarray) -> tuple[float, float]:
    """The best threshold for all coefficients of a component, and whether it lowers the risk."""
    t = np.linspace(0, np.sqrt(np.log(x.size)), 15)
    curve = [(2 * (abs(x) > s) - np.maximum(x**2 - s**2, 0)).sum() for s in t]
    return t[np.argmin(curve)], min(curve)


def shrink(x: np.ndarray, t: Any) -> np.ndarray:
    return np.sign(x) * np.maximum(abs(x) - t, 0)


@pytest.mark.filterwarnings("ignore:Level value")
def test_hyres_is_the_paper_s() -> None:
    levels, clean = 2, synthetic(22, 26, 12, 3)
    given = noisy(clean, 25)
    y = given.reshape(-1, 12)
    sigma = np.empty(12)
    for b in range(12):  # the noise is what the other bands leave unexplained
        others = np.delete(y, b, axis=1)
        sigma[b] = np.sqrt(((y[:, b] - others @ np.linalg.lstsq(others, y[:, b], rcond=None)[0]) ** 2).mean())
    values, vectors = np.linalg.eigh((y / sigma).T @ (y / sigma))
    vectors = vectors[:, np.argsort(values)[::-1]]
    components = padded(given / sigma, levels) @ vectors
    kept = []
    for r in range(12):
        c = pywt.wavedec2(components[..., r], "db5", "periodization", levels)
        t, risk = sure(np.concatenate([c[0].ravel(), *(d.ravel() for level in c[1:] for d in level)]))
        if risk > 0:
            break
        shrunk = [shrink(c[0], t), *(tuple(shrink(d, t) for d in level) for level in c[1:])]
        kept.append(pywt.waverec2(shrunk, "db5", "periodization"))
    expected = np.stack(kept, -1)[:22, :26] @ vectors[:, : len(kept)].T * sigma
    for split in (None, 0, 1):
        hyres = HyRes(levels=levels)
        ours = hyres(dnd.array(given, split=split)).numpy()
        assert hyres.rank_ == len(kept) == len(hyres.thresholds_)
        np.testing.assert_allclose(ours, expected, atol=1e-6)  # the noise estimate has a ridge


@pytest.mark.filterwarnings("ignore:Level value")
def test_wsrrr_is_the_paper_s() -> None:
    levels, rank, given = 2, 3, noisy(synthetic(20, 24, 10, 3), 20)
    groups = wavelets_of(padded(given, levels), "db5", levels)
    finest = pywt.wavedec2(padded(given, levels), "db5", "periodization", levels, axes=(0, 1))[-1][2]
    sigma = np.median(abs(finest), axis=(0, 1)) / 0.6745
    groups = [g / sigma for g in groups]
    w = np.concatenate(groups)
    v = np.linalg.svd(w, full_matrices=False)[2][:rank].T
    limits = [[sure(column)[0] for column in (g @ v).T] for g in groups]
    for _ in range(20):
        x = np.concatenate([shrink(g @ v, t) for g, t in zip(groups, limits, strict=True)])
        u, _, vh = np.linalg.svd(x.T @ w, full_matrices=False)
        v = vh.T @ u.T
    wsrrr = WSRRR(rank=rank, levels=levels, iterations=20, tol=0)
    wsrrr(dnd.array(given, split=0))
    np.testing.assert_allclose(wsrrr.sigma_.numpy(), sigma, rtol=1e-10)
    # Singular vectors have no sign of their own, but the matrix of their projection has.
    ours = wsrrr.basis_.numpy()
    np.testing.assert_allclose(ours @ ours.T, v @ v.T, atol=1e-8)
    np.testing.assert_allclose(ours.T @ ours, np.eye(rank), atol=1e-12)
    assert wsrrr.n_iter_ == 20


def test_wsrrr_ends_when_nothing_changes() -> None:
    wsrrr = WSRRR(rank=2, levels=2, tol=1e-3)
    wsrrr(dnd.array(noisy(synthetic(20, 24, 10, 3), 20), split=0))
    assert wsrrr.n_iter_ < 200


def test_forpdn_is_the_minimum() -> None:
    """Its filter solves the linear system of each spectrum; its risk is the mean of the errors plus a constant."""
    draw = np.random.default_rng(4)
    bands, weight = 9, 0.3
    variances, scale = draw.uniform(0.01, 0.2, bands), draw.uniform(0.5, 2, bands)
    y = draw.normal(size=(50, bands))
    penalty = RoughnessPenalty(*(dnd.array(a) for a in (variances, scale)))
    d = np.diff(np.eye(bands), axis=0)
    inverse = np.diag(1 / (variances * scale**2))
    expected = np.linalg.solve(inverse + weight * d.T @ d, inverse @ (y * scale).T).T / scale
    np.testing.assert_allclose(y @ penalty.filter(weight).numpy(), expected, atol=1e-10)
    omega = np.diag(variances * scale**2)
    hat = np.linalg.solve(inverse + weight * d.T @ d, inverse)
    residual = (((y - expected) * scale) ** 2).sum() / 50
    ours = penalty.risks(dnd.array(y.T @ y), 50, np.array([0.0, weight])).numpy()
    np.testing.assert_allclose(ours, [np.trace(omega), residual + 2 * np.trace(omega @ hat) - np.trace(omega)])


def test_forpdn_s_weights_are_tried_on_spectra_as_well() -> None:
    clean = synthetic(24, 20, 40, 3)
    given = noisy(clean, 20)
    forpdn = FORPDN(domain="signal")
    result = forpdn(dnd.array(given, split=0)).numpy()
    assert len(forpdn.weights_) == 1 and len(forpdn.risks_[0]) == len({w for row in forpdn.weights for w in row})
    assert psnr(clean, result) > psnr(clean, given) + 3


def test_forpdn_s_risk_is_the_mean_of_the_errors() -> None:
    draw = np.random.default_rng(5)
    bands, n = 12, 20_000
    sigma = draw.uniform(0.1, 0.3, bands)
    x = np.cumsum(draw.normal(size=(n, bands)) * 0.1, axis=1)
    y = x + sigma * draw.normal(size=(n, bands))
    penalty = RoughnessPenalty(dnd.array(sigma**2), dnd.ones(bands, dtype=dnd.float64))
    weights = np.array([0.0, 1.0, 10.0, 100.0])
    risks = penalty.risks(dnd.array(y.T @ y), n, weights).numpy()
    errors = [((y @ penalty.filter(w).numpy() - x) ** 2).sum() / n for w in weights]
    np.testing.assert_allclose(risks, errors, rtol=0.03)
    assert risks.argmin() == np.argmin(errors) > 0


# --- on several processes ---------------------------------------------------------------------------------------------

METHODS = [HyRes(levels=2), WSRRR(rank=3, levels=2, iterations=15, tol=0), FORPDN(), FORPDN(domain="signal")]


def arrangements() -> list[tuple[Any, Any]]:
    """Splits and grids of a cube."""
    size = COMM.size
    both = Grid((2, size // 2)) if size % 2 == 0 else Grid((1, size))
    return [(None, None), (0, None), (1, None), (2, None), ((0, 1), both), ((1, None), both), ((2, 0), both)]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_layouts(method: Denoiser) -> None:
    given = noisy(synthetic(21, 26, 11, 3), 20)
    given[..., 4] = 0.25  # constant bands stay as they are
    given[..., 7] = 0
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-5)):
        value = given.astype(dtype)
        expected = method(dnd.array(value)).numpy()
        assert expected.dtype == dtype
        cubes = [dnd.array(value, split=split, grid=grid) for split, grid in arrangements()]
        cubes.append(dnd.array(value, split=0).redistribute([21] + [0] * (COMM.size - 1)))
        for cube in cubes:
            result = method(cube)
            assert result.layout is cube.layout
            np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=tolerance * abs(expected).max())
        np.testing.assert_array_equal(expected[..., [4, 7]], value[..., [4, 7]])


@pytest.mark.parametrize("method", [*METHODS[:3], L1HyMixDe(rank=3, denoiser="nlm", iterations=3)], ids=str)
def test_bands_that_others_repeat(method: Denoiser) -> None:
    """They have no noise that a regression could find, and still do not outweigh all others."""
    clean = synthetic(33, 26, 24, 3)
    clean = np.concatenate([clean, clean[..., :3]], axis=2)
    given = noisy(clean, 25)
    given[..., 24:] = given[..., :3]
    expected = method(dnd.array(given)).numpy()
    assert psnr(clean, expected) > psnr(clean, given) + 2.5
    for split in (0, 1):
        np.testing.assert_allclose(method(dnd.array(given, split=split)).numpy(), expected, rtol=0, atol=1e-9)


def test_components_of_which_nothing_is_left() -> None:
    """Their risk is that of none, but for rounding, which must not say on each process something else."""
    given = noisy(synthetic(5, 4, 12, 3), 25)
    expected = HyRes()(dnd.array(given)).numpy()
    for split in (0, 1):
        np.testing.assert_allclose(HyRes()(dnd.array(given, split=split)).numpy(), expected, rtol=0, atol=1e-9)


@several
def test_what_is_sent() -> None:
    """Beyond the two or three that check a cube: see the docstrings. The last summands of WSRRR are its median's."""
    cube = dnd.array(noisy(synthetic(32, 24, 10, 3), 20), split=0)
    for method, expected in (
        (HyRes(levels=3), {"Allreduce": 2, "Alltoall": 3 + 3}),
        (WSRRR(rank=3, levels=3, iterations=5, tol=0), {"Allreduce": 2 + 5 + 1, "Alltoall": 3 + 3 + 2}),
        (FORPDN(), {"Allreduce": 4, "Alltoall": 3 + 3}),
        (FORPDN(domain="signal"), {"Allreduce": 3}),
    ):
        with count_collectives() as counted:
            method._denoise(cube)
        calls = {name: counted.calls.get(name, 0) for name in expected}
        assert calls == expected, (method, counted.calls)


@pytest.mark.parametrize("method", METHODS[:1] + METHODS[2:], ids=str)
def test_gradients(method: Denoiser) -> None:
    """Along a direction the gradient is the difference quotient: thresholds and ranks are constants nearby."""
    value = noisy(synthetic(16, 12, 6, 2), 15)
    weight = np.random.default_rng(6).normal(size=value.shape)
    assert_slope(lambda cube: (method(cube) * dnd.array(weight, split=0)).sum(), value, rtol=1e-3)


def test_images_in_wavelets_and_back() -> None:
    value = np.random.default_rng(7).normal(size=(19, 33, 4))
    for split in (None, 0, 1):
        images = dnd.array(value, split=split)
        wavelets = to_wavelets(images, "db5", 3)
        energy = sum(float((x * x).sum()) for group in wavelets.coefficients for x in group)
        assert energy == pytest.approx((padded(value, 3) ** 2).sum(), rel=1e-10)
        back = wavelets.images()
        assert back.layout is images.layout
        np.testing.assert_allclose(back.numpy(), value, atol=1e-11)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input() -> None:
    cube = dnd.array(synthetic(8, 9, 5, 2), split=0)
    with pytest.raises(ValueError, match="6\\) components of 5 bands"):
        WSRRR(rank=6)(cube)
    with pytest.raises(ValueError, match="levels"):
        HyRes(levels=0)(cube)
    with pytest.raises(ValueError, match="domain"):
        FORPDN(domain="spectral")(cube)
    for weights in ([[0.1, -1.0], [0.0]], [[], [1.0]], [[1.0]]):
        with pytest.raises(ValueError, match="weights"):
            FORPDN(weights)(cube)
    holes = cube.copy()
    holes[2, 3, 1] = torch.nan
    for method in METHODS:
        with pytest.raises(ValueError, match="1 of 5 bands hold NaN"):
            method(holes)
    for value in (np.full((6, 5, 3), 2.0), np.zeros((1, 1, 2))):  # nothing but constant bands
        for method in METHODS:
            np.testing.assert_array_equal(method(dnd.array(value, split=0)).numpy(), value)
    whole = (100 * synthetic(16, 16, 6, 2)).astype(np.int16)
    result = HyRes(levels=2)(dnd.array(whole, split=0))
    assert result.dtype is dnd.float32
    assert abs(result.numpy() - whole).max() < 2
