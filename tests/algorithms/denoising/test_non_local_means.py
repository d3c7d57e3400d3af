"""Non-local means beside the definition, written out, and beside scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import synthetic
from dndarray.algorithms.denoising import denoise_nlm
from skimage.restoration import denoise_nl_means

import dndarray as dnd
from dndarray.layout import Grid
from dndarray.testing import agreed_assert, count_collectives

SIGMA = 0.1


def noisy(rows: int = 40, columns: int = 33) -> np.ndarray:
    image = synthetic(rows, columns, 3, 3)[..., 0]
    return image + SIGMA * np.random.default_rng(0).standard_normal(image.shape)


def by_definition(image: np.ndarray, sigma: float, h: float, size: int, distance: int) -> np.ndarray:
    before, after = (size - 1) // 2, size // 2
    reach = distance + after
    p = np.pad(image, reach, mode="reflect")
    (rows, columns), weights, sums = image.shape, 0.0, 0.0

    def at(down: int, right: int) -> np.ndarray:
        return p[reach + down :, reach + right :][:rows, :columns]

    for u in range(-distance, distance + 1):
        for v in range(-distance, distance + 1):
            near = [(i, j) for i in range(-before, after + 1) for j in range(-before, after + 1)]
            squares = np.mean([(at(i, j) - at(i + u, j + v)) ** 2 for i, j in near], axis=0)
            weight = np.exp(-np.maximum(squares - 2 * sigma**2, 0) / (h * sigma) ** 2)
            weights, sums = weights + weight, sums + weight * at(u, v)
    return sums / weights


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize(("size", "distance"), [(5, 6), (4, 3), (3, 0), (1, 2)])
def test_each_pixel_is_the_weighted_mean_of_its_definition(split, size, distance):
    image = noisy()
    clean = denoise_nlm(dnd.array(image, split=split), SIGMA, patch_size=size, patch_distance=distance)
    np.testing.assert_allclose(clean.numpy(), by_definition(image, SIGMA, 0.8, size, distance), rtol=0, atol=1e-12)
    assert clean.split == split


def test_it_agrees_with_scikit_image_but_for_the_cut_off_there():
    image = noisy(60, 60)
    theirs = denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.6 * SIGMA, sigma=SIGMA, fast_mode=True)
    # There a patch of 5 has 4 x 4 pixels, and the sum of their squares is divided by 25.
    ours = denoise_nlm(dnd.array(image, split=0), SIGMA, h=0.6 * 5 / 4, patch_size=4, patch_distance=6).numpy()
    assert np.abs(ours - theirs).max() < 0.2 * SIGMA
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.02 * SIGMA


def test_several_images_each_with_its_own_noise():
    image = noisy()
    images = np.stack([image, 100 * image, image], -1).astype(np.float32)
    sigma = [SIGMA, 100 * SIGMA, 0]
    for split in (0, 2):
        clean = denoise_nlm(dnd.array(images, split=split), sigma)
        assert clean.dtype is dnd.float32 and clean.split == split
        result = clean.numpy()
        np.testing.assert_allclose(result[..., 1], 100 * result[..., 0], rtol=1e-5)
        np.testing.assert_array_equal(result[..., 2], images[..., 2])


@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_processes_with_fewer_rows_than_the_halo(rows):
    image = noisy()[:rows]
    ours = denoise_nlm(dnd.array(image, split=0), SIGMA).numpy()
    if rows > 9:  # mirrored more than once NumPy's padding and ours still agree, but its oracle takes long
        np.testing.assert_allclose(ours, by_definition(image, SIGMA, 0.8, 5, 6), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours, denoise_nlm(dnd.array(image), SIGMA).numpy(), rtol=0, atol=1e-14)


def test_one_exchange_for_each_split_axis():
    image = dnd.array(noisy(), split=0)
    with count_collectives() as c:
        denoise_nlm(image, SIGMA)
    agreed_assert(c.total == (dnd.get_comm().size > 1), str(c))


@pytest.mark.ranks(4)
def test_on_a_grid():
    image = noisy()
    split = dnd.array(image, split=(0, 1), grid=Grid((2, 2)))
    np.testing.assert_allclose(denoise_nlm(split, SIGMA).numpy(), denoise_nlm(image, SIGMA).numpy(), rtol=0, atol=1e-14)


def test_errors():
    image = dnd.array(noisy(), split=0)
    for sigma in (-1, np.nan, [1, 2]):
        with pytest.raises(ValueError, match="sigma"):
            denoise_nlm(image, sigma)
    with pytest.raises(ValueError, match="patch_size"):
        denoise_nlm(image, 1, patch_size=0)
    with pytest.raises(ValueError, match="axes"):
        denoise_nlm(image[0], 1)
    with pytest.raises(TypeError, match="real"):
        denoise_nlm(image + 1j, 1)
    assert denoise_nlm(dnd.arange(35).reshape(5, 7), 1).dtype is dnd.float32
