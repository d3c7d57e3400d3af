"""Zarr, versions 2 and 3: arrays in folders, in chunks that each process reads and writes for itself."""

from __future__ import annotations

import asyncio
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Box, Layout, normalize_axis
from ..redistribution import move
from ..replacement import replacing_folder
from ..types import numpy_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing
from ._optional import require
from ._parts import Selection, Source, as_file_dtype, check_growth, check_mode, first_of, load_part, pieces_of, writers

__all__ = ["inspect", "load", "open_source", "save", "save_batches"]


def load(path: PathLike, name: str | None = None, **place: Any) -> DNDarray:
    """Read an array of a Zarr store; each process reads the chunks that hold its own part.

    Parameters
    ----------
    path : path-like
        The folder, which every process must be able to see.
    name : str, optional
        Name of the array, with groups as in `"group/name"`. May be left out where the store has one only, or is one.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the store.
    KeyError
        If there is no such array; the message lists those that there are.
    TypeError
        For what arrays cannot hold: text, dates, records.

    Notes
    -----
    A chunk that the border between two processes cuts is read by both. As Zarr says, chunks that are missing are taken
    for chunks of fill values.
    """
    return load_part(open_source(path, name), path, **place)


@contextmanager
def open_source(path: PathLike, name: str | None = None) -> Iterator[Source]:
    """An array of the store, open to be read by this process; local."""
    array = _find(existing(path, folder=True), name)
    title = f"array {array.name!r} in {path}"

    def read_into(selection: Selection, target: np.ndarray) -> None:
        try:
            target[...] = array[selection]
        except (ValueError, RuntimeError) as error:
            raise OSError(f"{title} has chunks that cannot be unpacked: {error}") from error

    yield Source(title, array.shape, as_file_dtype(array.dtype, title), read_into, array.shards or array.chunks)


def _find(path: Path, name: str | None) -> Any:
    zarr = require("zarr")
    root = zarr.open(path, mode="r")
    if isinstance(root, zarr.Array):
        if name:
            raise KeyError(f"{path} is one array, and has no array {name!r}")
        return root
    found = dict(_arrays(root))
    if name is None:
        if len(found) != 1:
            raise ValueError(f"`name` must say which, for {path} has {list(found) or 'none'}")
        return next(iter(found.values()))
    if name.strip("/") not in found:
        raise KeyError(f"no array {name!r} in {path}, which has {list(found)}")
    return found[name.strip("/")]


def _arrays(group: Any) -> Iterator[tuple[str, Any]]:
    """All arrays with their full names, those of nested groups included, but those that are being written."""
    for name, member in sorted(group.members(max_depth=None)):
        if isinstance(member, require("zarr").Array) and not name.endswith(".part"):
            yield name, member


def inspect(path: PathLike) -> Contents:
    """What arrays the store holds; local."""
    zarr = require("zarr")
    root = zarr.open(existing(path, folder=True), mode="r")
    arrays = [("", root)] if isinstance(root, zarr.Array) else list(_arrays(root))
    return Contents(path, (_entry(name, array) for name, array in arrays), dict(root.attrs))


def _entry(name: str, array: Any) -> Entry:
    packed = [_name_of(compressor) for compressor in array.compressors]
    return Entry(name, array.shape, str(array.dtype), array.chunks, ", ".join(packed) or None, dict(array.attrs))


def _name_of(compressor: Any) -> str:
    return getattr(compressor, "codec_id", type(compressor).__name__.removesuffix("Codec").lower())


def save(
    x: Any,
    path: PathLike,
    name: str = "data",
    *,
    mode: str = "w",
    append: int | None = None,
    zarr_format: int = 3,
    **options: Any,
) -> None:
    """Write an array to a Zarr store, in any layout; all processes write at once, each whole chunks.

    Parameters
    ----------
    x : DNDarray or array_like
        The array.
    path : path-like
        The folder, in one that every process can see. It appears, or changes, when it is complete.
    name : str
        Name of the array; `"group/name"` makes the group. `""` makes the store that array and nothing else.
    mode : {"w", "x", "a"}
        "w": the store will hold this array alone; what is there must be a Zarr store, too. "x": the same, but not if
        there is a store already. "a": what else the store holds stays, and an array of this name is replaced.
    append : int, optional
        Add the elements along this axis to those that the array in the store has (`mode` and the other options have no
        meaning then). The array says that it is longer when all of them are written: a run that is killed meanwhile
        leaves it as it was, but for chunks beyond its end, which nobody reads.
    zarr_format : {3, 2}
        Version of the format, for a new store.
    **options
        To `zarr.create_array`: `chunks`, `shards`, `compressors`, `attributes`, `dimension_names`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For bfloat16, which NumPy does not have.
    ValueError
        If what is appended has another shape or type.

    Notes
    -----
    Communication: a few small collectives, and where processes share chunks one all-to-all of these. Where they share
    them along several axes of a grid, the array is moved into a layout that ends with chunks (one more part of memory).
    What is written is left to the operating system to bring to the disk.

    Examples
    --------
    >>> dnd.io.zarr.save(x, "run.zarr", "fields/pressure", chunks=(512, 512))  # doctest: +SKIP
    """
    x = as_operand(x)
    check_mode(mode)
    options.update(shape=x.shape, dtype=numpy_dtype(x.dtype))
    path = Path(path)
    if append is not None:
        _append(x, path, name, normalize_axis(append, x.ndim, "append"))
        return
    # What is put in place at the end: the store, or in a store that stays, the folder of the array.
    whole = mode != "a" or not _in_store(x, path)
    if not (whole or name):
        raise ValueError("with mode='a' the array needs a name")
    target = path if whole else path / name
    with replacing_folder(target, x.comm, _is_zarr, new=mode == "x", parents=not whole) as temporary:
        with agreed(x.comm):
            if x.comm.rank == 0:
                _create(path, temporary, name, None if not whole else zarr_format, options)
        _write(x, temporary / name if whole else temporary)
    with agreed(x.comm):
        if x.comm.rank == 0 and not whole:
            _list_anew(path)


def save_batches(batches: Iterable[Any], path: PathLike, name: str = "data", **options: Any) -> None:
    """Write arrays one behind the other along axis 0, as the only array of a store; see `dnd.io.save_batches`.

    `options` are those of `save`. Chunks should have as many rows as the batches, or a fraction of that.
    """
    first, others = first_of(batches)
    with replacing_folder(path, first.comm, _is_zarr) as temporary:
        save(first, temporary, name, **options)
        for x in others:
            save(x, temporary, name, append=0)


def _in_store(x: DNDarray, path: Path) -> bool:
    """Whether there is a store, as rank 0 sees it. Communication: two collectives."""
    found = False
    with agreed(x.comm):
        if x.comm.rank == 0:
            found = _is_zarr(path)
    return x.comm.broadcast_object(found)


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _create(path: Path, temporary: Path, name: str, zarr_format: int | None, options: dict[str, Any]) -> None:
    """Make the array without elements; in a new store of a format, or (None) in a store that there is."""
    zarr = require("zarr")
    if zarr_format is None:
        root = zarr.open_group(path, mode="r+")
        parent = name.rpartition("/")[0]
        if parent:
            root.require_group(parent)
        zarr.create_array(temporary, zarr_format=root.metadata.zarr_format, **options)
    elif not name:
        zarr.create_array(temporary, zarr_format=zarr_format, **options)
    else:
        zarr.open_group(temporary, mode="w", zarr_format=zarr_format).create_array(name, **options)


def _list_anew(path: Path) -> None:
    """Renew the list of all arrays that a store may have at its root."""
    zarr = require("zarr")
    if zarr.open_group(path, mode="r").metadata.consolidated_metadata is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that version 3 does not say how to: there was a list already
            zarr.consolidate_metadata(path)


def _write(x: DNDarray, path: Path, begin: Sequence[int] | None = None, shape: Sequence[int] | None = None) -> None:
    """Write the elements into an array that there is, from an index on; no chunk is written by two processes.

    `shape` is the one that the array will have.
    """
    begin = begin or (0,) * x.ndim
    with agreed(x.comm):
        array = _as_if(require("zarr").open_array(path, mode="r+"), shape or x.shape)
    units = array.shards or array.chunks
    parts = _in_whole_chunks(x, units, begin)
    with agreed(x.comm):
        try:
            for part, box in parts:
                for selection, values in pieces_of(part, box, units):
                    array[selection] = values
        except Exception:
            require("zarr.core.sync").sync(_settled())
            raise


async def _settled() -> None:
    """Wait for the chunks that Zarr goes on to write when one has failed: in a folder that is to be removed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=60)


def _in_whole_chunks(x: DNDarray, units: Sequence[int], begin: Sequence[int]) -> list[tuple[torch.Tensor, Box]]:
    """What this process is to write, so that nobody shares chunks, each with its place in the array of the file."""
    layout, elements, rank = x.layout, x.larray.detach(), x.comm.rank
    cut = [
        g
        for g, (axis, offsets) in enumerate(zip(layout.axes, layout.offsets, strict=True))
        if axis is not None and offsets is not None and _cut_by(offsets, units[axis], begin[axis])
    ]
    if len(cut) == 1:
        parts = _but_shared(x, cut[0], units, begin)
    elif cut:
        target = _by_chunks(layout, units, begin)
        parts = [(move(elements, layout, target, x.comm), target.box(rank), rank in writers(target))]
    else:
        parts = [(elements, layout.box(rank), rank in writers(layout))]
    return [
        (part, tuple((start + b, stop + b) for (start, stop), b in zip(box, begin, strict=True)))
        for part, box, mine in parts
        if mine
    ]


def _but_shared(
    x: DNDarray, g: int, units: Sequence[int], begin: Sequence[int]
) -> list[tuple[torch.Tensor, Box, bool]]:
    """This process's part but for chunks that borders along one grid axis cut, and those of them that fall to it.

    Of each part what it holds, its place, and whether this process writes it.
    """
    layout, axis, rank, elements = x.layout, x.layout.axes[g], x.comm.rank, x.larray.detach()
    offsets = layout.offsets[g]
    assert axis is not None and offsets is not None
    shared = _cut_by(offsets, units[axis], begin[axis])
    owners = [bisect_right(offsets, start) - 1 for start, _ in shared]  # who has the first index
    # These chunks, one behind the other, are moved as an array of their own.
    before = [sum(min(max(o - start, 0), stop - start) for start, stop in shared) for o in offsets]
    wanted = [0] * (len(offsets) - 1)
    for (start, stop), owner in zip(shared, owners, strict=True):
        wanted[owner] += stop - start
    shape = (*x.shape[:axis], before[-1], *x.shape[axis + 1 :])
    source, target = (
        Layout(shape, layout.grid, layout.axes, (*layout.counts[:g], counts, *layout.counts[g + 1 :]))
        for counts in ([b - a for a, b in pairwise(before)], wanted)
    )
    box, own = layout.box(rank), layout.grid.coordinates(rank)[g]
    start, stop = box[axis]
    low = next((min(b, stop) for a, b in shared if a <= start < b), start)
    high = next((max(a, low) for a, b in shared if a < stop <= b), stop)
    outer = [elements.narrow(axis, 0, low - start), elements.narrow(axis, high - start, stop - high)]
    moved = move(torch.cat(outer, axis), source, target, x.comm)
    parts = [(elements.narrow(axis, low - start, high - low), (low, high), low < high and rank in writers(layout))]
    at = 0
    for interval, owner in zip(shared, owners, strict=True):
        if owner == own:
            n = interval[1] - interval[0]
            parts.append((moved.narrow(axis, at, n), interval, rank in writers(target)))
            at += n
    return [(part, (*box[:axis], place, *box[axis + 1 :]), mine) for part, place, mine in parts]


def _cut_by(offsets: Sequence[int], unit: int, first: int) -> list[tuple[int, int]]:
    """The chunks that borders fall into, as intervals of an axis that begins at an index `first` of the file's."""
    n = offsets[-1]
    numbers = sorted({(first + o) // unit for o in offsets if 0 < o < n and (first + o) % unit})
    return [(max(c * unit - first, 0), min((c + 1) * unit - first, n)) for c in numbers]


def _by_chunks(layout: Layout, units: Sequence[int], begin: Sequence[int]) -> Layout:
    """The nearest layout whose borders fall on those of chunks, in an array that begins at an index of the file's."""
    counts: list[list[int] | None] = []
    for axis, offsets in zip(layout.axes, layout.offsets, strict=True):
        if axis is None or offsets is None:
            counts.append(None)
            continue
        unit, first, n = units[axis], begin[axis], layout.shape[axis]
        borders = [min(max(round((first + border) / unit) * unit - first, 0), n) for border in offsets]
        borders[0], borders[-1] = 0, n
        counts.append([stop - start for start, stop in zip(borders, borders[1:], strict=False)])
    return Layout(layout.shape, layout.grid, layout.axes, counts)


def _append(x: DNDarray, path: Path, name: str, axis: int) -> None:
    zarr = require("zarr")
    with agreed(x.comm):
        array = _find(existing(path, folder=True), name or None)
        check_growth(f"array {array.name!r} in {path}", array, x, axis)
    old = array.shape
    new = tuple(n + x.shape[a] if a == axis else n for a, n in enumerate(old))
    where = path / name if name else path
    done = False
    try:
        _write(x, where, tuple(n if a == axis else 0 for a, n in enumerate(old)), new)
        with agreed(x.comm):
            if x.comm.rank == 0:
                zarr.open_array(where, mode="r+").resize(new)
                if name:
                    _list_anew(path)
        done = True
    finally:
        if not done and x.comm.rank == 0:
            _as_if(zarr.open_array(where, mode="r+"), new).resize(old)  # which removes the chunks beyond


def _as_if(array: Any, shape: Sequence[int]) -> Any:
    """An array that has a shape of which its file does not tell yet."""
    core = array.async_array
    return require("zarr").Array(replace(core, metadata=core.metadata.update_shape(tuple(shape))))
