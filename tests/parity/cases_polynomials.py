"""Polynomials by their coefficients."""

from __future__ import annotations

from typing import Any

from parity.case import ALL, FLOATS, INEXACT, NUMBERS, Case

LINES = ((1,), (2,), (5,), (13,))
PAIRS = (((1,), (1,)), ((5,), (2,)), ((2,), (5,)), ((7,), (7,)), ((3,), ()))
LEAD = "the leading coefficient is made other than zero"
ONE_AXIS = "coefficients have one dimension"


def _with_lead(xp: Any, p: Any) -> Any:
    """The polynomial with a coefficient before it that is not zero."""
    return xp.concatenate([xp.full_like(p[:1], 2), p])


def _points(xp: Any, c: Any) -> Any:
    """Points that are not alike."""
    return xp.cumsum(abs(c).astype("float64") + 0.3) / 3


def _fit(deg: int, **options: Any) -> Any:
    def call(xp: Any, x: Any, y: Any) -> Any:
        return xp.polyfit(_points(xp, x), y, deg, **options)

    return call


def _full(xp: Any, x: Any, y: Any) -> Any:
    c, residuals, rank, s, rcond = xp.polyfit(_points(xp, x), y, 2, full=True)
    return c, residuals, int(rank), s, rcond


FITS = (((13,), (13,)), ((7,), (7,)), ((13,), (13, 4)), ((7,), (7, 1)), ((40,), (40, 3)))
EXACT = "enough points for the degree, and finite"

CASES: list[Case] = [
    Case("polyadd", lambda xp, p, q: xp.polyadd(p, q), arrays=2, shapes=PAIRS, grad=True),
    Case("polysub", lambda xp, p, q: xp.polysub(p, q), arrays=2, shapes=PAIRS, grad=True),
    Case(
        "polymul",
        lambda xp, p, q: xp.polymul(p, q),
        arrays=2,
        shapes=PAIRS,
        grad=True,
        special=False,
        why="zero times infinity depends on what is padded",
    ),
    Case(
        "polydiv",
        lambda xp, p, q: xp.polydiv(_with_lead(xp, p), _with_lead(xp, xp.atleast_1d(q))),
        arrays=2,
        shapes=PAIRS,
        grad=True,
        special=False,
        why=LEAD,
    ),
    Case(
        "polyder", lambda xp, p: [xp.polyder(p, m) for m in (0, 1, 2)], shapes=((0,), *LINES), grad=True, why=ONE_AXIS
    ),
    Case(
        "polyint",
        lambda xp, p: [xp.polyint(p), xp.polyint(p, 0), xp.polyint(p, 2, k=3), xp.polyint(p, 2, k=[1, 2])],
        shapes=((0,), *LINES),
        grad=True,
        why=ONE_AXIS,
    ),
    Case(
        "poly",
        lambda xp, r: xp.poly(r),
        shapes=((0,), (1,), (2,), (5,), (1, 5)),
        grad=True,
        special=False,
        why="roots, few of them",
    ),
    Case(
        "poly",
        lambda xp, m: xp.poly(m + m.T),
        shapes=((2, 2), (4, 4)),
        dtypes=FLOATS,
        special=False,
        grad=True,
        rtol=1e-9,
        why="matrices whose eigenvalues are real",
    ),
    Case(
        "poly",
        lambda xp, m: xp.poly(m),
        shapes=((1, 1), (3, 3), (0, 0)),
        dtypes=NUMBERS,
        special=False,
        rtol=1e-9,
        why="square matrices",
    ),
    Case(
        "roots",
        lambda xp, p: xp.roots(_with_lead(xp, p)),
        shapes=((1,), (2,), (4,)),
        dtypes=NUMBERS,
        special=False,
        rtol=1e-7,
        why=LEAD,
    ),
    Case(
        "roots",
        lambda xp, p: [xp.roots(p * 0), xp.roots(xp.concatenate([p * 0, p * 0 + 1, p * 0]))],
        shapes=LINES,
        dtypes=INEXACT,
        special=False,
        why=ONE_AXIS,
    ),
    Case(
        "polyval",
        lambda xp, p, x: xp.polyval(p, x),
        arrays=2,
        shapes=(((3,), (13,)), ((0,), (7, 4)), ((2,), (2, 3, 4)), ((5,), ()), ((4,), (0,)), ((1,), (5, 1, 2))),
        grad=True,
    ),
    Case(
        "vander",
        lambda xp, x: [xp.vander(x, 4), xp.vander(x, increasing=True)],
        shapes=((0,), *LINES),
        grad=True,
        special=False,
        why=ONE_AXIS,
    ),
    *(
        Case(
            "polyfit",
            _fit(deg, **options),
            arrays=2,
            shapes=FITS,
            dtypes=dtypes,
            grad=not options.get("cov"),
            special=False,
            rtol=1e-8,
            why=EXACT,
        )
        for deg in (0, 1, 3)
        for options, dtypes in (({}, ALL), ({"cov": True}, ("int32", "float64")), ({"cov": "unscaled"}, ("float64",)))
    ),
    Case(
        "polyfit",
        _full,
        arrays=2,
        shapes=(*FITS, ((3,), (3,)), ((2,), (2,))),
        dtypes=NUMBERS[:-1],
        special=False,
        rtol=1e-8,
        why=EXACT,
    ),
    Case(
        "polyfit",
        lambda xp, x, y: xp.polyfit(_points(xp, x), y, 1, w=abs(x).astype("float64") + 0.5, rcond=1e-12),
        arrays=2,
        shapes=FITS,
        dtypes=("float64", "int32"),
        grad=True,
        special=False,
        rtol=1e-8,
        why=EXACT,
    ),
    Case(
        "polyfit",
        lambda xp, x, y: xp.polyfit(x * 0 + 3, y, 2),
        arrays=2,
        shapes=FITS,
        dtypes=("float64",),
        special=False,
        rtol=1e-8,
        why="points that are all alike: the shortest solution",
    ),
    Case(
        "polyfit",
        lambda xp, x, y: xp.polyfit(x, y, 1),
        arrays=2,
        dtypes=("float64",),
        special=False,
        shapes=(((0,), (0,)), ((3,), (4,)), ((2, 2), (2,)), ((3,), (3, 1, 1))),
        why="what is refused",
    ),
]
