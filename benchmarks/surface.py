"""Sorting, selection, rearrangement, transforms and products beside NumPy or SciPy on one process, Heat and Dask.

The peers compute the same on the same data in the same run: Heat on all ranks, NumPy on one, Dask on one with as many
threads as there are ranks. Where a peer has no such function there is no row for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.spatial.distance as distance
from works import Work, compare

RUNS = [(2, [])]


def _work(*given: Any, compute_bound: bool = False) -> Work:
    """A work with the targets of this benchmark."""
    return Work(*given, of_numpy=1.5 if compute_bound else None, of_heat=3.0, of_dask=1.0)


def _floats(*shape: int) -> Callable[[np.random.Generator, int], list[np.ndarray]]:
    return lambda rng, scale: [rng.random((shape[0] // scale, *shape[1:]), dtype=np.float32)]


def _many_alike(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    return [rng.integers(0, 100_000 // scale, 10_000_000 // scale)]


def _with_indices(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    n = 10_000_000 // scale
    return [rng.random(n, dtype=np.float32), rng.integers(0, n, n // 10)]


def _twice(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    return [rng.random(10_000_000 // scale, dtype=np.float32) for _ in range(2)]


def _signal(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    n = 2**22 // scale
    return [rng.normal(size=n) + 1j * rng.normal(size=n)]


def _square(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    return [rng.random((4096 // scale,) * 2, dtype=np.float32).astype(np.complex64)]


def _matrices(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    n = 1500 // scale
    return [rng.random((n, n), dtype=np.float32) for _ in range(3)]


def _wide(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    return [rng.random((1000, 40_000 // scale), dtype=np.float32)]


_LONG = _floats(10_000_000)

WORKS = [
    _work("sort 1e7", _LONG, (0,), lambda lib, a: lib.sort(a), lambda lib, a: lib.sort(a),
         lambda lib, a: lib.sort(a), compute_bound=True),
    _work("sort 1e6 x 8, axis 0", _floats(1_000_000, 8), (0,), lambda lib, a: lib.sort(a, axis=0),
         lambda lib, a: lib.sort(a, axis=0), lambda lib, a: lib.sort(a, axis=0), compute_bound=True),
    _work("percentile 1e7", _LONG, (0,), lambda lib, a: lib.percentile(a, 30.0), lambda lib, a: lib.percentile(a, 30.0),
         lambda lib, a: lib.percentile(a, 30.0), lambda lib, a: lib.percentile(a, 30.0), compute_bound=True),
    _work("median 1e7", _LONG, (0,), lambda lib, a: lib.median(a), lambda lib, a: lib.median(a),
         lambda lib, a: lib.median(a), compute_bound=True),
    _work("unique 1e7, 1e5 distinct", _many_alike, (0,), lambda lib, a: lib.unique(a), lambda lib, a: lib.unique(a),
         lambda lib, a: lib.unique(a), lambda lib, a: lib.unique(a), compute_bound=True),
    _work("histogram 1e7", _LONG, (0,), lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)),
         lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)), lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)),
         lambda lib, a: lib.histogram(a, 100, (0.0, 1.0))[0], compute_bound=True),
    _work("cumsum 1e7", _LONG, (0,), lambda lib, a: lib.cumsum(a, 0), lambda lib, a: lib.cumsum(a, 0),
         lambda lib, a: lib.cumsum(a, 0), lambda lib, a: lib.cumsum(a, 0)),
    _work("roll 1e7", _LONG, (0,), lambda lib, a: lib.roll(a, 1000), lambda lib, a: lib.roll(a, 1000),
         lambda lib, a: lib.roll(a, 1000), lambda lib, a: lib.roll(a, 1000)),
    _work("concatenate 2 x 1e7", _twice, (0, 0), lambda lib, a, b: lib.concatenate([a, b]),
         lambda lib, a, b: lib.concatenate([a, b]), lambda lib, a, b: lib.concatenate([a, b]),
         lambda lib, a, b: lib.concatenate([a, b])),
    _work("half of 1e7 by mask", _LONG, (0,), lambda lib, a: a[a > 0.5], lambda lib, a: a[a > 0.5],
         lambda lib, a: a[a > 0.5], lambda lib, a: a[a > 0.5]),
    _work("take 1e6 of 1e7", _with_indices, (0, 0), lambda lib, a, i: a[i], lambda lib, a, i: a[i],
         lambda lib, a, i: a[i], lambda lib, a, i: a[i]),
    _work("fft 2^22", _signal, (0,), lambda lib, a: lib.fft.fft(a), lambda lib, a: lib.fft.fft(a),
         lambda lib, a: lib.fft.fft(a), lambda lib, a: lib.fft.fft(a.rechunk(-1)), compute_bound=True),
    _work("fft2 4096^2", _square, (0,), lambda lib, a: lib.fft.fft2(a), lambda lib, a: lib.fft.fft2(a),
         lambda lib, a: lib.fft.fft2(a), lambda lib, a: lib.fft.fft2(a.rechunk(-1)), compute_bound=True),
    _work("cdist 8000 x 64", _floats(8000, 64), (0,), lambda lib, a: lib.spatial.cdist(a, a),
         lambda lib, a: distance.cdist(a, a), lambda lib, a: lib.spatial.cdist(a, a), compute_bound=True),
    _work("einsum ij,jk,kl->il 1500", _matrices, (0, 0, 0), lambda lib, *m: lib.einsum("ij,jk,kl->il", *m),
         lambda lib, *m: lib.einsum("ij,jk,kl->il", *m, optimize=True), None,
         lambda lib, *m: lib.einsum("ij,jk,kl->il", *m, optimize=True), compute_bound=True),
    _work("reshape (1000, 4e4) to (1e7, 4), split 1", _wide, (1,),
         lambda lib, a: lib.reshape(a, (-1, 4), new_split=1), lambda lib, a: lib.reshape(a, (-1, 4)).copy(),
         lambda lib, a: lib.reshape(a, (-1, 4), new_split=1)),
]  # fmt: skip


if __name__ == "__main__":
    compare(__doc__, WORKS, 64)
