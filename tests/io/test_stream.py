"""Files batch by batch: what comes is what is in the file, in bounded memory, and errors are everybody's."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from dndarray.io import hdf5, streaming
from dndarray.io._parts import Source

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE, RANK = COMM.size, COMM.rank
EXPECTED = np.arange(23 * 6, dtype="float64").reshape(23, 6)


def file_with(folder: Path, name: str) -> Path:
    dnd.io.save(dnd.array(EXPECTED, split=0), folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["x.h5", "x.nc", "x.npy", "x.zarr"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_batches_of_a_file(shared_path, name, split):
    if name == "x.zarr":
        pytest.importorskip("zarr")
    stream = dnd.io.stream(file_with(shared_path, name), 5, split=split)
    assert len(stream) == 5 and stream.shape == (23, 6) and stream.dtype is torch.float64
    for _ in range(2):  # as often as needed
        batches = [*stream]
        assert [batch.shape for batch in batches] == [(5, 6)] * 4 + [(3, 6)]
        assert {batch.split for batch in batches} == {split}
        assert all(batch.is_balanced() for batch in batches)
        for number, batch in enumerate(batches):
            assert_array_equal(batch, EXPECTED[5 * number : 5 * number + 5])


@pytest.mark.parametrize("slices", [np.s_[3:20], np.s_[1::3, 2:5], np.s_[..., ::2], np.s_[5:5]])
@pytest.mark.parametrize("batch", [1, 4, 100])
def test_slices_and_types(shared_path, slices, batch):
    path = file_with(shared_path, "x.h5")
    stream = dnd.io.stream(path, batch, "data", slices=slices, dtype="float32", split=1)
    expected = EXPECTED[slices].astype("float32")
    assert stream.shape == expected.shape and len(stream) == -(-len(expected) // batch)
    for number, found in enumerate(stream):
        assert_array_equal(found, expected[number * batch : (number + 1) * batch])


def test_grids(shared_path):
    path = file_with(shared_path, "x.npy")
    found = [*dnd.io.stream(path, 10, split=(1, 0), grid=(1, SIZE))]
    assert found[0].split == (1, 0)
    assert_array_equal(dnd.concatenate(found), EXPECTED)


def test_other_formats_and_many_files(shared_path):
    dnd.io.save(dnd.array(EXPECTED, split=0), shared_path / "x.raw")
    if RANK == 0:
        (shared_path / "x.csv").write_text("\n".join(",".join(map(str, row)) for row in EXPECTED))
    path = file_with(shared_path, "x.npy")
    folder = shared_path / "many"
    folder.mkdir(exist_ok=True)
    for number, rows in ((2, slice(0, 9)), (10, slice(9, None))):
        dnd.io.save(dnd.array(EXPECTED[rows], split=0), folder / f"{number}.h5", "x")
    streams = {
        "pattern": dnd.io.stream(f"{folder}/*.h5", 6, "x"),
        "folder": dnd.io.stream(folder, 6, "x", axis=0),
        "raw": dnd.io.stream(shared_path / "x.raw", 6, shape=(-1, 6), dtype="<f8"),
        "csv": dnd.io.stream(shared_path / "x.csv", 6, dtype="float32"),
        "many": dnd.io.stream([path, path], 6),
    }
    for name, stream in streams.items():
        expected = np.concatenate([EXPECTED] * (2 if name == "many" else 1))
        assert stream.shape == expected.shape
        assert_array_equal(dnd.concatenate([*stream]), expected.astype("float32" if name == "csv" else "float64"))


def test_missing_values_come_as_nan(shared_path):
    path = shared_path / "x.nc"
    if RANK == 0:
        netcdf = pytest.importorskip("netCDF4")
        with netcdf.Dataset(path, "w") as file:
            file.createDimension("n", 4)
            variable = file.createVariable("v", "i2", "n", fill_value=-1)
            variable[:] = np.ma.masked_equal([1, -1, 3, 4], -1)
    COMM.barrier()
    found = [batch.tolist() for batch in dnd.io.stream(path, 2, variable="v", dtype="float64")]
    np.testing.assert_array_equal(found, [[1, np.nan], [3, 4]])


def test_the_next_batch_is_read_meanwhile_and_no_other(shared_path, monkeypatch):
    path = file_with(shared_path, "x.h5")
    read, threads = [], set()
    real = streaming.read

    def recorded(source: Source, request, comm):
        read.append(request.slices[0].start)
        threads.add(threading.current_thread())
        return real(source, request, comm)

    monkeypatch.setattr(streaming, "read", recorded)
    iterator = iter(dnd.io.stream(path, 5))
    next(iterator)
    end = time.monotonic() + 10
    while len(read) < 2 and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    assert read == [0, 5]
    assert threading.current_thread() not in threads
    iterator.close()
    assert not any(thread.is_alive() for thread in threads)


def test_each_rank_reads_its_part_and_communicates_a_number(shared_path, monkeypatch):
    path = file_with(shared_path, "x.npy")
    stream = dnd.io.stream(path, 8)
    with count_collectives() as c:
        parts = [batch.larray.numel() for batch in stream]
    assert c.total == (3 if SIZE > 1 else 0)
    assert sum(COMM.allgather_object(sum(parts))) == EXPECTED.size


def test_two_streams_and_other_files_at_once(shared_path):
    a, b = file_with(shared_path, "a.nc"), file_with(shared_path, "b.nc")
    for x, y in zip(dnd.io.stream(a, 2), dnd.io.stream(b, 2), strict=True):
        assert_array_equal(x, y.numpy())
        assert_array_equal(dnd.io.load(a), EXPECTED)


@pytest.mark.parametrize("failing", range(SIZE))
def test_a_batch_that_one_rank_cannot_read(shared_path, monkeypatch, failing):
    path = file_with(shared_path, "x.h5")
    reader = hdf5._reader

    def broken(dataset):
        real = reader(dataset)

        def read_into(selection, target) -> None:
            if failing == RANK and selection[0].start >= 10:
                raise OSError("the disk has gone")
            real(selection, target)

        return read_into

    monkeypatch.setattr(hdf5, "_reader", broken)
    seen = []
    with pytest.raises(OSError, match="the disk has gone") as raised:
        for batch in dnd.io.stream(path, 5):
            seen.append(batch)
    assert len(seen) == 2
    assert failing == RANK or f"[raised on rank {failing}]" in str(raised.value)


def test_what_cannot_be_streamed(shared_path):
    path = file_with(shared_path, "x.h5")
    dnd.io.save(dnd.array(1.0), shared_path / "number.npy")
    with pytest.raises(ValueError, match=r"`batch` \(=0\)"):
        dnd.io.stream(path, 0)
    with pytest.raises(TypeError, match="integer"):
        dnd.io.stream(path, 2.5)
    with pytest.raises(ValueError, match="a single number"):
        dnd.io.stream(shared_path / "number.npy", 2)
    with pytest.raises(KeyError, match="no dataset 'other'"):
        dnd.io.stream(path, 2, "other")
    with pytest.raises(ValueError, match="mean the same"):
        dnd.io.stream(path, 2, "data", variable="data")
    with pytest.raises(ValueError, match="`split`"):
        dnd.io.stream(path, 2, split=2)
    with pytest.raises(ValueError, match="`slices`"):
        dnd.io.stream(path, 2, slices=3)
    mine = path if RANK < SIZE - 1 else shared_path / "none.h5"
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        dnd.io.stream(mine, 2)


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.h5", "x.nc", "x.zarr"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_batches_are_written_behind_each_other(shared_path, name, split):
    path = shared_path / name
    options = {"chunks": (4, 6)} if name == "x.zarr" else {}
    for factor in (1, 2):  # the second file takes the place of the first
        batches = (factor * dnd.array(EXPECTED[i : i + 5], split=split) for i in range(0, 23, 5))
        dnd.io.save_batches(batches, path, "group/x", **options)
        found = dnd.io.load(path, "group/x", split=0)
        assert found.dtype is torch.float64
        assert_array_equal(found, factor * EXPECTED)
    names = [path.name for path in shared_path.iterdir()]
    COMM.barrier()
    assert names == [name]


@pytest.mark.parametrize("name", ["x.h5", "x.nc", "x.zarr"])
def test_a_batch_that_fails_leaves_the_old_file(shared_path, name):
    path = shared_path / name
    dnd.io.save(dnd.zeros(3, split=0), path)

    def batches():
        yield dnd.ones((4, 2), split=0)
        raise ArithmeticError("no more")

    with pytest.raises(ArithmeticError, match="no more"):
        dnd.io.save_batches(batches(), path)
    with pytest.raises(ValueError, match="cannot take an array of shape"):
        dnd.io.save_batches([dnd.ones((4, 2)), dnd.ones((4, 3))], path)
    assert_array_equal(dnd.io.load(path, split=0), np.zeros(3, "float32"))
    names = [path.name for path in shared_path.iterdir()]
    COMM.barrier()
    assert names == [name]


def test_batches_of_netcdf_as_its_variables_are(shared_path):
    path = shared_path / "x.nc"
    how = {"dimensions": ["time", "x"], "dtype": "int16", "scale_factor": 0.5, "attributes": {"units": "K"}}
    dnd.io.save_batches((EXPECTED[i : i + 5] for i in range(0, 23, 5)), path, "t", **how)
    with netCDF4.Dataset(path) as file:
        assert file["t"].units == "K" and file["t"].dtype == np.int16
        assert file.dimensions["time"].isunlimited() and not file.dimensions["x"].isunlimited()
        np.testing.assert_array_equal(file["t"][...], np.rint(2 * EXPECTED) / 2)
    COMM.barrier()


def test_what_cannot_be_written_in_batches(shared_path):
    with pytest.raises(ValueError, match="must end in .h5"):
        dnd.io.save_batches([dnd.ones(3)], shared_path / "x.npy")
    with pytest.raises(ValueError, match="one batch at least"):
        dnd.io.save_batches([], shared_path / "x.h5")
