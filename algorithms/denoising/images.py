"""What denoisers of grey images share: the checks of images, and of how noisy each of them is."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

import dndarray as dnd
from dndarray import DNDarray

__all__ = ["as_images", "own_images"]

T = TypeVar("T")


def as_images(images: Any, sigma: Any) -> tuple[DNDarray, np.ndarray]:
    """Checked images, of float32 or float64, and the standard deviation of the noise in each.

    Images are of shape (rows, columns) or (rows, columns, number of images). `sigma` is one number for all, or one for
    each image.
    """
    x = dnd.asarray(images)
    if x.ndim not in (2, 3):
        raise ValueError(f"images have the axes (rows, columns) or (rows, columns, images), not {tuple(x.shape)}")
    if x.dtype.is_complex:
        raise TypeError(f"images are real, not {x.dtype}")
    levels = np.asarray(sigma.numpy() if isinstance(sigma, DNDarray) else sigma, dtype=np.float64)
    if levels.ndim and levels.shape != x.shape[2:]:
        raise ValueError(f"`sigma` of shape {levels.shape} must be a number, or one for each of {x.shape[2:]} images")
    if not (np.isfinite(levels) & (levels >= 0)).all():
        raise ValueError(f"`sigma` (={levels.tolist()}) must be finite and not negative")
    if x.dtype not in (dnd.float32, dnd.float64):
        x = x.astype(dnd.float32)
    return x, np.broadcast_to(levels, x.shape[2:] or (1,))


def own_images(x: DNDarray, of_each: list[T]) -> list[T]:
    """Of something for each image: that for those which this process has."""
    return of_each if x.ndim == 2 else of_each[slice(*x.layout.box(x.comm.rank)[2])]
