"""Made by tools/stubs.py: change the tables, not this file."""

# ruff: noqa: E501, N802

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from .array import DNDarray
from .layout import Grid, Split

ArrayLike: TypeAlias = (
    DNDarray | np.ndarray[Any, Any] | np.generic | torch.Tensor | complex | list[Any] | tuple[Any, ...]
)
Axis: TypeAlias = int | Sequence[int] | None
DTypeLike: TypeAlias = torch.dtype | np.dtype[Any] | type | str | None

class Methods:
    @property
    def T(self) -> DNDarray:
        """The axes in another order, by default reversed; each keeps its split. A view; nothing moves."""
    @property
    def mT(self) -> DNDarray:
        """The last two axes exchanged. A view; nothing moves."""
    @property
    def real(self) -> DNDarray:
        """Real part."""
    @property
    def imag(self) -> DNDarray:
        """Imaginary part."""
    def __add__(self, other: ArrayLike) -> DNDarray: ...
    def __radd__(self, other: ArrayLike) -> DNDarray: ...
    def __iadd__(self, other: ArrayLike) -> DNDarray: ...
    def __sub__(self, other: ArrayLike) -> DNDarray: ...
    def __rsub__(self, other: ArrayLike) -> DNDarray: ...
    def __isub__(self, other: ArrayLike) -> DNDarray: ...
    def __mul__(self, other: ArrayLike) -> DNDarray: ...
    def __rmul__(self, other: ArrayLike) -> DNDarray: ...
    def __imul__(self, other: ArrayLike) -> DNDarray: ...
    def __truediv__(self, other: ArrayLike) -> DNDarray: ...
    def __rtruediv__(self, other: ArrayLike) -> DNDarray: ...
    def __itruediv__(self, other: ArrayLike) -> DNDarray: ...
    def __floordiv__(self, other: ArrayLike) -> DNDarray: ...
    def __rfloordiv__(self, other: ArrayLike) -> DNDarray: ...
    def __ifloordiv__(self, other: ArrayLike) -> DNDarray: ...
    def __mod__(self, other: ArrayLike) -> DNDarray: ...
    def __rmod__(self, other: ArrayLike) -> DNDarray: ...
    def __imod__(self, other: ArrayLike) -> DNDarray: ...
    def __pow__(self, other: ArrayLike) -> DNDarray: ...
    def __rpow__(self, other: ArrayLike) -> DNDarray: ...
    def __ipow__(self, other: ArrayLike) -> DNDarray: ...
    def __and__(self, other: ArrayLike) -> DNDarray: ...
    def __rand__(self, other: ArrayLike) -> DNDarray: ...
    def __iand__(self, other: ArrayLike) -> DNDarray: ...
    def __or__(self, other: ArrayLike) -> DNDarray: ...
    def __ror__(self, other: ArrayLike) -> DNDarray: ...
    def __ior__(self, other: ArrayLike) -> DNDarray: ...
    def __xor__(self, other: ArrayLike) -> DNDarray: ...
    def __rxor__(self, other: ArrayLike) -> DNDarray: ...
    def __ixor__(self, other: ArrayLike) -> DNDarray: ...
    def __lshift__(self, other: ArrayLike) -> DNDarray: ...
    def __rlshift__(self, other: ArrayLike) -> DNDarray: ...
    def __ilshift__(self, other: ArrayLike) -> DNDarray: ...
    def __rshift__(self, other: ArrayLike) -> DNDarray: ...
    def __rrshift__(self, other: ArrayLike) -> DNDarray: ...
    def __irshift__(self, other: ArrayLike) -> DNDarray: ...
    def __matmul__(self, other: ArrayLike) -> DNDarray: ...
    def __rmatmul__(self, other: ArrayLike) -> DNDarray: ...
    def __imatmul__(self, other: ArrayLike) -> DNDarray: ...
    def __divmod__(self, other: ArrayLike) -> tuple[DNDarray, DNDarray]: ...
    def __rdivmod__(self, other: ArrayLike) -> tuple[DNDarray, DNDarray]: ...
    def __eq__(self, other: ArrayLike) -> DNDarray: ...  # type: ignore[override]
    def __ne__(self, other: ArrayLike) -> DNDarray: ...  # type: ignore[override]
    def __lt__(self, other: ArrayLike) -> DNDarray: ...
    def __le__(self, other: ArrayLike) -> DNDarray: ...
    def __gt__(self, other: ArrayLike) -> DNDarray: ...
    def __ge__(self, other: ArrayLike) -> DNDarray: ...
    def __neg__(self) -> DNDarray: ...
    def __pos__(self) -> DNDarray: ...
    def __abs__(self) -> DNDarray: ...
    def __invert__(self) -> DNDarray: ...
    def __getitem__(self, key: Any) -> DNDarray: ...
    def __setitem__(self, key: Any, value: ArrayLike) -> None: ...
    def reshape(self, *shape: int | Sequence[int], new_split: Split | str = "keep") -> DNDarray:
        """The same elements in C order in another shape."""
    def transpose(self, *axes: int | Sequence[int] | None) -> DNDarray:
        """The axes in another order, by default reversed; each keeps its split. A view; nothing moves."""
    def abs(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Absolute value."""
    def absolute(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Absolute value."""
    def negative(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Numerical negative."""
    def positive(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """The array itself, in a new one."""
    def sign(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """-1, 0 or 1; for complex numbers x / |x|."""
    def conj(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Complex conjugate."""
    def conjugate(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Complex conjugate."""
    def square(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """x * x."""
    def reciprocal(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """1 / x."""
    def ceil(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Smallest integer not below."""
    def floor(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Largest integer not above."""
    def trunc(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """The integer nearest towards zero."""
    def fix(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """The integer nearest towards zero."""
    def rint(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """The nearest integer, halves to even."""
    def fabs(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Absolute value in floating point."""
    def sqrt(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Non-negative square root."""
    def cbrt(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Cube root."""
    def exp(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """e**x."""
    def exp2(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """2**x."""
    def expm1(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """exp(x) - 1, exact for small x."""
    def log(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Natural logarithm."""
    def log2(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Logarithm to base 2."""
    def log10(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Logarithm to base 10."""
    def log1p(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """log(1 + x), exact for small x."""
    def sin(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Sine."""
    def cos(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Cosine."""
    def tan(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Tangent."""
    def arcsin(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse sine."""
    def asin(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse sine."""
    def arccos(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse cosine."""
    def acos(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse cosine."""
    def arctan(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse tangent."""
    def atan(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse tangent."""
    def sinh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Hyperbolic sine."""
    def cosh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Hyperbolic cosine."""
    def tanh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Hyperbolic tangent."""
    def arcsinh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic sine."""
    def asinh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic sine."""
    def arccosh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic cosine."""
    def acosh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic cosine."""
    def arctanh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic tangent."""
    def atanh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Inverse hyperbolic tangent."""
    def deg2rad(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Degrees to radians."""
    def radians(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Degrees to radians."""
    def rad2deg(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Radians to degrees."""
    def degrees(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Radians to degrees."""
    def sinc(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """sin(pi x) / (pi x)."""
    def i0(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Modified Bessel function of the first kind, order 0."""
    def isfinite(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Neither infinite nor NaN."""
    def isinf(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Positive or negative infinity."""
    def isnan(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Not a number."""
    def isposinf(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Positive infinity."""
    def isneginf(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Negative infinity."""
    def isreal(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Imaginary part is zero."""
    def iscomplex(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Imaginary part is not zero."""
    def signbit(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Whether the sign bit is set."""
    def logical_not(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Truth of not x."""
    def invert(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Bit by bit not."""
    def bitwise_not(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Bit by bit not."""
    def bitwise_invert(
        self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
    ) -> DNDarray:
        """Bit by bit not."""
    def bitwise_count(
        self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
    ) -> DNDarray:
        """Number of ones in the binary form of the absolute value."""
    def spacing(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Distance to the next number away from zero."""
    def angle(self, deg: bool = False) -> DNDarray:
        """The angle of complex numbers, in radians or degrees; of real ones 0 or pi. Local."""
    def modf(
        self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
    ) -> tuple[DNDarray, DNDarray]:
        """Fractional and integral part."""
    def frexp(
        self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
    ) -> tuple[DNDarray, DNDarray]:
        """Mantissa and exponent of 2."""
    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None, out: DNDarray | None = None) -> DNDarray:
        """Elements limited to [min, max]; either may be an array or None. Communication: as the elementwise family."""
    def round(self, decimals: int = 0, out: DNDarray | None = None) -> DNDarray:
        """Elements to the given number of decimals, halves to even. Local."""
    def isclose(self, x2: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> DNDarray:
        """|x1 - x2| <= atol + rtol |x2|, element by element. Communication: as the elementwise family."""
    def allclose(self, x2: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
        """Whether all elements are close (`isclose`), on every process. Communication: one all-reduce if they are split."""
    def nan_to_num(
        self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None, *, copy: bool = True
    ) -> DNDarray:
        """NaN and infinities replaced by numbers, by default zero and the largest finite ones; in place without `copy`."""
    def sum(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: DNDarray | None = None,
        keepdims: bool = False,
        initial: complex | None = None,
        where: ArrayLike = True,
    ) -> DNDarray:
        """Sum of elements."""
    def prod(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: DNDarray | None = None,
        keepdims: bool = False,
        initial: complex | None = None,
        where: ArrayLike = True,
    ) -> DNDarray:
        """Product of elements."""
    def min(
        self,
        axis: Axis = None,
        out: DNDarray | None = None,
        keepdims: bool = False,
        initial: complex | None = None,
        where: ArrayLike = True,
    ) -> DNDarray:
        """Smallest element; NaN if there is one."""
    def max(
        self,
        axis: Axis = None,
        out: DNDarray | None = None,
        keepdims: bool = False,
        initial: complex | None = None,
        where: ArrayLike = True,
    ) -> DNDarray:
        """Largest element; NaN if there is one."""
    def mean(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: DNDarray | None = None,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
    ) -> DNDarray:
        """Arithmetic mean."""
    def var(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: DNDarray | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
        correction: float | None = None,
    ) -> DNDarray:
        """Variance, merged over processes by counts and moments."""
    def std(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: DNDarray | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
        correction: float | None = None,
    ) -> DNDarray:
        """Standard deviation."""
    def all(
        self, axis: Axis = None, out: DNDarray | None = None, keepdims: bool = False, *, where: ArrayLike = True
    ) -> DNDarray:
        """Whether all elements are true."""
    def any(
        self, axis: Axis = None, out: DNDarray | None = None, keepdims: bool = False, *, where: ArrayLike = True
    ) -> DNDarray:
        """Whether any element is true."""
    def argmin(self, axis: int | None = None, out: DNDarray | None = None, keepdims: bool = False) -> DNDarray:
        """Index of the smallest element (the first of equals; NaN counts as smallest), int64."""
    def argmax(self, axis: int | None = None, out: DNDarray | None = None, keepdims: bool = False) -> DNDarray:
        """Index of the largest element (the first of equals; NaN counts as largest), int64."""
    def count_nonzero(self, axis: Axis = None, *, keepdims: bool = False) -> DNDarray:
        """Number of elements that are not zero. Communication: as `sum`."""
    def ptp(self, axis: Axis = None, out: DNDarray | None = None, keepdims: bool = False) -> DNDarray:
        """Largest minus smallest element. Communication: two all-reduces if a reduced axis is split."""
    def cumsum(self, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
        """Running sum along an axis."""
    def cumprod(self, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
        """Running product along an axis."""
    def average(
        self, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
    ) -> DNDarray:
        """The mean, each element weighted."""
    def median(
        self, axis: Axis = None, out: DNDarray | None = None, overwrite_input: bool = False, keepdims: bool = False
    ) -> DNDarray:
        """The middle of the sorted elements, the mean of the middle two if their number is even; NaN if there is one."""
    def percentile(
        self,
        q: Any,
        axis: Axis = None,
        out: DNDarray | None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> DNDarray:
        """As `quantile`, with `q` in [0, 100]."""
    def quantile(
        self,
        q: Any,
        axis: Axis = None,
        out: DNDarray | None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> DNDarray:
        """The elements below which the fractions `q` of all elements lie; NaN if there is one."""
    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike = None, out: DNDarray | None = None
    ) -> DNDarray:
        """Sum of the `offset`-th diagonals over two axes."""
    def argsort(
        self,
        axis: int | None = -1,
        kind: str | None = None,
        order: None = None,
        *,
        descending: bool = False,
        stable: bool | None = None,
    ) -> DNDarray:
        """The indices (int64, of the whole array) that sort `x` along an axis; always stable."""
    def argpartition(
        self, kth: int | Sequence[int], axis: int | None = -1, kind: str = "introselect", order: None = None
    ) -> DNDarray:
        """The indices (int64, of the whole array) that `partition` an array. Arguments, layout and communication as there;"""
    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> DNDarray:
        """Where the elements of `v` would go into the sorted array `a`: before their equals, or after them."""
    def unique(
        self,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        axis: int | None = None,
        *,
        equal_nan: bool = True,
        sorted: bool = True,
    ) -> DNDarray:
        """The distinct elements of `x` in ascending order, or its distinct parts along an axis."""
    def digitize(self, bins: Any, right: bool = False) -> DNDarray:
        """In which bin each element of `x` falls: `bins[i - 1] <= x < bins[i]`, the equality at the other end if `right`."""
    def resplit(self, split: Split = None, grid: Grid | Sequence[int] | None = None) -> DNDarray:
        """The same array dealt out along another axis (None: all of it on every process), balanced."""
    def resplit_(self, split: Split = None, grid: Grid | Sequence[int] | None = None) -> DNDarray:
        """As `resplit`, in place."""
    def balance(self) -> DNDarray:
        """The same array with balanced counts. Communication: one all-to-all if it is not."""
    def balance_(self) -> DNDarray:
        """As `balance`, in place."""
    def redistribute(self, counts: Sequence) -> DNDarray:
        """The same array with as many indices of its split axis on each process as `counts` says."""
    def redistribute_(self, counts: Sequence) -> DNDarray:
        """As `redistribute`, in place."""
    def swapaxes(self, axis1: int, axis2: int) -> DNDarray:
        """Two axes exchanged. A view; nothing moves."""
    def expand_dims(self, axis: int | Sequence[int]) -> DNDarray:
        """New axes of size 1. A view; nothing moves."""
    def squeeze(self, axis: int | Sequence[int] | None = None) -> DNDarray:
        """Without axes of size 1. Communication: one broadcast if such an axis is split."""
    def broadcast_to(self, shape: Sequence[int]) -> DNDarray:
        """`x` stretched to `shape`, keeping its split; a view. Communication: a broadcast if a split axis is stretched."""
    def flip(self, axis: int | Sequence[int] | None = None) -> DNDarray:
        """The elements in reverse order along axes."""
    def roll(self, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> DNDarray:
        """The elements moved on along axes, those that fall off come in again at the front."""
    def rot90(self, k: int = 1, axes: Sequence[int] = (0, 1)) -> DNDarray:
        """Turned by `k` right angles in the plane of two axes, from the first towards the second."""
    def ravel(self, order: str = "C") -> DNDarray:
        """The elements in C order (or "F", the first index fastest) along one axis. Communication: as `reshape`."""
    def flatten(self, order: str = "C") -> DNDarray:
        """As `ravel`, always in memory of its own."""
    def repeat(self, repeats: Any, axis: int | None = None) -> DNDarray:
        """Each element so many times: a number for all, or one for each index along `axis`; None flattens `x` first."""
    def tril(self, k: int = 0) -> DNDarray:
        """`x` with zeros above the k-th diagonal of its last two axes. Local."""
    def triu(self, k: int = 0) -> DNDarray:
        """`x` with zeros below the k-th diagonal of its last two axes. Local."""
    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> DNDarray:
        """The `offset`-th diagonals of the matrices in two axes, along a new last axis; a view where nothing travels."""
    def nonzero(self) -> tuple[DNDarray, ...]:
        """The indices of the elements that are not zero, one array of int64 for each axis, in C order."""
    def take(self, indices: Any, axis: int | None = None, out: DNDarray | None = None, mode: str = "raise") -> DNDarray:
        """The elements of `x` at `indices` along `axis`; None means of the flattened array."""
    def choose(self, choices: Any, out: DNDarray | None = None, mode: str = "raise") -> DNDarray:
        """For each element of `x`, an integer, the element of that one of `choices`; all broadcast together."""
    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Set the elements of `x` at flat indices to `values`, which begin again when they run out. The last one counts."""
    def fill_diagonal(self, value: Any, wrap: bool = False) -> None:
        """Set the elements of `x` whose indices are all the same to `value`: a number, or several taken again and again."""
    def dot(self, b: Any, out: DNDarray | None = None) -> DNDarray:
        """Sum of products over the last axis of `a` and the last but one of `b` (or its only one); of numbers the product."""
