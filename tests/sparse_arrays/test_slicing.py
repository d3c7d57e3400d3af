"""Rows, columns and elements of sparse arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_strategies import dense, keys, matrix, placed, sizes

import dndarray as dnd

S = dnd.sparse


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_rows_and_columns(data: st.DataObject) -> None:
    M = matrix(data.draw(sizes()), data.draw(sizes()))
    A, D = data.draw(placed(M)), M.toarray()
    key = data.draw(keys(M.shape[0]))
    np.testing.assert_array_equal(dense(A[key]), D[[key]] if isinstance(key, int) else D[key])
    np.testing.assert_array_equal(dense(A[key, ...]), D[[key]] if isinstance(key, int) else D[key])
    column = data.draw(keys(M.shape[1]))
    np.testing.assert_array_equal(dense(A[..., column]), D[:, [column]] if isinstance(column, int) else D[:, column])
    if isinstance(key, slice):
        result = A[key, column]
        np.testing.assert_array_equal(dense(result), D[key, [column]] if isinstance(column, int) else D[key, column])
        if A.split == 0 or (A.split == 1 and not isinstance(column, int)):
            assert result.split == A.split


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_elements(data: st.DataObject) -> None:
    M = matrix(data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    A, D = data.draw(placed(M)), M.toarray()
    m, n = D.shape
    i, j = data.draw(st.integers(-m, m - 1)), data.draw(st.integers(-n, n - 1))
    assert A[i, j].item() == D[i, j]
    assert A[i, j].shape == ()
    rows = data.draw(st.lists(st.integers(-m, m - 1), min_size=1, max_size=5))
    columns = data.draw(st.lists(st.integers(-n, n - 1), min_size=len(rows), max_size=len(rows)))
    np.testing.assert_array_equal(dense(A[rows, columns]), D[rows, columns])
    np.testing.assert_array_equal(dense(A[dnd.array(rows, split=0), j]), D[rows, j])


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_permuted(data: st.DataObject) -> None:
    M = matrix(data.draw(sizes()), data.draw(sizes()))
    A, D = data.draw(placed(M)), M.toarray()
    p, q = (np.array(data.draw(st.permutations(range(n))), dtype=np.int64) for n in D.shape)
    np.testing.assert_array_equal(dense(A.permute(p, q)), D[p][:, q])
    np.testing.assert_array_equal(dense(A.permute(None, q)), D[:, q])
    if D.shape[0] == D.shape[1]:
        np.testing.assert_array_equal(dense(A.permute(p)), D[p][:, p])
    assert A.permute(p, q).split == A.split


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize(
    "key", [slice(1, 6, 2), slice(None, None, -1), [0, 0, 3], 2, ([1, 2], [3, 3]), (slice(None), [4, 1])]
)
def test_gradients(split: int | None, key: Any) -> None:
    M = matrix(7, 5, density=0.5)
    whole = torch.from_numpy(M.toarray()).requires_grad_()
    theirs = whole[np.arange(7)[key].copy()] if isinstance(key, slice) else whole[key]
    (theirs**2).sum().backward()
    A = S.csr_array(M, split=split).requires_grad_()
    (A[key] ** 2).sum().backward()
    np.testing.assert_allclose(dense(A.grad), whole.grad)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize(
    "key",
    [7, -8, (0, 5), [0, 9], [True, False], None, (0, 0, 0), 1.5, np.zeros((2, 2), dtype=int), ([1, 2, 3], [1, 2])],
)
def test_bad_keys(split: int | None, key: Any) -> None:
    A = S.csr_array(matrix(7, 5), split=split)
    with dnd.testing.count_collectives() as c, pytest.raises(IndexError):
        A[key]
    assert c.total == 0


def test_slices_stay_where_they_are() -> None:
    A = S.poisson(40, split=0)
    with dnd.testing.count_collectives() as c:
        B = A[5:30, 3:]
    assert c.calls == ({"Allreduce": 1} if A.comm.size > 1 else {})
    expected = A.layout.box(A.comm.rank)[0]
    assert B.lshape[0] == max(0, min(expected[1], 30) - max(expected[0], 5))


def test_permutations_hold_every_number_once() -> None:
    A = S.eye_array(3, split=0)
    for p in ([0, 1, 1], [0, 1]):
        with pytest.raises(ValueError, match="once"):
            A.permute(p)
