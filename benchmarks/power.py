"""Power flow beside pandapower and lightsim2grid, which are fed the same grids.

One case: `flow` of a grid whose structure is known (its matrix, the order of buses, the pattern of the Jacobian), as at
every call but the first, beside lightsim2grid's Newton's method by KLU of the same arrays from the same start; and
`flow` of a grid that is new, beside pandapower's `runpp` with numba, which begins with its tables each time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
from dndarray.algorithms.power import Grid, flow
from lightsim2grid.algorithm import NR_KLU
from mpi4py import MPI
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(1, [])]

OF_KLU = 0.5
OF_PANDAPOWER = 1.0
SECONDS = 0.05
"""How long a function is called again and again for one figure."""

TOL = 1e-8


def net(name: str) -> Any:
    """A net that is solved, and compiled, already."""
    found = getattr(pandapower.networks, name)()
    run(found)
    return found


def run(found: Any) -> None:
    pandapower.runpp(found, init="dc", calculate_voltage_angles=True, tolerance_mva=TOL, numba=True)


def by_klu(grid: Grid, inside: dict[str, Any]) -> Callable[[], np.ndarray]:
    """lightsim2grid's solution of pandapower's arrays, from the start that ours takes."""
    kind = grid.buses.kind.numpy()
    start = np.where(kind == 1, 1.0, grid.buses.v.numpy()) * np.exp(1j * flow(grid, method="dc").angle.numpy())
    places = [np.asarray(inside[key], dtype=np.int32) for key in ("ref", "pv", "pq")]
    weights = np.zeros(len(start))
    weights[places[0]] = 1
    Y, S, solver = inside["Ybus"].tocsc(), inside["Sbus"], NR_KLU()

    def solve() -> np.ndarray:
        assert solver.solve(Y, start.copy(), S, places[0], weights, *places[1:], 30, TOL)
        return solver.get_V()

    return solve


def single(tiny: bool) -> Iterator[Row]:
    for name in ["case9"] if tiny else ["case118", "case1354pegase", "case9241pegase"]:
        theirs = net(name)
        grid = Grid.from_pandapower(theirs)
        klu = by_klu(grid, theirs._ppc["internal"])
        functions: dict[str, Callable[[], Any]] = {
            "known": lambda grid=grid: flow(grid, tol=TOL),
            "KLU": klu,
            "new": lambda grid=grid: flow(grid.with_arrays(grid.arrays), tol=TOL),
            "pandapower": lambda theirs=theirs: run(theirs),
        }
        assert abs(functions["known"]().V.numpy() - klu()).max() < 1e-7
        yield from compared(name, functions, tiny)


def compared(name: str, functions: dict[str, Callable[[], Any]], tiny: bool) -> Iterator[Row]:
    """Seconds, and joules, of one call."""
    once = medians(functions, 1)
    number = {key: 1 if tiny else max(1, round(SECONDS / once[key])) for key in functions}

    def repeated(key: str) -> Callable[[], object]:
        return lambda: [functions[key]() for _ in range(number[key])]

    seconds = medians({key: repeated(key) for key in functions}, 1 if tiny else 7)
    found = dnd.energy.compare(
        *functions.values(), names=list(functions), rounds=2 if tiny else 5, min_seconds=0.01 if tiny else 0.3
    )
    joules = {key: float(values.mean()) for key, values in found.joules.items()}
    for ours, peer, target, what in (
        ("known", "KLU", OF_KLU, f"flow of {name}, structure known"),
        ("known", "pandapower", OF_PANDAPOWER, f"flow of {name}, structure known"),
        ("new", "pandapower", OF_PANDAPOWER, f"flow of {name}, new grid"),
    ):
        yield ratio(what, peer, seconds[ours] / number[ours], seconds[peer] / number[peer], target)
        yield ratio(f"{what}, {found.label}", peer, joules[ours], joules[peer], None, "J")


def main() -> None:
    args = options(__doc__).parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's
        rows = list(single(args.tiny))
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
