"""Machines that do not exist: trees of files and modules as the sources of energy read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dndarray.energy import MEASURED_COUNTER, Sensor


def tree(root: Path, files: dict[str, object]) -> Path:
    """Files and what is in them."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def rapl(root: Path, counter: int = 0, modulus: int = 10**9, zones: tuple[str, ...] = ("package-0",)) -> Path:
    """A powercap tree: packages are zones of their own, the rest lies in the package named before."""
    files: dict[str, object] = {"intel-rapl/enabled": 1}
    package, part = -1, 0
    for name in zones:
        top = name.startswith(("package", "psys"))
        package, part = (package + 1, 0) if top else (package, part + 1)
        zone = f"intel-rapl:{package}" + ("" if top else f":{part - 1}")
        files |= {f"{zone}/name": name, f"{zone}/energy_uj": counter, f"{zone}/max_energy_range_uj": modulus}
    return tree(root, files)


class Constant:
    """A source of one counter that goes up by so many watts, on every host."""

    name = "constant"

    def __init__(self, watts: float, clock: Callable[[], float], device: str = "cpu") -> None:
        self.watts, self.clock, self.device = watts, clock, device
        self.said: list[int] = []

    def sensors(self) -> list[Sensor]:
        return [Sensor("meter", self.device, MEASURED_COUNTER, self._read, joules=1e-6)]

    def _read(self) -> float:
        self.said.append(round(self.watts * self.clock() * 1e6))
        return self.said[-1]

    @property
    def joules(self) -> float:
        """What was used from the first reading to the last."""
        return (self.said[-1] - self.said[0]) * 1e-6 if self.said else 0.0


class NVMLError(Exception):
    pass


def nvml(gpus: list[dict[str, Any]], error: str = "") -> Any:
    """A module with the part of pynvml's interface that is used. A GPU lacks what its dict has no entry for."""

    def init() -> None:
        if error:
            raise NVMLError(error)

    def value(name: str) -> Callable[[int], Any]:
        def get(handle: int) -> Any:
            if name not in gpus[handle]:
                raise NVMLError("Not Supported")
            found = gpus[handle][name]
            return found() if callable(found) else found

        return get

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlDeviceGetCount=lambda: len(gpus),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=value("name"),
        nvmlDeviceGetMigMode=value("mig"),
        nvmlDeviceGetTotalEnergyConsumption=value("energy"),
        nvmlDeviceGetPowerUsage=value("power"),
    )


class AmdSmiException(Exception):
    pass


def amdsmi(gpus: list[dict[str, Any]]) -> Any:
    """The same of amdsmi."""

    def energy(handle: int) -> dict[str, Any]:
        if "energy_accumulator" not in gpus[handle]:
            raise AmdSmiException("not supported")
        return gpus[handle]

    return SimpleNamespace(
        AmdSmiException=AmdSmiException,
        amdsmi_init=lambda: None,
        amdsmi_get_processor_handles=lambda: list(range(len(gpus))),
        amdsmi_get_energy_count=energy,
        amdsmi_get_power_info=lambda handle: gpus[handle],
    )
