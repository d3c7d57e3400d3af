"""For tests, ours and users': counting what is communicated, and asserts that processes agree on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..communication import Traffic, counting, get_comm
from ..errors import agreed

__all__ = ["agreed_assert", "assert_allclose", "assert_array_equal", "count_collectives", "peak_memory"]


def count_collectives() -> AbstractContextManager[Traffic]:
    """Count what this process communicates inside the block.

    The `Traffic` that it gives has `calls` (a dict from the name of each collective to how often it was called),
    `total` and `bytes` (what this process sent).

    >>> import dndarray as dnd
    >>> with count_collectives() as c:
    ...     y = dnd.exp(dnd.ones(4, split=0)) + 1
    >>> c.calls
    {}
    """
    return counting()


@dataclass
class Peak:
    """How much memory a process has taken."""

    bytes: float = float("nan")


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure how much memory this process takes at most inside the block, beyond what it has before.

    The `Peak` that it gives has `bytes`, when the block has ended: resident memory on the host, which the allocator may
    have held before. On Linux only; NaN elsewhere. Blocks must not lie in one another. Communication: none.

    >>> import dndarray as dnd
    >>> with peak_memory() as peak:
    ...     x = dnd.ones(10**6, split=0)
    """
    peak = Peak()
    if not os.access(_FORGET, os.W_OK):
        yield peak
        return
    _FORGET.write_text("5")
    before = _resident("VmRSS")
    yield peak
    peak.bytes = _resident("VmHWM") - before


_FORGET = Path("/proc/self/clear_refs")
"""Where Linux is told to begin anew with the highest figure."""


def _resident(what: str) -> int:
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def agreed_assert(condition: bool, message: str = "") -> None:
    """An assert that fails on all processes if it fails on one."""
    with agreed(get_comm()):
        if not condition:
            raise AssertionError(message)


def compare_part(actual: Any, desired: Any, rtol: float, atol: float, check_dtype: bool = False) -> None:
    """Compare this process's part with its part of the desired array, and with the layout; other processes' not."""
    desired = desired.detach().numpy() if isinstance(desired, torch.Tensor) else np.asarray(desired)
    if not isinstance(actual, DNDarray):
        raise AssertionError(f"expected a DNDarray, got {type(actual).__name__}")
    if actual.shape != desired.shape:
        raise AssertionError(f"shape {actual.shape} is not {desired.shape}")
    expected = actual.layout.lshape(actual.comm.rank)
    if tuple(actual.larray.shape) != expected:
        raise AssertionError(f"the part has shape {tuple(actual.larray.shape)}, {actual.layout} says {expected}")
    box = tuple(slice(start, stop) for start, stop in actual.layout.box(actual.comm.rank))
    local = actual.larray.detach().cpu().resolve_conj().resolve_neg()
    part = (local.float() if local.dtype is torch.bfloat16 else local).numpy()
    if check_dtype and part.dtype != desired.dtype:
        raise AssertionError(f"dtype {part.dtype} is not {desired.dtype}")
    np.testing.assert_allclose(part, desired[box], rtol=rtol, atol=atol)


def assert_allclose(
    actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0.0, check_dtype: bool = False
) -> None:
    """Assert that an array and a NumPy array have the same shape and close elements, on all processes.

    Each process compares its own part, so nothing is gathered; and the part is compared with the layout.
    """
    with agreed(get_comm()):
        compare_part(actual, desired, rtol, atol, check_dtype)


def assert_array_equal(actual: Any, desired: Any, check_dtype: bool = True) -> None:
    """As `assert_allclose` with elements, and dtypes, equal."""
    assert_allclose(actual, desired, rtol=0, atol=0, check_dtype=check_dtype)
