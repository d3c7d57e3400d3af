"""BM3D: what it gains, that it gives the same for every layout, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from denoising_samples import synthetic
from dndarray.algorithms.denoising import bm3d
from dndarray.algorithms.denoising.patches import Coefficients, Neighbours, assemble, biorthogonal, cosines
from scipy.fft import dctn
from skimage import data
from skimage.restoration import denoise_nl_means

import dndarray as dnd
from dndarray.layout import Grid
from dndarray.testing import agreed_assert, count_collectives


def psnr(clean: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((clean - other) ** 2)))


def camera() -> np.ndarray:
    """Half as many pixels along each axis as there are."""
    return data.camera().reshape(256, 2, 256, 2).mean(axis=(1, 3)) / 255


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    return image + sigma * np.random.default_rng(0).standard_normal(image.shape)


@pytest.mark.slow
def test_it_gains_more_than_non_local_means():
    image, sigma = camera(), 25 / 255
    given = noisy(image, sigma)
    ours = psnr(image, bm3d(dnd.array(given, split=0), sigma, data_range=1.0).numpy())
    options = {"patch_size": 5, "patch_distance": 6, "sigma": sigma, "h": 0.8 * sigma}
    theirs = psnr(image, denoise_nl_means(given, fast_mode=False, **options))
    fast = psnr(image, denoise_nl_means(given, fast_mode=True, **options))
    assert ours > theirs + 1
    assert ours > fast + 0.8


def test_it_gains_from_much_and_from_little_noise():
    image = camera()[80:144, 80:150]
    for level, least in ((5, 36.5), (25, 27.5), (60, 22.5)):
        sigma = level / 255
        result = psnr(image, bm3d(dnd.array(noisy(image, sigma), split=0), sigma, data_range=1.0).numpy())
        assert result > least


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_for_every_layout(dtype):
    image = synthetic(45, 38, 3, 3)
    sigma = [0.05, 0.3, 0.0]
    images = noisy(image, 0.05).astype(dtype)
    expected = bm3d(dnd.array(images), sigma).numpy()
    np.testing.assert_array_equal(expected[..., 2], images[..., 2])
    layouts = [dnd.array(images, split=split) for split in (0, 1, 2)]
    size = dnd.get_comm().size
    layouts.append(dnd.redistribute(layouts[0], [45 - 2 * (size - 1), *[2] * (size - 1)]))
    if size == 4:
        layouts.append(dnd.array(images, split=(0, 1), grid=Grid((2, 2))))
    for x in layouts:
        clean = bm3d(x, sigma)
        assert clean.layout is x.layout
        assert clean.larray.dtype is x.larray.dtype
        tolerance = 1e-12 if dtype is np.float64 else 1e-6
        np.testing.assert_allclose(clean.numpy(), expected, rtol=0, atol=tolerance)


def test_shifts_and_scales_of_an_image_are_those_of_the_result():
    image = noisy(synthetic(40, 30, 3, 3)[..., 0], 0.1)
    result = bm3d(dnd.array(image, split=0), 0.1).numpy()
    other = bm3d(dnd.array(512 + 1024 * image, split=0), 102.4).numpy()
    np.testing.assert_allclose(other, 512 + 1024 * result, rtol=1e-9)


def test_exchanges():
    images = dnd.array(np.random.default_rng(0).random((30, 30, 2)), split=0)
    with count_collectives() as c:
        bm3d(images, 0.1)
    agreed_assert(c.total == 6 * (dnd.get_comm().size > 1), str(c))


def test_errors():
    image = dnd.array(np.zeros((20, 7)), split=0)
    with pytest.raises(ValueError, match="smaller than the patches"):
        bm3d(image, 1.0)
    with pytest.raises(ValueError, match="data_range"):
        bm3d(dnd.zeros((20, 20)), 1.0, data_range=0)
    with pytest.raises(ValueError, match="search"):
        bm3d(dnd.zeros((20, 20)), 1.0, search=0)


# --- patches ----------------------------------------------------------------------------------------------------------


def test_transforms_of_patches():
    rng = np.random.default_rng(0)
    image = rng.random((11, 9))
    found = Coefficients.of(torch.from_numpy(image), 8, cosines(8))
    np.testing.assert_allclose(found.values[1].view(8, 8), dctn(image[:8, 1:9], norm="ortho"), atol=1e-12)
    np.testing.assert_allclose(biorthogonal(8).norm(dim=1), np.ones(64))
    smooth = biorthogonal(8) @ torch.ones(64, dtype=torch.float64)
    np.testing.assert_allclose(smooth, [8, *[0] * 63], atol=1e-12)


def test_patches_add_up_to_the_image():
    image = torch.rand(12, 14, dtype=torch.float64)
    window = torch.rand(8, 8, dtype=torch.float64)
    patches = Coefficients.of(image, 8, biorthogonal(8))
    ones = torch.ones(len(patches.values), dtype=torch.float64)
    total, weight = assemble(patches, ones, biorthogonal(8), window).unbind(-1)
    np.testing.assert_allclose(total / weight, image)


def test_patches_that_are_alike():
    image = torch.rand(30, 31, dtype=torch.float64)
    known = Coefficients.of(image, 4, cosines(4))
    allowed = torch.rand(known.rows, known.columns) < 0.7
    rows, columns = range(6, 21, 2), range(6, 22, 3)
    allowed[6:21, 6:22] = True
    positions, counts = Neighbours(known, allowed, 5).of((rows, columns), 8, 1.2)
    k = 0
    table = known.values.view(known.rows, known.columns, -1)
    for r in [r for some in (rows[:6], rows[6:]) for r in some]:
        for c in columns:
            distances = {
                i * known.columns + j: float(((table[r, c] - table[i, j]) ** 2).sum())
                for i in range(r - 5, r + 6)
                for j in range(c - 5, c + 6)
                if allowed[i, j]
            }
            expected = sorted(distances.values())[:8]
            np.testing.assert_allclose([distances[p] for p in positions[k].tolist()], expected, rtol=1e-3)
            assert positions[k, 0] == r * known.columns + c
            assert counts[k] == sum(d < 1.2 for d in expected)
            k += 1
