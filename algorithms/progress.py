"""A progress bar over what a method works through: cases, iterations, windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import dndarray as dnd
from dndarray.optional import require

__all__ = ["counted", "progress"]

_SHOWN: ContextVar[bool] = ContextVar("shown", default=False)


@contextmanager
def progress() -> Iterator[None]:
    """Show how far the methods are that are called in this block: a bar on rank 0, over what is its own.

    >>> with progress():  # doctest: +SKIP
    ...     solution = flow(grid, p, q)
    """
    token = _SHOWN.set(True)
    try:
        yield
    finally:
        _SHOWN.reset(token)


@contextmanager
def counted(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """For methods: give a function to call with the number of units that are done now, of this process's `total`."""
    if not _SHOWN.get() or dnd.get_comm().rank > 0:
        yield lambda done: None
        return
    with require("tqdm", "progress").tqdm(total=total, unit=unit, leave=False) as bar:
        yield lambda done: bar.update(done) and None
