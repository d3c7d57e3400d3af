"""The protocols by which NumPy, torch and the Array API find our functions.

One registry, keyed by the foreign function object itself, so that a name that means something else elsewhere is never
called by mistake. What is not in it raises TypeError and names what to do: nothing is gathered in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .array import DNDarray

__all__ = ["install"]


def _size(x: DNDarray, axis: int | None = None) -> int:
    return x.size if axis is None else x.shape[axis]


_NUMPY: dict[Any, Callable] = {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: _size}
_TORCH: dict[Any, Callable] = {}
_REMEDY = "use x.numpy() (all of it) or x.larray (this process's part)"


def _array_function(self: DNDarray, func: Any, types: Any, args: tuple, kwargs: dict) -> Any:
    ours = _NUMPY.get(func)
    if ours is None:
        raise TypeError(f"numpy.{func.__name__} is not implemented for distributed arrays; {_REMEDY}")
    return ours(*args, **kwargs)


def _array_ufunc(self: DNDarray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.pop("out", None)
    if out is not None:
        kwargs["out"] = out[0] if len(out) == 1 else out
    if method == "reduce" and (ours := _REDUCE.get(ufunc)) is not None:
        kwargs.setdefault("axis", 0)
        return _NUMPY[ours](*inputs, **kwargs)
    if method == "accumulate" and (ours := _ACCUMULATE.get(ufunc)) is not None:
        kwargs.setdefault("axis", 0)
        return _NUMPY[ours](*inputs, **kwargs)
    if method != "__call__" or ufunc not in _NUMPY:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise TypeError(f"numpy.{name} is not implemented for distributed arrays; {_REMEDY}")
    return _NUMPY[ufunc](*inputs, **kwargs)


_REDUCE = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
_ACCUMULATE = {np.add: np.cumsum, np.multiply: np.cumprod}


def _torch_function(cls: type, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    ours = _TORCH.get(func)
    if ours is None:
        name = getattr(func, "__name__", func)
        raise TypeError(
            f"torch.{name} is not implemented for distributed arrays; use x.torch() (all of it) or x.larray "
            "(this process's part)"
        )
    options = dict(kwargs or {})
    if "dim" in options:
        options["axis"] = options.pop("dim")
    if "keepdim" in options:
        options["keepdims"] = options.pop("keepdim")
    return ours(*args, **options)


def _namespace(self: DNDarray, *, api_version: str | None = None) -> Any:
    import dndarray

    return dndarray


_TORCH_DIFFERS = frozenset(
    {"max", "min", "std", "var", "where", "split", "print", "meshgrid", "full_like", "empty_like", "round"}
)
"""Names that torch shares with NumPy but gives other arguments or results."""


def install(functions: dict[str, Callable]) -> None:
    """Register our functions under the NumPy and torch functions of the same name, and the array's protocols."""
    for name, function in functions.items():
        foreign = getattr(np, name, None)
        if callable(foreign) and not isinstance(foreign, type):
            # One function may have several names: np.permute_dims is np.transpose, and is to take what that does.
            first = foreign not in _NUMPY or name == foreign.__name__
            _NUMPY[foreign] = function if first else _NUMPY[foreign]
        theirs = getattr(torch, name, None)
        if callable(theirs) and name not in _TORCH_DIFFERS:
            _TORCH[theirs] = function
            method = getattr(torch.Tensor, name, None)
            if method is not None:
                _TORCH[method] = function
    DNDarray.__array_function__ = _array_function  # type: ignore[attr-defined]
    DNDarray.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
    DNDarray.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]
    DNDarray.__array_namespace__ = _namespace  # type: ignore[attr-defined]
