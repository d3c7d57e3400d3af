"""Partitions and the largest few. The order within a partition is free, so that its properties are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import FLOATS, REAL, Case

ORDER = "complex numbers have no order that selection goes by"


def _kths(n: int) -> list[Any]:
    return [n // 2, [n // 3, -1]] if n else [0]


def _parts(xp: Any, y: Any, kth: Any, axis: int) -> list[Any]:
    """What does not depend on the order within the parts: the k-th elements, and the parts sorted."""
    n = y.shape[axis]
    y = xp.moveaxis(y, axis, -1)
    cuts = sorted({k % n for k in (kth if isinstance(kth, list) else [kth])})
    found = [y[..., k] for k in cuts]
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        found.append(xp.sort(y[..., start:stop], axis=-1))
    return found


def _partition(xp: Any, x: Any) -> list[Any]:
    found = []
    for axis in range(x.ndim):
        for kth in _kths(x.shape[axis]):
            found += _parts(xp, xp.partition(x, kth, axis=axis), kth, axis)
    return found or [xp.partition(x, 0)]


def _argpartition(xp: Any, x: Any) -> list[Any]:
    found = []
    for axis in range(x.ndim):
        for kth in _kths(x.shape[axis])[-1:]:
            found += _parts(xp, xp.take_along_axis(x, xp.argpartition(x, kth, axis=axis), axis), kth, axis)
            found.append(xp.sort(xp.argpartition(x, kth, axis=axis), axis=axis))
    return found or [xp.argpartition(x, 0, axis=None)]


def _topk(xp: Any, x: Any) -> list[Any]:
    found: list[Any] = []
    for axis in range(-1, x.ndim):
        n = x.shape[axis]
        for k in sorted({0, min(2, n), n}):
            found += xp.topk(x, k, axis, largest=k != 2)
        found += xp.topk(x, n // 2, axis, sorted=False)
    return found


class _Sorting:
    """What `topk` gives, by stable sorting."""

    @staticmethod
    def topk(x: np.ndarray, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> list[np.ndarray]:
        n = x.shape[axis]
        if largest:
            order = n - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)
        else:
            order = np.argsort(x, axis=axis, stable=True)
        order = np.take(order, np.arange(k), axis)
        order = order if sorted else np.sort(order, axis)
        return [np.take_along_axis(x, order, axis), order]


CASES: list[Case] = [
    Case("partition", _partition),
    Case("partition", lambda xp, x: [_parts(xp, xp.partition(x, k, axis=None), k, 0) for k in _kths(x.size)]),
    Case("partition", lambda xp, x: xp.sort(xp.partition(x, 0) ** 2), dtypes=FLOATS, grad=True, why="squares"),
    Case("argpartition", _argpartition),
    Case("argpartition", lambda xp, x: xp.ravel(x)[xp.argpartition(x, x.size // 2, axis=None)[x.size // 2]]),
    Case("topk", _topk, dtypes=REAL, oracle=lambda x: _topk(_Sorting, x), grad=True, why=ORDER),
]
