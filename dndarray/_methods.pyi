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
    def conj(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Complex conjugate."""
    def conjugate(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Complex conjugate."""
    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None, out: DNDarray | None = None) -> DNDarray:
        """Elements limited to [min, max]; either may be an array or None. Communication: as the elementwise family."""
    def round(self, decimals: int = 0, out: DNDarray | None = None) -> DNDarray:
        """Elements to the given number of decimals, halves to even. Local."""
    def exp(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """e**x."""
    def log(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Natural logarithm."""
    def sqrt(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Non-negative square root."""
    def square(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """x * x."""
    def sin(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Sine."""
    def cos(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Cosine."""
    def tan(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Tangent."""
    def tanh(self, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
        """Hyperbolic tangent."""
    def isclose(self, x2: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> DNDarray:
        """|x1 - x2| <= atol + rtol |x2|, element by element. Communication: as the elementwise family."""
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
        """The elements in reverse order along axes. Communication: one all-to-all if one of them is split."""
    def roll(self, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> DNDarray:
        """The elements moved on along axes, those that fall off come in again at the front."""
    def ravel(self) -> DNDarray:
        """The elements in C order along one axis. Communication: as `reshape`."""
    def flatten(self) -> DNDarray:
        """As `ravel`, always in memory of its own."""
    def nonzero(self) -> tuple[DNDarray, ...]:
        """The indices of the elements that are not zero, one array of int64 for each axis, in C order."""
    def take(self, indices: Any, axis: int | None = None) -> DNDarray:
        """The elements of `x` at `indices` along `axis`; None means of the flattened array. Communication: as indexing."""
    def diagonal(self, offset: int = 0) -> DNDarray:
        """The `offset`-th diagonal of a matrix, split as the matrix is. Local on 1-D grids, else one redistribution."""
