"""Super-resolution and restoration: pictures are degraded, and a network learns to undo it.

First by pixels alone, then, from a given point of the run on, against a discriminator and on features: "Photo-Realistic
Single Image Super-Resolution Using a Generative Adversarial Network" (Ledig et al. 2017, arXiv:1609.04802), and with
``relativistic`` the losses of "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (Wang et al. 2018,
arXiv:1809.00219).

Degradation is blur, shrinking, noise and JPEG. The order, and strengths drawn anew for each picture, follow
"Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data" (Wang et al. 2021, arXiv:2107.10833,
section 3.1), one pass of it. All of it runs on any device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import (
    discriminator_loss,
    non_saturating_generator_loss,
    relativistic_average_loss,
    score_statistics,
)
from ganhub.losses.perceptual import unit_distance
from ganhub.nn.features import Frozen, feature_network
from ganhub.nn.random import normal, uniform
from ganhub.objectives._base import Batch, LateGame

STRENGTHS, NOISE = 0x601, 0x602  # keep what a seed draws here apart from what else is drawn of it
SPARED = 0.25  # share of the pictures that a step is left out of


@dataclass(frozen=True, kw_only=True)
class DegradationConfig(BaseConfig):
    """How strong each step may be. Of each step a quarter of the pictures is spared, whatever else befalls them; the
    others draw their own strength, evenly from 0 to this. 0 leaves a step out.

    Attributes:
        blur: Deviation of the Gaussian blur before shrinking, in pixels of the large picture.
        noise: Deviation of the Gaussian noise, in 255ths.
        jpeg: JPEG quality lost: each picture is saved with a quality from 100 - jpeg to 100.
    """

    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        self.require_range(0, 16, "blur")
        self.require_range(0, 128, "noise")
        self.require_range(0, 99, "jpeg")


class Degradation:
    """Large pictures [N, 3, H, W] in [-1, 1] -> degraded ones [N, 3, H / scale, W / scale], by the pictures' seeds.

    Args:
        config: Strengths.
        scale: H and W must be multiples of it.
    """

    def __init__(self, config: DegradationConfig, scale: int = 1) -> None:
        self.config, self.scale = config, scale

    @torch.no_grad()
    def __call__(self, images: Tensor, seeds: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):  # JPEG rounds finer than bfloat16 can tell
            return self._degraded(images.float(), seeds).to(images.dtype)

    def _degraded(self, x: Tensor, seeds: Tensor) -> Tensor:
        config = self.config
        draws = (uniform(seeds, 3, stream=STRENGTHS) - SPARED) / (1 - SPARED)
        blur, noise, loss = draws.clamp_min(0).to(x).unbind(1)
        if config.blur:
            x = blurred(x, blur * config.blur)
        if self.scale > 1:
            height, width = (side // self.scale for side in x.shape[2:])
            x = F.interpolate(x, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
        if config.noise:
            grain = normal(seeds, *x.shape[1:], stream=NOISE).to(x)
            x = x + grain * (noise * config.noise / 127.5)[:, None, None, None]
        if config.jpeg:
            saved = jpeg(x, 100 - loss * config.jpeg)
            x = torch.where((loss > 0)[:, None, None, None], saved, x)  # even the best quality halves the colours
        return x.clamp(-1, 1)


def blurred(images: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian blur of each of [N, C, H, W] by its own deviation [N] in pixels, edges reflected."""
    n, channels, height, width = images.shape
    reach = min(math.ceil(3 * float(deviation.max())), height - 1, width - 1)
    places = torch.arange(-reach, reach + 1, device=images.device)
    spread = deviation[:, None].clamp_min(1e-3)
    kernel = torch.exp(-places.square() / (2 * spread.square())) * (places.abs() <= (3 * spread).ceil())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    x = F.pad(images, (reach,) * 4, mode="reflect").reshape(1, n * channels, height + 2 * reach, -1)
    x = F.conv2d(x, kernel[:, None, :, None], groups=n * channels)
    return F.conv2d(x, kernel[:, None, None, :], groups=n * channels).view(n, channels, height, width)


# The quantisation tables of annex K of the JPEG standard (ITU-T T.81), for quality 50.
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32,
)  # fmt: skip
YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # of RGB (JFIF 1.02)


@lru_cache
@torch.inference_mode(False)  # what is kept may be needed for a gradient later
def _jpeg_constants(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """RGB to YCbCr [3, 3] and back, the cosines of annex A [8, 8], and both quantisation tables [8, 8]."""
    matrix = torch.tensor(YCBCR, device="cpu")
    frequency, position = torch.arange(8.0, device="cpu")[:, None], torch.arange(8.0, device="cpu")
    cosines = torch.cos((2 * position + 1) * frequency * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    tables = [torch.tensor(table, dtype=torch.float32, device="cpu").view(8, 8) for table in (LUMINANCE, CHROMINANCE)]
    return tuple(x.to(device) for x in (matrix, torch.linalg.inv(matrix), cosines, *tables))


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """What JPEG leaves of each of [N, 3, H, W] in [-1, 1], saved with its own quality [N] in [1, 100].

    The tables scaled as libjpeg scales them, colours at half the size (4:2:0); without the entropy coding, which loses
    nothing.
    """
    n, _, height, width = images.shape
    right, below = -width % 16, -height % 16
    x = F.pad(images.float(), (0, right, 0, below), mode="replicate") * 127.5  # centred, as the standard shifts it
    matrix, inverse, cosines, luminance, chrominance = _jpeg_constants(x.device)
    y, colours = torch.einsum("ij,njhw->nihw", matrix, x).split((1, 2), 1)
    factor = torch.where(quality < 50, 5000 / quality.clamp_min(1), 200 - 2 * quality)[:, None, None, None, None, None]
    y = _quantised(y, luminance, cosines, factor)
    colours = _quantised(F.avg_pool2d(colours, 2), chrominance, cosines, factor)
    colours = F.interpolate(colours, scale_factor=2, mode="bilinear")
    x = torch.einsum("ij,njhw->nihw", inverse, torch.cat([y, colours], 1)) / 127.5
    return x[..., :height, :width].clamp(-1, 1).to(images.dtype)


def _quantised(x: Tensor, table: Tensor, cosines: Tensor, factor: Tensor) -> Tensor:
    """Blocks of 8 x 8 of [N, C, H, W] to cosines, rounded to the table's steps, and back."""
    n, channels, height, width = x.shape
    steps = ((table * factor + 50) / 100).floor().clamp(1, 255)
    blocks = x.view(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    spectrum = cosines @ blocks @ cosines.T
    blocks = cosines.T @ ((spectrum / steps).round() * steps) @ cosines
    return blocks.transpose(3, 4).reshape(n, channels, height, width)


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig(DegradationConfig):
    """Settings of :class:`SuperResolutionObjective`, those of the degradation that it undoes among them.

    Attributes:
        adversarial_from: Pictures seen before the discriminator plays; until then, and always with 0, pixels alone
            are compared: SRResNet.
        pixel_weight, feature_weight, adversarial_weight: Weights of the parts of equation 3 once it plays.
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
            if unknown := set(config.layers) - set(layers := self.features.network.layers):
                raise ConfigError(f"{config.network} has no layer '{min(unknown)}'.{nearest(min(unknown), layers)}")

    def sides(self) -> tuple[int, int]:
        multiple = self.model.scale * self.model.multiple
        return max(16, multiple), multiple

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Pixels alone, or equation 3 once the discriminator plays."""
        config, fake = self.config, self.model(self.degrade(batch.images, batch.seeds))
        pixel = (fake.float() - batch.images).abs().mean()
        if not self.playing:
            return {"loss": pixel, "pixel": pixel.detach()}
        with torch.no_grad():
            wanted = self.features.network(batch.images, config.layers)
        feature = unit_distance(self.features.network(fake, config.layers), wanted).mean()
        scores = self.discriminator(fake).float()
        if config.relativistic:
            fooled = relativistic_average_loss(scores, self.discriminator(batch.images).float())
        else:
            fooled = non_saturating_generator_loss(scores)
        loss = config.pixel_weight * pixel + config.feature_weight * feature + config.adversarial_weight * fooled
        numbers = {"pixel": pixel, "feature": feature, "fooled": fooled}
        return {"loss": loss, **{name: value.detach() for name, value in numbers.items()}}

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 2 of Ledig et al., negated, or equation 1 of Wang et al."""
        with torch.no_grad():
            fake = self.model(self.degrade(batch.images, batch.seeds))
        scores = self.discriminator(batch.images).float(), self.discriminator(fake).float()
        judge = relativistic_average_loss if self.config.relativistic else discriminator_loss
        return {"loss": judge(*scores), **score_statistics(*scores)}
