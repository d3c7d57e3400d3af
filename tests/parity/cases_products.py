"""Products: matmul and its kin, dot, tensordot, kron, cross, einsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.case import ALL, INEXACT, NUMBERS, SHAPES, Case

SUMS = "sums of infinities in another order"
FIT = "shapes that fit together"

MATRICES = [
    ((5, 4), (4, 7)), ((5, 4), (4,)), ((4,), (4, 7)), ((4,), (4,)), ((2, 5, 4), (2, 4, 3)), ((2, 5, 4), (4, 3)),
    ((1, 5, 4), (3, 4, 2)), ((3, 1, 5, 4), (2, 4, 3)), ((5, 0), (0, 3)), ((0, 4), (4, 3)), ((1, 1), (1, 1)),
    ((13, 2), (2, 1)), ((3, 2), (3, 2)), ((), (3,)),
]  # fmt: skip
SAME = [((5, 4), (5, 4)), ((13,), (13,)), ((2, 3, 4), (3, 4)), ((2, 1, 4), (5, 4)), ((0, 3), (0, 3)), ((3, 0), (3, 0))]
DOTS = [
    *MATRICES[:4],
    ((2, 5, 4), (3, 4, 2)),
    ((5, 0), (0, 3)),
    ((1, 5), (5, 1)),
    ((), (2, 3)),
    ((3,), ()),
    ((3, 2), (3,)),
]
PAIRS = [((13,), (5,)), ((2, 3), (4,)), ((1,), (0,)), ((3, 0), (2, 2)), ((), (3,)), ((), ()), ((7, 4), (2, 3, 4))]
KRONS = [*PAIRS, ((3, 2), (2, 5)), ((1, 5), (4, 1)), ((2, 2), (13, 1)), ((5, 1, 2), (1, 3, 2)), ((3,), (7, 4))]


def _product(name: str, *args: Any, **options: Any) -> Callable[..., Any]:
    return lambda xp, a, b: getattr(xp, name)(a, b, *args, **options)


def _row(name: str, shapes: Any, call: Callable[..., Any] | None = None, dtypes: Any = ALL, why: str = FIT) -> Case:
    return Case(
        name,
        call or _product(name),
        arrays=2,
        shapes=shapes,
        dtypes=dtypes,
        special=False,
        grad=True,
        why=f"{why}; {SUMS}",
    )


def _with_out(name: str) -> Callable[..., Any]:
    def call(xp: Any, a: Any, b: Any) -> Any:
        out = xp.zeros_like(getattr(xp, name)(a, b))
        getattr(xp, name)(a, b, out=out)
        return out

    return call


def _tensordots(xp: Any, a: Any, b: Any) -> Any:
    return [
        xp.tensordot(a, b, 0),
        xp.tensordot(a, b, 1),
        xp.tensordot(a, b, ([1, 0], [0, 1])),
        xp.tensordot(a, b, ([-1], [0])),
        xp.tensordot(a, b, (1, 0)),
    ]


def _crosses(xp: Any, a: Any, b: Any) -> Any:
    return [xp.cross(a, b), xp.cross(a, b, axisc=0), xp.cross(b, a, axisb=-1, axisa=-1)]


def _traces(xp: Any, x: Any) -> Any:
    return [xp.trace(x), xp.trace(x, 1), xp.trace(x, offset=-2, axis1=-1, axis2=0), xp.trace(x, dtype="complex128")]


def _einsum(subscripts: str, shapes: Any, grad: bool = True) -> Case:
    return Case(
        "einsum",
        lambda xp, *arrays: xp.einsum(subscripts, *arrays),
        arrays=len(shapes),
        shapes=[shapes if len(shapes) > 1 else shapes[0]],
        special=False,
        grad=grad and all(0 not in s for s in shapes),
        why=f"shapes of {subscripts}; {SUMS}",
    )


def _sublists(xp: Any, a: Any, b: Any) -> Any:
    return [
        xp.einsum(a, [0, 1], b, [1, 2]),
        xp.einsum(a, [3, 30], b, [30, 5], [5, 3]),
        xp.einsum(a, [0, Ellipsis], b, [Ellipsis, 2], [0, 2, Ellipsis]) if a.shape[1] == b.shape[0] else a,
    ]


def _options(xp: Any, a: Any, b: Any) -> Any:
    out = xp.zeros((a.shape[0], b.shape[1]), dtype="complex128")
    path = xp.einsum_path("ij,jk,kl->il", a, b, b.T)[0]
    return [
        xp.einsum("ij,jk", a, b, dtype="complex128"),
        xp.einsum("ij,jk", a, b, out=out, dtype="complex128"),
        out,
        xp.einsum("ij,jk,kl->il", a, b, b.T, optimize=path),
        xp.einsum("ij,jk,kl->il", a, b, b.T, optimize=["einsum_path", (0, 1, 2)]),
        xp.einsum("ij,jk,kl->il", a, b, b.T, optimize="optimal"),
    ]


def _same_path(xp: Any, a: Any, b: Any) -> Any:
    return [xp.einsum_path("ij,jk->ik", a, b)[0][0], list(xp.einsum_path("ij,jk->ik", a, b)[0][1])]


CASES: list[Case] = [
    _row("matmul", MATRICES),
    _row("matmul", MATRICES[:8], _with_out("matmul")),
    _row("vecdot", SAME),
    _row("vecdot", [((5, 4), (5, 4)), ((13,), (13,)), ((5, 1), (5, 3)), ((0, 3), (0, 3))], _product("vecdot", axis=0)),
    _row("vecdot", SAME, lambda xp, a, b: xp.vecdot(a, b, dtype="complex128")),
    _row(
        "matvec", [((5, 4), (4,)), ((2, 5, 4), (2, 4)), ((5, 4), (3, 4)), ((0, 4), (4,)), ((3, 0), (0,)), ((4,), (4,))]
    ),
    _row(
        "vecmat", [((5,), (5, 4)), ((3, 5), (3, 5, 4)), ((3, 5), (5, 4)), ((0,), (0, 4)), ((3,), (3, 0)), ((4,), (4,))]
    ),
    _row("dot", DOTS),
    _row("dot", DOTS, _with_out("dot")),
    _row(
        "inner",
        [
            ((5, 4), (7, 4)),
            ((4,), (4,)),
            ((2, 3, 4), (5, 4)),
            ((), (2, 3)),
            ((3, 0), (2, 0)),
            ((0, 3), (3,)),
            ((3,), (2,)),
        ],
    ),
    _row("outer", PAIRS),
    _row("outer", PAIRS, _with_out("outer")),
    _row(
        "vdot",
        [
            ((5, 4), (5, 4)),
            ((13,), (13,)),
            ((3, 4), (4, 3)),
            ((2, 3, 4), (24,)),
            ((0, 3), (3, 0)),
            ((), ()),
            ((3,), (2,)),
        ],
    ),
    _row("tensordot", [((5, 4), (4, 5)), ((13, 2), (2, 13)), ((0, 3), (3, 0)), ((3, 2), (2, 2))], _tensordots),
    _row(
        "tensordot",
        [((2, 3, 4), (4, 3, 5)), ((5, 1, 2), (2, 1, 3)), ((3, 4, 0), (0, 4, 2))],
        lambda xp, a, b: [xp.tensordot(a, b, ([1, 2], [1, 0])), xp.tensordot(a, b, 1), xp.tensordot(b, a, ([0], [-1]))],
    ),
    _row("tensordot", [((2, 3, 4), (3, 4, 5)), ((3, 4), (3, 4))], _product("tensordot")),
    _row("kron", KRONS),
    _row(
        "cross",
        [((7, 3), (7, 3)), ((3,), (13, 3)), ((2, 1, 3), (5, 3)), ((0, 3), (3,)), ((7, 3), (7, 2)), ((2,), (5, 3))],
        _crosses,
        dtypes=ALL,
    ),
    _row("cross", [((7, 2), (7, 2)), ((2,), (2,)), ((5, 4), (5, 4)), ((), (3,))]),
    _row("cross", [((3, 7), (3, 7)), ((2, 5), (3, 5)), ((3, 2, 4), (3, 2, 1))], _product("cross", axis=0)),
    _row("cross", [((3, 7), (7, 3))], _product("cross", axisa=0, axisb=1, axisc=0)),
    Case("trace", lambda xp, x: xp.trace(x), grad=True),
    Case(
        "trace", _traces, shapes=[s for s in SHAPES if len(s) > 1], dtypes=NUMBERS, special=False, grad=True, why=SUMS
    ),
    Case(
        "trace",
        lambda xp, x: [xp.trace(x, 0, 0, 2), xp.trace(x, 1, 2, 1), xp.trace(x, 0, -1, -2)],
        shapes=[(2, 3, 4), (5, 1, 2), (3, 2, 2, 3), (7, 4)],
        grad=True,
        why="three axes or more",
    ),
    Case(
        "diagonal",
        lambda xp, x: [xp.diagonal(x, 0, 0, 2), xp.diagonal(x, -1, 2, 1), xp.diagonal(x, 9, -1, -2)],
        shapes=[(2, 3, 4), (5, 1, 2), (3, 2, 2, 3), (7, 4)],
        grad=True,
        why="three axes or more",
    ),
    *(
        _einsum(subscripts, shapes)
        for subscripts, shapes in [
            ("ij,jk", ((5, 4), (4, 3))),
            ("ij,jk->ki", ((9, 4), (4, 3))),
            ("ij,jk,kl->il", ((5, 4), (4, 3), (3, 6))),
            ("bij,bjk->bik", ((3, 2, 4), (3, 4, 3))),
            ("ii->i", ((4, 4),)),
            ("ii", ((6, 6),)),
            ("iji->j", ((3, 4, 3),)),
            ("iijj->ij", ((2, 2, 3, 3),)),
            ("ij->ji", ((7, 4),)),
            ("ij->", ((7, 4),)),
            ("ijk->ik", ((2, 3, 4),)),
            ("ij->j", ((0, 3),)),
            ("...i->...", ((2, 3, 4),)),
            ("i...->...i", ((2, 3, 4),)),
            ("i,j->ij", ((13,), (3,))),
            ("ij,ij->ij", ((1, 3), (5, 3))),
            ("ij,jk->ik", ((5, 1), (3, 4))),
            ("ij,ij->", ((7, 4), (7, 4))),
            ("ij,ij->i", ((7, 4), (7, 4))),
            ("ij,ij->j", ((7, 4), (7, 4))),
            ("ij,kj->", ((5, 4), (3, 4))),
            ("...ij,...jk->...ik", ((2, 3, 4), (4, 5))),
            ("...i,...i", ((2, 3), (3,))),
            ("ab...,b...->a...", ((2, 3, 3, 2), (3, 1, 2))),
            ("i,i,i->i", ((13,), (13,), (13,))),
            ("i,ij,j->", ((5,), (5, 4), (4,))),
            ("abc,cd,def->abef", ((2, 3, 4), (4, 2), (2, 3, 2))),
            ("ijkj,kl->il", ((2, 2, 4, 2), (4, 2))),
            (",i->i", ((), (3,))),
            ("ij,jk->ik", ((3, 0), (0, 2))),
        ]
    ),
    *(
        _einsum(subscripts, shapes, grad=False)
        for subscripts, shapes in [  # of these NumPy makes nothing, nor do we
            ("ij,jk", ((5, 4), (3, 3))),
            ("ii", ((2, 3),)),
            ("ii->i", ((2, 1),)),
            ("ij->ijj", ((2, 3),)),
            ("ij->k", ((2, 3),)),
            ("i.j", ((2, 3),)),
            ("i", ((2, 3),)),
            ("ijk", ((2, 3),)),
            ("i...->i", ((2, 3),)),
            ("ij,", ((2, 3),)),
        ]
    ),
    _row("einsum", [((5, 4), (4, 3)), ((2, 4), (4, 1))], _sublists),
    _row("einsum", [((5, 4), (4, 3)), ((13, 1), (1, 2))], _options, dtypes=INEXACT[1:]),
    Case(
        "einsum",
        lambda xp, *arrays: xp.einsum("ab,bc,cd,de,ef,fg,gh,hi,ij->aj", *arrays),
        arrays=9,
        shapes=[((2, 3), (3, 2), (2, 4), (4, 2), (2, 3), (3, 2), (2, 5), (5, 2), (2, 3))],
        special=False,
        why=f"so many that the path is searched greedily; {SUMS}",
    ),
    Case("einsum_path", _same_path, arrays=2, shapes=[((5, 4), (4, 3))], why="the paths of more operands are our own"),
]
