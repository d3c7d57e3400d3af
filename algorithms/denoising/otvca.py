"""Orthogonal total variation component analysis: few components, each of them smooth but for its edges."""

from __future__ import annotations

from typing import Any, ClassVar

import dndarray as dnd
from dndarray import DNDarray

from ..progress import counted
from .denoiser import Denoiser, validation
from .subspace import square
from .total_variation import denoise_tv

__all__ = ["OTVCA"]


class OTVCA(Denoiser):
    """Orthogonal total variation component analysis (Rasti, Ulfarsson and Sveinsson, 2016).

    The cube Y is taken to be F V', of maps F with little total variation and orthonormal spectra V: found by turns, F
    as the images Y V denoised and V as the best rotation to them, for the least |Y - F V'|^2 / 2 + weight TV(F). For
    that Y is brought to [0, 1], all bands alike.

    Parameters
    ----------
    rank : int
        How many components there are.
    weight : float
        How much total variation weighs.
    iterations : int
        In each there is a step for F and one for V. The paper has 200, after 10 of them little changes.
    tv_iterations : int
        Iterations for F in each step; see `denoise_tv`.

    Attributes
    ----------
    features_ : DNDarray of shape (rows, columns, rank)
        F, laid out as the cube: for classification, which the method was made for.
    basis_ : DNDarray of shape (bands, rank)
        V, float64, replicated.

    Communication: one all-reduce of bands^2 numbers and two of one; in each iteration one of bands * rank, and that of
    `denoise_tv` without `tol`. Memory: the work space of `denoise_tv`.

    >>> import dndarray as dnd
    >>> cube = dnd.random.Generator(0).random((12, 10, 5), split=0)
    >>> OTVCA(rank=2)(cube).shape
    (12, 10, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "weight": [validation.Interval(validation.Real, 0, None, closed="left")],
        "iterations": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "tv_iterations": [validation.Interval(validation.Integral, 1, None, closed="left")],
    }

    def __init__(self, rank: int = 6, weight: float = 0.01, iterations: int = 10, tv_iterations: int = 50) -> None:
        self.rank = rank
        self.weight = weight
        self.iterations = iterations
        self.tv_iterations = tv_iterations

    def _denoise(self, cube: DNDarray) -> DNDarray:
        if self.rank > cube.shape[2]:
            raise ValueError(f"a cube of {cube.shape[2]} bands has no more components, `rank` is {self.rank}")
        low, span = unit_range(cube)
        bounds = [low, span]
        vectors = dnd.linalg.eigh(dnd.sum_blocks(_gram, cube, shared=bounds)).eigenvectors
        basis = vectors[:, ::-1][:, : self.rank]
        with counted(self.iterations, "iteration") as count:
            for _ in range(self.iterations):
                images = cube @ (basis / span).astype(cube.dtype) - (low / span * basis.sum(axis=0)).astype(cube.dtype)
                features = denoise_tv(images, self.weight, iterations=self.tv_iterations, tol=None)
                basis = dnd.linalg.polar(dnd.sum_blocks(_products, cube, features, shared=bounds)).U
                count(1)
        self.features_, self.basis_ = features, basis
        return features @ (span * basis.T).astype(cube.dtype) + low


def unit_range(cube: DNDarray) -> tuple[DNDarray, DNDarray]:
    """The least value of a cube, and how far the largest one is from it; 1 if there is only one value.

    Communication: two all-reduces of a number.
    """
    low = cube.min()
    span = cube.max() - low
    return low, dnd.where(span > 0, span, 1)


def _gram(low: DNDarray, span: DNDarray, block: DNDarray) -> DNDarray:
    return square((block.astype(dnd.float64) - low) / span)


def _products(low: DNDarray, span: DNDarray, block: DNDarray, features: DNDarray) -> DNDarray:
    return (((block - low) / span).T @ features).astype(dnd.float64)
