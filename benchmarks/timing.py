"""Timing on several ranks: the competitors take turns, and of the ranks the slowest counts."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mpi4py import MPI

Functions = Mapping[str, Callable[[], object]]


def medians(functions: Functions, repetitions: int, before: Callable[[], object] = lambda: None) -> dict[str, float]:
    """Median seconds that each function takes on the slowest rank, after one turn of warming up.

    What is done `before` each call is not timed; what a function returns is let go only when the clock has stopped.
    """
    comm = MPI.COMM_WORLD
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    with _no_garbage_collection():
        for turn in range(repetitions + 1):
            for name in _order(functions, turn):
                before()
                _meet(comm)
                start = time.perf_counter()
                result = functions[name]()
                elapsed = time.perf_counter() - start
                del result
                if turn > 0:
                    seconds[name].append(elapsed)
    everyones = {name: zip(*comm.allgather(times), strict=True) for name, times in seconds.items()}
    return {name: statistics.median(map(max, times)) for name, times in everyones.items()}


def calls(functions: Functions, batches: int, number: int) -> dict[str, list[float]]:
    """Seconds per call on this rank in each of many batches, for what is too short to be timed alone."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    with _no_garbage_collection():
        for batch in range(batches + 1):
            for name in _order(functions, batch):
                function = functions[name]
                start = time.perf_counter()
                for _ in range(number):
                    function()
                elapsed = time.perf_counter() - start
                if batch > 0:
                    seconds[name].append(elapsed / number)
    return seconds


def _order(functions: Functions, turn: int) -> list[str]:
    """Another one each turn, the same on all ranks: what runs first warms caches for the next."""
    return random.Random(turn).sample(list(functions), len(functions))


def _meet(comm: MPI.Comm) -> None:
    """Wait for all ranks asleep, so that those with nothing to do leave their cores to threads of another."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(1e-3)
    time.sleep(1e-2)  # OpenMP's threads wait busily for a while for more to do
    comm.Barrier()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
