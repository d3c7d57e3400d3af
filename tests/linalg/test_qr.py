"""QR factorization of a matrix that is dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from linalg.dense_samples import (
    CONDITIONS,
    DTYPES,
    SHAPES,
    SIZE,
    adjoint,
    conditioned,
    eps,
    everywhere,
    gradients,
    layouts_of,
    normal,
    spread,
    starts,
    traffic,
)

import dndarray as dnd
from dndarray.testing import assert_allclose

linalg = dnd.linalg


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_on_every_layout(shape: tuple[int, int], dtype: str, narrow: int) -> None:
    a = normal(*shape, dtype=dtype)
    tolerance = 100 * eps(dtype)
    signs = np.sign(np.diag(np.linalg.qr(a).R))
    signs[signs == 0] = 1
    expected = np.linalg.qr(a).Q * signs
    vectors, factors = np.linalg.qr(a, "raw")
    for x in everywhere(a):
        q, r = linalg.qr(x)
        assert_allclose(q, expected, atol=tolerance, check_dtype=True)
        assert_allclose(q @ r, a, atol=tolerance)
        assert np.array_equal(np.tril(r.numpy(), -1), np.zeros(r.shape))
        assert_allclose(linalg.qr(x, "r"), r.numpy(), atol=tolerance)
        if shape[0] >= shape[1]:
            assert q.layout is x.layout
        if shape[0] <= shape[1]:
            assert r.layout is x.layout
        full, r = linalg.qr(x, "complete")
        assert (full.shape, r.shape) == ((shape[0], shape[0]), shape)
        assert_allclose(full @ r, a, atol=tolerance)
        assert_allclose(dnd.conj(full.T) @ full, np.eye(shape[0]), atol=tolerance)
        assert_allclose(linalg.qr(x, "raw")[0], vectors, atol=100 * tolerance)
        assert_allclose(linalg.qr(x, "raw")[1], factors, atol=tolerance)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("shape", [(40, 40), (45, 30), (30, 45), (200, 6)])
def test_orthogonal_whatever_the_condition(shape: tuple[int, int], condition: float) -> None:
    a = conditioned(*shape, condition)
    for x in everywhere(a)[:2]:
        q, r = (f.numpy() for f in linalg.qr(x))
        assert np.abs(adjoint(q) @ q - np.eye(q.shape[1])).max() < 20 * eps("float64")
        assert np.abs(q @ r - a).max() < 20 * eps("float64")


def test_rank_deficient_and_zero(narrow: int) -> None:
    for a in (np.zeros((9, 7)), np.outer(np.arange(9.0), np.ones(7)), np.outer(np.ones(7), np.arange(9.0))):
        for x in everywhere(a):
            q, r = linalg.qr(x)
            assert_allclose(q @ r, a, atol=1e-13)
            assert_allclose(q.T @ q, np.eye(7), atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("shape", [(7, 7), (8, 4), (4, 8), (60, 2)])
def test_gradient(shape: tuple[int, int], dtype: str, narrow: int) -> None:
    a = normal(*shape, dtype=dtype)
    k = min(shape)

    def theirs(t: torch.Tensor) -> list[torch.Tensor]:
        q, r = torch.linalg.qr(t[:, :k])
        phases = r.diagonal() / r.diagonal().abs()
        q = q * phases
        return [q, torch.cat([phases.conj()[:, None] * r, q.mH @ t[:, k:]], 1)]

    for found, expected in gradients(linalg.qr, theirs, a):
        assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())
    for found, expected in gradients(lambda x: [linalg.qr(x, "r")], lambda t: theirs(t)[1:], a):
        assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_what_is_communicated() -> None:
    m, n = 200, 150
    x = spread(normal(m, n), next(layouts_of((m, n))))
    blocks = starts(n)
    calls, words = traffic(lambda: linalg.qr(x))
    panels = sum(w * (2 * (m - start) + 1) for start, w in blocks)
    # R is wanted on every process, which each has the rows and columns of that it does not send itself.
    assert calls == {"Alltoall": 3, "Bcast": 2 * len(blocks)}
    assert panels < words <= panels + 2 * m * n * (1 - 1 / SIZE) * 1.1 + n * n * (SIZE - 1)
    calls, _ = traffic(lambda: linalg.qr(x, "r"))
    assert calls == {"Alltoall": 2, "Bcast": len(blocks)}
    tall = spread(normal(100, 3), next(layouts_of((100, 3))))
    assert traffic(lambda: linalg.qr(tall)) == ({"Allgather": 1}, 9 * SIZE)
