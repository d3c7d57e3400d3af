"""The vectors of an iteration: local tensors in one layout, whose inner products are global numbers.

An iterative method does with vectors but two things: it adds multiples of them, which is local and done in place, and
it takes inner products, of which as many as are known at a time share one all-reduce. Bases are tensors with a vector
in each row, so that each lies in one piece and a basis grows without moving.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_reduce
from ..communication import Communicator
from ..layout import Layout
from ..random import Generator
from ..redistribution import move
from ..types import can_cast, real_of

__all__ = ["Space", "partial_products"]


def partial_products(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """What this process's parts contribute to the inner products of pairs of vectors, the first conjugated."""
    return torch.stack([torch.vdot(v, w) for v, w in pairs])


class Space:
    """All vectors of one layout (or blocks of them, in columns), type and device."""

    def __init__(self, layout: Layout, dtype: torch.dtype, device: torch.device, comm: Communicator) -> None:
        self.layout, self.dtype, self.device, self.comm = layout, dtype, device, comm
        dealt = [g for g, axis in enumerate(layout.axes) if axis is not None]
        self.along = comm.along(layout.grid, dealt) if dealt else None
        self.n: int = layout.lshape(comm.rank)[0]

    def local(self, x: DNDarray) -> Tensor:
        """The local part of a vector, or of each column of a matrix as a row; to be read, not written."""
        if not can_cast(x.dtype, self.dtype, "same_kind"):
            raise TypeError(f"vectors of {x.dtype} appeared among those of {self.dtype}; give operators their `dtype`")
        layout = self._of(x.shape[1:])
        part = move(x.larray.detach(), x.layout, layout, self.comm).to(self.device, self.dtype)
        return part.T if x.ndim == 2 else part

    def array(self, part: Tensor) -> DNDarray:
        """The vector with this local part, or the matrix whose columns are the rows given."""
        part = part.T if part.ndim == 2 else part
        return wrap(part, self._of(tuple(part.shape[1:])), self.comm)

    def _of(self, columns: tuple[int, ...]) -> Layout:
        return self.layout.derive((*self.layout.shape, *columns), [0]) if columns else self.layout

    def empty(self, *rows: int) -> Tensor:
        return torch.empty((*rows, self.n), dtype=self.dtype, device=self.device)

    def zeros(self, *rows: int) -> Tensor:
        return torch.zeros((*rows, self.n), dtype=self.dtype, device=self.device)

    def total(self, partial: Tensor) -> Tensor:
        """The sum of what the processes found in their parts. Communication: one all-reduce."""
        return partial if self.along is None else all_reduce(partial, self.along)

    def inner(self, *pairs: tuple[Tensor, Tensor]) -> list:
        """The inner products of pairs of vectors, the first conjugated, as Python numbers. One all-reduce for all."""
        return self.total(partial_products(pairs)).tolist()

    def norm(self, v: Tensor) -> float:
        """The Euclidean norm. One all-reduce."""
        return abs(self.inner((v, v))[0]) ** 0.5

    def totals(self, partial: Sequence[Tensor]) -> Sequence[Tensor]:
        """`total` of several tensors, in one all-reduce."""
        if self.along is None or len(partial) == 1:
            return [self.total(part) for part in partial]
        return self.total(torch.cat(list(partial))).split([len(part) for part in partial])

    def gram(self, v: Tensor, w: Tensor) -> Tensor:
        """Inner products of all rows of `v`, conjugated, with all of `w`, or with the vector `w`. One all-reduce."""
        return self.total(v.conj() @ (w if w.ndim == 1 else w.T))

    def turned(self, vectors: Tensor, towards: Tensor) -> Tensor:
        """The vectors, turned (in the complex plane, or by sign) so that their inner products with one are positive.

        So what is determined up to that does not depend on rounding, and on the number of processes. One all-reduce.
        """
        products = self.gram(vectors, towards)[:, None]
        return vectors * torch.where(products == 0, 1, products / products.abs())

    def random(self, seed: int, *rows: int) -> Tensor:
        """Normal random numbers that depend on the seed and the global index alone."""
        shape, place = (*self.layout.shape, *rows), {"grid": self.layout.grid, "comm": self.comm, "device": self.device}
        generator = Generator(seed)

        def draw() -> Tensor:
            return self.local(generator.standard_normal(shape, real_of(self.dtype), split=self.layout.axes, **place))

        return draw() + 1j * draw() if self.dtype.is_complex else draw().clone()
