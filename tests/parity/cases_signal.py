"""Signal processing: numpy.convolve and correlate, and scipy.signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal

from parity.case import FLOATS, INEXACT, NUMBERS, Case

MODES = ("full", "same", "valid")
VECTORS = (
    ((1,), (1,)),
    ((13,), (4,)),
    ((13,), (5,)),
    ((4,), (13,)),
    ((7,), (7,)),
    ((2,), (3,)),
    ((40,), (17,)),
    ((300,), (140,)),
    ((), (5,)),
    ((0,), (3,)),
)
ARRAYS = (
    *VECTORS[:-2],
    ((), ()),
    ((0,), (3,)),
    ((7, 4), (2, 3)),
    ((2, 3), (7, 4)),
    ((7, 4), (3, 1)),
    ((1, 5), (2, 2)),
    ((30, 20), (14, 15)),
    ((3, 4, 5), (2, 2, 3)),
    ((5, 1, 2), (3, 2, 2)),
)
SEVERAL = [pair for pair in ARRAYS if pair not in (((), ()), ((1,), (1,)), ((0,), (3,)))]
SPREADS = "a NaN spreads over a whole Fourier transform"


EMPTY = "of an empty signal SciPy makes an error, an empty spectrum, or memory that nobody has set"
INSIDE = f"products of matrices spread a NaN over a block; {EMPTY}"
ROUNDING = "nothing but rounding is left of two numbers without their line"
SIGNALS = ((1,), (2,), (13,), (40,), (), (3, 20), (20, 3), (2, 13, 3))
LONG = ((13,), (40,), (3, 40), (40, 3), (5,))
KINDS = ("odd", "even", "constant", None)
LOW = scipy.signal.butter(3, 0.3)
SOS = scipy.signal.butter(4, 0.4, output="sos")
FILTERS = (
    LOW,
    (np.array([2.0]), np.array([0.5, -0.4])),
    (np.array([1.0, -0.5, 0.25]), np.array([2.0])),
    (np.array([1.0]), np.array([1.0, -1.0])),
    (np.array([1.0, 0.5j]), np.array([1.0, 0.3, 0.1j])),
)
WINDOWS = (
    *("barthann", "bartlett", "blackman", "blackmanharris", "bohman", "boxcar", "cosine", "exponential", "flattop"),
    *("hamming", "hann", "lanczos", "nuttall", "parzen", "triang", "tukey", "hann_symmetric", 3.0),
    *(("gaussian", 2.0), ("general_cosine", [0.6, 0.4]), ("general_gaussian", 1.5, 2.0), ("general_hamming", 0.7)),
    *(("kaiser", 5.0), ("tukey", 0.3), ("exponential", None, 2.0)),
)


def _start(shape: tuple[int, ...], n: int) -> np.ndarray:
    """A state for a filter along the first axis."""
    shape = (n, *shape[1:])
    return np.cos(np.arange(float(np.prod(shape)))).reshape(shape)


class _SciPy:
    signal = scipy.signal


def scipys(name: str, call: Callable[..., Any], **options: Any) -> Case:
    """A row with SciPy as oracle."""
    options.setdefault("special", False)
    options.setdefault("why", SPREADS)
    return Case(f"signal.{name}", call, oracle=lambda *arrays: call(_SciPy, *arrays), **options)


CASES: list[Case] = [
    *(
        Case(
            name,
            lambda xp, a, v, name=name: [getattr(xp, name)(a, v), *(getattr(xp, name)(a, v, mode) for mode in MODES)],
            arrays=2,
            shapes=shapes,
            special=special,
            grad=True,
            why="vectors only; " + ("" if special else "long kernels: " + SPREADS),
        )
        for name in ("convolve", "correlate")
        for shapes, special in ((VECTORS[:6], True), (VECTORS[6:], False))
    ),
    *(
        scipys(
            name,
            lambda xp, a, v, name=name: [getattr(xp.signal, name)(a, v, mode) for mode in MODES],
            arrays=2,
            shapes=shapes,
            dtypes=NUMBERS,
            grad=True,
            why=f"{SPREADS}; bools go in some shapes only; SciPy's fftconvolve of one or none has types of its own",
        )
        for name, shapes in (
            ("convolve", ARRAYS),
            ("correlate", ARRAYS),
            ("fftconvolve", SEVERAL),
            ("oaconvolve", SEVERAL),
        )
    ),
    scipys(
        "fftconvolve",
        lambda xp, a, v: [xp.signal.fftconvolve(a, v, mode, axes) for mode in MODES for axes in (0, (-1,), (0, 1))],
        arrays=2,
        shapes=(((7, 4), (2, 4)), ((7, 4), (7, 3)), ((5, 3), (1, 2)), ((1, 9), (4, 3)), ((6, 2, 3), (2, 2, 3))),
        dtypes=NUMBERS,
        grad=True,
        why=f"{SPREADS}; shapes that agree but for the axes",
    ),
    *(
        scipys(
            name,
            lambda xp, a, v, name=name: [
                getattr(xp.signal, name)(a, v, mode, boundary, 2)
                for mode in MODES
                for boundary in ("fill", "wrap", "symm")
            ],
            arrays=2,
            shapes=[shapes for shapes in ARRAYS if len(shapes[0]) == 2 and (swaps or shapes[0] >= shapes[1])],
            dtypes=dtypes,
            grad=swaps,
            why=f"{SPREADS}; SciPy takes no bools here; two axes; SciPy forgets to conjugate where it swaps arguments",
        )
        for name, dtypes, swaps in (
            ("convolve2d", NUMBERS, True),
            ("correlate2d", NUMBERS[:-1], True),
            ("correlate2d", NUMBERS[-1:], False),
        )
    ),
    scipys(
        "correlation_lags",
        lambda xp, a, v: [xp.signal.correlation_lags(a.size, v.size, mode) for mode in MODES],
        arrays=2,
        shapes=(((1,), (1,)), ((13,), (5,)), ((4,), (13,)), ((7,), (7,)), ((2,), (3,)), ((40,), (17,)), ((6,), (4,))),
        dtypes=("float64",),
        why="it is about lengths; SciPy's are not those of its correlate for 'same' with odd and even lengths",
    ),
    *(
        scipys(
            "get_window",
            lambda xp, x, window=window: [
                xp.signal.get_window(window, n, bins) for n in (1, 2, 7, 8) for bins in (True, False)
            ],
            shapes=((3,),),
            dtypes=("float64",),
            rtol=1e-6,
            check_dtype=False,
            why="what has no type of its own takes torch's default dtype; the array has no part in it",
        )
        for window in WINDOWS
    ),
    scipys(
        "detrend",
        lambda xp, x: [2 + xp.signal.detrend(x, axis, t) for axis in range(-1, x.ndim) for t in ("linear", "constant")],
        shapes=SIGNALS,
        dtypes=("int32", "int64", "float32", "float64"),
        grad=True,
        why=f"{INSIDE}; SciPy takes no bools, and loses imaginary parts",
    ),
    scipys(
        "detrend",
        lambda xp, x: xp.signal.detrend(x, 0, bp=[5, 9]),
        shapes=((13,), (12, 3), (4,)),
        dtypes=FLOATS,
        grad=True,
        why=f"{INSIDE}; shapes with room for the breaks, and one without",
    ),
    *(
        scipys(
            "lfilter",
            lambda xp, x, b=b, a=a: [xp.signal.lfilter(b, a, x, axis) for axis in range(-1, x.ndim)],
            shapes=SIGNALS,
            dtypes=NUMBERS,
            grad=True,
            why=INSIDE,
        )
        for b, a in FILTERS
    ),
    *(
        scipys(
            "lfilter",
            lambda xp, x, b=b, a=a: list(xp.signal.lfilter(b, a, x, 0, zi=_start(x.shape, max(len(a), len(b)) - 1))),
            shapes=SIGNALS,
            dtypes=NUMBERS,
            grad=True,
            why=INSIDE,
        )
        for b, a in FILTERS
    ),
    scipys(
        "sosfilt",
        lambda xp, x: [
            *(xp.signal.sosfilt(SOS, x, axis) for axis in range(-1, x.ndim)),
            *xp.signal.sosfilt(SOS, x, 0, zi=np.stack([_start(x.shape, 2)] * len(SOS))),
        ],
        shapes=SIGNALS,
        dtypes=NUMBERS,
        grad=True,
        why=INSIDE,
    ),
    *(
        scipys(
            name, call, shapes=LONG, dtypes=NUMBERS[1:], grad=True, why=f"{INSIDE}; SciPy continues uint8 with overflow"
        )
        for name, call in (
            (
                "filtfilt",
                lambda xp, x: [xp.signal.filtfilt(*LOW, x, axis, kind, 5) for axis in range(x.ndim) for kind in KINDS],
            ),
            ("filtfilt", lambda xp, x: xp.signal.filtfilt(*LOW, x, 0)),
            ("sosfiltfilt", lambda xp, x: [xp.signal.sosfiltfilt(SOS, x, 0, kind, 9) for kind in KINDS]),
            ("sosfiltfilt", lambda xp, x: xp.signal.sosfiltfilt(SOS, x)),
        )
    ),
    *(
        scipys(
            name,
            lambda xp, x, name=name: getattr(xp.signal, name)(*(LOW if name == "lfilter_zi" else (SOS,))),
            shapes=((3,),),
            dtypes=("float64",),
            why="the array has no part in it",
        )
        for name in ("lfilter_zi", "sosfilt_zi")
    ),
    scipys(
        "hilbert",
        lambda xp, x: [xp.signal.hilbert(x), xp.signal.hilbert(x, 9, 0), xp.signal.hilbert(x, 8, 0)],
        shapes=SIGNALS,
        grad=True,
        why=f"{SPREADS}; {EMPTY}",
    ),
    scipys(
        "resample",
        lambda xp, x: [
            xp.signal.resample(x, num, axis=axis, window=window)
            for num in (1, 4, 6, 13, 20)
            for axis in range(x.ndim)
            for window in (None, "hamming", lambda f: abs(f) + 1, np.arange(1.0, x.shape[axis] + 1))
        ],
        shapes=SIGNALS,
        dtypes=INEXACT,
        grad=True,
        check_dtype=False,
        why=f"{SPREADS}; {EMPTY}; SciPy's windows make single precision double",
    ),
    scipys(
        "resample",
        lambda xp, x: [*xp.signal.resample(x, 7, np.arange(40.0)), xp.signal.resample(x, 7, domain="freq")],
        shapes=SIGNALS,
        dtypes=("complex128",),
        why=f"{SPREADS}; {EMPTY}; spectra are complex",
    ),
    *(
        scipys(
            name,
            lambda xp, x, name=name, options=options: [
                part for axis in range(-1, x.ndim) for part in getattr(xp.signal, name)(x, 2.0, axis=axis, **options)
            ],
            shapes=SIGNALS[2:],
            dtypes=("int64", "float64", "complex128"),
            grad=True,
            why=f"{SPREADS}; {EMPTY}; frequencies are in the precision of the result, SciPy's in double; {ROUNDING}",
        )
        for name, options in (
            ("welch", {"nperseg": 8}),
            ("welch", {"nperseg": 7, "noverlap": 2, "nfft": 10, "detrend": "linear", "scaling": "spectrum"}),
            ("welch", {"nperseg": 5, "average": "median", "detrend": False, "return_onesided": False}),
            ("periodogram", {}),
            ("periodogram", {"nfft": 11, "detrend": "linear", "window": "hann", "scaling": "spectrum"}),
            ("periodogram", {"return_onesided": False, "detrend": False}),
            ("spectrogram", {"nperseg": 8}),
            ("spectrogram", {"nperseg": 5, "noverlap": 0, "detrend": "linear", "mode": "complex"}),
            ("spectrogram", {"nperseg": 4, "mode": "magnitude", "return_onesided": False, "detrend": False}),
            ("stft", {"nperseg": 8}),
            ("stft", {"nperseg": 7, "noverlap": 5, "nfft": 12, "boundary": "even", "scaling": "psd"}),
            ("stft", {"nperseg": 6, "boundary": "odd", "padded": False, "detrend": "constant"}),
            ("stft", {"nperseg": 6, "boundary": None, "window": ("kaiser", 3.0), "return_onesided": False}),
        )
    ),
    *(
        scipys(
            "spectrogram",
            lambda xp, x, mode=mode: xp.signal.spectrogram(x, nperseg=8, window="hann", mode=mode)[2],
            shapes=((40,), (3, 20), (20, 16)),
            dtypes=("float64",),
            why="angles of numbers that are zero but for rounding are anything",
        )
        for mode in ("angle", "phase")
    ),
    scipys(
        "welch",
        lambda xp, x: xp.signal.welch(x, nperseg=8)[1],
        shapes=SIGNALS,
        dtypes=("uint8", "float32"),
        why=f"{SPREADS}; {EMPTY}; the types of which the frequencies have another precision",
    ),
    *(
        scipys(
            name,
            lambda xp, x, y, name=name, options=options: list(getattr(xp.signal, name)(x, y, 2.0, **options)),
            arrays=2,
            shapes=(
                ((40,), (40,)),
                ((40,), (30,)),
                ((3, 20), (20,)),
                ((3, 20), (3, 20)),
                ((2, 13), (1, 13)),
                ((2,), (2,)),
            ),
            dtypes=("float64", "complex128"),
            grad=True,
            rtol=1e-9,
            why=f"{SPREADS}; shapes that broadcast; the ratio of powers has the error of the smaller one",
        )
        for name, options in (
            ("csd", {"nperseg": 8}),
            ("csd", {"nperseg": 7, "noverlap": 3, "nfft": 9, "scaling": "spectrum", "detrend": "linear"}),
            ("csd", {"nperseg": 5, "average": "median"}),
            ("coherence", {"nperseg": 8}),
        )
    ),
    scipys(
        "istft",
        lambda xp, z: [
            xp.signal.istft(z, 2.0, boundary=boundary, time_axis=times, freq_axis=freqs, **options)[1]
            for boundary in (True, False)
            for times, freqs in ((-1, -2), (0, -1))
            for options in ({}, {"noverlap": 1}, {"input_onesided": False}, {"scaling": "psd", "window": "boxcar"})
        ],
        shapes=((5, 7), (9, 5), (2, 5, 9), (6, 5, 6), (1, 5)),
        dtypes=INEXACT,
        grad=True,
        why=f"{SPREADS}; SciPy counts times along another axis than the signal's",
    ),
]
