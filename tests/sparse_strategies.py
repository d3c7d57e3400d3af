"""What hypothesis draws for the tests of sparse arrays. The same examples on every rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from strategies import counts

import dndarray as dnd
from dndarray.sparse import SparseArray

DTYPES = ["float64", "float32", "complex128", "int64"]


def dense(value: Any) -> np.ndarray:
    """All of a result, sparse or not."""
    return value.toarray() if isinstance(value, SparseArray) else value.numpy()


def matrix(m: int, n: int, dtype: Any = "float64", seed: int = 0, density: float = 0.3) -> sp.csr_array:
    """A random matrix with small integers, which no order of summation changes, as elements."""
    rng = np.random.default_rng(seed)
    M = sp.random_array((m, n), density=density, rng=rng, format="csr")
    values = rng.integers(-4, 5, M.nnz).astype(dtype)
    M = sp.csr_array((values, M.indices, M.indptr), shape=(m, n))
    if np.dtype(dtype).kind == "c":
        M.data += 1j * rng.integers(-4, 5, M.nnz)
    M.sort_indices()
    return M


def stored(M: sp.csr_array) -> np.ndarray:
    """Where a matrix has elements, be they zero."""
    return sp.csr_array((np.ones(M.nnz), M.indices, M.indptr), shape=M.shape).toarray() != 0


@st.composite
def placed(draw: st.DrawFn, M: sp.csr_array) -> SparseArray:
    """A matrix dealt out in any way."""
    split = draw(st.sampled_from([None, 0, 1]))
    make = draw(st.sampled_from([dnd.sparse.csr_array, dnd.sparse.csc_array, dnd.sparse.coo_array]))
    A = make(M, split=split)
    if split is not None and draw(st.booleans()):
        A = A.resplit(split, draw(counts(A.shape[split], dnd.get_comm().size)))
    return A


def sizes(n: int = 9) -> st.SearchStrategy[int]:
    return st.integers(0, n)


@st.composite
def vectors(draw: st.DrawFn, shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, dnd.DNDarray]:
    """A dense operand with small integers as elements, whole and dealt out in any way."""
    from strategies import layouts

    from dndarray.redistribution import move

    values = np.random.default_rng(draw(st.integers(0, 3))).integers(-4, 5, shape).astype(dtype)
    x = dnd.array(values)
    layout = draw(layouts(shape, x.comm.size))
    return values, dnd.DNDarray(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


@st.composite
def keys(draw: st.DrawFn, n: int) -> Any:
    """A slice, an integer, a mask, or numbers, along an axis of n."""
    kind = draw(st.sampled_from(["slice", "slice", "mask", "numbers", "ascending", "integer"]))
    if kind == "integer" and n:
        return draw(st.integers(-n, n - 1))
    if kind == "mask":
        return np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    if kind in ("numbers", "ascending") and n:
        numbers = draw(st.lists(st.integers(-n, n - 1), max_size=6))
        return np.array(sorted({i % n for i in numbers}) if kind == "ascending" else numbers, dtype=np.int64)
    edge = st.none() | st.integers(-n - 1, n + 1)
    return slice(draw(edge), draw(edge), draw(st.sampled_from([None, 1, 2, 3, -1, -2])))
