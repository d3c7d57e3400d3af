"""Linear algebra. Factors that are not unique are compared by what makes them factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from parity.case import ALL, INEXACT, NUMBERS, SHAPES, Case

SQUARE = [(4, 4), (1, 1), (0, 0), (6, 6), (2, 3, 3), (0, 3, 3), (2, 0, 0), (3, 1, 2, 2), (3, 4), (3,), ()]
OBLONG = [
    (13, 3), (3, 13), (5, 5), (7, 4), (1, 5), (5, 1), (0, 3), (3, 0), (2, 4, 3), (2, 3, 4), (0, 2, 3), (3, 2, 2, 3),
    (3,), (),
]  # fmt: skip
FINITE = "NumPy and torch meet NaN in different places of LAPACK"
WHY = f"matrices; {FINITE}"


def _mh(xp: Any, x: Any) -> Any:
    return xp.conj(xp.swapaxes(x, -1, -2))


def _well(xp: Any, x: Any) -> Any:
    """A matrix that is far from singular, of floats."""
    return x + 30.5 * xp.eye(x.shape[-1], dtype="float32")


def _definite(xp: Any, x: Any) -> Any:
    """A Hermitian matrix with eigenvalues that differ."""
    return x @ _mh(xp, x) + xp.diag(xp.arange(1, x.shape[-1] + 1, dtype="float32"))


def _row(name: str, call: Callable[..., Any], shapes: Any = SQUARE, grad: bool = True, **options: Any) -> Case:
    options = {"dtypes": INEXACT, "special": False, "why": WHY} | options
    return Case(f"linalg.{name}", call, shapes=shapes, grad=grad, **options)


# --- invariants -------------------------------------------------------------------------------------------------------


def _qr(xp: Any, x: Any, mode: str = "reduced") -> Any:
    q, r = xp.linalg.qr(x, mode)
    return [q @ r, _mh(xp, q) @ q, xp.abs(r), xp.tril(r, -1), xp.abs(xp.linalg.qr(x, "r"))]


def _raw(xp: Any, x: Any) -> Any:
    h, tau = xp.linalg.qr(x, "raw")
    return [h, tau]


def _svd(xp: Any, x: Any, full: bool = False) -> Any:
    u, s, vh = xp.linalg.svd(x, full_matrices=full)
    k = s.shape[-1]
    return [
        s,
        (u[..., :k] * s[..., None, :]) @ vh[..., :k, :],
        _mh(xp, u) @ u,
        vh @ _mh(xp, vh),
        xp.linalg.svd(x, compute_uv=False),
    ]


def _hermitian_svd(xp: Any, x: Any) -> Any:
    h = x + _mh(xp, x)
    u, s, vh = xp.linalg.svd(h, hermitian=True)
    return [s, (u * s[..., None, :]) @ vh, _mh(xp, u) @ u]


def _eigh(xp: Any, x: Any, **options: Any) -> Any:
    h = _definite(xp, x)
    w, v = xp.linalg.eigh(h, **options)
    return [w, (v * w[..., None, :]) @ _mh(xp, v), _mh(xp, v) @ v, xp.linalg.eigvalsh(h, **options)]


def _eig(xp: Any, x: Any) -> Any:
    w, v = xp.linalg.eig(x)
    return [_moments(xp, w), 1 + (x @ v - v * w[..., None, :]), xp.sum(xp.abs(v) ** 2, -2)]


def _moments(xp: Any, w: Any) -> Any:
    """What does not depend on the order of eigenvalues."""
    return [xp.sum(w, -1), xp.sum(w**2, -1), xp.sum(xp.abs(w), -1), xp.prod(w, -1)]


def _norms(xp: Any, x: Any) -> Any:
    norm = xp.linalg.norm
    return [
        norm(x),
        norm(x, keepdims=True),
        norm(x, axis=0),
        norm(x, axis=-1, keepdims=True),
        norm(x, 1, axis=-1),
        norm(x, 3, axis=0),
    ]


def _vector_norms(xp: Any, x: Any) -> Any:
    norm = xp.linalg.vector_norm
    return [norm(x, ord=p) for p in (2, 1, np.inf, 0, 3.5, 0.5)] + [
        norm(x, axis=0),
        norm(x, axis=-1, keepdims=True, ord=np.inf),
    ]


def _matrix_norms(xp: Any, x: Any) -> Any:
    norm = xp.linalg.matrix_norm
    return [norm(x, ord=p, keepdims=p == 1) for p in ("fro", "nuc", 1, np.inf, 2)]


def _lstsq(xp: Any, a: Any, b: Any) -> Any:
    x, residuals, rank, s = xp.linalg.lstsq(a, b)
    return [x, residuals, int(rank), s]


def _fitting(name: str, call: Callable[..., Any], shapes: Any, grad: bool = True, **options: Any) -> Case:
    return _row(name, call, shapes, grad, arrays=2, **options)


def _lu(linalg: Any, xp: Any, x: Any) -> Any:
    """What does not depend on how ties between pivots are broken."""
    p, lower, upper = linalg.lu(x)
    permuted, again = linalg.lu(x, permute_l=True)
    rows, *_ = linalg.lu(x, p_indices=True)
    triangles = [xp.triu(lower), xp.tril(upper, -1), xp.max(xp.abs(lower)) < 1.001]
    indexed = xp.take_along_axis(lower @ upper, rows[..., None], -2)
    return [p @ lower @ upper, permuted @ again, indexed, *triangles]


def _of_lu(linalg: Any, xp: Any, x: Any) -> Any:
    return list(linalg.lu(_well(xp, x))) + list(linalg.lu_factor(_well(xp, x)))


def _lu_solve(linalg: Any, xp: Any, a: Any, b: Any) -> Any:
    factors = linalg.lu_factor(_well(xp, a))
    return [linalg.lu_solve(factors, b), linalg.lu_solve(factors, b, 1), linalg.lu_solve(factors, b, trans=2)]


def _triangular(linalg: Any, xp: Any, a: Any, b: Any) -> Any:
    a = _well(xp, a)
    kinds = [(trans, lower, unit) for trans in (0, 1, 2) for lower in (False, True) for unit in (False, True)]
    return [linalg.solve_triangular(a, b, trans, lower, unit) for trans, lower, unit in kinds]


def _cho_solve(linalg: Any, xp: Any, a: Any, b: Any) -> Any:
    a = _definite(xp, a)
    return [linalg.cho_solve(linalg.cho_factor(a, lower), b) for lower in (False, True)]


def _scipy(name: str, call: Callable[..., Any], shapes: Any, grad: bool = True, **options: Any) -> Case:
    """A function that SciPy has."""
    return _row(
        name,
        lambda xp, *arrays: call(xp.linalg, xp, *arrays),
        shapes,
        grad,
        oracle=lambda *arrays: call(scipy.linalg, np, *arrays),
        **options,
    )


FACTORED = [((4, 4), (4,)), ((4, 4), (4, 7)), ((1, 1), (1, 1)), ((6, 6), (6, 2)), ((3, 3), (2,)), ((3, 4), (3,))]
"""Matrices and right-hand sides; SciPy broadcasts the stacks of its own way."""

TYPES = {"dtypes": ALL}

CASES: list[Case] = [
    # factorizations
    _row(
        "cholesky",
        lambda xp, x: [xp.linalg.cholesky(_definite(xp, x)), xp.linalg.cholesky(_definite(xp, x), upper=True)],
    ),
    _row("cholesky", lambda xp, x: xp.linalg.cholesky(x - 20), [(4, 4), (2, 3, 3), (3,), ()], grad=False),
    _row("qr", _qr, OBLONG, grad=False),
    _row("qr", lambda xp, x: _qr(xp, x, "complete")[:4], OBLONG, grad=False),
    _row("qr", _raw, OBLONG, grad=False),
    _row("qr", lambda xp, x: xp.linalg.qr(x, "thin"), OBLONG, grad=False),
    _row("qr", lambda xp, x: xp.abs(xp.linalg.qr(x + 0.25)[1]), [(13, 2), (4, 4), (2, 9), (3, 2, 2)]),
    _row("svd", _svd, OBLONG, grad=False),
    _row("svd", lambda xp, x: _svd(xp, x, True), OBLONG, grad=False),
    _row("svd", _hermitian_svd, SQUARE, grad=False),
    _row("svdvals", lambda xp, x: xp.linalg.svdvals(x), OBLONG),
    _row("svd", lambda xp, x: _svd(xp, x)[:2], [(9, 3), (3, 9), (4, 4), (2, 4, 3)]),
    _row("eigh", _eigh, grad=False),
    _row("eigh", lambda xp, x: _eigh(xp, x, UPLO="U"), grad=False),
    _row("eigvalsh", lambda xp, x: xp.linalg.eigvalsh(_definite(xp, x)), [s for s in SQUARE if 0 not in s]),
    _row("eig", _eig, grad=False, check_dtype=False),
    _row("eig", lambda xp, x: _eig(xp, xp.triu(x)), grad=False, rtol=1e-9),
    _row("eigvals", lambda xp, x: _moments(xp, xp.linalg.eigvals(x)), grad=False),
    # LU, and equations with factors
    _scipy("lu", _lu, [s for s in OBLONG if 0 not in s], grad=False),
    _scipy("lu", lambda linalg, xp, x: linalg.lu(x)[0] @ linalg.lu(x)[1], [(6, 4), (4, 4), (3, 9)], grad=False),
    _scipy("lu_factor", _of_lu, [(4, 4), (1, 1), (6, 6), (2, 3, 3), (3,)], check_dtype=False),
    _scipy("lu_solve", _lu_solve, FACTORED, arrays=2),
    _scipy("solve_triangular", _triangular, FACTORED, arrays=2),
    _scipy("cho_factor", lambda linalg, xp, x: xp.triu(linalg.cho_factor(_definite(xp, x))[0]), [(4, 4), (1, 1), (3,)]),
    _scipy("cho_solve", _cho_solve, FACTORED, arrays=2),
    # determinants, inverses, equations
    _row("det", lambda xp, x: xp.linalg.det(x)),
    _row("det", lambda xp, x: xp.linalg.det(_well(xp, x)), **TYPES),
    _row("slogdet", lambda xp, x: list(xp.linalg.slogdet(x))),
    _row("inv", lambda xp, x: xp.linalg.inv(_well(xp, x)), **TYPES),
    _row("inv", lambda xp, x: xp.linalg.inv(x * 0), [(3, 3), (2, 2, 2), (0, 0), (3,)], grad=False),
    _row("pinv", lambda xp, x: xp.linalg.pinv(x), OBLONG, grad=False),
    _row(
        "pinv",
        lambda xp, x: [xp.linalg.pinv(x, 0.3), xp.linalg.pinv(x, rtol=None), xp.linalg.pinv(x, rtol=0.1)],
        [(9, 3), (3, 9)],
    ),
    _row("pinv", lambda xp, x: xp.linalg.pinv(x + _mh(xp, x), hermitian=True), [(4, 4), (2, 3, 3)], grad=False),
    _fitting(
        "solve",
        lambda xp, a, b: xp.linalg.solve(_well(xp, a), b),
        [
            ((4, 4), (4,)),
            ((4, 4), (4, 7)),
            ((2, 3, 3), (2, 3, 2)),
            ((2, 3, 3), (3, 4)),
            ((2, 3, 3), (3,)),
            ((3, 3), (5, 3, 1)),
            ((3, 1, 2, 2), (4, 2, 2)),
            ((0, 0), (0, 2)),
            ((3, 3), (3, 0)),
            ((0, 3, 3), (3, 2)),
            ((3, 3), (4,)),
            ((3, 3), (2, 3)),
            ((3,), (3,)),
            ((1, 1), (1, 1)),
            ((3, 3), (3, 1)),
        ],
        **TYPES,
    ),
    _fitting("solve", lambda xp, a, b: xp.linalg.solve(a * 0, b), [((3, 3), (3,)), ((2, 2, 2), (2, 3))], grad=False),
    _fitting(
        "lstsq",
        _lstsq,
        [
            ((13, 3), (13,)),
            ((13, 3), (13, 2)),
            ((3, 7), (3,)),
            ((4, 4), (4, 3)),
            ((5, 1), (5, 4)),
            ((0, 2), (0, 3)),
            ((2, 0), (2, 3)),
            ((3, 2), (2,)),
        ],
        grad=False,
    ),
    _fitting("lstsq", lambda xp, a, b: xp.linalg.lstsq(a, b)[0], [((9, 3), (9, 2)), ((3, 7), (3,))]),
    _fitting("lstsq", lambda xp, a, b: _lstsq(xp, xp.stack([a, a, b], 1), b), [((13,), (13,))], grad=False, rtol=1e-8),
    _row("tensorinv", lambda xp, x: xp.linalg.tensorinv(xp.reshape(_well(xp, x), (2, 3, 3, 2)), 2), [(6, 6)]),
    _row("tensorinv", lambda xp, x: xp.linalg.tensorinv(x, ind=1), [(4, 2, 2), (3, 2)], grad=False),
    _fitting(
        "tensorsolve",
        lambda xp, a, b: xp.linalg.tensorsolve(xp.reshape(_well(xp, a), (2, 3, 2, 3)), b),
        [((6, 6), (2, 3))],
    ),
    _fitting(
        "tensorsolve",
        lambda xp, a, b: xp.linalg.tensorsolve(a, b, (0,)),
        [((2, 3, 6), (3, 2)), ((2, 3, 6), (3, 6))],
        grad=False,
    ),
    # norms
    _row("norm", _norms, SHAPES, dtypes=ALL, why="powers of infinities"),
    _row(
        "norm",
        lambda xp, x: [xp.linalg.norm(x, p) for p in (np.inf, 1, 2, 0, -1)],
        [(13,), (1,), (0,), (2, 3, 4), ()],
        dtypes=ALL,
    ),
    _row("norm", lambda xp, x: [xp.linalg.norm(x, p, axis=(0, -1)) for p in (None, "fro", 1, 2)], OBLONG),
    _row(
        "norm",
        lambda xp, x: [xp.linalg.norm(x, p, axis=(-1, 0), keepdims=True) for p in (-1, -np.inf, -2)],
        OBLONG,
        grad=False,
    ),
    _row("norm", lambda xp, x: xp.linalg.norm(x, -np.inf, axis=0), OBLONG, grad=False, special=True),
    _row("norm", lambda xp, x: xp.linalg.norm(x, "fro", axis=0), OBLONG, grad=False),
    _row("norm", lambda xp, x: xp.linalg.norm(x, 3), [(4, 4), (2, 3, 4)], grad=False),
    _row("vector_norm", _vector_norms, SHAPES, dtypes=ALL, grad=False),
    _row(
        "vector_norm",
        lambda xp, x: [xp.linalg.vector_norm(x, axis=(0, -1), ord=p) for p in (2, 1, 3)],
        OBLONG,
        dtypes=ALL,
    ),
    _row("matrix_norm", _matrix_norms, OBLONG, dtypes=NUMBERS),
    _row(
        "cond",
        lambda xp, x: [xp.linalg.cond(_well(xp, x), p) for p in (None, 1, -1, np.inf, -np.inf, "fro", 2, -2)],
        rtol=1e-9,
    ),
    _row("cond", lambda xp, x: [xp.linalg.cond(x * 0), xp.linalg.cond(x * 0, 1)], grad=False),
    _row("cond", lambda xp, x: xp.linalg.cond(x), [(13, 3), (3, 7), (2, 4, 3)]),
    _row("matrix_rank", lambda xp, x: xp.linalg.matrix_rank(x), OBLONG, grad=False, dtypes=ALL),
    _row(
        "matrix_rank",
        lambda xp, x: [xp.linalg.matrix_rank(x, 1.3), xp.linalg.matrix_rank(x, rtol=0.4)],
        OBLONG,
        grad=False,
    ),
    _row(
        "matrix_rank",
        lambda xp, x: xp.linalg.matrix_rank(x + _mh(xp, x), hermitian=True),
        [(4, 4), (2, 3, 3)],
        grad=False,
    ),
    # products and forms
    _row("matmul", lambda xp, x: xp.linalg.matmul(x, _mh(xp, x)), OBLONG[:-2], dtypes=ALL),
    _row("matrix_transpose", lambda xp, x: xp.linalg.matrix_transpose(x), OBLONG, dtypes=ALL),
    _row("matrix_power", lambda xp, x: [xp.linalg.matrix_power(x, n) for n in (0, 1, 2, 3, 5, 6)], dtypes=ALL),
    _row("matrix_power", lambda xp, x: [xp.linalg.matrix_power(_well(xp, x), n) for n in (-1, -2, -3)]),
    _row("diagonal", lambda xp, x: [xp.linalg.diagonal(x), xp.linalg.diagonal(x, offset=1)], OBLONG, dtypes=ALL),
    _row("trace", lambda xp, x: [xp.linalg.trace(x), xp.linalg.trace(x, offset=-1)], OBLONG, dtypes=NUMBERS),
    _fitting(
        "outer", lambda xp, a, b: xp.linalg.outer(a, b), [((13,), (5,)), ((3,), (0,)), ((2, 2), (3,))], dtypes=ALL
    ),
    _fitting(
        "cross",
        lambda xp, a, b: xp.linalg.cross(a, b),
        [((7, 3), (7, 3)), ((3,), (5, 3)), ((7, 2), (7, 2))],
        dtypes=ALL,
    ),
    _fitting("cross", lambda xp, a, b: xp.linalg.cross(a, b, axis=0), [((3, 7), (3, 7))], dtypes=ALL),
    _fitting("vecdot", lambda xp, a, b: xp.linalg.vecdot(a, b, axis=0), [((7, 3), (7, 3)), ((5,), (5,))], dtypes=ALL),
    _fitting(
        "tensordot", lambda xp, a, b: xp.linalg.tensordot(a, b, axes=1), [((5, 4), (4, 3)), ((2, 3), (3,))], dtypes=ALL
    ),
    _row(
        "multi_dot",
        lambda xp, a, b, c: [
            xp.linalg.multi_dot([a, b]),
            xp.linalg.multi_dot([a, b, c]),
            xp.linalg.multi_dot([a, b, c, c.T, b.T]),
        ],
        [((5, 4), (4, 3), (3, 6)), ((1, 13), (13, 2), (2, 1)), ((2, 2), (3, 3), (3, 3))],
        arrays=3,
        dtypes=ALL,
    ),
    _row(
        "multi_dot",
        lambda xp, a, b, c: xp.linalg.multi_dot([a, b, c]),
        [((4,), (4, 3), (3, 6)), ((5, 4), (4, 3), (3,)), ((4,), (4, 3), (3,)), ((2, 3, 4), (4, 3), (3,))],
        arrays=3,
    ),
]
