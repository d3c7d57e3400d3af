"""Polar decompositions of matrices that stay dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from linalg.dense_samples import CONDITIONS, DTYPES, SIZE, adjoint, conditioned, eps, everywhere, gradients, normal

import dndarray as dnd
from dndarray.linalg import spectral

linalg = dnd.linalg


@pytest.fixture(autouse=True)
def _no_matrix_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "SMALL", 0)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_scipy(side: str, dtype: str) -> None:
    for shape in ((9, 9), (11, 4), (4, 11)):
        a = normal(*shape, dtype=dtype)
        for x in everywhere(a)[:4]:
            found = linalg.polar(x, side)
            assert found.U.layout is x.layout
            for part, expected in zip(found, scipy.linalg.polar(a, side), strict=True):
                np.testing.assert_allclose(part.numpy(), expected, rtol=0, atol=2e3 * eps(dtype))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_of_any_condition(condition: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if SIZE > 1:
        monkeypatch.setattr(spectral, "svd", None)  # the iteration alone
    a = conditioned(50, 50, condition)
    u, p = (v.numpy() for v in linalg.polar(dnd.array(a, split=0)))
    np.testing.assert_allclose(u @ p, a, rtol=0, atol=1e-13)
    np.testing.assert_allclose(adjoint(u) @ u, np.eye(50), rtol=0, atol=1e-13)
    np.testing.assert_allclose(p, adjoint(p), rtol=0, atol=1e-14)
    assert np.linalg.eigvalsh(p).min() > -1e-14


@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("split", [0, 1])
def test_of_matrices_that_are_well_conditioned(split: int, scale: float) -> None:
    a = normal(60, 60, dtype="complex128") * scale
    u, p = linalg.polar(dnd.array(a, split=split))
    expected = scipy.linalg.polar(a / scale)
    np.testing.assert_allclose(u.numpy(), expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(p.numpy() / scale, expected[1], rtol=0, atol=1e-12)


def test_of_singular_matrices() -> None:
    for a in (np.zeros((6, 6)), np.diag([1.0, 0, 2, 0]), np.ones((7, 5))):
        for side in ("right", "left"):
            u, p = linalg.polar(dnd.array(a, split=0), side)
            np.testing.assert_allclose((u @ p if side == "right" else p @ u).numpy(), a, rtol=0, atol=1e-13)
            u = u.numpy()
            np.testing.assert_allclose(u.T @ u, np.eye(a.shape[1]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradient(side: str, dtype: str) -> None:
    def theirs(t: torch.Tensor) -> list:
        u, s, vh = torch.linalg.svd(t, full_matrices=False)
        return [u @ vh, (vh.mH * s) @ vh if side == "right" else (u * s) @ u.mH]

    for shape in ((5, 5), (7, 3), (3, 7)):
        for found, expected in gradients(lambda x: linalg.polar(x, side), theirs, normal(*shape, dtype=dtype)):
            np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_gradient_where_singular_values_are_equal() -> None:
    """That of the singular vectors does not exist there; that of the polar factors does."""
    q = np.linalg.qr(normal(6, 6))[0]
    x = dnd.array(q, split=0).requires_grad_()
    weights = normal(6, 6, seed=1)
    (linalg.polar(x).U * dnd.array(weights)).sum().backward()
    inner = q.T @ weights
    np.testing.assert_allclose(x.grad.numpy(), q @ (inner - inner.T) / 2, rtol=0, atol=1e-12)


def test_side_is_checked() -> None:
    with pytest.raises(ValueError, match="left"):
        linalg.polar(dnd.eye(3), "up")
