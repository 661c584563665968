"""The network that paints in one pass; the scales and shifts of its normalisation layers choose the style.

Every layer of a style network may be shared by all styles, if each style has its own scale and shift after instance
normalisation: "A Learned Representation For Artistic Style" (Dumoulin et al. 2017, arXiv:1610.07629, equation 5).
Shape: a U-Net that works on a quarter and an eighth of the picture's side, where a 3x3 convolution sees four and eight
times as far and costs a sixteenth and a 64th. Pixels are folded into channels on the way in, and unfolded at the last
step out (Shi et al. 2016, arXiv:1609.05158). 23,000 multiply-adds a pixel: a seventh of what Johnson et al. 2016 take.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.nn.instance_norm import InstanceNorm

FOLD = 8  # sides are padded to a multiple of this
# Filters out what alternates from pixel to pixel: the grid of unfolding.
SOFTENING = ((1 / 16, 1 / 8, 1 / 16), (1 / 8, 1 / 4, 1 / 8), (1 / 16, 1 / 8, 1 / 16))


@dataclass(frozen=True, kw_only=True)
class PainterConfig(BaseConfig):
    """Settings of models that hold a :class:`Painter`.

    Attributes:
        width: Channels at a quarter of the picture's side.
        deep_width: Channels at an eighth.
        blocks: Residual blocks there.
    """

    width: int = 64
    deep_width: int = 96
    blocks: int = 4

    def __post_init__(self) -> None:
        self.require_range(8, 512, "width", "deep_width")
        self.require_range(0, 32, "blocks")


class Painter(nn.Module):
    """Pictures [N, 3, H, W] and codes [N, code_size] -> pictures [N, 3, H, W] in [-1, 1].

    Args:
        width: Channels at a quarter of the side.
        deep_width: Channels at an eighth.
        blocks: Residual blocks at an eighth.
    """

    def __init__(self, width: int = 64, deep_width: int = 96, blocks: int = 4) -> None:
        super().__init__()
        fine = width * 3 // 8  # channels at half the side
        self.fold = Restyled(48, width)
        self.down = Restyled(width, deep_width, stride=2)
        self.blocks = nn.ModuleList(Restyled(deep_width, deep_width, relu=k % 2 == 0) for k in range(2 * blocks))
        self.up = Restyled(deep_width, width, enlarge=True)
        self.merge = Restyled(width, width)
        self.unfold = Restyled(width, fine, enlarge=True)
        self.out = nn.Conv2d(fine, 12, 3)
        with torch.no_grad():  # at the start tanh does not run full, and the four pixels of a place are alike
            self.out.weight[::4] *= 0.3
            for pixel in (1, 2, 3):
                self.out.weight[pixel::4] = self.out.weight[::4]
        self.layers = [m for m in self.modules() if isinstance(m, Restyled)]
        self.code_size = 2 * sum(layer.channels for layer in self.layers)

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Paint.

        Args:
            images: [N, 3, H, W] in [-1, 1], 16 pixels a side or more.
            codes: [N, code_size] or [1, code_size]: of each layer first the logarithms of its scales, then its shifts.
        """
        height, width = images.shape[2:]
        right, below = -width % FOLD, -height % FOLD
        x = F.pad(images, (0, right, 0, below), mode="reflect") if right or below else images
        parts = iter(codes.split([layer.channels for layer in self.layers for _ in "ab"], dim=1))
        style = {layer: (next(parts), next(parts)) for layer in self.layers}
        x = F.pixel_unshuffle(x, 4).contiguous(memory_format=torch.channels_last)
        quarter = self.fold(x, *style[self.fold])
        x = self.down(quarter, *style[self.down])
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            x = x + second(first(x, *style[first]), *style[second])
        x = quarter + self.up(x, *style[self.up])
        x = self.merge(x, *style[self.merge])
        x = self.unfold(x, *style[self.unfold])
        x = F.pixel_shuffle(self.out(F.pad(x, (1, 1, 1, 1), mode="reflect")), 2)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), x.new_tensor(SOFTENING).expand(3, 1, 3, 3), groups=3)
        return x.tanh()[..., :height, :width]


class Restyled(nn.Module):
    """3x3 convolution, instance normalisation with the style's scale and shift, ReLU.

    Args:
        inputs, channels: Channels before and after.
        stride: Stride of the convolution.
        enlarge: Twice the side first, bilinear: unfolding channels instead, or repeating places, leaves grids.
        relu: Whether ReLU follows.
    """

    def __init__(self, inputs: int, channels: int, *, stride: int = 1, enlarge: bool = False, relu: bool = True):
        super().__init__()
        self.channels, self.enlarge, self.relu = channels, enlarge, relu
        self.conv = nn.Conv2d(inputs, channels, 3, stride)
        self.norm = InstanceNorm()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        if self.enlarge:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        mean, deviation = self.norm.measure(x)
        scale, shift = scale.to(x.dtype).exp()[:, :, None, None], shift.to(x.dtype)[:, :, None, None]
        factor = scale / deviation
        x = torch.addcmul(shift - factor * mean, x, factor)  # scale * (x - mean) / deviation + shift, in one pass
        return x.relu_() if self.relu else x
