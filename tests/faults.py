"""Faults of the machine, for tests."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dndarray as dnd


@contextmanager
def full_disk(rank: int, limit: int = 20_000) -> Iterator[None]:
    """The operating system refuses this rank to write more than `limit` bytes to a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if dnd.get_comm().rank == rank:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A folder on a disk of its own, in sight of all ranks. Skips the test where this system lets nobody make one."""
    comm = dnd.get_comm()
    folder = Path(comm.broadcast_object(tempfile.mkdtemp() if comm.rank == 0 else None))
    mounted = False
    if comm.rank == 0 and os.geteuid() == 0:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        if not comm.broadcast_object(mounted):
            pytest.skip("no small disk can be mounted here")
        yield folder
    finally:
        comm.barrier()
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        if comm.rank == 0:
            folder.rmdir()


@contextmanager
def without_rights(rank: int) -> Iterator[None]:
    """This rank is nobody in particular, if it was root, to whom all files are open."""
    if dnd.get_comm().rank != rank or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
