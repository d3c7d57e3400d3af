"""Discrete Fourier transforms: NumPy's `fft`, over arrays split in any way.

A transform of several axes is a plan of one-dimensional ones. What lies whole on every process is transformed where it
is. For the rest the array is dealt out along axes that are done, or not transformed: slabs where one such axis is long
enough for all processes, pencils otherwise; and goes back to its own split at the end. Where no other axis is left to
deal (1-D arrays, or few short rows), `four_step` transforms the axis where it lies.

Layouts: the result is split as the array is. Along a transformed axis it keeps the array's counts if it keeps its
length, and is balanced otherwise. Communication: none along whole axes; two all-to-alls for a split axis (one there,
one back), or for all split axes together where one long axis is not among them; three to five in `four_step`. What
travels takes one more array like the result in memory. Types:
NumPy's, single precision stays single. Gradients: through all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .assembly import part_layout, resized
from .communication import Communicator, as_comm
from .creation import make_layout, positions
from .elementwise import FUNCTIONS, as_operand, store
from .four_step import LINES
from .layout import Grid, Layout, Split, normalize_axes, normalize_axis
from .local_fft import transform
from .manipulation import roll
from .redistribution import move
from .types import as_dtype, kind, wide_of

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

SMALL = 2**16
"""Elements up to which an axis is brought to all of its processes rather than transformed in steps."""


# --- the plan ---------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A transform of length `n` along one axis: fft, ifft, rfft or irfft."""

    kind: str
    axis: int
    n: int

    @property
    def taken(self) -> int:
        """How many indices it takes."""
        return self.n // 2 + 1 if self.kind == "irfft" else self.n

    @property
    def given(self) -> int:
        """How many indices its result has."""
        return self.n // 2 + 1 if self.kind == "rfft" else self.n

    def after(self, layout: Layout) -> Layout:
        """The layout of its result."""
        return layout if layout.shape[self.axis] == self.given else resized(layout, self.axis, self.given)


def _transform(x: DNDarray, stages: Sequence[Sequence[Step]], norm: str) -> DNDarray:
    """The steps of all stages, one stage after the other; those of one stage, which are of one kind, in any order."""
    if not stages:
        return x
    target = x.layout
    for step in (step for stage in stages for step in stage):
        if step.n < 1:
            raise ValueError(f"a transform takes one point or more, not {step.n} along axis {step.axis}")
        target = step.after(target)
    tensor, layout = x.larray.to(wide_of(x.dtype) if kind(x.dtype) > 1 else torch.float64), x.layout
    for stage in stages:
        for step in stage:
            tensor, layout = _cropped(tensor, layout, step, x.comm)
        pending = list(stage)
        while pending:
            ready = [step for step in pending if _is_whole(layout, step.axis)]
            pending = [step for step in pending if step not in ready]
            if ready:
                tensor, layout = _locally(tensor, layout, ready, norm, not _share_memory(tensor, x.larray))
            elif (there := _next(layout, target, [step.axis for step in pending])) is not None:
                tensor, layout = move(tensor, layout, there, x.comm), there
            else:
                tensor, layout = _across(tensor, layout, pending.pop(), norm, x.comm)
    result = wrap(move(tensor, layout, target, x.comm), target, x.comm)
    is_half = x.dtype is not wide_of(x.dtype)
    return result.astype(x.dtype) if is_half and not result.dtype.is_complex else result


def _is_whole(layout: Layout, axis: int) -> bool:
    g = layout.grid_axis(axis)
    return g is None or layout.grid.shape[g] == 1


def _cropped(tensor: Tensor, layout: Layout, step: Step, comm: Communicator) -> tuple[Tensor, Layout]:
    """Without what the step does not take, before it travels."""
    if layout.shape[step.axis] <= step.taken:
        return tensor, layout
    layout = part_layout(layout, tuple((0, step.taken if a == step.axis else n) for a, n in enumerate(layout.shape)))
    return tensor.narrow(step.axis, 0, layout.lshape(comm.rank)[step.axis]), layout


def _share_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _locally(tensor: Tensor, layout: Layout, steps: Sequence[Step], norm: str, mine: bool) -> tuple[Tensor, Layout]:
    """Steps of one kind along axes of which each process has all; `mine` says that the tensor may be overwritten."""
    for step in steps:
        layout = step.after(layout)
    return transform(steps[0].kind, tensor, [s.n for s in steps], [s.axis for s in steps], norm, mine), layout


def _next(layout: Layout, target: Layout, axes: Sequence[int]) -> Layout | None:
    """Where the array goes next, so that some of these axes, if possible all, are whole: home if that serves.

    None if every such place leaves processes with nothing to do.
    """
    kept = [a is not None and layout.shape[a] == target.shape[a] for a in target.axes]
    counts = [c if keep else None for c, keep in zip(target.counts, kept, strict=True)]
    home = Layout(layout.shape, target.grid, target.axes, counts)
    if all(_is_whole(home, a) for a in axes):
        return home
    for group in (axes, *([a] for a in axes)):
        there = layout.whole_along(*group)
        dealt = zip(there.axes, layout.axes, layout.grid.shape, strict=True)
        if all(before is None or p == 1 or (a is not None and layout.shape[a] >= p) for a, before, p in dealt):
            return there
        others = [a for a in range(layout.ndim) if a not in group]
        longest = max(others, key=lambda a: layout.shape[a], default=None)
        if longest is not None and layout.shape[longest] >= layout.grid.size:
            return Layout(layout.shape, Grid(layout.grid.size), longest)
    return None


def _across(tensor: Tensor, layout: Layout, step: Step, norm: str, comm: Communicator) -> tuple[Tensor, Layout]:
    """One step along an axis that stays dealt out, among the processes along its grid axis."""
    g = layout.grid_axis(step.axis)
    assert g is not None
    after = step.after(layout)
    line = comm.along(layout.grid, (g,))
    rows = tensor.movedim(step.axis, -1)
    source, target = (
        Layout((*rows.shape[:-1], of.shape[step.axis]), line.grid, rows.ndim - 1, [of.counts[g]])
        for of in (layout, after)
    )
    if max(source.size, target.size) <= SMALL:
        rows, source = move(rows, source, source.replicated(), line), source.replicated()
        steps = [step._replace(axis=rows.ndim - 1)]
        rows, source = _locally(rows, source, steps, norm, not _share_memory(rows, tensor))
    else:
        x = LINES[step.kind](DNDarray(rows, source, line), step.n, norm)
        rows, source = x.larray, x.layout
    return move(rows, source, target, line).movedim(-1, step.axis), after


# --- the functions ----------------------------------------------------------------------------------------------------

_SUMMARIES = {
    "fft": "Discrete Fourier transform",
    "ifft": "Inverse discrete Fourier transform",
    "rfft": "Discrete Fourier transform of real input: the non-negative frequencies",
    "irfft": "Inverse of `rfft`: real output from the non-negative frequencies",
    "hfft": "Discrete Fourier transform of a Hermitian-symmetric signal, given by its first half: a real spectrum",
    "ihfft": "Inverse of `hfft`: the first half of a Hermitian-symmetric signal from its real spectrum",
}

_DOC = """{summary}, along {where}.

Parameters
----------
a : array_like
    Split in any way; the result is split alike, along a transformed axis balanced if its length changes.
{lengths}
norm : 'backward', 'ortho' or 'forward'
    Which of a transform and its inverse is scaled: the inverse, both alike, or the forward one.
out : DNDarray, optional
    Where to put the result.

Communication: none if the axes are not split, otherwise mostly two all-to-alls; see the head of this module.
"""
_ONE = """n : int, optional
    Length of the real or complex signal; the input is cropped or padded with zeros for it.
axis : int"""
_MANY = """s : sequence of int, optional
    Lengths of the real or complex signal along `axes`; the input is cropped or padded with zeros, -1 leaves it.
axes : sequence of int, optional
    By default {axes}. An axis that is named twice is transformed twice."""


def _stages(x: DNDarray, kind: str, s: Sequence[int] | None, axes: Sequence[int] | None) -> list[list[Step]]:
    """The plan of a transform of several axes: real input is transformed first, real output comes last."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    axes = [normalize_axis(a, x.ndim, "axes") for a in axes]
    if s is not None and len(s) != len(axes):
        raise ValueError(f"`s` (={s}) and `axes` (={axes}) must have as many entries")
    if not axes and kind in ("rfft", "irfft"):
        raise ValueError(f"{kind}n needs one axis or more")
    lengths = [x.shape[a] for a in axes]
    if s is not None:
        lengths = [n if given == -1 else index(given) for n, given in zip(lengths, s, strict=True)]
    elif kind == "irfft":
        lengths[-1] = 2 * (lengths[-1] - 1)
    steps = [Step(kind.replace("r", ""), a, n) for a, n in zip(axes, lengths, strict=True)]
    first: list[list[Step]] = []
    last: list[list[Step]] = []
    if kind in ("rfft", "irfft"):
        real = [[steps.pop()._replace(kind=kind)]]
        first, last = (real, []) if kind == "rfft" else ([], real)
    distinct = len(set(axes)) == len(axes)
    middle = [steps] if distinct and steps else [[step] for step in reversed(steps)]
    return [*first, *middle, *last]


def _make(name: str) -> Callable:
    """The function of this name: one form of six, along one axis, two, or several."""
    form, dims = (name[:-1], name[-1]) if name[-1] in "2n" else (name, "")
    kind = {"hfft": "irfft", "ihfft": "rfft"}.get(form, form)

    def planned(
        a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None, out: DNDarray | None
    ) -> DNDarray:
        x = as_operand(a)
        if (norm or "backward") not in _OPPOSITE:
            raise ValueError(f"`norm` (={norm!r}) must be 'backward', 'ortho' or 'forward'")
        if kind == "rfft" and x.dtype.is_complex:
            raise TypeError(f"{name} takes real input, not {x.dtype}; use fft, or x.real")
        stages = _stages(x, kind, s, axes)
        if form == kind:
            result = _transform(x, stages, norm or "backward")
        else:  # the transform that goes the other way, of the conjugate
            conjugate, opposite = FUNCTIONS["conj"], _OPPOSITE[norm or "backward"]
            result = _transform(x if form == "ihfft" else conjugate(x), stages, opposite)
            result = conjugate(result) if form == "ihfft" else result
        return result if out is None else store(result, out)

    def along_one(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: DNDarray | None = None
    ) -> DNDarray:
        return planned(a, None if n is None else [n], [axis], norm, out)

    def along_two(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = (-2, -1),
        norm: str | None = None,
        out: DNDarray | None = None,
    ) -> DNDarray:
        return planned(a, s, axes, norm, out)

    def along_several(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str | None = None,
        out: DNDarray | None = None,
    ) -> DNDarray:
        return planned(a, s, axes, norm, out)

    forms: dict[str, tuple[Callable, str, str]] = {
        "": (along_one, "one axis", _ONE),
        "2": (along_two, "two axes", _MANY.format(axes="the last two")),
        "n": (along_several, "several axes", _MANY.format(axes="all, or the last `len(s)`")),
    }
    function, where, lengths = forms[dims]
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(summary=_SUMMARIES[form], where=where, lengths=lengths)
    return function


fft, ifft, rfft, irfft, hfft, ihfft = map(_make, _SUMMARIES)
fft2, ifft2, rfft2, irfft2, hfft2, ihfft2 = (_make(f"{form}2") for form in _SUMMARIES)
fftn, ifftn, rfftn, irfftn, hfftn, ihfftn = (_make(f"{form}n") for form in _SUMMARIES)


# --- frequencies ------------------------------------------------------------------------------------------------------


def fftfreq(
    n: int,
    d: float = 1.0,
    device: Any = None,
    *,
    dtype: Any = None,
    split: Split = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The frequencies of `fft` of `n` samples with spacing `d`: first those from 0 on, then the negative ones. Local.

    >>> fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    layout = make_layout(index(n), split, grid, as_comm(comm))
    place = positions(layout, as_comm(comm), device)
    return _frequencies(torch.where(place < (n + 1) // 2, place, place - n), layout, n * d, dtype, comm)


def rfftfreq(
    n: int,
    d: float = 1.0,
    device: Any = None,
    *,
    dtype: Any = None,
    split: Split = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The frequencies of `rfft` of `n` samples with spacing `d`: those from 0 on. Local.

    >>> rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    layout = make_layout(index(n) // 2 + 1, split, grid, as_comm(comm))
    return _frequencies(positions(layout, as_comm(comm), device), layout, n * d, dtype, comm)


def _frequencies(multiple: Tensor, layout: Layout, duration: float, dtype: Any, comm: Any) -> DNDarray:
    values = multiple.to(torch.float64) * (1.0 / duration)
    return DNDarray(values.to(as_dtype(dtype or float)), layout, as_comm(comm))


def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> DNDarray:
    """The zero frequency moved to the middle of `axes`, by default all. Communication: as `roll`.

    >>> fftshift([0, 1, 2, -2, -1]).tolist()
    [-2, -1, 0, 1, 2]
    """
    x = as_operand(x)
    axes = normalize_axes(axes, x.ndim, "axes")
    return roll(x, [x.shape[a] // 2 for a in axes], axes)


def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> DNDarray:
    """The inverse of `fftshift`. Communication: as `roll`."""
    x = as_operand(x)
    axes = normalize_axes(axes, x.ndim, "axes")
    return roll(x, [-(x.shape[a] // 2) for a in axes], axes)
