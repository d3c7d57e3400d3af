"""Linear operators: what solvers need of a matrix, which is its product with a vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.linalg import LinAlgError

from ..array import DNDarray
from ..communication import Communicator
from ..contraction import conjugated, matmul, matvec, vecmat
from ..elementwise import as_operand
from ..layout import Layout
from ..manipulation import stack
from ..redistribution import move
from ..types import as_dtype, promote_types, weak_type

__all__ = ["LinearOperator", "aslinearoperator"]

Product = Callable[[DNDarray], DNDarray]


class LinearOperator:
    """A linear map given by functions on arrays: its products with vectors.

    Parameters
    ----------
    shape : tuple of two int
    matvec : callable
        From an array of shape (n,) to one of shape (m,), split in any way.
    rmatvec : callable, optional
        From an array of shape (m,) to one of shape (n,): the product with the conjugate transpose.
    matmat, rmatmat : callable, optional
        The same for arrays of several columns; by default column after column.
    dtype : optional
        The type of the matrix; by default that of the vectors that it meets.

    Operators may be added, subtracted, negated, scaled, multiplied (`A @ B`), raised to a power, conjugated and
    transposed (`A.H`, `A.T`) with nothing computed before `A @ x`. Communication: that of the functions.

    Examples
    --------
    >>> import dndarray as dnd
    >>> A = dnd.linalg.LinearOperator((3, 3), matvec=lambda x: 2 * x)
    >>> ((A + A @ A) @ dnd.ones(3, split=0)).tolist()
    [6.0, 6.0, 6.0]
    """

    __array_ufunc__ = None  # NumPy leaves `array @ operator` and `number * operator` to us

    def __init__(
        self,
        shape: tuple[int, int],
        matvec: Product,
        rmatvec: Product | None = None,
        matmat: Product | None = None,
        dtype: Any = None,
        rmatmat: Product | None = None,
    ) -> None:
        if len(shape) != 2 or min(shape) < 0:
            raise ValueError(f"`shape` (={shape}) must be two numbers, of rows and of columns")
        self.shape: tuple[int, int] = (int(shape[0]), int(shape[1]))
        self.dtype: torch.dtype | None = None if dtype is None else as_dtype(dtype)
        self._matvec, self._rmatvec, self._matmat, self._rmatmat = matvec, rmatvec, matmat, rmatmat
        self.takes_columns = matmat is not None

    ndim = 2

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"

    def range_layout(self, vector: DNDarray) -> Layout:
        """The layout in which a vector of shape (m,) best lies: of a function, its own."""
        return vector.layout

    def domain_layout(self, vector: DNDarray) -> Layout:
        """The layout in which a vector of shape (n,) best lies: of a function, its own."""
        return vector.layout

    place: tuple[Communicator | None, torch.device | None] = (None, None)
    """The processes and the device of its matrix, if it has one."""

    takes_columns: bool
    """Whether it multiplies several columns at once, rather than one after another."""

    requires_grad = True
    """Whether products may depend on something that requires grad; of functions that is not known."""

    # --- products -----------------------------------------------------------------------------------------------------

    def matvec(self, x: Any) -> DNDarray:
        """The product with a vector of shape (n,) or (n, 1)."""
        return self._product(self._matvec, x, self.shape[1], self.shape[0])

    def rmatvec(self, x: Any) -> DNDarray:
        """The product of the conjugate transpose with a vector of shape (m,) or (m, 1)."""
        return self._product(self._adjoint(), x, self.shape[0], self.shape[1])

    def matmat(self, x: Any) -> DNDarray:
        """The product with an array of shape (n, k)."""
        return self._columns(self._matmat, self._matvec, x, self.shape[1])

    def rmatmat(self, x: Any) -> DNDarray:
        """The product of the conjugate transpose with an array of shape (m, k)."""
        return self._columns(self._rmatmat, self._adjoint(), x, self.shape[0])

    def _adjoint(self) -> Product:
        if self._rmatvec is None:
            raise NotImplementedError(f"{self!r} was made without `rmatvec`, the product of its conjugate transpose")
        return self._rmatvec

    @staticmethod
    def _product(function: Product, x: Any, n: int, m: int) -> DNDarray:
        x = as_operand(x)
        if x.shape == (n, 1):
            return LinearOperator._product(function, x[:, 0], n, m)[:, None]
        if x.shape != (n,):
            raise ValueError(f"the operator takes vectors of shape ({n},), not {x.shape}")
        result = function(x)
        if not isinstance(result, DNDarray) or result.shape != (m,):
            found = result.shape if isinstance(result, DNDarray) else type(result).__name__
            raise ValueError(f"the operator's function must give a DNDarray of shape ({m},), not {found}")
        return result

    def _columns(self, function: Product | None, single: Product, x: Any, n: int) -> DNDarray:
        x = as_operand(x)
        if x.ndim != 2 or x.shape[0] != n:
            raise ValueError(f"the operator takes arrays of shape ({n}, k), not {x.shape}")
        if function is not None:
            return function(x)
        if not x.shape[1]:
            raise ValueError(f"the operator takes one column or more, not shape {x.shape}")
        return stack([single(x[:, k]) for k in range(x.shape[1])], 1)

    def __matmul__(self, x: Any) -> Any:
        if isinstance(x, LinearOperator):
            return _composed(self, x)
        x = as_operand(x)
        return self.matvec(x) if x.ndim == 1 else self.matmat(x)

    dot = __matmul__

    def __call__(self, x: Any) -> Any:
        return self @ x

    # --- new operators ------------------------------------------------------------------------------------------------

    @property
    def H(self) -> LinearOperator:  # noqa: N802 - SciPy's name
        """The conjugate transpose."""
        m, n = self.shape
        return Combined(
            (self,),
            self.domain_layout,
            self.range_layout,
            (n, m),
            self.rmatvec,
            self.matvec,
            self.rmatmat,
            self.dtype,
            self.matmat,
        )

    @property
    def T(self) -> LinearOperator:  # noqa: N802 - NumPy's name
        """The transpose."""

        def conjugating(function: Product) -> Product:
            return lambda x: conjugated(function(conjugated(x)))

        m, n = self.shape
        forward, backward = conjugating(self.rmatvec), conjugating(self.matvec)
        columns = conjugating(self.rmatmat), self.dtype, conjugating(self.matmat)
        return Combined((self,), self.domain_layout, self.range_layout, (n, m), forward, backward, *columns)

    def adjoint(self) -> LinearOperator:
        """The conjugate transpose."""
        return self.H

    def transpose(self) -> LinearOperator:
        """The transpose."""
        return self.T

    def __add__(self, other: Any) -> LinearOperator:
        other = aslinearoperator(other)
        if other.shape != self.shape:
            raise ValueError(f"operators of shapes {self.shape} and {other.shape} cannot be added")
        return Combined(
            (self, other),
            self.range_layout,
            self.domain_layout,
            self.shape,
            lambda x: self.matvec(x) + other.matvec(x),
            lambda x: self.rmatvec(x) + other.rmatvec(x),
            lambda x: self.matmat(x) + other.matmat(x),
            _common(self.dtype, other.dtype),
            lambda x: self.rmatmat(x) + other.rmatmat(x),
        )

    def __mul__(self, factor: Any) -> LinearOperator:
        if not isinstance(factor, (int, float, complex)):
            return NotImplemented
        back = factor.conjugate()
        return Combined(
            (self,),
            self.range_layout,
            self.domain_layout,
            self.shape,
            lambda x: self.matvec(x) * factor,
            lambda x: self.rmatvec(x) * back,
            lambda x: self.matmat(x) * factor,
            None if self.dtype is None else weak_type(self.dtype, type(factor)),
            lambda x: self.rmatmat(x) * back,
        )

    __rmul__ = __mul__

    def __neg__(self) -> LinearOperator:
        return self * -1

    def __sub__(self, other: Any) -> LinearOperator:
        return self + -aslinearoperator(other)

    def __pow__(self, power: int) -> LinearOperator:
        if self.shape[0] != self.shape[1] or power < 0:
            raise ValueError(f"a power (={power}) must be 0 or more, of a square operator, not of shape {self.shape}")
        return self @ self ** (power - 1) if power else identity(self.shape[0])


class Combined(LinearOperator):
    """An operator made of others, which say how vectors best lie."""

    def __init__(
        self,
        parts: tuple[LinearOperator, ...],
        range_layout: Callable[[DNDarray], Layout],
        domain_layout: Callable[[DNDarray], Layout],
        *functions: Any,
    ) -> None:
        super().__init__(*functions)
        self._layouts = range_layout, domain_layout
        self.place = parts[0].place
        self.requires_grad = any(part.requires_grad for part in parts)
        self.takes_columns = all(part.takes_columns for part in parts)

    def range_layout(self, vector: DNDarray) -> Layout:
        return self._layouts[0](vector)

    def domain_layout(self, vector: DNDarray) -> Layout:
        return self._layouts[1](vector)


def _common(first: torch.dtype | None, second: torch.dtype | None) -> torch.dtype | None:
    return first if second is None else second if first is None else promote_types(first, second)


def _composed(a: LinearOperator, b: LinearOperator) -> LinearOperator:
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"operators of shapes {a.shape} and {b.shape} cannot be multiplied")
    return Combined(
        (a, b),
        a.range_layout,
        b.domain_layout,
        (a.shape[0], b.shape[1]),
        lambda x: a.matvec(b.matvec(x)),
        lambda x: b.rmatvec(a.rmatvec(x)),
        lambda x: a.matmat(b.matmat(x)),
        _common(a.dtype, b.dtype),
        lambda x: b.rmatmat(a.rmatmat(x)),
    )


def identity(n: int) -> LinearOperator:
    """The operator that leaves vectors as they are."""

    def same(x: DNDarray) -> DNDarray:
        return x

    operator = LinearOperator((n, n), same, same, same, None, same)
    operator.requires_grad = False
    return operator


class MatrixOperator(LinearOperator):
    """A matrix as an operator: a dense array, or what multiplies arrays as one and has an `H`."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        dense = isinstance(matrix, DNDarray)
        forward, backward = (self._times, self._adjoint_times) if dense else (self._apply, self._apply_adjoint)
        super().__init__(matrix.shape, forward, backward, forward, matrix.dtype, backward)
        self.place = (matrix.comm, matrix.device)
        self.requires_grad = matrix.requires_grad if dense else matrix.data.requires_grad

    def range_layout(self, vector: DNDarray) -> Layout:
        """Dealt out as the matrix's rows are, or else as its columns; as the vector is, if neither are."""
        return self._layout_along(0, vector)

    def domain_layout(self, vector: DNDarray) -> Layout:
        """Dealt out as the matrix's columns are, or else as its rows; as the vector is, if neither are."""
        return self._layout_along(1, vector)

    def _layout_along(self, axis: int, vector: DNDarray) -> Layout:
        layout: Layout = self.matrix.layout
        if not layout.is_dealt:  # beside a sparse matrix that every process has so are vectors
            return vector.layout if isinstance(self.matrix, DNDarray) else vector.layout.replicated()
        if axis in layout.axes or self.shape[0] == self.shape[1]:
            source = axis if axis in layout.axes else 1 - axis
            return layout.derive(vector.shape, [0 if a == source else None for a in (0, 1)])
        dealt = [None if a is None else 0 for a in layout.axes]  # by the first grid axis that deals out anything
        first = next(g for g, a in enumerate(dealt) if a == 0)
        return Layout(vector.shape, layout.grid, tuple(0 if g == first else None for g in range(len(dealt))))

    def _beside(self, x: DNDarray, axis: int) -> DNDarray:
        """`x` laid out as the matrix is along `axis`, so that the matrix stays where it is."""
        target = self.matrix.layout.derive(x.shape, [0, None] if axis == 0 else [None, 0])
        return DNDarray(move(x.larray, x.layout, target, x.comm), target, x.comm)

    def _times(self, x: DNDarray) -> DNDarray:
        return matvec(self.matrix, self._beside(x, 1)) if x.ndim == 1 else matmul(self.matrix, self._beside(x, 1))

    def _adjoint_times(self, x: DNDarray) -> DNDarray:
        x = self._beside(x, 0)
        return conjugated(vecmat(x, self.matrix)) if x.ndim == 1 else matmul(conjugated(self.matrix.T), x)

    def _apply(self, x: DNDarray) -> DNDarray:
        return self.matrix @ x

    def _apply_adjoint(self, x: DNDarray) -> DNDarray:
        return self.matrix.H @ x


def aslinearoperator(a: Any) -> LinearOperator:
    """A dense or sparse matrix, or an operator, as an operator.

    Arrays of NumPy and SciPy's sparse ones, the same on every process, are taken too, and stay on every process.
    """
    if isinstance(a, LinearOperator):
        return a
    if hasattr(a, "shape") and hasattr(a, "diagonal_block"):
        return MatrixOperator(a)
    if hasattr(a, "tocsr"):
        from .. import sparse

        return MatrixOperator(sparse.csr_array(a, split=0))
    matrix = as_operand(a)
    if matrix.ndim != 2:
        raise LinAlgError(f"an operator is made of a matrix, in two dimensions, not of shape {matrix.shape}")
    return MatrixOperator(matrix)
