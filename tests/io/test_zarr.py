"""Zarr: no two processes write a chunk, whatever the layout; what else a store holds stays."""

from __future__ import annotations

import numpy as np
import pytest
import strategies
import zarr
from dndarray.io import zarr as ours
from faults import full_disk
from file_cases import spread, values
from hypothesis import given, settings
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank


@given(st.data())
def test_no_two_processes_share_a_chunk(data):
    shape = data.draw(strategies.shapes(3, 20))
    layout = data.draw(strategies.layouts(shape, SIZE))
    units = [data.draw(st.integers(1, 9)) for _ in shape]
    begin = [data.draw(st.integers(0, 9)) for _ in shape]
    parts = ours._in_whole_chunks(spread(values(shape), layout), units, begin)
    found = np.zeros(np.add(shape, begin).astype(int))
    writers = np.full([-(-n // unit) for n, unit in zip(found.shape, units, strict=True)], -1)
    for rank, mine in enumerate(dnd.get_comm().allgather_object(parts)):
        for part, box in mine:
            found[tuple(slice(*interval) for interval in box)] += part.numpy()
            if all(start < stop for start, stop in box):
                chunks = tuple(slice(a // unit, -(-b // unit)) for (a, b), unit in zip(box, units, strict=True))
                assert np.isin(writers[chunks], (-1, rank)).all()
                writers[chunks] = rank
    np.testing.assert_array_equal(found[tuple(slice(b, None) for b in begin)], values(shape))


@settings(max_examples=10)
@given(st.data())
def test_chunks_and_appending(shared_path, data):
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple))
    layout = data.draw(strategies.layouts(shape, SIZE))
    chunks = tuple(data.draw(st.integers(1, 5)) for _ in shape)
    axis, format = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.sampled_from([2, 3]))
    expected = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    x, path = spread(expected, layout), shared_path / "x.zarr"
    dnd.io.save(x, path, chunks=chunks, zarr_format=format)
    dnd.io.save(x, path, append=axis)
    dnd.io.save(x, path, append=axis)
    dnd.get_comm().barrier()
    np.testing.assert_array_equal(zarr.open(path)["data"][...], np.concatenate([expected] * 3, axis=axis))
    dnd.get_comm().barrier()


def test_shards_groups_and_attributes(shared_path):
    path, x = shared_path / "x.zarr", dnd.array(np.arange(90.0).reshape(9, 10), split=0)
    how = {"chunks": (2, 5), "shards": (4, 10), "attributes": {"units": "K"}, "dimension_names": ["t", "x"]}
    dnd.io.save(x, path, "deep/er/one", **how)
    dnd.io.save(x + 1, path, "deep/two", mode="a", chunks=(3, 3))
    dnd.io.save(x + 2, path, "deep/er/one", mode="a", **how)
    assert_array_equal(dnd.io.load(path, "deep/er/one", split=1), np.arange(90.0).reshape(9, 10) + 2)
    assert_array_equal(dnd.io.load(path, "/deep/two", split=1), np.arange(90.0).reshape(9, 10) + 1)
    entry = dnd.io.inspect(path)["deep/er/one"]
    assert (entry.shape, entry.chunks, entry.compression) == ((9, 10), (2, 5), "zstd")
    assert entry.attributes == {"units": "K"}
    dnd.io.save(x, path, "")
    assert_array_equal(dnd.io.load(path, split=1), np.arange(90.0).reshape(9, 10))
    assert [child.name for child in shared_path.iterdir()] == ["x.zarr"]


def test_only_what_lies_between_borders_moves(shared_path):
    x = dnd.zeros((SIZE * 100, 1000), split=0)
    with count_collectives() as c:
        dnd.io.save(x, shared_path / "x.zarr", chunks=(50, 1000))
    assert c.bytes < 1000
    with count_collectives() as c:
        dnd.io.save(x, shared_path / "x.zarr", chunks=(96, 1000))
    assert c.bytes < SIZE * 48 * x.itemsize * 1000 + 1000


def test_lists_of_arrays_are_kept_up(shared_path):
    path = shared_path / "x.zarr"
    dnd.io.save(dnd.arange(5, split=0), path, "one", zarr_format=2)
    if RANK == 0:
        zarr.consolidate_metadata(path)
    dnd.get_comm().barrier()
    dnd.io.save(dnd.arange(7, split=0), path, "two", mode="a")
    dnd.get_comm().barrier()
    assert sorted(zarr.open_consolidated(path)) == ["one", "two"]
    assert_array_equal(dnd.io.load(path, "two", split=0), np.arange(7))


def test_what_is_not_ours_is_kept(shared_path):
    if RANK == 0:
        (shared_path / "home.zarr").mkdir()
        (shared_path / "home.zarr" / "letter").write_text("dear")
        (shared_path / "file.zarr").write_text("dear")
    dnd.get_comm().barrier()
    with pytest.raises(FileExistsError, match="of another kind"):
        dnd.io.save(dnd.zeros(3, split=0), shared_path / "home.zarr")
    with pytest.raises(FileExistsError):
        dnd.io.save(dnd.zeros(3, split=0), shared_path / "file.zarr")
    with pytest.raises(NotADirectoryError):
        dnd.io.load(shared_path / "file.zarr")
    dnd.get_comm().barrier()
    assert (shared_path / "home.zarr" / "letter").read_text() == "dear"


def test_what_cannot_be_appended(shared_path):
    path = shared_path / "x.zarr"
    dnd.io.save(dnd.zeros((4, 3), split=0), path)
    for x, axis in ((dnd.zeros((4, 2)), 0), (dnd.zeros((4, 3), dtype="int32"), 0), (dnd.zeros(3), 0)):
        with pytest.raises(ValueError, match="cannot take an array"):
            dnd.io.save(x, path, append=axis)
    with pytest.raises(ValueError, match="`append`"):
        dnd.io.save(dnd.zeros((4, 3)), path, append=2)
    with pytest.raises(FileNotFoundError):
        dnd.io.save(dnd.zeros((4, 3)), shared_path / "none.zarr", append=0)
    assert dnd.io.load(path).shape == (4, 3)


@pytest.mark.parametrize("failing", range(SIZE))
def test_an_append_that_fails_leaves_the_array_as_it_was(shared_path, failing, monkeypatch):
    """And what a run leaves that is killed before the end is passed over, and written anew by the next."""
    path, old = shared_path / "x.zarr", values((7, 30))
    dnd.io.save(dnd.array(old, split=0), path, chunks=(5, 30), compressors=None)
    x = dnd.array(values((300 * SIZE, 30)) + 1, split=0)
    with full_disk(failing, 1100), pytest.raises(OSError) as raised:  # its text is the system's
        dnd.io.save(x, path, append=0)
    assert failing == RANK or f"[raised on rank {failing}]" in str(raised.value)
    assert_array_equal(dnd.io.load(path, split=1), old)
    monkeypatch.setattr(zarr.Array, "resize", lambda *of: 1 / 0)  # as if killed before the last step
    with pytest.raises(ZeroDivisionError):
        dnd.io.save(x, path, append=0)
    monkeypatch.undo()
    assert_array_equal(dnd.io.load(path, split=1), old)
    for _ in range(2):
        dnd.io.save(x[:4], path, append=0)
    expected = values((300 * SIZE, 30))[:4] + 1
    assert_array_equal(dnd.io.load(path, split=1), np.concatenate([old, expected, expected]))
