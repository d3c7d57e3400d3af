"""The energy of a training is linear in the time and the updates. Of an estimate this shows the plumbing only."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray import energy

comm = dnd.get_comm()


def train(images, digits, batch, epochs):
    """Ranks hold a share of each batch; the gradients are averaged. The number of updates."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    updates = 0
    for _ in range(epochs):
        for start in range(0, len(images), batch):
            rows = slice(start + comm.rank, start + batch, comm.size)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(images[rows]), digits[rows], reduction="sum")
            loss.backward()
            flat = torch.cat([p.grad.flatten() for p in model.parameters()])
            total = comm.allreduce(flat) / len(images[start : start + batch])
            for p, part in zip(model.parameters(), total.split([p.numel() for p in model.parameters()]), strict=True):
                p.grad = part.view_as(p)
            optimizer.step()
            updates += 1
    return updates


# E.5, check 7
@pytest.mark.slow
@pytest.mark.ranks(1, 2)
def test_energy_is_linear_in_rank_hours_and_updates():
    data = pytest.importorskip("sklearn.datasets").load_digits()
    images, digits = torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)
    train(images, digits, 64, 1)  # warms up
    runs = []
    for batch in (16, 32, 64, 128, 256):
        for epochs in (2, 6):
            source = energy.Estimate(tdp_w=20, memory_w_per_gib=0, busy=time.process_time)
            with energy.Monitor(backend=source) as monitor:
                updates = train(images, digits, batch, epochs)
            report = monitor.report()
            runs.append((report.seconds * comm.size / 3600, updates, report.joules))
    rank_hours, updates, joules = np.array(runs).T
    factors = np.stack([rank_hours, updates], axis=1)
    coefficients = np.linalg.lstsq(factors / factors.max(axis=0), joules, rcond=None)[0]
    rest = joules - factors / factors.max(axis=0) @ coefficients
    assert 1 - rest.var() / joules.var() > 0.95
