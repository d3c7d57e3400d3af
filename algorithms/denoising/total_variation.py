"""Total-variation denoising of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

import dndarray as dnd
from dndarray import DNDarray
from dndarray.collectives import needs_grad
from dndarray.manipulation import in_layout

from .images import as_images

__all__ = ["denoise_tv"]

_TOGETHER = 8
"""Steps that are taken of rows while they are in the cache, and between two exchanges, of as many rows."""

_CHECKED = 20
"""Steps between two looks at the duality gap."""

_IMAGES = 8
"""Images that are worked on together: what a step needs of them, five times their size, is what memory it takes."""

_CACHED = 2**18
"""Elements of the rows of an image that are updated at a time."""


def denoise_tv(images: Any, weight: float = 0.1, *, iterations: int = 200, tol: float | None = 1e-3) -> DNDarray:
    """The images u that minimise TV(u) + |u - image|^2 / (2 weight), TV being the sum of the lengths of gradients.

    The gradients are forward differences, zero at the far edges (isotropic total variation: Rudin, Osher and Fatemi,
    1992). The method is Chambolle and Pock's (2011, algorithm 2), whose error falls with the square of the number of
    iterations.

    Parameters
    ----------
    images : array_like of shape (rows, columns) or (rows, columns, k)
        Split in any way. Each of the k images is denoised by itself. Integers become float32.
    weight : float
        The larger, the smoother.
    iterations : int
        At most.
    tol : float, optional
        Stop when the objective is known to be so near its minimum, relatively, from the duality gap of all images that
        are worked on together. None: not before all iterations are done.

    Communication: for each 8 images one exchange of 8 rows or columns with the neighbours along each split axis in 8
    iterations; with `tol` an exchange of one and an all-reduce in 20. One redistribution each way if the k images are
    split. Differentiable, then with all iterations held in memory.

    >>> import dndarray as dnd
    >>> step = dnd.concatenate([dnd.zeros((4, 3), split=0), dnd.ones((4, 3), split=0)], axis=1)
    >>> [round(v, 2) for v in denoise_tv(step, 0.3)[0].tolist()]
    [0.1, 0.1, 0.1, 0.9, 0.9, 0.9]
    """
    x, _ = as_images(images, 0.0)
    if not weight >= 0 or iterations < 1:
        raise ValueError(f"`weight` (={weight}) must be 0 or more, and `iterations` (={iterations}) 1 or more")
    if weight == 0 or 0 in x.shape:
        return x.astype(x.dtype)
    if x.ndim == 2:
        return denoise_tv(x[..., None], weight, iterations=iterations, tol=tol)[..., 0]
    spatial = in_layout(x, x.layout.whole_along(2))
    k = x.shape[2]
    groups = [
        _minimised(spatial[..., first : first + _IMAGES], float(weight), iterations, tol)
        for first in range(0, k, _IMAGES)
    ]
    return in_layout(dnd.concatenate(groups, axis=2) if len(groups) > 1 else groups[0], x.layout)


class _Steps(NamedTuple):
    """The step lengths of one iteration."""

    dual: float
    primal: float
    extrapolation: float
    weight: float


def _lengths(iterations: int, weight: float) -> list[_Steps]:
    """Of all iterations: the primal ones become shorter as the problem, 1/weight-strongly convex, allows."""
    steps, primal = [], 2 * weight
    dual = 1 / (8 * primal)
    for _ in range(iterations):
        theta = 1 / math.sqrt(1 + 2 * primal / weight)
        steps.append(_Steps(dual, primal, theta, weight))
        primal, dual = primal * theta, dual / theta
    return steps


def _minimised(images: DNDarray, weight: float, iterations: int, tol: float | None) -> DNDarray:
    """A state is the images, what is extrapolated from their last step, the dual variable in two parts, the data; at
    first the images alone."""
    state = images[None]
    steps = _lengths(iterations, weight)
    checked = iterations if tol is None else _CHECKED
    for first in range(0, iterations, checked):
        some = steps[first : first + checked]
        for start in range(0, len(some), _TOGETHER):
            state = _advanced(state, some[start : start + _TOGETHER])
        if tol is not None and first + checked < iterations and _is_near(state, weight, tol):
            break
    return state[0].astype(state.dtype)  # a copy, which does not hold the rest of the state


def _advanced(state: DNDarray, steps: list[_Steps]) -> DNDarray:
    """The state some steps later: what is wrong at the inner edges of a part does not come further than its halo."""

    def advance(part: Tensor) -> Tensor:
        if len(part) == 1:
            part = torch.cat([part, part, torch.zeros_like(part), torch.zeros_like(part), part])
        if not needs_grad(part):
            return _advance(part, steps)
        for step in steps:
            part = _functional_step(part, step)
        return part

    return _with_halo(state, len(steps), advance)


def _with_halo(state: DNDarray, reach: int, fn: Callable[[Tensor], Tensor]) -> DNDarray:
    """`fn` of each process's part with `reach` more rows and columns where there are such, without these at last."""
    box = state.layout.box(state.comm.rank)
    radii, inside, own = [], [slice(None)], [slice(None)]
    for axis in (1, 2):
        start, stop = box[axis]
        halo = reach if state.layout.grid_axis(axis) is not None else 0
        before, beyond = min(halo, start), halo - min(halo, state.shape[axis] - stop)
        radii.append(halo)
        inside.append(slice(halo - before, stop - start + 2 * halo - beyond))
        own.append(slice(before, before + stop - start))
    return dnd.stencil(state, lambda part: fn(part[tuple(inside)])[tuple(own)], radii, "constant", axes=(1, 2))


def _advance(state: Tensor, steps: list[_Steps]) -> Tensor:
    """Several iterations in place, of rows that fit into the cache: each step takes them one row further up than the
    step before, where all that it needs has been left by that."""
    rows = state.shape[1]
    size = max(1, _CACHED // max(1, state[0, :1].numel()))
    work = state.new_empty((2, size, *state.shape[2:]))
    for start in range(0, rows + len(steps) - 1, size):
        for k, step in enumerate(steps):
            a, b = max(start - k, 0), min(start + size - k, rows)
            if a < b:
                _step(state, step, a, b, work)
    return state


def _step(state: Tensor, step: _Steps, a: int, b: int, work: Tensor) -> None:
    """One iteration of the rows from a to b, in place.

    A row of the dual variable takes the next row of the extrapolated images, which is still the old one, and a row of
    the images takes the previous row of the dual variable, which is already the new one.
    """
    u, ahead, down, right, data = state
    inner, pull = min(b, len(u) - 1), 1 / (1 + step.primal / step.weight)
    v, x, y = ahead[a:b], down[a:b], right[a:b]
    down[a:inner].add_(ahead[a + 1 : inner + 1], alpha=step.dual).sub_(ahead[a:inner], alpha=step.dual)
    y[:, :-1].add_(v[:, 1:], alpha=step.dual).sub_(v[:, :-1], alpha=step.dual)
    n, w = work[:, : b - a]
    torch.mul(x, x, out=n).addcmul_(y, y).clamp_(min=1).rsqrt_()
    x.mul_(n)
    y.mul_(n)
    torch.mul(data[a:b], pull * step.primal / step.weight, out=w).add_(u[a:b], alpha=pull)
    w.add_(x, alpha=pull * step.primal).add_(y, alpha=pull * step.primal)
    above = max(a - 1, 0)
    w[above - a + 1 :].sub_(down[above : b - 1], alpha=pull * step.primal)
    w[:, 1:].sub_(y[:, :-1], alpha=pull * step.primal)
    torch.lerp(u[a:b], w, 1 + step.extrapolation, out=v)
    u[a:b] = w


def _functional_step(state: Tensor, step: _Steps) -> Tensor:
    """One iteration, whose gradient torch can take."""
    u, ahead, down, right, data = state
    ascent = torch.stack([down, right]) + step.dual * _gradient(ahead)
    dual = ascent * (ascent * ascent).sum(0).clamp(min=1).rsqrt()
    ratio = step.primal / step.weight
    w = (u + step.primal * _divergence(dual) + ratio * data) / (1 + ratio)
    return torch.stack([w, w + step.extrapolation * (w - u), *dual, data])


def _gradient(u: Tensor) -> Tensor:
    return torch.stack([pad(u[1:] - u[:-1], (0, 0, 0, 0, 0, 1)), pad(u[:, 1:] - u[:, :-1], (0, 0, 0, 1))])


def _divergence(dual: Tensor) -> Tensor:
    """The negative adjoint of `_gradient`: the last row, or column, of the dual variable is zero."""
    down, right = dual
    return down - pad(down[:-1], (0, 0, 0, 0, 1, 0)) + right - pad(right[:, :-1], (0, 0, 1, 0))


def _is_near(state: DNDarray, weight: float, tol: float) -> bool:
    """Whether the duality gap is at most `tol` times the objective."""

    def terms(part: Tensor) -> Tensor:
        u, _, *dual, data = part
        slope, divergence = _gradient(u), _divergence(torch.stack(dual))
        objective = (slope * slope).sum(0).sqrt() + (u - data) ** 2 / (2 * weight)
        return torch.stack([objective, -divergence * (data + weight / 2 * divergence)])

    found = _with_halo(state.detach(), 1, terms)
    primal, dual = dnd.sum(found, axis=(1, 2, 3), dtype=dnd.float64).tolist()
    return primal - dual <= tol * primal
