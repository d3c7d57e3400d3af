"""Wavelet shrinkage of grey images: small coefficients are noise."""

from __future__ import annotations

from typing import Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout

from .images import as_images
from .thresholds import soft, sure_thresholds
from .wavelet_images import to_wavelets

__all__ = ["denoise_wavelet"]


def denoise_wavelet(images: Any, sigma: Any, *, wavelet: str = "db5", levels: int = 4) -> DNDarray:
    """Denoise grey images by soft thresholds in an orthonormal wavelet basis, for each level the one of least risk by
    Stein's unbiased estimate (SureShrink; D. L. Donoho, I. M. Johnstone, 1995).

    Parameters
    ----------
    images : array_like
        Of shape (rows, columns) or (rows, columns, images), split in any way.
    sigma : float or one for each image
        Standard deviation of white noise. Where it is 0 the image stays as it is.
    wavelet : str
        An orthonormal one of PyWavelets'.
    levels : int
        How often the approximation, which is left alone, is halved.

    Communication: for each level and split axis an all-to-all each way, and one all-reduce for all thresholds.

    >>> denoise_wavelet(dnd.full((16, 20), 3.0, split=0), 0.5).shape
    (16, 20)
    """
    x, noise = as_images(images, sigma)
    if levels < 1:
        raise ValueError(f"`levels` (={levels}) must be 1 or more")
    stack = x if x.ndim == 3 else x[..., None]
    stack = in_layout(stack, stack.layout.whole_along(2))
    scale = dnd.array(np.where(noise > 0, noise, 1.0), dtype=stack.dtype, comm=stack.comm, device=stack.device)
    transformed = to_wavelets(stack / scale, wavelet, levels)
    approximation, *details = transformed.coefficients
    found = sure_thresholds(details)
    shrunk = [[soft(part, sure.threshold) for part in group] for group, sure in zip(details, found, strict=True)]
    clean = scale * transformed.replaced([approximation, *shrunk]).images()
    if not noise.all():
        clean = dnd.where(dnd.array(noise > 0, comm=stack.comm, device=stack.device), clean, stack)
    return in_layout(clean, stack.layout)[..., 0] if x.ndim == 2 else in_layout(clean, x.layout)
