"""The page that lists every name of NumPy, of the Array API standard and of Heat, with what is here.

    mpiexec -n 4 python docs/make_coverage.py            # write docs/coverage.md
    mpiexec -n 4 python docs/make_coverage.py --check    # fail if it is not what would be written

A name is here (and has a row in tests/parity), or something takes its place, or docs/names.toml says why it is absent;
anything else is an error. On which layouts a function communicates is measured, by calling its first row.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import click

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "tests"))

from parity.case import Case  # noqa: E402
from parity.driver import all_cases, place, values  # noqa: E402

import dndarray as dnd  # noqa: E402
from dndarray.layout import Grid, Layout  # noqa: E402
from dndarray.testing import count_collectives  # noqa: E402

PAGE = FOLDER / "coverage.md"
RANKS = 4
SUBSPACES = ("fft", "linalg", "random", "spatial")
LAYOUTS = {"rows": (Grid(RANKS), 0), "columns": (Grid(RANKS), 1), "both": (Grid((2, 2)), (0, 1))}
WORDS = {
    "Allreduce": "all-reduce",
    "Reduce": "reduce",
    "Allgather": "all-gather",
    "Alltoall": "all-to-all",
    "Bcast": "broadcast",
    "Exscan": "scan",
    "Scan": "scan",
}


class Entry(NamedTuple):
    """What is said of a name: the name here, or what takes its place, or the reason for its absence."""

    name: str
    here: str = ""
    instead: str = ""
    why: str = ""


class Names:
    """docs/names.toml."""

    def __init__(self) -> None:
        data = tomllib.loads((FOLDER / "names.toml").read_text())
        self.versions: dict[str, str] = data["versions"]
        self.instead: dict[str, str] = data["instead"]
        self.reasons = {name: group["why"] for group in data["absent"] for name in group["names"].split()}
        self.spaces = {
            source: {space: table["names"].split() for space, table in data[source].items()}
            for source in ("numpy", "array_api", "heat")
        }

    def entry(self, space: str, name: str) -> Entry:
        """What is said of `name` in a namespace, `main` or one below."""
        full = name if space == "main" else f"{space}.{name}"
        part = dnd if space == "main" else getattr(dnd, space)
        if (
            name in getattr(part, "__all__", ())
            or name == "__array_namespace_info__"
            or name == "__array_api_version__"
        ):
            return Entry(name, here=full)
        for key in (full, name):
            if key in self.instead:
                return Entry(name, instead=self.instead[key])
            if key in self.reasons:
                return Entry(name, why=self.reasons[key])
        return Entry(name, instead=name if name in dnd.__all__ else "")

    def entries(self, source: str) -> Iterator[tuple[str, list[Entry]]]:
        for space, names in self.spaces[source].items():
            yield space, [self.entry(space, name) for name in names]

    def unexplained(self) -> list[str]:
        """Names that are not here and of which nothing is said."""
        return [
            f"{source}.{space}.{e.name}"
            for source in self.spaces
            for space, entries in self.entries(source)
            for e in entries
            if not (e.here or e.instead or e.why)
        ]


@cache
def rows() -> dict[str, list[Case]]:
    """The parity rows of each function."""
    cases = sorted(all_cases(), key=lambda case: case.name)
    return {name: list(group) for name, group in groupby(cases, key=lambda case: case.name)}


def _arrays(case: Case) -> tuple[tuple[int, ...], ...]:
    """The shapes to call a row with: of two axes if it takes any such."""
    options = [
        tuple(s) if case.arrays > 1 and s and isinstance(s[0], tuple) else (tuple(s),) * case.arrays
        for s in case.shapes
    ]

    def merit(shapes: tuple[tuple[int, ...], ...]) -> tuple:
        least = min(map(len, shapes))
        return least == 2, least == 1, len(set(shapes)) == 1, shapes

    return max(options, key=merit)


def _measure(case: Case, shapes: tuple[tuple[int, ...], ...], grid: Grid, split: Any) -> str:
    """Which collectives a row calls on arrays in one layout."""
    arrays = []
    for shape in shapes:
        axes = split if isinstance(split, tuple) else (split,)
        fitting = tuple(a if a is not None and a < len(shape) else None for a in axes)
        dtype = "float64" if "float64" in case.dtypes else case.dtypes[-1]
        arrays.append(place(values(shape, dtype, 1), Layout(shape, grid, fitting)))
    with count_collectives() as traffic:
        case.call(dnd, *arrays)
    return ", ".join(sorted({WORDS.get(name, name.lower()) for name in traffic.calls})) or "–"


def communication(name: str) -> list[str]:
    """One cell for each of LAYOUTS."""
    for case in rows().get(name, ()):
        shapes = _arrays(case)
        try:
            return [
                "" if column != "rows" and max(map(len, shapes)) < 2 else _measure(case, shapes, grid, split)
                for column, (grid, split) in LAYOUTS.items()
            ]
        except Exception:  # a row about what raises
            continue
    return [""] * len(LAYOUTS)


TITLES = {"numpy": "NumPy", "array_api": "The Array API standard", "heat": "Heat"}
HEAD = """<!-- Made by docs/make_coverage.py: change names.toml or the functions, not this page. -->

# Coverage

What there is of NumPy {numpy}, of the Array API standard {array_api} and of Heat {heat}, name by name. A function of
ours is compared with NumPy's (or SciPy's, where the name is theirs) by the tests, on all layouts and types. The columns
say which collectives it calls, as measured on 4 processes, for arrays split by rows, by columns, and both ways on a
2 x 2 grid; "–" is none. Replicated arrays never communicate.
"""


def page(names: Names) -> str:
    lines = [HEAD.format(**names.versions)]
    for source in names.spaces:
        for space, entries in names.entries(source):
            title = TITLES[source] + ("" if space == "main" else f": {space}")
            here = sum(bool(e.here) for e in entries)
            lines += [f"## {title}\n", f"{here} of {len(entries)} names.\n"]
            if any(e.here for e in entries):
                lines += [f"| name | {' | '.join(LAYOUTS)} |", f"|---|{'---|' * len(LAYOUTS)}"]
                lines += [f"| `{e.here}` | {' | '.join(communication(e.here))} |" for e in entries if e.here]
                lines.append("")
            if any(e.instead for e in entries):
                lines += ["| instead of | use |", "|---|---|"]
                lines += [f"| `{e.name}` | `{e.instead}` |" for e in entries if e.instead]
                lines.append("")
            for why in dict.fromkeys(e.why for e in entries if e.why):
                absent = ", ".join(f"`{e.name}`" for e in entries if e.why == why)
                lines.append(f"- {why[0].upper()}{why[1:]}: {absent}.")
            lines.append("")
    return "\n".join(lines)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if the page is out of date.")
def main(check: bool) -> None:
    """Write docs/coverage.md, or check it."""
    comm = dnd.get_comm()
    if comm.size != RANKS:
        raise click.ClickException(f"what is communicated is measured on {RANKS} ranks: mpiexec -n {RANKS} ...")
    names = Names()
    if missing := names.unexplained():
        raise click.ClickException(f"names.toml says nothing of {', '.join(missing)}")
    text = page(names)
    if check and PAGE.read_text() != text:
        raise click.ClickException(f"{PAGE.name} is out of date: run docs/make_coverage.py without --check")
    if not check and comm.rank == 0:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
