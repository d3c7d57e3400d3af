"""Cholesky factorization of a matrix that is dealt out, and equations solved with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from linalg.dense_samples import (
    CONDITIONS,
    DTYPES,
    SIZE,
    SQUARE,
    adjoint,
    conditioned,
    definite,
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
@pytest.mark.parametrize("shape", SQUARE)
def test_factor_on_every_layout(shape: tuple[int, int], dtype: str, narrow: int) -> None:
    a = definite(shape[0], dtype)
    lower = np.linalg.cholesky(a)
    other = np.triu(np.full(shape, np.nan), 1).astype(dtype)
    for x in everywhere(a + other):
        found = linalg.cholesky(x)
        assert found.layout is x.layout
        assert_allclose(found, lower, atol=50 * eps(dtype), check_dtype=True)
    for x in everywhere(a + other.T):
        assert_allclose(linalg.cholesky(x, upper=True), adjoint(lower), atol=50 * eps(dtype))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_residual_is_small_whatever_the_condition(condition: float) -> None:
    a = definite(40, condition=condition)
    for x in everywhere(a)[:2]:
        found = linalg.cholesky(x).numpy()
        assert np.abs(found @ found.T - a).max() < 40 * eps("float64")


@pytest.mark.parametrize("bad", [0, 7, 12])
def test_not_positive_definite_is_an_error_everywhere(bad: int, narrow: int) -> None:
    for value in (-1.0, 0.0, np.nan):
        a = np.eye(13)
        a[bad, bad] = value
        for x in everywhere(a):
            with pytest.raises(linalg.LinAlgError, match="positive.definite"):
                linalg.cholesky(x)
            with pytest.raises(linalg.LinAlgError):
                linalg.solve(x, dnd.ones(13), assume_a="pos")


@pytest.mark.parametrize("lower", [False, True])
def test_equations(lower: bool, narrow: int) -> None:
    a, b = definite(13), normal(13, 5)
    expected = np.linalg.solve(a, b)
    for x in everywhere(a):
        factor = linalg.cho_factor(x, lower)
        for right in everywhere(b):
            found = linalg.cho_solve(factor, right)
            assert found.layout is right.layout
            assert_allclose(found, expected, atol=1e-12)
        assert_allclose(linalg.solve(x, dnd.array(b[:, 0]), assume_a="pos"), expected[:, 0], atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_gradient(dtype: str, narrow: int) -> None:
    a = conditioned(7, 7, 5.0, dtype)

    def ours(x: dnd.DNDarray) -> list[dnd.DNDarray]:
        return [linalg.cholesky(x @ dnd.conj(x.T), upper=upper) for upper in (False, True)]

    def theirs(t: torch.Tensor) -> list[torch.Tensor]:
        return [torch.linalg.cholesky(t @ t.mH, upper=upper) for upper in (False, True)]

    for found, expected in gradients(ours, theirs, a):
        assert_allclose(found, expected, atol=1e-11)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_what_is_communicated() -> None:
    n = 200
    x = spread(definite(n), next(layouts_of((n, n))))
    calls, words = traffic(lambda: linalg.cholesky(x))
    blocks = starts(n)
    assert calls == {"Alltoall": 2, "Bcast": len(blocks)}
    panels = sum(w * (n - start) for start, w in blocks)
    turn = SIZE * blocks[0][1]  # whole rows of blocks are dealt out and brought back, from the diagonal down
    dealt = sum(min(turn, n - start) * (n - start) for start in range(0, n, turn))
    assert panels <= n * (n + blocks[0][1]) / 2
    assert panels < words <= panels + 2 * dealt * (1 - 1 / SIZE) * 1.1
