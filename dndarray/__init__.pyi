"""Made by tools/stubs.py: change the tables, not this file."""

# ruff: noqa: E501, N802

import builtins
from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import enable_grad as enable_grad
from torch import finfo as finfo
from torch import iinfo as iinfo
from torch import no_grad as no_grad

from . import algorithms as algorithms
from . import collectives as collectives
from . import energy as energy
from . import io as io
from . import nn as nn
from . import optim as optim
from . import random as random
from . import testing as testing
from ._methods import ArrayLike, Axis, DTypeLike
from .advanced_indexing import nonzero as nonzero
from .advanced_indexing import take as take
from .array import DNDarray as DNDarray
from .communication import Communicator as Communicator
from .communication import get_comm as get_comm
from .communication import use_comm as use_comm
from .contraction import matmul as matmul
from .contraction import matvec as matvec
from .contraction import vecdot as vecdot
from .contraction import vecmat as vecmat
from .creation import arange as arange
from .creation import array as array
from .creation import asarray as asarray
from .creation import empty as empty
from .creation import empty_like as empty_like
from .creation import full as full
from .creation import full_like as full_like
from .creation import logspace as logspace
from .creation import meshgrid as meshgrid
from .creation import ones as ones
from .creation import ones_like as ones_like
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like
from .device import get_device as get_device
from .device import use_device as use_device
from .diagonals import diag as diag
from .diagonals import diagonal as diagonal
from .diagonals import eye as eye
from .diagonals import tri as tri
from .diagonals import tril as tril
from .diagonals import triu as triu
from .errors import DistributedArrayError as DistributedArrayError
from .errors import MismatchError as MismatchError
from .layout import Grid as Grid
from .layout import Layout as Layout
from .layout import Split
from .logic import allclose as allclose
from .logic import array_equal as array_equal
from .logic import array_equiv as array_equiv
from .logic import clip as clip
from .logic import isclose as isclose
from .logic import nan_to_num as nan_to_num
from .logic import round as round
from .manipulation import balance as balance
from .manipulation import balance_ as balance_
from .manipulation import broadcast_arrays as broadcast_arrays
from .manipulation import broadcast_to as broadcast_to
from .manipulation import concatenate as concatenate
from .manipulation import expand_dims as expand_dims
from .manipulation import flatten as flatten
from .manipulation import flip as flip
from .manipulation import matrix_transpose as matrix_transpose
from .manipulation import moveaxis as moveaxis
from .manipulation import permute_dims as permute_dims
from .manipulation import ravel as ravel
from .manipulation import redistribute as redistribute
from .manipulation import redistribute_ as redistribute_
from .manipulation import reshape as reshape
from .manipulation import resplit as resplit
from .manipulation import resplit_ as resplit_
from .manipulation import roll as roll
from .manipulation import squeeze as squeeze
from .manipulation import stack as stack
from .manipulation import swapaxes as swapaxes
from .manipulation import transpose as transpose
from .printing import print as print
from .reduction import count_nonzero as count_nonzero
from .reduction import ptp as ptp
from .types import can_cast as can_cast
from .types import isdtype as isdtype
from .types import promote_types as promote_types
from .types import result_type as result_type

__all__: list[str]
__version__: str

def abs(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Absolute value."""

def absolute(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Absolute value."""

def acos(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse cosine."""

def acosh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic cosine."""

def add(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 + x2."""

def all(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Whether all elements are true."""

def amax(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element; NaN if there is one."""

def amin(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element; NaN if there is one."""

def angle(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Argument of a complex number, in radians."""

def any(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Whether any element is true."""

def arccos(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse cosine."""

def arccosh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic cosine."""

def arcsin(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse sine."""

def arcsinh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic sine."""

def arctan(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse tangent."""

def arctan2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Angle of the point (x2, x1), in radians."""

def arctanh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic tangent."""

def argmax(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """Index of the largest element (the first of equals; NaN counts as largest), int64."""

def argmin(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """Index of the smallest element (the first of equals; NaN counts as smallest), int64."""

def asin(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse sine."""

def asinh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic sine."""

def atan(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse tangent."""

def atan2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Angle of the point (x2, x1), in radians."""

def atanh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic tangent."""

bfloat16: torch.dtype

def bitwise_and(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit and."""

def bitwise_count(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Number of ones in the binary form of the absolute value."""

def bitwise_invert(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def bitwise_left_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 << x2."""

def bitwise_not(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def bitwise_or(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit or."""

def bitwise_right_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >> x2."""

def bitwise_xor(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit exclusive or."""

bool: torch.dtype
bool_: torch.dtype

def cbrt(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Cube root."""

def ceil(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Smallest integer not below."""

complex128: torch.dtype
complex64: torch.dtype
concat = concatenate

def conj(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Complex conjugate."""

def conjugate(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Complex conjugate."""

def copysign(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The size of x1 with the sign of x2."""

def cos(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Cosine."""

def cosh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic cosine."""

def cumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
    """Running product along an axis."""

def cumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
    """Running sum along an axis."""

def cumulative_prod(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: builtins.bool = False
) -> DNDarray:
    """Running product along an axis."""

def cumulative_sum(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: builtins.bool = False
) -> DNDarray:
    """Running sum along an axis."""

def deg2rad(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Degrees to radians."""

def degrees(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Radians to degrees."""

def divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 / x2."""

def divmod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Floor quotient and remainder."""

e: float

def equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 == x2."""

def exp(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """e**x."""

def exp2(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """2**x."""

def expm1(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """exp(x) - 1, exact for small x."""

def fabs(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Absolute value in floating point."""

def fix(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """The integer nearest towards zero."""

float16: torch.dtype
float32: torch.dtype
float64: torch.dtype

def float_power(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2 in double precision."""

def floor(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Largest integer not above."""

def floor_divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Largest integer not above x1 / x2."""

def fmax(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The larger; the other one where one is NaN."""

def fmin(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The smaller; the other one where one is NaN."""

def fmod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x1."""

def frexp(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Mantissa and exponent of 2."""

def gcd(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Greatest common divisor."""

def greater(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 > x2."""

def greater_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >= x2."""

def heaviside(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """0, x2 or 1 as x1 is below, at or above zero."""

def hypot(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """sqrt(x1**2 + x2**2) without overflow."""

def i0(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Modified Bessel function of the first kind, order 0."""

def imag(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Imaginary part."""

inf: float
int16: torch.dtype
int32: torch.dtype
int64: torch.dtype
int8: torch.dtype

def invert(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def iscomplex(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Imaginary part is not zero."""

def isfinite(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Neither infinite nor NaN."""

def isinf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Positive or negative infinity."""

def isnan(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Not a number."""

def isneginf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Negative infinity."""

def isposinf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Positive infinity."""

def isreal(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Imaginary part is zero."""

def lcm(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Least common multiple."""

def ldexp(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 * 2**x2."""

def left_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 << x2."""

def less(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 < x2."""

def less_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 <= x2."""

@overload
def linspace(
    start: complex,
    stop: complex,
    num: int = 50,
    endpoint: builtins.bool = True,
    retstep: Literal[False] = False,
    dtype: DTypeLike = None,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Grid | Sequence[int] | None = None,
) -> DNDarray: ...
@overload
def linspace(
    start: complex,
    stop: complex,
    num: int = 50,
    endpoint: builtins.bool = True,
    *,
    retstep: Literal[True],
    dtype: DTypeLike = None,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Grid | Sequence[int] | None = None,
) -> tuple[DNDarray, Any]: ...
def log(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Natural logarithm."""

def log10(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Logarithm to base 10."""

def log1p(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log(1 + x), exact for small x."""

def log2(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Logarithm to base 2."""

def logaddexp(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log(exp(x1) + exp(x2)) without overflow."""

def logaddexp2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log2(2**x1 + 2**x2) without overflow."""

def logical_and(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of x1 and x2."""

def logical_not(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of not x."""

def logical_or(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of x1 or x2."""

def logical_xor(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of either x1 or x2."""

def max(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element; NaN if there is one."""

def maximum(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The larger; NaN if either is."""

def mean(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Arithmetic mean."""

def min(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element; NaN if there is one."""

def minimum(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The smaller; NaN if either is."""

def mod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x2."""

def modf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Fractional and integral part."""

def multiply(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 * x2."""

nan: float

def nanargmax(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """As argmax, passing over NaN."""

def nanargmin(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """As argmin, passing over NaN."""

def nanmax(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element, passing over NaN."""

def nanmean(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Arithmetic mean, passing over NaN."""

def nanmin(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element, passing over NaN."""

def nanprod(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Product of elements, passing over NaN."""

def nanstd(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Standard deviation, passing over NaN."""

def nansum(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Sum of elements, passing over NaN."""

def nanvar(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Variance, passing over NaN."""

def negative(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Numerical negative."""

newaxis: None

def nextafter(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The next number from x1 towards x2."""

def not_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 != x2."""

pi: float

def positive(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The array itself, in a new one."""

def pow(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2; of integers, truncated."""

def power(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2; of integers, truncated."""

def prod(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Product of elements."""

def rad2deg(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Radians to degrees."""

def radians(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Degrees to radians."""

def real(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Real part."""

def reciprocal(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """1 / x."""

def remainder(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x2."""

def right_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >> x2."""

def rint(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """The nearest integer, halves to even."""

def sign(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """-1, 0 or 1; for complex numbers x / |x|."""

def signbit(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Whether the sign bit is set."""

def sin(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Sine."""

def sinc(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """sin(pi x) / (pi x)."""

def sinh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic sine."""

def spacing(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Distance to the next number away from zero."""

def sqrt(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Non-negative square root."""

def square(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x * x."""

def std(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Standard deviation."""

def subtract(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 - x2."""

def sum(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Sum of elements."""

def tan(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Tangent."""

def tanh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic tangent."""

def true_divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 / x2."""

def trunc(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The integer nearest towards zero."""

uint16: torch.dtype
uint32: torch.dtype
uint64: torch.dtype
uint8: torch.dtype

def var(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Variance, merged over processes by counts and moments."""

@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> tuple[DNDarray, ...]: ...
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> DNDarray: ...
