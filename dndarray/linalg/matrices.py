"""Stacks of matrices: what is checked, how they are made whole, and how what comes of them is laid out.

Every function here and in the modules beside it takes matrices in the last two axes. A stack is dealt out among the
processes along its leading axes, each of which has its matrices whole: one redistribution where the matrices
themselves were dealt out. A single matrix, which has no such axes, is brought to every process unless the function
says otherwise. That costs memory for all of it on each; blocked algorithms will take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..communication import Communicator
from ..contraction import conjugated
from ..elementwise import as_operand
from ..errors import agreed
from ..layout import Layout
from ..manipulation import matrix_transpose
from ..redistribution import move
from ..types import kind

__all__ = ["adjoint", "as_matrices", "each", "inexact", "is_dealt_matrix", "place", "solvable"]


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


def is_dealt_matrix(x: DNDarray) -> bool:
    return x.ndim == 2 and x.layout.is_dealt


@contextmanager
def solvable(layout: Layout, comm: Communicator) -> Iterator[None]:
    """Torch's LinAlgError as NumPy's, and on all processes where they work on different matrices."""
    with agreed(comm) if layout.is_distributed else nullcontext():
        try:
            yield
        except torch.linalg.LinAlgError as error:
            raise LinAlgError(str(error).removeprefix("torch.")) from None


def place(x: DNDarray, source: Layout, origins: Sequence[int | None]) -> DNDarray:
    """`x` with its last axes dealt out as the axes `origins` (negative, or None) of `source` are.

    Leading axes keep their split; they come first where a grid axis can deal out one only.
    """
    lead = x.ndim - len(origins)
    axes, counts = [None] * source.grid.ndim, [None] * source.grid.ndim  # type: tuple[list[Any], list[Any]]
    for g, a in enumerate(source.axes):
        own = x.layout.axes[g] if x.layout.grid is source.grid else None
        if own is not None and own < lead:
            axes[g], counts[g] = own, x.layout.counts[g]
        elif a is not None and a - source.ndim in origins:
            axes[g] = lead + origins.index(a - source.ndim)
            counts[g] = source.counts[g] if x.shape[axes[g]] == source.shape[a] else None
    target = Layout(x.shape, source.grid, tuple(axes), counts)
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
