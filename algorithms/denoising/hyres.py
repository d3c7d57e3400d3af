"""Hyperspectral restoration: sparse wavelet components of low rank, with every parameter from the risk."""

from __future__ import annotations

import math
from itertools import count
from typing import Any, ClassVar

import dndarray as dnd
from dndarray import DNDarray

from .denoiser import Denoiser, validation
from .subspace import NoiseEstimate, estimate_noise, principal_vectors
from .thresholds import soft, sure_threshold
from .wavelet_images import to_wavelets

__all__ = ["HyRes"]

BLOCK = 32
"""Components that are looked at together."""


class HyRes(Denoiser):
    """Hyperspectral restoration by sparse and low-rank modelling, without parameters (Rasti, Ulfarsson, Ghamisi, 2017).

    The bands are divided by the deviations of their noise and turned to their principal components. Each of these is
    thresholded in a wavelet basis where Stein's unbiased estimate of the risk is least, and components are kept as long
    as each of them lowers the risk of the whole.

    Parameters
    ----------
    wavelet : str
        A name of PyWavelets'; the wavelet is to be orthogonal.
    levels : int

    Attributes
    ----------
    rank_ : int
        Components that were kept.
    thresholds_ : DNDarray of shape (rank,)
        In units of the noise.

    Communication: an all-reduce of bands^2 numbers for the noise and the components together; then for each 32
    components, until one is not kept, an all-to-all for each level (and split axis) and an all-reduce, and for those
    that are kept an all-to-all for each level back. Memory: that of the kept components twice.

    >>> import dndarray as dnd
    >>> cube = dnd.ones((20, 16, 6), split=0) + 0.1 * dnd.random.Generator(0).normal(size=(20, 16, 6), split=0)
    >>> hyres = HyRes(levels=2)
    >>> hyres(cube).shape, hyres.rank_
    ((20, 16, 6), 1)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "wavelet": [str],
        "levels": [validation.Interval(validation.Integral, 1, None, closed="left")],
    }

    def __init__(self, wavelet: str = "db5", levels: int = 5) -> None:
        self.wavelet = wavelet
        self.levels = levels

    def _denoise(self, cube: DNDarray) -> DNDarray:
        noise = estimate_noise(cube)
        forward, back = (matrix.astype(cube.dtype) for matrix in _components(noise))
        images, thresholds, rank = [], [], 0
        for first in count(0, BLOCK):
            wavelets = to_wavelets(cube @ forward[:, first : first + BLOCK], self.wavelet, self.levels)
            sure = sure_threshold(*(x for group in wavelets.coefficients for x in group))
            # The risks are equal, but for rounding, where nothing is above the threshold.
            margin = 1e-9 * math.prod(wavelets.padded.shape[:2])
            worse = dnd.flatnonzero(sure.risk > sure.risk_of_none + margin).tolist()
            kept = worse[0] if worse else len(sure.risk)
            if not rank + kept:
                kept = 1  # a cube needs one component to be of its shape
            thresholds.append(sure.threshold[:kept])
            if kept:
                shrunk = [[soft(x[..., :kept], thresholds[-1]) for x in group] for group in wavelets.coefficients]
                images.append(wavelets.replaced(shrunk).images())
            rank += kept
            if worse or rank == cube.shape[2]:
                break
        self.rank_ = rank
        self.thresholds_ = dnd.concatenate(thresholds)
        return (images[0] if len(images) == 1 else dnd.concatenate(images, axis=2)) @ back[:rank]


def _components(noise: NoiseEstimate) -> tuple[DNDarray, DNDarray]:
    """The matrices that turn bands to components of unit noise, in descending order of their power, and back."""
    sigma = noise.divisors()
    vectors = principal_vectors(noise.gram, sigma)
    return vectors / sigma[:, None], (vectors * sigma[:, None]).T
