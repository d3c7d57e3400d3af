"""What is known of an array without looking at its elements, under NumPy's names. Local."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy import isscalar

from .array import DNDarray
from .elementwise import as_operand
from .layout import normalize_axes
from .types import as_dtype, kind, numpy_dtype, promote_types

__all__ = [
    "common_type",
    "iscomplexobj",
    "isrealobj",
    "isscalar",
    "issubdtype",
    "min_scalar_type",
    "ndim",
    "shape",
    "size",
]


def shape(x: Any) -> tuple[int, ...]:
    """The global shape."""
    return as_operand(x).shape


def ndim(x: Any) -> int:
    """The number of axes."""
    return as_operand(x).ndim


def size(x: Any, axis: int | Sequence[int] | None = None) -> int:
    """The number of elements of the whole array, or along one or more axes."""
    x = as_operand(x)
    total = 1
    for a in normalize_axes(axis, x.ndim):
        total *= x.shape[a]
    return total


def iscomplexobj(x: Any) -> bool:
    """Whether `x` is of a complex type."""
    return as_operand(x).dtype.is_complex


def isrealobj(x: Any) -> bool:
    """Whether `x` is not of a complex type."""
    return not iscomplexobj(x)


def common_type(*arrays: Any) -> torch.dtype:
    """The floating type to which all arrays can be cast; integers count as float64."""
    dtypes = [as_operand(a).dtype for a in arrays]
    if torch.bool in dtypes:
        raise TypeError("common_type takes numbers, not bools")
    return reduce(promote_types, [torch.float64 if kind(t) == 1 else t for t in dtypes], torch.float16)


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """Whether a type is, or in NumPy's hierarchy lies below, another one (`numpy.floating`, "integer", ...).

    >>> issubdtype("float32", np.floating), issubdtype(torch.int64, "float64")
    (True, False)
    """

    def numpys(value: Any) -> Any:
        if value is torch.bfloat16:
            return np.floating
        return numpy_dtype(value) if isinstance(value, torch.dtype) else value

    return arg1 is arg2 or (arg2 is not torch.bfloat16 and np.issubdtype(numpys(arg1), numpys(arg2)))


def min_scalar_type(x: Any) -> torch.dtype:
    """The smallest type that holds a number; of an array with axes its own. Communication: as `item`."""
    if isinstance(x, DNDarray):
        if x.ndim:
            return x.dtype
        x = x.item()
    return as_dtype(np.min_scalar_type(x))
