"""Searching in sorted arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import REAL, SHAPES, Case

PAIRS = [((n,), shape) for n in (0, 1, 2, 13) for shape in SHAPES]
SIDES = ("left", "right")


def _searchsorted(xp: Any, a: Any, v: Any) -> list[Any]:
    return [xp.searchsorted(xp.sort(a), v, side=side) for side in SIDES]


def _with_sorter(xp: Any, a: Any, v: Any) -> list[Any]:
    return [xp.searchsorted(a, v, side=side, sorter=xp.argsort(a)) for side in SIDES]


def _digitize(xp: Any, x: Any, bins: Any) -> list[Any]:
    bins = xp.sort(bins)
    return [xp.digitize(x, b, right=right) for b in (bins, xp.flip(bins)) for right in (False, True)]


def _bucketize(xp: Any, boundaries: Any, x: Any) -> list[Any]:
    boundaries = xp.sort(boundaries)
    return [xp.bucketize(x, boundaries, right=right) for right in (False, True)]


def _bucketize_by_searching(boundaries: np.ndarray, x: np.ndarray) -> list[Any]:
    return [np.searchsorted(np.sort(boundaries), x, side=side) for side in SIDES]


CASES = [
    Case("searchsorted", _searchsorted, arrays=2, shapes=PAIRS),
    Case("searchsorted", _with_sorter, arrays=2, shapes=PAIRS),
    Case("searchsorted", lambda xp, a: xp.searchsorted(xp.sort(a), 1.5)),
    Case(
        "digitize",
        lambda xp, b, x: _digitize(xp, x, b),
        arrays=2,
        shapes=PAIRS,
        dtypes=REAL,
        special=False,
        why="bins are real numbers; where NaN is among them NumPy takes them for unsorted",
    ),
    Case("digitize", lambda xp, x: xp.digitize(x, [-1.5, 0, 2]), dtypes=REAL, why="bins are real numbers"),
    Case("digitize", lambda xp, x: xp.digitize(x, [1, 3, 2])),
    Case("bucketize", _bucketize, arrays=2, shapes=PAIRS, oracle=_bucketize_by_searching),
]
