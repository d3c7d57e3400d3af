"""The protocols by which NumPy, torch and the Array API find our functions.

One registry, keyed by the foreign function object itself, so that a name that means something else elsewhere is never
called by mistake. What is not in it raises TypeError and names what to do: nothing is gathered in silence.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np
import torch

from . import reduction, scan, ufunc_methods
from .array import DNDarray
from .collectives import needs_grad
from .elementwise import apply, as_operand
from .inspection import __array_api_version__
from .types import numpy_dtype
from .ufuncs import OPS

__all__ = ["install"]


def _size(x: DNDarray, axis: int | None = None) -> int:
    return x.size if axis is None else x.shape[axis]


def _result_type(*operands: Any) -> np.dtype:
    return np.result_type(*(numpy_dtype(x.dtype) if isinstance(x, DNDarray) else x for x in operands))


_NUMPY: dict[Any, Callable] = {
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: _size,
    np.result_type: _result_type,
}
_TORCH: dict[Any, Callable] = {}
_REMEDY = "use x.numpy() (all of it) or x.larray (this process's part)"


def _below(func: Any) -> Callable | None:
    """Our function for one of a namespace below numpy, such as numpy.linalg, whose counterpart loads at first use."""
    space = func.__module__.removeprefix("numpy.")
    if space not in ("fft", "linalg"):
        return None
    part = importlib.import_module(f"..{space}", __name__)
    return getattr(part, func.__name__) if func.__name__ in part.__all__ else None


@lru_cache(maxsize=256)
def _renamed(theirs: Callable, ours: Callable) -> dict[str, str]:
    """NumPy's names of arguments that bear others in our function, in the same places."""
    given, own = signature(theirs).parameters, signature(ours).parameters
    pairs = zip(*([p for p in f.values() if p.kind is p.POSITIONAL_OR_KEYWORD] for f in (given, own)), strict=False)
    return {a.name: b.name for a, b in pairs if a.name not in own}


def _array_function(self: DNDarray, func: Any, types: Any, args: tuple, kwargs: dict) -> Any:
    ours = _NUMPY.get(func) or _below(func)
    if ours is None:
        name = f"{func.__module__}.{func.__name__}"
        raise TypeError(f"{name} is not implemented for distributed arrays; {_REMEDY}")
    names = _renamed(func, ours) if kwargs else {}
    return ours(*args, **{names.get(name, name): value for name, value in kwargs.items()})


def _foreign(ufunc: np.ufunc, inputs: Sequence[Any], options: dict) -> Any:
    """A ufunc of somebody else's, such as SciPy's special functions: elementwise, so it is called on each part."""
    arrays = [as_operand(v) for v in inputs]
    if needs_grad(*(a.larray for a in arrays)):
        raise TypeError(f"{ufunc.__name__} has no gradient here; call it on x.detach()")

    def on_parts(*parts: torch.Tensor) -> Any:
        results = ufunc(*(part.detach().cpu().resolve_conj().resolve_neg().numpy() for part in parts))
        several = results if isinstance(results, tuple) else (results,)
        tensors = tuple(torch.as_tensor(r).to(parts[0].device) for r in several)
        return tensors if len(tensors) > 1 else tensors[0]

    return apply(on_parts, arrays, (None,) * len(arrays), **options)


def _array_ufunc(self: DNDarray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.pop("out", None)
    if out is not None:
        kwargs["out"] = out[0] if len(out) == 1 else out
    if method in ufunc_methods.__all__ and ufunc in _NUMPY:
        op = OPS.get(_NUMPY[ufunc].__name__)
        if op is not None:
            return getattr(ufunc_methods, method)(op, *inputs, **kwargs)
    along = {"reduce": reduction.BY_UFUNC, "accumulate": scan.BY_UFUNC}.get(method, {})
    if ufunc.__name__ in along and getattr(np, ufunc.__name__) is ufunc:
        kwargs.setdefault("axis", 0)
        return along[ufunc.__name__](*inputs, **kwargs)
    if method == "__call__" and ufunc not in _NUMPY and ufunc.signature is None and set(kwargs) <= {"out", "where"}:
        return _foreign(ufunc, inputs, kwargs)
    if method != "__call__" or ufunc not in _NUMPY:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise TypeError(f"numpy.{name} is not implemented for distributed arrays; {_REMEDY}")
    return _NUMPY[ufunc](*inputs, **kwargs)


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

    known = (None, "2021.12", "2022.12", "2023.12", "2024.12", __array_api_version__)
    if api_version not in known:
        raise ValueError(f"`api_version` (={api_version!r}) must be one of {', '.join(map(str, known[1:]))}, or None")
    return dndarray


_TORCH_DIFFERS = frozenset(
    """
    cov cummax cummin empty_like full_like gradient max median meshgrid min nanmedian print round sort split std unique
    var where
    """.split()
)
"""Names that torch shares with NumPy but gives other arguments or results."""


def install(functions: dict[str, Callable]) -> None:
    """Register our functions under the NumPy and torch functions of the same name, and the array's protocols."""
    for name, function in functions.items():
        foreign = getattr(np, name, None) or getattr(np.lib.stride_tricks, name, None)
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
