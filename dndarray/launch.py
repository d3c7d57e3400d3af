"""Starting MPI at first use, sharing the node, and ending a run in which something went wrong.

Importing dndarray does none of this. The first call that needs to know the number of processes does, on all of them.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from functools import lru_cache
from types import ModuleType, TracebackType
from typing import Any

import torch

__all__ = ["call_site", "end_run", "mpi", "watched"]

_LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS")
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@lru_cache(maxsize=1)
def mpi() -> ModuleType | None:
    """mpi4py's MPI, started; None where there is no MPI library and no launcher either: one process."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        launcher = next((name for name in _LAUNCHERS if int(os.environ.get(name) or 0) > 1), None)
        if launcher is not None:
            raise RuntimeError(
                f"this process was started by an MPI launcher ({launcher}={os.environ[launcher]}), "
                f"but no MPI library could be loaded: {error}. Install the one that the launcher belongs to, "
                "or `pip install 'dndarray[mpich]'` and use its mpiexec."
            ) from error
        return None
    if MPI.COMM_WORLD.size > 1:
        _install_abort()
    _start_watchdog()
    return MPI


def node() -> tuple[int, int]:
    """This process's number on its node and how many there are on it; collective at its first call."""
    rank, size, _ = _node()
    return rank, size


def _cores() -> frozenset[int]:
    """The cores that this process may run on."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


@lru_cache(maxsize=1)
def _node() -> tuple[int, int, int]:
    """Number on the node, processes on it, and how many of them may run on this one's cores."""
    MPI = mpi()
    if MPI is None or MPI.COMM_WORLD.size == 1:
        return 0, 1, 1
    _connect_watchdogs(MPI)
    local = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    rank, size, cores = local.rank, local.size, _cores()
    sharing = sum(cores == other for other in local.allgather(cores))
    local.Free()
    return rank, size, sharing


@lru_cache(maxsize=1)
def share_node() -> None:
    """Give this process its part of the node's cores, unless OMP_NUM_THREADS says otherwise."""
    _, ranks, sharing = _node()
    if ranks > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(_cores()) // sharing))


def end_run(status: int = 1) -> None:
    """End every process of this run, now."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(1)  # for the launcher to pass on what was printed, before it hears of the end
    MPI = mpi()
    if MPI is not None and MPI.COMM_WORLD.size > 1 and not MPI.Is_finalized():
        MPI.COMM_WORLD.Abort(status)
    os._exit(status)


def _install_abort() -> None:
    """An uncaught exception on one rank ends the run instead of leaving the others to wait for it forever."""
    if os.environ.get("DNDARRAY_ABORT", "1") == "0" or hasattr(sys, "ps1") or "ipykernel" in sys.modules:
        return
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        MPI = mpi()
        rank = f"[rank {MPI.COMM_WORLD.rank}/{MPI.COMM_WORLD.size}]" if MPI is not None else ""
        print(rank, "uncaught exception, ending the run:", file=sys.stderr, flush=True)  # noqa: T201
        previous(kind, error, trace)
        end_run(1)

    sys.excepthook = hook


# --- hangs: which collective does each rank wait in? ------------------------------------------------------------------


class _Waiting:
    """What this process is waiting in; one slot, for a process makes one blocking call at a time."""

    name: str = ""
    number: int = 0
    since: float | None = None
    thread: int = 0


_waiting = _Waiting()
_timeout: float | None = None


def call_site() -> str:
    """The innermost line of the caller's own code, outside of dndarray."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


class watched:  # noqa: N801 - used as a function
    """Under DNDARRAY_TIMEOUT, say where this process waits if what is inside takes too long.

    Collectives are numbered, the same on every process; the end of one that was started before has no `name`.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    def __enter__(self) -> None:
        if self._name is not None:
            _waiting.number += 1
            _waiting.name = self._name
        if _timeout is not None:
            _waiting.thread = threading.get_ident()
            _waiting.since = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        _waiting.since = None


def _start_watchdog() -> None:
    global _timeout
    text = os.environ.get("DNDARRAY_TIMEOUT")
    if not text:
        return
    try:
        _timeout = float(text)
    except ValueError:
        raise ValueError(f"`DNDARRAY_TIMEOUT` (={text!r}) must be a number of seconds") from None
    threading.Thread(target=_watch, args=(_timeout,), name="dndarray watchdog", daemon=True).start()


_watchdogs: Any = None
"""The communicator of the watchdogs: whose rank has waited too long tells the others, which may wait for nothing."""


def _connect_watchdogs(MPI: Any) -> None:
    global _watchdogs
    if _timeout is not None and MPI.Query_thread() == MPI.THREAD_MULTIPLE:
        _watchdogs = MPI.COMM_WORLD.Dup()


def _watch(timeout: float) -> None:
    while True:
        time.sleep(min(1.0, timeout / 10))
        since = _waiting.since
        if since is not None and time.monotonic() - since >= timeout:
            for rank in range(_watchdogs.size if _watchdogs is not None else 0):
                _watchdogs.Isend(b"", rank)
            state = f"waits for {timeout:g} s in {_waiting.name} (collective number {_waiting.number}), called from"
        elif _is_told():
            state = f"waits for nobody (since {_waiting.name}, collective number {_waiting.number}) and is at"
        else:
            continue
        _say_where(state)
        time.sleep(min(5.0, max(2.0, timeout / 4)))  # let the other ranks say where they are, too
        end_run(1)


def _is_told() -> bool:
    """Whether another rank has waited too long."""
    MPI = mpi()
    return _watchdogs is not None and MPI is not None and not MPI.Is_finalized() and _watchdogs.Iprobe()


def _say_where(state: str) -> None:
    """This process's line of the report, and its stacks."""
    MPI = mpi()
    rank, size = (MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size) if MPI is not None else (0, 1)
    frame = sys._current_frames().get(_waiting.thread or threading.main_thread().ident or 0)
    stack = traceback.extract_stack(frame) if frame is not None else []
    site = next((f for f in reversed(stack) if not f.filename.startswith(_PACKAGE)), None)
    where = f"{site.filename}:{site.lineno} in {site.name}" if site else "an unknown place"
    if sys.__stderr__ is not None:
        # In one write, on a line of its own: the ranks' reports meet in one stream.
        sys.__stderr__.write(f"\n[rank {rank}/{size}] {state} {where}\n")
        sys.__stderr__.flush()
        faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
