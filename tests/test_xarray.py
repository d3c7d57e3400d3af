"""Arrays inside of xarray: what works on an array as it is, and what works through `to_xarray`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dndarray as dnd
from dndarray.testing import assert_allclose

xr = pytest.importorskip("xarray")
pytestmark = pytest.mark.filterwarnings("ignore")

VALUES = np.random.default_rng(0).normal(size=(7, 4))
VALUES_WITH_GAPS = np.where(VALUES > 1, np.nan, VALUES)
COORDS = {"time": np.arange(7), "station": list("abcd")}
DIMS = ("time", "station")

AS_IT_IS: dict[str, Callable] = {
    "arithmetic": lambda da: da * 2 + da,
    "broadcasting": lambda da: da - da.isel(time=0),
    "a ufunc": lambda da: np.sin(da),
    "comparison": lambda da: da > 0,
    "sel": lambda da: da.sel(time=3),
    "sel of a stretch and labels": lambda da: da.sel(time=slice(1, 4), station=["c", "a"]),
    "isel out of order": lambda da: da.isel(time=[0, 3, 2]),
    "sum": lambda da: da.sum("time", skipna=False),
    "mean": lambda da: da.mean("time", skipna=False),
    "max": lambda da: da.max("station", skipna=False),
    "std": lambda da: da.std(skipna=False),
    "all": lambda da: (da > -9).all(),
    "transpose": lambda da: da.transpose("station", "time"),
    "concat": lambda da: xr.concat([da, da], "time"),
    "isnull": lambda da: da.isnull(),
    "astype": lambda da: da.astype("float32"),
    "stack": lambda da: da.stack(point=DIMS),
    "expand_dims": lambda da: da.expand_dims("level"),
    "diff": lambda da: da.diff("time"),
}

BY_DUCK: dict[str, Callable] = AS_IT_IS | {
    "mean over gaps": lambda da: da.mean("time"),
    "sum over gaps": lambda da: da.sum(),
    "std over gaps": lambda da: da.std("time"),
    "max over gaps": lambda da: da.max("station"),
    "median over gaps": lambda da: da.median("time"),
    "quantile": lambda da: da.quantile(0.3, "time"),
    "count": lambda da: da.count("time"),
    "cumsum": lambda da: da.cumsum("time"),
    "where": lambda da: da.where(da > 0),
    "where with a value": lambda da: xr.where(da > 0, da, -1.0),
    "fillna": lambda da: da.fillna(0.0),
    "clip": lambda da: da.clip(-0.5, 0.5),
    "round": lambda da: da.round(1),
    "roll": lambda da: da.roll(time=2),
    "shift": lambda da: da.shift(time=1),
    "pad": lambda da: da.pad(time=1),
    "argmax": lambda da: da.fillna(0.0).argmax("time"),
    "dot": lambda da: da.fillna(0.0).dot(da.fillna(0.0), dim="station"),
    "rolling mean": lambda da: da.rolling(time=3).mean(),
    "differentiate": lambda da: da.differentiate("time"),
    "integrate": lambda da: da.integrate("time"),
    "anomaly": lambda da: (da - da.mean("time")) / da.std("time"),
    "a dataset": lambda da: xr.Dataset({"a": da, "b": da * 2}).mean("time")["b"],
}


def compare(call: Callable, values: np.ndarray, wrap: Callable, split: int | None) -> Any:
    theirs = call(xr.DataArray(values.copy(), dims=DIMS, coords=COORDS))
    ours = call(wrap(dnd.array(values, split=split), dims=DIMS, coords=COORDS))
    assert ours.dims == theirs.dims
    assert set(ours.coords) == set(theirs.coords)
    assert_allclose(dnd.from_xarray(ours), theirs.values, rtol=1e-10, atol=1e-12)
    return ours


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("name", AS_IT_IS)
def test_as_it_is(name: str, split: int | None) -> None:
    ours = compare(AS_IT_IS[name], VALUES, xr.DataArray, split)
    assert isinstance(ours.data, dnd.DNDarray)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("name", BY_DUCK)
def test_by_to_xarray(name: str, split: int | None) -> None:
    compare(BY_DUCK[name], VALUES_WITH_GAPS, dnd.to_xarray, split)


def test_the_memory_is_shared() -> None:
    x = dnd.array(VALUES, split=0)
    assert dnd.from_xarray(dnd.to_xarray(x)) is x
    data = dnd.to_xarray(x, dims=DIMS)
    data[0, 0] = 5.0
    assert float(x[0, 0]) == 5.0


def test_it_shows_itself_without_communication() -> None:
    data = dnd.to_xarray(dnd.array(VALUES, split=0), dims=DIMS)
    with dnd.testing.count_collectives() as counted:
        text = repr(data) + data._repr_html_()
    assert not counted.calls
    assert "DNDarray" in text or "dndarray" in text
