"""Matrix Market and NPZ files, against SciPy's own readers and writers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from faults import full_disk

import dndarray as dnd
from dndarray.errors import agreed

DATA = os.environ.get("DNDARRAY_TEST_DATA")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One folder for all ranks."""
    return Path(dnd.get_comm().broadcast_object(str(tmp_path)))


def written(path: Path, text: str) -> Path:
    """A file that rank 0 writes."""
    comm = dnd.get_comm()
    with agreed(comm):
        if comm.rank == 0:
            path.write_text(text)
    return path


def oracle(path: Path) -> np.ndarray:
    found = scipy.io.mmread(path)
    return found.toarray() if sp.issparse(found) else np.asarray(found)


COORDINATE = {
    "general": "%%MatrixMarket matrix coordinate real general\n% note\n\n3 4 4\n1 1 1.5\n2 4 -2e-3\n\n3 2 7\n3 2 1\n",
    "pattern": "%%MatrixMarket matrix coordinate pattern symmetric\n%%GraphBLAS type bool\n3 3 3\n1 1\n3 1\n3 2\n",
    "skew": "%%MatrixMarket matrix coordinate integer skew-symmetric\n3 3 2\n2 1 4\n3 2 -5\n",
    "hermitian": "%%MatrixMarket matrix coordinate complex hermitian\n2 2 2\n1 1 1 0\n2 1 3 4",
    "empty": "%%MatrixMarket matrix coordinate real general\n5 3 0\n",
    "dense": "%%MatrixMarket matrix array real general\n2 3\n1\n2\n0\n4\n5\n6\n",
    "dense symmetric": "%%MatrixMarket matrix array real symmetric\n3 3\n1\n2\n3\n4\n5\n6\n",
    "dense skew": "%%MatrixMarket matrix array integer skew-symmetric\n3 3\n1\n2\n3\n",
}


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("name", COORDINATE)
def test_reads_every_header(name: str, split: int | None, folder: Path) -> None:
    path = written(folder / "a.mtx", COORDINATE[name])
    text = "\n".join(line for line in COORDINATE[name].split("\n") if not line.startswith("%%GraphBLAS"))
    expected = oracle(written(folder / "b.mtx", text))
    A = dnd.sparse.mmread(path, split=split)
    assert A.split == split
    np.testing.assert_array_equal(A.toarray(), expected)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 2\n2 two 3\n", 4),
        ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 2\n\n2 2\n", 5),
        ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 2 9\n2 2 1\n", 3),
        ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 2\n4 2 1\n", 4),
        ("%%MatrixMarket matrix coordinate real general\n3 3 3\n1 1 2\n2 2 1\n", 2),
        ("%%MatrixMarket matrix coordinate real general\n3 3\n1 1 2\n", 2),
        ("%%MatrixMarket matrix coordinate quaternion general\n3 3 0\n", 1),
        ("%%MatrixMarket matrix coordinate real symmetric\n% note\n3 4 0\n", 3),
        ("hello\n", 1),
    ],
)
def test_malformed_lines_are_named_alike_on_all_ranks(text: str, line: int, folder: Path) -> None:
    path = written(folder / "bad.mtx", text)
    with pytest.raises(ValueError, match=rf"line {line}:") as error:
        dnd.sparse.mmread(path, split=0)
    messages = dnd.get_comm().allgather_object(str(error.value).partition("] ")[2] or str(error.value))
    assert len(set(messages)) == 1, messages


def test_missing_file(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dnd.sparse.mmread(folder / "none.mtx")


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "int64"])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_what_is_written_is_read_again(split: int | None, dtype: str, folder: Path) -> None:
    M = sp.random_array((17, 9), density=0.3, rng=np.random.default_rng(0), format="csr")
    M = (M * 100).astype(dtype)
    A = dnd.sparse.csr_array(M, split=split)
    dnd.sparse.mmwrite(folder / "a.mtx", A, comment="two\nlines")
    np.testing.assert_array_equal(oracle(folder / "a.mtx").astype(dtype), M.toarray())
    np.testing.assert_array_equal(dnd.sparse.mmread(folder / "a.mtx", split=0, dtype=dtype).toarray(), M.toarray())
    for compressed in (True, False):
        dnd.sparse.save_npz(folder / "a.npz", A, compressed)
        loaded = sp.load_npz(folder / "a.npz")
        assert isinstance(loaded, sp.sparray)
        assert loaded.format == ("csr", "csc")[A.major]
        np.testing.assert_array_equal(loaded.toarray(), M.toarray())
        for other in (None, 0, 1):
            B = dnd.sparse.load_npz(folder / "a.npz", split=other)
            assert (B.split, B.dtype) == (other, A.dtype)
            np.testing.assert_array_equal(B.toarray(), M.toarray())
    assert [p.name for p in folder.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_reads_scipys_npz(form: str, folder: Path) -> None:
    M = sp.random_array((12, 8), density=0.3, rng=np.random.default_rng(0)).asformat(form)
    comm = dnd.get_comm()
    with agreed(comm):
        if comm.rank == 0:
            sp.save_npz(folder / "b.npz", M)
    for split in (None, 0, 1):
        A = dnd.sparse.load_npz(folder / "b.npz", split=split)
        assert A.split == split
        np.testing.assert_array_equal(A.toarray(), M.toarray())


@pytest.mark.skipif(DATA is None, reason="DNDARRAY_TEST_DATA names no folder of test data")
@pytest.mark.parametrize("name", ["1138_bus", "west0067", "bcsstk13", "add32"])
def test_real_matrices(name: str) -> None:
    path = Path(str(DATA)) / "sparse" / f"{name}.mtx"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the test data")
    M = scipy.io.mmread(path).tocsr()
    A = dnd.sparse.mmread(path, split=0)
    x = np.random.default_rng(0).standard_normal(A.shape[1])
    np.testing.assert_allclose((A @ dnd.array(x, split=0)).numpy(), M @ x, rtol=1e-12, atol=1e-9 * abs(M).max())
    np.testing.assert_allclose((A.T @ dnd.array(x, split=0)).numpy(), M.T @ x, rtol=1e-12, atol=1e-9 * abs(M).max())
    assert abs(A.to_scipy() - M).max() == 0


@pytest.mark.parametrize("failing", [0, dnd.get_comm().size - 1])
@pytest.mark.parametrize(
    ("save", "load", "name"),
    [(dnd.sparse.save_npz, dnd.sparse.load_npz, "a.npz"), (dnd.sparse.mmwrite, dnd.sparse.mmread, "a.mtx")],
)
def test_a_disk_that_is_full_leaves_the_old_file_whole(save, load, name, failing: int, folder: Path) -> None:
    path = folder / name
    old = dnd.sparse.poisson(5, split=0)
    save(path, old)
    if failing and name.endswith("npz"):
        pytest.skip("one process writes")
    with full_disk(failing), pytest.raises(OSError):  # its text is the operating system's
        save(path, dnd.sparse.poisson(300, 300, split=0))
    dnd.get_comm().barrier()
    assert os.listdir(folder) == [name]
    np.testing.assert_array_equal(load(path).toarray(), old.toarray())
    dnd.get_comm().barrier()
