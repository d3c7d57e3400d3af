"""How much memory a process takes in a block."""

from __future__ import annotations

import math

import pytest
import torch

from dndarray import testing

MIB = 2**20


def test_memory_that_was_freed_again_counts():
    kept = torch.ones(64 * MIB, dtype=torch.uint8)
    with testing.peak_memory() as peak:
        assert math.isnan(peak.bytes)
        torch.ones(64 * MIB, dtype=torch.uint8)  # more than what C's allocator ever keeps for later
    if math.isnan(peak.bytes):
        pytest.skip("this system does not tell how much memory a process has taken")
    assert 63 * MIB < peak.bytes < 80 * MIB
    with testing.peak_memory() as peak:
        kept = kept[:1]
    assert peak.bytes < 8 * MIB


def test_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(testing, "_FORGET", tmp_path / "none")
    with testing.peak_memory() as peak:
        pass
    assert math.isnan(peak.bytes)
