"""Checkpoints from within a loop: every so often, and when the batch system is about to end the run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ...communication import Request, as_comm
from ...errors import agreed
from .._files import PathLike
from .folder import latest, number_of
from .restoring import restore
from .saving import save, wait

__all__ = ["Checkpointer"]

_SIGNALLED, _DUE = 1, 2


class Checkpointer:
    """Saves the state of a loop every so often, and once more when a signal says that the run will be ended.

    Batch systems send SIGTERM before they end a job, and SIGUSR1 where one asks for it (`#SBATCH --signal=USR1@120`),
    to all ranks or to one. Whichever rank hears it, all learn of it, and at the same step write a checkpoint together
    and then have `stopped` set.

    Parameters
    ----------
    folder : path-like
        Where the checkpoints `step-00000100`, ... lie; made if it does not exist.
    every : int or timedelta, optional
        Number of steps, or time by rank 0's clock, from one checkpoint to the next; None for signals only.
    keep : int, optional
        Leave the last so many; None leaves all.
    asynchronous : bool
        Write while the loop goes on, but when stopping; see `save`.
    signals : sequence of signal
        Those that stop the loop. Python hears them in its main thread only; elsewhere they must be empty. The
        handlers that there were are back after `close`.
    exit_code : int, optional
        Leave the program with this status (SystemExit) after the checkpoint that a signal asked for.
    ask_every : int
        Steps from one time that the ranks ask each other for signals to the next.
    comm : optional
        The processes.

    Notes
    -----
    Communication: at each step, or every `ask_every` of them, one all-reduce of a number, if there are signals or
    `every` is a time. It is started at one time and ended at the next, so none waits in it for more than that the ranks
    are a step apart; a signal takes effect at the second time after it.

    Examples
    --------
    >>> with Checkpointer("run", every=100, keep=3) as checkpointer:  # doctest: +SKIP
    ...     state = checkpointer.resume({"x": x, "model": model})
    ...     while checkpointer.count < 1000 and not checkpointer.stopped:
    ...         train(state)
    ...         checkpointer.step(state)
    """

    def __init__(
        self,
        folder: PathLike,
        *,
        every: int | timedelta | None = None,
        keep: int | None = 3,
        asynchronous: bool = True,
        signals: Sequence[int] = (signal.SIGTERM, signal.SIGUSR1),
        exit_code: int | None = None,
        ask_every: int = 1,
        comm: Any = None,
    ) -> None:
        if isinstance(every, int) and every < 1:
            raise ValueError(f"`every` (={every}) must be a number of steps >= 1, a timedelta or None")
        if ask_every < 1:
            raise ValueError(f"`ask_every` (={ask_every}) must be 1 or more")
        if keep is not None and keep < 1:
            raise ValueError(f"`keep` (={keep}) must be 1 or more, or None to leave all")
        if signals and threading.current_thread() is not threading.main_thread():
            raise ValueError(f"`signals` (={signals}) are heard in the main thread only; give signals=() in others")
        self.folder = Path(folder)
        self.every = every
        self.keep = keep
        self.asynchronous = asynchronous
        self.exit_code = exit_code
        self.ask_every = ask_every
        self.comm = as_comm(comm)
        self.count = 0
        """Steps so far, those before `resume` included."""
        self.stopped = False
        """Whether a signal has come, and the checkpoint that it asked for has been written."""
        self._signalled = False
        self._asking: Request | None = None
        self._saved_at = time.monotonic()
        with agreed(self.comm):
            if self.comm.rank == 0:
                self.folder.mkdir(parents=True, exist_ok=True)
        self._handlers = {number: signal.signal(number, self._hear) for number in signals}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def latest(self) -> Path | None:
        """The last checkpoint, when what is being written is complete; collective."""
        wait(self.comm)
        return latest(self.folder, comm=self.comm)

    def resume(self, like: Any = None, **options: Any) -> Any:
        """The state of the last checkpoint, from which `count` goes on; `like` itself if there is none. Collective.

        `like` and options: as for `restore`.
        """
        path = self.latest()
        if path is None:
            return like
        state = restore(path, like, comm=self.comm, **options)
        self.count = number_of(path)
        return state

    def step(self, state: Any) -> None:
        """Say that a step is done: saves `state`, a tree or a function that gives one, if it is time. Collective."""
        if self.stopped:
            return
        self.count += 1
        asked = self._ask()
        if asked & _SIGNALLED:
            try:
                wait(self.comm)
            finally:  # what went wrong with an earlier one is raised, but after this one
                self.save(state, asynchronous=False)
                self.stopped = True
                self.close()
            if self.exit_code is not None:
                raise SystemExit(self.exit_code)
        elif asked & _DUE or (isinstance(self.every, int) and self.count % self.every == 0):
            self.save(state)

    def save(self, state: Any, *, asynchronous: bool | None = None) -> Path:
        """Save now; the path of the checkpoint. Collective."""
        path = self.folder / f"step-{self.count:08d}"
        how = self.asynchronous if asynchronous is None else asynchronous
        tree = state() if callable(state) and not hasattr(state, "state_dict") else state  # modules are callable, too
        save(path, tree, asynchronous=how, keep=self.keep, comm=self.comm)
        self._saved_at = time.monotonic()
        return path

    def _ask(self) -> int:
        """What some rank has asked for until the last step."""
        needed = self._handlers or isinstance(self.every, timedelta)
        if not needed or self.count % self.ask_every:
            return 0
        asked = 0 if self._asking is None else int(self._asking.wait())
        waited = time.monotonic() - self._saved_at
        due = isinstance(self.every, timedelta) and not asked & _DUE and waited >= self.every.total_seconds()
        mine = _SIGNALLED * self._signalled + _DUE * (due and self.comm.rank == 0)
        if self.comm.size == 1:
            return mine
        self._asking = self.comm.iallreduce(torch.tensor(mine), "or")
        return asked

    def _stop_listening(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def close(self) -> None:
        """Wait for what is being written, and hear no more signals; collective."""
        self._stop_listening()
        if self._asking is not None:
            self._asking.wait()
            self._asking = None
        wait(self.comm)

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:  # which may have happened to this rank alone
            self._stop_listening()
