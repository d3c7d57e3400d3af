"""Matrix Market files, read and written by all processes at once, each its own range of bytes."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
import scipy.sparse
import torch

from ..communication import Communicator, as_comm
from ..device import as_device
from ..errors import agreed
from ..replacement import replacing
from ..types import as_dtype
from .array import SparseArray
from .rearrangement import assembled, major_layout, resplit

__all__ = ["mmread", "mmwrite"]

_FIELDS = {"pattern": 0, "integer": 1, "real": 1, "double": 1, "complex": 2}
"""How many numbers a value has in each field."""
_SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")


class _Header(NamedTuple):
    coordinate: bool
    field: str
    symmetry: str
    m: int
    n: int
    entries: int
    """Lines of elements that the file announces."""
    line: int
    """Number of the first of them."""
    start: int
    """Where it begins in the file, in bytes."""
    size: int
    """Of the file, in bytes."""

    @property
    def tokens(self) -> int:
        """Numbers on each line."""
        return _FIELDS[self.field] + 2 * self.coordinate


def mmread(
    source: str | os.PathLike[str],
    *,
    split: int | None = None,
    dtype: Any = None,
    format: str | None = None,
    device: Any = None,
    comm: Any = None,
) -> SparseArray:
    """The sparse matrix in a Matrix Market file, of elements or ("array") dense; read by all processes in parallel.

    Each process reads its share of the bytes, completes symmetric, skew-symmetric and Hermitian matrices, and sends
    the elements home; patterns have ones. Further header lines that begin with % are passed over.

    Communication: a few small messages to agree, one all-to-all of counts, one of elements and one all-reduce; three
    all-gathers besides for `split=None`.

    Raises
    ------
    ValueError
        On every process alike, for what is malformed; it names the line.
    """
    comm = as_comm(comm)
    with agreed(comm):
        header = _read_header(Path(source))
        body = _my_lines(Path(source), header, comm)
        counts, lines = _tokens(body)
    everybody = comm.allgather(torch.tensor([lines, int((counts > 0).sum())])).reshape(-1, 2)
    before, entries_before = everybody[: comm.rank].sum(0).tolist()
    found = int(everybody[:, 1].sum())
    rows = columns = values = np.empty(0)
    failure = None
    try:
        _check_tokens(counts, header)
        rows, columns, values = _parse(body, counts, header, entries_before)
    except _Malformed as error:
        failure = (header.line + before + error.line - 1, str(error))
    failures = [f for f in comm.allgather_object(failure) if f is not None]
    if failures:
        number, message = min(failures)
        raise ValueError(f"{source}, line {number}: {message}")
    if found != header.entries:
        raise ValueError(
            f"{source}, line {header.line - 1}: announces {header.entries} elements, but {found} lines of them follow"
        )
    rows, columns, values = _completed(rows, columns, values, header)
    major = 0 if split is None else split % 2
    i, j = (rows, columns) if major == 0 else (columns, rows)
    m, n = (header.m, header.n) if major == 0 else (header.n, header.m)
    data = torch.from_numpy(np.ascontiguousarray(values)).to(as_device(device))
    data = data if dtype is None else data.to(as_dtype(dtype))
    A = assembled(major_layout((m, n), comm, True), comm, i, j, data, major, None)
    return (A if split is not None else resplit(A, None)).asformat(format)


class _Malformed(ValueError):
    """Something is wrong on the n-th of this process's lines."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _read_header(path: Path) -> _Header:
    def wrong(what: str) -> ValueError:
        return ValueError(f"{path}, line {number}: {what}")

    number = 1
    with path.open("rb") as file:
        words = file.readline().decode(errors="replace").lower().split()
        if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"] or words[2] not in ("coordinate", "array"):
            raise wrong("must read '%%MatrixMarket matrix', coordinate or array, a field and a symmetry")
        if words[3] not in _FIELDS or words[4] not in _SYMMETRIES:
            raise wrong(f"field {words[3]!r} must be one of {', '.join(_FIELDS)}, symmetry {words[4]!r} one of "
                        f"{', '.join(_SYMMETRIES)}")  # fmt: skip
        coordinate = words[2] == "coordinate"
        if words[3] == "pattern" and not coordinate:
            raise wrong("a dense matrix cannot be a pattern")
        line = b"%"
        while line.startswith(b"%") or (line and not line.strip()):
            line = file.readline()
            number += 1
        sizes = line.split()
        if len(sizes) != 2 + coordinate or not all(size.isdigit() for size in sizes):
            wanted = "rows, columns and number of elements" if coordinate else "rows and columns"
            raise wrong(f"must hold {wanted}, not {line.decode(errors='replace').strip()!r}")
        m, n, *rest = (int(size) for size in sizes)
        if words[4] != "general" and m != n:
            raise wrong(f"a {words[4]} matrix must be square, not {m} x {n}")
        skew = words[4] == "skew-symmetric"
        dense = m * n if words[4] == "general" else m * (m - 1) // 2 if skew else m * (m + 1) // 2
        entries = rest[0] if coordinate else dense
        start = file.tell()
        return _Header(coordinate, words[3], words[4], m, n, entries, number + 1, start, file.seek(0, os.SEEK_END))


def _my_lines(path: Path, header: _Header, comm: Communicator) -> bytes:
    """The lines that begin in this process's share of the bytes."""
    total = header.size - header.start
    low, high = (header.start + total * r // comm.size for r in (comm.rank, comm.rank + 1))
    with path.open("rb") as file:
        if comm.rank:
            file.seek(low - 1)
            low = low - 1 + len(file.readline())
        file.seek(low)
        body = file.read(max(0, high - low))
        return body if not body or body.endswith(b"\n") else body + file.readline()


def _tokens(body: bytes) -> tuple[np.ndarray, int]:
    """How many words each line has, and the number of line ends."""
    text = np.frombuffer(body, dtype=np.uint8)
    space = text <= ord(" ")
    begins = np.flatnonzero(~space & np.concatenate([[True], space[:-1]]))
    ends = np.flatnonzero(text == ord("\n"))
    lines = len(ends) + bool(len(text) and text[-1] != ord("\n"))
    return np.bincount(np.searchsorted(ends, begins), minlength=lines), len(ends)


def _check_tokens(counts: np.ndarray, header: _Header) -> None:
    bad = np.flatnonzero((counts != header.tokens) & (counts > 0))
    if len(bad):
        raise _Malformed(f"must hold {header.tokens} numbers, has {counts[bad[0]]} words", int(bad[0]) + 1)


def _parse(body: bytes, counts: np.ndarray, header: _Header, before: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of a process's lines, which SciPy reads as if they were a file of their own."""
    entries = int((counts > 0).sum())
    kind = "coordinate" if header.coordinate else "array"
    size = f"{header.m} {header.n} {entries}" if header.coordinate else f"{entries} 1"
    head = f"%%MatrixMarket matrix {kind} {header.field} general\n{size}\n".encode()
    try:
        part: Any = scipy.io.mmread(io.BytesIO(head + body), spmatrix=False) if entries else None
    except (ValueError, OverflowError) as error:
        at = re.search(r"[Ll]ine (\d+): *", str(error))
        message = str(error)[at.end() :] if at else str(error)
        raise _Malformed(message[:1].lower() + message[1:], int(at.group(1)) - 2 if at else 1) from None
    kinds = {"integer": np.int64, "complex": np.complex128}
    if part is None:
        return *np.empty((2, 0), dtype=np.int64), np.empty(0, dtype=kinds.get(header.field, np.float64))
    if header.coordinate:
        return part.row.astype(np.int64), part.col.astype(np.int64), part.data
    at_index = before + np.arange(entries)
    if header.symmetry == "general":
        columns, rows = np.divmod(at_index, max(header.m, 1))
    else:  # the lower triangle, column by column
        first = int(header.symmetry == "skew-symmetric")
        lengths = np.arange(header.m - first, -first, -1)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        columns = np.searchsorted(starts, at_index, side="right") - 1
        rows = at_index - starts[columns] + columns + first
    values = np.asarray(part).ravel()
    kept = values != 0
    return rows[kept], columns[kept], values[kept]


def _completed(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, header: _Header
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one triangle of a symmetric matrix stands for."""
    if header.symmetry == "general":
        return rows, columns, values
    off = rows != columns
    other = values[off]
    if header.symmetry == "skew-symmetric":
        other = -other
    elif header.symmetry == "hermitian":
        other = other.conj()
    return np.concatenate([rows, columns[off]]), np.concatenate([columns, rows[off]]), np.concatenate([values, other])


# --- writing ----------------------------------------------------------------------------------------------------------


def mmwrite(target: str | os.PathLike[str], A: SparseArray, comment: str = "", precision: int | None = None) -> None:
    """Write a sparse matrix to a Matrix Market file, as "coordinate" and "general".

    Every process writes its own elements; the file appears when it is complete. `precision` is the number of digits, as
    many as it takes to read the same number otherwise.

    Communication: one all-gather of lengths, and a few small messages to agree.
    """
    comm = A.comm
    rows, columns = (c.cpu().numpy() for c in A.coords)
    values = A.data.detach().cpu().resolve_conj().numpy()
    if A.split is None and comm.rank:
        rows, columns, values = rows[:0], columns[:0], values[:0]
    text = io.BytesIO()
    matrix = scipy.sparse.coo_array((values, (rows, columns)), shape=A.shape)
    scipy.io.mmwrite(text, matrix, symmetry="general", precision=precision)
    head, _, body = text.getvalue().partition(f"\n{A.shape[0]} {A.shape[1]} {len(values)}\n".encode())
    if comm.rank == 0:
        notes = "".join(f"%{line}\n" for line in comment.splitlines())
        first = head.split(b"\n")[0]
        body = first + f"\n{notes}%\n{A.shape[0]} {A.shape[1]} {A.nnz}\n".encode() + body
    lengths = comm.allgather(torch.tensor(len(body))).reshape(-1).tolist()
    with replacing(target, comm) as draft:
        with agreed(comm):
            if comm.rank == 0:
                draft.touch()
        with agreed(comm), draft.open("r+b") as file:
            file.seek(sum(lengths[: comm.rank]))
            file.write(body)
