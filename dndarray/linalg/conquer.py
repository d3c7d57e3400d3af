"""Eigenvalues of tridiagonal and singular values of bidiagonal matrices, by divide and conquer.

A matrix without one of its rows falls into two, whose solutions are put together by a secular equation (Cuppen, 1981;
Gu and Eisenstat, 1995). What is dealt out are the rows of the matrix of vectors: of those each process computes its
own, by products of matrices. All that it needs besides are the first and last rows of every half, which every process
keeps, and the roots, which they share among them.

Vectors lie in the rows of a tensor here, and the rows that a process has are its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..communication import Communicator
from .secular import AT_A_TIME, Secular, difference, difference_of_squares

__all__ = ["Rows", "bidiagonal_svd", "tridiagonal_eigh"]

LEAF = 48
"""Rows of a matrix that is not divided further."""


@dataclass
class Rows:
    """Which rows of the vectors this process computes, ascending, and in which type and on which device."""

    indices: Tensor
    like: Tensor

    def cut(self, start: int, stop: int) -> Tensor:
        """Those in [start, stop), counted from there."""
        low, high = torch.searchsorted(self.indices, torch.tensor([start, stop])).tolist()
        return self.indices[low:high] - start

    def of(self, vectors: Tensor, start: int, ends: bool) -> Tensor:
        """Those of the vectors of a part that begins at `start`, with its first and last row if `ends`."""
        n = vectors.shape[1]
        mine = self.cut(start, start + n)
        if ends:
            mine = torch.cat([torch.tensor([0]), mine, torch.tensor([n - 1])])
        return vectors[:, mine].to(self.like)


class Merge:
    """Vectors of several parts, and what becomes of them where the parts are put together.

    Every vector has elements in the columns of its own part only, until it is mixed with others.
    """

    def __init__(self, *parts: Tensor) -> None:
        self.vectors = torch.block_diag(*parts)
        self.columns, self.has = [], []
        row = column = 0
        for part in parts:
            has = torch.zeros(len(self.vectors), dtype=torch.bool)
            has[row : row + len(part)] = True
            self.columns.append(slice(column, column + part.shape[1]))
            self.has.append(has)
            row, column = row + len(part), column + part.shape[1]

    def reflect(self, group: Tensor, h: Tensor) -> None:
        """Put the vectors `group` through the reflection 1 - 2 h h^T, of a unit vector h."""
        vectors, weights = self.vectors[group], h.to(self.vectors)
        self.vectors[group] = vectors - torch.outer(2 * weights, weights @ vectors)
        for has in self.has:
            has[group] = has[group].any()

    def combine(self, kept: Tensor, factors: Callable[[int, int], Tensor], dropped: Tensor, order: Tensor) -> Tensor:
        """The sums of the vectors `kept` with the factors [start, stop), and the vectors `dropped`, in `order`."""
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        result = torch.empty_like(self.vectors)
        result[place[len(kept) :]] = self.vectors[dropped]
        parts = []
        for columns, has in zip(self.columns, self.has, strict=True):
            chosen = has[kept].nonzero()[:, 0]
            parts.append((columns, chosen, self.vectors[kept[chosen], columns]))
        step = max(1, AT_A_TIME // max(1, len(kept)))
        for start in range(0, len(kept), step):
            stop = min(start + step, len(kept))
            weights = factors(start, stop)
            for columns, chosen, vectors in parts:
                result[place[start:stop], columns] = weights[:, chosen].to(vectors) @ vectors
        return result


def _groups(values: Tensor, tolerance: float) -> list[tuple[int, int]]:
    """Where in ascending values several lie within `tolerance`."""
    groups: list[tuple[int, int]] = []
    stop = 0
    for start in (values.diff() <= tolerance).nonzero()[:, 0].tolist():
        if start >= stop:
            stop = int(torch.searchsorted(values, values[start] + tolerance, right=True))
            groups.append((start, stop))
    return groups


def _reflection(z: Tensor, group: Tensor) -> Tensor:
    """The unit vector of the reflection that leaves of z, in a group, the first element only; z is changed so."""
    h = z[group]
    size = torch.linalg.vector_norm(h).copysign(h[0])
    h[0] += size if size else 1
    z[group] = 0
    z[group[0]] = -size
    return h / torch.linalg.vector_norm(h)


def _agreed(values: Tensor, z: Tensor, comm: Communicator) -> tuple[Tensor, Tensor]:
    """Both as rank 0 has them: products of other widths may end in other bits, and all processes must decide alike."""
    values, z = comm.broadcast(torch.cat([values, z])).split([len(values), len(z)])
    return values, z.clone()


def _tolerance(values: Tensor, others: float, like: Tensor) -> float:
    """What is lost in rounding errors anyway; of a matrix whose largest element is about 1, and more than nothing."""
    return 8 * torch.finfo(like.dtype).eps * max(float(values.abs().max()), others, 1e-90)


# --- eigenvalues ------------------------------------------------------------------------------------------------------


def tridiagonal_eigh(d: Tensor, e: Tensor, rows: Rows, comm: Communicator) -> tuple[Tensor, Tensor]:
    """The eigenvalues, ascending, of the symmetric matrix with diagonal `d` and `e` >= 0 beside it, and eigenvectors.

    The eigenvectors are rows, of which this process has the elements `rows`. `d` and `e`, in double precision, are the
    same everywhere.
    """
    values, vectors = _eigh(d, e, 0, rows, comm)
    return values, vectors[:, 1:-1]


def _eigh(d: Tensor, e: Tensor, start: int, rows: Rows, comm: Communicator) -> tuple[Tensor, Tensor]:
    n = len(d)
    if n <= LEAF:
        values, vectors = torch.linalg.eigh(torch.diag(d) + torch.diag(e, -1))
        return values, rows.of(vectors.T, start, ends=True)
    k = n // 2
    weight = e[k - 1].item()
    d = d.clone()
    d[k - 1 : k + 1] -= weight
    upper, above = _eigh(d[:k], e[: k - 1], start, rows, comm)
    lower, below = _eigh(d[k:], e[k:], start + k, rows, comm)
    values, z = _agreed(torch.cat([upper, lower]), torch.cat([above[:, -1], below[:, 0]]).to(d), comm)
    merge = Merge(above[:, :-1], below[:, 1:])
    tolerance = _tolerance(values, weight, merge.vectors)
    order = values.argsort()
    keep = weight * z.abs() > tolerance
    dropped = [order[~keep[order]]]
    order = order[keep[order]]
    kept = torch.ones(len(order), dtype=torch.bool)
    for low, high in _groups(values[order], tolerance):
        merge.reflect(order[low:high], _reflection(z, order[low:high]))
        kept[low + 1 : high] = False
    dropped.append(order[~kept])
    order, unchanged = order[kept], torch.cat(dropped)
    roots = Secular(values[order], z[order], difference, comm, weight)
    values = torch.cat([roots.poles[roots.origin] + roots.offset, values[unchanged]])
    sequence = values.argsort()
    return values[sequence], merge.combine(order, roots.vectors, unchanged, sequence)


# --- singular values --------------------------------------------------------------------------------------------------


def bidiagonal_svd(d: Tensor, e: Tensor, left: Rows, right: Rows, comm: Communicator) -> tuple[Tensor, Tensor, Tensor]:
    """The singular values, ascending, of the matrix with diagonal `d` >= 0 and above it `e` >= 0, and its vectors.

    The singular vectors of both sides are rows, of which this process has the elements `left` and `right`. `d` and `e`,
    in double precision, are the same everywhere.
    """
    values, u, v = _svd(d, e, 0, left, right, comm)
    return values, u, v[:, 1:-1]


def _svd(d: Tensor, e: Tensor, start: int, left: Rows, right: Rows, comm: Communicator) -> tuple[Tensor, ...]:
    """Of a matrix with as many columns as rows, or, where `e` is as long as `d`, one more: then the last right vector
    is the one that the matrix takes to zero."""
    n = len(d)
    if n <= LEAF:
        dense = torch.cat([torch.diag(d), d.new_zeros((n, 1))], 1)
        dense.diagonal(1)[: len(e)] = e
        u, values, vh = torch.linalg.svd(dense if len(e) == n else dense[:, :n])
        v = torch.cat([vh[:n].flip(0), vh[n:]])
        return values.flip(0), left.of(u.T.flip(0), start, ends=False), right.of(v, start, ends=True)
    # Row k couples what lies above and below.
    k = n // 2
    upper, u_above, v_above = _svd(d[:k], e[:k], start, left, right, comm)
    lower, u_below, v_below = _svd(d[k + 1 :], e[k + 1 :], start + k + 1, left, right, comm)
    z = torch.cat([d[k] * v_above[:, -1].to(d), e[k] * v_below[:, 0].to(d)])
    values, z = _agreed(torch.cat([upper, d.new_zeros(1), lower]), z, comm)
    alone = u_above.new_ones((1, len(left.cut(start + k, start + k + 1))))
    us, vs = Merge(u_above, alone, u_below), Merge(v_above[:, :-1], v_below[:, 1:])
    tolerance = _tolerance(values, max(d[k].item(), e[k].item()), vs.vectors)
    # The pole 0, which stands for row k, comes first, and with it everything that is as good as zero.
    order = torch.cat([upper, -d.new_ones(1), lower]).argsort()
    few = int((values[order] <= tolerance).sum())
    null = torch.arange(n, len(z))
    zero = torch.cat([order[:few], null])
    vs.reflect(zero, _reflection(z, zero))
    z[k] = z[k].abs().clamp(min=tolerance).copysign(z[k])
    keep = z.abs() > tolerance
    keep[k] = True
    dropped = [order[~keep[order]]]
    order = order[keep[order]]
    kept = torch.ones(len(order), dtype=torch.bool)
    for low, high in _groups(values[order][1:], tolerance):
        group = order[low + 1 : high + 1]
        h = _reflection(z, group)
        us.reflect(group, h)
        vs.reflect(group, h)
        kept[low + 2 : high + 1] = False
    dropped.append(order[~kept])
    order, unchanged = order[kept], torch.cat(dropped)
    roots = Secular(values[order], z[order], difference_of_squares, comm)
    near = roots.poles[roots.origin]
    found = near + roots.offset / (near + (near * near + roots.offset).clamp(min=0).sqrt())
    values = torch.cat([found, values[unchanged]])
    sequence = values.argsort()
    u = us.combine(order, roots.left_vectors, unchanged, sequence)
    v = vs.combine(order, roots.vectors, torch.cat([unchanged, null]), torch.cat([sequence, null]))
    return values[sequence], u, v
