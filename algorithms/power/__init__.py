"""AC power flow of electric grids, split over cases or over buses, with gradients to every parameter."""

from ..progress import progress
from .contingency import Contingencies, contingencies
from .estimation import Estimate, estimate
from .flow import flow
from .gallery import replicated
from .grid import PQ, PV, SLACK, Branches, Buses, Grid
from .profiles import read_profile
from .sensitivity import sensitivity
from .series import series
from .set_points import SetPoints, minimize_losses
from .solution import Solution

__all__ = [
    "PQ",
    "PV",
    "SLACK",
    "Branches",
    "Buses",
    "Contingencies",
    "Estimate",
    "Grid",
    "SetPoints",
    "Solution",
    "contingencies",
    "estimate",
    "flow",
    "minimize_losses",
    "progress",
    "read_profile",
    "replicated",
    "sensitivity",
    "series",
]
