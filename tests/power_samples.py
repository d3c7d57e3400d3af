"""Grids for the tests of power flow, and what pandapower finds for them."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
from dndarray.algorithms.power import Grid

SMALL = ["case4gs", "case9", "case14", "case30", "case57"]
"""Of these, tests may take all in a moment."""


SHIPPED = [
    *SMALL,
    *["case5", "case6ww", "case24_ieee_rts", "case_ieee30", "case33bw", "case39", "case89pegase", "case118", "case145"],
    *["case_illinois200", "case300", "case1354pegase", "case1888rte", "case2848rte", "case2869pegase", "case3120sp"],
    *["case6470rte", "case6495rte", "case6515rte", "case9241pegase", "GBnetwork", "GBreducednetwork", "iceland"],
    *["mv_oberrhein", "example_multivoltage", "example_simple", "create_cigre_network_mv", "create_kerber_dorfnetz"],
]
"""Nets that pandapower ships and solves, of 4 to 9241 buses. (It does not solve case11_iwamoto.)"""


@functools.cache
def _net(name: str) -> Any:
    return getattr(pandapower.networks, name)()


def net(name: str) -> Any:
    """A net that pandapower ships, by the name of the function that makes it; to be changed at will."""
    return copy.deepcopy(_net(name))


@functools.cache
def case(name: str) -> Grid:
    """The same as a grid, replicated."""
    return Grid.from_pandapower(_net(name))


@functools.cache
def solved(name: str, **options: Any) -> Any:
    """The net with pandapower's results, computed to 1e-10 in per unit where it gets there."""
    found = net(name)
    settings = {"init": "dc", "calculate_voltage_angles": True, "tolerance_mva": 1e-8, "numba": False}
    pandapower.runpp(found, **{**settings, **options})
    return found


def reference(name: str, **options: Any) -> np.ndarray:
    """Complex voltages that pandapower finds, in per unit, in the order of the grid's buses."""
    return solved(name, **options)._ppc["internal"]["V"]
