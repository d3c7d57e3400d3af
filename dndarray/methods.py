"""The array's methods and operators, from the same tables as the functions: one entry gives all of its names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import indexing, logic, manipulation
from .array import DNDarray
from .broadcasting import align_to, broadcast_shapes
from .elementwise import DIRECT, as_operand, check_range, compute_type, scalar_fits
from .types import can_cast
from .ufuncs import OPS

__all__ = ["METHODS", "OPERATORS"]

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "matmul": "matmul",
    "divmod": "divmod",
}
"""Python's binary operators, with a reflected form each, and in place but for divmod."""

COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}

METHODS = (
    # elementwise and logic
    "abs conj conjugate clip round exp log sqrt square sin cos tan tanh isclose "
    # reductions and scans
    "sum prod min max mean var std all any argmin argmax count_nonzero ptp cumsum cumprod "
    # rearrangement
    "resplit resplit_ balance balance_ redistribute redistribute_ swapaxes expand_dims squeeze broadcast_to flip roll "
    "ravel flatten nonzero take diagonal"
).split()
"""Functions that are methods, too, with the array as first argument."""

_ACCEPTED = (DNDarray, bool, int, float, complex, np.ndarray, np.generic, torch.Tensor, list, tuple)


def _operator(function: Callable, reflected: bool) -> Callable:
    def method(self: DNDarray, other: Any) -> Any:
        if not isinstance(other, _ACCEPTED):
            return NotImplemented
        return function(other, self) if reflected else function(self, other)

    return method


def _in_place(name: str, function: Callable) -> Callable:
    """x op= y: the array keeps its layout and type, and its memory."""
    op = OPS.get(name)
    direct = DIRECT[op.kind] if op is not None else frozenset()

    def method(self: DNDarray, other: Any) -> Any:
        if not isinstance(other, _ACCEPTED):
            return NotImplemented
        if op is None:  # matmul
            return logic.store(function(self, other), self)
        tensor = self.larray
        if (
            op.in_place is not None
            and tensor.dtype in direct
            and op.with_scalar is not None
            and scalar_fits(other, tensor.dtype)
        ):
            op.in_place(tensor, other)
            return self
        if (type(other) is float and tensor.dtype.is_floating_point) or type(other) is int:
            target: Any = other
            computed = compute_type(op.kind, name, (self, other))
            check_range(other, computed)
            if op.with_scalar is None:
                target = torch.tensor(other, dtype=computed, device=self.device)
        else:
            other = as_operand(other, self.comm, self.device)
            if broadcast_shapes(self.shape, other.shape) != self.shape:
                raise ValueError(f"an array of shape {other.shape} does not broadcast into one of shape {self.shape}")
            computed = compute_type(op.kind, name, (self, other))
            target = align_to(other.larray, other.layout, self.layout, self.comm)
            target = target if target.dtype is computed else target.to(computed)
        if not can_cast(computed, tensor.dtype, "same_kind"):
            raise TypeError(f"{name} in place would give {computed}, which does not go into an array of {tensor.dtype}")
        if op.in_place is not None and computed is tensor.dtype:
            op.in_place(tensor, target)
        else:
            tensor.copy_(op.fn(tensor.to(computed), target))
        return self

    return method


def _delegate(name: str, function: Callable) -> Callable:
    def method(self: DNDarray, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__ = name
    method.__qualname__ = f"DNDarray.{name}"
    method.__doc__ = function.__doc__
    return method


def _reshape(self: DNDarray, *shape: Any, new_split: Any = "keep") -> DNDarray:
    return manipulation.reshape(self, shape[0] if len(shape) == 1 else shape, new_split=new_split)


def _transpose(self: DNDarray, *axes: Any) -> DNDarray:
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    return manipulation.transpose(self, order)


def install(functions: dict[str, Callable]) -> None:
    """Give the array its methods and operators; `functions` are all public functions by name."""
    for word, name in OPERATORS.items():
        function = functions[name]
        setattr(DNDarray, f"__{word}__", _operator(function, reflected=False))
        setattr(DNDarray, f"__r{word}__", _operator(function, reflected=True))
        if word != "divmod":
            setattr(DNDarray, f"__i{word}__", _in_place(name, function))
    for word, name in COMPARISONS.items():
        setattr(DNDarray, f"__{word}__", _operator(functions[name], reflected=False))
    for word, name in UNARY.items():
        setattr(DNDarray, f"__{word}__", _delegate(f"__{word}__", functions[name]))
    for name in METHODS:
        setattr(DNDarray, name, _delegate(name, functions[name]))
    for name, method in (("reshape", _reshape), ("transpose", _transpose)):
        method.__doc__ = functions[name].__doc__
        setattr(DNDarray, name, method)
    for name, function in (("__getitem__", indexing.getitem), ("__setitem__", indexing.setitem)):
        setattr(DNDarray, name, function)
    for name, function in (("T", manipulation.transpose), ("mT", manipulation.matrix_transpose)):
        setattr(DNDarray, name, property(function, doc=function.__doc__))
    for name in ("real", "imag"):
        setattr(DNDarray, name, property(functions[name], doc=functions[name].__doc__))
