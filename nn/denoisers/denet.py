"""Plain deep convolutional networks that predict the clean image itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["DeNet", "DeNet3D"]

Stages = Sequence[tuple[int, int]]
"""Width and dilation of one stage after another."""


def _plain(inputs: int, stages: Stages, dims: int) -> nn.Sequential:
    """Convolution and rectifier, stages of convolution, batch norm and rectifier, and a convolution."""
    norm, conv = (nn.BatchNorm2d, nn.Conv2d) if dims == 2 else (nn.BatchNorm3d, nn.Conv3d)
    width = stages[0][0]
    layers: list[nn.Module] = [conv(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
    for outputs, dilation in stages:
        layers.append(conv(width, outputs, 3, padding=dilation, dilation=dilation, bias=False))
        layers += [norm(outputs), nn.ReLU(inplace=True)]
        width = outputs
    return nn.Sequential(*layers, conv(width, inputs, 3, padding=1, bias=False))


class DeNet(nn.Module):
    """The network of the HSI-DeNet kind (Chang et al., IEEE TGRS 57, 2019) on windows of a fixed number of bands.

    From (batch, bands, rows, columns) to the same shape: the clean image, not the noise.

    >>> import torch
    >>> DeNet(bands=10, stages=[(8, 1), (8, 2)])(torch.zeros(1, 10, 6, 5)).shape
    torch.Size([1, 10, 6, 5])
    """

    STAGES: Stages = (*[(64, 1)] * 3, *[(128, 1)] * 3, *[(256, 2)] * 3, *[(128, 1)] * 3, *[(64, 1)] * 4)

    def __init__(self, bands: int = 10, stages: Stages = STAGES) -> None:
        super().__init__()
        self.bands = bands
        self.layers = _plain(bands, stages, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class DeNet3D(nn.Module):
    """The `DeNet` of 3-D convolutions, for any number of bands; by default of HyDe's fewer and narrower stages.

    From (batch, bands, rows, columns) to the same shape.
    """

    STAGES: Stages = (*[(32, 1)] * 3, *[(64, 1)] * 3, (128, 1), (64, 1), *[(32, 1)] * 3)

    def __init__(self, stages: Stages = STAGES) -> None:
        super().__init__()
        self.layers = _plain(1, stages, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.unsqueeze(1)).squeeze(1)
