"""Iterations on real matrices: no more than SciPy takes with the same preconditioner to the same residual."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import scipy.sparse.linalg

import dndarray as dnd
from dndarray.sparse import incomplete

DATA = os.environ.get("DNDARRAY_TEST_DATA")
SIZE = dnd.get_comm().size


def _load(name: str) -> scipy.sparse.csr_array:
    if DATA is None or not (path := Path(DATA) / "sparse" / f"{name}.mtx").exists():
        pytest.skip("DNDARRAY_TEST_DATA names no folder with sparse matrices")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("%%GraphBLAS")]
    return scipy.sparse.csr_array(scipy.io.mmread(io.BytesIO("\n".join(lines).encode()))).astype(float)


def _theirs(matrix: scipy.sparse.csr_array, name: str | None) -> Any:
    """What SciPy is given as a preconditioner."""
    if name is None:
        return None
    if name == "jacobi":
        return scipy.sparse.diags_array(1 / matrix.diagonal())
    lower, upper = (incomplete.triangular(factor) for factor in incomplete.ilu0(matrix))
    return scipy.sparse.linalg.LinearOperator(matrix.shape, lambda x: upper.solve(lower.solve(x)), dtype=float)


CASES = [
    *((solver, "add32", m) for solver in ("bicgstab", "cgs", "gmres") for m in ("jacobi", "ilu0", None)),
    *((solver, "olm1000", "ilu0") for solver in ("bicgstab", "cgs", "gmres")),
    *((solver, "1138_bus", "ilu0") for solver in ("cg", "minres", "bicgstab", "cgs")),
]
LONG = [
    *((solver, "1138_bus", "jacobi") for solver in ("cg", "minres")),
    ("minres", "1138_bus", None),
    ("minres", "bcsstk13", None),
    ("minres", "zenios", None),
    ("cg", "bcsstk13", "jacobi"),
]


@pytest.mark.parametrize(
    ("solver", "name", "m"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)]
)
def test_no_more_iterations_than_scipy(solver: str, name: str, m: str | None) -> None:
    if m == "ilu0" and SIZE > 1:
        pytest.skip("the preconditioner of several processes is not that of one")
    matrix = _load(name)
    b = matrix @ np.random.default_rng(0).standard_normal(matrix.shape[0])
    products: list[None] = []

    def product(x: np.ndarray) -> np.ndarray:
        products.append(None)
        return matrix @ x

    ends: list[Any] = []
    options: dict[str, Any] = {"restart": 30, "maxiter": 20} if solver == "gmres" else {"maxiter": 2000}
    wrapped = scipy.sparse.linalg.LinearOperator(matrix.shape, product, dtype=float)
    theirs = {"callback_type": "pr_norm"} if solver == "gmres" else {}
    x, info = getattr(scipy.sparse.linalg, solver)(
        wrapped, b, rtol=1e-8, M=_theirs(matrix, m), callback=ends.append, **options, **theirs
    )
    assert info == 0
    # An iteration of bicgstab that ends in its middle is not among those that SciPy calls back.
    count = -(-len(products) // 2) if solver == "bicgstab" else len(ends)
    residual = max(1e-8, np.linalg.norm(b - matrix @ x) / np.linalg.norm(b))  # of minres, which stops by another rule
    a, side = dnd.sparse.csr_array(matrix, split=0), dnd.array(b, split=0)
    ours = getattr(dnd.linalg, solver)(a, side, rtol=residual, M=m, **options)
    assert ours.converged
    assert np.linalg.norm(b - matrix @ ours.x.numpy()) <= 1.01 * residual * np.linalg.norm(b)
    assert ours.iterations <= 1.01 * count  # two in 500 are what rounding makes


@pytest.mark.parametrize("solver", ["lsqr", "lsmr"])
@pytest.mark.parametrize("name", ["west0067", pytest.param("add32", marks=pytest.mark.slow)])
def test_least_squares_take_no_more_than_scipy(solver: str, name: str) -> None:
    matrix = _load(name)
    b = matrix @ np.random.default_rng(0).standard_normal(matrix.shape[0])
    options = {"atol": 1e-8, "btol": 1e-8, "conlim": 0, ("iter_lim" if solver == "lsqr" else "maxiter"): 2000}
    theirs = getattr(scipy.sparse.linalg, solver)(matrix, b, **options)
    ours = getattr(dnd.linalg, solver)(dnd.sparse.csr_array(matrix, split=0), dnd.array(b, split=0), **options)
    assert ours.istop == theirs[1] == 1
    assert ours.itn <= 1.01 * theirs[2]
