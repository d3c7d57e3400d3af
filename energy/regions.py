"""Parts of a program that are to be told apart, and when this process was in which."""

from __future__ import annotations

import atexit
import functools
import json
import os
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch

__all__ = ["FOLDER", "Recorder", "Recording", "finish_gpu", "left_recordings", "measure", "region"]

FOLDER = "DNDARRAY_ENERGY_FOLDER"
"""Where processes leave their recordings for the `energy run` that has started them."""

Function = TypeVar("Function", bound=Callable[..., Any])

_recorders: list[Recorder] = []
"""Of the monitors that run; while there is none, regions do nothing."""


class region:  # noqa: N801 - used as a function
    """A part of the program, whose energy monitors tell apart from the rest.

    Without a monitor it costs a fraction of a microsecond. Regions may be entered again and again, may lie in one
    another and overlap; one that ends by an exception counts, too. Where a GPU is used, both edges wait for it.
    Communication: none.

    Parameters
    ----------
    name
        Under which all calls on all ranks are summed up.

    Examples
    --------
    >>> import dndarray as dnd
    >>> with dnd.energy.region("fit"):
    ...     total = dnd.arange(10, split=0).sum()
    """

    __slots__ = ("_calls", "name")

    def __init__(self, name: str) -> None:
        self.name = str(name)
        self._calls: list[tuple[Recorder, object]] = []

    def __enter__(self) -> region:
        if _recorders:
            finish_gpu()
            self._calls = [(recorder, recorder.begin(self.name)) for recorder in _recorders]
        return self

    def __exit__(self, *exception: object) -> None:
        if self._calls:
            finish_gpu()
            for recorder, call in self._calls:
                recorder.end(call)
            self._calls = []


def finish_gpu() -> None:
    """What was launched before the edge belongs before it."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


@overload
def measure(function: Function, /) -> Function: ...
@overload
def measure(name: str, /) -> Callable[[Function], Function]: ...
def measure(name: Any, /) -> Any:
    """Make a function a region, of the function's name or another one.

    Examples
    --------
    >>> import dndarray as dnd
    >>> @dnd.energy.measure
    ... def fit(x):
    ...     return x.mean()
    >>> @dnd.energy.measure("fit")
    ... def fit_again(x):
    ...     return x.mean()
    """
    if callable(name):
        return _measured(name, getattr(name, "__qualname__", str(name)))
    return lambda function: _measured(function, name)


def _measured(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def measured(*args: Any, **kwargs: Any) -> Any:
        if not _recorders:
            return function(*args, **kwargs)
        with region(name):
            return function(*args, **kwargs)

    return measured


# --- recordings -------------------------------------------------------------------------------------------------------


@dataclass
class Recording:
    """When a process was in which region: what is left of a recorder, to be sent elsewhere."""

    rank: int
    cpu_seconds: float
    calls: dict[str, np.ndarray]
    """Region -> rows (start, end, CPU seconds), in times of the host's monotonic clock."""


class Recorder:
    """Notes when this process enters and leaves regions; calls `edge` each time."""

    def __init__(self, edge: Callable[[], None] | None = None) -> None:
        self._edge = edge
        self._cpu = time.process_time()
        self._open: dict[object, tuple[str, float, float]] = {}
        self._calls: dict[str, array] = {}

    def start(self) -> None:
        """Note all regions from now on."""
        _recorders.append(self)

    def begin(self, name: str) -> object:
        """A region is entered; what identifies this call."""
        call = object()
        if self._edge is not None:
            self._edge()
        self._open[call] = name, time.monotonic(), time.process_time()
        return call

    def end(self, call: object) -> None:
        """That call has ended, unless the recording ended before."""
        opened = self._open.pop(call, None)
        if opened is None:
            return
        name, start, cpu = opened
        self._calls.setdefault(name, array("d")).extend((start, time.monotonic(), time.process_time() - cpu))
        if self._edge is not None:
            self._edge()

    def finish(self, rank: int) -> Recording:
        """End the recording, and the calls under way with it."""
        _recorders.remove(self)
        for call in list(self._open):
            self.end(call)
        calls = {name: np.array(values).reshape(-1, 3) for name, values in self._calls.items()}
        return Recording(rank, time.process_time() - self._cpu, calls)


# --- for `energy run`, which is another process -----------------------------------------------------------------------

_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID", "RANK")
"""Where launchers say which rank a process is."""


def _leave_recording(folder: Path) -> None:
    """Note this process's regions until it ends, and leave them in the folder then."""
    rank = next((int(os.environ[name]) for name in _RANKS if os.environ.get(name, "").isdigit()), 0)
    recorder = Recorder()
    recorder.start()
    unfinished = folder / f"{os.getpid()}.open"
    unfinished.touch()

    def leave() -> None:
        done = recorder.finish(rank)
        calls = {name: rows.tolist() for name, rows in done.calls.items()}
        with suppress(FileNotFoundError):  # it did not wait for this process
            unfinished.write_text(json.dumps([rank, done.cpu_seconds, calls]))
            unfinished.rename(unfinished.with_suffix(".json"))

    atexit.register(leave)


def left_recordings(folder: Path, patience: float = 2.0) -> list[Recording]:
    """What the processes have left, with a little patience for those that are about to."""
    deadline = time.monotonic() + patience
    while any(folder.glob("*.open")) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [
        Recording(rank, cpu_seconds, {name: np.array(rows) for name, rows in calls.items()})
        for rank, cpu_seconds, calls in found
    ]


if FOLDER in os.environ and Path(os.environ[FOLDER]).is_dir():
    _leave_recording(Path(os.environ[FOLDER]))
