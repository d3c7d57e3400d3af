"""What this installation can do, on this run's processes: the facts behind `python -m dndarray info`."""

from __future__ import annotations

import glob
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from . import launch
from .buffers import cuda_aware
from .communication import get_comm
from .device import as_device, get_device

__all__ = ["facts", "text"]

_PACKAGES = ("dndarray", "torch", "numpy", "scipy", "mpi4py", "h5py", "netCDF4", "zarr", "pyarrow")

_GPU_AWARE = ("DNDARRAY_CUDA_AWARE", "MPICH_GPU_SUPPORT_ENABLED", "MV2_USE_CUDA", "PSP_CUDA")
"""The declarations that `buffers.cuda_aware` goes by."""

_VARIABLES = (
    "DNDARRAY_ABORT DNDARRAY_CHECK DNDARRAY_CUDA_AWARE DNDARRAY_TIMEOUT OMP_NUM_THREADS MKL_NUM_THREADS "
    "CUDA_VISIBLE_DEVICES HDF5_USE_FILE_LOCKING"
).split()

_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where launchers say how many processes they have started."""


# --- what each process knows ------------------------------------------------------------------------------------------


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {**versions, "cuda": torch.version.cuda}


def _mpi() -> dict[str, Any] | None:
    """The MPI library, or None if there is none."""
    MPI: Any = launch.mpi()
    if MPI is None:
        return None
    levels = {getattr(MPI, f"THREAD_{name.upper()}"): name for name in ("single", "funneled", "serialized", "multiple")}
    name, version = MPI.get_vendor()
    return {
        "library": f"{name} {'.'.join(map(str, version))}",
        "standard": ".".join(map(str, MPI.Get_version())),
        "path": _loaded("libmpi"),
        "thread_level": levels[MPI.Query_thread()],
    }


def _loaded(library: str) -> str | None:
    """The file of a shared library that this process has loaded, where the system tells (Linux)."""
    try:
        with open("/proc/self/maps") as maps:
            files = {line.split(maxsplit=5)[5].strip() for line in maps if f"/{library}" in line}
    except OSError:
        return None
    return min(files, key=len, default=None)


def _gpu_aware() -> dict[str, Any]:
    declared = [f"{name}={os.environ[name]}" for name in _GPU_AWARE if os.environ.get(name, "0") not in ("", "0")]
    because = f"declared by {declared[0]}" if declared else f"none of {', '.join(_GPU_AWARE)} declares it"
    return {"yes": cuda_aware(), "because": because}


def _process() -> dict[str, Any]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpu = as_device("cuda") if gpus else None
    return {
        "rank": get_comm().rank,
        "host": platform.node(),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "cores_of_host": os.cpu_count() or 1,
        "device": str(get_device()),
        "gpu": None if gpu is None else f"{gpu} ({torch.cuda.get_device_name(gpu)})",
    }


def _files() -> dict[str, Any]:
    """Versions of the file formats' libraries, None if they are not installed, and whether they write in parallel."""
    found: dict[str, Any] = {"hdf5": None, "hdf5_parallel": False, "netcdf": None, "netcdf_parallel": False}
    try:
        h5py = importlib.import_module("h5py")
        found |= {"hdf5": h5py.version.hdf5_version, "hdf5_parallel": bool(h5py.get_config().mpi)}
    except ImportError:
        pass
    try:
        netcdf = importlib.import_module("netCDF4")
        found |= {"netcdf": netcdf.__netcdf4libversion__, "netcdf_parallel": bool(netcdf.__has_parallel4_support__)}
    except ImportError:
        pass
    return found


def _power() -> dict[str, str]:
    """Which power sensors of this process's host it may read."""
    zones = glob.glob("/sys/class/powercap/*rapl*/energy_uj")
    readable = [zone for zone in zones if os.access(zone, os.R_OK)]
    rapl = f"{len(readable)} of {len(zones)} zones readable" if zones else "none in /sys/class/powercap"
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        gpus = f"{nvml.nvmlDeviceGetCount()} GPUs readable"
    except ImportError:
        gpus = "not looked for: needs nvidia-ml-py"
    except Exception as error:  # of a class that only pynvml knows
        gpus = f"none: {error}"
    return {"rapl": rapl, "nvml": gpus}


# --- what they know together ------------------------------------------------------------------------------------------


def facts() -> dict[str, Any]:
    """Everything, alike on every process. Collective: one all-gather of small objects."""
    everybody = get_comm().allgather_object(
        {
            "versions": _versions(),
            "mpi": _mpi(),
            "gpu_aware_mpi": _gpu_aware(),
            "files": _files(),
            "environment": {name: os.environ.get(name) for name in _VARIABLES},
            "process": _process(),
            "power": _power(),
        }
    )
    found = {name: everybody[0][name] for name in ("versions", "mpi", "gpu_aware_mpi", "files", "environment")}
    found["processes"] = [one["process"] for one in everybody]
    found["power"] = {one["process"]["host"]: one["power"] for one in reversed(everybody)}
    return {**found, "notes": list(_notes(everybody))}


def _notes(everybody: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is likely to be wrong with this run."""
    started = {name: os.environ[name] for name in _SIZES if os.environ.get(name, "").isdigit()}
    for name, number in started.items():
        if int(number) > 1 and len(everybody) == 1:
            yield (
                f"the launcher started {number} processes ({name}), each of which believes to be alone: it belongs to "
                "another MPI than the one that mpi4py has loaded"
            )
    if everybody[0]["mpi"] is None:
        yield "no MPI library was found, so there is one process: pip install 'dndarray[mpich]'"
    for name in ("versions", "mpi"):
        other = next((one for one in everybody if one[name] != everybody[0][name]), None)
        if other is not None:
            yield f"{name} on rank {other['process']['rank']} are not those on rank 0: {other[name]}"
    for host, processes in _by_host([one["process"] for one in everybody]).items():
        threads, cores = sum(p["threads"] for p in processes), processes[0]["cores_of_host"]
        if threads > cores:
            yield f"{threads} threads share the {cores} cores of {host}: start fewer ranks, or set OMP_NUM_THREADS"


def _by_host(processes: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    hosts: dict[str, list[dict[str, Any]]] = {}
    for process in processes:
        hosts.setdefault(process["host"], []).append(process)
    return hosts


# --- as text ----------------------------------------------------------------------------------------------------------


def text(found: dict[str, Any]) -> str:
    """The facts as one table for people."""
    sections = {
        "versions": _version_rows(found["versions"]),
        "MPI": _mpi_rows(found["mpi"], found["gpu_aware_mpi"]),
        "processes": _process_rows(found["processes"]),
        "files": _file_rows(found["files"]),
        "power sensors": _power_rows(found["power"]),
        "environment": {name: "not set" if v is None else v for name, v in found["environment"].items()},
    }
    width = max(len(name) for rows in sections.values() for name in rows)
    blocks = [
        "\n".join([title, *(f"  {k:<{width}}  {v}" for k, v in rows.items())]) for title, rows in sections.items()
    ]
    return "\n\n".join([*blocks, *(f"note: {note}" for note in found["notes"])])


def _version_rows(versions: dict[str, str | None]) -> dict[str, str]:
    rows = {name: version or "not installed" for name, version in versions.items() if name != "cuda"}
    rows["torch"] += f" with CUDA {versions['cuda']}" if versions["cuda"] else " without CUDA"
    return {"dndarray": rows.pop("dndarray"), **rows}


def _mpi_rows(mpi: dict[str, Any] | None, gpu_aware: dict[str, Any]) -> dict[str, str]:
    if mpi is None:
        return {"library": "none"}
    return {
        "library": f"{mpi['library']} (MPI {mpi['standard']})",
        "file": mpi["path"] or "unknown",
        "thread level": mpi["thread_level"],
        "GPU-aware": f"{_yes(gpu_aware['yes'])}, {gpu_aware['because']}",
    }


def _process_rows(processes: Sequence[dict[str, Any]]) -> dict[str, str]:
    rows = {"ranks": str(len(processes))}
    for host, here in _by_host(processes).items():
        kinds = {name: _different(process[name] for process in here) for name in ("threads", "cores", "device", "gpu")}
        rows[host] = (
            f"rank {_ranges([process['rank'] for process in here])} ({len(here)} in all), threads each: "
            f"{kinds['threads']}, cores: {kinds['cores']}, device: {kinds['device']}"
        )
        if here[0]["gpu"]:
            rows[host] += f", after use_device('cuda'): {kinds['gpu']}"
    return rows


def _file_rows(files: dict[str, Any]) -> dict[str, str]:
    rows = {}
    for title, name, package in (("HDF5", "hdf5", "h5py"), ("NetCDF", "netcdf", "netCDF4")):
        parallel = f"parallel: {_yes(files[f'{name}_parallel'])}"
        rows[title] = f"{files[name]}, {parallel}" if files[name] else f"not installed: pip install {package}"
    return rows


def _power_rows(power: dict[str, dict[str, str]]) -> dict[str, str]:
    said = {host: f"RAPL: {sensors['rapl']}; NVML: {sensors['nvml']}" for host, sensors in power.items()}
    return said if len(set(said.values())) > 1 else {"every host": next(iter(said.values()))}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _different(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))


def _ranges(ranks: Sequence[int]) -> str:
    """Numbers in order, runs of them abbreviated: 0-3, 8."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][1] + 1:
            runs[-1][1] = rank
        else:
            runs.append([rank, rank])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
