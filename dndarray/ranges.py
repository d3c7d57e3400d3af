"""Numbers in even steps from one end to another, and windows, which are functions of such numbers.

Each process computes its own elements. Nothing is communicated unless ends are given as split arrays and the result
is to be split otherwise.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray
from .broadcasting import align_to
from .communication import as_comm
from .creation import make_layout, positions
from .device import as_device
from .elementwise import FUNCTIONS, as_operand
from .layout import Split, normalize_axis
from .manipulation import broadcast_arrays, expand_dims
from .metadata import iscomplexobj
from .types import as_dtype, kind, result_type

__all__ = ["bartlett", "blackman", "geomspace", "hamming", "hanning", "kaiser", "linspace", "logspace"]


# --- between two ends -------------------------------------------------------------------------------------------------


def _spaced(
    fn: Callable[..., Tensor],
    parameters: tuple[Any, ...],
    num: int,
    dtype: Any,
    axis: int,
    split: Split,
    device: Any,
    comm: Any,
    grid: Any,
) -> DNDarray:
    """`fn(index, *parameters)` for the indices of a new axis of length `num`, computed in double precision.

    The parameters are numbers, or arrays that broadcast: then the result has their axes, too.
    """
    if num < 0:
        raise ValueError(f"`num` (={num}) must not be negative")
    given = next((p for p in parameters if isinstance(p, DNDarray)), None)
    comm = as_comm(comm) if given is None else given.comm
    place = given.device if given is not None and device is None else as_device(device)
    # Python's numbers have no width of their own, and are not to lose any on the way.
    arrays = broadcast_arrays(*(as_operand(np.asarray(p) if _is_number(p) else p, comm, place) for p in parameters))
    chosen = as_dtype(dtype) if dtype is not None else _type_of(parameters, arrays)
    axis = normalize_axis(axis, arrays[0].ndim + 1)
    arrays = tuple(expand_dims(a, axis) for a in arrays)
    shape = [num if a == axis else n for a, n in enumerate(arrays[0].shape)]
    asked = split is not None or grid is not None
    layout = make_layout(shape, split, grid, comm) if asked else arrays[0].layout.derive(shape, range(len(shape)))
    computed = torch.complex128 if any(a.dtype.is_complex for a in arrays) else torch.float64
    local = [align_to(a.larray, a.layout, layout, comm).to(place, computed) for a in arrays]
    index = positions(layout, comm, place, axis).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    values = fn(index, *local).expand(layout.lshape(comm.rank))
    return DNDarray((values.floor() if kind(chosen) == 1 else values).to(chosen), layout, comm)


def _is_number(parameter: Any) -> bool:
    return type(parameter) in (bool, int, float, complex)


def _type_of(parameters: Sequence[Any], arrays: Sequence[DNDarray]) -> torch.dtype:
    """Of the arrays among the parameters, and floating; of numbers alone torch's default."""
    weak = [p for p in parameters if _is_number(p)]
    dtypes = [a.dtype for a, p in zip(arrays, parameters, strict=True) if not _is_number(p)]
    return result_type(*(torch.float64 if kind(t) < 2 else t for t in dtypes), *weak, 1.0)


def _line(index: Tensor, start: Tensor, stop: Tensor, num: int, endpoint: bool) -> Tensor:
    """The numbers at `index` of `num` evenly spaced ones; both ends are exact."""
    parts = num - 1 if endpoint else num
    values = index * ((stop - start) / max(parts, 1)) + start
    return torch.where(index == num - 1, stop, values) if endpoint and num > 1 else values


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> Any:
    """`num` numbers evenly spaced from `start` to `stop`, which is the last one if `endpoint`. Local.

    Parameters
    ----------
    start, stop : number or array_like
        Arrays are broadcast; the result has their axes and a new one.
    num : int
    endpoint : bool
        Whether `stop` is the last number.
    retstep : bool
        Return the size of a step, too.
    dtype : optional
        By default that of the ends, and floating; of Python numbers torch's default dtype.
    axis : int
        Where the new axis is put.
    split, device, comm, grid
        As in `zeros`; by default the result is split as the ends are.

    >>> linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    num = operator.index(num)
    result = _spaced(
        lambda index, a, b: _line(index, a, b, num, endpoint),
        (start, stop),
        num,
        dtype,
        axis,
        split,
        device,
        comm,
        grid,
    )
    if not retstep:
        return result
    parts = num - 1 if endpoint else num
    if parts <= 0:
        return result, math.nan
    if _is_number(start) and _is_number(stop):
        return result, (stop - start) / parts
    return result, _spaced(lambda _, a, b: (b - a) / parts, (start, stop), 1, None, 0, None, device, comm, None)[0]


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """`num` numbers from base**start to base**stop, evenly spaced on a logarithmic scale. Local.

    Other arguments are those of `linspace`; `base` may be an array as the ends may.

    >>> logspace(0, 3, 4).tolist()
    [1.0, 10.0, 100.0, 1000.0]
    """
    num = operator.index(num)

    def values(index: Tensor, a: Tensor, b: Tensor, base: Tensor) -> Tensor:
        return torch.pow(base, _line(index, a, b, num, endpoint))

    return _spaced(values, (start, stop, base), num, dtype, axis, split, device, comm, grid)


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """`num` numbers from `start` to `stop` of which each is the same multiple of the one before. Local.

    Other arguments are those of `linspace`. Communication: ends in split arrays are checked by one all-reduce each.

    >>> geomspace(1, 8, 4).tolist()
    [1.0, 2.0, 4.0, 8.0]
    """
    num = operator.index(num)
    for end in (start, stop):
        if FUNCTIONS["any"](FUNCTIONS["equal"](end, 0)):
            raise ValueError("a geometric sequence cannot include zero")

    def values(index: Tensor, a: Tensor, b: Tensor) -> Tensor:
        unit = torch.sgn(a)
        power = torch.exp(_line(index, torch.log(a / unit), torch.log(b / unit), num, endpoint)) * unit
        power = torch.where(index == 0, a, power)  # the ends are exact
        return torch.where(index == num - 1, b, power) if endpoint and num > 1 else power

    if dtype is None and not (_is_number(start) and _is_number(stop)):  # as NumPy
        dtype = torch.complex128 if iscomplexobj(start) or iscomplexobj(stop) else torch.float64
    return _spaced(values, (start, stop), num, dtype, axis, split, device, comm, grid)


# --- windows ----------------------------------------------------------------------------------------------------------


def _window(m: int, fn: Callable[[Tensor], Tensor], split: Split, device: Any, comm: Any, grid: Any) -> DNDarray:
    """`fn` at `m` places evenly spaced on [-1, 1]."""
    comm = as_comm(comm)
    layout = make_layout(max(0, operator.index(m)), split, grid, comm)
    last = max(layout.size - 1, 1)
    place = (2 * positions(layout, comm, device) - (layout.size - 1)).to(torch.float64) / last
    return DNDarray(fn(place).to(as_dtype(float)), layout, comm)


def _cosines(*weights: float) -> Callable[[Tensor], Tensor]:
    return lambda place: sum(w * torch.cos(k * math.pi * place) for k, w in enumerate(weights))  # type: ignore[return-value]


def bartlett(
    M: int,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The triangular window of `M` points, zero at both ends. Local."""
    return _window(M, lambda place: 1 - place.abs(), split, device, comm, grid)


def blackman(
    M: int,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The Blackman window of `M` points: three terms of a cosine series. Local."""
    return _window(M, _cosines(0.42, 0.5, 0.08), split, device, comm, grid)


def hamming(
    M: int,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The Hamming window of `M` points: a raised cosine with a step at both ends. Local."""
    return _window(M, _cosines(0.54, 0.46), split, device, comm, grid)


def hanning(
    M: int,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The Hann window of `M` points: a raised cosine, zero at both ends. Local.

    >>> hanning(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(M, _cosines(0.5, 0.5), split, device, comm, grid)


def kaiser(
    M: int,
    beta: float,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """The Kaiser window of `M` points; the larger `beta`, the narrower. Local."""
    width = torch.tensor(float(beta), dtype=torch.float64, device=as_device(device))

    def values(place: Tensor) -> Tensor:
        return torch.i0(width * (1 - place**2).sqrt()) / torch.i0(width)

    return _window(M, values, split, device, comm, grid)
