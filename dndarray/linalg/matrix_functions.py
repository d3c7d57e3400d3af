"""Functions of square matrices: the exponential and the square root."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.linalg import LinAlgError

from ..array import DNDarray
from ..elementwise import FUNCTIONS
from ..joining import block
from ..types import finfo
from . import spectral
from .adjoints import Arrays, differentiable
from .matrices import adjoint, as_matrices, check_finite, each, identity_like, is_distributed_matrix, place
from .norms import matrix_norm
from .solvers import inv, solve
from .spectral import eigh

__all__ = ["expm", "sqrtm"]


def _with_derivative(function: Callable[[DNDarray], DNDarray]) -> Callable[[DNDarray], DNDarray]:
    """A function of matrices with its gradient, which is a block of the function of a larger matrix (Higham, 2008)."""

    def gradient(given: Arrays, found: Arrays, grads: Arrays) -> list[DNDarray | None]:
        x, g = adjoint(given[0]), grads[0]
        n = x.shape[-1]
        result = _with_derivative(function)(block([[x, g], [g * 0, x]]))[..., :n, n:]
        return [result if x.dtype.is_complex or not result.dtype.is_complex else result.real]

    return differentiable(function, gradient)


# --- the exponential --------------------------------------------------------------------------------------------------

_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
_RADIUS = 5.371920351148152


def expm(a: Any) -> DNDarray:
    """The exponentials of square matrices, laid out as `a`.

    Of a single matrix that is dealt out by scaling and squaring with a Padé approximant (Higham, 2005).

    Raises
    ------
    LinAlgError
        On every process, if an element is infinite or NaN.

    Communication: of stacks one redistribution if the matrices are split, and one to agree on errors. Of a single
    matrix with 1-norm t two reductions, 6 + log2(t) products and one `solve`; up to order 128 it is brought to every
    process. Cost: 2 n^3 / p flops on each of p processes for each product.

    Examples
    --------
    >>> import dndarray as dnd
    >>> dnd.linalg.expm(dnd.zeros((2, 2), split=0)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    x = as_matrices(a, "expm", square=True)
    if not is_distributed_matrix(x) or len(x) <= spectral.SMALL:
        return each(x, lambda t: torch.linalg.matrix_exp(check_finite(t)), (-2, -1))
    return _with_derivative(_expm)(x)


def _expm(a: DNDarray) -> DNDarray:
    size = matrix_norm(a, ord=1).item()
    if not size < math.inf:
        raise LinAlgError("a matrix has elements that are infinite or NaN")
    halvings = max(0, math.ceil(math.log2(size / _RADIUS))) if size else 0
    a = a / 2**halvings
    one, b = identity_like(a), [p / _PADE[0] for p in _PADE]
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + one
    result = solve(even - odd, even + odd)
    for _ in range(halvings):
        result = result @ result
    return place(result, a.layout, (-2, -1))


# --- the square root --------------------------------------------------------------------------------------------------


def sqrtm(A: Any) -> DNDarray:
    """The principal square roots of square matrices: of those whose square is `A` the one with no eigenvalue to the
    left of the imaginary axis. Laid out as `A`.

    A single Hermitian matrix is taken apart by `eigh`; all others go through Newton's iteration in its product form
    (Denman and Beavers, 1976; Cheng, Higham, Kenney and Laub, 2001). The result is complex where `A` is, or where it
    is Hermitian and has negative eigenvalues.

    Raises
    ------
    LinAlgError
        On every process, if a matrix is singular (and not Hermitian), or the iteration does not converge: a real
        matrix with negative eigenvalues has no real square root.

    Communication: an exchange and a reduction to see whether it is Hermitian, then as `eigh` and a product; or for each
    of some ten steps an `inv`, a product and four reductions.

    Examples
    --------
    >>> import dndarray as dnd
    >>> root = dnd.linalg.sqrtm(dnd.diag(dnd.array([4.0, 9.0], split=0)))
    >>> [[round(v, 6) + 0.0 for v in row] for row in root.tolist()]
    [[2.0, 0.0], [0.0, 3.0]]
    """
    x = as_matrices(A, "sqrtm", square=True)
    return _with_derivative(_sqrtm)(x)


def _sqrtm(a: DNDarray) -> DNDarray:
    if 0 in a.shape:
        return a.copy()
    if a.ndim == 2 and bool(FUNCTIONS["all"](FUNCTIONS["equal"](a, adjoint(a)))):
        return place(_root_of_hermitian(a), a.layout, (-2, -1))
    return place(_newton(a), a.layout, (-2, -1))


def _root_of_hermitian(a: DNDarray) -> DNDarray:
    values, vectors = eigh(a)
    # What rounding has put below zero is zero.
    noise = len(a) * finfo(a.dtype).eps * FUNCTIONS["max"](FUNCTIONS["abs"](values))
    values = FUNCTIONS["where"](FUNCTIONS["less_equal"](FUNCTIONS["abs"](values), noise), 0, values)
    if bool(FUNCTIONS["any"](FUNCTIONS["less"](values, 0))):
        values = values.astype(torch.promote_types(values.dtype, torch.complex64))
    return (vectors * FUNCTIONS["sqrt"](values)) @ adjoint(vectors)


def _newton(a: DNDarray) -> DNDarray:
    """M -> (2 I + M + inv(M)) / 4 and X -> X (I + inv(M)) / 2 from M = X = a, so that M -> I and X -> the root; scaled
    as long as M is far from I."""
    one, m, x = identity_like(a), a, a
    limit = a.shape[-1] * finfo(a.dtype).eps
    before = math.inf
    for _ in range(50):
        inverse = inv(m)
        if before > 0.01:
            scale = FUNCTIONS["sqrt"](matrix_norm(inverse, keepdims=True) / matrix_norm(m, keepdims=True))
            m, inverse, x = m * scale, inverse / scale, x * FUNCTIONS["sqrt"](scale)
        x = x @ (one + inverse) / 2
        m = (2 * one + m + inverse) / 4
        distance = FUNCTIONS["max"](matrix_norm(m - one)).item()
        if distance <= limit or (before < 1e-4 and distance >= before / 2):
            return x
        before = distance
    raise LinAlgError("the iteration for the square root does not converge: has the matrix negative eigenvalues?")
