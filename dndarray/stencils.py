"""Functions of a neighbourhood of each element: every process's part, extended by what its neighbours hold.

Where the elements of an extended axis come from (from within, from a neighbour, from beyond it, or, at the outer ends,
from where the boundary rule says) follows from the layout alone: a table of indices, of which the remote ones travel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray
from .collectives import all_to_all
from .communication import ALONE, Communicator
from .elementwise import as_operand
from .layout import Layout, normalize_axes
from .overlap import offsets_along
from .types import STORED_ONLY
from .unsigned import moved

__all__ = ["overlap_add", "stencil"]


def _reflect(i: np.ndarray, n: int) -> np.ndarray:
    return np.minimum(i % (2 * n), 2 * n - 1 - i % (2 * n))


def _mirror(i: np.ndarray, n: int) -> np.ndarray:
    period = max(2 * n - 2, 1)
    return np.minimum(i % period, period - i % period)


BOUNDARIES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "reflect": _reflect,
    "mirror": _mirror,
    "nearest": lambda i, n: i.clip(0, n - 1),
    "wrap": lambda i, n: i % n,
    "periodization": lambda i, n: np.minimum(i % (n + n % 2), n - 1),
    "constant": lambda i, n: np.where((i >= 0) & (i < n), i, _NOWHERE),
    "valid": lambda i, n: i,  # looks at nothing beyond the ends
}
"""What stands in for the indices `i` beyond the ends of an axis of `n`: indices within it, or `_NOWHERE`."""

_NOWHERE = -1


def _outputs(offsets: Sequence[int], rank: int, before: int, after: int, boundary: str) -> tuple[int, int]:
    """The indices of an axis about which `rank` has a neighbourhood to look at."""
    start, stop = offsets[rank], offsets[rank + 1]
    if boundary == "valid":
        start, stop = max(start, before), min(stop, offsets[-1] - after)
    return start, max(start, stop)


def _halos(
    offsets: Sequence[int], rank: int, before: int, after: int, boundary: str
) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
    """The indices that stand before and after `rank`'s own in its extended part, and which of its own stand between."""
    n = offsets[-1]
    start, stop = _outputs(offsets, rank, before, after, boundary)
    if start == stop:  # nothing to compute, from a neighbourhood of the right size
        return np.full(before, _NOWHERE), (offsets[rank], offsets[rank]), np.full(after, _NOWHERE)
    low, high = max(start - before, offsets[rank]), min(stop + after, offsets[rank + 1])
    source = BOUNDARIES[boundary]
    return source(np.arange(start - before, low), n), (low, high), source(np.arange(high, stop + after), n)


class _Plan(NamedTuple):
    """How one process's part is extended along one axis."""

    outgoing: Tensor
    """Own indices that are sent, in order of the receivers."""
    sends: list[int]
    receives: list[int]
    left: Tensor
    """For each place before the own ones which of those that arrive stands there; the number of these: the constant."""
    own: tuple[int, int]
    """The own indices that stay, as start and length."""
    right: Tensor


@lru_cache(maxsize=64)
def _plan(offsets: tuple[int, ...], rank: int, before: int, after: int, boundary: str) -> _Plan:
    halos = [_halos(offsets, r, before, after, boundary) for r in range(len(offsets) - 1)]
    wanted = [np.setdiff1d(np.concatenate([left, right]), [_NOWHERE]) for left, _, right in halos]  # sorted
    start, stop = offsets[rank], offsets[rank + 1]
    outgoing = [w[(w >= start) & (w < stop)] - start for w in wanted]
    left, (low, high), right = halos[rank]
    mine = wanted[rank]

    def places(halo: np.ndarray) -> Tensor:
        return torch.from_numpy(np.where(halo == _NOWHERE, len(mine), np.searchsorted(mine, halo)))

    return _Plan(
        torch.from_numpy(np.concatenate(outgoing)),
        [len(o) for o in outgoing],
        np.diff(np.searchsorted(mine, offsets)).tolist(),
        places(left),
        (low - start, high - low),
        places(right),
    )


def _plan_along(
    layout: Layout, axis: int, comm: Communicator, radius: tuple[int, int], boundary: str
) -> tuple[_Plan, Communicator]:
    """The plan of this process, and between whom it is."""
    g = layout.grid_axis(axis)
    along = ALONE if g is None else comm.along(layout.grid, (g,))
    return _plan(offsets_along(layout, axis), along.rank, *radius, boundary), along


def neighbourhoods(
    tensors: Sequence[Tensor],
    layout: Layout,
    axis: int,
    comm: Communicator,
    radius: tuple[int, int],
    boundary: str,
    cval: Any = 0,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each of several tensors, parts in one layout, what stands along `axis` before it, itself, and what after it.

    Communication: one all-to-all for all of them; none if `axis` is not split.
    """
    plan, comm = _plan_along(layout, axis, comm, radius, boundary)
    device = tensors[0].device
    outgoing = [moved(torch.index_select, t.movedim(axis, 0), 0, plan.outgoing.to(device)) for t in tensors]
    together = torch.stack(outgoing, 1) if len(tensors) > 1 else outgoing[0].unsqueeze(1)
    arrived = all_to_all(together, plan.sends, plan.receives, comm)
    pool = torch.cat([arrived, arrived.new_full((1, *arrived.shape[1:]), cval)])
    left, right = (moved(torch.index_select, pool, 0, side.to(device)) for side in (plan.left, plan.right))
    return [
        (left[:, i].movedim(0, axis), tensor.narrow(axis, *plan.own), right[:, i].movedim(0, axis))
        for i, tensor in enumerate(tensors)
    ]


def _add_back(
    tensor: Tensor, layout: Layout, axis: int, comm: Communicator, radius: tuple[int, int], boundary: str
) -> Tensor:
    """The adjoint of `neighbourhoods`, of their concatenation: what stands before and after this process's part along
    `axis` is added to where it comes from. Communication: one all-to-all; none if `axis` is not split."""
    plan, along = _plan_along(layout, axis, comm, radius, boundary)
    device, (start, length) = tensor.device, plan.own
    left, own, right = tensor.movedim(axis, 0).split([len(plan.left), length, len(plan.right)])
    pool = own.new_zeros((sum(plan.receives) + 1, *own.shape[1:]))
    pool = pool.index_add(0, plan.left.to(device), left).index_add(0, plan.right.to(device), right)
    back = all_to_all(pool[:-1], plan.receives, plan.sends, along)
    result = own.new_zeros((layout.lshape(comm.rank)[axis], *own.shape[1:]))
    result = result.index_add(0, torch.arange(start, start + length, device=device), own)
    return result.index_add(0, plan.outgoing.to(device), back).movedim(0, axis)


def _shrunk(layout: Layout, axes: Sequence[int], radii: Sequence[tuple[int, int]], rules: Sequence[str]) -> Layout:
    """The layout of what has a whole neighbourhood; that of the array but for 'valid'."""
    shape, counts = list(layout.shape), {}
    for axis, (before, after), rule in zip(axes, radii, rules, strict=True):
        offsets = offsets_along(layout, axis)
        outputs = [_outputs(offsets, r, before, after, rule) for r in range(len(offsets) - 1)]
        counts[axis] = [stop - start for start, stop in outputs]
        shape[axis] = sum(counts[axis])
    return layout.derive(shape, range(layout.ndim), counts)


def per_axis(value: Any, count: int, name: str) -> list[Any]:
    """One value for each of `count` axes, from one for all of them or a sequence."""
    if isinstance(value, str) or not isinstance(value, (list, tuple, np.ndarray)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"`{name}` (={value!r}) must be one value or {count}, one for each of the axes")
    return list(value)


def _radii(radius: Any, count: int) -> list[tuple[int, int]]:
    pairs = [r if isinstance(r, (list, tuple)) else (r, r) for r in per_axis(radius, count, "radius")]
    if any(len(pair) != 2 or any(not hasattr(r, "__index__") or r < 0 for r in pair) for pair in pairs):
        raise ValueError(
            f"`radius` (={radius!r}) must be a number of elements >= 0, or for each axis one or two (before, after)"
        )
    return [(int(before), int(after)) for before, after in pairs]


def stencil(
    x: Any,
    fn: Callable[[Tensor], Tensor],
    radius: int | Sequence[int] | Sequence[tuple[int, int]],
    boundary: str | Sequence[str] = "reflect",
    cval: Any = 0,
    axes: int | Sequence[int] | None = None,
) -> DNDarray:
    """Compute from a neighbourhood of each element: `fn` of each process's part, extended along `axes`.

    Parameters
    ----------
    x : array_like
        Split in any way.
    fn : callable
        Takes a tensor, this process's part with `radius` more indices at either end of each of the axes, and returns
        one without them; axes that are neither extended nor split may become longer or shorter. It is called on every
        process, also where there is nothing to compute.
    radius : int, or one int or pair (before, after) for each of the axes
        Any size; halos may reach past the nearest process and past the ends of the array more than once.
    boundary : {'reflect', 'mirror', 'nearest', 'wrap', 'periodization', 'constant', 'valid'}, or one for each axis
        What stands beyond the ends of the array, in SciPy's words: `(d c b a | a b c d | d c b a)`,
        `(d c b | a b c d | c b a)`, `(a a a a | a b c d | d d d d)`, `(a b c d | a b c d | a b c d)`,
        `(k k k k | a b c d | k k k k)` with k = `cval`. 'periodization' is 'wrap' of an even number of indices, the
        last one twice if need be: `(b c c | a b c | c a b c c)`. With 'valid' nothing stands there: the result has
        only the elements whose whole neighbourhood lies in the array.
    cval : scalar
        The constant.
    axes : int or tuple of int, optional
        All axes by default.

    Returns
    -------
    DNDarray
        Of the type that `fn` returns. In the layout of `x`; with 'valid' each process has fewer indices.

    Communication: one all-to-all of the halos for each split axis with a radius; corners travel with the later axes.
    Differentiable if `fn` is.

    Examples
    --------
    The five-point Laplacian, with zeros outside:

    >>> import dndarray as dnd
    >>> def laplacian(u):
    ...     inner = u[1:-1, 1:-1]
    ...     return u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * inner
    >>> dnd.stencil(dnd.ones((3, 4), split=0), laplacian, radius=1, boundary="constant").tolist()
    [[-2.0, -1.0, -1.0, -2.0], [-1.0, 0.0, 0.0, -1.0], [-2.0, -1.0, -1.0, -2.0]]
    """
    x = as_operand(x)
    over, radii, rules = _reaches(x, axes, radius, boundary)
    local = _extended(x, over, radii, rules, cval)
    layout = _shrunk(x.layout, over, radii, rules) if "valid" in rules else x.layout
    result = _tensor_from(fn, local)
    if local.requires_grad and not result.numel() and result.is_floating_point():
        result = result + local.reshape(-1)[:0].sum()  # what was made of nothing has its part in going backward
    if result.ndim == x.ndim:
        free = [a not in over and x.layout.grid_axis(a) is None for a in range(x.ndim)]
        shape = [m if whole else n for m, n, whole in zip(result.shape, layout.shape, free, strict=True)]
        layout = layout.derive(shape, range(x.ndim))
    if tuple(result.shape) != layout.lshape(x.comm.rank):
        raise ValueError(
            f"`fn` must return shape {layout.lshape(x.comm.rank)} for an extended part of shape {tuple(local.shape)}, "
            f"`radius` (={radius!r}) less at either end; it returned {tuple(result.shape)}"
        )
    return DNDarray(result, layout, x.comm)


def overlap_add(
    x: Any,
    fn: Callable[[Tensor], Tensor],
    radius: int | Sequence[int] | Sequence[tuple[int, int]],
    boundary: str | Sequence[str] = "reflect",
    cval: Any = 0,
    axes: int | Sequence[int] | None = None,
) -> DNDarray:
    """Add up what elements give to their neighbourhoods: the counterpart of `stencil`, whose parameters it has.

    `fn` takes this process's part with `radius` more indices at either end of each of the axes, and returns what is to
    be added there, of the same shape or with further axes behind. Where the results of several processes overlap they
    are added up. What is given to an index beyond the ends of the array goes to the one that stands in for it; where
    that is the constant it is dropped.

    Returns
    -------
    DNDarray
        Of the type that `fn` returns, in the layout of `x`; further axes are not split.

    Communication: two all-to-alls of the halos for each split axis with a radius. Differentiable if `fn` is.

    Examples
    --------
    Each element is given to its right neighbour, the last one to nobody:

    >>> import dndarray as dnd
    >>> from torch.nn.functional import pad
    >>> dnd.overlap_add(dnd.arange(4, split=0), lambda u: pad(u[:-1], (1, 0)), [(0, 1)], "constant").tolist()
    [0, 0, 1, 2]
    """
    x = as_operand(x)
    over, radii, rules = _reaches(x, axes, radius, boundary)
    extended = _extended(x, over, radii, rules, cval)
    result = _tensor_from(fn, extended)
    if result.dtype in STORED_ONLY:
        raise TypeError(f"{result.dtype} cannot be added up: `fn` must return another type, torch.int64 say")
    if result.shape[: x.ndim] != extended.shape:
        raise ValueError(
            f"`fn` must return shape {tuple(extended.shape)}, be it with further axes, for an extended part of that "
            f"shape; it returned {tuple(result.shape)}"
        )
    for axis, reach, rule in reversed(list(zip(over, radii, rules, strict=True))):
        if any(reach):
            result = _add_back(result, x.layout, axis, x.comm, reach, rule)
    return DNDarray(result, x.layout.derive((*x.shape, *result.shape[x.ndim :]), range(x.ndim)), x.comm)


def _reaches(
    x: DNDarray, axes: int | Sequence[int] | None, radius: Any, boundary: str | Sequence[str]
) -> tuple[tuple[int, ...], list[tuple[int, int]], list[str]]:
    """The axes, and for each of them how far is looked before and after, and what stands beyond the ends."""
    over = normalize_axes(axes, x.ndim, "axes")
    radii = _radii(radius, len(over))
    rules = per_axis(boundary, len(over), "boundary")
    unknown = [rule for rule in rules if rule not in BOUNDARIES]
    if unknown:
        raise ValueError(f"`boundary` (={unknown[0]!r}) must be one of {', '.join(BOUNDARIES)}")
    return over, radii, rules


def _tensor_from(fn: Callable[[Tensor], Tensor], local: Tensor) -> Tensor:
    result = fn(local)
    if not isinstance(result, Tensor):
        raise TypeError(f"`fn` must return a torch tensor, as it gets one, not a {type(result).__name__}")
    return result


def _extended(
    x: DNDarray, over: Sequence[int], radii: Sequence[tuple[int, int]], rules: Sequence[str], cval: Any
) -> Tensor:
    """This process's part with its neighbourhood."""
    local = x.larray
    if "constant" in rules:
        try:
            local.new_full((), cval)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"`cval` (={cval!r}) is no element of an array of {x.dtype}: convert it") from error
    for axis, reach, rule in zip(over, radii, rules, strict=True):
        if any(reach):
            (pieces,) = neighbourhoods([local], x.layout, axis, x.comm, reach, rule, cval)
            local = torch.cat(pieces, axis)
    return local
