"""Reading a checkpoint: on any number of ranks, each what lies on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...communication import as_comm
from ...errors import agreed
from .._files import PathLike
from .decoding import SAVED, Decoder
from .folder import CheckpointError, read_manifest
from .parts import Reader
from .saving import wait

__all__ = ["restore"]


def restore(path: PathLike, like: Any = None, *, split: Any = SAVED, device: Any = None, comm: Any = None) -> Any:
    """The state that `save` wrote; on any number of processes, each of which reads its own parts only.

    Parameters
    ----------
    path : path-like
        The checkpoint.
    like : optional
        A state of the form that the result shall have. Of its dicts the keys that they have are restored, and no
        others. Arrays come in the layout, type and place of those that it has; its objects with `load_state_dict`
        (modules, optimisers), be they saved themselves or their state dicts, generators and `RandomState` are set,
        and are in the result. Where it has something else, or None, values come as they were saved.
    split : optional
        How arrays that `like` does not have are dealt out: as they were (but balanced, on another number of
        processes), or one split for all of them, or a dict from paths such as "model/weight" to splits.
    device : optional
        Where arrays and tensors lie, by default those of `like` or the default device.
    comm : optional
        The processes.

    Returns
    -------
    tree
        As it was saved; without `like`, objects come as their state dicts, dataclasses as dicts and named tuples as
        named tuples of a new type.

    Raises
    ------
    CheckpointError
        On all processes, if it is not a checkpoint, or damaged: the message names the file and the part.
    KeyError, TypeError, ValueError
        If `like` or `split` do not fit what was saved.

    Notes
    -----
    Read and checked are the tiles (of at most 4 MiB) in which a process's part lies. Memory: the result, and for
    modules and optimisers their state once more.

    Communication: two small all-gathers and a broadcast of the tree; sparse arrays whose split changes move once.

    Examples
    --------
    >>> state = dnd.io.checkpoint.restore("run/step-100", like={"x": x, "model": model})  # doctest: +SKIP
    """
    comm, path = as_comm(comm), Path(path)
    wait(comm)
    manifest: dict[str, Any] = {}
    with agreed(comm):
        if comm.rank == 0:
            manifest = read_manifest(path)
            if manifest["byteorder"] != sys.byteorder:
                raise CheckpointError(f"{path} was written on a {manifest['byteorder']}-endian machine")
    manifest = comm.broadcast_object(manifest)
    with agreed(comm), Reader(path, manifest, comm.rank) as reader:
        decoder = Decoder(reader, comm, split, device)
        build = decoder.decode(manifest["tree"], like)
        decoder.check_split()
    return build()
