"""What Slurm knows of the power of this job's node, where its administrators have it measured."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence

from .sensors import MEASURED_POWER, Sensor, Unavailable

__all__ = ["Slurm"]


class Slurm:
    """The node's power as Slurm reads it from the board's controller (IPMI, XCC) or another of its plugins.

    Parameters
    ----------
    node
        Slurm's name of the node; by default this job's own.
    run
        What runs a command and returns its output.
    every
        Seconds between two questions to Slurm, which does not measure more often either.
    """

    name = "slurm"

    def __init__(
        self, node: str | None = None, run: Callable[[Sequence[str]], str] | None = None, every: float = 30.0
    ) -> None:
        self.node = node or os.environ.get("SLURMD_NODENAME")
        self.run = run or _output
        self.every = every
        self._watts = 0.0
        self._asked = float("-inf")

    def sensors(self) -> list[Sensor]:
        """The node's power."""
        if self.node is None:
            raise Unavailable("this is no job of Slurm (SLURMD_NODENAME is not set)")
        try:
            self._read()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Unavailable(str(error)) from None
        return [Sensor(f"slurm {self.node}", "node", MEASURED_POWER, self._read)]

    def _read(self) -> float:
        if time.monotonic() - self._asked >= self.every:
            self._asked = time.monotonic()
            said = re.search(r"CurrentWatts=(\d+)", self.run(["scontrol", "show", "node", self.node or ""]))
            if said is None or said[1] == "0":
                raise ValueError(f"Slurm does not measure the power of {self.node}")
            self._watts = float(said[1])
        return self._watts


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
