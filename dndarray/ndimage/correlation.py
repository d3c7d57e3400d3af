"""What every linear filter does: tensors are shifted, weighed and added up."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..collectives import needs_grad
from ..types import kind, wide_of
from .windows import cast, in_blocks

__all__ = ["correlated"]


def _weigh(weights: np.ndarray, tensor: Tensor) -> Tensor:
    """The sum of shifted tensors, each times its weight.

    Neighbours of equal or opposite weights along one axis are joined first, as SciPy does: a derivative of a constant
    is then exactly 0, and integers are cut off where SciPy cuts them off.
    """
    shape = [n - w + 1 for n, w in zip(tensor.shape, weights.shape, strict=True)]

    def shifted(place: np.ndarray) -> Tensor:
        return tensor[tuple(slice(p, p + n) for p, n in zip(place.tolist(), shape, strict=True))]

    places = np.argwhere(np.ones_like(weights))
    sign = _symmetry(weights)
    half = len(places) // 2 if sign else 0
    total = None
    for place in places[half : len(places) - half]:
        if weight := weights[tuple(place)].item():
            part = shifted(place)
            total = part * weight if total is None else total.add_(part, alpha=weight)
    for k in range(half):
        if weight := weights[tuple(places[k])].item():
            pair = torch.add(shifted(places[k]), shifted(places[-1 - k]), alpha=sign).mul_(weight)
            total = pair if total is None else total.add_(pair)
    return tensor.new_zeros(shape) if total is None else total


EPS = np.finfo(np.float64).eps


def _symmetry(weights: np.ndarray) -> int:
    """1 or -1 if an odd number of weights along one axis is even or odd about its centre, otherwise 0."""
    line = weights.reshape(-1)
    if max(weights.shape, default=1) < line.size or line.size % 2 == 0:
        return 0
    half = line.size // 2
    opposite = line[:half], line[: -half - 1 : -1]
    return next((sign for sign in (1, -1) if np.allclose(opposite[0], sign * opposite[1], 0, EPS)), 0)


LONG = 8
"""Weights along one axis from which on a matrix product is faster."""

ROWS = 16
"""Rows of its band matrix."""

BAND_BLOCK = 2**20
"""Elements that such a product computes at a time."""


def _by_band(weights: np.ndarray, tensor: Tensor) -> Tensor:
    """The same along one axis as a product with a band matrix: more operations, each of them much faster."""
    axis = int(np.argmax(weights.shape))
    shape = [n - w + 1 for n, w in zip(tensor.shape, weights.shape, strict=True)]
    length, width = shape[axis], ROWS + weights.size - 1
    band = np.zeros((ROWS, width))
    for i in range(ROWS):
        band[i, i : i + weights.size] = weights.reshape(-1)
    matrix = torch.from_numpy(band).to(tensor)
    lines = tensor.reshape(math.prod(shape[:axis]), tensor.shape[axis], math.prod(shape[axis + 1 :]))
    lines = torch.nn.functional.pad(lines, (0, 0, 0, -length % ROWS))
    windows = lines.unfold(1, width, ROWS)
    result = windows.reshape(-1, width) @ matrix.T if lines.shape[2] == 1 else matrix @ windows.mT
    result = result.reshape(lines.shape[0], -1, lines.shape[2])[:, :length].reshape(shape)
    # The zeros of the band carry NaN and infinities beyond their neighbourhood.
    return result if result.sum().isfinite() else _weigh(weights, tensor)


def _correlate(tensor: Tensor, weights: np.ndarray) -> Tensor:
    reach = [w - 1 for w in weights.shape]
    is_line = LONG <= weights.size == max(weights.shape)
    if is_line and tensor.numel() and tensor.shape[np.argmax(weights.shape)] > 2 * weights.size:
        return in_blocks(partial(_by_band, weights), tensor, reach, BAND_BLOCK)
    return in_blocks(partial(_weigh, weights), tensor, reach)


class _Correlate(torch.autograd.Function):
    """Correlation; its adjoint is correlation with the weights reversed, of the gradient with zeros around it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, weights: np.ndarray) -> Tensor:
        ctx.weights = weights
        return _correlate(tensor, weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        margins = [w - 1 for w in reversed(ctx.weights.shape) for _ in range(2)]
        padded = torch.nn.functional.pad(grad, margins)
        return _weighted(padded, np.flip(ctx.weights)), None


def _weighted(tensor: Tensor, weights: np.ndarray) -> Tensor:
    return _Correlate.apply(tensor, weights) if needs_grad(tensor) else _correlate(tensor, weights)


def correlated(weights: np.ndarray, dtype: torch.dtype, tensor: Tensor) -> Tensor:
    """The correlation of an extended part with real or complex weights, in `dtype`."""
    if np.iscomplexobj(weights):
        real, imag = (correlated(np.ascontiguousarray(w), dtype, tensor) for w in (weights.real, weights.imag))
        return real + 1j * imag
    if tensor.is_complex():
        parts = _weighted(torch.view_as_real(tensor.resolve_conj()), weights[..., None])
        return cast(torch.view_as_complex(parts), dtype)
    if kind(tensor.dtype) == 2:
        return cast(_weighted(tensor.to(wide_of(tensor.dtype)), weights), dtype)
    reach = [w - 1 for w in weights.shape]
    return in_blocks(lambda part: cast(_weigh(weights, part.to(torch.float64)), dtype), tensor, reach)
