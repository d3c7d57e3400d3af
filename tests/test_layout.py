"""Who owns which index. Pure integers: NumPy is the oracle, and one process plays all of them."""

from __future__ import annotations

import copy
import math
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrangements, counts, layouts, shapes

import dndarray as dnd
from dndarray.layout import Box, Grid, Layout, balanced_counts, is_local, moves, normalize_axes, normalize_axis

SIZES = st.integers(1, 7)


@st.composite
def any_layout(draw: st.DrawFn) -> Layout:
    return draw(layouts(draw(shapes()), draw(SIZES)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Layout, Layout, tuple[int, ...]]:
    """Two layouts of one array over as many processes, and axes that are mirrored on the way."""
    shape, size = draw(shapes()), draw(SIZES)
    flips = draw(st.sets(st.integers(0, len(shape) - 1))) if shape else ()
    return draw(layouts(shape, size)), draw(layouts(shape, size)), tuple(sorted(flips))


def slices(box: Box, origin: Box | None = None) -> tuple[slice, ...]:
    firsts = [0] * len(box) if origin is None else [start for start, _ in origin]
    return tuple(slice(start - first, stop - first) for (start, stop), first in zip(box, firsts, strict=True))


# --- counts and grids -----------------------------------------------------------------------------------------


@given(st.integers(0, 100), st.integers(1, 20))
def test_balanced_counts_are_those_of_array_split(n: int, parts: int) -> None:
    assert balanced_counts(n, parts) == tuple(len(part) for part in np.array_split(np.arange(n), parts))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_ranks_stand_on_the_grid_in_row_major_order(shape: list[int]) -> None:
    grid = Grid(shape)
    assert (grid.size, grid.ndim) == (math.prod(shape), len(shape))
    for rank in range(grid.size):
        assert grid.coordinates(rank) == np.unravel_index(rank, shape)
        assert grid.rank(grid.coordinates(rank)) == rank


@given(st.integers(1, 60), st.integers(1, 4))
def test_squarest(size: int, ndim: int) -> None:
    shape = Grid.squarest(size, ndim).shape
    assert len(shape) == ndim
    assert math.prod(shape) == size
    assert list(shape) == sorted(shape, reverse=True)


def test_squarest_of_two_axes_differs_least() -> None:
    for size in range(1, 100):
        rows, columns = Grid.squarest(size, 2).shape
        assert rows - columns == min(size // n - n for n in range(1, math.isqrt(size) + 1) if size % n == 0)


# --- boxes ----------------------------------------------------------------------------------------------------


@given(any_layout())
def test_each_index_lies_on_as_many_processes_as_there_are_replicas(layout: Layout) -> None:
    owners = np.zeros(layout.shape, dtype=int)
    for rank in range(layout.grid.size):
        owners[slices(layout.box(rank))] += 1
    assert (owners == math.prod(p for p, a in zip(layout.grid.shape, layout.axes, strict=True) if a is None)).all()


@given(any_layout())
def test_a_box_is_what_splitting_axis_after_axis_leaves(layout: Layout) -> None:
    whole = np.arange(layout.size).reshape(layout.shape)
    for rank in range(layout.grid.size):
        part = whole
        for g, c in enumerate(np.unravel_index(rank, layout.grid.shape)):
            if layout.axes[g] is not None:
                part = np.split(part, np.cumsum(layout.counts[g])[:-1], layout.axes[g])[c]
        np.testing.assert_array_equal(whole[slices(layout.box(rank))], part)
        assert layout.lshape(rank) == part.shape


@given(any_layout())
def test_replicas_hold_the_same(layout: Layout) -> None:
    for rank in range(layout.grid.size):
        same = [r for r in range(layout.grid.size) if layout.box(r) == layout.box(rank)]
        assert list(layout.replicas(rank)) == same


@given(any_layout())
def test_what_is_said_of_counts(layout: Layout) -> None:
    parts = list(zip(layout.grid.shape, layout.axes, layout.counts, layout.offsets, strict=True))
    for p, a, count, offsets in parts:
        if a is None:
            assert count is offsets is None
        else:
            assert len(count) == p
            assert offsets == (0, *np.cumsum(count))
            assert layout.grid_axis(a) == layout.axes.index(a)
    assert layout.is_distributed == any(a is not None and p > 1 for p, a, _, _ in parts)
    assert layout.is_balanced == (layout is Layout(layout.shape, layout.grid, layout.axes))
    assert layout.is_balanced == (layout is layout.balanced())
    for a in range(layout.ndim):
        assert (layout.grid_axis(a) is None) == (a not in layout.axes)


@given(any_layout(), st.data())
def test_permuted_layouts_hold_permuted_arrays(layout: Layout, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(layout.ndim)))
    whole = np.arange(layout.size).reshape(layout.shape)
    permuted = layout.permute(order)
    for rank in range(layout.grid.size):
        part = whole[slices(layout.box(rank))].transpose(order)
        np.testing.assert_array_equal(whole.transpose(order)[slices(permuted.box(rank))], part)


@given(any_layout(), st.data())
def test_axes_that_are_not_dealt_any_more_are_whole(layout: Layout, data: st.DataObject) -> None:
    axes = data.draw(st.sets(st.integers(0, layout.ndim - 1))) if layout.ndim else set()
    undealt = layout.undeal(*axes)
    for rank in range(layout.grid.size):
        boxes = zip(layout.shape, layout.box(rank), strict=True)
        expected = [(0, n) if a in axes else box for a, (n, box) in enumerate(boxes)]
        assert undealt.box(rank) == tuple(expected)
    assert layout.undeal(*range(layout.ndim)) is layout.replicated()


# --- equal layouts are one object -----------------------------------------------------------------------------


@given(any_layout())
def test_equal_layouts_are_one_object(layout: Layout) -> None:
    again = Layout(list(layout.shape), Grid(list(layout.grid.shape)), layout.split, layout.counts)
    assert again is layout
    assert {layout: "found"}[again] == "found"
    assert pickle.loads(pickle.dumps(layout)) is layout
    assert copy.copy(layout) is copy.deepcopy(layout) is layout
    assert copy.deepcopy({"a": [layout]})["a"][0] is layout


@given(shapes().filter(len), SIZES)
def test_one_layout_has_one_name(shape: tuple[int, ...], size: int) -> None:
    layout = Layout(shape, Grid(size), 0)
    last = len(shape)
    assert layout is Layout(shape, Grid((size,)), -last)
    assert layout is Layout(shape, Grid(size), (0,))
    assert layout is Layout(shape, Grid(size), np.int64(0))
    assert layout is Layout(shape, Grid(size), 0, [None])
    assert layout is Layout(shape, Grid(size), 0, [balanced_counts(shape[0], size)])
    assert layout is Layout(shape, Grid(size), 0, [list(balanced_counts(shape[0], size))])
    assert Layout(shape, Grid(size)) is Layout(shape, Grid(size), None)
    assert layout is not Layout(shape, Grid((size, 1)), (0, None))


@given(any_layout())
def test_a_layout_reads_as_what_makes_it(layout: Layout) -> None:
    assert eval(repr(layout)) is layout
    assert eval(repr(layout.grid)) is layout.grid


def test_layouts_are_immutable() -> None:
    layout = Layout((4,), Grid(2), 0)
    for value, name in ((layout, "shape"), (layout, "other"), (layout.grid, "shape")):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(value, name, (5,))
    with pytest.raises((AttributeError, TypeError)):
        del layout.shape
    assert layout.shape == (4,)


def test_a_layout_is_the_same_on_every_process() -> None:
    comm = dnd.get_comm()
    layout = Layout((5, 3), comm.grid, 0)
    assert all(other is layout for other in comm.allgather_object(layout))


# --- moves ----------------------------------------------------------------------------------------------------


@given(pairs())
def test_moves_bring_every_index_where_it_belongs(pair: tuple[Layout, Layout, tuple[int, ...]]) -> None:
    source, target, flips = pair
    whole = np.arange(source.size).reshape(source.shape)
    mirrored = np.flip(whole, flips)
    under_way: dict[tuple[int, int, Box], np.ndarray] = {}
    for rank in range(source.grid.size):
        mine = source.box(rank)
        for peer, box in moves(source, target, rank, flips)[0]:
            assert all(s <= u < v <= t for (s, t), (u, v) in zip(mine, box, strict=True)), "sends what it has"
            assert (rank, peer, box) not in under_way
            under_way[rank, peer, box] = whole[slices(mine)][slices(box, mine)]
    for rank in range(source.grid.size):
        expected = mirrored[slices(target.box(rank))]
        wanted = tuple(
            (n - stop, n - start) if a in flips else (start, stop)
            for a, (n, (start, stop)) in enumerate(zip(target.shape, target.box(rank), strict=True))
        )
        result, times = np.full(expected.shape, -1), np.zeros(expected.shape, dtype=int)
        for peer, box in moves(source, target, rank, flips)[1]:
            result[slices(box, wanted)] = under_way.pop((peer, rank, box))
            times[slices(box, wanted)] += 1
        assert (times == 1).all(), "receives every index once"
        np.testing.assert_array_equal(np.flip(result, flips), expected)
    assert not under_way, "nothing is sent that nobody receives"


@given(pairs())
def test_what_a_process_has_it_gets_from_itself(pair: tuple[Layout, Layout, tuple[int, ...]]) -> None:
    source, target, flips = pair
    for rank in range(source.grid.size):
        for peer, box in moves(source, target, rank, flips)[1]:
            has = all(s <= u and v <= t for (s, t), (u, v) in zip(source.box(rank), box, strict=True))
            assert has == (peer == rank)


def test_replicas_share_the_sending() -> None:
    grid = Grid((2, 4))
    source, target = Layout((8,), grid, (0, None)), Layout((8,), grid)
    sent = Counter(rank for rank in range(8) for peer, _ in moves(source, target, rank)[0] if peer != rank)
    assert set(sent.values()) == {1}


@given(pairs())
def test_a_move_is_local_where_everybody_has_what_it_wants(pair: tuple[Layout, Layout, tuple[int, ...]]) -> None:
    source, target, _ = pair
    ranks = range(source.grid.size)
    stays = all(peer == rank for rank in ranks for peer, _ in moves(source, target, rank)[1])
    if is_local(source, target):
        assert stays
    elif stays:  # only where somebody wants nothing, and wants it from where it has nothing
        assert any(0 in target.lshape(rank) for rank in ranks)
    assert is_local(source, source)
    assert is_local(source.replicated(), target)


def test_layouts_of_other_arrays_or_other_numbers_of_processes_have_no_moves() -> None:
    layout = Layout((4, 3), Grid(2), 0)
    for other in (Layout((3, 4), Grid(2), 0), Layout((4, 3), Grid(3), 0)):
        assert not is_local(layout, other)
        with pytest.raises(ValueError, match="numbers of processes must agree"):
            moves(layout, other, 0)


# --- mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((4, 4), (2, 2), (0, 0)), ValueError, "deals out an axis twice"),
        (((4, 4), (2, 2), (0, -2)), ValueError, "deals out an axis twice"),
        (((4, 4), 2, 2), ValueError, r"`split` \(=2\) must be in \[-2, 2\)"),
        (((4, 4), 2, -3), ValueError, r"`split` \(=-3\) must be in \[-2, 2\)"),
        (((), 2, 0), ValueError, "the array has no axes"),
        (((4, 4), (2, 2), 0), ValueError, "one entry for each of the 2 axes of the grid"),
        (((4, 4), 2, (0, 1)), ValueError, "one entry for each of the 1 axes of the grid"),
        (((4, 4), 2, 0.5), TypeError, "must be an integer"),
        (((4, 4), 2, "rows"), TypeError, "must be an integer"),
        (((-4,), 2), ValueError, r"`shape` \(=\(-4,\)\) must not be negative"),
        (((4,), 2, 0, [[4]]), ValueError, "must be 2 numbers >= 0 that add up to 4"),
        (((4,), 2, 0, [[4, 1]]), ValueError, "must be 2 numbers >= 0 that add up to 4"),
        (((4,), 2, 0, [[5, -1]]), ValueError, "must be 2 numbers >= 0 that add up to 4"),
    ],
)
def test_layouts_that_cannot_be(arguments: tuple, error: type[Exception], message: str) -> None:
    shape, grid, *rest = arguments
    with pytest.raises(error, match=message):
        Layout(shape, Grid(grid), *rest)


@pytest.mark.parametrize("shape", [(), 0, (2, 0), (-1,)])
def test_grids_that_cannot_be(shape: int | tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one axis or more, each with one process or more"):
        Grid(shape)


def test_axes_are_made_regular() -> None:
    assert [normalize_axis(a, 3) for a in (-3, -1, 0, 2, np.int32(1))] == [0, 2, 0, 2, 1]
    assert normalize_axes(None, 2) == (0, 1)
    assert normalize_axes(-1, 2) == (1,)
    assert normalize_axes([1, -2], 2) == (1, 0)
    for axis in (3, -4):
        with pytest.raises(ValueError, match=rf"`axis` \(={axis}\) must be in \[-3, 3\)"):
            normalize_axis(axis, 3)
    with pytest.raises(ValueError, match="names an axis twice"):
        normalize_axes((0, -3), 3)
    with pytest.raises(TypeError, match="must be an integer, got float"):
        normalize_axis(1.0, 3)


@given(st.integers(0, 9), st.integers(1, 5), st.data())
def test_any_counts_will_do(n: int, parts: int, data: st.DataObject) -> None:
    dealt = data.draw(counts(n, parts))
    layout = Layout((n, 2), Grid(parts), 0, [dealt])
    assert [layout.lshape(rank) for rank in range(parts)] == [(c, 2) for c in dealt]


def test_every_grid_is_drawn() -> None:
    assert {grid.shape for grid in arrangements(4)} >= {(4,), (2, 2), (1, 4), (1, 2, 2)}
