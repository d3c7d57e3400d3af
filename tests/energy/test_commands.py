"""`python -m dndarray energy`: programs that are measured from outside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from launching import find_mpiexec

import dndarray as dnd
from dndarray import __main__ as commands
from dndarray import energy

comm = dnd.get_comm()

PROGRAM = """
import sys
import time
import dndarray as dnd

rank = dnd.get_comm().rank
with dnd.energy.region("sleep"):
    time.sleep(0.3)
print("rank", rank)
sys.exit(int(sys.argv[1]))
"""


def command(*arguments):
    return [sys.executable, "-m", "dndarray", "energy", *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=100, **options)


@pytest.mark.serial
def test_run_says_on_stderr_what_was_used_and_ends_as_the_program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    output = tmp_path / "report.json"
    program = [sys.executable, tmp_path / "program.py", "7"]
    done = run("run", "--backend", "estimate", "--period", "0.1", "--pue", "1.2", "-o", output, "--", *program)
    assert done.returncode == 7, done.stderr
    assert done.stdout == "rank 0\n"
    assert "(total)" in done.stderr
    assert "PUE 1.2" in done.stderr
    report = energy.Report.load(output)
    assert report.regions == ["(total)", "(outside)", "sleep"]
    assert 0.3 <= report.hosts[0].regions["sleep"] < report.seconds


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("place", ["around", "under"])
def test_run_and_a_launcher(tmp_path, place):
    (tmp_path / "program.py").write_text(PROGRAM)
    program = [sys.executable, str(tmp_path / "program.py"), "0"]
    launcher = [find_mpiexec(), "-n", "2"]
    measuring = command("run", "-o", tmp_path / "{host}.h5", "--")
    line = [*measuring, *launcher, *program] if place == "around" else [*launcher, *measuring, *program]
    done = subprocess.run(line, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "rank 0", "rank 1"]
    assert done.stderr.count("factors: ") == 1
    (path,) = tmp_path.glob("*.h5")
    report = energy.Report.load(path)
    assert sorted(row["rank"] for row in report.rows("rank") if row["region"] == "sleep") == [0, 1]


@pytest.mark.serial
def test_run_passes_signals_on():
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\nprint(1, flush=True)\n"
    measured = subprocess.Popen(
        command("run", "--", sys.executable, "-c", code + "time.sleep(60)"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    measured.stdout.readline()
    time.sleep(0.1)
    measured.send_signal(signal.SIGTERM)
    _, stderr = measured.communicate(timeout=60)
    assert measured.returncode == 9
    assert "(total)" in stderr


@pytest.mark.ranks(1)
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--backend", "sun", "--", "ls"], "`backend`"),
        (["--period", "0.001", "--", "ls"], "`period`"),
        (["--", "no-such-program"], "cannot run no-such-program"),
        (["--backend", "slurm", "--", "ls"], "no job of Slurm"),
        (["-o", "report.txt", "--", "ls"], "must end in one of"),
    ],
)
def test_run_that_cannot(arguments, reason, monkeypatch):
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    monkeypatch.setenv("DNDARRAY_ENERGY_FOLDER", "")  # which the command sets
    result = CliRunner().invoke(commands.main, ["energy", "run", *arguments])
    assert result.exit_code == 1
    assert reason in result.output


def test_sensors():
    result = CliRunner().invoke(commands.main, ["energy", "sensors"])
    assert result.exit_code == 0, result.output
    if comm.rank > 0:
        assert result.output == ""
        return
    for source in ("rapl", "nvml", "rocm", "hwmon", "slurm", "battery", "estimate"):
        assert f"\n{source}" in result.output
    assert "estimated" in result.output


@pytest.mark.ranks(1)
def test_report(tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    with energy.Monitor(backend="estimate", output=tmp_path / "run.json"), energy.region("fit"):
        pass
    options = [
        "--by",
        "region",
        "--bars",
        tmp_path / "bars.png",
        "--timeline",
        tmp_path / "t.svg",
        "-o",
        tmp_path / "run.csv",
    ]
    result = CliRunner().invoke(commands.main, ["energy", "report", *map(str, [tmp_path / "run.json", *options])])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("region ")
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "run.csv", "bars.png", "t.svg"}
    result = CliRunner().invoke(commands.main, ["energy", "report", str(tmp_path / "run.json")])
    assert "factors: " in result.output
    (tmp_path / "other.json").write_text(json.dumps({}))
    result = CliRunner().invoke(commands.main, ["energy", "report", str(tmp_path / "other.json")])
    assert result.exit_code == 1
    assert "is no report of energy" in result.output
