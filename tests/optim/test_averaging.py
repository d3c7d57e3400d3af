"""Data-parallel steps: summed gradients and shared weights."""

from __future__ import annotations

import pytest
import torch
from dndarray.optim import averaging, share_weights, sum_gradients
from torch import nn

import dndarray as dnd
from dndarray.layout import balanced_counts
from dndarray.testing import count_collectives

COMM = dnd.get_comm()


def model(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).double()
    return nn.ModuleList([network, nn.Linear(2, 1), nn.BatchNorm1d(2)])


@pytest.mark.parametrize("bucket", [32 * 2**20, 100])
def test_gradients_of_parts_of_any_size_add_up_to_those_of_the_batch(bucket, monkeypatch):
    monkeypatch.setattr(averaging, "BUCKET", bucket)
    both = model(0)
    samples, n = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 7
    counts = balanced_counts(n, COMM.size)
    start = sum(counts[: COMM.rank])
    (both[0](samples) ** 2).mean().backward()
    expected = [p.grad.clone() for p in both[0].parameters()]
    both.zero_grad()
    mine = samples[start : start + counts[COMM.rank]]
    if len(mine):
        ((both[0](mine) ** 2).sum() / (2 * n)).backward()
    both[0][0].bias.requires_grad_(False)
    both[0][0].bias.grad = None
    sum_gradients(both.parameters())
    found = [p.grad for p in both[0].parameters()]
    assert found.pop(1) is None
    expected.pop(1)
    torch.testing.assert_close(found, expected)
    assert COMM.size == 1 or not both[1].weight.grad.any()


@pytest.mark.ranks(2, 3, 4)
def test_one_collective_for_each_type():
    both = model(0)
    with count_collectives() as count:
        sum_gradients(both.parameters())
    assert count.calls == {"Allreduce": 2}
    assert [p.grad.dtype for p in both.parameters()] == [p.dtype for p in both.parameters()]
    with count_collectives() as count:
        share_weights(both)
    assert count.calls == {"Bcast": 3}


def test_all_begin_with_the_weights_of_rank_0():
    both = model(COMM.rank)
    both[2].num_batches_tracked += COMM.rank
    share_weights(both)
    for found, expected in zip(both.state_dict().values(), model(0).state_dict().values(), strict=True):
        assert torch.equal(found, expected)
    assert all(p.requires_grad for p in both.parameters())


def test_sparse_gradients_add_up_with_missing_ones():
    table = nn.Embedding(5, 2, sparse=True)
    if COMM.rank != 1:
        table(torch.tensor([COMM.rank])).sum().backward()
    sum_gradients(table.parameters())
    expected = [[float(r < COMM.size and r != 1)] * 2 for r in range(5)]
    assert table.weight.grad.to_dense().tolist() == expected


@pytest.mark.parametrize("given", [nn.Linear(2, 2), nn.Linear(2, 2).weight])
def test_what_is_no_sequence_of_parameters_is_refused(given):
    with pytest.raises(TypeError, match="`model.parameters\\(\\)` or a list, not a "):
        sum_gradients(given)
