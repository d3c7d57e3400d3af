"""The same losses on any number of processes, split and grid, and as plain torch gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd

from .mixer import mixer, parameters, train

SHAPE = (5, 7, 6)  # neither divides by 2, 3 and 4
HIDDEN = 9

PLACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "replicated": ({}, {}),
    "samples": ({"split": 0}, {}),
    "channels": ({"split": -1}, {}),
    "channels, weights by rows": ({"split": -1}, {"split": 0}),
    "samples, weights by columns": ({"split": 0}, {"split": 1}),
    "tokens": ({"split": 1}, {"split": 0}),
    "grid, both ways": ({"split": (0, 2)}, {"split": (0, 1)}),
    "grid, the other way": ({"split": (1, 2)}, {"split": (1, 0)}),
    "grid, replicated along one axis": ({"split": (0, None)}, {"split": (None, 1)}),
}


def _start(activations: dict[str, Any], weights: dict[str, Any]) -> tuple:
    dnd.random.seed(11)
    x = dnd.random.normal(size=SHAPE, dtype=dnd.float64, **activations)
    target = dnd.random.normal(size=SHAPE, dtype=dnd.float64, **activations)
    return x, target, parameters(SHAPE[2], SHAPE[1], HIDDEN, **weights)


def _torch_losses() -> list[float]:
    """The oracle: the same numbers, trained by torch on one process."""
    x, target, p = (
        v.torch() if isinstance(v, dnd.DNDarray) else {k: w.torch().detach().requires_grad_() for k, w in v.items()}
        for v in _start({}, {})
    )

    def norm(v: torch.Tensor, i: int) -> torch.Tensor:
        return torch.nn.functional.layer_norm(v, SHAPE[2:], p[f"gain{i}"], p[f"bias{i}"])

    def gelu(v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(v, approximate="tanh")

    losses = []
    for _ in range(10):
        y = norm(x, 1).mT
        z = x + (gelu(y @ p["token1"]) @ p["token2"]).mT
        out = z + gelu(norm(z, 2) @ p["channel1"]) @ p["channel2"]
        loss = ((out - target) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        p = {k: (w.detach() - 0.1 * w.grad).requires_grad_() for k, w in p.items()}
    return losses


@pytest.mark.parametrize("place", PLACES)
def test_ten_steps_lose_what_torch_loses(place: str) -> None:
    losses = train(*_start(*PLACES[place]))
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(losses, _torch_losses(), rtol=1e-10)


def test_the_block_keeps_its_split() -> None:
    x, _, p = _start({"split": 0}, {})
    assert mixer(x, p).split == 0


def test_the_block_is_short() -> None:
    from pathlib import Path

    lines = Path(__file__).with_name("mixer.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) <= 40
