"""A user's function applied along axes, and bits packed into bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

import dndarray as dnd
from parity.case import FLOATS, NUMBERS, REAL, Case

BITS = ("bool", "uint8", "int32", "int64", "float64")
BYTES = ("uint8", "int32", "float64")
BROADCAST = (((13,), (13,)), ((2,), ()), ((7, 4), (4,)), ((7, 1), (1, 5)), ((3, 2, 2, 3), (2, 2, 1)), ((0,), (1,)))


def _mean_and_more(v: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """A function of a vector that gives two axes."""
    return scale * np.array([[v.sum(), v.max(), 1], [len(v), v[0], v[-1]]])


def _mapped(xp: Any, x: Any) -> Any:
    """The same by a loop over rows in NumPy, by vmap over every axis here."""
    if xp is dnd:
        return [dnd.vmap(lambda v: (v * v).sum(), axis)(x) for axis in range(x.ndim)]
    return [np.stack([(v * v).sum() for v in np.moveaxis(x, axis, 0)]) for axis in range(x.ndim)]


def _mapped_pair(xp: Any, x: Any, w: Any) -> Any:
    """A function of a row and of a vector that every row gets, with results along the last axis."""
    if xp is dnd:
        return dnd.vmap(lambda v, w: (v * w, w @ v), (0, None), (-1, 0))(x, w)
    return [(x * w).T, x @ w]


def _in_blocks(xp: Any, x: Any, y: Any, w: Any) -> Any:
    """Something independent along the last axis, here in blocks of two."""

    def centred(w: Any, x: Any, y: Any) -> tuple:
        return x * y + (w * w).sum(), y * 2

    return dnd.map_blocks(centred, x, y, shared=[w], size=2) if xp is dnd else centred(w, x, y)


def _over_samples(xp: Any, x: Any, y: Any, w: Any) -> Any:
    """Sums over samples, here in blocks of two."""

    def sums(w: Any, x: Any, y: Any) -> tuple:
        return x.T @ y, (x * w[: x.shape[-1]] ** 2).sum(axis=0), (y**2).sum()

    if xp is dnd:
        return dnd.sum_blocks(sums, x, y, shared=[w], size=2)
    return sums(w, x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]))


def _printed(xp: Any, x: Any) -> list[str]:
    """Under options, which are common to NumPy and to us."""
    kept = xp.get_printoptions()
    with xp.printoptions(threshold=5, edgeitems=1):
        texts = [xp.array_str(x)]
    xp.set_printoptions(precision=1)
    texts.append(xp.array_str(x))
    xp.set_printoptions(**kept)
    return texts


CASES: list[Case] = [
    Case(
        "apply_along_axis",
        lambda xp, x: [xp.apply_along_axis(np.sort, a, x) for a in range(-x.ndim, x.ndim)],
        dtypes=REAL,
        why="np.sort",
    ),
    Case("apply_along_axis", lambda xp, x: [xp.apply_along_axis(np.sum, a, x) for a in range(max(x.ndim, 1))]),
    Case(
        "apply_along_axis",
        lambda xp, x: [xp.apply_along_axis(_mean_and_more, a, x, scale=2.0) for a in (0, -1)],
        dtypes=NUMBERS,
        special=False,
        why="a bool has no sum with a scale",
    ),
    Case(
        "apply_over_axes",
        lambda xp, x: [xp.apply_over_axes(xp.sum, x, a) for a in (0, (0, -1), range(x.ndim))],
        special=False,
        shapes=((3,), (0, 3), (7, 4), (2, 3, 4), (3, 2, 2, 3)),
        why="sums of infinities are tried elsewhere",
    ),
    Case(
        "apply_over_axes",
        lambda xp, x: xp.apply_over_axes(xp.cumsum, x, (1, 0)),
        shapes=((7, 4), (2, 3, 4)),
        grad=True,
        why="two axes",
    ),
    Case(
        "vectorize",
        lambda xp, x, y: xp.vectorize(lambda a, b: a if a < b else b * 2.5)(x, y),
        arrays=2,
        shapes=BROADCAST,
        dtypes=REAL,
        why="an order",
    ),
    Case(
        "vectorize",
        lambda xp, x, y: xp.vectorize(lambda a, b, c: (a + b, c), otypes=["complex128", "int32"], excluded={2})(
            x, y, 3
        ),
        arrays=2,
        shapes=BROADCAST,
        special=False,
        dtypes=NUMBERS,
        why="a + b of numbers",
    ),
    Case("vectorize", lambda xp, x, y: xp.vectorize(lambda a, b=1: a != b)(x, b=y), arrays=2, shapes=BROADCAST),
    Case(
        "vectorize",
        lambda xp, x: [
            xp.vectorize(lambda v: v.max() if len(v) else 0, signature="(n)->()")(x),
            xp.vectorize(lambda v: (v[:1], v[::-1]), otypes="dd", signature="(n)->(k),(n)")(x),
        ],
        dtypes=REAL,
        special=False,
        why="the largest of real numbers, of any process the first",
    ),
    Case(
        "vectorize",
        lambda xp, x, y: [
            xp.vectorize(np.dot, signature="(m,n),(n)->(m)")(x, y),
            xp.vectorize(lambda a, b, c: a + b[::-1] * c, excluded={"c"}, signature="(m),(m)->(m)")(
                x[..., 0, :], y, c=2
            ),
        ],
        arrays=2,
        dtypes=NUMBERS,
        special=False,
        shapes=(
            ((7, 4), (4,)),
            ((2, 3, 4), (4,)),
            ((2, 3, 4), (2, 4)),
            ((5, 1, 2), (1, 2)),
            ((3, 2, 2, 3), (2, 3)),
            ((2, 3), (4,)),
            ((0, 2, 3), (3,)),
            ((3,), (3,)),
        ),
        why="matrices and vectors",
    ),
    Case(
        "vmap",
        _mapped,
        dtypes=NUMBERS,
        grad=True,
        shapes=((2,), (13,), (7, 4), (1, 5), (2, 3, 4), (5, 1, 2)),
        special=False,
        check_dtype=False,
        oracle=lambda x: _mapped(np, x),
        why="a function of torch, whose sums have types of their own",
    ),
    Case(
        "vmap",
        _mapped_pair,
        arrays=2,
        dtypes=FLOATS,
        grad=True,
        shapes=(((7, 4), (4,)), ((2, 3), (3,)), ((0, 3), (3,))),
        special=False,
        oracle=lambda x, w: _mapped_pair(np, x, w),
        why="a matrix and a vector of torch",
    ),
    Case(
        "map_blocks",
        _in_blocks,
        arrays=3,
        dtypes=FLOATS,
        grad=True,
        shapes=(((7, 5), (5,), (3,)), ((2, 3, 1), (3, 1), (2, 2)), ((0,), (0,), (4,)), ((4, 9), (4, 9), (2,))),
        oracle=lambda *arrays: _in_blocks(np, *arrays),
        why="a function of three arrays",
    ),
    Case(
        "sum_blocks",
        _over_samples,
        arrays=3,
        dtypes=FLOATS,
        grad=True,
        shapes=(((7, 5), (7, 2), (5,)), ((2, 3, 4), (2, 3, 1), (6,)), ((0, 3), (0, 2), (3,)), ((4, 1), (4, 9), (2,))),
        special=False,
        oracle=lambda *arrays: _over_samples(np, *arrays),
        why="a function of three arrays",
    ),
    Case(
        "packbits",
        lambda xp, x: [xp.packbits(x, bitorder=b) for b in ("big", "little")],
        dtypes=BITS,
        special=False,
        why="floats are refused alike",
    ),
    Case(
        "packbits",
        lambda xp, x: [xp.packbits(x, a) for a in range(-x.ndim, x.ndim)],
        dtypes=BITS,
        special=False,
        why="floats are refused alike",
    ),
    Case(
        "packbits",
        lambda xp, x: [xp.packbits(x, a) for a in range(x.ndim)],
        dtypes=("bool",),
        shapes=((200,), (64, 2), (9, 33)),
        why="many bytes",
    ),
    Case(
        "unpackbits",
        lambda xp, x: [xp.unpackbits(x, bitorder=b) for b in ("big", "little")],
        dtypes=BYTES,
        special=False,
        why="bytes; others are refused alike",
    ),
    Case(
        "unpackbits",
        lambda xp, x: [xp.unpackbits(x, a) for a in range(-x.ndim, x.ndim)],
        dtypes=BYTES,
        special=False,
        why="bytes",
    ),
    Case(
        "unpackbits",
        lambda xp, x: [xp.unpackbits(x, 0, c) for c in (None, 0, 3, 8, 17, 300, -1)],
        dtypes=("uint8",),
        why="bytes",
    ),
    Case("unpackbits", lambda xp, x: xp.unpackbits(x, -1, -80), dtypes=("uint8",), why="bytes; more than many have"),
    Case(
        "array2string",
        lambda xp, x: [xp.array2string(x, separator=","), xp.array2string(x, precision=1, threshold=3, edgeitems=1)],
    ),
    Case("array_str", lambda xp, x: xp.array_str(x, precision=2)),
    Case("array_repr", lambda xp, x: xp.array_repr(x).partition("(")[0], oracle=lambda x: "dndarray"),
    Case("printoptions", _printed, shapes=((13,), (7, 4)), why="long enough to be abbreviated"),
]
