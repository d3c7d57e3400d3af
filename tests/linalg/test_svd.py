"""Singular values and vectors of matrices that stay dealt out."""

from __future__ import annotations

from typing import Any

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
    normal,
    starts,
    traffic,
)

import dndarray as dnd
from dndarray.linalg import conquer, spectral
from dndarray.linalg.reflectors import BLOCK, PANEL

linalg = dnd.linalg


def _close(found: Any, expected: Any, atol: float) -> None:
    np.testing.assert_allclose(*(v.numpy() if isinstance(v, dnd.DNDarray) else v for v in (found, expected)), 0, atol)


@pytest.fixture(autouse=True)
def _no_matrix_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "SMALL", 0)


def _check(x: dnd.DNDarray, a: np.ndarray, full: bool) -> None:
    (m, n), k = a.shape, min(a.shape)
    u, s, vh = linalg.svd(x, full_matrices=full)
    assert u.shape == (m, m if full else k) and vh.shape == (n if full else k, n)
    if m == n or not full:
        assert (u if m >= n else vh).layout is x.layout
    tolerance = eps(str(u.dtype).removeprefix("torch.")) * (10 + 3 * max(m, n))
    scale = np.linalg.norm(a) or 1.0
    _close(s, np.linalg.svd(a, compute_uv=False), tolerance * scale)
    _close(linalg.svdvals(x), s, tolerance * scale)
    u, s, vh = (v.numpy() for v in (u, s, vh))
    _close((u[:, :k] * s) @ vh[:k], a, tolerance * scale)
    _close(adjoint(u) @ u, np.eye(u.shape[1], dtype=u.dtype), tolerance)
    _close(vh @ adjoint(vh), np.eye(len(vh), dtype=u.dtype), tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (70, 60)])
def test_of_every_layout(shape: tuple[int, int], dtype: str) -> None:
    a = normal(*shape, dtype=dtype)
    every = dtype == "complex128" and shape in [(13, 13), (5, 11)]
    for x in everywhere(a) if every else [dnd.array(a, split=max(shape) % 2)]:
        for full in (False, True):
            _check(x, a, full)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_of_any_condition(condition: float) -> None:
    for shape in ((60, 60), (40, 70), (70, 35), (200, 20)):
        a = conditioned(*shape, condition)
        _check(dnd.array(a, split=0), a, False)


@pytest.mark.parametrize("rank", [0, 1, 30])
def test_of_deficient_rank(rank: int) -> None:
    a = normal(70, rank) @ normal(rank, 60, seed=1)
    _check(dnd.array(a, split=0), a, True)


def test_of_matrices_with_many_equal_values() -> None:
    for a in (np.eye(70), np.diag(np.arange(70.0) % 3), np.triu(np.ones((70, 70)))):
        _check(dnd.array(a, split=0), a, False)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_no_square_overflows(scale: float) -> None:
    for m in (50, 90):
        a = normal(m, 50) * scale
        s = linalg.svdvals(dnd.array(a, split=0))
        _close(s.numpy() / scale, np.linalg.svd(a / scale, compute_uv=False), 1e-12)


def test_hermitian() -> None:
    a = normal(30, 30)
    a = a + a.T
    for x in everywhere(a):
        u, s, vh = linalg.svd(x, hermitian=True)
        assert u.layout is x.layout and vh.shape == (30, 30)
        _close(s, np.linalg.svd(a, compute_uv=False), 1e-12)
        _close((u * s) @ vh, a, 1e-12)
        _close(linalg.svd(x, compute_uv=False, hermitian=True), s, 1e-12)


def test_what_is_not_finite_is_an_error_everywhere() -> None:
    for shape in ((9, 8), (8, 9), (60, 2)):
        a = normal(*shape)
        a[-1, -1] = np.nan
        for x in everywhere(a):
            for call in (linalg.svd, linalg.svdvals, lambda x: linalg.svd(x, full_matrices=False)):
                with pytest.raises(linalg.LinAlgError):
                    call(x)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 5), (8, 4), (4, 8), (30, 2)])
def test_gradient(shape: tuple[int, int], dtype: str) -> None:
    def ours(x: dnd.DNDarray) -> list:
        u, s, vh = linalg.svd(x, full_matrices=False)
        return [(u * s**2) @ vh, abs(u) ** 2, abs(vh), linalg.svdvals(x) ** 2]

    def theirs(t: torch.Tensor) -> list:
        u, s, vh = torch.linalg.svd(t, full_matrices=False)
        return [(u * s**2) @ vh, abs(u) ** 2, abs(vh), torch.linalg.svdvals(t) ** 2]

    for found, expected in gradients(ours, theirs, normal(*shape, dtype=dtype)):
        _close(found, expected, 1e-10 * np.abs(expected).max())


def _merged(n: int, square: bool = True) -> list[int]:
    """The numbers that are agreed on where a matrix of `n` rows is put together from two."""
    if n <= conquer.LEAF:
        return []
    k = n // 2
    return [2 * n + (not square), *_merged(k, False), *_merged(n - k - 1, square)]


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
@pytest.mark.parametrize(("m", "n"), [(40, 40), (150, 140)])
def test_what_is_communicated(m: int, n: int) -> None:
    x = dnd.array(normal(m, n), split=0)
    merges = _merged(n)
    reduced = 1 + sum(2 * (n - j - 1) + 4 * (j % PANEL) + 2 for j in range(n))
    broadcast = 2 * (2 * n - 1) + sum(merges)
    calls, words = traffic(lambda: linalg.svdvals(x))
    assert calls == {"Allreduce": 1 + n, "Bcast": 1 + len(merges)}
    assert words == SIZE * reduced + broadcast
    left, right = ([min(BLOCK, k - start) for start in range(0, k, BLOCK)] for k in (n, n - 1))
    calls, words = traffic(lambda: linalg.svd(x, full_matrices=False))
    # The right vectors are found by rows: of a square matrix they go to the layout of `x`, otherwise to every process.
    moved = n * n - sum(k * k for k in x.counts_displs()[0]) if m == n else (SIZE - 1) * n * n
    assert calls == {"Allreduce": 1 + n + len(left) + len(right), "Bcast": 1 + len(merges), "Alltoall": 1}
    assert words == SIZE * (reduced + sum(b * (b + n) for b in (*left, *right))) + broadcast + moved
    assert reduced < (n + PANEL) ** 2 + 2 * n


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_twice_as_many_rows_cost_a_qr_decomposition_more() -> None:
    m, n = 200, 100
    square, x = (dnd.array(normal(rows, n), split=0) for rows in (n, m))
    squares, words_of_square = traffic(lambda: linalg.svd(square))
    calls, words = traffic(lambda: linalg.svd(x, full_matrices=False))
    blocks = starts(n)
    of_qr = {"Alltoall": 4, "Bcast": 2 * len(blocks)}
    assert calls == {name: count + of_qr.get(name, 0) for name, count in squares.items()}
    panels = sum(w * (2 * (m - start) + 1) for start, w in blocks)
    moved = 2 * n * (m + n) * (1 - 1 / SIZE) * 1.1 + SIZE * n * n
    assert panels < words - words_of_square < panels + moved


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_tall_matrices_send_a_triangle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "SMALL", 5)
    x = dnd.array(normal(60 * SIZE, 5), split=0)
    calls, words = traffic(lambda: linalg.svd(x, full_matrices=False))
    assert (calls, words) == ({"Allgather": 1}, SIZE * 25)
