"""Signals at other rates, and analytic signals, by way of their spectra (see `dndarray.fft`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import fft
from ..array import DNDarray
from ..creation import positions, zeros
from ..elementwise import as_operand
from ..indexing import section
from ..layout import normalize_axis
from ..manipulation import concatenate, flip, reshape
from .windows import get_window

__all__ = ["hilbert", "resample"]


def resample(
    x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time"
) -> DNDarray | tuple[DNDarray, Any]:
    """A signal in `num` samples along an axis, which is taken to be periodic: its spectrum is cropped or padded.

    Parameters
    ----------
    x : array_like
    num : int
    t : array_like, optional
        The times of the samples, evenly spaced; then the new times are returned, too.
    axis : int
    window : array_like, callable, str, float or tuple, optional
        Weights of the frequencies, in the order of `fftfreq`, a function of these, or a window as in `get_window`.
    domain : 'time' or 'freq'
        Whether `x` is the signal or its spectrum.

    Communication: that of two transforms if `axis` is split, and for complex signals one exchange more.

    >>> import dndarray as dnd
    >>> dnd.signal.resample(dnd.array([1.0, 3.0, 1.0, 3.0], split=0), 2).shape
    (2,)
    """
    if domain not in ("time", "freq"):
        raise ValueError(f"`domain` (={domain!r}) must be 'time' or 'freq'")
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    n = x.shape[axis]
    if num < 1 or n < 1:
        raise ValueError(f"{n} samples cannot become `num` (={num})")
    is_real = domain == "time" and not x.dtype.is_complex
    spectrum = x if domain == "freq" else (fft.rfft if is_real else fft.fft)(x, axis=axis)
    if window is not None:
        spectrum = spectrum * _weights(window, n, spectrum, axis, is_real)
    y = _real(spectrum, n, num, axis) if is_real else _complex(spectrum, n, num, axis)
    y = y * (num / n)
    if t is None:
        return y
    first, second = (float(v) for v in np.asarray(t.numpy() if hasattr(t, "numpy") else t)[:2])
    return y, as_operand(np.arange(num) * ((second - first) * n / num) + first, x.comm, x.device)


def _weights(window: Any, n: int, spectrum: DNDarray, axis: int, is_real: bool) -> DNDarray:
    """The weights of the frequencies of `spectrum`, along its axis."""
    place: dict[str, Any] = {"dtype": torch.float64, "device": spectrum.device, "comm": spectrum.comm}
    if spectrum.layout.grid_axis(axis) is not None:
        place["split"] = tuple(0 if a == axis else None for a in spectrum.layout.axes)
        place["grid"] = spectrum.layout.grid
    if callable(window):
        weights = as_operand(window(fft.fftfreq(n, **place)))
    elif isinstance(window, (str, tuple, float, int)):
        weights = fft.fftshift(get_window(window, n, **place))
    else:
        weights = as_operand(window, spectrum.comm, spectrum.device)
    if weights.shape != (n,):
        raise ValueError(f"`window` must have a weight for each of the {n} samples, its shape is {weights.shape}")
    if is_real:  # those of a frequency and its negative one count alike
        rest = section(weights, 0, 1, n)
        weights = concatenate([section(weights, 0, 0, 1), (rest + flip(rest)) * 0.5])
        weights = section(weights, 0, 0, spectrum.shape[axis])
    weights = reshape(weights, [-1 if a == axis else 1 for a in range(spectrum.ndim)])
    return weights.astype(weights.dtype if weights.dtype.is_complex else spectrum.larray.real.dtype)


def _real(spectrum: DNDarray, n: int, num: int, axis: int) -> DNDarray:
    middle = min(n, num) // 2
    spectrum = section(spectrum, axis, 0, middle + 1)
    if min(n, num) % 2 == 0 and n != num:  # the highest frequency stands for two, or becomes two
        place = positions(spectrum.layout, spectrum.comm, spectrum.device, axis)
        factor = torch.where(place == middle, 2.0 if num < n else 0.5, 1.0).to(spectrum.larray.real)
        factor = factor.reshape([-1 if a == axis else 1 for a in range(spectrum.ndim)])
        spectrum = DNDarray(spectrum.larray * factor, spectrum.layout, spectrum.comm)
    return fft.irfft(spectrum, num, axis)


def _complex(spectrum: DNDarray, n: int, num: int, axis: int) -> DNDarray:
    if n == num:
        return fft.ifft(spectrum, axis=axis)
    kept = min(n, num)
    half = (kept + 1) // 2
    positive, negative = section(spectrum, axis, 0, half), section(spectrum, axis, n - (kept - 1) // 2, n)
    middle = []
    if kept % 2 == 0:  # the highest frequency stands for two, or becomes two
        highest = section(spectrum, axis, half, half + 1)
        other = section(spectrum, axis, n - half, n - half + 1)
        middle = [highest + other] if num < n else [highest * 0.5] * 2
    missing = num - sum(part.shape[axis] for part in (positive, *middle, negative))
    if missing:
        shape = [missing if a == axis else m for a, m in enumerate(spectrum.shape)]
        middle.insert(1, zeros(shape, spectrum.dtype, device=spectrum.device, comm=spectrum.comm))
    return fft.ifft(concatenate([positive, *middle, negative], axis), axis=axis)


def hilbert(x: Any, N: int | None = None, axis: int = -1) -> DNDarray:
    """The analytic signal of a real one: without its negative frequencies.

    Parameters
    ----------
    x : array_like
        Real, split in any way; the result is split alike.
    N : int, optional
        Length of the transform.
    axis : int

    Communication: that of two transforms if `axis` is split.
    """
    x = as_operand(x)
    if x.dtype.is_complex:
        raise ValueError(f"`x` must be real, not {x.dtype}")
    axis = normalize_axis(axis, x.ndim)
    n = x.shape[axis] if N is None else N
    if n < 1:
        raise ValueError(f"`N` (={N}) must be positive")
    spectrum = fft.fft(x, n, axis)
    place = positions(spectrum.layout, spectrum.comm, spectrum.device, axis)
    factor = torch.where((place == 0) | (2 * place == n), 1.0, torch.where(2 * place < n, 2.0, 0.0))
    factor = factor.to(spectrum.larray.real).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return fft.ifft(DNDarray(spectrum.larray * factor, spectrum.layout, spectrum.comm), axis=axis)
