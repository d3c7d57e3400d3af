"""What holds for every format: round trips between any layouts, files of other programs, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.io
import strategies
import torch
import zarr
from dndarray.io import _formats, _offsets, _parts
from faults import full_disk
from file_cases import spread, two_layouts, values
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.testing import assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
FLOATS = ["float32", "float64"]
INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
COMPLEX = ["complex64", "complex128"]


class Format(NamedTuple):
    """What a format can hold."""

    file: str
    dtypes: list[str]
    reading: dict[str, Any] = {}
    writing: dict[str, Any] = {}
    ndims: tuple[int, ...] = (0, 1, 2, 3)
    empty: bool = True
    named: bool = False
    """Whether its arrays have names, and several find room in a file."""
    typed: bool = True
    """Whether it says what type its elements have."""


FORMATS = [
    Format("x.npy", ["bool", "float16", *FLOATS, *INTEGERS, *COMPLEX]),
    Format("x.npy", ["bool", *FLOATS], writing={"order": "F"}),
    Format("x.npz", ["bool", "float16", *FLOATS, *INTEGERS, *COMPLEX], named=True),
    Format("x.npz", ["bool", "float16", *FLOATS, *INTEGERS, *COMPLEX], writing={"compressed": True}, named=True),
    Format("x.zarr", ["bool", "float16", *FLOATS, *INTEGERS, *COMPLEX], named=True),
    Format("x.zarr", ["bool", *FLOATS], writing={"zarr_format": 2}, named=True),
    Format("x.h5", ["bool", "float16", *FLOATS, *INTEGERS, *COMPLEX], writing={"layout": "virtual"}, named=True),
    Format("x.mat", ["bool", *FLOATS, *INTEGERS, *COMPLEX], ndims=(2, 3), named=True),
    Format(
        "x.mat",
        ["bool", *FLOATS, *INTEGERS, *COMPLEX],
        writing={"version": "7.3"},
        ndims=(2, 3),
        empty=False,
        named=True,
    ),
    Format("x.mtx", ["int64", "float64", "complex128"], ndims=(2,), empty=False),
    Format("x.csv", ["bool", *FLOATS, *INTEGERS], ndims=(2,), empty=False, typed=False),
    Format("x.tsv.gz", ["bool", *FLOATS, *INTEGERS], ndims=(2,), empty=False, typed=False),
    Format("x.parquet", ["bool", *FLOATS, *INTEGERS], ndims=(2,), empty=False),
    Format("x.feather", ["bool", *FLOATS, *INTEGERS], ndims=(2,), empty=False),
    Format("x.tif", ["uint8"], ndims=(2,), empty=False),
]
FORMAT = pytest.mark.parametrize(
    "format", FORMATS, ids=lambda f: "-".join([f.file, *(str(value) for value in f.writing.values())])
)


@st.composite
def layouts_for(draw: st.DrawFn, format: Format) -> tuple[Layout, Layout]:
    """Two layouts of arrays of a shape that a format can hold."""
    shape = draw(strategies.shapes(max(format.ndims)))
    assume(len(shape) in format.ndims and (format.empty or 0 not in shape))
    if format.file == "x.tif":
        assume(shape[-1] not in (3, 4))
    return draw(two_layouts(st.just(shape)))


@FORMAT
@settings(max_examples=10)  # of each format
@given(data=st.data())
def test_what_is_saved_in_one_layout_is_loaded_in_another(shared_path, format, data):
    source, target = data.draw(layouts_for(format))
    dtype = data.draw(st.sampled_from(format.dtypes))
    expected = values(source.shape, dtype)
    path = shared_path / format.file
    dnd.io.save(spread(expected, source), path, **format.writing)
    reading = {} if format.typed else {"dtype": dtype}
    loaded = dnd.io.load(path, split=target.axes, grid=target.grid, **reading, **format.reading)
    assert loaded.layout is target
    assert_array_equal(loaded, expected)
    assert loaded.dtype is getattr(torch, dtype)


@given(data=st.data())
def test_raw_files(shared_path, data):
    source, target = data.draw(layouts_for(FORMATS[0]))
    dtype = data.draw(st.sampled_from(FORMATS[0].dtypes))
    order, offset = data.draw(st.sampled_from("CF")), data.draw(st.integers(0, 9))
    expected = values(source.shape, dtype)
    path = shared_path / "x.raw"
    dnd.io.save(spread(expected, source), path, order=order, offset=offset)
    how = {"dtype": dtype, "shape": source.shape, "order": order, "offset": offset}
    assert_array_equal(dnd.io.load(path, split=target.axes, grid=target.grid, **how), expected)
    if RANK == 0:
        flat = np.frombuffer(path.read_bytes()[offset:], dtype)
        np.testing.assert_array_equal(flat, expected.ravel(order=order))


@FORMAT
def test_slices_and_pieces_smaller_than_a_part(shared_path, format, monkeypatch):
    monkeypatch.setattr(_parts, "SLAB", 64)
    monkeypatch.setattr(_offsets, "PIECE", 48)
    monkeypatch.setattr(_offsets, "PAGE", 16)
    expected = values((13, 10), format.dtypes[-1])
    path = shared_path / format.file
    for split in (0, 1):
        dnd.io.save(dnd.array(expected, split=split), path, **format.writing)
        for slices in (None, np.s_[2:11:3, 1:], np.s_[..., 2:9:4], np.s_[5:5]):
            kind = {} if format.typed else {"dtype": format.dtypes[-1]}
            x = dnd.io.load(path, split=split, slices=slices, **kind)
            assert_array_equal(x, expected if slices is None else expected[slices])


@FORMAT
def test_writing_gathers_nothing(shared_path, format):
    x = dnd.zeros((999, 10), split=0, dtype=format.dtypes[-1])
    with count_collectives() as c:
        dnd.io.save(x, shared_path / format.file, **format.writing)
    by_first = format.file in ("x.parquet", "x.feather", "x.tif")
    # One all-to-all, where each process would write runs of less than a page: MATLAB's files run through columns.
    turned = format.file in ("x.mtx", "x.mat") or "F" in format.writing.values()
    shared = format.file == "x.zarr"  # its chunks, which one process is to write
    assert c.bytes < 1000 or by_first or turned or shared
    assert c.total < 20


@FORMAT
def test_files_that_cannot_be_read(shared_path, format):
    path = shared_path / format.file
    with pytest.raises(FileNotFoundError):
        dnd.io.load(path, split=0)
    dnd.io.save(dnd.array(values((200, 30), format.dtypes[-1]), split=0), path, **format.writing)
    visible = path if RANK == SIZE - 1 else shared_path / f"no-{format.file}"
    with pytest.raises(FileNotFoundError):  # that one process can see it does not help
        dnd.io.load(visible if SIZE > 1 else shared_path / "no.npy", split=0)
    if path.is_dir() or format.file in ("x.csv", "x.mtx"):
        return
    if RANK == 0:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    dnd.get_comm().barrier()
    with pytest.raises((OSError, ValueError)) as raised:
        dnd.io.load(path, split=0)
    assert format.file in str(raised.value)
    dnd.get_comm().barrier()
    if RANK == 0:
        path.write_bytes(b"something else")
    dnd.get_comm().barrier()
    with pytest.raises((OSError, ValueError)):
        dnd.io.load(path, split=0)
        dnd.io.load(path, split=0, dtype="float32", header=False)


@FORMAT
def test_names_modes_and_suffixes(shared_path, format):
    path, x = shared_path / format.file, dnd.array(values((4, 5), format.dtypes[-1]), split=0)
    dnd.io.save(x, path, mode="x", **format.writing)
    with pytest.raises(FileExistsError):
        dnd.io.save(x, path, mode="x", **format.writing)
    with pytest.raises(ValueError, match="`mode`"):
        dnd.io.save(x, path, mode="r+", **format.writing)
    with pytest.raises(FileNotFoundError, match="folder to write into"):
        dnd.io.save(x, shared_path / "none" / format.file, **format.writing)
    if format.named:
        dnd.io.save(x, path, "other", mode="a", **format.writing)
        with pytest.raises(KeyError, match=r"'none'.*'data'.*'other'"):
            dnd.io.load(path, "none")
        with pytest.raises(ValueError, match="must say which"):
            dnd.io.load(path)
        assert_array_equal(dnd.io.load(path, "other", split=1), values((4, 5), format.dtypes[-1]))
        assert [entry.name for entry in dnd.io.inspect(path)] == ["data", "other"]
        assert dnd.io.inspect(path)["other"].shape == (4, 5)
    elif format.file in ("x.npy", "x.mtx", "x.tif"):
        with pytest.raises(ValueError, match="without a name"):
            dnd.io.load(path, "data")
    with pytest.raises((ValueError, IndexError), match="slices"):
        dnd.io.load(path, *(["data"] if format.named else []), slices=3)
    table = dnd.io.inspect(path)
    assert list(table.to_pandas().columns) == ["name", "shape", "dtype", "chunks", "compression", "attributes"]
    assert format.file in repr(table)
    dnd.get_comm().barrier()
    assert {p.name.partition(".")[0] for p in shared_path.iterdir()} == {"x"}  # nothing is left behind


@FORMAT
@pytest.mark.parametrize("failing", [0, SIZE - 1])
def test_a_write_that_fails_leaves_the_old_file_whole(shared_path, format, failing):
    """A disk that is full for one process: really, the operating system refuses what is over a limit."""
    if format.file in ("x.parquet", "x.feather", "x.tif") and failing:
        pytest.skip("one process writes")
    path, old = shared_path / format.file, values((5, 2), format.dtypes[-1])
    kind = {} if format.typed else {"dtype": format.dtypes[-1]}
    dnd.io.save(dnd.array(old, split=0), path, **format.writing)
    dtype = np.dtype(format.dtypes[-1])
    noise = np.random.default_rng(0).bytes(SIZE * 1000 * 50 * dtype.itemsize)  # which nothing can pack
    x = dnd.array(np.frombuffer(noise, dtype).reshape(-1, 50).copy(), split=0)
    how = {"chunks": (500, 50)} if format.file == "x.zarr" else {}  # so that each process has some to write
    with full_disk(failing), pytest.raises(OSError):  # its text is the operating system's
        dnd.io.save(x, path, **format.writing, **how)
    dnd.get_comm().barrier()
    assert all(p.name.startswith("x.") for p in shared_path.iterdir())
    dnd.get_comm().barrier()
    assert_array_equal(dnd.io.load(path, split=0, **kind), old)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.raw", "x.mat"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_each_process_reads_its_own_bytes(shared_path, name, split, monkeypatch):
    """By the operating system's count; that of the head of the file aside."""
    expected = values((64, 3 * 4096), "float32")
    if name == "x.mat":
        expected = expected.reshape(3 * 4096, 64)  # it runs through columns: so both splits give runs of pages
    where = shared_path / name
    dnd.io.save(dnd.array(expected, split=0), where)
    how = {"dtype": "float32", "shape": (64, -1)} if name == "x.raw" else {}
    dnd.io.load(where, split=split, **how)  # what Python imports then it reads, too

    def count() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    if not os.path.exists("/proc/self/io"):
        pytest.skip("this system does not count")
    own = count()
    own = count() - own  # of counting itself
    before = count()
    x = dnd.io.load(where, split=split, **how)
    read = count() - before - own
    part = x.larray.nbytes
    assert part <= read <= part + 2**16
    assert_array_equal(x, expected)


def test_files_that_numpy_scipy_zarr_and_arrow_read(shared_path):
    expected = values((7, 5))
    x = dnd.array(expected, split=1)
    for name in ("x.npy", "x.npz", "x.mat", "x.zarr", "x.parquet", "x.csv"):
        dnd.io.save(x, shared_path / name)
    dnd.io.save(x, shared_path / "packed.npz", compressed=True)
    dnd.io.save(x[:3], shared_path / "packed.npz", "three", mode="a", compressed=True)
    dnd.io.save(x[:2], shared_path / "packed.npz", "two", mode="a")
    np.testing.assert_array_equal(np.load(shared_path / "x.npy"), expected)
    np.testing.assert_array_equal(np.load(shared_path / "x.npz")["data"], expected)
    np.testing.assert_array_equal(scipy.io.loadmat(shared_path / "x.mat")["data"], expected)
    np.testing.assert_array_equal(zarr.open(shared_path / "x.zarr")["data"][...], expected)
    np.testing.assert_array_equal(parquet.read_table(shared_path / "x.parquet").to_pandas(), expected)
    np.testing.assert_array_equal(np.loadtxt(shared_path / "x.csv", delimiter=","), expected)
    with np.load(shared_path / "packed.npz") as archive:  # which compares the check sums
        for name, n in {"data": 7, "three": 3, "two": 2}.items():
            np.testing.assert_array_equal(archive[name], expected[:n])
    assert [e.compression for e in dnd.io.inspect(shared_path / "packed.npz")] == ["deflate", "deflate", None]
    with pytest.raises(ValueError, match="has an array 'two' already"):
        dnd.io.save(x, shared_path / "packed.npz", "two", mode="a")


def test_other_orders_of_bytes_and_of_elements(shared_path):
    expected = values((6, 4), "int32")
    if RANK == 0:
        np.save(shared_path / "big.npy", np.asfortranarray(expected.astype(">i4")))
        scipy.io.savemat(shared_path / "x.mat", {"a": expected, "t": "text", "s": {"b": 1}}, do_compression=True)
    dnd.get_comm().barrier()
    for split in (None, 0, 1):
        assert_array_equal(dnd.io.load(shared_path / "big.npy", split=split), expected)
        assert_array_equal(dnd.io.load(shared_path / "x.mat", "a", split=split), expected)
    with pytest.raises(TypeError, match="class char"):
        dnd.io.load(shared_path / "x.mat", "t")
    assert [entry.dtype for entry in dnd.io.inspect(shared_path / "x.mat")] == ["int32", "char", "struct"]


def test_what_formats_do_not_hold(shared_path):
    bfloat = dnd.zeros((3, 3), split=0, dtype="bfloat16")
    for name in ("x.npy", "x.npz", "x.raw", "x.zarr", "x.mat", "x.parquet"):
        with pytest.raises(TypeError, match=r"bfloat16|astype"):
            dnd.io.save(bfloat, shared_path / name)
    for name in ("x.csv", "x.parquet", "x.tif"):
        with pytest.raises(TypeError):
            dnd.io.save(bfloat.astype("complex64"), shared_path / name)
        with pytest.raises(ValueError):
            dnd.io.save(dnd.zeros((2, 2, 2, 2), dtype="uint8"), shared_path / name)
    with pytest.raises(ValueError, match="read only"):
        dnd.io.save(bfloat, shared_path / "x.grib")
    with pytest.raises(ValueError, match="`dtype` must say"):
        if RANK == 0:
            (shared_path / "x.raw").write_bytes(bytes(12))
        dnd.get_comm().barrier()
        dnd.io.load(shared_path / "x.raw")
    with pytest.raises(OSError, match="too short"):
        dnd.io.load(shared_path / "x.raw", dtype="int32", shape=(4,))
    assert list(shared_path.iterdir()) == [shared_path / "x.raw"]


@pytest.mark.parametrize("suffix", sorted(_formats.FORMATS))
def test_every_format_has_the_same_functions(suffix):
    module = _formats.FORMATS[suffix]
    assert {"inspect", "load", "open_source", "save"} <= set(module.__all__)
