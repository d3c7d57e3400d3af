"""Files beside h5py and netCDF4 on one process, Heat and Dask: HDF5, NetCDF and Zarr of 2 GB, text of 10^6 x 10.

What is read was written before, so it comes from the memory in which the operating system keeps files. What we write
lies on the disk when `save` returns, but for Zarr; others leave it to the operating system. So writing is timed with a
sync for all, and without for all: there over an old file, which we replace when the new one is whole and which others
cut off and write into, and to a new one.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import netCDF4
import numpy as np
from folders import shared_folder
from mpi4py import MPI
from peers import load_dask, load_heat
from table import Row, difference, options, ratio, report
from timing import medians

import dndarray as dnd
from dndarray.replacement import sync
from dndarray.testing import peak_memory

RUNS = [(2, []), (3, [])]

CHUNK = 1024
Functions = dict[str, Callable[[], Any]]


def _on_first(function: Callable[[], Any]) -> Callable[[], Any]:
    """What one process does while the others sleep."""
    return function if MPI.COMM_WORLD.rank == 0 else lambda: None


def _synced(write: Callable[[], Any], path: Path) -> Callable[[], Any]:
    """Write, then wait until it lies on the disk."""

    def both() -> None:
        write()
        if path.exists():
            sync(path)

    return both


def _replacing(write: Callable[[], Any], path: Path) -> Callable[[], Any]:
    """Write anew, then put it in the place of what was there: the same guarantee as ours, by plain code."""

    def all_three() -> None:
        kept = path.with_suffix(".kept")
        write()
        sync(path)
        os.replace(path, kept)

    return all_three


def _unsynced(write: Callable[[], Any]) -> Callable[[], Any]:
    """What we write, left to the operating system."""

    def patched() -> None:
        with mock.patch("os.fsync"):
            write()

    return patched


def _to_new_files(write: Callable[[Path], Any], path: Path) -> Callable[[], Any]:
    """Write to a file of another name each time."""
    numbers = count()
    return lambda: write(path.with_name(f"new-{path.stem}-{next(numbers)}{path.suffix}"))


def _settle(folder: Path) -> None:
    """Before writing: what others have written and the disk has not yet taken would slow down whoever comes next."""
    _remove(folder, "new-*")
    os.sync()


def _hdf5(folder: Path, n: int, heat: Any) -> dict[str, tuple[Functions, dict[str, float]]]:
    path = folder / "ours.h5"
    x = dnd.random.random((n, n), dtype="float32", split=0)
    whole = np.ones((n, n) if MPI.COMM_WORLD.rank == 0 else 0, np.float32)  # what the one process has in its memory

    def by_h5py(path: Path = folder / "h5py.h5") -> None:
        with h5py.File(path, "w") as file:
            file["data"] = whole

    def read_by_h5py() -> np.ndarray:
        with h5py.File(path) as file:
            return file["data"][...]

    writing = {"ours": lambda: dnd.io.save(x, path), "h5py": _on_first(by_h5py)}
    new = {
        "ours": _unsynced(_to_new_files(lambda path: dnd.io.save(x, path), path)),
        "h5py": _on_first(_to_new_files(by_h5py, folder / "h5py.h5")),
    }
    if heat is not None:
        theirs = heat.array(x.larray.numpy(), is_split=0, copy=False)

        def by_heat(path: Path = folder / "heat.h5") -> None:
            heat.save_hdf5(theirs, str(path), "data")

        writing["Heat"] = by_heat
        new["Heat"] = _to_new_files(by_heat, folder / "heat.h5")
    synced = {"ours": writing["ours"], "h5py, replacing": _on_first(_replacing(by_h5py, folder / "h5py.h5"))}
    if heat is not None:
        synced["Heat"] = _synced(writing["Heat"], folder / "heat.h5")
    cases = {
        "HDF5, write over": ({**writing, "ours": _unsynced(writing["ours"])}, {"Heat": 1.0}),
        "HDF5, write new": (new, {"Heat": 1.0}),
        "HDF5, write and sync": (synced, {"Heat": 1.0}),
    }
    for split in (0, 1):
        reading: Functions = {
            "ours": lambda split=split: dnd.io.load(path, split=split),
            "h5py": _on_first(read_by_h5py),
        }
        if heat is not None:
            reading["Heat"] = lambda split=split: heat.load_hdf5(str(path), "data", split=split)
        cases[f"HDF5, read split={split}"] = (reading, {"h5py": 1.6, "Heat": 1.0})
    return cases


def _netcdf(folder: Path, n: int) -> dict[str, tuple[Functions, dict[str, float]]]:
    path = folder / "ours.nc"
    x = dnd.random.random((n, n), dtype="float32", split=0)
    whole = np.ones((n, n) if MPI.COMM_WORLD.rank == 0 else 0, np.float32)

    def by_netcdf4() -> None:
        with netCDF4.Dataset(folder / "netcdf4.nc", "w") as file:
            for name in "yx":
                file.createDimension(name, n)
            file.createVariable("data", "f4", ("y", "x"), fill_value=False)[...] = whole

    def read_by_netcdf4() -> np.ndarray:
        with netCDF4.Dataset(path) as file:
            return file["data"][...]

    writing = {"ours": _unsynced(lambda: dnd.io.save(x, path)), "netCDF4": _on_first(by_netcdf4)}
    cases = {"NetCDF, write": (writing, {"netCDF4": 1.0})}
    for split in (0, 1):
        reading: Functions = {
            "ours": lambda split=split: dnd.io.load(path, split=split),
            "netCDF4": _on_first(read_by_netcdf4),
        }
        cases[f"NetCDF, read split={split}"] = (reading, {"netCDF4": 1.6})
    return cases


def _zarr(folder: Path, n: int, dask: Any) -> dict[str, tuple[Functions, dict[str, float]]]:
    path = folder / "ours.zarr"
    x = dnd.random.random((n, n), dtype="float32", split=0)
    chunk = min(CHUNK, n)
    writing: Functions = {"ours": lambda: dnd.io.save(x, path, chunks=(chunk, chunk), compressors=None)}
    cases = {"Zarr, write": (writing, {"Dask": 1.0})}
    threads = {"scheduler": "threads", "num_workers": MPI.COMM_WORLD.size}
    if dask is not None:
        import dask as scheduler

        whole = dask.from_array(np.ones((n, n), np.float32), chunks=chunk)

        def by_dask() -> None:
            with scheduler.config.set(**threads):
                whole.to_zarr(str(folder / "dask.zarr"), overwrite=True, compressors=None)

        writing["Dask"] = _on_first(by_dask)
    for split in (0, 1):
        reading: Functions = {"ours": lambda split=split: dnd.io.load(path, split=split)}
        if dask is not None:
            reading["Dask"] = _on_first(lambda: dask.from_zarr(str(path), component="data").compute(**threads))
        cases[f"Zarr, read split={split}"] = (reading, {"Dask": 1.0})
    return cases


def _text(folder: Path, rows: int, heat: Any) -> dict[str, tuple[Functions, dict[str, float]]]:
    import pandas

    path = folder / "x.csv"
    x = dnd.random.random((rows, 10), dtype="float64", split=0)
    dnd.io.save(x, path)
    reading: Functions = {
        "ours": lambda: dnd.io.load(path, split=0),
        "pandas": _on_first(lambda: pandas.read_csv(path, header=None).to_numpy()),
    }
    if heat is not None:
        reading["Heat"] = lambda: heat.load_csv(str(path), sep=",", dtype=heat.float64, split=0)
    packed = folder / "x.csv.gz"
    dnd.io.save(x, packed)
    unpacking: Functions = {
        "ours": lambda: dnd.io.load(packed, split=0),
        "pandas": _on_first(lambda: pandas.read_csv(packed, header=None).to_numpy()),
    }
    return {
        f"CSV, read {rows} x 10": (reading, {"Heat": 20.0}),
        f"CSV, packed, read {rows} x 10": (unpacking, {"pandas": 1.0}),
        f"CSV, write {rows} x 10": ({"ours": lambda: dnd.io.save(x, path)}, {}),
    }


def _memory(folder: Path) -> list[Row]:
    """What reading takes beyond the part that is read, on the rank where that is most."""
    rows = []
    for name in sorted(path.name for path in folder.iterdir()):
        for split in (0, 1):
            dnd.io.load(folder / name, split=split)
            with peak_memory() as taken:
                x = dnd.io.load(folder / name, split=split)
            peaks = MPI.COMM_WORLD.allgather((taken.bytes, float(x.larray.nbytes)))
            peak, part = max(peaks, key=lambda pair: pair[0] - pair[1])
            if not math.isnan(peak):  # other systems than Linux do not tell it
                what = f"peak memory, {name} split={split}"
                rows.append(difference(what, "part", peak, part, 64 * 2**20, unit="MiB"))
    return rows


def _remove(folder: Path, *patterns: str) -> None:
    """Give the room back that files have taken."""
    MPI.COMM_WORLD.Barrier()
    if MPI.COMM_WORLD.rank == 0:
        for path in chain.from_iterable(map(folder.glob, patterns)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    MPI.COMM_WORLD.Barrier()


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--size", type=float, default=2.0, help="gigabytes of each file")
    parser.add_argument("--only", choices=("hdf5", "netcdf", "zarr", "text"), help="this kind of files alone")
    parser.add_argument("--folder", type=Path, help="where to make the files; by default where temporary ones go")
    args = parser.parse_args()
    n = 256 if args.tiny else int((args.size * 1e9 / 4) ** 0.5)
    heat, dask = load_heat(not args.no_heat), load_dask()
    rows = []
    with shared_folder(args.folder) as folder:
        makers = {
            "hdf5": lambda: _hdf5(folder, n, heat),
            "netcdf": lambda: _netcdf(folder, n),
            "zarr": lambda: _zarr(folder, n, dask),
            "text": lambda: _text(folder, 1000 if args.tiny else 10**6, heat),
        }
        for kind, make in makers.items():
            if args.only not in (None, kind):
                continue
            for what, (functions, targets) in make().items():
                before = partial(_settle, folder) if "write" in what else lambda: None
                seconds = medians(functions, 1 if args.tiny else 3, before)
                if MPI.COMM_WORLD.rank == 0:  # for those who wait
                    print(what, {name: round(s, 3) for name, s in seconds.items()}, file=sys.stderr, flush=True)
                for peer in functions:
                    if peer != "ours" or len(functions) == 1:
                        rows.append(ratio(what, peer, seconds["ours"], seconds[peer], targets.get(peer)))
            _remove(folder, "h5py.*", "heat.h5", "netcdf4.nc", "dask.zarr", "new-*")
        rows += _memory(folder)
    if MPI.COMM_WORLD.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
