"""Which sensors to read: those asked for, or the best that this host has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .estimate import Estimate
from .gpus import Nvml, Rocm
from .sensors import Sensor, Source, Unavailable
from .slurm import Slurm
from .sysfs import Battery, Hwmon, PmCounters, Rapl

__all__ = ["SOURCES", "Backend", "choose"]

Backend = str | Source | Sequence[str | Source]

SOURCES: dict[str, Callable[[], Source]] = {
    kind.name: kind for kind in (PmCounters, Rapl, Nvml, Rocm, Hwmon, Slurm, Battery, Estimate)
}
"""The best first."""

LAST_RESORTS = ("slurm", "battery", "estimate")
"""Coarse ones, which are asked only where nothing else measures the processors."""


def choose(backend: Backend) -> tuple[list[Sensor], list[str]]:
    """The sensors, and what there is to say of them."""
    if isinstance(backend, str) and backend == "auto":
        return _best(kind() for kind in SOURCES.values())
    asked = [backend] if isinstance(backend, str) or not isinstance(backend, Sequence) else backend
    sensors: list[Sensor] = []
    for source in map(_source, asked):
        try:
            sensors += source.sensors()
        except Unavailable as error:
            raise Unavailable(f"`backend` (={source.name!r}) cannot be read here: {error}") from None
    if len({sensor.name for sensor in sensors}) < len(sensors):
        raise ValueError(f"`backend` (={backend!r}) names sensors more than once: {[s.name for s in sensors]}")
    return sensors, _notes(sensors)


def _source(asked: Any) -> Source:
    if hasattr(asked, "sensors"):
        return asked
    if asked not in SOURCES:
        raise ValueError(f"`backend` (={asked!r}) must be 'auto' or some of {', '.join(SOURCES)}, or sources")
    return SOURCES[asked]()


def _best(sources: Iterable[Source]) -> tuple[list[Sensor], list[str]]:
    """What an earlier source measures, a later one does not measure again; but all GPUs count."""
    sensors: list[Sensor] = []
    for source in sources:
        measured = {sensor.device for sensor in sensors} - {"gpu"}
        if source.name in LAST_RESORTS and measured & {"cpu", "node"}:
            continue
        try:
            sensors += [sensor for sensor in source.sensors() if sensor.device not in measured]
        except Unavailable:
            continue
    return sensors, _notes(sensors)


def _notes(sensors: Iterable[Sensor]) -> list[str]:
    return [f"{sensor.name}: {sensor.note}" for sensor in sensors if sensor.note]
