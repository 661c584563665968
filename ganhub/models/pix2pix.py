"""Picture to picture, learnt from pairs: sketches to drawings, greys to colours.

"Image-to-Image Translation with Conditional Adversarial Networks" (Isola, Zhu, Zhou, Efros 2017, arXiv:1611.07004): a
U-Net, whose skips carry what input and output share, against a discriminator that looks at input and output together
and judges patches of 70 x 70 pixels, and an L1 loss for what a patch cannot see. Instance normalisation stands for the
paper's batch normalisation over batches of one. Dropout, the paper's noise, is on in training alone: the same picture
always gives the same translation.

With ``colours = "lab"`` the network is given the lightness of a picture and makes its colours, a and b of CIELAB, as
section 4.2 of the paper has it: every colour picture is a pair with itself. A picture of another size than those of
training is shown to the network at theirs, and what it makes is enlarged; a photo keeps its lightness at full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.images.colour import from_lab, to_lab
from ganhub.losses.adversarial import discriminator_loss, non_saturating_generator_loss, score_statistics
from ganhub.models._translator import Translator
from ganhub.nn.blocks import PatchDiscriminator, initialise
from ganhub.nn.instance_norm import InstanceNorm
from ganhub.objectives._base import Batch, LateGame

UNPAIRED = 'pix2pix learns from pairs: name the other side in data.other.path, and set data.pairing = "name".'


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(BaseConfig):
    """Sizes of both players.

    Attributes:
        image_size: Height and width of the pictures it is trained with, a multiple of 2^depth.
        colours: "rgb" translates pictures; "lab" gives grey ones their colours.
        depth: How often the U-Net halves its picture.
        width: Channels after the first halving; each further one doubles them.
        max_width: No layer is wider.
        dropout: Share of the three deepest decoder layers that is left out in training.
        discriminator_width: Channels of its first layer, doubled twice.
    """

    image_size: int = 128
    colours: str = "rgb"
    depth: int = 6
    width: int = 48
    max_width: int = 256
    dropout: float = 0.3
    discriminator_width: int = 48

    def __post_init__(self) -> None:
        self.require(self.colours in ("rgb", "lab"), f'colours must be "rgb" or "lab", not {self.colours!r}.')
        self.require_range(2, 10, "depth")
        unit = 2**self.depth
        self.require(
            self.image_size % unit == 0 and 0 < self.image_size <= 2048,
            f"image_size must be a multiple of 2^depth = {unit}, up to 2048, not {self.image_size}.",
        )
        self.require_range(4, 1024, "width", "max_width", "discriminator_width")
        self.require_range(0, 0.9, "dropout")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of training pictures."""
        return self.image_size, self.image_size


class UNet(nn.Module):
    """[N, channels in, H, W] -> [N, channels out, H, W] in [-1, 1]; sides are multiples of 2^depth (appendix 6.1.1)."""

    def __init__(self, inputs: int, outputs: int, config: Pix2PixConfig) -> None:
        super().__init__()
        widths = [min(config.width * 2**level, config.max_width) for level in range(config.depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(widths[level - 1] if level else inputs, width, 4, 2, 1))
            # neither the first nor the deepest map, which may be a single place, is normalised
            self.down.append(nn.Sequential(*layers, *[InstanceNorm()] * (0 < level < config.depth - 1)))
        for level in reversed(range(1, config.depth)):
            deepest = level == config.depth - 1
            layers = [nn.ReLU(), nn.ConvTranspose2d(widths[level] * (2 - deepest), widths[level - 1], 4, 2, 1)]
            layers.append(InstanceNorm())
            self.up.append(nn.Sequential(*layers, nn.Dropout(config.dropout if level >= config.depth - 3 else 0.0)))
        self.out = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(widths[0] * 2, outputs, 4, 2, 1), nn.Tanh())
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        seen = []
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        seen.pop()
        for layer in self.up:
            x = torch.cat([layer(x), seen.pop()], 1)
        return self.out(x)


class Pix2Pix(Translator, architecture="pix2pix"):
    """Isola et al. 2017: a translation learnt from pairs."""

    Config = Pix2PixConfig
    paper = (
        "Image-to-Image Translation with Conditional Adversarial Networks (Isola, Zhu, Zhou, Efros 2017, "
        "arXiv:1611.07004)"
    )
    default_objective = "pix2pix"
    tiles = False  # the deepest layers see the whole picture
    config: Pix2PixConfig

    def __init__(self, config: Pix2PixConfig | None = None) -> None:
        super().__init__(config)
        self.generator = UNet(*self._channels, self.config)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained, for pictures of 32 pixels."""
        return cls(Pix2PixConfig(image_size=32, depth=3, width=4, max_width=8, discriminator_width=4))

    @classmethod
    def task(cls, config: Pix2PixConfig) -> str:
        return "translate" if config.colours == "rgb" else "colourise"

    def needs(self, side: int) -> dict[str, Any]:
        return super().needs(self.config.image_size)

    @property
    def _channels(self) -> tuple[int, int]:
        return (3, 3) if self.config.colours == "rgb" else (1, 2)

    def adversary(self) -> PatchDiscriminator:
        return PatchDiscriminator(sum(self._channels), self.config.discriminator_width)

    def forward(self, images: Tensor) -> Tensor:
        if self.config.colours == "rgb":
            return self._translated(images)
        lightness = to_lab(images)[:, :1]
        return from_lab(torch.cat([lightness, self._translated(lightness)], 1))

    def _translated(self, given: Tensor) -> Tensor:
        """What the generator makes of pictures of any size, seen with their long side at ``image_size``."""
        size, unit, side = tuple(given.shape[2:]), 2**self.config.depth, self.config.image_size
        own = tuple(max(1, round(length * side / max(size) / unit)) * unit for length in size)
        if own == size:
            return self.generator(given)
        return _resampled(self.generator(_resampled(given, own).clamp(-1, 1)), size)

    def pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the generator is given, and what it should make of it."""
        if self.config.colours == "lab":
            lab = to_lab(batch.images)
            return lab[:, :1], lab[:, 1:]
        return batch.pair(UNPAIRED)


def _resampled(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x.float(), size, mode="bicubic", antialias=True).to(x.dtype)  # CPUs have none in half


@dataclass(frozen=True, kw_only=True)
class Pix2PixObjectiveConfig(BaseConfig):
    """Settings of :class:`Pix2PixObjective`.

    Attributes:
        l1_weight: lambda of equation 4.
        adversarial_from: Pictures seen before the discriminator plays; L1 alone until then costs half the time.
    """

    l1_weight: float = 100.0
    adversarial_from: int = 0

    def __post_init__(self) -> None:
        self.require_range(0, 1e6, "l1_weight")
        self.require(self.adversarial_from >= 0, "adversarial_from must be 0 (at once) or more.")


class Pix2PixObjective(LateGame, name="pix2pix"):
    """Equations 1, 3 and 4; as in section 3.3 the discriminator's loss is halved."""

    Config = Pix2PixObjectiveConfig

    def __init__(self, model: nn.Module, config: Pix2PixObjectiveConfig) -> None:
        if not isinstance(model, Pix2Pix):
            raise ConfigError('The objective "pix2pix" trains the architecture "pix2pix" alone.')
        super().__init__(model, config, joins_at=config.adversarial_from)

    def sides(self) -> tuple[int, int]:
        return 32, 1

    def check(self, height: int, width: int, paired: bool, count: int) -> None:
        super().check(height, width, paired, count)
        if self.model.config.colours == "rgb" and not paired:
            raise ConfigError(UNPAIRED)

    def judge(self, given: Tensor, output: Tensor) -> Tensor:
        """Scores [N, 1, h, w] of input and output together."""
        return self.discriminator(torch.cat([given, output], 1)).float()

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Half of equation 1, negated."""
        given, wanted = self.model.pair(batch)
        with torch.no_grad():
            fake = self.model.generator(given)
        real_scores, fake_scores = self.judge(given, wanted), self.judge(given, fake)
        statistics = score_statistics(real_scores.flatten(), fake_scores.flatten())
        return {"loss": discriminator_loss(real_scores, fake_scores) / 2, **statistics}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """-log D, and the L1 distance of equation 3."""
        given, wanted = self.model.pair(batch)
        fake = self.model.generator(given)
        distance = (fake.float() - wanted).abs().mean()
        if not self.playing:
            return {"loss": self.config.l1_weight * distance, "l1": distance.detach()}
        fooled = non_saturating_generator_loss(self.judge(given, fake))
        return {"loss": fooled + self.config.l1_weight * distance, "fooled": fooled.detach(), "l1": distance.detach()}
