"""DCGAN: the first convolutional GAN that trained reliably.

"Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"
(Radford, Metz, Chintala 2015, arXiv:1511.06434). Its guidelines: strided convolutions instead of pooling, batch
norm in both players, no hidden fully connected layers, ReLU in the generator and leaky ReLU in the discriminator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from ganhub.models._verbs import LatentConfig, LatentGenerator
from ganhub.nn.blocks import DownsamplingStack, UpsamplingStack, pyramid


@dataclass(frozen=True, kw_only=True)
class DCGANConfig(LatentConfig):
    """Sizes of both players.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two.
        width: Channels at the highest resolution of the generator; each halving of the size doubles them
            (figure 1 of the paper: 128 to 1024).
        max_width: No layer is wider.
        discriminator_width: The same for the discriminator, from its first layer on.
    """

    latent_dim: int = 100
    width: int = 64
    max_width: int = 512
    discriminator_width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require(self.num_classes == 0, "dcgan knows no classes; use conditional-gan for labelled pictures.")
        self.require_range(1, 8192, "width", "max_width", "discriminator_width")


class Discriminator(nn.Module):
    """Images [N, C, H, W] -> scores [N]."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.features = DownsamplingStack(
            config.image_size, config.channels, config.discriminator_width, config.max_width, batch_norm=True
        )
        self.score = nn.Linear(self.features.out_dim, 1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.score(self.features(images)).squeeze(1)


class DCGAN(LatentGenerator, architecture="dcgan"):
    """Radford et al. 2015: pictures from transposed convolutions."""

    Config = DCGANConfig
    paper = (
        "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks "
        "(Radford et al. 2015, arXiv:1511.06434)"
    )
    default_objective = "adversarial"
    config: DCGANConfig

    def __init__(self, config: DCGANConfig | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.generator = UpsamplingStack(c.latent_dim, c.image_size, c.channels, c.width, c.max_width)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self.generator(z)

    def adversary(self) -> Discriminator:
        return Discriminator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(DCGANConfig(image_size=16, latent_dim=8, width=4, max_width=8, discriminator_width=4))
