"""A checkpoint's folder: which files it holds, how they come and go, and which of several is the latest."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...communication import as_comm
from ...errors import agreed
from ...replacement import check_folder, sync
from .._files import PathLike, naming

__all__ = ["CheckpointError", "latest"]

MANIFEST = "manifest.json"
_OURS = re.compile(r"(manifest\.json|rank-\d+-[0-9a-f]+\.(data|json|failed))(\.part)?")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_SEAL = b',\n"checksum": '


class CheckpointError(OSError):
    """What lies there is no checkpoint, or not a whole one."""


def file_of(folder: Path, rank: int, token: str, suffix: str) -> Path:
    """A rank's file; `token` tells those of one save from those of another."""
    return folder / f"rank-{rank:05d}-{token}.{suffix}"


# --- JSON with a checksum ---------------------------------------------------------------------------------------------


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write JSON that carries its own checksum; the file is there when it is complete and lies on the disk."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()[:-1]
    draft = path.with_name(path.name + ".part")
    try:
        with naming("write", path), open(draft, "wb") as file:
            file.write(text + _SEAL + str(zlib.crc32(text)).encode() + b"}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    with suppress(OSError):  # not every file system has folders that can be synced
        sync(path.parent)


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote, or an error if it is not that any more."""
    content = path.read_bytes()
    text, _, checksum = content.rpartition(_SEAL)
    if checksum != str(zlib.crc32(text)).encode() + b"}\n":
        raise CheckpointError(f"{path} is damaged: it does not have the checksum that it was written with")
    return json.loads(text + b"}")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, or an error that says what lies there instead."""
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    if not path.is_dir():
        raise CheckpointError(f"{path} is a file and not a checkpoint, which is a folder")
    if not is_checkpoint(path):
        inside = [name.name for _, name in _numbered(path)]
        hint = f"; it holds checkpoints: take the latest, {inside[-1]}, or another" if inside else ""
        raise CheckpointError(f"{path} is not a checkpoint, or one that was never completed: no {MANIFEST}{hint}")
    manifest = read_sealed(path / MANIFEST)
    if manifest.get("format") != "dndarray checkpoint" or manifest.get("version") != 1:
        raise CheckpointError(
            f"{path / MANIFEST} says format {manifest.get('format')!r}, version {manifest.get('version')!r}; this "
            "release reads version 1 of 'dndarray checkpoint'"
        )
    return manifest


# --- coming and going -------------------------------------------------------------------------------------------------


def is_checkpoint(path: Path) -> bool:
    """Whether this is a complete checkpoint: the manifest is written last, and removed first."""
    return (path / MANIFEST).is_file()


def prepare(path: Path) -> bool:
    """Make the folder, or see that the one that is there may be written to; whether it is new."""
    check_folder(path)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file, and no checkpoint that could be replaced")
    if not path.exists():
        path.mkdir()
        return True
    foreign = sorted(name for name in os.listdir(path) if not _OURS.fullmatch(name))
    if foreign and not is_checkpoint(path):
        raise FileExistsError(f"{path} is a folder of other files ({foreign[0]}, ...), and no checkpoint")
    return False


def clean(path: Path, pattern: str = "rank-*", *, but: str = "") -> None:
    """Remove our files of a pattern; but not those of the save with the token `but`."""
    for file in path.glob(pattern):
        if _OURS.fullmatch(file.name) and not (but and f"-{but}." in file.name):
            file.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a checkpoint, and the folder if nothing else is in it; what is left if that is interrupted is none."""
    (path / MANIFEST).unlink(missing_ok=True)
    clean(path)
    with suppress(OSError):
        path.rmdir()


def number_of(path: Path) -> int:
    """The number at the end of a checkpoint's name."""
    match = _NUMBERED.fullmatch(path.name)
    if match is None:
        raise ValueError(f"`keep` needs numbered checkpoints, such as step-100; {path.name!r} ends in no number")
    return int(match[2])


def prune(path: Path, keep: int) -> None:
    """Of the checkpoints that are called as this one up to a lower number, leave those with the highest numbers.

    With this one they are `keep`. What killed runs left under such names goes, too.
    """
    stem = path.name[: _NUMBERED.fullmatch(path.name).start(2)]  # type: ignore[union-attr]
    older = [p for n, p in _numbered(path.parent, whole=False) if n < number_of(path) and p.name.startswith(stem)]
    older = [p for p in older if p.name[len(stem) :].isdigit()]
    whole = [p for p in older if is_checkpoint(p)]
    for other in {*older} - {*whole[len(whole) - keep + 1 :]}:
        if all(_OURS.fullmatch(name) for name in os.listdir(other)):
            remove(other)


def _numbered(folder: Path, whole: bool = True) -> list[tuple[int, Path]]:
    """Number and path of the checkpoints in a folder, ascending."""

    def found() -> Iterator[tuple[int, Path]]:
        for path in folder.iterdir():
            if _NUMBERED.fullmatch(path.name) and (is_checkpoint(path) if whole else path.is_dir()):
                yield number_of(path), path

    return sorted(found())


def latest(folder: PathLike, *, comm: Any = None) -> Path | None:
    """The complete checkpoint in a folder whose name ends in the highest number; None if there is none.

    What a killed run left incomplete does not count. Communication: one small all-gather and one broadcast.
    """
    comm, folder = as_comm(comm), Path(folder)
    found: list[tuple[int, Path]] = []
    with agreed(comm):
        if comm.rank == 0 and folder.is_dir():
            found = _numbered(folder)
    return comm.broadcast_object(found[-1][1] if found else None)
