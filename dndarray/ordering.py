"""The order of elements on one process: keys in NumPy's order, sorting by them, and bisection.

Everything here works on rows: tensors of shape (..., n), along whose last axis each row is a sequence of its own.
Nothing communicates. NumPy sorts values, and merges sorted runs, several times faster than torch; torch sorts long rows
of integers with their indices by radix, several times faster than NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .types import kind
from .unsigned import to_ordered

__all__ = ["bisect", "boundaries", "order", "order_keys", "sort_rows"]

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}

_RADIX = 2**16
"""Elements of a row from which on torch's radix sort of its integers is worth a call of its own."""

_CACHED = 2**18
"""Elements that are worked on in cache; of so many, radix is the fastest way to sort integers without indices, too."""


def order_keys(*values: Tensor, descending: bool = False) -> list[Tensor]:
    """Integers that are compared like the values: one tensor of them for each, two for complex128.

    The first is the most significant. NaN comes last, all NaN are equal, and -0.0 is equal to 0.0; complex numbers go
    by real, then imaginary part, those with NaN last as in NumPy.
    """
    keys = [key for value in values for key in _keys(value.detach())]
    return [~key for key in keys] if descending else keys


def _keys(values: Tensor) -> tuple[Tensor, ...]:
    if values.dtype is torch.bool:
        return (values.to(torch.uint8),)
    if values.dtype.is_floating_point:
        return (_float_keys(values),)
    if values.dtype.is_complex:
        return _complex_keys(values)
    return (to_ordered(values),)


def _float_keys(values: Tensor) -> Tensor:
    """The bits, of negative numbers all but the sign turned around."""
    result = torch.empty(values.shape, dtype=_BITS[values.element_size()], device=values.device)
    sign, largest = 8 * values.element_size() - 1, torch.iinfo(result.dtype).max
    # In parts that stay in cache, so that steps between take no memory to speak of.
    for part, keys in zip(values.reshape(-1).split(_CACHED), result.view(-1).split(_CACHED), strict=True):
        bits = (part + 0).view(keys.dtype)  # + 0 makes -0.0 positive
        torch.bitwise_xor(bits, (bits >> sign).bitwise_and_(largest), out=keys)
        keys.masked_fill_(part.isnan(), largest)
    return result


def _complex_keys(values: Tensor) -> tuple[Tensor, ...]:
    real, imag = _float_keys(values.real), _float_keys(values.imag)
    nan = torch.iinfo(real.dtype).max
    no_real, no_imag = real == nan, imag == nan
    # Keys of numbers end well below those of NaN. There (x, NaN), then (NaN, y), then (NaN, NaN) have their places.
    high = real.masked_fill(no_imag & ~no_real, nan - 2).masked_fill_(no_real & ~no_imag, nan - 1)
    low = torch.where(no_imag, real, imag)
    if values.dtype is torch.complex64:
        return ((high.to(torch.int64) << 32) + (low.to(torch.int64) - torch.iinfo(torch.int32).min),)
    return high, low


def order(keys: Sequence[Tensor], *, runs: bool = False) -> Tensor:
    """The indices that sort each row by its keys, the first the most significant; stable.

    Parameters
    ----------
    keys
        Integers, as `order_keys` gives them.
    runs
        Whether the rows consist of a few parts that are already sorted.
    """
    keys = _packed(keys)
    result: Tensor | None = None
    for key in reversed(keys):
        step = _argsort(key if result is None else key.gather(-1, result), runs and len(keys) == 1)
        result = step if result is None else result.gather(-1, step)
    assert result is not None
    return result


def _packed(keys: Sequence[Tensor]) -> Sequence[Tensor]:
    """Fewer keys of the same order: neighbours whose values fit into one number, side by side."""
    if len(keys) == 1 or not keys[0].numel():
        return keys
    packed: list[Tensor] = []
    free = 0
    for key in keys:
        low, high = (int(bound) for bound in key.aminmax())
        bits = (high - low).bit_length()
        if packed and bits <= free:
            packed[-1] = (packed[-1] << bits) | (key.to(torch.int64) - low)
            free -= bits
        else:
            fits = bits < 64
            packed.append(key.to(torch.int64) - low if fits else key)
            free = 63 - bits if fits else 0
    return packed


def _argsort(keys: Tensor, runs: bool) -> Tensor:
    if keys.device.type != "cpu":
        return torch.sort(keys, dim=-1, stable=True).indices
    if not runs and keys.shape[-1] >= _RADIX and keys.element_size() >= 4:
        rows = keys.reshape(-1, keys.shape[-1])
        return torch.stack([torch.sort(row, stable=True).indices for row in rows]).reshape(keys.shape)
    return torch.from_numpy(np.argsort(keys.numpy(), axis=-1, kind="stable"))


def sort_rows(rows: Tensor, *, descending: bool = False, runs: bool = False) -> Tensor:
    """Each row sorted.

    In memory of its own, unless they are `runs`, of a few parts that are already sorted: these are merged in place.
    """
    if rows.requires_grad or rows.device.type != "cpu" or rows.dtype is torch.bfloat16:
        return rows.gather(-1, order(order_keys(rows, descending=descending), runs=runs))
    if rows.ndim == 1 and not (runs or descending) and _RADIX <= len(rows) <= _CACHED and kind(rows.dtype) == 1:
        return torch.sort(rows).values
    values = (rows.flip(-1) if descending else rows).resolve_conj().resolve_neg().numpy()
    values = values if runs else np.array(values, order="C")
    values.sort(axis=-1, kind="stable" if runs else None)
    result = torch.from_numpy(values)
    return result.flip(-1) if descending else result


def _precede(keys: Sequence[Tensor], pivots: Sequence[Tensor], equal: bool) -> Tensor:
    """Whether keys come before pivots, or, if `equal`, are not after them."""
    result = torch.tensor(equal, device=pivots[0].device)
    for key, pivot in zip(reversed(keys), reversed(pivots), strict=True):
        result = (key < pivot) | ((key == pivot) & result)
    return result


def bisect(keys: Sequence[Tensor], pivots: Sequence[Tensor], *, right: bool = False) -> Tensor:
    """Where pivots (c, q) would go into rows of keys (c, n) that are sorted by the first, equals by the next, ...

    Before their equals, or after them if `right`. There may be fewer pivots than keys; then the leading keys count.
    Pivots lie in the range of the keys' types.
    """
    if len(pivots) == 1:
        return torch.searchsorted(keys[0], pivots[0].to(keys[0].dtype).contiguous(), right=right)
    n = keys[0].shape[-1]
    low = torch.zeros_like(pivots[0], dtype=torch.int64)
    high = torch.full_like(low, n)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        probe = middle.clamp(max=n - 1)
        probed = [key.gather(-1, probe) for key in keys[: len(pivots)]]
        after = _precede(probed, pivots, right) & (low < high)
        low, high = torch.where(after, middle + 1, low), torch.where(after, high, middle)
    return low


def boundaries(keys: Sequence[Tensor]) -> Tensor:
    """Where a new group of equals begins in a sorted sequence: a bool for each element."""
    new = torch.zeros_like(keys[0], dtype=torch.bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return new
