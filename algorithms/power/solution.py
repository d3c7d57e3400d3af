"""What a power flow has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import dndarray as dnd
from dndarray import DNDarray
from dndarray.sparse import csr_array

from . import files, plots, tables
from .equations import Equations
from .grid import Grid

__all__ = ["Solution", "State"]

Case = int | slice | Sequence[int] | None


@dataclass(frozen=True, eq=False)
class State:
    """What a method returns: arrays of shape (n,) or (n, cases) in per unit and radians, and how each case went."""

    v: DNDarray
    angle: DNDarray
    iterations: DNDarray
    mismatch: DNDarray
    history: list[float]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Voltages that a power flow has found, of one case or of many, and what follows from them.

    Arrays are in per unit and radians, lie as the voltages do, and are differentiable; multiplied by `grid.base_mva`
    powers are in MW and MVAr. Tables are in MW, MVAr, kV, kA and degrees, with the user's names. `solution[17]` is the
    solution of one case, `solution[3:9]` that of some.

    Attributes
    ----------
    grid : Grid
    v, angle : DNDarray
        Magnitudes in per unit and angles in radians, of shape (n,) or (n, cases).
    converged : DNDarray
        Whether the largest mismatch is within `tol`: of shape () or (cases,).
    iterations : DNDarray
    mismatch : DNDarray
        The largest difference in per unit between what flows away from a bus and what is fed in, where that is given.
    history : list of float
        The largest mismatch of all cases before each iteration and after the last; of "dpf" the largest root mean
        square of mismatches.
    method : str
    outages : DNDarray, optional
        Numbers of the branches that are out, of shape (several,) or (several, cases), -1 for none.
    """

    grid: Grid
    v: DNDarray
    angle: DNDarray
    converged: DNDarray
    iterations: DNDarray
    mismatch: DNDarray
    history: list[float]
    method: str
    outages: DNDarray | None = None

    @property
    def cases(self) -> int | None:
        """How many cases there are; None where `v` has no axis for them."""
        return None if self.v.ndim == 1 else self.v.shape[1]

    @property
    def estimated(self) -> bool:
        """Whether the method gives an estimate, so that it does not matter that it has not converged."""
        return self.method == "dc"

    @property
    def usable(self) -> DNDarray:
        """Which cases to tell of: those that have converged, or, if none has, all that are numbers."""
        return self.converged if bool(self.converged.any()) else dnd.isfinite(self.mismatch)

    def __getitem__(self, case: Any) -> Solution:
        """The solution of one case, or of some. Communication: that of indexing five arrays along their last axis."""
        if self.cases is None:
            raise IndexError("this is the solution of one case, of which there is no further choice")
        cut: dict[str, Any] = {name: x[..., case] for name, x in self.found.items()}
        return replace(self, **cut)

    @property
    def found(self) -> dict[str, DNDarray]:
        """The arrays that have a last axis for cases, by their names."""
        names = ("converged", "iterations", "mismatch", "outages", "v", "angle")
        return {name: x for name in names if (x := getattr(self, name)) is not None}

    def per_case(self, x: Any) -> Any:
        """What there is one of for each bus or branch, in a shape that broadcasts with that of voltages."""
        return x if self.cases is None else x[:, None]

    # --- arrays -------------------------------------------------------------------------------------------------------

    @property
    def V(self) -> DNDarray:  # noqa: N802 - the field's name
        """Complex voltages in per unit."""
        return self.v * dnd.exp(1j * self.angle)

    @cached_property
    def S(self) -> DNDarray:  # noqa: N802
        """What is fed in less what is taken out at each bus, P + iQ in per unit, computed from the voltages."""
        if self.outages is None:
            return Equations(self.grid).power(self.V)
        buses, branches = self.grid.buses, self.grid.branches
        m = dnd.arange(len(branches))
        S = self.per_case(buses.g_shunt - 1j * buses.b_shunt) * self.v**2
        for end, flow in zip((branches.start, branches.end), self.flows, strict=True):
            S = S + csr_array((dnd.ones_like(branches.r), (end, m)), shape=(len(buses), len(branches))) @ flow
        return S

    @cached_property
    def currents(self) -> tuple[DNDarray, DNDarray]:
        """Complex currents into each branch at its start and at its end, in per unit.

        Communication: none if each process has all buses, otherwise that of indexing the voltages twice.
        """
        branches, V = self.grid.branches, self.V
        yff, yft, ytf, ytt = map(self.per_case, branches.admittances)
        start, end = V[branches.start], V[branches.end]
        currents = yff * start + yft * end, ytf * start + ytt * end
        for out in () if self.outages is None else self.outages:
            runs = self.per_case(dnd.arange(len(branches))) != out
            currents = currents[0] * runs, currents[1] * runs
        return currents

    @property
    def flows(self) -> tuple[DNDarray, DNDarray]:
        """Complex power into each branch at its start and its end, P + iQ in per unit.

        Communication: none if each process has all buses, otherwise that of `currents` once, and as much again.
        """
        branches, V = self.grid.branches, self.V
        start, end = self.currents
        return V[branches.start] * start.conj(), V[branches.end] * end.conj()

    @property
    def loss(self) -> DNDarray:
        """What each branch takes, P + iQ in per unit: what flows in at both ends. Communication: as `flows`."""
        start, end = self.flows
        return start + end

    def loading(self, by: str = "current") -> DNDarray:
        """What each branch carries at the end where it carries more, in percent of its rating; 0 without a rating.

        Parameters
        ----------
        by : {"current", "power"}
            "current": beside the current of the rated power at rated voltage, which is what heats conductors; as
            pandapower does where transformers are rated at the voltages of their buses. "power": apparent power beside
            the rated one, as limits in MATPOWER are meant.

        Communication: as `flows`.
        """
        if by not in ("current", "power"):
            raise ValueError(f"`by` (={by!r}) must be 'current' or 'power'")
        start, end = self.currents if by == "current" else self.flows
        return 100 * dnd.maximum(abs(start), abs(end)) / self.per_case(self.grid.branches.rating)

    # --- tables -------------------------------------------------------------------------------------------------------

    def buses(self, case: Case = None) -> Any:
        """A table of the buses: kind, voltage, and what is fed in less what is taken out.

        Parameters
        ----------
        case : int, slice or sequence of int, optional
            Of which case of a batch. Of several, by default of all, the table is a long one, with a line for each case
            and bus, and says which cases have converged.

        Returns
        -------
        pandas.DataFrame
            On every process, so choose cases of large batches. Powers have the sign that `flow` takes them with, which
            is opposite to pandapower's `res_bus`, and what shunts take is not among them.

        Communication: two all-gathers of what is in the table, if that is split, beside those of choosing cases.
        """
        return tables.buses(self._of(case))

    def branches(self, case: Case = None) -> Any:
        """A table of the branches: power and current into both ends, losses, loading in percent of the rating.

        As `buses`. `loading_percent` is that by current, as pandapower's; see `loading`.
        """
        return tables.branches(self._of(case))

    def losses(self, case: Case = None) -> Any:
        """A table of the losses in lines of each voltage, and in transformers between each two. As `buses`."""
        return tables.losses(self._of(case))

    def _of(self, case: Case) -> Solution:
        return self if case is None else self[case]

    def summary(self) -> str:
        """What there is to know in a few lines: convergence, range of voltages, losses, the highest loading.

        Communication: some small reductions, if split.
        """
        return tables.summary(self)

    def __repr__(self) -> str:
        return tables.title(self)

    def _repr_html_(self) -> str:
        return tables.html(self)

    # --- pictures -----------------------------------------------------------------------------------------------------

    def plot_voltages(self, case: Case = None, ax: Any = None) -> Any:
        """Magnitudes at the buses; of many cases their median and ranges. Gives matplotlib's axes, on rank 0 only."""
        return plots.voltages(self._of(case), ax)

    def plot_map(self, case: int | None = None, ax: Any = None) -> Any:
        """The one-line map: buses coloured by voltage, branches by loading. Gives matplotlib's axes, on rank 0 only.

        Buses lie at the grid's coordinates. Grids without them are drawn by a spring layout, which the title says, if
        they have at most 2000 buses.
        """
        return plots.one_line(self._of(case), ax)

    def plot_convergence(self, ax: Any = None) -> Any:
        """The largest mismatch in the course of the iterations. Gives matplotlib's axes, on rank 0 only."""
        return plots.convergence(self, ax)

    # --- files --------------------------------------------------------------------------------------------------------

    def save(self, path: files.PathLike) -> None:
        """Write the solution and its grid to an HDF5 or NetCDF file, which `load` reads; nothing is gathered.

        The file appears, or changes, when it is complete. Text is in it as bytes of UTF-8.

        Parameters
        ----------
        path : path-like
            Ends in .h5, .hdf5, .nc or .nc4.

        Communication: that of `dnd.io.save`, for each of about thirty arrays.
        """
        files.save(self, path)

    @classmethod
    def load(cls, path: files.PathLike, *, split: int | None = None, comm: Any = None) -> Solution:
        """Read what `save` has written, on any number of processes.

        Parameters
        ----------
        path : path-like
        split : int, optional
            1 deals out the cases, 0 the buses and the grid.
        comm : Communicator, optional

        Communication: one small collective for each array; each process reads its own part.
        """
        return cls(**files.load(path, split, comm))
