"""What ufuncs do beside being called: `at`, `outer` and `reduceat`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import ALL, INTEGERS, NUMBERS, REAL, Case

UNORDERED = "torch does not order complex numbers"
NO_SUM_WITH_INFINITY = "where infinities of both signs meet, the order decides what comes out"


def _index(x: Any, axis: int = 0) -> np.ndarray:
    """Indices of an axis, repeated, neither rising nor falling."""
    n = x.shape[axis]
    return np.arange(0, 3 * n, 2) % max(n, 1)


def _at(name: str, key: Callable = _index) -> Callable:
    def call(xp: Any, x: Any, y: Any) -> Any:
        changed = x.copy()
        getattr(np, name).at(changed, key(x), y[key(y)])
        return changed

    return call


def _unary_at(name: str) -> Callable:
    def call(xp: Any, x: Any) -> Any:
        changed = x.copy()
        getattr(np, name).at(changed, _index(x))
        return changed

    return call


def _reduceat(name: str) -> Callable:
    def call(xp: Any, x: Any) -> Any:
        ufunc = getattr(np, name)
        return [ufunc.reduceat(x, _index(x, axis), axis=axis) for axis in ((-1, 0) if x.ndim > 1 else (-1,))]

    return call


def _at_keys(xp: Any, x: Any, y: Any) -> Any:
    results = []
    last = (..., _index(x, -1))
    for key in (0, slice(None, None, -1), x[...] > 0, last, [0, 0, 0], xp.asarray(_index(x))):
        changed = x.copy()
        np.add.at(changed, key, y[0, ..., :1] if key is last else 2)
        results.append(changed)
    return results


def _row(name: str, call: Callable, dtypes: Any, why: str = "", **options: Any) -> Case:
    return Case(name, call, dtypes=dtypes, why=why, **options)


_SUMS = ("add", "multiply")
_ORDER = ("maximum", "minimum", "fmax", "fmin")
_TRUTH = ("logical_and", "logical_or", "logical_xor")
_BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")

CASES: list[Case] = [
    *(_row(n, _at(n), ALL, NO_SUM_WITH_INFINITY, special=False, arrays=2) for n in _SUMS),
    *(_row(n, _at(n), NUMBERS, "bools do not subtract, infinities", special=False, arrays=2) for n in ("subtract",)),
    *(_row(n, _at(n), REAL, UNORDERED, arrays=2) for n in _ORDER),
    *(_row(n, _at(n), ALL, arrays=2) for n in _TRUTH),
    *(_row(n, _at(n), ("bool", *INTEGERS), "of integers and bools", arrays=2) for n in _BITS),
    _row("divide", _at("divide"), ("float64", "complex128"), "what an infinity becomes as an integer is not defined",
         special=False, arrays=2),
    _row("power", _at("power"), ("uint8", "float64"), "integers have no negative powers", special=False, arrays=2),
    _row("negative", _unary_at("negative"), NUMBERS, "bools have no negative"),
    _row("square", _unary_at("square"), ALL),
    _row("add", _at_keys, REAL, UNORDERED, special=False, arrays=2, shapes=((7, 4), (2, 3, 4))),
    *(_row(n, _reduceat(n), ALL, NO_SUM_WITH_INFINITY, special=False, grad=True) for n in _SUMS),
    _row("subtract", _reduceat("subtract"), NUMBERS, "bools do not subtract", special=False, grad=True),
    _row("divide", _reduceat("divide"), NUMBERS, "NumPy divides bools as int8", special=False, grad=True),
    *(_row(n, _reduceat(n), REAL, UNORDERED, grad=True) for n in _ORDER),
    *(_row(n, _reduceat(n), ALL) for n in _TRUTH),
    *(_row(n, _reduceat(n), ("bool", *INTEGERS), "of integers and bools") for n in _BITS),
    _row("gcd", _reduceat("gcd"), INTEGERS, "of integers"),
    _row("hypot", _reduceat("hypot"), ("float32", "float64"), "of real numbers, halves round otherwise", grad=True),
    _row("logaddexp", _reduceat("logaddexp"), ("float32", "float64"), "of real numbers", special=False),
    _row("multiply", lambda xp, x, y: np.multiply.outer(x, y), ALL, arrays=2, grad=True),
]  # fmt: skip
