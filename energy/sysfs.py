"""Sensors that Linux shows as files: RAPL, hwmon, the counters of Cray nodes, batteries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path

from .sensors import MEASURED_COUNTER, MEASURED_POWER, Sensor, Unavailable

__all__ = ["Battery", "Hwmon", "PmCounters", "Rapl", "number"]

MICRO = 1e-6


def number(path: Path) -> int:
    """The first number in a file; what follows is its unit."""
    return int(path.read_text().split(maxsplit=1)[0])


def _micro(path: Path) -> Callable[[], float]:
    """Watts, or joules, from a file of millionths."""
    return lambda: number(path) * MICRO


def _word(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _readable(sensors: Iterable[Sensor], reason: str) -> list[Sensor]:
    """The sensors that can be read; if none can, `Unavailable` for the last failure, or for `reason`."""
    found = []
    for sensor in sensors:
        try:
            sensor.read()
        except (OSError, ValueError, IndexError) as error:
            reason = f"{error}"
        else:
            found.append(sensor)
    if not found:
        raise Unavailable(reason)
    return found


class Rapl:
    """Intel's and AMD's counters of what the processor packages, and on some machines the memory, have used.

    Parameters
    ----------
    root
        Where the powercap tree is.
    platform
        Take the counter of the whole platform (psys), which many laptops have, instead of packages and memory. The
        two are never added up, nor are cores to the package that they are in.
    """

    name = "rapl"

    def __init__(self, root: str | PathLike[str] = "/sys/class/powercap", *, platform: bool = False) -> None:
        self.root = Path(root)
        self.platform = platform

    def sensors(self) -> list[Sensor]:
        """The zones; only root may read them on current kernels, unless the administrator says otherwise."""
        if not self.root.is_dir():
            raise Unavailable(f"there is no {self.root} (virtual machines and containers seldom have it)")
        try:
            return _readable(self._zones(), f"no zone of RAPL in {self.root}")
        except (OSError, Unavailable) as error:
            hint = "; only root may read it, unless the administrator says chmod a+r" if "denied" in str(error) else ""
            raise Unavailable(f"{error}{hint}") from None

    def _zones(self) -> Iterator[Sensor]:
        names = {zone.name: _word(zone / "name") for zone in sorted(self.root.glob("intel-rapl:*"))}
        for zone, name in names.items():
            kind = "psys" if name == "psys" else name.partition("-")[0]
            device = {"psys": "node"} if self.platform else {"package": "cpu", "dram": "memory"}
            if kind not in device:
                continue
            above = names.get(zone.rpartition(":")[0])
            counter = self.root / zone / "energy_uj"
            yield Sensor(
                name=f"rapl {above} {name}" if above else f"rapl {name}",
                device=device[kind],
                label=MEASURED_COUNTER,
                read=lambda counter=counter: number(counter),  # type: ignore[misc]
                joules=MICRO,
                modulus=number(self.root / zone / "max_energy_range_uj"),
            )


class Hwmon:
    """What chips on the board report, as far as it is known which device they measure.

    Parameters
    ----------
    root
        Where the hwmon tree is.
    """

    name = "hwmon"

    DRIVERS = {
        "amd_energy": (r"Esocket\d+", "cpu"),
        "zenpower": (r"SVI2_P_(Core|SoC)", "cpu"),
        "fam15h_power": (r"", "cpu"),
        "power_meter": (r"", "node"),
        "ina3221": (r"VDD_IN|POM_5V_IN", "node"),
        "i915": (r"", "gpu"),
        "xe": (r"card", "gpu"),
    }
    """Driver -> the labels of the channels to take, and what these measure. Others may be parts of one another."""

    def __init__(self, root: str | PathLike[str] = "/sys/class/hwmon") -> None:
        self.root = Path(root)

    def sensors(self) -> list[Sensor]:
        """One per channel, the energy counters of a chip if it has some."""
        drivers = [_word(chip / "name") for chip in sorted(self.root.glob("hwmon*"))]
        unknown = f"no known sensor among {', '.join(drivers)}" if drivers else "there is none"
        return _readable(self._channels(), f"{unknown} in {self.root}")

    def _channels(self) -> Iterator[Sensor]:
        for chip in sorted(self.root.glob("hwmon*")):
            driver = _word(chip / "name")
            if driver in self.DRIVERS:
                wanted, device = self.DRIVERS[driver]
                yield from channels(chip, device, f"{chip.name} {driver}", wanted)


def channels(chip: Path, device: str, name: str, wanted: str = "") -> Iterator[Sensor]:
    """The energy counters of a hwmon chip, or else its power sensors; those whose labels are wanted."""
    for kind in ("energy", "power"):
        found = False
        # The mean over the chip's own interval, where there is one, misses less than the value of the moment.
        files = sorted({path.name.partition("_")[0]: path for path in _values(chip, kind)}.items())
        for channel, path in files:
            label = _word(chip / f"{channel}_label")
            if wanted and not re.fullmatch(wanted, label):
                continue
            found = True
            title = f"{name} {label or channel}"
            if kind == "energy":
                yield Sensor(title, device, MEASURED_COUNTER, lambda path=path: number(path), MICRO)  # type: ignore[misc]
            else:
                yield Sensor(title, device, MEASURED_POWER, _micro(path))
        if found:
            return


def _values(chip: Path, kind: str) -> list[Path]:
    return [*chip.glob(f"{kind}*_input"), *chip.glob(f"{kind}*_average")]


class PmCounters:
    """The energy counters of HPE Cray nodes: of the node, and of the processor, memory and accelerators in it.

    Parameters
    ----------
    root
        Where the counters are.
    """

    name = "node"

    def __init__(self, root: str | PathLike[str] = "/sys/cray/pm_counters") -> None:
        self.root = Path(root)

    def sensors(self) -> list[Sensor]:
        """The node's counter, which the machine's accounting goes by, and its parts."""
        return _readable(self._counters(), f"there is no {self.root}: this is no HPE Cray node")

    def _counters(self) -> Iterator[Sensor]:
        for path in sorted(self.root.glob("*energy")):
            part = re.fullmatch(r"(?:(cpu|memory|accel)(\d*)_)?energy", path.name)
            if part:
                device = {None: "node", "accel": "gpu"}.get(part[1], part[1])
                name = f"node {part[1]}{part[2]}" if part[1] else "node"
                yield Sensor(name, device, MEASURED_COUNTER, lambda path=path: number(path), 1.0)  # type: ignore[misc]


class Battery:
    """What a laptop takes from its batteries, the screen included, as long as it is not plugged in.

    Parameters
    ----------
    root
        Where power supplies are listed.
    """

    name = "battery"

    def __init__(self, root: str | PathLike[str] = "/sys/class/power_supply") -> None:
        self.root = Path(root)

    def sensors(self) -> list[Sensor]:
        """One per battery."""
        return _readable(self._batteries(), f"there is no battery in {self.root}")

    def _batteries(self) -> Iterator[Sensor]:
        for battery in sorted(self.root.glob("BAT*")):
            yield Sensor(
                name=f"battery {battery.name}",
                device="node",
                label=MEASURED_POWER,
                read=lambda battery=battery: _discharge(battery),  # type: ignore[misc]
            )


def _discharge(battery: Path) -> float:
    state = _word(battery / "status")
    if state != "Discharging":
        raise ValueError(f"{battery} does not say what is used while it is {state.lower() or 'in an unknown state'}")
    if (battery / "power_now").exists():
        return number(battery / "power_now") * MICRO
    return number(battery / "current_now") * MICRO * number(battery / "voltage_now") * MICRO
