"""What the unpaired translators share: a residual generator as the model, a PatchGAN as its adversary.

The generator, halved twice, residual blocks, doubled twice, is that of "Unpaired Image-to-Image Translation using
Cycle-Consistent Adversarial Networks" (Zhu et al. 2017, arXiv:1703.10593, appendix 7.2), after "Perceptual Losses for
Real-Time Style Transfer" (Johnson et al. 2016, arXiv:1603.08155).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.models._translator import Translator
from ganhub.nn.blocks import PatchDiscriminator, initialise
from ganhub.nn.instance_norm import InstanceNorm
from ganhub.objectives._base import BaseObjective, Batch, Phase


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


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig(BaseConfig):
    """Sizes of a generator and its discriminator.

    Attributes:
        width: Channels at full size; doubled at each of two halvings.
        blocks: Residual blocks at a quarter of the side; the papers have 6 at 128 pixels and 9 at 256.
        discriminator_width: Channels of the discriminator's first layer, doubled three times.
    """

    width: int = 24
    blocks: int = 6
    discriminator_width: int = 24

    def __post_init__(self) -> None:
        self.require_range(4, 256, "width", "discriminator_width")
        self.require_range(1, 32, "blocks")


class UnpairedTranslator(Translator):
    """A direction between two collections: [N, 3, H, W] in [-1, 1] to the same, any size."""

    Config: ClassVar[type[UnpairedConfig]] = UnpairedConfig
    margin = 64
    config: UnpairedConfig

    def __init__(self, config: UnpairedConfig | None = None) -> None:
        super().__init__(config)
        self.generator = ResidualGenerator(self.config.width, self.config.blocks)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained."""
        return cls(cls.Config(width=4, blocks=1, discriminator_width=4))

    @property
    def multiple(self) -> int:
        return 16  # of which 4 are needed, and the rest lets the smallest picture be reflected

    def adversary(self) -> PatchDiscriminator:
        return PatchDiscriminator(3, self.config.discriminator_width)

    def forward(self, images: Tensor) -> Tensor:
        return self.generator(images)


class UnpairedObjective(BaseObjective):
    """An objective that learns from two collections without pairs: the generator's turn, then the discriminator's."""

    def phases(self) -> Sequence[Phase]:
        return [
            Phase(player="generator", loss=self.generator_loss),
            Phase(player="discriminator", loss=self.discriminator_loss),
        ]

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What the generator minimises."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """What the discriminator minimises."""
        raise NotImplementedError

    def sides(self) -> tuple[int, int]:
        return 32, 4

    def both(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pictures of the two collections, [N, 3, H, W] each."""
        name = type(self.model).__name__
        return batch.pair(f"{name} learns from two collections: name the second one in data.other.path.")
