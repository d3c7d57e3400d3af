"""Sparse matrices beside SciPy: products with vectors and matrices, and conjugate gradients.

A product is compared with SciPy's of this rank's rows alone, with all of the vector at hand: what ours takes more is
communication. Conjugate gradients and products of two sparse matrices are compared with SciPy's of the whole matrix on
one process. (Heat multiplies no sparse matrix.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from mpi4py import MPI
from table import Row, options, ratio, report
from timing import medians

import dndarray as dnd

RUNS = [(2, [])]

OF_LOCAL_PRODUCT = 1 / 1.3
OF_SCIPY = 1.2
ITERATIONS = 50
REPETITIONS = 7


def _on_first(function):  # type: ignore[no-untyped-def]
    return function if MPI.COMM_WORLD.rank == 0 else lambda: None


def _compared(what: str, name: str, target: float, ours, peer, number: int = 1) -> Row:  # type: ignore[no-untyped-def]
    def repeated(function):  # type: ignore[no-untyped-def]
        return lambda: [function() for _ in range(number)]

    seconds = medians({"ours": repeated(ours), "peer": repeated(peer)}, REPETITIONS)
    return ratio(what, name, seconds["ours"] / number, seconds["peer"] / number, target)


def rows(scale: int) -> Iterator[Row]:
    for name, shape in (("2-D", (1000 // scale,) * 2), ("3-D", (100 // scale,) * 3)):
        a = dnd.sparse.poisson(*shape, split=0)
        n = a.shape[0]
        x = dnd.random.normal(size=n, dtype="float64", split=0)
        local, whole = a.local, x.numpy()
        what = f"{name} Poisson, {n} unknowns"
        yield _compared(f"A @ x, {what}", "SciPy, own rows", OF_LOCAL_PRODUCT, lambda a=a, x=x: a @ x,
                        lambda a=local, x=whole: a @ x, number=10)  # fmt: skip
        block = dnd.random.normal(size=(n, 8), dtype="float64", split=0)
        beside = block.numpy()
        yield _compared(f"A @ X, 8 columns, {what}", "SciPy, own rows", OF_LOCAL_PRODUCT, lambda a=a, x=block: a @ x,
                        lambda a=local, x=beside: a @ x)  # fmt: skip
        theirs = a.to_scipy()
        yield _compared(
            f"{ITERATIONS} iterations of cg, {what}",
            "SciPy",
            OF_SCIPY,
            lambda a=a, x=x: dnd.linalg.cg(a, x, rtol=0.0, maxiter=ITERATIONS),
            _on_first(lambda a=theirs, x=whole: scipy.sparse.linalg.cg(a, x, rtol=0.0, maxiter=ITERATIONS)),
        )
    a = dnd.sparse.poisson(50, 50, split=0)
    block = dnd.random.normal(size=(2500, 64), dtype="float64", split=0)
    theirs, beside = a.to_scipy(), block.numpy()
    yield _compared(
        f"{ITERATIONS} iterations of cg, 64 sides, 2-D Poisson, 2500 unknowns",
        "SciPy, one after another",
        OF_SCIPY,
        lambda a=a, x=block: dnd.linalg.cg(a, x, rtol=0.0, maxiter=ITERATIONS),
        _on_first(lambda: [scipy.sparse.linalg.cg(theirs, x, rtol=0.0, maxiter=ITERATIONS) for x in beside.T.copy()]),
    )
    n = 100_000 // scale
    a = dnd.sparse.csr_array(
        scipy.sparse.random_array((n, n), density=10 / n, rng=np.random.default_rng(0)).tocsr(), split=0
    )
    theirs = a.to_scipy()
    yield _compared(f"A @ A, {n} rows of 10", "SciPy", OF_SCIPY, lambda: a @ a, _on_first(lambda: theirs @ theirs))


def main() -> None:
    args = options(__doc__).parse_args()
    found = list(rows(20 if args.tiny else 1))
    if MPI.COMM_WORLD.rank == 0:
        report(found, args.json)


if __name__ == "__main__":
    main()
