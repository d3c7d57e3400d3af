"""The command `python -m dndarray inspect`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..communication import get_comm
from ._formats import inspect

__all__ = ["main"]


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    """Say what is in files, without reading it: names, shapes, types, chunks, compression and attributes of arrays."""
    if get_comm().rank > 0:
        return
    tables, failures = [], []
    for path in files:
        try:
            tables.append(str(inspect(path)))
        except (OSError, ValueError, TypeError, ImportError) as error:
            failures.append(f"{path}: {error}")
    if tables:
        click.echo("\n\n".join(tables))
    for failure in failures:
        click.echo(failure, err=True)
    sys.exit(int(bool(failures)))
