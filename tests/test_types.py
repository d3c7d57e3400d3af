"""Types: every function of the elementwise table in every type and pair of types, reductions, and promotion.

NumPy says what type and values a result has. What it computes and torch does not is in the tables `CANNOT`,
`OTHER_TYPE` and `OTHER_VALUES`, which may only shrink: an entry that is no longer true fails its test.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray.testing import assert_allclose, assert_array_equal, compare_part
from dndarray.types import TYPES, floating_of, numpy_dtype, weak_type
from dndarray.ufuncs import OPS

SIGNED, UNSIGNED = ["int8", "int16", "int32", "int64"], ["uint8", "uint16", "uint32", "uint64"]
REAL, COMPLEX = ["float16", "float32", "float64"], ["complex64", "complex128"]
NAMES = ["bool", *SIGNED, *UNSIGNED, *REAL, *COMPLEX]

CANNOT: dict[str, dict[str, list[str]]] = {
    "torch has no order of complex numbers, NumPy a lexicographic one": {
        name: COMPLEX
        for name in (
            "maximum minimum fmax fmin less less_equal greater greater_equal "
            "min max nanmin nanmax ptp argmin argmax nanargmin nanargmax"
        ).split()
    },
}
"""What torch cannot do, by reason and function: the types in which it would compute."""

OTHER_TYPE: dict[str, tuple[set[str], str]] = {
    **dict.fromkeys(
        "arctan2 hypot logaddexp logaddexp2 copysign nextafter heaviside".split(),
        ({"int8 uint8", "int8 uint16", "int16 uint16"}, "the floating type of the common type; NumPy's of each"),
    ),
}
"""Where the type is another than NumPy's: operand types, in any order, and why."""

OTHER_VALUES: dict[str, str] = {
    "add": "torch multiplies the second operand by 1 + 0j, and infinity by that is NaN",
    "subtract": "torch multiplies the second operand by 1 + 0j, and infinity by that is NaN",
    "sign": "torch divides infinity by its absolute value",
    "power": "torch computes exp(y log x), which is NaN for x = 0 and for infinite x",
    "float_power": "torch computes exp(y log x), which is NaN for x = 0 and for infinite x",
}
"""Where torch's complex arithmetic gives other values for zero and infinity, and why."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """NumPy warns of overflow and of invalid values, which are meant here."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        yield


def reason_why_not(name: str, computed: str) -> str | None:
    return next((why for why, listed in CANNOT.items() if computed in listed.get(name, ())), None)


FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.25, 7.0, math.inf, -math.inf, math.nan]


def values(name: str, special: bool = True) -> np.ndarray:
    """The smallest, the largest and some others, with `special` also zero and what is not finite."""
    dtype = np.dtype(name)
    if dtype.kind == "b":
        return np.array([True, False, True]) | (not special)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        integers = np.array([0, 1, 2, 3, 7, 5, info.max, info.min, info.max // 2, max(info.min, -1)], dtype=dtype)
        return integers if special else integers[integers != 0]
    floats = FLOATS if special else [0.5, 1.0, -1.0, 2.5, -3.25]
    if dtype.kind == "f":
        return np.array(floats, dtype=dtype)
    return np.array([complex(a, b) for a in floats for b in floats], dtype=dtype)


SMALL_SECOND = {
    "power": (0, 6),  # negative integer powers raise
    "float_power": (0, 6),
    "left_shift": (0, 6),  # beyond the width of the type processors differ
    "right_shift": (0, 6),
    "ldexp": (-5, 5),
}
"""Bounds of integers as second operands."""


@functools.cache
def operand(dtype: str, special: bool, bounds: tuple[int, int] | None, first: bool) -> tuple[np.ndarray, dnd.DNDarray]:
    """A column that is split, or a row that is not; made once, since to make an array is collective."""
    x = values(dtype, special)
    if bounds is not None and x.dtype.kind in "iu":
        x = np.clip(x.astype(np.float64), *bounds).astype(dtype)
    x = x[:, None] if first else x
    return x, dnd.array(x, split=0 if first else None)


def _numpys(name: str, *operands: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """What NumPy computes, or None if it does not."""
    try:
        results = getattr(np, name)(*operands)
    except TypeError:
        return None
    return results if isinstance(results, tuple) else (results,)


def _tolerance(dtype: np.dtype) -> float:
    return {"float16": 4e-3, "float32": 2e-5, "complex64": 2e-5}.get(str(dtype), 1e-12)


def _compare(name: str, arrays: list[dnd.DNDarray], expected: tuple[np.ndarray, ...]) -> None:
    """Our result's types and values are the expected ones; or the table says that there is none."""
    types = [str(x.dtype).removeprefix("torch.") for x in arrays]
    if reason_why_not(name, str(np.result_type(*types))) is not None:
        # These types of torch's say themselves that they have no such kernel.
        with pytest.raises((NotImplementedError, RuntimeError, TypeError)):
            getattr(dnd, name)(*arrays)
        return
    results = getattr(dnd, name)(*arrays)
    listed, _ = OTHER_TYPE.get(name, (set(), ""))
    elsewhere = " ".join(sorted(types)) in listed
    for result, right in zip(results if isinstance(results, tuple) else (results,), expected, strict=True):
        dtype = numpy_dtype(result.dtype)
        assert (dtype == right.dtype) != elsewhere, f"{name} of {types} is {dtype}, NumPy's {right.dtype}"
        _assert_close(result, right)


def _assert_close(result: dnd.DNDarray, expected: np.ndarray) -> None:
    """Local. Complex numbers part by part, but where a part is NaN the other one may be anything."""
    tolerance = _tolerance(expected.dtype)
    if expected.dtype.kind == "c":
        local = result.larray.resolve_conj().numpy()
        box = tuple(slice(*bounds) for bounds in result.layout.box(result.comm.rank))
        missing = np.isnan(expected[box])
        assert (np.isnan(local) == missing).all()
        ours, theirs = (np.where(missing, 0, v) for v in (local, expected[box]))
        finite = np.isfinite(theirs)
        np.testing.assert_allclose(ours[finite], theirs[finite], rtol=tolerance, atol=tolerance)
        for part in ("real", "imag"):
            np.testing.assert_allclose(getattr(ours[~finite], part), getattr(theirs[~finite], part), rtol=tolerance)
    else:
        compare_part(result, expected, rtol=tolerance, atol=tolerance if expected.dtype.kind == "f" else 0)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.nin == 1])
def test_unary(name: str) -> None:
    compared = 0
    for dtype in NAMES:
        special = name not in OTHER_VALUES or "complex" not in dtype
        if name == "reciprocal" and np.dtype(dtype).kind in "iu":
            special = False  # NumPy's 1 / 0 depends on the processor; ours is tested below
        x, ours = operand(dtype, special, None, True)
        if name == "spacing":  # NumPy's has the sign of x, but not in half precision
            x = np.array([[0.5], [1], [3], [7]]).astype(dtype)
            ours = dnd.array(x, split=0)
        expected = _numpys(name, x)
        if expected is not None:
            _compare(name, [ours], expected)
            compared += 1
    assert compared > 0


def pairs(name: str) -> list[tuple[str, str]]:
    """All pairs of types, on several ranks dealt out over the runs."""
    size = dnd.get_comm().size
    return list(itertools.product(NAMES, NAMES))[(len(name) % size) :: size]


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.nin == 2])
def test_binary(name: str) -> None:
    compared = 0
    for first, second in pairs(name):
        special = name not in OTHER_VALUES or "complex" not in first + second
        x, ours = operand(first, special, None, True)
        y, other = operand(second, special, SMALL_SECOND.get(name), False)
        expected = _numpys(name, x, y)
        if expected is not None:
            _compare(name, [ours, other], expected)
            compared += 1
    assert compared > 0


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_the_table_of_other_values_holds(name: str) -> None:
    operands = [a.reshape(-1) for a in np.meshgrid(*[values("complex128")] * OPS[name].nin)]
    (expected,) = _numpys(name, *operands)  # type: ignore[misc]
    with pytest.raises(AssertionError):
        assert_allclose(getattr(dnd, name)(*map(dnd.array, operands)), expected, rtol=1e-12, atol=1e-12)


def test_the_tables_name_functions_that_exist() -> None:
    listed = {name for table in CANNOT.values() for name in table} | set(OTHER_TYPE) | set(OTHER_VALUES)
    assert all(hasattr(dnd, name) for name in listed)


# --- bfloat16, which NumPy does not have ------------------------------------------------------------------------------


def test_bfloat16_is_computed_as_torch_does() -> None:
    x = torch.tensor([0.5, 1.0, 0.25, 0.75, 1.0, 0.125], dtype=torch.bfloat16)
    ours = dnd.array(x, split=0)
    for name, op in OPS.items():
        if op.kind in ("bits", "shift", "logical"):
            continue
        theirs = getattr(torch, name, op.fn) if op.kind in ("float", "real", "divide") else op.fn
        expected = theirs(*[x] * op.nin)
        results = getattr(dnd, name)(*[ours] * op.nin)
        for result, right in zip(*((r if isinstance(r, tuple) else (r,)) for r in (results, expected)), strict=True):
            assert result.dtype is right.dtype, name
            compare_part(result, right.float() if right.dtype is torch.bfloat16 else right, 0, 0)


def test_bfloat16_promotes_as_in_torch() -> None:
    for name, other in TYPES.items():
        assert dnd.promote_types("bfloat16", name) is torch.promote_types(torch.bfloat16, other)
        assert dnd.promote_types(other, "bfloat16") is torch.promote_types(torch.bfloat16, other)


# --- special values ---------------------------------------------------------------------------------------------------


def test_integers_divided_by_zero_give_zero() -> None:
    for dtype in [*SIGNED, *UNSIGNED]:
        x = dnd.array(values(dtype), split=0)
        zeros = np.zeros(len(x), dtype)
        for name in ("floor_divide", "remainder", "fmod"):
            assert_array_equal(getattr(dnd, name)(x, 0), zeros)
            assert_array_equal(getattr(dnd, name)(x, dnd.zeros_like(x)), zeros)
        assert all((part == dnd.zeros_like(x)).all() for part in divmod(x, 0))


def test_the_smallest_integer_by_minus_one() -> None:
    """Which does not fit the type: NumPy wraps around, the processor (and torch) ends the process."""
    for dtype in SIGNED:
        x = np.array([np.iinfo(dtype).min, 6], dtype=dtype)
        ours = dnd.array(x, split=0)
        for name in ("floor_divide", "remainder", "fmod", "gcd", "lcm"):
            assert_array_equal(getattr(dnd, name)(ours, -1), getattr(np, name)(x, np.array(-1, dtype=dtype)))
        assert_array_equal(-ours, -x)
        assert_array_equal(abs(ours), abs(x))


def test_the_reciprocal_of_integers_is_their_own() -> None:
    for dtype in [*SIGNED, *UNSIGNED]:
        x = dnd.array(np.array([0, 1, 2, 5], dtype=dtype), split=0)
        assert_array_equal(dnd.reciprocal(x), np.array([0, 1, 0, 0], dtype=dtype))


def test_true_division_of_integers() -> None:
    x, y = np.array([1, -1, 0, 2**53 + 1]), np.array([0, 0, 0, 3])
    assert_array_equal(dnd.array(x, split=0) / dnd.array(y, split=0), x / y)
    assert (dnd.array([1], dtype="int64") / dnd.array([3], dtype="int64")).dtype is torch.float64


@pytest.mark.parametrize("dtype", REAL)
def test_the_sign_of_zero_survives(dtype: str) -> None:
    x = np.array([0.0, -0.0], dtype=dtype)
    for name in ("negative", "positive", "abs", "sqrt", "trunc", "rint", "sin", "arctan", "cbrt", "conj", "angle"):
        result = getattr(dnd, name)(dnd.array(x, split=0))
        assert_array_equal(dnd.signbit(result), np.signbit(getattr(np, name)(x)))
    assert_array_equal(1 / dnd.array(x, split=0), 1 / x)
    assert_array_equal(dnd.signbit(dnd.array(x, split=0) + 0.0), np.signbit(x + 0.0))


def test_negative_powers_of_integers() -> None:
    """They raise on every rank, as in NumPy, whoever has the negative one."""
    x = dnd.arange(1, 9, split=0)
    for exponent in (-1, dnd.array(-1), np.int64(-1), dnd.array([-1, 2, 1, 1, 1, 1, 1, 1], split=0)):
        with pytest.raises(ValueError, match="negative integer power"):
            x**exponent
    with pytest.raises(ValueError, match="negative integer power"):
        dnd.arange(1, 9, dtype="int8") ** -2
    assert_array_equal(x ** dnd.array([0, 2, 1, 1, 1, 1, 1, 1], split=0), np.array([1, 4, 3, 4, 5, 6, 7, 8]))
    assert_allclose(x**-1.0, 1 / np.arange(1.0, 9))


# --- scalars and 0-d arrays -------------------------------------------------------------------------------------------

SCALARS: list[Any] = [True, 2, 1.5, 1j]


@pytest.mark.parametrize("scalar", SCALARS)
def test_python_scalars_have_no_width(scalar: Any) -> None:
    for dtype in NAMES:
        x = np.array([1, 0, 1]).astype(dtype)
        ours = dnd.array(x, split=0)
        computed = weak_type(TYPES[dtype], type(scalar))
        for result, right in ((ours + scalar, x + scalar), (scalar + ours, scalar + x), (ours * scalar, x * scalar)):
            assert result.dtype is computed, dtype
            compare_part(result, right.astype(numpy_dtype(computed)), 0, 0)


def test_the_type_of_python_scalars_beside_arrays() -> None:
    def sums(dtype: str, scalar: Any) -> torch.dtype:
        return (dnd.ones(3, dtype, split=0) + scalar).dtype

    assert sums("float32", 1.0) is torch.float32
    assert sums("float16", 1.0) is torch.float16
    assert sums("bfloat16", 1) is torch.bfloat16
    assert sums("int8", 1) is torch.int8
    assert sums("bool", 1) is torch.int64
    assert sums("int64", 1.5) is torch.float64
    assert sums("int32", 1.5) is torch.float64
    assert sums("int8", 1.5) is sums("bool", 1.5) is torch.get_default_dtype()
    assert sums("float32", 1j) is torch.complex64
    assert sums("float64", 1j) is torch.complex128


def test_python_integers_that_do_not_fit_the_type() -> None:
    big = 2**40
    for dtype in ("int8", "uint8", "int16", "int32"):
        x = dnd.ones(3, dtype, split=0)
        with pytest.raises(OverflowError, match="out of range"):
            x + big
        compare_part(x < big, np.full(3, True), 0, 0)
        compare_part(big == x, np.full(3, False), 0, 0)
        compare_part(x > -big, np.full(3, True), 0, 0)


def test_arrays_without_axes_promote_as_arrays() -> None:
    for dtype, zero in itertools.product(NAMES, NAMES):
        x, y = np.ones(5, dtype), np.array(1).astype(zero)
        if reason_why_not("add", str(np.result_type(x, y))) is None:
            ours = dnd.ones(5, dtype, split=0)
            for other in (dnd.ones((), zero), y, torch.tensor(1, dtype=TYPES[zero])):
                compare_part(ours + other, x + y, 0, 0, check_dtype=True)
                compare_part(other + ours, y + x, 0, 0, check_dtype=True)


# --- reductions and scans ---------------------------------------------------------------------------------------------

REDUCTIONS = (
    "sum prod min max all any mean var std nansum nanprod nanmin nanmax nanmean nanvar nanstd count_nonzero ptp "
    "argmax argmin nanargmax nanargmin cumsum cumprod"
).split()


@functools.cache
def _matrix(dtype: str) -> tuple[np.ndarray, dnd.DNDarray]:
    x = np.array([[3, 1, 2], [1, 1, 0], [0, 2, 1], [1, 0, 2], [1, 1, 1]]).astype(dtype)
    return x, dnd.array(x, split=0)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    for dtype in NAMES:
        x, ours = _matrix(dtype)
        for axis in (None, 1):
            try:
                expected = getattr(np, name)(x, axis=axis)
            except TypeError:
                continue
            if reason_why_not(name, dtype):
                with pytest.raises(TypeError, match="needs an order"):
                    getattr(dnd, name)(ours, axis=axis)
                continue
            result = getattr(dnd, name)(ours, axis=axis)
            assert result.dtype is dnd.types.as_dtype(np.asarray(expected).dtype), (name, dtype)
            compare_part(result, expected, rtol=_tolerance(np.asarray(expected).dtype), atol=0)


def test_the_types_of_sums_and_means() -> None:
    sums = {d: dnd.ones(5, d, split=0).sum().dtype for d in TYPES}
    assert sums["bool"] is sums["int8"] is sums["int32"] is sums["int64"] is torch.int64
    assert sums["uint8"] is sums["uint16"] is sums["uint64"] is torch.uint64
    assert all(sums[d] is TYPES[d] for d in ("float16", "bfloat16", "float32", "complex64"))
    assert dnd.ones(5, "int32", split=0).mean().dtype is torch.float64
    assert dnd.ones(5, "complex64", split=0).var().dtype is torch.float32


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "mean"])
def test_reductions_in_another_type(name: str) -> None:
    x = np.array([[3, 1, 2], [1, 1, 0], [0, 2, 1], [1, 1, 2], [100, 100, 1]])
    ours = dnd.array(x, split=0)
    for dtype in ("int8", "int32", "uint8", "uint64", "float16", "float32", "float64", "complex64"):
        if name == "mean" and np.dtype(dtype).kind in "iu":
            continue  # NumPy divides in integers
        for axis in (None, 1):
            expected = getattr(np, name)(x, axis=axis, dtype=dtype)
            result = getattr(dnd, name)(ours, axis=axis, dtype=dtype)
            compare_part(result, expected, rtol=_tolerance(np.asarray(expected).dtype), atol=0, check_dtype=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_reduced_in_single(dtype: torch.dtype) -> None:
    """No partial sum or product overflows or stands still where the whole does not, on any number of ranks."""
    ones = dnd.ones(4099, dtype, split=0)
    assert ones.sum().item() == torch.tensor(4099.0, dtype=dtype).item()
    assert ones.mean().item() == 1
    large = 6e4
    x = dnd.array(torch.tensor([large] * 4 + [-large] * 4, dtype=dtype), split=0)
    assert x.sum().item() == 0
    assert x.mean().item() == 0
    assert x.sum().dtype is dtype
    big, small = 2.0**10, 2.0**-10
    y = dnd.array(torch.tensor([big] * 12 + [small] * 12, dtype=torch.float32), split=0).astype(dtype)
    assert (y.prod().item() == 1) or dtype is torch.float16
    assert x.max().item() == torch.tensor(large, dtype=dtype).item()
    assert x.argmin().item() == 4


def test_sums_of_integers_wrap_around_as_numpys() -> None:
    for dtype in ("int64", "uint64"):
        x = np.array([np.iinfo(dtype).max] * 5, dtype=dtype)
        assert_array_equal(dnd.array(x, split=0).sum(), x.sum())
        assert_array_equal(dnd.array(x, split=0).cumsum(), x.cumsum())
    assert_array_equal(dnd.full(1000, 255, "uint8", split=0).sum(), np.uint64(255000))


# --- dtypes -----------------------------------------------------------------------------------------------------------


def test_as_dtype_takes_every_name_of_a_type() -> None:
    for name in NAMES:
        ours = getattr(dnd, name)
        assert ours is getattr(torch, name)
        for form in (name, ours, np.dtype(name), np.dtype(name).type, np.dtype(name).str):
            assert dnd.types.as_dtype(form) is ours
        assert numpy_dtype(ours) == np.dtype(name)


def test_as_dtype_of_python_types() -> None:
    assert dnd.types.as_dtype(bool) is torch.bool
    assert dnd.types.as_dtype(int) is torch.int64
    assert dnd.types.as_dtype("bfloat16") is torch.bfloat16
    for default, complex_ in ((torch.float32, torch.complex64), (torch.float64, torch.complex128)):
        before = torch.get_default_dtype()
        torch.set_default_dtype(default)
        try:
            assert dnd.types.as_dtype(float) is default
            assert dnd.types.as_dtype(complex) is complex_
            assert dnd.zeros(3, split=0).dtype is default
            assert dnd.array([1.5]).dtype is default
            assert (dnd.ones(3, "int8", split=0) + 1.5).dtype is default
            assert dnd.array(np.ones(2)).dtype is torch.float64
        finally:
            torch.set_default_dtype(before)
    for wrong in ("float33", object, "U5", 7, [1]):
        with pytest.raises(TypeError, match="must be one of"):
            dnd.types.as_dtype(wrong)
    with pytest.raises(TypeError, match="no torch.bfloat16"):
        numpy_dtype(torch.bfloat16)


def test_promotion_is_numpys() -> None:
    for first, second in itertools.product(NAMES, NAMES):
        expected = dnd.types.as_dtype(np.promote_types(first, second))
        assert dnd.promote_types(first, second) is expected
        assert dnd.result_type(first, TYPES[second]) is expected
        assert dnd.result_type(dnd.zeros(2, first), np.zeros(2, second)) is expected
        for casting in ("no", "equiv", "safe", "same_kind", "unsafe"):
            assert dnd.can_cast(first, second, casting) == np.can_cast(first, second, casting), (second, casting)
            assert dnd.can_cast(dnd.zeros(2, first), second, casting) == np.can_cast(first, second, casting)


def test_result_type_of_several() -> None:
    assert dnd.result_type("int8", "uint8", "float32") is torch.float32
    assert dnd.result_type(dnd.zeros(2, "int8"), 1, 1.5) is torch.get_default_dtype()
    assert dnd.result_type(dnd.zeros(2, "float64"), 1, 1j) is torch.complex128
    assert dnd.result_type(1, True) is torch.int64
    assert dnd.result_type("bfloat16", 1.0) is torch.bfloat16


KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]


def test_isdtype_is_numpys() -> None:
    for name in NAMES:
        for kind in KINDS:
            assert dnd.isdtype(name, kind) == np.isdtype(np.dtype(name), kind), kind
        assert dnd.isdtype(name, ("bool", "numeric"))
        assert dnd.isdtype(name, name)
        assert not dnd.isdtype(name, "float64" if name != "float64" else "int8")
        with pytest.raises((TypeError, ValueError)):
            dnd.isdtype(name, "real")
    assert dnd.isdtype("bfloat16", "real floating")


def test_floating_types_of_integers_are_numpys() -> None:
    for name in NAMES:
        assert numpy_dtype(floating_of(TYPES[name])) == np.sin(np.zeros(1, name)).dtype


def test_limits() -> None:
    assert dnd.finfo(dnd.float32).eps == np.finfo(np.float32).eps
    assert dnd.iinfo(dnd.int16).max == np.iinfo(np.int16).max
