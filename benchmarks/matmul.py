"""Matrix products on several ranks with a thread each, beside torch on one process with as many threads.

While torch computes on rank 0 the other ranks sleep.
"""

from __future__ import annotations

from typing import Any

import torch
from mpi4py import MPI
from peers import load_heat
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(2, [])]

OF_TORCH = 0.85
OF_HEAT = 1.0

Split = int | tuple[int | None, ...]


def layouts(size: int) -> list[tuple[str, Split, Split, tuple[int, ...]]]:
    """Name, splits of both operands, and grid."""
    flat: list[tuple[str, Split, Split, tuple[int, ...]]] = [
        (f"split {i} @ split {j}", i, j, (size,)) for i in (0, 1) for j in (0, 1)
    ]
    grids = [(size, 1), (1, size)]
    return flat + [(f"split (0, 1), grid {grid}", (0, 1), (0, 1), grid) for grid in grids]


def measure(heat: Any, n: int, repetitions: int) -> list[Row]:
    comm = MPI.COMM_WORLD
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(n, n, generator=generator) for _ in range(2))

    def torch_alone() -> torch.Tensor | None:
        if comm.rank > 0:
            return None
        threads = torch.get_num_threads()
        torch.set_num_threads(comm.size * threads)
        product = torch.matmul(a, b)
        torch.set_num_threads(threads)
        return product

    rows = []
    for name, split_a, split_b, grid in layouts(comm.size):
        x, y = dnd.array(a, split=split_a, grid=grid), dnd.array(b, split=split_b, grid=grid)
        product = x @ y
        mine = tuple(slice(*ends) for ends in product.layout.box(comm.rank))
        assert torch.allclose(product.larray, (a @ b)[mine], rtol=1e-4)
        functions = {"torch": torch_alone, "ours": lambda x=x, y=y: x @ y}
        if heat is not None and len(grid) == 1:
            h, k = heat.array(a, split=split_a), heat.array(b, split=split_b)
            functions["Heat"] = lambda h=h, k=k: heat.matmul(h, k)
        seconds = medians(functions, repetitions)
        what = f"matmul {name}, {n} x {n} float32, {comm.size} ranks"
        peer = f"torch, {comm.size * torch.get_num_threads()} threads"
        rows.append(ratio(what, peer, seconds["ours"], seconds["torch"], OF_TORCH))
        if "Heat" in seconds:
            rows.append(ratio(f"  {name}", "Heat", seconds["ours"], seconds["Heat"], OF_HEAT))
    return rows


def main() -> None:
    args = options(__doc__).parse_args()
    heat = load_heat(not args.no_heat)
    rows = measure(heat, *((60, 2) if args.tiny else (3000, 7)))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
