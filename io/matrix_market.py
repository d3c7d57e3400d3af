"""Matrix Market files as dense matrices; `dnd.sparse.mmread` reads them as sparse ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..communication import as_comm
from ..creation import make_layout
from ..elementwise import as_operand
from ..errors import agreed
from ..redistribution import move
from ..replacement import replacing
from ..types import as_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._offsets import append_parts, in_rank_order, make_file
from ._optional import require
from ._parts import Request, Selection, Source, check_mode, load_part, rows, unnamed

__all__ = ["inspect", "load", "open_source", "save"]


def load(path: PathLike, name: str | None = None, **place: Any) -> DNDarray:
    """Read a Matrix Market file as a dense matrix.

    Files of coordinates are parsed by all processes together, each its own range of bytes; files of the "array" kind,
    which hold small dense matrices, by every process as a whole.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : None
        Such files hold one matrix, which has no name.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Communication: that of `dnd.sparse.mmread`, and one all-to-all to the layout that is asked for.

    Raises
    ------
    OSError, ValueError
        On all processes, if one of them cannot read the file, or finds it wrong.
    """
    comm = as_comm(place.pop("comm", None))
    unnamed(name, path)
    request = Request(**place)
    with agreed(comm), naming("read", path):
        layout_of = _head(existing(path))
    if layout_of != "coordinate" or request.slices is not None:
        return load_part(open_source(path), path, comm=comm, **place)
    from ..sparse import mmread

    dense = mmread(path, split=0, comm=comm).todense().detach()
    layout = make_layout(dense.shape, request.split, request.grid, comm)
    dtype = dense.dtype if request.dtype is None else as_dtype(request.dtype)
    if dense.dtype.is_complex and not dtype.is_complex:
        raise TypeError(f"`dtype` (={dtype}) must be complex, for {path} holds {dense.dtype}")
    part = move(dense.larray, dense.layout, layout, comm).to(dtype=dtype)
    return DNDarray(part, layout, comm).to(request.device) if request.device else DNDarray(part, layout, comm)


def _head(path: Path) -> str:
    """The kind of a file: "coordinate" or "array"."""
    open(path, "rb").close()  # SciPy says of a file that may not be read that it is of another kind
    try:
        return require("scipy.io").mminfo(path)[3]
    except ValueError as error:
        raise OSError(f"{path} is no whole Matrix Market file: {error}") from error


@contextmanager
def open_source(path: PathLike, name: str | None = None) -> Iterator[Source]:
    """The matrix, read by this process as a whole; local."""
    path = existing(path)
    unnamed(name, path)
    _head(path)
    try:
        found = require("scipy.io").mmread(path, spmatrix=False)
    except ValueError as error:
        raise OSError(f"{path} is no whole Matrix Market file: {error}") from error
    matrix = found if isinstance(found, np.ndarray) else found.tocsr()

    def read_into(selection: Selection, target: np.ndarray) -> None:
        part = matrix[selection]
        target[...] = part if isinstance(part, np.ndarray) else part.toarray()

    yield Source(f"matrix {path}", matrix.shape, as_dtype(matrix.dtype), read_into)


def inspect(path: PathLike) -> Contents:
    """What the head of the file says; local."""
    rows, columns, entries, kind, field, symmetry = require("scipy.io").mminfo(existing(path))
    attributes = {"format": kind, "symmetry": symmetry, "entries": entries}
    return Contents(path, [Entry("", (rows, columns), field, None, None, attributes)])


def save(x: Any, path: PathLike, name: str | None = None, *, mode: str = "w") -> None:
    """Write a matrix as a dense ("array") Matrix Market file; all processes format their columns at once.

    `dnd.sparse.mmwrite` writes sparse ones.

    Parameters
    ----------
    x : DNDarray or array_like
        The array, of two axes.
    path : path-like
        The file, in a folder that every process can see. It appears when it is complete.
    name : None
        Such files hold one matrix, which has no name.
    mode : {"w", "x"}
        "x": not if there is such a file already.

    Notes
    -----
    Communication: a few small collectives; where axis 1 is not what is split, one all-to-all before.
    """
    x = as_operand(x).detach()
    check_mode(mode, "wx")
    unnamed(name, path)
    if x.ndim != 2:
        raise ValueError(f"Matrix Market files hold matrices, but the array has shape {x.shape}")
    field = "complex" if x.dtype.is_complex else "real" if x.dtype.is_floating_point else "integer"
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.astype(torch.float32)
    turned = in_rank_order(x.transpose())  # the file runs through columns first
    with replacing(path, x.comm, new=mode == "x") as temporary, naming("write", path):
        make_file(
            x.comm, temporary, f"%%MatrixMarket matrix array {field} general\n{x.shape[0]} {x.shape[1]}\n".encode()
        )

        def produce(file: Any) -> None:
            for values in rows(turned):
                _write(file, values.reshape(-1))

        append_parts(x.comm, temporary, produce)


def _write(file: Any, values: np.ndarray) -> None:
    """One number a line, so that reading gives it back."""
    if values.dtype.kind == "c":
        lines = (f"{v.real!r} {v.imag!r}\n" for v in values.tolist())
    elif values.dtype.kind in "bui":
        lines = (f"{int(v)}\n" for v in values.tolist())
    else:
        lines = (f"{v!r}\n" for v in values.tolist())
    for line in lines:
        file.write(line.encode())
