"""NPZ, NumPy's own files of several arrays: ZIP archives of NPY files.

What is stored as it is, is read and written by all processes at once, each its own bytes. What is compressed, every
process that needs some of it unpacks from its beginning on; it is compressed by all processes at once.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..array import DNDarray
from ..communication import Communicator
from ..elementwise import as_operand
from ..errors import agreed
from ..replacement import replacing
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._offsets import (
    PIECE,
    append_parts,
    block_of,
    in_rank_order,
    open_bytes,
    stream_bytes,
    write_block,
)
from ._parts import Source, check_mode, load_part, pieces, writers
from .npy import head_of, read_head

__all__ = ["inspect", "load", "open_source", "save"]


def load(path: PathLike, name: str | None = None, **place: Any) -> DNDarray:
    """Read an array of an NPZ file; of what is not compressed each process reads its own bytes only.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : str, optional
        Name of the array. May be left out where the file has one only.
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
    KeyError
        If there is no such array; the message lists those that there are.
    TypeError
        For what arrays cannot hold: text, dates, Python objects, records.
    """
    return load_part(open_source(path, name), path, **place)


@contextmanager
def open_source(path: PathLike, name: str | None = None) -> Iterator[Source]:
    """An array of the file, open to be read by this process; local."""
    path = existing(path)
    with zipfile.ZipFile(path) as archive, open_bytes(path) as read_at:
        info = _find(archive, name, path)
        title = f"array {_array_name(info)!r} in {path}"
        with archive.open(info) as member:
            block = read_head(member, title)
            if info.file_size < block.end:
                raise OSError(f"{title} is truncated: it has {info.file_size} bytes of {block.end}")
            if info.compress_type == zipfile.ZIP_STORED:
                yield block.shifted(_begin_of(info, read_at)).source(title, read_at)
            else:
                yield block.source(title, stream_bytes(member, path))


def _find(archive: zipfile.ZipFile, name: str | None, path: Path) -> zipfile.ZipInfo:
    found = {_array_name(info): info for info in archive.infolist() if info.filename.endswith(".npy")}
    if name is None:
        if len(found) != 1:
            raise ValueError(f"`name` must say which, for {path} has {list(found) or 'none'}")
        return next(iter(found.values()))
    if name not in found:
        raise KeyError(f"no array {name!r} in {path}, which has {list(found)}")
    return found[name]


def _array_name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _begin_of(info: zipfile.ZipInfo, read_at: Any) -> int:
    """Where the bytes of a member begin: after a header that ends in a name and extras."""
    header = bytearray(30)
    read_at(info.header_offset, memoryview(header))
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + len(header) + lengths


def inspect(path: PathLike) -> Contents:
    """What arrays the file holds; local."""
    entries = []
    with naming("read", path), zipfile.ZipFile(existing(path)) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as member:
                    block = read_head(member, f"array {_array_name(info)!r} in {path}")
                packed = None if info.compress_type == zipfile.ZIP_STORED else "deflate"
                entries.append(Entry(_array_name(info), block.shape, block.dtype.name, None, packed))
    return Contents(path, entries)


def save(x: Any, path: PathLike, name: str = "data", *, mode: str = "w", compressed: bool = False) -> None:
    """Write an array to an NPZ file, in any layout; all processes write, and compress, at once.

    Parameters
    ----------
    x : DNDarray or array_like
        The array.
    path : path-like
        The file, in a folder that every process can see. It appears, or changes, when it is complete.
    name : str
        Name of the array.
    mode : {"w", "x", "a"}
        "w": the file will hold this array alone. "x": the same, but not if there is such a file already. "a":
        what other arrays it holds stay. The file is copied for that.
    compressed : bool
        Whether to compress, as `numpy.savez_compressed` does.

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For bfloat16, which NumPy does not have.
    ValueError
        If the file has an array of this name already, which ZIP archives cannot remove.

    Notes
    -----
    Communication: a few small collectives. What is compressed, or lies in parts that are narrower than a page of
    the disk (split=1 with few columns), is moved first, by one all-to-all.
    """
    x = as_operand(x)
    check_mode(mode)
    block = block_of(x)
    with replacing(path, x.comm, keep=mode == "a", new=mode == "x") as temporary, naming("write", path):
        begun = _begin(x.comm, temporary, name, compressed)
        if compressed:
            written = _compress(x, temporary, head_of(block), begun.end)
        else:
            written = _store(x, temporary, head_of(block), begun.end)
        with agreed(x.comm):
            if x.comm.rank == 0:
                _finish(temporary, begun, written)


class _Begun(NamedTuple):
    """A member of an archive of which the header is written, for now without what is known at its end."""

    members: list[zipfile.ZipInfo]
    """All of the archive, the new one last; on rank 0."""
    end: int
    """Where its bytes begin."""


class _Written(NamedTuple):
    size: int
    packed: int
    """Bytes in the file."""
    crc: int


def _begin(comm: Communicator, path: Path, name: str, compressed: bool) -> _Begun:
    """Rank 0 makes room for a member after those that the file has. Communication: two collectives."""
    members: list[zipfile.ZipInfo] = []
    end = 0
    with agreed(comm):
        if comm.rank == 0:
            at = 0
            if path.exists():
                with zipfile.ZipFile(path) as archive:
                    members, at = archive.infolist(), archive.start_dir
            if name in map(_array_name, members):
                raise ValueError(f"the file has an array {name!r} already, and cannot remove it; use another name")
            info = zipfile.ZipInfo(name + ".npy")
            info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            info.external_attr = (stat.S_IFREG | 0o600) << 16
            info.header_offset = at
            info.file_size = info.compress_size = info.CRC = 0
            members.append(info)
            end = at + len(info.FileHeader(zip64=True))
            with open(path, "ab") as file:
                file.truncate(at)
                file.truncate(end)
    return _Begun(members, comm.broadcast_object(end))


def _finish(path: Path, begun: _Begun, written: _Written) -> None:
    """Fill in the header of the member that is now complete, and write the list of all."""
    info = begun.members[-1]
    info.file_size, info.compress_size, info.CRC = written.size, written.packed, written.crc
    with open(path, "r+b") as file:
        file.seek(info.header_offset)
        file.write(info.FileHeader(zip64=True))
        file.seek(begun.end + written.packed)
        with zipfile.ZipFile(file, "w") as archive:  # it begins where the file stands, and ends with the list
            archive.filelist[:] = begun.members


def _store(x: DNDarray, path: Path, head: bytes, at: int) -> _Written:
    """Write the bytes of an NPY file by their offsets. Communication: three collectives."""
    comm = x.comm
    with agreed(comm):
        if comm.rank == 0:
            with open(path, "ab") as file:
                file.write(head)
    block = block_of(x, offset=at + len(head))
    write_block(x, path, block)
    size = block.end - at
    # What is written lies in the cache of the file system: each process adds up an equal share of it.
    bounds = [at + size * rank // comm.size for rank in range(comm.size + 1)]
    crc = 0
    with agreed(comm), open_bytes(path) as read_at:
        content = bytearray(PIECE)
        for start in range(bounds[comm.rank], bounds[comm.rank + 1], PIECE):
            piece = memoryview(content)[: min(PIECE, bounds[comm.rank + 1] - start)]
            read_at(start, piece)
            crc = zlib.crc32(piece, crc)
    parts = comm.allgather_object(crc)
    return _Written(size, size, _joined([(c, bounds[r + 1] - bounds[r]) for r, c in enumerate(parts)]))


def _compress(x: DNDarray, path: Path, head: bytes, at: int) -> _Written:
    """Write the bytes of an NPY file, compressed in as many parts as there are processes."""
    x = in_rank_order(x)
    comm = x.comm
    size = crc = 0

    def produce(file: IO[bytes]) -> None:
        nonlocal size, crc
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)

        def add(content: Any) -> None:
            nonlocal size, crc
            size, crc = size + len(content), zlib.crc32(content, crc)
            file.write(packer.compress(content))

        if comm.rank == 0:
            add(head)
        if comm.rank in writers(x.layout):
            for _, values in pieces(x):
                add(values.tobytes())
        # A stream that is flushed so can go on with another one, but for the last, which ends it.
        file.write(packer.flush(zlib.Z_FINISH if comm.rank == comm.size - 1 else zlib.Z_FULL_FLUSH))

    start, stop = append_parts(comm, path, produce, at)
    sums = comm.allgather_object((crc, size))
    return _Written(sum(n for _, n in sums), stop - start, _joined(sums))


# --- check sums ---------------------------------------------------------------------------------------------

_POLYNOMIAL = 0xEDB88320  # the CRC-32 of ZIP, the coefficient of the highest power in the lowest bit


def _joined(parts: list[tuple[int, int]]) -> int:
    """CRC-32 of what is put together from parts, of each of which the CRC-32 and the length are known.

    A CRC-32 is a remainder of polynomials over the field of two elements: n bytes behind it multiply it by x^(8n).
    """
    total = 0
    for crc, length in parts:
        total = _product(_power_of_x(8 * length), total) ^ crc
    return total


def _product(a: int, b: int) -> int:
    """The product of two polynomials, modulo that of CRC-32."""
    result = 0
    for power in range(32):
        if a >> (31 - power) & 1:
            result ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result


def _power_of_x(n: int) -> int:
    """x^n modulo the polynomial of CRC-32, by squaring."""
    result, square = 1 << 31, 1 << 30  # 1 and x
    while n:
        if n & 1:
            result = _product(result, square)
        square = _product(square, square)
        n >>= 1
    return result
