"""Adaptive median filtering: impulses are replaced, everything else stays as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout

from .denoiser import as_cube

__all__ = ["adaptive_median"]

_CACHED = 2**17
"""Elements of the rows that are filtered at a time."""

_GATHERED = 2**21
"""Elements of the larger windows that are looked at together."""


def adaptive_median(cube: Any, max_window: int = 21) -> DNDarray:
    """Each band with its impulses replaced by the median of a window that is as large as it has to be.

    The windows are of 3 x 3 pixels, then 5 x 5, ..., until the median lies strictly between minimum and maximum; a
    pixel that does so, too, is left alone, others become the median. Where that never happens, as in a flat area, the
    pixel becomes the median of the last window (Hwang and Haddad, 1995). Beyond its edges an image is mirrored, again
    and again where a window is larger than it.

    Parameters
    ----------
    cube : array_like of shape (rows, columns, bands)
        Split in any way.
    max_window : int
        Odd, 3 or more.

    Communication: one exchange of `max_window // 2` rows or columns with the neighbours along each split axis; one
    redistribution each way if the bands are split. Differentiable: the gradient goes to the pixels that are taken.

    >>> import dndarray as dnd
    >>> adaptive_median([[[1.0], [2.0], [3.0]], [[4.0], [90.0], [6.0]], [[7.0], [8.0], [9.0]]])[1, 1].tolist()
    [6.0]
    """
    if not hasattr(max_window, "__index__") or max_window < 3 or max_window % 2 == 0:
        raise ValueError(f"`max_window` (={max_window}) must be an odd number of pixels, 3 or more")
    cube = as_cube(cube)
    spatial = in_layout(cube, cube.layout.whole_along(2))
    filtered = dnd.stencil(spatial, lambda part: _filtered(part, max_window // 2), max_window // 2, axes=(0, 1))
    return in_layout(filtered, cube.layout)


def _filtered(part: Tensor, radius: int) -> Tensor:
    """The pixels of `part` that are `radius` or more from its edges, filtered."""
    rows, columns = (n - 2 * radius for n in part.shape[:2])
    near = part[radius - 1 : radius + rows + 1, radius - 1 : radius + columns + 1]
    step = max(1, _CACHED // max(1, near[0].numel()))
    first = [_first(near[r : r + step + 2]) for r in range(0, max(rows, 1), step)]
    result = torch.cat([values for values, _ in first])
    pending = torch.cat([flags for _, flags in first]).nonzero(as_tuple=True)
    for reach in range(2, radius + 1):
        if not len(pending[0]):
            break
        size, shift = 2 * reach + 1, radius - reach
        windows = part[shift:, shift:].unfold(0, size, 1).unfold(1, size, 1)
        values, flags = [], []
        for some in zip(*(index.split(max(1, _GATHERED // size**2)) for index in pending), strict=True):
            window = windows[some].flatten(1)
            least, middle, most = window.amin(1), window.median(1).values, window.amax(1)
            value, flag = _chosen(window[:, size**2 // 2], least, middle, most)
            values.append(value)
            flags.append(flag)
        result = result.index_put(pending, torch.cat(values))
        undecided = torch.cat(flags)
        pending = tuple(index[undecided] for index in pending)
    return result


def _first(near: Tensor) -> tuple[Tensor, Tensor]:
    """What windows of 3 x 3 pixels lead to: the columns are sorted once for the three windows that they are in."""
    least, middle, most = _sorted(near[:-2], near[1:-1], near[2:])
    (a, b, c), (d, e, f), (g, h, i) = ((t[:, :-2], t[:, 1:-1], t[:, 2:]) for t in (least, middle, most))
    lowest, highest = torch.minimum(torch.minimum(a, b), c), torch.maximum(torch.maximum(g, h), i)
    inner = torch.maximum(torch.maximum(a, b), c), _sorted(d, e, f)[1], torch.minimum(torch.minimum(g, h), i)
    return _chosen(near[1:-1, 1:-1], lowest, _sorted(*inner)[1], highest)


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each three values the least, the middle one and the largest."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    return torch.minimum(low, c), torch.maximum(low, torch.minimum(high, c)), torch.maximum(high, c)


def _chosen(value: Tensor, least: Tensor, middle: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """What becomes of a value, as far as its window can tell, and whether it cannot."""
    decided = (least < middle) & (middle < most)
    kept = decided & (least < value) & (value < most)
    return torch.where(kept, value, middle), ~decided
