"""Differentiable power flow: what an iteration of a case costs beside autograd, and how time grows with the grid.

The peer of an iteration is the same method as PyTorch has it: autograd through a sparse matrix, and `torch.optim.Adam`.
The peer of a whole solution from a linear start is Newton's method, of `flow` as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from dndarray.algorithms.power import Grid, flow
from dndarray.algorithms.power.gallery import replicated
from mpi4py import MPI
from pandapower import networks
from table import Row, options, ratio, report
from timing import medians

RUNS = [(1, ["--no-heat"])]

OF_AUTOGRAD = 1.5

LINEAR = 0.8
"""Of the time that linear growth would take."""

MOST, EFFORT = 2**20, 2**21
"""Voltages of the largest batch, and voltages times iterations of a run."""


def autograd(grid: Grid, v: np.ndarray, angle: np.ndarray, S: np.ndarray) -> Callable[[int], object]:
    """The method as a program in PyTorch has it: takes so many steps."""
    matrix = grid.admittance.local
    parts = [torch.from_numpy(np.asarray(x)) for x in (matrix.indptr, matrix.indices, matrix.data)]
    Y = torch.sparse_csr_tensor(*parts, size=matrix.shape)
    kind = torch.from_numpy(grid.buses.kind.numpy())
    masks = [(kind != 3)[:, None].double(), (kind == 1)[:, None].double()]
    x = [torch.from_numpy(a).clone().requires_grad_() for a in (v, angle)]
    given = torch.from_numpy(S)
    optimizer = torch.optim.Adam(x, lr=0.0034, betas=(0.979, 0.963))

    def run(iterations: int) -> None:
        for _ in range(iterations):
            optimizer.zero_grad()
            V = torch.polar(*x)
            excess = V * (Y @ V).conj() - given
            loss = ((excess.real * masks[0]) ** 2 + (excess.imag * masks[1]) ** 2).sum()
            loss.backward()
            x[0].grad *= masks[1]
            x[1].grad *= masks[0]
            optimizer.step()

    return run


def iterations(grid: Grid, cases: int, count: int, repetitions: int) -> Row:
    scale = np.linspace(0.9, 1.1, cases)
    p, q = (x.numpy()[:, None] * scale * grid.base_mva for x in (grid.buses.p, grid.buses.q))
    begin = flow(grid, p, q, method="dpf", max_iter=0)
    run = autograd(grid, begin.v.numpy(), begin.angle.numpy(), (p + 1j * q) / grid.base_mva)
    functions = {
        "ours": lambda: flow(grid, p, q, method="dpf", init=begin, max_iter=count),
        "nothing": lambda: flow(grid, p, q, method="dpf", init=begin, max_iter=0),
        "autograd": lambda: run(count),
    }
    seconds = medians(functions, repetitions)
    each = count * cases
    what = f"an iteration of a case, {grid.name}, {cases} cases"
    ours = (seconds["ours"] - seconds["nothing"]) / each
    return ratio(what, "torch autograd", ours, seconds["autograd"] / each, OF_AUTOGRAD)


def growth(grid: Grid, copies: Sequence[int], count: int, repetitions: int) -> list[Row]:
    """Iterations of ever larger grids, beside so many times those of the smallest."""
    rows, first = [], 0.0
    for k in copies:
        large = replicated(grid, k)
        begin = flow(large, method="dpf", init="flat", max_iter=0)
        functions = {
            "ours": lambda large=large, begin=begin: flow(large, method="dpf", init=begin, max_iter=count),
            "nothing": lambda large=large, begin=begin: flow(large, method="dpf", init=begin, max_iter=0),
        }
        seconds = medians(functions, repetitions)
        each = (seconds["ours"] - seconds["nothing"]) / count
        first = first or each / k
        rows.append(ratio(f"an iteration, {len(large.buses):,} buses", f"{k} x one", each, k * first, LINEAR))
    return rows


def newton(grid: Grid, copies: int, count: int) -> Row:
    large = replicated(grid, copies)
    begin = flow(large, method="dpf", max_iter=0)
    functions = {
        "dpf": lambda: flow(large, method="dpf", init=begin, max_iter=count),
        "newton": lambda: flow(large, init=begin),
    }
    seconds = medians(functions, 1)
    what = f"{count} iterations, {len(large.buses):,} buses"
    return ratio(what, "Newton to 1e-8", seconds["dpf"], seconds["newton"], unit="s")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--grids", nargs="+", metavar="NAME", help="of those that pandapower ships")
    parser.add_argument("--cases", nargs="+", type=int, default=(1, 8, 64, 512), help="sizes of the batches")
    parser.add_argument("--copies", nargs="+", type=int, default=(1, 2, 4, 8, 16, 32, 64), help="of the last grid")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "Sparse", UserWarning)
    names = args.grids or (["case14"] if args.tiny else ["case118", "case9241pegase"])
    rows = []
    for name in names:
        grid = Grid.from_pandapower(getattr(networks, name)())
        for cases in (1, 2) if args.tiny else args.cases:
            if cases * len(grid.buses) <= MOST:
                count = min(max(EFFORT // (cases * len(grid.buses)), 2), 100)
                rows.append(iterations(grid, cases, 2 if args.tiny else count, 1 if args.tiny else 3))
    rows += growth(grid, (1, 2) if args.tiny else args.copies, 2 if args.tiny else 20, 1)
    rows += [newton(grid, copies, 2 if args.tiny else 20) for copies in ((1, 2) if args.tiny else (1, 4))]
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
