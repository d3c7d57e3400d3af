"""Iterations: solutions, eigenvalues and bases, against what direct methods of NumPy's find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import INEXACT, Case

SYSTEMS = [((6, 6), (6,)), ((1, 1), (1,)), ((4, 4), (4,)), ((13, 13), (13,)), ((5, 5), (5, 2))]
MATRICES = [(6, 6), (1, 1), (4, 4), (13, 13)]
WHY = "systems that can be solved: NaN, other shapes and 0 rows are errors of our own (tests/linalg/test_krylov.py)"


def _mh(xp: Any, x: Any) -> Any:
    return xp.conj(xp.swapaxes(x, -1, -2))


def _definite(xp: Any, x: Any) -> Any:
    n = x.shape[-1]
    return (x @ _mh(xp, x)) / 100 + xp.diag(xp.arange(1, n + 1, dtype="float32"))


def _hermitian(xp: Any, x: Any) -> Any:
    return x + _mh(xp, x)


def _general(xp: Any, x: Any) -> Any:
    return x / 10 + 20 * xp.eye(x.shape[-1], dtype="float32")


def _solver(name: str, matrix: Callable[[Any, Any], Any], **options: Any) -> Case:
    def call(xp: Any, a: Any, b: Any) -> Any:
        tolerance = 1e-6 if "32" in str(b.dtype) else 1e-13
        return getattr(xp.linalg, name)(matrix(xp, a), b, rtol=tolerance, **options)[0]

    def oracle(a: Any, b: Any) -> Any:
        return np.linalg.solve(matrix(np, a), b)

    return Case(
        f"linalg.{name}",
        call,
        2,
        SYSTEMS,
        INEXACT,
        oracle,
        special=False,
        grad=True,
        rtol=1e-9,
        check_dtype=False,
        why=WHY,
    )


def _row(
    name: str,
    call: Callable[..., Any],
    oracle: Callable[..., Any],
    shapes: Any = MATRICES,
    arrays: int = 1,
    **options: Any,
) -> Case:
    options = {
        "dtypes": ("float64", "complex128"),
        "special": False,
        "rtol": 1e-8,
        "check_dtype": False,
        "why": WHY,
    } | options
    return Case(f"linalg.{name}", call, arrays, shapes, oracle=oracle, **options)


def _least_squares(name: str) -> Callable[..., Any]:
    return lambda xp, a, b: getattr(xp.linalg, name)(a, b, atol=1e-14, btol=1e-14, conlim=0)[0]


def _identities(name: str) -> Callable[..., Any]:
    """What makes the basis and the projected matrix what they are."""

    def call(xp: Any, x: Any) -> Any:
        a = _hermitian(xp, x)
        m = max(1, x.shape[0] - 1)
        v, t = getattr(xp.linalg, name)(a, m)
        whole = v if name == "lanczos" else v[:, :m]
        return [_mh(xp, whole) @ whole, _mh(xp, whole) @ a @ whole - t[:m]]

    return call


def _identities_of(x: Any) -> Any:
    m = max(1, x.shape[0] - 1)
    return [np.eye(m), np.zeros((m, m))]


def _extreme(x: Any) -> Any:
    return np.sort(np.linalg.eigvalsh(_hermitian(np, x)))[-1:]


def _eigsh(xp: Any, x: Any) -> Any:
    a = _hermitian(xp, x)
    w, v = xp.linalg.eigsh(a, 1, which="LA")
    return [w, a @ v - v * w]


def _lobpcg(xp: Any, x: Any) -> Any:
    w, v = xp.linalg.lobpcg(
        _definite(xp, x), xp.ones((x.shape[0], 1), dtype=x.dtype), tol=1e-8, maxiter=100, largest=False
    )
    return w


TALL = [((13, 4), (13,)), ((7, 7), (7,)), ((5, 1), (5,)), ((1, 1), (1,))]

CASES: list[Case] = [
    *[_solver(name, _definite) for name in ("cg", "fcg", "minres")],
    _solver("minres", lambda xp, x: _hermitian(xp, x) + 0.1 * xp.eye(x.shape[-1], dtype="float32"), maxiter=400),
    *[_solver(name, _general) for name in ("gmres", "bicgstab", "cgs")],
    _solver("ir", _general, relaxation=0.045, maxiter=1000),
    *[
        _row(name, _least_squares(name), lambda a, b: np.linalg.lstsq(a, b)[0], TALL, 2, rtol=1e-6)
        for name in ("lsqr", "lsmr")
    ],
    *[_row(name, _identities(name), _identities_of) for name in ("lanczos", "arnoldi")],
    _row("eigsh", _eigsh, lambda x: [_extreme(x), np.zeros((x.shape[0], 1))]),
    _row("svds", lambda xp, x: xp.linalg.svds(x, 1)[1], lambda x: np.linalg.svd(x)[1][:1]),
    _row("lobpcg", _lobpcg, lambda x: np.linalg.eigvalsh(_definite(np, x))[:1]),
    _row(
        "aslinearoperator",
        lambda xp, a, b: [(op := xp.linalg.aslinearoperator(a)) @ b, op.H @ b, (2 * op.T - op @ op) @ b],
        lambda a, b: [a @ b, a.conj().T @ b, (2 * a.T - a @ a) @ b],
        SYSTEMS,
        2,
    ),
]
