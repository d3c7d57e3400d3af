"""What the routines of dense linear algebra send, counted and beside the formulas of their docstrings.

Words are those that all processes send; a reduction counts on each. The factorizations that these rest on are counted
word by word in the files that test them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from linalg.dense_samples import SIZE, definite, normal, starts, traffic

import dndarray as dnd
from dndarray.linalg import polar_decomposition

linalg = dnd.linalg
pytestmark = pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")

N, FEW, MANY, L = 200, 2, 160, 20
BLOCKS = len(starts(N))
DOWN = sum(w * (N - start + 1) for start, w in starts(N))
"""Panels of LU, with their pivots."""
TRIANGLE = sum(w * (N - start) for start, w in starts(N))
TURN = SIZE * starts(N)[0][1]
HALF = sum(min(TURN, N - start) * (N - start) for start in range(0, N, TURN))
"""A lower triangle as it is dealt out: whole rows of blocks, from the diagonal down."""
UP = sum(w * (start + w) for start, w in starts(N))
AWAY = 1 - 1 / max(SIZE, 2)
"""Of what is dealt out anew the part that travels, if all parts are equal."""
ROUNDED = 1.1
TALL = (N * SIZE, 10)


def _dealt(*shape: int) -> dnd.DNDarray:
    return dnd.array(normal(*shape), split=0)


def _square() -> dnd.DNDarray:
    return _dealt(N, N) + 20 * dnd.eye(N, split=0)


def _definite() -> dnd.DNDarray:
    return dnd.array(definite(N), split=0)


class Row(NamedTuple):
    """A routine, what it is given, its collectives, the words of its panels and reductions, and of its all-to-alls."""

    call: Callable[..., Any]
    given: Callable[[], tuple]
    calls: dict[str, int]
    words: float
    moved: float = 0.0


ROWS = {
    "det": Row(linalg.det, lambda: (_square(),), {"Alltoall": 1, "Bcast": BLOCKS}, DOWN, N * N),
    "slogdet": Row(linalg.slogdet, lambda: (_square(),), {"Alltoall": 1, "Bcast": BLOCKS}, DOWN, N * N),
    "inv": Row(linalg.inv, lambda: (_square(),), {"Alltoall": 2, "Bcast": 2 * BLOCKS}, DOWN + UP, 3 * N * N),
    "cond": Row(
        lambda x: linalg.cond(x, 1), lambda: (_square(),), {"Allreduce": 2, "Alltoall": 2, "Bcast": 2 * BLOCKS},
        DOWN + UP + 2 * SIZE * N, 3 * N * N,
    ),
    "lu": Row(linalg.lu, lambda: (_square(),), {"Alltoall": 2, "Bcast": BLOCKS}, DOWN, 2 * N * N),
    "lu_solve": Row(
        linalg.lu_solve, lambda: (linalg.lu_factor(_square()), _dealt(N, FEW)),
        {"Allreduce": 1, "Bcast": 2 * SIZE, "Alltoall": 1}, 2 * N * FEW, N * FEW / AWAY,
    ),
    "cho_factor": Row(linalg.cho_factor, lambda: (_definite(),), {"Alltoall": 2, "Bcast": BLOCKS}, TRIANGLE, 2 * HALF),
    "cho_solve": Row(
        linalg.cho_solve, lambda: (linalg.cho_factor(_definite(), True), _dealt(N, FEW)),
        {"Allreduce": 2, "Bcast": SIZE, "Reduce": SIZE}, (1 + SIZE) * N * FEW,
    ),
    "solve_triangular, many": Row(
        linalg.solve_triangular, lambda: (_square(), _dealt(N, MANY)), {"Allreduce": 1, "Alltoall": 2, "Bcast": SIZE},
        N * N / 2, 2 * N * MANY + N * N / SIZE,
    ),
    "qr, raw": Row(
        lambda x: linalg.qr(x, "raw"), lambda: (_square(),), {"Alltoall": 2, "Bcast": BLOCKS}, DOWN, 2 * N * N
    ),
    "qr, complete": Row(
        lambda x: linalg.qr(x, "complete"), lambda: (_square(),), {"Alltoall": 3, "Bcast": 2 * BLOCKS}, 2 * DOWN - N,
        3 * N * N,
    ),
    "pinv": Row(linalg.pinv, lambda: (_dealt(*TALL),), {"Allgather": 1}, 100 * SIZE),
    "matrix_rank": Row(linalg.matrix_rank, lambda: (_dealt(*TALL),), {"Allgather": 1}, 100 * SIZE),
    "isvd": Row(
        lambda new, factors: linalg.isvd(new, *factors),
        lambda: (_dealt(TALL[0], 3), linalg.svd(_dealt(*TALL), full_matrices=False)), {"Allgather": 1}, 169 * SIZE,
    ),
    "rsvd": Row(
        lambda x: linalg.rsvd(x, L - 10, seed=0), lambda: (_square(),), {"Allgather": 1, "Allreduce": 1},
        SIZE * L * (L + N),
    ),
    "reigh": Row(
        lambda x: linalg.reigh(x, L - 10, seed=0), lambda: (_square(),),
        {"Allgather": 1, "Allreduce": 1, "Bcast": SIZE}, 2 * SIZE * L * L + N * L,
    ),
    "matrix_power": Row(lambda x: linalg.matrix_power(x, 5), lambda: (_square(),), {"Bcast": 3 * SIZE}, 3 * N * N),
    "expm": Row(
        lambda x: linalg.expm(x / 50), lambda: (_square(),),
        {"Allreduce": 1, "Alltoall": 2, "Bcast": 6 * SIZE + 2 * BLOCKS}, 6 * N * N + DOWN + UP + SIZE * N,
        3 * N * N,
    ),
    "norm": Row(linalg.norm, lambda: (_square(),), {"Allreduce": 1}, SIZE),
    "matrix_norm": Row(lambda x: linalg.matrix_norm(x, ord=1), lambda: (_square(),), {"Allreduce": 1}, SIZE * N),
    "vector_norm": Row(linalg.vector_norm, lambda: (_square(),), {"Allreduce": 1}, SIZE),
    "trace": Row(linalg.trace, lambda: (_square(),), {"Allreduce": 1}, SIZE),
    "eig": Row(linalg.eig, lambda: (_square(),), {"Allgather": 1}, N * N),
    "eigvals": Row(linalg.eigvals, lambda: (_square(),), {"Allgather": 1}, N * N),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_is_sent(name: str) -> None:
    row = ROWS[name]
    given = row.given()
    calls, words = traffic(lambda: row.call(*given))
    assert calls == row.calls
    flags = SIZE * calls.get("Allreduce", 0)  # of a byte each
    assert row.words <= words <= row.words + row.moved * AWAY * ROUNDED + flags


def test_what_a_step_of_the_polar_iteration_sends() -> None:
    x = _square()
    calls, words = traffic(lambda: linalg.polar(x))
    steps = calls["Alltoall"] - 1  # one more makes P Hermitian
    assert 1 <= steps <= 6
    turns = polar_decomposition._TURNS * (steps - 1)
    assert calls["Bcast"] == (2 * steps + turns) * BLOCKS + 2 * SIZE
    panels, products = 2 * steps * TRIANGLE, (steps + 1) * SIZE * N * N
    probes = 4 * N * (turns * (1 + SIZE) + 2)
    dealt = (steps * HALF + N * N) * AWAY * ROUNDED
    numbers = SIZE * (calls["Allreduce"] * 4)
    assert panels + products <= words <= panels + products + probes + dealt + numbers


def test_the_square_root_sends_what_the_eigenvectors_send_and_a_product() -> None:
    x = _definite()
    _, vectors = traffic(lambda: linalg.eigh(x))
    _, words = traffic(lambda: linalg.sqrtm(x))
    assert vectors + N * N <= words <= vectors + N * N * (1 + 2 * AWAY * ROUNDED) + 4 * SIZE


def test_least_squares_send_a_triangle_and_right_hand_sides() -> None:
    n, k = TALL[1], 3
    a, b = _dealt(*TALL), _dealt(TALL[0], k)
    calls, words = traffic(lambda: linalg.lstsq(a, b))
    assert calls["Allgather"] <= 2 and set(calls) <= {"Allgather", "Allreduce"}
    assert words <= SIZE * (n * n + 2 * n * k + k + 2) + n * k
