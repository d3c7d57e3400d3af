"""Factorizations of matrices: Cholesky, QR.

Stacks are dealt out along their leading axes (see `matrices`). A single matrix that is split is not gathered for QR and
the singular values: a tall one is factorised part by part and the small triangular factors are factorised once more
(TSQR: Demmel, Grigori, Hoemmen and Langou, 2012), after which what is left is as small as the matrix is narrow.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_gather, use_in_split
from ..diagonals import triu
from ..indexing import section
from ..layout import Layout
from ..manipulation import resplit
from ..redistribution import move
from .matrices import adjoint, as_matrices, each, is_dealt_matrix, place

__all__ = ["cholesky", "qr"]


class QRResult(NamedTuple):
    Q: DNDarray
    R: DNDarray


def cholesky(a: Any, /, *, upper: bool = False) -> DNDarray:
    """The lower triangular L with L L^H = a (or the upper U with U^H U = a) of positive definite matrices.

    Only that triangle of `a` is looked at; the result is laid out as `a`. Communication: of stacks one redistribution
    if the matrices are split, and one to agree on errors; a single matrix that is split is brought to every process.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is not positive definite.
    """
    return each(as_matrices(a, "cholesky", square=True), lambda t: torch.linalg.cholesky(t, upper=upper), (-2, -1))


def _unique(q: Tensor | None, r: Tensor) -> tuple[Tensor, Tensor]:
    """The factors with a real diagonal of R that is not negative, which makes them unique."""
    diagonal = r.detach().diagonal(dim1=-2, dim2=-1)
    phase = torch.where(diagonal == 0, torch.ones_like(diagonal), diagonal.sgn())
    n = phase.shape[-1]
    r = torch.cat([phase.conj().unsqueeze(-1) * r[..., :n, :], r[..., n:, :]], -2)
    if q is None:
        return r, r
    return torch.cat([q[..., :n] * phase.unsqueeze(-2), q[..., n:]], -1), r


def _householder(t: Tensor) -> tuple[Tensor, Tensor]:
    vectors, factors = torch.geqrf(t)
    return vectors.mT, factors


def tall_qr(x: DNDarray) -> tuple[DNDarray, DNDarray]:
    """QR of a single matrix that has as many rows as columns or more: Q dealt out along its rows, R on every process.

    Communication: one all-gather of the R of all processes; one redistribution before it if the columns are split.
    """
    m, n = x.shape
    layout = x.layout if 1 not in x.layout.axes else Layout(x.shape, x.comm.grid, 0)
    g = layout.grid_axis(0)
    assert g is not None
    along, counts = x.comm.along(layout.grid, (g,)), layout.counts[g]
    assert counts is not None
    heights = [min(count, n) for count in counts]
    first, triangle = torch.linalg.qr(move(x.larray, x.layout, layout, x.comm))
    second, r = torch.linalg.qr(all_gather(triangle, heights, along))
    second, r = _unique(second, r)
    start = [0, *accumulate(heights)][along.rank]
    q = first @ use_in_split(second, along).narrow(0, start, heights[along.rank])
    return wrap(q, layout, x.comm), wrap(r, Layout((n, n), layout.grid), x.comm)


def _wide_qr(x: DNDarray) -> tuple[DNDarray, DNDarray]:
    """QR of a single matrix that has more columns than rows: Q on every process, R dealt out along its columns.

    Communication: the leading square block is brought to every process; one redistribution if the rows are split.
    """
    m, _ = x.shape
    if 0 in x.layout.axes:
        x = resplit(x, 1, x.comm.grid)
    factor, _ = _unique(*torch.linalg.qr(resplit(section(x, 1, 0, m)).larray))
    q = wrap(factor, Layout((m, m), x.layout.grid), x.comm)
    return q, triu(adjoint(q) @ x)


def qr(a: Any, mode: str = "reduced") -> Any:
    """The factors Q, with orthonormal columns, and R, upper triangular, of matrices a = Q R.

    R's diagonal is real and not negative, which makes the factors of a matrix of full rank unique: they are the same
    however it is split. (LAPACK, and with it NumPy, leaves the signs to chance.)

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.
    mode : {"reduced", "complete", "r", "raw"}
        With k = min(m, n): Q of shape (..., m, k) and R; Q of shape (..., m, m) and R; only R; LAPACK's Householder
        vectors and their factors.

    Returns
    -------
    QRResult
        A factor of the shape of `a` is laid out as `a`; otherwise Q's rows as those of `a`, R's columns as those of
        `a`.

    Communication: of stacks one redistribution if the matrices are split. Of a single tall matrix split along its rows
    one all-gather of n x n numbers from each process; of a wide one split along its columns one of m x m numbers;
    split otherwise it is redistributed first. "complete" and "raw" bring a single matrix to every process.

    Examples
    --------
    >>> import dndarray as dnd
    >>> q, r = dnd.linalg.qr(dnd.ones((6, 2), split=0))
    >>> q.split, r.split, round(r[0, 0].item() ** 2)
    (0, None, 6)
    """
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"`mode` (={mode!r}) must be 'reduced', 'complete', 'r' or 'raw'")
    x = as_matrices(a, "qr")
    m, n = x.shape[-2:]
    if mode == "raw":
        return each(x, _householder, (-1, -2), (None,))
    of_q, of_r = (-2, -1 if n <= m else None), (-2 if m <= n else None, -1)
    if mode == "r" and not is_dealt_matrix(x):
        return each(x, lambda t: _unique(None, torch.linalg.qr(t, mode="r").R)[1], of_r)
    if mode == "complete" or not is_dealt_matrix(x):
        return QRResult(*each(x, lambda t: _unique(*torch.linalg.qr(t, mode=mode)), of_q, of_r))
    q, r = tall_qr(x) if m >= n else _wide_qr(x)
    r = place(r, x.layout, of_r)
    return r if mode == "r" else QRResult(place(q, x.layout, of_q), r)
