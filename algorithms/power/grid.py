"""Power grids: buses and branches as arrays, in per unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import dndarray as dnd
from dndarray import DNDarray
from dndarray.elementwise import apply, as_operand
from dndarray.sparse import SparseArray, csr_array

if TYPE_CHECKING:
    from .ordering import BandedGrid, OwnGrid

__all__ = ["PQ", "PV", "SLACK", "Branches", "Buses", "Grid"]

PQ, PV, SLACK = 1, 2, 3
"""Kinds of buses, by MATPOWER's numbers: what is given is P and Q, P and |V|, or |V| and its angle."""


def exactly(value: Any, comm: Any = None) -> DNDarray:
    """What users give, as an array; Python's numbers in double precision, whatever torch's default is."""
    return as_operand(value if isinstance(value, (DNDarray, torch.Tensor)) else np.asarray(value), comm)


def rectangular(real: DNDarray, imaginary: DNDarray) -> DNDarray:
    """Complex numbers of these parts."""
    dtype = torch.promote_types(real.dtype, imaginary.dtype)
    return apply(torch.complex, (real, imaginary), (dtype, dtype))


@dataclass(frozen=True, eq=False, kw_only=True)
class Buses:
    """What is known of each bus: arrays of shape (n,), all in one layout.

    Attributes
    ----------
    kind
        `PQ`, `PV` or `SLACK`.
    p, q
        What is fed in less what is taken out, in per unit; of no effect where it is not given.
    v
        Magnitude of the voltage in per unit: held at PV and slack buses, a first guess at the others.
    angle
        Angle of the voltage in radians: held at slack buses, a first guess at the others.
    g_shunt, b_shunt
        Conductance and susceptance of shunts, in per unit.
    q_min, q_max
        Limits of the reactive power that may be fed in, net as `q` is; infinite where there is none.
    base_kv
        The voltage that is 1 in per unit.
    """

    kind: DNDarray
    p: DNDarray
    q: DNDarray
    v: DNDarray
    angle: DNDarray
    g_shunt: DNDarray
    b_shunt: DNDarray
    q_min: DNDarray
    q_max: DNDarray
    base_kv: DNDarray

    def __len__(self) -> int:
        return self.kind.shape[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Branches:
    """What is known of each line and transformer in service: arrays of shape (m,), all in one layout.

    A branch is a series impedance with half of its shunt admittance at each end; behind an ideal transformer at its
    beginning, of ratio tap * exp(i shift).

    Attributes
    ----------
    start, end
        Numbers of the buses, from 0.
    r, x
        Series impedance in per unit.
    g, b
        Shunt admittance of both ends together ("charging") in per unit.
    tap, shift
        Ratio, 1 for lines, and angle in radians of the transformer.
    rating
        The apparent power that it may carry, in per unit; infinite where unknown.
    dr, dx, dg, db
        By how much r, x, g and b are larger as seen from the end: zero but for unsymmetrical equivalents.
    """

    start: DNDarray
    end: DNDarray
    r: DNDarray
    x: DNDarray
    g: DNDarray
    b: DNDarray
    tap: DNDarray
    shift: DNDarray
    rating: DNDarray
    dr: DNDarray
    dx: DNDarray
    dg: DNDarray
    db: DNDarray

    def __len__(self) -> int:
        return self.start.shape[0]

    @property
    def admittances(self) -> tuple[DNDarray, DNDarray, DNDarray, DNDarray]:
        """The 2 x 2 matrix of each branch, from voltages at both ends to currents: yff, yft, ytf, ytt."""
        series = 1 / (self.r + 1j * self.x)
        backward = 1 / (self.r + self.dr + 1j * (self.x + self.dx))
        ratio = self.tap * dnd.exp(1j * self.shift)
        yff = (series + (self.g + 1j * self.b) / 2) / self.tap**2
        ytt = backward + (self.g + self.dg + 1j * (self.b + self.db)) / 2
        return yff, -series / ratio.conj(), -backward / ratio, ytt


EVERY = frozenset(f.name for table in (Buses, Branches) for f in fields(table)) | {
    "base_mva", "bus_names", "branch_names", "coordinates", "aliases", "name",
}  # fmt: skip
"""The attributes of a grid, of its buses and of its branches."""

GIVEN = frozenset({"v", "p", "q", "q_min", "q_max"})
"""On what neither matrices depend nor the order of buses, which are worked out once for grids that differ in it."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A power grid, in per unit.

    Every process knows all of it, or (`resplit(0)`) its own buses and branches. Arrays may require gradients: then what
    `flow` finds depends on them.

    Attributes
    ----------
    buses : Buses
    branches : Branches
    base_mva : float
        The power that is 1 in per unit.
    bus_names, branch_names : numpy.ndarray
        What users call buses and branches.
    coordinates : numpy.ndarray, optional
        Where buses are, of shape (n, 2); NaN where unknown.
    aliases : dict
        Further names of buses, and for each the one in `bus_names`: those of all that closed switches join.
    name : str
    """

    buses: Buses
    branches: Branches
    base_mva: float = 100.0
    bus_names: Any = None
    branch_names: Any = None
    coordinates: np.ndarray | None = field(default=None, repr=False)
    aliases: Mapping[Any, Any] = field(default_factory=dict, repr=False)
    name: str = ""
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    _unchecked: frozenset[str] = field(default=EVERY, init=False, repr=False)

    def __post_init__(self) -> None:
        for what, table in (("bus_names", self.buses), ("branch_names", self.branches)):
            names = getattr(self, what)
            object.__setattr__(self, what, np.arange(len(table)) if names is None else np.asarray(names))

    @classmethod
    def from_arrays(
        cls, kind: Any, start: Any, end: Any, r: Any, x: Any, base_mva: float = 100.0, **arrays: Any
    ) -> Grid:
        """A grid from what is known of its buses and branches.

        Parameters
        ----------
        kind : array_like
            Of each bus: `PQ`, `PV` or `SLACK`.
        start, end, r, x : array_like
            Of each branch: the numbers of its buses, from 0, and its impedance in per unit.
        base_mva : float
        **arrays : array_like
            Any other attribute of `Buses` and `Branches`, a number for all or an array; and of the grid itself.
            Powers are in MW, MVAr and MVA (`p`, `q`, `q_min`, `q_max`, `rating`), the rest is in per unit and radians.

        Arrays of buses that are split, and those of branches, make a grid that is split.

        >>> Grid.from_arrays([SLACK, PQ], [0], [1], [0.01], [0.1], p=[0, -50], q=[0, -20], name="line")
        Grid(line: 2 buses, 1 branches, split=None)
        """
        from .readers import from_arrays

        return from_arrays(kind, start, end, r, x, base_mva, **arrays)

    @classmethod
    def from_pandapower(cls, net: Any, **options: Any) -> Grid:
        """A grid from a pandapower net, by pandapower's own converter (whose `options` these are).

        Buses have the names of their rows in `net.bus` (the first, where closed switches join several; the others are
        `aliases`), branches those of the element, as "line 3" or "trafo3w 0 hv". What is out of service or has no
        supply is left out. Ratings are what pandapower takes for full loading, without `max_loading_percent`.
        Loads of constant impedance become shunts. ValueError for elements that are controlled (SVC, VSC, ...) and for
        loads of constant current. The net stays as it is.
        """
        from .readers import from_pandapower

        return from_pandapower(net, **options)

    @classmethod
    def from_ppc(cls, case: Any, name: str = "") -> Grid:
        """A grid from the tables of MATPOWER and PYPOWER: a dictionary of them, or the name of a case of PYPOWER's.

        Needed are `baseMVA`, `bus`, `gen` and `branch`; `bus_names`, `branch_names` and `coordinates` are optional.
        """
        from .readers import from_ppc

        return from_ppc(case, name)

    @classmethod
    def from_matpower(cls, path: Any) -> Grid:
        """A grid from a MATPOWER file (`.m`), read and not run: ValueError where statements change its tables."""
        from .readers import from_matpower

        return from_matpower(path)

    @classmethod
    def from_admittance(
        cls,
        Y: Any,
        S: Any,
        ref: Any,
        pv: Any,
        pq: Any,
        V0: Any,
        base_mva: float = 1.0,
    ) -> Grid:
        """A grid from an admittance matrix, by equivalent branches: one for each pair of buses with an element.

        What is not in the branches becomes shunts of buses. `S` is what is fed in and `V0` the voltages, in per unit;
        `ref`, `pv` and `pq` are numbers of buses.
        """
        from .readers import from_admittance

        return from_admittance(Y, S, ref, pv, pq, V0, base_mva)

    def __repr__(self) -> str:
        sizes = f"{len(self.buses)} buses, {len(self.branches)} branches"
        return f"Grid({self.name or 'unnamed'}: {sizes}, split={self.split})"

    @property
    def split(self) -> int | None:
        """0 if buses and branches are dealt out, or None."""
        return None if self.buses.kind.split is None else 0

    @property
    def comm(self) -> Any:
        return self.buses.kind.comm

    def replace(self, **changes: Any) -> Grid:
        """The grid with other values of some attributes, of its own, of its buses or of its branches.

        >>> grid = Grid.from_matpower(...).replace(r=..., tap=...)  # doctest: +SKIP
        """
        own = {f.name for f in fields(self) if f.init}
        of_branches = {f.name for f in fields(self.branches)}
        of_buses = {f.name for f in fields(self.buses)}
        unknown = changes.keys() - own - of_branches - of_buses
        if unknown:
            raise TypeError(f"{sorted(unknown)} must be among {sorted(own | of_branches | of_buses)}")
        tables = {
            name: replace(getattr(self, name), **{k: v for k, v in changes.items() if k in known})
            for name, known in (("buses", of_buses), ("branches", of_branches))
        }
        whole = [known for name, known in (("buses", of_buses), ("branches", of_branches)) if name in changes]
        changed = frozenset(changes).union(*whole)
        return self._share(replace(self, **{**tables, **{k: v for k, v in changes.items() if k in own}}), changed)

    def validate(self) -> None:
        """ValueError, on every process, that names what is wrong with which bus or branch; `flow` calls it.

        An island without a slack bus, a branch without impedance or with an end that is no bus, NaN, an unknown kind,
        a negative rating, a name given twice. What has been found right is not looked at again, nor is it in a grid
        made of this one by `replace`, but for what is replaced.
        """
        from .validation import faults

        if not self._unchecked:
            return
        if found := faults(self, self._unchecked):
            raise ValueError(f"{self!r}: {'; '.join(found)}")
        object.__setattr__(self, "_unchecked", frozenset())

    @property
    def requires_grad(self) -> bool:
        """Whether any array does."""
        return any(x.requires_grad for x in self.arrays)

    def detach(self) -> Grid:
        """The grid with the same values and without gradients."""
        if not self.requires_grad:
            return self
        changed = {f.name for t in (self.buses, self.branches) for f in fields(t) if getattr(t, f.name).requires_grad}
        return self._share(self.with_arrays([x.detach() for x in self.arrays]), changed)

    def _share(self, other: Grid, changed: Collection[str]) -> Grid:
        """Let a grid that differs by `changed` have what is known of this one, if it does not depend on these."""
        object.__setattr__(other, "_unchecked", self._unchecked.union(changed))
        if GIVEN.issuperset(changed):
            object.__setattr__(other, "_known", self._known)
        return other

    def once(self, make: Callable[[Grid], Any]) -> Any:
        """What is made of the grid, once for all grids that differ in what is `GIVEN` only."""
        if make not in self._known:
            self._known[make] = make(self.detach())
        return self._known[make]

    @property
    def admittance(self) -> SparseArray:
        """The matrix Y of the grid, with I = Y V; split by rows if buses are. Differentiable in all it is made of."""
        made_of = [self.buses.g_shunt, self.buses.b_shunt, *(getattr(self.branches, f.name) for f in fields(Branches))]
        return self._assembled() if any(x.requires_grad for x in made_of) else self.once(Grid._assembled)

    def _assembled(self) -> SparseArray:
        n, k = len(self.buses), self.branches
        bus = dnd.arange(n, dtype=k.start.dtype, split=self.split, comm=self.comm)
        values = dnd.concatenate([*k.admittances, self.buses.g_shunt + 1j * self.buses.b_shunt])
        rows = dnd.concatenate([k.start, k.start, k.end, k.end, bus])
        columns = dnd.concatenate([k.start, k.end, k.start, k.end, bus])
        return csr_array((values, (rows, columns)), shape=(n, n), split=self.split)

    def know_admittance(self, Y: SparseArray) -> None:
        """Take this for the matrix of the grid, which is then not assembled."""
        self._known[Grid._assembled] = Y

    @property
    def own(self) -> OwnGrid:
        """A replicated grid as each process has it for itself, for what is computed without communication."""
        from .ordering import OwnGrid

        return self.once(OwnGrid)

    @property
    def banded(self) -> BandedGrid:
        """The grid with its buses in an order in which neighbours are near each other, for what is split over buses."""
        from .ordering import BandedGrid

        return self.once(BandedGrid)

    @property
    def injection(self) -> DNDarray:
        """What is fed in less what is taken out at each bus, P + iQ in per unit."""
        return rectangular(self.buses.p, self.buses.q)

    @property
    def arrays(self) -> list[DNDarray]:
        """All arrays of buses and branches, in the order in which `with_arrays` takes them."""
        return [getattr(t, f.name) for t in (self.buses, self.branches) for f in fields(t)]

    def with_arrays(self, arrays: Iterable[DNDarray]) -> Grid:
        """The grid with these arrays in place of its own."""
        given = iter(arrays)
        buses = Buses(**{f.name: next(given) for f in fields(Buses)})
        return replace(self, buses=buses, branches=Branches(**{f.name: next(given) for f in fields(Branches)}))

    def places(self, names: Iterable[Any], what: str = "`names`") -> list[int]:
        """Where in the arrays the buses of these names are, which are in `bus_names` or `aliases`."""
        places = {name: i for i, name in enumerate(self.bus_names.tolist())}
        found: dict[int, Any] = {}
        for name in names:
            place = places.get(self.aliases.get(name, name))
            if place is None:
                raise ValueError(f"{what} has {name!r}, which is no bus; names are in `bus_names`")
            if place in found:
                raise ValueError(f"{what} has {found[place]!r} and {name!r}, which are one bus")
            found[place] = name
        return list(found)

    def reordered(self, order: Any) -> Grid:
        """The same grid with buses in another order: bus i is what was bus `order[i]`."""
        order = np.asarray(order)
        place = np.argsort(order)
        buses = type(self.buses)(**{f.name: getattr(self.buses, f.name)[order] for f in fields(self.buses)})
        ends = {name: dnd.array(place, comm=self.comm)[getattr(self.branches, name)] for name in ("start", "end")}
        xy = None if self.coordinates is None else self.coordinates[order]
        branches = replace(self.branches, **ends)
        return replace(self, buses=buses, branches=branches, bus_names=self.bus_names[order], coordinates=xy)

    def resplit(self, split: int | None) -> Grid:
        """The same grid with buses and branches dealt out (0), or all on every process (None).

        Buses stay in their order. What is computed brings them into one in which processes share few branches, and
        results back.
        """
        return self.with_arrays([dnd.resplit(x, split) for x in self.arrays])
