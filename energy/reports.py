"""The report of a run: its energy by region, host, device and rank, and what that means in CO2e and money."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import files, plots
from ._optional import require
from .sensors import CONSTANT, ESTIMATED
from .summaries import OUTSIDE, TOTAL, DeviceEnergy, HostSummary, RankEnergy

__all__ = ["Factors", "Report"]

JOULES_PER_KWH = 3.6e6
ATTRIBUTED = "attributed by CPU time"


@dataclass(frozen=True)
class Factors:
    """What turns joules into CO2e and money.

    Parameters
    ----------
    pue
        What the whole data centre uses per joule of its computers (power usage effectiveness). CO2e and money are
        those of the whole, joules and kWh those of the computers.
    gco2e_per_kwh
        Grams of CO2e; by default 475, which codecarbon takes for the world's average.
    price_per_kwh
        By default 0.2678 EUR, as in perun. Neither default is that of your site: give your own.
    currency
        Of the price.
    gco2e_source, price_source
        Where they are from, and as of when.
    """

    pue: float = 1.0
    gco2e_per_kwh: float | None = None
    price_per_kwh: float | None = None
    currency: str = "EUR"
    gco2e_source: str = ""
    price_source: str = ""

    def __post_init__(self) -> None:
        if not self.pue >= 1:
            raise ValueError(f"`pue` (={self.pue}) must be at least 1: the computers are part of the data centre")
        defaults = (
            ("gco2e_per_kwh", 475.0, "gco2e_source", "world average, codecarbon's default"),
            ("price_per_kwh", 0.2678, "price_source", "perun's default"),
        )
        for name, default, source, where in defaults:
            given = getattr(self, name) is not None
            if not given:
                object.__setattr__(self, name, default)
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` (={getattr(self, name)}) must be at least 0")
            if not getattr(self, source):
                object.__setattr__(self, source, "as given" if given else where)

    def of(self, joules: float) -> dict[str, float]:
        """The same energy in other units."""
        kwh = joules / JOULES_PER_KWH
        return {
            "kwh": kwh,
            "gco2e": kwh * self.pue * (self.gco2e_per_kwh or 0.0),
            "cost": kwh * self.pue * (self.price_per_kwh or 0.0),
        }

    def __str__(self) -> str:
        return (
            f"{self.gco2e_per_kwh:g} gCO2e/kWh ({self.gco2e_source}), {self.price_per_kwh:g} {self.currency}/kWh "
            f"({self.price_source}), PUE {self.pue:g} (in CO2e and {self.currency}, not in J and kWh)"
        )


@dataclass
class Report:
    """What a run has cost.

    Printed it is a few tables; `rows`, `to_pandas` and the `to_...` methods give what is in them. Every number bears a
    label: "measured counter", "measured power", "estimated", "constant", or several of them for a sum. What ranks
    used is not measured but attributed: the energy of their host by their shares of the CPU time.

    Under MPI the same report is on every rank, but only rank 0's has the timelines, and only rank 0 writes files.
    """

    hosts: list[HostSummary]
    factors: Factors = field(default_factory=Factors)
    begun: str = ""
    notes: list[str] = field(default_factory=list)
    rank: int = 0

    # --- sums ---------------------------------------------------------------------------------------------------------

    @property
    def joules(self) -> float:
        """The energy of all hosts."""
        return sum(host.joules() for host in self.hosts)

    @property
    def seconds(self) -> float:
        """How long the run took on the host where it took longest."""
        return max((host.seconds for host in self.hosts), default=0.0)

    @property
    def label(self) -> str:
        """What the energy of all hosts is worth."""
        return _label(entry for host in self.hosts for entry in host.devices if entry.counts)

    @property
    def regions(self) -> list[str]:
        """The names of the regions, those that stand for the run and what is outside of all others first."""
        names = {name for host in self.hosts for name in host.regions}
        return [*(name for name in (TOTAL, OUTSIDE) if name in names), *sorted(names - {TOTAL, OUTSIDE})]

    def assert_measured(self) -> None:
        """Raise a RuntimeError if any part of the sum was not measured."""
        guessed = {
            f"{entry.sensor} on {host.host} ({entry.label})"
            for host in self.hosts
            for entry in host.devices
            if entry.counts and entry.label in (ESTIMATED, CONSTANT)
        }
        if guessed:
            raise RuntimeError(f"not everything was measured: {', '.join(sorted(guessed))}")

    # --- tables -------------------------------------------------------------------------------------------------------

    def rows(self, by: str = "region") -> list[dict[str, Any]]:
        """A table.

        Parameters
        ----------
        by
            "region", "host" (regions on each host), "device" (regions for each sensor of each host) or "rank".
        """
        makers = {"region": self._by_region, "host": self._by_host, "device": self._by_device, "rank": self._by_rank}
        if by not in makers:
            raise ValueError(f"`by` (={by!r}) must be one of {', '.join(makers)}")
        return list(makers[by]())

    def _by_region(self) -> Iterator[dict[str, Any]]:
        for region in self.regions:
            hosts = [host for host in self.hosts if region in host.regions]
            calls = max((e.calls for host in hosts for e in host.ranks if e.region == region), default=0)
            seconds = max(host.regions[region] for host in hosts)
            joules = sum(host.joules(region) for host in hosts)
            yield {"region": region, "calls": calls} | self._numbers(seconds, joules) | {"label": _counted(hosts)}

    def _by_host(self) -> Iterator[dict[str, Any]]:
        for host in self.hosts:
            for region, seconds in host.regions.items():
                where = {"region": region, "host": host.host}
                yield where | self._numbers(seconds, host.joules(region)) | {"label": _counted([host])}

    def _by_device(self) -> Iterator[dict[str, Any]]:
        for host in self.hosts:
            for entry in host.devices:
                where = {"region": entry.region, "host": host.host, "device": entry.device, "sensor": entry.sensor}
                numbers = self._numbers(host.regions[entry.region], entry.joules)
                yield where | numbers | {"counts": entry.counts, "label": entry.label}

    def _by_rank(self) -> Iterator[dict[str, Any]]:
        entries = [(entry, host) for host in self.hosts for entry in host.ranks]
        for entry, host in sorted(entries, key=lambda pair: (self.regions.index(pair[0].region), pair[0].rank)):
            where = {"region": entry.region, "host": host.host, "rank": entry.rank, "calls": entry.calls}
            numbers = self._numbers(entry.seconds, entry.joules)
            label = f"{ATTRIBUTED}, {_counted([host])}"
            yield where | {"cpu_seconds": entry.cpu_seconds} | numbers | {"label": label}

    def _numbers(self, seconds: float, joules: float) -> dict[str, float]:
        watts = joules / seconds if seconds else 0.0
        return {"seconds": seconds, "joules": joules, "watts": watts} | self.factors.of(joules)

    def to_pandas(self, by: str = "device") -> Any:
        """The table as a DataFrame, the factors beside the numbers."""
        return require("pandas").DataFrame(files.with_factors(self, by))

    # --- text ---------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        ranks = len({entry.rank for host in self.hosts for entry in host.ranks})
        hosts = f"{len(self.hosts)} host{'s' * (len(self.hosts) != 1)}"
        title = f"{self.joules:.6g} J in {self.seconds:.6g} s on {hosts}" + (f", {ranks} ranks" if ranks > 1 else "")
        parts = [f"{title}, {self.label or 'nothing was measured'}" + (f"; begun {self.begun}" if self.begun else "")]
        parts += [self.text("region"), self.text("device", TOTAL)]
        parts += [self.text("rank", TOTAL)] if ranks > 1 else []
        parts += ["\n".join([f"factors: {self.factors}", *self._said()])]
        return "\n\n".join(parts)

    def text(self, by: str = "region", region: str | None = None) -> str:
        """A table as text; of one region if it is named."""
        rows = [row for row in self.rows(by) if region in (None, row["region"])]
        names = {"gco2e": "gCO2e", "kwh": "kWh", "joules": "J", "watts": "W", "cost": self.factors.currency}
        return as_text([{names.get(name, name): value for name, value in row.items()} for row in rows])

    def _said(self) -> list[str]:
        said = []
        for host in self.hosts:
            samples, cpu = host.sampler["samples"], host.sampler["cpu_seconds"]
            said.append(
                f"sampler on {host.host}: {samples:g} samples, {1000 * cpu / max(samples, 1):.2f} ms of CPU time each, "
                f"{100 * cpu / host.seconds if host.seconds else 0:.3f} % of a core"
            )
        notes = [f"{host.host}: {note}" for host in self.hosts for note in host.notes]
        return said + [f"note: {note}" for note in (*self.notes, *notes)]

    # --- files and plots ----------------------------------------------------------------------------------------------

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything; `Report.load` reads it."""
        files.save(self, Path(path), ".json")

    def to_csv(self, path: str | os.PathLike[str], by: str = "device") -> None:
        """Write a table, the factors in columns of their own."""
        files.save(self, Path(path), ".csv", by)

    def to_hdf5(self, path: str | os.PathLike[str]) -> None:
        """Write everything, the tables and the timelines as datasets; `Report.load` reads it."""
        files.save(self, Path(path), ".h5")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file that is what its suffix says: .json, .csv, .h5 or .hdf5."""
        files.save(self, files.checked(Path(path)), Path(path).suffix.lower())

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Report:
        """Read what `to_json` or `to_hdf5` has written."""
        return Report.from_dict(files.load(Path(path)))

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {key: value for key, value in asdict(self).items() if key != "rank"}

    @staticmethod
    def from_dict(entries: dict[str, Any]) -> Report:
        """What `as_dict` gave."""
        hosts = []
        for entry in entries["hosts"]:
            devices = [DeviceEnergy(**device) for device in entry["devices"]]
            ranks = [RankEnergy(**rank) for rank in entry["ranks"]]
            hosts.append(HostSummary(**{**entry, "devices": devices, "ranks": ranks}))
        return Report(hosts, Factors(**entries["factors"]), entries["begun"], entries["notes"])

    @staticmethod
    def merged(reports: Sequence[Report]) -> Report:
        """The report of a run of which each host has written one of its own."""
        first = reports[0]
        names = [host.host for report in reports for host in report.hosts]
        if len(set(names)) < len(names):
            raise ValueError(f"these reports are of different runs, for some hosts are in several of them: {names}")
        notes = [note for report in reports for note in report.notes]
        if any(report.factors != first.factors for report in reports):
            notes.append("the reports were made with other factors; those of the first one hold here")
        return Report([host for report in reports for host in report.hosts], first.factors, first.begun, notes)

    def plot_bars(self, ax: Any = None) -> Any:
        """A bar for each region, of its devices' joules; what was not measured is hatched. Gives the axes."""
        return plots.bars(self, ax)

    def plot_timeline(self, ax: Any = None, host: str | None = None) -> Any:
        """The watts of a host's devices in the course of the run, with its regions. Gives the axes."""
        return plots.timeline(self, ax, host)


def _label(entries: Iterable[DeviceEnergy]) -> str:
    return " + ".join(sorted({entry.label for entry in entries}, reverse=True))


def _counted(hosts: Iterable[HostSummary]) -> str:
    return _label(entry for host in hosts for entry in host.devices if entry.counts)


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """Rows under each other, numbers to the right; not cut to the width of a terminal, for logs have none."""
    if not rows:
        return "(nothing)"
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in rows[0].values()]
    return "\n".join(
        "  ".join(
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
