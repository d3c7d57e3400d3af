"""Signal processing: SciPy's `signal`, over arrays split in any way."""

from __future__ import annotations

from .convolution import convolve, convolve2d, correlate, correlate2d, correlation_lags, fftconvolve, oaconvolve
from .detrending import detrend
from .filtering import filtfilt, lfilter, lfilter_zi, sosfilt, sosfilt_zi, sosfiltfilt
from .resampling import hilbert, resample
from .short_time import istft, spectrogram, stft
from .spectral import coherence, csd, periodogram, welch
from .wavelets import dwtn, idwtn, wavedec, wavedec2, wavedecn, waverec, waverec2, waverecn
from .windows import get_window

__all__ = [
    "coherence",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "csd",
    "detrend",
    "dwtn",
    "fftconvolve",
    "filtfilt",
    "get_window",
    "hilbert",
    "idwtn",
    "istft",
    "lfilter",
    "lfilter_zi",
    "oaconvolve",
    "periodogram",
    "resample",
    "sosfilt",
    "sosfilt_zi",
    "sosfiltfilt",
    "spectrogram",
    "stft",
    "wavedec",
    "wavedec2",
    "wavedecn",
    "waverec",
    "waverec2",
    "waverecn",
    "welch",
]
