"""Files and folders that many processes make together: replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .communication import Communicator
from .errors import agreed

__all__ = ["check_folder", "replacing", "replacing_folder", "sync"]


@contextmanager
def replacing(
    path: str | os.PathLike[str], comm: Communicator, *, keep: bool = False, new: bool = False
) -> Iterator[Path]:
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
    new
        Refuse to replace a file.

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
                _prepare(target, temporary, keep, new)
        yield temporary
        with agreed(comm):
            if comm.rank == 0:
                _put_in_place(temporary, target)
    finally:
        if comm.rank == 0 and temporary.exists():
            # A library that could not close its file holds on to its space, unless that is taken from it.
            os.truncate(temporary, 0)
            temporary.unlink()


def check_folder(path: Path) -> None:
    """FileNotFoundError if there is no folder to write this file into, as this process sees it."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder to write into does not exist", str(path.parent))


def _prepare(target: Path, temporary: Path, keep: bool, new: bool) -> None:
    check_folder(target)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if new and target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if keep and target.exists():
        shutil.copyfile(target, temporary)


def _put_in_place(temporary: Path, target: Path) -> None:
    if target.exists():
        shutil.copymode(target, temporary)
    sync(temporary)
    os.replace(temporary, target)
    with suppress(OSError):  # not every file system has folders that can be synced
        sync(target.parent)


@contextmanager
def replacing_folder(
    path: str | os.PathLike[str],
    comm: Communicator,
    ours: Callable[[Path], bool],
    *,
    new: bool = False,
    parents: bool = False,
) -> Iterator[Path]:
    """As `replacing`, for a folder.

    Folders cannot be put in another's place in one step: the old one is set aside, then removed. A run that is killed
    in between leaves it as `.NAME.XXXXXXXX.old`.

    Parameters
    ----------
    path, comm, new
        As for `replacing`.
    ours
        Says of a folder whether it is of the kind that is written. Others that are not empty are not replaced.
    parents
        Make the folders that the target lies in.

    Yields
    ------
    Path
        Where to write, the same on every process; nothing is there yet.
    """
    target = Path(os.path.realpath(path))
    token = comm.broadcast_object(secrets.token_hex(4))
    temporary, old = (target.with_name(f".{target.name}.{token}.{end}") for end in ("part", "old"))
    try:
        with agreed(comm):
            if comm.rank == 0:
                if parents:
                    target.parent.mkdir(parents=True, exist_ok=True)
                _prepare_folder(target, ours, new)
        yield temporary
        with agreed(comm):
            if comm.rank == 0:
                if target.exists():
                    target.rename(old)
                temporary.rename(target)
    finally:
        if comm.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def _prepare_folder(target: Path, ours: Callable[[Path], bool], new: bool) -> None:
    check_folder(target)
    if target.exists() and (new or not target.is_dir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if target.is_dir() and any(target.iterdir()) and not ours(target):
        raise FileExistsError(errno.EEXIST, "what is in this folder is of another kind, and is kept", str(target))


def sync(path: Path) -> None:
    """Wait until what this machine has written to a file or folder lies on its disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
