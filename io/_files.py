"""Files that many processes make together: replaced as a whole or not at all, written in turn."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from ..communication import Communicator
from ..errors import agreed

__all__ = ["PathLike", "existing", "in_turn", "naming", "replacing", "sync"]

PathLike = str | os.PathLike[str]


def existing(path: PathLike) -> Path:
    """`path`, or an exception for a missing file that says the same for every format."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path


@contextmanager
def naming(what: str, path: PathLike) -> Iterator[None]:
    """What the libraries raise as plain RuntimeError or OSError becomes an OSError that says where.

    Both mean the same: h5py raises the one for a disk that is full when a file is closed, netCDF4 always.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if type(error) not in (OSError, RuntimeError) or str(path) in str(error):
            raise
        raise OSError(f"cannot {what} {path}: {error}") from error


@contextmanager
def replacing(path: PathLike, comm: Communicator, *, keep: bool = False) -> Iterator[Path]:
    """Write a file beside its target and put it in the target's place when the block has ended well.

    Whatever fails, the old file stays as it was and the new one is removed. A run that is killed in between
    leaves a hidden file `.NAME.XXXXXXXX.part` behind.

    Parameters
    ----------
    path
        The target. A symbolic link stays one; what it points to is replaced.
    comm
        The processes, all of which enter the block. What fails inside of it must fail on all of them
        (`agreed`).
    keep
        Begin with a copy of the target, if there is one, instead of with no file.

    Yields
    ------
    Path
        Where to write, the same on every process.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{comm.broadcast_object(secrets.token_hex(4))}.part")
    try:
        with agreed(comm):
            if comm.rank == 0:
                _prepare(target, temporary, keep)
        yield temporary
        with agreed(comm):
            if comm.rank == 0:
                _put_in_place(temporary, target)
    finally:
        if comm.rank == 0 and temporary.exists():
            # A library that could not close its file holds on to its space, unless that is taken from it.
            os.truncate(temporary, 0)
            temporary.unlink()


def _prepare(target: Path, temporary: Path, keep: bool) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder to write into does not exist", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if keep and target.exists():
        shutil.copyfile(target, temporary)


def _put_in_place(temporary: Path, target: Path) -> None:
    if target.exists():
        shutil.copymode(target, temporary)
    sync(temporary)
    os.replace(temporary, target)
    with suppress(OSError):  # not every file system has folders that can be synced
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until what this machine has written to a file or folder lies on its disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_turn(comm: Communicator, ranks: Sequence[int], work: Callable[[], None]) -> None:
    """Call `work` on one of the given ranks after another.

    Where it fails, the ranks after it do not begin and all processes raise. Communication: one message from
    each rank to the next, and one collective.
    """
    with agreed(comm):
        if comm.rank not in ranks:
            return
        turn = ranks.index(comm.rank)
        well = torch.ones(1, dtype=torch.uint8)
        if turn > 0:
            well = comm.recv(well, ranks[turn - 1])
        after_me = torch.zeros_like(well)
        try:
            if well:
                work()
            after_me = well
        finally:
            if turn + 1 < len(ranks):
                comm.send(after_me, ranks[turn + 1])
