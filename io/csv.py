"""Tables of numbers as text (CSV, TSV): each process parses its own rows, which it finds by bytes.

Where rows begin is counted first, by all processes together, a range of bytes each, so that rows can be dealt out in
any way. pyarrow parses. What is compressed as a whole (`.csv.gz`) can only be unpacked from its beginning on: there,
one process counts, and every process passes over what comes before its rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from ..array import DNDarray
from ..communication import Communicator, as_comm
from ..elementwise import as_operand
from ..errors import agreed
from ..replacement import replacing
from ..types import as_dtype, numpy_dtype
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._lines import PACKED, Index, Text, Window, begin_of_rows, indexed, joined, offset_of, open_binary, scan
from ._offsets import append_parts, in_rank_order, make_file
from ._optional import require
from ._parts import Selection, Source, check_mode, load_part, rows

__all__ = ["inspect", "load", "open_source", "save"]

PIECE = 2**20
"""Bytes that are parsed at a time; no row may be longer."""

_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A")


def load(
    path: PathLike,
    name: str | None = None,
    *,
    dtype: Any = None,
    sep: str | None = None,
    header: bool | str = "infer",
    usecols: Sequence[int | str] | None = None,
    skiprows: int = 0,
    comment: str | None = "#",
    missing: Sequence[str] = (),
    decimal: str = ".",
    quotechar: str | None = '"',
    comm: Any = None,
    **place: Any,
) -> DNDarray:
    """Read a table of numbers as a matrix; each process parses its own rows.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see; `.gz`, `.bz2` and `.xz` are unpacked.
    name : str, optional
        A column, which then comes as an array of one axis.
    dtype : optional
        Type of the array, float64 by default.
    sep : str, optional
        What lies between fields: by default a tab in `.tsv`, a comma in others.
    header : bool or "infer"
        Whether the first row holds the names of the columns. "infer": if no field of it is a number.
    usecols : sequence of int or str, optional
        The columns to read, by position or name, in this order.
    skiprows : int
        Lines to pass over at the beginning.
    comment : str, optional
        Lines at the beginning that begin so are passed over, too.
    missing : sequence of str
        What stands for a missing value (NaN), beside nothing, "NA", "nan", "null" and the like.
    decimal : str
        The decimal point.
    quotechar : str, optional
        Between two of these, separators and ends of lines belong to a field. None where no field is quoted.
    comm, **place
        And `split`, `grid`, `device`, `slices`: as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Of shape (rows, columns). Communication: three small collectives.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file.
    KeyError
        If there is no such column; the message lists those that there are.
    ValueError
        For rows of different length, and fields that are no numbers.
    """
    comm = as_comm(comm)
    how = {"sep": sep, "header": header, "skiprows": skiprows, "comment": comment, "missing": missing}
    how |= {"decimal": decimal, "quotechar": quotechar}
    opened = prepared(path, name, comm=comm, dtype=dtype, usecols=usecols, **how)
    return load_part(opened(), path, dtype=dtype, comm=comm, **place)


def prepared(
    path: PathLike,
    name: str | None = None,
    *,
    comm: Communicator,
    dtype: Any = None,
    usecols: Sequence[int | str] | None = None,
    **how: Any,
) -> Callable[[], AbstractContextManager[Source]]:
    """How to open the table, whose rows all processes count together. Communication: two small collectives."""
    text = Text(**how)
    with agreed(comm), naming("read", path):
        begin = begin_of_rows(existing(path), text)
        mine = scan(Path(path), begin, text, comm)
    index = joined([counts for part in comm.allgather_object(mine) for counts in part], begin)
    return lambda: _open(path, name, usecols, dtype, text, index)


@contextmanager
def open_source(
    path: PathLike,
    name: str | None = None,
    *,
    dtype: Any = None,
    usecols: Sequence[int | str] | None = None,
    **how: Any,
) -> Iterator[Source]:
    """The table, open to be read by this process, which counts its rows first; local. `how` as for `load`."""
    text = Text(**how)
    with _open(path, name, usecols, dtype, text, indexed(existing(path), text)) as source:
        yield source


# --- reading ------------------------------------------------------------------------------------------------


@contextmanager
def _open(
    path: PathLike, name: str | None, usecols: Sequence[int | str] | None, dtype: Any, text: Text, index: Index
) -> Iterator[Source]:
    require("pyarrow.csv")
    title = f"table {path}"
    with open_binary(Path(path)) as file:
        names, named, rows = _columns(file, path, text, index)
        columns = [_position(c, names, path) for c in ([name] if name is not None else usecols or range(len(names)))]
        parsed = _parsed_type(dtype)
        table = _Table(title, file, text, index, len(names), named, numpy_dtype(parsed), text.sep_of(path))
        shape = (rows,) if name is not None else (rows, len(columns))

        def read_into(selection: Selection, target: np.ndarray) -> None:
            chosen = columns if name is not None else columns[selection[1]]
            start, stop, step = selection[0].indices(rows)
            if chosen and start < stop:
                table.read(range(start, stop, step), chosen, target.reshape(len(target), len(chosen)))

        yield Source(title, shape, parsed, read_into)


def _columns(file: IO[bytes], path: PathLike, text: Text, index: Index) -> tuple[list[str], bool, int]:
    """Names of the columns, whether they stand in the first row, and the number of the other rows."""
    first = text.fields(_row(file, 0, text, index), path)
    named = not any(map(text.is_value, first)) if text.header == "infer" else bool(text.header)
    names = first if named else [str(i) for i in range(len(first))]
    return names, named, int(index.rows[-1]) - bool(named and first)


def _row(file: IO[bytes], row: int, text: Text, index: Index) -> bytes:
    """The bytes of one row; none behind the last."""
    start, stop = (offset_of(file, r, text, index) for r in (row, row + 1))
    if start is None:
        return b""
    file.seek(start)
    return file.read(PIECE if stop is None else stop - start)


def _position(column: int | str, names: list[str], path: PathLike) -> int:
    if isinstance(column, str):
        if column not in names:
            raise KeyError(f"no column {column!r} in {path}, which has {names}")
        return names.index(column)
    if not -len(names) <= column < len(names):
        raise IndexError(f"no column {column} in {path}, which has {len(names)}")
    return column % len(names)


def _parsed_type(dtype: Any) -> torch.dtype:
    """The type in which to parse: what text has not, is converted."""
    wanted = torch.float64 if dtype is None or as_dtype(dtype).is_complex else as_dtype(dtype)
    return torch.float32 if wanted in (torch.float16, torch.bfloat16) else wanted


@dataclass(frozen=True)
class _Table:
    title: str
    file: IO[bytes]
    text: Text
    index: Index
    width: int
    named: bool
    dtype: np.dtype
    sep: str

    def read(self, rows: range, columns: Sequence[int], target: np.ndarray) -> None:
        """Parse rows into a matrix."""
        first = rows.start + self.named
        start = offset_of(self.file, first, self.text, self.index)
        assert start is not None
        window = Window(self.file, start, rows[-1] + 1 + self.named, self.text, self.index)
        done, passed = 0, 0  # rows that are in the target, rows that are parsed
        try:
            for batch in self._batches(window, columns):
                ahead = -passed % rows.step
                count = len(range(ahead, batch.num_rows, rows.step))
                if done + count > len(target):
                    raise ValueError("there are more rows than lines")
                for k, column in enumerate(batch.columns):
                    values = column.to_numpy(zero_copy_only=False)
                    target[done : done + count, k] = values[ahead :: rows.step]
                done, passed = done + count, passed + batch.num_rows
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self.title}, in rows {rows.start} to {rows[-1]}: {error}; see `sep`, `header`, `usecols`, `missing`"
            ) from error
        if done < len(target):
            raise ValueError(
                f"{self.title} has {len(target)} lines from row {rows.start} on, but {done} rows of fields"
            )

    def _batches(self, window: Window, columns: Sequence[int]) -> Iterator[Any]:
        """What pyarrow makes of the bytes, piece by piece."""
        pyarrow, parser = require("pyarrow"), require("pyarrow.csv")
        names = [str(i) for i in range(self.width)]
        chosen = [names[i] for i in columns]
        return parser.open_csv(
            pyarrow.PythonFile(window, mode="r"),
            parser.ReadOptions(column_names=names, use_threads=False, block_size=PIECE),
            parser.ParseOptions(
                delimiter=self.sep,
                quote_char=self.text.quotechar or False,
                newlines_in_values=self.text.quotechar is not None,
            ),
            parser.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.from_numpy_dtype(self.dtype)),
                include_columns=chosen,
                null_values=[*_MISSING, *self.text.missing],
                decimal_point=self.text.decimal,
            ),
        )


def inspect(path: PathLike, **how: Any) -> Contents:
    """Which columns the table has, and how many rows; local, and reads all of it. `how` as for `load`."""
    text = Text(**how)
    with naming("read", path):
        index = indexed(existing(path), text)
        with open_binary(Path(path)) as file:
            names, _, rows = _columns(file, path, text, index)
        return Contents(path, [Entry(name, (rows,), "text") for name in names])


# --- writing ------------------------------------------------------------------------------------------------


def save(
    x: Any,
    path: PathLike,
    name: str | None = None,
    *,
    mode: str = "w",
    sep: str | None = None,
    header: Sequence[str] | None = None,
) -> None:
    """Write a matrix, or an array of one axis as a column, as text; all processes write their rows at once.

    Parameters
    ----------
    x : DNDarray or array_like
        The array, of real numbers or truth values, of one axis or two. Numbers are written so that reading gives
        them back exactly.
    path : path-like
        The file, in a folder that every process can see. It appears, or changes, when it is complete. Its suffix may
        ask for packing: `.csv.gz`.
    name : str, optional
        Name of the column, for an array of one axis.
    mode : {"w", "x", "a"}
        "x": not if there is such a file already. "a": the rows come behind those that the file has.
    sep : str, optional
        What lies between fields: by default a tab in `.tsv`, a comma in others.
    header : sequence of str, optional
        Names of the columns.

    Raises
    ------
    TypeError
        For complex numbers.
    ValueError
        For arrays of other shapes.

    Notes
    -----
    Communication: a few small collectives; where axis 0 is not what is split, one all-to-all before.
    """
    x = as_operand(x)
    check_mode(mode)
    names = [name] if name is not None else None if header is None else list(header)
    if x.ndim not in (1, 2) or (x.ndim == 2 and not x.shape[1]):
        raise ValueError(f"a table has rows and columns, but the array has shape {x.shape}")
    if names is not None and len(names) != (1 if x.ndim == 1 else x.shape[1]):
        raise ValueError(f"`header` (={names}) must name each column of shape {x.shape}")
    if x.dtype.is_complex:
        raise TypeError(f"tables of text have no {x.dtype}; save the real and the imaginary part")
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.astype(torch.float32)
    x = in_rank_order(x.detach())
    packing = PACKED.get(Path(path).suffix.lower())
    separator = Text(sep).sep_of(path)
    with replacing(path, x.comm, keep=mode == "a", new=mode == "x") as temporary, naming("write", path):
        make_file(x.comm, temporary)
        with agreed(x.comm):
            first = x.comm.rank == 0 and not temporary.stat().st_size

        def produce(file: IO[bytes]) -> None:
            with (packing or _plain)(file, "wb") as packed:
                _write(x, packed, names if first else None, separator)

        append_parts(x.comm, temporary, produce)


@contextmanager
def _plain(file: IO[bytes], mode: str) -> Iterator[IO[bytes]]:
    yield file


def _write(x: DNDarray, file: IO[bytes], names: list[str] | None, sep: str) -> None:
    """Write the rows of this process."""
    pyarrow, writer = require("pyarrow"), require("pyarrow.csv")
    if names is not None:
        line = io.StringIO()
        csv.writer(line, delimiter=sep, lineterminator="\n").writerow(names)
        file.write(line.getvalue().encode())
    options = writer.WriteOptions(include_header=False, delimiter=sep)
    for values in rows(x):
        matrix = values.reshape(len(values), -1)
        columns = [np.ascontiguousarray(matrix[:, k]) for k in range(matrix.shape[1])]
        table = pyarrow.table(columns, names=[str(k) for k in range(len(columns))])
        writer.write_csv(table, pyarrow.PythonFile(file, mode="w"), options)
