"""Cubes as pictures, by matplotlib. Rank 0 draws, and gives the axes or the figure; the others give None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray
from dndarray.optional import require

from .denoiser import as_cube, as_pair

__all__ = ["before_after", "false_color", "residuals", "spectra"]

PIXELS = 1024
"""Images show at most so many pixels along each axis, of larger cubes every second one, every third one, ..."""


def false_color(
    cube: Any,
    bands: Sequence[int] | None = None,
    *,
    wavelengths: Any = None,
    limits: np.ndarray | None = None,
    ax: Any = None,
) -> Any:
    """Three bands of a cube as red, green and blue.

    Parameters
    ----------
    cube : array_like
        Of shape (rows, columns, bands), split in any way.
    bands : three of int, optional
        Which ones. By default those in the middle of the upper, middle and lower third of all wavelengths.
    wavelengths : array_like, optional
        That of each band; by default bands are at equal distances.
    limits : array of shape (3, 2), optional
        Which values of each band are dark and bright: as `color_limits` has them, so that cubes can be compared; by
        default percentiles 2 and 98 of this one.
    ax : matplotlib.axes.Axes, optional

    Communication: a gather of the pixels that are shown.
    """
    cube = as_cube(cube, finite=False)
    image = _image(cube, _three(cube, bands, wavelengths))
    limits = color_limits(image) if limits is None else limits
    if cube.comm.rank > 0:
        return None
    return _show(_axes(ax), _stretched(image, limits), cube)


def residuals(cube: Any, other: Any, *, limit: float | None = None, ax: Any = None) -> Any:
    """How far two cubes are apart at each pixel: the root mean square over the bands.

    `limit` is the brightest value, by default percentile 98. Communication: a gather of the pixels that are shown.
    """
    cube, other = as_pair(cube, other)
    apart = _thinned(cube) - _thinned(other)
    image = dnd.sqrt(dnd.einsum("rcb,rcb->rc", apart, apart) / cube.shape[2]).detach().numpy()
    if cube.comm.rank > 0:
        return None
    ax = _axes(ax)
    limit = float(np.nanpercentile(image, 98)) if limit is None else limit
    _show(ax, image, cube, cmap="magma", vmin=0, vmax=limit or 1.0)
    ax.figure.colorbar(ax.images[-1], ax=ax, label="RMS over bands", location="bottom", shrink=0.8)
    return ax


def spectra(
    cubes: Mapping[str, Any],
    pixels: Sequence[tuple[int, int]] | None = None,
    *,
    wavelengths: Any = None,
    ax: Any = None,
) -> Any:
    """The spectra of some pixels, of one cube or of several by their names.

    Parameters
    ----------
    cubes : mapping of str to array_like
        Cubes of one shape: the first one is drawn pale, the others above it.
    pixels : sequence of (row, column), optional
        By default the middle of the image, and the middles of two of its quarters.
    wavelengths : array_like, optional
    ax : matplotlib.axes.Axes, optional

    Communication: a gather of these spectra.
    """
    arrays = {name: as_cube(cube, finite=False) for name, cube in cubes.items()}
    first = next(iter(arrays.values()))
    chosen = _chosen(first.shape, pixels)
    rows, columns = np.array(chosen).T
    lines = {name: cube[rows, columns].detach().numpy() for name, cube in arrays.items()}
    if first.comm.rank > 0:
        return None
    ax = _axes(ax)
    x = np.arange(first.shape[2]) if wavelengths is None else np.asarray(wavelengths)
    for k, (name, values) in enumerate(lines.items()):
        for i, spectrum in enumerate(values):
            pale = k == 0 and len(lines) > 1
            style = {"alpha": 0.35, "linewidth": 0.8} if pale else {"linestyle": ("-", "--", ":")[(k - 1) % 3]}
            ax.plot(x, spectrum, color=f"C{i}", label=f"{name}, pixel {chosen[i]}", **style)
    ax.set_xlabel("band" if wavelengths is None else "wavelength")
    ax.legend(fontsize="x-small", ncols=len(lines))
    return ax


def before_after(
    before: Any,
    after: Any,
    *,
    reference: Any = None,
    bands: Sequence[int] | None = None,
    wavelengths: Any = None,
    pixels: Sequence[tuple[int, int]] | None = None,
) -> Any:
    """One figure of what a method did: false colours, spectra of some pixels, and what is left over.

    The map is of what was taken away, the difference of the two cubes. With a `reference` there are two maps, of the
    errors before and after, both of one scale.

    Communication: gathers of the pixels that are shown, at most 1024 x 1024 for each image.
    """
    cubes = {"before": as_cube(before, finite=False), "after": as_cube(after, finite=False)}
    names = ["before", "after", "taken away"]
    if reference is not None:
        cubes["reference"] = as_cube(reference, finite=False)
        names = ["before", "after", "error before", "error after"]
    figure, axes = _mosaic(names) if cubes["before"].comm.rank == 0 else (None, dict.fromkeys([*names, "spectra"]))
    three = _three(cubes["before"], bands, wavelengths)
    limits = color_limits(_image(cubes["after" if reference is None else "reference"], three))
    for name in ("before", "after"):
        false_color(cubes[name], three, limits=limits, ax=axes[name])
    if reference is None:
        residuals(cubes["before"], cubes["after"], ax=axes["taken away"])
    else:
        drawn = residuals(cubes["before"], cubes["reference"], ax=axes["error before"])
        limit = None if drawn is None else drawn.images[0].get_clim()[1]
        residuals(cubes["after"], cubes["reference"], limit=limit, ax=axes["error after"])
    spectra(cubes, pixels, wavelengths=wavelengths, ax=axes["spectra"])
    return figure


def _mosaic(names: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """A figure with images side by side, and below them axes for spectra."""
    figure = require("matplotlib.pyplot", "denoising").figure(figsize=(3.2 * len(names), 5.6), layout="constrained")
    axes = figure.subplot_mosaic([list(names), ["spectra"] * len(names)], height_ratios=[3, 2])
    for name in names:
        axes[name].set_title(name, loc="left")
    return figure, axes


# --- what is shown ----------------------------------------------------------------------------------------------------


def color_limits(image: np.ndarray) -> np.ndarray:
    """Percentiles 2 and 98 of the bands of an image, of shape (bands, 2)."""
    return np.nanpercentile(image, (2, 98), axis=(0, 1)).T


def _three(cube: DNDarray, bands: Sequence[int] | None, wavelengths: Any) -> list[int]:
    """The bands for red, green and blue."""
    p = cube.shape[2]
    if bands is not None:
        chosen = [int(band) for band in bands]
        if len(chosen) != 3 or not all(-p <= band < p for band in chosen):
            raise ValueError(f"`bands` (={chosen}) must be three of the {p} bands")
        return chosen
    at = np.arange(p) if wavelengths is None else np.asarray(wavelengths, float)
    if at.shape != (p,):
        raise ValueError(f"`wavelengths` of shape {at.shape} must be one number for each of {p} bands")
    middles = at.min() + (at.max() - at.min()) * np.array([5, 3, 1]) / 6
    return abs(at - middles[:, None]).argmin(axis=1).tolist()


def _chosen(shape: Sequence[int], pixels: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
    rows, columns, _ = shape
    if pixels is None:
        thirds = [(rows // 2, columns // 2), (rows // 4, columns // 4), (3 * rows // 4, 3 * columns // 4)]
        return list(dict.fromkeys(thirds))
    chosen = [(int(row), int(column)) for row, column in pixels]
    if not chosen or not all(0 <= row < rows and 0 <= column < columns for row, column in chosen):
        raise ValueError(f"`pixels` (={chosen}) must be pairs of a row and a column of {rows} x {columns} pixels")
    return chosen


def _thinned(cube: DNDarray) -> DNDarray:
    """Not too many of the pixels."""
    rows, columns = (-(-n // PIXELS) for n in cube.shape[:2])
    return cube[::rows, ::columns]


def _image(cube: DNDarray, bands: Sequence[int]) -> np.ndarray:
    """What is shown of some bands, (rows, columns, bands), on every process."""
    return dnd.stack([_thinned(cube)[:, :, band] for band in bands], axis=-1).detach().numpy()


def _stretched(image: np.ndarray, limits: np.ndarray) -> np.ndarray:
    low, high = np.asarray(limits, float).T
    return np.clip(np.nan_to_num((image - low) / np.where(high > low, high - low, 1)), 0, 1)


def _show(ax: Any, image: np.ndarray, cube: DNDarray, **options: Any) -> Any:
    rows, columns, _ = cube.shape
    ax.imshow(image, extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), interpolation="nearest", **options)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _axes(ax: Any) -> Any:
    return require("matplotlib.pyplot", "denoising").subplots(layout="constrained")[1] if ax is None else ax
