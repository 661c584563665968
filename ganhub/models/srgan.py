"""Super-resolution: a small picture made large, and its detail guessed.

"Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network" (Ledig et al. 2017,
arXiv:1609.04802): SRResNet, a residual network trained for the least error, then trained on as SRGAN, against a
discriminator and on features instead of pixels. Three parts are those of later papers, which cost less for the same
result: residual blocks without batch normalisation ("Enhanced Deep Residual Networks", Lim et al. 2017,
arXiv:1707.02921), all enlarging in one step at the end, where pixels are unfolded from channels ("Real-Time Single
Image and Video Super-Resolution", Shi et al. 2016, arXiv:1609.05158), and a network that adds what bicubic enlargement
lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import discriminator_loss, non_saturating_generator_loss, score_statistics
from ganhub.losses.perceptual import content_distance
from ganhub.models._translator import Translator
from ganhub.nn.batch_norm import BatchNorm2d
from ganhub.nn.degrade import Degradation, DegradationConfig
from ganhub.nn.features import feature_network
from ganhub.objectives._base import BaseObjective, Batch, Phase


@dataclass(frozen=True, kw_only=True)
class SRGANConfig(BaseConfig):
    """Sizes of both players.

    Attributes:
        scale: How many times larger, a side, a picture becomes; 1 mends it as large as it is.
        width: Channels.
        blocks: Residual blocks.
        discriminator_width: Channels of its first layers, doubled three times.
    """

    scale: int = 4
    width: int = 48
    blocks: int = 10
    discriminator_width: int = 32

    def __post_init__(self) -> None:
        self.require_range(1, 8, "scale")
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
    """[N, 3, H, W] -> [N, 3, scale H, scale W]: figure 4, with the changes that the module's docstring names."""

    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        self.scale = config.scale
        self.head = nn.Conv2d(3, config.width, 3, padding=1)
        self.body = nn.Sequential(*(Block(config.width) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.width, 3 * config.scale**2, 3, padding=1)
        with torch.no_grad():
            self.tail.weight *= 0.1

    def forward(self, images: Tensor) -> Tensor:
        x = self.head(images)
        detail = F.pixel_shuffle(self.tail(x + self.body(x)), self.scale)
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


class SRGAN(Translator, architecture="srgan"):
    """Ledig et al. 2017: larger pictures."""

    Config = SRGANConfig
    paper = (
        "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network (Ledig et al. 2017, "
        "arXiv:1609.04802)"
    )
    default_objective = "super-resolution"
    config: SRGANConfig

    def __init__(self, config: SRGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = SRResNet(self.config)

    @classmethod
    def tiny(cls) -> Self:
        """Untrained, twice as large."""
        return cls(SRGANConfig(scale=2, width=4, blocks=1, discriminator_width=4))

    @property
    def scale(self) -> int:
        return self.config.scale

    def adversary(self) -> Discriminator:
        return Discriminator(self.config.discriminator_width)

    def forward(self, images: Tensor) -> Tensor:
        return self.generator(images)


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig(DegradationConfig):
    """Settings of :class:`SuperResolutionObjective`, those of the degradation that it undoes among them.

    Attributes:
        adversarial_from: Pictures seen before the discriminator plays; until then, and always with 0, pixels alone
            are compared: SRResNet.
        pixel_weight, feature_weight, adversarial_weight: Of the parts of equation 3 once it plays.
        network, layer: Features that are compared (equation 5): "vgg-lite" or "vgg19".
    """

    adversarial_from: int = 0
    pixel_weight: float = 1.0
    feature_weight: float = 0.1
    adversarial_weight: float = 5e-3
    network: str = "vgg-lite"
    layer: str = "relu4_1"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.adversarial_from >= 0, "adversarial_from must be 0 (never) or more.")
        self.require_range(0, 1e6, "pixel_weight", "feature_weight", "adversarial_weight")


class SuperResolutionObjective(BaseObjective, name="super-resolution"):
    """Equations 3 to 6; pixels are compared by their absolute differences, as Lim et al. 2017 found better."""

    Config = SuperResolutionConfig

    def __init__(self, model: nn.Module, config: SuperResolutionConfig) -> None:
        super().__init__(model, config)
        if not isinstance(model, Translator):
            raise ConfigError('The objective "super-resolution" trains translators, such as srgan.')
        self.degrade = Degradation(config, model.scale)
        self._network: list[nn.Module] = []
        if config.adversarial_from:
            self.discriminator = model.adversary()
            with torch.random.fork_rng(devices=[]):
                self._network.append(feature_network(config.network))  # frozen: no part of the state dict

    def _apply(self, fn, recurse: bool = True):
        for network in self._network:  # it goes where the objective goes
            network._apply(fn)
        return super()._apply(fn, recurse)

    def players(self) -> dict[str, list[nn.Module]]:
        players = {"generator": [self.model]}
        return {**players, "discriminator": [self.discriminator]} if self.config.adversarial_from else players

    def phases(self) -> Sequence[Phase]:
        phases = [Phase(player="generator", loss=self.generator_loss)]
        if start := self.config.adversarial_from:
            phases.append(Phase(player="discriminator", loss=self.discriminator_loss, start=start))
        return phases

    def at(self, images_seen: int) -> None:
        self.playing = 0 < self.config.adversarial_from <= images_seen

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Pixels alone, or equation 3 once the discriminator plays."""
        config, made = self.config, self.model(self.degrade(batch.images, batch.seeds))
        pixel = (made.float() - batch.images).abs().mean()
        if not self.playing:
            return {"loss": pixel, "pixel": pixel.detach()}
        with torch.no_grad():
            wanted = self._network[0](batch.images, (config.layer,))[config.layer].float()
        seen = self._network[0](made, (config.layer,))[config.layer].float()
        feature = (content_distance(seen, wanted) / wanted.square().mean((1, 2, 3)).clamp_min(1e-8)).mean()
        fooled = non_saturating_generator_loss(self.discriminator(made).float())
        loss = config.pixel_weight * pixel + config.feature_weight * feature + config.adversarial_weight * fooled
        numbers = {"pixel": pixel, "feature": feature, "fooled": fooled}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 2, negated."""
        with torch.no_grad():
            made = self.model(self.degrade(batch.images, batch.seeds))
        real, fake = self.discriminator(batch.images).float(), self.discriminator(made).float()
        return {"loss": discriminator_loss(real, fake), **score_statistics(real, fake)}


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Bicubic, [N, C, H, W] -> [N, C, scale H, scale W]; what overshoots is left for the network to see."""
    return images if scale == 1 else F.interpolate(images, scale_factor=scale, mode="bicubic", antialias=True)
