"""The repository's own rules: who imports whom, sizes, names, versions, packaging, and how tests run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import run_ranks

import dndarray as dnd

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]

FLOORS = {
    "dndarray": 1,
    "dndarray.io": 2,
    "dndarray.energy": 2,
    "dndarray.nn": 3,
    "dndarray.optim": 3,
    "dndarray.algorithms": 4,
}

MAX_LINES = 500

# These read files and start processes, and say the same on any number of ranks.
pytestmark = pytest.mark.ranks(1)


def library() -> Iterator[tuple[str, Path]]:
    """Every module of the library, with its file."""
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *names]).removesuffix(".__init__"), path


# --- floors -------------------------------------------------------------------------------------------------


def imports(module: str, is_package: bool, source: str) -> Iterator[tuple[int, str]]:
    """What `module` imports, as line and full name; `dnd.nn` counts, for that loads the part as well."""
    aliases = set()
    package = module if is_package else module.rpartition(".")[0]
    # The root may tell a type checker of the parts, which it loads when they are asked for.
    for node in _nodes(ast.parse(source), type_checking=module != "dndarray"):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
                if name.name.partition(".")[0] == "dndarray" and (not name.asname or name.name == "dndarray"):
                    aliases.add(name.asname or "dndarray")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            for name in node.names:
                yield node.lineno, f"{base}.{name.name}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            yield node.lineno, f"dndarray.{node.attr}"


def _nodes(node: ast.AST, type_checking: bool) -> Iterator[ast.AST]:
    """Walk the tree, with or without what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if type_checking or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _nodes(child, type_checking)


def part_of(name: str) -> str | None:
    """The part of the library that `name` lies in."""
    return max((part for part in FLOORS if f"{name}.".startswith(f"{part}.")), key=len, default=None)


def upward_imports(module: str, is_package: bool, source: str) -> list[str]:
    floor = FLOORS[part_of(module)]
    return [
        f"{module}:{line} imports {name}"
        for line, name in imports(module, is_package, source)
        if FLOORS.get(part_of(name), 0) > floor
    ]


def test_every_part_has_a_floor():
    assert FOLDERS.keys() == FLOORS.keys()


def test_no_file_imports_from_a_floor_above_its_own():
    found = [
        line
        for module, path in library()
        for line in upward_imports(module, path.name == "__init__.py", path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dndarray.array", "from .io import load"),
        ("dndarray.array", "from . import nn"),
        ("dndarray.linalg.svd", "from .. import optim"),
        ("dndarray.io.hdf5", "import dndarray.nn"),
        ("dndarray.io.hdf5", "import dndarray.algorithms as methods"),
        ("dndarray.io.hdf5", "from ..nn.linear import Linear"),
        ("dndarray.nn.linear", "from dndarray import algorithms"),
        ("dndarray.nn.linear", "def f():\n    from dndarray.algorithms import fit"),
        ("dndarray.optim.daso", "import dndarray as dnd\ndnd.algorithms.fit(1)"),
    ],
)
def test_an_upward_import_is_found(module, source):
    assert upward_imports(module, False, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dndarray.algorithms.pca", "import dndarray as dnd\nfrom ..nn import Linear\ndnd.optim.Daso()"),
        ("dndarray.io.hdf5", "from ..energy import Monitor"),
        ("dndarray.io.hdf5", "from .algorithms import of_its_own"),
        ("dndarray.array", "import io\nimport torch.nn as nn\nfrom torch import optim"),
    ],
)
def test_an_import_from_the_same_floor_or_below_is_not_found(module, source):
    assert not upward_imports(module, False, source)


def test_no_part_is_imported_by_the_bare_name_of_its_folder():
    bare = {folder for folder in FOLDERS.values() if folder not in sys.stdlib_module_names} - {"dndarray"}
    found = [
        f"{module}:{line} imports {name}"
        for module, path in library()
        for line, name in imports(module, path.name == "__init__.py", path.read_text())
        if name.partition(".")[0] in bare
    ]
    assert not found, "\n".join(found)


def test_the_layout_knows_neither_torch_nor_mpi():
    source = (ROOT / "dndarray" / "layout.py").read_text()
    roots = {name.partition(".")[0] for _, name in imports("dndarray.layout", False, source)}
    assert not roots & {"torch", "mpi4py"}


def test_only_the_communication_touches_mpi():
    allowed = {"dndarray.communication", "dndarray.launch"}
    found = [
        f"{module}:{line}"
        for module, path in library()
        for line, name in imports(module, path.name == "__init__.py", path.read_text())
        if name.partition(".")[0] == "mpi4py" and module not in allowed
    ]
    assert not found, "\n".join(found)


# --- sizes and names ----------------------------------------------------------------------------------------


def test_no_file_is_too_long():
    lengths = {module: len(path.read_text().splitlines()) for module, path in library()}
    assert not {module: length for module, length in lengths.items() if length > MAX_LINES}


def test_no_star_imports():
    starred = [
        f"{module}:{line}"
        for module, path in library()
        for line, name in imports(module, path.name == "__init__.py", path.read_text())
        if name.endswith(".*")
    ]
    assert not starred, "\n".join(starred)


def test_no_module_is_named_utils():
    assert not [module for module, _ in library() if {"util", "utils"} & set(module.split("."))]


# --- versions and packages ----------------------------------------------------------------------------------


def test_the_version_is_the_same_everywhere():
    citation = re.search(r"^version: *[\"']?([^\"'\s]+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert citation is not None
    assert PROJECT["project"]["version"] == dnd.__version__ == citation[1]


def test_every_package_is_installed():
    packages = {module for module, path in library() if path.name == "__init__.py"}
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.fixture
def checkout(tmp_path):
    """A copy of what is built from, so that a build leaves nothing behind in the repository."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture
def bare_python(tmp_path):
    """A Python that has all that this one has, but not dndarray."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    purelib = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    # Reached in this way, the folder's own .pth files do nothing, and with them an editable dndarray.
    for name in ("purelib", "platlib"):
        (Path(purelib) / f"{name}.pth").write_text(sysconfig.get_path(name))
    return python


def pip(python: Path, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, *arguments, "--quiet"]
    subprocess.run(command, check=True)


def wheel_of(checkout: Path) -> Path:
    """The wheel that is made by way of the source distribution, which has to be complete for that."""
    command = [sys.executable, "-m", "build", "--no-isolation", checkout]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (checkout / "dist").glob("*.whl")
    return wheel


INSTALL = ("install", "--no-deps", "--no-build-isolation", "--ignore-installed")


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["target", "wheel", "editable"])
def test_every_part_is_importable_however_installed(way, checkout, bare_python, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if way == "target":
        pip(bare_python, *INSTALL, checkout, "--target", tmp_path / "target")
        environment["PYTHONPATH"] = str(tmp_path / "target")
    elif way == "wheel":
        wheel = wheel_of(checkout)
        assert "dndarray/py.typed" in zipfile.ZipFile(wheel).namelist()
        pip(bare_python, *INSTALL, wheel)
    else:
        pip(bare_python, *INSTALL, "--editable", checkout)
    for part in FLOORS:
        for folder in (elsewhere, checkout):
            code = f"import {part} as part; print(part.__name__, part.__file__)"
            done = subprocess.run(
                [bare_python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{part} from {folder.name}/:\n{done.stderr}"
            name, file = done.stdout.split()
            assert name == part
            assert Path(file).is_relative_to(tmp_path)


# --- how tests run on several ranks -------------------------------------------------------------------------

SESSION = """
import sys, pytest
options = ["-q", "--color=no", "-p", "no:cacheprovider", "--rootdir", "{folder}"]
sys.exit(pytest.main([*options, "{folder}"]))
"""


def run_session(folder: Path, test: str, ranks: int = 2, **env: str) -> subprocess.CompletedProcess[str]:
    """What a session on several ranks makes of `test`, under our conftest.py."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(f"import dndarray as dnd, pytest\nrank = dnd.get_comm().rank\n{test}")
    return run_ranks(ranks, SESSION.format(folder=folder), env=env)


@pytest.mark.serial
def test_ranks_start_from_inside_of_a_test():
    code = """
import dndarray as dnd
comm = dnd.get_comm()
everyone = comm.allgather_object((comm.rank, comm.size))
if comm.rank == 0:
    print(everyone)
"""
    done = run_ranks(2, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(0, 2), (1, 2)]"


@pytest.mark.serial
def test_a_session_on_several_ranks_prints_once(tmp_path):
    done = run_session(tmp_path, "def test_it(shared_path): assert shared_path.exists()", ranks=3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("1 passed") == 1


@pytest.mark.serial
def test_what_fails_on_one_rank_fails_on_all(tmp_path):
    tests = """
from hypothesis import given, strategies as st

@pytest.fixture
def broken(): assert rank != 1, "in the set-up"

def test_call(): print("captured", rank); assert rank != 1, "in the call"
def test_setup(broken): dnd.get_comm().barrier()
def test_skip():
    if rank == 1: pytest.skip()

@given(st.integers())
def test_example(n): dnd.get_comm().barrier(); assert rank != 1 or n < 1, "in an example"

def test_in_order_again(): dnd.get_comm().barrier()
"""
    done = run_session(tmp_path, tests)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 failed, 1 passed, 1 error" in done.stdout
    assert "passed on rank 0, skipped on rank 1" in done.stdout
    for words in ("in the call", "captured 1", "in the set-up", "in an example"):
        assert words in done.stdout


@pytest.mark.serial
def test_a_rank_that_others_wait_for_says_why_and_ends_the_run(tmp_path):
    test = "def test_it(): assert rank != 1, 'the reason'; dnd.get_comm().barrier()"
    done = run_session(tmp_path, test, DNDARRAY_TEST_GRACE="1")
    assert done.returncode != 0
    assert "[rank 1/2] failed in test_it.py::test_it (call)" in done.stderr
    assert "the reason" in done.stderr
