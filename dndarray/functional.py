"""A user's function of one element, one vector or one slice, applied to all of an array."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray, same_comm, wrap
from .broadcasting import common_layout, operand_layout
from .collectives import use_in_split
from .communication import Communicator
from .elementwise import as_operand
from .errors import agreed
from .layout import Grid, Layout, normalize_axis
from .manipulation import beside, expand_dims, moveaxis
from .redistribution import move
from .types import numpy_dtype

__all__ = ["apply_along_axis", "apply_over_axes", "vectorize", "vmap"]


def _to_numpy(x: DNDarray, local: Tensor) -> np.ndarray:
    """A local part as users' NumPy functions take it."""
    numpy_dtype(x.dtype)  # NumPy has no bfloat16
    if x.requires_grad:
        raise TypeError("a NumPy function has no gradient; use vmap with torch's functions, or x.detach()")
    return local.cpu().resolve_conj().resolve_neg().numpy()


def apply_along_axis(func1d: Callable, axis: int, arr: Any, *args: Any, **kwargs: Any) -> DNDarray:
    """Apply a function to all vectors along an axis.

    Parameters
    ----------
    func1d : callable
        `func1d(vector, *args, **kwargs)` gets a NumPy array of one dimension, whole, and returns a number or an array,
        always of one shape. The axes of the result take the place of `axis`.
    axis : int
    arr : array_like
        Split in any way. The result keeps the split of the axes but `axis`.

    Communication: one redistribution if `axis` is split, so that another axis is split instead (of an array of one
    dimension every process gets all of it), and two small collectives that compare shapes and errors. Not
    differentiable; see `vmap`.

    >>> apply_along_axis(np.sort, 1, [[3, 1], [2, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    arr = as_operand(arr)
    axis = normalize_axis(axis, arr.ndim)
    others = [n for a, n in enumerate(arr.shape) if a != axis]
    if 0 in others:
        raise ValueError(f"an array of shape {arr.shape} has no vectors along axis {axis} to apply a function to")
    layout = arr.layout.whole_along(axis)
    local = _to_numpy(arr, move(arr.larray, arr.layout, layout, arr.comm).movedim(axis, -1))
    results: list[np.ndarray] = []
    with agreed(arr.comm):
        vectors = local.reshape(math.prod(local.shape[:-1]), arr.shape[axis])
        results = [np.asarray(func1d(vector, *args, **kwargs)) for vector in vectors]
    mine = sorted({(r.shape, r.dtype.str) for r in results})
    kinds = {kind for some in (arr.comm.allgather_object(mine) if layout.is_distributed else [mine]) for kind in some}
    shapes = {shape for shape, _ in kinds}
    if len(shapes) > 1:
        raise ValueError(f"the function must give results of one shape, it gave {sorted(shapes)}")
    shape, dtype = shapes.pop(), np.result_type(*(dtype for _, dtype in kinds))
    stacked = np.stack(results).astype(dtype) if results else np.zeros((0, *shape), dtype)
    lead = [n for a, n in enumerate(layout.lshape(arr.comm.rank)) if a != axis]
    tensor = as_operand(stacked, arr.comm, arr.device).larray.reshape([*lead, *shape])
    order = [*range(axis), *range(len(lead), len(lead) + len(shape)), *range(axis, len(lead))]
    mapping = [a if a < axis else None if a == axis else a - 1 + len(shape) for a in range(arr.ndim)]
    final = layout.derive((*arr.shape[:axis], *shape, *arr.shape[axis + 1 :]), mapping)
    return wrap(tensor.permute(order), final, arr.comm)


def apply_over_axes(func: Callable, a: Any, axes: int | Sequence[int]) -> DNDarray:
    """Apply `func(array, axis)`, as `sum`, for one axis after another; axes that it removes come back with size 1.

    Communication: the function's.
    """
    result = as_operand(a)
    for axis in axes if isinstance(axes, Iterable) else (axes,):
        axis = normalize_axis(axis, result.ndim)
        reduced = func(result, axis)
        if reduced.ndim not in (result.ndim, result.ndim - 1):
            raise ValueError(f"the function makes {reduced.ndim} of {result.ndim} dimensions; it may remove one")
        result = reduced if reduced.ndim == result.ndim else expand_dims(reduced, axis)
    return result


def vectorize(
    pyfunc: Callable | None = None,
    otypes: str | Sequence[Any] | None = None,
    doc: str | None = None,
    excluded: Iterable[int | str] = (),
    *,
    signature: str | None = None,
) -> Callable:
    """Make a function of numbers, or of small arrays, a function of arrays.

    Parameters
    ----------
    pyfunc : callable
        Called with NumPy's numbers, or arrays, for each element of the broadcast arguments. Left out for use as a
        decorator.
    otypes : str or sequence of dtype, optional
        Types of the results. By default those of the result for the first element, for which it is called once more.
    doc : str, optional
        The docstring of the new function.
    excluded : iterable of int and str
        Positions and names of arguments that are handed on as they are.
    signature : str, optional
        The axes that the function takes and gives, as "(m,n),(n)->(m)": the last ones of arguments and results. Every
        process gets all of them; the axes before them broadcast and are split.

    Communication: as the elementwise family, one small collective that compares errors, and two more without `otypes`
    or with a `signature`. Not differentiable.

    >>> vectorize(lambda a, b: a if a > b else 0)([1, 2, 3], 1).tolist()
    [0, 2, 3]
    """
    if pyfunc is None:
        return functools.partial(vectorize, otypes=otypes, doc=doc, excluded=excluded, signature=signature)
    fixed = set(excluded)
    np.vectorize(pyfunc, otypes, excluded=fixed, signature=signature)  # raises where they are wrong

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs)
        names = [k for k in given if k not in fixed]
        if not names:
            raise ValueError("a vectorized function needs an argument that is not excluded")
        arrays = beside([given[k] for k in names])
        comm = same_comm(arrays)
        cores = _core_axes(signature, len(arrays))
        layout, local = _over_loops(arrays, cores, comm)
        if otypes is None and layout.size == 0:
            raise ValueError("without elements to try the function on, `otypes` must say what it gives")

        def call(types: Any, local: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
            parts = dict(zip(names, local, strict=True))
            positional = [parts.get(k, value) for k, value in enumerate(args)]
            named = {k: parts.get(k, value) for k, value in kwargs.items()}
            results = np.vectorize(pyfunc, types, excluded=fixed, signature=signature)(*positional, **named)
            return results if isinstance(results, tuple) else (results,)

        kinds: Any = None
        if layout.size and (otypes is None or signature is not None):
            first = next(r for r in range(comm.size) if 0 not in layout.lshape(r))
            with agreed(comm):
                if comm.rank == first:
                    probe = [p[(slice(1),) * (p.ndim - n)] for p, n in zip(local, cores, strict=True)]
                    kinds = [(r.dtype.char, r.shape[layout.ndim :]) for r in call(otypes, probe)]
            kinds = comm.broadcast_object(kinds, first) if layout.is_distributed else kinds
        results: Sequence[np.ndarray] = ()
        lshape = layout.lshape(comm.rank)
        with agreed(comm):
            if kinds is None:
                results = call(otypes, local)
            elif 0 in lshape:
                results = [np.zeros((*lshape, *core), dtype) for dtype, core in kinds]
            else:
                results = call("".join(dtype for dtype, _ in kinds), local)
        wrapped = []
        for result in results:
            whole = layout.derive((*layout.shape, *result.shape[layout.ndim :]), range(layout.ndim))
            wrapped.append(wrap(as_operand(result, comm, arrays[0].device).larray, whole, comm))
        return tuple(wrapped) if len(wrapped) > 1 else wrapped[0]

    if doc is not None:
        vectorized.__doc__ = doc
    return vectorized


def _core_axes(signature: str | None, n: int) -> list[int]:
    """How many axes of each of the n arguments the function takes whole."""
    if signature is None:
        return [0] * n
    listed = re.findall(r"\(([^()]*)\)", signature.split("->")[0])
    if len(listed) != n:
        raise TypeError(f"a function of `signature` (={signature!r}) takes {len(listed)} arrays, not {n}")
    return [len([name for name in axes.split(",") if name.strip()]) for axes in listed]


def _over_loops(
    arrays: Sequence[DNDarray], cores: Sequence[int], comm: Communicator
) -> tuple[Layout, list[np.ndarray]]:
    """The common layout of all axes but the last ones, the core axes, and local parts in it with these whole."""
    loops = []
    for x, n in zip(arrays, cores, strict=True):
        m = x.ndim - n
        if m < 0:
            raise ValueError(f"an array of shape {x.shape} has fewer than the {n} axes that the function takes")
        whole = x.layout.whole_along(*range(m, x.ndim))
        loops.append(whole.derive(x.shape[:m], [a if a < m else None for a in range(x.ndim)]))
    layout = common_layout(*loops)
    parts = []
    for x, loop in zip(arrays, loops, strict=True):
        lies, _ = operand_layout(loop.shape, layout)
        target = Layout(x.shape, lies.grid, lies.axes, lies.counts)
        parts.append(_to_numpy(x, move(x.larray, x.layout, target, comm)))
    return layout, parts


def _batch(fronts: Sequence[DNDarray], n: int) -> Layout:
    """How the mapped axis is dealt out: as the largest split array deals it, balanced if it deals out another one."""
    leader = max(fronts, key=lambda x: (x.layout.is_dealt, x.size))
    g = leader.layout.grid_axis(0)
    if g is not None:
        grid: Grid = leader.layout.grid
        axes = tuple(0 if h == g else None for h in range(grid.ndim))
        return Layout((n,), grid, axes, [c if h == g else None for h, c in enumerate(leader.layout.counts)])
    return Layout((n,), leader.comm.grid, 0 if leader.layout.is_dealt else None)


def vmap(
    func: Callable,
    in_dims: int | Sequence[int | None] = 0,
    out_dims: int | Sequence[int] = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """Map a function of torch tensors over an axis of its arguments, each process over its own part, as `torch.vmap`.

    Parameters
    ----------
    func : callable
        Gets a torch tensor for each argument, one slice along the mapped axis, and returns a tensor or a tuple of them.
    in_dims : int, None or one of these for each argument
        The axis to map over; None for an argument that every slice gets all of.
    out_dims : int or one for each result
        Where the mapped axis is put in the results, which are split along it if an argument is split.
    randomness, chunk_size
        As in `torch.vmap`.

    Communication: one redistribution for each argument that is not split along the mapped axis alone, and one small
    collective that compares errors. Differentiable.

    >>> vmap(lambda row, weights: (row * weights).sum(), (0, None))([[1, 2], [3, 4]], [10, 1]).tolist()
    [12, 34]
    """

    def mapped(*args: Any, **kwargs: Any) -> Any:
        given = next((a for a in args if isinstance(a, DNDarray)), None)
        place = () if given is None else (given.comm, given.device)
        arrays = [as_operand(a, *place) for a in args]
        dims = [in_dims] * len(arrays) if in_dims is None or isinstance(in_dims, int) else list(in_dims)
        if len(dims) != len(arrays) or all(d is None for d in dims):
            raise ValueError(f"`in_dims` (={in_dims}) must name an axis of one of the {len(arrays)} arguments or more")
        comm = same_comm(arrays)
        fronts = [x if d is None else moveaxis(x, d, 0) for x, d in zip(arrays, dims, strict=True)]
        mapping = [x for x, d in zip(fronts, dims, strict=True) if d is not None]
        lengths = {x.shape[0] for x in mapping}
        if len(lengths) > 1:
            raise ValueError(f"the mapped axes must have one length, they have {sorted(lengths)}")
        batch = _batch(mapping, lengths.pop())
        local = []
        for x, d in zip(fronts, dims, strict=True):
            target = Layout(x.shape, batch.grid) if d is None else _over(batch, x.shape, 0)
            tensor = move(x.larray, x.layout, target, comm)
            if d is None and batch.is_distributed:
                dealt = [g for g, a in enumerate(batch.axes) if a is not None]
                tensor = use_in_split(tensor, comm.along(batch.grid, dealt))
            local.append(tensor)
        own = batch.lshape(comm.rank)[0]
        results: Any = ()
        with agreed(comm):
            over = torch.vmap(
                func,
                tuple(None if d is None else 0 for d in dims),
                out_dims if isinstance(out_dims, int) else tuple(out_dims),
                randomness,
                chunk_size=chunk_size if own else None,
            )
            results = over(*local, **kwargs)
        several = isinstance(results, (tuple, list))
        tensors = list(results) if several else [results]
        places = [out_dims] * len(tensors) if isinstance(out_dims, int) else list(out_dims)
        wrapped = []
        for tensor, place_ in zip(tensors, places, strict=True):
            axis = normalize_axis(place_, tensor.ndim, "out_dims")
            shape = [batch.size if a == axis else n for a, n in enumerate(tensor.shape)]
            wrapped.append(wrap(tensor, _over(batch, shape, axis), comm))
        return tuple(wrapped) if several else wrapped[0]

    return functools.wraps(func)(mapped)


def _over(batch: Layout, shape: Sequence[int], axis: int) -> Layout:
    """The layout of an array of `shape` that is dealt out along `axis` as the batch is."""
    return Layout(shape, batch.grid, tuple(None if a is None else axis for a in batch.axes), batch.counts)
