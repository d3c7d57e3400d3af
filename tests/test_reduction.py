"""Reductions and scans: layouts, arguments, numerical soundness, ties and NaN, and what they communicate."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.testing import assert_allclose, assert_array_equal, compare_part, count_collectives

SIZE = dnd.get_comm().size

REDUCTIONS = (
    "sum prod min max all any mean var std nansum nanprod nanmin nanmax nanmean nanvar nanstd count_nonzero ptp"
).split()
ARGUMENTS = ["argmax", "argmin", "nanargmax", "nanargmin"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """NumPy warns of means of nothing, of overflow and of invalid values, which are meant here."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """These values in any layout, which no function of users makes in one step."""
    comm = dnd.get_comm()
    box = tuple(slice(*bounds) for bounds in layout.box(comm.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, comm)


def numbers(shape: Any, kind: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 4, size=shape) + 0.25
    if kind == "nan":
        values = np.where(rng.uniform(size=shape) < 0.3, np.nan, values)
    if kind == "complex":
        values = values + 1j * rng.integers(-3, 4, size=shape)
    return values


class Drawn:
    """An array in any layout, what to reduce it over, and where."""

    def __init__(self, values: np.ndarray, layout: Layout, axis: Any, keepdims: bool, where: Any, mask: Any) -> None:
        self.values, self.layout, self.axis, self.keepdims = values, layout, axis, keepdims
        self.where, self.mask = where, mask

    def __repr__(self) -> str:
        mask = None if self.where is True else np.asarray(self.where).tolist()
        return f"{self.layout}, axis={self.axis}, keepdims={self.keepdims}, where={mask}, {self.values.tolist()}"


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> tuple[int, ...]:
    """Some axes, in any order, some counted from the end."""
    chosen = [a - ndim * draw(st.booleans()) for a in range(ndim) if draw(st.booleans())]
    return tuple(draw(st.permutations(chosen)))


@st.composite
def drawn(draw: st.DrawFn, kinds: tuple[str, ...] = ("real", "nan", "complex")) -> Drawn:
    shape = draw(st.lists(st.integers(0, 7), max_size=3).map(tuple))
    layout = draw(layouts(shape, SIZE))
    axis = draw(st.one_of(st.none(), axes(len(shape)), st.sampled_from([None, *range(-len(shape), len(shape))])))
    where: Any = True
    mask: Any = True
    if draw(st.booleans()):
        lead = draw(st.integers(0, len(shape)))
        partial = [n if draw(st.booleans()) else 1 for n in shape[lead:]]
        where = np.random.default_rng(1).uniform(size=partial) < 0.7
        mask = placed(where, draw(layouts(partial, SIZE)))
    values = numbers(shape, draw(st.sampled_from(kinds)))
    return Drawn(values, layout, axis, draw(st.booleans()), where, mask)


def _dealt(layout: Layout) -> list[int]:
    """The axes that are spread over several ranks."""
    return [a for a, p in zip(layout.axes, layout.grid.shape, strict=True) if a is not None and p > 1]


def _compare(name: str, d: Drawn, **options: Any) -> None:
    try:
        expected = getattr(np, name)(d.values, axis=d.axis, keepdims=d.keepdims, **options)
    except (ValueError, TypeError):  # nothing to reduce, or nothing that can be ordered
        with pytest.raises((ValueError, TypeError)):
            getattr(dnd, name)(placed(d.values, d.layout), axis=d.axis, keepdims=d.keepdims, **options)
        return
    options = {k: d.mask if k == "where" else v for k, v in options.items()}
    array = placed(d.values, d.layout)
    with count_collectives() as traffic:
        result = getattr(dnd, name)(array, axis=d.axis, keepdims=d.keepdims, **options)
    over = range(d.values.ndim) if d.axis is None else np.atleast_1d(np.array(d.axis, int)) % max(d.values.ndim, 1)
    split = _dealt(d.layout)
    # nanargmax raises for what only some ranks see, so they agree.
    if not set(split) & set(over) and "where" not in options and not name.startswith("nanarg"):
        assert traffic.total == 0
        assert _dealt(result.layout) == [a if d.keepdims else a - sum(b < a for b in over) for a in split]
    compare_part(result, expected, rtol=1e-12, atol=1e-12)


@given(st.sampled_from(REDUCTIONS), drawn())
def test_any_layout(name: str, d: Drawn) -> None:
    ordered = name not in ("min", "max", "nanmin", "nanmax", "ptp")
    if ordered or d.values.dtype.kind != "c":
        _compare(name, d)


@given(st.sampled_from([n for n in REDUCTIONS if n not in ("count_nonzero", "ptp")]), drawn(("real", "nan")))
def test_where(name: str, d: Drawn) -> None:
    initial = {"initial": 2.5} if name in ("min", "max", "nanmin", "nanmax") else {}
    _compare(name, d, where=d.where, **initial)


@given(st.sampled_from(["sum", "prod", "min", "max", "nansum", "nanprod", "nanmin", "nanmax"]), drawn(("real", "nan")))
def test_initial(name: str, d: Drawn) -> None:
    _compare(name, d, initial=-1.5)


@given(st.sampled_from(["var", "std", "nanvar", "nanstd"]), drawn(), st.sampled_from([0, 1, 2, 0.5, 9]))
def test_ddof(name: str, d: Drawn, ddof: float) -> None:
    if name.startswith("nan"):
        ddof = min(ddof, 1)  # no degrees of freedom give inf, as in `numpy.var`; NumPy's own nanvar says NaN
    _compare(name, d, ddof=ddof)
    if ddof == 1 and name in ("var", "std"):
        ours = getattr(dnd, name)(placed(d.values, d.layout), axis=d.axis, correction=1)
        compare_part(ours, getattr(np, name)(d.values, axis=d.axis, ddof=1), 1e-12, 1e-12)


@given(st.sampled_from(ARGUMENTS), drawn(("real", "nan")), st.data())
def test_where_the_extremes_are(name: str, d: Drawn, data: st.DataObject) -> None:
    d.axis = data.draw(st.sampled_from([None, *range(-d.values.ndim, d.values.ndim)]))
    _compare(name, d)


SCANS = ["cumsum", "cumprod", "cumulative_sum", "cumulative_prod"]


@given(st.sampled_from(SCANS), drawn(("real", "complex")), st.data())
def test_scans(name: str, d: Drawn, data: st.DataObject) -> None:
    if not d.values.ndim:
        return
    axis = data.draw(st.integers(-d.values.ndim, d.values.ndim - 1))
    array = placed(d.values, d.layout)
    options: dict[str, Any] = {"axis": axis}
    if name.startswith("cumulative"):
        options["include_initial"] = data.draw(st.booleans())
    with count_collectives() as traffic:
        result = getattr(dnd, name)(array, **options)
    if not options.get("include_initial"):
        assert result.layout is d.layout
        assert traffic.total <= 1
    compare_part(result, getattr(np, name)(d.values, **options), 1e-12, 1e-12)
    if name == "cumsum":
        compare_part(dnd.cumsum(array), np.cumsum(d.values), 1e-12, 1e-12)


# --- arguments --------------------------------------------------------------------------------------------------------


def test_axes_that_do_not_exist() -> None:
    x = dnd.ones((3, 4), split=0)
    for axis in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match=r"must be in \[-2, 2\)"):
            x.sum(axis)
    with pytest.raises(ValueError, match="names an axis twice"):
        x.sum((0, -2))
    with pytest.raises(TypeError, match="must be an integer"):
        x.sum(1.5)
    with pytest.raises(TypeError, match="one axis or None"):
        x.argmax((0, 1))


@pytest.mark.parametrize("name", ["min", "max", "argmin", "argmax", "ptp"])
def test_extremes_of_nothing_raise(name: str) -> None:
    for shape, axis in (((0,), None), ((0, 3), 0), ((3, 0), 1), ((3, 0), None), ((0, 0), 0)):
        with pytest.raises(ValueError, match="no elements"):
            getattr(dnd, name)(dnd.zeros(shape, split=0), axis)
    assert getattr(dnd, name)(dnd.zeros((0, 3), split=1), 1).shape == (0,)


def test_sums_and_means_of_nothing() -> None:
    empty = dnd.zeros((0, 3), split=0)
    assert_array_equal(empty.sum(0), np.zeros(3, np.float32))
    assert_array_equal(empty.prod(0), np.ones(3, np.float32))
    assert_array_equal(empty.mean(0), np.full(3, np.nan, np.float32))
    assert_array_equal(empty.var(0), np.full(3, np.nan, np.float32))
    assert bool(empty.all()) and not bool(empty.any())
    assert_array_equal(dnd.max(empty, 0, initial=4), np.full(3, 4, np.float32))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "argmax", "all", "var", "cumsum"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_out(name: str, split: int | None) -> None:
    values = numbers((5, 4), "real")
    expected = getattr(np, name)(values, axis=0)
    out = dnd.zeros(expected.shape, expected.dtype, split=0)
    memory = out.larray.data_ptr()
    assert getattr(dnd, name)(dnd.array(values, split=split), axis=0, out=out) is out
    assert out.split == 0
    assert out.larray.data_ptr() == memory
    assert_allclose(out, expected)


def test_methods_are_the_functions() -> None:
    values = numbers((5, 4), "real")
    x = dnd.array(values, split=0)
    for name in "sum prod min max mean var std all any argmin argmax ptp cumsum cumprod".split():
        for axis in (None, 0, 1):
            result = getattr(x, name)(axis=axis) if name != "ptp" else x.ptp(axis)
            assert_allclose(result, getattr(np, name)(values, axis=axis), rtol=1e-12)
    assert_allclose(x.sum(0, keepdims=True), values.sum(0, keepdims=True))
    assert_allclose(x.std(1, ddof=1), values.std(1, ddof=1))


# --- ties, NaN, infinities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_ties_and_nan_go_to_the_first(name: str, split: int | None) -> None:
    rng = np.random.default_rng(0)
    plain = rng.integers(0, 3, size=(9, 7)).astype(float)
    some = np.where(rng.uniform(size=plain.shape) < 0.2, np.nan, plain)
    infinite = np.where(rng.uniform(size=plain.shape) < 0.3, np.inf, -np.inf)
    for values in (plain, some, infinite, -infinite, plain > 1, plain.astype(np.uint8), np.full((9, 7), np.nan)):
        x = dnd.array(values, split=split)
        for axis in (None, 0, 1):
            for keepdims in (False, True):
                expected = getattr(np, name)(values, axis=axis, keepdims=keepdims)
                assert_array_equal(getattr(dnd, name)(x, axis, keepdims=keepdims), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinity_in_extremes(dtype: str) -> None:
    values = np.array([[1, np.nan, -np.inf], [np.inf, 2, 3], [-1, -0.0, 0.0], [4, 5, np.nan]], dtype)
    x = dnd.array(values, split=0)
    for name in ("min", "max", "nanmin", "nanmax", "ptp"):
        for axis in (None, 0, 1):
            assert_array_equal(getattr(dnd, name)(x, axis=axis), getattr(np, name)(values, axis=axis))
    negative = np.array([-np.nan, -5, -np.nan, 2], dtype)
    for name in ("min", "max"):
        assert math.isnan(getattr(dnd, name)(dnd.array(negative, split=0)).item())


def test_nan_arguments_of_nothing_but_nan_raise_on_every_rank() -> None:
    values = np.full((5, 2), 1.0)
    values[:, 1] = np.nan
    for name in ("nanargmax", "nanargmin"):
        with pytest.raises(ValueError, match="nothing but NaN"):
            getattr(dnd, name)(dnd.array(values, split=1), axis=0)
        assert_array_equal(getattr(dnd, name)(dnd.array(values, split=0), axis=1), np.zeros(5, np.int64))
        values_inf = np.array([np.nan, np.inf, -np.inf, np.nan])
        assert_array_equal(getattr(dnd, name)(dnd.array(values_inf, split=0)), getattr(np, name)(values_inf))


def test_nothing_but_nan() -> None:
    values = np.full((5, 2), np.nan)
    x = dnd.array(values, split=0)
    for name in ("nansum", "nanprod", "nanmean", "nanvar", "nanmin", "nanmax"):
        assert_array_equal(getattr(dnd, name)(x, axis=0), getattr(np, name)(values, axis=0))


# --- numerical soundness ----------------------------------------------------------------------------------------------


@functools.cache
def million() -> np.ndarray:
    return (1e4 + np.random.default_rng(0).standard_normal(10**6)).astype(np.float32)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_moments_of_single_precision_with_an_offset(unbalanced: bool) -> None:
    """One-pass formulas lose all digits of the variance here, naive sums the digits of the mean."""
    values = million()
    x = dnd.array(values, split=0)
    if unbalanced:
        values, x = values[400_000:], x[400_000:]
    wide = values.astype(np.float64)
    assert abs(float(x.mean()) - wide.mean()) < 1e-3  # the spacing of float32 there
    assert float(x.var()) == pytest.approx(wide.var(), rel=1e-5)
    assert float(x.std(ddof=1)) == pytest.approx(wide.std(ddof=1), rel=1e-5)
    assert float(x.sum()) == pytest.approx(wide.sum(), rel=1e-6)
    columns = x.reshape(-1, 1000)
    wide = wide.reshape(-1, 1000)
    assert_allclose(columns.mean(0), wide.mean(0), rtol=3e-7)
    # Means of parts are rounded, too. NumPy's own error in single precision is 4e-4 here.
    assert_allclose(columns.var(0), wide.var(0), rtol=4e-4)
    assert_allclose(columns.var(1), wide.var(1), rtol=1e-5)
    mask = wide > 1e4
    assert_allclose(columns.var(where=mask), wide.var(where=mask), rtol=1e-4)


def test_moments_of_double_precision_near_one() -> None:
    values = 1 + 1e-10 * np.arange(1000)
    x = dnd.array(values, split=0)
    assert float(x.mean()) == pytest.approx(values.mean(), rel=1e-16)
    assert float(dnd.full(8, 1 + 1e-10, "float64", split=0).mean()) == 1 + 1e-10
    assert float(x.var()) == pytest.approx((1e-10 * np.arange(1000)).var(), rel=1e-6)


def test_the_variance_of_a_constant_is_zero() -> None:
    for dtype in ("float32", "float64"):
        x = dnd.full((1003, 3), 0.1, dtype, split=0)
        assert float(x.var()) < 1e-15
        assert float(x.mean()) == pytest.approx(0.1, rel=1e-6)


def test_the_mean_of_whole_numbers_is_rounded_once() -> None:
    """So that the mean of ones is one, and a score of all is all, on any number of ranks."""
    for n in range(1, 30):
        assert float(dnd.ones(n, "float64", split=0).mean()) == 1
        assert float((dnd.arange(n, split=0) >= 0).mean()) == 1
        assert float(dnd.arange(n, split=0).mean()) == np.arange(n).mean()


def test_moments_with_infinity_and_nan() -> None:
    for special in (np.inf, np.nan):
        values = np.arange(12.0).reshape(6, 2)
        values[4, 1] = special
        x = dnd.array(values, split=0)
        for name in ("mean", "var", "std", "sum"):
            assert_array_equal(getattr(x, name)(0), getattr(values, name)(0))
            assert_array_equal(getattr(x, name)(), getattr(values, name)())


@pytest.mark.slow
def test_moments_of_a_hundred_million_elements() -> None:
    n = 10**8 // SIZE
    rank = dnd.get_comm().rank
    part = np.random.default_rng(rank).standard_normal(n, dtype=np.float32)
    part += np.float32(100)
    x = dnd.array(torch.from_numpy(part), is_split=0, copy=False)
    wide = dnd.array(np.array([part.sum(dtype=np.float64)]), is_split=0)
    mean = float(wide.sum()) / (n * SIZE)
    squares = sum(((chunk.astype(np.float64) - mean) ** 2).sum() for chunk in np.array_split(part, 100))
    variance = float(dnd.array(np.array([squares]), is_split=0).sum()) / (n * SIZE)
    assert float(x.mean()) == pytest.approx(mean, rel=1e-6)
    assert float(x.var()) == pytest.approx(variance, rel=1e-5)
    assert float(x.sum()) == pytest.approx(mean * n * SIZE, rel=1e-6)
    assert float(dnd.ones_like(x).sum()) == np.float32(n * SIZE)


# --- communication ----------------------------------------------------------------------------------------------------


def test_what_reductions_communicate() -> None:
    """All-reduces along a split axis; nothing along an axis that is whole, where it is split or not."""
    x = dnd.array(numbers((9, 5), "real"), split=0)
    whole = dnd.array(numbers((9, 5), "real"))
    expected = dict.fromkeys(["sum", "prod", "min", "max", "all", "any", "mean", "count_nonzero"], 1)
    expected |= {"var": 2, "std": 2, "argmax": 2, "argmin": 2, "ptp": 2, "nansum": 1, "nanmean": 2, "nanvar": 3}
    for name, calls in expected.items():
        function = getattr(dnd, name)
        for array, axis, count in ((x, None, calls), (x, 0, calls), (x, (0, 1), calls), (x, 1, 0), (whole, 0, 0)):
            if name.startswith("arg") and isinstance(axis, tuple):
                continue
            with count_collectives() as traffic:
                function(array, axis=axis)
            assert traffic.calls == ({"Allreduce": count} if count and SIZE > 1 else {}), (name, axis)


def test_what_reductions_send() -> None:
    x = dnd.ones((1000, 3), "float64", split=0)
    for function, nbytes in ((x.sum, 24), (x.mean, 24), (x.var, 48)):
        with count_collectives() as traffic:
            function(0)
        assert traffic.bytes == (nbytes if SIZE > 1 else 0)


def test_reductions_on_a_grid_communicate_along_its_axis_alone() -> None:
    values = numbers((6, 8), "real")
    x = dnd.array(values, split=(0, 1))
    rows, columns = x.layout.grid.shape
    for axis, along in ((0, rows), (1, columns)):
        with count_collectives() as traffic:
            result = x.sum(axis)
        assert traffic.total == (1 if along > 1 else 0)
        assert result.split == ((None, 0) if axis == 0 else (0, None))
        assert_allclose(result, values.sum(axis))
    with count_collectives() as traffic:
        total = x.sum()
    assert traffic.total == (1 if SIZE > 1 else 0)
    assert_allclose(total, values.sum())


def test_a_scan_communicates_once() -> None:
    x = dnd.ones((9, 4), split=0)
    with count_collectives() as traffic:
        x.cumsum(0)
    assert traffic.calls == ({"Exscan": 1} if SIZE > 1 else {})
    with count_collectives() as traffic:
        x.cumsum(1)
    assert traffic.calls == {}


def test_the_parts_of_a_replicated_result_are_the_same_bits() -> None:
    x = dnd.random.normal(size=1001, split=0, dtype="float32")
    for function in (x.sum, x.mean, x.var, x.std):
        result = function()
        assert result.split is None
        everybody = result.comm.allgather(result.larray.reshape(1))
        assert (everybody == everybody[0]).all()
