"""Making arrays: what is checked is the values, and that `split` and its fellows are taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import dndarray as dnd
from parity.case import INTEGERS, REAL, Case

ONCE = ((),)
NO_INPUT = "takes no array"
PLACES: tuple[dict[str, Any], ...] = ({}, {"split": 0})


def _made(make: Callable[..., Any], places: tuple[dict[str, Any], ...] = PLACES) -> Callable[..., Any]:
    """`make(xp, **place)` for every place; NumPy knows of none."""

    def call(xp: Any, x: Any) -> list[Any]:
        return [make(xp, **(place if xp is dnd else {})) for place in places]

    return call


def _new(name: str, make: Callable[..., Any], places: tuple[dict[str, Any], ...] = PLACES, rtol: float = 1e-10) -> Case:
    return Case(name, _made(make, places), shapes=ONCE, dtypes=("float64",), special=False, rtol=rtol, why=NO_INPUT)


TWO = (*PLACES, {"split": 1}, {"split": (0, 1)}, {"split": (1, None)})
ENDS = (((), ()), ((3,), ()), ((3,), (3,)), ((2, 1), (4,)), ((0,), (1,)))

_MAKERS = [
    _new("zeros", lambda xp, **p: xp.zeros((3, 5), "float64", **p), TWO),
    _new("ones", lambda xp, **p: xp.ones((3, 5), "int32", **p), TWO),
    _new("empty", lambda xp, **p: xp.empty((3, 5), "int32", **p) * 0, TWO),
    _new("full", lambda xp, **p: [xp.full((3, 5), v, **p) for v in (7, True, np.float32(2), [1, 2, 3, 4, 5])], TWO),
    _new("eye", lambda xp, **p: [xp.eye(4, m, k, "int64", **p) for m in (None, 7) for k in (-2, 0, 3, 9)], TWO),
    _new("identity", lambda xp, **p: xp.identity(5, "float32", **p), TWO),
    _new("tri", lambda xp, **p: [xp.tri(4, m, k, "bool", **p) for m in (None, 7) for k in (-2, 0, 3, 9)], TWO),
    _new("arange", lambda xp, **p: [xp.arange(7, **p), xp.arange(2, 9, 3, **p), xp.arange(5, 1, -1, "uint8", **p)]),
    _new("arange", lambda xp, **p: [xp.arange(0.5, 4, 0.25, "float64", **p), xp.arange(0, **p), xp.arange(3, 1, **p)]),
    _new("array", lambda xp, **p: [xp.array([[1, 2], [3, 4]], **p), xp.array([True, False], ndmin=3, **p)]),
    _new("asarray", lambda xp, **p: xp.asarray([[1, 2], [3, 4], [5, 6]], "complex128", **p), TWO),
    _new("asanyarray", lambda xp, **p: xp.asanyarray([[1, 2], [3, 4], [5, 6]], "float32", **p), TWO),
    _new("asarray_chkfinite", lambda xp, **p: xp.asarray_chkfinite([[1, 2], [3, 4], [5, 6]], "float32", **p), TWO),
    _new(
        "linspace",
        lambda xp, **p: [xp.linspace(2, -1, n, e, dtype="float64", **p) for n in (0, 1, 2, 9) for e in (0, 1)],
    ),
    _new(
        "linspace", lambda xp, **p: [xp.linspace(0, 9, 7, retstep=True, dtype=t, **p) for t in ("int64", "complex128")]
    ),
    _new("logspace", lambda xp, **p: [xp.logspace(2, -1, 8, e, b, "float64", **p) for e in (0, 1) for b in (10, 2.5)]),
    _new(
        "geomspace", lambda xp, **p: [xp.geomspace(a, a * 64, 7, e, "float64", **p) for e in (0, 1) for a in (0.5, -3)]
    ),
    _new("geomspace", lambda xp, **p: [xp.geomspace(2j, 7 + 1j, n, dtype="complex128", **p) for n in (0, 1, 2, 6)]),
    _new(
        "frombuffer",
        lambda xp, **p: [xp.frombuffer(b"abcdefgh", t, c, o, **p) for t, c, o in (("uint8", 5, 2), ("int16", -1, 4))],
    ),
    _new("fromiter", lambda xp, **p: [xp.fromiter((i * i for i in range(7)), "float32", c, **p) for c in (-1, 5)]),
    _new("fromstring", lambda xp, **p: xp.fromstring("1, 2,3 ,4", "int32", sep=",", **p)),
    _new("from_dlpack", lambda xp, **p: xp.from_dlpack(np.arange(12.0).reshape(3, 4), **p), TWO),
    _new("indices", lambda xp, **p: xp.indices((3, 4, 2), "int32", **p), (*TWO, {"split": 3})),
    _new("indices", lambda xp, **p: [*xp.indices((3, 5), sparse=True, **p), xp.indices((4,)), xp.indices(())], TWO),
    _new(
        "fromfunction",
        lambda xp, **p: xp.fromfunction(lambda i, j, k=1: 10 * i + k * j, (3, 5), dtype=int, k=2, **p),
        TWO,
    ),
    _new("mgrid", lambda xp: [xp.mgrid[0:3, 1:9:2], xp.mgrid[2:7], xp.mgrid[0:1:5j].astype("float32")], ({},), 1e-5),
    _new("ogrid", lambda xp: [*xp.ogrid[0:3, 1:9:2, -1:2], xp.ogrid[2:7]], ({},)),
    _new("s_", lambda xp: [xp.arange(9)[xp.s_[2:7:2]], xp.arange(12).reshape(3, 4)[xp.s_[1:, ::2]]], ({},)),
    _new("index_exp", lambda xp: xp.arange(12).reshape(3, 4)[xp.index_exp[1:, ::2]], ({},)),
    _new("ndindex", lambda xp: list(xp.ndindex(2, 3)), ({},)),
    _new("diag_indices", lambda xp, **p: xp.diag_indices(4, 3, **p)),
    _new(
        "tril_indices",
        lambda xp, **p: [
            xp.tril_indices(n, k, m, **p) for n in (0, 4) for k in (-5, -1, 0, 2, 9) for m in (None, 0, 3, 6)
        ],
    ),
    _new(
        "triu_indices",
        lambda xp, **p: [
            xp.triu_indices(n, k, m, **p) for n in (0, 4) for k in (-5, -1, 0, 2, 9) for m in (None, 0, 3, 6)
        ],
    ),
    _new("mask_indices", lambda xp, **p: [xp.mask_indices(4, f, k, **p) for f in (xp.triu, xp.tril) for k in (0, 1)]),
    *(
        _new(
            name,
            lambda xp, name=name, **p: [getattr(xp, name)(n, **p).astype("float32") for n in (0, 1, 2, 7, 12)],
            rtol=1e-5,
        )
        for name in ("bartlett", "blackman", "hamming", "hanning")
    ),
    _new(
        "kaiser",
        lambda xp, **p: [xp.kaiser(n, b, **p).astype("float32") for n in (0, 1, 2, 7) for b in (0, 5.0, 14)],
        rtol=1e-5,
    ),
]

_LIKE = [
    Case(
        "zeros_like", lambda xp, x: [xp.zeros_like(x), xp.zeros_like(x, "int32"), xp.zeros_like(x, shape=x.shape[:1])]
    ),
    Case("ones_like", lambda xp, x: [xp.ones_like(x), xp.ones_like(x, dtype=np.float32)]),
    Case("empty_like", lambda xp, x: [xp.empty_like(x).shape, xp.zeros_like(xp.empty_like(x, "int64"))]),
    Case(
        "full_like", lambda xp, x: [xp.full_like(x, 1), xp.full_like(x, 2.5, "float32"), xp.full_like(x, x)], grad=True
    ),
    Case("copy", lambda xp, x: xp.copy(x)),
    Case("astype", lambda xp, x: [xp.astype(x, "complex128"), xp.astype(x, x.dtype, copy=False)], grad=True),
    Case("ascontiguousarray", lambda xp, x: xp.ascontiguousarray(x.T), grad=True),
    Case("asanyarray", lambda xp, x: xp.asanyarray(x), grad=True),
    Case("asarray_chkfinite", lambda xp, x: xp.asarray_chkfinite(x), grad=True),
    Case(
        "diag_indices_from",
        lambda xp, x: xp.diag_indices_from(x),
        shapes=((2, 2), (4, 4, 4), (0, 0), (3, 4)),
        why="one size for all axes",
    ),
    Case("tril_indices_from", lambda xp, x: [xp.tril_indices_from(x, k) for k in (-1, 0, 2)]),
    Case("triu_indices_from", lambda xp, x: [xp.triu_indices_from(x, k) for k in (-1, 0, 2)]),
    Case("diagonal", lambda xp, x: [xp.diagonal(x, k) for k in (-3, -1, 0, 1, 9)], grad=True),
    Case(
        "diagonal",
        lambda xp, x: [xp.diagonal(x, k, a, b) for k in (-1, 0, 1) for a, b in ((-1, 0), (1, 2), (-2, -1), (2, 0))],
        grad=True,
        shapes=((2, 3, 4), (4, 1, 2), (0, 2, 3), (3, 2, 2, 3)),
        why="three axes or more",
    ),
    Case("diag", lambda xp, x: [xp.diag(x, k) for k in (-3, 0, 2)], grad=True),
    Case("diagflat", lambda xp, x: [xp.diagflat(x, k) for k in (-3, 0, 2)], grad=True),
    Case("tril", lambda xp, x: [xp.tril(x, k) for k in (-2, 0, 1)], grad=True),
    Case("triu", lambda xp, x: [xp.triu(x, k) for k in (-2, 0, 1)], grad=True),
    Case("vander", lambda xp, x: [xp.vander(x), xp.vander(x, 3), xp.vander(x, 0), xp.vander(x, 4, True)], grad=True),
]

_SEVERAL = [
    Case(
        "meshgrid",
        lambda xp, x, y, z: [
            part
            for i, s, c in itertools.product(("xy", "ij"), (False, True), (False, True))
            for part in xp.meshgrid(x, y, z, indexing=i, sparse=s, copy=c)
        ],
        arrays=3,
        shapes=(((3,), (4,), (2,)), ((1,), (0,), (5,)), ((), (2,), (1,))),
        grad=True,
    ),
    Case(
        "meshgrid",
        lambda xp, x, y: [*xp.meshgrid(x, y), *xp.meshgrid(x)],
        arrays=2,
        shapes=(((3,), (4,)), ((0,), (5,))),
        grad=True,
    ),
    Case(
        "linspace",
        lambda xp, x, y: [xp.linspace(x, y, 5, e, axis=a) for e in (True, False) for a in (0, -1)],
        arrays=2,
        shapes=ENDS,
        grad=True,
    ),
    Case("linspace", lambda xp, x, y: xp.linspace(x, y, 4, retstep=True), arrays=2, shapes=ENDS, grad=True),
    Case(
        "linspace",
        lambda xp, x, y: [xp.linspace(x, y, 4, **({"split": s} if xp is dnd else {})) for s in (0, 1)],
        arrays=2,
        shapes=(((3,), (1,)), ((2, 3), (3,))),
        grad=True,
    ),
    Case(
        "logspace",
        lambda xp, x, y: [xp.logspace(x / 4, y / 4, 5, e, b) for e in (True, False) for b in (2.0, 10)],
        arrays=2,
        shapes=ENDS,
        grad=True,
        special=False,
        why="torch's powers of complex infinities are its own",
    ),
    Case(
        "geomspace",
        lambda xp, x, y: [xp.geomspace(x * x + 1, y * y + 0.5, 5, e, axis=-1) for e in (True, False)],
        arrays=2,
        shapes=ENDS,
        dtypes=REAL,
        grad=True,
        special=False,
        why="complex numbers have their row; NumPy's logarithms of infinities differ",
    ),
    Case("full", lambda xp, x: xp.full((2, *x.shape), x), grad=True),
    Case(
        "ix_",
        lambda xp, x, y: [*xp.ix_(x, y), *xp.ix_(x != 0, y)],
        arrays=2,
        shapes=(((3,), (4,)), ((0,), (2,)), ((13,), (1,)), ((2, 2), (2,))),
    ),
    Case(
        "ravel_multi_index",
        lambda xp, x, y: [
            xp.ravel_multi_index((x, y), (7, 5), m, o) for m in ("wrap", "clip", ("wrap", "clip")) for o in "CF"
        ],
        arrays=2,
        shapes=(((3,), (3,)), ((4, 1), (3,)), ((), ()), ((0,), (0,)), ((2, 3, 4), (3, 4))),
        dtypes=("bool", *INTEGERS, "float64"),
        special=False,
        why="all other floats are refused alike",
    ),
    Case(
        "ravel_multi_index",
        lambda xp, x, y: xp.ravel_multi_index((abs(x), abs(y)), (10, 10)),
        arrays=2,
        shapes=(((3,), (3,)), ((4, 1), (3,)), ((), ()), ((0,), (0,))),
        dtypes=INTEGERS,
        special=False,
        why="integers are what it takes",
    ),
    Case(
        "ravel_multi_index",
        lambda xp, x: xp.ravel_multi_index(x, (10, 5, 9), "clip"),
        shapes=((3, 4), (3,), (3, 2, 2), (2, 4)),
        dtypes=INTEGERS,
        special=False,
        why="three rows",
    ),
    Case(
        "ravel_multi_index",
        lambda xp, x: xp.ravel_multi_index((x,), 5),
        dtypes=INTEGERS,
        special=False,
        why="entries out of bounds in some",
    ),
    Case(
        "unravel_index",
        lambda xp, x: [xp.unravel_index(abs(x), (2, 3, 4), o) for o in "CF"],
        dtypes=("bool", *INTEGERS, "float64"),
        special=False,
        why="all other floats are refused alike",
    ),
    Case(
        "unravel_index",
        lambda xp, x: xp.unravel_index(x, 5),
        dtypes=INTEGERS,
        special=False,
        why="entries out of bounds in some",
    ),
]

_METADATA = [
    Case("shape", lambda xp, x: xp.shape(x)),
    Case("ndim", lambda xp, x: xp.ndim(x)),
    Case("size", lambda xp, x: [xp.size(x), xp.size(x, 0)]),
    Case("iscomplexobj", lambda xp, x: xp.iscomplexobj(x)),
    Case("isrealobj", lambda xp, x: xp.isrealobj(x)),
    Case("isscalar", lambda xp, x: [xp.isscalar(x), xp.isscalar(3)]),
    Case(
        "issubdtype",
        lambda xp, x: [xp.issubdtype(x.dtype, t) for t in (np.floating, np.integer, np.inexact, "float32", int)],
    ),
    Case("common_type", lambda xp, x: xp.zeros(1, xp.common_type(x, np.float32(1)))),
    Case("min_scalar_type", lambda xp, x: xp.zeros(1, xp.min_scalar_type(x))),
]

CASES: list[Case] = [*_MAKERS, *_LIKE, *_SEVERAL, *_METADATA]
