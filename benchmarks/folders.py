"""Folders for the files that benchmarks write and read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpi4py import MPI


@contextmanager
def shared_folder(where: Path | None) -> Iterator[Path]:
    """A folder that all ranks see, for as long as it is needed; it lies in `where`, or where temporary ones go."""
    comm = MPI.COMM_WORLD
    path = Path(comm.bcast(tempfile.mkdtemp(dir=where) if comm.rank == 0 else None))
    try:
        yield path
        comm.Barrier()
    finally:
        if comm.rank == 0:
            shutil.rmtree(path, ignore_errors=True)
