"""The command `python -m dndarray denoise`."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from denoising_samples import synthetic
from dndarray.algorithms.denoising import OTVCA, FastHyDe, FastHyIn, HyRes, NetworkDenoiser, noise
from dndarray.nn import save_weights
from dndarray.nn.denoisers import MemNet3D
from launching import run_ranks

import dndarray as dnd
from dndarray.__main__ import main
from dndarray.testing import assert_allclose

COMM = dnd.get_comm()
RANK = COMM.rank
CLEAN = synthetic(24, 20, 12, 3)


@pytest.fixture
def files(shared_path):
    """A folder with a clean cube and a noisy one."""
    matplotlib.use("agg")
    clean = dnd.array(CLEAN, split=0)
    dnd.io.save(clean, shared_path / "clean.mat", "Y")
    dnd.io.save(noise.gaussian(clean, 20, seed=3), shared_path / "noisy.h5")
    return shared_path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["denoise", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert RANK == 0 or result.stdout == ""
    return result


def test_a_cube_is_denoised(files):
    out, quicklook = files / "out.h5", files / "before_after.png"
    options = ["--set", "rank=3", "--set", "denoiser=nlm", "--split", "columns"]
    result = run(
        files / "noisy.h5", *options, "--out", out, "--quicklook", quicklook, "--bands", "5,3,1", "--pixel", "2,19"
    )
    assert result.exit_code == 0, result.output
    noisy = dnd.io.load(files / "noisy.h5", split=0)
    assert_allclose(dnd.io.load(out, split=0), FastHyDe(rank=3, denoiser="nlm")(noisy).numpy(), atol=1e-9)
    if RANK == 0:
        assert "24 x 20 x 12, float64\nFastHyDe(denoiser='nlm', rank=3): " in result.stdout
        assert re.search(r"[\d.]+ s, [\d.e+]+ J \((estimated|measured)", result.stdout)
        assert "PSNR" not in result.stdout
        assert quicklook.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("reference", [True, False])
def test_how_near_it_comes(files, reference):
    trial = [files / "noisy.h5", "--reference", files / "clean.mat", "--reference-dataset", "Y"]
    arguments = trial if reference else [files / "clean.mat", "--dataset", "Y", "--snr", 20, "--seed", 3]
    result = run(*arguments, "--method", "otvca", "--set", "rank=3", "--progress", "--quicklook", files / "x.png")
    assert result.exit_code == 0, result.output
    clean = dnd.array(CLEAN, split=0)
    noisy = noise.gaussian(clean, 20, seed=3)
    peaks = [20 * np.log10(CLEAN.max() / np.sqrt(((x.numpy() - CLEAN) ** 2).mean())) for x in (noisy, OTVCA(3)(noisy))]
    if RANK == 0:
        found = re.search(r"PSNR \(dB\) +([\d.]+) +([\d.]+)", result.stdout)
        np.testing.assert_allclose([float(x) for x in found.groups()], peaks, atol=0.001)


def test_what_is_missing_is_filled_in(files):
    cube = CLEAN.copy()
    cube[3:6, 4:8, 2:7] = np.nan
    dnd.io.save(dnd.array(cube, split=0), files / "holes.npy")
    options = ["--set", "rank=3", "--set", "denoiser=wavelet"]
    assert run(files / "holes.npy", "--method", "fasthyin", *options, "--out", files / "x.npy").exit_code == 0
    expected = FastHyIn(rank=3, denoiser="wavelet")(dnd.array(cube, split=0))
    assert_allclose(dnd.io.load(files / "x.npy", split=0), expected.numpy(), atol=1e-9)
    result = run(files / "holes.npy")
    assert result.exit_code == 1 and (RANK > 0 or "5 of 12 bands hold NaN" in result.output)


def test_a_network(files):
    model = MemNet3D()
    save_weights(model, files / "weights.safetensors")
    weights = ["--method", "memnet3d", "--weights", files / "weights.safetensors", "--set", "window=(24, 20)"]
    assert run(files / "noisy.h5", *weights, "--out", files / "x.h5").exit_code == 0
    expected = NetworkDenoiser(model, window=(24, 20))(dnd.io.load(files / "noisy.h5", split=0))
    assert_allclose(dnd.io.load(files / "x.h5", split=0), expected.numpy(), atol=1e-5)


def test_row_by_row(files):
    options = ["--set", "rank=3", "--set", "denoiser=nlm"]
    assert run(files / "clean.mat", "--dataset", "Y", *options, "--out", files / "x.zarr", "--rows", 7).exit_code == 0
    expected = FastHyDe(rank=3, denoiser="nlm")(dnd.array(CLEAN, split=0))
    assert_allclose(dnd.io.load(files / "x.zarr", split=0), expected.numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.h5"], "'none.h5' does not exist"),
        (["clean.mat", "--dataset", "X"], "no array 'X'"),
        (["noisy.h5", "--method", "guess"], "'guess' is not one of"),
        (["noisy.h5", "--method", "hyres", "--set", "rank=3"], "Invalid parameter 'rank' for estimator HyRes"),
        (["noisy.h5", "--set", "rank=-3"], "'rank' parameter of FastHyDe must be"),
        (["noisy.h5", "--set", "rank"], "'rank' is not of the form name=value"),
        (["noisy.h5", "--bands", "1,2"], "is not 3 whole numbers"),
        (["noisy.h5", "--out", "clean.csv"], "must end in one of .h5"),
        (["noisy.h5", "--out", "missing/clean.h5"], "the folder to write into does not exist"),
        (["noisy.h5", "--quicklook", "missing/clean.png"], "the folder to write into does not exist"),
        (["noisy.h5", "--quicklook", "clean.xyz", "--method", "otvca"], "xyz"),
        (["noisy.h5", "--method", "qrnn3d"], "--weights must be given for networks"),
        (["noisy.h5", "--weights", "noisy.h5"], "not for --method fasthyde"),
        (["noisy.h5", "--rows", "5"], "with --rows there must be --out"),
        (["noisy.h5", "--rows", "5", "--out", "x.h5", "--method", "hyres"], "work through a file, not HyRes"),
        (["noisy.h5", "--rows", "5", "--out", "x.npy"], "grow by batches"),
        (["clean.mat", "--dataset", "Y", "--reference", "small.npy"], "must be alike"),
    ],
)
def test_what_is_wrong_is_said_once(files, monkeypatch, arguments, said):
    monkeypatch.chdir(files)
    dnd.io.save(dnd.ones((2, 2, 2)), files / "small.npy")
    result = run(*arguments)
    assert result.exit_code > 0
    assert RANK > 0 or said in result.output
    assert "Traceback" not in result.output


@pytest.mark.serial
def test_under_a_launcher(files):
    arguments = ["denoise", str(files / "noisy.h5"), "--method", "hyres", "--out", str(files / "x.h5")]
    code = f"import sys, runpy\nsys.argv[1:] = {arguments}\nrunpy.run_module('dndarray', run_name='__main__')"
    done = run_ranks(2, code, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("written: ") == 1
    assert_allclose(dnd.io.load(files / "x.h5"), HyRes()(dnd.io.load(files / "noisy.h5")).numpy(), atol=1e-9)
