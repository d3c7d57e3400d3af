"""NetCDF files: each process reads and writes its own part of a variable.

Read are all formats that the netCDF library knows, written is NetCDF-4. NetCDF has neither complex numbers
nor half precision, and no truth values; the last are stored as xarray does, as int8 with an attribute
`dtype = "bool"`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..elementwise import as_operand
from ..layout import Split
from ..replacement import replacing
from ..types import as_dtype, numpy_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._optional import require
from ._parts import Selection, Source, as_file_dtype, check_mode, load_part, write_in_turn, write_together

__all__ = ["inspect", "load", "open_source", "save"]


_LIBRARY = threading.RLock()
"""The C library serves one thread at a time, and its Python interface lets others run meanwhile (see `stream`)."""


def load(
    path: PathLike,
    variable: str | None = None,
    *,
    dtype: Any = None,
    split: Split = None,
    grid: Any = None,
    device: Any = None,
    comm: Any = None,
    slices: Any = None,
    mask_and_scale: bool = True,
) -> DNDarray:
    """Read a variable of a NetCDF file; each process opens the file and reads its own part only.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    variable : str, optional
        Name of the variable, with groups as in `"group/name"`. May be left out where the file has one only,
        beside the coordinates (variables of the name of a dimension).
    dtype : optional
        Type of the array; by default the variable's own, or what its values have when they are unpacked.
    split, grid, device, comm
        Where the array lies, as in `dnd.zeros`.
    slices : slice or tuple of slice, optional
        The part of the variable to read, as one would index it. Steps must be positive.
    mask_and_scale : bool
        Whether to give values as they are meant: packed ones (`scale_factor`, `add_offset`, `_Unsigned`)
        unpacked, and missing ones (`_FillValue`, `missing_value`, outside of `valid_range`, never written)
        as NaN. An array of integers has no NaN: there, missing values stay what the file has in their
        place; ask for a floating `dtype` to have them as NaN. With False, values come as they are stored.

    Returns
    -------
    DNDarray
        Of the variable's shape, or that of the chosen part. Communication: one small collective, to agree
        that all went well.

    Raises
    ------
    FileNotFoundError, OSError
        On all processes, if one of them cannot read the file.
    KeyError
        If there is no such variable; the message lists those that there are.
    TypeError
        If the variable holds what arrays cannot: text, compounds.
    ValueError
        If `split`, `grid`, `slices` or a missing `variable` do not fit the file.

    Examples
    --------
    >>> t = dnd.io.netcdf.load("climate.nc", "t2m", split=0)  # doctest: +SKIP
    """
    place = {"dtype": dtype, "split": split, "grid": grid, "device": device, "comm": comm, "slices": slices}
    return load_part(open_source(path, variable, mask_and_scale=mask_and_scale, dtype=dtype), path, **place)


@contextmanager
def open_source(
    path: PathLike, variable: str | None = None, *, mask_and_scale: bool = True, dtype: Any = None
) -> Iterator[Source]:
    """The variable, open to be read by this process; local. `dtype` is what it will be converted to."""
    with ExitStack() as stack:
        with _LIBRARY:
            file = require("netCDF4").Dataset(existing(path), "r")
            stack.callback(_close, file)
            found = _find(file, variable)
            name = f"variable {found.name!r} in {path}"
            found.set_auto_scale(mask_and_scale)
            found.set_auto_mask(mask_and_scale and _may_miss(found))
            stored = torch.bool if mask_and_scale and _is_bool(found) else _type_as_read(found, dtype, name)
            source = Source(name, found.shape, stored, _reader(found), _chunks(found))
        yield source


def _close(file: Any) -> None:
    with _LIBRARY:
        file.close()


def inspect(path: PathLike) -> Contents:
    """What variables the file holds; local."""
    with naming("read", path), _LIBRARY, require("netCDF4").Dataset(existing(path), "r") as file:
        return Contents(path, [_entry(*named) for named in _variables(file)], _attributes(file))


def _entry(name: str, variable: Any) -> Entry:
    chunks = _chunks(variable)
    filters = variable.filters() or {}
    packed = [key for key, value in filters.items() if value and key not in ("shuffle", "complevel", "fletcher32")]
    attributes = {"dimensions": variable.dimensions, **_attributes(variable)}
    dtype = str(getattr(variable.dtype, "__name__", variable.dtype))
    return Entry(
        name, variable.shape, dtype, None if chunks is None else tuple(chunks), ", ".join(packed) or None, attributes
    )


def _attributes(item: Any) -> dict[str, Any]:
    values = {name: item.getncattr(name) for name in item.ncattrs()}
    return {name: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for name, v in values.items()}


def _find(file: Any, name: str | None) -> Any:
    found = dict(_variables(file))
    if name is None:
        data = [key for key, variable in found.items() if variable.dimensions != (variable.name,)]
        if len(data) != 1:
            raise ValueError(f"`variable` must say which, for {file.filepath()} has {list(found) or 'none'}")
        name = data[0]
    if name not in found:
        raise KeyError(f"no variable {name!r} in {file.filepath()}, which has {list(found)}")
    return found[name]


def _variables(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All variables with their full names, those of nested groups included."""
    yield from ((path + name, variable) for name, variable in group.variables.items())
    for name, inner in group.groups.items():
        yield from _variables(inner, f"{path}{name}/")


def _type_as_read(variable: Any, wanted: Any, name: str) -> torch.dtype:
    """The type in which to read: that of unpacked values, or floating for integers that shall have NaN."""
    if not isinstance(variable.datatype, np.dtype | require("netCDF4").EnumType):
        raise TypeError(f"{name} holds {variable.datatype}, which no array type corresponds to")
    nothing = variable[(slice(0, 0),) * variable.ndim] if variable.ndim else variable[...]
    stored = as_file_dtype(np.asarray(nothing).dtype, name)
    to_float = wanted is not None and as_dtype(wanted).is_floating_point
    return torch.float64 if to_float and not stored.is_floating_point else stored


def _may_miss(variable: Any) -> bool:
    """Whether some value means "none here"; in variables that we write, all values are values."""
    marks = {"_FillValue", "missing_value", "valid_range", "valid_min", "valid_max"}
    return variable.get_fill_value() is not None or not marks.isdisjoint(variable.ncattrs())


def _is_bool(variable: Any) -> bool:
    return "dtype" in variable.ncattrs() and variable.getncattr("dtype") == "bool"


def _reader(variable: Any) -> Callable[[Selection, np.ndarray], None]:
    def read_into(selection: Selection, target: np.ndarray) -> None:
        with _LIBRARY:
            values = variable[selection] if selection else variable[...]
        if np.ma.is_masked(values) and target.dtype.kind == "f":
            values = values.astype(target.dtype).filled(np.nan)
        target[...] = np.ma.getdata(values)

    return read_into


def _chunks(variable: Any) -> Sequence[int] | None:
    chunks = variable.chunking()
    return chunks if isinstance(chunks, list | tuple) else None  # "contiguous", or None in the older formats


def save(
    x: Any,
    path: PathLike,
    variable: str = "data",
    *,
    mode: str = "w",
    dimensions: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Write an array to a NetCDF-4 file, in any layout; each process writes its own part.

    The file appears, or changes, when it is complete; whatever goes wrong, an old one stays whole. Where
    netCDF4 is built for MPI all processes write at once (but for compressed variables), otherwise one after
    another, each in pieces of bounded size. Of processes that hold the same elements one writes.

    Parameters
    ----------
    x : DNDarray or array_like
        The array. An axis of length 0 becomes an unlimited dimension, for NetCDF has no other of that length.
    path : path-like
        The file, in a folder that every process can see.
    variable : str
        Name of the variable; `"group/name"` makes the group.
    mode : {"w", "x", "a"}
        "w": the file will hold this variable alone. "x": the same, but not if there is such a file already.
        "a": whatever else it holds stays. A variable of this
        name must then have the same shape and type, for NetCDF can remove none. The file is copied for
        that.
    dimensions : sequence of str, optional
        Names of the axes, `dim_0`, `dim_1`, ... by default. Those that the file has already are shared.
    **options
        To netCDF4's `createVariable`: `compression`, `chunksizes`, `least_significant_digit`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For complex numbers, half precision and bfloat16, which NetCDF files do not have.
    ValueError
        If a dimension or variable of the file has another length, shape or type.

    Notes
    -----
    Communication: a few small collectives, and without MPI in netCDF4 one message per process; no elements.

    Examples
    --------
    >>> dims = ("time", "lat", "lon")
    >>> dnd.io.netcdf.save(x, "run.nc", "t2m", dimensions=dims, compression="zlib")  # doctest: +SKIP
    """
    x = as_operand(x)
    check_mode(mode)
    dtype = _stored_type(x.dtype)
    names = [f"dim_{axis}" for axis in range(x.ndim)] if dimensions is None else list(dimensions)
    if len(names) != x.ndim or len(set(names)) != len(names):
        raise ValueError(f"`dimensions` (={dimensions}) must be {x.ndim} different names, one per axis of {x.shape}")
    stored = x if x.dtype is not torch.bool else DNDarray(x.larray.view(torch.int8), x.layout, x.comm)
    with replacing(path, x.comm, keep=mode == "a", new=mode == "x") as temporary:

        def create() -> None:
            how = "r+" if temporary.exists() else "w"
            with naming("write", path), _LIBRARY, require("netCDF4").Dataset(temporary, how) as file:
                _check_room(file, variable, x)
                for dimension, n in zip(names, x.shape, strict=True):
                    _share_dimension(file, dimension, n)
                if variable not in dict(_variables(file)):
                    # Without a fill value the library does not write every element twice, and does not take
                    # one of ours for missing when it reads.
                    file.createVariable(variable, dtype, names, **{"fill_value": False, **options})
                if x.dtype is torch.bool:
                    file[variable].setncattr("dtype", "bool")

        @contextmanager
        def opened(**how: Any) -> Iterator[tuple[Any, Any]]:
            with naming("write", path), _LIBRARY, require("netCDF4").Dataset(temporary, "r+", **how) as file:
                target = file[variable]
                target.set_auto_maskandscale(False)
                yield target, _chunks(target)

        if x.comm.size > 1 and not options and _is_parallel():
            write_together(stored, create, lambda: opened(parallel=True, comm=x.comm.handle))
        else:
            write_in_turn(stored, temporary, create, opened)


def _stored_type(dtype: torch.dtype) -> np.dtype:
    if dtype.is_complex:
        raise TypeError(f"NetCDF has no {dtype}; save the real and the imaginary part, or an HDF5 file")
    if dtype is torch.bool:
        return np.dtype("int8")
    if dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"NetCDF has no {dtype}; convert first, for example with astype('float32')")
    return numpy_dtype(dtype)


def _check_room(file: Any, name: str, x: DNDarray) -> None:
    """Whether a variable that the file has already can take the elements of `x`."""
    found = dict(_variables(file)).get(name)
    if found is None:
        return
    same = found.shape == x.shape and found.dtype == _stored_type(x.dtype)
    packed = not {"scale_factor", "add_offset"}.isdisjoint(found.ncattrs())
    if not same or packed or _is_bool(found) != (x.dtype is torch.bool):
        raise ValueError(
            f"variable {name!r} of the file, of shape {found.shape} and type {found.dtype}, cannot take an "
            f"array of shape {x.shape} and {x.dtype}, and NetCDF cannot remove it; use another name, or mode='w'"
        )


def _share_dimension(file: Any, name: str, n: int) -> None:
    if name not in file.dimensions:
        file.createDimension(name, n)
    elif len(file.dimensions[name]) != n:
        raise ValueError(
            f"dimension {name!r} has length {len(file.dimensions[name])} in the file, but {n} in the array; "
            "name the axes otherwise with `dimensions`"
        )


def _is_parallel() -> bool:
    try:
        return bool(require("netCDF4").__has_parallel4_support__)
    except ImportError:
        return False  # said by the process that makes the file
