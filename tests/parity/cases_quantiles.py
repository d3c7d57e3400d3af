"""Medians, percentiles and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import FLOATS, REAL, Case

ORDER = "complex numbers have no order that a quantile could go by"

METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()
DISCRETE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")


def _reducing(name: str, *args: Any, **options: Any) -> Case:
    """Along every axis and all of them, and along several."""

    def call(xp: Any, x: Any) -> Any:
        function = getattr(xp, name)
        axes = [None, *range(x.ndim), *([(0, -1)] if x.ndim > 1 else []), *([(1, 2)] if x.ndim > 2 else [])]
        return [function(x, *args, axis=axis, keepdims=axis == (0, -1), **options) for axis in axes]

    return Case(name, call, dtypes=REAL, grad=True, why=ORDER)


def _weighted(name: str) -> Any:
    def call(xp: Any, x: Any, w: Any) -> list[Any]:
        w = xp.nan_to_num(xp.abs(w)) + 1
        axes = [None, *range(x.ndim), *([(0, -1)] if x.ndim > 1 else [])]
        function = getattr(xp, name)
        return [
            function(x, [0.0, 0.3, 1], axis=a, weights=w, method="inverted_cdf", keepdims=a == (0, -1)) for a in axes
        ]

    return call


CASES: list[Case] = [
    _reducing("median"),
    _reducing("nanmedian"),
    _reducing("quantile", 0.3),
    _reducing("quantile", [[0.0, 0.25], [0.5, 1.0]]),
    _reducing("percentile", 40),
    _reducing("percentile", [99.5, 10, 10]),
    _reducing("nanquantile", 0.3),
    _reducing("nanquantile", [0.1, 0.9]),
    _reducing("nanpercentile", 75.0),
    *(
        Case(
            name,
            lambda xp, x, name=name: [getattr(xp, name)(x, [0.0, 0.15, 0.5, 0.77, 1.0], method=m) for m in METHODS],
            dtypes=REAL[1:],
            why=ORDER + "; bools have nothing between them",
        )
        for name in ("quantile", "nanquantile")
    ),
    Case(
        "quantile",
        lambda xp, x: [xp.quantile(x, 0.4, axis=0, method=m) for m in DISCRETE],
        dtypes=REAL,
        why=ORDER,
    ),
    Case(
        "percentile",
        lambda xp, x: [xp.percentile(x, 0.4, axis=-1, method=m) for m in METHODS],
        dtypes=FLOATS,
        why="the width that a Python number has in each method",
    ),
    Case("quantile", _weighted("quantile"), arrays=2, dtypes=REAL, why=ORDER),
    Case("nanquantile", _weighted("nanquantile"), arrays=2, dtypes=REAL, why=ORDER),
    Case(
        "percentile",
        lambda xp, x: [
            xp.percentile(x, [5, 50.0], axis=a, weights=np.arange(1.0, n + 1), method="inverted_cdf")
            for a, n in enumerate(x.shape)
        ],
        dtypes=REAL,
        why=ORDER,
    ),
]
