"""Files as xarray's datasets, whose variables are split arrays."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..communication import as_comm
from ..duck import to_xarray
from ..errors import agreed
from ..types import as_dtype
from ._files import PathLike, existing, naming
from ._optional import require
from ._parts import Request, Selection, Source, read

if TYPE_CHECKING:
    import xarray

__all__ = ["open_xarray"]


def open_xarray(
    path: PathLike,
    split: Hashable | Sequence[Hashable | None] | None = None,
    *,
    variables: str | Sequence[Hashable] | None = None,
    grid: Any = None,
    device: Any = None,
    comm: Any = None,
    **options: Any,
) -> xarray.Dataset:
    """Read a file as a Dataset whose variables are split arrays, with coordinates and attributes.

    Whatever xarray opens: NetCDF, Zarr, GRIB, ... Each process reads its own part of every variable; what attributes
    say of scales, offsets and missing values is done piece by piece. Coordinates, and variables of text and of time,
    are NumPy arrays, the same on every process.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    split : str or sequence of str or None, optional
        Name of the dimension that is dealt out, or one per axis of the grid. Variables that do not have it are
        replicated.
    variables : str or sequence of str, optional
        Which to read; by default all.
    grid, device, comm
        Where the arrays lie, as in `dnd.zeros`.
    **options
        To `xarray.open_dataset`: `engine`, `group`, `decode_times`, `drop_variables`, ...

    Returns
    -------
    xarray.Dataset
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file.
    KeyError, ValueError
        If there is no such variable, or no such dimension.

    Examples
    --------
    >>> climate = dnd.io.open_xarray("climate.nc", split="time")  # doctest: +SKIP
    >>> climate["t2m"].mean("time")  # doctest: +SKIP
    """
    comm = as_comm(comm)
    with agreed(comm), naming("read", path):
        xr = require("xarray")
        file = existing(path, folder=Path(path).is_dir())
        with xr.open_dataset(file, **{**_engine(file), **options}) as dataset:
            named = [variables] if isinstance(variables, str) else variables
            wanted = list(dataset.data_vars if named is None else named)
            missing = [name for name in wanted if name not in dataset.data_vars]
            if missing:
                raise KeyError(f"no variable {missing[0]!r} in {path}, which has {list(dataset.data_vars)}")
            dealt = tuple(split) if isinstance(split, tuple | list) else (split,)
            unknown = [name for name in dealt if name is not None and name not in dataset.sizes]
            if unknown:
                raise ValueError(
                    f"`split` (={split!r}) must name dimensions of {path}, which has {dict(dataset.sizes)}"
                )
            where = (dealt if isinstance(split, tuple | list) else split, grid, device)
            found = {name: _read(dataset[name].variable, str(name), where, comm) for name in wanted}
            coordinates = {name: c.variable.load() for name, c in dataset.coords.items()}
            return xr.Dataset(found, coordinates, dataset.attrs)


def _engine(path: Path) -> dict[str, Any]:
    """How xarray shall open a file that it would not, or not without writing beside it."""
    if path.suffix in (".grib", ".grb", ".grib2", ".grb2"):
        return {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}
    return {"engine": "zarr", "consolidated": None} if path.suffix == ".zarr" else {}


def _read(variable: Any, name: str, where: tuple[Any, Any, Any], comm: Any) -> Any:
    """A variable whose elements are read; local."""
    if variable.dtype.kind not in "fiubc":
        return variable.load()
    split, grid, device = where

    def axis_of(dimension: Hashable) -> int | None:
        return variable.dims.index(dimension) if dimension in variable.dims else None

    axes = tuple(map(axis_of, split)) if isinstance(split, tuple) else axis_of(split)

    def read_into(selection: Selection, target: np.ndarray) -> None:
        target[...] = variable[selection].values

    dtype = as_dtype(variable.dtype.newbyteorder("="))
    x = read(Source(name, variable.shape, dtype, read_into), Request(None, axes, grid, device), comm)
    result = to_xarray(x, dims=variable.dims, attrs=variable.attrs).variable
    result.encoding = variable.encoding
    return result
