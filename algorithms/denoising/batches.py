"""Cubes that are larger than memory: batches of their rows, one after another, as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dndarray as dnd
from dndarray import DNDarray

from .denoiser import as_cube

__all__ = ["Batches", "sum_pixels"]


class Batches:
    """A cube of which only batches of its rows are ever in memory.

    Parameters
    ----------
    rows : iterable of DNDarray
        Batches (rows, columns, bands), the same ones each time that it is iterated over, as a `dnd.io.stream` is.
    shape : sequence of int
        Of the cube.
    """

    def __init__(
        self, rows: Iterable[Any], shape: Sequence[int], change: Callable[[DNDarray], DNDarray] = lambda batch: batch
    ) -> None:
        self.shape = tuple(shape)
        self._rows = rows
        self._change = change

    @property
    def size(self) -> int:
        """Number of elements."""
        rows, columns, bands = self.shape
        return rows * columns * bands

    def __iter__(self) -> Iterator[DNDarray]:
        """The batches, checked."""
        for batch in self._rows:
            yield self._change(as_cube(batch))

    def map(self, change: Callable[[DNDarray], DNDarray]) -> Batches:
        """The cube to whose batches a function was applied, each time anew."""
        return Batches(self, self.shape, change)


def sum_pixels(func: Callable[..., Any], cube: DNDarray | Batches, *, shared: Sequence[Any] = ()) -> Any:
    """`dnd.sum_blocks` over the pixels of a cube, be it in memory or not.

    Communication: that of `dnd.sum_blocks`, for each batch.
    """
    if isinstance(cube, DNDarray):
        return dnd.sum_blocks(func, cube, shared=shared)
    total: Any = None
    for batch in cube:
        found = dnd.sum_blocks(func, batch, shared=shared)
        if total is None:
            total = found
        else:
            total = (
                tuple(a + b for a, b in zip(total, found, strict=True)) if isinstance(found, tuple) else total + found
            )
    return total
