"""Exponentials and square roots of matrices that stay dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from linalg.dense_samples import adjoint, conditioned, everywhere, gradients, normal

import dndarray as dnd
from dndarray.linalg import spectral

linalg = dnd.linalg
COMPLEX = ["float64", "complex128"]


@pytest.fixture(autouse=True)
def _no_matrix_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "SMALL", 0)


def _near(found: dnd.DNDarray, expected: np.ndarray, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("dtype", COMPLEX)
def test_exponentials(dtype: str) -> None:
    for scale in (0.0, 1e-3, 1.0, 20.0):
        a = normal(9, 9, dtype=dtype) * scale
        for x in everywhere(a)[:3]:
            found = linalg.expm(x)
            assert found.layout is x.layout
            _near(found, scipy.linalg.expm(a))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_roots(dtype: str) -> None:
    a = normal(9, 9, dtype=dtype)
    definite = a @ adjoint(a) + np.eye(9)
    for given in (a + 9 * np.eye(9), definite):
        for x in everywhere(given)[:3]:
            found = linalg.sqrtm(x)
            assert (found.layout, found.dtype) == (x.layout, x.dtype)
            _near(found, scipy.linalg.sqrtm(given))
    found = linalg.sqrtm(dnd.array(a + adjoint(a), split=0))
    assert found.dtype is torch.complex128
    _near(found @ found, a + adjoint(a))


def test_roots_of_difficult_matrices() -> None:
    semidefinite = conditioned(12, 12, 1e12)
    semidefinite = semidefinite @ semidefinite.T
    found = linalg.sqrtm(dnd.array((semidefinite + semidefinite.T) / 2, split=0))
    assert found.dtype is torch.float64
    _near(found @ found, semidefinite)
    graded = np.triu(normal(8, 8), 1) * 1e-4 + np.diag(10.0 ** np.arange(-4, 4))
    found = linalg.sqrtm(dnd.array(graded, split=1))
    _near(found @ found, graded)


def test_errors_are_everywhere() -> None:
    rotated = np.array([[-1.0, 3.0, 0.0], [0.0, -2.0, 1.0], [0.0, 0.0, 1.0]])
    for a in (rotated, np.array([[0.0, 1.0], [0.0, 0.0]])):
        with pytest.raises(linalg.LinAlgError):
            linalg.sqrtm(dnd.array(a, split=0))
    for call in (linalg.expm, linalg.sqrtm):
        for value in (np.nan, np.inf):
            a = normal(5, 5)
            a[4, 4] = value
            with pytest.raises(linalg.LinAlgError):
                call(dnd.array(a, split=0))
        with pytest.raises(linalg.LinAlgError):
            call(dnd.ones((3, 4), split=0))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_gradient(dtype: str) -> None:
    def root(t: torch.Tensor) -> list:
        w, v = torch.linalg.eig(t)
        result = (v * w.sqrt()) @ torch.linalg.inv(v)
        return [result if t.is_complex() else result.real]

    a = normal(5, 5, dtype=dtype)
    for ours, theirs, given in (
        (linalg.expm, lambda t: [torch.linalg.matrix_exp(t)], a),
        (linalg.sqrtm, root, a + 8 * np.eye(5)),
        (linalg.sqrtm, root, a @ adjoint(a) + np.eye(5)),
    ):
        for found, expected in gradients(lambda x, f=ours: [f(x)], theirs, given):
            np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-9 * np.abs(expected).max())
