"""Files in and out, in parallel.

`load` and `save` go by the file's name:

    x = dnd.io.load("run.h5", "fields/pressure", split=0)
    dnd.io.save(x.mean(axis=0), "mean.nc", dimensions=("lat", "lon"))

Each format is a module with a `load` and a `save` of its own, whose docstrings say what else they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array import DNDarray
from ..communication import as_comm
from ..layout import Split
from . import (
    checkpoint,
    csv,
    grib,
    hdf5,
    images,
    mat,
    matrix_market,
    netcdf,
    npy,
    npz,
    parquet,
    raw,
    zarr,
)
from ._files import PathLike
from ._formats import format_of, inspect, is_many, one_name, prepared
from ._parts import load_part
from .dataset import open_xarray
from .streaming import save_batches, stream

__all__ = [
    "checkpoint",
    "csv",
    "grib",
    "hdf5",
    "images",
    "inspect",
    "load",
    "mat",
    "matrix_market",
    "netcdf",
    "npy",
    "npz",
    "open_xarray",
    "parquet",
    "raw",
    "save",
    "save_batches",
    "stream",
    "zarr",
]


def load(
    path: PathLike | Sequence[PathLike],
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
    path : path-like, or sequence of path-like
        The file, which every process must be able to see. Its suffix says what it is: `.h5`, `.hdf5`, `.nc`,
        `.nc4`, `.zarr`, `.npy`, `.npz`, `.csv` (`.csv.gz`, ...), `.tsv`, `.txt`, `.parquet`, `.arrow`, `.feather`,
        `.mat`, `.mtx`, `.grib`, `.raw`, `.bin`, `.png`, `.jpg`, `.tif`, ... Many files, as a pattern
        (`"run_*.h5"`), a folder or a sequence, are one array, in the order of the numbers in their names.
    dataset, variable : str, optional
        Name of the array in the file, by HDF5's word or NetCDF's: give one, or neither where there is but
        one array.
    dtype : optional
        Type of the array; by default the file's own.
    split, grid, device, comm
        Where the array lies, as in `dnd.zeros`.
    **options
        `slices`, a slice or a tuple of them: the part to read, as one would index it, with positive steps. Of many
        files `axis` (0): the axis along which they lie one behind the other; with `stack=True` a new one. The rest
        goes to the format's own function, such as `dnd.io.hdf5.load`.

    Returns
    -------
    DNDarray
        Communication: one small collective, to agree that all went well; four where files are many, or text.

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
    >>> x = dnd.io.load("run_*.h5", "x", axis=0, split=0)  # doctest: +SKIP
    """
    place = {"dtype": dtype, "split": split, "grid": grid, "device": device, "comm": comm}
    name = one_name(dataset, variable)
    if is_many(path):
        place |= {"comm": as_comm(comm), "slices": options.pop("slices", None)}
        return load_part(prepared(path, name, comm=place["comm"], **options)(), str(path), **place)
    return format_of(path).load(path, name, **place, **options)  # type: ignore[arg-type]


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
    name = one_name(dataset, variable)
    format_of(path).save(x, path, *(() if name is None else (name,)), **options)
