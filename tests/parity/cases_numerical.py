"""Differences, derivatives, integrals, interpolation, angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import ALL, FLOATS, NUMBERS, REAL, Case

AXES = (0, -1)
LINES = (((13,), (13,)), ((7,), (7, 4)), ((4,), (2, 3, 4)), ((2,), (2,)), ((1,), (3, 1)))
WIDE = ("uint16", "uint32", "uint64")
FINITE = "differences of infinities are NaN in places of their own"


def _gradients(xp: Any, x: Any) -> list[Any]:
    return [x, *(xp.gradient(x, axis=a, edge_order=e) for a in range(x.ndim) for e in (1, 2))]


def _interpolated(xp: Any, x: Any, y: Any, **options: Any) -> Any:
    """A table of as many points as `y` has, its coordinates in order."""
    line = xp.asarray(np.arange(max(y.shape)) * 0.7 - 1.5)
    table = y if y.ndim == 1 else y.reshape(-1)[: max(y.shape)]
    return xp.interp(x, line, table, **options)


CASES: list[Case] = [
    Case(
        "diff",
        lambda xp, x: [xp.diff(x, n, a) for n in (0, 1, 2, 20) for a in AXES],
        dtypes=(*ALL, *WIDE),
        grad=True,
        why="unsigned integers, too",
    ),
    Case(
        "diff",
        lambda xp, x: [x, *(xp.diff(x, axis=a, prepend=1, append=x) for a in range(x.ndim))],
        grad=True,
    ),
    Case(
        "diff",
        lambda xp, x, y: [xp.diff(x, prepend=y), xp.diff(x, 2, append=y)],
        arrays=2,
        shapes=(((13,), (2,)), ((7, 4), (7, 1)), ((2, 3, 4), (2, 3, 5)), ((0,), (3,))),
        grad=True,
    ),
    Case("ediff1d", lambda xp, x: [xp.ediff1d(x), xp.ediff1d(x, to_end=x), xp.ediff1d(x, x[..., :1], x)], grad=True),
    Case("gradient", lambda xp, x: [x, xp.gradient(x), xp.gradient(x, 0.5)], grad=True),
    Case(
        "gradient",
        _gradients,
        shapes=((13,), (7, 4), (3, 3), (5, 3, 4), (2,), ()),
        grad=True,
        why="three elements or more, and some that are refused",
    ),
    Case(
        "gradient",
        lambda xp, x: xp.gradient(x, 0.5, np.arange(x.shape[-1]) ** 2.0, axis=(0, -1), edge_order=2),
        shapes=((7, 4), (3, 3), (5, 2, 4)),
        grad=True,
        why="two axes",
    ),
    Case(
        "gradient",
        lambda xp, c, y: [xp.gradient(y, xp.cumsum(abs(c) + 1), axis=-1, edge_order=e) for e in (1, 2)],
        arrays=2,
        grad=True,
        special=False,
        shapes=(((13,), (13,)), ((4,), (7, 4)), ((4,), (2, 3, 4)), ((3,), (3,))),
        dtypes=FLOATS,
        why="ascending coordinates",
    ),
    Case("trapezoid", lambda xp, x: [xp.trapezoid(x, axis=a) for a in AXES], grad=True),
    Case(
        "trapezoid",
        lambda xp, x: [x, *(xp.trapezoid(x, dx=0.25, axis=a) for a in range(x.ndim))],
        dtypes=("bool", "float32", "float64", "complex128"),
        grad=True,
        why="an integer times a Python float is of torch's default type",
    ),
    Case(
        "trapezoid",
        lambda xp, c, y: xp.trapezoid(y, c),
        arrays=2,
        shapes=LINES,
        dtypes=NUMBERS,
        grad=True,
        why="bools have no distance",
    ),
    Case(
        "trapezoid",
        lambda xp, x, y: [xp.trapezoid(y, x, axis=a) for a in AXES],
        arrays=2,
        shapes=((7, 4), (2, 3, 4), (1, 5)),
        dtypes=NUMBERS,
        grad=True,
        why="x like y",
    ),
    Case(
        "interp",
        lambda xp, x: _interpolated(xp, x, xp.asarray(np.array([1.5, -2, 4, 0, 3, 3, 7]))),
        dtypes=REAL,
        grad=True,
        why="real coordinates",
    ),
    Case(
        "interp",
        lambda xp, x, y: [_interpolated(xp, x, y), _interpolated(xp, x, y, left=-7.0, right=8)],
        arrays=2,
        grad=True,
        dtypes=REAL,
        shapes=(
            ((), (3,)),
            ((13,), (2,)),
            ((0,), (4,)),
            ((7, 4), (13,)),
            ((2, 3, 4), (1,)),
            ((5,), (0,)),
            ((1, 5), (7, 4)),
        ),
        why="real coordinates",
    ),
    Case(
        "interp",
        lambda xp, x, y: _interpolated(xp, x.real, y),
        arrays=2,
        dtypes=("complex128",),
        special=False,
        shapes=(((13,), (5,)), ((7, 4), (3,))),
        why="complex values",
    ),
    Case(
        "interp",
        lambda xp, x, y: _interpolated(xp, x, y, period=6.1),
        arrays=2,
        grad=True,
        dtypes=("int32", "float64"),
        shapes=(((13,), (5,)), ((7, 4), (3,)), ((), (2,)), ((4,), (1,))),
        special=False,
        why="a period",
    ),
    Case(
        "interp",
        lambda xp, x: xp.interp(
            x,
            xp.asarray([-1.0, 0.0, 0.0, 1.0, 1.0]).astype("float64"),
            xp.asarray([1.0, 2.0, 4.0, 5.0, 7.0]).astype("float64"),
        ),
        dtypes=REAL,
        why="real coordinates",
    ),
    Case(
        "unwrap",
        lambda xp, x: [xp.unwrap(3 * x, axis=a) for a in AXES],
        dtypes=("float32", "float64", "complex128"),
        special=False,
        grad=True,
        why="integers have their row; a NaN spreads",
    ),
    Case(
        "unwrap",
        lambda xp, x: [
            xp.unwrap(x, axis=a, period=p, discont=d) for a in range(x.ndim) for p in (4, 5) for d in (None, 3)
        ],
        dtypes=("int32", "int64"),
        why="NumPy refuses bytes",
    ),
    Case("angle", lambda xp, x: xp.angle(x), grad=True),
    Case(
        "angle",
        lambda xp, x: xp.angle(x, deg=True),
        dtypes=("float32", "float64", "complex128"),
        grad=True,
        why="an integer's angle in degrees is of torch's default type",
    ),
    Case(
        "real_if_close",
        lambda xp, x: [xp.real_if_close(x), xp.real_if_close(x + 1e-15j), xp.real_if_close(x + 1e-3j, tol=0.1)],
        grad=True,
        check_dtype=False,
        why="an integer plus a Python number is of torch's default type",
    ),
    Case(
        "around",
        lambda xp, x: [xp.around(x, d) for d in (0, 1, -1)],
        dtypes=NUMBERS,
        why="a bool is rounded in half precision",
    ),
]
