"""What several test files need to try out files: elements, layouts, and folders that all ranks see."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import strategies
import torch
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.layout import Layout

COMM = dnd.get_comm()


def values(shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """Elements of which each says where it is from."""
    count = np.arange(1, math.prod(shape) + 1).reshape(shape)
    if dtype.startswith("complex"):
        return np.asarray(count - 1j * count, dtype)
    return np.asarray(count % 2 == 0) if dtype == "bool" else count.astype(dtype)


@st.composite
def two_layouts(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] | None = None) -> tuple[Layout, Layout]:
    """Two layouts of arrays of one shape; whatever is loaded is balanced, so the second one is."""
    shape = draw(strategies.shapes() if shapes is None else shapes)
    return draw(strategies.layouts(shape, COMM.size)), draw(strategies.layouts(shape, COMM.size)).balanced()


def spread(whole: np.ndarray, layout: Layout) -> dnd.DNDarray:
    """An array in a layout, of elements that every rank has."""
    part = torch.from_numpy(whole)[tuple(slice(*interval) for interval in layout.box(COMM.rank))]
    return dnd.DNDarray(part, layout, COMM)


def put(path: Path, content: str | bytes) -> Path:
    """A file that one process has made."""
    if COMM.rank == 0:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    COMM.barrier()
    return path


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, when rank 0 has removed what is left of a write that failed."""
    COMM.barrier()
    names = sorted(path.name for path in folder.iterdir())
    COMM.barrier()
    return names
