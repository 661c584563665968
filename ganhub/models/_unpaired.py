"""What the unpaired translators share: Zhu et al.'s residual generator as the model, a PatchGAN as its adversary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from ganhub.config import BaseConfig
from ganhub.models._translator import Translator
from ganhub.nn.blocks import PatchDiscriminator
from ganhub.nn.residual import ResidualGenerator
from ganhub.objectives._base import BaseObjective, Batch


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
    """An objective that learns from two collections without pairs."""

    def sides(self) -> tuple[int, int]:
        return 32, 4

    def both(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pictures of the two collections, [N, 3, H, W] each."""
        name = type(self.model).__name__
        return batch.pair(f"{name} learns from two collections: name the second one in data.other.path.")
