"""NetCDF files: each process reads and writes its own part of a variable.

All formats that the netCDF library knows are read and written. NetCDF has neither complex numbers nor half precision,
and no truth values; the last are stored as xarray does, as int8 with an attribute `dtype = "bool"`.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray, same_comm
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Split, normalize_axis
from ..replacement import replacing
from ..types import as_dtype, numpy_dtype
from . import hdf5
from ._classic import check_length
from ._contents import Contents, Entry
from ._files import PathLike, existing, forsaking, naming
from ._optional import require
from ._packing import Packed, Packing
from ._parts import Selection, Shifted, Source, as_file_dtype, check_mode, first_of, load_part
from ._variables import FORMATS, check_room, is_bool, make, stored_type

__all__ = ["inspect", "load", "open_source", "save", "save_all", "save_batches"]


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
        library = require("netCDF4")
        check_length(existing(path))
        with _LIBRARY:
            file = library.Dataset(path, "r")
            stack.callback(_close, file)
            found = _find(file, variable)
            name = f"variable {found.name!r} in {path}"
            found.set_auto_scale(mask_and_scale)
            found.set_auto_mask(mask_and_scale and _may_miss(found))
            stored = torch.bool if mask_and_scale and is_bool(found) else _type_as_read(found, dtype, name)
            source = Source(name, found.shape, stored, _reader(found), _chunks(found))
            as_stored = not found.mask and (not mask_and_scale or Packing.of(found).is_plain)
            inner = None
            if as_stored and source.chunks is None and _is_hdf5(file):
                inner = _name_in_hdf5(found)
        if inner is not None:  # which h5py reads without a copy, and the netCDF library with two
            raw = stack.enter_context(hdf5.open_source(path, inner))
            if raw.shape == source.shape and raw.dtype == source.dtype:  # not so along dimensions that grow
                source = replace(raw, name=name)
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
    chunks = None if chunks is None else tuple(chunks)
    return Entry(name, variable.shape, _name_of(variable.dtype), chunks, ", ".join(packed) or None, attributes)


def _name_of(dtype: Any) -> str:
    """What a type of elements is called; that of text is Python's."""
    return str(getattr(dtype, "__name__", dtype))


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
    if name.strip("/") not in found:
        raise KeyError(f"no variable {name!r} in {file.filepath()}, which has {list(found)}")
    return found[name.strip("/")]


def _variables(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All variables with their full names, those of nested groups included."""
    yield from ((path + name, variable) for name, variable in group.variables.items())
    for name, inner in group.groups.items():
        yield from _variables(inner, f"{path}{name}/")


def _type_as_read(variable: Any, wanted: Any, name: str) -> torch.dtype:
    """The type in which to read: that of unpacked values, or floating for integers that shall have NaN."""
    if not isinstance(variable.datatype, np.dtype | require("netCDF4").EnumType):
        raise TypeError(f"{name} holds {_name_of(variable.dtype)}, which no array type corresponds to")
    nothing = variable[(slice(0, 0),) * variable.ndim] if variable.ndim else variable[...]
    stored = as_file_dtype(np.asarray(nothing).dtype, name)
    to_float = wanted is not None and as_dtype(wanted).is_floating_point
    return torch.float64 if to_float and not stored.is_floating_point else stored


def _may_miss(variable: Any) -> bool:
    """Whether some value means "none here"; in variables that we write, all values are values."""
    marks = {"_FillValue", "missing_value", "valid_range", "valid_min", "valid_max"}
    return variable.get_fill_value() is not None or not marks.isdisjoint(variable.ncattrs())


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
    append: int | None = None,
    dimensions: Sequence[str] | None = None,
    dtype: Any = None,
    scale_factor: float | None = None,
    add_offset: float | None = None,
    fill_value: float | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = None,
    **options: Any,
) -> None:
    """Write an array to a NetCDF file, in any layout; each process writes its own part.

    The file appears, or changes, when it is complete; whatever goes wrong, an old one stays whole. In NetCDF-4, all
    processes write at once what is neither packed nor in chunks; otherwise one after another, in pieces of bounded
    size. Of processes that hold the same elements one writes.

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
    append : int, optional
        Add the elements along this axis to those of the variable, which is made, with an unlimited dimension, if there
        is none. Whatever else the file holds stays. The file is copied for that, too.
    dimensions : sequence of str, optional
        Names of the axes, `dim_0`, `dim_1`, ... by default. Those that the file has already are shared.
    dtype, scale_factor, add_offset, fill_value : optional
        How numbers are packed in a new variable, as the CF conventions have it: `(x - add_offset) / scale_factor` is
        stored, as `dtype` (rounded to the nearest if that is of integers), and `fill_value` in place of NaN. By
        default numbers are stored as they are. What is written to a variable that is there is packed as that is.
    attributes : mapping, optional
        Of the variable, such as `{"units": "K"}`.
    format : {"NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"}
        Of a new file, "NETCDF4" by default.
    **options
        To netCDF4's `createVariable`: `compression`, `chunksizes`, `least_significant_digit`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For complex numbers, half precision and bfloat16, which NetCDF files do not have, and whatever else the format
        has not.
    ValueError
        If a dimension or variable of the file has another length, shape or type, or numbers do not fit their packing.

    Notes
    -----
    Communication: a few small collectives, and one message per process where they write in turn; no elements, but
    where processes hold less than a page of a row (as for `dnd.io.npy.save`).

    Examples
    --------
    >>> dims = ("time", "lat", "lon")
    >>> dnd.io.netcdf.save(x, "run.nc", "t2m", dimensions=dims, compression="zlib")  # doctest: +SKIP
    >>> dnd.io.netcdf.save(x, "run.nc", "t2m", dtype="int16", scale_factor=0.01, fill_value=-32768)  # doctest: +SKIP
    """
    x = as_operand(x)
    check_mode(mode)
    axis = None if append is None else normalize_axis(append, x.ndim, "append")
    options |= dict(zip(_PACKING, (dtype, scale_factor, add_offset, fill_value), strict=True))
    to = _variable(x, variable, dimensions, attributes, format, **options)
    keep = mode == "a" or axis is not None
    with replacing(path, x.comm, keep=keep, new=mode == "x") as temporary, naming("write", path):
        _write(x, temporary, axis, to)


def save_all(
    arrays: Mapping[str, Any], path: PathLike, *, dimensions: Mapping[str, Sequence[str]] | None = None, **options: Any
) -> None:
    """Write several arrays, by name, as all that a file holds; each as `save` does, but the file is copied for none.

    Parameters
    ----------
    arrays : mapping from str to array_like
    path : path-like
    dimensions : mapping from str to sequence of str, optional
        Names of the axes of some of them. Axes of one name are one dimension.
    **options
        Those of `save` that say how a variable is made, for each of them.

    Notes
    -----
    Communication: for each array that of `save`.

    Examples
    --------
    >>> dims = {"v": ("bus", "case"), "angle": ("bus", "case")}
    >>> dnd.io.netcdf.save_all({"v": v, "angle": angle}, "run.nc", dimensions=dims)  # doctest: +SKIP
    """
    given = {name: as_operand(x) for name, x in arrays.items()}
    made = {name: _variable(x, name, (dimensions or {}).get(name), **options) for name, x in given.items()}
    with replacing(path, same_comm([*given.values()])) as temporary, naming("write", path):
        for name, x in given.items():
            _write(x, temporary, None, made[name])


def save_batches(batches: Iterable[Any], path: PathLike, variable: str = "data", **options: Any) -> None:
    """Write arrays one behind the other along axis 0, as the only variable of a file; see `dnd.io.save_batches`.

    `options` are those of `save` that say how a variable is made. Its first dimension is unlimited.
    """
    first, others = first_of(batches)
    made = _variable(first, variable, **options)
    with replacing(path, first.comm) as temporary, naming("write", path):
        for x in chain([first], others):
            _write(x, temporary, 0, made)


_PACKING = ("dtype", "scale_factor", "add_offset", "fill_value")
"""The options of `save` that say how numbers are packed."""


@dataclass(frozen=True)
class _Variable:
    """What an array is written to: see `save`."""

    name: str
    dimensions: list[str] | None
    packing: Packing
    attributes: Mapping[str, Any]
    format: str | None
    options: Mapping[str, Any]


def _variable(
    x: DNDarray,
    name: str,
    dimensions: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = None,
    **options: Any,
) -> _Variable:
    """The arguments of `save`, checked; those of packing are among the options."""
    names = None if dimensions is None else list(dimensions)
    if names is not None and (len(names) != x.ndim or len(set(names)) != len(names)):
        raise ValueError(f"`dimensions` (={dimensions}) must be {x.ndim} different names, one per axis of {x.shape}")
    if format not in (None, *FORMATS):
        raise ValueError(f"`format` (={format!r}) must be one of {', '.join(FORMATS)}")
    packing = Packing.chosen(stored_type(x.dtype), *(options.pop(key, None) for key in _PACKING))
    return _Variable(name.strip("/"), names, packing, attributes or {}, format, options)


def _write(x: DNDarray, temporary: Path, axis: int | None, to: _Variable) -> None:
    """Write into one file, at once or in turn, to a variable or to its end along an axis."""
    stored = x if x.dtype is not torch.bool else DNDarray(x.larray.view(torch.int8), x.layout, x.comm)
    begin = [0] * x.ndim
    if axis is not None:
        with agreed(x.comm):
            if x.comm.rank == 0:
                begin[axis] = _length_of(temporary, to.name, axis)
        begin = x.comm.broadcast_object(begin)

    def create() -> str | None:
        fresh = {} if temporary.exists() else {"format": to.format or "NETCDF4"}
        with _open_to_write(temporary, "w" if fresh else "r+", **fresh) as file:
            if to.format not in (None, file.data_model):
                raise ValueError(f"`format` (={to.format!r}) must be that of the file, {file.data_model}, or None")
            found = dict(_variables(file)).get(to.name)
            if found is None:
                names = to.dimensions or [f"dim_{a}" for a in range(x.ndim)]
                sizes = [
                    (name, None if a == axis else n) for a, (name, n) in enumerate(zip(names, x.shape, strict=True))
                ]
                found = make(file, to.name, sizes, to.packing, dict(to.options))
                if x.dtype is torch.bool:
                    found.setncattr("dtype", "bool")
            else:
                check_room(found, x, axis, to.dimensions)
            found.setncatts(dict(to.attributes))
            return _as_it_is(file, found, stored) if axis is None else None

    @contextmanager
    def opened() -> Iterator[tuple[Any, Any]]:
        with _open_to_write(temporary, "r+") as file:
            target = file[to.name]
            target.set_auto_maskandscale(False)
            yield Shifted(Packed(target, Packing.of(target)), begin), _chunks(target)

    hdf5.write_dataset(stored, temporary, create, opened)


@contextmanager
def _open_to_write(path: Path, mode: str, **how: Any) -> Iterator[Any]:
    with _LIBRARY, require("netCDF4").Dataset(path, mode, **how) as file, forsaking(path):
        yield file
        file.sync()


def _as_it_is(file: Any, variable: Any, x: DNDarray) -> str | None:
    """What HDF5 calls a variable, if its elements can be written without the netCDF library; None otherwise."""
    plain = Packing.of(variable) == Packing(numpy_dtype(x.dtype))
    return _name_in_hdf5(variable) if plain and _is_hdf5(file) else None


def _is_hdf5(file: Any) -> bool:
    """Whether h5py, which is there, can open the file."""
    return file.data_model.startswith("NETCDF4") and importlib.util.find_spec("h5py") is not None


def _name_in_hdf5(variable: Any) -> str:
    """NetCDF-4 keeps under its own name a dimension that a variable shares its name with."""
    group, name = variable.group(), variable.name
    other = name in group.dimensions and variable.dimensions[:1] != (name,)
    return f"{group.path.rstrip('/')}/{'_nc4_non_coord_' if other else ''}{name}"


def _length_of(path: Path, name: str, axis: int) -> int:
    """How long a variable is along an axis, though its dimension may be longer; 0 if there is none."""
    if not path.exists():
        return 0
    with _LIBRARY, require("netCDF4").Dataset(path) as file:
        found = dict(_variables(file)).get(name)
        if found is None or found.ndim <= axis:  # which is said later
            return 0
        if not file.data_model.startswith("NETCDF4"):
            growing = [other.name for other in file.variables.values() if found.dimensions[axis] in other.dimensions]
            if len(growing) > 1:
                raise ValueError(
                    f"in {file.data_model} the variables {growing} can only grow together; use the format NETCDF4"
                )
            return found.shape[axis]
        inner = _name_in_hdf5(found)
    with require("h5py").File(path, "r") as stored:
        return stored[inner].shape[axis]
