"""Starting ranks from inside of a test that is marked `serial`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

# What a launcher tells its ranks about themselves. A launcher started by such a rank would believe it, too.
_INHERITED = ("HYDRA", "MPI_", "OMPI_", "PMI_", "PMIX_", "PRTE_")

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    # Open MPI refuses to run as root (in a container) or with more ranks than cores, unless told.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def find_mpiexec() -> str:
    """The launcher beside this Python, which is the one of its MPI wheel, or else the first on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError("no mpiexec beside this Python or on PATH: `pip install 'dndarray[mpich]'`")
    return found


def run_ranks(
    n: int, code: str, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `code` on `n` ranks and return what they printed together, whatever their exit status.

    `env` is added to this process's own environment. After `timeout` seconds the ranks are ended and
    `subprocess.TimeoutExpired` raised, with what was printed until then.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_INHERITED)}
    environment |= _SETTINGS | dict(env or {})
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(code)
        command = [find_mpiexec(), "-n", str(n), sys.executable, str(script)]
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as launcher:
            try:
                stdout, stderr = launcher.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                launcher.terminate()  # not kill: the launcher has ranks to end
                stdout, stderr = launcher.communicate(timeout=10)
                print(stdout, stderr, sep="\n")  # for pytest to show
                raise subprocess.TimeoutExpired(command, timeout, stdout, stderr) from None
            finally:
                launcher.kill()  # which does nothing to one that has ended
    return subprocess.CompletedProcess(command, launcher.returncode, stdout, stderr)
