"""Matrices for the tests of dense factorizations, on many layouts, and what such a factorization may communicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

import dndarray as dnd
from dndarray.layout import Grid, Layout
from dndarray.linalg import block_cyclic
from dndarray.testing import count_collectives

COMM = dnd.get_comm()
SIZE = COMM.size
DTYPES = ["float32", "float64", "complex128"]
SHAPES = [(1, 1), (2, 2), (13, 13), (0, 0), (11, 5), (5, 11), (30, 2), (0, 3), (3, 0), (1, 7), (7, 1)]
SQUARE = [shape for shape in SHAPES if shape[0] == shape[1]]
CONDITIONS = [1.0, 1e3, 1e6, 1e9, 1e12]


def eps(dtype: str) -> float:
    """Rounding of a type."""
    return float(np.finfo(dtype).eps)


def adjoint(a: np.ndarray) -> np.ndarray:
    return a.conj().T


def normal(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Normally distributed numbers."""
    rng = np.random.default_rng([seed, *shape])
    a = rng.normal(size=shape)
    return (a + 1j * rng.normal(size=shape) if dtype == "complex128" else a).astype(dtype)


def conditioned(m: int, n: int, condition: float, dtype: str = "float64") -> np.ndarray:
    """A matrix with singular values from 1 to 1 / condition."""
    k = min(m, n)
    u, v = (np.linalg.qr(normal(size, k, dtype=dtype, seed=seed))[0] for seed, size in enumerate((m, n)))
    return (u * condition ** -np.linspace(0, 1, k)) @ adjoint(v)


def definite(n: int, dtype: str = "float64", condition: float = 10.0) -> np.ndarray:
    """A Hermitian matrix with eigenvalues from 1 to 1 / condition."""
    u = np.linalg.qr(normal(n, n, dtype=dtype))[0]
    a = (u * condition ** -np.linspace(0, 1, n)) @ adjoint(u)
    return ((a + adjoint(a)) / 2).astype(dtype)


def layouts_of(shape: Sequence[int]) -> Iterator[Layout]:
    """Rows or columns dealt out, some processes without any, grids of two axes."""
    grid = COMM.grid
    yield Layout(shape, grid, 0)
    yield Layout(shape, grid, 1)
    yield Layout(shape, grid, 0, [[0] * (SIZE - 1) + [shape[0]]])
    grid = Grid((2, SIZE // 2)) if SIZE % 2 == 0 else Grid((SIZE, 1))
    for split in ((0, 1), (1, 0), (0, None)):
        yield Layout(shape, grid, split)


def spread(a: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """The array in this layout."""
    part = torch.from_numpy(np.ascontiguousarray(a))[tuple(slice(*i) for i in layout.box(COMM.rank))].clone()
    return dnd.DNDarray(part, layout, COMM)


def everywhere(a: np.ndarray) -> list[dnd.DNDarray]:
    """The matrix in every layout."""
    return [spread(a, layout) for layout in layouts_of(a.shape)]


def starts(n: int) -> list[tuple[int, int]]:
    """Where each block of `n` columns starts, and its width."""
    width = min(block_cyclic.WIDTH, max(block_cyclic.NARROW, n // (4 * SIZE)))
    return [(start, min(width, n - start)) for start in range(0, n, width)]


def traffic(call: Callable[[], Any]) -> tuple[dict[str, int], float]:
    """The collectives called, and the words (of 8 bytes) that all processes sent."""
    with count_collectives() as c:
        call()
    return c.calls, float(COMM.allreduce(torch.tensor(c.bytes))) / 8


def gradients(
    ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: np.ndarray
) -> Iterator[tuple[dnd.DNDarray, np.ndarray]]:
    """The gradients of a random linear function of the results: ours on split arrays, torch's on one process."""
    given = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*given)
    weights = [normal(*e.shape, dtype=str(e.dtype).removeprefix("torch."), seed=7) for e in expected]
    sum((e * torch.tensor(w)).sum() for e, w in zip(expected, weights, strict=True)).real.backward()
    for layout in layouts_of(arrays[0].shape):
        split = [spread(arrays[0], layout), *(dnd.array(a, split=0) for a in arrays[1:])]
        for x in split:
            x.requires_grad_()
        results = ours(*split)
        loss = sum((r * dnd.array(w)).sum() for r, w in zip(results, weights, strict=True))
        loss.real.backward()
        yield from ((x.grad, t.grad.numpy()) for x, t in zip(split, given, strict=True))
