"""This installation (info, selftest), what is in files (inspect), what programs cost (energy), power flow (power),
hyperspectral denoising (denoise).

They run on one process or, under mpirun, on many; rank 0 prints.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

import dndarray as dnd

from .collectives import send_receive
from .communication import Communicator
from .console import echo
from .errors import agreed
from .info import facts, text
from .testing import assert_allclose, assert_array_equal

PATIENCE_S = "60"
"""How long a rank may wait for another one. Where something is not set up right, a hang is the first sign of it."""


class Commands(click.Group):
    """The commands here, and those of the parts, by their names: these lie above this floor."""

    PARTS = {
        "denoise": "dndarray.algorithms.denoising",
        "energy": "dndarray.energy",
        "inspect": "dndarray.io",
        "power": "dndarray.algorithms.power",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self.PARTS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.PARTS:
            return importlib.import_module(f"{self.PARTS[cmd_name]}.commands").main
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dnd.__version__, prog_name="dndarray")
def main() -> None:
    pass


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info(as_json: bool) -> None:
    """Say what this installation can do: versions, MPI, processes, devices, files, power sensors."""
    found = facts()
    echo(json.dumps(found, indent=2) if as_json else text(found))


# --- the self test ----------------------------------------------------------------------------------------------------

Check = Callable[[Communicator, Path], None]
CHECKS: dict[str, Check] = {}


class LeftOut(Exception):
    """This check has nothing to try out here."""


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write, in sight of all ranks.")
def selftest(folder: Path | None) -> None:
    """Try out messages between ranks, arrays and files, and say of each whether it works."""
    os.environ.setdefault("DNDARRAY_TIMEOUT", PATIENCE_S)  # before MPI starts
    comm = dnd.get_comm()
    found = facts()
    echo(f"dndarray {dnd.__version__} on {comm.size} {'rank' if comm.size == 1 else 'ranks'}")
    place = _make_folder(comm, folder, hosts=len(found["power"]))
    failures = sum(not _passes(title, check, comm, place) for title, check in CHECKS.items())
    if comm.rank == 0:
        shutil.rmtree(place)
    for note in found["notes"]:
        echo(f"note: {note}")
    echo(f"{failures} of {len(CHECKS)} failed" if failures else "all is well")
    raise SystemExit(min(failures, 1))


def _make_folder(comm: Communicator, folder: Path | None, hosts: int) -> Path:
    """A new folder, the same on all ranks. They must see it, so it is not in /tmp if there are several hosts."""
    made = None
    with agreed(comm):
        if comm.rank == 0:
            made = tempfile.mkdtemp(prefix="dndarray-", dir=folder or (Path.cwd() if hosts > 1 else None))
    return Path(comm.broadcast_object(made))


def _passes(title: str, check: Check, comm: Communicator, folder: Path) -> bool:
    start = time.perf_counter()
    try:
        with agreed(comm):
            check(comm, folder)
    except LeftOut as reason:
        echo(f"  -       {title}: left out, {reason}")
    except Exception as error:
        echo(f"  failed  {title}: {type(error).__name__}: {error}")
        return False
    else:
        echo(f"  ok      {title}, {1000 * (time.perf_counter() - start):.0f} ms")
    return True


def _check(title: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[title] = check
        return check

    return register


def _expect(actual: Any, desired: Any) -> None:
    if actual != desired:
        raise AssertionError(f"{actual} instead of {desired}")


@_check("all ranks answer")
def _ranks(comm: Communicator, folder: Path) -> None:
    _expect(comm.allgather_object(comm.rank), list(range(comm.size)))


@_check("sums of all types")
def _sums(comm: Communicator, folder: Path) -> None:
    for dtype in (torch.float32, torch.float64, torch.int64, torch.complex128, torch.bfloat16):
        total = comm.allreduce(torch.full((3,), comm.rank + 1, dtype=dtype))
        _expect(total.tolist(), torch.full((3,), comm.size * (comm.size + 1) // 2, dtype=dtype).tolist())


@_check("extrema, with NaN")
def _extrema(comm: Communicator, folder: Path) -> None:
    values = torch.tensor([float(comm.rank), float("nan") if comm.rank == 0 else 0.0])
    largest, smallest = comm.allreduce(values, "max"), comm.allreduce(values, "min")
    _expect([largest[0].item(), smallest[0].item()], [comm.size - 1, 0])
    _expect([largest[1].isnan().item(), smallest[1].isnan().item()], [True, True])


@_check("broadcasts from every rank")
def _broadcasts(comm: Communicator, folder: Path) -> None:
    for root in range(comm.size):
        _expect(comm.broadcast(torch.tensor([comm.rank]), root).item(), root)


@_check("gathering of unequal parts")
def _gathers(comm: Communicator, folder: Path) -> None:
    counts = list(range(1, comm.size + 1))
    gathered = comm.allgatherv(torch.full((comm.rank + 1, 2), comm.rank), counts)
    _expect(gathered[:, 1].tolist(), [rank for rank, n in enumerate(counts) for _ in range(n)])


@_check("messages from all to all")
def _exchanges(comm: Communicator, folder: Path) -> None:
    arrived = comm.alltoallv(torch.arange(comm.size) + 1000 * comm.rank, [1] * comm.size)
    _expect(arrived.tolist(), [1000 * rank + comm.rank for rank in range(comm.size)])


@_check("messages of 8 MiB around a ring")
def _ring(comm: Communicator, folder: Path) -> None:
    after, before = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    mine = torch.full((2**20,), comm.rank, dtype=torch.float64)
    _expect(send_receive(mine, mine, after, before, comm).unique().tolist(), [before])


@_check("rows to columns and back")
def _resplit(comm: Communicator, folder: Path) -> None:
    x = dnd.arange(1001 * 13, split=0).reshape(1001, 13)
    assert_array_equal(x.resplit(1).resplit(0), torch.arange(1001 * 13).reshape(1001, 13))


@_check("a matrix product")
def _matmul(comm: Communicator, folder: Path) -> None:
    stream = dnd.random.Generator(0)
    a = stream.normal(size=(301, 70), dtype="float64", split=0)
    b = stream.normal(size=(70, 45), dtype="float64", split=1)
    assert_allclose(a @ b, a.numpy() @ b.numpy(), rtol=1e-9, atol=1e-9)


@_check("a gradient")
def _gradient(comm: Communicator, folder: Path) -> None:
    x = dnd.arange(1.0, 12.0, dtype="float64", split=0).requires_grad_()
    (x * x).mean().backward()
    assert_allclose(x.grad, torch.arange(1, 12) * 2 / 11, rtol=1e-6)


@_check("arrays on GPUs")
def _gpus(comm: Communicator, folder: Path) -> None:
    if not torch.cuda.is_available():
        raise LeftOut("torch finds no GPU")
    _expect(dnd.ones((101, 7), split=0, device="cuda").resplit(1).sum().item(), 707)


@_check("an HDF5 file written and read")
def _hdf5(comm: Communicator, folder: Path) -> None:
    if importlib.util.find_spec("h5py") is None:
        raise LeftOut("h5py is not installed")
    # By its name: commands use all parts, though this file lies on the ground floor.
    files = importlib.import_module("dndarray.io")
    path = folder / "selftest.h5"
    files.save(dnd.arange(1001, split=0), path, "x")
    assert_array_equal(files.load(path, "x", split=0), torch.arange(1001))


if __name__ == "__main__":
    main(prog_name="python -m dndarray")
