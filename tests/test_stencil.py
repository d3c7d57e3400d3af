"""Stencils and filters: what the parity rows do not show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity.driver import place
from strategies import layouts, shapes

import dndarray as dnd
from dndarray.layout import Grid, Layout
from dndarray.testing import count_collectives

SIZE = dnd.get_comm().size
PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


def weigh(radii: list[tuple[int, int]]):
    """Another weight for each neighbour."""

    def fn(x):
        inner = [n - sum(r) for n, r in zip(x.shape, radii, strict=True)]
        places = itertools.product(*(range(sum(r) + 1) for r in radii))
        return sum(
            (k + 1) * x[tuple(slice(p, p + n) for p, n in zip(place, inner, strict=True))]
            for k, place in enumerate(places)
        )

    return fn


@given(st.data())
def test_any_layout_radius_and_boundary(data: st.DataObject) -> None:
    shape = data.draw(shapes(2, 6).filter(lambda s: s and 0 not in s))
    layout = data.draw(layouts(shape, SIZE))
    radii = [data.draw(st.tuples(st.integers(0, 2), st.integers(0, 8))) for _ in shape]
    rule = data.draw(st.sampled_from([*PAD, "valid"]))
    whole = np.arange(np.prod(shape), dtype=float).reshape(shape) ** 2
    x = place(whole, layout).requires_grad_()
    result = dnd.stencil(x, weigh(radii), radii, rule, cval=3)
    if rule == "valid":
        padded = whole
    else:
        padded = np.pad(whole, radii, PAD[rule], **({"constant_values": 3} if rule == "constant" else {}))
    if all(n >= 1 + sum(r) for n, r in zip(padded.shape, radii, strict=True)):
        assert np.array_equal(result.detach().numpy(), weigh(radii)(padded))
    else:
        assert result.shape == tuple(max(0, n - sum(r)) for n, r in zip(shape, radii, strict=True))
    # Adjoint: <stencil(x) - stencil(0), 1> = <x, gradient>.
    result.sum().backward()
    zero = dnd.stencil(place(0 * whole, layout), weigh(radii), radii, rule, cval=3)
    assert np.isclose((result.detach() - zero).sum().item(), (x.grad.numpy() * whole).sum())


@pytest.mark.parametrize("rule", [*PAD, "valid"])
def test_one_exchange_of_the_halos_for_each_split_axis(rule: str) -> None:
    x = dnd.ones((40, 6), split=0)
    with count_collectives() as c:
        dnd.stencil(x, lambda t: t[1:-2], [(1, 2), (0, 0)], rule)
    assert c.total == (SIZE > 1)
    assert c.bytes <= 2 * 3 * 6 * 8
    with count_collectives() as c:
        dnd.stencil(x, lambda t: t[:, 1:-2], [(1, 2)], rule, axes=1)
        dnd.stencil(dnd.ones((40, 6)), lambda t: t[1:-1, 1:-1], 1, rule)
    assert c.total == 0


@pytest.mark.ranks(4)
def test_corners_travel_with_the_second_axis() -> None:
    whole = np.arange(30.0).reshape(5, 6)
    x = place(whole, Layout((5, 6), Grid((2, 2)), (1, 0)))
    with count_collectives() as c:
        result = dnd.stencil(x, weigh([(1, 1), (2, 0)]), [1, (2, 0)], "mirror")
    assert c.calls == {"Alltoall": 2}
    assert np.array_equal(result.numpy(), weigh([(1, 1), (2, 0)])(np.pad(whole, [(1, 1), (2, 0)], "reflect")))


def test_a_part_without_elements_has_a_neighbourhood_too() -> None:
    seen = []
    x = place(np.arange(3.0), Layout((3,), Grid(SIZE), 0, [[3] + [0] * (SIZE - 1)]))
    dnd.stencil(x, lambda t: (seen.append(len(t)), t[2:-1])[1], [(2, 1)])
    assert seen == [x.lshape[0] + 3]


def test_whole_axes_that_are_not_extended_may_change() -> None:
    whole = np.arange(60.0).reshape(5, 4, 3)
    x = place(whole, Layout((5, 4, 3), Grid(SIZE), 0))
    result = dnd.stencil(x, lambda t: (t[2:] - t[:-2]).sum(2, keepdim=True), 1, "valid", axes=0)
    assert np.array_equal(result.numpy(), (whole[2:] - whole[:-2]).sum(2, keepdims=True))
    with pytest.raises(ValueError, match="`fn` must return shape"):
        dnd.stencil(x, lambda t: t[1:-1, :1], 1, axes=(0, 1))


def test_errors_say_what_to_do() -> None:
    x = dnd.ones((6, 4), split=0)
    with pytest.raises(ValueError, match=r"`boundary` \(='symmetric'\) must be one of reflect"):
        dnd.stencil(x, lambda t: t, 1, "symmetric")
    with pytest.raises(ValueError, match=r"`radius` \(=-1\) must be a number of elements >= 0"):
        dnd.stencil(x, lambda t: t, -1)
    with pytest.raises(ValueError, match="one for each of the axes"):
        dnd.stencil(x, lambda t: t, (1, 2, 3))
    with pytest.raises(ValueError, match="`fn` must return shape"):
        dnd.stencil(x, lambda t: t, 1)
    with pytest.raises(TypeError, match="`fn` must return a torch tensor, .* not a ndarray"):
        dnd.stencil(x, lambda t: t.numpy()[1:-1, 1:-1], 1)
    with pytest.raises(TypeError, match="`fn` must return a torch tensor, .* not a NoneType"):
        dnd.overlap_add(x, lambda t: None, 1)
    with pytest.raises(TypeError, match=r"torch.uint16 cannot be added up"):
        dnd.overlap_add(x.astype("uint16"), torch.clone, 1)
    for value, cval in ((x, 1j), (x.astype(int), np.nan), (x, "0")):
        with pytest.raises(ValueError, match="`cval` .* is no element of an array of"):
            dnd.stencil(value, lambda t: t[1:-1, 1:-1], 1, "constant", cval)
    with pytest.raises(ValueError, match=r"`mode` \(='even'\) must be one of reflect"):
        dnd.ndimage.sobel(x, mode="even")
    with pytest.raises(ValueError, match="`origin`"):
        dnd.ndimage.correlate1d(x, [1, 2, 3], origin=2)
    with pytest.raises(TypeError, match="has none"):
        dnd.ndimage.median_filter(x * 1j, 3)
    with pytest.raises(ValueError, match="give `size` or `footprint`"):
        dnd.ndimage.median_filter(x)


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_long_weights_on_large_arrays(split: int, dtype: str) -> None:
    whole = np.random.default_rng(3).normal(size=(300, 190)).astype(dtype)
    whole[100, 20], whole[7, 150] = np.nan, np.inf  # go as far as the window does, and no farther
    x = dnd.array(whole, split=split)
    result = dnd.ndimage.gaussian_filter(x, 3, truncate=2)
    expected = scipy.ndimage.gaussian_filter(whole, 3, truncate=2)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(result.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_filters_exchange_once_for_each_split_axis() -> None:
    x = dnd.random.normal(size=(30, 20), split=0)
    for call in (
        lambda: dnd.ndimage.gaussian_filter(x, 2),
        lambda: dnd.ndimage.median_filter(x, 5),
        lambda: dnd.ndimage.laplace(x),
        lambda: dnd.ndimage.uniform_filter(x, 30),
        lambda: dnd.ndimage.grey_erosion(x, 3),
    ):
        with count_collectives() as c:
            call()
        assert c.total == (SIZE > 1)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int8", "float16", "bfloat16"])
def test_types_with_few_kernels(dtype: str) -> None:
    values = np.array([5, 250, 3, 9, 100, 7, 2]) % 120
    x = dnd.array(values, split=0).astype(dtype)
    assert dnd.ndimage.minimum_filter(x, 3).tolist() == scipy.ndimage.minimum_filter(values, 3).tolist()
    assert dnd.ndimage.median_filter(x, 3).tolist() == scipy.ndimage.median_filter(values, 3).tolist()
    means = dnd.ndimage.uniform_filter(x, 2)
    assert means.dtype is getattr(torch, dtype)
    if "float" not in dtype:
        assert means.tolist() == scipy.ndimage.uniform_filter(values, 2).tolist()


def test_output_is_an_array_or_a_type() -> None:
    x = dnd.arange(12, split=0).reshape(4, 3)
    out = dnd.zeros((4, 3), dtype="float64", split=1)
    assert dnd.ndimage.gaussian_filter(x, 1, output=out) is out
    expected = scipy.ndimage.gaussian_filter(x.numpy(), 1, output="float64")
    np.testing.assert_allclose(out.numpy(), expected)
    assert dnd.ndimage.gaussian_filter(x, 1, output="float32").dtype is torch.float32
    with pytest.raises(ValueError, match="shape"):
        dnd.ndimage.sobel(x, output=dnd.zeros(3))


def test_gradient_of_a_gradient() -> None:
    x = dnd.random.normal(size=9, split=0).requires_grad_()
    y = dnd.ndimage.correlate1d(x**2, [1, 2, 5], mode="wrap").sum()
    (first,) = torch.autograd.grad(y.larray, x.larray, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x.larray)
    assert torch.allclose(first, 16 * x.larray)
    assert torch.allclose(second, torch.full_like(second, 16))


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_periodization_repeats_the_last_of_an_odd_number(n: int) -> None:
    value = np.arange(float(n))
    even = np.append(value, value[-1:]) if n % 2 else value
    around = np.take(even, np.arange(-3, n + 2) % len(even))
    x = place(value, Layout((n,), Grid(SIZE), 0))
    result = dnd.stencil(x, lambda t: t[:-5] + 10 * t[5:], [(3, 2)], "periodization")
    assert np.array_equal(result.numpy(), around[:n] + 10 * around[5:])
