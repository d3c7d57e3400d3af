"""Which of several functions costs less."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.special import stdtrit

from ..communication import Communicator, as_comm
from ..errors import agreed
from .hosts import leader, opened
from .regions import finish_gpu
from .reports import as_text
from .sampler import SHORTEST_PERIOD_S, Sampler
from .sensors import counts
from .sources import Backend

__all__ = ["Comparison", "compare"]


@dataclass
class Comparison:
    """What functions cost per call, measured in turns; the same on every rank.

    `joules` and `seconds` map each function's name to an array, one value per round. Printed, it says what each costs
    and how the others differ from the first one.
    """

    joules: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    calls: dict[str, int]
    label: str
    confidence: float = 0.95
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of the functions."""
        return list(self.joules)

    def difference(self, name: str | None = None, quantity: str = "joules") -> tuple[float, float, float]:
        """By how much more a function costs than the first one: the mean of the rounds, and its confidence interval.

        Parameters
        ----------
        name
            Of the function; by default that of the second one.
        quantity
            "joules" or "seconds".
        """
        if quantity not in ("joules", "seconds"):
            raise ValueError(f"`quantity` (={quantity!r}) must be joules or seconds")
        name = self.names[1] if name is None else name
        if name not in self.names:
            raise KeyError(f"no function {name!r} was compared, but {self.names}")
        values = self.joules if quantity == "joules" else self.seconds
        differences = values[name] - values[self.names[0]]
        mean, rounds = float(differences.mean()), len(differences)
        reach = float(stdtrit(rounds - 1, (1 + self.confidence) / 2) * differences.std(ddof=1) / np.sqrt(rounds))
        return mean, mean - reach, mean + reach

    def cheaper(self, name: str | None = None, quantity: str = "joules") -> str | None:
        """Which costs less, that function or the first one; None if the interval does not tell."""
        name = self.names[1] if name is None else name
        _, low, high = self.difference(name, quantity)
        return name if high < 0 else self.names[0] if low > 0 else None

    def __str__(self) -> str:
        table = [
            {
                "function": name,
                "J per call": float(self.joules[name].mean()),
                "s per call": float(self.seconds[name].mean()),
                "W": float(self.joules[name].sum() / self.seconds[name].sum()),
                "calls per round": self.calls[name],
                "rounds": len(self.joules[name]),
                "label": self.label,
            }
            for name in self.names
        ]
        said = [self._say(name, quantity) for name in self.names[1:] for quantity in ("joules", "seconds")]
        return "\n".join([as_text(table), *said, *(f"note: {note}" for note in self.notes)])

    def _say(self, name: str, quantity: str) -> str:
        mean, low, high = self.difference(name, quantity)
        unit, first = quantity[0].upper() if quantity == "joules" else "s", self.names[0]
        base = float((self.joules if quantity == "joules" else self.seconds)[first].mean())
        numbers = f"{mean:+.3g} {unit} [{low:+.3g}, {high:+.3g}]" + (f", {100 * mean / base:+.1f} %" if base else "")
        cheaper = self.cheaper(name, quantity)
        verdict = f"{cheaper} takes less" if cheaper else "no difference can be told"
        return f"{quantity}: {name} beside {first}: {numbers} ({self.confidence:.0%} confidence): {verdict}"


def compare(
    *functions: Callable[[], object],
    names: Sequence[str] | None = None,
    rounds: int = 10,
    min_seconds: float = 0.5,
    confidence: float = 0.95,
    comm: Any = None,
    backend: Backend = "auto",
    host: str | None = None,
) -> Comparison:
    """Run functions in turns, in a new order each round, and say which costs less, in joules and in seconds.

    All ranks call it with the same functions, which may communicate. Joules are those of all hosts, whatever else runs
    there; seconds are those of the slowest rank. The intervals are Student's, of the paired differences of the rounds.
    Communication: a few small collectives per turn, none while a function runs.

    Parameters
    ----------
    *functions
        At least two, without arguments.
    names
        What to call them; by default their own names.
    rounds
        How often each takes its turn, at least twice; turns that find out how often to call them come before.
    min_seconds
        How long a turn is to last, at least; a function is called as often as that takes. Energy counters tick up to
        ten times a second only.
    confidence
        Of the intervals.
    comm, backend, host
        As in `Monitor`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> x = dnd.ones(1000, split=0)
    >>> options = dict(rounds=2, min_seconds=0.01, backend="estimate")
    >>> result = dnd.energy.compare(lambda: x + x, lambda: 2 * x, names=["sum", "product"], **options)
    >>> result.names, result.label
    (['sum', 'product'], 'estimated + constant')
    """
    if len(functions) < 2 or rounds < 2:
        raise ValueError(f"there must be two functions and two rounds at least, not {len(functions)} and {rounds}")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` (={confidence}) must lie between 0 and 1")
    named = dict(zip(_names(functions, names), functions, strict=True))
    communicator = as_comm(comm)
    place, first = leader(communicator, host)
    leads = communicator.rank == first
    sensors, notes = opened(communicator, leads, backend)
    turns = _Turns(communicator, Sampler(sensors, SHORTEST_PERIOD_S) if leads else None)
    try:
        calls = {name: turns.calls_for(function, min_seconds) for name, function in named.items()}
        for number in range(rounds):
            for name in random.Random(number).sample(list(named), len(named)):
                turns.take(name, named[name], calls[name])
    finally:
        turns.end()
    joules, seconds = turns.results(calls)
    labels = communicator.allgather_object(({sensor.label for sensor in sensors}, [f"{place}: {n}" for n in notes]))
    label = " + ".join(sorted(set().union(*(found for found, _ in labels)), reverse=True))
    said = [note for _, some in labels for note in some]
    return Comparison(joules, seconds, calls, label, confidence, said)


def _names(functions: Sequence[Callable[[], object]], names: Sequence[str] | None) -> list[str]:
    found = [getattr(function, "__name__", repr(function)) for function in functions] if names is None else list(names)
    if len(found) != len(functions):
        raise ValueError(f"`names` (={found}) must name each of the {len(functions)} functions")
    return [name if found.count(name) == 1 else f"{name} {number}" for number, name in enumerate(found, 1)]


class _Turns:
    """Runs functions on all ranks at once, and keeps when and, on each host's reader, what the sensors said then."""

    def __init__(self, comm: Communicator, sampler: Sampler | None) -> None:
        self.comm = comm
        self.sampler = sampler
        self.spans: dict[str, list[tuple[float, float]]] = {}
        if sampler is not None:
            sampler.start()

    def run(self, function: Callable[[], object], calls: int) -> tuple[float, float]:
        """When the calls began and ended here. What fails on one rank fails on all."""
        if self.sampler is not None:
            self.sampler.sample()
        self.comm.barrier()
        start = time.monotonic()
        with agreed(self.comm):
            for _ in range(calls):
                function()
            finish_gpu()
        end = time.monotonic()
        if self.sampler is not None:
            self.sampler.sample()
        return start, end

    def calls_for(self, function: Callable[[], object], min_seconds: float) -> int:
        """How many calls last so long, on the slowest rank; the first one warms up and does not count."""
        self.run(function, 1)
        calls = 1
        while True:
            start, end = self.run(function, calls)
            seconds = self.comm.allreduce(torch.tensor(end - start, dtype=torch.float64), "max").item()
            if seconds >= 0.7 * min_seconds:
                return max(1, round(calls * min_seconds / seconds))
            calls = max(2 * calls, int(calls * 0.8 * min_seconds / max(seconds, 1e-9)))

    def take(self, name: str, function: Callable[[], object], calls: int) -> None:
        """A turn."""
        self.spans.setdefault(name, []).append(self.run(function, calls))

    def end(self) -> None:
        """Stop reading."""
        if self.sampler is not None:
            self.sampler.stop()

    def results(self, calls: dict[str, int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Joules of all hosts and seconds of the slowest rank, per call and round."""
        spans = np.array([self.spans[name] for name in calls])
        number = np.array(list(calls.values()))[:, None]
        seconds = self.comm.allreduce(torch.from_numpy(spans[..., 1] - spans[..., 0]), "max").numpy() / number
        joules = self.comm.allreduce(torch.from_numpy(self._joules(spans))).numpy() / number
        return dict(zip(calls, joules, strict=True)), dict(zip(calls, seconds, strict=True))

    def _joules(self, spans: np.ndarray) -> np.ndarray:
        joules = np.zeros(spans.shape[:2])
        if self.sampler is not None:
            sensors = [track.sensor for track in self.sampler.tracks]
            for track in self.sampler.tracks:
                if track.times and counts(track.sensor, sensors):
                    joules += np.diff(track.energy(spans.reshape(-1)).reshape(spans.shape), axis=-1)[..., 0]
        return joules
