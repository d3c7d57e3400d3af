"""The array's methods: those of NumPy's that are more than a function, and that each of the table is there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.methods import IN_PLACE, METHODS
from dndarray.testing import compare_part

SIZE = dnd.get_comm().size

NOT_OURS = {
    "base ctypes data flags strides": "of one piece of memory, which no array over processes is; see x.larray",
    "flat": "element by element is no way to read what others hold; see ravel",
    "byteswap getfield setfield setflags": "of bytes in memory; see x.larray",
    "dump dumps tobytes tofile": "see dnd.io, or x.numpy()",
    "resize": "an array's layout is for good; see dnd.resize, which returns a new one",
}
"""Methods of numpy.ndarray's that have no meaning here, and why."""


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    comm = dnd.get_comm()
    box = tuple(slice(*bounds) for bounds in layout.box(comm.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, comm)


def arrays() -> st.SearchStrategy[tuple[np.ndarray, dnd.DNDarray]]:
    def fill(drawn: tuple[tuple[int, ...], Layout]) -> tuple[np.ndarray, dnd.DNDarray]:
        shape, layout = drawn
        values = np.random.default_rng(0).permutation(math.prod(shape)).astype(np.float64).reshape(shape)
        return values, placed(values, layout)

    return shapes().flatmap(lambda shape: st.tuples(st.just(shape), layouts(shape, SIZE))).map(fill)


def test_every_method_of_the_table_is_there() -> None:
    for name in (*METHODS, *IN_PLACE):
        assert callable(getattr(dnd.DNDarray, name)), name
        assert getattr(dnd.DNDarray, name).__doc__


def test_every_method_of_numpys_is_there_or_explained() -> None:
    explained = set(" ".join(NOT_OURS).split())
    theirs = {name for name in dir(np.ndarray) if not name.startswith("_")}
    assert {name for name in theirs if not hasattr(dnd.DNDarray, name)} == explained


@given(arrays(), st.data())
def test_sort_and_fill_in_place(drawn: tuple[np.ndarray, dnd.DNDarray], data: st.DataObject) -> None:
    values, x = drawn
    layout, memory = x.layout, x.larray.data_ptr()
    if values.ndim:
        axis = data.draw(st.integers(-values.ndim, values.ndim - 1))
        assert x.sort(axis) is None
        values.sort(axis)
        compare_part(x, values, 0, 0, True)
    assert x.fill(2.5) is None
    compare_part(x, np.full_like(values, 2.5), 0, 0, True)
    assert x.layout is layout and x.larray.data_ptr() == memory


@given(arrays(), st.data())
def test_item(drawn: tuple[np.ndarray, dnd.DNDarray], data: st.DataObject) -> None:
    values, x = drawn
    if not values.size:
        with pytest.raises((IndexError, ValueError)):
            x.item(0)
        return
    flat = data.draw(st.integers(0, values.size - 1))
    at = tuple(int(i) for i in np.unravel_index(flat, values.shape))
    assert x.item(flat) == x.item(flat - values.size) == values.item(flat)
    if at:
        assert x.item(*at) == x.item(at) == values.item(at)
    with pytest.raises((IndexError, ValueError)):
        x.item(values.size)
    if values.size != 1:
        with pytest.raises(ValueError, match="one element"):
            x.item()


@given(arrays())
def test_in(drawn: tuple[np.ndarray, dnd.DNDarray]) -> None:
    values, x = drawn
    assert (0 in x) is (values.size > 0)
    assert (values.size - 1.0 in x) is (values.size > 0)
    assert -1 not in x


@given(arrays(), st.sampled_from(["int64", "uint64", "float32", "int8", "complex128", "complex64"]))
def test_view(drawn: tuple[np.ndarray, dnd.DNDarray], dtype: str) -> None:
    """The same bytes in another type; the wider ones need parts of an even number."""
    values, x = drawn
    try:
        expected = values.view(dtype)
    except ValueError:
        with pytest.raises(ValueError, match="view|whole numbers"):
            x.view(dtype)
        return
    try:
        viewed = x.view(dtype)
    except ValueError as error:
        assert dtype == "complex128" and x.layout.grid_axis(values.ndim - 1) is not None
        assert "resplit" in str(error)
        return
    assert np.array_equal(viewed.larray.numpy(), expected[tuple(slice(*b) for b in viewed.layout.box(x.comm.rank))])
    if values.size:
        assert (
            viewed.larray.untyped_storage().data_ptr() == x.larray.untyped_storage().data_ptr() or not x.larray.numel()
        )


def test_casting() -> None:
    x = dnd.ones(5, split=0)
    assert x.astype("float64", casting="safe").dtype is torch.float64
    for casting in ("no", "equiv", "safe", "same_kind"):
        with pytest.raises(TypeError, match="can_cast"):
            x.astype("int32", casting=casting)
    assert x.astype("float32", copy=False) is x


def test_choice() -> None:
    values = np.arange(12.0).reshape(4, 3)
    x = dnd.array(values, split=0)
    compare_part(
        x.compress([True, False, True, True], axis=0), values.compress([True, False, True, True], axis=0), 0, 0
    )
    assert x.put([0, 5], [-1.0, -2.0]) is None
    values.put([0, 5], [-1.0, -2.0])
    compare_part(x, values, 0, 0)
    compare_part(x.repeat(2, axis=1), values.repeat(2, axis=1), 0, 0)
    compare_part(x.dot(x.T), values.dot(values.T), 1e-14, 0)
    assert x.trace().item() == values.trace()


def test_numbers_that_the_type_does_not_hold() -> None:
    """They raise, where torch would wrap them around."""
    x = dnd.zeros((4, 2), "uint8", split=0)
    for wrong in (
        lambda: x.fill(256),
        lambda: x.__setitem__((0, 0), -1),
        lambda: dnd.array([1, 300], dtype="uint8"),
        lambda: dnd.array(-1, dtype="uint32"),
        lambda: dnd.full(3, 2**31, "int32"),
        lambda: x + 300,
    ):
        with pytest.raises(OverflowError, match="out of range"):
            wrong()
    compare_part(x, np.zeros((4, 2), np.uint8), 0, 0)
    assert dnd.array([2**63, 2**64 - 1]).dtype is torch.uint64
