"""The array itself: how it is made, what it says of itself, how it moves and what it turns into."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.communication import Communicator
from dndarray.layout import Grid, Layout, balanced_counts
from dndarray.testing import assert_allclose, assert_array_equal, compare_part, count_collectives
from dndarray.testing.rules import layouts as placements

RANK, SIZE = dnd.get_comm().rank, dnd.get_comm().size


def numbers(shape: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 9, size=shape)


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """These values in any layout, which no function of users makes in one step."""
    box = tuple(slice(*bounds) for bounds in layout.box(RANK))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, dnd.get_comm())


def everywhere(ndim: int) -> Iterator[dict[str, Any]]:
    """Every split of an array of `ndim` axes, on every 1-D and 2-D grid, as arguments."""
    for grid, split in placements(ndim, SIZE):
        yield {"split": split, "grid": grid}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No communication, from here on."""

    def refuse(self: Communicator, *args: Any, **options: Any) -> Any:
        raise AssertionError(f"communicates: {args}")

    for name in ("_call", "isend", "irecv", "_split"):
        assert hasattr(Communicator, name)
        monkeypatch.setattr(Communicator, name, refuse)


# --- creation: local, and NumPy's on any split ------------------------------------------------------------------------

VECTORS: list[tuple[str, tuple]] = [
    ("arange", (11,)),
    ("arange", (0,)),
    ("arange", (-3, 8)),
    ("arange", (8, -3, -2)),
    ("arange", (5, 2)),
    ("arange", (0.0, 1.0, 0.1)),
    ("arange", (1.5, -2.0, -0.5)),
    ("arange", (2, 7.5)),
    ("arange", (2**40, 2**40 + 4)),
    ("linspace", (0, 1, 7)),
    ("linspace", (3.0, -2.0, 5)),
    ("linspace", (0, 1, 6, False)),
    ("linspace", (2, 5, 1)),
    ("linspace", (2, 5, 1, False)),
    ("linspace", (2, 5, 0)),
    ("linspace", (0.1, 0.7, 50)),
    ("linspace", (1 + 1j, -1j, 5)),
    ("logspace", (0, 3, 4)),
    ("logspace", (-1, 2, 5, False)),
    ("logspace", (0, 5, 6, True, 2)),
]


@pytest.mark.parametrize(("name", "arguments"), VECTORS)
def test_ranges(silent: None, name: str, arguments: tuple) -> None:
    expected = getattr(np, name)(*arguments)
    for place in everywhere(1):
        exact = getattr(dnd, name)(*arguments, dtype=expected.dtype, **place)
        compare_part(exact, expected, rtol=1e-14, atol=1e-15, check_dtype=True)
        assert exact.split == place["split"]
        typeless = getattr(dnd, name)(*arguments, **place).dtype
        default = {"f": torch.float32, "c": torch.complex64, "i": torch.int64}[expected.dtype.kind]
        assert typeless is default


def test_ranges_end_where_they_should(silent: None) -> None:
    for start, stop in ((0.1, 0.7), (1e-8, 1e8), (-3, 1 / 3)):
        ends = dnd.linspace(start, stop, 31, dtype="float64", split=0)
        local = ends.larray
        first, last = ends.layout.box(RANK)[0]
        assert first != 0 or last == 0 or local[0] == start
        assert last != 31 or first == 31 or local[-1] == stop
    values, step = dnd.linspace(0, 2, 5, retstep=True, split=0)
    assert step == 0.5
    compare_part(values, np.linspace(0, 2, 5), 0, 0)
    assert np.isnan(dnd.linspace(1, 2, 1, retstep=True)[1])
    compare_part(dnd.linspace(0, -5, 4, dtype=int, split=0), np.linspace(0, -5, 4, dtype=int), 0, 0)
    compare_part(dnd.arange(np.int8(3), np.int8(9), np.int8(2), split=0), np.arange(3, 9, 2), 0, 0)
    assert dnd.arange(5, dtype="float32", split=0).dtype is torch.float32
    with pytest.raises(ValueError, match="must not be zero"):
        dnd.arange(1, 2, 0)
    with pytest.raises(ValueError, match="must not be negative"):
        dnd.linspace(0, 1, -1)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (5, 4), (2, 0, 3), (2, 7, 3)])
def test_filled(silent: None, shape: tuple[int, ...]) -> None:
    for place in everywhere(len(shape)):
        compare_part(dnd.zeros(shape, **place), np.zeros(shape, np.float32), 0, 0, check_dtype=True)
        compare_part(dnd.ones(shape, "int8", **place), np.ones(shape, np.int8), 0, 0, check_dtype=True)
        for value in (7, 1.5, True, 2 - 1j, np.float64(0.1), np.int16(3)):
            compare_part(dnd.full(shape, value, np.asarray(value).dtype, **place), np.full(shape, value), 0, 0, True)
        empty = dnd.empty(shape, "float64", **place)
        assert (empty.shape, empty.dtype, empty.split) == (shape, torch.float64, place["split"])
        like = dnd.full_like(empty, 4)
        assert like.layout is empty.layout
        compare_part(like, np.full(shape, 4.0), 0, 0, check_dtype=True)
        for name in ("zeros", "ones", "empty"):
            other = getattr(dnd, f"{name}_like")(empty, "int32")
            assert (other.layout, other.dtype) == (empty.layout, torch.int32)


def test_the_types_of_filled_arrays(silent: None) -> None:
    assert dnd.full(3, 2).dtype is torch.int64
    assert dnd.full(3, 2.0).dtype is dnd.zeros(3).dtype is dnd.ones(3).dtype is torch.float32
    assert dnd.full(3, True).dtype is torch.bool
    assert dnd.full(3, 1j).dtype is torch.complex64
    assert dnd.full(3, np.float64(2)).dtype is torch.float64
    assert dnd.full(3, [1, 2, 3]).dtype is torch.int64
    assert dnd.zeros_like(np.zeros(3)).dtype is torch.float64
    assert dnd.ones_like(dnd.zeros((5, 4), split=0), split=1).split == 1


def test_full_of_an_array(silent: None) -> None:
    for place in everywhere(2):
        compare_part(dnd.full((5, 3), np.arange(3), **place), np.full((5, 3), np.arange(3)), 0, 0, check_dtype=True)
        compare_part(dnd.full((5, 3), dnd.arange(3), "float64", **place), np.full((5, 3), np.arange(3.0)), 0, 0, True)


def test_diagonals(silent: None) -> None:
    for place in everywhere(2):
        for n, m, k in ((5, None, 0), (5, 3, 1), (3, 6, -2), (4, 4, 9), (4, 4, -9), (1, 1, 0), (0, 3, 0)):
            compare_part(dnd.eye(n, m, k, "float64", **place), np.eye(n, m, k), 0, 0, check_dtype=True)
            compare_part(dnd.tri(n, m, k, "float64", **place), np.tri(n, m, k), 0, 0, check_dtype=True)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing: str) -> None:
    vectors = [np.arange(5.0), np.linspace(0, 1, 4), np.arange(3.0)]
    for count in (1, 2, 3):
        expected = np.meshgrid(*vectors[:count], indexing=indexing)
        for split in (None, 0):
            ours = dnd.meshgrid(*[dnd.array(v, split=split) for v in vectors[:count]], indexing=indexing)
            assert len(ours) == count
            for o, e in zip(ours, expected, strict=True):
                compare_part(o, e, 0, 0, check_dtype=True)
    rows = dnd.arange(5, split=0)
    down, across = dnd.meshgrid(rows, dnd.arange(4), indexing="ij")
    assert down.split == across.split == 0
    assert dnd.meshgrid() == []
    with pytest.raises(ValueError, match="'xy' or 'ij'"):
        dnd.meshgrid(rows, rows, indexing="ji")


def test_diag_and_triangles() -> None:
    a = numbers((5, 4))
    for place in everywhere(2):
        x = dnd.array(a, **place)
        for k in (-6, -1, 0, 2, 5):
            assert_array_equal(dnd.diag(x, k), np.diag(a, k))
            assert_array_equal(dnd.tril(x, k), np.tril(a, k))
            assert_array_equal(dnd.triu(x, k), np.triu(a, k))
    for place in everywhere(1):
        for k in (-2, 0, 1):
            assert_array_equal(dnd.diag(dnd.array(a[:, 0], **place), k), np.diag(a[:, 0], k))


def test_places_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"`split` \(=2\) must be in \[-2, 2\)"):
        dnd.zeros((3, 4), split=2)
    with pytest.raises(ValueError, match="processes of the run"):
        dnd.zeros((3, 4), split=0, grid=(SIZE + 1,))
    with pytest.raises(ValueError, match="deals out an axis twice"):
        dnd.zeros((3, 4), split=(0, 0), grid=(SIZE, 1))
    with pytest.raises(ValueError, match="one entry for each"):
        dnd.zeros((3, 4), split=(0, 1, None), grid=(SIZE, 1))
    with pytest.raises(ValueError, match="must not be negative"):
        dnd.zeros((3, -1))
    with pytest.raises(TypeError, match="must be integers"):
        dnd.zeros((3, 1.5))
    with pytest.raises((TypeError, ValueError)):
        dnd.zeros(3, split=0.5)
    assert dnd.zeros((5, 4), split=-1).split == 1
    assert dnd.zeros((5, 4), split=(0, 1)).layout.grid is Grid.squarest(SIZE, 2)
    assert dnd.zeros(np.int64(3)).shape == dnd.zeros((np.int8(3),)).shape == (3,)


# --- from objects -----------------------------------------------------------------------------------------------------


def test_array_of_numpys_and_torchs_and_lists() -> None:
    a = numbers((5, 4))
    views = (a, a.T, a[::-1, ::2], np.asfortranarray(a), a.astype(">f8"), np.broadcast_to(a[0], (3, 4)))
    for values in views:
        for split in (None, 0, 1):
            assert_array_equal(dnd.array(values, split=split), values.astype(np.float64))
            if values.dtype.isnative and all(s >= 0 for s in values.strides) and values.flags.writeable:
                assert_array_equal(dnd.array(torch.from_numpy(values), split=split), values)
    assert_array_equal(dnd.array(a.tolist(), "float64", split=0), a)
    assert_array_equal(dnd.array([[1, 2], [3, 4]], split=1), np.array([[1, 2], [3, 4]]))
    assert_array_equal(dnd.array((True, False), split=0), np.array([True, False]))
    assert_array_equal(dnd.array([], split=0), np.array([], np.float32))
    assert_array_equal(dnd.array(3), np.array(3))
    assert_array_equal(dnd.array(np.float32(3)), np.array(3, np.float32))
    assert dnd.array([1.5, 2]).dtype is torch.float32
    assert dnd.array([1.5, 2j]).dtype is torch.complex64
    assert dnd.array([0.1], "float64").item() == 0.1
    assert dnd.array(torch.ones(2, dtype=torch.bfloat16)).dtype is torch.bfloat16


def test_lists_of_complex_numbers_have_the_default_type() -> None:
    assert dnd.array([1 + 2j, 3]).dtype is torch.complex64
    assert_array_equal(dnd.array([0.1 + 0.2j], "complex128"), np.array([0.1 + 0.2j]))


def test_objects_that_make_no_array() -> None:
    for wrong in ("text", None, {1: 2}, [None], object()):
        with pytest.raises(TypeError):
            dnd.array(wrong)
    with pytest.raises(TypeError):
        dnd.array(np.array(["a"]))
    with pytest.raises(ValueError, match="give one"):
        dnd.array([1], split=0, is_split=0)


@pytest.mark.parametrize("split", [None, 0])
def test_copies(split: int | None) -> None:
    for source in (np.arange(8.0), torch.arange(8.0, dtype=torch.float64), dnd.arange(8, dtype="float64", split=split)):
        kept = dnd.array(source, split=split)
        shared = dnd.asarray(source, split=split)
        source[...] = -1
        assert_array_equal(kept, np.arange(8.0))
        if split is None or isinstance(source, dnd.DNDarray):
            assert_array_equal(shared, np.full(8, -1.0))
    x = dnd.arange(8, split=0)
    assert dnd.asarray(x) is x
    assert dnd.asarray(x, "int64") is x
    assert dnd.asarray(x, "int32") is not x
    assert dnd.array(x) is not x
    assert dnd.array(x).layout is x.layout


def test_arrays_of_arrays_move_and_convert() -> None:
    a = numbers((5, 4))
    x = dnd.array(a, split=0)
    assert_array_equal(dnd.array(x, split=1), a)
    assert dnd.array(x, split=1).split == 1
    assert_array_equal(dnd.array(x, "float32"), a.astype(np.float32))
    grid = Grid.squarest(SIZE, 2)
    assert dnd.array(x, split=(1, 0), grid=grid).split == (1, 0)
    assert_array_equal(dnd.array(x, split=(1, 0), grid=grid), a)


def test_ndmin() -> None:
    for source in ([1, 2, 3], np.arange(1, 4), dnd.arange(1, 4, split=0)):
        assert_array_equal(dnd.array(source, ndmin=3), np.array([1, 2, 3], ndmin=3))
    assert dnd.array(np.ones((2, 2)), ndmin=1).shape == (2, 2)
    assert dnd.array(5, ndmin=2, split=0).shape == (1, 1)


def test_parts_make_an_array() -> None:
    for axis in (0, 1, -1):
        counts = [3, 0, 2, 1][:SIZE]
        whole = numbers((sum(counts), 4) if axis == 0 else (4, sum(counts)))
        start = sum(counts[:RANK])
        part = np.take(whole, range(start, start + counts[RANK]), axis)
        x = dnd.array(part, is_split=axis)
        assert x.split == axis % 2
        assert x.layout.counts == (tuple(counts),)
        assert_array_equal(x, whole)
        assert_array_equal(x * 2 + x.balance(), whole * 3)
    empty = dnd.array(np.zeros((0, 3)), is_split=0)
    assert_array_equal(empty, np.zeros((0, 3)))
    assert_array_equal(dnd.array([RANK] * (RANK + 1), is_split=0), np.repeat(range(SIZE), range(1, SIZE + 1)))


def test_parts_on_grids() -> None:
    for grid, split in placements(2, SIZE):
        if grid.ndim == 1 or not [a for a in split if a is not None]:
            continue
        row, column = grid.coordinates(RANK)
        counts: list[Any] = [None, None]
        for g, a in enumerate(split):
            if a is not None:
                counts[g] = [1 + (c + g) % 3 for c in range(grid.shape[g])]
        shape = [3, 4]
        for a, c in zip(split, counts, strict=True):
            if a is not None:
                shape[a] = sum(c)
        whole = numbers(shape)
        layout = Layout(shape, grid, split, counts)
        box = tuple(slice(*bounds) for bounds in layout.box(RANK))
        x = dnd.array(whole[box], is_split=split, grid=grid)
        assert x.layout is layout
        assert_array_equal(x, whole)


def test_parts_that_do_not_fit_raise_on_every_rank() -> None:
    if SIZE == 1:
        pytest.skip("one part always fits")
    with pytest.raises(ValueError, match="do not fit together"):
        dnd.array(np.zeros((2, 3 + (RANK == SIZE - 1))), is_split=0)
    with pytest.raises(ValueError, match="do not fit together"):
        dnd.array(np.zeros(3, "float32" if RANK else "float64"), is_split=0)
    with pytest.raises(ValueError, match="do not fit together"):
        dnd.array(np.zeros((3,) * (1 + (RANK == 0))), is_split=0)
    with pytest.raises(ValueError, match="do not fit together"):
        dnd.array(np.zeros(3 + RANK), split=0)
    with pytest.raises(ValueError, match="one dimension or more"):
        dnd.array(3.0, is_split=0)
    if SIZE == 4:
        with pytest.raises(ValueError, match="regular"):
            dnd.array(np.zeros((1 + RANK, 1 + RANK)), is_split=(0, 1))


# --- what it says of itself -------------------------------------------------------------------------------------------


def examples() -> list[dnd.DNDarray]:
    a = dnd.array(numbers((11, 4)), split=0)
    return [
        a,
        a[3:],
        a.T,
        dnd.array(numbers((5, 4)), split=(0, 1)),
        dnd.array(numbers((2, 3, 4)), split=2),
        dnd.ones((3, 2), "bfloat16", split=1),
        dnd.ones(5, "complex64", split=0).requires_grad_(),
        dnd.ones(5, "uint64", split=0),
        dnd.array(7),
        dnd.zeros((0, 3), split=0),
        dnd.zeros((SIZE + 100, 2, 50), split=0),
    ]


def test_reading_attributes_communicates_nothing_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = examples()
    before = [(id(x.larray), x.larray.clone(), x.layout, x.comm) for x in arrays]
    properties = [n for n in dir(dnd.DNDarray) if isinstance(getattr(dnd.DNDarray, n), property)]
    assert {"shape", "split", "lshape", "lshape_map", "T", "mT", "real", "imag", "dtype", "grad"} <= set(properties)

    def refuse(self: Communicator, *args: Any, **options: Any) -> Any:
        raise AssertionError(f"communicates: {args}")

    for name in ("_call", "isend", "irecv", "_split"):
        monkeypatch.setattr(Communicator, name, refuse)
    for x in arrays:
        for name in properties:
            if name != "mT" or x.ndim >= 2:
                getattr(x, name)
        for function in (repr, str, format, type(x)._repr_html_, type(x).is_distributed, type(x).is_balanced):
            function(x)
        if x.ndim:
            len(x)
    for x, (identity, larray, layout, comm) in zip(arrays, before, strict=True):
        assert id(x.larray) == identity
        assert torch.equal(x.larray, larray)
        assert x.layout is layout
        assert x.comm is comm


def test_one_rank_alone_may_look() -> None:
    x = dnd.array(numbers((11, 4)), split=0)[2:]
    if RANK == 0:
        assert "split=0" in repr(x)
        assert f"{x}"
        assert x._repr_html_()
        assert len(x) == 9
    assert_allclose(x.sum(0), numbers((11, 4))[2:].sum(0))


def test_what_it_says() -> None:
    x = dnd.array(numbers((11, 4)).astype(np.float32), split=0)
    counts = balanced_counts(11, SIZE)
    assert (x.shape, x.ndim, x.size, x.itemsize, x.nbytes) == ((11, 4), 2, 44, 4, 176)
    assert (x.dtype, x.device, x.split) == (torch.float32, torch.device("cpu"), 0)
    assert x.lshape == (counts[RANK], 4)
    assert x.lshape_map.tolist() == [[n, 4] for n in counts]
    assert x.counts_displs() == (counts, tuple(sum(counts[:r]) for r in range(SIZE)))
    assert x.is_distributed() is (SIZE > 1)
    assert x.is_balanced() is True
    assert x[1:].is_balanced() is (SIZE in (1, 2) or x[1:].layout.counts[0] == balanced_counts(10, SIZE))
    assert x.larray.shape == x.lshape
    assert len(x) == 11
    whole = dnd.ones(3)
    assert (whole.is_distributed(), whole.is_balanced(), whole.split) == (False, True, None)
    with pytest.raises(ValueError, match="counts_displs needs an array split"):
        whole.counts_displs()
    with pytest.raises(TypeError, match="without axes"):
        len(dnd.array(3))
    on_grid = dnd.zeros((5, 4), split=(0, 1))
    assert on_grid.lshape_map.shape == (SIZE, 2)
    assert tuple(on_grid.lshape_map[RANK]) == on_grid.lshape


def test_repr() -> None:
    x = dnd.arange(10, split=0)
    for text in ("shape=(10,)", "dtype=int64", "split=0", f"rank={RANK}/{SIZE}"):
        assert text in repr(x)
    if SIZE > 1:
        start, stop = x.layout.box(RANK)[0]
        assert f"indices=[{start}:{stop}]" in repr(x)
    assert "requires_grad=True" in repr(dnd.ones(3).requires_grad_())
    assert f"grid={Grid.squarest(SIZE, 2).shape}" in repr(dnd.zeros((4, 4), split=(0, 1)))
    assert len(repr(dnd.zeros(10**6, split=0))) < 500
    html = dnd.zeros((5, 4), split=0)._repr_html_()
    assert html.count("<rect") == SIZE + 1
    assert f"rank {SIZE - 1}:" in html
    assert "<script" not in html


# --- conversion -------------------------------------------------------------------------------------------------------


@given(shapes().flatmap(lambda shape: st.tuples(st.just(shape), layouts(shape, SIZE))))
def test_to_numpy_torch_and_lists(drawn: tuple[tuple[int, ...], Layout]) -> None:
    shape, layout = drawn
    a = numbers(shape)
    x = placed(a, layout)
    with count_collectives() as traffic:
        whole = x.numpy()
    assert traffic.total == (0 if not layout.is_distributed else traffic.total) <= 1
    assert isinstance(whole, np.ndarray)
    np.testing.assert_array_equal(whole, a)
    assert torch.equal(x.torch(), torch.from_numpy(np.array(a)))
    assert x.tolist() == a.tolist()
    assert x.layout is layout


def test_numpy_has_memory_of_its_own() -> None:
    """On one rank, too, where it need not."""
    for split in (None, 0):
        x = dnd.arange(10, split=split)
        for whole in (x.numpy(), x.torch()):
            whole += 1
            assert_array_equal(x, np.arange(10))
        strided = dnd.arange(20, split=split)[::2]
        np.testing.assert_array_equal(strided.numpy(), np.arange(0, 20, 2))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", "complex64"])
def test_numpy_keeps_the_type(dtype: str) -> None:
    a = numbers((5, 2)).astype(dtype)
    for view in (lambda v: v, lambda v: v.T, lambda v: v[1:, 0]):
        whole = view(dnd.array(a, split=0)).numpy()
        assert whole.dtype == a.dtype
        np.testing.assert_array_equal(whole, view(a))
    conjugate = dnd.DNDarray(torch.conj(torch.tensor([1j])), Layout((1,), dnd.get_comm().grid), dnd.get_comm())
    np.testing.assert_array_equal(conjugate.numpy(), np.array([-1j]))
    with pytest.raises(TypeError, match="bfloat16"):
        dnd.ones(3, "bfloat16", split=0).numpy()


def test_distributed_arrays_do_not_become_numpys_by_themselves() -> None:
    x = dnd.arange(10, split=0)
    if SIZE > 1:
        for convert in (np.asarray, np.array, lambda v: np.asarray(v, dtype=float), np.asarray_chkfinite):
            with pytest.raises(dnd.DistributedArrayError, match=r"x\.numpy\(\).*x\.larray"):
                convert(x)
        assert issubclass(dnd.DistributedArrayError, TypeError)
    whole = dnd.arange(10)
    np.testing.assert_array_equal(np.asarray(whole), np.arange(10))
    np.testing.assert_array_equal(np.array(whole, dtype="float32"), np.arange(10, dtype="float32"))
    assert np.asarray(whole.requires_grad_(False)).dtype == np.int64
    assert np.shares_memory(np.asarray(whole), whole.larray.numpy())
    assert not np.shares_memory(np.array(whole), whole.larray.numpy())


def test_numbers() -> None:
    for split in (None, 0):
        x = dnd.full((1, 1), 2.5, split=split)
        assert (float(x), int(x), complex(x), bool(x), x.item(), x.tolist()) == (2.5, 2, 2.5 + 0j, True, 2.5, [[2.5]])
    assert operator.index(dnd.array(3)) == 3
    assert list(range(5))[dnd.array(2)] == 2
    assert f"{dnd.array(1.23456):.2f}" == "1.23"
    assert isinstance(dnd.array(True).item(), bool)
    total = dnd.arange(10, split=0).sum()
    assert (int(total), float(total), bool(total)) == (45, 45.0, True)
    assert not dnd.zeros(1, split=0)
    for wrong in (dnd.arange(3, split=0), dnd.zeros(0)):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(wrong)
        with pytest.raises(ValueError, match="one element"):
            wrong.item()
        with pytest.raises(TypeError, match="one element"):
            float(wrong)
    for no_index in (dnd.array(1.0), dnd.array([1])):
        with pytest.raises(TypeError, match="only integer arrays without axes"):
            operator.index(no_index)
    with pytest.raises(TypeError):
        float(dnd.array(1j))


@pytest.mark.parametrize("split", [None, 0, 1])
def test_iteration(split: int | None) -> None:
    a = numbers((5, 2))
    rows = list(dnd.array(a, split=split))
    assert len(rows) == 5
    for row, expected in zip(rows, a, strict=True):
        assert_array_equal(row, expected)
    first, *_, last = dnd.arange(4, split=0)
    assert (int(first), int(last)) == (0, 3)
    assert (3 in dnd.arange(4, split=0)) is True
    assert (7 in dnd.arange(4, split=0)) is False
    with pytest.raises(TypeError, match="without axes"):
        iter(dnd.array(3))


def test_pickle_and_copies() -> None:
    for x in examples():
        if x.dtype is torch.bfloat16 or x.requires_grad:
            continue
        for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x), x.copy()):
            assert other is not x
            assert other.layout is x.layout
            assert other.comm is x.comm
            assert (other.dtype, other.larray.data_ptr() == x.larray.data_ptr()) == (x.dtype, x.larray.numel() == 0)
            assert torch.equal(other.larray, x.larray)
            assert torch.equal((other == x).larray, torch.ones(x.lshape, dtype=torch.bool))
    leaf = dnd.ones(5, split=0).requires_grad_()
    assert copy.deepcopy(leaf).requires_grad and pickle.loads(pickle.dumps(leaf)).requires_grad
    assert not leaf.copy().requires_grad
    both = copy.deepcopy({"a": leaf, "b": leaf})
    assert both["a"] is both["b"]
    assert_array_equal(pickle.loads(pickle.dumps(dnd.arange(7, split=0)[2:])), np.arange(2, 7))


def test_a_pickled_part_is_no_larger_than_it_must_be() -> None:
    x = dnd.zeros(10**5, split=0)
    assert len(pickle.dumps(x[: 10 * SIZE])) < 2000


def test_arrays_have_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(dnd.ones(3, split=0))
    with pytest.raises(TypeError, match="unhashable"):
        {dnd.ones(3)}


# --- printing ---------------------------------------------------------------------------------------------------------


def test_print_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    a = numbers((5, 3)).astype(np.float32)
    for split in (None, 0, 1):
        dnd.print(dnd.array(a, split=split))
        out = capsys.readouterr().out
        if RANK == 0:
            assert np.array2string(a, separator=", ") in out
            assert f"split={split}" in out
        else:
            assert out == ""
    dnd.print("the sum is", dnd.arange(10, split=0).sum(), sep=": ", end="!")
    assert capsys.readouterr().out == ("the sum is: 45!" if RANK == 0 else "")
    dnd.print("no array")
    assert capsys.readouterr().out == ("no array\n" if RANK == 0 else "")
    dnd.print(dnd.ones(3, "bfloat16", split=0), dnd.ones(2, "complex64", split=0).requires_grad_(), dnd.zeros((0, 2)))
    assert ("[1., 1., 1.]" in capsys.readouterr().out) is (RANK == 0)


def test_print_abbreviates_and_sends_little(capsys: pytest.CaptureFixture[str]) -> None:
    for split in ((None, 0), (0, None), (1, None)) if SIZE > 3 else (0, 1, 2):
        x = dnd.arange(120 * 11 * 50, split=0).reshape(120, 11, 50).resplit(split)
        before = x.layout
        with count_collectives() as traffic:
            dnd.print(x)
        assert traffic.bytes < 10_000
        assert x.layout is before
        out = capsys.readouterr().out
        if RANK == 0:
            expected = np.array2string(np.arange(120 * 11 * 50).reshape(120, 11, 50), separator=", ", threshold=10)
            assert expected in out
        else:
            assert out == ""


# --- moving -----------------------------------------------------------------------------------------------------------


@given(shapes().flatmap(lambda shape: st.tuples(st.just(shape), layouts(shape, SIZE), layouts(shape, SIZE))))
def test_resplit(drawn: tuple[tuple[int, ...], Layout, Layout]) -> None:
    shape, source, target = drawn
    a = numbers(shape)
    x = placed(a, source)
    with count_collectives() as traffic:
        moved = dnd.resplit(x, target.split, target.grid)
    assert traffic.total <= 1
    assert moved.layout is target.balanced()
    assert_array_equal(moved, a)
    assert x.layout is source
    assert_array_equal(x, a)
    counts = target.counts if target.grid.ndim > 1 else target.counts[0]
    if counts is not None:
        uneven = dnd.redistribute(moved, counts)
        assert uneven.layout is target
        assert_array_equal(uneven, a)
        assert_array_equal(uneven.balance(), a)
        assert uneven.balance().is_balanced()


def test_moving_in_place() -> None:
    a = numbers((7, 4))
    x = dnd.array(a, split=0)
    same = x
    x.resplit_(1)
    assert x is same and x.split == 1
    x.redistribute_([4] + [0] * (SIZE - 1))
    assert x.counts_displs()[0] == (4, *[0] * (SIZE - 1))
    assert x.is_balanced() is (SIZE == 1)
    assert_array_equal(x, a)
    x.redistribute_(dnd.zeros((7, 4), split=1).lshape_map)  # as Heat's users do
    assert x.is_balanced()
    x.balance_()
    x.resplit_(None)
    assert x.split is None
    assert_array_equal(x, a)
    with pytest.raises(ValueError, match="add up to 4"):
        dnd.array(a, split=1).redistribute([1] * SIZE if SIZE != 4 else [1, 1, 1, 2])
    leaf = dnd.array(a, split=0).requires_grad_()
    if SIZE > 1:
        with pytest.raises(ValueError, match="cannot move in place"):
            leaf.resplit_(1)


def test_moved_arrays_have_memory_of_their_own() -> None:
    """On one rank, too, where nothing moves."""
    for source, target in ((None, 0), (0, None), (0, 1)):
        x = dnd.array(numbers((5, 4)), split=source)
        moved = x.resplit(target)
        moved += 1
        assert_array_equal(x, numbers((5, 4)))
    x = dnd.arange(5, split=0)
    assert x.resplit(0) is x


# --- types, devices, gradients ----------------------------------------------------------------------------------------


def test_astype() -> None:
    a = numbers((5, 2)) - 4
    x = dnd.array(a, split=0)
    for dtype in ("float32", "int16", "bool", "complex64", "float64"):
        other = x.astype(dtype)
        assert_array_equal(other, a.astype(dtype))
        assert other.layout is x.layout
        assert other is not x
    assert x.astype("float64").larray.data_ptr() != x.larray.data_ptr() or x.larray.numel() == 0
    assert x.astype("float64", copy=False) is x
    assert x.astype(float, copy=False).dtype is torch.float32
    assert_array_equal(dnd.array([1 + 2j, 3], split=0).astype("float32"), np.array([1, 3], np.float32))
    with pytest.raises(TypeError, match="must be one of"):
        x.astype("float3")


def test_devices() -> None:
    x = dnd.arange(5, split=0)
    assert x.to("cpu") is x
    assert x.cpu() is x
    moved = x.to("meta")
    assert (moved.device.type, moved.layout) == ("meta", x.layout)
    assert dnd.zeros(5, device="cpu", split=0).device == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no GPU"):
            dnd.zeros(5, device="gpu")


def test_flags_of_gradients() -> None:
    x = dnd.ones(5, split=0)
    assert not x.requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad and x.larray.requires_grad
    assert x.grad is None
    y = (x * 2).sum()
    assert y.requires_grad
    assert not y.detach().requires_grad
    with dnd.no_grad():
        assert not (x * 2).requires_grad
        with dnd.enable_grad():
            assert (x * 2).requires_grad
    y.backward()
    assert x.grad is not None and x.grad.layout is x.layout
    assert_array_equal(x.grad, np.full(5, 2, np.float32))
    x.grad = None
    assert x.grad is None
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(ValueError, match="needs `gradient`"):
        dnd.ones(5, split=0).requires_grad_().backward()
    with pytest.raises(RuntimeError, match="floating point"):
        dnd.arange(5, split=0).requires_grad_()
    tensor = torch.ones(4, requires_grad=True)
    assert not dnd.array(tensor).requires_grad
    assert dnd.asarray(tensor).requires_grad


def test_arrays_of_one_element_are_numbers_and_others_are_not() -> None:
    x = dnd.array([[2.345]], split=0)
    assert (round(x, 1), round(x), int(x)) == (2.3, 2, 2) and abs(float(x) - 2.345) < 1e-6
    for function in (int, float, complex, round):
        with pytest.raises(TypeError, match=r"only an array of one element .* not one of shape \(3,\)"):
            function(dnd.ones(3, split=0))


def test_a_view_shares_memory() -> None:
    x = dnd.zeros((4, 3), split=0)
    x.view()[1] = 5
    assert x[1].tolist() == [5, 5, 5]
