"""Filter banks of two channels: one level of a wavelet transform along one axis, and back.

On one process it is a product with a band matrix, block by block: these do several times the operations of the filters
themselves, and are several times as fast. Coefficient k lies where sample 2k does; what a filter needs beyond a
process's own part comes from its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..collectives import needs_grad
from ..communication import Communicator
from ..layout import Layout
from ..memory import fresh
from ..overlap import offsets_along
from ..stencils import neighbourhoods

__all__ = ["Filters", "decompose_axis", "doubled", "is_doubled", "reconstruct_axis"]


class Filters(NamedTuple):
    """The four filters of a wavelet, each of the same even number of taps."""

    dec_lo: tuple[float, ...]
    dec_hi: tuple[float, ...]
    rec_lo: tuple[float, ...]
    rec_hi: tuple[float, ...]

    @property
    def taps(self) -> int:
        return len(self.dec_lo)

    def adjoint(self) -> Filters:
        """Those with which reconstruction is the adjoint of decomposition with these, and the other way round."""
        return Filters(self.rec_lo[::-1], self.rec_hi[::-1], self.dec_lo[::-1], self.dec_hi[::-1])


# --- one process: along one axis, by products with small band matrices ------------------------------------------------

BLOCK = 8
"""Coefficients of a block: what it multiplies more than the filters do is made up for by the speed of products."""

CACHED = 2**18
"""Numbers of a product, which stay in the cache until they lie where they belong."""

NARROW = 8
"""Numbers behind an axis up to which the windows are the rows of a product, not its columns."""


@lru_cache(maxsize=64)
def _analysis_matrix(filters: Filters, m: int) -> np.ndarray:
    """`m` coefficients of each filter, in terms of 2m samples and taps / 2 - 1 more at either side; shape (1, ...)."""
    taps = filters.taps
    band = np.zeros((2, m, 2 * m + taps - 2))
    for i in range(m):
        band[0, i, 2 * i : 2 * i + taps] = filters.dec_lo[::-1]
        band[1, i, 2 * i : 2 * i + taps] = filters.dec_hi[::-1]
    return band.reshape(1, 2 * m, -1)


@lru_cache(maxsize=64)
def _synthesis_matrix(filters: Filters, m: int) -> np.ndarray:
    """2m samples in terms of m coefficients of each of the two filters, and taps // 4 more at either side."""
    taps, more = filters.taps, filters.taps // 4
    band = np.zeros((2, 2 * m, m + 2 * more))
    for k, j in product(range(-more, m + more), range(taps)):
        sample = 2 * k + j - (taps // 2 - 1)
        if 0 <= sample < 2 * m:
            band[:, sample, k + more] = filters.rec_lo[j], filters.rec_hi[j]
    return band


def _multiply(matrices: Tensor, windows: Sequence[Tensor], out: Tensor) -> None:
    """Put what the matrices make of all windows where it belongs.

    The windows are (outer, blocks, inner, samples) for each matrix, `out` is (filters, outer, blocks, rows, inner).
    """
    outer, blocks, inner, width = windows[0].shape
    rows, along = matrices.shape[1], int(outer > blocks)
    kinds = out.shape[0]
    for i, start in product(range(windows[0].shape[along]), range(0, inner, step := min(inner, CACHED // rows or 1))):
        piece = slice(start, start + step)
        places = out.select(along + 1, i)[..., piece]
        columns = [w.select(along, i)[:, piece] for w in windows]
        many = max(1, CACHED // (rows * step))
        for first in range(0, columns[0].shape[0], many):
            batch = [c[first : first + many] for c in columns]
            n, k = batch[0].shape[:2]
            if inner <= NARROW:
                product_ = batch[0].reshape(-1, width) @ matrices[0].T
                for matrix, some in zip(matrices[1:], batch[1:], strict=True):
                    product_.addmm_(some.reshape(-1, width), matrix.T)
                computed = product_.view(n, k, kinds, -1).permute(2, 0, 3, 1)
            else:
                product_ = torch.bmm(matrices[0].expand(n, -1, -1), batch[0].mT)
                for matrix, some in zip(matrices[1:], batch[1:], strict=True):
                    product_.baddbmm_(matrix.expand(n, -1, -1), some.mT)
                computed = product_.view(n, kinds, -1, k).transpose(0, 1)
            places[:, first : first + many] = computed


class _Line:
    """A part along its middle axis with what stands before and after it, of which nothing is copied."""

    def __init__(self, pieces: Sequence[Tensor], first: int) -> None:
        """Index 0 is the `first` of the pieces."""
        self.pieces = pieces
        self.edges = [-first]
        for piece in pieces:
            self.edges.append(self.edges[-1] + piece.shape[1])

    def inside(self) -> tuple[int, int]:
        """Where the longest piece begins and ends."""
        return max(pairwise(self.edges), key=lambda edge: edge[1] - edge[0])

    def section(self, start: int, stop: int) -> Tensor:
        spans = [(max(start, a) - a, min(stop, b) - a) for a, b in pairwise(self.edges)]
        found = [piece[:, u:v] for (u, v), piece in zip(spans, self.pieces, strict=True) if u < v]
        return found[0] if len(found) == 1 else torch.cat(found, 1)


def _banded(
    lines: Sequence[_Line], matrix: Callable[[int], np.ndarray], count: int, stride: int, reach: int, out: Tensor
) -> None:
    """`count` units of what a band matrix makes of lines: unit i of `stride * i` on, and `reach` indices more."""
    low, high = lines[0].inside()
    u = min(max(0, -(-low // stride)), count)
    v = max(u, min(count, (high - reach) // stride))
    each = out.shape[2] // max(count, 1)
    for first, last in ((0, u), (u, v), (v, count)):
        units = last - first
        whole = units - units % BLOCK
        for start, stop, size in ((first, first + whole, BLOCK), (first + whole, last, units - whole)):
            if start < stop:
                sections = [line.section(stride * start, stride * stop + reach) for line in lines]
                windows = [s.unfold(1, stride * size + reach, stride * size) for s in sections]
                matrices = torch.from_numpy(matrix(size)).to(out)
                place = out[:, :, each * start : each * stop].unflatten(2, (-1, each * size))
                _multiply(matrices, windows, place)


def _three(tensor: Tensor, axis: int) -> Tensor:
    """The tensor as (outer, axis, inner)."""
    shape = tensor.shape
    return tensor.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def _analysis(pieces: Sequence[Tensor], first: int, count: int, filters: Filters) -> Tensor:
    """The approximation and the detail, of `count` coefficients each, of a line (outer, samples, inner)."""
    out = fresh((2, pieces[0].shape[0], count, pieces[0].shape[2]), pieces[0])
    if out.numel():
        _banded([_Line(pieces, first)], lambda m: _analysis_matrix(filters, m), count, 2, filters.taps - 2, out)
    return out


def _synthesis(pairs: Sequence[Sequence[Tensor]], first: int, count: int, filters: Filters) -> Tensor:
    """The 2 * `count` samples of the approximation and the detail, each a line (outer, coefficients, inner)."""
    sample = pairs[0][0]
    out = fresh((1, sample.shape[0], 2 * count, sample.shape[2]), sample)
    if out.numel():
        lines = [_Line(pieces, first) for pieces in pairs]
        _banded(lines, lambda m: _synthesis_matrix(filters, m), count, 1, 2 * (filters.taps // 4), out)
    return out[0]


class _Analysis(torch.autograd.Function):
    """Decomposition of a line that has all it needs; its adjoint is reconstruction with zeros around."""

    @staticmethod
    def forward(ctx: Any, line: Tensor, filters: Filters) -> Tensor:
        ctx.filters = filters
        return _analysis([line], 0, (line.shape[1] - filters.taps) // 2 + 1, filters)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        filters = ctx.filters
        more, before = filters.taps // 4, filters.taps // 2 - 1
        around = (before + 1) // 2 + more
        padded = torch.nn.functional.pad(grad, (0, 0, around, around))
        full = _Synthesis.apply(padded, filters.adjoint())
        return full.narrow(1, before % 2, 2 * grad.shape[2] + 2 * before), None


class _Synthesis(torch.autograd.Function):
    """Reconstruction of samples from all the coefficients that they need; its adjoint is decomposition."""

    @staticmethod
    def forward(ctx: Any, pair: Tensor, filters: Filters) -> Tensor:
        ctx.filters = filters
        return _synthesis([[pair[0]], [pair[1]]], 0, pair.shape[2] - 2 * (filters.taps // 4), filters)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        around = 2 * (ctx.filters.taps // 4) + ctx.filters.taps // 2 - 1
        padded = torch.nn.functional.pad(grad, (0, 0, around, around))
        return _Analysis.apply(padded, ctx.filters.adjoint()), None


# --- all processes: one level along one axis --------------------------------------------------------------------------


def halved(layout: Layout, axis: int) -> Layout:
    halves = [(o + 1) // 2 for o in offsets_along(layout, axis)]
    shape = [halves[-1] if a == axis else n for a, n in enumerate(layout.shape)]
    return layout.derive(shape, range(layout.ndim), {axis: [v - u for u, v in pairwise(halves)]})


def doubled(layout: Layout, axis: int) -> Layout:
    shape = [2 * n if a == axis else n for a, n in enumerate(layout.shape)]
    counts = [2 * (v - u) for u, v in pairwise(offsets_along(layout, axis))]
    return layout.derive(shape, range(layout.ndim), {axis: counts})


def is_doubled(target: Layout, layout: Layout, axis: int) -> bool:
    """Whether the signals of coefficients in `layout` can be computed where `target` wants them: samples 2k and 2k + 1
    with coefficient k, but where a part ends with 2k; the last sample may be left out."""
    samples, coefficients = (pairwise(offsets_along(of, axis)) for of in (target, layout))
    apart = all(u < v or s == t for (s, t), (u, v) in zip(samples, coefficients, strict=True))
    return apart and halved(target, axis) is layout


def decompose_axis(
    tensors: Sequence[Tensor], layout: Layout, axis: int, filters: Filters, comm: Communicator
) -> tuple[list[Tensor], Layout]:
    """The approximation and the detail of each tensor, one after another."""
    half = filters.taps // 2
    extended = neighbourhoods(tensors, layout, axis, comm, (half - 1, half), "periodization")
    result = halved(layout, axis)
    start, count = layout.box(comm.rank)[axis][0] % 2, result.lshape(comm.rank)[axis]
    bands = []
    for pieces in extended:
        if needs_grad(*pieces):
            line = _three(torch.cat(pieces, axis).narrow(axis, start, 2 * (count + half - 1)), axis)
            both = _Analysis.apply(line, filters)
        else:
            both = _analysis([_three(piece, axis) for piece in pieces], start, count, filters)
        bands += both.reshape(2, *result.lshape(comm.rank)).unbind(0)
    return bands, result


def reconstruct_axis(
    tensors: Sequence[Tensor], layout: Layout, axis: int, filters: Filters, comm: Communicator, target: Layout
) -> list[Tensor]:
    """The signals, in `target`, of approximations and details, which come one after another; see `is_doubled`."""
    more = filters.taps // 4
    shifted = any(o % 2 for o in offsets_along(target, axis)[:-1])
    extended = neighbourhoods(tensors, layout, axis, comm, (more + shifted, more), "wrap")
    start, stop = target.box(comm.rank)[axis]
    count = (stop + 1) // 2 - start // 2 if stop > start else 0
    first = int(shifted) - start % 2
    signals = []
    for low, high in zip(extended[::2], extended[1::2], strict=True):
        if needs_grad(*low, *high):
            pair = torch.stack([torch.cat(pieces, axis) for pieces in (low, high)])
            pair = pair.narrow(axis + 1, first, count + 2 * more)
            lines = pair.reshape(2, *_three(pair[0], axis).shape)
            whole = _Synthesis.apply(lines, filters)
        else:
            pairs = [[_three(piece, axis) for piece in pieces] for pieces in (low, high)]
            whole = _synthesis(pairs, first, count, filters)
        whole = whole[:, start % 2 :][:, : stop - start]
        signals.append(whole.reshape(target.lshape(comm.rank)))
    return signals
