"""Where the largest and smallest elements are: reductions whose result is an index."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .array import DNDarray
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .layout import Layout
from .reduction import Plan, check_nonempty, check_ordered, document, plan, reduced_axes, wrap_reduced
from .unsigned import to_ordered

__all__: list[str] = []

_NOWHERE = torch.iinfo(torch.int64).max


def _global_index(local: Tensor, layout: Layout, comm: Communicator) -> Tensor:
    """Index into the whole array (flat, C order) from one into this process's part."""
    result = torch.zeros_like(local)
    stride = 1
    for (start, stop), n in zip(reversed(layout.box(comm.rank)), reversed(layout.shape), strict=True):
        result += (local % (stop - start) + start) * stride
        local = local // (stop - start)
        stride *= n
    return result


def _local_extremum(x: DNDarray, axis: int | None, p: Plan, largest: bool) -> tuple[Tensor, Tensor]:
    """The extreme value of this process's part, and its global index; ties and NaN go to the first."""
    local = to_ordered(x.larray.detach())
    if local.dtype is torch.bool:
        local = local.to(torch.uint8)
    find = torch.argmax if largest else torch.argmin
    if local.numel() == 0:
        shape = p.kept.lshape(x.comm.rank)
        worst = -torch.inf if local.dtype.is_floating_point else torch.iinfo(local.dtype).min
        best = torch.inf if local.dtype.is_floating_point else torch.iinfo(local.dtype).max
        return local.new_full(shape, worst if largest else best), local.new_full(shape, _NOWHERE, dtype=torch.int64)
    if axis is None:
        flat = local.reshape(-1)
        index = find(flat, dim=0, keepdim=True)
        shape = (1,) * x.ndim
        return flat[index].reshape(shape), _global_index(index, x.layout, x.comm).reshape(shape)
    index = find(local, dim=axis, keepdim=True)
    return local.gather(axis, index), index + x.layout.box(x.comm.rank)[axis][0]


def _make(name: str, largest: bool) -> Callable:
    def function(x, axis=None, out=None, keepdims=False):  # type: ignore[no-untyped-def]
        x = as_operand(x)
        check_ordered(x.dtype, name)
        if isinstance(axis, (tuple, list)):
            raise TypeError(f"{name} takes one axis or None, not `axis` (={axis})")
        axes = reduced_axes(axis, x.ndim)
        p = plan(x.layout, axes, keepdims)
        check_nonempty(x, axes, name)
        value, index = _local_extremum(x, None if axis is None or not axes else axes[0], p, largest)
        if p.grid_axes:
            comm = x.comm.along(x.layout.grid, p.grid_axes)
            best = comm.allreduce(value, "max" if largest else "min")
            attained = value == best
            if value.dtype.is_floating_point:
                attained |= value.isnan() & best.isnan()
            index = comm.allreduce(torch.where(attained, index, _NOWHERE), "min")
        array = wrap_reduced(index, p, x.comm)
        return array if out is None else store(array, out)

    word = "largest" if largest else "smallest"
    summary = f"Index of the {word} element (the first of equals; NaN counts as {word}), int64."
    return document(function, name, summary, "", "two all-reduces")


def _make_nan(name: str, fill: float) -> Callable:
    find = FUNCTIONS[name]

    def function(x, axis=None, out=None, keepdims=False):  # type: ignore[no-untyped-def]
        x = as_operand(x)
        if x.dtype.is_floating_point:
            missing = FUNCTIONS["isnan"](x)
            if bool(FUNCTIONS["any"](FUNCTIONS["all"](missing, axis))):
                raise ValueError(f"nan{name}: a slice along axis {axis} holds nothing but NaN")
            x = DNDarray(x.larray.masked_fill(missing.larray, fill), x.layout, x.comm)
        return find(x, axis, out, keepdims)

    return document(function, f"nan{name}", f"As {name}, passing over NaN.", "", "five all-reduces")


FUNCTIONS["argmax"], FUNCTIONS["argmin"] = _make("argmax", True), _make("argmin", False)
FUNCTIONS["nanargmax"] = _make_nan("argmax", float("-inf"))
FUNCTIONS["nanargmin"] = _make_nan("argmin", float("inf"))
