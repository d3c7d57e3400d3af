"""Linear algebra: errors on all ranks, what is communicated, how results are laid out, factors that are unique."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray.testing import assert_allclose, count_collectives

linalg = dnd.linalg
SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
TALL, SQUARE = RNG.normal(size=(40, 3)), RNG.normal(size=(6, 6))
STACK = RNG.normal(size=(5, 3, 3)) + 4 * np.eye(3)


def test_every_name_of_numpy() -> None:
    assert set(np.linalg.__all__) - set(linalg.__all__) == set()
    assert issubclass(linalg.LinAlgError, ValueError)


def test_one_singular_matrix_is_an_error_everywhere() -> None:
    a = STACK.copy()
    a[4] = 0
    x = dnd.array(a, split=0)
    for call in (linalg.inv, linalg.cholesky, lambda x: linalg.solve(x, dnd.ones((3, 2))), lambda x: linalg.inv(x[4])):
        with pytest.raises(linalg.LinAlgError):
            call(x)
    with pytest.raises(linalg.LinAlgError):  # where some processes have no right-hand side
        linalg.solve(dnd.zeros((2, 2)), dnd.ones((2, 1), split=1))
    a[4, 0, 0] = np.nan
    with pytest.raises(linalg.LinAlgError):
        linalg.eig(dnd.array(a, split=0))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_refused_before_anything_travels(dtype: str) -> None:
    x = dnd.ones((4, 4), dtype, split=0)
    for call in (linalg.inv, linalg.qr, linalg.svd, linalg.eigh, lambda x: linalg.solve(x, x), linalg.cholesky):
        with count_collectives() as c, pytest.raises(TypeError, match="float32"):
            call(x)
        assert c.calls == {}


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_tall_matrices_stay_where_they_are() -> None:
    x, b = dnd.array(TALL, split=0), dnd.array(TALL[:, :2], split=0)
    for call in (
        linalg.qr,
        lambda x: linalg.svd(x, False),
        linalg.svdvals,
        linalg.pinv,
        linalg.cond,
        linalg.matrix_rank,
    ):
        with count_collectives() as c:
            call(x)
        assert c.calls == {"Allgather": 1}, call
        assert c.bytes == 3 * 3 * 8, call
    with count_collectives() as c:
        linalg.lstsq(x, b)
    assert c.bytes < 500
    for call in (linalg.norm, linalg.vector_norm, linalg.matrix_norm):
        with count_collectives() as c:
            call(x)
        assert c.calls == {"Allreduce": 1}


def test_stacks_are_factorised_where_they_are() -> None:
    x = dnd.array(STACK, split=0)
    for call in (linalg.qr, linalg.det, linalg.svdvals, linalg.inv, linalg.pinv, linalg.eigvalsh, linalg.matrix_norm):
        with count_collectives() as c:
            call(x)
        assert c.calls in ({}, {"Allgather": 1})  # to agree on errors


def _splits(results: Any) -> list[Any]:
    return [r.split for r in results]


def test_layouts_of_results() -> None:
    rows, columns, wide = dnd.array(TALL, split=0), dnd.array(TALL, split=1), dnd.array(TALL.T, split=1)
    assert _splits(linalg.qr(rows)) == [0, None]
    assert _splits(linalg.qr(columns)) == [1, 1]
    assert _splits(linalg.qr(wide)) == [None, 1]
    assert _splits(linalg.svd(rows, False)) == [0, None, None]
    assert _splits(linalg.svd(wide, False)) == [None, None, 1]
    assert _splits(linalg.svd(rows)) == [0, None, None]
    assert linalg.pinv(rows).split == 1
    x, b = dnd.array(SQUARE, split=0), dnd.array(SQUARE[:, :4], split=1)
    assert [linalg.inv(v).split for v in (x, x.T)] == [0, 1]
    assert linalg.solve(x, b).split == 1
    assert linalg.solve(x, b[:, 0].resplit(0)).split == 0
    assert _splits(linalg.eigh(x)) == [None, 0]
    assert linalg.lstsq(rows, rows)[0].split is None
    stack = dnd.array(STACK, split=2)
    assert linalg.inv(stack).split == linalg.det(stack).split == linalg.solve(stack, dnd.array(STACK)).split == 0
    for array in (*linalg.qr(rows), *linalg.eigh(x), linalg.inv(x)):
        assert array.larray.untyped_storage().nbytes() == array.larray.nbytes  # no part of something larger


@given(st.data())
def test_qr_is_the_same_however_it_is_split(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(9, 3), (3, 9), (5, 5), (4, 1), (1, 4), (6, 4)]))
    a = np.random.default_rng(sum(shape)).normal(size=shape)
    layout, comm = data.draw(layouts(shape, SIZE)), dnd.get_comm()
    x = dnd.DNDarray(torch.from_numpy(a)[tuple(slice(*i) for i in layout.box(comm.rank))].clone(), layout, comm)
    q, r = linalg.qr(x)
    signs = np.sign(np.diag(np.linalg.qr(a).R))
    k = len(signs)
    assert_allclose(q, np.linalg.qr(a).Q * signs, atol=1e-12)
    assert_allclose(r, signs[:, None] * np.linalg.qr(a).R, atol=1e-12)
    u, s, vh = linalg.svd(x, full_matrices=False)
    assert_allclose((u * s) @ vh, a, atol=1e-12)
    assert_allclose(linalg.pinv(x), np.linalg.pinv(a), atol=1e-10)
    assert (q.shape, vh.shape) == ((shape[0], k), (k, shape[1]))


def test_fewer_rows_than_columns_on_every_process() -> None:
    a = RNG.normal(size=(5, 4))
    for dtype in ("float64", "complex128"):
        value = a.astype(dtype) * (1 + (1j if dtype == "complex128" else 0))
        q, r = linalg.qr(dnd.array(value, split=0))
        assert_allclose(q @ r, value, atol=1e-12)
        assert_allclose(q.T.conj() @ q, np.eye(4), atol=1e-12)


def test_zero_has_a_norm_and_a_gradient() -> None:
    x = dnd.zeros(5, split=0).requires_grad_()
    linalg.norm(x).backward()
    assert_allclose(x.grad, np.zeros(5, dtype="float32"))


def test_rank_deficient_least_squares() -> None:
    a = np.concatenate([TALL, TALL[:, :1]], 1)
    x, residuals, rank, s = linalg.lstsq(dnd.array(a, split=0), dnd.array(TALL[:, 1], split=0))
    assert (rank, residuals.shape) == (3, (0,))
    assert_allclose(x, np.linalg.lstsq(a, TALL[:, 1])[0], atol=1e-10)
    assert linalg.matrix_rank(dnd.array(a, split=0)).item() == 3
