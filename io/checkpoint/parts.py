"""The data of a checkpoint: which rank writes what of an array, in tiles that each have a checksum."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...layout import Box, Grid, Layout, balanced_counts
from ...memory import fresh
from .._files import naming
from .folder import CheckpointError, file_of, read_sealed

__all__ = ["Part", "Reader", "Stored", "is_written_by", "tiles", "write_parts"]

TILE = 4 * 2**20
"""Bytes of a tile: what is read, and checked, at a time."""

ALIGNMENT = 64
"""Tiles begin at multiples of this many bytes."""

_MOST_OPEN = 64
"""Data files that are open at a time."""


@dataclass(frozen=True)
class Stored:
    """An array of a checkpoint: what it is, and how it lay on the ranks that wrote it.

    What is no distributed array lies on a grid of one process: rank 0.
    """

    key: str
    dtype: torch.dtype
    layout: Layout

    def to_json(self) -> dict[str, Any]:
        layout = self.layout
        return {
            "shape": layout.shape,
            "dtype": str(self.dtype).removeprefix("torch."),
            "grid": layout.grid.shape,
            "split": layout.axes,
            "counts": None if layout.is_balanced else layout.counts,
        }

    @classmethod
    def from_json(cls, key: str, json: Mapping[str, Any]) -> Stored:
        layout = Layout(json["shape"], Grid(json["grid"]), tuple(json["split"]), json["counts"])
        return cls(key, dtype_named(json["dtype"]), layout)


class Part(NamedTuple):
    """What one rank writes of an array: its elements, and where they belong."""

    key: str
    box: Box
    tensor: Tensor


class Tile(NamedTuple):
    """A box of an array, where its bytes lie in a file (in C order), and their checksum."""

    box: Box
    offset: int
    nbytes: int
    checksum: int


def dtype_named(name: str) -> torch.dtype:
    """torch's type of this name."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"this torch ({torch.__version__}) has no type {name!r}, which the checkpoint holds")
    return dtype


# --- who writes what --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _holders(layout: Layout) -> dict[Box, list[int]]:
    """The distinct parts of an array that have elements, each with the ranks that hold it."""
    holders: dict[Box, list[int]] = {}
    for rank in range(layout.grid.size):
        if math.prod(layout.lshape(rank)):
            holders.setdefault(layout.box(rank), []).append(rank)
    return holders


def written(stored: Stored, box: Box | None = None) -> Iterator[tuple[Box, int]]:
    """The parts of an array, and who writes each: those that hold the same take turns, array by array.

    With `box` those parts that have some of it, or more.
    """
    turn = int(stored.key) if stored.key.isdigit() else 0
    holders = _holders(stored.layout)
    for part in [box] if box in holders else holders:
        yield part, holders[part][turn % len(holders[part])]


def is_written_by(stored: Stored, rank: int) -> bool:
    """Whether this rank writes a part of the array."""
    if rank >= stored.layout.grid.size or not math.prod(stored.layout.lshape(rank)):
        return False
    return next(written(stored, stored.layout.box(rank)))[1] == rank


# --- tiles ------------------------------------------------------------------------------------------------------------


def tiles(box: Box, itemsize: int) -> Iterator[Box]:
    """Cut a box into tiles of at most TILE bytes whose sides differ little, in C order; none for an empty box.

    Such tiles serve any later split: who reads columns of what was written by rows reads little else.

    >>> list(tiles(((0, 2**20), (0, 2)), itemsize=4))
    [((0, 524288), (0, 2)), ((524288, 1048576), (0, 2))]
    """
    lengths = [stop - start for start, stop in box]
    if itemsize * math.prod(lengths) <= TILE:
        yield from [box] if math.prod(lengths) else []
        return
    cuts = [1] * len(box)
    while itemsize * math.prod(-(-n // c) for n, c in zip(lengths, cuts, strict=True)) > TILE:
        longest = max(range(len(box)), key=lambda a: lengths[a] / cuts[a])
        if cuts[longest] == lengths[longest]:
            break
        cuts[longest] = min(2 * cuts[longest], lengths[longest])
    yield from product(*[_pieces(*interval, c) for interval, c in zip(box, cuts, strict=True)])


def _pieces(start: int, stop: int, count: int) -> list[tuple[int, int]]:
    ends = [start, *(start + int(n) for n in np.cumsum(balanced_counts(stop - start, count)))]
    return list(zip(ends, ends[1:], strict=False))


def intersection(a: Box, b: Box) -> Box | None:
    """What two boxes share, or None."""
    box = tuple((max(s, u), min(t, v)) for (s, t), (u, v) in zip(a, b, strict=True))
    return box if all(start < stop for start, stop in box) else None


def _within(box: Box, outer: Box) -> tuple[slice, ...]:
    return tuple(slice(start - first, stop - first) for (start, stop), (first, _) in zip(box, outer, strict=True))


def as_bytes(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor in host memory, which they share."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


# --- writing ----------------------------------------------------------------------------------------------------------


def write_parts(path: Path, parts: Iterable[Part]) -> dict[str, list[Tile]]:
    """Write the parts into one file, which then lies on the disk; where their tiles are."""
    table: dict[str, list[Tile]] = {}
    with naming("write", path), open(path, "xb") as file:
        for key, box, tensor in parts:
            table[key] = []
            for tile in tiles(box, tensor.element_size()):
                piece = tensor.detach()[_within(tile, box)].cpu().resolve_conj().resolve_neg().contiguous()
                data = as_bytes(piece)
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                table[key].append(Tile(tile, file.tell(), data.nbytes, zlib.crc32(data)))
                file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return table


# --- reading ----------------------------------------------------------------------------------------------------------


class Reader:
    """The data files of a checkpoint, of which one reads any box of any array. Local; a context manager."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], rank: int) -> None:
        self.folder = folder
        self.rank = rank
        self.ranks: int = manifest["ranks"]
        self.alike: list[bool] = manifest["alike"]
        self.arrays = {key: Stored.from_json(key, json) for key, json in manifest["arrays"].items()}
        self._token: str = manifest["token"]
        self._sizes = {int(rank): size for rank, size in manifest["files"].items()}
        self._tables: dict[int, dict[str, Any]] = {}
        self._open: dict[int, BinaryIO] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def table(self, rank: int) -> dict[str, Any]:
        """What a rank wrote beside its data."""
        if rank not in self._tables:
            path = file_of(self.folder, rank, self._token, "json")
            if not path.exists():
                raise CheckpointError(f"{path}, a part of the checkpoint, is missing")
            self._tables[rank] = read_sealed(path)
        return self._tables[rank]

    def _file(self, rank: int) -> BinaryIO:
        if rank not in self._open:
            path = file_of(self.folder, rank, self._token, "data")
            size = path.stat().st_size if path.exists() else None
            if size != self._sizes[rank]:
                has = "is missing" if size is None else f"has {size} bytes"
                raise CheckpointError(f"{path}, a part of the checkpoint, {has} instead of {self._sizes[rank]} bytes")
            if len(self._open) == _MOST_OPEN:
                self.__exit__()
            self._open[rank] = open(path, "rb", buffering=0)  # noqa: SIM115 (closed by __exit__)
        return self._open[rank]

    def read(self, stored: Stored, box: Box) -> Tensor:
        """These elements, in host memory. Read, and checked, are the tiles in which they lie and nothing else."""
        return self._read(stored, box, written(stored, box))

    def read_own(self, stored: Stored, rank: int) -> Tensor:
        """An array of which every rank wrote one of its own: that of `rank`."""
        whole = stored.layout.box(0)
        return self._read(stored, whole, [(whole, rank)])

    def _read(self, stored: Stored, box: Box, parts: Iterable[tuple[Box, int]]) -> Tensor:
        result = fresh([stop - start for start, stop in box], torch.empty(0, dtype=stored.dtype))
        missing = result.numel()
        for part, rank in parts:
            if intersection(part, box) is None:
                continue
            for entry in self.table(rank)["tiles"][stored.key]:
                tile = Tile(tuple((start, stop) for start, stop in entry[0]), *entry[1:])
                shared = intersection(tile.box, box)
                if shared is not None:
                    landing = result[_within(shared, box)]
                    missing -= landing.numel()
                    self._read_tile(rank, stored, tile, shared, landing)
        if missing:
            raise CheckpointError(f"{self.folder} lacks {missing} elements of array {stored.key}, {stored.layout}")
        return result

    def _read_tile(self, rank: int, stored: Stored, tile: Tile, shared: Box, landing: Tensor) -> None:
        direct = shared == tile.box and landing.is_contiguous()
        shape = [stop - start for start, stop in tile.box]
        buffer = landing if direct else torch.empty(shape, dtype=stored.dtype)
        data, file = as_bytes(buffer), self._file(rank)
        file.seek(tile.offset)
        got = _fill(file, data) if data.nbytes == tile.nbytes else -1
        if got != tile.nbytes or zlib.crc32(data) != tile.checksum:
            raise CheckpointError(
                f"{file.name} is damaged: part {tile.box} of array {stored.key}, {tile.nbytes} bytes from byte "
                f"{tile.offset}, does not have the checksum that it was written with"
            )
        if not direct:
            landing.copy_(buffer[_within(shared, tile.box)])


def _fill(file: BinaryIO, data: memoryview) -> int:
    """Read until the memory is full or the file ends; the number of bytes."""
    got = 0
    while got < len(data) and (n := file.readinto(data[got:])):  # type: ignore[attr-defined]
        got += n
    return got
