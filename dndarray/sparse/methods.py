"""The sparse array's methods and operators: the functions of this package under their own names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import assignment, elementwise, products, rearrangement, reductions, slicing, structure
from .array import SparseArray

__all__ = ["METHODS"]

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
}
"""Python's binary operators, each with a reflected form."""

COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}

METHODS: dict[str, Callable[..., Any]] = {
    "__matmul__": products.matmul,
    "__rmatmul__": products.reverse_matmul,
    "dot": products.dot,
    **{name: elementwise.unary(name) for name in elementwise.UNARY},
    **{name: elementwise.binary(name) for name in elementwise.BINARY},
    **{f"__{op}__": elementwise.binary(name) for op, name in {**OPERATORS, **COMPARISONS}.items()},
    **{f"__r{op}__": elementwise.binary(name, reflected=True) for op, name in OPERATORS.items()},
    **{f"__{op}__": elementwise.unary(name) for op, name in (("neg", "negative"), ("pos", "positive"), ("abs", "abs"))},
    "__getitem__": slicing.getitem,
    "__setitem__": assignment.setitem,
    "permute": slicing.permute,
    "resplit": rearrangement.resplit,
    "to_dense": rearrangement.to_dense,
    "to_scipy": rearrangement.to_scipy,
    "toarray": rearrangement.toarray,
    "todense": rearrangement.to_dense,
    **{name: getattr(reductions, name) for name in reductions.__all__},
    **{name: getattr(structure, name) for name in structure.__all__ if name not in ("find", "kept", "offsets")},
}

for _name, _function in METHODS.items():
    setattr(SparseArray, _name, _function)
