"""Contingencies: the power flow of a grid without each of its branches, or without several, and which is worst."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

import dndarray as dnd
from dndarray import DNDarray
from dndarray.array import own
from dndarray.blocks import map_blocks
from dndarray.sparse.kernels import plain
from dndarray.sparse.substitution import Substitution

from ..progress import counted
from . import plots, screening
from .batch import AT_ONCE, Chord, Found, finish, history, solved_base
from .flow import injection, start
from .grid import Grid
from .islands import cut_labels, cut_off, cuts
from .removal import Removed, compiled_without
from .solution import Solution
from .tables import require

__all__ = ["SCREENS", "SEVERITIES", "Contingencies", "contingencies", "without"]

Screen = Callable[..., Found]


# --- what screens -----------------------------------------------------------------------------------------------------


def _newton(chord: Chord, S: Tensor, outages: np.ndarray, tol: float, max_iter: int) -> Found:
    found = chord(S, tol, max_iter, Removed(chord, outages) if outages.size else None)
    if not (found.mismatch <= tol).all():
        begin = chord.parts.expand(S.shape)
        finish(lambda i: compiled_without(chord.here, outages[:, i]), found, begin, S, tol, max_iter)
    return found


def _dc(chord: Chord, S: Tensor, outages: np.ndarray, tol: float, max_iter: int) -> Found:
    """Angles without losses, by distribution factors: what a branch carried is fed in at its ends."""
    here, (b, k) = chord.here, outages.shape
    linear, branches = here.linear, here.grid.branches
    factors = Substitution(linear.factors.factors)
    fed_in = own(S[0, :, 0]) if k else linear.free
    base = linear.factors.solve(linear.right_side(fed_in)).larray
    branch, present = torch.from_numpy(outages), torch.from_numpy(outages >= 0)
    ends = torch.stack([branches.start.larray[branch], branches.end.larray[branch]])
    weight = (present / (branches.x * branches.tap).larray[branch]).T
    carried = weight * (base[ends[0]] - base[ends[1]] - branches.shift.larray[branch]).T
    injected = base.new_zeros(len(base), b * k)
    columns, sign = torch.arange(b * k).view(b, k), base.new_tensor([1.0, -1.0])[:, None, None]
    injected.index_put_((ends, columns), sign * linear.free.larray[ends], True)
    shift = factors.solve_(injected).view(len(base), b, k)
    between = shift[ends[0], :, torch.arange(k)] - shift[ends[1], :, torch.arange(k)]  # (b, k, b)
    system = torch.eye(b, dtype=base.dtype) - weight[:, :, None] * between.movedim(1, 0)
    fed = torch.linalg.solve_ex(system, carried[..., None])[0][..., 0]
    angle = base[:, None] + torch.einsum("nbk,kb->nk", shift, fed)
    found = Found.nothing(torch.stack([torch.cos(angle), torch.sin(angle)]), max_iter)
    excess = chord.mismatch(found.V, S, Removed(chord, outages))
    found.mismatch[:] = found.trace[0] = excess.abs().amax((0, 1)) if k else excess.new_zeros(0)
    return found


SCREENS: dict[str, Screen] = {"newton": _newton, "dc": _dc, "dpf": screening.screen}
"""For each method what finds the voltages of a block of cases.

`screen(chord, S, outages, tol, max_iter)` has injections of shape (2, n, cases) and branches of shape (b, cases), -1
for none; it returns what it has `Found`. No communication.
"""


# --- how severe it is -------------------------------------------------------------------------------------------------


class _Judge:
    """How severe cases are, at voltages of shape (2, n, cases) in the order of the chord's grid."""

    def __init__(self, chord: Chord, severity: str) -> None:
        k = chord.here.grid.branches
        self.severity, self.base = severity, abs(chord.base)[:, None]
        self.base_mva = chord.here.grid.base_mva
        self.rated = torch.nonzero(torch.isfinite(k.rating.larray))[:, 0]
        self.ends = [x.larray[self.rated] for x in (k.start, k.end)]
        self.toward = chord.here.blocks.view(4, -1)[:, self.rated, None]
        self.limit = k.rating.larray[self.rated, None]

    def __call__(self, V: Tensor, outages: np.ndarray) -> Tensor:
        if self.severity == "voltage":
            return (torch.hypot(*V) - self.base).abs().amax(0)
        start, end = (torch.complex(*V[:, x]) for x in self.ends)
        yff, yft, ytf, ytt = self.toward
        carried = [_square(yff * start + yft * end), _square(ytf * start + ytt * end)]
        if self.severity != "current":
            carried = [x * _square(at) for x, at in zip(carried, (start, end), strict=True)]
        worst = torch.maximum(*carried)
        for branch in torch.from_numpy(outages):
            at, case = torch.nonzero(self.rated[:, None] == branch, as_tuple=True)
            worst[at, case] = 0
        if self.severity == "excess":
            return self.base_mva * (worst.sqrt_() - self.limit).amax(0)
        return 100 * worst.div_(self.limit**2).amax(0).sqrt()

    def settled(self, outages: np.ndarray, change: float, iterations: int) -> screening.Settled:
        """What ends cases whose severity stays within so much."""

        def severity(V: Tensor, cases: Tensor) -> Tensor:
            return self(torch.stack([V.real, V.imag]), outages[:, cases.numpy()])

        return screening.Settled(severity, outages.shape[1], change, iterations)


def _square(x: Tensor) -> Tensor:
    return x.real.square() + x.imag.square()


SEVERITIES = {
    "current": "highest loading (%)",
    "power": "highest loading (%)",
    "excess": "largest excess over a rating (MVA)",
    "voltage": "largest change of |V| (p.u.)",
}
"""What cases can be ranked by, and what that is called."""


# --- results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Contingencies:
    """What was found for each outage; arrays over cases are split as the cases are.

    Attributes
    ----------
    grid : Grid
    outages : numpy.ndarray
        Numbers of the branches that are out, of shape (branches, cases), -1 for none.
    v, angle : DNDarray or None
        Of shape (n, cases), in per unit and radians; NaN where a case was not solved.
    islanded : numpy.ndarray
        Whether the outage cuts buses off from every slack bus (`cut_off` names them): such a case is not solved.
    converged, iterations, mismatch : DNDarray
    severity : DNDarray
        What cases are ranked by; NaN for what was not solved.
    refined : numpy.ndarray
        The cases that were solved again by Newton's method on a grid of their own, the most severe first.
    difference : float
        The largest difference of a voltage between what screened and what solved again; NaN where nothing was.
    history : list of float
    method, indicator : str
    """

    grid: Grid
    outages: np.ndarray
    v: DNDarray | None
    angle: DNDarray | None
    islanded: np.ndarray
    converged: DNDarray
    iterations: DNDarray
    mismatch: DNDarray
    severity: DNDarray
    refined: np.ndarray
    difference: float
    history: list[float]
    method: str
    indicator: str

    def __len__(self) -> int:
        return self.outages.shape[1]

    def __repr__(self) -> str:
        where = f"{self.grid.name or 'grid'} of {len(self.grid.branches)} branches"
        return f"Contingencies({where}, cases={len(self)}, islanded={self.islanded.sum()}, method={self.method})"

    def name(self, case: int) -> str:
        """The names of the branches that are out."""
        return ", ".join(str(self.grid.branch_names[b]) for b in self.outages[:, case] if b >= 0)

    def cut_off(self, case: int) -> np.ndarray:
        """The names of the buses without a slack bus in this case."""
        out = self.outages[:, case]
        return self.grid.bus_names[cut_off(self.grid, out[out >= 0])]

    @cached_property
    def ranking(self) -> np.ndarray:
        """Cases from the most severe to the least: what diverged first, then by severity; what is islanded is left out.

        Communication: one all-gather, when first asked for; the same for `table` and `plot`.
        """
        severity, converged = self.severity.numpy(), self.converged.numpy()
        order = np.lexsort((np.arange(len(self)), -np.nan_to_num(severity, nan=np.inf)))
        if self.method in VERIFIED:
            order = order[np.argsort(converged[order], kind="stable")]
        return order[~self.islanded[order]]

    def case(self, case: int) -> Solution:
        """The solution of one case: of the grid without the branches that are out."""
        return replace(self.solution[case], grid=without(self.grid, self.outages[:, case]), outages=None)

    @property
    def solution(self) -> Solution:
        """All cases as one solution, which can be saved, and loaded on any number of processes."""
        if self.v is None or self.angle is None:
            raise ValueError("voltages were not kept; ask `contingencies` for them with `voltages=True`")
        outages = dnd.array(self.outages, split=1, comm=self.grid.comm)
        found = (self.v, self.angle, self.converged, self.iterations, self.mismatch)
        return Solution(self.grid, *found, self.history, self.method, outages)

    def table(self, top: int | None = None) -> Any:
        """A pandas table of the most severe cases, by default of all that are not islanded."""
        rank = self.ranking[:top]
        columns = {
            "outage": [self.name(i) for i in rank],
            SEVERITIES[self.indicator]: self.severity.numpy()[rank],
            "converged": self.converged.numpy()[rank],
            "iterations": self.iterations.numpy()[rank],
            "mismatch": self.mismatch.numpy()[rank],
            "refined": np.isin(rank, self.refined),
        }
        return require("pandas").DataFrame(columns, index=require("pandas").Index(rank, name="case"))

    def plot(self, top: int = 20, ax: Any = None) -> Any:
        """The most severe cases as bars, on rank 0."""
        rank = self.ranking[:top]
        values = self.severity.numpy()[rank]
        return plots.severity([self.name(i) for i in rank], values, SEVERITIES[self.indicator], ax)


ACCURATE = 1e-8
"""The mismatch to which the worst are solved again, or `tol` where that is smaller."""

VERIFIED = ("newton",)
"""Methods whose cases converge or do not; what the others find is an estimate."""


# --- computation ------------------------------------------------------------------------------------------------------


def contingencies(
    grid: Grid,
    outages: str | Sequence[Any] = "n-1",
    p: Any = None,
    q: Any = None,
    *,
    method: str = "newton",
    severity: str = "current",
    top_k: int = 0,
    early_stop: tuple[float, int] | None = None,
    init: Any = "dc",
    tol: float = 1e-8,
    max_iter: int = 30,
    voltages: bool = True,
) -> Contingencies:
    """The power flow of a grid without each branch in turn, and which outage is worst.

    Cases are dealt out over processes. All share the matrices of the whole grid: what an outage changes is corrected
    case by case. Outages that cut buses off from every slack bus are found first, in linear time, and marked.

    Parameters
    ----------
    grid : Grid
        Replicated.
    outages : {"n-1", "n-2"} or sequence
        Every branch, every pair of branches, or for each case a branch or several: numbers or names.
    p, q : array_like, optional
        As in `flow`, of shape (buses,).
    method : {"newton", "dc", "dpf"}
        What solves: Newton's method to the tolerance; or, to screen, an estimate with angles alone, or one by descent.
    severity : {"current", "power", "excess", "voltage"}
        What cases are ranked by: the highest loading of a branch in percent of its rating, by current or by apparent
        power; by how many MVA a branch exceeds its rating most; or the largest change of a voltage in per unit.
    top_k : int
        So many of the worst are solved again, each by Newton's method on a grid without the branches; what is found
        takes the place of what screened.
    early_stop : (float, int), optional
        With "dpf", end a case when its severity has stayed within so much for so many iterations, since then its rank
        has, too. Of percent 3 and 50 are good, with `max_iter=1000`.
    init, max_iter
        As in `flow`, of the case in which all branches are in.
    tol : float
        As in `flow`: each case ends when it has come so far. To screen, 1e-4 is enough.
    voltages : bool
        Whether voltages of all cases are kept: 16 bytes for each bus and case.

    Communication: two all-reduces and a few small collectives, however many cases and iterations; with `top_k` an
    all-gather of severities and an exchange of the voltages of these cases.

    >>> from dndarray.algorithms.power import PQ, SLACK, Grid
    >>> grid = Grid.from_arrays([SLACK, PQ], [0, 0], [1, 1], 0.01, [0.1, 0.2], p=[0, -50], q=[0, -20], rating=60)
    >>> contingencies(grid, top_k=1).ranking.tolist()
    [0, 1]
    """
    out = _numbers(grid, outages)
    for name, value, allowed in (("method", method, SCREENS), ("severity", severity, SEVERITIES)):
        if value not in allowed:
            raise ValueError(f"`{name}` (={value!r}) must be one of {sorted(allowed)}")
    if not tol >= 0 or top_k < 0:
        raise ValueError(f"`tol` (={tol}) and `top_k` (={top_k}) must be 0 or more")
    if early_stop and method != "dpf":
        raise ValueError(f"`early_stop` is for method='dpf', whose iterations creep, not for {method!r}")
    if grid.split is not None:
        raise ValueError("a grid that is split over buses has no cases to deal out; `grid.resplit(None)` is replicated")
    if severity != "voltage" and not bool(dnd.isfinite(grid.branches.rating).any()):
        raise ValueError(f"no branch has a rating to compare with (severity={severity!r}); take severity='voltage'")
    grid.validate()
    grid = grid.detach()
    base, S = _base(grid, p, q, init, tol, max_iter)
    islanded = cuts(grid.once(cut_labels), out)
    chord = Chord(grid.own, base)
    cases = dnd.array(out, split=1, comm=grid.comm)
    judge = _Judge(chord, severity)

    def solve(block: DNDarray, cut: DNDarray) -> tuple[DNDarray, ...]:
        stays = torch.nonzero(~cut.larray)[:, 0]
        part = block.larray[:, stays].numpy()
        more = {"enough": judge.settled(part, *early_stop)} if early_stop else {}
        found = SCREENS[method](chord, S.expand(-1, -1, len(stays)), part, tol, max_iter, **more)
        count(block.shape[1])
        results = [*chord.outside(found.V)] if voltages else []
        results += [found.iterations, found.mismatch, judge(found.V, part), found.trace]
        return tuple(own(_spread(x, stays, block.shape[1])) for x in results)

    with counted(cases.larray.shape[1], "case") as count:
        cut = dnd.array(islanded, split=0, comm=grid.comm)
        *kept, iterations, mismatch, severe, trace = map_blocks(solve, cases, cut, size=AT_ONCE * chord.width)
    v, angle = kept or (None, None)
    found = Contingencies(
        grid, out, v, angle, islanded, mismatch <= tol, iterations, mismatch, severe, np.zeros(0, dtype=int),
        float("nan"), history(trace), method, severity,
    )  # fmt: skip
    return _refined(found, top_k, chord, judge, S, min(tol, ACCURATE), max_iter) if top_k else found


def _base(grid: Grid, p: Any, q: Any, init: Any, tol: float, max_iter: int) -> tuple[Tensor, Tensor]:
    """Voltages, complex, and injections, of shape (2, n, 1), with all branches, in the order of `grid.own`."""
    S = injection(grid, p, q)
    if S.ndim != 1:
        raise ValueError(f"`p` and `q` must have shape ({len(grid.buses)},): the same for all outages, not {S.shape}")
    base = solved_base(grid, *start(grid, init, S), S, tol, max_iter)
    if base is None:
        raise ValueError("the case in which all branches are in does not converge, and so no outage has a beginning")
    fed = plain(S.larray)[torch.from_numpy(grid.own.order), None]
    return base, torch.stack([fed.real, fed.imag])


def _spread(x: Tensor, places: Tensor, length: int) -> Tensor:
    """Put what was found at its places along the last axis; NaN, or -1, elsewhere."""
    missing = float("nan") if x.is_floating_point() else -1
    return x.new_full((*x.shape[:-1], length), missing).index_copy_(-1, places, x)


def _refined(
    found: Contingencies, top_k: int, chord: Chord, judge: _Judge, S: Tensor, tol: float, max_iter: int
) -> Contingencies:
    """The worst cases solved again, each by Newton's method on a grid without its branches."""
    worst = found.ranking[:top_k]
    again = dnd.array(found.outages[:, worst], split=1, comm=found.grid.comm)

    def solve(block: DNDarray) -> tuple[DNDarray, ...]:
        part, k = block.larray.numpy(), block.shape[1]
        V = chord.parts.expand(-1, -1, k)
        done = Found.nothing(V.clone(), max_iter)
        finish(lambda i: compiled_without(chord.here, part[:, i]), done, V, S.expand(-1, -1, k), tol, max_iter)
        return tuple(own(x) for x in (*chord.outside(done.V), done.iterations, done.mismatch, judge(done.V, part)))

    v, angle, iterations, mismatch, severe = map_blocks(solve, again)
    changes: dict[str, Any] = {"iterations": iterations, "mismatch": mismatch, "severity": severe}
    changes["converged"] = mismatch <= tol
    difference = float("nan")
    if found.v is not None and found.angle is not None:
        before = found.v[:, worst] * dnd.exp(1j * found.angle[:, worst])
        difference = float(abs(v * dnd.exp(1j * angle) - before).max()) if len(worst) else difference
        changes |= {"v": v, "angle": angle}
    for name, new in changes.items():
        array = getattr(found, name).copy()
        array[..., worst] = new
        changes[name] = array
    result = replace(found, **changes, difference=difference)
    rank = result.ranking
    return replace(result, refined=rank[np.isin(rank, worst)])


def without(grid: Grid, branches: np.ndarray) -> Grid:
    """The grid without these branches (-1 is none), which are to be replicated."""
    stays = np.ones(len(grid.branches), dtype=bool)
    stays[branches[branches >= 0]] = False
    left = np.flatnonzero(stays)
    table = replace(grid.branches, **{f.name: getattr(grid.branches, f.name)[left] for f in fields(grid.branches)})
    return replace(grid, branches=table, branch_names=grid.branch_names[left])


def _numbers(grid: Grid, outages: str | Sequence[Any]) -> np.ndarray:
    """Numbers of the branches of each case, of shape (branches, cases), -1 for none."""
    m = len(grid.branches)
    if isinstance(outages, str):
        if outages not in ("n-1", "n-2"):
            raise ValueError(f"`outages` (={outages!r}) must be 'n-1', 'n-2', or branches for each case")
        return np.array(list(itertools.combinations(range(m), int(outages[-1])))).T.reshape(int(outages[-1]), -1)
    places = {name: i for i, name in enumerate(grid.branch_names.tolist()) if isinstance(name, str)}
    cases = [_case(i, case, places, m) for i, case in enumerate(outages)]
    table = np.full((max(map(len, cases), default=1), len(cases)), -1)
    for i, branches in enumerate(cases):
        table[: len(branches), i] = branches
    return table


def _case(i: int, case: Any, places: dict[str, int], m: int) -> list[int]:
    branches = [case] if isinstance(case, str) or np.ndim(case) == 0 else list(case)
    numbers = [places.get(b, m) if isinstance(b, str) else operator.index(b) for b in branches]
    for given, number in zip(branches, numbers, strict=True):
        if not 0 <= number < m:
            raise ValueError(
                f"case {i} of `outages` names the branch {given!r}; it must be among {m} branches, or a name"
            )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"case {i} of `outages` names a branch twice: {branches}")
    return numbers
