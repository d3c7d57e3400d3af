"""Parquet and Arrow tables: each process reads the row groups, or record batches, that hold its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..communication import as_comm
from ..elementwise import as_operand
from ..errors import agreed
from ..replacement import replacing, replacing_folder, sync
from ..types import as_dtype, numpy_dtype, promote_types
from ._contents import Contents, Entry
from ._files import PathLike, existing, naming
from ._offsets import in_rank_order
from ._optional import require
from ._parts import Selection, Source, as_file_dtype, check_mode, load_part, rows, write_by_first, writers
from .files import paths_of

__all__ = ["columns", "inspect", "load", "open_source", "save"]

_PARQUET = (".parquet", ".pq")


def load(
    path: PathLike, name: str | None = None, *, usecols: Sequence[str] | None = None, dtype: Any = None, **place: Any
) -> DNDarray:
    """Read columns of a table as a matrix, or one column; each process reads the row groups that hold its rows.

    Parameters
    ----------
    path : path-like
        The file, which every process must be able to see: Parquet, or Arrow's own format (`.arrow`, `.feather`). A
        folder `NAME.parquet` of Parquet files, as Spark and Dask write, is one table, in the order of the numbers in
        their names.
    name : str, optional
        A column, which then comes as an array of one axis.
    usecols : sequence of str, optional
        The columns of the matrix, in this order; by default all.
    dtype : optional
        Type of the array; by default that to which those of the columns are promoted.
    **place
        `split`, `grid`, `device`, `comm` and `slices`, as for `dnd.io.load`.

    Returns
    -------
    DNDarray
        Of shape (rows, columns). Missing values are NaN; of integers, only if `dtype` is floating, and an error
        otherwise. Communication: one small collective.

    Raises
    ------
    OSError
        On all processes, if one of them cannot read the file.
    KeyError
        If there is no such column; the message lists those that there are.
    TypeError
        For columns that arrays cannot hold: text, lists.
    """
    return load_part(open_source(path, name, usecols=usecols, dtype=dtype), path, dtype=dtype, **place)


def columns(
    path: PathLike, names: Sequence[str] | None = None, *, comm: Any = None, **place: Any
) -> dict[str, DNDarray]:
    """Read columns, each as an array of one axis with a type of its own; by default all that arrays can hold.

    Communication: one small collective, and one per column.
    """
    comm = as_comm(comm)
    with agreed(comm), naming("read", path):
        found = [entry.name for entry in inspect(path) if entry.name and (names is None or entry.name in names)]
    wanted = found if names is None else names
    return {name: load(path, name, comm=comm, **place) for name in wanted}


@dataclass(frozen=True)
class _Table:
    """A table in a file, in pieces of rows."""

    names: list[str]
    types: list[Any]
    starts: np.ndarray
    """The first row of each piece, and the number of rows."""
    read: Callable[[int, list[str]], Any]
    """Some columns of a piece, as a table or batch of Arrow's."""


@contextmanager
def _open(path: Path) -> Iterator[_Table]:
    """A table in one file, or in the files of a folder, one behind the other."""
    if not path.is_dir():
        with _open_file(path) as table:
            yield table
        return
    files = [p for p in paths_of(path, lambda p: p.suffix.lower() in _PARQUET) if p.name[0] != "_"]
    tables = [_described(file) for file in files]
    first = tables[0]
    for file, table in zip(files, tables, strict=True):
        if (table.names, table.types) != (first.names, first.types):
            raise ValueError(f"{file} has columns {table.names}, but {files[0]} has {first.names}, or others of a type")
    groups = [(file, i) for file, table in zip(files, tables, strict=True) for i in range(len(table.starts) - 1)]
    lengths = np.concatenate([np.diff(table.starts) for table in tables])

    def read(i: int, names: list[str]) -> Any:
        file, group = groups[i]
        with _open_file(file) as table:
            return table.read(group, names)

    yield _Table(first.names, first.types, _starts(lengths), read)


def _described(path: Path) -> _Table:
    with _open_file(path) as table:
        return table


def _starts(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@contextmanager
def _open_file(path: Path) -> Iterator[_Table]:
    pyarrow = require("pyarrow")
    with ExitStack() as stack:
        try:
            if path.suffix.lower() in _PARQUET:
                file = stack.enter_context(require("pyarrow.parquet").ParquetFile(path))
                lengths = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
                schema = file.schema_arrow
            else:
                file = stack.enter_context(pyarrow.ipc.open_file(stack.enter_context(pyarrow.OSFile(str(path)))))
                lengths = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
                schema = file.schema
        except pyarrow.ArrowInvalid as error:
            raise OSError(f"{path} is no whole table: {error}") from error

        def read(i: int, names: list[str]) -> Any:
            if hasattr(file, "read_row_group"):
                return file.read_row_group(i, columns=names, use_threads=False)
            return file.get_batch(i).select(names)

        yield _Table(list(schema.names), [field.type for field in schema], _starts(lengths), read)


@contextmanager
def open_source(
    path: PathLike, name: str | None = None, *, usecols: Sequence[str] | None = None, dtype: Any = None
) -> Iterator[Source]:
    """Columns of the table, open to be read by this process; local. `dtype` is what they will be converted to."""
    path = existing(path, folder=Path(path).is_dir())
    with _open(path) as table:
        wanted = [name] if name is not None else list(table.names if usecols is None else usecols)
        missing = [column for column in wanted if column not in table.names]
        if missing:
            raise KeyError(f"no column {missing[0]!r} in {path}, which has {table.names}")
        dtypes = [_dtype_of(table.types[table.names.index(c)], f"column {c!r} in {path}") for c in wanted]
        stored = dtypes[0] if dtypes else torch.float64
        for other in dtypes:
            stored = promote_types(stored, other)
        if dtype is not None and as_dtype(dtype).is_floating_point and not stored.is_floating_point:
            stored = torch.float64  # which has NaN
        rows = int(table.starts[-1])

        def read_into(selection: Selection, target: np.ndarray) -> None:
            names = wanted if name is not None else wanted[selection[1]]
            along = range(rows)[selection[0]]
            if len(along) and names:
                _read(table, along, names, target.reshape(len(target), len(names)))

        group = int(np.diff(table.starts).max(initial=1))
        shape, chunks = ((rows,), (group,)) if name is not None else ((rows, len(wanted)), (group, 1))
        yield Source(f"table {path}", shape, stored, read_into, chunks)


def _dtype_of(kind: Any, title: str) -> torch.dtype:
    try:
        return as_file_dtype(kind.to_pandas_dtype(), title)
    except (NotImplementedError, TypeError):
        raise TypeError(
            f"{title} holds {kind}, which no array type corresponds to; name other columns by `usecols`"
        ) from None


def _read(table: _Table, along: range, names: list[str], target: np.ndarray) -> None:
    first = int(np.searchsorted(table.starts, along[0], side="right")) - 1
    for i in range(first, int(np.searchsorted(table.starts, along[-1], side="right"))):
        begin, end = int(table.starts[i]), int(table.starts[i + 1])
        rows = [max(0, -(-(edge - along.start) // along.step)) for edge in (begin, end)]
        rows = [min(r, len(along)) for r in rows]
        if rows[0] == rows[1]:
            continue
        piece = table.read(i, names)
        inside = slice(along[rows[0]] - begin, along[rows[1] - 1] - begin + 1, along.step)
        for k, column in enumerate(names):
            values = piece.column(column)
            if values.null_count and target.dtype.kind not in "fc":
                raise ValueError(
                    f"column {column!r} lacks values, and integers have no NaN; ask for a floating `dtype`"
                )
            target[rows[0] : rows[1], k] = values.to_numpy(**_copying(values))[inside]


def _copying(values: Any) -> dict[str, bool]:
    """Arrays convert without a copy unless told otherwise; columns of several arrays always copy."""
    return {} if hasattr(values, "chunks") else {"zero_copy_only": False}


def inspect(path: PathLike) -> Contents:
    """The columns of the table; local."""
    path = existing(path, folder=Path(path).is_dir())
    with naming("read", path), _open(path) as table:
        rows = int(table.starts[-1])
        group = (int(np.diff(table.starts).max(initial=1)),)
        entries = [Entry(name, (rows,), str(kind), group) for name, kind in zip(table.names, table.types, strict=True)]
        return Contents(path, entries)


def save(
    x: Any,
    path: PathLike,
    name: str | None = None,
    *,
    mode: str = "w",
    header: Sequence[str] | None = None,
    layout: str | None = None,
    **options: Any,
) -> None:
    """Write a matrix, or an array of one axis as a column, as a table.

    Such files end with a list of what is in them, and where: so one process writes, to which the rows come from one
    process after another, in pieces of bounded size. With `layout="folder"` all write at once, a file each.

    Parameters
    ----------
    x : DNDarray or array_like
        The array, of real numbers or truth values, of one axis or two.
    path : path-like
        The file, in a folder that every process can see: `.parquet`, `.arrow`, `.feather`. It appears when it is
        complete.
    name : str, optional
        Name of the column, for an array of one axis; "data" by default.
    mode : {"w", "x"}
        "x": not if there is such a file already.
    header : sequence of str, optional
        Names of the columns; "0", "1", ... by default.
    layout : {"folder"}, optional
        "folder": the path becomes a folder with a Parquet file of each process, which this module, pandas, Dask and
        Spark read as one table.
    **options
        To `pyarrow.parquet.ParquetWriter`: `compression`, ...

    Raises
    ------
    OSError
        On all processes, if the first of them cannot write.
    TypeError
        For complex numbers and bfloat16.
    ValueError
        For arrays of other shapes.
    """
    x = as_operand(x).detach()
    check_mode(mode, "wx")
    if x.ndim not in (1, 2) or (x.ndim == 2 and not x.shape[1]):
        raise ValueError(f"a table has rows and columns, but the array has shape {x.shape}")
    if x.dtype.is_complex:
        raise TypeError(f"tables have no {x.dtype}; save the real and the imaginary part")
    width = 1 if x.ndim == 1 else x.shape[1]
    default = [name or "data"] if x.ndim == 1 else [str(i) for i in range(width)]
    names = default if header is None else list(header)
    if len(set(names)) != width:
        raise ValueError(f"`header` (={header}) must name each column of shape {x.shape}, by different names")
    dtype = numpy_dtype(x.dtype)
    kind = Path(path).suffix.lower()

    if layout not in (None, "folder") or (layout and kind not in _PARQUET):
        raise ValueError(f"`layout` (={layout!r}) must be None, or 'folder' for a path that ends in .parquet")

    @contextmanager
    def opened(target: Path) -> Iterator[Callable[[np.ndarray], None]]:
        pyarrow = require("pyarrow")
        schema = pyarrow.schema([(n, pyarrow.from_numpy_dtype(dtype)) for n in names])
        with _writer(target, kind, schema, options) as writer:

            def write(rows: np.ndarray) -> None:
                matrix = rows.reshape(len(rows), -1)
                arrays = [pyarrow.array(np.ascontiguousarray(matrix[:, k])) for k in range(width)]
                writer.write(pyarrow.table(arrays, schema=schema))

            yield write

    x = in_rank_order(x)
    if layout is None:
        with replacing(path, x.comm, new=mode == "x") as temporary, naming("write", path):
            write_by_first(x, lambda: opened(temporary))
        return
    with replacing_folder(path, x.comm, _is_table, new=mode == "x") as temporary, naming("write", path):
        with agreed(x.comm):
            if x.comm.rank == 0:
                temporary.mkdir()
        with agreed(x.comm):
            if x.comm.rank == 0 or x.comm.rank in writers(x.layout):
                with opened(temporary / f"part-{x.comm.rank}.parquet") as write:
                    for piece in rows(x):
                        write(piece)
                sync(temporary / f"part-{x.comm.rank}.parquet")


def _is_table(folder: Path) -> bool:
    return all(path.suffix.lower() in _PARQUET or path.name[0] in "._" for path in folder.iterdir())


def _writer(path: Path, kind: str, schema: Any, options: dict[str, Any]) -> Any:
    if kind in (".parquet", ".pq"):
        return require("pyarrow.parquet").ParquetWriter(path, schema, **options)
    return require("pyarrow.ipc").new_file(str(path), schema, **options)
