"""Selection: what the rows of the parity table cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray import order_statistics
from dndarray.order_statistics import by_rows

RNG = np.random.default_rng(5)
N = 200_000


@pytest.fixture
def narrowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrow down even the shortest rows, block by block."""
    for name, value in (("_SHORT", 4), ("_FEW", 4), ("_SAMPLE", (4, 8)), ("_BLOCK", 64), ("_TILE", 8)):
        monkeypatch.setattr(order_statistics, name, value)


def _place(a: np.ndarray, layout: Any) -> dnd.DNDarray:
    box = layout.box(dnd.get_comm().rank)
    return dnd.DNDarray(torch.from_numpy(a[tuple(slice(*interval) for interval in box)].copy()), layout, dnd.get_comm())


KINDS: dict[str, Callable[[np.random.Generator, tuple], np.ndarray]] = {
    "different": lambda rng, s: rng.normal(size=s),
    "equal": lambda rng, s: np.round(rng.normal(size=s)),
    "infinite": lambda rng, s: rng.choice([-np.inf, np.inf, 0.5, 1.5], s),
    "nan": lambda rng, s: rng.choice([np.nan, np.nan, 1.0, -2.0, 3.5], s),
    "whole": lambda rng, s: rng.choice([-(2**63), 2**63 - 1, 0, 5], s),
    "bytes": lambda rng, s: rng.integers(0, 256, s).astype(np.uint8),
}


@given(st.data())
def test_order_statistics_of_any_layout(data: st.DataObject) -> None:
    comm = dnd.get_comm()
    shape = data.draw(shapes(3, 9).filter(lambda s: len(s) > 0 and 0 not in s))
    layout = data.draw(layouts(shape, comm.size))
    a = np.asarray(KINDS[data.draw(st.sampled_from(sorted(KINDS)))](np.random.default_rng(sum(shape)), shape))
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    kept = [i for i in range(len(shape)) if i not in axes]
    rows = np.sort(a.transpose(*kept, *axes).reshape(*[shape[i] for i in kept], -1), axis=-1)
    n = rows.shape[-1]
    ranks = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_SHORT", 4), ("_FEW", 4), ("_SAMPLE", (4, 8)), ("_BLOCK", 64), ("_TILE", 8)):
            patch.setattr(order_statistics, name, value)
        found = by_rows(_place(a, layout), axes, lambda r: r.order_statistics(torch.tensor([ranks])))
    pairs = np.stack([rows[..., ranks], rows[..., np.minimum(np.add(ranks, 1), n - 1)]], -1)
    mine = tuple(slice(*layout.box(comm.rank)[i]) for i in kept)
    np.testing.assert_array_equal(found.numpy(), pairs[mine])


@pytest.mark.parametrize(
    "a",
    [
        np.zeros(N),
        np.arange(N) % 2 == 1,
        np.arange(N, dtype=np.int32),
        np.where(np.arange(N) % 50_000 == 7, np.arange(N, dtype=float), np.nan),
        np.where(np.arange(N) < N // 2, 3.0, RNG.normal(size=N)),
        RNG.choice([-(2**63), 2**63 - 1], N),
        RNG.normal(size=N).astype(np.float32),
    ],
    ids=["zeros", "bools", "sorted", "few", "half equal", "ends", "normal"],
)
def test_long_axes(a: np.ndarray) -> None:
    x = dnd.array(a, split=0)
    assert dnd.nanmedian(x).item() == np.nanmedian(a)
    np.testing.assert_array_equal(
        dnd.nanpercentile(x, [0, 1.5, 100], method="lower").numpy(), np.nanpercentile(a, [0, 1.5, 100], method="lower")
    )
    k = N // 3
    y = dnd.partition(x, k).numpy()
    np.testing.assert_array_equal(y[k], np.sort(a)[k])
    np.testing.assert_array_equal(np.sort(y[:k]), np.sort(a)[:k])


def test_the_number_of_collectives_does_not_depend_on_the_number_of_elements() -> None:
    def cost(shape: tuple[int, ...], axis: int) -> int:
        x = dnd.random.normal(size=shape, split=axis)
        with dnd.testing.count_collectives() as traffic:
            dnd.percentile(x, [10, 90], axis=axis)
        return traffic.total

    if dnd.get_comm().size == 1:
        assert cost((1000,), 0) == 0
        return
    assert cost((1000,), 0) == cost((10, 1000), 1) == 4
    assert cost((100_000,), 0) == cost((400_000,), 0) <= 8
    assert cost((3, 2_000_000), 1) <= 12


def test_nothing_moves_along_a_whole_axis() -> None:
    x = dnd.random.normal(size=(12, 500), split=0)
    with dnd.testing.count_collectives() as traffic:
        dnd.median(x, axis=1)
        dnd.partition(x, 3, axis=1)
        dnd.topk(x, 3, axis=1)
    assert traffic.total == 0


def test_what_travels_is_little() -> None:
    x = dnd.random.normal(size=1_000_000, split=0)
    with dnd.testing.count_collectives() as traffic:
        dnd.median(x)
    assert traffic.bytes < x.nbytes / 10


@pytest.mark.usefixtures("narrowing")
def test_gradients_through_narrowing() -> None:
    a = RNG.normal(size=(40, 3))
    x = dnd.array(a, split=0).requires_grad_()
    dnd.quantile(x, [0.31, 0.8], axis=0).sum().backward()
    t = torch.from_numpy(a).requires_grad_()
    t.quantile(torch.tensor([0.31, 0.8], dtype=t.dtype), dim=0).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), atol=1e-14)


def test_equal_elements_share_the_gradient() -> None:
    x = dnd.array([1.0, 2.0, 2.0, 3.0, 0.0], split=0).requires_grad_()
    dnd.median(x).backward()
    assert x.grad.tolist() == [0.0, 0.5, 0.5, 0.0, 0.0]


def test_ties_of_topk_go_by_index() -> None:
    a = np.array([1, 3, 3, 2, 3, 1, 3], dtype=np.float64)
    x = dnd.array(a, split=0)
    assert [dnd.topk(x, k)[1].tolist() for k in (1, 3, 5)] == [[1], [1, 2, 4], [1, 2, 4, 6, 3]]
    assert dnd.topk(x, 3, largest=False)[1].tolist() == [0, 5, 3]
    assert dnd.topk(dnd.array([1.0, np.nan, 2.0], split=0), 2)[1].tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["uint16", "uint64", "float16", "bfloat16", "int8"])
def test_types_with_few_kernels(dtype: str) -> None:
    a = RNG.integers(0, 100, 50)
    x = dnd.array(a, split=0).astype(dtype)
    assert dnd.percentile(x, 30, method="lower").item() == np.percentile(a, 30, method="lower")
    assert dnd.median(x).item() == np.median(a)
    assert dnd.topk(x, 3)[0].tolist() == np.sort(a)[:-4:-1].tolist()
    assert dnd.partition(x, 20)[20].item() == np.sort(a)[20]


def test_arguments_of_quantile() -> None:
    x = dnd.array(np.arange(12.0).reshape(4, 3), split=0)
    out = dnd.zeros((2, 3), split=1)
    assert dnd.quantile(x, [0, 1.0], axis=0, out=out) is out
    assert out.tolist() == [[0.0, 1.0, 2.0], [9.0, 10.0, 11.0]]
    assert dnd.quantile(x, dnd.array([0.0, 0.5, 1.0], split=0)).tolist() == [0.0, 5.5, 11.0]
    assert dnd.quantile(x, torch.tensor(0.5)).item() == 5.5
    assert dnd.quantile(x, [], axis=1).shape == (0, 4)
    assert dnd.percentile(x, [[25, 50]], axis=(0, 1), keepdims=True).shape == (1, 2, 1, 1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: dnd.quantile(x, 1.5), ValueError),
        (lambda x: dnd.percentile(x, [50, -1]), ValueError),
        (lambda x: dnd.quantile(x, np.nan), ValueError),
        (lambda x: dnd.quantile(x, 0.5, method="best"), ValueError),
        (lambda x: dnd.quantile(x, 0.5, weights=x), ValueError),
        (lambda x: dnd.quantile(x, 0.5, weights=-x - 1, method="inverted_cdf"), ValueError),
        (lambda x: dnd.quantile(x > 0, 0.5), TypeError),
        (lambda x: dnd.quantile(x[:0], 0.5), IndexError),
        (lambda x: dnd.median(x + 1j), TypeError),
        (lambda x: dnd.partition(x, 10), ValueError),
        (lambda x: dnd.partition(x, 1.0), TypeError),
        (lambda x: dnd.topk(x, 11), ValueError),
        (lambda x: dnd.topk(x * 1j, 1), TypeError),
    ],
)
def test_errors_on_all_ranks(call: Callable, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(dnd.arange(10.0, split=0))
