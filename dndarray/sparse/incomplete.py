"""Incomplete factors of one process's block, and solving with triangular ones: NumPy and SciPy, no messages."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, eye_array, tril, triu
from scipy.sparse.linalg import SuperLU, splu

from .exchange_plan import spans

__all__ = ["ilu0", "levels", "triangular"]


def triangular(matrix: csr_array) -> SuperLU:
    """A triangular matrix ready to be solved with: SuperLU in the order given, in which there is nothing to fill in.

    It solves some ten times faster than `spsolve_triangular`, which prepares the matrix at each call.
    """
    return splu(matrix.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"Equil": False})


def levels(lower: csr_array) -> np.ndarray:
    """For each row how many steps after the first it may be computed, if it needs the rows that its columns name."""
    columns = lower.tocsc()
    waiting = np.diff(lower.indptr)
    level = np.zeros(lower.shape[0], dtype=np.int64)
    front, step = np.flatnonzero(waiting == 0), 0
    while len(front):
        level[front] = step
        starts = columns.indptr[front]
        followers = columns.indices[spans(starts, columns.indptr[front + 1] - starts)]
        np.subtract.at(waiting, followers, 1)
        front = np.unique(followers[waiting[followers] == 0])
        step += 1
    return level


def ilu0(block: csr_array) -> tuple[csr_array, csr_array]:
    """The unit lower and the upper factor of LU factorization without fill-in, on the pattern of the block.

    Gaussian elimination row by row (Saad, Iterative Methods, algorithm 10.4), of all rows at once that do not need each
    other: the k-th column below the diagonal of each row of a level makes one step. As many steps as levels times
    columns, each some microseconds beside the arithmetic. ZeroDivisionError where a pivot is zero or missing.
    """
    n = block.shape[0]
    pattern = block.copy()
    pattern.sort_indices()
    indptr, indices, data = pattern.indptr.astype(np.int64), pattern.indices.astype(np.int64), pattern.data
    rows = np.repeat(np.arange(n), np.diff(indptr))
    diagonal = np.flatnonzero(indices == rows)
    if len(diagonal) < n:
        raise ZeroDivisionError(f"{n - len(diagonal)} elements of the diagonal are not stored")
    below = np.flatnonzero(indices < rows)
    level = levels(csr_array(tril(pattern, -1)))
    order = np.lexsort((below - indptr[rows[below]], level[rows[below]]))
    below = below[order]
    # What row `i` gets when column `k` is eliminated: from each (k, j) right of the diagonal to (i, j), if stored.
    k = indices[below]
    lengths = indptr[k + 1] - diagonal[k] - 1
    source = spans(diagonal[k] + 1, lengths)
    factor = np.repeat(below, lengths)
    keys = rows * n + indices
    wanted = rows[factor] * n + indices[source]
    target = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    stored = keys[target] == wanted
    source, factor, target = source[stored], factor[stored], target[stored]
    ends = np.append(0, np.cumsum(stored))[np.append(0, np.cumsum(lengths))]  # of what comes of the first ones below
    # The steps: one level and one column of each of its rows.
    place = below - indptr[rows[below]]
    same = (np.diff(level[rows[below]]) == 0) & (np.diff(place) == 0)
    cuts = [0, *(np.flatnonzero(~same) + 1).tolist(), len(below)]
    pivots = diagonal[k]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for start, stop in pairwise(cuts):
            data[below[start:stop]] /= data[pivots[start:stop]]
            some = slice(ends[start], ends[stop])
            data[target[some]] -= data[factor[some]] * data[source[some]]
    if not np.isfinite(data).all() or (data[diagonal] == 0).any():
        raise ZeroDivisionError("a pivot became zero")
    return csr_array(tril(pattern, -1) + eye_array(n, dtype=data.dtype)), csr_array(triu(pattern))
