"""`at` and `reduceat` of ufuncs: any layout of array and indices, what they communicate, mistakes on all processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity.driver import place
from strategies import layouts

import dndarray as dnd
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives


@given(st.data())
def test_at_in_any_layout(data: st.DataObject) -> None:
    size = dnd.get_comm().size
    shape = data.draw(st.sampled_from([(9,), (5, 4), (3, 2, 4)]))
    many = data.draw(st.integers(0, 12))
    seed = data.draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    indexed = data.draw(st.integers(1, len(shape)))
    index = tuple(rng.integers(-n, n, many) for n in shape[:indexed])
    new = rng.normal(size=(many, *shape[indexed:]))
    name = data.draw(st.sampled_from(["add", "subtract", "maximum", "divide"]))
    expected = rng.normal(size=shape)
    x = place(expected, data.draw(layouts(shape, size)))
    before = x.layout
    key = tuple(dnd.array(i, split=data.draw(st.sampled_from([None, 0]))) for i in index)
    getattr(np, name).at(x, key, place(new, data.draw(layouts(new.shape, size))))
    getattr(np, name).at(expected, index, new)
    assert x.layout is before
    assert_allclose(x, expected, rtol=1e-12)


@given(st.data())
def test_reduceat_in_any_layout(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(11,), (5, 4), (3, 2, 6)]))
    axis = data.draw(st.integers(0, len(shape) - 1))
    index = data.draw(st.lists(st.integers(0, shape[axis] - 1), max_size=9))
    indices = np.array(index, dtype=np.int64)
    value = np.random.default_rng(len(index)).integers(-9, 9, shape)
    x = place(value, data.draw(layouts(shape, dnd.get_comm().size)))
    name = data.draw(st.sampled_from(["add", "subtract", "minimum", "bitwise_xor"]))
    split = data.draw(st.sampled_from([None, 0]))
    result = getattr(np, name).reduceat(x, dnd.array(indices, split=split), axis=axis)
    assert result.split == x.split
    assert_array_equal(result, getattr(np, name).reduceat(value, indices, axis=axis))


def test_repeated_indices_take_their_turns() -> None:
    x = dnd.array(np.array([2.0, 3.0, 5.0]), split=0)
    np.power.at(x, dnd.array([1, 1, 0, 1], split=0), np.array([2.0, 0.5, 3.0, 2.0]))
    assert_allclose(x, np.array([8.0, 9.0, 5.0]), rtol=1e-12)
    flags = dnd.zeros(4, dtype="int64", split=0)
    np.negative.at(flags, [0, 0, 1])
    np.logical_or.at(flags, [2, 2, 3], [0, 7, 0])
    assert_array_equal(flags, np.array([0, 0, 1, 0]))


def test_results_and_options_of_reduceat() -> None:
    value = np.arange(8, dtype=np.uint8)
    x = dnd.array(value, split=0)
    assert np.add.reduceat(x, [0, 4]).dtype is dnd.uint64
    out = dnd.zeros(2, dtype="float32", split=0)
    assert np.add.reduceat(x, [0, 4], dtype="float32", out=out) is out
    assert_array_equal(out, np.array([6, 22], dtype=np.float32))


@pytest.mark.parametrize(("spread", "allowed"), [(None, 1), (0, 3)])
def test_what_is_communicated(spread: int | None, allowed: int) -> None:
    x = dnd.ones(1000, split=0)
    index = dnd.array(np.arange(0, 1000, 3) // 2, split=spread)
    distributed = dnd.get_comm().size > 1
    with count_collectives() as counted:
        np.add.reduceat(x, [0, 10, 500] if spread is None else [0])
    assert sum(counted.calls.values()) == distributed
    with count_collectives() as counted:
        np.add.at(x, index, 1.0)
    # Processes agree on whether all indices are in range only where they are spread.
    assert sum(n for name, n in counted.calls.items() if "lltoall" in name) <= allowed * distributed
    assert not distributed or sum(counted.calls.values()) <= allowed + 1


def test_memory_of_reduceat_is_that_of_the_parts() -> None:
    value = np.arange(50_000.0)
    starts = np.arange(0, 50_000, 7)
    result = np.add.reduceat(dnd.array(value, split=0), dnd.array(starts, split=0))
    assert_allclose(result, np.add.reduceat(value, starts), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.add.at(x, [0, 9], 1), IndexError),
        (lambda x: np.add.at(x, dnd.array([0, 9], split=0), 1), IndexError),
        (lambda x: np.add.at(x, [0.5], 1), IndexError),
        (lambda x: np.add.at(x, [0, 1], [1, 2, 3]), ValueError),
        (lambda x: np.add.at(x, [0], 1j), TypeError),
        (lambda x: np.power.at(x, [0, 1], dnd.array([2, -2], split=0)), ValueError),
        (lambda x: np.add.at(np.zeros(3), [0], x[:1]), TypeError),
        (lambda x: np.add.reduceat(x, [0, 5]), IndexError),
        (lambda x: np.add.reduceat(x, dnd.array([0, -1], split=0)), IndexError),
        (lambda x: np.add.reduceat(x, [[0]]), TypeError),
        (lambda x: np.add.reduceat(x, [0.0]), TypeError),
        (lambda x: np.power.reduceat(x, [0]), TypeError),
        (lambda x: np.maximum.reduceat(x.astype("complex128"), [0]), TypeError),
    ],
)
def test_mistakes_on_all_processes(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(dnd.array([1, 2, 3, 4, 5], split=0))


@pytest.mark.parametrize("split", [None, 0])
def test_negative_powers_of_integers_raise_on_all_processes(split: int | None) -> None:
    x = dnd.array([1, 2, 3, 4, 5], split=split)
    exponents = dnd.array([1, 0, 2, 3, -1], split=split)
    for call in (lambda: x**exponents, lambda: x.__ipow__(exponents), lambda: 2**exponents, lambda: x**-1):
        with pytest.raises(ValueError, match="negative integer powers"):
            call()
    with pytest.raises(ValueError, match="negative integer powers"):
        dnd.power(x, exponents, where=x > 4)
    assert_array_equal(dnd.power(x, abs(exponents)), np.array([1, 1, 9, 64, 5]))
    assert_array_equal(dnd.power(x, exponents, where=x < 5), np.array([1, 1, 9, 64, 0]))
    assert_allclose(x.astype("float64") ** exponents, np.array([1, 1, 9, 64, 0.2]), rtol=1e-15)


def test_what_powers_cost() -> None:
    x = dnd.array([1, 2, 3, 4, 5], split=0)
    with count_collectives() as counted:
        _ = x**2, x.astype("float64") ** x
    assert not counted.calls
    with count_collectives() as counted:
        _ = x**x
    assert sum(counted.calls.values()) == (dnd.get_comm().size > 1)
