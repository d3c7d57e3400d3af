"""Singular values and eigenvalues of matrices that have few of them worth keeping."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from .. import random
from ..array import DNDarray, wrap
from ..communication import Communicator
from ..contraction import contracted, operands
from ..creation import ones
from ..elementwise import FUNCTIONS
from ..joining import hstack
from ..layout import Layout
from ..placement import Labels
from ..redistribution import move
from ..sorting import sort
from .factorizations import qr
from .matrices import adjoint, as_matrices, placement
from .norms import vector_norm
from .spectral import EighResult, SVDResult, eigh, svd

__all__ = ["hsvd", "hsvd_rank", "hsvd_rtol", "isvd", "reigh", "rsvd"]


def _matrix(a: Any, name: str, square: bool = False) -> DNDarray:
    x = as_matrices(a, name, square)
    if x.ndim != 2:
        raise LinAlgError(f"{name} takes a single matrix, not shape {x.shape}")
    return x


def _checked(shape: tuple[int, ...], rank: int, name: str) -> int:
    """How many singular values these are of a matrix of this shape."""
    if rank < 1:
        raise ValueError(f"`{name}` (={rank}) must be 1 or more")
    return min((rank, *shape))


# --- randomised -------------------------------------------------------------------------------------------------------


def _range(x: DNDarray, columns: int, power_iter: int, seed: int | None) -> DNDarray:
    """Orthonormal columns that span nearly what the largest singular vectors of `x` span."""
    normal = random.normal if seed is None else random.Generator(seed).normal
    m, n = x.shape
    columns = min(columns, m, n)
    split = tuple({1: 0}.get(a) for a in x.layout.axes)  # type: ignore[arg-type]
    probe = normal(0.0, 1.0, (n, columns), split=split, grid=x.layout.grid, comm=x.comm, device=x.device)
    q = qr(x @ probe.astype(x.dtype, copy=False)).Q
    for _ in range(power_iter):
        q = qr(x @ qr(adjoint(x) @ q).Q).Q
    return q


def _projected(q: DNDarray, x: DNDarray) -> DNDarray:
    """q^H x, its few rows on every process, its columns as those of `x`."""
    layout = placement(Layout((q.shape[1], x.shape[1]), x.layout.grid), x.layout, (None, -1))
    left = adjoint(q)
    parts = contracted(left.larray, x.larray, (left.layout, x.layout), Labels("mk", "kn", "mn"), x.comm, layout)
    return wrap(parts, layout, x.comm)


def rsvd(A: Any, rank: int, n_oversamples: int = 10, power_iter: int = 0, *, seed: int | None = None) -> SVDResult:
    """The largest singular values and their vectors, by a random projection (Halko, Martinsson and Tropp, 2011).

    Parameters
    ----------
    A : array_like of shape (m, n)
        Split in any way.
    rank : int
        How many singular values.
    n_oversamples : int
        How many more columns the projection has.
    power_iter : int
        How often `A` and its transpose are applied once more, for matrices with slowly decaying singular values.
    seed : int, optional
        Of the projection; by default it is drawn from `dnd.random`. It does not depend on the number of processes.

    Returns
    -------
    SVDResult
        U, of shape (m, rank), S and Vh, of shape (rank, n): U dealt out as the rows of `A`, Vh as its columns.

    Communication: for each of 2 + 2 `power_iter` products with a matrix of l = rank + n_oversamples columns a reduction
    or broadcast of m l or n l words at most, and the `qr` of as narrow matrices. Cost: 4 m n l (1 + power_iter) / p
    flops on each of p processes.

    Examples
    --------
    >>> import dndarray as dnd
    >>> u, s, vh = dnd.linalg.rsvd(dnd.ones((6, 4), split=0), 1, seed=0)
    >>> u.shape, round(s[0].item() ** 2), vh.shape
    ((6, 1), 24, (1, 4))
    """
    x = _matrix(A, "rsvd")
    rank = _checked(x.shape, rank, "rank")
    q = _range(x, rank + n_oversamples, power_iter, seed)
    v, s, uh = svd(adjoint(_projected(q, x)), full_matrices=False)  # LAPACK likes tall matrices
    return SVDResult(q @ adjoint(uh[:rank]), s[:rank], adjoint(v[:, :rank]))


def reigh(
    A: Any, n_eigenvalues: int, n_oversamples: int = 10, power_iter: int = 0, *, seed: int | None = None
) -> EighResult:
    """The eigenvalues of largest absolute value of a Hermitian matrix, ascending, and eigenvectors, by `rsvd`'s
    projection.

    Parameters
    ----------
    A : array_like of shape (n, n)
        Split in any way.
    n_eigenvalues : int
        How many.
    n_oversamples, power_iter, seed
        As in `rsvd`.

    Communication and cost: as `rsvd`.
    """
    x = _matrix(A, "reigh", square=True)
    rank = _checked(x.shape, n_eigenvalues, "n_eigenvalues")
    q = _range(x, rank + n_oversamples, power_iter, seed)
    inner = _projected(q, x @ q)
    w, v = eigh((inner + adjoint(inner)) / 2)
    chosen = sort(FUNCTIONS["abs"](w).argsort(stable=True)[len(w) - rank :])
    return EighResult(w[chosen], q @ v[:, chosen])


# --- hierarchical -----------------------------------------------------------------------------------------------------


class HSVDResult(NamedTuple):
    U: DNDarray
    S: DNDarray
    Vh: DNDarray
    relative_error: float


def hsvd(A: Any, maxrank: int | None = None, rtol: float | None = None, *, safetyshift: int = 5) -> HSVDResult:
    """The largest singular values and their vectors, by a hierarchy of small decompositions (Iwen and Ong, 2016).

    Each process decomposes the columns it has and keeps what matters; in pairs the processes then put together what
    they kept, and decompose that, until one has the singular vectors of all columns.

    Parameters
    ----------
    A : array_like of shape (m, n)
        Split in any way; rows dealt out, it is the adjoint that is decomposed.
    maxrank : int, optional
        How many singular values at most.
    rtol : float, optional
        Keep so many that the result differs from `A` by no more than this times the norm of `A` (Frobenius), as far as
        `maxrank` allows.
    safetyshift : int
        How many more than `maxrank` are kept until the last step.

    Returns
    -------
    HSVDResult
        U, S and Vh, whose long sides are dealt out as `A` is; and the norm of the difference between their product and
        `A` over that of `A`, which is computed from these, not estimated.

    Communication: for k values kept, log2(p) messages and gathers of a number each, one broadcast of m k words, one
    all-gather of k x k words and reductions of single numbers; one redistribution if both axes are split.

    Examples
    --------
    >>> import dndarray as dnd
    >>> u, s, vh, error = dnd.linalg.hsvd(dnd.ones((4, 6), split=1), rtol=1e-3)
    >>> u.shape, vh.split, error < 1e-3
    ((4, 1), 1, True)
    """
    x = _matrix(A, "hsvd")
    if maxrank is None and rtol is None:
        raise ValueError("hsvd needs `maxrank`, `rtol`, or both")
    if rtol is not None and not 0 <= rtol < math.inf:
        raise ValueError(f"`rtol` (={rtol}) must be 0 or more")
    rank = _checked(x.shape, min(x.shape) if maxrank is None else maxrank, "maxrank") if x.size else 0
    if 0 in x.layout.axes and 1 not in x.layout.axes:
        u, s, vh, error = hsvd(adjoint(x), maxrank, rtol, safetyshift=safetyshift)
        return HSVDResult(adjoint(vh), s, adjoint(u), error)
    if 0 in x.layout.axes:
        layout = Layout(x.shape, x.comm.grid, 1)
        x = wrap(move(x.larray, x.layout, layout, x.comm), layout, x.comm)
    size = vector_norm(x).item()
    if not size < math.inf:
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    g = x.layout.grid_axis(1)
    along = x.comm.along(x.layout.grid, () if g is None else (g,))
    vectors = _hierarchy(x.larray.detach(), rank, None if rtol is None else rtol * size, safetyshift, along)
    basis = wrap(vectors, Layout(tuple(vectors.shape), x.layout.grid), x.comm)
    projected = adjoint(basis) @ x
    error = vector_norm(x - basis @ projected).item()
    u, s, vh = svd(projected, full_matrices=False)
    return HSVDResult(basis @ u, s, vh, error / size if size else 0.0)


def hsvd_rank(A: Any, maxrank: int, safetyshift: int = 5) -> HSVDResult:
    """`hsvd` with at most `maxrank` singular values."""
    return hsvd(A, maxrank, safetyshift=safetyshift)


def hsvd_rtol(A: Any, rtol: float, maxrank: int | None = None, safetyshift: int = 5) -> HSVDResult:
    """`hsvd` with a relative error of at most `rtol`, if `maxrank` allows it."""
    return hsvd(A, maxrank, rtol, safetyshift=safetyshift)


def _hierarchy(t: Tensor, rank: int, tolerance: float | None, more: int, comm: Communicator) -> Tensor:
    """An orthonormal basis of what matters in the columns of all processes.

    The tolerance is shared evenly by the levels, and on each level, in squares, by those who work.
    """
    steps = [2**k for k in range((comm.size - 1).bit_length())]

    def allowed(step: int) -> float | None:
        return None if tolerance is None else tolerance / (len(steps) + 1) / math.sqrt(-(-comm.size // step))

    t = _leading(t, rank if not steps else rank + more, allowed(1))
    for step in steps:
        widths = comm.allgather(torch.tensor(t.shape[1])).tolist()
        other = comm.rank ^ step
        if comm.rank % (2 * step) == step:
            comm.send(t, other)
            t = t[:, :0]
        elif comm.rank % (2 * step) == 0 and other < comm.size:
            both = torch.cat([t, comm.recv(t.new_empty((len(t), widths[other])), other)], 1)
            t = _leading(both, rank if step == steps[-1] else rank + more, allowed(2 * step))
    width = int(comm.broadcast(torch.tensor(t.shape[1])))
    t = comm.broadcast(t if comm.rank == 0 else t.new_empty((len(t), width)))
    return torch.linalg.qr(t).Q


_GUESS = 32
"""How many singular values are looked for at first, where only a tolerance is given."""


def _leading(t: Tensor, rank: int, tolerance: float | None) -> Tensor:
    """The left singular vectors times the largest singular values: at most `rank`, and as many as `tolerance` wants.

    A random projection finds them, with two power iterations, where they are few; what it misses is measured.
    """
    small = min(t.shape)
    count = rank if tolerance is None else min(rank, _GUESS)
    probes = torch.Generator(t.device).manual_seed(0)
    while 4 * (count + 10) <= small:
        q = torch.randn((t.shape[1], count + 10), generator=probes, dtype=t.dtype, device=t.device)
        for _ in range(2):
            q = t.mH @ torch.linalg.qr(t @ q).Q
        q = torch.linalg.qr(t @ q).Q
        inner = q.mH @ t
        missed = 0.0 if tolerance is None else torch.linalg.vector_norm(t - q @ inner).item()
        if tolerance is None or missed <= tolerance / 2 or count == rank:
            u, s, _ = torch.linalg.svd(inner, full_matrices=False)
            return _truncated(q @ u, s, rank, tolerance, missed)
        count = min(rank, 4 * count)
    u, s, _ = torch.linalg.svd(t, full_matrices=False)
    return _truncated(u, s, rank, tolerance, 0.0)


def _truncated(u: Tensor, s: Tensor, rank: int, tolerance: float | None, missed: float) -> Tensor:
    kept = min(rank, len(s))
    if tolerance is not None:
        tail = torch.linalg.vector_norm(torch.triu(s.double().expand(len(s), -1)), dim=1)  # of what begins at each
        kept = min(kept, int((tail > math.sqrt(max(0.0, tolerance**2 - missed**2))).sum()))
    return u[:, :kept] * s[:kept]


# --- incremental ------------------------------------------------------------------------------------------------------


def isvd(new_data: Any, U_old: Any, S_old: Any, Vh_old: Any, maxrank: int | None = None) -> SVDResult:
    """The singular value decomposition of a matrix with further columns, from that without them (Brand, 2006).

    Parameters
    ----------
    new_data : array_like of shape (m, c)
        The further columns.
    U_old, S_old, Vh_old : array_like of shapes (m, k), (k,) and (k, n)
        What is known of the others.
    maxrank : int, optional
        How many singular values to keep; k + c, or as many as there are, by default.

    Returns
    -------
    SVDResult
        U dealt out as `U_old`, S, and Vh, of shape (k', n + c), dealt out as `Vh_old`.

    Communication: the `qr` of a matrix with m rows and k + c columns, and putting the columns together. Cost:
    6 m (k + c)^2 / p flops on each of p processes. The columns known before are not needed.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a = dnd.arange(12.0, split=0).reshape(4, 3)
    >>> u, s, vh = dnd.linalg.isvd(a[:, 2:], *dnd.linalg.svd(a[:, :2], full_matrices=False))
    >>> bool(dnd.allclose((u * s) @ vh, a, atol=1e-4))
    True
    """
    c, u, vh = (_matrix(v, "isvd") for v in (new_data, U_old, Vh_old))
    (s,) = operands(S_old)
    k = len(s)
    if u.shape != (len(c), k) or vh.shape[0] != k or s.ndim != 1:
        raise ValueError(
            f"isvd of new data of shape {c.shape} takes factors of shapes (m, k), (k,) and (k, n) with m = {len(c)}, "
            f"not {u.shape}, {s.shape} and {vh.shape}"
        )
    limit = min(k + c.shape[1], len(c))
    if maxrank is not None:
        limit = _checked((limit,), maxrank, "maxrank")
    q, r = qr(hstack([u, c]))
    left, values, right = svd(r * hstack([s, ones((c.shape[1],), dtype=s.dtype, comm=s.comm)]), full_matrices=False)
    left, values, right = left[:, :limit], values[:limit], right[:limit]
    return SVDResult(q @ left, values, hstack([right[:, :k] @ vh, right[:, k:]]))
