"""Batch norm whose statistics are those of the batch that all processes have together."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dndarray.collectives import all_reduce, use_in_split
from dndarray.communication import Communicator, as_comm

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Batch norm of (batch, channels, ...), the batch being dealt out to the processes, any number of samples to each.

    In training it normalises by the mean and variance over the samples of all processes, so that n processes train as
    one does; a batch norm that looks at each process's samples alone would make the weights depend on n. In
    evaluation it is torch's. Parameters and buffers are named as torch's.

    Communication: in training one all-reduce of 2 numbers for each channel and 1, and one more backward.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        comm: Communicator | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.comm = as_comm(comm)

    @classmethod
    def convert(cls, model: nn.Module, comm: Communicator | None = None) -> nn.Module:
        """A model that shares all weights with the given one and has this in place of every batch norm.

        To train the one is to train the other.
        """
        tensors = chain(model.parameters(), model.buffers())
        twin = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
        return _replaced(twin, as_comm(comm))

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2 or input.shape[1] != self.num_features:
            wanted = f"(batch, {self.num_features} channels, ...)"
            raise ValueError(f"this batch norm takes {wanted}, not the shape {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if self.comm.size == 1 or (self.running_mean is not None and not self.training):
            return super().forward(input)
        mean, variance, count = self._statistics(input)
        if self.training and self.track_running_stats:
            self._track(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        shape = (1, -1, *[1] * (input.ndim - 2))
        return torch.addcmul(shift.to(input.dtype).view(shape), input, scale.to(input.dtype).view(shape))

    def _statistics(self, input: Tensor) -> tuple[Tensor, Tensor, int]:
        """Mean, variance and number of what all processes have in each channel; float64."""
        axes = [0, *range(2, input.ndim)]
        count = input.numel() // input.shape[1]
        if count:
            variance, mean = (t.double() for t in torch.var_mean(input, axes, correction=0))
        else:
            variance = mean = input.sum(axes).double()
        sums = torch.cat([mean * count, (variance + mean**2) * count, mean.new_tensor([count])])
        sums = use_in_split(all_reduce(sums, self.comm), self.comm)
        total = int(sums[-1])
        if total < 2:
            raise ValueError(f"batch norm needs two values or more for each channel to train, not {total}")
        mean, square = (sums[:-1] / total).chunk(2)
        return mean, (square - mean**2).clamp(min=0), total

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """The running statistics a step further, in place, as torch has it."""
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), weight)
        self.running_var.lerp_(variance.to(self.running_var), weight)


def _replaced(module: nn.Module, comm: Communicator) -> nn.Module:
    if isinstance(module, _BatchNorm):
        twin = SyncBatchNorm(module.num_features, module.eps, module.momentum, False, False, comm)
        twin.affine, twin.track_running_stats = module.affine, module.track_running_stats
        twin.training = module.training
        twin._parameters.update(module._parameters)
        twin._buffers.update(module._buffers)
        return twin
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _replaced(child, comm)
    return module
