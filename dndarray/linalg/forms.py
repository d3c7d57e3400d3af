"""Products, diagonals and powers as linear algebra has them: of matrices in the last two axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from numpy.linalg import LinAlgError

from .. import diagonals, products
from ..array import DNDarray
from ..contraction import operands
from ..creation import empty_like
from ..diagonals import eye
from ..einsums import einsum
from ..elementwise import as_operand
from ..layout import normalize_axis
from .solvers import inv

__all__ = ["cross", "diagonal", "matrix_power", "multi_dot", "outer", "trace"]


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> DNDarray:
    """The cross product of vectors of three components along `axis`. Communication: as `dnd.cross`."""
    a, b = operands(x1, x2)
    lengths = [x.shape[normalize_axis(axis, x.ndim)] for x in (a, b)]
    if lengths != [3, 3]:
        raise ValueError(f"cross takes vectors of 3 components, not of {lengths[0]} and {lengths[1]}")
    return products.cross(a, b, axis=axis)


def outer(x1: Any, x2: Any, /) -> DNDarray:
    """The product of every element of one vector with every element of another. Communication: as `dnd.outer`."""
    a, b = operands(x1, x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer takes vectors, not shapes {a.shape} and {b.shape}")
    return products.outer(a, b)


def diagonal(x: Any, /, *, offset: int = 0) -> DNDarray:
    """The `offset`-th diagonals of matrices. Communication: as `dnd.diagonal`."""
    return diagonals.diagonal(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> DNDarray:
    """The sums of the `offset`-th diagonals of matrices. Communication: as `dnd.trace`."""
    return products.trace(x, offset, -2, -1, dtype)


def multi_dot(arrays: Sequence[Any], *, out: DNDarray | None = None) -> DNDarray:
    """The product of two matrices or more, in the order that moves and computes least.

    The first and the last may be vectors: a row and a column. Communication: as `einsum`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a, b = dnd.ones((4, 3), split=0), dnd.ones((3, 5), split=1)
    >>> dnd.linalg.multi_dot([a, b, b.T]).shape
    (4, 3)
    """
    chained = operands(*arrays)
    if len(chained) < 2:
        raise ValueError(f"multi_dot takes two arrays or more, not {len(chained)}")
    first, last = int(chained[0].ndim == 1), int(chained[-1].ndim == 1)
    shapes = [x.shape for x in chained]
    if any(x.ndim != 2 for x in chained[first : len(chained) - last]):
        raise LinAlgError(f"multi_dot takes matrices, but for a first and a last vector, not shapes {shapes}")
    labels = [[i, i + 1] for i in range(len(chained))]
    labels[0], labels[-1] = labels[0][first:], labels[-1][: 2 - last]
    for x, y in zip(chained[:-1], chained[1:], strict=True):
        if x.shape[-1] != y.shape[0]:
            raise ValueError(f"multi_dot of shapes {shapes}: each must have as many columns as the next one has rows")
    result = [0][first:] + [len(chained)][last:]
    return einsum(*chain.from_iterable(zip(chained, labels, strict=True)), result, out=out)


def matrix_power(a: Any, n: int) -> DNDarray:
    """The `n`-th power of matrices: by repeated squaring, of the inverse for negative `n`.

    Communication: about 2 log2(n) products, as `matmul`; for negative `n` as `inv`, too.
    """
    x = as_operand(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise LinAlgError(f"matrix_power takes square matrices in the last two axes, not shape {x.shape}")
    try:
        n = n.__index__()
    except AttributeError:
        raise TypeError(f"`n` (={n!r}) must be an integer") from None
    if n == 0:
        result = empty_like(x)
        result[...] = eye(x.shape[-1], dtype=x.dtype, comm=x.comm, device=x.device)
        return result
    x, n = (inv(x), -n) if n < 0 else (x, n)
    power: DNDarray | None = None
    while True:
        n, odd = divmod(n, 2)
        if odd:
            power = x if power is None else power @ x
        if not n:
            assert power is not None
            return power
        x = x @ x
