"""Backward on n processes gives what it gives on one, through every family and every layout.

The oracle is torch: on replicated arrays every operation is a plain torch call without communication.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray.testing import agreed_assert, assert_allclose
from dndarray.testing.rules import CASES, Case, layouts, operand

NOT_DIFFERENTIABLE = {
    "setitem", "mask", "nonzero", "index array split",  # written in place on copies, or no floats: tested below
    "sign", "ceil", "floor", "trunc", "rint", "floor_divide", "divmod", "modf", "frexp", "nextafter", "heaviside",
    "imag", "argmax", "argmin", "count_nonzero", "all", "any", "signbit", "isposinf", "isneginf",
}  # fmt: skip

DIFFERENTIABLE = sorted(
    {
        name
        for name, case in CASES
        if name not in NOT_DIFFERENTIABLE and case.make in ("real", "unit", "positive", "above one")
    }
)


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(5).uniform(0.5, 1.5, size=shape)


def _gradients(case: Case, placed: Any) -> list[dnd.DNDarray | None] | None:
    """The gradients of a weighted sum of the result; None where the operation has none."""
    values = [operand(shape, case.make, seed) for seed, shape in enumerate(case.shapes)]
    arrays = [dnd.array(v, split=s, grid=g).requires_grad_() for v, (g, s) in zip(values, placed, strict=True)]
    result = case.ours(*arrays)
    if not isinstance(result, dnd.DNDarray) or not result.dtype.is_floating_point:
        return None
    (result * _weights(result.shape)).sum().backward()
    return [a.grad for a in arrays]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_do_not_depend_on_the_layout(name: str) -> None:
    size = dnd.get_comm().size
    compared = 0
    for case in [case for n, case in CASES if n == name and case.make != "index"]:
        whole = [(dnd.get_comm().grid, None)] * len(case.shapes)
        try:
            expected = _gradients(case, whole)
        except (ValueError, IndexError):  # no result to begin with, as the maximum of nothing
            continue
        if expected is None or any(e is None for e in expected):
            continue
        combinations = list(itertools.product(*(layouts(len(s), size) for s in case.shapes)))
        stride = max(1, len(combinations) // 4)
        for placed in combinations[::stride]:
            for found, oracle in zip(_gradients(case, placed), expected, strict=True):
                assert_allclose(found, oracle.numpy(), rtol=1e-9, atol=1e-9)
                compared += 1
    agreed_assert(compared > 0 or _has_no_gradient(name), f"{name}: nothing was compared")


def _has_no_gradient(name: str) -> bool:
    case = next(case for n, case in CASES if n == name)
    return _gradients(case, [(dnd.get_comm().grid, None)] * len(case.shapes)) is None


@pytest.mark.parametrize("split", [None, 0, 1])
def test_gradient_of_assignment(split: int | None) -> None:
    values = np.arange(12.0).reshape(4, 3)

    def compute(split: int | None, place: int | None) -> tuple:
        x = dnd.array(values, split=split).requires_grad_()
        v = dnd.array([10.0, 20.0], dtype=dnd.float64, split=place).requires_grad_()
        y = x * 1
        y[1:3, 1] = v
        y[y > 8] = 0.5
        (y**2).sum().backward()
        return x.grad, v.grad

    expected = compute(None, None)
    for place in (None, 0):
        for found, oracle in zip(compute(split, place), expected, strict=True):
            assert_allclose(found, oracle.numpy())


@pytest.mark.parametrize("split", [None, 0, 1])
def test_gradient_through_an_index_that_is_split(split: int | None) -> None:
    values, index = np.arange(20.0).reshape(5, 4), np.array([4, 0, 0, 2, 1, 4, 3])
    oracle = torch.tensor(values, requires_grad=True)
    (oracle[torch.tensor(index)] ** 2).sum().backward()
    for place in (None, 0):
        x = dnd.array(values, split=split).requires_grad_()
        (x[dnd.array(index, split=place)] ** 2).sum().backward()
        assert_allclose(x.grad, oracle.grad)


def test_a_gradient_lies_as_its_array_does() -> None:
    x = dnd.random.normal(size=(7, 3), split=0).requires_grad_()
    w = dnd.random.normal(size=(3, 2)).requires_grad_()
    (x @ w).sum().backward()
    assert x.grad.layout is x.layout
    assert w.grad.split is None
    everybody = dnd.get_comm().allgather_object(w.grad.larray.tolist())
    assert all(theirs == everybody[0] for theirs in everybody)


def test_no_grad_and_detach_record_nothing() -> None:
    x = dnd.ones((4, 2), split=0).requires_grad_()
    with dnd.no_grad():
        assert not (x.resplit(1) * 2).requires_grad
    assert not x.detach().requires_grad
    assert (x * 2).requires_grad


def test_gradients_gather_over_calls() -> None:
    x = dnd.ones(5, split=0).requires_grad_()
    for _ in range(2):
        (x * 3).sum().backward()
    assert_allclose(x.grad, np.full(5, 6.0))


def test_backward_of_an_array_takes_weights() -> None:
    x = dnd.ones((4, 3), dtype=dnd.float64, split=1).requires_grad_()
    weights = dnd.arange(12, dtype=dnd.float64, split=0).reshape(4, 3)
    (x * 2).backward(weights)
    assert_allclose(x.grad, 2.0 * np.arange(12.0).reshape(4, 3))
    with pytest.raises(ValueError, match="needs `gradient`"):
        (x * 2).backward()


def test_complex_matmul_gradient() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((5, 4), (4, 3)))
    ta, tb = (torch.tensor(v, requires_grad=True) for v in (a, b))
    (ta @ tb).abs().pow(2).sum().backward()
    for split_a, split_b in itertools.product((None, 0, 1), repeat=2):
        x, y = dnd.array(a, split=split_a).requires_grad_(), dnd.array(b, split=split_b).requires_grad_()
        (abs(x @ y) ** 2).sum().backward()
        assert_allclose(x.grad, ta.grad, rtol=1e-10, atol=1e-10)
        assert_allclose(y.grad, tb.grad, rtol=1e-10, atol=1e-10)
