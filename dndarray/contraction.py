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
from typing import Any

import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .broadcasting import broadcast_shapes
from .collectives import needs_grad
from .communication import Communicator
from .elementwise import FUNCTIONS, as_operand, store
from .layout import Layout
from .panels import Kernel, Operand, stream, sum_over
from .placement import Labels, plan, spread_layout, spreads
from .redistribution import move
from .types import as_dtype, result_type
from .unsigned import STAND_INS

__all__ = ["contract", "matmul", "matvec", "vecdot", "vecmat"]


def _multiply(
    a: Tensor, b: Tensor, layouts: tuple[Layout, Layout], labels: Labels, comm: Communicator, target: Layout | None
) -> tuple[Tensor, Layout]:
    """The local part of the product, and its layout: `target` if that is given."""
    p = plan(*layouts, labels, target)
    x = Operand(move(a, layouts[0], p.a, comm), p.a, labels.a, comm)
    y = Operand(move(b, layouts[1], p.b, comm), p.b, labels.b, comm)
    kernel = Kernel(labels, transposed=p.routes[0] is not None and _is_tall(x, y))
    partial = None
    if p.panels_along is not None:
        partial = stream(x, y, kernel, p.panels_along, p.routes)
    if any(p.result.grid.shape[g] > 1 for g in p.summed):
        partial = sum_over(x, y, kernel, p.summed, p.scatter, partial)
    elif partial is None:
        partial = kernel(x.tensor, y.tensor, kernel.empty(x.tensor, y.tensor))
    result = kernel.finish(partial)
    return (result, p.result) if target is None else (move(result, p.result, target, comm), target)


def _is_tall(a: Operand, b: Operand) -> bool:
    """Whether this process's result has many more rows than columns, and both are many."""
    rows = math.prod(n for x, n in zip(a.labels, a.tensor.shape, strict=True) if x not in b.labels)
    columns = math.prod(n for x, n in zip(b.labels, b.tensor.shape, strict=True) if x not in a.labels)
    return rows > 3 * columns // 2 > _LARGE


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
        result, ctx.layout = _multiply(a, b, layouts, labels, comm, None)
        box.append(ctx.layout)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, b = ctx.saved_tensors
        (la, lb), labels, comm = ctx.layouts, ctx.labels, ctx.comm
        grads: list[Tensor | None] = [None, None]
        if ctx.needs_input_grad[0]:
            grads[0] = contracted(grad, b.conj(), (ctx.layout, lb), Labels(labels.c, labels.b, labels.a), comm, la)
        if ctx.needs_input_grad[1]:
            grads[1] = contracted(a.conj(), grad, (la, ctx.layout), Labels(labels.a, labels.c, labels.b), comm, lb)
        return *grads, None, None, None, None


def contracted(
    a: Tensor, b: Tensor, layouts: tuple[Layout, Layout], labels: Labels, comm: Communicator, target: Layout
) -> Tensor:
    """The contraction of two local parts, in layout `target`; with gradient."""
    if needs_grad(a, b):
        box: list[Layout] = []
        result = _Contract.apply(a, b, layouts, labels, comm, box)
        return move(result, box[0], target, comm)
    return _multiply(a, b, layouts, labels, comm, target)[0]


def _spread(x: DNDarray, own: str, labels: str) -> DNDarray:
    """`x` with its axes where the labels want them, of size 1 where it has none."""
    ordered = x.larray.permute([own.index(label) for label in labels if label in own])
    tensor = ordered[tuple(slice(None) if label in own else None for label in labels)]
    return DNDarray(tensor, spread_layout(x.layout, own, labels), x.comm)


def contract(a: DNDarray, b: DNDarray, labels: Labels, dtype: Any = None) -> DNDarray:
    """The contraction of two arrays whose axes carry the labels, in their common type or `dtype`; with gradient.

    Where nothing is summed it is an elementwise product, and laid out as one. Communication: see the table above.
    """
    comm = same_comm([a, b])
    computed = as_dtype(dtype) if dtype is not None else result_type(a, b)
    if spreads(labels):
        return FUNCTIONS["multiply"](_spread(a, labels.a, labels.c), _spread(b, labels.b, labels.c), dtype=computed)
    stand_in = torch.int32 if computed is torch.bool else STAND_INS.get(computed, computed)
    a, b = (x if x.dtype is stand_in else x.astype(stand_in) for x in (a, b))
    if needs_grad(a.larray, b.larray):
        box: list[Layout] = []
        result = _Contract.apply(a.larray, b.larray, (a.layout, b.layout), labels, comm, box)
        return wrap(result, box[0], comm)
    local, layout = _multiply(a.larray.detach(), b.larray.detach(), (a.layout, b.layout), labels, comm, None)
    return wrap(local if computed is stand_in else local.to(computed), layout, comm)


# --- matrices and vectors, in stacks ----------------------------------------------------------------------------------


def operands(*values: Any) -> list[DNDarray]:
    """The values as arrays; what is none yet goes to where the others are."""
    beside = next(((v.comm, v.device) for v in values if isinstance(v, DNDarray)), (None, None))
    return [as_operand(v, *beside) for v in values]


def conjugated(x: DNDarray) -> DNDarray:
    """The complex conjugate; real and boolean arrays as they are."""
    return FUNCTIONS["conj"](x) if x.dtype.is_complex else x


_LETTERS = "abcdefghijlopqrstuvwxyz"


def _stacked(name: str, a: DNDarray, b: DNDarray, core: Labels, dtype: Any, out: DNDarray | None) -> DNDarray:
    """The product of the last axes, labelled k, m and n, for all leading axes, which broadcast."""
    for x, own in ((a, core.a), (b, core.b)):
        if x.ndim < len(own):
            raise ValueError(f"{name} of shapes {a.shape} and {b.shape}: one has too few dimensions, {len(own)} needed")
    sizes = dict(zip(core.a, a.shape[a.ndim - len(core.a) :], strict=True))
    for label, n in zip(core.b, b.shape[b.ndim - len(core.b) :], strict=True):
        if sizes.get(label, n) != n:
            raise ValueError(
                f"{name} of shapes {a.shape} and {b.shape}: the lengths that are summed must agree, "
                f"{sizes[label]} is not {n}"
            )
    lead = broadcast_shapes(a.shape[: a.ndim - len(core.a)], b.shape[: b.ndim - len(core.b)])
    letters = _LETTERS[: len(lead)]
    if len(letters) < len(lead):
        raise ValueError(f"{name} takes up to {len(_LETTERS)} leading axes, not {len(lead)}")
    a, names_a = _without_stretched(a, a.ndim - len(core.a), lead, letters)
    b, names_b = _without_stretched(b, b.ndim - len(core.b), lead, letters)
    result = contract(a, b, Labels(names_a + core.a, names_b + core.b, letters + core.c), dtype)
    return result if out is None else store(result, out)


def _without_stretched(x: DNDarray, n: int, lead: tuple[int, ...], letters: str) -> tuple[DNDarray, str]:
    """The operand without those of its `n` leading axes that are stretched, and the letters of the others."""
    from .manipulation import squeeze

    names, wide = letters[len(lead) - n :], lead[len(lead) - n :]
    stretched = tuple(i for i in range(n) if x.shape[i] != wide[i])
    return squeeze(x, stretched) if stretched else x, "".join(c for i, c in enumerate(names) if i not in stretched)


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
    a, b = operands(x1, x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes arrays of one dimension or more, not shapes {a.shape} and {b.shape}; use *")
    la, lb = "mk"[a.ndim < 2 :], "kn"[: 1 + (b.ndim > 1)]
    return _stacked("matmul", a, b, Labels(la, lb, la[:-1] + lb[1:]), dtype, out)


def vecdot(x1: Any, x2: Any, /, out: DNDarray | None = None, *, axis: int = -1, dtype: Any = None) -> DNDarray:
    """Sum of conj(x1) * x2 along `axis`; the other axes broadcast.

    Communication: none if `axis` is not split, otherwise one reduction of the partial sums (of results beyond some
    megabytes part by part); and a redistribution of one operand if they do not lie alike.
    """
    from .manipulation import moveaxis

    a, b = operands(x1, x2)
    a, b = moveaxis(conjugated(a), axis, -1), moveaxis(b, axis, -1)
    return _stacked("vecdot", a, b, Labels("k", "k", ""), dtype, out)


def matvec(x1: Any, x2: Any, /, out: DNDarray | None = None, *, dtype: Any = None) -> DNDarray:
    """Matrices of shape (..., m, k) times vectors of shape (..., k): shape (..., m). Communication: as `matmul`."""
    a, b = operands(x1, x2)
    return _stacked("matvec", a, b, Labels("mk", "k", "m"), dtype, out)


def vecmat(x1: Any, x2: Any, /, out: DNDarray | None = None, *, dtype: Any = None) -> DNDarray:
    """Conjugated vectors (..., k) times matrices (..., k, n): shape (..., n). Communication: as `matmul`."""
    a, b = operands(x1, x2)
    return _stacked("vecmat", conjugated(a), b, Labels("k", "kn", "n"), dtype, out)
