"""Narrow blocks, so that small matrices have many."""

from __future__ import annotations

import pytest

from dndarray.linalg import block_cyclic, triangular


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of three columns at most, instead of about a hundred."""
    monkeypatch.setattr(block_cyclic, "WIDTH", 3)
    monkeypatch.setattr(block_cyclic, "NARROW", 2)
    monkeypatch.setattr(triangular, "WIDTH", 3)
    return 3
