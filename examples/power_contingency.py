"""Which line or transformer must not fail: the power flow of a grid without each of its branches.

    python examples/power_contingency.py
    mpiexec -n 4 python examples/power_contingency.py --grid case1354pegase --output outages.h5

The outages are dealt out over the processes. All use the factors of one matrix; what an outage changes is corrected.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import click
import pandapower.networks
from dndarray.algorithms import power

import dndarray as dnd


@click.command(context_settings={"show_default": True})
@click.option("--grid", "name", default="case118", help="A grid that comes with pandapower.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write all voltages: .h5 or .nc.")
def main(name: str, output: Path | None) -> power.Contingencies:
    """Rank the outages of a grid by the voltages that they change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's, about its own files
        grid = power.Grid.from_pandapower(getattr(pandapower.networks, name)())
    with power.progress():
        found = power.contingencies(grid, "n-1", severity="voltage", top_k=5)
    table = found.table(top=10)
    dnd.print(f"{found}\n\n{table.to_string()}\n")
    worst = found.case(int(table.index[0]))
    dnd.print(f"without {found.name(int(table.index[0]))}: {worst.summary()}")
    if output is not None:
        found.solution.save(output)
    return found


if __name__ == "__main__":
    main()
