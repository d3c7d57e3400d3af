"""Where the rows of a table of text begin: counted by blocks of bytes, by all processes together or by one alone."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..communication import Communicator
from ._files import PathLike

__all__ = [
    "PACKED",
    "Index",
    "Text",
    "Window",
    "begin_of_rows",
    "indexed",
    "joined",
    "offset_of",
    "open_binary",
    "scan",
]

BLOCK = 4 * 2**20
"""Bytes of which the number of rows is known, so that a row is found by reading one block."""

PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_NEWLINE, _RETURN = b"\n\r"


@dataclass(frozen=True)
class Text:
    """How a table is written."""

    sep: str | None = None
    header: bool | str = "infer"
    skiprows: int = 0
    comment: str | None = "#"
    missing: Sequence[str] = ()
    decimal: str = "."
    quotechar: str | None = '"'

    def fields(self, row: bytes, path: PathLike) -> list[str]:
        """The fields of one row."""
        how: dict[str, Any] = {"quotechar": self.quotechar} if self.quotechar else {"quoting": csv.QUOTE_NONE}
        lines = io.StringIO(row.decode("utf-8", "replace"), newline="")
        return next(csv.reader(lines, delimiter=self.sep_of(path), **how), [])

    def sep_of(self, path: PathLike) -> str:
        return self.sep or ("\t" if ".tsv" in Path(path).suffixes else ",")

    def is_value(self, field: str) -> bool:
        """Whether a field is a number or a truth value."""
        if field.strip().lower() in ("true", "false"):
            return True
        try:
            float(field.replace(self.decimal, "."))
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Index:
    """Where rows begin, by blocks of bytes."""

    begin: int
    """Where the first row begins, that of names included."""
    rows: np.ndarray
    """How many rows begin before each block, and in all."""
    quoted: np.ndarray
    """Whether each block begins within a quoted field."""


def open_binary(path: Path) -> IO[bytes]:
    opening = PACKED.get(path.suffix.lower())
    return open(path, "rb", buffering=0) if opening is None else _Unpacked(opening(path, "rb"))  # type: ignore


class _Unpacked(io.RawIOBase):
    """What is packed, from which one can go back by two blocks; further back it is unpacked from its beginning on."""

    PIECE = 2**20

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.position, self.following = file, 0, 0
        self.pieces: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset
        return offset

    def readinto(self, target: Any) -> int:
        number, begin = divmod(self.position, self.PIECE)
        content = self._piece(number)[begin : begin + len(target)]
        target[: len(content)] = content
        self.position += len(content)
        return len(content)

    def _piece(self, number: int) -> bytes:
        if number < self.following and number not in self.pieces:
            self.file.seek(0)
            self.following = 0
            self.pieces.clear()
        while number >= self.following:
            self.pieces[self.following] = self.file.read(self.PIECE)
            self.pieces.pop(self.following - 2 * BLOCK // self.PIECE, None)
            self.following += 1
        return self.pieces[number]

    def close(self) -> None:
        self.file.close()
        super().close()


def begin_of_rows(path: Path, text: Text) -> int:
    """Where the first row begins, after the lines that are to be passed over."""
    with open_binary(path) as file, io.BufferedReader(file) as lines:  # type: ignore[type-var]
        begin = len(lines.read(3)) if lines.peek(3)[:3] == b"\xef\xbb\xbf" else 0
        for _ in range(text.skiprows):
            begin += len(lines.readline())
        while (line := lines.readline()) and text.comment and line.startswith(text.comment.encode()):
            begin += len(line)
    return begin


Counts = tuple[int, int, int]
"""Of a block: its quotation marks; the rows that begin in it if it begins outside of a quoted field, and if inside."""


def scan(path: Path, begin: int, text: Text, comm: Communicator | None) -> list[Counts]:
    """Count rows in the blocks that fall to this process: its share of them, or of packed files all to the first."""
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    first, last = 0, None
    if path.suffix.lower() not in PACKED:
        blocks = -(-max(path.stat().st_size - begin, 0) // BLOCK)
        first, last = blocks * rank // size, blocks * (rank + 1) // size
    elif rank > 0:
        return []
    found: list[Counts] = []
    with open_binary(path) as file:
        while last is None or first + len(found) < last:
            content = _block(file, begin, first + len(found))
            if len(content) <= 1:
                break
            starts, quotes = _starts(content, text), _quotes(content, text)
            inside = np.searchsorted(quotes, starts) & 1
            found.append((len(quotes), int((inside == 0).sum()), int((inside == 1).sum())))
    return found


def _block(file: IO[bytes], begin: int, number: int) -> np.ndarray:
    """The bytes of a block, and the one before."""
    offset = begin + number * BLOCK
    content = np.empty(BLOCK + 1, np.uint8)
    content[0] = _NEWLINE
    file.seek(max(offset - 1, begin))
    missing = content.data[1 if number == 0 else 0 :]
    while len(missing) and (count := file.readinto(missing)):  # type: ignore[attr-defined]
        missing = missing[count:]
    return content[: len(content) - len(missing)]


def _starts(content: np.ndarray, text: Text) -> np.ndarray:
    """Where lines begin that are not empty, in a block that is preceded by one byte."""
    after = np.flatnonzero(content[:-1] == _NEWLINE) + 1
    following = content[after]
    return after[(following != _NEWLINE) & (following != _RETURN)]


def _quotes(content: np.ndarray, text: Text) -> np.ndarray:
    if not text.quotechar:
        return np.empty(0, np.int64)
    return np.flatnonzero(content[1:] == ord(text.quotechar)) + 1


def joined(blocks: list[Counts], begin: int) -> Index:
    """What the counts of all blocks say together."""
    counts = np.array(blocks, dtype=np.int64).reshape(-1, 3)
    quoted = np.concatenate([[0], np.cumsum(counts[:, 0])])[:-1] & 1
    rows = np.concatenate([[0], np.cumsum(np.where(quoted == 1, counts[:, 2], counts[:, 1]))])
    return Index(begin, rows, quoted)


def _block_with(row: int, index: Index) -> int:
    """The block in which a row begins."""
    return int(np.searchsorted(index.rows, row, side="right")) - 1


def offset_of(file: IO[bytes], row: int, text: Text, index: Index) -> int | None:
    """Where a row begins; None behind the last."""
    if row >= index.rows[-1]:
        return None
    number = _block_with(row, index)
    content = _block(file, index.begin, number)
    starts = _starts(content, text)
    starts = starts[(np.searchsorted(_quotes(content, text), starts) & 1) == index.quoted[number]]
    return index.begin + number * BLOCK + int(starts[row - index.rows[number]]) - 1


class Window(io.RawIOBase):
    """The bytes from an offset to a row as a file; what it looks at lies ever further on, as suits packed files."""

    def __init__(self, file: IO[bytes], start: int, row: int, text: Text, index: Index) -> None:
        self.file, self.position, self.end = file, start, sys.maxsize
        self._look_up = lambda: offset_of(file, row, text, index)
        self._near = index.begin + _block_with(row, index) * BLOCK  # there, or later, the row begins

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if self._near < self.position + len(target):
            self.end, self._near = self._look_up() or sys.maxsize, sys.maxsize
        target = memoryview(target)[: self.end - self.position]
        self.file.seek(self.position)
        count = self.file.readinto(target)  # type: ignore[attr-defined]
        self.position += count
        return count


def indexed(path: Path, text: Text) -> Index:
    """Where rows begin, as counted by this process alone."""
    begin = begin_of_rows(path, text)
    return joined(scan(path, begin, text, None), begin)
