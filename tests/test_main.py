"""The commands: `python -m dndarray info` and `selftest`."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from launching import run_ranks

import dndarray as dnd
from dndarray import __main__ as commands
from dndarray import buffers, info

comm = dnd.get_comm()


@pytest.fixture
def run(monkeypatch):
    """Run a command on every rank; what it printed here, and its exit status."""
    monkeypatch.setenv("DNDARRAY_TIMEOUT", "100")  # the command sets one that is to end with the test

    def run(*arguments):
        result = CliRunner().invoke(commands.main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.output, result.exit_code

    return run


# --- info -----------------------------------------------------------------------------------------------------


def test_info_is_printed_once_and_says_who_runs(run):
    output, status = run("info")
    assert status == 0
    if comm.rank > 0:
        assert output == ""
        return
    for words in ("versions", "MPI", "processes", "files", "power sensors", "environment"):
        assert f"{words}\n" in output
    assert re.search(rf"ranks +{comm.size}\n", output)


def test_info_as_json(run):
    output, status = run("info", "--json")
    assert status == 0
    if comm.rank > 0:
        return
    found = json.loads(output)
    assert found["versions"]["dndarray"] == dnd.__version__
    assert [process["rank"] for process in found["processes"]] == list(range(comm.size))
    assert all(process["threads"] >= 1 for process in found["processes"])
    assert found["mpi"]["thread_level"] in ("single", "funneled", "serialized", "multiple")
    assert found["gpu_aware_mpi"]["yes"] is buffers.cuda_aware()
    assert found["power"].keys() == {process["host"] for process in found["processes"]}


def test_the_facts_are_the_same_on_every_rank():
    everyones = comm.allgather_object(info.facts())
    assert all(facts == everyones[0] for facts in everyones)


@pytest.mark.ranks(1)
def test_the_facts_about_gpus_are_those_that_the_library_goes_by(monkeypatch):
    source = inspect.getsource(buffers.cuda_aware.__wrapped__)
    assert tuple(re.findall('"([A-Z0-9_]{2,})"', source)) == info._GPU_AWARE
    monkeypatch.setenv("MPICH_GPU_SUPPORT_ENABLED", "1")
    assert info._gpu_aware()["because"] == "declared by MPICH_GPU_SUPPORT_ENABLED=1"


@pytest.mark.ranks(1)
def test_a_launcher_of_another_mpi_is_noted(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    (note,) = [note for note in info.facts()["notes"] if "launcher" in note]
    assert "started 4 processes" in note


@pytest.mark.ranks(1)
@pytest.mark.parametrize(
    ("ranks", "written"), [([0], "0"), ([0, 1, 2], "0-2"), ([0, 1, 4, 6, 7], "0-1, 4, 6-7"), ([], "")]
)
def test_ranks_are_abbreviated(ranks, written):
    assert info._ranges(ranks) == written


@pytest.mark.ranks(1)
def test_hosts_that_differ_have_lines_of_their_own():
    found = info.facts()
    process, power = found["processes"][0], {"rapl": "2 of 2 zones readable", "nvml": "4 GPUs readable"}
    found["processes"] = [process | {"rank": r, "host": "ab"[r // 2], "gpu": f"cuda:{r % 2}"} for r in range(4)]
    found["power"] = {"a": power, "b": power | {"rapl": "none"}}
    text = info.text(found)
    assert re.search(r"\n  a +rank 0-1 .*cuda:0, cuda:1\n  b +rank 2-3 ", text)
    assert re.search(r"\n  a +RAPL: 2 of 2.*\n  b +RAPL: none;", text)


WITHOUT_MPI = """
import sys

sys.modules["mpi4py"] = None  # importing it fails
from dndarray.__main__ import main

main(["{}"])
"""


@pytest.mark.serial
@pytest.mark.parametrize("command", ["info", "selftest"])
def test_without_any_mpi_library(command):
    done = subprocess.run([sys.executable, "-c", WITHOUT_MPI.format(command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no MPI library was found" in done.stdout


# --- selftest -------------------------------------------------------------------------------------------------


def test_the_self_test_passes(run, shared_path):
    output, status = run("selftest", "--folder", shared_path)
    assert status == 0, output
    if comm.rank == 0:
        assert list(shared_path.iterdir()) == []
        assert "failed" not in output
        assert output.count("  ok  ") >= len(commands.CHECKS) - 2
        assert output.endswith("all is well\n")


def test_what_fails_on_one_rank_fails_the_self_test_on_all(run, shared_path, monkeypatch):
    def check(comm, folder):
        assert comm.rank < comm.size - 1, "the reason"

    monkeypatch.setattr(commands, "CHECKS", {"one rank": check, "all ranks": commands.CHECKS["all ranks answer"]})
    output, status = run("selftest", "--folder", shared_path)
    assert status == 1
    if comm.rank == 0:
        assert "failed  one rank: AssertionError: " in output
        assert "the reason" in output
        assert "ok      all ranks" in output
        assert output.endswith("1 of 2 failed\n")


@pytest.mark.serial
def test_the_commands_under_a_launcher():
    code = "import runpy, sys\nsys.argv[1:] = ['selftest']\nrunpy.run_module('dndarray', run_name='__main__')"
    done = run_ranks(3, code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("dndarray 0.") == 1
    assert "on 3 ranks" in done.stdout
