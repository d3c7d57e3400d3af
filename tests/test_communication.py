"""Every collective on every dtype and on tensors however they lie in memory.

Every process knows what all of them hold, so NumPy (torch for bfloat16, which NumPy does not have) says on each of
them what is to come out.
"""

from __future__ import annotations

import copy
import functools
import math
import operator
import pickle
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from strategies import arrangements
from torch import Tensor

import dndarray as dnd
from dndarray import buffers
from dndarray.communication import Communicator, as_comm
from dndarray.layout import Grid, balanced_counts
from dndarray.testing import count_collectives
from dndarray.types import TYPES

DTYPES = list(TYPES.values())
SHAPES = [(), (0,), (1,), (5,), (4, 3), (3, 0), (2, 3, 2)]

ALONE = dnd.get_comm().size == 1


@pytest.fixture
def comm() -> Communicator:
    return dnd.get_comm()


@pytest.fixture
def tiny_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if MPI took no more than seven elements at a time."""
    as_bytes, as_typed = buffers.Buffer.bytes, buffers.Buffer.typed

    def few_bytes(self: buffers.Buffer, start: int = 0, stop: int | None = None) -> list:
        memory, count, mpi_type = as_bytes(self, start, stop)
        assert count <= max(7, self.tensor.element_size())
        return [memory, count, mpi_type]

    def few(self: buffers.Buffer, start: int, stop: int) -> list:
        assert stop - start <= 7
        return as_typed(self, start, stop)

    monkeypatch.setattr(buffers, "MAX_COUNT", 7)
    monkeypatch.setattr(buffers.Buffer, "bytes", few_bytes)
    monkeypatch.setattr(buffers.Buffer, "typed", few)


def values(shape: Sequence[int], dtype: torch.dtype, rank: int) -> Tensor:
    """What `rank` holds: small integers, so that sums and products are exact in every type."""
    rng = np.random.default_rng([rank, math.prod(shape)])
    signed = dtype.is_signed and dtype is not torch.bool
    drawn = torch.from_numpy(rng.integers(-3 if signed else 0, 4, size=tuple(shape)))
    if dtype is torch.bool:
        return drawn > 1
    if dtype.is_complex:
        imaginary = torch.from_numpy(rng.integers(-3, 4, size=tuple(shape)))
        return torch.complex(drawn.double(), imaginary.double()).to(dtype)
    return drawn.to(dtype)


def everyones(shape: Sequence[int], dtype: torch.dtype) -> list[Tensor]:
    return [values(shape, dtype, rank) for rank in range(dnd.get_comm().size)]


def forms(value: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Tensors that hold the same, each in another way."""
    yield "contiguous", value.clone()
    backwards = tuple(reversed(range(value.ndim)))
    yield "transposed", value.permute(backwards).contiguous().permute(backwards)
    wide = torch.zeros((*value.shape, 2), dtype=value.dtype)
    wide[..., 1] = value
    yield "strided", wide[..., 1]
    if value.ndim:
        long = torch.cat([value, value, value])
        yield "inside of another", long[len(value) : 2 * len(value)]
    if value.dtype.is_complex:
        conjugated = value.conj().resolve_conj().conj()
        assert conjugated.is_conj()
        yield "conjugated", conjugated
    if value.dtype in (torch.float32, torch.float64):
        negated = torch.complex(torch.zeros_like(value), -value).conj().imag
        assert negated.is_neg()
        yield "negated", negated
    if torch.cuda.is_available():
        yield "on the GPU", value.cuda()
    if value.dtype.is_floating_point or value.dtype.is_complex:
        yield "with gradient", value.clone().requires_grad_()
        yield "computed with gradient", value.clone().requires_grad_() * 1


def check(result: Tensor, expected: Tensor, what: str = "") -> None:
    assert result.dtype is expected.dtype, what
    assert not result.requires_grad, what
    torch.testing.assert_close(
        result, expected.to(result.device), rtol=0, atol=0, equal_nan=True, msg=lambda m: f"{what}: {m}"
    )


OPS: dict[str, Callable] = {
    "sum": operator.add,
    "prod": operator.mul,
    "max": torch.maximum,
    "min": torch.minimum,
    "any": torch.logical_or,
    "all": torch.logical_and,
}


def ops_of(dtype: torch.dtype) -> list[str]:
    if dtype is torch.bool:
        return list(OPS)
    return ["sum", "prod"] if dtype.is_complex else ["sum", "prod", "max", "min"]


def reduced(op: str, parts: Sequence[Tensor]) -> Tensor:
    """The parts joined one by one. For bfloat16 and float16 in float32, rounded once."""
    dtype = parts[0].dtype
    wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else torch.int64
    if dtype in (torch.float16, torch.bfloat16, torch.uint16, torch.uint32, torch.uint64):  # torch lacks their max
        parts = [part.to(wide) for part in parts]
    return functools.reduce(OPS[op], parts).to(dtype)


# --- every collective, every dtype, every form ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reductions(comm: Communicator, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        parts = everyones(shape, dtype)
        for op in ops_of(dtype):
            expected = reduced(op, parts)
            for form, tensor in forms(parts[comm.rank]):
                check(comm.allreduce(tensor, op), expected, f"{op} of {shape}, {form}")
            check(comm.iallreduce(tensor, op).wait(), expected, f"{op} of {shape}, started")
            root = comm.size - 1
            result = comm.ireduce(tensor, root, op).wait()
            if comm.rank == root:
                check(result, expected, f"{op} of {shape} to the last")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_scans(comm: Communicator, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        parts = everyones(shape, dtype)
        for op in ops_of(dtype):
            expected = reduced(op, parts[: comm.rank + 1])
            for form, tensor in forms(parts[comm.rank]):
                check(comm.scan(tensor, op), expected, f"{op} of {shape}, {form}")
        for op, neutral in (("sum", torch.zeros_like), ("prod", torch.ones_like)):
            before = parts[: comm.rank]
            expected = reduced(op, before) if before else neutral(parts[0])
            for form, tensor in forms(parts[comm.rank]):
                check(comm.exscan(tensor, op), expected, f"{op} before, of {shape}, {form}")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reduce_scatter(comm: Communicator, dtype: torch.dtype) -> None:
    for n, rest in ((7, ()), (7, (2,)), (2, (3,)), (0, (2,))):
        counts = balanced_counts(n, comm.size)
        parts = everyones((n, *rest), dtype)
        for op in ops_of(dtype):
            expected = reduced(op, parts).split(list(counts))[comm.rank]
            for form, tensor in forms(parts[comm.rank]):
                check(comm.reduce_scatter(tensor, counts, op), expected, f"{op} of {(n, *rest)}, {form}")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_broadcast(comm: Communicator, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        parts = everyones(shape, dtype)
        for root in range(comm.size):
            for form, tensor in forms(parts[comm.rank]):
                check(comm.broadcast(tensor, root), parts[root], f"{shape} from {root}, {form}")
            check(comm.ibroadcast(tensor, root).wait(), parts[root], f"{shape} from {root}, started")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_allgather(comm: Communicator, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        parts = everyones(shape, dtype)
        for form, tensor in forms(parts[comm.rank]):
            check(comm.allgather(tensor), torch.stack(parts), f"{shape}, {form}")
    for rest in ((), (3,), (0,)):
        counts = [(2 * rank + 1) % 4 if rank != 1 else 0 for rank in range(comm.size)]
        parts = [values((n, *rest), dtype, rank) for rank, n in enumerate(counts)]
        for form, tensor in forms(parts[comm.rank]):
            check(comm.allgatherv(tensor, counts), torch.cat(parts), f"{counts} rows of {rest}, {form}")


def deals(size: int) -> np.ndarray:
    """How many rows each process sends to each other; some none."""
    return np.random.default_rng(size).integers(0, 4, size=(size, size))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_alltoall(comm: Communicator, dtype: torch.dtype) -> None:
    counts = deals(comm.size)
    sends, receives = counts[comm.rank].tolist(), counts[:, comm.rank].tolist()
    for rest in ((), (3,), (2, 2), (0,)):
        parts = [values((counts[rank].sum(), *rest), dtype, rank) for rank in range(comm.size)]
        expected = torch.cat([parts[r].split(counts[r].tolist())[comm.rank] for r in range(comm.size)])
        for form, tensor in forms(parts[comm.rank]):
            check(comm.alltoallv(tensor, sends, receives), expected, f"rows of {rest}, {form}")
        check(comm.alltoallv(tensor, sends), expected, f"rows of {rest}, counts unknown")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_messages(comm: Communicator, dtype: torch.dtype) -> None:
    after, before = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    for shape in SHAPES:
        parts = everyones(shape, dtype)
        for form, tensor in forms(parts[comm.rank]):
            like = torch.zeros(shape, dtype=dtype, device=tensor.device)
            if ALONE:
                continue
            request = comm.isend(tensor, after)
            check(comm.recv(like, before), parts[before], f"{shape}, {form}")
            assert request.wait() is None
        for form, place in forms(torch.zeros(shape, dtype=dtype)):
            if ALONE or place.requires_grad or place.is_conj() or place.is_neg():
                continue
            arriving = comm.irecv(place, before, into=True)
            comm.send(parts[comm.rank], after)
            check(arriving.wait(), parts[before], f"{shape} into {form}")
            check(place, parts[before], f"{shape} into {form}")


def test_received_into_a_view_leaves_the_rest_alone(comm: Communicator) -> None:
    if ALONE:
        return
    for index in ((slice(None), 1), (1,), (slice(1, 3), slice(0, 4, 2))):
        table = torch.zeros(4, 4)
        arriving = comm.irecv(table[index], (comm.rank - 1) % comm.size, into=True)
        comm.send(torch.ones_like(table[index]), (comm.rank + 1) % comm.size)
        arriving.wait()
        expected = torch.zeros(4, 4)
        expected[index] = 1
        check(table, expected)


def test_messages_from_one_peer_keep_their_order(comm: Communicator) -> None:
    if ALONE:
        return
    after, before = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    sent = [comm.isend(torch.full((n,), n), after) for n in range(5)]
    for n in range(5):
        check(comm.recv(torch.zeros(n, dtype=torch.int64), before), torch.full((n,), n))
    for request in sent:
        request.wait()


# --- more elements than a call takes --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 6, 7, 8, 14, 15])
def test_pieces_cover(tiny_calls: None, n: int) -> None:
    for width in (1, 2, 4, 8, 16):
        pieces = list(buffers.pieces(n, width))
        assert [i for start, stop in pieces for i in range(start, stop)] == list(range(n))
        assert all(stop - start <= max(1, 7 // width) for start, stop in pieces)
        assert pieces, "a call even for nothing, since others may wait for it"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize(
    "test",
    [
        test_reductions,
        test_scans,
        test_reduce_scatter,
        test_broadcast,
        test_allgather,
        test_alltoall,
        test_messages,
    ],
)
def test_in_pieces(tiny_calls: None, comm: Communicator, test: Callable, dtype: torch.dtype) -> None:
    test(comm, dtype)


# --- sums and extrema -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_added_in_single(comm: Communicator, dtype: torch.dtype) -> None:
    """1/2 ulp on each process: lost one by one if added in half precision."""
    ulp = torch.finfo(dtype).eps
    tensor = torch.full((3,), 1.0 if comm.rank == 0 else ulp / 2).to(dtype)
    expected = torch.full((3,), 1 + (comm.size - 1) * ulp / 2).to(dtype)
    check(comm.allreduce(tensor), expected)
    check(comm.iallreduce(tensor).wait(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_extrema_of_floats_are_those_of_numpy(comm: Communicator, dtype: torch.dtype) -> None:
    inf, nan, tiny = float("inf"), float("nan"), float(torch.finfo(dtype).tiny)
    special = torch.tensor([nan, -nan, inf, -inf, 0.0, -0.0, tiny, -tiny, 1.5, -1.5], dtype=dtype)
    rows = [special[torch.arange(100).add(rank * 7).mul(rank + 1) % len(special)] for rank in range(comm.size)]
    table = torch.stack(rows).double().numpy()
    for op, oracle in (("max", np.max), ("min", np.min)):
        expected = torch.from_numpy(oracle(table, axis=0)).to(dtype)
        check(comm.allreduce(rows[comm.rank], op), expected, op)
        expected = torch.from_numpy(oracle(table[: comm.rank + 1], axis=0)).to(dtype)
        check(comm.scan(rows[comm.rank], op), expected, op)


@pytest.mark.parametrize("dtype", [t for t in DTYPES if not t.is_floating_point and not t.is_complex], ids=str)
def test_extrema_at_the_ends_of_integers(comm: Communicator, dtype: torch.dtype) -> None:
    low, high = (0, 1) if dtype is torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    edges = np.array([low, high], dtype=str(dtype).removeprefix("torch."))
    mine = torch.from_numpy(edges[[comm.rank % 2, (comm.rank + 1) % 2]])
    check(comm.allreduce(mine, "max"), torch.from_numpy(edges[[int(comm.size > 1), 1]]))
    check(comm.allreduce(mine, "min"), torch.from_numpy(edges[[0, int(comm.size == 1)]]))


def test_integers_wrap_around(comm: Communicator) -> None:
    mine = torch.full((2,), 200, dtype=torch.uint8)
    check(comm.allreduce(mine), torch.full((2,), 200 * comm.size % 256, dtype=torch.uint8))


def test_bools_of_any_number_of_processes_do_not_wrap_around() -> None:
    """As 256 ones in 8 bits would."""
    from mpi4py import MPI

    for op in ("sum", "max", "any"):
        assert buffers.mpi_op(op, torch.bool) == MPI.LOR
    for op in ("prod", "min", "all"):
        assert buffers.mpi_op(op, torch.bool) == MPI.LAND


# --- requests -------------------------------------------------------------------------------------------------


def test_started_collectives_overlap(comm: Communicator) -> None:
    requests = [comm.iallreduce(torch.full((3,), float(n))) for n in range(4)]
    requests += [comm.ibroadcast(torch.full((3,), float(comm.rank)), root) for root in range(comm.size)]
    results = [request.wait() for request in requests]
    for n in range(4):
        check(results[n], torch.full((3,), float(n * comm.size)))
    for root in range(comm.size):
        check(results[4 + root], torch.full((3,), float(root)))


def test_test_makes_progress_to_the_end(comm: Communicator) -> None:
    request = comm.iallreduce(torch.ones(1000))
    while not request.test():
        pass
    assert request.test()
    check(request.wait(), torch.full((1000,), float(comm.size)))


def test_the_argument_may_be_overwritten_once_a_send_has_ended(comm: Communicator) -> None:
    if ALONE:
        return
    mine = torch.full((1000,), float(comm.rank))
    request = comm.isend(mine, (comm.rank + 1) % comm.size)
    before = (comm.rank - 1) % comm.size
    check(comm.recv(mine, before), torch.full((1000,), float(before)))
    request.wait()
    check(mine, torch.full((1000,), float(comm.rank)))


# --- objects and counts ---------------------------------------------------------------------------------------


def test_objects(comm: Communicator) -> None:
    mine = {"rank": comm.rank, "text": "x" * comm.rank}
    everyone = [{"rank": rank, "text": "x" * rank} for rank in range(comm.size)]
    assert comm.allgather_object(mine) == everyone
    for root in range(comm.size):
        assert comm.broadcast_object(mine, root) == everyone[root]
    comm.barrier()


def test_counts(comm: Communicator) -> None:
    counts = deals(comm.size)
    assert comm.alltoall_counts(counts[comm.rank].tolist()) == counts[:, comm.rank].tolist()


# --- parts of the processes -----------------------------------------------------------------------------------


def test_processes_along_a_grid(comm: Communicator) -> None:
    for grid in arrangements(comm.size):
        ranks = np.arange(comm.size).reshape(grid.shape)
        coords = np.unravel_index(comm.rank, grid.shape)
        for axes in [(), (0,), (grid.ndim - 1,), tuple(range(grid.ndim)), (grid.ndim - 1, 0)]:
            sub = comm.along(grid, axes)
            index = tuple(slice(None) if a in axes else c for a, c in enumerate(coords))
            members = ranks[index].reshape(-1).tolist()
            assert (sub.size, members[sub.rank]) == (len(members), comm.rank)
            assert sub.allgather(torch.tensor(comm.rank)).tolist() == members
            assert sub.allreduce(torch.tensor([1.0, comm.rank])).tolist() == [len(members), sum(members)]
            assert comm.along(grid, axes) is sub


def test_all_processes_along_a_grid_are_the_communicator_itself(comm: Communicator) -> None:
    assert comm.along(comm.grid, (0,)) is comm
    assert comm.along(Grid((comm.size, 1)), (0,)) is comm
    assert comm.along(Grid((1, comm.size)), (1,)) is comm
    assert comm.along(Grid((1, comm.size)), (0, 1)) is comm


def test_a_grid_of_another_size_has_no_place_here(comm: Communicator) -> None:
    message = rf"`grid` \(=\({comm.size + 1},\)\) has {comm.size + 1} processes, the communicator has {comm.size}"
    with pytest.raises(ValueError, match=message):
        comm.along(Grid(comm.size + 1), (0,))


def test_reversed(comm: Communicator) -> None:
    backwards = comm.reversed()
    assert backwards is comm.reversed()
    assert (backwards.rank, backwards.size) == (comm.size - 1 - comm.rank, comm.size)
    assert backwards.allgather_object(comm.rank) == list(reversed(range(comm.size)))
    after = sum(range(comm.rank + 1, comm.size))
    check(backwards.exscan(torch.tensor([float(comm.rank)])), torch.tensor([float(after)]))


def test_copies_are_the_same_communicator(comm: Communicator) -> None:
    assert copy.deepcopy(comm) is comm
    assert pickle.loads(pickle.dumps(comm)) is dnd.get_comm()
    assert repr(comm) == f"Communicator(rank={comm.rank}, size={comm.size})"


def test_the_default_communicator_can_be_another(comm: Communicator) -> None:
    from mpi4py import MPI

    pair = MPI.COMM_WORLD.Split(comm.rank // 2)
    try:
        dnd.use_comm(pair)
        assert dnd.get_comm().size == pair.size
        assert dnd.arange(4, split=0).sum().item() == 6
        assert dnd.arange(4, split=0, comm=comm).comm is comm
        with pytest.raises(ValueError, match="different communicators"):
            dnd.arange(4) + dnd.arange(4, comm=comm)
    finally:
        dnd.use_comm(comm)
    assert dnd.get_comm() is comm
    assert as_comm(None) is as_comm(comm) is comm


def test_messages_of_the_user_do_not_meet_ours(comm: Communicator) -> None:
    from mpi4py import MPI

    theirs = MPI.COMM_WORLD.isend("theirs", dest=(comm.rank + 1) % comm.size, tag=7)
    if not ALONE:
        sent = comm.isend(torch.ones(2), (comm.rank + 1) % comm.size)
        check(comm.recv(torch.zeros(2), (comm.rank - 1) % comm.size), torch.ones(2))
        sent.wait()
    assert MPI.COMM_WORLD.recv(source=(comm.rank - 1) % comm.size, tag=7) == "theirs"
    theirs.wait()


# --- counting -------------------------------------------------------------------------------------------------


def test_calls_are_counted(comm: Communicator) -> None:
    tensor, size = torch.ones(6, dtype=torch.float64), comm.size
    counts = [6] * size
    calls: list[tuple[Callable, dict[str, int], int]] = [
        (lambda: comm.allreduce(tensor), {"Allreduce": 1}, 48),
        (lambda: comm.iallreduce(tensor, "max").wait(), {"Allreduce": 1}, 48),
        (lambda: comm.allreduce(tensor.to(torch.bfloat16)), {"Allreduce": 1}, 24),
        (lambda: comm.scan(tensor), {"Scan": 1}, 48),
        (lambda: comm.exscan(tensor), {"Exscan": 1}, 48),
        (lambda: comm.reduce_scatter(tensor, balanced_counts(6, size)), {"Reduce": size}, 48),
        (lambda: comm.broadcast(tensor), {"Bcast": 1}, 48 if comm.rank == 0 else 0),
        (lambda: comm.allgather(tensor), {"Allgather": 1}, 48),
        (lambda: comm.allgatherv(tensor, counts), {"Allgather": 1}, 48),
        (lambda: comm.alltoallv(tensor, balanced_counts(6, size)), {"Alltoall": 2}, 48 + 8 * size),
        (lambda: comm.alltoall_counts([0] * size), {"Alltoall": 1}, 8 * size),
        (lambda: comm.barrier(), {"Barrier": 1}, 0),
        (lambda: comm.allgather_object(1), {"Allgather": 1}, 0),
        (lambda: comm.broadcast_object(1), {"Bcast": 1}, 0),
    ]
    with count_collectives() as everything:
        for call, expected, nbytes in calls:
            with count_collectives() as c:
                call()
            assert (c.calls, c.bytes) == ({}, 0) if ALONE else (expected, nbytes), c
            assert c.total == sum(c.calls.values())
    assert everything.total == (0 if ALONE else sum(sum(expected.values()) for _, expected, _ in calls))


def test_messages_count_by_their_bytes(comm: Communicator) -> None:
    if ALONE:
        return
    with count_collectives() as c:
        sent = comm.isend(torch.ones(3), (comm.rank + 1) % comm.size)
        comm.recv(torch.ones(3), (comm.rank - 1) % comm.size)
        sent.wait()
    assert (c.calls, c.bytes) == ({}, 12)
    with count_collectives() as c:
        comm.barrier()
        with count_collectives() as inner, pytest.raises(ZeroDivisionError):
            comm.barrier()
            raise ZeroDivisionError
    assert (c.total, inner.total) == (2, 1)


# --- mistakes -------------------------------------------------------------------------------------------------


def test_operations_that_are_not_there(comm: Communicator) -> None:
    for reduce in (comm.allreduce, comm.iallreduce, comm.scan):
        with pytest.raises(ValueError, match=r"`op` \(='mean'\) must be one of sum, prod, max, min, any, all"):
            reduce(torch.ones(2), "mean")
        with pytest.raises(TypeError, match="`max` needs an order, and torch.complex64 has none"):
            reduce(torch.ones(2, dtype=torch.complex64), "max")
        with pytest.raises(TypeError, match="`any` takes bools, not torch.float32"):
            reduce(torch.ones(2), "any")
    with pytest.raises(ValueError, match=r"`op` \(='max'\) must be sum or prod"):
        comm.exscan(torch.ones(2), "max")


def test_counts_that_do_not_fit(comm: Communicator) -> None:
    size = comm.size
    for counts in ([1] * size, [3] * (size + 1), [3] * (size - 1)):
        with pytest.raises(ValueError, match="must be the rows of each process, this one has 3"):
            comm.allgatherv(torch.ones(3, 2), counts)
    for counts in ([4] + [0] * (size - 1), [3] + [0] * size):
        with pytest.raises(ValueError, match=f"must deal out all 3 rows to {size} processes"):
            comm.alltoallv(torch.ones(3, 2), counts)
    with pytest.raises(RuntimeError, match="split_sizes to sum exactly to 3"):
        comm.reduce_scatter(torch.ones(3), [1] + [0] * size)
    comm.barrier()


def test_communicators_that_are_none() -> None:
    for wrong in (3, "world", [0, 1]):
        with pytest.raises(TypeError, match="must be a Communicator or an mpi4py communicator"):
            dnd.use_comm(wrong)
        with pytest.raises(TypeError, match="must be a Communicator or an mpi4py communicator"):
            dnd.zeros(3, comm=wrong)
