"""Weights in a file: one process writes, all read, and what does not fit is refused on all of them."""

from __future__ import annotations

import file_cases
import pytest
import torch
from dndarray.nn import load_weights, save_weights
from torch import nn

import dndarray as dnd

RANK = dnd.get_comm().rank


def network(seed: int, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.Linear(3, 2, dtype=torch.float64))


def test_weights_come_back(shared_path):
    first, second = network(0), network(1 + RANK)
    first[1].running_mean += 0.5
    save_weights(first, shared_path / "net.safetensors")
    assert file_cases.names_in(shared_path) == ["net.safetensors"]
    assert load_weights(second, shared_path / "net.safetensors") is second
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name


def test_tensors_that_share_memory_are_saved_each(shared_path):
    model = network(0)
    model.append(model[2])
    save_weights(model, shared_path / "net.safetensors")
    other = network(3)
    other.append(other[2])
    assert torch.equal(load_weights(other, shared_path / "net.safetensors")[3].weight, model[2].weight)


def test_other_sizes_and_names_are_refused(shared_path):
    path = shared_path / "net.safetensors"
    save_weights(network(0), path)
    with pytest.raises(ValueError, match=r"other sizes: 6 tensors differ.*0.weight \(4, 2, 3, 3\) instead of \(5, 2"):
        load_weights(network(0, 5), path)
    with pytest.raises(ValueError, match=r"missing \(the first: \['weight'\]\), 9 are unknown"):
        load_weights(nn.Linear(3, 2, bias=False), path)


def test_types_are_converted_unless_that_loses_more_than_digits(shared_path):
    path = shared_path / "net.safetensors"
    save_weights(nn.Linear(3, 2).double(), path)
    assert load_weights(nn.Linear(3, 2), path).weight.dtype is torch.float32
    save_weights(nn.Linear(3, 2, dtype=torch.complex64), path)
    with pytest.raises(TypeError, match=r"2 tensors .* weight is of torch.complex64, not torch.float32"):
        load_weights(nn.Linear(3, 2), path)
    with pytest.raises(TypeError, match=r"holds no torch.complex128"):
        save_weights(nn.Linear(3, 2, dtype=torch.complex128), path)


def test_what_is_no_file_of_weights_is_refused(shared_path):
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        load_weights(network(0), shared_path / "none")
    path = file_cases.put(shared_path / "broken.safetensors", b"not weights at all")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_weights(network(0), path)
    with pytest.raises(FileNotFoundError, match="folder"):
        save_weights(network(0), shared_path / "none" / "net.safetensors")
