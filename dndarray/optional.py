"""Packages that are needed for some things only."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str, *, what: str = "this") -> Any:
    """The module, or an ImportError that says which extra of ours brings its package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{what} needs {package}: pip install 'dndarray[{extra}]' ({error})") from error
