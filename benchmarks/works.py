"""Works: one thing to compute in our library and in peers, on the same data in the same run, and the rows they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from peers import load_dask, load_heat
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd


class Work(NamedTuple):
    """One thing to compute: each of the functions takes the library and the arrays in the library's own form."""

    name: str
    make: Callable[[np.random.Generator, int], list[Any]]
    """The arrays, from a generator and a scale: 1 is full size, more is smaller."""
    splits: tuple[int | None, ...]
    ours: Callable[..., Any]
    numpy: Callable[..., Any] | None = None
    heat: Callable[..., Any] | None = None
    dask: Callable[..., Any] | None = None
    of_numpy: float | None = None
    of_heat: float | None = None
    of_dask: float | None = None
    """How many times faster than each peer we should be."""


def _on_first(function: Callable[[], Any]) -> Callable[[], Any]:
    """What one process computes while the others sleep."""
    return function if MPI.COMM_WORLD.rank == 0 else lambda: None


def _measure(work: Work, heat: Any, dask: Any, scale: int, repetitions: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    arrays = work.make(np.random.default_rng(0), scale)
    mine = [dnd.array(a, split=s) for a, s in zip(arrays, work.splits, strict=True)]
    functions = {"ours": lambda: work.ours(dnd, *mine)}
    if work.numpy is not None:
        functions["NumPy"] = _on_first(lambda: work.numpy(np, *arrays))
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
    targets = {"NumPy": work.of_numpy, "Heat": work.of_heat, "Dask": work.of_dask}
    peers = [peer for peer in functions if peer != "ours"]
    return [
        ratio(f"  {work.name}" if i else work.name, peer, seconds["ours"], seconds[peer], targets[peer])
        for i, peer in enumerate(peers)
    ]


def compare(description: str | None, works: Sequence[Work], tiny: int) -> None:
    """The command line of a benchmark of works; with `--tiny` they are so many times smaller."""
    parser = options(description)
    parser.add_argument("--only", default="", help="works whose name holds this")
    args = parser.parse_args()
    heat, dask = load_heat(not args.no_heat), load_dask()
    rows = []
    for work in works:
        if args.only in work.name:
            rows += _measure(work, heat, dask, *((tiny, 1) if args.tiny else (1, 3)))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)
