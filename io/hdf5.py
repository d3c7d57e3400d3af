"""HDF5 files: each process reads and writes its own part of a dataset.

All write at once, by MPI-IO, where h5py is built for it, and otherwise one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..array import DNDarray
from ..communication import as_comm
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Split
from ..types import numpy_dtype
from ._files import PathLike, existing, naming, replacing
from ._optional import require
from ._parts import Request, Selection, Source, as_file_dtype, check_mode, read, write_in_turn, write_together

__all__ = ["load", "save"]


def load(
    path: PathLike,
    dataset: str | None = None,
    *,
    dtype: Any = None,
    split: Split = None,
    grid: Any = None,
    device: Any = None,
    comm: Any = None,
    slices: Any = None,
) -> DNDarray:
    """Read a dataset of an HDF5 file; each process opens the file and reads its own part only.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    dataset : str, optional
        Name of the dataset, with groups as in `"group/name"`. May be left out where the file has one only.
    dtype : optional
        Type of the array; by default the file's own.
    split, grid, device, comm
        Where the array lies, as in `dnd.zeros`.
    slices : slice or tuple of slice, optional
        The part of the dataset to read, as one would index it. Steps must be positive.

    Returns
    -------
    DNDarray
        Of the dataset's shape, or that of the chosen part. Communication: one small collective, to agree
        that all went well.

    Raises
    ------
    FileNotFoundError, OSError
        On all processes, if one of them cannot read the file.
    KeyError
        If there is no such dataset; the message lists those that there are.
    TypeError
        If the dataset holds what arrays cannot (text, compounds), or is complex and `dtype` is not.
    ValueError
        If `split`, `grid`, `slices` or a missing `dataset` do not fit the file.

    Examples
    --------
    >>> x = dnd.io.hdf5.load("run.h5", "fields/pressure", split=0)  # doctest: +SKIP
    """
    comm = as_comm(comm)
    with agreed(comm), naming("read", path), require("h5py").File(existing(path), "r") as file:
        found = _find(file, dataset)
        if found.shape is None:
            raise ValueError(f"dataset {found.name!r} in {path} is empty: it has a type, but no shape")
        name = f"dataset {found.name!r} in {path}"
        source = Source(name, found.shape, as_file_dtype(found.dtype, name), _reader(found), found.chunks)
        return read(source, Request(dtype, split, grid, device, slices), comm)


def _find(file: Any, name: str | None) -> Any:
    h5py = require("h5py")
    if name is not None and isinstance(file.get(name), h5py.Dataset):
        return file[name]
    names: list[str] = []
    file.visititems(lambda key, item: names.append(key) if isinstance(item, h5py.Dataset) else None)
    if name is not None:
        raise KeyError(f"no dataset {name!r} in {file.filename}, which has {names}")
    if len(names) != 1:
        raise ValueError(f"`dataset` must say which, for {file.filename} has {names or 'none'}")
    return file[names[0]]


def _reader(dataset: Any) -> Callable[[Selection, np.ndarray], None]:
    return lambda selection, target: dataset.read_direct(target, selection)


def save(x: Any, path: PathLike, dataset: str = "data", *, mode: str = "w", **options: Any) -> None:
    """Write an array to an HDF5 file, in any layout; each process writes its own part.

    The file appears, or changes, when it is complete; whatever goes wrong, an old one stays whole. Where
    h5py is built for MPI all processes write at once (but for compressed datasets), otherwise one after
    another, each in pieces of bounded size. Of processes that hold the same elements one writes.

    Parameters
    ----------
    x : DNDarray or array_like
        The array; shape `()` and arrays without elements included.
    path : path-like
        The file, in a folder that every process can see.
    dataset : str
        Name of the dataset; `"group/name"` makes the group.
    mode : {"w", "a"}
        "w": the file will hold this dataset alone. "a": whatever else it holds stays, and a dataset of this
        name is replaced. The file is copied for that.
    **options
        To h5py's `create_dataset`: `chunks`, `compression`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For bfloat16, which HDF5 files do not have.

    Notes
    -----
    Communication: a few small collectives, and without MPI in h5py one message per process; no elements.

    Examples
    --------
    >>> dnd.io.hdf5.save(x, "run.h5", "fields/pressure", compression="gzip")  # doctest: +SKIP
    """
    x = as_operand(x)
    check_mode(mode)
    dtype = numpy_dtype(x.dtype)
    with replacing(path, x.comm, keep=mode == "a") as temporary:

        def create() -> None:
            with naming("write", path), require("h5py").File(temporary, "a") as file:
                _make_room(file, dataset)
                file.create_dataset(dataset, shape=x.shape, dtype=dtype, **options)

        @contextmanager
        def opened(**how: Any) -> Iterator[tuple[Any, Any]]:
            with naming("write", path), require("h5py").File(temporary, "r+", **how) as file:
                yield file[dataset], file[dataset].chunks

        # Compressing together is a collective call, in which the others hang if the disk is full for one.
        if x.comm.size > 1 and options.keys() <= {"chunks", "maxshape"} and _is_parallel():
            write_together(x, create, lambda: opened(driver="mpio", comm=x.comm.handle))
        else:
            write_in_turn(x, temporary, create, opened)


def _make_room(file: Any, name: str) -> None:
    if name not in file:
        return
    if not isinstance(file[name], require("h5py").Dataset):
        raise ValueError(f"{name!r} is a group in this file, which no dataset can replace")
    del file[name]


def _is_parallel() -> bool:
    try:
        return bool(require("h5py").get_config().mpi)
    except ImportError:
        return False  # said by the rank that makes the file
