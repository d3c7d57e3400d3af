"""The networks: shapes, sizes, what they compute beside plain formulas, and HyDe's weights in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from dndarray.nn.denoisers import QRNN2D, QRNN3D, DeNet, DeNet3D, MemNet, MemNet3D, load_hyde_weights
from dndarray.nn.denoisers.qrnn import QuasiRecurrent
from torch import Tensor, nn
from torch.nn import functional as F

import dndarray as dnd

RANK = dnd.get_comm().rank

SMALL = {
    "qrnn3d": lambda: QRNN3D(channels=2),
    "qrnn2d": lambda: QRNN2D(channels=2),
    "memnet": lambda: MemNet(bands=6, channels=4, blocks=2, residuals=2),
    "memnet3d": lambda: MemNet3D(channels=3, blocks=2, residuals=2),
    "denet": lambda: DeNet(bands=6, stages=[(4, 1), (6, 2), (4, 1)]),
    "denet3d": lambda: DeNet3D(stages=[(3, 1), (4, 2)]),
}


def made(name: str) -> nn.Module:
    """A network of which no weight is as it was at the start, where some are zero."""
    torch.manual_seed(0)
    network = SMALL[name]().double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("plane", [(8, 12), (7, 9), (1, 5)])
def test_a_network_keeps_the_shape_and_every_weight_gets_a_gradient(name, plane):
    network = made(name)
    x = torch.rand(2, 6, *plane, dtype=torch.float64)
    y = network(x)
    assert y.shape == x.shape
    (y**2).sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), parameter_name
    if min(plane) > 1:
        assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("name", ["qrnn3d", "qrnn2d", "memnet", "memnet3d"])
def test_networks_that_change_their_input_begin_as_the_identity(name):
    x = torch.rand(1, 6, 5, 5)
    assert torch.equal(SMALL[name]()(x), x)


@pytest.mark.parametrize("name", ["qrnn3d", "qrnn2d", "memnet3d", "denet3d"])
def test_networks_in_three_dimensions_take_any_number_of_bands(name):
    network = made(name).eval()
    for bands in (1, 3, 11):
        assert network(torch.rand(1, bands, 4, 4, dtype=torch.float64)).shape == (1, bands, 4, 4)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_guided_memory_network_improves_its_guide(dims):
    options = {"channels": 4, "blocks": 1, "residuals": 1}
    network = (MemNet(5, **options, guided=True) if dims == 2 else MemNet3D(**options, guided=True)).double()
    x, guide = torch.rand(2, 2, 5, 6, 6, dtype=torch.float64).requires_grad_().unbind()
    nn.init.zeros_(network.reconstruct.conv.weight)
    assert torch.equal(network(x, guide), guide)
    nn.init.ones_(network.reconstruct.conv.weight)
    by_x, by_guide = torch.autograd.grad(network(x, guide).square().sum(), [x, guide])
    assert by_x.abs().sum() > 0 and by_guide.abs().sum() > 0
    with pytest.raises(TypeError, match="guide"):
        network(x)
    with pytest.raises(TypeError, match="guide"):
        MemNet3D(**options).double()(x, guide)


# --- sizes, from the published descriptions ---------------------------------------------------------------------------


def conv(inputs: int, outputs: int, taps: int) -> int:
    return inputs * outputs * taps


def qrnn_parameters(taps: int) -> int:
    pairs = [(16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    pairs += [(64, 64), (64, 32), (32, 32), (32, 16), (16, 16)]
    gated = sum(2 * i + conv(i, 2 * o, taps) for i, o in pairs)
    return 2 + conv(1, 3 * 16, taps) + gated + 2 * 16 + conv(16, 3, taps) + 3


def memnet_parameters(inputs: int, channels: int, blocks: int, residuals: int, taps: int) -> int:
    unit = 2 * channels + conv(channels, channels, taps)
    gates = sum(
        2 * n * channels + conv(n * channels, channels, 1) for n in range(residuals + 1, residuals + blocks + 1)
    )
    ends = 2 * inputs + conv(inputs, channels, taps) + 2 * channels + conv(channels, inputs, taps)
    return ends + blocks * residuals * 2 * unit + gates


def denet_parameters(inputs: int, widths: list[int], taps: int) -> int:
    stages = sum(conv(i, o, taps) + 2 * o for i, o in zip([widths[0], *widths], widths, strict=False))
    return conv(inputs, widths[0], taps) + widths[0] + stages + conv(widths[-1], inputs, taps)


WIDTHS = [64] * 3 + [128] * 3 + [256] * 3 + [128] * 3 + [64] * 4


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (QRNN3D, qrnn_parameters(27)),
        (QRNN2D, qrnn_parameters(9)),
        (MemNet, memnet_parameters(10, 64, 6, 6, 9)),
        (MemNet3D, memnet_parameters(1, 32, 2, 2, 27)),
        (DeNet, denet_parameters(10, WIDTHS, 9)),
        (lambda: DeNet3D(DeNet.STAGES), denet_parameters(1, WIDTHS, 27)),
        (DeNet3D, denet_parameters(1, [32] * 3 + [64] * 3 + [128, 64] + [32] * 3, 27)),
    ],
)
def test_the_number_of_weights_is_that_of_the_published_network(network, expected):
    with torch.device("meta"):
        assert sum(p.numel() for p in network().parameters()) == expected


def test_the_stages_of_greatest_width_are_dilated():
    dilations = {(m.out_channels, m.dilation) for m in DeNet().modules() if isinstance(m, nn.Conv2d)}
    assert dilations == {(10, (1, 1)), (64, (1, 1)), (128, (1, 1)), (256, (2, 2))}


# --- the recurrence ---------------------------------------------------------------------------------------------------


def by_loop(values: Tensor, gates: Tensor, bands: list[int]) -> Tensor:
    states, state = torch.zeros_like(values), torch.zeros_like(values[:, :, 0])
    for b in bands:
        state = gates[:, :, b] * state + (1 - gates[:, :, b]) * values[:, :, b]
        states[:, :, b] = state
    return states


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_a_layer_gates_from_the_first_band_or_the_last_or_both(direction):
    torch.manual_seed(1)
    layer = QuasiRecurrent(2, 3, (3, 3, 3), direction).double().eval()
    x = torch.randn(2, 2, 7, 4, 5, dtype=torch.float64)
    outputs = layer.conv(layer.norm(x))
    values, gates = outputs[:, :3].tanh(), [outputs[:, i : i + 3].sigmoid() for i in range(3, outputs.shape[1], 3)]
    up, down = list(range(7)), list(reversed(range(7)))
    expected = sum(
        by_loop(values, gate, order)
        for gate, order in zip(gates, {"forward": [up], "backward": [down], "both": [up, down]}[direction], strict=True)
    )
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


def test_what_a_band_influences_lies_on_its_side():
    for direction, untouched in (("forward", slice(0, 4)), ("backward", slice(5, 9))):
        layer = QuasiRecurrent(1, 2, (1, 3, 3), direction).double().eval()
        x = torch.randn(1, 1, 9, 4, 4, dtype=torch.float64)
        other = x.clone()
        other[:, :, 4] += 1
        changed = _changed(layer(x), layer(other))
        assert not changed[untouched].any() and changed[4]


def _changed(a: Tensor, b: Tensor) -> Tensor:
    return (a != b).movedim(2, 0).flatten(1).any(dim=1)


def test_halved_layers_must_exist():
    with pytest.raises(ValueError, match="halved"):
        QRNN3D(layers=2, halved=[2])


# --- HyDe's weights ---------------------------------------------------------------------------------------------------


def norm_tensors(prefix: str, n: int) -> dict[str, tuple]:
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{name}": (n,) for name in names} | {f"{prefix}.num_batches_tracked": ()}


def hyde_qrnn(kernel: tuple[int, ...]) -> dict[str, tuple]:
    """Names and shapes of HyDe's `qrnn3d` and `qrnn2d`, of 2 channels."""
    shapes = norm_tensors("feature_extractor.conv.bn", 1) | {"feature_extractor.conv.conv.weight": (6, 1, *kernel)}
    for i, (a, b) in enumerate([(2, 2), (2, 4), (4, 4), (4, 8), (8, 8)]):
        shapes |= norm_tensors(f"encoder.layers.{i}.conv.bn", a)
        shapes[f"encoder.layers.{i}.conv.conv.weight"] = (2 * b, a, *kernel)
        shapes |= norm_tensors(f"decoder.layers.{4 - i}.conv.bn", b)
        if a == b:
            shapes[f"decoder.layers.{4 - i}.conv.deconv.weight"] = (b, 2 * a, *kernel)
        else:
            shapes[f"decoder.layers.{4 - i}.conv.upsample_conv.conv3d.weight"] = (2 * a, b, *kernel)
    shapes |= norm_tensors("reconstructor.conv.bn", 2)
    return shapes | {"reconstructor.conv.deconv.weight": (2, 3, *kernel), "reconstructor.conv.deconv.bias": (3,)}


def hyde_memnet(inputs: int, channels: int, kernel: tuple[int, ...]) -> dict[str, tuple]:
    def unit(prefix: str, a: int, b: int, kernel: tuple[int, ...]) -> dict[str, tuple]:
        return norm_tensors(f"{prefix}.bn", a) | {f"{prefix}.conv.weight": (b, a, *kernel)}

    shapes = unit("feature_extractor", inputs, channels, kernel) | unit("reconstructor", channels, inputs, kernel)
    for i in range(2):
        for j in range(2):
            for half in ("relu_conv1", "relu_conv2"):
                shapes |= unit(f"dense_memory.{i}.recursive_unit.{j}.{half}", channels, channels, kernel)
        shapes |= unit(f"dense_memory.{i}.gate_unit", (3 + i) * channels, channels, (1,) * len(kernel))
    return shapes


def hyde_denet(inputs: int, widths: list[int], kernel: tuple[int, ...]) -> dict[str, tuple]:
    shapes = {"denet.0.weight": (widths[0], inputs, *kernel), "denet.0.bias": (widths[0],)}
    for i, (a, b) in enumerate(zip([widths[0], *widths], widths, strict=False)):
        shapes |= {f"denet.{2 + 3 * i}.weight": (b, a, *kernel)} | norm_tensors(f"denet.{3 + 3 * i}", b)
    return shapes | {f"denet.{2 + 3 * len(widths)}.weight": (inputs, widths[-1], *kernel)}


HYDE = {
    "qrnn3d": hyde_qrnn((3, 3, 3)),
    "qrnn2d": hyde_qrnn((1, 3, 3)),
    "memnet": hyde_memnet(6, 4, (3, 3)),
    "memnet3d": hyde_memnet(1, 3, (3, 3, 3)),
    "denet": hyde_denet(6, [4, 6, 4], (3, 3)),
    "denet3d": hyde_denet(1, [3, 4], (3, 3, 3)),
}


def weights(name: str) -> dict[str, Tensor]:
    """Weights under HyDe's names, of which none is as it was at the start."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for key, shape in HYDE[name].items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(3)
        elif key.endswith("running_var"):
            state[key] = 0.5 + torch.rand(shape, generator=generator, dtype=torch.float64)
        else:
            state[key] = 0.4 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return state


def saved(value: object, path: Path) -> Path:
    if RANK == 0:
        torch.save(value, path)
    dnd.get_comm().barrier()
    return path


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_all_of_hydes_weights_find_their_place(name, prefix, shared_path):
    theirs = weights(name)
    path = saved({"net": {prefix + key: value for key, value in theirs.items()}, "epoch": 3}, shared_path / "net.pth")
    network = load_hyde_weights(made(name), path)
    ours = sorted(float(tensor.double().sum()) for tensor in network.state_dict().values())
    assert ours == pytest.approx(sorted(float(tensor.double().sum()) for tensor in theirs.values()))


def hyde_layer(state: dict[str, Tensor], prefix: str, x: Tensor, directions: list[bool], stride: int = 1) -> Tensor:
    """One layer as HyDe computes it: transposed convolutions in its decoder."""
    bn = f"{prefix}.conv.bn"
    x = F.batch_norm(
        x, state[f"{bn}.running_mean"], state[f"{bn}.running_var"], state[f"{bn}.weight"], state[f"{bn}.bias"]
    )
    if (key := f"{prefix}.conv.upsample_conv.conv3d.weight") in state:
        x = F.interpolate(x, scale_factor=(1, 2, 2), mode="trilinear", align_corners=True)
        outputs = F.conv3d(x, state[key], padding=tuple(k // 2 for k in state[key].shape[2:]))
    elif (key := f"{prefix}.conv.deconv.weight") in state:
        padding = tuple(k // 2 for k in state[key].shape[2:])
        outputs = F.conv_transpose3d(x, state[key], state.get(f"{prefix}.conv.deconv.bias"), padding=padding)
    else:
        kernel = state[f"{prefix}.conv.conv.weight"]
        padding = tuple(k // 2 for k in kernel.shape[2:])
        outputs = F.conv3d(x, kernel, stride=(1, stride, stride), padding=padding)
    values, *gates = outputs.chunk(len(directions) + 1, dim=1)
    bands = list(range(x.shape[2]))
    return sum(
        by_loop(values.tanh(), gate.sigmoid(), bands[::-1] if backward else bands)
        for gate, backward in zip(gates, directions, strict=True)
    )


@pytest.mark.parametrize("name", ["qrnn3d", "qrnn2d"])
def test_a_recurrent_network_with_hydes_weights_gives_what_hydes_gives(name, shared_path):
    state = weights(name)
    network = load_hyde_weights(made(name), saved(state, shared_path / "net.pth")).eval()
    x = torch.rand(1, 5, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = [hyde_layer(state, "feature_extractor", x[:, None], [False, True])]
    for i in range(5):
        found.append(hyde_layer(state, f"encoder.layers.{i}", found[-1], [i % 2 == 1], 2 if i in (1, 3) else 1))
    h = hyde_layer(state, "decoder.layers.0", found.pop(), [True]) + found.pop()
    for i in range(1, 5):
        h = hyde_layer(state, f"decoder.layers.{i}", h, [i % 2 == 0]) + found.pop()
    expected = x + hyde_layer(state, "reconstructor", h, [False, True])[:, 0]
    with torch.no_grad():
        torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("memnet", {"extra": torch.zeros(1)}, "1 are unknown .the first: \\['extra'\\]"),
        ("memnet", {"feature_extractor.bn.weight": None}, "1 of its tensors are missing.*extract.norm.weight"),
        (
            "memnet",
            {"feature_extractor.bn.weight": torch.zeros(31)},
            "other sizes: 1 tensors differ.*\\(31,\\) instead",
        ),
        ("qrnn3d", {"encoder": "not a tensor"}, "holds no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(name, change, message, shared_path):
    state = {key: value for key, value in (weights(name) | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        load_hyde_weights(made(name), saved({"net": state}, shared_path / "net.pth"))
    dnd.get_comm().barrier()


def test_a_missing_file_is_missed_everywhere(shared_path):
    with pytest.raises(FileNotFoundError):
        load_hyde_weights(made("denet"), shared_path / "none.pth")
