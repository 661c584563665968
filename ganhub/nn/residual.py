"""The generator that translations without pairs share: halved twice, residual blocks, doubled twice.

Of "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (Zhu et al. 2017, arXiv:1703.10593,
appendix 7.2), after "Perceptual Losses for Real-Time Style Transfer" (Johnson et al. 2016, arXiv:1603.08155).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.nn.blocks import initialise
from ganhub.nn.instance_norm import InstanceNorm


class Layer(nn.Module):
    """Convolution with reflected borders, instance normalisation and, if asked for, ReLU."""

    def __init__(self, inputs: int, channels: int, *, size: int = 3, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.reach, self.relu = size // 2, relu
        self.conv, self.norm = nn.Conv2d(inputs, channels, size, stride), InstanceNorm()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(reflected(x, self.reach)))
        return x.relu() if self.relu else x


class ResidualGenerator(nn.Module):
    """[N, 3, H, W] -> [N, 3, H, W] in [-1, 1] for sides of 16 pixels or more that are multiples of 4 (appendix 7.2);
    enlarged smoothly before a convolution, where the paper's fractional strides, and repetition too, leave a
    chequerboard."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        w = width
        self.down = nn.Sequential(Layer(3, w, size=7), Layer(w, 2 * w, stride=2), Layer(2 * w, 4 * w, stride=2))
        self.blocks = nn.ModuleList(
            nn.Sequential(Layer(4 * w, 4 * w), Layer(4 * w, 4 * w, relu=False)) for _ in range(blocks)
        )
        self.up = nn.ModuleList((Layer(4 * w, 2 * w), Layer(2 * w, w)))
        self.out = nn.Conv2d(w, 3, 7)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images)[-1])

    def encode(self, images: Tensor, blocks: int | None = None) -> list[Tensor]:
        """The picture, what each of the three first layers makes of it, and each of the residual blocks, or of the
        first ``blocks`` of them."""
        seen = [images]
        for layer in self.down:
            seen.append(layer(seen[-1]))
        for block in self.blocks[:blocks]:
            seen.append(seen[-1] + block(seen[-1]))
        return seen

    def decode(self, x: Tensor) -> Tensor:
        """The last of :meth:`encode` -> pictures."""
        for layer in self.up:
            x = layer(F.interpolate(x, scale_factor=2, mode="bilinear"))
        return self.out(reflected(x, 3)).tanh()


def reflected(x: Tensor, reach: int) -> Tensor:
    """[N, C, H, W] with so many pixels more on each side, mirrored."""
    with torch.autocast(x.device.type, enabled=False):  # which would pad in float32
        return F.pad(x, (reach,) * 4, mode="reflect")
