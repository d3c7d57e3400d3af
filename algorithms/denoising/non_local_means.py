"""Non-local means: each pixel the mean of those around it, weighted by how alike their patches are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray

from .images import as_images, own_images

__all__ = ["denoise_nlm", "running_sums"]

_BLOCK = 2**16
"""How many pixels are worked on at a time, with all offsets: what a processor's cache holds a few times over."""

_NOTHING = -80.0
"""An exponent of a weight that counts for nothing; below, float32 has no normal numbers, and computes slowly."""


def denoise_nlm(images: Any, sigma: Any, *, h: float = 0.8, patch_size: int = 5, patch_distance: int = 6) -> DNDarray:
    """Denoise grey images by non-local means (A. Buades, B. Coll, J.-M. Morel, 2005).

    Pixel i becomes the mean of the pixels j at most `patch_distance` rows and columns away, of weights
    exp(-max(D(i, j) - 2 sigma^2, 0) / (h sigma)^2), with D the mean squared difference of the patches about them: what
    scikit-image computes in its fast mode, without a cut-off of small weights. (There `patch_size` has to be larger by
    one, and the pixels of a patch, which are one less to a side, are divided by its square.)

    Parameters
    ----------
    images : array_like
        Of shape (rows, columns) or (rows, columns, images), split in any way.
    sigma : float or one for each image
        Standard deviation of the noise. Where it is 0 the image stays as it is.
    h : float
        How fast weights fall, in units of `sigma`.
    patch_size, patch_distance : int
        Pixels along a side of a patch, and how far away others are looked for. Beyond its ends an image is mirrored.

    Communication: one all-to-all of halos of patch_distance + patch_size // 2 pixels for each of the first two axes
    that is split. Memory: the images with their halos, and 2 MB. The result is the same for any layout.

    >>> denoise_nlm(dnd.full((9, 7), 3.0, split=0), 0.5).tolist()[4][3]
    3.0
    """
    x, levels = as_images(images, sigma)
    if h <= 0 or patch_size < 1 or patch_distance < 0:
        raise ValueError(
            f"`h` (={h}) must be positive, `patch_size` (={patch_size}) 1 or more, "
            f"`patch_distance` (={patch_distance}) 0 or more"
        )
    radius = patch_distance + patch_size // 2
    own = own_images(x, levels.tolist())

    def smooth(extended: Tensor) -> Tensor:
        rows, columns = (n - 2 * radius for n in extended.shape[:2])
        stack = extended[..., None] if x.ndim == 2 else extended
        result = extended.new_empty((rows, columns, len(own)))
        for k, level in enumerate(own):
            if level:
                result[..., k] = _smooth(stack[..., k].contiguous(), level, h * level, patch_size, patch_distance)
            else:
                result[..., k] = stack[radius : radius + rows, radius : radius + columns, k]
        return result.reshape(rows, columns, *x.larray.shape[2:])

    return dnd.stencil(x.detach(), smooth, radius, "mirror", axes=(0, 1))


def _smooth(extended: Tensor, sigma: float, h: float, size: int, distance: int) -> Tensor:
    """One image, from its pixels with `distance` + `size` // 2 more on all sides."""
    radius = distance + size // 2
    rows, width = extended.shape[0] - 2 * radius, extended.shape[1]
    step = max(1, _BLOCK // width)
    blocks = [
        _smooth_rows(extended[start : min(start + step, rows) + 2 * radius], sigma, h, size, distance)
        for start in range(0, rows, step)
    ]
    return torch.cat(blocks) if blocks else extended[:0, : width - 2 * radius]


def _smooth_rows(extended: Tensor, sigma: float, h: float, size: int, distance: int) -> Tensor:
    """As `_smooth`, all at once.

    Rows lie one after another, so that each offset is one distance in memory and all work is on one contiguous axis.
    The pixels at the ends of rows see others of the next rows then, but what they add up only the margins get. The
    weight of a pair serves both of its pixels: half of the offsets are enough.
    """
    radius, before, after = distance + size // 2, (size - 1) // 2, size // 2
    rows, width = extended.shape[0] - 2 * radius, extended.shape[1]
    scale = 1 / (size * h)
    x = (extended * scale).reshape(-1)
    shift = x.new_tensor(2 * (sigma / (size * h)) ** 2)
    weights, sums = torch.ones_like(x), x.clone()
    for down in range(distance + 1):
        first, last = (radius - down) * width + before, (radius + rows) * width - radius
        low, high = first - before * (width + 1), last + after * (width + 1)
        for right in range(-distance if down else 1, distance + 1):
            offset = down * width + right
            exponent = x[low:high] - x[low + offset : high + offset]
            torch.addcmul(shift, exponent, exponent, value=-1, out=exponent)
            weight = running_sums(running_sums(exponent, size, width), size, 1).clamp_(_NOTHING, 0).exp_()
            here, there = slice(first, last), slice(first + offset, last + offset)
            weights[here] += weight
            weights[there] += weight
            sums[here].addcmul_(weight, x[there])
            sums[there].addcmul_(weight, x[here])
    inner = (sums / weights).view(-1, width)[radius : radius + rows, radius : width - radius]
    return inner / scale


def running_sums(x: Tensor, n: int, step: int) -> Tensor:
    """For each element along the first axis the sum of n, `step` apart, from it on: by doubling, in log n additions."""
    total, at, width = None, 0, 1
    while True:
        if n & 1:
            part = x[at * step :]
            total = part if total is None else total[: len(part)] + part
            at += width
        n >>= 1
        if not n:
            assert total is not None
            return total
        x = x[: -width * step] + x[width * step :]
        width *= 2
