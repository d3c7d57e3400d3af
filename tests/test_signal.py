"""What the parity table cannot show of signal processing: what is communicated, and the ways that sizes choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import counts

import dndarray as dnd
from dndarray import convolution
from dndarray.overlap import overlapping
from dndarray.signal import filtering
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
several = pytest.mark.skipif(COMM.size == 1, reason="one process sends nothing")
RNG = np.random.default_rng(7)
LONG = RNG.normal(size=997)
SOS = scipy.signal.butter(6, 0.1, output="sos")
LOW = scipy.signal.butter(4, 0.2)


def on_the_last(value: np.ndarray) -> dnd.DNDarray:
    """All elements on the last process."""
    return dnd.array(value, split=0).redistribute([0] * (COMM.size - 1) + [len(value)])


def close(ours: Any, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-10 * abs(theirs).max())


# --- convolution ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("taps", [0, 128])  # by blocks, tap by tap
def test_kernels_longer_than_a_part(mode: str, taps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "TAPS", taps)
    x, kernel = LONG[:40], LONG[100:133]
    for first in (dnd.array(x, split=0), on_the_last(x)):
        for second in (dnd.array(kernel), dnd.array(kernel, split=0), on_the_last(kernel)):
            close(dnd.convolve(first, second, mode), np.convolve(x, kernel, mode))
            close(dnd.correlate(second, first, mode), np.correlate(kernel, x, mode))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_two_large_operands_meet_in_their_spectra(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "REPLICATED", 0)
    for x, y in ((LONG[:60], LONG[60:100]), (LONG[:60].reshape(12, 5), LONG[60:90].reshape(10, 3))):
        for z in (x, x + 1j * x[::-1]):
            ours = dnd.signal.convolve(dnd.array(z, split=0), dnd.array(y, split=0), mode)
            close(ours, scipy.signal.convolve(z, y, mode))
            assert ours.split == 0


def test_integers_are_exact_however_long() -> None:
    for high in (50, 2**31, 2**40):  # the last ones wrap around, as in NumPy
        x, kernel = RNG.integers(-high, high, 3000), RNG.integers(-high, high, 200)
        np.testing.assert_array_equal(dnd.convolve(dnd.array(x, split=0), kernel).numpy(), np.convolve(x, kernel))


def test_a_nan_stays_within_a_short_kernel() -> None:
    x = LONG[:50].copy()
    x[20] = np.nan
    ours = dnd.convolve(dnd.array(x, split=0), [1.0, 2.0, 3.0], "same").numpy()
    np.testing.assert_array_equal(np.isnan(ours).nonzero()[0], [19, 20, 21])


@several
def test_what_convolution_communicates() -> None:
    x, kernel = dnd.array(LONG, split=0), dnd.array(LONG[:5])
    part = dnd.array(LONG[:5], split=0)
    rows = dnd.array(LONG[:990].reshape(99, 10), split=0)
    for call, expected in (
        (lambda: dnd.convolve(x, kernel), {"Alltoall": 1}),
        (lambda: dnd.convolve(x, part), {"Alltoall": 1, "Allgather": 1}),
        (lambda: dnd.signal.fftconvolve(rows, np.ones((1, 3)), axes=1), {}),
        (lambda: dnd.signal.convolve2d(rows, np.ones((3, 3)), "same"), {"Alltoall": 1}),
        (lambda: dnd.signal.convolve2d(rows, np.ones((3, 3)), "same", "wrap"), {"Alltoall": 2}),
    ):
        with count_collectives() as counted:
            call()
        assert counted.calls == expected


@given(st.data())
def test_sections_that_overlap(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 12))
    held = data.draw(counts(n, COMM.size))
    ends = st.tuples(st.integers(0, n), st.integers(0, n)).map(lambda pair: (min(pair), max(pair)))
    wanted = data.draw(st.lists(ends, min_size=COMM.size, max_size=COMM.size))
    start = sum(held[: COMM.rank])
    whole = torch.arange(n).expand(2, n)
    got = overlapping(whole[:, start : start + held[COMM.rank]], 1, held, wanted, COMM)
    assert torch.equal(got, whole[:, slice(*wanted[COMM.rank])])


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["SciPy", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "torch":
        monkeypatch.setattr(filtering, "_scipy_signal", lambda: None)


@pytest.mark.usefixtures("engine")
def test_filters_of_long_signals() -> None:
    for x in (dnd.array(LONG, split=0), on_the_last(LONG), dnd.array(LONG[:2], split=0)):
        value = x.numpy()
        for b, a in (LOW, ([1.0], [1.0, -1.0]), ([1.0, 0.5], [2.0, 0.1, 0.3, 0.2]), ([1.0], [1.0, -1.02])):
            close(dnd.signal.lfilter(b, a, x), scipy.signal.lfilter(b, a, value))
        close(dnd.signal.sosfilt(SOS, x), scipy.signal.sosfilt(SOS, value))


@pytest.mark.usefixtures("engine")
def test_a_signal_filtered_in_pieces() -> None:
    state = dnd.signal.lfilter_zi(*LOW) * LONG[0]
    pieces = []
    for piece in np.array_split(LONG, 3):
        y, state = dnd.signal.lfilter(*LOW, dnd.array(piece, split=0), zi=state)
        pieces.append(y)
    assert state.split is None
    expected, _ = scipy.signal.lfilter(*LOW, LONG, zi=scipy.signal.lfilter_zi(*LOW) * LONG[0])
    close(dnd.concatenate(pieces), expected)


@several
def test_what_filters_communicate() -> None:
    x, rows = dnd.array(LONG, split=0), dnd.array(LONG[:990].reshape(99, 10), split=0)
    for call, expected in (
        (lambda: dnd.signal.lfilter(*LOW, x), {"Allgather": 1}),
        (lambda: dnd.signal.lfilter(*LOW, x, zi=np.zeros(4)), {"Allgather": 1}),
        (lambda: dnd.signal.sosfilt(SOS, rows, axis=0), {"Allgather": 1}),
        (lambda: dnd.signal.lfilter(*LOW, rows), {}),
        (lambda: dnd.signal.lfilter([1.0, 2.0], [1.0], x), {"Alltoall": 1}),
    ):
        with count_collectives() as counted:
            call()
        assert counted.calls == expected


# --- frames -----------------------------------------------------------------------------------------------------------


@several
def test_what_spectra_communicate() -> None:
    x = dnd.array(LONG, split=0)
    _, _, z = dnd.signal.stft(x, nperseg=16)
    for call, expected in (
        (lambda: dnd.signal.stft(x, nperseg=16), {"Alltoall": 1}),
        (lambda: dnd.signal.spectrogram(x, nperseg=16), {"Alltoall": 1}),
        (lambda: dnd.signal.welch(x, nperseg=16), {"Alltoall": 1, "Allreduce": 1}),
        (lambda: dnd.signal.istft(z, nperseg=16), {"Alltoall": 1}),
    ):
        with count_collectives() as counted:
            call()
        assert counted.calls == expected


def test_back_from_short_time_spectra() -> None:
    x = dnd.array(LONG, split=0)
    for options in ({"nperseg": 32}, {"nperseg": 30, "noverlap": 25}, {"nperseg": 64, "nfft": 100}):
        _, _, z = dnd.signal.stft(x, **options)
        assert z.split == 1
        _, y = dnd.signal.istft(z, **options)
        assert y.split == 0
        close(y[: len(LONG)], LONG)


def test_frames_of_signals_shorter_than_the_run() -> None:
    x = on_the_last(LONG[:20])
    for ours, theirs in zip(
        dnd.signal.welch(x, nperseg=16), scipy.signal.welch(LONG[:20], nperseg=16), strict=True
    ):  # one frame
        close(ours, theirs)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: dnd.convolve(x, []), ValueError),
        (lambda x: dnd.convolve(x, x, "middle"), ValueError),
        (lambda x: dnd.convolve(x, [[1.0]]), ValueError),
        (lambda x: dnd.signal.convolve(x, x, method="magic"), ValueError),
        (lambda x: dnd.signal.convolve(x[:, None], np.ones((2, 2)), "valid"), ValueError),
        (lambda x: dnd.signal.lfilter([1.0], [0.0, 1.0], x), ValueError),
        (lambda x: dnd.signal.lfilter([1.0], [1.0, 1.0], x, zi=np.zeros((2, 2))), ValueError),
        (lambda x: dnd.signal.sosfilt(np.ones((2, 5)), x), ValueError),
        (lambda x: dnd.signal.filtfilt([1.0], [1.0, 0.5], x, padlen=10), ValueError),
        (lambda x: dnd.signal.stft(x, nperseg=4, noverlap=4), ValueError),
        (lambda x: dnd.signal.welch(x, window=np.ones(20)), ValueError),
        (lambda x: dnd.signal.get_window("round", 5), ValueError),
        (lambda x: dnd.signal.get_window("gaussian", 5), ValueError),
        (lambda x: dnd.signal.resample(x, 0), ValueError),
        (lambda x: dnd.signal.detrend(x, bp=11), ValueError),
    ],
)
def test_wrong_arguments_are_found_before_any_message(call: Callable, error: type) -> None:
    x = dnd.array(LONG[:10], split=0)
    with count_collectives() as counted, pytest.raises(error):
        call(x)
    assert counted.total == 0
