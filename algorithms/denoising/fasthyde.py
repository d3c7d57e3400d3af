"""Fast hyperspectral denoising and inpainting: the images of a few components, each denoised as a grey one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import dndarray as dnd
from dndarray import DNDarray

from .batches import Batches, sum_pixels
from .bm3d import bm3d
from .denoiser import Denoiser, validation
from .non_local_means import denoise_nlm
from .subspace import estimate_noise, signal_subspace
from .wavelet_shrinkage import denoise_wavelet

__all__ = ["DENOISERS", "FastHyDe"]

DENOISERS: dict[str, Callable[..., DNDarray]] = {"bm3d": bm3d, "nlm": denoise_nlm, "wavelet": denoise_wavelet}
"""What denoises the images of components: a function of (rows, columns, images) and of the noise in each of them."""


class Statistics(NamedTuple):
    """What is known of a cube's noise and signal; see `NoiseEstimate`."""

    gram: DNDarray
    signal_gram: DNDarray
    variances: DNDarray
    n_pixels: float

    def times(self, factors: DNDarray) -> Statistics:
        """The same of a cube whose bands are multiplied by the factors."""
        products = factors[:, None] * factors
        return Statistics(self.gram * products, self.signal_gram * products, self.variances * factors**2, self.n_pixels)


class FastHyDe(Denoiser):
    """Fast hyperspectral denoising (Zhuang and Bioucas-Dias, 2018).

    The signal lies in a subspace of few dimensions, which HySime finds. Seen along an orthonormal basis of it a cube is
    a few images that do not depend on each other, with noise that is known; they are denoised as grey images.

    Parameters
    ----------
    rank : int or "hysime"
        Dimensions of the subspace; "hysime" takes as many as have more signal than noise.
    noise : {"additive", "noniid", "poisson"}
        "noniid" for additive noise that differs between bands: the cube is first divided by its standard deviation in
        each. "poisson" for counts of photons, or multiples of them: Anscombe's transform makes their noise additive.
        How many counts a unit stands for is estimated; what is negative counts as none.
    denoiser : {"bm3d", "nlm", "wavelet"}
        For the images of the components; see `bm3d`, `denoise_nlm` and `denoise_wavelet`.

    Attributes
    ----------
    rank_ : int
    basis_ : DNDarray of shape (bands, rank)
        Float64, replicated. The images of the components are the product of the (whitened, transformed) cube and it.
    sigma_ : DNDarray of shape (bands,)
        The noise of each band, as it was estimated (with "poisson": of the transformed cube). Where none was found, as
        others repeat the band or it was interpolated between others, the usual noise.

    Communication: one all-reduce of bands^2 numbers (with "poisson" two more, and one of two numbers), and that of the
    denoiser. Memory: two cubes of `rank` bands, and the work space of the denoiser. Not differentiable.

    >>> cube = dnd.random.Generator(0).random((24, 20, 8), split=0)
    >>> FastHyDe(rank=2)(cube).shape
    (24, 20, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank": [
            validation.Interval(validation.Integral, 1, None, closed="left"),
            validation.StrOptions({"hysime"}),
        ],
        "noise": [validation.StrOptions({"additive", "noniid", "poisson"})],
        "denoiser": [validation.StrOptions(set(DENOISERS))],
    }

    def __init__(self, rank: int | str = 10, noise: str = "additive", denoiser: str = "bm3d") -> None:
        self.rank = rank
        self.noise = noise
        self.denoiser = denoiser

    def _denoise(self, cube: DNDarray) -> DNDarray:
        cube = cube.detach()
        levels = self._learn(self._statistics(cube))
        return self._restored(DENOISERS[self.denoiser](self._images(cube), levels))

    def _statistics(self, cube: DNDarray | Batches) -> Statistics:
        """Those of the cube, of counts those of their transform."""
        self._gain = _counts_of_a_unit(cube) if self.noise == "poisson" else None
        values = cube.map(self._transformed) if isinstance(cube, Batches) else self._transformed(cube)
        estimate = estimate_noise(values)
        return Statistics(estimate.gram, estimate.signal_gram, estimate.divisors() ** 2, estimate.n_pixels)

    def _transformed(self, cube: DNDarray) -> DNDarray:
        """With noise that does not depend on the signal: by Anscombe's transform, where it does."""
        return cube if self._gain is None else 2 * dnd.sqrt(dnd.maximum(self._gain * cube + 0.375, 0))

    def _learn(self, found: Statistics) -> DNDarray:
        """Find the basis; returns the noise of each component."""
        self.sigma_ = dnd.sqrt(found.variances)
        self._scale = self.sigma_ if self.noise == "noniid" else dnd.ones_like(self.sigma_)
        whitened = found.times(1 / self._scale)
        subspace = signal_subspace(*whitened)
        bands = len(self.sigma_)
        self.rank_ = max(1, subspace.rank) if isinstance(self.rank, str) else self.rank
        if self.rank_ > bands:
            raise ValueError(f"a cube of {bands} bands has no subspace of more dimensions, `rank` is {self.rank}")
        self.basis_ = subspace.basis[:, : self.rank_]
        return dnd.sqrt(whitened.variances @ self.basis_**2)

    def _images(self, cube: DNDarray) -> DNDarray:
        """The images of the components, (rows, columns, rank)."""
        return self._transformed(cube) @ (self.basis_ / self._scale[:, None]).astype(cube.dtype)

    def _restored(self, images: DNDarray) -> DNDarray:
        """The cube that such images are of."""
        clean = images @ (self.basis_ * self._scale[:, None]).T.astype(images.dtype)
        return clean if self._gain is None else (dnd.maximum(clean / 2, 0) ** 2 - 0.125) / self._gain


def _counts_of_a_unit(cube: DNDarray | Batches) -> float:
    """By what photons have to be divided to give a cube: its mean over the mean variance of its noise."""
    noise = estimate_noise(cube, "poisson")
    total = sum_pixels(lambda block: block.astype(dnd.float64).sum(), cube)
    variance = float(noise.variances.mean())
    return float(total) / cube.size / variance if variance and float(total) > 0 else 1.0
