"""Differentiable power flow: voltages found by descending along the gradient of the squared mismatch.

An iteration multiplies twice with the admittance matrix and factorises nothing; cases of a batch are columns of the
same products. It comes near the solutions of many cases, or of huge grids, at a low price, and then approaches them
slowly.

Source: Oez, Hoerter, Phipps, Debus, Streit and Goetz, arXiv:2603.28203 (2026). The gradient is computed in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import wrap
from dndarray.blocks import map_blocks
from dndarray.elementwise import as_operand
from dndarray.layout import Layout

from ..progress import counted
from .batch import history
from .equations import Equations
from .grid import Grid
from .removal import Blocks, removed_blocks
from .schedules import Decay, Plateau
from .solution import State

__all__ = ["SERIES_START", "WARM", "Course", "descend", "dpf", "gradient"]

EPSILON = 1e-8
"""Adam's, below which a gradient counts as nothing."""

LR, BETAS, PLATEAU = 0.0034, (0.979, 0.963), Plateau()
"""What suits most grids: the paper's table 2."""

SERIES_START: dict[str, Any] = {"lr": 0.0356, "betas": (0.9802, 0.9440), "schedule": Decay()}
"""Options for the first of a series of similar cases: the paper's table 3."""

WARM: dict[str, Any] = {"lr": 2.7e-4, "betas": (0.7847, 0.6624), "schedule": Plateau(0.8, 2, 0.0388, 4)}
"""Options for what begins at the solution of a similar case: the paper's table 3."""


@dataclass(frozen=True)
class Course:
    """When a descent ends, and how it steps: see `dpf`."""

    tol: float
    max_iter: int
    lr: float = LR
    betas: tuple[float, float] = BETAS
    schedule: Plateau | Decay = PLATEAU

    def __post_init__(self) -> None:
        if not (self.lr > 0 and all(0 <= beta < 1 for beta in self.betas)):
            raise ValueError(
                f"`lr` (={self.lr}) must be positive, and both of `betas` (={self.betas}) from 0 to below 1"
            )
        if not isinstance(self.schedule, Plateau | Decay):
            raise TypeError(f"`schedule` (={self.schedule!r}) must be a Plateau or a Decay")


BLOCK = 2**16
"""Voltages that are iterated at a time: what an iteration touches of them stays in the processor's cache."""


def dpf(
    grid: Grid,
    v: DNDarray,
    angle: DNDarray,
    S: DNDarray,
    *,
    tol: float,
    max_iter: int,
    lr: float = LR,
    betas: tuple[float, float] = BETAS,
    schedule: Plateau | Decay = PLATEAU,
    outages: Any = None,
    differentiable: bool = False,
) -> State:
    """Descend from the voltages given, by Adam, along the gradient of the mean of the squared mismatches.

    Each case has its own step and ends when its largest mismatch is within `tol`, wherever it lies and whatever is
    beside it.

    Parameters
    ----------
    lr, betas
        Adam's first step, in per unit and radians, and how slowly it forgets gradients and their squares.
    schedule : Plateau or Decay
        How the step shrinks.
    outages : array_like of int, optional
        Branches that are out in each case, of shape (cases,) or (several, cases); -1 for none. Where `S` and voltages
        have shape (n,), they are those of every case.
    differentiable : bool
        Whether autograd records the iterations, so that voltages depend on S, on where they begin and on what the grid
        is made of. Takes memory for each iteration.

    Communication: none but a small collective at the end for cases of a replicated grid. For a grid that is split over
    buses each iteration takes two exchanges between neighbours and one all-reduce of a number for each case.
    """
    if outages is not None and (differentiable or grid.split is not None):
        raise ValueError("`outages` are for replicated grids, and not differentiable; give a grid without the branch")
    how = Course(tol, max_iter, lr, betas, schedule)
    given = [x[:, None] if x.ndim == 1 else x for x in (v, angle, S)]
    if len({x.shape for x in given}) > 1:
        given = [x + dnd.zeros_like(given[2].real) for x in given]
    if differentiable:
        found = _through(grid, given, how)
    elif grid.split is None:
        found = _in_blocks(grid, given, outages, how)
    else:
        near = grid.banded
        v, angle, *rest = descend(near.equations, [x[near.order] for x in given], how)
        found = v[near.place], angle[near.place], *rest
    v, angle, iterations, mismatch = (x[..., 0] if S.ndim == 1 and outages is None else x for x in found[:4])
    return State(v, angle, iterations, mismatch, history(found[4]))


def _in_blocks(grid: Grid, given: list[DNDarray], outages: Any, how: Course) -> tuple[DNDarray, ...]:
    """Cases of a replicated grid, as many at a time as fit into the cache."""
    here = grid.own
    if outages is not None:
        outages = as_operand(outages, grid.comm)
        outages = outages[None] if outages.ndim == 1 else outages
        if bool(((outages < -1) | (outages >= len(grid.branches))).any()):
            raise ValueError(f"`outages` must be numbers of branches, below {len(grid.branches)}, or -1 for none")
        given = [*(x + dnd.zeros_like(outages[:1], dtype=grid.buses.v.dtype) for x in given), outages]

    with counted(given[-1].larray.shape[1], "case") as count:

        def solve(*arrays: DNDarray) -> tuple[DNDarray, ...]:
            out = removed_blocks(here, arrays[3].larray) if len(arrays) > 3 else None
            v, angle, *rest = descend(here.equations, [x[here.order] for x in arrays[:3]], how, out)
            count(v.shape[1])
            return v[here.place], angle[here.place], *rest

        return map_blocks(solve, *given, size=max(1, BLOCK // len(grid.buses)))


def _through(grid: Grid, given: list[DNDarray], how: Course) -> tuple[DNDarray, ...]:
    """Iterations that autograd records: of all that the grid is made of."""
    if grid.split is not None:
        return _recorded(Equations(grid), given, how)
    m = len(grid.arrays)

    def solve(*arrays: DNDarray) -> tuple[DNDarray, ...]:
        return _recorded(Equations(grid.with_arrays(arrays[:m])), arrays[m:], how)

    return map_blocks(solve, *given, shared=grid.arrays)


class _Descent:
    """Cases on their way down, as rows of all buses here and a column for each case.

    Tensors are allocated once and then written to, until a case has arrived and columns leave.
    """

    def __init__(self, eq: Equations, v: DNDarray, angle: DNDarray, S: DNDarray, outages: Blocks | None) -> None:
        self.eq, self.outages, self.S = eq, outages, S.larray
        self.layout, self.comm = S.layout, S.comm
        self.adjoint = eq.Y.T
        self.count = float(eq.unknown.sum())
        self.x = torch.stack([v.larray, angle.larray], -1)
        self.moment, self.square = torch.zeros_like(self.x), torch.zeros_like(self.x)
        self.allocate()

    def allocate(self) -> None:
        """Memory for what an iteration computes, and what it needs of the equations for each case."""
        unknown = self.eq.unknown.larray[:, None].detach()
        self.given = unknown.expand(self.x.shape).contiguous()
        self.scale = (unknown.flip(-1) * (2 / self.count)).expand(self.x.shape).contiguous()
        self.V, self.excess, self.c = (torch.empty_like(self.S) for _ in range(3))
        self.layouts = {3 - k: _rows(self.layout, self.x.shape[1 : 3 - k]) for k in (0, 1)}
        self.real, self.step = self.x.new_empty(self.x.shape[:2]), torch.empty_like(self.x)

    def wrap(self, x: Tensor) -> DNDarray:
        """A tensor with a row for each bus here, as the array that it is a part of."""
        return wrap(x, self.layouts[x.ndim], self.comm)

    def keep(self, cases: Tensor) -> None:
        """Go on with these cases only."""
        for name in ("S", "x", "moment", "square"):
            setattr(self, name, getattr(self, name)[:, cases])
        if self.outages is not None:
            self.outages = self.outages[cases]
        self.allocate()

    def look(self) -> Tensor:
        """The loss of each case where it is; from then on `V`, the current `I` and the mismatch are known, too."""
        v, angle = self.x[..., 0], self.x[..., 1]
        V = torch.view_as_real(self.V)
        torch.mul(torch.cos(angle, out=self.real), v, out=V[..., 0])
        torch.mul(torch.sin(angle, out=self.real), v, out=V[..., 1])
        self.I = (self.eq.Y @ self.wrap(self.V)).larray
        if self.outages is not None:
            self.outages.subtract_product(self.V, self.I)
        torch.conj_physical(self.I, out=self.excess).mul_(self.V).sub_(self.S)
        parts = torch.view_as_real(self.excess).mul_(self.given)
        return self.wrap(torch.mul(parts, parts, out=self.step)).sum((0, 2)).larray / self.count

    def mismatch(self) -> Tensor:
        """The largest mismatch of each case where `look` has been."""
        return self.wrap(torch.view_as_real(self.excess).abs()).max((0, 2)).larray

    def gradient(self) -> Tensor:
        """Of the loss, by magnitudes and angles, of shape (n, cases, 2)."""
        torch.conj_physical(self.V, out=self.c).mul_(self.excess)
        product = (self.adjoint @ self.wrap(self.c)).larray
        if self.outages is not None:
            self.outages.T.subtract_product(self.c, product)
        product.mul_(self.V).conj_physical_().add_(self.I.mul_(self.c))
        slope = torch.view_as_real(product).mul_(self.scale)
        slope[..., 0].div_(self.x[..., 0])
        return slope

    def move(self, rate: Tensor, betas: tuple[float, float], iteration: int) -> None:
        """A step of Adam's, at each case's rate."""
        slope = self.gradient()
        first, second = (1 - beta ** (iteration + 1) for beta in betas)
        self.moment.lerp_(slope, 1 - betas[0])
        self.square.mul_(betas[1]).addcmul_(slope, slope, value=1 - betas[1])
        torch.sqrt(self.square, out=self.step).add_(EPSILON * math.sqrt(second))
        torch.div(self.moment, self.step, out=self.step)
        rates = rate[:, None].expand(len(rate), 2).contiguous() if len(rate) > 1 else rate
        self.x.addcmul_(self.step, rates, value=-math.sqrt(second) / first)


def _rows(layout: Layout, rest: tuple[int, ...]) -> Layout:
    """The layout of an array with the same rows and these further axes."""
    return Layout((layout.shape[0], *rest), layout.grid, layout.axes, layout.counts)


def descend(
    eq: Equations,
    given: Sequence[DNDarray],
    how: Course,
    outages: Blocks | None = None,
    enough: Callable[[Tensor, Tensor, int], Tensor] | None = None,
) -> tuple[DNDarray, ...]:
    """Where each case arrives: magnitudes, angles, iterations, the largest mismatch; and the root mean square of
    mismatches before each iteration and after the last, of shape (max_iter + 1, cases), 0 where there is none.

    `enough(V, cases, iteration)` says which of the cases under way are to end even so, from their complex voltages, of
    shape (n, cases), and their numbers.
    """
    v, angle, S = given
    cases, max_iter = S.shape[1], how.max_iter
    way = _Descent(eq, v, angle, S, outages)
    arrived = torch.empty_like(way.x)
    mismatch, iterations = way.real.new_zeros(cases), torch.full((cases,), max_iter, device=way.x.device)
    trace = way.real.new_zeros(max_iter + 1, cases)
    left = torch.arange(cases, device=way.x.device)
    rate, state = way.real.new_full((cases,), how.lr), how.schedule.start(cases, way.real)
    for k in range(max_iter + 1 if cases else 0):
        loss = way.look()
        trace[k, left] = loss.sqrt()
        ends = (loss <= how.tol**2) | (k == max_iter)  # no case with a larger loss has arrived
        settled = enough(way.V, left, k) if enough else torch.zeros_like(ends)
        if bool((ends | settled).any()):
            worst = way.mismatch()
            done = (worst <= how.tol) | settled | (k == max_iter)
            which = left[done]
            arrived[:, which], mismatch[which], iterations[which] = way.x[:, done], worst[done], k
            if bool(done.all()):
                break
            if bool(done.any()):
                left, loss, rate, state = left[~done], loss[~done], rate[~done], state[:, ~done]
                way.keep(~done)
                way.look()
        way.move(rate, how.betas, k)
        rate, state = how.schedule.advance(rate, state, loss, k)
    alone = [wrap(x, Layout(tuple(x.shape), S.layout.grid), S.comm) for x in (iterations, mismatch, trace)]
    return *(wrap(x, S.layout, S.comm) for x in arrived.unbind(-1)), *alone


def gradient(eq: Equations, v: DNDarray, angle: DNDarray, S: DNDarray) -> tuple[DNDarray, DNDarray, DNDarray]:
    """The loss of each case, and its gradient by magnitudes and by angles: of shape (cases,) and (n, cases).

    The loss is the mean of the squared mismatches. Zero is the gradient by what is held. Differentiable.

    Communication: none, or where buses are dealt out two exchanges between neighbours and two all-reduces.
    """
    angles, magnitudes = eq.unknown[:, :1], eq.unknown[:, 1:]
    count = float(eq.unknown.sum())
    V = v * dnd.exp(1j * angle)
    current = eq.Y @ V
    excess = V * current.conj() - S
    P, Q = angles * excess.real, magnitudes * excess.imag
    slope = (2 / count) * eq.slope(V, current, P + 1j * Q)
    return (P * P + Q * Q).sum(0) / count, magnitudes * slope.real / v, angles * slope.imag


def _recorded(eq: Equations, given: Sequence[DNDarray], how: Course) -> tuple[DNDarray, ...]:
    """As `descend`, in operations that autograd records."""
    *x, S = given
    slow, slower = how.betas
    cases, max_iter = S.shape[1], how.max_iter
    moments, squares = ([dnd.zeros_like(y.detach()) for y in x] for _ in range(2))
    rate = x[0].larray.new_full((cases,), how.lr)
    state, trace = how.schedule.start(cases, rate), []
    alone = Layout((cases,), S.layout.grid)
    mismatch, iterations = (wrap(x, alone, S.comm) for x in (0 * rate, torch.full_like(rate, max_iter).long()))
    for k in range(max_iter + 1):
        loss, *slopes = gradient(eq, x[0], x[1], S)
        known = loss.detach()
        trace.append(dnd.sqrt(known) * (iterations >= k))
        if k == max_iter or bool((known <= how.tol**2).any()):
            worst = abs(eq.mismatch(x[0] * dnd.exp(1j * x[1]), S)).max((0, 1)).detach()
            mismatch = dnd.where(iterations >= k, worst, mismatch)
            iterations = dnd.where((mismatch <= how.tol) & (iterations > k), k, iterations)
        moving = iterations > k
        if not bool(moving.any()):
            break
        first, second = (1 - beta ** (k + 1) for beta in how.betas)
        factor = wrap(rate, alone, S.comm) * moving * (math.sqrt(second) / first)
        moments = [slow * m + (1 - slow) * g for m, g in zip(moments, slopes, strict=True)]
        squares = [slower * s + (1 - slower) * g * g for s, g in zip(squares, slopes, strict=True)]
        roots = [dnd.sqrt(dnd.where(s > 0, s, 1.0)) + EPSILON * math.sqrt(second) for s in squares]
        x = [y - factor * m / root for y, m, root in zip(x, moments, roots, strict=True)]
        rate, state = how.schedule.advance(rate, state, known.larray, k)
    # Where nothing has moved, autograd is to know of all that was given, too, as it does on other processes.
    x = [y + 0 * g for y, g in zip(x, slopes, strict=True)]
    trace += [0 * trace[-1]] * (max_iter + 1 - len(trace))
    return *x, iterations, mismatch, dnd.stack(trace)
