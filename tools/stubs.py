"""Write the type stubs of what is made from tables, so that editors and mypy see `dnd.sin` and `x + y`.

    python tools/stubs.py            # write dndarray/__init__.pyi and dndarray/_methods.pyi
    python tools/stubs.py --check    # fail if they are not what would be written

Functions that have a `def` of their own are passed on by name, so that an editor finds their source. Those that come
out of a table are written down with the signature that they have once the package is imported.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import Parameter
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import torch

import dndarray as dnd
from dndarray import methods
from dndarray.ufuncs import OPS

FOLDER = Path(__file__).parent.parent / "dndarray"

HEADER = '"""Made by tools/stubs.py: change the tables, not this file."""\n'

ALIASES = """
ArrayLike: TypeAlias = (
    DNDarray | np.ndarray[Any, Any] | np.generic | torch.Tensor | complex | list[Any] | tuple[Any, ...]
)
Axis: TypeAlias = int | Sequence[int] | None
DTypeLike: TypeAlias = torch.dtype | np.dtype[Any] | type | str | None
"""

TYPES = {
    "x x1 x2 condition where": "ArrayLike",
    "min max": "ArrayLike | None",
    "axis": "Axis",
    "dtype": "DTypeLike",
    "out": "DNDarray | None",
    "keepdims include_initial": "bool",
    "initial": "complex | None",
    "grid": "Grid | Sequence[int] | None",
}
"""Types of parameters that have none, or Any, in the source: each name means the same in every function."""

TYPE_OF = {name: type_ for names, type_ in TYPES.items() for name in names.split()}

ONE_AXIS = re.compile("(nan)?arg|cum")
"""Functions that take one axis, not several."""

OVERLOADED = {
    "linspace": """
@overload
def linspace(start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True, retstep: Literal[False] = False,
    dtype: DTypeLike = None, axis: int = 0, *, split: Split = None, device: Any = None, comm: Any = None,
    grid: Grid | Sequence[int] | None = None) -> DNDarray: ...
@overload
def linspace(start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True, *, retstep: Literal[True],
    dtype: DTypeLike = None, axis: int = 0, split: Split = None, device: Any = None, comm: Any = None,
    grid: Grid | Sequence[int] | None = None) -> tuple[DNDarray, Any]: ...
""",
    "where": """
@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> tuple[DNDarray, ...]: ...
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> DNDarray: ...
""",
}
"""Functions of which the arguments decide what they give."""


# --- signatures -------------------------------------------------------------------------------------------------------


def parameters(name: str, function: Callable) -> list[Parameter]:
    """The parameters of a function, each with a type."""
    found = list(inspect.signature(function).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL and p.name == "args" for p in found):  # nanmean hands them on to mean
        found = list(inspect.signature(getattr(dnd, name.removeprefix("nan"))).parameters.values())
    return [p.replace(annotation=type_of(name, p)) for p in found]


def type_of(function: str, p: Parameter) -> str:
    if p.name == "axis" and ONE_AXIS.match(function):
        return "int | None"
    return TYPE_OF.get(p.name, "Any") if p.annotation in (Parameter.empty, "Any") else p.annotation


def written(found: Sequence[Parameter]) -> str:
    """Parameters as in a `def`, with the marks between their kinds."""
    parts: list[str] = []
    for before, p in zip([None, *found], [*found, None], strict=True):
        kinds = (before and before.kind, p and p.kind)
        if kinds[0] is Parameter.POSITIONAL_ONLY and kinds[1] is not Parameter.POSITIONAL_ONLY:
            parts.append("/")
        if kinds[1] is Parameter.KEYWORD_ONLY and kinds[0] not in (Parameter.KEYWORD_ONLY, Parameter.VAR_POSITIONAL):
            parts.append("*")
        if p is not None:
            stars = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}.get(p.kind, "")
            type_ = "" if p.name == "self" else f": {p.annotation}"
            parts.append(stars + p.name + type_ + ("" if p.default is Parameter.empty else f" = {p.default!r}"))
    return ", ".join(parts)


def result(function: Callable) -> str:
    """What a function gives: what its source says, or else an array for each result in the table."""
    given = inspect.signature(function).return_annotation
    if given not in (inspect.Signature.empty, "Any"):
        return str(given)
    op = OPS.get(function.__name__)
    return "DNDarray" if op is None or op.nout == 1 else f"tuple[{', '.join(['DNDarray'] * op.nout)}]"


def summary(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def definition(name: str, function: Callable, found: Sequence[Parameter], gives: str) -> str:
    return f'def {name}({written(found)}) -> {gives}:\n    """{summary(function)}"""\n'


# --- the array's methods ----------------------------------------------------------------------------------------------


def operators() -> Iterator[str]:
    for word, name in methods.OPERATORS.items():
        for prefix in ("", "r") if word == "divmod" else ("", "r", "i"):
            yield f"def __{prefix}{word}__(self, other: ArrayLike) -> {result(getattr(dnd, name))}: ...\n"
    for word in methods.COMPARISONS:
        ignore = "  # type: ignore[override]" if word in ("eq", "ne") else ""
        yield f"def __{word}__(self, other: ArrayLike) -> DNDarray: ...{ignore}\n"
    for word in methods.UNARY:
        yield f"def __{word}__(self) -> DNDarray: ...\n"
    yield "def __getitem__(self, key: Any) -> DNDarray: ...\n"
    yield "def __setitem__(self, key: Any, value: ArrayLike) -> None: ...\n"


def method(name: str, function: Callable) -> str:
    """A function whose first parameter is the array."""
    _, *rest = parameters(name, function)
    only = any(p.kind is p.POSITIONAL_ONLY for p in rest)
    kind = Parameter.POSITIONAL_ONLY if only else Parameter.POSITIONAL_OR_KEYWORD
    return definition(name, function, [Parameter("self", kind), *rest], result(function))


def members() -> Iterator[str]:
    for name in ("T", "mT", "real", "imag"):
        prop = getattr(dnd.DNDarray, name)
        yield "@property\n" + definition(name, prop, [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)], "DNDarray")
    yield from operators()
    for shape in (
        "reshape(self, *shape: int | Sequence[int], new_split: Split | str = 'keep')",
        "transpose(self, *axes: int | Sequence[int] | None)",
    ):
        yield f'def {shape} -> DNDarray:\n    """{summary(getattr(dnd, shape.partition("(")[0]))}"""\n'
    for name in methods.METHODS:
        yield method(name, getattr(dnd, name))


def methods_stub() -> str:
    imports = """
from collections.abc import Sequence
from typing import Any, TypeAlias
import numpy as np
import torch
from .array import DNDarray
from .layout import Grid, Split
"""
    body = "".join(indented(member) for member in members())
    return HEADER + "\n# ruff: noqa: E501, N802\n" + imports + ALIASES + "class Methods:\n" + body


def indented(text: str) -> str:
    return re.sub("^(?=.)", "    ", text, flags=re.MULTILINE)


# --- the namespace ----------------------------------------------------------------------------------------------------


def origin(value: Any) -> str | None:
    """The module that has a `def` or `class` for this value, as the package imports it."""
    if getattr(torch, value.__name__, None) is value:
        return "torch"
    home = sys.modules[value.__module__]
    found = home is not dnd and getattr(home, value.__name__, None) is value
    return value.__module__.removeprefix("dndarray") if found else None


def _family(name: str) -> str:
    """The module of which a public name is."""
    family = next(module for module in dnd._FAMILIES if name in module.__all__)
    return family.__name__.removeprefix("dndarray")


def entry(name: str, value: Any) -> str:
    """What the stub says of a public name."""
    if isinstance(value, ModuleType):
        return f"from . import {name} as {name}\n"
    if name in OVERLOADED:
        return OVERLOADED[name]
    if any(type(value).__module__.startswith(library) for library in ("dndarray.", "numpy")):  # r_, s_, mgrid
        return f"from {_family(name)} import {name} as {name}\n"
    if not callable(value):
        type_ = "None" if value is None else "torch.dtype" if isinstance(value, torch.dtype) else type(value).__name__
        return f"{name}: {type_}\n"
    home = origin(value)
    if home is not None and name != value.__name__ and getattr(dnd, value.__name__, None) is value:
        return f"{name} = {value.__name__}\n"
    if home is not None:
        return f"from {home} import {value.__name__} as {name}\n"
    return definition(name, value, parameters(name, value), result(value))


def package_stub() -> str:
    imports = """
import builtins
from collections.abc import Sequence
from typing import Any, Literal, overload
import torch
from ._methods import ArrayLike, Axis, DTypeLike
from .layout import Split
"""
    names = sorted({*dnd.__all__, "__version__", "bool_"})
    entries = ["__all__: list[str]\n", *(entry(name, getattr(dnd, name)) for name in names)]
    entries.sort(key=lambda text: not text.startswith("from"))
    body = "".join(text if text.startswith("from") else without_shadows(text, names) for text in entries)
    return HEADER + imports + body


def without_shadows(text: str, names: Iterable[str]) -> str:
    """Types that a public name hides, such as bool, by their full names."""
    hidden = "|".join({"bool", "complex", "float", "int", "list", "str", "tuple", "type"} & set(names))
    return re.sub(rf"(?<=[:>|\[,] )({hidden})\b(?!:)", r"builtins.\1", text) if hidden else text


# --- the command ------------------------------------------------------------------------------------------------------


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "--config", str(FOLDER.parent / "pyproject.toml")]
    for step in ("check --fix-only --select I,F401", "format"):
        options = [*step.split(), "--quiet", "--stdin-filename", "stub.pyi", "-"]
        text = subprocess.run([*command, *options], input=text, check=True, capture_output=True, text=True).stdout
    return text


def stubs() -> dict[Path, str]:
    """What the stub files are to hold."""
    return {
        FOLDER / "__init__.pyi": formatted(package_stub()),
        FOLDER / "_methods.pyi": formatted(methods_stub()),
    }


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; fail if a stub is not up to date.")
def main(check: bool) -> None:
    stale = {path: text for path, text in stubs().items() if not path.exists() or path.read_text() != text}
    for path, text in {} if check else stale.items():
        path.write_text(text)
    if check and stale:
        raise click.ClickException(f"not up to date, run tools/stubs.py: {', '.join(path.name for path in stale)}")


if __name__ == "__main__":
    main()
