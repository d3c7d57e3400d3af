"""The table of elementwise operations: every NumPy ufunc that torch computes, one line each."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .types import wide_of

__all__ = ["OPS", "ORDERED", "Op"]


class Op(NamedTuple):
    """One row of the table: a function that exists under each of its names, as operator and as `np.` function."""

    name: str
    fn: Callable
    kind: str
    """In which type it computes: 'same' (the operands' common type), 'signed' (the same, no bools), 'number' (the same,
    bools as int8), 'float' (at least floating), 'real' (at least floating, not complex), 'divide' (integers as
    float64), 'compare' (common type, bool result), 'logical' (bool), 'bits' (integers and bool only), 'shift'
    (integers, bools as int8), 'test' (any type, bool result)."""
    summary: str
    aliases: tuple[str, ...] = ()
    nin: int = 2
    nout: int = 1

    @property
    def with_scalar(self) -> Callable | None:
        """The form of `fn` in which a Python number may take the place of one tensor, if there is one."""
        return _WITH_SCALAR.get(self.fn)

    @property
    def in_place(self) -> Callable | None:
        """The form of `fn` that writes into its first tensor, if torch has one."""
        return _IN_PLACE.get(self.fn)


def _unary(name: str, kind: str, summary: str, *aliases: str, fn: Callable | None = None, nout: int = 1) -> Op:
    return Op(name, fn or getattr(torch, name), kind, summary, aliases, 1, nout)


def _binary(name: str, kind: str, summary: str, *aliases: str, fn: Callable | None = None, nout: int = 1) -> Op:
    return Op(name, fn or getattr(torch, name), kind, summary, aliases, 2, nout)


# --- what torch lacks or does otherwise than NumPy --------------------------------------------------------------------


def _guarded(fn: Callable) -> Callable:
    """Integer division by zero gives 0, and of the smallest number by -1 that number, as in NumPy; on the process
    that meets them torch raises at the one and dies at the other."""

    def divide(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype.is_floating_point:
            return fn(x, y).copysign(y) if fn is torch.remainder else fn(x, y)  # zeros have a sign, too
        x, y = torch.broadcast_tensors(x, y)
        zero = y == 0
        overflow = (y == -1) & (x == torch.iinfo(x.dtype).min)
        return fn(x, y.masked_fill(zero | overflow, 1)).masked_fill(zero, 0)

    return divide


NEGATIVE_POWER = "integers to negative integer powers are not allowed; make one of them a float"


def _power(x: Tensor | float, y: Tensor | float) -> Tensor:
    dtype = x.dtype if isinstance(x, Tensor) else y.dtype  # type: ignore[union-attr]
    integers = not (dtype.is_floating_point or dtype.is_complex)
    # Every process knows a number; what arrays hold is looked at before, by all processes together.
    if integers and not isinstance(y, Tensor) and y < 0:
        raise ValueError(NEGATIVE_POWER)
    result = torch.pow(x, y)  # type: ignore[arg-type]
    # torch computes exp(y log x) of complex numbers, which is NaN for 0 ** 0.
    return result.masked_fill(y == 0, 1) if result.is_complex() and isinstance(y, Tensor) else result


def _modf(x: Tensor) -> tuple[Tensor, Tensor]:
    whole = x.trunc()
    return torch.where(x.isinf(), torch.zeros_like(x), x - whole).copysign(x), whole


def _keeping_bools(fn: Callable) -> Callable:
    """`fn`, which has nothing to do on bools and therefore does not take them in torch."""
    return lambda x: x.clone() if x.dtype is torch.bool else fn(x)


def _sign(x: Tensor) -> Tensor:
    return torch.where(x.isnan(), x, torch.sgn(x)) if x.dtype.is_floating_point else torch.sgn(x)


def _rint(x: Tensor) -> Tensor:
    return torch.complex(x.real.round(), x.imag.round()) if x.is_complex() else x.round()


def _angle(x: Tensor) -> Tensor:
    # The negative zero lies on the negative side.
    return torch.angle(x if x.is_complex() else torch.where(x == 0, torch.ones_like(x).copysign(x), x))


def _heaviside(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x.isnan(), x, torch.heaviside(x, y))


def _ldexp(x: Tensor, y: Tensor) -> Tensor:
    x, y = torch.broadcast_tensors(x, y)  # which torch's tries on its own, and warns
    return torch.ldexp(x, y if y.is_floating_point() else y.to(torch.int64))


def _gcd(x: Tensor, y: Tensor) -> Tensor:
    return torch.gcd(x, y).abs()  # torch's is negative for some pairs with the smallest number


def _lcm(x: Tensor, y: Tensor) -> Tensor:
    return _guarded(torch.floor_divide)(x.abs(), _gcd(x, y)) * y.abs()  # torch's dies of the smallest number


def _cbrt(x: Tensor) -> Tensor:
    wide = x.to(wide_of(x.dtype))
    return wide.abs().pow(1 / 3).copysign(wide).to(x.dtype)


def _reciprocal(x: Tensor) -> Tensor:
    if x.dtype.is_floating_point or x.dtype.is_complex:
        return torch.reciprocal(x)
    zero = x == 0
    return torch.div(1, x.masked_fill(zero, 1), rounding_mode="trunc").to(x.dtype).masked_fill(zero, 0)


def _bitwise_count(x: Tensor) -> Tensor:
    """Ones in the binary form of |x|, added up in ever wider fields of the word (Warren, Hacker's Delight, 5-1)."""
    v = x.view(torch.int64) if x.dtype is torch.uint64 else x.to(torch.int64).abs()
    v = v - ((v >> 1) & 0x5555555555555555)
    v = (v & 0x3333333333333333) + ((v >> 2) & 0x3333333333333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((v * 0x0101010101010101) >> 56).to(torch.uint8)


def _spacing(x: Tensor) -> Tensor:
    size = x.abs()
    return (torch.nextafter(size, torch.full_like(size, torch.inf)) - size).copysign(x)


_WITH_SCALAR: dict[Callable, Callable] = {
    torch.add: operator.add,
    torch.subtract: operator.sub,
    torch.multiply: operator.mul,
    torch.divide: operator.truediv,
    torch.eq: operator.eq,
    torch.not_equal: operator.ne,
    torch.less: operator.lt,
    torch.less_equal: operator.le,
    torch.greater: operator.gt,
    torch.greater_equal: operator.ge,
    _power: _power,
}
"""Functions that take a Python number in place of a tensor, and the form that takes it on either side."""

_IN_PLACE: dict[Callable, Callable] = {
    torch.add: Tensor.add_,
    torch.subtract: Tensor.subtract_,
    torch.multiply: Tensor.multiply_,
    torch.divide: Tensor.divide_,
    torch.bitwise_and: Tensor.bitwise_and_,
    torch.bitwise_or: Tensor.bitwise_or_,
    torch.bitwise_xor: Tensor.bitwise_xor_,
}

UNARY = [
    _unary("abs", "same", "Absolute value.", "absolute", fn=_keeping_bools(torch.abs)),
    _unary("negative", "signed", "Numerical negative."),
    _unary("positive", "signed", "The array itself, in a new one.", fn=lambda x: x.clone()),
    _unary("sign", "signed", "-1, 0 or 1; for complex numbers x / |x|.", fn=_sign),
    _unary("conj", "number", "Complex conjugate.", "conjugate", fn=lambda x: torch.conj(x).resolve_conj()),
    _unary("square", "number", "x * x."),
    _unary("reciprocal", "number", "1 / x.", fn=_reciprocal),
    _unary("ceil", "same", "Smallest integer not below.", fn=_keeping_bools(torch.ceil)),
    _unary("floor", "same", "Largest integer not above.", fn=_keeping_bools(torch.floor)),
    _unary("trunc", "same", "The integer nearest towards zero.", "fix", fn=_keeping_bools(torch.trunc)),
    _unary("rint", "float", "The nearest integer, halves to even.", fn=_rint),
    _unary("fabs", "real", "Absolute value in floating point.", fn=torch.abs),
    _unary("sqrt", "float", "Non-negative square root."),
    _unary("cbrt", "real", "Cube root.", fn=_cbrt),
    _unary("exp", "float", "e**x."),
    _unary("exp2", "float", "2**x."),
    _unary("expm1", "float", "exp(x) - 1, exact for small x."),
    _unary("log", "float", "Natural logarithm."),
    _unary("log2", "float", "Logarithm to base 2."),
    _unary("log10", "float", "Logarithm to base 10."),
    _unary("log1p", "float", "log(1 + x), exact for small x."),
    _unary("sin", "float", "Sine."),
    _unary("cos", "float", "Cosine."),
    _unary("tan", "float", "Tangent."),
    _unary("arcsin", "float", "Inverse sine.", "asin"),
    _unary("arccos", "float", "Inverse cosine.", "acos"),
    _unary("arctan", "float", "Inverse tangent.", "atan"),
    _unary("sinh", "float", "Hyperbolic sine."),
    _unary("cosh", "float", "Hyperbolic cosine."),
    _unary("tanh", "float", "Hyperbolic tangent."),
    _unary("arcsinh", "float", "Inverse hyperbolic sine.", "asinh"),
    _unary("arccosh", "float", "Inverse hyperbolic cosine.", "acosh"),
    _unary("arctanh", "float", "Inverse hyperbolic tangent.", "atanh"),
    _unary("deg2rad", "real", "Degrees to radians.", "radians"),
    _unary("rad2deg", "real", "Radians to degrees.", "degrees"),
    _unary("sinc", "divide", "sin(pi x) / (pi x)."),
    _unary("i0", "divide", "Modified Bessel function of the first kind, order 0."),
    _unary("isfinite", "test", "Neither infinite nor NaN."),
    _unary("isinf", "test", "Positive or negative infinity."),
    _unary("isnan", "test", "Not a number."),
    _unary("isposinf", "test", "Positive infinity."),
    _unary("isneginf", "test", "Negative infinity."),
    _unary("isreal", "test", "Imaginary part is zero."),
    _unary("iscomplex", "test", "Imaginary part is not zero.", fn=lambda x: ~torch.isreal(x)),
    _unary("signbit", "test", "Whether the sign bit is set."),
    _unary("logical_not", "logical", "Truth of not x."),
    _unary("invert", "bits", "Bit by bit not.", "bitwise_not", "bitwise_invert", fn=torch.bitwise_not),
    _unary("bitwise_count", "bits", "Number of ones in the binary form of the absolute value.", fn=_bitwise_count),
    _unary("spacing", "real", "Distance to the next number away from zero.", fn=_spacing),
    _unary("angle", "float", "Argument of a complex number, in radians.", fn=_angle),
    _unary("real", "same", "Real part.", fn=lambda x: torch.real(x) if x.is_complex() else x),
    _unary("imag", "same", "Imaginary part.", fn=lambda x: torch.imag(x) if x.is_complex() else torch.zeros_like(x)),
    _unary("modf", "real", "Fractional and integral part.", fn=_modf, nout=2),
    _unary("frexp", "real", "Mantissa and exponent of 2.", fn=torch.frexp, nout=2),
]

BINARY = [
    _binary("add", "same", "x1 + x2."),
    _binary("subtract", "signed", "x1 - x2."),
    _binary("multiply", "same", "x1 * x2."),
    _binary("divide", "divide", "x1 / x2.", "true_divide"),
    _binary("floor_divide", "number", "Largest integer not above x1 / x2.", fn=_guarded(torch.floor_divide)),
    _binary("remainder", "number", "Remainder with the sign of x2.", "mod", fn=_guarded(torch.remainder)),
    _binary("fmod", "number", "Remainder with the sign of x1.", fn=_guarded(torch.fmod)),
    _binary("power", "number", "x1 to the power x2; of integers, truncated.", "pow", fn=_power),
    _binary("float_power", "divide", "x1 to the power x2 in double precision.", fn=torch.float_power),
    _binary("maximum", "same", "The larger; NaN if either is."),
    _binary("minimum", "same", "The smaller; NaN if either is."),
    _binary("fmax", "same", "The larger; the other one where one is NaN."),
    _binary("fmin", "same", "The smaller; the other one where one is NaN."),
    _binary("arctan2", "real", "Angle of the point (x2, x1), in radians.", "atan2"),
    _binary("hypot", "real", "sqrt(x1**2 + x2**2) without overflow."),
    _binary("logaddexp", "real", "log(exp(x1) + exp(x2)) without overflow."),
    _binary("logaddexp2", "real", "log2(2**x1 + 2**x2) without overflow."),
    _binary("copysign", "real", "The size of x1 with the sign of x2."),
    _binary("nextafter", "real", "The next number from x1 towards x2."),
    _binary("heaviside", "real", "0, x2 or 1 as x1 is below, at or above zero.", fn=_heaviside),
    _binary("ldexp", "real", "x1 * 2**x2.", fn=_ldexp),
    _binary("gcd", "bits", "Greatest common divisor.", fn=_gcd),
    _binary("lcm", "bits", "Least common multiple.", fn=_lcm),
    _binary("bitwise_and", "bits", "Bit by bit and."),
    _binary("bitwise_or", "bits", "Bit by bit or."),
    _binary("bitwise_xor", "bits", "Bit by bit exclusive or."),
    _binary("left_shift", "shift", "x1 << x2.", "bitwise_left_shift", fn=torch.bitwise_left_shift),
    _binary("right_shift", "shift", "x1 >> x2.", "bitwise_right_shift", fn=torch.bitwise_right_shift),
    _binary("logical_and", "logical", "Truth of x1 and x2."),
    _binary("logical_or", "logical", "Truth of x1 or x2."),
    _binary("logical_xor", "logical", "Truth of either x1 or x2."),
    _binary("equal", "compare", "x1 == x2.", fn=torch.eq),
    _binary("not_equal", "compare", "x1 != x2."),
    _binary("less", "compare", "x1 < x2."),
    _binary("less_equal", "compare", "x1 <= x2."),
    _binary("greater", "compare", "x1 > x2."),
    _binary("greater_equal", "compare", "x1 >= x2."),
    _binary(
        "divmod",
        "number",
        "Floor quotient and remainder.",
        fn=lambda x, y: (_guarded(torch.floor_divide)(x, y), _guarded(torch.remainder)(x, y)),
        nout=2,
    ),
]

OPS: dict[str, Op] = {op.name: op for op in UNARY + BINARY}

ORDERED = frozenset(
    """
    ceil floor trunc isposinf isneginf signbit i0 maximum minimum fmax fmin less less_equal greater greater_equal
    """.split()
)
"""What torch has of real numbers only, be it that NumPy orders complex ones by their real parts."""
