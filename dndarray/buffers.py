"""Tensors made ready for MPI: the one place where that is done.

An array that is not contiguous would be sent in memory order, bfloat16 sums are garbage in one MPI and an error in
another, and device memory may be out of MPI's reach.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from . import launch
from .memory import fresh

__all__ = ["Buffer", "cuda_aware", "encode", "mpi_op", "mpi_type", "pieces"]

MAX_COUNT = 2**31 - 1
"""Elements that one MPI call takes; larger tensors travel in pieces, so that any MPI will do."""

_WIDE = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
_ORDERED = {torch.float32: torch.int32, torch.float64: torch.int64}


@lru_cache(maxsize=1)
def cuda_aware() -> bool:
    """Whether MPI takes device pointers. Only a declaration counts, for a wrong guess crashes the process."""
    names = ("DNDARRAY_CUDA_AWARE", "MPICH_GPU_SUPPORT_ENABLED", "MV2_USE_CUDA", "PSP_CUDA")
    return any(os.environ.get(name, "0") not in ("", "0") for name in names)


@lru_cache(maxsize=64)
def mpi_type(dtype: torch.dtype) -> Any:
    MPI = launch.mpi()
    name = str(dtype).removeprefix("torch.")
    names = {"float32": "FLOAT", "float64": "DOUBLE", "complex64": "C_FLOAT_COMPLEX", "complex128": "C_DOUBLE_COMPLEX"}
    return getattr(MPI, names.get(name) or ("C_BOOL" if name == "bool" else f"{name.upper()}_T"))


_OPS = {"sum": "SUM", "prod": "PROD", "max": "MAX", "min": "MIN", "any": "LOR", "all": "LAND"}
_OPS |= {"and": "BAND", "or": "BOR", "xor": "BXOR"}
_OF_BOOLS = {"sum": "LOR", "prod": "LAND", "max": "LOR", "min": "LAND", "and": "LAND", "or": "LOR", "xor": "LXOR"}


@lru_cache(maxsize=16)
def mpi_op(name: str, dtype: torch.dtype) -> Any:
    MPI = launch.mpi()
    return getattr(MPI, _OF_BOOLS.get(name, _OPS[name]) if dtype is torch.bool else _OPS[name])


def check_op(op: str, dtype: torch.dtype) -> None:
    """An error, on any number of processes, if elements of this type are not reduced by this operation."""
    if op not in _OPS:
        raise ValueError(f"`op` (={op!r}) must be one of {', '.join(_OPS)}")
    if op in ("any", "all") and dtype is not torch.bool:
        raise TypeError(f"`{op}` takes bools, not {dtype}; compare first, for example with 0")
    if op in ("and", "or", "xor") and (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(f"`{op}` goes bit by bit and takes integers and bools, not {dtype}")
    if op in ("max", "min") and dtype.is_complex:
        raise TypeError(f"`{op}` needs an order, and {dtype} has none")


class Buffer:
    """A tensor made ready for MPI: contiguous, without gradient, where MPI can reach it."""

    __slots__ = ("home", "memory", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.home = tensor.device
        tensor = tensor.detach()
        if tensor.is_conj() or tensor.is_neg():
            tensor = tensor.resolve_conj().resolve_neg()
        if tensor.is_cuda and not cuda_aware():
            host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            tensor = host.copy_(tensor)
        elif tensor.is_cuda:
            torch.cuda.current_stream(tensor.device).synchronize()
        self.tensor = tensor.contiguous()
        MPI: Any = launch.mpi()
        self.memory = MPI.memory.fromaddress(self.tensor.data_ptr(), self.tensor.nbytes)

    @classmethod
    def empty(cls, shape: Sequence[int], like: Tensor) -> Buffer:
        return cls(fresh(shape, like))

    def bytes(self, start: int = 0, stop: int | None = None) -> list:
        """The bytes of elements `[start, stop)` as MPI wants them: data moves as bytes, whatever its type."""
        MPI: Any = launch.mpi()
        width = self.tensor.element_size()
        stop = self.tensor.numel() if stop is None else stop
        return [self.memory[start * width : stop * width], (stop - start) * width, MPI.BYTE]

    def typed(self, start: int, stop: int) -> list:
        width = self.tensor.element_size()
        return [self.memory[start * width : stop * width], stop - start, mpi_type(self.tensor.dtype)]

    def result(self) -> Tensor:
        return self.tensor if self.tensor.device == self.home else self.tensor.to(self.home)


def pieces(n: int, width: int = 1) -> Iterator[tuple[int, int]]:
    """Intervals that cover `n` elements, each small enough for one call; one (empty) interval for n = 0."""
    step = max(1, MAX_COUNT // width)
    for start in range(0, max(n, 1), step):
        yield start, min(start + step, n)


_DIRECT = frozenset([torch.float32, torch.float64, torch.int64, torch.int32])


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


@lru_cache(maxsize=64)
def _nan(dtype: torch.dtype, device: torch.device, positive: bool) -> Tensor:
    """The NaN that lies above, or below, everything."""
    nan = torch.tensor(float("nan"), dtype=dtype, device=device).abs()
    return nan if positive else -nan


def encode(tensor: Tensor, op: str) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`tensor` in a type in which MPI reduces right, and the way back.

    Half precision is added in float32. The largest and smallest of floats are found among integers of the same order,
    where NaN lies above (or below) everything and so wins, as it does in NumPy.
    """
    dtype = tensor.dtype
    if op == "sum" and dtype in _DIRECT:
        return tensor, _unchanged
    if dtype in _WIDE:
        wide, back = encode(tensor.to(_WIDE[dtype]), op)
        return wide, lambda t: back(t).to(dtype)
    if op not in ("max", "min") or dtype not in _ORDERED:
        return tensor, _unchanged
    integer = _ORDERED[dtype]
    shift, low = 8 * dtype.itemsize - 1, torch.iinfo(integer).max

    def flip(bits: Tensor) -> Tensor:
        return bits ^ ((bits >> shift) & low)

    tensor = torch.where(tensor.isnan(), _nan(dtype, tensor.device, op == "max"), tensor)
    return flip(tensor.contiguous().view(integer)), lambda t: flip(t).view(dtype)
