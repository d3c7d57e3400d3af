"""The types beside the usual ones: wide unsigned integers, which torch has no kernels for, and half precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dndarray.ufuncs import OPS
from parity.case import Case
from parity.cases_elementwise import PAIRS

WIDE = ("uint16", "uint32", "uint64")
NARROW = ("int8", "int16")
WHY = "types that torch only stores"
SOME = ((), (0,), (1,), (13,), (7, 4), (2, 3, 4))

NO_INTEGERS = frozenset(["spacing", "ldexp", "reciprocal"])
"""NumPy: of half precision; unsigned exponents raise; 1 / 0 depends on the processor."""


def _of(name: str, nin: int) -> Callable[..., Any]:
    if nin == 1:
        return lambda xp, x: getattr(xp, name)(x)
    return lambda xp, x, y: getattr(xp, name)(x, y)


def _elementwise(name: str) -> Case:
    nin = OPS[name].nin
    # Small integers give half precision, which torch rounds elsewhere.
    return Case(name, _of(name, nin), nin, SOME if nin == 1 else PAIRS, WIDE, why=WHY, rtol=2e-3)


def _row(name: str, call: Callable[..., Any], arrays: int = 1, shapes: Any = SOME, **options: Any) -> Case:
    return Case(name, call, arrays, shapes, (*WIDE, *NARROW), why=WHY, rtol=1e-6, **options)


ALONG = ((1,), (13,), (7, 4), (2, 3, 4))


def _set(xp: Any, x: Any, y: Any) -> Any:
    x = x.copy()
    x[::2] = y[::2]
    x[x > 6] = 3
    x[-1] = 1
    x[xp.asarray([0, 0])] = y[:1]
    return x


NAMES = ("bool", "uint8", "int16", "uint32", "uint64", "int64", "float16", "float64", "complex64")


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


CASES: list[Case] = [
    *(_elementwise(name) for name in OPS if name not in NO_INTEGERS),
    _row("add", lambda xp, x: [x + 1, 3 * x, x // 2, x % 3, x > 4, x == 200, x / 2, x**2, x & 3]),
    _row("where", lambda xp, x, y: [xp.where(x > y, x, y), xp.where(x == y, 7, y)], 2),
    _row("clip", lambda xp, x: [xp.clip(x, 2, 5), x.clip(max=3)]),
    *(
        _row(name, lambda xp, x, name=name: [getattr(xp, name)(x), getattr(xp, name)(x, axis=-1)], shapes=ALONG)
        for name in "sum prod min max any all mean var std ptp count_nonzero argmin argmax cumsum cumprod".split()
    ),
    _row("nonzero", lambda xp, x: xp.nonzero(x), shapes=ALONG),
    _row("take", lambda xp, x: [x[0], x[::-1], x[1:], x[x > 4], x[xp.asarray([0, -1])]], shapes=ALONG),
    _row("take", _set, 2, ALONG),
    _row("concatenate", lambda xp, x, y: [xp.concatenate([x, y]), xp.stack([x, y], -1)], 2, ALONG),
    _row("flip", lambda xp, x: [xp.flip(x), xp.roll(x, 2), xp.roll(x, 1, 0), xp.reshape(x, (-1,))], shapes=ALONG),
    _row("transpose", lambda xp, x: [xp.transpose(x), xp.expand_dims(x, 0), xp.broadcast_to(x, (2, *x.shape))]),
    _row("matmul", lambda xp, x, y: xp.matmul(x, y), 2, (((3,), (3,)), ((7, 4), (4, 5)), ((2, 3, 4), (4, 2)))),
    _row("tril", lambda xp, x: [xp.tril(x), xp.triu(x, 1), xp.diagonal(x)], shapes=((7, 4), (2, 3, 4))),
    _row("zeros_like", lambda xp, x: [xp.zeros_like(x), xp.full_like(x, 200), xp.ones_like(x)]),
    _row("astype", lambda xp, x: [xp.astype(x, t) for t in (xp.bool, xp.int64, xp.uint8, xp.float32, xp.complex128)]),
    _row("isclose", lambda xp, x, y: [xp.isclose(x, y), xp.array_equal(x, y)], 2, ALONG),
    _row("nan_to_num", lambda xp, x: [xp.nan_to_num(x), xp.round(x), xp.isreal(x), xp.iscomplex(x)]),
    Case("can_cast", lambda xp, x: [xp.can_cast(x.dtype, t, how) for t in NAMES for how in ("safe", "same_kind")]),
    Case("promote_types", lambda xp, x: [_name(xp.promote_types(x.dtype, t)) for t in NAMES]),
    Case("result_type", lambda xp, x: [_name(xp.result_type(x, t, "bool")) for t in NAMES]),
    Case("isdtype", lambda xp, x: [xp.isdtype(x.dtype, kind) for kind in ("bool", "integral", ("numeric", "bool"))]),
    Case("finfo", lambda xp, x: [getattr(xp.finfo(x.dtype), limit) for limit in ("bits", "eps", "max", "tiny")]),
    Case("iinfo", lambda xp, x: [getattr(xp.iinfo(x.dtype), limit) for limit in ("bits", "max", "min")]),
    Case(
        "__array_namespace_info__",
        lambda xp, x: sorted(xp.__array_namespace_info__().dtypes(kind="integral")),
        shapes=((),),
        why="it takes no array",
    ),
    *(
        Case(
            name,
            _of(name, 1),
            shapes=SOME,
            dtypes=("float16", "complex64"),
            why="types of small width",
            rtol=2e-3,
        )
        for name in "exp sqrt sin abs conj square sign cumsum sum prod mean isfinite reciprocal log1p".split()
    ),
    *(
        Case(name, _of(name, 2), 2, PAIRS, ("float16", "complex64"), why="types of small width", rtol=2e-3)
        for name in "add subtract multiply equal not_equal logical_and".split()
    ),
]
