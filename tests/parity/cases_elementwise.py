"""The elementwise table, and what is made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dndarray.ufuncs import OPS
from parity.case import ALL, FLOATS, INTEGERS, NUMBERS, REAL, Case

WIDE = ("uint16", "uint32", "uint64")
PAIRS = (
    ((), ()),
    ((13,), (13,)),
    ((0,), (1,)),
    ((2,), ()),
    ((7, 4), (4,)),
    ((7, 1), (1, 5)),
    ((2, 3, 4), (3, 1)),
    ((5, 1, 2), (5, 3, 2)),
    ((3, 2, 2, 3), (2, 2, 1)),
)
"""Shapes that broadcast, alike and not."""

BROADCAST = "operands broadcast"
UNORDERED = "torch has no order of complex numbers; NumPy's is lexicographic"

DIFFERENTIABLE = frozenset(
    (
        "abs negative positive sign conj square reciprocal ceil floor trunc rint fabs sqrt cbrt exp exp2 expm1 log "
        "log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh deg2rad rad2deg sinc "
        "i0 angle real modf add subtract multiply divide remainder fmod power float_power maximum minimum fmax fmin "
        "arctan2 hypot logaddexp logaddexp2 copysign"
    ).split()
)
ORDERED = frozenset("maximum minimum fmax fmin less less_equal greater greater_equal".split())
NO_COMPLEX_NAN = {
    "power": "torch computes exp(y log x) of complex numbers, which is NaN for 1 ** NaN and NaN ** 0",
    "float_power": "torch computes exp(y log x) of complex numbers, which is NaN for 1 ** NaN and NaN ** 0",
}


def _unary(name: str) -> Callable[..., Any]:
    def call(xp: Any, x: Any) -> Any:
        return getattr(xp, name)(x)

    return call


def _binary(name: str) -> Callable[..., Any]:
    if name in ("left_shift", "right_shift", "power", "pow", "float_power"):

        def call(xp: Any, x: Any, y: Any) -> Any:
            return getattr(xp, name)(x, xp.abs(y))

    elif name == "ldexp":

        def call(xp: Any, x: Any, y: Any) -> Any:
            return xp.ldexp(x, xp.astype(y, xp.int32))

    else:

        def call(xp: Any, x: Any, y: Any) -> Any:
            return getattr(xp, name)(x, y)

    return call


def _rows(name: str) -> list[Case]:
    op = OPS[name]
    names = [n for n in (name, *op.aliases) if hasattr(np, n)]
    if op.nin == 1:
        rows = [Case(n, _unary(n), grad=name in DIFFERENTIABLE) for n in names[:1]]
        rows += [Case(n, _unary(n), shapes=((7, 4),), why="another name") for n in names[1:]]
        if name == "spacing":  # of 0 it differs in sign from NumPy's, and so do its half precision results
            rows = [Case(name, lambda xp, x: xp.spacing(xp.abs(x) + 1.0), dtypes=FLOATS, why="types without width")]
        if name in ("reciprocal", "cbrt"):
            why = "NumPy's integer 1 / 0 depends on the processor" if name == "reciprocal" else ""
            chosen = ("bool", "float32", "float64", "complex128") if why else ALL
            rows = [Case(name, _unary(name), dtypes=chosen, grad=True, why=why)]
        return rows
    why = BROADCAST
    dtypes = ALL
    if name in ORDERED:
        dtypes, why = REAL, UNORDERED
    rows = [Case(name, _binary(name), 2, PAIRS, dtypes, grad=name in DIFFERENTIABLE, why=why)]
    if name in NO_COMPLEX_NAN:
        rows = [
            Case(name, _binary(name), 2, PAIRS, REAL, grad=True, why="complex below"),
            Case(name, _binary(name), 2, PAIRS, ("complex128",), special=False, why=NO_COMPLEX_NAN[name]),
        ]
    return rows + [Case(n, _binary(n), 2, PAIRS[4:6], dtypes, why="another name") for n in names[1:]]


def _with_numbers(xp: Any, x: Any) -> list[Any]:
    return [x + 2, 2 - x, x * 3, x / 4, 1 / (x * x + 2), x == 1, x != 2]


def _order(xp: Any, x: Any) -> list[Any]:
    return [x < 2, x >= 2, x > 200, x <= -1, x // 2, x % 3]


CASES: list[Case] = [
    *(row for name in OPS for row in _rows(name)),
    Case("add", _with_numbers),
    Case("power", lambda xp, x: [x**2, x**3, 2 ** abs(x)], dtypes=NUMBERS, why="NumPy squares bools by another rule"),
    Case("less", _order, dtypes=REAL, why=UNORDERED),
    Case("add", lambda xp, x, y: xp.add(x, y, out=xp.ones_like(x)), 2),
    Case("multiply", lambda xp, x, y: xp.multiply(x, y, out=xp.ones_like(x), where=x != 0), 2),
    Case("exp", lambda xp, x: xp.exp(x, where=x == x, out=xp.zeros_like(x)), grad=True),
    Case(
        "divide",
        lambda xp, x, y: xp.divide(x, y, dtype=xp.float32),
        2,
        PAIRS,
        ("float32", *INTEGERS),
        why="NumPy casts by same_kind only",
    ),
    Case("where", lambda xp, c, x, y: xp.where(c != 0, x, y), 3, grad=True),
    Case("where", lambda xp, c: xp.where(c)),
    Case("clip", lambda xp, x: xp.clip(x, 1, 3), dtypes=REAL, grad=True, why=UNORDERED),
    Case("clip", lambda xp, x, lo, hi: xp.clip(x, lo, hi), 3, dtypes=REAL, grad=True, why=UNORDERED),
    Case("clip", lambda xp, x: [xp.clip(x, None, 0), xp.clip(x, -1.5, None)], dtypes=FLOATS, why="a float bound"),
    Case("round", lambda xp, x: xp.round(x), grad=True),
    Case("round", lambda xp, x: [xp.round(x, 1), xp.round(x, -1)], dtypes=FLOATS, why="decimals of integers below"),
    Case("round", lambda xp, x: xp.round(x, -1), dtypes=INTEGERS, why="integers"),
    Case("around", lambda xp, x: xp.around(x, 1), dtypes=FLOATS, why="as round"),
    Case("nan_to_num", lambda xp, x: xp.nan_to_num(x), grad=True),
    Case("nan_to_num", lambda xp, x: xp.nan_to_num(x, nan=1.5, posinf=7.0, neginf=-7.0)),
    Case("isclose", lambda xp, x, y: [xp.isclose(x, y), xp.isclose(x, y, 0.5, 0.5, True)], 2, PAIRS, why=BROADCAST),
    Case("allclose", lambda xp, x, y: [xp.allclose(x, y, atol=9.0), xp.allclose(x, x, equal_nan=True)], 2),
    Case("array_equal", lambda xp, x, y: [xp.array_equal(x, y), xp.array_equal(x, x, equal_nan=True)], 2),
    Case("array_equiv", lambda xp, x, y: [xp.array_equiv(x, y), xp.array_equiv(x, x)], 2, PAIRS, why=BROADCAST),
]
