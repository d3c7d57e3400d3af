"""Convolution and correlation, along any axes of arrays split in any way.

The shorter operand, the kernel, is brought to every process. Along a split axis each process reads what its part of
the result needs beyond its own elements, which is a kernel's length from its neighbours, or from those beyond them
where a part is shorter than the kernel. What is then local goes tap by tap where the kernel is short, otherwise by
overlapping blocks and their Fourier transforms (overlap-save). Where both operands are large and split, the
convolution is a product of their distributed transforms instead.

Layouts: the result is split as the longer operand is; along an axis it keeps that one's counts if it has its length,
and is balanced otherwise. Communication: one all-to-all for each split axis, and one collective for the kernel if that
is split; the longer operand is copied once, with what it reads of others. Integers are computed exactly. Gradients:
through both operands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .assembly import resized
from .broadcasting import broadcast_shapes
from .collectives import needs_grad, use_in_split
from .elementwise import FUNCTIONS, as_operand
from .four_step import fast_length
from .layout import Layout
from .overlap import offsets_along, read
from .redistribution import move
from .types import STORED_ONLY, kind, result_type, wide_of

__all__ = ["convolve", "correlate"]

Spans = dict[int, tuple[int, int]]
"""Which part `[start, stop)` of the full convolution is wanted, for each axis that is convolved."""

TAPS = 128
"""Elements of a kernel up to which it is applied tap by tap."""

REPLICATED = 64 * 2**20
"""Bytes of a split kernel from which on it is not brought to every process."""

_CHUNK = 2**15
"""Elements of the result that stay in the cache while all taps are added."""

_BLOCKS = 2**18
"""Elements that are transformed at a time."""


# --- distributed ------------------------------------------------------------------------------------------------------


def convolve_spans(x: DNDarray, kernel: DNDarray, spans: Spans, method: str = "auto") -> DNDarray:
    """Some part of the full convolution of two arrays of one dtype and as many axes; other axes broadcast.

    `method` is "direct" (tap by tap), "fft", or "auto" for what is faster and, for integers, exact.
    """
    if math.prod(kernel.shape[a] for a in spans) > math.prod(x.shape[a] for a in spans):
        x, kernel = kernel, x
    comm = same_comm([x, kernel])
    x = _placed(x, kernel, spans)
    layout = x.layout
    for axis, (start, stop) in spans.items():
        if layout.shape[axis] != stop - start:
            layout = resized(layout, axis, stop - start)
    if kernel.layout.is_dealt and kernel.nbytes > REPLICATED and method != "direct" and kind(x.dtype) > 1:
        return _by_spectra(x, kernel, spans, layout)
    weights = _weights(kernel, x.layout, spans)
    tensor, leads = x.larray, {}
    for axis, (start, _) in spans.items():
        # Element i of the full convolution needs elements i - taps + 1 to i.
        taps = kernel.shape[axis]
        shares = pairwise(offsets_along(layout, axis))
        needed = [(u + start - taps + 1, v + start) if u < v else (1 - taps, 0) for u, v in shares]
        tensor, leads[axis], _ = read(tensor, x.layout, axis, needed, comm)
    return wrap(_local(tensor, weights, leads, layout.lshape(comm.rank), method), layout, comm)


def _placed(x: DNDarray, kernel: DNDarray, spans: Spans) -> DNDarray:
    """The long operand with all axes of the result, split as the kernel is if it is not split itself."""
    from .manipulation import broadcast_to

    shape = broadcast_shapes(*([1 if a in spans else n for a, n in enumerate(of.shape)] for of in (x, kernel)))
    x = broadcast_to(x, [x.shape[a] if a in spans else n for a, n in enumerate(shape)])
    if x.layout.is_dealt or not kernel.layout.is_dealt:
        return x
    layout = Layout(x.shape, kernel.layout.grid, kernel.layout.axes)
    return DNDarray(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


def _weights(kernel: DNDarray, x: Layout, spans: Spans) -> Tensor:
    """The kernel, whole along the axes that are convolved and cut as `x` is along the others."""
    kept = [a is not None and a not in spans and kernel.shape[a] == x.shape[a] for a in x.axes]
    axes = tuple(a if keep else None for a, keep in zip(x.axes, kept, strict=True))
    layout = Layout(kernel.shape, x.grid, axes, [c if keep else None for c, keep in zip(x.counts, kept, strict=True)])
    tensor = move(kernel.larray, kernel.layout, layout, kernel.comm)
    shared = [g for g, (a, b) in enumerate(zip(x.axes, axes, strict=True)) if a is not None and b is None]
    return use_in_split(tensor, kernel.comm.along(x.grid, shared)) if shared and needs_grad(tensor) else tensor


def _by_spectra(x: DNDarray, kernel: DNDarray, spans: Spans, layout: Layout) -> DNDarray:
    """The product of distributed Fourier transforms, for two large operands."""
    from . import fft
    from .indexing import getitem

    axes = list(spans)
    lengths = [2 * fast_length(-(-(x.shape[a] + kernel.shape[a] - 1) // 2)) for a in axes]
    forward, back = (fft.fftn, fft.ifftn) if x.dtype.is_complex else (fft.rfftn, fft.irfftn)
    product_ = FUNCTIONS["multiply"](forward(x, lengths, axes), forward(kernel, lengths, axes))
    full = back(product_, lengths, axes)
    result = getitem(full, tuple(slice(*spans.get(a, (None,))) for a in range(x.ndim)))
    return wrap(move(result.larray, result.layout, layout, x.comm), layout, x.comm)


# --- on one process ---------------------------------------------------------------------------------------------------


def _local(tensor: Tensor, kernel: Tensor, leads: dict[int, int], shape: tuple[int, ...], method: str) -> Tensor:
    """The result from what was read: along each axis that is convolved its first element lacks `leads` elements."""
    dtype = tensor.dtype
    if dtype in STORED_ONLY or dtype is torch.bool:
        tensor, kernel = tensor.to(torch.int64), kernel.to(torch.int64)
    tensor, kernel = tensor.to(wide_of(tensor.dtype)), kernel.to(wide_of(tensor.dtype))
    if method == "auto":
        method = "fft" if math.prod(kernel.shape[a] for a in leads) > TAPS and _is_safe(tensor, kernel) else "direct"
    if math.prod(shape) == 0:
        result = tensor.new_zeros(shape) + (tensor.sum() * kernel.sum()).to(tensor.dtype)
    elif method == "direct":
        result = _tap_by_tap(tensor, kernel, leads, shape)
    elif kind(tensor.dtype) == 1:
        result = _by_blocks(tensor.double(), kernel.double(), leads, shape).round().to(tensor.dtype)
    else:
        result = _by_blocks(tensor, kernel, leads, shape)
    return result if result.dtype is dtype else result.to(dtype)


def _is_safe(tensor: Tensor, kernel: Tensor) -> bool:
    """Whether the transforms' error is far below one half, so that rounding makes integers exact."""
    if kind(tensor.dtype) > 1:
        return True
    return bool(tensor.double().norm() * kernel.double().norm() < 2.0**42)


def _tap_by_tap(tensor: Tensor, kernel: Tensor, leads: dict[int, int], shape: tuple[int, ...]) -> Tensor:
    taps = [kernel.shape[a] for a in leads]
    recorded = needs_grad(tensor, kernel)
    if tensor.ndim == 1 and tensor.device.type == "cpu" and not recorded:
        a, v = (t.detach().resolve_conj().resolve_neg().numpy() for t in (tensor, kernel))
        full = torch.from_numpy(np.convolve(a, v))
        return full.narrow(0, taps[0] - 1 - leads[0], shape[0])
    weights: Sequence[Any]
    if recorded or kernel.numel() > math.prod(taps):  # a tap is a tensor, across the axes that are not convolved
        others = (a for a in range(kernel.ndim) if a not in leads)
        flat = kernel.permute(*leads, *others).flatten(0, len(taps) - 1)
        weights = [w.reshape([1 if a in leads else n for a, n in enumerate(kernel.shape)]) for w in flat]
    else:
        weights = kernel.flatten().tolist()
    result = tensor.new_zeros(shape)
    longest = max(range(tensor.ndim), key=lambda a: shape[a])
    step = shape[longest] if recorded else max(1, _CHUNK * shape[longest] // math.prod(shape))
    for first in range(0, shape[longest], step):
        whole = [(first, min(first + step, n)) if a == longest else (0, n) for a, n in enumerate(shape)]
        for weight, tap in zip(weights, product(*map(range, taps)), strict=True):
            ahead = {a: n - 1 - k - leads[a] for a, k, n in zip(leads, tap, taps, strict=True)}
            # Element i reads what is so far ahead, if there is such.
            edges = [
                (max(u, -ahead.get(a, 0)), min(v, tensor.shape[a] - ahead.get(a, 0))) for a, (u, v) in enumerate(whole)
            ]
            if any(u >= v for u, v in edges):
                continue
            part = result[tuple(slice(u, v) for u, v in edges)]
            read = tensor[tuple(slice(u + ahead.get(a, 0), v + ahead.get(a, 0)) for a, (u, v) in enumerate(edges))]
            if isinstance(weight, Tensor):
                part.addcmul_(read, weight)
            else:
                part.add_(read, alpha=weight)
    return result


def _by_blocks(tensor: Tensor, kernel: Tensor, leads: dict[int, int], shape: tuple[int, ...]) -> Tensor:
    """Overlap-save along the longest axis, the other axes at once."""
    axis = max(leads, key=lambda a: shape[a])
    taps, n = kernel.shape[axis], shape[axis]
    size = fast_length(n + taps - 1 if n <= 8 * taps else max(8 * taps, 2**12))
    step = size - taps + 1
    blocks = -(-n // step)
    padding = [0] * (2 * tensor.ndim)
    for a, lead in leads.items():
        length = (blocks * step if a == axis else shape[a]) + kernel.shape[a] - 1
        last_first = 2 * (tensor.ndim - 1 - a)
        padding[last_first : last_first + 2] = lead, length - lead - tensor.shape[a]
    windows = torch.nn.functional.pad(tensor, padding).unfold(axis, size, step)
    kernel = kernel.movedim(axis, -1).unsqueeze(axis)  # as the windows: the blocks' axis, and what is in them last
    others = [a for a in leads if a != axis]
    dims, lengths = [*others, -1], [*(fast_length(windows.shape[a]) for a in others), size]
    is_complex = tensor.is_complex()
    forward, back = (torch.fft.fftn, torch.fft.ifftn) if is_complex else (torch.fft.rfftn, torch.fft.irfftn)
    response = forward(kernel, s=lengths, dim=dims)
    parts = []
    for some in windows.split(max(1, _BLOCKS * blocks // windows.numel()), axis):
        part = back(forward(some, s=lengths, dim=dims) * response, s=lengths, dim=dims)
        for a, k in ((-1, taps), *((a, kernel.shape[a]) for a in others)):
            part = part.narrow(a, k - 1, step if a == -1 else shape[a])
        parts.append(part)
    result = torch.cat(parts, axis) if len(parts) > 1 else parts[0]
    return result.movedim(-1, axis + 1).flatten(axis, axis + 1).narrow(axis, 0, n)


# --- numpy's ----------------------------------------------------------------------------------------------------------


def span(n: int, m: int, mode: str) -> tuple[int, int]:
    """Which part of the full convolution of `n` elements with `m` a mode keeps: "same" has as many as the first."""
    if mode == "full":
        return 0, n + m - 1
    if mode == "same":
        return (m - 1) // 2, (m - 1) // 2 + n
    if mode == "valid":
        return min(n, m) - 1, max(n, m)
    raise ValueError(f"`mode` (={mode!r}) must be 'full', 'same' or 'valid'")


def operands(a: Any, v: Any) -> tuple[DNDarray, DNDarray]:
    """Two operands in their common type."""
    beside = next(((x.comm, x.device) for x in (a, v) if isinstance(x, DNDarray)), (None, None))
    x, y = as_operand(a, *beside), as_operand(v, *beside)
    dtype = result_type(x, y)
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False)


def _vectors(a: Any, v: Any) -> tuple[DNDarray, DNDarray]:
    x, y = operands(a, v)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"operands have one axis, not shapes {x.shape} and {y.shape}; see signal.convolve for more")
    if x.size == 0 or y.size == 0:
        raise ValueError(f"operands must not be empty, their shapes are {x.shape} and {y.shape}")
    return x, y


def convolve(a: Any, v: Any, mode: str = "full") -> DNDarray:
    """Linear convolution of two vectors, split as the longer one is.

    Parameters
    ----------
    a, v : array_like of one axis
    mode : 'full', 'same' or 'valid'
        All elements in which they overlap, the middle ones, as many as the longer one has, or those in which they
        overlap completely.

    Communication: one all-to-all if the longer one is split, and one collective more if the shorter one is, too.
    Kernels of more than 128 numbers are applied by Fourier transforms: a NaN then spreads beyond the kernel's length.

    >>> import dndarray as dnd
    >>> dnd.convolve([1, 2, 3], [0, 1, 1]).tolist()
    [0, 1, 3, 5, 3]
    """
    from .manipulation import ravel

    x, y = _vectors(*(ravel(o) if o.ndim == 0 else o for o in operands(a, v)))
    if y.size > x.size:
        x, y = y, x
    return convolve_spans(x, y, {0: span(x.size, y.size, mode)})


def correlate(a: Any, v: Any, mode: str = "valid") -> DNDarray:
    """Cross-correlation of two vectors: element k is the sum of a[n + k] * conj(v[n]).

    Modes, layouts and communication as in `convolve`; a split `v` is mirrored first, which is one all-to-all.

    >>> import dndarray as dnd
    >>> dnd.correlate([1, 2, 3], [0, 1, 1], "same").tolist()
    [3, 5, 3]
    """
    x, y = _vectors(a, v)
    start, stop = span(max(x.size, y.size), min(x.size, y.size), mode)
    if y.size > x.size:  # NumPy exchanges the operands, and mirrors the result
        full = x.size + y.size - 1
        start, stop = full - stop, full - start
    return convolve_spans(x, mirrored(y), {0: (start, stop)})


def mirrored(kernel: DNDarray) -> DNDarray:
    """Conjugated, and in reverse order along all axes."""
    from .manipulation import flip

    return flip(FUNCTIONS["conj"](kernel) if kernel.dtype.is_complex else kernel)
