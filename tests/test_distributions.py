"""Random numbers of many distributions, beside SciPy's distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as st

import dndarray as dnd
from dndarray.distributions import DISTRIBUTIONS
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives

CONTINUOUS: dict[str, tuple[tuple, Any]] = {
    "exponential": ((2.0,), st.expon(scale=2)),
    "gumbel": ((1.0, 2.0), st.gumbel_r(1, 2)),
    "laplace": ((1.0, 2.0), st.laplace(1, 2)),
    "logistic": ((1.0, 2.0), st.logistic(1, 2)),
    "lognormal": ((0.3, 0.5), st.lognorm(0.5, scale=np.exp(0.3))),
    "pareto": ((3.0,), st.lomax(3)),
    "power": ((3.0,), st.powerlaw(3)),
    "rayleigh": ((2.0,), st.rayleigh(scale=2)),
    "triangular": ((0.0, 1.0, 3.0), st.triang(1 / 3, 0, 3)),
    "weibull": ((1.5,), st.weibull_min(1.5)),
    "gamma": ((2.5, 2.0), st.gamma(2.5, scale=2)),
    "standard_gamma": ((0.7,), st.gamma(0.7)),
    "chisquare": ((3.0,), st.chi2(3)),
    "beta": ((2.0, 3.0), st.beta(2, 3)),
    "f": ((4.0, 7.0), st.f(4, 7)),
    "standard_t": ((5.0,), st.t(5)),
    "noncentral_chisquare": ((3.0, 2.0), st.ncx2(3, 2)),
    "noncentral_f": ((3.0, 5.0, 2.0), st.ncf(3, 5, 2)),
    "standard_cauchy": ((), st.cauchy()),
    "standard_exponential": ((), st.expon()),
}
DISCRETE: dict[str, tuple[tuple, Any]] = {
    "poisson": ((4.5,), st.poisson(4.5)),
    "binomial": ((20, 0.3), st.binom(20, 0.3)),
    "negative_binomial": ((3, 0.4), st.nbinom(3, 0.4)),
    "geometric": ((0.2,), st.geom(0.2)),
}


def draw(name: str, *args: Any, **options: Any) -> dnd.DNDarray:
    return getattr(dnd.random.Generator(7), name)(*args, **options)


def test_every_row_is_compared() -> None:
    assert set(CONTINUOUS) | set(DISCRETE) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name: str) -> None:
    parameters, theirs = CONTINUOUS[name]
    drawn = draw(name, *parameters, size=3000, dtype="float64", split=0)
    assert st.kstest(drawn.numpy(), theirs.cdf).pvalue > 1e-3
    # The quantile function at the uniform numbers of the same draw.
    uniform = dnd.random.Generator(7).random(3000, "float64").numpy()
    assert_allclose(drawn[:50], theirs.ppf(uniform[:50]), rtol=1e-6)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name: str) -> None:
    parameters, theirs = DISCRETE[name]
    drawn = draw(name, *parameters, size=500, split=0)
    assert drawn.dtype is dnd.int64
    uniform = dnd.random.Generator(7).random(500, "float64").numpy()
    assert_array_equal(drawn, theirs.ppf(uniform).astype(np.int64))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_any_layout_gives_the_same_array(name: str) -> None:
    parameters, _ = (CONTINUOUS | DISCRETE)[name]
    whole = draw(name, *parameters, size=(7, 5)).numpy()
    for split in (0, 1):
        with count_collectives() as counted:
            part = draw(name, *parameters, size=(7, 5), split=split)
        assert not counted.calls
        assert part.split == split
        assert_array_equal(part, whole)


def test_parameters_may_be_split_arrays() -> None:
    rates = np.array([0.0, 1.0, 5.0, 100.0, 2.0, 3.0, 7.0])
    drawn = draw("poisson", dnd.array(rates, split=0))
    assert drawn.split == 0
    assert_array_equal(drawn, draw("poisson", rates).numpy())
    wide = draw("normal", size=(4, 7), split=1) + draw("gamma", dnd.array(rates + 1, split=0), size=(4, 7), split=1)
    assert wide.split == 1


def test_gradients_reach_the_parameters() -> None:
    scale = dnd.array(np.array([1.0, 2.0, 3.0]), split=0).requires_grad_()
    drawn = draw("exponential", scale, dtype="float64")
    drawn.sum().backward()
    assert_allclose(scale.grad, drawn.numpy() / [1.0, 2.0, 3.0], rtol=1e-12)


def test_vectors() -> None:
    shares = draw("dirichlet", [1.0, 2.0, 3.0], size=400, dtype="float64", split=0)
    assert_allclose(shares.sum(axis=1), np.ones(400), rtol=1e-12)
    np.testing.assert_allclose(shares.mean(axis=0).numpy(), [1 / 6, 1 / 3, 1 / 2], atol=0.04)
    counts = draw("multinomial", 10, [0.2, 0.3, 0.5], size=400, split=0)
    assert_array_equal(counts.sum(axis=1), np.full(400, 10))
    np.testing.assert_allclose(counts.numpy().mean(axis=0), [2, 3, 5], atol=0.25)
    cov = np.array([[1.0, 0.5], [0.5, 2.0]])
    points = draw("multivariate_normal", [0.0, 3.0], cov, size=4000, dtype="float64", split=0)
    np.testing.assert_allclose(np.cov(points.numpy().T), cov, atol=0.15)
    np.testing.assert_allclose(points.numpy().mean(axis=0), [0.0, 3.0], atol=0.1)


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("gamma", (-1.0,), ValueError),
        ("binomial", (3, 1.5), ValueError),
        ("exponential", (1.0, (2,), None, 3), TypeError),
        ("poisson", (), None),
        ("triangular", (0.0, 5.0, 1.0), ValueError),
        ("multinomial", (3, [0.9, 0.9, 0.1]), ValueError),
        ("multivariate_normal", ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), ValueError),
    ],
)
def test_mistakes(name: str, arguments: tuple, error: type[Exception] | None) -> None:
    if error is None:
        assert draw(name, *arguments).shape == ()
        return
    with pytest.raises(error):
        draw(name, *arguments)
    with pytest.raises(TypeError):
        draw(name, nonsense=1)


def test_a_size_that_the_parameters_do_not_fit() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        draw("exponential", dnd.ones(3, split=0), size=(4,))
