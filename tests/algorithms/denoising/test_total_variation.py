"""Total-variation denoising, beside scikit-image's by the objective that both minimise."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import cube_layouts, synthetic
from dndarray.algorithms.denoising import denoise_tv
from parity.driver import place
from slopes import assert_slope

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, assert_array_equal, count_collectives

IMAGES = synthetic(24, 22, 3, 3) + 0.1 * np.random.default_rng(0).normal(size=(24, 22, 3))


def objective(u: np.ndarray, image: np.ndarray, weight: float) -> float:
    down, right = np.zeros_like(u), np.zeros_like(u)
    down[:-1], right[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
    return np.sqrt(down**2 + right**2).sum() + ((u - image) ** 2).sum() / (2 * weight)


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5])
def test_the_objective_is_no_larger_than_scikit_images(weight: float) -> None:
    restoration = pytest.importorskip("skimage.restoration")
    image = IMAGES[..., 0]
    peer = objective(restoration.denoise_tv_chambolle(image, weight, eps=1e-8, max_num_iter=3000), image, weight)
    least = objective(denoise_tv(dnd.array(image, split=0), weight, iterations=1000, tol=1e-7).numpy(), image, weight)
    agreed_assert(least <= peer * (1 + 1e-6), f"{least} is more than {peer}")
    agreed_assert(least > 0.95 * peer, f"{least} is another objective than {peer}")
    for tol in (1e-2, 1e-3, 1e-5):
        near = objective(denoise_tv(dnd.array(image, split=0), weight, iterations=5000, tol=tol).numpy(), image, weight)
        agreed_assert(near <= least * (1 + tol), f"{near} is farther than {tol} from {least}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_in_any_layout(dtype: str) -> None:
    whole = IMAGES.astype(dtype)
    expected = denoise_tv(dnd.array(whole), 0.1, iterations=30, tol=None).numpy()
    agreed_assert(expected.dtype == dtype, str(expected.dtype))
    for layout in cube_layouts(whole.shape):
        found = denoise_tv(place(whole, layout), 0.1, iterations=30, tol=None)
        assert found.layout is layout
        assert_allclose(found, expected, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-6 * (dtype == "float32"))
    assert_allclose(denoise_tv(dnd.array(whole[..., 1], split=1), 0.1, iterations=30, tol=None), expected[..., 1], 1e-6)


def test_many_images_are_taken_in_groups() -> None:
    many = np.concatenate([IMAGES, 2 * IMAGES, -IMAGES, IMAGES**2], axis=2)
    found = denoise_tv(dnd.array(many, split=0), 0.1, iterations=25, tol=None)
    for k in range(many.shape[2]):
        alone = denoise_tv(dnd.array(many[..., k], split=0), 0.1, iterations=25, tol=None)
        assert_allclose(found[..., k], alone.numpy(), rtol=1e-12)


def test_one_exchange_in_eight_iterations() -> None:
    """With `tol` every twenty iterations begin anew, but for the first with an exchange and an all-reduce more."""
    image = dnd.array(IMAGES, split=0)
    for iterations, exchanges in ((4, 1), (20, 3), (50, 7)):
        with count_collectives() as c:
            denoise_tv(image, 0.1, iterations=iterations, tol=None)
        agreed_assert(dict(c.calls) == ({"Alltoall": exchanges} if image.comm.size > 1 else {}), str(c))
    with count_collectives() as c:
        denoise_tv(image, 0.1, iterations=40, tol=0)
    agreed_assert(dict(c.calls) == ({"Alltoall": 3 + 1 + 3, "Allreduce": 1} if image.comm.size > 1 else {}), str(c))


def test_the_gradient_is_that_of_the_iterations() -> None:
    def measure(images: dnd.DNDarray) -> dnd.DNDarray:
        return (denoise_tv(images, 0.1, iterations=9, tol=None) ** 2).sum()

    assert_slope(measure, IMAGES, rtol=1e-5)
    value, plain = (measure(x) for x in (dnd.array(IMAGES, split=0).requires_grad_(), dnd.array(IMAGES, split=0)))
    agreed_assert(np.isclose(value.item(), plain.item(), rtol=1e-12), "another value")


def test_special_images() -> None:
    assert_allclose(denoise_tv(dnd.full((5, 4), 3, split=0)), np.full((5, 4), 3.0, "float32"), rtol=1e-6)
    assert_array_equal(denoise_tv(dnd.array(IMAGES, split=0), 0), IMAGES)
    assert denoise_tv(dnd.ones((0, 4), split=0)).shape == (0, 4)
    smooth = denoise_tv(dnd.array(IMAGES[..., 0], split=0), 1e4, iterations=3000, tol=None).numpy()
    agreed_assert(np.abs(smooth - IMAGES[..., 0].mean()).max() < 1e-2, "not flat")
    given = dnd.array(IMAGES, split=0)
    denoise_tv(given, 0.1, iterations=5)
    assert_array_equal(given, IMAGES)
    with pytest.raises(ValueError, match="axes"):
        denoise_tv(dnd.ones(4, split=0))
    with pytest.raises(ValueError, match="`weight`"):
        denoise_tv(dnd.ones((4, 4), split=0), -1)
    with pytest.raises(ValueError, match="`iterations`"):
        denoise_tv(dnd.ones((4, 4), split=0), iterations=0)
