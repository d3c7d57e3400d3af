"""Random numbers that do not depend on the number of processes.

Element i of a draw is a function of the seed, the number of the draw and i alone, so any split, any grid and any number
of processes give the same array, and each process computes only its own part. The bits come from Philox 4x64 (Salmon et
al., 2011), which NumPy has in C: key = (seed, 0), counter = (i // 4, 0, draw, 0).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .array import DNDarray
from .broadcasting import broadcast_shapes
from .communication import as_comm
from .creation import make_layout
from .device import as_device
from .distributions import METHODS
from .elementwise import FUNCTIONS, as_operand
from .layout import Layout, normalize_axis
from .types import as_dtype, kind

__all__ = [
    "Generator",
    "bernoulli",
    "choice",
    "get_state",
    "integers",
    "normal",
    "permutation",
    "randint",
    "randn",
    "random",
    "rand",
    "seed",
    "set_state",
    "shuffle",
    "standard_normal",
    "uniform",
    *METHODS,
]

_RUN = 1024
"""Elements in one piece of memory from which on it is drawn by itself; shorter ones are cut out of longer draws."""

_BLOCK = 2**20
"""Elements drawn at a time where pieces are cut out."""

_SORTED = 2**16
"""Up to this size permutations come from sorting random keys, beyond from a cipher."""


def _words(key: int, draw: int, start: int, count: int) -> np.ndarray:
    """The 64-bit words `[start, start + count)` of a draw."""
    bits = _philox(key, draw, start // 4)
    return bits.random_raw(start % 4 + count)[start % 4 :]


def _philox(key: int, draw: int, block: int) -> np.random.Philox:
    # NumPy advances the counter before it computes, so it stands one before the block that comes.
    counter = (block - 1) % 2**64 if block else 2**64 - 1
    high = 0 if block else 2**64 - 1
    third = draw if block else (draw - 1) % 2**64
    fourth = 0 if block or draw else 2**64 - 1
    return np.random.Philox(
        key=np.array([key, 0], dtype=np.uint64), counter=np.array([counter, high, third, fourth], dtype=np.uint64)
    )


def _unit(key: int, draw: int, start: int, count: int) -> np.ndarray:
    """Elements `[start, start + count)` uniform on [0, 1), 53 bits each."""
    bits = _philox(key, draw, start // 4)
    return np.random.Generator(bits).random(start % 4 + count)[start % 4 :]


def _fill(layout: Layout, rank: int, draw: Callable[[int, int], np.ndarray], dtype: Any) -> np.ndarray:
    """This process's part of an array whose elements, in C order, are `draw(start, count)`."""
    box = layout.box(rank)
    lshape = layout.lshape(rank)
    result = np.empty(lshape, dtype=dtype)
    if result.size == 0:
        return result
    # Axes from `inner` on lie in one piece of memory.
    inner = layout.ndim
    while inner and lshape[inner - 1] == layout.shape[inner - 1]:
        inner -= 1
    inner = max(inner - 1, 0)
    row = math.prod(layout.shape[inner + 1 :])
    length = math.prod(lshape[inner:])
    offset = (box[inner][0] if layout.ndim else 0) * row
    stride = math.prod(layout.shape[inner:])
    outer = [range(start, stop) for start, stop in box[:inner]]
    flat = result.reshape(-1, length) if length else result
    starts = _outer_starts(outer, layout.shape[:inner], stride)
    step = max(1, _BLOCK // stride) if length < _RUN else 1
    i = 0
    while i < len(starts):
        j = i + 1
        while j < len(starts) and j - i < step and starts[j] == starts[j - 1] + stride:
            j += 1
        if j - i == 1:
            flat[i] = draw(int(starts[i]) + offset, length)
        else:
            whole = draw(int(starts[i]), (j - i) * stride).reshape(j - i, stride)
            flat[i:j] = whole[:, offset : offset + length]
        i = j
    return result


def _outer_starts(outer: Sequence[range], shape: Sequence[int], stride: int) -> np.ndarray:
    """Flat positions where the rows of the leading axes begin."""
    starts = np.zeros(1, dtype=np.int64)
    step = stride
    for indices, n in zip(reversed(outer), reversed(shape), strict=True):
        starts = (np.asarray(indices, dtype=np.int64)[:, None] * step + starts[None, :]).reshape(-1)
        step *= n
    return starts


def _bounded(words: np.ndarray, span: int) -> np.ndarray:
    """Words brought to [0, span) by the high part of word * span, so that each takes one word (bias < span / 2**64)."""
    if span == 2**64:
        return words
    low_mask = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    s_low, s_high = np.uint64(span & 0xFFFFFFFF), np.uint64(span >> 32)
    low, high = words & low_mask, words >> shift
    middle = high * s_low + ((low * s_low) >> shift)
    if not s_high:
        return middle >> shift
    cross = low * s_high + (middle & low_mask)
    return high * s_high + (middle >> shift) + (cross >> shift)


class Generator:
    """A stream of random draws.

    Parameters
    ----------
    seed : int, optional
        The same seed gives the same draws on any number of processes. Without one, rank 0's operating system gives it
        to all at the first draw.

    Examples
    --------
    >>> Generator(0).random((2, 3), split=0).shape
    (2, 3)
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = None if seed is None else _checked_seed(seed)
        self._draws = 0

    @property
    def state(self) -> tuple[int | None, int]:
        """Seed and number of draws so far; setting it goes there."""
        return self._seed, self._draws

    @state.setter
    def state(self, state: tuple[int | None, int]) -> None:
        try:
            seed, draws = state
        except (TypeError, ValueError):
            raise TypeError(f"`state` (={state!r}) must be a pair: seed and number of draws") from None
        self._seed, self._draws = None if seed is None else _checked_seed(seed), _checked_seed(draws, "draws")

    def _next(self, comm: Any) -> tuple[int, int]:
        if self._seed is None:
            self._seed = int(comm.broadcast_object(secrets.randbits(63)))
        self._draws += 1
        return self._seed, self._draws - 1

    def _draw(
        self, shape: Any, dtype: Any, make: Callable[[int, int, int, int], np.ndarray], place: dict[str, Any]
    ) -> DNDarray:
        comm = as_comm(place.get("comm"))
        layout = make_layout(shape if shape is not None else (), place.get("split"), place.get("grid"), comm)
        key, number = self._next(comm)

        def numbers(start: int, count: int) -> np.ndarray:
            return make(key, number, start, count)

        part = torch.from_numpy(_fill(layout, comm.rank, numbers, np.float64 if kind(dtype) >= 2 else np.int64))
        return DNDarray(part.to(device=as_device(place.get("device")), dtype=dtype), layout, comm)

    def random(self, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
        """Uniform on [0, 1), of torch's default dtype unless `dtype` says otherwise.

        Parameters
        ----------
        size : int or tuple of int, optional
        dtype : optional
        split, device, comm, grid
            As in `dnd.zeros`.
        """
        target = _floating(dtype)
        result = self._draw(size, torch.float64, _unit, _checked_place(place))
        return result if target is torch.float64 else _below(result, 0.0, 1.0, target)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, size: Any = None, dtype: Any = None, **place: Any
    ) -> DNDarray:
        """Uniform on [low, high)."""
        target = _floating(dtype)
        if not 0 <= high - low < math.inf:
            raise ValueError(f"`low` (={low}) must be `high` (={high}) or less, both finite")
        result = self._draw(size, torch.float64, _unit, _checked_place(place))
        result.larray.mul_(high - low).add_(low)
        return _below(result, low, high, target)

    def normal(
        self, loc: float = 0.0, scale: float = 1.0, size: Any = None, dtype: Any = None, **place: Any
    ) -> DNDarray:
        """Normal with mean `loc` and standard deviation `scale`: the inverse of the distribution function at a uniform
        number, so that an element takes exactly one word."""
        if scale < 0:
            raise ValueError(f"`scale` (={scale}) must not be negative")
        result = self._draw(size, torch.float64, _unit, _checked_place(place))
        local = result.larray
        local.add_(2.0**-54).clamp_(max=1 - 2.0**-53)
        torch.special.ndtri(local, out=local)
        local.mul_(scale).add_(loc)
        return result.astype(_floating(dtype), copy=False)

    def standard_normal(self, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
        """Normal with mean 0 and standard deviation 1."""
        return self.normal(0.0, 1.0, size, dtype, **place)

    def integers(
        self,
        low: int,
        high: int | None = None,
        size: Any = None,
        dtype: Any = None,
        endpoint: bool = False,
        **place: Any,
    ) -> DNDarray:
        """Integers uniform on [low, high), or [0, low) without `high`; with `endpoint` the upper end is included."""
        if high is None:
            low, high = 0, low
        low, high = int(low), int(high) + bool(endpoint)
        target = as_dtype(dtype) if dtype is not None else torch.int64
        if kind(target) > 1:
            raise TypeError(f"`dtype` (={target}) must be an integer type or bool")
        least, most = (0, 1) if target is torch.bool else (torch.iinfo(target).min, torch.iinfo(target).max)
        if not least <= low < high <= most + 1:
            raise ValueError(f"integers needs low < high within {target}'s [{least}, {most}], got [{low}, {high})")

        def make(key: int, draw: int, start: int, count: int) -> np.ndarray:
            numbers = _bounded(_words(key, draw, start, count), high - low)
            return (numbers + np.uint64(low % 2**64)).view(np.int64)

        return self._draw(size, torch.int64, make, _checked_place(place)).astype(target, copy=False)

    def bernoulli(self, p: Any = 0.5, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
        """1 with probability `p`, otherwise 0; `p` may be an array, whose shape and split then are the default."""
        if isinstance(p, (int, float)):
            if not 0 <= p <= 1:
                raise ValueError(f"`p` (={p}) must be in [0, 1]")
        else:
            p = as_operand(p, as_comm(place.get("comm")))
            if size is None:
                size = p.shape
                place = {"split": p.split, "comm": p.comm, "device": p.device, "grid": p.layout.grid} | place
        drawn = self.random(size, torch.float64, **place)
        if not isinstance(p, (int, float)) and broadcast_shapes(drawn.shape, p.shape) != drawn.shape:
            raise ValueError(f"`p` of shape {p.shape} does not broadcast to `size` (={drawn.shape})")
        return FUNCTIONS["less"](drawn, p).astype(as_dtype(dtype) if dtype is not None else torch.bool, copy=False)

    def permutation(self, x: Any, *, axis: int = 0, **place: Any) -> DNDarray:
        """The integers below `x` in random order, or an array's indices along `axis` in random order.

        Element i of a permutation of integers is computed by itself, beyond 65536 by a Feistel cipher on the numbers
        below the next power of four, walked until it is in range (Black and Rogaway, 2002). No communication for
        integers; that of indexing for arrays.
        """
        if isinstance(x, (int, np.integer)):
            if x < 0:
                raise ValueError(f"`x` (={x}) must not be negative")
            return self._permuted(int(x), int(x), _checked_place(place))
        x = as_operand(x)
        axis = normalize_axis(axis, x.ndim)
        order = self._permuted(x.shape[axis], x.shape[axis], {"comm": x.comm, "device": x.device})
        return x[(slice(None),) * axis + (order,)]

    def _permuted(self, n: int, size: Any, place: dict[str, Any]) -> DNDarray:
        """The first of the numbers below `n` in random order, as many as `size` has."""

        def make(key: int, draw: int, start: int, count: int) -> np.ndarray:
            if n <= _SORTED:
                return np.argsort(_words(key, draw, 0, n), kind="stable")[start : start + count]
            points = np.arange(start, start + count, dtype=np.uint64)
            return _cipher(points, n, _words(key, draw, 0, _ROUNDS)).view(np.int64)

        return self._draw(size, torch.int64, make, place)

    def shuffle(self, x: DNDarray, axis: int = 0) -> None:
        """Bring an array's indices along `axis` into random order, in place. Communication: that of indexing."""
        shuffled = self.permutation(x, axis=axis)
        x[...] = shuffled

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, **place: Any) -> DNDarray:
        """Elements of `a` (the integers below it, if it is a number) drawn at random.

        Parameters
        ----------
        a : int or array_like
            Drawn from along its first axis.
        size : int or tuple of int, optional
        replace : bool
            Whether an element may come more than once.
        p : array_like, optional
            Probabilities of the elements of `a`, held by every process.
        """
        n = int(a) if isinstance(a, (int, np.integer)) else len(as_operand(a))
        count = math.prod(size) if isinstance(size, (tuple, list)) else 1 if size is None else int(size)
        if count and n < 1:
            raise ValueError(f"cannot choose {count} elements from none")
        if not replace and count > n:
            raise ValueError(f"cannot choose {count} of {n} elements without `replace`")
        place = _checked_place(place)
        index = self._weighted(n, size, count, replace, p, place) if p is not None else None
        if index is None and replace:
            index = self.integers(0, max(n, 1), size, **place)
        elif index is None:
            index = self._permuted(n, size, place)
        return index if isinstance(a, (int, np.integer)) else as_operand(a)[index]

    def _weighted(self, n: int, size: Any, count: int, replace: bool, p: Any, place: dict[str, Any]) -> DNDarray:
        weights = torch.as_tensor(p.numpy() if isinstance(p, DNDarray) else np.asarray(p), dtype=torch.float64)
        if weights.shape != (n,) or not bool((weights >= 0).all()) or abs(float(weights.sum()) - 1) > 1e-8:
            raise ValueError(f"`p` must be {n} probabilities that add up to 1")
        if replace:
            drawn = self.random(size, torch.float64, **place)
            found = torch.searchsorted(weights.cumsum(0).to(drawn.device), drawn.larray, right=True)
            return DNDarray(found.clamp(max=n - 1), drawn.layout, drawn.comm)
        if int((weights > 0).sum()) < count:
            raise ValueError(f"`p` leaves fewer than {count} elements to choose without `replace`")
        # The `count` first arrivals of exponential clocks with rates p (Efraimidis and Spirakis, 2006).
        keys = -torch.log1p(-self.random(n, torch.float64, comm=place.get("comm")).larray) / weights
        order = torch.argsort(keys, stable=True)[:count].reshape(
            tuple(size) if isinstance(size, (tuple, list)) else () if size is None else (size,)
        )
        from .creation import array

        return array(order, **place)


_ROUNDS = 8


def _cipher(x: np.ndarray, n: int, keys: np.ndarray) -> np.ndarray:
    """A permutation of [0, n) at the points x."""
    half = (max(n - 1, 1).bit_length() + 1) // 2
    mask, shift = np.uint64(2**half - 1), np.uint64(half)

    def encrypt(v: np.ndarray) -> np.ndarray:
        left, right = v >> shift, v & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        return (left << shift) | right

    result = encrypt(x)
    outside = np.flatnonzero(result >= n)
    while len(outside):
        result[outside] = encrypt(result[outside])
        outside = outside[result[outside] >= n]
    return result


def _mix(v: np.ndarray) -> np.ndarray:
    """A hash of 64-bit words (the finaliser of SplitMix64, Steele et al., 2014)."""
    v = (v ^ (v >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    v = (v ^ (v >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return v ^ (v >> np.uint64(31))


def _checked_seed(seed: Any, name: str = "seed") -> int:
    try:
        value = seed.__index__()
    except AttributeError:
        raise TypeError(f"`{name}` (={seed!r}) must be an integer{' or None' if name == 'seed' else ''}") from None
    if not 0 <= value < 2**64:
        raise ValueError(f"`{name}` (={value}) must be in [0, 2**64)")
    return value


def _checked_place(place: dict[str, Any]) -> dict[str, Any]:
    unknown = set(place) - {"split", "device", "comm", "grid"}
    if unknown:
        raise TypeError(
            f"unknown arguments {sorted(unknown)}; where an array lies is said by split, device, comm, grid"
        )
    return place


def _floating(dtype: Any) -> torch.dtype:
    target = torch.get_default_dtype() if dtype is None else as_dtype(dtype)
    if not target.is_floating_point:
        raise TypeError(f"`dtype` (={target}) must be a real floating type")
    return target


def _below(x: DNDarray, low: float, high: float, target: torch.dtype) -> DNDarray:
    """In type `target`, with what rounds up to `high` kept below it."""
    edge = torch.nextafter(torch.tensor(high, dtype=target), torch.tensor(low, dtype=target))
    return DNDarray(x.larray.to(target).clamp_(max=float(edge)), x.layout, x.comm)


for _name, _method in METHODS.items():
    setattr(Generator, _name, _method)

_default = Generator()


def seed(seed: int | None = None) -> None:
    """Begin the default stream anew; None takes a seed from rank 0's operating system at the next draw."""
    _default.state = (None if seed is None else _checked_seed(seed), 0)


def get_state() -> tuple[int | None, int]:
    """Seed and number of draws of the default stream."""
    return _default.state


def set_state(state: tuple[int | None, int]) -> None:
    """Go to a state of the default stream that `get_state` gave."""
    _default.state = state


random = _default.random
uniform = _default.uniform
normal = _default.normal
standard_normal = _default.standard_normal
integers = _default.integers
bernoulli = _default.bernoulli
permutation = _default.permutation
shuffle = _default.shuffle
choice = _default.choice
globals().update({name: getattr(_default, name) for name in METHODS})


def rand(*shape: int, **options: Any) -> DNDarray:
    """As `random`, with the shape as separate arguments."""
    return random(shape, **options)


def randn(*shape: int, **options: Any) -> DNDarray:
    """As `standard_normal`, with the shape as separate arguments."""
    return standard_normal(shape, **options)


def randint(low: int, high: int | None = None, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
    """As `integers`, by Heat's name."""
    return integers(low, high, size, dtype, **place)
