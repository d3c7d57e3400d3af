"""The commands `python -m dndarray energy run`, `sensors` and `report`."""

from __future__ import annotations

import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ..communication import get_comm
from .files import checked
from .monitor import check_period, overhead
from .regions import FOLDER, left_recordings
from .reports import Factors, Report, as_text
from .sampler import Sampler
from .sensors import Unavailable
from .sources import SOURCES, choose
from .summaries import summarise

__all__ = ["main"]

_LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_LOCAL_RANK", "SLURM_LOCALID", "LOCAL_RANK")
"""Where launchers say which of its node's processes a process is."""


@click.group()
def main() -> None:
    """Measure what programs cost, in joules, kWh, CO2e and money."""


# --- run --------------------------------------------------------------------------------------------------------------


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--period", default=1.0, help="Seconds between samples, 0.1 at least.", show_default=True)
@click.option("--backend", default="auto", help=f"auto, or some of {', '.join(SOURCES)}, with commas.")
@click.option("--overhead-w", default=0.0, help="Watts of the host that no sensor sees.")
@click.option("--pue", default=1.0, help="What the data centre uses per joule of its computers.")
@click.option("--gco2e-per-kwh", type=float, help="Grams of CO2e per kWh.")
@click.option("--price-per-kwh", type=float, help="Price of a kWh.")
@click.option("--currency", default="EUR", help="Of the price.", show_default=True)
@click.option("--output", "-o", help="Write the report, too: .json, .csv or .h5; {host} stands for the host's name.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    period: float, backend: str, overhead_w: float, output: str | None, program: tuple[str, ...], **factors: Any
) -> None:
    """Run a program, then say on stderr what this host has used meanwhile.

    `energy run -- mpiexec -n 4 python script.py` measures one host. To measure all of several, start it on each:
    `mpiexec -n 8 python -m dndarray energy run -o energy.{host}.json -- python script.py`; one process per host
    reads the sensors, and `energy report energy.*.json` adds up. Regions of the program are in the report. It need
    not have any, nor be in Python. Ends with the program's status.
    """
    local = next((os.environ[name] for name in _LOCAL_RANKS if name in os.environ), "0")
    folder = Path(tempfile.gettempdir()) / f"dndarray-energy-{os.getuid()}-{os.getppid()}"
    os.environ[FOLDER] = str(folder)
    if local != "0":
        _become(program, folder)
    try:
        sensors, notes = choose(backend if backend == "auto" else backend.split(","))
        sampler = Sampler([*sensors, *overhead(overhead_w)], check_period(period))
        conversion = Factors(**factors)
        host = platform.node()
        target = checked(Path(output.replace("{host}", host))) if output else None
    except (OSError, Unavailable, ValueError) as error:
        raise click.ClickException(str(error)) from None
    begun = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with _own(folder):
        sampler.start()
        try:
            status = _wait_for(program)
        finally:
            sampler.stop()
        recordings = left_recordings(folder)
    report = Report([summarise(host, sampler, recordings, notes, period)], conversion, begun)
    click.echo(f"\n{report}", err=True)
    if target is not None:
        report.save(target)
    sys.exit(status)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """A folder for recordings, empty in the beginning and gone in the end."""
    folder.mkdir(exist_ok=True, mode=0o700)
    try:
        if folder.stat().st_uid != os.getuid():
            raise click.ClickException(f"{folder} belongs to somebody else")
        _clear(folder)
        yield
    finally:
        _clear(folder)
        folder.rmdir()


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _become(program: tuple[str, ...], folder: Path, patience: float = 5.0) -> None:
    """Run the program in place of this process: another one on this host reads the sensors."""
    deadline = time.monotonic() + patience
    while not folder.is_dir() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        raise click.ClickException(f"cannot run {program[0]}: {error}") from None


def _wait_for(program: tuple[str, ...]) -> int:
    """The program's status, as a shell has it. What would end this process is passed on and waited for."""
    try:
        # What a launcher has opened for its ranks has to stay open for the program.
        child = subprocess.Popen(program, close_fds=False)
    except OSError as error:
        raise click.ClickException(f"cannot run {program[0]}: {error}") from None

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    kept = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGUSR1)}
    kept[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal has sent it to both
    status = child.wait()
    for number, handler in kept.items():
        signal.signal(number, handler)
    return status if status >= 0 else 128 - status


# --- sensors ----------------------------------------------------------------------------------------------------------


@main.command()
def sensors() -> None:
    """List what can be read on the hosts of this run, and why the rest cannot."""
    comm = get_comm()
    everyones = comm.allgather_object((platform.node(), list(_found())))
    if comm.rank > 0:
        return
    for host, rows in dict(reversed(everyones)).items():
        click.echo(f"{host}\n{as_text(rows)}\n")
    click.echo("A monitor reads those marked with *, unless told otherwise.")


def _found() -> Iterator[dict[str, str]]:
    chosen = {sensor.name for sensor in choose("auto")[0]}
    for name, kind in SOURCES.items():
        try:
            for sensor in kind().sensors():
                value = sensor.read() * (sensor.joules or 1.0)
                yield {
                    "source": name,
                    "": "*" if sensor.name in chosen else "",
                    "sensor": sensor.name,
                    "device": sensor.device,
                    "now": f"{value:.6g} {'W' if sensor.joules is None else 'J'}",
                    "label": f"{sensor.label}{f'; {sensor.note}' if sensor.note else ''}",
                }
        except Unavailable as error:
            yield {"source": name, "": "", "sensor": "-", "device": "", "now": "", "label": str(error)}


# --- report -----------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--by", type=click.Choice(["region", "host", "device", "rank"]), help="Print this table only.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write as .json, .csv or .h5.")
@click.option("--bars", type=click.Path(path_type=Path), help="Draw the regions' energies.")
@click.option("--timeline", type=click.Path(path_type=Path), help="Draw the watts in the course of the run.")
def report(
    files: tuple[Path, ...], by: str | None, output: Path | None, bars: Path | None, timeline: Path | None
) -> None:
    """Print reports that were written, those of several hosts as one; convert and draw them."""
    try:
        found = Report.merged([Report.load(path) for path in files])
        click.echo(found.text(by) if by else str(found))
        if output is not None:
            found.save(output)
        for path, draw in ((bars, found.plot_bars), (timeline, found.plot_timeline)):
            if path is not None:
                draw().figure.savefig(path)
    except (ValueError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from None
