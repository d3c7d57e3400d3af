"""Arrays from what others hold: buffers, iterators, text, DLPack; and copies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from .array import DNDarray
from .creation import array, asarray
from .device import as_device
from .elementwise import FUNCTIONS, as_operand
from .layout import Split
from .types import as_dtype, numpy_dtype

__all__ = [
    "asanyarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "astype",
    "copy",
    "from_dlpack",
    "frombuffer",
    "fromiter",
    "fromstring",
]

asanyarray = asarray  # there are no subclasses to let through


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> DNDarray:
    """`x` in another dtype and, if named, on another device; `x` itself if nothing changes and not `copy`. Local."""
    x = as_operand(x)
    return (x if device is None else x.to(as_device(device))).astype(dtype, copy)


def copy(x: Any) -> DNDarray:
    """A copy in the same layout, without gradient history. Local."""
    return as_operand(x).copy()


def ascontiguousarray(x: Any, dtype: Any = None) -> DNDarray:
    """`x`, of one dimension at least, with every process's part in C order in memory; a copy where it is not. Local."""
    from .manipulation import reshape

    x = asarray(x, dtype)
    x = x if x.ndim else reshape(x, (1,))
    return x if x.larray.is_contiguous() else DNDarray(x.larray.contiguous(), x.layout, x.comm)


def asarray_chkfinite(x: Any, dtype: Any = None, **place: Any) -> DNDarray:
    """As `asarray`, but a ValueError if there is a NaN or an infinity. Communication: one all-reduce if it is split."""
    x = asarray(x, dtype, **place)
    if not FUNCTIONS["all"](FUNCTIONS["isfinite"](x)):
        raise ValueError("the array must not hold infinities or NaN; see nan_to_num and isfinite")
    return x


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None, split: Split = None) -> DNDarray:
    """An array from any object with `__dlpack__`, the same on every process, of which each keeps its part.

    Parameters
    ----------
    x : object
        NumPy's, torch's, CuPy's, ... array; shares its memory where it can.
    device : optional
        Where the parts are to lie.
    copy : bool, optional
        True for memory of its own, False to raise a ValueError where that would be needed.
    split : int, tuple or None
        Which axis is dealt out.

    Communication: one small collective, that compares the shapes.
    """
    tensor = torch.from_dlpack(x, device=None if device is None else as_device(device), copy=copy)
    return array(tensor, copy=bool(copy), split=split, device=tensor.device)


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0, *, split: Split = None) -> DNDarray:
    """The bytes of a buffer, the same on every process, as elements in one dimension; each keeps a copy of its part.

    Communication: one small collective, that compares the lengths.
    """
    return array(np.frombuffer(buffer, numpy_dtype(as_dtype(dtype)), count, offset), split=split)


def fromiter(iter: Iterable, dtype: Any, count: int = -1, *, split: Split = None) -> DNDarray:
    """`count` numbers (-1: all) of an iterable that gives every process the same; each keeps its part.

    Every process holds all of them for a moment. Communication: one small collective, that compares the lengths.
    """
    return array(np.fromiter(iter, numpy_dtype(as_dtype(dtype)), count), split=split)


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str, split: Split = None) -> DNDarray:
    """The numbers written in a text, the same on every process, with `sep` between them; each keeps its part.

    Communication: one small collective, that compares the lengths.

    >>> fromstring("1 2 3", int, sep=" ").tolist()
    [1, 2, 3]
    """
    return array(np.fromstring(string, numpy_dtype(as_dtype(dtype)), count, sep=sep), split=split)
