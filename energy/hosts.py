"""Which process reads the sensors of a host, and what the processes tell each other in the end."""

from __future__ import annotations

import pickle
import platform
import time
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ..communication import Communicator
from ..errors import agreed
from ..launch import watched
from .sensors import Sensor
from .sources import Backend, choose

__all__ = ["Farewell", "leader", "meet", "opened", "send_to"]

_POLL_S = 1e-3


def leader(comm: Communicator, host: str | None) -> tuple[str, int]:
    """The name of this process's host, and the lowest rank on it. Communication: one all-gather."""
    host = platform.node() if host is None else host
    return host, comm.allgather_object(host).index(host)


def opened(comm: Communicator, leads: bool, backend: Backend) -> tuple[list[Sensor], list[str]]:
    """The sensors of this host where this process is the one to read them; what fails there, fails on all."""
    with agreed(comm):
        return choose(backend) if leads else ([], [])


def send_to(comm: Communicator, value: Any, root: int) -> list[Any]:
    """Send `value` to the rank `root`; what others have sent here, in order of rank. Communication: two all-to-alls."""
    data = torch.frombuffer(bytearray(pickle.dumps(value)), dtype=torch.uint8)
    counts = [len(data) if rank == root else 0 for rank in range(comm.size)]
    announced = comm.alltoall_counts(counts)
    arrived = comm.alltoallv(data, counts, announced)
    return [pickle.loads(part.numpy().tobytes()) for part in arrived.split(announced) if len(part)]


# --- the end, which some may not reach --------------------------------------------------------------------------------

_unheard: list[Any] = []
"""Messages that may never be received, or never come; their memory has to stay."""


class Farewell:
    """What ranks tell each other when they leave a monitor, by a communicator of its own.

    So that no other message is taken for a farewell, and none for another message. Once a rank has failed there may be
    messages under way that nobody waits for: the communicator is broken, which all ranks get to know.
    """

    def __init__(self, comm: Communicator) -> None:
        self.comm = comm
        self.broken = False

    def all_arrive(self, well: bool) -> bool:
        """Whether all ranks come here and are well, so that collectives may follow.

        A rank that is not well says so and waits for nobody, for others may be waiting for it elsewhere. The rest
        wait, asleep, for each other, or for such news. Communication: a message from each rank to rank 0, and back.
        """
        others = range(1, self.comm.size)
        if self.comm.size > 1 and not self.broken:
            if self.comm.rank > 0:
                self._say(well, [0])
                well = well and all(self._heard([0]))
            else:
                well = well and all(self._heard(others))
                self._say(well, others)
            self.broken = not well
        return well and not self.broken

    def _say(self, well: bool, ranks: Iterable[int]) -> None:
        _unheard[:] = [message for message in _unheard if not message.test()]
        _unheard.extend(self.comm.isend(torch.tensor([well]), rank) for rank in ranks)

    def _heard(self, ranks: Iterable[int]) -> Iterator[bool]:
        """What each of the ranks says, as it comes in."""
        waiting = [self.comm.irecv(torch.tensor([True]), rank) for rank in ranks]
        try:
            with watched("end of energy.Monitor"):
                while waiting:
                    for message in [message for message in waiting if message.test()]:
                        waiting.remove(message)
                        yield bool(message.wait().item())
                    time.sleep(_POLL_S if waiting else 0)
        finally:
            _unheard.extend(waiting)


_farewells: WeakKeyDictionary[Communicator, Farewell] = WeakKeyDictionary()


def meet(comm: Communicator) -> Farewell:
    """Wait for all ranks; how they will part. Communication: one barrier."""
    if comm not in _farewells or _farewells[comm].broken:
        _farewells[comm] = Farewell(Communicator(comm.handle) if comm.size > 1 else comm)
    _farewells[comm].comm.barrier()
    return _farewells[comm]
