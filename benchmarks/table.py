"""The rows that all benchmarks print, and the options that all of them take."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "MiB": 2.0**20, "J": 1.0}


@dataclass(frozen=True)
class Row:
    """One figure of ours beside one of a peer's, in seconds, bytes or joules."""

    benchmark: str = field(default=Path(sys.argv[0]).stem, kw_only=True)
    what: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    target: float | None
    """What the ratio has to reach, or the difference not to exceed; None where the row only informs."""
    value: float
    is_ratio: bool

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.is_ratio else self.value <= self.target

    def cells(self) -> list[str]:
        scale = UNITS[self.unit]

        def compared(number: float) -> str:
            return f"{number:.2f}" if self.is_ratio else f"{number / scale:+.3g} {self.unit}"

        ours, peer = (f"{number / scale:.4g} {self.unit}" for number in (self.ours, self.peer))
        target = "" if self.target is None else f"{'>=' if self.is_ratio else '<='} {compared(self.target)}"
        met = {True: "yes", False: "NO", None: ""}[self.met]
        return [self.what, ours, f"{peer} ({self.peer_name})", compared(self.value), target, met]


def ratio(what: str, peer_name: str, ours: float, peer: float, target: float | None = None, unit: str = "ms") -> Row:
    """How many times faster, or cheaper, than the peer we are, which should be `target` or more."""
    return Row(what, ours, peer, peer_name, unit, target, peer / ours, True)


def difference(
    what: str, peer_name: str, ours: float, peer: float, target: float | None = None, unit: str = "us"
) -> Row:
    """How much more than the peer we need, which should be `target` or less."""
    return Row(what, ours, peer, peer_name, unit, target, ours - peer, False)


# --- options and output -------------------------------------------------------------------------------------


def options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file, too")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: whether it runs, not how fast")
    parser.add_argument("--no-heat", action="store_true", help="leave Heat out")
    return parser


def report(rows: Sequence[Row], json_file: Path | None) -> None:
    """Print the rows, and write them; for one rank."""
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print_table(rows)


def load(json_file: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(json_file.read_text())]


def print_table(rows: Iterable[Row]) -> None:
    """`rich` draws it, where that is installed."""
    header = ["what", "ours", "peer", "ratio or difference", "target", "met?"]
    lines = [(row.benchmark, row.cells()) for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        _print_plainly([header, *(cells for _, cells in lines)])
        return
    table = Table(*header)
    for i, (benchmark, cells) in enumerate(lines):
        last_of_its_kind = i + 1 < len(lines) and lines[i + 1][0] != benchmark
        table.add_row(*map(Text, cells), style="red" if cells[-1] == "NO" else None, end_section=last_of_its_kind)
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def _print_plainly(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
