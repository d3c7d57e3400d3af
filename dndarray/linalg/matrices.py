"""Stacks of matrices: what is checked, how they are made whole, and how what comes of them is laid out.

Every function here and in the modules beside it takes matrices in the last two axes. A stack is dealt out among the
processes along its leading axes, each of which has its matrices whole: one redistribution where the matrices
themselves were dealt out. A single matrix that is dealt out has no such axes, and is worked on where it lies or dealt
out in blocks in turn (`block_cyclic`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, same_comm, wrap
from ..broadcasting import align_to, common_layout, operand_layout
from ..collectives import use_in_split
from ..communication import Communicator
from ..contraction import conjugated
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Layout
from ..manipulation import matrix_transpose
from ..redistribution import move
from ..types import kind

__all__ = [
    "adjoint",
    "as_matrices",
    "check_finite",
    "each",
    "inexact",
    "is_distributed_matrix",
    "place",
    "placement",
    "solvable",
]


def inexact(dtype: torch.dtype, name: str) -> torch.dtype:
    """The type in which matrices of this one are factorised."""
    if dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"{name} does not take {dtype}; convert with astype('float32')")
    return dtype if kind(dtype) > 1 else torch.float64


def as_matrices(x: Any, name: str, square: bool = False) -> DNDarray:
    """`x` as a stack of floating matrices, or an error."""
    x = as_operand(x)
    if x.ndim < 2:
        raise LinAlgError(f"{name} takes matrices, in two dimensions or more, not shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise LinAlgError(f"{name} takes square matrices in the last two axes, not shape {x.shape}")
    return x.astype(inexact(x.dtype, name), copy=False)


def adjoint(x: DNDarray) -> DNDarray:
    """The conjugate transpose of each matrix. A view; nothing moves."""
    return conjugated(matrix_transpose(x))


def identity_like(x: DNDarray) -> DNDarray:
    """Matrices of this shape, type and layout with ones on their diagonal and zeros elsewhere."""
    (top, _), (left, _) = x.layout.box(x.comm.rank)[-2:]
    local = torch.zeros_like(x.larray.detach())
    local.diagonal(top - left, -2, -1).fill_(1)
    return wrap(local, x.layout, x.comm)


def is_distributed_matrix(x: DNDarray) -> bool:
    """Whether this is a single matrix of which some process holds less than all."""
    return x.ndim == 2 and x.layout.is_distributed


def check_finite(t: Tensor) -> Tensor:
    """The tensor, or an error if an element is infinite or NaN."""
    if not bool(t.isfinite().all()):
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    return t


@contextmanager
def solvable(layout: Layout, comm: Communicator) -> Iterator[None]:
    """Torch's LinAlgError as NumPy's, and on all processes where they work on different matrices."""
    with agreed(comm) if layout.is_distributed else nullcontext():
        try:
            yield
        except torch.linalg.LinAlgError as error:
            raise LinAlgError(str(error).removeprefix("torch.")) from None


def placement(layout: Layout, source: Layout, origins: Sequence[int | None]) -> Layout:
    """`layout` with its last axes dealt out as the axes `origins` (negative, or None) of `source` are.

    Leading axes keep their split; they come first where a grid axis can deal out one only.
    """
    lead = layout.ndim - len(origins)
    axes, counts = [None] * source.grid.ndim, [None] * source.grid.ndim  # type: tuple[list[Any], list[Any]]
    for g, a in enumerate(source.axes):
        own = layout.axes[g] if layout.grid is source.grid else None
        if own is not None and own < lead:
            axes[g], counts[g] = own, layout.counts[g]
        elif a is not None and a - source.ndim in origins:
            axes[g] = lead + origins.index(a - source.ndim)
            counts[g] = source.counts[g] if layout.shape[axes[g]] == source.shape[a] else None
    return Layout(layout.shape, source.grid, tuple(axes), counts)


def place(x: DNDarray, source: Layout, origins: Sequence[int | None]) -> DNDarray:
    """`x` with its last axes dealt out as the axes `origins` (negative, or None) of `source` are."""
    target = placement(x.layout, source, origins)
    if target is x.layout:
        return x
    # A slice would keep all of it in memory.
    return wrap(move(x.larray, x.layout, target, x.comm).clone(), target, x.comm)


def each(x: DNDarray, fn: Callable[[Tensor], Any], *origins: Sequence[int | None]) -> Any:
    """`fn`, of a tensor with a stack of matrices, for all matrices of `x`.

    Each of its results has a row of `origins`: like which axes of the matrices its last axes are laid out, if the
    matrices were dealt out and no leading axis is.
    """
    whole = x.layout.whole_along(x.ndim - 2, x.ndim - 1)
    local = move(x.larray, x.layout, whole, x.comm)
    with solvable(whole, x.comm):
        values = fn(local)
    results = []
    for value, origin in zip(values if isinstance(values, tuple) else (values,), origins, strict=True):
        core = value.shape[x.ndim - 2 :]
        layout = Layout((*x.shape[:-2], *core), whole.grid, whole.axes, whole.counts)
        results.append(place(wrap(value, layout, x.comm), x.layout, origin))
    return tuple(results) if len(origins) > 1 else results[0]


def each_with(a: DNDarray, b: DNDarray, fn: Callable[[Tensor, Tensor], Tensor]) -> DNDarray:
    """`fn`, of tensors with stacks of square matrices and of right-hand sides with as many rows, for all of them.

    The result is dealt out along a leading axis, or along the columns of `b`, where the work is; otherwise as `b`.
    """
    comm = same_comm([a, b])
    stack = a.layout.whole_along(a.ndim - 2, a.ndim - 1)
    stack = stack.derive((*a.shape[:-2], 1, 1), range(a.ndim))
    columns = b.layout.whole_along(b.ndim - 2)
    layout = common_layout(stack, columns)
    # The matrices are dealt out along the leading axes only, and with them, or with the columns, the work.
    leading = layout.derive(layout.shape[:-2], [*range(layout.ndim - 2), None, None])
    whole, _ = operand_layout(a.shape[:-2], leading)
    whole = whole.derive(a.shape, range(a.ndim - 2))
    shared = [g for g, axis in enumerate(layout.axes) if axis is not None and whole.axes[g] is None]
    matrices = use_in_split(move(a.larray, a.layout, whole, comm), comm.along(layout.grid, shared))
    right = align_to(b.larray, b.layout, layout, comm).expand(layout.lshape(comm.rank))
    with solvable(layout, comm):
        result = fn(matrices, right)
    return place(wrap(result, layout, comm), b.layout, (-2, -1))
