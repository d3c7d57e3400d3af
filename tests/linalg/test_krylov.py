"""Iterative solvers: counts beside the literature's, all-reduces, layouts, gradients, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray.linalg import LinAlgError, LinearOperator, bicgstab, cg, cgs, fcg, gmres, ir, minres
from dndarray.testing import assert_allclose, count_collectives

SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
N = 40
SPD = RNG.normal(size=(N, N))
SPD = SPD @ SPD.T / N + np.eye(N)
GENERAL = RNG.normal(size=(N, N)) / 10 + 2 * np.eye(N)
B = RNG.normal(size=N)
SYMMETRIC = [cg, fcg, minres]
GENERAL_SOLVERS: list[Callable[..., Any]] = [gmres, bicgstab, cgs, partial(ir, relaxation=0.4)]
ALL = [(solver, SPD) for solver in SYMMETRIC] + [(solver, GENERAL) for solver in GENERAL_SOLVERS]


def _poisson(n: int) -> Any:
    one = scipy.sparse.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    eye = scipy.sparse.eye_array(n)
    return scipy.sparse.csr_array(scipy.sparse.kron(one, eye) + scipy.sparse.kron(eye, one))


@pytest.mark.parametrize(("solver", "matrix"), ALL)
@pytest.mark.parametrize("split", [0, 1, None])
def test_any_layout(solver: Callable[..., Any], matrix: np.ndarray, split: int | None) -> None:
    a = dnd.array(matrix, split=split)
    for split_b in (0, None):
        solution = solver(a, dnd.array(B, split=split_b), rtol=1e-10)
        x, info = solution
        assert info == 0 and solution.converged and x.split == split_b and solution.message == "converged"
        assert np.linalg.norm(matrix @ x.numpy() - B) <= 1.01e-10 * np.linalg.norm(B)
        assert len(solution.residuals) == solution.iterations + 1
        assert solution.residuals[-1] == pytest.approx(np.linalg.norm(matrix @ x.numpy() - B), rel=1e-2)


@settings(max_examples=15)
@given(st.data())
def test_any_grid(data: st.DataObject) -> None:
    a = dnd.array(SPD[:7, :7])
    layout, layout_b = data.draw(layouts((7, 7), SIZE)), data.draw(layouts((7,), SIZE))
    a = _in(a, layout)
    b = _in(dnd.array(B[:7]), layout_b)
    for solver in (cg, gmres):
        x, info = solver(a, b, rtol=1e-12)
        assert info == 0 and x.layout is b.layout
        assert_allclose(x, np.linalg.solve(SPD[:7, :7], B[:7]), rtol=1e-8, atol=1e-10)


def _in(x: dnd.DNDarray, layout: dnd.Layout) -> dnd.DNDarray:
    from dndarray.redistribution import move

    return dnd.DNDarray(move(x.larray, x.layout, layout, x.comm).clone(), layout, x.comm)


def test_no_more_iterations_than_scipy() -> None:
    matrix = _poisson(64)
    b = matrix @ np.random.default_rng(0).standard_normal(4096)
    a, right = dnd.sparse.csr_array(matrix, split=0), dnd.array(b, split=0)
    published = {cg: 176, bicgstab: 119, cgs: None, minres: None}
    for solver, count in published.items():
        counted: list[Any] = []
        options = {"rtol": 1e-8, "callback": counted.append}
        getattr(scipy.sparse.linalg, solver.__name__)(matrix, b, **options)
        found = solver(a, right, rtol=1e-8)
        assert found.converged
        if solver is not minres:  # SciPy's stops by another rule
            assert found.iterations <= 1.1 * len(counted)
        if count is not None:
            assert abs(found.iterations - count) <= (2 if solver is cg else 0.1 * count)
    assert abs(gmres(a, right, rtol=1e-8, restart=30).iterations - 306) <= 30
    assert abs(cg(a, right, rtol=1e-8, M="jacobi").iterations - 176) <= 2


COSTS = [(cg, 1, 1, 3), (minres, 1, 1, 5), (fcg, 1, 2, 4), (bicgstab, 2, 2, 6), (cgs, 2, 2, 3), (gmres, 1, 2, None)]
"""Solvers with the products, the all-reduces and the numbers in them of an iteration (of GMRES's j-th 2 j + 1)."""


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
@pytest.mark.parametrize(("solver", "products", "reductions", "numbers"), COSTS)
def test_all_reduces(solver: Callable[..., Any], products: int, reductions: int, numbers: int | None) -> None:
    def gathering(x: dnd.DNDarray) -> dnd.DNDarray:
        return dnd.array(SPD @ x.numpy(), split=0)  # an all-gather, and no all-reduce

    def cost(iterations: int) -> tuple[int, int]:
        limits = {"maxiter": 1, "restart": iterations} if solver is gmres else {"maxiter": iterations}
        with dnd.no_grad(), count_collectives() as c:
            solution = solver(LinearOperator((N, N), gathering), b, rtol=0, **limits)
        assert solution.iterations == iterations
        return c.calls["Allreduce"], c.bytes

    b = dnd.array(B, split=0)
    (few, least), (many, most) = cost(3), cost(8)
    assert many - few == 5 * reductions
    assert few <= 3 * reductions + 2  # the tolerance, and where a method begins
    words = sum(2 * j + 1 for j in range(4, 9)) if numbers is None else 5 * numbers
    assert most - least == 8 * (words + 5 * products * len(b.larray))


@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128"])
def test_types(dtype: str) -> None:
    matrix = SPD + (0.1j * (np.triu(SPD, 1) - np.triu(SPD, 1).T) if "complex" in dtype else 0)
    a = dnd.array(matrix.astype(dtype), split=0)
    b = dnd.array(B.astype(dtype), split=0)
    for solver in (*SYMMETRIC, gmres, bicgstab, cgs):
        x, info = solver(a, b, rtol=1e-5)
        assert info == 0 and x.dtype is b.dtype
        assert np.linalg.norm(matrix @ x.numpy() - B) < 5e-5 * np.linalg.norm(B)


def test_real_matrix_of_a_complex_side() -> None:
    x, info = cg(dnd.array(SPD, split=0), dnd.array(B + 1j * B[::-1], split=0), rtol=1e-12)
    assert info == 0
    assert_allclose(x, np.linalg.solve(SPD, B + 1j * B[::-1]), rtol=1e-8)


@pytest.mark.parametrize(("solver", "matrix"), ALL)
def test_little_to_do(solver: Callable[..., Any], matrix: np.ndarray) -> None:
    a, b = dnd.array(matrix, split=0), dnd.array(B, split=0)
    exact = dnd.array(np.linalg.solve(matrix, B), split=0)
    for side, start in ((dnd.zeros_like(b), None), (dnd.zeros_like(b), b), (b, exact)):
        solution = solver(a, side, start, rtol=1e-8)
        assert solution.info == 0 and solution.iterations == 0
    assert not np.any(solver(a, dnd.zeros_like(b), b)[0].numpy())
    x, info = solver(dnd.array([[0.5]], split=0), dnd.array([3.0], split=0), maxiter=100)
    assert info == 0 and x.item() == pytest.approx(6, rel=1e-4)
    solution = solver(a, b, maxiter=2, rtol=1e-14, **({"restart": 1} if solver is gmres else {}))
    assert solution.info == solution.iterations == 2 and "not converged" in solution.message
    assert np.linalg.norm(matrix @ solution.x.numpy() - B) < np.linalg.norm(B)
    assert solver(a, b, maxiter=0).info == 1


def test_x0_and_callback() -> None:
    a, b, start = dnd.array(SPD, split=0), dnd.array(B, split=0), dnd.array(B[::-1].copy(), split=None)
    seen: list[Any] = []
    solution = cg(a, b, start, callback=lambda x: seen.append(x.numpy().copy()), rtol=1e-10)
    assert len(seen) == solution.iterations
    assert np.array_equal(seen[-1], solution.x.numpy())
    assert np.array_equal(start.numpy(), B[::-1])
    norms: list[float] = []
    solution = gmres(a, b, callback=norms.append, rtol=1e-10, restart=10)
    assert len(norms) == solution.iterations and norms[-1] <= 1e-10
    ends: list[Any] = []
    gmres(a, b, callback=ends.append, callback_type="x", rtol=1e-10, restart=10)
    assert len(ends) == -(-solution.iterations // 10)
    with pytest.raises(ValueError, match="callback_type"):
        gmres(a, b, callback_type="y")


def test_columns() -> None:
    sides = RNG.normal(size=(N, 3))
    solution = cg(dnd.array(SPD, split=0), dnd.array(sides, split=0), rtol=1e-12)
    assert solution.x.shape == (N, 3) and solution.converged
    assert_allclose(solution.x, np.linalg.solve(SPD, sides), rtol=1e-8, atol=1e-10)
    assert cg(dnd.array(SPD), dnd.zeros((N, 0))).x.shape == (N, 0)


DEFINITE = [cg, fcg, minres, partial(gmres, restart=7), bicgstab, cgs, partial(ir, relaxation=0.2)]


@pytest.mark.parametrize("solver", DEFINITE)
@pytest.mark.parametrize("m", [None, "jacobi"])
def test_columns_at_once_are_those_one_by_one(solver: Callable[..., Any], m: Any) -> None:
    """Columns that take few iterations, many, or none; found by one column as by many."""
    matrix = scipy.sparse.csr_array(np.where(abs(SPD) > 0.1, SPD, 0) + 2 * np.eye(N))
    vectors = np.linalg.eigh(matrix.toarray())[1]
    sides = np.stack([B, vectors[:, 3], np.zeros(N), vectors[:, 0] + 1e-3 * B, 1e9 * B[::-1]], 1)
    a = dnd.sparse.csr_array(matrix, split=0)
    together = solver(a, dnd.array(sides, split=0), M=m, rtol=1e-8)
    alone = [solver(a, dnd.array(side.copy(), split=0), M=m, rtol=1e-8) for side in sides.T]
    assert together.infos == [0] * 5 and together.converged
    assert together.iterations == max(s.iterations for s in alone)
    x = together.x.numpy()
    for k, one in enumerate(alone):
        np.testing.assert_allclose(x[:, k], one.x.numpy(), rtol=1e-9, atol=1e-9 * abs(x[:, k]).max())
    split = solver(dnd.array(matrix.toarray(), split=1), dnd.array(sides, split=1), dnd.array(sides), M=m, rtol=1e-8)
    assert split.x.split == 1 and split.converged
    residuals = np.linalg.norm(matrix @ split.x.numpy() - sides, axis=0)
    assert (residuals <= 1.01e-8 * np.linalg.norm(sides, axis=0)).all()


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
@pytest.mark.parametrize("solver", [cg, minres, gmres, bicgstab, cgs])
def test_columns_share_messages(solver: Callable[..., Any]) -> None:
    a = dnd.sparse.csr_array(_poisson(8), split=0)
    sides = np.random.default_rng(3).standard_normal((64, 6))
    a @ dnd.array(sides, split=0)  # which makes the plan
    counts = []
    for b in (sides[:, 0].copy(), sides):
        with dnd.no_grad(), count_collectives() as c:
            solution = solver(
                a, dnd.array(b, split=0), rtol=0, maxiter=3, **({"restart": 5} if solver is gmres else {})
            )
        assert solution.iterations == (15 if solver is gmres else 3)
        counts.append(c.calls)
    assert counts[0] == counts[1]


def test_a_column_that_breaks_down_leaves_the_others_alone() -> None:
    a = dnd.array(np.diag([1.0, 2.0, 0.0, -1.0]), split=0)
    sides = dnd.array(np.array([[1.0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), split=0)
    solution = cg(a, sides, rtol=1e-10)
    assert solution.infos[0] == 0 and min(solution.infos[1:]) > 0
    assert not solution.converged and "curvature" in solution.message
    np.testing.assert_allclose(solution.x.numpy()[:, 0], [1, 0.5, 0, 0], atol=1e-12)
    spoilt = np.ones((4, 2))
    spoilt[2, 1] = np.nan
    with pytest.raises(LinAlgError, match="NaN"):
        cg(a, dnd.array(spoilt, split=0))


def test_gradients_of_columns() -> None:
    sides, weight = RNG.normal(size=(N, 3)), RNG.normal(size=(N, 3))
    inputs = [torch.tensor(GENERAL, requires_grad=True), torch.tensor(sides, requires_grad=True)]
    (torch.linalg.solve(*inputs) * torch.tensor(weight)).sum().backward()
    a, b = dnd.array(GENERAL, split=0).requires_grad_(), dnd.array(sides, split=0).requires_grad_()
    (bicgstab(a, b, rtol=1e-13)[0] * dnd.array(weight, split=0)).sum().backward()
    assert a.grad is not None and b.grad is not None
    assert_allclose(b.grad, inputs[1].grad, rtol=1e-7, atol=1e-9)
    assert_allclose(a.grad, inputs[0].grad, rtol=1e-7, atol=1e-9)


def test_shift_and_indefinite() -> None:
    a, b = dnd.array(SPD, split=0), dnd.array(B, split=0)
    x, info = minres(a, b, shift=1.5, M="jacobi", rtol=1e-10, maxiter=1000)
    assert info == 0
    assert np.linalg.norm((SPD - 1.5 * np.eye(N)) @ x.numpy() - B) <= 1.1e-10 * np.linalg.norm(B)


@pytest.mark.parametrize("solver", [cg, fcg, minres, gmres, bicgstab, cgs])
def test_preconditioners_of_all_kinds(solver: Callable[..., Any]) -> None:
    scale = np.diag(10.0 ** np.arange(N) ** 0.3)
    matrix = scale @ SPD @ scale
    a, b = dnd.array(matrix, split=0), dnd.array(B, split=0)
    inverse = 1 / np.diag(matrix)
    kinds = [
        dnd.array(np.diag(inverse), split=1),
        LinearOperator((N, N), lambda x: x * dnd.array(inverse, split=0)),
        lambda x: x * dnd.array(inverse, split=0),
        "jacobi",
        dnd.sparse.csr_array(np.diag(inverse), split=0),
    ]
    counts = [solver(a, b, M=kind, rtol=1e-8, maxiter=4000).iterations for kind in kinds]
    assert max(counts) - min(counts) <= 1 + 0.02 * max(counts)
    with pytest.raises(ValueError, match="'jacobi', 'bjacobi'"):
        solver(a, b, M="nonsense")
    with pytest.raises(ValueError, match="`M` must have shape"):
        solver(a, b, M=np.eye(3))


@pytest.mark.parametrize(("solver", "matrix"), ALL)
def test_bad_input(solver: Callable[..., Any], matrix: np.ndarray) -> None:
    a, b = dnd.array(matrix, split=0), dnd.array(B, split=0)
    spoilt = matrix.copy()
    spoilt[-1, -1] = np.nan
    with pytest.raises(LinAlgError, match="NaN"):
        solver(dnd.array(spoilt, split=0), b)
    side = B.copy()
    side[0] = np.inf
    with pytest.raises(LinAlgError, match="NaN"):
        solver(a, dnd.array(side, split=0))
    with count_collectives() as c:
        with pytest.raises(LinAlgError, match="square"):
            solver(a[:3], b)
        with pytest.raises(ValueError, match="`b` must have shape"):
            solver(a, b[:3])
        with pytest.raises(ValueError, match="`x0` must have the shape"):
            solver(a, b, np.zeros(3))
        with pytest.raises(ValueError, match="must not be negative"):
            solver(a, b, rtol=-1)
    assert "Allreduce" not in c.calls


def test_breakdown_says_so() -> None:
    singular = dnd.array(np.diag([1.0, 0.0, 0.0]), split=0)
    b = dnd.array([1.0, 1.0, 0.0], split=0)
    for solver in (cg, fcg, minres, gmres, bicgstab, cgs):
        solution = solver(singular, b)
        assert solution.info > 0 and not solution.converged
        assert np.isfinite(solution.x.numpy()).all()
    assert "broke down" in gmres(singular, b).message
    flat = dnd.array([[1.0, 0.0], [0.0, -1.0]], split=0)
    assert "curvature" in cg(flat, dnd.array([1.0, 1.0], split=0)).message


@pytest.mark.parametrize(("solver", "matrix"), [(cg, SPD), (minres, SPD), (gmres, GENERAL), (bicgstab, GENERAL)])
def test_gradients(solver: Callable[..., Any], matrix: np.ndarray) -> None:
    weight = RNG.normal(size=N)
    inputs = [torch.tensor(matrix, requires_grad=True), torch.tensor(B, requires_grad=True)]
    (torch.linalg.solve(*inputs) @ torch.tensor(weight)).backward()
    a, b = dnd.array(matrix, split=0).requires_grad_(), dnd.array(B, split=0).requires_grad_()
    (solver(a, b, rtol=1e-13)[0] * dnd.array(weight, split=0)).sum().backward()
    assert a.grad is not None and b.grad is not None
    assert_allclose(b.grad, inputs[1].grad, rtol=1e-7, atol=1e-9)
    assert_allclose(a.grad, inputs[0].grad, rtol=1e-7, atol=1e-9)


def test_gradient_of_sparse_values_and_of_what_a_function_uses() -> None:
    matrix = _poisson(5) + scipy.sparse.eye_array(25)
    dense = torch.tensor(matrix.toarray(), requires_grad=True)
    side = torch.tensor(B[:25])
    torch.linalg.solve(dense, side).sum().backward()
    a = dnd.sparse.csr_array(matrix, split=0).requires_grad_()
    cg(a, dnd.array(B[:25], split=0), rtol=1e-13)[0].sum().backward()
    assert dense.grad is not None and a.grad is not None
    np.testing.assert_allclose(a.grad.toarray(), dense.grad.numpy() * (matrix.toarray() != 0), rtol=1e-8, atol=1e-10)
    factor = dnd.array(3.0).requires_grad_()
    operator = LinearOperator((25, 25), lambda x: x * factor)
    cg(operator, dnd.ones(25, split=0))[0].sum().backward()
    assert factor.grad is not None and factor.grad.item() == pytest.approx(-25 / 9)


def test_operators() -> None:
    x = RNG.normal(size=N)
    a = LinearOperator((N, N), lambda v: dnd.array(SPD, split=0) @ v)
    assert_allclose(a @ dnd.array(np.stack([x, x], 1), split=0), np.stack([SPD @ x] * 2, 1), rtol=1e-10)
    assert_allclose((a**2 - 3 * a) @ dnd.array(x, split=0), SPD @ SPD @ x - 3 * SPD @ x, rtol=1e-10)
    assert_allclose(a**0 @ dnd.array(x), x)
    with pytest.raises(NotImplementedError, match="rmatvec"):
        a.H @ dnd.array(x)
    with pytest.raises(ValueError, match="vectors of shape"):
        a @ dnd.ones(3)
    with pytest.raises(ValueError, match="must give a DNDarray"):
        LinearOperator((3, 3), lambda v: v[:2]) @ dnd.ones(3)
    with pytest.raises(LinAlgError, match="two dimensions"):
        dnd.linalg.aslinearoperator(dnd.ones(3))
