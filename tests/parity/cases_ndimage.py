"""Filters: every one in dndarray.ndimage, beside SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage

from parity.case import INEXACT, REAL, SHAPES, Case

PAD = {"reflect": "symmetric", "constant": "constant", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}
"""NumPy's words for SciPy's."""
REALS = tuple(t for t in REAL if t != "bool")
NAN = "SciPy's running sums carry NaN and infinities on, and how its comparisons meet them is not defined"
BOOL = "in SciPy sums of bools become bytes that are neither 0 nor 1"
COMPLEX = "SciPy takes no complex numbers here"
ORDER = "complex numbers have no order"

WEIGHTS = np.array([[0.5, 0, -1], [2, 0.25, 0]])
"""Of even extent, not symmetric, with zeros."""
FOOTPRINT = np.array([[1, 0, 1], [1, 1, 0]], dtype=bool)
HEIGHTS = np.array([[0, 2, -1], [-4, 1, 0]])


class _SciPy:
    ndimage = scipy.ndimage


def _case(name: str, call: Callable[[Callable, Any], Any], **options: Any) -> Case:
    """A row that gives the filter to `call`."""

    def both(xp: Any, x: Any) -> Any:
        return call(getattr(xp.ndimage, name), x)

    return Case(f"ndimage.{name}", both, oracle=lambda x: both(_SciPy, x), special=False, **options)


def _window(values: np.ndarray, ndim: int) -> np.ndarray:
    """Weights for arrays of this many dimensions."""
    values = values if ndim > 1 else values[0]
    return values.reshape((1,) * (ndim - values.ndim) + values.shape) if ndim else values


def _modes(f: Callable, x: Any, *arguments: Any, **options: Any) -> list[Any]:
    return [f(x, *arguments, mode=mode, cval=3, **options) for mode in PAD]


def _two(f: Callable, x: Any, *arguments: Any, **options: Any) -> list[Any]:
    return [f(x, *arguments, mode=mode, cval=3, **options) for mode in ("mirror", "constant")]


def _along(f: Callable, x: Any, *arguments: Any, **options: Any) -> list[Any]:
    return [f(x, *arguments, axis=axis, **options) for axis in (0, -1)]


LINEAR = {"dtypes": tuple(t for t in INEXACT), "grad": True, "why": f"{NAN}; integers have rows of their own"}
WHOLE = {"dtypes": ("uint8", "int32", "int64"), "why": f"{NAN}; the others have a row of their own; {BOOL}"}


def _neighbours(x: Any) -> Any:
    """The weighted sum of an element of two axes, the one before and the two after it."""
    return x[:-3, :-3] + 2 * x[1:-2, 1:-2] + 3 * x[2:-1, 3:] + 4 * x[3:, :-3]


def _padded(x: np.ndarray, rule: str) -> np.ndarray:
    width = [(1, 2), (1, 2), *[(0, 0)] * (x.ndim - 2)]
    return np.pad(x, width, PAD[rule], **({"constant_values": 3} if rule == "constant" else {}))


def _given(x: Any) -> Any:
    """What elements give to others of two axes: each itself, and more to some up to one before and two after it."""
    inner, result = x[1:-2, 1:-2], 0 * x
    result[1:-2, 1:-2] += inner
    result[:-3, 2:-1] += 2 * inner
    result[3:, 3:] += 3 * inner
    return result


def _folded(x: np.ndarray, rule: str) -> np.ndarray:
    """What `_given` gives of the padded array, added to where the padding comes from."""
    given, result = _given(_padded(x, rule)), np.zeros_like(x)
    if rule == "constant":
        return given[1:-2, 1:-2]
    rows, columns = (np.pad(np.arange(n), (1, 2), PAD[rule]) for n in x.shape[:2])
    np.add.at(result, (rows[:, None], columns), given)
    return result


CASES: list[Case] = [
    Case(
        "stencil",
        lambda xp, x: [xp.stencil(x, _neighbours, [(1, 2)] * 2, rule, 3, axes=(0, 1)) for rule in PAD],
        oracle=lambda x: [_neighbours(_padded(x, rule)) for rule in PAD],
        shapes=tuple(s for s in SHAPES if len(s) > 1 and 0 not in s),
        dtypes=REALS + ("complex128",),
        grad=True,
        why="NumPy pads no axis without elements; + of bools is something else in torch",
    ),
    Case(
        "overlap_add",
        lambda xp, x: [xp.overlap_add(x, _given, [(1, 2)] * 2, rule, axes=(0, 1)) for rule in PAD],
        oracle=lambda x: [_folded(x, rule) for rule in PAD],
        shapes=tuple(s for s in SHAPES if len(s) > 1 and 0 not in s),
        dtypes=REALS + ("complex128",),
        grad=True,
        why="NumPy pads no axis without elements; + of bools is something else in torch",
    ),
    *(
        _case(
            "uniform_filter1d",
            lambda f, x, mode=mode: f(x, 4, mode=mode, cval=3),
            dtypes=("float64",),
            why=f"{NAN}; a synonym",
        )
        for mode in ("grid-mirror", "grid-wrap", "grid-constant")
    ),
]
for name in ("correlate1d", "convolve1d"):
    for kind in (LINEAR, WHOLE):
        CASES += [
            _case(name, lambda f, x: _modes(f, x, [1, -2.5, 0.5, 4]) + _along(f, x, [2, 1, 1], mode="nearest"), **kind),
            _case(
                name,
                lambda f, x: [f(x, [1, 2, 3, 4], 0, origin=o) for o in (-2, -1, 0, 1)] + [f(x, [3.0]), f(x, range(23))],
                **kind,
            ),
        ]
    CASES.append(
        _case(
            name,
            lambda f, x: f(x, [1, 2j, 1 - 1j]),
            dtypes=("int32", "float32", "float64", "complex128"),
            why=f"{NAN}; {BOOL}",
        )
    )
for name in ("correlate", "convolve"):
    for kind in (LINEAR, WHOLE):
        CASES += [
            _case(name, lambda f, x: _modes(f, x, _window(WEIGHTS, x.ndim)), **kind),
            _case(
                name,
                lambda f, x: [
                    f(x, _window(WEIGHTS, 2), axes=(0, -1), origin=(-1, 1)),
                    f(x, WEIGHTS[0], axes=0, mode="wrap"),
                    f(x, np.ones((1,) * x.ndim)),
                ],
                **kind,
            ),
        ]

for name, arguments in {
    "gaussian_filter1d": (1.5,),
    "uniform_filter1d": (4,),
}.items():
    for kind in (LINEAR, WHOLE):
        CASES.append(
            _case(name, lambda f, x, a=arguments: _modes(f, x, *a) + _along(f, x, *a, mode="constant"), **kind)
        )
CASES += [
    _case(
        "gaussian_filter1d",
        lambda f, x: [f(x, 0.8, 0, order, truncate=3) for order in range(4)] + [f(x, 2, radius=1), f(x, 2, radius=30)],
        **LINEAR,
    ),
    _case(
        "uniform_filter1d", lambda f, x: [f(x, size, 0, origin=o) for size, o in ((1, 0), (2, -1), (7, 3))], **LINEAR
    ),
]
for kind in (LINEAR, WHOLE):
    CASES += [
        _case("gaussian_filter", lambda f, x: _two(f, x, 1.2), **kind),
        _case(
            "gaussian_filter",
            lambda f, x: [
                f(x, [0.5 * a for a in range(x.ndim)], [a % 3 for a in range(x.ndim)]),
                f(x, 2, mode=[("wrap", "mirror", "constant")[a % 3] for a in range(x.ndim)]),
                f(x, (1, 0.7), axes=(0, -1), radius=(3, 2)),
            ],
            **kind,
        ),
        _case("uniform_filter", lambda f, x: _two(f, x), **kind),
        _case("uniform_filter", lambda f, x: [f(x, (4, 3), axes=(0, -1), origin=(-2, 1)), f(x, 1)], **kind),
        *(_case(name, lambda f, x: _two(f, x) + _along(f, x), **kind) for name in ("sobel", "prewitt")),
        _case("laplace", lambda f, x: [*_two(f, x), f(x, axes=0)], **kind),
        _case(
            "gaussian_laplace",
            lambda f, x: [*_two(f, x, 1.1), f(x, 1.5, axes=-1, truncate=2)],
            **{
                **kind,
                "shapes": tuple(s for s in SHAPES if s != (1,)),
                "why": kind["why"] + "; for one element it is 0",
            },
        ),
    ]
CASES += [
    *(_case(n, lambda f, x: f(x, 2, output="float32"), **WHOLE) for n in ("gaussian_filter", "uniform_filter")),
    _case(
        "gaussian_gradient_magnitude",
        lambda f, x: [*_two(f, x, 1.1), f(x, 0.8, truncate=2)],
        dtypes=("float32", "float64"),
        shapes=tuple(s for s in SHAPES if 1 not in s),
        why=f"{NAN}; {COMPLEX}; integers have a row of their own; of one element it is rounding",
    ),
    _case(
        "gaussian_gradient_magnitude",
        lambda f, x: [f(x, 1.1, mode="nearest"), f(x, 0.8, mode="constant")],
        shapes=((13,), (7, 4), (2, 3, 4)),
        dtypes=("float32", "float64"),
        grad=True,
        why=f"{NAN}; {COMPLEX}; where the gradient is 0 by symmetry its length has no derivative",
    ),
    _case(
        "gaussian_gradient_magnitude",
        lambda f, x: [*_two(f, x, 1.1), f(x, 1.5, output="float64")],
        rtol=1e-7,
        **{**WHOLE, "dtypes": ("int32", "int64"), "why": WHOLE["why"] + "; bytes overflow differently"},
    ),
]

RANKED = {"dtypes": REALS, "grad": True, "why": f"{NAN}; {ORDER}; SciPy raises or not for bools as it happens"}
NOT_ONE = {
    **RANKED,
    "shapes": tuple(s for s in SHAPES if s != (1,)),
    "why": f"{RANKED['why']}; of one element and a larger window SciPy gives what lay in memory",
}
for name in ("minimum_filter", "maximum_filter"):
    CASES += [
        _case(f"{name}1d", lambda f, x: _modes(f, x, 4) + _along(f, x, 3), **RANKED),
        _case(
            f"{name}1d", lambda f, x: [f(x, n, 0, origin=o) for n, o in ((1, 0), (2, -1), (7, 3), (30, 0))], **RANKED
        ),
        _case(name, lambda f, x: _modes(f, x, 3), **RANKED),
        _case(name, lambda f, x: _modes(f, x, footprint=_window(FOOTPRINT, x.ndim)), **RANKED),
        _case(
            name,
            lambda f, x: [f(x, (4, 3), axes=(0, -1), origin=(-2, 1)), f(x, footprint=FOOTPRINT[0], axes=0, origin=1)],
            **RANKED,
        ),
    ]
for name, arguments in {"median_filter": (), "rank_filter": (-2,), "percentile_filter": (30,)}.items():
    CASES += [
        _case(name, lambda f, x, a=arguments: _modes(f, x, *a, size=3), **NOT_ONE),
        _case(name, lambda f, x, a=arguments: _modes(f, x, *a, footprint=_window(FOOTPRINT, x.ndim)), **NOT_ONE),
        _case(
            name,
            lambda f, x, a=arguments: [f(x, *a, size=(4, 3), axes=(0, -1), origin=(-2, 1)), f(x, *a, size=2)],
            **NOT_ONE,
        ),
    ]
CASES += [
    _case("rank_filter", lambda f, x: [f(x, r, size=3, axes=0) for r in (0, 1, 2)] + [f(x, 0, 1)], **NOT_ONE),
    _case("percentile_filter", lambda f, x: [f(x, p, size=5, axes=0) for p in (0, -20, 55.5, 100)], **NOT_ONE),
]
for name in ("grey_erosion", "grey_dilation", "grey_opening", "grey_closing"):
    CASES += [
        _case(name, lambda f, x: _two(f, x, 3), **RANKED),
        _case(name, lambda f, x: _two(f, x, footprint=_window(FOOTPRINT, x.ndim)), **RANKED),
        _case(name, lambda f, x: [f(x, (4, 3), axes=(0, -1), origin=(-1, 1)), f(x, 2)], **RANKED),
        _case(
            name,
            lambda f, x: [
                f(x, structure=_window(HEIGHTS, x.ndim)),
                f(x, 9, _window(FOOTPRINT, x.ndim), _window(HEIGHTS, x.ndim)),
            ],
            **{**RANKED, "dtypes": ("int32", "int64", "float32", "float64")},
        ),
    ]
for name in ("binary_erosion", "binary_dilation", "binary_opening", "binary_closing"):
    CASES += [
        _case(
            name,
            lambda f, x: [f(x), f(x, iterations=2), f(x, border_value=1), f(x, _window(FOOTPRINT, x.ndim))],
            why="what is not a number is true",
        ),
        _case(
            name,
            lambda f, x: [
                f(x > 0, iterations=0),
                f(x, FOOTPRINT, origin=(-1, 1), axes=(0, -1)),
                f(x, mask=x < 1, iterations=3),
            ],
            dtypes=REAL,
            why=f"what is not a number is true; {ORDER}",
        ),
    ]
