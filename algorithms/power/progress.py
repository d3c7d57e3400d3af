"""A progress bar over cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import dndarray as dnd

from .tables import require

__all__ = ["counted", "progress"]

_SHOWN: ContextVar[bool] = ContextVar("shown", default=False)


@contextmanager
def progress() -> Iterator[None]:
    """Show how far solvers of batches are that are called in this block: a bar on rank 0, over its own cases.

    >>> with progress():  # doctest: +SKIP
    ...     solution = flow(grid, p, q)
    """
    token = _SHOWN.set(True)
    try:
        yield
    finally:
        _SHOWN.reset(token)


@contextmanager
def counted(total: int) -> Iterator[Callable[[int], None]]:
    """For solvers: give a function to call with the number of cases that are done, of this process's `total`."""
    if not _SHOWN.get() or dnd.get_comm().rank > 0:
        yield lambda done: None
        return
    with require("tqdm").tqdm(total=total, unit="case", leave=False) as bar:
        yield lambda done: bar.update(done) and None
