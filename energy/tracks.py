"""What one sensor said in the course of time, and the energy between any two times."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from .sensors import Sensor

__all__ = ["Track", "union"]


class Track:
    """The readings of a sensor.

    Of a counter the differences are summed up in integers, so the energy between two readings is exact, however often
    the counter began anew; that is at most once between two readings. Power is taken to run straight from one reading
    to the next (the trapezoid rule). Between readings a counter's energy runs straight, too.
    """

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.times = array("d")
        self.failures = 0
        self._values = array("d")  # watts, or counts since the first reading: exact up to 2^53 of them
        self._last: float = 0
        self._total: float = 0

    def add(self, time: float, value: float) -> None:
        """A reading."""
        if self.sensor.joules is None:
            self._values.append(value)
        else:
            if self.times:
                self._total += self._step(value)
            self._last = value
            self._values.append(self._total)
        self.times.append(time)

    def _step(self, value: float) -> float:
        """Counts since the last reading. A counter that cannot wrap and yet went down was reset: they are lost."""
        step = value - self._last
        return step if step >= 0 else step + self.sensor.modulus if self.sensor.modulus else 0

    def energy(self, times: Iterable[float] | np.ndarray) -> np.ndarray:
        """Joules from the first reading to each of these times; before and after the readings nothing is used."""
        known, values = np.array(self.times), np.array(self._values)
        at = np.clip(np.asarray(times, dtype=np.float64), known[0], known[-1])
        if self.sensor.joules is not None:
            return np.interp(at, known, values) * self.sensor.joules
        steps = np.diff(known)
        energies = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * steps)])
        before = np.clip(np.searchsorted(known, at, side="right") - 1, 0, max(len(steps) - 1, 0))
        since = at - known[before]
        watts = np.interp(at, known, values)
        return energies[before] + (values[before] + watts) / 2 * since

    def total(self, intervals: np.ndarray) -> float:
        """Joules in disjoint intervals, an array of rows (start, end)."""
        if len(self.times) == 0:
            return 0.0
        return float(np.diff(self.energy(intervals), axis=1).sum())


def union(intervals: np.ndarray) -> np.ndarray:
    """The same times in disjoint intervals in order; an array of rows (start, end)."""
    if len(intervals) == 0:
        return np.empty((0, 2))
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    latest = np.maximum.accumulate(ordered[:, 1])
    first = np.concatenate([[True], ordered[1:, 0] > latest[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([ordered[first, 0], latest[last]], axis=1)
