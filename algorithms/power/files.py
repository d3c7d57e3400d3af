"""Solutions and their grids in HDF5 and NetCDF files, by `dnd.io`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.communication import as_comm

from ... import io
from .grid import Branches, Buses, Grid

if TYPE_CHECKING:
    from .solution import Solution

__all__ = ["FORMATS", "PathLike", "check", "load", "save"]

PathLike = str | os.PathLike[str]

FORMATS: dict[str, ModuleType] = {".h5": io.hdf5, ".hdf5": io.hdf5, ".nc": io.netcdf, ".nc4": io.netcdf}
TABLES: dict[str, Any] = {"buses": Buses, "branches": Branches}
NUMBERS = ("kind", "start", "end")
"""Columns of tables that are integers."""
KIND = "dndarray power flow 1"


def save(solution: Solution, path: PathLike) -> None:
    form, arrays = check(path), dict(_arrays(solution))
    options = {"dimensions": {name: DIMENSIONS.get(name, ("case",))[: x.ndim] for name, x in arrays.items()}}
    form.save_all(arrays, path, **(options if form is io.netcdf else {}))


def _arrays(solution: Solution) -> Iterator[tuple[str, DNDarray]]:
    grid = solution.grid
    about = {
        "kind": KIND,
        "name": grid.name,
        "base_mva": grid.base_mva,
        "bus_names": grid.bus_names.tolist(),
        "branch_names": grid.branch_names.tolist(),
        "coordinates": grid.coordinates is not None,
        "aliases": list(grid.aliases.items()),
        "method": solution.method,
        "history": solution.history,
        "found": list(solution.found),
    }
    yield "about", dnd.array(np.frombuffer(json.dumps(about).encode(), "uint8").copy(), comm=solution.v.comm)
    for table in (grid.buses, grid.branches):
        columns = [getattr(table, f.name).detach().astype(grid.buses.v.dtype) for f in fields(table)]
        yield type(table).__name__.lower(), dnd.stack(columns, 0)
    if grid.coordinates is not None:
        yield "coordinates", dnd.array(grid.coordinates, comm=solution.v.comm)
    yield from ((name, x.detach()) for name, x in solution.found.items())


DIMENSIONS = {
    "about": ("byte",),
    "buses": ("bus_column", "bus"),
    "branches": ("branch_column", "branch"),
    "coordinates": ("bus", "xy"),
    "outages": ("outage", "case"),
    "v": ("bus", "case"),
    "angle": ("bus", "case"),
}
"""What NetCDF calls the axes of arrays; all others have one for cases."""


def load(path: PathLike, split: int | None, comm: Any) -> dict[str, Any]:
    """What a `Solution` is made of."""
    form, comm = check(path), as_comm(comm)
    try:
        about = json.loads(form.load(path, "about", comm=comm).numpy().tobytes())
    except (KeyError, json.JSONDecodeError):
        about = {}
    if about.get("kind") != KIND:
        raise ValueError(f"{os.fspath(path)!r} holds no solution of a power flow ({KIND})")

    def read(name: str, split: int | None) -> DNDarray:
        return form.load(path, name, split=split, comm=comm)

    tables: dict[str, Any] = {}
    for name, kind in TABLES.items():
        table = read(name, 1 if split == 0 else None)
        columns = {f.name: table[i] for i, f in enumerate(fields(kind))}
        tables[name] = kind(**{key: x.astype(dnd.int64) if key in NUMBERS else x for key, x in columns.items()})
    bus_names, branch_names = (_names(about[key]) for key in ("bus_names", "branch_names"))
    xy = read("coordinates", None).numpy() if about["coordinates"] else None
    base = float(about["base_mva"])
    aliases = dict(about.get("aliases", ()))
    grid = Grid(tables["buses"], tables["branches"], base, bus_names, branch_names, xy, aliases, about["name"])
    dealt = {"v": split, "angle": split, "outages": split or None}
    found = {name: read(name, dealt.get(name, 0 if split == 1 else None)) for name in about["found"]}
    return {"grid": grid, **found, "history": about["history"], "method": about["method"]}


def _names(values: list[Any]) -> np.ndarray:
    return np.array(values, dtype=object if any(isinstance(x, str) for x in values) else None)


def check(path: PathLike) -> ModuleType:
    """What reads and writes files of this name."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"`path` (={os.fspath(path)!r}) must end in one of {', '.join(FORMATS)}")
    return FORMATS[suffix]
