"""The reduction family.

Layouts: reduced axes vanish (with `keepdims` they stay, with size 1, not split), the other axes keep their split.
Communication: none if no reduced axis is split; otherwise one all-reduce among the processes along the grid axes of
the reduced axes. The variance and what is made from it take two (means, then squares about the common mean), an
argument of an extremum two (value, then index). Gradients: through all of them but the arguments and the truth values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to
from .collectives import all_reduce
from .communication import Communicator
from .elementwise import FUNCTIONS, apply, as_local, as_operand, run, store
from .layout import Layout, normalize_axes
from .types import as_dtype, kind, wide_of
from .unsigned import from_ordered, to_ordered

__all__ = [
    "BY_UFUNC",
    "REDUCTIONS",
    "Plan",
    "Reduction",
    "accumulator",
    "check_nonempty",
    "check_ordered",
    "document",
    "plan",
    "reduce",
    "reduced_axes",
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


def reduced_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes to reduce; an array without axes has, as in NumPy, one to reduce all the same."""
    return () if ndim == 0 and axis in (0, -1) else normalize_axes(axis, ndim)


def join(part: Tensor, p: Plan, comm: Communicator, grid: Any, op: str) -> Tensor:
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


def add_up(x: Tensor, axes: tuple[int, ...]) -> Tensor:
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
        neutral = x.new_full(shape, identity(x.dtype))
        return neutral + x.sum() * 0 if x.requires_grad else neutral

    return reduce


def _fold(fn: Callable[[Tensor, Tensor], Tensor], identity: Callable) -> Callable:
    """A reduction by an associative function that has no kernel for it: half of what is left with the other half."""

    def reduce(x: Tensor, axes: tuple[int, ...]) -> Tensor:
        for axis in axes:
            if x.shape[axis] == 0:
                x = x.new_full([1 if a == axis else n for a, n in enumerate(x.shape)], identity(x.dtype))
            while (n := x.shape[axis]) > 1:
                first, second, odd = x.split([n // 2, n // 2, n % 2], axis)
                x = torch.cat([fn(first, second), odd], axis)
        return x

    return reduce


def ones_of(dtype: torch.dtype) -> int:
    """The integer all of whose bits are set."""
    return -1 if dtype.is_signed else _highest(dtype)


def _bits(dtype: torch.dtype) -> torch.dtype:
    if kind(dtype) > 1:
        raise TypeError(f"bit by bit one reduces integers and bools, not {dtype}")
    return dtype


REDUCTIONS = {
    row.name: row
    for row in (
        Reduction("sum", add_up, "sum", lambda t: 0, _sum_type, "Sum of elements."),
        Reduction("prod", _prod, "prod", lambda t: 1, _sum_type, "Product of elements."),
        Reduction(
            "min", _extreme(torch.amin, _highest), "min", _highest, _same, "Smallest element; NaN if there is one."
        ),
        Reduction("max", _extreme(torch.amax, _lowest), "max", _lowest, _same, "Largest element; NaN if there is one."),
        Reduction("all", _bool_reduce(torch.all), "all", lambda t: True, _bool, "Whether all elements are true."),
        Reduction("any", _bool_reduce(torch.any), "any", lambda t: False, _bool, "Whether any element is true."),
        *(
            Reduction(name, _fold(getattr(torch, name), identity), op, identity, result, f"{name} of all elements.")
            for name, op, identity, result in (
                ("bitwise_and", "and", ones_of, _bits),
                ("bitwise_or", "or", lambda t: 0, _bits),
                ("bitwise_xor", "xor", lambda t: 0, _bits),
                ("logical_xor", "xor", lambda t: False, _bool),
            )
        ),
    )
}


# --- the engine -------------------------------------------------------------------------------------------------------


def masked(x: DNDarray, where: Any) -> Tensor | None:
    """The local part of a mask, or None for no mask."""
    if where is True:
        return None
    mask = as_operand(where, x.comm, x.device)
    local = align_to(mask.larray, mask.layout, x.layout, x.comm)
    return local.to(torch.bool).expand(x.larray.shape)


def check_ordered(dtype: torch.dtype, name: str) -> None:
    if dtype.is_complex:
        raise TypeError(f"{name} needs an order, and torch has none for {dtype}; take real parts or absolute values")


def check_nonempty(x: DNDarray, axes: tuple[int, ...], name: str) -> None:
    if any(x.shape[a] == 0 for a in axes):
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
    p = plan(x.layout, reduced_axes(axis, x.ndim), keepdims)
    computed = as_dtype(dtype) if dtype is not None else row.result(x.dtype)
    local = x.larray
    if row.op in ("min", "max"):
        check_ordered(local.dtype, row.name)
        if initial is None:
            check_nonempty(x, p.axes, row.name)
        local = to_ordered(local)
    elif row.op not in ("any", "all"):
        local = local.to(computed)
    mask = masked(x, where)
    if mask is not None:
        local = torch.where(
            mask, local, torch.tensor(row.identity(local.dtype), dtype=local.dtype, device=local.device)
        )
    result = join(row.fn(local, p.axes), p, x.comm, x.layout.grid, row.op)
    result = from_ordered(result, computed) if row.op in ("min", "max") else result.to(computed)
    if initial is not None:
        result = run(_WITH_INITIAL[row.op], result, as_local(initial, computed, x.device))
    array = wrap_reduced(result, p, x.comm)
    return array if out is None else store(array, out)


_WITH_INITIAL: dict[str, Callable] = {
    "sum": torch.add,
    "prod": torch.multiply,
    "min": torch.minimum,
    "max": torch.maximum,
    "any": torch.logical_or,
    "all": torch.logical_and,
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
}


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
DTYPE = "dtype : optional\n    The type to compute in; integers are added in 64 bits by default.\n"
_INITIAL = "initial : scalar, optional\n    Where the reduction begins; needed if there may be no elements.\n"


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
        return document(arithmetic, row.name, row.summary, DTYPE + _INITIAL)
    if row.op in ("min", "max"):
        return document(extremum, row.name, row.summary, _INITIAL)
    return document(truth, row.name, row.summary, "")


for _name in ("sum", "prod", "min", "max", "all", "any"):
    FUNCTIONS[_name] = _make(REDUCTIONS[_name])
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

    def extremum(x, axis=None, out=None, keepdims=False, initial=None, where=True):  # type: ignore[no-untyped-def]
        return function(x, axis, None, out, keepdims, initial, where)

    summary = row.summary.split(";")[0].rstrip(".") + ", passing over NaN."
    if row.op in ("min", "max"):
        return document(extremum, f"nan{name}", summary, _INITIAL)
    return document(function, f"nan{name}", summary, DTYPE + _INITIAL)


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

BY_UFUNC: dict[str, Callable] = {
    "add": FUNCTIONS["sum"],
    "multiply": FUNCTIONS["prod"],
    "maximum": FUNCTIONS["max"],
    "minimum": FUNCTIONS["min"],
    "fmax": FUNCTIONS["nanmax"],
    "fmin": FUNCTIONS["nanmin"],
    **{_op: partial(reduce, REDUCTIONS[_name]) for _op, _name in (("logical_and", "all"), ("logical_or", "any"))},
    **{_op: partial(reduce, REDUCTIONS[_op]) for _op in ("bitwise_and", "bitwise_or", "bitwise_xor", "logical_xor")},
}
"""What `ufunc.reduce` computes, for the ufuncs that have it."""
