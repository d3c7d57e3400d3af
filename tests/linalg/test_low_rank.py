"""Truncated singular value decompositions: what they leave out, and that they do not depend on the processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from linalg.dense_samples import SIZE, adjoint, everywhere, normal, traffic

import dndarray as dnd
from dndarray.linalg import low_rank

linalg = dnd.linalg


def _decaying(m: int, n: int, dtype: str = "float64") -> np.ndarray:
    """Singular values 1, 1/2, 1/4, ..."""
    k = min(m, n)
    u, v = (np.linalg.qr(normal(size, k, dtype=dtype, seed=seed))[0] for seed, size in enumerate((m, n)))
    return (u * 0.5 ** np.arange(k)) @ adjoint(v)


def _check(factors: tuple, a: np.ndarray, rank: int, error: float) -> None:
    u, s, vh = (v.numpy() for v in factors[:3])
    assert (u.shape, s.shape, vh.shape) == ((len(a), rank), (rank,), (rank, a.shape[1]))
    np.testing.assert_allclose(adjoint(u) @ u, np.eye(rank), atol=1e-12)
    np.testing.assert_allclose(vh @ adjoint(vh), np.eye(rank), atol=1e-12)
    assert np.linalg.norm((u * s) @ vh - a) <= error * np.linalg.norm(a)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_randomised(dtype: str) -> None:
    a = _decaying(30, 20, dtype)
    for x in everywhere(a):
        _check(linalg.rsvd(x, 6, power_iter=2, seed=3), a, 6, 0.5**6 * 1.01)
    h = a @ adjoint(a)
    for x in everywhere(h):
        w, v = linalg.reigh(x, 5, power_iter=1, seed=3)
        np.testing.assert_allclose(w.numpy(), np.linalg.eigvalsh(h)[-5:], atol=1e-8)
        np.testing.assert_allclose((x @ v).numpy(), (v * w).numpy(), atol=1e-6)


def test_the_projection_is_the_same_on_any_number_of_processes() -> None:
    a = normal(30, 20)
    expected = linalg.rsvd(a, 4, n_oversamples=2, seed=5)
    for x in everywhere(a):
        found = linalg.rsvd(x, 4, n_oversamples=2, seed=5)
        np.testing.assert_allclose(found.S.numpy(), expected.S.numpy(), atol=1e-12)
        np.testing.assert_allclose(np.abs(found.U.numpy()), np.abs(expected.U.numpy()), atol=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_hierarchical(dtype: str) -> None:
    a = _decaying(24, 40, dtype)
    for x in everywhere(a):
        found = linalg.hsvd_rank(x, 5)
        _check(found, a, 5, 0.5**5 * 1.05)
        for rtol in (0.3, 1e-2, 1e-6):
            found = linalg.hsvd_rtol(x, rtol)
            _check(found, a, len(found.S), rtol)
            assert len(found.S) <= 3 + np.ceil(-np.log2(rtol)) + SIZE
            u, s, vh = (v.numpy() for v in found[:3])
            true = np.linalg.norm((u * s) @ vh - a) / np.linalg.norm(a)
            assert found.relative_error == pytest.approx(true, rel=1e-6, abs=1e-14)
        assert len(linalg.hsvd(x, 3, 1e-6).S) == 3


def test_hierarchical_of_what_has_low_rank() -> None:
    a = normal(300, 4) @ normal(4, 250 * SIZE, seed=1)
    x = dnd.array(a, split=1)
    for found in (linalg.hsvd_rank(x, 4), linalg.hsvd_rtol(x, 1e-8)):
        _check(found, a, 4, 1e-8)
        assert (found.U.split, found.Vh.split) == (None, 1)
    assert linalg.hsvd_rank(dnd.array(a.T.copy(), split=0), 4).U.split == 0
    zero = linalg.hsvd_rtol(x * 0, 1e-3)
    assert (zero.S.shape, zero.relative_error) == ((0,), 0.0)


def test_a_guess_too_small_is_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_rank, "_GUESS", 2)
    a = normal(200, 20) @ normal(20, 200 * SIZE, seed=1)
    found = linalg.hsvd_rtol(dnd.array(a, split=1), 1e-8)
    _check(found, a, 20, 1e-8)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_what_the_hierarchy_sends() -> None:
    m, n, k = 50, 100 * SIZE, 3
    x = dnd.array(normal(m, k) @ normal(k, n, seed=1), split=1)
    calls, words = traffic(lambda: linalg.hsvd_rank(x, k, safetyshift=0))
    levels = (SIZE - 1).bit_length()
    assert calls["Bcast"] == 2 and "Alltoall" not in calls
    assert words < 2 * SIZE * m * k + SIZE * (levels + 8 + k * k)


def test_incremental() -> None:
    a = normal(20, 12)
    for x in everywhere(a)[:3]:
        factors = linalg.svd(x[:, :4], full_matrices=False)
        for start in range(4, 12, 4):
            factors = linalg.isvd(x[:, start : start + 4], *factors)
        _check(factors, a, 12, 1e-12)
        assert len(linalg.isvd(x[:, 8:], *linalg.svd(x[:, :8], full_matrices=False), maxrank=5).S) == 5
    known = linalg.svd(dnd.array(a[:, :4], split=0), full_matrices=False)
    again = linalg.isvd(a[:, :4], *known)  # columns that are there already
    np.testing.assert_allclose(again.S.numpy()[4:], 0, atol=1e-12)
    _check(again, np.concatenate([a[:, :4]] * 2, 1), 8, 1e-12)


def test_errors_are_everywhere() -> None:
    x = dnd.array(normal(6, 5), split=0)
    for call in (
        lambda: linalg.rsvd(x, 0),
        lambda: linalg.hsvd(x),
        lambda: linalg.hsvd_rtol(x, -1.0),
        lambda: linalg.isvd(x, x, x[0], x),
        lambda: linalg.reigh(x, 2),
        lambda: linalg.rsvd(dnd.ones((2, 3, 4)), 1),
    ):
        with pytest.raises((ValueError, linalg.LinAlgError)):
            call()
    x.larray[...] = torch.nan
    for call in (lambda: linalg.rsvd(x, 2), lambda: linalg.hsvd(x, 2)):
        with pytest.raises(linalg.LinAlgError):
            call()
