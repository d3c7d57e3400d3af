"""Faults of the machine, for tests."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

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
