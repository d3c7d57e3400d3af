"""Elements chosen, and set, by arrays of indices or of truth values.

What is set is set in place: the array keeps its layout and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .advanced_indexing import advanced_get, advanced_set, in_range, nonzero
from .array import DNDarray, wrap
from .assembly import beside_axis, resized
from .broadcasting import align_to, broadcast_shapes
from .creation import positions, zeros_like
from .elementwise import FUNCTIONS, apply, as_operand, check_range, store
from .indexing import assign
from .local_indexing import true_positions
from .manipulation import beside, ravel, reshape, stack, with_axis
from .redistribution import move
from .splitting import unstack
from .tiling import atleast_1d, resize
from .types import can_cast, kind, result_type
from .unsigned import moved

__all__ = [
    "argwhere",
    "choose",
    "compress",
    "copyto",
    "extract",
    "fill_diagonal",
    "flatnonzero",
    "piecewise",
    "place",
    "put",
    "putmask",
    "select",
]

_SCALARS = (bool, int, float, complex)


# --- where ------------------------------------------------------------------------------------------------------------


def argwhere(x: Any) -> DNDarray:
    """The indices of the elements that are not zero, a row each, in C order. Communication: as `nonzero`."""
    x = as_operand(x)
    found = stack(nonzero(atleast_1d(x)), 1)
    return found if x.ndim else found[:, :0]


def flatnonzero(x: Any) -> DNDarray:
    """The flat indices of the elements that are not zero. Communication: as `ravel` and `nonzero`."""
    return nonzero(ravel(x))[0]


# --- chosen -----------------------------------------------------------------------------------------------------------


def compress(condition: Any, x: Any, axis: int | None = None, out: DNDarray | None = None) -> DNDarray:
    """The indices along `axis` at which `condition` holds; None flattens `x` first. What is beyond its end is not.

    The result lies where the elements are: split as `x`, perhaps unbalanced. Communication: one all-gather of counts
    if `axis` is split, and one redistribution of the condition if that is split in another way.

    >>> compress([True, False, True], [1, 2, 3]).tolist()
    [1, 3]
    """
    condition, x = beside([condition, x])
    if condition.ndim != 1:
        raise ValueError(f"`condition` must have one axis, not shape {condition.shape}")
    x, axis = with_axis(x, axis)
    n, g = x.shape[axis], x.layout.grid_axis(axis)
    condition = FUNCTIONS["not_equal"](condition, 0)
    if len(condition) > n and bool(FUNCTIONS["any"](condition[n:])):
        raise IndexError(f"`condition` holds beyond the {n} indices of axis {axis}")
    if len(condition) < n:
        from .padding import pad

        condition = pad(condition, (0, n - len(condition)))
    condition = condition[:n]
    keep = true_positions(move(condition.larray, condition.layout, beside_axis(x.layout, axis), x.comm))
    counts = [len(keep)]
    if g is not None:
        counts = x.comm.along(x.layout.grid, (g,)).allgather(torch.tensor(counts)).reshape(-1).tolist()
    local = moved(torch.index_select, x.larray, axis, keep)
    result = wrap(local, resized(x.layout, axis, sum(counts), counts), x.comm)
    return result if out is None else store(result, out)


def extract(condition: Any, x: Any) -> DNDarray:
    """The elements of `x`, in C order, at which `condition` holds, both taken as flat. Communication: as masks."""
    condition, x = beside([condition, x])
    condition = FUNCTIONS["not_equal"](condition, 0)
    return advanced_get(x, condition) if condition.shape == x.shape and x.ndim else compress(ravel(condition), x)


def _common_type(given: Sequence[Any], arrays: Sequence[DNDarray]) -> torch.dtype:
    """The type to which all promote, Python's numbers, which have no width, as such."""
    return result_type(*(v if type(v) in _SCALARS else a for v, a in zip(given, arrays, strict=True)))


def _check_indices(index: DNDarray, name: str) -> None:
    """A TypeError for what does not fit into int64: NumPy's `put` and `choose` are stricter here than its `take`."""
    if not can_cast(index.dtype, torch.int64, "safe"):
        raise TypeError(f"{name} takes indices that fit into int64, not {index.dtype}; convert with astype")


def choose(x: Any, choices: Any, out: DNDarray | None = None, mode: str = "raise") -> DNDarray:
    """For each element of `x`, an integer, the element of that one of `choices`; all broadcast together.

    Elementwise. Communication: as the elementwise family; with `mode="raise"` processes agree that all are in range.

    >>> choose([0, 1, 0], [[1, 2, 3], [7, 8, 9]]).tolist()
    [1, 8, 3]
    """
    given = list(unstack(choices)) if isinstance(choices, DNDarray) else list(choices)
    if not given:
        raise ValueError("choose needs something to choose from")
    x, *options = beside([x, *given])
    _check_indices(x, "choose")
    index = in_range(x, len(options), mode, 0)
    computed = _common_type(given, options)

    def chosen(which: Tensor, *tensors: Tensor) -> Tensor:
        result = tensors[0]
        for k, tensor in enumerate(tensors):
            result = torch.where(which == k, tensor, result)
        return result

    return apply(chosen, (index, *options), (None, *[computed] * len(options)), out)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> DNDarray:
    """The elements of the first of `choicelist` whose condition holds, `default` where none does.

    Elementwise. Communication: as the elementwise family.
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select needs as many choices as conditions, and one: {len(choicelist)}, {len(condlist)}")
    n = len(condlist)
    raw = [*condlist, *choicelist, default]
    arrays = beside(raw)
    if any(c.dtype is not torch.bool for c in arrays[:n]):
        raise TypeError(f"the conditions of select must be bools, not {[c.dtype for c in arrays[:n]]}")
    computed = _common_type(raw[n:], arrays[n:])

    def first(*tensors: Tensor) -> Tensor:
        result = tensors[-1]
        for condition, choice in reversed(list(zip(tensors[:n], tensors[n:-1], strict=True))):
            result = torch.where(condition, choice, result)
        return result

    return apply(first, arrays, [torch.bool] * n + [computed] * (n + 1))


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> DNDarray:
    """`funclist[i]`, a function or a number, of the elements of `x` where `condlist[i]` holds; the last one wins.

    One function more than conditions is for where none holds; elsewhere the result is zero. A function is given the
    selected elements as an array of one axis. Communication: as masks, for each condition.
    """
    x = as_operand(x)
    if isinstance(condlist, _SCALARS) or (x.ndim and not getattr(condlist[0], "ndim", isinstance(condlist[0], list))):
        given = [condlist]
    else:
        given = list(unstack(condlist)) if isinstance(condlist, DNDarray) else list(condlist)
    conditions = [FUNCTIONS["not_equal"](as_operand(c, x.comm, x.device), 0) for c in given]
    if len(funclist) == len(conditions) + 1:
        covered = conditions[0]
        for condition in conditions[1:]:
            covered = FUNCTIONS["logical_or"](covered, condition)
        conditions.append(FUNCTIONS["logical_not"](covered))
    if len(funclist) != len(conditions):
        raise ValueError(f"{len(conditions)} conditions need as many functions, or one more, not {len(funclist)}")
    result = zeros_like(atleast_1d(x))
    for condition, function in zip(map(atleast_1d, conditions), funclist, strict=True):
        if callable(function):
            chosen = advanced_get(atleast_1d(x), condition)
            if not chosen.size:
                continue
            function = function(chosen, *args, **kw)
        advanced_set(result, condition, as_operand(function, x.comm, x.device))
    return reshape(result, x.shape)


# --- set in place -----------------------------------------------------------------------------------------------------


def _target(x: Any, name: str) -> DNDarray:
    if not isinstance(x, DNDarray):
        raise TypeError(f"{name} changes a DNDarray in place, not a {type(x).__name__}")
    return x


def put(x: DNDarray, indices: Any, values: Any, mode: str = "raise") -> None:
    """Set the elements of `x` at flat indices to `values`, which begin again when they run out. The last one counts.

    Communication: as assignment to `x` through arrays of indices; with `mode="raise"` processes first agree that all
    indices are in range.
    """
    x = _target(x, "put")
    index, new = (ravel(a) for a in (as_operand(v, x.comm, x.device) for v in (indices, values)))
    if index.size or not isinstance(indices, (list, tuple)):  # an empty list has no type of its own
        _check_indices(index, "put")
    if not index.size or not new.size:
        return
    if not x.size:
        raise IndexError("put takes no indices into an array without elements")
    index = in_range(index, x.size, mode)
    key: list[DNDarray] = []
    for n in reversed(x.shape):
        key.insert(0, FUNCTIONS["remainder"](index, n))
        index = FUNCTIONS["floor_divide"](index, n)
    if new.size > 1:
        new = resize(new, len(index))
    if x.ndim:
        advanced_set(x, tuple(key), new.astype(x.dtype, copy=False))
    else:
        copyto(x, new[len(index) - 1 if new.size > 1 else 0], casting="unsafe")


def place(x: DNDarray, mask: Any, values: Any) -> None:
    """Set the elements of `x` where `mask` holds to the first, second, ... of `values`, which begin again at their end.

    Communication: one all-reduce to count the elements, then as assignment to `x` through a mask.
    """
    x = _target(x, "place")
    mask, new = (as_operand(v, x.comm, x.device) for v in (mask, values))
    if mask.size != x.size:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an array of shape {x.shape}")
    mask = reshape(FUNCTIONS["not_equal"](mask, 0), x.shape or (1,))
    many = int(FUNCTIONS["count_nonzero"](mask))
    if not many:
        return
    if not new.size:
        raise ValueError("place needs values to place")
    new = resize(new, many).astype(x.dtype, copy=False)
    if x.ndim:
        advanced_set(x, mask, new)
    else:
        copyto(x, new[0])


def putmask(x: DNDarray, mask: Any, values: Any) -> None:
    """Set the elements of `x` where `mask` holds to those of `values` at the same flat index, taken again and again.

    Communication: none if mask and values lie as `x` or are replicated; otherwise a redistribution of each; values of
    another shape come to every process.
    """
    x = _target(x, "putmask")
    mask, new = (as_operand(v, x.comm, x.device) for v in (mask, values))
    if mask.size != x.size:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an array of shape {x.shape}")
    if not new.size:
        return
    if new.shape != x.shape and new.size > 1:
        flat = torch.zeros((), dtype=torch.int64, device=x.device)
        for a, n in enumerate(x.shape):
            flat = flat.unsqueeze(-1) * n + positions(x.layout, x.comm, x.device, a)
        new = wrap(new.torch().reshape(-1)[flat % new.size], x.layout, x.comm)
    elif new.size == 1:
        new = reshape(new, ())
    copyto(x, new, "unsafe", reshape(FUNCTIONS["not_equal"](mask, 0), x.shape))


def copyto(dst: DNDarray, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Set the elements of `dst` to those of `src`, which broadcasts to it, where the mask `where` holds.

    Communication: none if `src` and `where` lie as `dst` or are replicated, otherwise a redistribution of each.
    """
    dst = _target(dst, "copyto")
    if type(src) is int and kind(dst.dtype) == 1:  # Python's numbers have no width of their own
        check_range(src, dst.dtype)
        src = torch.tensor(src, dtype=dst.dtype, device=dst.device)
    new, mask = (as_operand(v, dst.comm, dst.device) for v in (src, where))
    if not can_cast(new.dtype, dst.dtype, casting):
        raise TypeError(f"{new.dtype} does not become {dst.dtype} by casting={casting!r}; use another `casting`")
    if mask.dtype is not torch.bool:
        raise TypeError(f"`where` must be of bools, not {mask.dtype}")
    for operand in (new, mask):
        if broadcast_shapes(operand.shape, dst.shape) != dst.shape:
            raise ValueError(f"shape {operand.shape} does not broadcast to {dst.shape}")
    local, keep = (align_to(v.larray, v.layout, dst.layout, dst.comm) for v in (new, mask))
    local = local.real if local.is_complex() and not dst.dtype.is_complex else local
    dst.larray.copy_(torch.where(keep, local.to(dst.dtype), dst.larray) if where is not True else local)


def fill_diagonal(x: DNDarray, value: Any, wrap: bool = False) -> None:
    """Set the elements of `x` whose indices are all the same to `value`: a number, or several taken again and again.

    A matrix of more rows than columns may have other diagonals below the first (`wrap`), a row left free between them.
    Communication: none; values that are split are brought to every process.
    """
    x = _target(x, "fill_diagonal")
    if x.ndim < 2:
        raise ValueError(f"fill_diagonal needs two dimensions or more, not {x.ndim}")
    if x.ndim > 2 and len(set(x.shape)) > 1:
        raise ValueError(f"all axes of an array of {x.ndim} dimensions must be of one length, not {x.shape}")
    values = as_operand(value, x.comm, x.device).torch().reshape(-1)
    box = x.layout.box(x.comm.rank)
    if x.ndim > 2:
        k = torch.arange(max(start for start, _ in box), max(0, *(stop for _, stop in box)), device=x.device)
        where = [k] * x.ndim
    else:
        rows, columns = torch.arange(*box[0], device=x.device), x.shape[1]
        k = -(-rows * columns // (columns + 1))  # the first element of the diagonal that does not come before this row
        where = [rows, k * (columns + 1) - rows * columns]
        if not wrap:
            where = [w[rows < columns] for w in where]
            k = k[rows < columns]
    inside = torch.ones_like(k, dtype=torch.bool)
    for w, (start, stop) in zip(where, box, strict=True):
        inside &= (w >= start) & (w < stop)
    if len(values):
        key = tuple(w[inside] - start for w, (start, _) in zip(where, box, strict=True))
        assign(x.larray, key, values[k[inside] % len(values)])
