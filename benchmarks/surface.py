"""Sorting, selection, rearrangement, transforms and products beside NumPy or SciPy on one process, Heat and Dask.

The peers compute the same on the same data in the same run: Heat on all ranks, NumPy on one, Dask on one with as many
threads as there are ranks. Where a peer has no such function there is no row for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.spatial.distance as distance
from mpi4py import MPI
from peers import load_dask, load_heat
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(2, [])]

OF_NUMPY = 1.5
OF_HEAT = 3.0
OF_DASK = 1.0


class Work(NamedTuple):
    """One thing to compute: each of the functions takes the library and the arrays in the library's own form."""

    name: str
    make: Callable[[np.random.Generator, int], list[np.ndarray]]
    """The arrays, from a generator and a scale: 1 is full size, more is smaller."""
    splits: tuple[int | None, ...]
    ours: Callable[..., Any]
    numpy: Callable[..., Any]
    heat: Callable[..., Any] | None = None
    dask: Callable[..., Any] | None = None
    compute_bound: bool = False


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
    Work("sort 1e7", _LONG, (0,), lambda lib, a: lib.sort(a), lambda lib, a: lib.sort(a),
         lambda lib, a: lib.sort(a), compute_bound=True),
    Work("sort 1e6 x 8, axis 0", _floats(1_000_000, 8), (0,), lambda lib, a: lib.sort(a, axis=0),
         lambda lib, a: lib.sort(a, axis=0), lambda lib, a: lib.sort(a, axis=0), compute_bound=True),
    Work("percentile 1e7", _LONG, (0,), lambda lib, a: lib.percentile(a, 30.0), lambda lib, a: lib.percentile(a, 30.0),
         lambda lib, a: lib.percentile(a, 30.0), lambda lib, a: lib.percentile(a, 30.0), compute_bound=True),
    Work("median 1e7", _LONG, (0,), lambda lib, a: lib.median(a), lambda lib, a: lib.median(a),
         lambda lib, a: lib.median(a), compute_bound=True),
    Work("unique 1e7, 1e5 distinct", _many_alike, (0,), lambda lib, a: lib.unique(a), lambda lib, a: lib.unique(a),
         lambda lib, a: lib.unique(a), lambda lib, a: lib.unique(a), compute_bound=True),
    Work("histogram 1e7", _LONG, (0,), lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)),
         lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)), lambda lib, a: lib.histogram(a, 100, (0.0, 1.0)),
         lambda lib, a: lib.histogram(a, 100, (0.0, 1.0))[0], compute_bound=True),
    Work("cumsum 1e7", _LONG, (0,), lambda lib, a: lib.cumsum(a, 0), lambda lib, a: lib.cumsum(a, 0),
         lambda lib, a: lib.cumsum(a, 0), lambda lib, a: lib.cumsum(a, 0)),
    Work("roll 1e7", _LONG, (0,), lambda lib, a: lib.roll(a, 1000), lambda lib, a: lib.roll(a, 1000),
         lambda lib, a: lib.roll(a, 1000), lambda lib, a: lib.roll(a, 1000)),
    Work("concatenate 2 x 1e7", _twice, (0, 0), lambda lib, a, b: lib.concatenate([a, b]),
         lambda lib, a, b: lib.concatenate([a, b]), lambda lib, a, b: lib.concatenate([a, b]),
         lambda lib, a, b: lib.concatenate([a, b])),
    Work("half of 1e7 by mask", _LONG, (0,), lambda lib, a: a[a > 0.5], lambda lib, a: a[a > 0.5],
         lambda lib, a: a[a > 0.5], lambda lib, a: a[a > 0.5]),
    Work("take 1e6 of 1e7", _with_indices, (0, 0), lambda lib, a, i: a[i], lambda lib, a, i: a[i],
         lambda lib, a, i: a[i], lambda lib, a, i: a[i]),
    Work("fft 2^22", _signal, (0,), lambda lib, a: lib.fft.fft(a), lambda lib, a: lib.fft.fft(a),
         lambda lib, a: lib.fft.fft(a), lambda lib, a: lib.fft.fft(a.rechunk(-1)), compute_bound=True),
    Work("fft2 4096^2", _square, (0,), lambda lib, a: lib.fft.fft2(a), lambda lib, a: lib.fft.fft2(a),
         lambda lib, a: lib.fft.fft2(a), lambda lib, a: lib.fft.fft2(a.rechunk(-1)), compute_bound=True),
    Work("cdist 8000 x 64", _floats(8000, 64), (0,), lambda lib, a: lib.spatial.cdist(a, a),
         lambda lib, a: distance.cdist(a, a), lambda lib, a: lib.spatial.cdist(a, a), compute_bound=True),
    Work("einsum ij,jk,kl->il 1500", _matrices, (0, 0, 0), lambda lib, *m: lib.einsum("ij,jk,kl->il", *m),
         lambda lib, *m: lib.einsum("ij,jk,kl->il", *m, optimize=True), None,
         lambda lib, *m: lib.einsum("ij,jk,kl->il", *m, optimize=True), compute_bound=True),
    Work("reshape (1000, 4e4) to (1e7, 4), split 1", _wide, (1,),
         lambda lib, a: lib.reshape(a, (-1, 4), new_split=1), lambda lib, a: lib.reshape(a, (-1, 4)).copy(),
         lambda lib, a: lib.reshape(a, (-1, 4), new_split=1)),
]  # fmt: skip


def _on_first(function: Callable[[], Any]) -> Callable[[], Any]:
    """What one process computes while the others sleep."""
    return function if MPI.COMM_WORLD.rank == 0 else lambda: None


def measure(work: Work, heat: Any, dask: Any, scale: int, repetitions: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    arrays = work.make(np.random.default_rng(0), scale)
    mine = [dnd.array(a, split=s) for a, s in zip(arrays, work.splits, strict=True)]
    functions = {
        "ours": lambda: work.ours(dnd, *mine),
        "NumPy": _on_first(lambda: work.numpy(np, *arrays)),
    }
    if heat is not None and work.heat is not None:
        theirs = [heat.array(a, split=s) for a, s in zip(arrays, work.splits, strict=True)]
        functions["Heat"] = lambda: work.heat(heat, *theirs)
    if dask is not None and work.dask is not None:
        chunked = [
            dask.from_array(a, chunks=[-(-n // comm.size) if i == (s or 0) else -1 for i, n in enumerate(a.shape)])
            for a, s in zip(arrays, work.splits, strict=True)
        ]
        functions["Dask"] = _on_first(
            lambda: work.dask(dask, *chunked).compute(scheduler="threads", num_workers=comm.size)
        )
    seconds = medians(functions, repetitions)
    targets = {"NumPy": OF_NUMPY if work.compute_bound else None, "Heat": OF_HEAT, "Dask": OF_DASK}
    return [
        ratio(work.name if peer == "NumPy" else f"  {work.name}", peer, seconds["ours"], seconds[peer], targets[peer])
        for peer in functions
        if peer != "ours"
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", default="", help="works whose name holds this")
    args = parser.parse_args()
    heat = load_heat(not args.no_heat)
    dask = load_dask()
    rows = []
    for work in WORKS:
        if args.only in work.name:
            rows += measure(work, heat, dask, *((64, 1) if args.tiny else (1, 3)))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
