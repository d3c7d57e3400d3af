"""Products of arrays beyond matmul: dot, tensordot, kron, cross and their kin. Gradients: through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad

from .array import DNDarray, wrap
from .broadcasting import align
from .contraction import conjugated, contract, operands
from .diagonals import diagonal
from .elementwise import FUNCTIONS, store
from .layout import normalize_axis
from .manipulation import expand_dims, moveaxis, ravel, reshape
from .placement import Labels
from .redistribution import move
from .types import kind, result_type
from .unsigned import STAND_INS

__all__ = ["cross", "dot", "inner", "kron", "outer", "tensordot", "trace", "vdot"]

_LETTERS = "".join(map(chr, range(0x100, 0x200)))


def _over(
    a: DNDarray, b: DNDarray, axes_a: Sequence[int], axes_b: Sequence[int], out: DNDarray | None = None
) -> DNDarray:
    """Sum of products over pairs of axes; the other axes of `a` come first, then those of `b`."""
    shapes = f"shapes {a.shape} and {b.shape}, axes {tuple(axes_a)} and {tuple(axes_b)}"
    if len(axes_a) != len(axes_b) or any(a.shape[i] != b.shape[j] for i, j in zip(axes_a, axes_b, strict=True)):
        raise ValueError(f"{shapes}: the axes that are summed must be as many and as long")
    if len(set(axes_a)) < len(axes_a) or len(set(axes_b)) < len(axes_b):
        raise ValueError(f"{shapes}: an axis is summed once")
    la, lb = _LETTERS[: a.ndim], list(_LETTERS[a.ndim : a.ndim + b.ndim])
    for i, j in zip(axes_a, axes_b, strict=True):
        lb[j] = la[i]
    free = [x for i, x in enumerate(la) if i not in axes_a] + [x for j, x in enumerate(lb) if j not in axes_b]
    result = contract(a, b, Labels(la, "".join(lb), "".join(free)))
    return result if out is None else store(result, out)


def dot(a: Any, b: Any, out: DNDarray | None = None) -> DNDarray:
    """Sum of products over the last axis of `a` and the last but one of `b` (or its only one); of numbers the product.

    All other axes of `a` come first in the result, then those of `b`. Communication: as `matmul`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.dot(dnd.ones((2, 3, 4), split=0), dnd.ones((5, 4, 6))).shape
    (2, 3, 5, 6)
    """
    x, y = operands(a, b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y, out=out)
    return _over(x, y, (x.ndim - 1,), (max(y.ndim - 2, 0),), out)


def inner(a: Any, b: Any) -> DNDarray:
    """Sum of products over the last axis of both; of numbers the product. Communication: as `matmul`."""
    x, y = operands(a, b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    return _over(x, y, (x.ndim - 1,), (y.ndim - 1,))


def outer(a: Any, b: Any, out: DNDarray | None = None) -> DNDarray:
    """The product of every element of `a` with every element of `b`, both taken as vectors.

    Split along the axis of the longer split vector, the other of which every process then has. Communication: that of
    the other vector, if it is split, and as `ravel`.
    """
    x, y = (ravel(v) for v in operands(a, b))
    return FUNCTIONS["multiply"](expand_dims(x, 1), expand_dims(y, 0), out=out)


def vdot(a: Any, b: Any) -> DNDarray:
    """Sum of conj(a) * b over all elements, in C order.

    Communication: one all-reduce of a number if they lie alike; a redistribution of one if they do not, and as `ravel`
    where their shapes differ.
    """
    x, y = operands(a, b)
    if x.size != y.size:
        raise ValueError(f"vdot takes as many elements on both sides, not shapes {x.shape} and {y.shape}")
    if x.shape != y.shape:
        x, y = ravel(x), ravel(y)
    every = tuple(range(x.ndim))
    return _over(conjugated(x), y, every, every)


def tensordot(a: Any, b: Any, axes: Any = 2) -> DNDarray:
    """Sum of products over several axes.

    Parameters
    ----------
    a, b : array_like
        Split in any way.
    axes : int or pair of (sequences of) int
        The axes of `a` and those of `b` to sum over, in pairs; a number stands for so many of the last axes of `a` and
        of the first of `b`.

    Communication: as `matmul`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.tensordot(dnd.ones((3, 4, 5), split=0), dnd.ones((4, 3, 2)), ([1, 0], [0, 1])).tolist()[0]
    [12.0, 12.0]
    """
    x, y = operands(a, b)
    if not hasattr(axes, "__iter__"):
        if axes > min(x.ndim, y.ndim):
            raise ValueError(f"`axes` (={axes}) is more than shapes {x.shape} and {y.shape} have")
        axes = range(x.ndim - axes, x.ndim), range(axes)
    of_a, of_b = (v if hasattr(v, "__iter__") else (v,) for v in axes)
    pairs = [normalize_axis(i, x.ndim, "axes") for i in of_a], [normalize_axis(j, y.ndim, "axes") for j in of_b]
    return _over(x, y, *pairs)


def kron(a: Any, b: Any) -> DNDarray:
    """The Kronecker product: `a` with each element replaced by its product with `b`.

    Communication: where the larger operand is `a` (or the other one is not split), the other one is brought whole to
    where the elements of `a` are; otherwise the product is computed where the elements of `b` are and redistributed.
    """
    x, y = operands(a, b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    ndim = max(x.ndim, y.ndim)
    x, y = (expand_dims(v, tuple(range(ndim - v.ndim))) if v.ndim < ndim else v for v in (x, y))
    shape = [m * n for m, n in zip(x.shape, y.shape, strict=True)]
    pairs = FUNCTIONS["multiply"](
        expand_dims(x, tuple(range(1, 2 * ndim, 2))), expand_dims(y, tuple(range(0, 2 * ndim, 2)))
    )
    layout = pairs.layout
    if any(a is not None and a % 2 and pairs.shape[a - 1] != 1 for a in layout.axes):
        return reshape(pairs, shape)
    counts = {}
    for axis, share in zip(layout.axes, layout.counts, strict=True):
        if axis is not None and share is not None:
            counts[axis] = [n * (1 if axis % 2 else pairs.shape[axis + 1]) for n in share]
    final = layout.derive(shape, [axis // 2 for axis in range(2 * ndim)], counts)
    return wrap(pairs.larray.reshape(final.lshape(pairs.comm.rank)), final, pairs.comm)


def _vectors(x: DNDarray, axis: int) -> DNDarray:
    """`x` with the vectors along `axis` last, whole and of three components."""
    layout = x.layout.whole_along(axis)
    x = moveaxis(DNDarray(move(x.larray, x.layout, layout, x.comm), layout, x.comm), axis, -1)
    if x.shape[-1] == 3:
        return x
    return wrap(pad(x.larray, (0, 1)), x.layout.derive((*x.shape[:-1], 3), range(x.ndim)), x.comm)


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> DNDarray:
    """The cross product of vectors of two or three components, the third of which then is zero.

    Parameters
    ----------
    a, b : array_like
        Split in any way; the other axes broadcast.
    axisa, axisb, axisc : int
        Where the components are in `a`, `b` and the result. Of vectors of two components only the third component is
        computed, without an axis of its own.
    axis : int, optional
        Stands for all three of these.

    Communication: none if the components are not split and the operands lie alike; a redistribution of each operand
    that has to move otherwise.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = operands(a, b)
    if not x.ndim or not y.ndim:
        raise ValueError(f"cross takes vectors, not shapes {x.shape} and {y.shape}")
    dtype = result_type(x, y)
    if kind(dtype) == 0:
        raise TypeError("cross does not subtract bools; convert with astype")
    axisa, axisb = normalize_axis(axisa, x.ndim, "axisa"), normalize_axis(axisb, y.ndim, "axisb")
    sizes = (x.shape[axisa], y.shape[axisb])
    if not {2, 3}.issuperset(sizes):
        raise ValueError(f"cross takes vectors of 2 or 3 components, not of {sizes[0]} and {sizes[1]}")
    kernel_type = STAND_INS.get(dtype, dtype)
    x, y = _vectors(x.astype(kernel_type, copy=False), axisa), _vectors(y.astype(kernel_type, copy=False), axisb)
    tensors, layout = align([x.larray, y.larray], [x.layout, y.layout], x.comm)
    result = wrap(torch.linalg.cross(*torch.broadcast_tensors(*tensors), dim=-1).to(dtype), layout, x.comm)
    return result[..., 2] if sizes == (2, 2) else moveaxis(result, -1, axisc)


def trace(
    x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: DNDarray | None = None
) -> DNDarray:
    """Sum of the `offset`-th diagonals over two axes.

    Communication: one all-reduce if one of the two axes is split, one more of the diagonals if both are.
    """
    return FUNCTIONS["sum"](diagonal(x, offset, axis1, axis2), -1, dtype, out)
