"""Batches of power flows beside lightsim2grid and pandapower: load scenarios, and the outage of each branch.

Each rank gives lightsim2grid its own part of the cases: as many processes as we have, and no communication. It is fed
our own arrays as a MATPOWER case, and must find our voltages. All begin with the solved base case. pandapower solves a
few cases on each rank; the rest is extrapolated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
from dndarray.algorithms.power import Grid, Solution, flow
from dndarray.algorithms.power.contingency import contingencies
from dndarray.algorithms.power.series import series
from lightsim2grid.lightsim2grid_cpp import ContingencyAnalysisCPP, TimeSeriesCPP
from lightsim2grid.network import init_from_matpower
from mpi4py import MPI
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(2, [])]

OF_LIGHTSIM = 1.0
OF_PANDAPOWER = 10.0
TOL = 1e-8
REPETITIONS = 5
OF_PANDAPOWERS = 3
"""Cases that pandapower solves on each rank."""

COMM = MPI.COMM_WORLD


def loaded(name: str) -> tuple[Any, Grid]:
    """pandapower's net, and the grid, without the shunt conductance of branches, which a MATPOWER case cannot hold."""
    net = getattr(pandapower.networks, name)()
    net.trafo["pfe_kw"] = 0.0
    grid = Grid.from_pandapower(net)
    return net, grid.replace(name=name, g=0 * grid.branches.g, dg=0 * grid.branches.dg)


def as_matpower(grid: Grid) -> dict[str, Any]:
    """MATPOWER's tables: all that is fed in or taken out is a load, and generators hold voltages."""
    (b, k), base = (grid.buses, grid.branches), grid.base_mva
    bus, branch = np.zeros((len(b), 13)), np.zeros((len(k), 13))
    number = np.arange(len(b)) + 1
    columns = (number, b.kind, -base * b.p, -base * b.q, base * b.g_shunt, base * b.b_shunt, number * 0 + 1)
    bus[:, :7] = np.stack([np.asarray(x) for x in columns], 1)
    bus[:, 7:10] = np.stack([np.asarray(x) for x in (b.v, b.angle * 180 / np.pi, b.base_kv)], 1)
    bus[:, 10:] = 1, 2, 0
    tap, shift = np.asarray(k.tap), np.rad2deg(np.asarray(k.shift))
    branch[:, :5] = np.stack([np.asarray(x) for x in (k.start + 1, k.end + 1, k.r, k.x, k.b)], 1)
    branch[:, 8:11] = np.stack([np.where((tap != 1) | (shift != 0), tap, 0), shift, shift * 0 + 1], 1)
    branch[:, 11:] = -360, 360
    held = np.flatnonzero(np.asarray(b.kind) > 1)
    gen = np.zeros((len(held), 21))
    gen[:, 0], gen[:, 5], gen[:, 6], gen[:, 7] = held + 1, np.asarray(b.v)[held], base, 1
    gen[:, [3, 8]], gen[:, [4, 9]] = 1e4, -1e4
    return {"version": "2", "baseMVA": base, "bus": bus, "gen": gen, "branch": branch}


def scenarios(name: str, cases: int) -> Iterator[Row]:
    """All loads and generators vary by a tenth, each by itself."""
    net, grid = loaded(name)
    factor = dnd.random.uniform(0.9, 1.1, (len(grid.buses), cases), dtype="float64", split=1)
    p, q = ((x * grid.base_mva)[:, None] * factor for x in (grid.buses.p, grid.buses.q))
    base, model = flow(grid, tol=TOL), init_from_matpower(as_matpower(grid))
    start = base.V.numpy().copy()
    at = [load.bus_id for load in model.get_loads()]
    load_p, load_q = (np.ascontiguousarray(-x.larray.numpy()[at].T) for x in (p, q))
    gen, sgen = (np.zeros((len(load_p), len(x))) for x in (model.get_generators(), model.get_static_generators()))

    def ours() -> Solution:
        return series(grid, p, q, init=base, tol=TOL)

    def lightsim() -> np.ndarray:
        found = TimeSeriesCPP(model)
        assert found.compute_Vs(gen, sgen, load_p, load_q, start.copy(), 20, TOL) == 1
        return found.get_voltages()

    def of_pandapower() -> None:
        own = net.load.p_mw.copy()
        for i in range(OF_PANDAPOWERS):
            net.load["p_mw"] = own * (1 + 0.01 * i)
            by_pandapower(net)
        net.load["p_mw"] = own

    found = ours()
    assert bool(found.converged.all())
    assert abs(found.V.larray.numpy() - lightsim().T).max(initial=0) < 1e-6
    part = cases / COMM.size / OF_PANDAPOWERS
    yield from compared(f"{cases} scenarios of {name}", ours, lightsim, of_pandapower, part)


def outages(name: str) -> Iterator[Row]:
    net, grid = loaded(name)
    base, model = flow(grid, tol=TOL), init_from_matpower(as_matpower(grid))
    start = base.V.numpy().copy()
    line = np.flatnonzero((np.asarray(grid.branches.tap) == 1) & (np.asarray(grid.branches.shift) == 0))
    trafo = np.setdiff1d(np.arange(len(grid.branches)), line)
    branch = np.concatenate([line, trafo])  # in the order of lightsim2grid
    mine = np.array_split(np.arange(len(branch)), COMM.size)[COMM.rank]

    def ours() -> Any:
        return contingencies(grid, init=base, tol=TOL, severity="power")

    def lightsim() -> np.ndarray:
        found = ContingencyAnalysisCPP(model)
        found.add_multiple_n1(mine.tolist())
        found.compute(start.copy(), 20, TOL)
        found.compute_flows()
        return found.get_voltages()

    def of_pandapower() -> None:
        for i in range(OF_PANDAPOWERS):
            net.line.loc[i, "in_service"] = False
            by_pandapower(net)
            net.line.loc[i, "in_service"] = True

    found = ours()
    both = found.converged.numpy()[branch[mine]]
    V = found.solution.V.numpy()[:, branch[mine]]
    theirs = lightsim().T
    solved = both & (abs(theirs).max(0) > 0)
    assert solved.sum() > 0.95 * both.sum() and abs((V - theirs)[:, solved]).max() < 1e-5
    part = (~found.islanded).sum() / COMM.size / OF_PANDAPOWERS
    yield from compared(f"{len(found)} outages of {name}", ours, lightsim, of_pandapower, part)


def by_pandapower(net: Any) -> None:
    pandapower.runpp(net, init="dc", calculate_voltage_angles=True, tolerance_mva=TOL, numba=True)


def compared(
    what: str,
    ours: Callable[[], Any],
    lightsim: Callable[[], Any],
    of_pandapower: Callable[[], Any],
    part: float,
) -> Iterator[Row]:
    """`part`: by how much more cases a rank has than pandapower was given."""
    seconds = medians({"ours": ours, "lightsim2grid": lightsim, "pandapower": of_pandapower}, REPETITIONS)
    yield ratio(what, "lightsim2grid", seconds["ours"], seconds["lightsim2grid"], OF_LIGHTSIM)
    yield ratio(what, "pandapower, extrapolated", seconds["ours"], part * seconds["pandapower"], OF_PANDAPOWER)
    found = dnd.energy.compare(ours, lightsim, names=["ours", "lightsim2grid"], rounds=3, min_seconds=0.1)
    joules = {key: float(values.mean()) for key, values in found.joules.items()}
    yield ratio(f"{what}, {found.label}", "lightsim2grid", joules["ours"], joules["lightsim2grid"], None, "J")


def rows(tiny: bool) -> Iterator[Row]:
    for name, cases in [("case9", 10)] if tiny else [("case118", 10_000), ("case9241pegase", 500)]:
        yield from scenarios(name, cases)
    for name in ["case9"] if tiny else ["case118", "case1354pegase"]:
        yield from outages(name)


def main() -> None:
    args = options(__doc__).parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's
        found = list(rows(args.tiny))
    if COMM.rank == 0:
        report(found, args.json)


if __name__ == "__main__":
    main()
