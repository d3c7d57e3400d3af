"""Whole arrays and overlapping windows, dealt out to the processes."""

from __future__ import annotations

import numpy as np
import pytest
import strategies
import torch
from file_cases import spread, values
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray import dealing
from dndarray.dealing import deal, map_windows, windows
from dndarray.layout import balanced_counts
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
SHAPES = strategies.shapes().filter(len)


@given(st.data())
def test_dealt_arrays_are_whole_and_in_order(data):
    n = data.draw(st.integers(0, 6))
    shapes = [data.draw(SHAPES) for _ in range(n)]
    types = ["float64", "float32", "int64"]
    wholes = [values(shape, types[i % 3]) + i for i, shape in enumerate(shapes)]
    arrays = [spread(w, data.draw(strategies.layouts(w.shape, COMM.size))) for w in wholes]
    found = deal(arrays)
    counts = balanced_counts(n, COMM.size)
    assert [i for i, _ in found] == list(range(n))[sum(counts[: COMM.rank]) :][: counts[COMM.rank]]
    for i, x in found:
        assert x.comm.size == 1
        np.testing.assert_array_equal(x.numpy(), wholes[i])
        assert x.numpy().dtype == wholes[i].dtype


def by_hand(whole: np.ndarray, window: list[int], overlap: list[int]) -> np.ndarray:
    """Two passes, one axis of windows at a time, with the windows of the definition."""
    result = np.empty_like(whole)
    for box in windows(whole.shape, window, overlap):
        seen = whole[tuple(slice(*side) for side in box.read)]
        inside = tuple(slice(u - s, v - s) for (u, v), (s, _) in zip(box.kept, box.read, strict=True))
        result[tuple(slice(*side) for side in box.kept)] = (2 * seen + seen.max(initial=0))[inside]
    return result


@given(st.data())
def test_windows_do_not_depend_on_the_layout(data):
    shape = data.draw(SHAPES)
    whole = values(shape)
    layout = data.draw(strategies.layouts(shape, COMM.size))
    window = [data.draw(st.integers(1, 5)) for _ in shape]
    overlap = [data.draw(st.integers(0, w - 1)) for w in window]
    found = map_windows(lambda t: 2 * t + t.max().clamp(min=0), spread(whole, layout), window=window, overlap=overlap)
    assert found.layout is layout and found.dtype is dnd.float64
    np.testing.assert_array_equal(found.numpy(), by_hand(whole, window, overlap))


def test_windows_have_one_length_cover_the_array_and_are_cut_in_the_middle():
    assert [(w.read[0], w.kept[0]) for w in windows([512], [256], [4])] == [
        ((0, 256), (0, 254)),
        ((252, 508), (254, 382)),
        ((256, 512), (382, 512)),
    ]
    assert [(w.read[0], w.kept[0]) for w in windows([7], [10], [4])] == [((0, 7), (0, 7))]
    assert [w.kept[0] for w in windows([6], [2], [0])] == [((0, 2)), (2, 4), (4, 6)]


def test_several_arrays_are_seen_in_the_same_window():
    a, b = values((7, 6)), values((7, 6)) ** 2
    found = map_windows(torch.add, dnd.array(a, split=0), dnd.array(b, split=0), window=[3, 4], overlap=[1, 2])
    np.testing.assert_array_equal(found.numpy(), a + b)


def test_memory_for_few_windows_at_a_time(monkeypatch):
    whole = values((40, 3))
    x = dnd.array(whole, split=0)
    calls = []

    def func(t: torch.Tensor) -> torch.Tensor:
        calls.append(t.shape)
        return -t

    with count_collectives() as one:
        map_windows(func, x, window=[4, 3], overlap=[0, 0])
    assert len(calls) == balanced_counts(10, COMM.size)[COMM.rank]
    monkeypatch.setattr(dealing, "ROUND", 4 * 3 * 8 * 2)
    with count_collectives() as several:
        found = map_windows(func, x, window=[4, 3], overlap=[0, 0])
    np.testing.assert_array_equal(found.numpy(), -whole)
    assert one.calls.get("Allgather", 0) == (COMM.size > 1)
    assert one.calls.get("Alltoall", 0) <= 2
    rounds = -(-balanced_counts(10, COMM.size)[0] // 2)
    assert several.calls.get("Allgather", 0) == (rounds if COMM.size > 1 else 0)
    assert several.calls.get("Alltoall", 0) <= 2 * rounds


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [([3], [0, 0], "`window`"), ([3, 3], [0], "`overlap`"), ([3, 3], [0, 3], "less than"), ([3, 3], [-1, 0], "0 or")],
)
def test_lengths_that_make_no_sense(window, overlap, message):
    with pytest.raises(ValueError, match=message):
        map_windows(torch.neg, dnd.zeros((4, 4), split=0), window=window, overlap=overlap)


def test_what_fails_for_one_window_fails_everywhere():
    def func(t: torch.Tensor) -> torch.Tensor:
        if t[0, 0] == 0:
            raise ArithmeticError("the first window")
        return t

    with pytest.raises(ArithmeticError, match="the first window"):
        map_windows(func, dnd.arange(16.0, split=0).reshape(4, 4), window=[2, 2], overlap=[0, 0])
    with pytest.raises(ValueError, match="must return the shape"):
        map_windows(lambda t: t[1:], dnd.zeros((4, 4), split=0), window=[2, 2], overlap=[0, 0])
    with pytest.raises(ValueError, match="one layout"):
        x, y = dnd.zeros((4, 4), split=0), dnd.zeros((4, 4), split=1)
        map_windows(torch.add, x, y, window=[2, 2], overlap=[0, 0])
