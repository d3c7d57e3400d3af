"""HDF5: what is saved in any layout is loaded in any layout, and a failing write harms nothing."""

from __future__ import annotations

import math
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from dndarray.io import _parts
from faults import full_disk
from file_cases import names_in, spread, two_layouts, values
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
DTYPES = [name for name in dnd.__all__ if isinstance(getattr(dnd, name), torch.dtype) and name != "bfloat16"]


@given(two_layouts(), st.sampled_from(DTYPES))
def test_what_is_saved_in_one_layout_is_loaded_in_another(shared_path, layouts, dtype):
    source, target = layouts
    expected = values(source.shape, dtype)
    dnd.io.save(spread(expected, source), shared_path / "x.h5")
    with h5py.File(shared_path / "x.h5") as file:
        np.testing.assert_array_equal(file["data"], expected, strict=True)
    loaded = dnd.io.load(shared_path / "x.h5", split=target.axes, grid=target.grid)
    assert loaded.layout is target
    assert_array_equal(loaded, expected)


def test_transposed_and_conjugate_parts(shared_path):
    expected = values((5, 3), "complex128")
    x = dnd.array(expected, split=0)
    dnd.io.save(dnd.conj(x).T, shared_path / "x.h5")
    assert_array_equal(dnd.io.load(shared_path / "x.h5", split=0), expected.conj().T)


def test_pieces_smaller_than_a_part(shared_path, monkeypatch):
    monkeypatch.setattr(_parts, "SLAB", 64)
    expected = values((23, 11))
    for options in ({}, {"chunks": (23, 1)}, {"chunks": (4, 5), "compression": "gzip"}):
        dnd.io.save(dnd.array(expected, split=1), shared_path / "x.h5", **options)
        for split in (None, 0, 1):
            assert_array_equal(dnd.io.load(shared_path / "x.h5", split=split), expected)


@given(st.data())
def test_slabs_cover_a_box_once_and_keep_chunks_together(data):
    box = tuple(
        (a, a + n) for a, n in data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), max_size=3))
    )
    units = [data.draw(st.integers(1, 12)) for _ in box]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "SLAB", data.draw(st.integers(1, 2000)))
        found = list(_parts.slabs(box, 8, units))
        limit = max(_parts.SLAB, 8 * math.prod(units))
    hits = np.zeros([stop for _, stop in box], dtype=int)
    for slab in found:
        hits[tuple(slice(*interval) for interval in slab)] += 1
        assert 8 * math.prod(stop - start for start, stop in slab) <= limit
        for (start, stop), (first, last), unit in zip(slab, box, units, strict=True):
            assert (start == first or start % unit == 0) and (stop == last or stop % unit == 0)
    assert hits.sum() == math.prod(stop - start for start, stop in box)
    assert hits.max() == 1


# --- what is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0, 1])
def test_each_process_reads_its_own_part_only(shared_path, monkeypatch, split):
    expected = values((13, 10))
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.h5")
    read = []
    read_direct = h5py.Dataset.read_direct
    monkeypatch.setattr(
        h5py.Dataset, "read_direct", lambda self, to, *of: (read.append(to.size), read_direct(self, to, *of))
    )
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)  # no other way to read
    with count_collectives() as c:
        x = dnd.io.load(shared_path / "x.h5", split=split)
    assert sum(read) == math.prod(x.layout.lshape(RANK))
    assert c.total == (SIZE > 1)
    assert_array_equal(x, expected)


def test_writing_gathers_nothing(shared_path):
    x = dnd.zeros((1000, 100), split=0)
    with count_collectives() as c:
        dnd.io.save(x, shared_path / "x.h5")
    assert c.bytes < 100
    assert c.total < 10


def test_of_equal_parts_one_is_written(shared_path):
    x = dnd.array(values((6, 4)), split=(0, None), grid=(1, SIZE))
    assert _parts.writers(x.layout) == [0]
    if SIZE == 4:
        assert _parts.writers(dnd.zeros((6, 4), split=(None, 1), grid=(2, 2)).layout) == [0, 1]
        assert _parts.writers(dnd.zeros((1, 4), split=(0, None), grid=(2, 2)).layout) == [0]


def test_the_type_is_the_file_s_unless_asked_otherwise(shared_path):
    dnd.io.save(dnd.array(values((7,), "int16"), split=0), shared_path / "x.h5")
    assert dnd.io.load(shared_path / "x.h5").dtype is dnd.int16
    for dtype in ("float32", "bfloat16", "complex64", "int64"):
        x = dnd.io.load(shared_path / "x.h5", dtype=dtype, split=0)
        assert x.dtype is getattr(dnd, dtype)
        assert_array_equal(x.astype("int16"), values((7,), "int16"))


def test_the_order_of_bytes_does_not_matter(shared_path):
    expected = values((9,), "float32")
    if RANK == 0:
        with h5py.File(shared_path / "x.h5", "w") as file:
            file["data"] = expected.astype(">f4")
    dnd.get_comm().barrier()
    assert_array_equal(dnd.io.load(shared_path / "x.h5", split=0), expected)


@pytest.mark.parametrize(
    "slices", [np.s_[2:7], np.s_[::3, 1:], np.s_[..., 2:4], np.s_[9:20:2, ..., -3:], np.s_[4:4], np.s_[...]]
)
def test_slices(shared_path, slices):
    expected = values((11, 2, 6))
    dnd.io.save(dnd.array(expected, split=0), shared_path / "x.h5", chunks=(3, 1, 4))
    for split in (None, 0, 2):
        assert_array_equal(dnd.io.load(shared_path / "x.h5", split=split, slices=slices), expected[slices])


@pytest.mark.parametrize("slices", [3, np.s_[::-1], np.s_[1, :], (slice(None),) * 3])
def test_slices_that_are_not_understood(shared_path, slices):
    dnd.io.save(dnd.zeros((4, 4)), shared_path / "x.h5")
    with pytest.raises(ValueError, match="slices"):
        dnd.io.load(shared_path / "x.h5", slices=slices)


# --- names --------------------------------------------------------------------------------------------------


def test_groups_and_the_only_dataset(shared_path):
    dnd.io.save(dnd.arange(5, split=0), shared_path / "x.HDF5", "a/b/c")
    assert_array_equal(dnd.io.load(str(shared_path / "x.HDF5"), split=0), np.arange(5))
    assert_array_equal(dnd.io.hdf5.load(shared_path / "x.HDF5", "a/b/c", split=0), np.arange(5))


def test_a_file_that_is_written_to_keeps_what_else_it_has(shared_path):
    path = shared_path / "x.h5"
    dnd.io.save(dnd.arange(5, split=0), path, "old")
    dnd.io.save(dnd.arange(7, split=0), path, "new", mode="a")
    dnd.io.save(dnd.arange(9, split=0), path, "new", mode="a")
    assert_array_equal(dnd.io.load(path, "old", split=0), np.arange(5))
    assert_array_equal(dnd.io.load(path, "new", split=0), np.arange(9))
    dnd.io.save(dnd.arange(3, split=0), path, "newest", mode="w")
    with pytest.raises(KeyError, match=r"no dataset 'old'.*which has \['newest'\]"):
        dnd.io.load(path, "old")


def test_what_cannot_be_asked_for(shared_path):
    path = shared_path / "x.h5"
    dnd.io.save(dnd.zeros(3, dtype="complex64"), path, "group/one")
    dnd.io.save(dnd.zeros(3), path, "two", mode="a")
    with pytest.raises(ValueError, match=r"must say which.*\['group/one', 'two'\]"):
        dnd.io.load(path)
    with pytest.raises(KeyError, match=r"no dataset 'group'.*\['group/one', 'two'\]"):
        dnd.io.load(path, "group")
    with pytest.raises(ValueError, match=r"`split` \(=1\)"):
        dnd.io.load(path, "two", split=1)
    with pytest.raises(TypeError, match="must be complex"):
        dnd.io.load(path, "group/one", dtype="float32")
    with pytest.raises(ValueError, match="mean the same"):
        dnd.io.load(path, "two", variable="two")
    with pytest.raises(ValueError, match="is a group"):
        dnd.io.save(dnd.zeros(3), path, "group", mode="a")
    with pytest.raises(ValueError, match="`mode`"):
        dnd.io.save(dnd.zeros(3), path, mode="r+")
    with pytest.raises(TypeError, match="bfloat16"):
        dnd.io.save(dnd.zeros(3, dtype="bfloat16", split=0), path)
    assert_array_equal(dnd.io.load(path, "two"), np.zeros(3, dtype="float32"))


@pytest.mark.parametrize("content", ["text", h5py.Empty("f4"), np.zeros(2, dtype="f4, i4")])
def test_what_no_array_can_hold(shared_path, content):
    if RANK == 0:
        with h5py.File(shared_path / "x.h5", "w") as file:
            file["odd"] = content
    dnd.get_comm().barrier()
    with pytest.raises((TypeError, ValueError), match=r"dataset '/odd' in .*x\.h5"):
        dnd.io.load(shared_path / "x.h5", "odd")


def test_suffixes(shared_path):
    for name in ("x.xyz", "x"):
        with pytest.raises(ValueError, match=r"must end in one of \.h5, \.hdf5, \.nc, \.nc4"):
            dnd.io.load(shared_path / name)
        with pytest.raises(ValueError, match="must end in one of"):
            dnd.io.save(dnd.zeros(3), shared_path / name)


def test_a_package_that_is_missing_is_named(shared_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py: pip install 'dndarray\[io\]'"):
        dnd.io.load(shared_path / "x.h5")
    with pytest.raises(ImportError, match=r"needs h5py: pip install 'dndarray\[io\]'"):
        dnd.io.save(dnd.zeros(3), shared_path / "x.h5")


# --- failures -----------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(shared_path):
    dnd.io.save(dnd.zeros((50, 50)), shared_path / "whole.h5")
    if RANK == 0:
        content = (shared_path / "whole.h5").read_bytes()
        (shared_path / "half.h5").write_bytes(content[: len(content) // 2])
        (shared_path / "text.h5").write_text("no HDF5")
        (shared_path / "folder.h5").mkdir()
    dnd.get_comm().barrier()
    began = time.monotonic()
    for name, error in {
        "none.h5": FileNotFoundError,
        "folder.h5": IsADirectoryError,
        "half.h5": OSError,
        "text.h5": OSError,
    }.items():
        with pytest.raises(error, match=name) as raised:
            dnd.io.load(shared_path / name, split=0)
        assert raised.type is error
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_file_that_one_process_cannot_see(shared_path, where):
    dnd.io.save(dnd.zeros(8), shared_path / "x.h5")
    path = shared_path / "x.h5" if (0 if where == "first" else SIZE - 1) != RANK else shared_path / "no.h5"
    with pytest.raises(FileNotFoundError, match=r"no\.h5"):
        dnd.io.load(path, split=0)


def test_folders_that_cannot_be_written_to(shared_path):
    with pytest.raises(FileNotFoundError, match="folder to write into"):
        dnd.io.save(dnd.zeros(3, split=0), shared_path / "none" / "x.h5")
    if RANK == 0:
        (shared_path / "x.h5").mkdir()
    dnd.get_comm().barrier()
    with pytest.raises(IsADirectoryError):
        dnd.io.save(dnd.zeros(3, split=0), shared_path / "x.h5")
    assert names_in(shared_path) == ["x.h5"]


@pytest.mark.parametrize("how", [{}, {"chunks": (100, 50)}], ids=["one block", "chunks"])
@pytest.mark.parametrize("mode", ["w", "a"])
@pytest.mark.parametrize("failing", range(SIZE))
def test_a_write_that_fails_leaves_the_old_file_whole(shared_path, how, mode, failing):
    """A disk that is full for one process: really, the operating system refuses what is over a limit."""
    path = shared_path / "x.h5"
    old = values((5, 4))
    dnd.io.save(dnd.array(old, split=0), path)
    before = path.read_bytes()
    x = dnd.zeros((SIZE * 1000, 50), split=0, dtype="float64")
    with full_disk(failing, 100_000), pytest.raises(OSError) as raised:  # its text is the system's
        dnd.io.save(x, path, mode=mode, **how)
    assert failing == RANK or f"[raised on rank {failing}]" in str(raised.value)
    assert names_in(shared_path) == ["x.h5"]
    assert path.read_bytes() == before
    dnd.io.save(x, path, mode=mode)  # and nothing is left behind that would keep the next one from it
    assert_array_equal(dnd.io.load(path, split=0), np.zeros((SIZE * 1000, 50)))


def test_a_link_stays_a_link_and_permissions_stay(shared_path):
    target, link = shared_path / "target.h5", shared_path / "link.h5"
    dnd.io.save(dnd.zeros(3, split=0), target)
    if RANK == 0:
        target.chmod(0o640)
        link.symlink_to(target)
    dnd.get_comm().barrier()
    dnd.io.save(dnd.arange(4, split=0), link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert_array_equal(dnd.io.load(target, split=0), np.arange(4))
    assert names_in(shared_path) == ["link.h5", "target.h5"]


# --- virtual datasets and appending -------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0, 1])
def test_a_file_per_process_under_a_virtual_dataset(shared_path, split):
    path, expected = shared_path / "x.h5", values((13, 10))
    x = dnd.array(expected, split=split)
    for _ in range(2):
        dnd.io.save(x, path, layout="virtual", compression="gzip", chunks=(1, 1))
        assert_array_equal(dnd.io.load(path, split=0), expected)
    dnd.io.save(x[:3], path, "group/other", mode="a", layout="virtual")
    assert_array_equal(dnd.io.load(path, "data", split=1), expected)
    assert_array_equal(dnd.io.load(path, "group/other", split=1), expected[:3])
    if RANK == 0:
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["data"], expected)
    assert dnd.io.inspect(path)["data"].compression == "virtual"
    folders = [name for name in names_in(shared_path) if name != "x.h5"]
    assert len(folders) == 2
    dnd.io.save(x, path)
    assert names_in(shared_path) == ["x.h5"]  # the parts of what is replaced are removed


def test_parts_that_are_missing_are_no_zeros(shared_path):
    dnd.io.save(dnd.ones((8, 2), split=0), shared_path / "x.h5", layout="virtual")
    if RANK == 0:
        next(shared_path.glob("x.h5.*.parts/0.h5")).unlink()
    dnd.get_comm().barrier()
    with pytest.raises(FileNotFoundError, match="a part of the virtual dataset"):
        dnd.io.load(shared_path / "x.h5", split=0)
    with pytest.raises(ValueError, match="`layout`"):
        dnd.io.save(dnd.ones(3), shared_path / "x.h5", layout="real")


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements_are_appended(shared_path, axis):
    path, expected = shared_path / "x.h5", values((7, 5))
    dnd.io.save(dnd.arange(3, split=0), path, "kept")
    for split in (0, 1, None):
        dnd.io.save(dnd.array(expected, split=split), path, "grown", append=axis, compression="gzip")
    assert_array_equal(dnd.io.load(path, "grown", split=0), np.concatenate([expected] * 3, axis=axis))
    assert_array_equal(dnd.io.load(path, "kept", split=0), np.arange(3))
    for x, message in (
        (dnd.zeros((3, 3)), "cannot take an array of"),
        (dnd.zeros((7, 5), dtype="int32"), "cannot take an array of"),
    ):
        with pytest.raises(ValueError, match=message):
            dnd.io.save(x, path, "grown", append=axis)
    with pytest.raises(ValueError, match="cannot grow along axis 0"):
        dnd.io.save(dnd.zeros(3, dtype="int64"), path, "kept", append=0)
    with pytest.raises(ValueError, match="`append`"):
        dnd.io.save(dnd.zeros(3, dtype="int64"), path, "kept", append=1)


def test_several_arrays_at_once(shared_path, monkeypatch):
    path, x = shared_path / "x.h5", values((7, 5))
    dnd.io.save(dnd.ones(2), path, "old")
    monkeypatch.setattr("shutil.copyfile", None)  # nothing is copied
    dnd.io.hdf5.save_all({"x": dnd.array(x, split=0), "group/y": dnd.array(x, split=1), "n": 3}, path)
    assert [entry.name for entry in dnd.io.inspect(path)] == ["group/y", "n", "x"]
    for name, expected in (("x", x), ("group/y", x), ("n", 3)):
        assert_array_equal(dnd.io.load(path, name), expected)
    with pytest.raises(TypeError, match="bfloat16"):
        dnd.io.hdf5.save_all({"x": 1.0, "y": dnd.ones(3, dtype="bfloat16")}, path)
    assert_array_equal(dnd.io.load(path, "x"), x)


def test_text_is_no_array(shared_path):
    path = shared_path / "x.h5"
    if RANK == 0:
        with h5py.File(path, "w") as file:
            file["name"] = ["a", "b"]
    dnd.get_comm().barrier()
    assert dnd.io.inspect(path)["name"].dtype == "text"
    with pytest.raises(TypeError, match="dataset '/name' in .* holds text, which no array type corresponds to"):
        dnd.io.load(path)
    dnd.get_comm().barrier()
