"""One row of the parity table: a public function, how it is called, and on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ALL = ("bool", "uint8", "int32", "int64", "float32", "float64", "complex128")
REAL = ALL[:-1]
NUMBERS = ALL[1:]
INTEGERS = ("uint8", "int32", "int64")
FLOATS = ("float32", "float64")
INEXACT = ("float32", "float64", "complex128")

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (0,),
    (1,),
    (2,),
    (13,),
    (0, 3),
    (3, 0),
    (1, 5),
    (7, 4),
    (2, 3, 4),
    (5, 1, 2),
    (3, 2, 2, 3),
)
"""0-D to 4-D, empty, one element, fewer elements than ranks, sizes that no number of ranks divides."""


@dataclass(frozen=True)
class Case:
    """A function as NumPy and we are both called.

    Parameters
    ----------
    name
        The public name, with dots below `dnd`: "sort", "fft.rfft".
    call
        `call(xp, *arrays)`, where `xp` is numpy or dndarray. It returns an array, a number, or a tuple or list of
        them. The arrays are NumPy arrays in the one case and split arrays in the other.
    arrays
        How many arrays it takes, each of them split independently of the others.
    shapes
        Shapes of the arrays: for one array a shape each, for several a tuple of shapes each; all of SHAPES, the same
        for each array, by default. They are never cut down silently: `why` says what a shorter list leaves out.
    dtypes
        Types of the arrays.
    oracle
        What to compare with where NumPy has no such function: takes the NumPy arrays.
    special
        Whether floating arrays are also tried with NaN and infinities sprinkled in.
    grad
        Whether it is differentiable in its floating arrays: the gradient is then compared with differences of NumPy's
        results in float64.
    rtol
        Relative tolerance in double precision (single: 1e-5 at least); 0 compares exactly. The absolute tolerance is
        `rtol` times the largest finite element of the expected result.
    check_dtype
        Whether the dtype must be NumPy's.
    why
        The reason for each limit above: empty only if the row has none.
    """

    name: str
    call: Callable[..., Any]
    arrays: int = 1
    shapes: Sequence[Any] = SHAPES
    dtypes: Sequence[str] = ALL
    oracle: Callable[..., Any] | None = None
    special: bool = True
    grad: bool = False
    rtol: float = 1e-10
    check_dtype: bool = True
    why: str = ""
