"""What is in a file, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ._files import PathLike
from ._optional import require
from ._parts import Source

__all__ = ["Contents", "Entry"]


@dataclass(frozen=True)
class Entry:
    """An array in a file."""

    name: str
    """What `load` calls it; empty where the file's only array has no name."""
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...] | None = None
    compression: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, name: str, compression: str | None = None) -> Entry:
        """The entry of an array that is open."""
        chunks = None if source.chunks is None else tuple(source.chunks)
        return cls(name, tuple(source.shape), str(source.dtype).removeprefix("torch."), chunks, compression)


class Contents(Sequence[Entry]):
    """The arrays in a file: a sequence of entries, which prints as a table.

    Parameters
    ----------
    path : path-like
        The file.
    entries : iterable of Entry
        Each with `name`, `shape`, `dtype`, `chunks`, `compression` and `attributes`.
    attributes : mapping, optional
        What the file says of itself as a whole.
    """

    def __init__(self, path: PathLike, entries: Iterable[Entry], attributes: Mapping[str, Any] | None = None) -> None:
        self.path = str(path)
        self.entries = tuple(entries)
        self.attributes = dict(attributes or {})

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        """An entry by its position or its name."""
        if isinstance(index, str):
            found = [entry for entry in self.entries if entry.name == index]
            if not found:
                raise KeyError(f"no {index!r} in {self.path}, which has {[entry.name for entry in self.entries]}")
            return found[0]
        return self.entries[index]

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, a row per array."""
        names = [column.name for column in fields(Entry)]
        rows = [[getattr(entry, name) for name in names] for entry in self.entries]
        return require("pandas").DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        header = [column.name for column in fields(Entry)]
        lines = [header, *([_cell(getattr(entry, name)) for name in header] for entry in self.entries)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.path, *(row.rstrip() for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        value = ", ".join(f"{key}={one!r}" for key, one in value.items()) or "-"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
