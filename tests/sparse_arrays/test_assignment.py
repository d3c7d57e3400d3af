"""Setting elements, rows, columns and blocks of sparse arrays."""

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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_blocks(data: st.DataObject) -> None:
    M = matrix(data.draw(sizes()), data.draw(sizes()))
    A, D = data.draw(placed(M)), M.toarray()
    key = data.draw(keys(M.shape[0])), data.draw(keys(M.shape[1]))
    if not any(isinstance(k, slice) for k in key):
        key = (key[0], slice(None))
    shape = D[key].shape
    kind = data.draw(st.sampled_from(["zero", "number", "row", "dense", "split", "sparse"]))
    values = np.random.default_rng(1).integers(-2, 3, shape).astype(float)
    if kind in ("zero", "number"):
        values = given_value = 0 if kind == "zero" else 2.5
    elif kind == "row":
        values = given_value = values[:1] if values.ndim == 2 else values
    elif kind == "sparse":
        rows, columns = (np.atleast_1d(np.arange(n)[k]) for k, n in zip(key, D.shape, strict=True))
        values = values.reshape(len(rows), len(columns))
        given_value = S.csr_array(values, split=data.draw(st.sampled_from([None, 0, 1])))
        values = values.reshape(shape)
    else:
        given_value = dnd.array(values, split=0) if kind == "split" and values.ndim else values
    if kind == "split" and values.ndim == 2:
        given_value = given_value.resplit(1)
    before = A.T
    D[key] = values
    A[key] = given_value
    np.testing.assert_array_equal(dense(A), D)
    np.testing.assert_array_equal(dense(before), M.toarray().T)
    assert A.has_canonical_format and A.split == before.T.split
    np.testing.assert_array_equal(dense(A @ np.arange(float(D.shape[1]))), D @ np.arange(float(D.shape[1])))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_elements(data: st.DataObject) -> None:
    M = matrix(
        data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)), data.draw(st.sampled_from(["int64", "complex128"]))
    )
    A, D = data.draw(placed(M)), M.toarray()
    m, n = D.shape
    i, j = data.draw(st.integers(-m, m - 1)), data.draw(st.integers(-n, n - 1))
    A[i, j] = D[i, j] = 7
    np.testing.assert_array_equal(dense(A), D)
    rows = data.draw(st.lists(st.integers(-m, m - 1), min_size=1, max_size=8))
    columns = data.draw(st.lists(st.integers(-n, n - 1), min_size=len(rows), max_size=len(rows)))
    values = np.arange(10, 10 + len(rows))  # of those set several times the last counts
    A[rows, columns] = dnd.array(values, split=data.draw(st.sampled_from([None, 0])))
    D[rows, columns] = values
    np.testing.assert_array_equal(dense(A), D)
    A[rows, j] = D[rows, j] = 1
    np.testing.assert_array_equal(dense(A), D)


def test_what_is_stored_keeps_its_place() -> None:
    A = S.poisson(6, 6, split=0)
    pattern = A.pattern
    with dnd.testing.count_collectives() as c:
        A[range(36), range(36)] = 5.0
        A[3, :] = 0
    assert A.pattern is pattern and A[3].count_nonzero().item() == 0
    assert c.calls == ({"Allreduce": 2} if A.comm.size > 1 else {})
    A[0, 35] = 1.0
    assert A.nnz == pattern.nnz + 1 and A.pattern is not pattern
    np.testing.assert_array_equal(dense(A @ np.ones(36)), A.toarray().sum(1))


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ((0, 9), 1.0, IndexError),
        ((7, slice(None)), 1.0, IndexError),
        (([0, 1, 2], [1, 2]), 1.0, IndexError),
        ((slice(None), 1), np.ones(4), ValueError),
        (([0, 1], [1, 2]), np.ones(3), ValueError),
        ((slice(0, 2), slice(0, 2)), np.ones((2, 2, 2)), ValueError),
        ((slice(0, 2), slice(0, 2)), 1j, TypeError),
        ((0, 0), 1j, TypeError),
        ((0, 0), "x", (TypeError, ValueError)),
    ],
)
def test_bad_assignments(split: int | None, key: Any, value: Any, error: Any) -> None:
    M = matrix(7, 5)
    A = S.csr_array(M, split=split)
    with dnd.testing.count_collectives() as c, pytest.raises(error):
        A[key] = value
    assert c.total == 0
    with pytest.raises(ValueError, match="shape of what is set"):
        A[0:2] = S.eye_array(2, split=0)
    np.testing.assert_array_equal(dense(A), M.toarray())


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("where", [None, 0])
def test_gradients(split: int | None, where: int | None) -> None:
    M = matrix(7, 5, density=0.5)
    whole = torch.from_numpy(M.toarray()).requires_grad_()
    new = torch.arange(1.0, 7, dtype=torch.float64).reshape(2, 3).requires_grad_()
    line = torch.tensor([3.0, 4.0], dtype=torch.float64).requires_grad_()
    full = whole.clone()
    full[2:4, 1:4] = new
    full[[6, 0], [0, 4]] = line
    (full**2).sum().backward()
    A = S.csr_array(M, split=split).requires_grad_()
    first = A.detach().requires_grad_()
    A = first * 1.0
    ours = dnd.array(new.detach(), split=where).requires_grad_()
    line_here = dnd.array(line.detach(), split=where).requires_grad_()
    A[2:4, 1:4] = ours
    A[[6, 0], [0, 4]] = line_here
    (A**2).sum().backward()
    np.testing.assert_allclose(dense(first.grad), np.where(M.toarray() != 0, whole.grad, 0))
    np.testing.assert_allclose(dense(ours.grad), new.grad)
    np.testing.assert_allclose(dense(line_here.grad), line.grad)
