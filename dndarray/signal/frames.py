"""Signals cut into frames that overlap, each of them windowed and transformed: what spectra over time have in common.

Along a split axis each process has its share of the frames, and reads from its neighbours what of these lies beyond its
own samples: one all-to-all. A frame lies on one process, so frames are to be short beside the signal.

Types: single precision stays single, integers are computed in double precision. Gradients: through all.
"""

from __future__ import annotations

from itertools import pairwise
from operator import index
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import fft
from ..array import DNDarray
from ..elementwise import as_operand
from ..layout import Layout, balanced_counts
from ..overlap import parts, read
from ..types import kind, real_of, result_type
from .detrending import detrend_last
from .windows import get_window

__all__ = ["Frames", "cut", "frequencies", "plan_frames", "scale_of", "sides", "signal_of", "transformed"]


class Frames(NamedTuple):
    """How a signal is cut: frame i has the `size` samples from i * step on, and is transformed in length `nfft`."""

    size: int
    step: int
    nfft: int
    window: np.ndarray

    def count(self, n: int) -> int:
        """How many frames `n` samples have."""
        return max(0, (n - self.size) // self.step + 1)


def plan_frames(window: Any, nperseg: Any, noverlap: Any, nfft: Any, n: int, eighth: bool = False) -> Frames:
    """What SciPy makes of these arguments for a signal of `n` samples; `eighth` of a frame overlaps, or half."""
    if isinstance(window, (str, tuple, float, int)):
        size = min(256 if nperseg is None else index(nperseg), n)
        values = get_window(window, max(size, 0), dtype=torch.float64, device="cpu").larray.numpy()
    else:
        values = window.numpy() if hasattr(window, "numpy") else np.asarray(window)
        size = len(values) if nperseg is None else index(nperseg)
    if values.shape != (size,) or not 1 <= size <= n:
        raise ValueError(f"frames of {size} samples do not fit a signal of {n} and a window of shape {values.shape}")
    overlap = (size // 8 if eighth else size // 2) if noverlap is None else index(noverlap)
    length = size if nfft is None else index(nfft)
    if overlap >= size or length < size:
        raise ValueError(f"`noverlap` (={noverlap}) must be less, `nfft` (={nfft}) no less than the frame ({size})")
    return Frames(size, size - overlap, length, values)


def cut(x: DNDarray, axis: int, plan: Frames, first: int, count: int) -> tuple[Tensor, Layout]:
    """This process's frames, as a view (..., frames, samples), and how the frames lie.

    Frame i begins at first + i * step; there are zeros beyond the ends.
    """
    g, kept = x.layout.grid_axis(axis), [a for a in range(x.ndim) if a != axis]
    mapping = [x.ndim - 1 if a == axis else kept.index(a) for a in range(x.ndim)]
    shares = balanced_counts(count, 1 if g is None else x.layout.grid.shape[g])
    layout = x.layout.derive([*(x.shape[a] for a in kept), count, plan.size], mapping, {axis: shares})
    offsets, rank = parts(layout, x.ndim - 1, x.comm.rank)
    needed = [
        (first + u * plan.step, first + (v - 1) * plan.step + plan.size) if u < v else (0, 0)
        for u, v in pairwise(offsets)
    ]
    tensor, before, after = read(x.larray, x.layout, axis, needed, x.comm)
    tensor = tensor.movedim(axis, -1)
    if shares[rank] == 0:
        return tensor.new_zeros((*tensor.shape[:-1], 0, plan.size)) + tensor.sum(), layout
    tensor = torch.nn.functional.pad(tensor, (before, after)) if before or after else tensor
    return tensor.unfold(-1, plan.size, plan.step), layout


def transformed(frames: Tensor, plan: Frames, trend: str | None, onesided: bool) -> Tensor:
    if frames.numel() == 0:
        length = plan.nfft // 2 + 1 if onesided else plan.nfft
        dtype = torch.promote_types(frames.dtype, torch.complex64)
        return frames.new_empty((*frames.shape[:-1], length), dtype=dtype) + frames.sum()
    if trend is not None:
        frames = detrend_last(frames, trend)
    kernel = torch.fft.rfft if onesided else torch.fft.fft
    return kernel(frames * torch.as_tensor(plan.window).to(frames), n=plan.nfft)


def signal_of(x: Any) -> tuple[DNDarray, torch.dtype]:
    """A signal to compute with, and the complex type of its spectrum."""
    x = as_operand(x)
    if x.ndim == 0:
        raise ValueError("a signal needs one axis or more")
    dtype = result_type(x, torch.complex64)
    return x.astype(torch.float64 if kind(x.dtype) < 2 else x.dtype, copy=False), dtype


def scale_of(plan: Frames, fs: float, scaling: str) -> float:
    if scaling == "density":
        return float(1.0 / (fs * (plan.window * plan.window).sum()))
    if scaling == "spectrum":
        return float(1.0 / plan.window.sum() ** 2)
    raise ValueError(f"`scaling` (={scaling!r}) must be 'density' or 'spectrum'")


def sides(plan: Frames, onesided: bool, scale: float, like: Tensor) -> Tensor:
    """The scale of each frequency of a power spectrum: what has a negative counterpart counts twice."""
    length = plan.nfft // 2 + 1 if onesided else plan.nfft
    weights = torch.full((length,), scale, dtype=torch.float64)
    if onesided:
        weights[1 : length - (plan.nfft % 2 == 0)] *= 2
    return weights.to(like.real)


def frequencies(plan: Frames, fs: float, onesided: bool, like: DNDarray) -> DNDarray:
    form = fft.rfftfreq if onesided else fft.fftfreq
    return form(plan.nfft, 1 / fs, like.device, dtype=real_of(like.dtype), comm=like.comm)
