"""Hyperspectral mixed-noise removal: what is left of sparse noise after `HyRes` is taken off along the spectra."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray

from .denoiser import Denoiser, validation
from .hyres import HyRes
from .otvca import unit_range

__all__ = ["HyMiNoR"]

_CACHED = 2**19
"""Elements of the pixels that are worked on at a time."""


class HyMiNoR(Denoiser):
    """Hyperspectral mixed Gaussian and sparse noise reduction (Rasti, Ghamisi and Benediktsson, 2019).

    Gaussian noise is left to `HyRes`. Of its result H, brought to [0, 1], each pixel's spectrum is replaced by the x
    with the least |h - x|_1 + weight |D x|_1, D being the first differences along the bands: by the alternating
    direction method of multipliers, with penalties mu_1 and mu_2 on the two terms.

    Parameters
    ----------
    weight : float
        How smooth spectra become. The paper has 10, which smooths finely resolved spectra away: of 191 bands of
        Washington DC Mall little is left. 0.1 does best where there is hardly any sparse noise.
    penalties : pair of float
        mu_1 and mu_2.
    iterations : int
        The penalties are small for data in [0, 1], so that as few iterations as the default's are far from a minimum:
        their number is part of the method.

    Communication: that of `HyRes`, and two all-reduces of a number. Memory: that of `HyRes`.

    >>> import dndarray as dnd
    >>> cube = dnd.random.Generator(0).random((12, 10, 5), split=0)
    >>> HyMiNoR(iterations=5)(cube).shape
    (12, 10, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [validation.Interval(validation.Real, 0, None, closed="left")],
        "penalties": [tuple, list],
        "iterations": [validation.Interval(validation.Integral, 1, None, closed="left")],
    }

    def __init__(self, weight: float = 0.5, penalties: tuple[float, float] = (0.5, 0.5), iterations: int = 50) -> None:
        self.weight = weight
        self.penalties = penalties
        self.iterations = iterations

    def _denoise(self, cube: DNDarray) -> DNDarray:
        mu = tuple(self.penalties)
        if len(mu) != 2 or not min(mu) > 0:
            raise ValueError(f"`penalties` (={self.penalties}) must be two numbers above 0")
        cube = HyRes()._denoise(cube)
        low, span = unit_range(cube)
        cube = (cube - low) / span

        def smooth(part: Tensor) -> Tensor:
            """All pixels of a process, some at a time, with their bands in front: each step is one along the bands."""
            spectra = part.reshape(-1, part.shape[2])
            result = torch.empty_like(spectra)
            size = max(1, _CACHED // spectra.shape[1])
            for a in range(0, len(spectra), size):
                block = spectra[a : a + size].T.contiguous()
                result[a : a + size] = _smoothed(block, self.weight, *mu, self.iterations).T
            return result.reshape(part.shape)

        return dnd.stencil(cube, smooth, 0, axes=(0, 1)) * span + low


def _smoothed(h: Tensor, weight: float, mu_1: float, mu_2: float, iterations: int) -> Tensor:
    """The minimisation for spectra in columns.

    What soft thresholding takes away, a - soft(a, t), is what `clamp` leaves: the multipliers l_1 and l_2. So the
    thresholded variables themselves, a - l_1 and b - l_2, need not be held.
    """
    ratio = mu_2 / mu_1
    x = _solved(h.clone(), ratio)
    l_1, l_2 = torch.zeros_like(h), torch.zeros_like(h[1:])
    for _ in range(iterations - 1):
        old_1, l_1 = l_1, (h - x).add_(l_1).clamp(-1 / mu_1, 1 / mu_1)
        b = (x[1:] - x[:-1]).add_(l_2)
        l_2 = b.clamp(-weight / mu_2, weight / mu_2)
        right = (x - old_1).add_(l_1, alpha=2)
        difference = torch.sub(b, l_2, alpha=2)
        right[1:].add_(difference, alpha=ratio)
        right[:-1].sub_(difference, alpha=ratio)
        x = _solved(right, ratio)
    return x


class _Solve(torch.autograd.Function):
    """The system is symmetric, so the gradient takes the same solution."""

    @staticmethod
    def forward(ctx: Any, right: Tensor, ratio: float) -> Tensor:
        ctx.ratio = ratio
        return _solve_in_place(right.clone(), ratio)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return _Solve.apply(grad, ctx.ratio), None


def _solved(right: Tensor, ratio: float) -> Tensor:
    """The x with (1 + ratio D'D) x = right, in the memory of the right-hand side unless torch records what is done."""
    return _Solve.apply(right, ratio) if right.requires_grad else _solve_in_place(right, ratio)


def _solve_in_place(right: Tensor, ratio: float) -> Tensor:
    """Elimination and substitution in a tridiagonal matrix, each step for all columns."""
    rows = right.unbind()
    diagonal = [1 + ratio * (2 - (k == 0) - (k == len(rows) - 1)) for k in range(len(rows))]
    for k in range(1, len(rows)):
        factor = ratio / diagonal[k - 1]
        diagonal[k] -= ratio * factor
        rows[k].add_(rows[k - 1], alpha=factor)
    right.div_(right.new_tensor(diagonal)[:, None])
    for k in reversed(range(len(rows) - 1)):
        rows[k].add_(rows[k + 1], alpha=ratio / diagonal[k])
    return right
