"""Solutions as tables and as text."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import dndarray as dnd
from dndarray import DNDarray, optional

from .grid import PQ, PV, SLACK

if TYPE_CHECKING:
    from .solution import Solution

__all__ = ["branches", "buses", "html", "losses", "require", "summary", "title"]

KINDS = {PQ: "PQ", PV: "PV", SLACK: "slack"}

require = partial(optional.require, extra="power")


# --- tables -----------------------------------------------------------------------------------------------------------


def buses(solution: Solution) -> Any:
    grid = solution.grid
    kind, base_kv = _columns(grid.buses.kind.astype(grid.buses.v.dtype), grid.buses.base_kv)
    v, angle, p, q = _columns(solution.v, solution.angle, solution.S.real, solution.S.imag)
    columns = {
        "kind": np.array([KINDS[int(k)] for k in kind]),
        "vm_pu": v,
        "va_degree": np.rad2deg(angle),
        "vm_kv": v * solution.per_case(base_kv),
        "injected_mw": p * grid.base_mva,
        "injected_mvar": q * grid.base_mva,
    }
    return _frame(solution, "bus", grid.bus_names, columns)


def branches(solution: Solution) -> Any:
    grid = solution.grid
    start, end, kv_start, kv_end = _ends(solution)
    parts = [part for s in solution.flows for part in (s.real, s.imag)]
    *flows, i_start, i_end, loading = _columns(*parts, *(abs(i) for i in solution.currents), solution.loading())
    p_start, q_start, p_end, q_end = (grid.base_mva * x for x in flows)
    i_start, i_end = (
        i * solution.per_case(grid.base_mva / (np.sqrt(3) * np.where(kv > 0, kv, np.nan)))
        for i, kv in ((i_start, kv_start), (i_end, kv_end))
    )
    columns = {
        "from_bus": grid.bus_names[start],
        "to_bus": grid.bus_names[end],
        "p_from_mw": p_start,
        "q_from_mvar": q_start,
        "p_to_mw": p_end,
        "q_to_mvar": q_end,
        "pl_mw": p_start + p_end,
        "ql_mvar": q_start + q_end,
        "i_from_ka": i_start,
        "i_to_ka": i_end,
        "loading_percent": loading,
    }
    return _frame(solution, "branch", grid.branch_names, columns)


def losses(solution: Solution) -> Any:
    grid = solution.grid
    _, _, kv_start, kv_end = _ends(solution)
    high, low = np.maximum(kv_start, kv_end), np.minimum(kv_start, kv_end)
    level, where = np.unique(np.stack([-high, -low]), axis=1, return_inverse=True)
    loss = solution.loss
    p, q = _columns(loss.real, loss.imag)
    sums = [np.zeros((level.shape[1], *x.shape[1:])) for x in (p, q)]
    for total, x in zip(sums, (p, q), strict=True):
        np.add.at(total, where.reshape(-1), grid.base_mva * x)
    names = np.array([f"{a:g} kV" if a == b else f"{a:g}/{b:g} kV" for a, b in -level.T])
    columns = {
        "branches": np.bincount(where.reshape(-1), minlength=level.shape[1]),
        "pl_mw": sums[0],
        "ql_mvar": sums[1],
    }
    return _frame(solution, "level", names, columns)


def _columns(*arrays: DNDarray) -> list[np.ndarray]:
    """Arrays of one shape on every process: one all-gather if they are split."""
    return list(dnd.stack([x.detach() for x in arrays], 0).numpy())


def _ends(solution: Solution) -> tuple[np.ndarray, ...]:
    """Numbers of the buses at both ends of each branch, and their voltages in kV."""
    grid = solution.grid
    start, end = dnd.stack([grid.branches.start, grid.branches.end], 0).numpy()
    base_kv = grid.buses.base_kv.detach().numpy()
    return start, end, base_kv[start], base_kv[end]


def _frame(solution: Solution, what: str, names: np.ndarray, columns: dict[str, np.ndarray]) -> Any:
    """A table with a line for each name, or for each case and name."""
    pandas = require("pandas")
    index = pandas.Index(names, name=what, tupleize_cols=False)
    if solution.cases is None:
        return pandas.DataFrame(columns, index=index)
    cases = solution.cases
    index = pandas.MultiIndex.from_product([range(cases), index], names=["case", what])
    long = {key: np.tile(x, cases) if x.ndim == 1 else x.T.reshape(-1) for key, x in columns.items()}
    return pandas.DataFrame({"converged": np.repeat(solution.converged.numpy(), len(names)), **long}, index=index)


# --- text -------------------------------------------------------------------------------------------------------------


def title(solution: Solution) -> str:
    """What every process knows without asking."""
    grid, *facts = _facts(solution).items()
    return f"Solution({grid[1]}, {', '.join(f'{key}={value}' for key, value in facts)})"


def html(solution: Solution) -> str:
    rows = (f"<tr><th>{key}</th><td>{markup.escape(str(value))}</td></tr>" for key, value in _facts(solution).items())
    return f"<table>{''.join(rows)}</table>"


def _facts(solution: Solution) -> dict[str, Any]:
    grid = solution.grid
    facts: dict[str, Any] = {"grid": f"{grid.name or 'grid'} of {len(grid.buses)} buses", "method": solution.method}
    if solution.cases is None:
        facts["converged"] = bool(solution.converged.larray)
        facts["iterations"] = int(solution.iterations.larray)
        facts["mismatch"] = f"{float(solution.mismatch.larray):.2g}"
    else:
        own = solution.converged.larray
        facts["cases"] = solution.cases
        facts["converged"] = f"{int(own.sum())} of {own.numel()}" + (
            f" on rank {solution.v.comm.rank}" if solution.converged.layout.is_distributed else ""
        )
    facts["split"] = solution.v.split
    return facts


def summary(solution: Solution) -> str:
    grid, cases = solution.grid, solution.cases
    name = f"{grid.name}: " if grid.name else ""
    what = f"{name}{len(grid.buses)} buses, {len(grid.branches)} branches, method {solution.method}"
    if cases is not None:
        what += f", {cases} cases"
    lines = [what, _convergence(solution)]
    good = solution.usable
    if bool(good.any()):
        lines += [_voltages(solution, good), _losses(solution, good), *_loading(solution, good)]
    return "\n".join(lines)


def _convergence(solution: Solution) -> str:
    iterations = solution.iterations
    if solution.estimated:
        return f"an estimate, largest mismatch {solution.mismatch.max().item():.2g} p.u."
    if solution.cases is None:
        went = "converged in" if solution.converged.item() else "DID NOT CONVERGE in"
        return f"{went} {iterations.item()} iterations, largest mismatch {solution.mismatch.item():.2g} p.u."
    good = solution.converged.numpy()
    counts = iterations.numpy()[good]
    text = f"{len(counts)} converged"
    if len(counts):
        low, high = counts.min(), counts.max()
        text += f" in {low if low == high else f'{low} to {high}'} iterations"
    failed = np.flatnonzero(~good)
    if len(failed):
        listed = ", ".join(map(str, failed[:10])) + (", ..." if len(failed) > 10 else "")
        text += f"; {len(failed)} DID NOT CONVERGE: {listed}"
    return text


def _voltages(solution: Solution, good: DNDarray) -> str:
    v = solution.v.detach()
    good = good if solution.cases is None else good[None]
    low, high = dnd.where(good, v, dnd.inf), dnd.where(good, v, -dnd.inf)
    names = [f"bus {name}" for name in solution.grid.bus_names]
    lowest, highest = (_place(x, at, names) for x, at in ((low, low.argmin()), (high, high.argmax())))
    return f"|V| from {low.min().item():.4g} p.u. {lowest} to {high.max().item():.4g} p.u. {highest}"


def _losses(solution: Solution, good: DNDarray) -> str:
    mw = solution.loss.detach().real.sum(0) * solution.grid.base_mva
    if solution.cases is None:
        return f"losses {mw.item():.5g} MW"
    mw = mw[good]
    return f"losses {mw.min().item():.5g} to {mw.max().item():.5g} MW, {mw.mean().item():.5g} MW on average"


def _loading(solution: Solution, good: DNDarray) -> list[str]:
    if not bool(dnd.isfinite(solution.grid.branches.rating).any()):
        return []
    percent = dnd.where(good if solution.cases is None else good[None], solution.loading().detach(), 0)
    where = _place(percent, percent.argmax(), solution.grid.branch_names)
    return [f"highest loading {percent.max().item():.4g} % {where}"]


def _place(x: DNDarray, flat: DNDarray, names: Sequence[Any]) -> str:
    """Where an element of (things,) or (things, cases) is."""
    place = np.unravel_index(int(flat.item()), x.shape)
    return f"({names[int(place[0])]}" + (f", case {place[1]})" if len(place) > 1 else ")")
