"""The exceptions, and how processes agree on one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .communication import Communicator

__all__ = ["DistributedArrayError", "MismatchError", "agreed"]


class DistributedArrayError(TypeError):
    """An array that is spread over processes was asked for as if it lay in one."""


class MismatchError(RuntimeError):
    """Processes were about to do different things (found with `DNDARRAY_CHECK=1`)."""


def _portable(error: Exception | None) -> Exception | None:
    """The exception, or one that says the same and can travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _rebuild(error: BaseException, rank: int) -> BaseException:
    """The same kind of exception, its message led by the rank that met it."""
    message = f"[raised on rank {rank}] {error}"
    try:
        if isinstance(error, OSError) and error.errno is not None:
            return type(error)(error.errno, f"[raised on rank {rank}] {error.strerror}", error.filename)
        return type(error)(message)
    except Exception:  # a type that cannot be made from a message alone
        return RuntimeError(f"{message} ({type(error).__name__})")


@contextmanager
def agreed(comm: Communicator) -> Iterator[None]:
    """What only one process can see becomes an exception on all of them.

    Wrap what may fail on some ranks only (a missing file, a singular block). Every rank must reach the block; it costs
    one collective. Ranks that failed raise their own exception, the others the same type, naming the first such rank.
    """
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    if comm.size == 1:
        if failure is not None:
            raise failure
        return
    failures = comm.allgather_object(_portable(failure))
    for rank, other in enumerate(failures):
        if other is not None:
            raise failure if failure is not None else _rebuild(other, rank)
