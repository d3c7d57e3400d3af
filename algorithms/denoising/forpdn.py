"""First-order roughness penalty denoising along the spectra, with penalties of least estimated risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

import dndarray as dnd
from dndarray import DNDarray

from .denoiser import Denoiser, validation
from .subspace import estimate_noise, square
from .wavelet_images import to_wavelets

__all__ = ["FORPDN"]

WEIGHTS = (
    tuple(np.linspace(0, 0.01, 11)),
    tuple(np.linspace(0, 0.1, 11)),
    tuple(np.linspace(0, 1, 11)),
    tuple(np.linspace(0, 10, 11)),
)
"""The paper's: of the approximation and the details of three levels, the finest at last."""


class FORPDN(Denoiser):
    """First-order spectral roughness penalty denoising (Rasti, Sveinsson, Ulfarsson and Benediktsson, 2014).

    Of the wavelet coefficients Y of all bands, group by group (the approximation, the details of each level), those X
    are found that have the least ||(Y - X) O^(-1/2)||^2 + w ||X D'||^2, where O are the variances of the bands' noise
    and D takes first differences along the spectra. The weight w of each group is the one of least risk, by Stein's
    unbiased estimate, which follows for all weights from the Gram matrix of the group. Bands are brought to a range of
    255 first.

    Parameters
    ----------
    weights : sequence of sequences of float
        What is tried for the approximation, and for the details of each level, the last level first: this is how many
        levels there are.
    wavelet : str
        A name of PyWavelets'; the wavelet is to be orthogonal.
    domain : {"wavelet", "signal"}
        With "signal" the pixels are one group, for which all of the weights are tried.

    Attributes
    ----------
    weights_ : list of float
        The weight of each group.
    risks_ : list of DNDarray
        The estimated risk of each of the weights that were tried, for each coefficient of a group.

    Communication: three all-reduces, of the bands' extremes and of a Gram matrix for the noise; an all-to-all for each
    level and split axis there and back; one all-reduce of bands^2 numbers for each group, all at once. Memory: the
    coefficients of all bands, and up to twice as much again while they are transformed.

    >>> import dndarray as dnd
    >>> cube = dnd.random.Generator(0).random((16, 16, 5), split=0)
    >>> FORPDN()(cube).shape
    (16, 16, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weights": ["array-like"],
        "wavelet": [str],
        "domain": [validation.StrOptions({"wavelet", "signal"})],
    }

    def __init__(
        self, weights: Sequence[Sequence[float]] = WEIGHTS, wavelet: str = "db6", domain: str = "wavelet"
    ) -> None:
        self.weights = weights
        self.wavelet = wavelet
        self.domain = domain

    def _denoise(self, cube: DNDarray) -> DNDarray:
        grids = [np.asarray(row, dtype=np.float64) for row in self.weights]
        if any(g.ndim != 1 or not g.size or not np.isfinite(g).all() or g.min() < 0 for g in grids):
            raise ValueError(f"`weights` (={self.weights}) must be one or more numbers >= 0 for each group")
        if self.domain == "wavelet" and len(grids) < 2:
            raise ValueError("`weights` must be of the approximation and of the details of one level or more")
        noise = estimate_noise(cube)
        variances = noise.divisors() ** 2
        span = (dnd.max(cube, axis=(0, 1)) - dnd.min(cube, axis=(0, 1))).astype(dnd.float64)
        penalty = RoughnessPenalty(variances, 255 / dnd.where(span > 0, span, 1.0))
        if self.domain == "signal":
            filters = self._filters(penalty, [noise.gram], [noise.n_pixels], [np.unique(np.concatenate(grids))])
            return cube @ filters[0].astype(cube.dtype)
        wavelets = to_wavelets(cube, self.wavelet, len(grids) - 1)
        groups = wavelets.coefficients
        products = dnd.sum_blocks(square, [tuple(group) for group in groups])
        counts = [sum(math.prod(x.shape[:2]) for x in group) for group in groups]
        filters = [matrix.astype(cube.dtype) for matrix in self._filters(penalty, products, counts, grids)]
        for group, matrix in zip(groups, filters, strict=True):
            group[:] = [x @ matrix for x in group]
        return wavelets.images()

    def _filters(
        self,
        penalty: RoughnessPenalty,
        products: Sequence[DNDarray],
        counts: Sequence[int],
        grids: Sequence[np.ndarray],
    ) -> list[DNDarray]:
        """The matrices that take the spectra of each group to the smooth ones."""
        self.risks_ = [penalty.risks(*row) for row in zip(products, counts, grids, strict=True)]
        self.weights_ = [float(grid[int(dnd.argmin(risk))]) for grid, risk in zip(grids, self.risks_, strict=True)]
        return [penalty.filter(weight) for weight in self.weights_]


class RoughnessPenalty:
    """The penalty in the basis in which it and the noise are diagonal: O^(1/2) D'D O^(1/2) = U diag(s) U'."""

    def __init__(self, variances: DNDarray, scale: DNDarray) -> None:
        """Of bands with noise of these variances, which are multiplied by `scale` first."""
        bands = variances.shape[0]
        differences = dnd.diff(dnd.eye(bands, dtype=dnd.float64, comm=variances.comm), axis=0)
        sigma = dnd.sqrt(variances) * scale
        self.strengths, basis = dnd.linalg.eigh(sigma[:, None] * (differences.T @ differences) * sigma)
        self.strengths = dnd.maximum(self.strengths, 0)
        self.covariance = basis.T @ ((sigma * sigma)[:, None] * basis)
        self.noise = dnd.diagonal(self.covariance)
        self.forward = (scale / sigma)[:, None] * basis
        self.back = (basis * (sigma / scale)[:, None]).T

    def filter(self, weight: float) -> DNDarray:
        """The matrix H for which Y H is the minimum, (bands, bands)."""
        return self.forward / (1 + weight * self.strengths) @ self.back

    def risks(self, products: DNDarray, n: int, weights: np.ndarray) -> DNDarray:
        """The estimated risk of each weight for `n` spectra with this Gram matrix, of one spectrum."""
        kept = 1 / (1 + self.strengths * weights[:, None])
        residual = ((1 - kept) @ (self.covariance * (self.forward.T @ products @ self.forward)) * (1 - kept)).sum(
            axis=1
        )
        return residual / n + ((2 * kept - 1) * self.noise).sum(axis=1)
