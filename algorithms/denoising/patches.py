"""Patches of an image: their coefficients, which of them are alike, and the image that they add up to."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d

from dndarray.optional import require

__all__ = ["Coefficients", "Neighbours", "assemble", "biorthogonal", "cosines"]

_AT_A_TIME = 6
"""Of how many references along each axis the distances are found in one product: their search windows overlap."""


def cosines(size: int) -> Tensor:
    """The orthonormal discrete cosine transform of a patch of `size` x `size` pixels, as a matrix."""
    k = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (k + 0.5) * k[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return torch.kron(rows, rows)


def biorthogonal(size: int) -> Tensor:
    """The biorthogonal wavelet transform 1.5, of all levels and periodised, of a patch of `size` x `size` pixels.

    `size` is a power of two. Noise of variance 1 has variance 1 in each coefficient.
    """
    pywt = require("pywt", "denoising")
    rest, details = np.eye(size), []
    while len(rest) > 1:
        rest, detail = pywt.dwt(rest, "bior1.5", "periodization", axis=0)
        details.append(detail)
    rows = torch.from_numpy(np.concatenate([rest, *reversed(details)]))
    rows /= rows.norm(dim=1, keepdim=True)
    return torch.kron(rows, rows)


class Coefficients(NamedTuple):
    """All patches of an image, one for each position of their first pixel."""

    rows: int
    columns: int
    """How many positions there are along each axis."""
    values: Tensor
    """One row for each position."""

    @classmethod
    def of(cls, image: Tensor, size: int, transform: Tensor) -> Coefficients:
        rows, columns = (n - size + 1 for n in image.shape)
        patches = image.unfold(0, size, 1).unfold(1, size, 1).reshape(rows * columns, size * size)
        return cls(rows, columns, patches @ transform.t())


def assemble(coefficients: Coefficients, weights: Tensor, transform: Tensor, window: Tensor) -> Tensor:
    """The sums of patches, of which the coefficients are given, and of their weights, both faded by a window.

    Gives (rows, columns, 2).
    """
    rows, columns, size = coefficients.rows, coefficients.columns, len(window)
    inverse = torch.linalg.inv(transform).t()
    kernels = (inverse * window.reshape(-1)).reshape(-1, 1, size, size)
    planes = coefficients.values.t().reshape(1, -1, rows, columns)
    total = conv_transpose2d(planes, kernels)
    weight = conv_transpose2d(weights.view(1, 1, rows, columns), window.view(1, 1, size, size))
    return torch.stack([total[0, 0], weight[0, 0]], -1)


class Neighbours:
    """The search for patches that are alike, among those of an image.

    Parameters
    ----------
    known : Coefficients
        Of all patches in reach, in float64: then the choice does not depend on the order of summation.
    allowed : Tensor
        At which positions patches may be taken, (rows, columns).
    search : int
        How many rows and columns away from a reference the others may be.
    """

    def __init__(self, known: Coefficients, allowed: Tensor, search: int) -> None:
        self._search, self._side = search, 2 * search + 1
        self._table = known.values.view(known.rows, known.columns, -1)
        self._squares = torch.linalg.vecdot(self._table, self._table)
        self._norms = torch.where(allowed, self._squares, torch.inf)
        self._order = torch.arange(self._side**2, dtype=torch.int32, device=allowed.device)
        self._bits = (1 << (self._side**2 - 1).bit_length()) - 1

    def of(self, references: tuple[range, range], most: int, limit: float) -> tuple[Tensor, Tensor]:
        """For each reference the positions of those most like it, itself first, and how many of them are alike.

        Parameters
        ----------
        references : pair of range
            Their rows and columns.
        most : int
            How many positions are wanted, in order of their distance.
        limit : float
            How large the squared distance of coefficients may be.
        """
        side, bits = self._side, self._bits
        nearest, counts = [], []
        for r in _pieces(references[0]):
            for c in _pieces(references[1]):
                # The bits of floats that are not negative are in their order: the last ones say which patch it is.
                keys = self._distances(r, c).view(torch.int32).bitwise_and_(~bits).bitwise_or_(self._order)
                best = keys.topk(min(most, side**2), largest=False).values
                which, width = best & bits, self._table.shape[1]
                start = torch.tensor([[i * width + j] for i in r for j in c], device=best.device)
                nearest.append(start + (which // side - self._search) * width + which % side - self._search)
                counts.append(((best & ~bits).view(torch.float32) < limit).sum(1).clamp_(min=1))
        return torch.cat(nearest), torch.cat(counts)

    def _distances(self, r: range, c: range) -> Tensor:
        """Those of the references in rows `r` and columns `c`, (references, patches that each is compared with).

        All are multiplied with all that is in reach of any: that is faster than to look at each one's window alone.
        """
        own = slice(r[0], r[-1] + 1, r.step), slice(c[0], c[-1] + 1, c.step)
        reach = self._search
        window = slice(r[0] - reach, r[-1] + reach + 1), slice(c[0] - reach, c[-1] + reach + 1)
        n, around = len(r) * len(c), self._table[window]
        height, width = around.shape[:2]
        centres = self._table[own].reshape(1, n, -1).expand(height, -1, -1)
        norms = self._norms[window][:, None].expand(-1, n, -1)
        products = torch.baddbmm(norms, centres, around.transpose(1, 2), alpha=-2)
        strides = r.step * n * width + len(c) * width, width + c.step, n * width, 1
        windows = products.as_strided((len(r), len(c), self._side, self._side), strides)
        distances = torch.empty(windows.shape, dtype=torch.float32, device=around.device)
        torch.add(windows, self._squares[own][..., None, None], out=distances)
        return distances.clamp_(min=0).view(n, -1)


def _pieces(places: range) -> list[range]:
    return [places[i : i + _AT_A_TIME] for i in range(0, len(places), _AT_A_TIME)]
