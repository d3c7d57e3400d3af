"""Files that many processes read and write: what to say of a missing or broken one, and writing in turn."""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from ..communication import Communicator
from ..errors import agreed

__all__ = ["PathLike", "existing", "forsaking", "in_turn", "naming"]

PathLike = str | os.PathLike[str]


def existing(path: PathLike, *, folder: bool = False) -> Path:
    """`path`, or an exception for a missing file, or folder, that says the same for every format."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if folder and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if path.is_dir() and not folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path


_NAMELESS = (OSError, RuntimeError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


@contextmanager
def naming(what: str, path: PathLike) -> Iterator[None]:
    """What the libraries raise for a file that is not whole becomes an OSError that says where.

    h5py raises RuntimeError for a disk that is full when a file is closed, netCDF4 always; what unpacks has exceptions
    of its own.
    """
    try:
        yield
    except _NAMELESS as error:
        if type(error) not in _NAMELESS or str(path) in str(error):
            raise
        raise OSError(f"cannot {what} {path}: {error}") from error


@contextmanager
def forsaking(path: Path) -> Iterator[None]:
    """Where writing a file fails, let what a library has still to write to it go nowhere when it closes the file.

    On a full disk this would fail again: HDF5 crashes then, or never lets go of the file and of its room on the disk.
    """
    try:
        yield
    except (OSError, RuntimeError):
        with suppress(OSError):  # where the system has no such list
            for descriptor in map(int, os.listdir("/dev/fd")):
                with suppress(OSError):
                    if os.path.samestat(os.fstat(descriptor), path.stat()):
                        nowhere = os.open(os.devnull, os.O_RDWR)
                        os.dup2(nowhere, descriptor)
                        os.close(nowhere)
        raise


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
