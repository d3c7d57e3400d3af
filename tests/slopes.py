"""Gradients beside difference quotients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import dndarray as dnd
from dndarray.testing import agreed_assert


def assert_slope(
    measure: Callable[[dnd.DNDarray], dnd.DNDarray], value: np.ndarray, step: float = 1e-6, *, rtol: float
) -> None:
    """The gradient of a number that `measure` makes of a split array is right along some direction."""
    x = dnd.array(value, split=0).requires_grad_()
    measure(x).backward()
    direction = np.random.default_rng(2).normal(size=value.shape)
    ahead, behind = (measure(dnd.array(value + s * direction, split=0)).item() for s in (step, -step))
    slope = (x.grad * dnd.array(direction, split=0)).sum().item()
    quotient = (ahead - behind) / (2 * step)
    agreed_assert(np.isclose(slope, quotient, rtol=rtol, atol=0), f"{slope} is not {quotient}")
