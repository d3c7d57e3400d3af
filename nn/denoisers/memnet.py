"""Memory networks: blocks that remember what all blocks before them found."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MemNet", "MemNet3D"]


class Unit(nn.Sequential):
    """Batch norm, rectifier, convolution that keeps the size, in two or three dimensions."""

    def __init__(self, inputs: int, outputs: int, dims: int, kernel: int = 3) -> None:
        norm, conv = (nn.BatchNorm2d, nn.Conv2d) if dims == 2 else (nn.BatchNorm3d, nn.Conv3d)
        super().__init__()
        self.norm = norm(inputs)
        self.rectifier = nn.ReLU(inplace=True)
        self.conv = conv(inputs, outputs, kernel, padding=kernel // 2, bias=False)


class ResidualBlock(nn.Module):
    """Two units, whose result is added to what they are given."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.first = Unit(channels, channels, dims)
        self.second = Unit(channels, channels, dims)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class MemoryBlock(nn.Module):
    """A chain of residual blocks, and a gate: 1 x 1 convolution of all their results and of all blocks' before."""

    def __init__(self, channels: int, residuals: int, remembered: int, dims: int) -> None:
        super().__init__()
        self.chain = nn.ModuleList(ResidualBlock(channels, dims) for _ in range(residuals))
        self.gate = Unit((residuals + remembered) * channels, channels, dims, kernel=1)

    def forward(self, memory: list[Tensor]) -> Tensor:
        h, found = memory[-1], []
        for block in self.chain:
            h = block(h)
            found.append(h)
        return self.gate(torch.cat([*found, *memory], dim=1))


class _MemNet(nn.Module):
    """What both have in common. `inputs` are the channels of one image: its bands, or one where bands are an axis."""

    def __init__(self, inputs: int, channels: int, blocks: int, residuals: int, dims: int, guided: bool) -> None:
        super().__init__()
        self.guided, self.dims = guided, dims
        self.extract = Unit((1 + guided) * inputs, channels, dims)
        nn.init.constant_(self.extract.norm.bias, 2)  # its rectifier is to let the image pass, dark pixels too
        self.memory = nn.ModuleList(MemoryBlock(channels, residuals, i + 1, dims) for i in range(blocks))
        self.reconstruct = Unit(channels, inputs, dims)
        nn.init.zeros_(self.reconstruct.conv.weight)  # so that it begins as the identity, from which it learns faster

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        if self.guided != (guide is not None):
            raise TypeError("a network made with `guided=True` takes a guide beside its input, another one none")
        images = [x] if guide is None else [x, guide]
        stacked = torch.cat(images, 1) if self.dims == 2 else torch.stack(images, 1)
        memory = [self.extract(stacked)]
        for block in self.memory:
            memory.append(block(memory))
        change = self.reconstruct(memory[-1])
        return images[-1] + (change if self.dims == 2 else change.squeeze(1))


class MemNet(_MemNet):
    """The persistent memory network of Tai et al. (ICCV 2017) on windows of a fixed number of bands, as HyDe has it.

    From (batch, bands, rows, columns) to the same shape: what it finds is added to the input.

    Parameters
    ----------
    bands : int
        Channels of the images that it takes.
    channels, blocks, residuals : int
        Its width, the number of memory blocks, and of residual blocks in each.
    guided : bool
        Whether it takes a second image of the same shape, the result of another method (HyRes in HyDe's hybrids), which
        it is to improve with what it sees in the first: `network(x, guide)`, added to the guide.

    >>> MemNet(bands=10, channels=8, blocks=2, residuals=2)(torch.zeros(1, 10, 6, 5)).shape
    torch.Size([1, 10, 6, 5])
    """

    def __init__(
        self, bands: int = 10, channels: int = 64, blocks: int = 6, residuals: int = 6, guided: bool = False
    ) -> None:
        super().__init__(bands, channels, blocks, residuals, 2, guided)
        self.bands = bands


class MemNet3D(_MemNet):
    """The `MemNet` of 3-D convolutions, for any number of bands.

    From (batch, bands, rows, columns) to the same shape. The parameters are those of `MemNet`.
    """

    def __init__(self, channels: int = 32, blocks: int = 2, residuals: int = 2, guided: bool = False) -> None:
        super().__init__(1, channels, blocks, residuals, 3, guided)
