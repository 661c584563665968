"""FastGAN: a light generator and a discriminator that must be able to redraw what it judges, for small collections.

"Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis" (Liu et al. 2021,
arXiv:2101.04775). Three ideas: one convolution per resolution, with a gated linear unit; skip-layer excitation, by
which a small feature map opens and shuts the channels of a large one; and a discriminator trained as an auto-encoder
of real pictures at the same time, which keeps it from resting on a few details and so from overfitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.images import on_white
from ganhub.losses.adversarial import hinge_loss, score_statistics
from ganhub.models._verbs import LatentConfig, LatentGenerator
from ganhub.nn.batch_norm import BatchNorm2d
from ganhub.nn.blocks import pyramid
from ganhub.nn.features import Frozen, feature_network
from ganhub.nn.random import uniform
from ganhub.objectives import Batch, GameObjective, Phase

REACH = 4  # doublings that a skip-layer excitation spans: 4 -> 64, 8 -> 128, ...
CROP_STREAM = 0xC40
JUDGES = ("relu2_1", "relu3_1", "relu4_1")  # layers of vgg-lite that compare a picture with its reconstruction


@dataclass(frozen=True, kw_only=True)
class FastGANConfig(LatentConfig):
    """Sizes of both players.

    Attributes:
        image_size: 4, 5, 6 or 7 times a power of two, from 32 on.
        channel_base: Channels at a resolution of r pixels: channel_base / r, at most ``max_channels``.
        max_channels: See ``channel_base``.
        discriminator_channel_base, discriminator_max_channels: The same for the discriminator.
    """

    latent_dim: int = 256
    channel_base: int = 8192
    max_channels: int = 512
    discriminator_channel_base: int = 8192
    discriminator_max_channels: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        pyramid(self.image_size)
        self.require(self.num_classes == 0, "fastgan knows no classes: set num_classes = 0.")
        self.require(self.image_size >= 32, f"fastgan makes pictures of 32 pixels or more, not {self.image_size}.")
        self.require_range(1, 8192, "max_channels", "discriminator_max_channels")
        self.require_range(8, 2**20, "channel_base", "discriminator_channel_base")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Height and width of the feature maps, smallest first, for example (4, 8, 16, 32, 64)."""
        base, doublings = pyramid(self.image_size)
        return tuple(base * 2**n for n in range(doublings + 1))

    def channels_of(self, size: int, *, discriminator: bool = False) -> int:
        """Channels of the feature maps of that many pixels a side."""
        base = self.discriminator_channel_base if discriminator else self.channel_base
        limit = self.discriminator_max_channels if discriminator else self.max_channels
        return max(1, min(base // size, limit))


class NoiseConv(nn.Module):
    """3x3 convolution, noise, batch norm, gated linear unit.

    Shapes: x [N, in, H, W] and noise [N, 1, H, W] or None -> [N, out, H, W].
    """

    def __init__(self, in_channels: int, out_channels: int, *, noisy: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, 3, padding=1, bias=False)
        self.strength = nn.Parameter(torch.zeros(())) if noisy else None
        self.norm = BatchNorm2d(2 * out_channels)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        x = self.conv(x)
        if self.strength is not None:
            x = x + (noise * self.strength).to(x.dtype)
        return _gated(self.norm(x))


def _gated(x: Tensor) -> Tensor:
    """Gated linear unit, [N, 2 C, H, W] -> [N, C, H, W]. F.glu's gradient leaves channels-last and is slow on CPUs."""
    value, gate = x.chunk(2, dim=1)
    return value * torch.sigmoid(gate)


class SkipExcitation(nn.Module):
    """Equation 1: the channels of a large map, each multiplied by a gate that a small map computes.

    Unlike a skip connection it costs nothing at the large size, and the maps may differ in size and channels.

    Shapes: small [N, in, h, w] and large [N, out, H, W] -> [N, out, H, W].
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, out_channels, 4)
        self.gate = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        gate = F.leaky_relu(self.squeeze(F.adaptive_avg_pool2d(small, 4)), 0.1)
        return large * torch.sigmoid(self.gate(gate)).to(large.dtype)


class Generator(nn.Module):
    """z [N, latent_dim] and noise maps of each size but the smallest -> images [N, C, H, W] in [-1, 1] (figure 3)."""

    def __init__(self, config: FastGANConfig) -> None:
        super().__init__()
        sizes = config.sizes
        widths = [config.channels_of(size) for size in sizes]
        self.start = (2 * widths[0], sizes[0], sizes[0])
        self.project = nn.Linear(config.latent_dim, 2 * widths[0] * sizes[0] ** 2, bias=False)
        self.norm = BatchNorm2d(2 * widths[0])
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.ModuleList(NoiseConv(before, after, noisy=True) for before, after in pairs)
        reach = self.reach = min(REACH, len(sizes) - 1)
        self.skips = nn.ModuleList(SkipExcitation(a, b) for a, b in zip(widths, widths[reach:], strict=False))
        self.to_image = nn.Conv2d(widths[-1], config.channels, 3, padding=1)
        _initialise(self)

    def forward(self, z: Tensor, noise: Sequence[Tensor]) -> Tensor:
        x = self.project(z).view(-1, *self.start).contiguous(memory_format=torch.channels_last)
        x = _gated(self.norm(x))
        maps = [x]
        for level, (block, one) in enumerate(zip(self.blocks, noise, strict=True), start=1):
            x = block(F.interpolate(x, scale_factor=2), one)
            if level >= self.reach:
                x = self.skips[level - self.reach](maps[level - self.reach], x)
            maps.append(x)
        return torch.tanh(self.to_image(x))


class DownBlock(nn.Module):
    """[N, in, H, W] -> [N, out, H / 2, W / 2]: the mean of two convolutions and of a pooled straight path."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=False), BatchNorm2d(out_channels), nn.LeakyReLU(0.2),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False), BatchNorm2d(out_channels), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.straight = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False), BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.straight(x)) / 2


class Discriminator(nn.Module):
    """Images [N, C, H, W] -> scores [N]; :meth:`judge` gives more.

    Layers that no batch norm follows have their spectral norm held at 1 (Miyato et al. 2018, arXiv:1802.05957).
    """

    def __init__(self, config: FastGANConfig) -> None:
        super().__init__()
        sizes = config.sizes[1:-1][::-1]  # half the picture's size, down to twice the smallest: 8 x 8
        widths = [config.channels_of(size, discriminator=True) for size in sizes]
        first, last = nn.Conv2d(config.channels, widths[0], 4, 2, 1), nn.Conv2d(widths[-1], 1, 4)
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.ModuleList(DownBlock(before, after) for before, after in pairs)
        self.mix = nn.Sequential(
            nn.Conv2d(widths[-1], widths[-1], 1, bias=False), BatchNorm2d(widths[-1]), nn.LeakyReLU(0.2)
        )
        self.first, self.last = first, last
        _initialise(self)
        self.first, self.last = spectral_norm(first), spectral_norm(last)
        self.feature_widths = widths[-2:]

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge places, and tell what was seen.

        Returns:
            Logits [N, K, K] of overlapping regions (K = 5 over an 8 x 8 map), and the features f1 [N, C1, 16, 16] and
            f2 [N, C2, 8, 8] of section 3.2 (where the smallest size is 5 to 7, twice and four times that).
        """
        x = features = F.leaky_relu(self.first(images), 0.2)
        for block in self.blocks:
            features, x = x, block(x)
        return self.last(self.mix(x)).squeeze(1), features, x

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.judge(images)[0].mean((1, 2))


class Decoder(nn.Sequential):
    """Features [N, in, H, W] -> a picture [N, channels, 2^n H, 2^n W] in [-1, 1] by n doublings (section 3.2)."""

    def __init__(self, in_channels: int, channels: int, doublings: int) -> None:
        widths = [in_channels, *(max(in_channels >> (n + 1), 16) for n in range(doublings))]
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Upsample(scale_factor=2), NoiseConv(before, after)]
        super().__init__(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())
        _initialise(self)


def _initialise(module: nn.Module) -> None:
    """He's initialisation (2015, arXiv:1502.01852); batch norm makes little of the scale, but not before it has run."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)) and not part.weight.is_meta:
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class FastGAN(LatentGenerator, architecture="fastgan"):
    """Liu et al. 2021: a light generator for few pictures and little compute."""

    Config = FastGANConfig
    paper = (
        "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis (Liu et al. 2021, "
        "arXiv:2101.04775)"
    )
    default_objective = "fastgan"
    config: FastGANConfig

    def __init__(self, config: FastGANConfig | None = None) -> None:
        super().__init__(config)
        self.generator = Generator(self.config)

    @property
    def noise_dim(self) -> int:
        return sum(size**2 for size in self.config.sizes[1:])

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        sizes = self.config.sizes[1:]
        maps = self._noise_or_first(noise, len(z)).split([size**2 for size in sizes], dim=1)
        return self.generator(z, [one.view(-1, 1, size, size) for one, size in zip(maps, sizes, strict=True)])

    def adversary(self) -> Discriminator:
        return Discriminator(self.config)

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            FastGANConfig(
                image_size=32, latent_dim=8, channel_base=64, max_channels=8, discriminator_channel_base=64,
                discriminator_max_channels=8,
            )
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FastGANObjectiveConfig(BaseConfig):
    """Settings of :class:`FastGANObjective`.

    Attributes:
        augment: DiffAugment policy, or "ada"; see :func:`ganhub.nn.ada.build_augment`.
        reconstruction: Weight of the auto-encoding loss; 0 switches it off.
    """

    augment: str = "colour,translation"
    reconstruction: float = 1.0

    def __post_init__(self) -> None:
        self.require(self.reconstruction >= 0, "reconstruction must be 0 (off) or more.")


class FastGANObjective(GameObjective, name="fastgan"):
    """Equations 2 to 4: a hinge game in which the discriminator also redraws real pictures from its features.

    The whole picture is redrawn from the smallest features f2, a quarter of it, at a place drawn anew, from the same
    part of the finer f1. The paper compares by LPIPS; here the features of vgg-lite stand in for it, unweighted.
    """

    Config = FastGANObjectiveConfig

    def __init__(self, model: FastGAN, config: FastGANObjectiveConfig) -> None:
        if not isinstance(model, FastGAN):
            raise ConfigError('The objective "fastgan" trains a fastgan; "projected" trains any model.')
        super().__init__(model, config)
        c = model.config
        fine, coarse = self.discriminator.feature_widths
        doublings = min(len(c.sizes) - 3, 4)  # to half the picture's size, to 128 at most
        self.whole, self.part = (Decoder(width, c.channels, doublings) for width in (coarse, fine))
        self.features = Frozen(feature_network("vgg-lite"))

    def players(self) -> dict[str, list[nn.Module]]:
        return {"discriminator": [self.discriminator, self.whole, self.part], "generator": [self.model]}

    def phases(self) -> Sequence[Phase]:
        return [
            Phase(player="discriminator", loss=self.discriminator_loss),
            Phase(player="generator", loss=self.generator_loss),
        ]

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 3: the hinge loss over all regions, and the reconstruction of what was real."""
        fake = self.augment(self.model.make(batch.seeds, batch.labels).detach(), batch.seeds, stream=1)
        real = self.augment(batch.images, batch.seeds)
        real_logits, fine, coarse = self.discriminator.judge(real)
        real_logits, fake_logits = real_logits.float(), self.discriminator.judge(fake)[0].float()
        scores = real_logits.mean((1, 2)), fake_logits.mean((1, 2))
        numbers = score_statistics(*scores) | self.augment.observe(*scores)
        loss = hinge_loss(real_logits, fake_logits)
        if not self.config.reconstruction:
            return {**numbers, "loss": loss}
        reconstruction = self.reconstruction(real, fine, coarse, batch.seeds)
        loss = loss + self.config.reconstruction * reconstruction
        return {**numbers, "loss": loss, "reconstruction": reconstruction.detach()}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 4: -E[D(G(z))]."""
        fake = self.augment(self.model.make(batch.seeds, batch.labels), batch.seeds)
        return {"loss": -self.discriminator.judge(fake)[0].float().mean()}

    def reconstruction(self, images: Tensor, fine: Tensor, coarse: Tensor, seeds: Tensor) -> Tensor:
        """Equation 2: the perceptual distance between real pictures and what is drawn from their features.

        Args:
            images: [N, C, H, W], as the discriminator saw them.
            fine: f1 of :meth:`Discriminator.judge`.
            coarse: f2, half as large.
            seeds: [N]; decide which quarter is redrawn.
        """
        side, step = coarse.shape[-1], images.shape[-1] // fine.shape[-1]
        places = (uniform(seeds, 2, stream=CROP_STREAM) * (fine.shape[-1] - side + 1)).long().tolist()
        part = self.part(_crop(fine, places, side))
        target = _crop(images, [(step * top, step * left) for top, left in places], step * side)
        return (self._distance(self.whole(coarse), images) + self._distance(part, target)) / 2

    def _distance(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Squared difference of features, scaled to length 1 at each place (Zhang et al. 2018, arXiv:1801.03924)."""
        with torch.no_grad():
            wanted = self.features.network(on_white(F.interpolate(images, size=drawn.shape[2:], mode="area")), JUDGES)
        maps = self.features.network(on_white(drawn), JUDGES)
        distances = [
            (F.normalize(maps[name].float(), dim=1) - F.normalize(wanted[name].float(), dim=1)).square().sum(1).mean()
            for name in JUDGES
        ]
        return torch.stack(distances).mean()


def _crop(x: Tensor, places: Sequence[tuple[int, int]], side: int) -> Tensor:
    """A square of each picture, its corner at (top, left)."""
    return torch.stack([one[:, y : y + side, z : z + side] for one, (y, z) in zip(x, places, strict=True)])
