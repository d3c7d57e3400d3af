"""Variables of NetCDF files as they are made: which types a format has, which dimensions a file shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..types import numpy_dtype
from ._packing import Packing

__all__ = ["FORMATS", "check_room", "is_bool", "make", "stored_type"]

_SMALL = ("int8", "int16", "int32", "float32", "float64")
_LARGE = (*_SMALL, "uint8", "uint16", "uint32", "int64", "uint64")
FORMATS = {
    "NETCDF4": _LARGE,
    "NETCDF4_CLASSIC": _SMALL,
    "NETCDF3_CLASSIC": _SMALL,
    "NETCDF3_64BIT_OFFSET": _SMALL,
    "NETCDF3_64BIT_DATA": _LARGE,
}
"""Format -> the types that it has."""


def stored_type(dtype: torch.dtype) -> np.dtype:
    if dtype.is_complex:
        raise TypeError(f"NetCDF has no {dtype}; save the real and the imaginary part, or an HDF5 file")
    if dtype is torch.bool:
        return np.dtype("int8")
    if dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"NetCDF has no {dtype}; convert first, for example with astype('float32')")
    return numpy_dtype(dtype)


def make(file: Any, name: str, sizes: list[tuple[str, int | None]], packing: Packing, options: dict[str, Any]) -> Any:
    """Make a variable, its elements not set."""
    if packing.dtype.name not in FORMATS[file.data_model]:
        raise TypeError(f"{file.data_model} has no {packing.dtype}; give a `dtype` of {FORMATS[file.data_model]}")
    if "/" in name and file.data_model != "NETCDF4":
        raise ValueError(f"{file.data_model} has no groups, such as in {name!r}")
    for dimension, n in sizes:
        _share_dimension(file, dimension, n)
    # Without a fill value the library does not write every element twice, and does not take one of ours for missing
    # when it reads.
    fill = False if packing.fill is None else packing.fill
    variable = file.createVariable(
        name, packing.dtype, [dimension for dimension, _ in sizes], fill_value=fill, **options
    )
    variable.setncatts(packing.attributes())
    return variable


def is_bool(variable: Any) -> bool:
    return "dtype" in variable.ncattrs() and variable.getncattr("dtype") == "bool"


def check_room(found: Any, x: DNDarray, axis: int | None, names: list[str] | None) -> None:
    """Whether a variable that the file has already can take the elements of `x`, or take them up along an axis."""
    lengths = [(n, m) for a, (n, m) in enumerate(zip(found.shape, x.shape, strict=False)) if a != axis]
    same = found.ndim == x.ndim and all(n == m for n, m in lengths) and names in (None, list(found.dimensions))
    packing = Packing.of(found)
    same &= packing.dtype == stored_type(x.dtype) or (not packing.is_plain and x.dtype.is_floating_point)
    if not same or is_bool(found) != (x.dtype is torch.bool):
        raise ValueError(
            f"variable {found.name!r} of the file, of shape {found.shape}, type {found.dtype} and dimensions "
            f"{found.dimensions}, cannot take an array of shape {x.shape} and {x.dtype}"
            + (
                ", and NetCDF cannot remove it; use another name, or mode='w'"
                if axis is None
                else f" along axis {axis}"
            )
        )
    if axis is not None and not found.get_dims()[axis].isunlimited():
        raise ValueError(f"variable {found.name!r} of the file cannot grow along axis {axis}; make it with `append`")


def _share_dimension(file: Any, name: str, n: int | None) -> None:
    if name not in file.dimensions:
        file.createDimension(name, n)
    elif n is None and not file.dimensions[name].isunlimited():
        raise ValueError(f"dimension {name!r} of the file cannot grow; name the axes otherwise with `dimensions`")
    elif n is not None and len(file.dimensions[name]) != n:
        raise ValueError(
            f"dimension {name!r} has length {len(file.dimensions[name])} in the file, but {n} in the array; "
            "name the axes otherwise with `dimensions`"
        )
