"""Matrices with a structure, and the gallery."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
from linalg.dense_samples import SIZE, normal, traffic

import dndarray as dnd
from dndarray.layout import Grid

linalg = dnd.linalg
gallery = linalg.gallery
SINGLE = (dnd.float32, dnd.complex64)
PLACES = [{}, {"split": 0}, {"split": 1}, {"split": (1, 0), "grid": Grid((1, SIZE))}]


@pytest.mark.parametrize(
    "make",
    [
        lambda **place: gallery.hermitian(9, **place),
        lambda **place: gallery.hermitian(9, "complex128", seed=4, positive=True, **place),
        lambda **place: gallery.with_singular_values(9, 6, [3.0, 2.0, 1e-12], **place),
        lambda **place: gallery.with_singular_values(4, 7, [3.0, 2.0], "complex64", **place),
        lambda **place: gallery.with_rank(9, 6, 2, seed=1, **place),
        lambda **place: gallery.poisson(3, 2, **place),
        lambda **place: gallery.parter(7, "float32", **place),
        lambda **place: linalg.hilbert(7, **place),
    ],
)
def test_the_gallery_is_the_same_everywhere(make: Callable) -> None:
    expected = make()
    assert expected.split is None
    for place in PLACES:
        found = make(**place)
        assert (found.split, found.dtype) == (place.get("split"), expected.dtype)
        np.testing.assert_allclose(
            found.numpy(), expected.numpy(), rtol=0, atol=1e-6 if found.dtype in SINGLE else 1e-14
        )


def test_what_the_gallery_promises() -> None:
    h = gallery.hermitian(20, "complex128", positive=True, split=1).numpy()
    assert np.array_equal(h, h.conj().T)
    assert np.linalg.eigvalsh(h).min() > 0
    s = np.linalg.svd(gallery.with_singular_values(9, 7, [5.0, 3, 1], split=0).numpy(), compute_uv=False)
    np.testing.assert_allclose(s, [5, 3, 1, 0, 0, 0, 0], atol=1e-14)
    assert np.linalg.matrix_rank(gallery.with_rank(9, 7, 3, split=0).numpy()) == 3
    line = gallery.poisson(4, split=0).numpy()
    np.testing.assert_allclose(np.linalg.eigvalsh(line), 2 - 2 * np.cos(np.pi * np.arange(1, 5) / 5))
    square = np.kron(line, np.eye(4)) + np.kron(np.eye(4), line)
    assert np.array_equal(gallery.poisson(4, 2, split=1).numpy(), square)
    assert abs(np.linalg.svd(gallery.parter(30, split=0).numpy())[1][0] - np.pi) < 1e-9
    for call in (
        lambda: gallery.poisson(3, 3),
        lambda: gallery.with_rank(3, 3, 4),
        lambda: gallery.with_singular_values(2, 2, [1.0] * 3),
    ):
        with pytest.raises(ValueError, match="must be"):
            call()
    with pytest.raises(TypeError):
        gallery.hermitian(3, int)


def test_most_are_made_without_a_message() -> None:
    for make in (gallery.hermitian, gallery.parter, linalg.hilbert, gallery.poisson):
        assert traffic(lambda make=make: make(8, split=0))[0] == {}
    assert traffic(lambda: gallery.with_rank(8, 6, 2, split=1))[0] == {}


def test_products_by_transforms_send_no_matrix() -> None:
    n = 1000
    c, x = normal(n), normal(n, seed=1)
    split = [dnd.array(v, split=0) for v in (c, x)]
    found = []
    _, words = traffic(lambda: found.append(linalg.matmul_toeplitz(split[0], split[1])))
    assert words < 40 * n
    np.testing.assert_allclose(found[0].numpy(), scipy.linalg.toeplitz(c) @ x, atol=1e-10)
    _, words = traffic(lambda: found.append(linalg.solve_circulant(*split)))
    assert words < 40 * n
    np.testing.assert_allclose(found[1].numpy(), scipy.linalg.solve_circulant(c, x), atol=1e-8)


def test_singular_circulants() -> None:
    c, b = dnd.ones(4, split=0), dnd.arange(4.0, split=0)
    with pytest.raises(linalg.LinAlgError, match="singular"):
        linalg.solve_circulant(c, b)
    expected = scipy.linalg.solve_circulant(np.ones(4), np.arange(4.0), singular="lstsq")
    np.testing.assert_allclose(linalg.solve_circulant(c, b, "lstsq").numpy(), expected, atol=1e-6)
    for call in (
        lambda: linalg.solve_circulant(c, b, "ignore"),
        lambda: linalg.solve_circulant(c, b[:3]),
        lambda: linalg.matmul_toeplitz(c, b[:3]),
    ):
        with pytest.raises(ValueError):
            call()
