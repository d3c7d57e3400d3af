"""What the parity rows of numerical functions and polynomials cannot show: messages, splits, precision, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import strategies
import torch
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
TRAVELS = int(SIZE > 1)


def _placed(a: np.ndarray, layout: Layout) -> dnd.DNDarray:
    box = tuple(slice(*interval) for interval in layout.box(RANK))
    return dnd.DNDarray(torch.from_numpy(a[box].copy()), layout, dnd.get_comm())


# --- along an axis ----------------------------------------------------------------------------------------------------


@given(st.data())
def test_neighbours_in_all_layouts(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=3).map(tuple))
    axis = data.draw(st.integers(0, len(shape) - 1))
    a = np.random.default_rng(len(shape)).normal(size=shape)
    x = _placed(a, data.draw(strategies.layouts(shape, SIZE)))
    n = data.draw(st.integers(0, 8))
    assert_allclose(dnd.diff(x, n, axis), np.diff(a, n, axis), rtol=1e-12, atol=1e-12)
    assert_allclose(dnd.trapezoid(x, axis=axis), np.trapezoid(a, axis=axis), rtol=1e-12, atol=1e-12)
    assert_allclose(dnd.unwrap(x * 9, axis=axis), np.unwrap(a * 9, axis=axis), rtol=1e-12, atol=1e-12)
    if shape[axis] > 2:
        assert_allclose(dnd.gradient(x, axis=axis, edge_order=2), np.gradient(a, axis=axis, edge_order=2), rtol=1e-12)


def test_numbers_of_messages() -> None:
    x = dnd.random.normal(size=(40, 3), split=0)
    line = dnd.arange(40, split=0) * 1.0
    table = dnd.linspace(0, 1, 50, split=0), dnd.linspace(0, 1, 50, split=0) ** 2
    for call, most in (
        (lambda: dnd.diff(x, 5, 0), {"Alltoall": 1}),
        (lambda: dnd.diff(x, axis=1), {}),
        (lambda: dnd.gradient(x, axis=0), {"Alltoall": 1}),
        (lambda: dnd.gradient(x, line, axis=0), {"Alltoall": 2, "Bcast": 2, "Allreduce": 1}),
        (lambda: dnd.trapezoid(x, axis=0), {"Alltoall": 1, "Allreduce": 1}),
        (lambda: dnd.unwrap(x, axis=0), {"Alltoall": 1, "Exscan": 1}),
        (lambda: dnd.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 4.0]), {"Allgather": 1}),
        (lambda: dnd.polyval([1.0, 2.0], x), {}),
        (lambda: dnd.polyfit(line, x, 2), {"Allgather": 1, "Allreduce": 1}),
    ):
        with count_collectives() as c:
            call()
        agreed_assert(all(n <= most.get(name, 0) for name, n in c.calls.items()), f"{c} is more than {most}")
    with count_collectives() as c:
        dnd.interp(x, *table)
    assert c.total <= 16


def test_results_stay_where_the_elements_are() -> None:
    x = dnd.redistribute(dnd.arange(12, split=0), [12] + [0] * (SIZE - 1))
    for result in (dnd.diff(x), dnd.unwrap(x * 1.0), dnd.gradient(x)):
        assert result.split == 0 and result.layout.counts[0][0] == len(result)
    assert dnd.diff(dnd.arange(3, split=0), 9).shape == (0,)


def test_interpolation_in_a_table_of_any_split() -> None:
    rng = np.random.default_rng(3)
    xp, fp, x = np.sort(rng.normal(size=30)), rng.normal(size=30), rng.normal(size=(11, 4)) * 1.5
    for split, of_table in ((0, None), (1, 0), (None, 0), ((0, 1), 0), ((None, 1), None)):
        result = dnd.interp(dnd.array(x, split=split), dnd.array(xp, split=of_table), dnd.array(fp))
        assert result.split == split
        assert_allclose(result, np.interp(x, xp, fp), rtol=1e-12)


def test_arguments_of_numerical_functions() -> None:
    x = dnd.ones((4, 3), split=0)
    for call, error, text in (
        (lambda: dnd.diff(x, -1), ValueError, "`n`"),
        (lambda: dnd.gradient(x, edge_order=3), ValueError, "edge_order"),
        (lambda: dnd.gradient(x, 1.0, 2.0, 3.0), TypeError, "spacing"),
        (lambda: dnd.gradient(x, [1.0, 2.0], axis=0), ValueError, "coordinates"),
        (
            lambda: dnd.gradient(x, axis=1, edge_order=2)[:, :1].shape and dnd.gradient(x[:, :2], edge_order=2),
            ValueError,
            "fewer",
        ),
        (lambda: dnd.ediff1d(x, to_end=1j), TypeError, "castable"),
        (lambda: dnd.interp(x, [], []), ValueError, "points"),
        (lambda: dnd.interp(x, [1.0], [1.0], period=0), ValueError, "period"),
        (lambda: dnd.interp(x + 1j, [1.0], [1.0]), TypeError, "real"),
    ):
        with pytest.raises(error, match=text):
            call()


# --- polynomials ------------------------------------------------------------------------------------------------------


def test_a_fit_is_as_precise_as_numpys() -> None:
    n = 1000
    t = np.linspace(-1, 3, n)
    truth = np.array([0.5, -2.0, 1.0, 3.0, 0.0, -1.0, 4.0])
    y = np.polyval(truth, t)
    found = dnd.polyfit(dnd.array(t, split=0), dnd.array(y, split=0), 6)
    assert_allclose(found, truth, rtol=1e-9, atol=1e-9)
    assert found.split is None


def test_a_fit_of_columns_that_are_split() -> None:
    rng = np.random.default_rng(1)
    t, y = np.arange(20.0), rng.normal(size=(20, 6))
    for split in (0, 1, (0, 1), (1, None)):
        c, residuals, rank, s, _ = dnd.polyfit(dnd.array(t, split=0), dnd.array(y, split=split), 2, full=True)
        desired = np.polyfit(t, y, 2, full=True)
        for ours, numpys in zip((c, residuals, s), (desired[0], desired[1], desired[3]), strict=True):
            assert_allclose(ours, numpys, rtol=1e-9)
        assert rank == 3
    assert dnd.polyfit(dnd.array(t), dnd.array(y, split=1), 2).split == 1


def test_the_gradient_of_a_fit_in_points_and_weights() -> None:
    rng = np.random.default_rng(2)
    arrays = [rng.uniform(0.5, 2, 9), rng.normal(size=9), rng.uniform(0.5, 2, 9)]
    direction = [rng.normal(size=9) for _ in arrays]

    def numpys(step: float) -> float:
        x, y, w = (a + step * d for a, d in zip(arrays, direction, strict=True))
        return float(np.polyfit(x, y, 2, w=w) @ [1.0, 2.0, 3.0])

    leaves = [dnd.array(a, split=s).requires_grad_() for a, s in zip(arrays, (0, 0, None), strict=True)]
    x, y, w = leaves
    (dnd.polyfit(x, y, 2, w=w) * np.array([1.0, 2.0, 3.0])).sum().backward()
    ours = sum(float((leaf.grad * d).sum()) for leaf, d in zip(leaves, direction, strict=True))
    assert ours == pytest.approx((numpys(1e-6) - numpys(-1e-6)) / 2e-6, rel=1e-6)


def test_ill_posed_fits() -> None:
    x = dnd.array([1.0, 1.0, 1.0], split=0)
    with pytest.warns(np.exceptions.RankWarning):
        dnd.polyfit(x, x, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dnd.polyfit(x, x, 1, full=True)
    for call, error in (
        (lambda: dnd.polyfit(x, x, -1), ValueError),
        (lambda: dnd.polyfit(x, x[:2], 1), TypeError),
        (lambda: dnd.polyfit(x, x, 1, w=x[:2]), TypeError),
        (lambda: dnd.polyfit(x, x, 2, cov=True), ValueError),
        (lambda: dnd.polyder(x, -1), ValueError),
        (lambda: dnd.polyint(x, -1), ValueError),
        (lambda: dnd.polyint(x, 3, [1.0, 2.0]), ValueError),
        (lambda: dnd.polyadd(dnd.ones((2, 2)), x), ValueError),
        (lambda: dnd.vander(x, -1), ValueError),
    ):
        with pytest.raises(error):
            call()
