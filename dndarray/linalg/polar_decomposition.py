"""The polar decomposition."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from ..array import DNDarray, wrap
from ..elementwise import FUNCTIONS
from ..redistribution import move
from ..types import finfo
from . import spectral
from .adjoints import Arrays, differentiable
from .block_cyclic import Columns
from .condensed import by_rows
from .factorizations import is_tall, solve_definite, tall_qr
from .matrices import adjoint, as_matrices, identity_like, is_distributed_matrix, place
from .norms import vector_norm
from .triangular import substitute_few

__all__ = ["polar"]


class PolarResult(NamedTuple):
    U: DNDarray
    P: DNDarray


def polar(a: Any, side: str = "right") -> PolarResult:
    """The factors U, with orthonormal columns or rows, and P, positive semidefinite, of matrices a = U P.

    A single matrix that is split is taken to U by Halley's iteration with dynamic weights, each step one Cholesky
    factorization (Nakatsukasa, Bai and Gygi, 2010). The singular value decomposition serves stacks, small matrices, and
    what is singular to working precision.

    Parameters
    ----------
    a : array_like of shape (..., m, n)
        Split in any way.
    side : {"right", "left"}
        Whether P is the right factor, of order n, or the left one, of order m: a = P U.

    Returns
    -------
    PolarResult
        U laid out as `a`, and P, of a square matrix laid out as `a`, otherwise along its columns as the columns of `a`.

    Cost, for a single m x n matrix, m >= n, that is split among p processes: about 3 + log10(k) steps, if k is the
    condition number, of (4 m n^2 + n^3 / 3) / p flops. Each sends n^2 words for a product, n^2 / (2 p) from each
    process to deal the result out, n^2 in broadcasts, two for each block of 128 columns (fewer if n < 512 p), and a few
    short ones. Where m >= 2 n p a `qr` comes first. Gradient: for matrices of full rank.

    Raises
    ------
    LinAlgError
        On every process, if an element is infinite or NaN.

    Examples
    --------
    >>> import dndarray as dnd
    >>> u, p = dnd.linalg.polar(dnd.eye(3, split=0) * -2)
    >>> p.diagonal().tolist()
    [2.0, 2.0, 2.0]
    """
    if side not in ("right", "left"):
        raise ValueError(f"`side` (={side!r}) must be 'right' or 'left'")
    x = as_matrices(a, "polar")
    m, n = x.shape[-2:]
    is_turned = m < n or (m == n and x.layout.axes == (1,))  # the iteration works on rows
    u = differentiable(_unitary, _gradient)(adjoint(x) if is_turned else x)
    u = adjoint(u) if is_turned else u
    p = _hermitian_part(adjoint(u) @ x if side == "right" else x @ adjoint(u))
    return PolarResult(place(u, x.layout, (-2, -1)), place(p, x.layout, (-2 if m == n else None, -1)))


def _hermitian_part(x: DNDarray) -> DNDarray:
    return (x + adjoint(x)) / 2


def _unitary(x: DNDarray) -> DNDarray:
    """U of matrices with at least as many rows as columns."""
    if is_distributed_matrix(x) and x.shape[1] > spectral.SMALL:
        if is_tall(x.shape[0], x.shape[1], x.comm.size):
            q, r = tall_qr(x)
            return q @ _unitary(_rows_dealt(r))
        u = _iterated(_rows_dealt(x))
        if u is not None:
            return u
    w, _, vh = spectral.svd(x, full_matrices=False)
    return w @ vh


def _rows_dealt(x: DNDarray) -> DNDarray:
    layout = by_rows(x)
    return wrap(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


# --- Halley's iteration -----------------------------------------------------------------------------------------------

_SMALLEST = 0.05
"""Singular values below are not looked at for a step's weights: they would need a matrix of a condition number c above
100, and the error is about 2 c^(1/2) roundings."""

_STEPS = 20
"""In so many steps a matrix of full rank converges."""

_PROBES = 4
"""Vectors that turn towards that of the smallest singular value, step by step."""

_TURNS = 3
"""How often in each step: in one, the first of them would see what most singular values are, not the smallest."""


def _iterated(x: DNDarray) -> DNDarray | None:
    """The limit of x <- x (a + b x^H x) (1 + c x^H x)^-1, or None of a matrix that is as good as singular."""
    largest = float(FUNCTIONS["max"](FUNCTIONS["abs"](x)))
    if not largest < math.inf:
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    if largest == 0:
        return None
    x, n = x / largest, x.shape[1]
    gram = adjoint(x) @ x
    norm = _norm(gram) ** 0.5
    x, gram = x / norm, gram / norm**2
    probes: Tensor | None = None
    smallest = 0.0
    for _ in range(_STEPS):
        one = identity_like(gram)
        error = float(vector_norm(gram - one))
        is_last = error**3 < 16 * finfo(x.dtype).eps * n**0.5  # of it a sixteenth of its cube remains
        a, b, c = _weights(1.0 if is_last else min(max(smallest, _SMALLEST), 1.0))
        right, factor = solve_definite(one + c * gram, x.larray.conj().resolve_conj())
        x = wrap(torch.add(x.larray * (b / c), right.conj(), alpha=a - b / c), x.layout, x.comm)
        if is_last:
            return x
        if probes is None:
            probes = _random((factor.own[-1], _PROBES), x)
        left = 1.0
        for _ in range(_TURNS):
            probes, left = _inverse_iteration(factor, probes)
        # Of a vector of length 1 at most 1 / (1 + c s^2) is left, if s is the smallest singular value.
        square = max(1 / left - 1, 0.0) / c
        smallest = math.sqrt(square) * (a + b * square) / (1 + c * square)
        gram = adjoint(x) @ x
    return None


def _random(shape: tuple[int, ...], like: DNDarray) -> Tensor:
    generator = torch.Generator(like.device).manual_seed(like.comm.rank)
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


def _norm(a: DNDarray) -> float:
    """The largest eigenvalue of a positive semidefinite matrix, or somewhat less, which does no harm."""
    v = wrap(_random((a.lshape[0], _PROBES), a), a.layout.derive((len(a), _PROBES), (0, None)), a.comm)
    for _ in range(2):
        v = a @ (v / vector_norm(v, axis=0))
    return float(FUNCTIONS["max"](vector_norm(v, axis=0)))


def _inverse_iteration(factor: Columns, x: Tensor) -> tuple[Tensor, float]:
    """Of a Cholesky factor's matrix, with vectors dealt out as its columns; and what is left of their length."""
    x = x / _lengths(x, factor)
    x = substitute_few(factor, x, lower=True, transposed=False, unit=False).conj().resolve_conj()
    x = substitute_few(factor, x, lower=True, transposed=True, unit=False).conj().resolve_conj()
    return x, float(_lengths(x, factor).max())


def _lengths(x: Tensor, factor: Columns) -> Tensor:
    return factor.comm.allreduce((x.conj() * x).real.sum(0)).sqrt()


def _weights(smallest: float) -> tuple[float, float, float]:
    """a, b and c that bring singular values between this and 1 as near to 1 as may be."""
    square = smallest**2
    d = (4 * (1 - square) / square**2) ** (1 / 3)
    root = math.sqrt(1 + d)
    a = root + math.sqrt(8 - 4 * d + 8 * (2 - square) / (square * root)) / 2
    b = (a - 1) ** 2 / 4
    return a, b, a + b - 1


def _gradient(given: Arrays, found: Arrays, grads: Arrays) -> list[DNDarray | None]:
    """From U^H dU, which is skew, and with P solves a Sylvester equation that P's eigenvectors make diagonal."""
    (x,), (u,), (g,) = given, found, grads
    s, v = spectral.eigh(_hermitian_part(adjoint(u) @ x))
    inner = adjoint(u) @ g
    skew = adjoint(v) @ (inner - adjoint(inner)) @ v
    solved = v @ (skew / (s[..., None, :] + s[..., :, None])) @ adjoint(v)
    outer = ((g - u @ inner) @ v / s[..., None, :]) @ adjoint(v)
    return [u @ solved + outer]
