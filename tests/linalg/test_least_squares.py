"""LSQR and LSMR beside SciPy's: the same numbers, stopping rules and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import dndarray as dnd
from dndarray.linalg import LinAlgError, LinearOperator, lsmr, lsqr
from dndarray.testing import count_collectives

SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
TALL = scipy.sparse.random_array((90, 40), density=0.2, rng=RNG).toarray()
B = RNG.normal(size=90)
START = RNG.normal(size=40)
TIGHT = {"atol": 1e-10, "btol": 1e-10}


@pytest.mark.parametrize("split", [0, 1, None])
@pytest.mark.parametrize("damp", [0.0, 0.5])
@pytest.mark.parametrize("start", [None, START])
def test_as_scipy(split: int | None, damp: float, start: Any) -> None:
    a, b = dnd.array(TALL, split=split), dnd.array(B, split=0)
    ours, theirs = lsqr(a, b, damp, x0=start, **TIGHT), scipy.sparse.linalg.lsqr(TALL, B, damp, x0=start, **TIGHT)
    np.testing.assert_allclose(ours.x.numpy(), theirs[0], rtol=1e-7, atol=1e-9)
    assert ours.istop == theirs[1] and abs(ours.itn - theirs[2]) <= 1
    np.testing.assert_allclose(
        [ours.r1norm, ours.r2norm, ours.anorm, ours.xnorm], [theirs[i] for i in (3, 4, 5, 8)], rtol=0.02
    )
    mine, other = lsmr(a, b, damp, x0=start, **TIGHT), scipy.sparse.linalg.lsmr(TALL, B, damp, x0=start, **TIGHT)
    np.testing.assert_allclose(mine.x.numpy(), other[0], rtol=1e-7, atol=1e-9)
    assert mine.istop == other[1] and abs(mine.itn - other[2]) <= 1
    np.testing.assert_allclose([mine.normr, mine.norma, mine.normx], [other[i] for i in (3, 5, 7)], rtol=0.02)


def test_variances() -> None:
    ours = lsqr(dnd.array(TALL, split=0), dnd.array(B, split=0), 0.5, calc_var=True)
    theirs = scipy.sparse.linalg.lsqr(TALL, B, 0.5, calc_var=True)
    assert ours.var is not None
    np.testing.assert_allclose(ours.var.numpy(), theirs[-1], rtol=1e-4)


@pytest.mark.parametrize("solver", [lsqr, lsmr])
def test_wide_square_complex_and_sparse(solver: Any) -> None:
    wide = TALL.T[:20] + 0.1j * RNG.normal(size=(20, 90))
    x = solver(dnd.array(wide, split=1), dnd.array(B[:20], split=0), **TIGHT).x  # the one of least norm
    np.testing.assert_allclose(x.numpy(), np.linalg.pinv(wide) @ B[:20], atol=1e-7)
    x = solver(dnd.sparse.csr_array(TALL, split=0), dnd.array(B, split=0), **TIGHT).x
    np.testing.assert_allclose(x.numpy(), np.linalg.lstsq(TALL, B)[0], rtol=1e-6, atol=1e-8)
    square = TALL[:40] + 5 * np.eye(40)
    result = solver(dnd.array(square, split=0), dnd.array(B[:40]), **TIGHT)
    assert result.istop == 1
    np.testing.assert_allclose(square @ result.x.numpy(), B[:40], atol=1e-6)


@pytest.mark.parametrize("solver", [lsqr, lsmr])
def test_ends(solver: Any) -> None:
    a, b = dnd.array(TALL, split=0), dnd.array(B, split=0)
    result = solver(a, dnd.zeros_like(b))
    assert result.istop == 0 and result.itn == 0 and not result.x.numpy().any()
    few = {"iter_lim": 3} if solver is lsqr else {"maxiter": 3}
    assert (solver(a, b, **few).istop, solver(a, b, **few).itn) == (7, 3)
    assert solver(a, b, conlim=2).istop == 3
    spoilt = TALL.copy()
    spoilt[-1, -1] = np.nan
    with pytest.raises(LinAlgError, match="NaN"):
        solver(dnd.array(spoilt, split=0), b)
    with pytest.raises(ValueError, match="`b` must have shape"):
        solver(a, b[:3])
    with pytest.raises(ValueError, match="`x0` must have shape"):
        solver(a, b, x0=B)
    with pytest.raises(NotImplementedError, match="rmatvec"):
        solver(LinearOperator((90, 40), lambda x: a @ x), b)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_two_all_reduces_an_iteration() -> None:
    operator = LinearOperator(
        TALL.shape,
        lambda x: dnd.array(TALL @ x.numpy(), split=0),
        lambda x: dnd.array(TALL.T @ x.numpy(), split=0),
    )
    counts = []
    for limit in (3, 8):
        with count_collectives() as c:
            lsqr(operator, dnd.array(B, split=0), iter_lim=limit, atol=0, btol=0)
        counts.append(c.calls["Allreduce"])
    assert counts[1] - counts[0] == 10
