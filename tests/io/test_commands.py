"""`python -m dndarray inspect`: what is in files, printed once."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import dndarray as dnd
from dndarray import __main__ as commands

RANK = dnd.get_comm().rank


@pytest.fixture
def inspect():
    """Run the command on every rank; what it printed here, and its status."""

    def run(*arguments):
        result = CliRunner().invoke(commands.main, ["inspect", *map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return run


def test_the_tables_of_files_are_printed_once(inspect, shared_path):
    a, b = shared_path / "a.h5", shared_path / "b.zarr"
    dnd.io.save(dnd.zeros((6, 4), split=0), a, "group/x", chunks=(3, 4), compression="gzip")
    dnd.io.save(dnd.arange(5, split=0), b, attributes={"units": "K"})
    result = inspect(a, b)
    assert result.exit_code == 0
    if RANK > 0:
        assert result.output == ""
        return
    assert result.output == f"{dnd.io.inspect(a)}\n\n{dnd.io.inspect(b)}\n"
    for words in ("group/x", "(6, 4)", "float32", "(3, 4)", "gzip", "units='K'"):
        assert words in result.output


def test_what_cannot_be_read_does_not_keep_from_the_rest(inspect, shared_path):
    path = shared_path / "x.npy"
    dnd.io.save(dnd.zeros(3), path)
    result = inspect(shared_path / "none.h5", shared_path / "x.unknown", path)
    if RANK == 0:
        assert result.exit_code == 1
        assert "none.h5" in result.stderr and "must end in one of" in result.stderr
        assert result.stdout.strip() == str(dnd.io.inspect(path))


def test_no_files(inspect):
    assert inspect().exit_code == 2
