"""The peers that need some care to be run beside us."""

from __future__ import annotations

import sys
from types import ModuleType

from mpi4py import MPI

_HOW = "`pip install 'dndarray[bench]'` and `pip install --no-deps heat==1.8.0`"


class _Empty(ModuleType):
    """A stand-in for torchvision: Heat imports it, and its wheel does not load beside a CPU-only torch."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name) if name in ("transforms", "datasets") else type(name, (), {})


def load_heat(wanted: bool = True) -> ModuleType | None:
    """Heat, or None where it is not installed or not `wanted`; rank 0 says so."""
    if not wanted:
        return None
    names = ("torchvision", "torchvision.transforms", "torchvision.datasets")
    stand_ins = {name: _Empty(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        import heat
    except ImportError as error:
        for name in stand_ins:
            del sys.modules[name]
        if MPI.COMM_WORLD.rank == 0:
            print(f"without Heat ({error}); to compare with it: {_HOW}", file=sys.stderr)
        return None
    return heat


def load_dask() -> ModuleType | None:
    """Dask's arrays, or None where they are not installed; rank 0 says so."""
    try:
        import dask.array
    except ImportError:
        if MPI.COMM_WORLD.rank == 0:
            print(f"without Dask; to compare with it: {_HOW}", file=sys.stderr)
        return None
    return dask.array
