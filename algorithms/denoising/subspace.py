"""How much noise each band has, and in which subspace the signal lies: all of it from Gram matrices over bands.

The noise of a band is what the other bands do not explain of it (multiple regression, Bioucas-Dias and Nascimento,
2008, section III-A): with the Gram matrix G of a cube Y, taken as a matrix of pixels by bands, and P = (G + epsilon)^-1
the residual of band b is Y P[:, b] / P[b, b].
"""

from __future__ import annotations

from typing import NamedTuple

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.manipulation import in_layout

from .batches import Batches, sum_pixels
from .denoiser import as_cube

__all__ = ["NoiseEstimate", "Subspace", "estimate_noise", "gram", "hysime"]

RIDGE = 1e-10
"""What is added to the mean eigenvalue of a Gram matrix before it is inverted: 60 dB below noise of 40 dB."""

_STRIP = 40
"""Rows of a Gram matrix that are computed at a time: wide enough for a fast product."""


class NoiseEstimate:
    """The noise of each band of a cube, as `estimate_noise` finds it. The bands' numbers are float64, replicated.

    Attributes
    ----------
    kind : str
    gram : DNDarray of shape (bands, bands)
        Of the cube.
    signal_gram : DNDarray of shape (bands, bands)
        Of the cube without the residuals.
    variances, sigma : DNDarray of shape (bands,)
        Mean squares of the residuals, and their roots.
    n_pixels : int
        Of how many pixels the Gram matrices are the sums.
    """

    def __init__(self, cube: DNDarray | Batches, kind: str) -> None:
        self.kind = kind
        if isinstance(cube, DNDarray):
            self._layout = cube.layout
            self._cube = cube = in_layout(cube, cube.layout.whole_along(2))
        self.n_pixels = cube.shape[0] * cube.shape[1]
        if kind == "additive":
            self.gram = gram(cube)
            self._regression = _regression(self.gram)
            # (Y - Y R)'(Y - Y R) = G - G R - (G R)' + R'G R
            mixed = self.gram @ self._regression
            noise_gram = self._regression.T @ mixed
            self.signal_gram = self.gram - mixed - mixed.T + noise_gram
            squares = dnd.diagonal(noise_gram)
        else:
            self._regression = _regression(sum_pixels(lambda block: square(_root(block)), cube))
            self.gram, self.signal_gram, squares = sum_pixels(self._poisson_sums, cube, shared=[self._regression])
        self.variances = dnd.maximum(squares, 0.0) / self.n_pixels
        self.sigma = dnd.sqrt(self.variances)

    @property
    def residuals(self) -> DNDarray:
        """The noise itself, a cube of the given one's type and layout, computed when asked for.

        Communication: none; one redistribution if the bands are split.
        """
        regression = self._regression.astype(self._cube.dtype)
        if self.kind == "additive":
            return in_layout(self._cube @ regression, self._layout)
        return in_layout(_poisson_residuals(self._cube, regression), self._layout)

    def divisors(self) -> DNDarray:
        """`sigma`, to divide by: see `divisors`."""
        return divisors(self.sigma, dnd.diagonal(self.gram) / self.n_pixels)

    @staticmethod
    def _poisson_sums(regression: DNDarray, block: DNDarray) -> tuple[DNDarray, DNDarray, DNDarray]:
        block = block.astype(dnd.float64)
        residuals = _poisson_residuals(block, regression)
        return square(block), square(block - residuals), (residuals * residuals).sum(axis=0)


class Subspace(NamedTuple):
    """Where the signal lies."""

    rank: int
    basis: DNDarray
    """Orthonormal columns of shape (bands, bands), float64, replicated: the first `rank` span the signal's subspace."""


def gram(cube: DNDarray | Batches) -> DNDarray:
    """The Gram matrix of the bands, sums of their products over all pixels: (bands, bands), float64, replicated.

    Communication: one all-reduce of bands^2 numbers. Memory: pixels are converted to float64 block by block.
    Differentiable.

    >>> import dndarray as dnd
    >>> gram(dnd.ones((3, 2, 2), split=0)).tolist()
    [[6.0, 6.0], [6.0, 6.0]]
    """
    return sum_pixels(square, cube)


def estimate_noise(cube: DNDarray | Batches, kind: str = "additive") -> NoiseEstimate:
    """The noise of each band, by regression of each band on all the others.

    Parameters
    ----------
    cube : DNDarray or Batches
        As a `Denoiser` takes it. Of batches the estimate has no `residuals`.
    kind : {"additive", "poisson"}
        Poisson noise grows with the signal: the regression then is of the square roots of the bands, whose noise does
        not, and the residual w of a root u + w becomes 2 u w.

    A band that is zero everywhere has no noise; a band that others repeat has none, either. Noise that is correlated
    between bands counts as signal. All of a single band is noise, since there are no others.

    Communication: one all-reduce of bands^2 numbers; for "poisson" one more, of twice as many; one redistribution if
    the bands are split. Differentiable.

    >>> import dndarray as dnd
    >>> cube = dnd.ones((40, 40, 4), split=0) + 0.1 * dnd.random.Generator(0).normal(size=(40, 40, 4), split=0)
    >>> [round(s, 1) for s in estimate_noise(cube).sigma.tolist()]
    [0.1, 0.1, 0.1, 0.1]
    """
    if kind not in ("additive", "poisson"):
        raise ValueError(f"`kind` (={kind!r}) must be 'additive' or 'poisson'")
    return NoiseEstimate(cube if isinstance(cube, Batches) else as_cube(cube, finite=False), kind)


def hysime(cube: DNDarray, noise: NoiseEstimate | None = None) -> Subspace:
    """Hyperspectral signal identification by minimum error: the subspace that holds more signal than noise.

    Of the eigenvectors e of the signal's correlation matrix R_x those are kept for which the power of the observed
    spectra along e, e' R_y e, is more than twice that of the noise, e' R_n e (Bioucas-Dias and Nascimento, 2008,
    eq. 17-19).

    Parameters
    ----------
    cube : DNDarray
        As a `Denoiser` takes it.
    noise : NoiseEstimate, optional
        That of this cube; by default additive noise is estimated.

    Communication: that of `estimate_noise`; none with `noise`.
    """
    if noise is None:
        noise = estimate_noise(cube)
    return signal_subspace(noise.gram, noise.signal_gram, noise.variances, noise.n_pixels)


def signal_subspace(gram: DNDarray, signal_gram: DNDarray, variances: DNDarray, n_pixels: float) -> Subspace:
    """What `hysime` finds, from the numbers of a `NoiseEstimate`."""
    signal, observed = signal_gram / n_pixels, gram / n_pixels
    vectors = dnd.linalg.eigh((signal + signal.T) / 2).eigenvectors
    noise_power = variances @ (vectors * vectors) + 1e-5 / len(variances) * dnd.trace(signal)
    cost = 2 * noise_power - (vectors * (observed @ vectors)).sum(axis=0)
    return Subspace(int((cost < 0).sum()), vectors[:, dnd.argsort(cost, stable=True)])


def principal_vectors(products: DNDarray, sigma: DNDarray) -> DNDarray:
    """Of bands with this Gram matrix, divided by these deviations: orthonormal columns, the strongest first."""
    whitened = products / sigma / sigma[:, None]
    return dnd.flip(dnd.linalg.eigh((whitened + whitened.T) / 2).eigenvectors, 1)


def divisors(sigma: DNDarray, mean_squares: DNDarray) -> DNDarray:
    """Deviations of noise to divide bands by, none of which is zero.

    A band without noise of its own, as others repeat it or it was interpolated between others, would outweigh all
    the others together. It is taken to have the usual noise: by its ratio to the signal, of which the median counts.
    """
    strengths = dnd.sqrt(dnd.where(mean_squares > 0, mean_squares, 1.0))
    ratios = sigma / strengths
    least = dnd.maximum(1e-3 * ratios.max(), 1e-6)  # there is the rounding of single precision, too
    return dnd.where(ratios < least, strengths * dnd.maximum(dnd.median(ratios), least), sigma)


def square(block: DNDarray) -> DNDarray:
    """The Gram matrix of a block, in float64: strip by strip on its diagonal and above, the rest is the same."""
    values = block.larray.double()
    result = values.new_empty(values.shape[1], values.shape[1])
    for start in range(0, values.shape[1], _STRIP):
        strip = values[:, start : start + _STRIP].T @ values[:, start:]
        result[start : start + _STRIP, start:] = strip
        result[start:, start : start + _STRIP] = strip.T
    return own(result)


def _root(values: DNDarray) -> DNDarray:
    return dnd.sqrt(dnd.maximum(values, 0))


def _regression(gram: DNDarray) -> DNDarray:
    """The matrix whose product with a cube are its residuals, (bands, bands)."""
    bands = gram.shape[0]
    mean_eigenvalue = dnd.trace(gram) / bands
    if not float(mean_eigenvalue):
        return dnd.zeros_like(gram)  # a cube of zeros has no residuals
    identity = dnd.eye(bands, dtype=dnd.float64, comm=gram.comm, device=gram.device)
    inverse = dnd.linalg.inv(gram + RIDGE * mean_eigenvalue * identity)
    return inverse / dnd.diagonal(inverse)


def _poisson_residuals(values: DNDarray, regression: DNDarray) -> DNDarray:
    root = _root(values)
    residuals = root @ regression
    return 2 * (root - residuals) * residuals
