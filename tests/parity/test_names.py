"""No name without a row, and no name of NumPy's, the Array API's or Heat's of which nothing is said."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import dndarray as dnd
from parity.driver import all_cases

DOCS = Path(__file__).parents[2] / "docs"
SPACES = ("", "fft", "linalg", "ndimage", "signal", "spatial")

UNCOMPARED = {
    "about the processes, not about elements; tests of their own": """
        get_comm use_comm get_device use_device enable_grad no_grad print
        balance balance_ redistribute redistribute_ resplit resplit_
        from_dtensor to_dtensor from_xarray to_xarray get_printoptions set_printoptions ndenumerate
        """,
    "what is in the memory is not defined": "empty empty_like",
}
"""Public functions that are not compared with anybody's, and why."""


def _coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_coverage", DOCS / "make_coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_functions() -> set[str]:
    names = set()
    for space in SPACES:
        part = getattr(dnd, space) if space else dnd
        for name in part.__all__:
            value = getattr(part, name)
            if callable(value) and not inspect.isclass(value) and not isinstance(value, ModuleType):
                names.add(f"{space}.{name}" if space else name)
    return names


def test_every_function_has_a_row() -> None:
    compared = {case.name for case in all_cases()} | set(" ".join(UNCOMPARED.values()).split())
    # One function may have several names.
    by_function = {id(_get(name)) for name in compared if _has(name)}
    missing = {name for name in public_functions() - compared if id(_get(name)) not in by_function}
    assert not missing, f"no row for {sorted(missing)}"


def _get(name: str) -> object:
    value = dnd
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _has(name: str) -> bool:
    try:
        _get(name)
    except AttributeError:
        return False
    return True


def test_every_row_is_of_a_function() -> None:
    unknown = {case.name for case in all_cases() if not _has(case.name)}
    assert not unknown, f"rows of functions that are not there: {sorted(unknown)}"


def test_every_foreign_name_is_accounted_for() -> None:
    names = _coverage().Names()
    assert not names.unexplained()
    # What is said to be absent is.
    present = [
        f"{source}.{space}.{e.name}"
        for source in names.spaces
        for space, entries in names.entries(source)
        for e in entries
        if e.here and e.name in names.reasons
    ]
    assert not present, f"these are here: {present}"


def test_no_name_of_this_numpy_is_forgotten() -> None:
    names = _coverage().Names()
    if names.versions["numpy"] != np.__version__.rsplit(".", 1)[0]:
        pytest.skip(f"docs/names.toml lists the names of NumPy {names.versions['numpy']}, this is {np.__version__}")
    for space, listed in names.spaces["numpy"].items():
        part = np if space == "main" else getattr(np, space)
        public = {name for name in dir(part) if not name.startswith("_")}
        assert not public - set(listed) - {"test", "mtrand", "bit_generator"}


@pytest.mark.ranks(4)
def test_the_page_is_up_to_date() -> None:
    coverage = _coverage()
    page = coverage.page(coverage.Names())
    assert page == coverage.PAGE.read_text(), "run: mpiexec -n 4 python docs/make_coverage.py"
