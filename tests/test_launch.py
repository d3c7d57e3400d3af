"""How a run begins, and how it ends if something goes wrong on one rank only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from launching import run_ranks

import dndarray as dnd
from dndarray.communication import Communicator
from dndarray.errors import agreed
from dndarray.launch import call_site
from dndarray.testing import agreed_assert, assert_allclose, count_collectives

# --- what one rank alone meets ------------------------------------------------------------------------------------


@pytest.fixture
def comm() -> Communicator:
    return dnd.get_comm()


@pytest.fixture(autouse=True)
def in_step(comm: Communicator) -> Iterator[None]:
    """All ranks leave a test together, whatever each of them has met in it."""
    yield
    assert comm.allreduce(torch.ones(1)).item() == comm.size


def fail(comm: Communicator, guilty: int, error: BaseException) -> Exception:
    """What this rank gets to see if the guilty one meets this error."""
    with pytest.raises(Exception) as caught, agreed(comm):
        if comm.rank == guilty:
            raise error
    return caught.value


@pytest.mark.parametrize("error", [ValueError("bad value"), KeyError("key"), ZeroDivisionError(), MemoryError("all")])
def test_an_error_on_one_rank_is_an_error_on_all(comm: Communicator, error: Exception) -> None:
    for guilty in range(comm.size):
        seen = fail(comm, guilty, error)
        assert type(seen) is type(error)
        if comm.rank == guilty:
            assert seen is error
        else:
            assert f"[raised on rank {guilty}] {error}" in str(seen)
    comm.barrier()


def test_a_missing_file_says_its_name_everywhere(comm: Communicator, tmp_path: Path) -> None:
    guilty = comm.size - 1
    with pytest.raises(FileNotFoundError) as caught, agreed(comm):
        if comm.rank == guilty:
            open("/there/is/no/such.file")  # noqa: SIM115
    assert caught.value.errno == 2
    assert caught.value.filename == "/there/is/no/such.file"
    assert "No such file" in str(caught.value)
    if comm.rank != guilty:
        assert f"[raised on rank {guilty}]" in str(caught.value)
    assert str(fail(comm, 0, OSError("no number"))).endswith("no number")


class TwoPartsError(Exception):
    """Cannot be made from a message alone, nor unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class TwoPartsOSError(OSError):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(5, f"{one} and {two}")


@pytest.mark.parametrize("kind", [TwoPartsError, TwoPartsOSError])
def test_errors_that_cannot_travel(comm: Communicator, kind: type[Exception]) -> None:
    class Local(ValueError):
        """Has no name to be found by."""

    for error in (kind("one", "two"), Local("one and two")):
        seen = fail(comm, 0, error)
        assert "one and two" in str(seen)
        if comm.rank > 0:
            assert type(error).__name__ in f"{type(seen).__name__}: {seen}"
            assert "rank 0" in str(seen)


def test_errors_that_take_more_than_a_message(comm: Communicator) -> None:
    seen = fail(comm, 0, UnicodeDecodeError("utf8", b"\xff", 0, 1, "wrong byte"))
    assert "wrong byte" in str(seen)
    assert isinstance(seen, UnicodeDecodeError) or "UnicodeDecodeError" in str(seen)


def test_several_errors(comm: Communicator) -> None:
    """Who failed raises what it met, the others what the first one met."""
    with pytest.raises((ValueError, TypeError)) as caught, agreed(comm):
        if comm.rank < 2:
            raise (ValueError, TypeError)[comm.rank]("met")
    assert type(caught.value) is (TypeError if comm.rank == 1 else ValueError)
    assert str(caught.value) == ("met" if comm.rank < 2 else "[raised on rank 0] met")


def test_no_error(comm: Communicator) -> None:
    with count_collectives() as c, agreed(comm):
        pass
    assert c.calls == ({} if comm.size == 1 else {"Allgather": 1})
    agreed_assert(True)
    with pytest.raises(AssertionError, match="only here"):
        agreed_assert(comm.rank != comm.size - 1, "only here")


def test_interrupts_are_not_held_up(comm: Communicator) -> None:
    with pytest.raises(KeyboardInterrupt), agreed(comm):
        raise KeyboardInterrupt


def test_asserts_on_arrays_are_agreed(comm: Communicator) -> None:
    x = dnd.arange(5, split=0)
    assert_allclose(x, [0, 1, 2, 3, 4])
    with pytest.raises(AssertionError, match="Not equal|Mismatch"):
        assert_allclose(x, [0, 1, 2, 3, 5])
    with pytest.raises(AssertionError, match=r"shape \(5,\) is not \(4,\)"):
        assert_allclose(x, [0, 1, 2, 3])


def test_the_call_site_is_the_users_line() -> None:
    assert f"{__file__}:" in call_site()
    assert call_site().endswith("in test_the_call_site_is_the_users_line")


# --- exceptions that nobody catches -------------------------------------------------------------------------------


@pytest.mark.serial
def test_an_uncaught_exception_ends_the_run() -> None:
    code = """
import dndarray as dnd

def deep_inside():
    return 1 / 0

comm = dnd.get_comm()
comm.barrier()
if comm.rank == 1:
    deep_inside()
comm.barrier()
print("not reached")
"""
    done = run_ranks(3, code, timeout=40)
    assert done.returncode != 0
    assert "[rank 1/3] uncaught exception, ending the run:" in done.stderr
    assert "in deep_inside" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "not reached" not in done.stdout


@pytest.mark.serial
def test_the_hook_can_be_left_out() -> None:
    code = """
import os, sys
from mpi4py import MPI
if MPI.COMM_WORLD.rank == 1:
    os.environ["DNDARRAY_ABORT"] = "0"
if MPI.COMM_WORLD.rank == 2:
    sys.ps1 = ">>> "
import dndarray as dnd
before = sys.excepthook is sys.__excepthook__
everyone = dnd.get_comm().allgather_object((before, sys.excepthook is sys.__excepthook__))
if dnd.get_comm().rank == 0:
    print(everyone)
"""
    done = run_ranks(3, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(True, False), (True, True), (True, True)]"


# --- hangs --------------------------------------------------------------------------------------------------------


@pytest.mark.serial
def test_a_hang_says_where_each_rank_is_and_ends() -> None:
    code = """
import time, torch
import dndarray as dnd
comm = dnd.get_comm()
x = dnd.arange(5, split=0)
x.sum(); x.resplit(None); comm.broadcast(torch.ones(3))
def waits_in_broadcast():
    comm.broadcast(torch.ones(3), 1)
def waits_in_sum():
    x.sum()
def computes():
    time.sleep(100)
[waits_in_broadcast, waits_in_sum, computes][comm.rank]()
"""
    done = run_ranks(3, code, env={"DNDARRAY_TIMEOUT": "2"}, timeout=40)
    assert done.returncode != 0
    lines = {line[1:9]: line for line in done.stderr.splitlines() if line.startswith("[rank")}
    assert "waits for 2 s in Bcast (collective number 4), called from" in lines["rank 0/3"]
    assert "script.py:8 in waits_in_broadcast" in lines["rank 0/3"]
    assert "waits for 2 s in Allreduce (collective number 4), called from" in lines["rank 1/3"]
    assert "script.py:10 in waits_in_sum" in lines["rank 1/3"]
    assert "waits for nobody (since Bcast, collective number 3) and is at" in lines["rank 2/3"]
    assert "script.py:12 in computes" in lines["rank 2/3"]
    for line, function in ((8, "waits_in_broadcast"), (10, "waits_in_sum"), (12, "computes")):
        assert f'script.py", line {line} in {function}' in done.stderr, "its stack"


@pytest.mark.serial
def test_a_patience_that_is_no_number() -> None:
    done = run_ranks(1, "import dndarray as dnd; dnd.get_comm()", env={"DNDARRAY_TIMEOUT": "soon"})
    assert done.returncode != 0
    assert "`DNDARRAY_TIMEOUT` (='soon') must be a number of seconds" in done.stderr


# --- different things on different ranks --------------------------------------------------------------------------


@pytest.mark.serial
def test_mismatches_are_found() -> None:
    code = """
import torch
import dndarray as dnd
comm = dnd.get_comm()
first = comm.rank == 0
ones = torch.ones
x, y = dnd.zeros((4, 6), split=0), dnd.zeros((6, 4), split=0)
CALLS = [
    lambda: comm.allreduce(ones(2), "sum" if first else "max"),
    lambda: comm.allreduce(ones(2 if first else 3)),
    lambda: comm.allreduce(ones(2) if first else ones(2, dtype=torch.float64)),
    lambda: comm.allreduce(ones(2)) if first else comm.scan(ones(2)),
    lambda: comm.broadcast(ones(2), 0 if first else 1),
    lambda: comm.allgather(ones(2 if first else 3)),
    lambda: comm.allgather_object(1) if first else comm.barrier(),
    lambda: x.resplit(1) if first else y.resplit(1),
    lambda: x.resplit(1) if first else x.astype("float64").resplit(1),
    lambda: x.resplit(1 if first else None),
    lambda: x.sum() if first else x.max(),
]
for i, call in enumerate(CALLS):
    try:
        call()
    except dnd.MismatchError as error:
        if comm.rank == 1:
            print(i, str(error).replace("\\n", " "))
total = comm.allreduce(ones(1)).item()
if comm.rank == 1:
    print("in step", total)
x.resplit(1), (x + 1).sum(), x[1], comm.barrier()
"""
    done = run_ranks(2, code, env={"DNDARRAY_CHECK": "1"})
    assert done.returncode == 0, done.stderr
    *messages, last = done.stdout.splitlines()
    assert last == "in step 2.0"
    for i, message in enumerate(messages):
        number = 9 + i
        assert message.startswith(f"{i} processes do different things: rank 0 calls ")
        assert message.count(f"script.py:{number} in <lambda>") == 2, "both call sites"
    assert len(messages) == 11
    assert "Allreduce('sum', 'torch.float32', (2,))" in messages[0]
    assert "rank 1 calls Allreduce('max', 'torch.float32', (2,))" in messages[0]
    assert "rank 1 calls Scan" in messages[3]


# --- beginning ----------------------------------------------------------------------------------------------------


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """One process, started without a launcher."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "HYDRA", "MPI", "DNDARRAY"))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment | env, capture_output=True, text=True, timeout=60)


@pytest.mark.serial
def test_the_first_message_may_concern_some_only() -> None:
    """A rank that has nothing to send does not come to where the communicator is made."""
    code = "import dndarray as dnd; dnd.print(dnd.ones((118, 2), split=0).reshape(-1).layout.counts)"
    run = run_ranks(3, code, {"DNDARRAY_TIMEOUT": "20"})
    assert run.returncode == 0, run.stderr
    assert "(79, 79, 78)" in run.stdout


@pytest.mark.serial
def test_importing_does_nothing() -> None:
    code = """
import os, sys
import torch
before = torch.get_num_threads(), torch.get_default_dtype(), sys.excepthook, torch.get_rng_state().sum()
started = []
SUSPECT = ("subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "socket.", "_thread.start")
sys.addaudithook(lambda event, arguments: started.append(event) if event.startswith(SUSPECT) else None)
import dndarray as dnd
assert "mpi4py.MPI" not in sys.modules
assert not started, started
assert before == (torch.get_num_threads(), torch.get_default_dtype(), sys.excepthook, torch.get_rng_state().sum())
for part in ("random", "testing", "io", "nn", "optim", "algorithms", "energy"):
    getattr(dnd, part)
assert "mpi4py.MPI" not in sys.modules
assert not started, started
dnd.zeros(3)
assert "mpi4py.MPI" in sys.modules
print("done")
"""
    done = python(code)
    assert done.stdout == "done\n", done.stderr
    assert done.stderr == ""


WITHOUT_MPI = """
import importlib.abc, sys

class NoMPI(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "mpi4py.MPI":
            raise {error}("cannot load MPI library")

sys.meta_path.insert(0, NoMPI())
"""


@pytest.mark.serial
@pytest.mark.parametrize("error", ["ImportError", "RuntimeError"])
def test_one_process_needs_no_mpi(error: str) -> None:
    code = """
import numpy as np, torch
import dndarray as dnd
from dndarray.collectives import send_receive, halo_exchange
comm = dnd.get_comm()
assert (comm.rank, comm.size) == (0, 1)
x = dnd.array(np.arange(12.0).reshape(4, 3), split=0).requires_grad_()
y = (x.resplit(1) * 2 + x).T @ x
assert np.allclose(y.detach().numpy(), 3 * x.detach().numpy().T @ x.detach().numpy())
y.sum().backward()
assert x.grad.shape == (4, 3)
z = x.detach()
np.testing.assert_array_equal(dnd.flip(z, 0).numpy(), z.numpy()[::-1])
np.testing.assert_array_equal(z[::-1, 1].numpy(), z.numpy()[::-1, 1])
np.testing.assert_array_equal(dnd.roll(z, 1, 0).numpy(), np.roll(z.numpy(), 1, 0))
np.testing.assert_array_equal(z[z > 3].numpy(), z.numpy()[z.numpy() > 3])
np.testing.assert_array_equal(z[dnd.array([2, 0], split=0)].numpy(), z.numpy()[[2, 0]])
np.testing.assert_array_equal(dnd.cumsum(z, 0).numpy(), np.cumsum(z.numpy(), 0))
np.testing.assert_array_equal(dnd.concatenate([z, z]).reshape(3, 8).numpy(), np.concatenate([z, z]).reshape(3, 8))
assert z.max().item() == 11 and dnd.random.permutation(5, split=0).sum().item() == 10
assert send_receive(torch.ones(2), torch.ones(2), 0, 0, comm).tolist() == [1, 1]
assert halo_exchange(torch.arange(3), 0, 1, 1, [3], comm, periodic=True).tolist() == [2, 0, 1, 2, 0]
assert comm.along(dnd.Grid((1, 1)), (0,)) is comm.reversed() is comm
comm.barrier()
assert comm.allgather(torch.ones(2)).shape == (1, 2) and comm.allgather_object(1) == [comm.broadcast_object(1)]
dnd.print(z[:1])
assert "mpi4py.MPI" not in __import__("sys").modules
"""
    done = python(WITHOUT_MPI.format(error=error) + code)
    assert done.returncode == 0, done.stderr
    assert "0" in done.stdout


@pytest.mark.serial
def test_several_processes_need_mpi() -> None:
    code = """
import os
import dndarray as dnd
for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS"):
    os.environ[name] = "2"
    try:
        dnd.zeros(3)
    except RuntimeError as error:
        print(error)
    os.environ[name] = "1"
print(dnd.zeros(3).comm)
"""
    done = python(WITHOUT_MPI.format(error="ImportError") + code)
    assert done.returncode == 0, done.stderr
    *messages, last = done.stdout.splitlines()
    for name, message in zip(("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM"), messages, strict=True):
        assert f"was started by an MPI launcher ({name}" in message
        assert "cannot load MPI library" in message
        assert "pip install 'dndarray[mpich]'" in message
    assert last == "Communicator(rank=0, size=1)"


@pytest.mark.serial
def test_ranks_share_the_cores_of_their_node() -> None:
    code = """
import os
from mpi4py import MPI
import torch
torch.set_num_threads(7)
rank, cores = MPI.COMM_WORLD.rank, sorted(os.sched_getaffinity(0))
if rank == 2:
    os.sched_setaffinity(0, cores[:1])
if rank != 3:
    del os.environ["OMP_NUM_THREADS"]
import dndarray as dnd
everyone = dnd.get_comm().allgather_object(torch.get_num_threads())
if rank == 0:
    print(*everyone, len(cores))
"""
    done = run_ranks(4, code)
    assert done.returncode == 0, done.stderr
    *threads, cores = map(int, done.stdout.split())
    share = max(1, cores // 3)
    assert threads == [share, share, 1, 7], "two share with the fourth, one is bound to a core, one is told by the user"
