"""Gradients of power flows, beside central differences of Newton's method."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from dndarray.algorithms.power import Grid, Solution, contingencies, flow, sensitivity
from dndarray.algorithms.power.sensitivity import PARAMETERS
from power_samples import case

import dndarray as dnd

CASES = 3


@cache
def directions(name: str) -> dict[str, np.ndarray]:
    """A random change of each parameter."""
    rng = np.random.default_rng(1)
    return {x: rng.standard_normal(of(case(name), x).shape) for x in PARAMETERS}


def of(grid: Grid, name: str) -> dnd.DNDarray:
    return getattr(grid.buses if hasattr(grid.buses, name) else grid.branches, name)


def objective(s: Solution) -> dnd.DNDarray:
    """All that a solution has, with weights that tell buses and branches apart."""
    column = (slice(None),) if s.cases is None else (slice(None), None)
    a, b = (dnd.linspace(-1, 1, len(t), dtype=dnd.float64)[column] for t in (s.grid.buses, s.grid.branches))
    start, end = s.flows
    return (
        (a * s.v**2).sum()
        + (a * dnd.sin(s.angle)).sum()
        + (a * s.S.imag).sum()
        + (b * abs(start) ** 2 + end.real).sum()
    )


def load(name: str, part: str) -> np.ndarray:
    factors = 1 + 0.05 * np.random.default_rng(2).standard_normal((len(case(name).buses), CASES))
    return 100 * of(case(name), part).numpy()[:, None] * factors


def slope(name: str, changed: dict[str, np.ndarray], cases: bool = False, h: float = 1e-5) -> float:
    """The derivative along a direction, by differences of flows that every process solves for itself."""
    values = []
    for t in (h, -h):
        grid = case(name).replace(
            **{x: of(case(name), x) + dnd.array(t * d) for x, d in changed.items() if d.ndim == 1}
        )
        fed = [load(name, x) + t * changed.get(x, 0.0) for x in "pq"] if cases else []
        values.append(float(objective(flow(grid, *fed, tol=1e-12))))
    return (values[0] - values[1]) / (2 * h)


def differentiable(grid: Grid) -> Grid:
    return grid.replace(**{x: of(grid, x).copy().requires_grad_() for x in PARAMETERS})


def along(grid: Grid, name: str) -> dict[str, float]:
    """What gradients say of each direction."""
    return {x: float((of(grid, x).grad * dnd.array(d)).sum()) for x, d in directions(name).items()}


def test_each_parameter() -> None:
    grid = differentiable(case("case14"))
    objective(flow(grid, tol=1e-12)).backward()
    found = along(grid, "case14")
    for x, d in directions("case14").items():
        assert found[x] == pytest.approx(slope("case14", {x: d}), rel=1e-5), x


@pytest.mark.parametrize("split", [None, 0])
@pytest.mark.parametrize("name", ["case14", "case118"])
def test_all_parameters(name: str, split: int | None) -> None:
    grid = differentiable(case(name).resplit(split))
    s = flow(grid, tol=1e-12, **({} if split is None else {"method": "newton_krylov"}))
    assert s.v.split == split and s.v.requires_grad
    objective(s).backward()
    assert all(of(grid, x).grad.split == split for x in PARAMETERS)
    assert sum(along(grid, name).values()) == pytest.approx(slope(name, directions(name), h=1e-6), rel=1e-5)


@pytest.mark.parametrize(("split", "cases_split"), [(None, None), (None, 1), (0, 0)])
def test_many_cases(split: int | None, cases_split: int | None) -> None:
    name = "case14"
    grid = differentiable(case(name).resplit(split))
    p, q = (dnd.array(load(name, x), split=cases_split).requires_grad_() for x in "pq")
    s = flow(grid, p, q, tol=1e-12, **({} if split is None else {"method": "newton_krylov"}))
    assert s.v.shape == (14, CASES) and s.v.split == cases_split
    objective(s).backward()
    rng = np.random.default_rng(3)
    changed: dict[str, Any] = {x: d for x, d in directions(name).items() if x not in ("p", "q")}
    found = sum(float((of(grid, x).grad * dnd.array(d)).sum()) for x, d in changed.items())
    for x, array in (("p", p), ("q", q)):
        changed[x] = rng.standard_normal((14, CASES))
        found += float((array.grad * dnd.array(changed[x])).sum())
    assert found == pytest.approx(slope(name, changed, cases=True), rel=1e-5)


def test_cases_far_apart_have_factors_of_their_own() -> None:
    """Some are too far from the mean case for refinement."""
    grid = case("case14")
    p, q = (dnd.array(100 * of(grid, x).numpy()[:, None] * np.array([-1.0, 1.0, 2.5])) for x in "pq")
    grads = []
    for columns in (slice(None), slice(2, 3)):
        array = p[:, columns].copy().requires_grad_()
        s = flow(grid, array, q[:, columns], tol=1e-12)
        assert bool(s.converged.all())
        objective(s).backward()
        grads.append(array.grad.numpy()[:, -1])
    np.testing.assert_allclose(*grads, rtol=1e-8, atol=1e-11)


def test_values_do_not_depend_on_gradients() -> None:
    for grid in (case("case14"), case("case14").resplit(0)):
        plain, s = (flow(g, method="newton_krylov") for g in (grid, differentiable(grid)))
        np.testing.assert_allclose(plain.v.numpy(), s.v.detach().numpy(), rtol=1e-15)
        np.testing.assert_array_equal(plain.angle.numpy(), s.angle.detach().numpy())


def test_arrays_may_change_in_place_between_flows() -> None:
    """As optimizers change them."""
    r = case("case14").branches.r.copy().requires_grad_()
    grid = case("case14").replace(r=r)
    for _ in range(2):
        s = flow(grid, tol=1e-12)
        r.larray.grad = None
        s.loss.real.sum().backward()
        fresh = flow(case("case14").replace(r=r.detach().copy()), tol=1e-12)
        np.testing.assert_allclose(s.v.detach().numpy(), fresh.v.numpy(), rtol=1e-15)
        r.larray.data -= 1e-3 * r.grad.larray


def test_second_derivatives_are_refused() -> None:
    import torch

    p = dnd.array(100 * case("case14").buses.p.numpy()).requires_grad_()
    loss = flow(case("case14"), p).loss.real.sum()
    with pytest.raises(NotImplementedError, match="first derivatives"):
        torch.autograd.grad(loss.larray, p.larray, create_graph=True)


@pytest.mark.parametrize("split", [None, 0])
def test_sensitivity(split: int | None) -> None:
    grid = case("case14").resplit(split)
    s = flow(grid, tol=1e-12, **({} if split is None else {"method": "newton_krylov"}))
    found = sensitivity(s, objective, PARAMETERS)
    for x in ("p", "q", "v", "x", "tap", "b_shunt"):
        assert found[x].split == split
        d = directions("case14")[x]
        assert float((found[x] * dnd.array(d)).sum()) == pytest.approx(slope("case14", {x: d}), rel=1e-5), x
    assert not s.v.requires_grad and not grid.requires_grad


def test_sensitivity_of_cases_and_of_what_does_not_depend() -> None:
    grid = case("case14")
    s = flow(grid, *(dnd.array(load("case14", x), split=1) for x in "pq"), tol=1e-12)
    found = sensitivity(s, lambda s: s.v[5].sum(), ["p", "r"])
    assert found["p"].shape == (14, CASES) and found["p"].split == 1 and found["r"].shape == (20,)
    for k in range(CASES):
        one = flow(grid, load("case14", "p")[:, k], load("case14", "q")[:, k], tol=1e-12)
        alone = sensitivity(one, lambda s: s.v[5], ["p"])["p"]
        np.testing.assert_allclose(found["p"].numpy()[:, k], alone.numpy(), rtol=1e-8, atol=1e-12)
    assert not sensitivity(s, lambda s: s.grid.branches.x.sum(), ["p"])["p"].any()


def test_bad_objectives() -> None:
    s = flow(case("case14"))
    with pytest.raises(ValueError, match="resistance"):
        sensitivity(s, lambda s: s.v.sum(), ["resistance"])
    with pytest.raises(ValueError, match="one number"):
        sensitivity(s, lambda s: s.v, ["p"])
    found = contingencies(case("case14"), [2, 3])
    with pytest.raises(ValueError, match="branches are out"):
        sensitivity(found.solution, lambda s: s.v.sum(), ["p"])
    assert sensitivity(found.case(0), lambda s: s.v.sum(), ["r"])["r"].shape == (19,)
