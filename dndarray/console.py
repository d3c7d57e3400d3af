"""What the commands share: rank 0 prints, and what users can mend is said without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from .communication import get_comm

__all__ = ["echo", "said"]


def echo(message: str) -> None:
    """Print on rank 0."""
    if get_comm().rank == 0:
        click.echo(message)


@contextmanager
def said(*errors: type[Exception]) -> Iterator[None]:
    """End the program where one of these errors is raised, which all ranks raise alike; rank 0 says which."""
    try:
        yield
    except errors as error:
        if get_comm().rank == 0:
            text = error.args[0] if isinstance(error, KeyError) else str(error)
            raise click.ClickException(text) from None
        sys.exit(1)
