"""Resplitting from rows to columns beside MPI's own Alltoallv, which is given the same bytes packed already.

Ours has to make room for its result, too. A second row shows what of the difference that explains, by giving
Alltoallv fresh memory to receive into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mpi4py import MPI
from peers import load_heat
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(2, [])]

OF_ALLTOALL = 0.7
OF_HEAT = 1.5


def measure(heat: Any, n: int, repetitions: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    whole = torch.arange(n * n, dtype=torch.float64).reshape(n, n)
    x = dnd.array(whole, split=0)
    columns = dnd.array(whole, split=1).larray
    assert torch.equal(x.resplit(1).larray, columns)

    sends = [x.lshape[0] * count * 8 for count in x.resplit(1).counts_displs()[0]]
    receives = [columns.shape[1] * count * 8 for count in x.counts_displs()[0]]
    packed, room = np.ones(sum(sends), np.uint8), np.ones(sum(receives), np.uint8)

    def alltoall(into: np.ndarray) -> np.ndarray:
        comm.Alltoallv([packed, sends, MPI.BYTE], [into, receives, MPI.BYTE])
        return into

    functions = {
        "Alltoallv": lambda: alltoall(room),
        "ours": lambda: x.resplit(1),
        "into fresh memory": lambda: alltoall(np.empty_like(room)),
    }
    if heat is not None:
        h = heat.array(whole, split=0)
        functions["Heat"] = lambda: heat.resplit(h, 1)
    del whole, columns
    seconds = medians(functions, repetitions)
    what = f"resplit 0 to 1, {n} x {n} float64, {comm.size} ranks"
    rows = [
        ratio(what, "Alltoallv", seconds["ours"], seconds["Alltoallv"], OF_ALLTOALL),
        ratio("  into fresh memory", "Alltoallv", seconds["ours"], seconds["into fresh memory"]),
    ]
    if heat is not None:
        rows.append(ratio("  the same", "Heat", seconds["ours"], seconds["Heat"], OF_HEAT))
    return rows


def main() -> None:
    args = options(__doc__).parse_args()
    heat = load_heat(not args.no_heat)
    rows = measure(heat, *((50, 2) if args.tiny else (4000, 15)))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
