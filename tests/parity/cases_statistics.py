"""Averages, covariances, higher moments, and scans that pass over NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from parity.case import FLOATS, REAL, Case

MATRICES = ((), (0,), (1,), (2,), (13,), (0, 3), (3, 0), (1, 5), (7, 4), (4, 1))
WHY_MATRICES = "an array of more than two dimensions has no covariance"


def _axes(x: Any) -> list[Any]:
    return [None, *range(x.ndim), *([(0, -1)] if x.ndim > 1 else [])]


def _average_weighted(xp: Any, x: Any, w: Any) -> list[Any]:
    results = [xp.average(x, axis=axis, weights=xp.abs(w) + 1) for axis in _axes(x)]
    return [*results, *xp.average(x, axis=0, weights=xp.abs(w) + 1, returned=True, keepdims=True)]


def _average_1d(xp: Any, x: Any) -> list[Any]:
    weights = [np.arange(1.0, n + 1) for n in x.shape]
    return [
        *(xp.average(x, axis=a, weights=w) for a, w in enumerate(weights)),
        *xp.average(x, axis=-1, weights=weights[-1], returned=True),
        *([xp.average(x, axis=(1, 0), weights=np.outer(weights[1], weights[0]))] if x.ndim > 1 else []),
    ]


def _cov_weighted(xp: Any, x: Any) -> list[Any]:
    n = x.shape[-1]
    f, a = np.arange(n) % 3 + 1, np.arange(n) / 7 + 0.5
    return [
        xp.cov(x, fweights=f),
        xp.cov(x, aweights=a),
        xp.cov(x, fweights=f, aweights=a),
        xp.cov(x, fweights=f, aweights=a, bias=True),
        xp.cov(x, aweights=a, ddof=0),
    ]


def _moment(name: str, **options: Any) -> Case:
    def call(xp: Any, x: Any) -> list[Any]:
        # Two elements have no skewness but rounding, which is to be small beside one.
        return [getattr(xp, name)(x, axis=a, keepdims=a == (0, -1), **options) + 1 for a in _axes(x)]

    def oracle(x: Any) -> Any:
        return call(scipy.stats, x)

    return Case(
        name,
        call,
        dtypes=REAL,
        oracle=oracle,
        rtol=1e-9,
        why="SciPy's result for complex numbers has no meaning: it squares without the conjugate",
    )


CASES: list[Case] = [
    Case("average", lambda xp, x: [xp.average(x, axis=a) for a in _axes(x)], grad=True),
    Case("average", lambda xp, x: xp.average(x, axis=0, returned=True, keepdims=True)),
    Case("average", _average_weighted, arrays=2, grad=True),
    Case("average", _average_1d, grad=True),
    Case("cov", lambda xp, x: xp.cov(x), shapes=MATRICES, why=WHY_MATRICES),
    Case("cov", lambda xp, x: xp.cov(x), shapes=((13,), (7, 4)), grad=True, why="gradients need two observations"),
    Case("cov", lambda xp, x: xp.cov(x, rowvar=False, ddof=0), shapes=MATRICES, grad=True, why=WHY_MATRICES),
    Case("cov", lambda xp, x, y: [xp.cov(x, y), xp.cov(x, y, bias=True, rowvar=False)], arrays=2, shapes=MATRICES),
    Case("cov", _cov_weighted, shapes=MATRICES, why=WHY_MATRICES),
    Case(
        "corrcoef",
        lambda xp, x: [xp.corrcoef(x), xp.corrcoef(x, rowvar=False)],
        shapes=((1,), (13,), (1, 5), (7, 4), (5, 11)),
        special=False,
        why=WHY_MATRICES + "; variables of one observation divide rounding by rounding",
    ),
    Case(
        "corrcoef",
        lambda xp, x, y: xp.corrcoef(x, y),
        arrays=2,
        shapes=((13,), (2, 9)),
        special=False,
        why=WHY_MATRICES,
    ),
    Case(
        "corrcoef",
        lambda xp, x: xp.corrcoef(x),
        shapes=((7, 4), (5, 11)),
        special=False,
        grad=True,
        why=WHY_MATRICES + "; gradients need a variance",
    ),
    *(
        Case(
            name,
            lambda xp, x, name=name: [getattr(xp, name)(x, axis=None), getattr(xp, name)(x, axis=0, bias=False)],
            shapes=((13,), (7, 4), (4, 2, 3)),
            dtypes=FLOATS,
            oracle=lambda x, name=name: [
                getattr(scipy.stats, name)(x, axis=None),
                getattr(scipy.stats, name)(x, axis=0, bias=False),
            ],
            grad=True,
            rtol=1e-9,
            why="gradients need a variance",
        )
        for name in ("skew", "kurtosis")
    ),
    _moment("skew"),
    _moment("skew", bias=False),
    _moment("kurtosis"),
    _moment("kurtosis", fisher=False),
    _moment("kurtosis", bias=False),
    Case("nancumsum", lambda xp, x: [xp.nancumsum(x), *(xp.nancumsum(x, axis=a) for a in range(x.ndim))], grad=True),
    Case("nancumprod", lambda xp, x: [xp.nancumprod(x), *(xp.nancumprod(x, axis=a) for a in range(x.ndim))], grad=True),
    Case("nancumsum", lambda xp, x: xp.nancumsum(x, dtype="float32"), dtypes=FLOATS, why="the types of dtype"),
]
