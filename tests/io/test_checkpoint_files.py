"""Checkpoints as files: they come and go as a whole, and whatever fails or is damaged is said by all ranks."""

from __future__ import annotations

import os
import resource
import signal
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from dndarray.io.checkpoint import (
    Checkpointer,
    CheckpointError,
    folder,
    latest,
    parts,
    restore,
    save,
    saving,
)

import dndarray as dnd
from dndarray.communication import Communicator
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE, RANK = COMM.size, COMM.rank
SOLO = Communicator()


def names_in(path: Path) -> list[str]:
    COMM.barrier()
    names = sorted(child.name for child in path.iterdir())
    COMM.barrier()
    return names


def on_rank_0(work, *args: object) -> None:
    if RANK == 0:
        work(*args)
    COMM.barrier()


# --- coming and going -----------------------------------------------------------------------------------------------


def test_one_of_the_same_name_is_replaced(shared_path):
    for step in range(3):
        save(shared_path / "x", {"x": dnd.full((SIZE * 2,), step, split=0)})
    assert_array_equal(restore(shared_path / "x")["x"], np.full(SIZE * 2, 2))
    assert len(names_in(shared_path / "x")) == 1 + 2 * SIZE


def test_the_last_ones_are_kept(shared_path):
    assert latest(shared_path) is None and latest(shared_path / "none") is None
    for step in (8, 9, 10, 11):
        save(shared_path / f"step-{step}", step, keep=2)
    assert names_in(shared_path) == ["step-10", "step-11"]
    on_rank_0(lambda: [(shared_path / name).mkdir() for name in ("step-7", "step-99", "other-1")])
    on_rank_0(lambda: (shared_path / "step-6").mkdir() or (shared_path / "step-6" / "mine").touch())
    assert latest(shared_path) == shared_path / "step-11"  # 99 is not complete
    save(shared_path / "step-10", 10, keep=1)  # higher numbers stay, also leftovers, and so does what is not ours
    assert names_in(shared_path) == ["other-1", "step-10", "step-11", "step-6", "step-99"]


def test_in_the_background(shared_path):
    x = dnd.arange(SIZE * 1000, split=0)
    with count_collectives() as c:
        first = save(shared_path / "step-1", {"x": x}, asynchronous=True, keep=1)
    assert c.total == (3 if SIZE > 1 else 0)
    x.larray.zero_()  # training goes on
    second = save(shared_path / "step-2", {"x": x}, asynchronous=True, keep=2)  # waits for the first
    assert_array_equal(restore(shared_path / "step-1")["x"], np.arange(SIZE * 1000))  # waits for the second
    assert first.done() and second.done() and latest(shared_path) == shared_path / "step-2"
    second.wait()
    assert not restore(shared_path / "step-2")["x"].any()


def full_disk(limit: int):
    """The operating system refuses this rank what is over a limit."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("failing", range(SIZE))
@pytest.mark.parametrize("old", [False, True])
def test_a_disk_that_is_full_for_one_rank(shared_path, asynchronous, failing, old):
    if old:
        save(shared_path / "x-1", {"x": dnd.arange(SIZE * 10, split=0)})
        before = names_in(shared_path / "x-1")
    state = {"x": dnd.zeros(SIZE * 100_000, split=0)}
    end = full_disk(50_000) if failing == RANK else lambda: None
    try:
        if asynchronous:
            pending = save(shared_path / "x-1", state, asynchronous=True)
            error = (
                pytest.raises(OSError, save, shared_path / "x-2", 0) if old else pytest.raises(OSError, pending.wait)
            )
        else:
            error = pytest.raises(OSError, save, shared_path / "x-1", state)
    finally:
        end()
    assert "File too large" in str(error.value) and f"rank-{failing:05d}" in str(error.value)
    assert failing == RANK or f"[raised on rank {failing}]" in str(error.value)
    assert names_in(shared_path) == (["x-1"] if old else [])
    if old:
        assert names_in(shared_path / "x-1") == before
        assert_array_equal(restore(shared_path / "x-1")["x"], np.arange(SIZE * 10))
    save(shared_path / "x-1", state)
    assert not restore(shared_path / "x-1")["x"].any()


def test_an_end_that_fails_on_rank_0(shared_path, monkeypatch):
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device", "manifest.json")

    save(shared_path / "x", 1)
    before = names_in(shared_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr(saving, "write_sealed", fail)
        for how in (False, True):
            with pytest.raises(OSError, match="No space left"):
                save(shared_path / "x", 2, asynchronous=how).wait()
    assert names_in(shared_path / "x") == before
    assert restore(shared_path / "x") == 1


@pytest.mark.ranks(2, 3, 4)
def test_a_rank_that_sees_another_disk(shared_path, monkeypatch):
    """A folder that is local to each node: the last rank writes and reads elsewhere."""
    state = {"x": dnd.arange(SIZE * 10, split=0)}
    save(shared_path / "good", state)
    elsewhere = shared_path / "elsewhere"
    on_rank_0(elsewhere.mkdir)
    monkeypatch.setattr(saving, "PATIENCE", 0.1)
    there = elsewhere if RANK == SIZE - 1 else shared_path
    with pytest.raises(FileNotFoundError, match=rf"No such file.*rank-{SIZE - 1:05d}"):
        save(there / "x", state)
    with pytest.raises(CheckpointError, match=rf"rank-{SIZE - 1:05d}-\w+.json, a part of the checkpoint, is missing"):
        restore(there / "good")
    on_rank_0((elsewhere / "x").mkdir)
    for how in (False, True):  # a folder of this name is there, too
        with pytest.raises(CheckpointError, match=f"rank 0 does not see .* which rank {SIZE - 1} has written"):
            save(there / "x", state, asynchronous=how).wait()
    assert names_in(shared_path) == ["elsewhere", "good"]
    assert names_in(elsewhere / "x") == []


def test_a_file_that_one_rank_may_not_read(shared_path, monkeypatch):
    save(shared_path / "x", {"x": dnd.arange(SIZE * 10, split=0)})
    read = parts.read_sealed

    def refused(path: Path) -> dict:
        if RANK == SIZE - 1:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(parts, "read_sealed", refused)
    with pytest.raises(PermissionError, match=r"Permission denied.*rank-\d+") as raised:
        restore(shared_path / "x")
    assert RANK == SIZE - 1 or f"[raised on rank {SIZE - 1}]" in str(raised.value)


def test_what_is_no_checkpoint(shared_path):
    save(shared_path / "step-5", 1)
    on_rank_0(lambda: [(shared_path / "file").write_text("x"), (shared_path / "empty").mkdir()])
    on_rank_0(lambda: (shared_path / "other").mkdir() or (shared_path / "other" / "mine").touch())
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*none"):
        restore(shared_path / "none")
    with pytest.raises(CheckpointError, match="is a file"):
        restore(shared_path / "file")
    with pytest.raises(CheckpointError, match="never completed"):
        restore(shared_path / "empty")
    with pytest.raises(CheckpointError, match="take the latest, step-5"):
        restore(shared_path)
    for name, match in {"file": "is a file", "other": "folder of other files", "none/x": "does not exist"}.items():
        with pytest.raises(OSError, match=match):
            save(shared_path / name, 1)
    assert names_in(shared_path) == ["empty", "file", "other", "step-5"]


# --- damage ---------------------------------------------------------------------------------------------------------


def test_a_flipped_byte_is_found(shared_path, monkeypatch):
    monkeypatch.setattr(parts, "TILE", 64)
    expected = torch.arange(SIZE * 21.0).reshape(-1, 3)
    on_rank_0(lambda: save(shared_path / "x", {"x": dnd.array(expected, split=0, comm=SOLO), "n": 7}, comm=SOLO))
    rng = np.random.default_rng(0)
    files = sorted((shared_path / "x").iterdir())
    contents = [path.read_bytes() for path in files]
    COMM.barrier()
    for path, content in zip(files, contents, strict=True):
        for at in rng.integers(len(content), size=12):
            damaged = bytearray(content)
            damaged[at] ^= 1 << int(rng.integers(8))
            on_rank_0(path.write_bytes, damaged)
            try:
                found = restore(shared_path / "x", comm=SOLO)
            except CheckpointError as error:
                assert path.name in str(error) and "damaged" in str(error)
                assert path.suffix != ".data" or "part ((" in str(error)
            else:  # between two tiles
                assert path.suffix == ".data" and torch.equal(found["x"].larray, expected)
            COMM.barrier()
        on_rank_0(path.write_bytes, content)


def test_a_damage_that_one_rank_meets_is_known_to_all(shared_path):
    save(shared_path / "x", {"x": dnd.arange(SIZE * 10, split=0)})
    last = next((shared_path / "x").glob(f"rank-{SIZE - 1:05d}-*.data"))
    content = last.read_bytes()
    COMM.barrier()
    on_rank_0(last.write_bytes, b"\xff" + content[1:])
    with pytest.raises(CheckpointError, match=rf"{last.name} is damaged: part \(\({SIZE * 10 - 10}, {SIZE * 10}\),\)"):
        restore(shared_path / "x")


def test_files_that_are_cut_or_missing(shared_path):
    save(shared_path / "x", {"x": dnd.arange(SIZE * 10, split=0)})
    files = sorted((shared_path / "x").iterdir())
    contents = [path.read_bytes() for path in files]
    COMM.barrier()
    for path, content in zip(files, contents, strict=True):
        on_rank_0(path.write_bytes, content[: len(content) // 2])
        with pytest.raises(CheckpointError, match=f"{path.name}"):
            restore(shared_path / "x")
        on_rank_0(path.unlink)
        with pytest.raises(CheckpointError, match=f"{path.name}"):
            restore(shared_path / "x")
        on_rank_0(path.write_bytes, content)
    on_rank_0(lambda: folder.write_sealed(shared_path / "x" / "manifest.json", {"format": "other", "version": 9}))
    with pytest.raises(CheckpointError, match="format 'other', version 9"):
        restore(shared_path / "x")


# --- the loop -------------------------------------------------------------------------------------------------------


def test_a_loop_that_saves_every_so_often(shared_path):
    state = {"x": dnd.zeros(SIZE * 3, split=0), "step": 0}
    with Checkpointer(shared_path / "a" / "b", every=3, keep=2) as checkpointer:
        assert checkpointer.latest() is None and checkpointer.resume(state) is state
        for _ in range(10):
            state["x"].larray.add_(1)
            checkpointer.step(lambda: {**state, "step": checkpointer.count})
    assert names_in(shared_path / "a" / "b") == ["step-00000006", "step-00000009"]
    with Checkpointer(shared_path / "a" / "b", every=3) as checkpointer:
        found = checkpointer.resume(state)
        assert checkpointer.count == found["step"] == 9
        assert_array_equal(found["x"], np.full(SIZE * 3, 9, dtype="float32"))
        checkpointer.step(found)
        assert checkpointer.count == 10


@pytest.mark.parametrize(("number", "ask_every"), [(signal.SIGTERM, 1), (signal.SIGUSR1, 4)])
def test_a_signal_to_one_rank_stops_all_at_one_step(shared_path, number, ask_every):
    before = signal.getsignal(number)
    with Checkpointer(shared_path, every=100, ask_every=ask_every) as checkpointer:
        while not checkpointer.stopped and checkpointer.count < 50:
            if checkpointer.count == 7 and RANK == SIZE - 1:
                os.kill(os.getpid(), number)
            with count_collectives() as c:
                checkpointer.step({"step": checkpointer.count})
            assert c.total <= 1 or checkpointer.stopped
    assert checkpointer.stopped and COMM.allgather_object(checkpointer.count) == [8 + ask_every * (SIZE > 1)] * SIZE
    assert signal.getsignal(number) is before
    assert names_in(shared_path) == [f"step-{checkpointer.count:08d}"]
    checkpointer.step(0)  # nothing any more
    assert latest(shared_path) == shared_path / f"step-{checkpointer.count:08d}"


def test_a_signal_may_end_the_program(shared_path):
    checkpointer = Checkpointer(shared_path, signals=[signal.SIGUSR1], exit_code=75)
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(SystemExit) as raised:
        for _ in range(3):
            checkpointer.step(1)
    assert raised.value.code == 75 and restore(checkpointer.latest()) == 1


def test_the_last_one_is_written_whatever_became_of_the_one_before(shared_path, monkeypatch):
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device", "manifest.json")

    checkpointer = Checkpointer(shared_path, signals=[signal.SIGUSR1])
    with monkeypatch.context() as patch:
        patch.setattr(saving, "write_sealed", fail)
        checkpointer.save(1)
        saving._under_way[COMM]._thread.join()
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(OSError, match="No space left"):
        for _ in range(3):
            checkpointer.step(2)
    assert checkpointer.stopped and restore(checkpointer.latest()) == 2


def test_a_loop_that_saves_by_time(shared_path):
    with Checkpointer(shared_path, every=timedelta(hours=1), signals=()) as checkpointer:
        for step in range(9):
            if step in (2, 5):
                checkpointer._saved_at -= 3600
            checkpointer.step(torch.nn.Linear(2, 1))
    later = int(SIZE > 1)
    assert names_in(shared_path) == [f"step-{3 + later:08d}", f"step-{6 + later:08d}"]


def test_what_a_checkpointer_does_not_take(shared_path):
    with pytest.raises(ValueError, match=r"`every` \(=0\)"):
        Checkpointer(shared_path, every=0)
    with pytest.raises(ValueError, match=r"`keep` \(=0\)"):
        Checkpointer(shared_path, keep=0)
    with pytest.raises(ValueError, match=r"`ask_every` \(=0\)"):
        Checkpointer(shared_path, ask_every=0)
