"""Files in and out, in parallel.

`load` and `save` go by the file's name:

    x = dnd.io.load("run.h5", "fields/pressure", split=0)
    dnd.io.save(x.mean(axis=0), "mean.nc", dimensions=("lat", "lon"))

Each format is a module with a `load` and a `save` of its own, whose docstrings say what else they take.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from ..array import DNDarray
from ..layout import Split
from . import hdf5, netcdf
from ._files import PathLike

__all__ = ["hdf5", "load", "netcdf", "save"]

_FORMATS: dict[str, ModuleType] = {
    ".h5": hdf5,
    ".hdf5": hdf5,
    ".nc": netcdf,
    ".nc4": netcdf,
}
"""Suffix -> module, which has a `load(path, name, **options)` and a `save(x, path, name, **options)`, and imports the
library that it stands on when these are called."""


def load(
    path: PathLike,
    dataset: str | None = None,
    *,
    variable: str | None = None,
    dtype: Any = None,
    split: Split = None,
    grid: Any = None,
    device: Any = None,
    comm: Any = None,
    **options: Any,
) -> DNDarray:
    """Read an array from a file; each process reads its own part only, in any layout.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see. Its suffix says what it is: `.h5` and `.hdf5`
        HDF5, `.nc` and `.nc4` NetCDF.
    dataset, variable : str, optional
        Name of the array in the file, by HDF5's word or NetCDF's: give one, or neither where there is but
        one array.
    dtype : optional
        Type of the array; by default the file's own.
    split, grid, device, comm
        Where the array lies, as in `dnd.zeros`.
    **options
        To the format's own function, such as `dnd.io.hdf5.load`: `slices`, ...

    Returns
    -------
    DNDarray
        Communication: one small collective, to agree that all went well.

    Raises
    ------
    ValueError
        If the suffix is not known, or what is asked for does not fit the file.
    KeyError
        If the file has no array of this name; the message lists those that it has.
    OSError
        On all processes, if one of them cannot read the file.

    Examples
    --------
    >>> x = dnd.io.load("climate.nc", variable="t2m", split=0)  # doctest: +SKIP
    """
    place = {"split": split, "grid": grid, "device": device, "comm": comm}
    return _format(path).load(path, _one_name(dataset, variable), dtype=dtype, **place, **options)


def save(x: Any, path: PathLike, dataset: str | None = None, *, variable: str | None = None, **options: Any) -> None:
    """Write an array to a file; each process writes its own part, and nothing is gathered.

    The file appears, or changes, when it is complete; whatever goes wrong, an old one stays whole.

    Parameters
    ----------
    x : DNDarray or array_like
        The array, in any layout.
    path : path-like
        The file, in a folder that every process can see. Its suffix says what it will be, as in `load`.
    dataset, variable : str, optional
        Name of the array in the file, "data" by default.
    **options
        To the format's own function, such as `dnd.io.hdf5.save`: `mode="a"` keeps what else the file holds,
        ...

    Raises
    ------
    ValueError
        If the suffix is not known.
    TypeError
        If the format has no such type.
    OSError
        On all processes, if one of them cannot write.

    Examples
    --------
    >>> dnd.io.save(x, "run.h5", "fields/pressure", mode="a")  # doctest: +SKIP
    """
    name = _one_name(dataset, variable)
    _format(path).save(x, path, "data" if name is None else name, **options)


def _format(path: PathLike) -> ModuleType:
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"`path` (={str(path)!r}) must end in one of {', '.join(_FORMATS)}")
    return _FORMATS[suffix]


def _one_name(dataset: str | None, variable: str | None) -> str | None:
    if dataset is not None and variable is not None:
        raise ValueError(f"`dataset` (={dataset!r}) and `variable` (={variable!r}) mean the same; give one")
    return variable if dataset is None else dataset
