"""Denoising of cubes with Gaussian noise and outliers: impulses, stripes, dead lines."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray

from ..progress import counted
from .denoiser import Denoiser, validation
from .fasthyde import DENOISERS
from .median import adaptive_median
from .otvca import unit_range
from .subspace import estimate_noise, principal_vectors

__all__ = ["L1HyMixDe"]

_BLOCK = 2**18
"""How many elements of a cube are worked on at a time."""

_CHECKS, _SETTLED = 5, 0.99
"""How often outliers are looked for by regression, at most; it ends when no noise shrinks by more."""


class L1HyMixDe(Denoiser):
    """Hyperspectral mixed-noise removal with an l1 norm and a plug-in denoiser (Zhuang and Ng, 2020).

    Divided by the noise of its bands the cube is Z E' and a rest: images Z of a few components with orthonormal spectra
    E. The Z with the least sum of the absolute values of the rest, and of what the denoiser has against Z, is found by
    alternating directions (ADMM): outliers pull no harder than other pixels do.

    E and the noise come from the cube in which outliers were replaced, by an adaptive median filter. This leaves most
    of a stripe alone, whose pixels are like those above and below. So, beyond the paper, what the other bands of its
    pixel contradict is replaced by what they say: residuals of more than three standard deviations, up to five times.

    Parameters
    ----------
    rank : int
        How many components there are.
    outlier : float
        How far a pixel may be from the median around it before it counts as an outlier where the spectra are learnt,
        as a fraction of the range of the medians.
    iterations : int
        At most.
    tol : float
        It ends when an iteration changes the images by less than this fraction.
    denoiser : {"bm3d", "nlm", "wavelet"}
        For the images of the components; see `bm3d`, `denoise_nlm` and `denoise_wavelet`.
    max_window : int
        Of the median filter; see `adaptive_median`.

    Attributes
    ----------
    basis_ : DNDarray of shape (bands, rank)
        E, float64, replicated; of the cube divided by the noise.
    sigma_ : DNDarray of shape (bands,)
        The Gaussian noise of each band.
    n_iter_ : int

    Communication: that of `adaptive_median`, two all-reduces of a number and up to six of bands^2, a few of a number
    between these; in each iteration that of the denoiser and two all-reduces of a number. Memory: three cubes beside
    the result while the spectra are learnt, later one for the dual variable and the work space of the denoiser. Not
    differentiable.

    >>> cube = dnd.random.Generator(0).random((24, 20, 8), split=0)
    >>> L1HyMixDe(rank=2, iterations=2, denoiser="nlm")(cube).shape
    (24, 20, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "outlier": [validation.Interval(validation.Real, 0, None, closed="neither")],
        "iterations": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "tol": [validation.Interval(validation.Real, 0, None, closed="left")],
        "denoiser": [validation.StrOptions(set(DENOISERS))],
        "max_window": [validation.Interval(validation.Integral, 3, None, closed="left")],
    }

    def __init__(
        self,
        rank: int = 8,
        outlier: float = 0.05,
        iterations: int = 40,
        tol: float = 1e-3,
        denoiser: str = "bm3d",
        max_window: int = 21,
    ) -> None:
        self.rank = rank
        self.outlier = outlier
        self.iterations = iterations
        self.tol = tol
        self.denoiser = denoiser
        self.max_window = max_window

    def _denoise(self, cube: DNDarray) -> DNDarray:
        if self.rank > cube.shape[2]:
            raise ValueError(f"a cube of {cube.shape[2]} bands has no more components, `rank` is {self.rank}")
        cube = cube.detach()
        median = adaptive_median(cube, self.max_window)
        sigma = self._learn(cube, median)
        clean = images = median @ (self.basis_ / sigma[:, None]).astype(cube.dtype)
        del median
        dual = dnd.zeros_like(cube)
        whitened = [x.astype(cube.dtype).larray for x in (self.basis_, sigma)]
        with counted(self.iterations, "iteration") as count:
            for iteration in range(1, self.iterations + 1):
                before, clean = clean, DENOISERS[self.denoiser](images, 1.0)
                count(1)
                self.n_iter_ = iteration
                if float(dnd.linalg.norm(clean - before)) <= self.tol * float(dnd.linalg.norm(clean)):
                    break
                images = DNDarray(_next(cube.larray, clean.larray, dual.larray, *whitened), clean.layout, clean.comm)
        return clean @ (self.basis_ * sigma[:, None]).T.astype(cube.dtype)

    def _learn(self, cube: DNDarray, median: DNDarray) -> DNDarray:
        """Find the spectra; returns what bands are divided by."""
        _, span = unit_range(median)
        known = dnd.where(dnd.abs(cube - median) > self.outlier * span, median, cube)
        estimate = estimate_noise(known)
        sigma = estimate.divisors()
        for _ in range(_CHECKS):
            residuals = estimate.residuals
            contradicted = dnd.abs(residuals) > 3 * sigma.astype(cube.dtype)
            known = dnd.where(contradicted, known - residuals, known)
            before, estimate = sigma, estimate_noise(known)
            sigma = estimate.divisors()
            if (sigma >= _SETTLED * before).all():
                break
        self.sigma_ = estimate.sigma
        self.basis_ = principal_vectors(estimate.gram, sigma)[:, : self.rank]
        return sigma


def _next(cube: Tensor, clean: Tensor, dual: Tensor, basis: Tensor, sigma: Tensor) -> Tensor:
    """The steps for the outliers V and, in place, for the dual variable D; returns the next images to denoise.

    With B = Y - Z E' + D, of the cube Y divided by its noise, the new D is B clipped to [-1, 1], and V = B - D. The
    next images (Y - V + D) E are Z + (2 D - the old D) E: neither V nor the divided cube is ever there as a whole.
    """
    images = torch.empty_like(clean)
    step = max(1, _BLOCK // max(1, cube[:1].numel()))
    for start in range(0, len(cube), step):
        rows = slice(start, start + step)
        old = dual[rows]
        new = (cube[rows] / sigma - clean[rows] @ basis.T + old).clamp_(-1, 1)
        images[rows] = clean[rows] + (2 * new - old) @ basis
        dual[rows] = new
    return images
