"""Matrices of distances between the rows of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import needs_grad
from ..creation import arange
from ..elementwise import FUNCTIONS, apply, as_operand
from ..layout import Layout
from ..memory import fresh
from ..redistribution import move
from ..types import kind, promote_types, wide_of
from .metrics import Metric, blocks, gaussian, metric_of
from .travel import Meeting, meet, tied

__all__ = ["cdist", "cosine", "manhattan", "pdist", "rbf", "squareform"]


def rows_of(X: Any, Y: Any) -> tuple[Meeting, torch.dtype]:
    """Two arrays of rows in the type in which their distances are computed, and the type of the distances."""
    x = as_operand(X)
    y = x if Y is None else as_operand(Y, x.comm, x.device)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"distances are between rows of as many features; these are of shapes {x.shape} and {y.shape}")
    dtype = promote_types(x.dtype, y.dtype)
    if dtype.is_complex:
        raise TypeError(f"distances are between rows of real numbers, not {dtype}; view them as twice as many features")
    dtype = dtype if kind(dtype) == 2 else torch.float64
    wide = wide_of(dtype)
    return meet(x.astype(wide, copy=False), None if Y is None else y.astype(wide, copy=False)), dtype


def _matrix(X: Any, Y: Any, metric: Any) -> DNDarray:
    """The matrix of `metric`, made from the number of features, between all rows."""
    meeting, dtype = rows_of(X, Y)
    x, y = meeting.locals()
    grid = meeting.x.layout.grid
    axes: list[int | None] = [None] * grid.ndim
    counts: list[Any] = [None] * grid.ndim
    for axis, (g, array) in enumerate(((meeting.x_axis, meeting.x), (meeting.y_axis, meeting.y))):
        if g is not None and axes[g] is None:
            axes[g], counts[g] = axis, array.layout.counts[g]
    layout = Layout((meeting.x.shape[0], meeting.y.shape[0]), grid, tuple(axes), counts)
    chosen: Metric = metric(x.shape[1])
    if needs_grad(x, y):
        parts = [(start, block) for start, panel in meeting.panels(y) for _, _, block in blocks(x, panel, chosen)]
        result = torch.cat([block for _, block in sorted(parts, key=lambda part: part[0])], 1).to(dtype)
    else:
        result = fresh(layout.lshape(meeting.x.comm.rank), x.new_empty(0, dtype=dtype))
        first = 0 if meeting.travels else meeting.start()
        for start, panel in meeting.panels(y):
            part = result.narrow(1, start - first, len(panel))
            for row, column, block in blocks(x, panel, chosen, part if dtype is x.dtype else None):
                if dtype is not x.dtype:
                    part[row : row + block.shape[0], column : column + block.shape[1]] = block
    return wrap(result, layout, meeting.x.comm)


def cdist(
    X: Any, Y: Any = None, metric: Any = "euclidean", *, p: float = 2.0, quadratic_expansion: bool = False
) -> DNDarray:
    """Distances between all rows of `X` and all rows of `Y`.

    Parameters
    ----------
    X : array_like of shape (n, d)
    Y : array_like of shape (m, d), optional
        Split in any way; `X` itself by default.
    metric : str or callable
        euclidean, sqeuclidean, cityblock (or manhattan), chebyshev, minkowski, cosine, correlation, canberra,
        braycurtis, hamming or jaccard; or a function of two tensors of shapes (a, d) and (b, d) that returns one of
        shape (a, b).
    p : float
        The exponent of minkowski's.
    quadratic_expansion : bool
        Whether euclidean and sqeuclidean take |x|^2 - 2 x y + |y|^2 as it comes. By default the pairs for which this
        loses digits are computed again from the differences.

    Returns
    -------
    DNDarray of shape (n, m)
        In the type of the rows, float64 for integers. Its rows are split as those of `X`; where only those of `Y` are
        split, or by another grid axis, its columns are split as these.

    Communication: if the rows of both are split by the same processes, those of `Y` travel round the ring, p - 1
    messages for each process, the next panel while this one is computed; otherwise none. Before, one redistribution of
    what is split along the features. Differentiable, but for hamming and jaccard; then the panels are held until
    backward, and where metrics compare feature by feature (canberra, braycurtis) their differences, n m d numbers.

    Examples
    --------
    >>> import dndarray as dnd
    >>> x = dnd.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], split=0)
    >>> dnd.spatial.cdist(x)[0].tolist()
    [0.0, 5.0, 1.0]
    """
    return _matrix(X, Y, lambda features: metric_of(metric, features, p, quadratic_expansion))


def rbf(X: Any, Y: Any = None, sigma: float = 1.0, quadratic_expansion: bool = False) -> DNDarray:
    """The Gaussian kernel exp(-|x - y|^2 / (2 sigma^2)) of all pairs of rows; otherwise as `cdist`."""
    return _matrix(X, Y, lambda features: gaussian(sigma, quadratic_expansion, features))


def manhattan(X: Any, Y: Any = None, expand: bool = False) -> DNDarray:
    """Sums of absolute differences between all pairs of rows; otherwise as `cdist`.

    `expand` computes them from blocks of all differences, which may be faster.
    """
    name = "cityblock by differences" if expand else "cityblock"
    return _matrix(X, Y, lambda features: metric_of(name, features))


def cosine(X: Any, Y: Any = None) -> DNDarray:
    """1 minus the cosines of the angles between all pairs of rows; otherwise as `cdist`."""
    return cdist(X, Y, "cosine")


# --- each pair once ---------------------------------------------------------------------------------------------------


def _before(i: Any, n: int) -> Any:
    """How many pairs (a, b) with a < b < n there are with a < i."""
    return i * (2 * n - i - 1) // 2


def _deal_pairs(x: DNDarray, g: int) -> DNDarray:
    """The rows dealt out along a grid axis so that each process has as many pairs to compute."""
    n, parts = x.shape[0], x.layout.grid.shape[g]
    wanted = np.arange(1, parts) * _before(n, n) // parts
    cuts = [0, *np.searchsorted(_before(np.arange(n), n), wanted).tolist(), n]
    counts = list(x.layout.counts)
    counts[g] = tuple(np.diff(cuts).tolist())
    layout = Layout(x.shape, x.layout.grid, x.layout.axes, counts)
    return wrap(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


def pdist(X: Any, metric: Any = "euclidean", *, p: float = 2.0, quadratic_expansion: bool = False) -> DNDarray:
    """Distances between all pairs of different rows, each pair once.

    Parameters
    ----------
    X : array_like of shape (n, d)
        Split in any way.

    The others are those of `cdist`.

    Returns
    -------
    DNDarray of shape (n (n - 1) / 2,)
        The pairs (0, 1), (0, 2), ..., (1, 2), ...; see `squareform`. Split if the rows of `X` are (then those are dealt
        out anew, so that all processes have about as many pairs).

    Communication: one all-to-all of the rows; then they travel round the ring, as in `cdist`. Differentiable.
    """
    meeting, dtype = rows_of(X, None)
    x, g = meeting.x, meeting.x_axis
    n, features = x.shape
    chosen = metric_of(metric, features, p, quadratic_expansion)
    if g is not None:
        x = _deal_pairs(x, g)
        meeting = Meeting(x, x, g, g)
    local = x.larray
    (first, stop), _ = x.layout.box(x.comm.rank)
    i = torch.arange(first, stop, device=local.device)[:, None]
    place = _before(i, n) - _before(first, n) - i - 1  # of the pair (i, j): this plus j
    result = local.new_zeros(_before(stop, n) - _before(first, n))
    height = max(1, len(local) if needs_grad(local) else 512)
    for start, panel in meeting.panels(local):
        for low in range(0, len(local), height):
            left = min(max(first + low + 1 - start, 0), len(panel))  # no pair has its second row there
            for row, column, block in blocks(local[low : low + height], panel[left:], chosen):
                rows = slice(low + row, low + row + block.shape[0])
                j = torch.arange(block.shape[1], device=local.device) + (start + left + column)
                later = j > i[rows]
                result[(place[rows] + j)[later]] = block[later]
    result = tied(result, panel)
    counts: list[Any] = [None] * x.layout.grid.ndim
    if g is not None:
        ends = [_before(end, n) for end in x.layout.offsets[g]]  # type: ignore[union-attr]
        counts[g] = [b - a for a, b in zip(ends[:-1], ends[1:], strict=True)]
    layout = Layout((_before(n, n),), x.layout.grid, x.layout.axes, counts)
    return wrap(result.to(dtype), layout, x.comm)


def _pair_of(place: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The pairs that stand at these places of a condensed form."""
    i = torch.searchsorted(_before(torch.arange(n, device=place.device), n), place, right=True) - 1
    return i, place - _before(i, n) + i + 1


def squareform(X: Any) -> DNDarray:
    """The symmetric matrix of a condensed form as `pdist` gives it, or the condensed form of a symmetric matrix.

    The rows of the matrix, and the condensed form, are split if `X` is. Communication: one exchange of indices and one
    of elements. Differentiable.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.spatial.squareform(dnd.array([1, 2, 3], split=0)).tolist()
    [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    """
    x = as_operand(X)
    split = 0 if x.layout.is_dealt else None
    if x.ndim == 1:
        n = (1 + math.isqrt(1 + 8 * x.size)) // 2
        if _before(n, n) != x.size:
            raise ValueError(f"a condensed form has n (n - 1) / 2 elements, not {x.size}")
        i, j = arange(n, split=split, comm=x.comm)[:, None], arange(n, comm=x.comm)[None]
        low, high = FUNCTIONS["minimum"](i, j), FUNCTIONS["maximum"](i, j)
        place = _before(low, n) + high - low - 1
        chosen = (i == j, 0, x[FUNCTIONS["clip"](place, 0, None)] if n > 1 else 0)
        return apply(torch.where, chosen, (torch.bool, x.dtype, x.dtype))
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise ValueError(f"squareform takes a vector or a square matrix, not shape {x.shape}")
    n = x.shape[0]
    place = arange(_before(n, n), split=split, comm=x.comm)
    i, j = apply(lambda t: _pair_of(t, n), (place,), (None,))
    return x[i, j]
