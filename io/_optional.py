"""Packages that one needs for some formats only."""

from __future__ import annotations

import importlib
from typing import Any

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


def require(package: str) -> Any:
    """The module, or an error that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        top = package.partition(".")[0]
        extra = EXTRAS.get(top, "io")
        raise ImportError(f"this format needs {top}: pip install 'dndarray[{extra}]' ({error})") from error
