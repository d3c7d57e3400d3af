"""Solve the power flow equations, by any method."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import wrap
from dndarray.broadcasting import align_to

from .automatic import auto
from .dc import EXACT, angles, dc
from .dpf import dpf
from .fast_decoupled import fast_decoupled
from .gradients import implicit
from .grid import PQ, SLACK, Grid, exactly, rectangular
from .newton import newton
from .newton_krylov import newton_krylov
from .solution import Solution, State

__all__ = ["METHODS", "flow"]

Method = Callable[..., State]

METHODS: dict[str, tuple[Method, int]] = {
    "auto": (auto, 30),
    "newton": (newton, 30),
    "newton_krylov": (newton_krylov, 30),
    "fast_decoupled": (fast_decoupled, 100),
    "dpf": (dpf, 1000),
    "dc": (dc, 1),
}
"""For each name what solves, and how many iterations it may take unless the user says otherwise.

`solve(grid, v, angle, S, tol=, max_iter=, **options)` takes starting voltages and injections, of shape (n,) or
(n, cases), in per unit and radians, without gradients.
"""

ESTIMATES = ("dc", "dpf")
"""Methods that are not expected to come within the tolerance."""


def flow(
    grid: Grid,
    p: Any = None,
    q: Any = None,
    *,
    method: str = "newton",
    init: Any = "dc",
    tol: float = 1e-8,
    max_iter: int | None = None,
    enforce_q_limits: bool = False,
    **options: Any,
) -> Solution:
    """Find the voltages at which what is fed in at every bus flows away.

    Parameters
    ----------
    grid : Grid
        Replicated, or split over buses.
    p, q : array_like, optional
        What is fed in less what is taken out, in MW and MVAr, of shape (buses,), or (buses, cases), then split over
        cases at will. By default what the grid says.
    method : {"newton", "newton_krylov", "fast_decoupled", "dpf", "auto", "dc"}
        Newton's method with a direct solver where every process knows the grid (the default), or with a Krylov method
        where it is split; constant matrices; the differentiable power flow; Newton's method and, where it fails, a
        descent before it is tried again; or the linear one.
    init : {"dc", "flat"} or Solution or array_like
        Where to begin: angles of the linear ("DC") power flow; the magnitudes that are held, 1 and the slack's angle
        elsewhere; or voltages (complex, in per unit), as of an earlier solution.
    tol : float
        The mismatch, in per unit, that is small enough.
    max_iter : int, optional
    enforce_q_limits : bool
        Make PV buses that would feed in more, or less, reactive power than they may PQ buses with Q at that limit, as
        MATPOWER and pandapower do. For one case; `solution.grid` has the kinds of buses that were arrived at.
    **options
        Of the method.

    One case that is not solved gives a RuntimeWarning, unless the method only estimates; of many, `converged` says
    which are solved.
    """
    if method not in METHODS:
        raise ValueError(f"`method` (={method!r}) must be one of {sorted(METHODS)}")
    if not tol >= 0:
        raise ValueError(f"`tol` (={tol}) must be 0 or more")
    grid.validate()
    if enforce_q_limits:
        from .limits import within_limits

        return within_limits(grid, p, q, init, method=method, tol=tol, max_iter=max_iter, **options)
    solve, limit = METHODS[method]
    S = injection(grid, p, q)
    constant = grid.detach()
    alike = method in ("newton", "auto") and S.ndim == 2 and grid.split is None and isinstance(init, str)
    rtol = EXACT if method == "dpf" else 1e-6  # a descent's course depends on where it begins, a solution does not
    v, angle = start(constant, init, constant.injection if alike else S, rtol)
    through = bool(options.get("differentiable"))  # the iterations: gradients are the method's
    given = (grid, S) if through else (constant, S.detach())
    limit = limit if max_iter is None else max_iter
    state = solve(given[0], v, angle, given[1], tol=tol, max_iter=limit, **options)
    known = through or method == "dc" or (constant is grid and not S.requires_grad)
    v, angle = (state.v, state.angle) if known else implicit(grid, S, state)
    converged = dnd.isfinite(state.mismatch) if method == "dc" else state.mismatch <= tol
    if S.ndim == 1 and method not in ESTIMATES and not bool(converged):
        warnings.warn(
            f"the method {method!r} has reached a mismatch of {state.mismatch.item():.3g}, not {tol}, "
            f"in {state.iterations.item()} iterations",
            RuntimeWarning,
            stacklevel=2,
        )
    return Solution(grid, v, angle, converged, state.iterations, state.mismatch, state.history, method)


def injection(grid: Grid, p: Any, q: Any) -> DNDarray:
    """P + iQ in per unit, of shape (n,) or (n, cases), from MW and MVAr where they are given."""
    given = [_per_bus(grid, name, x) for name, x in (("p", p), ("q", q))]
    parts = [
        own if x is None else x / grid.base_mva for own, x in zip((grid.buses.p, grid.buses.q), given, strict=True)
    ]
    if parts[0].ndim != parts[1].ndim:
        parts = [x[:, None] if x.ndim == 1 else x for x in parts]
    return rectangular(*parts)


def _per_bus(grid: Grid, name: str, x: Any) -> DNDarray | None:
    """What users give for each bus, or for each bus and case: laid out as methods take it."""
    if x is None:
        return None
    x, n = exactly(x, grid.comm), len(grid.buses)
    if x.dtype.is_complex:
        raise TypeError(f"`{name}` is complex; active power goes into `p` and reactive power into `q`")
    if x.ndim not in (1, 2) or x.shape[0] != n:
        raise ValueError(f"`{name}` has shape {x.shape}; it must be ({n},) or ({n}, cases), a row for each bus")
    return dnd.resplit(x, grid.split if grid.split == 0 or x.ndim == 1 or x.split is None else 1)


def start(grid: Grid, init: Any, S: DNDarray, rtol: float = EXACT) -> tuple[DNDarray, DNDarray]:
    """Magnitudes and angles to begin with, of the shape and layout of S, without gradients.

    Communication: for "dc" that of `angles`, to `rtol`; otherwise, if buses are dealt out, two all-reduces.
    """
    buses = grid.buses

    def beside(x: DNDarray) -> torch.Tensor:
        x = x.detach() if x.ndim == S.ndim else x.detach()[:, None]
        return align_to(x.larray, x.layout, S.layout, S.comm)

    kind, held_v, held_angle = map(beside, (buses.kind, buses.v, buses.angle))
    if not isinstance(init, str):
        V = init.V if isinstance(init, Solution) else exactly(init, grid.comm)
        if V.shape not in ((S.shape[0],), S.shape):
            raise ValueError(f"`init` has shape {V.shape}; it must be a voltage for each bus, of shape {S.shape}")
        there = beside(V)
        magnitude, angle = there.abs(), there.angle()
    elif init in ("dc", "flat"):
        magnitude = torch.ones_like(held_v)
        if init == "dc":
            angle = angles(grid, S.detach().real, rtol).larray
        else:
            slack = (buses.kind == SLACK).astype(buses.angle.dtype)
            angle = ((slack * buses.angle.detach()).sum() / slack.sum()).larray
    else:
        raise ValueError(f"`init` (={init!r}) must be 'dc', 'flat', an earlier solution, or complex voltages")
    shape = S.larray.shape
    found = torch.where(kind != PQ, held_v, magnitude), torch.where(kind == SLACK, held_angle, angle)
    wrapped = [wrap(x.expand(shape).contiguous(), S.layout, S.comm) for x in found]
    return wrapped[0], wrapped[1]
