"""Fast hyperspectral inpainting: denoising of cubes of which parts were not observed."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout

from .denoiser import as_cube
from .fasthyde import FastHyDe, Statistics
from .subspace import gram

__all__ = ["FastHyIn"]

_BLOCK = 2**12
"""For how many pixels the equations for their coefficients are solved at a time."""

_RIDGE = 1e-8
"""What is added to the equations of a pixel, of which the coefficients are 1 where it is observed completely."""

_COMPLETIONS, _SETTLED = 50, 1e-4
"""How often missing values are replaced at most, where too few pixels are complete; by how little the subspace has to
turn, as a sine, to end it."""


class FastHyIn(FastHyDe):
    """Fast hyperspectral inpainting (Zhuang and Bioucas-Dias, 2018): `FastHyDe` of a cube of which parts are missing.

    `FastHyIn()(cube, mask)`: `mask` is True where the cube was observed, of its shape, or (rows, columns) for all bands
    alike; without it, what is NaN is missing. The result is clean everywhere.

    Subspace and noise are learnt from the pixels that were observed in all bands. Where these are fewer than the bands,
    missing values are filled in: by turns, from the subspace of the filled cube, until it stays. The coefficients of an
    incomplete pixel are those with which the basis fits what was observed of it best, (E_o' E_o)^-1 E_o' y_o; where
    that is fewer bands than the rank, the smallest such ones (a pseudo-inverse). The images of the coefficients are
    denoised then, as `FastHyDe` does.

    Bands that are constant as far as they were observed are so everywhere. ValueError if nothing was observed, nothing
    of some pixel, or nothing of some band: nothing says what is there.

    Parameters and attributes are those of `FastHyDe`.

    Communication: that of `FastHyDe`, and three all-reduces of bands numbers or a few more; where too few pixels are
    complete one of bands^2 for each of 50 turns at most. Memory: two cubes more than `FastHyDe`.

    >>> cube = dnd.random.Generator(0).random((24, 20, 8), split=0)
    >>> mask = dnd.random.Generator(1).random((24, 20, 8), split=0) < 0.9
    >>> FastHyIn(rank=2)(cube, mask).shape
    (24, 20, 8)
    """

    def __call__(self, cube: Any, mask: Any = None) -> DNDarray:
        """The clean cube, with nothing missing."""
        return self.fit_transform(cube, mask=mask)

    def fit_transform(self, X: Any, y: None = None, mask: Any = None) -> DNDarray:
        """The clean cube, with nothing missing, of the shape and layout of the given one."""
        self._validate_params()
        cube = as_cube(X, finite=False)
        observed = ~dnd.isnan(cube) if mask is None else _as_mask(mask, cube)
        given = dnd.where(observed, cube, float("nan"))
        low, high = dnd.nanmin(given, axis=(0, 1)), dnd.nanmax(given, axis=(0, 1))
        if (low == high).any():
            given = dnd.where(low == high, low, given)
        return in_layout(self._of_varying_bands(given), cube.layout)

    def _statistics(self, cube: Any) -> Statistics:
        """Those of the pixels that were observed in all bands, or of the cube with what is missing filled in."""
        bands, pixels = cube.shape[2], cube.shape[0] * cube.shape[1]
        seen, n_complete = _counts(cube)
        if n_complete >= bands:
            complete = ~dnd.isnan(cube).any(axis=2)
            return super()._statistics(cube[complete][:, None])
        rank = 10 if isinstance(self.rank, str) else self.rank
        found = super()._statistics(_completed(cube, min(rank, bands)))
        return found._replace(variances=found.variances * pixels / seen)  # what was filled in has no noise

    def _images(self, cube: DNDarray) -> DNDarray:
        values = self._transformed(cube) / self._scale.astype(cube.dtype)
        return dnd.stencil(values, partial(_fitted, self.basis_.larray), 0, axes=())


def _as_mask(mask: Any, cube: DNDarray) -> DNDarray:
    observed = dnd.asarray(mask, comm=cube.comm).astype(dnd.bool)
    observed = observed[..., None] if observed.ndim == 2 else observed
    if observed.ndim != 3 or observed.shape[:2] != cube.shape[:2] or observed.shape[2] not in (1, cube.shape[2]):
        raise ValueError(f"a mask of shape {observed.shape} says not what was observed of a cube {cube.shape}")
    return observed


def _counts(cube: DNDarray) -> tuple[DNDarray, int]:
    """How many pixels of each band were observed, and how many in all bands; ValueError where nothing was."""
    if dnd.isinf(cube).any():
        raise ValueError("a cube with infinity cannot be denoised: mask it, or replace it by NaN")

    def count(block: DNDarray) -> tuple[DNDarray, ...]:
        observed = ~dnd.isnan(block)
        return observed.sum(axis=0), observed.all(axis=1).sum(), (~observed.any(axis=1)).sum()

    seen, complete, unseen = dnd.sum_blocks(count, cube)
    blind = dnd.flatnonzero(seen == 0).tolist()
    if len(blind) == cube.shape[2]:
        raise ValueError("nothing of the cube was observed")
    if blind:
        raise ValueError(f"nothing was observed of {len(blind)} bands (the first: {blind[:5]}): leave them out")
    if int(unseen):
        raise ValueError(
            f"nothing was observed of {int(unseen)} of {cube.shape[0] * cube.shape[1]} pixels: FastHyIn needs at least "
            "one band of each"
        )
    return seen, int(complete)


def _completed(cube: DNDarray, rank: int) -> DNDarray:
    """The cube with its missing values as the best subspace of so many dimensions has them.

    Found by alternating least squares, beginning with means of products over the pixels that two bands have in common.
    """
    pixels = cube.shape[0] * cube.shape[1]

    def products(block: DNDarray) -> tuple[DNDarray, DNDarray]:
        observed = (~dnd.isnan(block)).astype(dnd.float64)
        values = dnd.nan_to_num(block).astype(dnd.float64)
        return values.T @ values, observed.T @ observed

    sums, common = dnd.sum_blocks(products, cube)
    matrix = pixels * sums / dnd.maximum(common, 1)
    basis = dnd.linalg.eigh(matrix).eigenvectors[:, -rank:]
    for _ in range(_COMPLETIONS):
        filled = dnd.stencil(cube, partial(_filled, basis.larray), 0, axes=())
        before, basis = basis, dnd.linalg.eigh(gram(filled)).eigenvectors[:, -rank:]
        if float(dnd.linalg.norm(basis - before @ (before.T @ basis))) < _SETTLED:
            break
    return filled


def _filled(basis: Tensor, cube: Tensor) -> Tensor:
    return torch.where(cube.isnan(), _fitted(basis, cube) @ basis.T.to(cube.dtype), cube)


def _fitted(basis: Tensor, cube: Tensor) -> Tensor:
    """The coefficients of each pixel that fit what was observed of it best, (rows, columns, rank)."""
    bands, rank = basis.shape
    pixels = cube.reshape(-1, bands)
    products = (basis[:, :, None] * basis[:, None]).reshape(bands, -1)
    ridge = _RIDGE * torch.eye(rank, dtype=basis.dtype, device=basis.device)
    result = pixels.new_empty((len(pixels), rank))
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK].to(basis.dtype)
        observed = ~block.isnan()
        right = block.nan_to_num(0.0) @ basis
        left = (observed.to(basis.dtype) @ products).view(-1, rank, rank)
        fitted = torch.linalg.solve(left + ridge, right)
        few = observed.sum(1) < rank
        if few.any():
            fitted[few] = (torch.linalg.pinv(left[few], hermitian=True) @ right[few][..., None])[..., 0]
        result[start : start + _BLOCK] = fitted
    return result.view(*cube.shape[:2], rank)
