"""The example of denoising finds what the methods find; the notebook runs, and shows what it gives."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from denoising_samples import synthetic
from dndarray.algorithms import denoising
from shipped import example, run_notebook

import dndarray as dnd

RANK = dnd.get_comm().rank


@pytest.fixture(autouse=True)
def closed():
    matplotlib.use("agg")
    yield
    plt.close("all")


def test_the_synthetic_cube(capsys):
    table = example("denoise_cube").main([], standalone_mode=False)
    psnr = dict(zip(table.method, table.psnr, strict=True))
    assert all(value > psnr["noisy"] + 4 for name, value in psnr.items() if name != "noisy")
    clean = example("denoise_cube").synthetic()
    found = denoising.FastHyDe(rank=6, denoiser="nlm")(denoising.noise.gaussian(clean, 20, seed=0)).numpy()
    expected = 20 * np.log10(clean.numpy().max() / np.sqrt(((found - clean.numpy()) ** 2).mean()))
    np.testing.assert_allclose(psnr["FastHyDe"], expected, atol=1e-3)
    best = max(psnr, key=psnr.get)
    assert (f"{best} comes nearest" in capsys.readouterr().out) == (RANK == 0)


def test_a_file(shared_path):
    dnd.io.save(dnd.array(synthetic(40, 36, 12, 3), split=0), shared_path / "cube.h5", "scene")
    options = {"--cube": "cube.h5", "--picture": "picture.png"}
    arguments = [str(x) for name, path in options.items() for x in (name, shared_path / path)]
    table = example("denoise_cube").main([*arguments, "--dataset", "scene", "--snr", "10"], standalone_mode=False)
    assert set(table.noise) == {10}
    assert RANK > 0 or (shared_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_notebook(shared_path, monkeypatch):
    monkeypatch.chdir(shared_path)
    run_notebook("denoising")
