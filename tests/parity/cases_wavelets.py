"""Discrete wavelet transforms: PyWavelets', of mode "periodization"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pywt

from parity.case import Case

SHAPES = ((2,), (13,), (40,), (0,), (3, 0), (7, 4), (2, 5), (6, 11, 2))
WAVELETS = ("haar", "bior2.4")
MODE = "periodization"


class _PyWavelets:
    signal = pywt


def _leaves(coefficients: Any) -> list[Any]:
    """The arrays of any structure, in the order of their names."""
    if isinstance(coefficients, dict):
        return [coefficients[name] for name in sorted(coefficients)]
    if isinstance(coefficients, (list, tuple)):
        return [leaf for part in coefficients for leaf in _leaves(part)]
    return [coefficients]


def _there_and_back(names: tuple[str, str], options: dict[str, Any], levels: bool) -> Callable[..., list[Any]]:
    def call(xp: Any, x: Any) -> list[Any]:
        results = []
        for wavelet in WAVELETS:
            for level in ({"level": 2},) if levels else ({},):
                coefficients = getattr(xp.signal, names[0])(x, wavelet, MODE, **level, **options)
                # What is transformed by no level is given back, whatever it is.
                back = getattr(xp.signal, names[1])(coefficients, wavelet, MODE, **options)
                results += [*_leaves(coefficients), back] if len(coefficients) > 1 else []
        return results

    return call


def _case(name: str, call: Callable[..., Any], shapes: Any) -> Case:
    return Case(
        f"signal.{name}",
        lambda xp, x: call(xp, x),
        shapes=shapes,
        oracle=lambda x: call(_PyWavelets, x),
        special=False,
        grad=True,
        why="a NaN spreads over the products of a block; of one sample all detail is rounding",
    )


CASES: list[Case] = [
    _case(name, _there_and_back((forward, back), options, levels), [s for s in SHAPES if len(s) >= ndim])
    for forward, back, levels, ndim, several in (
        ("dwtn", "idwtn", False, 2, ({}, {"axes": (0, 1)}, {"axes": (-1,)}, {"axes": (1, 0)})),
        ("wavedecn", "waverecn", True, 2, ({}, {"axes": (-1, 0)})),
        ("wavedec2", "waverec2", True, 2, ({}, {"axes": (0, 1)})),
        ("wavedec", "waverec", True, 1, ({}, {"axis": 0})),
    )
    for options in several
    for name in (forward, back)
] + [
    _case(
        "idwtn",
        lambda xp, x: [xp.signal.idwtn({"ad": x, "dd": None, "da": 2 * x}, w, MODE, (0, 1)) for w in WAVELETS],
        [s for s in SHAPES if len(s) >= 2 and 0 not in s],
    ),
    _case(
        "dwtn",
        lambda xp, x: _leaves(xp.signal.dwtn(x, ("db3", "bior1.3"), MODE, (0, 1))),
        [s for s in SHAPES if len(s) >= 2 and 0 not in s],
    ),
]
