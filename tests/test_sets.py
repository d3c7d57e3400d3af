"""Sets: where what is distinct lies, how evenly, what is communicated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray import searching
from dndarray.layout import Layout
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE = COMM.size


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    box = tuple(slice(*bounds) for bounds in layout.box(COMM.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, COMM)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[np.ndarray, Layout]:
    shape = draw(st.lists(st.integers(0, 6), max_size=3).map(tuple))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(-2, 4, shape) + np.where(rng.uniform(size=shape) < 0.1, np.nan, 0.0)
    return values, draw(layouts(shape, SIZE))


class TestResults:
    @given(drawn(), st.booleans())
    def test_unique_in_any_layout(self, given: tuple[np.ndarray, Layout], equal_nan: bool) -> None:
        values, layout = given
        x = placed(values, layout)
        ours = dnd.unique(x, True, True, True, equal_nan=equal_nan)
        for mine, theirs in zip(ours, np.unique(values, True, True, True, equal_nan=equal_nan), strict=True):
            assert_array_equal(mine, theirs)
        assert ours[0].layout.is_dealt == layout.is_dealt
        assert ours[2].layout is layout

    @given(drawn(), drawn())
    def test_two_sets_in_any_layouts(self, one: tuple[np.ndarray, Layout], two: tuple[np.ndarray, Layout]) -> None:
        x, y = placed(*one), placed(*two)
        for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d"):
            ours = getattr(dnd, name)(x, y)
            assert_array_equal(ours, getattr(np, name)(one[0], two[0]))
            assert ours.layout.is_dealt == (one[1].is_dealt or two[1].is_dealt)
        ours = dnd.isin(x, y)
        assert_array_equal(ours, np.isin(one[0], two[0]))
        assert ours.layout is one[1]

    @pytest.mark.parametrize("distinct", [100, 10**9])
    @pytest.mark.parametrize("dtype", [np.int64, np.float32])
    def test_large(self, distinct: int, dtype: Any) -> None:
        """More than is sorted at a time."""
        values = np.random.default_rng(0).integers(0, distinct, 300_000 * SIZE).astype(dtype)
        assert_array_equal(dnd.unique(dnd.array(values, split=0)), np.unique(values))

    def test_rows_of_many_columns(self) -> None:
        values = np.random.default_rng(0).integers(0, 2, (60, 40)) * np.repeat([0, 1], 20)
        for split in (0, 1):
            ours = dnd.unique(dnd.array(values, split=split), True, True, True, axis=0)
            for mine, theirs in zip(ours, np.unique(values, True, True, True, axis=0), strict=True):
                assert_array_equal(mine, np.asarray(theirs))

    def test_a_small_set_is_looked_up_where_the_elements_are(self) -> None:
        x = dnd.arange(40, split=0)
        with count_collectives() as counted:
            ours = dnd.isin(x, [3, 39, 50])
        assert counted.total == 0
        assert dnd.nonzero(ours)[0].tolist() == [3, 39]


class TestSpread:
    """Everybody gets a fair share, whatever the values."""

    CASES = {
        "distinct": np.arange(4000)[::-1],
        "in order": np.arange(4000),
        "clustered": np.exp(np.random.default_rng(0).normal(size=4000) * 20),
        "few": np.arange(4000) % 5,
    }

    @pytest.mark.parametrize("name", CASES)
    def test_parts_of_unique(self, name: str) -> None:
        values = self.CASES[name]
        ours = dnd.unique(dnd.array(values, split=0))
        assert_array_equal(ours, np.unique(values))
        assert max(ours.lshape_map[:, 0]) <= max(2 * ours.size / SIZE, ours.size if name == "few" else 1)

    def test_many_nan_that_are_not_equal(self) -> None:
        values = np.full(4000, np.nan)
        ours = dnd.unique(dnd.array(values, split=0), equal_nan=False)
        assert ours.shape == (4000,)
        assert max(ours.lshape_map[:, 0]) <= 2 * 4000 / SIZE


class TestCommunication:
    FULL = {"Allgather": 2, "Alltoall": 2}

    @pytest.mark.parametrize(
        ("call", "expected"),
        [
            (dnd.unique, FULL),
            (lambda x: dnd.unique(x, return_counts=True), FULL),
            (lambda x: dnd.unique(x, True, True, True), {**FULL, "Alltoall": 3}),
            (lambda x: dnd.union1d(x, x), FULL),
            (lambda x: dnd.setxor1d(x, [1, 2]), FULL),
            (lambda x: dnd.isin(x, x), {"Allgather": 1}),
        ],
    )
    def test_calls(self, call: Any, expected: dict[str, int]) -> None:
        for n in (50, 5000):
            x = dnd.array(np.arange(n) % 37, split=0)
            with count_collectives() as counted:
                call(x)
            assert counted.calls == (expected if SIZE > 1 else {})

    def test_calls_of_isin_with_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "TABLE", 40)
        self.test_calls(lambda x: dnd.isin(x, x), {"Allgather": 1, "Alltoall": 3})

    def test_order_does_not_matter_to_values(self) -> None:
        x = dnd.array(np.arange(60).reshape(3, 20) % 7, split=1)
        with count_collectives() as counted:
            dnd.unique(x)
        assert counted.calls == (self.FULL if SIZE > 1 else {})

    def test_what_is_replicated_stays_so(self) -> None:
        x = dnd.array([3, 1, 3])
        with count_collectives() as counted:
            ours = dnd.unique(x, True, True, True)
        assert counted.total == 0
        assert all(not part.layout.is_dealt for part in ours)

    def test_bytes_are_those_of_what_is_distinct(self) -> None:
        x = dnd.array(np.arange(40_000) % 9, split=0)
        with count_collectives() as counted:
            dnd.unique(x)
        assert counted.bytes < 20_000
