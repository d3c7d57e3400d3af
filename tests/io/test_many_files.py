"""Patterns, folders and sequences of files: one array, of which each process reads its own part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import dndarray as dnd
from dndarray.testing import assert_array_equal

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank
WHOLE = np.arange(240.0).reshape(24, 5, 2)


@pytest.fixture(params=[".npy", ".npz", ".h5", ".nc", ".zarr"])
def runs(request: pytest.FixtureRequest, shared_path: Path) -> str:
    """Files of unequal lengths, one of them empty, in an order that is not that of letters; a pattern for them."""
    if request.param == ".nc":  # which has no axes of length 0 that others share
        cuts = [(0, 3), (3, 14), (14, 24)]
    else:
        cuts = [(0, 3), (3, 3), (3, 14), (14, 24)]
    for i, (start, stop) in enumerate(cuts):
        dnd.io.save(dnd.array(WHOLE[start:stop], split=0), shared_path / f"run_{i + 8}{request.param}")
    dnd.get_comm().barrier()
    return f"{shared_path}/run_*{request.param}"


def test_files_are_joined(runs):
    for path in (runs, Path(runs).parent):
        for split in (None, 0, 2):
            assert_array_equal(dnd.io.load(path, split=split), WHOLE)
    first = runs.replace("*", "8")
    for axis in (0, 1, -1):
        x = dnd.io.load([first, first], None if runs.endswith(".npy") else "data", axis=axis, split=1)
        assert_array_equal(x, np.concatenate([WHOLE[:3]] * 2, axis=axis))
    for axis in (0, 3):
        x = dnd.io.load([first, Path(first)], axis=axis, stack=True, split=0, dtype="float32")
        assert_array_equal(x, np.stack([WHOLE[:3]] * 2, axis=axis).astype("float32"))


@given(start=st.integers(0, 24), stop=st.integers(0, 24), step=st.integers(1, 9), rest=st.integers(1, 5))
def test_slices_across_files(shared_path, start, stop, step, rest):
    for i, (first, last) in enumerate([(0, 3), (3, 4), (4, 4), (4, 24)]):
        if not (shared_path / f"{i}.npy").exists():
            dnd.io.save(dnd.array(WHOLE[first:last], split=0), shared_path / f"{i}.npy")
    slices = np.s_[start:stop:step, :rest]
    assert_array_equal(dnd.io.load(shared_path, split=0, slices=slices), WHOLE[slices])


def test_what_cannot_be_joined(shared_path):
    for name, shape in {"a.npy": (3, 4), "b.npy": (3, 5), "c.npy": (2, 4)}.items():
        dnd.io.save(dnd.zeros(shape, split=0), shared_path / name)
    a, b, c = (shared_path / f"{name}.npy" for name in "abc")
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(3, 5\).*joined along axis 0"):
        dnd.io.load([a, b])
    with pytest.raises(ValueError, match="cannot be stacked"):
        dnd.io.load([a, c], stack=True)
    with pytest.raises(ValueError, match="`axis`"):
        dnd.io.load([a, c], axis=2)
    with pytest.raises(FileNotFoundError, match="no file"):
        dnd.io.load(shared_path / "*.h5")
    with pytest.raises(FileNotFoundError, match=r"d\.npy"):
        dnd.io.load([a, shared_path / "d.npy"])
    if RANK == 0:
        c.write_bytes(a.read_bytes()[:100])
    dnd.get_comm().barrier()
    with pytest.raises(OSError, match=r"c\.npy"):
        dnd.io.load([a, c])


def test_folders_of_images(shared_path):
    frames = np.random.default_rng(0).integers(0, 255, (7, 6, 5, 3)).astype("uint8")
    if RANK == 0:
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(shared_path / f"{i}.png")
    dnd.get_comm().barrier()
    for split in range(4):
        assert_array_equal(dnd.io.load(shared_path, stack=True, split=split), frames)
    grey = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames])
    assert_array_equal(dnd.io.load(shared_path, stack=True, mode="L", split=0), grey)
    dnd.io.save(dnd.array(frames, split=2), shared_path / "all.tif")
    assert_array_equal(dnd.io.load(shared_path / "all.tif", split=0, slices=np.s_[1::2, :4]), frames[1::2, :4])
    assert dnd.io.inspect(shared_path / "all.tif")[0].shape == (7, 6, 5, 3)


def test_streams_and_sources_know_many_files(shared_path):
    from dndarray.io import _formats

    for i in range(2):
        dnd.io.save(dnd.arange(3, split=0), shared_path / f"{i}.npy")
    with _formats.prepared(f"{shared_path}/*.npy", comm=dnd.get_comm())() as source:
        target = np.empty(6, "int64")
        source.read_into((slice(0, 6),), target)
    np.testing.assert_array_equal(target, [0, 1, 2, 0, 1, 2])
