"""From readings and recordings to the energy of a host, by region, device and rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .regions import Recording
from .sampler import SHORTEST_PERIOD_S, Sampler
from .sensors import counts
from .tracks import Track, union

__all__ = ["OUTSIDE", "TOTAL", "DeviceEnergy", "HostSummary", "RankEnergy", "summarise"]

TOTAL, OUTSIDE = "(total)", "(outside)"
"""What stands for a region: all of the run, and what of it lies in no region."""

POINTS = 200
"""How finely a timeline is kept."""

SPANS = 500
"""How many intervals of a region are kept for a timeline."""


@dataclass
class DeviceEnergy:
    """Joules of a sensor in a region. They count in the host's sum, unless they are part of another one that does."""

    region: str
    device: str
    sensor: str
    label: str
    joules: float
    counts: bool


@dataclass
class RankEnergy:
    """What a rank did in a region, and its share of the host's joules, attributed by CPU time."""

    region: str
    rank: int
    calls: int
    seconds: float
    cpu_seconds: float
    joules: float


@dataclass
class HostSummary:
    """All that a report needs to know of a host."""

    host: str
    seconds: float
    regions: dict[str, float]
    """Region -> seconds in which at least one rank was in it."""
    devices: list[DeviceEnergy]
    ranks: list[RankEnergy]
    sampler: dict[str, float]
    notes: list[str] = field(default_factory=list)
    timeline: dict[str, Any] = field(default_factory=dict)

    def joules(self, region: str = TOTAL) -> float:
        """The host's energy."""
        return sum(entry.joules for entry in self.devices if entry.region == region and entry.counts)


def summarise(
    host: str, sampler: Sampler, recordings: Sequence[Recording], notes: Sequence[str] = (), resolution: float = 0.0
) -> HostSummary:
    """Cut what the sensors said to the times when the ranks were in regions.

    Parameters
    ----------
    host
        Its name.
    sampler
        That has been stopped.
    recordings
        Of the ranks on this host.
    notes
        What else there is to say.
    resolution
        Seconds; of regions that are shorter it is noted that their energy is interpolated.
    """
    span = _span(sampler)
    names = sorted({name for recording in recordings for name in recording.calls})
    within = {name: _within([recording.calls.get(name) for recording in recordings], span) for name in names}
    inside = union(np.concatenate([np.empty((0, 2)), *within.values()]))
    times = {TOTAL: np.array([span]), **within, OUTSIDE: _between(inside, span)}
    if not names:
        del times[OUTSIDE]
    summary = HostSummary(
        host=host,
        seconds=span[1] - span[0],
        regions={name: float(np.diff(intervals, axis=1).sum()) for name, intervals in times.items()},
        devices=[
            _of_device(name, intervals, track, sampler) for name, intervals in times.items() for track in sampler.tracks
        ],
        ranks=[],
        sampler={"samples": sampler.samples, "cpu_seconds": sampler.cpu_seconds},
        notes=[*notes, *_failures(sampler)],
        timeline=_timeline(sampler, span, within),
    )
    summary.ranks = [entry for name in (TOTAL, *names) for entry in _shares(name, summary, recordings)]
    summary.notes += _short(recordings, max(resolution, SHORTEST_PERIOD_S))
    return summary


def _span(sampler: Sampler) -> tuple[float, float]:
    """From the first sample to the last."""
    read = [track.times for track in sampler.tracks if track.times]
    if not read:
        return 0.0, 0.0
    return min(times[0] for times in read), max(times[-1] for times in read)


def _within(calls: Sequence[np.ndarray | None], span: tuple[float, float]) -> np.ndarray:
    """When at least one rank was in a region, as disjoint intervals in the span."""
    rows = [rows[:, :2] for rows in calls if rows is not None]
    return np.clip(union(np.concatenate(rows)), *span)


def _between(intervals: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """The rest of the span."""
    edges = np.concatenate([[span[0]], intervals.ravel(), [span[1]]])
    return edges.reshape(-1, 2)


def _of_device(region: str, intervals: np.ndarray, track: Track, sampler: Sampler) -> DeviceEnergy:
    sensor = track.sensor
    counted = counts(sensor, [other.sensor for other in sampler.tracks])
    return DeviceEnergy(region, sensor.device, sensor.name, sensor.label, track.total(intervals), counted)


def _shares(region: str, summary: HostSummary, recordings: Sequence[Recording]) -> list[RankEnergy]:
    """The ranks that were in a region, each with its share of the CPU time that they spent in it."""
    found = []
    for recording in recordings:
        if region == TOTAL:
            found.append(RankEnergy(TOTAL, recording.rank, 1, summary.seconds, recording.cpu_seconds, 0.0))
        elif region in recording.calls:
            rows = recording.calls[region]
            seconds = float(np.diff(union(rows[:, :2]), axis=1).sum())
            found.append(RankEnergy(region, recording.rank, len(rows), seconds, float(rows[:, 2].sum()), 0.0))
    cpu = sum(entry.cpu_seconds for entry in found)
    for entry in found:
        entry.joules = summary.joules(region) * (entry.cpu_seconds / cpu if cpu else 1 / len(found))
    return found


def _failures(sampler: Sampler) -> list[str]:
    return [
        f"{track.sensor.name}: {track.failures} of {sampler.samples} readings failed"
        + ("" if track.times else ", so it counts as 0")
        for track in sampler.tracks
        if track.failures
    ]


def _short(recordings: Sequence[Recording], resolution: float) -> list[str]:
    """The regions whose calls take less time than passes between two samples."""
    short = {
        name
        for recording in recordings
        for name, rows in recording.calls.items()
        if float(np.median(rows[:, 1] - rows[:, 0])) < resolution
    }
    return [
        f"region {name!r}: calls take less than the {resolution:g} s between samples; their energy is interpolated"
        for name in sorted(short)
    ]


def _timeline(sampler: Sampler, span: tuple[float, float], within: dict[str, np.ndarray]) -> dict[str, Any]:
    """Mean watts of each sensor in equal steps, and the regions; seconds from the first sample."""
    edges = np.linspace(*span, min(POINTS, max(2, sampler.samples)))
    steps = np.maximum(np.diff(edges), 1e-12)
    return {
        "seconds": (edges - span[0]).tolist(),
        "watts": {
            track.sensor.name: (np.diff(track.energy(edges)) / steps).tolist()
            for track in sampler.tracks
            if track.times
        },
        "regions": {name: (rows[:SPANS] - span[0]).tolist() for name, rows in within.items()},
    }
