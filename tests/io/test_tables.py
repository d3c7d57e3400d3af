"""Tables: rows are found by bytes, whatever is quoted; row groups are read by those who need them."""

from __future__ import annotations

import csv as text
import gzip
import io

import numpy as np
import pandas
import pyarrow
import pytest
from dndarray.io import _lines, csv
from file_cases import put
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import dndarray as dnd
from dndarray.testing import assert_array_equal, count_collectives

SIZE = dnd.get_comm().size
RANK = dnd.get_comm().rank


@pytest.mark.parametrize("block", [3, 16, 2**22])
@given(
    fields=st.lists(st.tuples(st.text('a"\n\r,', max_size=6), st.integers(-99, 99)), max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
    final=st.booleans(),
)
def test_rows_are_found_whatever_is_quoted(shared_path, block, fields, ends, blank, final):
    file = io.StringIO()
    writer = text.writer(file, lineterminator=ends, quoting=text.QUOTE_NONNUMERIC)
    for row in fields:
        writer.writerow(row)
        file.write(ends * blank)
    content = file.getvalue() if final else file.getvalue().rstrip("\r\n")
    path = put(shared_path / "x.csv", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lines, "BLOCK", block)
        usecols = [1] if fields else None
        x = dnd.io.load(path, header=False, usecols=usecols, split=0)
        expected = np.array([[number] for _, number in fields], dtype=float).reshape(len(fields), len(usecols or []))
        assert_array_equal(x, expected)
        with csv.open_source(path, header=False, usecols=usecols) as source:
            assert source.shape == expected.shape
    dnd.get_comm().barrier()


def test_fields_and_missing_values(shared_path):
    path = put(shared_path / "x.csv", '"na\nme",b,c\r\n1,"2",3\r\n\r\n4, 5 ,"6"\r\n,nan,-7e3\r\n\n"8","inf",-999')
    expected = [[1, 2, 3], [4, 5, 6], [np.nan, np.nan, -7000], [8, np.inf, -999]]
    assert_array_equal(dnd.io.load(path, split=0), np.array(expected))
    expected[3][2] = np.nan
    assert_array_equal(dnd.io.load(path, split=1, missing=["-999"]), np.array(expected))
    assert_array_equal(dnd.io.load(path, "c", split=0, slices=slice(0, 2)), np.array([3.0, 6.0]))
    assert_array_equal(dnd.io.load(path, usecols=["c", 0], split=0, slices=slice(1, 2)), np.array([[6.0, 4.0]]))
    assert [entry.name for entry in dnd.io.inspect(path)] == ["na\nme", "b", "c"]
    path = put(shared_path / "x.txt", "\ufeffone\n# two\n1;2,5\n3;-4,5\n")
    x = dnd.io.load(path, sep=";", decimal=",", skiprows=1, split=0, dtype="float32")
    assert_array_equal(x, np.array([[1, 2.5], [3, -4.5]], "float32"))
    path = put(shared_path / "large.csv", f"{2**63 - 1},{-(2**63)}\n")
    assert_array_equal(dnd.io.load(path, dtype="int64"), np.array([[2**63 - 1, -(2**63)]]))


@pytest.mark.parametrize(("content", "shape"), [("", (0, 0)), ("a,b\n", (0, 2)), ("\n\n", (0, 0)), ("5", (1, 1))])
def test_small_tables(shared_path, content, shape):
    assert dnd.io.load(put(shared_path / "x.csv", content), split=0).shape == shape


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n4,5\n", r"rows 0 to .*Expected 2 columns, got 1"),
        ("a,b\n1,2\n3,x\n4,5\n", "invalid value 'x'"),
        ("a,b\n1,2\n  \n4,5\n", "Expected 2 columns"),
        ('a,b\n1,"2\n3,4\n', r"rows|columns"),
    ],
)
def test_tables_that_are_wrong(shared_path, content, message):
    path = put(shared_path / "x.csv", content)
    with pytest.raises(ValueError, match=message) as raised:
        dnd.io.load(path)
    assert "x.csv" in str(raised.value)
    with pytest.raises(ValueError, match=r"x\.csv"):
        dnd.io.load(path, split=0)


def test_columns_that_are_not_there(shared_path):
    path = put(shared_path / "x.csv", "a,b\n1,2\n")
    with pytest.raises(KeyError, match=r"no column 'c' in .*\['a', 'b'\]"):
        dnd.io.load(path, "c")
    with pytest.raises(IndexError, match="no column 2"):
        dnd.io.load(path, usecols=[2])
    with pytest.raises(ValueError, match="`header`"):
        dnd.io.save(dnd.zeros((3, 2)), path, header=["a"])


def test_rows_are_appended(shared_path):
    expected = np.arange(12.0).reshape(6, 2)
    for name in ("x.csv", "x.csv.gz"):
        for rows in (expected[:4], expected[4:]):
            dnd.io.save(dnd.array(rows, split=0), shared_path / name, mode="a", header=["a", "b"])
        assert_array_equal(dnd.io.load(shared_path / name, split=0), expected)
        np.testing.assert_array_equal(pandas.read_csv(shared_path / name), expected)


def test_reading_text_needs_few_collectives(shared_path):
    dnd.io.save(dnd.random.normal(size=(1000, 3), split=0), shared_path / "x.csv")
    with count_collectives() as c:
        dnd.io.load(shared_path / "x.csv", split=0)
    assert c.total == 3 * (SIZE > 1)


def test_packed_text_is_unpacked_as_often_as_it_is_needed(shared_path, monkeypatch):
    """Once to count its rows, once to read them, in however many pieces."""
    unpacked = []

    class Counting(gzip.GzipFile):
        def read(self, size=-1):
            content = super().read(size)
            unpacked.append(len(content))
            return content

    monkeypatch.setitem(_lines.PACKED, ".gz", Counting)
    monkeypatch.setattr(_lines, "BLOCK", 2**12)
    monkeypatch.setattr(_lines._Unpacked, "PIECE", 2**10)
    monkeypatch.setattr(csv, "PIECE", 2**10)
    expected = np.arange(30_000.0).reshape(10_000, 3)
    content = "\n".join(",".join(map(repr, row)) for row in expected.tolist())
    path = put(shared_path / "x.csv.gz", gzip.compress(content.encode()))
    batches = list(dnd.io.stream(path, 300))
    assert sum(unpacked) < 2.2 * len(content)
    assert_array_equal(dnd.concatenate(batches), expected)
    assert_array_equal(dnd.io.load(path, split=1, slices=slice(7, None, 5)), expected[7::5])
    dnd.get_comm().barrier()


def test_row_groups(shared_path):
    columns = {"a": np.arange(100), "b": [None, *range(99)], "c": ["x"] * 100, "d": np.arange(100) / 2}
    path = shared_path / "x.parquet"
    if RANK == 0:
        parquet.write_table(pyarrow.table(columns), path, row_group_size=7)
    dnd.get_comm().barrier()
    assert_array_equal(dnd.io.load(path, "a", split=0, slices=np.s_[3::5]), np.arange(100)[3::5])
    expected = np.stack([columns["d"], columns["a"]], axis=1)
    assert_array_equal(dnd.io.load(path, usecols=["d", "a"], split=1, slices=np.s_[20:80]), expected[20:80])
    with pytest.raises(TypeError, match="column 'c'"):
        dnd.io.load(path)
    with pytest.raises(KeyError, match=r"no column 'e'.*\['a', 'b', 'c', 'd'\]"):
        dnd.io.load(path, "e")
    with pytest.raises(ValueError, match="lacks values"):
        dnd.io.load(path, "b", split=0)
    missing = np.array([np.nan, *range(99)])
    assert_array_equal(dnd.io.load(path, "b", split=0, dtype="float64"), missing)
    found = dnd.io.parquet.columns(path, ["a", "d"], split=0)
    assert [(name, x.dtype) for name, x in found.items()] == [("a", dnd.int64), ("d", dnd.float64)]
    assert dnd.io.inspect(path)["c"].dtype == "string"


def test_each_process_reads_its_own_row_groups(shared_path, monkeypatch):
    path, expected = shared_path / "x.parquet", np.arange(40.0 * 3).reshape(40, 3)
    if RANK == 0:
        table = pyarrow.table({name: expected[:, k] for k, name in enumerate("abc")})
        parquet.write_table(table, path, row_group_size=5)
    dnd.get_comm().barrier()
    read, real = [], parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile, "read_row_group", lambda self, i, **how: (read.append(i), real(self, i, **how))[1]
    )
    x = dnd.io.load(path, split=0)
    begin, end = x.layout.box(RANK)[0]
    assert sorted(set(read)) == list(range(begin // 5, -(-end // 5))) and len(read) == len(set(read))
    assert_array_equal(x, expected)


@pytest.mark.parametrize("split", [None, 0, 1])
def test_folders_of_parquet_files(shared_path, split):
    path, expected = shared_path / "x.parquet", np.arange(11.0 * 3).reshape(11, 3)
    x = dnd.array(expected, split=split)
    for part in (x[:2], x[:0], x):
        dnd.io.save(part, path, layout="folder", header=["a", "b", "c"])
        assert_array_equal(dnd.io.load(path, split=split), expected[: len(part)])
    assert_array_equal(dnd.io.load(path, split=1, slices=np.s_[1:10:4, 1:]), expected[1:10:4, 1:])
    assert dnd.io.load(path, "b", split=0).tolist() == expected[:, 1].tolist()
    assert [entry.name for entry in dnd.io.inspect(path)] == ["a", "b", "c"]
    np.testing.assert_array_equal(pandas.read_parquet(path), expected)
    dnd.get_comm().barrier()
    with pytest.raises(FileExistsError):
        dnd.io.save(x, path, layout="folder", mode="x")
    with pytest.raises(ValueError, match="`layout`"):
        dnd.io.save(x, shared_path / "x.feather", layout="folder")
    put(path / "part-9.parquet", b"PAR1")
    with pytest.raises(OSError, match=r"part-9\.parquet"):
        dnd.io.load(path, split=0)


def test_columns_that_arrays_cannot_hold(shared_path):
    path = shared_path / "x.parquet"
    if RANK == 0:
        pandas.DataFrame({"x": [1.0], "when": pandas.to_datetime(["2020"]), "name": ["a"]}).to_parquet(path)
    dnd.get_comm().barrier()
    for name, kind in (("when", r"timestamp\["), ("name", "(large_)?string")):
        with pytest.raises(TypeError, match=f"column '{name}' .* holds {kind}.*name other columns by `usecols`"):
            dnd.io.load(path, name)
    assert dnd.io.load(path, usecols=["x"], split=0).tolist() == [[1.0]]
    dnd.get_comm().barrier()
