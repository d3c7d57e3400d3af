"""Systems of equations with a triangular matrix that stays where it is.

With its columns dealt out, block k of the solution is found by the process that holds its columns. Of few right-hand
sides the blocks of the solution travel and the matrix does not; of many the panels of the matrix travel, and every
process solves for its own right-hand sides (Heath and Romine, 1988, tell of the choices).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, same_comm, wrap
from ..contraction import conjugated, operands
from ..diagonals import tril, triu
from ..layout import Layout
from ..manipulation import matrix_transpose, moveaxis, reshape
from ..redistribution import move
from ..types import promote_types
from .adjoints import differentiable
from .block_cyclic import WIDTH, Block, Columns, panels
from .matrices import adjoint, as_matrices, each_with, inexact, is_distributed_matrix

__all__ = ["solve_triangular"]

_TRANSPOSITIONS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def equations(name: str, a: Any, b: Any) -> tuple[DNDarray, DNDarray]:
    """A square matrix and right-hand sides, as arrays of one floating type; or an error."""
    a, b = operands(a, b)
    same_comm([a, b])
    dtype = promote_types(inexact(a.dtype, name), inexact(b.dtype, name))
    a, b = as_matrices(a, name, square=True).astype(dtype, copy=False), b.astype(dtype, copy=False)
    if b.ndim == 0 or b.shape[-2 if b.ndim > 1 else 0] != a.shape[-1]:
        raise ValueError(f"{name} of shapes {a.shape} and {b.shape}: `b` must have as many rows as `a`")
    return a, b


def in_columns(solve: Callable[[DNDarray, DNDarray], DNDarray], a: DNDarray, b: DNDarray) -> DNDarray:
    """`solve(a, b)` of a single matrix for right-hand sides that are a vector, a matrix, or a stack of matrices."""
    if b.ndim == 1:
        return solve(a, b[:, None])[:, 0]
    if b.ndim == 2:
        return solve(a, b)
    rows = moveaxis(b, -2, 0)
    x = moveaxis(reshape(solve(a, reshape(rows, (len(rows), math.prod(rows.shape[1:])))), rows.shape), 0, -2)
    return wrap(move(x.larray, x.layout, b.layout, b.comm), b.layout, b.comm)


def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> DNDarray:
    """The solutions x of a x = b, where `a` is triangular.

    Parameters
    ----------
    a : array_like of shape (..., n, n)
        Split in any way. The other triangle is not looked at.
    b : array_like of shape (n,) or (..., n, k)
        Split in any way.
    trans : {0, 1, 2, "N", "T", "C"}
        Solve a x = b, a^T x = b or a^H x = b.
    lower : bool
        Whether the lower triangle is meant.
    unit_diagonal : bool
        Whether the diagonal is taken to be 1, and not looked at.

    Returns
    -------
    DNDarray of the shape of `b`
        Laid out as `b`; of stacks and of a replicated `a` dealt out along a leading axis, or k, where the work is.

    Cost, for a single matrix that is split among p processes along its rows or its columns: n^2 k / p flops.
    Up to 128 right-hand sides: p messages of n k / p words, and one redistribution of `b` and of x, while `a` stays
    (about three times the flops on the critical path); more: n / 128 broadcasts of n^2 / 2 words in all, and `b` is
    dealt out along its columns. One all-reduce of a flag. On a 2-D grid the columns of `a` are dealt out first.

    Raises
    ------
    LinAlgError
        On every process, if a number on the diagonal is 0 or NaN.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a = dnd.tril(dnd.ones((4, 4), split=0))
    >>> dnd.linalg.solve_triangular(a, dnd.arange(1.0, 5.0), lower=True).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if trans not in _TRANSPOSITIONS:
        raise ValueError(f"`trans` (={trans!r}) must be 0, 1 or 2, or 'N', 'T' or 'C'")
    a, b = equations("solve_triangular", a, b)
    form = _Form(bool(lower), _TRANSPOSITIONS[trans], bool(unit_diagonal))
    if is_distributed_matrix(a):
        return in_columns(differentiable(form.solve, form.adjoint), a, b)
    if b.ndim == 1:
        return each_with(a, b[:, None], form.solve_local)[..., 0]
    return each_with(a, b, form.solve_local)


class _Form:
    """What `lower`, `trans` and `unit_diagonal` ask for."""

    def __init__(self, lower: bool, trans: int, unit: bool) -> None:
        self.lower, self.trans, self.unit = lower, trans, unit

    def solve_local(self, a: Tensor, b: Tensor) -> Tensor:
        if not self.unit and _is_singular(a.detach().diagonal(dim1=-2, dim2=-1)):
            raise LinAlgError(_SINGULAR)
        a = (a, a.mT, a.mH)[self.trans]
        return torch.linalg.solve_triangular(a, b, upper=self.lower == (self.trans > 0), unitriangular=self.unit)

    def solve(self, a: DNDarray, b: DNDarray) -> DNDarray:
        if self.trans == 2:
            return conjugated(_Form(self.lower, 1, self.unit).solve(a, conjugated(b)))
        narrow = b.shape[1] <= WIDTH
        columns, turned = _where_it_lies(a, None if narrow else WIDTH)
        if not self.unit:
            self._agree_on_diagonal(columns)
        lower, transposed = self.lower != turned, (self.trans == 1) != turned
        if narrow:
            counts = [0] * a.comm.size
            for block in columns.blocks:
                counts[block.owner] = block.width
            layout = Layout(b.shape, a.comm.grid, 0, [counts])
            local = substitute_few(columns, move(b.larray, b.layout, layout, b.comm), lower, transposed, self.unit)
        else:
            layout = Layout(b.shape, a.comm.grid, 1)
            right = move(b.larray, b.layout, layout, b.comm).mT.clone(memory_format=torch.contiguous_format)
            substitute(columns, len(columns.blocks), right, lower, transposed, self.unit)
            local = right.mT
        return wrap(move(local, layout, b.layout, b.comm), b.layout, b.comm)

    def _agree_on_diagonal(self, columns: Columns) -> None:
        own = [b for b in columns.blocks if b.owner == columns.comm.rank]
        bad = any(_is_singular(columns.local[b.here, b.start : b.stop].diagonal()) for b in own)
        if columns.comm.allreduce(torch.tensor(bad), "any"):
            raise LinAlgError(_SINGULAR)

    def adjoint(self, given: Any, found: Any, grads: Any) -> tuple[DNDarray, DNDarray]:
        (a, _), (x,), (g,) = given, found, grads
        if self.trans == 1:
            of_b = solve_triangular(conjugated(a), g, 0, self.lower, self.unit)
        else:
            of_b = solve_triangular(a, g, 2 - self.trans, self.lower, self.unit)
        if self.trans == 0:
            of_a = of_b @ adjoint(x)
        elif self.trans == 1:
            of_a = conjugated(x) @ matrix_transpose(of_b)
        else:
            of_a = x @ adjoint(of_b)
        return -(tril(of_a, -self.unit) if self.lower else triu(of_a, self.unit)), of_b


_SINGULAR = "a matrix is singular: a number on its diagonal is 0 or NaN"


def _is_singular(diagonal: Tensor) -> bool:
    return bool(((diagonal == 0) | diagonal.isnan()).any())


def _where_it_lies(x: DNDarray, width: int | None) -> tuple[Columns, bool]:
    """The matrix, or (True) its transpose, as columns dealt out as they are, in blocks of `width` or whole.

    Communication: none if one axis is dealt out among all processes, otherwise one redistribution.
    """
    comm, layout = x.comm, x.layout
    full = [a for a, p in zip(layout.axes, layout.grid.shape, strict=True) if a is not None and p == comm.size]
    if not full:
        layout = Layout(x.shape, comm.grid, 1)
        return _where_it_lies(wrap(move(x.larray, x.layout, layout, comm), layout, comm), width)
    axis = full[0]
    offsets = layout.offsets[layout.axes.index(axis)]
    assert offsets is not None
    blocks = []
    for owner, (low, high) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        step = width or max(high - low, 1)
        blocks += [Block(start, min(start + step, high), owner, start - low) for start in range(low, high, step)]
    return Columns(x.larray.mT if axis == 1 else x.larray, blocks, comm), axis == 0


def forward(corner: Tensor, below: Tensor, right: Tensor) -> None:
    """A step of forward substitution, of right-hand sides in the rows of `right`: with the first columns of a lower
    triangle, which are the rows of `corner` and `below`."""
    width = len(corner)
    x = torch.linalg.solve_triangular(corner, right[:, :width], upper=True, left=False)
    right[:, :width] = x
    right[:, width:].addmm_(x, below, alpha=-1)


def substitute(columns: Columns, steps: int, right: Tensor, lower: bool, transposed: bool, unit: bool) -> None:
    """Solve for many right-hand sides, the columns of which are the rows of `right`, in place.

    The matrix is in the first `steps` blocks of `columns`; `transposed` solves with its transpose. Communication: one
    broadcast for each block, of the triangle alone.
    """
    blocks, n = columns.blocks, columns.blocks[steps - 1].stop if steps else 0

    def extent(k: int) -> slice:
        return slice(blocks[k].start, n) if lower else slice(0, blocks[k].stop)

    def panel_of(k: int) -> Tensor:
        return columns.local[blocks[k].here, extent(k)]

    def shape_of(k: int) -> tuple[int, int]:
        return blocks[k].width, extent(k).stop - extent(k).start

    order = range(steps) if lower != transposed else range(steps - 1, -1, -1)
    for k, panel in panels(columns, order, panel_of, shape_of):
        start, stop = blocks[k].start, blocks[k].stop
        if lower:
            corner, side, rest = panel[:, : stop - start], panel[:, stop - start :], right[:, stop:n]
        else:
            corner, side, rest = panel[:, start:], panel[:, :start], right[:, :start]
        here = right[:, start:stop]
        if transposed:
            here.addmm_(rest, side.mT, alpha=-1)
            corner = corner.mT
        x = torch.linalg.solve_triangular(corner, here, upper=lower != transposed, left=False, unitriangular=unit)
        here.copy_(x)
        if not transposed:
            rest.addmm_(x, side, alpha=-1)


def substitute_few(columns: Columns, right: Tensor, lower: bool, transposed: bool, unit: bool) -> Tensor:
    """Solve for few right-hand sides, the rows of which are dealt out as the columns of the matrix.

    Communication: for each block one reduction (`transposed`: broadcast) of as many words as it has in the solution.
    """
    comm, local, own = columns.comm, columns.local, columns.own
    solution = right.clone()
    forward = lower != transposed
    for k in range(len(columns.blocks)) if forward else range(len(columns.blocks) - 1, -1, -1):
        block = columns.blocks[k]
        rows, here, mine = slice(block.start, block.stop), block.here, columns.is_mine(k)
        done, coming = slice(own[k]), slice(own[k + 1], None)
        if not forward:
            done, coming = coming, done
        if not transposed:
            total = comm.ireduce(local[done, rows].mT @ solution[done], block.owner).wait()
            if mine:
                solution[here] -= total
        if mine:
            corner = local[here, rows] if transposed else local[here, rows].mT
            solution[here] = torch.linalg.solve_triangular(
                corner, solution[here], upper=not forward, unitriangular=unit
            )
        if transposed:
            like = solution[here] if mine else solution.new_empty(()).expand(block.width, right.shape[1])
            solution[coming] -= local[coming, rows] @ comm.broadcast(like, block.owner)
    return solution
