"""Distances between the rows of two tensors: what one process computes, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..collectives import needs_grad

__all__ = ["Metric", "blocks", "gaussian", "metric_of"]

BLOCK = 2**18
"""Distances that are computed at a time, so that they stay in the processor's cache."""


class Metric(NamedTuple):
    """How distances between rows (a, d) and rows (b, d) are computed, as a matrix (a, b)."""

    distances: Callable[[Tensor, Tensor], Tensor]
    """The distances, with gradient; there may be leading axes."""
    broadcasts: bool = False
    """Whether that needs memory for all differences between features."""
    fast: Fast | None = None
    """A faster way, without gradient."""


class Fast(NamedTuple):
    """Distances by matrix products."""

    prepare: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    """What is done to all rows once, before they are multiplied block by block."""
    write: Callable[[Tensor, Tensor, Tensor], Any]
    """Write the distances between prepared rows to a block."""
    again: Callable[[Tensor, Tensor], Tensor] | None = None
    """The distances between row i of one and row i of the other, so that equal rows are equally far to the last bit."""


def blocks(x: Tensor, y: Tensor, metric: Metric, out: Tensor | None = None) -> Iterator[tuple[int, int, Tensor]]:
    """The distances between the rows of `x` and `y`, block by block, each with its first row and column.

    Without gradient they are parts of `out`, or (until the next block) of a buffer; with it there is one block.
    """
    if needs_grad(x, y):
        yield 0, 0, metric.distances(x, y)
        return
    limit = max(1, BLOCK // max(1, x.shape[1])) if metric.broadcasts else BLOCK
    width = max(1, min(len(y), 1024, limit))
    height = max(1, min(len(x), limit // width))
    buffer = x.new_empty(height * width) if out is None else x.new_empty(0)
    if metric.fast is not None:
        x, y = metric.fast.prepare(x, y)
    for row in range(0, len(x), height):
        for column in range(0, len(y), width):
            rows, columns = x[row : row + height], y[column : column + width]
            if out is None:
                block = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            else:
                block = out[row : row + height, column : column + width]
            if metric.fast is None:
                block.copy_(metric.distances(rows, columns))
            else:
                metric.fast.write(rows, columns, block)
            yield row, column, block


# --- Minkowski's ------------------------------------------------------------------------------------------------------


def _direct(x: Tensor, y: Tensor, p: float = 2.0) -> Tensor:
    return torch.cdist(x, y, p, compute_mode="donot_use_mm_for_euclid_dist")


def _expand(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Rows whose products are |x|^2 - 2 x y + |y|^2, moved together, for that loses fewer digits."""
    if len(x):
        centre = x.mean(0)
        step = 2.0 ** torch.floor(torch.log2((x - centre).abs().amax()))  # integers remain integers
        centre = (centre / step).round() * step
        centre = torch.where(centre.isfinite(), centre, 0)
        x, y = x - centre, y - centre
    (x, own), (y, other) = ((t, t.square().sum(1, keepdim=True)) for t in (x, y))
    return torch.cat([-2 * x, own, torch.ones_like(own)], 1), torch.cat([y, torch.ones_like(other), other], 1)


CANCELS = {torch.float32: 2.0**-4, torch.float64: 2.0**-10}
"""Below this part of |x|^2 + |y|^2 a squared distance has lost too many digits, and is computed again."""

FEW = 8
"""Features of which the differences cost less than a matrix product."""


def _squares_as_they_come(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
    return torch.mm(x, y.T, out=out).clamp_(min=0)


def _squares(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
    """Squared distances of expanded rows: a matrix product, and the pairs again of which it has lost digits."""
    torch.mm(x, y.T, out=out)
    scale = CANCELS[x.dtype]
    if not out.numel() or out.amin() >= scale * (x[:, -2].amax() + y[:, -1].amax()):
        return out
    lost = ~(out >= scale * (x[:, -2:-1] + y[:, -1]))  # what is not a number, too
    i, j = lost.nonzero(as_tuple=True)
    x, y = x[:, :-2] * -0.5, y[:, :-2]
    if len(i) > lost.numel() // 8:
        return out.copy_(_direct(x, y)).square_()
    out[i, j] = (x[i] - y[j]).square_().sum(1)
    return out


def _euclidean(squared: bool, quadratic_expansion: bool, features: int) -> Metric:
    def distances(x: Tensor, y: Tensor) -> Tensor:
        return _direct(x, y).square() if squared else _direct(x, y)

    def again(x: Tensor, y: Tensor) -> Tensor:
        squares = (x - y).square_().sum(1)
        return squares if squared else squares.sqrt_()

    if features <= FEW and not quadratic_expansion:
        return Metric(distances)
    squares = _squares_as_they_come if quadratic_expansion else _squares
    write = squares if squared else lambda x, y, out: squares(x, y, out).sqrt_()
    return Metric(distances, fast=Fast(_expand, write, again))


def gaussian(sigma: float, quadratic_expansion: bool, features: int) -> Metric:
    """exp(-|x - y|^2 / (2 sigma^2)), which is no distance."""
    scale = -0.5 / sigma**2
    squared = _euclidean(True, quadratic_expansion, features)

    def similarities(x: Tensor, y: Tensor) -> Tensor:
        return (squared.distances(x, y) * scale).exp()

    fast = squared.fast
    if fast is None:
        return Metric(similarities)
    return Metric(similarities, fast=Fast(fast.prepare, lambda x, y, out: fast.write(x, y, out).mul_(scale).exp_()))


# --- others -----------------------------------------------------------------------------------------------------------


def _directions(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x, y = (t / t.square().sum(-1, keepdim=True).sqrt() for t in (x, y))
    return x, y


def _deviations(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return _directions(*(t - t.mean(-1, keepdim=True) for t in (x, y)))


def _by_angle(prepare: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Metric:
    """1 minus the cosine of the angle between prepared rows."""

    def distances(x: Tensor, y: Tensor) -> Tensor:
        x, y = prepare(x, y)
        return 1 - (x @ y.mT).clamp(-1, 1)

    def write(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
        return torch.mm(x, y.T, out=out).clamp_(-1, 1).neg_().add_(1)

    return Metric(distances, fast=Fast(prepare, write))


def _by_feature(fn: Callable[[Tensor, Tensor], Tensor]) -> Metric:
    """The metric that compares rows (a, 1, d) with rows (1, b, d)."""
    return Metric(lambda x, y: fn(x[..., :, None, :], y[..., None, :, :]), broadcasts=True)


def _canberra(x: Tensor, y: Tensor) -> Tensor:
    return ((x - y).abs() / (x.abs() + y.abs()).where((x != 0) | (y != 0), 1)).sum(-1)


def _jaccard(x: Tensor, y: Tensor) -> Tensor:
    own, other = x != 0, y != 0
    either = (own | other).sum(-1)
    return (own ^ other).sum(-1).to(x.dtype) / either.clamp(min=1)


_METRICS: dict[str, Metric] = {
    "cityblock": Metric(partial(_direct, p=1.0)),
    "chebyshev": Metric(partial(_direct, p=float("inf"))),
    "cosine": _by_angle(_directions),
    "correlation": _by_angle(_deviations),
    "canberra": _by_feature(_canberra),
    "braycurtis": _by_feature(lambda x, y: (x - y).abs().sum(-1) / (x + y).abs().sum(-1)),
    "hamming": _by_feature(lambda x, y: (x != y).to(x.dtype).mean(-1)),
    "jaccard": _by_feature(_jaccard),
    "cityblock by differences": _by_feature(lambda x, y: (x - y).abs().sum(-1)),
}
_METRICS["manhattan"] = _METRICS["cityblock"]
_NAMES = sorted([*(name for name in _METRICS if " " not in name), "euclidean", "minkowski", "sqeuclidean"])


def metric_of(metric: Any, features: int, p: float = 2.0, quadratic_expansion: bool = False) -> Metric:
    """The metric that a name or a function of two tensors of rows stands for."""
    if callable(metric):
        return Metric(metric)
    if metric in _METRICS:
        return _METRICS[metric]
    if metric in ("euclidean", "sqeuclidean"):
        return _euclidean(metric == "sqeuclidean", quadratic_expansion, features)
    if metric == "minkowski":
        if not p > 0:
            raise ValueError(f"`p` (={p}) must be > 0")
        return metric_of("euclidean", features) if p == 2 else Metric(partial(_direct, p=float(p)))
    raise ValueError(f"`metric` (={metric!r}) must be a function or one of {', '.join(_NAMES)}")
