"""What operations cost in joules beside peers, and what measuring that costs itself.

Where the machine has no sensor the joules are estimated from CPU time; each row says what they are worth.
"""

from __future__ import annotations

import time
import timeit
from typing import Any

import torch
from mpi4py import MPI
from peers import load_heat
from table import Row, difference, options, ratio, report

import dndarray as dnd

RUNS = [(2, [])]

OF_TORCH = 0.95
REGION_S = 1e-6
SAMPLER_S = 0.01
"""Of CPU time per second."""


def operations(heat: Any, n: int, rounds: int, min_seconds: float) -> list[Row]:
    comm = MPI.COMM_WORLD
    local = torch.rand(n // comm.size, n)
    ours = dnd.array(local, is_split=0)
    functions = {"ours": lambda: (ours * ours + ours).exp(), "torch": lambda: (local * local + local).exp()}
    if heat is not None:
        theirs = heat.array(local, is_split=0)
        functions["Heat"] = lambda: heat.exp(theirs * theirs + theirs)
    result = dnd.energy.compare(*functions.values(), names=list(functions), rounds=rounds, min_seconds=min_seconds)
    joules = {name: float(values.mean()) for name, values in result.joules.items()}
    rows = []
    for name in list(functions)[1:]:
        mean, low, high = (100 * value / joules["ours"] for value in result.difference(name))
        interval = f"peer {mean:+.1f} % [{low:+.1f}, {high:+.1f}]"
        what = f"exp(a * a + a), {n} x {n}, {comm.size} ranks, {result.label}; {interval}"
        target = OF_TORCH if name == "torch" else 1.0
        rows.append(ratio(what, name, joules["ours"], joules[name], target, "J"))
    return rows


def measuring(seconds: float) -> list[Row]:
    names = {"region": dnd.energy.region}
    entered, empty = (
        min(timeit.repeat(code, globals=names, number=1000, repeat=50)) / 1000
        for code in ("with region(''): pass", "pass")
    )
    with dnd.energy.Monitor() as monitor:
        time.sleep(seconds)
    found = monitor.report()
    cpu = max(host.sampler["cpu_seconds"] for host in found.hosts) / found.seconds
    return [
        difference("a region without a monitor", "nothing", entered, empty, REGION_S),
        difference(f"CPU time of the sampler per second, {found.label}", "no sampler", cpu, 0.0, SAMPLER_S, "ms"),
    ]


def main() -> None:
    args = options(__doc__).parse_args()
    heat = load_heat(not args.no_heat)
    rows = operations(heat, *((100, 2, 0.01) if args.tiny else (3000, 10, 0.5)))
    rows += measuring(0.1 if args.tiny else 5.0)
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
