"""The adaptive median, beside its definition."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, synthetic
from dndarray.algorithms.denoising import adaptive_median, noise
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_array_equal, count_collectives


def by_definition(image: np.ndarray, max_window: int) -> np.ndarray:
    reach = max_window // 2
    wide = np.pad(image, reach, "symmetric")
    result = np.empty_like(image)
    for i, j in np.ndindex(*image.shape):
        for k in range(1, reach + 1):
            window = wide[i + reach - k : i + reach + k + 1, j + reach - k : j + reach + k + 1]
            least, middle, most = window.min(), np.median(window), window.max()
            if least < middle < most:
                result[i, j] = image[i, j] if least < image[i, j] < most else middle
                break
        else:
            result[i, j] = middle
    return result


def contaminated(shape: tuple[int, int, int], share: float) -> np.ndarray:
    whole = synthetic(*shape, 3).copy()
    draw = np.random.default_rng(0)
    hit = draw.random(shape)
    whole[hit < share / 2], whole[hit > 1 - share / 2] = 0, 1
    return whole


@pytest.mark.parametrize(("max_window", "share"), [(3, 0.2), (5, 0.5), (9, 0.7), (21, 0.9)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(max_window: int, share: float, dtype: str) -> None:
    whole = contaminated((13, 12, 3), share).astype(dtype)
    whole[:, :, 2] = np.round(whole[:, :, 2], 1)  # ties
    expected = np.stack([by_definition(whole[..., b], max_window) for b in range(3)], axis=2)
    for layout in cube_layouts(whole.shape):
        found = adaptive_median(place(whole, layout), max_window)
        assert found.layout is layout
        assert_array_equal(found, expected)


def test_one_exchange_along_a_split_axis() -> None:
    cube = dnd.array(contaminated((40, 12, 5), 0.3), split=0)
    with count_collectives() as c:
        adaptive_median(cube)
    agreed_assert(c.total <= 2, str(c))  # one looks for what is not finite


def test_impulses_go_and_the_rest_stays() -> None:
    clean = synthetic(60, 50, 4, 3)
    noisy = noise.impulse(dnd.array(clean, split=0), [0.3], bands=1, seed=0)
    found = adaptive_median(noisy).numpy()
    untouched = noisy.numpy() == clean
    agreed_assert(np.abs(found - clean).mean() < np.abs(noisy.numpy() - clean).mean() / 10, "impulses are left")
    agreed_assert((found == clean)[untouched].mean() > 0.6, "what was clean has changed")


def test_flat_bands_and_small_images_are_left_as_they_are() -> None:
    assert_array_equal(adaptive_median(dnd.full((5, 6, 2), 0.25, split=0)), np.full((5, 6, 2), 0.25, "float32"))
    assert_array_equal(adaptive_median(dnd.full((1, 1, 2), 3, split=0)), np.full((1, 1, 2), 3.0, "float32"))
    for wrong in (1, 4, 3.5):
        with pytest.raises(ValueError, match="odd number"):
            adaptive_median(dnd.ones((5, 5, 1), split=0), wrong)


def test_the_gradient_goes_to_the_pixels_that_are_taken() -> None:
    whole = contaminated((8, 7, 2), 0.4) + 0.01 * np.random.default_rng(1).random((8, 7, 2))
    assert_slope(lambda cube: (adaptive_median(cube) ** 2).sum(), whole, 1e-7, rtol=1e-5)
