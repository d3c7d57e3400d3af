"""Sensors of GPUs: NVIDIA's through NVML, AMD's through amdsmi or the files of the driver."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from .sensors import MEASURED_COUNTER, MEASURED_POWER, Sensor, Unavailable
from .sysfs import channels

__all__ = ["Nvml", "Rocm"]

MILLI = 1e-3
MICRO = 1e-6


class Nvml:
    """NVIDIA GPUs: the energy counter of those from Volta on, the power of older ones.

    All GPUs of the host count, whether this run uses them or not: idle ones draw power, too.

    Parameters
    ----------
    module
        What to use as NVML; `pynvml` by default.
    """

    name = "nvml"

    def __init__(self, module: Any = None) -> None:
        self.module = module

    def sensors(self) -> list[Sensor]:
        """One per GPU. A part of a GPU (MIG) has none of its own, so the whole one counts."""
        nvml = self.module
        if nvml is None:
            try:
                nvml = importlib.import_module("pynvml")
            except ImportError:
                raise Unavailable("pynvml is not installed: pip install 'dndarray[energy]'") from None
        try:
            nvml.nvmlInit()
            found = [self._sensor(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            raise Unavailable(str(error)) from None
        if not found:
            raise Unavailable("NVML knows of no GPU")
        return found

    def _sensor(self, nvml: Any, index: int) -> Sensor:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        model = nvml.nvmlDeviceGetName(handle)
        name = f"nvml {index} {model.decode() if isinstance(model, bytes) else model}"
        note = "GPU is divided (MIG): all of it counts" if _is_divided(nvml, handle) else ""
        try:
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except nvml.NVMLError:
            nvml.nvmlDeviceGetPowerUsage(handle)
            return Sensor(name, "gpu", MEASURED_POWER, lambda: nvml.nvmlDeviceGetPowerUsage(handle) * MILLI, note=note)
        read = lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)  # noqa: E731
        return Sensor(name, "gpu", MEASURED_COUNTER, read, MILLI, note=note)


def _is_divided(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:  # too old to be divided
        return False


class Rocm:
    """AMD GPUs: the energy counter that amdsmi reads where ROCm is installed, or the power that the driver shows.

    Parameters
    ----------
    module
        What to use as `amdsmi`; False leaves it out.
    root
        Where the driver shows its cards.
    """

    name = "rocm"

    def __init__(self, module: Any = None, root: str | PathLike[str] = "/sys/class/drm") -> None:
        self.module = module
        self.root = Path(root)

    def sensors(self) -> list[Sensor]:
        """One per GPU."""
        smi = self.module
        if smi is None:
            try:
                smi = importlib.import_module("amdsmi")
            except Exception:  # without ROCm's library it raises what it likes
                smi = False
        found = list(_through_smi(smi) if smi else self._files())
        if not found:
            raise Unavailable(f"no AMD GPU {'that amdsmi knows' if smi else f'in {self.root}, and no amdsmi'}")
        return found

    def _files(self) -> Iterator[Sensor]:
        for chip in sorted(self.root.glob("card*/device/hwmon/hwmon*")):
            if (chip / "name").read_text().strip() == "amdgpu":
                yield from channels(chip, "gpu", f"amdgpu {chip.parent.parent.parent.name}")


def _through_smi(smi: Any) -> Iterator[Sensor]:
    try:
        smi.amdsmi_init()
        handles = smi.amdsmi_get_processor_handles()
    except smi.AmdSmiException as error:
        raise Unavailable(str(error)) from None
    for index, handle in enumerate(handles):
        try:
            resolution = float(smi.amdsmi_get_energy_count(handle)["counter_resolution"])
        except smi.AmdSmiException:
            yield Sensor(f"amdsmi {index}", "gpu", MEASURED_POWER, _socket_power(smi, handle))
        else:
            yield Sensor(f"amdsmi {index}", "gpu", MEASURED_COUNTER, _accumulated(smi, handle), resolution * MICRO)


def _accumulated(smi: Any, handle: Any) -> Callable[[], float]:
    return lambda: smi.amdsmi_get_energy_count(handle)["energy_accumulator"]


def _socket_power(smi: Any, handle: Any) -> Callable[[], float]:
    """Of the fields for power a card has one or the other; the rest say "N/A" or 0."""

    def read() -> float:
        info = smi.amdsmi_get_power_info(handle)
        fields = (info.get(name) for name in ("current_socket_power", "average_socket_power", "socket_power"))
        return float(next(watts for watts in fields if isinstance(watts, (int, float)) and watts))

    return read
