"""Thresholds of wavelet coefficients: the risk that is estimated is the risk, on any number of processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dndarray.algorithms.denoising import bayes_threshold, soft, sure_threshold, sure_thresholds

import dndarray as dnd
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
RNG = np.random.default_rng(1)


def sparse_signal(n: int) -> np.ndarray:
    """Few large coefficients, some small ones, many zeros."""
    signal = np.zeros((n, 3))
    signal[: n // 10, 0] = 5 * RNG.normal(size=n // 10)
    signal[:, 1] = 0.7 * RNG.normal(size=n)
    return signal


def test_soft_is_the_proximal_operator_of_the_l1_norm() -> None:
    x = RNG.normal(size=(40, 3))
    limits = np.array([0.3, 1.0, 0.0])
    ours = soft(dnd.array(x, split=0), limits).numpy()
    np.testing.assert_allclose(ours, np.sign(x) * np.maximum(abs(x) - limits, 0), atol=1e-15)
    ours = soft(dnd.array(x.astype(np.float32), split=0), limits)
    assert ours.dtype is dnd.float32


def test_the_curve_is_steins() -> None:
    signal = sparse_signal(500)
    x = signal + RNG.normal(size=signal.shape)
    t = np.linspace(0, math.sqrt(math.log(500)), 15)
    risk = np.array(
        [len(x) - 2 * (abs(x) <= limit).sum(axis=0) + np.minimum(x * x, limit * limit).sum(axis=0) for limit in t]
    )
    for parts in ([x], [x[:300], x[300:].reshape(10, 20, 3)]):
        for split in (None, 0):
            ours = sure_threshold(*(dnd.array(part, split=split) for part in parts))
            np.testing.assert_allclose(ours.threshold.numpy(), t[risk.argmin(axis=0)], rtol=1e-12)
            np.testing.assert_allclose(ours.risk.numpy(), risk.min(axis=0), rtol=1e-10)
            np.testing.assert_allclose(ours.risk_of_none.numpy(), (x * x).sum(axis=0) - 500, rtol=1e-10)


def test_zeros_are_as_good_as_nearly_zeros() -> None:
    """Nothing may depend on how zeros are rounded: the threshold 0 leaves all noise, whatever it is of."""
    x = np.concatenate([np.zeros(300), RNG.normal(size=100)])[:, None]
    for some in (x, x + 1e-17, np.zeros((50, 1))):
        ours, shifted = (sure_threshold(dnd.array(given, split=0)) for given in (some, some + 1e-13))
        assert float(ours.threshold) == float(shifted.threshold) > 0
        np.testing.assert_allclose(ours.risk.numpy(), shifted.risk.numpy(), rtol=1e-9)


def test_processes_without_coefficients_know_the_same() -> None:
    x = np.random.default_rng(4).normal(size=(2, 3, 4))
    ours, alone = sure_threshold(dnd.array(x, split=0)), sure_threshold(dnd.array(x))
    for field, expected in zip(ours, alone, strict=True):
        np.testing.assert_allclose(field.larray.numpy(), expected.larray.numpy(), rtol=1e-12)


def test_the_estimate_is_the_risk() -> None:
    """Monte Carlo: over many draws of the noise what is estimated is what the errors are."""
    signal, draws = sparse_signal(400), 500
    x = (signal + np.random.default_rng(2).normal(size=(draws, *signal.shape))).reshape(-1, 3)
    result = sure_threshold(dnd.array(x, split=0))

    def errors(t: np.ndarray | float) -> np.ndarray:
        return ((soft(x, t).numpy() - np.tile(signal, (draws, 1))) ** 2).mean(axis=0)

    n = len(x)
    np.testing.assert_allclose(result.risk.numpy() / n, errors(result.threshold.numpy()), atol=0.01)
    np.testing.assert_allclose(result.risk_of_none.numpy() / n, (signal**2).mean(axis=0), atol=0.015)
    best = np.min([errors(t) for t in np.linspace(0, math.sqrt(math.log(n)), 15)], axis=0)
    np.testing.assert_allclose(errors(result.threshold.numpy()), best, atol=0.002)


def test_large_coefficients_do_not_drown_the_risk() -> None:
    x = (1e5 + RNG.normal(size=(1000, 1))).astype(np.float32)
    x[100:] = RNG.normal(size=(900, 1))
    ours = sure_threshold(dnd.array(x, split=0))
    assert ours.threshold.item() > 0
    np.testing.assert_allclose(ours.risk_of_none.item(), (x.astype(np.float64) ** 2).sum() - 1000, rtol=1e-6)


@pytest.mark.skipif(COMM.size == 1, reason="one process sends nothing")
def test_all_groups_take_one_all_reduce() -> None:
    groups = [[dnd.array(RNG.normal(size=(n, 4, 2)), split=0) for n in sizes] for sizes in ((8,), (8, 8, 8), (16,))]
    with count_collectives() as counted:
        results = sure_thresholds(groups)
    assert counted.calls == {"Allreduce": 1}
    assert len(results) == 3
    for group, result in zip(groups, results, strict=True):
        np.testing.assert_array_equal(result.threshold.numpy(), sure_threshold(*group).threshold.numpy())
    with count_collectives() as counted:
        bayes_threshold(*groups[1])
    assert counted.calls == {"Allreduce": 1}


def test_bayes_shrink() -> None:
    x = 3 * RNG.normal(size=(5000, 2))
    x[:, 1] *= 0.1  # less than the noise
    for split in (None, 0):
        ours = bayes_threshold(dnd.array(x, split=split), sigma=0.5).numpy()
        expected = 0.25 / math.sqrt((x[:, 0] ** 2).mean() - 0.25)
        np.testing.assert_allclose(ours, [expected, np.inf], rtol=1e-12)
        assert not soft(dnd.array(x, split=split), ours)[:, 1].any()
    z = dnd.array(x[:, :1], split=0).requires_grad_()
    bayes_threshold(z).sum().backward()
    mean = (x[:, :1] ** 2).mean()
    np.testing.assert_allclose(z.grad.numpy(), -x[:, :1] / 5000 * (mean - 1) ** -1.5, rtol=1e-9)
