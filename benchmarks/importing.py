"""How long `import dndarray` takes beyond `import torch`, each time in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from peers import load_heat
from table import Row, difference, options, report

RUNS = [(None, [])]

MAY_TAKE = 0.15

CODE = """
from time import perf_counter
start = perf_counter()
import torch
middle = perf_counter()
{statement}
print(middle - start, perf_counter() - start)
"""


def one_import(statement: str) -> tuple[float, float]:
    """Seconds for torch alone and for both."""
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    # In this folder, where the statement finds peers.py.
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    alone, both = done.stdout.split()
    return float(alone), float(both)


def measure(repetitions: int, with_heat: bool) -> list[Row]:
    statements = {"import dndarray": "import dndarray"}
    if with_heat:
        statements["import heat"] = "import peers; peers.load_heat()"
    for statement in statements.values():
        one_import(statement)  # the files are in the cache from here on
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in statements}
    for _ in range(repetitions):
        for name, statement in statements.items():
            seconds[name].append(one_import(statement))
    rows = []
    for name, times in seconds.items():
        alone = statistics.median(torch for torch, _ in times)
        beyond = statistics.median(both - torch for torch, both in times)
        target = MAY_TAKE if name == "import dndarray" else None
        rows.append(difference(name, "import torch", alone + beyond, alone, target, "s"))
    return rows


def main() -> None:
    args = options(__doc__).parse_args()
    report(measure(1 if args.tiny else 9, load_heat(not args.no_heat) is not None), args.json)


if __name__ == "__main__":
    main()
