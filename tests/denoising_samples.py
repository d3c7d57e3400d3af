"""Hyperspectral cubes for the tests of denoising, real ones where their files lie at hand, and layouts for them."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import dndarray as dnd
from dndarray.layout import Grid, Layout

_CHECKOUT = Path(__file__).parents[1]
_FOLDERS = [_CHECKOUT / "shared/data/hsi", _CHECKOUT.parent / "shared/data/hsi"]


def _read(name: str) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file; without the file the test is skipped."""
    for folder in _FOLDERS:
        if (folder / name).exists():
            return scipy.io.loadmat(folder / name)
    pytest.skip(f"{name} lies neither in {_FOLDERS[0]} nor in {_FOLDERS[1]}")


@functools.cache
def samson() -> np.ndarray:
    """The Samson scene, 95 x 95 pixels of 156 bands, float64 in [0, 1]. Real, hence not free of noise."""
    return _frozen(_read("samson_Y_clean.mat")["Y_clean"])


@functools.cache
def wdc(crop: int) -> np.ndarray:
    """The first `crop` x `crop` pixels of Washington DC Mall, of 191 bands, made of 6 endmembers: of rank 6 exactly."""
    abundances, endmembers = _read("wdc/A_true.mat")["A_true"], _read("wdc/E.mat")["E"]
    return _frozen(abundances[:crop, :crop] @ endmembers.T)


@functools.cache
def indian() -> np.ndarray:
    """A simulated Indian Pines scene, 145 x 145 pixels of 224 bands, float64."""
    return _frozen(_read("simu_indian.mat")["Ori_H"])


@functools.cache
def sandiego() -> np.ndarray:
    """An airfield at San Diego, 100 x 100 pixels of 189 bands, float64; real, hence not free of noise."""
    return _frozen(_read("sandiego_plane.mat")["data"])


@functools.cache
def synthetic(rows: int, cols: int, bands: int, rank: int, seed: int = 0) -> np.ndarray:
    """A clean cube of rank `rank`, float64 in [0, 1]: smooth spectra, of which smooth maps with edges say how much."""
    draw = np.random.default_rng(seed)
    r, c = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, cols), indexing="ij")
    angle, frequency, phase = draw.uniform(0, 2 * np.pi, rank), draw.uniform(2, 9, rank), draw.uniform(0, 6, rank)
    along = r[..., None] * np.cos(angle) + c[..., None] * np.sin(angle)
    waves = np.sin(frequency * along + phase)
    maps = 1.2 + waves + 0.8 * (waves > 0.3)
    band = np.linspace(0, 1, bands)[:, None]
    spectra = 0.1 + np.exp(-(((band - draw.uniform(0, 1, rank)) / draw.uniform(0.08, 0.3, rank)) ** 2))
    cube = maps @ spectra.T
    return _frozen(cube / cube.max())


def cube_layouts(shape: tuple[int, ...]) -> list[Layout]:
    """How a cube may be dealt out among the processes of the run: over any axis, over two, unbalanced, not at all."""
    size = dnd.get_comm().size
    line, plane = Grid(size), Grid.squarest(size, 2)
    unbalanced = [shape[0] - (size - 1), *[1] * (size - 1)] if size > 1 else [shape[0]]
    return [
        Layout(shape, line),
        *(Layout(shape, line, split) for split in (0, 1, 2)),
        Layout(shape, line, 0, [unbalanced]),
        Layout(shape, line, 0, [[*[0] * (size - 1), shape[0]]]),
        *(Layout(shape, plane, split) for split in ((0, 1), (1, None), (1, 0))),
    ]


def _frozen(cube: np.ndarray) -> np.ndarray:
    """Contiguous, and not to be written to: several tests share it."""
    cube = np.ascontiguousarray(cube, dtype=np.float64)
    cube.flags.writeable = False
    return cube
