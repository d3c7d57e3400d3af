"""Indexing with integers, slices, ellipsis and newaxis. Arrays as index: `advanced_indexing`.

Layouts: a slice keeps its axis split where the elements are, so the result may be unbalanced; an integer on a split
axis gives a result that every process has. Communication: none for slices with positive steps, one exchange for
negative steps along a split axis, one broadcast for integers on a split axis. What does not travel is a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to
from .elementwise import as_operand, check_range
from .layout import Layout
from .redistribution import Job, exchange, move
from .unsigned import as_signed, moved

__all__ = ["getitem", "section", "setitem"]


class BasicPlan(NamedTuple):
    """What a basic key does to an array in some layout."""

    local: tuple[Any, ...]
    """Torch index of this process's part: slices with positive steps, one per axis."""
    sliced: Layout
    """Layout after them; integers are slices of length 1."""
    flips: tuple[int, ...]
    """Axes that are then mirrored."""
    points: tuple[int, ...]
    """Axes that were indexed by integers."""
    view: tuple[Any, ...]
    """Index that then drops `points` and puts in new axes."""
    final: Layout
    whole: Layout
    """`sliced` with every point on every process."""
    direct: tuple[Any, ...] | None
    """All of it as one torch index, if nothing travels."""


def freeze(key: Any) -> tuple | None:
    """A hashable form of a basic key, or None if the key holds arrays."""
    entries = key if type(key) is tuple else (key,)
    frozen: list[Any] = []
    for entry in entries:
        kind = type(entry)
        if kind is int or entry is None or entry is Ellipsis:
            frozen.append(entry)
        elif kind is slice:
            frozen.append((entry.start, entry.stop, entry.step))
        elif isinstance(entry, np.integer):
            frozen.append(int(entry))
        else:
            return None
    return tuple(frozen)


def complete(entries: tuple, ndim: int, taken: Any = lambda entry: 1) -> list:
    """The entries with the ellipsis, or what is missing at the end, written out as full slices.

    `taken` says how many axes an entry other than None stands for.
    """
    used = sum(taken(e) for e in entries if e is not None and e is not Ellipsis)
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index may have one ellipsis ('...') only")
    if used > ndim:
        raise IndexError(f"too many indices: {used} for an array of {ndim} dimensions")
    fill = [(None, None, None)] * (ndim - used)
    at = dots[0] if dots else len(entries)
    return [*entries[:at], *fill, *entries[at + 1 :]]


def checked(index: int, n: int, axis: int) -> int:
    """A non-negative index, or an IndexError."""
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    return index % n


@lru_cache(maxsize=8192)
def basic_plan(layout: Layout, rank: int, frozen: tuple) -> BasicPlan:
    """Work out a basic key once."""
    entries = complete(frozen, layout.ndim)
    local: list[slice] = []
    view: list[Any] = []
    flips: list[int] = []
    points: list[int] = []
    shape: list[int] = []
    counts: dict[int, Sequence[int]] = {}
    kept: list[int | None] = []
    position = 0
    for entry in entries:
        if entry is None:
            view.append(None)
            position += 1
            continue
        axis, n = len(local), layout.shape[len(local)]
        if isinstance(entry, int):
            start, stop, step = checked(entry, n, axis), checked(entry, n, axis) + 1, 1
            points.append(axis)
            view.append(0)
            kept.append(None)
        else:
            start, stop, step = _positive(entry, n, axis, flips)
            view.append(slice(None))
            kept.append(position)
            position += 1
        g = layout.grid_axis(axis)
        length = len(range(start, stop, step))
        shape.append(length)
        if g is None:
            local.append(slice(start, stop, step))
        else:
            offsets = layout.offsets[g]
            assert offsets is not None
            firsts = [max(0, -((start - o) // step)) for o in offsets]  # elements of the slice before each offset
            firsts = [min(f, length) for f in firsts]
            counts[axis] = tuple(b - a for a, b in zip(firsts[:-1], firsts[1:], strict=True))
            c = layout.grid.coordinates(rank)[g]
            begin = start + firsts[c] * step - offsets[c]
            local.append(slice(begin, begin + counts[axis][c] * step, step) if counts[axis][c] else slice(0, 0))
    sliced = layout.derive(shape, range(layout.ndim), counts)
    whole = sliced.undeal(*points)
    result_shape = [0] * position
    for p, entry in enumerate(e for e in view if e != 0):
        result_shape[p] = 1 if entry is None else -1
    for axis, place in enumerate(kept):
        if place is not None:
            result_shape[place] = shape[axis]
    final = whole.derive(result_shape, kept)
    travels = whole is not sliced or any(layout.grid_axis(a) is not None for a in flips)
    direct = None if travels or flips else _merge(local, view)
    return BasicPlan(tuple(local), sliced, tuple(flips), tuple(points), tuple(view), final, whole, direct)


def _positive(entry: tuple, n: int, axis: int, flips: list[int]) -> tuple[int, int, int]:
    """A slice as start, stop and a positive step; an axis whose step was negative is noted in `flips`."""
    try:
        start, stop, step = slice(*entry).indices(n)
    except TypeError:
        raise TypeError(f"slices take integers or None, not {entry}") from None
    length = len(range(start, stop, step))
    if step < 0:
        flips.append(axis)
        start, step = start + (length - 1) * step, -step
    return start, start + length * step if length else start, step


def _merge(local: list[slice], view: list[Any]) -> tuple:
    slices = iter(local)
    merged: list[Any] = []
    for entry in view:
        if entry is None:
            merged.append(None)
        else:
            part = next(slices)
            merged.append(part.start if entry == 0 else part)
    return tuple(merged)


def getitem(x: DNDarray, key: Any) -> DNDarray:
    """`x[key]` with NumPy's meaning."""
    frozen = freeze(key)
    if frozen is None:
        from .advanced_indexing import advanced_get

        return advanced_get(x, key)
    p = basic_plan(x.layout, x.comm.rank, frozen)
    if p.direct is not None:
        return DNDarray(x.larray[p.direct], p.final, x.comm)
    local, layout = x.larray[p.local], p.sliced
    across = tuple(a for a in p.flips if layout.grid_axis(a) is not None)
    local = moved(torch.flip, local, [a for a in p.flips if a not in across])
    if across:
        local = exchange(x.comm, [Job(layout, layout, across)], [local])[0]
    local = move(local, layout, p.whole, x.comm)
    return wrap(local[p.view], p.final, x.comm)


def section(x: DNDarray, axis: int, start: int, stop: int) -> DNDarray:
    """`x[..., start:stop, ...]` along one axis: a view."""
    return getitem(x, (slice(None),) * axis + (slice(start, stop),))


def setitem(x: DNDarray, key: Any, value: Any) -> None:
    """`x[key] = value` with NumPy's meaning; `x` keeps its layout.

    Communication: none if the value is a number or replicated, otherwise one redistribution of the value; a boolean
    mask with one value for each element that it selects needs the counts of all processes, arrays of integers send
    values that are split to where they go.
    """
    check_range(value, x.dtype)
    value = as_operand(value, x.comm, x.device)
    frozen = freeze(key)
    if frozen is None:
        from .advanced_indexing import advanced_set

        return advanced_set(x, key, value)
    p = basic_plan(x.layout, x.comm.rank, frozen)
    if value.ndim > p.final.ndim:
        value = drop_leading(value, p.final.ndim)
    if any(m not in (1, n) for m, n in zip(reversed(value.shape), reversed(p.final.shape), strict=False)):
        raise ValueError(f"a value of shape {value.shape} does not broadcast to the indexed part, {p.final.shape}")
    value = _with_axes_of(value, p)
    across = [a for a in p.flips if value.shape[a] > 1]
    if across:
        from .manipulation import flip

        value = flip(value, across)
    assign(x.larray, p.local, align_to(value.larray, value.layout, p.sliced, x.comm))
    return None


def assign(target: Tensor, index: Any, value: Tensor) -> None:
    """Write into a part; complex values do not silently lose their imaginary part."""
    if value.is_complex() and not target.is_complex():
        raise TypeError(f"values of {value.dtype} do not go into an array of {target.dtype}; take .real first")
    as_signed(target)[index] = as_signed(value.to(target.dtype))


def drop_leading(value: DNDarray, ndim: int) -> DNDarray:
    """The value without leading axes of size 1 beyond `ndim`."""
    from .manipulation import squeeze

    extra = value.ndim - ndim
    if any(n != 1 for n in value.shape[:extra]):
        raise ValueError(f"a value of shape {value.shape} does not fit an indexed part of {ndim} dimensions")
    return squeeze(value, tuple(range(extra)))


def _with_axes_of(value: DNDarray, p: BasicPlan) -> DNDarray:
    """The value with the axes of the sliced array: size 1 for integers, none for new axes."""
    from .manipulation import expand_dims, squeeze

    missing = p.final.ndim - value.ndim
    if missing:
        value = expand_dims(value, tuple(range(missing)))
    kept = [entry for entry in p.view if entry is None or entry != 0]
    new = tuple(i for i, entry in enumerate(kept) if entry is None)
    if new:
        value = squeeze(value, new)
    return expand_dims(value, p.points) if p.points else value
