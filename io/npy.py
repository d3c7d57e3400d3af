"""NPY, NumPy's own files of one array: each process reads and writes its own bytes, all at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..array import DNDarray
from ..elementwise import as_operand
from ..replacement import replacing
from ._contents import Contents, Entry
from ._files import PathLike, existing
from ._offsets import Block, block_of, make_file, open_bytes, write_block
from ._parts import Source, check_mode, load_part, unnamed

__all__ = ["inspect", "load", "open_source", "save"]


def load(path: PathLike, name: str | None = None, **place: Any) -> DNDarray:
    """Read an NPY file, in C or Fortran order, of either order of bytes; each process reads its own bytes only.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : None
        NPY files hold one array, which has no name.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file, or if it is truncated.
    TypeError
        For what arrays cannot hold: text, dates, Python objects, records.
    """
    return load_part(open_source(path, name), path, **place)


@contextmanager
def open_source(path: PathLike, name: str | None = None) -> Iterator[Source]:
    """The array, open to be read by this process; local."""
    path = existing(path)
    unnamed(name, path)
    with open(path, "rb") as file:
        block = read_head(file, str(path))
    if path.stat().st_size < block.end:
        raise OSError(f"{path} is truncated: it has {path.stat().st_size} bytes of {block.end}")
    with open_bytes(path) as read_at:
        yield block.source(str(path), read_at)


def read_head(file: IO[bytes], name: str) -> Block:
    """What the header of an NPY file says."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise TypeError(f"{name} has NPY's version {version}, which is for records")
        shape, fortran, dtype = readers[version](file)
    except ValueError as error:
        raise OSError(f"{name} is no whole NPY file: {error}") from error
    if dtype.hasobject:
        raise TypeError(f"{name} holds Python objects, which no array type corresponds to")
    return Block(shape, dtype, file.tell(), "F" if fortran else "C")


def head_of(block: Block) -> bytes:
    """The header of an NPY file."""
    file = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(block.dtype)
    head = {"descr": descr, "fortran_order": block.order == "F", "shape": block.shape}
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue()


def inspect(path: PathLike) -> Contents:
    """What the file holds; local."""
    with open_source(path) as source:
        return Contents(path, [Entry.of(source, "")])


def save(x: Any, path: PathLike, name: str | None = None, *, mode: str = "w", order: str = "C") -> None:
    """Write an NPY file from any layout; all processes write at once.

    Parameters
    ----------
    x : DNDarray or array_like
        The array.
    path : path-like
        The file, in a folder that every process can see. It appears when it is complete.
    name : None
        NPY files hold one array, which has no name.
    mode : {"w", "x"}
        "x": not if there is such a file already.
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
    check_mode(mode, "wx")
    unnamed(name, Path(path))
    block = block_of(x, order)
    head = head_of(block)
    with replacing(path, x.comm, new=mode == "x") as temporary:
        make_file(x.comm, temporary, head)
        write_block(x, temporary, block.shifted(len(head)))
