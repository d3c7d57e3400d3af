"""An estimate from how busy the processors are, for machines without a sensor."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

from .sensors import CONSTANT, ESTIMATED, Sensor
from .sysfs import number

__all__ = ["Estimate"]

MODELS = {
    r"EPYC 7402": (180, 24),
    r"EPYC 7452": (155, 32),
    r"EPYC 7543": (225, 32),
    r"EPYC 7713": (225, 64),
    r"EPYC 7742": (225, 64),
    r"EPYC 7763": (280, 64),
    r"EPYC 9354": (280, 32),
    r"EPYC 9554": (360, 64),
    r"EPYC 9654": (360, 96),
    r"Platinum 8160": (150, 24),
    r"Platinum 8260": (165, 24),
    r"Platinum 8358": (250, 32),
    r"Platinum 8360Y": (250, 36),
    r"Platinum 8368": (270, 38),
    r"Platinum 8470": (350, 52),
    r"Platinum 8480": (350, 56),
    r"Gold 6230": (125, 20),
    r"Gold 6248": (150, 20),
    r"E5-2680 v4": (120, 14),
    r"E5-2690 v4": (135, 14),
    r"Ryzen 9 5950X": (105, 16),
    r"Ryzen 9 7950X": (170, 16),
}
"""Processor -> its maker's watts (TDP) and cores. Several sockets, or a part of one, take as much per core.

The watts of EPYC 7xx2 and 7xx3, Platinum 8260 and E5-2680 v4 are also those in codecarbon's `cpu_power.csv`; the others
are taken down from the makers' specifications without a second source. `ENERGY_TDP_W` and `tdp_w` go before all.
"""

WATTS_PER_THREAD = 4.0
"""Of a processor that is not in the table, as codecarbon has it."""


class Estimate:
    """Watts from the load: idle + (TDP - idle) * load ** exponent for the processors, a constant for the memory.

    The load is that of the machine, or of the container where this one has been given a part of it.

    Parameters
    ----------
    root
        Where the trees `proc` and `sys` are.
    tdp_w
        Watts of all processors at full load. By default `ENERGY_TDP_W`, else what the makers say of the model, else
        4 W per thread.
    idle
        What part of that they take with nothing to do.
    exponent
        1, or 3 for codecarbon's curve.
    memory_w_per_gib
        Of the memory that is there; by default 3 W per 8 GiB, codecarbon's rule up to its version 2.
    busy
        Seconds of CPU time used so far, by everything that counts. By default what Linux says.
    """

    name = "estimate"

    def __init__(
        self,
        root: str | PathLike[str] = "/",
        *,
        tdp_w: float | None = None,
        idle: float = 0.1,
        exponent: float = 1.0,
        memory_w_per_gib: float = 0.375,
        busy: Callable[[], float] | None = None,
    ) -> None:
        if not 0 <= idle <= 1:
            raise ValueError(f"`idle` (={idle}) must be a part of the TDP, from 0 to 1")
        self.root = Path(root)
        self.cpus = _quota(self.root) or float(_threads(self.root))
        self.tdp_w, self.because = (tdp_w, "as given") if tdp_w is not None else _tdp(self.root, self.cpus)
        if not self.tdp_w >= 0:
            raise ValueError(f"`tdp_w` (={self.tdp_w}, {self.because}) must be at least 0 watts")
        self.idle_w = idle * self.tdp_w
        self.exponent = exponent
        self.memory_w = memory_w_per_gib * _memory_gib(self.root)
        self.busy = busy or _busy(self.root)
        self._joules = 0.0
        self._last = (time.monotonic(), self.busy())

    def power(self, load: float) -> float:
        """Watts of the processors at a load from 0 to 1."""
        return self.idle_w + (self.tdp_w - self.idle_w) * min(max(load, 0.0), 1.0) ** self.exponent

    def sensors(self) -> list[Sensor]:
        """The processors and the memory."""
        note = f"estimated from CPU time on {self.cpus:g} CPUs and {self.tdp_w:g} W, {self.because}"
        found = [Sensor("estimate cpu", "cpu", ESTIMATED, self._read, joules=1.0, note=note)]
        if self.memory_w:
            found.append(Sensor("estimate memory", "memory", CONSTANT, lambda: self.memory_w))
        return found

    def _read(self) -> float:
        """A counter of joules: with what was used since the last reading, which no sample in between can miss."""
        now = (time.monotonic(), self.busy())
        seconds, used = (new - old for new, old in zip(now, self._last, strict=True))
        if seconds > 0:
            self._joules += self.power(used / (seconds * self.cpus)) * seconds
            self._last = now
        return self._joules


# --- what Linux says --------------------------------------------------------------------------------------------------


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _threads(root: Path) -> int:
    named = [line for line in _lines(root / "proc/stat") if re.match(r"cpu\d", line)]
    return len(named) or os.cpu_count() or 1


def _cgroup(root: Path, controller: str) -> Iterator[Path]:
    """The folders that may be this process's control group, the one that says most first: version 2, then 1."""
    for line in _lines(root / "proc/self/cgroup"):
        _, names, group = line.split(":", 2)
        if not names or controller in names.split(","):
            base = root / "sys/fs/cgroup" / (controller if names else "")
            yield base / group.lstrip("/")
            yield base  # in a container, which sees its own group as the root


def _quota(root: Path) -> float | None:
    """How many CPUs' time this container may use; None where nothing limits it."""
    for folder in _cgroup(root, "cpu"):
        if (folder / "cpu.max").exists():
            limit, period = (folder / "cpu.max").read_text().split()
        elif (folder / "cpu.cfs_quota_us").exists():
            limit, period = (_lines(folder / name)[0] for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
        else:
            continue
        if limit not in ("max", "-1"):
            return int(limit) / int(period)
    return None


def _busy(root: Path) -> Callable[[], float]:
    """What tells the seconds of CPU time used: of the container if it has a quota, else of the machine."""
    if _quota(root) is not None:
        for folder in _cgroup(root, "cpu"):
            if any(line.startswith("usage_usec") for line in _lines(folder / "cpu.stat")):
                return lambda: int(re.findall(r"usage_usec (\d+)", (folder / "cpu.stat").read_text())[0]) * 1e-6
        for folder in _cgroup(root, "cpuacct"):
            if (folder / "cpuacct.usage").exists():
                return lambda: number(folder / "cpuacct.usage") * 1e-9
    if (root / "proc/stat").exists():
        return lambda: _busy_machine(root / "proc/stat")
    return lambda: sum(os.times()[:4])  # this process and its children: all that other systems tell


def _busy_machine(path: Path) -> float:
    with path.open() as file:
        user, nice, system, _idle, _wait, interrupts, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + interrupts + softirq) / os.sysconf("SC_CLK_TCK")


def _tdp(root: Path, cpus: float) -> tuple[float, str]:
    """Watts at full load, and where they are from."""
    if given := os.environ.get("ENERGY_TDP_W"):
        try:
            return float(given), "from ENERGY_TDP_W"
        except ValueError:
            raise ValueError(f"ENERGY_TDP_W (={given!r}) must be a number of watts") from None
    text = "\n".join(_lines(root / "proc/cpuinfo"))
    model = next(iter(re.findall(r"model name\s*: (.*)", text)), "unknown")
    for pattern, (watts, cores) in MODELS.items():
        if re.search(rf"{pattern}\b", model):
            ids = zip(re.findall(r"physical id\s*: (\d+)", text), re.findall(r"core id\s*: (\d+)", text), strict=False)
            there = len(set(ids)) or _threads(root)
            share = cpus / _threads(root)  # of a container in its machine
            return watts / cores * there * share, f"from {watts} W per {cores} cores of {model}"
    return WATTS_PER_THREAD * cpus, f"{WATTS_PER_THREAD:g} W per CPU of an unknown model ({model}); see ENERGY_TDP_W"


def _memory_gib(root: Path) -> float:
    total = next((int(line.split()[1]) / 2**20 for line in _lines(root / "proc/meminfo") if "MemTotal" in line), 0.0)
    for folder in _cgroup(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = next(iter(_lines(folder / name)), "max")
            if limit != "max":
                return min(total, int(limit) / 2**30)
    return total
