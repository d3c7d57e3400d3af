"""The monitor: who reads which sensors while a program runs, and the report in the end."""

from __future__ import annotations

import datetime
from contextlib import ContextDecorator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from ..communication import as_comm
from ..errors import agreed
from .files import checked
from .hosts import Farewell, leader, meet, opened, send_to
from .regions import Recorder, Recording
from .reports import Factors, Report
from .sampler import SHORTEST_PERIOD_S, Sampler
from .sensors import CONSTANT, OVERHEAD, Sensor
from .sources import Backend
from .summaries import HostSummary, summarise

__all__ = ["Monitor", "check_period", "overhead"]


class Monitor(ContextDecorator):
    """Measures what runs inside of it: a `with` block, a decorated function, or from `start()` to `stop()`.

    One thread on each host reads the sensors, that of the lowest rank there; regions are noted on all ranks. If the
    block fails on some rank, no rank waits for that one: each is left with a report of what it knows itself.

    Communication: three collectives at the beginning, and at the end a message from each rank to rank 0 and back
    followed by six collectives, seven with `output`; none in between.

    Parameters
    ----------
    comm
        The processes, all of which use the monitor together; by default all of the run.
    period
        Seconds between two samples, 0.1 at least. Where regions begin and end there are further ones.
    backend
        "auto", the best sensors that each host has; or one or several of "node", "rapl", "nvml", "rocm", "hwmon",
        "slurm", "battery", "estimate", or sources such as `Rapl(root)`. What is named must be there.
    overhead_w
        Watts of each host that none of its sensors sees: fans, power supplies, disks.
    output
        Where rank 0 writes the report: .json, .csv or .h5.
    host
        Name of this process's host.
    **factors
        As in `Factors`: pue, gco2e_per_kwh, price_per_kwh, ...

    Raises
    ------
    Unavailable
        On all ranks, if a host cannot read what `backend` names.

    Examples
    --------
    >>> import dndarray as dnd
    >>> with dnd.energy.Monitor(backend="estimate") as monitor:
    ...     with dnd.energy.region("sum"):
    ...         total = dnd.arange(10, split=0).sum()
    >>> monitor.report().regions
    ['(total)', '(outside)', 'sum']
    """

    def __init__(
        self,
        comm: Any = None,
        *,
        period: float = 1.0,
        backend: Backend = "auto",
        overhead_w: float = 0.0,
        output: str | PathLike[str] | None = None,
        host: str | None = None,
        **factors: Any,
    ) -> None:
        self.comm = as_comm(comm)
        self.period = check_period(period)
        self.backend = backend
        self.factors = Factors(**factors)
        self.output = None if output is None else checked(Path(output))
        self._constants = overhead(overhead_w)
        self._host_name = host
        self._sampler: Sampler | None = None
        self._recorder: Recorder | None = None
        self._report: Report | None = None
        self._farewell: Farewell

    def start(self) -> Monitor:
        """Begin to measure. Collective."""
        if self._recorder is not None:
            raise RuntimeError("this monitor runs already")
        self._host, self._leader = leader(self.comm, self._host_name)
        leads = self.comm.rank == self._leader
        sensors, self._notes = opened(self.comm, leads, self.backend)
        self._sampler = Sampler([*sensors, *self._constants], self.period) if leads else None
        self._begun = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._farewell = meet(self.comm)  # so that the hosts' times begin together, whatever their clocks say
        if self._sampler is not None:
            self._sampler.start()
        self._recorder = Recorder(self._sampler.edge if self._sampler is not None else None)
        self._recorder.start()
        return self

    def stop(self, error: BaseException | None = None) -> Report:
        """End the measurement; its report. Collective, but for ranks that stop because of an error."""
        if self._recorder is None:
            raise RuntimeError("this monitor does not run")
        record = self._recorder.finish(self.comm.rank)
        self._recorder = None
        if self._farewell.all_arrive(error is None):
            self._report = self._together(record)
            if self.output is not None:
                with agreed(self.comm):
                    self._report.save(self.output)
        else:
            self._report = self._alone(record, error)
            if self.output is not None:
                self._report.save(self.output)
        return self._report

    def report(self) -> Report:
        """The report, once the measurement has ended."""
        if self._report is None:
            raise RuntimeError("there is no report before the monitor has stopped")
        return self._report

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.stop(error)

    def _together(self, record: Recording) -> Report:
        """The report of all hosts, on all ranks; its timelines on rank 0 only."""
        records = send_to(self.comm, record, self._leader)
        with agreed(self.comm):
            summary = self._summary(records)
        hosts = [host for host in send_to(self.comm, summary, 0) if host is not None]
        told = self.comm.broadcast_object([replace(host, timeline={}) for host in hosts])
        return Report(hosts or told, self.factors, self._begun, rank=self.comm.rank)

    def _alone(self, record: Recording, error: BaseException | None) -> Report:
        """What this rank knows, after a failure."""
        summary = self._summary([record])
        reason = "another rank failed" if error is None else f"{type(error).__name__}: {error}"
        notes = [
            f"this report knows of rank {self.comm.rank} only, and of its host if that rank read the sensors: {reason}"
        ]
        return Report([summary] if summary else [], self.factors, self._begun, notes, self.comm.rank)

    def _summary(self, records: list[Recording]) -> HostSummary | None:
        """That of this host, where its sensors were read."""
        if self._sampler is None:
            return None
        self._sampler.stop()
        return summarise(self._host, self._sampler, records, self._notes)


def check_period(period: float) -> float:
    """The period, if sensors may be read so often."""
    if not SHORTEST_PERIOD_S <= period < float("inf"):
        raise ValueError(f"`period` (={period}) must be at least {SHORTEST_PERIOD_S} seconds")
    return float(period)


def overhead(watts: float) -> list[Sensor]:
    """A constant as a sensor, if there is one."""
    if not watts >= 0:
        raise ValueError(f"`overhead_w` (={watts}) must be at least 0 watts")
    return [Sensor(OVERHEAD, OVERHEAD, CONSTANT, lambda: watts)] if watts else []
