"""WGAN-GP with the paper's residual networks.

"Improved Training of Wasserstein GANs" (Gulrajani et al. 2017, arXiv:1704.00028), appendix F: residual blocks with
3x3 convolutions, nearest-neighbour upsampling in the generator, mean pooling in the critic; batch norm in the
generator only, since the penalty judges the critic's slope picture by picture. The objective is
``ganhub/objectives/wasserstein.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.models._base import LatentConfig, LatentGenerator
from ganhub.nn.blocks import pyramid


@dataclass(frozen=True, kw_only=True)
class WGANGPConfig(LatentConfig):
    """Sizes of both players.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two.
        width: Channels at the highest resolution of both players; each halving of the size doubles them.
        max_width: No block is wider.
    """

    width: int = 64
    max_width: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require(self.num_classes == 0, "wgan-gp knows no classes; use conditional-gan for labelled pictures.")
        self.require_range(1, 8192, "width", "max_width")


class UpBlock(nn.Module):
    """[N, c_in, H, W] -> [N, c_out, 2H, 2W]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c_out)
        self.conv1, self.conv2 = nn.Conv2d(c_in, c_out, 3, padding=1), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.interpolate(F.relu(self.norm1(x)), scale_factor=2))
        y = self.conv2(F.relu(self.norm2(y)))
        # A 1x1 convolution and nearest upsampling commute; at the small size it costs a quarter.
        return y + F.interpolate(self.shortcut(x), scale_factor=2)


class DownBlock(nn.Module):
    """[N, c_in, H, W] -> [N, c_out, H/2, W/2]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c_in, c_in, 3, padding=1), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(F.relu(x))))
        return F.avg_pool2d(y, 2) + self.shortcut(F.avg_pool2d(x, 2))


class Generator(nn.Module):
    """z [N, latent_dim] -> images [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: WGANGPConfig) -> None:
        super().__init__()
        base, doublings = pyramid(config.image_size)
        widths = [min(config.width * 2**n, config.max_width) for n in reversed(range(doublings + 1))]
        self.shape = (widths[0], base, base)
        self.project = nn.Linear(config.latent_dim, widths[0] * base * base)
        self.blocks = nn.Sequential(*[UpBlock(a, b) for a, b in zip(widths, widths[1:], strict=False)])
        self.norm = nn.BatchNorm2d(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], config.channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).view(-1, *self.shape).contiguous(memory_format=torch.channels_last)
        return torch.tanh(self.to_image(F.relu(self.norm(self.blocks(x)))))


class Critic(nn.Module):
    """Images [N, C, H, W] -> scores [N], unbounded."""

    def __init__(self, config: WGANGPConfig) -> None:
        super().__init__()
        base, doublings = pyramid(config.image_size)
        widths = [min(config.width * 2**n, config.max_width) for n in range(doublings + 1)]
        self.from_image = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.blocks = nn.Sequential(*[DownBlock(a, b) for a, b in zip(widths, widths[1:], strict=False)])
        self.score = nn.Linear(widths[-1] * base * base, 1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.score(F.relu(self.blocks(self.from_image(images))).flatten(1)).squeeze(1)


class WGANGP(LatentGenerator, architecture="wgan-gp"):
    """Gulrajani et al. 2017: a residual generator against a penalised critic."""

    Config = WGANGPConfig
    paper = "Improved Training of Wasserstein GANs (Gulrajani et al. 2017, arXiv:1704.00028)"
    default_objective = "wasserstein"
    config: WGANGPConfig

    def __init__(self, config: WGANGPConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.generator(z)

    def adversary(self) -> Critic:
        return Critic(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(WGANGPConfig(image_size=8, latent_dim=8, width=4, max_width=8))
