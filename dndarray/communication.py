"""Collectives and point-to-point for torch tensors over MPI, on any device and dtype.

Nothing else in dndarray touches raw MPI; what tensors need before they may, `buffers` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from . import buffers, launch
from .buffers import Buffer, check_op, encode, mpi_op, mpi_type, pieces
from .errors import MismatchError
from .layout import Grid

__all__ = ["Communicator", "Request", "Traffic", "get_comm", "use_comm"]

_TAG = 7


class Traffic:
    """What a process sent while this was counting: calls by name, and bytes.

    `calls` maps the name of each collective to the number of calls, `bytes` is what this process handed to MPI.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.bytes = 0

    def add(self, name: str, nbytes: int) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        self.bytes += nbytes

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def __repr__(self) -> str:
        return f"Traffic({self.calls}, bytes={self.bytes})"


_counting: list[Traffic] = []


@contextmanager
def counting() -> Iterator[Traffic]:
    """Count what this process communicates inside the block."""
    traffic = Traffic()
    _counting.append(traffic)
    try:
        yield traffic
    finally:
        _counting.remove(traffic)


class Request:
    """A communication under way. `wait()` ends it and gives its result; `test()` lets MPI make progress."""

    def __init__(self, handles: Sequence[Any], finish: Callable[[], Any], keep: Any = None) -> None:
        self._handles = list(handles)
        self._finish = finish
        self._keep = keep  # buffers must outlive the transfer

    def test(self) -> bool:
        return all([handle.Test() for handle in self._handles])

    def then(self, finish: Callable[[], Any]) -> Request:
        """This request with something else to do once it has ended."""
        self._finish = finish
        return self

    def wait(self) -> Any:
        """End the communication; its result."""
        if self._handles:
            with launch.watched():
                for handle in self._handles:
                    handle.Wait()
        self._handles, self._keep = [], None
        return self._finish()


class Communicator:
    """The processes that an array is spread over.

    Every method that moves data is collective: all processes of the communicator call it, with tensors of the same
    dtype and (but for the v-forms and point-to-point) shape. Results are new tensors on the argument's device. With
    one process nothing is sent, no MPI is needed, and the result shares the argument's memory.
    """

    def __init__(self, handle: Any = None, *, private: bool = False) -> None:
        # Duplicated by all processes here: at the first message some may have nothing to send, and would not come.
        self._private = handle if private or handle is None or handle.size == 1 else handle.Dup()
        self.rank: int = 0 if handle is None else handle.rank
        self.size: int = 1 if handle is None else handle.size
        self.grid = Grid(self.size)
        self._subs: dict[tuple, Communicator] = {}

    def __repr__(self) -> str:
        return f"Communicator(rank={self.rank}, size={self.size})"

    def __reduce__(self) -> tuple:
        # Processes that unpickle an array put it on their own default communicator.
        return get_comm, ()

    def __deepcopy__(self, memo: dict) -> Communicator:
        return self

    @property
    def handle(self) -> Any:
        """The mpi4py communicator, a duplicate of the one given so that no message of ours meets one of the user's."""
        return self._private

    def along(self, grid: Grid, axes: Sequence[int]) -> Communicator:
        """The processes that differ from this one only along the given axes of `grid`; collective at its first call."""
        axes = tuple(sorted(axes))
        if grid.size != self.size:
            raise ValueError(f"`grid` (={grid.shape}) has {grid.size} processes, the communicator has {self.size}")
        if all(p == 1 for a, p in enumerate(grid.shape) if a not in axes):
            return self
        key = (grid, axes)
        if key not in self._subs:
            coords = grid.coordinates(self.rank)
            color = Grid(grid.shape).rank([0 if a in axes else c for a, c in enumerate(coords)])
            self._subs[key] = self._split(color, self.rank)
        return self._subs[key]

    def reversed(self) -> Communicator:
        """The same processes counted from the last to the first."""
        if self.size == 1:
            return self
        if ("reversed",) not in self._subs:
            self._subs["reversed",] = self._split(0, -self.rank)
        return self._subs["reversed",]

    def _split(self, color: int, key: int) -> Communicator:
        with launch.watched("split"):
            return Communicator(self.handle.Split(color, key), private=True)

    def _call(self, name: str, nbytes: int = 0, what: tuple = ()) -> launch.watched:
        """The block in which a collective is called: counted, compared with what the others do, and watched."""
        for traffic in _counting:
            traffic.add(name, nbytes)
        if _CHECK:
            self._check(name, what)
        return launch.watched(name)

    def _check(self, name: str, what: tuple) -> None:
        """Compare what the processes are about to do (`DNDARRAY_CHECK=1`)."""
        with launch.watched(f"check before {name}"):
            everybody = self.handle.allgather((name, what, launch.call_site()))
        for rank, other in enumerate(everybody):
            if other[:2] != everybody[0][:2]:
                raise MismatchError(
                    f"processes do different things: rank 0 calls {everybody[0][0]}{everybody[0][1]} "
                    f"at {everybody[0][2]}, rank {rank} calls {other[0]}{other[1]} at {other[2]}"
                )

    # --- reductions ---------------------------------------------------------------------------------------------------

    def _reduce(self, name: str, tensor: Tensor, op: str, *, start: bool = False, **options: Any) -> Request:
        """allreduce, reduce, scan or exscan, in pieces; `start` leaves them under way."""
        check_op(op, tensor.dtype)
        if self.size == 1:
            return Request([], tensor.detach)
        encoded, decode = encode(tensor.detach(), op)
        send, receive = Buffer(encoded), Buffer.empty(encoded.shape, encoded)
        handles = []
        what = (op, str(tensor.dtype), tuple(tensor.shape))
        with self._call(name, send.tensor.nbytes, what):
            method = getattr(self.handle, f"I{name.lower()}" if start else name)
            for piece in pieces(encoded.numel()):
                handles.append(
                    method(send.typed(*piece), receive.typed(*piece), op=mpi_op(op, encoded.dtype), **options)
                )
        return Request(handles if start else [], lambda: decode(receive.result()), keep=(send, receive))

    def allreduce(self, tensor: Tensor, op: str = "sum") -> Tensor:
        """The elementwise `op` over all processes, for each: sum, prod, max, min (which NaN wins), any, all, or bit by
        bit and, or, xor."""
        return self._reduce("Allreduce", tensor, op).wait()

    def iallreduce(self, tensor: Tensor, op: str = "sum") -> Request:
        """Start an `allreduce`."""
        return self._reduce("Allreduce", tensor, op, start=True)

    def ireduce(self, tensor: Tensor, root: int, op: str = "sum") -> Request:
        """Start an `allreduce` of which only `root` gets the result; the others get what they must not use."""
        return self._reduce("Reduce", tensor, op, start=True, root=root)

    def reduce_scatter(self, tensor: Tensor, counts: Sequence[int], op: str = "sum") -> Tensor:
        """Reduce tensors of shape (sum(counts), ...) and leave `counts[r]` rows of the result on rank r."""
        requests = [self.ireduce(part, root, op) for root, part in enumerate(tensor.split(list(counts)))]
        return [request.wait() for request in requests][self.rank]

    def scan(self, tensor: Tensor, op: str = "sum") -> Tensor:
        """Rank r gets the reduction over ranks 0 to r."""
        return self._reduce("Scan", tensor, op).wait()

    def exscan(self, tensor: Tensor, op: str = "sum", neutral: Any = None) -> Tensor:
        """Rank r gets the reduction over ranks 0 to r - 1, rank 0 the neutral element: 0 of sums, 1 of products."""
        neutral = {"sum": 0, "prod": 1}.get(op) if neutral is None else neutral
        if neutral is None:
            raise ValueError(f"`op` (={op!r}) must be sum or prod, or `neutral` its neutral element")
        result = self._reduce("Exscan", tensor, op).wait()
        return torch.full_like(tensor.detach(), neutral) if self.rank == 0 else result

    # --- movement -----------------------------------------------------------------------------------------------------

    def broadcast(self, tensor: Tensor, root: int = 0) -> Tensor:
        """The tensor of `root` on every process; elsewhere `tensor` only gives shape and dtype."""
        return self.ibroadcast(tensor, root).wait()

    def ibroadcast(self, tensor: Tensor, root: int = 0) -> Request:
        """Start a `broadcast`."""
        if self.size == 1:
            return Request([], lambda: tensor.detach())
        buffer = Buffer(tensor) if self.rank == root else Buffer.empty(tensor.shape, tensor)
        what = (root, str(tensor.dtype), tuple(tensor.shape))
        sent = buffer.tensor.nbytes if self.rank == root else 0
        with self._call("Bcast", sent, what):
            width = tensor.element_size()
            handles = [self.handle.Ibcast(buffer.bytes(*piece), root=root) for piece in pieces(tensor.numel(), width)]
        return Request(handles, buffer.result, keep=buffer)

    def allgather(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, of one shape, stacked along a new first axis."""
        return self.allgatherv(tensor.unsqueeze(0), [1] * self.size)

    def allgatherv(self, tensor: Tensor, counts: Sequence[int]) -> Tensor:
        """The tensors of all processes, `counts[r]` rows from rank r, one after another along the first axis."""
        if len(counts) != self.size or counts[self.rank] != len(tensor):
            raise ValueError(f"`counts` (={list(counts)}) must be the rows of each process, this one has {len(tensor)}")
        if self.size == 1:
            return tensor.detach()
        send = Buffer(tensor)
        receive = Buffer.empty((sum(counts), *tensor.shape[1:]), tensor)
        row = receive.tensor[:1].nbytes if sum(counts) else 0
        what = (tuple(counts), str(tensor.dtype), tuple(tensor.shape[1:]))
        with self._call("Allgather", send.tensor.nbytes, what):
            if receive.tensor.nbytes <= buffers.MAX_COUNT:
                sizes = [n * row for n in counts]
                self.handle.Allgatherv(send.bytes(), [*receive.bytes()[:1], sizes, mpi_type(torch.uint8)])
                return receive.result()
            start = 0
            for root, n in enumerate(counts):
                stop = start + n * row // tensor.element_size()
                if root == self.rank:
                    receive.tensor.view(-1)[start:stop] = send.tensor.view(-1)
                for begin, end in pieces(stop - start, tensor.element_size()):
                    self.handle.Bcast(receive.bytes(start + begin, start + end), root=root)
                start = stop
        return receive.result()

    def alltoallv(
        self, tensor: Tensor, send_counts: Sequence[int], receive_counts: Sequence[int] | None = None
    ) -> Tensor:
        """Send the first `send_counts[0]` rows to rank 0, the next to rank 1, ...; what arrives is ordered by rank.

        Without `receive_counts` the counts are exchanged first, which is one more collective.
        """
        if len(send_counts) != self.size or sum(send_counts) != len(tensor):
            raise ValueError(
                f"`send_counts` (={list(send_counts)}) must deal out all {len(tensor)} rows to {self.size} processes"
            )
        if self.size == 1:
            return tensor.detach()
        if receive_counts is None:
            receive_counts = self.alltoall_counts(send_counts)
        send = Buffer(tensor)
        receive = Buffer.empty((sum(receive_counts), *tensor.shape[1:]), tensor)
        width = 1
        for n in tensor.shape[1:]:
            width *= n
        what = (str(tensor.dtype), tuple(tensor.shape[1:]))
        with self._call("Alltoall", send.tensor.nbytes, what):
            handles = self._pairwise(send, [n * width for n in send_counts], receive, receive_counts, width)
            for request in handles:
                request.Wait()
        return receive.result()

    def _pairwise(
        self,
        send: Buffer,
        sends: Sequence[int],
        receive: Buffer,
        receives: Sequence[int],
        width: int,
    ) -> list:
        itemsize = send.tensor.element_size()
        handles = []
        start = 0
        for peer, n in enumerate(receives):
            n *= width
            for begin, end in pieces(n, itemsize) if n else ():
                handles.append(self.handle.Irecv(receive.bytes(start + begin, start + end), source=peer, tag=_TAG))
            start += n
        start = 0
        for peer, n in enumerate(sends):
            for begin, end in pieces(n, itemsize) if n else ():
                handles.append(self.handle.Isend(send.bytes(start + begin, start + end), dest=peer, tag=_TAG))
            start += n
        return handles

    def alltoall_counts(self, counts: Sequence[int]) -> list[int]:
        """What each process announced for this one."""
        if self.size == 1:
            return list(counts)
        send = Buffer(torch.tensor(list(counts), dtype=torch.int64))
        receive = Buffer.empty((self.size,), send.tensor)
        with self._call("Alltoall", send.tensor.nbytes, ("counts",)):
            self.handle.Alltoall(
                send.typed(0, self.size)[:1] + [1, mpi_type(torch.int64)], [receive.memory, 1, mpi_type(torch.int64)]
            )
        return receive.tensor.tolist()

    def isend(self, tensor: Tensor, peer: int) -> Request:
        """Start sending to `peer`; not counted as a collective call, its bytes are."""
        buffer = Buffer(tensor)
        for traffic in _counting:
            traffic.bytes += buffer.tensor.nbytes
        cuts = pieces(tensor.numel(), tensor.element_size())
        handles = [self.handle.Isend(buffer.bytes(*piece), dest=peer, tag=_TAG) for piece in cuts]
        return Request(handles, lambda: None, keep=buffer)

    def irecv(self, like: Tensor, peer: int, *, into: bool = False) -> Request:
        """Start receiving a tensor of the shape and dtype of `like` from `peer`, into its memory if `into`."""
        buffer = Buffer(like) if into and like.is_contiguous() else Buffer.empty(like.shape, like)
        cuts = pieces(like.numel(), like.element_size())
        handles = [self.handle.Irecv(buffer.bytes(*piece), source=peer, tag=_TAG) for piece in cuts]

        def finish() -> Tensor:
            result = buffer.result()
            if into and result.data_ptr() != like.data_ptr():
                like.copy_(result)
                return like
            return result

        return Request(handles, finish, keep=buffer)

    def send(self, tensor: Tensor, peer: int) -> None:
        """Send to `peer`."""
        self.isend(tensor, peer).wait()

    def recv(self, like: Tensor, peer: int) -> Tensor:
        """Receive a tensor of the shape and dtype of `like` from `peer`."""
        return self.irecv(like, peer).wait()

    def exchanging(self, what: tuple = ()) -> launch.watched:
        """The block in which a planned exchange of messages takes place: counted as one all-to-all."""
        return self._call("Alltoall", 0, what)

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            with self._call("Barrier"):
                self.handle.Barrier()

    # --- objects ------------------------------------------------------------------------------------------------------

    def allgather_object(self, value: Any) -> list:
        """The (pickled) values of all processes, in order of rank."""
        if self.size == 1:
            return [value]
        with self._call("Allgather", 0, ("object",)):
            return self.handle.allgather(value)

    def broadcast_object(self, value: Any, root: int = 0) -> Any:
        """The (pickled) value of `root`."""
        if self.size == 1:
            return value
        with self._call("Bcast", 0, ("object", root)):
            return self.handle.bcast(value, root=root)


_CHECK = os.environ.get("DNDARRAY_CHECK", "0") not in ("", "0")
_default: Communicator | None = None

ALONE = Communicator()
"""This process and no other."""


def get_comm() -> Communicator:
    """The communicator of arrays that do not name one: all processes of the run. Starts MPI at its first call."""
    global _default
    if _default is None:
        MPI = launch.mpi()
        _default = Communicator(None if MPI is None else MPI.COMM_WORLD)
        launch.share_node()
    return _default


def use_comm(comm: Any = None) -> None:
    """Make `comm` (a Communicator or mpi4py's) the default; None goes back to all processes of the run."""
    global _default
    _default = None if comm is None else as_comm(comm)


def as_comm(comm: Any) -> Communicator:
    """A Communicator from one of ours, one of mpi4py's, or None for the default."""
    if comm is None:
        return get_comm()
    if isinstance(comm, Communicator):
        return comm
    if hasattr(comm, "Allreduce"):
        return Communicator(comm)
    raise TypeError(f"`comm` (={comm!r}) must be a Communicator or an mpi4py communicator")
