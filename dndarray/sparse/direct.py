"""Direct solution of sparse systems by SciPy's SuperLU, on one process.

A sparse LU factorization that is split is a library of its own (MUMPS, SuperLU_DIST), not ours. What is here brings the
elements of the matrix (16 bytes each, and then the factors with their fill-in) to the first process of its
communicator, factorises there, and sends right-hand sides there and solutions back. The others wait. Where that is too
much take an iteration with `schwarz`, which factorises each process's block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from numpy.linalg import LinAlgError

from ..array import DNDarray, wrap
from ..communication import Communicator
from ..contraction import operands
from ..errors import agreed
from ..layout import Layout
from ..linalg.adjoints import differentiable
from ..linalg.operators import Combined, LinearOperator, aslinearoperator
from ..redistribution import Job, exchange, move
from ..types import promote_types
from .array import SparseArray
from .creation import csr_array
from .gallery import eye_array
from .kernels import host

__all__ = ["Factors", "factorized", "inv", "spilu", "splu", "spsolve", "spsolve_triangular"]


def _at_first(n: int, comm: Communicator, columns: tuple[int, ...] = ()) -> Layout:
    """The layout in which the first process has everything."""
    return Layout((n, *columns), comm.grid, 0, [(n, *(0,) * (comm.size - 1))])


def _gathered(a: SparseArray) -> Any:
    """The matrix as SciPy's on the first process, None on the others. One exchange and an all-gather of counts."""
    comm = a.comm
    if a.split is None or comm.size == 1:
        return a.local.tocsc() if comm.rank == 0 else None
    values = a.data.detach()
    rows, columns = (index.to(torch.int64) for index in a.coords)
    counts = comm.allgather(torch.tensor(len(values))).tolist()
    source = Layout((sum(counts),), comm.grid, 0, [tuple(counts)])
    jobs = [Job(source, _at_first(sum(counts), comm))] * 3
    data, row, column = (host(t) for t in exchange(comm, jobs, [values, rows, columns]))
    return scipy.sparse.coo_array((data, (row, column)), shape=a.shape).tocsc() if comm.rank == 0 else None


def _square(A: Any, name: str) -> SparseArray:
    a = A if isinstance(A, SparseArray) else csr_array(A, split=0)
    if a.shape[0] != a.shape[1]:
        raise LinAlgError(f"{name} takes square matrices, not of shape {a.shape}")
    return a if a.dtype.is_floating_point or a.dtype.is_complex else a.astype("float64")


class Factors:
    """A factorised matrix, which the first process holds.

    Attributes
    ----------
    shape : tuple of two int
    nnz : int
        Number of elements of the factors.
    factors : scipy.sparse.linalg.SuperLU or None
        SciPy's, with `L`, `U`, `perm_r` and `perm_c`; None on all processes but the first.
    """

    def __init__(self, a: SparseArray, factorize: Callable[[Any], Any]) -> None:
        self.shape, self.dtype, self.comm = a.shape, a.dtype, a.comm
        whole = _gathered(a)
        self.factors: Any = None
        with agreed(a.comm):
            if whole is not None and whole.shape[0]:
                if not np.isfinite(whole.data).all():
                    raise LinAlgError("the matrix contains NaN or infinite numbers")
                try:
                    self.factors = factorize(whole)
                except RuntimeError as error:
                    raise LinAlgError(f"the matrix is singular: {error}") from None
        self.nnz = int(a.comm.broadcast(torch.tensor(0 if self.factors is None else self.factors.nnz)))

    def solve(self, rhs: Any, trans: str = "N") -> DNDarray:
        """The solution of A x = rhs, of A^T x = rhs ("T") or of A^H x = rhs ("H"), laid out as `rhs`.

        `rhs` has shape (n,) or (n, k). Communication: an exchange there, one back. Differentiable in `rhs`.
        """
        (b,) = operands(rhs)
        if trans not in ("N", "T", "H"):
            raise ValueError(f"`trans` (={trans!r}) must be 'N', 'T' or 'H'")
        if b.ndim not in (1, 2) or b.shape[0] != self.shape[0]:
            raise ValueError(f"`rhs` must have shape ({self.shape[0]},) or ({self.shape[0]}, k), not {b.shape}")
        b = b.astype(promote_types(self.dtype, b.dtype), copy=False)
        back = {"N": "H", "H": "N", "T": "T"}[trans]

        def compute(right: DNDarray) -> DNDarray:
            return self._solve(right, trans)

        def adjoint(given: Sequence[DNDarray], found: Sequence[DNDarray], grads: Sequence[DNDarray]) -> list[DNDarray]:
            if trans == "T":  # whose adjoint is the conjugate
                return [self.solve(grads[0].conj(), "N").conj()]
            return [self.solve(grads[0], back)]

        return differentiable(compute, adjoint)(b)

    def _solve(self, b: DNDarray, trans: str) -> DNDarray:
        there = _at_first(self.shape[0], self.comm, b.shape[1:])
        part = move(b.larray.detach(), b.layout, there, b.comm)
        if self.factors is not None and part.numel():
            part = torch.from_numpy(self._on_first(host(part.contiguous()), trans)).to(b.device, b.dtype)
        return wrap(move(part, there, b.layout, b.comm), b.layout, b.comm)

    def _on_first(self, part: np.ndarray, trans: str) -> np.ndarray:
        if np.iscomplexobj(part) and not self.dtype.is_complex:
            return self._on_first(part.real.copy(), trans) + 1j * self._on_first(part.imag.copy(), trans)
        return self.factors.solve(part.astype(self.factors.L.dtype, copy=False), trans)


def splu(A: Any, **options: Any) -> Factors:
    """The LU factors of a sparse square matrix, by SciPy's SuperLU on the first process, which gathers the matrix.

    `options` are those of `scipy.sparse.linalg.splu`. Memory there: the matrix and its factors. LinAlgError, on every
    process, if the matrix is singular.
    """
    return Factors(_square(A, "splu"), lambda whole: scipy.sparse.linalg.splu(whole, **options))


def spilu(A: Any, drop_tol: float | None = None, fill_factor: float | None = None, **options: Any) -> Factors:
    """Incomplete LU factors with a threshold, by SciPy's SuperLU on the first process, which gathers the matrix.

    What stays where it is, and needs no gathering, is `ilu0`.
    """
    return Factors(
        _square(A, "spilu"),
        lambda whole: scipy.sparse.linalg.spilu(whole, drop_tol=drop_tol, fill_factor=fill_factor, **options),
    )


def spsolve(A: Any, b: Any, **options: Any) -> DNDarray:
    """The solution of A x = b by `splu`, on the first process, laid out as `b`.

    Differentiable in `b` and in the elements of A: the adjoint system is solved with the same factors.
    """
    a = _square(A, "spsolve")
    (b,) = operands(b)
    factors = splu(a.detach(), **options)
    x = factors.solve(b)
    if not (torch.is_grad_enabled() and a.requires_grad):
        return x
    # x = constant + A^-1 residual, of value zero, whose derivatives are those of x.
    x = x.detach()
    return _constant_plus(factors, x, b - a @ x)


def _constant_plus(factors: Factors, x: DNDarray, residual: DNDarray) -> DNDarray:
    def adjoint(given: Sequence[DNDarray], found: Sequence[DNDarray], grads: Sequence[DNDarray]) -> list[DNDarray]:
        return [factors.solve(grads[0], "H")]

    return differentiable(lambda _: x, adjoint)(residual)


def factorized(A: Any) -> Callable[[Any], DNDarray]:
    """The function that solves with a sparse matrix, factorised once: `splu(A).solve`."""
    return splu(A).solve


def inv(A: Any) -> SparseArray:
    """The inverse of a sparse matrix, as a sparse one: dense in general, and computed on the first process."""
    a = _square(A, "inv")
    n = a.shape[0]
    factors = splu(a)
    whole = None
    with agreed(a.comm):
        if factors.factors is not None:
            whole = scipy.sparse.csr_array(factors._on_first(np.eye(n, dtype=host(a.data[:0]).dtype), "N"))
    empty = scipy.sparse.csr_array((0, n), dtype=host(a.data[:0]).dtype)
    rows = csr_array(whole if whole is not None else empty, is_split=0, comm=a.comm, device=a.device)
    return rows.resplit(a.split)


def spsolve_triangular(A: Any, b: Any, lower: bool = True, unit_diagonal: bool = False) -> DNDarray:
    """The solution of A x = b for a triangular A, as `spsolve`, on the first process: in the order given, no fill-in.

    Elements on the other side of the diagonal are not looked at. LinAlgError where the diagonal has a zero.
    """
    from .structure import tril, triu

    a = _square(A, "spsolve_triangular")
    k = int(unit_diagonal)
    part = tril(a, -k) if lower else triu(a, k)
    if unit_diagonal:
        part = part + eye_array(a.shape[0], dtype=a.dtype, split=a.split, comm=a.comm)
    natural: dict[str, Any] = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0, "options": {"Equil": False}}
    return spsolve(part, b, **natural)


def inverse(a: SparseArray) -> LinearOperator:
    """The inverse as an operator, by `splu`."""
    operator = aslinearoperator(a)
    factors = splu(a.detach())

    def backward(x: DNDarray) -> DNDarray:
        return factors.solve(x, "H")

    layouts = operator.range_layout, operator.domain_layout
    return Combined((operator,), *layouts, a.shape, factors.solve, backward, factors.solve, a.dtype, backward)
