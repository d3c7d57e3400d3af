"""Matrices with a structure: made as dense ones, and multiplied or inverted by transforms of their few numbers."""

from __future__ import annotations

from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from .. import fft
from ..array import DNDarray, wrap
from ..assembly import Piece, assemble
from ..broadcasting import broadcast_shapes
from ..collectives import use_in_split
from ..communication import as_comm
from ..contraction import conjugated, operands
from ..creation import make_layout, positions, zeros
from ..elementwise import FUNCTIONS, as_operand
from ..joining import hstack
from ..layout import Layout
from ..manipulation import broadcast_to, flip, ravel, reshape
from ..types import as_dtype, finfo, result_type

__all__ = ["block_diag", "circulant", "hankel", "hilbert", "matmul_toeplitz", "solve_circulant", "toeplitz"]


def _vectors(*values: Any) -> list[DNDarray]:
    vectors = [ravel(v) for v in operands(*(v for v in values if v is not None))]
    dtype = result_type(*vectors)
    return [v.astype(dtype, copy=False) for v in vectors]


def _looked_up(numbers: DNDarray, shape: tuple[int, int], place: Any, like: DNDarray) -> DNDarray:
    """The matrix with `numbers[place(i, j)]`, its rows dealt out as the vector `like`.

    Every process has all the numbers: as many as a row and a column have.
    """
    layout = like.layout
    layout = Layout(shape, layout.grid, layout.axes, layout.counts)
    dealt = [g for g, axis in enumerate(layout.axes) if axis is not None]
    everywhere = use_in_split(numbers.torch(), like.comm.along(layout.grid, dealt))
    rows, columns = (positions(layout, like.comm, like.device, axis) for axis in (0, 1))
    return wrap(everywhere[place(rows[:, None], columns)], layout, like.comm)


def toeplitz(c: Any, r: Any = None) -> DNDarray:
    """The matrix with the first column `c` and the first row `r`, constant along its diagonals.

    `r` is the conjugate of `c` by default; its first element is not looked at. The rows are dealt out as `c` is.
    Communication: `c` and `r` are brought to every process.

    >>> import dndarray as dnd
    >>> dnd.linalg.toeplitz([1, 2, 3], [1, 4, 5]).tolist()
    [[1, 4, 5], [2, 1, 4], [3, 2, 1]]
    """
    c, r = _vectors(c, conjugated(as_operand(c)) if r is None else r)
    n = len(r)
    numbers = hstack([flip(r[1:]), c]) if n else c
    return _looked_up(numbers, (len(c), n), lambda i, j: i - j + n - 1, c)


def circulant(c: Any) -> DNDarray:
    """The square matrix with the first column `c`, each further column of which is the one before turned on by one.

    The rows are dealt out as `c` is. Communication: `c` is brought to every process.

    >>> import dndarray as dnd
    >>> dnd.linalg.circulant([1, 2, 3]).tolist()
    [[1, 3, 2], [2, 1, 3], [3, 2, 1]]
    """
    (c,) = _vectors(c)
    n = len(c)
    return _looked_up(c, (n, n), lambda i, j: (i - j) % max(n, 1), c)


def hankel(c: Any, r: Any = None) -> DNDarray:
    """The matrix with the first column `c` and the last row `r`, constant along its anti-diagonals.

    `r` is zero by default; its first element is not looked at. The rows are dealt out as `c` is. Communication: `c` and
    `r` are brought to every process.

    >>> import dndarray as dnd
    >>> dnd.linalg.hankel([1, 2, 3]).tolist()
    [[1, 2, 3], [2, 3, 0], [3, 0, 0]]
    """
    c, r = _vectors(c, as_operand(c) * 0 if r is None else r)
    return _looked_up(hstack([c, r[1:]]), (len(c), len(r)), lambda i, j: i + j, c)


def hilbert(
    n: int, dtype: Any = torch.float64, *, split: Any = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """The matrix of 1 / (i + j + 1), of order n, as badly conditioned as they come. Local.

    >>> import dndarray as dnd
    >>> dnd.linalg.hilbert(2, split=0).tolist()[0]
    [1.0, 0.5]
    """
    return elementwise_matrix((n, n), lambda i, j: 1 / (i + j + 1), dtype, split, device, comm, grid)


def elementwise_matrix(
    shape: tuple[int, int], element: Any, dtype: Any, split: Any, device: Any, comm: Any, grid: Any
) -> DNDarray:
    """The matrix of `element(i, j)`, a function of tensors with the indices as floats, each process its part."""
    comm = as_comm(comm)
    layout = make_layout(shape, split, grid, comm)
    rows, columns = (positions(layout, comm, device, axis).double() for axis in (0, 1))
    values: Tensor = element(rows[:, None], columns)
    return wrap(values.to(as_dtype(dtype)).expand(layout.lshape(comm.rank)).contiguous(), layout, comm)


def block_diag(*arrs: Any) -> DNDarray:
    """The matrix with the given ones, one after another, along its diagonal, and zeros elsewhere.

    Vectors and numbers count as rows; leading axes broadcast. Split as the largest split one is, balanced.
    Communication: one exchange.

    >>> import dndarray as dnd
    >>> dnd.linalg.block_diag([1, 2], dnd.ones((2, 1), dtype=int, split=0)).tolist()
    [[1, 2, 0], [0, 0, 1], [0, 0, 1]]
    """
    given = operands(*(arrs or ([[]],)))
    dtype = result_type(*given)
    given = [x if x.ndim > 1 else reshape(x, (1, x.size)) for x in given]
    lead = broadcast_shapes(*(x.shape[:-2] for x in given))
    parts = [broadcast_to(x.astype(dtype, copy=False), (*lead, *x.shape[-2:])) for x in given]
    leader = max(parts, key=lambda x: (x.layout.is_dealt, x.size)).layout
    columns = sum(x.shape[-1] for x in parts)
    pieces: list[Piece] = []
    i = j = 0
    origin = (0,) * len(lead)
    for part in parts:
        m, n = part.shape[-2:]
        pieces.append(Piece(part, (*origin, i, j)))
        for left, many in ((0, j), (j + n, columns - j - n)):
            pieces.append(Piece(zeros((*lead, m, many), dtype, device=part.device, comm=part.comm), (*origin, i, left)))
        i, j = i + m, j + n
    return assemble(pieces, Layout((*lead, i, j), leader.grid, leader.axes))


# --- by transforms ----------------------------------------------------------------------------------------------------


def _transforms(real: bool, n: int) -> tuple[Any, Any]:
    if real:
        return lambda v: fft.rfft(v, n, axis=0), lambda v: fft.irfft(v, n, axis=0)
    return lambda v: fft.fft(v, n, axis=0), lambda v: fft.ifft(v, n, axis=0)


def matmul_toeplitz(c_or_cr: Any, x: Any) -> DNDarray:
    """The product of the Toeplitz matrix with the first column c, or column and row (c, r), with `x`, by transforms.

    Parameters
    ----------
    c_or_cr : array_like, or tuple of two
        As in `toeplitz`; split in any way.
    x : array_like of shape (n,) or (n, k)
        Split in any way.

    Communication: that of the three transforms, of m + n - 1 numbers in each column (see `fft`). Cost: O(k n log n / p)
    flops on each of p processes.

    >>> import dndarray as dnd
    >>> [round(v) for v in dnd.linalg.matmul_toeplitz([1.0, 2.0, 3.0], dnd.ones(3, split=0)).tolist()]
    [6, 5, 6]
    """
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c, r = _vectors(c, conjugated(as_operand(c)) if r is None else r)
    (right,) = operands(x)
    if right.ndim not in (1, 2) or len(right) != len(r):
        raise ValueError(f"a matrix of shape {(len(c), len(r))} does not multiply an array of shape {right.shape}")
    m, n = len(c), len(r)
    if not m or not n or not right.size:
        return right.astype(result_type(c, right, 1.0))[:0] if not m else right[:1] * 0 * c[:, None]
    length = m + n - 1
    real = not (c.dtype.is_complex or right.dtype.is_complex)
    forward, backward = _transforms(real, length)
    numbers = forward(hstack([c, flip(r[1:])]))
    product = backward((numbers if right.ndim == 1 else numbers[:, None]) * forward(right))
    return product[:m]


def solve_circulant(c: Any, b: Any, singular: str = "raise", tol: float | None = None) -> DNDarray:
    """The x with circulant(c) x = b, by transforms.

    Parameters
    ----------
    c : array_like of shape (n,)
        Split in any way.
    b : array_like of shape (n,) or (n, k)
        Split in any way.
    singular : {"raise", "lstsq"}
        What to do with a nearly singular matrix: raise, or return the x of least norm for which b is nearest.
    tol : float, optional
        Eigenvalues of absolute value up to this count as zero; the largest times n times the spacing of floating
        numbers at 1 by default.

    Raises
    ------
    LinAlgError
        On every process, if the matrix is nearly singular.

    Communication: that of three transforms (see `fft`), and one all-reduce. Cost: O(k n log n / p) flops.

    >>> import dndarray as dnd
    >>> [round(v, 3) for v in dnd.linalg.solve_circulant([2.0, 1.0, 0.0], dnd.ones(3, split=0)).tolist()]
    [0.333, 0.333, 0.333]
    """
    if singular not in ("raise", "lstsq"):
        raise ValueError(f"`singular` (={singular!r}) must be 'raise' or 'lstsq'")
    (c,) = _vectors(c)
    (right,) = operands(b)
    n = len(c)
    if right.ndim not in (1, 2) or len(right) != n:
        raise ValueError(f"a matrix of order {n} and an array of shape {right.shape} make no system of equations")
    real = not (c.dtype.is_complex or right.dtype.is_complex)
    forward, backward = _transforms(real, n)
    eigenvalues = forward(c)
    sizes = FUNCTIONS["abs"](eigenvalues)
    limit = FUNCTIONS["max"](sizes) * n * finfo(sizes.dtype).eps if tol is None else tol
    small = FUNCTIONS["less_equal"](sizes, limit)
    if singular == "raise" and bool(FUNCTIONS["any"](small)):
        raise LinAlgError("the circulant matrix is singular, or nearly so; see `singular`")
    inverse = FUNCTIONS["where"](small, 0, 1 / FUNCTIONS["where"](small, 1, eigenvalues))
    return backward((inverse if right.ndim == 1 else inverse[:, None]) * forward(right))
