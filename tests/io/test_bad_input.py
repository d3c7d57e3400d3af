"""Files that are not as they should be, on disks and for ranks that are not as they should be."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import small_disk, without_rights
from file_cases import names_in, put, values

import dndarray as dnd
from dndarray.testing import assert_array_equal

COMM = dnd.get_comm()
SIZE, RANK = COMM.size, COMM.rank
NAMES = ["x.h5", "x.nc", "x.npy", "x.npz", "x.zarr", "x.mat", "x.mtx", "x.csv", "x.tsv.gz", "x.parquet", "x.feather"]
WAYS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("x.h5", {"chunks": (40, 10)}),
    ("x.h5", {"compression": "gzip"}),
    ("x.h5", {"layout": "virtual"}),
    ("x.h5", {"append": 0}),
    ("x.nc", {"compression": "zlib"}),
    ("x.nc", {"append": 0}),
    ("x.nc", {"format": "NETCDF3_CLASSIC"}),
    ("x.npz", {"compressed": True}),
    ("x.zarr", {"chunks": (40, 10)}),
    ("x.mat", {"version": "7.3", "compression": "gzip"}),
]


@pytest.mark.parametrize(("name", "how"), WAYS, ids=str)
def test_a_disk_that_is_full(name, how):
    x = dnd.random.Generator(0).random((1000, 100), dtype="float64", split=0)
    with small_disk("300k") as folder:
        small = x[:40, :10]
        for _ in range(2):
            with pytest.raises(OSError):  # its text is the system's, or the library's
                dnd.io.save(x, folder / name, **how)
            assert names_in(folder) == []
        dnd.io.save(small, folder / name, **how)  # whose room nothing that has failed holds on to
        np.testing.assert_allclose(dnd.io.load(folder / name, split=1).numpy(), small.numpy())
        COMM.barrier()


@pytest.mark.parametrize("failing", [0, SIZE - 1])
@pytest.mark.parametrize("name", NAMES)
def test_files_that_one_rank_may_not_read_or_write(name, failing):
    with open_folder() as folder:
        path = folder / name
        dnd.io.save(dnd.array(values((6, 4)), split=0), path)
        if RANK == 0:
            path.chmod(0)
        COMM.barrier()
        with without_rights(failing), pytest.raises(PermissionError) as raised:
            dnd.io.load(path, split=0)
        assert failing == RANK or f"[raised on rank {failing}]" in str(raised.value)
        if failing == 0:
            with without_rights(0), pytest.raises(PermissionError):
                dnd.io.save(dnd.zeros((5, 5)), folder / f"other-{name}")
            assert names_in(folder) == [name]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder in which everybody may look, as they may not in those of pytest."""
    folder = Path(COMM.broadcast_object(tempfile.mkdtemp() if RANK == 0 else None))
    if RANK == 0:
        folder.chmod(0o755)
    try:
        yield folder
    finally:
        COMM.barrier()
        if RANK == 0:
            shutil.rmtree(folder)


@pytest.mark.ranks(2, 3, 4)
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_local_to_the_first_rank(shared_path, name):
    """As /tmp is where ranks run on several nodes."""
    (shared_path / "0").mkdir(exist_ok=True)
    for i in range(2):
        dnd.io.save(dnd.array(values((6, 4)), split=0), shared_path / "0" / f"{i}-{name}")
    local = shared_path / str(RANK)
    for path in (local / f"0-{name}", f"{local}/*"):
        for read in (lambda path: dnd.io.load(path, split=0), lambda path: dnd.io.stream(path, 2)):
            with pytest.raises(FileNotFoundError) as raised:
                read(path)
            assert RANK > 0 or "[raised on rank 1]" in str(raised.value)
    if name not in ("x.parquet", "x.feather"):  # which one process writes
        with pytest.raises(OSError):  # some say that it is the folder that is missing
            dnd.io.save(dnd.array(values((SIZE * 2, 4)), split=0), local / f"new-{name}")
    assert names_in(shared_path / "0") == [f"0-{name}", f"1-{name}"]


@pytest.mark.parametrize("name", NAMES)
def test_slices_out_of_range_are_what_they_are_in_numpy(shared_path, name):
    expected = values((6, 4))
    dnd.io.save(dnd.array(expected, split=0), shared_path / name)
    for slices in (np.s_[4:100], np.s_[10:20], np.s_[-100:2, 3:9], np.s_[5:2]):
        assert_array_equal(dnd.io.load(shared_path / name, split=0, slices=slices), expected[slices])
    for slices in (np.s_[:, :, :], np.s_[::-1], 7):
        with pytest.raises(ValueError, match="`slices`"):
            dnd.io.load(shared_path / name, split=0, slices=slices)


@pytest.mark.parametrize("name", ["x.mtx", "x.csv", "x.zarr", "x.mat"])
def test_what_is_cut_short(shared_path, name):
    how = {"chunks": (5, 5), "compressors": None} if name == "x.zarr" else {}
    dnd.io.save(dnd.array(values((20, 5)), split=0), shared_path / name, **how)
    path = shared_path / "x.zarr" / "data" / "c" / "2" / "0" if name == "x.zarr" else shared_path / name
    put(path, path.read_bytes()[: path.stat().st_size // 2 - 2] if RANK == 0 else b"")
    with pytest.raises((OSError, ValueError), match=name):
        dnd.io.load(shared_path / name, split=0)


@pytest.mark.parametrize("how", [{}, {"append": 0}], ids=["fixed", "growing"])
@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def test_classic_netcdf_files_that_are_cut_short(shared_path, format, how):
    """The netCDF library gives zeros for what is missing."""
    path, expected = shared_path / "x.nc", values((7, 5), "int8")
    dnd.io.save(dnd.array(expected, split=0), path, format=format, attributes={"units": "K", "n": [1, 2, 3]}, **how)
    if not how:
        dnd.io.save(dnd.array(expected, split=0), path, "other", mode="a", dimensions=["dim_0", "dim_1"])
    name = "data" if how else "other"
    assert_array_equal(dnd.io.load(path, name, split=0), expected)
    whole = path.read_bytes()
    for size in (5, 100, len(whole) - 4):
        put(path, whole[:size])
        with pytest.raises(OSError, match=r"x\.nc"):
            dnd.io.load(path, name, split=0)
        COMM.barrier()


OTHERS = {
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "NPY": b"\x93NUMPY\x01\x00v\x00{",
    "ZIP": b"PK\x03\x04" + bytes(60),
    "Parquet": b"PAR1" + bytes(60) + b"PAR1",
    "text": b"a;b\n\n\x00,1,2",
    "nothing": b"",
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (name, content)
        for name in NAMES
        for content in OTHERS
        if name not in ("x.zarr", "x.csv") and (name, content) != ("x.tsv.gz", "nothing")  # an empty table
    ],
)
def test_what_is_called_by_another_name(shared_path, name, content):
    path = put(shared_path / name, OTHERS[content])
    with pytest.raises((OSError, ValueError), match=name):
        dnd.io.load(path, split=0, **({"header": False} if name == "x.tsv.gz" else {}))


def test_a_full_disk_is_called_so_though_closing_fails_too():
    x = dnd.random.Generator(0).random((1000, 100), dtype="float64", split=0)
    with small_disk("300k") as folder:
        for how in ({"layout": "virtual"}, {"chunks": (40, 10)}, {}):
            with pytest.raises(OSError, match="No space left"):
                dnd.io.save(x, folder / "x.h5", **how)
