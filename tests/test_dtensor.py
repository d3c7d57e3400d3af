"""torch's DTensor beside our arrays: the same parts in the same memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

import dndarray as dnd
from dndarray.dtensor import from_dtensor, to_dtensor
from dndarray.testing import assert_array_equal

COMM = dnd.get_comm()
A = np.arange(35.0).reshape(7, 5)


@pytest.fixture(scope="module", autouse=True)
def torch_distributed() -> Iterator[None]:
    port = None
    if COMM.rank == 0:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
    address = f"tcp://127.0.0.1:{COMM.broadcast_object(port)}"
    dist.init_process_group("gloo", init_method=address, rank=COMM.rank, world_size=COMM.size)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("placement", [Shard(0), Shard(1), Replicate()])
def test_a_dtensor_becomes_an_array_in_its_memory(placement: object) -> None:
    mesh = init_device_mesh("cpu", (COMM.size,))
    theirs = distribute_tensor(torch.from_numpy(A.copy()), mesh, [placement])
    with dnd.testing.count_collectives() as counted:
        ours = from_dtensor(theirs)
    assert not counted.calls
    assert_array_equal(ours, A)
    assert ours.larray.data_ptr() == theirs.to_local().data_ptr()


@pytest.mark.parametrize("n", [7, 3, 8, 0])
@pytest.mark.parametrize("split", [0, 1, None])
def test_an_array_becomes_a_dtensor(n: int, split: int | None) -> None:
    values = np.arange(5.0 * n).reshape(n, 5)
    ours = dnd.array(values, split=split)
    theirs = to_dtensor(ours)
    assert isinstance(theirs, DTensor)
    np.testing.assert_array_equal(theirs.full_tensor().numpy(), values)
    if n == 8 and split == 0 and COMM.size != 3:
        assert theirs.to_local().data_ptr() == ours.larray.data_ptr()
    assert_array_equal(from_dtensor(theirs), values)


@pytest.mark.ranks(4)
def test_a_mesh_is_a_grid() -> None:
    mesh = init_device_mesh("cpu", (2, 2))
    ours = dnd.array(A, split=(1, 0), grid=(2, 2))
    theirs = to_dtensor(ours, mesh)
    assert theirs.placements == (Shard(1), Shard(0))
    np.testing.assert_array_equal((theirs @ theirs.T).full_tensor().numpy(), A @ A.T)
    back = from_dtensor(theirs)
    assert back.split == (1, 0)
    assert_array_equal(back, A)


def test_gradients_pass_through() -> None:
    x = dnd.array(A, split=0).requires_grad_()
    y = from_dtensor(to_dtensor(x) * 2)
    (y * y).sum().backward()
    assert_array_equal(x.grad, 8 * A)


def test_what_has_no_layout_is_refused() -> None:
    mesh = init_device_mesh("cpu", (COMM.size,))
    partial = DTensor.from_local(torch.ones(3), mesh, [Partial()], run_check=False)
    with pytest.raises(ValueError, match="redistribute"):
        from_dtensor(partial)
    with pytest.raises(ValueError, match="grid"):
        to_dtensor(dnd.ones(4, split=(0, None), grid=(COMM.size, 1)), mesh)
