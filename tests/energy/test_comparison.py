"""Which of two functions costs less, where it is known."""

from __future__ import annotations

import time
from types import SimpleNamespace

import energy_fakes as fakes
import numpy as np
import pytest
from dndarray.energy.comparison import Comparison
from dndarray.energy.sampler import Sampler

import dndarray as dnd
from dndarray import energy

comm = dnd.get_comm()


class Clock:
    """A time that goes by only when somebody works."""

    def __init__(self):
        self.now = 1000.0
        self.turns = 0

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.turns += 1
        self.now += seconds * (1 + 0.01 * (self.turns % 3))


def test_the_longer_function_costs_more(monkeypatch):
    clock = Clock()
    times = SimpleNamespace(monotonic=clock, thread_time=time.thread_time)
    monkeypatch.setattr("dndarray.energy.comparison.time", times)
    monkeypatch.setattr("dndarray.energy.sampler.time", times)
    monkeypatch.setattr(Sampler, "start", Sampler.sample)  # no thread: it would read while the time jumps
    result = energy.compare(
        lambda: clock.work(0.02),
        lambda: clock.work(0.01),
        names=["long", "short"],
        rounds=4,
        min_seconds=0.08,
        backend=fakes.Constant(100, clock),
    )
    assert result.names == ["long", "short"]
    assert result.calls == {"long": 4, "short": 8}
    for name, seconds in (("long", 0.02), ("short", 0.01)):
        assert result.seconds[name] == pytest.approx(seconds, rel=0.03)
        assert result.joules[name] == pytest.approx(100 * result.seconds[name])
    mean, low, high = result.difference()
    assert low < mean < high < 0
    assert result.cheaper() == result.cheaper("short", "seconds") == "short"
    assert len(set(comm.allgather_object(str(result)))) == 1
    assert "joules: short beside long: -" in str(result)
    assert "(95% confidence): short takes less" in str(result)
    assert result.label == "measured counter"


def test_functions_that_communicate_and_hosts_that_add_up():
    x = dnd.ones(100, split=0)
    result = energy.compare(
        x.sum,
        x.mean,
        rounds=2,
        min_seconds=0.05,
        backend=fakes.Constant(100, time.monotonic),
        host=f"host-{comm.rank % 2}",
    )
    watts = result.joules["sum"].sum() / result.seconds["sum"].sum()
    assert 0.5 < watts / (100 * min(2, comm.size)) < 1.1
    assert result.names == ["sum", "mean"]


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        first = random.normal(10, 2, 8)  # what both have in common in a round
        joules = {"a": first, "b": first + random.normal(1, 0.5, 8)}
        _, low, high = Comparison(joules, joules, {"a": 1, "b": 1}, "").difference()
        covered += low <= 1 <= high
    assert 0.92 < covered / 400 < 0.98


def test_nothing_can_be_told_of_equals():
    joules = {"a": np.array([1.0, 2, 3]), "b": np.array([1.1, 1.9, 3.0])}
    result = Comparison(joules, joules, {"a": 1, "b": 1}, "estimated")
    assert result.cheaper() is None
    assert "no difference can be told" in str(result)


def test_what_fails_on_one_rank_fails_on_all():
    def fail():
        if comm.rank == comm.size - 1:
            raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason"):
        energy.compare(fail, lambda: None, rounds=2, backend="estimate")


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="two functions"):
        energy.compare(print)
    with pytest.raises(ValueError, match="two rounds"):
        energy.compare(print, print, rounds=1)
    with pytest.raises(ValueError, match="`names`"):
        energy.compare(print, print, names=["a"])
    with pytest.raises(ValueError, match="`confidence`"):
        energy.compare(print, print, confidence=1)


def test_functions_that_were_not_compared():
    result = energy.compare(lambda: 1, lambda: 2, rounds=2, min_seconds=0.01, names=["a", "b"], backend="estimate")
    with pytest.raises(KeyError, match=r"no function 'c' was compared, but \['a', 'b'\]"):
        result.cheaper("c")
