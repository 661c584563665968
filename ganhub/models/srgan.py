"""Super-resolution: a small picture made large, and its detail guessed.

"Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network" (Ledig et al. 2017,
arXiv:1609.04802): SRResNet, a residual network trained for the least error, then trained on as SRGAN, against a
discriminator and on features instead of pixels. Some parts are those of later papers, which cost less for the same
result: residual blocks without batch normalisation ("Enhanced Deep Residual Networks", Lim et al. 2017,
arXiv:1707.02921), all enlarging in one step at the end, where pixels are unfolded from channels ("Real-Time Single
Image and Video Super-Resolution", Shi et al. 2016, arXiv:1609.05158), and a network that adds what bicubic enlargement
lacks. To mend pictures as large as they are, pixels may be folded into channels first and unfolded last ("FFDNet",
Zhang et al. 2018, arXiv:1710.04026): four times fewer places, and twice the field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.models._translator import Enlarger
from ganhub.nn.batch_norm import BatchNorm2d


@dataclass(frozen=True, kw_only=True)
class SRGANConfig(BaseConfig):
    """Sizes of both players.

    Attributes:
        scale: How many times larger, a side, a picture becomes; 1 mends it as large as it is.
        width: Channels.
        blocks: Residual blocks.
        fold: Squares of so many pixels a side become one place; 1 for large results, 2 where scale is 1.
        discriminator_width: Channels of its first layers, doubled three times.
    """

    scale: int = 4
    width: int = 48
    blocks: int = 10
    fold: int = 1
    discriminator_width: int = 32

    def __post_init__(self) -> None:
        self.require_range(1, 8, "scale", "fold")
        self.require_range(4, 512, "width", "discriminator_width")
        self.require_range(1, 64, "blocks")


class Block(nn.Module):
    """x + convolution(PReLU(convolution(x))), [N, C, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.PReLU(width)
        with torch.no_grad():  # a deep sum of small parts
            self.second.weight *= 0.1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.activation(self.first(x)))


class SRResNet(nn.Module):
    """[N, 3, H, W] -> [N, 3, scale H, scale W], H and W multiples of ``fold``: figure 4, with the changes that the
    module's docstring names."""

    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        self.scale, self.fold = config.scale, config.fold
        self.head = nn.Conv2d(3 * config.fold**2, config.width, 3, padding=1)
        self.body = nn.Sequential(*(Block(config.width) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.width, 3 * (config.scale * config.fold) ** 2, 3, padding=1)
        with torch.no_grad():
            self.tail.weight *= 0.1

    def forward(self, images: Tensor) -> Tensor:
        x = self.head(F.pixel_unshuffle(images, self.fold) if self.fold > 1 else images)
        detail = F.pixel_shuffle(self.tail(x + self.body(x)), self.scale * self.fold)
        return enlarged(images, self.scale) + detail


class Discriminator(nn.Module):
    """Pictures [N, 3, H, W], 16 pixels a side or more -> scores [N]: figure 4, with a mean over places for its dense
    layers, so that any size will do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2)]
        before = width
        for after, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            layers += [nn.Conv2d(before, width * after, 3, stride, 1, bias=False), BatchNorm2d(width * after)]
            layers.append(nn.LeakyReLU(0.2))
            before = width * after
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).mean((1, 2, 3))


class SRGAN(Enlarger, architecture="srgan"):
    """Ledig et al. 2017: larger pictures."""

    Config = SRGANConfig
    paper = (
        "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network (Ledig et al. 2017, "
        "arXiv:1609.04802)"
    )
    config: SRGANConfig

    def __init__(self, config: SRGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = SRResNet(self.config)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained, twice as large."""
        return cls(SRGANConfig(scale=2, width=4, blocks=1, discriminator_width=4))

    @property
    def multiple(self) -> int:
        return self.config.fold

    def adversary(self) -> Discriminator:
        return Discriminator(self.config.discriminator_width)

    def forward(self, images: Tensor) -> Tensor:
        return self.generator(images)


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Bicubic, [N, C, H, W] -> [N, C, scale H, scale W]; what overshoots is left for the network to see."""
    if scale == 1:
        return images
    wide = images if images.dtype == torch.float64 else images.float()  # on a CPU there is none in half precision
    return F.interpolate(wide, scale_factor=scale, mode="bicubic", antialias=True).to(images.dtype)
