"""A year of a power grid, hour by hour: when voltages are lowest, and how much is lost.

    python examples/power_series.py
    mpiexec -n 4 python examples/power_series.py --hours 8760 --output year.nc

The hours are dealt out over the processes.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import click
import pandapower.networks
from dndarray.algorithms import power

import dndarray as dnd


def loads(hours: int) -> dnd.DNDarray:
    """What is consumed and generated, beside the grid's own data: lower at night and in summer, and a little random."""
    hour = dnd.arange(hours, dtype="float64", split=0)
    daily = dnd.cos((hour - 18) * (2 * dnd.pi / 24))
    yearly = dnd.cos(hour * (2 * dnd.pi / 8760))
    noise = dnd.random.Generator(0).normal(size=hours, dtype="float64", split=0)
    return 0.8 + 0.12 * daily + 0.08 * yearly + 0.02 * noise


@click.command(context_settings={"show_default": True})
@click.option("--grid", "name", default="case118", help="A grid that comes with pandapower.")
@click.option("--hours", type=click.IntRange(1), default=24 * 28)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write all voltages: .h5 or .nc.")
def main(name: str, hours: int, output: Path | None) -> power.Solution:
    """Solve a series of power flows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's, about its own files
        grid = power.Grid.from_pandapower(getattr(pandapower.networks, name)())
    with power.progress():
        solution = power.series(grid, scale=loads(hours))
    lost = solution.loss.real.sum(axis=0) * grid.base_mva  # MW in each hour, where that hour is
    lowest = solution.v.min(axis=0)
    dnd.print(solution.summary())
    dnd.print(f"{lost.sum().item() / 1000:.1f} GWh are lost; voltages are lowest in hour {lowest.argmin().item()}")
    if output is not None:
        solution.save(output)
    return solution


if __name__ == "__main__":
    main()
