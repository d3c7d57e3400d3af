"""kill -9 at any moment leaves a whole checkpoint.

Two ranks save without end, in the foreground and in the background, under numbers and under one name. They are killed
and started anew; whatever a killed run has left is what the next one finds.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import launching
import pytest
from dndarray.io.checkpoint import latest, restore
from mpi4py import MPI

pytestmark = pytest.mark.serial

JOB = """
import os, sys
from pathlib import Path
import torch
import dndarray as dnd
from dndarray.io.checkpoint import latest, parts, restore, save

parts.TILE = 4096
folder, comm = Path(os.environ["TEST_FOLDER"]), dnd.get_comm()
with open(folder / "pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
found = latest(folder / "runs")
step = restore(found)["step"] if found else 0
while True:
    step += 1
    state = {"x": dnd.full((400, 50), step, split=0), "same": [torch.full((999,), step), dnd.full((999,), step)]}
    state["step"] = step
    save(folder / "runs" / f"step-{step}", state, keep=2, asynchronous=step % 2 == 0).wait()
    save(folder / "one", state, asynchronous=step % 3 == 0).wait()
    if comm.rank == 0:
        with open(folder / "done", "a") as file:
            file.write(f"{step}\\n")
"""

SERVER = """
import json, os, signal, socket, sys
import torch, dndarray, dndarray.io, dndarray.sparse

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    client, _ = server.accept()
    message, files, _, _ = socket.recv_fds(client, 65536, 1)
    if os.fork() == 0:  # a rank; its end closes `client`
        server.close()
        os.environ.clear()
        os.environ.update(json.loads(message) | {"PMI_FD": str(files[0])})
        exec(os.environ["TEST_JOB"])
    os.close(files[0])
    client.close()
"""

RANK = """
import json, os, socket
server = socket.socket(socket.AF_UNIX)
server.connect(os.environ["TEST_SERVER"])
socket.send_fds(server, [json.dumps(dict(os.environ)).encode()], [int(os.environ["PMI_FD"])])
server.recv(1)
"""


def lines(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.005)


def is_whole(state: dict) -> bool:
    step = state["step"]
    return all(bool((x == step).all()) for x in (state["x"], *state["same"]))


@contextlib.contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """A process that has imported everything, of which each rank is a copy: so they start in no time."""
    path = folder / "server"
    with subprocess.Popen([sys.executable, "-c", SERVER, str(path)], env=environment(folder)) as process:
        try:
            wait_for(path.exists)
            yield {"TEST_SERVER": str(path), "TEST_JOB": JOB}
        finally:
            process.kill()


def environment(folder: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(launching._INHERITED)}
    return inherited | launching._SETTINGS | {"TEST_FOLDER": str(folder)}


def kill_and_look(folder: Path, command: list[str], settings: dict[str, str], moment: float) -> bool:
    """Start two ranks, kill them `moment` seconds after they have saved something, and look what there is.

    Whether the kill fell into a save, of which something is left.
    """
    (folder / "pids").unlink(missing_ok=True)
    before = len(lines(folder / "done"))
    with subprocess.Popen(command, env=environment(folder) | settings, stderr=subprocess.DEVNULL) as launcher:
        try:
            wait_for(lambda: len(lines(folder / "done")) > before or launcher.poll() is not None)
            assert launcher.poll() is None, "the ranks have ended by themselves"
            time.sleep(moment)
            for pid in lines(folder / "pids"):
                os.kill(pid, signal.SIGKILL)
        finally:
            launcher.terminate()
            launcher.wait(20)
    done = lines(folder / "done")[-1]
    path = latest(folder / "runs")
    for state in (restore(path), restore(folder / "one")):
        assert state["step"] >= done and is_whole(state)
    runs = [*(folder / "runs").iterdir()]
    assert len(runs) <= 4  # two that are kept, and at most two begun or half removed
    return any(len([*run.iterdir()]) != 5 for run in (*runs, folder / "one"))


def test_a_program_that_ends_completes_what_it_has_begun(shared_path):
    code = f"""
import dndarray as dnd
x = dnd.arange(100_000, split=0)
dnd.io.checkpoint.save({str(shared_path / "x")!r}, {{"x": x}}, asynchronous=True)
"""
    result = launching.run_ranks(2, code)
    assert result.returncode == 0, result.stderr
    assert restore(shared_path / "x")["x"].tolist() == [*range(100_000)]


def kill_often(folder: Path, times: int) -> int:
    """Kill so many runs at random moments; how many of them were amid a save."""
    if "MPICH" not in MPI.Get_library_version():
        pytest.skip("the ranks' server speaks to MPICH's launcher")
    (folder / "runs").mkdir()
    rng = random.Random(0)
    command = [launching.find_mpiexec(), "-n", "2", sys.executable, "-S", "-E", "-c", RANK]
    with server(folder) as settings:
        return sum(kill_and_look(folder, command, settings, rng.uniform(0, 0.1)) for _ in range(times))


def test_a_few_kills(shared_path):
    kill_often(shared_path, 5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_kills(shared_path):
    assert kill_often(shared_path, 200) > 50
