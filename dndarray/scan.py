"""The scan family.

Layouts: unchanged. Communication: none if the axis is whole on every process; otherwise each process scans its own
part, one exclusive scan brings the total of all parts before it, and it is added (multiplied) on. Gradients: through
both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .collectives import all_gather, exscan, needs_grad, use_in_split
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .layout import normalize_axis
from .reduction import REDUCTIONS, accumulator
from .types import as_dtype

__all__ = ["scan"]


def _before(total: Tensor, comm: Communicator, op: str) -> Tensor:
    """The sum or product of the totals of all processes before this one."""
    if op == "sum":
        return exscan(total, comm)
    if not needs_grad(total):
        return comm.exscan(total, "prod")
    every = use_in_split(all_gather(total.unsqueeze(0), [1] * comm.size, comm), comm)
    return every[: comm.rank].prod(0)


_FORMS: dict[str, tuple[Callable, str]] = {
    "sum": (torch.cumsum, "Running sum"),
    "prod": (torch.cumprod, "Running product"),
}


def scan(
    op: str, x: Any, axis: int | None, dtype: Any = None, out: DNDarray | None = None, include_initial: bool = False
) -> DNDarray:
    """Running sum or product of `x` along `axis`; None means of the flattened array."""
    x = as_operand(x)
    if axis is None:
        from .manipulation import reshape

        x, axis = reshape(x, (-1,)), 0
    axis = normalize_axis(axis, x.ndim)
    running, _ = _FORMS[op]
    computed = as_dtype(dtype) if dtype is not None else REDUCTIONS[op].result(x.dtype)
    local = x.larray.to(computed)
    result = running(local, dim=axis, dtype=accumulator(computed))
    g = x.layout.grid_axis(axis)
    comm = x.comm if g is None else x.comm.along(x.layout.grid, (g,))
    if g is not None and comm.size > 1:
        neutral = result.new_full([1 if a == axis else n for a, n in enumerate(result.shape)], op == "prod")
        total = result.narrow(axis, result.shape[axis] - 1, 1) if result.shape[axis] else neutral + local.sum() * 0
        before = _before(total, comm, op)
        result = result + before if op == "sum" else result * before
    array = wrap(result.to(computed), x.layout, x.comm)
    if include_initial:
        from .creation import full
        from .manipulation import concatenate

        shape = [1 if a == axis else n for a, n in enumerate(x.shape)]
        first = full(shape, op == "prod", dtype=array.dtype, device=array.device, comm=x.comm)
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
    _, summary = _FORMS[op]

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


for _op in _FORMS:
    FUNCTIONS[f"cum{_op}"], FUNCTIONS[f"cumulative_{_op}"] = _make(_op)
