"""What the parity rows of functions, index arrays and creation cannot show: messages, errors, splits."""

from __future__ import annotations

import numpy as np
import pytest
import strategies
import torch
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
TRAVELS = int(SIZE > 1)


# --- a user's function ------------------------------------------------------------------------------------------------


def test_apply_along_axis_moves_once_and_keeps_another_axis_split() -> None:
    x = dnd.arange(60, split=0).reshape(12, 5)
    with count_collectives() as c:
        result = dnd.apply_along_axis(np.cumsum, 0, x)
    agreed_assert(c.calls.get("Alltoall", 0) == TRAVELS, str(c))
    assert result.split == 1
    assert_array_equal(result, np.arange(60).reshape(12, 5).cumsum(0))


def test_errors_of_a_users_function_are_everybodys() -> None:
    x = dnd.arange(8, split=0).reshape(8, 1)

    def picky(v: np.ndarray) -> int:
        if v[0] == 7:
            raise KeyError("seven")
        return v[0]

    for call in (
        lambda: dnd.apply_along_axis(picky, 1, x),
        lambda: dnd.vectorize(lambda v: picky([v]), otypes=[int])(x),
        lambda: dnd.vectorize(lambda v: picky([v]))(7 + 0 * x),
    ):
        with pytest.raises(KeyError, match="seven"):
            call()
    with pytest.raises(ValueError, match="one shape"):
        dnd.apply_along_axis(lambda v: np.zeros(int(v[0])), 1, x)


def test_numpy_functions_refuse_gradients() -> None:
    x = dnd.ones((4, 3), split=0).requires_grad_()
    with pytest.raises(TypeError, match="vmap"):
        dnd.apply_along_axis(np.sum, 0, x)
    with pytest.raises(TypeError, match="vmap"):
        dnd.vectorize(float)(x)


def test_vectorize_takes_the_types_of_the_first_element() -> None:
    x = dnd.arange(7, split=0)
    halves = dnd.vectorize(lambda v: v / 2 if v else 0)(x)
    assert_array_equal(halves, np.vectorize(lambda v: v / 2 if v else 0)(np.arange(7)))

    @dnd.vectorize(otypes="d")
    def double(v: int) -> float:
        """Twice as much."""
        return 2.0 * v

    assert double.__doc__ == "Twice as much."
    assert double(dnd.zeros(0, split=0)).shape == (0,)
    with pytest.raises(ValueError, match="otypes"):
        dnd.vectorize(abs)(dnd.zeros(0, split=0))


def test_vmap_is_local_along_the_split_axis() -> None:
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(9, 4)), rng.normal(size=(4, 2))
    x = dnd.array(a, split=0).requires_grad_()
    weights = dnd.array(w).requires_grad_()
    with count_collectives() as c:
        result = dnd.vmap(lambda row, w: torch.tanh(row @ w), (0, None))(x, weights)
    agreed_assert("Alltoall" not in c.calls, str(c))
    assert result.split == 0
    result.sum().backward()
    slope = 1 - np.tanh(a @ w) ** 2
    assert_allclose(weights.grad, a.T @ slope, rtol=1e-10)
    assert_allclose(x.grad, slope @ w.T, rtol=1e-10)


def test_vmap_checks_its_arguments() -> None:
    x, y = dnd.ones((4, 3), split=0), dnd.ones((5, 3), split=0)
    with pytest.raises(ValueError, match="one length"):
        dnd.vmap(torch.add)(x, y)
    with pytest.raises(ValueError, match="in_dims"):
        dnd.vmap(torch.add, (None, None))(x, x)
    assert_array_equal(dnd.vmap(torch.sin, chunk_size=2)(dnd.zeros((1, 3), split=0)), np.zeros((1, 3), np.float32))


# --- index arrays -----------------------------------------------------------------------------------------------------


def test_index_arrays_are_made_without_messages() -> None:
    with count_collectives() as c:
        rows, columns = dnd.tril_indices(100, -1, split=0)
        dense = dnd.indices((20, 30), split=2)
        sparse = dnd.indices((20, 30), sparse=True, split=1)
        table = dnd.fromfunction(lambda i, j: i * j, (20, 30), dtype=int, split=1)
        dnd.diag_indices(50, split=0)
        dnd.linspace(0, 1, 1000, split=0)
        dnd.geomspace(1, 10, 1000, split=0)
        dnd.kaiser(1000, 3.0, split=0)
    agreed_assert(c.total == 0, str(c))
    assert (rows.split, columns.split, dense.split, table.split) == (0, 0, 2, 1)
    assert [s.split for s in sparse] == [None, 1]
    assert len(rows) == 4950 and rows.is_balanced()


@given(st.integers(0, 7), st.integers(0, 7), st.integers(-9, 9))
def test_triangles_of_all_sizes(n: int, m: int, k: int) -> None:
    for ours, numpys in ((dnd.tril_indices, np.tril_indices), (dnd.triu_indices, np.triu_indices)):
        for actual, desired in zip(ours(n, k, m, split=0), numpys(n, k, m), strict=True):
            assert_array_equal(actual, desired)


def test_ndenumerate_goes_over_this_process_alone() -> None:
    a = np.arange(15).reshape(5, 3)
    pairs = dict(dnd.ndenumerate(dnd.array(a, split=0)))
    agreed_assert(all(a[i] == v for i, v in pairs.items()))
    everyones = dnd.get_comm().allgather_object(list(pairs))
    assert [index for indices in everyones for index in indices] == list(np.ndindex(5, 3))


def test_indices_out_of_bounds_are_everybodys() -> None:
    bad = dnd.array([0, 1, 2, 99], split=0)
    with pytest.raises(ValueError, match="out of bounds"):
        dnd.unravel_index(bad, (5, 5))
    with pytest.raises(ValueError, match="out of bounds"):
        dnd.ravel_multi_index((bad, bad), (5, 5))
    with pytest.raises(ValueError, match="mode"):
        dnd.ravel_multi_index((bad, bad), (5, 5), "reflect")
    assert repr(dnd.mgrid) == "dndarray.mgrid"


# --- making arrays ----------------------------------------------------------------------------------------------------


def test_numbers_between_split_ends() -> None:
    low = dnd.arange(4, split=0) * 1.0
    result = dnd.linspace(low, low + 1, 3)
    assert result.split == 1
    assert dnd.linspace(low, low + 1, 3, axis=-1).split == 0
    assert dnd.linspace(low, low + 1, 3, split=0).split == 0
    with pytest.raises(ValueError, match="zero"):
        dnd.geomspace(low, 1.0)
    with pytest.raises(ValueError, match="num"):
        dnd.linspace(0, 1, -1)


@given(st.data())
def test_diagonals_of_all_layouts(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=4).map(tuple))
    axis1, axis2 = data.draw(st.permutations(range(len(shape))))[:2]
    k = data.draw(st.integers(-6, 6))
    layout = data.draw(strategies.layouts(shape, SIZE))
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    box = tuple(slice(*interval) for interval in layout.box(RANK))
    x = dnd.DNDarray(torch.from_numpy(a[box].copy()), layout, dnd.get_comm())
    assert_array_equal(dnd.diagonal(x, k, axis1, axis2), a.diagonal(k, axis1, axis2))


def test_a_diagonal_is_a_view_where_its_elements_are() -> None:
    x = dnd.ones((9, 4), split=0)
    with count_collectives() as c:
        d = dnd.diagonal(x)
    agreed_assert(c.total == 0)
    assert d.split == 0
    d.larray.fill_(7)
    assert_array_equal(x, np.where(np.eye(9, 4), 7, 1).astype(np.float32))


def test_arrays_like_another_in_another_shape() -> None:
    x = dnd.ones((6, 4), split=1)
    assert dnd.zeros_like(x, shape=(3, 8)).split == 1
    assert dnd.zeros_like(x, shape=(3,)).split is None
    assert dnd.full_like(x, dnd.arange(4, split=0)).split == 1
    with pytest.raises(ValueError, match="broadcast"):
        dnd.full((2, 3), [1, 2])


def test_conversions_check_and_copy() -> None:
    a = np.arange(6.0)
    shared = dnd.from_dlpack(a)
    assert shared.larray.data_ptr() == a.ctypes.data
    assert dnd.from_dlpack(a, copy=True).larray.data_ptr() != a.ctypes.data
    assert dnd.from_dlpack(a, split=0).split == 0
    x = dnd.array([1.0, np.inf], split=0)
    with pytest.raises(ValueError, match="infinities"):
        dnd.asarray_chkfinite(x)
    y = dnd.astype(x, "float64", device="cpu")
    assert y.dtype is torch.float64 and dnd.astype(y, "float64", copy=False) is y
    assert dnd.ascontiguousarray(dnd.ones((5, 4), split=0).T).larray.is_contiguous()


# --- bits and text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 8, 9, 100])
def test_packing_moves_once_and_unpacking_never(n: int) -> None:
    bits = np.random.default_rng(n).integers(0, 2, n).astype(bool)
    x = dnd.array(bits, split=0)
    with count_collectives() as c:
        packed = dnd.packbits(x)
    agreed_assert(c.total <= TRAVELS, str(c))
    with count_collectives() as c:
        unpacked = dnd.unpackbits(packed, count=n)
    agreed_assert(c.total == 0, str(c))
    assert packed.split == unpacked.split == 0
    assert_array_equal(unpacked, bits.astype(np.uint8))
    with pytest.raises(ValueError, match="bitorder"):
        dnd.packbits(x, bitorder="middle")
    with pytest.raises(ValueError, match="count"):
        dnd.unpackbits(packed, count=-1000)


def test_text_is_the_same_on_every_process_and_bounded() -> None:
    a = np.arange(40_000).reshape(200, 200)
    x = dnd.array(a, split=0)
    with count_collectives() as c:
        text = dnd.array2string(x, separator=", ")
    agreed_assert(text == np.array2string(a, separator=", ") and c.bytes < 10_000, text)
    agreed_assert(np.array_str(x) == np.array_str(a))
    with dnd.printoptions(edgeitems=1):
        agreed_assert(dnd.array_str(x) == np.array_str(a))
    assert dnd.array_repr(x) == repr(x)


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_types_are_compared_without_elements() -> None:
    assert dnd.issubdtype(torch.bfloat16, np.floating) and not dnd.issubdtype(torch.bfloat16, torch.float16)
    assert dnd.issubdtype(torch.bfloat16, torch.bfloat16) and not dnd.issubdtype("float32", torch.bfloat16)
    assert dnd.common_type(dnd.ones(2, "bfloat16"), dnd.ones(2, "float32")) is torch.float32
    assert dnd.min_scalar_type(300) is torch.uint16
    with pytest.raises(TypeError, match="bools"):
        dnd.common_type(np.ones(2, bool))
    x = dnd.zeros((5, 4, 3), split=1)
    assert (dnd.size(x), dnd.size(x, (0, -1)), dnd.ndim(x), dnd.shape(x)) == (60, 15, 3, (5, 4, 3))
