"""The voltages, flows and losses of a power grid, and what one more megawatt at each bus would cost in losses.

python examples/power_flow.py
mpiexec -n 4 python examples/power_flow.py --grid case9241pegase
"""

from __future__ import annotations

import warnings

import click
import pandapower.networks
from dndarray.algorithms import power

import dndarray as dnd


@click.command(context_settings={"show_default": True})
@click.option("--grid", "name", default="case118", help="A grid that comes with pandapower.")
def main(name: str) -> power.Solution:
    """Solve the power flow of a grid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's, about its own files
        grid = power.Grid.from_pandapower(getattr(pandapower.networks, name)())
    solution = power.flow(grid)
    dnd.print(solution.summary() + "\n")
    dnd.print(f"{solution.losses().round(3)}\n")
    # MW of losses for each MW that is fed in, by one adjoint solve.
    slope = power.sensitivity(solution, lambda s: s.loss.real.sum(), ["p"])["p"].numpy()
    dearest, cheapest = slope.argmax(), slope.argmin()
    dnd.print(f"one more MW costs {slope[dearest]:.3f} MW of losses at bus {grid.bus_names[dearest]}")
    dnd.print(f"and saves {-slope[cheapest]:.3f} MW at bus {grid.bus_names[cheapest]}")
    return solution


if __name__ == "__main__":
    main()
