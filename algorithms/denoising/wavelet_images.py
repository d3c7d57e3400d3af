"""The bands or components of a cube as images, in an orthonormal wavelet basis, and back."""

from __future__ import annotations

from typing import NamedTuple

import dndarray as dnd
from dndarray import DNDarray
from dndarray.layout import Layout
from dndarray.signal.wavelets import decompose_levels, filters_of, reconstruct_levels

__all__ = ["WaveletImages", "to_wavelets"]

AXES = (0, 1)


class WaveletImages(NamedTuple):
    """The coefficients of images (rows, columns, images) that were continued to multiples of 2^levels."""

    coefficients: list[list[DNDarray]]
    """The approximation alone, then the three details of each level, the last level first."""
    wavelet: str
    layout: Layout
    """That of the images."""
    padded: Layout
    """That of the continued images."""

    def replaced(self, coefficients: list[list[DNDarray]]) -> WaveletImages:
        """With other coefficients, perhaps of another number of images."""
        images = coefficients[0][0].shape[2]
        layouts = (x.derive((*x.shape[:2], images), range(3)) for x in (self.layout, self.padded))
        return WaveletImages(coefficients, self.wavelet, *layouts)

    def images(self) -> DNDarray:
        """Back, in the layout of the images. Communication: an all-to-all for each level and split axis."""
        (approximation,), *details = self.coefficients
        levels = [dict(zip(("ad", "da", "dd"), level, strict=True)) for level in details]
        result = reconstruct_levels(approximation, levels, filters_of(self.wavelet, 2), AXES, self.padded)
        if self.padded is self.layout:
            return result
        rows, columns = self.layout.shape[:2]
        return result[:rows, :columns]


def to_wavelets(images: DNDarray, wavelet: str, levels: int) -> WaveletImages:
    """The discrete wavelet transform of each image, continued by reflection at its lower and right end to a multiple
    of 2^levels so that the transform is orthonormal.

    Communication: an all-to-all for each level and split axis; before it, if the images are continued along a split
    axis, one exchange each. Memory: that of the images once or twice.
    """
    missing = [-n % 2**levels for n in images.shape[:2]]
    padded = dnd.pad(images, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric") if any(missing) else images
    approximation, details = decompose_levels(padded, filters_of(wavelet, 2), AXES, levels)
    coefficients = [[approximation], *([level["ad"], level["da"], level["dd"]] for level in details)]
    return WaveletImages(coefficients, wavelet, images.layout, padded.layout)
