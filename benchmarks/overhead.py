"""What an operation costs beyond the torch call inside of it: small arrays, where little else counts.

The slowest rank's median, over many batches, of our call's time less that of torch's call on the local part;
Heat's overhead is the same difference for its call. Two operations are what users meet cold: slices not taken
before, which we cannot have planned already, and operands just computed, where Heat asks all ranks whether
they are balanced.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from mpi4py import MPI
from peers import load_heat
from table import Row, difference, options, ratio, report
from timing import calls

import dndarray as dnd

RUNS = [(1, []), (2, [])]

MAY_COST = 5e-6
TIMES_LESS_THAN_HEAT = 10


class Operation(NamedTuple):
    name: str
    call: Callable[[Any, Any], object]
    """Given a library and an array of its, or torch and the local part of one."""
    shape: tuple[int, ...] = (100,)
    split: int = 0
    steps: int = 1


_starts = itertools.count()


def _new_cut(lib: Any, z: Any) -> object:
    start = next(_starts)
    return z[start : start + 10]


def _cut(*key: slice) -> Callable[[Any, Any], object]:
    return lambda lib, x: x[key]


def operations(size: int) -> list[Operation]:
    every = [
        Operation("x + x", lambda lib, x: x + x),
        Operation("sin(x)", lambda lib, x: lib.sin(x)),
        Operation("x * 2.0", lambda lib, x: x * 2.0),
        Operation("y[2:5], y split along the other axis", _cut(slice(2, 5)), (10, 10), 1),
        Operation("z[i:i + 10], a new i each time", _new_cut, (10**6,)),
        Operation("sin(x) + sin(x)", lambda lib, x: lib.sin(x) + lib.sin(x), steps=3),
    ]
    key = slice(10, 20) if size == 1 else slice(5, 45)
    every.insert(3, Operation(f"x[{key.start}:{key.stop}], all on one rank", _cut(key)))
    return every


def measure(op: Operation, heat: Any, batches: int, number: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    x = dnd.ones(op.shape, split=op.split)
    functions = {
        "torch": lambda: op.call(torch, x.larray),
        "ours": lambda: op.call(dnd, x),
    }
    if heat is not None:
        h = heat.ones(op.shape, split=op.split)
        functions["Heat"] = lambda: op.call(heat, h)
    seconds = calls(functions, batches, number)

    def slowest(times: list[float]) -> float:
        return comm.allreduce(statistics.median(times), MPI.MAX)

    def overhead(name: str) -> float:
        return slowest([whole - bare for whole, bare in zip(seconds[name], seconds["torch"], strict=True)])

    bare, ours = slowest(seconds["torch"]), overhead("ours")
    what = f"{op.name}, {comm.size} rank{'s' * (comm.size > 1)}"
    rows = [difference(what, "torch", bare + ours, bare, MAY_COST * op.steps)]
    if heat is not None:
        least = max(ours, 1e-8)  # below what the clock can tell
        rows.append(ratio(f"  overhead of {what}", "Heat", least, overhead("Heat"), TIMES_LESS_THAN_HEAT, "us"))
    return rows


def main() -> None:
    args = options(__doc__).parse_args()
    heat = load_heat(not args.no_heat)
    comm = MPI.COMM_WORLD
    batches, number = (2, 5) if args.tiny else (50, 200)
    rows = [row for op in operations(comm.size) for row in measure(op, heat, batches, number)]
    if comm.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
