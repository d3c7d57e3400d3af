"""Rearrangement, joining, splitting, tiling and padding beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import FLOATS, INTEGERS, SHAPES, Case

MATRICES = tuple(s for s in SHAPES if len(s) >= 2)
VECTORS = tuple(s for s in SHAPES if s)


def _each(name: str) -> Any:
    """A function along each axis in turn."""

    def call(xp: Any, x: Any, *rest: Any) -> list[Any]:
        return [x, *(getattr(xp, name)(x, *rest, axis=axis) for axis in range(-x.ndim, x.ndim))]

    return call


def _windows(x: np.ndarray, *arguments: Any) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, *arguments)


def _view(xp: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view if xp is np else xp.sliding_window_view


def _unfold(x: np.ndarray, size: int, step: int) -> list[np.ndarray]:
    return [x, *(_windows(x, size, a)[(slice(None),) * a + (slice(None, None, step),)] for a in range(x.ndim))]


def _pads(xp: Any, x: Any, widths: tuple, mode: str, **options: Any) -> list[Any]:
    return [xp.pad(x, width, mode, **options) for width in widths]


PADS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("constant", {}),
    ("constant", {"constant_values": (1, 3)}),
    ("edge", {}),
    ("linear_ramp", {"end_values": (2, 5)}),
    ("maximum", {}),
    ("maximum", {"stat_length": 2}),
    ("minimum", {"stat_length": (1, 3)}),
    ("median", {}),
    ("median", {"stat_length": 4}),
    ("mean", {}),
    ("mean", {"stat_length": (3, 2)}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
)
TRIMS: tuple[tuple, ...] = ((), ("f",), ("B",), ("fb", 0), ("bf", -1))
WIDTHS = (1, (2, 0), ((0, 3),), (5, 9), {-1: (2, 1)})
ORDERED = ("maximum", "minimum", "median")


def _pad_case(mode: str, options: dict[str, Any]) -> Case:
    limits: dict[str, Any] = {}
    if mode in ORDERED:
        limits = {"dtypes": ("bool", "uint8", "int32", "int64", *FLOATS), "why": "torch does not order complex numbers"}
    if options.get("reflect_type") == "odd" or mode in ("linear_ramp", "mean"):
        limits = {
            "dtypes": ("int32", "int64", "float32", "float64", "complex128"),
            "special": False,
            "why": "NumPy does not subtract bools, its uint8 wraps on the way in steps of its own; NaN spreads in an "
            "order of its own",
        }
    return Case(
        "pad",
        lambda xp, x: _pads(xp, x, WIDTHS, mode, **options),
        grad=mode not in ORDERED,
        rtol=1e-10 if options.get("reflect_type") == "odd" or mode in ("linear_ramp", "mean") else 0,
        **limits,
    )


def _roll(xp: Any, x: Any) -> list[Any]:
    results = [xp.roll(x, 3), xp.roll(x, -2)]
    if x.ndim:
        results += [xp.roll(x, (1, 3), 0), xp.roll(x, 2, tuple(range(x.ndim))), xp.roll(x, -1, -1)]
    if x.ndim > 1:
        results += [xp.roll(x, (1, -2), (0, 1)), xp.roll(x, (1, 1, 3), (0, -1, 0))]
    return results


def _reshapes(xp: Any, x: Any) -> list[Any]:
    shapes = [(-1,) if x.size else (x.size,), x.shape[::-1], (x.size, 1), (1, *x.shape)]
    return [xp.reshape(x, shape, order=order) for shape in shapes for order in "CF"]


def _insert(xp: Any, x: Any) -> list[Any]:
    results = []
    for axis in range(x.ndim):
        n = x.shape[axis]
        for obj in (0, n, -1 if n else 0, [0, n], [n, 0, n // 2], slice(None, None, 2), np.arange(n) % 3 == 0):
            results.append(xp.insert(x, obj, 7, axis))
        results.append(xp.insert(x, n // 2, xp.flip(x, axis), 0) if axis == 0 else xp.insert(x, [n // 2], x, axis))
        results.append(xp.insert(x, np.arange(n)[::-1].copy(), x, axis))
    return [*results, xp.insert(x, 0, 1), xp.insert(x, [0, 0, x.size], [1, 0, 1])]


def _delete(xp: Any, x: Any) -> list[Any]:
    results = []
    for axis in range(x.ndim):
        n = x.shape[axis]
        for obj in ([], [0, -1, 0] if n else [], slice(None, None, 2), slice(None, None, -3), np.arange(n) % 3 == 0):
            results.append(xp.delete(x, obj, axis))
        if n:
            results += [xp.delete(x, 0, axis), xp.delete(x, -1, axis)]
    return [*results, xp.delete(x, slice(1, 4))]


def _repeat(xp: Any, x: Any) -> list[Any]:
    results = [xp.repeat(x, 2), xp.repeat(x, np.arange(x.size) % 3)]
    for axis in range(x.ndim):
        results += [xp.repeat(x, times, axis) for times in (0, 1, 3, [2], np.arange(x.shape[axis]) % 3)]
    return results


def _splits(xp: Any, x: Any) -> list[Any]:
    results: list[Any] = [x]
    for axis in range(x.ndim):
        results += [xp.array_split(x, n, axis) for n in (1, 3, [1, 2], [2, -1], [0, 5, 40])]
    return results


def _blocks(xp: Any, x: Any, y: Any) -> list[Any]:
    return [xp.block([x, y]), xp.block([[x, y], [y, x]]), xp.block([[x], [y]]), xp.block([[[x, y]], [[y, x]]])]


def _atleast(name: str) -> Any:
    return lambda xp, x: [getattr(xp, name)(x), *getattr(xp, name)(x, x)]


CASES: list[Case] = [
    # --- axes and shapes
    Case("reshape", _reshapes, grad=True, rtol=0),
    Case("ravel", lambda xp, x: [xp.ravel(x), xp.ravel(x, order="F")], grad=True, rtol=0),
    Case("flatten", lambda xp, x: [x.flatten(), x.flatten("F")], grad=True, rtol=0),
    Case("transpose", lambda xp, x: [xp.transpose(x), xp.transpose(x, [*range(1, x.ndim), 0][: x.ndim])], grad=True),
    Case("permute_dims", lambda xp, x: xp.permute_dims(x, tuple(range(x.ndim))[::-1]), grad=True),
    Case("matrix_transpose", lambda xp, x: xp.matrix_transpose(x), grad=True),
    Case("swapaxes", lambda xp, x: [xp.swapaxes(x, 0, -1), xp.swapaxes(x, 1, 0)], grad=True),
    Case("moveaxis", lambda xp, x: [xp.moveaxis(x, 0, -1), xp.moveaxis(x, (0, 1), (-1, 0))], grad=True),
    Case("rollaxis", lambda xp, x: [xp.rollaxis(x, a, b) for a in range(x.ndim) for b in range(-x.ndim, x.ndim + 1)]),
    Case("expand_dims", lambda xp, x: [xp.expand_dims(x, 0), xp.expand_dims(x, -1), xp.expand_dims(x, (0, 2))]),
    Case("squeeze", lambda xp, x: [xp.squeeze(x), xp.squeeze(x[None], 0)], grad=True),
    Case("atleast_1d", _atleast("atleast_1d")),
    Case("atleast_2d", _atleast("atleast_2d")),
    Case("atleast_3d", _atleast("atleast_3d")),
    Case("broadcast_to", lambda xp, x: xp.broadcast_to(x, (3, *x.shape)), grad=True),
    Case("broadcast_arrays", lambda xp, x, y: list(xp.broadcast_arrays(x, y[..., :1])), arrays=2, grad=True),
    Case("broadcast_shapes", lambda xp, x: [list(xp.broadcast_shapes(x.shape, (1,), 1))]),
    # --- order
    Case("flip", lambda xp, x: [xp.flip(x), *_each("flip")(xp, x)], grad=True, rtol=0),
    Case("fliplr", lambda xp, x: xp.fliplr(x), grad=True, rtol=0),
    Case("flipud", lambda xp, x: xp.flipud(x), grad=True, rtol=0),
    Case("rot90", lambda xp, x: [xp.rot90(x, k) for k in range(-1, 4)], grad=True, rtol=0),
    Case("rot90", lambda xp, x: xp.rot90(x, 1, (-1, 0)), grad=True, rtol=0),
    Case("roll", _roll, grad=True, rtol=0),
    # --- joined
    Case(
        "concatenate", lambda xp, x, y: [x, *(xp.concatenate([x, y, x], a) for a in range(x.ndim))], arrays=2, grad=True
    ),
    Case("concatenate", lambda xp, x, y: xp.concatenate((x, y), axis=None, dtype="complex128"), arrays=2),
    Case("concat", lambda xp, x, y: [x, *(xp.concat([x, y], axis=a) for a in range(-x.ndim, 0))], arrays=2, grad=True),
    Case(
        "stack", lambda xp, x, y: [xp.stack([x, y, x], a) for a in range(-1 - x.ndim, x.ndim + 1)], arrays=2, grad=True
    ),
    Case("stack", lambda xp, x: xp.stack(x)),
    Case(
        "append", lambda xp, x, y: [xp.append(x, y), xp.append(x, 1), *_each("append")(xp, x, y)], arrays=2, grad=True
    ),
    Case("hstack", lambda xp, x, y: xp.hstack([x, y]), arrays=2, grad=True),
    Case("hstack", lambda xp, x: xp.hstack((x, x), dtype="int8", casting="unsafe"), dtypes=INTEGERS, why="one cast"),
    Case("vstack", lambda xp, x, y: xp.vstack([x, y]), arrays=2, grad=True),
    Case("dstack", lambda xp, x, y: xp.dstack([x, y]), arrays=2, grad=True),
    Case("column_stack", lambda xp, x, y: xp.column_stack([x, y]), arrays=2, grad=True),
    Case("block", _blocks, arrays=2, grad=True),
    Case("insert", _insert, grad=True),
    Case("delete", _delete, grad=True),
    Case("delete", lambda xp, x: xp.delete(x, [3]), grad=True),
    Case("delete", lambda xp, x, y: [xp.delete(x, y != 0, 0), xp.delete(x, y[:2] * 0, 0)], arrays=2),
    Case("r_", lambda xp, x, y: [xp.r_[x, y], xp.r_[x, 1, 2], xp.r_["-1", y, x], xp.r_["0,3", x, y]], arrays=2),
    Case("r_", lambda xp, x: [xp.r_["0,2,0", x, x], xp.r_["1,3,1", x, x]]),
    Case("r_", lambda xp, x: [xp.r_[1:6, 0, 9:3:-2], xp.r_["0,2,0", :4, :4], xp.c_[2:6]]),
    Case("c_", lambda xp, x, y: [xp.c_[x, y], xp.c_[x, x, y]], arrays=2),
    # --- taken apart
    Case("array_split", _splits, grad=True),
    Case("split", lambda xp, x: [xp.split(x, 2), xp.split(x, [1, 3], -1)], grad=True),
    Case("hsplit", lambda xp, x: [xp.hsplit(x, 1), xp.hsplit(x, [1])], grad=True),
    Case("vsplit", lambda xp, x: [xp.vsplit(x, 1), xp.vsplit(x, [1])], grad=True),
    Case("dsplit", lambda xp, x: [xp.dsplit(x, 1), xp.dsplit(x, [1])], grad=True),
    Case("unstack", _each("unstack"), grad=True),
    # --- again and again
    Case("tile", lambda xp, x: [xp.tile(x, r) for r in (0, 1, 2, 9, (2, 1), (2, 3), (1, 2, 1, 2))], grad=True, rtol=0),
    Case("repeat", _repeat, grad=True, rtol=0),
    Case(
        "repeat",
        lambda xp, x, y: [xp.repeat(x, abs(y), a) for a in range(x.ndim)],
        arrays=2,
        shapes=(((13,), (13,)), ((2, 13), (13,)), ((13, 2), (13,)), ((0,), (0,)), ((3, 3), (3,))),
        dtypes=INTEGERS,
        why="repeats of one axis, integers",
    ),
    Case("resize", lambda xp, x: [xp.resize(x, s) for s in (0, 3, 40, (2, 5), (0, 2), (7, 1, 3))], grad=True, rtol=0),
    Case(
        "trim_zeros",
        lambda xp, x: [xp.trim_zeros(x * (x == x.max() if x.size else x))],
        rtol=0,
        dtypes=INTEGERS,
        why="x",
    ),
    *(_pad_case(mode, options) for mode, options in PADS),
    # --- windows
    Case("sliding_window_view", lambda xp, x: [_view(xp)(x, 2, 0), _view(xp)(x, (1, 2), (0, 0))], grad=True, rtol=0),
    Case("sliding_window_view", lambda xp, x: _view(xp)(x, (2,) * x.ndim), grad=True, rtol=0),
    Case("sliding_window_view", lambda xp, x: [_view(xp)(x, n, -1) for n in (0, 1, 3, 4)], grad=True, rtol=0),
    Case(
        "unfold",
        lambda xp, x: [x, *(xp.unfold(x, a, 2, 3) for a in range(x.ndim))],
        oracle=lambda x: _unfold(x, 2, 3),
        grad=True,
        rtol=0,
    ),
]
