"""Equations, inverses and determinants of a matrix that is dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from linalg.dense_samples import (
    CONDITIONS,
    DTYPES,
    SIZE,
    SQUARE,
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


def _well(n: int, dtype: str = "float64") -> np.ndarray:
    return (normal(n, n, dtype=dtype) / max(n, 1) + 2 * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_solve_on_every_layout(shape: tuple[int, int], dtype: str, narrow: int) -> None:
    n = shape[0]
    a = _well(n, dtype)
    for b in (normal(n), normal(n, 1), normal(n, 9), normal(2, n, 2), normal(n, 0)):
        expected = np.linalg.solve(a, b.astype(dtype))
        for x in everywhere(a):
            for split in {0, b.ndim - 1}:
                right = dnd.array(b.astype(dtype), split=split)
                found = linalg.solve(x, right)
                assert found.layout is right.layout
                assert_allclose(found, expected, atol=50 * eps(dtype), check_dtype=True)


@pytest.mark.parametrize("trans", [0, 1, 2])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_triangular_on_every_layout(trans: int, lower: bool, dtype: str, narrow: int) -> None:
    for n in (1, 13):
        a = _well(n, dtype)
        # The other triangle is not looked at.
        spoiled = a + (np.triu if lower else np.tril)(np.full((n, n), np.nan), 1 if lower else -1)
        for b in (normal(n), normal(n, 9)):
            for unit in (False, True):
                expected = scipy.linalg.solve_triangular(a, b, trans, lower, unit)
                for x in everywhere(spoiled):
                    found = linalg.solve_triangular(x, dnd.array(b, split=b.ndim - 1), trans, lower, unit)
                    assert_allclose(found, expected, atol=1e-13)
                x = dnd.array(a)
                assert_allclose(
                    linalg.solve_triangular(x, dnd.array(b, split=0), trans, lower, unit), expected, atol=1e-13
                )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_residual_is_small_whatever_the_condition(condition: float) -> None:
    a, b = conditioned(40, 40, condition), normal(40, 3)
    for x in everywhere(a)[:2]:
        found = linalg.solve(x, dnd.array(b, split=0)).numpy()
        assert np.abs(a @ found - b).max() < 100 * eps("float64") * np.abs(found).max()


def test_inverse_and_determinant(narrow: int) -> None:
    for dtype in DTYPES:
        for n in (0, 1, 13):
            a = _well(n, dtype)
            for x in everywhere(a):
                inverse = linalg.inv(x)
                assert inverse.layout is x.layout
                assert_allclose(inverse, np.linalg.inv(a), atol=50 * eps(dtype), check_dtype=True)
                assert_allclose(linalg.det(x), np.linalg.det(a), rtol=200 * eps(dtype), check_dtype=True)
                for found, expected in zip(linalg.slogdet(x), np.linalg.slogdet(a), strict=True):
                    assert_allclose(found, expected, rtol=200 * eps(dtype), atol=50 * eps(dtype), check_dtype=True)
                if n:
                    for order in (1, np.inf, "fro"):
                        assert_allclose(linalg.cond(x, order), np.linalg.cond(a, order), rtol=1e3 * eps(dtype))


@pytest.mark.parametrize("bad", [0, 7, 12])
def test_singular_matrices(bad: int, narrow: int) -> None:
    a = _well(13)
    a[:, bad] = 0
    for x in everywhere(a):
        for call in (
            linalg.inv,
            lambda x: linalg.solve(x, dnd.ones(13)),
            lambda x: linalg.solve_triangular(x, dnd.ones(13)),
            lambda x: linalg.solve_triangular(x, dnd.ones((13, 200)), 1),
        ):
            with pytest.raises(linalg.LinAlgError, match="singular"):
                call(x)
        assert linalg.det(x).item() == 0
        assert [f.item() for f in linalg.slogdet(x)] == [0, -np.inf]
        assert linalg.cond(x, 1).item() == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", [(0, 0), (2, 11), (11, 2), (12, 12)])
def test_what_is_not_finite_is_an_error(where: tuple[int, int], value: float, narrow: int) -> None:
    a = _well(13)
    a[where] = value
    for x in [*everywhere(a), dnd.array(a)]:
        for call in (linalg.inv, lambda x: linalg.solve(x, dnd.ones((13, 2), split=1))):
            with pytest.raises(linalg.LinAlgError):
                call(x)


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_gradients(dtype: str, narrow: int) -> None:
    a, b = _well(7, dtype), normal(7, 4, dtype=dtype)
    cases = [
        (lambda x, y: [linalg.solve(x, y)], lambda x, y: [torch.linalg.solve(x, y)]),
        (lambda x, y: [linalg.inv(x) @ y], lambda x, y: [torch.linalg.inv(x) @ y]),
        (lambda x, y: [linalg.det(x) * y], lambda x, y: [torch.linalg.det(x) * y]),
        (lambda x, y: [v * y for v in linalg.slogdet(x)], lambda x, y: [v * y for v in torch.linalg.slogdet(x)]),
    ]
    for trans in (0, 1, 2):
        for lower in (False, True):
            for unit in (False, True):
                cases.append(_triangular(trans, lower, unit))
    for ours, theirs in cases:
        for found, expected in gradients(ours, theirs, a, b):
            assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())


def _triangular(trans: int, lower: bool, unit: bool) -> tuple:
    def theirs(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        x = x.tril(-int(unit)) if lower else x.triu(int(unit))
        x = x + torch.eye(len(x)) if unit else x
        return [torch.linalg.solve((x, x.mT, x.mH)[trans], y)]

    return lambda x, y: [linalg.solve_triangular(x, y, trans, lower, unit)], theirs


def test_gradient_of_the_gradient(narrow: int) -> None:
    a = _well(5)
    x = dnd.array(a, split=0).requires_grad_()
    t = torch.tensor(a, requires_grad=True)
    (grad,) = torch.autograd.grad(linalg.inv(x).sum().larray, x.larray, create_graph=True)
    dnd.DNDarray(grad**2, x.layout, x.comm).sum().backward()
    (other,) = torch.autograd.grad(torch.linalg.inv(t).sum(), t, create_graph=True)
    (other**2).sum().backward()
    assert_allclose(x.grad, t.grad.numpy(), atol=1e-12)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_what_is_communicated() -> None:
    n, k = 200, 40
    a, b = (spread(normal(n, m) + n * np.eye(n, m), next(layouts_of((n, m)))) for m in (n, k))
    blocks = starts(n)
    down, up = sum(w * (n - s + 1) for s, w in blocks), sum(w * (s + w) for s, w in blocks)
    calls, words = traffic(lambda: linalg.solve(a, b))
    assert calls == {"Alltoall": 2, "Bcast": 2 * len(blocks)}
    assert down + up < words <= down + up + (n * n + 2 * n * k) * (1 - 1 / SIZE) * 1.1
    calls, words = traffic(lambda: linalg.det(a))
    assert calls == {"Alltoall": 1, "Bcast": len(blocks)}
    few = dnd.ones((n, 2), split=0)
    for x, trans, name in ((a, 0, "Bcast"), (a, 1, "Reduce"), (a.T, 0, "Reduce")):
        calls, words = traffic(lambda x=x, trans=trans: linalg.solve_triangular(x, few, trans))
        assert calls == {"Allreduce": 1, name: SIZE}
        assert words <= 2 * n * (1 if name == "Bcast" else SIZE) + SIZE
