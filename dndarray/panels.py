"""The work of a contraction: local products, panels that travel while others are multiplied, sums over processes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from .communication import Communicator, Request
from .layout import Layout, balanced_counts
from .memory import fresh
from .placement import Labels

__all__ = ["Kernel", "Operand", "stream", "sum_over"]

PANEL = 6 * 2**20
"""Bytes of one panel that travels, at most; two are held at a time."""

SMALL = 2**16
"""Bytes of a partial product up to which one all-reduce is cheaper than a reduction to each process of its part."""

PART = 4 * 2**20
"""Bytes of one part of a partial product that is reduced; MPI holds as much again for each under way."""


class Operand:
    """A local part with its layout and labels, free of gradients."""

    def __init__(self, tensor: Tensor, layout: Layout, labels: str, comm: Communicator) -> None:
        self.tensor, self.layout, self.labels, self.comm = tensor, layout, labels, comm

    def whole(self) -> Tensor:
        return self.tensor

    def axis(self, label: str) -> int:
        return self.labels.index(label)


# --- the local product ------------------------------------------------------------------------------------------------


class Kernel:
    """The product of local parts, as one (batched) matrix product into memory of the order batch, free a, free b.

    With `transposed` b's free axes come first: BLAS is a third faster where a result has more columns than rows.
    """

    def __init__(self, labels: Labels, transposed: bool = False) -> None:
        self.batch = [x for x in labels.c if labels.kind(x) == "batch"]
        self.rows = [x for x in labels.c if x in labels.a and x not in labels.b]
        self.columns = [x for x in labels.c if x in labels.b and x not in labels.a]
        self.summed = [x for x in labels.a if labels.kind(x) == "summed"]
        self.labels = labels
        self.transposed = transposed
        self.free = (self.columns, self.rows) if transposed else (self.rows, self.columns)
        self.order = "".join(self.batch + self.free[0] + self.free[1])

    @staticmethod
    def _matrix(tensor: Tensor, labels: str, groups: Sequence[Sequence[str]]) -> Tensor:
        order = [labels.index(x) for group in groups for x in group]
        sizes = [math.prod(tensor.shape[labels.index(x)] for x in group) for group in groups]
        matrix = tensor.permute(order).reshape(sizes)
        return matrix.squeeze(0) if sizes[0] == 1 else matrix

    def sizes(self, a: Tensor, b: Tensor) -> dict[str, int]:
        return dict(zip(self.labels.a, a.shape, strict=True)) | dict(zip(self.labels.b, b.shape, strict=True))

    def empty(self, a: Tensor, b: Tensor, sizes: dict[str, int] | None = None) -> Tensor:
        """Memory for the result; `sizes` of labels that a and b have in another length."""
        known = self.sizes(a, b) | (sizes or {})
        return fresh([known[x] for x in self.order], a)

    def __call__(self, a: Tensor, b: Tensor, out: Tensor, add: bool = False) -> Tensor:
        """out = a b, or out += a b."""
        if a.device.type == "cpu" and a.dtype is not torch.bfloat16 and self._free_size(out) == 1:
            return self._dot(a, b, out, add)
        first, second = (a, self.labels.a), (b, self.labels.b)
        if self.transposed:
            first, second = second, first
        left = self._matrix(*first, (self.batch, self.free[0], self.summed))
        right = self._matrix(*second, (self.batch, self.summed, self.free[1]))
        sizes = [math.prod(out.shape[self.order.index(x)] for x in group) for group in (self.batch, *self.free)]
        flat = left.ndim == 2
        try:
            target = out.view(sizes[1:] if flat else sizes)
        except RuntimeError:  # a part of a larger result
            target = out.new_empty(0)
        if target.shape != torch.Size(sizes[1:] if flat else sizes):
            product = torch.matmul(left, right).reshape(out.shape)
            return out.add_(product) if add else out.copy_(product)
        if not add:
            torch.matmul(left, right, out=target)
        elif flat:
            target.addmm_(left, right)
        else:
            target.baddbmm_(left, right)
        return out

    def _free_size(self, out: Tensor) -> int:
        return math.prod(out.shape[len(self.batch) :])

    def _dot(self, a: Tensor, b: Tensor, out: Tensor, add: bool) -> Tensor:
        """Many products of vectors: NumPy's loops are several times faster than a batch of tiny matrix products."""
        number = {x: i for i, x in enumerate(self.order + "".join(self.summed))}
        names = [[number[x] for x in term] for term in (self.labels.a, self.labels.b, self.order)]
        product = np.einsum(
            a.resolve_conj().resolve_neg().numpy(), names[0], b.resolve_conj().resolve_neg().numpy(), names[1], names[2]
        )
        return out.add_(torch.as_tensor(product)) if add else out.copy_(torch.as_tensor(product))

    def finish(self, out: Tensor) -> Tensor:
        """The result with its axes in the order asked for."""
        return out.permute([self.order.index(x) for x in self.labels.c])


# --- along the grid ---------------------------------------------------------------------------------------------------


def _cuts(n: int, offsets: Sequence[Sequence[int]], width: int) -> list[tuple[int, int]]:
    """Panels that cross no process's border and are no wider than `width`."""
    edges = sorted({0, n, *(o for row in offsets for o in row)})
    cuts = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        even = -(-(stop - start) // -(-(stop - start) // width))  # as few panels as may be, of one width
        cuts += [(low, min(low + even, stop)) for low in range(start, stop, even)]
    return cuts


def _panel(op: Operand, g: int | None, label: str, start: int, stop: int) -> Request:
    """The part `[start, stop)` along `label`: broadcast from its owner along grid axis `g`, or cut out here."""
    axis = op.axis(label)
    if g is None:
        part = op.tensor.narrow(axis, start, stop - start)
        return Request([], lambda: part)
    along = op.comm.along(op.layout.grid, (g,))
    offsets = op.layout.offsets[g]
    assert offsets is not None
    owner = bisect_right(offsets, start) - 1
    if owner == along.rank:
        part = op.tensor.narrow(axis, start - offsets[owner], stop - start)
    else:
        shape = list(op.tensor.shape)
        shape[axis] = stop - start
        part = op.tensor.new_empty(()).expand(shape)
    return along.ibroadcast(part, owner)


def _row_bytes(op: Operand, label: str) -> int:
    n = op.tensor.shape[op.axis(label)]
    rest = math.prod(m for i, m in enumerate(op.tensor.shape) if i != op.axis(label))
    return max(1, rest * op.tensor.element_size()) if n or rest else 1


def stream(a: Operand, b: Operand, kernel: Kernel, label: str, routes: tuple[int | None, int | None]) -> Tensor:
    """Add up (or, for a free label, put side by side) the products of panels along `label`."""
    movers = [op for op, g in zip((a, b), routes, strict=True) if g is not None]
    n = max(op.layout.shape[op.axis(label)] for op in movers)
    width = max(1, PANEL // max(_row_bytes(op, label) for op in movers))
    cuts = _cuts(n, [op.layout.offsets[g] for op, g in zip((a, b), routes, strict=True) if g is not None], width)  # type: ignore[misc]
    free = kernel.labels.kind(label) == "free"
    out = kernel.empty(a.tensor, b.tensor, {label: n} if free else None)
    if not cuts:
        return out.zero_()

    def start(cut: tuple[int, int]) -> tuple[Request, Request]:
        both = []
        for op, g in zip((a, b), routes, strict=True):
            both.append(_panel(op, g, label, *cut) if label in op.labels else Request([], op.whole))
        return both[0], both[1]

    under_way = start(cuts[0])
    for i, (low, high) in enumerate(cuts):
        coming = start(cuts[i + 1]) if i + 1 < len(cuts) else None
        left, right = (request.wait() for request in under_way)
        if free:
            kernel(left, right, out.narrow(kernel.order.index(label), low, high - low))
        else:
            kernel(left, right, out, add=i > 0)
        if coming is not None:
            under_way = coming
    return out


def _reduce_parts(
    product: Callable[[int, int], Tensor],
    out: Tensor,
    axis: int,
    cuts: Sequence[tuple[int, int, int | None]],
    along: Communicator,
    first: int,
) -> Tensor:
    """Compute parts of a partial result one by one and reduce each, to its owner or (None) to all, while the next is
    computed. `out` holds this process's part, which begins at `first` along `axis`."""
    pending: tuple[Request, int, int, int | None] | None = None

    def land(entry: tuple[Request, int, int, int | None]) -> None:
        request, low, high, root = entry
        result = request.wait()
        if root is None or root == along.rank:
            out.narrow(axis, low - first, high - low).copy_(result)

    for low, high, root in cuts:
        part = product(low, high)
        request = along.iallreduce(part) if root is None else along.ireduce(part, root)
        if pending is not None:
            land(pending)
        pending = (request, low, high, root)
    if pending is not None:
        land(pending)
    return out


def sum_over(
    a: Operand, b: Operand, kernel: Kernel, grid_axes: tuple[int, ...], scatter: str | None, full: Tensor | None
) -> Tensor:
    """Reduce partial products along grid axes; the result is split along `scatter`, balanced, or replicated.

    `full` is the partial product, if panels had to travel to make it. A small one is reduced as a whole.
    """
    grid, comm = a.layout.grid, a.comm
    along = comm.along(grid, grid_axes)
    sizes = kernel.sizes(a.tensor, b.tensor) if full is None else dict(zip(kernel.order, full.shape, strict=True))
    label = scatter or next(iter(kernel.order), None)
    n = 1 if label is None else sizes[label]
    shares = balanced_counts(n, along.size) if scatter else (n,)
    offsets = (0, *accumulate(shares))
    mine = along.rank if scatter else 0
    row = max(1, math.prod(sizes[x] for x in kernel.order if x != label) * a.tensor.element_size())
    if label is None or n * row <= SMALL:
        partial = kernel(a.tensor, b.tensor, kernel.empty(a.tensor, b.tensor)) if full is None else full
        total = along.allreduce(partial)
        return total if label is None else total.narrow(kernel.order.index(label), offsets[mine], shares[mine])
    axis = kernel.order.index(label)
    cuts = []
    for low, high in _cuts(n, [offsets], max(1, PART // row)):
        cuts.append((low, high, bisect_right(offsets, low) - 1 if scatter else None))
    out = kernel.empty(a.tensor, b.tensor, sizes | {label: shares[mine]})

    def product(low: int, high: int) -> Tensor:
        if full is not None:
            return full.narrow(axis, low, high - low)
        left = a.tensor.narrow(a.axis(label), low, high - low) if label in a.labels else a.tensor
        right = b.tensor.narrow(b.axis(label), low, high - low) if label in b.labels else b.tensor
        return kernel(left, right, kernel.empty(left, right))

    return _reduce_parts(product, out, axis, cuts, along, offsets[mine])
