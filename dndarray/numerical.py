"""Differences, derivatives, integrals and interpolation along an axis.

What is computed of neighbours along a split axis takes a few of the other processes' elements (one halo exchange) and
stays where the elements are. All functions are differentiable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from . import searching
from .array import DNDarray, wrap
from .broadcasting import align_to, operand_layout
from .collectives import halo_exchange, needs_grad
from .elementwise import FUNCTIONS, as_operand, run
from .layout import normalize_axes, normalize_axis
from .logic import clip, where
from .logic import round as around
from .manipulation import broadcast_to, concatenate, ravel, reshape, resplit, stack
from .redistribution import move
from .types import can_cast, finfo, kind, promote_types, result_type

__all__ = ["angle", "around", "diff", "ediff1d", "gradient", "interp", "real_if_close", "trapezoid", "unwrap"]

_add: Callable = FUNCTIONS["add"]
_subtract: Callable = FUNCTIONS["subtract"]
_multiply: Callable = FUNCTIONS["multiply"]
_divide: Callable = FUNCTIONS["divide"]
_less: Callable = FUNCTIONS["less"]


# --- differences ------------------------------------------------------------------------------------------------------


def _with_halo(x: DNDarray, axis: int, before: int, after: int) -> Tensor:
    """This process's part and as many elements more of its neighbours along `axis`, as far as there are any."""
    g = x.layout.grid_axis(axis)
    if g is None:
        return x.larray
    counts = x.layout.counts[g]
    assert counts is not None
    return halo_exchange(x.larray, axis, before, after, counts, x.comm.along(x.layout.grid, (g,)))


def _neighbours(fn: Callable, x: DNDarray, axis: int, n: int = 1) -> DNDarray:
    """`fn(x[1:], x[:-1])` along `axis`, `n` times; where the later ones of the elements are."""
    local = _with_halo(x, axis, n, 0)
    for _ in range(n):
        rest = max(local.shape[axis] - 1, 0)
        later, earlier = local.narrow(axis, local.shape[axis] - rest, rest), local.narrow(axis, 0, rest)
        local = run(fn, later, earlier)
    shape = [max(m - n, 0) if a == axis else m for a, m in enumerate(x.shape)]
    g = x.layout.grid_axis(axis)
    counts: dict[int, Sequence[int]] = {}
    if g is not None:
        counts[axis] = [max(stop - n, 0) - max(start - n, 0) for start, stop in pairwise(x.layout.offsets[g])]  # type: ignore[arg-type]
    return wrap(local, x.layout.derive(shape, range(x.ndim), counts), x.comm)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> DNDarray:
    """The `n`-th difference of neighbours along an axis; of bools, whether they differ.

    Parameters
    ----------
    a : array_like
        Split in any way.
    n : int
        How many times differences are taken.
    axis : int
    prepend, append : array_like, optional
        What is put before and after `a` along `axis` first; a number is one element.

    Communication: one halo exchange if the axis is split; `prepend` and `append` cost the all-to-all of `concatenate`.
    A split array is copied once, with its halo.

    >>> diff([1, 4, 9, 16]).tolist(), diff([1, 4, 9, 16], 2).tolist()
    ([3, 5, 7], [2, 2])
    """
    if n < 0:
        raise ValueError(f"`n` (={n}) must not be negative")
    x = as_operand(a)
    if n == 0:
        return x
    axis = normalize_axis(axis, x.ndim)

    def end(value: Any) -> list[DNDarray]:
        if value is None:
            return []
        value = as_operand(value, x.comm, x.device)
        return [value if value.ndim else broadcast_to(value, [1 if b == axis else m for b, m in enumerate(x.shape)])]

    parts = [*end(prepend), x, *end(append)]
    joined = x if len(parts) == 1 else concatenate(parts, axis)
    return _neighbours(torch.ne if joined.dtype is torch.bool else torch.subtract, joined, axis, n)


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> DNDarray:
    """The differences of neighbours of the flattened array, with numbers put before and after them.

    Communication: as `ravel`, one halo exchange, and the all-to-all of `concatenate` if there are such numbers.
    """
    x = ravel(ary)
    if x.dtype is torch.bool:
        raise TypeError("ediff1d subtracts, and bools have no difference; see diff")
    ends = [[] if v is None else [ravel(as_operand(v, x.comm, x.device))] for v in (to_begin, to_end)]
    for value in (*ends[0], *ends[1]):
        if not can_cast(value.dtype, x.dtype, "same_kind"):
            raise TypeError(f"what is put before and after must be castable to {x.dtype}, not of {value.dtype}")
    differences = _neighbours(torch.subtract, x, 0)
    return concatenate([*ends[0], differences, *ends[1]], dtype=x.dtype) if ends[0] or ends[1] else differences


# --- derivatives and integrals ----------------------------------------------------------------------------------------


def _slope(x: DNDarray, axis: int, spacing: Any, edge_order: int) -> DNDarray:
    """The derivative along one axis: of second order inside, of `edge_order` at the ends."""
    start, stop = x.layout.box(x.comm.rank)[axis]
    local = _with_halo(x, axis, edge_order, edge_order)
    if isinstance(spacing, DNDarray):
        shape = tuple(n if a == axis else 1 for a, n in enumerate(x.shape))
        line = reshape(spacing, shape)
        aligned = align_to(line.larray, line.layout, x.layout, x.comm).to(local.real.dtype)
        line = DNDarray(aligned, operand_layout(shape, x.layout)[0], x.comm)
        coordinates = _with_halo(line, axis, edge_order, edge_order).reshape(-1)
        spacing = [coordinates]
        local = local + coordinates[:0].sum()  # so that a process without elements takes part in backward, too
    if stop > start:
        (local,) = torch.gradient(local, spacing=spacing, dim=axis, edge_order=edge_order)
        before = min(start, edge_order) if x.layout.grid_axis(axis) is not None else 0
        local = local.narrow(axis, before, stop - start)
    return wrap(local, x.layout, x.comm)


def _spacings(x: DNDarray, axes: Sequence[int], varargs: Sequence[Any]) -> list[Any]:
    """For each axis a number or the array of its coordinates."""
    given = [v if isinstance(v, (int, float)) else as_operand(v, x.comm, x.device) for v in varargs or (1.0,)]
    given = [v.item() if isinstance(v, DNDarray) and v.ndim == 0 else v for v in given]
    if len(given) == 1 and not isinstance(given[0], DNDarray):
        given *= len(axes)
    if len(given) != len(axes):
        raise TypeError(f"gradient takes one spacing for all axes or one for each of {len(axes)}, not {len(varargs)}")
    for spacing, axis in zip(given, axes, strict=True):
        if isinstance(spacing, DNDarray) and spacing.shape != (x.shape[axis],):
            raise ValueError(f"coordinates of shape {spacing.shape} do not fit axis {axis} of shape {x.shape}")
    return [_evenly(spacing) if isinstance(spacing, DNDarray) else float(spacing) for spacing in given]


def _evenly(coordinates: DNDarray) -> Any:
    """The distance of neighbours if it is the same for all, so that what lies between two of them does not enter."""
    steps = diff(coordinates.detach())
    if coordinates.requires_grad or not steps.size or not FUNCTIONS["all"](FUNCTIONS["equal"](steps, steps[:1])):
        return coordinates
    return float(steps[0])


def gradient(f: Any, *varargs: Any, axis: int | Sequence[int] | None = None, edge_order: int = 1) -> Any:
    """The derivative along each axis, by central differences, and by one-sided ones at the ends.

    Parameters
    ----------
    f : array_like
        Split in any way.
    *varargs : number or array_like
        The spacing of the elements, one for all axes or one for each, or for an axis the coordinates of its elements.
    axis : int or tuple of int, optional
        Along which axes; all of them by default.
    edge_order : {1, 2}
        The order of accuracy at the ends.

    Returns
    -------
    DNDarray, or a tuple of them if there are several axes
        Split as `f` is.

    Communication: one halo exchange for each split axis; for coordinates that are split a few of one element each
    beside, which find whether they are evenly spaced. In memory it takes about three arrays like `f` for each axis,
    one after another.

    >>> gradient([1.0, 2.0, 4.0, 7.0]).tolist()
    [1.0, 1.5, 2.5, 3.0]
    """
    x = as_operand(f)
    axes = normalize_axes(axis, x.ndim)
    if edge_order not in (1, 2):
        raise ValueError(f"`edge_order` (={edge_order}) must be 1 or 2")
    if x.dtype is torch.bool and axes:
        raise TypeError("gradient subtracts, and bools have no difference")
    spacings = _spacings(x, axes, varargs)
    if any(x.shape[a] < edge_order + 1 for a in axes):
        raise ValueError(f"shape {x.shape} has fewer than the {edge_order + 1} elements that `edge_order` needs")
    x = x.astype(torch.float64) if kind(x.dtype) == 1 else x
    slopes = tuple(_slope(x, a, spacing, edge_order) for a, spacing in zip(axes, spacings, strict=True))
    return slopes[0] if len(slopes) == 1 else slopes


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> DNDarray:
    """The integral along an axis by the trapezoidal rule.

    Parameters
    ----------
    y : array_like
        Split in any way; the result keeps the split of the other axes.
    x : array_like, optional
        Where the elements lie: along the axis, or for each of them.
    dx : number
        How far apart they lie without `x`.
    axis : int

    Communication: one halo exchange and one all-reduce if the axis is split; one halo exchange and one redistribution
    for an `x` that is split.

    >>> trapezoid([1.0, 2.0, 3.0]).item()
    4.0
    """
    y = as_operand(y)
    axis = normalize_axis(axis, y.ndim)
    sums = _neighbours(torch.logical_or if y.dtype is torch.bool else torch.add, y, axis)
    if x is None:
        return FUNCTIONS["sum"](_multiply(_divide(sums, 2), dx), axis)
    x = as_operand(x, y.comm, y.device)
    widths = diff(x, axis=-1 if x.ndim == 1 else axis)
    widths = reshape(widths, [-1 if a == axis else 1 for a in range(y.ndim)]) if x.ndim == 1 else widths
    return FUNCTIONS["sum"](_divide(_multiply(sums, widths), 2), axis)


# --- interpolation ----------------------------------------------------------------------------------------------------


def _periodic(x: DNDarray, xp: DNDarray, fp: DNDarray, period: float) -> tuple[DNDarray, DNDarray, DNDarray]:
    """The table of one period, in order, with a point more at both ends."""
    from .sorting import argsort

    remainder: Callable = FUNCTIONS["remainder"]
    xp = remainder(xp, period)
    order = argsort(xp)
    xp, fp = xp[order], fp[order]
    xp = concatenate([_subtract(xp[-1:], period), xp, _add(xp[:1], period)])
    return remainder(x, period), xp, concatenate([fp[-1:], fp, fp[:1]])


def _between(x: Tensor, rows: Tensor) -> Tensor:
    """The line through the two points of each row, at `x`; both points are met exactly."""
    left, right = rows[..., 0].real, rows[..., 1].real
    low, high = rows[..., 2], rows[..., 3]
    slope = (high - low) / torch.where(left == right, 1.0, right - left)
    value = slope * (x - left) + low
    value = torch.where(value.isnan(), slope * (x - right) + high, value)  # infinite on one side
    value = torch.where(value.isnan() & (low == high), low, value)
    value = torch.where(x == left, low, value)
    value = torch.where(x == right, high, value)
    return torch.where(x.isnan(), x.to(value.dtype), value)


def _looked_up(x: DNDarray, xp: DNDarray, fp: DNDarray, outside: Sequence[Any]) -> DNDarray:
    """`interp` where every process has all points; `outside`: the first and the last, and what holds beyond them."""
    table, values = xp.larray, fp.larray
    first, last, lower, upper = (as_operand(v, x.comm, x.device).larray for v in outside)
    result = torch.empty(x.lshape, dtype=result_type(values, lower, upper), device=x.device)
    pieces = (t.reshape(-1).split(searching.PIECE) for t in (x.larray, result))
    for part, out in zip(*pieces, strict=True):
        part = part.to(table.dtype)
        at = torch.searchsorted(table, part, right=True).sub_(1).clamp_(0, len(table) - 2)
        inner = _between(part, torch.stack([table[at], table[at + 1], values[at], values[at + 1]], -1))
        out.copy_(torch.where(part < first, lower, torch.where(part > last, upper, inner)))
    return wrap(result, x.layout, x.comm)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> DNDarray:
    """Values at `x` of the piecewise linear function through the points (xp, fp).

    Parameters
    ----------
    x : array_like
        Split in any way; so is the result.
    xp, fp : array_like
        Coordinates in ascending order (in any order with `period`) and values, of one dimension. They stay split if
        they are.
    left, right : number, optional
        What holds below the first and above the last point; by default the first and the last value.
    period : number, optional
        The period of the coordinates; `left` and `right` then do not count.

    Communication: none if the points are on every process, an all-gather of them if they are 2**20 or fewer.
    Otherwise, and where gradients are wanted, that of `searchsorted`, and each element of `x` fetches its two points
    from their owners in one all-to-all, after one that asks for them; four numbers for each element are then held.

    >>> interp([0.5, 2.5, 9.0], [0, 1, 3], [0, 10, 30]).tolist()
    [5.0, 25.0, 30.0]
    """
    place = next(((v.comm, v.device) for v in (x, xp, fp) if isinstance(v, DNDarray)), ())
    x, xp, fp = (as_operand(v, *place) for v in (x, xp, fp))
    if xp.ndim != 1 or fp.shape != xp.shape or not len(xp):
        raise ValueError(f"`xp` and `fp` must be points of one dimension, one or more, not {xp.shape} and {fp.shape}")
    if x.dtype.is_complex or xp.dtype.is_complex:
        raise TypeError("coordinates must be real numbers")
    xp, fp = xp.astype(torch.float64), fp.astype(promote_types(fp.dtype, torch.float64))
    if period is not None:
        if period == 0:
            raise ValueError("`period` must not be zero")
        left = right = None
        x, xp, fp = _periodic(x.astype(torch.float64), xp, fp, abs(period))
    if len(xp) <= searching.TABLE:
        xp, fp = resplit(xp), resplit(fp)
    first, last = xp[0], xp[-1]
    below, above = fp[0] if left is None else left, fp[-1] if right is None else right
    if len(xp) == 1:
        xp, fp = concatenate([xp, _add(xp, 1.0)]), concatenate([fp, fp])
    if not (xp.layout.is_dealt or fp.layout.is_dealt or needs_grad(x.larray, xp.larray, fp.larray)):
        return _looked_up(x, xp, fp, (first, last, below, above))
    x = x.astype(torch.float64, copy=False)
    points = stack([xp[:-1], xp[1:], fp[:-1], fp[1:]], 1)
    rows = points[clip(_subtract(searching.searchsorted(xp, x, side="right"), 1), 0, len(xp) - 2)]
    local = move(rows.larray, rows.layout, x.layout.derive((*x.shape, 4), range(x.ndim)), x.comm)
    result = wrap(_between(x.larray, local), x.layout, x.comm)
    return where(_less(x, first), below, where(_less(last, x), above, result))


# --- angles and complex numbers ---------------------------------------------------------------------------------------


def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: Any = 2 * math.pi) -> DNDarray:
    """Values along an axis, each moved by multiples of `period` so that no step is longer than half of it.

    Parameters
    ----------
    p : array_like
        Split in any way; so is the result.
    discont : number, optional
        Steps up to this are left, if it is larger than half a period.
    axis : int
    period : number

    Communication: one halo exchange and one exclusive scan if the axis is split.
    """
    x = as_operand(p)
    axis = normalize_axis(axis, x.ndim)
    if x.dtype.is_complex:
        raise TypeError("unwrap takes real numbers")
    x = x.astype(result_type(x, period), copy=False)
    exact = kind(x.dtype) == 1
    half = period // 2 if exact else period / 2
    start, stop = x.layout.box(x.comm.rank)[axis]
    steps = _neighbours(torch.subtract, x, axis).larray
    if start == 0 and stop > 0:  # the first element takes no step
        steps = torch.cat([torch.zeros_like(x.larray.narrow(axis, 0, 1)), steps], axis)
    moved = torch.remainder(steps + half, period) - half
    if not exact or period % 2 == 0:  # a step of half a period keeps its sign
        moved = torch.where((moved == -half) & (steps > 0), half, moved)
    jumps = torch.where(steps.abs() < (half if discont is None else discont), 0, moved - steps)
    return _add(x, FUNCTIONS["cumsum"](wrap(jumps.to(x.dtype), x.layout, x.comm), axis, dtype=x.dtype))


def angle(z: Any, deg: bool = False) -> DNDarray:
    """The angle of complex numbers, in radians or degrees; of real ones 0 or pi. Local."""
    x = as_operand(z)
    radians = FUNCTIONS["angle"](x.astype(torch.float64) if x.dtype is torch.bool else x)
    return _multiply(radians, 180 / math.pi) if deg else radians


def real_if_close(a: Any, tol: float = 100) -> DNDarray:
    """The real part of complex numbers if no imaginary part is larger than `tol` (above 1: times the type's epsilon).

    Communication: one all-reduce if they are split.
    """
    x = as_operand(a)
    if not x.dtype.is_complex:
        return x
    bound = tol * finfo(x.dtype).eps if tol > 1 else tol
    imaginary: Callable = FUNCTIONS["abs"]
    return x.real if FUNCTIONS["all"](_less(imaginary(x.imag), bound)) else x
