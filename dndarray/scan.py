"""The scan family: running sums, products, extremes and truth values.

Layouts: unchanged. Communication: none if the axis is whole on every process; otherwise each process scans its own
part, one exclusive scan brings the total of all parts before it, and it is combined with them. Gradients: through
both (but for bits and truth values); that of products and extremes gathers the totals of all parts instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .collectives import all_gather, exscan, needs_grad, use_in_split
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .layout import normalize_axis
from .reduction import REDUCTIONS, accumulator, check_ordered
from .types import as_dtype
from .unsigned import from_ordered, to_ordered

__all__ = ["BY_UFUNC", "SCANS", "Scan", "scan"]


class Scan(NamedTuple):
    """One row of the table. The reduction of the same name says how parts are joined, from what on, and the types."""

    running: Callable[[Tensor, int], Tensor]
    """The scan of a local part along an axis."""
    combine: Callable[..., Tensor]
    summary: str


def _running(fn: Callable) -> Callable:
    """A scan in the type in which elements are added up and multiplied."""
    return lambda x, axis: fn(x, axis, dtype=accumulator(x.dtype))


def _doubling(fn: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A scan by an associative function that has no kernel for it, in log2(n) steps (Hillis and Steele, 1986)."""

    def scan(x: Tensor, axis: int) -> Tensor:
        n, step = x.shape[axis], 1
        while step < n:
            later = fn(x.narrow(axis, step, n - step), x.narrow(axis, 0, n - step))
            x = torch.cat([x.narrow(axis, 0, step), later], axis)
            step *= 2
        return x

    return scan


SCANS: dict[str, Scan] = {
    "sum": Scan(_running(torch.cumsum), torch.add, "Running sum"),
    "prod": Scan(_running(torch.cumprod), torch.multiply, "Running product"),
    "max": Scan(lambda x, axis: x.cummax(axis)[0], torch.maximum, "Largest element so far"),
    "min": Scan(lambda x, axis: x.cummin(axis)[0], torch.minimum, "Smallest element so far"),
    **{
        name: Scan(_doubling(fn), fn, f"{fn.__name__} of the elements so far")
        for name, fn in (
            ("all", torch.logical_and),
            ("any", torch.logical_or),
            ("logical_xor", torch.logical_xor),
            ("bitwise_and", torch.bitwise_and),
            ("bitwise_or", torch.bitwise_or),
            ("bitwise_xor", torch.bitwise_xor),
        )
    },
}


_WHOLE: dict[str, Callable] = {"prod": torch.prod, "max": torch.amax, "min": torch.amin}


def _before(total: Tensor, identity: Any, comm: Communicator, op: str) -> Tensor:
    """The reduction of the totals of all processes before this one."""
    if op == "sum":
        return exscan(total, comm)
    if not needs_grad(total):
        return comm.exscan(total, op, identity)
    every = use_in_split(all_gather(total.unsqueeze(0), [1] * comm.size, comm), comm)
    return _WHOLE[op](torch.cat([torch.full_like(every[:1], identity), every[: comm.rank]]), 0)


def scan(
    op: str, x: Any, axis: int | None, dtype: Any = None, out: DNDarray | None = None, include_initial: bool = False
) -> DNDarray:
    """The scan of this name of `x` along `axis`; None means of the flattened array."""
    x = as_operand(x)
    if axis is None or not x.ndim:
        from .manipulation import reshape

        x, axis = reshape(x, (-1,)), axis or 0
    axis = normalize_axis(axis, x.ndim)
    row, reduction = SCANS[op], REDUCTIONS[op]
    ordered = op in ("max", "min")
    if ordered:
        check_ordered(x.dtype, f"cum{op}")
    computed = as_dtype(dtype) if dtype is not None else reduction.result(x.dtype)
    local = x.larray.to(computed)
    local = to_ordered(local) if ordered else local
    result = row.running(local, axis)
    g = x.layout.grid_axis(axis)
    comm = x.comm if g is None else x.comm.along(x.layout.grid, (g,))
    if g is not None and comm.size > 1:
        identity = reduction.identity(result.dtype)
        if result.shape[axis]:
            total = result.narrow(axis, result.shape[axis] - 1, 1)
        else:
            total = result.new_full([1 if a == axis else n for a, n in enumerate(result.shape)], identity)
            total = total + local.sum() * 0 if local.requires_grad else total
        before = _before(total, identity, comm, reduction.op)
        # New memory costs more than the sum; but the scan of a single element may be that of the array.
        own = None if needs_grad(result, before) or result is local else result
        result = row.combine(result, before, out=own)
    array = wrap(from_ordered(result, computed) if ordered else result.to(computed), x.layout, x.comm)
    if include_initial:
        from .creation import full
        from .manipulation import concatenate

        shape = [1 if a == axis else n for a, n in enumerate(x.shape)]
        first = full(shape, reduction.identity(array.dtype), dtype=array.dtype, device=array.device, comm=x.comm)
        array = concatenate([first, array], axis)
    return array if out is None else store(array, out)


_DOC = """{summary} along an axis.

Parameters
----------
x : array_like
    Split in any way; the result is split alike.
axis : int{axis}
dtype : optional
    The type to compute in; integers are added in 64 bits by default.
{extra}
Communication: one exclusive scan if the axis is split, otherwise none.
"""


def _make(op: str) -> tuple[Callable, Callable]:
    summary = SCANS[op].summary

    def numpy_form(x, axis=None, dtype=None, out=None):  # type: ignore[no-untyped-def]
        return scan(op, x, axis, dtype, out)

    def standard_form(x, /, *, axis=None, dtype=None, include_initial=False):  # type: ignore[no-untyped-def]
        x = as_operand(x)
        if axis is None and x.ndim != 1:
            raise ValueError(f"`axis` must be given for an array of {x.ndim} dimensions")
        return scan(op, x, 0 if axis is None else axis, dtype, None, include_initial)

    for function, name, axis, extra in (
        (numpy_form, f"cum{op}", ", optional\n    By default the array is flattened.", ""),
        (
            standard_form,
            f"cumulative_{op}",
            "\n    May be left out for arrays of one dimension.",
            "include_initial : bool\n    Begin with the neutral element; the result is one longer.\n",
        ),
    ):
        function.__name__ = function.__qualname__ = name
        function.__module__ = "dndarray"
        function.__doc__ = _DOC.format(summary=summary, axis=axis, extra=extra)
    return numpy_form, standard_form


for _op in ("sum", "prod"):
    FUNCTIONS[f"cum{_op}"], FUNCTIONS[f"cumulative_{_op}"] = _make(_op)


def _make_extreme(op: str) -> Callable:
    def function(x, axis=None, out=None):  # type: ignore[no-untyped-def]
        return scan(op, x, axis, None, out)

    function.__name__ = function.__qualname__ = f"cum{op}"
    function.__module__ = "dndarray"
    summary = f"{SCANS[op].summary} (`numpy.{op}imum.accumulate`)"
    function.__doc__ = _DOC.format(summary=summary, axis=", optional\n    By default the array is flattened.", extra="")
    return function


FUNCTIONS["cummax"], FUNCTIONS["cummin"] = _make_extreme("max"), _make_extreme("min")

BY_UFUNC: dict[str, Callable] = {
    "add": FUNCTIONS["cumsum"],
    "multiply": FUNCTIONS["cumprod"],
    "maximum": FUNCTIONS["cummax"],
    "minimum": FUNCTIONS["cummin"],
    "logical_and": partial(scan, "all"),
    "logical_or": partial(scan, "any"),
    **{_name: partial(scan, _name) for _name in ("logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")},
}
"""What `ufunc.accumulate` computes, for the ufuncs that have it."""
