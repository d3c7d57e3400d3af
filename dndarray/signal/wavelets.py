"""Discrete wavelet transforms of periodic signals, along any axes of arrays split in any way.

Coefficient k of an axis lies where its sample 2k lies: nothing is dealt out anew, and a process reads from its
neighbours what a filter needs beyond its own part. For orthogonal wavelets and axes whose lengths 2**level divides the
transform is orthonormal. The names, arguments and structures are PyWavelets', which gives the filters, too.

Communication: for each level one all-to-all of a filter's length for each split axis that is transformed. Gradients:
through all. Types: single precision stays single, integers are computed in double precision. A NaN spreads to some
coefficients more than those whose filters meet it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch

from ..array import DNDarray, same_comm, wrap
from ..creation import zeros_like
from ..elementwise import as_operand
from ..indexing import getitem
from ..layout import Layout, normalize_axes
from ..optional import require
from ..redistribution import move
from ..types import kind, result_type
from .filter_banks import Filters, decompose_axis, doubled, is_doubled, reconstruct_axis

__all__ = ["dwtn", "idwtn", "wavedec", "wavedec2", "wavedecn", "waverec", "waverec2", "waverecn"]


def _filters(wavelet: Any) -> Filters:
    if isinstance(wavelet, str):
        wavelet = require("pywt", "denoising", what=f"the wavelet {wavelet!r}").Wavelet(wavelet)
    bank = np.asarray(getattr(wavelet, "filter_bank", wavelet), dtype=np.float64)
    if bank.ndim != 2 or len(bank) != 4 or bank.shape[1] % 2 or not bank.size:
        raise ValueError(f"a wavelet has four filters (dec_lo, dec_hi, rec_lo, rec_hi), as long, not {bank.shape}")
    return Filters(*(tuple(row) for row in bank.tolist()))


def filters_of(wavelet: Any, count: int) -> list[Filters]:
    """The filters of one wavelet, or of one for each of `count` axes."""
    several = isinstance(wavelet, (list, tuple)) and all(
        isinstance(w, str) or hasattr(w, "filter_bank") for w in wavelet
    )
    if several and len(wavelet) not in (1, count):
        raise ValueError(f"{len(wavelet)} wavelets for {count} axes: give one, or one for each")
    found = [_filters(w) for w in wavelet] if several else [_filters(wavelet)]
    return found * count if len(found) == 1 else found


def _check_mode(mode: Any) -> None:
    for m in mode if isinstance(mode, (list, tuple)) else [mode]:
        if m not in ("periodization", "per"):
            raise ValueError(f"`mode` (={m!r}) must be 'periodization': the other ones of PyWavelets add coefficients")


# --- all axes, all levels ---------------------------------------------------------------------------------------------


def _computed(x: DNDarray) -> DNDarray:
    return x.astype(result_type(x, torch.float32) if kind(x.dtype) > 1 else torch.float64, copy=False)


def decompose(x: DNDarray, filters: Sequence[Filters], axes: Sequence[int]) -> dict[str, DNDarray]:
    """One level: the coefficients by their names, "a" or "d" for each of the axes."""
    x = _computed(x)
    if any(x.shape[a] == 0 for a in axes):
        raise ValueError(f"an array of shape {x.shape} has no samples to transform along axes {tuple(axes)}")
    is_complex = x.dtype.is_complex
    tensors, layout = [torch.view_as_real(x.larray.resolve_conj()) if is_complex else x.larray], x.layout
    for axis, row in zip(axes, filters, strict=True):
        tensors, layout = decompose_axis(tensors, _with_parts(layout, is_complex), axis, row, x.comm)
        layout = _without_parts(layout, is_complex)
    names = map("".join, product("ad", repeat=len(axes)))
    tensors = [torch.view_as_complex(t.contiguous()) if is_complex else t for t in tensors]
    return {name: wrap(t, layout, x.comm) for name, t in zip(names, tensors, strict=True)}


def _with_parts(layout: Layout, is_complex: bool) -> Layout:
    """The layout with an axis more, of the real and the imaginary part."""
    return layout.derive((*layout.shape, 2), range(layout.ndim)) if is_complex else layout


def _without_parts(layout: Layout, is_complex: bool) -> Layout:
    return layout.derive(layout.shape[:-1], range(layout.ndim)) if is_complex else layout


def reconstruct(
    bands: dict[str, DNDarray], filters: Sequence[Filters], axes: Sequence[int], target: Layout | None = None
) -> DNDarray:
    """One level back, from coefficients by their names; in `target`, which may lack the last sample of an axis.

    Communication: as `decompose`, and one exchange more if the coefficients do not lie alike, or not with `target`.
    """
    comm, layout = same_comm(list(bands.values())), next(iter(bands.values())).layout
    dtype = result_type(*(_computed(x) for x in bands.values()))
    is_complex = dtype.is_complex
    tensors = []
    for name in map("".join, product("ad", repeat=len(axes))):
        x = bands.get(name)
        if x is None:
            sample = next(iter(bands.values())).larray
            tensor = sample.new_zeros(layout.lshape(comm.rank), dtype=dtype)
        else:
            tensor = move(x.larray, x.layout, layout, comm).to(dtype)
        tensors.append(torch.view_as_real(tensor.resolve_conj()) if is_complex else tensor)
    wanted = layout
    for axis in axes:
        wanted = doubled(wanted, axis)
    final = wanted if target is None else target
    for axis, row in reversed(list(zip(axes, filters, strict=True))):
        following = doubled(layout, axis)
        near = _along(following, final, axis)
        following = near if is_doubled(near, layout, axis) else following
        lies = _with_parts(layout, is_complex)
        tensors = reconstruct_axis(tensors, lies, axis, row, comm, _with_parts(following, is_complex))
        layout = following
    tensor = torch.view_as_complex(tensors[0].contiguous()) if is_complex else tensors[0]
    result = wrap(tensor, layout, comm)
    if target is None or layout is target:
        return result
    cropped = getitem(result, tuple(slice(n) for n in target.shape))
    return DNDarray(move(cropped.larray, cropped.layout, target, comm), target, comm)


def _along(layout: Layout, target: Layout, axis: int) -> Layout:
    """The layout, but along one axis that of `target`, if the same grid axis deals it out."""
    g = layout.grid_axis(axis)
    if layout.grid is not target.grid or g != target.grid_axis(axis):
        return layout
    shape = [target.shape[a] if a == axis else n for a, n in enumerate(layout.shape)]
    counts = {} if g is None else {axis: target.counts[g]}
    return layout.derive(shape, range(layout.ndim), counts)  # type: ignore[arg-type]


def decompose_levels(
    x: DNDarray, filters: Sequence[Filters], axes: Sequence[int], level: int | None
) -> tuple[DNDarray, list[dict[str, DNDarray]]]:
    """The last approximation, and the details of all levels, the last one first."""
    if level is None:
        level = min(_max_level(x.shape[a], row.taps) for a, row in zip(axes, filters, strict=True))
    if level < 0:
        raise ValueError(f"`level` (={level}) must not be negative")
    details: list[dict[str, DNDarray]] = []
    for _ in range(level):
        bands = decompose(x, filters, axes)
        x = bands.pop("a" * len(axes))
        details.insert(0, bands)
    return x, details


def _max_level(n: int, taps: int) -> int:
    """The level up to which some coefficient is free of the ends of `n` samples."""
    return max(0, math.floor(math.log2(n / (taps - 1)))) if n >= taps - 1 else 0


def reconstruct_levels(
    x: DNDarray,
    details: Sequence[dict[str, DNDarray]],
    filters: Sequence[Filters],
    axes: Sequence[int],
    target: Layout | None = None,
) -> DNDarray:
    """The array of an approximation and details, the last level first; in `target`, if that is given."""
    approximation = "a" * len(axes)
    for i, bands in enumerate(details):
        shapes = {b.shape for b in (x, *bands.values())}
        if len(shapes) > 1:
            raise ValueError(f"the coefficients of a level must be of one shape, not {sorted(shapes)}")
        finer = next(iter(details[i + 1].values()), None) if i + 1 < len(details) else None
        x = reconstruct({approximation: x, **bands}, filters, axes, _next_layout(x, axes, finer, target))
    return x


def _next_layout(x: DNDarray, axes: Sequence[int], finer: DNDarray | None, target: Layout | None) -> Layout | None:
    """How the details lie with which the signal of `x` is to be joined, which may lack its last sample."""
    layout = target if finer is None else finer.layout
    if layout is None or finer is None:
        return layout
    for a in range(x.ndim):
        n = x.shape[a]
        if layout.shape[a] not in ((2 * n - 1, 2 * n) if a in axes else (n,)):
            raise ValueError(f"coefficients of shapes {x.shape} and {layout.shape} are not of successive levels")
    return layout


# --- PyWavelets' ------------------------------------------------------------------------------------------------------


def _distinct(axes: Any, ndim: int, count: int | None = None) -> tuple[int, ...]:
    if ndim < 1:
        raise ValueError("an array without axes has no signal to transform")
    axes = normalize_axes(tuple(axes) if isinstance(axes, Iterable) else axes, ndim, "axes")
    if count is not None and len(axes) != count:
        raise ValueError(f"`axes` (={axes}) must be {count}")
    return axes


def dwtn(data: Any, wavelet: Any, mode: Any = "periodization", axes: Any = None) -> dict[str, DNDarray]:
    """One level of a discrete wavelet transform of a periodic signal, along several axes.

    Parameters
    ----------
    data : array_like
        Split in any way. Of an odd number of samples the last one counts twice.
    wavelet : str, pywt.Wavelet, four filters, or one of the first two for each axis
        A name of PyWavelets', or the filters dec_lo, dec_hi, rec_lo and rec_hi, of one even length.
    mode : 'periodization'
    axes : int or sequence of int, optional
        All axes by default.

    Returns
    -------
    dict
        Of arrays of half the length along the axes, named by "a" (approximation) or "d" (detail) for each of them.
        Coefficient k lies where sample 2k does.

    Communication: one all-to-all for each split axis that is transformed.

    >>> import dndarray as dnd
    >>> bands = dnd.signal.dwtn(dnd.array([[1.0, 1.0], [3.0, 3.0]], split=0), "haar")
    >>> {name: round(band.item(), 6) for name, band in bands.items()}
    {'aa': 4.0, 'ad': 0.0, 'da': -2.0, 'dd': 0.0}
    """
    _check_mode(mode)
    x = as_operand(data)
    axes = _distinct(axes, x.ndim)
    return decompose(x, filters_of(wavelet, len(axes)), axes)


def idwtn(coeffs: dict[str, Any], wavelet: Any, mode: Any = "periodization", axes: Any = None) -> DNDarray:
    """The signal of one level of coefficients: the inverse of `dwtn`, of an even number of samples.

    Samples 2k and 2k + 1 lie where coefficient k does. What is missing, or None, counts as zero.

    Parameters
    ----------
    coeffs : dict
        As from `dwtn`. Those that lie differently are brought to the layout of the first.
    wavelet, mode, axes
        As in `dwtn`.

    Communication: one all-to-all for each split axis that is transformed.
    """
    _check_mode(mode)
    bands = _bands(coeffs)
    if not bands:
        raise ValueError("`coeffs` holds no coefficients")
    ndim = next(iter(bands.values())).ndim
    count = len(next(iter(bands)))
    axes = _distinct(range(count) if axes is None else axes, ndim, count)
    return reconstruct(bands, filters_of(wavelet, count), axes)


def _bands(coeffs: dict[str, Any]) -> dict[str, DNDarray]:
    """The coefficients that are given, of one shape, with the approximation first."""
    if not isinstance(coeffs, dict):
        raise ValueError(f"the coefficients of a level are a dict from names to arrays, not a {type(coeffs).__name__}")
    given = {name: value for name, value in sorted(coeffs.items()) if value is not None}
    beside = next(((v.comm, v.device) for v in given.values() if isinstance(v, DNDarray)), (None, None))
    bands = {name: as_operand(value, *beside) for name, value in given.items()}
    if len({len(name) for name in bands}) > 1 or any(set(name) - set("ad") for name in bands):
        raise ValueError(f"coefficients are named by 'a' or 'd' for each axis, not {list(bands)}")
    if len({x.shape for x in bands.values()}) > 1:
        raise ValueError(f"the coefficients must be of one shape, not {[x.shape for x in bands.values()]}")
    return bands


def wavedecn(data: Any, wavelet: Any, mode: Any = "periodization", level: int | None = None, axes: Any = None) -> list:
    """A discrete wavelet transform of a periodic signal over several levels, along several axes.

    Parameters
    ----------
    data, wavelet, mode, axes
        As in `dwtn`.
    level : int, optional
        By default the last one of which some coefficient is free of the signal's ends.

    Returns
    -------
    list
        The last level's approximation, then for each level, the last one first, a dict of its details.

    Communication: for each level one all-to-all for each split axis that is transformed.
    """
    _check_mode(mode)
    x = as_operand(data)
    axes = _distinct(axes, x.ndim)
    approximation, details = decompose_levels(x, filters_of(wavelet, len(axes)), axes, level)
    return [approximation, *details]


def waverecn(coeffs: Sequence[Any], wavelet: Any, mode: Any = "periodization", axes: Any = None) -> DNDarray:
    """The signal of coefficients as from `wavedecn`: its inverse, of an even number of samples.

    What is missing, or None, counts as zero. The result lies with the coefficients: samples 2k and 2k + 1 where
    coefficient k of the first level does.

    Communication: as `wavedecn`, and an exchange for coefficients that do not lie as the others of their level do.
    """
    _check_mode(mode)
    if len(coeffs) < 1:
        raise ValueError("`coeffs` must hold an approximation, and a dict of details for each level")
    details = [_bands(level) for level in coeffs[1:]]
    beside = next(((v.comm, v.device) for level in details for v in level.values()), (None, None))
    first = coeffs[0]
    if first is None and details and details[0]:
        first = zeros_like(next(iter(details[0].values())))
    x = as_operand(first, *beside)
    if not details:
        return x
    axes = _distinct(axes, x.ndim)
    if any(len(name) != len(axes) for level in details for name in level):
        raise ValueError(f"details of {len(axes)} axes are named by as many letters: {[list(d) for d in details]}")
    return reconstruct_levels(x, details, filters_of(wavelet, len(axes)), axes)


def wavedec(data: Any, wavelet: Any, mode: Any = "periodization", level: int | None = None, axis: int = -1) -> list:
    """As `wavedecn`, along one axis: the last approximation, then the details, the last level first.

    >>> import dndarray as dnd
    >>> approximation, detail = dnd.signal.wavedec(dnd.array([2.0, 0.0, 1.0, 1.0], split=0), "haar", level=1)
    >>> [round(value, 4) for value in detail.tolist()]
    [1.4142, 0.0]
    """
    approximation, *details = wavedecn(data, wavelet, mode, level, (axis,))
    return [approximation, *(level["d"] for level in details)]


def waverec(coeffs: Sequence[Any], wavelet: Any, mode: Any = "periodization", axis: int = -1) -> DNDarray:
    """As `waverecn`, of coefficients as from `wavedec`."""
    if len(coeffs) < 1:
        raise ValueError("`coeffs` must hold an approximation, and details for each level")
    return waverecn([coeffs[0], *({"d": d} for d in coeffs[1:])], wavelet, mode, (axis,))


def wavedec2(
    data: Any, wavelet: Any, mode: Any = "periodization", level: int | None = None, axes: Sequence[int] = (-2, -1)
) -> list:
    """As `wavedecn`, along two axes: the last approximation, then for each level, the last one first, its horizontal,
    vertical and diagonal details, "da", "ad" and "dd".

    >>> import dndarray as dnd
    >>> images = dnd.zeros((8, 12, 3), split=0)
    >>> approximation, details = dnd.signal.wavedec2(images, "db2", level=1, axes=(0, 1))
    >>> approximation.shape, [detail.shape for detail in details]
    ((4, 6, 3), [(4, 6, 3), (4, 6, 3), (4, 6, 3)])
    """
    x = as_operand(data)
    if x.ndim < 2:
        raise ValueError(f"an array of shape {x.shape} has no two axes")
    approximation, *details = wavedecn(x, wavelet, mode, level, _distinct(axes, x.ndim, 2))
    return [approximation, *((level["da"], level["ad"], level["dd"]) for level in details)]


def waverec2(
    coeffs: Sequence[Any], wavelet: Any, mode: Any = "periodization", axes: Sequence[int] = (-2, -1)
) -> DNDarray:
    """As `waverecn`, of coefficients as from `wavedec2`."""
    if len(coeffs) < 1 or any(not isinstance(level, (list, tuple)) or len(level) != 3 for level in coeffs[1:]):
        raise ValueError("`coeffs` must hold an approximation, and for each level a tuple of three details")
    levels = [dict(zip(("da", "ad", "dd"), level, strict=True)) for level in coeffs[1:]]
    return waverecn([coeffs[0], *levels], wavelet, mode, axes)
