"""Convolution and correlation of arrays of any number of axes, as in SciPy. How: `dndarray.convolution`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..array import DNDarray
from ..assembly import extend, resized
from ..convolution import Spans, convolve_spans, mirrored, operands, span
from ..creation import arange
from ..elementwise import FUNCTIONS
from ..layout import normalize_axes
from ..types import kind

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "fftconvolve",
    "oaconvolve",
]


def _spans(x: DNDarray, y: DNDarray, mode: str, axes: Sequence[int]) -> Spans:
    """What a mode keeps along each axis, after a look at the shapes."""
    for a in range(x.ndim):
        n, m = x.shape[a], y.shape[a]
        if a not in axes and n != m and 1 not in (n, m):
            raise ValueError(f"shapes {x.shape} and {y.shape} must agree but for `axes` (={tuple(axes)}), or be 1")
    pairs = [(x.shape[a], y.shape[a]) for a in axes]
    if mode == "valid" and any(n < m for n, m in pairs) and any(n > m for n, m in pairs):
        raise ValueError(f"mode 'valid' needs one operand as long as the other along each axis: {x.shape}, {y.shape}")
    return {a: span(x.shape[a], y.shape[a], mode) for a in axes}


def _of_one_rank(in1: Any, in2: Any) -> tuple[DNDarray, DNDarray]:
    x, y = operands(in1, in2)
    if x.ndim != y.ndim:
        raise ValueError(f"operands must have as many axes, their shapes are {x.shape} and {y.shape}")
    return x, y


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> DNDarray:
    """Convolution along all axes, split as the longer operand is.

    Parameters
    ----------
    in1, in2 : array_like
        With as many axes, split in any way.
    mode : 'full', 'same' or 'valid'
        All elements in which they overlap; the middle ones, as many as `in1` has; those in which they overlap
        completely.
    method : 'auto', 'direct' or 'fft'
        How: by sums of products, by Fourier transforms, or whichever is faster. Integers are exact with 'auto'.

    Communication: one all-to-all for each split axis of the longer operand, and one collective if the other is split.

    >>> import dndarray as dnd
    >>> dnd.signal.convolve(dnd.ones((3, 3), split=0), dnd.ones((2, 2)), mode="valid").tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    x, y = _of_one_rank(in1, in2)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"`method` (={method!r}) must be 'auto', 'direct' or 'fft'")
    if x.ndim == 0:
        return FUNCTIONS["multiply"](x, y)
    if x.size == 0 or y.size == 0:
        raise ValueError(f"operands must not be empty, their shapes are {x.shape} and {y.shape}")
    return convolve_spans(x, y, _spans(x, y, mode, range(x.ndim)), method)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> DNDarray:
    """Cross-correlation along all axes: element k is the sum of in1[n + k] * conj(in2[n]).

    Arguments, layouts and communication as in `convolve`; a split `in2` is mirrored first, which is one all-to-all.
    """
    return convolve(in1, mirrored(_of_one_rank(in1, in2)[1]), mode, method)


def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> DNDarray:
    """The shifts to which the elements of `correlate` of two vectors belong. Local.

    They are right where SciPy's are one too high: for 'same', an odd `in1_len` and an even `in2_len`.

    >>> correlation_lags(3, 2).tolist()
    [-1, 0, 1, 2]
    """
    start, stop = span(in1_len, in2_len, mode)
    return arange(start - in2_len + 1, stop - in2_len + 1)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: int | Sequence[int] | None = None) -> DNDarray:
    """Convolution along `axes` (by default all) by Fourier transforms of overlapping blocks; other axes broadcast.

    Modes, layouts and communication as in `convolve`. The result is floating: integers are computed in float64.
    """
    x, y = _of_one_rank(in1, in2)
    dtype = torch.float64 if kind(x.dtype) < 2 else torch.promote_types(x.dtype, torch.float32)
    x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
    along = normalize_axes(axes, x.ndim, "axes")
    # What is stretched is not a matter of how far operands overlap.
    if mode == "valid":
        along = tuple(a for a in along if 1 not in (x.shape[a], y.shape[a]))
    elif mode == "same":
        along = tuple(a for a in range(x.ndim) if a in along or x.shape[a] == 1)
    if x.ndim == 0 or not along:
        return FUNCTIONS["multiply"](x, y)
    if x.size == 0 or y.size == 0:
        return DNDarray(x.larray.new_empty(0), resized(x.layout.replicated(), 0, 0), x.comm)
    return convolve_spans(x, y, _spans(x, y, mode, along), "fft")


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: int | Sequence[int] | None = None) -> DNDarray:
    """As `fftconvolve`, which works by blocks, too: a long signal is not transformed as a whole."""
    return fftconvolve(in1, in2, mode, axes)


_BOUNDARIES = {"wrap": "wrap", "circular": "wrap", "symm": "symmetric", "symmetric": "symmetric"}


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0) -> DNDarray:
    """Convolution of two matrices, the first of which goes on beyond its ends.

    Parameters
    ----------
    in1, in2 : array_like of two axes
    mode : 'full', 'same' or 'valid'
        As in `convolve`.
    boundary : 'fill', 'wrap' or 'symm'
        With `fillvalue`, from the other end, or mirrored.
    fillvalue : number

    Communication: as `convolve`; one all-to-all more to go on beyond the ends of split axes.
    """
    x, y = _of_one_rank(in1, in2)
    return _bounded(x, y, mode, boundary, fillvalue, _spans_of_matrices(x, y, mode))


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0) -> DNDarray:
    """Cross-correlation of two matrices, the first of which goes on beyond its ends.

    Arguments, layouts and communication as in `convolve2d`; a split `in2` is mirrored first.
    """
    x, y = _of_one_rank(in1, in2)
    spans = _spans_of_matrices(x, y, mode)
    if mode == "same":  # the middle of an even length is on its other side
        spans = {a: (y.shape[a] // 2, y.shape[a] // 2 + x.shape[a]) for a in spans}
    return _bounded(x, mirrored(y), mode, boundary, fillvalue, spans)


def _spans_of_matrices(x: DNDarray, y: DNDarray, mode: str) -> Spans:
    if x.ndim != 2:
        raise ValueError(f"operands must have two axes, their shapes are {x.shape} and {y.shape}")
    if x.size == 0 or y.size == 0:
        raise ValueError(f"operands must not be empty, their shapes are {x.shape} and {y.shape}")
    return _spans(x, y, mode, (0, 1))


def _bounded(x: DNDarray, y: DNDarray, mode: str, boundary: str, fillvalue: complex, spans: Spans) -> DNDarray:
    """The convolution of `x`, continued beyond its ends, with `y`."""
    if boundary not in ("fill", "pad", *_BOUNDARIES):
        raise ValueError(f"`boundary` (={boundary!r}) must be 'fill', 'wrap' or 'symm'")
    if mode == "valid" or (boundary not in _BOUNDARIES and fillvalue == 0):
        return convolve_spans(x, y, spans)
    if boundary not in _BOUNDARIES:  # what is around is taken off, and put back
        fill = y.sum(dtype=y.dtype) * fillvalue
        return (convolve_spans((x - fillvalue).astype(x.dtype), y, spans) + fill).astype(x.dtype)
    reach = {a: [(start - y.shape[a] + 1, stop)] for a, (start, stop) in spans.items()}
    layout = x.layout
    for a, [(start, stop)] in reach.items():
        if stop - start != x.shape[a]:
            layout = resized(layout, a, stop - start)
    wide = extend(x, reach, _BOUNDARIES[boundary], layout)
    inner = {a: (y.shape[a] - 1, y.shape[a] - 1 + stop - start) for a, (start, stop) in spans.items()}
    return convolve_spans(wide, y, inner)
