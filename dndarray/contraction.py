"""Contraction: products summed over axes that two arrays share, of which matmul is the best known.

Axes carry labels, as in einsum, and each grid axis is looked at alone: it deals out some label of `a` and some label
of `b`. What the two are to the product (a batch label, free in `a`, free in `b`, summed) decides what happens along it:

==========  ==========  ==============================================================================
a deals     b deals     along this grid axis
==========  ==========  ==============================================================================
batch       the same    nothing travels; the result is split alike
free        nothing     nothing travels; the result is split alike
nothing     free        nothing travels; the result is split alike
free        summed      panels of b are broadcast
summed      free        panels of a are broadcast
free        free        panels of b are broadcast; the result is split as a is
summed      the same    partial products are reduced to a result split along its first free axis
==========  ==========  ==============================================================================

Every other pair is brought to one of these by moving one operand along that grid axis (by slicing it, where it is
replicated). On a 2-D grid with rows and columns dealt out, lines four and five together are SUMMA (van de Geijn and
Watts, 1997). The next panel travels while this one is multiplied, and no more than two panels are held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .collectives import needs_grad
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .layout import Layout
from .panels import Kernel, Labels, Operand, stream, sum_over
from .redistribution import move
from .types import as_dtype, result_type

__all__ = ["contract", "matmul", "matvec", "vecdot", "vecmat"]


def _to_one_grid(a: Operand, b: Operand) -> None:
    """Bring the smaller operand to the grid of the larger, dealt out along the labels that they share."""
    if a.layout.grid is b.layout.grid:
        return
    a_leads = a.layout.is_dealt and (not b.layout.is_dealt or a.layout.size >= b.layout.size)
    leader, other = (a, b) if a_leads else (b, a)
    grid = leader.layout.grid
    dealt = [leader.deals(g) for g in range(grid.ndim)]
    shared = [label if label is not None and label in other.labels else None for label in dealt]
    other.deal(grid, shared, [None if s is None else c for s, c in zip(shared, leader.layout.counts, strict=True)])


def _settle(a: Operand, b: Operand, labels: Labels) -> None:
    """Move operands until each grid axis shows a pair of the table."""
    for _ in range(4 * a.layout.grid.ndim):
        if not any(_settle_axis(a, b, g, labels) for g in range(a.layout.grid.ndim)):
            return
    for g in range(a.layout.grid.ndim):  # layouts that chase one another: make one whole, the rest then is slicing
        b.set(g, None)
        _settle_axis(a, b, g, labels)


def _settle_axis(a: Operand, b: Operand, g: int, labels: Labels) -> bool:
    """One move along one grid axis, if its pair is not in the table."""
    x, y = a.deals(g), b.deals(g)
    if x is not None and x == y:
        if a.layout.counts[g] != b.layout.counts[g]:
            b.set(g, x, a.layout.counts[g])
            return True
        return False
    kinds = (x and labels.kind(x), y and labels.kind(y))
    if "batch" in kinds or kinds in (("summed", None), (None, "summed"), ("summed", "summed")):
        # The other operand has this label, too, and takes it.
        lead_is_a = kinds[0] == "batch" or (kinds[1] != "batch" and kinds[0] == "summed")
        leader, other, label = (a, b, x) if lead_is_a else (b, a, y)
        other.set(g, label, leader.layout.counts[g])
        return True
    travelling = {
        (op.deals(h), op is a) for op in (a, b) for h in range(a.layout.grid.ndim) if _travels(a, b, h, labels) is op
    }
    summed = {label for label, _ in travelling if label is not None and labels.kind(label) == "summed"}
    if kinds == ("free", "free") and len(travelling) > 1:
        b.set(g, None)  # columns of b travel only where nothing else does
        return True
    if kinds[0] == "summed" and kinds[1] == "free" and len(summed) > 1:
        a.set(g, None)  # panels run along one label
        return True
    return False


def _travels(a: Operand, b: Operand, g: int, labels: Labels) -> Operand | None:
    """Whose panels are broadcast along grid axis `g`."""
    x, y = a.deals(g), b.deals(g)
    if x is None or y is None or x == y or a.layout.grid.shape[g] == 1:
        return None
    return a if labels.kind(x) == "summed" else b


def _multiply(a: Operand, b: Operand, labels: Labels, target: Layout | None) -> tuple[Tensor, Layout]:
    """The local part of the product, and its layout: `target` if that is given."""
    comm = a.comm
    _to_one_grid(a, b)
    _settle(a, b, labels)
    grid = a.layout.grid
    kernel = Kernel(labels, transposed=_is_tall(a, b, labels))
    travelling = {g: op for g in range(grid.ndim) if (op := _travels(a, b, g, labels)) is not None}
    summed = tuple(
        g
        for g in range(grid.ndim)
        if a.deals(g) is not None and a.deals(g) == b.deals(g) and labels.kind(a.deals(g)) == "summed"  # type: ignore[arg-type]
    )
    axes: list[int | None] = [None] * grid.ndim
    counts: list[Any] = [None] * grid.ndim
    for g in range(grid.ndim):
        for op in (a, b):
            label = op.deals(g)
            if label is not None and label in labels.c and axes[g] is None and travelling.get(g) is not op:
                axes[g], counts[g] = labels.c.index(label), op.layout.counts[g]
    partial = None
    if travelling:
        label = next(op.deals(g) for g, op in travelling.items())
        routes = tuple(next((g for g, op in travelling.items() if op is one), None) for one in (a, b))
        partial = stream(a, b, kernel, label, routes)  # type: ignore[arg-type]
    scatter = _scatter_label(labels, axes, summed, target) if summed else None
    share: Any = None
    if any(grid.shape[g] > 1 for g in summed):
        partial, share = sum_over(a, b, kernel, summed, scatter, partial)
    elif partial is None:
        partial = kernel(a.tensor, b.tensor, kernel.empty(a.tensor, b.tensor))
    if scatter is not None:
        axes[summed[0]], counts[summed[0]] = labels.c.index(scatter), share
    sizes = dict(zip(labels.a, a.layout.shape, strict=True)) | dict(zip(labels.b, b.layout.shape, strict=True))
    layout = Layout([sizes[x] for x in labels.c], grid, tuple(axes), counts)
    assert partial is not None
    result = kernel.finish(partial)
    return (result, layout) if target is None else (move(result, layout, target, comm), target)


def _is_tall(a: Operand, b: Operand, labels: Labels) -> bool:
    """Whether panels of a large `a` travel, and this process's result has many more rows than columns."""
    grid = a.layout.grid
    if not any(_travels(a, b, g, labels) is a for g in range(grid.ndim)):
        return False
    rows = math.prod(n for x, n in zip(labels.a, a.layout.lshape(a.comm.rank), strict=True) if x not in labels.b)
    columns = math.prod(n for x, n in zip(labels.b, b.layout.lshape(b.comm.rank), strict=True) if x not in labels.a)
    return rows > 3 * columns // 2 > _LARGE


def _scatter_label(
    labels: Labels, axes: Sequence[int | None], summed: tuple[int, ...], target: Layout | None
) -> str | None:
    """The axis of the result along which a sum over processes is dealt out, None to give it to all."""
    taken = {labels.c[a] for a in axes if a is not None}
    if len(summed) > 1:
        return None
    if target is not None:
        if target.grid.ndim == len(axes):
            wanted = target.axes[summed[0]]
            return labels.c[wanted] if wanted is not None and labels.c[wanted] not in taken else None
        return None
    order = [x for x in labels.c if x not in labels.b] + [x for x in labels.c if x in labels.b]
    return next((x for x in order if x not in taken), None)


_LARGE = 256
"""Columns from which on the order of a result in memory matters to BLAS."""


class _Contract(torch.autograd.Function):
    """The gradient of a contraction is two contractions, which have gradients, too."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, layouts: tuple[Layout, Layout], labels: Labels, comm: Communicator, box: list
    ) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.layouts, ctx.labels, ctx.comm = layouts, labels, comm
        result, ctx.layout = _multiply(
            Operand(a, layouts[0], labels.a, comm), Operand(b, layouts[1], labels.b, comm), labels, None
        )
        box.append(ctx.layout)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, b = ctx.saved_tensors
        (la, lb), labels, comm = ctx.layouts, ctx.labels, ctx.comm
        grads: list[Tensor | None] = [None, None]
        if ctx.needs_input_grad[0]:
            grads[0] = _contracted(grad, b.conj(), (ctx.layout, lb), Labels(labels.c, labels.b, labels.a), comm, la)
        if ctx.needs_input_grad[1]:
            grads[1] = _contracted(a.conj(), grad, (la, ctx.layout), Labels(labels.a, labels.c, labels.b), comm, lb)
        return *grads, None, None, None, None


def _contracted(
    a: Tensor, b: Tensor, layouts: tuple[Layout, Layout], labels: Labels, comm: Communicator, target: Layout
) -> Tensor:
    """The contraction of two local parts, in layout `target`; with gradient."""
    if needs_grad(a, b):
        box: list[Layout] = []
        result = _Contract.apply(a, b, layouts, labels, comm, box)
        return move(result, box[0], target, comm)
    operands = (Operand(a, layouts[0], labels.a, comm), Operand(b, layouts[1], labels.b, comm))
    return _multiply(*operands, labels, target)[0]


def contract(a: DNDarray, b: DNDarray, labels: Labels) -> DNDarray:
    """The contraction of two arrays of one dtype whose axes carry the labels; with gradient."""
    comm = same_comm([a, b])
    if needs_grad(a.larray, b.larray):
        box: list[Layout] = []
        result = _Contract.apply(a.larray, b.larray, (a.layout, b.layout), labels, comm, box)
        return wrap(result, box[0], comm)
    x = Operand(a.larray.detach(), a.layout, labels.a, comm)
    y = Operand(b.larray.detach(), b.layout, labels.b, comm)
    return wrap(*_multiply(x, y, labels, None), comm)


_LETTERS = "abcdefghijlopqrstuvwxyz"


def matmul(x1: Any, x2: Any, /, out: DNDarray | None = None, *, dtype: Any = None) -> DNDarray:
    """Matrix product, over the last two axes; leading axes broadcast, and vectors are rows or columns, as in NumPy.

    Parameters
    ----------
    x1 : array_like of shape (..., m, k) or (k,)
    x2 : array_like of shape (..., k, n) or (k,)
        Split in any way, on any grid.
    out : DNDarray, optional
        Where to put the result.

    Returns
    -------
    DNDarray of shape (..., m, n)
        On 1-D grids split as `x1` where that is split along its rows or a leading axis, else as `x2` where that is
        split along its columns, else (both split along k) along the rows. On 2-D grids rows as `x1`, columns as `x2`.

    Communication: panels of one operand (of both on 2-D grids) are broadcast while the one before is multiplied;
    partial products are reduced part by part where both are split along k; none where neither has to travel. See the
    table at the head of this module.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a = dnd.arange(6, split=0).reshape(3, 2)
    >>> (a @ a.T).shape
    (3, 3)
    """
    a, b = as_operand(x1), as_operand(x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes arrays of one dimension or more, not shapes {a.shape} and {b.shape}; use *")
    computed = as_dtype(dtype) if dtype is not None else result_type(a, b)
    kernel_type = torch.int32 if computed is torch.bool else computed
    a, b = (x if x.dtype is kernel_type else x.astype(kernel_type) for x in (a, b))
    k = a.shape[-1]
    if b.shape[-2 if b.ndim > 1 else 0] != k:
        raise ValueError(
            f"matmul of shapes {a.shape} and {b.shape}: the last axis of the first and the last but one of "
            f"the second must agree, {k} is not {b.shape[-2 if b.ndim > 1 else 0]}"
        )
    a, b, labels = _matmul_labels(a, b)
    result = contract(a, b, labels)
    if computed is torch.bool:
        result = result.astype(torch.bool)
    return result if out is None else store(result, out)


def _matmul_labels(a: DNDarray, b: DNDarray) -> tuple[DNDarray, DNDarray, Labels]:
    """Labels of a matrix product; an axis that is stretched is taken out of the operand that stretches."""
    from .broadcasting import broadcast_shapes
    from .manipulation import squeeze

    lead_a, lead_b = a.shape[:-2], b.shape[:-2]
    lead = broadcast_shapes(lead_a, lead_b)
    letters = _LETTERS[: len(lead)]
    terms = []
    for x, own in ((a, lead_a), (b, lead_b)):
        names = letters[len(lead) - len(own) :]
        wide = lead[len(lead) - len(own) :]
        stretched = tuple(i for i, (n, m) in enumerate(zip(own, wide, strict=True)) if n != m)
        terms.append(
            (squeeze(x, stretched) if stretched else x, "".join(c for i, c in enumerate(names) if i not in stretched))
        )
    (a, names_a), (b, names_b) = terms
    la = names_a + ("mk" if a.ndim - len(names_a) == 2 else "k")
    lb = names_b + ("kn" if b.ndim - len(names_b) == 2 else "k")
    lc = letters + ("m" if "m" in la else "") + ("n" if "n" in lb else "")
    return a, b, Labels(la, lb, lc)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> DNDarray:
    """Sum of conj(x1) * x2 along `axis`; the other axes broadcast. Communication: as `matmul`."""
    from .manipulation import moveaxis

    a, b = (moveaxis(as_operand(x), axis, -1) for x in (x1, x2))
    return (FUNCTIONS["conj"](a)[..., None, :] @ b[..., :, None])[..., 0, 0]


def matvec(x1: Any, x2: Any, /) -> DNDarray:
    """Matrices of shape (..., m, k) times vectors of shape (..., k): shape (..., m). Communication: as `matmul`."""
    return (as_operand(x1) @ as_operand(x2)[..., :, None])[..., 0]


def vecmat(x1: Any, x2: Any, /) -> DNDarray:
    """Conjugated vectors (..., m) times matrices (..., m, n): shape (..., n). Communication: as `matmul`."""
    return (FUNCTIONS["conj"](x1)[..., None, :] @ as_operand(x2))[..., 0, :]
