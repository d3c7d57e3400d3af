"""Counters are integrated exactly, power to second order."""

from __future__ import annotations

import threading
import time

import energy_fakes as fakes
import numpy as np
import pytest
from dndarray.energy.sampler import Sampler
from dndarray.energy.tracks import Track, union
from hypothesis import given
from hypothesis import strategies as st

from dndarray import energy

POWER = energy.Sensor("power", "cpu", energy.MEASURED_POWER, lambda: 0.0)


def counter(modulus=None, joules=1e-6):
    return energy.Sensor("counter", "cpu", energy.MEASURED_COUNTER, lambda: 0, joules, modulus)


def tracked(sensor, times, values):
    track = Track(sensor)
    for reading in zip(times, values, strict=True):
        track.add(*reading)
    return track


# --- power ----------------------------------------------------------------------------------------------------


# E.5, check 1
def test_half_the_period_leaves_a_quarter_of_the_error():
    def error(steps):
        times = np.linspace(0, 10, steps + 1)
        track = tracked(POWER, times, 50 + 40 * np.sin(times))
        return abs(track.energy([10.0])[0] - (500 + 40 * (1 - np.cos(10))))

    errors = [error(steps) for steps in (50, 100, 200)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.01)


def test_power_runs_straight_between_samples():
    track = tracked(POWER, [0, 2], [0, 4])
    assert track.energy([-1, 0, 1, 2, 5]).tolist() == [0, 0, 1, 4, 4]
    assert tracked(POWER, [3], [7]).energy([3, 4]).tolist() == [0, 0]


# --- counters -------------------------------------------------------------------------------------------------


# E.5, check 2
def test_a_counter_loses_nothing(tmp_path):
    """A thread uses known joules, once around the counter's range, while another one reads at its own times."""
    modulus = 1_000_003
    path = fakes.rapl(tmp_path, 900_000, modulus) / "intel-rapl:0" / "energy_uj"
    sampler = Sampler(energy.Rapl(tmp_path).sensors(), period=0.005)
    used = 0

    def use():
        nonlocal used
        for step in (7, 100_001, 3, 50_000, 999, 123_456, 1, 88_888, 17, 4_242) * 2:
            used += step
            replacement = path.with_suffix(".new")
            replacement.write_text(f"{(900_000 + used) % modulus}\n")
            replacement.rename(path)  # or a reader may find it empty
            time.sleep(0.003)

    sampler.start()
    user = threading.Thread(target=use)
    user.start()
    user.join()
    sampler.stop()
    (track,) = sampler.tracks
    assert (900_000 + used) // modulus == 1
    assert sampler.samples > 5
    assert track.energy([track.times[-1]])[0] == used * 1e-6


# E.5, check 2
def test_a_counter_is_not_made_into_power():
    """Differences taken for power and integrated, the first one twice, are wrong when the samples jitter."""
    random = np.random.default_rng(0)
    times = np.arange(11) + random.uniform(-0.2, 0.2, 11)
    counts = np.cumsum(np.concatenate([[0], random.integers(10, 200, 10)]))
    track = tracked(counter(joules=1), times, counts.tolist())
    assert track.energy([times[-1]])[0] == counts[-1]
    power = np.diff(counts) / np.diff(times)
    wrong = np.trapezoid(np.concatenate([power[:1], power]), times)
    assert abs(wrong / counts[-1] - 1) > 0.005
    assert abs(power.mean() * (times[-1] - times[0]) / counts[-1] - 1) > 0.005  # unweighted


# E.5, check 3
@pytest.mark.parametrize(
    ("readings", "used"),
    [
        ([5, 999, 3], 998),  # values up to M - 1
        ([5, 1000, 3], 998),  # values up to M
        ([1000, 0], 0),
        ([999, 0], 1),
        ([0, 1000], 1000),
        ([0, 999, 0, 999, 0], 2000),
    ],
)
def test_wrap(readings, used):
    track = tracked(counter(1000, joules=1), range(len(readings)), readings)
    assert track.energy([len(readings)])[0] == used


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=50), st.integers(0, 10**9 - 1))
def test_wraps_anywhere(steps, start):
    totals = np.concatenate([[0], np.cumsum(steps)])
    readings = ((start + totals) % 10**9).tolist()
    track = tracked(counter(10**9, joules=1), range(len(readings)), readings)
    assert track.energy(np.arange(len(readings))).tolist() == totals.tolist()


def test_a_counter_that_cannot_wrap_was_reset():
    assert tracked(counter(joules=1), range(4), [10, 15, 2, 4]).energy([3])[0] == 7


def test_a_day_later_times_are_still_exact():
    start = 10 * 86400.0
    track = tracked(POWER, [start, start + 0.001], [100, 100])
    assert track.energy([start + 0.001])[0] == pytest.approx(0.1, rel=1e-4)


# E.5, check 4
@given(st.lists(st.floats(0, 100), min_size=2, max_size=20), st.sampled_from(["power", "counter"]))
def test_parts_add_up_to_the_whole(cuts, kind):
    random = np.random.default_rng(1)
    times = np.sort(random.uniform(0, 100, 40))
    values = random.uniform(0, 300, 40) if kind == "power" else np.cumsum(random.integers(0, 10**8, 40))
    track = tracked(POWER if kind == "power" else counter(), times, values.tolist())
    edges = np.array([0, *sorted(cuts), 100])
    parts = track.energy(edges[1:]) - track.energy(edges[:-1])
    whole = track.total(np.array([[0.0, 100.0]]))
    assert parts.sum() == pytest.approx(whole, rel=1e-9)
    assert (parts >= -1e-9 * whole).all()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=10))
def test_union(intervals):
    rows = np.array([(start, start + length) for start, length in intervals], dtype=float).reshape(-1, 2)
    found = union(rows)
    covered = {t for start, length in intervals for t in np.arange(start, start + length, 0.5)}
    assert {t for start, end in found for t in np.arange(start, end, 0.5)} == covered
    assert (found[1:, 0] > found[:-1, 1]).all()


# --- the sampler ----------------------------------------------------------------------------------------------


def test_a_sensor_that_fails_does_not_end_the_run():
    values = iter([1.0, OSError("gone"), 3.0])

    def read():
        value = next(values)
        if isinstance(value, Exception):
            raise value
        return value

    sampler = Sampler([energy.Sensor("flaky", "cpu", energy.MEASURED_POWER, read)], 1)
    for _ in range(3):
        sampler.sample()
    assert sampler.tracks[0].failures == 1
    assert len(sampler.tracks[0].times) == 2


def test_the_sampler_knows_its_own_cost():
    def read():
        start = time.thread_time()
        while time.thread_time() - start < 0.005:
            pass
        return 1.0

    sampler = Sampler([energy.Sensor("slow", "cpu", energy.MEASURED_POWER, read)], 0.02)
    sampler.start()
    time.sleep(0.1)
    sampler.stop()
    assert sampler.samples >= 3
    assert 0.005 * sampler.samples <= sampler.cpu_seconds < 0.02 * sampler.samples
