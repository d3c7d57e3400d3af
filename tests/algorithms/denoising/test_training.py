"""Training: the same weights on any number of processes, and a network that learns to denoise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from denoising_samples import synthetic
from dndarray.algorithms.denoising import noise, train
from dndarray.algorithms.denoising.training import _Samples
from dndarray.nn.denoisers import QRNN3D, DeNet, MemNet, MemNet3D
from torch import nn

import dndarray as dnd
from dndarray.communication import ALONE, use_comm
from dndarray.testing import count_collectives

COMM = dnd.get_comm()


def cubes(splits: list) -> list[dnd.DNDarray]:
    return [dnd.array(synthetic(20, 17 + i, 12, rank=3, seed=i), split=split) for i, split in enumerate(splits)]


def recurrent() -> nn.Module:
    return QRNN3D(channels=2, layers=2, halved=[1])


def plain() -> nn.Module:
    return DeNet(bands=4, stages=[(3, 1), (4, 2)])


@pytest.fixture
def alone():
    """What a program of one process does, on each of them."""

    def run(function):
        use_comm(ALONE)
        try:
            return function()
        finally:
            use_comm(COMM)

    return run


@pytest.mark.parametrize("make", [recurrent, plain])
@pytest.mark.parametrize("batch", [3, 8])
def test_weights_and_losses_do_not_depend_on_the_number_of_processes(make, batch, alone):
    def trained(splits: list, seed: int) -> tuple[dict, list[float]]:
        torch.manual_seed(seed)
        model = make().double()
        losses = train(model, cubes(splits), steps=3, batch=batch, crop=8, bands=4, learning_rate=1e-2)
        return model.state_dict(), losses

    expected, one = alone(lambda: trained([None] * 4, 0))
    found, several = trained([None, 0, 1, 2], COMM.rank)  # rank 0's weights are begun with
    np.testing.assert_allclose(several, one, rtol=1e-9)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-8)


def test_samples_are_functions_of_their_number():
    made = _Samples(cubes([0, 1]), crop=8, bands=4, noise=(20, 30), guide=None, seed=3)
    alike = _Samples(cubes([None, None]), crop=8, bands=4, noise=(20, 30), guide=None, seed=3)
    every = [dnd.array(part, is_split=0).numpy() for part in made(range(10, 18))]
    again = [dnd.array(part, is_split=0).numpy() for part in alike(range(8, 18))]
    for x, y in zip(every, again, strict=True):
        assert x.shape == (8, 4, 8, 8)
        np.testing.assert_allclose(x, y[2:], rtol=0, atol=1e-13)
    noisy, clean = every
    assert noisy.min() >= 0 and noisy.max() <= 1
    assert len(np.unique(clean, axis=0)) == 8


def test_noise_has_the_ratio_to_the_whole_cube_that_was_asked_for():
    values = np.repeat(synthetic(64, 64, 1, rank=3), 6, axis=2) * [1, 1, 1, 1, 1, 0.01]
    samples = _Samples([dnd.array(values, split=0)], crop=64, bands=6, noise=(25, 25), guide=None, seed=0)
    noisy, clean = (dnd.array(part, is_split=0).numpy() for part in samples(range(8)))
    span = np.ptp(values, axis=(0, 1)) / np.ptp(clean, axis=(2, 3))  # of what is scaled to 1
    errors = np.mean((noisy - clean) ** 2, axis=(2, 3)) * span**2
    np.testing.assert_allclose(10 * np.log10(np.mean(values**2) / errors), 25, rtol=0, atol=0.3)


def test_any_noise_and_a_guide_see_all_bands():
    seen = []

    def own_noise(crop: dnd.DNDarray, seed: int) -> dnd.DNDarray:
        seen.append(crop.shape)
        return noise.mixed(crop, seed=seed)

    def guide(noisy: dnd.DNDarray) -> dnd.DNDarray:
        seen.append(noisy.shape)
        return noisy.mean(axis=2, keepdims=True) + 0 * noisy

    model = MemNet3D(channels=2, blocks=1, residuals=1, guided=True)
    losses = train(model, cubes([0, 1]), steps=2, batch=4, crop=8, bands=3, noise=own_noise, guide=guide)
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert set(seen) <= {(8, 8, 12)}


def test_a_network_learns_on_the_way_and_says_so():
    steps = []
    torch.manual_seed(0)
    model = MemNet(bands=4, channels=4, blocks=1, residuals=1).eval()
    losses = train(model, cubes([0, None]), steps=3, batch=4, crop=8, bands=4, callback=steps.append)
    assert steps == [1, 2, 3] and len(losses) == 3
    assert not model.training and not any(
        type(m) is not nn.BatchNorm2d for m in model.modules() if "Norm" in str(type(m))
    )


def test_its_communication():
    model = recurrent()
    norms = sum(isinstance(m, nn.BatchNorm3d) for m in model.modules())
    calls = []
    for steps in (1, 3):
        with count_collectives() as count:
            train(model, cubes([0]), steps=steps, batch=4, crop=8, bands=4)
        calls.append(dict(count.calls))
    if COMM.size == 1:
        assert not calls[1]
    else:
        assert calls[1]["Allreduce"] - calls[0]["Allreduce"] == 2 * (
            2 * norms
        )  # one for gradients; the first norm has none
        assert calls[1]["Alltoall"] - calls[0].get("Alltoall", 0) <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` .=0."),
        ({"batch": 0}, "`batch`"),
        ({"crop": 18}, r"shape \(20, 17, 12\) has no crop of 18 x 18 x 4"),
        ({"bands": 13}, "no crop of 8 x 8 x 13"),
        ({"cubes": []}, "len"),
        ({"model": nn.Identity()}, "no weights to train"),
        ({"model": DeNet(bands=5, stages=[(2, 1)])}, "takes windows of 5 bands"),
    ],
)
def test_bad_input(options, message):
    arguments = {"model": recurrent(), "cubes": cubes([0]), "steps": 1, "batch": 2, "crop": 8, "bands": 4} | options
    with pytest.raises(ValueError, match=message):
        train(**arguments)
