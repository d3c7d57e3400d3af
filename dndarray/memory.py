"""Memory for what arrives, and for what is packed before it leaves."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["Staging", "fresh"]

_LARGE = 4 * 2**20
_HUGE_PAGE = 2 * 2**20


@lru_cache(maxsize=1)
def _madvise() -> Callable[[int, int], Any] | None:
    """The system's way to ask for huge pages, where there is one."""
    try:
        advise = ctypes.CDLL(None, use_errno=True).madvise
        advice = mmap.MADV_HUGEPAGE
    except (AttributeError, OSError):
        return None
    return lambda start, length: advise(ctypes.c_void_p(start), ctypes.c_size_t(length), advice)


def fresh(shape: Sequence[int], like: Tensor) -> Tensor:
    """Unset memory of the type and place of `like`.

    Large tensors come in huge pages where the system gives them: the first touch of small pages costs more than the
    data's way from another process.
    """
    tensor = torch.empty(tuple(shape), dtype=like.dtype, device=like.device)
    if tensor.nbytes >= _LARGE and tensor.device.type == "cpu" and (advise := _madvise()) is not None:
        start = -(-tensor.data_ptr() // _HUGE_PAGE) * _HUGE_PAGE
        advise(start, (tensor.data_ptr() + tensor.nbytes - start) // _HUGE_PAGE * _HUGE_PAGE)
    return tensor


class Staging:
    """Memory in which parts are packed before they travel, kept from one exchange to the next."""

    def __init__(self, most: int = 16) -> None:
        self._free: list[Tensor] = []
        self._most = most

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A tensor, and the memory behind it, to give back when it has done its work."""
        nbytes = dtype.itemsize
        for n in shape:
            nbytes *= n
        found = next((i for i, memory in enumerate(self._free) if memory.nbytes >= nbytes), None)
        memory = self._free.pop(found) if found is not None else torch.empty(max(nbytes, 1), dtype=torch.uint8)
        return memory[:nbytes].view(dtype).view(tuple(shape)), memory

    def give_back(self, memory: Tensor | None) -> None:
        if memory is not None and len(self._free) < self._most:
            self._free.append(memory)
