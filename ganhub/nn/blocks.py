"""Convolution stacks of the DCGAN kind (Radford et al. 2015, arXiv:1511.06434), shared by several families."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganhub.errors import ConfigError
from ganhub.nn.batch_norm import BatchNorm2d
from ganhub.nn.instance_norm import InstanceNorm


def pyramid(image_size: int) -> tuple[int, int]:
    """Split an image size into (base, doublings): base * 2**doublings with base from 4 to 7, as 28 = 7 * 4.

    Raises:
        ConfigError: When the size is no such product; names the nearest sizes that are.
    """
    if halved := _halved(image_size, image_size):
        return halved[0], halved[2]
    fitting = sorted(base * 2**n for base in (4, 5, 6, 7) for n in range(1, 9))
    near = sorted(sorted(fitting, key=lambda size: abs(size - image_size))[:2])
    raise ConfigError(f"image_size {image_size} does not halve down to 4..7 pixels; take {near[0]} or {near[1]}.")


def oblong_pyramid(height: int, width: int) -> tuple[int, int, int]:
    """Split a size into (base height, base width, doublings), the shorter side of the base from 4 to 7: 96 x 128 is
    6 x 8 four times doubled.

    Raises:
        ConfigError: When the sides do not halve that far together; names the nearest sizes that do.
    """
    if halved := _halved(height, width):
        return halved
    steps = [2**n for n in range(1, 11)]
    fitting = {(8, 8)} | {
        (down(height / step) * step, across(width / step) * step)
        for step in steps for down in (math.floor, math.ceil) for across in (math.floor, math.ceil)
    }  # fmt: skip
    fitting = [size for size in fitting if min(size) and _halved(*size)]
    alike = [size for size in fitting if (height == width) == (size[0] == size[1])]
    near = sorted(alike or fitting, key=lambda size: (abs(size[0] - height) + abs(size[1] - width), size))[:2]
    raise ConfigError(
        f"{height} x {width} pixels do not halve together down to 4 to 7 on the shorter side; take "
        f"{' or '.join(f'{h} x {w}' for h, w in sorted(near))}."
    )


def _halved(height: int, width: int) -> tuple[int, int, int] | None:
    doublings = 0
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 8:
        height, width, doublings = height // 2, width // 2, doublings + 1
    return (height, width, doublings) if 4 <= min(height, width) <= 7 and doublings else None


class UpsamplingStack(nn.Module):
    """Vector to picture: a projection to base x base, then transposed convolutions that double the size.

    Batch norm and ReLU everywhere but at the output, which is tanh. Kernels are 4x4, a multiple of the stride,
    where the paper has 5x5: every output pixel then sees equally many inputs and no chequerboard is built in.

    Shapes: [N, in_dim] -> [N, channels, image_size, image_size] in [-1, 1].
    """

    def __init__(self, in_dim: int, image_size: int, channels: int, width: int, max_width: int) -> None:
        super().__init__()
        base, doublings = pyramid(image_size)
        widths = [min(width * 2**n, max_width) for n in reversed(range(doublings))]
        self.project = nn.Linear(in_dim, widths[0] * base * base, bias=False)
        self.shape = (widths[0], base, base)
        layers: list[nn.Module] = [BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh())
        initialise(self)

    def forward(self, vector: Tensor) -> Tensor:
        x = self.project(vector).view(-1, *self.shape)
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class DownsamplingStack(nn.Module):
    """Picture to features: strided 4x4 convolutions with leaky ReLU (slope 0.2) that halve the size.

    Args:
        batch_norm: Normalise every layer but the first, as the paper does. Leave it off under gradient penalties,
            which judge pictures one by one.

    Shapes: [N, channels, image_size, image_size] -> [N, out_dim].
    """

    def __init__(self, image_size: int, channels: int, width: int, max_width: int, batch_norm: bool) -> None:
        super().__init__()
        base, doublings = pyramid(image_size)
        widths = [min(width * 2**n, max_width) for n in range(doublings)]
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=not batch_norm))
            if batch_norm:
                layers.append(BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        self.out_dim = widths[-1] * base * base
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten(1)


class PatchDiscriminator(nn.Module):
    """[N, channels, H, W], 32 pixels a side or more -> scores [N, 1, h, w], one for each patch of 70 x 70 pixels.

    Of "Image-to-Image Translation with Conditional Adversarial Networks" (Isola et al. 2017, arXiv:1611.07004, appendix
    6.1.2), with instance normalisation as in CycleGAN (Zhu et al. 2017, arXiv:1703.10593, appendix 7.2).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            layers += [nn.Conv2d(width * before, width * after, 4, stride, 1), InstanceNorm(), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 1))
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch norm scales from N(1, 0.02), as section 4 of the DCGAN paper asks."""
    if next(module.parameters()).is_meta:  # there is nothing to fill, and torch would import its compiler to try
        return
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(part.weight, 0.0, 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
