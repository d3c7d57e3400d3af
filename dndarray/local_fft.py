"""Fourier transforms of what one process holds: torch's, and NumPy's in place where that is faster.

Most of the time of a transform is the first touch of its result's memory. NumPy's can write to memory that is there
already: its own input, or huge pages. It has one thread, though, and no gradients, so torch's serve everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .collectives import needs_grad
from .memory import fresh

__all__ = ["transform"]

_TORCH: dict[str, Callable] = {name: getattr(torch.fft, f"{name}n") for name in ("fft", "ifft", "rfft", "irfft")}
_UNSCALED = {"fft": "backward", "rfft": "backward", "ifft": "forward", "irfft": "forward"}


def transform(kind: str, tensor: Tensor, lengths: Sequence[int], axes: Sequence[int], norm: str, mine: bool) -> Tensor:
    """fft, ifft, rfft or irfft along some axes, cropped or padded to lengths; `mine`: the input may be lost."""
    if tensor.numel() == 0:  # MKL takes no empty arrays
        return _of_nothing(kind, tensor, lengths, axes)
    if needs_grad(tensor) or tensor.device.type != "cpu" or torch.get_num_threads() > 1:
        return _TORCH[kind](tensor, s=tuple(lengths), dim=tuple(axes), norm=norm)
    dtype = tensor.real.dtype if kind == "irfft" else torch.promote_types(tensor.dtype, torch.complex64)
    # NumPy computes what it does not scale in double precision.
    rescaled = norm == _UNSCALED[kind] and tensor.real.dtype is torch.float32
    mine = (mine or tensor.is_conj()) and tensor.dtype is dtype
    array = tensor.detach().resolve_conj().resolve_neg().numpy()
    for n, axis in zip(lengths, axes, strict=True):
        shape = list(array.shape)
        shape[axis] = n // 2 + 1 if kind == "rfft" else n
        out = array if mine and shape == list(array.shape) else fresh(shape, tensor.new_empty(0, dtype=dtype)).numpy()
        array = getattr(np.fft, kind)(array, n, axis, "ortho" if rescaled else norm, out)
        mine = True
    result = torch.from_numpy(array)
    if rescaled:
        (torch.view_as_real(result) if result.is_complex() else result).mul_(math.sqrt(math.prod(lengths)))
    return result


def _of_nothing(kind: str, tensor: Tensor, lengths: Sequence[int], axes: Sequence[int]) -> Tensor:
    shape = list(tensor.shape)
    for n, axis in zip(lengths, axes, strict=True):
        shape[axis] = n // 2 + 1 if kind == "rfft" else n
    zeros = tensor.new_zeros(shape, dtype=torch.promote_types(tensor.dtype, torch.complex64)) + tensor.sum()
    return zeros.real if kind == "irfft" else zeros
