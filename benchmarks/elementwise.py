"""Chains and reductions of large arrays beside torch on the local parts alone, which communicates nothing.

A second row for reductions shows what of the difference MPI explains: it adds one Allreduce of a number to torch.
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

OF_TORCH = 0.95
OF_HEAT = 1.0

# Each takes a library (or torch) and three arrays of its.
OPERATIONS = {
    "(a * b + c).sin().exp()": lambda lib, a, b, c: (a * b + c).sin().exp(),
    "sqrt(a * a + b * b) / c": lambda lib, a, b, c: lib.sqrt(a * a + b * b) / c,
    "sum(a)": lambda lib, a, b, c: lib.sum(a),
    "mean(a)": lambda lib, a, b, c: lib.mean(a),
    "var(a)": lambda lib, a, b, c: lib.var(a),
    "max(a)": lambda lib, a, b, c: lib.max(a),
}


def _allreduce(part: torch.Tensor) -> np.ndarray:
    whole = np.empty_like(part.numpy())
    MPI.COMM_WORLD.Allreduce(part.numpy(), whole)
    return whole


def measure(heat: Any, n: int, repetitions: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    generator = torch.Generator().manual_seed(comm.rank)
    local = [torch.rand(n // comm.size, generator=generator) + 0.5 for _ in range(3)]
    ours = [dnd.array(t, is_split=0) for t in local]
    theirs = [heat.array(t, is_split=0) for t in local] if heat is not None else []
    rows = []
    for name, call in OPERATIONS.items():
        functions = {
            "torch": lambda call=call: call(torch, *local),
            "ours": lambda call=call: call(dnd, *ours),
        }
        if heat is not None:
            functions["Heat"] = lambda call=call: call(heat, *theirs)
        with dnd.testing.count_collectives() as counted:
            call(dnd, *ours)
        if counted.total:
            functions["with Allreduce"] = lambda call=call: _allreduce(call(torch, *local))
        seconds = medians(functions, repetitions)
        what = f"{name}, {n:,} elements, {comm.size} ranks, MPI calls: {counted.total}"
        rows.append(ratio(what, "torch", seconds["ours"], seconds["torch"], OF_TORCH))
        if counted.total:
            rows.append(ratio(f"  {name}", "torch, Allreduce", seconds["ours"], seconds["with Allreduce"]))
        if heat is not None:
            rows.append(ratio(f"  {name}", "Heat", seconds["ours"], seconds["Heat"], OF_HEAT))
    return rows


def main() -> None:
    args = options(__doc__).parse_args()
    heat = load_heat(not args.no_heat)
    rows = measure(heat, *((1000, 2) if args.tiny else (10_000_000, 15)))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
