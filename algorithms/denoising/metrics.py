"""How near a cube is to a reference: over all bands together, or band by band."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout

from .denoiser import as_pair

__all__ = ["psnr", "sam", "snr", "ssim"]


def psnr(reference: Any, cube: Any, *, per_band: bool = False) -> DNDarray:
    """The peak signal-to-noise ratio in dB: 20 log10(max(reference) / root mean square error).

    With `per_band` that of each band, with its own maximum; their mean is known as MPSNR. Infinite where there is no
    error. Communication: two all-reduces. Differentiable.

    >>> import dndarray as dnd
    >>> round(psnr(dnd.ones((4, 4, 2), split=0), dnd.full((4, 4, 2), 0.9, split=0)).item(), 3)
    20.0
    """
    reference, cube = as_pair(reference, cube)
    _, errors = _sums(reference, cube, per_band)
    peak = reference.max(axis=(0, 1) if per_band else None).astype(dnd.float64)
    return 10 * dnd.log10(peak * peak * (reference.size // errors.size) / errors)


def snr(reference: Any, cube: Any, *, per_band: bool = False) -> DNDarray:
    """The signal-to-noise ratio in dB: 10 log10(sum of reference^2 / sum of errors^2), of each band with `per_band`.

    Communication: one all-reduce. Differentiable.
    """
    reference, cube = as_pair(reference, cube)
    power, errors = _sums(reference, cube, per_band)
    return 10 * dnd.log10(power / errors)


def sam(reference: Any, cube: Any, *, degrees: bool = False) -> DNDarray:
    """The spectral angle mapper: the mean over all pixels of the angle between their spectra, in radians.

    The angle at a spectrum of zeros is 0. Communication: one all-reduce. Differentiable, unless spectra are parallel.

    >>> import dndarray as dnd
    >>> round(sam([[[1.0, 0]]], [[[1.0, 1]]], degrees=True).item(), 3)
    45.0
    """
    reference, cube = as_pair(reference, cube)
    mean = dnd.sum_blocks(_angles, reference, cube) / (reference.shape[0] * reference.shape[1])
    return dnd.degrees(mean) if degrees else mean


def ssim(reference: Any, cube: Any, *, per_band: bool = False) -> DNDarray:
    """The structural similarity index: of each band with `per_band`, otherwise the mean over the bands.

    With Gaussian windows of 11 x 11 pixels (sigma 1.5), all that lie in the image, with K1 = 0.01, K2 = 0.03 and as L
    the range of the reference's band, or 1 if that is constant (Wang et al., 2004).

    Communication: one exchange of 5 rows or columns with the neighbours along each split axis, and three all-reduces;
    one redistribution of what is split over bands. Differentiable with respect to the cube.
    """
    reference, cube = as_pair(reference, cube)
    rows, columns, bands = reference.shape
    if min(rows, columns) <= 2 * _RADIUS:
        raise ValueError(f"no window of 11 x 11 pixels lies in images of {rows} x {columns}")
    reference, cube = (in_layout(x, x.layout.whole_along(2)) for x in (reference.detach(), cube))
    span = (reference.max(axis=(0, 1)) - reference.min(axis=(0, 1))).larray.to(torch.float64)
    span[span == 0] = 1
    both = dnd.concatenate([reference, cube], axis=2)
    index = dnd.stencil(both, lambda part: _similarity(part, span), _RADIUS, "valid", axes=(0, 1))
    means = dnd.mean(index, axis=(0, 1), dtype=dnd.float64)
    return means if per_band else means.mean()


_RADIUS = 5
_TILE = 16


def _similarity(part: Tensor, span: Tensor) -> Tensor:
    """The index at each pixel 5 or more from the edges of `part`, which has the bands of both cubes."""
    rows, columns = (n - 2 * _RADIUS for n in part.shape[:2])
    weights = torch.exp(-0.5 * (torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64) / 1.5) ** 2)
    # Each row has the window about one pixel of a tile: the products with it are what BLAS is made for.
    windows = torch.stack([torch.nn.functional.pad(weights / weights.sum(), (i, _TILE - 1 - i)) for i in range(_TILE)])
    index = part.new_empty(rows, columns, len(span))
    for r in range(0, rows, _TILE):
        for c in range(0, columns, _TILE):
            tile = part[r : r + _TILE + 2 * _RADIUS, c : c + _TILE + 2 * _RADIUS].to(torch.float64)
            index[r : r + _TILE, c : c + _TILE] = _compared(tile, span, windows)
    return index


def _compared(tile: Tensor, span: Tensor, windows: Tensor) -> Tensor:
    x, y = tile.split(len(span), -1)
    moments = torch.cat([x, y, x * x, y * y, x * y], -1)
    over_rows, over_columns = (windows[: n - 2 * _RADIUS, :n] for n in tile.shape[:2])
    means = over_columns @ (over_rows @ moments.flatten(1)).unflatten(1, moments.shape[1:])
    mx, my, xx, yy, xy = means.split(len(span), -1)
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    numerator = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    return numerator / ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2))


def _sums(reference: DNDarray, cube: DNDarray, per_band: bool) -> tuple[DNDarray, DNDarray]:
    """Sums of squares of the reference, and of the errors: of each band, or of all."""

    def squares(x: DNDarray, y: DNDarray) -> tuple[DNDarray, DNDarray]:
        x, y = x.astype(dnd.float64), y.astype(dnd.float64)
        return (x * x).sum(axis=0), ((x - y) ** 2).sum(axis=0)

    power, errors = dnd.sum_blocks(squares, reference, cube)
    return (power, errors) if per_band else (power.sum(), errors.sum())


def _angles(x: DNDarray, y: DNDarray) -> DNDarray:
    """The sum of the angles between the rows of two blocks."""
    x, y = x.astype(dnd.float64), y.astype(dnd.float64)
    lengths = dnd.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    cosines = dnd.where(lengths > 0, (x * y).sum(axis=1) / dnd.where(lengths > 0, lengths, 1), 1)
    return dnd.arccos(dnd.clip(cosines, -1, 1)).sum()
