"""Eigenvalues and eigenvectors of Hermitian matrices that stay dealt out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from linalg.dense_samples import (
    COMM,
    DTYPES,
    SIZE,
    adjoint,
    conditioned,
    eps,
    everywhere,
    gradients,
    layouts_of,
    normal,
    spread,
    traffic,
)

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.linalg import conquer, secular, spectral
from dndarray.linalg.conquer import Rows, bidiagonal_svd, tridiagonal_eigh
from dndarray.linalg.reflectors import BLOCK, PANEL

linalg = dnd.linalg


def _close(found: Any, expected: Any, atol: float) -> None:
    np.testing.assert_allclose(*(v.numpy() if isinstance(v, dnd.DNDarray) else v for v in (found, expected)), 0, atol)


@pytest.fixture(autouse=True)
def _no_matrix_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "SMALL", 0)


def _hermitian(n: int, dtype: str = "float64") -> np.ndarray:
    a = normal(n, n, dtype=dtype)
    return a + adjoint(a)


def _check(x: dnd.DNDarray, a: np.ndarray, upper: bool = False) -> None:
    n = len(a)
    w, v = linalg.eigh(x, "U" if upper else "L")
    values = linalg.eigvalsh(x, "U" if upper else "L")
    assert (w.dtype, v.dtype, v.split) == (values.dtype, x.dtype, x.split)
    size = eps(str(v.dtype).removeprefix("torch.")) * (10 + 3 * n)
    scale = np.abs(a).max(initial=0)
    _close(w, np.linalg.eigvalsh(a), size * scale)
    _close(values, w, size * scale)
    v = v.numpy()
    _close(adjoint(v) @ v, np.eye(n, dtype=v.dtype), size)
    _close(v * w.numpy() @ adjoint(v), a, size * scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 13, 70])
def test_of_every_layout(n: int, dtype: str) -> None:
    a = _hermitian(n, dtype)
    for x in everywhere(a) if n == 13 and dtype != "float32" else [dnd.array(a, split=1)]:
        _check(x, a)


def test_only_one_triangle_is_looked_at() -> None:
    a = _hermitian(9, "complex128")
    for upper in (False, True):
        seen = np.triu(a) if upper else np.tril(a)
        seen = seen + np.tril(normal(9, 9), -1).T * (not upper) + np.tril(normal(9, 9), -1) * upper + 1j * np.eye(9)
        for x in everywhere(seen):
            _check(x, a, upper)


SPECTRA = {
    "one": lambda n: np.ones(n),
    "two": lambda n: np.repeat([1.0, 2.0], [n // 2, n - n // 2]),
    "nearly one": lambda n: 1 + 1e-15 * np.arange(n),
    "few that are not zero": lambda n: np.arange(n) * (np.arange(n) < 3),
    "of every size": lambda n: 10.0 ** -np.linspace(0, 12, n),
    "of both signs": lambda n: (-1.0) ** np.arange(n) * 2.0 ** -np.arange(n),
    "zero": np.zeros,
    "huge": lambda n: 1e200 * np.arange(n),
    "tiny": lambda n: 1e-200 * np.arange(n),
}


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_many_eigenvalues_that_are_nearly_equal(spectrum: Callable[[int], np.ndarray]) -> None:
    n = 110
    u = np.linalg.qr(normal(n, n))[0]
    a = (u * spectrum(n)) @ u.T
    a = (a + a.T) / 2
    _check(dnd.array(a, split=0), a)


def _glued(copies: int, glue: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Wilkinson's matrix W21+, many times, with pairs of eigenvalues that agree to the last digit."""
    d = torch.arange(-10, 11).abs().double().repeat(copies)
    e = torch.ones(len(d) - 1, dtype=torch.float64)
    e[20::21] = glue
    return d, e


def _tridiagonal(n: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    numbers = torch.from_numpy(normal(2, n))
    graded = 10.0 ** -torch.linspace(0, 14, n, dtype=torch.float64)
    return {
        "W21+": _glued(1, 0),
        "glued 1e-14": _glued(12, 1e-14),
        "glued 1e-8": _glued(12, 1e-8),
        "random": (numbers[0], numbers[1, 1:].abs()),
        "graded": (graded, graded[1:].clone()),
        "graded the other way": (graded.flip(0), graded[1:].flip(0)),
        "with gaps": (numbers[0].round(), (numbers[1, 1:].abs() < 0.7).double()),
        "second differences": (torch.full((n,), 2.0).double(), torch.ones(n - 1).double()),
    }


CONDENSED = _tridiagonal(130)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CONDENSED)
def test_vectors_of_condensed_matrices_are_orthogonal(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has some rows of all vectors, and shares the search for roots with the others."""
    monkeypatch.setattr(conquer, "LEAF", 6)
    monkeypatch.setattr(secular, "SHARED", 20)
    d, e = CONDENSED[name]
    n = len(d)
    counts = Layout((n,), COMM.grid, 0).counts[0] or ()
    start = sum(counts[: COMM.rank])
    rows = Rows(torch.arange(start, start + counts[COMM.rank]), torch.empty(0, dtype=dtype))

    def whole(parts: torch.Tensor) -> np.ndarray:
        return COMM.allgatherv(parts.T.contiguous(), counts).double().numpy()

    tolerance = torch.finfo(dtype).eps * 8 * n
    one = np.eye(n)
    w, parts = tridiagonal_eigh(d, e, rows, COMM)
    v = whole(parts)
    a = np.diag(d) + np.diag(e, 1) + np.diag(e, -1)
    _close(v.T @ v, one, tolerance)
    _close((v * w.numpy()) @ v.T, a, tolerance * np.abs(a).max())
    d = d.abs()
    s, left, right = bidiagonal_svd(d, e, rows, rows, COMM)
    u, v = whole(left), whole(right)
    a = np.diag(d) + np.diag(e, 1)
    _close(u.T @ u, one, tolerance)
    _close(v.T @ v, one, tolerance)
    _close((u * s.numpy()) @ v.T, a, tolerance * np.abs(a).max())
    _close(s.flip(0).numpy(), np.linalg.svd(a)[1], tolerance * np.abs(a).max())


def test_what_is_not_finite_is_an_error_everywhere() -> None:
    for value in (np.nan, np.inf):
        a = _hermitian(8)
        a[7, 7] = value
        for x in everywhere(a):
            for call in (linalg.eigh, linalg.eigvalsh):
                with pytest.raises(linalg.LinAlgError):
                    call(x)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradient(dtype: str) -> None:
    def ours(x: dnd.DNDarray) -> list:
        w, v = linalg.eigh(x)
        return [w, (v * w**3) @ v.mT.conj(), abs(v) ** 2, linalg.eigvalsh(x) ** 2]

    def theirs(t: torch.Tensor) -> list:
        w, v = torch.linalg.eigh(t)
        return [w, (v * w**3) @ v.mH, abs(v) ** 2, torch.linalg.eigvalsh(t) ** 2]

    for found, expected in gradients(ours, theirs, _hermitian(5, dtype)):
        _close(found, expected, 1e-10 * np.abs(expected).max())


def _merged(n: int) -> list[int]:
    """The orders of the matrices that are put together from two."""
    return [n, *_merged(n // 2), *_merged(n - n // 2)] if n > conquer.LEAF else []


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
@pytest.mark.parametrize("n", [40, 150])
def test_what_is_communicated(n: int) -> None:
    merges = [2 * size for size in _merged(n)]
    x = dnd.array(_hermitian(n), split=0)
    panels = [(start, min(PANEL, n - start)) for start in range(0, n, PANEL)]
    blocks = [min(BLOCK, n - 1 - start) for start in range(0, n - 1, BLOCK)]
    mirrored = n * n - sum(k * k for k in x.counts_displs()[0])
    gathered = sum(2 * (n - start) * width for start, width in panels) - (n - panels[-1][0])
    reduced = mirrored + gathered + SIZE + 2 * (2 * n - 1) + sum(merges)
    calls, words = traffic(lambda: linalg.eigvalsh(x))
    assert calls == {"Alltoall": 1, "Allreduce": 1, "Allgather": n - 1 + len(panels), "Bcast": 1 + len(merges)}
    assert words == reduced
    calls, words = traffic(lambda: linalg.eigh(x))
    assert calls == {
        "Alltoall": 1,
        "Allreduce": 1 + len(blocks),
        "Allgather": n - 1 + len(panels),
        "Bcast": 1 + len(merges),
    }
    assert words == reduced + SIZE * sum(b * (b + n) for b in blocks)
    assert gathered < 1.2 * n * (n + 2 * PANEL)


def test_memory_is_that_of_a_part() -> None:
    x = dnd.array(_hermitian(60), split=0)
    w, v = linalg.eigh(x)
    assert v.larray.untyped_storage().nbytes() == v.larray.nbytes
    assert (w.split, v.layout) == (None, x.layout)


def test_of_an_ill_conditioned_matrix() -> None:
    a = conditioned(40, 40, 1e12)
    a = a @ a.T
    for layout in layouts_of(a.shape):
        _check(spread(a, layout), a)
