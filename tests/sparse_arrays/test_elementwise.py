"""Arithmetic, functions, reductions, and parts chosen by where they lie."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_strategies import DTYPES, dense, matrix, placed, sizes, stored, vectors

import dndarray as dnd
from dndarray.sparse.elementwise import UNARY

S = dnd.sparse
ORDERED = (operator.lt, operator.le, operator.gt, operator.ge)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_two_sparse_ones(data: st.DataObject) -> None:
    m, n = data.draw(sizes()), data.draw(sizes())
    M, N = (matrix(m, n, data.draw(st.sampled_from(DTYPES)), seed) for seed in (1, 2))
    A, B = data.draw(placed(M)), data.draw(placed(N))
    for op in (operator.add, operator.sub, operator.mul, operator.ne, operator.eq, *ORDERED):
        if op in ORDERED and (A.dtype.is_complex or B.dtype.is_complex):
            continue
        result = op(A, B)
        expected = op(M.toarray(), N.toarray())
        np.testing.assert_array_equal(dense(result), expected)
        assert dense(result).dtype == expected.dtype
        assert result.split == (A.split if A.split is not None else B.split)
    if not (A.dtype.is_complex or B.dtype.is_complex):
        np.testing.assert_array_equal(dense(A.maximum(B)), np.maximum(M.toarray(), N.toarray()))
        np.testing.assert_array_equal(dense(A.minimum(B)), np.minimum(M.toarray(), N.toarray()))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_with_dense(data: st.DataObject) -> None:
    m, n = data.draw(sizes()), data.draw(sizes())
    M = matrix(m, n, "float64", 1)
    A = data.draw(placed(M))
    shape = data.draw(st.sampled_from([(m, n), (1, n), (m, 1), (n,), (1,), (1, 1), ()]))
    values, x = data.draw(vectors(shape, "float64"))
    product = A * x
    assert S.issparse(product)
    assert product.pattern is A.pattern
    np.testing.assert_array_equal(dense(product), M.toarray() * values)
    np.testing.assert_array_equal(dense(x * A), M.toarray() * values)
    np.testing.assert_array_equal(dense(A + x), M.toarray() + values)
    np.testing.assert_array_equal(dense(x - A), values - M.toarray())
    np.testing.assert_array_equal(dense(A / (abs(x) + 1)), M.toarray() / (abs(values) + 1))


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("scalar", [2, 0.5, 0, -1, np.float64(3), True])
@pytest.mark.parametrize("dtype", ["float64", "int64", "float32"])
def test_with_numbers(split: int | None, scalar: Any, dtype: str) -> None:
    M = matrix(8, 5, dtype)
    A = S.csr_array(M, split=split)
    D = M.toarray()
    for op in (operator.add, operator.sub, operator.mul, *ORDERED, operator.eq, operator.ne):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if op is operator.sub and scalar is True:
                continue
            expected, reflected = op(D, scalar), op(scalar, D)
        np.testing.assert_allclose(dense(op(A, scalar)), expected)
        np.testing.assert_allclose(dense(op(scalar, A)), reflected)
    assert S.issparse(A * scalar)
    assert not S.issparse(A + 1)
    np.testing.assert_allclose(dense(A / 4), D / 4)
    np.testing.assert_allclose(dense(A**2), D**2)


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ("absolute",)])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_functions(name: str, split: int | None) -> None:
    M = matrix(8, 5)
    M.data = abs(M.data) / 8
    result = getattr(S.csr_array(M, split=split), name)()
    np.testing.assert_allclose(dense(result), getattr(np, name)(M.toarray()), rtol=1e-14)
    assert result.nnz == M.nnz


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_reductions(data: st.DataObject) -> None:
    m, n, dtype = data.draw(sizes()), data.draw(sizes()), data.draw(st.sampled_from([*DTYPES, "bool"]))
    density = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    M = matrix(m, n, dtype, 1, density)
    A, D = data.draw(placed(M)), M.toarray()
    for axis in (None, 0, 1, -1):
        total = A.sum(axis)
        np.testing.assert_array_equal(dense(total), D.sum(axis))
        assert dense(total).dtype == D.sum(axis).dtype
        np.testing.assert_array_equal(dense(A.count_nonzero(axis)), np.count_nonzero(D, axis=axis))
        if D.size:
            np.testing.assert_allclose(dense(A.mean(axis)), D.mean(axis), rtol=1e-6, atol=1e-7)
        for name in ("max", "min"):
            if dtype == "complex128":
                with pytest.raises(TypeError):
                    getattr(A, name)(axis)
            elif D.size or (axis is not None and D.shape[axis]):
                np.testing.assert_array_equal(dense(getattr(A, name)(axis)), getattr(D, name)(axis))
            else:
                with pytest.raises(ValueError, match="no elements"):
                    getattr(A, name)(axis)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_parts(data: st.DataObject) -> None:
    m, n, k = data.draw(sizes()), data.draw(sizes()), data.draw(st.integers(-10, 10))
    M = matrix(m, n)
    A, D = data.draw(placed(M)), M.toarray()
    np.testing.assert_array_equal(dense(A.tril(k)), np.tril(D, k))
    np.testing.assert_array_equal(dense(A.triu(k)), np.triu(D, k))
    expected = np.diagonal(D, k) if -m < k < n else np.empty(0)
    np.testing.assert_array_equal(dense(A.diagonal(k)), expected)
    np.testing.assert_array_equal(A.trace(k).item(), expected.sum())
    i, j = (index.numpy() for index in A.nonzero())
    assert sorted(zip(i, j, strict=True)) == sorted(zip(*D.nonzero(), strict=True))
    before = A.copy()
    A.eliminate_zeros()
    assert A.nnz == np.count_nonzero(D)
    np.testing.assert_array_equal(dense(A), D)
    assert before.nnz == M.nnz


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("other", [None, 0, 1])
def test_gradients(split: int | None, other: int | None) -> None:
    M, N = matrix(7, 5, seed=1), matrix(7, 5, seed=2)
    row = torch.arange(1.0, 6, dtype=torch.float64)

    def loss(a: Any, b: Any, v: Any) -> Any:
        return ((a * 2 + b) * v).sum() + (a * b).sum() + (a.sum(axis=0) ** 2).sum() + a.max() + (a.T * a.T).sum()

    full = [torch.from_numpy(X.toarray()).requires_grad_() for X in (M, N)]
    whole = row.clone().requires_grad_()
    loss(*full, whole).backward()
    A, B = (S.csr_array(X, split=s).requires_grad_() for X, s in ((M, split), (N, other)))
    v = dnd.array(row, split=other and 0).requires_grad_()
    loss(A, B, v).backward()
    for X, mine, theirs in ((M, A, full[0]), (N, B, full[1])):
        np.testing.assert_allclose(dense(mine.grad), np.where(stored(X), theirs.grad, 0), atol=1e-12)
    np.testing.assert_allclose(dense(v.grad), whole.grad, atol=1e-12)


def test_shapes_that_do_not_fit() -> None:
    A = S.csr_array((2, 3), split=0)
    for other in (S.csr_array((3, 2), split=0), dnd.ones((3, 2))):
        with pytest.raises(ValueError, match="shape"):
            A * other
