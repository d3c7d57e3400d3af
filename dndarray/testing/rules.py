"""Proof of the layout rules: every operation, on every combination of splits and grids, against NumPy.

    mpirun -n 3 python -m dndarray.testing.rules            # all operations
    mpirun -n 3 python -m dndarray.testing.rules --op matmul

Sizes do not divide by the number of processes, are smaller than it, one, and zero. A rule is wrong where the result
differs from NumPy's or its parts differ from its layout, and missing where a layout raises an error.
"""

from __future__ import annotations

import itertools
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import click
import numpy as np
import torch

import dndarray as dnd

from ..array import DNDarray
from ..communication import Communicator
from ..layout import Grid, Layout
from ..reduction import REDUCTIONS
from ..ufuncs import OPS
from . import compare_part

__all__ = ["CASES", "Case", "layouts", "validate"]


class Case(NamedTuple):
    """One operation on operands of given shapes."""

    ours: Callable
    numpys: Callable
    shapes: tuple[tuple[int, ...], ...]
    make: str = "real"
    """What the operands hold: real, unit (within [-1, 1]), positive, integer, bool."""


class Report(NamedTuple):
    """What a validation found."""

    checked: int
    wrong: list[str]
    missing: list[str]


def _grids(size: int) -> Iterator[Grid]:
    yield Grid(size)
    for rows in range(1, size + 1):
        if size % rows == 0:
            yield Grid((rows, size // rows))


def layouts(ndim: int, size: int) -> Iterator[tuple[Grid, Any]]:
    """Every split of an array of `ndim` axes, on every 1-D and 2-D grid of `size` processes."""
    axes = [None, *range(ndim)]
    for grid in _grids(size):
        for split in itertools.product(axes, repeat=grid.ndim):
            dealt = [a for a in split if a is not None]
            if len(set(dealt)) == len(dealt):
                yield grid, split[0] if grid.ndim == 1 else split


def operand(shape: Sequence[int], make: str, seed: int) -> np.ndarray:
    """Reproducible values, the same on every process."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, size=shape)
    return {
        "real": values * 3,
        "unit": values * 0.999,
        "above one": np.abs(values) * 3 + 1.01,
        "positive": np.abs(values) + 0.1,
        "integer": rng.integers(1, 9, size=shape),
        "bool": values > 0,
    }[make]


_DOMAIN = {
    "arcsin": "unit", "arccos": "unit", "arctanh": "unit", "arccosh": "above one", "sqrt": "positive",
    "log": "positive", "log2": "positive", "log10": "positive", "log1p": "positive", "power": "positive",
    "float_power": "positive", "logical_not": "bool", "isposinf": "real",
}  # fmt: skip

_SHAPES_1 = [((5, 4),), ((2, 7, 3),), ((1,),), ((0, 3),), ((),)]
_SHAPES_2 = [((5, 4), (5, 4)), ((5, 4), (4,)), ((5, 1), (1, 4)), ((3, 1, 4), (5, 1)), ((0, 3), (1, 3)), ((), (3,))]


def _elementwise() -> Iterator[tuple[str, Case]]:
    numpy_names = {"isreal": "isreal", "abs": "abs"}
    for name, op in OPS.items():
        theirs = getattr(np, numpy_names.get(name, name))
        integers = {"bits": "integer", "shift": "integer", "logical": "bool"}
        make = integers.get(op.kind) or _DOMAIN.get(name, "real")
        if name == "ldexp":
            continue  # takes a float and an integer: tested by itself
        for shapes in _SHAPES_1 if op.nin == 1 else _SHAPES_2:
            yield name, Case(getattr(dnd, name), theirs, shapes, make)


def _with_axis(function: Callable, axis: Any, **options: Any) -> Callable:
    return lambda x: function(x, axis=axis, **options)


def _reductions() -> Iterator[tuple[str, Case]]:
    names = [
        *(name for name in REDUCTIONS if name not in OPS),
        "mean",
        "var",
        "std",
        "argmax",
        "argmin",
        "nansum",
        "nanmax",
        "nanmean",
        "nanvar",
        "count_nonzero",
        "ptp",
    ]
    for name in names:
        for shape, axis, keepdims in (
            ((5, 4), None, False),
            ((5, 4), 0, False),
            ((5, 4), 1, True),
            ((2, 7, 3), 1, False),
            ((2, 7, 3), (0, 2), True),
            ((2, 7, 3), (0, 1), False),
            ((1,), 0, False),
            ((3, 0), 0, False),
        ):
            arg = name.startswith("arg")
            if arg and isinstance(axis, tuple):
                continue
            options = {"keepdims": keepdims}
            yield (
                name,
                Case(
                    _with_axis(getattr(dnd, name), axis, **options),
                    _with_axis(getattr(np, name), axis, **options),
                    (shape,),
                ),
            )


def _scans() -> Iterator[tuple[str, Case]]:
    for name in ("cumsum", "cumprod"):
        for shape, axis in (((5, 4), 0), ((5, 4), 1), ((2, 7, 3), 1), ((1,), 0), ((0, 3), 0), ((5, 4), None)):
            yield name, Case(_with_axis(getattr(dnd, name), axis), _with_axis(getattr(np, name), axis), (shape,))


def _rearrangement() -> Iterator[tuple[str, Case]]:
    def case(name: str, shapes: Any, *args: Any, **options: Any) -> tuple[str, Case]:
        ours, theirs = getattr(dnd, name), getattr(np, name)
        return name, Case(lambda *x: ours(*x, *args, **options), lambda *x: theirs(*x, *args, **options), shapes)

    for shape, new in (
        ((5, 4), (4, 5)), ((5, 4), (20,)), ((5, 4), (2, 2, 5)), ((20,), (2, 10)), ((12,), (1, 12)), ((2, 9), (9, 2)),
        ((2, 7, 3), (14, 3)), ((2, 7, 3), (6, 7)), ((2, 7, 3), (2, 21)), ((1,), ()), ((0, 3), (3, 0)), ((1, 1), (1,)),
    ):  # fmt: skip
        yield case("reshape", (shape,), new)
    for axes in (None, (2, 0, 1)):
        yield case("transpose", ((2, 7, 3),), axes)
    for axis in (0, 1, 2):
        yield case("expand_dims", ((5, 4),), axis)
        yield case("flip", ((2, 7, 3),), axis)
        yield case("roll", ((2, 7, 3),), 2, axis)
        yield case("roll", ((2, 7, 3),), -8, axis)
    yield case("flip", ((5, 4),))
    for split in (None, 0, 1):
        yield "resplit", Case(lambda x, split=split: dnd.resplit(x, split), lambda x: x, ((5, 4),))
        yield "resplit", Case(lambda x, split=split: dnd.resplit(x, split), lambda x: x, ((2, 3),))
    for pair in ((0, 1), (1, 0), (None, 0)):
        yield "resplit", Case(lambda x, pair=pair: dnd.resplit(x, pair), lambda x: x, ((5, 4),))
    yield "balance", Case(dnd.balance, lambda x: x, ((7, 4),))
    yield case("roll", ((5, 4),), 3)
    yield case("squeeze", ((1, 5, 1),))
    yield case("squeeze", ((1, 5, 1),), 2)
    yield case("broadcast_to", ((5, 1),), (2, 5, 4))
    yield case("broadcast_to", ((1, 4),), (5, 4))
    yield case("swapaxes", ((2, 7, 3),), 0, 2)
    yield case("tril", ((5, 4),), -1)
    yield case("triu", ((2, 5, 4),), 1)
    for k in (-1, 0, 2):
        yield case("diagonal", ((5, 4),), k)
        yield case("diag", ((5,),), k)
    for axis in (0, 1):
        for name in ("concatenate", "stack"):
            ours, theirs = getattr(dnd, name), getattr(np, name)
            shapes: tuple = ((5, 4), (5, 4))
            if name == "concatenate":
                shapes = ((5, 4), (2, 4)) if axis == 0 else ((5, 4), (5, 1))
            yield (
                name,
                Case(
                    lambda a, b, ours=ours, axis=axis: ours([a, b], axis),
                    lambda a, b, theirs=theirs, axis=axis: theirs([a, b], axis),
                    shapes,
                ),
            )


def _indexing() -> Iterator[tuple[str, Case]]:
    index = np.array([3, 0, -1, 3])
    keys: list[Any] = [
        np.s_[2], np.s_[-1, 2], np.s_[1:4], np.s_[::2, 1:], np.s_[::-1], np.s_[4:0:-2, ::-1], np.s_[..., 0],
        np.s_[None, 1:, None],
        np.s_[3:3], np.s_[index], np.s_[:, index], np.s_[index, index], np.s_[index[:, None], index], np.s_[1:, index],
        np.s_[index, None, 1:3], np.s_[[], 1:], np.s_[2, index], np.s_[index, 0],
    ]  # fmt: skip
    for key in keys:
        yield "getitem", Case(lambda x, key=key: x[key], lambda x, key=key: x[key], ((5, 4),))
        yield (
            "setitem",
            Case(lambda x, v, key=key: _set(x, key, v), lambda x, v, key=key: _set(x, key, v), ((5, 4), (1,))),
        )
        yield (
            "setitem",
            Case(lambda x, key=key: _set(x, key, x[key] * 2), lambda x, key=key: _set(x, key, x[key] * 2), ((5, 4),)),
        )
    for select in (lambda x: x > 0, lambda x: x[:, 0] > 0, lambda x: (slice(None), x[0] > 0), lambda x: x > 100):
        yield "mask", Case(lambda x, s=select: x[s(x)], lambda x, s=select: x[s(x)], ((5, 4),))
        yield "mask", Case(lambda x, s=select: _set(x, s(x), 7), lambda x, s=select: _set(x, s(x), 7), ((5, 4),))
        yield (
            "mask",
            Case(
                lambda x, s=select: _set(x, s(x), x[s(x)] + 1),
                lambda x, s=select: _set(x, s(x), x[s(x)] + 1),
                ((5, 4),),
            ),
        )
    three = ((2, 7, 3),)
    for key in (np.s_[:, index], np.s_[0, :, [2, 0]], np.s_[[1, 0], :, [2, 0]], np.s_[:, index, 1:], np.s_[1, index]):
        yield "getitem", Case(lambda x, key=key: x[key], lambda x, key=key: x[key], three)
    yield "nonzero", Case(lambda x: dnd.nonzero(x > 0), lambda x: np.nonzero(x > 0), ((5, 4),))
    yield "take", Case(lambda x: dnd.take(x, index, 0), lambda x: np.take(x, index, 0), ((5, 4),))
    yield "index array split", Case(lambda x, i: x[i], lambda x, i: x[i], ((5, 4), (6,)), "index")
    yield "where", Case(lambda x, y: dnd.where(x > 0, x, y), lambda x, y: np.where(x > 0, x, y), ((5, 4), (4,)))


def _set(x: Any, key: Any, value: Any) -> Any:
    x = x.copy()
    x[key] = value
    return x


def _contraction() -> Iterator[tuple[str, Case]]:
    for shapes in (
        ((5, 4), (4, 7)), ((5, 4), (4,)), ((4,), (4, 7)), ((4,), (4,)), ((2, 5, 4), (2, 4, 3)), ((2, 5, 4), (4, 3)),
        ((1, 5, 4), (3, 4, 2)), ((3, 1, 5, 4), (2, 4, 3)), ((5, 0), (0, 3)), ((1, 1), (1, 1)), ((0, 4), (4, 3)),
    ):  # fmt: skip
        yield "matmul", Case(lambda a, b: a @ b, lambda a, b: a @ b, shapes)
    products: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
        ("vecdot", ((5, 4), (5, 4))), ("vecdot", ((2, 1, 4), (5, 4))), ("matvec", ((2, 5, 4), (2, 4))),
        ("matvec", ((5, 4), (4,))), ("vecmat", ((5,), (5, 4))), ("vecmat", ((3, 5), (3, 5, 4))),
    ]  # fmt: skip
    for name, pair in products:
        yield name, Case(getattr(dnd, name), getattr(np, name), pair)


def _all_cases() -> list[tuple[str, Case]]:
    families = (_elementwise, _reductions, _scans, _rearrangement, _indexing, _contraction)
    return [case for family in families for case in family()]


CASES: list[tuple[str, Case]] = _all_cases()


def _compare(result: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        for r, e in zip(result, expected, strict=True):
            _compare(r, e)
        return
    compare_part(result, np.asarray(expected), rtol=1e-10, atol=1e-10)


def _describe(name: str, case: Case, placed: Sequence[tuple[Grid, Any]], uneven: bool) -> str:
    where = ", ".join(
        f"{shape} split={split} grid={grid.shape}" for shape, (grid, split) in zip(case.shapes, placed, strict=True)
    )
    return f"{name}({where}{', uneven' if uneven else ''})"


def validate(op: str | None = None, every: int = 1) -> Report:
    """Check the cases of one operation, or of all; collective. `every` takes only each so-manieth combination
    (but some of every operation)."""
    comm = dnd.get_comm()
    wrong: list[str] = []
    missing: list[str] = []
    checked = 0
    for number, (name, case) in enumerate(CASES):
        if op is not None and name != op:
            continue
        if case.make == "index":
            values = [operand(case.shapes[0], "real", 0), operand(case.shapes[1], "integer", 1) % 5]
        else:
            values = [operand(shape, case.make, seed) for seed, shape in enumerate(case.shapes)]
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy's about empty slices
                expected = case.numpys(*values)
        except (ValueError, IndexError):
            expected = None
        problems = {}
        combinations = list(itertools.product(*(layouts(len(s), comm.size) for s in case.shapes)))
        stride = max(1, min(every, len(combinations) // 4))
        for k, placed in enumerate(combinations[number % stride :: stride]):
            checked += 1
            problem = _check(case, values, placed, expected, comm, uneven=k % 2 == 1)
            if problem is not None:
                problems[_describe(name, case, placed, k % 2 == 1)] = problem
        # Processes agree once a case, not once a combination: most of the time would go into agreeing.
        found: dict[str, str] = {}
        for theirs in comm.allgather_object(problems):
            found = theirs | found
        for where, problem in found.items():
            (missing if problem.startswith("raised") else wrong).append(f"{where}: {problem}")
    return Report(checked, wrong, missing)


def _place(values: np.ndarray, grid: Grid, split: Any, comm: Communicator, uneven: bool) -> DNDarray:
    """This process's part of the values, without a word to the others."""
    layout = Layout(values.shape, grid, split)
    if uneven:  # nothing on the first process, most on the last
        counts = [c and (0, *c[1:-1], c[-1] + c[0]) if c is None or len(c) > 1 else c for c in layout.counts]
        layout = Layout(values.shape, grid, split, counts)
    part = values[tuple(slice(start, stop) for start, stop in layout.box(comm.rank))]
    return DNDarray(torch.from_numpy(np.array(part)), layout, comm)


def _check(
    case: Case, values: Sequence[np.ndarray], placed: Any, expected: Any, comm: Communicator, uneven: bool
) -> str | None:
    """None, or what this process found wrong. Of uneven operands every other one lies evenly."""
    try:
        arrays = [
            _place(v, grid, split, comm, uneven and i % 2 == 0)
            for i, (v, (grid, split)) in enumerate(zip(values, placed, strict=True))
        ]
        result = case.ours(*arrays)
        if expected is not None:
            _compare(result, expected)
    except AssertionError as error:
        return f"differs: {str(error).strip().splitlines()[0]}"
    except Exception as error:
        if expected is not None:
            last = traceback.extract_tb(error.__traceback__)[-1]
            return f"raised {type(error).__name__}: {error} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})"
    return None


@click.command()
@click.option("--op", default=None, help="Only this operation.")
@click.option("--every", default=1, show_default=True, help="Check only each so-manieth combination of layouts.")
def main(op: str | None, every: int) -> None:
    """Validate the layout rules on the processes of this run."""
    if op is not None and op not in {name for name, _ in CASES}:
        raise click.BadParameter(f"{op!r} is not one of {', '.join(sorted({name for name, _ in CASES}))}")
    report = validate(op, every)
    if dnd.get_comm().rank == 0:
        for title, problems in (("wrong", report.wrong), ("missing", report.missing)):
            for problem in problems:
                click.echo(f"{title}: {problem}")
        click.echo(f"{report.checked} combinations checked, {len(report.wrong)} wrong, {len(report.missing)} missing")
    sys.exit(1 if report.wrong or report.missing else 0)


if __name__ == "__main__":
    main()
