"""What all denoisers share: how they are called, and the checks of their parameters and of a cube."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout
from dndarray.optional import require

__all__ = ["Denoiser", "as_cube", "as_pair", "validation"]

BaseEstimator: Any = require("sklearn.base", "denoising").BaseEstimator

validation: Any = require("sklearn.utils._param_validation", "denoising")
"""What scikit-learn describes parameters by."""


class Denoiser(BaseEstimator):
    """A method that cleans hyperspectral cubes: `denoiser(cube)`, or `fit_transform` as scikit-learn has it.

    A cube is an array of shape (rows, columns, bands), real, finite, split over rows, over columns or over both on a
    2-D grid; one that is split over bands is dealt out otherwise for the work, which takes one all-to-all each way.
    Integers become float32. The clean cube has the layout of the given one. Bands that are constant stay as they are,
    and the method does not see them. What a method learns of a cube (its rank, its basis, ...) are attributes with a
    trailing underscore.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def __call__(self, cube: Any) -> DNDarray:
        """The clean cube."""
        return self.fit_transform(cube)

    def fit(self, X: Any, y: None = None) -> Self:
        """Learn what the method learns of a cube, for its attributes; the clean cube is dropped."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: None = None) -> DNDarray:
        """The clean cube, of the shape and layout of the given one."""
        self._validate_params()
        return self._of_varying_bands(as_cube(X))

    def _of_varying_bands(self, cube: DNDarray) -> DNDarray:
        """What the method makes of a checked cube without its constant bands, with these again."""
        spatial = in_layout(cube, cube.layout.whole_along(2))
        constant = constant_bands(spatial)
        if not constant:
            return in_layout(self._denoise(spatial), cube.layout)
        varying = [b for b in range(cube.shape[2]) if b not in constant]
        clean = [spatial[..., constant], *([self._denoise(spatial[..., varying])] if varying else [])]
        return in_layout(dnd.concatenate(clean, axis=2)[..., np.argsort([*constant, *varying]).tolist()], cube.layout)

    def _denoise(self, cube: DNDarray) -> DNDarray:
        """The method itself: of a checked cube, every process having all bands of its pixels."""
        raise NotImplementedError


def as_cube(X: Any, *, finite: bool = True) -> DNDarray:
    """A checked cube of float32 or float64: see `Denoiser`.

    Communication: one all-reduce, to look for what is not finite.
    """
    cube = dnd.asarray(X)
    if cube.ndim != 3:
        raise ValueError(f"a cube has the axes (rows, columns, bands), not the shape {tuple(cube.shape)}")
    if 0 in cube.shape:
        raise ValueError(f"there is nothing to denoise in a cube of shape {tuple(cube.shape)}")
    if cube.dtype.is_complex:
        raise TypeError(f"a cube is real, not {cube.dtype}: denoise its real and imaginary parts one by one")
    if cube.dtype not in (dnd.float32, dnd.float64):
        cube = cube.astype(dnd.float32)
    if finite and not dnd.isfinite(cube.sum()) and not dnd.isfinite(cube).all():  # the sum is the faster one
        bands = dnd.flatnonzero(~dnd.isfinite(cube).all(axis=(0, 1))).tolist()
        raise ValueError(
            f"{len(bands)} of {cube.shape[2]} bands hold NaN or infinity (the first: {bands[:5]}): "
            "leave them out, or fill what is missing with `FastHyIn`"
        )
    return cube


def as_pair(reference: Any, cube: Any) -> tuple[DNDarray, DNDarray]:
    """Two cubes of one shape, which may hold NaN."""
    pair = as_cube(reference, finite=False), as_cube(cube, finite=False)
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"cubes of shapes {pair[0].shape} and {pair[1].shape} are not compared: they must be alike")
    return pair


def constant_bands(cube: DNDarray) -> list[int]:
    """The bands of which all pixels are alike.

    Communication: two small collectives, and one more if some band is constant in a corner.
    """
    first = cube[0, 0].detach()
    alike = dnd.flatnonzero(~(cube[0, :CORNER] != first).any(axis=0)).tolist()
    if alike:
        varies = (cube[..., alike] != first[alike]).any(axis=(0, 1)).tolist()
        alike = [band for band, different in zip(alike, varies, strict=True) if not different]
    return alike


CORNER = 16
"""Pixels of the first row that are looked at first."""
