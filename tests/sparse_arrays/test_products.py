"""Products of sparse matrices, and what they communicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_strategies import DTYPES, dense, matrix, placed, sizes, stored, vectors

import dndarray as dnd

S = dnd.sparse


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_with_dense(data: st.DataObject) -> None:
    m, n, k = data.draw(sizes()), data.draw(sizes()), data.draw(st.sampled_from([None, 0, 1, 3]))
    dtype, other = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(DTYPES))
    M = matrix(m, n, dtype, data.draw(st.integers(0, 3)))
    A = data.draw(placed(M))
    values, x = data.draw(vectors((n,) if k is None else (n, k), other))
    y = A @ x
    np.testing.assert_array_equal(dense(y), M.toarray() @ values)
    assert y.dtype is dnd.result_type(A.dtype, x.dtype)
    if A.split is None and x.layout.is_dealt and 0 not in x.layout.axes:  # columns stay where they are
        assert y.layout.axes == x.layout.axes
    else:
        assert (y.split == 0) is (A.split is not None or x.layout.is_dealt)
    values, x = data.draw(vectors((m,) if k is None else (k, m), other))
    np.testing.assert_array_equal(dense(x @ A), values @ M.toarray())
    np.testing.assert_array_equal(dense(values @ A), values @ M.toarray())
    np.testing.assert_array_equal(dense(A.H @ x.T), M.toarray().conj().T @ values.T)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_with_sparse(data: st.DataObject) -> None:
    m, n, k = data.draw(sizes()), data.draw(sizes()), data.draw(sizes())
    M = matrix(m, n, data.draw(st.sampled_from(DTYPES)), 1)
    N = matrix(n, k, data.draw(st.sampled_from(DTYPES)), 2)
    A, B = data.draw(placed(M)), data.draw(placed(N))
    C = A @ B
    np.testing.assert_array_equal(dense(C), (M @ N).toarray())
    assert C.split == (A.split if A.split is not None else B.split)
    assert C.dtype is dnd.result_type(A.dtype, B.dtype)


def test_long_runs_and_mixed_rows() -> None:
    """Rows without halo that are multiplied where they lie, between others."""
    M = sp.block_diag([matrix(40, 40, seed=s) for s in range(8)]).tolil()
    M[50, 300], M[170, 3], M[319, 0] = 5, 7, 9
    M = M.tocsr()
    A = S.csr_array(M, split=0)
    for x in (np.arange(320.0), np.arange(640.0).reshape(320, 2)):
        np.testing.assert_array_equal(dense(A @ dnd.array(x, split=0)), M @ x)
        np.testing.assert_array_equal(dense(A.T @ dnd.array(x, split=0)), M.T @ x)


@pytest.mark.parametrize("columns", [None, 4])
@pytest.mark.parametrize("split", [0, 1])
def test_words_and_messages_are_those_of_the_halo(split: int, columns: int | None) -> None:
    n = 60
    comm = dnd.get_comm()
    P = S.poisson(n, split=split)
    x = dnd.ones(n if columns is None else (n, columns), dtype=dnd.float64, split=0)
    P @ x
    with dnd.testing.count_collectives() as c:
        P @ x
    neighbours = 0 if comm.size == 1 else 1 if comm.rank in (0, comm.size - 1) else 2
    assert c.bytes == 8 * neighbours * (columns or 1)
    assert c.calls == ({"Alltoall": 1} if comm.size > 1 else {})
    plan = P.pattern.plan(x.layout.counts[0])
    assert plan.words == (neighbours, neighbours)


def test_plans_are_made_once_for_a_pattern() -> None:
    P = S.poisson(6, 6, split=0)
    x = dnd.ones(36, dtype=dnd.float64, split=0)
    P @ x
    Q = P * 2.0 + P
    assert Q.pattern is P.pattern
    with dnd.testing.count_collectives() as c:
        Q @ x
    assert c.total == (1 if P.comm.size > 1 else 0)
    with dnd.testing.count_collectives() as c:
        P @ dnd.ones(36, dtype=dnd.float64)  # replicated: nothing travels
    assert c.total == 0


def test_sparse_products_send_touched_rows_only() -> None:
    n = 64
    P = S.poisson(n, split=0)
    P @ P
    with dnd.testing.count_collectives() as c:
        P @ P
    neighbours = P.pattern.plan(P.pattern.counts).words[1]
    # a length, and three elements of two words, for each row; and the number of elements of the product
    assert c.bytes == neighbours * 8 * (1 + 2 * 3) + (8 if P.comm.size > 1 else 0)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("where", [None, 0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients(split: int | None, where: int | None, dtype: torch.dtype) -> None:
    m, n = 7, 5
    M = matrix(m, n, "complex128" if dtype.is_complex else "float64", 3, density=0.5)
    rng = np.random.default_rng(1)
    values = torch.from_numpy(rng.standard_normal((n, 2))).to(dtype)
    weight = torch.from_numpy(rng.standard_normal((m, 2))).to(dtype)
    full = torch.from_numpy(M.toarray()).requires_grad_()
    whole = values.clone().requires_grad_()
    y = full @ whole
    ((y * weight).real.sum() + (y.abs() ** 2).sum()).backward()

    A = S.csr_array(M, split=split).requires_grad_()
    x = dnd.array(values, split=where).requires_grad_()
    y = A @ x
    loss = (y * dnd.array(weight)).real.sum() + (abs(y) ** 2).sum()
    loss.backward()
    np.testing.assert_allclose(dense(A.grad), np.where(stored(M), full.grad, 0), atol=1e-10)
    np.testing.assert_allclose(dense(x.grad), whole.grad, atol=1e-10)


@pytest.mark.parametrize("split", [None, 0, 1])
def test_gradients_of_gradients(split: int | None) -> None:
    M = matrix(6, 6, seed=4, density=0.5)
    full = torch.from_numpy(M.toarray()).requires_grad_()
    whole = torch.arange(1.0, 7, dtype=torch.float64).requires_grad_()
    (g,) = torch.autograd.grad(((full @ whole) ** 3).sum(), whole, create_graph=True)
    (g**2).sum().backward()

    A = S.csr_array(M, split=split).requires_grad_()
    x = dnd.arange(1.0, 7, dtype=dnd.float64, split=0).requires_grad_()
    (g,) = torch.autograd.grad(((A @ x) ** 3).sum().larray, x.larray, create_graph=True)
    (dnd.DNDarray(g, x.layout, x.comm) ** 2).sum().backward()
    np.testing.assert_allclose(dense(x.grad), whole.grad, rtol=1e-10)
    np.testing.assert_allclose(dense(A.grad), np.where(stored(M), full.grad, 0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("major", [0, 1])
def test_columns_that_are_dealt_out_stay_where_they_are(major: int) -> None:
    M, values = matrix(6, 5, seed=7, density=0.5), np.random.default_rng(8).standard_normal((5, 7))
    A = (S.csr_array, S.csc_array)[major](M).requires_grad_()
    x = dnd.array(values, split=1).requires_grad_()
    with dnd.testing.count_collectives() as c:
        y = A @ x
    assert y.split == 1 and c.total == 0
    np.testing.assert_allclose(dense(y.detach()), M @ values, rtol=1e-12)
    (y**2).sum().backward()
    np.testing.assert_allclose(dense(x.grad), 2 * M.T @ (M @ values), rtol=1e-12, atol=1e-12)
    expected = np.where(stored(M), 2 * (M @ values) @ values.T, 0)
    np.testing.assert_allclose(dense(A.grad), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("other", [None, 0, 1])
def test_gradients_of_sparse_products(split: int | None, other: int | None) -> None:
    M, N = matrix(6, 5, seed=5, density=0.4), matrix(5, 7, seed=6, density=0.4)
    a, b = (torch.from_numpy(X.toarray()).requires_grad_() for X in (M, N))
    ((a @ b) ** 2).sum().backward()
    A, B = S.csr_array(M, split=split).requires_grad_(), S.csr_array(N, split=other).requires_grad_()
    ((A @ B) ** 2).sum().backward()
    np.testing.assert_allclose(dense(A.grad), np.where(stored(M), a.grad, 0), atol=1e-10)
    np.testing.assert_allclose(dense(B.grad), np.where(stored(N), b.grad, 0), atol=1e-10)


def test_gradients_where_only_some_ranks_need_rows_of_others() -> None:
    M = sp.eye_array(12).tolil()
    M[0, 11] = 2.0
    full = torch.from_numpy(M.toarray()).requires_grad_()
    ((full @ full) ** 2).sum().backward()
    A = S.csr_array(M.tocsr(), split=0).requires_grad_()
    ((A @ A) ** 2).sum().backward()
    np.testing.assert_allclose(dense(A.grad), np.where(M.toarray() != 0, full.grad, 0))


@pytest.mark.parametrize(
    "product",
    [
        lambda A: A @ dnd.ones(4),
        lambda A: A @ dnd.ones((3, 3, 2)),
        lambda A: dnd.ones(4) @ A,
        lambda A: A @ A,
        lambda A: A @ [1, 2],
    ],
)
@pytest.mark.parametrize("split", [None, 0, 1])
def test_shapes_that_do_not_fit(product: Any, split: int | None) -> None:
    with dnd.testing.count_collectives() as c, pytest.raises(ValueError, match="shape"):
        product(S.csr_array((2, 3), split=split))
    assert c.total == 0


def test_types_without_kernels() -> None:
    A = S.eye_array(3, dtype=dnd.uint8, split=0)
    with pytest.raises(TypeError, match="astype"):
        A @ dnd.ones(3, dtype=dnd.uint16)
    with pytest.raises(TypeError, match="astype"):
        A.astype(dnd.bfloat16)


@pytest.mark.parametrize("split", [None, 0, 1])
def test_products_are_sorted_when_something_looks(split: int | None) -> None:
    M, N = matrix(40, 30, seed=1), matrix(30, 20, seed=2)
    expected = (M @ N).toarray()
    rows = np.arange(20.0)
    uses: list[Any] = [
        (lambda C: C @ rows, lambda D: D @ rows),
        (lambda C: C.T, lambda D: D.T),
        (lambda C: C + C, lambda D: 2 * D),
        (lambda C: abs(C), abs),
        (lambda C: C[3:9, ::2], lambda D: D[3:9, ::2]),
        (lambda C: C[[1, 2], [3, 4]], lambda D: D[[1, 2], [3, 4]]),
        (lambda C: C.sum(1), lambda D: D.sum(1)),
        (lambda C: C.resplit(None), lambda D: D),
    ]
    for use, theirs in uses:
        C = S.csr_array(M, split=split) @ S.csr_array(N, split=split)
        assert C.comm.size > 1 or not C.has_sorted_indices  # this one's rows do not come in order
        with dnd.testing.count_collectives() as c:
            C.sort_indices()
        assert c.total == 0 and C.has_sorted_indices and C.has_canonical_format
        D = S.csr_array(M, split=split) @ S.csr_array(N, split=split)
        assert D.shape == C.shape and D.nnz == C.nnz and D.dtype is C.dtype and D.split == C.split
        np.testing.assert_array_equal(dense(use(D)), theirs(expected))
        assert D.has_sorted_indices
        assert torch.equal(D.data, C.data) and torch.equal(D.indices, C.indices)
