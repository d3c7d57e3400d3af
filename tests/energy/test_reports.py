"""Reports as tables, text, files and pictures."""

from __future__ import annotations

import csv
import json

import h5py
import numpy as np
import pandas as pd
import pytest
from dndarray.energy.regions import Recording
from dndarray.energy.sampler import Sampler
from dndarray.energy.summaries import OUTSIDE, TOTAL, summarise

import dndarray as dnd
from dndarray import energy

RANK = dnd.get_comm().rank


def sampled(sensors, times, values):
    sampler = Sampler(sensors, 1)
    for track, readings in zip(sampler.tracks, values, strict=True):
        for reading in zip(times, readings, strict=True):
            track.add(*reading)
    sampler.samples = len(times)
    return sampler


@pytest.fixture
def report():
    """Two hosts: an hour of 1000 W that a counter counts, and half an hour of 500 W of an estimate and 100 W more."""
    counter = energy.Sensor("rapl package-0", "cpu", energy.MEASURED_COUNTER, lambda: 0, 1e-6)
    estimate = energy.Sensor("estimate cpu", "cpu", energy.ESTIMATED, lambda: 0, 1.0)
    constant = energy.Sensor("overhead", "overhead", energy.CONSTANT, lambda: 0)
    one = sampled([counter], [0, 3600], [[5, 5 + 3600 * 10**9]])
    two = sampled([estimate, constant], [7, 1807], [[0, 900_000], [100, 100]])
    records = [Recording(0, 10.0, {"fit": np.array([[0.0, 900.0, 5.0]])})]
    others = [Recording(rank, 10.0 * rank, {}) for rank in (1, 2, 3)]
    hosts = [summarise("a", one, records, ["a note"]), summarise("b", two, others)]
    factors = energy.Factors(pue=1.5, gco2e_per_kwh=400, price_per_kwh=0.25, currency="CHF")
    return energy.Report(hosts, factors, "2026-11-21T12:00:00+00:00", rank=RANK)


def test_units(report):
    assert report.joules == pytest.approx(3.6e6 + 0.9e6 + 0.18e6)
    assert report.seconds == 3600
    total = report.rows()[0]
    assert total["region"] == TOTAL
    assert total["kwh"] == pytest.approx(1.3)
    assert total["gco2e"] == pytest.approx(1.3 * 1.5 * 400)
    assert total["cost"] == pytest.approx(1.3 * 1.5 * 0.25)
    assert total["watts"] == pytest.approx(4.68e6 / 3600)


def test_every_row_says_what_its_numbers_are_worth(report):
    assert report.label == "measured counter + estimated + constant"
    assert {row["host"]: row["label"] for row in report.rows("host")} == {
        "a": "measured counter",
        "b": "estimated + constant",
    }
    assert [row["label"] for row in report.rows("device") if row["region"] == TOTAL] == [
        "measured counter",
        "estimated",
        "constant",
    ]
    assert all(row["label"].startswith("attributed by CPU time, ") for row in report.rows("rank"))
    assert [row["label"] for row in report.rows("region")] == [report.label, "measured counter", "measured counter"]


def test_ranks_add_up_to_their_hosts(report):
    shares = {row["rank"]: row["joules"] for row in report.rows("rank") if row["region"] == TOTAL}
    assert shares == pytest.approx({0: 3.6e6, 1: 0.18e6, 2: 0.36e6, 3: 0.54e6})


def test_text(report):
    text = str(report)
    assert text.startswith(
        "4.68e+06 J in 3600 s on 2 hosts, 4 ranks, measured counter + estimated + constant; begun 2026"
    )
    for words in (
        "400 gCO2e/kWh (as given)",
        "0.25 CHF/kWh (as given)",
        "PUE 1.5",
        "note: a: a note",
        "sampler on b: ",
    ):
        assert words in text
    lines = report.text("device", TOTAL).splitlines()
    assert len(lines) == 4
    assert len({line.index("label") for line in lines[:1]} | {lines[1].index("measured")}) == 1
    assert "475 gCO2e/kWh (world average" in str(energy.Factors())
    with pytest.raises(ValueError, match="`by`.*region, host, device, rank"):
        report.rows("country")


@pytest.mark.parametrize("suffix", [".json", ".h5", ".hdf5"])
def test_round_trip(report, shared_path, suffix):
    path = shared_path / f"report{suffix}"
    report.save(path)
    dnd.get_comm().barrier()
    assert energy.Report.load(path).as_dict() == report.as_dict()
    assert [entry.name for entry in shared_path.iterdir()] == [path.name]


def test_csv_and_pandas(report, shared_path):
    report.to_csv(shared_path / "report.csv", by="region")
    dnd.get_comm().barrier()
    with (shared_path / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows] == [TOTAL, OUTSIDE, "fit"]
    assert float(rows[0]["joules"]) == report.joules
    assert rows[0]["gco2e_per_kwh"] == "400"
    frame = report.to_pandas("region")
    pd.testing.assert_frame_equal(frame, pd.read_csv(shared_path / "report.csv"), check_dtype=False)


def test_hdf5_has_tables_and_timelines(report, shared_path):
    report.to_hdf5(shared_path / "report.h5")
    dnd.get_comm().barrier()
    with h5py.File(shared_path / "report.h5") as file:
        assert file["host/joules"][:].sum() == pytest.approx(report.joules + 0.9e6 + 2.7e6)  # fit and the rest, too
        assert [name.decode() for name in file["device/sensor"][-2:]] == ["estimate cpu", "overhead"]
        watts, seconds = file["timelines/b/estimate cpu"][:], file["timelines/b/seconds"][:]
        assert (watts * np.diff(seconds)).sum() == pytest.approx(0.9e6)


def test_files_that_are_no_reports(report, tmp_path):
    with pytest.raises(ValueError, match=r"must end in one of \.json, \.csv"):
        report.save(tmp_path / "report.txt")
    with pytest.raises(FileNotFoundError):
        energy.Report.load(tmp_path / "nothing.json")
    for content in ("", "[]", '{"kind": "another"}', "{"):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(ValueError, match="is no report of energy"):
            energy.Report.load(tmp_path / "other.json")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    (tmp_path / "text.h5").write_text("no HDF5")
    for name in ("other.h5", "text.h5"):
        with pytest.raises(ValueError, match=f"{name} is no report of energy"):
            energy.Report.load(tmp_path / name)


def test_a_report_that_cannot_be_written_leaves_the_old_one(report, tmp_path, monkeypatch):
    report.rank = 0
    report.save(tmp_path / "report.json")
    monkeypatch.setattr(json, "dumps", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.save(tmp_path / "report.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
    assert energy.Report.load(tmp_path / "report.json").hosts == report.hosts


def test_reports_of_several_hosts_are_one(report):
    parts = [energy.Report([host], report.factors, report.begun) for host in report.hosts]
    assert energy.Report.merged(parts).rows() == report.rows()
    others = [parts[0], energy.Report(parts[1].hosts, energy.Factors())]
    assert "other factors" in energy.Report.merged(others).notes[0]
    with pytest.raises(ValueError, match="different runs"):
        energy.Report.merged([parts[0], parts[0]])


def test_pictures(report):
    pytest.importorskip("matplotlib").use("agg")
    bars = report.plot_bars()
    assert [tick.get_text() for tick in bars.get_yticklabels()] == ["fit", OUTSIDE, TOTAL]
    assert sum(bar.get_width() for bar in bars.patches) == pytest.approx(report.joules + 3.6e6)
    assert [text.get_text() for text in bars.get_legend().get_texts()] == [
        "cpu, measured counter",
        "cpu, estimated",
        "overhead, constant",
    ]
    line = report.plot_timeline(host="a")
    assert line.get_title(loc="left") == "a"
    assert [text.get_text() for text in line.get_legend().get_texts()] == ["rapl package-0, measured counter", "fit"]
    with pytest.raises(ValueError, match="`host` .* a, b"):
        report.plot_timeline(host="c")
    for host in report.hosts:
        host.timeline = {}
    with pytest.raises(ValueError, match="no timeline"):
        report.plot_timeline()


@pytest.mark.parametrize("factor", [{"gco2e_per_kwh": -1}, {"price_per_kwh": float("nan")}, {"pue": float("nan")}])
def test_factors_that_make_no_sense(factor):
    with pytest.raises(ValueError, match=f"`{next(iter(factor))}` .* must be at least"):
        energy.Factors(**factor)
