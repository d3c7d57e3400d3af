"""Raw binary files, which hold the elements of an array and nothing that says so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..array import DNDarray
from ..elementwise import as_operand
from ..replacement import replacing
from ..types import as_dtype, numpy_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing
from ._offsets import Block, block_of, make_file, open_bytes, write_block
from ._parts import Source, check_mode, load_part, unnamed

__all__ = ["inspect", "load", "open_source", "save"]


def load(
    path: PathLike,
    name: str | None = None,
    *,
    dtype: Any = None,
    shape: int | Sequence[int] = -1,
    offset: int = 0,
    order: str = "C",
    **place: Any,
) -> DNDarray:
    """Read a file of bare elements; each process reads its own bytes only.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : None
        Such a file holds one array, which has no name.
    dtype
        Type of the elements in the file; of the other order of bytes as in `">f4"`. The array has it, too.
    shape : int or sequence of int
        Shape of the array. One length may be -1: as many as there are.
    offset : int
        Bytes to pass over at the beginning.
    order : {"C", "F"}
        Which index runs fastest in the file: the last or the first.
    **place
        `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file, or if it is too short.
    """
    return load_part(open_source(path, name, dtype=dtype, shape=shape, offset=offset, order=order), path, **place)


@contextmanager
def open_source(
    path: PathLike,
    name: str | None = None,
    *,
    dtype: Any = None,
    shape: int | Sequence[int] = -1,
    offset: int = 0,
    order: str = "C",
) -> Iterator[Source]:
    """The array, open to be read by this process; local."""
    path = existing(path)
    unnamed(name, path)
    if dtype is None:
        raise ValueError(f"`dtype` must say what {path} holds, for the file does not")
    stored = np.dtype(dtype) if isinstance(dtype, str | np.dtype) else numpy_dtype(as_dtype(dtype))
    if order not in ("C", "F"):
        raise ValueError(f"`order` (={order!r}) must be 'C', the last index fastest, or 'F', the first")
    nbytes = path.stat().st_size - offset
    block = Block(_whole_shape(shape, max(nbytes, 0) // stored.itemsize), stored, offset, order)
    if nbytes < block.nbytes:
        raise OSError(f"{path} is too short: {block.nbytes} bytes are wanted, and there are {max(nbytes, 0)}")
    with open_bytes(path) as read_at:
        yield block.source(str(path), read_at)


def _whole_shape(shape: int | Sequence[int], size: int) -> tuple[int, ...]:
    """`shape` with the length in place of -1."""
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    unknown = lengths.count(-1)
    if unknown > 1 or any(n < -1 for n in lengths):
        raise ValueError(f"`shape` (={shape}) must have lengths >= 0, of which one may be -1")
    known = math.prod(n for n in lengths if n != -1)
    return tuple(size // known if n == -1 and known else max(n, 0) for n in lengths)


def inspect(path: PathLike) -> Contents:
    """How many bytes the file has; what they mean it does not say. Local."""
    size = existing(path).stat().st_size
    return Contents(path, [Entry("", (size,), "bytes")])


def save(
    x: Any, path: PathLike, name: str | None = None, *, mode: str = "w", offset: int = 0, order: str = "C"
) -> None:
    """Write the elements of an array, of any layout, and nothing else; all processes write at once.

    Parameters
    ----------
    x : DNDarray or array_like
        The array.
    path : path-like
        The file, in a folder that every process can see. It appears, or changes, when it is complete.
    name : None
        Such a file holds one array, which has no name.
    mode : {"w", "x", "a"}
        "x": not if there is such a file already. "a": what else the file holds, before and behind, stays.
    offset : int
        Bytes to leave free at the beginning.
    order : {"C", "F"}
        Which index runs fastest in the file: the last or the first.

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For bfloat16, which NumPy does not have.

    Notes
    -----
    Communication: a few small collectives. Parts that are narrower than a page of the disk (split=1 with few
    columns) are moved first, by one all-to-all.
    """
    x = as_operand(x)
    check_mode(mode, "wxa")
    unnamed(name, Path(path))
    if offset < 0:
        raise ValueError(f"`offset` (={offset}) must not be negative")
    block = block_of(x, order, offset)
    with replacing(path, x.comm, keep=mode == "a", new=mode == "x") as temporary:
        make_file(x.comm, temporary)
        write_block(x, temporary, block)
