"""Arrays inside of xarray, which asks the arrays that it holds for a dtype of NumPy's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .array import DNDarray
from .elementwise import as_operand
from .types import numpy_dtype

if TYPE_CHECKING:
    import xarray

__all__ = ["from_xarray", "to_xarray"]


def _inside(value: Any) -> Any:
    """`value` with the arrays in it that ducks stand for."""
    if isinstance(value, Duck):
        return value.array
    if isinstance(value, (tuple, list)):
        return type(value)(_inside(v) for v in value)
    if isinstance(value, dict):
        return {key: _inside(v) for key, v in value.items()}
    return value


def _ducks(value: Any) -> Any:
    """`value` with a duck for each array in it."""
    if isinstance(value, DNDarray):
        return Duck(value)
    return type(value)(_ducks(v) for v in value) if isinstance(value, (tuple, list)) else value


class Duck(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with a dtype of NumPy's: every NumPy function, operator and method of it is the array's own."""

    __slots__ = ("array",)

    def __init__(self, array: DNDarray) -> None:
        self.array = array

    @property
    def dtype(self) -> np.dtype:
        return numpy_dtype(self.array.dtype)

    def astype(self, dtype: Any, copy: bool = True, **ignored: Any) -> Duck:
        """The array in another dtype; NumPy's options about memory order and casting have no meaning here."""
        return Duck(self.array.astype(dtype, copy=copy))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return _ducks(getattr(ufunc, method)(*_inside(inputs), **_inside(options)))

    def __array_function__(self, func: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        if func is np.result_type:
            return func(*(value.dtype if isinstance(value, Duck) else value for value in args))
        return _ducks(func(*_inside(args), **_inside(kwargs)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array.__array__(dtype, copy)

    def __getitem__(self, key: Any) -> Duck:
        return Duck(self.array[_inside(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[_inside(key)] = _inside(value)

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        return repr(self.array)

    def _repr_inline_(self, max_width: int) -> str:
        return f"dndarray, split={self.array.split}"[:max_width]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # no protocols but NumPy's: of the Array API's namespace xarray would want dtypes
            raise AttributeError(name)
        value = getattr(self.array, name)
        if not callable(value):
            return _ducks(value)
        return lambda *args, **options: _ducks(value(*_inside(args), **_inside(options)))


def to_xarray(x: Any, *args: Any, **options: Any) -> xarray.DataArray:
    """A DataArray that holds an array, sharing its memory; what is computed with it is computed by the array.

    `xarray.DataArray(x)` works, too, for what xarray does without asking for a dtype of NumPy's: arithmetic, `sel`,
    `concat`, reductions with `skipna=False`. This form is for the rest: the reductions that pass over NaN, `where`,
    `shift`, `pad`, `rolling`, `interp`, ...

    Parameters
    ----------
    x : array_like
        Split in any way.
    *args, **options
        `coords`, `dims`, `name` and `attrs`, as for `xarray.DataArray`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> x = dnd.arange(6.0, split=0).reshape(3, 2)
    >>> mean = dnd.to_xarray(x, dims=("time", "station")).mean("time")
    >>> dnd.from_xarray(mean).tolist()
    [2.0, 3.0]
    """
    try:
        import xarray
    except ImportError:
        raise ImportError("to_xarray needs xarray: pip install 'dndarray[xarray]'") from None
    return xarray.DataArray(Duck(as_operand(x)), *args, **options)


def from_xarray(data: xarray.DataArray | xarray.Variable) -> DNDarray:
    """The array that a DataArray or a Variable holds; from one of NumPy's, a replicated array. Local."""
    held = data.data
    return held.array if isinstance(held, Duck) else as_operand(held)
