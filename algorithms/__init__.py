"""Methods written over the array: hyperspectral denoising, power flow, and others to come.

Here belong estimators in scikit-learn's manner and plain functions over arrays. Each says in its docstring
what is split, what is replicated, what is communicated, and which paper it comes from.
"""

from __future__ import annotations

import importlib as _importlib
from typing import Any as _Any

__all__ = ["denoising", "power"]


def __getattr__(name: str) -> _Any:
    if name in __all__:
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
