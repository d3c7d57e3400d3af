"""Linear algebra beside NumPy or SciPy on one process with two threads, Heat and Dask.

The dense works are those of Heat's own continuous benchmark, in its sizes for two ranks, and systems of equations that
it lacks. The peers compute the same on the same data in the same run: Heat on all ranks, NumPy and SciPy on one, Dask
on one with as many threads as there are ranks. Where a peer has no such function there is no row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits
from works import Work, compare

RUNS = [(2, [])]

THREADS = 2


def _threaded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A peer's computation with the threads of the whole machine."""

    def call(lib: Any, *arrays: Any) -> Any:
        with threadpool_limits(THREADS):
            return function(lib, *arrays)

    return call


def _work(name: str, make: Any, split: int, ours: Any, numpy: Any, heat: Any, dask: Any = None, **targets: Any) -> Work:
    """A work on arrays that are all split alike."""
    many = len(make(np.random.default_rng(0), 64))
    targets = {"of_heat": 2.0, **targets}
    return Work(name, make, (split,) * many, ours, None if numpy is None else _threaded(numpy), heat, dask, **targets)


def _normal(*shape: int, many: int = 1) -> Callable[[np.random.Generator, int], list[np.ndarray]]:
    return lambda rng, s: [rng.normal(size=[n // s for n in shape]).astype(np.float32) for _ in range(many)]


def _symmetric(n: int, shift: float = 0.0) -> Callable[[np.random.Generator, int], list[np.ndarray]]:
    def make(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
        a = rng.normal(size=(n // scale,) * 2)
        return [(a + a.T + shift * np.sqrt(len(a)) * np.eye(len(a))).astype(np.float32)]

    return make


def _of_rank(rows: int, columns: int, rank: int) -> Callable[[np.random.Generator, int], list[np.ndarray]]:
    def make(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
        left, right = rng.normal(size=(rows // scale, rank)), rng.normal(size=(rank, columns // scale))
        return [(left @ right).astype(np.float32)]

    return make


def _system(n: int) -> Callable[[np.random.Generator, int], list[np.ndarray]]:
    return lambda rng, s: [rng.normal(size=(n // s, n // s)), rng.normal(size=(n // s, 8))]


def _krylov(rng: np.random.Generator, scale: int) -> list[np.ndarray]:
    a = rng.normal(size=(50, 50))
    return [a @ a.T]


_TALL = (2828, 1414)
"""As many rows as 2 processes times as many columns, 4e6 elements each."""

WORKS = [
    *(
        _work(f"matmul 3000, split {split}", _normal(3000, 3000, many=2), split, lambda lib, a, b: a @ b,
              lambda lib, a, b: a @ b, lambda lib, a, b: lib.matmul(a, b))
        for split in (0, 1)
    ),
    _work("qr tall", _normal(*_TALL), 0, lambda lib, a: lib.linalg.qr(a), lambda lib, a: lib.linalg.qr(a),
          lambda lib, a: lib.linalg.qr(a), lambda lib, a: lib.linalg.qr(a)[0], of_numpy=1.2, of_dask=1.0),
    *(
        _work(f"qr 2000, split {split}", _normal(2000, 2000), split, lambda lib, a: lib.linalg.qr(a),
              lambda lib, a: lib.linalg.qr(a), lambda lib, a: lib.linalg.qr(a))
        for split in (0, 1)
    ),
    _work("lanczos 50", _krylov, 0, lambda lib, a: lib.linalg.lanczos(a, 50), None,
          lambda lib, a: lib.linalg.lanczos(a, 50)),
    _work("hsvd of rank 10", _of_rank(1000, 1000, 10), 1, lambda lib, a: lib.linalg.hsvd_rank(a, 10),
          None, lambda lib, a: lib.linalg.hsvd_rank(a, 10, compute_sv=True)),
    _work("hsvd to 1e-2", _of_rank(1000, 1000, 10), 1, lambda lib, a: lib.linalg.hsvd_rtol(a, 1e-2),
          None, lambda lib, a: lib.linalg.hsvd_rtol(a, 1e-2, compute_sv=True)),
    *(
        _work(f"polar 1000, split {split}", _normal(1000, 1000), split, lambda lib, a: lib.linalg.polar(a),
              lambda lib, a: scipy.linalg.polar(a), lambda lib, a: lib.linalg.polar(a))
        for split in (0, 1)
    ),
    *(
        _work(f"eigh 1000, split {split}", _symmetric(1000), split, lambda lib, a: lib.linalg.eigh(a),
              lambda lib, a: lib.linalg.eigh(a), lambda lib, a: lib.linalg.eigh(a))
        for split in (0, 1)
    ),
    _work("svd tall", _normal(*_TALL), 0, lambda lib, a: lib.linalg.svd(a, full_matrices=False),
          lambda lib, a: lib.linalg.svd(a, full_matrices=False), lambda lib, a: lib.linalg.svd(a),
          lambda lib, a: lib.linalg.svd(a)[1], of_numpy=1.2, of_dask=1.0),
    *(
        _work(f"svd 1000, split {split}", _normal(1000, 1000), split, lambda lib, a: lib.linalg.svd(a),
              lambda lib, a: lib.linalg.svd(a), lambda lib, a: lib.linalg.svd(a))
        for split in (0, 1)
    ),
    _work("rsvd of rank 10", _normal(1000, 1000), 0, lambda lib, a: lib.linalg.rsvd(a, 10), None,
          lambda lib, a: lib.linalg.rsvd(a, 10)),
    _work("reigh of rank 10", _symmetric(1000), 0, lambda lib, a: lib.linalg.reigh(a, 10), None,
          lambda lib, a: lib.linalg.reigh(a, 10)),
    _work("solve 3000, 8 right-hand sides", _system(3000), 0, lambda lib, a, b: lib.linalg.solve(a, b),
          lambda lib, a, b: lib.linalg.solve(a, b), None),
    _work("cholesky 3000", _symmetric(3000, 4.0), 0, lambda lib, a: lib.linalg.cholesky(a),
          lambda lib, a: lib.linalg.cholesky(a), None),
]  # fmt: skip

if __name__ == "__main__":
    compare(__doc__, WORKS, 16)
