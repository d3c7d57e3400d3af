"""LU factorization of a matrix that is dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from linalg.dense_samples import (
    COMM,
    CONDITIONS,
    DTYPES,
    SHAPES,
    SIZE,
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
    p, lower, upper = scipy.linalg.lu(a)
    p = p.real if p.size else np.eye(shape[0], dtype=p.real.dtype)
    indices = p.argmax(1) if p.size else np.zeros(0, int)
    tolerance = 2000 * eps(dtype)
    for x in everywhere(a):
        found = linalg.lu(x)
        for value, expected in zip(found, (p, lower, upper), strict=True):
            assert_allclose(value, expected, atol=tolerance, check_dtype=True)
        assert found.P.layout.axes == x.layout.axes
        if shape[0] >= shape[1]:
            assert found.L.layout is x.layout
        if shape[0] <= shape[1]:
            assert found.U.layout is x.layout
        assert_allclose(linalg.lu(x, p_indices=True).P, indices)
        permuted, again = linalg.lu(x, permute_l=True)
        assert_allclose(permuted, p @ lower, atol=tolerance)
        assert_allclose(again, upper, atol=tolerance)


def test_factors_of_stacks() -> None:
    a = normal(5, 4, 3)
    for split in (None, 0, 1, 2):
        x = dnd.array(a, split=split)
        for found, expected in zip(linalg.lu(x), scipy.linalg.lu(a), strict=True):
            assert_allclose(found, expected, atol=1e-14)
        assert_allclose(linalg.lu(x, permute_l=True)[0], scipy.linalg.lu(a, permute_l=True)[0], atol=1e-14)
        assert_allclose(linalg.lu(x, p_indices=True)[0], scipy.linalg.lu(a, p_indices=True)[0])


@pytest.mark.parametrize("condition", CONDITIONS)
def test_residual_is_small_whatever_the_condition(condition: float) -> None:
    a = conditioned(40, 40, condition)
    for x in everywhere(a)[:2]:
        permuted, upper = (f.numpy() for f in linalg.lu(x, permute_l=True))
        assert np.abs(permuted @ upper - a).max() < 40 * eps("float64")
        assert np.abs(permuted).max() <= 1  # which partial pivoting makes of L


def test_singular_matrices_have_factors(narrow: int) -> None:
    a = np.outer(np.arange(9.0), np.ones(9))
    for x in everywhere(a):
        permuted, upper = linalg.lu(x, permute_l=True)
        assert_allclose(permuted @ upper, a, atol=1e-14)
        with pytest.raises(linalg.LinAlgError):
            linalg.lu_solve(linalg.lu_factor(x), dnd.ones(9))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equations(dtype: str, narrow: int) -> None:
    a = normal(13, 13, dtype=dtype)
    for x in everywhere(a):
        factors = linalg.lu_factor(x)
        lu, piv = scipy.linalg.lu_factor(a)
        assert factors.lu.layout is x.layout
        assert_allclose(factors.lu, lu, atol=2000 * eps(dtype), check_dtype=True)
        assert_allclose(factors.piv, piv)
        for b in (normal(13), normal(13, 2), normal(13, 9), normal(2, 13, 2)):
            b = b.astype(dtype)
            right = dnd.array(b, split=b.ndim - 1)
            for trans in (0, 1, 2):
                found = linalg.lu_solve(factors, right, trans)
                assert found.layout is right.layout
                matrix = (a, a.T, a.conj().T)[trans]
                assert_allclose(dnd.array(matrix) @ found, b, atol=3e3 * eps(dtype))


def test_equations_of_stacks() -> None:
    a, b = normal(5, 4, 4) + 4 * np.eye(4), normal(5, 4, 2)
    for split in (None, 0, 1):
        factors = linalg.lu_factor(dnd.array(a, split=split))
        assert_allclose(linalg.lu_solve(factors, dnd.array(b, split=0)), np.linalg.solve(a, b), atol=1e-13)
        assert_allclose(linalg.lu_solve(factors, dnd.array(b[0])), np.linalg.solve(a, b[0]), atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("shape", [(7, 7), (8, 4), (4, 8)])
def test_gradient(shape: tuple[int, int], dtype: str, narrow: int) -> None:
    a = normal(*shape, dtype=dtype)
    for found, expected in gradients(lambda x: linalg.lu(x)[1:], lambda t: torch.linalg.lu(t)[1:], a):
        assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_what_is_communicated() -> None:
    n = 200
    x = spread(normal(n, n), next(layouts_of((n, n))))
    calls, words = traffic(lambda: linalg.lu_factor(x))
    blocks = starts(n)
    panels = sum(w * (n - start + 1) for start, w in blocks)
    assert calls == {"Alltoall": 2, "Bcast": len(blocks)}
    assert panels < words <= panels + 2 * n * n * (1 - 1 / SIZE) * 1.1
    assert COMM.size == SIZE
