"""What a process computes by itself: the products of compressed rows with dense vectors.

On the CPU these are SciPy's, which were at least as fast as torch's everywhere but for many columns of float32 (five
sixths of torch's speed), and complex products of several columns three times as fast; on other devices torch's.

They are called by the names of SciPy's inner module, `_sparsetools`. What is public gives a product in memory of its
own, and to add that to part of a result takes as much memory again, and twice the time for eight columns (a twentieth
more for one). What is public to compress triplets adds up those that come twice, and does not tell their order, which
gradients need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import _sparsetools
from torch import Tensor

__all__ = ["CAN_ELIMINATE", "DTYPES", "add_product", "add_transposed_product", "eliminate", "host", "plain", "sampled"]

DTYPES = frozenset(
    getattr(torch, name) for name in "bool uint8 int8 int16 int32 int64 float32 float64 complex64 complex128".split()
)
"""Types of elements for which there are kernels."""

CAN_ELIMINATE = hasattr(_sparsetools, "coo_matmat_dense")
"""SciPy's from 1.14 can `eliminate`."""

_BLOCK = 2**20
"""Elements of a dense operand that are taken at a time where each element of a pattern takes a row of it."""


def plain(tensor: Tensor) -> Tensor:
    """The tensor without history, in C order: as kernels want it."""
    return tensor.detach().resolve_conj().resolve_neg().contiguous()


def host(tensor: Tensor) -> np.ndarray:
    """The tensor as a NumPy array in C order; shares memory where it can."""
    return plain(tensor).cpu().numpy()


def _on_device(indptr: Tensor, columns: Tensor, values: Tensor, n: int, transposed: bool) -> Any:
    m = len(indptr) - 1
    make, shape = (torch.sparse_csc_tensor, (n, m)) if transposed else (torch.sparse_csr_tensor, (m, n))
    return make(indptr, columns, values, size=shape)


def add_product(indptr: Tensor, columns: Tensor, values: Tensor, x: Tensor, out: Tensor) -> None:
    """Add the product of compressed rows and `x`, of shape (n,) or (n, k), to `out`; all of one type and `plain`."""
    if out.device.type != "cpu":
        out += _on_device(indptr, columns, values, len(x), False) @ x
        return
    args = (len(indptr) - 1, len(x))
    matrix = (indptr.numpy(), columns.numpy(), values.numpy())
    if x.ndim == 1:
        _sparsetools.csr_matvec(*args, *matrix, x.numpy(), out.numpy())
    else:
        _sparsetools.csr_matvecs(*args, x.shape[1], *matrix, x.view(-1).numpy(), out.numpy().ravel())


def add_transposed_product(indptr: Tensor, columns: Tensor, values: Tensor, x: Tensor, out: Tensor) -> None:
    """Add the product of the transpose of compressed rows and `x` to `out`."""
    if out.device.type != "cpu":
        out += _on_device(indptr, columns, values, len(out), True) @ x
        return
    args = (len(out), len(indptr) - 1)
    matrix = (indptr.numpy(), columns.numpy(), values.numpy())
    if x.ndim == 1:
        _sparsetools.csc_matvec(*args, *matrix, x.numpy(), out.numpy())
    else:
        _sparsetools.csc_matvecs(*args, x.shape[1], *matrix, x.view(-1).numpy(), out.numpy().ravel())


def eliminate(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, x: Tensor) -> None:
    """Add to rows of `x` multiples of others, one after another: x[row] += value x[column]. On the CPU, in C order."""
    here = x.numpy()
    _sparsetools.coo_matmat_dense(len(values), x.shape[1], rows, columns, values, here.reshape(-1), here)


def sampled(rows: Tensor, columns: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Elements (row, column) of the product of `u` and the transpose of `v`, which have shape (m,) or (m, k)."""
    if u.ndim == 1:
        return u[rows] * v[columns]
    step = max(1, _BLOCK // max(1, u.shape[1]))
    parts = [(u[r] * v[c]).sum(1) for r, c in zip(rows.split(step), columns.split(step), strict=True)]
    return torch.cat(parts) if parts else u.new_empty(0)
