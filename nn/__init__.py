"""Layers and models that are parallel inside.

Here belong `torch.nn.Module`s whose parameters are DNDarrays. What a layer communicates is what the
operations of its arrays communicate. Plain modules, of which every process has a replica, are here, too: the networks
of `denoisers`, and what makes replicas train as one model. How training steps belongs in `dndarray.optim`.
"""

from __future__ import annotations

import importlib as _importlib
from typing import Any as _Any

from .normalization import SyncBatchNorm
from .weights import load_weights, save_weights

__all__ = ["SyncBatchNorm", "denoisers", "load_weights", "save_weights"]


def __getattr__(name: str) -> _Any:
    if name in __all__:
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
