"""Files that others wrote, beside what h5py, netCDF4, xarray, SciPy and pandas read of them on one process."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pandas
import pytest
import scipy.io

import dndarray as dnd
from dndarray.testing import assert_array_equal

DATA = Path(os.environ.get("DNDARRAY_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="DNDARRAY_TEST_DATA names no folder of test data")


def files(pattern: str) -> Any:
    found = sorted(DATA.glob(pattern))
    return pytest.mark.parametrize("path", found or [None], ids=lambda p: getattr(p, "name", "none"))


def compare(path: Path, name: str | None, expected: np.ndarray, **options: Any) -> None:
    """Load in every split, and a part."""
    for split in (None, *range(expected.ndim)):
        assert_array_equal(dnd.io.load(path, name, split=split, **options), expected)
    part = tuple(slice(n // 4, None, 3) for n in expected.shape)
    assert_array_equal(dnd.io.load(path, name, split=expected.ndim - 1, slices=part, **options), expected[part])


@files("gw/*.hdf5")
def test_hdf5(path):
    with h5py.File(path) as file:
        numbers = [entry.name for entry in dnd.io.inspect(path) if file[entry.name].dtype.kind in "fiu" and entry.shape]
        assert numbers
        for name in numbers:
            compare(path, name, file[name][...])


@files("weather/*.nc")
@pytest.mark.filterwarnings("ignore")  # netCDF4 has something to say about a fill value of NaN
def test_netcdf(path):
    with netCDF4.Dataset(path) as file:
        for entry in dnd.io.inspect(path):
            variable = file[entry.name]
            assert entry.shape == variable.shape
            if variable.dtype.kind not in "fiu" or not variable.ndim:
                continue
            values = variable[...]
            if values.dtype.kind == "f":
                values = np.ma.filled(values, np.nan)
            assert_array_equal(dnd.io.load(path, entry.name, split=0), np.ma.getdata(values))
            assert_array_equal(dnd.io.load(path, entry.name, split=values.ndim - 1), np.ma.getdata(values))


@files("weather/*")
@pytest.mark.slow
def test_datasets_of_xarray(path):
    xarray = pytest.importorskip("xarray")
    how: dict[str, Any] = {}
    if path.suffix == ".grib":
        pytest.importorskip("cfgrib")
        how = {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fill values that xarray does not trust
        with xarray.open_dataset(path, **how) as expected:
            longest = max(expected.sizes, key=expected.sizes.get)
            dataset = dnd.io.open_xarray(path, split=longest)
            assert set(dataset.variables) == set(expected.variables)
            assert dataset.attrs == expected.attrs
            for name, variable in expected.data_vars.items():
                assert (dataset[name].dims, dataset[name].attrs) == (variable.dims, variable.attrs)
                if variable.dtype.kind in "fiu":
                    x = dnd.from_xarray(dataset[name])
                    assert x.split == (variable.dims.index(longest) if longest in variable.dims else None)
                    assert_array_equal(x, variable.values)
            for name in expected.coords:
                np.testing.assert_array_equal(dataset[name].values, expected[name].values)


@pytest.mark.slow
def test_grib():
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("cfgrib")
    path = DATA / "weather" / "era5-2mt-2019-03-uk.grib"
    with xarray.open_dataset(path, engine="cfgrib", backend_kwargs={"indexpath": ""}) as expected:
        compare(path, None, expected["t2m"].values)
    assert dnd.io.inspect(path)["t2m"].shape == (744, 33, 49)
    with pytest.raises(KeyError, match=r"no variable 'u10'.*'t2m'"):
        dnd.io.load(path, "u10")


@files("hsi/**/*.mat")
def test_matlab(path):
    expected = {k: v for k, v in scipy.io.loadmat(path, mat_dtype=True).items() if not k.startswith("__")}
    assert {entry.name: entry.shape for entry in dnd.io.inspect(path)} == {k: v.shape for k, v in expected.items()}
    for name, values in expected.items():
        if values.dtype.kind in "fiub":
            compare(path, name, values)


@files("sparse/*.mtx")
def test_matrix_market(path):
    expected = scipy.io.mmread(path, spmatrix=False).toarray()
    for split in (0, 1):
        assert_array_equal(dnd.io.load(path, split=split), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ETTh1.csv", {"usecols": range(1, 8)}),
        ("Load-BW.csv", {"usecols": range(1, 4)}),
        ("recycle_anonymized_dataset.csv", {"usecols": range(1, 5)}),
        ("exchange_rate.txt.gz", {}),
    ],
)
def test_text(name, options):
    path = DATA / "timeseries" / name
    header = None if not options else "infer"
    expected = pandas.read_csv(path, header=header, float_precision="round_trip", **options).to_numpy("float64")
    for split in (None, 0, 1):
        assert_array_equal(dnd.io.load(path, split=split, **options), expected)
    assert_array_equal(dnd.concatenate([*dnd.io.stream(path, 1000, **options)]), expected)
    assert len(dnd.io.inspect(path)) >= expected.shape[1]


@files("clustering/[!b]*.data.gz")  # but for one with several blanks between numbers
def test_points(path):
    expected = np.loadtxt(path)
    assert_array_equal(dnd.io.csv.load(path, sep=" ", split=0), expected)
