"""The elementwise family: layouts, broadcasting, `out` and `where`, operators, and what is more than a ufunc."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.elementwise import FUNCTIONS
from dndarray.layout import Layout
from dndarray.methods import COMPARISONS, OPERATORS
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives
from dndarray.ufuncs import OPS, ORDERED

SIZE = dnd.get_comm().size


def numbers(shape: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 9, size=shape)


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """These values in any layout, which no function of users makes in one step."""
    comm = dnd.get_comm()
    box = tuple(slice(*bounds) for bounds in layout.box(comm.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, comm)


def unbalanced(values: np.ndarray, axis: int = 0) -> dnd.DNDarray:
    """All but a few leading indices of a split array."""
    extra = np.concatenate([np.take(values, [0] * 5, axis), values], axis)
    return dnd.array(extra, split=axis)[(slice(None),) * axis + (slice(5, None),)]


# --- layouts ----------------------------------------------------------------------------------------------------------


@st.composite
def operands(draw: st.DrawFn) -> list[tuple[np.ndarray, Layout]]:
    """Two or three arrays that broadcast together, in any layouts."""
    full = draw(shapes())
    result = []
    for seed in range(draw(st.integers(2, 3))):
        shape = [n if draw(st.integers(0, 3)) else 1 for n in full][draw(st.integers(0, len(full))) :]
        result.append((numbers(shape, seed), draw(layouts(shape, SIZE))))
    return result


@given(operands())
def test_any_layouts(pair: list[tuple[np.ndarray, Layout]]) -> None:
    arrays, expected = [placed(v, layout) for v, layout in pair], [v for v, _ in pair]
    ours, theirs = arrays[0], expected[0]
    for a, e in zip(arrays[1:], expected[1:], strict=True):
        with count_collectives() as traffic:
            ours = ours * a + dnd.maximum(ours, a)
        assert traffic.total <= 4  # two operations, each of which moves each of its operands at most once
        theirs = theirs * e + np.maximum(theirs, e)
    assert_array_equal(ours, theirs)
    for array, (values, layout) in zip(arrays, pair, strict=True):
        assert array.layout is layout  # operands stay where they are
        assert_array_equal(array, values)


@given(shapes().flatmap(lambda shape: st.tuples(st.just(shape), layouts(shape, SIZE))))
def test_operands_that_lie_alike_do_not_communicate(drawn: tuple[tuple[int, ...], Layout]) -> None:
    shape, layout = drawn
    x, y = placed(numbers(shape), layout), placed(numbers(shape, 1), layout)
    whole = dnd.array(numbers(shape, 2))
    with count_collectives() as traffic:
        result = dnd.exp(-x * y + 2) / (1 + abs(y)) + whole - np.float64(3)
    assert traffic.total == 0
    assert result.layout is layout or not layout.is_distributed
    expected = np.exp(-numbers(shape) * numbers(shape, 1) + 2) / (1 + numbers(shape, 1)) + numbers(shape, 2) - 3
    assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def test_unbalanced_operands_move_once() -> None:
    a, b = numbers((11, 3)), numbers((11, 3), 1)
    x, y = unbalanced(a), dnd.array(b, split=0)
    parts = dnd.array(b[slice(*x.layout.box(x.comm.rank)[0])], is_split=0)
    assert parts.layout is x.layout
    with count_collectives() as traffic:
        assert_same = x + parts
    assert traffic.total == 0
    with count_collectives() as traffic:
        moved = x + y
    assert traffic.total == (0 if x.layout is y.layout else 1)
    assert moved.layout is x.layout
    assert_array_equal(assert_same, a + b)
    assert_array_equal(moved, a + b)
    assert_array_equal(y * x[:, 0].reshape(11, 1), b * a[:, :1])


def test_a_row_times_a_column_is_split_on_both_axes() -> None:
    if SIZE < 4:
        pytest.skip("needs a grid of two rows and two columns")
    x = dnd.array(numbers((5, 1)), split=(0, None))
    y = dnd.array(numbers((1, 7)), split=(None, 1))
    with count_collectives() as traffic:
        result = x * y
    assert traffic.total == 0
    assert result.split == (0, 1)
    assert_array_equal(result, numbers((5, 1)) * numbers((1, 7)))


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ValueError, match=r"\(4,\), \(3,\) do not broadcast"):
        dnd.ones(4, split=0) + dnd.ones(3, split=0)


def test_another_communicator() -> None:
    if SIZE == 1:
        pytest.skip("needs two communicators")
    other = dnd.Communicator(dnd.get_comm().handle)
    with pytest.raises(ValueError, match="different communicators"):
        dnd.ones(4) + dnd.ones(4, comm=other)


# --- out and where ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("target", [None, 0, 1])
def test_out_keeps_its_layout_type_and_memory(split: int | None, target: int | None) -> None:
    x, y = numbers((5, 3)), numbers((5, 3), 1)
    out = dnd.zeros((5, 3), "float64", split=target)
    memory = out.larray.data_ptr()
    result = dnd.subtract(dnd.array(x, split=split), dnd.array(y, split=0), out=out)
    assert result is out
    assert (out.split, out.larray.data_ptr(), out.dtype) == (target, memory, torch.float64)
    assert_array_equal(out, x - y)
    single = dnd.zeros((5, 3), "float32", split=target)
    assert dnd.exp(dnd.array(x, split=split), single) is single
    assert_allclose(single, np.exp(x).astype(np.float32), rtol=1e-6)


def test_out_that_does_not_fit() -> None:
    x = dnd.ones(5, "float64", split=0)
    with pytest.raises(TypeError, match="cannot be stored in `out`"):
        dnd.exp(x, out=dnd.zeros(5, "int64", split=0))
    with pytest.raises(ValueError, match=r"`out` has shape \(4,\)"):
        dnd.exp(x, out=dnd.zeros(4, split=0))
    with pytest.raises(TypeError, match="must be a DNDarray"):
        dnd.exp(x, out=np.zeros(5))


@pytest.mark.parametrize(("split", "other"), [(None, 0), (0, None), (0, 1), (1, 0)])
def test_where_chooses_what_is_computed(split: int | None, other: int | None) -> None:
    x, mask = numbers((5, 3)), numbers((5, 3), 1) > 5
    out = np.full((5, 3), -1.0)
    expected = np.sqrt(x, where=mask, out=out.copy())
    ours = dnd.array(out, split=0)
    result = dnd.sqrt(dnd.array(x, split=split), out=ours, where=dnd.array(mask, split=other))
    assert result is ours
    assert_array_equal(result, expected)
    row = mask[0]
    summed = dnd.add(dnd.array(x, split=split), 1, where=dnd.array(row), out=dnd.array(out, split=0))
    assert_array_equal(summed, np.add(x, 1, where=row, out=out.copy()))
    assert_array_equal(dnd.sqrt(dnd.array(x, split=split), where=mask), np.where(mask, np.sqrt(x), 0))


def test_where_hides_nan() -> None:
    x = np.array([4.0, -1.0, np.nan, 9.0, -2.0])
    assert_array_equal(dnd.sqrt(dnd.array(x, split=0), where=x > 0), np.array([2.0, 0, 0, 3, 0]))


def test_dtype_says_in_which_type_to_compute() -> None:
    x = dnd.array(np.array([100, 100], np.int8), split=0)
    assert_array_equal(dnd.add(x, x, dtype="int32"), np.array([200, 200], np.int32))
    assert dnd.sin(x, dtype="float64").dtype is torch.float64


def test_functions_of_two_results() -> None:
    x, y = np.array([7.5, -7.5, 0.25, np.inf, -0.0]), np.array([2.0, 2, -3, 1, 1])
    ours = dnd.array(x, split=0)
    with np.errstate(invalid="ignore"):
        for results, expected in (
            (divmod(ours, dnd.array(y, split=0)), divmod(x, y)),
            (divmod(ours, 2), divmod(x, 2)),
            (divmod(7, dnd.array(y, split=0)), divmod(7, y)),
            (dnd.modf(ours), np.modf(x)),
            (dnd.frexp(ours), np.frexp(x)),
        ):
            assert len(results) == 2
            for result, right in zip(results, expected, strict=True):
                assert_array_equal(result, right, check_dtype=False)


def test_out_of_functions_of_two_results() -> None:
    x = numbers((5, 3))
    ours = dnd.array(x, split=0)
    outs = dnd.zeros((5, 3), "float64", split=1), dnd.zeros_like(ours)
    for function in (dnd.modf, np.modf):
        results = function(ours, out=outs)
        assert all(result is out for result, out in zip(results, outs, strict=True))
        for out, expected in zip(outs, np.modf(x), strict=True):
            assert_array_equal(out, expected)
    for wrong in (outs[1], outs[:1]):
        with pytest.raises(TypeError, match="tuple of 2 arrays"):
            dnd.modf(ours, out=wrong)


# --- operators --------------------------------------------------------------------------------------------------------

ARITHMETIC = [word for word in OPERATORS if word not in ("matmul", "divmod")]
BITS = ("and", "or", "xor", "lshift", "rshift")


def _values(word: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = numbers((5, 3)), numbers((5, 3), 1)
    return (x.astype(np.int64), y.astype(np.int64)) if word in BITS else (x, y)


def _python(word: str) -> Any:
    return getattr(operator, word + "_" if word in ("and", "or") else word)


@pytest.mark.parametrize("word", [*ARITHMETIC, *COMPARISONS])
def test_operators_with_everything_on_either_side(word: str) -> None:
    x, y = _values(word)
    op = _python(word)
    ours = dnd.array(x, split=0)
    row = y[0]
    for other in (dnd.array(y, split=1), y, torch.from_numpy(y), row, row.tolist(), tuple(row.tolist())):
        theirs = other.numpy() if isinstance(other, (dnd.DNDarray, torch.Tensor)) else np.asarray(other)
        for result, expected in ((op(ours, other), op(x, theirs)), (op(other, ours), op(theirs, x))):
            assert isinstance(result, dnd.DNDarray)
            assert result.split == 0 or isinstance(other, dnd.DNDarray)
            assert_allclose(result, expected, rtol=1e-6)  # lists of floats have torch's default type
    for scalar in (3, y.dtype.type(2), np.array(2, y.dtype)) + ((2.5,) if word not in BITS else (True,)):
        assert_allclose(op(ours, scalar), op(x, scalar), rtol=1e-12)
        assert_allclose(op(scalar, ours), op(scalar, x), rtol=1e-12)


def test_unary_operators() -> None:
    x = numbers((5, 3)) - 4
    ours = dnd.array(x, split=0)
    assert_array_equal(-ours, -x)
    assert_array_equal(+ours, +x)
    assert_array_equal(abs(ours), abs(x))
    assert_array_equal(~(ours > 0), ~(x > 0))
    assert_array_equal(~dnd.array(x.astype(int), split=1), ~x.astype(int))
    fresh = +ours
    fresh += 1
    assert_array_equal(ours, x)


@pytest.mark.parametrize("word", ARITHMETIC)
def test_operators_in_place_keep_object_layout_type_and_memory(word: str) -> None:
    x, y = _values(word)
    in_place = getattr(operator, f"i{word}")
    for split, other in itertools.product((0, 1, None), (0, 1, None)):
        for operand, theirs in ((dnd.array(y, split=other), y), (y[0], y[0]), (3, 3), (y.dtype.type(2), 2)):
            ours = dnd.array(x, split=split)
            before = (id(ours), ours.larray.data_ptr(), ours.layout, ours.dtype)
            ours = in_place(ours, operand)
            assert (id(ours), ours.larray.data_ptr(), ours.layout, ours.dtype) == before
            assert_allclose(ours, in_place(x.copy(), theirs), rtol=1e-12)


def test_matmul_in_place() -> None:
    a, b = numbers((4, 4)), numbers((4, 4), 1)
    x = dnd.array(a, split=0)
    before = id(x), x.layout, x.larray.data_ptr()
    x @= dnd.array(b, split=1)
    assert (id(x), x.layout, x.larray.data_ptr()) == before
    assert_allclose(x, a @ b, rtol=1e-12)


def test_operators_in_place_do_not_change_the_type() -> None:
    for dtype in ("float32", "float16", "int8", "int64", "complex64"):
        x = dnd.ones(5, dtype, split=0)
        x += 1
        x *= dnd.full(5, 2, dtype)
        assert x.dtype is getattr(torch, dtype)
        assert_array_equal(x, np.full(5, 4, dtype))
    single = dnd.ones(5, "float32", split=0)
    single += np.full(5, 0.5)  # of the same kind, though wider
    assert_array_equal(single, np.full(5, 1.5, np.float32))
    integers = dnd.arange(5, split=0)
    for other in (0.5, dnd.ones(5), np.ones(5)):
        with pytest.raises(TypeError, match="does not go into an array of torch.int64"):
            integers += other
    with pytest.raises(TypeError, match="does not go into"):
        integers /= 2
    integers //= 2
    integers **= 2
    assert_array_equal(integers, np.array([0, 0, 1, 1, 4]))


def test_floor_division_in_place_floors() -> None:
    """The in-place form once was looked up by the name of a function, and found another function's."""
    x = np.array([7.5, -7.5, 5.0])
    for word in ("floordiv", "mod", "pow"):
        for other in (2.0, dnd.full(3, 2.0, "float64"), np.full(3, 2.0)):
            ours = dnd.array(x, split=0)
            ours = getattr(operator, f"i{word}")(ours, other)
            assert_array_equal(ours, getattr(operator, word)(x, 2.0))


def test_operators_in_place_do_not_grow_the_array() -> None:
    x = dnd.ones((1, 3), split=1)
    with pytest.raises(ValueError, match=r"does not broadcast into one of shape \(1, 3\)"):
        x += dnd.ones((4, 3), split=0)


class Foreign:
    """Something that knows how to be combined with arrays."""

    __array_ufunc__ = None

    def __radd__(self, other: Any) -> str:
        return "added"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_foreign_types_have_their_say() -> None:
    x = dnd.ones(3, split=0)
    assert x + Foreign() == "added"
    assert (x == Foreign()) is True
    assert x.__add__("a") is NotImplemented
    assert x.__iadd__(None) is NotImplemented
    for wrong in ("a", None, {1: 2}, object()):
        with pytest.raises(TypeError, match="unsupported operand"):
            x + wrong
        with pytest.raises(TypeError, match="unsupported operand"):
            wrong - x
    assert (x == "a") is False
    assert (x != None) is True  # noqa: E711
    with pytest.raises(TypeError, match="not supported between"):
        _ = x < "a"
    with pytest.raises(TypeError):
        dnd.add(x, "a")


def test_a_list_that_makes_no_array() -> None:
    with pytest.raises(TypeError, match="unequal or unknown parts"):
        dnd.ones(3) + [1, None, 4]
    with pytest.raises(ValueError, match="inhomogeneous"):
        dnd.ones(3) + [1, [2, 3], 4]


# --- views ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0, 1])
def test_views_share_memory(split: int | None) -> None:
    a = numbers((7, 4))
    x = dnd.array(a, split=split)
    for view in (lambda v: v[2:5], lambda v: v.T, lambda v: v[:, 1:2], lambda v: v[::2, None, 1:3], lambda v: v[...]):
        part = view(x)
        part += 10
        view(a)[...] += 10
        assert_array_equal(x, a)
    x[1:6] *= 2
    a[1:6] *= 2
    assert_array_equal(x, a)
    whole = dnd.array(a)
    memory = whole.larray.data_ptr()
    dealt = whole.resplit(0)
    dealt += 1
    assert_array_equal(whole, a)
    assert whole.larray.data_ptr() == memory


def test_real_and_imaginary_parts_are_views_of_complex_arrays() -> None:
    a = numbers((5, 2)) + 1j
    x = dnd.array(a, split=0)
    x.real[1:3] = 7
    a.real[1:3] = 7
    assert_array_equal(x, a)
    y = dnd.array(a.real, split=0)
    assert_array_equal(y.imag, np.zeros((5, 2)))
    assert_array_equal(x.real, a.real)


# --- what is more than a ufunc ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0, 1])
def test_clip(split: int | None) -> None:
    a = numbers((5, 3))
    a[1, 1], low, high = np.nan, numbers(3, 1), numbers((5, 1), 2)
    x = dnd.array(a, split=split)
    for lower, upper in ((2, 6), (None, 4.5), (3, None), (low, high), (low, None)):
        expected = np.clip(a, lower, upper)
        arrays = [v if not isinstance(v, np.ndarray) else dnd.array(v, split=0) for v in (lower, upper)]
        assert_array_equal(dnd.clip(x, *arrays), expected)
    assert_array_equal(x.clip(2, 6), np.clip(a, 2, 6))
    assert_array_equal(x.clip(max=4), np.clip(a, None, 4))
    out = dnd.zeros((5, 3), "float64", split=0)
    assert dnd.clip(x, 2, 6, out=out) is out
    assert_array_equal(out, np.clip(a, 2, 6))
    assert dnd.clip(dnd.ones(3, "int8", split=0), 0, 1000).dtype is torch.int8
    assert_array_equal(dnd.clip(dnd.arange(5, split=0), 1, 3), np.clip(np.arange(5), 1, 3))
    fresh = dnd.clip(x)
    fresh += 1
    assert_array_equal(x, a)


@pytest.mark.parametrize("split", [None, 0])
def test_round(split: int | None) -> None:
    a = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1234.5678, -0.05, np.inf, np.nan])
    x = dnd.array(a, split=split)
    for decimals in (0, 1, 2, -2):
        assert_allclose(dnd.round(x, decimals), np.round(a, decimals), rtol=1e-15)
    assert_array_equal(x.round(), np.round(a))
    assert_array_equal(dnd.round(x, out=dnd.zeros(len(a), "float64", split=0)), np.round(a))
    integers = np.array([149, 150, 151, 250, -150, -151])
    for decimals in (0, 1, -2):
        assert_array_equal(dnd.round(dnd.array(integers, split=split), decimals), np.round(integers, decimals))
    complex_ = np.array([1.234 + 5.678j, -0.5 + 1.5j])
    assert_allclose(dnd.round(dnd.array(complex_, split=split), 1), np.round(complex_, 1), rtol=1e-15)


@pytest.mark.parametrize("name", sorted(ORDERED - {"i0"}))
def test_complex_numbers_have_no_order(name: str) -> None:
    x = dnd.ones((1, 3), split=0) * 1j  # only one process has elements
    operands = [x] * OPS[name].nin
    with pytest.raises(TypeError, match=f"{name} takes real numbers, not torch.complex64; take real parts or absolute"):
        FUNCTIONS[name](*operands)
    if OPS[name].nin == 2:
        with pytest.raises(TypeError, match="takes real numbers"):
            FUNCTIONS[name](x, 2.0)


def test_integers_are_not_set_to_what_is_none() -> None:
    x = dnd.arange(6, split=0).reshape(3, 2)
    for value, error in ((np.nan, ValueError), (np.inf, OverflowError), (np.float64("nan"), ValueError)):
        for call in (
            lambda v: x.__setitem__(0, v),
            lambda v: x.__setitem__(x > 2, v),
            x.fill,
            lambda v: dnd.full(3, v, dtype=int, split=0),
        ):
            with pytest.raises(error, match="NaN is no element|out of range"):
                call(value)
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("split", [None, 0])
def test_nan_to_num(split: int | None) -> None:
    for dtype in ("float32", "float64", "complex128"):
        a = np.array([np.nan, np.inf, -np.inf, 1.5, 0]).astype(dtype)
        x = dnd.array(a, split=split)
        assert_array_equal(dnd.nan_to_num(x), np.nan_to_num(a))
        assert_array_equal(dnd.nan_to_num(x, 7.0, 1.0, -1.0), np.nan_to_num(a, nan=7, posinf=1, neginf=-1))
    assert_array_equal(dnd.nan_to_num(dnd.arange(3, split=split)), np.arange(3))


@pytest.mark.parametrize(("split", "other"), [(None, None), (0, 0), (0, 1), (1, None)])
def test_isclose_and_allclose(split: int | None, other: int | None) -> None:
    a = numbers((5, 3))
    b = a * (1 + 1e-6)
    b[2, 2], a[0, 1], b[0, 1], a[4, 0], b[4, 0] = 0, np.nan, np.nan, np.inf, np.inf
    x, y = dnd.array(a, split=split), dnd.array(b, split=other)
    for options in ({}, {"rtol": 1e-9}, {"atol": 100}, {"equal_nan": True}):
        assert_array_equal(dnd.isclose(x, y, **options), np.isclose(a, b, **options))
        assert dnd.allclose(x, y, **options) is np.allclose(a, b, **options)
    assert dnd.allclose(x, x, equal_nan=True) is True
    assert dnd.allclose(dnd.arange(5, split=0), [0, 1, 2, 3, 4]) is True
    assert_array_equal(dnd.isclose(dnd.arange(3, split=0), 1), np.isclose(np.arange(3), 1))
    assert_array_equal(dnd.isclose(dnd.ones(3, "complex128", split=0), 1 + 1e-12j), np.full(3, True))


@pytest.mark.parametrize(("split", "other"), [(None, None), (0, 0), (0, 1), (1, None)])
def test_array_equal(split: int | None, other: int | None) -> None:
    a = numbers((5, 3))
    x, y = dnd.array(a, split=split), dnd.array(a, split=other)
    assert dnd.array_equal(x, y) is True
    y[4, 2] = np.nan
    assert dnd.array_equal(x, y) is False
    assert dnd.array_equal(y, y) is False
    assert dnd.array_equal(y, y, equal_nan=True) is True
    assert dnd.array_equal(x, x[:4]) is False
    assert dnd.array_equal(x[:0], x[5:]) is True
    assert dnd.array_equal(dnd.arange(3, split=0), [0, 1, 2]) is True
    assert dnd.array_equal(dnd.arange(3, split=0), dnd.arange(3.0)) is True
    assert dnd.array_equiv(dnd.ones((5, 3), split=split), dnd.ones(3, split=0)) is True
    assert dnd.array_equiv(x, dnd.ones(4)) is False


@pytest.mark.parametrize(("split", "other"), [(None, 0), (0, None), (0, 1), (1, 0)])
def test_where_function(split: int | None, other: int | None) -> None:
    a, b = numbers((5, 3)), numbers(3, 1)
    x, condition = dnd.array(a, split=split), dnd.array(a > 4, split=other)
    assert_array_equal(dnd.where(condition, x, b), np.where(a > 4, a, b))
    assert_array_equal(dnd.where(condition, x, 0), np.where(a > 4, a, 0))
    assert_array_equal(dnd.where(condition, 1, 2), np.where(a > 4, 1, 2))
    assert_array_equal(dnd.where(a > 4, x, dnd.array(b, split=0)), np.where(a > 4, a, b))
    assert dnd.where(condition, dnd.ones((5, 3), "float32", split=split), 1.5).dtype is torch.float32
    with np.errstate(invalid="ignore"):
        assert_array_equal(dnd.where(condition, dnd.log(4 - x), x), np.where(a > 4, np.log(4 - a), a))
    for found, expected in zip(dnd.where(condition), np.where(a > 4), strict=True):
        assert_array_equal(found, expected)
    with pytest.raises(TypeError, match="both `x` and `y`"):
        dnd.where(condition, x)


def test_every_function_says_what_it_does() -> None:
    from dndarray.elementwise import FUNCTIONS
    from dndarray.ufuncs import OPS

    for name, op in OPS.items():
        assert all(FUNCTIONS[alias] is FUNCTIONS[name] for alias in op.aliases)
        assert FUNCTIONS[name].__name__ == name
        assert op.summary in (FUNCTIONS[name].__doc__ or "")
