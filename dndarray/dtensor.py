"""Arrays to and from torch's DTensor, which deals arrays out over a device mesh much as a grid does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .array import DNDarray, wrap
from .communication import as_comm
from .elementwise import as_operand
from .layout import Grid, Layout
from .redistribution import move

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor

__all__ = ["from_dtensor", "to_dtensor"]


def _chunks(n: int, parts: int) -> tuple[int, ...]:
    """How DTensor deals out `n` indices: as many as fit to each process, so that the last ones may get less, or none.

    >>> _chunks(5, 4)
    (2, 2, 1, 0)
    """
    most = -(-n // parts)
    return tuple(max(0, min(most, n - most * p)) for p in range(parts))


def _chunked(shape: tuple[int, ...], grid: Grid, axes: tuple[int | None, ...]) -> Layout:
    counts = [None if a is None else _chunks(shape[a], p) for a, p in zip(axes, grid.shape, strict=True)]
    return Layout(shape, grid, axes, counts)


def from_dtensor(tensor: DTensor, comm: Any = None) -> DNDarray:
    """The array that a DTensor is, sharing its memory, with gradient. Local.

    Parameters
    ----------
    tensor : torch.distributed.tensor.DTensor
        Sharded along any axes or replicated; each axis of its mesh becomes one of the grid.
    comm : Communicator, optional
        The processes of the mesh, in its order; all of the run by default.

    Raises
    ------
    ValueError
        If the mesh has other processes than `comm`, or a placement is partial or strided, or two mesh axes shard one
        array axis: call `tensor.redistribute` first.
    """
    comm = as_comm(comm)
    mesh, shape = tensor.device_mesh, tuple(tensor.shape)
    if mesh.mesh.flatten().tolist() != list(range(comm.size)):
        raise ValueError(f"the mesh {mesh.mesh.tolist()} must hold the processes 0 to {comm.size - 1} in order")
    axes = tuple(getattr(p, "dim", None) if p.is_shard() else None for p in tensor.placements)
    dealt = [a for a in axes if a is not None]
    if len(set(dealt)) < len(dealt) or not all(p.is_shard() or p.is_replicate() for p in tensor.placements):
        raise ValueError(
            f"placements {tensor.placements} must be Replicate, or Shard of an axis each; use tensor.redistribute first"
        )
    return wrap(tensor.to_local(), _chunked(shape, Grid(tuple(mesh.mesh.shape)), axes), comm)


def to_dtensor(x: Any, mesh: DeviceMesh | None = None) -> DTensor:
    """The DTensor that an array is, with gradient, sharing its memory where the array lies as DTensor wants it.

    Parameters
    ----------
    x : array_like
        On any grid. `torch.distributed` has to be initialised, with the ranks that MPI gives.
    mesh : DeviceMesh, optional
        A mesh of the shape of the array's grid; made if there is none, which is collective.

    Communication: none if each process along a split axis holds ceil(n / p) indices but for the last ones; otherwise
    one exchange.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Replicate, Shard

    x = as_operand(x)
    grid = x.layout.grid
    mesh = init_device_mesh(x.device.type, grid.shape) if mesh is None else mesh
    if tuple(mesh.mesh.shape) != grid.shape:
        raise ValueError(f"`mesh` (={tuple(mesh.mesh.shape)}) must have the shape of the array's grid, {grid.shape}")
    layout = _chunked(x.shape, grid, x.layout.axes)
    strides = [1] * x.ndim
    for axis in range(x.ndim - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(x.shape[axis + 1], 1)
    return DTensor.from_local(
        move(x.larray, x.layout, layout, x.comm),
        mesh,
        [Replicate() if a is None else Shard(a) for a in layout.axes],
        run_check=False,
        shape=x.shape,
        stride=tuple(strides),
    )
