"""The reduction family.

Layouts: reduced axes vanish (with `keepdims` they stay, with size 1, not split), the other axes keep their split.
Communication: none if no reduced axis is split; otherwise one all-reduce among the processes along the grid axes of
the reduced axes. The variance and what is made from it take two (means, then squares about the common mean), an
argument of an extremum two (value, then index). Gradients: through all of them but the arguments and the truth values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to
from .collectives import all_reduce, needs_grad
from .communication import Communicator
from .elementwise import FUNCTIONS, apply, as_operand, store
from .layout import Layout, normalize_axes
from .types import STORED_ONLY, as_dtype, floating_of, kind, real_of, wide_of

__all__ = [
    "REDUCTIONS",
    "Plan",
    "Reduction",
    "accumulator",
    "check_nonempty",
    "check_ordered",
    "document",
    "plan",
    "reduce",
    "wrap_reduced",
]

Axis = int | Sequence[int] | None


class Reduction(NamedTuple):
    """One row of the table."""

    name: str
    fn: Callable[[Tensor, tuple[int, ...]], Tensor]
    """The reduction of a local part over axes that it keeps with size 1."""
    op: str
    """The all-reduce that joins the parts."""
    identity: Callable[[torch.dtype], Any]
    """What masked elements count as."""
    result: Callable[[torch.dtype], torch.dtype]
    summary: str


class Plan(NamedTuple):
    """Where a reduction leads."""

    axes: tuple[int, ...]
    grid_axes: tuple[int, ...]
    kept: Layout
    """Layout with the reduced axes at size 1."""
    final: Layout


@lru_cache(maxsize=4096)
def plan(layout: Layout, axes: tuple[int, ...], keepdims: bool) -> Plan:
    """The layout rule of the family."""
    grid_axes = tuple(g for g, a in enumerate(layout.axes) if a in axes and layout.grid.shape[g] > 1)
    shape = [1 if a in axes else n for a, n in enumerate(layout.shape)]
    kept = layout.derive(shape, [None if a in axes else a for a in range(layout.ndim)])
    if keepdims:
        return Plan(axes, grid_axes, kept, kept)
    rest = [a for a in range(layout.ndim) if a not in axes]
    mapping = [None if a in axes else rest.index(a) for a in range(layout.ndim)]
    return Plan(axes, grid_axes, kept, layout.derive([layout.shape[a] for a in rest], mapping))


def _join(part: Tensor, p: Plan, comm: Communicator, grid: Any, op: str) -> Tensor:
    return all_reduce(part, comm.along(grid, p.grid_axes), op) if p.grid_axes else part


def wrap_reduced(result: Tensor, p: Plan, comm: Communicator) -> DNDarray:
    return wrap(result.reshape(p.final.lshape(comm.rank)), p.final, comm)


# --- rows of the table ------------------------------------------------------------------------------------------------


def _sum_type(dtype: torch.dtype) -> torch.dtype:
    if kind(dtype) >= 2:
        return dtype
    return torch.uint64 if dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64) else torch.int64


def _lowest(dtype: torch.dtype) -> Any:
    return float("-inf") if dtype.is_floating_point else False if dtype is torch.bool else torch.iinfo(dtype).min


def _highest(dtype: torch.dtype) -> Any:
    return float("inf") if dtype.is_floating_point else True if dtype is torch.bool else torch.iinfo(dtype).max


def _same(dtype: torch.dtype) -> torch.dtype:
    return dtype


def _bool(dtype: torch.dtype) -> torch.dtype:
    return torch.bool


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """The type in which elements of this one are added up and multiplied."""
    return torch.int64 if kind(dtype) < 2 else wide_of(dtype)  # two's complement wraps around alike in any width


def _sum(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.sum(axes, keepdim=True, dtype=accumulator(x.dtype)) if axes else x


def _prod(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    for axis in axes:
        x = x.prod(axis, keepdim=True, dtype=accumulator(x.dtype))
    return x


def _bool_reduce(fn: Callable) -> Callable:
    def reduce(x: Tensor, axes: tuple[int, ...]) -> Tensor:
        x = x != 0
        return fn(x, axes, keepdim=True) if axes else x

    return reduce


def _extreme(fn: Callable, identity: Callable) -> Callable:
    def reduce(x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if x.numel():
            return fn(x, axes, keepdim=True) if axes else x
        shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
        return x.new_full(shape, identity(x.dtype)) + (x.sum() * 0 if x.requires_grad else 0)

    return reduce


REDUCTIONS = {
    row.name: row
    for row in (
        Reduction("sum", _sum, "sum", lambda t: 0, _sum_type, "Sum of elements."),
        Reduction("prod", _prod, "prod", lambda t: 1, _sum_type, "Product of elements."),
        Reduction(
            "min", _extreme(torch.amin, _highest), "min", _highest, _same, "Smallest element; NaN if there is one."
        ),
        Reduction("max", _extreme(torch.amax, _lowest), "max", _lowest, _same, "Largest element; NaN if there is one."),
        Reduction("all", _bool_reduce(torch.all), "all", lambda t: True, _bool, "Whether all elements are true."),
        Reduction("any", _bool_reduce(torch.any), "any", lambda t: False, _bool, "Whether any element is true."),
    )
}


# --- the engine -------------------------------------------------------------------------------------------------------


def _masked(x: DNDarray, where: Any) -> Tensor | None:
    """The local part of a mask, or None for no mask."""
    if where is True:
        return None
    mask = as_operand(where, x.comm, x.device)
    local = align_to(mask.larray, mask.layout, x.layout, x.comm)
    return local.to(torch.bool).expand(x.larray.shape)


def check_ordered(dtype: torch.dtype, name: str) -> None:
    if dtype.is_complex or dtype in STORED_ONLY:
        raise TypeError(f"{name} needs an order, and torch has none for {dtype}; convert with astype")


def check_nonempty(x: DNDarray, axes: tuple[int, ...], name: str) -> None:
    if any(x.shape[a] == 0 for a in axes) and all(n > 0 for a, n in enumerate(x.shape) if a not in axes):
        raise ValueError(f"{name} of no elements: shape {x.shape} along axes {axes}; pass `initial`")


def reduce(
    row: Reduction,
    x: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: DNDarray | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> DNDarray:
    """Reduce `x` as the row of the table says."""
    x = as_operand(x)
    p = plan(x.layout, normalize_axes(axis, x.ndim), keepdims)
    local = x.larray
    if row.op in ("min", "max"):
        check_ordered(local.dtype, row.name)
        if initial is None:
            check_nonempty(x, p.axes, row.name)
    computed = as_dtype(dtype) if dtype is not None else row.result(local.dtype)
    if row.op not in ("any", "all"):
        local = local.to(computed)
    mask = _masked(x, where)
    if mask is not None:
        local = torch.where(
            mask, local, torch.tensor(row.identity(local.dtype), dtype=local.dtype, device=local.device)
        )
    result = _join(row.fn(local, p.axes), p, x.comm, x.layout.grid, row.op)
    if initial is not None:
        result = _combine(row.op, result, initial)
    array = wrap_reduced(result.to(computed), p, x.comm)
    return array if out is None else store(array, out)


def _combine(op: str, result: Tensor, initial: Any) -> Tensor:
    initial = torch.as_tensor(initial.larray if isinstance(initial, DNDarray) else initial).to(result)
    functions: dict[str, Callable] = {"sum": torch.add, "prod": torch.mul, "min": torch.minimum, "max": torch.maximum}
    return functions[op](result, initial)


_DOC = """{summary}

Parameters
----------
x : array_like
    Split in any way.
axis : int or tuple of int, optional
    The axes to reduce; all of them by default. They vanish, the others keep their split.
{extra}out : DNDarray, optional
    Where to put the result.
keepdims : bool
    Keep the reduced axes, with size 1.
where : array_like of bool, optional
    Which elements count.

Communication: {cost} if a reduced axis is split, otherwise none.

See `numpy.{name}`.
"""
_DTYPE = "dtype : optional\n    The type to compute in; integers are added in 64 bits by default.\n"
_INITIAL = "initial : scalar, optional\n    Where the reduction begins; needed if there may be no elements.\n"
_DDOF = (
    "ddof : int or float\n    What is taken from the number of elements to divide by (`correction` in the Array API).\n"
)


def document(function: Callable, name: str, summary: str, extra: str, cost: str = "one all-reduce") -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "dndarray"
    function.__doc__ = _DOC.format(summary=summary, extra=extra, name=name, cost=cost)
    return function


def _make(row: Reduction) -> Callable:
    """The public form, with the arguments that NumPy's has."""

    def arithmetic(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):  # type: ignore[no-untyped-def]
        return reduce(row, x, axis, dtype, out, keepdims, initial, where)

    def extremum(x, axis=None, out=None, keepdims=False, initial=None, where=True):  # type: ignore[no-untyped-def]
        return reduce(row, x, axis, None, out, keepdims, initial, where)

    def truth(x, axis=None, out=None, keepdims=False, *, where=True):  # type: ignore[no-untyped-def]
        return reduce(row, x, axis, None, out, keepdims, None, where)

    if row.op in ("sum", "prod"):
        return document(arithmetic, row.name, row.summary, _DTYPE + _INITIAL)
    if row.op in ("min", "max"):
        return document(extremum, row.name, row.summary, _INITIAL)
    return document(truth, row.name, row.summary, "")


for _row in REDUCTIONS.values():
    FUNCTIONS[_row.name] = _make(_row)
FUNCTIONS["amin"], FUNCTIONS["amax"] = FUNCTIONS["min"], FUNCTIONS["max"]


def _nan_variant(name: str) -> Callable:
    """A reduction that passes over NaN."""
    row = REDUCTIONS[name]

    def function(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):  # type: ignore[no-untyped-def]
        x = as_operand(x)
        if kind(x.dtype) < 2:
            return reduce(row, x, axis, dtype, out, keepdims, initial, where)
        valid = FUNCTIONS["logical_not"](FUNCTIONS["isnan"](x))
        if where is not True:
            valid = FUNCTIONS["logical_and"](valid, where)
        result = reduce(row, x, axis, dtype, None, keepdims, initial, valid)
        if row.op in ("min", "max") and initial is None:  # nothing but NaN gives NaN
            some = reduce(REDUCTIONS["any"], valid, axis, keepdims=keepdims)
            result = apply(torch.where, (some, result, float("nan")), (torch.bool, result.dtype, result.dtype))
        return result if out is None else store(result, out)

    return document(function, f"nan{name}", row.summary.split(";")[0].rstrip(".") + ", passing over NaN.", _DTYPE)


for _name in ("sum", "prod", "min", "max"):
    FUNCTIONS[f"nan{_name}"] = _nan_variant(_name)


def count_nonzero(x: Any, axis: Axis = None, *, keepdims: bool = False) -> DNDarray:
    """Number of elements that are not zero. Communication: as `sum`."""
    return FUNCTIONS["sum"](FUNCTIONS["not_equal"](x, 0), axis, keepdims=keepdims)


def ptp(x: Any, axis: Axis = None, out: DNDarray | None = None, keepdims: bool = False) -> DNDarray:
    """Largest minus smallest element. Communication: two all-reduces if a reduced axis is split."""
    largest = FUNCTIONS["max"](x, axis, keepdims=keepdims)
    return FUNCTIONS["subtract"](largest, FUNCTIONS["min"](x, axis, keepdims=keepdims), out=out)


FUNCTIONS["count_nonzero"], FUNCTIONS["ptp"] = count_nonzero, ptp


# --- moments ----------------------------------------------------------------------------------------------------------


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
    mask = _masked(x, where)
    if mask is None:
        local_count: Any = 1
        count: Any = 1
        for a in p.axes:
            local_count, count = local_count * work.shape[a], count * x.shape[a]
        total = _sum(work, p.axes)
    else:
        local_count = _sum(mask.to(real_of(work.dtype)), p.axes)
        count = _join(local_count, p, x.comm, x.layout.grid, "sum")
        total = _sum(torch.where(mask, work, torch.zeros((), dtype=work.dtype, device=work.device)), p.axes)
    # Sums of parts are divided before they are joined: no process's sum exceeds what a mean may be.
    mean = _join(total / count, p, x.comm, x.layout.grid, "sum")
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
        squares = _sum((deviation * deviation.conj()).real if deviation.is_complex() else deviation**2, m.plan.axes)
    if not m.plan.grid_axes:
        return squares
    # The result does not change with the common mean to first order, so no gradient goes that way.
    shift = m.local_mean - m.mean.detach()
    moved = (shift * shift.conj()).real if shift.is_complex() else shift**2
    return _join(squares + moved * m.local_count, m.plan, x.comm, x.layout.grid, "sum")


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
    ("mean", mean, "Arithmetic mean.", "one all-reduce", _DTYPE),
    ("var", var, "Variance, merged over processes by counts and moments.", "two all-reduces", _DTYPE + _DDOF),
    ("std", std, "Standard deviation.", "two all-reduces", _DTYPE + _DDOF),
    ("nanmean", nanmean, "Arithmetic mean, passing over NaN.", "two all-reduces", _DTYPE),
    ("nanvar", nanvar, "Variance, passing over NaN.", "three all-reduces", _DTYPE + _DDOF),
    ("nanstd", nanstd, "Standard deviation, passing over NaN.", "three all-reduces", _DTYPE + _DDOF),
):
    FUNCTIONS[_name] = document(_function, _name, _summary, _extra, _cost)
