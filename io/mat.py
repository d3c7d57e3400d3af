"""MATLAB's files: each process reads and writes its own part, of version 5 (up to MATLAB 7) and 7.3, which is HDF5.

MATLAB runs through columns first. The arrays here have the shape that they have in MATLAB, so of version 7.3, where
others show them transposed, splits are best at the last axis.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..elementwise import as_operand
from ..errors import agreed
from ..replacement import replacing
from ..types import as_dtype, numpy_dtype
from . import hdf5
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._offsets import Block, ReadAt, make_file, open_bytes, write_block
from ._optional import require
from ._parts import Selection, Source, as_file_dtype, check_mode, load_part

__all__ = ["inspect", "load", "open_source", "save"]

# Numbers of types of data and of classes of arrays, as MathWorks' "MAT-File Format" lists them.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_NAMES = {"f8": "double", "f4": "single"} | {
    f"{k}{n}": f"{'u' * (k == 'u')}int{8 * n}" for k in "iu" for n in (1, 2, 4, 8)
}
_OTHERS = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse"}
_MATRIX, _COMPRESSED = 14, 15
_LOGICAL, _COMPLEX = 0x0200, 0x0800
_LIMIT = 2**31 - 4096
"""Bytes that an array in a file of version 5 may have."""


def load(path: PathLike, name: str | None = None, **place: Any) -> DNDarray:
    """Read an array of a MATLAB file; each process reads its own part, of version 5 packed or not, or 7.3.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see.
    name : str, optional
        Name of the array. May be left out where the file has one of numbers only.
    **place
        `dtype`, `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Of two axes at least, as in MATLAB. Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file, or if it is truncated.
    KeyError
        If there is no such array; the message lists those that there are.
    TypeError
        For what arrays cannot hold: text, structures, cells, sparse matrices.

    Notes
    -----
    Of a packed array every process unpacks what lies before its own part, too.
    """
    return load_part(open_source(path, name), path, **place)


@contextmanager
def open_source(path: PathLike, name: str | None = None) -> Iterator[Source]:
    """An array of the file, open to be read by this process; local."""
    path = existing(path)
    if _is_hdf5(path):
        with _open_hdf5(path, name) as source:
            yield source
        return
    with open_bytes(path) as read_at:
        variable = _choose(list(_variables(path, read_at)), name, path)
        title = f"array {variable.name!r} in {path}"
        if variable.real is None:
            raise TypeError(
                f"{title} is of class {_OTHERS.get(variable.kind, 'unknown')}, which no array type corresponds to"
            )
        yield Source(title, variable.shape, variable.dtype, variable.reader())


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        return b"\x89HDF\r\n\x1a\n" in (file.read(8), file.seek(512) and file.read(8))


# --- version 5 ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Variable:
    """An array in a file of version 5."""

    name: str
    shape: tuple[int, ...]
    kind: int
    dtype: torch.dtype
    packed: bool
    read_at: ReadAt
    real: Block | None
    """Where its elements lie, or their real parts; None for what is no array of numbers."""
    imaginary: Block | None = None

    def reader(self) -> Any:
        def read_into(selection: Selection, target: np.ndarray) -> None:
            assert self.real is not None
            parts = [target] if self.imaginary is None else [target.real, target.imag]
            for block, part in zip((self.real, self.imaginary), parts, strict=False):
                assert block is not None
                buffer = np.empty(target.shape, block.dtype.newbyteorder("="))
                block.read(self.read_at, selection, buffer)
                part[...] = buffer  # which may be of a smaller type than the array

        return read_into


def _choose(variables: list[_Variable], name: str | None, path: Path) -> _Variable:
    found = [v for v in variables if (v.real is not None if name is None else v.name == name)]
    names = [v.name for v in variables]
    if name is not None and not found:
        raise KeyError(f"no array {name!r} in {path}, which has {names}")
    if name is None and len(found) != 1:
        raise ValueError(f"`name` must say which, for {path} has {names or 'none'}")
    return found[0]


def _variables(path: Path, read_at: ReadAt) -> Iterator[_Variable]:
    """What a file of version 5 holds; of each array the head is read, and unpacked, only."""
    offset, size = 128, path.stat().st_size
    head = _take(read_at, 0, min(offset, size))
    order = {b"IM": "<", b"MI": ">"}.get(head[126:])
    if order is None:
        raise OSError(f"{path} is no MATLAB file of version 5 or 7.3; of version 4, scipy.io.loadmat reads it")
    while offset + 8 <= size:
        kind, nbytes = struct.unpack(order + "II", _take(read_at, offset, 8))
        if offset + 8 + nbytes > size:
            raise OSError(f"{path} is truncated: it has {size} bytes of {offset + 8 + nbytes}")
        if kind == _COMPRESSED:
            inner = _Unpacked(read_at, offset + 8, nbytes, path).read_at
            yield _variable(inner, 0, order, True)
        elif kind == _MATRIX:
            yield _variable(read_at, offset, order, False)
        offset += 8 + nbytes


def _take(read_at: ReadAt, offset: int, count: int) -> bytes:
    content = bytearray(count)
    read_at(offset, memoryview(content))
    return bytes(content)


def _element(read_at: ReadAt, offset: int, order: str) -> tuple[int, int, int, int]:
    """Type, begin and length of an element, and where the next begins; short ones lie within their own tag."""
    first, nbytes = struct.unpack(order + "II", _take(read_at, offset, 8))
    if first >> 16:
        return first & 0xFFFF, offset + 4, first >> 16, offset + 8
    return first, offset + 8, nbytes, offset + 8 + -(-nbytes // 8) * 8


def _variable(read_at: ReadAt, offset: int, order: str, packed: bool) -> _Variable:
    """What the elements at the head of an array say: its class, its shape and its name."""
    offset += 8
    _, start, _, offset = _element(read_at, offset, order)
    flags = struct.unpack(order + "I", _take(read_at, start, 4))[0]
    _, start, nbytes, offset = _element(read_at, offset, order)
    shape = struct.unpack(f"{order}{nbytes // 4}i", _take(read_at, start, nbytes))
    _, start, nbytes, offset = _element(read_at, offset, order)
    name = _take(read_at, start, nbytes).decode("latin-1")
    kind = flags & 0xFF
    if kind not in _CLASSES:
        return _Variable(name, shape, kind, torch.uint8, packed, read_at, None)
    dtype = torch.bool if flags & _LOGICAL else as_dtype(_CLASSES[kind])
    blocks = []
    for _ in range(2 if flags & _COMPLEX else 1):
        stored, start, _, offset = _element(read_at, offset, order)
        blocks.append(Block(shape, np.dtype(order + _STORED[stored]), start, "F"))
    if flags & _COMPLEX:
        dtype = torch.complex64 if dtype is torch.float32 else torch.complex128
    return _Variable(name, shape, kind, dtype, packed, read_at, *blocks)


class _Unpacked:
    """What is packed in a part of a file, to be read forwards; anew from its beginning where one goes back."""

    def __init__(self, read_at: ReadAt, start: int, nbytes: int, path: Path) -> None:
        self.packed, self.start, self.nbytes, self.path = read_at, start, nbytes, path
        self._begin()

    def _begin(self) -> None:
        self.taken, self.position, self.unpacker = 0, 0, zlib.decompressobj()

    def _next(self, limit: int) -> bytes:
        """Some bytes, at most as many."""
        rest = self.unpacker.unconsumed_tail
        if not rest:
            count = min(2**18, self.nbytes - self.taken)
            if count == 0:
                raise OSError(f"{self.path} is truncated within a packed array")
            rest = _take(self.packed, self.start + self.taken, count)
            self.taken += count
        content = self.unpacker.decompress(rest, limit)
        self.position += len(content)
        return content

    def read_at(self, offset: int, target: memoryview) -> None:
        if offset < self.position:
            self._begin()
        while self.position < offset:
            self._next(min(offset - self.position, 2**20))
        done = 0
        while done < len(target):
            content = self._next(len(target) - done)
            target[done : done + len(content)] = content
            done += len(content)


# --- version 7.3 --------------------------------------------------------------------------------------------


@contextmanager
def _open_hdf5(path: Path, name: str | None) -> Iterator[Source]:
    h5py = require("h5py")
    with h5py.File(path, "r") as file:
        found = {key: item for key, item in file.items() if isinstance(item, h5py.Dataset)}
        if name is None and len(found) != 1:
            raise ValueError(f"`name` must say which, for {path} has {list(found) or 'none'}")
        if name is not None and name not in found:
            raise KeyError(f"no array {name!r} in {path}, which has {list(found)}")
        yield _source(found[name] if name is not None else next(iter(found.values())), path)


def _source(dataset: Any, path: Path) -> Source:
    title = f"array {dataset.name!r} in {path}"
    kind = dataset.attrs.get("MATLAB_class", b"").decode()
    if kind in ("char", "cell", "struct") or "MATLAB_sparse" in dataset.attrs:
        raise TypeError(f"{title} is of class {kind}, which no array type corresponds to")
    pairs = dataset.dtype.names == ("real", "imag")  # MATLAB's complex numbers
    stored = np.result_type(dataset.dtype["real"], np.complex64) if pairs else dataset.dtype
    dtype = torch.bool if kind == "logical" else as_file_dtype(stored, title)
    if dataset.attrs.get("MATLAB_empty", 0):  # holds its shape
        shape = tuple(int(n) for n in dataset[...])
        return Source(title, shape, as_dtype(_dtype_of(kind)), lambda selection, target: None)

    def read_into(selection: Selection, target: np.ndarray) -> None:
        values = dataset[tuple(reversed(selection))].T
        target[...] = values["real"] + 1j * values["imag"] if pairs else values

    chunks = dataset.chunks and tuple(reversed(dataset.chunks))
    return Source(title, tuple(reversed(dataset.shape)), dtype, read_into, chunks)


def _dtype_of(kind: str) -> str:
    return {value: key for key, value in _NAMES.items()}.get(kind, "bool" if kind == "logical" else "f8")


def inspect(path: PathLike) -> Contents:
    """What arrays the file holds, those that cannot be loaded included; local."""
    path = existing(path)
    if _is_hdf5(path):
        found = hdf5.inspect(path)
        turned = [replace(e, shape=e.shape[::-1], chunks=e.chunks and e.chunks[::-1]) for e in found]
        return Contents(path, [e for e in turned if not e.name.startswith("#")], found.attributes)
    with naming("read", path), open_bytes(path) as read_at:
        entries = []
        for v in _variables(path, read_at):
            dtype = _OTHERS.get(v.kind, "unknown") if v.real is None else str(v.dtype).removeprefix("torch.")
            entries.append(Entry(v.name, v.shape, dtype, None, "zlib" if v.packed else None))
        return Contents(path, entries)


# --- writing ------------------------------------------------------------------------------------------------


def save(
    x: Any, path: PathLike, name: str = "data", *, mode: str = "w", version: str | None = None, **options: Any
) -> None:
    """Write an array to a MATLAB file, in any layout; of version 5 all processes write at once.

    Parameters
    ----------
    x : DNDarray or array_like
        The array. One of less than two axes becomes a row, as in `scipy.io.savemat`.
    path : path-like
        The file, in a folder that every process can see. It appears, or changes, when it is complete.
    name : str
        Name of the array.
    mode : {"w", "x", "a"}
        "w": the file will hold this array alone. "x": the same, but not if there is such a file already. "a": what
        else it holds stays. The file is copied for that.
    version : {"5", "7.3"}, optional
        "7.3", which is HDF5, by default for arrays of 2 GiB and more, which version 5 cannot hold.
    **options
        Of version 7.3 to h5py's `create_dataset`: `chunks`, `compression`, ...

    Raises
    ------
    OSError
        On all processes, if one of them cannot write.
    TypeError
        For half precision and bfloat16, which MATLAB does not have.
    ValueError
        If the array is too large for version 5.
    """
    x = as_operand(x).detach()
    check_mode(mode)
    if x.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"MATLAB has no {x.dtype}; convert first, for example with astype('float32')")
    if x.ndim < 2:
        x = x.reshape(1, x.size)
    chosen = version or ("5" if x.nbytes < _LIMIT and not options else "7.3")
    if chosen not in ("5", "7.3") or (chosen == "5" and x.nbytes >= _LIMIT):
        raise ValueError(f"`version` (={version!r}) must be '5', for less than 2 GiB, or '7.3', got {x.nbytes} bytes")
    if not name.isidentifier() or len(name) > 63:
        raise ValueError(f"`name` (={name!r}) must be a name in MATLAB: letters, digits and _, 63 at most")
    with replacing(path, x.comm, keep=mode == "a", new=mode == "x") as temporary, naming("write", path):
        (_save_5 if chosen == "5" else _save_hdf5)(x, temporary, name, **options)


def _save_5(x: DNDarray, path: Path, name: str) -> None:
    parts = [x.real, x.imag] if x.dtype.is_complex else [x]
    if x.dtype is torch.bool:
        parts = [DNDarray(x.larray.view(torch.uint8), x.layout, x.comm)]
    make_file(x.comm, path)
    with agreed(x.comm):
        end = path.stat().st_size
        if end and _is_hdf5(path):
            raise ValueError("the file is of version 7.3, so what is added to it must be, too")
    # All have looked before the first writes: what is agreed on waits for all.
    code = numpy_dtype(parts[0].dtype).str[1:]
    blocks = [Block(x.shape, np.dtype("<" + code), 0, "F") for _ in parts]
    head = _head_5(x, name, code)
    size = len(head) + sum(8 + -(-block.nbytes // 8) * 8 for block in blocks)
    stored = next(key for key, value in _STORED.items() if value == code)
    begin = struct.pack("<II", _MATRIX, size) + head
    if not end:
        begin = b"MATLAB 5.0 MAT-file, written by dndarray".ljust(124) + struct.pack("<H2s", 0x0100, b"IM") + begin
    for part, block in zip(parts, blocks, strict=True):
        begin += struct.pack("<II", stored, block.nbytes)
        make_file(x.comm, path, begin)
        end += len(begin)
        write_block(part, path, block.shifted(end))
        end += block.nbytes
        begin = bytes(-block.nbytes % 8)
    make_file(x.comm, path, begin)


def _head_5(x: DNDarray, name: str, code: str) -> bytes:
    """The elements before those of the numbers: flags, shape and name."""
    kind = next(key for key, value in _CLASSES.items() if value == code)
    flags = kind | _COMPLEX * x.dtype.is_complex | _LOGICAL * (x.dtype is torch.bool)
    elements = [(6, struct.pack("<II", flags, 0)), (5, struct.pack(f"<{x.ndim}i", *x.shape)), (1, name.encode())]
    return b"".join(struct.pack("<II", kind, len(c)) + c + bytes(-len(c) % 8) for kind, c in elements)


def _save_hdf5(x: DNDarray, path: Path, name: str, **options: Any) -> None:
    h5py = require("h5py")
    dtype = np.dtype("u1") if x.dtype is torch.bool else numpy_dtype(x.dtype)
    code = dtype.str[1:]
    turned = x.transpose()
    if x.dtype is torch.bool:
        turned = DNDarray(turned.larray.view(torch.uint8), turned.layout, x.comm)
    if x.dtype.is_complex:
        code = "f4" if x.dtype is torch.complex64 else "f8"
        dtype = np.dtype([("real", code), ("imag", code)])
    kind = "logical" if x.dtype is torch.bool else _NAMES[code]

    def create() -> str:
        fresh = not path.exists()
        with h5py.File(path, "a", **({"userblock_size": 512} if fresh else {})) as file:
            with contextlib.suppress(KeyError):
                del file[name]
            if x.size:
                dataset = file.create_dataset(name, shape=turned.shape, dtype=dtype, **options)
            else:
                dataset = file.create_dataset(name, data=np.array(x.shape, "u8"))
                dataset.attrs["MATLAB_empty"] = np.uint8(1)
            dataset.attrs["MATLAB_class"] = np.bytes_(kind)
            if kind == "logical":
                dataset.attrs["MATLAB_int_decode"] = np.int32(1)
        if fresh:
            with open(path, "r+b") as file:
                head = b"MATLAB 7.3 MAT-file, written by dndarray".ljust(116) + bytes(8)
                file.write(head + struct.pack("<H2s", 0x0200, b"IM"))
        return name

    @contextmanager
    def opened() -> Iterator[tuple[Any, Any]]:
        with hdf5.open_to_write(path) as file:
            yield _Pairs(file[name]) if x.dtype.is_complex else file[name], file[name].chunks

    hdf5.write_dataset(turned, path, create, opened)


class _Pairs:
    """Takes complex numbers for a dataset of pairs."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __setitem__(self, selection: Selection, values: np.ndarray) -> None:
        self.dataset[selection] = np.ascontiguousarray(values).view(self.dataset.dtype)
