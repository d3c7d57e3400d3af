"""Weights that HyDe published, in the networks of this package."""

from __future__ import annotations

import os
import re

import torch
from torch import Tensor, nn

from dndarray.communication import Communicator, as_comm
from dndarray.errors import agreed

from ..weights import check_fit

__all__ = ["load_hyde_weights"]

_NAMES = [
    (r"^module\.", ""),  # of what was trained data-parallel
    (r"^feature_extractor\.conv\.(?=bn|conv)", "first."),
    (r"^reconstructor\.conv\.(?=bn|deconv)", "last."),
    (r"^(encoder|decoder)\.layers\.(\d+)\.conv\.", r"\1.\2."),
    (r"\.upsample_conv\.conv3d\.", ".conv."),
    (r"\.deconv\.", ".conv."),
    (r"^feature_extractor\.", "extract."),
    (r"^reconstructor\.", "reconstruct."),
    (r"^dense_memory\.(\d+)\.recursive_unit\.(\d+)\.relu_conv1\.", r"memory.\1.chain.\2.first."),
    (r"^dense_memory\.(\d+)\.recursive_unit\.(\d+)\.relu_conv2\.", r"memory.\1.chain.\2.second."),
    (r"^dense_memory\.(\d+)\.gate_unit\.", r"memory.\1.gate."),
    (r"^denet\.", "layers."),
    (r"(^|\.)bn\.", r"\1norm."),
]
"""HyDe's names of parameters and ours, one replacement after another."""


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        name = re.sub(theirs, ours, name)
    return name


def from_hyde(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """HyDe's state dict under our names.

    Its transposed convolutions have stride 1, so they are convolutions with the kernel mirrored and its two channel
    axes swapped.
    """
    return {
        _renamed(name): tensor.transpose(0, 1).flip(2, 3, 4).contiguous() if name.endswith(".deconv.weight") else tensor
        for name, tensor in state.items()
    }


def load_hyde_weights(model: nn.Module, path: str | os.PathLike[str], comm: Communicator | None = None) -> nn.Module:
    """Put the weights of one of HyDe's published `.pth` files into the network of the same kind.

    HyDe's `qrnn3d`, `qrnn2d`, `memnet`, `memnet3d`, `denet` and `denet3d` are ours with the default parameters; some of
    its files have 31 bands instead of 10. Its hybrid `memnet_hyres` is `MemNet` applied to what `HyRes` gives.

    Parameters
    ----------
    model
        Whose weights are replaced.
    path
        Read by every process, and without running code that it may hold.
    comm
        The processes that read; all by default.

    Returns
    -------
    torch.nn.Module
        The model.

    Communication: one small collective, to agree on errors.
    """
    with agreed(as_comm(comm)):
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state = checkpoint.get("net", checkpoint) if isinstance(checkpoint, dict) else None
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise ValueError(f"{path} holds no state dict of tensors, neither itself nor as its entry 'net'")
        ours = from_hyde(state)
        check_fit(model, ours, path)
    model.load_state_dict(ours)
    return model
