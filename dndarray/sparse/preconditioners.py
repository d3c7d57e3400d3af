"""Preconditioners: approximations to the inverse of a sparse matrix, each a LinearOperator.

Most are of one process's own: they take the block of its rows and the columns of the same numbers, so that setting them
up and applying them costs no message, and couplings between processes are left to the iteration. What one process's
block cannot stand (a zero on the diagonal, a pivot that becomes zero) is replaced there by Jacobi's preconditioner, and
every process warns; to agree on that costs one all-reduce of a number when a preconditioner is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.linalg import LinAlgError
from scipy.sparse import csr_array, diags_array, tril, triu
from scipy.sparse.linalg import splu

from ..array import DNDarray, wrap
from ..errors import agreed
from ..linalg.krylov_bases import lanczos
from ..linalg.operators import Combined, LinearOperator, aslinearoperator
from ..redistribution import move
from ..types import numpy_dtype
from .array import SparseArray
from .creation import csr_array as distributed_csr
from .incomplete import ilu0 as _factors
from .incomplete import triangular
from .kernels import host

__all__ = ["block_jacobi", "chebyshev", "ic0", "ilu0", "jacobi", "preconditioner", "schwarz", "sor"]

Local = Callable[[np.ndarray], np.ndarray]


def _checked(a: Any, name: str) -> SparseArray:
    if not isinstance(a, SparseArray):
        raise TypeError(
            f"{name} is made of a sparse array, not of {type(a).__name__}; convert with dnd.sparse.csr_array"
        )
    if a.shape[0] != a.shape[1]:
        raise LinAlgError(f"{name} takes square matrices, not of shape {a.shape}")
    if not (a.dtype.is_floating_point or a.dtype.is_complex):
        raise TypeError(f"{name} takes floating numbers, not {a.dtype}; convert with astype")
    return a.detach()


def beside(a: SparseArray, forward: Callable[[DNDarray], DNDarray], backward: Callable) -> LinearOperator:
    """An operator of these functions, which take one column or several, on the vectors of a square matrix."""
    like = aslinearoperator(a)
    layouts = like.range_layout, like.range_layout
    return Combined((like,), *layouts, a.shape, forward, backward, forward, a.dtype, backward)


def _blockwise(a: SparseArray, forward: Local, backward: Local) -> LinearOperator:
    """A block on the diagonal for each process, by functions of its part of a vector."""
    like, dtype = aslinearoperator(a), numpy_dtype(a.dtype)

    def product(function: Local) -> Callable[[DNDarray], DNDarray]:
        def apply(x: DNDarray) -> DNDarray:
            layout = like.range_layout(x)
            part = host(move(x.larray.detach(), x.layout, layout, x.comm).contiguous())
            if np.iscomplexobj(part) and dtype.kind != "c":
                values = function(part.real.astype(dtype)) + 1j * function(part.imag.astype(dtype))
            else:
                values = function(part.astype(dtype, copy=False))
            return wrap(torch.from_numpy(np.ascontiguousarray(values)).to(x.device), layout, x.comm)

        return apply

    return beside(a, product(forward), product(backward))


def _solving(name: str, a: SparseArray, make: Callable[[csr_array], tuple[Local, Local]]) -> LinearOperator:
    """What `make` makes of this process's block; Jacobi's where it cannot, and a warning everywhere."""
    block = a.diagonal_block()
    failure: Exception | None = None
    fatal = False
    try:
        forward, backward = make(block) if block.shape[0] else (np.copy, np.copy)
    except Exception as error:
        failure = error
        fatal = not isinstance(error, (ZeroDivisionError, RuntimeError, LinAlgError))  # of SuperLU: exactly singular
        forward, backward = _scaling(block.diagonal())
    failures, fatalities = a.comm.allreduce(torch.tensor([failure is not None, fatal], dtype=torch.int64)).tolist()
    if fatalities:
        with agreed(a.comm):
            if failure is not None and fatal:
                raise failure
    if failures:
        here = f"; here: {failure}" if failure is not None else ""
        warnings.warn(
            f"{name} broke down on {failures} of {a.comm.size} processes, which take Jacobi's instead{here}",
            RuntimeWarning,
            stacklevel=3,
        )
    return _blockwise(a, forward, backward)


def _scaling(diagonal: np.ndarray) -> tuple[Local, Local]:
    inverse = 1 / np.where(diagonal == 0, 1, diagonal)
    return (lambda x: _rows(inverse, x) * x), (lambda x: _rows(inverse.conj(), x) * x)


def _rows(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return weights if x.ndim == 1 else weights[:, None]


def jacobi(A: Any) -> LinearOperator:
    """One over the diagonal. Where that is zero, one, and every process warns."""

    def make(block: csr_array) -> tuple[Local, Local]:
        diagonal = block.diagonal()
        if not diagonal.all():
            raise ZeroDivisionError(f"{np.count_nonzero(diagonal == 0)} elements of the diagonal are zero")
        return _scaling(diagonal)

    return _solving("jacobi", _checked(A, "jacobi"), make)


def block_jacobi(A: Any, block: int = 16) -> LinearOperator:
    """The inverses of the blocks of `block` consecutive rows on the diagonal; they end where a process's rows do."""
    if block < 1:
        raise ValueError(f"`block` (={block}) must be 1 or more")

    def make(matrix: csr_array) -> tuple[Local, Local]:
        n = matrix.shape[0]
        count = -(-n // block)
        elements = matrix.tocoo()
        inside = elements.row // block == elements.col // block
        row, column = elements.row[inside], elements.col[inside]
        blocks = np.zeros((count, block, block), dtype=matrix.dtype)
        blocks[row // block, row % block, column % block] = elements.data[inside]
        rest = np.arange(n - (count - 1) * block, block)
        blocks[-1, rest, rest] = 1
        inverses = np.linalg.inv(blocks)

        def product(matrices: np.ndarray) -> Local:
            def apply(x: np.ndarray) -> np.ndarray:
                padded = np.zeros((count * block, *x.shape[1:]), dtype=x.dtype)
                padded[:n] = x
                return (matrices @ padded.reshape(count, block, -1)).reshape(padded.shape)[:n]

            return apply

        return product(inverses), product(inverses.conj().swapaxes(1, 2))

    return _solving("block_jacobi", _checked(A, "block_jacobi"), make)


def ilu0(A: Any) -> LinearOperator:
    """Incomplete LU factors without fill-in, of each process's block: see `dndarray.sparse.incomplete.ilu0`."""

    def make(block: csr_array) -> tuple[Local, Local]:
        lower, upper = (triangular(factor) for factor in _factors(block))
        return (lambda x: upper.solve(lower.solve(x))), (lambda x: lower.solve(upper.solve(x, "H"), "H"))

    return _solving("ilu0", _checked(A, "ilu0"), make)


def ic0(A: Any) -> LinearOperator:
    """The incomplete Cholesky factor without fill-in, of each process's block of a Hermitian positive definite matrix.

    As `ilu0`, whose upper factor is D L^H for a Hermitian matrix; a D that is not positive is a breakdown.
    """

    def make(block: csr_array) -> tuple[Local, Local]:
        lower, upper = _factors(block)
        d = upper.diagonal().real
        if (d <= 0).any():
            raise ZeroDivisionError(f"{np.count_nonzero(d <= 0)} pivots are not positive")
        factor = triangular(csr_array(lower @ diags_array(np.sqrt(d).astype(lower.dtype))))

        def apply(x: np.ndarray) -> np.ndarray:
            return factor.solve(factor.solve(x), "H")

        return apply, apply

    return _solving("ic0", _checked(A, "ic0"), make)


def sor(A: Any, omega: float = 1.0, symmetric: bool = True) -> LinearOperator:
    """Successive over-relaxation of each process's block, D / omega + L; forth and back if `symmetric` (SSOR), as
    methods for Hermitian matrices need."""
    if not 0 < omega < 2:
        raise ValueError(f"`omega` (={omega}) must lie between 0 and 2")

    def make(block: csr_array) -> tuple[Local, Local]:
        diagonal = block.diagonal()
        if not diagonal.all():
            raise ZeroDivisionError(f"{np.count_nonzero(diagonal == 0)} elements of the diagonal are zero")
        scaled = diags_array(diagonal / omega)
        lower = triangular(csr_array(tril(block, -1) + scaled))
        if not symmetric:
            return lower.solve, lambda x: lower.solve(x, "H")
        upper = triangular(csr_array(triu(block, 1) + scaled))
        middle = diagonal * ((2 - omega) / omega)

        def forward(x: np.ndarray) -> np.ndarray:
            return upper.solve(_rows(middle, x) * lower.solve(x))

        def backward(x: np.ndarray) -> np.ndarray:
            return lower.solve(_rows(middle.conj(), x) * upper.solve(x, "H"), "H")

        return forward, backward

    return _solving("sor", _checked(A, "sor"), make)


def schwarz(A: Any, overlap: int = 0, **options: Any) -> LinearOperator:
    """Additive Schwarz: the inverse of each process's block, by SciPy's sparse LU; the sum of them where they overlap.

    `options` are those of `scipy.sparse.linalg.splu`.

    With `overlap` 1 a block takes in the indices that its rows couple to, with 2 those that these couple to, and so on;
    each costs a product of sparse matrices to set up. Applying it then costs two exchanges with neighbours.
    """
    a = _checked(A, "schwarz")
    if overlap < 0:
        raise ValueError(f"`overlap` (={overlap}) must not be negative")
    if not overlap:
        return _solving("schwarz", a, partial(_direct, **options))
    rows = a.resplit(0)
    index = np.arange(rows.pattern.start, rows.pattern.stop)
    choice = _choice(index, rows)
    for _ in range(overlap):
        index = np.union1d(index, (choice @ rows).local.indices)
        choice = _choice(index, rows)
    block = (choice @ rows).local[:, index]
    solvers: tuple[Local, Local] = (np.copy, np.copy)
    with agreed(a.comm):
        if len(index):
            try:
                solvers = _direct(block, **options)
            except RuntimeError as error:  # of SuperLU
                raise LinAlgError(f"the block of a process, with its overlap, is singular: {error}") from None
    back, dtype = choice.H, numpy_dtype(a.dtype)

    def product(solve: Local) -> Callable[[DNDarray], DNDarray]:
        def apply(x: DNDarray) -> DNDarray:
            y = choice @ x
            part = torch.from_numpy(solve(host(y.larray.contiguous()).astype(dtype, copy=False)))
            summed = back @ wrap(part.to(x.device), y.layout, y.comm)
            return wrap(move(summed.larray, summed.layout, x.layout, x.comm), x.layout, x.comm)

        return apply

    return beside(a, product(solvers[0]), product(solvers[1]))


def _choice(index: np.ndarray, like: SparseArray) -> SparseArray:
    """The matrix that takes the elements at `index`, other ones on each process, one after another."""
    ones = csr_array((np.ones(len(index)), index, np.arange(len(index) + 1)), shape=(len(index), like.shape[1]))
    return distributed_csr(ones.astype(numpy_dtype(like.dtype)), is_split=0, comm=like.comm, device=like.device)


def _direct(block: csr_array, **options: Any) -> tuple[Local, Local]:
    factors = splu(block.tocsc(), **options)
    return factors.solve, lambda x: factors.solve(x, "H")


def largest_eigenvalue(A: SparseArray, scale: DNDarray, steps: int = 15) -> float:
    """An estimate from above of the largest eigenvalue of D^-1 A for Hermitian positive definite A and 1/D = scale."""
    root = scale**0.5

    def product(x: DNDarray) -> DNDarray:
        return root * (A @ (root * x))

    _, t = lanczos(beside(A, product, product), min(steps, A.shape[0]))
    return 1.1 * float(torch.linalg.eigvalsh(t.larray)[-1])


def chebyshev(A: Any, degree: int = 4, ratio: float = 30.0, upper: float | None = None) -> LinearOperator:
    """The polynomial in D^-1 A of this degree that is smallest, as an error, on [upper / ratio, upper].

    For Hermitian positive definite matrices, with a positive diagonal D. `upper` is a bound for the eigenvalues of
    D^-1 A, by default from Lanczos's method when it is made. Applying it costs `degree` - 1 products with A, and no
    all-reduce. Source: Adams, Brezina, Hu and Tuminaro (2003).
    """
    a = _checked(A, "chebyshev")
    if degree < 1 or ratio <= 1:
        raise ValueError(f"`degree` (={degree}) must be 1 or more, and `ratio` (={ratio}) more than 1")
    diagonal = a.diagonal().real if a.dtype.is_complex else a.diagonal()
    if not bool((diagonal > 0).all()):
        raise LinAlgError("chebyshev takes positive definite matrices, this one's diagonal is not positive")
    scale = 1 / diagonal
    upper = largest_eigenvalue(a, scale) if upper is None else upper
    center, radius = (1 + 1 / ratio) * upper / 2, (1 - 1 / ratio) * upper / 2

    def apply(x: DNDarray) -> DNDarray:
        sigma = center / radius
        rho = 1 / sigma
        weights = scale if x.ndim == 1 else scale[:, None]
        step = (weights / center) * x
        y, r = step, x
        for _ in range(degree - 1):
            r = r - a @ step
            rho, last = 1 / (2 * sigma - rho), rho
            step = rho * last * step + (2 * rho / radius) * weights * r
            y = y + step
        return y

    return beside(a, apply, apply)


def preconditioner(A: Any, name: str) -> LinearOperator:
    """The preconditioner of this name for a matrix."""
    from .multigrid import amg

    makers: dict[str, Callable[[Any], LinearOperator]] = {
        "jacobi": jacobi,
        "bjacobi": block_jacobi,
        "ilu0": ilu0,
        "ic0": ic0,
        "sor": sor,
        "schwarz": schwarz,
        "chebyshev": chebyshev,
        "amg": amg,
    }
    if name not in makers:
        raise ValueError(f"`M` (={name!r}) must be one of {', '.join(map(repr, makers))}, or an operator")
    if isinstance(A, DNDarray) or hasattr(A, "tocsr") and not isinstance(A, SparseArray):
        A = distributed_csr(A, split=0)
    return makers[name](A)
