"""Sparse matrices, dealt out by rows or by columns: SciPy's `sparse` by name and meaning."""

from __future__ import annotations

import importlib as _importlib
from typing import Any as _Any

from .array import SparseArray, issparse
from .creation import bsr_array, coo_array, csc_array, csr_array
from .gallery import diags_array, eye_array, poisson, random_array
from .graph import connected_components, laplacian, pagerank, reverse_cuthill_mckee, spectral_embedding
from .joining import block_array, block_diag, hstack, kron, kronsum, vstack
from .matrix_market import mmread, mmwrite
from .methods import METHODS as METHODS  # puts them on the class
from .npz import load_npz, save_npz
from .products import matmul
from .rearrangement import resplit
from .slicing import permute
from .structure import find, tril, triu

__all__ = [
    "SparseArray",
    "block_array",
    "block_diag",
    "bsr_array",
    "connected_components",
    "coo_array",
    "csc_array",
    "csr_array",
    "diags_array",
    "eye_array",
    "find",
    "hstack",
    "issparse",
    "kron",
    "kronsum",
    "laplacian",
    "load_npz",
    "matmul",
    "mmread",
    "mmwrite",
    "pagerank",
    "permute",
    "poisson",
    "random_array",
    "resplit",
    "reverse_cuthill_mckee",
    "save_npz",
    "spectral_embedding",
    "tril",
    "triu",
    "vstack",
]


def __getattr__(name: str) -> _Any:
    if name == "linalg":
        return _importlib.import_module(".linalg", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
