"""Series of loads from text files."""

from __future__ import annotations

import os

import dndarray as dnd
from dndarray import DNDarray
from dndarray.errors import agreed

from ... import io
from .grid import Grid

__all__ = ["read_profile"]


def read_profile(path: str | os.PathLike[str], grid: Grid) -> DNDarray:
    """Factors of what is fed in at each bus in each step, for `series(grid, scale=...)`.

    Parameters
    ----------
    path : path-like
        A CSV file, packed (`.gz`) or not, with a header and a row for each step. Columns that bear names of buses have
        the factors of these; those of the others are 1. If none does, there is one column of factors of all buses. A
        first column of what is no number, such as the time, is left out.
    grid : Grid

    Returns
    -------
    DNDarray
        Of shape (steps,) or (buses, steps), dealt out by steps: each process reads its own.

    Communication: that of `dnd.io.csv.load`, twice.
    """
    names = {str(name): name for name in (*grid.bus_names.tolist(), *grid.aliases)}
    header: list[str] = []
    with agreed(grid.comm):
        header = [column.name for column in io.csv.inspect(path, header=True)]
    if header and header[0] not in names and not _has_numbers(path, header[0], grid):
        header = header[1:]
    unknown = [column for column in header if column not in names]
    for_all = len(header) == len(unknown) == 1
    if not header or (unknown and not for_all):
        what = f"columns {unknown[:3]} are of none" if unknown else "there are no columns of numbers"
        raise ValueError(f"{os.fspath(path)!r} must have columns named as buses, or one of factors for all; {what}")
    factors = io.csv.load(path, usecols=header, header=True, split=0, dtype=grid.buses.p.dtype, comm=grid.comm)
    if for_all:
        return factors[:, 0]
    everywhere = dnd.ones((factors.shape[0], len(grid.buses)), dtype=factors.dtype, split=0, comm=grid.comm)
    everywhere[:, grid.places([names[column] for column in header], repr(os.fspath(path)))] = factors
    return everywhere.T


def _has_numbers(path: str | os.PathLike[str], column: str, grid: Grid) -> bool:
    """Whether a column begins with a number."""
    try:
        io.csv.load(path, column, header=True, slices=slice(0, 1), comm=grid.comm)
    except ValueError:
        return False
    return True
