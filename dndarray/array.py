"""The split array: a torch tensor on each process, and the layout that says which part of the whole it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .communication import ALONE, Communicator, get_comm
from .errors import DistributedArrayError
from .layout import Layout, Split
from .redistribution import move
from .types import as_dtype, can_cast, kind, numpy_dtype

if TYPE_CHECKING:  # what methods.py adds, as a stub that tools/stubs.py makes
    from ._methods import Methods
else:
    Methods = object

__all__ = ["DNDarray"]


class DNDarray(Methods):
    """A distributed n-dimensional array.

    Made by `dnd.array`, `dnd.zeros`, ... rather than by hand. Reading an attribute never communicates, on no process.

    Parameters
    ----------
    larray
        This process's part, a torch tensor of shape `layout.lshape(comm.rank)`.
    layout
        Global shape, grid, split and counts; the same on every process.
    comm
        The processes.
    """

    __slots__ = ("__weakref__", "comm", "larray", "layout")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # == is elementwise

    larray: Tensor
    """This process's part: a torch tensor, shared with the array."""
    layout: Layout
    """Global shape, grid, split and counts."""
    comm: Communicator
    """The processes that the array is spread over."""

    def __init__(self, larray: Tensor, layout: Layout, comm: Communicator) -> None:
        self.larray = larray
        self.layout = layout
        self.comm = comm

    # --- what it is: local, free, without side effects ------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Global shape."""
        return self.layout.shape

    @property
    def lshape(self) -> tuple[int, ...]:
        """Shape of this process's part."""
        return tuple(self.larray.shape)

    @property
    def lshape_map(self) -> np.ndarray:
        """Shapes of the parts of all processes, shape (processes, ndim)."""
        return np.array([self.layout.lshape(r) for r in range(self.comm.size)], dtype=np.int64).reshape(
            self.comm.size, self.ndim
        )

    @property
    def ndim(self) -> int:
        return len(self.layout.shape)

    @property
    def size(self) -> int:
        """Number of elements of the whole array."""
        return self.layout.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.larray.element_size()

    @property
    def nbytes(self) -> int:
        """Bytes of the elements of the whole array (each counted once)."""
        return self.size * self.itemsize

    @property
    def dtype(self) -> torch.dtype:
        return self.larray.dtype

    @property
    def device(self) -> torch.device:
        return self.larray.device

    @property
    def split(self) -> Split:
        """The array axis that is dealt out, None, or on an n-dimensional grid one of these per grid axis."""
        return self.layout.split

    @property
    def requires_grad(self) -> bool:
        return self.larray.requires_grad

    @property
    def grad(self) -> DNDarray | None:
        """The gradient that backward has gathered, in this array's layout; None before."""
        grad = self.larray.grad
        return None if grad is None else DNDarray(grad, self.layout, self.comm)

    @grad.setter
    def grad(self, value: DNDarray | None) -> None:
        self.larray.grad = None if value is None else value.larray

    def is_distributed(self) -> bool:
        """Whether some process holds less than all of the array."""
        return self.layout.is_distributed

    def is_balanced(self) -> bool:
        """Whether the first n mod p processes hold one index more than the others and no other difference exists."""
        return self.layout.is_balanced

    def counts_displs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """How many indices of the split axis each process holds, and where they begin (1-D grids)."""
        counts, offsets = self.layout.counts[0], self.layout.offsets[0]
        if self.layout.grid.ndim > 1 or counts is None or offsets is None:
            raise ValueError(f"counts_displs needs an array split on a 1-D grid, this one has {self.layout}")
        return counts, offsets[:-1]

    # --- moving and converting ------------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The whole array as a NumPy array on every process, in memory of its own; collective unless it is
        replicated."""
        numpy_dtype(self.dtype)  # NumPy has no bfloat16
        return self.detach().torch().cpu().resolve_conj().resolve_neg().numpy()

    def torch(self) -> Tensor:
        """The whole array as a torch tensor on every process, with gradient, in memory of its own; collective unless
        it is replicated."""
        whole = move(self.larray, self.layout, self.layout.replicated(), self.comm)
        # Also where it need not be: what is done to the result must not depend on the number of processes.
        return (
            whole.clone() if whole.untyped_storage().data_ptr() == self.larray.untyped_storage().data_ptr() else whole
        )

    def item(self, *index: Any) -> Any:
        """The only element, or the one at `index` (a flat one, or one per axis), as a Python number; collective unless
        the array is replicated."""
        if index:
            from .indexing import checked

            at = index[0] if len(index) == 1 else index
            if not isinstance(at, tuple):
                at = np.unravel_index(checked(int(at), self.size, 0), self.shape)
            return self[tuple(at)].item()
        if self.size != 1:
            raise ValueError(f"item() needs an array of one element, this one has shape {self.shape}")
        return move(self.larray.detach(), self.layout, self.layout.replicated(), self.comm).item()

    def tolist(self) -> Any:
        """The whole array as nested lists on every process; collective unless it is replicated."""
        return move(self.larray.detach(), self.layout, self.layout.replicated(), self.comm).tolist()

    def copy(self) -> DNDarray:
        """A copy in the same layout, without gradient history."""
        return DNDarray(self.larray.detach().clone(), self.layout, self.comm)

    def astype(self, dtype: Any, copy: bool = True, *, casting: str = "unsafe") -> DNDarray:
        """This array in another dtype; the same array if nothing changes and not `copy`. Local.

        TypeError if NumPy's rule `casting` ("no", "equiv", "safe", "same_kind", "unsafe") does not allow it.
        """
        target = as_dtype(dtype)
        if not can_cast(self.dtype, target, casting):
            raise TypeError(f"{self.dtype} does not become {target} with casting={casting!r}; see can_cast")
        if target is self.dtype and not copy:
            return self
        source = self.larray.real if self.dtype.is_complex and not target.is_complex else self.larray
        return DNDarray(source.to(target, copy=copy), self.layout, self.comm)

    def view(self, dtype: Any = None) -> DNDarray:
        """The same memory, read as another dtype, as in `numpy.ndarray.view`; of another width, along the last axis.

        Local; a copy for another width where a part has gaps in memory. ValueError if a process's part of the last
        axis is no whole number of the new elements.
        """
        target, axis, width = as_dtype(self.dtype if dtype is None else dtype), self.ndim - 1, self.itemsize
        if target.itemsize == width:
            return DNDarray(self.larray.view(target), self.layout, self.comm)
        if not self.ndim:
            raise ValueError(f"an array without axes cannot be viewed as {target}, which is not {width} bytes wide")
        g = self.layout.grid_axis(axis)
        lengths = [self.shape[axis]] if g is None else [*self.layout.counts[g]]  # type: ignore[misc]
        if any(n * width % target.itemsize for n in lengths):
            raise ValueError(f"parts of {lengths} elements of {width} bytes are no whole numbers of {target}; resplit")
        lengths = [n * width // target.itemsize for n in lengths]
        layout = self.layout.derive((*self.shape[:-1], sum(lengths)), range(self.ndim), {axis: lengths})
        local = self.larray
        if not local.is_contiguous() or local.stride(axis) != 1:  # torch minds strides of empty tensors, too
            local = local.clone(memory_format=torch.contiguous_format)
        return DNDarray(local.view(target), layout, self.comm)

    def fill(self, value: Any) -> None:
        """Set all elements to a number; in place, local."""
        self[...] = value

    def to_device(self, device: Any, /, *, stream: Any = None) -> DNDarray:
        """This array on another device, by the Array API's name. torch orders the work on its own: no `stream`."""
        if stream is not None:
            raise ValueError(f"`stream` (={stream!r}) must be None: torch's current stream is taken")
        return self.to(device)

    def to(self, device: Any) -> DNDarray:
        """This array on another device; the same array if it is there already. Local."""
        larray = self.larray.to(device)
        return self if larray is self.larray else DNDarray(larray, self.layout, self.comm)

    def cpu(self) -> DNDarray:
        """This array in host memory."""
        return self.to("cpu")

    # --- gradients ------------------------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> DNDarray:
        """Record what is computed from this array, so that `backward` gives its gradient; in place."""
        self.larray.requires_grad_(requires_grad)
        return self

    def backward(self, gradient: DNDarray | None = None, retain_graph: bool | None = None) -> None:
        """Compute the gradients of all arrays that this one was computed from.

        On any number of processes they are what they are on one. The array must be a scalar, or `gradient` (an array
        that broadcasts to it) says with what to weight its elements. Collective.
        """
        if gradient is None:
            if self.size != 1:
                raise ValueError(f"backward() of an array of shape {self.shape} needs `gradient`; reduce it first")
            weight = torch.ones_like(self.larray)
        else:
            from .broadcasting import align_to

            weight = align_to(gradient.larray, gradient.layout, self.layout, self.comm).expand(self.lshape)
        torch.autograd.backward(self.larray, weight.to(self.dtype), retain_graph=retain_graph)

    def detach(self) -> DNDarray:
        """The same elements without gradient history."""
        return DNDarray(self.larray.detach(), self.layout, self.comm)

    # --- Python's protocols ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[DNDarray]:
        if not self.shape:
            raise TypeError("iteration over an array without axes")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of an array of shape {self.shape} is ambiguous; use x.any() or x.all()")
        return bool(self.item())

    def _number(self) -> Any:
        if self.size != 1:
            raise TypeError(f"only an array of one element becomes a Python number, not one of shape {self.shape}")
        return self.item()

    def __int__(self) -> int:
        return int(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._number(), ndigits)

    def __index__(self) -> int:
        if self.ndim or kind(self.dtype) != 1:
            raise TypeError(f"only integer arrays without axes are an index, not {self.dtype} of shape {self.shape}")
        return self.item()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self.ndim else str(self)

    def __repr__(self) -> str:
        from .printing import local_repr

        return local_repr(self)

    def _repr_html_(self) -> str:
        from .printing import html_repr

        return html_repr(self)

    def __copy__(self) -> DNDarray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> DNDarray:
        result = DNDarray(self.larray.detach().clone(), self.layout, self.comm)
        return result.requires_grad_() if self.requires_grad else result

    def __reduce__(self) -> tuple:
        # As bytes, since torch does not pickle all of its types.
        local = self.larray.detach().cpu().resolve_conj().resolve_neg().contiguous()
        return _unpickle, (local.reshape(-1).view(torch.uint8).numpy(), self.dtype, self.layout, self.requires_grad)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.is_distributed():
            raise DistributedArrayError(
                f"an array of shape {self.shape} with split={self.split} is spread over {self.comm.size} processes and "
                "does not turn into a NumPy array by itself; use x.numpy() (all of it, collective) or x.larray (this "
                "process's part)"
            )
        numpy_dtype(self.dtype)
        local = self.larray.detach().cpu().resolve_conj().resolve_neg().numpy()
        return np.array(local, dtype=dtype, copy=copy)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if self.is_distributed():
            raise BufferError("a distributed array has no single buffer; export x.larray or x.torch()")
        local = self.larray.detach().resolve_conj().resolve_neg()
        return local.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> Any:
        return self.larray.__dlpack_device__()


def _unpickle(data: np.ndarray, dtype: torch.dtype, layout: Layout, requires_grad: bool) -> DNDarray:
    comm = get_comm()
    if comm.size != layout.grid.size:
        raise ValueError(
            f"this array was pickled part by part on {layout.grid.size} processes and needs as many, not {comm.size}; "
            "use dnd.io.save to change the number"
        )
    larray = torch.from_numpy(data).view(dtype).reshape(layout.lshape(comm.rank))
    return DNDarray(larray.requires_grad_(requires_grad), layout, comm)


def wrap(larray: Tensor, layout: Layout, comm: Communicator) -> DNDarray:
    """The array with this part, checked against its layout; for our own functions, where a mismatch is our bug."""
    assert tuple(larray.shape) == layout.lshape(comm.rank), (larray.shape, layout, comm)
    return DNDarray(larray, layout, comm)


def own(tensor: Tensor) -> DNDarray:
    """A tensor as an array that no other process knows of."""
    return DNDarray(tensor, Layout(tuple(tensor.shape), ALONE.grid), ALONE)


def same_comm(arrays: Sequence[DNDarray]) -> Communicator:
    """The communicator of all the arrays, or an error."""
    comm = arrays[0].comm
    for array in arrays[1:]:
        if array.comm is not comm:
            raise ValueError(
                f"arrays live on different communicators ({comm} and {array.comm}); move one with dnd.array(x.numpy(), "
                "comm=...)"
            )
    return comm
