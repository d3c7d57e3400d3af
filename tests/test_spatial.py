"""Distances, neighbours and the ring: what the parity rows do not show."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from parity.driver import place
from scipy.spatial import distance

import dndarray as dnd
from dndarray.communication import Communicator
from dndarray.layout import Grid, Layout
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
RNG = np.random.default_rng(5)


def rows(n: int, d: int, split: int | None = 0, dtype: str = "float64") -> tuple[np.ndarray, dnd.DNDarray]:
    values = np.random.default_rng(n * 100 + d).normal(size=(n, d)).astype(dtype)
    return values, dnd.array(values, split=split)


def test_panels_travel_once_round_the_ring() -> None:
    _, x = rows(24, 6)
    _, y = rows(12 * COMM.size, 6)
    with count_collectives() as c:
        dnd.spatial.cdist(x, y)
    assert c.total == 0
    assert c.bytes == (COMM.size - 1) * 12 * 6 * 8
    _, everywhere = rows(8, 6, None)
    with count_collectives() as c:
        assert dnd.spatial.cdist(everywhere, y).split == 1
        assert dnd.spatial.cdist(x, everywhere).split == 0
    assert c.total == c.bytes == 0


def test_no_more_than_two_panels_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[weakref.ref] = []
    receive = Communicator.irecv

    def watched(self, like, peer, **options):
        received.append(weakref.ref(like))
        return receive(self, like, peer, **options)

    monkeypatch.setattr(Communicator, "irecv", watched)
    most = []

    def fn(x, y, start):
        most.append(sum(ref() is not None for ref in received))
        return x.new_zeros(len(x))

    _, x = rows(9, 2)
    dnd.spatial.ring(x, x, fn, torch.add)
    assert len(most) == COMM.size
    assert max(most) <= 2
    assert len(received) == COMM.size - 1


@pytest.mark.ranks(4)
def test_a_grid_of_two_axes_computes_where_the_rows_are() -> None:
    a, b = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3))
    x = place(a, Layout(a.shape, Grid((2, 2)), (0, None))).requires_grad_()
    y = place(b, Layout(b.shape, Grid((2, 2)), (None, 0))).requires_grad_()
    with count_collectives() as c:
        result = dnd.spatial.cdist(x, y)
    assert c.total == c.bytes == 0
    assert result.split == (0, 1)
    np.testing.assert_allclose(result.detach().numpy(), distance.cdist(a, b))
    result.sum().backward()
    t, u = (torch.from_numpy(v).requires_grad_() for v in (a, b))
    torch.cdist(t, u).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy())
    np.testing.assert_allclose(y.grad.numpy(), u.grad.numpy())


@pytest.mark.parametrize("features", [2, 40])
@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distances_do_not_lose_digits(features: int, offset: float, dtype: str) -> None:
    values = RNG.normal(size=(60, features)) + offset
    values[10:20] = values[:10] + 1e-3 * RNG.normal(size=(10, features))
    values[30:40] = values[:10]
    values = values.astype(dtype)
    exact = distance.cdist(values.astype(float), values.astype(float))
    x = dnd.array(values, split=0)
    for ours, power in ((dnd.spatial.cdist(x), 1), (dnd.spatial.cdist(x, metric="sqeuclidean"), 2)):
        np.testing.assert_allclose(ours.numpy(), exact**power, rtol=2e-6 if dtype == "float32" else 1e-12)
        assert not np.diagonal(ours.numpy()).any()


def test_infinite_and_missing_features() -> None:
    values = RNG.normal(size=(30, 12))
    values[3, 4], values[8, 0], values[9, 0] = np.nan, np.inf, -np.inf
    result = dnd.spatial.cdist(dnd.array(values, split=0)).numpy()
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(result, distance.cdist(values, values))


@pytest.mark.parametrize("features", [3, 30])
@pytest.mark.parametrize("k", [1, 4, 23])
def test_equally_near_rows_come_in_order(features: int, k: int) -> None:
    some = RNG.normal(size=(7, features))
    values = some[RNG.integers(0, 7, 23)]
    distances = distance.cdist(some, values)
    expected = np.argsort(distances, 1, kind="stable")[:, :k]
    for a in (0, None):
        for b in (0, None):
            found, indices = dnd.spatial.nearest(dnd.array(some, split=a), dnd.array(values, split=b), k)
            assert np.array_equal(indices.numpy(), expected)
            np.testing.assert_allclose(found.numpy(), np.take_along_axis(distances, expected, 1), atol=1e-15)
            assert found.split == indices.split == a


def test_neighbours_among_many_rows() -> None:
    a, x = rows(300, 20, dtype="float32")
    b, y = rows(3000, 20, dtype="float32")
    found, indices = dnd.spatial.nearest(x, y, 6)
    distances = distance.cdist(a.astype(float), b.astype(float))
    np.testing.assert_allclose(found.numpy(), np.sort(distances, 1)[:, :6], rtol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(distances, indices.numpy(), 1), found.numpy(), rtol=1e-6)
    assert np.array_equal(dnd.spatial.nearest(x, y, 6, return_distance=False).numpy(), indices.numpy())


def test_rows_that_are_not_numbers_are_farthest() -> None:
    y = dnd.array([[np.nan], [1.0], [np.nan], [0.0]], split=0)
    found, indices = dnd.spatial.nearest(dnd.array([[0.0]]), y, 4)
    assert indices.tolist() == [[3, 1, 0, 2]]
    assert found[0, :2].tolist() == [0, 1]


def test_each_pair_once_and_as_many_on_each_process() -> None:
    values, x = rows(101, 9)
    result = dnd.spatial.pdist(x)
    np.testing.assert_allclose(result.numpy(), distance.pdist(values))
    counts = [shape[0] for shape in result.lshape_map]
    assert max(counts) - min(counts) <= 2 * 101


def test_the_gradient_reaches_what_an_unused_panel_came_from() -> None:
    _, x = rows(2, 3)  # fewer rows than some numbers of processes
    x.requires_grad_()
    result = dnd.spatial.ring(x, x, lambda a, b, start: a.sum(1) if start == 0 else 0 * a.sum(1), torch.add)
    result.sum().backward()
    assert x.grad is not None


def test_metrics_of_ones_own_and_half_precision() -> None:
    values, x = rows(7, 3)
    ours = dnd.spatial.cdist(x, metric=lambda a, b: (a @ b.T).abs())
    np.testing.assert_allclose(ours.numpy(), np.abs(values @ values.T))
    for dtype in ("float16", "bfloat16"):
        half = dnd.spatial.cdist(x.astype(dtype))
        assert half.dtype is getattr(torch, dtype)
        assert abs(half.astype("float64").numpy() - distance.cdist(values, values)).max() < 0.03


def test_errors_say_what_to_do() -> None:
    _, x = rows(7, 3)
    with pytest.raises(ValueError, match="rows of as many features"):
        dnd.spatial.cdist(x, rows(7, 4)[1])
    with pytest.raises(ValueError, match=r"`metric` \(='far'\) must be a function or one of braycurtis"):
        dnd.spatial.cdist(x, metric="far")
    with pytest.raises(ValueError, match=r"`k` \(=8\) must be in \[1, 7\]"):
        dnd.spatial.nearest(x, x, 8)
    with pytest.raises(TypeError, match="real numbers"):
        dnd.spatial.cdist(x * 1j)
    with pytest.raises(ValueError, match="n \\(n - 1\\) / 2"):
        dnd.spatial.squareform(dnd.arange(5))
