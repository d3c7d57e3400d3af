"""Factorizations of matrices: Cholesky, QR.

Stacks are dealt out along their leading axes (see `matrices`). A single matrix that is split is not gathered. Its
columns are dealt out in blocks, in turn, and eliminated block by block (see `block_cyclic`). QR of a tall one is
cheaper: it is factorised part by part and the small triangular factors are factorised once more (TSQR: Demmel, Grigori,
Hoemmen and Langou, 2012).
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_gather, needs_grad, use_in_split
from ..diagonals import tril, triu
from ..indexing import section
from ..layout import Layout
from ..manipulation import concatenate, matrix_transpose
from ..redistribution import move
from .adjoints import differentiable
from .block_cyclic import Columns, cyclic, sweep
from .householder import orthogonal_columns, reflect, upper_triangle
from .matrices import adjoint, as_matrices, each, identity_like, is_distributed_matrix, place, placement
from .triangular import forward, solve_triangular, substitute

__all__ = ["cholesky", "qr"]


class QRResult(NamedTuple):
    Q: DNDarray
    R: DNDarray


# --- Cholesky ---------------------------------------------------------------------------------------------------------


def _decompose(columns: Columns) -> None:
    """Put the Cholesky factor L of a lower triangle in its place.

    Rows of `columns.local` beyond the blocks are right-hand sides b, of which L^-1 b takes the place.

    Communication: one broadcast for each block, of the triangle alone.
    """
    local, blocks, n, own = columns.local, columns.blocks, columns.rows, columns.own[-1]

    def shape(k: int) -> tuple[int, int]:
        return blocks[k].width, n - blocks[k].start

    def factor(k: int) -> Tensor:
        panel, width = local[blocks[k].here, blocks[k].start :], blocks[k].width
        corner, info = torch.linalg.cholesky_ex(panel[:, :width].mT)
        if int(info):
            return panel.fill_(torch.nan)  # which tells the others
        local[blocks[k].here, : blocks[k].start] = 0
        panel[:, :width] = corner.mT
        panel[:, width:] = torch.linalg.solve_triangular(corner.conj(), panel[:, width:], upper=False)
        return panel

    def check(k: int, panel: Tensor) -> None:
        if bool(panel.diagonal().isnan().any()):
            raise LinAlgError("a matrix is not positive definite")

    def apply(k: int, panel: Tensor, part: slice) -> None:
        for i, (start, stop, _, at) in enumerate(blocks[k + 1 :], k + 1):
            low, high = max(at, part.start), min(at + stop - start, part.stop)
            if columns.is_mine(i) and low < high:  # the lower triangle only
                first = start + low - at
                below = panel[:, first - blocks[k].start :]
                local[low:high, first:].addmm_(below[:, : high - low].mH, below, alpha=-1)
        right = local[max(own, part.start) : part.stop, blocks[k].start :]
        forward(panel[:, : blocks[k].width], panel[:, blocks[k].width :], right)

    sweep(columns, len(blocks), factor, shape, apply, check)


def _cholesky(x: DNDarray) -> DNDarray:
    columns = cyclic(x, lower=True)
    _decompose(columns)
    return columns.collect(x.layout, lower=True)


def solve_definite(a: DNDarray, right: Tensor) -> tuple[Tensor, Columns]:
    """The solutions of a x = b for a positive definite matrix, b and x being rows of a tensor, other ones on each
    process; and the Cholesky factor.

    Communication: one all-to-all of half of the matrix, and two broadcasts for each block, of the triangle alone.
    """
    dealt = cyclic(a, lower=True)
    own = dealt.own[-1]
    columns = Columns(torch.cat([dealt.local, right]), dealt.blocks, dealt.comm)
    _decompose(columns)
    factor = Columns(columns.local[:own], columns.blocks, columns.comm)
    right = columns.local[own:].conj_physical()
    substitute(factor, len(factor.blocks), right, lower=True, transposed=True, unit=False)
    return right.conj_physical_(), factor


def _cholesky_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    """L^-H (F + F^H) L^-1 / 2, where F is the lower triangle of L^H grad with half its diagonal (Murray, 2016)."""
    factor, product = found[0], adjoint(found[0]) @ grads[0]
    half = tril(product) - 0.5 * product * identity_like(product)
    inner = 0.5 * (half + adjoint(half))
    inner = solve_triangular(factor, inner, 2, lower=True)
    return (adjoint(solve_triangular(factor, adjoint(inner), 2, lower=True)),)


def cholesky(a: Any, /, *, upper: bool = False) -> DNDarray:
    """The lower triangular L with L L^H = a (or the upper U with U^H U = a) of positive definite matrices.

    Only that triangle of `a` is looked at; the result is laid out as `a`.

    Cost, for a single n x n matrix that is split among p processes: 1/3 n^3 / p flops; two all-to-alls of n^2 / p words
    to deal its columns out in turn and back; a broadcast for each block of 128 columns (fewer if n < 512 p), n^2 / 2
    words in all. Each process holds its part three times. Of stacks one redistribution if the matrices are split, and
    one message to agree on errors.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is not positive definite.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.linalg.cholesky(dnd.array([[4.0, 2.0], [2.0, 5.0]], split=0)).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    x = as_matrices(a, "cholesky", square=True)
    if not is_distributed_matrix(x):
        return each(x, lambda t: torch.linalg.cholesky(t, upper=upper), (-2, -1))
    factor = differentiable(_cholesky, _cholesky_gradient)
    return adjoint(factor(adjoint(x))) if upper else factor(x)


# --- QR ---------------------------------------------------------------------------------------------------------------


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


def _triangle(t: Tensor) -> Tensor:
    mode = "reduced" if needs_grad(t) else "r"  # the gradient of R needs Q
    return _unique(None, torch.linalg.qr(t, mode=mode).R)[1]


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


def is_tall(m: int, n: int, processes: int) -> bool:
    """Whether each process has twice as many rows of an m x n matrix as there are columns, or more: `tall_qr` then
    costs less than to eliminate block by block."""
    return m >= 2 * n * processes


def _blocked_qr(x: DNDarray, mode: str, of_q: Any, of_r: Any) -> Any:
    (m, n), grid = x.shape, x.layout.grid
    columns = cyclic(x)
    found = reflect(columns)
    if mode == "raw":
        factors = wrap(found.factors, Layout(tuple(found.factors.shape), grid), x.comm)
        return matrix_transpose(columns.collect(x.layout)), factors
    phases, k = found.phases, min(m, n)
    triangle = upper_triangle(columns, m if mode == "complete" else k)
    triangle.local[:, :k] *= phases.conj()
    r = triangle.collect(placement(Layout((triangle.rows, n), grid), x.layout, of_r))
    if mode == "r":
        return r
    q = orthogonal_columns(columns, found, m if mode == "complete" else k)
    more = phases.new_ones(m - k if mode == "complete" else 0)
    q.local *= q.share(torch.cat([phases, more])).unsqueeze(1)
    return q.collect(placement(Layout((m, k + len(more)), grid), x.layout, of_q)), r


def _qr_gradient(given: Any, found: Any, grads: Any) -> tuple[DNDarray]:
    """(G + Q (T + T^H)) R^-H, where T is the upper triangle of H R^H - Q^H G with half its diagonal.

    G and H are the gradients of Q and R. Of a wide matrix this holds for the leading square; the others are Q^H times
    the rest.
    """
    (q, r), (g, h) = found, grads
    (m, n), rest = given[0].shape, []
    if n > m:
        beside, of_beside = section(given[0], 1, m, n), section(h, 1, m, n)
        rest = [q @ of_beside]
        g, r, h = g + beside @ adjoint(of_beside), section(r, 1, 0, m), section(h, 1, 0, m)
    inner = triu(h) @ adjoint(r) - adjoint(q) @ g
    half = triu(inner) - 0.5 * inner * identity_like(inner)
    of_square = adjoint(solve_triangular(r, adjoint(g + q @ (half + adjoint(half)))))
    return (concatenate([of_square, *rest], 1),)


def _no_gradient(given: Any, found: Any, grads: Any) -> Any:
    raise NotImplementedError("qr has a gradient in the modes 'reduced' and 'r', and if m <= n in mode 'complete'")


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

    Cost, for a single matrix that is split among p processes. If m >= 2 n p, 6 m n^2 / p + 4 p n^3 flops, and one
    all-gather of p n^2 words (TSQR); one redistribution before it if the columns are split. Otherwise, with m >= n,
    (4 m n^2 - 4/3 n^3) / p flops; two all-to-alls of m n / p words, from and to blocks of columns in turn, one
    for R; two broadcasts for each block of 128 columns (fewer if n < 512 p), 2 m n - n^2 words in all ("r" and "raw":
    half of that). Each process holds its part four times. Of stacks one redistribution if the matrices are split.

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
    of_q, of_r = (-2, -1 if n <= m else None), (-2 if m <= n else None, -1)
    if is_distributed_matrix(x):
        return _distributed_qr(x, mode, of_q, of_r)
    if mode == "raw":
        return each(x, _householder, (-1, -2), (None,))
    if mode == "r":
        return each(x, _triangle, of_r)
    return QRResult(*each(x, lambda t: _unique(*torch.linalg.qr(t, mode=mode)), of_q, of_r))


def _distributed_qr(x: DNDarray, mode: str, of_q: Any, of_r: Any) -> Any:
    m, n = x.shape
    if mode in ("reduced", "r") and is_tall(m, n, x.comm.size):
        q, r = tall_qr(x)
        r = place(r, x.layout, of_r)
        return r if mode == "r" else QRResult(place(q, x.layout, of_q), r)
    if mode == "r" and needs_grad(x.larray):
        return _distributed_qr(x, "reduced", of_q, of_r).R
    gradient = _qr_gradient if mode == "reduced" or (mode == "complete" and m <= n) else _no_gradient
    results = differentiable(lambda x: _blocked_qr(x, mode, of_q, of_r), gradient)(x)
    return results if mode in ("r", "raw") else QRResult(*results)
