"""Solutions as pictures, by matplotlib. Rank 0 draws, and gives the axes; the others give None."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import dndarray as dnd

from .grid import Grid
from .tables import require

if TYPE_CHECKING:
    from .solution import Solution

__all__ = ["check", "convergence", "one_line", "severity", "voltages"]

MANY = 2000
"""Grids with more buses than this need coordinates: a spring layout would take minutes."""


def check(path: Path) -> None:
    """ValueError if matplotlib writes no files of this name."""
    formats = require("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f"a picture (={str(path)!r}) must end in one of {', '.join(f'.{name}' for name in formats)}")


def voltages(solution: Solution, ax: Any = None) -> Any:
    """Magnitudes at the buses, in their order; of many cases the median, the middle 90 percent, and extremes.

    Of the cases that have converged, or of all where none has.
    """
    v = solution.v.detach()
    if solution.cases is not None:
        v = v[:, solution.usable]
        if not v.shape[1]:
            raise ValueError(f"none of the {solution.cases} cases has voltages to draw")
    lines = (v[None] if solution.cases is None else dnd.quantile(v, _QUANTILES, axis=1)).numpy()
    if solution.v.comm.rank > 0:
        return None
    ax = _axes(ax)
    bus = np.arange(lines.shape[1])
    if len(lines) == 1:
        ax.plot(bus, lines[0], ".", markersize=4)
    else:
        lowest, low, middle, high, highest = lines
        ax.fill_between(bus, lowest, highest, alpha=0.2, color="C0", linewidth=0, label="all cases")
        ax.fill_between(bus, low, high, alpha=0.4, color="C0", linewidth=0, label="90 %")
        ax.plot(bus, middle, color="C0", linewidth=1, label="median")
        ax.legend()
    ax.set_xlabel("bus")
    ax.set_ylabel("|V| (p.u.)")
    ax.set_title(solution.grid.name, loc="left")
    return ax


_QUANTILES = [0, 0.05, 0.5, 0.95, 1]


def one_line(solution: Solution, ax: Any = None) -> Any:
    """Buses coloured by voltage, branches by loading."""
    if solution.cases is not None:
        raise ValueError(f"a map shows one case; choose one of the {solution.cases} by `case`")
    grid = solution.grid
    if grid.coordinates is None and len(grid.buses) > MANY:
        raise ValueError(
            f"the grid has no coordinates, and {len(grid.buses)} buses are too many to find places for; "
            f"give `grid.replace(coordinates=...)` of shape ({len(grid.buses)}, 2)"
        )
    v, loading = solution.v.detach().numpy(), solution.loading().detach().numpy()
    start, end = grid.branches.start.numpy(), grid.branches.end.numpy()
    if solution.v.comm.rank > 0:
        return None
    ax = _axes(ax)
    xy = _spring_layout(grid, start, end) if grid.coordinates is None else grid.coordinates
    segments = np.stack([xy[start], xy[end]], 1)
    known = np.isfinite(segments).all((1, 2))
    rated = bool(loading.any())
    lines = require("matplotlib.collections").LineCollection(
        segments[known], array=loading[known] if rated else None, cmap="viridis", linewidths=1, zorder=1
    )
    lines.set_clim(0, max(100.0, loading.max(initial=0)))
    ax.add_collection(lines)
    buses = ax.scatter(*xy.T, c=v, s=12, cmap="coolwarm", zorder=2)
    ax.figure.colorbar(buses, ax=ax, label="|V| (p.u.)")
    if rated:
        ax.figure.colorbar(lines, ax=ax, label="loading (%)")
    ax.set_aspect("equal", "datalim")
    ax.set_axis_off()
    ax.set_title(f"{grid.name}{' (spring layout, not geography)' if grid.coordinates is None else ''}", loc="left")
    return ax


def _spring_layout(grid: Grid, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    networkx = require("networkx")
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(grid.buses)))
    graph.add_edges_from(zip(start.tolist(), end.tolist(), strict=True))
    places = networkx.spring_layout(graph, seed=0)
    return np.array([places[i] for i in range(len(places))])


def convergence(solution: Solution, ax: Any = None) -> Any:
    """The largest mismatch before each iteration and after the last."""
    if solution.v.comm.rank > 0:
        return None
    ax = _axes(ax)
    ax.semilogy(solution.history, ".-")
    ax.set_xlabel("iteration")
    ax.set_ylabel("largest mismatch (p.u.)")
    ax.set_title(f"{solution.grid.name} {solution.method}".strip(), loc="left")
    return ax


def severity(names: Sequence[Any], values: Sequence[float], label: str, ax: Any = None) -> Any:
    """A ranking: a bar for each name, the most severe on top."""
    if dnd.get_comm().rank > 0:
        return None
    ax = _axes(ax)
    ax.barh([str(name) for name in names][::-1], list(values)[::-1])
    ax.set_xlabel(label)
    return ax


def _axes(ax: Any) -> Any:
    return require("matplotlib.pyplot").subplots(layout="constrained")[1] if ax is None else ax
