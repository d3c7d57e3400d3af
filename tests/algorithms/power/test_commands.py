"""The commands `python -m dndarray power flow`, `contingency` and `series`."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pandapower
import pytest
from click.testing import CliRunner, Result
from dndarray.algorithms import power
from dndarray.algorithms.power import Solution, commands
from dndarray.algorithms.power.profiles import read_profile
from launching import run_ranks
from power_samples import case, net

import dndarray as dnd
from dndarray.__main__ import main

COMM = dnd.get_comm()
RANK = COMM.rank


@pytest.fixture
def run(monkeypatch):
    """Run a command on every rank, on grids that the tests have read already."""
    monkeypatch.setattr(commands, "_shipped", net)

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, ["power", *map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert RANK == 0 or result.stdout == ""
        return result

    return run


def write(path: Path, text: str) -> Path:
    if RANK == 0:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    COMM.barrier()
    return path


# --- flow -------------------------------------------------------------------------------------------------------------


def test_flow(run, shared_path):
    out, plot = shared_path / "case14.h5", shared_path / "voltages.png"
    result = run("flow", "case14", "--out", out, "--plot", plot, "--tables", "--init", "flat")
    assert result.exit_code == 0
    assert len(Solution.load(out).buses()) == 14
    if RANK == 0:
        assert "case14: 14 buses, 20 branches, method newton\nconverged in" in result.stdout
        assert "trafo 4" in result.stdout and "135/14 kV" in result.stdout
        assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_status_says_whether_it_converged(run):
    result = run("flow", "case14", "--max-iter", 1)
    assert result.exit_code == 1
    assert RANK > 0 or "DID NOT CONVERGE in 1 iteration" in result.stdout
    assert run("flow", "case14", "--method", "dc").exit_code == 0


@pytest.mark.parametrize("kind", ["m", "json"])
def test_grids_from_files(run, shared_path, kind):
    path = shared_path / f"small.{kind}"
    if kind == "json":
        if RANK == 0:
            pandapower.to_json(net("case9"), str(path))
        COMM.barrier()
    else:
        write(path, MATPOWER)
    result = run("flow", path)
    assert result.exit_code == 0, result.output
    assert RANK > 0 or f"{9 if kind == 'json' else 3} buses" in result.stdout


MATPOWER = """function mpc = small
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
    1 3  0  0 0 0 1 1 0 110 1 1.1 0.9;
    2 1 50 20 0 0 1 1 0 110 1 1.1 0.9;
    7 1 30 10 0 0 1 1 0 110 1 1.1 0.9;
];
mpc.gen = [
    1 80 0 100 -100 1.02 100 1 200 0;
];
mpc.branch = [
    1 2 0.01 0.1 0.02 100 0 0 0 0 1 -360 360;
    2 7 0.02 0.2 0.02 100 0 0 0 0 1 -360 360;
    1 7 0.02 0.2 0.02 100 0 0 0 0 1 -360 360;
];
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flow", "case15"], "neither a .m or .json file nor a grid of pandapower's, such as case"),
        (["flow", "missing.m"], "missing.m"),
        (["flow", "case14", "--out", "result.csv"], "must end in one of .h5"),
        (["flow", "missing.json"], "missing.json"),
        (["flow", "case14", "--plot", "missing/voltages.png"], "the folder to write into does not exist"),
        (["flow", "case14", "--plot", "voltages.csv"], "must end in one of"),
        (["flow", "case14", "--out", "missing/solution.h5"], "the folder to write into does not exist"),
        (["flow", "case14", "--tol", "nan"], "`tol` (=nan) must be 0 or more"),
        (["contingency", "case14", "--refine", "-1"], "-1 is not in the range"),
        (["contingency", "case14", "--method", "guess"], "'guess' is not one of"),
        (["series", "case14"], "Missing option '--profile'"),
    ],
)
def test_what_is_wrong_is_said_once(run, monkeypatch, arguments, said):
    monkeypatch.undo()
    result = run(*arguments)
    assert result.exit_code > 0
    assert RANK > 0 or said in result.output
    assert "Traceback" not in result.output
    assert "converge" not in result.output  # before anything is solved


@pytest.mark.parametrize("name", ["other.json", "other.m"])
def test_files_that_hold_no_grid(run, shared_path, name):
    result = run("flow", write(shared_path / name, '{"x": 1}'))
    assert result.exit_code == 1
    assert RANK > 0 or f"{name}" in result.output and "holds no" in result.output


# --- contingency ------------------------------------------------------------------------------------------------------


def test_contingency(run, shared_path):
    out, plot = shared_path / "outages.nc", shared_path / "ranking.png"
    result = run("contingency", "case14", "--n-1", "--top", 3, "--out", out, "--plot", plot, "--refine", 2)
    assert result.exit_code == 0, result.output
    loaded = Solution.load(out, split=1)
    assert loaded.outages.tolist() == [list(range(20))]
    loading = np.nan_to_num(loaded.loading().numpy(), nan=0).max(0)
    if RANK == 0:
        assert "20 outages, method newton; 1 cut buses off, 0 did not converge" in result.stdout
        rows = re.findall(r"^(\d+) +(line \d+|trafo \d+) +([\d.]+)", result.stdout, re.MULTILINE)
        assert len(rows) == 3
        assert int(rows[0][0]) == loading.argmax()
        np.testing.assert_allclose([float(row[2]) for row in rows], np.sort(loading)[:-4:-1], atol=1e-5)
        assert plot.exists()


# --- series -----------------------------------------------------------------------------------------------------------


def test_series(run, shared_path):
    profile = write(shared_path / "load.csv", "time,all\n" + "".join(f"{h}:00,{0.8 + 0.05 * h}\n" for h in range(6)))
    out = shared_path / "series.h5"
    result = run("series", "case14", "--profile", profile, "--out", out, "--progress")
    assert result.exit_code == 0, result.output
    found = Solution.load(out, split=1)
    grid = case("case14")
    given = (grid.buses.p.numpy()[:, None] * (0.8 + 0.05 * np.arange(6)))[1:]
    np.testing.assert_allclose(found.S.real.numpy()[1:], given, atol=1e-7)
    assert RANK > 0 or "6 cases\n6 converged" in result.stdout


def test_a_step_that_diverges(run, shared_path):
    profile = write(shared_path / "load.csv", "factor\n1\n50\n1.1\n")
    result = run("series", "case14", "--profile", profile)
    assert result.exit_code == 1
    assert RANK > 0 or "2 converged in" in result.stdout
    assert RANK > 0 or "1 DID NOT CONVERGE: 1" in result.stdout


@pytest.mark.parametrize("name", ["buses.csv", "buses.csv.gz"])
def test_profiles_of_buses(shared_path, name):
    path = write(shared_path / name, "when,2,13\n2020-01-01,1.5,0\n2020-01-02,2,1\n2020-01-03,1,1\n")
    scale = read_profile(path, case("case14"))
    expected = np.ones((14, 3))
    expected[[2, 13]] = [[1.5, 2, 1], [0, 1, 1]]
    assert scale.split == 1
    np.testing.assert_array_equal(scale.numpy(), expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,2,nowhere\n0:00,1,1\n", r"columns \['nowhere'\] are of none"),
        ("time\n0:00\n", "no columns of numbers"),
        ("", "no columns of numbers"),
    ],
)
def test_profiles_that_do_not_fit(run, shared_path, text, said):
    path = write(shared_path / "wrong.csv", text)
    with pytest.raises(ValueError, match=said):
        read_profile(path, case("case14"))
    result = run("series", "case14", "--profile", path)
    assert result.exit_code == 1
    assert RANK > 0 or "must have columns named as buses" in result.output


def test_a_bar_over_cases_is_shown_on_rank_0_if_asked_for(capsys):
    power.series(case("case14"), scale=[0.9, 1.0, 1.1])
    assert "case" not in capsys.readouterr().err
    with power.progress():
        power.series(case("case14"), scale=[0.9, 1.0, 1.1])
    assert ("case" in capsys.readouterr().err) == (RANK == 0)


# --- in processes of their own ----------------------------------------------------------------------------------------


@pytest.mark.serial
def test_under_a_launcher(tmp_path):
    arguments = ["power", "flow", "case14", "--out", str(tmp_path / "x.h5")]
    code = f"import sys, runpy\nsys.argv[1:] = {arguments}\nrunpy.run_module('dndarray', run_name='__main__')"
    done = run_ranks(2, code, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("converged in") == 1
    assert Solution.load(tmp_path / "x.h5").converged.item()
