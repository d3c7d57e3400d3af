"""Sparse arrays from what there is, by formula, and put together from others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_strategies import DTYPES, dense, matrix, placed, sizes

import dndarray as dnd

S = dnd.sparse
SPLITS = [None, 0, 1]
MAKERS = [S.csr_array, S.csc_array, S.coo_array, S.bsr_array]


def check(A: Any, expected: Any, split: int | None) -> None:
    """The elements, and what is known without communication."""
    expected = expected.toarray() if sp.issparse(expected) else np.asarray(expected)
    with dnd.testing.count_collectives() as c:
        repr(A)
        assert (A.shape, A.split, A.ndim) == (expected.shape, split, 2)
        assert A.lshape == A.layout.lshape(A.comm.rank)
        assert A.lnnz == len(A.data) == len(A.indices) == A.indptr[-1]
        assert tuple(A.local.shape) == A.lshape
        assert A.has_canonical_format
        row, col = A.coords
        box = A.layout.box(A.comm.rank)
        for index, (start, stop) in zip((row, col), box, strict=True):
            assert ((index >= start) & (index < stop)).all()
    assert c.total == 0
    total = A.lnnz if split is None else int(A.comm.allreduce(torch.tensor(A.lnnz)))
    assert A.nnz == total
    np.testing.assert_array_equal(A.toarray(), expected)
    part = A.local
    assert part.has_canonical_format
    np.testing.assert_array_equal(part.toarray(), expected[tuple(slice(*interval) for interval in box)])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("dtype", [*DTYPES, "bool", "int8", "complex64"])
@pytest.mark.parametrize("make", MAKERS)
def test_from_scipy(make: Any, dtype: str, split: int | None) -> None:
    for (m, n), form in (((9, 7), "csr"), ((2, 5), "csc"), ((0, 4), "coo"), ((4, 0), "dia")):
        M = matrix(m, n, dtype)
        A = make(M.asformat(form), split=split)
        check(A, M, split)
        assert str(A.dtype) == f"torch.{dtype}"
        assert A.format == A.to_scipy().format == make.__name__[:3]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_from_parts(axis: int, dtype: str) -> None:
    comm = dnd.get_comm()
    parts = [matrix(3 + r if axis == 0 else 5, 5 if axis == 0 else 3 + r, dtype, r) for r in range(comm.size)]
    whole = sp.vstack(parts) if axis == 0 else sp.hstack(parts)
    for part in (
        parts[comm.rank],
        parts[comm.rank].toarray(),
        torch.from_numpy(parts[comm.rank].toarray()).to_sparse(),
    ):
        A = S.csr_array(part, is_split=axis)
        check(A, whole, axis)
    assert A.pattern.counts == tuple(3 + r for r in range(comm.size))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # torch's, about its own
def test_from_torch(split: int | None) -> None:
    M = matrix(8, 6)
    T = torch.from_numpy(M.toarray())
    for tensor in (T.to_sparse_csr(), T.to_sparse_coo(), T.to_sparse_csc(), T.to_sparse_bsr((2, 2)), T):
        check(S.csr_array(tensor, split=split), M, split)
    values = torch.arange(1.0, 4, requires_grad=True)
    tensor = torch.sparse_coo_tensor(torch.tensor([[0, 2, 2], [1, 0, 2]]), values, (3, 3))
    A = S.csr_array(tensor, split=split)
    (A.sum() * 2).backward()
    np.testing.assert_array_equal(values.grad, [2, 2, 2])


@pytest.mark.parametrize("split", SPLITS)
def test_from_dense(split: int | None) -> None:
    D = matrix(8, 6).toarray()
    check(S.csr_array(D, split=split), D, split)
    for other in SPLITS:
        x = dnd.array(D, split=other).requires_grad_()
        A = S.csr_array(x, split=split)
        check(A, D, split if split is not None else other)
        (A * A).sum().backward()
        np.testing.assert_allclose(dense(x.grad), 2 * D)


@pytest.mark.parametrize("split", SPLITS)
def test_from_triplets_and_compressed_rows_that_all_have(split: int | None) -> None:
    rows, columns, values = [3, 0, 3, 1], [1, 2, 1, 0], [1.0, 2.0, 5.0, 3.0]
    expected = sp.coo_array((values, (rows, columns)), shape=(4, 3)).toarray()
    for make in MAKERS:
        check(make((values, (rows, columns)), shape=(4, 3), split=split), expected, split)
        check(make((values, (rows, columns)), split=split), expected, split)
    M = sp.csr_array(expected)
    check(S.csr_array((M.data, M.indices, M.indptr), shape=M.shape, split=split), M, split)
    M = sp.csc_array(expected)
    check(S.csc_array((M.data, M.indices, M.indptr), shape=M.shape, split=split), M, split)
    check(S.csr_array((4, 3), split=split), np.zeros((4, 3)), split)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_triplets_are_sent_home(data: st.DataObject) -> None:
    """Elements on any rank; those that come several times add up; values keep their gradients."""
    comm = dnd.get_comm()
    m, n, axis = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8)), data.draw(st.sampled_from([0, 1]))
    dtype = data.draw(st.sampled_from(DTYPES))
    triplets = []
    for r in range(comm.size):
        rng = np.random.default_rng([r, data.draw(st.integers(0, 5))])
        k = int(rng.integers(0, 9))
        values = rng.integers(1, 5, k).astype(dtype)
        triplets.append((values, (rng.integers(0, m, k), rng.integers(0, n, k))))
    expected = sum(sp.coo_array(t, shape=(m, n)).toarray() for t in triplets)
    A = S.coo_array(triplets[comm.rank], shape=(m, n), is_split=axis)
    check(A, expected, axis)
    assert A.layout.is_balanced


@pytest.mark.parametrize("split", [0, 1])
def test_triplets_in_split_arrays(split: int) -> None:
    """Arrays say by themselves that each process has some; their values keep their gradients."""
    rng = np.random.default_rng(0)
    values, rows, columns = rng.normal(size=20), rng.integers(0, 7, 20), rng.integers(0, 5, 20)
    data = dnd.array(values, split=0).requires_grad_()
    A = S.csr_array((data, (dnd.array(rows, split=0), dnd.array(columns))), shape=(7, 5), split=split)
    check(A.detach(), sp.coo_array((values, (rows, columns)), shape=(7, 5)).toarray(), split)
    weights = rng.normal(size=5)
    (A @ dnd.array(weights)).sum().backward()
    np.testing.assert_allclose(data.grad.numpy(), weights[columns], rtol=1e-12)
    with pytest.raises(ValueError, match="one length"):
        S.csr_array((data, (dnd.array(rows[1:]), dnd.array(columns))), shape=(7, 5), split=split)


def test_gradient_of_triplets() -> None:
    comm = dnd.get_comm()
    values = torch.arange(1.0, 4, dtype=torch.float64, requires_grad=True)
    A = S.coo_array((values, ([0, 5, 2], [0, 1, 2])), shape=(6, 3), is_split=0)
    (A * A).sum().backward()
    np.testing.assert_allclose(values.grad, 2 * comm.size * np.arange(1.0, 4))
    with dnd.testing.count_collectives() as c:
        S.coo_array((values.detach(), ([0, 5, 2], [0, 1, 2])), shape=(6, 3), is_split=0)
    assert c.calls.get("Alltoall", 0) == (2 if comm.size > 1 else 0)


def test_indices_out_of_range_name_the_rank() -> None:
    comm = dnd.get_comm()
    last = comm.size - 1
    column = 7 if comm.rank == last else 1
    with pytest.raises(ValueError, match=r"column number 7 is out of range for `shape` \(=\(3, 3\)\)") as error:
        S.coo_array(([1.0], ([1], [column])), shape=(3, 3), is_split=0)
    if comm.rank != last:
        assert f"[raised on rank {last}]" in str(error.value)


def test_parts_that_do_not_fit() -> None:
    comm = dnd.get_comm()
    if comm.size == 1:
        pytest.skip("one part always fits")
    with pytest.raises(ValueError, match="rank 1"):
        S.csr_array(matrix(2, 4 if comm.rank == 1 else 3), is_split=0)
    with pytest.raises(ValueError, match="rank 1"):
        S.csr_array(matrix(2, 3, "float32" if comm.rank == 1 else "float64"), is_split=0)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: S.csr_array(matrix(2, 3), split=2), ValueError),
        (lambda: S.csr_array(matrix(2, 3), split=0, is_split=0), ValueError),
        (lambda: S.csr_array(matrix(2, 3), shape=(3, 3)), ValueError),
        (lambda: S.csr_array(np.ones(3)), ValueError),
        (lambda: S.csr_array(np.array([["a", "b"]])), TypeError),
        (lambda: S.csr_array((["x"], ([0], [0]))), TypeError),
        (lambda: S.csr_array(([1.0], ([0.5], [0])), shape=(2, 2)), TypeError),
        (lambda: S.csr_array(([1.0, 2.0], ([0], [0])), shape=(2, 2)), ValueError),
        (lambda: S.csr_array(np.ones((2, 2), dtype=np.float16)), TypeError),
        (lambda: S.eye_array(-1), ValueError),
        (lambda: S.diags_array([[1.0, 2.0]], offsets=[0, 1]), ValueError),
        (lambda: S.diags_array([[1.0]], offsets=[0], shape=(3, 3), split=3), ValueError),
        (lambda: S.random_array((3, 3), density=2), ValueError),
        (lambda: S.hstack([matrix(2, 3), matrix(3, 3)]), ValueError),
        (lambda: S.eye_array(2).resplit(2), ValueError),
        (lambda: S.eye_array(2).asformat("dok"), ValueError),
        (lambda: bool(S.eye_array(2)), ValueError),
        (lambda: len(S.eye_array(2)), TypeError),
        (lambda: np.asarray(S.eye_array(2)), TypeError),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_dealt_out_anew(data: st.DataObject) -> None:
    M = matrix(data.draw(sizes()), data.draw(sizes()), data.draw(st.sampled_from(DTYPES)))
    A = data.draw(placed(M))
    check(A, M, A.split)
    for split in SPLITS:
        B = A.resplit(split).requires_grad_(False)
        check(B, M, split)
    check(A.T, M.T, None if A.split is None else 1 - A.split)
    for form in ("csr", "csc", "coo", "bsr"):
        B = A.asformat(form)
        check(B, M, A.split)
        assert B.format == form
    np.testing.assert_array_equal(dense(A.to_dense()), M.toarray())
    assert A.to_dense().split == A.split
    block = A.diagonal_block()
    if M.shape[0] == M.shape[1]:
        start, stop = A.pattern.start, A.pattern.stop
        np.testing.assert_array_equal(block.toarray(), M.toarray()[start:stop, start:stop])


# --- by formula -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (1,), (3, 1), (0, 3)])
def test_poisson(shape: tuple[int, ...], split: int | None) -> None:
    lines = [sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)).toarray() for n in shape if n]
    expected = np.zeros((int(np.prod(shape)),) * 2)
    for a in range(len(shape)) if 0 not in shape else ():
        term = np.eye(1)
        for b, line in enumerate(lines):
            term = np.kron(term, line if a == b else np.eye(len(line)))
        expected = expected + term
    check(S.poisson(*shape, split=split), expected, split)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("m", "n"), [(4, 4), (3, 5), (5, 3), (1, 4), (9, 2)])
def test_diagonals(m: int, n: int, split: int | None) -> None:
    offsets = [k for k in (3, -2, 0, 1) if -m < k < n]
    lines = [np.arange(1.0, 1 + min(m, n - k) - max(0, -k)) for k in offsets]
    expected = sp.diags_array(lines, offsets=offsets, shape=(m, n))
    check(S.diags_array(lines, offsets=offsets, shape=(m, n), split=split), expected, split)
    dealt = [dnd.array(line, split=0).requires_grad_() for line in lines]
    A = S.diags_array(dealt, offsets=offsets, shape=(m, n), split=split)
    check(A, expected, split)
    (A * A).sum().backward()
    for line, x in zip(lines, dealt, strict=True):
        np.testing.assert_allclose(dense(x.grad), 2 * line)
    check(S.eye_array(m, n, k=1, split=split), np.eye(m, n, 1), split)
    check(S.diags_array([1.0, 2.0, 3.0], split=split), np.diag([1.0, 2.0, 3.0]), split)


@pytest.mark.parametrize("split", SPLITS)
def test_random_does_not_depend_on_the_ranks(split: int | None) -> None:
    A = S.random_array((40, 30), density=0.1, rng=3, split=split)
    assert A.nnz == 120
    alone = dnd.Communicator()
    check(A, S.random_array((40, 30), density=0.1, rng=3, comm=alone).toarray(), split)
    assert 0 <= A.min().item() <= A.max().item() < 1


# --- put together -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", SPLITS)
@pytest.mark.parametrize("split", SPLITS)
def test_joined(split: int | None, other: int | None) -> None:
    M, N = matrix(5, 4, seed=1), matrix(3, 4, seed=2)
    A, B = S.csr_array(M, split=split), S.csr_array(N, split=other)
    result = split if split is not None else other
    check(S.vstack([A, B]), sp.vstack([M, N]), result)
    check(S.hstack([A.T, B.T], format="coo"), sp.hstack([M.T, N.T]), None if result is None else 1 - result)
    check(S.block_diag([A, B]), sp.block_diag([M, N]), result)
    check(S.block_array([[A, None], [B, N]]), sp.block_array([[M, None], [N, N]]), result)
    check(S.kron(A, B), sp.kron(M, N), result)
    square, K = matrix(4, 4, seed=3), matrix(3, 3, seed=4)
    C, D = S.csr_array(square, split=split), S.csr_array(K, split=other)
    np.testing.assert_array_equal(dense(S.kronsum(C, D)), sp.kronsum(square, K).toarray())
    assert S.kronsum(C, D).split == (other if other is not None else split)
    with pytest.raises(ValueError, match="square"):
        S.kronsum(A, D)


@pytest.mark.parametrize("split", SPLITS)
def test_find(split: int | None) -> None:
    M = matrix(5, 4, seed=1)
    rows, columns, values = (x.numpy() for x in S.find(S.csr_array(M, split=split)))
    D = np.zeros(M.shape)
    D[rows, columns] = values
    np.testing.assert_array_equal(D, M.toarray())
    assert len(values) == np.count_nonzero(M.toarray())


def test_values_are_those_of_the_elements() -> None:
    A = S.eye_array(6, split=0)
    for wrong in (torch.ones(A.lnnz + 1), torch.ones(A.lnnz, 1)):
        with pytest.raises(ValueError, match="elements stored here"):
            A.with_data(wrong)
        with pytest.raises(ValueError, match="elements stored here"):
            A.data = wrong


@pytest.mark.parametrize("other", SPLITS)
@pytest.mark.parametrize("split", SPLITS)
def test_gradients_of_joined(split: int | None, other: int | None) -> None:
    M, N = matrix(5, 4, seed=1), matrix(3, 4, seed=2)
    for ours, theirs in (
        (lambda a, b: S.vstack([a, b]), lambda a, b: torch.cat([a, b])),
        (S.kron, torch.kron),
    ):
        a, b = (torch.from_numpy(X.toarray()).requires_grad_() for X in (M, N))
        (theirs(a, b) ** 2).sum().backward()
        A, B = (S.csr_array(X, split=s).requires_grad_() for X, s in ((M, split), (N, other)))
        (ours(A, B) ** 2).sum().backward()
        np.testing.assert_allclose(dense(A.grad), np.where(M.toarray() != 0, a.grad, 0))
        np.testing.assert_allclose(dense(B.grad), np.where(N.toarray() != 0, b.grad, 0))


@pytest.mark.serial
def test_scipy_is_imported_lazily() -> None:
    code = "import sys, dndarray; assert 'scipy' not in sys.modules; dndarray.sparse; assert 'scipy' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
