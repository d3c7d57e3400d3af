"""The sparse array: the values of a pattern, and how the matrix lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ..communication import Communicator
from ..layout import Layout
from ..types import as_dtype
from .kernels import DTYPES, host
from .pattern import Pattern

__all__ = ["SparseArray", "issparse"]

FORMATS = ("bsr", "coo", "csc", "csr")
_TRANSPOSED = {"csr": "csc", "csc": "csr"}


class SparseArray:
    """A distributed sparse matrix.

    Made by `dnd.sparse.csr_array`, `eye_array`, ... rather than by hand. Rows (split 0) or columns (split 1) are dealt
    out in blocks; with split None every process has all. The elements lie compressed along the axis that is dealt out:
    rows of sorted columns, or columns of sorted rows; without duplicates. (A sparse product is sorted when something
    first looks at its elements.) Reading an attribute never communicates.

    Parameters
    ----------
    pattern
        Which elements are stored, of the matrix or (`major` 1) of its transpose.
    data
        The values of this process's elements; they may require grad.
    major
        The axis along which the elements are compressed: 0 for rows, 1 for columns.
    format
        SciPy's name of the form that `to_scipy` gives.
    """

    __slots__ = ("_data", "_pattern", "format", "major")
    __array_priority__ = 2000
    __array_ufunc__ = None  # NumPy's operators leave it to ours
    __hash__ = None  # type: ignore[assignment]  # == is elementwise
    ndim = 2

    major: int
    """The axis along which elements are compressed: the split, or for split None 0 but for csc."""
    format: str
    """SciPy's name of the form: "csr", "csc", "coo" or "bsr"."""

    if TYPE_CHECKING:  # what methods.py adds

        def __getattr__(self, name: str) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __neg__(self) -> SparseArray: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __init__(self, pattern: Pattern, data: Tensor, major: int = 0, format: str | None = None) -> None:
        if data.dtype not in DTYPES:
            raise TypeError(
                "sparse arrays hold bools, integers (unsigned of 8 bits only), float32, float64 and complex numbers of "
                f"these, not {data.dtype}; convert with astype"
            )
        if data.shape != (pattern.lnnz,):
            raise ValueError(f"`data` must have the {pattern.lnnz} elements stored here, not shape {tuple(data.shape)}")
        self._pattern = pattern
        self._data = data
        self.major = major
        self.format = format or ("csr", "csc")[major]

    # --- what it is: local, free, without side effects ------------------------------------------------------------

    @property
    def pattern(self) -> Pattern:
        """Which elements are stored; shared by matrices that differ in their values only, and with it the plans."""
        self.sort_indices()
        return self._pattern

    @property
    def data(self) -> Tensor:
        """The values of this process's elements, compressed along `major`: a torch tensor, shared with the array."""
        self.sort_indices()
        return self._data

    @data.setter
    def data(self, values: Tensor) -> None:
        if values.shape != self._data.shape:
            raise ValueError(f"`data` must have the {len(self._data)} elements stored here, not {tuple(values.shape)}")
        self.sort_indices()
        self._data = values

    @property
    def indptr(self) -> Tensor:
        """Where each of this process's rows (of its columns, for `major` 1) begins in `data`."""
        return torch.from_numpy(self.pattern.indptr).to(self.device)

    @property
    def indices(self) -> Tensor:
        """The global column (row, for `major` 1) of each of this process's elements; 64 bits where needed."""
        return torch.from_numpy(self.pattern.indices).to(self.device)

    @property
    def coords(self) -> tuple[Tensor, Tensor]:
        """Global rows and columns of this process's elements."""
        majors = torch.from_numpy(self.pattern.rows).to(self.device) + self.pattern.start
        return (majors, self.indices) if self.major == 0 else (self.indices, majors)

    @property
    def row(self) -> Tensor:
        """Global rows of this process's elements."""
        return self.coords[0]

    @property
    def col(self) -> Tensor:
        """Global columns of this process's elements."""
        return self.coords[1]

    @property
    def layout(self) -> Layout:
        """How a dense array of the same shape would lie that lies beside this one."""
        layout = self._pattern.layout
        return layout if self.major == 0 else layout.permute((1, 0))

    @property
    def shape(self) -> tuple[int, int]:
        """Global shape."""
        m, n = self._pattern.shape
        return (m, n) if self.major == 0 else (n, m)

    @property
    def lshape(self) -> tuple[int, int]:
        """Shape of this process's part."""
        m, n = self._pattern.lshape
        return (m, n) if self.major == 0 else (n, m)

    @property
    def size(self) -> int:
        """Number of elements stored on all processes, as in SciPy."""
        return self._pattern.nnz

    @property
    def nnz(self) -> int:
        """Number of elements stored on all processes, zeros among them included."""
        return self._pattern.nnz

    @property
    def lnnz(self) -> int:
        """Number of elements stored on this process."""
        return self._pattern.lnnz

    @property
    def dtype(self) -> torch.dtype:
        return self._data.dtype

    @property
    def device(self) -> torch.device:
        return self._data.device

    @property
    def comm(self) -> Communicator:
        """The processes that the array is spread over."""
        return self._pattern.comm

    @property
    def split(self) -> int | None:
        """The axis that is dealt out, or None."""
        return self.major if self._pattern.layout.is_dealt else None

    @property
    def has_canonical_format(self) -> bool:
        """Whether indices are sorted without duplicates, as is anything but a product that nothing has looked at."""
        return self._pattern.is_sorted

    @property
    def has_sorted_indices(self) -> bool:
        """Whether indices are sorted, as is anything but a product that nothing has looked at."""
        return self._pattern.is_sorted

    def is_distributed(self) -> bool:
        """Whether some process holds less than all of the matrix."""
        return self._pattern.layout.is_distributed

    @property
    def local(self) -> csr_array:
        """This process's rows, or columns (a `csc_array`) if these are dealt out, as a SciPy array; shares memory.

        Column numbers (of columns: row numbers) are global.
        """
        part = self.pattern.local(host(self.data))
        return part if self.major == 0 else part.T

    def diagonal_block(self) -> csr_array:
        """What couples this process's indices with each other, numbered from 0, as a SciPy array: its rows and the
        columns of the same numbers. Local."""
        block = self.pattern.local(host(self.data))[:, self.pattern.start : self.pattern.stop]
        return block if self.major == 0 else block.T.tocsr()

    # --- what changes nothing but the form ------------------------------------------------------------------------

    def with_data(self, data: Tensor) -> SparseArray:
        """A matrix with the same pattern and other values. Local."""
        return SparseArray(self.pattern, data, self.major, self.format)

    def transpose(self, axes: tuple[int, int] | None = None) -> SparseArray:
        """The transpose, which shares memory: rows dealt out become columns dealt out. Local."""
        if axes is not None and tuple(axes) != (1, 0):
            raise ValueError(f"`axes` (={axes}) must be None or (1, 0)")
        return SparseArray(self.pattern, self.data, 1 - self.major, _TRANSPOSED.get(self.format, self.format))

    @property
    def T(self) -> SparseArray:  # noqa: N802
        """The transpose, which shares memory."""
        return self.transpose()

    @property
    def mT(self) -> SparseArray:  # noqa: N802
        """The transpose, which shares memory."""
        return self.transpose()

    def conj(self) -> SparseArray:
        """The complex conjugate. Local."""
        return self.with_data(self.data.conj().resolve_conj())

    conjugate = conj

    @property
    def H(self) -> SparseArray:  # noqa: N802
        """The conjugate transpose."""
        return self.conj().T

    @property
    def real(self) -> SparseArray:
        return self.with_data(self.data.real if self.dtype.is_complex else self.data)

    @property
    def imag(self) -> SparseArray:
        return self.with_data(self.data.imag if self.dtype.is_complex else torch.zeros_like(self.data))

    def astype(self, dtype: Any, copy: bool = True) -> SparseArray:
        """The same elements in another type. Local."""
        target = as_dtype(dtype)
        values = self.data.real if self.dtype.is_complex and not target.is_complex else self.data
        return self.with_data(values.to(target, copy=copy))

    def copy(self) -> SparseArray:
        """The same values in memory of their own, without gradient history. Local."""
        return self.with_data(self.data.detach().clone())

    def to(self, device: Any) -> SparseArray:
        """The same matrix with its values on another device. Local."""
        return self.with_data(self.data.to(device))

    def asformat(self, format: str | None) -> SparseArray:
        """The same matrix under another of SciPy's names ("csr", "csc", "coo", "bsr"), dealt out as it is. Local.

        How elements lie follows the split. Only a replicated matrix is compressed anew for csr and csc.
        """
        if format not in (None, *FORMATS):
            raise ValueError(f"`format` (={format!r}) must be one of {', '.join(FORMATS)}")
        if format is None or format == self.format:
            return self
        if self.split is None and format in _TRANSPOSED and ("csr", "csc").index(format) != self.major:
            from .rearrangement import recompressed

            other = recompressed(self)
            return SparseArray(other.pattern, other.data, other.major, format)
        return SparseArray(self.pattern, self.data, self.major, format)

    def tocsr(self) -> SparseArray:
        """As `asformat("csr")`."""
        return self.asformat("csr")

    def tocsc(self) -> SparseArray:
        """As `asformat("csc")`."""
        return self.asformat("csc")

    def tocoo(self) -> SparseArray:
        """As `asformat("coo")`."""
        return self.asformat("coo")

    def tobsr(self) -> SparseArray:
        """As `asformat("bsr")`."""
        return self.asformat("bsr")

    def sum_duplicates(self) -> None:
        """Nothing to do: no element is stored twice."""

    def sort_indices(self) -> None:
        """Order the columns of each row (the rows of each column), in place, as whatever looks at them does. Local."""
        if not self._pattern.is_sorted:
            order = torch.from_numpy(self._pattern.sort()).to(self.device)
            self._data = self._data[order]

    # --- gradients ------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._data.requires_grad

    def requires_grad_(self, requires_grad: bool = True) -> SparseArray:
        """Record what is computed from the values, so that `backward` gives their gradient; in place."""
        self.data.requires_grad_(requires_grad)
        return self

    @property
    def grad(self) -> SparseArray | None:
        """The gradient of the values, on the same pattern; None before backward."""
        grad = self._data.grad
        return None if grad is None else self.with_data(grad)

    def detach(self) -> SparseArray:
        """The same matrix without gradient history."""
        return self.with_data(self.data.detach())

    # --- Python's protocols ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        raise TypeError("the length of a sparse array is ambiguous; use A.nnz or A.shape[0]")

    def __bool__(self) -> bool:
        raise ValueError("the truth of a sparse array is ambiguous; use A.nnz or A.count_nonzero()")

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        here = (
            ""
            if self.split is None
            else f", {('rows', 'columns')[self.major]} {self._pattern.start}:{self._pattern.stop}"
        )
        grad = ", requires_grad=True" if self.requires_grad else ""
        return (
            f"<sparse {self.format} array of {self.shape} {dtype} with {self.nnz} stored elements, split={self.split}, "
            f"device={self.device}{grad}, rank={self.comm.rank}/{self.comm.size}: {self.lnnz} elements{here}>"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError("a sparse array does not turn into a dense one by itself; use A.to_dense() or A.toarray()")


def issparse(value: Any) -> bool:
    """Whether this is one of our sparse arrays."""
    return isinstance(value, SparseArray)
