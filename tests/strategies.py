"""What hypothesis draws for several test files: shapes, grids and layouts. The same examples on every rank."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st

from dndarray.layout import Grid, Layout


@cache
def arrangements(size: int) -> tuple[Grid, ...]:
    """Every grid of `size` processes with up to three axes."""
    lengths = range(1, size + 1)
    shapes = (shape for ndim in (1, 2, 3) for shape in itertools.product(lengths, repeat=ndim))
    return tuple(Grid(shape) for shape in shapes if math.prod(shape) == size)


def shapes(ndim: int = 3, n: int = 6) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of up to `ndim` axes of up to `n` indices, none included."""
    return st.lists(st.integers(0, n), max_size=ndim).map(tuple)


@st.composite
def counts(draw: st.DrawFn, n: int, parts: int) -> tuple[int, ...]:
    """Any way to deal `n` indices to `parts` processes, in order."""
    cuts = sorted(draw(st.lists(st.integers(0, n), min_size=parts - 1, max_size=parts - 1)))
    return tuple(b - a for a, b in itertools.pairwise([0, *cuts, n]))


@st.composite
def layouts(draw: st.DrawFn, shape: Sequence[int], size: int) -> Layout:
    """Any layout of an array of `shape` over `size` processes."""
    grid = draw(st.sampled_from(arrangements(size)))
    axes = draw(st.permutations([*range(len(shape)), *[None] * grid.ndim]))[: grid.ndim]
    dealt = [
        None if a is None or draw(st.booleans()) else draw(counts(shape[a], p))
        for a, p in zip(axes, grid.shape, strict=True)
    ]
    return Layout(shape, grid, tuple(axes), dealt)
