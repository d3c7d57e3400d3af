"""dndarray: a distributed n-dimensional array with NumPy's interface, on torch and MPI.

    import dndarray as dnd

    x = dnd.random.normal(size=(1000, 50), split=0)   # each process holds its own rows
    y = (x - x.mean(axis=0)) / x.std(axis=0)

The same script runs on one process and, under mpirun, on many. See https://github.com/dndarray/dndarray.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import math as _math
import sys as _sys
from pathlib import Path as _Path
from typing import Any as _Any

import torch as _torch
from torch import enable_grad as enable_grad
from torch import no_grad as no_grad

from . import (
    along_axis,
    argreduction,
    bits,
    blocks,
    contraction,
    conversion,
    convolution,
    creation,
    diagonals,
    dtensor,
    duck,
    einsums,
    functional,
    gathering,
    histograms,
    index_tricks,
    inspection,
    joining,
    logic,
    manipulation,
    metadata,
    moments,
    numerical,
    padding,
    polynomials,
    printing,
    products,
    quantiles,
    ranges,
    reduction,
    scan,
    searching,
    selection,
    sets,
    sorting,
    splitting,
    statistics,
    stencils,
    tiling,
)
from .advanced_indexing import nonzero as nonzero
from .advanced_indexing import take as take
from .array import DNDarray as DNDarray
from .communication import Communicator as Communicator
from .communication import get_comm as get_comm
from .communication import use_comm as use_comm
from .device import get_device as get_device
from .device import use_device as use_device
from .elementwise import FUNCTIONS as _FUNCTIONS
from .errors import DistributedArrayError as DistributedArrayError
from .errors import MismatchError as MismatchError
from .layout import Grid as Grid
from .layout import Layout as Layout
from .types import TYPES as _TYPES
from .types import can_cast as can_cast
from .types import finfo as finfo
from .types import iinfo as iinfo
from .types import isdtype as isdtype
from .types import promote_types as promote_types
from .types import result_type as result_type

__version__ = "0.1.0"

pi, e, inf, nan, newaxis = _math.pi, _math.e, _math.inf, _math.nan, None
euler_gamma = 0.57721566490153286

# These add their functions to the table when they are imported.
_TABLES = (argreduction, moments, reduction, scan)

# Every name in `__all__` of these modules is a name of the package.
_FAMILIES = (
    creation,
    diagonals,
    dtensor,
    duck,
    manipulation,
    logic,
    metadata,
    contraction,
    convolution,
    conversion,
    sorting,
    searching,
    sets,
    selection,
    quantiles,
    ranges,
    statistics,
    histograms,
    joining,
    splitting,
    tiling,
    padding,
    gathering,
    along_axis,
    index_tricks,
    functional,
    blocks,
    numerical,
    polynomials,
    bits,
    products,
    einsums,
    stencils,
    inspection,
    printing,
)

_SUBPACKAGES = (
    "algorithms",
    "collectives",
    "energy",
    "fft",
    "io",
    "linalg",
    "ndimage",
    "nn",
    "optim",
    "random",
    "signal",
    "sparse",
    "spatial",
    "testing",
)


def _collect() -> list[str]:
    """Put the functions of all families into this namespace, each from its table."""
    names = dict(_FUNCTIONS)
    for module in _FAMILIES:
        names.update({name: getattr(module, name) for name in module.__all__})
    names["permute_dims"] = manipulation.permute_dims
    names["concat"] = manipulation.concatenate
    del names["contract"]  # takes labels: for our own functions
    names["nonzero"], names["take"] = nonzero, take
    globals().update(names, **_TYPES)
    globals()["bool_"] = _torch.bool
    return [*names, *_TYPES]


_names = _collect()
__all__ = sorted(
    {
        *_names,
        *_SUBPACKAGES,
        "Communicator",
        "DNDarray",
        "DistributedArrayError",
        "Grid",
        "Layout",
        "MismatchError",
        "can_cast",
        "e",
        "enable_grad",
        "euler_gamma",
        "finfo",
        "get_comm",
        "get_device",
        "iinfo",
        "inf",
        "isdtype",
        "nan",
        "newaxis",
        "no_grad",
        "pi",
        "print",
        "promote_types",
        "result_type",
        "use_comm",
        "use_device",
    }
)

from . import interop as _interop  # noqa: E402 - after the names that it registers
from . import methods as _methods  # noqa: E402

_methods.install({name: globals()[name] for name in _names})
_interop.install({name: globals()[name] for name in _names})


class _Beside(importlib.abc.MetaPathFinder):
    """Finds the other parts of the package where they lie beside this folder: in a checkout."""

    def find_spec(self, fullname: str, path: _Any = None, target: _Any = None) -> _Any:
        package, _, part = fullname.rpartition(".")
        if package != __name__ or part not in ("algorithms", "energy", "io", "nn", "optim"):
            return None
        file = _Path(__file__).resolve().parent.with_name(part) / "__init__.py"
        return importlib.util.spec_from_file_location(fullname, file) if file.exists() else None


_sys.meta_path.append(_Beside())


def __getattr__(name: str) -> _Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'dndarray' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
