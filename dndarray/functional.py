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

from .array import DNDarray, own, same_comm, wrap
from .broadcasting import common_layout, operand_layout
from .collectives import all_reduce, use_in_split
from .communication import Communicator
from .elementwise import as_operand
from .errors import agreed
from .layout import Grid, Layout, normalize_axis
from .manipulation import beside, expand_dims, moveaxis
from .redistribution import move
from .types import numpy_dtype

__all__ = ["apply_along_axis", "apply_over_axes", "map_blocks", "sum_blocks", "vectorize", "vmap"]


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


def map_blocks(func: Callable[..., Any], *arrays: Any, shared: Sequence[Any] = (), size: int | None = None) -> Any:
    """Apply a function to blocks along the last axis, each process to those of its own part.

    For what is independent along that axis: nothing is sent, and a block that fits into a processor's cache is computed
    several times faster than all of an array step by step.

    Parameters
    ----------
    func : callable
        `func(*shared, *blocks)` takes arrays that no other process knows of, and returns one, or a tuple of them, whose
        last axis is as long as the blocks'. It is called at least once, if need be with empty blocks.
    *arrays : array_like
        Of one length along the last axis. The first that is dealt out along it says how; the others are redistributed
        where they are not dealt out likewise.
    shared : sequence of array_like
        What every block needs all of.
    size : int, optional
        How long a block is at most; by default all of the process's part.

    Returns
    -------
    DNDarray or tuple of them
        Dealt out along the last axis as the arrays are.

    Communication: one small collective, to agree on shapes and errors. Differentiable; the gradient of what is shared
    takes one all-reduce each.

    >>> import dndarray as dnd
    >>> map_blocks(lambda x: x - x.mean(axis=0), dnd.array([[0.0, 1, 2], [3, 4, 5]], split=1), size=2).tolist()
    [[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]]
    """
    operands, whole = [as_operand(x) for x in arrays], [as_operand(x) for x in shared]
    comm = same_comm([*operands, *whole])
    if not operands or len({x.shape[-1:] for x in operands}) != 1 or not operands[0].ndim:
        raise ValueError(f"arrays of shapes {[x.shape for x in operands]} have no last axis of one length")
    if size is not None and size < 1:
        raise ValueError(f"`size` (={size}) must be 1 or more, or None")
    dealt = next((x.layout for x in operands if x.ndim - 1 in x.layout.axes), operands[0].layout.replicated())

    def along_last(shape: tuple[int, ...]) -> Layout:
        axes = [len(shape) - 1 if a == dealt.ndim - 1 else None for a in dealt.axes]
        return Layout(shape, dealt.grid, tuple(axes), dealt.counts)

    parts = [move(x.larray, x.layout, along_last(x.shape), comm) for x in operands]
    g = dealt.grid_axis(dealt.ndim - 1)
    rest: list[DNDarray] = []
    for x in whole:
        tensor = move(x.larray, x.layout, x.layout.replicated(), comm)
        rest.append(own(tensor if g is None else use_in_split(tensor, comm.along(dealt.grid, (g,)))))
    n = parts[0].shape[-1]
    found: list[tuple[DNDarray, ...]] = []
    with agreed(comm):
        for start in range(0, max(n, 1), size or max(n, 1)):
            blocks = [own(t[..., start : start + (size or n)]) for t in parts]
            result = func(*rest, *blocks)
            found.append(result if isinstance(result, tuple) else (result,))
        if any(not x.ndim for row in found for x in row):
            raise ValueError("the function must give arrays whose last axis is the block's, not numbers")
        tensors = [torch.cat([x.larray for x in column], -1) for column in zip(*found, strict=True)]
        if any(t.shape[-1] != n for t in tensors):
            raise ValueError(f"the function must give arrays whose last axis is the block's, of {n} in all")
    results = tuple(wrap(t, along_last((*t.shape[:-1], operands[0].shape[-1])), comm) for t in tensors)
    return results if isinstance(result, tuple) else results[0]


_CACHED = 2**21
"""Bytes of a block, in float64, that stay in a processor's cache while something is computed of them."""


def sum_blocks(func: Callable[..., Any], *arrays: Any, shared: Sequence[Any] = (), size: int | None = None) -> Any:
    """Add up what a function makes of blocks of samples, over all blocks of all processes.

    For statistics of many samples in bounded memory: moments, Gram matrices, histograms, curves of risks. A block can
    be converted to a wider type, or compared with many thresholds, where all of the array could not.

    Parameters
    ----------
    func : callable
        `func(*shared, *blocks)` takes arrays that no other process knows of, of shape (samples, features) each, and
        returns one, or a tuple of them, of a shape and type that do not depend on the number of samples. It is called
        at least once, if need be with no samples, and must not raise on one process alone.
    *arrays : array_like, tuple of DNDarrays, or list of these
        Of shape (..., features), alike but for the last axis: a sample for each index of the axes before it. They
        are redistributed where they are not dealt out as the first that is dealt out. Tuples, of one length, are the
        pieces of one set of samples. Lists, of one length, are several sets.
    shared : sequence of array_like, or of lists of DNDarrays
        What every block needs all of; a list has one for each set.
    size : int, optional
        How many samples a block has at most; by default what stays in a processor's cache.

    Returns
    -------
    DNDarray or tuple of them, or a list of these, one for each set
        The sums, on every process.

    Communication: one all-reduce of all results of all sets, in their common type, if an axis is split; one
    redistribution of an array that is split along the last axis. Differentiable; the gradient of what is shared takes
    one all-reduce each.

    >>> import dndarray as dnd
    >>> x = dnd.array([[1.0, 2], [3, 4], [5, 6]], split=0)
    >>> sum_blocks(lambda block: block.T @ block, x).tolist()
    [[35.0, 44.0], [44.0, 56.0]]
    """
    if size is not None and size < 1:
        raise ValueError(f"`size` (={size}) must be 1 or more, or None")
    lengths = {len(x) for x in (*arrays, *shared) if _holds_arrays(x, list)}
    if len(lengths) > 1:
        raise ValueError(f"lists of sets must be of one length, not {sorted(lengths)}")
    partial: list[_Sums] = []
    for i in range(max(lengths, default=1)):
        own_arrays, own_shared = ([x[i] if _holds_arrays(x, list) else x for x in given] for given in (arrays, shared))
        partial.append(_set_sums(func, own_arrays, own_shared, size))
    layouts, comm = [layout for _, layout, _ in partial], partial[0][2]
    dealt = {tuple(g for g, a in enumerate(x.axes) if a is not None) for x in layouts}
    if len(dealt) > 1 or len({x.grid for x in layouts}) > 1:
        raise ValueError(f"all sets must be dealt out over the same axes of one grid, not as {layouts}")
    along = comm.along(layouts[0].grid, dealt.pop())
    joined = all_reduce(torch.cat([x.larray.reshape(-1) for (_, total), _, _ in partial for x in total]), along)
    sums, start = [], 0
    for (is_tuple, total), layout, _ in partial:
        row = []
        for x in total:
            tensor = joined[start : start + x.size].reshape(x.shape).to(x.dtype)
            row.append(wrap(tensor, Layout(x.shape, layout.grid), comm))
            start += x.size
        sums.append(tuple(row) if is_tuple else row[0])
    return sums if lengths else sums[0]


def _holds_arrays(x: Any, kind: Any) -> bool:
    """Whether it is a list, or a tuple, of arrays, or of tuples of them, rather than the elements of one."""
    return isinstance(x, kind) and bool(x) and all(isinstance(i, DNDarray) or _holds_arrays(i, tuple) for i in x)


_Sums = tuple[tuple[bool, list[DNDarray]], Layout, Communicator]
"""What a function makes of a process's blocks (and whether that is a tuple), how these lie, and where."""


def _set_sums(func: Callable[..., Any], arrays: Sequence[Any], shared: Sequence[Any], size: int | None) -> _Sums:
    """The sums of one set of samples, which may lie in pieces."""
    lengths = {len(x) if _holds_arrays(x, tuple) else 0 for x in arrays}
    if lengths == {0}:
        return _partial_sums(func, arrays, shared, size)
    if len(lengths) > 1:
        raise ValueError(f"arrays in pieces must be in as many, not {sorted(lengths)}")
    (is_tuple, total), layout, comm = _partial_sums(func, [x[0] for x in arrays], shared, size)
    for i in range(1, lengths.pop()):
        (_, more), _, _ = _partial_sums(func, [x[i] for x in arrays], shared, size)
        total = [a + b for a, b in zip(total, more, strict=True)]
    return (is_tuple, total), layout, comm


def _partial_sums(func: Callable[..., Any], arrays: Sequence[Any], shared: Sequence[Any], size: int | None) -> _Sums:
    operands, whole = [as_operand(x) for x in arrays], [as_operand(x) for x in shared]
    comm = same_comm([*operands, *whole])
    if not operands or not operands[0].ndim or len({x.shape[:-1] for x in operands}) != 1:
        raise ValueError(f"arrays of shapes {[x.shape for x in operands]} must be alike in all axes but the last")
    last = operands[0].ndim - 1
    layout = next((x.layout for x in operands if x.layout.is_dealt), operands[0].layout).whole_along(last)
    along = comm.along(layout.grid, [g for g, a in enumerate(layout.axes) if a is not None])
    parts = []
    for x in operands:
        target = Layout(x.shape, layout.grid, layout.axes, layout.counts)
        part = move(x.larray, x.layout, target, comm)
        parts.append(part.reshape(math.prod(part.shape[:-1]), x.shape[-1]))
    rest = [own(use_in_split(move(x.larray, x.layout, x.layout.replicated(), comm), along)) for x in whole]
    step = size or max(_CACHED // 8 // max(sum(x.shape[-1] for x in operands), 1), 1)
    result: Any
    total: list[DNDarray] = []
    for start in range(0, max(parts[0].shape[0], 1), step):
        result = func(*rest, *(own(part[start : start + step]) for part in parts))
        found = list(result) if isinstance(result, tuple) else [result]
        total = [a + b for a, b in zip(total, found, strict=True)] if total else found
    return (isinstance(result, tuple), total), layout, comm
