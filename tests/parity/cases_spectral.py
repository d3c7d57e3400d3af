"""Polar factors, functions of matrices, low rank, matrices with a structure: against SciPy, or what defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from parity.case import ALL, INEXACT, Case

SQUARE = [(4, 4), (1, 1), (6, 6), (2, 3, 3), (3, 1, 2, 2), (3, 4), (3,), ()]
OBLONG = [(13, 3), (3, 13), (5, 5), (7, 4), (1, 5), (5, 1), (2, 4, 3), (2, 3, 4), (3,), ()]
MATRICES = [(13, 3), (3, 13), (5, 5), (7, 4), (1, 5), (5, 1), (3,), ()]
VECTORS = [(7,), (1,), (2,), (13,)]
PAIRS = [((7,), (4,)), ((1,), (5,)), ((5,), (1,)), ((3,), (13,)), ((6,), (6,))]
WHY = "finite matrices or vectors, as SciPy takes them; a number is no matrix"
ORDER = 5


def _mh(xp: Any, x: Any) -> Any:
    return xp.conj(xp.swapaxes(x, -1, -2))


def _well(xp: Any, x: Any) -> Any:
    return x + 30.5 * xp.eye(x.shape[-1], dtype="float32")


def _row(name: str, call: Callable[..., Any], shapes: Any, grad: bool = True, **options: Any) -> Case:
    options = {"dtypes": INEXACT, "special": False, "why": WHY} | options
    return Case(f"linalg.{name}", call, shapes=shapes, grad=grad, **options)


# --- polar factors and functions of matrices --------------------------------------------------------------------------


def _polar(x: np.ndarray, side: str) -> list[np.ndarray]:
    """NumPy's way, for stacks of finite matrices."""
    if x.ndim < 2:
        raise ValueError("a matrix is wanted")
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return [u @ vh, (_mh(np, vh) * s[..., None, :]) @ vh if side == "right" else (u * s[..., None, :]) @ _mh(np, u)]


def _polar_row(side: str, shapes: Any, grad: bool) -> Case:
    return _row(
        "polar",
        lambda xp, x: list(xp.linalg.polar(x, side)),
        shapes,
        grad,
        oracle=lambda x: _polar(x, side),
        why=f"{WHY}; the factors of singular ones are not unique",
        rtol=1e-9,
    )


def _root(x: np.ndarray) -> np.ndarray:
    if x.shape[-1] != x.shape[-2]:
        raise ValueError("a square matrix is wanted")
    return np.asarray(scipy.linalg.sqrtm(x))


def _definite(xp: Any, x: Any) -> Any:
    return x @ _mh(xp, x) + xp.eye(x.shape[-1], dtype="float32")


# --- low rank ---------------------------------------------------------------------------------------------------------


def _again(xp: Any, factors: Any) -> list[Any]:
    u, s, vh = factors[:3]
    return [(u * s) @ vh, s, _mh(xp, u) @ u, vh @ _mh(xp, vh)]


def _svd(x: np.ndarray) -> list[Any]:
    if x.ndim != 2:
        raise ValueError("one matrix is wanted")
    return _again(np, np.linalg.svd(x, full_matrices=False))


def _largest(x: np.ndarray) -> list[Any]:
    u, s, vh = np.linalg.svd(x[:, :2] @ x[:2], full_matrices=False)
    k = min(2, len(s))
    return _again(np, (u[:, :k], s[:k], vh[:k]))


def _low_rank(name: str, call: Callable[..., Any], shapes: Any = MATRICES, oracle: Any = _svd, **options: Any) -> Case:
    return _row(name, call, shapes, grad=False, oracle=oracle, rtol=1e-9, **options)


def _incremental(xp: Any, x: Any, new: Any) -> Any:
    return _again(xp, xp.linalg.isvd(new, *xp.linalg.svd(x, full_matrices=False)))


def _reigh(xp: Any, x: Any) -> Any:
    h = x @ _mh(xp, x)
    w, v = xp.linalg.reigh(h, len(h), seed=0)
    return [w, (v * w) @ _mh(xp, v)]


def _eigh(x: np.ndarray) -> list[Any]:
    h = x @ _mh(np, x)
    if h.ndim != 2:
        raise ValueError("one matrix is wanted")
    w, v = np.linalg.eigh(h)
    return [w, (v * w) @ _mh(np, v)]


CASES: list[Case] = [
    _polar_row("right", OBLONG, grad=False),
    _polar_row("left", OBLONG, grad=False),
    _polar_row("right", [(9, 3), (3, 9), (4, 4)], grad=True),
    _polar_row("left", [(9, 3), (3, 9), (4, 4), (2, 3, 3)], grad=True),
    _row(
        "polar", lambda xp, x: xp.linalg.polar(x, "up"), [(3, 3)], False, oracle=lambda x: scipy.linalg.polar(x, "up")
    ),
    _row("expm", lambda xp, x: xp.linalg.expm(x), SQUARE[:-1], oracle=scipy.linalg.expm),
    _row(
        "expm",
        lambda xp, x: xp.linalg.expm(x * 9),
        [(4, 4), (2, 2, 2)],
        False,
        oracle=lambda x: scipy.linalg.expm(9 * x),
    ),
    _row("sqrtm", lambda xp, x: xp.linalg.sqrtm(_well(xp, x)), SQUARE, oracle=lambda x: _root(_well(np, x))),
    _row(
        "sqrtm",
        lambda xp, x: xp.linalg.sqrtm(_definite(xp, x)),
        [(4, 4), (1, 1), (5, 5)],
        oracle=lambda x: _root(_definite(np, x)),
        rtol=1e-9,
    ),
    # low rank
    _low_rank("rsvd", lambda xp, x: _again(xp, xp.linalg.rsvd(x, min(x.shape), seed=1))),
    _low_rank(
        "rsvd",
        lambda xp, x: _again(xp, xp.linalg.rsvd(x[:, :2] @ x[:2], 2, n_oversamples=1, power_iter=1)),
        [(5, 5), (9, 9), (3, 3)],
        _largest,
    ),
    _low_rank("hsvd", lambda xp, x: _again(xp, xp.linalg.hsvd(x, rtol=1e-12)), dtypes=["float64", "complex128"]),
    _low_rank("hsvd_rank", lambda xp, x: _again(xp, xp.linalg.hsvd_rank(x, 13))),
    _low_rank("hsvd_rtol", lambda xp, x: _again(xp, xp.linalg.hsvd_rtol(x, 0.0))),
    _low_rank(
        "isvd",
        _incremental,
        [((13, 3), (13, 2)), ((3, 3), (3, 4)), ((4, 7), (4, 1)), ((5, 1), (4, 1))],
        lambda x, new: _svd(np.concatenate([x, new], 1)),
        arrays=2,
    ),
    _low_rank("reigh", _reigh, oracle=_eigh),
    # structured
    _row("toeplitz", lambda xp, c: xp.linalg.toeplitz(c), VECTORS, dtypes=ALL[1:], oracle=scipy.linalg.toeplitz),
    _row("toeplitz", lambda xp, c, r: xp.linalg.toeplitz(c, r), PAIRS, arrays=2, oracle=scipy.linalg.toeplitz),
    _row("hankel", lambda xp, c: xp.linalg.hankel(c), VECTORS, dtypes=ALL[1:], oracle=scipy.linalg.hankel),
    _row("hankel", lambda xp, c, r: xp.linalg.hankel(c, r), PAIRS, arrays=2, oracle=scipy.linalg.hankel),
    _row("circulant", lambda xp, c: xp.linalg.circulant(c), VECTORS, dtypes=ALL, oracle=scipy.linalg.circulant),
    _row(
        "hilbert", lambda xp, x: xp.linalg.hilbert(ORDER), [(2,)], False, oracle=lambda x: scipy.linalg.hilbert(ORDER)
    ),
    _row(
        "block_diag",
        lambda xp, a, b: xp.linalg.block_diag(a, b, a),
        [((3, 2), (2, 4)), ((13, 3), (3, 5)), ((4,), (2, 2)), ((3, 0), (2, 1)), ((0, 3), (1, 2)), ((2, 2, 2), (2, 2))],
        arrays=2,
        oracle=lambda a, b: scipy.linalg.block_diag(a, b, a),
    ),
    _row(
        "matmul_toeplitz",
        lambda xp, c, r, x: xp.linalg.matmul_toeplitz((c, r), x),
        [((7,), (4,), (4,)), ((7,), (4,), (4, 3)), ((1,), (5,), (5, 1)), ((13,), (13,), (13, 2)), ((3,), (4,), (5,))],
        arrays=3,
        dtypes=["float64", "complex128"],
        oracle=lambda c, r, x: scipy.linalg.matmul_toeplitz((c, r), x),
    ),
    _row(
        "solve_circulant",
        lambda xp, c, b: xp.linalg.solve_circulant(c, b),
        [((7,), (7,)), ((5,), (5, 3)), ((1,), (1, 4)), ((13,), (13, 2)), ((3,), (4,))],
        arrays=2,
        dtypes=["float64", "complex128"],
        oracle=scipy.linalg.solve_circulant,
    ),
]
