"""Preconditioners: against plain references, iteration counts on real matrices, what breaks down, what is sent."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch

import dndarray as dnd
from dndarray.linalg import LinAlgError
from dndarray.sparse.incomplete import ilu0 as factors
from dndarray.sparse.incomplete import levels
from dndarray.sparse.linalg import (
    amg,
    bicgstab,
    block_jacobi,
    cg,
    chebyshev,
    gmres,
    ic0,
    ilu0,
    jacobi,
    preconditioner,
    schwarz,
    sor,
)
from dndarray.sparse.multigrid import aggregates
from dndarray.testing import assert_allclose, count_collectives

COMM = dnd.get_comm()
SIZE = COMM.size
RNG = np.random.default_rng(0)
NAMES = ("jacobi", "bjacobi", "ilu0", "ic0", "sor", "schwarz", "chebyshev", "amg")
MAKERS = (jacobi, block_jacobi, ilu0, ic0, sor, schwarz, chebyshev, amg)
DATA = os.environ.get("DNDARRAY_TEST_DATA")


def _poisson(*shape: int) -> Any:
    return dnd.sparse.poisson(*shape).to_scipy().tocsr()


def _general(n: int, dtype: Any = float) -> Any:
    matrix = scipy.sparse.random_array((n, n), density=0.2, rng=np.random.default_rng(n)).toarray()
    matrix = matrix + (1j * matrix.T if dtype is complex else 0)
    return scipy.sparse.csr_array(matrix + 4 * np.eye(n))


def _definite(n: int, dtype: Any = float) -> Any:
    matrix = _general(n, dtype).toarray()
    return scipy.sparse.csr_array(matrix + matrix.conj().T + n / 3 * np.eye(n))


def _plain_ilu0(matrix: Any) -> tuple[np.ndarray, np.ndarray]:
    a, n = matrix.toarray(), matrix.shape[0]
    stored = a != 0
    for i in range(n):
        for k in np.flatnonzero(stored[i, :i]):
            a[i, k] /= a[k, k]
            right = np.flatnonzero(stored[i, k + 1 :]) + k + 1
            a[i, right] -= a[i, k] * a[k, right]
    return np.tril(a, -1) + np.eye(n), np.triu(a)


def _dense(operator: Any, n: int) -> np.ndarray:
    return (operator @ dnd.array(np.eye(n), split=0)).numpy()


def _blocks(matrix: Any) -> list[tuple[slice, Any]]:
    """The blocks of the processes, each with where it lies."""
    offsets = dnd.Layout((matrix.shape[0],), COMM.grid, 0).offsets[0]
    places = [slice(a, b) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    return [(p, matrix[p, p]) for p in places if p.start < p.stop]


def _by_blocks(matrix: Any, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    result = np.zeros(matrix.shape, dtype=matrix.dtype)
    for place, block in _blocks(matrix):
        result[place, place] = make(scipy.sparse.csr_array(block))
    return result


@pytest.mark.parametrize(
    "matrix", [_poisson(5, 6), _general(1), _general(30), _general(30, complex), scipy.sparse.csr_array(np.eye(4))]
)
def test_factors_without_fill_in(matrix: Any) -> None:
    lower, upper = factors(matrix)
    plain = _plain_ilu0(matrix)
    np.testing.assert_allclose(lower.toarray(), plain[0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(upper.toarray(), plain[1], rtol=1e-13, atol=1e-14)


def test_levels() -> None:
    grid = scipy.sparse.csr_array(scipy.sparse.tril(_poisson(4, 5), -1))
    np.testing.assert_array_equal(levels(grid).reshape(4, 5), np.add.outer(np.arange(4), np.arange(5)))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", [2, 23])
def test_inverses_of_blocks(n: int, dtype: Any) -> None:
    matrix, definite = _general(n, dtype), _definite(n, dtype)
    a, d = dnd.sparse.csr_array(matrix, split=0), dnd.sparse.csr_array(definite, split=0)

    def ssor(block: Any) -> np.ndarray:
        dense, omega = block.toarray(), 1.2
        diagonal = np.diag(np.diag(dense)) / omega
        lower, upper = np.tril(dense, -1) + diagonal, np.triu(dense, 1) + diagonal
        return np.linalg.inv(lower @ np.linalg.inv(diagonal) @ upper) * (2 - omega)

    def ilu(block: Any) -> np.ndarray:
        lower, upper = _plain_ilu0(block)
        return np.linalg.inv(lower @ upper)

    def blockwise(block: Any) -> np.ndarray:
        dense = block.toarray()
        number = np.arange(len(dense)) // 4
        return np.linalg.inv(np.where(number[:, None] == number, dense, 0))

    rows = [
        (jacobi(a), _by_blocks(matrix, lambda block: np.diag(1 / block.diagonal()))),
        (block_jacobi(a, 4), _by_blocks(matrix, blockwise)),
        (ilu0(a), _by_blocks(matrix, ilu)),
        (ic0(d), _by_blocks(definite, ilu)),
        (sor(a, 1.2), _by_blocks(matrix, ssor)),
        (schwarz(a), _by_blocks(matrix, lambda block: np.linalg.inv(block.toarray()))),
    ]
    for operator, expected in rows:
        np.testing.assert_allclose(_dense(operator, n), expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(_dense(operator.H, n), expected.conj().T, rtol=1e-9, atol=1e-11)
        assert_allclose(operator @ dnd.arange(float(n)), expected @ np.arange(n), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("overlap", [1, 2])
def test_overlapping_blocks(overlap: int) -> None:
    matrix = _poisson(6, 5)
    expected = np.zeros(matrix.shape)
    for place, _ in _blocks(matrix):
        index = np.arange(place.start, place.stop)
        for _ in range(overlap):
            index = np.union1d(index, matrix[index].indices)
        expected[np.ix_(index, index)] += np.linalg.inv(matrix[index][:, index].toarray())
    found = schwarz(dnd.sparse.csr_array(matrix, split=0), overlap)
    np.testing.assert_allclose(_dense(found, 30), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("split", [0, 1, None])
def test_all_are_symmetric_and_help(split: int | None) -> None:
    matrix = _poisson(12, 14)
    a = dnd.sparse.csr_array(matrix, split=split)
    b = dnd.array(matrix @ RNG.normal(size=168), split=0)
    plain = cg(a, b, rtol=1e-8).iterations
    for name, make in zip(NAMES, MAKERS, strict=True):
        m = preconditioner(a, name)
        x, y = dnd.array(RNG.normal(size=168), split=0), dnd.array(RNG.normal(size=168), split=0)
        assert float((y * (m @ x)).sum()) == pytest.approx(float((x * (m @ y)).sum()), rel=1e-9)
        solution = cg(a, b, M=make(a), rtol=1e-8)
        assert solution.converged and solution.iterations <= plain
        assert cg(a, b, M=name, rtol=1e-8).iterations == solution.iterations
        residual = np.linalg.norm(matrix @ solution.x.numpy() - b.numpy())
        assert residual <= 1.1e-8 * np.linalg.norm(b.numpy())


def test_published_counts() -> None:
    matrix = _poisson(64, 64)
    a = dnd.sparse.csr_array(matrix, split=0)
    b = dnd.array(matrix @ np.random.default_rng(0).standard_normal(4096), split=0)
    expected = {1: (53, 39, 59), 4: (64, None, None)}.get(SIZE, (None, None, None))
    for solver, options, count in zip((cg, bicgstab, gmres), ({}, {}, {"restart": 30}), expected, strict=True):
        found = solver(a, b, M="ilu0", rtol=1e-8, **options)
        assert found.converged
        assert count is None or abs(found.iterations - count) <= 0.1 * count
    assert abs(cg(a, b, M="jacobi", rtol=1e-8).iterations - 176) <= 2
    assert cg(a, b, M="amg", rtol=1e-8).iterations <= 20


def _load(name: str) -> Any:
    if DATA is None or not (path := Path(DATA) / "sparse" / f"{name}.mtx").exists():
        pytest.skip("DNDARRAY_TEST_DATA names no folder with sparse matrices")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("%%GraphBLAS")]
    return scipy.sparse.csr_array(scipy.io.mmread(io.BytesIO("\n".join(lines).encode())))


def test_counts_on_real_matrices() -> None:
    expected = {
        ("bcsstk13", cg, "jacobi"): 1254,
        ("olm1000", bicgstab, "ilu0"): 31,
        ("olm1000", gmres, "ilu0"): 20,
    }
    for (name, solver, m), count in expected.items():
        matrix = _load(name)
        b = dnd.array(matrix @ np.random.default_rng(0).standard_normal(matrix.shape[0]), split=0)
        options = {"restart": 30} if solver is gmres else {"maxiter": 2000}
        found = solver(dnd.sparse.csr_array(matrix, split=0), b, M=m, rtol=1e-8, **options)
        if SIZE == 1 or m == "jacobi":
            assert found.converged and abs(found.iterations - count) <= 0.1 * count, (name, found.iterations)


def test_setting_up_and_applying_is_local() -> None:
    a = dnd.sparse.csr_array(_poisson(10, 10), split=0)
    x = dnd.ones(100, split=0)
    for make in (jacobi, block_jacobi, ilu0, ic0, sor, schwarz):
        with count_collectives() as c:
            m = make(a)
        assert c.calls in ({}, {"Allreduce": 1})
        with count_collectives() as c:
            m @ x
        assert c.calls == {}
    m = chebyshev(a)
    with count_collectives() as c:
        m @ x
    assert "Allreduce" not in c.calls


def test_breakdown_takes_jacobi_and_says_so() -> None:
    zero = _general(12).tolil()
    zero[11, 11] = 0
    a = dnd.sparse.csr_array(zero.tocsr(), split=0)
    for make in (jacobi, ilu0, sor):
        with pytest.warns(RuntimeWarning, match=f"on 1 of {SIZE} processes"):
            m = make(a)
        assert np.isfinite((m @ dnd.ones(12, split=0)).numpy()).all()
    with pytest.warns(RuntimeWarning, match="broke down on"):
        ic0(dnd.sparse.csr_array(-_poisson(4, 4), split=0))
    empty = dnd.sparse.csr_array(scipy.sparse.csr_array((6, 6)), split=0)
    with pytest.warns(RuntimeWarning):
        schwarz(empty)
    for make in (amg, chebyshev):
        with pytest.raises(LinAlgError, match="positive"):
            make(dnd.sparse.csr_array(-_poisson(40, 40), split=0))


@pytest.mark.parametrize("failing", range(SIZE))
def test_what_only_one_process_meets_all_raise(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from dndarray.sparse import preconditioners

    def factors(block: Any) -> Any:
        if COMM.rank == failing:
            raise MemoryError("no room")
        return scipy.sparse.eye_array(block.shape[0]).tocsr(), scipy.sparse.eye_array(block.shape[0]).tocsr()

    monkeypatch.setattr(preconditioners, "_factors", factors)
    with pytest.raises(MemoryError, match="no room"):
        ilu0(dnd.sparse.csr_array(_poisson(4, 4), split=0))


def test_bad_arguments() -> None:
    a = dnd.sparse.csr_array(_poisson(4, 4), split=0)
    for make in MAKERS:
        with pytest.raises(TypeError, match="sparse array"):
            make(np.eye(3))
        with pytest.raises(LinAlgError, match="square"):
            make(a[:3])
    for call in (
        lambda: block_jacobi(a, 0),
        lambda: sor(a, 2.0),
        lambda: schwarz(a, -1),
        lambda: chebyshev(a, 0),
        lambda: preconditioner(a, "x"),
    ):
        with pytest.raises(ValueError, match="`"):
            call()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_rows_than_processes(n: int) -> None:
    a = dnd.sparse.csr_array(_poisson(n), split=0)
    for name in NAMES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            x, info = cg(a, dnd.ones(n, "float64", split=0), M=name, rtol=1e-12)
        assert info == 0
        np.testing.assert_allclose(_poisson(n) @ x.numpy(), np.ones(n), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_several_columns(name: str) -> None:
    a = dnd.sparse.csr_array(_poisson(9, 9), split=0)
    sides = RNG.normal(size=(81, 3)) * [1, 10, 1e-3]
    together = cg(a, dnd.array(sides, split=0), M=name, rtol=1e-8)
    for k, side in enumerate(sides.T):
        alone = cg(a, dnd.array(side.copy(), split=0), M=name, rtol=1e-8)
        assert alone.converged and together.infos[k] == 0
        np.testing.assert_allclose(together.x.numpy()[:, k], alone.x.numpy(), rtol=1e-9, atol=1e-9 * abs(side).max())
    assert together.iterations >= alone.iterations


def test_float32() -> None:
    a = dnd.sparse.csr_array(_poisson(20, 20).astype(np.float32), split=0)
    for name in NAMES:
        solution = cg(a, dnd.ones(400, "float32", split=0), M=name, rtol=1e-4)
        assert solution.converged and solution.x.dtype is torch.float32


def test_aggregates_cover_neighbourhoods() -> None:
    graph = scipy.sparse.csr_array(_poisson(20, 20) - 4 * scipy.sparse.eye_array(400))
    graph.eliminate_zeros()
    graph = scipy.sparse.csr_array(abs(graph).astype(np.int8))
    label = aggregates(graph)
    count = label.max() + 1
    assert label.min() == 0 and 400 / 25 <= count <= 400 / 5
    for k in range(count):
        assert scipy.sparse.csgraph.connected_components(graph[label == k][:, label == k])[0] == 1
    np.testing.assert_array_equal(aggregates(scipy.sparse.csr_array((3, 3), dtype=np.int8)), [-1, -1, -1])


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_schwarz_where_processes_have_no_rows(overlap: int) -> None:
    dense = np.array([[4.0, 1.0], [1.0, 3.0]])
    A = dnd.sparse.csr_array(dense, split=0)
    found = dnd.sparse.linalg.gmres(
        A, dnd.array([1.0, 2.0], dtype="float64", split=0), M=schwarz(A, overlap), rtol=1e-12
    )
    np.testing.assert_allclose(found.x.numpy(), np.linalg.solve(dense, [1.0, 2.0]), rtol=1e-10)
