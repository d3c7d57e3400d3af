"""The elementwise family: every NumPy ufunc that torch computes, one line each.

Layouts: operands are brought to one layout (`broadcasting.common_layout`). Communication: none if they lie alike, if
they are replicated or scalars; otherwise one redistribution of each operand that lies elsewhere. Gradients: torch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, same_comm
from .broadcasting import align_to, common_layout
from .communication import Communicator, get_comm
from .device import get_device
from .layout import Layout
from .redistribution import move
from .types import STORED_ONLY, TYPES, as_dtype, can_cast, floating_of, isdtype, kind, result_type
from .ufuncs import NEGATIVE_POWER, OPS, ORDERED, Op
from .unsigned import on_stand_ins

__all__ = ["FUNCTIONS", "apply", "as_operand", "check_exponents", "check_range", "compute_type", "run", "store"]

_SCALARS = (bool, int, float, complex)


# --- the engine -------------------------------------------------------------------------------------------------------


def _native(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order and, of C's two integers of 64 bits, in the one that torch knows."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array.view(array.dtype.name) if array.dtype.kind in "iu" else array


def as_operand(value: Any, comm: Communicator | None = None, device: torch.device | None = None) -> DNDarray:
    """An array from what users pass beside arrays: NumPy arrays, torch tensors and lists, the same on every process.

    What has no place of its own goes to `device`, that of the arrays beside it, or to the default device.
    """
    if isinstance(value, DNDarray):
        return value
    comm = comm or get_comm()
    if isinstance(value, Tensor):
        tensor = value
    elif isinstance(value, (np.ndarray, np.generic)):
        array = _native(np.asarray(value))
        if not array.flags.carray:  # torch takes no view of what is not writable
            array = np.require(array, None, ["C", "W"]).reshape(value.shape)
        tensor = torch.from_numpy(array)
    elif isinstance(value, _SCALARS):
        chosen = torch.uint64 if type(value) is int and value > torch.iinfo(torch.int64).max else None
        if type(value) is int:
            check_range(value, chosen or torch.int64)
        tensor = torch.tensor(value, dtype=chosen)
    elif isinstance(value, (list, tuple)):
        array = np.asarray(value)
        if array.dtype == object:
            raise TypeError(f"a {type(value).__name__} of unequal or unknown parts does not make an array: {value!r}")
        # Python's numbers have no width of their own.
        typeless = {np.dtype(float): float, np.dtype(complex): complex}.get(array.dtype)
        tensor = torch.from_numpy(_native(array)).to(as_dtype(typeless or array.dtype))
    elif hasattr(value, "__array__"):  # a data frame, say
        return as_operand(np.asarray(value), comm, device)
    else:
        raise TypeError(f"an operand must be an array, a number or a list, not {type(value).__name__}")
    if not isinstance(value, Tensor):
        tensor = tensor.to(device or get_device())
    return DNDarray(tensor, Layout(tuple(tensor.shape), comm.grid), comm)


def compute_type(op_kind: str, name: str, operands: Sequence[Any]) -> torch.dtype:
    """The type in which an operation of this kind computes on these operands."""
    common = result_type(*operands)
    if op_kind == "number":
        return torch.int8 if common is torch.bool else common
    if op_kind == "signed" and common is torch.bool:
        raise TypeError(f"{name} takes numbers, not bools; use logical_not, logical_xor or astype")
    if common.is_complex and (op_kind == "real" or name in ORDERED):
        raise TypeError(f"{name} takes real numbers, not {common}; take real parts or absolute values")
    if op_kind in ("float", "real"):
        return floating_of(common)
    if op_kind == "divide":
        return torch.float64 if kind(common) < 2 else common
    if op_kind == "logical":
        return torch.bool
    if op_kind in ("bits", "shift") and kind(common) > 1:
        raise TypeError(f"{name} takes integers and bools, not {common}")
    return torch.int8 if op_kind == "shift" and common is torch.bool else common


def check_range(scalar: Any, dtype: torch.dtype) -> None:
    """An OverflowError if an integer is none of this integer type, where torch would wrap it around or refuse it, and
    an error for a NaN or infinity, which has no integer."""
    if kind(dtype) != 1:
        return
    if isinstance(scalar, float) and math.isnan(scalar):
        raise ValueError(f"NaN is no element of an array of {dtype}")
    if type(scalar) is int or (isinstance(scalar, float) and math.isinf(scalar)):
        bounds = torch.iinfo(dtype)
        if not bounds.min <= scalar <= bounds.max:
            raise OverflowError(f"{scalar} is out of range for {dtype}, [{bounds.min}, {bounds.max}]")


def check_exponents(op: Op, computed: torch.dtype, *operands: Any, where: Any = True) -> None:
    """A ValueError if an array of integers is to be raised to powers of which one is negative, on every process.

    Communication: one all-reduce if the exponents are spread over processes, and integers.
    """
    if op.name != "power" or kind(computed) != 1 or not computed.is_signed:
        return
    negative = FUNCTIONS["less"](operands[-1], 0)
    if bool(FUNCTIONS["any"](negative if where is True else FUNCTIONS["logical_and"](negative, where))):
        raise ValueError(NEGATIVE_POWER)


def as_local(operand: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of this type from a number or the local part of an array."""
    if type(operand) not in _SCALARS:
        local = as_operand(operand, None, device).larray
        return local if local.dtype is dtype else local.to(dtype)
    check_range(operand, dtype)
    try:
        return torch.tensor(operand, dtype=dtype, device=device)
    except (RuntimeError, OverflowError):
        raise OverflowError(f"{operand!r} is out of range for {dtype}") from None


_NAMES: dict[Callable, str] = {op.fn: op.name for op in OPS.values()} | {torch.where: "where"}


def run(fn: Callable, *tensors: Tensor) -> Any:
    """`fn` of local parts, by way of stand-ins where torch has no kernels for their type."""
    if any(t.dtype in STORED_ONLY for t in tensors):
        return on_stand_ins(fn, _NAMES.get(fn), *tensors)
    return fn(*tensors)


def apply(
    fn: Callable,
    operands: Sequence[Any],
    dtypes: Sequence[torch.dtype | None],
    out: Any = None,
    where: Any = True,
) -> Any:
    """Compute `fn` on the local parts of operands brought to one layout.

    `dtypes` says for each operand in which type it takes part, None for its own. A function of several results gives,
    and takes as `out`, a tuple of arrays.
    """
    arrays = [v for v in operands if isinstance(v, DNDarray)]
    comm = same_comm(arrays)
    layouts = [v.layout if isinstance(v, DNDarray) else Layout((), comm.grid) for v in operands]
    layout = common_layout(*layouts)
    locals_ = []
    for operand, source, dtype in zip(operands, layouts, dtypes, strict=True):
        if isinstance(operand, DNDarray):
            tensor = align_to(operand.larray, source, layout, comm)
            locals_.append(tensor if dtype is None or tensor.dtype is dtype else tensor.to(dtype))
        else:
            locals_.append(as_local(operand, dtype or result_type(operand), arrays[0].device))
    results = run(fn, *locals_)
    if isinstance(results, tuple):
        outs = (None,) * len(results) if out is None else out
        if not isinstance(outs, tuple) or len(outs) != len(results):
            raise TypeError(f"`out` must be a tuple of {len(results)} arrays, one for each result")
        return tuple(_finish(r, layout, comm, o, where) for r, o in zip(results, outs, strict=True))
    return _finish(results, layout, comm, out, where)


def _finish(result: Tensor, layout: Layout, comm: Communicator, out: DNDarray | None, where: Any) -> DNDarray:
    lshape = layout.lshape(comm.rank)
    if tuple(result.shape) != lshape:
        result = result.expand(lshape)
    array = DNDarray(result, layout, comm)
    if out is not None:
        _check_out(array, out)
    if where is not True:
        mask = as_operand(where, comm, result.device)
        base = out if out is not None else DNDarray(torch.zeros_like(result), layout, comm)
        array = apply(torch.where, (mask, array, base), (torch.bool, base.dtype, base.dtype))
    return array if out is None else store(array, out)


def _check_out(array: DNDarray, out: Any) -> None:
    """An error if the array does not go into `out`, by its shape or type."""
    if not isinstance(out, DNDarray):
        raise TypeError(f"`out` must be a DNDarray, not {type(out).__name__}")
    if out.shape != array.shape:
        raise ValueError(f"`out` has shape {out.shape}, the result has shape {array.shape}")
    if not can_cast(array.dtype, out.dtype, "same_kind"):
        raise TypeError(f"a result of {array.dtype} cannot be stored in `out` of {out.dtype}; convert with astype")


def store(array: DNDarray, out: DNDarray) -> DNDarray:
    """Write `array` into `out`, which keeps its layout and type."""
    _check_out(array, out)
    out.larray.copy_(move(array.larray, array.layout, out.layout, out.comm))
    return out


def scalar_fits(scalar: Any, dtype: torch.dtype) -> bool:
    """Whether torch's own rule for a Python scalar gives what ours gives: the common case, and the fast one."""
    if type(scalar) is float:
        return dtype.is_floating_point
    return type(scalar) is int and (dtype.is_floating_point or dtype is torch.int64) and abs(scalar) < 2**53


_COMPUTED = frozenset(TYPES.values()) - STORED_ONLY
_INTEGERS = frozenset(t for t in _COMPUTED if kind(t) == 1)
_FLOATING = frozenset(t for t in _COMPUTED if kind(t) >= 2)
DIRECT: dict[str, frozenset[torch.dtype]] = {
    "same": _COMPUTED,
    "signed": _COMPUTED - {torch.bool},
    "number": _COMPUTED - {torch.bool},
    "compare": _COMPUTED,
    "test": _COMPUTED,
    "logical": _COMPUTED,
    "bits": _INTEGERS | {torch.bool},
    "shift": _INTEGERS,
    "float": _FLOATING,
    "real": frozenset(t for t in _FLOATING if not t.is_complex),
    "divide": _FLOATING,
}
"""For each kind of operation the types in which two operands of one type need no conversion."""


def _direct(op: Op) -> frozenset[torch.dtype]:
    return frozenset(t for t in DIRECT[op.kind] if op.name not in ORDERED or not t.is_complex)


def _make_unary(op: Op) -> Callable:
    fn, direct, one_result = op.fn, _direct(op), op.nout == 1

    def function(x: Any, /, out: DNDarray | None = None, *, where: Any = True, dtype: Any = None) -> Any:
        if type(x) is DNDarray and out is None and where is True and dtype is None and one_result:
            tensor = x.larray
            if tensor.dtype in direct:
                return DNDarray(fn(tensor), x.layout, x.comm)
        x = as_operand(x)
        computed = compute_type(op.kind, op.name, (x,)) if dtype is None else as_dtype(dtype)
        return apply(fn, (x,), (computed,), out, where)

    return _document(function, op, "x")


def _make_binary(op: Op) -> Callable:
    fn, direct, one_result, with_scalar = op.fn, _direct(op), op.nout == 1, op.with_scalar
    seconds = direct & _FLOATING if op.name == "power" else direct  # integers as exponents are looked at

    def function(x1: Any, x2: Any, /, out: DNDarray | None = None, *, where: Any = True, dtype: Any = None) -> Any:
        if type(x1) is DNDarray and out is None and where is True and dtype is None and one_result:
            tensor = x1.larray
            if type(x2) is DNDarray:
                other = x2.larray
                if (
                    x1.layout is x2.layout
                    and tensor.dtype is other.dtype
                    and tensor.dtype in seconds
                    and x1.comm is x2.comm
                ):
                    return DNDarray(fn(tensor, other), x1.layout, x1.comm)
            elif with_scalar is not None and tensor.dtype in direct and scalar_fits(x2, tensor.dtype):
                return DNDarray(with_scalar(tensor, x2), x1.layout, x1.comm)
        elif with_scalar is not None and type(x2) is DNDarray and out is None and where is True and dtype is None:
            tensor = x2.larray
            if tensor.dtype in seconds and scalar_fits(x1, tensor.dtype):
                return DNDarray(with_scalar(x1, tensor), x2.layout, x2.comm)
        return _binary_general(op, x1, x2, out, where, dtype)

    return _document(function, op, "x1, x2")


def _comparable(value: Any, other: Any) -> Any:
    """An integer beyond all elements of the array beside it as infinity, with which they compare alike."""
    if type(value) is int and isinstance(other, DNDarray) and kind(other.dtype) == 1:
        bounds = torch.iinfo(other.dtype)
        if not bounds.min <= value <= bounds.max:
            return math.inf if value > 0 else -math.inf
    return value


def _mixes_64_bits(x1: Any, x2: Any) -> bool:
    """Whether one is uint64 and the other signed, whose common type, float64, does not tell them all apart."""
    types = {x.dtype for x in (x1, x2) if isinstance(x, DNDarray)}
    return torch.uint64 in types and any(isdtype(t, "signed integer") for t in types)


def _binary_general(op: Op, x1: Any, x2: Any, out: DNDarray | None, where: Any, dtype: Any) -> Any:
    beside = next(((x.comm, x.device) for x in (x1, x2) if isinstance(x, DNDarray)), (None, None))
    scalars = (type(x1) in _SCALARS, type(x2) in _SCALARS)
    if all(scalars) or not scalars[0]:
        x1 = as_operand(x1, *beside)
    if not scalars[1]:
        x2 = as_operand(x2, *beside)
    if op.kind == "compare":
        x1, x2 = _comparable(x1, x2), _comparable(x2, x1)
        if dtype is None and _mixes_64_bits(x1, x2):
            return apply(op.fn, (x1, x2), (None, None), out, where)
    computed = compute_type(op.kind, op.name, (x1, x2)) if dtype is None else as_dtype(dtype)
    if op.name == "float_power":
        computed = torch.complex128 if computed.is_complex else torch.float64
    if op.name == "ldexp":  # the exponent has no say in the type
        if kind(result_type(x2)) > 1:
            raise TypeError(f"ldexp takes integers as exponents, not {result_type(x2)}")
        computed = compute_type(op.kind, op.name, (x1,)) if dtype is None else computed
        return apply(op.fn, (x1, x2), (computed, None), out, where)
    check_exponents(op, computed, x2, where=where)
    return apply(op.fn, (x1, x2), (computed, computed), out, where)


_DOC = """{summary}

Elementwise; operands broadcast and may be split in any way. Local if they lie alike, otherwise the smaller ones are
redistributed. The result has the split of the largest split operand.

Parameters
----------
{parameters}
out : DNDarray, optional
    Where to put the result, in its own layout and type.
where : array_like of bool, optional
    Where to compute; elsewhere the result is `out`'s value, or zero.
dtype : optional
    The type to compute in.

See `numpy.{name}`.
"""


def _document(function: Callable, op: Op, signature: str) -> Callable:
    function.__name__ = function.__qualname__ = op.name
    function.__module__ = "dndarray"
    lines = "\n".join(f"{p} : array_like" for p in signature.split(", "))
    function.__doc__ = _DOC.format(summary=op.summary, name=op.name, parameters=lines)
    return function


FUNCTIONS: dict[str, Callable] = {}
"""Every function of the table by each of its names."""
for _op in OPS.values():
    _function = _make_unary(_op) if _op.nin == 1 else _make_binary(_op)
    for _name in (_op.name, *_op.aliases):
        FUNCTIONS[_name] = _function
