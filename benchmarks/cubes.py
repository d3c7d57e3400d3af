"""Hyperspectral cubes of any size, made from a real one where a file of it is at hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import dndarray as dnd


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cube", type=Path, metavar="FILE", help="a real cube to make larger ones of; else synthetic")
    parser.add_argument("--dataset", help="name of the array in that file")


def seed_cube(path: Path | None, dataset: str | None) -> np.ndarray:
    """A small cube (rows, columns, bands) of float32 in [0, 1]."""
    cube = _synthetic() if path is None else dnd.io.load(path, dataset).numpy()
    cube = cube.astype(np.float32)
    return (cube - cube.min()) / (cube.max() - cube.min())


def _synthetic() -> np.ndarray:
    """Smooth spectra of six materials, mixed in patches with edges."""
    draw = np.random.default_rng(0)
    row, column = np.meshgrid(*[np.linspace(0, 1, 96)] * 2, indexing="ij")
    angle, frequency, phase = draw.uniform(0, 2 * np.pi, 6), draw.uniform(2, 9, 6), draw.uniform(0, 6, 6)
    waves = np.sin(frequency * (row[..., None] * np.cos(angle) + column[..., None] * np.sin(angle)) + phase)
    band = np.linspace(0, 1, 150)[:, None]
    spectra = 0.1 + np.exp(-(((band - draw.uniform(0, 1, 6)) / draw.uniform(0.08, 0.3, 6)) ** 2))
    return (1.2 + waves + 0.8 * (waves > 0.3)) @ spectra.T


def enlarged(cube: np.ndarray, rows: range, columns: int, bands: int) -> np.ndarray:
    """Some rows of a larger cube: mirror images of the small one side by side, its spectra resampled."""
    at = np.linspace(0, cube.shape[2] - 1, bands)
    low = np.minimum(at.astype(int), cube.shape[2] - 2)
    share = (at - low).astype(np.float32)
    cube = cube[..., low] * (1 - share) + cube[..., low + 1] * share
    return cube[_mirrored(rows, cube.shape[0])][:, _mirrored(range(columns), cube.shape[1])]


def _mirrored(indices: range, n: int) -> np.ndarray:
    within = np.asarray(indices) % (2 * n)
    return np.minimum(within, 2 * n - 1 - within)
