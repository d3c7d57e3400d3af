"""Nearest neighbours, without the matrix of distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..array import wrap
from ..collectives import needs_grad
from ..layout import Layout
from ..redistribution import move
from .distance import rows_of
from .metrics import Metric, blocks, metric_of
from .travel import ring

__all__ = ["nearest"]

ROUNDING = {torch.float32: 2.0**-15, torch.float64: 2.0**-36}
"""By how much, relatively, two distances by matrix products may be in the wrong order."""


def _smallest(distances: Tensor, places: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row and their places, ascending; of equal ones those that come first."""
    values, order = distances.topk(k, 1, largest=False)
    last = values[:, -1:]
    unsure = ((distances <= last).sum(1) > k) | last.isnan().any(1)
    if unsure.any():
        order[unsure] = distances[unsure].sort(dim=1, stable=True).indices[:, :k]
    order = order.sort(1).values
    values, rank = distances.gather(1, order).sort(dim=1, stable=True)
    return values, places.expand(distances.shape).gather(1, order.gather(1, rank))


def _best(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The nearest of the nearest, in order of their places in the array."""
    distances, places = torch.cat([a[0], b[0]], 1), torch.cat([a[1], b[1]], 1)
    places, order = places.sort(1)
    return _smallest(distances.gather(1, order), places, a[0].shape[1])


def _nearest_rows(x: Tensor, y: Tensor, start: int, k: int, metric: Metric) -> tuple[Tensor, Tensor]:
    """The k nearest rows of `y`, of which `y[0]` is number `start`; what is missing is not a number, and comes last."""
    distances, places = x.new_full((len(x), k), torch.nan), torch.full((len(x), k), torch.iinfo(torch.int64).max)
    places = places.to(x.device)
    for row, column, block in blocks(x, y, metric):
        rows, columns = slice(row, row + block.shape[0]), slice(column, column + block.shape[1])
        few = min(k, block.shape[1])
        if metric.fast is not None and metric.fast.again is not None:
            _settle(block, x[rows], y[columns], few, metric.fast.again)
        here = torch.arange(start + column, start + column + block.shape[1], device=x.device)
        found = _best((distances[rows], places[rows]), _smallest(block, here, few))
        distances[rows], places[rows] = found
    return distances, places


def _settle(block: Tensor, x: Tensor, y: Tensor, k: int, again: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compute the distances that may be among the k smallest again, so that equal rows are equally far."""
    farthest = block.topk(k, 1, largest=False).values[:, -1:]
    i, j = (~(block > farthest * (1 + ROUNDING[block.dtype]))).nonzero(as_tuple=True)
    exact = again(x[i], y[j])
    block.fill_(torch.inf)
    block[i, j] = exact


def nearest(
    X: Any, Y: Any, k: int = 1, metric: Any = "euclidean", return_distance: bool = True, *, p: float = 2.0
) -> Any:
    """The `k` rows of `Y` nearest to each row of `X`.

    Parameters
    ----------
    X : array_like of shape (n, d)
    Y : array_like of shape (m, d)
        Split in any way.
    k : int
        How many neighbours, m at most.
    metric, p
        As in `cdist`; for the gradient a function must take rows with leading axes.
    return_distance : bool
        Whether to return the distances, too.

    Returns
    -------
    distances : DNDarray of shape (n, k)
        Ascending; rows that are equally far in the order of their numbers. Split as the rows of `X`.
    indices : DNDarray of shape (n, k)
        Numbers of the rows of `Y`.

    Communication: as `ring`. Needs no matrix of all distances, only blocks of it. The distances are differentiable;
    the gradient fetches the neighbours, n k rows, in one more exchange.

    Examples
    --------
    >>> import dndarray as dnd
    >>> x, y = dnd.array([[0.0], [10.0]], split=0), dnd.arange(8, dtype="float64", split=0)[:, None]
    >>> distances, indices = dnd.spatial.nearest(x, y, k=2)
    >>> distances.tolist(), indices.tolist()
    ([[0.0, 1.0], [3.0, 4.0]], [[0, 1], [7, 6]])
    """
    meeting, dtype = rows_of(X, Y)
    x, y = meeting.x, meeting.y
    if not 1 <= k <= y.shape[0]:
        raise ValueError(f"`k` (={k}) must be in [1, {y.shape[0]}], for there are {y.shape[0]} rows to choose from")
    chosen = metric_of(metric, x.shape[1], p)
    with torch.no_grad():
        distances, indices = ring(x, y, lambda x, y, start: _nearest_rows(x, y, start, k, chosen), _best)
    if not return_distance:
        return indices
    if needs_grad(x.larray, y.larray):
        neighbours = y[indices]
        layout = Layout(neighbours.shape, x.layout.grid, x.layout.axes, x.layout.counts)
        rows = move(neighbours.larray, neighbours.layout, layout, x.comm)
        distances = wrap(chosen.distances(x.larray[:, None], rows)[:, 0], distances.layout, x.comm)
    return distances.astype(dtype, copy=False), indices
