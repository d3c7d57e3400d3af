"""HDF5 files: each process reads and writes its own part of a dataset.

All write at once what lies in the file in one block, each at its place in it. Into chunks they write one after another,
or, where h5py is built for MPI and nothing is compressed, together.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..array import DNDarray, same_comm
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Split, normalize_axis
from ..replacement import replacing, sync
from ..types import numpy_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, forsaking, naming
from ._offsets import Block, write_block
from ._optional import require
from ._parts import (
    Selection,
    Shifted,
    Source,
    as_file_dtype,
    check_growth,
    check_mode,
    first_of,
    load_part,
    pieces,
    write_in_turn,
    write_together,
    writers,
)

__all__ = ["inspect", "load", "open_source", "save", "save_all", "save_batches"]


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
    place = {"dtype": dtype, "split": split, "grid": grid, "device": device, "comm": comm, "slices": slices}
    return load_part(open_source(path, dataset), path, **place)


@contextmanager
def open_source(path: PathLike, dataset: str | None = None) -> Iterator[Source]:
    """The dataset, open to be read by this process; local."""
    h5py = require("h5py")
    with h5py.File(existing(path), "r") as file:
        found = _find(file, dataset)
        name = f"dataset {found.name!r} in {path}"
        if found.shape is None:
            raise ValueError(f"{name} is empty: it has a type, but no shape")
        _check_parts(found, Path(path))
        if h5py.check_string_dtype(found.dtype):
            raise TypeError(f"{name} holds text, which no array type corresponds to")
        yield Source(name, found.shape, as_file_dtype(found.dtype, name), _reader(found), found.chunks)


def inspect(path: PathLike) -> Contents:
    """What datasets the file holds; local."""
    h5py = require("h5py")
    with naming("read", path), h5py.File(existing(path), "r") as file:
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        return Contents(path, map(_entry, found), _plain(file.attrs))


def _entry(dataset: Any) -> Entry:
    shape = () if dataset.shape is None else dataset.shape
    packed = dataset.compression or ("virtual" if dataset.is_virtual else None)
    dtype = "text" if require("h5py").check_string_dtype(dataset.dtype) else str(dataset.dtype)
    return Entry(dataset.name.lstrip("/"), shape, dtype, dataset.chunks, packed, _plain(dataset.attrs))


def _plain(attributes: Any) -> dict[str, Any]:
    """Attributes as Python's own values, without those that tie dimensions to their scales."""
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if name not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"):
            value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            plain[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return plain


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


def _check_parts(dataset: Any, path: Path) -> None:
    """Whether the files are there of which a virtual dataset is made: HDF5 gives zeros for those that are missing."""
    for part in _parts_of(dataset):
        if not (path.parent / part).exists():
            raise FileNotFoundError(errno.ENOENT, f"a part of the virtual dataset {dataset.name!r} is missing", part)


def _parts_of(dataset: Any) -> set[str]:
    """The other files that a virtual dataset is made of, as it names them."""
    if not dataset.is_virtual:
        return set()
    return {source.file_name for source in dataset.virtual_sources()} - {"."}


def save(
    x: Any,
    path: PathLike,
    dataset: str = "data",
    *,
    mode: str = "w",
    append: int | None = None,
    layout: str | None = None,
    **options: Any,
) -> None:
    """Write an array to an HDF5 file, in any layout; each process writes its own part.

    The file appears, or changes, when it is complete; whatever goes wrong, an old one stays whole. All processes write
    at once, but into chunks, compressed or not, one after another (uncompressed together where h5py is built for MPI),
    in pieces of bounded size. Of processes that hold the same elements one writes.

    Parameters
    ----------
    x : DNDarray or array_like
        The array; shape `()` and arrays without elements included.
    path : path-like
        The file, in a folder that every process can see.
    dataset : str
        Name of the dataset; `"group/name"` makes the group.
    mode : {"w", "x", "a"}
        "w": the file will hold this dataset alone. "x": the same, but not if there is such a file already.
        "a": whatever else it holds stays, and a dataset of this name is replaced. The file is copied for that.
    append : int, optional
        Add the elements along this axis to those of the dataset, which is made if there is none. Whatever else
        the file holds stays. The file is copied for that, too.
    layout : {"virtual"}, optional
        "virtual": all processes write at once, each a file of its own in a folder `NAME.XXXXXXXX.parts` beside
        the file, in which a virtual dataset shows them as one. They must stay together.
    **options
        To h5py's `create_dataset`: `chunks`, `compression`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For bfloat16, which HDF5 files do not have.
    ValueError
        If what is appended has another shape or type, or the dataset was not made to grow.

    Notes
    -----
    Communication: a few small collectives, and one message per process where they write in turn; no elements, but where
    processes hold less than a page of a row, which are moved first (as for `dnd.io.npy.save`).

    Examples
    --------
    >>> dnd.io.hdf5.save(x, "run.h5", "fields/pressure", compression="gzip")  # doctest: +SKIP
    """
    x = as_operand(x)
    check_mode(mode)
    if layout not in (None, "virtual") or (layout and append is not None):
        raise ValueError(f"`layout` (={layout!r}) must be 'virtual', without `append`, or None")
    axis = None if append is None else normalize_axis(append, x.ndim, "append")
    numpy_dtype(x.dtype)  # refuses what HDF5 has not
    with (
        replacing(path, x.comm, keep=mode == "a" or axis is not None, new=mode == "x") as temporary,
        naming("write", path),
    ):
        if layout == "virtual":
            _write_virtual(x, Path(os.path.realpath(path)), temporary, dataset, options)
        else:
            _write(x, temporary, dataset, axis, options)
    with agreed(x.comm):
        if x.comm.rank == 0:
            _remove_old_parts(Path(os.path.realpath(path)))


def save_all(arrays: Mapping[str, Any], path: PathLike, **options: Any) -> None:
    """Write several arrays, by name, as all that a file holds; each as `save` does, but the file is copied for none.

    `options` go to h5py's `create_dataset`, for each of them. Communication: for each array that of `save`.

    >>> dnd.io.hdf5.save_all({"grid/x": x, "grid/y": y, "u": u}, "run.h5")  # doctest: +SKIP
    """
    given = {name: as_operand(x) for name, x in arrays.items()}
    for x in given.values():
        numpy_dtype(x.dtype)  # refuses what HDF5 has not
    with replacing(path, same_comm([*given.values()])) as temporary, naming("write", path):
        for name, x in given.items():
            _write(x, temporary, name, None, options)


def save_batches(batches: Iterable[Any], path: PathLike, dataset: str = "data", **options: Any) -> None:
    """Write arrays one behind the other along axis 0, as the only dataset of a file; see `dnd.io.save_batches`.

    `options` go to h5py's `create_dataset`. The dataset has chunks, into which processes write in turn.
    """
    first, others = first_of(batches)
    with replacing(path, first.comm) as temporary, naming("write", path):
        for x in chain([first], others):
            _write(x, temporary, dataset, 0, options)


def _write(x: DNDarray, temporary: Path, dataset: str, axis: int | None, options: dict[str, Any]) -> None:
    """Write into one file, at once or in turn, in place of a dataset or at its end along an axis."""
    begin = 0
    if axis is not None:
        begin = x.comm.broadcast_object(_length_of(temporary, dataset, axis) if x.comm.rank == 0 else None)

    def create() -> str:
        with require("h5py").File(temporary, "a") as file:
            if axis is not None and dataset in file:
                _grow(file[dataset], x, axis)
                return dataset
            _make_room(file, dataset)
            grown = {} if axis is None else {"maxshape": tuple(None if a == axis else n for a, n in enumerate(x.shape))}
            file.create_dataset(dataset, shape=x.shape, dtype=numpy_dtype(x.dtype), **{**grown, **options})
        return dataset

    @contextmanager
    def opened(**how: Any) -> Iterator[tuple[Any, Any]]:
        with open_to_write(temporary, **how) as file:
            target = file[dataset]
            shift = tuple(begin if a == axis else 0 for a in range(x.ndim))
            yield Shifted(target, shift) if begin else target, target.chunks

    # Compressing together is a collective call, in which the others hang if the disk is full for one.
    if x.comm.size > 1 and axis is None and options and options.keys() <= {"chunks", "maxshape"} and _is_parallel():
        write_together(x, create, lambda: opened(driver="mpio", comm=x.comm.handle))
    else:
        write_dataset(x, temporary, create, opened)


def write_dataset(
    x: DNDarray,
    path: Path,
    create: Callable[[], str | None],
    opened: Callable[[], AbstractContextManager[tuple[Any, Any]]],
) -> None:
    """Write a dataset of a file of HDF5: all processes at once where its elements lie in one block, else in turn.

    Parameters
    ----------
    x, path, opened
        As for `write_in_turn`.
    create
        Makes it, in a file that may be new, its elements not set, and says its name, or None to have it written in
        turn; called on rank 0.
    """
    offset = None
    with agreed(x.comm):
        if x.comm.rank == 0:
            dataset = create()
            offset = dataset and _offset_of(path, dataset, x.nbytes)
    offset = x.comm.broadcast_object(offset)
    if offset is None:
        write_in_turn(x, path, opened)
    else:
        write_block(x, path, Block(x.shape, numpy_dtype(x.dtype), offset))


def _offset_of(path: Path, dataset: str, nbytes: int) -> int | None:
    """Where the elements of a dataset begin in the file; None where they do not lie one behind the other."""
    os.truncate(path, path.stat().st_size + nbytes)  # HDF5 crashes where its files may not grow, and this says so
    with require("h5py").File(path, "r+") as file:
        found = file[dataset]
        if found.chunks is not None or not found.size or not found.dtype.isnative:
            return None
        found[(0,) * found.ndim] = np.zeros((), found.dtype)  # with its first element it gets its place
        return found.id.get_offset()


@contextmanager
def open_to_write(path: Path, **how: Any) -> Iterator[Any]:
    """A file that there is, open to be written to.

    HDF5 crashes where it closes a file on a full disk and has still something to write. So it keeps nothing back of
    contiguous datasets (in a "sieve"), and writes what it keeps back of others before the file is closed.
    """
    h5py = require("h5py")
    if how:
        file = h5py.File(path, "r+", **how)
    else:
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
        access.set_sieve_buf_size(0)
        file = h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDWR, access))
    try:
        with forsaking(path):
            yield file
            file.flush()
    except BaseException:
        with suppress(OSError, RuntimeError):  # that comes of the first failure, which says more
            file.close()
        raise
    file.close()


def _length_of(path: Path, dataset: str, axis: int | None) -> int:
    """How long the dataset of the file is along an axis; 0 if there is none, or (said later) none can be read."""
    with suppress(OSError, KeyError, AttributeError, IndexError), require("h5py").File(path, "r") as file:
        return int(file[dataset].shape[axis])
    return 0


def _grow(dataset: Any, x: DNDarray, axis: int) -> None:
    """Make room at the end of a dataset."""
    title = f"dataset {dataset.name!r} of the file"
    check_growth(title, dataset, x, axis)
    length, limit = dataset.shape[axis] + x.shape[axis], dataset.maxshape[axis]
    if limit is not None and limit < length:
        raise ValueError(f"{title} cannot grow along axis {axis}; make it with `append` or `maxshape`")
    dataset.resize(length, axis=axis)


def _write_virtual(x: DNDarray, target: Path, temporary: Path, dataset: str, options: dict[str, Any]) -> None:
    """Write a file per process, and a virtual dataset that is made of them."""
    h5py, comm, dtype = require("h5py"), x.comm, numpy_dtype(x.dtype)
    folder = target.with_name(f"{target.name}.{comm.broadcast_object(secrets.token_hex(4))}.parts")
    done = False
    try:
        with agreed(comm):
            if comm.rank == 0:
                folder.mkdir()
        with agreed(comm):
            if comm.rank in writers(x.layout):
                lshape, box = x.layout.lshape(comm.rank), x.layout.box(comm.rank)
                with h5py.File(folder / f"{comm.rank}.h5", "w") as file:
                    file.create_dataset("data", shape=lshape, dtype=dtype, **options)
                with open_to_write(folder / f"{comm.rank}.h5") as file:
                    part = file["data"]
                    for selection, values in pieces(x, part.chunks):
                        part[
                            tuple(slice(s.start - b, s.stop - b) for s, (b, _) in zip(selection, box, strict=True))
                        ] = values
                sync(folder / f"{comm.rank}.h5")
        with agreed(comm):
            if comm.rank == 0:
                whole = h5py.VirtualLayout(x.shape, dtype)
                for rank in writers(x.layout):
                    source = h5py.VirtualSource(f"{folder.name}/{rank}.h5", "data", shape=x.layout.lshape(rank))
                    whole[tuple(slice(*interval) for interval in x.layout.box(rank))] = source
                with h5py.File(temporary, "a") as file:
                    _make_room(file, dataset)
                    file.create_virtual_dataset(dataset, whole)
        done = True
    finally:
        if not done and comm.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_old_parts(path: Path) -> None:
    """Remove the folders of parts of datasets that the file has no more."""
    folders = [folder for folder in path.parent.glob(f"{glob.escape(path.name)}.*.parts") if folder.is_dir()]
    if folders:
        used: set[str] = set()
        h5py = require("h5py")
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: used.update(_parts_of(item)) if isinstance(item, h5py.Dataset) else None)
        for folder in folders:
            if folder.name not in {name.partition("/")[0] for name in used}:
                shutil.rmtree(folder, ignore_errors=True)


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
