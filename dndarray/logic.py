"""Elementwise functions that take more than arrays, and comparisons of whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, same_comm
from .elementwise import FUNCTIONS, apply, as_operand, store
from .types import floating_of, kind, result_type

__all__ = ["allclose", "array_equal", "array_equiv", "clip", "isclose", "nan_to_num", "round", "where"]

_SCALARS = (bool, int, float, complex)


def _operands(*values: Any) -> list[Any]:
    """Arrays, with Python numbers left as they are, for they have no width."""
    beside = next(((v.comm, v.device) for v in values if isinstance(v, DNDarray)), (None, None))
    return [v if type(v) in _SCALARS else as_operand(v, *beside) for v in values]


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Elements of `x` where `condition` holds, of `y` elsewhere; with `condition` alone, `nonzero(condition)`.

    Elementwise: NaN in what is not chosen does not matter. Communication: as the elementwise family.
    """
    if x is None and y is None:
        from .advanced_indexing import nonzero

        return nonzero(condition)
    if x is None or y is None:
        raise TypeError("where takes a condition alone, or with both `x` and `y`")
    x, y = _operands(x, y)
    condition = as_operand(condition, next((v.comm for v in (x, y) if isinstance(v, DNDarray)), None))
    computed = result_type(x, y)
    return apply(torch.where, (condition, x, y), (torch.bool, computed, computed))


def clip(x: Any, min: Any = None, max: Any = None, out: DNDarray | None = None) -> DNDarray:
    """Elements limited to [min, max]; either may be an array or None. Communication: as the elementwise family."""
    x = as_operand(x)
    limits = [(limit, fn) for limit, fn in ((min, torch.maximum), (max, torch.minimum)) if limit is not None]
    for limit, fn in limits:
        (limit,) = _operands(limit)
        computed = result_type(x, limit)
        if type(limit) is int and kind(computed) == 1:  # a bound that the type cannot reach
            info = torch.iinfo(computed)
            limit = sorted((info.min, limit, info.max))[1]
        x = apply(fn, (x, limit), (computed, computed))
    if not limits:
        x = apply(torch.clone, (x,), (None,))
    return x if out is None else store(x, out)


def round(x: Any, decimals: int = 0, out: DNDarray | None = None) -> DNDarray:
    """Elements to the given number of decimals, halves to even. Local."""
    x = as_operand(x)

    def rounded(t: Tensor) -> Tensor:
        if t.is_complex():
            return torch.complex(rounded(t.real), rounded(t.imag))
        if kind(t.dtype) < 2 and decimals >= 0:
            return t.clone()
        if kind(t.dtype) == 2:
            return torch.round(t, decimals=decimals)
        return ((t.to(torch.float64) / 10**-decimals).round() * 10**-decimals).to(t.dtype)

    return apply(rounded, (x,), (floating_of(x.dtype) if x.dtype is torch.bool else None,), out)


def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None, *, copy: bool = True
) -> DNDarray:
    """NaN and infinities replaced by numbers, by default zero and the largest finite ones; in place without `copy`.
    Local."""
    x = as_operand(x)

    def replaced(t: Tensor) -> Tensor:
        if t.is_complex():
            return torch.complex(replaced(t.real), replaced(t.imag))
        return torch.nan_to_num(t, nan, posinf, neginf) if t.is_floating_point() else t.clone()

    return apply(replaced, (x,), (None,), None if copy else x)


def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> DNDarray:
    """|x1 - x2| <= atol + rtol |x2|, element by element. Communication: as the elementwise family."""
    x1, x2 = _operands(x1, x2)
    if not isinstance(x1, DNDarray) and not isinstance(x2, DNDarray):
        x1 = as_operand(x1)
    computed = floating_of(result_type(x1, x2))

    def close(a: Tensor, b: Tensor) -> Tensor:
        a, b = torch.broadcast_tensors(a, b)
        return torch.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)

    return apply(close, (x1, x2), (computed, computed))


def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (`isclose`), on every process. Communication: one all-reduce if they are split."""
    return bool(FUNCTIONS["all"](isclose(x1, x2, rtol, atol, equal_nan)))


def array_equal(x1: Any, x2: Any, equal_nan: bool = False) -> bool:
    """Whether shapes and all elements are equal. Communication: one all-reduce if they are split."""
    x1, x2 = _operands(x1, x2)
    x1 = as_operand(x1)
    x2 = as_operand(x2)
    if x1.shape != x2.shape:
        return False
    same_comm([x1, x2])
    same: Callable = FUNCTIONS["equal"]
    result = same(x1, x2)
    if equal_nan:
        both = FUNCTIONS["logical_and"](FUNCTIONS["isnan"](x1), FUNCTIONS["isnan"](x2))
        result = FUNCTIONS["logical_or"](result, both)
    return bool(FUNCTIONS["all"](result))


def array_equiv(x1: Any, x2: Any) -> bool:
    """Whether the arrays broadcast to one shape and are equal there."""
    try:
        return bool(FUNCTIONS["all"](FUNCTIONS["equal"](x1, x2)))
    except ValueError:
        return False


for _function in (where, clip, round, nan_to_num, isclose):
    FUNCTIONS[_function.__name__] = _function
