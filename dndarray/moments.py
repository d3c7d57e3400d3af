"""Mean, variance and standard deviation: merged over processes by counts and moments, so that nothing cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .array import DNDarray
from .collectives import needs_grad
from .elementwise import FUNCTIONS, as_operand, store
from .layout import normalize_axes
from .reduction import DTYPE, Axis, Plan, add_up, document, join, masked, plan, wrap_reduced
from .types import as_dtype, floating_of, kind, real_of, wide_of

__all__ = ["mean", "nanmean", "nanstd", "nanvar", "std", "var"]

_DDOF = (
    "ddof : int or float\n    What is taken from the number of elements to divide by (`correction` in the Array API).\n"
)


class _Moments(NamedTuple):
    plan: Plan
    count: Any
    """Number of elements for each result: a number, or a tensor where a mask counts."""
    mean: Tensor
    work: Tensor
    mask: Tensor | None
    local_mean: Tensor
    local_count: Any


def _first_moment(x: DNDarray, axis: Axis, dtype: Any, keepdims: bool, where: Any) -> _Moments:
    """Count and mean; the local parts in a type wide enough, float32 for half precision."""
    p = plan(x.layout, normalize_axes(axis, x.ndim), keepdims)
    target = floating_of(x.dtype) if kind(x.dtype) >= 2 else torch.float64
    work = x.larray.to(as_dtype(dtype) if dtype is not None else target)
    work = work.to(wide_of(work.dtype))
    mask = masked(x, where)
    if mask is None:
        local_count: Any = 1
        count: Any = 1
        for a in p.axes:
            local_count, count = local_count * work.shape[a], count * x.shape[a]
        total = add_up(work, p.axes)
    else:
        local_count = add_up(mask.to(real_of(work.dtype)), p.axes)
        count = join(local_count, p, x.comm, x.layout.grid, "sum")
        total = add_up(torch.where(mask, work, torch.zeros((), dtype=work.dtype, device=work.device)), p.axes)
    # One division, of the whole sum: thirds of ones would not add up to one.
    mean = join(total, p, x.comm, x.layout.grid, "sum") / count
    safe = local_count if mask is None else local_count.clamp(min=1)
    local_mean = total / safe if mask is not None or local_count else torch.zeros_like(total)
    return _Moments(p, count, mean, work, mask, local_mean, local_count)


_STRETCH = 2**17


def _can_stream(m: _Moments) -> bool:
    """Whether all of a real part, in one piece, goes into one number without gradient."""
    return (
        m.mask is None
        and m.local_mean.numel() == 1
        and m.work.is_contiguous()
        and m.work.is_floating_point()
        and m.work.numel() > 0
        and not needs_grad(m.work)
    )


def _stream_squares(flat: Tensor, center: Tensor) -> Tensor:
    """Sum of squares about `center`, stretch by stretch in cache: several times faster than torch.var."""
    total = 0.0
    scratch = flat.new_empty(min(_STRETCH, len(flat)))
    for stretch in flat.split(_STRETCH):
        deviation = torch.sub(stretch, center, out=scratch[: len(stretch)])
        total += torch.dot(deviation, deviation).item()
    return torch.full_like(center, total)


def _second_moment(x: DNDarray, m: _Moments) -> Tensor:
    """Sum of squares about the common mean, merged from the squares about each part's own (Chan et al., 1979)."""
    if _can_stream(m):
        squares = _stream_squares(m.work.reshape(-1), m.local_mean.reshape(())).reshape(m.local_mean.shape)
    elif m.mask is None and m.local_count > 0 and m.plan.axes and m.work.numel():
        squares = torch.var(m.work, m.plan.axes, correction=0, keepdim=True) * m.local_count
    else:
        deviation = m.work - m.local_mean
        if m.mask is not None:
            deviation = torch.where(m.mask, deviation, torch.zeros_like(deviation))
        squares = add_up((deviation * deviation.conj()).real if deviation.is_complex() else deviation**2, m.plan.axes)
    if not m.plan.grid_axes:
        return squares
    # The result does not change with the common mean to first order, so no gradient goes that way.
    shift = m.local_mean - m.mean.detach()
    moved = (shift * shift.conj()).real if shift.is_complex() else shift**2
    return join(squares + moved * m.local_count, m.plan, x.comm, x.layout.grid, "sum")


def _result_type(x: DNDarray, dtype: Any) -> torch.dtype:
    return as_dtype(dtype) if dtype is not None else x.dtype if kind(x.dtype) >= 2 else torch.float64


def mean(
    x: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: DNDarray | None = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> DNDarray:
    x = as_operand(x)
    m = _first_moment(x, axis, dtype, keepdims, where)
    array = wrap_reduced(m.mean.to(_result_type(x, dtype)), m.plan, x.comm)
    return array if out is None else store(array, out)


def var(
    x: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    correction: float | None = None,
) -> DNDarray:
    x = as_operand(x)
    m = _first_moment(x, axis, dtype, keepdims, where)
    freedom = m.count - (ddof if correction is None else correction)
    freedom = freedom.clamp(min=0) if isinstance(freedom, Tensor) else max(freedom, 0)
    squares = _second_moment(x, m)
    array = wrap_reduced((squares / freedom).to(real_of(_result_type(x, dtype))), m.plan, x.comm)
    return array if out is None else store(array, out)


def std(
    x: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    correction: float | None = None,
) -> DNDarray:
    return FUNCTIONS["sqrt"](var(x, axis, dtype, None, ddof, keepdims, where=where, correction=correction), out=out)


def _not_nan(x: DNDarray, where: Any) -> Any:
    if kind(x.dtype) < 2:
        return where
    valid = FUNCTIONS["logical_not"](FUNCTIONS["isnan"](x))
    return valid if where is True else FUNCTIONS["logical_and"](valid, where)


def _nan_moment(function: Callable) -> Callable:
    def passing_over(x, *args, where=True, **options):  # type: ignore[no-untyped-def]
        x = as_operand(x)
        return function(x, *args, where=_not_nan(x, where), **options)

    return passing_over


nanmean, nanvar, nanstd = _nan_moment(mean), _nan_moment(var), _nan_moment(std)
for _name, _function, _summary, _cost, _extra in (
    ("mean", mean, "Arithmetic mean.", "one all-reduce", DTYPE),
    ("var", var, "Variance, merged over processes by counts and moments.", "two all-reduces", DTYPE + _DDOF),
    ("std", std, "Standard deviation.", "two all-reduces", DTYPE + _DDOF),
    ("nanmean", nanmean, "Arithmetic mean, passing over NaN.", "two all-reduces", DTYPE),
    ("nanvar", nanvar, "Variance, passing over NaN.", "three all-reduces", DTYPE + _DDOF),
    ("nanstd", nanstd, "Standard deviation, passing over NaN.", "three all-reduces", DTYPE + _DDOF),
):
    FUNCTIONS[_name] = document(_function, _name, _summary, _extra, _cost)
