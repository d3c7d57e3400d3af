"""NetCDF: what is saved in any layout is loaded in any layout, and values are what their attributes say."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from dndarray.io import _parts
from faults import full_disk
from file_cases import names_in, spread, two_layouts, values
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]


@given(two_layouts(), st.sampled_from(DTYPES))
def test_what_is_saved_in_one_layout_is_loaded_in_another(shared_path, layouts, dtype):
    source, target = layouts
    expected = values(source.shape, dtype)
    dnd.io.save(spread(expected, source), shared_path / "x.nc")
    loaded = dnd.io.load(shared_path / "x.nc", split=target.axes, grid=target.grid)
    assert loaded.layout is target
    assert_array_equal(loaded, expected)


def make(path: Path, fill: Callable[[netCDF4.Dataset], None], **options: str) -> Path:
    """A file that the netCDF library itself has made on one process."""
    if RANK == 0:
        with netCDF4.Dataset(path, "w", **options) as file:
            fill(file)
    dnd.get_comm().barrier()
    return path


def test_others_read_what_we_write(shared_path):
    expected = values((5, 3), "float32")
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.nc", "t2m", dimensions=("time", "place"))
    with netCDF4.Dataset(shared_path / "x.nc") as file:
        assert file.data_model == "NETCDF4"
        assert file["t2m"].dimensions == ("time", "place")
        assert {name: len(dim) for name, dim in file.dimensions.items()} == {"time": 5, "place": 3}
        np.testing.assert_array_equal(np.ma.getdata(file["t2m"][...]), expected, strict=True)


def test_names_that_the_dimensions_have_by_default(shared_path):
    dnd.io.save(dnd.zeros((2, 3), split=1), shared_path / "x.nc4")
    with netCDF4.Dataset(shared_path / "x.nc4") as file:
        assert file["data"].dimensions == ("dim_0", "dim_1")


def test_pieces_smaller_than_a_part(shared_path, monkeypatch):
    monkeypatch.setattr(_parts, "SLAB", 64)
    expected = values((23, 11))
    for options in ({}, {"chunksizes": (23, 1)}, {"chunksizes": (4, 5), "compression": "zlib"}):
        dnd.io.save(dnd.array(expected, split=1), shared_path / "x.nc", **options)
        for split in (None, 0, 1):
            assert_array_equal(dnd.io.load(shared_path / "x.nc", split=split), expected)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("how", [{}, {"chunksizes": (1, 10)}], ids=["in one block", "in chunks"])
def test_each_process_reads_its_own_part_only(shared_path, monkeypatch, how, split):
    """In one block, it reads without the netCDF library."""
    expected = values((13, 10))
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.nc", **how)
    read = []
    read_direct = h5py.Dataset.read_direct
    monkeypatch.setattr(
        h5py.Dataset, "read_direct", lambda self, to, *of: (read.append(to.size), read_direct(self, to, *of))
    )

    class Counting:
        """A variable that tells how much of it is read. netCDF4's own class cannot be changed."""

        def __init__(self, variable: netCDF4.Variable) -> None:
            self.variable = variable

        def __getattr__(self, name: str) -> object:
            return getattr(self.variable, name)

        def __getitem__(self, selection: object) -> np.ndarray:
            result = self.variable[selection]
            read.append(result.size)
            return result

    from dndarray.io import netcdf

    find = netcdf._find
    monkeypatch.setattr(netcdf, "_find", lambda *of: Counting(find(*of)))
    with count_collectives() as c:
        x = dnd.io.load(shared_path / "x.nc", split=split)
    assert sum(read) == math.prod(x.layout.lshape(RANK))
    assert c.total == (SIZE > 1)
    assert_array_equal(x, expected)


def test_writing_gathers_nothing(shared_path):
    x = dnd.zeros((1000, 100), split=0)
    with count_collectives() as c:
        dnd.io.save(x, shared_path / "x.nc")
    assert c.bytes < 100
    assert c.total < 10


@pytest.mark.parametrize("slices", [np.s_[2:7], np.s_[::3, 1:], np.s_[..., 2:4], np.s_[9:20:2, ..., -3:], np.s_[4:4]])
def test_slices(shared_path, slices):
    expected = values((11, 2, 6))
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.nc")
    for split in (None, 0, 2):
        assert_array_equal(dnd.io.load(shared_path / "x.nc", split=split, slices=slices), expected[slices])


# --- what values mean ---------------------------------------------------------------------------------------


def meaning(file: netCDF4.Dataset) -> None:
    file.createDimension("x", 6)
    packed = file.createVariable("packed", "i2", "x", fill_value=-9)
    packed.set_auto_maskandscale(False)
    packed.setncatts({"scale_factor": 0.5, "add_offset": 10.0})
    packed[:] = [0, 1, -9, 3, 4, -9]
    real = file.createVariable("real", "f4", "x")
    real.missing_value = np.float32(-1)
    real[:4] = [0, -1, 2, 3]
    whole = file.createVariable("whole", "i4", "x", fill_value=7)
    whole[:] = [5, 6, 7, 8, 9, 7]
    signless = file.createVariable("signless", "i1", "x")
    signless.setncattr("_Unsigned", "true")
    signless[:] = np.array([0, 1, 2, -1, -2, -3], dtype="i1")
    file.createVariable("zero", "f8", ())[...] = 3.5


NAN = np.nan
MEANINGS = [
    ("packed", None, np.array([10, 10.5, NAN, 11.5, 12, NAN])),
    ("packed", "float32", np.array([10, 10.5, NAN, 11.5, 12, NAN], dtype="f4")),
    ("real", None, np.array([0, NAN, 2, 3, NAN, NAN], dtype="f4")),
    ("whole", None, np.array([5, 6, 7, 8, 9, 7], dtype="i4")),
    ("whole", "float64", np.array([5, 6, NAN, 8, 9, NAN])),
    ("whole", "int64", np.array([5, 6, 7, 8, 9, 7])),
    ("signless", None, np.array([0, 1, 2, 255, 254, 253], dtype="u1")),
    ("zero", None, np.array(3.5)),
]


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize(("name", "dtype", "expected"), MEANINGS)
def test_values_are_unpacked_and_missing_ones_are_nan(shared_path, format, name, dtype, expected):
    path = make(shared_path / "x.nc", meaning, format=format)
    for split in (None, 0) if expected.ndim else (None,):
        assert_array_equal(dnd.io.load(path, variable=name, dtype=dtype, split=split), expected)


def test_values_as_they_are_stored(shared_path):
    path = make(shared_path / "x.nc", meaning)
    for name, expected in {
        "packed": np.array([0, 1, -9, 3, 4, -9], dtype="i2"),
        "signless": np.array([0, 1, 2, -1, -2, -3], dtype="i1"),
    }.items():
        assert_array_equal(dnd.io.load(path, name, split=0, mask_and_scale=False), expected)


def test_no_value_of_ours_is_taken_for_missing(shared_path):
    for name, expected in {
        "f": np.array([netCDF4.default_fillvals["f8"], 1.0]),
        "i": np.array([-32767, 1], "i2"),
    }.items():
        dnd.io.save(dnd.array(expected, split=0), shared_path / "x.nc", name)
        assert_array_equal(dnd.io.load(shared_path / "x.nc", dtype="float64", split=0), expected.astype("f8"))


# --- names --------------------------------------------------------------------------------------------------


def test_the_only_variable_beside_coordinates_and_groups(shared_path):
    def fill(file: netCDF4.Dataset) -> None:
        for name in ("lat", "lon"):
            file.createDimension(name, 3)
            file.createVariable(name, "f4", (name,))[:] = 0
        file.createVariable("deep/er/t2m", "i2", ("lat", "lon"))[:] = values((3, 3), "i2")

    path = make(shared_path / "x.nc", fill)
    assert_array_equal(dnd.io.load(path, split=1), values((3, 3), "i2"))
    assert_array_equal(dnd.io.load(path, variable="deep/er/t2m", split=0), values((3, 3), "i2"))
    with pytest.raises(KeyError, match=r"no variable 't2m'.*\['lat', 'lon', 'deep/er/t2m'\]"):
        dnd.io.load(path, "t2m")


def test_a_file_that_is_written_to_keeps_what_else_it_has(shared_path):
    path = shared_path / "x.nc"
    dnd.io.save(dnd.arange(5, split=0), path, "old")
    dnd.io.save(dnd.zeros(5, split=0), path, "group/new", mode="a")
    dnd.io.save(dnd.ones(5, split=0), path, "group/new", mode="a")
    assert_array_equal(dnd.io.load(path, "old", split=0), np.arange(5))
    assert_array_equal(dnd.io.load(path, "group/new", split=0), np.ones(5, dtype="float32"))
    with pytest.raises(ValueError, match="cannot take an array"):
        dnd.io.save(dnd.arange(5, split=0), path, "group/new", mode="a")
    with pytest.raises(ValueError, match=r"dimension 'dim_0' has length 5 .* but 3"):
        dnd.io.save(dnd.arange(3, split=0), path, "other", mode="a")
    dnd.io.save(dnd.arange(3, split=0), path, "other", mode="a", dimensions=["three"])
    assert_array_equal(dnd.io.load(path, "other", split=0), np.arange(3))
    dnd.io.save(dnd.arange(3, split=0), path, "other", mode="w")
    assert_array_equal(dnd.io.load(path, split=0), np.arange(3))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float16", "bfloat16"])
def test_types_that_netcdf_does_not_have(shared_path, dtype):
    with pytest.raises(TypeError, match=f"no torch.{dtype}"):
        dnd.io.save(dnd.zeros(3, dtype=dtype, split=0), shared_path / "x.nc")
    assert not (shared_path / "x.nc").exists()


def test_what_cannot_be_asked_for(shared_path):
    def fill(file: netCDF4.Dataset) -> None:
        file.createDimension("x", 2)
        file.createVariable("text", str, "x")
        file.createVariable("letters", "S1", "x")
        file.createVariable("ragged", file.createVLType("i4", "ragged_t"), "x")
        file.createVariable("pair", file.createCompoundType(np.dtype("f4, i4"), "pair_t"), "x")
        file.createVariable("good", "f4", "x")

    path = make(shared_path / "x.nc", fill)
    for name in ("text", "letters", "ragged", "pair"):
        with pytest.raises(TypeError, match=f"variable '{name}' in .* no array type"):
            dnd.io.load(path, name)
    with pytest.raises(ValueError, match="must say which"):
        dnd.io.load(path)
    with pytest.raises(ValueError, match=r"`split` \(=1\)"):
        dnd.io.load(path, "good", split=1)
    with pytest.raises(ValueError, match="different names"):
        dnd.io.save(dnd.zeros((3, 3)), path, dimensions=("x", "x"))


def test_a_package_that_is_missing_is_named(shared_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "netCDF4", None)
    with pytest.raises(ImportError, match=r"needs netCDF4: pip install 'dndarray\[io\]'"):
        dnd.io.load(shared_path / "x.nc")
    with pytest.raises(ImportError, match=r"needs netCDF4: pip install 'dndarray\[io\]'"):
        dnd.io.save(dnd.zeros(3), shared_path / "x.nc")


# --- failures -----------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(shared_path):
    dnd.io.save(dnd.zeros((50, 50)), shared_path / "whole.nc")
    if RANK == 0:
        content = (shared_path / "whole.nc").read_bytes()
        (shared_path / "half.nc").write_bytes(content[: len(content) // 2])
        (shared_path / "text.nc").write_text("no NetCDF")
    dnd.get_comm().barrier()
    began = time.monotonic()
    for name, error in {"none.nc": FileNotFoundError, "half.nc": OSError, "text.nc": OSError}.items():
        with pytest.raises(error, match=name) as raised:
            dnd.io.load(shared_path / name, split=0)
        assert raised.type is error
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("how", [{}, {"chunksizes": (100, 50)}], ids=["one block", "chunks"])
@pytest.mark.parametrize("failing", range(SIZE))
def test_a_write_that_fails_leaves_the_old_file_whole(shared_path, how, failing):
    """A disk that is full for one process: really, the operating system refuses what is over a limit."""
    path = shared_path / "x.nc"
    dnd.io.save(dnd.array(values((5, 4)), split=0), path)
    before = path.read_bytes()
    x = dnd.zeros((SIZE * 1000, 50), split=0, dtype="float64")
    with (
        full_disk(failing, 100_000),
        pytest.raises(OSError, match=r"cannot write .*x\.nc: .*(HDF error|large)") as raised,
    ):
        dnd.io.save(x, path, **how)
    assert failing == RANK or f"[raised on rank {failing}]" in str(raised.value)
    assert names_in(shared_path) == ["x.nc"]
    assert path.read_bytes() == before


def test_several_arrays_at_once(shared_path, monkeypatch):
    path, x = shared_path / "x.nc", values((7, 5))
    dnd.io.save(dnd.ones(2), path, "old")
    monkeypatch.setattr("shutil.copyfile", None)  # nothing is copied
    arrays = {"x": dnd.array(x, split=0), "y": dnd.array(x > 1, split=1), "n": dnd.arange(5, split=0)}
    dnd.io.netcdf.save_all(arrays, path, dimensions={"x": ("time", "place"), "n": ("place",)})
    assert [entry.name for entry in dnd.io.inspect(path)] == ["x", "y", "n"]
    for name, expected in (("x", x), ("y", x > 1), ("n", np.arange(5))):
        assert_array_equal(dnd.io.load(path, name), expected)
    with netCDF4.Dataset(path) as file:
        assert file["x"].dimensions == ("time", "place") and file["n"].dimensions == ("place",)
    for names in ({"x": ("time",)}, {"y": ("time", "time")}):
        with pytest.raises(ValueError, match="different names"):
            dnd.io.netcdf.save_all(arrays, path, dimensions=names)
    with pytest.raises(TypeError, match="complex"):
        dnd.io.netcdf.save_all({"x": 1.0, "y": 1j}, path)
    assert_array_equal(dnd.io.load(path, "x"), x)


def test_names_may_begin_at_the_root(shared_path):
    path = shared_path / "x.nc"
    for mode in "wa":
        dnd.io.save(dnd.arange(3, split=0), path, "/group/x", mode=mode)
    assert dnd.io.load(path, "/group/x", split=0).tolist() == dnd.io.load(path, "group/x").tolist() == [0, 1, 2]
    dnd.get_comm().barrier()


def test_text_is_no_array(shared_path):
    path = shared_path / "x.nc"
    if RANK == 0:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("x", 2)
            file.createVariable("name", str, ("x",))
    dnd.get_comm().barrier()
    with pytest.raises(TypeError, match=r"variable 'name' in .* holds str, which no array type corresponds to"):
        dnd.io.load(path, "name")
    dnd.get_comm().barrier()


def test_only_what_grows_is_asked_for_its_length(shared_path):
    with count_collectives() as plain:
        dnd.io.save(dnd.zeros((4, 3), split=0), shared_path / "x.nc")
    with count_collectives() as by_hdf5:
        dnd.io.save(dnd.zeros((4, 3), split=0), shared_path / "x.h5")
    assert plain.total + (dnd.get_comm().size > 1) <= by_hdf5.total  # which looks for old parts, too
