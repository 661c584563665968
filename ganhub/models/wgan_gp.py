"""WGAN-GP: the same stacks as DCGAN, but a critic with a bounded slope instead of a discriminator.

"Improved Training of Wasserstein GANs" (Gulrajani et al. 2017, arXiv:1704.00028). The paper's point is its objective,
``ganhub/objectives/wasserstein.py``, which trains many architectures with the same settings (section 5); these are
the DCGAN ones of its figure 2, which train on two CPU cores. Batch norm stays in the generator only: the penalty
judges the critic's slope picture by picture (section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from ganhub.models._verbs import LatentConfig, LatentGenerator
from ganhub.nn.blocks import DownsamplingStack, UpsamplingStack, pyramid


@dataclass(frozen=True, kw_only=True)
class WGANGPConfig(LatentConfig):
    """Sizes of both players.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two.
        width: Channels at the highest resolution of the generator; each halving of the size doubles them.
        max_width: No layer is wider.
        critic_width: The same for the critic, from its first layer on.
    """

    width: int = 64
    max_width: int = 512
    critic_width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require(self.num_classes == 0, "wgan-gp knows no classes; use conditional-gan for labelled pictures.")
        self.require_range(1, 8192, "width", "max_width", "critic_width")


class Critic(nn.Module):
    """Images [N, C, H, W] -> scores [N], unbounded: no sigmoid, no batch norm."""

    def __init__(self, config: WGANGPConfig) -> None:
        super().__init__()
        self.features = DownsamplingStack(
            config.image_size, config.channels, config.critic_width, config.max_width, batch_norm=False
        )
        self.score = nn.Linear(self.features.out_dim, 1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.score(self.features(images)).squeeze(1)


class WGANGP(LatentGenerator, architecture="wgan-gp"):
    """Gulrajani et al. 2017: a generator against a critic that estimates the Wasserstein distance."""

    Config = WGANGPConfig
    paper = "Improved Training of Wasserstein GANs (Gulrajani et al. 2017, arXiv:1704.00028)"
    default_objective = "wasserstein"
    config: WGANGPConfig

    def __init__(self, config: WGANGPConfig | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.generator = UpsamplingStack(c.latent_dim, c.image_size, c.channels, c.width, c.max_width)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        return self.generator(z)

    def adversary(self) -> Critic:
        return Critic(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(WGANGPConfig(image_size=8, latent_dim=8, width=4, max_width=8, critic_width=4))
