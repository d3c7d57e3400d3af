"""Newton's method for many cases of one grid: chord steps, all with the factors of one case.

A chord step is Newton's with a Jacobian of another point. It converges linearly, the faster the closer that point is,
and costs a hundredth of a Newton step: nothing is factorised, and each element of the factors and of Y meets many cases
side by side. Cases that it does not bring to the solution are solved by Newton's method one by one.

Source: Tinney and Hart (1967) for the chord ("dishonest Newton"); Alsac, Stott and Tinney (1983) for outages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.blocks import map_blocks
from dndarray.sparse.kernels import add_product, plain
from dndarray.sparse.substitution import Substitution

from ..progress import counted
from .compiled import Compiled
from .grid import Grid
from .newton import solve, solve_own
from .ordering import OwnGrid
from .solution import State

if TYPE_CHECKING:
    from .removal import Removed

__all__ = ["Chord", "Found", "newton_batch", "solved_base"]

BLOCK_BYTES = 2**20
"""Of one array of the cases under way: several of them fit into a core's cache together."""

FEWEST, MOST = 32, 256
"""Cases under way: fewer leave vector units idle, more do not pay."""

AT_ONCE = 16
"""Times the width: cases that a process takes up together, of which so many are under way at a time."""

IDLE = 0.35
"""Columns whose cases are done get others, or are dropped, when they are more than this part of all."""

PATIENCE = 4
"""Chord steps in which the mismatch must be halved, or else a case is left to Newton's method."""


@dataclass
class Found:
    """What is known of cases, on this process, with buses in the order of its `OwnGrid`."""

    V: Tensor
    """Real and imaginary parts, of shape (2, n, cases)."""
    iterations: Tensor
    mismatch: Tensor
    trace: Tensor
    """The mismatch before each iteration and after the last, of shape (iterations + 1, cases); 0 after that."""

    @classmethod
    def nothing(cls, V: Tensor, max_iter: int) -> Found:
        """Before the first iteration, at voltages V."""
        k = V.shape[-1]
        count = torch.zeros(k, dtype=torch.int64)
        return cls(V, count, V.new_full((k,), torch.inf), V.new_zeros(max_iter + 1, k))


class Chord:
    """Chord steps with the factors of the Jacobian at voltages `V`, complex, in the order of `here`.

    Arrays have the shape (2, n, cases), of real and imaginary parts, or of angles and magnitudes.
    """

    def __init__(self, here: OwnGrid, V: Tensor) -> None:
        n = len(V)
        self.here = here
        self.base = V
        self.parts = torch.stack([V.real, V.imag])[..., None]
        grid = here.equations.compiled
        point = grid.at(V.numpy(), np.zeros(n))
        places = np.arange(2 * n).reshape(2, n).T.reshape(-1)
        self.factors = Substitution(grid.factors_at(point), places)
        self.Y = grid.doubled
        self.power = torch.from_numpy(np.stack([point.flowing.real, point.flowing.imag]))[..., None]
        self.unknown = here.equations.unknown.larray > 0
        self.held = torch.nonzero(~self.unknown.T.reshape(-1))[:, 0]

    @property
    def width(self) -> int:
        """How many cases are under way at a time."""
        return min(max(BLOCK_BYTES // (16 * len(self.base)), FEWEST), MOST)

    def __call__(self, S: Tensor, tol: float, max_iter: int, removed: Removed | None = None) -> Found:
        """Solve cases of injections S, without the branches `removed`.

        A case has converged when its mismatch is within the tolerance, and what the next step would change of a voltage
        is, too. What is found is kept as of then, and the next case takes its place: the numbers of a case do not
        depend on the others.
        """
        _, n, total = S.shape
        found = Found.nothing(S.new_empty(S.shape), max_iter)
        if not total:
            return found
        begun = min(self.width, total)
        cases, age = np.arange(begun), np.zeros(begun, dtype=int)
        active, mark = np.ones(begun, dtype=bool), np.full(begun, np.inf)
        V, excess, fed = self._begin(S, slice(begun), removed)
        size, kept, trace = _largest(excess), found.V.numpy(), found.trace.numpy()
        trace[0, :begun] = size
        current, scratch, out = torch.empty_like(V), torch.empty_like(V[0]), removed and removed[:begun]
        secant = Secant(2 * n, begun) if removed else None
        while len(cases):
            step = out.solve_(excess) if out else self.factors.solve_(excess.view(2 * n, -1))
            if secant:
                step = secant(step, age > 0)
            moved, before = _largest(step), size
            self._turn(V, step, scratch)
            age += 1
            self._mismatch(V, fed, out, current, excess)
            size = _largest(excess)
            trace[age[active], cases[active]] = size[active]
            rest = age % PATIENCE == 0
            over = (size <= tol) & (moved * size <= tol * before) | ~np.isfinite(size) | (age == max_iter)
            over = (over | (rest & ~(size < mark / 2))) & active
            mark[rest] = size[rest]
            if over.any():
                done = cases[over]
                kept[..., _run(done)] = V.numpy()[..., _run(np.flatnonzero(over))]
                found.mismatch.numpy()[done], found.iterations.numpy()[done] = size[over], age[over]
                active &= ~over
            idle = np.flatnonzero(~active)
            if len(idle) <= IDLE * len(cases):
                continue
            if begun < total:
                fresh = idle[: total - begun]
                following = np.arange(begun, begun + len(fresh))
                begun, at = begun + len(fresh), _run(fresh)
                V[..., at], excess[..., at], fed[..., at] = self._begin(S, _run(following), removed)
                cases[fresh], age[fresh], mark[fresh], active[fresh] = following, 0, np.inf, True
                size[fresh] = trace[0, following] = _largest(excess[..., at])
            else:
                left = np.flatnonzero(active)
                cases, age, mark, size, active = (x[left] for x in (cases, age, mark, size, active))
                V, excess, fed = (torch.from_numpy(x.numpy().take(left, -1)) for x in (V, excess, fed))
                secant = secant and secant[left]
                current, scratch = torch.empty_like(V), torch.empty_like(V[0])
            out = removed and removed[cases]
        return found

    def mismatch(self, V: Tensor, S: Tensor, removed: Removed | None = None) -> Tensor:
        """By how much more flows away than is fed in, P and Q; 0 where that is not given."""
        excess = torch.empty_like(V)
        self._mismatch(V, -S, removed, torch.empty_like(V), excess)
        return excess

    def _mismatch(self, V: Tensor, fed: Tensor, out: Removed | None, current: Tensor, excess: Tensor) -> None:
        flat = (2 * len(self.base), V.shape[-1])
        indptr, columns, values = self.Y
        add_product(indptr, columns, values, V.view(flat), current.view(flat).zero_())
        if out:
            out.subtract_currents(current, V)
        (e, f), (re, im) = V, current
        torch.addcmul(fed[0], e, re, out=excess[0]).addcmul_(f, im)
        torch.addcmul(fed[1], f, re, out=excess[1]).addcmul_(e, im, value=-1)
        excess.view(flat).index_fill_(0, self.held, 0)

    def _begin(self, S: Tensor, at: slice | np.ndarray, removed: Removed | None) -> tuple[Tensor, Tensor, Tensor]:
        """Voltages and mismatch of cases that begin, and what is fed in, negative."""
        fed = -S[..., at]
        excess = self.power + fed
        if removed:
            removed[at].subtract_powers(excess)
        excess.view(2 * len(self.base), -1).index_fill_(0, self.held, 0)
        return self.parts.repeat(1, 1, fed.shape[-1]), excess, fed

    def _turn(self, V: Tensor, step: Tensor, scratch: Tensor) -> None:
        """Reduce angles (to third order) and logarithms of magnitudes (to first order) by a step, which is lost."""
        (e, f), (a, u) = V, step.view(V.shape)
        u.neg_().add_(1).mul_(torch.mul(a, a, out=scratch).add_(1).rsqrt_())
        a.mul_(u)
        torch.mul(f, u, out=scratch).addcmul_(e, a, value=-1)
        e.mul_(u).addcmul_(f, a)
        f.copy_(scratch)

    def inside(self, x: Tensor) -> Tensor:
        """Parts of complex values of shape (n, cases) that are in the user's order of buses."""
        x = plain(x)[torch.from_numpy(self.here.order)]
        return torch.stack([x.real, x.imag])

    def outside(self, V: Tensor) -> tuple[Tensor, Tensor]:
        """Magnitudes and angles in the user's order of buses."""
        e, f = V[:, torch.from_numpy(self.here.place)]
        return torch.hypot(e, f), torch.atan2(f, e)


class Secant:
    """Steps with what the last one has shown of how far the Jacobian is from that of the factors.

    In one direction that takes the place of a factorization: half of the outages need fewer steps, and the slowest half
    as many. Where Jacobians differ less it does not pay.

    Source: Anderson (1965), with a memory of one step.
    """

    def __init__(self, rows: int, cases: int) -> None:
        self.step, self.taken = torch.zeros(2, rows, cases, dtype=torch.float64)

    def __getitem__(self, cases: np.ndarray) -> Secant:
        some = object.__new__(Secant)
        some.step, some.taken = (torch.from_numpy(x.numpy().take(cases, -1)) for x in (self.step, self.taken))
        return some

    def __call__(self, step: Tensor, begun: np.ndarray) -> Tensor:
        """The step to take instead of a chord step, of shape (rows, cases), which is lost; the same in first steps."""
        change = step - self.step
        part = torch.linalg.vecdot(change, step, dim=0) / torch.linalg.vecdot(change, change, dim=0)
        part = part.where(torch.from_numpy(begun) & part.isfinite(), 0)
        self.step.copy_(step)
        self.taken.add_(change).mul_(-part).add_(step)
        return step.copy_(self.taken)


def _largest(x: Tensor) -> np.ndarray:
    """The largest magnitude of each case."""
    x = x.view(-1, x.shape[-1])
    return torch.maximum(x.amax(0), -x.amin(0)).numpy()


def _run(index: np.ndarray) -> slice | np.ndarray:
    """Numbers that follow each other as a slice, which is quicker."""
    return slice(index[0], index[-1] + 1) if (np.diff(index) == 1).all() else index


def solved_base(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, tol: float, max_iter: int) -> Tensor | None:
    """Voltages of one case, complex and in the order of `grid.own`; None where Newton's method finds none."""
    V, history = solve_own(grid, v, angle, S, tol, max_iter)
    return torch.from_numpy(V) if history[-1] <= tol else None


def finish(equations: Callable[[int], Compiled], found: Found, V: Tensor, S: Tensor, tol: float, max_iter: int) -> None:
    """Solve those cases by Newton's method that have not converged, from V, each with its own equations."""
    for i in torch.nonzero(~(found.mismatch <= tol))[:, 0].tolist():
        start, injection = (torch.complex(*x[..., i]).numpy() for x in (V, S))
        if not np.isfinite(injection).all():
            continue
        solved, history = solve(equations(i), start, injection, tol, max_iter)
        found.V[..., i] = torch.from_numpy(np.stack([solved.real, solved.imag]))
        found.mismatch[i], found.iterations[i] = history[-1], len(history) - 1
        found.trace[:, i] = 0
        found.trace[: len(history), i] = torch.tensor(history)


def newton_batch(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:
    """Cases of a replicated grid, each process those of its own part of S, which has shape (n, cases).

    The mean case is solved first, or else the grid's own, from v and angle, of shape (n,) or (n, cases). The others
    begin there.

    Communication: one all-reduce for the mean, a small collective, and one all-reduce for the history. None in between.
    """
    here = grid.own
    v0, angle0 = (x if x.ndim == 1 else _middle(x, usual) for x, usual in ((v, 1.0), (angle, 0.0)))
    base = _first(solved_base(grid, v0, angle0, one, tol, max_iter) for one in (S.mean(1), grid.injection))
    flat = (v0 * dnd.exp(1j * angle0)).larray
    chord = Chord(here, flat[torch.from_numpy(here.order)] if base is None else base)
    starts = [x for x in (v, angle) if x.ndim == 2]

    with counted(S.larray.shape[1], "case") as count:

        def of_block(S: DNDarray, *start: DNDarray) -> tuple[DNDarray, ...]:
            injection = chord.inside(S.larray)
            found = chord(injection, tol, max_iter)
            if not (found.mismatch <= tol).all():
                V = (start[0] * dnd.exp(1j * start[1])).larray if start else flat[:, None].expand(S.shape)
                finish(lambda i: here.equations.compiled, found, chord.inside(V), injection, tol, max_iter)
            count(S.shape[1])
            return tuple(own(x) for x in (*chord.outside(found.V), found.iterations, found.mismatch, found.trace))

        v, angle, iterations, mismatch, trace = map_blocks(of_block, S.detach(), *starts, size=AT_ONCE * chord.width)
    return State(v, angle, iterations, mismatch, history(trace))


def _middle(x: DNDarray, usual: float) -> DNDarray:
    """The mean of the cases that are numbers; what is usual if none is."""
    known = dnd.isfinite(x)
    total, count = dnd.stack([dnd.where(known, x, 0.0), known.astype(x.dtype)]).sum(2)
    return dnd.where(count > 0, total / dnd.maximum(count, 1), usual)


def _first(found: Iterator[Tensor | None]) -> Tensor | None:
    return next((x for x in found if x is not None), None)


def history(trace: DNDarray) -> list[float]:
    """The largest mismatch of all cases before each iteration and after the last. One all-reduce."""
    largest: Any = dnd.nan_to_num(trace).max(1).numpy() if trace.shape[1] else np.zeros(1)
    return largest[: np.flatnonzero(largest).max(initial=0) + 1].tolist()
