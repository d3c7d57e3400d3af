"""The example trains a network that denoises a cube which it never saw."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import denoising_samples
import numpy as np
import pytest
import shipped
from dndarray.nn import load_weights

import dndarray as dnd

COMM = dnd.get_comm()


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return shipped.example("denoising_train")


@pytest.fixture
def files(shared_path: Path):
    """Files of cubes, one process writing."""

    def put(**cubes: np.ndarray) -> list[Path]:
        for name, cube in cubes.items():
            if COMM.rank == 0:
                np.save(shared_path / f"{name}.npy", cube)
        COMM.barrier()
        return [shared_path / f"{name}.npy" for name in cubes]

    return put


@pytest.mark.parametrize("network", ["qrnn3d", "qrnn2d", "memnet", "memnet3d", "denet"])
def test_every_network_trains_and_its_weights_are_saved(example, files, network, shared_path, capsys):
    first, second = files(a=denoising_samples.synthetic(12, 13, 9, 3), b=3 * denoising_samples.synthetic(10, 9, 8, 2))
    options = ["--network", network, "--width", 2, "--steps", 2, "--batch", 3, "--crop", 6, "--bands", 5]
    weights = shared_path / "net.safetensors"
    options += ["--train", first, "--test", second, "--weights", weights]
    before, after = example.main([str(o) for o in options], standalone_mode=False)
    assert 0 < before < 100 and np.isfinite(after)
    assert COMM.rank > 0 or "dB denoised" in capsys.readouterr().out
    load_weights(example.NETWORKS[network](5, 2), weights)


def test_synthetic_scenes_differ_and_do_not_depend_on_processes(example):
    first, second = (example.synthetic(seed, rows=17, columns=9, bands=20).numpy() for seed in (0, 1))
    assert first.shape == (17, 9, 20) and first.min() > 0 and not np.allclose(first, second)
    assert np.linalg.matrix_rank(first.reshape(-1, 20), tol=1e-4) == 5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.ranks(1, 2)
def test_a_network_gains_8_db_on_a_scene_that_it_never_saw(example, files):
    """Trained on Washington DC Mall and others, tried on Samson at 20 dB."""
    samples = denoising_samples
    *train, test = files(wdc=samples.wdc(160), a=samples.indian(), b=samples.sandiego(), samson=samples.samson())
    options = ["--steps", "800", "--test", str(test)] + [word for path in train for word in ("--train", str(path))]
    before, after = example.main(options, standalone_mode=False)
    assert before == pytest.approx(32.24, abs=0.05)
    assert after > before + 8
