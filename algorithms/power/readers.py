"""Grids from what other programs have: pandapower's nets, MATPOWER's and PYPOWER's cases, an admittance matrix."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import dndarray as dnd
from dndarray import DNDarray
from dndarray.errors import agreed
from dndarray.sparse import SparseArray

from .grid import PQ, PV, SLACK, Branches, Buses, Grid, exactly
from .tables import require

__all__ = ["from_admittance", "from_arrays", "from_matpower", "from_pandapower", "from_ppc"]

OUT_OF_SERVICE = 4
"""MATPOWER's kind of a bus that takes no part."""

NO_LIMIT_MVAR = 1e9
"""What pandapower writes where there is no limit."""

ASYMMETRY = {
    "dr": "branch_r_asym",
    "dx": "branch_x_asym",
    "g": "branch_g",
    "dg": "branch_g_asym",
    "db": "branch_b_asym",
}
"""Where pandapower's converter puts what MATPOWER's tables have no column for, if there is any."""

DEFINED = re.compile(r"^\s*function\s+mpc\s*=", re.MULTILINE)
"""How a MATPOWER file of version 2 begins."""

COMPUTED = re.compile(r"^\s*mpc\.\w+\s*\(.*\)\s*=[^=].*$", re.MULTILINE)
"""A statement of a MATPOWER file that changes its tables."""


def from_ppc(case: Mapping[str, Any] | str, name: str = "") -> Grid:
    """See `Grid.from_ppc`."""
    if isinstance(case, str):
        return from_ppc(_pypower_case(case), name or case)
    missing = {"baseMVA", "bus", "gen", "branch"} - case.keys()
    if missing:
        raise ValueError(f"a case has `baseMVA` and the tables `bus`, `gen` and `branch`; {sorted(missing)} not found")
    base = float(case["baseMVA"])
    bus, gen, branch = (np.atleast_2d(np.asarray(case[key])).real.astype(float) for key in ("bus", "gen", "branch"))
    _known(bus[:, 0], gen=gen[:, 0], branch=branch[:, :2])
    bus = bus[bus[:, 1] != OUT_OF_SERVICE]
    numbers = bus[:, 0].astype(int)
    running = (branch[:, 10] > 0) & np.isin(branch[:, :2], numbers).all(1)
    branches = _branches_of_ppc({**case, "branch": branch}, running, numbers, base)
    ends = branch[running, :2].astype(int)
    names = case.get("branch_names")
    names = _between(ends) if names is None else np.asarray(names)[running]
    return Grid(
        Buses(**{key: dnd.array(x) for key, x in _buses_of_ppc(bus, gen, base).items()}),
        Branches(**{key: dnd.array(x) for key, x in branches.items()}),
        base,
        case.get("bus_names", numbers),
        names,
        case.get("coordinates"),
        case.get("aliases", {}),
        name,
    )


def _pypower_case(name: str) -> Mapping[str, Any]:
    try:
        return getattr(importlib.import_module(f"pypower.{name}"), name)()
    except (ImportError, AttributeError):
        if importlib.util.find_spec("pypower") is None:
            raise ModuleNotFoundError("cases by name are PYPOWER's: pip install PYPOWER") from None
        raise ValueError(f"PYPOWER has no case {name!r}") from None


def _known(numbers: np.ndarray, **tables: np.ndarray) -> None:
    """ValueError if a table names buses that are not in the table of buses."""
    for name, buses in tables.items():
        unknown = np.setdiff1d(buses, numbers)
        if len(unknown):
            raise ValueError(f"`{name}` names the bus {unknown[0]:g}, which is not in `bus`")


def _places(numbers: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Where in `numbers` each one of `of` is."""
    order = np.argsort(numbers)
    return order[np.searchsorted(numbers, of, sorter=order)]


def _buses_of_ppc(bus: np.ndarray, gen: np.ndarray, base: float) -> dict[str, np.ndarray]:
    """What is at the buses; generators of one bus add up, and a bus none of whose generators runs cannot hold |V|."""
    gen = gen[(gen[:, 7] > 0) & np.isin(gen[:, 0], bus[:, 0])]
    at, n = _places(bus[:, 0], gen[:, 0]), len(bus)

    def total(column: np.ndarray) -> np.ndarray:
        return np.bincount(at, column, n)

    def limit(column: np.ndarray) -> np.ndarray:
        values = np.where(abs(column) >= NO_LIMIT_MVAR, np.copysign(np.inf, column), column)
        return (total(values) - bus[:, 3]) / base

    kind = bus[:, 1].astype(int)
    v = bus[:, 7].copy()
    v[at] = gen[:, 5]
    return {
        "kind": np.where(np.isin(kind, (PV, SLACK)) & (np.bincount(at, minlength=n) == 0), PQ, kind),
        "p": (total(gen[:, 1]) - bus[:, 2]) / base,
        "q": (total(gen[:, 2]) - bus[:, 3]) / base,
        "v": v,
        "angle": np.deg2rad(bus[:, 8]),
        "g_shunt": bus[:, 4] / base,
        "b_shunt": bus[:, 5] / base,
        "q_min": limit(gen[:, 4]),
        "q_max": limit(gen[:, 3]),
        "base_kv": bus[:, 9],
    }


def _branches_of_ppc(
    case: Mapping[str, Any], running: np.ndarray, numbers: np.ndarray, base: float
) -> dict[str, np.ndarray]:
    branch = case["branch"][running]
    zero = np.zeros(len(branch))
    unusual = {field: np.asarray(case[key]).real[running] if key in case else zero for field, key in ASYMMETRY.items()}
    return {
        "start": _places(numbers, branch[:, 0]),
        "end": _places(numbers, branch[:, 1]),
        "r": branch[:, 2],
        "x": branch[:, 3],
        "b": branch[:, 4],
        "tap": np.where(branch[:, 8] == 0, 1.0, branch[:, 8]),
        "shift": np.deg2rad(branch[:, 9]),
        "rating": np.where(branch[:, 5] == 0, np.inf, branch[:, 5] / base),
        **unusual,
    }


def _between(ends: np.ndarray) -> np.ndarray:
    """Names of branches by the buses at both ends, with a number where there are several."""
    seen: Counter[str] = Counter()
    names = []
    for start, end in ends.tolist():
        name = f"{start}-{end}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return np.array(names, dtype=object)


def from_matpower(path: str | os.PathLike) -> Grid:
    """See `Grid.from_matpower`."""
    read = require("matpowercaseframes").CaseFrames
    path = Path(path)
    case: dict[str, Any] = {}
    with agreed(dnd.get_comm()):
        text = path.read_text()
        if not DEFINED.search(text):
            raise ValueError(
                f"{path.name} holds no MATPOWER case of version 2 (`function mpc = ...`): let MATPOWER write it, "
                "savecase('new.m', loadcase('old.m'))"
            )
        computed = COMPUTED.search(text)
        if computed:
            raise ValueError(
                f"{path.name} computes some of its tables ({computed.group().strip()!r}), and is read, not run: let "
                "MATPOWER write them, savecase('new.m', loadcase('old.m'))"
            )
        frames = read(str(path), update_index=False)
        case = {key: getattr(frames, key) for key in ("baseMVA", "bus", "gen", "branch") if hasattr(frames, key)}
    return from_ppc(case, path.stem)


def from_pandapower(net: Any, **options: Any) -> Grid:
    """See `Grid.from_pandapower`."""
    to_ppc = require("pandapower.converter.pypower").to_ppc
    net = copy.deepcopy(net)
    _as_injections(net)
    case = to_ppc(net, **{"init": "flat", "mode": "pf", **options})
    names, xy, aliases = _pandapower_buses(net, len(case["bus"]))
    case["branch"][:, 5] = np.nan_to_num(case["branch"][:, 5])  # whose current may be anything has no rating
    known = {"bus_names": names, "branch_names": _pandapower_branches(net), "coordinates": xy, "aliases": aliases}
    return from_ppc({**case, **known}, net.name or "")


def _as_injections(net: Any) -> None:
    """Write as generators and shunts what the converter to MATPOWER's tables would leave out, or change."""
    from pandapower import create_gen, create_shunt

    for table in ("svc", "tcsc", "ssc", "vsc", "vsc_stacked"):
        used = [i for i, running in net.get(table, net.bus[:0]).get("in_service", {}).items() if running]
        if used:
            raise ValueError(
                f"{table} {used[0]} is controlled; a grid has buses, branches, shunts and injections alone"
            )
    for line in net.dcline.itertuples():
        arriving = abs(line.p_mw) * (1 - line.loss_percent / 100) - line.loss_mw
        there, here = (arriving, -line.p_mw) if line.p_mw > 0 else (line.p_mw, arriving)
        for bus, p, v, end in (
            (line.to_bus, there, line.vm_to_pu, "to"),
            (line.from_bus, here, line.vm_from_pu, "from"),
        ):
            limits = {f"{m}_q_mvar": getattr(line, f"{m}_q_{end}_mvar") for m in ("min", "max")}
            create_gen(net, bus, p, v, in_service=line.in_service, **limits)
    for table in ("line", "trafo", "trafo3w"):  # in which, by this column, a planner wants no full loading
        net[table]["max_loading_percent"] = 100.0
    # The converter cuts off what static generators feed in at these limits, which are the optimal power flow's.
    net.sgen = net.sgen.drop(columns=["min_q_mvar", "max_q_mvar"], errors="ignore")
    loads = net.load[net.load.in_service.astype(bool)]
    for load in loads[(loads.const_i_p_percent != 0) | (loads.const_i_q_percent != 0)].itertuples():
        raise ValueError(f"load {load.Index} takes a constant current; a grid has constant powers and impedances alone")
    for load in loads[(loads.const_z_p_percent != 0) | (loads.const_z_q_percent != 0)].itertuples():
        part_p, part_q = load.const_z_p_percent / 100, load.const_z_q_percent / 100
        p, q = load.scaling * load.p_mw * part_p, load.scaling * load.q_mvar * part_q
        create_shunt(net, load.bus, p_mw=p, q_mvar=q, vn_kv=net.bus.vn_kv[load.bus])
        net.load.loc[load.Index, ["p_mw", "q_mvar"]] = load.p_mw * (1 - part_p), load.q_mvar * (1 - part_q)


def _pandapower_buses(net: Any, n: int) -> tuple[np.ndarray, np.ndarray | None, dict[int, int]]:
    """For each bus its index in the net, the first of those that switches join; where it is; for others the first."""
    lookup, extra = net._pd2ppc_lookups["bus"], net._pd2ppc_lookups["aux"]
    names = np.array([f"open end {k}" for k in range(n)], dtype=object)
    xy = np.full((n, 2), np.nan)
    for element, indices in extra.items():
        for i, row in zip(lookup[indices], net[element].index, strict=True):
            if 0 <= i < n:
                names[i] = f"{element} {row}"
    geo = net.bus.geo if "geo" in net.bus else {}
    for index in net.bus.index[::-1]:
        i = lookup[index]
        if 0 <= i < n and net.bus.in_service[index]:
            names[i] = index
            if isinstance(geo.get(index), str):
                xy[i] = json.loads(geo[index])["coordinates"][:2]
    if all(not isinstance(name, str) for name in names):
        names = names.astype(int)
    joined = {i: names[lookup[i]] for i in net.bus.index[net.bus.in_service.astype(bool)] if 0 <= lookup[i] < n}
    aliases = {int(i): int(first) for i, first in joined.items() if i != first}
    return names, xy if np.isfinite(xy).any() else None, aliases


def _pandapower_branches(net: Any) -> np.ndarray:
    """Names of the branches that the converter has kept: the kind of the element, and its index."""
    running = net._ppc["internal"]["branch_is"]
    names = np.empty(len(running), dtype=object)
    for element, (first, last) in net._pd2ppc_lookups["branch"].items():
        rows = net.switch.index[net._impedance_bb_switches] if element == "switch" else net[element].index
        ends = [" hv", " mv", " lv"] if element == "trafo3w" else [""]
        names[first:last] = [f"{element} {row}{end}" for end in ends for row in rows]
    return names[running]


DEFAULTS = (
    {"p": 0, "q": 0, "v": 1, "angle": 0, "g_shunt": 0, "b_shunt": 0, "q_min": -np.inf, "q_max": np.inf, "base_kv": 1},
    {"g": 0, "b": 0, "tap": 1, "shift": 0, "rating": np.inf, "dr": 0, "dx": 0, "dg": 0, "db": 0},
)
"""Of buses, and of branches, what need not be given."""

IN_MVA = {"p", "q", "q_min", "q_max", "rating"}


def from_arrays(kind: Any, start: Any, end: Any, r: Any, x: Any, base_mva: float = 100.0, **arrays: Any) -> Grid:
    """See `Grid.from_arrays`."""
    known = DEFAULTS[0].keys() | DEFAULTS[1].keys()
    of_grid = {key: arrays.pop(key) for key in ("bus_names", "branch_names", "coordinates", "name") if key in arrays}
    if arrays.keys() - known:
        raise TypeError(f"{sorted(arrays.keys() - known)} must be among {sorted(known | Grid.__annotations__.keys())}")

    def table(columns: dict[str, Any], numbers: dict[str, Any]) -> dict[str, DNDarray]:
        places = {key: exactly(value).astype("int64") for key, value in numbers.items()}
        zero = dnd.zeros_like(next(iter(places.values())), dtype="float64")
        values = {key: exactly(x) for key, x in columns.items()}
        for key, value in (places | values).items():
            if np.shape(value) not in ((), zero.shape):
                raise ValueError(f"`{key}` has shape {np.shape(value)}; it must be a number or of shape {zero.shape}")
        return places | {key: (zero + x) / (base_mva if key in IN_MVA else 1) for key, x in values.items()}

    buses, branches = ({key: arrays.get(key, value) for key, value in table.items()} for table in DEFAULTS)
    return Grid(
        Buses(**table(buses, {"kind": kind})),
        Branches(**table({"r": r, "x": x, **branches}, {"start": start, "end": end})),
        base_mva,
        **of_grid,
    )


def from_admittance(Y: Any, S: Any, ref: Any, pv: Any, pq: Any, V0: Any, base_mva: float = 1.0) -> Grid:
    """See `Grid.from_admittance`."""
    Y = scipy.sparse.coo_array(Y.to_scipy() if isinstance(Y, SparseArray) else Y)
    Y.sum_duplicates()
    n = Y.shape[0]
    kind = np.zeros(n, int)
    for number, buses in ((PQ, pq), (PV, pv), (SLACK, ref)):
        kind[np.asarray(buses, int)] = number
    above = Y.row < Y.col
    start, end, forth = Y.row[above], Y.col[above], Y.data[above]
    back = np.asarray(Y.tocsr()[end, start]).ravel()
    if len(forth) * 2 != np.count_nonzero(Y.row != Y.col) or (back * forth == 0).any():
        raise ValueError("`Y` must have an element (j, i) wherever it has (i, j): a branch joins both ends")
    # The shift for which both directions have one series admittance; of its two values, for a positive reactance.
    shift = np.angle(forth / back) / 2
    shift = np.where((-np.exp(1j * shift) / forth).imag > 0, shift, shift + np.pi)
    z, z_back = -np.exp(1j * shift) / forth, -np.exp(-1j * shift) / back
    rest = Y.diagonal()
    np.subtract.at(rest, start, 1 / z)
    np.subtract.at(rest, end, 1 / z_back)
    S, V0 = np.asarray(S) * base_mva, np.asarray(V0)
    return from_arrays(
        kind,
        start,
        end,
        z.real,
        z.imag,
        base_mva,
        p=S.real,
        q=S.imag,
        v=abs(V0),
        angle=np.angle(V0),
        shift=shift,
        dr=(z_back - z).real,
        dx=(z_back - z).imag,
        g_shunt=rest.real,
        b_shunt=rest.imag,
        branch_names=_between(np.stack([start, end], 1)),
    )
