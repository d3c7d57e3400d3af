"""Sorting and searching: where the elements go, what is communicated, ties, and how much any process holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray import sample_sort, searching
from dndarray.layout import Grid, Layout
from dndarray.sample_sort import Route
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE = COMM.size


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    box = tuple(slice(*bounds) for bounds in layout.box(COMM.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, COMM)


def numbers(shape: Any, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape, scale=1000).astype(dtype)


WORST = {
    "all equal": np.full(999, 7.0),
    "in order": np.arange(999.0),
    "reversed": np.arange(999.0)[::-1],
    "two values": np.arange(999) % 2 * 1.0,
    "mostly one value": np.where(np.arange(999) % 10 == 0, numbers(999), 3.0),
    "NaN": np.where(np.arange(999) % 3 == 0, np.nan, numbers(999)),
    "only NaN": np.full(999, np.nan),
    "infinite": np.where(np.arange(999) % 3 == 0, np.inf, -np.inf),
    "signed zeros": np.where(np.arange(999) % 3 == 0, -0.0, 0.0),
    "extreme": np.resize([np.finfo(float).max, np.finfo(float).tiny, -np.finfo(float).max, 5e-324], 999),
}


@st.composite
def drawn(draw: st.DrawFn) -> tuple[np.ndarray, Layout, int]:
    """Values with many ties, some NaN, in any layout, and an axis."""
    shape = draw(st.lists(st.integers(0, 7), min_size=1, max_size=3).map(tuple))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(-2, 3, shape) + np.where(rng.uniform(size=shape) < 0.1, np.nan, 0.0)
    return values, draw(layouts(shape, SIZE)), draw(st.integers(-len(shape), len(shape) - 1))


class TestResults:
    @given(drawn())
    def test_any_layout(self, given: tuple[np.ndarray, Layout, int]) -> None:
        values, layout, axis = given
        x = placed(values, layout)
        for ours, theirs in (
            (dnd.sort(x, axis), np.sort(values, axis)),
            (dnd.argsort(x, axis), np.argsort(values, axis, kind="stable")),
            (dnd.lexsort((x, -x), axis), np.lexsort((values, -values), axis)),
        ):
            assert_array_equal(ours, theirs)
            assert ours.layout is layout

    @pytest.mark.parametrize("name", WORST)
    def test_worst_cases(self, name: str) -> None:
        values = WORST[name]
        x = dnd.array(values, split=0)
        assert_array_equal(dnd.sort(x), np.sort(values))
        assert_array_equal(dnd.argsort(x), np.argsort(values, kind="stable"))
        assert_array_equal(dnd.sort(x, descending=True), np.sort(values)[::-1])
        assert_array_equal(dnd.argsort(x, descending=True), 998 - np.argsort(values[::-1], kind="stable")[::-1])

    @pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "uint32", "uint64", "int64", "float16", "complex64"])
    def test_every_width_to_its_limits(self, dtype: str) -> None:
        rng = np.random.default_rng(1)
        values = rng.integers(0, 256, (61, np.dtype(dtype).itemsize), dtype=np.uint8).view(dtype).reshape(-1)
        values = np.nan_to_num(values) if values.dtype.kind in "fc" else values
        x = dnd.array(values, split=0)
        assert_array_equal(dnd.sort(x), np.sort(values))
        assert_array_equal(dnd.argsort(x), np.argsort(values, kind="stable"))

    def test_bfloat16_which_numpy_does_not_have(self) -> None:
        values = torch.from_numpy(numbers(50, np.float32)).to(torch.bfloat16)
        x = dnd.array(values, split=0)
        assert torch.equal(dnd.sort(x).torch(), values.sort().values)

    def test_complex_nan_come_last_in_four_kinds(self) -> None:
        parts = [1.0, 2.0, np.nan]
        kinds = np.array([complex(a, b) for a in parts for b in parts] * 3)
        for dtype in (np.complex64, np.complex128):
            values = kinds.astype(dtype)
            order = np.argsort(values, kind="stable")
            assert_array_equal(dnd.argsort(dnd.array(values, split=0)), order)

    def test_large(self) -> None:
        """Beyond the sizes at which torch's radix sort, and whole segments, take over."""
        values = numbers((150_000, 2), np.float32).round()
        x = dnd.array(values, split=0)
        assert_array_equal(dnd.sort(x, 0), np.sort(values, 0))
        assert_array_equal(dnd.argsort(x, 0), np.argsort(values, 0, kind="stable"))

    def test_ties_of_a_gradient_go_by_index(self) -> None:
        x = dnd.array(np.array([2.0, 1.0, 2.0, 1.0, 2.0]), split=0).requires_grad_()
        (dnd.sort(x) * dnd.arange(5)).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [2, 0, 3, 1, 4]


class TestCommunication:
    @pytest.mark.parametrize("shape", [(4000,), (4000, 1), (4000, 7), (4000, 2, 3)])
    @pytest.mark.parametrize(("dtype", "reductions"), [("uint8", 2), ("float32", 5), ("int64", 9), ("complex64", 9)])
    def test_one_exchange_whatever_the_columns(self, shape: tuple[int, ...], dtype: str, reductions: int) -> None:
        x = dnd.array(numbers(shape).astype(dtype), split=0)
        expected = {"Allreduce": reductions, "Exscan": 1, "Alltoall": 2} if SIZE > 1 else {}
        for function in (dnd.sort, dnd.argsort):
            with count_collectives() as counted:
                function(x, 0)
            assert counted.calls == expected

    def test_many_columns_probe_in_twice_as_many_rounds(self) -> None:
        x = dnd.array(numbers((9000, 40)), split=0)
        with count_collectives() as counted:
            dnd.sort(x, 0)
        assert counted.calls == ({"Allreduce": 17, "Exscan": 1, "Alltoall": 2} if SIZE > 1 else {})

    def test_many_short_columns_are_made_whole(self) -> None:
        x = dnd.array(numbers((5, 3000)), split=0)
        with count_collectives() as counted:
            ours = dnd.sort(x, 0)
        assert counted.calls == ({"Alltoall": 2} if SIZE > 1 else {})
        assert_array_equal(ours, np.sort(numbers((5, 3000)), 0))
        assert ours.layout is x.layout

    def test_none_along_a_whole_axis(self) -> None:
        x = dnd.array(numbers((40, 7)), split=0)
        with count_collectives() as counted:
            dnd.sort(x, 1), dnd.argsort(x, 1), dnd.lexsort((x, x), 1)
        assert counted.total == 0

    def test_keys_of_lexsort_travel_together(self) -> None:
        x = dnd.array(numbers(50, np.float32), split=0)
        with count_collectives() as counted:
            dnd.lexsort((x, x, x))
        assert counted.calls == ({"Allreduce": 13, "Exscan": 1, "Alltoall": 2} if SIZE > 1 else {})

    @pytest.mark.parametrize("name", WORST)
    def test_nobody_gets_more_than_the_layout_says(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        received = []
        travel = Route.__call__

        def watched(route: Route, *tensors: torch.Tensor) -> list[torch.Tensor]:
            received.append(int(route.receives.sum()))
            return travel(route, *tensors)

        monkeypatch.setattr(sample_sort.Route, "__call__", watched)
        counts = [0] * SIZE
        counts[-1], counts[0] = 499, 500 if SIZE > 1 else 999
        if SIZE == 1:
            counts = [999]
        layout = Layout((999,), Grid(SIZE), 0, [counts])
        dnd.sort(placed(WORST[name], layout))
        assert received == ([] if SIZE == 1 else [counts[COMM.rank]])


class TestErrors:
    @pytest.mark.parametrize(
        "options", [{"kind": "x"}, {"order": "f"}, {"kind": "stable", "stable": True}, {"axis": 2}, {"axis": -3}]
    )
    @pytest.mark.parametrize("name", ["sort", "argsort"])
    def test_arguments(self, name: str, options: dict[str, Any]) -> None:
        x = dnd.zeros((4, 2), split=0)
        with count_collectives() as counted, pytest.raises(ValueError):
            getattr(dnd, name)(x, **options)
        assert counted.total == 0

    def test_lexsort(self) -> None:
        with pytest.raises(TypeError, match="one key"):
            dnd.lexsort([])
        with pytest.raises(ValueError, match="one shape"):
            dnd.lexsort((dnd.zeros(3, split=0), dnd.zeros(4)))


class TestSearching:
    def sorted_in(self, counts: Sequence[int]) -> tuple[np.ndarray, dnd.DNDarray]:
        values = np.sort(np.random.default_rng(0).integers(0, 20, sum(counts)))
        return values, placed(values, Layout(values.shape, Grid(SIZE), 0, [counts]))

    @given(st.lists(st.integers(0, 5), min_size=SIZE, max_size=SIZE), st.sampled_from(["left", "right"]), st.data())
    def test_any_layout(self, counts: list[int], side: str, data: st.DataObject) -> None:
        values, a = self.sorted_in(counts)
        wanted = np.random.default_rng(1).integers(-1, 21, (5, 4))
        layout = data.draw(layouts((5, 4), SIZE))
        ours = dnd.searchsorted(a, placed(wanted, layout), side)
        assert_array_equal(ours, np.searchsorted(values, wanted, side))
        assert ours.layout is layout

    @pytest.mark.parametrize("table", [5, 2**20])
    def test_communication(self, table: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "TABLE", table)
        values, a = self.sorted_in([5] * SIZE)
        wanted = np.arange(30)
        brought = {"Allgather": 1} if len(values) <= table else None
        for x, expected in (
            (dnd.array(wanted, split=0), brought or {"Allgather": 1, "Allreduce": 1, "Alltoall": 3}),
            (dnd.array(wanted), brought or {"Allreduce": 1}),
        ):
            with count_collectives() as counted:
                dnd.searchsorted(a, x)
            assert counted.calls == (expected if SIZE > 1 else {})
        x = dnd.array(wanted, split=0)
        with count_collectives() as counted:
            dnd.searchsorted(values, x), dnd.digitize(x, [1, 5, 7]), dnd.bucketize(x, [1, 5, 7])
        assert counted.total == 0

    def test_what_all_ask_of_one_is_asked_a_share_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "TABLE", 4)
        monkeypatch.setattr(searching, "_ROUND", 64)
        values, a = self.sorted_in([5] * SIZE)
        x = dnd.full(400, 3, dtype=dnd.int64, split=0)
        with count_collectives() as counted:
            ours = dnd.searchsorted(a, x)
        assert_array_equal(ours, np.searchsorted(values, np.full(400, 3)))
        assert counted.calls == ({"Allgather": 1, "Allreduce": 1, "Alltoall": 21} if SIZE > 1 else {})

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="side"):
            dnd.searchsorted([1, 2], 1, side="middle")
        with pytest.raises(ValueError, match="one dimension"):
            dnd.searchsorted(dnd.zeros((2, 2), split=0), 1)
        with pytest.raises(ValueError, match="order"):
            dnd.digitize([1], dnd.array([1, 3, 2], split=0))
        with pytest.raises(TypeError, match="real"):
            dnd.digitize(dnd.zeros(3, dtype=dnd.complex64), [1, 2])
