"""How the step of a descent shrinks, for each case by its own loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Decay", "Plateau"]


@dataclass(frozen=True)
class Plateau:
    """Smaller steps where the loss no longer falls, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    Attributes
    ----------
    factor
        What a step is multiplied with after more than `patience` iterations without a loss lower than the lowest so
        far by the part `threshold`; then nothing is counted for `cooldown` iterations.
    """

    factor: float = 0.547
    patience: int = 41
    threshold: float = 0.0673
    cooldown: int = 97

    def start(self, cases: int, like: Tensor) -> Tensor:
        """The loss that would be progress, and the iteration from which those without are counted: (2, cases)."""
        state = like.new_full((2, cases), -1.0)
        state[0] = torch.inf
        return state

    def advance(self, rate: Tensor, state: Tensor, loss: Tensor, iteration: int) -> tuple[Tensor, Tensor]:
        """The next steps and state from those of now, all of shape (cases,) or (2, cases)."""
        goal, since = state
        better = loss < goal
        goal = torch.where(better, loss * (1 - self.threshold), goal)
        since = torch.where(better, since.clamp(min=iteration), since)
        stuck = since < iteration - self.patience
        if bool(stuck.any()):
            rate = torch.where(stuck, self.factor * rate, rate)
            since = torch.where(stuck, float(iteration + self.cooldown), since)
        return rate, torch.stack([goal, since])


@dataclass(frozen=True)
class Decay:
    """Steps multiplied with `factor` after every so many iterations, as `torch.optim.lr_scheduler.StepLR`."""

    factor: float = 0.773
    every: int = 100

    def start(self, cases: int, like: Tensor) -> Tensor:
        return like.new_zeros((0, cases))

    def advance(self, rate: Tensor, state: Tensor, loss: Tensor, iteration: int) -> tuple[Tensor, Tensor]:
        return (rate if (iteration + 1) % self.every else self.factor * rate), state
