"""Functions of blocks of samples: what is sent, what is held, errors, and every way in which samples may lie."""

from __future__ import annotations

import numpy as np
import pytest

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose, assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
TRAVELS = int(SIZE > 1)


def test_map_blocks_sends_nothing_and_bounds_what_it_takes() -> None:
    x = dnd.arange(30.0).reshape(3, 10).resplit(1)
    taken = []

    def total(w: dnd.DNDarray, block: dnd.DNDarray, y: dnd.DNDarray) -> tuple:
        taken.append((block.shape[1], block.comm.size, y.comm.size, w.comm.size))
        return (w[:, None] * block).sum(axis=0), y + 1

    with count_collectives() as c:
        sums, more = dnd.map_blocks(total, x, dnd.arange(10.0, split=0), shared=[dnd.ones(3)], size=2)
    agreed_assert(c.total <= 1, str(c))
    agreed_assert(max(taken)[0] <= 2 and all(t[1:] == (1, 1, 1) for t in taken), str(taken))
    assert sums.split == more.split == 0
    doubled = dnd.map_blocks(lambda block: 2 * block, x.resplit(0))
    assert doubled.split == 1
    assert_array_equal(doubled, 2 * np.arange(30.0, dtype=np.float32).reshape(3, 10))
    assert_array_equal(sums, np.arange(30.0, dtype=np.float32).reshape(3, 10).sum(0))
    assert_array_equal(more, np.arange(1, 11, dtype=np.float32))


def test_map_blocks_tells_everybody_of_errors() -> None:
    x = dnd.ones((2, 8), split=1)
    with pytest.raises(ValueError, match="no last axis of one length"):
        dnd.map_blocks(lambda x, y: x, x, dnd.ones(7))
    with pytest.raises(ValueError, match="`size`"):
        dnd.map_blocks(lambda x: x, x, size=0)
    with pytest.raises(ValueError, match="last axis is the block's"):
        dnd.map_blocks(lambda x: x.sum(), x)

    def fails_on_the_last(block: dnd.DNDarray) -> dnd.DNDarray:
        if dnd.get_comm().rank == dnd.get_comm().size - 1:
            raise ZeroDivisionError("here")
        return block

    with pytest.raises(ZeroDivisionError, match="here"):
        dnd.map_blocks(fails_on_the_last, x)


def test_sum_blocks_takes_one_all_reduce_and_bounds_what_it_takes() -> None:
    whole = np.random.default_rng(0).normal(size=(7, 5, 4))
    taken = []

    def sums(w: dnd.DNDarray, x: dnd.DNDarray, y: dnd.DNDarray) -> tuple:
        taken.append((x.shape[0], x.comm.size))
        return x.T @ y, (w * x).sum(axis=0), (x > 0).sum()

    for split in (None, 0, 1, 2):
        x, y = dnd.array(whole, split=split), dnd.array(whole[..., :2], split=0)
        weights = dnd.arange(4.0)
        with count_collectives() as c:
            product, weighted, positive = dnd.sum_blocks(sums, x, y, shared=[weights], size=3)
        agreed_assert(c.calls.get("Allreduce", 0) <= 1 and c.total <= 3, str(c))
        flat = whole.reshape(-1, 4)
        assert_allclose(product, flat.T @ flat[:, :2], rtol=1e-12)
        assert_allclose(weighted, np.arange(4) * flat.sum(0), rtol=1e-12)
        assert_array_equal(positive, (flat > 0).sum())
        assert not product.layout.is_dealt
    agreed_assert(max(n for n, _ in taken) <= 3 and {size for _, size in taken} == {1}, str(taken))
    assert_allclose(dnd.sum_blocks(lambda x: x.sum(axis=0), whole), flat.sum(0), rtol=1e-12)
    assert_array_equal(dnd.sum_blocks(lambda x: x.sum(axis=0), dnd.ones((0, 3), split=0)), np.zeros(3, "float32"))


def test_sum_blocks_of_sets_in_pieces_takes_one_all_reduce() -> None:
    whole = np.random.default_rng(1).normal(size=(12, 5, 3))
    for split in (None, 0, 1):
        pieces = tuple(dnd.array(part, split=split) for part in (whole[:2], whole[2:7], whole[7:]))
        sets = [pieces[:1], pieces[1:], pieces[0]]
        factors = [dnd.array(float(k)) for k in (1, 2, 3)]
        with count_collectives() as c:
            sums = dnd.sum_blocks(lambda k, x: ((k * x).sum(axis=0), x.T @ x), sets, shared=[factors], size=4)
        agreed_assert(c.calls.get("Allreduce", 0) <= 1 and c.total <= 1, str(c))
        for k, (mine, squares), part in zip((1, 2, 3), sums, (whole[:2], whole[2:], whole[:2]), strict=True):
            flat = part.reshape(-1, 3)
            assert_allclose(mine, k * flat.sum(0), rtol=1e-12)
            assert_allclose(squares, flat.T @ flat, rtol=1e-12)
        assert_allclose(dnd.sum_blocks(lambda x: x.sum(axis=0), pieces), whole.sum((0, 1)), rtol=1e-12)
    x = dnd.ones((4, 3), split=0)
    with pytest.raises(ValueError, match="of one length"):
        dnd.sum_blocks(lambda k, x: x, [x, x], shared=[[x]])
    with pytest.raises(ValueError, match="in as many"):
        dnd.sum_blocks(lambda x, y: x, (x, x), (x,))


def test_pieces_that_are_not_all_dealt_out_are_not_summed() -> None:
    dealt, whole = dnd.ones((4, 3), split=0), dnd.ones((4, 3))
    for pieces in ((dealt, whole), (whole, dealt), [(dealt,), (dealt, whole)]):
        with pytest.raises(ValueError, match=r"over the same axes of one grid, not as .*split=0.*split=None"):
            dnd.sum_blocks(lambda x: x.sum(axis=0), pieces)


def test_what_sets_and_pieces_share_is_brought_once() -> None:
    pieces = tuple(dnd.array(np.arange(12.0).reshape(4, 3) + i, split=0) for i in range(3))
    weights = dnd.arange(3.0, split=0).requires_grad_()
    factors = [dnd.array(float(k)).requires_grad_() for k in (1, 2)]
    with count_collectives() as c:
        sums = dnd.sum_blocks(lambda w, k, x: (k * w * x).sum(axis=0), [pieces, pieces[:2]], shared=[weights, factors])
        (sums[0].sum() + sums[1].sum()).backward()
    agreed_assert(c.calls.get("Allreduce", 0) <= 1 + 3 + 1, str(c))  # the sums, what is shared, the last sum
    columns = [sum(p.numpy().sum(0) for p in some) for some in (pieces, pieces[:2])]
    assert_allclose(weights.grad, columns[0] + 2 * columns[1], rtol=1e-6)
    for factor, column in zip(factors, columns, strict=True):
        assert_allclose(factor.grad, np.arange(3) @ column, rtol=1e-6)


def test_counts_stay_exact_beside_sums_in_single_precision() -> None:
    x = dnd.ones((5, 2), split=0)
    count, total = dnd.sum_blocks(lambda x: ((x[:, 0] > 0).sum() * (2**24 + 1), x.sum()), x)
    assert count.item() == 5 * (2**24 + 1) and total.dtype is dnd.float32
    # NumPy's arrays go where the others are, also where one process is alone.
    inner = dnd.map_blocks(lambda x: dnd.sum_blocks(lambda w, x: w * x.sum(axis=0), x, shared=[np.ones(1)]), x.T)
    assert_allclose(inner, np.full(5, 2.0))


def test_sum_blocks_checks_its_arguments() -> None:
    x = dnd.ones((4, 3), split=0)
    with pytest.raises(ValueError, match="alike in all axes but the last"):
        dnd.sum_blocks(lambda x, y: x, x, dnd.ones((5, 3)))
    with pytest.raises(ValueError, match="`size`"):
        dnd.sum_blocks(lambda x: x, x, size=0)
