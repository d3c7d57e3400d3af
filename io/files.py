"""Many files as one array: their arrays one behind the other, or one upon the other."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..communication import Communicator
from ..errors import agreed
from ..layout import normalize_axis
from ..types import promote_types
from ._files import naming
from ._parts import Selection, Source, select

__all__ = ["is_many", "paths_of", "prepared"]

Opener = Callable[..., AbstractContextManager[Source]]
"""Opens the array of one file: `opener(path, name, **options)`."""


def is_many(path: Any, is_file: Callable[[Path], bool]) -> bool:
    """Whether `path` means several files, by its name: a sequence, a pattern, or what is not named like a file."""
    return not isinstance(path, str | os.PathLike) or glob.has_magic(str(path)) or not is_file(Path(path))


def paths_of(path: Any, is_file: Callable[[Path], bool]) -> list[Path]:
    """The files that `path` means; those of a pattern or a folder in the order of the numbers in their names."""
    if not isinstance(path, str | os.PathLike):
        found = [Path(p) for p in path]
    elif glob.has_magic(str(path)):
        found = sorted(map(Path, glob.glob(str(path), recursive=True)), key=_natural)
    else:
        found = sorted((p for p in Path(path).iterdir() if is_file(p) and p.name[0] != "."), key=_natural)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no file of a known format is meant", str(path))
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """So that `run_2` comes before `run_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path)) if part]


@dataclass(frozen=True)
class _Part:
    """What is known of the array of one file."""

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    chunks: tuple[int, ...] | None


def prepared(
    paths: Sequence[Path],
    opener: Opener,
    name: str | None = None,
    *,
    comm: Communicator,
    axis: int = 0,
    stack: bool = False,
    **options: Any,
) -> Callable[[], AbstractContextManager[Source]]:
    """How to open the arrays of many files as one, of which each process opens the files that it reads of.

    Each looks at a share of the files first. Communication: two small collectives.
    """
    with agreed(comm):
        mine = [_describe(path, opener, name, options) for path in _share(paths, comm)]
    parts = [part for share in comm.allgather_object(mine) for part in share]
    return lambda: _joined(parts, opener, name, axis, stack, options)


def _share(paths: Sequence[Path], comm: Communicator) -> Sequence[Path]:
    n, p = len(paths), comm.size
    return paths[n * comm.rank // p : n * (comm.rank + 1) // p]


def _describe(path: Path, opener: Opener, name: str | None, options: dict[str, Any]) -> _Part:
    with naming("read", path), opener(path, name, **options) as source:
        return _Part(path, tuple(source.shape), source.dtype, None if source.chunks is None else tuple(source.chunks))


@contextmanager
def _joined(
    parts: list[_Part], opener: Opener, name: str | None, axis: int, stack: bool, options: dict[str, Any]
) -> Iterator[Source]:
    """One array made of those of files."""
    first = parts[0]
    axis = normalize_axis(axis, len(first.shape) + stack)
    dtype = first.dtype
    for part in parts:
        same = part.shape if stack else part.shape[:axis] + part.shape[axis + 1 :]
        if same != (first.shape if stack else first.shape[:axis] + first.shape[axis + 1 :]):
            raise ValueError(
                f"arrays of shape {first.shape} ({first.path}) and {part.shape} ({part.path}) cannot be "
                f"{'stacked' if stack else f'joined along axis {axis}'}"
            )
        dtype = promote_types(dtype, part.dtype)
    lengths = [1 if stack else part.shape[axis] for part in parts]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    inner = first.shape if stack else first.shape[:axis] + first.shape[axis + 1 :]
    shape = (*inner[:axis], int(starts[-1]), *inner[axis:])
    title = f"{len(parts)} files from {first.path} on"
    chunks = first.chunks and ((*first.chunks[:axis], 1, *first.chunks[axis:]) if stack else first.chunks)

    def read_into(selection: Selection, target: np.ndarray) -> None:
        chosen = select(shape, selection)
        along = chosen[axis]
        if not len(along):
            return
        last = int(np.searchsorted(starts, along[-1], side="right"))
        for i in range(int(np.searchsorted(starts, along[0], side="right")) - 1, last):
            begin, end = int(starts[i]), int(starts[i + 1])
            rows = range(len(along))[_within(along, begin, end)]
            if not len(rows):
                continue
            where = (slice(None),) * axis
            landing = target[(*where, rows.start if stack else slice(rows.start, rows.stop))]
            here = slice(along[rows.start] - begin, along[rows[-1]] - begin + 1, along.step)
            part = (*selection[:axis], *(() if stack else (here,)), *selection[axis + 1 :])
            with naming("read", parts[i].path), opener(parts[i].path, name, **options) as source:
                _read(source, part, landing)

    yield Source(title, shape, dtype, read_into, chunks)


def _within(along: range, begin: int, end: int) -> slice:
    """Which of evenly spaced indices lie in an interval."""
    first = max(0, -(-(begin - along.start) // along.step))
    return slice(first, max(first, -(-(end - along.start) // along.step)))


def _read(source: Source, selection: Selection, landing: np.ndarray) -> None:
    """Read into an array of any type and order."""
    stored = torch.empty(0, dtype=source.dtype).numpy().dtype
    if landing.flags.c_contiguous and landing.dtype == stored:
        source.read_into(selection, landing)
        return
    buffer = np.empty(landing.shape, stored)
    source.read_into(selection, buffer)
    landing[...] = buffer
