"""Denoising of cubes that are larger than memory, from file to file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import dndarray as dnd
from dndarray import DNDarray
from dndarray.dealing import Window, windows

from ... import io
from .batches import Batches
from .denoiser import as_cube
from .fasthyde import DENOISERS, FastHyDe
from .inference import NetworkDenoiser

__all__ = ["denoise_file"]


def denoise_file(
    source: Any,
    target: str | os.PathLike[str],
    denoiser: FastHyDe | NetworkDenoiser | None = None,
    *,
    dataset: str | None = None,
    rows: int = 64,
    comm: Any = None,
    **options: Any,
) -> FastHyDe | NetworkDenoiser:
    """Denoise a cube in a file into another file, batch by batch of its rows. The result is that of `denoiser(cube)`,
    but that constant bands are not left out, which would take another reading.

    What `FastHyDe` asks of a cube are sums over its pixels, and products with a basis. So the file is read twice (with
    `noise="poisson"` five times), batch by batch of its rows, the next one while one is worked on: for the Gram matrix,
    and for the images of the components, which are denoised as a whole. The cube that they give is written batch by
    batch. A `NetworkDenoiser` takes the extremes of the bands from a first reading, and some rows of windows at a time
    from a second one.

    Parameters
    ----------
    source : path-like, or many as one
        A file of any format that `dnd.io.stream` reads, with an array (rows, columns, bands).
    target : path-like
        `.h5`, `.hdf5`, `.nc`, `.nc4` or `.zarr`. The file appears when it is complete.
    denoiser : FastHyDe or NetworkDenoiser, optional
        By default `FastHyDe()`. A network must have no guide.
    dataset : str, optional
        Name of the array in both files; may be left out where the source has one only.
    rows : int
        Of a batch, on all processes together; of networks a window's, if that has more.
    comm : optional
        The processes; all by default.
    **options
        To `dnd.io.save_batches`.

    Returns
    -------
    FastHyDe or NetworkDenoiser
        The denoiser, with what it has learnt.

    Memory: three batches; with `FastHyDe`, of every pixel what the denoiser of images takes: 2 numbers for each
    component, or 3.
    Communication: for each batch that of `dnd.io.stream`, and one or two all-reduces; one all-to-all of the images
    to bring them into order; that of the denoiser; that of `dnd.io.save_batches`.

    Examples
    --------
    >>> denoise_file("scene.h5", "clean.h5", FastHyDe(rank=8, denoiser="nlm"))  # doctest: +SKIP
    """
    denoiser = FastHyDe() if denoiser is None else denoiser
    if not isinstance(denoiser, NetworkDenoiser) and type(denoiser) is not FastHyDe:
        raise TypeError(f"`FastHyDe` and `NetworkDenoiser` work through a file, not {type(denoiser).__name__}")
    denoiser._validate_params()
    stream = io.stream(source, rows, dataset, comm=comm)
    if len(stream.shape) != 3 or 0 in stream.shape:
        raise ValueError(f"{source} has an array of shape {stream.shape}, not a cube (rows, columns, bands)")
    cube = Batches(stream, stream.shape)
    if isinstance(denoiser, FastHyDe):
        clean = _by_components(denoiser, cube, rows)
    else:
        clean = _by_windows(
            denoiser, cube, rows, lambda part: io.load(source, dataset, slices=part, split=0, comm=stream.comm)
        )
    io.save_batches(clean, target, dataset, **options)
    return denoiser


def _by_components(denoiser: FastHyDe, cube: Batches, rows: int) -> Iterator[DNDarray]:
    """The clean cube, batch by batch, of which all processes compute their share."""
    levels = denoiser._learn(denoiser._statistics(cube))
    images = dnd.concatenate([denoiser._images(batch) for batch in cube])
    images = DENOISERS[denoiser.denoiser](images, levels)
    for start in range(0, len(images), rows):
        yield denoiser._restored(dnd.balance(images[start : start + rows]))


def _by_windows(
    denoiser: NetworkDenoiser, cube: Batches, rows: int, load: Callable[[slice], DNDarray]
) -> Iterator[DNDarray]:
    """The clean cube, some rows of windows at a time, with the rows that they share with those before and after."""
    if denoiser.guide is not None:
        raise ValueError("a guide looks at a whole cube, so a `NetworkDenoiser` with one cannot work through a file")
    low, high = _extremes(cube)
    for block in _blocks(windows(cube.shape[:1], denoiser.window[:1], denoiser.buffers[:1]), rows):
        (start, _), (first, _) = block[0].read[0], block[0].kept[0]
        (_, stop), (_, last) = block[-1].read[0], block[-1].kept[0]
        clean = denoiser._applied(as_cube(load(slice(start, stop))), low, high - low)
        yield dnd.balance(clean[first - start : last - start])


def _extremes(cube: Batches) -> tuple[DNDarray, DNDarray]:
    """The least and the largest value of each band."""
    found = [(batch.min(axis=(0, 1)), batch.max(axis=(0, 1))) for batch in cube]
    low, high = (dnd.stack(values) for values in zip(*found, strict=True))
    return low.min(axis=0), high.max(axis=0)


def _blocks(found: list[Window], rows: int) -> Iterator[list[Window]]:
    """Windows that follow each other, as many together as do not look at more rows."""
    block: list[Window] = []
    for window in found:
        if block and window.read[0][1] - block[0].read[0][0] > rows:
            yield block
            block = []
        block.append(window)
    yield block
