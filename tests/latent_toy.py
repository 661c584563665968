"""A style generator of which everything is known: w is linear in z, and a picture is linear in w."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganhub.models import LatentConfig, StyleGenerator
from ganhub.nn.random import normal


@dataclass(frozen=True, kw_only=True)
class ToyConfig(LatentConfig):
    """16 pixels a side, six numbers in z, eight in w, six layers."""

    image_size: int = 16
    channels: int = 3
    latent_dim: int = 6
    style_dim: int = 8


class Toy(StyleGenerator):
    """w = M z + offset of the class; each layer paints smooth waves by its own w; noise adds a little to each pixel."""

    Config = ToyConfig
    config: ToyConfig
    architecture = "toy"
    layers = 6

    def __init__(self, config: ToyConfig | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.matrix = torch.nn.Parameter(normal([1], c.style_dim, c.latent_dim)[0])
        offsets = normal(range(max(c.num_classes, 1)), c.style_dim, stream=2) * 3 * bool(c.num_classes)
        self.register_buffer("style_mean", offsets)
        y, x = torch.meshgrid(*[torch.linspace(0, 3.14, side) for side in c.size], indexing="ij")
        across, down, phase = normal([3], 3, self.layers, c.style_dim, c.channels, 1, 1)[0]
        waves = torch.sin(x * (1 + across) + y * (1 + down) + 3 * phase)
        self.waves = torch.nn.Parameter(waves)  # [L, style_dim, C, H, W]

    @property
    def noise_dim(self) -> int:
        height, width = self.config.size
        return height * width

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        offset = self.style_mean[:1] if label is None else self.style_mean[label]
        return z @ self.matrix.T + offset

    def synthesise(self, w: Tensor, noise: Tensor) -> Tensor:
        painted = torch.einsum("nld,ldchw->nchw", w.to(self.waves.dtype), self.waves) / 60
        return painted + 0.02 * noise.view(-1, 1, *self.config.size)

    def style_weights(self) -> list[Tensor]:
        return [normal([layer], 5, self.config.style_dim, stream=7)[0] for layer in range(self.layers)]


def toy(**fields: object) -> Toy:
    return Toy(ToyConfig(**fields)).eval()
