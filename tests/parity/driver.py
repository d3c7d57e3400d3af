"""Drives rows of the parity table: inputs, layouts, the comparison with NumPy, and the gradients."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch

import dndarray as dnd
from dndarray.layout import Grid, Layout
from dndarray.testing import compare_part
from parity.case import INEXACT, Case


def all_cases() -> list[Case]:
    """The rows of all files of this folder."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
    return [case for name in names for case in importlib.import_module(f"parity.{name}").CASES]


# --- inputs -----------------------------------------------------------------------------------------------------------


def values(shape: Sequence[int], dtype: str, seed: int, special: bool = False) -> np.ndarray:
    """Elements with ties, signs and zeros; the same on every rank."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape), dtype=bool)
    if dtype not in INEXACT:
        return np.asarray(rng.integers(0 if dtype.startswith("u") else -9, 10, shape), dtype=dtype)
    result = np.asarray(rng.normal(size=shape).round(2), dtype=dtype)
    if dtype == "complex128":
        result = np.asarray(result + 1j * rng.normal(size=shape).round(2))
    if special:
        # What becomes of complex infinities differs from library to library: torch, for one, adds x + 1 * y.
        for value in (complex(np.nan, np.nan),) if dtype == "complex128" else (np.nan, np.inf, -np.inf):
            result = np.where(rng.uniform(size=shape) < 0.12, np.asarray(value, dtype=dtype), result)
    return result


def layouts(shape: tuple[int, ...], size: int) -> list[Layout]:
    """Replicated, split along every axis, unbalanced, and on a grid of two axes."""
    line = Grid(size)
    found = [Layout(shape, line)]
    for axis, n in enumerate(shape):
        found.append(Layout(shape, line, axis))
        if size > 1:  # nothing on the first rank, most on the last
            counts = [0] + [n // 3 if r == 1 else 0 for r in range(1, size)]
            counts[-1] += n - sum(counts)
            found.append(Layout(shape, line, axis, [counts]))
    if size > 1:
        grid = Grid((2, size // 2)) if size % 2 == 0 else Grid((1, size))
        for axes in itertools.permutations([*range(min(len(shape), 3)), None], 2):
            if len(shape) > 1 or axes != (None, None):
                found.append(Layout(shape, grid, axes))
    return found


def place(value: np.ndarray, layout: Layout, contiguous: bool = True) -> dnd.DNDarray:
    """A NumPy array as an array in this layout, its part perhaps with gaps in memory."""
    comm = dnd.get_comm()
    local = torch.from_numpy(np.array(value[tuple(slice(*interval) for interval in layout.box(comm.rank))]))
    if not contiguous:
        local = torch.stack([local, local], -1)[..., 0]
    return dnd.DNDarray(local, layout, comm)


class Trial(NamedTuple):
    """The arrays of one call."""

    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    special: bool
    layouts: tuple[Layout, ...]
    contiguous: bool
    seed: int

    def __str__(self) -> str:
        where = "; ".join(str(layout) for layout in self.layouts)
        return f"{self.dtype}{' with NaN and inf' if self.special else ''}, {where}, contiguous={self.contiguous}"

    def values(self) -> list[np.ndarray]:
        return [values(s, self.dtype, self.seed + i, self.special) for i, s in enumerate(self.shapes)]


def _shapes(case: Case) -> Iterator[tuple[tuple[int, ...], ...]]:
    for shape in case.shapes:
        yield tuple(shape) if case.arrays > 1 and shape and isinstance(shape[0], tuple) else (shape,) * case.arrays


def trials(case: Case, size: int, limit: int | None = None) -> list[Trial]:
    """Every shape, dtype and layout; or `limit` of them in which each shape, each dtype and each layout occurs."""
    found = []
    seed = crc32(case.name.encode()) % 10_000
    for shapes in _shapes(case):
        for dtype in case.dtypes:
            for special in (False, True) if case.special and dtype in INEXACT else (False,):
                options = [layouts(shape, size) for shape in shapes]
                for i in range(max(map(len, options))):
                    # The layouts of several arrays walk at different paces, so that all kinds of pairs meet.
                    chosen = tuple(option[(i * (3 * k + 1) + k) % len(option)] for k, option in enumerate(options))
                    found.append(Trial(shapes, dtype, special, chosen, i % 3 != 2, seed))
    if limit is None or len(found) <= limit:
        return found
    step = len(found) / limit
    rng = np.random.default_rng(seed)
    return [found[int(k * step + rng.uniform(0, step))] for k in range(limit)]


# --- comparison -------------------------------------------------------------------------------------------------------


def _leaves(result: Any) -> list[Any]:
    return [leaf for part in result for leaf in _leaves(part)] if isinstance(result, (tuple, list)) else [result]


def _call(function: Callable, *arguments: Any) -> Any:
    """The result, or the exception."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments)
    except Exception as error:
        return error


def expected(case: Case, arrays: Sequence[np.ndarray]) -> Any:
    """What NumPy, or the row's own oracle, gives; or the exception that it raises."""
    return _call(case.oracle, *arrays) if case.oracle else _call(case.call, np, *arrays)


def _tolerance(case: Case, dtype: str, desired: np.ndarray) -> tuple[float, float]:
    rtol = case.rtol and max(case.rtol, 1e-5 if dtype == "float32" or desired.dtype.itemsize == 4 else 0.0)
    if desired.dtype.kind not in "fc" or not rtol:
        return rtol, 0.0
    finite = np.abs(desired[np.isfinite(desired)])
    # Elements of the arrays are of the order of one: where all that is expected is a rounding error, so is the result.
    return rtol, rtol * float(finite.max(initial=1e-3))


def _compare(case: Case, trial: Trial, actual: Any, desired: Any) -> None:
    actual, desired = _leaves(actual), _leaves(desired)
    assert len(actual) == len(desired), f"{len(actual)} results, not {len(desired)}"
    for ours, theirs in zip(actual, desired, strict=True):
        if isinstance(ours, dnd.DNDarray):
            theirs = np.asarray(theirs)
            rtol, atol = _tolerance(case, trial.dtype, theirs)
            compare_part(ours, theirs, rtol, atol, case.check_dtype)
        elif isinstance(theirs, (np.ndarray, np.generic)) and not isinstance(ours, (bool, int, float, complex)):
            raise AssertionError(f"expected an array, got {ours!r}")
        else:
            same = ours == theirs or (ours != ours and theirs != theirs)
            assert same, f"{ours!r} is not {theirs!r}"


def check(case: Case, trial: Trial) -> str:
    """Empty if we do what NumPy does, otherwise what is wrong, on this process."""
    arrays = trial.values()
    desired = expected(case, arrays)
    split = [place(a, layout, trial.contiguous) for a, layout in zip(arrays, trial.layouts, strict=True)]
    actual = _call(case.call, dnd, *split)
    if isinstance(desired, Exception):
        return "" if isinstance(actual, Exception) else f"{trial}: gives {actual!r} where NumPy raises {desired!r}"
    if isinstance(actual, Exception):
        return f"{trial}: raises {actual!r}"
    try:
        _compare(case, trial, actual, desired)
    except AssertionError as error:
        return f"{trial}: {error}"
    return ""


# --- gradients --------------------------------------------------------------------------------------------------------


def _weights(n: int) -> np.ndarray:
    return np.cos(1.0 + np.arange(n))


def _weighted(results: Any) -> float:
    total = 0.0
    for leaf in _leaves(results):
        leaf = np.asarray(leaf)
        if leaf.dtype.kind in "fc":
            total += float((leaf.real.ravel() * _weights(leaf.size)).sum())
            total += float((leaf.imag.ravel() * _weights(leaf.size)[::-1]).sum()) if leaf.dtype.kind == "c" else 0.0
    return total


def _loss(results: Any) -> Any:
    total: Any = 0.0
    for leaf in _leaves(results):
        if not leaf.dtype.is_floating_point and not leaf.dtype.is_complex:
            continue
        weights = _weights(leaf.size)
        total = total + (leaf.real * weights.reshape(leaf.shape)).sum()
        if leaf.dtype.is_complex:
            total = total + (leaf.imag * weights[::-1].reshape(leaf.shape).copy()).sum()
    return total


def check_gradient(case: Case, trial: Trial) -> str:
    """Empty if the gradient along some direction is what differences of NumPy's results say."""
    rng = np.random.default_rng(trial.seed)
    step = 1e-6
    for shift in (0.0, 1.0):  # some functions are defined below one only, some above
        arrays = [rng.uniform(0.2, 0.9, s) + shift for s in trial.shapes]
        direction = [rng.normal(size=s) for s in trial.shapes]
        ahead, behind = (
            expected(case, [a + sign * step * d for a, d in zip(arrays, direction, strict=True)]) for sign in (1, -1)
        )
        if isinstance(ahead, Exception):
            return ""  # what raises is checked elsewhere
        if isinstance(ahead, list) and not ahead:
            return ""  # arrays of these dimensions have no axis to try
        derivative = (_weighted(ahead) - _weighted(behind)) / (2 * step)
        if np.isfinite(derivative):
            break
    leaves = [place(a, layout).requires_grad_() for a, layout in zip(arrays, trial.layouts, strict=True)]
    outcome = _call(lambda: _loss(case.call(dnd, *leaves)).backward())
    if isinstance(outcome, Exception):
        return f"{trial}: backward raises {outcome!r}"
    ours = 0.0
    for leaf, d in zip(leaves, direction, strict=True):
        ours += 0.0 if leaf.grad is None else float((leaf.grad.numpy() * d).sum())
    size = abs(derivative) + 1e-2
    if not abs(ours - derivative) <= 1e-5 * size + 1e-6:
        return f"{trial}: the derivative is {derivative}, the gradient says {ours}"
    return ""


def gradient_trials(case: Case, size: int, limit: int | None = None) -> list[Trial]:
    """The trials in float64 of arrays that have elements."""
    found = [
        t
        for t in trials(case, size)
        if t.dtype == "float64" and not t.special and all(0 not in s and np.prod(s) < 40 for s in t.shapes)
    ]
    return found if limit is None else found[:: max(1, len(found) // limit)][:limit]
