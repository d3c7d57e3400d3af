"""Arrays that lie in a file as they would in memory: each process reads and writes its own bytes, by their offset."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from ..array import DNDarray
from ..communication import Communicator
from ..errors import agreed
from ..layout import Box, Grid, Layout
from ..redistribution import move
from ..replacement import sync
from ..types import numpy_dtype
from ._parts import SLAB, Selection, Source, as_file_dtype, pieces, select, writers

__all__ = [
    "Block",
    "ReadAt",
    "append_parts",
    "block_of",
    "in_rank_order",
    "make_file",
    "open_bytes",
    "stream_bytes",
    "write_block",
]

PAGE = 4096
"""Bytes that a disk gives at least: over shorter gaps one reads on."""

PIECE = 4 * 2**20
"""Bytes that are read at a time where elements have to be picked from them."""

ReadAt = Callable[[int, memoryview], None]
"""Fill memory with the bytes of a file from an offset on."""


# --- bytes --------------------------------------------------------------------------------------------------


@contextmanager
def open_bytes(path: Path) -> Iterator[ReadAt]:
    """Read anywhere in a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:

        def read_at(offset: int, target: memoryview) -> None:
            done = 0
            while done < len(target):
                count = os.preadv(descriptor, [target[done:]], offset + done)
                if count == 0:
                    raise OSError(f"{path} is truncated: it ends before byte {offset + len(target)}")
                done += count

        yield read_at
    finally:
        os.close(descriptor)


def stream_bytes(stream: IO[bytes], path: Path) -> ReadAt:
    """Read in what has to be unpacked from its beginning on; cheap as long as offsets grow."""

    def read_at(offset: int, target: memoryview) -> None:
        stream.seek(offset)
        done = 0
        while done < len(target):
            count = stream.readinto(target[done:])  # type: ignore[attr-defined]
            if not count:
                raise OSError(f"{path} is truncated: it ends before byte {offset + len(target)} of what is packed")
            done += count

    return read_at


def _bytes_of(values: np.ndarray) -> memoryview:
    return values.reshape(-1).view(np.uint8).data


# --- arrays -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Where an array lies in a file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    """The type in the file, in the file's order of bytes."""
    offset: int = 0
    order: str = "C"
    """"C": the last index runs fastest; "F": the first, as in Fortran and MATLAB."""

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def end(self) -> int:
        return self.offset + self.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one index of each axis to the next."""
        axes = range(len(self.shape))
        inner = [self.shape[a + 1 :] if self.order == "C" else self.shape[:a] for a in axes]
        return tuple(self.dtype.itemsize * math.prod(lengths) for lengths in inner)

    def shifted(self, by: int) -> Block:
        """The same array `by` bytes further on."""
        return replace(self, offset=self.offset + by)

    def source(self, name: str, read_at: ReadAt) -> Source:
        """The array as what `load` reads from."""
        dtype = as_file_dtype(self.dtype, name)

        def read_into(selection: Selection, target: np.ndarray) -> None:
            self.read(read_at, selection, target)

        return Source(name, self.shape, dtype, read_into)

    def read(self, read_at: ReadAt, selection: Selection, target: np.ndarray) -> None:
        """Read a part of the array into a contiguous array of the machine's order of bytes."""
        if not target.size:
            return
        chosen = select(self.shape, selection)
        start = self.offset + sum(r.start * s for r, s in zip(chosen, self.strides, strict=True))
        _fetch(read_at, start, *_slowest_first([r.step * s for r, s in zip(chosen, self.strides, strict=True)], target))
        if not self.dtype.isnative:
            target.byteswap(inplace=True)

    def write(self, descriptor: int, selection: Selection, values: np.ndarray) -> None:
        """Write a part of the array."""
        start = self.offset + sum(s.start * n for s, n in zip(selection, self.strides, strict=True))
        _store(descriptor, start, *_slowest_first(self.strides, values.astype(self.dtype, copy=False)))

    def run(self, box: Box) -> int:
        """Bytes of the part in `box` that lie in the file one behind the other at least; 0 for an empty box."""
        run = self.dtype.itemsize
        for axis in range(len(box)) if self.order == "F" else reversed(range(len(box))):
            n = box[axis][1] - box[axis][0]
            run *= n
            if n < self.shape[axis]:
                break
        return run


def _slowest_first(strides: Sequence[int], values: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The axes in the order of the file."""
    order = sorted(range(values.ndim), key=lambda axis: -strides[axis])
    return [strides[axis] for axis in order], values.transpose(order)


def _is_run(strides: Sequence[int], values: np.ndarray) -> bool:
    """Whether the elements lie in the file one behind the other."""
    expected = values.itemsize
    for stride, n in zip(reversed(strides), reversed(values.shape), strict=True):
        if n > 1 and stride != expected:
            return False
        expected *= n
    return True


def _fetch(read_at: ReadAt, offset: int, strides: Sequence[int], target: np.ndarray) -> None:
    """Read the elements at `offset + sum(index * strides)`, the strides given from the longest to the shortest."""
    if target.flags.c_contiguous and _is_run(strides, target):
        read_at(offset, _bytes_of(target))
        return
    n, stride = target.shape[0], strides[0]
    inner = target.itemsize + sum((m - 1) * s for m, s in zip(target.shape[1:], strides[1:], strict=True))
    if n > 1 and (stride - inner > PAGE or inner > PIECE):
        for i in range(n):
            _fetch(read_at, offset + i * stride, strides[1:], target[i, ...])
        return
    rows = max(1, PIECE // max(stride, 1))
    for first in range(0, n, rows):
        part = target[first : first + rows]
        scratch = np.empty((len(part) - 1) * stride + inner, np.uint8)
        read_at(offset + first * stride, scratch.data)
        part[...] = np.ndarray(part.shape, part.dtype, scratch.data, 0, strides)


def _store(descriptor: int, offset: int, strides: Sequence[int], values: np.ndarray) -> None:
    if _is_run(strides, values):
        _write_at(descriptor, offset, _bytes_of(np.ascontiguousarray(values)))
        return
    for i in range(len(values)):
        _store(descriptor, offset + i * strides[0], strides[1:], values[i, ...])


def _write_at(descriptor: int, offset: int, content: memoryview) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], offset + done)


# --- writing together ---------------------------------------------------------------------------------------


def write_block(x: DNDarray, path: Path, block: Block) -> None:
    """All processes write their parts at once into a file that rank 0 has made, of any size.

    Where parts would lie in the file in runs shorter than a page, which is slow, the array is moved first into a
    layout that deals out the slowest axis: one more part of memory. Communication: one collective, two then.
    """
    x = _in_long_runs(x, block)
    with agreed(x.comm):
        if x.comm.rank == 0:
            _lengthen(path, max(block.end, path.stat().st_size))
        if x.comm.rank in writers(x.layout):
            descriptor = os.open(path, os.O_WRONLY)
            try:
                for selection, values in pieces(x):
                    block.write(descriptor, selection, values)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _lengthen(path: Path, nbytes: int) -> None:
    """Make a file so long, with room on the disk set aside for it where the file system can do that at once.

    It is filled faster then, and a disk that is too full says so before. And ext4 does not write out a new file that
    nobody waits for, with all waiting, when it takes the place of an old one.
    """
    os.truncate(path, nbytes)
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)  # not Python's, which may write zeros
    if fallocate is None or not nbytes:
        return
    descriptor = os.open(path, os.O_WRONLY)
    try:
        if fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(nbytes)) and ctypes.get_errno() == errno.ENOSPC:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def _in_long_runs(x: DNDarray, block: Block) -> DNDarray:
    boxes = {x.layout.box(rank) for rank in range(x.comm.size)}
    runs = [block.run(box) for box in boxes if all(start < stop for start, stop in box)]
    if min(runs, default=PAGE) >= PAGE or block.nbytes <= PAGE:
        return x
    return in_rank_order(x, 0 if block.order == "C" else x.ndim - 1)


def in_rank_order(x: DNDarray, axis: int = 0) -> DNDarray:
    """The array with one axis dealt out to all processes in their order, the others whole."""
    if not x.ndim or x.layout.axes == (axis,):
        return x
    layout = Layout(x.shape, Grid(x.comm.size), axis)
    return DNDarray(move(x.larray.detach(), x.layout, layout, x.comm), layout, x.comm)


def append_parts(
    comm: Communicator, path: Path, produce: Callable[[IO[bytes]], None], offset: int | None = None
) -> tuple[int, int]:
    """Bytes of all processes one behind the other, in the order of ranks; how many, each finds when it makes them.

    They are made at once. What does not fit into a bounded part of memory waits in a file beside the target.
    Communication: three collectives.

    Parameters
    ----------
    comm, path
        The processes, and the file, which rank 0 has made.
    produce
        Writes the bytes of this process.
    offset
        Where the first begins; by default at the end of the file.

    Returns
    -------
    tuple
        Where the first begins and the last ends.
    """
    with tempfile.SpooledTemporaryFile(max_size=SLAB, dir=str(path.parent)) as parts:
        with agreed(comm):
            produce(parts)
        sizes = comm.allgather_object((parts.tell(), path.stat().st_size if comm.rank == 0 else 0))
        first = sizes[0][1] if offset is None else offset
        at = first + sum(size for size, _ in sizes[: comm.rank])
        parts.seek(0)
        with agreed(comm):
            descriptor = os.open(path, os.O_WRONLY)
            try:
                while content := parts.read(PIECE):
                    _write_at(descriptor, at, memoryview(content))
                    at += len(content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    return first, first + sum(size for size, _ in sizes)


def block_of(x: DNDarray, order: str = "C", offset: int = 0) -> Block:
    """Where the elements of an array come to lie in a file."""
    if order not in ("C", "F"):
        raise ValueError(f"`order` (={order!r}) must be 'C', the last index fastest, or 'F', the first")
    return Block(x.shape, numpy_dtype(x.dtype), offset, order)


def make_file(comm: Communicator, path: Path, head: bytes = b"") -> None:
    """Rank 0 makes the file, if there is none, with `head` at its end. Communication: one collective."""
    with agreed(comm):
        if comm.rank == 0:
            with open(path, "ab") as file:
                file.write(head)
            sync(path)
