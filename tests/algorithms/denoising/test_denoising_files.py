"""Cubes that are never in memory as a whole give what those in memory give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from denoising_samples import synthetic
from dndarray.algorithms.denoising import (
    FastHyDe,
    FastHyIn,
    HyRes,
    NetworkDenoiser,
    denoise_file,
    estimate_noise,
    noise,
)
from dndarray.algorithms.denoising.batches import Batches
from dndarray.nn.denoisers import MemNet3D

import dndarray as dnd
from dndarray.testing import assert_allclose

CLEAN = synthetic(24, 20, 12, 3)


def noisy(kind: str) -> dnd.DNDarray:
    clean = dnd.array(CLEAN, split=0)
    if kind == "poisson":
        return dnd.round(1000 * noise.poisson(clean, 25, seed=0)).astype("int32")
    return noise.gaussian(clean, 20, seed=0)


@pytest.mark.parametrize("kind", ["additive", "noniid", "poisson"])
@pytest.mark.parametrize(("rows", "target"), [(5, "x.h5"), (100, "x.zarr")])
def test_as_in_memory(shared_path, kind, rows, target):
    cube = noisy(kind)
    dnd.io.save(cube, shared_path / "cube.nc", "scene")
    denoiser = FastHyDe(rank="hysime", noise=kind, denoiser="nlm")
    expected = denoiser(cube)
    found = denoise_file(
        shared_path / "cube.nc", shared_path / target, FastHyDe(**denoiser.get_params()), dataset="scene", rows=rows
    )
    assert found.rank_ == denoiser.rank_
    result = dnd.io.load(shared_path / target, "scene", split=1)
    scale = float(abs(expected).max())
    assert_allclose(result, expected.numpy(), atol=1e-5 * scale if kind == "poisson" else 1e-9, check_dtype=True)


@pytest.mark.parametrize("kind", ["additive", "poisson"])
def test_noise_of_batches(kind):
    cube = noisy(kind)
    batches = Batches([cube[:7], cube[7:20], cube[20:]], cube.shape)
    of_batches, of_cube = (estimate_noise(x, kind) for x in (batches, cube))
    assert batches.size == cube.size
    for name in ("variances", "gram", "signal_gram"):
        expected = getattr(of_cube, name).numpy()
        np.testing.assert_allclose(getattr(of_batches, name).numpy(), expected, rtol=1e-5, atol=1e-9 * expected.max())


@pytest.mark.parametrize("rows", [1, 12, 100])
def test_windows_of_networks(shared_path, rows):
    cube = noisy("additive")
    dnd.io.save(cube, shared_path / "cube.npy")
    torch.manual_seed(0)
    network = NetworkDenoiser(MemNet3D(channels=2, blocks=1, residuals=1), window=(7, 9), bands=5, buffers=(4, 2, 2))
    expected = network(cube)
    assert denoise_file(shared_path / "cube.npy", shared_path / "x.h5", network, rows=rows) is network
    assert_allclose(dnd.io.load(shared_path / "x.h5", split=1), expected.numpy(), atol=1e-5)
    network.set_params(guide=HyRes())
    with pytest.raises(ValueError, match="a guide looks at a whole cube"):
        denoise_file(shared_path / "cube.npy", shared_path / "y.h5", network)


def test_what_is_refused(shared_path):
    dnd.io.save(dnd.ones((3, 4)), shared_path / "flat.npy")
    dnd.io.save(dnd.full((3, 4, 5), np.nan), shared_path / "nan.npy")
    with pytest.raises(ValueError, match="not a cube"):
        denoise_file(shared_path / "flat.npy", shared_path / "x.h5")
    with pytest.raises(ValueError, match="hold NaN"):
        denoise_file(shared_path / "nan.npy", shared_path / "x.h5", rows=2)
    with pytest.raises(TypeError, match="not FastHyIn"):
        denoise_file(shared_path / "nan.npy", shared_path / "x.h5", FastHyIn())
    with pytest.raises(FileNotFoundError):
        denoise_file(shared_path / "none.npy", shared_path / "x.h5")
    assert not (shared_path / "x.h5").exists()
