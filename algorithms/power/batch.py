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
import scipy.sparse
import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.functional import map_blocks
from dndarray.sparse.kernels import add_product, plain
from dndarray.sparse.linalg import splu
from dndarray.sparse.substitution import Substitution

from ..progress import counted
from .compiled import FILL_REDUCED
from .equations import Equations
from .grid import Grid
from .newton import iterate
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

IDLE = 0.2
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
    def nothing(cls, V: Tensor, max_iter: int) -> Found:  # noqa: N803
        """Before the first iteration, at voltages V."""
        k = V.shape[-1]
        count = torch.zeros(k, dtype=torch.int64)
        return cls(V, count, V.new_full((k,), torch.inf), V.new_zeros(max_iter + 1, k))


class Chord:
    """Chord steps with the factors of the Jacobian at voltages `V`, complex, in the order of `here`.

    Arrays have the shape (2, n, cases), of real and imaginary parts, or of angles and magnitudes.
    """

    def __init__(self, here: OwnGrid, V: Tensor) -> None:  # noqa: N803
        n = len(V)
        self.here = here
        self.base = V
        self.parts = torch.stack([V.real, V.imag])[..., None]
        places = np.arange(2 * n).reshape(2, n).T.reshape(-1)
        self.factors = Substitution(splu(here.equations.jacobian(own(V)), **FILL_REDUCED).factors, places)
        y = here.grid.admittance.local
        doubled = scipy.sparse.block_array([[y.real, -y.imag], [y.imag, y.real]], format="csr")
        self.Y = [torch.from_numpy(x) for x in (doubled.indptr, doubled.indices, doubled.data)]
        power = here.equations.power(own(V)).larray
        self.power = torch.stack([power.real, power.imag])[..., None]
        self.unknown = here.equations.unknown.larray > 0
        self.held = torch.nonzero(~self.unknown.T.reshape(-1))[:, 0]

    @property
    def width(self) -> int:
        """How many cases are under way at a time."""
        return min(max(BLOCK_BYTES // (16 * len(self.base)), FEWEST), MOST)

    def __call__(self, S: Tensor, tol: float, max_iter: int, removed: Removed | None = None) -> Found:  # noqa: N803
        """Solve cases of injections S, without the branches `removed`.

        What is found of a case is kept as of when it has converged, and the next one takes its place: the numbers of a
        case do not depend on the others.
        """
        _, n, total = S.shape
        found = Found.nothing(S.new_empty(S.shape), max_iter)
        if not total:
            return found
        begun = min(self.width, total)
        cases, age = torch.arange(begun), torch.zeros(begun, dtype=torch.int64)
        active, mark = torch.ones(begun, dtype=torch.bool), S.new_full((begun,), torch.inf)
        V, excess, fed = self._begin(S, slice(begun), cases, removed, found)  # noqa: N806
        current, scratch, out = torch.empty_like(V), torch.empty_like(V[0]), removed and removed[cases]
        while len(cases):
            self._turn(V, out.solve_(excess) if out else self.factors.solve_(excess.view(2 * n, -1)), scratch)
            age += 1
            self._mismatch(V, fed, out, current, excess)
            size = _largest(excess)
            found.trace[age[active], cases[active]] = size[active]
            rest = age % PATIENCE == 0
            over = (size <= tol) | ~torch.isfinite(size) | (age == max_iter) | (rest & ~(size < mark / 2))
            over &= active
            mark = torch.where(rest, size, mark)
            if over.any():
                done = cases[over]
                found.V[..., _run(done)] = V[..., _run(torch.nonzero(over)[:, 0])]
                found.mismatch[done], found.iterations[done] = size[over], age[over]
                active &= ~over
            idle = torch.nonzero(~active)[:, 0]
            if len(idle) <= IDLE * len(cases):
                continue
            if begun < total:
                following = torch.arange(begun, min(begun + len(idle), total))
                begun, fresh = begun + len(following), idle[: len(following)]
                at = _run(fresh)
                V[..., at], excess[..., at], fed[..., at] = self._begin(S, _run(following), following, removed, found)
                cases[fresh], age[fresh], mark[fresh], active[fresh] = following, 0, torch.inf, True
            else:
                cases, age, mark, V, excess, fed = (x[..., active] for x in (cases, age, mark, V, excess, fed))  # noqa: N806
                active = active[active]
                current, scratch = torch.empty_like(V), torch.empty_like(V[0])
            out = removed and removed[cases]
        return found

    def mismatch(self, V: Tensor, S: Tensor, removed: Removed | None = None) -> Tensor:  # noqa: N803
        """By how much more flows away than is fed in, P and Q; 0 where that is not given."""
        excess = torch.empty_like(V)
        self._mismatch(V, -S, removed, torch.empty_like(V), excess)
        return excess

    def _mismatch(self, V: Tensor, fed: Tensor, out: Removed | None, current: Tensor, excess: Tensor) -> None:  # noqa: N803
        flat = (2 * len(self.base), V.shape[-1])
        indptr, columns, values = self.Y
        add_product(indptr, columns, values, V.view(flat), current.view(flat).zero_())
        if out:
            out.subtract_currents(current, V)
        (e, f), (re, im) = V, current
        torch.addcmul(fed[0], e, re, out=excess[0]).addcmul_(f, im)
        torch.addcmul(fed[1], f, re, out=excess[1]).addcmul_(e, im, value=-1)
        excess.view(flat).index_fill_(0, self.held, 0)

    def _begin(
        self,
        S: Tensor,  # noqa: N803
        at: slice | Tensor,
        cases: Tensor,
        removed: Removed | None,
        found: Found,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Voltages and mismatch of cases that begin, and what is fed in, negative."""
        fed = -S[..., at]
        excess = self.power + fed
        if removed:
            removed[cases].subtract_powers(excess)
        excess.view(2 * len(self.base), len(cases)).index_fill_(0, self.held, 0)
        found.trace[0, at] = _largest(excess)
        return self.parts.repeat(1, 1, len(cases)), excess, fed

    def _turn(self, V: Tensor, step: Tensor, scratch: Tensor) -> None:  # noqa: N803
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

    def outside(self, V: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        """Magnitudes and angles in the user's order of buses."""
        e, f = V[:, torch.from_numpy(self.here.place)]
        return torch.hypot(e, f), torch.atan2(f, e)


def _largest(excess: Tensor) -> Tensor:
    return torch.maximum(excess.amax((0, 1)), -excess.amin((0, 1)))


def _run(index: Tensor) -> slice | Tensor:
    """Numbers that follow each other as a slice, which is quicker."""
    n = len(index)
    return slice(int(index[0]), int(index[0]) + n) if n and bool((index[1:] - index[:-1] == 1).all()) else index


def solved_base(
    grid: Grid,
    v: DNDarray,
    angle: DNDarray,
    S: DNDarray,  # noqa: N803
    tol: float,
    max_iter: int,
) -> Tensor | None:
    """Voltages of one case, complex and in the order of `grid.own`; None where Newton's method finds none."""
    here = grid.own
    v, angle, S = (own(x.detach().larray)[here.order] for x in (v, angle, S))  # noqa: N806
    v, angle, history = iterate(here.equations, v, angle, S, tol, max_iter)
    return (v * dnd.exp(1j * angle)).larray if history[-1] <= tol else None


def finish(
    equations: Callable[[int], Equations],
    found: Found,
    V: Tensor,  # noqa: N803
    S: Tensor,  # noqa: N803
    tol: float,
    max_iter: int,
) -> None:
    """Solve those cases by Newton's method that have not converged, from V, each with its own equations."""
    for i in torch.nonzero(~(found.mismatch <= tol))[:, 0].tolist():
        start, injection = (own(torch.complex(x[0, :, i], x[1, :, i])) for x in (V, S))
        if not bool(dnd.isfinite(injection).all()):
            continue
        v, angle, history = iterate(equations(i), abs(start), dnd.angle(start), injection, tol, max_iter)
        solved = (v * dnd.exp(1j * angle)).larray
        found.V[..., i] = torch.stack([solved.real, solved.imag])
        found.mismatch[i], found.iterations[i] = history[-1], len(history) - 1
        found.trace[:, i] = 0
        found.trace[: len(history), i] = torch.tensor(history)


def newton_batch(grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int) -> State:  # noqa: N803
    """Cases of a replicated grid, each process those of its own part of S, which has shape (n, cases).

    The mean case is solved first, or else the grid's own, from v and angle, of shape (n,) or (n, cases). The others
    begin there.

    Communication: one all-reduce for the mean, a small collective, and one all-reduce for the history. None in between.
    """
    here = grid.own
    v0, angle0 = (x if x.ndim == 1 else x.mean(1) for x in (v, angle))
    base = _first(solved_base(grid, v0, angle0, one, tol, max_iter) for one in (S.mean(1), grid.injection))
    flat = (v0 * dnd.exp(1j * angle0)).larray
    chord = Chord(here, flat[torch.from_numpy(here.order)] if base is None else base)
    starts = [x for x in (v, angle) if x.ndim == 2]

    with counted(S.larray.shape[1], "case") as count:

        def solve(S: DNDarray, *start: DNDarray) -> tuple[DNDarray, ...]:  # noqa: N803
            injection = chord.inside(S.larray)
            found = chord(injection, tol, max_iter)
            if not (found.mismatch <= tol).all():
                V = (start[0] * dnd.exp(1j * start[1])).larray if start else flat[:, None].expand(S.shape)  # noqa: N806
                finish(lambda i: here.equations, found, chord.inside(V), injection, tol, max_iter)
            count(S.shape[1])
            return tuple(own(x) for x in (*chord.outside(found.V), found.iterations, found.mismatch, found.trace))

        v, angle, iterations, mismatch, trace = map_blocks(solve, S.detach(), *starts, size=AT_ONCE * chord.width)
    return State(v, angle, iterations, mismatch, history(trace))


def _first(found: Iterator[Tensor | None]) -> Tensor | None:
    return next((x for x in found if x is not None), None)


def history(trace: DNDarray) -> list[float]:
    """The largest mismatch of all cases before each iteration and after the last. One all-reduce."""
    largest: Any = dnd.nan_to_num(trace).max(1).numpy() if trace.shape[1] else np.zeros(1)
    return largest[: np.flatnonzero(largest).max(initial=0) + 1].tolist()
