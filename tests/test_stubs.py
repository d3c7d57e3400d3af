"""The type stubs: up to date, and what a user's type checker makes of them."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dndarray as dnd

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]

# These start processes, and say the same on any number of ranks.
pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]

RIGHT = """
import numpy as np
import torch
from typing import assert_type

import dndarray as dnd

x = dnd.random.normal(size=(10, 4), split=0)
assert_type(dnd.sin(x), dnd.DNDarray)
assert_type(x + 1, dnd.DNDarray)
assert_type(2 * x, dnd.DNDarray)
assert_type(x - np.ones(4), dnd.DNDarray)
assert_type(x.T @ x, dnd.DNDarray)
assert_type(x > 0, dnd.DNDarray)
assert_type(dnd.sum(x, axis=(0, 1), keepdims=True), dnd.DNDarray)
assert_type(x.mean(axis=0), dnd.DNDarray)
assert_type(x.resplit(1)[2:, None], dnd.DNDarray)
assert_type(x.reshape(2, 20), dnd.DNDarray)
assert_type(dnd.nanstd(x, axis=0, ddof=1), dnd.DNDarray)
assert_type(dnd.divmod(x, 2), tuple[dnd.DNDarray, dnd.DNDarray])
assert_type(dnd.where(x > 0), tuple[dnd.DNDarray, ...])
assert_type(dnd.where(x > 0, x, 0), dnd.DNDarray)
assert_type(dnd.linspace(0, 1, 5), dnd.DNDarray)
assert_type(dnd.concat([x, x]), dnd.DNDarray)
assert_type(x.larray, torch.Tensor)
assert_type(x.numpy(), np.ndarray)
assert_type(dnd.get_comm().rank, int)
x += 1
x[x > 0] = 0
dtype: torch.dtype = dnd.bool
"""

WRONG = {
    "x.sine()": 'has no attribute "sine"',
    "dnd.sine(x)": "has no attribute",
    "dnd.sum(x, axis='rows')": "incompatible type",
    "dnd.argmax(x, axis=(0, 1))": "incompatible type",
    "x.resplit('rows')": "incompatible type",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy says of the programs of a user who has the package as it is when installed."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "dndarray").mkdir()
    parts = [ROOT / source for package, source in PACKAGES.items() if package != "dndarray"]
    for path in [*(ROOT / "dndarray").iterdir(), *parts]:
        (folder / "dndarray" / path.name).symlink_to(path)
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text("import dndarray as dnd\nx = dnd.ones(3)\n" + "\n".join(WRONG))
    (folder / "mypy.ini").write_text("[mypy]\n")
    # What is wrong inside of the package, `make types` says.
    command = [sys.executable, "-m", "mypy", "--follow-imports", "silent", "right.py", "wrong.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    return {name: [line for line in lines if line.startswith(name)] for name in ("right.py", "wrong.py")}


def test_the_stubs_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "stubs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_right_program_passes(said):
    assert said["right.py"] == []


def test_what_is_wrong_is_found(said):
    assert len(said["wrong.py"]) == len(WRONG), said
    for line, (code, words) in zip(said["wrong.py"], WRONG.items(), strict=True):
        assert words in line, f"{code}: {line}"


@pytest.mark.parametrize("name", ["linspace", "where"])
def test_what_is_written_by_hand_has_the_parameters_of_the_function(name):
    tree = ast.parse((ROOT / "dndarray" / "__init__.pyi").read_text())
    forms = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(forms) == 2
    for form in forms:
        arguments = [*form.args.posonlyargs, *form.args.args, *form.args.kwonlyargs]
        assert {a.arg for a in arguments} == set(inspect.signature(getattr(dnd, name)).parameters)
