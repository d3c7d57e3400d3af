"""Networks over whole cubes: window by window, each with what it shares with its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dndarray import DNDarray
from dndarray.dealing import map_windows, windows

from ..progress import counted
from .denoiser import Denoiser, validation

__all__ = ["NetworkDenoiser", "check_bands"]


class NetworkDenoiser(Denoiser):
    """A network applied to overlapping windows of a cube, each band of which is scaled to [0, 1] for it.

    The windows are those of the whole cube's pixels and bands, whatever its layout: neighbouring ones share `buffers`
    and each gives its middle, so what the network does at the edges of its input shows only at the edges of the cube.
    Where a cube is smaller than a window, the window is as long as the cube.

    Parameters
    ----------
    model : torch.nn.Module
        From (batch, bands, rows, columns) to the same shape, as those of `dndarray.nn.denoisers`; it is used in
        evaluation, on the device where its parameters are, and in their type.
    window : pair of int
        Rows and columns of a window.
    bands : int
        Bands of a window.
    buffers : triple of int
        How many rows, columns and bands neighbouring windows share.
    guide : callable, optional
        A method whose result the network gets beside the cube, as its second argument: `HyRes()`, for the hybrids.

    Notes
    -----
    Windows are dealt out to the processes, equally many to each. Communication: two all-reduces for minimum and
    maximum, then as `map_windows`: two exchanges and one small collective for every 64 MiB of windows that a process
    computes. Memory: the cube twice, and what the network needs for one window. Not differentiable.

    Examples
    --------
    >>> import dndarray as dnd, torch
    >>> denoiser = NetworkDenoiser(torch.nn.Identity(), window=(8, 8), buffers=(4, 4, 2))
    >>> cube = dnd.random.random((20, 9, 12), split=0)
    >>> bool(dnd.allclose(denoiser(cube), cube, atol=1e-6))
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [nn.Module],
        "window": [tuple, list],
        "bands": [validation.Interval(validation.Integral, 1, None, closed="left")],
        "buffers": [tuple, list],
        "guide": [callable, None],
    }

    def __init__(
        self,
        model: nn.Module,
        window: tuple[int, int] = (256, 256),
        bands: int = 10,
        buffers: tuple[int, int, int] = (4, 4, 2),
        guide: Callable[[DNDarray], DNDarray] | None = None,
    ) -> None:
        self.model = model
        self.window = window
        self.bands = bands
        self.buffers = buffers
        self.guide = guide

    def _denoise(self, cube: DNDarray) -> DNDarray:
        low = cube.min(axis=(0, 1))
        return self._applied(cube, low, cube.max(axis=(0, 1)) - low)

    def _applied(self, cube: DNDarray, low: DNDarray, span: DNDarray) -> DNDarray:
        """The clean cube, bands being scaled by their least values and how far the largest ones are from these."""
        window = (*self.window, self.bands)
        if len(window) != 3 or len(self.buffers) != 3:
            raise ValueError(
                f"`window` (={self.window}) must be rows and columns, `buffers` (={self.buffers}) rows, columns, bands"
            )
        if any(not 0 <= shared < length for shared, length in zip(self.buffers, window, strict=True)):
            raise ValueError(
                f"`buffers` (={self.buffers}) must be 0 or more and less than a window, which has {window}"
            )
        check_bands(self.model, self.bands, cube)
        images = [cube] if self.guide is None else [cube, self.guide(cube)]
        images = [_scaled(image, low, span) for image in images]
        number = -(-len(windows(cube.shape, window, self.buffers)) // cube.layout.grid.size)
        with _evaluating(self.model) as network, counted(number, "window") as show:

            def clean(*images: Tensor) -> Tensor:
                result = network(*images)
                show(1)
                return result

            result = map_windows(clean, *images, window=window, overlap=self.buffers)
        result *= span
        result += low
        return result


def check_bands(model: nn.Module, bands: int, cube: DNDarray) -> None:
    """Raise if a network of a fixed number of bands cannot take windows of so many, or of this cube."""
    fixed = getattr(model, "bands", None)
    if fixed is not None and min(bands, cube.shape[2]) != fixed:
        raise ValueError(
            f"this {type(model).__name__} takes windows of {fixed} bands: set `bands` (={bands}) to that, and give it "
            f"cubes of as many or more, not of {cube.shape[2]}"
        )


def _scaled(image: DNDarray, low: DNDarray, span: DNDarray) -> DNDarray:
    scaled = image - low
    scaled /= span
    return scaled


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[Callable[..., Tensor]]:
    """The model, in evaluation, as a function of images (rows, columns, bands)."""
    like = next(model.parameters(), None)
    training = model.training

    def call(*images: Tensor) -> Tensor:
        batches = [image.permute(2, 0, 1).unsqueeze(0).contiguous() for image in images]
        result: Tensor = model(*(batch if like is None else batch.to(like) for batch in batches))
        return result.squeeze(0).permute(1, 2, 0)

    model.eval()
    try:
        with torch.no_grad():
            yield call
    finally:
        model.train(training)
