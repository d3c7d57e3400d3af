"""The array's methods and operators, from the same tables as the functions: one entry gives all of its names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from . import gathering, indexing, logic, manipulation
from .array import DNDarray
from .broadcasting import align_to, broadcast_shapes
from .elementwise import DIRECT, as_operand, check_exponents, check_range, compute_type, run, scalar_fits
from .types import STORED_ONLY, can_cast
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

METHODS = [
    # elementwise and logic
    *(name for op in OPS.values() if op.nin == 1 for name in (op.name, *op.aliases) if name not in ("real", "imag")),
    *"clip round isclose allclose nan_to_num".split(),
    # reductions, statistics and scans
    *"sum prod min max mean var std all any argmin argmax count_nonzero ptp cumsum cumprod".split(),
    *"average median percentile quantile trace".split(),
    # order
    *"argsort argpartition searchsorted unique digitize".split(),
    # rearrangement and choice
    *"resplit resplit_ balance balance_ redistribute redistribute_ swapaxes expand_dims squeeze broadcast_to".split(),
    *"flip roll rot90 ravel flatten repeat tril triu diagonal nonzero take choose put fill_diagonal".split(),
    # products
    "dot",
]
"""Functions that are methods, too, with the array as first argument."""

IN_PLACE = ("sort", "partition")
"""Functions whose methods change the array and return nothing."""

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
            check_exponents(op, computed, other)
            if op.in_place is None or computed in STORED_ONLY:
                target = torch.tensor(other, dtype=computed, device=self.device)
        else:
            other = as_operand(other, self.comm, self.device)
            if broadcast_shapes(self.shape, other.shape) != self.shape:
                raise ValueError(f"an array of shape {other.shape} does not broadcast into one of shape {self.shape}")
            computed = compute_type(op.kind, name, (self, other))
            check_exponents(op, computed, other)
            target = align_to(other.larray, other.layout, self.layout, self.comm)
            target = target if target.dtype is computed else target.to(computed)
        if not can_cast(computed, tensor.dtype, "same_kind"):
            raise TypeError(f"{name} in place would give {computed}, which does not go into an array of {tensor.dtype}")
        if op.in_place is not None and computed is tensor.dtype and computed in direct:
            op.in_place(tensor, target)
        else:
            tensor.copy_(run(op.fn, tensor.to(computed), target))
        return self

    return method


def _delegate(name: str, function: Callable) -> Callable:
    def method(self: DNDarray, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__ = name
    method.__qualname__ = f"DNDarray.{name}"
    method.__doc__ = function.__doc__
    return method


def _in_its_place(name: str, function: Callable) -> Callable:
    """What NumPy's method of this name does: the function's result takes the place of the array's elements."""

    def method(self: DNDarray, *args: Any, **options: Any) -> None:
        self[...] = function(self, *args, **options)

    method.__name__ = name
    method.__qualname__ = f"DNDarray.{name}"
    method.__doc__ = f"`{name}` in place, as in NumPy; see the function of this name, which returns a new array."
    return method


def _reshape(self: DNDarray, *shape: Any, **options: Any) -> DNDarray:
    return manipulation.reshape(self, shape[0] if len(shape) == 1 else shape, **options)


def _transpose(self: DNDarray, *axes: Any) -> DNDarray:
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    return manipulation.transpose(self, order)


def _compress(self: DNDarray, condition: Any, *args: Any, **options: Any) -> DNDarray:
    """The parts along an axis for which `condition` holds; see `dnd.compress`."""
    return gathering.compress(condition, self, *args, **options)


def _operators(functions: dict[str, Callable]) -> Iterator[tuple[str, Any]]:
    for word, name in OPERATORS.items():
        function = functions[name]
        yield f"__{word}__", _operator(function, reflected=False)
        yield f"__r{word}__", _operator(function, reflected=True)
        if word != "divmod":
            yield f"__i{word}__", _in_place(name, function)
    for word, name in COMPARISONS.items():
        yield f"__{word}__", _operator(functions[name], reflected=False)
    for word, name in UNARY.items():
        yield f"__{word}__", _delegate(f"__{word}__", functions[name])
    yield "__getitem__", indexing.getitem
    yield "__setitem__", indexing.setitem


def _methods(functions: dict[str, Callable]) -> Iterator[tuple[str, Any]]:
    for name in METHODS:
        yield name, _delegate(name, functions[name])
    for name in IN_PLACE:
        yield name, _in_its_place(name, functions[name])
    for name, method in (("reshape", _reshape), ("transpose", _transpose)):
        method.__doc__ = functions[name].__doc__
        yield name, method
    yield "compress", _compress
    for name, function in (("T", manipulation.transpose), ("mT", manipulation.matrix_transpose)):
        yield name, property(function, doc=function.__doc__)
    for name in ("real", "imag"):
        yield name, property(functions[name], doc=functions[name].__doc__)


def install(functions: dict[str, Callable]) -> None:
    """Give the array its methods and operators; `functions` are all public functions by name."""
    for name, member in (*_operators(functions), *_methods(functions)):
        setattr(DNDarray, name, member)
