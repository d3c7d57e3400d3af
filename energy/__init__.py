"""What a run costs, in joules, kWh and CO2e.

Here belong the sources of power readings (sensors, and estimates that are always labelled as such), the
monitor that reads them, and the report per region, rank and node.
"""

__all__: list[str] = []
