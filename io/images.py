"""Images, and files of several (TIFF, GIF), by pillow: each process unpacks what it needs of them.

An image is an array of shape (height, width), or (height, width, channels); a file of several, and with `stack=True`
a folder of equal images, one of (number, height, width[, channels]).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..elementwise import as_operand
from ..replacement import replacing
from ..types import as_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._offsets import in_rank_order
from ._optional import require
from ._parts import Selection, Source, check_mode, load_part, select, unnamed, write_by_first

__all__ = ["inspect", "load", "open_source", "save"]


def load(path: PathLike, name: str | None = None, *, mode: str | None = None, **place: Any) -> DNDarray:
    """Read an image, or a file of several, each of which a process unpacks as a whole.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : None
        Such files hold one array, which has no name.
    mode : str, optional
        Pillow's name of what to convert to: "L" for greys, "RGB", ...; palettes become RGB by default.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file.

    Examples
    --------
    >>> frames = dnd.io.load("frames/*.png", stack=True, split=0)  # doctest: +SKIP
    """
    return load_part(open_source(path, name, mode=mode), path, **place)


@contextmanager
def open_source(path: PathLike, name: str | None = None, *, mode: str | None = None) -> Iterator[Source]:
    """The image or images, open to be read by this process; local."""
    unnamed(name, path)
    with require("PIL.Image").open(existing(path)) as image:
        wanted = mode or ("RGB" if image.mode in ("P", "YCbCr", "CMYK", "HSV", "LAB", "RGBX") else image.mode)
        count = getattr(image, "n_frames", 1)
        channels, dtype = _kind_of(wanted)
        inner = (image.height, image.width) + ((channels,) if channels > 1 else ())

        def read_into(selection: Selection, target: np.ndarray) -> None:
            frames, within = ([0], selection) if count == 1 else (select((count,), selection[0])[0], selection[1:])
            for i, frame in enumerate(frames):
                image.seek(frame)
                values = np.asarray(image if image.mode == wanted else image.convert(wanted))[within]
                if count == 1:
                    target[...] = values
                else:
                    target[i] = values

        shape, chunks = (inner, inner) if count == 1 else ((count, *inner), (1, *inner))
        yield Source(f"image {path}", shape, dtype, read_into, chunks)


def _kind_of(mode: str) -> tuple[int, torch.dtype]:
    """Channels of a mode of pillow's, and the type of its values."""
    one = np.asarray(require("PIL.Image").new(mode, (1, 1)))
    return (one.shape[2] if one.ndim == 3 else 1), as_dtype(one.dtype)


def inspect(path: PathLike) -> Contents:
    """Size and kind of the image or images; local."""
    with naming("read", path), require("PIL.Image").open(existing(path)) as image, open_source(path) as source:
        attributes = {"format": image.format, "mode": image.mode}
        packed = image.info.get("compression")
        return Contents(path, [replace(Entry.of(source, "", packed), attributes=attributes)])


def save(x: Any, path: PathLike, name: str | None = None, *, mode: str = "w", **options: Any) -> None:
    """Write an image, or several into one file (`.tif`, `.gif`); one process writes, to which the rows come in turn.

    Parameters
    ----------
    x : DNDarray or array_like
        Truth values, or numbers of type uint8, of shape (height, width) or (height, width, channels) with 3 or 4
        channels; for TIFF of uint16, int32 and float32, too, in greys, and several: (number, height, width[, 3 or 4]).
    path : path-like
        The file, in a folder that every process can see. It appears when it is complete.
    name : None
        Such files hold one array, which has no name.
    mode : {"w", "x"}
        "x": not if there is such a file already.
    **options
        To pillow's `Image.save`: `quality`, `compression`, ...

    Raises
    ------
    OSError
        On all processes, if the first cannot write.
    ValueError, TypeError
        For other shapes and types.

    Notes
    -----
    The first process holds all of what one file holds.
    """
    x = as_operand(x).detach()
    check_mode(mode, "wx")
    unnamed(name, path)
    if x.dtype not in (torch.bool, torch.uint8, torch.uint16, torch.int32, torch.float32):
        raise TypeError(f"images have no {x.dtype}; scale to 0 ... 255 and convert with astype('uint8')")
    coloured = x.ndim >= 3 and x.shape[-1] in (3, 4)
    if x.ndim - coloured not in (2, 3) or not x.size:
        raise ValueError(f"an array of shape {x.shape} is no image: (height, width[, 3 or 4]), or several of these")
    several = x.ndim - coloured == 3

    @contextmanager
    def opened() -> Iterator[Callable[[np.ndarray], None]]:
        pillow = require("PIL.Image")
        rows: list[np.ndarray] = []
        yield rows.append
        values = np.concatenate(rows)
        images = [pillow.fromarray(one) for one in (values if several else values[None])]
        more = {"save_all": True, "append_images": images[1:]} if several else {}
        pillow.init()
        packed = io.BytesIO()  # for pillow does not notice a disk that is full
        images[0].save(packed, format=pillow.EXTENSION[Path(path).suffix.lower()], **more, **options)
        temporary.write_bytes(packed.getbuffer())

    with replacing(path, x.comm, new=mode == "x") as temporary, naming("write", path):
        write_by_first(in_rank_order(x), opened)
