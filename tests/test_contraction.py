"""Products whose panels and parts are many, uneven, and laid out for BLAS: what small arrays do not show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray import panels
from dndarray.testing import assert_allclose, count_collectives

SPLITS = list(itertools.product((None, 0, 1), repeat=2))


@pytest.mark.parametrize("splits", SPLITS)
def test_many_small_panels(splits: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "PANEL", 400)
    monkeypatch.setattr(panels, "PART", 300)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(23, 17)), rng.normal(size=(17, 13))
    product = dnd.array(a, split=splits[0]) @ dnd.array(b, split=splits[1])
    assert_allclose(product, a @ b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("split", [(0, 1), (1, 0)])
def test_many_small_panels_on_a_grid(split: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "PANEL", 400)
    monkeypatch.setattr(panels, "PART", 300)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(23, 17)), rng.normal(size=(17, 13))
    for other in ((0, 1), (1, 0), (None, 0), (1, None)):
        product = dnd.array(a, split=split) @ dnd.array(b, split=other)
        assert_allclose(product, a @ b, rtol=1e-12, atol=1e-12)


def test_a_tall_result_and_its_gradient() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1900, 40)), rng.normal(size=(40, 1100))
    x, y = dnd.array(a, split=1).requires_grad_(), dnd.array(b, split=1).requires_grad_()
    product = x @ y
    assert product.split == 1
    assert_allclose(product, a @ b, rtol=1e-10, atol=1e-10)
    (product**2).sum().backward()
    ta, tb = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    ((ta @ tb) ** 2).sum().backward()
    assert_allclose(x.grad, ta.grad, rtol=1e-9)
    assert_allclose(y.grad, tb.grad, rtol=1e-9)
    assert_allclose(product.resplit(0) + 1, a @ b + 1, rtol=1e-10, atol=1e-10)  # what follows takes any strides


def test_nothing_travels_where_nothing_has_to() -> None:
    x, w = dnd.ones((8, 3), split=0), dnd.ones((3, 5))
    with count_collectives() as c:
        x @ w
        w.T @ dnd.ones((3, 7), split=1)
    assert c.calls == {}


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "float16", "bfloat16", "float32", "complex64"])
def test_products_of_every_type(dtype: str) -> None:
    a, b = (
        (torch.arange(12).reshape(4, 3) % 3).to(getattr(torch, dtype)),
        (torch.arange(6).reshape(3, 2) % 2).to(getattr(torch, dtype)),
    )
    wide = torch.complex128 if dtype == "complex64" else torch.float64
    expected = a.to(wide) @ b.to(wide)
    expected = (expected != 0) if dtype == "bool" else expected
    for splits in SPLITS:
        product = dnd.array(a, split=splits[0]) @ dnd.array(b, split=splits[1])
        assert product.dtype is a.dtype
        assert_allclose(product.astype(expected.dtype), expected.numpy())
