"""Histograms and counts.

Layouts: arrays are split in any way; counts and edges are the same on every process. Every process counts its own part,
in pieces that stay in cache, and one all-reduce adds the counts up. Where edges depend on the data, two more find the
smallest and largest element. Counts are differentiable in their weights.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align
from .collectives import all_reduce, needs_grad
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .indexing import getitem
from .layout import Layout
from .local_indexing import true_positions
from .manipulation import beside
from .quantiles import percentile
from .redistribution import move
from .reduction import check_ordered
from .types import can_cast, kind, numpy_dtype, promote_types

__all__ = ["bincount", "histc", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]

_PIECE = 2**17
"""Elements that are counted at a time, in cache."""


# --- counting ---------------------------------------------------------------------------------------------------------


def _pieces(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Flat tensors of one length, a stretch of each at a time."""
    for start in range(0, len(tensors[0]), _PIECE):
        yield [t[start : start + _PIECE] for t in tensors]


def _tally(index: Tensor, weights: Tensor | None, size: int) -> Tensor:
    """How often each number below `size` occurs, or the sum of its weights, in double precision."""
    if weights is None:
        return torch.bincount(index, minlength=size)
    if weights.is_complex() or needs_grad(weights):
        zeros = weights.new_zeros(size, dtype=torch.complex128 if weights.is_complex() else torch.float64)
        return zeros.index_add(0, index, weights.to(zeros.dtype))
    return torch.bincount(index, weights.double(), minlength=size).double()  # integers if there is nothing to count


def _count(
    columns: Sequence[Tensor], weights: Tensor | None, size: int, locate: Callable[[list[Tensor]], tuple]
) -> Tensor:
    """Counts of this process's part: `locate` says in which of the `size` bins the elements are, and which are in any
    (None for all)."""
    total: Tensor | None = None
    for pieces in _pieces(columns if weights is None else [*columns, weights]):
        index, inside = locate(pieces[: len(columns)])
        share = None if weights is None else pieces[-1]
        if inside is not None:
            index, share = index[inside], None if share is None else share[inside]
        counts = _tally(index, share, size)
        total = counts if total is None else total + counts
    if total is None:
        empty = torch.empty(0, dtype=torch.int64, device=columns[0].device)
        total = _tally(empty, weights, size)
    return total


def _dealt_along(layout: Layout, comm: Communicator) -> Communicator | None:
    """The processes that hold different parts; None if each holds all."""
    dealt = [g for g, a in enumerate(layout.axes) if a is not None and layout.grid.shape[g] > 1]
    return comm.along(layout.grid, dealt) if dealt else None


def _replicated(local: Tensor, like: Layout, comm: Communicator) -> DNDarray:
    return wrap(local, Layout(tuple(local.shape), like.grid), comm)


def _added_up(counts: Tensor, layout: Layout, comm: Communicator) -> DNDarray:
    parts = _dealt_along(layout, comm)
    return _replicated(counts if parts is None else all_reduce(counts, parts), layout, comm)


def _alike(arrays: Sequence[DNDarray]) -> tuple[list[Tensor], Layout]:
    """Arrays of one shape brought to one layout, flat."""
    tensors, layout = align([a.larray for a in arrays], [a.layout for a in arrays], arrays[0].comm)
    return [t.reshape(-1) for t in tensors], layout


# --- edges ------------------------------------------------------------------------------------------------------------


def _host(values: Any) -> Any:
    """Bins and ranges as NumPy takes them."""
    if isinstance(values, DNDarray):
        return values.numpy()
    return values.cpu().numpy() if isinstance(values, Tensor) else values


def _extremes(x: DNDarray) -> np.ndarray:
    """Smallest and largest element, in the array's type; nothing if there is none."""
    ends = [FUNCTIONS[name](x).numpy() for name in ("min", "max")] if x.size else []
    return np.array(ends, dtype=numpy_dtype(x.dtype))


def _edges(x: DNDarray, bins: Any, limits: Any, weights: Any) -> np.ndarray:
    """The edges of the bins, with NumPy's arithmetic and checks: all it needs of the array are its ends."""
    bins, limits = _host(bins), _host(limits)
    if isinstance(bins, str):
        if bins not in _ESTIMATORS:
            raise ValueError(f"`bins` (={bins!r}) must be one of {', '.join(_ESTIMATORS)}")
        if weights is not None:
            raise TypeError(f"`bins` (={bins!r}) cannot be estimated for weighted elements; give their number")
    elif np.ndim(bins):
        return np.histogram_bin_edges(np.empty(0), bins)
    ends = np.empty(0, numpy_dtype(x.dtype)) if limits is not None else _extremes(x)
    if isinstance(bins, str):
        np.histogram_bin_edges(ends, 1, limits)  # raises what is wrong with the range
        bins = _estimate(bins, x, ends if limits is None else limits, limits)
    return np.histogram_bin_edges(ends, bins, limits)


def _ptp(low: Any, high: Any) -> Any:
    """The distance between ends: of integers as one that no type limits, of others in their type, as NumPy does."""
    return int(high) - int(low) if isinstance(low, np.integer) else high - low


def _estimate(name: str, x: DNDarray, outer: Any, limits: Any) -> int:
    """The number of bins that an estimator wants between the outer edges."""
    if limits is not None:
        above, below = FUNCTIONS["greater_equal"](x, limits[0]), FUNCTIONS["less_equal"](x, limits[1])
        x = getitem(x, FUNCTIONS["logical_and"](above, below))
    if x.size == 0:
        return 1
    width = _ESTIMATORS[name](x, _ptp(*(_extremes(x) if limits is not None else outer)), limits)
    if not width:
        return 1
    width = max(width, 1) if kind(x.dtype) == 1 else width
    return int(np.ceil((_ptp(*outer) or 1) / width))


def _scalar(name: str, x: DNDarray) -> Any:
    """A reduction to one number, as NumPy gives it."""
    return FUNCTIONS[name](x).numpy()[()]


def _fd(x: DNDarray, ptp: Any, limits: Any) -> Any:
    upper, lower = percentile(x, [75, 25]).numpy()
    return 2.0 * (upper - lower) * x.size ** (-1 / 3)


def _sturges(x: DNDarray, ptp: Any, limits: Any) -> Any:
    return ptp / (np.log2(x.size) + 1)


def _sqrt(x: DNDarray, ptp: Any, limits: Any) -> Any:
    return ptp / np.sqrt(x.size)


def _doane(x: DNDarray, ptp: Any, limits: Any) -> Any:
    n = x.size
    deviation = _scalar("std", x) if n > 2 else 0
    if deviation == 0:
        return 0
    standard = FUNCTIONS["divide"](FUNCTIONS["subtract"](x, FUNCTIONS["mean"](x)), FUNCTIONS["std"](x))
    skewness = _scalar("mean", FUNCTIONS["power"](standard, 3))
    spread = np.sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)))
    return ptp / (1 + np.log2(n) + np.log2(1 + abs(skewness) / spread))


def _stone(x: DNDarray, ptp: Any, limits: Any) -> Any:
    """The least estimated integrated squared error, among numbers of bins up to the square root of that of elements."""
    n, most = x.size, max(100, int(math.sqrt(x.size)))
    if n <= 1 or ptp == 0:
        return 0.0
    ends = _extremes(x)
    every = [np.histogram_bin_edges(ends, bins, limits) for bins in range(1, most + 1)]
    local = [_in_even_bins([x.larray.reshape(-1)], None, edges) for edges in every]
    counts = _added_up(torch.cat(local), x.layout, x.comm).larray.double().split([len(part) for part in local])
    errors = [(2 - (n + 1) * float((c / n).square().sum())) * len(c) / ptp for c in counts]
    return ptp / (1 + errors.index(min(errors)))


_ESTIMATORS: dict[str, Callable[[DNDarray, Any, Any], Any]] = {
    "auto": lambda x, ptp, limits: min(max(_fd(x, ptp, limits), _sqrt(x, ptp, limits) / 2), _sturges(x, ptp, limits)),
    "doane": _doane,
    "fd": _fd,
    "rice": lambda x, ptp, limits: ptp / (2.0 * x.size ** (1 / 3)),
    "scott": lambda x, ptp, limits: (24 * np.pi**0.5 / x.size) ** (1 / 3) * _scalar("std", x),
    "sqrt": _sqrt,
    "stone": _stone,
    "sturges": _sturges,
}


# --- histograms -------------------------------------------------------------------------------------------------------


def _in_even_bins(columns: list[Tensor], weights: Tensor | None, edges: np.ndarray) -> Tensor:
    """Counts in bins of one width: the bin is computed, and looked up only next to an edge, where rounding may miss it.

    What lies outside goes to a bin before the first or one after the last, which NaN fall into, too.
    """
    bounds = torch.from_numpy(edges).to(columns[0].device)
    bins, first, extent = len(edges) - 1, edges[0], edges[-1] - edges[0]
    closed = torch.nextafter(bounds[-1:], bounds.new_tensor([math.inf]))
    # Nothing comes before the first of these, nor after the last.
    lower = torch.cat([bounds.new_tensor([-math.inf]), bounds[:-1], closed, bounds.new_tensor([math.nan])])
    scale = bins / float(extent)
    rounding = 4 * np.finfo(edges.dtype).eps * (bins + 2 + float(max(abs(edges[0]), abs(edges[-1]))) * scale)

    def locate(pieces: list[Tensor]) -> tuple[Tensor, None]:
        values = pieces[0].to(bounds.dtype)
        place = values.sub(first).mul_(scale).add_(1).clamp_(0.5, bins + 1.5)
        index = place.to(torch.int32).clamp_(0, bins + 1)
        doubtful = place.sub_(index).sub_(0.5).abs_() >= 0.5 - rounding
        at = true_positions(doubtful)
        if len(at):
            value, own = values[at], index[at]
            own -= (value < lower[own]).int()
            own += (value >= lower[own + 1]).int()
            index[at] = own
        return index, None

    return _count(columns, weights, bins + 2, locate)[1:-1]


def _bin_of(values: Tensor, bounds: Tensor) -> Tensor:
    """The bin between sorted edges in which each element lies, the last one closed; out of range if it is in none."""
    common = promote_types(values.dtype, bounds.dtype)
    values, bounds = values.to(common), bounds.to(common)
    index = torch.searchsorted(bounds, values.contiguous(), right=True) - 1
    return torch.where(values == bounds[-1], len(bounds) - 2, index)


def _in_boxes(columns: list[Tensor], weights: Tensor | None, edges: Sequence[np.ndarray]) -> Tensor:
    """Counts in the boxes between given edges, one set of them for each column."""
    bounds = [torch.from_numpy(np.asarray(e)).to(columns[0].device) for e in edges]
    shape = [max(len(e) - 1, 0) for e in edges]

    def locate(pieces: list[Tensor]) -> tuple[Tensor, Tensor]:
        index, inside = torch.zeros_like(pieces[0], dtype=torch.int64), torch.ones_like(pieces[0], dtype=torch.bool)
        for values, ends, bins in zip(pieces, bounds, shape, strict=True):
            own = _bin_of(values, ends)
            inside &= (own >= 0) & (own < bins)
            index = index * bins + own
        return index, inside

    return _count(columns, weights, math.prod(shape), locate).reshape(shape)


def _countable(x: Any) -> DNDarray:
    x = as_operand(x)
    check_ordered(x.dtype, "a histogram")
    return x.astype(torch.uint8) if x.dtype is torch.bool else x


def histogram_bin_edges(x: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> DNDarray:
    """The edges of the bins of `histogram`, with the same arguments.

    Communication: two all-reduces for the smallest and largest element unless `range` or the edges are given; what the
    standard deviation and percentiles take for an estimator of the number of bins.
    """
    x = _countable(x)
    return _replicated(torch.from_numpy(_edges(x, bins, range, weights)), x.layout, x.comm)


def histogram(
    x: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[DNDarray, DNDarray]:
    """How many elements lie in each of several bins, and the edges of the bins.

    A bin holds what is not less than its lower edge and less than its upper one; the last holds its upper edge, too.

    Parameters
    ----------
    x : array_like
        Of any shape, split in any way.
    bins : int, str or array_like
        The number of bins; an estimator of it ("auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges");
        or the edges.
    range : (float, float), optional
        The outermost edges; the smallest and largest element by default.
    density : bool
        Whether to divide by the number of elements and the width of the bins.
    weights : array_like, optional
        How much each element counts, of the shape of `x`. Differentiable.

    Both results are the same on every process. Communication: one all-reduce of the counts, and what
    `histogram_bin_edges` takes. The estimator "stone" counts for up to the square root of `x.size` numbers of bins.

    Examples
    --------
    >>> import dndarray as dnd
    >>> counts, edges = dnd.histogram(dnd.array([1.0, 2.0, 1.0, 4.0], split=0), bins=3)
    >>> counts.tolist(), edges.tolist()
    ([2, 1, 1], [1.0, 2.0, 3.0, 4.0])
    """
    x = _countable(x)
    weights = None if weights is None else as_operand(weights, x.comm, x.device)
    if weights is not None and weights.shape != x.shape:
        raise ValueError(f"`weights` of shape {weights.shape} must have the shape {x.shape} of the array")
    edges = _edges(x, bins, range, weights)
    columns, layout = _alike([x] if weights is None else [x, weights])
    share = None if weights is None else columns.pop()
    if isinstance(bins, str) or np.ndim(_host(bins)) == 0:
        counts = _in_even_bins(columns, share, edges)
    else:
        counts = _in_boxes(columns, share, [edges])
    result = _added_up(counts, layout, x.comm).astype(torch.int64 if weights is None else weights.dtype, copy=False)
    bounds = _replicated(torch.from_numpy(edges), layout, x.comm)
    if density:
        widths = as_operand(np.diff(edges).astype(float), x.comm, x.device)
        result = FUNCTIONS["divide"](FUNCTIONS["divide"](result, widths), FUNCTIONS["sum"](result))
    return result, bounds


def _columns(sample: Any) -> tuple[list[DNDarray], Layout]:
    """The columns of a sample, each an array of the same layout."""
    if not isinstance(sample, (list, tuple)):
        sample = _countable(sample)
        if sample.ndim == 2:
            layout = sample.layout.whole_along(1)
            local = move(sample.larray, sample.layout, layout, sample.comm)
            rows = layout.derive(sample.shape[:1], [0, None])
            return [wrap(column, rows, sample.comm) for column in local.unbind(1)], rows
        sample = [sample]
    arrays = [_countable(column) for column in beside(list(sample))]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        raise ValueError(f"the columns of a sample must be of one length, got {[a.shape for a in arrays]}")
    tensors, layout = _alike(arrays)
    return [wrap(t, layout, arrays[0].comm) for t in tensors], layout


def _column_edges(column: DNDarray, bins: Any, limits: Any, i: int) -> np.ndarray:
    bins = _host(bins)
    if np.ndim(bins) == 0:
        ends = _extremes(column) if column.size and limits is None else np.empty(0)
        try:
            first, last = np.histogram_bin_edges(ends, 1, limits)
            return np.linspace(first, last, operator.index(bins) + 1)
        except TypeError:
            raise TypeError(f"`bins[{i}]` (={bins!r}) must be an integer or an array") from None
    if np.ndim(bins) > 1 or np.any(np.diff(bins) < 0):
        raise ValueError(f"`bins[{i}]` must be of one dimension and increase monotonically")
    return np.asarray(bins)


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[DNDarray, list[DNDarray]]:
    """How many points lie in each box of a grid of d dimensions, and the edges of the boxes.

    Parameters
    ----------
    sample : array_like of shape (n, d), or a sequence of d arrays of n coordinates
        Split in any way.
    bins : int, or a sequence of int or array_like, one for each dimension
        Numbers of bins, or edges.
    range : sequence of (float, float) or None, optional
        The outermost edges for each dimension.
    density : bool
        Whether to divide by the number of points and the volume of the boxes.
    weights : array_like of shape (n,), optional
        How much each point counts. Differentiable.

    The results are the same on every process. Communication: two all-reduces for each dimension whose edges depend on
    the data, and one of the counts; one redistribution if the coordinates of a point are not on one process.
    """
    columns, layout = _columns(sample)
    comm, d = columns[0].comm if columns else as_operand(sample).comm, len(columns)
    bins = bins if np.iterable(bins) else [bins] * d
    if len(bins) != d:
        raise ValueError(f"`bins` must have one entry for each of the {d} dimensions, not {len(bins)}")
    range = [None] * d if range is None else range
    if len(range) != d:
        raise ValueError(f"`range` must have one entry for each of the {d} dimensions, not {len(range)}")
    edges = [_column_edges(c, b, r, i) for i, (c, b, r) in enumerate(zip(columns, bins, range, strict=True))]
    share = None
    if weights is not None:
        weights = as_operand(weights, comm, columns[0].device)
        if weights.dtype.is_complex or weights.shape != columns[0].shape:
            raise ValueError(
                f"`weights` must be one real number for each point, not {weights.dtype} of {weights.shape}"
            )
        (*tensors, share), layout = _alike([*columns, weights])
    else:
        tensors = [c.larray for c in columns]
    result = _added_up(_in_boxes(tensors, share, edges).double(), layout, comm)
    if density:
        total = FUNCTIONS["sum"](result)
        for i, e in enumerate(edges):
            widths = np.diff(e).reshape([-1 if j == i else 1 for j in np.arange(d)])
            result = FUNCTIONS["divide"](result, as_operand(widths, comm, result.device))
        result = FUNCTIONS["divide"](result, total)
    return result, [_replicated(torch.from_numpy(e), layout, comm) for e in edges]


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[DNDarray, DNDarray, DNDarray]:
    """As `histogramdd` of points (x, y): the counts, the edges along `x`, and those along `y`.

    `bins` may also be the edges for both.
    """
    several: Any = bins
    if np.iterable(bins) and len(several) > 2:
        bins = [bins, bins]
    counts, (first, second) = histogramdd([x, y], bins, range, density, weights)
    return counts, first, second


def histc(x: Any, bins: int = 100, min: float = 0, max: float = 0, out: DNDarray | None = None) -> DNDarray:
    """How many elements lie in each of `bins` bins of one width between `min` and `max`, as `torch.histc` counts.

    By default the bins reach from the smallest to the largest element. The result has the array's floating type and is
    the same on every process. Communication: one all-reduce, and two more if the ends depend on the data.
    """
    x = as_operand(x)
    if kind(x.dtype) != 2:
        raise TypeError(f"histc takes floating types, not {x.dtype}; use histogram or bincount")
    low, high = (min, max) if min != max else _extremes(x).tolist() if x.size and min == 0 else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`min` and `max` must be finite and in order, got [{low}, {high}]")
    counts = torch.zeros(operator.index(bins), dtype=torch.int64, device=x.device)
    for (piece,) in _pieces([x.larray.detach().reshape(-1).float() if x.itemsize < 4 else x.larray.reshape(-1)]):
        counts += piece.histc(bins, low, high).long()
    result = _added_up(counts, x.layout, x.comm).astype(x.dtype)
    return result if out is None else store(result, out)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> DNDarray:
    """How often each of the numbers 0, 1, 2, ... occurs.

    Parameters
    ----------
    x : array_like of int, not negative
        Of one dimension.
    weights : array_like, optional
        How much each element counts, of the shape of `x`. Differentiable.
    minlength : int
        The least length of the result, which is otherwise one more than the largest element.

    The result is the same on every process. Communication: two all-reduces.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.bincount(dnd.array([3, 1, 1, 0], split=0)).tolist()
    [1, 2, 0, 1]
    """
    x = as_operand(x)
    if x.ndim != 1:
        raise ValueError(f"bincount takes one dimension, not {x.ndim}")
    if kind(x.dtype) > 1 or (x.size and not can_cast(x.dtype, torch.int64)):
        raise TypeError(f"bincount takes integers that fit into int64, not {x.dtype}; convert with astype")
    if operator.index(minlength) < 0:
        raise ValueError(f"`minlength` (={minlength}) must not be negative")
    weights = None if weights is None else as_operand(weights, x.comm, x.device)
    if weights is not None and (weights.shape != x.shape or weights.dtype.is_complex):
        raise ValueError(f"`weights` must be one real number for each element, not {weights.dtype} of {weights.shape}")
    columns, layout = _alike([x] if weights is None else [x, weights])
    share = columns[1] if weights is not None and x.size else None  # nothing has no weight, as in NumPy
    index = columns[0].to(torch.int64)
    low, high = (int(index.min()), int(index.max())) if len(index) else (0, -1)
    parts = _dealt_along(layout, x.comm)
    if parts is not None:
        negative, high = parts.allreduce(torch.tensor([-low, high]), "max").tolist()
        low = -negative
    if low < 0:
        raise ValueError(f"bincount takes numbers that are not negative, the smallest is {low}")
    size = high + 1 if high >= minlength else minlength
    return _added_up(_tally(index, share, size), layout, x.comm)
