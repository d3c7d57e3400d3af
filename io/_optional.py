"""Packages that one needs for some formats only."""

from __future__ import annotations

from typing import Any

from .. import optional

__all__ = ["require"]

EXTRAS = {
    "PIL": "images",
    "cfgrib": "grib",
    "eccodes": "grib",
    "pandas": "tables",
    "pyarrow": "tables",
    "xarray": "xarray",
    "zarr": "zarr",
}
"""Top-level package -> the extra that brings it, where that is not `io`."""


def require(module: str) -> Any:
    """The module, or an error that says how to get it."""
    return optional.require(module, EXTRAS.get(module.partition(".")[0], "io"), what="this format")
