"""Functions of uint16, uint32 and uint64, which torch stores and hardly computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage as nd

from parity.case import SHAPES, Case

WIDE = ("uint16", "uint32", "uint64")
WHY = "the types that torch only stores"
VECTORS = tuple(s for s in SHAPES if len(s) == 1)


def _largest(xp: Any, x: Any) -> Any:
    """Elements at the upper end of the type, too: products and sums of these wrap around."""
    return xp.concatenate([x, ~x])


def _row(name: str, call: Callable, shapes: Any = VECTORS, **options: Any) -> Case:
    return Case(name, call, shapes=shapes, dtypes=WIDE, why=WHY, **options)


def _image(name: str, *arguments: Any, **options: Any) -> Case:
    def ours(xp: Any, x: Any) -> Any:
        return getattr(xp.ndimage, name)(x, *arguments, **options)

    return _row(
        f"ndimage.{name}",
        ours,
        ((7, 4), (2, 3, 4), (13,)),
        oracle=lambda x: getattr(nd, name)(x, *arguments, **options),
    )


CASES: list[Case] = [
    _row("polymul", lambda xp, x, y: [xp.polymul(x, y), xp.polymul(_largest(xp, x), y)], arrays=2),
    _row("polyadd", lambda xp, x, y: xp.polyadd(_largest(xp, x), y), arrays=2),
    _row("polyder", lambda xp, x: [xp.polyder(x), xp.polyder(x, 2)]),
    _row("polyint", lambda xp, x: xp.polyint(x)),
    _row("polyval", lambda xp, x, y: [xp.polyval(x, y), xp.polyval([3, 1], y)], arrays=2, check_dtype=True),
    _row("trapezoid", lambda xp, x: [xp.trapezoid(x), xp.trapezoid(x, dx=2.0)], ((13,), (7, 4))),
    _row("convolve", lambda xp, x, y: xp.convolve(x, y), arrays=2),
    _row("round", lambda xp, x: [xp.round(x, 2), xp.round(_largest(xp, x), -1)]),
    _image("correlate1d", [1, 2, 1]),
    _image("gaussian_filter", 1.0),
    _image("uniform_filter", 3),
    _image("laplace"),
    _image("maximum_filter", 3),
    _image("median_filter", 3),
    _image("grey_dilation", 3),
    _row(
        "ndimage.grey_dilation",
        lambda xp, x: xp.ndimage.grey_dilation(x, structure=np.ones((2, 2))),
        ((7, 4),),
        oracle=lambda x: nd.grey_dilation(x, structure=np.ones((2, 2))),
    ),
]
