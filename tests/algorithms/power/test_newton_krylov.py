"""Grids that are split over buses, solved by Newton's method with Krylov's: beside Newton's on one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dndarray.algorithms.power import Grid, Solution, flow, replicated
from dndarray.algorithms.power.equations import Equations
from dndarray.algorithms.power.newton_krylov import overlapping
from power_samples import case

import dndarray as dnd
from dndarray.sparse.linalg import gmres

COMM = dnd.get_comm()


def agree(found: Solution, expected: Solution) -> None:
    assert bool(found.converged.all())
    np.testing.assert_allclose(found.v.numpy(), expected.v.numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.angle.numpy(), expected.angle.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "split", "options"),
    [
        ("case118", None, {}),
        ("case9", 0, {}),
        ("case118", 0, {}),
        ("case57", 0, {"krylov": "bicgstab"}),
        ("case30", 0, {"preconditioner": "ilu0"}),
        ("case30", 0, {"overlap": 0}),
    ],
)
def test_as_newton(name: str, split: int | None, options: dict[str, Any]) -> None:
    found = flow(case(name).resplit(split), method="newton_krylov", tol=1e-11, **options)
    assert found.v.split == split and found.v.layout.is_balanced
    assert found.v.dtype is found.mismatch.dtype is dnd.float64
    agree(found, flow(case(name), tol=1e-11))


@pytest.mark.parametrize("init", ["dc", "flat", "solution"])
def test_starts(init: str) -> None:
    grid = case("case57").resplit(0)
    expected = flow(case("case57"), tol=1e-11)
    found = flow(grid, method="newton_krylov", tol=1e-11, init=expected if init == "solution" else init)
    agree(found, expected)
    assert int(found.iterations) == len(found.history) - 1 and (init != "solution" or int(found.iterations) == 0)


def test_fewer_buses_than_ranks() -> None:
    arrays = case("case9").arrays
    buses = {"kind": [3, 1], "p": [0, -0.9], "q": [0, -0.3], "v": [1.02, 1.0], "angle": [0.1, 0.0]}
    names = ("kind", "p", "q", "v", "angle", "g_shunt", "b_shunt", "q_min", "q_max", "base_kv")
    table = [np.asarray(buses.get(name, [0.0, 0.01])) for name in names]
    branches = [x.numpy()[:1] for x in arrays[len(names) :]]
    branches[0], branches[1] = np.array([0]), np.array([1])
    two = Grid(
        type(case("case9").buses)(**dict(zip(names, map(dnd.array, table), strict=True))),
        type(case("case9").branches)(**dict(zip(vars(case("case9").branches), map(dnd.array, branches), strict=True))),
    )
    agree(flow(two.resplit(0), method="newton_krylov", tol=1e-11), flow(two, tol=1e-11))


@pytest.mark.parametrize("split", [None, 0])
def test_cases(split: int | None) -> None:
    grid = case("case14")
    factors = np.linspace(0.5, 1.5, 3)
    p, q = (100 * x.numpy()[:, None] * factors for x in (grid.buses.p, grid.buses.q))
    found = flow(grid.resplit(split), p, q, method="newton_krylov", tol=1e-11)
    assert found.v.shape == (14, 3) and found.v.split == split and found.iterations.shape == (3,)
    agree(found, flow(grid, p, q, tol=1e-11))


def test_results_are_in_the_users_order() -> None:
    order = np.random.default_rng(0).permutation(57)
    expected = flow(case("case57"), tol=1e-11)
    found = flow(case("case57").reordered(order).resplit(0), method="newton_krylov", tol=1e-11)
    np.testing.assert_allclose(found.v.numpy(), expected.v.numpy()[order], rtol=0, atol=1e-10)


def test_words_are_those_of_the_halo() -> None:
    """An iteration sends what the plan says, and to make the equations costs two exchanges of voltages."""
    here = case("case118").resplit(0).banded
    eq, grid = here.equations, here.grid
    V = grid.buses.v * dnd.exp(1j * grid.buses.angle)
    jacobian = eq.jacobian(V)
    halo = eq.Y.pattern.plan(eq.Y.pattern.counts).words
    words = jacobian.pattern.plan(jacobian.pattern.counts).words
    assert words[0] <= 2 * halo[0] and words[1] == halo[1]  # less what is held
    eq.mismatch(V, grid.injection)
    with dnd.testing.count_collectives() as c:
        eq.mismatch(V, grid.injection)
    spread = COMM.size > 1
    assert c.bytes == 16 * halo[0] and c.total == spread
    with dnd.testing.count_collectives() as c:
        jacobian = eq.jacobian(V)
    assert c.bytes == 2 * 16 * halo[0] and c.total == 2 * spread
    right = eq.interleaved(eq.mismatch(V, grid.injection))
    inverse = overlapping(jacobian)
    gmres(jacobian, right, M=inverse, rtol=1e-3)

    def sent(function: Any) -> tuple[int, int]:
        with dnd.testing.count_collectives() as c:
            function()
        return c.bytes, c.calls.get("Alltoall", 0)

    (of_product, _), (of_inverse, exchanges) = sent(lambda: jacobian @ right), sent(lambda: inverse @ right)
    assert of_product == 8 * words[0]
    traffic = []
    for rtol in (1e-2, 1e-4):
        with dnd.testing.count_collectives() as c:
            count = gmres(jacobian, right, M=inverse, rtol=rtol).iterations
        traffic.append((count, c))
    (few, first), (many, second) = traffic
    if spread:
        reduced = 8 * sum(2 * (j + 1) + 1 for j in range(few, many))  # coefficients, twice, and a norm
        assert second.bytes - first.bytes == (many - few) * (of_product + of_inverse) + reduced
        assert second.calls["Alltoall"] - first.calls["Alltoall"] == (1 + exchanges) * (many - few)
        assert second.calls["Allreduce"] - first.calls["Allreduce"] == 2 * (many - few)


def test_what_does_not_converge_says_so() -> None:
    grid = case("case14").resplit(0)
    p, q = (100 * x.numpy() for x in (grid.buses.p, grid.buses.q))
    with pytest.warns(RuntimeWarning, match="has reached a mismatch"):
        found = flow(grid, 20 * p, 20 * q, method="newton_krylov", max_iter=8)
    assert not bool(found.converged) and int(found.iterations) <= 8
    with pytest.warns(RuntimeWarning, match="in 1 iterations"):
        found = flow(grid, max_iter=1)
    assert not bool(found.converged) and int(found.iterations) == 1


@pytest.mark.parametrize("options", [{"krylov": "cg"}, {"preconditioner": "amg"}])
def test_options(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        flow(case("case14").resplit(0), method="newton_krylov", **options)


@pytest.mark.slow
def test_large() -> None:
    grid = case("case9241pegase")
    found = flow(grid.resplit(0), method="newton_krylov", tol=1e-10)
    agree(found, flow(grid, tol=1e-10))
    assert int(found.iterations) <= 7


def test_equations_of_split_grids() -> None:
    """The split Jacobian is the replicated one, dealt out."""
    grid = case("case118")
    V = grid.buses.v * dnd.exp(1j * grid.buses.angle)
    whole = Equations(grid).jacobian(V).toarray()
    part = Equations(grid.resplit(0)).jacobian(dnd.resplit(V, 0))
    assert part.split == 0 and part.shape == (236, 236)
    np.testing.assert_allclose(part.toarray(), whole, rtol=1e-14, atol=1e-12)
    x = dnd.array(np.random.default_rng(0).standard_normal((118, 2)), split=0)
    product = Equations(grid.resplit(0)).transposed_product(dnd.resplit(V, 0), x)
    np.testing.assert_allclose(product.numpy().reshape(-1), whole.T @ x.numpy().reshape(-1), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_copies_that_are_tied_at_random_converge() -> None:
    """Blocks of processes say little of such grids, and Krylov methods that keep few vectors come to a standstill."""
    grid = replicated(case("case9241pegase"), 4).resplit(0)
    solution = flow(grid, method="newton_krylov")
    assert len(solution.history) <= 8 and solution.history[-1] <= 1e-8
