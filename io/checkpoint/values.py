"""What a checkpoint's state may hold besides arrays and containers: random streams, and what differs by rank."""

from __future__ import annotations

import random as python_random
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from ... import random as dnd_random

__all__ = ["PerRank", "RandomState"]


class PerRank:
    """A value that is each rank's own: every rank saves its own and gets its own back.

    Everything else but distributed arrays is taken to be the same on all ranks, and rank 0's is saved. The value may
    be a tree of anything but distributed arrays. Where the ranks' values were not all equal it is restored on the
    number of ranks that saved it only.

    Examples
    --------
    >>> PerRank({"seen": 3}).value
    {'seen': 3}
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"PerRank({self.value!r})"


class RandomState:
    """The random streams that a process has: dndarray's, and its own ones of torch, NumPy and Python.

    Put one into a state: when it is saved it stands for the streams as they are then, and when a state is restored
    `like` one that has it, they are set to where they were. Restored without `like` it holds them for `set`.

    What has no seed yet, because nothing was drawn, has none after it either.

    On more ranks than have saved, and if their own streams were not all alike, the further ranks begin streams of
    their own, which depend on what was saved and on the rank.
    """

    def __init__(self, states: dict[str, Any] | None = None) -> None:
        self.states = states
        """Where the streams were; None for "as they are now"."""

    @staticmethod
    def now() -> dict[str, Any]:
        """Where all streams are."""
        own = {
            "python": python_random.getstate(),
            "numpy": np.random.get_state(legacy=False),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        }
        return {"dndarray": dnd_random.get_state(), "own": PerRank(own)}

    def set(self) -> None:
        """Go to where the streams were. Local."""
        if self.states is None:
            return
        dnd_random.set_state(self.states["dndarray"])
        own = self.states["own"].value
        python_random.setstate(own["python"])
        np.random.set_state(own["numpy"])
        torch.set_rng_state(own["torch"].cpu())
        if own["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(own["cuda"].cpu())

    def for_further_rank(self, rank: int) -> RandomState:
        """New streams for a rank that has saved none, from those of another."""
        assert self.states is not None
        seed = zlib.crc32(self.states["own"].value["torch"].cpu().numpy(), rank) + 2**32 * rank
        own = self.states["own"].value
        own = {
            "python": python_random.Random(seed).getstate(),
            "numpy": np.random.RandomState(np.random.MT19937(seed)).get_state(legacy=False),
            "torch": torch.Generator().manual_seed(seed).get_state(),
            "cuda": None if own["cuda"] is None else _cuda_state(seed),
        }
        return RandomState({**self.states, "own": PerRank(own)})


def _cuda_state(seed: int) -> torch.Tensor | None:
    return torch.Generator("cuda").manual_seed(seed).get_state() if torch.cuda.is_available() else None


class Stream(NamedTuple):
    """A kind of generator object: how to make one, where it is, and how to go there."""

    kind: type
    make: Callable[[Any], Any]
    get: Callable[[Any], Any]
    set: Callable[[Any, Any], None]


def _numpy_generator(state: dict[str, Any]) -> np.random.Generator:
    name = state["bit_generator"]
    if name not in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        raise ValueError(f"no bit generator of NumPy's is called {name!r}")
    return np.random.Generator(getattr(np.random, name)())


STREAMS = {
    "dndarray": Stream(
        dnd_random.Generator, lambda _: dnd_random.Generator(), lambda g: g.state, lambda g, s: setattr(g, "state", s)
    ),
    "numpy": Stream(
        np.random.Generator,
        _numpy_generator,
        lambda g: g.bit_generator.state,
        lambda g, s: setattr(g.bit_generator, "state", s),
    ),
    "numpy.RandomState": Stream(
        np.random.RandomState,
        lambda _: np.random.RandomState(),
        lambda g: g.get_state(legacy=False),
        lambda g, s: g.set_state(s),
    ),
    "python": Stream(
        python_random.Random,
        lambda _: python_random.Random(),
        lambda g: g.getstate(),
        lambda g, s: g.setstate(s),
    ),
    "torch": Stream(
        torch.Generator,
        lambda _: torch.Generator(),
        lambda g: g.get_state(),
        lambda g, s: g.set_state(s.cpu()),
    ),
}
"""Generator objects by the name under which they are stored."""
