"""NetCDF as it is written: formats, packing, attributes and growing variables; netCDF4 and xarray say what it means."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import xarray
from dndarray.io import hdf5
from file_cases import names_in, spread, two_layouts, values
from hypothesis import given, settings
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import assert_array_equal

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
SMALL = ["int8", "int16", "int32", "float32", "float64"]
FORMATS = {
    "NETCDF4": [*SMALL, "uint8", "int64", "uint64"],
    "NETCDF4_CLASSIC": SMALL,
    "NETCDF3_CLASSIC": SMALL,
    "NETCDF3_64BIT_OFFSET": SMALL,
    "NETCDF3_64BIT_DATA": [*SMALL, "uint8", "int64", "uint64"],
}
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=8)
@given(data=st.data())
def test_formats(shared_path, format, data):
    source, target = data.draw(two_layouts(SHAPES))
    expected = values(source.shape, data.draw(st.sampled_from(FORMATS[format])))
    path = shared_path / "x.nc"
    dnd.io.save(spread(expected, source), path, format=format, attributes={"units": "K"})
    with netCDF4.Dataset(path) as file:
        assert file.data_model == format
        assert file["data"].units == "K"
        np.testing.assert_array_equal(file["data"][...], expected, strict=True)
    assert_array_equal(dnd.io.load(path, split=target.axes, grid=target.grid), expected)
    dnd.get_comm().barrier()


def test_what_formats_do_not_have(shared_path):
    path = shared_path / "x.nc"
    for format in ("NETCDF3_CLASSIC", "NETCDF4_CLASSIC"):
        with pytest.raises(TypeError, match=f"{format} has no int64; give a `dtype`"):
            dnd.io.save(dnd.arange(6, split=0), path, format=format)
        with pytest.raises(ValueError, match=f"{format} has no groups"):
            dnd.io.save(dnd.zeros(6, split=0), path, "group/x", format=format)
    assert names_in(shared_path) == []
    dnd.io.save(dnd.arange(6, split=0), path, format="NETCDF3_CLASSIC", dtype="int32")
    with pytest.raises(ValueError, match="must be that of the file, NETCDF3_CLASSIC"):
        dnd.io.save(dnd.zeros(6), path, "other", mode="a", format="NETCDF4")
    with pytest.raises(ValueError, match=r"`format` \(='NETCDF5'\) must be one of NETCDF4, "):
        dnd.io.save(dnd.zeros(6), path, format="NETCDF5")
    dnd.io.save(dnd.zeros(6, split=0), path, "other", mode="a")
    assert dnd.io.load(path, "other").dtype is dnd.float32
    assert dnd.io.load(path, "data", split=0).tolist() == list(range(6))


@pytest.mark.parametrize("how", [{}, {"chunksizes": (5, 3000)}, {"scale_factor": 2.0}, {"format": "NETCDF3_CLASSIC"}])
def test_all_write_at_once_what_lies_in_one_block(shared_path, monkeypatch, how):
    expected, turns = values((40, 3000)), []
    write_in_turn = hdf5.write_in_turn
    monkeypatch.setattr(hdf5, "write_in_turn", lambda *of: (turns.append(1), write_in_turn(*of)))
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.nc", **how)
    assert len(turns) == (1 if how else 0)
    assert_array_equal(dnd.io.load(shared_path / "x.nc", split=1), expected)


def test_a_variable_that_hdf5_calls_otherwise(shared_path):
    path = shared_path / "x.nc"
    dnd.io.save(dnd.arange(4.0, split=0), path, "y", dimensions=["x"])
    dnd.io.save(dnd.arange(4.0, split=0) + 5, path, "x", dimensions=["z"], mode="a")
    for step in range(2):
        dnd.io.save(dnd.full((2, 4), step, split=0), path, "z", dimensions=["t", "z"], append=0)
    assert dnd.io.load(path, "x", split=0).tolist() == [5, 6, 7, 8]
    assert dnd.io.load(path, "y", split=0).tolist() == [0, 1, 2, 3]
    assert dnd.io.load(path, "z", split=0)[:, 0].tolist() == [0, 0, 1, 1]
    with netCDF4.Dataset(path) as file:
        assert file["x"][...].tolist() == [5, 6, 7, 8]


# --- packing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("split", [0, 1])
def test_packed_numbers(shared_path, format, split):
    path = shared_path / "x.nc"
    expected = np.round(np.linspace(-20, 40, 42).reshape(6, 7), 2)
    expected[2, 3] = np.nan
    how = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 10.0, "fill_value": -32768}
    dnd.io.save(dnd.array(expected, split=split), path, "t", format=format, attributes={"units": "degC"}, **how)
    x = dnd.io.load(path, "t", split=split)
    np.testing.assert_allclose(x.numpy(), expected, rtol=0, atol=1e-12)
    stored = dnd.io.load(path, "t", split=split, mask_and_scale=False)
    assert stored.dtype is dnd.int16 and stored.numpy()[2, 3] == -32768
    with xarray.open_dataset(path) as dataset:
        np.testing.assert_allclose(dataset["t"], expected, rtol=0, atol=1e-12)
        assert dataset["t"].attrs == {"units": "degC"}
    dnd.io.save(dnd.array(expected[::-1].copy(), split=split), path, "t", mode="a")  # packed as the variable is
    np.testing.assert_allclose(dnd.io.load(path, "t", split=0).numpy(), expected[::-1], rtol=0, atol=1e-12)


def test_packing_keeps_the_floating_type_and_rounds_to_the_nearest(shared_path):
    path = shared_path / "x.nc"
    dnd.io.save(dnd.array([0.26, 0.5, -0.26], split=0, dtype="float32"), path, dtype="int8", scale_factor=0.5)
    x = dnd.io.load(path, split=0)
    assert x.dtype is dnd.float32 and x.tolist() == [0.5, 0.5, -0.5]
    dnd.io.save(dnd.array([1.5, np.nan], split=0), path, fill_value=-1.0)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        assert file["data"][...].tolist() == [1.5, -1.0]
    np.testing.assert_array_equal(dnd.io.load(path, split=0).numpy(), [1.5, np.nan])


def test_what_cannot_be_packed(shared_path):
    path = shared_path / "x.nc"
    dnd.io.save(dnd.zeros(3), path)
    before = path.read_bytes()
    x = dnd.arange(129.0, split=0)  # the last rank has what is too large
    with pytest.raises(ValueError, match="packed as int8 a number would be") as raised:
        dnd.io.save(x, path, dtype="int8", scale_factor=1.0)
    assert SIZE == 1 or RANK == SIZE - 1 or "[raised on rank" in str(raised.value)
    with pytest.raises(ValueError, match="uint8 has no NaN; say with `fill_value`"):
        dnd.io.save(dnd.array([1.0, np.nan], split=0), path, dtype="uint8")
    with pytest.raises(ValueError, match=r"`fill_value` \(=300\) must be a number that int8 has"):
        dnd.io.save(x, path, dtype="int8", fill_value=300)
    with pytest.raises(ValueError, match="`scale_factor`"):
        dnd.io.save(x, path, scale_factor=0)
    assert names_in(shared_path) == ["x.nc"]
    assert path.read_bytes() == before


# --- growing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize(("format", "axis"), [("NETCDF4", 0), ("NETCDF4", 1), ("NETCDF3_CLASSIC", 0)])
def test_variables_grow(shared_path, format, axis, split):
    path, expected = shared_path / "x.nc", values((6, 4) if axis == 0 else (4, 6))
    for part in np.split(expected, [1, 3], axis):
        dnd.io.save(dnd.array(part, split=split), path, "t", append=axis, dimensions=["time", "place"], format=format)
    assert_array_equal(dnd.io.load(path, split=split), expected)
    with netCDF4.Dataset(path) as file:
        assert file.data_model == format
        assert [dim.isunlimited() for dim in file["t"].get_dims()] == [axis == 0, axis == 1]
    assert names_in(shared_path) == ["x.nc"]


def test_variables_that_share_a_dimension_grow_one_after_another(shared_path):
    path, how = shared_path / "x.nc", {"append": 0, "compression": "zlib"}
    packed = {"dtype": "int16", "scale_factor": 0.5, "fill_value": -1}
    for step in range(3):
        dnd.io.save(dnd.arange(2, split=0) + 2 * step, path, "time", dimensions=["time"], **how)
        block = dnd.full((2, 3), step / 2, split=1)
        dnd.io.save(block, path, "group/t", dimensions=["time", "place"], **how, **packed)
    assert dnd.io.load(path, "time", split=0).tolist() == list(range(6))
    assert_array_equal(
        dnd.io.load(path, "group/t", split=0), np.repeat([0, 0.5, 1], 2).astype("f4")[:, None].repeat(3, 1)
    )


def test_what_cannot_grow(shared_path):
    path, x = shared_path / "x.nc", dnd.zeros((2, 3), split=0)
    dnd.io.save(x, path)
    with pytest.raises(ValueError, match="cannot grow along axis 0"):
        dnd.io.save(x, path, append=0)
    with pytest.raises(ValueError, match="dimension 'dim_0' of the file cannot grow"):
        dnd.io.save(x, path, "other", append=0)
    dnd.io.save(x, path, append=0, dimensions=["n", "m"], mode="w", variable="other")
    for wrong in (dnd.zeros((2, 4), split=0), dnd.zeros(3, split=0), dnd.zeros((2, 3), split=0, dtype="float64")):
        with pytest.raises(ValueError, match="cannot take an array of shape"):
            dnd.io.save(wrong, path, "other", append=0)
    assert dnd.io.load(path, "other", split=0).shape == (2, 3)
    path = shared_path / "classic.nc"
    for name in ("a", "b"):
        dnd.io.save(x, path, name, append=0, format="NETCDF3_CLASSIC")
    with pytest.raises(ValueError, match=r"\['a', 'b'\] can only grow together; use the format NETCDF4"):
        dnd.io.save(x, path, "a", append=0)
