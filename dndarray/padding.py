"""Arrays made wider at their ends.

Layout: `x` stays where it is; what is put before it lies with its first index, what is put behind with its last one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .assembly import extend, period, resized
from .broadcasting import align_to
from .elementwise import FUNCTIONS, as_operand
from .indexing import section
from .layout import Layout, normalize_axis
from .types import kind
from .unsigned import STAND_INS

__all__ = ["pad"]


class _Ends(NamedTuple):
    """What is to be made: the layouts of what goes before and behind an array along `axis`."""

    x: DNDarray
    axis: int
    before: Layout
    behind: Layout

    @property
    def widths(self) -> tuple[int, int]:
        return self.before.shape[self.axis], self.behind.shape[self.axis]

    def filled(self, which: int, edge: DNDarray) -> Tensor:
        """The local part of one end, of one index repeated."""
        layout = (self.before, self.behind)[which]
        return align_to(edge.larray, edge.layout, layout, self.x.comm).expand(layout.lshape(self.x.comm.rank))


def _ends(x: DNDarray, axis: int, widths: tuple[int, int]) -> _Ends:
    g = x.layout.grid_axis(axis)
    if g is None:
        return _Ends(x, axis, *(resized(x.layout, axis, width) for width in widths))
    counts = x.layout.counts[g]
    assert counts is not None
    holders = [c for c, n in enumerate(counts) if n] or [0]
    layouts = []
    for width, holder in zip(widths, (holders[0], holders[-1]), strict=True):
        layouts.append(resized(x.layout, axis, width, [width if c == holder else 0 for c in range(len(counts))]))
    return _Ends(x, axis, *layouts)


# --- the modes: the local parts of both ends --------------------------------------------------------------------------


def _constant(ends: _Ends, values: tuple) -> tuple[Tensor, Tensor]:
    x, rank = ends.x, ends.x.comm.rank
    first, last = (torch.tensor(v, device=x.device).to(x.dtype) for v in values)
    return first.expand(ends.before.lshape(rank)), last.expand(ends.behind.lshape(rank))


def _empty(ends: _Ends, values: tuple) -> tuple[Tensor, Tensor]:
    x, rank = ends.x, ends.x.comm.rank
    return x.larray.new_empty(ends.before.lshape(rank)), x.larray.new_empty(ends.behind.lshape(rank))


def _outermost(x: DNDarray, axis: int) -> tuple[DNDarray, DNDarray]:
    """The first and the last index."""
    n = x.shape[axis]
    return section(x, axis, 0, 1), section(x, axis, n - 1, n)


def _edge(ends: _Ends, values: tuple) -> tuple[Tensor, Tensor]:
    # The holder of an edge is who holds the end, so the parts need no bringing there.
    first, last = (edge.larray for edge in _outermost(ends.x, ends.axis))
    rank = ends.x.comm.rank
    return first.expand(ends.before.lshape(rank)), last.expand(ends.behind.lshape(rank))


def _linear_ramp(ends: _Ends, values: tuple) -> tuple[Tensor, Tensor]:
    x, dtype = ends.x, ends.x.dtype
    wide = torch.complex128 if dtype.is_complex else torch.float64
    ramps = []
    for edge, value, width, back in zip(_edge(ends, values), values, ends.widths, (False, True), strict=True):
        shape = [1] * x.ndim
        if edge.shape[ends.axis]:
            shape[ends.axis] = width
        steps = torch.arange(shape[ends.axis], device=x.device, dtype=torch.float64)
        steps = (steps.flip(0) if back else steps).reshape(shape)
        ramp = value + steps * ((edge.to(wide) - value) / max(width, 1))
        ramps.append((ramp.floor() if kind(dtype) == 1 else ramp).to(dtype))
    return ramps[0], ramps[1]


def _statistic(name: str) -> Callable[[_Ends, tuple], tuple[Tensor, Tensor]]:
    def make(ends: _Ends, lengths: tuple) -> tuple[Tensor, Tensor]:
        x, axis = ends.x, ends.axis
        n = x.shape[axis]
        first, last = (n if length is None else min(int(length), n) for length in lengths)
        if not (first and last) and name in ("max", "min"):
            raise ValueError("`stat_length` (=0) leaves nothing to pad with")
        statistics = [_rounded(name, section(x, axis, 0, first), axis)]
        statistics.append(statistics[0] if first == last == n else _rounded(name, section(x, axis, n - last, n), axis))
        return ends.filled(0, statistics[0]), ends.filled(1, statistics[1])

    return make


def _rounded(name: str, x: DNDarray, axis: int) -> DNDarray:
    """A statistic along an axis, which stays, in the array's own type."""
    if name == "median":
        from .quantiles import median as function
    else:
        function = FUNCTIONS[name]
    result = function(x, axis=axis, keepdims=True)
    return (FUNCTIONS["round"](result) if kind(x.dtype) == 1 else result).astype(x.dtype, copy=False)


def _continued(mode: str) -> Callable[[_Ends, tuple], tuple[Tensor, Tensor]]:
    def make(ends: _Ends, kinds: tuple) -> tuple[Tensor, Tensor]:
        x, axis, (before, behind) = ends.x, ends.axis, ends.widths
        n, g = x.shape[axis], x.layout.grid_axis(axis)
        if n == 1 and mode != "wrap":
            return _edge(ends, kinds)
        counts = None
        if g is not None:
            counts = [u + v for u, v in zip(ends.before.counts[g], ends.behind.counts[g], strict=True)]  # type: ignore[arg-type]
        layout = resized(x.layout, axis, before + behind, counts)
        spans = [(-before, 0), (n, n + behind)]
        local = extend(x, {axis: spans}, mode, layout).larray
        if kinds[0] == "odd":
            local = _turned(local, ends, layout, spans, mode)
        mine = ends.before.lshape(x.comm.rank)[axis]
        return local.narrow(axis, 0, mine), local.narrow(axis, mine, local.shape[axis] - mine)

    return make


def _turned(local: Tensor, ends: _Ends, layout: Layout, spans: list[tuple[int, int]], mode: str) -> Tensor:
    """Mirrored sections turned about the edge at which they were mirrored, each lap from where the last one ended."""
    x, axis = ends.x, ends.axis
    first, last = (align_to(e.larray, e.layout, layout, x.comm) for e in _outermost(x, axis))
    low, high = layout.box(x.comm.rank)[axis]
    lap = torch.cat([torch.arange(*span, device=x.device) for span in spans])[low:high] // period(x.shape[axis], mode)
    lap = lap.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    odd = lap % 2 == 1
    first, last, local = (t.to(STAND_INS.get(x.dtype, x.dtype)) for t in (first, last, local))
    return (torch.where(odd, first + last - local, local) + lap.to(local.dtype) * (last - first)).to(x.dtype)


class _Mode(NamedTuple):
    option: str | None
    default: Any
    ends: Callable[[_Ends, tuple], tuple[Tensor, Tensor]]


_MODES = {
    "constant": _Mode("constant_values", 0, _constant),
    "edge": _Mode(None, None, _edge),
    "empty": _Mode(None, None, _empty),
    "linear_ramp": _Mode("end_values", 0, _linear_ramp),
    "maximum": _Mode("stat_length", None, _statistic("max")),
    "mean": _Mode("stat_length", None, _statistic("mean")),
    "median": _Mode("stat_length", None, _statistic("median")),
    "minimum": _Mode("stat_length", None, _statistic("min")),
    "reflect": _Mode("reflect_type", "even", _continued("reflect")),
    "symmetric": _Mode("reflect_type", "even", _continued("symmetric")),
    "wrap": _Mode(None, None, _continued("wrap")),
}


# --- the function -----------------------------------------------------------------------------------------------------


def pad(x: Any, pad_width: Any, mode: str = "constant", **options: Any) -> DNDarray:
    """`x` with `pad_width` more indices before and behind along each axis, axis after axis.

    Split as `x` is: `x` stays where it is, the pads lie with its first and its last index (so the result may be
    unbalanced).

    Parameters
    ----------
    x : array_like
    pad_width : int, pair, sequence of pairs, or dict from axes to these
        How many indices before and behind: for all axes, or for each of them.
    mode : str
        As in NumPy: "constant", "edge", "empty", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect",
        "symmetric" or "wrap".
    **options
        `constant_values`, `end_values`, `stat_length` or `reflect_type`, with the modes that take them.

    Communication: for each split axis that is padded none for "constant", "edge", "empty" and "linear_ramp", that of
    the statistic, or one exchange for "reflect", "symmetric" and "wrap" (and, if odd, two broadcasts of an edge).

    >>> pad([1, 2], 1, mode="wrap").tolist()
    [2, 1, 2, 1]
    """
    x = as_operand(x)
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        raise TypeError(f"`mode` must be one of {', '.join(_MODES)}; a function would need all of an axis in one place")
    if mode not in _MODES:
        raise ValueError(f"`mode` (={mode!r}) must be one of {', '.join(_MODES)}")
    row = _MODES[mode]
    if set(options) - {row.option}:
        raise ValueError(f"mode {mode!r} takes {row.option or 'no option'}, not {', '.join(options)}")
    values = _pairs(options.get(row.option, row.default), x.ndim) if row.option else [(None, None)] * x.ndim
    for axis, width in enumerate(widths):
        if any(width) and not x.shape[axis] and mode not in ("constant", "empty"):
            raise ValueError(f"axis {axis} has no indices to go on from; use mode 'constant' or 'empty'")
    for axis, (width, value) in enumerate(zip(widths, values, strict=True)):
        if any(width):
            ends = _ends(x, axis, width)
            before, behind = row.ends(ends, value)
            g = x.layout.grid_axis(axis)
            counts = None
            if g is not None:
                three = (layout.counts[g] for layout in (ends.before, x.layout, ends.behind))
                counts = [sum(c) for c in zip(*(c or () for c in three), strict=True)]
            layout = resized(x.layout, axis, x.shape[axis] + sum(width), counts)
            x = wrap(torch.cat([before, x.larray, behind], axis), layout, x.comm)
    return x if np.any(widths) else DNDarray(x.larray.clone(), x.layout, x.comm)


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        full = np.zeros((ndim, 2), dtype=np.int64)
        for axis, width in pad_width.items():
            full[normalize_axis(axis, ndim)] = width
        pad_width = full
    given = np.asarray(pad_width)
    if given.dtype.kind not in "iu":
        raise TypeError(f"`pad_width` (={pad_width!r}) must be integers")
    if (given < 0).any():
        raise ValueError(f"`pad_width` (={pad_width!r}) must not be negative")
    return _pairs(given, ndim)


def _pairs(value: Any, ndim: int) -> list[tuple[Any, Any]]:
    """A value for each end of each axis."""
    given = np.asarray(value)
    try:
        return [tuple(pair) for pair in np.broadcast_to(given, (ndim, 2)).tolist()]
    except ValueError:
        raise ValueError(f"{value!r} does not give a pair for each of {ndim} axes") from None
