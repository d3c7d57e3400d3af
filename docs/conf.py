"""Sphinx: `make docs` builds the manual into build/docs."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
import dndarray as dnd
from dndarray.ufuncs import OPS

project = "dndarray"
author = copyright = "the dndarray developers"
version = release = dnd.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"github_url": "https://github.com/dndarray/dndarray", "show_toc_level": 2}
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 2
autosummary_generate = False  # the tables' links lead to entries on the same page
autodoc_typehints = "none"
numpydoc_show_class_members = False
default_role = "code"

# --- the API page, from what the package holds --------------------------------------------------------------------

TITLES = {
    "creation": "Making arrays",
    "ranges": "Even steps, and windows",
    "conversion": "Arrays from other objects, and copies",
    "diagonals": "Diagonals and triangles",
    "index_tricks": "Index arrays",
    "metadata": "What an array is",
    "elementwise": "Elementwise",
    "logic": "Choosing and comparing",
    "reduction": "Reductions",
    "scan": "Scans",
    "statistics": "Averages and moments",
    "quantiles": "Medians and quantiles",
    "histograms": "Histograms and counts",
    "sorting": "Sorting",
    "selection": "Selection",
    "searching": "Searching sorted arrays",
    "sets": "Sets",
    "manipulation": "Rearrangement",
    "broadcasting": "Broadcasting",
    "joining": "Joining",
    "splitting": "Splitting",
    "tiling": "Repeating, turning, windows",
    "padding": "Padding",
    "advanced_indexing": "Indexing with arrays",
    "along_axis": "An index for each element",
    "gathering": "Choosing and setting elements",
    "contraction": "Contraction",
    "products": "Products",
    "einsums": "Einstein summation",
    "numerical": "Differences, integrals, interpolation",
    "convolution": "Convolution and correlation",
    "stencils": "Stencils",
    "polynomials": "Polynomials",
    "functional": "Functions of your own",
    "blocks": "Functions of samples, block by block",
    "bits": "Packed bits",
    "printing": "Printing",
    "types": "Types",
    "device": "Devices",
    "communication": "Processes",
    "layout": "Grids and layouts",
    "dtensor": "DTensor",
    "duck": "xarray",
    "inspection": "Inspection",
    "errors": "Errors",
}
"""Headings of the modules of the package, in the order in which they are shown; those not named here follow."""


def home(name: str, value: Any) -> str:
    """The module that a public function or class belongs to; those that come out of a table have no other."""
    if value.__module__ != "dndarray":
        return value.__module__.removeprefix("dndarray.")
    if value.__name__ in OPS:
        return "elementwise"
    return "scan" if value.__name__.startswith("cum") else "reduction"


def entries(prefix: str, values: dict[str, Any], text: str) -> Iterator[str]:
    """A table of functions and classes, then each of them in full; `text` goes before."""
    yield "```{eval-rst}"
    yield inspect.cleandoc(text)
    yield "\n.. autosummary::\n   :nosignatures:\n"
    yield from (f"   {prefix}.{name}" for name in values)
    for name, value in values.items():
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        members = "\n   :members:" if kind == "autoclass" else ""
        yield f"\n.. {kind}:: {prefix}.{name}{members}"
    yield "```\n"


def documented(module: ModuleType) -> dict[str, Any]:
    """The functions and classes of ours in a module's namespace."""
    values = {name: getattr(module, name) for name in sorted(getattr(module, "__all__", ()))}
    return {name: v for name, v in values.items() if callable(v) and (v.__module__ or "").startswith("dndarray")}


def api() -> Iterator[str]:
    """The page's text below its introduction."""
    families: dict[str, dict[str, Any]] = {title: {} for title in TITLES}
    for name, value in documented(dnd).items():
        if value is not dnd.DNDarray:
            families.setdefault(home(name, value), {})[name] = value
    for module, values in families.items():
        if values:
            yield f"## {TITLES.get(module, module.capitalize())}\n"
            yield from entries("dndarray", values, sys.modules[f"dndarray.{module}"].__doc__ or "")
    for name in (*dnd._SUBPACKAGES, "algorithms.denoising", "algorithms.power"):
        part = importlib.import_module(f"dndarray.{name}")
        values = documented(part)
        if values:
            yield f"## dnd.{name}\n"
            yield from entries(f"dndarray.{name}", values, part.__doc__ or "")


def write_api(app: Any, page: str, source: list[str]) -> None:
    if page == "api":
        source[0] += "\n" + "\n".join(api())


def prepare(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Docstrings as they are written in the package, for numpydoc."""
    # |x| is a number's size here, not a substitution; in code it is neither.
    text = re.sub(r"`[^`]*`|\|", lambda found: r"\|" if found[0] == "|" else found[0], "\n".join(lines))
    section, kept, notes = "", [], []
    for paragraph in text.split("\n\n"):
        first, *rest = paragraph.split("\n")
        if rest and set(rest[0]) == {"-"}:
            section = first
        # What follows the parameters or results without a heading is not one of them.
        loose = section in ("Parameters", "Returns") and first != section and not paragraph.startswith(" ")
        (notes if loose and paragraph.strip() else kept).append(paragraph)
    if notes:
        kept += ["Notes\n-----\n" + notes[0], *notes[1:]]
    lines[:] = "\n\n".join(kept).split("\n")


def setup(app: Any) -> None:
    app.connect("source-read", write_api)
    app.connect("autodoc-process-docstring", prepare, priority=400)  # before numpydoc
