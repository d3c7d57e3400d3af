"""How operands of different shapes and splits are brought to one layout: the rule of the elementwise family."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor

from .collectives import use_in_split
from .communication import Communicator
from .layout import Layout
from .redistribution import move

__all__ = ["align", "align_to", "broadcast_shapes", "common_layout", "operand_layout"]


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """The shape to which all shapes broadcast.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    try:
        # NumPy's: torch's own loads half a second's worth of modules at its first call.
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(str(s if isinstance(s, int) else tuple(s)) for s in shapes)
        raise ValueError(
            f"shapes {listed} do not broadcast together: counted from the last axis, sizes must be equal or 1"
        ) from None


@lru_cache(maxsize=4096)
def common_layout(*layouts: Layout) -> Layout:
    """The layout of the result of an elementwise operation, to which the operands are brought.

    The largest operand that is split keeps its split, so that the smaller ones move; what its grid leaves free is
    taken from the others. An axis along which an operand is stretched cannot be split as that operand is.
    """
    shape = broadcast_shapes(*(layout.shape for layout in layouts))
    by_size = sorted(layouts, key=lambda layout: -layout.size)  # stable: the first of equals leads
    leader = next((layout for layout in by_size if any(a is not None for a in layout.axes)), by_size[0])
    grid = leader.grid
    axes: list[int | None] = [None] * grid.ndim
    counts: list[tuple[int, ...] | None] = [None] * grid.ndim
    for layout in [leader, *by_size]:
        if layout.grid is not grid:
            continue
        lead = len(shape) - layout.ndim
        for g, a in enumerate(layout.axes):
            if a is None or axes[g] is not None or a + lead in axes or layout.shape[a] != shape[a + lead]:
                continue
            axes[g], counts[g] = a + lead, layout.counts[g]
    return Layout(shape, grid, tuple(axes), counts)


@lru_cache(maxsize=4096)
def operand_layout(shape: tuple[int, ...], result: Layout) -> tuple[Layout, tuple[int, ...]]:
    """How an operand of `shape` must lie for a result in layout `result`, and along which grid axes it then is
    replicated while the result is split: there its gradients add up."""
    lead = result.ndim - len(shape)
    axes: list[int | None] = []
    summed = []
    for g, a in enumerate(result.axes):
        own = None if a is None or a < lead or shape[a - lead] != result.shape[a] else a - lead
        axes.append(own)
        if a is not None and own is None and result.grid.shape[g] > 1:
            summed.append(g)
    return Layout(
        shape, result.grid, tuple(axes), [None if a is None else c for a, c in zip(axes, result.counts, strict=True)]
    ), tuple(summed)


def align_to(tensor: Tensor, source: Layout, result: Layout, comm: Communicator) -> Tensor:
    """The local part of an operand that broadcasts to a result in layout `result`.

    Communication: none if the operand lies right or is replicated, otherwise one redistribution.
    """
    layout, summed = operand_layout(source.shape, result)
    tensor = move(tensor, source, layout, comm)
    if summed and tensor.requires_grad:
        tensor = use_in_split(tensor, comm.along(result.grid, summed))
    return tensor


def align(tensors: Sequence[Tensor], layouts: Sequence[Layout], comm: Communicator) -> tuple[list[Tensor], Layout]:
    """Bring operands to their common layout."""
    result = common_layout(*layouts)
    return [align_to(t, layout, result, comm) for t, layout in zip(tensors, layouts, strict=True)], result
