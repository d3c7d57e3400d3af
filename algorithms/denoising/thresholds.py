"""Thresholds for wavelet coefficients, from sums over all of them: Stein's unbiased risk, and BayesShrink."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import dndarray as dnd
from dndarray import DNDarray
from dndarray.elementwise import as_operand

__all__ = ["SureThresholds", "bayes_threshold", "soft", "sure_threshold", "sure_thresholds"]

POINTS = 15
"""Thresholds that are tried."""


class SureThresholds(NamedTuple):
    """Soft thresholds of least estimated risk; each field has a number for each component, float64, replicated."""

    threshold: DNDarray
    risk: DNDarray
    """The expected sum of squared errors of the coefficients after thresholding, as Stein's estimate has it."""
    risk_of_none: DNDarray
    """That of zeros in their place."""


def soft(x: Any, threshold: Any) -> DNDarray:
    """Soft thresholding: sign(x) max(|x| - threshold, 0); elementwise, the operands broadcast.

    >>> soft([-3.0, 0.5, 2.0], 1.0).tolist()
    [-2.0, 0.0, 1.0]
    """
    x = as_operand(x)
    limit = as_operand(threshold, x.comm, x.device).astype(x.dtype, copy=False)
    return x - dnd.minimum(dnd.maximum(x, -limit), limit)


def sure_threshold(*coefficients: DNDarray) -> SureThresholds:
    """As `sure_thresholds`, of one group: the arrays (..., components) together.

    >>> import dndarray as dnd
    >>> noise = dnd.random.Generator(0).normal(size=(60, 60, 1), split=0)
    >>> result = sure_threshold(noise)
    >>> bool(result.risk[0] < result.risk_of_none[0] + 60), result.threshold.item() > 2.5
    (True, True)
    """
    return sure_thresholds([coefficients])[0]


def sure_thresholds(groups: Sequence[Sequence[DNDarray]]) -> list[SureThresholds]:
    """For each group of coefficients with unit noise, and each component, the soft threshold of least estimated risk.

    A group is one or several arrays of shape (..., components) that are to have one threshold for each component.
    Tried are 15 thresholds t, evenly spaced in [0, sqrt(ln n)] for the n coefficients of a component in the group, by
    Stein's unbiased estimate of the risk, n - 2 #{|x| <= t} + sum of min(x^2, t^2) (Donoho and Johnstone, 1995, eq.
    11).

    Communication: one all-reduce of 31 numbers for each component and group. Not differentiable: the
    thresholds are constants.
    """
    sets = [tuple(x.detach() for x in group) for group in groups]
    counts = [sum(math.prod(x.shape[:-1]) for x in group) for group in groups]
    steps = [math.sqrt(math.log(n)) / (POINTS - 1) if n > 1 else 1.0 for n in counts]
    comm = sets[0][0].comm
    given = [dnd.full((), step, dtype=dnd.float64, comm=comm) for step in steps]
    sums = dnd.sum_blocks(_sums_by_size, sets, shared=[given])
    results = []
    for n, step, (numbers, squares, total) in zip(counts, steps, sums, strict=True):
        grid = step * dnd.arange(POINTS, dtype=dnd.float64, comm=comm)
        below_n, below = dnd.cumsum(numbers, axis=1), dnd.cumsum(squares, axis=1)
        risk = n - 2 * below_n + below + (n - below_n) * grid * grid
        best = dnd.argmin(risk, axis=1)
        results.append(SureThresholds(grid[best], dnd.min(risk, axis=1), total - n))
    return results


def _sums_by_size(step: DNDarray, block: DNDarray) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Of each component how many coefficients are above one threshold, but not the next, and the sums of their
    squares, each of shape (components, thresholds); and the sum of all squares."""
    n, components = block.shape
    size = dnd.clip(dnd.ceil(dnd.abs(block) * (1 / float(step))), 1, POINTS).astype(dnd.int64)
    place = dnd.ravel(size + (POINTS + 1) * dnd.arange(components, comm=block.comm))
    wide = block.astype(dnd.float64)
    squares = wide * wide
    shape, bins = (components, POINTS + 1), components * (POINTS + 1)
    counts = dnd.bincount(place, minlength=bins), dnd.bincount(place, dnd.ravel(squares), bins)
    # Of nothing bincount gives integers, whatever the weights.
    numbers, by_size = (x.astype(dnd.float64).reshape(shape)[:, :POINTS] for x in counts)
    return numbers, by_size, squares.sum(axis=0)


def bayes_threshold(*coefficients: DNDarray, sigma: Any = 1.0) -> DNDarray:
    """BayesShrink: the soft threshold sigma^2 / sigma_x of each component, where sigma is the noise in the coefficients
    and sigma_x^2 = max(mean square - sigma^2, 0) the signal's variance (Chang, Yu and Vetterli, 2000, eq. 12).

    Infinite where there is nothing but noise. The arrays (..., components) are one group.

    Communication: one all-reduce of a number for each component. Differentiable.

    >>> import dndarray as dnd
    >>> bayes_threshold(dnd.array([[3.0], [-1.0]], split=0)).tolist()
    [0.5]
    """
    n = sum(math.prod(x.shape[:-1]) for x in coefficients)
    squares = dnd.sum_blocks(_squares, coefficients)
    noise = as_operand(sigma, squares.comm).astype(dnd.float64, copy=False) ** 2
    signal = dnd.maximum(squares / n - noise, 0)
    return dnd.where(signal > 0, noise / dnd.sqrt(dnd.where(signal > 0, signal, 1.0)), math.inf)


def _squares(block: DNDarray) -> DNDarray:
    wide = block.astype(dnd.float64)
    return (wide * wide).sum(axis=0)
