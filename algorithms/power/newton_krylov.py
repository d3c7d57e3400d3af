"""Inexact Newton's method for grids that are split over buses: steps by Krylov methods, nothing factorised as a whole.

Sources: forcing terms by Eisenstat and Walker, Choosing the forcing terms in an inexact Newton method (1996);
preconditioning by overlapping blocks (Dryja and Widlund, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

import dndarray as dnd
from dndarray import DNDarray
from dndarray.elementwise import as_operand
from dndarray.sparse import SparseArray
from dndarray.sparse.linalg import LinearOperator, bicgstab, gmres, ilu0, schwarz

from .equations import Equations
from .grid import Grid
from .solution import State

__all__ = ["newton_krylov", "overlapping"]

KRYLOV: dict[str, Callable[..., Any]] = {
    "gmres": partial(gmres, restart=60, maxiter=5),
    "bicgstab": partial(bicgstab, maxiter=300),
}

LOOSEST, TIGHTEST = 0.1, 1e-10
"""Between which forcing terms lie: the part of the mismatch that a step may leave."""

PATIENCE = 2
"""A preconditioner is made anew when a digit costs so many times the iterations that it did in the first step."""

HALVINGS = 6
"""How often a step is halved that does not bring the mismatch down."""


def overlapping(jacobian: SparseArray, overlap: int = 4) -> LinearOperator:
    """The inverses of overlapping blocks of the Jacobian, one for each process; its inverse on a single process."""
    fill_reducing: dict[str, Any] = {
        "permc_spec": "MMD_AT_PLUS_A",
        "diag_pivot_thresh": 0.0,
        "options": {"SymmetricMode": True, "Equil": False},
    }
    return schwarz(jacobian, overlap if jacobian.is_distributed() else 0, **fill_reducing)


def newton_krylov(
    grid: Grid,
    v: DNDarray,
    angle: DNDarray,
    S: DNDarray,
    *,
    tol: float,
    max_iter: int,
    krylov: str = "gmres",
    preconditioner: str = "schwarz",
    overlap: int = 4,
) -> State:
    """Newton's method with steps by GMRES or BiCGSTAB; for grids that are split over buses, and others.

    Parameters
    ----------
    krylov : {"gmres", "bicgstab"}
    preconditioner : {"schwarz", "ilu0"}
        The exact inverse of each process's block of the Jacobian, or incomplete factors of it, which take less memory
        and many more iterations.
    overlap : int
        By how many branches the blocks of "schwarz" reach beyond a process's own buses. It takes memory for factors of
        all that they reach: little more than the own part, but several times that where far buses are tied at random.

    Communication: what a Krylov iteration sends is two words for each bus of the halo, and for the preconditioner those
    of its overlap twice; GMRES takes two all-reduces of it, of up to as many words as it has done iterations since its
    start. Buses are brought into an order with few of them in halos at the first flow of a grid, and voltages go there
    and back.
    """
    if krylov not in KRYLOV:
        raise ValueError(f"`krylov` (={krylov!r}) must be one of {sorted(KRYLOV)}")
    if preconditioner not in ("schwarz", "ilu0"):
        raise ValueError(f"`preconditioner` (={preconditioner!r}) must be 'schwarz' or 'ilu0'")

    def make(jacobian: SparseArray) -> LinearOperator:
        return overlapping(jacobian, overlap) if preconditioner == "schwarz" else ilu0(jacobian)

    here = grid.banded
    v, angle, S = (x.detach()[here.order] for x in (v, angle, S))
    columns = [(v, angle, S)] if v.ndim == 1 else [(v[:, k], angle[:, k], S[:, k]) for k in range(v.shape[1])]
    found = [iterate(here.equations, *column, tol, max_iter, KRYLOV[krylov], make) for column in columns]
    magnitudes, angles, histories = zip(*found, strict=True)
    v, angle = (dnd.stack(x, 1)[here.place] for x in (magnitudes, angles))
    ends = [len(history) - 1 for history in histories], [history[-1] for history in histories]
    count, last = (as_operand(np.array(x), grid.comm) for x in ends)
    worst = [max(some) for some in zip_longest(*histories, fillvalue=0.0)]
    if S.ndim == 1:
        v, angle, count, last = v[:, 0], angle[:, 0], count[0], last[0]
    return State(v, angle, count, last, worst)


def iterate(
    eq: Equations,
    v: DNDarray,
    angle: DNDarray,
    S: DNDarray,
    tol: float,
    max_iter: int,
    solve: Callable[..., Any],
    make: Callable[[SparseArray], LinearOperator],
) -> tuple[DNDarray, DNDarray, list[float]]:
    """The iteration of one case: voltages, angles, and the largest mismatch before each iteration and after the last.

    A step leaves a part of the mismatch that is as small as Newton's next step may be expected to leave, and is halved
    while it makes the mismatch larger.
    """
    inverse: LinearOperator | None = None
    usual, forcing = 0.0, LOOSEST
    excess = eq.mismatch(v * dnd.exp(1j * angle), S)
    norm, history = float(dnd.linalg.norm(excess)), [float(abs(excess).max())]
    while history[-1] > tol and len(history) <= max_iter:
        jacobian, left = eq.jacobian(v * dnd.exp(1j * angle)), max(forcing, 0.1 * tol / norm)
        fresh = inverse is None
        try:
            inverse = make(jacobian) if inverse is None else inverse
            found = solve(jacobian, eq.interleaved(excess), rtol=left, M=inverse)
        except LinAlgError:  # the Jacobian is singular, or numbers overflow
            break
        effort = found.iterations / -math.log(left)
        usual = effort if fresh else usual
        step = eq.by_bus(found.x)
        for halving in range(HALVINGS + 1):
            part = 0.5**halving
            new_angle, new_v = angle - part * step[:, 0], v * (1 - part * step[:, 1])
            excess = eq.mismatch(new_v * dnd.exp(1j * new_angle), S)
            reached = float(dnd.linalg.norm(excess))
            if not reached > norm:
                break
        v, angle = new_v, new_angle
        history.append(float(abs(excess).max()))
        forcing = min(LOOSEST, max(TIGHTEST, 0.9 * (reached / norm) ** 2))
        norm = reached
        if found.info or effort > PATIENCE * usual:
            inverse = None
    return v, angle, history
