"""Distinct elements, and arrays as sets."""

from __future__ import annotations

from typing import Any

from parity.case import SHAPES, Case

PAIRS = [(shape, other) for shape in SHAPES for other in ((), (0,), (2,), (13,), (7, 4))]


def _unique(xp: Any, x: Any) -> list[Any]:
    return [
        xp.unique(x),
        xp.unique(x, equal_nan=False),
        xp.unique(x, return_counts=True),
        xp.unique(x, return_index=True, return_inverse=True),
        xp.unique(x, True, True, True, equal_nan=False),
    ]


def _unique_along(xp: Any, x: Any) -> list[Any]:
    return [xp.unique(x, True, True, True, axis=axis) for axis in range(x.ndim)]


def _intersect(xp: Any, x: Any, y: Any) -> list[Any]:
    return [xp.intersect1d(x, y), xp.intersect1d(x, y, return_indices=True)]


def _setdiff_unique(xp: Any, x: Any, y: Any) -> Any:
    """What is unique need not be in order."""
    return xp.setdiff1d(xp.flip(xp.unique(x)), xp.unique(y), assume_unique=True)


def _isin(xp: Any, x: Any, y: Any) -> list[Any]:
    return [xp.isin(x, y), xp.isin(x, y, invert=True), xp.isin(y, x)]


def _sets(name: str) -> Case:
    return Case(name, lambda xp, x, y: getattr(xp, name)(x, y), arrays=2, shapes=PAIRS)


CASES = [
    Case("unique", _unique),
    Case("unique", _unique_along),
    Case("unique", lambda xp, x: xp.unique(x, axis=-1)),
    Case("unique_values", lambda xp, x: xp.sort(xp.unique_values(x))),
    Case("unique_counts", lambda xp, x: tuple(xp.unique_counts(x))),
    Case(
        "unique_inverse",
        lambda xp, x: tuple(xp.unique_inverse(x)),
        special=False,
        why="each NaN is one of its own here, and NumPy numbers them in no defined order",
    ),
    Case("unique_all", lambda xp, x: tuple(xp.unique_all(x))),
    Case("intersect1d", _intersect, arrays=2, shapes=PAIRS),
    _sets("union1d"),
    _sets("setdiff1d"),
    Case("setdiff1d", _setdiff_unique, arrays=2, shapes=PAIRS),
    _sets("setxor1d"),
    Case("isin", _isin, arrays=2, shapes=PAIRS),
    Case("isin", lambda xp, x: xp.isin(x, [0, 1, 2.5])),
]
