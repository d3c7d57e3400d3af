"""Where arrays are made: host memory, or after `use_device("cuda")` the GPU of this process's number on its node."""

from __future__ import annotations

from typing import Any

import torch

from .launch import node

__all__ = ["get_device", "use_device"]

_device = torch.device("cpu")


def get_device() -> torch.device:
    """The device of arrays that do not name one."""
    return _device


def use_device(device: Any = "cpu") -> torch.device:
    """Make `device` the default; "cuda" (or "gpu") without a number is this process's share of the node's GPUs."""
    global _device
    _device = as_device(device)
    return _device


def as_device(device: Any) -> torch.device:
    """A torch device from a name, a device, or None for the default."""
    if device is None:
        return _device
    named = torch.device("cuda" if device == "gpu" else device)
    if named.type == "cuda" and named.index is None:
        if not torch.cuda.is_available():
            raise ValueError(f"`device` (={device!r}) is not available: torch finds no GPU; use 'cpu'")
        named = torch.device("cuda", node()[0] % torch.cuda.device_count())
    return named
