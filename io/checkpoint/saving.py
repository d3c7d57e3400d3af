"""Writing a checkpoint: all ranks at once, while the caller waits or behind its back."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from ...communication import Communicator, as_comm
from ...errors import agreed
from ...memory import fresh
from .._files import PathLike
from .encoding import Encoder
from .folder import MANIFEST, CheckpointError, clean, file_of, number_of, prepare, prune, read_sealed, write_sealed
from .parts import write_parts, written

__all__ = ["Saving", "save"]

PATIENCE = 120.0
"""Seconds that rank 0 waits for a file that another rank has written and its own machine does not show yet."""

_under_way: dict[Communicator, Saving] = {}


def save(
    path: PathLike, state: Any, *, asynchronous: bool = False, keep: int | None = None, comm: Any = None
) -> Saving:
    """Write a state to disk, so that `restore` gives it back on any number of processes.

    The checkpoint appears, or replaces the one of this name, when it is complete and lies on the disk; a run that is
    killed at any moment leaves the old one whole. Nothing is gathered: each process writes its own parts.

    Parameters
    ----------
    path : path-like
        The checkpoint: a folder, in a folder that every process can see.
    state
        A tree of dicts, lists, tuples and dataclasses. Its leaves: distributed arrays, dense and sparse, in any
        layout; objects with `state_dict` and `load_state_dict`, such as torch's modules and optimisers; torch
        tensors and NumPy arrays; `RandomState()` and generators of random numbers; numbers, strings, bytes, None,
        dtypes and devices. What is no distributed array is taken to be the same on all processes, and rank 0's is
        saved; what differs goes into a `PerRank`.
    asynchronous : bool
        Copy what this process writes to host memory (as many bytes again), then return while a thread writes.
    keep : int, optional
        The name ends in a number (`step-100`): of the checkpoints beside it that are called as this one up to a lower
        number leave so many, this one included, and remove the others.
    comm : optional
        The processes, on which all arrays lie; by default all of the run.

    Returns
    -------
    Saving
        Whose `wait` (collective) returns when the checkpoint is complete, or raises what went wrong. The next `save`
        waits first, and then raises that instead of saving. A program that ends without either completes it still.

    Raises
    ------
    TypeError
        If the state holds what a checkpoint cannot; the message says where.
    ValueError
        If the processes' states differ in more than values.
    OSError
        On all processes, if one of them cannot write; nothing half-written remains.

    Notes
    -----
    Communication: five small collectives, and no elements; `asynchronous` three of them, and `wait` two. The thread
    does not communicate: rank 0's completes the checkpoint when it sees the files of all.

    Examples
    --------
    >>> dnd.io.checkpoint.save("run/step-100", {"x": x, "model": model}, keep=3)  # doctest: +SKIP
    """
    comm, path = as_comm(comm), Path(path)
    if keep is not None:
        number_of(path)
        if keep < 1:
            raise ValueError(f"`keep` (={keep}) must be 1 or more")
    wait(comm)
    saving = Saving(path, comm, state, keep)
    saving._begin(asynchronous)
    if not asynchronous:
        saving.wait()
    return saving


def wait(comm: Any = None) -> None:
    """Wait for the checkpoint that is being written on these processes, if there is one; collective."""
    saving = _under_way.get(as_comm(comm))
    if saving is not None:
        saving.wait()


class Saving:
    """A checkpoint that is being written."""

    def __init__(self, path: Path, comm: Communicator, state: Any, keep: int | None) -> None:
        self.path = path
        self._comm = comm
        self._keep = keep
        self._thread: threading.Thread | None = None
        self._written: Future[None] = Future()
        self._completed: Future[None] = Future()
        self._all_written = threading.Event()
        self._given_up = threading.Event()
        self._ended = False
        self._is_new = False
        self._describe(state)

    def __repr__(self) -> str:
        return f"Saving({str(self.path)!r}, {'complete' if self._ended else 'under way'})"

    # --- before anything is written -----------------------------------------------------------------------------------

    def _describe(self, state: Any) -> None:
        """Agree with the other ranks on what there is to write. Two collectives."""
        comm, encoder = self._comm, Encoder(self._comm)
        with agreed(comm):
            tree = encoder.encode(state)
            digest = zlib.crc32("\n".join(encoder.lines).encode())
            numbers = [found.array.lnnz for found in encoder.sparse]
            mine = (digest, numbers, encoder.own_digests(), secrets.token_hex(4))
        everyones = comm.allgather_object(mine)
        if len({digest for digest, *_ in everyones}) > 1:
            _raise_difference(comm.allgather_object(encoder.lines))
        encoder.number([numbers for _, numbers, _, _ in everyones])
        own = [digests for _, _, digests, _ in everyones]
        self._token: str = everyones[0][3]
        self._arrays = [stored for stored, _ in encoder.arrays.values()]
        self._parts = encoder.parts()
        self._own = encoder.own
        self._manifest = {
            "format": "dndarray checkpoint",
            "version": 1,
            "byteorder": sys.byteorder,
            "ranks": comm.size,
            "token": self._token,
            "alike": [None not in digests and len({*digests}) == 1 for digests in zip(*own, strict=True)],
            "arrays": {stored.key: stored.to_json() for stored in self._arrays},
            "tree": tree,
        }

    def _begin(self, asynchronous: bool) -> None:
        """See that there is a place to write to; take a copy and begin, if the caller does not wait. One collective."""
        try:
            with agreed(self._comm):
                if self._comm.rank == 0:
                    self._is_new = prepare(self.path)
                if asynchronous:
                    self._parts = [part._replace(tensor=_snapshot(part.tensor)) for part in self._parts]
        except Exception:
            self._withdraw()
            raise
        if asynchronous:
            self._thread = threading.Thread(target=self._run, name=f"checkpoint {self.path.name}")
            self._thread.start()
            _under_way[self._comm] = self

    # --- what each rank, and then rank 0, writes; without communication -----------------------------------------------

    def _file(self, rank: int, suffix: str) -> Path:
        return file_of(self.path, rank, self._token, suffix)

    def _write(self) -> None:
        """This rank's data, then the table that says where it is: the sign that both are there."""
        rank = self._comm.rank
        if not self._parts and not self._own:
            return
        try:
            tiles = write_parts(self._file(rank, "data"), self._parts)
            self._parts = []
            table = {
                "size": self._file(rank, "data").stat().st_size,
                "tiles": tiles,
                "own": [tree for tree, _ in self._own],
                "arrays": {s.key: s.to_json() for _, inner in self._own for s, _ in inner.arrays.values()},
            }
            write_sealed(self._file(rank, "json"), table)
        except BaseException as error:
            with suppress(OSError):
                clean(self.path, f"rank-{rank:05d}-{self._token}.*")
                self._file(rank, "failed").write_text(f"{type(error).__name__}: {error}")
            raise

    def _complete(self) -> None:
        """When all ranks have written: the manifest, which makes the checkpoint and replaces an old one at once."""
        writers = self._writers()
        self._await(writers)
        sizes = {rank: read_sealed(self._file(rank, "json"))["size"] for rank in writers}
        write_sealed(self.path / MANIFEST, {**self._manifest, "files": sizes})
        with suppress(OSError):  # it is complete, whatever else may be left
            clean(self.path, but=self._token)
            if self._keep is not None:
                prune(self.path, self._keep)

    def _discard(self) -> None:
        """Remove what this save has written, unless it has become the checkpoint."""
        with suppress(OSError, ValueError):
            if (self.path / MANIFEST).exists() and read_sealed(self.path / MANIFEST)["token"] == self._token:
                return
        with suppress(OSError):
            clean(self.path, f"rank-*-{self._token}.*")

    def _writers(self) -> list[int]:
        found: set[int] = {*range(self._comm.size)} if self._own else set()
        for stored in self._arrays:
            if len(found) < self._comm.size:
                found.update(rank for _, rank in written(stored))
        return sorted(found)

    def _await(self, writers: list[int]) -> None:
        """Return when the tables of these ranks are there, which may still be writing."""
        pause, progress, since = 0.001, None, time.monotonic()
        while True:
            names = {*os.listdir(self.path)}  # asks a file server anew, as looking for one file does not
            failed = next((rank for rank in writers if self._file(rank, "failed").name in names), None)
            if failed is not None:
                raise CheckpointError(
                    f"rank {failed} could not write its part: {self._file(failed, 'failed').read_text()}"
                )
            missing = [rank for rank in writers if self._file(rank, "json").name not in names]
            if not missing:
                return
            if self._given_up.is_set():
                raise CheckpointError(f"rank {missing[0]} could not write its part")
            data = self._file(missing[0], "data")
            now = missing, data.stat().st_size if data.name in names else 0
            if now != progress or not (self._all_written.is_set() or _is_ending()):
                progress, since = now, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise CheckpointError(
                    f"rank 0 does not see {self._file(missing[0], 'json')}, which rank {missing[0]} has written: is "
                    f"{self.path.parent} on a file system that all nodes share?"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.25)

    def _run(self) -> None:
        """What the thread does."""
        _settle(self._written, self._write)
        if self._comm.rank == 0 and self._written.exception() is None:
            _settle(self._completed, self._complete)
        error = self._written.exception() or (self._completed.exception() if self._completed.done() else None)
        if error is not None and _is_ending() and sys.__stderr__ is not None:  # nobody will ask
            traceback.print_exception(error, file=sys.__stderr__)

    # --- the end ------------------------------------------------------------------------------------------------------

    def done(self) -> bool:
        """Whether this rank has no more to write; local."""
        return self._ended or (self._thread is not None and not self._thread.is_alive())

    def wait(self) -> None:
        """Return when the checkpoint is complete, or raise on all ranks what went wrong on one. Two collectives."""
        if self._ended:
            return
        self._ended = True
        _under_way.pop(self._comm, None)
        try:
            with agreed(self._comm):
                self._write() if self._thread is None else self._written.result()
            self._all_written.set()
            with agreed(self._comm):
                if self._comm.rank == 0:
                    self._complete() if self._thread is None else self._completed.result()
        except Exception:
            self._withdraw()
            raise

    def _withdraw(self) -> None:
        """Remove what has been written, when no rank writes any more."""
        self._given_up.set()
        if self._thread is not None:
            self._thread.join()
        self._discard()
        self._comm.barrier()
        if self._is_new:
            with suppress(OSError):
                self.path.rmdir()
        self._comm.barrier()


def _settle(future: Future[None], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)


def _is_ending() -> bool:
    """Whether the program has come to its end but for threads such as ours."""
    return not threading.main_thread().is_alive()


def _snapshot(tensor: Tensor) -> Tensor:
    """A copy in host memory."""
    return fresh(tensor.shape, tensor.new_empty(0, device="cpu")).copy_(tensor.detach())


def _raise_difference(lines: list[list[str]]) -> None:
    """Say where the states of the ranks first differ."""
    for rank, theirs in enumerate(lines):
        if theirs != lines[0]:
            at = next((i for i, (a, b) in enumerate(zip(lines[0], theirs, strict=False)) if a != b), None)
            at = min(len(lines[0]), len(theirs)) if at is None else at
            ours, other = ((text[at] if at < len(text) else "nothing more") for text in (lines[0], theirs))
            raise ValueError(
                f"`state` is not the same on all ranks: rank 0 has {ours!r}, rank {rank} has {other!r}; what is each "
                "rank's own goes into a PerRank"
            )
