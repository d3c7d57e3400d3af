"""Every benchmark runs at toy size and prints its rows; what it measures there means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from launching import run_ranks

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = [pytest.mark.slow, pytest.mark.serial]


def assert_prints_its_rows(stdout: str, json_file: Path, benchmark: str) -> None:
    rows = json.loads(json_file.read_text())
    assert rows
    for row in rows:
        assert row["benchmark"] == benchmark
        assert row["what"] in stdout


@pytest.mark.parametrize(
    "name",
    ["overhead", "elementwise", "resplit", "matmul", "surface", "linalg", "importing", "energy", "files", "denoising"],
)
def test_the_one_command(name, tmp_path):
    rows = tmp_path / "rows.json"
    command = [sys.executable, BENCHMARKS / "run.py", name, "--tiny", "--json", rows]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_prints_its_rows(done.stdout, rows, name)


@pytest.mark.parametrize("name", ["memory", "denoising_memory"])
def test_a_benchmark_on_its_own(tmp_path, name):
    rows = tmp_path / "rows.json"
    code = f"""
import runpy, sys
sys.path.insert(0, {str(BENCHMARKS)!r})
sys.argv = ["{name}.py", "--tiny", "--json", {str(rows)!r}]
runpy.run_path({str(BENCHMARKS / f"{name}.py")!r}, run_name="__main__")
"""
    done = run_ranks(2, code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_prints_its_rows(done.stdout, rows, name)


def test_an_unknown_name_is_an_error():
    done = subprocess.run([sys.executable, BENCHMARKS / "run.py", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no benchmark nothing" in done.stderr
