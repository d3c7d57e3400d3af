"""From what a checkpoint stores to the state that it was, or one like another."""

from __future__ import annotations

import base64
import dataclasses
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...array import DNDarray
from ...communication import Communicator
from ...creation import make_layout
from ...device import as_device
from ...layout import Box, Grid, Layout
from ...sparse import SparseArray, resplit
from ...sparse.pattern import Pattern
from ...types import can_cast
from .encoding import MAPPINGS, SEQUENCES
from .parts import Reader, Stored, as_bytes, dtype_named
from .values import STREAMS, PerRank, RandomState

__all__ = ["SAVED", "Decoder"]

SAVED = "saved"
"""The split that means: as it was."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""What a `like` says nothing with: such values come as they were saved."""

Build = Callable[[], Any]
"""Makes a value of what has been read; may be collective."""


class Decoder:
    """Reads what a tree refers to (local), and gives what then builds the state.

    Parameters
    ----------
    reader
        The checkpoint's files.
    comm
        The processes that the arrays will lie on.
    split
        How arrays shall be dealt out: `SAVED`, a split, or a mapping from paths to splits.
    device
        Where arrays and tensors shall lie, if not where those of `like` do.
    """

    def __init__(self, reader: Reader, comm: Communicator, split: Any, device: Any) -> None:
        self.reader = reader
        self.comm = comm
        self.split = split
        self.device = device
        self._rank = comm.rank  # whose own values are read
        self._arrays = reader.arrays
        self._dealt: set[str] = set()  # paths of arrays, which `split` may name

    def decode(self, node: Any, like: Any = None, path: str = "", *, whole: bool = False) -> Build:
        """What builds the value of a node.

        `like` is the value whose form it shall have: of its dicts, unless `whole`, only the keys that they have.
        """
        if hasattr(like, "load_state_dict"):
            return self._loaded(node, like, path)
        if not isinstance(node, dict):
            return self._list(node, like, path, whole) if isinstance(node, list) else lambda: node
        return _METHODS[node["kind"]](self, node, like, path, whole)

    def check_split(self) -> None:
        """Whether all that `split` names has been found."""
        unknown = [path for path in self.split if path not in self._dealt] if isinstance(self.split, Mapping) else []
        if unknown:
            raise KeyError(f"`split` names {unknown[0]!r}; the arrays that are restored are {sorted(self._dealt)}")

    # --- containers ---------------------------------------------------------------------------------------------------

    def _items(self, items: list, like: Any, path: str, whole: bool) -> list[Build]:
        if isinstance(like, list | tuple) and all(isinstance(value, _PLAIN) for value in like):
            like = None
        if isinstance(like, list | tuple) and len(like) != len(items):
            raise ValueError(f"{path or '`like`'} has {len(items)} items in the checkpoint, but {len(like)} in `like`")
        likes = like if isinstance(like, list | tuple) else [None] * len(items)
        return [
            self.decode(item, each, f"{path}/{i}" if path else str(i), whole=whole)
            for i, (item, each) in enumerate(zip(items, likes, strict=True))
        ]

    def _list(self, items: list, like: Any, path: str, whole: bool) -> Build:
        builds = self._items(items, like, path, whole)
        return lambda: [build() for build in builds]

    def _sequence(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        builds = self._items(node["items"], like, path, whole)
        return lambda: SEQUENCES[node["of"]]([build() for build in builds])

    def _namedtuple(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        builds = self._items(node["items"], like, path, whole)
        same = isinstance(like, tuple) and getattr(like, "_fields", None) == tuple(node["fields"])
        kind = type(like) if same else namedtuple(node["of"], node["fields"])
        return lambda: kind(*[build() for build in builds])

    def _named(self, items: Iterable, like: Mapping | None, path: str, whole: bool) -> list[tuple[Any, Build]]:
        saved = {self.decode(key)(): item for key, item in items}
        missing = [key for key in like or () if key not in saved]
        if missing and not whole:
            raise KeyError(f"{path or 'the checkpoint'} has no {missing[0]!r}, which `like` has; it has {[*saved]}")
        if like is not None and not whole:
            saved = {key: saved[key] for key in like}
        each = like or {}
        return [
            (key, self.decode(item, each.get(key), f"{path}/{key}" if path else str(key), whole=whole))
            for key, item in saved.items()
        ]

    def _mapping(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        builds = self._named(node["items"], like if isinstance(like, Mapping) else None, path, whole)
        return lambda: MAPPINGS[node["of"]]({key: build() for key, build in builds})

    def _dataclass(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        same = dataclasses.is_dataclass(like) and not isinstance(like, type)
        fields = {f.name: getattr(like, f.name) for f in dataclasses.fields(like)} if same else None
        builds = self._named(node["items"], fields, path, whole)
        return lambda: dataclasses.replace(like, **_built(builds)) if same else _built(builds)

    # --- arrays -------------------------------------------------------------------------------------------------------

    def _array(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        stored = self._arrays[node["key"]]
        if node["kind"] == "array":
            self._dealt.add(path)
        self._check_comm(like, path)
        if isinstance(like, DNDarray | Tensor | np.ndarray) and tuple(like.shape) != _shape(node, stored):
            raise ValueError(f"{path} has shape {_shape(node, stored)} in the checkpoint, in `like` {like.shape}")
        if isinstance(like, DNDarray) or (node["kind"] == "array" and not isinstance(like, Tensor | np.ndarray)):
            layout = like.layout if isinstance(like, DNDarray) else self._layout(stored, path)
            part = self._placed(self._read(stored, layout.box(self.comm.rank)), node, like, path)
            return lambda: DNDarray(part, layout, self.comm)
        everything = self._read(stored, tuple((0, n) for n in stored.layout.shape))
        if isinstance(like, np.ndarray) or (node["kind"] == "numpy" and not isinstance(like, Tensor)):
            result = _as_numpy(everything, node)
            return lambda: result
        tensor = self._placed(everything, node, like, path)
        return lambda: tensor

    def _check_comm(self, like: Any, path: str) -> None:
        if isinstance(like, DNDarray | SparseArray) and like.comm is not self.comm:
            raise ValueError(f"{path} of `like` lies on {like.comm}, and what is restored on {self.comm}: give `comm`")

    def _read(self, stored: Stored, box: Box) -> Tensor:
        own = not stored.key.isdigit()
        return self.reader.read_own(stored, self._rank) if own else self.reader.read(stored, box)

    def _layout(self, stored: Stored, path: str) -> Layout:
        saved, size = stored.layout, self.comm.size
        split = self.split.get(path, SAVED) if isinstance(self.split, Mapping) else self.split
        if split != SAVED:
            return make_layout(saved.shape, split, None, self.comm)
        if saved.grid.size == size:
            return saved
        grid = self.comm.grid if saved.grid.ndim == 1 else Grid.squarest(size, saved.grid.ndim)
        return Layout(saved.shape, grid, saved.axes)

    def _placed(self, tensor: Tensor, node: dict, like: Any, path: str) -> Tensor:
        """The tensor in the type and place of `like`, if that is an array."""
        dtype, device = tensor.dtype, as_device(self.device)
        if isinstance(like, DNDarray | SparseArray | Tensor):
            dtype = like.dtype
            device = like.device if self.device is None else device
            if not can_cast(tensor.dtype, dtype, "same_kind"):
                raise TypeError(f"{path} is {tensor.dtype} in the checkpoint, which does not become {dtype} of `like`")
        tensor = tensor.to(device=device, dtype=dtype)
        return tensor.requires_grad_() if node.get("grad") else tensor

    def _sparse(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        self._dealt.add(path)
        self._check_comm(like, path)
        major, lines = node["major"], self._arrays[node["starts"]]
        minor = node["shape"][1 - major]
        rows = self._layout(Stored("", lines.dtype, lines.layout), path) if self._keeps(path) else None
        wanted = self._wanted_split(node, like, path)
        if rows is None or rows.is_dealt != (wanted is not None):
            rows = make_layout(lines.layout.shape, None if wanted is None else 0, None, self.comm)
        (low, high), *_ = rows.box(self.comm.rank)
        end = min(high + 1, rows.shape[0])
        starts = self.reader.read(lines, ((low, end),)).numpy()
        starts = starts if end > high else np.append(starts, node["nnz"])
        first, last = int(starts[0]), int(starts[-1])
        indices = self.reader.read(self._arrays[node["indices"]], ((first, last),)).numpy()
        data = self._placed(self.reader.read(self._arrays[node["data"]], ((first, last),)), node, like, path)
        layout = Layout((rows.shape[0], minor), rows.grid, rows.axes, rows.counts)

        def build() -> SparseArray:
            pattern = Pattern(layout, self.comm, starts - first, indices, node["nnz"])
            found = SparseArray(pattern, data, major, node["format"])
            return found if found.split == wanted else resplit(found, wanted)

        return build

    def _keeps(self, path: str) -> bool:
        return (self.split.get(path, SAVED) if isinstance(self.split, Mapping) else self.split) == SAVED

    def _wanted_split(self, node: dict, like: Any, path: str) -> Any:
        if isinstance(like, SparseArray):
            return like.split
        if self._keeps(path):
            return node["split"]
        return self.split.get(path) if isinstance(self.split, Mapping) else self.split

    # --- objects ------------------------------------------------------------------------------------------------------

    def _object(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        return self.decode(node["state"], like, path, whole=True)

    def _loaded(self, node: Any, like: Any, path: str) -> Build:
        """What an object's state is loaded into, be it saved with the object or by itself."""
        kind = node["kind"] if isinstance(node, dict) else None
        if kind not in ("object", "mapping"):
            raise TypeError(f"{path or 'the checkpoint'} is no state that {type(like).__name__} of `like` could load")
        saved = node["state"] if kind == "object" else node
        state = self.decode(saved, like.state_dict(), path, whole=True)

        def load() -> Any:
            like.load_state_dict(state())
            return like

        return load

    def _generator(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        stream, state = STREAMS[node["of"]], self.decode(node["state"], None, path)

        def go() -> Any:
            found = state()
            generator = like if isinstance(like, stream.kind) else stream.make(found)
            stream.set(generator, found)
            return generator

        return go

    def _own(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        reader, rank = self.reader, self.comm.rank
        if reader.ranks != self.comm.size and not reader.alike[node["index"]]:
            raise ValueError(
                f"{path} was saved by {reader.ranks} ranks, each its own value, and cannot be given to "
                f"{self.comm.size}; leave it out by a `like` without it"
            )
        return self._own_of(rank % reader.ranks, node["index"], like.value if isinstance(like, PerRank) else None, path)

    def _own_of(self, rank: int, index: int, like: Any, path: str) -> Build:
        table = self.reader.table(rank)
        inner = Decoder(self.reader, self.comm, self.split, self.device)
        inner._rank = rank
        inner._arrays = {key: Stored.from_json(key, json) for key, json in table["arrays"].items()}
        build = inner.decode(table["own"][index], like, path)
        return lambda: PerRank(build())

    def _random(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        reader, rank = self.reader, self.comm.rank
        states = dict(node["state"]["items"])
        index = states["own"]["index"]
        shared, own = self.decode(states["dndarray"]), self._own_of(rank % reader.ranks, index, None, path)

        def go() -> RandomState:
            found = RandomState({"dndarray": shared(), "own": own()})
            if rank >= reader.ranks and not reader.alike[index]:
                found = found.for_further_rank(rank)
            if isinstance(like, RandomState):
                found.set()
                return like
            return found

        return go

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _value(self, node: dict, like: Any, path: str, whole: bool) -> Build:
        value = _VALUES[node["kind"]](node["value"])
        return lambda: value


def _built(builds: list[tuple[Any, Build]]) -> dict[Any, Any]:
    return {key: build() for key, build in builds}


def _shape(node: dict, stored: Stored) -> tuple[int, ...]:
    return tuple(node.get("shape", stored.layout.shape))


def _as_numpy(tensor: Tensor, node: dict) -> Any:
    if node["kind"] != "numpy":
        return tensor.numpy()
    array = np.asarray(as_bytes(tensor)).view(np.dtype(node["dtype"])).reshape(node["shape"])
    return array[()] if node["scalar"] else array


_METHODS: dict[str, Callable[..., Build]] = {
    "array": Decoder._array,
    "tensor": Decoder._array,
    "numpy": Decoder._array,
    "sparse": Decoder._sparse,
    "sequence": Decoder._sequence,
    "namedtuple": Decoder._namedtuple,
    "mapping": Decoder._mapping,
    "dataclass": Decoder._dataclass,
    "object": Decoder._object,
    "generator": Decoder._generator,
    "random": Decoder._random,
    "own": Decoder._own,
    **dict.fromkeys(["float", "complex", "bytes", "dtype", "device"], Decoder._value),
}
_VALUES: dict[str, Callable[[str], Any]] = {
    "float": float,
    "complex": complex,
    "bytes": base64.b64decode,
    "dtype": dtype_named,
    "device": torch.device,
}
