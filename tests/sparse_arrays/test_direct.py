"""Direct solution on one process, norms, and that SciPy's names are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch

import dndarray as dnd
from dndarray.linalg import LinAlgError
from dndarray.sparse import linalg
from dndarray.testing import assert_allclose, count_collectives

SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
N = 25
REAL = scipy.sparse.random_array((N, N), density=0.2, rng=RNG).toarray() + 2 * np.eye(N)
COMPLEX = REAL + 1j * scipy.sparse.random_array((N, N), density=0.1, rng=RNG).toarray()
B = RNG.normal(size=(N, 2))


@pytest.mark.parametrize("matrix", [REAL, COMPLEX])
@pytest.mark.parametrize("split", [0, 1, None])
def test_spsolve(matrix: np.ndarray, split: int | None) -> None:
    a = dnd.sparse.csr_array(matrix, split=split)
    for b, split_b in ((B, 0), (B[:, 0], 0), (B, 1), (B[:, 0], None), (B + 1j, 0)):
        x = linalg.spsolve(a, dnd.array(b, split=split_b))
        assert x.split == split_b
        assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-9, atol=1e-11)


def test_factors() -> None:
    factors = linalg.splu(dnd.sparse.csr_array(COMPLEX, split=0))
    b = dnd.array(B[:, 0], split=0)
    for trans, matrix in (("N", COMPLEX), ("T", COMPLEX.T), ("H", COMPLEX.conj().T)):
        assert_allclose(factors.solve(b, trans), np.linalg.solve(matrix, B[:, 0]), rtol=1e-9, atol=1e-11)
    assert factors.nnz >= np.count_nonzero(COMPLEX)
    assert (factors.factors is not None) == (dnd.get_comm().rank == 0)
    assert_allclose(
        linalg.factorized(dnd.sparse.csr_array(REAL, split=0))(b), np.linalg.solve(REAL, B[:, 0]), rtol=1e-9
    )
    rough = linalg.spilu(dnd.sparse.csr_array(REAL, split=0), drop_tol=0.1)
    solution = linalg.gmres(dnd.sparse.csr_array(REAL, split=0), b, M=rough.solve, rtol=1e-10)
    assert solution.converged
    with pytest.raises(ValueError, match="`trans`"):
        factors.solve(b, "X")
    with pytest.raises(ValueError, match="`rhs`"):
        factors.solve(b[:3])


def test_inverse_and_triangular() -> None:
    a = dnd.sparse.csr_array(REAL, split=0)
    inverse = linalg.inv(a)
    assert inverse.split == 0
    np.testing.assert_allclose(inverse.toarray(), np.linalg.inv(REAL), rtol=1e-9, atol=1e-11)
    b = dnd.array(B, split=0)
    for lower, unit in ((True, False), (False, False), (True, True), (False, True)):
        plain = np.tril(REAL) if lower else np.triu(REAL)
        if unit:
            np.fill_diagonal(plain, 1)
        x = linalg.spsolve_triangular(a, b, lower, unit_diagonal=unit)
        assert_allclose(x, np.linalg.solve(plain, B), rtol=1e-9, atol=1e-11)


def test_errors_everywhere() -> None:
    singular, spoilt = REAL.copy(), REAL.copy()
    singular[3] = 0
    spoilt[0, 0] = np.nan
    for matrix, message in ((singular, "singular"), (spoilt, "NaN")):
        a = dnd.sparse.csr_array(matrix, split=0)
        for call in (linalg.splu, linalg.inv, lambda a: linalg.spsolve(a, dnd.ones(N, split=0))):
            with pytest.raises(LinAlgError, match=message):
                call(a)
    with pytest.raises(LinAlgError, match="square"):
        linalg.splu(dnd.sparse.csr_array(REAL[:3], split=0))


@pytest.mark.parametrize("n", [1, 2])
def test_small(n: int) -> None:
    a = dnd.sparse.csr_array(REAL[:n, :n], split=0)
    assert_allclose(linalg.spsolve(a, dnd.ones(n, "float64", split=0)), np.linalg.solve(REAL[:n, :n], np.ones(n)))


def test_gradients() -> None:
    weight = RNG.normal(size=N)
    inputs = [torch.tensor(REAL, requires_grad=True), torch.tensor(B[:, 0], requires_grad=True)]
    (torch.linalg.solve(*inputs) @ torch.tensor(weight)).backward()
    a = dnd.sparse.csr_array(REAL, split=0).requires_grad_()
    b = dnd.array(B[:, 0], split=0).requires_grad_()
    (linalg.spsolve(a, b) * dnd.array(weight, split=0)).sum().backward()
    assert a.grad is not None and b.grad is not None and inputs[0].grad is not None
    assert_allclose(b.grad, inputs[1].grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.grad.toarray(), inputs[0].grad.numpy() * (REAL != 0), rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_solving_sends_the_side_there_and_back() -> None:
    factors = linalg.splu(dnd.sparse.csr_array(REAL, split=0))
    b = dnd.array(B[:, 0], split=0)
    with count_collectives() as c:
        factors.solve(b)
    assert c.calls == {"Alltoall": 2}


@pytest.mark.parametrize("split", [0, 1, None])
def test_norms(split: int | None) -> None:
    matrix = COMPLEX[:20]
    a, plain = dnd.sparse.csr_array(matrix, split=split), scipy.sparse.csr_array(matrix)
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        assert float(linalg.norm(a, order)) == pytest.approx(scipy.sparse.linalg.norm(plain, order))
    assert float(linalg.norm(a, 2)) == pytest.approx(np.linalg.norm(matrix, 2))
    for order in (None, 0, 1, 2, 3, np.inf, -np.inf):
        for axis in (0, 1):
            np.testing.assert_allclose(
                linalg.norm(a, order, axis).numpy(), np.linalg.norm(matrix, order, axis), rtol=1e-12
            )
    with pytest.raises(ValueError, match="`ord`"):
        linalg.norm(a, "nuc")
    with pytest.raises(TypeError, match="dnd.linalg.norm"):
        linalg.norm(np.eye(2))


def test_names() -> None:
    ours: Any = set(linalg.__all__)
    absent = {name for name in scipy.sparse.linalg.__all__ if name[0].islower()} - ours
    assert absent <= {
        "bicg", "qmr", "lgmres", "gcrotmk", "tfqmr", "eigs", "expm", "matrix_power", "onenormest", "expm_multiply",
        "is_sptriangular", "spbandwidth", "use_solver", "funm_multiply_krylov", "test", "matfuncs", "isolve", "dsolve",
        "eigen", "interface",
    }  # fmt: skip
