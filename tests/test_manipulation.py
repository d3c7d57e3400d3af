"""Rearrangement: what is communicated, where results lie, and errors; beside what the rows of parity/ show."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies
import torch
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE = COMM.size
N = 4 * SIZE + 1


def table(split: Any = 0, grid: Any = None) -> dnd.DNDarray:
    return dnd.array(np.arange(N * 6.0).reshape(N, 6), split=split, grid=grid)


def cost(call: Callable, x: dnd.DNDarray) -> int:
    """The number of collectives of a call; communicators are made by one before."""
    call(x)
    with count_collectives() as traffic:
        call(x)
    return traffic.total


# --- collectives ------------------------------------------------------------------------------------------------------

LOCAL: dict[str, Callable] = {
    "array_split": lambda x: dnd.array_split(x, 3),
    "unstack along another axis": lambda x: dnd.unstack(x, axis=1),
    "tile along another axis": lambda x: dnd.tile(x, (1, 3)),
    "repeat": lambda x: dnd.repeat(x, 3, 0),
    "repeat by an array": lambda x: dnd.repeat(x, np.arange(N), 0),
    "delete": lambda x: dnd.delete(x, [0, 3, -1], 0),
    "delete a slice": lambda x: dnd.delete(x, slice(None, None, 2), 0),
    "insert": lambda x: dnd.insert(x, [0, 5, 2], 1.0, 0),
    "insert replicated values": lambda x: dnd.insert(x, 3, np.ones(6), 0),
    "pad": lambda x: dnd.pad(x, 2),
    "pad with edges": lambda x: dnd.pad(x, 2, "edge"),
    "pad with ramps": lambda x: dnd.pad(x, 2, "linear_ramp"),
    "pad another axis": lambda x: dnd.pad(x, ((0, 0), (7, 8)), "reflect"),
    "windows along another axis": lambda x: dnd.sliding_window_view(x, 3, 1),
    "roll another axis": lambda x: dnd.roll(x, 3, 1),
    "hstack": lambda x: dnd.hstack([x, x]),
    "stack": lambda x: dnd.stack([x, x], 1),
    "atleast_3d": dnd.atleast_3d,
    "rot90": lambda x: dnd.rot90(x, 1),
    "select": lambda x: dnd.select([x > 3], [x], 1.0),
    "copyto": lambda x: dnd.copyto(x, x + 1, where=x > 3),
    "putmask": lambda x: dnd.putmask(x, x > 100, [1.0, 2.0, 3.0]),
    "fill_diagonal": lambda x: dnd.fill_diagonal(x, 5.0, wrap=True),
    "take_along_axis along another axis": lambda x: dnd.take_along_axis(x, np.zeros((N, 2), dtype=int), 1),
}
ONE: dict[str, Callable] = {
    "concatenate": lambda x: dnd.concatenate([x, x, x]),
    "block": lambda x: dnd.block([[x, x], [x, x]]),
    "roll": lambda x: dnd.roll(x, 3, 0),
    "roll two axes": lambda x: dnd.roll(x, (3, 1), (0, 1)),
    "tile": lambda x: dnd.tile(x, (2, 2)),
    "tile many times": lambda x: dnd.tile(x, (40, 1)),
    "pad by reflection": lambda x: dnd.pad(x, 3, "reflect"),
    "pad by wrapping": lambda x: dnd.pad(x, 3, "wrap"),
    "pad with a maximum": lambda x: dnd.pad(x, 3, "maximum"),
    "windows": lambda x: dnd.sliding_window_view(x, 3, 0),
    "unfold": lambda x: dnd.unfold(x, 0, 3, 2),
    "unstack": lambda x: dnd.unstack(x),
    "compress": lambda x: dnd.compress(np.arange(N) % 2 == 0, x, 0),
    "trim_zeros": dnd.trim_zeros,
}


@pytest.mark.parametrize("name", LOCAL)
def test_local(name: str) -> None:
    assert cost(LOCAL[name], table()) == 0


@pytest.mark.parametrize("name", ONE)
def test_one_collective(name: str) -> None:
    assert cost(ONE[name], table()) == (1 if SIZE > 1 else 0)


@pytest.mark.ranks(4)
def test_roll_on_a_grid_is_one_exchange() -> None:
    x = table((0, 1), (2, 2))
    assert cost(lambda x: dnd.roll(x, (3, 2), (0, 1)), x) == 1
    assert cost(lambda x: dnd.tile(x, (2, 2)), x) == 1


def test_take_and_put_along_a_split_axis() -> None:
    x, index = table(), np.full((3, 6), N - 1)
    expected = 3 if SIZE > 1 else 0
    assert cost(lambda x: dnd.take_along_axis(x, index, 0), x) == expected
    assert cost(lambda x: dnd.put_along_axis(x, index, 1.0, 0), x) == expected


# --- layouts ----------------------------------------------------------------------------------------------------------


def test_what_does_not_move_keeps_its_place() -> None:
    x = table()
    counts, _ = x.counts_displs()
    assert dnd.repeat(x, 2, 0).layout.counts[0] == tuple(2 * n for n in counts)
    assert dnd.delete(x, 0, 0).layout.counts[0] == (counts[0] - 1, *counts[1:])
    assert dnd.insert(x, N, 0.0, 0).layout.counts[0] == (*counts[:-1], counts[-1] + 1)
    padded = dnd.pad(x, ((2, 3), (0, 0))).layout.counts[0]
    assert padded == ((counts[0] + 5,) if SIZE == 1 else (counts[0] + 2, *counts[1:-1], counts[-1] + 3))
    assert dnd.tile(x, (3, 1)).is_balanced()
    assert dnd.concatenate([x, x]).is_balanced()
    assert all(part.split == 0 for part in dnd.array_split(x, 5))
    assert [part.split for part in dnd.unstack(x)] == [0] * N


def test_views_are_views() -> None:
    x = table()
    part = dnd.array_split(x, 2)[0]
    part.larray.zero_()
    assert_array_equal(x[: part.shape[0]], np.zeros(part.shape))
    assert dnd.reshape(x, (N, 2, 3), copy=False).larray.data_ptr() == x.larray.data_ptr()
    assert dnd.reshape(x, (N, 2, 3), copy=True).larray.data_ptr() != x.larray.data_ptr() or not x.larray.numel()
    with pytest.raises(ValueError, match="no view"):
        dnd.reshape(x.T, (-1,), copy=False)


def test_whether_a_reshape_is_a_view_all_processes_say_alike() -> None:
    few = dnd.ones((1, 6), split=0)  # in the first process only
    assert few.reshape((1, 2, 3), copy=False).split == 0
    assert few.reshape(1, 3, 2, order="F", copy=False).shape == (1, 3, 2)
    with pytest.raises(ValueError, match="no view"):
        few.reshape(6, copy=False)
    with pytest.raises(ValueError, match="no view"):  # which the other processes, without elements, cannot see
        dnd.ones((1, 2, 3), split=0).transpose(0, 2, 1).reshape(1, 6, copy=False)
    with pytest.raises(ValueError, match="no view"):
        few.reshape((1, 2, 3), copy=False, new_split=1)
    assert few.reshape((1, 2, 3), copy=False, new_split=0).split == 0
    assert dnd.ones((0, 3), split=0).reshape(3, 0, copy=False).shape == (3, 0)


@given(data=st.data(), shape=strategies.shapes(3, 5))
def test_joined_from_any_layouts(data: st.DataObject, shape: tuple[int, ...]) -> None:
    if not shape:
        return
    values = [np.arange(np.prod(shape)).reshape(shape) + 1000 * k for k in range(3)]
    parts = []
    for value in values:
        layout = data.draw(strategies.layouts(shape, SIZE))
        box = tuple(slice(*interval) for interval in layout.box(COMM.rank))
        parts.append(dnd.DNDarray(torch.from_numpy(value[box].copy()), layout, COMM))
    axis = data.draw(st.integers(0, len(shape) - 1))
    assert_array_equal(dnd.concatenate(parts, axis), np.concatenate(values, axis))
    assert_array_equal(dnd.block([[parts[0], parts[1]], [parts[2], parts[0]]]), np.block([values[:2], values[2::-2]]))
    shifts = data.draw(st.tuples(*[st.integers(-7, 7)] * len(shape)))
    axes = tuple(range(len(shape)))
    assert_array_equal(dnd.roll(parts[0], shifts, axes), np.roll(values[0], shifts, axes))
    reps = data.draw(st.tuples(*[st.integers(0, 9)] * len(shape)))
    assert_array_equal(dnd.tile(parts[0], reps), np.tile(values[0], reps))
    if min(shape):
        widths = data.draw(st.tuples(*[st.tuples(*[st.integers(0, 9)] * 2)] * len(shape)))
        mode: Any = data.draw(st.sampled_from(["wrap", "reflect", "symmetric"]))
        assert_array_equal(dnd.pad(parts[0], widths, mode), np.pad(values[0], widths, mode))


SHAPES = ((60,), (5, 12), (12, 5), (4, 15), (3, 4, 5), (5, 3, 2, 2), (1, 60), (60, 1), (2, 1, 30))


@given(data=st.data(), shape=st.sampled_from(SHAPES), wanted=st.sampled_from(SHAPES))
def test_reshaped_from_any_layout_to_any_split(data: st.DataObject, shape: tuple, wanted: tuple) -> None:
    value = np.arange(60).reshape(shape)
    layout = data.draw(strategies.layouts(shape, SIZE))
    box = tuple(slice(*interval) for interval in layout.box(COMM.rank))
    x = dnd.DNDarray(torch.from_numpy(value[box].copy()), layout, COMM)
    split = data.draw(st.sampled_from([*range(len(wanted)), None, "keep"]))
    y = dnd.reshape(x, wanted, new_split=split)
    assert_array_equal(y, value.reshape(wanted))
    assert y.is_balanced() or split == "keep"
    assert split == "keep" or {a for a in y.layout.axes if a is not None} == {split} - {None}


@pytest.mark.ranks(2, 4)
@pytest.mark.parametrize("split", [0, 1])
def test_reshape_along_an_inner_axis_is_one_exchange(split: int) -> None:
    x = dnd.zeros((24, 96), split=1)
    assert cost(lambda x: dnd.reshape(x, (576, 4), new_split=split), x) == 1
    assert cost(lambda x: dnd.reshape(x, (4, 6, 2, 48), new_split=split), x) <= 2


def test_the_last_of_several_values_counts() -> None:
    x = dnd.zeros((N, 2), split=0)
    index = dnd.array(np.full((3 * N, 2), N - 1), split=0)
    values = dnd.arange(6 * N, dtype=dnd.float32, split=0).reshape(3 * N, 2)
    dnd.put_along_axis(x, index, values, 0)
    assert_array_equal(x[N - 1], np.array([6 * N - 2, 6 * N - 1], dtype=np.float32))


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [lambda x: dnd.delete(x, slice(0, None, 2)), lambda x: dnd.repeat(x, 2)])
def test_no_index_of_all_elements_on_every_process(call: Callable) -> None:
    x = dnd.zeros(SIZE * 100_000, dtype=dnd.int8, split=0)
    tracemalloc.start()  # NumPy's memory; torch's own is that of local tensors
    call(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000 * 20


# --- errors -----------------------------------------------------------------------------------------------------------


def _late() -> dnd.DNDarray:
    """Indices of which only the last process has one out of range."""
    return dnd.array(np.append(np.zeros(N - 1, dtype=int), 99 * SIZE), split=0)


ERRORS: dict[str, tuple[Callable, type[Exception], str]] = {
    "take_along_axis": (lambda x: dnd.take_along_axis(x[:, 0], _late(), 0), IndexError, "out of bounds"),
    "put_along_axis": (lambda x: dnd.put_along_axis(x[:, 0], _late(), 0, 0), IndexError, "out of bounds"),
    "put": (lambda x: dnd.put(x, _late(), 0), IndexError, "out of bounds"),
    "choose": (lambda x: dnd.choose(_late(), [1, 2]), IndexError, "out of bounds"),
    "repeat": (lambda x: dnd.repeat(x, -_late(), 0), ValueError, "negative"),
    "compress": (lambda x: dnd.compress(np.ones(N + 1), x, 0), IndexError, "beyond"),
    "insert": (lambda x: dnd.insert(x, N + 1, 0, 0), IndexError, "out of bounds"),
    "insert values": (lambda x: dnd.insert(x, 0, np.ones((1, 1, 2)), 0), ValueError, "more axes"),
    "delete": (lambda x: dnd.delete(x, [0, N], 0), IndexError, "out of bounds"),
    "delete by a mask": (lambda x: dnd.delete(x, np.ones(3, dtype=bool), 0), ValueError, "does not fit"),
    "pad mode": (lambda x: dnd.pad(x, 1, "mirror"), ValueError, "`mode`"),
    "pad by a function": (lambda x: dnd.pad(x, 1, lambda *a: None), TypeError, "function"),
    "pad option": (lambda x: dnd.pad(x, 1, "edge", stat_length=3), ValueError, "stat_length"),
    "split": (lambda x: dnd.split(x, N - 1), ValueError, "array_split"),
    "windows": (lambda x: dnd.sliding_window_view(x, N + 1, 0), ValueError, "does not fit"),
    "concatenate casting": (lambda x: dnd.concatenate([x, x], dtype="int8"), TypeError, "casting"),
    "block": (lambda x: dnd.block([[x], x]), ValueError, "equally deep"),
    "blocks": (lambda x: dnd.block([[x, x], [x]]), ValueError, "do not fit together"),
    "copyto": (lambda x: dnd.copyto(x.astype("int8"), 1.5), TypeError, "casting"),
    "copyto nothing": (lambda x: dnd.copyto(np.zeros(3), x), TypeError, "in place"),
    "place": (lambda x: dnd.place(x, x >= 0, []), ValueError, "values"),
    "reshape order": (lambda x: dnd.reshape(x, -1, "Z"), ValueError, "`order`"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_same_on_all_processes(name: str) -> None:
    call, kind, words = ERRORS[name]
    with pytest.raises(kind, match=words):
        call(table())
    assert COMM.allreduce(torch.ones(1)).item() == SIZE
