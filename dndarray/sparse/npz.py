"""SciPy's NPZ files of sparse matrices: each process reads its own rows, and writing needs no process to hold all."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ..communication import as_comm
from ..device import as_device
from ..errors import agreed
from ..funnel import drained, funnel
from ..layout import balanced_counts
from ..replacement import replacing
from ..types import numpy_dtype
from .array import SparseArray
from .creation import csr_array
from .pattern import index_type
from .rearrangement import assembled, major_layout, resplit

__all__ = ["load_npz", "save_npz"]

_CHUNK = 2**20
"""Elements that travel to the writing process at a time."""


class _Column:
    """A one-dimensional array in a zip file, of which a range is read at a time, in ascending order."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.file: IO[bytes] = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(self.file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        self.shape, _, self.dtype = read(self.file)
        self.start = self.file.tell()

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, low: int, high: int) -> np.ndarray:
        self.file.seek(self.start + low * self.dtype.itemsize)
        return np.frombuffer(self.file.read((high - low) * self.dtype.itemsize), dtype=self.dtype).copy()


def load_npz(
    file: str | os.PathLike[str], *, split: int | None = None, device: Any = None, comm: Any = None
) -> SparseArray:
    """The sparse matrix in a file that `save_npz`, ours or SciPy's, wrote.

    Every process reads its own rows of a csr file and its own columns of a csc file, and its share of the elements of a
    coo file (what is compressed must be passed over to get there); of any other format all of it.

    Communication: to agree; for what is not dealt out as it is stored, as `resplit`.
    """
    comm, path = as_comm(comm), Path(file)
    with agreed(comm), zipfile.ZipFile(path) as archive:
        with archive.open("format.npy") as member:
            form = np.lib.format.read_array(member).item()
        form = form.decode() if isinstance(form, bytes) else form
        with archive.open("shape.npy") as member:
            shape = tuple(int(n) for n in np.lib.format.read_array(member))
        whole = None
        if form in ("csr", "csc"):
            major = int(form == "csc")
            layout = major_layout(shape if major == 0 else shape[::-1], comm, True)
            low, high = layout.box(comm.rank)[0]
            indptr = _Column(archive, "indptr").read(low, high + 1)
            first, last = int(indptr[0]), int(indptr[-1])
            parts = [_Column(archive, name).read(first, last) for name in ("indices", "data")]
        elif form == "coo":
            columns = [_Column(archive, name) for name in ("row", "col", "data")]
            ends = np.cumsum([0, *balanced_counts(len(columns[0]), comm.size)])
            parts = [c.read(int(ends[comm.rank]), int(ends[comm.rank + 1])) for c in columns]
        else:
            whole = scipy.sparse.load_npz(path)
    if whole is not None:
        return csr_array(whole, split=split, device=device, comm=comm)
    data = torch.from_numpy(parts[-1]).to(as_device(device))
    if form == "coo":
        axis = 0 if split is None else split % 2
        target = major_layout(shape if axis == 0 else shape[::-1], comm, True)
        A = assembled(target, comm, parts[axis], parts[1 - axis], data, axis, "coo")
    else:
        lengths = np.diff(indptr)
        rows = np.repeat(np.arange(low, high), lengths)  # sorts what is not sorted, and adds up duplicates
        A = assembled(layout, comm, rows, parts[0], data, major, form)
    return resplit(A, split).asformat(form if split is None else A.format)


def save_npz(file: str | os.PathLike[str], A: SparseArray, compressed: bool = True) -> None:
    """Write a sparse matrix to a file that SciPy's `load_npz` reads, in the format (csr or csc) in which it lies.

    Rank 0 writes what it gets from rank after rank, in bounded memory; the file appears when it is complete.

    Communication: one all-gather of counts, and every element once to rank 0.
    """
    comm, pattern = A.comm, A.pattern
    counts = comm.allgather(torch.tensor([pattern.lnnz, pattern.lshape[0]])).reshape(-1, 2)
    if A.split is None:
        counts[1:] = 0
    before = int(counts[: comm.rank, 0].sum())
    kind = index_type(A.nnz, *A.shape)
    starts = (pattern.indptr[:-1].astype(np.int64) + before).astype(kind)
    columns = {
        "indices": torch.from_numpy(pattern.indices.astype(kind)),
        "indptr": torch.from_numpy(starts),
        "data": A.data,
    }
    path = os.fspath(file)
    path = path if path.endswith(".npz") else f"{path}.npz"
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    lengths = {name: counts[:, int(name == "indptr")].tolist() for name in columns}
    streams = {name: funnel(column, lengths[name], _CHUNK, comm) for name, column in columns.items()}
    with replacing(path, comm) as draft, agreed(comm), drained(*streams.values()):
        if comm.rank == 0:
            with zipfile.ZipFile(draft, "w", method) as archive:
                for name, value in (
                    ("format", np.array(("csr", "csc")[A.major].encode())),
                    ("shape", np.array(A.shape)),
                    ("_is_array", np.array(True)),
                ):
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, value)
                end = {"indptr": [torch.tensor([A.nnz], dtype=columns["indptr"].dtype)]}
                for name, stream in streams.items():
                    last = end.get(name, [])
                    _write(archive, name, chain(stream, last), sum(lengths[name]) + len(last), columns[name].dtype)


def _write(archive: zipfile.ZipFile, name: str, pieces: Iterable[Tensor], n: int, dtype: torch.dtype) -> None:
    """A one-dimensional array of `n` elements into the archive, piece by piece."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        descr = np.lib.format.dtype_to_descr(numpy_dtype(dtype))
        np.lib.format.write_array_header_1_0(member, {"descr": descr, "fortran_order": False, "shape": (n,)})
        for piece in pieces:
            member.write(piece.numpy().data)
