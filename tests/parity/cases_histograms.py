"""Histograms and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from parity.case import FLOATS, INTEGERS, REAL, Case

ORDER = "complex numbers have no order that bins could go by"
ESTIMATORS = ("auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges")
LINES = ((0,), (1,), (2,), (13,), (40,))
POINTS = ((0, 3), (1, 5), (7, 4), (13, 1), (30, 2))


def _flat(results: Any) -> list[Any]:
    return [leaf for part in results for leaf in (part if isinstance(part, (tuple, list)) else [part])]


def _with_weights(xp: Any, x: Any, w: Any) -> Any:
    return _flat(
        [
            xp.histogram(x, weights=w),
            xp.histogram(x, bins=[-2.0, -1.5, 0.0, 1.0, 30.0], weights=w),
            xp.histogram(x, bins=4, range=(-1, 1), weights=w)[0],
        ]
    )


def _grid(xp: Any, x: Any) -> Any:
    d = x.shape[1]
    edges = [np.array([-2.0, -0.5, 0.0, 0.5, 9.0][i % 2 :]) for i in range(d)]
    return _flat(
        [
            xp.histogramdd(x, bins=3),
            xp.histogramdd(x, bins=[2 + i % 3 for i in range(d)], density=True),
            xp.histogramdd(x, bins=edges, weights=np.arange(len(x)) / 2),
            xp.histogramdd(x, bins=2, range=[(-1, 1)] * d),
        ]
    )


CASES: list[Case] = [
    Case("histogram", lambda xp, x: xp.histogram(x), dtypes=REAL, why=ORDER),
    Case("histogram", lambda xp, x: xp.histogram(x, 7, range=(-1, 2.5)), dtypes=REAL, why=ORDER),
    Case("histogram", lambda xp, x: xp.histogram(x, [-3, -1, 0, 0, 1.5, 4], density=True), dtypes=REAL, why=ORDER),
    Case("histogram", lambda xp, x: xp.histogram(x, 3, density=True), dtypes=REAL, why=ORDER),
    Case("histogram", lambda xp, x: [xp.histogram(x, e)[1] for e in ESTIMATORS], dtypes=REAL, why=ORDER),
    Case("histogram", _with_weights, arrays=2, dtypes=REAL[1:], why=ORDER + "; weights are numbers"),
    Case(
        "histogram",
        lambda xp, x, w: xp.histogram(x, 3, range=(0, 2), weights=w)[0] * 1.0,
        arrays=2,
        dtypes=FLOATS,
        special=False,
        grad=True,
        why="differentiable in the weights",
    ),
    Case(
        "histogram",
        lambda xp, x: xp.histogram(x.real, 3, weights=x)[0],
        dtypes=("complex128",),
        special=False,
        why="complex weights",
    ),
    Case(
        "histogram_bin_edges",
        lambda xp, x: [
            xp.histogram_bin_edges(x),
            *(xp.histogram_bin_edges(x, bins=e, range=(-0.7, 1.9)) for e in ESTIMATORS),
        ],
        dtypes=REAL,
        why=ORDER,
    ),
    Case("histogramdd", _grid, shapes=POINTS, dtypes=REAL, why=ORDER + "; one row for each point"),
    Case(
        "histogramdd", lambda xp, x: _flat(xp.histogramdd(x, 3)), shapes=LINES, dtypes=REAL[1:], why="a line of numbers"
    ),
    Case(
        "histogram2d",
        lambda xp, x, y: _flat([xp.histogram2d(x, y, 4), xp.histogram2d(x, y, [-1.0, 0.0, 2.0], density=True)]),
        arrays=2,
        shapes=LINES,
        dtypes=REAL[1:],
        why="points have real coordinates, and NumPy does not subtract bools",
    ),
    Case(
        "histc",
        lambda xp, x: [xp.histc(x, 7), xp.histc(x, 5, -0.5, 1.5)],
        dtypes=FLOATS,
        oracle=lambda x: [np.asarray(torch.from_numpy(x).histc(*a)) for a in ((7,), (5, -0.5, 1.5))],
        why="torch counts floating types",
    ),
    Case(
        "bincount",
        lambda xp, x: [xp.bincount(abs(x)), xp.bincount(abs(x), minlength=12)],
        shapes=((), *LINES, (7, 4)),
        dtypes=INTEGERS,
        why="counts integers of one dimension",
    ),
    Case("bincount", lambda xp, x: xp.bincount(x), shapes=LINES, dtypes=REAL, why="raises for what it does not count"),
    Case(
        "bincount",
        lambda xp, x, w: xp.bincount((abs(x) * 3 % 7).astype("int64"), weights=w),
        arrays=2,
        shapes=LINES,
        dtypes=REAL[1:],
        special=False,
        why="counts integers of one dimension, made of the elements here",
    ),
]
