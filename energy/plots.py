"""Reports as pictures, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._optional import require
from .sensors import CONSTANT, ESTIMATED
from .summaries import TOTAL

if TYPE_CHECKING:
    from .reports import Report

__all__ = ["bars", "timeline"]


def bars(report: Report, ax: Any = None) -> Any:
    """A bar for each region, of the devices that count in the sum."""
    plt = require("matplotlib.pyplot")
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    regions = report.regions[::-1]
    parts: dict[tuple[str, str], dict[str, float]] = {}
    for host in report.hosts:
        for entry in host.devices:
            if entry.counts:
                part = parts.setdefault((entry.device, entry.label), dict.fromkeys(regions, 0.0))
                part[entry.region] += entry.joules
    start = np.zeros(len(regions))
    for (device, label), joules in parts.items():
        values = np.array([joules[region] for region in regions])
        hatch = "//" if label in (ESTIMATED, CONSTANT) else None
        ax.barh(regions, values, left=start, label=f"{device}, {label}", hatch=hatch, edgecolor="white")
        start += values
    ax.set_xlabel("energy (J)")
    ax.set_title(f"{report.joules:.4g} J in {report.seconds:.4g} s", loc="left")
    ax.legend()
    return ax


def timeline(report: Report, ax: Any = None, host: str | None = None) -> Any:
    """The watts of each sensor of a host, and its regions behind them."""
    plt = require("matplotlib.pyplot")
    known = {entry.host: entry for entry in report.hosts if entry.timeline}
    if not known:
        raise ValueError("this report has no timeline; under MPI, rank 0's has")
    if host is not None and host not in known:
        raise ValueError(f"`host` (={host!r}) must be one of {', '.join(known)}")
    summary = known[next(iter(known)) if host is None else host]
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    labels = {entry.sensor: entry.label for entry in summary.devices if entry.region == TOTAL}
    for sensor, watts in summary.timeline["watts"].items():
        ax.stairs(watts, summary.timeline["seconds"], label=f"{sensor}, {labels[sensor]}", baseline=None, linewidth=1.5)
    for number, (region, spans) in enumerate(summary.timeline["regions"].items()):
        for index, (start, end) in enumerate(spans):
            ax.axvspan(start, end, alpha=0.15, color=f"C{number + 4}", label=None if index else region, linewidth=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("seconds")
    ax.set_ylabel("power (W)")
    ax.set_title(summary.host, loc="left")
    ax.legend()
    return ax
