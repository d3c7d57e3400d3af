"""uint16, uint32 and uint64, which torch stores and has next to no kernels for: signed integers stand in for them.

Two stand-ins serve all purposes. What only moves elements takes them as signed integers of the same width (`moved`).
What computes (`on_stand_ins`) takes uint16 and uint32 as a wider signed type, in which nothing is lost, and uint64 as
the same bits: sums and products wrap around alike, what compares flips the first bit, what divides is written out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["STAND_INS", "as_signed", "from_ordered", "moved", "on_stand_ins", "to_ordered"]

STAND_INS = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}
"""In which type they are added up and multiplied; converting back wraps around as their own arithmetic would."""

_SAME_WIDTH = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
_LOWEST, _HIGHEST = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max


def moved(fn: Callable[..., Tensor], tensor: Tensor, *args: Any) -> Tensor:
    """`fn(tensor, *args)` for a function that moves elements and does not look at them."""
    result = fn(as_signed(tensor), *args)
    return result.view(tensor.dtype) if tensor.dtype in _SAME_WIDTH else result


def as_signed(tensor: Tensor) -> Tensor:
    """The same memory as signed integers of the same width; the tensor itself where torch has kernels for its type."""
    return tensor.view(_SAME_WIDTH[tensor.dtype]) if tensor.dtype in _SAME_WIDTH else tensor


def to_ordered(tensor: Tensor) -> Tensor:
    """Signed integers in the same order as these elements; the tensor itself where torch compares its type."""
    if tensor.dtype is torch.uint64:
        return tensor.view(torch.int64) ^ _LOWEST
    return tensor.to(STAND_INS[tensor.dtype]) if tensor.dtype in STAND_INS else tensor


def from_ordered(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The inverse of `to_ordered`."""
    if dtype is torch.uint64:
        return (tensor ^ _LOWEST).view(torch.uint64)
    return tensor.to(dtype) if dtype in STAND_INS else tensor


def on_stand_ins(fn: Callable, name: str | None, *tensors: Tensor) -> Any:
    """`fn`, the operation `name` of the elementwise table or None, of tensors some of which are of these types."""
    dtype = max((t.dtype for t in tensors if t.dtype in STAND_INS), key=lambda t: t.itemsize)
    if dtype is not torch.uint64:
        wide = STAND_INS[dtype]
        results = fn(*(t.to(wide) if t.dtype in STAND_INS else t for t in tensors))
    elif name not in _OF_64:
        return fn(*tensors)
    else:
        wide, results = torch.int64, _OF_64[name](fn, *tensors)
    if isinstance(results, tuple):
        return tuple(r.to(dtype) if r.dtype is wide else r for r in results)
    return results.to(dtype) if results.dtype is wide else results


# --- uint64 on the bits of int64: functions of `fn` and its operands --------------------------------------------------


def _on_bits(fn: Callable, *tensors: Tensor) -> Any:
    return fn(*map(as_signed, tensors))


def _unchanged(fn: Callable, x: Tensor) -> Tensor:
    return x.clone()


def _nowhere(fn: Callable, x: Tensor) -> Tensor:
    return torch.zeros_like(x, dtype=torch.bool)


def _ordered(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Stand-ins in the same order; one of the two may be of signed integers."""
    if y.dtype is not torch.uint64:
        negative = y < 0
        return to_ordered(x).masked_fill(negative, 0), (y.to(torch.int64) ^ _LOWEST).masked_fill(negative, -1)
    return to_ordered(x), to_ordered(y)


def _comparison(fn: Callable, x: Tensor, y: Tensor) -> Tensor:
    if x.dtype is torch.uint64:
        return fn(*_ordered(*torch.broadcast_tensors(x, y)))
    second, first = _ordered(*torch.broadcast_tensors(y, x))
    return fn(first, second)


def _extremum(fn: Callable, x: Tensor, y: Tensor) -> Tensor:
    return from_ordered(fn(to_ordered(x), to_ordered(y)), torch.uint64)


def _shifted(x: Tensor, places: Tensor) -> Tensor:
    """Shift to the right that brings in zeros; nothing is left beyond 63 places."""
    places = torch.where(places < 0, 64, places).clamp(max=64)
    return torch.where(places == 0, x, ((x >> 1) & _HIGHEST) >> (places - 1).clamp(min=0))


def _quotient(x: Tensor, y: Tensor) -> Tensor:
    """Unsigned division of bits, by way of half the dividend (Warren, Hacker's Delight, 9-3); by zero it is zero."""
    x, y = torch.broadcast_tensors(x, y)
    large = y < 0
    divisor = y.masked_fill(large | (y == 0), 1)
    quotient = torch.floor_divide((x >> 1) & _HIGHEST, divisor) << 1
    quotient = quotient + _at_least(x - quotient * divisor, divisor)
    return torch.where(large, _at_least(x, y).to(x.dtype), quotient).masked_fill(y == 0, 0)


def _at_least(x: Tensor, y: Tensor) -> Tensor:
    return (x ^ _LOWEST) >= (y ^ _LOWEST)


def _remainder(x: Tensor, y: Tensor) -> Tensor:
    return (x - _quotient(x, y) * y).masked_fill(y == 0, 0)


def _gcd(x: Tensor, y: Tensor) -> Tensor:
    x, y = torch.broadcast_tensors(x, y)
    while bool(y.any()):
        x, y = torch.where(y == 0, x, y), _remainder(x, y)
    return x


def _power(x: Tensor, y: Tensor) -> Tensor:
    """Of the exponent's two halves, for torch takes its first bit for a sign."""
    high, low = _shifted(y, torch.full_like(y, 32)), y & 0xFFFFFFFF
    return torch.pow(torch.pow(x, high), 2**32) * torch.pow(x, low)


def _with(kernel: Callable) -> Callable:
    """A kernel on bits in the place of torch's."""
    return lambda fn, *tensors: kernel(*map(as_signed, tensors))


_OF_64: dict[str, Callable] = {
    **dict.fromkeys(
        "add subtract multiply square negative invert bitwise_and bitwise_or bitwise_xor left_shift where".split(),
        _on_bits,
    ),
    **dict.fromkeys("abs positive ceil floor trunc conj real".split(), _unchanged),
    **dict.fromkeys("equal not_equal less less_equal greater greater_equal".split(), _comparison),
    **dict.fromkeys("maximum minimum fmax fmin".split(), _extremum),
    **dict.fromkeys("isposinf isneginf isinf isnan iscomplex signbit".split(), _nowhere),
    "imag": lambda fn, x: torch.zeros_like(x),
    "sign": _with(lambda x: (x != 0).to(x.dtype)),
    "reciprocal": _with(lambda x: (x == 1).to(x.dtype)),
    "right_shift": _with(_shifted),
    "floor_divide": _with(_quotient),
    "remainder": _with(_remainder),
    "fmod": _with(_remainder),
    "divmod": _with(lambda x, y: (_quotient(x, y), _remainder(x, y))),
    "gcd": _with(_gcd),
    "lcm": _with(lambda x, y: _quotient(x, _gcd(x, y)) * y),
    "power": _with(_power),
}
"""The operations whose bits are not what torch gives for signed integers, and those where they are."""
