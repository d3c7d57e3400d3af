"""Distances: every function of dndarray.spatial, beside SciPy's or its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import distance

from parity.case import FLOATS, REAL, Case

PAIRS = tuple(
    ((n, d), (m, d)) for n, m, d in ((7, 5, 3), (1, 13, 1), (2, 1, 12), (13, 7, 20), (0, 4, 2), (3, 0, 2), (0, 0, 3))
)
ROWS = ((0, 3), (1, 5), (2, 4), (7, 4), (13, 12), (5, 1), (3, 0))
LIMITS = "distances are between matrices of as many columns; SciPy's are all float64, ours of the rows' type"
SMOOTH = "euclidean sqeuclidean cityblock minkowski cosine correlation canberra braycurtis".split()
WITH_NAN = "SciPy's maximum passes over NaN as it comes; 0 / 0 for rows that are 0"


def _options(metric: str) -> dict[str, Any]:
    return {"p": 3} if metric == "minkowski" else {}


def _case(name: str, call: Any, oracle: Any, **options: Any) -> Case:
    settings: dict[str, Any] = {"arrays": 2, "shapes": PAIRS, "dtypes": REAL, "check_dtype": False, "why": LIMITS}
    return Case(f"spatial.{name}", lambda xp, *x: call(xp.spatial, *x), oracle=oracle, **{**settings, **options})


def _ours(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=float)


def _cdist(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return distance.cdist(_ours(x), _ours(y), metric, **_options(metric))


def _metric(metric: str) -> Case:
    return _case(
        "cdist",
        lambda s, x, y: s.cdist(x, y, metric, **_options(metric)),
        lambda x, y: _cdist(x, y, metric),
        grad=metric in SMOOTH,
        special=metric in ("euclidean", "cityblock", "hamming"),
        shapes=PAIRS[:1] + PAIRS[2:] if metric == "correlation" else PAIRS,
        why=f"{LIMITS}; {WITH_NAN}; one feature does not correlate",
    )


def _nearest(x: np.ndarray, y: np.ndarray, k: int, metric: str = "euclidean") -> list[np.ndarray]:
    if k > len(y):
        raise ValueError("not so many rows")
    distances = _cdist(x, y, metric)
    order = np.argsort(distances, 1, kind="stable")[:, :k]
    return [np.take_along_axis(distances, order, 1), order]


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _cdist(x, y, "sqeuclidean")


PDIST = ("euclidean", "cityblock", "minkowski", "hamming")
ONE = {"arrays": 1, "shapes": ROWS}

CASES: list[Case] = [
    *map(_metric, (*SMOOTH, "chebyshev", "hamming", "jaccard")),
    _case("cdist", lambda s, x: s.cdist(x), lambda x: _cdist(x, x, "euclidean"), special=False, **ONE),
    _case(
        "cdist",
        lambda s, x, y: [s.cdist(x, y, m, quadratic_expansion=True) for m in ("euclidean", "sqeuclidean")],
        lambda x, y: [_cdist(x, y, "euclidean"), _cdist(x, y, "sqeuclidean")],
        special=False,
        dtypes=("int32", "float64"),
        shapes=PAIRS[:4],
        why=f"{LIMITS}; the expansion loses digits, more than single precision has to spare",
    ),
    _case("manhattan", lambda s, x, y: s.manhattan(x, y), lambda x, y: _cdist(x, y, "cityblock"), grad=True),
    _case("manhattan", lambda s, x: s.manhattan(x, expand=True), lambda x: _cdist(x, x, "cityblock"), grad=True, **ONE),
    _case("cosine", lambda s, x, y: s.cosine(x, y), lambda x, y: _cdist(x, y, "cosine"), special=False, grad=True),
    _case(
        "rbf",
        lambda s, x, y: [s.rbf(x, y), s.rbf(x, y, 3.0), s.rbf(x, y, sigma=2, quadratic_expansion=True)],
        lambda x, y: [np.exp(-_squares(x, y) / (2 * sigma**2)) for sigma in (1, 3, 2)],
        special=False,
        grad=True,
    ),
    _case("rbf", lambda s, x: s.rbf(x), lambda x: np.exp(-_squares(x, x) / 2), special=False, grad=True, **ONE),
    _case(
        "pdist",
        lambda s, x: [s.pdist(x, m, **_options(m)) for m in PDIST],
        lambda x: [distance.pdist(_ours(x), m, **_options(m)) for m in PDIST],
        special=False,
        grad=True,
        **ONE,
    ),
    _case(
        "squareform",
        lambda s, x: s.squareform(x),
        lambda x: distance.squareform(x, checks=False),
        shapes=((0,), (1,), (3,), (10,), (4,), (1, 1), (2, 2), (6, 6), (3, 4), (2, 2, 2)),
        arrays=1,
        grad=True,
    ),
    *(
        _case(
            "nearest",
            lambda s, x, y, m=metric: [*s.nearest(x, y, 1, m), *s.nearest(x, y, 3, m)],
            lambda x, y, m=metric: _nearest(x, y, 1, m) + _nearest(x, y, 3, m),
            special=False,
            dtypes=("bool", "int32", "int64", "float64"),
            why=f"{LIMITS}; what is a tie in single precision is none in double",
            grad=True,
        )
        for metric in ("euclidean", "cityblock", "sqeuclidean")
    ),
    _case(
        "ring",
        lambda s, x, y: [
            s.ring(x, y, lambda a, b, start: (b.T[0] > a[:, :1]).sum(1), lambda a, b: a + b),
            *s.ring(
                x,
                y,
                lambda a, b, start: (a @ b.T @ b, (a[:, None] * b).sum((1, 2)) + 0 * start),
                lambda a, b: (a[0] + b[0], a[1] + b[1]),
            ),
        ],
        lambda x, y: [(y.T[0] > x[:, :1]).sum(1), x @ y.T @ y, (x[:, None] * y).sum((1, 2))],
        dtypes=("int64", *FLOATS),
        special=False,
        grad=True,
    ),
]
