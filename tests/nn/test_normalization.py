"""Batch norm over all processes: what torch's gives for the whole batch on one."""

from __future__ import annotations

import copy

import pytest
import torch
from dndarray.nn import SyncBatchNorm
from torch import nn

import dndarray as dnd
from dndarray.layout import balanced_counts
from dndarray.testing import count_collectives

COMM = dnd.get_comm()


def share(counts: list[int] | tuple[int, ...]) -> slice:
    start = sum(counts[: COMM.rank])
    return slice(start, start + counts[COMM.rank])


def parts(n: int) -> list[tuple[int, ...]]:
    """Balanced, and all on the last rank."""
    return [balanced_counts(n, COMM.size), (*[0] * (COMM.size - 1), n)]


@pytest.mark.parametrize("counts", [0, 1])
@pytest.mark.parametrize(
    ("norm", "shape"), [(nn.BatchNorm1d, ()), (nn.BatchNorm2d, (4, 5)), (nn.BatchNorm3d, (2, 3, 4))]
)
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}])
def test_n_processes_normalise_as_one(norm, shape, options, counts):
    torch.manual_seed(0)
    mine = share(parts(5)[counts])
    whole = norm(3, **options).double()
    for parameter in whole.parameters():
        nn.init.uniform_(parameter)
    twin = SyncBatchNorm.convert(copy.deepcopy(whole))
    assert isinstance(twin, SyncBatchNorm)
    for _ in range(2):
        x = (100 + torch.randn(5, 3, *shape, dtype=torch.float64)).requires_grad_()
        own = x.detach()[mine].clone().requires_grad_()
        weight = torch.randn(5, 3, *shape, dtype=torch.float64)
        expected, found = whole(x), twin(own)
        torch.testing.assert_close(found, expected[mine], rtol=0, atol=1e-9)
        (expected * weight).sum().backward()
        (found * weight[mine]).sum().backward()
        torch.testing.assert_close(own.grad, x.grad[mine], rtol=0, atol=1e-9)
    for ours, torchs in zip(twin.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(COMM.allreduce(ours.grad), torchs.grad, rtol=0, atol=1e-9)
    for name, tensor in whole.named_buffers():
        torch.testing.assert_close(dict(twin.named_buffers())[name], tensor)
    torch.testing.assert_close(twin.eval()(own), whole.eval()(x)[mine])


def test_means_that_are_large_beside_the_spread_do_no_harm():
    torch.manual_seed(0)
    x = 1000 + torch.randn(8, 2, 50)
    found = SyncBatchNorm(2)(x[share(balanced_counts(8, COMM.size))])
    expected = nn.BatchNorm1d(2).double()(x.double())[share(balanced_counts(8, COMM.size))]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-3)


def test_a_converted_model_shares_its_weights_and_leaves_the_other_as_it_was():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), nn.BatchNorm2d(3))
    twin = SyncBatchNorm.convert(model)
    assert [type(m) for m in (model[1][0], model[2])] == [nn.BatchNorm2d] * 2
    assert [type(m) for m in (twin[1][0], twin[2])] == [SyncBatchNorm] * 2
    assert list(twin.state_dict()) == list(model.state_dict())
    for ours, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        assert ours is theirs
    twin(torch.rand(3, 2, 6, 6))
    assert int(model[2].num_batches_tracked) == 1 and model[2].running_mean is twin[2].running_mean


def test_its_communication():
    layer = SyncBatchNorm(2)
    x = torch.rand(3, 2, 4, requires_grad=True)
    with count_collectives() as count:
        layer(x).sum().backward()
    assert count.calls == ({"Allreduce": 2} if COMM.size > 1 else {})
    with count_collectives() as count:
        layer.eval()(x)
    assert count.total == 0


@pytest.mark.ranks(2, 3, 4)
def test_one_value_is_not_enough():
    with pytest.raises(ValueError, match="two values or more"):
        SyncBatchNorm(2)(torch.rand(1 if COMM.rank == 1 else 0, 2))


@pytest.mark.parametrize("shape", [(2,), (4, 1, 5), (4, 3)])
def test_other_numbers_of_channels_are_refused(shape):
    with pytest.raises(ValueError, match=r"takes \(batch, 2 channels, ...\), not the shape"):
        SyncBatchNorm(2)(torch.rand(shape))
