"""Arrays taken apart. Every part is a view and lies where its elements are: nothing moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .array import DNDarray, wrap
from .elementwise import as_operand
from .indexing import section
from .layout import balanced_counts, normalize_axis
from .redistribution import move

__all__ = ["array_split", "dsplit", "hsplit", "split", "unstack", "vsplit"]


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[DNDarray]:
    """The parts of `x` along `axis`: so many, of almost equal lengths, or those that begin at the given indices.

    Views that keep the split, each lying where its elements are (so they may be unbalanced). Local.

    >>> [part.tolist() for part in array_split(as_operand([1, 2, 3]), 2)]
    [[1, 2], [3]]
    """
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, (Sequence, np.ndarray, DNDarray)) and np.ndim(indices_or_sections):
        inner = [int(i) for i in np.asarray(as_operand(indices_or_sections, x.comm).tolist())]
        edges = [slice(i).indices(n)[1] for i in inner]
        return [section(x, axis, u, v) for u, v in zip([0, *edges], [*edges, n], strict=True)]
    parts = int(indices_or_sections)
    if parts < 1:
        raise ValueError(f"`indices_or_sections` (={parts}) must be one part or more")
    edges = [0, *np.cumsum(balanced_counts(n, parts)).tolist()]
    return [section(x, axis, u, v) for u, v in zip(edges[:-1], edges[1:], strict=True)]


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[DNDarray]:
    """As `array_split`, but a number of parts must divide the length of the axis. Local."""
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    if not np.ndim(indices_or_sections) and int(indices_or_sections) and x.shape[axis] % int(indices_or_sections):
        raise ValueError(
            f"{x.shape[axis]} indices along axis {axis} do not make {indices_or_sections} equal parts; use array_split"
        )
    return array_split(x, indices_or_sections, axis)


def hsplit(x: Any, indices_or_sections: Any) -> list[DNDarray]:
    """`split` along the second axis, or the only one. Local."""
    x = as_operand(x)
    if x.ndim == 0:
        raise ValueError("hsplit needs one dimension or more, not 0")
    return split(x, indices_or_sections, min(1, x.ndim - 1))


def vsplit(x: Any, indices_or_sections: Any) -> list[DNDarray]:
    """`split` along the first axis of an array of two dimensions or more. Local."""
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"vsplit needs two dimensions or more, not {x.ndim}")
    return split(x, indices_or_sections, 0)


def dsplit(x: Any, indices_or_sections: Any) -> list[DNDarray]:
    """`split` along the third axis. Local."""
    x = as_operand(x)
    if x.ndim < 3:
        raise ValueError(f"dsplit needs three dimensions or more, not {x.ndim}")
    return split(x, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[DNDarray, ...]:
    """The arrays of which `stack` along `axis` makes `x`: views.

    Communication: none if `axis` is not split; otherwise one all-to-all, to an array split along another axis.
    """
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    layout = x.layout.whole_along(axis)
    local = move(x.larray, x.layout, layout, x.comm)
    mapping = [None if a == axis else a - (a > axis) for a in range(x.ndim)]
    rest = layout.derive([n for a, n in enumerate(x.shape) if a != axis], mapping)
    return tuple(wrap(part, rest, x.comm) for part in local.unbind(axis))
