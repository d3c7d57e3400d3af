"""Sorting: values, and the order that sorts."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import FLOATS, Case


def _axes(x: Any) -> list[int | None]:
    return [None, *range(x.ndim), -1]


def _sort(xp: Any, x: Any) -> list[Any]:
    return [xp.sort(x, axis=axis) for axis in _axes(x)]


def _argsort(xp: Any, x: Any) -> list[Any]:
    return [xp.argsort(x, axis=axis, kind="stable") for axis in _axes(x)]


def _descending(name: str) -> Any:
    def call(xp: Any, x: Any) -> list[Any]:
        return [getattr(xp, name)(x, axis=axis, descending=True, stable=True) for axis in _axes(x)]

    return call


def _sort_reversed(x: np.ndarray) -> list[np.ndarray]:
    return [np.flip(np.sort(x, axis=axis), axis or 0) for axis in _axes(x)]


def _argsort_reversed(x: np.ndarray) -> list[np.ndarray]:
    """The last of equals comes first in the mirrored array, and so does the first in the result."""
    results = []
    for axis in _axes(x):
        rows, along = (x.reshape(-1), 0) if axis is None or not x.ndim else (x, axis)
        order = np.argsort(np.flip(rows, along), axis=along, kind="stable")
        results.append(rows.shape[along] - 1 - np.flip(order, along))
    return results


def _lexsort(xp: Any, x: Any, y: Any) -> list[Any]:
    return [xp.lexsort((x, y)), xp.lexsort([y, x, y], axis=0)]


CASES = [
    Case("sort", _sort, grad=True),
    Case("sort", lambda xp, x: xp.sort(x, kind="mergesort", axis=0)),
    Case("sort", lambda xp, x: xp.sort(x, order="field")),
    Case("sort", _descending("sort"), oracle=_sort_reversed, grad=True),
    Case("argsort", _argsort),
    Case("argsort", _descending("argsort"), oracle=_argsort_reversed),
    Case("lexsort", _lexsort, arrays=2),
    Case("lexsort", lambda xp, x: xp.lexsort(x)),
    Case("sort_complex", lambda xp, x: xp.sort_complex(x)),
    Case(
        "sort_complex",
        lambda xp, x: xp.sort_complex(x),
        dtypes=(*FLOATS, "int16", "uint8", "complex64"),
        why="the widths that become complex numbers of single or of double precision",
    ),
]
