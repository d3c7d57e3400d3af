"""Block-matching and 3-D filtering: patches that are alike are stacked, and denoised together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import hardshrink

import dndarray as dnd
from dndarray import DNDarray

from .images import as_images, own_images
from .patches import Coefficients, Neighbours, assemble, biorthogonal, cosines

__all__ = ["bm3d"]

_TILE = 192
"""How many pixels along each axis are worked on at a time: 60 000 patches with the margins, of 64 numbers."""

_ROWS = 6
"""How many rows of references there are whose groups are filtered together."""

_HIGH = 40 / 255
"""From how much noise on, of a range of 1, the first step takes larger patches and compares them without noise."""

_FADE = 2.0
"""The parameter of the Kaiser window by which patches fade."""


class _Step(NamedTuple):
    """How one of the two steps works, the first of which knows no better image than the noisy one."""

    size: int
    """Pixels along a side of a patch."""
    stride: int
    """How far apart the reference patches are."""
    most: int
    """Patches in a group."""
    transform: Callable[[int], Tensor]
    """Of a patch."""
    limit: float
    """Mean square of the difference up to which patches are alike, in an image of range 1."""
    cut: float = 0.0
    """Coefficients of groups below this many standard deviations are noise."""
    compare: float = 0.0
    """Coefficients of patches below this many standard deviations do not count in comparisons."""


_LOW_NOISE = _Step(8, 3, 16, biorthogonal, 3000 / 255**2, cut=2.7)
_HIGH_NOISE = _Step(12, 4, 16, cosines, 5000 / 255**2, cut=2.8, compare=2.0)
_WIENER = _Step(8, 3, 32, cosines, 400 / 255**2)


def bm3d(images: Any, sigma: Any, *, data_range: float | None = None, search: int = 19) -> DNDarray:
    """Denoise grey images by BM3D (K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, 2007), its "normal profile".

    For each of the reference patches, which lie on a grid, the patches most like it are found among those around it.
    The stack of them is transformed: each patch by a biorthogonal wavelet, in the second step by cosines, and along the
    stack by Haar's wavelet. Small coefficients are set to 0, and the patches are put back, with weights by how few
    coefficients they needed. In the second step the image that results says which patches are alike, and the gains of a
    Wiener filter for the noisy ones.

    Parameters
    ----------
    images : array_like
        Of shape (rows, columns) or (rows, columns, images), split in any way.
    sigma : float or one for each image
        Standard deviation of white noise. Where it is 0 the image stays as it is.
    data_range : float, optional
        What stands for the 255 of the paper; by default for each image the difference of its extreme values.
    search : int
        How many rows and columns away patches are looked for.

    A constant added to an image is added to the result: means of groups are not filtered. Above a `sigma` of 40/255 of
    the range, patches of the first step have 12 x 12 pixels instead of 8 x 8.

    Communication: two all-reduces for the range, and for each of the first two axes that is split four all-to-alls of
    halos of `search` + 11 pixels at most: in each step the images before, and the sums of what overlaps after it.
    Memory: four numbers of float64 for each pixel, and 150 MB. The result is the same for any layout.

    >>> bm3d(dnd.full((16, 20), 3.0, split=0), 0.5).tolist()[4][3]
    3.0
    """
    x, levels = as_images(images, sigma)
    if search < 1:
        raise ValueError(f"`search` (={search}) must be 1 or more")
    x = x.detach()
    stack = x if x.ndim == 3 else x[..., None]
    if data_range is None:
        spans = (stack.max(axis=(0, 1)) - stack.min(axis=(0, 1))).numpy().astype(np.float64)
    elif data_range > 0:
        spans = np.full(stack.shape[2], float(data_range))
    else:
        raise ValueError(f"`data_range` (={data_range}) must be positive")
    spans = np.where(spans > 0, spans, 1.0)
    first = [_HIGH_NOISE if level > _HIGH else _LOW_NOISE for level in levels / spans]
    largest = max(step.size for step in [*first, _WIENER])
    if min(stack.shape[:2]) < largest:
        raise ValueError(f"images of {stack.shape[:2]} pixels are smaller than the patches, {largest} x {largest}")
    noise = [
        _Noise(level, span, step) for level, span, step in zip(levels.tolist(), spans.tolist(), first, strict=True)
    ]
    noise = own_images(x, noise)
    basic = _estimate(stack[..., None], noise, search)
    final = _estimate(dnd.stack([stack, basic], axis=-1), [n._replace(step=_WIENER) for n in noise], search)
    return final if x.ndim == 3 else final[..., 0]


class _Noise(NamedTuple):
    """An image's noise, and how it is to be removed."""

    sigma: float
    span: float
    step: _Step


def _estimate(images: DNDarray, noise: list[_Noise], search: int) -> DNDarray:
    """One step: of (rows, columns, images, 1) noisy ones, or 2 with what is known of them; (rows, columns, images)."""
    largest = max((n.step.size for n in noise), default=1)
    reach = [(search, search + largest - 1)] * 2
    box = images.layout.box(images.comm.rank)

    def add_up(extended: Tensor) -> Tensor:
        sums = extended.new_zeros((*extended.shape[:3], 2), dtype=torch.float64)
        for k, one in enumerate(noise):
            if one.sigma:
                _denoise(extended[:, :, k], sums[:, :, k], one, search, images.shape[:2], box[:2])
            else:
                rows, columns = (slice(search, search + stop - start) for start, stop in box[:2])
                sums[rows, columns, k, 0] = extended[rows, columns, k, 0].double()
                sums[rows, columns, k, 1] = 1
        return sums if extended.shape[3] == 2 else sums[..., None, :]

    sums = dnd.overlap_add(images, add_up, reach, "mirror", axes=(0, 1))
    sums = sums if sums.ndim == 4 else sums[..., 0, :]
    return (sums[..., 0] / sums[..., 1]).astype(images.dtype)


def _denoise(image: Tensor, sums: Tensor, noise: _Noise, search: int, shape: tuple[int, ...], box: Any) -> None:
    """Add what the references of this process's part give to the sums, tile by tile.

    `image` and `sums` begin `search` rows and columns before the part, `box`, of an image of `shape`.
    """
    size, stride = noise.step.size, noise.step.stride
    # The last references of the grid may reach a bit beyond the ends, where the image is mirrored.
    last = [-(-(n - size) // stride) * stride for n in shape]
    grids = [
        range(-(-start // stride) * stride, min(stop, end + 1), stride)
        for (start, stop), end in zip(box, last, strict=True)
    ]
    step = _TILE // stride
    for i in range(0, len(grids[0]), step):
        for j in range(0, len(grids[1]), step):
            references = grids[0][i : i + step], grids[1][j : j + step]
            place, allowed = [], []
            for own, end, (start, _) in zip(references, last, box, strict=True):
                length = own[-1] - own[0] + 2 * search + size
                place.append(slice(own[0] - start, own[0] - start + length))
                at = torch.arange(own[0] - search, own[0] - search + length - size + 1)
                allowed.append((at >= 0) & (at <= end))
            local = tuple(range(search, search + own[-1] - own[0] + 1, stride) for own in references)
            where = (allowed[0][:, None] & allowed[1]).to(image.device)
            sums[place[0], place[1]] += _denoise_tile(image[place[0], place[1]], where, local, noise, search)


def _denoise_tile(image: Tensor, allowed: Tensor, references: Any, noise: _Noise, search: int) -> Tensor:
    """The weighted sums of patches and the sums of weights, (rows, columns, 2), that some references give."""
    step, sigma = noise.step, noise.sigma
    transform = step.transform(step.size).to(image.device)
    # In float64, so that no choice depends on where the references lie among others.
    noisy, *better = (Coefficients.of(plane.double(), step.size, transform) for plane in image.unbind(-1))
    guide = better[0] if better else noisy
    compared = guide
    if step.compare:
        strong = hardshrink(guide.values, step.compare * sigma)
        strong[:, 0] = guide.values[:, 0]
        compared = guide._replace(values=strong)
    limit = step.limit * noise.span**2 * step.size**2
    planes = [c.values.to(image.dtype) for c in (noisy, *better)]
    totals, weights = torch.zeros_like(noisy.values), noisy.values.new_zeros(len(noisy.values))
    neighbours = Neighbours(compared, allowed, search)
    rows, columns = references
    for i in range(0, len(rows), _ROWS):
        positions, counts = neighbours.of((rows[i : i + _ROWS], columns), step.most, limit)
        powers = 2 ** torch.log2(counts.double()).floor().long()
        for n in powers.unique().tolist():
            members = positions[powers == n][:, :n].t().contiguous()
            groups = tuple(p.index_select(0, members.view(-1)).view(n, -1, p.shape[1]) for p in planes)
            filtered, weight = _wiener(groups, sigma) if better else _shrink(groups, step.cut * sigma)
            filtered *= weight[None, :, None]
            totals.index_add_(0, members.view(-1), filtered.view(-1, filtered.shape[2]).double())
            weights.index_add_(0, members.view(-1), weight.double().expand(n, -1).reshape(-1))
    window = torch.kaiser_window(step.size, periodic=False, beta=_FADE, dtype=torch.float64, device=image.device)
    return assemble(noisy._replace(values=totals), weights, transform, window[:, None] * window)


def _shrink(groups: tuple[Tensor, ...], threshold: float) -> tuple[Tensor, Tensor]:
    """Noisy groups without their small coefficients, and the weight of each: 1 over how many it kept."""
    kept = torch.zeros(groups[0].shape[1], dtype=torch.int64, device=groups[0].device)

    def cut(parts: tuple[Tensor, ...], mean: bool) -> Tensor:
        nonlocal kept
        shrunk = hardshrink(parts[0], threshold)
        if mean:
            shrunk[..., 0] = parts[0][..., 0]
        kept = kept + torch.count_nonzero(shrunk, (0, 2))
        return shrunk

    return _filtered(groups, cut), 1 / kept.clamp(min=1).to(groups[0].dtype)


def _wiener(groups: tuple[Tensor, ...], sigma: float) -> tuple[Tensor, Tensor]:
    """Noisy groups times the gains that known ones say, and the weight of each: 1 over the power of its gains."""
    power = groups[0].new_zeros(groups[0].shape[1])

    def gain(parts: tuple[Tensor, ...], mean: bool) -> Tensor:
        nonlocal power
        noisy, known = parts
        squares = known * known
        gains = squares / (squares + sigma * sigma)
        if mean:
            gains[..., 0] = 1
        power = power + (gains * gains).sum((0, 2))
        return gains.mul_(noisy)

    return _filtered(groups, gain), 1 / power


_HALF = math.sqrt(0.5)


def _filtered(groups: tuple[Tensor, ...], keep: Callable[[tuple[Tensor, ...], bool], Tensor]) -> Tensor:
    """`keep` applied to the coefficients of Haar's transform along the first axis, and transformed back."""
    if len(groups[0]) == 1:
        return keep(groups, True)
    sums = tuple((g[0::2] + g[1::2]) * _HALF for g in groups)
    detail = keep(tuple((g[0::2] - g[1::2]) * _HALF for g in groups), False)
    mean = _filtered(sums, keep)
    result = torch.empty_like(groups[0])
    torch.add(mean, detail, out=result[0::2])
    torch.sub(mean, detail, out=result[1::2])
    return result.mul_(_HALF)
