"""Which part of a file's array a process reads or writes, in pieces that bound its memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..array import DNDarray
from ..communication import Communicator, as_comm
from ..creation import make_layout
from ..device import as_device
from ..elementwise import as_operand
from ..errors import agreed
from ..funnel import drained, funnel
from ..layout import Box, Layout, Split
from ..replacement import sync
from ..types import as_dtype, numpy_dtype
from ._files import PathLike, in_turn, naming

__all__ = [
    "Request",
    "Shifted",
    "Source",
    "as_file_dtype",
    "check_growth",
    "check_mode",
    "first_of",
    "load_part",
    "pieces",
    "pieces_of",
    "read",
    "rows",
    "select",
    "slabs",
    "unnamed",
    "write_by_first",
    "write_in_turn",
    "writers",
]

SLAB = 64 * 2**20
"""Bytes that pass through memory at a time."""

Selection = tuple[slice, ...]


@dataclass(frozen=True)
class Source:
    """An array in a file, as the module of the format describes it."""

    name: str
    """What to call it in a message."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    read_into: Callable[[Selection, np.ndarray], None]
    """Read a part of the file's array into an array of its shape and type."""
    chunks: Sequence[int] | None = None
    """Shape of the pieces in which the file holds it, if not as one."""


@dataclass(frozen=True)
class Request:
    """What the user of `load` asks for."""

    dtype: Any = None
    split: Split = None
    grid: Any = None
    device: Any = None
    slices: Any = None


def as_file_dtype(dtype: Any, name: str) -> torch.dtype:
    """The array type for a type found in a file, whatever its order of bytes."""
    try:
        return as_dtype(np.dtype(dtype).newbyteorder("="))
    except TypeError:
        raise TypeError(f"{name} holds {dtype}, which no array type corresponds to") from None


def select(shape: Sequence[int], slices: Any) -> tuple[range, ...]:
    """For each axis the indices that `slices` chooses.

    >>> select((10, 4), (slice(2, None, 3), ...))
    (range(2, 10, 3), range(0, 4))
    """
    given = slices if isinstance(slices, tuple) else () if slices is None else (slices,)
    if Ellipsis in given:
        at = given.index(Ellipsis)
        given = given[:at] + (slice(None),) * (len(shape) - len(given) + 1) + given[at + 1 :]
    wrong = [s for s in given if not isinstance(s, slice) or (s.step or 1) < 1]
    if wrong or len(given) > len(shape):
        raise ValueError(f"`slices` (={slices}) must be slices with steps > 0, at most one per axis of shape {shape}")
    given += (slice(None),) * (len(shape) - len(given))
    return tuple(range(n)[s] for n, s in zip(shape, given, strict=True))


def slabs(box: Box, itemsize: int, units: Sequence[int] | None = None) -> Iterator[Box]:
    """Cut a box into parts of about SLAB bytes, in C order; none for an empty box.

    Cuts fall on multiples of `units`, so that no chunk of a file is read, and unpacked, for every part anew.

    >>> list(slabs(((0, 4), (0, 2**23)), itemsize=4))
    [((0, 2), (0, 8388608)), ((2, 4), (0, 8388608))]
    """
    if all(start < stop for start, stop in box):
        yield from _cut(box, 0, itemsize, units or (1,) * len(box))


def _cut(box: Box, axis: int, itemsize: int, units: Sequence[int]) -> Iterator[Box]:
    nbytes = itemsize * math.prod(stop - start for start, stop in box)
    if nbytes <= SLAB or axis == len(box):
        yield box
        return
    (start, stop), unit = box[axis], units[axis]
    step = max(1, SLAB * (stop - start) // nbytes // unit) * unit
    while start < stop:
        end = min(start // unit * unit + step, stop)
        yield from _cut((*box[:axis], (start, end), *box[axis + 1 :]), axis + 1, itemsize, units)
        start = end


# --- reading ------------------------------------------------------------------------------------------------


def load_part(opened: AbstractContextManager[Source], path: PathLike, *, comm: Any = None, **place: Any) -> DNDarray:
    """What `load` of every format does: open the file, and read of the array what lies on this process.

    Parameters
    ----------
    opened
        Opens the file; without communication, for it may fail on any process.
    path
        The file, for messages.
    comm, **place
        Where the array shall lie, and of which type: as for `dndarray.io.load`.
    """
    comm = as_comm(comm)
    request = Request(**place)
    with agreed(comm), naming("read", path), opened as source:
        return read(source, request, comm)


def read(source: Source, request: Request, comm: Communicator) -> DNDarray:
    """The array that `request` asks for; each process reads its own part and nothing else. Local."""
    chosen = select(source.shape, request.slices)
    layout = make_layout([len(indices) for indices in chosen], request.split, request.grid, comm)
    dtype = source.dtype if request.dtype is None else as_dtype(request.dtype)
    if source.dtype.is_complex and not dtype.is_complex:
        raise TypeError(f"`dtype` (={dtype}) must be complex, for {source.name} holds {source.dtype}")
    part = _empty(layout.lshape(comm.rank), dtype, as_device(request.device))
    # Where slices begin inside of a chunk the cuts miss its border, which costs one chunk per slab.
    units = source.chunks and [max(1, c // r.step) for c, r in zip(source.chunks, chosen, strict=True)]
    box = layout.box(comm.rank)
    for slab in slabs(box, source.dtype.itemsize, units):
        indices = [r[start:stop] for r, (start, stop) in zip(chosen, slab, strict=True)]
        landing = part[_within(slab, box)]
        buffer = landing
        if part.dtype != source.dtype or part.device.type != "cpu" or not landing.is_contiguous():
            buffer = torch.empty(landing.shape, dtype=source.dtype)
        source.read_into(tuple(slice(r.start, r.stop, r.step) for r in indices), buffer.numpy())
        if buffer is not landing:
            landing.copy_(buffer)
    return DNDarray(part, layout, comm)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Unset elements; on the host in NumPy's memory, of huge pages, which is filled several times faster."""
    if device.type != "cpu" or dtype is torch.bfloat16:
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(shape, numpy_dtype(dtype)))


def _within(slab: Box, box: Box) -> Selection:
    return tuple(slice(start - first, stop - first) for (start, stop), (first, _) in zip(slab, box, strict=True))


# --- writing ------------------------------------------------------------------------------------------------


def writers(layout: Layout) -> list[int]:
    """The ranks that write: of those that hold the same elements the first, and none that holds nothing.

    >>> from dndarray import Grid
    >>> writers(Layout((4, 4), Grid((2, 2)), (0, None)))
    [0, 2]
    """
    first: dict[Box, int] = {}
    for rank in range(layout.grid.size):
        first.setdefault(layout.box(rank), rank)
    return [rank for box, rank in first.items() if all(start < stop for start, stop in box)]


def pieces(x: DNDarray, chunks: Sequence[int] | None = None) -> Iterator[tuple[Selection, np.ndarray]]:
    """This process's part in pieces for a file: where each belongs, and its elements."""
    yield from pieces_of(x.larray, x.layout.box(x.comm.rank), chunks)


def pieces_of(
    part: torch.Tensor, box: Box, chunks: Sequence[int] | None = None
) -> Iterator[tuple[Selection, np.ndarray]]:
    """As `pieces`, of elements that belong into a box of the file."""
    for slab in slabs(box, part.itemsize, chunks):
        yield tuple(slice(start, stop) for start, stop in slab), _on_host(part[_within(slab, box)])


def rows(x: DNDarray) -> Iterator[np.ndarray]:
    """As `pieces`, but of whole rows."""
    if x.comm.rank in writers(x.layout):
        step = _step(x.shape, x.itemsize)
        yield from (_on_host(x.larray[start : start + step]) for start in range(0, x.lshape[0], step))


def _on_host(piece: torch.Tensor) -> np.ndarray:
    return piece.detach().cpu().resolve_conj().resolve_neg().numpy()


def _step(shape: Sequence[int], itemsize: int) -> int:
    """How many rows of an array of such a shape make up about SLAB bytes."""
    return max(1, SLAB // max(1, itemsize * math.prod(shape[1:])))


def first_of(batches: Iterable[Any]) -> tuple[DNDarray, Iterator[DNDarray]]:
    """The first of several arrays, and an iterator over the others."""
    iterator = map(as_operand, batches)
    for first in iterator:
        return first, iterator
    raise ValueError("there must be one batch at least: what is none has no shape")


def write_in_turn(x: DNDarray, path: Path, opened: Callable[[], AbstractContextManager[tuple[Any, Any]]]) -> None:
    """One process after another opens a file that there is, writes its part and closes it.

    Parameters
    ----------
    x
        What is written, in any layout.
    path
        The file, with the array in it, its elements not set.
    opened
        Opens the file and gives an object that takes `[selection] = values`, and the shape of the file's
        chunks or None.
    """

    def write() -> None:
        with opened() as (target, chunks):
            for selection, values in pieces(x, chunks):
                target[selection] = values
        sync(path)  # here, for on a network file system rank 0 has not what the other nodes wrote

    in_turn(x.comm, writers(x.layout), write)


class Shifted:
    """Takes the elements of an array for a part of a larger one, which begins at an index."""

    def __init__(self, target: Any, begin: Sequence[int]) -> None:
        self.target, self.begin = target, begin

    def __setitem__(self, selection: Selection, values: np.ndarray) -> None:
        where = (slice(s.start + b, s.stop + b) for s, b in zip(selection, self.begin, strict=True))
        self.target[tuple(where)] = values


def write_together(
    x: DNDarray, create: Callable[[], object], opened: Callable[[], AbstractContextManager[tuple[Any, Any]]]
) -> None:
    """Rank 0 makes the file, then all processes open it together, write as in `write_in_turn`, and close it together.

    What lies between is not collective: if the disk is full for one process, the others do not wait for it.
    """
    with agreed(x.comm):
        if x.comm.rank == 0:
            create()
    with ExitStack() as stack:
        with agreed(x.comm):
            target, chunks = stack.enter_context(opened())
        with agreed(x.comm):
            if x.comm.rank in writers(x.layout):
                for selection, values in pieces(x, chunks):
                    target[selection] = values
        with agreed(x.comm):
            stack.close()


def write_by_first(x: DNDarray, opened: Callable[[], AbstractContextManager[Callable[[np.ndarray], None]]]) -> None:
    """Rank 0 writes all of an array that is dealt out along axis 0 in the order of ranks, or replicated.

    For formats that one process has to write. Rows come to it in pieces of bounded size, one message each; where it
    fails, it lets the rest pass by. Communication besides: one collective.

    Parameters
    ----------
    x
        What is written.
    opened
        Opens the file, on rank 0, and gives a function that takes the next rows.
    """
    lengths = [x.layout.lshape(rank)[0] if rank in writers(x.layout) else 0 for rank in range(x.comm.size)]
    stream = funnel(x.larray, lengths, _step(x.shape, x.itemsize), x.comm)
    with agreed(x.comm), drained(stream):
        if x.comm.rank == 0:
            with opened() as write:
                for piece in stream:
                    write(piece.numpy())


def check_growth(title: str, found: Any, x: DNDarray, axis: int) -> None:
    """Whether an array of a file, which has a `shape` and a `dtype`, can take up another at its end along an axis."""
    kept, given = ([n for a, n in enumerate(shape) if a != axis] for shape in (found.shape, x.shape))
    if len(found.shape) != x.ndim or kept != given or found.dtype != numpy_dtype(x.dtype):
        raise ValueError(
            f"{title}, of shape {found.shape} and {found.dtype}, cannot take an array of shape {x.shape} and "
            f"{x.dtype} along axis {axis}"
        )


def check_mode(mode: str, allowed: str = "wxa") -> None:
    """Whether `mode` is one of those that `save` knows."""
    meanings = {"w": "for a new file", "x": "for one that must not exist yet", "a": "to keep what the file holds"}
    if mode not in tuple(allowed):
        raise ValueError(f"`mode` (={mode!r}) must be " + " or ".join(f"{m!r}, {meanings[m]}" for m in allowed))


def unnamed(name: str | None, path: PathLike) -> None:
    """Refuse a name where files hold one array, which has none."""
    if name is not None:
        raise ValueError(f"{path} holds one array without a name, so {name!r} cannot be asked for")
