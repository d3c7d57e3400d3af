"""Monitors on any number of ranks: one reader per host, sums that add up, and no rank that waits in vain."""

from __future__ import annotations

import errno
import platform
import threading
import time
import timeit

import energy_fakes as fakes
import numpy as np
import pytest
from dndarray.energy.regions import Recording
from dndarray.energy.sampler import Sampler
from dndarray.energy.summaries import OUTSIDE, TOTAL, summarise
from launching import run_ranks

import dndarray as dnd
from dndarray import energy
from dndarray.testing import count_collectives

comm = dnd.get_comm()
RANK, SIZE = comm.rank, comm.size


def busy(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def joules(report, region=TOTAL):
    return sum(host.joules(region) for host in report.hosts)


# --- who reads ------------------------------------------------------------------------------------------------


# E.5, check 5
def test_one_rank_reads_the_sensors_of_a_host():
    meter = fakes.Constant(100, time.monotonic)
    with energy.Monitor(backend=meter, period=0.1) as monitor:
        time.sleep(0.3)
        threads = [thread.name for thread in threading.enumerate()].count("dndarray energy")
    assert threads == (RANK == 0)
    assert (len(meter.said) > 2) == (RANK == 0)
    report = monitor.report()
    assert [host.host for host in report.hosts] == [platform.node()]
    assert report.joules == pytest.approx(comm.broadcast_object(meter.joules), rel=1e-12)
    assert report.joules / report.seconds == pytest.approx(100, rel=0.1)  # as on one rank
    assert sorted(entry.rank for entry in report.hosts[0].ranks) == list(range(SIZE))


# E.5, check 5
@pytest.mark.ranks(2, 3, 4)
def test_hosts_add_up():
    meter = fakes.Constant(100, time.monotonic)
    with energy.Monitor(backend=meter, period=0.1, host=f"host-{RANK % 2}") as monitor:
        time.sleep(0.2)
    assert (len(meter.said) > 0) == (RANK < 2)
    report = monitor.report()
    assert [host.host for host in report.hosts] == ["host-0", "host-1"]
    meters = comm.allgather_object(meter.joules)
    assert [host.joules() for host in report.hosts] == pytest.approx(meters[:2], rel=1e-12)
    assert report.joules == pytest.approx(sum(meters), rel=1e-12)
    assert [entry.rank for entry in report.hosts[1].ranks] == list(range(1, SIZE, 2))
    assert [row["host"] for row in report.rows("host")] == ["host-0", "host-1"]


def test_every_rank_has_the_report_and_rank_0_the_timeline():
    with energy.Monitor(backend=fakes.Constant(100, time.monotonic)) as monitor:
        time.sleep(0.02)
    report = monitor.report()
    assert len(set(comm.allgather_object((report.joules, report.begun != "")))) == 1
    assert bool(report.hosts[0].timeline) == (RANK == 0)


def test_what_is_communicated():
    with energy.Monitor(backend="estimate"):  # prepares the farewells
        pass
    with count_collectives() as before:
        monitor = energy.Monitor(backend="estimate").start()
    with count_collectives() as within, energy.region("a"):
        pass
    with count_collectives() as after:
        monitor.stop()
    assert within.total == 0
    assert (before.total, after.total) == ((0, 0) if SIZE == 1 else (3, 6))


# --- regions --------------------------------------------------------------------------------------------------


# E.5, check 4
def test_regions_and_the_rest_are_the_whole():
    with energy.Monitor(backend=fakes.Constant(70, time.monotonic), period=0.1, overhead_w=5) as monitor:
        for name in ("a", "b", "a"):
            with energy.region(name):
                time.sleep(0.02 * (RANK + 1))
            comm.barrier()
    report = monitor.report()
    assert report.regions == [TOTAL, OUTSIDE, "a", "b"]
    parts = sum(joules(report, region) for region in (OUTSIDE, "a", "b"))
    assert parts == pytest.approx(report.joules, rel=1e-9)
    assert report.hosts[0].regions["b"] >= 0.02 * SIZE
    assert all(joules(report, region) > 0 for region in report.regions)
    rows = {row["region"]: row for row in report.rows()}
    assert (rows["a"]["calls"], rows["b"]["calls"]) == (2, 1)


def test_ranks_share_by_cpu_time():
    with energy.Monitor(backend=fakes.Constant(50, time.monotonic)) as monitor, energy.region("work"):
        busy(0.03 * (1 + RANK))
    report = monitor.report()
    for region in (TOTAL, "work"):
        entries = [entry for entry in report.hosts[0].ranks if entry.region == region]
        assert sum(entry.joules for entry in entries) == pytest.approx(joules(report, region))
        cpu = sum(entry.cpu_seconds for entry in entries)
        for entry in entries:
            assert entry.joules == pytest.approx(joules(report, region) * entry.cpu_seconds / cpu)
        assert entries[RANK].cpu_seconds >= 0.03 * (1 + RANK)
    assert {row["label"] for row in report.rows("rank")} == {"attributed by CPU time, measured counter"}


def test_a_region_of_many_ranks_is_counted_once():
    """Where ranks overlap, and where the same region lies in itself."""
    sampler = Sampler(fakes.Constant(10, time.monotonic).sensors(), 1)
    for now in (0, 100):
        sampler.tracks[0].add(now, now * 10e6)
    calls = [{"fit": np.array([[10, 30, 4.0], [12, 20, 1.0]])}, {"fit": np.array([[20.0, 50.0, 15.0]])}, {}]
    records = [Recording(rank, 20.0, made) for rank, made in enumerate(calls)]
    summary = summarise("host", sampler, records)
    assert summary.regions == {TOTAL: 100, "fit": 40, OUTSIDE: 60}
    assert {region: summary.joules(region) for region in summary.regions} == {TOTAL: 1000, "fit": 400, OUTSIDE: 600}
    shares = {entry.rank: entry for entry in summary.ranks if entry.region == "fit"}
    assert {rank: (entry.calls, entry.joules) for rank, entry in shares.items()} == {0: (2, 100), 1: (1, 300)}
    assert shares[0].seconds == 20


def test_functions_are_regions():
    @energy.measure
    def fit():
        """Fit."""
        return 1

    @energy.measure("other")
    def predict(x, y=0):
        return x + y

    assert (fit(), predict(1, y=2), fit.__name__, fit.__doc__) == (1, 3, "fit", "Fit.")
    with energy.Monitor(backend="estimate") as monitor:
        assert (fit(), predict(1, y=2)) == (1, 3)
    assert {name.rpartition(".")[2] for name in monitor.report().regions[2:]} == {"fit", "other"}


def test_a_region_that_fails_counts_and_so_does_one_that_is_still_open():
    with energy.Monitor(backend=fakes.Constant(10, time.monotonic)) as monitor:
        with pytest.raises(ValueError), energy.region("fails"):
            time.sleep(0.02)
            raise ValueError
        still = energy.region("open").__enter__()
        time.sleep(0.02)
    still.__exit__()
    seconds = monitor.report().hosts[0].regions
    assert seconds["fails"] >= 0.02
    assert seconds["open"] >= 0.02


def test_monitors_may_lie_in_one_another():
    with energy.Monitor(backend="estimate") as outer:
        with energy.Monitor(backend="estimate") as inner, energy.region("both"):
            pass
        with energy.region("outer"):
            pass
    assert inner.report().regions[2:] == ["both"]
    assert outer.report().regions[2:] == ["both", "outer"]


def test_a_monitor_decorates_and_runs_again():
    monitor = energy.Monitor(backend=fakes.Constant(10, time.monotonic))

    @monitor
    def work():
        time.sleep(0.02)

    work()
    first = monitor.report()
    work()
    assert monitor.report() is not first
    assert monitor.report().seconds < first.seconds + 1


def test_a_region_outside_of_a_monitor_costs_less_than_a_microsecond():
    region = energy.region

    def enter():
        with region("fit"):
            pass

    @energy.measure
    def measured():
        pass

    for function in (enter, measured):
        assert min(timeit.repeat(function, number=1000, repeat=50)) / 1000 < 1e-6


def test_the_reader_reads_where_regions_begin_and_end():
    meter = fakes.Constant(10, time.monotonic)
    with energy.Monitor(backend=meter, period=60):
        time.sleep(0.12)
        with energy.region("fit"):
            time.sleep(0.12)
        time.sleep(0.12)
    assert (len(meter.said) > 2) == (RANK == 0)  # not only in the beginning and in the end


def test_regions_wait_for_the_gpu(monkeypatch):
    waited = []
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waited.append(1))
    with energy.region("nothing runs"):
        pass
    assert waited == []
    with energy.Monitor(backend="estimate"), energy.region("fit"):
        assert waited == [1]
    assert waited == [1, 1]


# --- node meters, overhead, notes -----------------------------------------------------------------------------


def test_what_processors_and_gpus_used_is_exact(tmp_path):
    counter = fakes.rapl(tmp_path, 999_999_000, zones=("package-0", "dram")) / "intel-rapl:0" / "energy_uj"
    used = {"name": "G", "energy": 0}
    gpus = fakes.nvml([used | {"energy": lambda: used["energy"]}, {"name": "idle", "power": 40_000}])
    with energy.Monitor(backend=[energy.Rapl(tmp_path), energy.Nvml(gpus)], period=60) as monitor:
        counter.write_text("1233567\n")  # once around
        used["energy"] = 2500
    devices = {row["sensor"]: row for row in monitor.report().rows("device")}
    joules = [devices[name]["joules"] for name in ("rapl package-0", "rapl package-0 dram", "nvml 0 G")]
    assert joules == [1.234567, 0, 2.5]
    assert devices["nvml 1 idle"]["watts"] == pytest.approx(40)
    assert devices["nvml 1 idle"]["label"] == energy.MEASURED_POWER
    assert monitor.report().label == "measured power + measured counter"
    monitor.report().assert_measured()


def test_a_meter_of_the_node_holds_all_others():
    meters = [fakes.Constant(300, time.monotonic, "node"), energy.Estimate()]
    with energy.Monitor(backend=meters, overhead_w=20, period=0.1) as monitor:
        time.sleep(0.2)
    report = monitor.report()
    assert report.joules / report.seconds == pytest.approx(320, rel=0.1)
    assert {row["sensor"]: row["counts"] for row in report.rows("device")} == {
        "meter": True,
        "estimate cpu": False,
        "estimate memory": False,
        "overhead": True,
    }
    assert report.label == "measured counter + constant"


def test_a_real_run_with_the_estimate():
    with energy.Monitor(backend="estimate", period=0.1) as monitor, energy.region("product"):
        x = dnd.random.normal(size=(200, 200), split=0)
        for _ in range(20):
            x = x @ x / 200
    report = monitor.report()
    assert report.joules > 0
    assert "estimated from CPU time" in str(report)
    assert "of CPU time each" in str(report)
    assert report.hosts[0].sampler["cpu_seconds"] < 0.1 * report.seconds + 0.01
    with pytest.raises(RuntimeError, match="not everything was measured: estimate cpu"):
        report.assert_measured()


def test_what_was_measured_is_measured():
    with energy.Monitor(backend=fakes.Constant(300, time.monotonic)) as monitor:
        pass
    monitor.report().assert_measured()


def test_regions_shorter_than_a_sample_are_noted():
    with energy.Monitor(backend="estimate") as monitor:
        with energy.region("short"):
            pass
        with energy.region("long"):
            time.sleep(0.15)
    noted = [note for note in monitor.report().hosts[0].notes if "interpolated" in note]
    assert len(noted) == 1
    assert "'short'" in noted[0]


# --- bad input ------------------------------------------------------------------------------------------------


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="`period`"):
        energy.Monitor(period=0.01)
    with pytest.raises(ValueError, match="`overhead_w`"):
        energy.Monitor(overhead_w=-1)
    with pytest.raises(ValueError, match="`pue`"):
        energy.Monitor(pue=0.9)
    with pytest.raises(TypeError, match="price"):
        energy.Monitor(price=1)
    with pytest.raises(ValueError, match="must end in one of"):
        energy.Monitor(output="report.txt")
    with pytest.raises(FileNotFoundError, match="folder to write into"):
        energy.Monitor(output="no/such/folder/report.json")
    with pytest.raises(ValueError, match="`backend`"):
        energy.Monitor(backend="sun").start()


def test_a_host_that_cannot_read_fails_on_all_ranks(tmp_path):
    source = energy.Rapl(tmp_path / "nothing") if RANK == 0 else "estimate"
    with pytest.raises(energy.Unavailable, match="there is no"):
        energy.Monitor(backend=source).start()
    with energy.region("nothing runs"):
        pass


def test_the_order_of_things():
    monitor = energy.Monitor(backend="estimate")
    with pytest.raises(RuntimeError, match="no report before"):
        monitor.report()
    with pytest.raises(RuntimeError, match="does not run"):
        monitor.stop()
    with monitor, pytest.raises(RuntimeError, match="runs already"):
        monitor.start()


def test_the_report_is_written_by_rank_0_and_what_fails_there_fails_on_all(shared_path, monkeypatch):
    monitor = energy.Monitor(backend="estimate", output=shared_path / "report.json", pue=1.25, price_source="our site")
    with monitor:
        pass
    assert energy.Report.load(shared_path / "report.json").factors == monitor.factors
    assert "(our site), PUE 1.25" in str(monitor.report())

    def full(*paths):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("dndarray.energy.files.os.replace", full)
    with pytest.raises(OSError, match="no space left"), monitor:
        pass
    assert [path.name for path in shared_path.iterdir()] == ["report.json"]


# --- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", range(4))
def test_a_rank_that_fails_leaves_nobody_waiting(failing):
    failing = failing % SIZE
    monitor = energy.Monitor(backend=fakes.Constant(10, time.monotonic))
    try:
        with monitor, energy.region("work"):
            if failing == RANK:
                raise ValueError("the reason")
    except ValueError:
        assert failing == RANK
    else:
        assert failing != RANK
    report = monitor.report()
    assert len(report.hosts) == (RANK == 0)
    reason = "ValueError: the reason" if failing == RANK else "another rank failed"
    assert reason in report.notes[0]
    assert "note: " in str(report)
    with energy.Monitor(backend=fakes.Constant(10, time.monotonic)) as monitor:  # and everything works on
        pass
    assert len(monitor.report().hosts[0].ranks) == SIZE


def test_a_failure_in_monitors_in_one_another():
    outer, inner = (energy.Monitor(backend="estimate") for _ in range(2))
    try:
        with outer, inner:
            if RANK == SIZE - 1:
                raise ValueError
    except ValueError:
        pass
    assert outer.report().notes
    assert inner.report().notes
    comm.barrier()


def test_several_ranks_that_fail():
    for _ in range(3):
        with pytest.raises(ValueError), energy.Monitor(backend="estimate"):
            raise ValueError
    if SIZE > 2:
        monitor = energy.Monitor(backend="estimate")
        try:
            with monitor:
                if RANK > 0:
                    time.sleep(0.02 * RANK)
                    raise ValueError
        except ValueError:
            pass
        assert monitor.report().notes
    comm.barrier()


@pytest.mark.serial
def test_a_run_in_which_a_rank_fails_ends():
    code = """
        import time
        import dndarray as dnd

        with dnd.energy.Monitor(backend="estimate"):
            if dnd.get_comm().rank == 1:
                raise ValueError("the reason")
            dnd.ones(10, split=0).sum()
        """
    done = run_ranks(3, "\n".join(line[8:] for line in code.splitlines()), timeout=50)
    assert done.returncode != 0
    assert "the reason" in done.stderr


def test_regions_of_any_name():
    with energy.Monitor(backend="estimate") as monitor:
        for name in (2, "a"):
            with energy.region(name):
                pass
    assert monitor.report().regions == [TOTAL, OUTSIDE, "2", "a"]
