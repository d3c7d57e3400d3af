"""Collectives with gradients: each is the adjoint of its backward, and n processes differentiate as one does.

One convention everywhere, as in `dndarray.collectives`: the loss is one number of the whole run. What each process
holds by itself (own) counts once for each process, what all hold alike (replicated) counts once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import counts as any_counts
from strategies import layouts, shapes
from torch import Tensor

import dndarray as dnd
from dndarray import collectives, redistribution
from dndarray.collectives import (
    all_gather,
    all_reduce,
    all_to_all,
    broadcast,
    exscan,
    halo_exchange,
    reduce_scatter,
    send_receive,
    use_in_split,
)
from dndarray.communication import Communicator
from dndarray.layout import Layout, balanced_counts
from dndarray.redistribution import Job, exchange, move
from dndarray.testing import assert_allclose, count_collectives

SIZE = dnd.get_comm().size
REAL, COMPLEX = torch.float64, torch.complex128


@pytest.fixture
def comm() -> Communicator:
    return dnd.get_comm()


def drawn(shape: Sequence[int], seed: int, dtype: torch.dtype = REAL) -> Tensor:
    return torch.randn(tuple(shape), dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.conj() * b).real.sum()


def whole(part: Tensor, own: bool, comm: Communicator) -> float:
    """A number of the whole run from what this process has of it."""
    return comm.allreduce(part.reshape(1)).item() if own else part.item()


def gradient(result: Tensor, x: Tensor, weight: Tensor | None = None) -> Tensor:
    """The gradient of `x`: zeros where the result does not depend on it, as with nobody before one process."""
    if not result.requires_grad:
        return torch.zeros_like(x)
    (grad,) = torch.autograd.grad(result, x, weight, allow_unused=True, retain_graph=True)
    return torch.zeros_like(x) if grad is None else grad


# --- the linear ones: <A x, y> is <x, A* y> -------------------------------------------------------------------


class Case(NamedTuple):
    """A linear map between what the processes hold."""

    shape: Callable[[int], tuple[int, ...]]
    """What each rank puts in."""
    fn: Callable[[Tensor, Communicator], Tensor]
    own_in: bool = True
    own_out: bool = True


ROWS = [(3 * rank + 1) % 5 if rank != 1 else 0 for rank in range(SIZE)]
DEALS = np.random.default_rng(SIZE).integers(0, 3, size=(SIZE, SIZE))


def ring(tensor: Tensor, comm: Communicator) -> Tensor:
    after, before = (comm.rank + 1) % SIZE, (comm.rank - 1) % SIZE
    return send_receive(tensor, tensor.new_empty(before + 1, 2), after, before, comm)


def line(tensor: Tensor, comm: Communicator) -> Tensor:
    after, before = comm.rank + 1 if comm.rank + 1 < SIZE else -1, comm.rank - 1
    return send_receive(tensor, tensor.new_empty(before + 1, 2), after, before, comm)


LINEAR = {
    "all_reduce": Case(lambda rank: (3, 2), all_reduce, own_out=False),
    "all_reduce of a number": Case(lambda rank: (), all_reduce, own_out=False),
    "all_reduce of nothing": Case(lambda rank: (0, 2), all_reduce, own_out=False),
    "use_in_split": Case(lambda rank: (3, 2), use_in_split, own_in=False),
    "all_gather": Case(lambda rank: (ROWS[rank], 2), lambda x, comm: all_gather(x, ROWS, comm), own_out=False),
    "reduce_scatter": Case(lambda rank: (sum(ROWS), 2), lambda x, comm: reduce_scatter(x, ROWS, comm)),
    "broadcast": Case(lambda rank: (3, 2), lambda x, comm: broadcast(x, SIZE - 1, comm), own_out=False),
    "all_to_all": Case(
        lambda rank: (int(DEALS[rank].sum()), 2),
        lambda x, comm: all_to_all(x, DEALS[comm.rank].tolist(), DEALS[:, comm.rank].tolist(), comm),
    ),
    "exscan": Case(lambda rank: (3, 2), exscan),
    "ring": Case(lambda rank: (rank + 1, 2), ring),
    "line": Case(lambda rank: (rank + 1, 2), line),
    "halo_exchange": Case(lambda rank: (3, ROWS[rank]), lambda x, comm: halo_exchange(x, 1, 2, 1, ROWS, comm)),
    "halo_exchange, from behind only": Case(
        lambda rank: (2, 2), lambda x, comm: halo_exchange(x, 0, 0, 1, [2] * SIZE, comm)
    ),
    "halo_exchange, periodic": Case(
        lambda rank: (ROWS[rank], 2), lambda x, comm: halo_exchange(x, 0, 1, 7, ROWS, comm, periodic=True)
    ),
}


@pytest.mark.parametrize("dtype", [REAL, COMPLEX, torch.float32], ids=str)
@pytest.mark.parametrize("name", LINEAR)
def test_backward_is_the_adjoint(comm: Communicator, name: str, dtype: torch.dtype) -> None:
    case = LINEAR[name]
    x = drawn(case.shape(comm.rank), comm.rank if case.own_in else 99, dtype).requires_grad_()
    ax = case.fn(x, comm)
    y = drawn(ax.shape, 100 + comm.rank if case.own_out else 98, dtype)
    left = whole(dot(ax.detach(), y), case.own_out, comm)
    right = whole(dot(x.detach(), gradient(ax, x, y)), case.own_in, comm)
    assert left == pytest.approx(right, rel=1e-4 if dtype is torch.float32 else 1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_the_gradient_of_what_is_replicated_is_replicated(comm: Communicator, name: str) -> None:
    case = LINEAR[name]
    if case.own_in:
        return
    x = drawn(case.shape(comm.rank), 99).requires_grad_()
    ax = case.fn(x, comm)
    grad = gradient(ax, x, drawn(ax.shape, comm.rank))
    assert all(torch.equal(grad, other) for other in comm.allgather(grad))


@pytest.mark.parametrize("name", LINEAR)
def test_the_adjoint_of_the_adjoint_is_the_map(comm: Communicator, name: str) -> None:
    """Backward of backward, as Hessians need it."""
    case = LINEAR[name]
    x = drawn(case.shape(comm.rank), comm.rank if case.own_in else 99).requires_grad_()
    ax = case.fn(x, comm)
    y = drawn(ax.shape, 100 + comm.rank if case.own_out else 98).requires_grad_()
    if not ax.requires_grad:  # nobody comes before one process
        return
    (aty,) = torch.autograd.grad(ax, x, y, create_graph=True)
    (again,) = torch.autograd.grad(aty, y, x.detach())
    torch.testing.assert_close(again, ax.detach())


# --- the same gradients as on one process ---------------------------------------------------------------------


def parts(shape: Callable[[int], tuple[int, ...]]) -> list[Tensor]:
    """What all ranks put in."""
    return [drawn(shape(rank), rank).requires_grad_() for rank in range(SIZE)]


def compare(
    comm: Communicator,
    inputs: list[Tensor],
    fn: Callable[[Tensor, Communicator], Tensor],
    oracle: Callable[[list[Tensor]], list[Tensor] | Tensor],
    loss: Callable[[Tensor], Tensor] = lambda result: (result.sin() * (2 + result)).sum(),
) -> None:
    """Result and gradient here against those of one process that plays all ranks.

    `oracle` gives a list for results of each process's own, a tensor for a replicated result.
    """
    mine = inputs[comm.rank].detach().clone().requires_grad_()
    result = fn(mine, comm)
    expected = oracle(inputs)
    if isinstance(expected, list):
        torch.testing.assert_close(result, expected[comm.rank])
        total = sum((loss(part) for part in expected), torch.zeros(()))
    else:
        torch.testing.assert_close(result, expected)
        total = loss(expected)
    torch.testing.assert_close(gradient(loss(result), mine), gradient(total, inputs[comm.rank]))


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda stacked: stacked.sum(0),
    "prod": lambda stacked: stacked.prod(0),
    "max": lambda stacked: stacked.amax(0),
    "min": lambda stacked: stacked.amin(0),
}


@pytest.mark.parametrize("op", REDUCTIONS)
def test_all_reduce(comm: Communicator, op: str) -> None:
    inputs = parts(lambda rank: (4, 3))
    compare(comm, inputs, lambda x, c: all_reduce(x, c, op), lambda p: REDUCTIONS[op](torch.stack(p)))


@pytest.mark.parametrize("op", REDUCTIONS)
def test_all_reduce_of_ties_and_zeros(comm: Communicator, op: str) -> None:
    """Ties share the gradient of an extremum; one zero, or two, leave a product a gradient or none."""
    rows = [[1.0, 2.0, 0.0, 0.0, -1.0], [1.0, 1.0, 3.0, 0.0, 1.0], [1.0, 2.0, 2.0, 5.0, 0.5]]
    inputs = [torch.tensor(rows[rank % 3], dtype=REAL, requires_grad=True) for rank in range(SIZE)]
    compare(comm, inputs, lambda x, c: all_reduce(x, c, op), lambda p: REDUCTIONS[op](torch.stack(p)))


@pytest.mark.parametrize("op", ["max", "min"])
def test_all_reduce_gives_a_nan_its_gradient(comm: Communicator, op: str) -> None:
    x = torch.tensor([float("nan") if comm.rank == 0 else 1.0, 2.0], dtype=REAL, requires_grad=True)
    result = all_reduce(x, comm, op)
    assert result.isnan().tolist() == [True, False]
    result.backward(torch.ones(2))
    assert x.grad.tolist() == [1.0 if comm.rank == 0 else 0.0, 1 / SIZE]


@pytest.mark.parametrize("op", ["any", "all"])
def test_all_reduce_of_bools(comm: Communicator, op: str) -> None:
    flags = torch.tensor([[True, rank == 0, False] for rank in range(SIZE)])
    expected = flags.any(0) if op == "any" else flags.all(0)
    assert torch.equal(all_reduce(flags[comm.rank], comm, op), expected)


def test_use_in_split(comm: Communicator) -> None:
    shared = drawn((3,), 99).requires_grad_()
    result = use_in_split(shared, comm) * (comm.rank + 1)
    again = shared.detach().clone().requires_grad_()
    sum((again * (rank + 1)).sin().sum() for rank in range(SIZE)).backward()
    torch.testing.assert_close(gradient(result.sin().sum(), shared), again.grad)


def test_all_gather(comm: Communicator) -> None:
    compare(comm, parts(LINEAR["all_gather"].shape), LINEAR["all_gather"].fn, torch.cat)


def test_reduce_scatter(comm: Communicator) -> None:
    def oracle(p: list[Tensor]) -> list[Tensor]:
        return list(torch.stack(p).sum(0).split(ROWS))

    compare(comm, parts(LINEAR["reduce_scatter"].shape), LINEAR["reduce_scatter"].fn, oracle)


def test_broadcast(comm: Communicator) -> None:
    for root in range(SIZE):
        compare(comm, parts(lambda rank: (2,)), lambda x, c: broadcast(x, root, c), lambda p: p[root] * 1)  # noqa: B023


def test_all_to_all(comm: Communicator) -> None:
    def oracle(p: list[Tensor]) -> list[Tensor]:
        pieces = [part.split(deal.tolist()) for part, deal in zip(p, DEALS, strict=True)]
        return [torch.cat([row[rank] for row in pieces]) for rank in range(SIZE)]

    compare(comm, parts(LINEAR["all_to_all"].shape), LINEAR["all_to_all"].fn, oracle)


def test_exscan(comm: Communicator) -> None:
    def oracle(p: list[Tensor]) -> list[Tensor]:
        return [sum(p[:rank], torch.zeros(3, 2, dtype=REAL)) for rank in range(SIZE)]

    compare(comm, parts(lambda rank: (3, 2)), exscan, oracle)


def test_send_receive_around_a_ring(comm: Communicator) -> None:
    compare(comm, parts(LINEAR["ring"].shape), ring, lambda p: [p[rank - 1] * 1 for rank in range(SIZE)])


def test_send_receive_along_a_line(comm: Communicator) -> None:
    """The last sends to nobody, and the first gets zeros from nobody."""

    def oracle(p: list[Tensor]) -> list[Tensor]:
        return [p[rank - 1] * 1 if rank else torch.zeros(0, 2, dtype=REAL) for rank in range(SIZE)]

    compare(comm, parts(LINEAR["line"].shape), line, oracle)


def test_nobody_to_talk_to(comm: Communicator) -> None:
    x = torch.ones(2, requires_grad=True)
    result = send_receive(x, torch.ones(3), -1, -1, comm)
    assert result.tolist() == [0, 0, 0]
    result.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_a_chain(comm: Communicator) -> None:
    """Shared weights, a halo, a reduction: the steps of a distributed convolution."""
    n = 4 * SIZE + 1
    dealt = balanced_counts(n, SIZE)
    signal, weights = drawn((n,), 1), drawn((3,), 2)
    x = signal.split(list(dealt))[comm.rank].clone().requires_grad_()
    w = weights.clone().requires_grad_()
    shared = use_in_split(w, comm)
    ext = halo_exchange(x, 0, 1, 1, dealt, comm, periodic=True)
    y = sum(shared[k] * ext[k : k + len(x)] for k in range(3)).tanh()
    peak = all_reduce(y.max().reshape(1), comm, "max")
    loss = all_reduce((y * y).sum().reshape(1), comm) / (1 + peak * peak)
    loss.sum().backward()

    signal, weights = signal.requires_grad_(), weights.requires_grad_()
    y = sum(weights[k] * signal.roll(1 - k) for k in range(3)).tanh()
    expected = (y * y).sum() / (1 + y.max() ** 2)
    expected.backward()
    torch.testing.assert_close(loss.sum(), expected)
    torch.testing.assert_close(w.grad, weights.grad)
    torch.testing.assert_close(x.grad, signal.grad.split(list(dealt))[comm.rank])


@pytest.mark.parametrize("split", [None, 0, 1])
def test_second_derivatives_of_arrays(split: int | None) -> None:
    """Through a product, a reduction, a scan and a change of split."""
    table, vector = drawn((4, 3), 1), drawn((3,), 2)

    def penalty(a: dnd.DNDarray, v: dnd.DNDarray) -> dnd.DNDarray:
        y = ((a @ v).tanh() * (a * a).sum(axis=1) + a.cumsum(axis=0).max(axis=1)).sum()
        (grad,) = torch.autograd.grad(y.larray, a.larray, create_graph=True)
        return (dnd.DNDarray(grad, a.layout, a.comm).resplit(1) ** 2).sum()

    a, v = dnd.array(table, split=split).requires_grad_(), dnd.array(vector, split=split and 0).requires_grad_()
    result = penalty(a, v)
    result.backward()
    x, w = table.clone().requires_grad_(), vector.clone().requires_grad_()
    y = ((x @ w).tanh() * (x * x).sum(1) + x.cumsum(0).amax(1)).sum()
    (grad,) = torch.autograd.grad(y, x, create_graph=True)
    (grad**2).sum().backward()
    assert result.item() == pytest.approx((grad**2).sum().item())
    assert_allclose(a.grad, x.grad, rtol=1e-10, atol=1e-10)
    assert_allclose(v.grad, w.grad, rtol=1e-10, atol=1e-10)


def test_what_needs_no_gradient_gets_none(comm: Communicator) -> None:
    for case in LINEAR.values():
        assert not case.fn(drawn(case.shape(comm.rank), comm.rank), comm).requires_grad
        with torch.no_grad():
            assert case.fn(drawn(case.shape(comm.rank), comm.rank).requires_grad_(), comm).grad_fn is None
    assert collectives.needs_grad(torch.ones(1), torch.ones(1, requires_grad=True))
    assert not collectives.needs_grad(torch.ones(1))


# --- halos ----------------------------------------------------------------------------------------------------


def neighbourhood(n: int, start: int, stop: int, before: int, after: int, periodic: bool) -> np.ndarray:
    """The indices that a process that holds [start, stop) is to have after the exchange."""
    if start == stop:
        return np.arange(0)
    index = np.arange(start - before, stop + after)
    return index % n if periodic else index[(index >= 0) & (index < n)]


@given(st.integers(0, 7), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.data())
def test_halos_are_slices_of_the_whole(n: int, before: int, after: int, periodic: bool, data: st.DataObject) -> None:
    """Wider than the neighbour's part, than the whole, with parts that are empty and of any length."""
    comm = dnd.get_comm()
    dealt = data.draw(any_counts(n, SIZE))
    axis = data.draw(st.integers(-2, 1))
    table = drawn((n, 3), 1) if axis % 2 == 0 else drawn((3, n), 1)
    start = sum(dealt[: comm.rank])
    index = neighbourhood(n, start, start + dealt[comm.rank], before, after, periodic)

    x = table.narrow(axis, start, dealt[comm.rank]).clone().requires_grad_()
    with count_collectives() as c:
        result = halo_exchange(x, axis, before, after, dealt, comm, periodic)
    np.testing.assert_array_equal(result.detach().numpy(), np.take(table.numpy(), index, axis))
    assert c.calls == ({} if SIZE == 1 else {"Alltoall": 1})

    # Each index's gradient is what all processes that have it, some more than once, say of it.
    result.backward(torch.full_like(result, 1.0 + comm.rank))
    expected = np.zeros(n)
    for rank in range(SIZE):
        first = sum(dealt[:rank])
        np.add.at(expected, neighbourhood(n, first, first + dealt[rank], before, after, periodic), 1.0 + rank)
    mine = expected[start : start + dealt[comm.rank]]
    np.testing.assert_array_equal(x.grad.movedim(axis, 0).numpy(), np.repeat(mine[:, None], 3, 1))


def test_halos_of_views(comm: Communicator) -> None:
    """Parts that lie transposed in memory."""
    dealt = balanced_counts(2 * SIZE + 1, SIZE)
    table = torch.arange(3 * sum(dealt)).reshape(3, -1)
    mine = table.split(list(dealt), 1)[comm.rank].T.contiguous().T
    start = sum(dealt[: comm.rank])
    expected = table[:, max(start - 1, 0) : start + dealt[comm.rank] + 1]
    assert torch.equal(halo_exchange(mine, 1, 1, 1, dealt, comm), expected)


# --- from any layout to any other -----------------------------------------------------------------------------


def part_of(table: Tensor, layout: Layout) -> Tensor:
    box = layout.box(dnd.get_comm().rank)
    return table[tuple(slice(start, stop) for start, stop in box)].clone()


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    drawn_jobs = []
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(shapes())
        flips = draw(st.sets(st.integers(0, len(shape) - 1))) if shape and draw(st.booleans()) else ()
        drawn_jobs.append(Job(draw(layouts(shape, SIZE)), draw(layouts(shape, SIZE)), tuple(sorted(flips))))
    return drawn_jobs


@given(jobs())
def test_arrays_move_from_any_layout_to_any_other(planned: list[Job]) -> None:
    comm = dnd.get_comm()
    tables = [drawn(job.source.shape, seed) for seed, job in enumerate(planned)]
    inputs = [part_of(t, job.source).requires_grad_() for t, job in zip(tables, planned, strict=True)]
    with count_collectives() as c:
        results = exchange(comm, planned, inputs)
    assert c.total <= 1
    weights = [drawn(job.target.shape, 50 + seed) for seed, job in enumerate(planned)]
    for job, table, result in zip(planned, tables, results, strict=True):
        assert torch.equal(result, part_of(table.flip(job.flips), job.target))
    torch.autograd.backward(results, [part_of(w, job.target) for w, job in zip(weights, planned, strict=True)])
    for job, weight, tensor in zip(planned, weights, inputs, strict=True):
        assert torch.equal(tensor.grad, part_of(weight.flip(job.flips), job.source))


@given(shapes().flatmap(lambda shape: st.tuples(layouts(shape, SIZE), layouts(shape, SIZE))), st.data())
def test_moves_of_any_dtype_and_memory_order(pair: tuple[Layout, Layout], data: st.DataObject) -> None:
    source, target = pair
    dtype = data.draw(st.sampled_from([torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.complex64]))
    table = torch.arange(source.size).reshape(source.shape).to(dtype)
    mine = part_of(table, source)
    backwards = tuple(reversed(range(mine.ndim)))
    for form in (mine, mine.permute(backwards).contiguous().permute(backwards)):
        result = move(form, source, target, dnd.get_comm())
        assert result.dtype is dtype
        assert torch.equal(result, part_of(table, target))
        assert torch.equal(form, part_of(table, source)), "what is moved stays as it was"


def test_large_parts_travel_in_chunks(comm: Communicator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redistribution, "ROUND", 1)  # the least that a message may be remains
    n = 300
    table = drawn((n, n), 1)
    rows, columns = Layout((n, n), comm.grid, 0), Layout((n, n), comm.grid, 1)
    for source, target in ((rows, columns), (columns, rows)):
        assert torch.equal(move(part_of(table, source), source, target, comm), part_of(table, target))
        (mirrored,) = exchange(comm, [Job(source, target, (0, 1))], [part_of(table, source)])
        assert torch.equal(mirrored, part_of(table.flip(0, 1), target))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=3), st.integers(1, 64))
def test_cuts_cover_a_box_in_order(intervals: list[tuple[int, int]], limit: int) -> None:
    box = tuple((start, start + length) for start, length in intervals)
    itemsize = 4
    where = np.zeros([stop for _, stop in box], dtype=int)
    index = np.arange(where.size).reshape(where.shape)
    last = -1
    for cut in redistribution._cut(box, itemsize, limit):
        inside = tuple(slice(start, stop) for start, stop in cut)
        assert math.prod(stop - start for start, stop in cut) * itemsize <= max(limit, itemsize)
        where[inside] += 1
        assert index[inside].min() > last
        last = index[inside].max()
    assert (where[tuple(slice(start, stop) for start, stop in box)] == 1).all()
    assert where.sum() == math.prod(length for _, length in intervals)


def test_what_lies_right_is_not_moved(comm: Communicator) -> None:
    layout = Layout((6, 3), comm.grid, 0)
    whole_array = drawn((6, 3), 1)
    with count_collectives() as c:
        part = part_of(whole_array, layout)
        assert move(part, layout, layout, comm) is part
        view = move(whole_array, layout.replicated(), layout, comm)
    assert c.calls == {}
    assert view.untyped_storage().data_ptr() == whole_array.untyped_storage().data_ptr()
