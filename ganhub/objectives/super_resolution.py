"""Super-resolution and restoration: pictures are degraded, and a network learns to undo it.

First by pixels alone, then, from a given point of the run on, against a discriminator and on features: "Photo-Realistic
Single Image Super-Resolution Using a Generative Adversarial Network" (Ledig et al. 2017, arXiv:1609.04802), and with
``relativistic`` the losses of "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (Wang et al. 2018,
arXiv:1809.00219).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import (
    discriminator_loss,
    non_saturating_generator_loss,
    relativistic_average_loss,
    score_statistics,
)
from ganhub.losses.perceptual import unit_distance
from ganhub.nn.degrade import Degradation, DegradationConfig
from ganhub.nn.features import Frozen, feature_network
from ganhub.objectives._base import Batch, LateGame


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig(DegradationConfig):
    """Settings of :class:`SuperResolutionObjective`, those of the degradation that it undoes among them.

    Attributes:
        adversarial_from: Pictures seen before the discriminator plays; until then, and always with 0, pixels alone
            are compared: SRResNet.
        pixel_weight, feature_weight, adversarial_weight: Of the parts of equation 3 once it plays.
        relativistic: Whether pictures are judged against each other's mean score, as in ESRGAN (equations 1 and 2).
        network, layers: Features that are compared: "vgg-lite" or "vgg19". Equation 5 compares one layer of VGG-19;
            several, each scaled to length 1 (Zhang et al. 2018), tell texture as well as shape.
    """

    adversarial_from: int = 0
    pixel_weight: float = 1.0
    feature_weight: float = 0.1
    adversarial_weight: float = 5e-3
    relativistic: bool = False
    network: str = "vgg-lite"
    layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.adversarial_from >= 0, "adversarial_from must be 0 (never) or more.")
        self.require(len(self.layers) > 0, "layers must name at least one layer of the feature network.")
        self.require_range(0, 1e6, "pixel_weight", "feature_weight", "adversarial_weight")


class SuperResolutionObjective(LateGame, name="super-resolution"):
    """Equations 3 to 6 of Ledig et al.; pixels are compared by their absolute differences, which Lim et al. 2017
    (arXiv:1707.02921) found better."""

    Config = SuperResolutionConfig

    def __init__(self, model: nn.Module, config: SuperResolutionConfig) -> None:
        if not hasattr(model, "scale"):
            raise ConfigError('The objective "super-resolution" trains translators, such as srgan.')
        super().__init__(model, config, joins_at=config.adversarial_from or None)
        self.degrade = Degradation(config, model.scale)
        if self.playing:
            self.features = Frozen(feature_network(config.network))
            if unknown := set(config.layers) - set(known := self.features.network.layers):
                raise ConfigError(f"{config.network} has no layer '{min(unknown)}'.{nearest(min(unknown), known)}")

    def sides(self) -> tuple[int, int]:
        multiple = self.model.scale * self.model.multiple
        return max(16, multiple), multiple

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Pixels alone, or equation 3 once the discriminator plays."""
        config, made = self.config, self.model(self.degrade(batch.images, batch.seeds))
        pixel = (made.float() - batch.images).abs().mean()
        if not self.playing:
            return {"loss": pixel, "pixel": pixel.detach()}
        with torch.no_grad():
            wanted = self.features.network(batch.images, config.layers)
        feature = unit_distance(self.features.network(made, config.layers), wanted).mean()
        fake = self.discriminator(made).float()
        if config.relativistic:
            fooled = relativistic_average_loss(fake, self.discriminator(batch.images).float())
        else:
            fooled = non_saturating_generator_loss(fake)
        loss = config.pixel_weight * pixel + config.feature_weight * feature + config.adversarial_weight * fooled
        numbers = {"pixel": pixel, "feature": feature, "fooled": fooled}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 2 of Ledig et al., negated, or equation 1 of Wang et al."""
        with torch.no_grad():
            made = self.model(self.degrade(batch.images, batch.seeds))
        real, fake = self.discriminator(batch.images).float(), self.discriminator(made).float()
        judge = relativistic_average_loss if self.config.relativistic else discriminator_loss
        return {"loss": judge(real, fake), **score_statistics(real, fake)}
