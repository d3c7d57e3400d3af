"""The examples in docstrings, on every number of ranks."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import dndarray as dnd

PARTS = ("algorithms", "energy", "io", "nn", "optim")
ENTRY_POINTS = ("__main__",)  # importing them runs them


def _modules() -> list[str]:
    """Every module of the package. The parts may lie beside the root's folder, where its path does not lead."""
    packages = [dnd, *(importlib.import_module(f"dndarray.{part}") for part in PARTS)]
    names = {package.__name__ for package in packages}
    for package in packages:
        names |= {module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")}
    return sorted(name for name in names if name.rpartition(".")[2] not in ENTRY_POINTS)


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dndarray"):
            raise
        pytest.skip(f"needs {error.name}")


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings(name: str) -> None:
    results = doctest.testmod(_load(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_the_examples_are_found() -> None:
    tests = doctest.DocTestFinder().find(_load("dndarray.layout"))
    assert sum(len(test.examples) for test in tests) > 5
