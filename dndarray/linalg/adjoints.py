"""Gradients of factorizations: formulas over arrays.

A blocked algorithm passes panels from process to process and overwrites them; its gradient is a formula in what it was
given and what it found. That formula is array code: it runs split as everything else does, and is differentiable again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import needs_grad
from ..communication import Communicator
from ..layout import Layout
from ..redistribution import move

__all__ = ["differentiable"]

Arrays = Sequence[DNDarray]
Adjoint = Callable[[Arrays, Arrays, Arrays], Sequence[DNDarray | None]]


class _WithAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        compute: Callable[..., Any],
        adjoint: Adjoint,
        comm: Communicator,
        layouts: list[Layout],
        results: list[Layout],
        *parts: Tensor,
    ) -> tuple[Tensor, ...]:
        values = compute(*(wrap(p.detach(), layout, comm) for p, layout in zip(parts, layouts, strict=True)))
        values = values if isinstance(values, tuple) else (values,)
        results.extend(value.layout for value in values)
        ctx.adjoint, ctx.comm, ctx.layouts, ctx.results = adjoint, comm, layouts, results
        local = tuple(value.larray for value in values)
        ctx.save_for_backward(*parts, *local)
        ctx.mark_non_differentiable(*(t for t in local if not t.dtype.is_floating_point and not t.dtype.is_complex))
        return local

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        def arrays(tensors: Sequence[Tensor], layouts: Sequence[Layout]) -> list[DNDarray]:
            return [wrap(t, layout, ctx.comm) for t, layout in zip(tensors, layouts, strict=True)]

        n = len(ctx.layouts)
        given, found = arrays(ctx.saved_tensors[:n], ctx.layouts), arrays(ctx.saved_tensors[n:], ctx.results)
        wanted = ctx.adjoint(given, found, arrays(grads, ctx.results))
        parts: list[Tensor | None] = []
        for x, layout in zip(wanted, ctx.layouts, strict=True):
            parts.append(None if x is None else move(x.larray, x.layout, layout, ctx.comm))
        return None, None, None, None, None, *parts


def differentiable(compute: Callable[..., Any], adjoint: Adjoint) -> Callable[..., Any]:
    """`compute`, from arrays to an array or a tuple of them, with the gradient that `adjoint` gives.

    `adjoint(given, found, grads)` takes the arguments, the results and the gradients of the results (zeros where there
    is none), and returns the gradient of every argument (None for one without), in any layout. `compute` itself may
    communicate and write in place as it likes: no graph is recorded inside.
    """

    def call(*arrays: DNDarray) -> Any:
        parts = [x.larray for x in arrays]
        if not needs_grad(*parts):
            return compute(*arrays)
        results: list[Layout] = []
        comm = arrays[0].comm
        local = _WithAdjoint.apply(compute, adjoint, comm, [x.layout for x in arrays], results, *parts)
        values = tuple(wrap(t, layout, comm) for t, layout in zip(local, results, strict=True))
        return values if len(values) > 1 else values[0]

    return call
