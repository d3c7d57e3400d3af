"""The thread that reads a host's sensors."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from .sensors import Sensor
from .tracks import Track

__all__ = ["SHORTEST_PERIOD_S", "Sampler"]

SHORTEST_PERIOD_S = 0.1
"""Reading more often costs more than it tells: counters tick every millisecond, GPUs average over tens of them."""


class Sampler:
    """Reads sensors every `period` seconds, and keeps count of what that costs.

    Beginning and end are readings, too. Without `start`, `sample` is all that reads.
    """

    def __init__(self, sensors: Sequence[Sensor], period: float) -> None:
        self.tracks = [Track(sensor) for sensor in sensors]
        self.period = period
        self.samples = 0
        self.cpu_seconds = 0.0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._edge = threading.Event()
        self._last = float("-inf")
        self._thread = threading.Thread(target=self._run, name="dndarray energy", daemon=True)

    def start(self) -> None:
        """Take the first sample, and others from now on."""
        self.sample()
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample."""
        self._end.set()
        self._edge.set()
        if self._thread.is_alive():
            self._thread.join()
        self.sample()

    def sample(self) -> None:
        """Read all sensors now."""
        with self._lock:
            began, before = time.thread_time(), time.monotonic()
            values = [self._read(track) for track in self.tracks]
            self._last = time.monotonic()
            for track, value in zip(self.tracks, values, strict=True):
                if value is not None:
                    track.add((before + self._last) / 2, value)
            self.samples += 1
            self.cpu_seconds += time.thread_time() - began

    def _read(self, track: Track) -> float | None:
        try:
            return track.sensor.read()
        except Exception:  # a sensor that is gone for a while must not end the run that it measures
            track.failures += 1
            return None

    def edge(self) -> None:
        """A region begins or ends: have the thread read soon, unless it has just done so. Costs a microsecond or so."""
        if time.monotonic() - self._last >= SHORTEST_PERIOD_S:
            self._edge.set()

    def _run(self) -> None:
        while not self._end.is_set():
            self._edge.wait(max(0.0, self._last + self.period - time.monotonic()))
            self._edge.clear()
            if not self._end.is_set():
                self.sample()
