"""The polar decomposition."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..array import DNDarray
from .adjoints import Arrays, differentiable
from .matrices import adjoint, as_matrices, place
from .spectral import svd

__all__ = ["polar"]


class PolarResult(NamedTuple):
    U: DNDarray
    P: DNDarray


def polar(a: Any, side: str = "right") -> PolarResult:
    """The factors U, with orthonormal columns or rows, and P, positive semidefinite, of matrices a = U P.

    By way of the singular value decomposition, which also serves singular and oblong matrices, and in which a product
    of matrices has as large a part as in the iterations for this purpose.

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

    Communication: as `svd` without `full_matrices`, and two products. Gradient: for matrices of full rank.

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
    is_tall = x.shape[-2] >= x.shape[-1]
    u, p, *_ = differentiable(_tall_polar, _gradient)(x if is_tall else adjoint(x))
    if (side == "right") != is_tall:
        p = u @ p @ adjoint(u)
    u = u if is_tall else adjoint(u)
    is_square = x.shape[-2] == x.shape[-1]
    return PolarResult(place(u, x.layout, (-2, -1)), place(p, x.layout, (-2 if is_square else None, -1)))


def _tall_polar(x: DNDarray) -> tuple[DNDarray, ...]:
    """U and P with x = U P, and the eigenvalues and eigenvectors of P."""
    w, s, vh = svd(x, full_matrices=False)
    v = adjoint(vh)
    return w @ vh, (v * s[..., None, :]) @ vh, s, v


def _gradient(given: Arrays, found: Arrays, grads: Arrays) -> list[DNDarray | None]:
    """From U^H dU, which is skew, and with P solves a Sylvester equation that P's eigenvectors make diagonal."""
    u, p, s, v = found
    of_u, of_p = grads[:2]
    of_p = (of_p + adjoint(of_p)) / 2
    inner = adjoint(u) @ of_u
    skew = adjoint(v) @ (inner - of_p @ p) @ v
    solved = v @ ((skew - adjoint(skew)) / (s[..., None, :] + s[..., :, None])) @ adjoint(v)
    outer = ((of_u - u @ inner) @ v / s[..., None, :]) @ adjoint(v)
    return [u @ (solved + of_p) + outer]
