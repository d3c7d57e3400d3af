"""The fast decoupled power flow: angles from P and magnitudes from Q in turn, with two constant matrices.

Sources: Stott and Alsac, Fast decoupled load flow (1974), for the scheme XB; van Amerongen, A general-purpose version
of the fast decoupled loadflow (1989), for BX.
"""

from __future__ import annotations

from typing import Any

import dndarray as dnd
from dndarray import DNDarray
from dndarray.blocks import map_blocks
from dndarray.sparse import SparseArray, diags_array
from dndarray.sparse.linalg import Factors, splu

from .compiled import FILL_REDUCED
from .grid import Grid
from .solution import State

__all__ = ["fast_decoupled"]

HOPELESS = 1e6
"""A mismatch in per unit from which no case comes back."""


def fast_decoupled(
    grid: Grid, v: DNDarray, angle: DNDarray, S: DNDarray, *, tol: float, max_iter: int, scheme: str = "XB"
) -> State:
    """One case, or many, of a replicated grid; each process solves its own.

    An iteration costs two substitutions, and nothing is factorised anew. It converges linearly, and slowly where
    resistances are as large as reactances: `scheme` says where to leave these out, in the matrix of angles ("XB") or in
    that of magnitudes ("BX").

    Communication: one small collective, and one for the history.
    """
    if scheme not in ("XB", "BX"):
        raise ValueError(f"`scheme` (={scheme!r}) must be 'XB' or 'BX'")
    if grid.split is not None:
        raise ValueError("the fast decoupled flow factorises matrices of all buses: take `grid.resplit(None)`")
    here = grid.own
    of_angles, of_magnitudes = _factors(here.grid, here.equations.unknown, scheme)

    def solve(v: DNDarray, angle: DNDarray, S: DNDarray) -> tuple[DNDarray, ...]:
        v, angle, S = (x[here.order] for x in (v, angle, S))

        def excess() -> DNDarray:
            return here.equations.mismatch(v * dnd.exp(1j * angle), S)

        now = excess()
        trace = [abs(now).max((0, 1))]
        for _ in range(max_iter):
            under_way = (trace[-1] > tol) & (trace[-1] < HOPELESS)
            if not bool(under_way.any()):
                break
            angle = angle - under_way * of_angles.solve(now[:, 0] / v)
            v = v - under_way * of_magnitudes.solve(excess()[:, 1] / v)
            now = excess()
            trace.append(abs(now).max((0, 1)))
        sizes = dnd.stack([*trace, *[trace[-1]] * (max_iter + 1 - len(trace))])
        count = ((sizes[:-1] > tol) & (sizes[:-1] < HOPELESS)).sum(0)
        return v[here.place], angle[here.place], count, trace[-1], sizes

    n = S.shape[0]
    columns = (x.reshape(n, -1) for x in (v, angle, S))
    v, angle, count, last, sizes = map_blocks(solve, *columns)
    history: Any = sizes.max(1).numpy()[: int(count.max()) + 1] if S.size else [0.0]
    if S.ndim == 1:
        v, angle, count, last = (x[..., 0] for x in (v, angle, count, last))
    return State(v, angle, count, last, [float(x) for x in history])


def _factors(grid: Grid, unknown: DNDarray, scheme: str) -> tuple[Factors, ...]:
    """Of B', without taps and shunts, and of B'', without shifts; rows and columns of what is held are unit vectors."""
    k = grid.branches
    none, zero = 0 * k.r, 0 * grid.buses.g_shunt
    lossless = {"r": dnd.where(k.x == 0, k.r, 0.0), "dr": dnd.where(k.x == 0, k.dr, 0.0)}
    bare = {"b": none, "g": none, "db": none, "dg": none, "tap": none + 1, "b_shunt": zero, "g_shunt": zero}
    without = [bare | lossless, {"shift": none}] if scheme == "XB" else [bare, {"shift": none} | lossless]
    return tuple(
        splu(_where_unknown(grid.replace(**changes).admittance.imag * -1.0, unknown[:, i]), **FILL_REDUCED)
        for i, changes in enumerate(without)
    )


def _where_unknown(b: SparseArray, unknown: DNDarray) -> SparseArray:
    mask, rest = (diags_array(x, comm=unknown.comm) for x in (unknown, 1 - unknown))
    return mask @ b @ mask + rest
