"""Spectra over time: of each frame of a signal, and back to the signal. What is communicated: see `frames`."""

from __future__ import annotations

import math
from itertools import pairwise
from operator import index
from typing import Any

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..assembly import resized
from ..creation import arange
from ..elementwise import FUNCTIONS
from ..layout import normalize_axis
from ..manipulation import moveaxis
from ..numerical import angle, unwrap
from ..overlap import parts, read
from ..redistribution import move
from ..types import real_of
from .detrending import check_kind
from .filtering import extended
from .frames import Frames, cut, frequencies, plan_frames, scale_of, sides, signal_of, transformed

__all__ = ["each_frame", "istft", "spectrogram", "stft"]


def each_frame(
    x: Any,
    fs: float,
    plan: Frames,
    trend: Any,
    onesided: bool,
    scale: float,
    axis: int,
    first: int,
    count: int,
    power: bool,
    bounded: bool = False,
) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Frequencies, times and the spectra of all frames, the frequencies in the place of the axis, the frames last."""
    x, dtype = signal_of(x)
    onesided = onesided and not x.dtype.is_complex
    frames, layout = cut(x, axis, plan, first, count)
    spectra = transformed(frames, plan, check_kind(trend) if trend else None, onesided)
    if power:
        spectra = (spectra.real.square() + spectra.imag.square()) * sides(plan, onesided, scale, spectra)
    else:
        spectra = spectra * math.sqrt(scale)
    layout = resized(layout, x.ndim, spectra.shape[-1])
    result = moveaxis(wrap(spectra.to(real_of(dtype) if power else dtype), layout, x.comm), -1, axis)
    times = arange(count, dtype=torch.float64, device=x.device, comm=x.comm) * (plan.step / fs)
    times = times if bounded else times + plan.size / 2 / fs
    return frequencies(plan, fs, onesided, result), times.astype(real_of(dtype)), result


def stft(
    x: Any,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Short-time Fourier transform.

    Parameters
    ----------
    x : array_like
        Signals along `axis`, split in any way.
    fs : float
        Samples per unit of time.
    window : str, tuple or array_like
        As in `get_window`, or the weights themselves.
    nperseg, noverlap : int, optional
        Samples of a frame, and how many of them it shares with the next one, by default half.
    nfft : int, optional
        Length of the transforms, by default `nperseg`.
    detrend : False, 'constant' or 'linear'
        What is taken off each frame first.
    return_onesided : bool
        Leave the negative frequencies of real signals out.
    boundary : 'zeros', 'even', 'odd', 'constant' or None
        How signals go on by half a frame at both ends.
    padded : bool
        Add zeros for what the last frame lacks.
    axis : int
    scaling : 'spectrum' or 'psd'

    Returns
    -------
    f, t : DNDarray
        Frequencies and times.
    Zxx : DNDarray
        The frequencies lie along `axis`, the frames along a new last axis, which is split if `axis` was.

    Communication: one all-to-all if `axis` is split; one more for another boundary than zeros.

    >>> import dndarray as dnd
    >>> f, t, z = dnd.signal.stft(dnd.ones(64, split=0), nperseg=16)
    >>> z.shape, z.split
    ((9, 9), 1)
    """
    if scaling not in ("spectrum", "psd"):
        raise ValueError(f"`scaling` (={scaling!r}) must be 'spectrum' or 'psd'")
    if boundary not in ("zeros", "even", "odd", "constant", None):
        raise ValueError(f"`boundary` (={boundary!r}) must be 'zeros', 'even', 'odd', 'constant' or None")
    x, _ = signal_of(x)
    axis = normalize_axis(axis, x.ndim)
    plan = plan_frames(window, nperseg, noverlap, nfft, x.shape[axis])
    margin = 0 if boundary is None else plan.size // 2
    if margin and boundary != "zeros":
        x = extended(x, margin, axis, str(boundary))
    first = -margin if boundary == "zeros" else 0
    n = x.shape[axis] - 2 * first
    missing = (-(n - plan.size) % plan.step) % plan.size if padded else 0
    scale = scale_of(plan, fs, "density" if scaling == "psd" else scaling)
    count = plan.count(n + missing)
    f, t, spectra = each_frame(
        x, fs, plan, detrend, return_onesided, scale, axis, first, count, power=False, bounded=boundary is not None
    )
    return f, t, spectra


def spectrogram(
    x: Any,
    fs: float = 1.0,
    window: Any = ("tukey", 0.25),
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> tuple[DNDarray, DNDarray, DNDarray]:
    """Power, or another aspect, of the spectra of consecutive frames.

    Parameters
    ----------
    mode : 'psd', 'complex', 'magnitude', 'angle' or 'phase'
        What of them: power, the spectra themselves, their magnitude, their angle, or that without jumps.
    x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis
        As in `stft`, but frames share an eighth by default; `scaling` is 'density' or 'spectrum'.

    Returns and communication: as `stft`.
    """
    if mode not in ("psd", "complex", "magnitude", "angle", "phase"):
        raise ValueError(f"`mode` (={mode!r}) must be 'psd', 'complex', 'magnitude', 'angle' or 'phase'")
    x, _ = signal_of(x)
    axis = normalize_axis(axis, x.ndim)
    plan = plan_frames(window, nperseg, noverlap, nfft, x.shape[axis], eighth=True)
    scale, count = scale_of(plan, fs, scaling), plan.count(x.shape[axis])
    f, t, spectra = each_frame(x, fs, plan, detrend, return_onesided, scale, axis, 0, count, power=mode == "psd")
    if mode == "magnitude":
        spectra = FUNCTIONS["abs"](spectra)
    elif mode in ("angle", "phase"):
        spectra = angle(spectra)
        spectra = unwrap(spectra, axis=axis) if mode == "phase" else spectra
    return f, t, spectra


# --- back -------------------------------------------------------------------------------------------------------------


def _overlap_add(frames: Tensor, step: int) -> Tensor:
    """Frames (..., count, samples), each `step` samples after the one before, added up."""
    count, size = frames.shape[-2:]
    laps = -(-size // step)
    pieces = torch.nn.functional.pad(frames, (0, laps * step - size)).unflatten(-1, (laps, step))
    total: Any = 0
    for lap in range(laps):
        total = total + torch.nn.functional.pad(pieces[..., lap, :], (0, 0, lap, laps - 1 - lap))
    return total.flatten(-2)[..., : (count - 1) * step + size]


def istft(
    Zxx: Any,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[DNDarray, DNDarray]:
    """The signal of which `Zxx` is the short-time Fourier transform, or which suits it best.

    Parameters
    ----------
    Zxx : array_like
        Spectra of frames, split in any way.
    input_onesided : bool
        The negative frequencies are left out.
    boundary : bool
        The signal was continued by half a frame at both ends.
    time_axis, freq_axis : int
        Where the frames and the frequencies lie.
    fs, window, nperseg, noverlap, nfft, scaling
        As in `stft`.

    Returns
    -------
    t : DNDarray
        Times.
    x : DNDarray
        The signal, split along its samples if the frames are split.

    Communication: one all-to-all if the frames are split; two more if the frequencies are.
    """
    if scaling not in ("spectrum", "psd"):
        raise ValueError(f"`scaling` (={scaling!r}) must be 'spectrum' or 'psd'")
    z, _ = signal_of(Zxx)
    if z.ndim < 2:
        raise ValueError(f"`Zxx` needs two axes or more, not {z.ndim}")
    times, freqs = normalize_axis(time_axis, z.ndim, "time_axis"), normalize_axis(freq_axis, z.ndim, "freq_axis")
    if times == freqs:
        raise ValueError(f"`time_axis` (={time_axis}) and `freq_axis` (={freq_axis}) must differ")
    z = moveaxis(z, (freqs, times), (-1, -2))  # (..., frames, frequencies)
    default = 2 * (z.shape[-1] - 1) if input_onesided else z.shape[-1]
    size = default if nperseg is None else index(nperseg)
    length = (size if input_onesided and size == default + 1 else default) if nfft is None else index(nfft)
    plan = plan_frames(window, size, noverlap, length, size)
    whole = z.layout.whole_along(z.ndim - 1)
    spectra, layout = move(z.larray, z.layout, whole, z.comm), whole
    margin = plan.size // 2 if boundary else 0
    n = (z.shape[-2] - 1) * plan.step + plan.size - 2 * margin
    axis = z.ndim - 2
    target = resized(layout.derive(layout.shape[:-1], [*range(axis + 1), None]), axis, n)
    offsets, rank = parts(target, axis, z.comm.rank)
    needed = [
        (max(0, (u + margin - plan.size) // plan.step + 1), min(z.shape[-2], -(-(v + margin) // plan.step)))
        if u < v else (0, 0)
        for u, v in pairwise(offsets)
    ]  # fmt: skip
    spectra, _, _ = read(spectra, layout, axis, needed, z.comm)
    back = torch.fft.irfft if input_onesided else torch.fft.ifft
    weights = torch.as_tensor(plan.window).to(spectra.real)
    first, count = needed[rank][0] * plan.step, offsets[rank + 1] - offsets[rank]
    if count == 0 or spectra.numel() == 0:
        signal = (spectra.real if input_onesided else spectra).new_zeros(
            target.lshape(z.comm.rank)
        ) + spectra.real.sum()
    else:
        start = offsets[rank] + margin - first
        factor = plan.window.sum() if scaling == "spectrum" else math.sqrt(fs * (plan.window**2).sum())
        frames = back(spectra, n=plan.nfft)[..., : plan.size] * (weights * float(factor))
        norm = _overlap_add(weights.square().expand(frames.shape[-2], -1), plan.step).narrow(-1, start, count)
        signal = _overlap_add(frames, plan.step).narrow(-1, start, count) / torch.where(norm > 1e-10, norm, 1.0)
    x = wrap(signal, target, z.comm)
    t = arange(n, dtype=torch.float64, device=x.device, comm=x.comm) / fs
    place = times - (freqs < times)
    return t.astype(real_of(x.dtype)), moveaxis(x, -1, place)
