"""Eigenvalues and singular values of a single matrix that is dealt out: by way of a tridiagonal or bidiagonal one.

Three steps: reflections from the left and the right (`tridiagonal`, `bidiagonal`), rows dealt out and taken in turns;
divide and conquer of what is left, each process its rows of the vectors (`conquer`); the reflections once more, of
these vectors. On p processes a matrix of order n costs of

============  =====================  ==============================  ==========================
step          flops per process      messages                        words received per process
============  =====================  ==============================  ==========================
tridiagonal   2 n^3 / p              n + n/32 all-gathers            n^2
bidiagonal    4 m n^2 / p            n all-reduces                   n^2 + 2 * 32 n
conquer       up to 4/3 n^3 / p      n/30 broadcasts at most          2 n log2(n/30)
vectors       2 n^3 / p              n/128 all-reduces               n^2 + 128 n
============  =====================  ==============================  ==========================

the last two rows twice for singular values, and none of the vectors' part where only values are wanted. No process
holds more than a few times its share of the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..communication import Communicator
from ..diagonals import tril, triu
from ..layout import Layout, balanced_counts
from ..redistribution import Job, exchange, move
from .bidiagonal import bidiagonalise
from .block_cyclic import Columns, cyclic
from .conquer import Rows, bidiagonal_svd, tridiagonal_eigh
from .householder import multiply, upper_triangle
from .householder import reflect as factorise
from .matrices import adjoint
from .reflectors import Turns, reflect
from .tridiagonal import tridiagonalise

__all__ = ["by_rows", "hermitian_eigh", "svd_by_qr", "tall_svd"]


def by_rows(x: DNDarray) -> Layout:
    """The layout of `x` if its rows are what is dealt out, otherwise one in which they are."""
    return x.layout if x.layout.axes == (0,) else Layout(x.shape, x.comm.grid, 0)


def _scale(a: Tensor, comm: Communicator) -> float:
    """The largest absolute value, by which `a` is divided in place (no square then overflows); an error if infinite."""
    largest = comm.allreduce(a.abs().max() if a.numel() else a.new_zeros((), dtype=a.real.dtype), "max").item()
    if not largest < float("inf"):
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    if largest:
        a /= largest
    return largest


def _agreed(comm: Communicator, *values: Sequence[complex]) -> list[Tensor]:
    """The numbers as rank 0 has them: from here on all processes must decide alike, to the last bit."""
    lengths = [len(v) for v in values]
    numbers = torch.tensor([x for v in values for x in v], dtype=torch.complex128)
    return list(comm.broadcast(numbers).split(lengths))


def _phases(numbers: Tensor) -> list[complex]:
    return torch.where(numbers == 0, 1, numbers / numbers.abs()).tolist()


def _rows(numbers: Tensor, like: Tensor, wanted: bool) -> Rows:
    return Rows(numbers if wanted else numbers[:0], like.real[:0])


def hermitian_eigh(x: DNDarray, upper: bool, vectors: bool) -> tuple[DNDarray, ...]:
    """The eigenvalues, on every process, and the eigenvectors, dealt out along their rows, of one triangle of `x`."""
    comm, n, layout = x.comm, x.shape[0], by_rows(x)
    half = adjoint(triu(x)) if upper else tril(x)
    rest = adjoint(tril(half, -1))
    jobs = [Job(half.layout, layout), Job(rest.layout, layout)]
    below, above = exchange(comm, jobs, [half.larray, rest.larray])
    (top, _), _ = layout.box(comm.rank)
    turns = Turns(layout.counts[0], comm.rank)  # type: ignore[arg-type]
    a = (below + above)[:, turns.origin]
    del below, above
    # What is imaginary on the diagonal is not looked at.
    at = torch.arange(len(a)), turns.numbers
    a[at] = a[at].real.to(a.dtype)
    scale = _scale(a, comm)
    diagonal, below_it, scales = tridiagonalise(a, turns, comm)
    d, e = _agreed(comm, diagonal, below_it)
    rows = _rows(turns.numbers, a, vectors)
    values, parts = tridiagonal_eigh(d.real.contiguous(), e.abs(), rows, comm)
    w = wrap((scale * values).to(a.real), Layout((n,), layout.grid), comm)
    if not vectors:
        return (w,)
    phases = [1.0 + 0j]
    for phase in _phases(e):
        phases.append(phase * phases[-1])
    v = (parts.T * _factors(phases, turns.numbers, a)).contiguous()
    return w, wrap(reflect(a, scales, v, turns, comm), layout, comm)


def _factors(phases: list[complex], numbers: Tensor, like: Tensor) -> Tensor:
    """Factors of rows: signs where the matrix is real."""
    factors = torch.tensor(phases, dtype=torch.complex128)[numbers, None]
    return (factors if like.dtype.is_complex else factors.real).to(like)


def tall_svd(x: DNDarray, full: bool, vectors: bool) -> tuple[DNDarray, ...]:
    """S, on every process, and U and V, dealt out along their rows, of a matrix with at least as many rows as columns.

    U has as many columns as `x`, or if `full` as many as rows.
    """
    comm, (m, n), layout = x.comm, x.shape, by_rows(x)
    of_v = Layout((n, n), comm.grid, 0, [balanced_counts(n, comm.size)])
    rows, columns = (Turns(dealt.counts[0], comm.rank) for dealt in (layout, of_v))  # type: ignore[arg-type]
    a = move(x.larray, x.layout, layout, comm)[:, columns.origin]
    scale = _scale(a, comm)
    b = bidiagonalise(a, rows, columns, comm)
    d, e = _agreed(comm, b.diagonal, b.above)
    used = rows.first(n)
    left, right = _rows(rows.numbers[:used], a, vectors), _rows(columns.numbers, a, vectors)
    values, us, vs = bidiagonal_svd(d.abs(), e.abs(), left, right, comm)
    s = wrap((scale * values.flip(0)).to(a.real), Layout((n,), layout.grid), comm)
    if not vectors:
        return (s,)
    of_left, of_right = [], [1.0 + 0j]
    for of_d, of_e in zip(_phases(d), [*_phases(e), 1.0], strict=True):
        of_left.append(of_d * of_right[-1])
        of_right.append(of_left[-1] * complex(of_e).conjugate())
    u = a.new_zeros((len(a), m if full else n))
    u[:used, :n] = us.flip(0).T * _factors(of_left, left.indices, a)
    if full:
        u[torch.arange(used, len(a)), rows.numbers[used:]] = 1
    v = vs.flip(0).T * _factors(of_right, right.indices, a)
    of_u = Layout((m, u.shape[1]), comm.grid, 0, layout.counts)
    u = reflect(a, b.left, u, rows, comm)
    v = reflect(b.vectors, b.right, v.contiguous(), columns, comm)
    return s, wrap(u, of_u, comm), wrap(v, of_v, comm)


def svd_by_qr(x: DNDarray, vectors: bool) -> tuple[DNDarray, ...]:
    """As `tall_svd` without `full`, by way of the R of a QR decomposition (Chan, 1982).

    Of a matrix with twice as many rows as columns a third as much work remains to be done column by column.

    Communication: as `qr`, besides that of a square matrix; U travels in the place of Q.
    """
    comm, (m, n) = x.comm, x.shape
    columns = cyclic(x)
    found = factorise(columns)
    r = upper_triangle(columns, n).collect(Layout((n, n), comm.grid, 0))
    s, *factors = tall_svd(r, False, vectors)
    if not vectors:
        return (s,)
    u, v = factors
    below = cyclic(u)
    below = Columns(torch.nn.functional.pad(below.local, (0, m - n)), below.blocks, comm)
    return s, multiply(columns, found, below).collect(by_rows(x)), v
