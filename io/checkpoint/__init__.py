"""Checkpoints: a state that survives its run, and is restored on any number of processes.

    state = {"x": x, "model": model, "optimizer": optimizer, "random": RandomState(), "step": 100}
    dnd.io.checkpoint.save("run/step-100", state, keep=3)
    state = dnd.io.checkpoint.restore(dnd.io.checkpoint.latest("run"), like=state)

A checkpoint is a folder:

- `manifest.json`: the tree of the state, and of each array the shape, dtype and layout in which it was saved. It is
  written last, and renamed into place: without it there is no checkpoint, and with another one in its place there is
  another checkpoint. So one of the same name is replaced at once, and a run may be killed at any moment.
- `rank-R-TOKEN.data`: the parts of the arrays that rank R wrote, cut into tiles: boxes of at most 4 MiB whose sides
  differ little, each raw in C order at a multiple of 64 bytes. The token is new for each save.
- `rank-R-TOKEN.json`: for each array the box, offset, length and CRC-32 of each of these tiles.

Both kinds of JSON files carry a checksum of their own. Nothing is pickled: restoring runs no code of the file.
"""

from __future__ import annotations

from .checkpointer import Checkpointer
from .folder import CheckpointError, latest
from .restoring import restore
from .saving import Saving, save, wait
from .values import PerRank, RandomState

__all__ = ["CheckpointError", "Checkpointer", "PerRank", "RandomState", "Saving", "latest", "restore", "save", "wait"]
