"""Noise generators: independent of ranks and layouts, with the statistics that they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from denoising_samples import cube_layouts, synthetic
from dndarray.algorithms.denoising import noise
from parity.driver import place

import dndarray as dnd
from dndarray.communication import ALONE
from dndarray.testing import agreed_assert, assert_allclose, assert_array_equal, count_collectives

CLEAN = synthetic(120, 100, 30, 4)
GENERATORS: list[Callable[..., dnd.DNDarray]] = [
    lambda x, seed: noise.gaussian(x, 20, seed=seed),
    lambda x, seed: noise.poisson(x, 20, seed=seed),
    *(getattr(noise, name) for name in ("noniid", "blind", "impulse", "stripes", "deadlines", "mixed")),
]


@pytest.mark.parametrize("add", GENERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_does_not_depend_on_layouts(add: Callable[..., dnd.DNDarray], dtype: str) -> None:
    whole = synthetic(11, 10, 7, 3).astype(dtype)
    alone = add(dnd.array(whole, comm=ALONE), seed=3).numpy()
    agreed_assert(alone.dtype == dtype and not np.array_equal(alone, whole), "no noise")
    for layout in cube_layouts(whole.shape):
        cube = place(whole, layout)
        found = add(cube, seed=3)
        assert found.layout is layout
        assert_allclose(found, alone, rtol=1e-6 if dtype == "float32" else 1e-13)
        assert_array_equal(cube, whole)  # as it was
    agreed_assert(not np.array_equal(add(dnd.array(whole), seed=4).numpy(), alone), "every seed is the same")


def test_gaussian_noise_has_the_ratio_asked_for() -> None:
    cube = dnd.array(CLEAN, split=0)
    for snr in (10, 20, 35):
        with count_collectives() as c:
            noisy = noise.gaussian(cube, snr, seed=0)
        agreed_assert(c.total <= 2, str(c))
        added = noisy.numpy() - CLEAN
        agreed_assert(abs(10 * np.log10((CLEAN**2).mean() / (added**2).mean()) - snr) < 0.05, "another ratio")
        band = added.std(axis=(0, 1))
        agreed_assert(band.max() / band.min() < 1.05, "bands differ")
        agreed_assert(abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.03, "correlated")


def test_each_band_has_a_level_of_its_own() -> None:
    band = (noise.noniid(dnd.array(CLEAN, split=0), 0.1, 0.3, seed=0).numpy() - CLEAN).std(axis=(0, 1))
    agreed_assert(bool((band > 0.097).all() and (band < 0.303).all() and np.ptp(band) > 0.12), str(band))
    ratios = []
    for seed in range(12):
        added = noise.blind(dnd.array(CLEAN, split=0), seed=seed).numpy() - CLEAN
        ratios.append(10 * np.log10((CLEAN**2).mean() / (added**2).mean()))
    agreed_assert(19.9 < min(ratios) < 24 and 26 < max(ratios) < 30.1, str(ratios))


def test_poisson_noise_counts_photons() -> None:
    noisy = noise.poisson(dnd.array(CLEAN, split=0), 15, seed=0).numpy()
    added = noisy - CLEAN
    agreed_assert(abs(10 * np.log10((CLEAN**2).mean() / (added**2).mean()) - 15) < 0.1, "another ratio")
    gain = CLEAN.mean() / (CLEAN**2).mean() * 10**1.5
    np.testing.assert_allclose(noisy * gain, np.rint(noisy * gain), atol=1e-9)
    third, last = np.quantile(CLEAN, [0.3, 0.7])
    dark, bright = third > CLEAN, last < CLEAN
    for where in (dark, bright):
        agreed_assert(abs((added[where] ** 2).mean() * gain / CLEAN[where].mean() - 1) < 0.03, "another variance")
    with pytest.raises(ValueError, match="negative"):
        noise.poisson(dnd.array(CLEAN - 0.5, split=0), 15)
    assert_array_equal(noise.poisson(dnd.zeros((4, 3, 2), split=0), 15, seed=0), np.zeros((4, 3, 2)), check_dtype=False)


def test_impulses_are_salt_and_pepper() -> None:
    cube = dnd.array(CLEAN, split=0)
    with count_collectives() as c:
        noisy = noise.impulse(cube, seed=0)
    agreed_assert(c.total <= 3, str(c))
    whole = noisy.numpy()
    changed = whole != CLEAN
    salt, pepper = whole == CLEAN.max(axis=(0, 1)), whole == CLEAN.min(axis=(0, 1))
    agreed_assert(bool((salt | pepper)[changed].all()), "something else than maximum and minimum")
    share = (salt | pepper).mean(axis=(0, 1))
    hit = share > 0.05
    agreed_assert(hit.sum() == 10, str(hit))
    nearest = np.abs(share[hit, None] - np.array([0.1, 0.3, 0.5, 0.7])).min(axis=1)
    agreed_assert(nearest.max() < 0.015, str(share))
    agreed_assert(abs(salt[..., hit].sum() / pepper[..., hit].sum() - 1) < 0.05, "not half of each")


@pytest.mark.parametrize("kind", ["stripes", "deadlines"])
def test_columns_are_hit(kind: str) -> None:
    cube = dnd.array(CLEAN, split=0)
    with count_collectives() as c:
        noisy = getattr(noise, kind)(cube, seed=1)
    agreed_assert(c.total <= 1, str(c))
    added = noisy.numpy() - CLEAN
    columns = (added != 0).any(axis=0)
    count = columns.sum(axis=0)
    agreed_assert((count > 0).sum() == 10, str(count))
    agreed_assert(bool((count[count > 0] >= 5).all() and (count <= 15).all()), str(count))
    if kind == "stripes":
        agreed_assert(bool(np.abs(added).max() <= 0.25 and np.ptp(added, axis=0).max() < 1e-12), "no constants")
        agreed_assert(np.abs(added.max()) > 0.2 and np.abs(added.min()) > 0.2, "another range")
    else:
        agreed_assert(not noisy.numpy()[:, columns].any(), "a dead line shows something")


def test_mixed_noise_is_what_is_asked_for() -> None:
    cube = dnd.array(CLEAN, split=0)
    lines = noise.mixed(cube, ["deadlines"], seed=5).numpy()
    agreed_assert(bool(((lines == CLEAN) | (lines == 0)).all()), "more than dead lines")
    every = noise.mixed(cube, seed=5).numpy()
    agreed_assert(bool((every != CLEAN).mean() > 0.8), "some pixels have no noise")
    with pytest.raises(ValueError, match="some of noniid, stripes"):
        noise.mixed(cube, ["gauss"])
    with pytest.raises(ValueError, match="some of noniid, stripes"):
        noise.mixed(cube, [])


def test_arguments_are_checked() -> None:
    cube = dnd.array(CLEAN, split=0)
    with pytest.raises(ValueError, match="`bands`"):
        noise.stripes(cube, bands=0)
    with pytest.raises(ValueError, match="`columns`"):
        noise.deadlines(cube, columns=(0.5, 0.2))
    for wrong in (np.nan, np.inf, -np.inf):
        for kind in (noise.gaussian, noise.poisson):
            with pytest.raises(ValueError, match="`snr`"):
                kind(abs(cube), wrong)
    with pytest.raises(ValueError, match="`low`"):
        noise.noniid(cube, -0.1, 0.1)
    for fractions in ((), (0.1, 1.5), (-0.1,)):
        with pytest.raises(ValueError, match="`fractions`"):
            noise.impulse(cube, fractions)
    with pytest.raises(ValueError, match="axes"):
        noise.gaussian(dnd.ones((3, 4), split=0), 20)
    assert noise.gaussian(dnd.ones((3, 4, 5), dtype="int16", split=0), 20).dtype is dnd.float32
