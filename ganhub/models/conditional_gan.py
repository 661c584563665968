"""Conditional GAN: both players are told the class.

"Conditional Generative Adversarial Nets" (Mirza, Osindero 2014, arXiv:1411.1784). The generator receives z and the
label together; the discriminator maps picture and label to hidden layers of their own and judges them in a joint
one (section 4.1). The paper's perceptrons are replaced by the convolution stacks of DCGAN, so any size works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ganhub.models._verbs import LatentConfig, LatentGenerator, require_label
from ganhub.nn.blocks import DownsamplingStack, UpsamplingStack, pyramid


@dataclass(frozen=True, kw_only=True)
class ConditionalGANConfig(LatentConfig):
    """Sizes of both players.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two.
        num_classes: At least 2.
        label_dim: Length of a class's embedding in each player.
        joint_dim: Width of the discriminator's joint hidden layer.
        width: Channels at the highest resolution of the generator; each halving of the size doubles them.
        max_width: No convolution is wider.
        discriminator_width: The same for the discriminator.
    """

    image_size: int = 28
    channels: int = 1
    latent_dim: int = 64
    num_classes: int = 10
    label_dim: int = 64
    joint_dim: int = 256
    width: int = 64
    max_width: int = 256
    discriminator_width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require(self.num_classes >= 2, "conditional-gan needs num_classes of 2 or more.")
        self.require_range(1, 8192, "label_dim", "joint_dim", "width", "max_width", "discriminator_width")


class Generator(nn.Module):
    """z [N, latent_dim] and label [N] -> images [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: ConditionalGANConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.num_classes, config.label_dim)
        in_dim = config.latent_dim + config.label_dim
        self.stack = UpsamplingStack(in_dim, config.image_size, config.channels, config.width, config.max_width)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.stack(torch.cat([z, self.embed(label).to(z.dtype)], dim=1))


class Discriminator(nn.Module):
    """Images [N, C, H, W] and label [N] -> scores [N]: does this picture exist, and is it of this class?"""

    def __init__(self, config: ConditionalGANConfig) -> None:
        super().__init__()
        self.features = DownsamplingStack(
            config.image_size, config.channels, config.discriminator_width, config.max_width, batch_norm=False
        )
        self.embed = nn.Embedding(config.num_classes, config.label_dim)
        self.joint = nn.Sequential(
            nn.Linear(self.features.out_dim + config.label_dim, config.joint_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(config.joint_dim, config.joint_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(config.joint_dim, 1),
        )

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        features = self.features(images)
        return self.joint(torch.cat([features, self.embed(label).to(features.dtype)], dim=1)).squeeze(1)


class ConditionalGAN(LatentGenerator, architecture="conditional-gan"):
    """Mirza and Osindero 2014: pictures of a class that one asks for."""

    Config = ConditionalGANConfig
    paper = "Conditional Generative Adversarial Nets (Mirza, Osindero 2014, arXiv:1411.1784)"
    default_objective = "adversarial"
    config: ConditionalGANConfig

    def __init__(self, config: ConditionalGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self.generator(z, require_label(label))

    def adversary(self) -> Discriminator:
        return Discriminator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            ConditionalGANConfig(
                image_size=8, latent_dim=8, num_classes=3, class_names=("circle", "cross", "ring"), label_dim=4,
                joint_dim=8, width=4, max_width=8, discriminator_width=4,
            )
        )  # fmt: skip
