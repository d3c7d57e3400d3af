"""Types are torch's; NumPy types, Python types and strings are accepted wherever a dtype is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

__all__ = [
    "DTypeLike",
    "as_dtype",
    "can_cast",
    "finfo",
    "floating_of",
    "iinfo",
    "isdtype",
    "numpy_dtype",
    "promote_types",
    "result_type",
    "weak_type",
]

DTypeLike = Any
"""A torch dtype, a NumPy dtype or scalar type, a Python type (bool, int, float, complex) or a name."""

_NAMES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()
TYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in _NAMES}
_TO_NUMPY = {dtype: np.dtype(name) for name, dtype in TYPES.items() if name != "bfloat16"}
_FROM_NUMPY = {value: key for key, value in _TO_NUMPY.items()}

STORED_ONLY = frozenset({torch.uint16, torch.uint32, torch.uint64})
"""Types for which torch has next to no kernels: it neither adds nor compares them (see `unsigned`)."""


def as_dtype(dtype: DTypeLike) -> torch.dtype:
    """The torch dtype that `dtype` names.

    >>> as_dtype("float32"), as_dtype(int), as_dtype(np.complex64)
    (torch.float32, torch.int64, torch.complex64)
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is float:
        return torch.get_default_dtype()
    if dtype is complex:
        return torch.promote_types(torch.get_default_dtype(), torch.complex32)
    if isinstance(dtype, str) and dtype in TYPES:
        return TYPES[dtype]
    try:
        return _FROM_NUMPY[np.dtype(dtype)]
    except (TypeError, KeyError):
        raise TypeError(f"`dtype` (={dtype!r}) must be one of {', '.join(TYPES)}, or NumPy's or torch's") from None


def numpy_dtype(dtype: torch.dtype) -> np.dtype:
    """The NumPy dtype of the same name; TypeError for bfloat16, which NumPy does not have."""
    try:
        return _TO_NUMPY[dtype]
    except KeyError:
        raise TypeError(f"NumPy has no {dtype}; convert first, for example with astype('float32')") from None


def promote_types(type1: DTypeLike, type2: DTypeLike) -> torch.dtype:
    """The smallest type to which both can be cast: the Array API's table, and NumPy's where that leaves it open.

    >>> promote_types("int64", "float32"), promote_types("uint8", "int8")
    (torch.float64, torch.int16)
    """
    return _promoted(as_dtype(type1), as_dtype(type2))


@lru_cache(maxsize=256)
def _promoted(a: torch.dtype, b: torch.dtype) -> torch.dtype:
    if a is b:
        return a
    if a in _TO_NUMPY and b in _TO_NUMPY:
        return _FROM_NUMPY[np.promote_types(_TO_NUMPY[a], _TO_NUMPY[b])]
    return torch.promote_types(a, b)


_KINDS = {bool: 0, int: 1, float: 2, complex: 3}


def kind(dtype: torch.dtype) -> int:
    """0 for bool, 1 for integers, 2 for real floating, 3 for complex."""
    if dtype.is_floating_point:
        return 2
    if dtype.is_complex:
        return 3
    return 0 if dtype is torch.bool else 1


def weak_type(dtype: torch.dtype, scalar: type) -> torch.dtype:
    """The type of an array of `dtype` combined with a Python scalar, which has no width of its own.

    >>> weak_type(torch.float32, float), weak_type(torch.int64, float), weak_type(torch.int8, int)
    (torch.float32, torch.float64, torch.int8)
    """
    if _KINDS[scalar] <= kind(dtype):
        return dtype
    if scalar is int:
        return torch.int64
    if scalar is complex and dtype.is_floating_point:
        return torch.complex128 if dtype is torch.float64 else torch.complex64
    return promote_types(dtype, as_dtype(scalar))


def result_type(*operands: Any) -> torch.dtype:
    """The type that an operation on these arrays, dtypes and Python scalars computes in."""
    dtypes = [op.dtype for op in operands if hasattr(op, "dtype") and not isinstance(op, type)]
    dtypes += [op for op in operands if isinstance(op, (torch.dtype, type, str, np.dtype))]
    if not dtypes:
        return max((as_dtype(type(op)) for op in operands), key=kind)
    result = as_dtype(dtypes[0])
    for dtype in dtypes[1:]:
        result = promote_types(result, as_dtype(dtype))
    for op in operands:
        if type(op) in _KINDS:
            result = weak_type(result, op.__class__)
    return result


@lru_cache(maxsize=64)
def floating_of(dtype: torch.dtype) -> torch.dtype:
    """The type in which `sin` and its kin compute: the type itself if it is floating, otherwise as in NumPy.

    >>> floating_of(torch.int64), floating_of(torch.int8), floating_of(torch.float32)
    (torch.float64, torch.float16, torch.float32)
    """
    if kind(dtype) >= 2:
        return dtype
    small = {torch.bool: torch.float16, torch.int8: torch.float16, torch.uint8: torch.float16}
    medium = {torch.int16: torch.float32, torch.uint16: torch.float32}
    return small.get(dtype) or medium.get(dtype) or torch.float64


def wide_of(dtype: torch.dtype) -> torch.dtype:
    """The type in which elements are added up and multiplied: single precision for half."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def real_of(dtype: torch.dtype) -> torch.dtype:
    """The type of the real part."""
    return {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)


@dataclass(frozen=True)
class Finfo:
    """Limits of a floating type; of complex numbers, that of their parts."""

    bits: int
    eps: float
    """Distance from 1 to the next larger number."""
    max: float
    min: float
    smallest_normal: float
    resolution: float
    dtype: torch.dtype

    @property
    def tiny(self) -> float:
        """The smallest positive number of full precision, by its other name."""
        return self.smallest_normal


@dataclass(frozen=True)
class Iinfo:
    """Limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: torch.dtype


def finfo(type: Any, /) -> Finfo:
    """Limits of a floating type, given as a dtype or as an array of it.

    >>> finfo("float32").eps
    1.1920928955078125e-07
    """
    dtype = real_of(_type_of(type))
    if not dtype.is_floating_point:
        raise ValueError(f"finfo takes floating types, not {dtype}; use iinfo")
    info = torch.finfo(dtype)
    return Finfo(info.bits, info.eps, info.max, info.min, info.smallest_normal, info.resolution, dtype)


def iinfo(type: Any, /) -> Iinfo:
    """Limits of an integer type, given as a dtype or as an array of it.

    >>> iinfo("uint64").max
    18446744073709551615
    """
    dtype = _type_of(type)
    if kind(dtype) != 1:
        raise ValueError(f"iinfo takes integer types, not {dtype}; use finfo")
    info = torch.iinfo(dtype)
    return Iinfo(info.bits, info.max, info.min, dtype)


def _type_of(value: Any) -> torch.dtype:
    """The dtype of an array, or that which a dtype-like value names."""
    return as_dtype(value if isinstance(value, type) else getattr(value, "dtype", value))


def can_cast(from_: Any, to: DTypeLike, casting: str = "safe") -> bool:
    """Whether `from_` (an array or a dtype) can be cast under NumPy's rule `casting`."""
    source, target = _type_of(from_), as_dtype(to)
    if source is target or casting == "unsafe":
        return True
    if source in _TO_NUMPY and target in _TO_NUMPY:
        return bool(np.can_cast(_TO_NUMPY[source], _TO_NUMPY[target], casting))  # type: ignore[arg-type]
    if casting == "same_kind":
        return kind(source) <= kind(target)
    return casting == "safe" and promote_types(source, target) is target


def isdtype(dtype: DTypeLike, kind: Any) -> bool:
    """Whether `dtype` is of a kind: 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating',
    'complex floating', 'numeric', a dtype, or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    dtype = as_dtype(dtype)
    unsigned = dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
    integral = not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool)
    kinds = {
        "bool": dtype is torch.bool,
        "signed integer": integral and not unsigned,
        "unsigned integer": unsigned,
        "integral": integral,
        "real floating": dtype.is_floating_point,
        "complex floating": dtype.is_complex,
        "numeric": dtype is not torch.bool,
    }
    return kinds[kind] if isinstance(kind, str) and kind in kinds else dtype is as_dtype(kind)
