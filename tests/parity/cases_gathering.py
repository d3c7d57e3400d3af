"""Elements chosen and set by indices and conditions, beside NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import ALL, INTEGERS, SHAPES, Case

TYPES_OF_INDICES = (*ALL, "uint16", "uint32", "uint64")
VECTORS = tuple(s for s in SHAPES if s)


def _set(function: Callable) -> Callable:
    """What `function(xp, copy, ...)` makes of a copy of the first array."""

    def call(xp: Any, x: Any, *rest: Any) -> Any:
        copy = xp.reshape(xp.asarray(x), x.shape, copy=True)
        assert function(xp, copy, *rest) is None
        return copy

    return call


def _take_along(xp: Any, x: Any, y: Any) -> list[Any]:
    results = []
    for axis in range(x.ndim):
        n = max(x.shape[axis], 1)
        index = xp.asarray(abs(y) * 3 % n, dtype="int64")
        results += [xp.take_along_axis(x, index, axis), xp.take_along_axis(x, -1 - index, axis - x.ndim)]
        one = (slice(None),) * axis + (slice(0, 1),)
        results.append(xp.take_along_axis(x, index[one], axis))
        results.append(
            xp.take_along_axis(x[(slice(None),) * (axis == 0) + (slice(0, 1),)], index, axis) if x.ndim > 1 else x
        )
    return results


def _put_along(xp: Any, x: Any, y: Any) -> list[Any]:
    results = [x]
    for axis in range(x.ndim):
        copy = xp.reshape(xp.asarray(x), x.shape, copy=True)
        index = xp.asarray(abs(y) * 3 % max(x.shape[axis], 1), dtype="int64")
        xp.put_along_axis(copy, index, y, axis)
        one = (slice(None),) * axis + (slice(0, 1),)
        xp.put_along_axis(copy, -1 - index[one], 5, axis)
        results.append(copy)
    return results


def _flat_index(x: Any) -> np.ndarray:
    return (np.arange(5) * 7 + 3) % max(x.size, 1)


def _put(xp: Any, x: Any, y: Any) -> None:
    xp.put(x, _flat_index(x), y)
    xp.put(x, [-1, 0], [0, 1])
    xp.put(x, [40, -70, 2], y.ravel()[:2], mode="wrap")
    xp.put(x, [40, -70], [3, 4], mode="clip")


def _put_at(xp: Any, x: Any, y: Any) -> None:
    xp.put(x, abs(y) % max(x.size, 1), y)


def _place(xp: Any, x: Any, y: Any) -> None:
    xp.place(x, abs(y) > 0.5, y)
    xp.place(x, y == y, [1, 2, 3])


def _putmask(xp: Any, x: Any, y: Any) -> None:
    xp.putmask(x, abs(y) > 0.5, y)
    xp.putmask(x, abs(y) > 4, [1, 2, 3])
    xp.putmask(x, y == 1, 1)


def _copyto(xp: Any, x: Any, y: Any) -> None:
    xp.copyto(x, y, where=abs(y) > 0.5)
    xp.copyto(x, y[..., :1], casting="unsafe", where=y != 0)
    xp.copyto(x, 1, where=y == 0)


def _fill(value: Any, wrap: bool) -> Callable:
    return lambda xp, x: xp.fill_diagonal(x, value, wrap)


def _pieces(xp: Any, x: Any) -> Any:
    return xp.piecewise(x, [abs(x) < 0.4, abs(x) >= 0.6], [lambda v: v * v, lambda v: v * 3, lambda v: v * 2])


def _compress(xp: Any, x: Any, y: Any) -> list[Any]:
    return [xp.compress(y.ravel()[: x.shape[a]] != 0, x, a) for a in range(x.ndim)]


SQUARES = ((3, 3), (7, 4), (4, 7), (1, 5), (9, 2), (2, 2, 2), (4, 4, 4), (2, 3, 4), (0, 3), (3, 0), (13,), ())
WHERE_INTEGERS = "indices are integers"

CASES: list[Case] = [
    Case("argwhere", lambda xp, x: xp.argwhere(x)),
    Case("flatnonzero", lambda xp, x: xp.flatnonzero(x)),
    # --- chosen
    Case("take", lambda xp, x: [xp.take(x, [0, -1, 1], mode=m) for m in ("wrap", "clip")], grad=True),
    Case("take", lambda xp, x: [xp.take(x, [[2, -9], [40, 0]], 0, mode=m) for m in ("wrap", "clip")], grad=True),
    Case("take", lambda xp, x: xp.take(x, [0, -1, 0]), grad=True),
    Case("take", lambda xp, x: [xp.take(x, [0, -1, 0], a, out=xp.take(x, [0, 0, 0], a).copy()) for a in range(x.ndim)]),
    Case("take_along_axis", _take_along, arrays=2, dtypes=INTEGERS, why=WHERE_INTEGERS),
    Case("take_along_axis", lambda xp, x: xp.take_along_axis(x, _flat_index(x), None), grad=True),
    Case(
        "take_along_axis",
        lambda xp, x: [x, *(xp.take_along_axis(x, np.full([1] * x.ndim, -1), a) for a in range(x.ndim))],
        grad=True,
    ),
    Case("extract", lambda xp, x, y: [xp.extract(abs(y) > 0.5, x), xp.extract([True, False, True], x)], arrays=2),
    Case("compress", lambda xp, x, y: [xp.compress(y.ravel() != 0, x), *_compress(xp, x, y)], arrays=2),
    Case("compress", lambda xp, x: [x, *(xp.compress([False, True], x, a) for a in range(x.ndim))], grad=True),
    Case(
        "choose",
        lambda xp, x, y: [xp.choose(abs(x) % 3, [y, 5, x]), *(xp.choose(x, [y, x], mode=m) for m in ("wrap", "clip"))],
        arrays=2,
        dtypes=("uint8", "int32", "int64"),
        why=WHERE_INTEGERS,
    ),
    Case("choose", lambda xp, x: xp.choose([[1], [0]], [x, x * 2]), grad=True),
    Case("select", lambda xp, x, y: xp.select([abs(x) > 2, abs(y) > 0.5], [x, y]), arrays=2),
    Case(
        "select",
        lambda xp, x, y: xp.select([abs(x) > 0.7, abs(y) > 0.5, x != 0], [x * y, x, y * 2], 7),
        arrays=2,
        grad=True,
    ),
    Case("piecewise", _pieces, grad=True),
    Case("piecewise", lambda xp, x: xp.piecewise(x, [abs(x) > 0.5], [2])),
    Case(
        "piecewise",
        lambda xp, x: xp.piecewise(x, abs(x) > 0.5, [1, 0]),
        shapes=((1,), (13,)),
        why="one condition alone has one axis, and NumPy looks at its first element",
    ),
    # --- set
    Case(
        "put",
        _set(lambda xp, x, y: xp.put(x, y.ravel()[:1] * 0, 3)),
        arrays=2,
        dtypes=TYPES_OF_INDICES,
        why="unsigned, too",
    ),
    Case("choose", lambda xp, x: xp.choose(x, [3, 2, 1], mode="wrap"), dtypes=TYPES_OF_INDICES, why="unsigned, too"),
    Case("put", _set(_put), arrays=2, grad=True),
    Case("put", _set(_put_at), arrays=2, dtypes=INTEGERS, why=WHERE_INTEGERS),
    Case("put_along_axis", _put_along, arrays=2, dtypes=INTEGERS, why=WHERE_INTEGERS),
    Case("place", _set(_place), arrays=2, grad=True),
    Case("putmask", _set(_putmask), arrays=2, grad=True),
    Case("copyto", _set(_copyto), arrays=2, grad=True),
    Case("copyto", _set(lambda xp, x, y: xp.copyto(x, y * 1.5)), arrays=2),
    *(
        Case("fill_diagonal", _set(_fill(value, wrap)), shapes=SQUARES, grad=True, why="squares, tall ones and others")
        for value in (1, [1, 0, 3])
        for wrap in (False, True)
    ),
]
