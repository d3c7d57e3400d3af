"""The table of methods: what is in it, that it is the same everywhere, and what it is of."""

from __future__ import annotations

import numpy as np
import pytest
from denoising_samples import synthetic
from dndarray.algorithms.denoising import OTVCA, benchmark, metrics, noise, progress

import dndarray as dnd

COMM = dnd.get_comm()
CLEAN = synthetic(24, 20, 12, 3)


def mean_band(cube):
    return cube * 0 + cube.mean(axis=(0, 1))


@pytest.mark.parametrize("split", [None, 0, 1])
def test_the_table(split):
    clean = dnd.array(CLEAN, split=split)
    table = benchmark(clean, [OTVCA(rank=3), mean_band], snrs=[10, 20], draws=2, seed=5)
    assert list(table.columns) == ["method", "noise", "psnr", "snr", "sam", "seconds", "joules", "label", "memory"]
    assert table.method.tolist() == ["noisy"] * 2 + ["OTVCA"] * 2 + ["mean_band"] * 2
    assert table.noise.tolist() == [10, 20] * 3
    np.testing.assert_allclose(table.snr[:2], [10, 20], atol=0.2)
    everyones = COMM.allgather_object(table.to_json(double_precision=15))
    assert set(everyones) == {everyones[0]}

    noisy = [noise.gaussian(clean, 20, seed=seed) for seed in (5, 6)]
    for method, row in ((OTVCA(rank=3), 3), (mean_band, 5)):
        for metric in (metrics.psnr, metrics.snr, metrics.sam):
            expected = np.mean([float(metric(clean, method(cube))) for cube in noisy])
            np.testing.assert_allclose(table[metric.__name__][row], expected, rtol=1e-9)
    costs = table[["seconds", "joules"]].to_numpy()
    assert (costs[:2] == 0).all() and (costs[2:, 0] > 0).all() and (costs >= 0).all()
    assert table.label.nunique() == 1 and table.label[0]


def test_every_draw():
    methods = {"a": lambda cube: cube, "b": mean_band}
    table = benchmark(CLEAN, methods, snrs=[20], draws=3, noise=noise.poisson, mean=False)
    assert table.method.tolist() == ["noisy"] * 3 + ["a"] * 3 + ["b"] * 3
    assert table.draw.tolist() == [0, 1, 2] * 3
    np.testing.assert_array_equal(table.psnr[:3], table.psnr[3:6])
    assert table.psnr[:3].nunique() == 3


@pytest.mark.ranks(1)
def test_memory_is_that_of_the_method():
    def greedy(cube):
        held = dnd.ones((2**21, 12), dtype="float64")
        return cube + 0 * held.sum()

    table = benchmark(CLEAN, {"greedy": greedy, "modest": lambda cube: cube + 0}, snrs=[20], draws=1)
    if np.isnan(table.memory[1]):
        pytest.skip("this system does not tell how much memory a process has taken")
    assert table.memory[0] == 0
    assert 0.9 < table.memory[1] / (2**21 * 12 * 8) < 2
    assert table.memory[2] < 2**24


def test_progress(capsys):
    with progress():
        benchmark(CLEAN, [mean_band], snrs=[20], draws=2)
    assert ("run" in capsys.readouterr().err) == (COMM.rank == 0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="different names"):
        benchmark(CLEAN, [mean_band, mean_band])
    with pytest.raises(ValueError, match="none of them 'noisy'"):
        benchmark(CLEAN, {"noisy": mean_band})
    with pytest.raises(ValueError, match="must be noise"):
        benchmark(CLEAN, [mean_band], snrs=[])
    with pytest.raises(ValueError, match="not compared"):
        benchmark(CLEAN, {"cut": lambda cube: cube[1:]}, snrs=[20], draws=1)
