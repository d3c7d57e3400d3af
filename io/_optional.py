"""Packages that one needs for some formats only."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(package: str) -> Any:
    """The module, or an error that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"this format needs {package}: pip install 'dndarray[io]' ({error})") from error
