"""Wavelet-based sparse reduced-rank regression."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own

from ..progress import counted
from .denoiser import Denoiser, validation
from .subspace import divisors, principal_vectors, square
from .thresholds import soft, sure_thresholds
from .wavelet_images import to_wavelets

__all__ = ["WSRRR"]


class WSRRR(Denoiser):
    """Wavelet-based sparse reduced-rank regression (Rasti, Sveinsson, Ulfarsson and Benediktsson, 2014).

    Of the bands' wavelet coefficients W, in units of each band's noise, a model X V' is found: few components X with
    many zeros, and orthonormal spectra V. In turn X is W V after soft thresholding, and V the best orthonormal matrix
    for this X (Procrustes). The thresholds are those of least estimated risk for the first X, for each component one in
    each level of the transform. The noise of a band is the median of its finest diagonal details over 0.6745.

    Parameters
    ----------
    rank : int
        Components.
    wavelet : str
        A name of PyWavelets'; the wavelet is to be orthogonal.
    levels : int
    iterations : int
        At most.
    tol : float
        They end when no element of V changes by more.

    Attributes
    ----------
    basis_ : DNDarray of shape (bands, rank)
        V.
    sigma_ : DNDarray of shape (bands,)
        The bands' noise.
    n_iter_ : int

    Communication: an all-to-all for each level and split axis there and back; that of a median over the pixels; three
    all-reduces, and one of (levels + 1) rank bands numbers in each iteration. Memory: the coefficients of all bands,
    and up to twice as much again while they are computed.

    >>> import dndarray as dnd
    >>> cube = dnd.random.Generator(0).random((16, 16, 5), split=0)
    >>> wsrrr = WSRRR(rank=2, levels=2, iterations=10)
    >>> wsrrr(cube).shape, wsrrr.basis_.shape
    ((16, 16, 5), (5, 2))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "wavelet": [str],
        "levels": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "iterations": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "tol": [validation.Interval(validation.Real, 0, None, closed="left")],
    }

    def __init__(
        self, rank: int = 10, wavelet: str = "db5", levels: int = 3, iterations: int = 200, tol: float = 1e-8
    ) -> None:
        self.rank = rank
        self.wavelet = wavelet
        self.levels = levels
        self.iterations = iterations
        self.tol = tol

    def _denoise(self, cube: DNDarray) -> DNDarray:
        bands = cube.shape[2]
        if self.rank > bands:
            raise ValueError(f"`rank` (={self.rank}) components of {bands} bands: there are no more than bands")
        wavelets = to_wavelets(cube, self.wavelet, self.levels)
        groups = wavelets.coefficients
        finest = groups[-1][-1]
        products = dnd.sum_blocks(square, tuple(x for group in groups for x in group))
        deviation = dnd.median(dnd.abs(finest), axis=(0, 1)).astype(dnd.float64) / 0.6745
        self.sigma_ = divisors(deviation, dnd.diagonal(products) / math.prod(wavelets.padded.shape[:2]))
        basis = principal_vectors(products, self.sigma_)[:, : self.rank]
        components = [[x @ self._spectra(basis, cube) for x in group] for group in groups]
        thresholds = [sure.threshold for sure in sure_thresholds(components)]
        del components
        sets, limits = [tuple(group) for group in groups], [t[:, None].astype(cube.dtype) for t in thresholds]
        self.n_iter_ = 0
        with counted(self.iterations, "iterations") as done:
            while self.n_iter_ < self.iterations:
                spectra = dnd.ascontiguousarray(self._spectra(basis, cube).T)
                matrices = dnd.sum_blocks(_correlate, sets, shared=[spectra, limits])
                previous, basis = basis, dnd.linalg.polar(sum(matrices) / self.sigma_).U.T
                self.n_iter_ += 1
                done(1)
                if float(dnd.max(dnd.abs(basis - previous))) <= self.tol:
                    break
        self.basis_ = basis
        spectra = self._spectra(basis, cube)
        shrunk = [[soft(x @ spectra, t) for x in group] for group, t in zip(groups, thresholds, strict=True)]
        return wavelets.replaced(shrunk).images() @ (basis * self.sigma_[:, None]).T.astype(cube.dtype)

    def _spectra(self, basis: DNDarray, cube: DNDarray) -> DNDarray:
        """The matrix that takes the coefficients of bands to those of components."""
        return (basis / self.sigma_[:, None]).astype(cube.dtype)


def _correlate(spectra: DNDarray, threshold: DNDarray, block: DNDarray) -> DNDarray:
    """X' W, for the thresholded components X of W: of shapes in which the products are fast, and in few calls."""
    limit, w = threshold.larray, block.larray
    x = spectra.larray @ w.T
    return own(((x - x.clamp(-limit, limit)) @ w).double())
