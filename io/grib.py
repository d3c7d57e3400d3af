"""GRIB, the weather services' format, by cfgrib and eccodes: each process unpacks the messages of its own part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..array import DNDarray
from ..types import as_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._optional import require
from ._parts import Selection, Source, load_part

__all__ = ["inspect", "load", "open_source", "save"]


def load(path: PathLike, variable: str | None = None, *, filter_by_keys: dict | None = None, **place: Any) -> DNDarray:
    """Read a variable of a GRIB file; each process unpacks the messages of its own part.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    variable : str, optional
        Name of the variable, as cfgrib gives it. May be left out where the file has one only.
    filter_by_keys : dict, optional
        Which messages to take, by eccodes' keys, where the file's do not make one set of axes:
        `{"typeOfLevel": "surface"}`.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Of the axes that cfgrib finds, such as time, level, latitude, longitude; float32, missing values NaN.
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file.
    KeyError
        If there is no such variable; the message lists those that there are.

    Notes
    -----
    Every process reads the heads of all messages; no index is written beside the file.
    """
    return load_part(open_source(path, variable, filter_by_keys=filter_by_keys), path, **place)


@contextmanager
def open_source(path: PathLike, variable: str | None = None, *, filter_by_keys: dict | None = None) -> Iterator[Source]:
    """The variable, open to be read by this process; local."""
    dataset = _dataset(path, filter_by_keys)
    found = [name for name, v in dataset.variables.items() if v.dimensions and v.dimensions != (name,)]
    data = [name for name in found if name not in ("latitude", "longitude", "valid_time")]
    if variable is None and len(data) != 1:
        raise ValueError(f"`variable` must say which, for {path} has {data or 'none'}")
    if variable is not None and variable not in dataset.variables:
        raise KeyError(f"no variable {variable!r} in {path}, which has {list(dataset.variables)}")
    stored = dataset.variables[variable or data[0]].data
    title = f"variable {variable or data[0]!r} in {path}"
    shape = tuple(stored.shape)

    def read_into(selection: Selection, target: np.ndarray) -> None:
        target[...] = np.asarray(stored[selection])

    # The last two axes, or the last of a grid that is no rectangle, are those of one message.
    inner = getattr(stored, "geo_ndim", len(shape))
    chunks = tuple(1 if axis < len(shape) - inner else n for axis, n in enumerate(shape))
    yield Source(title, shape, as_dtype(np.dtype(stored.dtype)), read_into, chunks)


def _dataset(path: PathLike, filter_by_keys: dict | None) -> Any:
    cfgrib = require("cfgrib")
    with naming("read", path):
        try:
            return cfgrib.open_file(os.fspath(existing(path)), indexpath="", filter_by_keys=filter_by_keys or {})
        except (EOFError, ValueError) as error:
            raise OSError(f"{path} is no whole GRIB file: {error}") from error


def inspect(path: PathLike, *, filter_by_keys: dict | None = None) -> Contents:
    """What variables the file holds, coordinates included; local."""
    dataset = _dataset(path, filter_by_keys)
    entries = [
        Entry(
            name,
            tuple(np.shape(v.data)),
            str(v.data.dtype if hasattr(v.data, "dtype") else np.asarray(v.data).dtype),
            None,
            None,
            {"dimensions": v.dimensions, **v.attributes},
        )
        for name, v in dataset.variables.items()
    ]
    return Contents(path, entries, dataset.attributes)


def save(x: Any, path: PathLike, *args: Any, **options: Any) -> None:
    """GRIB files are not written: their numbers are rounded by tables of the weather services."""
    raise ValueError(f"GRIB files ({path}) are read only; save as NetCDF")
