"""Run benchmarks, each on its number of ranks and with one thread per rank, and print one table.

python benchmarks/run.py [NAME ...]
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from table import Row, load, options, report

NAMES = (
    "overhead",
    "elementwise",
    "resplit",
    "matmul",
    "surface",
    "linalg",
    "sparse_matrices",
    "memory",
    "importing",
    "energy",
    "files",
    "denoising",
    "power",
    "power_batches",
    "power_dpf",
)

# The ranks' launchers must not take themselves for ranks of a launcher that started this process.
_INHERITED = ("HYDRA", "MPI_", "OMPI_", "PMI_", "PMIX_", "PRTE_")

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    # Open MPI binds each rank to a core, which the threads of our peer torch would share; and it refuses to
    # run as root (in a container) or with more ranks than cores, unless told.
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def find_mpiexec() -> str:
    """The launcher beside this Python, which is the one of its MPI wheel, or else the first on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        sys.exit("no mpiexec beside this Python or on PATH: `pip install 'dndarray[mpich]'`")
    return found


def run(name: str, ranks: int | None, arguments: Sequence[str]) -> list[Row]:
    """The rows of one benchmark on so many ranks, or without a launcher."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_INHERITED)}
    launcher = [] if ranks is None else [find_mpiexec(), "-n", str(ranks)]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        script = Path(__file__).with_name(f"{name}.py")
        command = [*launcher, sys.executable, str(script), *arguments, "--json", str(rows)]
        # The one table at the end shows what each of them would print.
        subprocess.run(command, env=environment | _SETTINGS, stdout=subprocess.DEVNULL, check=True)
        return load(rows)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; all if none")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    passed_on = ["--tiny"] * args.tiny + ["--no-heat"] * args.no_heat
    rows: list[Row] = []
    for name in args.names or NAMES:
        for ranks, arguments in importlib.import_module(name).RUNS:
            print(f"{' '.join([name, *arguments])}, ranks: {ranks or 1}", file=sys.stderr, flush=True)
            rows += run(name, ranks, [*arguments, *passed_on])
    report(rows, args.json)


if __name__ == "__main__":
    main()
