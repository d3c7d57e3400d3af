"""Mistakes: the same exception on every rank, which says what was given and what is allowed, and nothing hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd

RANK, SIZE = dnd.get_comm().rank, dnd.get_comm().size

TABLE = np.arange(12.0).reshape(4, 3)

PLACES: dict[str, dict[str, Any]] = {
    "replicated": {},
    "rows": {"split": 0},
    "columns": {"split": 1},
    "grid": {"split": (0, 1), "grid": (SIZE, 1)},
}


def check(call: Callable[[], Any], error: type[Exception], *words: str) -> None:
    """Every rank raises this, in these words, and all are in step afterwards."""
    caught: Exception | None = None
    try:
        result = call()
    except Exception as raised:
        caught = raised
    said = dnd.get_comm().allgather_object(f"{type(caught).__name__}: {caught}")
    assert caught is not None, f"no error, but {result}"
    assert isinstance(caught, error), said
    assert len({text.partition(":")[0] for text in said}) == 1, said
    for word in words:
        assert word in str(caught), said


Case = tuple[Any, ...]
"""A function of an array of shape (4, 3), the exception that it raises, and what the message says."""

AXES: dict[str, Case] = {
    "sum": (lambda x: x.sum(axis=2), ValueError, "`axis` (=2)", "[-2, 2)", "2 dimensions"),
    "sum below": (lambda x: x.sum(axis=-3), ValueError, "`axis` (=-3)", "[-2, 2)"),
    "sum twice": (lambda x: x.sum(axis=(0, -2)), ValueError, "`axis` (=(0, -2))", "twice"),
    "sum over no number": (lambda x: x.sum(axis="rows"), TypeError, "`axis` (='rows')", "integer", "str"),
    "sum over a float": (lambda x: x.sum(axis=0.5), TypeError, "`axis` (=0.5)", "integer"),
    "mean": (lambda x: x.mean(axis=5), ValueError, "`axis` (=5)", "[-2, 2)"),
    "var": (lambda x: x.var(axis=5), ValueError, "`axis` (=5)", "[-2, 2)"),
    "max": (lambda x: x.max(axis=(0, 3)), ValueError, "`axis` (=3)", "[-2, 2)"),
    "argmax": (lambda x: x.argmax(axis=2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "any": (lambda x: x.any(axis=2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "cumsum": (lambda x: x.cumsum(axis=2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "flip": (lambda x: dnd.flip(x, 2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "roll": (lambda x: dnd.roll(x, 1, 2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "roll by too many": (
        lambda x: dnd.roll(x, (1, 2), (0, 1, 0)),
        ValueError,
        "`shift` (=(1, 2))",
        "`axis` (=(0, 1, 0))",
    ),
    "squeeze": (lambda x: x.squeeze(2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "squeeze of many": (lambda x: x.squeeze(1), ValueError, "`axis` (=1)", "size 1", "(4, 3)"),
    "expand_dims": (lambda x: x.expand_dims(3), ValueError, "`axis` (=3)", "[-3, 3)"),
    "transpose": (lambda x: x.transpose(0, 2), ValueError, "`axes` (=2)", "[-2, 2)"),
    "transpose of one": (lambda x: x.transpose(0), ValueError, "`axes`", "each of the 2 axes once"),
    "transpose twice": (lambda x: x.transpose(0, 0), ValueError, "`axes` (=(0, 0))", "twice"),
    "swapaxes": (lambda x: x.swapaxes(0, 2), ValueError, "`axis2` (=2)", "[-2, 2)"),
    "moveaxis": (lambda x: dnd.moveaxis(x, 0, 2), ValueError, "`destination` (=2)", "[-2, 2)"),
    "moveaxis of two": (lambda x: dnd.moveaxis(x, (0, 1), 0), ValueError, "`source` (=(0, 1))", "`destination` (=0)"),
    "concatenate": (lambda x: dnd.concatenate([x, x], 2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "stack": (lambda x: dnd.stack([x, x], 3), ValueError, "`axis` (=3)", "[-3, 3)"),
    "take": (lambda x: dnd.take(x, [0], 2), ValueError, "`axis` (=2)", "[-2, 2)"),
    "sum of a number": (lambda x: x[0, 0].sum(axis=1), ValueError, "`axis` (=1)", "no axes"),
}

SHAPES: dict[str, Case] = {
    "add": (lambda x: x + dnd.zeros((4, 2)), ValueError, "(4, 3), (4, 2)", "equal or 1"),
    "add from the left": (lambda x: dnd.zeros((4, 2), split=0) + x, ValueError, "(4, 2), (4, 3)", "equal or 1"),
    "add numpy": (lambda x: np.zeros(4) + x, ValueError, "(4,), (4, 3)", "equal or 1"),
    "compare": (lambda x: x < dnd.zeros(2), ValueError, "(4, 3), (2,)"),
    "where": (lambda x: dnd.add(x, x, where=np.ones((2, 3), dtype=bool)), ValueError, "(2, 3), (4, 3)"),
    "broadcast_to": (lambda x: x.broadcast_to((4, 4)), ValueError, "(4, 3)", "(4, 4)"),
    "broadcast_to less": (lambda x: x.broadcast_to((3,)), ValueError, "(4, 3)", "(3,)"),
    "matmul": (lambda x: x @ x, ValueError, "(4, 3) and (4, 3)", "3 is not 4"),
    "matmul with a vector": (lambda x: x @ dnd.zeros(4, split=0), ValueError, "(4, 3) and (4,)", "3 is not 4"),
    "matmul of a vector": (lambda x: dnd.zeros(3) @ x, ValueError, "(3,) and (4, 3)", "3 is not 4"),
    "matmul of a number": (lambda x: x @ 2, ValueError, "(4, 3) and ()", "use *"),
    "matmul of stacks": (
        lambda x: dnd.zeros((2, 4, 3)) @ dnd.zeros((3, 3, 4), split=0), ValueError, "(2,), (3,)", "equal or 1",
    ),
    "concatenate": (
        lambda x: dnd.concatenate([x, dnd.zeros((4, 2))]), ValueError, "[(4, 3), (4, 2)]", "agree but for axis 0",
    ),
    "concatenate dimensions": (lambda x: dnd.concatenate([x, dnd.zeros(3)], 0), ValueError, "[(4, 3), (3,)]"),
    "concatenate nothing": (lambda x: dnd.concatenate([]), ValueError, "one array or more"),
    "stack": (lambda x: dnd.stack([x, x.T]), ValueError, "one shape", "[(4, 3), (3, 4)]"),
    "stack nothing": (lambda x: dnd.stack([]), ValueError, "one shape"),
    "reshape": (lambda x: x.reshape(5, 2), ValueError, "12 elements", "`shape` (=(5, 2))"),
    "reshape with a rest": (lambda x: x.reshape(-1, 5), ValueError, "12 elements", "(-1, 5)"),
    "reshape with two rests": (lambda x: x.reshape(-1, -1), ValueError, "12 elements", "(-1, -1)"),
    "reshape to less than nothing": (lambda x: x.reshape(-2, -6), ValueError, "12 elements", "(-2, -6)"),
    "reshape to no number": (lambda x: x.reshape("a"), (TypeError, ValueError), "a"),
    "redistribute": (lambda x: x.resplit(0).redistribute([5] * SIZE), ValueError, "`counts`", "add up to 4"),
    "redistribute too few": (lambda x: x.resplit(0).redistribute([4] + [0] * SIZE), ValueError, "`counts`"),
    "backward of many": (lambda x: x.requires_grad_().backward(), ValueError, "(4, 3)", "`gradient`"),
    "max of nothing": (lambda x: x[:0].max(), ValueError),
    "argmin of nothing": (lambda x: x[:, :0].argmin(axis=1), ValueError),
}  # fmt: skip

INDICES: dict[str, Case] = {
    "beyond": (lambda x: x[4], IndexError, "index 4", "axis 0", "size 4"),
    "before": (lambda x: x[-5], IndexError, "index -5", "axis 0", "size 4"),
    "column": (lambda x: x[0, 3], IndexError, "index 3", "axis 1", "size 3"),
    "too many": (lambda x: x[0, 0, 0], IndexError, "too many indices", "2 dimensions"),
    "too many with a mask": (lambda x: x[np.ones((4, 3), dtype=bool), 0], IndexError, "too many indices"),
    "two ellipses": (lambda x: x[..., 0, ...], IndexError, "one ellipsis"),
    "a float": (lambda x: x[1.5], IndexError, "integers or bools", "float"),
    "a float array": (lambda x: x[[0.0, 1.0]], IndexError, "integers or bools", "float"),
    "text": (lambda x: x["a"], (IndexError, TypeError), "str"),
    "a step of zero": (lambda x: x[::0], ValueError, "zero"),
    "a slice of floats": (lambda x: x[0.5:2], TypeError, "0.5"),
    "mask": (lambda x: x[np.ones(3, dtype=bool)], IndexError, "mask of shape (3,)", "(4, 3)"),
    "split mask": (lambda x: x[dnd.ones(5, dtype=bool, split=0)], IndexError, "mask of shape (5,)", "(4, 3)"),
    "mask of both": (lambda x: x[np.ones((3, 4), dtype=bool)], IndexError, "mask of shape (3, 4)", "(4, 3)"),
    "mask of columns": (lambda x: x[:, np.ones(4, dtype=bool)], IndexError, "mask of shape (4,)", "(4, 3)"),
    "integers": (lambda x: x[[0, 4]], IndexError, "index 4", "axis 0", "size 4"),
    "integers before": (lambda x: x[:, [0, -4]], IndexError, "index -4", "size 3"),
    "split integers": (lambda x: x[dnd.array([0, 1, 2, 9], split=0)], IndexError, "index 9", "axis 0", "size 4"),
    "split integers of columns": (lambda x: x[:, dnd.array([7, 1], split=0)], IndexError, "index 7", "size 3"),
    "both": (lambda x: x[[0, 1], [0, 3]], IndexError, "index 3", "size 3"),
    "shapes of integers": (lambda x: x[[0, 1], [0, 1, 2]], (IndexError, ValueError), "(2,), (3,)"),
    "take": (lambda x: dnd.take(x, [12]), IndexError, "index 12", "size 12"),
    "into beyond": (lambda x: x.__setitem__(4, 0), IndexError, "index 4", "axis 0", "size 4"),
    "into a mask": (lambda x: x.__setitem__(np.ones(3, dtype=bool), 0), IndexError, "mask of shape (3,)"),
    "into integers": (lambda x: x.__setitem__([0, 4], 0), IndexError, "index 4", "size 4"),
    "into split integers": (lambda x: x.__setitem__(dnd.array([0, 1, 9], split=0), 0), IndexError, "index 9", "size 4"),
    "a long row": (lambda x: x.__setitem__(0, np.zeros(4)), ValueError, "(4,)", "(3,)"),
    "too many rows": (lambda x: x.__setitem__(slice(2), np.zeros((3, 3))), ValueError, "(3, 3)", "(2, 3)"),
    "too many axes": (lambda x: x.__setitem__(0, np.zeros((2, 3))), ValueError, "(2, 3)"),
    "too few for a mask": (
        lambda x: x.__setitem__(np.array([True, True, False, True]), np.zeros((2, 3))), ValueError, "3", "(2, 3)",
    ),
    "too few for integers": (lambda x: x.__setitem__([0, 1, 2], np.zeros((2, 3))), ValueError, "(2, 3)", "(3, 3)"),
    "complex": (lambda x: x.__setitem__(0, 1j), TypeError, "complex", "torch.float64", ".real"),
    "no number": (lambda x: x.__setitem__(0, "a"), TypeError, "str"),
}  # fmt: skip


def iadd(x: Any, y: Any) -> Any:
    x += y
    return x


def idiv(x: Any, y: Any) -> Any:
    x /= y
    return x


def ior(x: Any, y: Any) -> Any:
    x |= y
    return x


def imatmul(x: Any, y: Any) -> Any:
    x @= y
    return x


TYPES: dict[str, Case] = {
    "zeros": (lambda x: dnd.zeros(3, dtype="float31"), TypeError, "`dtype` (='float31')", "float32", "bfloat16"),
    "an object": (lambda x: dnd.zeros(3, dtype=object), TypeError, "`dtype`", "float32"),
    "text as type": (lambda x: dnd.zeros(3, dtype=np.dtype("U3")), TypeError, "`dtype`", "<U3"),
    "long double": (lambda x: dnd.zeros(3, dtype=np.clongdouble), TypeError, "`dtype`", "clongdouble"),
    "astype": (lambda x: x.astype("quad"), TypeError, "`dtype` (='quad')"),
    "in place, wider": (lambda x: iadd(dnd.zeros(3), x), ValueError, "(4, 3)", "(3,)"),
    "in place, broadcast": (lambda x: iadd(x, dnd.zeros((2, 4, 3), split=0)), ValueError, "(2, 4, 3)", "(4, 3)"),
    "in place, float into int": (
        lambda x: iadd(x.astype(int), 0.5), TypeError, "add", "float", "torch.int64",
    ),
    "in place, array into int": (lambda x: iadd(x.astype(int), x), TypeError, "torch.float64", "torch.int64"),
    "in place, quotient": (lambda x: idiv(x.astype(int), 2), TypeError, "divide", "torch.int64"),
    "in place, complex into float": (lambda x: iadd(x, 1j), TypeError, "complex", "torch.float64"),
    "in place, matrix of another shape": (lambda x: imatmul(x, np.ones((3, 2))), ValueError, "(4, 3)", "(4, 2)"),
    "bits of floats": (lambda x: x & 1, TypeError, "bitwise_and", "torch.float64"),
    "bits of floats in place": (lambda x: ior(x.astype(int), 1.5), TypeError, "bitwise_or"),
    "invert": (lambda x: ~x, TypeError, "torch.float64"),
    "shift": (lambda x: x << 1, TypeError, "left_shift", "torch.float64"),
    "order of complex numbers": (lambda x: (x + 1j).max(), TypeError, "complex128"),
    "a scalar that does not fit": (lambda x: x.astype("uint8") + 300, OverflowError, "300", "torch.uint8"),
    "a negative scalar": (lambda x: x.astype("uint8") + -1, OverflowError, "-1", "torch.uint8"),
    "in place, a scalar that does not fit": (lambda x: iadd(x.astype("int8"), 300), OverflowError, "300", "torch.int8"),
    "in place, a negative scalar": (lambda x: iadd(x.astype("uint16"), -1), OverflowError, "-1", "torch.uint16"),
    "text": (lambda x: x + "a", TypeError, "str"),
    "text from the left": (lambda x: "a" * x, TypeError, "torch.float64"),
    "none": (lambda x: x - None, TypeError, "NoneType"),
    "object": (lambda x: x / object(), TypeError, "object"),
    "matmul with text": (lambda x: x @ "a", TypeError, "str"),
    "in place with text": (lambda x: iadd(x, "a"), TypeError, "str"),
    "sin of text": (lambda x: dnd.sin("a"), TypeError, "str"),
    "add text": (lambda x: dnd.add(x, "a"), TypeError, "str"),
    "sum of none": (lambda x: dnd.sum(None), TypeError, "NoneType"),
    "concatenate with text": (lambda x: dnd.concatenate([x, "a"]), TypeError, "str"),
    "out of numpy": (lambda x: dnd.add(x, x, out=np.zeros((4, 3))), TypeError, "`out`", "DNDarray", "ndarray"),
    "out of another shape": (lambda x: dnd.add(x, x, out=dnd.zeros((3, 4))), ValueError, "`out`", "(3, 4)", "(4, 3)"),
    "out of another type": (
        lambda x: dnd.add(x, x, out=dnd.zeros((4, 3), dtype=int)), TypeError, "`out`", "torch.float64", "torch.int64",
    ),
    "sum out of another shape": (lambda x: x.sum(axis=0, out=dnd.zeros(4)), ValueError, "`out`", "(4,)", "(3,)"),
    "bool of many": (lambda x: bool(x), ValueError, "(4, 3)", "any()"),
    "number of many": (lambda x: float(x), TypeError, "one element", "(4, 3)"),
    "item of many": (lambda x: x.item(), ValueError, "one element", "(4, 3)"),
    "index of a float": (lambda x: range(x[0, 0]), TypeError, "torch.float64"),
    "length of a number": (lambda x: len(x[0, 0]), TypeError, "without axes"),
    "iteration over a number": (lambda x: list(x[0, 0]), TypeError, "without axes"),
    "hash": (lambda x: hash(x), TypeError, "hash"),
    "another communicator": (lambda x: dnd.zeros(3, comm="world"), TypeError, "`comm` (='world')"),
}  # fmt: skip

CREATION: dict[str, Case] = {
    "split": (lambda x: dnd.zeros((4, 3), split=2), ValueError, "`split` (=2)", "[-2, 2)"),
    "split below": (lambda x: dnd.zeros((4, 3), split=-3), ValueError, "`split` (=-3)", "[-2, 2)"),
    "split of a number": (lambda x: dnd.zeros((), split=0), ValueError, "`split` (=0)", "no axes"),
    "split twice": (lambda x: dnd.zeros((4, 3), split=(0, 0)), ValueError, "`split` (=(0, 0))", "twice"),
    "split by text": (lambda x: dnd.zeros((4, 3), split="rows"), TypeError, "`split` (='rows')", "integer"),
    "split by a float": (lambda x: dnd.zeros((4, 3), split=0.0), TypeError, "`split` (=0.0)", "integer"),
    "split of an array": (lambda x: dnd.array(TABLE, split=2), ValueError, "`split` (=2)", "[-2, 2)"),
    "is_split": (lambda x: dnd.array(TABLE, is_split=2), ValueError, "`split` (=2)", "[-2, 2)"),
    "is_split of a number": (lambda x: dnd.array(1.0, is_split=0), ValueError, "`is_split`", "one dimension"),
    "both splits": (lambda x: dnd.array(TABLE, split=0, is_split=0), ValueError, "`split` (=0)", "`is_split` (=0)"),
    "resplit": (lambda x: x.resplit(2), ValueError, "`split` (=2)", "[-2, 2)"),
    "resplit twice": (lambda x: x.resplit((1, 1)), ValueError, "`split` (=(1, 1))", "twice"),
    "grid": (
        lambda x: dnd.zeros((4, 3), split=0, grid=(SIZE + 1,)), ValueError, f"(={(SIZE + 1,)})", f"{SIZE} processes",
    ),
    "grid of two axes": (
        lambda x: dnd.zeros((4, 3), split=(0, 1), grid=(SIZE, 2)), ValueError, f"(={(SIZE, 2)})", f"{SIZE} processes",
    ),
    "grid that does not fit the split": (
        lambda x: dnd.zeros((4, 3), split=0, grid=(SIZE, 1)), ValueError, "`split` (=0)", "2 axes of the grid",
    ),
    "grid of nothing": (lambda x: dnd.zeros(3, grid=(0,)), ValueError, "`grid` (=(0,))", "one process or more"),
    "resplit to a grid": (lambda x: x.resplit(0, grid=(SIZE + 1,)), ValueError, f"{SIZE} processes"),
    "negative shape": (lambda x: dnd.zeros((2, -1)), ValueError, "`shape` (=(2, -1))", "negative"),
    "shape of floats": (lambda x: dnd.zeros((2, 1.5)), TypeError, "`shape` (=(2, 1.5))", "integers"),
    "a float as shape": (lambda x: dnd.ones(2.0), TypeError, "`shape` (=(2.0,))", "integers"),
    "text as shape": (lambda x: dnd.empty("ab"), TypeError, "`shape`", "integers"),
    "no step": (lambda x: dnd.arange(0, 3, 0), ValueError, "`step`", "zero"),
    "linspace": (lambda x: dnd.linspace(0, 1, -1), ValueError, "`num` (=-1)", "negative"),
    "meshgrid": (lambda x: dnd.meshgrid([1], [2], indexing="xx"), ValueError, "`indexing` (='xx')", "'ij'"),
    "ragged": (lambda x: dnd.array([[1], [2, 3]]), ValueError),
    "text": (lambda x: dnd.array(["a"]), TypeError),
    "none": (lambda x: dnd.array(None), TypeError, "NoneType"),
    "device": (lambda x: dnd.zeros(3, device="toaster"), (RuntimeError, ValueError), "toaster"),
}  # fmt: skip

GROUPS = {"axes": AXES, "shapes": SHAPES, "indices": INDICES, "types": TYPES, "creation": CREATION}


@pytest.mark.parametrize(
    ("group", "name"),
    [pytest.param(group, name, id=f"{group}: {name}") for group, cases in GROUPS.items() for name in cases],
)
def test_mistake(group: str, name: str) -> None:
    call, error, *words = GROUPS[group][name]
    for place in PLACES.values():
        x = dnd.array(TABLE, **place)
        check(lambda: call(x), error, *words)  # noqa: B023
        np.testing.assert_array_equal(x.detach().numpy(), TABLE, err_msg="the array stays as it was")


def test_ranks_that_pass_different_arrays() -> None:
    last = SIZE - 1
    if SIZE == 1:
        return
    mine = np.zeros((3, 2) if last == RANK else (4, 2))
    check(lambda: dnd.array(mine, split=0), ValueError, "rank 0 shape (4, 2)", f"rank {last} shape (3, 2)", "shape and")
    check(lambda: dnd.array(mine), ValueError, "rank 0 shape (4, 2)", f"rank {last} shape (3, 2)")
    check(lambda: dnd.array(mine, is_split=1), ValueError, f"rank {last} shape (3, 2)", "is_split=1")
    check(lambda: dnd.array(mine.reshape(-1) if last == RANK else mine, is_split=0), ValueError, "do not fit together")
    check(lambda: dnd.array(mine if RANK else 1.0), ValueError, "rank 0 shape ()", "rank 1 shape")
    typed = np.zeros(2, dtype=np.float32 if last == RANK else np.float64)
    for options in ({"split": 0}, {"is_split": 0}):
        check(lambda: dnd.array(typed, **options), ValueError, "torch.float64", f"rank {last}", "torch.float32")  # noqa: B023
    assert dnd.array(mine, is_split=0).shape == (4 * last + 3, 2)


@pytest.mark.ranks(4)
def test_parts_that_make_no_regular_array() -> None:
    part = np.zeros((2, 2 if RANK else 3))
    check(lambda: dnd.array(part, is_split=(0, 1), grid=(2, 2)), ValueError, "regular", "is_split=(0, 1)")


def test_distributed_arrays_do_not_convert_themselves() -> None:
    x = dnd.array(TABLE, split=0)
    if SIZE == 1:
        np.testing.assert_array_equal(np.asarray(x), TABLE)
        return
    check(lambda: np.asarray(x), dnd.DistributedArrayError, "(4, 3)", "split=0", "x.numpy()", "x.larray")
    check(lambda: torch.from_dlpack(x), BufferError, "x.larray")


def test_only_one_rank_sees_the_wrong_index() -> None:
    """In an index that is spread over the ranks, so that only one of them can know."""
    x = dnd.arange(10 * SIZE, split=0)
    for guilty in range(SIZE):
        index = dnd.arange(3 * SIZE, split=0)
        if guilty == RANK:
            index.larray[1] = 10 * SIZE
        for call in (lambda: x[index], lambda: x.__setitem__(index, 0), lambda: dnd.take(x, index, 0)):  # noqa: B023
            check(call, IndexError, f"index {10 * SIZE}", f"size {10 * SIZE}")
            check(call, IndexError, "" if guilty == RANK else f"[raised on rank {guilty}]")


def test_counts_of_what_is_not_split() -> None:
    check(lambda: dnd.zeros(3).counts_displs(), ValueError, "split on a 1-D grid")
