"""The first GAN: two multilayer perceptrons.

"Generative Adversarial Nets" (Goodfellow et al. 2014, arXiv:1406.2661). The file to read first: a config, a
generator, a discriminator, and the class that ties them together. The game itself is
``ganhub/objectives/adversarial.py``, the losses are ``ganhub/losses/adversarial.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from ganhub.models._verbs import LatentConfig, LatentGenerator


@dataclass(frozen=True, kw_only=True)
class MLPGANConfig(LatentConfig):
    """Sizes of the two perceptrons.

    Attributes:
        hidden_dim: Width of the generator's two hidden layers (1200 in the paper).
        maxout_dim: Width of the discriminator's two maxout layers (240 in the paper).
        maxout_pieces: Linear pieces per maxout unit (5 in the paper).
    """

    image_size: int = 28
    channels: int = 1
    latent_dim: int = 100
    hidden_dim: int = 1024
    maxout_dim: int = 240
    maxout_pieces: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.num_classes == 0, "mlp-gan knows no classes; use conditional-gan for labelled pictures.")
        self.require_range(1, 65_536, "hidden_dim", "maxout_dim")
        self.require_range(2, 64, "maxout_pieces")


class Generator(nn.Sequential):
    """[N, latent_dim] -> [N, pixels] in [-1, 1]: two ReLU layers, tanh at the end (the paper: sigmoid)."""

    def __init__(self, config: MLPGANConfig) -> None:
        pixels = config.channels * config.image_size**2
        super().__init__(
            nn.Linear(config.latent_dim, config.hidden_dim),
            nn.ReLU(),
            nn.Linear(config.hidden_dim, config.hidden_dim),
            nn.ReLU(),
            nn.Linear(config.hidden_dim, pixels),
            nn.Tanh(),
        )


class Maxout(nn.Module):
    """[N, in_dim] -> [N, out_dim], each unit the largest of several linear pieces (arXiv:1302.4389)."""

    def __init__(self, in_dim: int, out_dim: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(dim=2)


class Discriminator(nn.Module):
    """Images [N, C, H, W] -> scores [N]: two maxout layers and a linear one.

    Without the paper's dropout: its noise would depend on the batch, and a seed shall mean one thing everywhere.
    """

    def __init__(self, config: MLPGANConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            Maxout(config.channels * config.image_size**2, config.maxout_dim, config.maxout_pieces),
            Maxout(config.maxout_dim, config.maxout_dim, config.maxout_pieces),
            nn.Linear(config.maxout_dim, 1),
        )

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layers(images).squeeze(1)


class MLPGAN(LatentGenerator, architecture="mlp-gan"):
    """Goodfellow et al. 2014: pictures from a perceptron."""

    Config = MLPGANConfig
    paper = "Generative Adversarial Nets (Goodfellow et al. 2014, arXiv:1406.2661)"
    default_objective = "adversarial"
    config: MLPGANConfig

    def __init__(self, config: MLPGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        size = self.config.image_size
        return self.generator(z).view(-1, self.config.channels, size, size)

    def adversary(self) -> Discriminator:
        return Discriminator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(MLPGANConfig(image_size=8, latent_dim=8, hidden_dim=16, maxout_dim=8, maxout_pieces=2))
