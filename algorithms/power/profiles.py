"""Series of loads from text files."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

import numpy as np

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
        A CSV file with a header and a row for each step. Columns that bear names of buses have the factors of these;
        those of the others are 1. If none does, there is one column of factors of all buses. A first column of what is
        no number, such as the time, is left out.
    grid : Grid

    Returns
    -------
    DNDarray
        Of shape (steps,) or (buses, steps), dealt out by steps: each process reads its own.

    Communication: that of `dnd.io.csv.load`.
    """
    names = [str(name) for name in grid.bus_names.tolist()]
    with agreed(grid.comm):
        columns, places = _columns(path, names)
    factors = io.csv.load(path, usecols=columns, header=True, split=0, dtype=grid.buses.p.dtype, comm=grid.comm)
    if places is None:
        return factors[:, 0]
    everywhere = dnd.ones((factors.shape[0], len(names)), dtype=factors.dtype, split=0, comm=grid.comm)
    everywhere[:, places] = factors
    return everywhere.T


def _columns(path: str | os.PathLike[str], names: Sequence[str]) -> tuple[list[str], np.ndarray | None]:
    """The columns to read, and the numbers of the buses that they are of; None if it is all buses."""
    with open(path, newline="") as file:
        rows = csv.reader(file)
        header, first = next(rows, []), next(rows, [])
    if header and first and not _is_number(first[0]):
        header = header[1:]
    unknown = [column for column in header if column not in names]
    if not unknown and header:
        return header, np.array([names.index(column) for column in header])
    if len(header) == 1:
        return header, None
    what = f"columns {unknown[:3]} are of none" if unknown else "there are no columns of numbers"
    raise ValueError(f"{os.fspath(path)!r} must have columns named as buses, or one of factors for all; {what}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
