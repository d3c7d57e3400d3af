"""The most memory that a rank holds during an operation, beyond its parts of the operands and of the result.

`--case NAME` runs one case, and run.py starts fresh processes for each, for one may use what another left;
without it they run one after another. At these sizes a whole array on some rank would exceed the target. On
Linux only, where the kernel itself keeps the peak of the resident memory, and starts anew on request.
"""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matmul import layouts
from mpi4py import MPI
from table import Row, difference, options, report

import dndarray as dnd

MIB = 2**20
MAY_HOLD = 64 * MIB


class Case(NamedTuple):
    call: Callable[..., Any]
    shape: tuple[int, ...]
    splits: tuple[Any, ...]
    """Of each operand."""
    dtype: torch.dtype = torch.float32
    grid: tuple[int, ...] | None = None


def cases(size: int) -> dict[str, Case]:
    n = (50_000_000,)
    found = {
        "resplit": Case(lambda x: x.resplit(1), (6000, 6000), (0,), torch.float64),
        "add": Case(lambda x, y: x + y, n, (0, 0)),
        "sin": Case(dnd.sin, n, (0,)),
        "sum": Case(dnd.sum, n, (0,)),
        "mean": Case(dnd.mean, n, (0,)),
        "var": Case(dnd.var, n, (0,)),
    }
    every: dict[str, Callable[..., Any]] = {
        "sort": dnd.sort,
        "argsort": dnd.argsort,
        "unique": dnd.unique,
        "median": dnd.median,
        "topk": lambda x: dnd.topk(x, 50)[0],
        "histogram": lambda x: dnd.histogram(x, 100)[0],
        "searchsorted": lambda x: dnd.searchsorted(dnd.linspace(0, 1, 1000, split=0), x),
        "cumsum": dnd.cumsum,
        "diff": dnd.diff,
        "roll": lambda x: dnd.roll(x, 1000),
        "flip": dnd.flip,
        "pad": lambda x: dnd.pad(x, 1000),
        "repeat": lambda x: dnd.repeat(x, 2),
        "mask": lambda x: x[x > 0.5],
        "nonzero": lambda x: dnd.nonzero(x > 0.5)[0],
        "take": lambda x: x[::-3],
        "convolve": lambda x: dnd.convolve(x, dnd.ones(101, dtype=x.dtype)),
        "isin": lambda x: dnd.isin(x, [0.25, 0.5]),
        "interp": lambda x: dnd.interp(x, [0.0, 0.5, 1.0], [0.0, 2.0, 1.0]),
    }
    found |= {name: Case(call, n, (0,)) for name, call in every.items()}
    matrix = (6000, 6000)
    found |= {
        "concatenate": Case(lambda x, y: dnd.concatenate([x, y]), n, (0, 0)),
        "indices": Case(lambda x, y: x[(y * (len(y) - 1)).astype("int64")], n, (0, 0)),
        "fft": Case(dnd.fft.fft, (2**24,), (0,), torch.complex64),
        "fft2": Case(dnd.fft.fft2, (4096, 4096), (0,), torch.complex64),
        "sort, axis 0": Case(lambda x: dnd.sort(x, axis=0), (4_000_000, 8), (0,)),
        "percentile, axis 0": Case(lambda x: dnd.percentile(x, 30, axis=0), (4_000_000, 8), (0,)),
        "gaussian_filter": Case(lambda x: dnd.ndimage.gaussian_filter(x, 2), matrix, (0,)),
        "median_filter": Case(lambda x: dnd.ndimage.median_filter(x, 3), matrix, (0,)),
        "cdist": Case(dnd.spatial.cdist, (8000, 64), (0, 0)),
        "einsum": Case(lambda x, y: dnd.einsum("ij,jk->ki", x, y), matrix, (0, 0)),
        "reshape": Case(lambda x: dnd.reshape(x, (-1, 4), new_split=1), matrix, (1,)),
        "gradient": Case(lambda x: dnd.gradient(x, axis=0), matrix, (0,)),
        "tile": Case(lambda x: dnd.tile(x, (2, 1)), matrix, (0,)),
    }
    for name, split_a, split_b, grid in layouts(size):
        found[f"matmul {name}"] = Case(lambda x, y: x @ y, matrix, (split_a, split_b), grid=grid)
    return found


RUNS = [(2, ["--case", name]) for name in cases(2)]


def _resident(what: str) -> int:
    """VmRSS, what this process holds now, or VmHWM, the most it has held since `_forget_peak`."""
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _operands(case: Case, shape: tuple[int, ...]) -> list[dnd.DNDarray]:
    real = torch.float64 if case.dtype in (torch.float64, torch.complex128) else torch.float32
    made = [dnd.random.random(shape, real, split=split, grid=case.grid) for split in case.splits]
    return [x.astype(case.dtype, copy=False) for x in made]


def measure(name: str, case: Case, tiny: bool) -> Row:
    comm = MPI.COMM_WORLD
    case.call(*_operands(case, (64,) * len(case.shape)))  # so that what is set up once is there before
    gc.collect()
    before = _resident("VmRSS")
    operands = _operands(case, tuple(math.isqrt(n) for n in case.shape) if tiny else case.shape)
    _forget_peak()
    result = case.call(*operands)
    held = _resident("VmHWM") - before
    needed = sum(array.larray.nbytes for array in [*operands, result])
    held, needed = max(comm.allgather((held, needed)), key=lambda pair: pair[0] - pair[1])
    return difference(f"{name}, {comm.size} ranks", "operands + result", held, needed, MAY_HOLD, "MiB")


def main() -> None:
    parser = options(__doc__)
    every = cases(MPI.COMM_WORLD.size)
    parser.add_argument("--case", choices=every, metavar="NAME", help=f"one of: {'; '.join(every)}")
    args = parser.parse_args()
    wanted = [args.case] if args.case else list(every)
    rows = [measure(name, every[name], args.tiny) for name in wanted]
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
