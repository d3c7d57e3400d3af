"""Statistics and histograms: what the rows of the parity table cannot show."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import dndarray as dnd

RNG = np.random.default_rng(6)
MANY = dnd.get_comm().size > 1


def test_moments_of_numbers_far_from_zero() -> None:
    a = RNG.gamma(2.0, size=3001) + 1e8
    x = dnd.array(a, split=0)
    d = [Fraction(v) for v in a]
    center = sum(d) / len(d)
    m2, m3, m4 = (float(sum((v - center) ** k for v in d) / len(d)) for k in (2, 3, 4))
    np.testing.assert_allclose(dnd.skew(x).item(), m3 / m2**1.5, rtol=1e-13)
    np.testing.assert_allclose(dnd.kurtosis(x, fisher=False).item(), m4 / m2**2, rtol=1e-13)


def test_skewness_of_constants_is_not_a_number_and_has_no_gradient() -> None:
    x = dnd.ones((7, 2), split=0).requires_grad_()
    result = dnd.skew(x)
    assert bool(dnd.all(dnd.isnan(result)))
    dnd.nan_to_num(result).sum().backward()
    assert bool(dnd.all(x.grad == 0))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("limits", [None, (-50, 125)])
@pytest.mark.parametrize("bins", [1, 7, 1000])
def test_elements_on_edges(dtype: str, limits: tuple | None, bins: int) -> None:
    edges = np.histogram_bin_edges(np.array([-100, 200], dtype=dtype), bins, limits)
    below, above = np.nextafter(edges, edges.dtype.type(-np.inf)), np.nextafter(edges, edges.dtype.type(np.inf))
    a = np.concatenate([edges, edges, below, above, RNG.uniform(-100, 200, 70_000), [-100, 200]]).clip(-100, 200)
    a = RNG.permutation(a.astype(dtype))
    counts, ours = dnd.histogram(dnd.array(a, split=0), bins, limits)
    expected, theirs = np.histogram(a, bins, limits)
    np.testing.assert_array_equal(ours.numpy(), theirs)
    np.testing.assert_array_equal(counts.numpy(), expected)


def test_replicas_are_counted_once() -> None:
    size = dnd.get_comm().size
    x = dnd.resplit(dnd.arange(12), (None, 0), grid=(2, size // 2) if size % 2 == 0 else (1, size))
    assert dnd.histogram(x, 3)[0].tolist() == [4, 4, 4]
    assert dnd.bincount(x).tolist() == [1] * 12
    assert dnd.histc(x * 1.0, 2).tolist() == [6.0, 6.0]


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (lambda x: dnd.histogram(x, 10, range=(-1, 1)), 1),
        (lambda x: dnd.histogram(x, 10), 3),
        (lambda x: dnd.histogramdd([x, x], 4), 5),
        (lambda x: dnd.histc(x, 10, -1, 1), 1),
        (lambda x: dnd.bincount((x * x).astype("int64")), 2),
        (lambda x: dnd.skew(x), 2),
        (lambda x: dnd.kurtosis(x), 2),
        (lambda x: dnd.average(x), 1),
        (lambda x: dnd.average(x, weights=x * x), 3),
        (lambda x: dnd.nancumsum(x), 1),
    ],
)
def test_number_of_collectives(call: Callable, most: int) -> None:
    x = dnd.random.normal(size=1000, split=0)
    with dnd.testing.count_collectives() as traffic:
        call(x)
    assert traffic.total <= (most if MANY else 0)


def test_covariance_of_split_observations_moves_little() -> None:
    x = dnd.random.normal(size=(4, 20_000), split=1)
    with dnd.testing.count_collectives() as traffic:
        c = dnd.cov(x)
    assert traffic.bytes < 2000
    np.testing.assert_allclose(c.numpy(), np.cov(x.numpy()), rtol=1e-10, atol=1e-12)


def test_what_one_rank_sees_all_ranks_raise() -> None:
    x = dnd.array([3, 1, 4, 1, 5, 9, -2], split=0)  # the last rank has it
    with pytest.raises(ValueError, match="smallest is -2"):
        dnd.bincount(x)
    with pytest.raises(ZeroDivisionError):
        dnd.average(x, weights=dnd.array([1, 0, 0, 0, 0, 0, -1], split=0))
    with pytest.raises(TypeError):
        dnd.cov(dnd.array([1.0, 2.0], split=0), fweights=np.array([1, 1.5]))
    with pytest.raises(ValueError, match="finite"):
        dnd.histogram(dnd.array([1.0, 2.0, np.inf], split=0))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: dnd.histogram(x, 0), ValueError),
        (lambda x: dnd.histogram(x, 2.5), TypeError),
        (lambda x: dnd.histogram(x, "best"), ValueError),
        (lambda x: dnd.histogram(x, "auto", weights=x), TypeError),
        (lambda x: dnd.histogram(x, [1, 3, 2]), ValueError),
        (lambda x: dnd.histogram(x, 3, (2, 1)), ValueError),
        (lambda x: dnd.histogram(x, weights=x[:3]), ValueError),
        (lambda x: dnd.histogram(x * 1j), TypeError),
        (lambda x: dnd.histogramdd([x, x[:4]]), ValueError),
        (lambda x: dnd.histogramdd([x, x], [3, 3, 3]), ValueError),
        (lambda x: dnd.histc(dnd.arange(4)), TypeError),
        (lambda x: dnd.bincount(x), TypeError),
        (lambda x: dnd.bincount(dnd.arange(4), minlength=-1), ValueError),
        (lambda x: dnd.average(x, weights=[1.0, 2.0]), TypeError),
        (lambda x: dnd.average(x, 0, weights=[1.0, 2.0]), ValueError),
        (lambda x: dnd.cov(x, aweights=[1.0]), RuntimeError),
        (lambda x: dnd.cov(x, ddof=0.5), ValueError),
        (lambda x: dnd.skew(x, nan_policy="omit"), ValueError),
    ],
)
def test_errors(call: Callable, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(dnd.arange(10.0, split=0))
