"""uint16, uint32 and uint64, which torch stores and does not compute: the ends of their ranges, beside NumPy."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.testing import assert_array_equal, compare_part
from dndarray.unsigned import from_ordered, moved, to_ordered

SIZE = dnd.get_comm().size
WIDE = ["uint16", "uint32", "uint64"]
TORCHS = {name: getattr(torch, name) for name in WIDE}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """NumPy warns of division by zero and of overflow, which are meant here."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ends(name: str) -> np.ndarray:
    """What lies at the ends of the range, on both sides of its middle, and some between."""
    top = np.iinfo(name).max
    values = [
        0,
        1,
        2,
        3,
        7,
        10,
        255,
        top // 3,
        top // 2 - 1,
        top // 2,
        top // 2 + 1,
        top // 2 + 2,
        top - 2,
        top - 1,
        top,
    ]
    return np.array(values, dtype=name)


def wide(name: str, n: int = 200, seed: int = 0) -> np.ndarray:
    """Numbers of every width."""
    rng = np.random.default_rng(seed)
    bits = 8 * np.dtype(name).itemsize
    numbers = rng.integers(0, np.iinfo(name).max, n, dtype=name, endpoint=True)
    return (numbers >> rng.integers(0, bits, n).astype(name)).astype(name)


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    comm = dnd.get_comm()
    box = tuple(slice(*bounds) for bounds in layout.box(comm.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, comm)


EXACT = (
    "add subtract multiply floor_divide remainder fmod maximum minimum fmax fmin gcd lcm bitwise_and bitwise_or "
    "bitwise_xor left_shift right_shift power equal not_equal less less_equal greater greater_equal logical_xor divmod"
).split()


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("name", EXACT)
def test_every_pair_of_ends(name: str, dtype: str) -> None:
    x = np.concatenate([ends(dtype), wide(dtype, 30)])[:, None]
    y = np.concatenate([ends(dtype), wide(dtype, 30, 1)])
    if name == "power":
        y = np.concatenate([y[:7], y[-9:]])
    expected = getattr(np, name)(x, y)
    results = getattr(dnd, name)(dnd.array(x, split=0), dnd.array(y))
    for ours, theirs in zip(*((r if isinstance(r, tuple) else (r,)) for r in (results, expected)), strict=True):
        compare_part(ours, theirs, 0, 0, check_dtype=True)


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("name", "abs negative positive sign square invert bitwise_count isfinite signbit imag".split())
def test_of_each_end(name: str, dtype: str) -> None:
    compare_part(getattr(dnd, name)(dnd.array(ends(dtype), split=0)), getattr(np, name)(ends(dtype)), 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("word", "add sub mul floordiv mod and_ or_ xor lshift rshift truediv pow lt ge eq ne".split())
def test_operators_with_numbers(word: str, dtype: str) -> None:
    op, x = getattr(operator, word), ends(dtype)
    for number in (1, 3, 40):
        compare_part(op(dnd.array(x, split=0), number), op(x, number), 1e-15, 0, True)
        if word not in ("truediv", "lt", "ge", "eq", "ne"):
            compare_part(op(number, dnd.array(x, split=0)), op(number, x), 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("word", "iadd isub imul ifloordiv imod iand ior ixor ilshift irshift".split())
def test_operators_in_place(word: str, dtype: str) -> None:
    op, x, y = getattr(operator, word), ends(dtype), wide(dtype, 15)
    ours = dnd.array(x, split=0)
    memory = ours.larray.data_ptr()
    for other, theirs in ((3, 3), (dnd.array(y, split=0), y), (dnd.array(y % 5 + 1), (y % 5 + 1).astype(dtype))):
        ours, x = op(ours, other), op(x.copy(), theirs)
        compare_part(ours, x, 0, 0, True)
    assert ours.larray.data_ptr() == memory


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("signed", ["int8", "int64"])
def test_comparisons_with_signed_numbers_are_exact(signed: str) -> None:
    """Where the common type, float64, does not tell 2**63 from its neighbours."""
    info = np.iinfo(signed)
    x, y = ends("uint64")[:, None], np.array([info.min, -1, 0, 1, info.max - 1, info.max], dtype=signed)
    for op in COMPARISONS:
        compare_part(op(dnd.array(x, split=0), dnd.array(y)), op(x, y), 0, 0)
        compare_part(op(dnd.array(y), dnd.array(x, split=0)), op(y, x), 0, 0)


@pytest.mark.parametrize("dtype", [*WIDE, "uint8", "int8", "int64"])
def test_comparisons_with_numbers_beyond_the_type(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, 0, 1, info.max], dtype=dtype)
    for op, number in itertools.product(COMPARISONS, (info.min - 1, info.max + 1, -(10**30), 10**30)):
        compare_part(op(dnd.array(x, split=0), number), op(x, number), 0, 0)
        compare_part(op(number, dnd.array(x, split=0)), op(number, x), 0, 0)


@pytest.mark.parametrize("dtype", WIDE)
def test_numbers_beyond_the_type_raise(dtype: str) -> None:
    x = dnd.array(ends(dtype), split=0)
    for number in (-1, int(np.iinfo(dtype).max) + 1):
        for wrong in (lambda n: x + n, lambda n: n * x, lambda n: x.fill(n), lambda n: operator.iadd(x, n)):
            with pytest.raises(OverflowError, match="out of range"):
                wrong(number)
    with pytest.raises(OverflowError, match="out of range"):
        dnd.array(2**64)
    with pytest.raises(OverflowError, match="out of range"):
        dnd.array(-(2**63) - 1)
    assert dnd.array(2**64 - 1).item() == 2**64 - 1


ALONG = "sum prod min max ptp any all argmin argmax cumsum cumprod cummax cummin".split()


@pytest.mark.parametrize("dtype", WIDE)
@given(data=st.data())
def test_reductions_in_any_layout(dtype: str, data: st.DataObject) -> None:
    shape = data.draw(shapes().filter(lambda s: 0 not in s and len(s)))
    axis, name = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.sampled_from(ALONG))
    values = np.random.default_rng(len(shape)).choice(np.concatenate([ends(dtype), wide(dtype)]), shape)
    ours = placed(values, data.draw(layouts(shape, SIZE)))
    theirs = {"cummax": np.maximum.accumulate, "cummin": np.minimum.accumulate}.get(name) or getattr(np, name)
    compare_part(getattr(dnd, name)(ours, axis=axis), theirs(values, axis=axis), 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
def test_extremes_begin_at_an_initial_value(dtype: str) -> None:
    x = dnd.array(ends(dtype), split=0)
    for initial in (0, 5, int(np.iinfo(dtype).max)):
        for name in ("max", "min"):
            expected = getattr(np, name)(ends(dtype), initial=initial)
            assert getattr(dnd, name)(x, initial=initial).item() == expected
            masked = getattr(dnd, name)(x, initial=initial, where=x > 200)
            assert masked.item() == getattr(np, name)(ends(dtype), initial=initial, where=ends(dtype) > 200)


@pytest.mark.parametrize("dtype", WIDE)
def test_casts(dtype: str) -> None:
    x = ends(dtype)
    for other in ("bool", "int8", "uint8", "int64", *WIDE, "float32", "float64", "complex128"):
        compare_part(dnd.array(x, split=0).astype(other), x.astype(other), 0, 0, True)
        y = np.array([0, 1, 5, 100], other)
        compare_part(dnd.array(y, split=0).astype(dtype), y.astype(dtype), 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
@given(data=st.data())
def test_indexing_in_any_layout(dtype: str, data: st.DataObject) -> None:
    shape = data.draw(shapes().filter(lambda s: 0 not in s and len(s)))
    values = np.random.default_rng(1).choice(ends(dtype), shape)
    layout = data.draw(layouts(shape, SIZE))
    x, large = placed(values, layout), np.iinfo(dtype).max // 2
    for key in (
        (slice(None, None, -1),),
        (0,),
        (slice(1, None, 2),),
        (np.array([0, -1, 0]),),
        (..., slice(None, None, -1)),
    ):
        compare_part(x[key], values[key], 0, 0, True)
        changed, expected = x.copy(), values.copy()
        changed[key], expected[key] = large, large
        compare_part(changed, expected, 0, 0, True)
    compare_part(x[x > large], values[values > large], 0, 0, True)
    changed, expected = x.copy(), values.copy()
    changed[changed > large], expected[expected > large] = 7, 7
    changed[::-1], expected[::-1] = x, values
    compare_part(changed, expected, 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
def test_products(dtype: str) -> None:
    a, b = wide(dtype, 35).reshape(5, 7), wide(dtype, 28, 1).reshape(7, 4)
    for splits in itertools.product((None, 0, 1), repeat=2):
        compare_part(dnd.array(a, split=splits[0]) @ dnd.array(b, split=splits[1]), a @ b, 0, 0, True)


@pytest.mark.parametrize("dtype", WIDE)
def test_stand_ins_keep_the_order(dtype: str) -> None:
    x = torch.from_numpy(np.sort(ends(dtype)))
    ordered = to_ordered(x)
    assert bool((ordered[1:] > ordered[:-1]).all())
    assert torch.equal(from_ordered(ordered, x.dtype), x)
    assert moved(torch.flip, x, [0]).tolist() == ends(dtype)[::-1].tolist()


def test_sums_of_bytes_go_on() -> None:
    """Their type is uint64, as in NumPy, with which users then compute."""
    x = dnd.full((5,), 200, "uint8", split=0)
    total: Any = x.sum() + 1
    assert total.dtype is torch.uint64
    assert total.item() == 1001
    assert_array_equal(x / x.sum(), np.full(5, 0.2))


@pytest.mark.parametrize("dtype", WIDE)
def test_they_are_printed(dtype: str) -> None:
    assert str(np.iinfo(dtype).max) in repr(dnd.array(ends(dtype)))
    assert dnd.array(ends(dtype), split=0).tolist() == ends(dtype).tolist()
    assert dnd.arange(5, dtype=dtype, split=0).tolist() == list(range(5))
    assert dnd.linspace(0, 8, 5, dtype=dtype, split=0).dtype is TORCHS[dtype]
