"""Networks over whole cubes: the same result on any number of processes and for every layout."""

from __future__ import annotations

import numpy as np
import pytest
import strategies
import torch
from denoising_samples import synthetic
from dndarray.algorithms.denoising import Denoiser, HyRes, NetworkDenoiser
from dndarray.nn.denoisers import QRNN3D, DeNet, MemNet, MemNet3D
from file_cases import spread
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import dndarray as dnd
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
SHAPE = (14, 11, 9)


def cube(dtype: str = "float32") -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=0.02, size=SHAPE)
    return (synthetic(*SHAPE, rank=3) + noise).astype(dtype)


def network() -> QRNN3D:
    torch.manual_seed(0)
    model = QRNN3D(channels=2, layers=2, halved=[1])
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def by_hand(model: nn.Module, noisy: np.ndarray, window: tuple[int, ...], buffers: tuple[int, ...]) -> np.ndarray:
    """The definition, window by window, on one process."""
    low, span = noisy.min(axis=(0, 1)), np.ptp(noisy, axis=(0, 1))
    scaled = (noisy - low) / span
    edges = []
    for n, length, shared in zip(noisy.shape, window, buffers, strict=True):
        starts = [0] if n <= length else sorted({*range(0, n - length, length - shared), n - length})
        length = min(length, n)
        cuts = [0, *((b + a + length) // 2 for a, b in zip(starts, starts[1:], strict=False)), n]
        edges.append([(s, s + length, u, v) for s, u, v in zip(starts, cuts, cuts[1:], strict=False)])
    result = np.empty_like(noisy)
    model = model.eval()
    for a, b, u, v in edges[0]:
        for c, d, w, x in edges[1]:
            for e, f, y, z in edges[2]:
                images = torch.from_numpy(scaled[a:b, c:d, e:f].transpose(2, 0, 1).copy())[None]
                with torch.no_grad():
                    found = model(images)[0].numpy().transpose(1, 2, 0)
                result[u:v, w:x, y:z] = found[u - a : v - a, w - c : x - c, y - e : z - e]
    return result * span + low


@given(st.data())
def test_every_layout_gives_what_one_process_gives(data):
    layout = data.draw(strategies.layouts(SHAPE, COMM.size))
    noisy, model = cube(), network()
    found = NetworkDenoiser(model, window=(6, 7), bands=4, buffers=(2, 3, 1))(spread(noisy, layout))
    assert found.layout is layout and found.dtype is dnd.float32
    expected = by_hand(model, noisy, (6, 7, 4), (2, 3, 1))
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("split", [None, 0, 1, 2])
@pytest.mark.parametrize("window", [(3, 5), (256, 256)])
def test_the_identity_gives_the_cube_back(split, window):
    noisy = cube("float64")
    found = NetworkDenoiser(nn.Identity(), window=window, bands=4, buffers=(2, 1, 2))(dnd.array(noisy, split=split))
    np.testing.assert_allclose(found.numpy(), noisy, rtol=0, atol=1e-14)


def test_there_is_no_seam_where_windows_show_the_network_enough():
    """A network that sees one pixel further is exact if windows share two."""

    class Blur(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    x = dnd.array(cube("float64"), split=0)
    whole = NetworkDenoiser(Blur(), window=(100, 100), bands=100)(x)
    found = NetworkDenoiser(Blur(), window=(5, 6), bands=3, buffers=(2, 2, 0))(x)
    np.testing.assert_allclose(found.numpy(), whole.numpy(), rtol=0, atol=1e-13)


def test_constant_bands_stay_and_bands_have_their_own_scale():
    noisy = cube("float64") * 10.0 ** np.arange(-4, 5)
    noisy[..., 2] = 7
    seen = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append((x.amin((0, 2, 3)), x.amax((0, 2, 3))))
            return 0.5 * x + 1

    found = NetworkDenoiser(Spy(), bands=9)(dnd.array(noisy, split=0)).numpy()
    for low, high in seen:
        assert low.tolist() == [0.0] * 8
        assert high.tolist() == pytest.approx([1.0] * 8)
    np.testing.assert_array_equal(found[..., 2], 7)
    low, span = noisy.min(axis=(0, 1)), np.ptp(noisy, axis=(0, 1))
    np.testing.assert_allclose(found, low + 0.5 * (noisy - low) + span, rtol=1e-12)


def test_a_guided_network_sees_the_guides_cube_too():
    class Average(nn.Module):
        def forward(self, x: Tensor, guide: Tensor) -> Tensor:
            return (x + guide) / 2

    noisy = cube("float64")
    denoiser = NetworkDenoiser(Average(), window=(5, 5), bands=4, guide=lambda x: 3 * x)
    np.testing.assert_allclose(denoiser(dnd.array(noisy, split=1)).numpy(), 2 * noisy, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "model", [MemNet(bands=4, channels=2, blocks=1, residuals=1, guided=True), MemNet3D(guided=True)]
)
def test_a_hybrid_begins_with_what_hyres_gives(model):
    x = dnd.array(cube(), split=0)
    found = NetworkDenoiser(model, window=(8, 8), bands=4, guide=HyRes(levels=2))(x)
    expected = HyRes(levels=2)(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-5)


def test_a_network_is_left_as_it_was():
    model = network().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    NetworkDenoiser(model)(dnd.array(cube(), split=0))
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


class Nothing(Denoiser):
    def _denoise(self, cube: dnd.DNDarray) -> dnd.DNDarray:
        return cube


@pytest.mark.ranks(2, 3, 4)
def test_its_communication():
    x = dnd.array(cube(), split=0)
    calls = []
    for denoiser in (Nothing(), NetworkDenoiser(network(), window=(6, 6), bands=4)):
        denoiser(x)
        with count_collectives() as count:
            denoiser(x)
        calls.append(count.calls)
    checks, all_of_it = calls
    assert all_of_it["Allreduce"] - checks["Allreduce"] == 2
    assert all_of_it["Allgather"] - checks.get("Allgather", 0) == 1
    assert 1 <= all_of_it["Alltoall"] - checks.get("Alltoall", 0) <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (5,)}, "rows and columns"),
        ({"window": (5, 5), "buffers": (5, 0, 0)}, "less than a window"),
        ({"window": (5, 5), "buffers": (-1, 0, 0)}, "0 or more"),
        ({"bands": 0}, "bands"),
        ({"window": 5}, "window"),
        ({"model": "qrnn3d"}, "model"),
        ({"model": DeNet(bands=4, stages=[(2, 1)])}, "takes windows of 4 bands"),
        ({"model": MemNet(bands=12, channels=2, blocks=1, residuals=1), "bands": 12}, "not of 9"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkDenoiser(**{"model": network(), **options})(dnd.array(cube(), split=0))


def test_nan_is_refused():
    noisy = cube()
    noisy[3, 3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        NetworkDenoiser(network())(dnd.array(noisy, split=0))
