"""How NetCDF's variables pack numbers, by the CF conventions: a factor, an offset and a mark for what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..types import as_dtype, numpy_dtype
from ._parts import Selection

__all__ = ["Packed", "Packing"]


@dataclass(frozen=True)
class Packing:
    """What is stored for x: `(x - offset) / scale` as `dtype`, and `fill` for NaN."""

    dtype: np.dtype
    scale: Any = None
    offset: Any = None
    fill: Any = None

    @classmethod
    def chosen(cls, own: np.dtype, dtype: Any, scale: Any, offset: Any, fill: Any) -> Packing:
        """By the arguments of `save`, for an array of type `own`, which unpacking is to give again."""
        wanted = own if dtype is None else numpy_dtype(as_dtype(dtype))
        if scale is not None and not (np.isfinite(scale) and scale):
            raise ValueError(f"`scale_factor` (={scale}) must be a number other than 0")
        unpacked = own if own.kind == "f" else np.dtype("float64")
        scale, offset = (None if factor is None else unpacked.type(factor) for factor in (scale, offset))
        return cls(wanted, scale, offset, None if fill is None else _fitting(fill, wanted))

    @classmethod
    def of(cls, variable: Any) -> Packing:
        """That of a variable, by its attributes."""
        found = variable.__dict__
        return cls(variable.dtype, found.get("scale_factor"), found.get("add_offset"), found.get("_FillValue"))

    @property
    def is_plain(self) -> bool:
        return self.scale is None and self.offset is None and self.fill is None

    def attributes(self) -> dict[str, Any]:
        """Those that say how to unpack; `_FillValue` has to be given when the variable is made."""
        both = {"scale_factor": self.scale, "add_offset": self.offset}
        return {name: value for name, value in both.items() if value is not None}

    def packed(self, values: np.ndarray) -> np.ndarray:
        if self.is_plain and values.dtype == self.dtype:
            return values
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        if self.offset is not None:
            values = values - self.offset
        if self.scale is not None:
            values = values / self.scale
        if self.dtype.kind in "iu":
            values = np.rint(values)
            limits = np.iinfo(self.dtype)
            fitting = missing | (values >= float(limits.min)) & (values < float(limits.max) + 1)
            if not fitting.all():
                raise ValueError(
                    f"packed as {self.dtype} a number would be {values[~fitting][0]:g}; choose another `dtype`, "
                    "`scale_factor` or `add_offset`"
                )
            if self.fill is None and missing.any():
                raise ValueError(f"{self.dtype} has no NaN; say with `fill_value` what shall stand for it")
        if self.fill is not None:
            values = np.where(missing, self.fill, values)
        return values.astype(self.dtype)


def _fitting(fill: Any, dtype: np.dtype) -> Any:
    """The mark as a number of the type in the file."""
    with np.errstate(over="ignore", invalid="ignore"):
        mark = np.asarray(fill).astype(dtype)[()]
    if mark != fill and not (np.isnan(fill) and np.isnan(mark)):
        raise ValueError(f"`fill_value` (={fill}) must be a number that {dtype} has")
    return mark


class Packed:
    """Takes numbers for a variable that stores them packed."""

    def __init__(self, target: Any, packing: Packing) -> None:
        self.target, self.packing = target, packing

    def __setitem__(self, selection: Selection, values: np.ndarray) -> None:
        self.target[selection] = self.packing.packed(values)
