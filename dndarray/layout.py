"""Who owns which index: process grids, layouts, and what moves when one layout becomes another.

Pure integers. Nothing here knows of torch or MPI, so every line is tested without mpirun; NumPy lends an exception.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple
from weakref import WeakValueDictionary

from numpy.exceptions import AxisError

__all__ = ["Box", "Grid", "Layout", "Move", "balanced_counts", "moves", "normalize_axes", "normalize_axis"]

Box = tuple[tuple[int, int], ...]
"""One half-open interval `(start, stop)` per array axis."""

Split = int | None | tuple[int | None, ...]
"""How a user names a split: an axis or None on a 1-D grid, a tuple with one entry per grid axis on any grid."""


@lru_cache(maxsize=4096)
def balanced_counts(n: int, parts: int) -> tuple[int, ...]:
    """Deal `n` indices to `parts` processes; the first `n % parts` get one more.

    >>> balanced_counts(10, 4)
    (3, 3, 2, 2)
    """
    base, extra = divmod(n, parts)
    return (base + 1,) * extra + (base,) * (parts - extra)


def normalize_axis(axis: int, ndim: int, name: str = "axis") -> int:
    """The non-negative form of `axis`, or an error that says what is allowed."""
    try:
        index = axis.__index__()
    except AttributeError:
        raise TypeError(f"`{name}` (={axis!r}) must be an integer, got {type(axis).__name__}") from None
    if not -ndim <= index < ndim:
        allowed = f"in [{-ndim}, {ndim})" if ndim else "absent, for the array has no axes"
        raise AxisError(f"`{name}` (={axis}) must be {allowed} for an array of {ndim} dimensions")
    return index % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """`axis` as a tuple of distinct non-negative axes; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (normalize_axis(axis, ndim, name),)  # type: ignore[arg-type]
    axes = tuple(normalize_axis(a, ndim, name) for a in axis)
    if len(set(axes)) != len(axes):
        raise ValueError(f"`{name}` (={axis}) names an axis twice")
    return axes


class _Interned:
    """A value type of which equal instances are one object, so that equality is identity and hashing is free."""

    __slots__ = ("__weakref__",)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    __delattr__ = None  # type: ignore[assignment]

    def __copy__(self) -> _Interned:
        return self

    def __deepcopy__(self, memo: dict) -> _Interned:
        return self


class Grid(_Interned):
    """Processes arranged as an n-dimensional mesh, ranks in row-major order.

    >>> grid = Grid((2, 3))
    >>> grid.size, grid.coordinates(4), grid.rank((1, 1))
    (6, (1, 1), 4)
    """

    __slots__ = ("shape", "size")
    shape: tuple[int, ...]
    size: int
    _instances: WeakValueDictionary[tuple[int, ...], Grid] = WeakValueDictionary()

    def __new__(cls, shape: int | Iterable[int]) -> Grid:
        shape = (int(shape),) if isinstance(shape, int) else tuple(int(n) for n in shape)
        found = cls._instances.get(shape)
        if found is not None:
            return found
        if not shape or min(shape) < 1:
            raise ValueError(f"`grid` (={shape}) must have one axis or more, each with one process or more")
        self = super().__new__(cls)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "size", math.prod(shape))
        return cls._instances.setdefault(shape, self)

    @classmethod
    def squarest(cls, size: int, ndim: int) -> Grid:
        """The grid of `size` processes and `ndim` axes whose axes differ least, longest first.

        >>> Grid.squarest(12, 2)
        Grid((4, 3))
        """
        shape = []
        rest = size
        for left in range(ndim, 1, -1):
            root = rest ** (1 / left)
            divisors = (n for n in range(1, rest + 1) if rest % n == 0)
            shape.append(min(divisors, key=lambda n: (abs(n - root), -n)))
            rest //= shape[-1]
        return cls(sorted([*shape, rest], reverse=True))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def coordinates(self, rank: int) -> tuple[int, ...]:
        """Where `rank` stands on the grid."""
        coords = []
        for n in reversed(self.shape):
            rank, c = divmod(rank, n)
            coords.append(c)
        return tuple(reversed(coords))

    def rank(self, coordinates: Sequence[int]) -> int:
        """The rank that stands at `coordinates`."""
        rank = 0
        for n, c in zip(self.shape, coordinates, strict=True):
            rank = rank * n + c
        return rank

    def __repr__(self) -> str:
        return f"Grid({self.shape})"

    def __reduce__(self) -> tuple:
        return Grid, (self.shape,)


def _normalize_split(split: Split, shape: tuple[int, ...], grid: Grid) -> tuple[int | None, ...]:
    entries = tuple(split) if isinstance(split, (tuple, list)) else (split,)
    if split is None:
        entries = (None,) * grid.ndim
    if len(entries) != grid.ndim:
        raise ValueError(
            f"`split` (={split}) must have one entry for each of the {grid.ndim} axes of the grid {grid.shape}"
        )
    axes = tuple(None if s is None else normalize_axis(s, len(shape), "split") for s in entries)
    dealt = [a for a in axes if a is not None]
    if len(set(dealt)) != len(dealt):
        raise ValueError(f"`split` (={split}) deals out an axis twice; an axis is split by one grid axis at most")
    return axes


class Layout(_Interned):
    """A shape, a grid, which array axis each grid axis deals out, and how many indices each process gets.

    Immutable, hashable, the same on every process; equal layouts are one object.

    Parameters
    ----------
    shape
        Global shape of the array.
    grid
        The processes.
    split
        The array axis that each grid axis deals out; None where the processes along it hold replicas.
    counts
        For each grid axis how many indices each of its processes holds, None for balanced.

    Examples
    --------
    >>> layout = Layout((10, 4), Grid(4), split=0)
    >>> layout.counts, layout.lshape(3), layout.box(1)
    (((3, 3, 2, 2),), (2, 4), ((3, 6), (0, 4)))
    """

    __slots__ = ("_boxes", "axes", "counts", "grid", "offsets", "shape", "size")
    shape: tuple[int, ...]
    grid: Grid
    axes: tuple[int | None, ...]
    """The array axis that each grid axis deals out, or None."""
    counts: tuple[tuple[int, ...] | None, ...]
    """For each grid axis how many indices its processes hold, or None where it deals out nothing."""
    offsets: tuple[tuple[int, ...] | None, ...]
    """Like counts: where each process begins; one entry more, the total."""
    size: int
    _boxes: dict[int, Box]
    _instances: WeakValueDictionary[tuple, Layout] = WeakValueDictionary()

    def __new__(
        cls,
        shape: Sequence[int],
        grid: Grid,
        split: Split = None,
        counts: Sequence[Sequence[int] | None] | None = None,
    ) -> Layout:
        shape = tuple(shape)
        if shape and min(shape) < 0:
            raise ValueError(f"`shape` (={shape}) must not be negative")
        if split is None:
            none = (None,) * len(grid.shape)
            return cls._interned(shape, grid, none, none)
        axes = _normalize_split(split, shape, grid)
        full: list[tuple[int, ...] | None] = []
        for g, (a, p) in enumerate(zip(axes, grid.shape, strict=True)):
            given = None if counts is None else counts[g]
            if a is None:
                full.append(None)
                continue
            dealt = balanced_counts(shape[a], p) if given is None else tuple(given)
            if len(dealt) != p or sum(dealt) != shape[a] or min(dealt) < 0:
                raise ValueError(f"`counts` (={dealt}) must be {p} numbers >= 0 that add up to {shape[a]}")
            full.append(dealt)
        return cls._interned(shape, grid, axes, tuple(full))

    @classmethod
    def _interned(cls, shape: tuple, grid: Grid, axes: tuple, counts: tuple) -> Layout:
        """The one layout of these values, which are known to fit together."""
        key = (shape, grid, axes, counts)
        found = cls._instances.get(key)
        if found is not None:
            return found
        self = object.__new__(cls)
        put = object.__setattr__
        put(self, "shape", shape)
        put(self, "grid", grid)
        put(self, "axes", axes)
        put(self, "counts", counts)
        put(self, "offsets", tuple([None if c is None else (0, *accumulate(c)) for c in counts]))
        put(self, "size", math.prod(shape))
        put(self, "_boxes", {})
        return cls._instances.setdefault(key, self)

    def __reduce__(self) -> tuple:
        return Layout, (self.shape, self.grid, self.axes, self.counts)

    def __repr__(self) -> str:
        counts = "" if self.is_balanced else f", counts={self.counts}"
        return f"Layout({self.shape}, {self.grid}, split={self.split}{counts})"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def split(self) -> Split:
        """As users write it: an axis or None on a 1-D grid, otherwise one entry per grid axis."""
        return self.axes[0] if len(self.axes) == 1 else self.axes

    @property
    def is_dealt(self) -> bool:
        """Whether some axis is dealt out, be it to one process only: what decides how results are split."""
        return any(a is not None for a in self.axes)

    @property
    def is_distributed(self) -> bool:
        """Whether some process holds less than all of the array."""
        return any(a is not None and p > 1 for a, p in zip(self.axes, self.grid.shape, strict=True))

    @property
    def is_balanced(self) -> bool:
        return all(
            c is None or c == balanced_counts(self.shape[a], p)  # type: ignore[index]
            for a, c, p in zip(self.axes, self.counts, self.grid.shape, strict=True)
        )

    def grid_axis(self, axis: int) -> int | None:
        """The grid axis that deals out array axis `axis`, or None."""
        return self.axes.index(axis) if axis in self.axes else None

    def box(self, rank: int) -> Box:
        """The indices that `rank` holds."""
        box = self._boxes.get(rank)
        if box is None:
            intervals = [(0, n) for n in self.shape]
            for a, offsets, c in zip(self.axes, self.offsets, self.grid.coordinates(rank), strict=True):
                if a is not None and offsets is not None:
                    intervals[a] = (offsets[c], offsets[c + 1])
            box = self._boxes[rank] = tuple(intervals)
        return box

    def lshape(self, rank: int) -> tuple[int, ...]:
        """Shape of the part that `rank` holds."""
        return tuple(stop - start for start, stop in self.box(rank))

    def replicas(self, rank: int) -> Iterator[int]:
        """All ranks that hold what `rank` holds, in order, itself included."""
        mine = self.box(rank)
        return (r for r in range(self.grid.size) if self.box(r) == mine)

    def balanced(self) -> Layout:
        """The same shape and split with balanced counts."""
        return Layout(self.shape, self.grid, self.axes)

    def replicated(self) -> Layout:
        """The same shape, all of it on every process."""
        return Layout(self.shape, self.grid)

    def derive(
        self,
        shape: Sequence[int],
        mapping: Sequence[int | None],
        counts: Mapping[int, Sequence[int]] | None = None,
    ) -> Layout:
        """The layout of an array made from this one axis by axis.

        Array axis `a` becomes axis `mapping[a]` of the result and stays dealt out as it is, or, where that is None,
        is not dealt out any more. `counts` replaces the counts of the given (old) axes.
        """
        axes, dealt = [], []
        for a, c in zip(self.axes, self.counts, strict=True):
            b = None if a is None else mapping[a]
            axes.append(b)
            given = None if counts is None or a is None else counts.get(a)
            dealt.append(None if b is None else c if given is None else tuple(given))
        return Layout._interned(tuple(shape), self.grid, tuple(axes), tuple(dealt))

    def permute(self, order: Sequence[int]) -> Layout:
        """The layout after `transpose(order)`: nothing moves."""
        return self.derive([self.shape[a] for a in order], [order.index(a) for a in range(self.ndim)])

    def whole_along(self, *axes: int) -> Layout:
        """The layout in which every process has all of the given array axes, for what is computed along them.

        The grid axes that dealt them out deal out the longest of the other axes instead, balanced, or nothing where
        none is left.

        >>> Layout((4, 9, 5), Grid(2), 0).whole_along(0)
        Layout((4, 9, 5), Grid((2,)), split=1)
        """
        free = [a for a in range(self.ndim) if a not in axes and a not in self.axes and self.shape[a] > 1]
        free.sort(key=lambda a: self.shape[a])
        dealt, counts = list(self.axes), list(self.counts)
        for g, a in enumerate(self.axes):
            if a in axes:
                dealt[g], counts[g] = free.pop() if free else None, None
        return self if tuple(dealt) == self.axes else Layout(self.shape, self.grid, tuple(dealt), counts)

    def by_rows(self) -> Layout:
        """The layout itself if a 1-D grid deals out its first axis, or nothing is dealt out; otherwise that over rows.

        >>> Layout((4, 9), Grid(2), 1).by_rows()
        Layout((4, 9), Grid((2,)), split=0)
        """
        if not self.is_dealt or (self.grid.ndim == 1 and self.axes[0] == 0):
            return self
        return Layout(self.shape, Grid(self.grid.size), 0)

    def undeal(self, *axes: int) -> Layout:
        """The same layout, but every process along the grid has all of the given array axes."""
        return self.derive(self.shape, [None if a in axes else a for a in range(self.ndim)])


class Move(NamedTuple):
    """A box of global indices that goes to, or comes from, `peer`."""

    peer: int
    box: Box


def _intersect(a: Box, b: Box) -> Box | None:
    box = tuple((max(s, u), min(t, v)) for (s, t), (u, v) in zip(a, b, strict=True))
    return box if all(start < stop for start, stop in box) else None


def _mirror(box: Box, shape: Sequence[int], flips: Sequence[int]) -> Box:
    return tuple((shape[a] - t, shape[a] - s) if a in flips else (s, t) for a, (s, t) in enumerate(box))


@lru_cache(maxsize=1024)
def _holders(layout: Layout) -> dict[Box, list[int]]:
    """The distinct parts of an array, each with the ranks that hold it."""
    holders: dict[Box, list[int]] = {}
    for rank in range(layout.grid.size):
        holders.setdefault(layout.box(rank), []).append(rank)
    return holders


def _source(holders: list[int], receiver: int) -> int:
    """Which of several holders of the same part serves `receiver`: itself if it can, otherwise dealt out in turn."""
    return receiver if receiver in holders else holders[receiver % len(holders)]


@lru_cache(maxsize=4096)
def moves(
    source: Layout, target: Layout, rank: int, flips: tuple[int, ...] = ()
) -> tuple[tuple[Move, ...], tuple[Move, ...]]:
    """What `rank` sends and what it receives when an array in layout `source` becomes one in layout `target`.

    Boxes are in indices of the source. Along the axes in `flips` the target holds the array mirrored: its process
    with indices `[s, t)` wants `[n - t, n - s)`. A move from a rank to itself is listed on both sides.

    >>> rows, columns = Layout((4, 4), Grid(2), 0), Layout((4, 4), Grid(2), 1)
    >>> moves(rows, columns, 0)[0]
    (Move(peer=0, box=((0, 2), (0, 2))), Move(peer=1, box=((0, 2), (2, 4))))
    """
    if source.shape != target.shape or source.grid.size != target.grid.size:
        raise ValueError(f"{source} cannot become {target}: shapes and numbers of processes must agree")
    holders = _holders(source)
    mine = source.box(rank)
    sends = []
    for peer in range(target.grid.size):
        box = _intersect(mine, _mirror(target.box(peer), target.shape, flips))
        if box is not None and _source(holders[mine], peer) == rank:
            sends.append(Move(peer, box))
    wanted = _mirror(target.box(rank), target.shape, flips)
    receives = []
    for part, ranks in holders.items():
        box = _intersect(part, wanted)
        if box is not None:
            receives.append(Move(_source(ranks, rank), box))
    return tuple(sends), tuple(receives)


@lru_cache(maxsize=4096)
def is_local(source: Layout, target: Layout) -> bool:
    """Whether every process already holds what it will hold: the move is a slice."""
    if source.shape != target.shape or source.grid.size != target.grid.size:
        return False
    return all(
        all(s <= u and v <= t for (s, t), (u, v) in zip(source.box(r), target.box(r), strict=True))
        for r in range(source.grid.size)
    )
