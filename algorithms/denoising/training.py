"""Training of networks, data-parallel, on clean cubes to which noise is added on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import dndarray as dnd
from dndarray import DNDarray
from dndarray.dealing import deal

from ...nn import SyncBatchNorm
from ...optim import share_weights, sum_gradients
from ..progress import counted
from .denoiser import as_cube
from .inference import check_bands

__all__ = ["train"]

Noise = Callable[..., DNDarray]


def train(
    model: nn.Module,
    cubes: Sequence[Any],
    *,
    steps: int = 12500,
    batch: int = 16,
    crop: int = 256,
    bands: int = 10,
    noise: tuple[float, float] | Noise = (20.0, 30.0),
    guide: Callable[[DNDarray], DNDarray] | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    seed: int = 0,
    callback: Callable[[int], None] | None = None,
) -> list[float]:
    """Train a network to make clean crops of cubes from noisy ones, in place.

    Each step draws a batch of crops from the cubes, at random places, bands, mirrorings and turns; adds noise to them;
    scales each band to [0, 1] by the minimum and maximum of the whole cube and the noisy crop, which is near to what
    `NetworkDenoiser` will do with a noisy cube; and takes a step of Adam on the mean squared error. The learning rate
    is divided by 10 after 80 % of the steps and again after 90 %. So HyDe trains, in as many steps (50 epochs of 250).

    Every process computes its part of each batch. What is drawn is a function of `seed` and the number of the sample,
    gradients are summed, and batch norm looks at the whole batch: the weights do not depend on the number of processes,
    but for rounding.

    Parameters
    ----------
    model : torch.nn.Module
        From (batch, bands, rows, columns) to the same shape, alike on every process; rank 0's weights are begun with.
    cubes : sequence of array_like
        Clean cubes (rows, columns, bands), split in any way.
    steps, batch, crop, bands : int
        Steps, crops in each, and rows (and columns) and bands of a crop.
    noise : pair of float, or callable
        Signal-to-noise ratios in dB between which that of each crop is drawn, for Gaussian noise whose variance is that
        part of the whole cube's mean square. Or a function `noise(crop, seed=seed)`, as `noise.mixed`, of a crop with
        all its bands, an array of this process alone.
    guide : callable, optional
        A method that is applied to the noisy crop with all its bands, for networks that take its result, too.
    learning_rate, weight_decay : float
        Adam's.
    seed : int
    callback : callable, optional
        `callback(step)` is called on every process after each step, the first being 1.

    Returns
    -------
    list of float
        The loss of each step.

    Communication: in each step one exchange of crops if a cube is split, an all-reduce for every 32 MiB of weights, two
    for every batch norm; before the first a broadcast of the weights and a few all-reduces for each cube, after the
    last one for the losses.

    Examples
    --------
    >>> import dndarray as dnd
    >>> network = dnd.nn.denoisers.MemNet3D(channels=2, blocks=1, residuals=1)
    >>> cube = dnd.random.random((16, 16, 12), split=0)
    >>> len(train(network, [cube], steps=2, batch=4, crop=8, bands=4))
    2
    """
    cubes = [as_cube(cube) for cube in cubes]
    _check(model, cubes, steps, batch, crop, bands)
    share_weights(model)
    network = SyncBatchNorm.convert(model).train()
    optimizer = torch.optim.Adam(model.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps * 8 // 10, steps * 9 // 10], gamma=0.1)
    samples = _Samples(cubes, crop, bands, noise, guide, seed)
    like = next(model.parameters())
    losses = []
    with counted(steps, "step") as show:
        for step in range(steps):
            *images, clean = (part.to(like) for part in samples(range(step * batch, (step + 1) * batch)))
            loss = (network(*images) - clean).square().sum() / (batch * bands * crop**2)
            optimizer.zero_grad()
            loss.backward()
            sum_gradients(model.parameters())
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
            show(1)
            if callback is not None:
                callback(step + 1)
    return dnd.array(torch.stack(losses)[None], is_split=0).sum(axis=0).tolist()


def _check(model: nn.Module, cubes: Sequence[DNDarray], steps: int, batch: int, crop: int, bands: int) -> None:
    for name, value in {"steps": steps, "batch": batch, "crop": crop, "bands": bands, "len(cubes)": len(cubes)}.items():
        if value < 1:
            raise ValueError(f"`{name}` (={value}) must be 1 or more")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"this {type(model).__name__} has no weights to train")
    for cube in cubes:
        check_bands(model, bands, cube)
        if min(cube.shape[:2]) < crop or cube.shape[2] < bands:
            raise ValueError(f"a cube of shape {tuple(cube.shape)} has no crop of {crop} x {crop} x {bands}")


class _Draw(NamedTuple):
    """What is drawn for one sample."""

    cube: int
    place: tuple[slice, slice]
    bands: slice
    mirror: list[int]
    turns: int
    snr: float
    seed: int


class _Samples:
    """Crops with noise, each a function of its number."""

    def __init__(
        self,
        cubes: Sequence[DNDarray],
        crop: int,
        bands: int,
        noise: tuple[float, float] | Noise,
        guide: Callable[[DNDarray], DNDarray] | None,
        seed: int,
    ) -> None:
        self.cubes, self.crop, self.bands = cubes, crop, bands
        self.noise, self.guide, self.seed = noise, guide, seed
        self.power = [float(dnd.einsum("rcb,rcb->", x, x)) / x.size for x in cubes]
        self.ranges = [(x.min(axis=(0, 1)).torch(), x.max(axis=(0, 1)).torch()) for x in cubes]
        self.whole = callable(noise) or guide is not None
        """Whether noise or guide look at all bands of a crop."""

    def __call__(self, numbers: Sequence[int]) -> list[Tensor]:
        """This process's part of these samples: noisy crops, what the guide makes of them if there is one, and clean
        ones; (batch, bands, rows, columns)."""
        draws = [self._draw(i) for i in numbers]
        crops = [self.cubes[d.cube][(*d.place, slice(None) if self.whole else d.bands)] for d in draws]
        parts = [self._sample(crop, draws[i]) for i, crop in deal(crops)]
        if not parts:
            kinds = 2 if self.guide is None else 3
            return [torch.empty(0, self.bands, self.crop, self.crop)] * kinds
        return [torch.stack(images) for images in zip(*parts, strict=True)]

    def _draw(self, number: int) -> _Draw:
        draw = np.random.default_rng([self.seed, number])
        cube = int(draw.integers(len(self.cubes)))
        sizes = (self.crop, self.crop, self.bands)
        starts = [int(draw.integers(n - m + 1)) for n, m in zip(self.cubes[cube].shape, sizes, strict=True)]
        rows, columns, bands = (slice(start, start + m) for start, m in zip(starts, sizes, strict=True))
        mirror, turns = [0] * int(draw.integers(2)), int(draw.integers(4))
        low, high = (0, 0) if callable(self.noise) else self.noise
        return _Draw(cube, (rows, columns), bands, mirror, turns, draw.uniform(low, high), int(draw.integers(2**63)))

    def _sample(self, crop: DNDarray, draw: _Draw) -> list[Tensor]:
        """One crop, an array of this process alone: noisy, guide and clean, (bands, rows, columns)."""
        clean = dnd.rot90(dnd.flip(crop, draw.mirror), draw.turns)
        if callable(self.noise):
            noisy = self.noise(clean, seed=draw.seed)
        else:
            generator = torch.Generator(clean.device).manual_seed(draw.seed)
            white = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
            noisy = clean + white * (self.power[draw.cube] / 10 ** (draw.snr / 10)) ** 0.5
        images = [noisy, clean] if self.guide is None else [noisy, self.guide(noisy), clean]
        tensors = [image.larray[..., draw.bands if self.whole else slice(None)].permute(2, 0, 1) for image in images]
        low, high = (t[draw.bands, None, None] for t in self.ranges[draw.cube])
        low = torch.minimum(low, tensors[0].amin((1, 2), keepdim=True))
        high = torch.maximum(high, tensors[0].amax((1, 2), keepdim=True))
        scale = torch.where(high > low, high - low, 1)
        return [(tensor - low) / scale for tensor in tensors]
