"""Arithmetic, comparisons and functions of the elements.

One rule: what is zero where all operands are zero is sparse, anything else (`A + 1`, `A == B`, `A < 1`) is dense.
Operands are brought to one layout: that of the first that is dealt out. A result with as many elements as an operand
has its pattern, and with it its plans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..array import DNDarray, own
from ..broadcasting import broadcast_shapes
from ..collectives import needs_grad, use_in_split
from ..elementwise import FUNCTIONS, as_operand
from ..redistribution import move
from ..types import kind, result_type
from .array import SparseArray, issparse
from .kernels import host
from .pattern import Pattern, picked
from .products import column_values, row_values
from .rearrangement import aligned, to_dense

__all__ = ["BINARY", "UNARY", "binary", "unary"]

UNARY = """
abs absolute sqrt square sin tan arcsin arctan sinh tanh arcsinh arctanh expm1 log1p sign rint floor ceil trunc
deg2rad rad2deg negative positive isnan isinf
""".split()
"""Functions that are zero at zero."""

BINARY = """
add subtract multiply divide floor_divide remainder power maximum minimum fmax fmin
equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
""".split()

_SCIPY = {"add": "__add__", "subtract": "__sub__", "multiply": "multiply"}
"""What SciPy's name is of functions that it merges two patterns for in one pass."""

_SCALARS = (bool, int, float, complex, np.generic)


def _compute(name: str, *operands: Any) -> Tensor:
    return FUNCTIONS[name](*(own(v) if isinstance(v, Tensor) else v for v in operands)).larray


def _is_zero_at_zero(name: str, *others: Any) -> bool:
    """Whether the function gives zero of zeros of these types (and of these scalars)."""
    zeros = [own(torch.zeros(1, dtype=v)) if isinstance(v, torch.dtype) else v for v in others]
    with np.errstate(all="ignore"):
        return not bool(FUNCTIONS[name](*zeros).larray.any())


def unary(name: str) -> Callable[[SparseArray], SparseArray]:
    """The elementwise function of this name, of sparse arrays."""

    def function(A: SparseArray) -> SparseArray:
        return A.with_data(_compute(name, A.data))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`numpy.{name}` of each element, which is zero at zero. Local. Differentiable."
    return function


def binary(name: str, reflected: bool = False) -> Callable[[SparseArray, Any], Any]:
    """The elementwise function of this name, of a sparse array and anything."""

    def function(A: SparseArray, other: Any) -> Any:
        return _apply(name, A, other, reflected)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"`numpy.{name}` of each element. The other operand may be sparse, dense or a number; sparse if zeros give "
        "zero, otherwise dense.\n\nCommunication: none, or what brings the other operand to this one's layout (one "
        "exchange), and one all-reduce of three numbers. Differentiable."
    )
    return function


def _apply(name: str, A: SparseArray, other: Any, reflected: bool) -> Any:
    def ordered(a: Any, b: Any) -> tuple:
        return (b, a) if reflected else (a, b)

    if isinstance(other, _SCALARS):
        other = other.item() if isinstance(other, np.generic) else other
        if _is_zero_at_zero(name, *ordered(A.dtype, other)):
            return A.with_data(_compute(name, *ordered(A.data, other)))
        return FUNCTIONS[name](*ordered(to_dense(A), other))
    if issparse(other):
        return _of_sparse(name, *ordered(A, other))
    dense = as_operand(other, A.comm, A.device)
    if not dense.ndim:
        if name in ("multiply", "divide") and not reflected:
            return A.with_data(_compute(name, A.data, dense.larray))
        return FUNCTIONS[name](*ordered(to_dense(A), dense))
    if name == "multiply" or (name == "divide" and not reflected):
        return A.with_data(_compute(name, A.data, _at(A, dense)))
    return FUNCTIONS[name](*ordered(to_dense(A), dense))


def _at(A: SparseArray, dense: DNDarray) -> Tensor:
    """The values of a dense array that broadcasts at the elements of a sparse one."""
    if broadcast_shapes(A.shape, dense.shape) != A.shape:
        raise ValueError(f"a dense operand of shape {dense.shape} does not broadcast to the sparse {A.shape}")
    x = dense.reshape((1,) * (2 - dense.ndim) + dense.shape)
    m, n = x.shape
    if (m, n) == A.shape and A.shape != (1, 1):
        part = move(x.larray, x.layout, A.layout, x.comm)
        rows, columns = (torch.from_numpy(a).long().to(part.device) for a in (A.pattern.rows, A.pattern.indices))
        return part[rows, columns] if A.major == 0 else part[columns, rows]
    if (m, n) == (1, 1):
        return use_in_split(x.reshape(()).torch(), A.comm).expand(A.data.shape)
    axis = 0 if n == 1 else 1
    vector = x[:, 0] if axis == 0 else x[0]
    return row_values(A.pattern, vector) if axis == A.major else column_values(A.pattern, vector)


# --- two sparse ones --------------------------------------------------------------------------------------------------


def _of_sparse(name: str, A: SparseArray, B: SparseArray) -> Any:
    if A.shape != B.shape:
        raise ValueError(f"sparse arrays of shapes {A.shape} and {B.shape} do not go together: shapes must be equal")
    if not _is_zero_at_zero(name, A.dtype, B.dtype):
        return FUNCTIONS[name](to_dense(A), to_dense(B))
    leader = A if A.split is not None or B.split is None else B
    A, B = (aligned(X, leader.pattern.layout, leader.major) for X in (A, B))
    if A.pattern is B.pattern:
        return A.with_data(_compute(name, A.data, B.data))
    if name in _SCIPY and kind(A.dtype) and kind(B.dtype) and not needs_grad(A.data, B.data):
        return _by_scipy(name, A, B, leader.format)
    indptr, indices, in_a, in_b = union(A.pattern, B.pattern)
    if name in ("multiply", "logical_and"):
        both = (in_a >= 0) & (in_b >= 0)
        indptr = np.concatenate([[0], np.cumsum(both)])[indptr]
        indices, in_a, in_b = indices[both], in_a[both], in_b[both]
    data = _compute(name, picked(A.data, in_a), picked(B.data, in_b))
    return SparseArray(_pattern(A, B, indptr, indices), data, leader.major, leader.format)


def _pattern(A: SparseArray, B: SparseArray, indptr: np.ndarray, indices: np.ndarray) -> Pattern:
    """The pattern of a result: that of one of them if it is the same on every process."""
    facts = torch.tensor([len(indices), *(not X.pattern.is_like(indptr, indices) for X in (A, B))])
    if A.split is not None:
        facts = A.comm.allreduce(facts)
    nnz, *differences = facts.tolist()
    same = next((X.pattern for X, differs in zip((A, B), differences, strict=True) if not differs), None)
    return same or Pattern(A.pattern.layout, A.comm, indptr, indices, nnz)


def _by_scipy(name: str, A: SparseArray, B: SparseArray, form: str) -> SparseArray:
    """The same in one pass, for what needs no gradient. Zeros that come out are not stored."""
    common = result_type(A.dtype, B.dtype)
    a, b = (X.pattern.local(host(X.data.to(common))) for X in (A, B))
    result = getattr(a, _SCIPY[name])(b)
    data = torch.from_numpy(result.data).to(A.device)
    return SparseArray(_pattern(A, B, result.indptr, result.indices), data.to(common), A.major, form)


def union(P: Pattern, Q: Pattern) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All elements of either of two patterns that lie alike: indptr, indices, and where each is in `P` and in `Q`.

    SciPy merges the two in one pass; the sums of element numbers say which came from where.
    """
    shift = (P.lnnz + 1).bit_length()
    p, q = P.places(), Q.places()
    q.data <<= shift
    merged = p + q
    return merged.indptr, merged.indices, (merged.data & (2**shift - 1)) - 1, (merged.data >> shift) - 1
