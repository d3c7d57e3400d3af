"""Matrices to test and measure with: of known eigenvalues, singular values or rank, or known to be difficult.

All take `split`, `device`, `comm` and `grid`, as `dnd.zeros` does. What is random is a function of `seed`, and the same
on any number of processes.
"""

from __future__ import annotations

from typing import Any

import torch

from ..array import DNDarray, wrap
from ..communication import as_comm
from ..contraction import operands
from ..creation import make_layout
from ..layout import Layout
from ..manipulation import resplit
from ..random import Generator
from ..types import as_dtype, kind
from .factorizations import qr
from .matrices import adjoint
from .structured import elementwise_matrix, hilbert

__all__ = ["hermitian", "hilbert", "parter", "poisson", "with_rank", "with_singular_values"]


def _normal(seed: int, draw: int, shape: tuple[int, int], dtype: torch.dtype, **place: Any) -> DNDarray:
    """Normal numbers, complex ones too: the `draw`-th of this seed."""
    generator = Generator(seed)
    generator.state = (seed, 2 * draw)
    if not dtype.is_complex:
        return generator.normal(size=shape, dtype=dtype, **place)
    real, imaginary = (generator.normal(size=shape, dtype=dtype.to_real(), **place) for _ in range(2))
    return wrap(torch.complex(real.larray, imaginary.larray), real.layout, real.comm)


def _inexact(dtype: Any) -> torch.dtype:
    chosen = as_dtype(dtype)
    if kind(chosen) < 2:
        raise TypeError(f"`dtype` (={chosen}) must be a floating or complex type")
    return chosen


def hermitian(
    n: int,
    dtype: Any = torch.float64,
    *,
    seed: int = 0,
    positive: bool = False,
    split: Any = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """A Hermitian matrix of order n of normal numbers; if `positive` made positive definite, by its diagonal.

    Communication: none.

    >>> import dndarray as dnd
    >>> a = dnd.linalg.gallery.hermitian(5, split=0)
    >>> bool((a == a.T).all())
    True
    """
    chosen, comm = _inexact(dtype), as_comm(comm)
    layout = make_layout((n, n), split, grid, comm)
    mirrored = tuple(None if a is None else 1 - a for a in layout.axes)
    place = {"device": device, "comm": comm, "grid": layout.grid}
    numbers = _normal(seed, 0, (n, n), chosen, split=layout.axes, **place)
    others = _normal(seed, 0, (n, n), chosen, split=mirrored, **place)
    local = (numbers.larray + others.larray.mH) / 2
    if positive:
        (top, _), (left, _) = layout.box(comm.rank)
        # A row has normal numbers, whose absolute values add up to about 0.8 n, hardly ever to more than 2 n + 10.
        local.diagonal(top - left).add_(2 * n + 10)
    return wrap(local, layout, comm)


def with_singular_values(
    m: int,
    n: int,
    values: Any,
    dtype: Any = torch.float64,
    *,
    seed: int = 0,
    split: Any = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """An m x n matrix with the given singular values, min(m, n) at most, between random orthonormal vectors.

    Communication: the `qr` of two matrices with as many columns as `values`, and a product.

    >>> import dndarray as dnd
    >>> a = dnd.linalg.gallery.with_singular_values(5, 3, [4.0, 2.0], split=0)
    >>> [round(v, 6) for v in dnd.linalg.svdvals(a)[:2].tolist()]
    [4.0, 2.0]
    """
    chosen, comm = _inexact(dtype), as_comm(comm)
    (s,) = operands(values)
    if s.ndim != 1 or len(s) > min(m, n):
        raise ValueError(f"`values` must be up to min(m, n) = {min(m, n)} numbers, not an array of shape {s.shape}")
    layout = make_layout((m, n), split, grid, comm)
    rows, columns = (tuple(0 if a == axis else None for a in layout.axes) for axis in (0, 1))
    place = {"device": device, "comm": comm, "grid": layout.grid}
    u = qr(_normal(seed, 0, (m, len(s)), chosen, split=rows, **place)).Q
    v = qr(_normal(seed, 1, (n, len(s)), chosen, split=columns, **place)).Q
    return resplit((u * s.astype(u.real.dtype)) @ adjoint(v), layout.axes, layout.grid)


def with_rank(
    m: int,
    n: int,
    rank: int,
    dtype: Any = torch.float64,
    *,
    seed: int = 0,
    split: Any = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """An m x n matrix of the given rank: the product of two of normal numbers. Communication: none.

    >>> import dndarray as dnd
    >>> dnd.linalg.matrix_rank(dnd.linalg.gallery.with_rank(6, 5, 2, split=0)).item()
    2
    """
    chosen, comm = _inexact(dtype), as_comm(comm)
    if not 0 <= rank <= min(m, n):
        raise ValueError(f"`rank` (={rank}) must be between 0 and min(m, n) = {min(m, n)}")
    layout = make_layout((m, n), split, grid, comm)
    rows, columns = (tuple(a if a == axis else None for a in layout.axes) for axis in (0, 1))
    place = {"device": device, "comm": comm, "grid": layout.grid}
    left = _normal(seed, 0, (m, rank), chosen, split=rows, **place)
    right = _normal(seed, 1, (rank, n), chosen, split=columns, **place)
    return wrap(left.larray @ right.larray, Layout((m, n), layout.grid, layout.axes), comm)


def poisson(
    n: int,
    ndim: int = 1,
    dtype: Any = torch.float64,
    *,
    split: Any = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """Minus the second differences on a line of n points, or on a square of n x n, with zeros around it: dense. Local.

    On the line the eigenvalues are 2 - 2 cos(pi k / (n + 1)), on the square all sums of two of them.

    >>> import dndarray as dnd
    >>> dnd.linalg.gallery.poisson(3, split=0).tolist()
    [[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]]
    """
    if ndim not in (1, 2):
        raise ValueError(f"`ndim` (={ndim}) must be 1 or 2")

    def element(i: Any, j: Any) -> Any:
        along = (i % n - j % n).abs()
        across = (i // n - j // n).abs()
        return 2.0 * ndim * (i == j) - 1.0 * (along + across == 1)

    order = n**ndim
    return elementwise_matrix((order, order), element, dtype, split, device, comm, grid)


def parter(
    n: int, dtype: Any = torch.float64, *, split: Any = None, device: Any = None, comm: Any = None, grid: Any = None
) -> DNDarray:
    """The Toeplitz matrix of 1 / (i - j + 1/2), most of whose singular values are very near pi. Local.

    >>> import dndarray as dnd
    >>> dnd.linalg.gallery.parter(2, split=0).tolist()[0]
    [2.0, -2.0]
    """
    return elementwise_matrix((n, n), lambda i, j: 1 / (i - j + 0.5), dtype, split, device, comm, grid)
