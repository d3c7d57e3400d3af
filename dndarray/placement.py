"""Where the operands of a contraction are brought, and how its result then lies. Layouts only: nothing moves here.

The rules are those of the table at the head of `contraction`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .broadcasting import common_layout, operand_layout
from .layout import Grid, Layout, is_local

__all__ = ["Labels", "Plan", "estimate", "plan", "spread_layout", "spreads"]


class Labels(NamedTuple):
    """The axes of both operands and of the result, one letter each; every letter of an operand is in another term."""

    a: str
    b: str
    c: str

    def kind(self, label: str) -> str:
        if label not in self.c:
            return "summed"
        return "batch" if label in self.a and label in self.b else "free"


class Plan(NamedTuple):
    """How a contraction is done."""

    a: Layout
    b: Layout
    """Where the operands are brought first."""
    result: Layout
    panels_along: str | None
    """The label along which panels are broadcast."""
    routes: tuple[int | None, int | None]
    """For `a` and for `b` the grid axis along which its panels are."""
    summed: tuple[int, ...]
    """The grid axes along which partial products are then reduced."""
    scatter: str | None
    """The label along which their sum is dealt out, None to give it to all."""


class Draft:
    """An operand as the rules see it: its layout, which they change, and its labels."""

    def __init__(self, layout: Layout, labels: str) -> None:
        self.layout, self.labels = layout, labels

    def deals(self, g: int) -> str | None:
        axis = self.layout.axes[g]
        return None if axis is None else self.labels[axis]

    def deal(self, grid: Grid, dealt: Sequence[str | None], counts: Sequence[Any]) -> None:
        """Deal out these labels."""
        axes = tuple(None if label is None else self.labels.index(label) for label in dealt)
        self.layout = Layout(self.layout.shape, grid, axes, counts)

    def set(self, g: int, label: str | None, counts: Any = None) -> None:
        """Deal out `label` along grid axis `g`, and nowhere else."""
        dealt = [self.deals(h) for h in range(self.layout.grid.ndim)]
        full = list(self.layout.counts)
        if label in dealt and label is not None:
            full[dealt.index(label)] = None
            dealt[dealt.index(label)] = None
        dealt[g], full[g] = label, counts
        self.deal(self.layout.grid, dealt, full)


def _to_one_grid(a: Draft, b: Draft) -> None:
    """Bring the smaller operand to the grid of the larger, dealt out along the labels that they share."""
    if a.layout.grid is b.layout.grid:
        return
    a_leads = a.layout.is_dealt and (not b.layout.is_dealt or a.layout.size >= b.layout.size)
    leader, other = (a, b) if a_leads else (b, a)
    grid = leader.layout.grid
    dealt = [leader.deals(g) for g in range(grid.ndim)]
    shared = [label if label is not None and label in other.labels else None for label in dealt]
    other.deal(grid, shared, [None if s is None else c for s, c in zip(shared, leader.layout.counts, strict=True)])


def _settle(a: Draft, b: Draft, labels: Labels) -> None:
    """Move operands until each grid axis shows a pair of the table."""
    for _ in range(4 * a.layout.grid.ndim):
        if not any(_settle_axis(a, b, g, labels) for g in range(a.layout.grid.ndim)):
            return
    for g in range(a.layout.grid.ndim):  # layouts that chase one another: make one whole, the rest then is slicing
        b.set(g, None)
        _settle_axis(a, b, g, labels)


def _settle_axis(a: Draft, b: Draft, g: int, labels: Labels) -> bool:
    """One move along one grid axis, if its pair is not in the table."""
    x, y = a.deals(g), b.deals(g)
    if x is not None and x == y:
        if a.layout.counts[g] != b.layout.counts[g]:
            b.set(g, x, a.layout.counts[g])
            return True
        return False
    kinds = (x and labels.kind(x), y and labels.kind(y))
    if "batch" in kinds or kinds in (("summed", None), (None, "summed"), ("summed", "summed")):
        # The other operand has this label, too, and takes it.
        lead_is_a = kinds[0] == "batch" or (kinds[1] != "batch" and kinds[0] == "summed")
        leader, other, label = (a, b, x) if lead_is_a else (b, a, y)
        other.set(g, label, leader.layout.counts[g])
        return True
    travelling = {
        (op.deals(h), op is a) for op in (a, b) for h in range(a.layout.grid.ndim) if _travels(a, b, h, labels) is op
    }
    summed = {label for label, _ in travelling if label is not None and labels.kind(label) == "summed"}
    if kinds == ("free", "free") and len(travelling) > 1:
        b.set(g, None)  # columns of b travel only where nothing else does
        return True
    if kinds[0] == "summed" and kinds[1] == "free" and len(summed) > 1:
        a.set(g, None)  # panels run along one label
        return True
    return False


def _travels(a: Draft, b: Draft, g: int, labels: Labels) -> Draft | None:
    """Whose panels are broadcast along grid axis `g`."""
    x, y = a.deals(g), b.deals(g)
    if x is None or y is None or x == y or a.layout.grid.shape[g] == 1:
        return None
    return a if labels.kind(x) == "summed" else b


@lru_cache(maxsize=4096)
def plan(layout_a: Layout, layout_b: Layout, labels: Labels, target: Layout | None = None) -> Plan:
    """How to contract operands in these layouts; a sum over processes goes where `target` wants it."""
    a, b = Draft(layout_a, labels.a), Draft(layout_b, labels.b)
    _to_one_grid(a, b)
    _settle(a, b, labels)
    grid = a.layout.grid
    travelling = {g: op for g in range(grid.ndim) if (op := _travels(a, b, g, labels)) is not None}
    summed = tuple(
        g
        for g in range(grid.ndim)
        if a.deals(g) is not None and a.deals(g) == b.deals(g) and labels.kind(a.deals(g)) == "summed"  # type: ignore[arg-type]
    )
    axes: list[int | None] = [None] * grid.ndim
    counts: list[Any] = [None] * grid.ndim
    for g in range(grid.ndim):
        for op in (a, b):
            label = op.deals(g)
            if label is not None and label in labels.c and axes[g] is None and travelling.get(g) is not op:
                axes[g], counts[g] = labels.c.index(label), op.layout.counts[g]
    scatter = _scatter_label(labels, axes, summed, target) if summed else None
    if scatter is not None:
        axes[summed[0]] = labels.c.index(scatter)
    sizes = dict(zip(labels.a, layout_a.shape, strict=True)) | dict(zip(labels.b, layout_b.shape, strict=True))
    result = Layout([sizes[x] for x in labels.c], grid, tuple(axes), counts)
    along = next((op.deals(g) for g, op in travelling.items()), None)
    routes = tuple(next((g for g, op in travelling.items() if op is one), None) for one in (a, b))
    return Plan(a.layout, b.layout, result, along, routes, summed, scatter)  # type: ignore[arg-type]


def _scatter_label(
    labels: Labels, axes: Sequence[int | None], summed: tuple[int, ...], target: Layout | None
) -> str | None:
    """The axis of the result along which a sum over processes is dealt out, None to give it to all."""
    taken = {labels.c[a] for a in axes if a is not None}
    if len(summed) > 1:
        return None
    if target is not None:
        if target.grid.ndim == len(axes):
            wanted = target.axes[summed[0]]
            return labels.c[wanted] if wanted is not None and labels.c[wanted] not in taken else None
        return None
    order = [x for x in labels.c if x not in labels.b] + [x for x in labels.c if x in labels.b]
    return next((x for x in order if x not in taken), None)


# --- where nothing is summed ------------------------------------------------------------------------------------------


def spreads(labels: Labels) -> bool:
    """Whether nothing is summed, so that the contraction is an elementwise product."""
    return all(x in labels.c for x in labels.a + labels.b)


def spread_layout(layout: Layout, own: str, labels: str) -> Layout:
    """The layout of an operand with its axes where `labels` want them, of size 1 where it has none."""
    shape = [layout.shape[own.index(x)] if x in own else 1 for x in labels]
    return layout.derive(shape, [labels.index(x) for x in own])


# --- what it costs ----------------------------------------------------------------------------------------------------


def _share(layout: Layout) -> int:
    """How many elements a process holds, on average."""
    return layout.size // math.prod(p for a, p in zip(layout.axes, layout.grid.shape, strict=True) if a is not None)


def estimate(a: Layout, b: Layout, labels: Labels) -> tuple[int, Layout]:
    """How many elements reach each process in a contraction, about, and the layout of its result."""
    if spreads(labels):
        spread = [spread_layout(x, own, labels.c) for x, own in ((a, labels.a), (b, labels.b))]
        result = common_layout(*spread)
        there = [operand_layout(x.shape, result)[0] for x in spread]
        return sum(_share(y) for x, y in zip(spread, there, strict=True) if not is_local(x, y)), result
    p = plan(a, b, labels)
    moved = sum(_share(y) for x, y in ((a, p.a), (b, p.b)) if not is_local(x, y))
    moved += sum(_share(x) * x.grid.shape[g] for x, g in zip((p.a, p.b), p.routes, strict=True) if g is not None)
    return moved + (p.result.size if p.summed else 0), p.result
