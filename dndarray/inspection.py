"""What the library says about itself: the Array API's inspection functions."""

from __future__ import annotations

from typing import Any

import torch

from .device import as_device, get_device
from .types import TYPES, as_dtype, isdtype

__all__ = ["__array_api_version__", "__array_namespace_info__"]

__array_api_version__ = "2025.12"

_NOT_STANDARD = ("float16", "bfloat16")


class NamespaceInfo:
    """What arrays can do, and where; each a method, as the Array API asks. All of it local."""

    def capabilities(self) -> dict[str, Any]:
        """What not every library can: index with masks, results whose shape depends on data; how many axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> torch.device:
        """Where arrays are made that do not name a device."""
        return get_device()

    def devices(self) -> tuple[torch.device, ...]:
        """The devices of this process."""
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return (torch.device("cpu"), *(torch.device("cuda", i) for i in range(count)))

    def default_dtypes(self, *, device: Any = None) -> dict[str, torch.dtype]:
        """The types of what has none of its own: torch's default dtype for Python floats, 64 bits for integers."""
        as_device(device)
        return {
            "real floating": as_dtype(float),
            "complex floating": as_dtype(complex),
            "integral": torch.int64,
            "indexing": torch.int64,
        }

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, torch.dtype]:
        """The standard's types by name, those of a kind or of one of several kinds (see `isdtype`)."""
        as_device(device)
        standard = {name: dtype for name, dtype in TYPES.items() if name not in _NOT_STANDARD}
        return {name: dtype for name, dtype in standard.items() if kind is None or isdtype(dtype, kind)}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 - the Array API's name
    """Types, devices and capabilities, by the Array API standard's methods.

    >>> sorted(__array_namespace_info__().dtypes(kind="real floating"))
    ['float32', 'float64']
    """
    return NamespaceInfo()
