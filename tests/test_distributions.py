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
    "vonmises": ((0.0, 4.0), st.vonmises(4)),
    "wald": ((2.0, 3.0), st.invgauss(2 / 3, scale=3)),
}
DISCRETE: dict[str, tuple[tuple, Any]] = {
    "poisson": ((4.5,), st.poisson(4.5)),
    "binomial": ((20, 0.3), st.binom(20, 0.3)),
    "negative_binomial": ((3, 0.4), st.nbinom(3, 0.4)),
    "geometric": ((0.2,), st.geom(0.2)),
    "hypergeometric": ((15, 25, 12), st.hypergeom(40, 15, 12)),
    "logseries": ((0.9,), st.logser(0.9)),
    "zipf": ((2.5,), st.zipf(2.5)),
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


@pytest.mark.parametrize(
    ("name", "parameters", "theirs"),
    [
        ("hypergeometric", (10**6, 10**5, 5 * 10**5), st.hypergeom(11 * 10**5, 10**6, 5 * 10**5)),
        ("hypergeometric", (3, 5, 8), st.hypergeom(8, 3, 8)),
        ("hypergeometric", (0, 5, 3), st.hypergeom(5, 0, 3)),
        ("logseries", (1e-9,), st.logser(1e-9)),
        ("logseries", (0.99,), st.logser(0.99)),
        ("zipf", (3.0,), st.zipf(3)),
        ("zipf", (60.0,), st.zipf(60)),
    ],
)
def test_discrete_with_hard_parameters(name: str, parameters: tuple, theirs: Any) -> None:
    uniform = dnd.random.Generator(7).random(200, "float64").numpy()
    assert_array_equal(draw(name, *parameters, size=200, split=0), theirs.ppf(uniform).astype(np.int64))


def test_heavy_tails_stay_below_the_largest_integer() -> None:
    drawn = draw("zipf", 1.001, size=1000, split=0).numpy()
    assert drawn.min() >= 1 and drawn.max() > 2**60
    draws = draw("logseries", 1 - 1e-9, size=300, split=0).numpy()
    assert draws.min() >= 1 and st.kstest(np.log(draws) / np.log(1e9), "uniform", (0, 1)).statistic < 0.15


@pytest.mark.parametrize("kappa", [0.0, 1e-6, 0.5, 40.0])
def test_von_mises_for_any_concentration(kappa: float) -> None:
    drawn = draw("vonmises", 0.0, kappa, size=300, dtype="float64", split=0).numpy()
    uniform = dnd.random.Generator(7).random(300, "float64").numpy()
    theirs = st.vonmises(kappa).cdf(drawn) if kappa else (drawn + np.pi) / (2 * np.pi)
    np.testing.assert_allclose(theirs, uniform, atol=1e-12)
    # Around another middle: on the circle, from -pi to pi.
    turned = draw("vonmises", 3.0, kappa, size=300, dtype="float64", split=0).numpy()
    np.testing.assert_allclose(np.exp(1j * turned), np.exp(1j * (drawn + 3.0)), atol=1e-12)
    assert np.abs(turned).max() <= np.pi


@pytest.mark.parametrize(("mean", "scale"), [(1.0, 1e-3), (1.0, 1e3), (1e-3, 1e2), (5.0, 1e-5)])
def test_wald_for_any_shape(mean: float, scale: float) -> None:
    drawn = draw("wald", mean, scale, size=300, dtype="float64", split=0).numpy()
    uniform = dnd.random.Generator(7).random(300, "float64").numpy()
    np.testing.assert_allclose(st.invgauss(mean / scale, scale=scale).cdf(drawn), uniform, atol=1e-11)


def test_parameters_that_differ_from_element_to_element() -> None:
    good, bad, sample = np.array([[3], [500], [0]]), np.array([4, 10**6, 7, 0]), np.array([2, 7, 1, 0])
    drawn = draw("hypergeometric", dnd.array(good, split=0), bad, sample)
    uniform = dnd.random.Generator(7).random((3, 4), "float64").numpy()
    some = good + bad > 0  # SciPy has no distribution of nothing
    theirs = st.hypergeom.ppf(uniform, good + bad, good, sample)
    assert (drawn.numpy()[some] == theirs[some]).all()
    assert (drawn.numpy()[~some] == 0).all()


@pytest.mark.parametrize("name", ["vonmises", "wald"])
def test_gradients_of_what_is_solved_for(name: str) -> None:
    value, step = np.array([0.8, 2.0, 9.0]), 1e-6
    parameter = dnd.array(value, split=0).requires_grad_()
    draw(name, 0.9, parameter, dtype="float64").sum().backward()
    ahead, behind = (draw(name, 0.9, value + h, dtype="float64").numpy() for h in (step, -step))
    assert_allclose(parameter.grad, (ahead - behind) / (2 * step), rtol=1e-5)


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
        ("hypergeometric", (3, 4, 8), ValueError),
        ("logseries", (1.0,), ValueError),
        ("vonmises", (0.0, -1.0), ValueError),
        ("wald", (0.0, 1.0), ValueError),
        ("zipf", (1.0,), ValueError),
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
