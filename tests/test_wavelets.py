"""What the parity table cannot show of wavelet transforms: where coefficients lie, what is sent, all filters."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray.layout import Grid, Layout
from dndarray.signal import filter_banks
from dndarray.testing import count_collectives

pytestmark = pytest.mark.filterwarnings("ignore:Level value")  # all that PyWavelets warns of is asked for here
COMM = dnd.get_comm()
RNG = np.random.default_rng(3)
MODE = "periodization"


def placed(value: np.ndarray, layout: Layout) -> dnd.DNDarray:
    part = value[tuple(slice(*interval) for interval in layout.box(COMM.rank))]
    return dnd.DNDarray(torch.from_numpy(part.copy()), layout, COMM)


def close(ours: dnd.DNDarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-10 * max(1.0, abs(theirs).max(initial=0.0)))


@given(st.data())
def test_any_layout_and_back(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * data.draw(st.integers(1, 3))))
    layout = data.draw(layouts(shape, COMM.size))
    wavelet = data.draw(st.sampled_from(["haar", "db2", "db5", "bior3.3"]))
    level = data.draw(st.integers(1, 4))
    value = np.random.default_rng(sum(shape)).normal(size=shape)
    ours = dnd.signal.wavedecn(placed(value, layout), wavelet, level=level)
    theirs = pywt.wavedecn(value, wavelet, MODE, level=level)
    close(ours[0], theirs[0])
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        assert mine.keys() == other.keys()
        for name in mine:
            close(mine[name], other[name])
    close(dnd.signal.waverecn(ours, wavelet), pywt.waverecn(theirs, wavelet, MODE))


@pytest.mark.parametrize("wavelet", [n for n in pywt.wavelist(kind="discrete") if n[-1] in "1369y"])
def test_all_families_of_filters(wavelet: str) -> None:
    value = RNG.normal(size=(37, 3))
    for like in (wavelet, pywt.Wavelet(wavelet), pywt.Wavelet(wavelet).filter_bank):
        ours = dnd.signal.wavedec(dnd.array(value, split=0), like, level=2, axis=0)
        theirs = pywt.wavedec(value, wavelet, MODE, 2, 0)
        for mine, other in zip(ours, theirs, strict=True):
            close(mine, other)
        close(dnd.signal.waverec(ours, like, axis=0), pywt.waverec(theirs, wavelet, MODE, 0))


@pytest.mark.parametrize("shape", [(3000,), (2, 700), (100, 3, 40), (40, 30, 70), (5, 400, 9)])
def test_all_kinds_of_blocks(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many and few blocks, before and behind the axis much and little, and products in several pieces."""
    value = RNG.normal(size=shape)
    for cached in (filter_banks.CACHED, 2**9):
        monkeypatch.setattr(filter_banks, "CACHED", cached)
        for axis in range(len(shape)):
            for dtype in (np.float64, np.complex128):
                z = value.astype(dtype) * (1 + 2j if dtype is np.complex128 else 1)
                ours = dnd.signal.wavedec(dnd.array(z, split=0), "db5", level=2, axis=axis)
                theirs = pywt.wavedec(z, "db5", MODE, 2, axis)
                for mine, other in zip(ours, theirs, strict=True):
                    close(mine, other)
                close(dnd.signal.waverec(ours, "db5", axis=axis), pywt.waverec(theirs, "db5", MODE, axis))


def test_coefficients_lie_where_their_samples_do() -> None:
    n, size = 21, COMM.size
    counts = [0] * (size - 1) + [n] if size > 1 else [n]
    for given_counts in ([n // size + (r < n % size) for r in range(size)], counts):
        x = dnd.array(RNG.normal(size=(n, 2)), split=0).redistribute(given_counts)
        low, high = dnd.signal.wavedec(x, "db3", level=1, axis=0)
        starts = np.cumsum([0, *given_counts])
        expected = tuple(sum(starts[r] <= 2 * k < starts[r + 1] for k in range((n + 1) // 2)) for r in range(size))
        assert low.layout.counts == high.layout.counts == (expected,)
        back = dnd.signal.waverec([low, high], "db3", axis=0)
        assert back.layout.counts == (tuple(2 * c for c in expected),)


@pytest.mark.skipif(COMM.size == 1, reason="one process sends nothing")
def test_what_is_sent() -> None:
    rows, columns = (dnd.array(RNG.normal(size=(64, 48, 3)), split=split) for split in (0, 1))
    for x, axes, calls in ((rows, (0, 1), 3), (columns, (0, 1), 3), (rows, (1, 2), 0), (rows, (0,), 3)):
        with count_collectives() as counted:
            coefficients = dnd.signal.wavedecn(x, "db5", level=3, axes=axes)
        assert counted.calls == ({"Alltoall": calls} if calls else {})
        with count_collectives() as counted:
            dnd.signal.waverecn(coefficients, "db5", axes=axes)
        assert counted.calls == ({"Alltoall": calls} if calls else {})
    if COMM.size % 2 == 0:
        both = dnd.array(RNG.normal(size=(64, 48)), split=(0, 1), grid=Grid((2, COMM.size // 2)))
        with count_collectives() as counted:
            dnd.signal.waverec2(dnd.signal.wavedec2(both, "db5", level=3), "db5")
        assert counted.calls == {"Alltoall": 12 if COMM.size > 2 else 6}


def test_energy_is_kept() -> None:
    x = dnd.array(RNG.normal(size=(32, 64)), split=0)
    approximation, *details = dnd.signal.wavedec2(x, "db4", level=3)
    energy = sum(float((c * c).sum()) for c in (approximation, *(c for level in details for c in level)))
    assert energy == pytest.approx(float((x * x).sum()), rel=1e-11)  # the filters' digits


def test_coefficients_in_other_layouts() -> None:
    value = RNG.normal(size=(22, 14))
    theirs = pywt.wavedec2(value, "db2", MODE, 2)
    approximation, *details = dnd.signal.wavedec2(dnd.array(value, split=0), "db2", level=2)
    mixed = [dnd.resplit(approximation, 1), *((h, dnd.resplit(v, 1), dnd.resplit(d, None)) for h, v, d in details)]
    close(dnd.signal.waverec2(mixed, "db2"), pywt.waverec2(theirs, "db2", MODE))


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_missing_coefficients_are_zero(missing: tuple[int, ...]) -> None:
    theirs = pywt.wavedec(RNG.normal(size=12), "db2", MODE, 2)
    ours = [None if i in missing else dnd.array(c, split=0) for i, c in enumerate(theirs)]
    theirs = [0 * c if i in missing else c for i, c in enumerate(theirs)]
    close(dnd.signal.waverec(ours, "db2"), pywt.waverec(theirs, "db2", MODE))


def test_gradients_are_the_adjoint() -> None:
    value, weight = RNG.normal(size=(2, 13, 6))
    x = dnd.array(value, split=0).requires_grad_()
    back = dnd.signal.waverec2(dnd.signal.wavedec2(x, "db3", level=2), "db3")
    assert back.shape == (14, 6)
    (back[:13] * dnd.array(weight, split=0)).sum().backward()
    close(x.grad, weight)  # back and forth is the identity
    rows = dnd.array(RNG.normal(size=(16, 4)), split=0).requires_grad_()
    loss = sum((c * c).sum() for c in dnd.signal.wavedec(rows, "db4", level=4, axis=0))
    loss.backward()
    close(rows.grad, 2 * rows.detach().numpy())  # energy is kept


def test_gradients_of_gradients() -> None:
    filters = filter_banks.Filters(*(tuple(f) for f in pywt.Wavelet("bior2.4").filter_bank))
    draw = torch.Generator().manual_seed(0)
    line = torch.randn(2, 6 + filters.taps - 2, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    pair = torch.randn(2, 1, 3 + 2 * (filters.taps // 4), 2, generator=draw, dtype=torch.float64, requires_grad=True)
    for function, x in ((filter_banks._Analysis, line), (filter_banks._Synthesis, pair)):
        assert torch.autograd.gradcheck(lambda t, f=function: f.apply(t, filters), x)
        assert torch.autograd.gradgradcheck(lambda t, f=function: f.apply(t, filters), x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: dnd.signal.wavedec2(x, "db2", "symmetric"), "periodization"),
        (lambda x: dnd.signal.wavedec2(x, "db2", level=-1), "negative"),
        (lambda x: dnd.signal.wavedec2(x, "db2", axes=(0, 0)), "ax"),
        (lambda x: dnd.signal.wavedec2(x, "db2", axes=(0,)), "must be 2"),
        (lambda x: dnd.signal.wavedec(x[0], "no such wavelet"), "wavelet"),
        (lambda x: dnd.signal.wavedec(x, [[1.0, 1.0], [1.0, -1.0]]), "four filters"),
        (lambda x: dnd.signal.dwtn(x, ["db1", "db2", "db3"]), "3 wavelets for 2 axes"),
        (lambda x: dnd.signal.dwtn(x[:0], "db1"), "no samples"),
        (lambda x: dnd.signal.idwtn({"aa": x, "ad": x[:1]}, "db1"), "one shape"),
        (lambda x: dnd.signal.idwtn({"aa": x, "b": x}, "db1"), "named by"),
        (lambda x: dnd.signal.idwtn({}, "db1"), "no coefficients"),
        (lambda x: dnd.signal.waverecn([], "db1"), "approximation"),
        (lambda x: dnd.signal.waverec([x, x[:, :1]], "db1"), "one shape"),
        (lambda x: dnd.signal.waverec([x, x, x], "db1"), "successive levels"),
        (lambda x: dnd.signal.waverec2([x, (x, x)], "db1"), "three details"),
        (lambda x: dnd.signal.waverecn([x, {"d": x}], "db1"), "as many letters"),
    ],
)
def test_bad_arguments(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(dnd.array(RNG.normal(size=(6, 5)), split=0))  # type: ignore[operator]
