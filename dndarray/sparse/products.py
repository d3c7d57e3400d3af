"""Products of sparse matrices with dense vectors and with few of them.

Three functions of a pattern's values `a` are each other's gradients, so that products have gradients of any order:

=========  ==========================  ==========================  ===========================
function   result                      gradient of `a` (or `u`)    gradient of `x` (or `v`)
=========  ==========================  ==========================  ===========================
forward    y_i = sum_j a_ij x_j        sample(g, conj x)           reverse(conj a, g)
reverse    y_j = sum_i a_ij x_i        sample(conj x, g)           forward(conj a, g)
sample     s_ij = sum_k u_ik v_jk      forward(g, conj v)          reverse(g, conj u)
=========  ==========================  ==========================  ===========================

Source: the splitting in a part that meets own elements and one that meets others' is PETSc's (Balay et al., 1997).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..collectives import needs_grad, use_in_split
from ..elementwise import as_operand
from ..layout import Layout
from ..memory import fresh
from ..redistribution import move
from ..types import promote_types
from .array import SparseArray, issparse
from .exchange_plan import Plan
from .kernels import DTYPES, add_product, add_transposed_product, plain, sampled
from .pattern import Pattern

__all__ = ["dot", "matmul", "reverse_matmul", "vector_layout"]


_ROUTES = 32
"""Layouts of operands for which a pattern remembers what is to be done."""


# --- local parts ------------------------------------------------------------------------------------------------------


def _forward(a: Tensor, x: Tensor, plan: Plan) -> Tensor:
    a, x = plain(a), plain(x)
    near, far = plan.blocks(a.device)
    y = fresh((plan.pattern.lshape[0], *x.shape[1:]), x).zero_()

    def add(blocks: list, operand: Tensor) -> None:
        for block in blocks:
            if isinstance(block.rows, slice):
                add_product(block.indptr, block.columns, a[block.entries], operand, y[block.rows])
            else:
                part = x.new_zeros((len(block.rows), *x.shape[1:]))
                add_product(block.indptr, block.columns, a[block.entries], operand, part)
                y.index_add_(0, block.rows, part)

    if plan.counts is None or plan.comm.size == 1:
        add(near, x)
        return y
    with plan.comm.exchanging(("forward", str(x.dtype))):
        halo, requests = plan.fetch(x)
        add(near, x)
        for request in requests:
            request.wait()
    add(far, halo)
    return y


def _reverse(a: Tensor, x: Tensor, plan: Plan) -> Tensor:
    a, x = plain(a), plain(x)
    near, far = plan.blocks(a.device)
    y = fresh((plan.width, *x.shape[1:]), x).zero_()

    def add(blocks: list, result: Tensor) -> None:
        for block in blocks:
            add_transposed_product(block.indptr, block.columns, a[block.entries], x[block.rows], result)

    if plan.counts is None:
        add(near, y)
        return plan.comm.allreduce(y) if plan.pattern.layout.is_dealt else y
    if plan.comm.size == 1:
        add(near, y)
        return y
    with plan.comm.exchanging(("reverse", str(x.dtype))):
        halo = x.new_zeros((len(plan.halo), *x.shape[1:]))
        add(far, halo)
        arriving, requests = plan.give(halo)
        add(near, y)
        for request in requests:
            request.wait()
    plan.add_arrived(arriving, y)
    return y


def _sample(u: Tensor, v: Tensor, plan: Plan) -> Tensor:
    u, v = plain(u), plain(v)
    near, far = plan.blocks(u.device)
    values = u.new_empty(plan.pattern.lnnz)

    def fill(blocks: list, operand: Tensor) -> None:
        for block in blocks:
            values[block.entries] = sampled(block.element_rows, block.columns.long(), u[block.rows], operand)

    if plan.counts is None or plan.comm.size == 1:
        fill(near, v)
        return values
    with plan.comm.exchanging(("sample", str(v.dtype))):
        halo, requests = plan.fetch(v)
        fill(near, v)
        for request in requests:
            request.wait()
    fill(far, halo)
    return values


# --- with gradients ---------------------------------------------------------------------------------------------------


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, x: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(a, x)
        return _forward(a, x, plan)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, x = ctx.saved_tensors
        needs_a, needs_x, _ = ctx.needs_input_grad
        grad_a = _Sample.apply(grad, x.conj(), ctx.plan) if needs_a else None
        return grad_a, _Reverse.apply(a.conj(), grad, ctx.plan) if needs_x else None, None


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, x: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(a, x)
        return _reverse(a, x, plan)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, x = ctx.saved_tensors
        needs_a, needs_x, _ = ctx.needs_input_grad
        grad_a = _Sample.apply(x.conj(), grad, ctx.plan) if needs_a else None
        return grad_a, _Forward.apply(a.conj(), grad, ctx.plan) if needs_x else None, None


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(u, v)
        return _sample(u, v, plan)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        u, v = ctx.saved_tensors
        needs_u, needs_v, _ = ctx.needs_input_grad
        grad_u = _Forward.apply(grad, v.conj(), ctx.plan) if needs_u else None
        return grad_u, _Reverse.apply(grad, u.conj(), ctx.plan) if needs_v else None, None


# --- arrays -----------------------------------------------------------------------------------------------------------


def vector_layout(pattern: Pattern, shape: tuple[int, ...]) -> Layout:
    """How a dense operand of this shape lies that has a row for each row of the pattern."""
    return Layout(shape, pattern.layout.grid, 0 if pattern.layout.is_dealt else None, pattern.layout.counts)


def _column_counts(pattern: Pattern, layout: Layout) -> tuple[int, ...]:
    """How vectors with an element for each column are dealt out: as they are, if by rows on the pattern's grid."""
    if layout.grid is pattern.layout.grid and layout.axes == (0,) and layout.counts[0] is not None:
        return layout.counts[0]
    return image_counts(pattern)


def image_counts(pattern: Pattern) -> tuple[int, ...]:
    """How the columns of a pattern are dealt out where nothing else says so: as the rows if they are as many."""
    m, n = pattern.shape
    counts = Layout((n,), pattern.layout.grid, 0).counts[0] if m != n else pattern.counts
    assert counts is not None
    return counts


class _Route(NamedTuple):
    """How an operand meets a matrix."""

    operand: Layout
    """To which it is brought."""
    plan: Plan
    result: Layout


def _route(A: SparseArray, layout: Layout) -> _Route:
    """What is done to an operand in this layout; worked out once."""
    pattern, key = A.pattern, (layout, A.major)
    found = pattern.routes.get(key)
    if found is None:
        if len(pattern.routes) >= _ROUTES:
            pattern.routes.clear()
        dealt, shape = pattern.layout.is_dealt, (A.shape[0], *layout.shape[1:])
        if A.major == 1:
            counts = image_counts(pattern) if dealt else None
            operand, result = (
                vector_layout(pattern, layout.shape),
                Layout(shape, A.comm.grid, 0 if dealt else None, [counts]),
            )
        else:
            counts = _column_counts(pattern, layout) if layout.is_dealt else None
            operand = layout if counts is None else Layout(layout.shape, A.comm.grid, 0, [counts])
            result = vector_layout(pattern, shape)
        found = pattern.routes[key] = _Route(operand, pattern.plan(counts), result)
    return found


def _operand(matrix: SparseArray, x: Any) -> DNDarray:
    x = as_operand(x, matrix.comm, matrix.device)
    if x.comm is not matrix.comm:
        raise ValueError("the matrix and the dense operand live on different communicators")
    if x.ndim not in (1, 2) or x.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"a sparse matrix of shape {matrix.shape} multiplies vectors ({matrix.shape[1]},) and matrices "
            f"({matrix.shape[1]}, k), not an operand of shape {x.shape}"
        )
    common = promote_types(matrix.dtype, x.dtype)
    if common not in DTYPES:
        raise TypeError(f"sparse products of {matrix.dtype} and {x.dtype} would be of {common}; convert with astype")
    return x if x.dtype is common else x.astype(common)


def matmul(A: SparseArray, x: Any) -> Any:
    """The product of a sparse matrix with a dense vector, dense columns, or another sparse matrix.

    A dense result is dealt out as A's rows (balanced, or as the columns of a square matrix, if A is dealt out by
    columns); of a replicated matrix and vector it is replicated.

    Parameters
    ----------
    A : SparseArray
    x : DNDarray or SparseArray
        Of shape (n,) or (n, k). Dealt out along its first axis by any counts it stays where it is; replicated it costs
        no message, nor do columns that are dealt out beside a replicated matrix, and the product's are dealt out
        likewise; in other layouts it is redistributed first (one exchange).

    Notes
    -----
    Communication: none where `x` is replicated and A dealt out by rows; otherwise to and from each neighbour one
    message, of those elements of `x` that the neighbour's columns touch (of the result if A is dealt out by columns),
    under way while the own ones are multiplied. What goes where is found once for every pattern (two all-to-alls).

    Cost: 2 nnz k / p flops, `plan.words` words and messages. Differentiable in the values of A and in `x`.
    """
    if issparse(x):
        from .sparse_products import multiply

        return multiply(A, x)
    x = _operand(A, x)
    if A.split is None and x.layout.is_dealt:
        return matmul(A.resplit(A.major), x) if 0 in x.layout.axes else _columnwise(A, x)
    operand, plan, result = _route(A, x.layout)
    a, local = A.data, move(x.larray, x.layout, operand, x.comm)
    a = a if a.dtype is local.dtype else a.to(local.dtype)
    if needs_grad(a, local):
        y = (_Forward if A.major == 0 else _Reverse).apply(a, local, plan)
    else:
        y = (_forward if A.major == 0 else _reverse)(a, local, plan)
    return wrap(y, result, A.comm)


def _columnwise(A: SparseArray, x: DNDarray) -> DNDarray:
    """The product of a replicated matrix with columns that are dealt out: each process multiplies its own."""
    dealt = [g for g, axis in enumerate(x.layout.axes) if axis is not None]
    values = use_in_split(A.data, x.comm.along(x.layout.grid, dealt)).to(x.dtype)
    product = (_Forward if A.major == 0 else _Reverse).apply(values, x.larray, A.pattern.plan(None))
    return wrap(product, x.layout.derive((A.shape[0], x.shape[1]), [None, 1]), x.comm)


def reverse_matmul(A: SparseArray, x: Any) -> DNDarray:
    """The product of a dense vector (m,) or matrix (k, m) with a sparse matrix: that of the transposes, transposed.

    Communication: as `matmul`.
    """
    x = as_operand(x, A.comm, A.device)
    if x.ndim not in (1, 2) or x.shape[-1] != A.shape[0]:
        raise ValueError(f"an operand of shape {x.shape} does not multiply a sparse matrix of shape {A.shape}")
    return matmul(A.T, x.T).T


def dot(A: SparseArray, x: Any) -> Any:
    """As `matmul`, or the product with a number."""
    if isinstance(x, (bool, int, float, complex)):
        return A * x
    return matmul(A, x)


# --- vectors beside a pattern -----------------------------------------------------------------------------------------


def row_values(pattern: Pattern, vector: DNDarray) -> Tensor:
    """For each element of a pattern the element of `vector` (m,) of its row. Communication: none, or one exchange."""
    part = move(vector.larray, vector.layout, vector_layout(pattern, vector.shape), vector.comm)
    return part[torch.from_numpy(pattern.rows).long().to(part.device)]


def column_values(pattern: Pattern, vector: DNDarray) -> Tensor:
    """For each element of a pattern the element of `vector` (n,) of its column. Communication: as `matmul`."""
    counts = None
    if pattern.layout.is_dealt and vector.layout.is_dealt:
        counts = _column_counts(pattern, vector.layout)
    layout = Layout(vector.shape, pattern.layout.grid, None if counts is None else 0, [counts])
    part = move(vector.larray, vector.layout, layout, vector.comm)
    return _Sample.apply(part.new_ones(pattern.lshape[0]), part, pattern.plan(counts))
