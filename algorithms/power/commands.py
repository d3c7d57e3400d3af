"""The commands `python -m dndarray power flow`, `contingency` and `series`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from dndarray.communication import get_comm
from dndarray.console import echo, said
from dndarray.errors import agreed
from dndarray.replacement import check_folder

from ..progress import progress
from . import files, plots
from .contingency import SCREENS, SEVERITIES, VERIFIED, contingencies
from .flow import METHODS, flow
from .grid import Grid
from .profiles import read_profile
from .series import series
from .solution import Solution
from .tables import require

__all__ = ["main"]


@click.group()
def main() -> None:
    """Solve the power flow of electric grids: one case, outages, or series of loads.

    GRID is the name of a grid that pandapower ships, such as case118, or a file: MATPOWER's .m, or .json as written by
    pandapower. Under mpirun cases are dealt out, and rank 0 prints.
    """


COUNT = click.IntRange(0)
OUT, IN = (click.Path(exists=exists, dir_okay=False, path_type=Path) for exists in (False, True))


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """What all commands take."""
    for option in (
        click.option("--plot", type=OUT, help="Draw a picture into this file."),
        click.option("--out", type=OUT, help=f"Write the solution: {', '.join(files.FORMATS)}."),
        click.option("--tol", default=1e-8, show_default=True, help="The mismatch that is small enough, in per unit."),
        click.argument("grid"),
    ):
        command = option(command)
    return command


_method = click.option(
    "--method", type=click.Choice(sorted(METHODS)), default="newton", show_default=True, help="What solves."
)
_progress = click.option("--progress", "bar", is_flag=True, help="Show a bar over the cases.")


@main.command("flow")
@_common
@_method
@click.option("--init", type=click.Choice(["dc", "flat"]), default="dc", show_default=True, help="Where to begin.")
@click.option("--max-iter", type=click.IntRange(1), help="At most so many iterations.")
@click.option("--tables", is_flag=True, help="Print buses and branches, too.")
def flow_(grid: str, out: Path | None, plot: Path | None, tables: bool, **options: Any) -> None:
    """Solve one case, and say what was found. Ends with status 1 if it did not converge."""
    with _quietly():
        solution = flow(_read(grid, out, plot), **options)
        echo(solution.summary())
        if tables:
            for table in (solution.buses(), solution.branches(), solution.losses()):
                echo(f"\n{table.to_string()}")
        _leave(solution, out, plot, solution.plot_voltages)
    _end(solution)


@main.command()
@_common
@click.option("--n-1", "outages", flag_value="n-1", default=True, help="Each branch in turn. The default.")
@click.option("--n-2", "outages", flag_value="n-2", help="Each pair of branches.")
@click.option("--method", type=click.Choice(sorted(SCREENS)), default="newton", show_default=True, help="What solves.")
@click.option("--severity", type=click.Choice(sorted(SEVERITIES)), default="current", show_default=True)
@click.option("--refine", "top_k", type=COUNT, default=0, help="Solve so many of the worst again, on a grid each.")
@click.option("--top", type=COUNT, default=10, show_default=True, help="How many of the worst to print, and to draw.")
@_progress
def contingency(grid: str, out: Path | None, plot: Path | None, top: int, bar: bool, **options: Any) -> None:
    """Solve the grid without each of its branches, and say which outages are worst."""
    with _quietly(), progress() if bar else nullcontext():
        found = contingencies(_read(grid, out, plot), voltages=out is not None, **options)
        table = found.table(top)
        unsolved = int((~found.converged.numpy() & ~found.islanded).sum())
        echo(
            f"{found.grid.name}: {len(found)} outages, method {found.method}; {found.islanded.sum()} cut buses off, "
            f"{unsolved} {'did not converge' if found.method in VERIFIED else 'are estimates'}\n\n{table.to_string()}"
        )
        _leave(found.solution if out is not None else None, out, plot, lambda: found.plot(top))


@main.command("series")
@_common
@click.option("--profile", type=IN, required=True, help="CSV: columns of factors, named as buses, or one for all.")
@_method
@_progress
def series_(grid: str, out: Path | None, plot: Path | None, profile: Path, bar: bool, **options: Any) -> None:
    """Solve all steps of a profile. Ends with status 1 if one of them did not converge."""
    with _quietly(), progress() if bar else nullcontext():
        read = _read(grid, out, plot)
        solution = series(read, scale=read_profile(profile, read), **options)
        echo(solution.summary())
        _leave(solution, out, plot, solution.plot_voltages)
    _end(solution)


# --- what commands share ----------------------------------------------------------------------------------------------


def _leave(solution: Solution | None, out: Path | None, plot: Path | None, draw: Callable[[], Any]) -> None:
    """Write the files that are asked for."""
    if out is not None and solution is not None:
        solution.save(out)
        echo(f"written: {out}")
    if plot is not None:
        ax = draw()
        with agreed(get_comm()):
            if ax is not None:
                ax.figure.savefig(plot)
        echo(f"written: {plot}")


def _end(solution: Solution) -> None:
    """With status 1 if a case did not converge."""
    sys.exit(0 if solution.estimated or bool(solution.converged.all()) else 1)


@contextmanager
def _quietly() -> Iterator[None]:
    """What users can mend is said without a traceback; of convergence the summary speaks, not warnings."""
    with said(ImportError, OSError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _read(source: str, out: Path | None, plot: Path | None) -> Grid:
    """The grid that a name or a path means. Asks first whether results can be written."""
    if out is not None:
        files.check(out)
    if plot is not None:
        plots.check(plot)
    with agreed(get_comm()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's, about its own files
        for path in (out, plot):
            if path is not None:
                check_folder(path)
        suffix = Path(source).suffix.lower()
        if suffix == ".m":
            return Grid.from_matpower(source)
        if suffix == ".json":
            return Grid.from_pandapower(_written(source))
        return Grid.from_pandapower(_shipped(source))


def _written(path: str) -> Any:
    """A net that pandapower has written."""
    with open(path, encoding="utf-8") as file:
        try:
            return require("pandapower").from_json(file)
        except (AttributeError, UserWarning) as error:
            raise ValueError(f"{path!r} holds no net that pandapower has written ({error})") from None


def _shipped(name: str) -> Any:
    """A net that comes with pandapower."""
    networks = require("pandapower.networks")
    names = [key for key in dir(networks) if callable(getattr(networks, key)) and not key.startswith("_")]
    if name not in names:
        near = get_close_matches(name, names) or [key for key in names if key.startswith("case")]
        raise ValueError(
            f"GRID (={name!r}) is neither a .m or .json file nor a grid of pandapower's, such as {', '.join(near)}"
        )
    return getattr(networks, name)()
