"""Spectral densities of signals.

Means over the frames of a signal (see `frames`) are one all-reduce more. `periodogram`, which is of the signal as a
whole, is a distributed transform instead.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np
import torch

from .. import fft
from ..array import DNDarray, wrap
from ..collectives import all_reduce
from ..creation import positions, zeros
from ..elementwise import FUNCTIONS, as_operand
from ..indexing import section
from ..layout import normalize_axis
from ..manipulation import broadcast_arrays, concatenate, moveaxis
from ..quantiles import median
from ..types import real_of
from .detrending import check_kind
from .detrending import detrend as detrend_along
from .frames import Frames, cut, frequencies, plan_frames, scale_of, sides, signal_of, transformed
from .short_time import each_frame
from .windows import get_window

__all__ = ["coherence", "csd", "periodogram", "welch"]

_CHUNK = 2**18
"""Samples of the frames that are transformed at a time where only their mean is wanted."""


def _mean(x: DNDarray, y: DNDarray, axis: int, plan: Frames, trend: str | None, onesided: bool) -> DNDarray:
    """The mean of conj(X) * Y over all frames of two signals that lie alike, the frequencies last."""
    count = plan.count(x.shape[axis])
    views = [cut(s, axis, plan, 0, count)[0] for s in ((x,) if x is y else (x, y))]
    total: Any = 0
    at_a_time = max(1, _CHUNK // max(math.prod(views[0].shape[:-2]) * plan.nfft, 1))
    for some in zip(*(view.split(at_a_time, -2) for view in views), strict=True):
        spectra = [transformed(frames, plan, trend, onesided) for frames in some]
        if x is y:
            total = total + (spectra[0].real.square() + spectra[0].imag.square()).sum(-2)
        else:
            total = total + (spectra[0].conj() * spectra[1]).sum(-2)
    g = x.layout.grid_axis(axis)
    if g is not None:
        total = all_reduce(total, x.comm.along(x.layout.grid, (g,)))
    kept = [a for a in range(x.ndim) if a != axis]
    mapping = [None if a == axis else kept.index(a) for a in range(x.ndim)]
    layout = x.layout.derive([*(x.shape[a] for a in kept), total.shape[-1]], mapping)
    return moveaxis(wrap(total * (sides(plan, onesided, 1.0, total) / max(count, 1)), layout, x.comm), -1, axis)


def _bias(count: int) -> float:
    """What the median of `count` powers, which are distributed as chi-squared, is too large by."""
    k = 2.0 * np.arange(1, (count - 1) // 2 + 1)
    return float(1 + (1 / (k + 1) - 1 / k).sum())


def _median(spectra: DNDarray, count: int) -> DNDarray:
    middle = (
        median(spectra, axis=-1)
        if not spectra.dtype.is_complex
        else (median(FUNCTIONS["real"](spectra), axis=-1) + 1j * median(FUNCTIONS["imag"](spectra), axis=-1))
    )
    return middle / _bias(count)


def csd(
    x: Any,
    y: Any,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[DNDarray, DNDarray]:
    """Cross power spectral density of two signals, by Welch's method: the mean of conj(X) * Y over frames.

    Parameters
    ----------
    x, y : array_like
        Signals along `axis`, the shorter one padded with zeros; other axes broadcast.
    average : 'mean' or 'median'
    fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis
        As in `stft`; `scaling` is 'density' or 'spectrum'.

    Returns
    -------
    f : DNDarray
        Frequencies.
    Pxy : DNDarray
        Their densities, along `axis`, which is not split; other axes are as those of the signals.

    Communication along a split axis: one all-to-all for each signal, and one all-reduce for the mean; for the median
    what that needs. Signals that lie differently are aligned first.
    """
    if average not in ("mean", "median"):
        raise ValueError(f"`average` (={average!r}) must be 'mean' or 'median'")
    same = y is x
    x, dtype = signal_of(x)
    if same:
        y = x
    else:
        y, other = signal_of(y)
        dtype = torch.promote_types(dtype, other)
        x, y = _alike(x, y, axis, real_of(dtype))
    axis = normalize_axis(axis, x.ndim)
    trend = check_kind(detrend) if detrend else None
    onesided = return_onesided and not (x.dtype.is_complex or y.dtype.is_complex)
    plan = plan_frames(window, nperseg, noverlap, nfft, x.shape[axis])
    scale, count = scale_of(plan, fs, scaling), plan.count(x.shape[axis])
    if average == "mean":
        density = _mean(x, y, axis, plan, trend, onesided) * scale
    elif same:
        density = _median(each_frame(x, fs, plan, trend, onesided, scale, axis, 0, count, power=True)[2], count)
    else:
        spectra = [each_frame(s, fs, plan, trend, onesided, 1.0, axis, 0, count, power=False)[2] for s in (x, y)]
        weights = sides(plan, onesided, scale, spectra[0].larray).reshape(
            [-1 if a == axis else 1 for a in range(x.ndim + 1)]
        )
        density = _median(FUNCTIONS["conj"](spectra[0]) * spectra[1] * as_operand(weights, x.comm), count)
    density = density.astype(real_of(dtype) if same else dtype, copy=False)
    return frequencies(plan, fs, onesided, density), density


def _alike(x: DNDarray, y: DNDarray, axis: int, dtype: torch.dtype) -> tuple[DNDarray, DNDarray]:
    """Two signals of one length, shape, type and layout."""
    n = max(x.shape[axis], y.shape[axis])
    signals = []
    for s in (x, y):
        missing = n - s.shape[axis]
        if missing:
            shape = [missing if a == axis % s.ndim else m for a, m in enumerate(s.shape)]
            s = concatenate([s, zeros(shape, s.dtype, device=s.device, comm=s.comm)], axis)
        signals.append(s.astype(torch.promote_types(s.dtype, dtype), copy=False))
    x, y = broadcast_arrays(*signals)
    return x, y


def welch(
    x: Any,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[DNDarray, DNDarray]:
    """Power spectral density by Welch's method: the mean of the power of frames that overlap.

    Parameters
    ----------
    x : array_like
        Signals along `axis`, split in any way.
    average : 'mean' or 'median'
    fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis
        As in `stft`; `scaling` is 'density' or 'spectrum'.

    Returns
    -------
    f : DNDarray
        Frequencies.
    Pxx : DNDarray
        Their densities, along `axis`, which is not split; other axes are as those of `x`.

    Communication along a split axis: one all-to-all, and one all-reduce for the mean.

    >>> import dndarray as dnd
    >>> f, p = dnd.signal.welch(dnd.ones(64, split=0), nperseg=16)
    >>> f.shape, p.shape, p.split
    ((9,), (9,), None)
    """
    options = (fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)
    return csd(x, x, *options)


def coherence(
    x: Any,
    y: Any,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[DNDarray, DNDarray]:
    """How much of the power of two signals is linearly related: |Pxy|**2 / (Pxx * Pyy), by frequency.

    Arguments and results as in `csd`. Communication: that of `csd` and twice that of `welch`.
    """
    options = (fs, window, nperseg, noverlap, nfft, detrend)
    f, cross = csd(x, y, *options, axis=axis)
    (_, p), (_, q) = (welch(s, *options, axis=axis) for s in (x, y))
    return f, FUNCTIONS["abs"](cross) ** 2 / p / q


def periodogram(
    x: Any,
    fs: float = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[DNDarray, DNDarray]:
    """Power spectral density of signals as a whole.

    Arguments as in `welch`; signals are cropped to `nfft` samples, or padded. The result is split as `x` is.

    Communication along a split axis: that of the transform (see `dndarray.fft`), and all-reduces for the trend.
    """
    x, dtype = signal_of(x)
    axis = normalize_axis(axis, x.ndim)
    if nfft is not None and nfft < x.shape[axis]:
        x = section(x, axis, 0, nfft)
    n = x.shape[axis]
    length = n if nfft is None else index(nfft)
    if detrend:
        x = detrend_along(x, axis, check_kind(detrend))
    window = "boxcar" if window is None else window
    if isinstance(window, (str, tuple, float, int)):
        split = tuple(0 if a == axis else None for a in x.layout.axes)
        window = get_window(
            window, n, dtype=torch.float64, split=split, grid=x.layout.grid, device=x.device, comm=x.comm
        )
    window = as_operand(window, x.comm, x.device)
    if window.shape != (n,):
        raise ValueError(f"`window` has shape {window.shape}, the signal has {n} samples")
    weights = window.astype(x.larray.real.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    onesided = return_onesided and not x.dtype.is_complex
    spectrum = (fft.rfft if onesided else fft.fft)(x * weights, length, axis)
    if scaling not in ("density", "spectrum"):
        raise ValueError(f"`scaling` (={scaling!r}) must be 'density' or 'spectrum'")
    norm = fs * (window * window).sum() if scaling == "density" else window.sum() ** 2
    place = positions(spectrum.layout, x.comm, x.device, axis)
    single = (place == 0) | (2 * place == length) | (not onesided)
    sides = (
        torch.where(single, 1.0, 2.0).to(spectrum.larray.real).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    )
    power = (spectrum.larray.real.square() + spectrum.larray.imag.square()) * sides
    density = wrap(power, spectrum.layout, x.comm) / norm.astype(power.dtype)
    plan = Frames(n, n, length, np.empty(0))
    density = density.astype(real_of(dtype), copy=False)
    return frequencies(plan, fs, onesided, density), density
