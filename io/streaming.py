"""Files that are larger than memory, batch by batch."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import torch

from ..array import DNDarray
from ..communication import as_comm
from ..creation import make_layout
from ..device import as_device
from ..errors import agreed
from ..layout import Split
from ..types import as_dtype
from . import hdf5, netcdf, raw, zarr
from ._files import PathLike, naming
from ._formats import format_of, is_many, one_name, paths_of, prepared
from ._parts import Request, Source, read, select

__all__ = ["Stream", "save_batches", "stream"]


def stream(
    path: Any,
    batch: int,
    dataset: str | None = None,
    *,
    variable: str | None = None,
    split: Split = 0,
    grid: Any = None,
    dtype: Any = None,
    device: Any = None,
    comm: Any = None,
    slices: Any = None,
    **options: Any,
) -> Stream:
    """The rows of an array in a file in batches, of which the next is read while one is worked on.

    Parameters
    ----------
    path
        The file, or many as one (a pattern, a folder, a sequence of paths), as for `load`.
    batch : int
        Rows (indices of axis 0) of each batch on all processes together; the last one may have fewer. Where the file
        has chunks, a multiple of their rows is read fastest.
    dataset, variable : str, optional
        Name of the array in the file, as for `load`.
    split, grid, dtype, device, comm
        Where each batch lies, and as what, as for `load`; by default its rows are dealt out.
    slices : slice or tuple of slice, optional
        The part of the file's array that the batches are of.
    **options
        To the format.

    Returns
    -------
    Stream
        Iterate over it, as often as needed; `len` is the number of batches, `shape` that of all rows together.

    Raises
    ------
    OSError, KeyError, ValueError
        On all processes, if one of them cannot read; also later, at the batch that it cannot read.

    Notes
    -----
    Memory: this process's part of two batches. The thread that reads ahead does not communicate. Communication: two
    small collectives to begin with, for text four, for many files six, and one all-reduce of a number for each batch.

    Examples
    --------
    >>> total = sum(x.sum(axis=0) for x in dnd.io.stream("climate.nc", 100, variable="t2m"))  # doctest: +SKIP
    """
    place = {"split": split, "grid": grid, "dtype": dtype, "device": device}
    return Stream(path, batch, one_name(dataset, variable), place, comm, slices, options)


def save_batches(
    batches: Iterable[Any],
    path: PathLike,
    dataset: str | None = None,
    *,
    variable: str | None = None,
    **options: Any,
) -> None:
    """Write an array that comes in batches of its rows, of which memory holds one at a time.

    Parameters
    ----------
    batches : iterable of DNDarray or array_like
        One at least, in any layouts, alike but for their lengths along axis 0. A generator makes each when the one
        before is written; all processes must raise alike if it fails.
    path : path-like
        The file, of HDF5, NetCDF or Zarr, which will hold this array alone. It appears when it is complete; whatever
        goes wrong, an old one stays whole.
    dataset, variable : str, optional
        Name of the array in the file, "data" by default.
    **options
        Those of the format's own `save` that say how the array is made: `chunks`, `compression`, ...

    Notes
    -----
    Communication: that of `save` with `append=0` for each batch; but the file is not copied for that.

    Examples
    --------
    >>> roots = (dnd.sqrt(x) for x in dnd.io.stream("climate.h5", 100))  # doctest: +SKIP
    >>> dnd.io.save_batches(roots, "roots.h5")  # doctest: +SKIP
    """
    module, name = format_of(path), one_name(dataset, variable)
    if module not in (hdf5, netcdf, zarr):
        raise ValueError(f"`path` (={str(path)!r}) must end in .h5, .hdf5, .nc, .nc4 or .zarr, which grow by batches")
    module.save_batches(batches, path, *(() if name is None else (name,)), **options)


class Stream:
    """Batches of the rows of an array in a file; see `stream`."""

    def __init__(
        self,
        path: Any,
        batch: int,
        name: str | None,
        place: dict[str, Any],
        comm: Any,
        slices: Any,
        options: dict[str, Any],
    ) -> None:
        if operator.index(batch) < 1:
            raise ValueError(f"`batch` (={batch}) must be 1 or more")
        self.path = path
        self.batch = operator.index(batch)
        self.comm = as_comm(comm)
        self._place = place
        dtype = place["dtype"]
        with agreed(self.comm):
            module = format_of(paths_of(path)[0] if is_many(path) else path)
        if dtype is not None and "dtype" in inspect.signature(module.open_source).parameters:
            options = {"dtype": dtype, **options}  # which decides how missing values are read
        self._opened = prepared(path, name, comm=self.comm, **options)
        with agreed(self.comm), ExitStack() as stack:
            source = self._open(stack)
            if module is raw:  # has the type that one says, in whatever order of bytes
                dtype = self._place["dtype"] = source.dtype
            self._chosen = select(source.shape, slices)
            self.shape: tuple[int, ...] = tuple(len(indices) for indices in self._chosen)
            if not self.shape:
                raise ValueError(f"{source.name} is a single number, of which there are no batches")
            make_layout(self.shape, place["split"], place["grid"], self.comm)  # which says if these do not fit
            self.dtype: torch.dtype = source.dtype if dtype is None else as_dtype(dtype)

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.shape[0] // self.batch)

    def __repr__(self) -> str:
        return f"Stream({str(self.path)!r}, {len(self)} batches of {self.batch} rows of {self.shape} {self.dtype})"

    def _open(self, stack: ExitStack) -> Source:
        with naming("read", self.path):
            return stack.enter_context(self._opened())

    def __iter__(self) -> Iterator[DNDarray]:
        with ExitStack() as stack, ThreadPoolExecutor(1, thread_name_prefix="read ahead") as thread:
            source = thread.submit(self._open, stack)
            coming = thread.submit(lambda: self._read(source.result(), 0))
            for number in range(len(self)):
                failure = coming.exception()
                if self.comm.allreduce(torch.tensor(failure is not None), "any"):
                    with agreed(self.comm):
                        coming.result()
                part = coming.result()
                if number + 1 < len(self):
                    coming = thread.submit(self._read, source.result(), number + 1)
                yield part.to(as_device(self._place["device"]))

    def _read(self, source: Source, number: int) -> DNDarray:
        """This process's part of a batch; local, in the thread."""
        rows, *others = self._chosen
        rows = rows[number * self.batch : (number + 1) * self.batch]
        slices = tuple(slice(indices.start, indices.stop, indices.step) for indices in (rows, *others))
        request = Request(**{**self._place, "device": "cpu"}, slices=slices)
        with naming("read", self.path):
            return read(source, request, self.comm)
