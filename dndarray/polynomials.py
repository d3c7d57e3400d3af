"""Polynomials by their coefficients, the highest power first.

Coefficients are few: what computes with them makes them whole on every process, and gives coefficients that every
process has. What polynomials are evaluated at and fitted to (`polyval`, `polyfit`) may be large and stays split.
All functions but `roots` are differentiable.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, wrap
from .broadcasting import align_to, common_layout
from .collectives import all_reduce, needs_grad, use_in_split
from .communication import Communicator
from .elementwise import FUNCTIONS, apply, as_operand, run
from .layout import Layout
from .manipulation import expand_dims, reshape
from .redistribution import move
from .types import finfo, kind, promote_types
from .unsigned import as_signed, moved

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "roots",
    "vander",
]


# --- arithmetic of coefficients ---------------------------------------------------------------------------------------


def _coefficients(*polynomials: Any) -> tuple[list[Tensor], Communicator]:
    """The coefficients, whole on every process, each in one dimension."""
    beside = next(((p.comm, p.device) for p in polynomials if isinstance(p, DNDarray)), ())
    arrays = [as_operand(p, *beside) for p in polynomials]
    arrays = [p if p.ndim else reshape(p, (1,)) for p in arrays]
    if any(p.ndim != 1 for p in arrays):
        raise ValueError(f"coefficients have one dimension, not the shapes {[p.shape for p in arrays]}")
    return [move(p.larray, p.layout, p.layout.replicated(), p.comm) for p in arrays], arrays[0].comm


def _replicated(tensor: Tensor, comm: Communicator) -> DNDarray:
    return DNDarray(tensor, Layout(tuple(tensor.shape), comm.grid), comm)


def _padded(p: Tensor, n: int) -> Tensor:
    """The coefficients with zeros before them up to `n`."""
    return torch.cat([p.new_zeros(n - len(p)), p])


def _termwise(fn: Callable, a1: Any, a2: Any) -> DNDarray:
    (p, q), comm = _coefficients(a1, a2)
    n = max(len(p), len(q))
    return fn(_replicated(_padded(p, n), comm), _replicated(_padded(q, n), comm))


def polyadd(a1: Any, a2: Any) -> DNDarray:
    """The sum of two polynomials. Communication: one all-gather for each that is split.

    >>> polyadd([1, 2], [9, 5, 4]).tolist()
    [9, 6, 6]
    """
    return _termwise(FUNCTIONS["add"], a1, a2)


def polysub(a1: Any, a2: Any) -> DNDarray:
    """The difference of two polynomials. Communication: one all-gather for each that is split."""
    return _termwise(FUNCTIONS["subtract"], a1, a2)


def _trimmed(p: Tensor) -> Tensor:
    """The coefficients without leading zeros, one at least."""
    if not len(p):
        return p.new_zeros(1)
    return p[min(int(torch.cumprod(p == 0, 0).sum()), len(p) - 1) :]


def polymul(a1: Any, a2: Any) -> DNDarray:
    """The product of two polynomials, whose leading zeros do not count.

    Communication: one all-gather for each that is split.

    >>> polymul([1, 2], [3, 4]).tolist()
    [3, 10, 8]
    """
    polynomials, comm = _coefficients(a1, a2)
    computed = promote_types(*(p.dtype for p in polynomials))
    p, q = (_trimmed(p).to(computed) for p in polynomials)
    powers = torch.arange(len(p), device=p.device).unsqueeze(1) + torch.arange(len(q), device=p.device)

    def multiplied(p: Tensor, q: Tensor) -> Tensor:
        products = torch.outer(p, q).reshape(-1)
        return products.new_zeros(len(p) + len(q) - 1).index_add(0, powers.reshape(-1), products)

    return _replicated(moved(multiplied, p, as_signed(q)), comm)  # products wrap around alike


def polydiv(u: Any, v: Any) -> tuple[DNDarray, DNDarray]:
    """Quotient and remainder of two polynomials. Communication: one all-gather for each that is split.

    >>> [p.tolist() for p in polydiv([3.0, 5.0, 2.0], [2.0, 1.0])]
    [[1.5, 1.75], [0.25]]
    """
    polynomials, comm = _coefficients(u, v)
    if not all(len(p) for p in polynomials):
        raise IndexError("polydiv takes polynomials of one coefficient or more")
    computed = promote_types(*(p.dtype if kind(p.dtype) > 1 else torch.float64 for p in polynomials))
    rest, divisor = (p.to(computed) for p in polynomials)
    quotient = []
    for k in range(len(rest) - len(divisor) + 1):
        factor = rest[k] / divisor[0]
        quotient.append(factor)
        taken = torch.nn.functional.pad(factor * divisor, (k, len(rest) - len(divisor) - k))
        rest = rest - taken
    small = rest.detach().abs() <= 1e-8  # what is left of the terms that were cancelled
    lead = min(int(torch.cumprod(small, 0).sum()), len(rest) - 1)
    result = torch.stack(quotient) if quotient else rest.new_zeros(1)
    return _replicated(result, comm), _replicated(rest[lead:], comm)


def polyder(p: Any, m: int = 1) -> DNDarray:
    """The `m`-th derivative of a polynomial. Communication: one all-gather if it is split.

    >>> polyder([1, 1, 1]).tolist()
    [2, 1]
    """
    if m < 0:
        raise ValueError(f"`m` (={m}) must not be negative; see polyint")
    (c,), comm = _coefficients(p)
    for _ in range(m):
        c = c[:-1].to(promote_types(c.dtype, torch.int64))
        c = c * torch.arange(len(c), 0, -1, device=c.device)
    return _replicated(c, comm)


def polyint(p: Any, m: int = 1, k: Any = None) -> DNDarray:
    """The `m`-th antiderivative of a polynomial. Communication: one all-gather if it, or `k`, is split.

    `k` are the constants of integration in order, one number for all of them, or None for zeros.

    >>> polyint([3.0, 2.0, 1.0]).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    if m < 0:
        raise ValueError(f"`m` (={m}) must not be negative; see polyder")
    (c, constants), comm = _coefficients(p, 0.0 if k is None else k)
    constants = constants.expand(m) if len(constants) == 1 else constants
    if len(constants) < m:
        raise ValueError(f"`k` (={k}) must be one number or {m}, one for each integration")
    computed = promote_types(promote_types(c.dtype, torch.float64), constants.dtype) if m else c.dtype
    c = c.to(computed)
    for constant in constants[:m].to(computed):
        c = torch.cat([c / torch.arange(len(c), 0, -1, device=c.device), constant.reshape(1)])
    return _replicated(c, comm)


def poly(seq_of_zeros: Any) -> DNDarray:
    """The polynomial, leading coefficient 1, with these roots, or the characteristic polynomial of a square matrix.

    Communication: one all-gather if they are split; a matrix becomes whole on every process.

    >>> poly([1.0, 2.0]).tolist()
    [1.0, -3.0, 2.0]
    """
    x = as_operand(seq_of_zeros)
    if x.ndim == 2 and x.shape[0] == x.shape[1] and x.size:
        matrix = move(x.larray, x.layout, x.layout.replicated(), x.comm)
        zeros = torch.linalg.eigvals(matrix if kind(matrix.dtype) > 1 else matrix.to(torch.float64))
        zeros = zeros.real if not matrix.is_complex() and not zeros.detach().imag.any() else zeros
    else:
        (zeros,), _ = _coefficients(x)
        zeros = zeros if kind(zeros.dtype) > 1 else zeros.to(torch.float64)
    if not len(zeros):
        return _replicated(zeros.new_ones((), dtype=torch.float64), x.comm)
    result = zeros.new_ones(1)
    for zero in zeros:
        result = torch.nn.functional.pad(result, (0, 1)) - torch.nn.functional.pad(result, (1, 0)) * zero
    if zeros.is_complex():  # conjugate pairs have real coefficients
        found = zeros.detach().cpu().resolve_conj().resolve_neg().numpy()
        result = result.real if np.array_equal(np.sort(found), np.sort(found.conj())) else result
    return _replicated(result, x.comm)


def roots(p: Any) -> DNDarray:
    """The roots of a polynomial: the eigenvalues of its companion matrix, real if none is complex.

    Every process computes all of them. Not differentiable. Communication: one all-gather if `p` is split.

    >>> sorted(roots([1.0, -3.0, 2.0]).tolist())
    [1.0, 2.0]
    """
    (c,), comm = _coefficients(p)
    found = np.roots(c.detach().cpu().resolve_conj().resolve_neg().numpy())
    return _replicated(torch.from_numpy(found).to(c.device), comm)


# --- of many points ---------------------------------------------------------------------------------------------------


def polyval(p: Any, x: Any) -> DNDarray:
    """The value of a polynomial at each element of `x`, split as `x` is. Communication: one all-gather if `p` is split.

    >>> polyval([3, 0, 1], [0, 5]).tolist()
    [1, 76]
    """
    beside = next(((v.comm, v.device) for v in (p, x) if isinstance(v, DNDarray)), ())
    x = as_operand(x, *beside)
    (c,), _ = _coefficients(as_operand(p, *beside))
    dealt = [g for g, a in enumerate(x.layout.axes) if a is not None and x.layout.grid.shape[g] > 1]
    if dealt:
        c = use_in_split(c, x.comm.along(x.layout.grid, dealt))
    computed = promote_types(c.dtype, x.dtype) if len(c) else x.dtype

    def horner(x: Tensor, c: Tensor) -> Tensor:
        result = torch.zeros_like(x)
        for coefficient in c:
            result = run(torch.add, run(torch.multiply, result, x), coefficient)
        return result

    return apply(lambda x: horner(x, c.to(x.dtype)), (x,), (computed,))


def _powers(x: Tensor, n: int) -> Tensor:
    """Powers 0 to n - 1 along a new last axis."""
    if n == 0:
        return x.unsqueeze(-1)[..., :0]
    factors = x.unsqueeze(-1).expand(*x.shape, n - 1)
    return torch.cat([torch.ones_like(x).unsqueeze(-1), factors], -1).cumprod(-1, dtype=x.dtype)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> DNDarray:
    """The matrix whose columns are the powers of `x`, split by rows if `x` is split. Local.

    >>> vander([1, 2, 3], 3).tolist()
    [[1, 1, 1], [4, 2, 1], [9, 3, 1]]
    """
    x = as_operand(x)
    if x.ndim != 1:
        raise ValueError(f"vander takes one dimension, not {x.ndim}")
    n = len(x) if N is None else N
    if n < 0:
        raise ValueError(f"`N` (={n}) must not be negative")
    powers = _powers(x.larray.to(promote_types(x.dtype, torch.int64)), n)
    return wrap(powers if increasing else powers.flip(1), x.layout.derive((len(x), n), [0]), x.comm)


def _check_fit(x: DNDarray, y: DNDarray, deg: int, w: DNDarray | None) -> None:
    if deg < 0:
        raise ValueError(f"`deg` (={deg}) must not be negative")
    if x.ndim != 1 or not x.size:
        raise TypeError(f"`x` must be points of one dimension, one or more, not of shape {x.shape}")
    if y.ndim not in (1, 2) or len(y) != len(x):
        raise TypeError(f"`y` of shape {y.shape} must have one or two dimensions and a row for each of {len(x)} points")
    if w is not None and w.shape != x.shape:
        raise TypeError(f"`w` of shape {w.shape} must be a weight for each of {len(x)} points")


def _total(part: Tensor, comm: Communicator | None) -> Tensor:
    return part if comm is None else all_reduce(part, comm)


def _triangular(a: Tensor, b: Tensor, counts: Sequence[int] | None, comm: Communicator | None) -> tuple[Tensor, Tensor]:
    """R and Q^H b, for the QR decomposition of a tall matrix of which each process has some rows (TSQR).

    Each process decomposes its rows, then all of them the triangles of all (Demmel et al., 2012).
    """
    q, r = torch.linalg.qr(a)
    projected = q.mH @ b
    if comm is None or counts is None:
        return r, projected
    rows = [min(n, a.shape[1]) for n in counts]
    q, r = torch.linalg.qr(comm.allgatherv(r, rows))
    return r, comm.allreduce(q.split(rows)[comm.rank].mH @ projected)


def _least_squares(
    a: Tensor, b: Tensor, rcond: float, counts: Sequence[int] | None, comm: Communicator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The solution of a c = b, the inverse of a^H a, and the singular values of `a` with columns of length one."""
    r, projected = _triangular(a.detach(), b.detach(), counts, comm)
    scale = torch.linalg.vector_norm(r, dim=0)
    scale = torch.where(scale == 0, 1.0, scale)
    u, s, vh = torch.linalg.svd(r / scale, full_matrices=False)
    inverse = torch.where(s > rcond * s[0], 1 / s, 0.0).unsqueeze(1)
    c = vh.mH @ (inverse * (u.mH @ projected)) / scale.unsqueeze(1)
    gram = vh.mH @ (inverse**2 * vh) / torch.outer(scale, scale)
    if needs_grad(a, b):
        # One step of refinement: nothing in value, and the derivative of the solution, whatever way it was found.
        c = c + gram @ _total(a.mH @ (b - a @ c), comm)
    return c, gram, s


def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial of degree `deg` that fits points best in the sense of least squares.

    Parameters
    ----------
    x, y : array_like
        Coordinates, of one dimension, and values, of one or two: a polynomial is fitted to each column. The points
        may be split, and the columns.
    deg : int
    rcond : float, optional
        Singular values below this part of the largest one count as zero; by default the number of points times the
        epsilon of the type of `x`.
    full : bool
        Return residuals, rank, singular values and `rcond`, too.
    w : array_like, optional
        The weight of each point.
    cov : bool or 'unscaled'
        Return the covariance of the coefficients, too.

    Returns
    -------
    DNDarray or tuple
        The coefficients, on every process; those of several columns are split as the columns are.

    Communication: if the points are split, one all-gather of small triangular matrices and one all-reduce; one more
    for residuals, and one more where a gradient is needed. Points that are not split as the values are move.

    >>> dnd_x = as_operand([0.0, 1.0, 2.0, 3.0])
    >>> [round(c) for c in polyfit(dnd_x, 2 * dnd_x + 1, 1).tolist()]
    [2, 1]
    """
    beside = next(((v.comm, v.device) for v in (x, y, w) if isinstance(v, DNDarray)), ())
    x, y = as_operand(x, *beside), as_operand(y, *beside)
    w = None if w is None else as_operand(w, *beside)
    _check_fit(x, y, deg, w)
    rcond = len(x) * finfo(x.dtype if kind(x.dtype) > 1 else torch.float64).eps if rcond is None else rcond
    if cov and not full and cov != "unscaled" and len(x) <= deg + 1:
        raise ValueError(f"{len(x)} points leave nothing to scale the covariance of {deg + 1} coefficients with")
    values = y if y.ndim == 2 else expand_dims(y, 1)
    points = [expand_dims(v, 1) for v in ((x,) if w is None else (x, w))]
    layout = common_layout(values.layout, *(v.layout for v in points))
    layout = layout.undeal(1) if values.shape[1] == 1 else layout
    g = layout.grid_axis(0)
    comm = None if g is None else x.comm.along(layout.grid, (g,))
    computed = promote_types(promote_types(x.dtype, y.dtype), torch.float64)
    b, *local = (align_to(v.larray, v.layout, layout, x.comm).to(computed) for v in (values, *points))
    a = _powers(local[0][:, 0], deg + 1).flip(1)
    if w is not None:
        a, b = a * local[1], b * local[1]
    c, covariance, s = _least_squares(a, b, rcond, None if g is None else layout.counts[g], comm)

    def result(tensor: Tensor, *lead: int) -> DNDarray:
        """Axes that every process has and, if there are several columns, theirs."""
        if y.ndim == 1:
            return _replicated(tensor[..., 0], x.comm)
        return wrap(tensor, layout.derive((*lead, y.shape[1]), [None, len(lead)]), x.comm)

    rank = int((s > rcond * s[0]).sum())
    if not full and rank <= deg:
        warnings.warn("the fit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    coefficients = result(c, deg + 1)
    if not full and not cov:
        return coefficients
    if not full and cov == "unscaled":
        return coefficients, _replicated(covariance if y.ndim == 1 else covariance.unsqueeze(-1), x.comm)
    residuals = _total((b - a @ (c if comm is None else use_in_split(c, comm))).abs().square().sum(0), comm)
    if full:
        if rank <= deg or len(x) <= deg + 1:  # as NumPy
            squares = _replicated(residuals[:0], x.comm)
        else:
            squares = wrap(residuals, layout.derive((values.shape[1],), [None, 0]), x.comm)
        return coefficients, squares, rank, _replicated(s, x.comm), rcond
    return coefficients, result(covariance.unsqueeze(-1) * (residuals / (len(x) - deg - 1)), deg + 1, deg + 1)
