"""The Array API standard, 2025.12: every name and how it is called, and the rules that its functions follow."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.layout import Layout
from dndarray.testing import compare_part
from dndarray.types import TYPES

SIZE = dnd.get_comm().size
KINDS = {
    "bool": ["bool"],
    "signed integer": ["int8", "int16", "int32", "int64"],
    "unsigned integer": ["uint8", "uint16", "uint32", "uint64"],
    "real floating": ["float32", "float64"],
    "complex floating": ["complex64", "complex128"],
}
INTEGRAL = KINDS["signed integer"] + KINDS["unsigned integer"]
NUMERIC = INTEGRAL + KINDS["real floating"] + KINDS["complex floating"]
STANDARD = KINDS["bool"] + NUMERIC


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def placed(values: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """These values in any layout."""
    comm = dnd.get_comm()
    box = tuple(slice(*bounds) for bounds in layout.box(comm.rank))
    return dnd.DNDarray(torch.from_numpy(np.array(values[box])), layout, comm)


# --- names and signatures ---------------------------------------------------------------------------------------------

UNARY = (
    "abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan "
    "log log1p log2 log10 logical_not negative positive real reciprocal round sign signbit sin sinh square sqrt tan "
    "tanh trunc"
).split()
BINARY = (
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal "
    "floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum "
    "minimum multiply nextafter not_equal pow remainder subtract"
).split()

ALONG_ONE, ALONG_SEVERAL = "fft ifft rfft irfft hfft ihfft".split(), "fftn ifftn rfftn irfftn".split()

SIGNATURES = f"""
{" ".join(f"{name}(x, /)" for name in UNARY)}
{" ".join(f"{name}(x1, x2, /)" for name in BINARY)}
clip(x, /, min=None, max=None)
arange(start, /, stop=None, step=1, *, dtype=None, device=None)
asarray(obj, /, *, dtype=None, device=None, copy=None) empty(shape, *, dtype=None, device=None)
empty_like(x, /, *, dtype=None, device=None) eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
from_dlpack(x, /, *, device=None, copy=None) full(shape, fill_value, *, dtype=None, device=None)
full_like(x, /, fill_value, *, dtype=None, device=None)
linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True) meshgrid(*arrays, indexing="xy")
ones(shape, *, dtype=None, device=None) ones_like(x, /, *, dtype=None, device=None)
tril(x, /, *, k=0) triu(x, /, *, k=0) zeros(shape, *, dtype=None, device=None)
zeros_like(x, /, *, dtype=None, device=None)
astype(x, dtype, /, *, copy=True, device=None) can_cast(from_, to, /) finfo(type, /) iinfo(type, /)
isdtype(dtype, kind) result_type(*arrays_and_dtypes)
take(x, indices, /, *, axis=None) take_along_axis(x, indices, /, *, axis=-1)
matmul(x1, x2, /) matrix_transpose(x, /) tensordot(x1, x2, /, *, axes=2) vecdot(x1, x2, /, *, axis=-1)
broadcast_arrays(*arrays) broadcast_shapes(*shapes) broadcast_to(x, /, shape) concat(arrays, /, *, axis=0)
expand_dims(x, /, axis) flip(x, /, *, axis=None) moveaxis(x, source, destination, /) permute_dims(x, /, axes)
repeat(x, repeats, /, *, axis=None) reshape(x, /, shape, *, copy=None) roll(x, /, shift, *, axis=None)
squeeze(x, /, axis) stack(arrays, /, *, axis=0) tile(x, repetitions, /) unstack(x, /, *, axis=0)
argmax(x, /, *, axis=None, keepdims=False) argmin(x, /, *, axis=None, keepdims=False)
count_nonzero(x, /, *, axis=None, keepdims=False) nonzero(x, /) where(condition, x1, x2, /)
searchsorted(x1, x2, /, *, side="left", sorter=None)
isin(x1, x2, /, *, invert=False) unique_all(x, /) unique_counts(x, /) unique_inverse(x, /) unique_values(x, /)
argsort(x, /, *, axis=-1, descending=False, stable=True) sort(x, /, *, axis=-1, descending=False, stable=True)
cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
max(x, /, *, axis=None, keepdims=False) mean(x, /, *, axis=None, keepdims=False)
min(x, /, *, axis=None, keepdims=False) prod(x, /, *, axis=None, dtype=None, keepdims=False)
std(x, /, *, axis=None, correction=0.0, keepdims=False) sum(x, /, *, axis=None, dtype=None, keepdims=False)
var(x, /, *, axis=None, correction=0.0, keepdims=False)
all(x, /, *, axis=None, keepdims=False) any(x, /, *, axis=None, keepdims=False)
diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
__array_namespace_info__()
linalg.cholesky(x, /, *, upper=False) linalg.cross(x1, x2, /, *, axis=-1) linalg.det(x, /)
linalg.diagonal(x, /, *, offset=0) linalg.eig(x, /) linalg.eigh(x, /) linalg.eigvals(x, /) linalg.eigvalsh(x, /)
linalg.inv(x, /) linalg.matmul(x1, x2, /) linalg.matrix_norm(x, /, *, keepdims=False, ord="fro")
linalg.matrix_power(x, n, /) linalg.matrix_rank(x, /, *, rtol=None) linalg.matrix_transpose(x, /)
linalg.outer(x1, x2, /) linalg.pinv(x, /, *, rtol=None) linalg.qr(x, /, *, mode="reduced") linalg.slogdet(x, /)
linalg.solve(x1, x2, /) linalg.svd(x, /, *, full_matrices=True) linalg.svdvals(x, /)
linalg.tensordot(x1, x2, /, *, axes=2) linalg.trace(x, /, *, offset=0, dtype=None)
linalg.vecdot(x1, x2, /, *, axis=-1) linalg.vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
{" ".join(f"fft.{name}(x, /, *, n=None, axis=-1, norm='backward')" for name in ALONG_ONE)}
{" ".join(f"fft.{name}(x, /, *, s=None, axes=None, norm='backward')" for name in ALONG_SEVERAL)}
fft.fftfreq(n, /, *, d=1.0, dtype=None, device=None) fft.rfftfreq(n, /, *, d=1.0, dtype=None, device=None)
fft.fftshift(x, /, *, axes=None) fft.ifftshift(x, /, *, axes=None)
"""
"""Every function of the standard, extensions included."""


def _signatures() -> dict[str, inspect.Signature]:
    found = {}
    for text in SIGNATURES.replace("\n", " ").split(") "):
        name, _, arguments = text.strip().removesuffix(")").partition("(")
        if name:
            scope: dict[str, Any] = {}
            exec(f"def function({arguments}): ...", scope)
            found[name] = inspect.signature(scope["function"])
    return found


EXPECTED = _signatures()


def _find(name: str) -> Any:
    space, _, last = name.rpartition(".")
    return getattr(importlib.import_module(f"dndarray.{space}") if space else dnd, last)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_function_takes_what_the_standard_says(name: str) -> None:
    ours, parameters = inspect.signature(_find(name)), list(EXPECTED[name].parameters.values())
    kinds = inspect.Parameter
    required = [p for p in parameters if p.default is kinds.empty and p.kind is not kinds.VAR_POSITIONAL]
    ours.bind(*required)
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    keywords = {p.name: p for p in parameters if p.kind is kinds.KEYWORD_ONLY}
    bound = ours.bind(*positional, **keywords)
    first = [value for key, value in bound.arguments.items() if key not in keywords]
    assert [*itertools.chain(*(v if isinstance(v, tuple) else (v,) for v in first))] == positional  # in this order
    by_name = {p.name: p for p in positional if p.kind is kinds.POSITIONAL_OR_KEYWORD}
    ours.bind(*(p for p in positional if p.kind is kinds.POSITIONAL_ONLY), **by_name, **keywords)


def test_constants() -> None:
    assert (dnd.e, dnd.pi, dnd.inf, dnd.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(dnd.nan)
    assert dnd.euler_gamma == np.euler_gamma


# --- inspection -------------------------------------------------------------------------------------------------------


def test_inspection() -> None:
    assert dnd.__array_api_version__ == "2025.12"
    info = dnd.__array_namespace_info__()
    capabilities = info.capabilities()
    assert capabilities["boolean indexing"] is capabilities["data-dependent shapes"] is True
    assert capabilities["max dimensions"] == 64
    assert info.default_device() in info.devices()
    assert dnd.zeros(2, device=info.devices()[0]).device == info.devices()[0]
    assert info.dtypes() == {name: getattr(dnd, name) for name in STANDARD}
    for kind, names in KINDS.items():
        assert info.dtypes(kind=kind) == {name: TYPES[name] for name in names}
    assert set(info.dtypes(kind="integral")) == set(INTEGRAL)
    assert set(info.dtypes(kind="numeric", device="cpu")) == set(NUMERIC)
    assert set(info.dtypes(kind=("bool", "real floating"))) == {"bool", "float32", "float64"}
    defaults = info.default_dtypes()
    assert dnd.asarray(1.0).dtype is defaults["real floating"]
    assert dnd.asarray(1j).dtype is defaults["complex floating"]
    assert dnd.asarray(1).dtype is defaults["integral"]
    assert dnd.argmax(dnd.ones(3)).dtype is defaults["indexing"]


def test_namespace_of_an_array() -> None:
    x = dnd.ones(3, split=0)
    for version in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        assert x.__array_namespace__(api_version=version) is dnd
    with pytest.raises(ValueError, match="2025.12"):
        x.__array_namespace__(api_version="1999.12")


def test_limits_of_types() -> None:
    for name in (*KINDS["real floating"], *KINDS["complex floating"], "float16"):
        theirs = np.finfo(name)
        for given_ in (name, TYPES[name], np.dtype(name), np.dtype(name).type, dnd.zeros(2, name, split=0)):
            ours = dnd.finfo(given_)
            for limit in ("bits", "eps", "max", "min", "smallest_normal", "tiny"):
                assert getattr(ours, limit) == getattr(theirs, limit), limit
            assert ours.dtype is dnd.zeros(1, name).real.dtype
            assert type(ours.bits) is int and type(ours.eps) is float
    for name in INTEGRAL:
        ours_, theirs_ = dnd.iinfo(dnd.zeros(2, name)), np.iinfo(name)
        assert (ours_.bits, ours_.max, ours_.min, ours_.dtype) == (theirs_.bits, theirs_.max, theirs_.min, TYPES[name])
    for function, wrong in ((dnd.finfo, "int8"), (dnd.iinfo, "float32"), (dnd.iinfo, "bool")):
        with pytest.raises(ValueError, match="use"):
            function(wrong)
    assert dnd.finfo("bfloat16").bits == 16


@pytest.mark.parametrize("name", STANDARD)
def test_result_type_with_numbers(name: str) -> None:
    """A Python number has no width: it takes the array's type where its kind allows it."""
    x = dnd.zeros(2, name, split=0)
    allowed = {"b": [bool], "i": [int], "u": [int], "f": [int, float], "c": [int, float, complex]}
    for number in allowed[np.dtype(name).kind]:
        for order in ((x, number(1)), (number(1), x), (TYPES[name], number(1))):
            assert dnd.result_type(*order) is TYPES[name]


# --- the array --------------------------------------------------------------------------------------------------------


@given(shapes().flatmap(lambda s: st.tuples(st.just(s), layouts(s, SIZE))))
def test_attributes(drawn: tuple[tuple[int, ...], Layout]) -> None:
    shape, layout = drawn
    values = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    x = placed(values, layout)
    assert (x.shape, x.ndim, x.size) == (values.shape, values.ndim, values.size)
    assert (x.dtype, x.device, x.itemsize, x.nbytes) == (torch.float64, x.larray.device, 8, values.nbytes)
    assert x.to_device(x.device) is x
    with pytest.raises(ValueError, match="stream"):
        x.to_device("cpu", stream=1)
    if len(shape) == 2:
        compare_part(x.T, values.T, 0, 0)
    if len(shape) >= 2:
        compare_part(x.mT, np.swapaxes(values, -1, -2), 0, 0)
    else:
        with pytest.raises(ValueError):
            x.mT  # noqa: B018


@pytest.mark.parametrize("name", STANDARD)
def test_conversion_to_python_numbers(name: str) -> None:
    for value in (0, 1, 5 if name != "bool" else 1):
        x = dnd.asarray(value, dtype=name)
        assert bool(x) is bool(value)
        assert complex(x) == complex(value) and type(complex(x)) is complex
        if "complex" not in name:
            assert int(x) == int(value) and type(int(x)) is int
            assert float(x) == float(value) and type(float(x)) is float
        if name in INTEGRAL:
            assert operator.index(x) == value and [*range(9)][x] == value
        else:
            with pytest.raises(TypeError):
                operator.index(x)
    with pytest.raises(ValueError):
        bool(dnd.ones(3, split=0))


def test_dlpack() -> None:
    x = dnd.asarray(np.arange(6.0).reshape(2, 3))
    assert x.__dlpack_device__() == x.larray.__dlpack_device__()
    theirs = np.from_dlpack(x)
    assert np.shares_memory(theirs, x.larray.numpy())
    assert not np.shares_memory(torch.from_dlpack(x.__dlpack__(copy=True)).numpy(), x.larray.numpy())
    x.__dlpack__(stream=None, max_version=(1, 0), dl_device=x.__dlpack_device__(), copy=False)
    compare_part(dnd.from_dlpack(np.arange(4)), np.arange(4), 0, 0)
    if SIZE > 1:
        with pytest.raises(BufferError):
            dnd.ones(9, split=0).__dlpack__()


def test_no_copy_where_one_is_needed() -> None:
    x = dnd.ones((4, 3), split=0)
    assert dnd.asarray(x, copy=False) is x
    assert dnd.asarray(x).larray.data_ptr() == x.larray.data_ptr()
    assert dnd.asarray(x, copy=True).larray.data_ptr() != x.larray.data_ptr() or x.larray.numel() == 0
    for wrong in (
        lambda: dnd.asarray(x, dtype="int32", copy=False),
        lambda: dnd.asarray([1, 2], copy=False),
        lambda: dnd.asarray(np.ones(3), dtype="float32", copy=False),
    ):
        with pytest.raises(ValueError, match="copy"):
            wrong()
    with pytest.raises(ValueError, match="view"):
        dnd.reshape(dnd.ones((4, 5), split=1), (20,), copy=False)
    values = np.ones(3)
    assert np.shares_memory(dnd.asarray(values, copy=False).larray.numpy(), values)


SCALARS: dict[str, list[Any]] = {"b": [True], "i": [3], "u": [3], "f": [3, 2.5], "c": [3, 2.5, 1 + 2j]}
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
BITWISE = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("name", STANDARD)
def test_operators_with_numbers_keep_the_type(name: str) -> None:
    kind = np.dtype(name).kind
    x = np.array([1, 2, 5] if kind != "b" else [True, False, True]).astype(name)
    ours = dnd.array(x, split=0)
    operators = [*COMPARISONS[4:]] + (COMPARISONS[:4] if kind not in "cb" else [])
    operators += {"b": BITWISE[:3], "i": BITWISE, "u": BITWISE}.get(kind, [])
    operators += [] if kind == "b" else [op for op in ARITHMETIC if kind not in "c" or op not in ARITHMETIC[4:6]]
    for op, scalar in itertools.product(operators, SCALARS[kind]):
        for result, right in ((op(ours, scalar), op(x, scalar)), (op(scalar, ours), op(scalar, x))):
            compare_part(result, right, 1e-5 if x.dtype.itemsize < 8 or name == "complex64" else 1e-13, 0, True)


# --- promotion --------------------------------------------------------------------------------------------------------


@given(st.sampled_from(STANDARD), st.sampled_from(STANDARD), st.sampled_from(["add", "multiply", "equal", "where"]))
def test_promotion(first: str, second: str, name: str) -> None:
    """Within a kind by the standard's table, between kinds as NumPy."""
    x, y = np.ones((5, 1), first), np.ones(3, second)
    ours = [dnd.array(x, split=0), dnd.array(y)]
    if name == "where":
        compare_part(dnd.where(ours[0] == 1, ours[0], ours[1]), np.where(x == 1, x, y), 0, 0, True)
    else:
        compare_part(getattr(dnd, name)(*ours), getattr(np, name)(x, y), 0, 0, True)


@pytest.mark.parametrize("name", NUMERIC)
def test_types_of_sums(name: str) -> None:
    x = np.array([[1, 2], [3, 1], [1, 1]]).astype(name)
    ours = dnd.array(x, split=0)
    for function in ("sum", "prod"):
        expected = getattr(np, function)(x)
        compare_part(getattr(dnd, function)(ours), expected, 0, 0, True)
        for target in ("float64", "complex64", "int64"):
            assert getattr(dnd, function)(ours, axis=0, dtype=target).dtype is TYPES[target]
        running = getattr(dnd, f"cumulative_{function}")
        for first in (True, False):
            right = getattr(np, f"cumulative_{function}")(x, axis=0, include_initial=first)
            compare_part(running(ours, axis=0, include_initial=first), right, 0, 0, True)
        assert running(ours, axis=1, dtype="float32").dtype is torch.float32
        with pytest.raises(ValueError, match="axis"):
            running(ours)


# --- special values ---------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 7.5, 1e300, -1e-310, math.pi, math.inf, -math.inf, math.nan]
REAL_UNARY = [n for n in UNARY if n not in ("bitwise_invert", "logical_not")]
REAL_BINARY = [n for n in BINARY if not n.startswith("bitwise")]


def _same(ours: dnd.DNDarray, theirs: np.ndarray, signed: bool = True) -> None:
    """Equal to the last bits, signs of zeros included."""
    compare_part(ours, theirs, 1e-12 if theirs.dtype.itemsize == 8 else 2e-6, 0, True)
    if theirs.dtype.kind == "f" and signed:
        zero = np.signbit(theirs) & (theirs == 0)
        compare_part(dnd.logical_and(dnd.signbit(ours), dnd.equal(ours, 0)), zero, 0, 0)


@pytest.mark.parametrize("dtype", KINDS["real floating"])
@pytest.mark.parametrize("name", REAL_UNARY)
def test_special_values_of_one(name: str, dtype: str) -> None:
    x = np.array(SPECIAL).astype(dtype)
    _same(getattr(dnd, name)(dnd.array(x, split=0)), getattr(np, name)(x))


@pytest.mark.parametrize("dtype", KINDS["real floating"])
@pytest.mark.parametrize("name", REAL_BINARY)
def test_special_values_of_two(name: str, dtype: str) -> None:
    x, y = np.array(SPECIAL, dtype)[:, None], np.array(SPECIAL, dtype)
    signed = name not in ("maximum", "minimum")  # which of two zeros, the standard leaves open
    _same(getattr(dnd, name)(dnd.array(x, split=0), dnd.array(y)), getattr(np, name)(x, y), signed)


@pytest.mark.parametrize("name", ["min", "max", "sum", "prod", "mean", "var", "all", "any", "cumulative_sum"])
def test_nan_spreads(name: str) -> None:
    x = np.array([[1.0, np.nan], [np.inf, 2.0], [-np.inf, 3.0], [4.0, -0.0]])
    for axis in (0, 1):
        compare_part(getattr(dnd, name)(dnd.array(x, split=0), axis=axis), getattr(np, name)(x, axis=axis), 1e-14, 0)


# --- reductions -------------------------------------------------------------------------------------------------------


@st.composite
def reductions(draw: st.DrawFn) -> tuple[np.ndarray, Layout, Any, bool]:
    shape = draw(shapes())
    values = np.random.default_rng(len(shape)).integers(-4, 5, shape).astype(np.float64)
    axes = [a - len(shape) * draw(st.booleans()) for a in range(len(shape)) if draw(st.booleans())]
    axis = draw(st.sampled_from([None, tuple(axes), *axes]))
    return values, draw(layouts(shape, SIZE)), axis, draw(st.booleans())


def _as_numpy(function: Callable[[Any, Any], Any], ours: dnd.DNDarray, values: np.ndarray) -> None:
    """The same as NumPy's result, or an error where NumPy raises one."""
    try:
        expected = function(np, values)
    except Exception:
        with pytest.raises(Exception):  # noqa: B017 - whichever
            function(dnd, ours)
    else:
        compare_part(function(dnd, ours), expected, 1e-12, 0, True)


@given(reductions(), st.sampled_from("sum prod min max all any mean argmin argmax".split()))
def test_shapes_of_reductions(drawn: tuple[np.ndarray, Layout, Any, bool], name: str) -> None:
    values, layout, axis, keepdims = drawn
    _as_numpy(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), placed(values, layout), values)


@given(reductions(), st.sampled_from(["std", "var"]), st.sampled_from([0, 1, 0.5, 2, 7]))
def test_correction(drawn: tuple[np.ndarray, Layout, Any, bool], name: str, correction: float) -> None:
    values, layout, axis, keepdims = drawn
    options = {"axis": axis, "keepdims": keepdims, "correction": correction}
    _as_numpy(lambda xp, x: getattr(xp, name)(x, **options), placed(values, layout), values)


# --- indexing and broadcasting ----------------------------------------------------------------------------------------


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Integers, slices, an ellipsis and new axes, some of them out of bounds."""
    entries: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
        part = st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1, -3]))
        entries.append(draw(st.one_of(part, st.integers(-n, max(n - 1, 0)))))
        if draw(st.integers(0, 4)) == 0:
            entries.append(None)
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), ...)
    return tuple(entries)


@st.composite
def indexed(draw: st.DrawFn) -> tuple[np.ndarray, Layout, tuple[Any, ...]]:
    shape = draw(shapes())
    return np.arange(math.prod(shape)).reshape(shape), draw(layouts(shape, SIZE)), draw(keys(shape))


@given(indexed())
def test_getitem(drawn: tuple[np.ndarray, Layout, tuple[Any, ...]]) -> None:
    values, layout, key = drawn
    _as_numpy(lambda xp, x: x[key], placed(values, layout), values)


@given(indexed(), st.data())
def test_setitem(drawn: tuple[np.ndarray, Layout, tuple[Any, ...]], data: st.DataObject) -> None:
    values, layout, key = drawn
    try:
        part = values[key]
    except IndexError:
        return
    shape = tuple(n if data.draw(st.booleans()) else 1 for n in np.shape(part))
    value = -1 - np.arange(math.prod(shape)).reshape(shape)
    ours, expected = placed(values, layout), values.copy()
    expected[key] = value
    ours[key] = placed(value, data.draw(layouts(shape, SIZE)))
    compare_part(ours, expected, 0, 0, True)
    ours[key], expected[key] = 7, 7
    compare_part(ours, expected, 0, 0, True)


@given(indexed())
def test_masks(drawn: tuple[np.ndarray, Layout, tuple[Any, ...]]) -> None:
    values, layout, _ = drawn
    x = placed(values, layout)
    compare_part(x[x % 3 == 1], values[values % 3 == 1], 0, 0, True)
    expected = np.where(values % 3 == 1, -5, values)
    x[x % 3 == 1] = -5
    compare_part(x, expected, 0, 0, True)


@given(st.data())
def test_broadcasting(data: st.DataObject) -> None:
    full = data.draw(shapes())
    operands = []
    for seed in range(2):
        shape = tuple(n if data.draw(st.integers(0, 3)) else 1 for n in full)[data.draw(st.integers(0, len(full))) :]
        values = np.random.default_rng(seed).normal(size=shape)
        operands.append((values, placed(values, data.draw(layouts(shape, SIZE)))))
    (x, ours), (y, others) = operands
    compare_part(ours + others, x + y, 0, 0, True)
    assert dnd.broadcast_shapes(x.shape, y.shape) == np.broadcast_shapes(x.shape, y.shape)
    for result, right in zip(dnd.broadcast_arrays(ours, others), np.broadcast_arrays(x, y), strict=True):
        compare_part(result, right, 0, 0, True)


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        dnd.ones((3, 2), split=0) + dnd.ones((3,), split=0)
    with pytest.raises(ValueError, match="broadcast"):
        dnd.broadcast_shapes((3, 2), (3,))
    assert dnd.broadcast_shapes() == ()


def test_axes_that_are_not_there() -> None:
    """An exception that is both a ValueError and an IndexError, as NumPy's."""
    x = dnd.ones((3, 2), split=0)
    for wrong in (lambda: dnd.sum(x, axis=2), lambda: dnd.flip(x, axis=-3), lambda: dnd.expand_dims(x, 5)):
        with pytest.raises(np.exceptions.AxisError, match="axis"):
            wrong()
        with pytest.raises(IndexError):
            wrong()
