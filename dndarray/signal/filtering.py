"""Recursive filters along any axis, split or not.

A filter is a linear system with a few numbers of state. Along a split axis each process filters its own part from rest,
and tells all others the state in which that ends: one all-gather. From these, and from the power of the state matrix
that belongs to the length of each part, it knows the state in which its own part really begins, and adds the response
to that, which dies away. Nothing is done in turn, and no signal travels.

What is local is SciPy's compiled loop, or, without SciPy, on other devices and where gradients are recorded, products
of matrices: blocks of the signal are filtered from rest, and their states chained by doubling (Blelloch, 1990). In that
form a NaN spreads back to the start of its block. Gradients: through the signal and `zi`; coefficients are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import all_gather, needs_grad, use_in_split
from ..convolution import convolve_spans
from ..elementwise import as_operand
from ..indexing import section
from ..layout import Layout, normalize_axis
from ..manipulation import broadcast_to, concatenate, flip
from ..redistribution import move
from ..types import kind, result_type

__all__ = ["filtfilt", "lfilter", "lfilter_zi", "sosfilt", "sosfilt_zi", "sosfiltfilt"]

_BLOCK = 128
"""Samples of a block that is filtered by a product of matrices."""


# --- linear systems ---------------------------------------------------------------------------------------------------


class System(NamedTuple):
    """state' = a @ state + b * x, y = c @ state + d * x."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: Any

    def then(self, other: System) -> System:
        """Both, one after the other."""
        n, m = len(self.b), len(other.b)
        a = np.block([[self.a, np.zeros((n, m))], [np.outer(other.b, self.c), other.a]])
        b = np.concatenate([self.b, other.b * self.d])
        return System(a, b, np.concatenate([other.d * self.c, other.c]), other.d * self.d)

    @property
    def steady(self) -> np.ndarray:
        """The state that an input of ones does not change."""
        return np.linalg.solve(np.eye(len(self.b)) - self.a, self.b)


def _section(b: np.ndarray, a: np.ndarray) -> System:
    """The transposed direct form II of a filter, whose state SciPy's functions take and give."""
    n = max(len(a), len(b))
    b, a = (np.pad(v, (0, n - len(v))) / a[0] for v in (b, a))
    matrix = np.eye(n - 1, k=1, dtype=np.result_type(a, b))
    if n > 1:
        matrix[:, 0] -= a[1:]
    return System(matrix, b[1:] - a[1:] * b[0], np.eye(1, n - 1)[0], b[0])


class Filter(NamedTuple):
    """A system, and SciPy's loop for it: both take signals (..., samples) and states (..., numbers)."""

    system: System
    compiled: Callable[[Any, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

    def run(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The filtered signal and the final state."""
        if x.numel() == 0:
            return x, state
        scipy_signal = _scipy_signal()
        if scipy_signal is None or x.device.type != "cpu" or needs_grad(x, state):
            return _by_products(self.system, x, state)
        y, state_ = self.compiled(scipy_signal, *(t.detach().resolve_conj().resolve_neg().numpy() for t in (x, state)))
        return torch.from_numpy(y), torch.from_numpy(np.ascontiguousarray(state_)).to(state.dtype)


@cache
def _scipy_signal() -> Any:
    try:
        import scipy.signal
    except ImportError:
        return None
    return scipy.signal


def _by_products(system: System, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """`Filter.run` in products of matrices: whole blocks, then the rest."""
    n = x.shape[-1]
    outputs = []
    for length, blocks in ((_BLOCK, n // _BLOCK), (n % _BLOCK, 1)):
        if length * blocks == 0:
            continue
        some, x = x[..., : length * blocks].unflatten(-1, (blocks, length)), x[..., length * blocks :]
        response, reach, drive, step = (
            torch.as_tensor(v, dtype=x.dtype, device=x.device) for v in _block(system, length)
        )
        states = torch.cat([state.unsqueeze(-2), some @ drive], -2)
        distance = 1
        while distance <= blocks:  # each state takes in those before it: twice as many at each turn
            carried = states[..., distance:, :] + states[..., :-distance, :] @ step
            states = torch.cat([states[..., :distance, :], carried], -2)
            distance, step = 2 * distance, step @ step
        outputs.append((some @ response + states[..., :-1, :] @ reach).flatten(-2))
        state = states[..., -1, :]
    return torch.cat(outputs, -1), state


def _block(system: System, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What a block does, as matrices to multiply from the right: signal to signal, state to signal, signal to state,
    state to state."""
    reach, drive = [system.c], [system.b]
    for _ in range(length - 1):
        reach.append(reach[-1] @ system.a)
        drive.append(system.a @ drive[-1])
    impulse = np.array([system.d, *(c @ system.b for c in reach[:-1])])
    delay = np.arange(length) - np.arange(length)[:, None]
    response = np.where(delay >= 0, impulse[delay], 0)
    return response, np.array(reach).T, np.array(drive[::-1]), np.linalg.matrix_power(system.a, length).T


# --- distributed ------------------------------------------------------------------------------------------------------


def _filtered(x: DNDarray, of: Filter, axis: int, start: Tensor | None) -> tuple[DNDarray, Tensor]:
    """`x` filtered along `axis` from the state `start` (by default rest), and the final state.

    `start` is whole along the axis on every process, as the final state is, and cut as `x` is along the others.
    """
    tensor = x.larray.movedim(axis, -1)
    rest = tensor.new_zeros((*tensor.shape[:-1], len(of.system.b))) + _nothing(tensor)
    state = rest if start is None else start
    g = x.layout.grid_axis(axis)
    line = None if g is None else x.comm.along(x.layout.grid, (g,))
    if line is None or line.size == 1:
        y, final = of.run(tensor, state)
        return wrap(y.movedim(-1, axis), x.layout, x.comm), final
    y, own = of.run(tensor, rest)
    ends = all_gather(own.unsqueeze(0), [1] * line.size, line)
    steps = [_power(of.system.a, n, own) for n in x.layout.counts[g]]  # type: ignore[index, union-attr]
    shared = use_in_split(ends, line)
    first = _chain(use_in_split(state, line), shared[: line.rank], steps) + _nothing(shared)
    y = _with_response(y, of, first)
    return wrap(y.movedim(-1, axis), x.layout, x.comm), _chain(state, ends, steps)


def _power(matrix: np.ndarray, n: int, like: Tensor) -> Tensor:
    with np.errstate(all="ignore"):
        return torch.as_tensor(np.linalg.matrix_power(matrix, n).T, dtype=like.dtype, device=like.device)


def _chain(state: Tensor, ends: Tensor, steps: Sequence[Tensor]) -> Tensor:
    """The state after some parts that, begun at rest, end in `ends`."""
    for end, step in zip(ends, steps, strict=False):
        state = state @ step + end
    return state


def _nothing(tensor: Tensor) -> Tensor:
    """A zero made from no element: what takes part in the backward pass of all processes must on none be left out."""
    return tensor.flatten()[:0].sum()


def _with_response(y: Tensor, of: Filter, state: Tensor) -> Tensor:
    """`y`, and the response to an initial state, as long as there is any."""
    n, done, length = y.shape[-1], 0, 2**12
    pieces = []
    while done < n and state.numel() and not state.detach().abs().max() <= torch.finfo(y.dtype).tiny:
        length = min(length, n - done)
        piece, state = of.run(y.new_zeros((*y.shape[:-1], length)), state)
        pieces.append(piece)
        done, length = done + length, 2 * length
    if not pieces:
        return y + _nothing(state) if needs_grad(state) else y
    response = torch.cat(pieces, -1)
    return torch.cat([y[..., :done] + response, y[..., done:]], -1)


# --- the functions ----------------------------------------------------------------------------------------------------


def _values(coefficients: Any) -> np.ndarray:
    """Coefficients in double precision: constants that every process has."""
    array = coefficients.numpy() if hasattr(coefficients, "numpy") else np.asarray(coefficients)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def _signal(x: Any, *coefficients: Any) -> DNDarray:
    """The signal in the type of the result. Lists of coefficients have no type of their own."""
    x = as_operand(x)
    dtype = result_type(x, *(as_operand(c) for c in coefficients if hasattr(c, "dtype")))
    if any(np.iscomplexobj(_values(c)) for c in coefficients):
        dtype = torch.promote_types(dtype, torch.complex64)
    dtype = torch.float64 if kind(dtype) < 2 else torch.promote_types(dtype, torch.float32)
    return x.astype(dtype, copy=False)


def _transfer(b: Any, a: Any) -> Filter:
    b, a = np.atleast_1d(_values(b)), np.atleast_1d(_values(a))
    if b.ndim != 1 or a.ndim != 1 or b.size == 0 or a.size == 0:
        raise ValueError(
            f"`b` and `a` must be vectors of one coefficient or more, their shapes are {b.shape}, {a.shape}"
        )
    if a[0] == 0:
        raise ValueError("the first coefficient of `a` must not be 0")

    def compiled(scipy_signal: Any, x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return scipy_signal.lfilter(b.astype(x.dtype), a.astype(x.dtype), x, axis=-1, zi=state)

    return Filter(_section(b, a), compiled)


def _sections(sos: Any) -> Filter:
    values = np.atleast_2d(_values(sos))
    if values.ndim != 2 or values.shape[1] != 6 or len(values) == 0:
        raise ValueError(f"`sos` must have shape (sections, 6), not {values.shape}")
    if not (values[:, 3] == 1).all():
        raise ValueError("`sos[:, 3]` must be all ones")
    n = len(values)

    def compiled(scipy_signal: Any, x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        zi = np.moveaxis(state.reshape(*state.shape[:-1], n, 2), -2, 0)
        y, zf = scipy_signal.sosfilt(values.astype(x.dtype), x, axis=-1, zi=zi)
        return y, np.moveaxis(zf, 0, -2).reshape(state.shape)

    return Filter(reduce(System.then, (_section(s[:3], s[3:]) for s in values)), compiled)


def _state(zi: Any, x: DNDarray, axis: int, shape: Sequence[int], lead: int) -> tuple[Tensor, Layout]:
    """An initial state, whole along `axis` and cut as `x` is, and how it lies; `lead` axes come before those of `x`."""
    zi = as_operand(zi, x.comm, x.device)
    if zi.ndim != len(shape):
        raise ValueError(f"`zi` must have shape {tuple(shape)} for an array of shape {x.shape}, not {zi.shape}")
    zi = broadcast_to(zi.astype(x.dtype, copy=False), shape)
    layout = x.layout.derive(shape, [None if a == axis else a + lead for a in range(x.ndim)])
    return move(zi.larray, zi.layout, layout, x.comm), layout


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """The filter with transfer function b / a, applied along an axis; split as `x` is.

    Parameters
    ----------
    b, a : array_like of one axis
        Coefficients of numerator and denominator. Lists do not change the result's type, arrays may.
    x : array_like
    axis : int
    zi : array_like, optional
        Initial state, of shape `x.shape` but for max(len(a), len(b)) - 1 along `axis`; sizes 1 are stretched.

    Returns
    -------
    y : DNDarray
    zf : DNDarray
        Final state, not split along `axis`; if `zi` is given.

    Communication: none if `axis` is not split, otherwise one all-gather of a state per process, or, for a filter
    without recursion and without `zi`, one all-to-all (a convolution).

    >>> import dndarray as dnd
    >>> dnd.signal.lfilter([1.0], [1.0, -0.5], dnd.array([1.0, 0.0, 0.0], split=0)).tolist()
    [1.0, 0.5, 0.25]
    """
    of, x = _transfer(b, a), _signal(x, b, a)
    axis = normalize_axis(axis, x.ndim)
    denominator = np.atleast_1d(_values(a))
    if zi is None and len(denominator) == 1 and x.size:
        kernel = np.atleast_1d(_values(b)) / denominator
        taps = torch.as_tensor(kernel.reshape([-1 if k == axis else 1 for k in range(x.ndim)])).to(x.larray)
        result = convolve_spans(x, as_operand(taps, x.comm), {axis: (0, x.shape[axis])})
        return wrap(move(result.larray, result.layout, x.layout, x.comm), x.layout, x.comm)
    if zi is None:
        return _filtered(x, of, axis, None)[0]
    shape = [len(of.system.b) if k == axis else n for k, n in enumerate(x.shape)]
    start, layout = _state(zi, x, axis, shape, 0)
    y, final = _filtered(x, of, axis, start.movedim(axis, -1))
    return y, wrap(final.movedim(-1, axis), layout, x.comm)


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """A chain of filters of second order, applied along an axis; split as `x` is.

    Parameters
    ----------
    sos : array_like of shape (sections, 6)
        Coefficients b and a of each section.
    x : array_like
    axis : int
    zi : array_like, optional
        Initial states, of shape (sections, ...): after that `x.shape`, but for 2 along `axis`.

    Returns
    -------
    y : DNDarray
    zf : DNDarray
        Final states, if `zi` is given.

    Communication: none if `axis` is not split, otherwise one all-gather, for all sections.
    """
    of, x = _sections(sos), _signal(x, sos)
    axis = normalize_axis(axis, x.ndim)
    if zi is None:
        return _filtered(x, of, axis, None)[0]
    sections = len(of.system.b) // 2
    shape = [sections, *(2 if k == axis else n for k, n in enumerate(x.shape))]
    start, layout = _state(zi, x, axis, shape, 1)
    y, final = _filtered(x, of, axis, start.movedim(axis + 1, -1).movedim(0, -2).flatten(-2))
    return y, wrap(final.unflatten(-1, (sections, 2)).movedim(-2, 0).movedim(-1, axis + 1), layout, x.comm)


def lfilter_zi(b: Any, a: Any) -> DNDarray:
    """The state of `lfilter` that an input of ones does not change. Local."""
    return as_operand(_transfer(b, a).system.steady)


def sosfilt_zi(sos: Any) -> DNDarray:
    """The states of `sosfilt`, of shape (sections, 2), that an input of ones does not change. Local."""
    return as_operand(_sections(sos).system.steady.reshape(-1, 2))


# --- forward and backward ---------------------------------------------------------------------------------------------


def extended(x: DNDarray, n: int, axis: int, kind_: str) -> DNDarray:
    """`x` continued by `n` samples at both ends: "even", "odd", "constant" or "zeros". Communication: one all-to-all,
    and one broadcast of the ends."""
    length = x.shape[axis]
    if n < 1:
        return x
    if n > length - 1:
        raise ValueError(f"an array with {length} samples along axis {axis} is too short to be continued by {n}")
    first, last = section(x, axis, 0, 1), section(x, axis, length - 1, length)
    if kind_ in ("even", "odd"):
        before, after = section(x, axis, 1, n + 1), section(x, axis, length - 1 - n, length - 1)
        before, after = flip(before, axis), flip(after, axis)
        if kind_ == "odd":
            before, after = 2 * first - before, 2 * last - after
    else:
        shape = [n if a == axis else m for a, m in enumerate(x.shape)]
        before, after = (broadcast_to(end if kind_ == "constant" else end * 0, shape) for end in (first, last))
    return concatenate([before, x, after], axis)


def _both_ways(x: DNDarray, of: Filter, axis: int, padtype: str | None, padlen: int) -> DNDarray:
    """Filtered forward and backward, each time from the state that suits the first sample."""
    if padtype not in ("even", "odd", "constant", None):
        raise ValueError(f"`padtype` (={padtype!r}) must be 'even', 'odd', 'constant' or None")
    padlen = 0 if padtype is None else padlen
    if padlen < 0 or x.shape[axis] <= padlen:
        raise ValueError(f"`padlen` (={padlen}) must be less than the {x.shape[axis]} samples along axis {axis}")
    y = extended(x, padlen, axis, padtype or "")
    steady = as_operand(of.system.steady.reshape([-1 if a == axis else 1 for a in range(x.ndim)]), x.comm, x.device)
    for _ in range(2):
        first = section(y, axis, 0, 1) * steady.astype(y.dtype)
        start, _ = _state(first, y, axis, first.shape, 0)
        y = flip(_filtered(y, of, axis, start.movedim(axis, -1))[0], axis)
    y = section(y, axis, padlen, padlen + x.shape[axis])
    return wrap(move(y.larray, y.layout, x.layout, x.comm), x.layout, x.comm)


def filtfilt(
    b: Any, a: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None
) -> DNDarray:
    """`lfilter` forward and backward along an axis, which leaves no delay; split as `x` is.

    Parameters
    ----------
    b, a, x, axis
        As in `lfilter`.
    padtype : 'odd', 'even', 'constant' or None
        How the signal is continued at both ends, before it is filtered.
    padlen : int, optional
        By how many samples, by default 3 * max(len(a), len(b)).

    Communication along a split axis: two all-gathers of states, and exchanges that continue and mirror the signal.
    """
    of, x = _transfer(b, a), _signal(x, b, a)
    default = 3 * (len(of.system.b) + 1)
    return _both_ways(x, of, normalize_axis(axis, x.ndim), padtype, default if padlen is None else padlen)


def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> DNDarray:
    """`sosfilt` forward and backward along an axis; the rest as in `filtfilt`."""
    of, x = _sections(sos), _signal(x, sos)
    values = _values(sos).reshape(-1, 6)
    taps = 2 * len(values) + 1 - min(int((values[:, 2] == 0).sum()), int((values[:, 5] == 0).sum()))
    return _both_ways(x, of, normalize_axis(axis, x.ndim), padtype, 3 * taps if padlen is None else padlen)
