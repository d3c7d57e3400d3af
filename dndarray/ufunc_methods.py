"""What NumPy's ufuncs can do beside being called, reduced and accumulated: `at`, `outer` and `reduceat`.

Elements that meet are joined two by two, those of all groups at once, so that the number of steps is the logarithm of
the size of the largest group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .advanced_indexing import advanced_set, in_range, may_repeat
from .array import DNDarray, wrap
from .assembly import beside_axis, resized
from .collectives import all_to_all
from .elementwise import FUNCTIONS, as_operand, check_exponents, compute_type, run, store
from .layout import normalize_axis
from .local_indexing import owners, put_back, rows_at, sorted_by
from .manipulation import concatenate
from .redistribution import move
from .reduction import REDUCTIONS
from .types import as_dtype, can_cast
from .ufuncs import OPS, Op
from .unsigned import as_signed, moved

__all__ = ["at", "outer", "reduceat"]

_ASSOCIATIVE = frozenset(
    """
    add multiply maximum minimum fmax fmin logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
    gcd lcm hypot logaddexp logaddexp2
    """.split()
)

_INVERSES = {"subtract": ("add", "negative"), "divide": ("multiply", "reciprocal")}
"""Operations that join their first operand with the inverses of the others."""


def _check_kernel(op: Op, dtype: torch.dtype, device: torch.device) -> None:
    """A TypeError on every process, whether or not it has elements, if torch does not compute this."""
    try:
        run(op.fn, *[torch.ones(1, dtype=dtype, device=device)] * op.nin)
    except RuntimeError:
        raise TypeError(f"torch has no {op.name} for {dtype}; convert with astype") from None


def _places(group: Tensor) -> Tensor:
    """How many equal numbers come before each one; equal ones are neighbours."""
    index = torch.arange(len(group), device=group.device)
    first = torch.ones_like(group, dtype=torch.bool)
    first[1:] = group[1:] != group[:-1]
    return index - torch.where(first, index, 0).cummax(0).values


def _joined(op: Op, values: Tensor, place: Tensor) -> Tensor:
    """The rows of each group joined to one, in order, by an associative operation; `place` is that in the group."""
    while bool(place.any()):
        odd = place % 2 == 1
        right = odd.nonzero().reshape(-1)
        both = run(op.fn, rows_at(values, [right - 1]), rows_at(values, [right]))
        # The second half of a pair goes where the first was.
        values = rows_at(moved(torch.index_copy, values, 0, right - 1, as_signed(both)), [(~odd).nonzero().reshape(-1)])
        place = place[~odd] // 2
    return values


# --- at ---------------------------------------------------------------------------------------------------------------


def at(op: Op, x: Any, indices: Any, *operands: Any) -> None:
    """`x[indices] = op(x[indices], ...)` in place, once more for each time that an index is repeated, in its order.

    Results become of `x`'s type whatever they are, as in NumPy, but that complex ones do not lose their imaginary part.
    Communication: as assignment to `x` through these indices. Where the operation is not associative (`power`, say),
    or its results are of another type than `x`, there are as many local steps as the most frequent index is repeated.
    """
    if not isinstance(x, DNDarray):
        raise TypeError(f"{op.name}.at changes a DNDarray in place, not a {type(x).__name__}")
    if op.nout > 1 or len(operands) != op.nin - 1:
        raise TypeError(f"{op.name}.at takes operations of one result and {op.nin - 1} operands, not {len(operands)}")
    given = [as_operand(v, x.comm, x.device) for v in operands]
    computed = compute_type(op.kind, op.name, (x, *given))
    result = torch.bool if op.kind in ("compare", "logical", "test") else computed
    if result.is_complex and not x.dtype.is_complex:
        raise TypeError(
            f"{op.name}.at would give {result}, which does not go into an array of {x.dtype}; take .real first"
        )
    _check_kernel(op, computed, x.device)
    check_exponents(op, computed, *given)
    if not may_repeat(x, indices):
        x[indices] = FUNCTIONS[op.name](x[indices], *given).astype(x.dtype, copy=False)
        return
    joins = op.name in _ASSOCIATIVE and result is x.dtype
    # Operations of one operand take no values; any will do.
    value = given[0] if given else as_operand(False, x.comm, x.device)

    def write(local: Tensor, flat: list[Tensor], values: Tensor) -> None:
        _in_turn(op, computed, local, flat, values.to(computed), joins)

    advanced_set(x, indices, value, write=write)


def _in_turn(op: Op, computed: torch.dtype, local: Tensor, flat: list[Tensor], values: Tensor, joins: bool) -> None:
    """The operation with each value on the element at its index, those of one element in order."""
    if joins and op.name == "add" and as_signed(local) is local and local.dtype is not torch.bool:
        local.index_put_(tuple(flat), values, accumulate=True)
        return
    key = torch.zeros_like(flat[0])
    for index, n in zip(flat, local.shape, strict=False):
        key = key * n + index
    order = torch.argsort(key, stable=True)
    place = _places(key[order])
    values = rows_at(values, [order])
    if joins:
        values, order = _joined(op, values, place), order[place == 0]
        place = torch.zeros_like(order)
    for turn in torch.argsort(place, stable=True).split(torch.bincount(place).tolist()):
        target = tuple(index[order[turn]] for index in flat)
        old = moved(lambda t, at=target: t[at], local).to(computed)
        new = run(op.fn, *(old, rows_at(values, [turn]))[: op.nin])
        as_signed(local)[target] = as_signed(new.to(local.dtype))


# --- outer ------------------------------------------------------------------------------------------------------------


def outer(op: Op, x1: Any, x2: Any, **options: Any) -> Any:
    """The operation on every pair of elements, of shape `x1.shape + x2.shape`. Communication: elementwise."""
    x1, x2 = as_operand(x1), as_operand(x2)
    return FUNCTIONS[op.name](x1[(..., *[None] * x2.ndim)], x2, **options)


# --- reduceat ---------------------------------------------------------------------------------------------------------


def reduceat(op: Op, x: Any, indices: Any, axis: int = 0, dtype: Any = None, out: DNDarray | None = None) -> DNDarray:
    """Along `axis` the reductions of `x[indices[i]:indices[i + 1]]`, the last to the end; where `indices[i + 1]` is not
    larger, `x[indices[i]]`.

    The result is split as `x` is. Each process reduces what it has of each part, and the results go to the process
    that joins them: memory is that of the elements of all parts, which are more than `x` where parts overlap.
    Communication: one all-to-all if `axis` is split, and one of counts and one of indices before if those are split.
    """
    x = as_operand(x)
    axis = normalize_axis(axis, x.ndim)
    joining, inverse = _INVERSES.get(op.name, (op.name, None))
    if joining not in _ASSOCIATIVE:
        raise TypeError(f"{op.name} does not reduce here; those that do are {sorted((*_ASSOCIATIVE, *_INVERSES))}")
    computed = compute_type(op.kind, op.name, (x,)) if dtype is None else as_dtype(dtype)
    if dtype is None and op.name in ("add", "multiply"):
        computed = REDUCTIONS["sum"].result(x.dtype)
    _check_kernel(OPS[joining], computed, x.device)
    starts, stops = _bounds(as_operand(indices, x.comm, x.device), x.shape[axis])
    layout = resized(x.layout, axis, len(starts))
    own = beside_axis(layout, axis)
    begin, end = (move(v.larray, v.layout, own, x.comm) for v in (starts, stops))
    g = x.layout.grid_axis(axis)
    low, high = x.layout.box(x.comm.rank)[axis]

    def reduced(begin: Tensor, end: Tensor) -> Tensor:
        """What these parts have here, of each part joined."""
        part, index = _ranges(begin.clamp(min=low), end.clamp(max=high))
        values = rows_at(x.larray.movedim(axis, 0), [index - low]).to(computed)
        if inverse is not None:
            first = (index == begin[part]).reshape(-1, *[1] * (x.ndim - 1))
            values = run(torch.where, first, values, run(OPS[inverse].fn, values))
        return _joined(OPS[joining], values, _places(part))

    if g is None:
        result = reduced(begin, end)
    else:
        along = x.comm.along(x.layout.grid, (g,))
        part, owner = _holders(begin, end, x.layout.offsets[g])
        order = sorted_by(owner, along.size)
        receives = torch.bincount(owner, minlength=along.size).tolist()
        if starts.layout.is_dealt:
            sends = along.alltoall_counts(receives)
            asked = along.alltoallv(torch.stack([begin[part], end[part]], 1)[order], receives, sends)
            wanted = asked[:, 0], asked[:, 1]
        else:
            every, holder = _holders(starts.larray, stops.larray, x.layout.offsets[g])
            here = every[holder == along.rank]
            sends = torch.bincount(owners(here, own.offsets[g]), minlength=along.size).tolist()
            wanted = starts.larray[here], stops.larray[here]
        arrived = all_to_all(reduced(*wanted), sends, receives, along)
        result = _joined(OPS[joining], put_back(arrived, order), _places(part))
    array = wrap(result.movedim(0, axis), layout, x.comm)
    return array if out is None else store(array, out)


def _bounds(indices: DNDarray, n: int) -> tuple[DNDarray, DNDarray]:
    """First index of each part, and the one after its last."""
    if indices.ndim != 1 or not can_cast(indices.dtype, torch.int64, "safe"):
        raise TypeError(f"reduceat takes one axis of integers, not {indices.dtype} of shape {indices.shape}")
    starts = in_range(indices, n, lowest=0)
    following = concatenate([starts[1:], as_operand([n], indices.comm, indices.device)])[: len(starts)]
    return starts, FUNCTIONS["where"](following > starts, following, starts + 1)


def _ranges(begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The integers of all of these ranges, one range after another, and which range each is of."""
    lengths = end - begin
    of = torch.repeat_interleave(torch.arange(len(begin), device=begin.device), lengths)
    return of, begin[of] + _places(of)


def _holders(begin: Tensor, end: Tensor, offsets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """For each process that has some of a part, one part after another: which part, and which process."""
    part, process = _ranges(owners(begin, offsets).to(torch.int64), owners(end - 1, offsets) + 1)
    counts = torch.tensor(offsets, device=begin.device).diff()
    some = counts[process] > 0
    return part[some], process[some]
