"""Reductions, arguments of extremes, moments and scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dndarray as dnd
from dndarray import reduction, scan
from parity.case import ALL, FLOATS, INEXACT, INTEGERS, REAL, SHAPES, Case

UNORDERED = "torch has no order of complex numbers; NumPy's is lexicographic"
HAVE_AXES = [shape for shape in SHAPES if shape]
LONG = [shape for shape in SHAPES if len(shape) > 1]

ORDERED = frozenset("min max nanmin nanmax ptp amin amax".split())
SMOOTH = frozenset("sum prod min max mean var nansum nanprod nanmin nanmax nanmean nanvar".split())
REDUCTIONS = (*"sum prod min max all any mean var std ptp count_nonzero".split(),) + tuple(
    f"nan{name}" for name in "sum prod min max mean var std".split()
)


def _plain(name: str) -> Callable[..., Any]:
    def call(xp: Any, x: Any) -> Any:
        return [getattr(xp, name)(x), getattr(xp, name)(x, keepdims=True), getattr(xp, name)(x, axis=())]

    return call


def _along(name: str) -> Callable[..., Any]:
    def call(xp: Any, x: Any) -> Any:
        return [getattr(xp, name)(x, axis=0), getattr(xp, name)(x, axis=-1, keepdims=True)]

    return call


def _over_two(name: str) -> Callable[..., Any]:
    def call(xp: Any, x: Any) -> Any:
        return [getattr(xp, name)(x, axis=(0, -1)), getattr(xp, name)(x, axis=(1, 0), keepdims=True)]

    return call


def _rows(name: str) -> list[Case]:
    dtypes, why = (REAL, UNORDERED) if name in ORDERED else (ALL, "")
    grad = name in SMOOTH
    moment = name.startswith("nan") and name[3:] in ("mean", "var", "std")
    return [
        Case(name, _plain(name), dtypes=dtypes, grad=grad, why=why),
        Case(
            name,
            _along(name),
            shapes=HAVE_AXES if moment else SHAPES,
            dtypes=dtypes,
            grad=grad,
            why=why or ("NumPy reduces arrays without axes along axis 0 here, and not in mean" if moment else ""),
        ),
        Case(name, _over_two(name), shapes=LONG, dtypes=dtypes, grad=grad, why=why or "two axes"),
    ]


def _arg(name: str) -> list[Case]:
    calls = (
        lambda xp, x: getattr(xp, name)(x),
        lambda xp, x: [getattr(xp, name)(x, axis=0), getattr(xp, name)(x, axis=-1, keepdims=True)],
        lambda xp, x: getattr(xp, name)(x, keepdims=True),
    )
    return [Case(name, call, dtypes=REAL, why=UNORDERED) for call in calls]


def _scans(name: str) -> list[Case]:
    dtypes, why = (REAL, UNORDERED) if name in ("cummax", "cummin") else (ALL, "")
    of_numpy = {"cummax": np.maximum.accumulate, "cummin": np.minimum.accumulate}

    def along(axis: int) -> Case:
        def oracle(x: Any) -> Any:
            return of_numpy[name](np.atleast_1d(x), axis=axis)

        return Case(
            name,
            lambda xp, x: getattr(xp, name)(x, axis=axis),
            dtypes=dtypes,
            grad=True,
            oracle=oracle if name in of_numpy else None,
            why=why,
        )

    def flat(x: Any) -> Any:
        return of_numpy[name](x.reshape(-1))

    whole = Case(
        name,
        lambda xp, x: getattr(xp, name)(x),
        dtypes=dtypes,
        grad=True,
        oracle=flat if name in of_numpy else None,
        why=why,
    )
    return [along(0), along(-1)] + ([whole] if not name.startswith("cumulative") else [])


def _standard(name: str) -> Case:
    def call(xp: Any, x: Any) -> Any:
        return [getattr(xp, name)(x, axis=axis, include_initial=first) for axis in (0, -1) for first in (True, False)]

    return Case(name, call, shapes=HAVE_AXES, grad=True, why="NumPy forgets the initial element without axes")


def _of_ufunc(name: str, method: str) -> Case:
    table = reduction.BY_UFUNC if method == "reduce" else scan.BY_UFUNC
    dtypes, why = ALL, "a method of a ufunc"
    if name.startswith("f") or name in ("maximum", "minimum"):
        dtypes, why = REAL, UNORDERED

    def call(xp: Any, x: Any) -> Any:
        function = table[name] if xp is dnd else getattr(getattr(np, name), method)
        return [function(x, axis=0), function(x, axis=-1)]

    beside = {"reduce": "sum", "accumulate": "cumsum"}[method]  # the public function of the same file
    return Case(beside, call, shapes=HAVE_AXES, dtypes=dtypes, why=why)


CASES: list[Case] = [
    *(row for name in REDUCTIONS for row in _rows(name)),
    *(row for name in ("argmax", "argmin", "nanargmax", "nanargmin") for row in _arg(name)),
    *(row for name in ("cumsum", "cumprod", "cummax", "cummin") for row in _scans(name)),
    *(_standard(name) for name in ("cumulative_sum", "cumulative_prod")),
    *(_of_ufunc(name, "reduce") for name in reduction.BY_UFUNC),
    *(_of_ufunc(name, "accumulate") for name in scan.BY_UFUNC),
    Case("amin", lambda xp, x: xp.amin(x), dtypes=REAL, why=UNORDERED),
    Case("amax", lambda xp, x: xp.amax(x, axis=0), dtypes=REAL, why=UNORDERED),
    Case(
        "sum",
        lambda xp, x, m: [
            xp.sum(x, where=m != 0),
            xp.sum(x, axis=0, where=m != 0, initial=2),
            xp.prod(x, where=m == 0),
        ],
        2,
        ((13,), (7, 4), (0, 3), (2, 3, 4)),
        why="the mask is of the array's shape",
        grad=True,
    ),
    Case(
        "max",
        lambda xp, x, m: [xp.max(x, where=m != 0, initial=-3), xp.min(x, axis=-1, where=m != 0, initial=5)],
        2,
        ((13,), (7, 4), (0, 3), (2, 3, 4)),
        FLOATS,
        why="an initial value below zero",
        grad=True,
    ),
    Case(
        "mean",
        lambda xp, x, m: [xp.mean(x, where=m != 0), xp.var(x, axis=0, where=m != 0), xp.std(x, where=m == 0, ddof=1)],
        2,
        ((13,), (7, 4), (2, 3, 4)),
        why="something to take the mean of",
    ),
    Case(
        "all",
        lambda xp, x, m: [xp.all(x, where=m != 0), xp.any(x, axis=0, where=m != 0)],
        2,
        ((13,), (7, 4), (0, 3), (2, 3, 4)),
        why="the mask is of the array's shape",
    ),
    Case("var", lambda xp, x: [xp.var(x, ddof=1), xp.std(x, axis=-1, ddof=2), xp.var(x, correction=1)], grad=False),
    Case(
        "sum",
        lambda xp, x: [xp.sum(x, dtype=xp.float64), xp.cumsum(x, dtype=xp.float64), xp.prod(x, dtype="float32")],
        dtypes=("bool", *INTEGERS, *FLOATS),
        why="complex numbers lose their imaginary part",
        rtol=1e-5,
    ),
    Case("mean", lambda xp, x: xp.mean(x, dtype="complex128"), dtypes=INEXACT, why="another type"),
    Case("sum", lambda xp, x: xp.sum(x, axis=0, out=xp.zeros_like(x[0])), shapes=HAVE_AXES, dtypes=INEXACT, why="out"),
    Case(
        "cumsum",
        lambda xp, x: xp.cumsum(x, axis=0, out=xp.ones_like(x)),
        shapes=HAVE_AXES,
        dtypes=INEXACT,
        why="`out` has the type of the sums; NumPy itself dies of arrays without axes here",
    ),
    *(
        Case(
            name,
            lambda xp, x, name=name: [getattr(xp, name)(x), getattr(xp, name)(x, axis=0)],
            shapes=((7, 4),),
            grad=True,
            why="of one element NumPy's differences are 0 where the square root has no derivative",
        )
        for name in ("std", "nanstd")
    ),
]
