"""NumPy's, torch's and the Array API's ways to our functions, and what happens where there is none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray.elementwise import FUNCTIONS
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives
from dndarray.ufuncs import OPS

SIZE = dnd.get_comm().size


def numbers(shape: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 0.9, size=shape)


A = numbers((6, 4))


@pytest.fixture
def x() -> dnd.DNDarray:
    return dnd.array(A, split=0)


# --- NumPy ------------------------------------------------------------------------------------------------------------


def test_every_ufunc_of_the_table_is_reached_through_numpy(x: dnd.DNDarray) -> None:
    integers = dnd.array((A * 10).astype(int), split=0)
    for name, op in OPS.items():
        ufunc = getattr(np, name)
        if not isinstance(ufunc, np.ufunc):
            continue
        operands = [integers if op.kind in ("bits", "shift") else x] * op.nin
        if name == "ldexp":
            operands[1] = integers
        if name == "arccosh":
            operands = [x + 1]
        results = ufunc(*operands)
        expected = ufunc(*[o.numpy() for o in operands])
        for result, right in zip(*((r if op.nout > 1 else (r,)) for r in (results, expected)), strict=True):
            assert isinstance(result, dnd.DNDarray), name
            assert result.split == 0
            assert_allclose(result, right, rtol=1e-12)


FUNCTIONS_OF_NUMPY: list[tuple[str, Callable[[Any], Any]]] = [
    ("sum", lambda v: np.sum(v)),
    ("sum of an axis", lambda v: np.sum(v, axis=0)),
    ("sum by NumPy's name", lambda v: np.sum(a=v, axis=0)),
    ("expand_dims by NumPy's name", lambda v: np.expand_dims(a=v, axis=1)),
    ("clip by NumPy's names", lambda v: np.clip(v, a_min=0.6, a_max=0.7)),
    ("nan_to_num with `copy`", lambda v: np.nan_to_num(v, copy=True, nan=0.5)),
    ("nanmax by position", lambda v: np.nanmax(v, 0, None, True)),
    ("sum with options", lambda v: np.sum(v, axis=1, keepdims=True, initial=2.0)),
    ("mean", lambda v: np.mean(v, axis=0)),
    ("std", lambda v: np.std(v, axis=0, ddof=1)),
    ("var", lambda v: np.var(v)),
    ("max", lambda v: np.max(v, 1)),
    ("amin", lambda v: np.amin(v)),
    ("argmax", lambda v: np.argmax(v, axis=0)),
    ("all", lambda v: np.all(v > 0)),
    ("any", lambda v: np.any(v > 0.8, axis=1)),
    ("cumsum", lambda v: np.cumsum(v, axis=0)),
    ("nanmean", lambda v: np.nanmean(v, axis=0)),
    ("concatenate", lambda v: np.concatenate([v, v * 2], axis=0)),
    ("concatenate mixed", lambda v: np.concatenate([v, A])),
    ("stack", lambda v: np.stack([v, v], axis=1)),
    ("reshape", lambda v: np.reshape(v, (4, 6))),
    ("transpose", lambda v: np.transpose(v)),
    ("where", lambda v: np.where(v > 0.7, v, 0)),
    ("clip", lambda v: np.clip(v, 0.6, 0.7)),
    ("round", lambda v: np.round(v, 1)),
    ("expand_dims", lambda v: np.expand_dims(v, 0)),
    ("squeeze", lambda v: np.squeeze(v[:, :1])),
    ("moveaxis", lambda v: np.moveaxis(v, 0, 1)),
    ("flip", lambda v: np.flip(v, 0)),
    ("roll", lambda v: np.roll(v, 1, 0)),
    ("tril", lambda v: np.tril(v)),
    ("diagonal", lambda v: np.diagonal(v)),
    ("ravel", lambda v: np.ravel(v)),
    ("broadcast_to", lambda v: np.broadcast_to(v, (2, 6, 4))),
    ("zeros_like", lambda v: np.zeros_like(v)),
    ("isclose", lambda v: np.isclose(v, v)),
    ("take", lambda v: np.take(v, [2, 0], axis=0)),
    ("matmul", lambda v: np.matmul(v, A.T)),
    ("matmul on the left", lambda v: A.T @ v),
    ("add.reduce", lambda v: np.add.reduce(v)),
    ("add.reduce of an axis", lambda v: np.add.reduce(v, axis=1)),
    ("add.reduce of all", lambda v: np.add.reduce(v, axis=None)),
    ("multiply.reduce", lambda v: np.multiply.reduce(v, axis=0)),
    ("maximum.reduce", lambda v: np.maximum.reduce(v, axis=0, keepdims=True)),
    ("minimum.reduce", lambda v: np.minimum.reduce(v)),
    ("logical_and.reduce", lambda v: np.logical_and.reduce(v > 0.6)),
    ("logical_or.reduce", lambda v: np.logical_or.reduce(v > 0.8, axis=1)),
    ("add.accumulate", lambda v: np.add.accumulate(v)),
    ("multiply.accumulate", lambda v: np.multiply.accumulate(v, axis=1)),
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS_OF_NUMPY)
def test_functions_of_numpy(x: dnd.DNDarray, name: str, function: Callable) -> None:
    result = function(x)
    assert isinstance(result, dnd.DNDarray)
    assert_allclose(result, function(A), rtol=1e-12)


def test_functions_of_numpy_with_other_results(x: dnd.DNDarray) -> None:
    assert np.allclose(x, A) is True
    assert np.array_equal(x, A) is True
    assert np.shape(x) == (6, 4)
    assert np.ndim(x) == 2
    assert (np.size(x), np.size(x, 1)) == (24, 4)
    assert np.result_type(x.astype("float32"), np.int64, 1.0) == np.float64
    y = x * np.nan
    assert np.nan_to_num(y, copy=False, nan=2.0) is y and (y == 2).all()
    for ours, theirs in zip(np.nonzero(x > 0.7), np.nonzero(A > 0.7), strict=True):
        assert_array_equal(ours, theirs)
    for ours, theirs in zip(np.meshgrid(x[0], x[1]), np.meshgrid(A[0], A[1]), strict=True):
        assert_array_equal(ours, theirs)


def test_out_of_ufuncs(x: dnd.DNDarray) -> None:
    for out in (dnd.zeros((6, 4), "float64", split=1), dnd.zeros_like(x)):
        layout = out.layout
        assert np.sin(x, out=out) is out
        assert_allclose(out, np.sin(A), rtol=1e-12)
        assert np.add(x, A, out=(out,)) is out
        assert_array_equal(out, A + A)
        assert np.sum(x, axis=0, out=out[0]).shape == (4,)
        assert out.layout is layout
    masked = np.add(x, 1, where=A > 0.7, out=dnd.zeros_like(x))
    assert_array_equal(masked, np.where(A > 0.7, A + 1, 0))
    assert np.add(x, x, dtype="float32").dtype is torch.float32


def test_numpys_own_array_takes_no_distributed_result(x: dnd.DNDarray) -> None:
    target = A.copy()
    with pytest.raises(TypeError):
        target += x
    with pytest.raises(TypeError):
        np.add(A, x, out=target)


def test_numpys_numbers_and_arrays_on_the_left(x: dnd.DNDarray) -> None:
    for result, expected in ((A + x, A + A), (np.float64(2) * x, 2 * A), (np.array(2.0) ** x, 2.0**A)):
        assert isinstance(result, dnd.DNDarray)
        assert_allclose(result, expected, rtol=1e-12)


NOT_THERE: list[tuple[str, Callable[[Any], Any]]] = [
    ("fft", lambda v: np.fft.fft(v)),
    ("einsum", lambda v: np.einsum("ij->j", v)),
    ("kron", lambda v: np.kron(v, v)),
    ("unwrap", lambda v: np.unwrap(v)),
    ("piecewise", lambda v: np.piecewise(v, [v > 0], [1])),
    ("apply_along_axis", lambda v: np.apply_along_axis(sum, 0, v)),
]


@pytest.mark.parametrize(("name", "function"), NOT_THERE)
def test_what_is_not_there_says_its_name_and_the_remedy(x: dnd.DNDarray, name: str, function: Callable) -> None:
    if hasattr(dnd, name) or (name == "fft" and hasattr(dnd, "fft")):
        pytest.skip(f"{name} is there")
    with count_collectives() as traffic, pytest.raises(TypeError, match=rf"{name}.* is not implemented.*x\.numpy\(\)"):
        function(x)
    assert traffic.total == 0


def test_methods_of_ufuncs_that_are_not_there(x: dnd.DNDarray) -> None:
    with pytest.raises(TypeError, match=r"numpy.arctan2.reduce is not implemented.*x\.numpy\(\)"):
        np.arctan2.reduce(x)
    with pytest.raises(TypeError, match=r"arctan2 does not reduce here"):
        np.arctan2.reduceat(x, [0, 2])


def test_a_name_that_means_something_else_in_numpy_is_not_taken() -> None:
    """The registry goes by the function, not by its name: `numpy.random` and others are no functions of ours."""
    from dndarray.interop import _NUMPY

    assert all(callable(foreign) for foreign in _NUMPY)
    assert np.fft.fft not in _NUMPY
    for foreign, ours in _NUMPY.items():
        assert FUNCTIONS.get(foreign.__name__, ours) is ours or foreign.__name__ in dir(dnd), foreign


# --- torch ------------------------------------------------------------------------------------------------------------

T = torch.from_numpy(A)

FUNCTIONS_OF_TORCH: list[tuple[str, Callable[[Any], Any]]] = [
    ("sin", lambda v: torch.sin(v)),
    ("add", lambda v: torch.add(v, T)),
    ("add on the left", lambda v: T + v),
    ("pow", lambda v: torch.pow(v, 2)),
    ("sum", lambda v: torch.sum(v)),
    ("sum of an axis", lambda v: torch.sum(v, dim=0)),
    ("sum of an axis, kept", lambda v: torch.sum(v, dim=1, keepdim=True)),
    ("mean", lambda v: torch.mean(v, dim=0)),
    ("prod", lambda v: torch.prod(v)),
    ("cumsum", lambda v: torch.cumsum(v, dim=0)),
    ("amax", lambda v: torch.amax(v, dim=1)),
    ("argmax", lambda v: torch.argmax(v)),
    ("clip", lambda v: torch.clip(v, 0.6, 0.7)),
    ("reshape", lambda v: torch.reshape(v, (4, 6))),
    ("tril", lambda v: torch.tril(v)),
    ("concatenate", lambda v: torch.concatenate([v, v])),
    ("stack", lambda v: torch.stack([v, v])),
    ("matmul", lambda v: torch.matmul(v, T.T)),
    ("isnan", lambda v: torch.isnan(v)),
    ("zeros_like", lambda v: torch.zeros_like(v)),
    ("squeeze", lambda v: torch.squeeze(v[:, :1])),
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS_OF_TORCH)
def test_functions_of_torch(x: dnd.DNDarray, name: str, function: Callable) -> None:
    result = function(x)
    assert isinstance(result, dnd.DNDarray)
    assert_allclose(result, function(T).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["sort", "det", "max", "std", "split", "where"])
def test_what_torch_does_otherwise_or_we_do_not_have(x: dnd.DNDarray, name: str) -> None:
    arguments = {"where": (x > 0, x, x), "split": (x, 2)}.get(name, (x,))
    with pytest.raises(TypeError, match=rf"torch.{name} is not implemented.*x\.torch\(\)"):
        getattr(torch, name)(*arguments)


def test_names_of_torch_that_are_registered_take_the_same_arguments() -> None:
    """Where torch names its arguments or orders them otherwise, ours must not be called in its place."""
    from dndarray.interop import _TORCH

    assert torch.fft.fft not in _TORCH
    assert torch.max not in _TORCH and torch.std not in _TORCH
    ours = {function for function in _TORCH.values() if inspect.isfunction(function)}
    assert FUNCTIONS["sum"] in ours


# --- DLPack and the Array API -----------------------------------------------------------------------------------------


def test_dlpack_shares_the_memory_of_replicated_arrays() -> None:
    for dtype in ("float32", "int64", "complex64", "bool"):
        whole = dnd.ones((3, 2), dtype)
        assert torch.from_dlpack(whole).data_ptr() == whole.larray.data_ptr()
        array = np.from_dlpack(whole)
        assert np.shares_memory(array, whole.larray.numpy())
        assert array.shape == (3, 2)
    assert torch.from_dlpack(dnd.ones(3).requires_grad_()).shape == (3,)
    assert whole.__dlpack_device__() == (1, 0)


def test_dlpack_of_distributed_arrays(x: dnd.DNDarray) -> None:
    if SIZE == 1:
        assert_array_equal(dnd.array(torch.from_dlpack(x)), A)
        return
    for convert in (torch.from_dlpack, np.from_dlpack):
        with pytest.raises(BufferError, match=r"x\.larray"):
            convert(x)
    assert torch.from_dlpack(x.larray).shape == x.lshape


def test_array_namespace(x: dnd.DNDarray) -> None:
    namespace = x.__array_namespace__()
    assert namespace is dnd
    assert x.__array_namespace__(api_version="2024.12") is dnd
    for name in "asarray astype concat permute_dims pow bitwise_invert matrix_transpose sum isdtype".split():
        assert hasattr(namespace, name) or name == "astype", name
    assert_array_equal(namespace.permute_dims(x, (1, 0)), A.T)
    assert_array_equal(namespace.concat([x, x], axis=1), np.concat([A, A], axis=1))


def test_functions_methods_and_numpys_are_the_same_function(x: dnd.DNDarray) -> None:
    for results in ((dnd.sum(x, 0), x.sum(0), np.sum(x, 0)), (dnd.exp(x), x.exp(), np.exp(x)), (x + x, np.add(x, x))):
        assert len({id(type(r)) for r in results}) == 1
        assert all(dnd.array_equal(results[0], r) for r in results)
        assert len({r.layout for r in results}) == 1
