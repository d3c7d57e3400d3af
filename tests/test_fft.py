"""What the parity table cannot show of Fourier transforms: steps along one split axis, and what is communicated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray import four_step
from dndarray.layout import Grid, Layout
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
SPLIT = COMM.size > 1


@pytest.fixture
def in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transform even short signals in steps."""
    monkeypatch.setattr(dnd.fft, "SMALL", 0)


def signal(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def close(ours: dnd.DNDarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12 * max(1.0, abs(theirs).max()))


@pytest.mark.usefixtures("in_steps")
@pytest.mark.parametrize("n", [36, 60, 17, 34, 1])  # with factors for all processes, and without
def test_one_split_axis_in_steps(n: int) -> None:
    z = signal(n)
    x, real = dnd.array(z, split=0), dnd.array(z.real.copy(), split=0)
    for norm, length in (("backward", None), ("ortho", n // 2 + 1), ("forward", n + 7), ("forward", None)):
        for name in ("fft", "ifft", "irfft"):
            if name != "irfft" or (length or n) > 1:
                y = getattr(dnd.fft, name)(x, length, norm=norm)
                close(y, getattr(np.fft, name)(z, length, norm=norm))
                assert y.split == 0
        close(dnd.fft.rfft(real, length, norm=norm), np.fft.rfft(z.real, length, norm=norm))


@pytest.mark.usefixtures("in_steps")
@pytest.mark.parametrize("n", [24, 19])
def test_steps_from_unbalanced_parts_keep_their_counts(n: int) -> None:
    counts = [0] * (COMM.size - 1) + [n] if SPLIT else [n]
    x = dnd.array(signal(n), split=0).redistribute(counts)
    y = dnd.fft.fft(x)
    close(y, np.fft.fft(x.numpy()))
    assert y.layout is x.layout


@pytest.mark.usefixtures("in_steps")
def test_steps_along_the_long_axis_of_few_rows() -> None:
    z = signal(2 * 48).reshape(2, 48)
    for split in (0, 1):
        close(dnd.fft.fft(dnd.array(z, split=split)), np.fft.fft(z))
        close(dnd.fft.fft(dnd.array(z.T.copy(), split=split), axis=0), np.fft.fft(z.T, axis=0))
        close(dnd.fft.fft2(dnd.array(z, split=split)), np.fft.fft2(z))


@pytest.mark.usefixtures("in_steps")
@pytest.mark.parametrize("name", ["fft", "rfft", "irfft"])
@pytest.mark.parametrize("n", [36, 17])
def test_gradients_of_steps(name: str, n: int) -> None:
    value = torch.from_numpy(signal(n))
    value = value.real.clone() if name == "rfft" else value
    whole = value.clone().requires_grad_()
    expected = getattr(torch.fft, name)(whole, n=n)
    weights = torch.from_numpy(signal(len(expected), 1))
    (expected * weights).real.sum().backward()
    x = dnd.array(value, split=0).requires_grad_()
    ((getattr(dnd.fft, name)(x, n) * dnd.array(weights, split=0)).real).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), whole.grad.numpy(), atol=1e-12)


def test_a_long_signal_in_single_precision() -> None:
    z = signal(2**17).astype(np.complex64)
    y = dnd.fft.fft(dnd.array(z, split=0))
    assert y.dtype is dnd.complex64
    expected = np.fft.fft(z.astype(complex))
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=1e-6 * abs(expected).max())


@given(st.data())
def test_all_axes_in_any_layout(data: st.DataObject) -> None:
    shape = tuple(max(n, 1) for n in data.draw(shapes(3)))
    layout = data.draw(layouts(shape, COMM.size))
    value = signal(int(np.prod(shape)), len(shape)).reshape(shape)
    part = np.array(value[tuple(slice(*interval) for interval in layout.box(COMM.rank))])
    x = dnd.DNDarray(torch.from_numpy(part), layout, COMM)
    y = dnd.fft.fftn(x)
    close(y, np.fft.fftn(value))
    assert y.layout is layout


def exchanges(name: str, shape: tuple[int, ...], split: object, grid: Grid | None = None, **options: object) -> dict:
    x = dnd.zeros(shape, split=split, grid=grid) + 0
    with count_collectives() as counted:
        getattr(dnd.fft, name)(x, **options)
    return counted.calls


@pytest.mark.skipif(not SPLIT, reason="one process sends nothing")
def test_what_is_communicated() -> None:
    p = COMM.size
    there_and_back = {"Alltoall": 2}
    assert exchanges("fft", (8 * p, 8 * p), 0) == {}
    assert exchanges("fft", (8 * p, 8 * p), 1) == there_and_back
    assert exchanges("fftn", (8 * p, 8 * p, 8 * p), 0) == there_and_back
    assert exchanges("rfftn", (8 * p, 8 * p, 8 * p), 2) == there_and_back
    assert exchanges("irfftn", (8 * p, 8 * p, 8 * p), 1) == there_and_back
    assert exchanges("fft2", (8 * p, 8 * p, 8 * p), 1) == there_and_back
    assert exchanges("fft", (100,), 0) == {"Allgather": 1}  # short


@pytest.mark.skipif(COMM.size != 4, reason="a square grid")
def test_what_is_communicated_on_a_grid() -> None:
    grid = Grid((2, 2))
    assert exchanges("fftn", (16, 16, 16), (0, 1), grid) == {"Alltoall": 2}  # slabs
    assert exchanges("fftn", (3, 3, 3), (0, 1), grid) == {"Alltoall": 3}  # pencils
    assert exchanges("fft2", (16, 16), (0, 1), grid) == {"Alltoall": 3}
    assert exchanges("fft", (16, 16), (0, 1), grid, axis=0) == {"Alltoall": 2}


@pytest.mark.skipif(not SPLIT, reason="one process sends nothing")
@pytest.mark.usefixtures("in_steps")
def test_what_the_steps_communicate() -> None:
    p = COMM.size
    aligned, unaligned, prime = 4 * p * p, 2 * p * (2 * p + 1) + 2 * p, 10007
    assert exchanges("fft", (aligned,), 0) == {"Alltoall": 3}
    assert exchanges("ifft", (aligned,), 0) == {"Alltoall": 3}
    assert exchanges("fft", (unaligned,), 0)["Alltoall"] <= 5
    assert exchanges("rfft", (2 * aligned,), 0)["Alltoall"] <= 6
    assert exchanges("irfft", (aligned + 1,), 0)["Alltoall"] <= 7
    assert exchanges("fft", (prime,), 0)["Alltoall"] <= 20


def test_lengths_without_large_factors() -> None:
    for n in (1, 2, 7, 13, 97, 1000, 2**20 + 1):
        fast = four_step.fast_length(n)
        rest = fast
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        assert rest == 1 and fast >= n
    assert [four_step.fast_length(n) for n in range(1, 17)] == [1, 2, 3, 4, 5, 6, 8, 8, 9, 10, 12, 12, 15, 15, 15, 16]


def test_wrong_arguments_are_found_before_any_message() -> None:
    x = dnd.zeros((4, 4), split=0)
    with count_collectives() as counted:
        for call, error in (
            (lambda: dnd.fft.fft(x, 0), ValueError),
            (lambda: dnd.fft.fft(x, norm="half"), ValueError),
            (lambda: dnd.fft.fft(x, axis=2), ValueError),
            (lambda: dnd.fft.rfft(x + 0j), TypeError),
            (lambda: dnd.fft.fftn(x, (3,), (0, 1)), ValueError),
            (lambda: dnd.fft.irfft(x[:, :1]), ValueError),
        ):
            with pytest.raises(error):
                call()
    assert counted.total == 0


def test_frequencies_are_split_as_asked() -> None:
    f = dnd.fft.fftfreq(9, 0.5, split=0, dtype="float64")
    assert f.split == 0
    np.testing.assert_array_equal(f.numpy(), np.fft.fftfreq(9, 0.5))
    np.testing.assert_array_equal(dnd.fft.rfftfreq(9, 0.5, split=0, dtype="float64").numpy(), np.fft.rfftfreq(9, 0.5))


def test_result_layouts() -> None:
    x = dnd.zeros((10, 12), split=0)
    assert dnd.fft.fft(x, axis=0).layout is x.layout
    assert dnd.fft.rfft(x, axis=0).layout is Layout((6, 12), x.layout.grid, 0)
    assert dnd.fft.rfft(x).layout is Layout((10, 7), x.layout.grid, 0)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float32", "float64"])
def test_the_input_is_not_touched(dtype: str) -> None:
    value = np.asarray(signal(96), dtype="complex128").astype(dtype) if "c" in dtype else signal(96).real.astype(dtype)
    for x in (
        dnd.array(value),
        dnd.array(value, split=0),
        dnd.array(value, split=0).redistribute([96] + [0] * (COMM.size - 1)),
        dnd.array(value.reshape(8, 12), split=0),
        dnd.array(value.reshape(8, 12), split=1),
    ):
        before = x.numpy()
        for name in ("fft", "ifft", "fftn", "hfft", *(("rfft", "rfftn") if "float" in dtype else ("irfft", "irfftn"))):
            getattr(dnd.fft, name)(x)
            np.testing.assert_array_equal(x.numpy(), before)
