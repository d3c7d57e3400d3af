"""Quasi-recurrent encoders and decoders: convolutions along rows and columns, gated recurrence along bands."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["QRNN2D", "QRNN3D"]

Triple = tuple[int, int, int]
_PLANE = (1, 2, 2)


class QuasiRecurrent(nn.Module):
    """A convolution that proposes values and gates, and a recurrence along bands: `h_b = f_b h_{b-1} + (1 - f_b) z_b`.

    From (batch, inputs, bands, rows, columns) to `outputs` channels. The recurrence begins at the first band, with
    `direction` "backward" at the last; "both" has a gate for each and gives the sum.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Triple,
        direction: str = "forward",
        stride: Triple = (1, 1, 1),
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.direction = direction
        parts = 3 if direction == "both" else 2
        padding = tuple(k // 2 for k in kernel)
        self.norm = nn.BatchNorm3d(inputs)
        self.conv = nn.Conv3d(inputs, parts * outputs, kernel, stride, padding, bias=bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, plane: torch.Size | None = None) -> Tensor:
        """`plane` is the number of rows and columns to interpolate to before the convolution."""
        x = self.norm(x)
        if plane is not None:
            x = F.interpolate(x, (x.shape[2], *plane), mode="trilinear", align_corners=True)
        parts = 3 if self.direction == "both" else 2
        values, *gates = self.conv(x).chunk(parts, dim=1)
        values, gates = values.tanh(), [gate.sigmoid() for gate in gates]
        if self.direction == "both":
            return _pooled(values, gates[0]) + _pooled(values, gates[1], backward=True)
        return _pooled(values, gates[0], backward=self.direction == "backward")


def _pooled(values: Tensor, gates: Tensor, backward: bool = False) -> Tensor:
    """The recurrence ("f-pooling") along axis 2, from a state of zeros."""
    bands = list(zip(values.unbind(2), gates.unbind(2), strict=True))
    state, states = torch.zeros_like(values[:, :, 0]), []
    for value, gate in reversed(bands) if backward else bands:
        state = torch.lerp(value, state, gate)
        states.append(state)
    return torch.stack(states[::-1] if backward else states, dim=2)


class QRNN3D(nn.Module):
    """The 3-D quasi-recurrent network of Wei, Fu and Huang (IEEE TNNLS 32, 2021), which HyDe and its weights have, too.

    From (batch, bands, rows, columns) to the same shape, for any number of bands. A layer of both directions, an
    encoder of `layers` layers whose directions alternate, of which those in `halved` have a stride of 2 along rows and
    columns and double the channels, the mirrored decoder that interpolates where the encoder strode, sums that skip
    from each encoder layer to its decoder layer, and a last layer of both directions. What comes out is added to the
    input. Each layer: batch norm, convolution, recurrence.

    >>> import torch
    >>> QRNN3D(channels=4)(torch.zeros(1, 5, 8, 9)).shape
    torch.Size([1, 5, 8, 9])
    """

    kernel: Triple = (3, 3, 3)

    def __init__(self, channels: int = 16, layers: int = 5, halved: Collection[int] = (1, 3)) -> None:
        super().__init__()
        self.halved = frozenset(halved)
        if not self.halved <= set(range(layers)):
            raise ValueError(f"`halved` (={sorted(halved)}) must name encoder layers, which are 0 to {layers - 1}")
        directions = ["forward", "backward"] * layers
        widths = [channels]
        for i in range(layers):
            widths.append(widths[-1] * (2 if i in self.halved else 1))
        self.first = QuasiRecurrent(1, channels, self.kernel, "both")
        self.encoder = nn.ModuleList(
            QuasiRecurrent(
                widths[i], widths[i + 1], self.kernel, directions[i], _PLANE if i in self.halved else (1, 1, 1)
            )
            for i in range(layers)
        )
        self.decoder = nn.ModuleList(
            QuasiRecurrent(widths[i + 1], widths[i], self.kernel, directions[layers + j])
            for j, i in enumerate(reversed(range(layers)))
        )
        self.last = QuasiRecurrent(channels, 1, self.kernel, "both", bias=True)
        for parameter in self.last.conv.parameters():
            nn.init.zeros_(parameter)  # so that it begins as the identity, from which it learns faster

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.unsqueeze(1))
        skips = []
        for layer in self.encoder:
            skips.append(h)
            h = layer(h)
        for i, layer in zip(reversed(range(len(self.decoder))), self.decoder, strict=True):
            skip = skips.pop()
            h = layer(h, skip.shape[3:] if i in self.halved else None) + skip
        return x + self.last(h).squeeze(1)


class QRNN2D(QRNN3D):
    """The `QRNN3D` whose convolutions see one band at a time: only the recurrence connects bands.

    So HyDe and its published weights have it. From (batch, bands, rows, columns) to the same shape.
    """

    kernel = (1, 3, 3)
