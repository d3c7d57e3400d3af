"""Which module reads and writes which file."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ..communication import Communicator
from ..errors import agreed
from . import csv, files, grib, hdf5, images, mat, matrix_market, netcdf, npy, npz, parquet, raw, zarr
from ._contents import Contents
from ._files import PathLike
from ._parts import Source

__all__ = ["FORMATS", "format_of", "inspect", "is_many", "one_name", "paths_of", "prepared"]

FORMATS: dict[str, ModuleType] = {
    ".h5": hdf5,
    ".hdf5": hdf5,
    ".nc": netcdf,
    ".nc4": netcdf,
    ".npy": npy,
    ".npz": npz,
    ".bin": raw,
    ".raw": raw,
    ".zarr": zarr,
    ".parquet": parquet,
    ".pq": parquet,
    ".arrow": parquet,
    ".feather": parquet,
    ".mat": mat,
    ".mtx": matrix_market,
    ".grib": grib,
    ".grb": grib,
    ".grib2": grib,
    ".grb2": grib,
    ".png": images,
    ".jpg": images,
    ".jpeg": images,
    ".tif": images,
    ".tiff": images,
    ".gif": images,
    ".bmp": images,
    ".csv": csv,
    ".csv.gz": csv,
    ".csv.bz2": csv,
    ".csv.xz": csv,
    ".tsv": csv,
    ".tsv.gz": csv,
    ".txt": csv,
    ".txt.gz": csv,
}
"""Suffix -> module, which has a `load(path, name, **options)`, a `save(x, path, name, **options)` and an
`open_source(path, name, **options)`, and imports the library that it stands on when these are called."""


def format_of(path: PathLike) -> ModuleType:
    """The module for a file of this name."""
    for suffix in _suffixes(Path(path)):
        if suffix in FORMATS:
            return FORMATS[suffix]
    raise ValueError(f"`path` (={str(path)!r}) must end in one of {', '.join(FORMATS)}")


def _suffixes(path: Path) -> Iterator[str]:
    """What the name may end in: of `x.csv.gz` the two suffixes together, then the last."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    yield "".join(suffixes[-2:])
    yield "".join(suffixes[-1:])


def is_file(path: Path) -> bool:
    """Whether this is the name of a file of some format (which may be a folder)."""
    return any(suffix in FORMATS for suffix in _suffixes(path))


def is_many(path: Any) -> bool:
    """Whether a pattern, a folder or a sequence of paths is given; by the name alone."""
    return files.is_many(path, is_file)


def paths_of(path: Any) -> list[Path]:
    """The files that a pattern, a folder or a sequence of paths means."""
    is_path = isinstance(path, str | os.PathLike)
    if is_path and not glob.has_magic(str(path)) and not Path(path).is_dir():
        format_of(path)  # says which names there are
    return files.paths_of(path, is_file)


def inspect(path: PathLike, **options: Any) -> Contents:
    """What is in a file, without reading it: a table of names, shapes, types, chunks, packing and attributes.

    Parameters
    ----------
    path : path-like
        The file, whose suffix says what it is, as for `load`.
    **options
        To the format's own function: those of `load` that say how the file is written.

    Returns
    -------
    Contents
        A sequence of entries, which prints as a table; `to_pandas()` makes a DataFrame of it. Local, without
        communication: `if rank == 0: print(dnd.io.inspect(path))` is safe.

    Examples
    --------
    >>> dnd.io.inspect("climate.nc")["t2m"].shape  # doctest: +SKIP
    (744, 721, 1440)
    """
    return format_of(path).inspect(path, **options)


def opener(path: PathLike, name: str | None = None, **options: Any) -> AbstractContextManager[Source]:
    """An array in one file, open to be read by this process; local."""
    module = format_of(path)
    return module.open_source(path, *(() if name is None else (name,)), **options)


def prepared(
    path: Any, name: str | None = None, *, comm: Communicator, **options: Any
) -> Callable[[], AbstractContextManager[Source]]:
    """How to open an array in a file, or in many as one, by what all processes find out together.

    Communication: none, two small collectives for text, four for many files.
    """
    if is_many(path):
        with agreed(comm):
            paths = paths_of(path)
        return files.prepared(comm.broadcast_object(paths), opener, name, comm=comm, **options)
    module = format_of(path)
    if module is csv:
        return csv.prepared(path, name, comm=comm, **options)
    return partial(opener, path, name, **options)


def one_name(dataset: str | None, variable: str | None) -> str | None:
    """The name of the array in the file, by either word."""
    if dataset is not None and variable is not None:
        raise ValueError(f"`dataset` (={dataset!r}) and `variable` (={variable!r}) mean the same; give one")
    return variable if dataset is None else dataset
