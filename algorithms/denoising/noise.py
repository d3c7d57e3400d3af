"""Noise of many kinds for clean cubes. The same seed gives the same noise on any number of processes and any split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.manipulation import in_layout
from dndarray.random import Generator

from .denoiser import as_cube

__all__ = ["blind", "deadlines", "gaussian", "impulse", "mixed", "noniid", "poisson", "stripes"]


def gaussian(cube: Any, snr: float, *, seed: int | None = None) -> DNDarray:
    """The cube with white Gaussian noise of a signal-to-noise ratio of `snr` dB, alike in all bands.

    Its variance is the cube's mean square divided by 10^(snr/10). Communication: two all-reduces (with `as_cube`'s).

    >>> import dndarray as dnd
    >>> noisy = gaussian(dnd.ones((50, 50, 4), split=0), 20, seed=0)
    >>> round(noisy.std().item(), 2)
    0.1
    """
    cube = as_cube(cube)
    return _white(cube, _level(cube, snr), Generator(seed))


def noniid(cube: Any, low: float = 10 / 255, high: float = 70 / 255, *, seed: int | None = None) -> DNDarray:
    """The cube with Gaussian noise whose standard deviation is drawn for each band, from [low, high)."""
    cube = as_cube(cube)
    if low < 0:
        raise ValueError(f"`low` (={low}), a standard deviation, must be 0 or more")
    draw = Generator(seed)
    return _white(cube, draw.uniform(low, high, cube.shape[2], **_beside(cube)), draw)


def blind(cube: Any, low: float = 20, high: float = 30, *, seed: int | None = None) -> DNDarray:
    """The cube with white Gaussian noise of a signal-to-noise ratio that is drawn from [low, high) dB."""
    cube = as_cube(cube)
    draw = Generator(seed)
    return _white(cube, _level(cube, float(draw.uniform(low, high, **_beside(cube)))), draw)


def poisson(cube: Any, snr: float, *, seed: int | None = None) -> DNDarray:
    """The cube as counted photons show it: Poisson(a x) / a for each element x, for `snr` dB in all.

    The noise of an element has the variance x / a, so a is 10^(snr/10) times the mean over the mean square.
    Communication: four all-reduces, two of them to check the cube.
    """
    cube = as_cube(cube)
    if (cube < 0).any():
        raise ValueError("no number of photons is negative: a cube with Poisson noise must be 0 or more everywhere")
    total, squares = dnd.sum_blocks(_sums, cube)
    gain = float(total / squares) * _times(snr) if float(squares) else 1.0
    draw: Any = Generator(seed)  # has methods from a table
    counts = draw.poisson(gain * cube, dtype=cube.dtype)
    return in_layout(counts, cube.layout) / gain


def impulse(
    cube: Any, fractions: Sequence[float] = (0.1, 0.3, 0.5, 0.7), *, bands: float = 1 / 3, seed: int | None = None
) -> DNDarray:
    """The cube with salt and pepper: pixels of some bands show the band's maximum or minimum.

    Parameters
    ----------
    cube : array_like
    fractions : sequence of float
        From these it is drawn for each band that is hit which fraction of its pixels is; half of them become salt.
    bands : float
        The fraction of all bands that is hit, drawn at random.
    seed : int, optional

    Communication: three all-reduces.
    """
    cube = as_cube(cube)
    if not fractions or not all(0 <= fraction <= 1 for fraction in fractions):
        raise ValueError(f"`fractions` (={tuple(fractions)}) must be one or more numbers from 0 to 1")
    draw = Generator(seed)
    hit = _some_bands(cube, bands, draw)
    choice = draw.integers(0, len(fractions), cube.shape[2], comm=cube.comm).numpy()
    fraction = hit * np.asarray(fractions, dtype=np.float64)[choice]
    drawn = _spread(draw.random, cube, dtype=dnd.float64)
    noisy = dnd.where(drawn < fraction / 2, cube.max(axis=(0, 1)), cube)
    return dnd.where((drawn >= fraction / 2) & (drawn < fraction), cube.min(axis=(0, 1)), noisy)


def stripes(
    cube: Any,
    amplitude: float = 0.25,
    *,
    columns: tuple[float, float] = (0.05, 0.15),
    bands: float = 1 / 3,
    seed: int | None = None,
) -> DNDarray:
    """The cube with stripes: to columns of some bands a constant is added, drawn from [-amplitude, amplitude).

    Parameters
    ----------
    cube : array_like
        The default amplitude is for values in [0, 1].
    amplitude : float
    columns : pair of float
        From between these it is drawn for each band that is hit which fraction of its columns is.
    bands : float
        The fraction of all bands that is hit, drawn at random.
    seed : int, optional

    Communication: one all-reduce, to check the cube.
    """
    cube = as_cube(cube)
    draw = Generator(seed)
    hit = _some_columns(cube, columns, bands, draw)
    offsets = hit * draw.uniform(-amplitude, amplitude, hit.shape, **_beside(cube))
    return cube + offsets.astype(cube.dtype)


def deadlines(
    cube: Any, *, columns: tuple[float, float] = (0.05, 0.15), bands: float = 1 / 3, seed: int | None = None
) -> DNDarray:
    """The cube with dead lines: columns of some bands are 0. The parameters are those of `stripes`."""
    cube = as_cube(cube)
    return dnd.where(_some_columns(cube, columns, bands, Generator(seed)), 0, cube)


KINDS: dict[str, Callable[..., DNDarray]] = {
    "noniid": noniid,
    "stripes": stripes,
    "deadlines": deadlines,
    "impulse": impulse,
}
"""What `mixed` takes, each with its defaults, in the order in which it comes over a cube."""


def mixed(
    cube: Any, kinds: Sequence[str] = ("noniid", "stripes", "deadlines", "impulse"), *, seed: int | None = None
) -> DNDarray:
    """The cube with several kinds of noise, each on bands of its own choice, with its defaults.

    They come in this order: Gaussian noise of another level for each band, stripes, dead lines, impulses.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"`kinds` (={tuple(kinds)}) must be some of {', '.join(KINDS)}")
    seeds = Generator(seed).integers(0, 2**63, len(KINDS)).tolist()
    for (kind, add), own in zip(KINDS.items(), seeds, strict=True):
        if kind in kinds:
            cube = add(cube, seed=own)
    return as_cube(cube)


def _sums(block: DNDarray) -> tuple[DNDarray, DNDarray]:
    block = block.astype(dnd.float64)
    return block.sum(), (block * block).sum()


def _level(cube: DNDarray, snr: float) -> float:
    """The standard deviation of noise of so many dB."""
    _, squares = dnd.sum_blocks(_sums, cube)
    return (float(squares / cube.size) / _times(snr)) ** 0.5


def _times(snr: float) -> float:
    """How many times the power of the noise the signal's is."""
    if not -np.inf < snr < np.inf:
        raise ValueError(f"`snr` (={snr}) must be a finite number of dB")
    return 10 ** (snr / 10)


def _spread(draw: Callable[..., DNDarray], cube: DNDarray, **options: Any) -> DNDarray:
    """An array of random numbers of the shape and layout of the cube."""
    place = {"split": cube.layout.split, "grid": cube.layout.grid, "comm": cube.comm, "device": cube.device}
    return in_layout(draw(size=cube.shape, **options, **place), cube.layout)


def _beside(cube: DNDarray) -> dict[str, Any]:
    """Where, and in which type, the numbers are that all processes have."""
    return {"dtype": dnd.float64, "comm": cube.comm, "device": cube.device}


def _white(cube: DNDarray, sigma: float | DNDarray, draw: Generator) -> DNDarray:
    noise = _spread(draw.normal, cube, dtype=cube.dtype)
    return cube + noise * (sigma.astype(cube.dtype) if isinstance(sigma, DNDarray) else sigma)


def _some_bands(cube: DNDarray, fraction: float, draw: Generator) -> DNDarray:
    """Which bands are hit: a random choice, at least one."""
    if not 0 < fraction <= 1:
        raise ValueError(f"`bands` (={fraction}) must be a fraction of the bands, above 0 and at most 1")
    n = cube.shape[2]
    return draw.permutation(n, comm=cube.comm, device=cube.device) < max(1, round(fraction * n))


def _some_columns(cube: DNDarray, columns: tuple[float, float], bands: float, draw: Generator) -> DNDarray:
    """Which columns of which bands are hit, (columns, bands)."""
    low, high = columns
    if not 0 <= low <= high <= 1:
        raise ValueError(f"`columns` (={columns}) must be two fractions of the columns, the lower one first")
    _, n, p = cube.shape
    fraction = _some_bands(cube, bands, draw) * draw.uniform(low, high, p, **_beside(cube))
    order = dnd.argsort(dnd.argsort(draw.random((n, p), **_beside(cube)), axis=0), axis=0)
    return order < dnd.round(fraction * n)
