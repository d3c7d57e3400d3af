"""From a state to what a checkpoint stores: a tree of JSON, and arrays by number. No pickle: nothing in it can run."""

from __future__ import annotations

import base64
import dataclasses
import math
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...array import DNDarray
from ...communication import Communicator
from ...layout import Grid, Layout
from ...sparse import SparseArray
from .parts import Part, Stored, as_bytes, is_written_by
from .values import STREAMS, PerRank, RandomState

__all__ = ["MAPPINGS", "SEQUENCES", "Encoder"]

SEQUENCES: dict[str, Callable[..., Any]] = {"tuple": tuple, "Size": torch.Size}
MAPPINGS: dict[str, Callable[..., Any]] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}

_ALONE = Grid(1)
_TORCH_READS = "?bBhHiIlLqQefdFD"
"""NumPy's codes of the types that torch has, too."""

_COMPARED = 2**20
"""Bytes up to which it is found out whether what each rank has of its own is the same on all."""


@dataclass
class _Sparse:
    """A sparse array, whose elements are numbered when all ranks have said how many they have."""

    array: SparseArray
    elements: list[str]
    """Keys of the arrays with an entry per element: values and minor indices."""
    starts: str
    """Key of the array that says where each row, or column, begins."""


@dataclass
class Encoder:
    """Collects arrays while it turns a state into JSON. Local; `number` is what needs the other ranks."""

    comm: Communicator
    prefix: str = ""
    arrays: dict[str, tuple[Stored, Tensor]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """What must be the same on all ranks, in words."""
    sparse: list[_Sparse] = field(default_factory=list)
    own: list[tuple[Any, Encoder]] = field(default_factory=list)
    """What this rank alone knows: the trees, and what collected their arrays."""

    def encode(self, value: Any, path: str = "") -> Any:
        """JSON for a value; `path` is where it stands in the state."""
        if value is None or type(value) in (bool, int, str):
            self.lines.append(f"{path}: {type(value).__name__}")
            return value
        method = next((m for kind, m in _METHODS if isinstance(value, kind)), None)
        if method is None and hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            method = Encoder._object
        if method is None and dataclasses.is_dataclass(value) and not isinstance(value, type):
            method = Encoder._dataclass
        if method is None:
            raise TypeError(
                f"`state` holds {path or 'itself'}, of type {type(value).__name__}, which a checkpoint cannot: only "
                "arrays (also sparse, NumPy's and torch's), objects with state_dict and load_state_dict, generators of "
                "random numbers, numbers, strings, bytes, None, and lists, tuples, dicts and dataclasses of these"
            )
        return method(self, value, path)

    # --- arrays -------------------------------------------------------------------------------------------------------

    def _add(self, tensor: Tensor, layout: Layout, path: str) -> str:
        key = f"{self.prefix}{len(self.arrays)}"
        self.arrays[key] = Stored(key, tensor.dtype, layout), tensor.detach()
        self.lines.append(f"{path}: {tensor.dtype} {layout}")
        return key

    def _array(self, x: DNDarray, path: str) -> Any:
        self._check_comm(x.comm, path)
        key = self._add(x.larray, x.layout, path)
        return {"kind": "array", "key": key, "grad": x.requires_grad}

    def _check_comm(self, comm: Communicator, path: str) -> None:
        if self.prefix:
            raise TypeError(f"{path} is a distributed array; what is PerRank must be each rank's own")
        if comm is not self.comm:
            raise ValueError(f"{path} lies on {comm}, and what is saved must lie on one communicator: give `comm`")

    def _tensor(self, x: Tensor, path: str) -> Any:
        if x.layout is not torch.strided or x.is_quantized or x.is_meta or type(x).__name__ == "DTensor":
            raise TypeError(f"{path} is a tensor of layout {x.layout}, type {type(x).__name__} on {x.device}; save a "
                            "dense torch tensor or a distributed array")  # fmt: skip
        return {"kind": "tensor", "key": self._plain(x, path), "grad": x.requires_grad}

    def _plain(self, x: Tensor, path: str) -> str:
        return self._add(x, Layout(tuple(x.shape), _ALONE), path)

    def _numpy(self, x: Any, path: str) -> Any:
        array, masked = np.asarray(x), isinstance(x, np.ma.MaskedArray)
        if masked or array.dtype.hasobject or array.dtype.names is not None or not array.dtype.itemsize:
            raise TypeError(f"{path} is a {type(x).__name__} of {array.dtype}, which a checkpoint cannot hold")
        array = np.require(array, requirements=["C", "W"])  # a copy only where it needs to be one
        if array.dtype.isnative and array.dtype.char in _TORCH_READS:
            tensor = torch.from_numpy(array)
        else:
            tensor = torch.from_numpy(array.reshape(-1).view(np.uint8))
        node = {"kind": "numpy", "key": self._plain(tensor, path), "dtype": array.dtype.str, "shape": array.shape}
        return {**node, "scalar": isinstance(x, np.generic)}

    def _sparse(self, A: SparseArray, path: str) -> Any:
        self._check_comm(A.comm, path)
        major = 1 if A.split == 1 or (A.split is None and A.format == "csc") else 0
        lines = Layout((A.shape[major],), self.comm.grid, A.layout.axes and (None if A.split is None else 0),
                       None if A.split is None else A.layout.counts)  # fmt: skip
        wide = torch.int64 if max(A.shape) > torch.iinfo(torch.int32).max else torch.int32
        unknown = Layout((A.nnz,), self.comm.grid)
        elements = [self._add(A.data, unknown, path), self._add(A.indices.to(wide), unknown, path)]
        starts = self._add(A.indptr[:-1].to(torch.int64), lines, path)
        self.sparse.append(_Sparse(A, elements, starts))
        node = {"kind": "sparse", "shape": A.shape, "format": A.format, "major": major, "split": A.split, "nnz": A.nnz}
        return {**node, "data": elements[0], "indices": elements[1], "starts": starts, "grad": A.requires_grad}

    def number(self, everyones: list[list[int]]) -> None:
        """Place the elements of sparse arrays, of which rank r has `everyones[r]`, one number per array."""
        for i, found in enumerate(self.sparse):
            if found.array.split is None:
                continue
            counts = [numbers[i] for numbers in everyones]
            for key in found.elements:
                stored, tensor = self.arrays[key]
                layout = Layout((sum(counts),), self.comm.grid, 0, [counts])
                self.arrays[key] = Stored(key, stored.dtype, layout), tensor
            stored, starts = self.arrays[found.starts]
            self.arrays[found.starts] = stored, starts + sum(counts[: self.comm.rank])

    # --- containers ---------------------------------------------------------------------------------------------------

    def _each(self, values: Any, path: str) -> list[Any]:
        return [self.encode(value, _join(path, i)) for i, value in enumerate(values)]

    def _list(self, value: list, path: str) -> Any:
        self.lines.append(f"{path}: list of {len(value)}")
        return self._each(value, path)

    def _sequence(self, value: Any, path: str) -> Any:
        self.lines.append(f"{path}: {type(value).__name__} of {len(value)}")
        items = self._each(value, path)
        if hasattr(value, "_fields"):
            return {"kind": "namedtuple", "of": type(value).__name__, "fields": value._fields, "items": items}
        return {"kind": "sequence", "of": _known(value, SEQUENCES, "tuple"), "items": items}

    def _mapping(self, value: Mapping, path: str) -> Any:
        self.lines.append(f"{path}: dict of {[str(key) for key in value]}")
        items = [[_encode_key(key, path), self.encode(each, _join(path, key))] for key, each in value.items()]
        return {"kind": "mapping", "of": _known(value, MAPPINGS, "dict"), "items": items}

    def _dataclass(self, value: Any, path: str) -> Any:
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        items = [[name, self.encode(each, _join(path, name))] for name, each in fields.items()]
        return {"kind": "dataclass", "of": type(value).__name__, "items": items}

    # --- objects ------------------------------------------------------------------------------------------------------

    def _object(self, value: Any, path: str) -> Any:
        return {"kind": "object", "of": type(value).__name__, "state": self.encode(value.state_dict(), path)}

    def _generator(self, value: Any, path: str) -> Any:
        name = next(name for name, stream in STREAMS.items() if isinstance(value, stream.kind))
        return {"kind": "generator", "of": name, "state": self.encode(STREAMS[name].get(value), path)}

    def _random(self, value: RandomState, path: str) -> Any:
        return {"kind": "random", "state": self.encode(value.now() if value.states is None else value.states, path)}

    def _per_rank(self, value: PerRank, path: str) -> Any:
        if self.prefix:
            raise TypeError(f"{path} is PerRank inside of what is PerRank already")
        self.lines.append(f"{path}: PerRank")
        index = len(self.own)
        inner = Encoder(self.comm, prefix=f"own{index}-")
        self.own.append((inner.encode(value.value, path), inner))
        return {"kind": "own", "index": index}

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _float(self, value: float, path: str) -> Any:
        self.lines.append(f"{path}: float")
        return float(value) if math.isfinite(value) else {"kind": "float", "value": repr(float(value))}

    def _complex(self, value: complex, path: str) -> Any:
        self.lines.append(f"{path}: complex")
        return {"kind": "complex", "value": str(value)}

    def _bytes(self, value: bytes, path: str) -> Any:
        self.lines.append(f"{path}: bytes")
        return {"kind": "bytes", "value": base64.b64encode(value).decode()}

    def _dtype(self, value: torch.dtype, path: str) -> Any:
        return {"kind": "dtype", "value": str(value).removeprefix("torch.")}

    def _device(self, value: torch.device, path: str) -> Any:
        return {"kind": "device", "value": str(value)}

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """What this rank writes."""
        rank, parts = self.comm.rank, []
        for stored, tensor in self.arrays.values():
            if is_written_by(stored, rank):
                parts.append(Part(stored.key, stored.layout.box(rank), tensor))
        for _, inner in self.own:
            parts += [Part(s.key, s.layout.box(0), t) for s, t in inner.arrays.values() if t.numel()]
        return parts

    def own_digests(self) -> list[int | None]:
        """For each of the trees that are this rank's own a number that is equal where they are; None for large ones."""
        digests: list[int | None] = []
        for tree, inner in self.own:
            tensors = [tensor for _, tensor in inner.arrays.values()]
            if sum(tensor.nbytes for tensor in tensors) > _COMPARED:
                digests.append(None)
                continue
            digest = zlib.crc32("\n".join([repr(tree), *inner.lines]).encode())
            for tensor in tensors:
                digest = zlib.crc32(as_bytes(tensor.cpu().resolve_conj().resolve_neg().contiguous()), digest)
            digests.append(digest)
        return digests


def _join(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _known(value: Any, kinds: Mapping[str, Any], otherwise: str) -> str:
    """The name of a value's type, if that is one of `kinds`."""
    return next((name for name, kind in kinds.items() if type(value) is kind), otherwise)


def _encode_key(key: Any, path: str) -> Any:
    if isinstance(key, tuple):
        return {"kind": "sequence", "of": "tuple", "items": [_encode_key(k, path) for k in key]}
    if key is not None and type(key) not in (bool, int, float, str):
        raise TypeError(
            f"{path} is a dict with the key {key!r}; keys must be strings, numbers, None or tuples of these"
        )
    return key


_METHODS: list[tuple[Any, Callable[[Encoder, Any, str], Any]]] = [
    (DNDarray, Encoder._array),
    (SparseArray, Encoder._sparse),
    (Tensor, Encoder._tensor),
    (np.ndarray | np.generic, Encoder._numpy),
    (PerRank, Encoder._per_rank),
    (RandomState, Encoder._random),
    (tuple(stream.kind for stream in STREAMS.values()), Encoder._generator),
    (float, Encoder._float),
    (complex, Encoder._complex),
    (bytes, Encoder._bytes),
    (torch.dtype, Encoder._dtype),
    (torch.device, Encoder._device),
    (list, Encoder._list),
    (tuple, Encoder._sequence),
    (Mapping, Encoder._mapping),
]
"""Types, in the order in which they are tried, and what encodes them."""
