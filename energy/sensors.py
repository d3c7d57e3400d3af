"""What a sensor is, and what its numbers are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "CONSTANT",
    "ESTIMATED",
    "MEASURED_COUNTER",
    "MEASURED_POWER",
    "OVERHEAD",
    "Sensor",
    "Source",
    "Unavailable",
    "counts",
]

MEASURED_COUNTER = "measured counter"
"""Differences of an energy counter in the hardware: exact between two readings."""

MEASURED_POWER = "measured power"
"""Integrated from power that a sensor gave now and then."""

ESTIMATED = "estimated"
"""Computed from how busy the processors were; no sensor was read."""

CONSTANT = "constant"
"""A number of watts that somebody has set, times the duration."""


OVERHEAD = "overhead"
"""The device of a constant for what no sensor of a host sees."""


class Unavailable(Exception):
    """A source has no sensor that this process may read; the message says why."""


@dataclass(frozen=True)
class Sensor:
    """One thing that can be read.

    A counter's reading is a number of counts, each worth `joules`; that of another sensor is in watts.
    """

    name: str
    """Of its own on its host."""
    device: str
    """cpu, memory, gpu; node, which holds these; or overhead."""
    label: str
    read: Callable[[], float]
    joules: float | None = None
    modulus: int | None = None
    """What the counter's greatest value is followed by 0 at."""
    note: str = ""
    """What whoever reads its numbers has to know."""


class Source(Protocol):
    """Where sensors are found."""

    @property
    def name(self) -> str:
        """The word by which one asks for it."""

    def sensors(self) -> Sequence[Sensor]:
        """The sensors, at least one, each of which was read once; or else `Unavailable`."""


def counts(sensor: Sensor, sensors: Iterable[Sensor]) -> bool:
    """Whether a sensor is added up with the others of its host, or is part of one of them: the meter of the node."""
    return sensor.device in ("node", OVERHEAD) or all(other.device != "node" for other in sensors)
