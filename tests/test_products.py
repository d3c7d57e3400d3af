"""Products: what they communicate, how results are split, types that torch does not multiply, paths of einsum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts

import dndarray as dnd
from dndarray import panels
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(12, 7)), RNG.normal(size=(7, 5))


def _calls(function: Any, *arrays: Any) -> dict[str, int]:
    function(*arrays)  # communicators are made at their first use
    with count_collectives() as c:
        function(*arrays)
    return c.calls


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_sums_along_a_split_axis_take_one_reduction() -> None:
    x, y = dnd.array(A, split=0), dnd.array(A + 1, split=0)
    assert _calls(lambda: dnd.vecdot(x, y, axis=0)) == {"Allreduce": 1}
    assert _calls(lambda: dnd.vecdot(x, y)) == {}
    assert _calls(lambda: dnd.vdot(x, y)) == {"Allreduce": 1}
    assert _calls(lambda: dnd.trace(x)) == {"Allreduce": 1}
    assert _calls(lambda: dnd.einsum("ij,ij->", x, y)) == {"Allreduce": 1}
    assert _calls(lambda: dnd.einsum("ij->", x)) == {"Allreduce": 1}


def test_nothing_travels_where_nothing_has_to() -> None:
    x, w, v = dnd.array(A, split=0), dnd.array(B), dnd.array(B.T)
    row, column, vectors = dnd.array(B[0]), dnd.array(B[:, 0], split=0), dnd.ones((7, 3), split=0)
    assert _calls(lambda: dnd.einsum("ij,jk,kl->il", x, w, v)) == {}
    assert _calls(lambda: dnd.einsum("...j,jk->...k", x, w)) == {}
    assert _calls(lambda: dnd.tensordot(x, w, 1)) == {}
    assert _calls(lambda: dnd.tensordot(x, w, 0)) == {}
    assert _calls(lambda: dnd.kron(x, w)) == {}
    assert _calls(lambda: dnd.outer(column, row)) == {}
    assert _calls(lambda: dnd.cross(vectors, vectors)) == {}
    assert _calls(lambda: dnd.diagonal(x)) == {}
    assert _calls(lambda: dnd.einsum_path("ij,jk,kl->il", x, w, v)) == {}


def test_the_split_of_results_does_not_depend_on_the_number_of_processes() -> None:
    x, y = dnd.array(A, split=0), dnd.array(A, split=1)
    assert dnd.outer(dnd.array(A[0], split=0), dnd.array(A[:, 0], split=0)).split == 1
    assert dnd.kron(x, dnd.array(B)).split == 0
    assert dnd.kron(dnd.array(B), y).split == 0  # its columns lie scattered: redistributed
    assert dnd.vecdot(x, x, axis=0).split == 0
    assert dnd.tensordot(x, y.T, ([1], [0])).split == 0
    assert dnd.diagonal(y).split == dnd.diagonal(x).split == 0
    assert dnd.einsum("ij,kj->ki", x, y).split == 1
    assert dnd.einsum("ij->ji", x).split == 1
    assert dnd.cross(dnd.ones((3, 5), split=0), dnd.ones((3, 5)), axis=0).split == 1


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk", ((5, 4), (3, 3))),
        ("ij,jk->ikk", ((5, 4), (4, 3))),
        ("ii", ((5, 4),)),
        ("ij", ((5, 4), (4, 3))),
        ("i;j", ((5, 4),)),
    ],
)
def test_wrong_subscripts_are_found_before_anything_travels(subscripts: str, shapes: tuple) -> None:
    arrays = [dnd.ones(shape, split=i % 2) for i, shape in enumerate(shapes)]
    with count_collectives() as c, pytest.raises(ValueError, match="subscripts"):
        dnd.einsum(subscripts, *arrays)
    assert c.calls == {}


def test_a_chain_is_contracted_where_least_is_computed_and_moved() -> None:
    tall, square, vector = dnd.ones((400, 20), split=0), dnd.ones((20, 20)), dnd.ones(20)
    assert dnd.einsum_path("ij,jk,k->i", tall, square, vector)[0] == ["einsum_path", (1, 2), (0, 1)]
    a, b, c = dnd.ones((20, 100)), dnd.ones((100, 2000)), dnd.ones((2000, 60))
    assert dnd.einsum_path("ij,jk,kl->il", a, b, c)[0][1:] == [(0, 1), (0, 1)]  # the fewest operations
    path, table = dnd.einsum_path("ij,jk,kl->il", a, b.resplit(0), c)
    assert path[1:] == [(1, 2), (0, 1)]  # the smallest sum over processes
    assert table.count("\n") == 2
    x = [dnd.ones((2, 2), split=i % 2) for i in range(12)]
    subscripts = ",".join("abcdefghijklm"[i : i + 2] for i in range(12))
    assert_array_equal(dnd.einsum(subscripts, *x), np.full((2, 2), 2.0**11, dtype="float32"))


def test_paths_by_the_user() -> None:
    x = [dnd.array(a, split=0) for a in (A, B, B.T)]
    expected = np.einsum("ij,jk,kl->il", A, B, B.T)
    for path in ([(0, 1), (0, 1)], [(1, 2), (1, 0)], [(0, 2, 1)], [(2, 0)], []):
        assert_allclose(dnd.einsum("ij,jk,kl->il", *x, optimize=["einsum_path", *path]), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="not there"):
        dnd.einsum("ij,jk,kl->il", *x, optimize=["einsum_path", (0, 3)])
    with pytest.raises(TypeError, match="optimize"):
        dnd.einsum("ij,jk,kl->il", *x, optimize="best")


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int8"])
def test_integers_wrap_around_as_numpys(dtype: str) -> None:
    top = np.iinfo(dtype).max
    a = np.array([[top, 3, top // 2], [1, top - 1, 5]], dtype=dtype)
    x, y = dnd.array(a, split=0), dnd.array(a.T.copy(), split=0)
    assert_array_equal(dnd.dot(x, y), a @ a.T)
    assert_array_equal(dnd.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", a, a))
    assert_array_equal(dnd.vdot(x, x), np.vdot(a, a))


@pytest.mark.parametrize("small", [0, 2**16])
def test_sums_over_processes_in_parts_and_as_a_whole(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "SMALL", small)
    monkeypatch.setattr(panels, "PART", 100)
    a = RNG.normal(size=(9, 4, 6))
    for split in (0, 1, 2):
        x = dnd.array(a, split=split)
        for subscripts in ("ijk,ijl->kl", "ijk,ijk->k", "ijk,ijk->j", "ijk,ijk->", "ijk,ljk->il", "ijk,ilk->ijl"):
            assert_allclose(dnd.einsum(subscripts, x, x), np.einsum(subscripts, a, a), rtol=1e-10, atol=1e-12)


@given(st.data())
def test_any_two_layouts(data: st.DataObject) -> None:
    a, b = np.arange(24.0).reshape(2, 3, 4), np.arange(60.0).reshape(4, 3, 5) - 20
    comm = dnd.get_comm()
    x, y = (dnd.array(v) for v in (a, b))
    x, y = (
        dnd.DNDarray(v.larray[tuple(slice(*i) for i in lay.box(comm.rank))], lay, comm)
        for v, lay in ((x, data.draw(layouts(a.shape, SIZE))), (y, data.draw(layouts(b.shape, SIZE))))
    )
    subscripts = data.draw(
        st.sampled_from(["ijk,kjl->il", "ijk,kml->imjl", "ijk,kjl->j", "ijk,kjl->", "ijk,kjl->lkij"])
    )
    assert_allclose(dnd.einsum(subscripts, x, y), np.einsum(subscripts, a, b))
    assert_allclose(dnd.tensordot(x, y, ([2, 1], [0, 1])), np.tensordot(a, b, ([2, 1], [0, 1])))
